"""vmap while a function is compiled: the function of one sample becomes a program that runs on a batch."""

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine import Value
from .program import Program
from .structure import Results, assembler, listed, number_of, take_apart
from .symbol import Symbol
from .tensorize import Tensor
from .tracing import derivative, write_down


class Mapped:
    """A function of one sample, traced once.

    Args:
        function: is called once, with Symbols. Symbols stand in all Values that it knows, too.
        structure: that of its arguments.
        numbers: how many numbers there are among these,
        values: and how many Values.
        stand_ins: the Symbols that stand in Values. Those of the arguments are added.

    Attributes:
        leaves: the Values that all samples share, in the order of the program.
        results: what it returns for one sample.
        symbols: the numbers of these.
        outputs: which of them belong to Values.
        given: Symbols from outside that all samples share: numbers among the arguments of a compiled function.
        around: what must live as long as this does, since it is known by their ids.
    """

    around: list[Any]

    def __init__(
        self,
        function: Callable[..., Any],
        structure: Hashable,
        numbers: int,
        values: int,
        stand_ins: dict[Value, Symbol],
    ):
        inputs = [Symbol("input") for _ in range(numbers)]
        arguments = [Value(Symbol("input")) for _ in range(values)]
        stand_ins |= {v: v.data for v in arguments}
        name = getattr(function, "__name__", type(function).__name__)
        sample = assembler(structure, itertools.count(), itertools.count(values))([*arguments, *inputs])
        self.results = Results(name, function(*sample))
        items = self.results.items
        self.outputs = [i for i, x in enumerate(items) if isinstance(x, Value)]
        written = write_down(items, arguments, stand_ins)
        shared = [v for v in written.leaves if v not in set(arguments)]
        every = [*shared, *arguments]
        written = written._replace(leaves=every, symbols=[stand_ins[v] for v in every])

        def derive(outputs: Sequence[int], seeds: Sequence[Any]) -> list[Any]:
            return derivative(written, [items[i] for i in outputs], seeds)

        symbols = [stand_ins[v] for v in shared]
        self.symbols = [number_of(x) for x in items]
        self.given = free(self.symbols, {*inputs, *written.symbols})
        tensors = [
            Tensor("sample", (numbers,), inputs, batched=True),
            Tensor("values", (values,), [v.data for v in arguments], batched=True),
            Tensor("given", (len(self.given),), self.given),
        ]
        self.program = Program(name, written.nodes, symbols, tensors, self.symbols, derive, bool(values))
        self.leaves = [shared[i] for i in self.program.order]


def free(results: Sequence[Any], bound: set[Symbol]) -> list[Symbol]:
    """The inputs that Symbols are made of, other than `bound`."""
    found, stack, seen = [], [*results], set(bound)
    while stack:
        x = stack.pop()
        if type(x) is Symbol and x not in seen:
            seen.add(x)
            stack += x.args
            if x.op == "input":
                found.append(x)
    return found


class Stage:
    """A call of a mapped function inside a compiled one: where the numbers of its samples come from.

    Args:
        name: for its results as an input.
        mapped: what is called.
        numbers: those of each sample: Symbols of inputs, or known numbers.
        values: the Values of each sample.
        inputs: the inputs of the compiled function.

    Attributes:
        results: what the call returns: for each sample, Values and numbers made of new Symbols.
        outputs: the Values among them.
        tensor: all of them as an input of the compiled function.
    """

    def __init__(
        self,
        name: str,
        mapped: Mapped,
        numbers: Sequence[Sequence[Any]],
        values: Sequence[Sequence[Value]],
        inputs: Sequence[Tensor],
    ):
        self.mapped, self.count = mapped, len(numbers)
        self.values = [v for sample in values for v in sample]
        # Where a number is in all inputs, one after the other, and behind them those that are known.
        symbols = [symbol for tensor in inputs for symbol in tensor.symbols]
        place = {symbol: i for i, symbol in enumerate(symbols)}
        known = [x for sample in numbers for x in sample if type(x) is not Symbol]
        self.known, position = np.array(known, dtype=float), itertools.count(len(symbols))
        index = [place[x] if type(x) is Symbol else next(position) for sample in numbers for x in sample]
        starts = np.cumsum([0, *(tensor.size for tensor in inputs), len(known)])
        self.given = [(int(np.searchsorted(starts, place[x], "right")) - 1, place[x]) for x in mapped.given]
        self.given = [(source, i - int(starts[source])) for source, i in self.given]
        self.blocks = list(blocks(np.array(index, dtype=np.int64).reshape(self.count, -1), starts))
        items = [list(map(unknown, mapped.results.items)) for _ in range(self.count)]
        self.results = [mapped.results.assemble(row) for row in items]
        self.outputs = [x for row in items for x in row if isinstance(x, Value)]
        found = [number_of(x) for row in items for x in row]
        self.tensor = Tensor(name, (len(found),), found)

    def inputs(self, inputs: Sequence[Any], data: Any, values: Any) -> list[Any]:
        """Those of the mapped program.

        Args:
            inputs: those of the compiled function.
            data: that of the leaves that all samples share.
            values: that of the Values of all samples, one after the other.
        """
        given = np.array([inputs[source][i] for source, i in self.given])
        return [data, self.samples(inputs), values.reshape(self.count, -1), given]

    def samples(self, inputs: Sequence[Any]) -> Any:
        """The numbers of all samples, a row for each."""
        given = [*inputs, self.known]
        if self.blocks and self.blocks[0][0] < 0:
            given = [np.concatenate(given)]
        parts = [given[source].reshape(self.count, -1) if i is None else given[source][i] for source, i in self.blocks]
        return parts[0] if len(parts) == 1 else np.hstack(parts) if parts else np.empty((self.count, 0))


def unknown(x: Any) -> Any:
    """A Value or a number, as `x` is, made of a new Symbol."""
    return Value(Symbol("input")) if isinstance(x, Value) else Symbol("input")


def blocks(index: Any, starts: Any) -> Iterator[tuple[int, Any]]:
    """Blocks of columns that come from one input: pairs of the input and the positions there, None for all in order;
    or -1 and the positions in all inputs together.

    Args:
        index: a row for each sample: positions in all inputs together.
        starts: where each input begins, and where the last one ends.
    """
    sources = np.searchsorted(starts, index, side="right") - 1
    if (sources != sources[:1]).any():  # the samples are arguments of their own
        yield -1, index
        return
    cuts = [0, *(np.flatnonzero(np.diff(sources[0])) + 1), index.shape[1]] if index.shape[1] else []
    for start, stop in itertools.pairwise(cuts):
        source = int(sources[0, start])
        positions = index[:, start:stop] - starts[source]
        whole = positions.size == starts[source + 1] - starts[source]
        yield source, None if whole and (positions.reshape(-1) == np.arange(positions.size)).all() else positions


def samples_apart(samples: Sequence[tuple[Any, ...]]) -> tuple[Hashable | None, list[list[Any]], list[list[Value]]]:
    """The structure that all samples have, None if there is no such; and of each its numbers and its Values."""
    structures, numbers, values = set(), [], []
    for sample in samples:
        found: list[Any] = []
        mine: list[Value] = []
        structures.add(take_apart(sample, found, mine))
        numbers.append(listed(found))
        values.append(mine)
    return structures.pop() if len(structures) == 1 else None, numbers, values
