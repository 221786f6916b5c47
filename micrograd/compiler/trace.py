"""Run a function with Symbols inside its Values, forward and backward.

`trace` runs it twice. The first run is an ordinary one; it shows which Values were there before the call. For the
second, Symbols stand in their `data` and for the numbers among the arguments, and the graph that comes out is the
function, written down. `derivative` then calls `backward()` on that graph: the gradients are Symbols as well.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..engine import Value, graph
from ..vmap import compiling
from .backward import gradients, standing_in
from .batch import Batch, Batches, during
from .structure import Results, number_of
from .symbol import KEPT, NOWHERE, Symbol

ASSIGNED = "the function assigns .data of a Value from outside; return the new number instead"


def tracing() -> bool:
    """Whether this thread traces a function."""
    return hasattr(compiling, "mapped")


class Trace(NamedTuple):
    """A function, written down.

    Attributes:
        leaves: the Values that were there before the call and that its results depend on.
        symbols: what stands for their numbers.
        results: what the function returned: Values and numbers made of Symbols, or Values from before the call.
        computed: those of its items that a program is to compute.
        nodes: how many operations there were.
        batch: the call under vmap whose results it returned, if it did nothing else.
    """

    leaves: list[Value]
    symbols: list[Symbol]
    results: Results
    computed: list[Any]
    nodes: int
    batch: Batch | None


def trace(
    name: str,
    run: Callable[[], Any],
    run_on_symbols: Callable[[], Any],
    arguments: Sequence[Value],
    mentioned: Sequence[Value],
) -> Trace:
    """Write down a function.

    Args:
        name: the function's.
        run: calls it with its arguments as they are.
        run_on_symbols: calls it with Symbols for the numbers among the arguments.
        arguments: the Values among the arguments of that call.
        mentioned: other Values that the function may use.

    Raises:
        TypeError: the function looks at a number, assigns to one, or has an operation added by hand that does.
    """
    before = [(v, v.data) for v in (*arguments, *mentioned)]
    batches = Batches()
    with during(batches.plainly):
        returned = Results(name, run())
    if any(v.data is not data for v, data in before):
        for v, data in before:
            v.data = data
        raise TypeError(ASSIGNED)
    leaves, _ = graph(Value(0.0, [*values_in(returned.items), *arguments, *mentioned, *batches.seen]))
    known = dict.fromkeys([*leaves, *mentioned, *batches.seen])
    written, strangers = write_down(name, run_on_symbols, known)
    if strangers:
        written, strangers = write_down(name, run_on_symbols, known | strangers)
    if strangers:
        raise TypeError(
            f"the operation {next(iter(strangers))._op!r} was added by hand, with numbers that are not computed from "
            f"the data of its parents by +, -, *, / and the functions of Value; these cannot be traced"
        )
    return written


def write_down(name: str, run: Callable[[], Any], known: Iterable[Value]) -> tuple[Trace, dict[Value, None]]:
    """Run on Symbols.

    Args:
        known: Values from before the call.

    Returns:
        What was found, and results from before the call that are not among `known`, or were made by hand.
    """
    Symbol.at = NOWHERE
    stand_ins = {v: Symbol("leaf") for v in known if v.data is not None}
    Symbol.at = None
    batches = Batches()
    with standing_in(list(stand_ins), list(stand_ins.values())), during(batches.together):
        found = run()
        returned = Results(name, found)
        if any(v.data is not symbol for v, symbol in stand_ins.items()):
            raise TypeError(ASSIGNED)
        leaves, made = graph(Value(0.0, values_in(returned.items)))
        operations, strangers = sum(len(batch.inner) for batch in batches.made), {}
        for v in made[:-1]:
            if type(v.data) is Symbol:
                operations += type(v._prev[0]) is not Batch
            elif any(type(p.data) is Symbol or p.data is None or p in strangers for p in v._prev):
                if type(v) is not Batch:
                    strangers[v] = None
        computed = [x for x in returned.items if x not in stand_ins and type(number_of(x)) is Symbol]
        numbers = [number_of(x) for x in computed]
        if any(x.axis is not None for x in numbers):
            raise TypeError(KEPT)
        met = leaves_of(numbers).union(v.data for v in leaves)
        used = {v: symbol for v, symbol in stand_ins.items() if symbol in met}
    batch = next((batch for batch in batches.made if batch.results is found), None)
    return Trace(list(used), list(used.values()), returned, computed, operations, batch), strangers


def leaves_of(numbers: Sequence[Symbol]) -> set[Any]:
    """The numbers of Values that Symbols are made of."""
    found, stack, seen = set(), [*numbers], set()
    while stack:
        x = stack.pop()
        if type(x) is Symbol and x not in seen:
            seen.add(x)
            stack += x.args
            if x.op == "leaf":
                found.add(x)
    return found


def values_in(items: Sequence[Any]) -> list[Value]:
    return [x for x in items if isinstance(x, Value)]


def derivative(written: Trace, outputs: Sequence[int], seeds: Sequence[Any]) -> list[Any]:
    """The gradients of the leaves, None where none comes, for the seeds of some of what is computed."""
    with standing_in(written.leaves, written.symbols):
        return gradients([written.computed[i] for i in outputs], seeds, written.leaves)
