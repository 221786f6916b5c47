"""Run a function with Symbols inside its Values, forward and backward.

`trace` runs it twice. The first run is an ordinary one; it shows which Values were there before the call, and whether
the function changes anything around it. For the second, Symbols stand in their `data` and for the numbers among the
arguments, and the graph that comes out is the function, written down. `derivative` then goes back through that graph:
the gradients are Symbols as well.
"""

import pickle
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..compat import ByHand, data_of
from ..engine import UNREACHED, Constant, Value, graph, nothing
from .backward import gradients, put, standing_in
from .batch import Batch, Batches, during
from .guards.arrays import np
from .guards.reach import Reach
from .results import Results, graph_behind, values_in
from .row import refuse_hook
from .symbol import KEPT, Symbol, ordered, watched

READ = "the function reads .grad of a Value from outside; pass the number in as an argument"
HIDDEN = Symbol("grad")  # stands in for the gradients of Values from outside
ASSIGNED = "the function assigns .data or .grad of a Value from outside; return the new number instead"
COPIED = "{} returns a copy of a Value from outside, with its grad, which is no part of a program; return the Value"
CHANGES = (
    "{} changes {}: it has done so now, but the program would not do that again. A compiled function leaves what is "
    "around it as it is. Return what is new, and assign it outside; call backward() and zero_grad() outside; draw "
    "random numbers outside, and pass them in"
)
STRAY = (
    "{} has an operation added by hand that adds, on its way back, to the grad of {}, which is none of its parents: "
    "pass all parents as _children"
)


class Trace(NamedTuple):
    """A function, written down.

    Attributes:
        leaves: the Values that were there before the call and that its results depend on, with their Symbols.
        others: Values from before the call, on which no result depends.
        results: what it returned: Values and numbers made of Symbols, or Values from before the call.
        computed: those of its items that a program is to compute.
        order: the Symbols that these are made of, arguments first.
        batch: the call under vmap, if there was one only.
        name, around: of the function, and what it reaches.
    """

    leaves: dict[Value, Symbol]
    others: dict[Value, Symbol]
    results: Results
    computed: list[Any]
    order: list[Symbol]
    batch: Batch | None
    name: str
    around: Reach


def run_plainly(name: str, run: Callable[[], Any], reached: Reach) -> tuple[Results, list[Value]]:
    """Run a function as it is.

    Args:
        run: calls it.
        reached: what it and its arguments reach.

    Returns:
        What it returned, and the Values from before the call that this was computed from.

    Raises:
        TypeError: it changes what is around it.
    """
    values = reached.values
    drawers = {id(x): (path, x, drawn(x)) for path, x in (*reached.generators.items(), *generators().items())}
    # * 1.0 makes another object of the same number: so what is assigned can be told from it.
    put([(v, "grad", v.grad * 1.0) for v in values if type(v.grad) is float])
    marks = [
        (f"{path}.{name}", v, name, getattr(v, name))
        for v, path in values.items()
        for name in ("data", "grad", "label")
    ]
    batches = Batches(on_symbols=False)
    with during(batches):
        returned = Results(name, run())
    changed = [path for path, v, name, before in marks if getattr(v, name) is not before]
    changed += reached.changes(grown=False)
    changed += [path for path, x, before in drawers.values() if drawn(x) != before]
    if changed:
        raise TypeError(CHANGES.format(name, ", ".join(changed[:3])))
    leaves, _ = graph(Value(0.0, (*values_in(returned.items), *values, *batches.seen)))
    return returned, [*dict.fromkeys([*leaves, *values, *batches.seen])]


def drawn(x: Any) -> bytes:
    """What tells how much was drawn from a generator of random numbers."""
    state: bytes = x.get_state().numpy().tobytes() if hasattr(x, "initial_seed") else pickle.dumps(x)
    return state


def generators() -> dict[str, Any]:
    """The generators that everybody draws from."""
    shared: dict[str, Any] = {"random": random._inst}
    if np:
        shared["np.random"] = np.random.mtrand._rand
    if torch := sys.modules.get("torch"):
        shared["torch"] = torch.default_generator
    return shared


def trace(name: str, run_on_symbols: Callable[[], Any], known: Sequence[Value], around: Reach) -> Trace:
    """Write down a function.

    Args:
        run_on_symbols: calls it with Symbols for the numbers among its arguments.
        known: Values that it may use, those among the arguments included.
        around: what it reaches.

    Raises:
        TypeError: the function looks at a number, or has an operation added by hand that does.
    """
    written, strangers = write_down(name, run_on_symbols, known, around)
    if strangers:  # perhaps results from before the call that nothing mentions
        written, strangers = write_down(name, run_on_symbols, [*known, *strangers], around)
    if by_hand := [
        v for v in strangers if type(v._grad_fn) is ByHand or v._grad_fn is nothing
    ]:  # others are choices between known numbers
        raise TypeError(
            f"the operation {by_hand[0]._op!r} was added by hand, with numbers that are not computed from "
            f"the data of its parents by +, -, *, / and the functions of Value; these cannot be traced"
        )
    return written


def refuse_lost(written: Trace, returned: Results, before: Sequence[Value]) -> None:
    """Raise TypeError where a result has a gradient, although its number was known when the function was traced."""
    known = {*before}
    for x, y in zip(written.results.each(), returned.each()):
        made = x is not y and y not in known  # by the function, in each run
        if made and isinstance(y, Value) and y._prev and type(data_of(x)) is not Symbol:
            with standing_in({v: v.data for v in before}):
                found, _ = gradients([y], [1.0], before)
            if any(found):
                raise TypeError(
                    f"{written.name} returns a Value whose number was known before its arguments were, {y!r}, but "
                    f"whose gradient depends on them; a program cannot know that. Make its number of those of its "
                    f"parents"
                )


def write_down(
    name: str, run: Callable[[], Any], known: Iterable[Value], around: Reach
) -> tuple[Trace, dict[Value, None]]:
    """Run on Symbols.

    Args:
        known: Values from before the call.
        around: what the function reaches.

    Returns:
        What was found, and what has a number although it was made of Symbols.
    """
    stand_ins = {v: Symbol("leaf") for v in known if v.data is not None}
    batches, strangers = Batches(on_symbols=True), dict[Value, None]()
    with standing_in(stand_ins, cut=False), during(batches):
        for v in stand_ins:
            v.grad = HIDDEN
        with watched():
            returned = Results(name, run())
        if any(v.data is not symbol or v.grad is not HIDDEN for v, symbol in stand_ins.items()):
            raise TypeError(ASSIGNED)
    with standing_in(stand_ins):
        leaves, made = graph_behind(returned.items)
        for v in [v for v in leaves if type(v) is not Batch]:  # those of which nothing depends on a Value
            refuse_hook(v)
        for v in [v for v in made if type(v.data) is not Symbol and type(v) is not Batch]:
            if any(type(p.data) is Symbol or p.data is None or p in strangers for p in v._prev):
                strangers[v] = None
    computed = [x for x in returned.items if x not in stand_ins and type(data_of(x)) is Symbol]
    numbers = [data_of(x) for x in computed]
    if any(x.axis for x in numbers):
        raise TypeError(KEPT)
    order = ordered(numbers)
    if any(x is HIDDEN for x in order):
        raise TypeError(READ)
    if any(v.grad is HIDDEN for v in values_in(computed)):
        raise TypeError(COPIED.format(name))
    met = {*leaves, *(x for x in order if x.op == "leaf")}
    used = {v: symbol for v, symbol in stand_ins.items() if symbol in met or v in met}
    others = {v: symbol for v, symbol in stand_ins.items() if v not in used and not isinstance(v, Constant)}
    batch = batches.made[0] if len(batches.made) == 1 else None
    return Trace(used, others, returned, computed, order, batch, name, around), strangers


def derivative(written: Trace, outputs: Sequence[int], seeds: Sequence[Any]) -> tuple[list[Any], set[Value]]:
    """`gradients` of the leaves, for the seeds of some of what is computed.

    Raises:
        TypeError: an operation added by hand changes, on its way back, more than the gradients of its parents.
    """
    before = written.around.changes()
    with standing_in(written.leaves | written.others):
        found = gradients([written.computed[i] for i in outputs], seeds, list(written.leaves))
        if strays := [v for v in written.others if v.grad is not UNREACHED]:
            raise TypeError(STRAY.format(written.name, written.around.values.get(strays[0], "a Value")))
        if changed := [name for name in written.around.changes() if name not in before]:
            raise TypeError(CHANGES.format(written.name, ", ".join(changed[:3])))
        return found
