"""Operations and programs that run alike on Values, on PyTorch tensors and under `compile`, and how to compare them."""

import math
import operator
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import micrograd
from micrograd import Value

SPECIALS = [-math.inf, -1e308, -8, -1, -0.5, -0.0, 0.0, 1 / 3, 0.5, 1, 2, 710, 1e308, math.inf, math.nan]

# The names are those of PyTorch's tensors, so that one table serves both.
UNARY: dict[str, Callable[..., Any]] = {
    "neg": operator.neg,
    "abs()": abs,
    **{name: methodcaller(name) for name in ("relu", "tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "abs")},
}
BINARY: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "maximum": lambda a, b: a.maximum(b),
    "minimum": lambda a, b: a.minimum(b),
}


def hidden(x: Any) -> Callable[[], Any]:
    """A function that returns `x`, which has no name there: it is in the frame of a generator."""
    return forever(x).__next__


def forever(x: Any) -> Iterator[Any]:
    while True:
        yield x


def leaf(x: float) -> Any:
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


def close(got: float, want: float, rel: float = 1e-12, abs_: float = 0.0) -> bool:
    """Equal within `rel`, or within `abs_`; nan equals nan, and an infinity itself."""
    if math.isnan(want) or math.isnan(got):
        return math.isnan(want) and math.isnan(got)
    return math.isclose(got, want, rel_tol=rel, abs_tol=abs_)


def agree(got: Sequence[float], want: Sequence[float], rel: float = 1e-12, abs_: float = 0.0) -> None:
    for a, b in zip(got, want, strict=True):
        assert close(a, b, rel, abs_), f"{a} is not {b}"


def flat(x: Any) -> list[Any]:
    """All Values and numbers in lists, tuples, dicts and arrays."""
    if isinstance(x, dict):
        x = list(x.values())
    return [v for item in x for v in flat(item)] if isinstance(x, list | tuple | np.ndarray) else [x]


def numbers(x: Any) -> list[float]:
    return [v.data if isinstance(v, Value) else float(v) for v in flat(x)]


def gradients(leaves: Iterable[Value]) -> list[float]:
    """The gradients, which are zero again afterwards."""
    out = [v.grad for v in leaves]
    for v in leaves:
        v.grad = 0.0
    return out


def check(f: Callable[..., Any], leaves: Iterable[Value], *args: Any, compiled: Any = None, **kwargs: Any) -> Any:
    """Compare f with its compiled form: results, and the gradients of a sum of the results with odd weights."""
    compiled = compiled or micrograd.compile(f)
    found = []
    for function in (f, compiled):
        out = function(*args, **kwargs)
        weighted = [(0.5 + i) * v for i, v in enumerate(flat(out)) if isinstance(v, Value)]
        sum(weighted, Value(0)).backward()
        found.append([*numbers(out), *gradients(leaves)])
    agree(found[1], found[0], 1e-9, 1e-12)
    return compiled


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


def torch_reference(program: Program, nudge: float) -> list[float]:
    """Value and gradients in PyTorch, with the leaves moved by a relative `nudge`."""
    leaves = [leaf(x * (1.0 + nudge)) for x in program.leaves]
    out = program(leaves)
    out.backward()
    return [out.item(), *(0.0 if x.grad is None else x.grad.item() for x in leaves)]


def error_without(package: str, code: str) -> str:
    """What `code` ends with, in a process of its own, where a package is missing."""
    code = f"import sys; sys.modules[{package!r}] = None; {code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.splitlines()[-1]


def blocks_grown(setup: str, first: int, last: int) -> int:
    """By how many blocks of memory a process without Python's collector grows from the first to the last of its steps.

    Args:
        setup: the code that defines `step()`. It runs in a process of its own, where nothing else needs memory.
    """
    count = f"""
import gc, random, sys
sys.path[:] = {sys.path!r}
random.seed(0)
{setup}
gc.collect()
gc.disable()
for i in range({last}):
    if i == {first}:
        blocks = sys.getallocatedblocks()
    step()
print(sys.getallocatedblocks() - blocks)
"""
    done = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def moons(n: int, seed: int = 1337) -> tuple[Any, Any]:
    """Samples for `max_margin_loss`, though they lie anywhere."""
    rng = random.Random(seed)
    X = np.array([[rng.uniform(-2, 2), rng.uniform(-1, 1)] for _ in range(n)])
    return X, np.array([rng.choice([-1, 1]) for _ in range(n)])


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
