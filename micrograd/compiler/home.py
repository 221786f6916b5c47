"""Parameters in one array.

A compiled step would be mostly reading the `data` of parameters one by one, adding to each `grad`, and writing each
`data` again. So where an optimiser moves what a program has sent gradients to, the numbers move into a home: an array
of data, and one of gradients. The Values are views of their places there meanwhile: of a class that looks its numbers
up. Programs and optimisers know their Values as a `Row`, which finds them in the home all at once.

Whatever is unusual dissolves a home, and its Values are as before: a number that is no float, such as a Symbol while a
function is traced; a copy; another class; or that they are used one by one more often than together, as in eager code,
for which views are slow. The optimiser makes another home when there is reason to.
"""

import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper, wraps
from itertools import repeat
from threading import RLock
from typing import Any, ClassVar

from ..engine import UNREACHED, Value

MANY = 64  # from so many Values on arrays are faster
PATIENCE = 2  # so often each of them may be used alone, on average, from step to step; more costs more than is won

one_at_a_time = RLock()
# The slot that is `data` of an ordinary Value has the home of a view and its place there, a pair: as that is one write,
# another thread sees either the one or the other.
SLOT, GRAD, CLASS = vars(Value)["data"], vars(Value)["grad"], vars(object)["__class__"]
slot_of, grad_of = SLOT.__get__, GRAD.__get__
NOBODY = Value(0.0)  # stands for Values that are gone


def set_each(slot: Any, values: Iterable[Value], entries: Iterable[Any]) -> None:
    """Set a slot of each Value, or its class: in a loop of C, in which no other thread and no Ctrl-C gets a turn."""
    deque(map(slot.__set__, values, entries), maxlen=0)


class Home:
    """The numbers of some Values, which become views.

    Attributes:
        data, grad: arrays; a gradient that is None is -0.0 there, as -0.0 + g is g for each g.
        none: of each gradient whether it is None.
        fed: whether a program has added to the gradients since the last step.
        patience: how often single numbers may yet be used.
    """

    made: ClassVar[int] = 0  # how many there were

    def __init__(self, values: Sequence[Value]):
        import numpy as np

        self.np, self.values = np, [*map(weakref.ref, values)]
        self.alive, self.fed, self.patience = True, True, PATIENCE * len(values)
        with one_at_a_time:
            set_each(CLASS, values, repeat(View))  # from here on, other threads that write wait
            try:
                grads = [*map(grad_of, values)]
                self.numbers = array("d", map(slot_of, values))  # of which one is a float of Python, and read fast
                self.slopes = array("d", [-0.0 if g is None else g for g in grads])
                self.absent = bytearray(g is None for g in grads)
            except BaseException:  # another thread has just written something unusual, or a person has pressed Ctrl-C
                set_each(CLASS, values, repeat(Value))
                raise
            self.data, self.grad = np.frombuffer(self.numbers), np.frombuffer(self.slopes)
            self.none = np.frombuffer(self.absent, dtype=bool)
            Home.made += 1
            set_each(SLOT, values, zip(repeat(self), range(len(values))))

    def dissolve(self) -> None:
        """Make ordinary Values of all views."""
        with one_at_a_time:
            if self.alive:
                values = [ref() or NOBODY for ref in self.values]
                self.alive = False  # from here on, other threads that write wait
                grads = self.grad.astype(object)
                grads[self.none] = None
                set_each(GRAD, values, grads)
                set_each(SLOT, values, self.numbers)
                set_each(CLASS, values, repeat(Value))

    def places(self, values: Iterable[Any]) -> list[int]:
        """Where each of them is; -1 of those that are not here."""
        return [at[1] if type(v) is View and (at := slot_of(v))[0] is self else -1 for v in values]


def settle(x: Value) -> bool:
    """Dissolve the home of `x`, if it has one, which is returned."""
    with one_at_a_time:
        found = type(x) is View
        if found:
            slot_of(x)[0].dissolve()
    return found


def looked_up(slot: Any) -> property:
    """What a view has in place of a slot."""
    is_data = slot is SLOT

    def get(self: Value) -> Any:
        at = slot_of(self)
        if type(at) is not tuple:  # just now, another thread has dissolved the home
            return slot.__get__(self)
        home, place = at
        x = home.numbers[place] if is_data else None if home.absent[place] else home.slopes[place]
        home.patience -= 1
        if home.patience < 0:
            home.dissolve()
        return x

    def put(self: Value, x: Any) -> None:
        at, none = slot_of(self), x is None and not is_data
        if type(at) is tuple and (none or (type(x) is float and x is not UNREACHED)):
            home, place = at
            if is_data:
                home.numbers[place] = x
            else:
                home.slopes[place], home.absent[place] = -0.0 if none else x, none
            home.patience -= 1
            if home.patience > 0 and home.alive:
                return
        settle(self)
        slot.__set__(self, x)

    def delete(self: Value) -> None:
        settle(self)
        slot.__delete__(self)

    return property(get, put, delete)


class Kind(type):
    """The class of the class of a view, which does as Value does."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is Value

    def __hash__(cls) -> int:
        return hash(Value)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return Value(*args, **options)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Value)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, Value)


class View(Value, metaclass=Kind):
    """A Value whose numbers are in a home.

    Its class equals Value and makes Values, but is another: `type(v) == Value`, yet not `type(v) is Value`. To look a
    number up in an array takes a property where Value has a slot, which would make all other Values slower.
    """

    __slots__ = ()

    data: Any = looked_up(SLOT)
    grad: Any = looked_up(GRAD)

    @property
    def __class__(self) -> Any:
        return Value

    @__class__.setter
    def __class__(self, kind: type) -> None:
        settle(self)
        CLASS.__set__(self, kind)

    def __reduce_ex__(self, protocol: Any) -> Any:
        settle(self)
        return object.__reduce_ex__(self, protocol)


update_wrapper(View, Value, updated=())  # the same name, and the same documentation


def preferring(name: str, mirrored: str) -> Callable[[Any, Any], Any]:
    """The operation of a view. Of a Value and one of a subclass with a mirrored method of its own, Python asks the
    latter first; here it would not, as no subclass of Value is one of View."""

    @wraps(getattr(Value, name))
    def operation(self: Any, other: Any) -> Any:
        if type(other) is View or not isinstance(other, Value):
            return getattr(Value, name)(self, other)
        if (own := getattr(type(other), mirrored)) is not getattr(Value, mirrored):
            found = own(other, self)
            if found is not NotImplemented:
                return found
        return getattr(Value, name)(self, other)

    return operation


MIRRORED = {name: mirrored for name in dir(Value) if hasattr(Value, mirrored := f"__r{name[2:]}")}
MIRRORED |= {"__lt__": "__gt__", "__le__": "__ge__", "__gt__": "__lt__", "__ge__": "__le__"}
for name, mirrored in MIRRORED.items():
    setattr(View, name, preferring(name, mirrored))
