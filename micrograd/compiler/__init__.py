"""Run a function of scalars as a tensor program."""

import dis
import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from types import CodeType
from typing import Any

from ..engine import Value, new

try:
    import numpy as np
except ImportError:
    raise ImportError('compile needs NumPy: pip install "micrograd[compile]"') from None

from .program import Program
from .structure import put_together, strangers, take_apart
from .symbol import Symbol
from .tensorize import Tensor
from .tracing import derivative, trace


class Compiled:
    """A function that runs as a tensor program; see `micrograd.compile`."""

    def __init__(self, function: Callable[..., Any], static: Sequence[str], maxsize: int):
        self.function = function
        self.static = frozenset(static)
        self.maxsize = maxsize
        self.entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.lock = threading.RLock()
        self.closed_over: dict[int, Value] = {}
        parameters = inspect.signature(function).parameters.values()
        if unknown := self.static - {p.name for p in parameters}:
            raise ValueError(f"static names no argument of {function.__name__}: {', '.join(sorted(unknown))}")
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.globals = sorted(loaded_globals(getattr(function, "__code__", None)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key, inputs, values = self.look_up(args, kwargs)
        entry = self.entries.get(key)
        if entry is None:
            with self.lock:
                entry = Entry(self.function, key[1], args, kwargs, inputs, values)
                entry.around = self.around()  # kept alive, so that their ids stay theirs
                self.closed_over |= {id(v): v for v in entry.leaves if isinstance(v, Value)}
                key = self.look_up(args, kwargs)[0]  # it may know more Values closed over now
                self.entries[key] = entry
                while len(self.entries) > self.maxsize:
                    self.entries.popitem(last=False)
        self.latest = entry
        return entry(list(inputs.values()), list(values))

    def look_up(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[Value, int]]:
        """The key of a call, the numbers of each argument as a vector, and the Values among the arguments."""
        names = [*self.names[: len(args)], *(f"argument{i}" for i in range(len(self.names), len(args)))]
        inputs: dict[str, Any] = {}
        values: dict[Value, int] = {}
        structure = []
        for name, x in [*zip(names, args), *kwargs.items()]:
            numbers: list[Any] = []
            try:
                rest = ("static", type(x), x) if name in self.static else take_apart(x, numbers, values)
                structure.append((name, rest))
                hash(rest)
            except TypeError:
                raise TypeError(
                    f"argument {name!r} of a compiled function must be made of numbers, arrays, Values and lists, "
                    f"tuples or dicts of them, or be hashable; got {x!r} of type {type(x).__name__}"
                ) from None
            if len(numbers) == 1 and isinstance(numbers[0], np.ndarray):
                inputs[name] = numbers[0]
            elif numbers:
                inputs[name] = np.concatenate([np.atleast_1d(n) for n in numbers], dtype=np.float64) if any(
                    isinstance(n, np.ndarray) for n in numbers
                ) else np.array(numbers, dtype=np.float64)
        shared = tuple([id(v) for v in values if id(v) in self.closed_over])
        return (len(args), tuple(structure), shared, tuple(map(id, self.around()))), inputs, values

    def around(self) -> list[Any]:
        """What the function refers to outside itself; when a name stands for another object, it is another program."""
        outside = getattr(self.function, "__globals__", {})
        cells = getattr(self.function, "__closure__", None) or ()
        return [outside.get(name) for name in self.globals] + [content(cell) for cell in cells]

    @property
    def program(self) -> Program:
        """The program of the latest call."""
        if not self.entries:
            raise AttributeError(f"{self.function.__name__} has no program yet: call it once")
        return self.latest.program

    def program_for(self, *args: Any, **kwargs: Any) -> Program:
        """The program that a call with these arguments runs."""
        key = self.look_up(args, kwargs)[0]
        if key not in self.entries:
            self(*args, **kwargs)
            key = self.look_up(args, kwargs)[0]
        return self.entries[key].program

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class Entry:
    """The program for calls of one structure, and how Values go in and come out."""

    def __init__(
        self,
        function: Callable[..., Any],
        structures: Sequence[Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        inputs: dict[str, Any],
        values: dict[Value, int],
    ):
        tensors = [
            Tensor(name, (len(numbers),), [Symbol("input", name, i) for i in range(len(numbers))])
            for name, numbers in inputs.items()
        ]
        symbols = (symbol for tensor in tensors for symbol in tensor.symbols)
        on_symbols = [put_together(structure, symbols, list(values)) for _, structure in structures]

        def run(args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
            numbers: list[Any] = []
            returned: dict[Value, int] = {}
            self.structure = take_apart(function(*args, **kwargs), numbers, returned)
            if strange := next(strangers(self.structure), None):
                raise TypeError(
                    f"{function.__name__} returned {strange[0]!r}; a compiled function returns Values and numbers, "
                    f"and lists, tuples and dicts of them"
                )
            return [*returned, *(x for n in numbers for x in np.atleast_1d(n))]

        written = trace(
            lambda: run(args, kwargs),
            lambda: run(on_symbols[: len(args)], dict(zip(kwargs, on_symbols[len(args) :]))),
            list(values),
        )
        # A leaf is a Value from outside, or one of the Values of a call, by its position there.
        leaves = {v: values.get(v, v) for v in written.leaves}
        computed = [x for x in written.results if x not in leaves and isinstance(number_of(x), Symbol)]

        def derive(outputs: Sequence[int], seeds: Sequence[Any]) -> list[Any]:
            return derivative(written, [computed[i] for i in outputs], seeds)

        self.name = function.__name__
        self.program = Program(
            self.name, written.nodes, written.symbols, tensors, [number_of(x) for x in computed], derive
        )
        self.leaves = [leaves[written.leaves[i]] for i in self.program.order]
        self.fixed = all(isinstance(leaf, Value) for leaf in self.leaves)
        # How to make each result: from the leaf it is, from a number computed, or from a constant.
        position = {id(x): i for i, x in enumerate(computed)}
        self.makers = [(x, leaves.get(x) if isinstance(x, Value) else None, position.get(id(x))) for x in written.results]

    def __call__(self, inputs: Sequence[Any], values: Sequence[Value]) -> Any:
        leaves = self.leaves if self.fixed else [v if isinstance(v, Value) else values[v] for v in self.leaves]
        p = np.array([v.data for v in leaves], dtype=np.float64)
        numbers, kept = self.program.run(p, *inputs)

        def vjp(g: Cotangent) -> list[float]:
            outputs = tuple(g.parts)
            seeds = list(g.parts.values())
            unit = seeds == [1.0]
            return self.program.backward(outputs, unit)(p, *inputs, *kept, np.array(seeds, dtype=np.float64))

        call = new(Value)
        call.data, call.grad, call._prev, call._op, call._vjp = 0.0, 0.0, tuple(leaves), self.name, vjp
        results = []
        for x, leaf, i in self.makers:
            if leaf is not None:
                results.append(leaf if isinstance(leaf, Value) else values[leaf])
            elif i is None:
                results.append(Value(x.data, label=x.label) if isinstance(x, Value) else x)
            elif isinstance(x, Value):
                out = new(Value)
                out.data, out.grad, out._prev, out._op = numbers[i], 0.0, (call,), ""
                out._vjp = lambda g, i=i: (Cotangent({i: g}),)
                if x.label:
                    out.label = x.label
                results.append(out)
            else:
                results.append(numbers[i])
        returned = [x for x in results if isinstance(x, Value)]
        return put_together(self.structure, iter(results[len(returned) :]), returned)


class Cotangent:
    """The gradients that came in for some of the results of one call: a kind of number that can be added."""

    def __init__(self, parts: dict[int, Any]):
        self.parts = parts

    def __add__(self, other: Any) -> "Cotangent":
        if not isinstance(other, Cotangent):
            return self  # to the zero that gradients start from
        both = {i: self.parts.get(i, 0.0) + other.parts.get(i, 0.0) for i in sorted(self.parts.keys() | other.parts)}
        return Cotangent(both)

    __radd__ = __add__

    def __repr__(self) -> str:
        return f"Cotangent({self.parts})"


def number_of(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def loaded_globals(code: CodeType | None) -> set[str]:
    """The names of the globals that a function looks up, also in its comprehensions and inner functions."""
    if code is None:
        return set()
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return names.union(*(loaded_globals(c) for c in code.co_consts if isinstance(c, CodeType)))


def content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def compile(function: Callable[..., Any] | None = None, *, static: Sequence[str] = (), maxsize: int = 64) -> Any:
    """Make a function that computes with Values run as a tensor program."""
    if function is None:
        return functools.partial(compile, static=static, maxsize=maxsize)
    compiled = Compiled(function, static, maxsize)
    functools.update_wrapper(compiled, function)
    return compiled
