"""vmap while a function is traced: the function of one sample is traced once, on Symbols that have an axis.

What does not depend on the sample has no axis, and belongs to the function around: so only numbers of samples, and the
gradients of what they share, cross the border between the two.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..engine import Value
from ..vmap import compiling
from .around import name_of
from .backward import gradients, seed, standing_in
from .structure import Results, assembler, listed, number_of, take_apart, twin
from .symbol import ENTER, Axis, Symbol

Samples = Sequence[tuple[Any, ...]]


class Batches:
    """What takes the place of vmap's loop in the two runs of a trace.

    Attributes:
        seen: Values that the first run has met.
        made: the batches of the second.
    """

    def __init__(self) -> None:
        self.seen: list[Value] = []
        self.made: list[Batch] = []

    def plainly(self, function: Callable[..., Any], samples: Samples) -> list[Any]:
        """The first sample shows which Values there are. The results of the others are not known: nan."""
        structure, _, values = samples_apart(samples)
        if structure is None:
            return [function(*sample) for sample in samples]
        with during(None):
            first = function(*samples[0])
        results = Results(name_of(function), first)
        self.seen += [v for sample in values for v in sample]
        self.seen += [x for x in results.items if isinstance(x, Value)]
        nans = [[Value(math.nan) if isinstance(x, Value) else math.nan for x in results.items] for _ in samples[1:]]
        return [first, *(results.assemble(items) for items in nans)]

    def together(self, function: Callable[..., Any], samples: Samples) -> list[Any]:
        """All samples as a batch; if they differ in their structure, one by one."""
        structure, numbers, values = samples_apart(samples)
        if structure is None:
            return [function(*sample) for sample in samples]
        axis = Axis(f"samples_{len(self.made)}" if self.made else "samples", len(samples))
        batch = Batch(function, structure, numbers, values, axis)
        self.made.append(batch)
        return batch.results


class Batch(Value):
    """A call of a function under vmap: one node, the only parent of its results.

    Args:
        function: is called once.
        structure: that of the arguments of each sample.
        numbers: those of each sample.
        values: and its Values.

    Attributes:
        given: the numbers of one sample.
        returned: what the function returned for it,
        items: taken apart.
        inner: the Values that were made for it.
        shared: Values around it that they were made of.
        columns: by argument, the Values of all samples.
        results: what the call returns: for each sample, Values and numbers.
    """

    __slots__ = ("axis", "columns", "given", "inner", "items", "results", "returned", "shared")

    def __init__(
        self,
        function: Callable[..., Any],
        structure: Hashable,
        numbers: Sequence[Sequence[Any]],
        values: Sequence[Sequence[Value]],
        axis: Axis,
    ):
        self.axis, self.columns = axis, {}
        sample: list[Any] = []
        for column in zip(*values):
            if len(set(column)) == 1:
                sample.append(column[0])
            else:
                sample.append(twin(column[0], enter("stack", [v.data for v in column], axis)))
                self.columns[sample[-1]] = column
        places = itertools.count(), itertools.count(len(sample))
        self.given = [enter("samples", [*map(detached, column)], axis) for column in zip(*numbers)]
        with during(None):
            returned = function(*assembler(structure, *places)([*sample, *self.given]))
        self.returned = Results(name_of(function), returned)
        self.items = self.returned.items
        self.border()
        parents = dict.fromkeys([*self.shared, *(v for column in self.columns.values() for v in column)])
        super().__init__(None, tuple(parents), name_of(function), self.send)
        rows = [[self.result(j, x, i) for j, x in enumerate(self.items)] for i in range(axis.length)]
        self.results = [self.returned.assemble(row) for row in rows]

    def border(self) -> None:
        """Part what was made for one sample from what lies around it."""
        self.inner, self.shared = [], []
        seen: set[Value] = set(self.columns)
        stack = [x for x in self.items if isinstance(x, Value)]
        while stack:
            v = stack.pop()
            if v not in seen:
                seen.add(v)
                inside = getattr(v.data, "axis", None) is self.axis
                (self.inner if inside else self.shared).append(v)
                stack += v._prev if inside else ()

    def result(self, j: int, x: Any, i: int) -> Any:
        """The j-th item for the i-th sample."""
        if x in self.columns:
            return self.columns[x][i]
        if getattr(number_of(x), "axis", None) is not self.axis:
            return x
        number = pick(number_of(x), i)
        return Value(number, (self,), "", seed((j, i))) if isinstance(x, Value) else number

    def send(self, call: Value) -> None:
        """The way back: of each sample only from the results that are asked for."""
        parts = call.grad.parts
        asked: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i in range(self.axis.length):
            asked[tuple(j for j in range(len(self.items)) if (j, i) in parts)].append(i)
        leaves = [*self.shared, *self.columns]
        for items, rows in asked.items():
            columns = [[parts.get((j, i), 0.0) for i in range(self.axis.length)] for j in items]
            seeds = [enter("samples", column, self.axis) for column in columns]
            with standing_in(leaves, [v.data for v in leaves]):
                found = gradients([self.items[j] for j in items], seeds, leaves)
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
    if len(column) > 1 and all(
        x is first or (type(x) is type(first) is float and repr(x) == repr(first)) for x in column
    ):
        return first
    return on(axis, Symbol(op, *column))


def pick(x: Any, i: int) -> Any:
    """The number that `x` is for one sample."""
    if getattr(x, "axis", None) is None:
        return x
    return x.args[i] if x.op in ENTER else on(None, Symbol("pick", x, i))


def total(x: Any, rows: Sequence[int], axis: Axis) -> Any:
    """The sum of `x` over some samples."""
    if getattr(x, "axis", None) is None:
        return x * float(len(rows))
    return on(None, Symbol("total", x, tuple(rows) if len(rows) < axis.length else None))


def on(axis: Axis | None, symbol: Symbol) -> Symbol:
    symbol.axis = axis
    return symbol


def detached(x: Any) -> Any:
    return x.detach() if type(x) is Symbol else float(x)


def samples_apart(samples: Samples) -> tuple[Hashable | None, list[list[Any]], list[list[Value]]]:
    """The structure that all samples have, None if there is no such; and of each its numbers and its Values."""
    structures, numbers, values = set(), [], []
    for sample in samples:
        found: list[Any] = []
        mine: list[Value] = []
        structures.add(take_apart(sample, found, mine))
        numbers.append(listed(found))
        values.append(mine)
    return structures.pop() if len(structures) == 1 else None, numbers, values


@contextmanager
def during(mapped: Callable[..., Any] | None) -> Iterator[None]:
    """Let `mapped` take the place of vmap's loop; None for the loop, as inside a batch."""
    outer = vars(compiling).get("mapped", compiling)
    compiling.mapped = mapped
    try:
        yield
    finally:
        if outer is compiling:
            del compiling.mapped
        else:
            compiling.mapped = outer
