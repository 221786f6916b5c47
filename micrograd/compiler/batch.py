"""vmap while a function is traced: the function of one sample is traced once, on Symbols that have an axis.

What does not depend on the sample has no axis, and belongs to the function around: so only numbers of samples, and the
gradients of what they share, cross the border between the two.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from ..compat import data_of
from ..engine import Value
from ..vmap import Compiling, compiling, loop
from .backward import gradients, seed, standing_in
from .guards.arguments import listed, put_together, take_apart
from .guards.arrays import np
from .guards.callers import name_of
from .results import Results, result_like, twin, values_in
from .symbol import ENTER, Axis, Symbol

Samples: TypeAlias = Sequence[tuple[Any, ...]]


class Batches:
    """What takes the place of vmap's loop while a function is traced.

    Args:
        on_symbols: whether this is the run on Symbols, in which all samples become a Batch. In the plain run the first
            sample shows which Values there are.

    Attributes:
        seen: Values that the plain run has met.
        made: the batches of the other.
    """

    def __init__(self, on_symbols: bool):
        self.on_symbols = on_symbols
        self.seen: list[Value] = []
        self.made: list[Batch] = []

    def __call__(self, function: Callable[..., Any], samples: Samples) -> list[Any]:
        numbers: list[list[Any]] = [[] for _ in samples]
        values: list[list[Value]] = [[] for _ in samples]
        structures = [take_apart(*sample) for sample in zip(samples, numbers, values)]
        if np is None or any(structure != structures[0] for structure in structures):
            return loop(function, samples)
        if self.on_symbols:
            axis = Axis(f"samples_{len(self.made)}" if self.made else "samples", len(samples))
            self.made.append(Batch(function, structures[0], [listed(xs) for xs in numbers], values, axis))
            return self.made[-1].results
        rows: list[Results] = []
        for sample, own in zip(samples, values):
            with during(loop):
                rows.append(Results(name_of(function), function(*sample)))
            self.seen += own
            if rows[1:]:  # no more than the numbers: the graphs of all samples may be too many
                known = {*own, *values_in(rows[0].items)}
                rows[-1].items = [
                    twin(x, x.data) if isinstance(x, Value) and x not in known else x for x in rows[-1].items
                ]
        self.seen += values_in(rows[0].items)
        return [row.assemble(row.items) for row in rows]


class Batch(Value):
    """A call of a function under vmap: one node, the only parent of its results.

    Args:
        function: is called once.
        structure: that of the arguments of each sample.
        numbers: those of each sample.
        values: and its Values.

    Attributes:
        given: the numbers of one sample.
        columns: by argument of that sample, the Values of all.
        returned: what the function returned for it, and
        items: that taken apart.
        shared: Values around it that they were made of.
        outside: what it returned and is no new Value for each sample.
        reached: after the way back, the Values that what was asked for was made of.
        results: what the call returns: for each sample, Values and numbers.
    """

    __slots__ = ("axis", "columns", "given", "items", "outside", "reached", "results", "returned", "shared")

    def __init__(
        self,
        function: Callable[..., Any],
        structure: Any,
        numbers: Sequence[Sequence[Any]],
        values: Sequence[Sequence[Value]],
        axis: Axis,
    ):
        self.axis, self.reached = axis, set[Value]()
        self.given = [enter("samples", column, axis) for column in zip(*numbers)]
        columns = [
            (twin(v[0], enter("stack", [x.data for x in v], axis)) if len({*v}) > 1 else v[0], v) for v in zip(*values)
        ]
        self.columns = {v: column for v, column in columns if v is not column[0]}
        self.returned = self.call(function, structure, [v for v, _ in columns])
        self.items = self.returned.items
        self.border()
        same = [x for x in self.items if isinstance(x, Value) and not self.has(x) and x not in self.columns]
        if any(getattr(x.data, "op", "") != "leaf" for x in same):  # what comes back a second time is from outside
            again = self.call(function, structure, [v for v, _ in columns]).items
            same = [x for x in same if any(x is y for y in again)]
        self.outside = {*same}
        parents = dict.fromkeys([*self.shared, *itertools.chain(*self.columns.values())])
        super().__init__(None, tuple(parents), name_of(function), self.send)
        rows = [[self.result(j, x, i) for j, x in enumerate(self.items)] for i in range(axis.length)]
        self.results = [self.returned.assemble(row) for row in rows]

    def call(self, function: Callable[..., Any], structure: Any, values: Sequence[Value]) -> Results:
        with during(loop):
            returned = function(*put_together(structure, iter(self.given), iter(values)))
        return Results(name_of(function), returned)

    def has(self, x: Any) -> bool:
        """Whether there is one of it for each sample."""
        return getattr(data_of(x), "axis", None) is self.axis

    def border(self) -> None:
        """Where what was made for one sample ends, and what lies around it begins."""
        self.shared: list[Value] = []
        seen: set[Value] = set(self.columns)
        stack = [x for x in self.items if isinstance(x, Value)]
        while stack:
            v = stack.pop()
            if v not in seen:
                seen.add(v)
                if self.has(v):
                    stack += v._prev
                else:
                    self.shared.append(v)

    def result(self, j: int, x: Any, i: int) -> Any:
        """The j-th item for the i-th sample."""
        if isinstance(x, Value) and x in self.columns:
            return self.columns[x][i]
        if self.has(x):
            number = pick(data_of(x), i)
            return result_like(x, number, self, seed((j, i))) if isinstance(x, Value) else number
        if not isinstance(x, Value) or x in self.outside:
            return x
        return result_like(x, x.data, x, add_to_parent) if x._prev else twin(x, x.data)

    def send(self, call: Value) -> None:
        """The way back: of each sample only from the results that are asked for."""
        parts = call.grad
        asked: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i in range(self.axis.length):
            asked[tuple(j for j in range(len(self.items)) if (j, i) in parts)].append(i)
        asked.pop((), None)
        leaves = [*self.shared, *self.columns]
        self.reached = set()
        for items, rows in asked.items():
            columns = [[parts.get((j, i), 0.0) for i in range(self.axis.length)] for j in items]
            seeds = [enter("samples", column, self.axis) for column in columns]
            with standing_in({v: v.data for v in leaves}):
                found, reached = gradients([self.items[j] for j in items], seeds, leaves)
            for v in reached:
                self.reached.update([self.columns[v][i] for i in rows] if v in self.columns else [v])
            for v, g in zip(leaves, found):
                Symbol.at = getattr(g, "line", None)
                if g is not None and v in self.columns:
                    for i in rows:
                        self.columns[v][i].grad += pick(g, i)
                elif g is not None:
                    v.grad += total(g, rows, self.axis)


def enter(op: str, column: Sequence[Any], axis: Axis) -> Any:
    """A number of one sample, given those of all; if it is the same for all, that."""
    first = column[0]
    alike = all(x is first or (type(x) is type(first) is not Symbol and repr(x) == repr(first)) for x in column)
    if op == "samples" and alike and len(column) > 1:  # of a single sample it stays a number on the axis
        return first
    symbols = [x if type(x) is Symbol else float(x) for x in column]
    if op == "samples":  # plain numbers, through which no gradient goes
        symbols = [Symbol.detach(x) if type(x) is Symbol else x for x in symbols]
    symbol = on(axis, Symbol(op, *symbols))
    symbol.line = None
    return symbol


def pick(x: Any, i: int) -> Any:
    """The number that `x` is for one sample."""
    if getattr(x, "axis", None) is None:
        return x
    if x.op in ENTER:
        return x.args[i]
    return on(None, Symbol("pick", x, i))


def total(x: Any, rows: Sequence[int], axis: Axis) -> Any:
    """The sum of `x` over some samples."""
    if getattr(x, "axis", None) is None:
        return x * float(len(rows))
    return on(None, Symbol("total", x, tuple(rows) if len(rows) < axis.length else None))


def on(axis: Axis | None, symbol: Symbol) -> Symbol:
    symbol.axis = axis
    return symbol


def add_to_parent(out: Value) -> None:
    out._prev[0].grad += out.grad


@contextmanager
def during(mapped: Callable[..., Any]) -> Iterator[None]:
    """While a function is traced: let `mapped` take the place of vmap's loop."""
    before, compiling.mapped = compiling.mapped, mapped
    Compiling.running += 1  # by one thread at a time
    try:
        yield
    finally:
        Compiling.running -= 1
        # After a Ctrl-C, what is around this may have been put back first.
        compiling.mapped = None if compiling.mapped is None else before
