"""Run a function with Symbols inside its Values, forward and backward.

`trace` runs it twice. The first run is an ordinary one; it shows which Values were there before the call. For the
second, Symbols stand in their `data` and for the numbers among the arguments, and the graph that comes out is the
function, written down. `derivative` then goes back through that graph: the gradients are Symbols as well.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..engine import ByHand, Constant, Value, data_of, graph
from .backward import gradients, standing_in
from .batch import Batch, Batches, during
from .structure import Results
from .symbol import KEPT, Symbol, ordered

ASSIGNED = "the function assigns .data of a Value from outside; return the new number instead"


class Trace(NamedTuple):
    """A function, written down.

    Attributes:
        leaves: the Values that were there before the call and that its results depend on, with their Symbols.
        others: Values from before the call, on which no result depends.
        results: what it returned: Values and numbers made of Symbols, or Values from before the call.
        computed: those of its items that a program is to compute.
        order: the Symbols that these are made of, arguments first.
        batch: the call under vmap, if there was one only.
    """

    leaves: dict[Value, Symbol]
    others: dict[Value, Symbol]
    results: Results
    computed: list[Any]
    order: list[Symbol]
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
    before = [(v, v.data) for v in mentioned]
    batches = Batches(on_symbols=False)
    with during(batches):
        returned = Results(name, run())
    if any(v.data is not data for v, data in before):
        for v, data in before:
            v.data = data
        raise TypeError(ASSIGNED)
    leaves, _ = graph(Value(0.0, [*values_in(returned), *arguments, *mentioned, *batches.seen]))
    known = dict.fromkeys([*leaves, *mentioned, *batches.seen])
    written, strangers = write_down(name, run_on_symbols, known)
    if strangers:  # perhaps results from before the call that nothing mentions
        written, strangers = write_down(name, run_on_symbols, known | strangers)
    if by_hand := [v for v in strangers if type(v._grad_fn) is ByHand]:  # others are choices between known numbers
        raise TypeError(
            f"the operation {by_hand[0]._op!r} was added by hand, with numbers that are not computed from "
            f"the data of its parents by +, -, *, / and the functions of Value; these cannot be traced"
        )
    return written


def write_down(name: str, run: Callable[[], Any], known: Iterable[Value]) -> tuple[Trace, dict[Value, None]]:
    """Run on Symbols.

    Args:
        known: Values from before the call.

    Returns:
        What was found, and what has a number although it was made of Symbols.
    """
    stand_ins = {v: Symbol("leaf") for v in known if v.data is not None}
    batches, strangers = Batches(on_symbols=True), dict[Value, None]()
    with standing_in(stand_ins), during(batches):
        returned = Results(name, run())
        if any(v.data is not symbol for v, symbol in stand_ins.items()):
            raise TypeError(ASSIGNED)
        leaves, made = graph(Value(0.0, values_in(returned)))
        for v in [v for v in made[:-1] if type(v.data) is not Symbol and type(v) is not Batch]:
            if any(type(p.data) is Symbol or p.data is None or p in strangers for p in v._prev):
                strangers[v] = None
    computed = [x for x in returned.items if x not in stand_ins and type(data_of(x)) is Symbol]
    numbers = [data_of(x) for x in computed]
    if any(x.axis for x in numbers):
        raise TypeError(KEPT)
    order = ordered(numbers)
    met = {*leaves, *(x for x in order if x.op == "leaf")}
    used = {v: symbol for v, symbol in stand_ins.items() if symbol in met or v in met}
    others = {v: symbol for v, symbol in stand_ins.items() if v not in used and not isinstance(v, Constant)}
    batch = batches.made[0] if len(batches.made) == 1 else None
    return Trace(used, others, returned, computed, order, batch), strangers


def values_in(results: Results) -> list[Value]:
    return [x for x in results.items if isinstance(x, Value)]


def derivative(written: Trace, outputs: Sequence[int], seeds: Sequence[Any]) -> tuple[list[Any], set[Value]]:
    """`gradients` of the leaves, for the seeds of some of what is computed."""
    with standing_in(written.leaves | written.others):
        return gradients([written.computed[i] for i in outputs], seeds, list(written.leaves))
