"""Values side by side, whose numbers are read and written at once where they are in a home."""

import sys
import weakref
from collections.abc import Callable, Sequence
from itertools import chain
from types import NoneType
from typing import Any, ClassVar

from ..compat import ByHand
from ..engine import Value, nothing
from .home import MANY, Home, View, one_at_a_time, slot_of

LASTING = 4  # so many steps a home should be there for, on average, to be worth its making; not so the first few


def refuse_hook(leaf: Value) -> None:
    """Raise TypeError where a person has assigned the `_backward` of a leaf."""
    if not leaf._prev and leaf._grad_fn is not nothing:
        raise TypeError(
            f"a Value without parents has a _backward{leaf.label and ', ' + leaf.label}, which a program does not "
            f"call: change its grad after backward()"
        )


class Row:
    """Some Values side by side: the leaves of a program, or the parameters of an optimiser.

    Args:
        values: the Values; what is none has no place in any home.
        known: a Row of the same but for some, whose places are not looked up again.
        others: the positions of these.

    Attributes:
        home: the home of those that have one, as `find` has found it; that of the first, should there be several.
        at: their places there, an array, with -1 for those that are elsewhere; a slice where they are side by side.
        outside: the positions of those elsewhere.
        span, order: if they fill a part of the home, that as a slice, and their places in it; otherwise `at` and None.
    """

    # Those of programs that got many gradients one by one, until an optimiser of some moves them; of each, a Value that
    # may be in this call alone.
    fed: ClassVar[Any] = weakref.WeakKeyDictionary()

    def __init__(self, values: Sequence[Any], known: "Row | None" = None, others: Sequence[int] = ()):
        self.values, self.known, self.others = values, known, others
        self.home: Home | None = None
        self.at: Any = None
        self.span: Any = None
        self.order: Any = None
        self.outside: list[int] = []
        self.looked = self.tried = self.served = 0  # at which home; how often to make one; and for how many steps
        self.hooks = 0  # of all that there are by hand, so many are known not to be of these
        self.strangers: Any = ()  # of `fed`, those that have no Value of these

    def __reduce__(self) -> Any:
        return Row, (self.values,)

    def find(self) -> Home | None:
        """The home of some; what calls this lets nobody else find or end one until it is done with it."""
        if self.looked != Home.made or (self.home and not self.home.alive):
            self.looked, known = Home.made, self.known and self.known.find()
            first = (slot_of(v)[0] for v in self.values if type(v) is View)
            self.home = home = known or next(first, None)
            if home:
                self.look_up(home)
        return self.home

    def look_up(self, home: Home) -> None:
        if self.known and self.known.home is home:
            index = self.known.at.copy()
            index[self.others] = home.places([self.values[i] for i in self.others])
        else:
            index = home.np.array(home.places(self.values), dtype=int)
        self.outside = (index < 0).nonzero()[0].tolist()
        ordered = not self.outside and (home.np.diff(index) == 1).all()
        self.at = slice(int(index[0]), int(index[-1]) + 1) if ordered else index
        self.span = None

    # ---- the leaves of a program ----

    def data(self) -> Any:
        """Their data, as a new array or a list."""
        with one_at_a_time:
            home = self.find()
            if home is None:
                return [v.data for v in self.values]
            data = home.data[self.at].copy() if type(self.at) is slice else home.data.take(self.at)
            if self.outside:
                data[self.outside] = home.np.fromiter([self.values[i].data for i in self.outside], float)
            return data

    def changed(self, before: Any) -> list[Value]:
        """Those whose data is another than `data` has found `before`."""
        data = self.data()
        if type(data) is type(before) and (
            data == before if type(data) is list else data.tobytes() == before.tobytes()
        ):  # as almost always
            return []
        return [v for v, x, y in zip(self.values, data, before) if x != y and (x == x or y == y)]  # nan is nan

    def refuse_hooks(self) -> None:
        """Raise TypeError where a person has assigned the `_backward` of a leaf."""
        if self.hooks != ByHand.assigned:
            for leaf in self.values:
                refuse_hook(leaf)
            self.hooks = ByHand.assigned

    def grads(self) -> list[Any] | Callable[[], list[Any]]:
        """The gradients, or a function that returns them as they are now."""
        with one_at_a_time:
            home = self.find()
            if home is None:
                return [v.grad for v in self.values]
            at = self.at
            part = at if type(at) is slice or 2 * len(at) < len(home.values) else slice(None)  # the whole is faster
            arrays = home.np.array(home.grad[part]), home.np.array(home.none[part])
            others = {i: self.values[i].grad for i in self.outside}

        def listed() -> list[Any]:
            pairs = enumerate(zip(*((x if part is at else x[at]).tolist() for x in arrays)))
            return [others.get(i, None if none else g) for i, (g, none) in pairs]

        return listed

    def add(self, positions: Sequence[int], gradients: Any) -> None:
        """Add to the gradients of those at some positions, each once."""
        values = self.values if len(positions) == len(self.values) else [self.values[i] for i in positions]
        with one_at_a_time:
            home = self.find()
            if len(values if home is None else self.outside) >= MANY:
                Row.fed[self.known or self] = weakref.ref(self.values[self.others[0] if self.others else 0])
            if home is None:
                return one_by_one(values, gradients)
            at = self.at if values is self.values else home.np.array(home.places(values), dtype=int)
            if self.outside:
                rest, gradients = (at < 0).nonzero()[0], home.np.asarray(gradients)
                one_by_one([values[i] for i in rest], gradients[rest])
                at, gradients = at[at >= 0], gradients[at >= 0]
            with home.np.errstate(all="ignore"):
                if type(at) is slice:
                    grad = home.grad[at]
                    grad += gradients  # not home.grad[at] +=, which would copy them once more
                else:
                    home.np.add.at(home.grad, at, gradients)  # some may be there twice
            if True in home.absent:
                home.none[at] = False
            home.fed = True

    # ---- parameters ----

    def zero_grad(self) -> None:
        """Set each gradient to zero."""
        with one_at_a_time:
            home = self.find()
            if home and not self.outside:
                home.grad[self.at], home.none[self.at] = 0.0, False
                return
        for v in self.values:
            v.grad = 0.0

    def whole(self) -> Home | None:
        """The home that has all of them; then `span` and `order` are known."""
        home = self.find()
        if home is None or self.outside:
            return None
        if self.span is None:
            self.span, self.order = self.at, None
            if type(self.at) is not slice:
                first = int(self.at.min())
                if (home.np.sort(self.at) == first + home.np.arange(len(self.at))).all():
                    self.span, self.order = slice(first, first + len(self.at)), self.at - first
        return home

    def move_in(self) -> Home | None:
        """Make a home, if programs have sent gradients to some of these Values: theirs, that of all leaves of these
        programs, and of those that were in a home with any."""
        worth = sys.modules.get("numpy") and LASTING * self.tried <= self.served + 16
        if not worth or any(type(v) is not Value and type(v) is not View for v in self.values):
            return None
        own = {*self.values}
        near = [
            row
            for row, one in [*Row.fed.items()]
            if one() in own or not (row in self.strangers or own.isdisjoint(row.values))
        ]
        for row in near:
            del Row.fed[row]
        self.strangers = weakref.WeakSet(Row.fed)
        if not near:
            return None
        self.tried += 1
        values = dict.fromkeys(v for v in chain(*(row.values for row in near), self.values) if isinstance(v, Value))
        with one_at_a_time:
            for home in {slot_of(v)[0] for v in values if type(v) is View}:
                values |= dict.fromkeys(v for ref in home.values if (v := ref()) is not None)
                home.dissolve()
            able = [v for v in values if is_able(v)]
            if len(able) < MANY or not own.issubset(able):
                return None
            Home(able)
        return self.whole()


def is_able(v: Value) -> bool:
    """Whether its numbers are such that they can be in an array."""
    return type(v) is Value and type(v.data) is float and type(v.grad) in (float, NoneType) and not v._prev


def one_by_one(values: Sequence[Value], gradients: Any) -> None:
    """Add to the gradient of each."""
    for v, g in zip(values, gradients if type(gradients) is list else memoryview(gradients)):  # both have floats
        v.grad = g if (before := v.grad) is None else before + g
