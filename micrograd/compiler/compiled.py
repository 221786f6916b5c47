"""Compiled functions: which program a call runs."""

import functools
import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ..engine import Value
from .around import name_of, surroundings
from .call import Call, Signature
from .program import Program
from .structure import take_apart
from .trace import tracing


class Compiled:
    """A function that runs as a tensor program; `micrograd.compile` makes and describes it."""

    def __init__(self, function: Callable[..., Any], static: Sequence[str], maxsize: int):
        functools.update_wrapper(self, function)
        self.name = name_of(function)
        parameters = inspect.signature(function).parameters.values()
        if unknown := set(static) - {p.name for p in parameters}:
            raise ValueError(f"static={static!r}: {self.name} has no argument {', '.join(sorted(unknown))}")
        self.function, self.maxsize = function, maxsize
        self.static = tuple(static)
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.nameless = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
        self.calls: OrderedDict[Hashable, Call] = OrderedDict()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if tracing():  # what is called now becomes part of the trace
            return self.function(*args, **kwargs)
        given = self.take_apart(args, kwargs)
        return self.call_for(given)([numbers for numbers in given.numbers if numbers is not None], given.values)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else Method(self, instance)

    def __reduce__(self) -> Any:
        """What has a name in a module is known by that, as functions are; another copy finds its programs anew."""
        try:
            named = attrgetter(self.__qualname__)(sys.modules[self.__module__])
        except (AttributeError, KeyError):
            named = None
        return self.__qualname__ if named is self else (Compiled, (self.function, self.static, self.maxsize))

    @property
    def program(self) -> Program:
        """The program of the latest structure of arguments."""
        return self.latest(lambda call: True)

    def latest(self, wanted: Callable[[Call], bool]) -> Program:
        for call in reversed(self.calls.values()):
            if wanted(call):
                return call.program
        raise AttributeError(f"{self.name} has no program yet: call it first, or see program_for(...)")

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
            args, kwargs: examples of the arguments, which tell their structure.

        Raises:
            TypeError: an argument is neither numbers nor Values in rectangular lists, or the function uses a result
                that was computed outside of it.
            ImportError: PyTorch is missing.
        """
        from .export import Exported

        return Exported(self, self.take_apart(args, kwargs))

    def from_torch(self, exported: Any) -> None:
        """Bring the parameters of what `to_torch` made, trained meanwhile, back into the Values."""
        exported.bring_back()

    def take_apart(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Signature:
        """What there is in the arguments of a call."""
        names = [*self.names[: len(args)], *(f"argument{i}" for i in range(len(self.names), len(args))), *kwargs]
        numbers: list[Any] = []
        structures = []
        values: list[Value] = []
        arguments = [*args, *kwargs.values()]
        for i, (name, x) in enumerate(zip(names, arguments)):
            found: list[Any] = []
            static = name in self.static and (i < len(args) or name not in self.nameless)
            structures.append(("static", type(x), x) if static else take_apart(x, found, values))
            if len(found) == 1 and isinstance(found[0], np.ndarray):
                numbers.append(found[0])
            elif found:
                numbers.append(np.hstack(found) if np.ndarray in map(type, found) else np.array(found, dtype=float))
            else:
                numbers.append(None)
        return Signature(arguments, len(args), names, structures, numbers, values)

    def call_for(self, given: Signature) -> Call:
        """How calls of a signature are done."""
        around = list(surroundings(self.function).values())
        key = given.positional, tuple(given.names), tuple(given.structures), tuple(map(id, around))
        try:
            call = self.calls.get(key)
        except TypeError:
            triples = zip(given.names, given.arguments, given.structures)
            name, x = next((name, x) for name, x, structure in triples if not hashable(structure))
            raise TypeError(
                f"argument {name!r}: a compiled function takes numbers, arrays, Values, lists, tuples and dicts of "
                f"them, and whatever is hashable; got {x!r} of type {type(x).__name__}"
            ) from None
        if call is None:
            call = self.calls[key] = Call(self.function, self.name, given, around)
            while len(self.calls) > self.maxsize:
                self.calls.popitem(last=False)
        return call


class Method:
    """A compiled method of some object: that is its first argument."""

    def __init__(self, compiled: Compiled, instance: Any):
        self.__func__, self.__self__ = compiled, instance
        self.__name__, self.__doc__ = compiled.name, compiled.__doc__

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def program_for(self, /, *args: Any, **kwargs: Any) -> Program:
        return self.__func__.program_for(self.__self__, *args, **kwargs)

    def to_torch(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__.to_torch(self.__self__, *args, **kwargs)

    def from_torch(self, exported: Any) -> None:
        self.__func__.from_torch(exported)

    @property
    def program(self) -> Program:
        return self.__func__.latest(lambda call: call.structures[0][-1] is self.__self__)


def hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True
