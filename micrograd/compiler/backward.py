"""The way back: gradients of the graph behind some Values, whatever their numbers are, and of calls that are one node.

A call of a compiled function, or of one under vmap, is a node of its own in the graph, with its results as children.
Its gradient is a Cotangent: what came back to which of the results.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..engine import NOTHING, UNTOUCHED, Value, graph
from .symbol import Symbol

one_at_a_time = threading.RLock()  # two threads that put Symbols into one Value would put each other's back


@contextmanager
def standing_in(values: Iterable[Value], numbers: Iterable[Any]) -> Iterator[None]:
    """Let `numbers` stand in the data of `values`, which are leaves meanwhile; then put everything back."""
    with one_at_a_time:
        before = [(v, v.data, v.grad, v._prev, v._grad_fn) for v in values]
        try:
            for (v, *_), number in zip(before, numbers):
                v.data, v.grad, v._prev, v._grad_fn = number, UNTOUCHED, (), NOTHING
            yield
        finally:
            for v, data, grad, parents, grad_fn in before:
                v.data, v.grad, v._prev, v._grad_fn = data, grad, parents, grad_fn


def gradients(outputs: Sequence[Value], seeds: Sequence[Any], leaves: Sequence[Value]) -> tuple[list[Any], set[Value]]:
    """The way back from a sum of outputs, each times its seed.

    It is `backward()`, but for what it knows of each Symbol: the line of code whose gradient it is part of.

    Returns:
        The gradient of every leaf, None where none comes; and the leaves that the outputs were made of, those that are
        only in a condition among them.
    """
    root = Value(0.0)
    for output, seed in zip(outputs, seeds):
        root = root + output * Value(seed, (), "", NOTHING)
    _, results = graph(root)
    for node in results:
        node.grad = UNTOUCHED
    root.grad = 1.0
    try:
        for node in reversed(results):
            if node.grad is not UNTOUCHED:
                Symbol.at = getattr(node.data, "line", None)
                node._grad_fn(node)
    finally:
        Symbol.at = None
    met, stack = set[Value](), [root]
    while stack:
        if (v := stack.pop()) not in met:
            met.add(v)
            stack += getattr(v, "reached", None) or v._prev  # of a call under vmap, what was asked for
    return [None if leaf.grad is UNTOUCHED else leaf.grad for leaf in leaves], met.intersection(leaves)


class Cotangent:
    """The gradients of some of the results of one call: a number that can only be added, for the way back."""

    def __init__(self, parts: dict[Any, Any]):
        self.parts = parts

    def __radd__(self, zero: Any) -> "Cotangent":
        return self  # zero is what gradients start from

    def __iadd__(self, other: "Cotangent") -> "Cotangent":
        for key, g in other.parts.items():
            self.parts[key] = self.parts[key] + g if key in self.parts else g
        return self


def seed(key: Any) -> Callable[[Value], None]:
    """The backward closure of one result of a call."""

    def backward(out: Value) -> None:
        out._prev[0].grad += Cotangent({key: out.grad})

    return backward
