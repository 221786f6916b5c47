"""The way back: gradients of the graph behind some Values, whatever their numbers are, and of calls that are one node.

A call of a compiled function, or of one under vmap, is a node of its own in the graph, with its results as children.
Its gradient is a dict: what came back to which of the results.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import Any

from ..engine import UNREACHED, Value, graph, nothing
from .symbol import Symbol


def put(attributes: Iterable[tuple[Any, str, Any]]) -> None:
    """Set each, of an object by its name, in a loop of C, in which no Ctrl-C gets a turn."""
    deque(starmap(setattr, attributes), maxlen=0)


@contextmanager
def standing_in(numbers: Mapping[Value, Any], cut: bool = True) -> Iterator[None]:
    """Let numbers stand in the data of Values, which are leaves meanwhile, if they are `cut` off from what they were
    computed from; then put everything back."""
    before = [(v, name, getattr(v, name)) for v in numbers for name in ("data", "grad", "_prev", "_grad_fn")]
    try:
        for v, number in numbers.items():
            v.data, v.grad = number, UNREACHED
            if cut:
                v._prev, v._grad_fn = (), nothing
        yield
    finally:
        put(before)


def gradients(outputs: Sequence[Value], seeds: Sequence[Any], leaves: Sequence[Value]) -> tuple[list[Any], set[Value]]:
    """The way back from a sum of outputs, each times its seed.

    It is `backward()`, but for what it knows of each Symbol: the line of code whose gradient it is part of.

    Returns:
        The gradient of every leaf, None where none comes; and the leaves that the outputs were made of, those that are
        only in a condition among them.
    """
    root = Value(0.0, tuple(outputs))
    _, results = graph(root)
    for node in results:
        node.grad = UNREACHED
    for output, seed in zip(outputs, seeds):
        output.grad += seed
    try:
        for node in reversed(results[:-1]):
            if node.grad is not UNREACHED:
                Symbol.at = getattr(node.data, "line", None)
                node._grad_fn(node)
    finally:
        Symbol.at = None
    met, stack = set[Value](), [root]
    while stack:
        if (v := stack.pop()) not in met:
            met.add(v)
            stack += getattr(v, "reached", None) or v._prev  # of a call under vmap, what was asked for
    return [None if leaf.grad is UNREACHED else leaf.grad for leaf in leaves], met.intersection(leaves)


def seed(key: Any) -> Callable[[Value], None]:
    """The local backward function of one result of a call: its gradient goes into that of the call, under its key."""

    def backward(out: Value) -> None:
        (call,) = out._prev
        call.grad = call.grad or {}
        call.grad[key] = out.grad

    return backward
