"""A forward and a backward pass in words: what each step computes, with the chain rule written out in numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from .compat import ByHand
from .engine import Constant, Value
from .scalar import Number

# The derivatives by each operand, where they are no plain numbers; {0} is the result, {1} and {2} are the operands.
RULES = {
    "*": ("{2}", "{1}"),
    "/": ("1 / {2}", "-{1} / {2}**2"),
    "**": ("{2} * {1}**({2} - 1)", "{0} * log({1})"),
    "ReLU": ("1 if {1} > 0 else 0",),
    "exp": ("{0}",),
    "log": ("1 / {1}",),
    "sqrt": ("1 / (2 * {0})",),
    "sin": ("cos({1})",),
    "cos": ("-sin({1})",),
    "tanh": ("1 - {0}**2",),
    "sigmoid": ("{0} * (1 - {0})",),
    "abs": ("sign({1})",),
}


class Step(NamedTuple):
    """One operation, forward or backward.

    Attributes:
        way: "forward" or "backward".
        node: its result.
        beside: its operands.
        lines: what it computes, in words.
        changes: what stands in boxes after it: of each Value that changes, its "data" or "grad".
    """

    way: str
    node: Value
    beside: Sequence[Value]
    lines: Sequence[str]
    changes: Mapping[Value, Mapping[str, str]]


def forward(results: Sequence[Value], called: Mapping[Value, str]) -> Iterator[Step]:
    """The forward pass. `called`: the name of each Value."""
    for node in results:
        names = formula(node._op, [called[parent] for parent in node._prev])
        numbers = formula(node._op, [brief(parent.data) for parent in node._prev])
        lines = [f"{called[node]} = {names}", f"{' ' * len(called[node])} = {numbers}  ->  {brief(node.data)}"]
        yield Step("forward", node, node._prev, lines, {node: {"data": shorten(node.data)}})


def backward(root: Value, results: Sequence[Value], called: Mapping[Value, str]) -> Iterator[Step]:
    """The backward pass from `root`, where no gradient has been added to any before."""
    grads: dict[Value, Number] = dict.fromkeys(called, 0.0)
    grads[root] = 1.0
    yield Step("backward", root, (), [f"grad({called[root]}) = {brief(1.0)}"], {root: {"grad": shorten(1.0)}})
    for node in reversed(results):
        g, operands, changes = grads[node], [called[parent] for parent in node._prev], {}
        made = formula(node._op, operands)
        lines = [f"{called[node]} = {made}"]
        op = "**" if node._op.startswith("**") else node._op  # of a plain exponent, it is what follows
        slopes = () if isinstance(node._grad_fn, ByHand) else RULES.get(op, ())
        for i, (parent, local, share) in enumerate(zip(node._prev, shares(node, 1.0), shares(node, g))):
            if isinstance(parent, Constant):
                continue
            name, slope = called[parent], brief(local)
            which = f", operand {i + 1}" if node._prev.count(parent) > 1 else ""
            rule = [text.format(called[node], *operands, node._op[2:]) for text in slopes[i : i + 1]]
            lines.append(" = ".join(dict.fromkeys([f"d({made})/d{name}{which}", *rule, slope])))
            added = f"{brief(grads[parent])} + {brief(share)} = " if grads[parent] else ""
            grads[parent] += share
            lines.append(f"grad({name}) += {slope} * {brief(g)}  ->  {added}{brief(grads[parent])}")
            changes[parent] = {"grad": shorten(grads[parent])}
        yield Step("backward", node, node._prev, lines, changes)


def shares(node: Value, g: Number) -> list[Number]:
    """What each parent gets of the gradient `g` of a node: what its local backward function adds. That is handed other
    parents, one for each operand; what it adds to the true ones is the first operand's that is the same Value."""
    others = [SimpleNamespace(data=parent.data, grad=0.0) for parent in node._prev]
    out: Any = SimpleNamespace(data=node.data, grad=g, _prev=others)
    before = [(v, v.grad) for v in (node, *node._prev)]
    try:
        for v, _ in before:
            v.grad = 0.0
        node.grad = g
        node._grad_fn(out)
        gained = {parent: parent.grad for parent in node._prev}
    finally:
        for v, grad in before:
            v.grad = grad
    return [part.grad + gained.pop(parent, 0.0) for part, parent in zip(others, node._prev)]


def formula(op: str, args: Sequence[str]) -> str:
    if len(args) == 2 and op in ("+", "-", "*", "/", "**"):
        return f"{args[0]} {op} {args[1]}"
    return f"{args[0]}{op}" if op.startswith("**") else f"{op or 'f'}({', '.join(args)})"


def brief(x: Number) -> str:
    """A number without zeros that say nothing: 2.0, not 2.0000."""
    return re.sub(r"(\.\d+?)0+$", r"\1", shorten(x))


def shorten(x: Number) -> str:
    """A number in a few digits; a Value inside a Value shows its own data."""
    if isinstance(x, Value):
        return f"Value({shorten(x.data)})"
    x = float(x)
    return f"{x:.4f}" if x == 0 or 1e-3 <= abs(x) < 1e6 else f"{x:.4g}"
