"""Run a function with Symbols inside its Values, forward and backward.

`trace` runs it twice. The first run is an ordinary one; it shows which Values were there before the call. For the
second, Symbols stand in their `data` and for the numbers among the arguments, and the graph that comes out is the
function, written down. `derivative` then goes back through that graph: the gradients are Symbols as well.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from types import CodeType
from typing import Any, NamedTuple

from ..compat import ByHand, data_of
from ..engine import UNREACHED, Constant, Value, graph, nothing
from .backward import gradients, put, standing_in
from .batch import Batch, Batches, during
from .callers import OWN
from .row import refuse_hook
from .structure import Results, values_in
from .surroundings import Surroundings
from .symbol import KEPT, Symbol, number, ordered
from .unseen import HIDDEN, READ, unseen

ASSIGNED = "the function assigns .data of a Value from outside; return the new number instead"
COPIED = "{} returns a copy of a Value from outside, with its grad, which is no part of a program; return the Value"
REMEMBERED = (
    "{} calls {}, a functools.cache, with a Value among its arguments, for which it would return what was found for "
    "another number of it. Call the function without the cache, or with plain numbers that are in static=(...)"
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
        typed: whether it has asked for the type of a number.
        by_hand: whether on the way back there is code of somebody, who may read there what is around the function.
        name, around: of the function, and what it can reach.
    """

    leaves: dict[Value, Symbol]
    others: dict[Value, Symbol]
    results: Results
    computed: list[Any]
    order: list[Symbol]
    batch: Batch | None
    typed: bool
    by_hand: bool
    name: str
    around: Surroundings


def trace(
    name: str,
    run: Callable[[], Any],
    run_on_symbols: Callable[[], Any],
    mentioned: Sequence[Value],
    around: Surroundings,
) -> tuple[Trace, Results]:
    """Write down a function.

    Args:
        run: calls it with its arguments as they are.
        run_on_symbols: calls it with Symbols for the numbers among the arguments.
        mentioned: Values that the function may use, those among the arguments of either call included.
        around: what the function can reach.

    Returns:
        The function, and what it returned in the plain run.

    Raises:
        TypeError: the function looks at a number, changes what is around it, or has an operation added by hand that
            looks at a number. All is as it was, then.
    """
    batches = Batches(on_symbols=False)
    with left_alone(name, mentioned, around), during(batches):
        returned = Results(name, run())
        if keyed := around.held.keyed({*mentioned} - around.values.keys()):
            raise TypeError(REMEMBERED.format(name, keyed[0]))
        around.held.remember()
    leaves, _ = graph(Value(0.0, (*values_in(returned.items), *mentioned, *batches.seen)))
    known = dict.fromkeys([*leaves, *mentioned, *batches.seen])
    with left_alone(name, (), around):
        written, strangers = write_down(name, run_on_symbols, known, around)
        if strangers:  # perhaps results from before the call that nothing mentions
            around.held.put_back()  # caches may have some of this run
            written, strangers = write_down(name, run_on_symbols, known | strangers, around)
    if by_hand := [
        v for v in strangers if type(v._grad_fn) is ByHand or v._grad_fn is nothing
    ]:  # others are choices between known numbers
        raise TypeError(
            f"the operation {by_hand[0]._op!r} was added by hand, with numbers that are not computed from "
            f"the data of its parents by +, -, *, / and the functions of Value; these cannot be traced"
        )
    refuse_lost(name, written, returned, mentioned)
    return written, returned


def refuse_lost(name: str, written: Trace, returned: Results, before: Sequence[Value]) -> None:
    """Raise TypeError where a result has a gradient, although its number was known when the function was traced."""
    known = {*before}
    for x, y in zip(written.results.items, returned.items):
        if isinstance(y, Value) and y._prev and y not in known and type(data_of(x)) is not Symbol:
            with standing_in({v: v.data for v in before}):
                found, _ = gradients([y], [1.0], before)
            if any(found):
                raise TypeError(
                    f"{name} returns a Value whose number was known before its arguments were, {y!r}, but whose "
                    f"gradient depends on them; a program cannot know that. Make its number of those of its parents"
                )


@contextlib.contextmanager
def left_alone(name: str, values: Sequence[Value], around: Surroundings) -> Iterator[None]:
    """Refuse what a function changes around it, and put it back."""
    before = [(v, name, getattr(v, name)) for name in ("data", "grad") for v in values]
    grads = [v.grad for v in values]
    # * 1.0 makes another object of the same number: so what is assigned can be told from it.
    put((v, "grad", grad * 1.0 if type(grad) is float else grad) for v, grad in zip(values, grads))
    marks = [(v, name, getattr(v, name)) for v, name, _ in before]
    try:
        yield
        changed = [f"{around.values.get(v, 'an argument')}.{name}" for v, name, x in marks if getattr(v, name) is not x]
        if changed := changed + around.held.changes():
            raise TypeError(
                f"{name} changes {', '.join(changed[:3])}: the program would not do that again. A compiled function "
                f"leaves what is around it as it is. Return what is new, and assign it outside; call backward() and "
                f"zero_grad() outside; draw random numbers outside, and pass them in"
            )
    finally:
        put(before)
        around.held.put_back()


def write_down(
    name: str, run: Callable[[], Any], known: Iterable[Value], around: Surroundings
) -> tuple[Trace, dict[Value, None]]:
    """Run on Symbols.

    Args:
        known: Values from before the call.
        around: what the function can reach.

    Returns:
        What was found, and what has a number although it was made of Symbols.
    """
    stand_ins = {v: number(type(v.data), "leaf") for v in known if v.data is not None}
    batches, strangers = Batches(on_symbols=True), dict[Value, None]()
    with standing_in(stand_ins, cut=False), during(batches):
        for v in stand_ins:
            v.grad = HIDDEN
        with unseen(around.used):
            returned = Results(name, run())
        typed = Symbol.typed
        if any(v.data is not symbol for v, symbol in stand_ins.items()):
            raise TypeError(ASSIGNED)
    with standing_in(stand_ins):
        leaves, made = graph(Value(0.0, tuple(values_in(returned.items))))
        for v in [v for v in leaves if type(v) is not Batch]:  # those of which nothing depends on a Value
            refuse_hook(v)
        inner = [graph(Value(0.0, tuple(values_in(v.items))))[1][:-1] for v in batches.made]
        by_hand = any(map(is_by_hand, {getattr(v._grad_fn, "__code__", None) for v in chain(made[:-1], *inner)}))
        for v in [v for v in made[:-1] if type(v.data) is not Symbol and type(v) is not Batch]:
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
    return Trace(used, others, returned, computed, order, batch, typed, by_hand, name, around), strangers


def is_by_hand(code: CodeType | None) -> bool:
    """Whether the code of a local backward function is not that of an operation of this package."""
    return code is None or not OWN[code.co_filename]


def derivative(written: Trace, outputs: Sequence[int], seeds: Sequence[Any]) -> tuple[list[Any], set[Value]]:
    """`gradients` of the leaves, for the seeds of some of what is computed.

    Raises:
        TypeError: an operation added by hand changes, on its way back, more than the gradients of its parents.
    """
    alone: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if written.by_hand:
        alone = left_alone(written.name, (), Surroundings(written.around.roots, {}, {}))
    with standing_in(written.leaves | written.others), alone:
        found = gradients([written.computed[i] for i in outputs], seeds, list(written.leaves))
        if strays := [v for v in written.others if v.grad is not UNREACHED]:
            raise TypeError(STRAY.format(written.name, written.around.values.get(strays[0], "a Value")))
        return found
