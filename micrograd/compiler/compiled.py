"""Compiled functions: which program a call runs."""

import contextlib
import functools
import inspect
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..engine import Value
from ..vmap import compiling
from .call import Call
from .guards.arguments import Arguments, Whole, take_apart
from .guards.callers import name_of
from .lock import undisturbed
from .program import Program
from .refusal import shorten

OFTEN = 8  # at so many changes of one thing it is told
CURE = (
    "pass it as an argument; as arguments, pass numbers and Values in lists of equal length (1.0 and 0.0 for True and "
    "False), and instead of what is static the numbers that follow from it (the rate, not the step)"
)

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that runs as a tensor program; `micrograd.compile` makes and describes it."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], static: Sequence[str], maxsize: int, check: bool):
        functools.update_wrapper(self, function)
        self._name = name_of(function)
        parameters: Any = ()
        with contextlib.suppress(ValueError):  # of some of Python's own it is not known
            parameters = inspect.signature(function).parameters.values()
        if isinstance(static, str):
            raise TypeError(f"static={static!r} is one text, expected a tuple of names: static=({static!r},)")
        if unknown := set(static) - {p.name for p in parameters}:
            raise ValueError(f"static={static!r}: {self._name} has no argument {', '.join(sorted(unknown))}")
        if not isinstance(maxsize, int) or maxsize < 1:
            raise ValueError(f"maxsize={maxsize!r}: at least 1 program is kept, a whole number of them")
        self._function, self._maxsize, self._check = function, maxsize, check
        self._static = tuple(static)
        self._names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self._nameless = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
        self._calls: dict[Hashable, list[Call]] = {}
        self._recent: tuple[Hashable, list[Call]] = None, []  # the last key, and what was found
        self._order: list[Call] = []  # in which they were traced
        self._changes: Counter[str] = Counter()  # how often something was another
        self._told: set[str] = set()  # what takes long to compare
        self._usual: dict[tuple[type, ...], tuple[list[str], list[Any]]] = {}  # names and structures, by types
        self._own = {*vars(self), "_own"} - {*getattr(function, "__dict__", ())}  # attributes; others are somebody's

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if compiling.mapped:  # what is called now becomes part of the trace
            return self._function(*args, **kwargs)
        given = self.take_apart(args, kwargs)
        call = self._fitting(given)
        try:
            result: R = (call or self.call_for(given))(given)
        except Exception as error:
            shorten(error)
            raise
        return result

    def __dir__(self) -> list[str]:
        """What is meant for who calls it, and what it has of the function."""
        own = "program", "program_for", "to_torch", "from_torch", "__call__", "__wrapped__"
        return [*own, *getattr(self._function, "__dict__", ())]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> "Compiled[P, R]": ...
    @overload
    def __get__(self: "Compiled[Concatenate[Any, Q], R]", instance: object, owner: Any = None) -> "Compiled[Q, R]": ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As an attribute of a class it is what the function would be: a method, or, as a partial is, not."""
        bind = getattr(type(self._function), "__get__", None)
        if instance is None or bind is None or bind(self._function, instance, owner) is self._function:
            return self
        return functools.update_wrapper(Method(self, instance), self, updated=())

    def __reduce__(self) -> Any:
        """What has a name in a module is known by that, as functions are; another copy finds its programs anew, and has
        the attributes that somebody has added."""
        try:
            named = attrgetter(self.__qualname__)(sys.modules[self.__module__])
        except (AttributeError, KeyError):
            named = None
        if named is self:
            return self.__qualname__
        added = {name: x for name, x in vars(self).items() if name not in self._own}
        return Compiled, (self._function, self._static, self._maxsize, self._check), added

    def __repr__(self) -> str:
        return f"compile({self._function!r})"

    @property
    def program(self) -> Program:
        """The program that was traced last."""
        return self._latest()

    def _latest(self, first: Sequence[Any] = ()) -> Program:
        for call in reversed(self._order):
            if all(structure[-1].x is x for structure, x in zip(call.structures, first)):
                return call.program
        raise AttributeError(f"{self._name} has no program yet: call it first, or see program_for(...)")

    def program_for(self, /, *args: Any, **kwargs: Any) -> Program:
        """The program that a call with these arguments runs."""
        return self.call_for(self.take_apart(args, kwargs)).program

    def to_torch(self, /, *args: Any, **kwargs: Any) -> Any:
        """A `torch.nn.Module` that computes the same, in torch's operations and with torch's gradients.

        Its parameters are the Values that the function uses: under the names that the Modules around it give them,
        others as one, `leaves`. It takes tensors in place of the arguments, lists of Values and numbers come back as
        tensors, and `source` is its code. Tensors of other shapes are traced anew, with their numbers, as in a call; a
        function that is all `vmap` is not even traced again for another number of samples.

        Args:
            args, kwargs: examples of the arguments, tensors too, which tell their structure.

        Raises:
            TypeError: an argument is neither numbers nor Values in rectangular lists, or the function uses a result
                that was computed outside of it.
            ImportError: PyTorch is missing.
        """
        from .export import Exported

        return Exported(self, self.take_apart([*map(array_of, args)], kwargs))

    def from_torch(self, exported: Any) -> None:
        """Bring the parameters of what `to_torch` made, trained meanwhile, back into the Values."""
        if not hasattr(exported, "bring_back"):
            raise TypeError(f"from_torch takes what to_torch made, got {exported!r:.50}")
        exported.bring_back()

    def take_apart(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """What there is in the arguments of a call."""
        kinds = (*map(type, args),)
        if not kwargs and kinds in self._usual:
            values = [x for x in args if isinstance(x, Value)]
            return Arguments(
                [*args], len(args), *self._usual[kinds], [() if isinstance(x, Value) else [x] for x in args], values
            )
        names = self._names[: len(args)]
        names += [f"argument{i}" for i in range(len(self._names), len(args))] if len(args) > len(self._names) else ()
        names += kwargs
        given = Arguments([*args, *kwargs.values()], len(args), names, [], [], [])
        for i, (name, x) in enumerate(zip(names, given.given)):
            found: list[Any] = []
            static = name in self._static and (i < len(args) or name not in self._nameless)
            try:
                structure = ("static", Whole(x)) if static else take_apart(x, found, given.values)
            except RecursionError:
                raise TypeError(
                    f"{self._name}: {name} has lists in lists without end; pass it in a plain list"
                ) from None
            given.structures.append(structure)
            given.numbers.append(found)
        if {*kinds} <= {float, Value} and not kwargs and not self._static:
            self._usual[kinds] = given.names, given.structures
        return given

    def _fitting(self, given: Arguments) -> Call | None:
        """How calls of a signature are done, with what there is around the function now, if that is known."""
        key = given.key()
        recent = self._recent
        if key != recent[0]:  # to compare is faster than to look it up
            self._recent = recent = key, self._calls.get(key, [])
        for call in recent[1]:
            if call.fits(given):
                call.again = True
                return call
        return None

    @undisturbed()
    def call_for(self, given: Arguments) -> Call:
        """How they are done."""
        if call := self._fitting(given):  # perhaps another thread has found it just now
            return call
        key = given.key()
        calls = self._calls.get(key, [])
        if self._order:
            self._tell_of(calls[0].around.changes() if calls else self._others(given))
        call = Call(self._function, self._name, key, given, self._check)
        self._tell_of_much(call)
        self._calls[key] = [call, *calls]
        self._recent = key, self._calls[key]
        self._order.append(call)
        while len(self._order) > self._maxsize:
            oldest = self._order.pop(0)
            self._calls[oldest.key].remove(oldest)
            if not self._calls[oldest.key]:
                del self._calls[oldest.key]
        return call

    def _others(self, given: Arguments) -> list[str]:
        """The names of the arguments of which all that is no number and no Value is another than in the last trace."""
        last = self._order[-1]
        if last.again:  # which has been worth its trace
            return []
        another = zip(given.names, given.given, given.structures, last.structures)
        # Objects of which this is a method are expected to be many.
        return [name for name, x, new, old in another if new != old and getattr(type(x), self._name, None) is not self]

    def _tell_of(self, changed: Sequence[str]) -> None:
        """Warn, once, of what is another for the eighth time."""
        if changed:
            name = changed[0].partition("[")[0]  # a list that grows is one cause
            self._changes[name] += 1
            if self._changes[name] == OFTEN:
                warnings.warn(
                    f"{name} was another for the {OFTEN}th time, and {self._name} was traced anew each time: {CURE}",
                    stacklevel=5,
                )

    def _tell_of_much(self, call: Call) -> None:
        """Warn, once, of what takes long to compare in each call."""
        for name, size in call.around.much().items():
            if name not in self._told:
                self._told.add(name)
                start = time.perf_counter()
                call.around.holds()
                took = 1e3 * (time.perf_counter() - start)
                warnings.warn(
                    f"{self._name} reaches {size} through {name}, and each call takes {took:.2f} ms to see whether "
                    f"that is still the same: pass it as an argument",
                    stacklevel=5,
                )


def array_of(x: Any) -> Any:
    """A tensor of torch as an array of the numbers that a program computes with."""
    if not hasattr(x, "is_floating_point"):
        return x
    x = x.detach().cpu()
    return (x.double() if x.is_floating_point() else x.long()).numpy()


class Method(functools.partial[Any]):
    """A compiled method of some object: that is its first argument."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Method) and self.func is other.func and self.args[0] is other.args[0]

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.func, name)
        if name == "program":
            return self.func._latest(self.args)  # type: ignore[attr-defined]
        return functools.partial(found, *self.args) if name in ("program_for", "to_torch") else found
