"""Operations and random programs that run alike on Values, on PyTorch tensors and under `compile`."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import torch
from hypothesis import strategies as st

SPECIALS = [-math.inf, -1e308, -8, -1, -0.5, -0.0, 0.0, 1 / 3, 0.5, 1, 2, 710, 1e308, math.inf, math.nan]

# The names are those of PyTorch's tensors, so that one table serves both.
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "abs()": abs,
    **{name: methodcaller(name) for name in ("relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "abs")},
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "maximum": lambda a, b: a.maximum(b),
    "minimum": lambda a, b: a.minimum(b),
}


def leaf(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


def close(got: float, want: float, rel: float = 1e-12, abs_: float = 0.0) -> bool:
    """Equal within `rel`, or within `abs_`; nan equals nan, and an infinity itself."""
    if math.isnan(want) or math.isnan(got):
        return math.isnan(want) and math.isnan(got)
    return math.isclose(got, want, rel_tol=rel, abs_tol=abs_)


@dataclass
class Program:
    """Straight-line code: each line applies an operation to earlier results; the last one is returned."""

    leaves: list[float]
    lines: list[tuple[str, tuple[int, ...]]]

    def __call__(self, leaves: Sequence[Any]) -> Any:
        results = list(leaves)
        for name, args in self.lines:
            operation = UNARY[name] if len(args) == 1 else BINARY[name]
            results.append(operation(*(results[i] for i in args)))
        return sum(results[len(leaves) :], results[-1])  # so that no line is dead code


ordinary = st.integers(-48, 48).map(lambda n: n / 16)  # kinks and ties, but nothing that cancels all


@st.composite
def programs(draw: st.DrawFn, max_lines: int = 60, numbers: st.SearchStrategy[float] = ordinary) -> Program:
    """Draw a program. Lines prefer recent results, but may use any, and one of them twice."""
    leaves = draw(st.lists(numbers, min_size=1, max_size=5))
    lines: list[tuple[str, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(1, max_lines))):
        index = st.integers(0, len(leaves) + len(lines) - 1)
        name = draw(st.sampled_from([*UNARY, *BINARY]))
        lines.append((name, tuple(draw(index) for _ in range(1 if name in UNARY else 2))))
    return Program(leaves, lines)


def torch_reference(program: Program, nudge: float = 0.0) -> tuple[float, list[float]]:
    """Value and gradients in PyTorch, with the leaves moved by a relative `nudge`."""
    leaves = [leaf(x * (1.0 + nudge)) for x in program.leaves]
    out = program(leaves)
    out.backward()
    return out.item(), [0.0 if x.grad is None else x.grad.item() for x in leaves]


def readme_expression(a, b):
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g
