"""Run a function with Symbols inside its Values, forward and backward.

`trace` runs it twice. The first run is an ordinary one; it shows which Values were there before the call. For the
second, Symbols stand in their `data` and for the numbers among the arguments, and the graph that comes out is the
function, written down. `derivative` then calls `backward()` on that graph: the gradients are Symbols as well.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..engine import NOTHING, ByHand, Value, graph
from .symbol import Symbol, undisturbed

ASSIGNED = "the function assigns .data of a Value from outside; return the new number instead"
one_at_a_time = threading.RLock()  # two threads that put Symbols into one Value would put each other's back


class Trace(NamedTuple):
    """A function, written down."""

    leaves: list[Value]  # the Values that were there before the call and that its results depend on
    symbols: list[Symbol]  # what stands for their numbers
    results: list[Any]  # what the function returned: Values and numbers made of Symbols, or one of the leaves
    nodes: int  # how many Values the call made


@contextmanager
def standing_in(values: Sequence[Value], symbols: Sequence[Symbol]) -> Iterator[None]:
    """Let `symbols` stand in the data of `values`, which are leaves meanwhile; then put everything back."""
    with one_at_a_time:
        before = [(v.data, v.grad, v._prev, v._grad_fn) for v in values]
        try:
            for v, symbol in zip(values, symbols):
                v.data, v.grad, v._prev, v._grad_fn = symbol, 0.0, (), NOTHING
            yield
        finally:
            for v, (data, grad, parents, grad_fn) in zip(values, before):
                v.data, v.grad, v._prev, v._grad_fn = data, grad, parents, grad_fn


@undisturbed()
def trace(
    run: Callable[[], list[Any]],
    run_on_symbols: Callable[[dict[Value, Symbol]], list[Any]],
    arguments: Sequence[Value],
    mentioned: Sequence[Value],
) -> Trace:
    """Write down a function.

    Args:
        run: calls it with its arguments as they are, and returns the Values and numbers it returned.
        run_on_symbols: calls it with Symbols for the numbers among the arguments. It is given the Symbols that stand in
            Values, and may add leaves to them.
        arguments: the Values among the arguments.
        mentioned: other Values that it may use; `run` may add to them.

    Raises:
        TypeError: the function looks at a number, or has an operation added by hand that does.
    """
    before = [(v, v.data) for v in (*arguments, *mentioned)]
    returned = run()
    if any(v.data is not data for v, data in before):
        for v, data in before:
            v.data = data
        raise TypeError(ASSIGNED)
    leaves, results = graph(Value(0.0, [*only_values(returned), *arguments, *mentioned]))
    known = leaves + results[:-1]
    stand_ins = {v: Symbol("input") for v in known}
    with standing_in(known, list(stand_ins.values())):
        written = write_down(run_on_symbols(stand_ins), arguments, stand_ins)
        for v, symbol in stand_ins.items():
            if v.data is not symbol:
                raise TypeError(ASSIGNED)
    return written


def write_down(returned: list[Any], arguments: Sequence[Value], stand_ins: dict[Value, Symbol]) -> Trace:
    """What a run on Symbols has left."""
    leaves, made = graph(Value(0.0, [*only_values(returned), *arguments]))
    for v in made[:-1]:
        by_hand = isinstance(v._grad_fn, ByHand)
        if by_hand and type(v.data) is not Symbol and any(type(p.data) is Symbol for p in v._prev):
            raise TypeError(
                f"the operation {v._op!r} was added by hand, with numbers that are not computed from the data "
                f"of its parents by +, -, *, / and the functions of Value; these cannot be traced"
            )
    leaves = [v for v in leaves if v in stand_ins]
    return Trace(leaves, [stand_ins[v] for v in leaves], returned, len(made) - 1)


def only_values(results: Sequence[Any]) -> list[Value]:
    return [x for x in results if isinstance(x, Value)]


@undisturbed()
def derivative(written: Trace, outputs: Sequence[Value], seeds: Sequence[Any]) -> list[Any]:
    """The gradient of every leaf, where d(root)/d(output) is the seed of each output."""
    with standing_in(written.leaves, written.symbols):
        root = Value(0.0)
        for output, seed in zip(outputs, seeds):
            root = root + output * Value(seed)
        root.backward()
        return [leaf.grad for leaf in written.leaves]
