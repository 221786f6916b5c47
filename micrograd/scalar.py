"""Arithmetic on one number, the way IEEE 754 and PyTorch do it.

Python's floats raise where a tensor library goes on: `1.0 / 0.0`, `math.exp(1000.0)` and
`math.log(-1.0)` are exceptions, `(-8.0) ** (1 / 3)` is a complex number. Here they are inf, inf,
nan and nan, as in PyTorch.

A number need not be a float. Whatever has these functions in its class (`type(x).exp(x)`,
`type(x).maximum(x, y)`, ...) is a kind of number, and is asked instead. `+`, `-` and `*` need no help:
Python already asks.
"""

import math
from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any, TypeAlias

Number: TypeAlias = Any  # a float, or any other kind of number


def number(x: object) -> Number:
    """Return `x` as a float; where it is another kind of number, which has a method `where_le`, as it is, or as its
    `detach()` says if it has that.

    Raises:
        TypeError: `x` is no number: a string, None, a list, an array, a complex number.
        RuntimeError: it is a PyTorch tensor that wants a gradient, and would not get it.
    """
    kind = type(x)
    if kind is float or hasattr(kind, "where_le"):
        return kind.detach(x) if hasattr(kind, "detach") else x
    if getattr(x, "requires_grad", False):
        raise RuntimeError(f"no gradient of a Value comes back to {x!r}: pass its number, tensor.item()")
    plain: Any = x.item() if getattr(x, "ndim", None) == 0 else x  # type: ignore[attr-defined]
    if isinstance(plain, Real):
        return plain if hasattr(type(plain), "where_le") else float(plain)
    hint = f"; its number is {'array' if hasattr(x, 'dtype') else 'x'}.item()" if getattr(x, "size", None) == 1 else ""
    raise TypeError(f"expected one real number, got {x!r} of type {type(x).__name__}{hint}")


def ask(f: Callable[..., Number], *args: Number) -> Number:
    """Let the first of `args` that is another kind of number answer for `f`; if none is, `f` gets floats."""
    for x in args:
        own = getattr(type(x), f.__name__, None)
        if own is not None and (answer := own(*args)) is not NotImplemented:
            return answer
    return f(*map(float, args))


def generic(f: Callable[[float], float]) -> Callable[[Number], Number]:
    """Make `f`, written for a float, ask any other kind of number."""

    @wraps(f)
    def function(x: Number) -> Number:
        return f(x) if type(x) is float else ask(function, x)

    return function


def where_le(a: Number, b: Number, x: Number, y: Number) -> Number:
    """`x` where `a <= b`, else, also for nan, `y`. All kinks are made of it: as it chooses and does not
    multiply, nothing is left of an infinity on the other side."""
    if type(a) is type(b) is float:
        return x if a <= b else y
    return ask(where_le, a, b, x, y)


def where_positive(a: Number, x: Number, y: Number) -> Number:
    """`x` where `a > 0`, also for nan, else `y`."""
    return where_le(a, 0.0, y, x)


def where_zero(a: Number, x: Number, y: Number) -> Number:
    """`x` where `a` is zero, else `y`."""
    return where_le(a, 0.0, where_le(0.0, a, x, y), y)


def sign(x: Number) -> Number:
    """-1, 0 or 1; the sign of nan is 0."""
    return where_le(x, 0.0, where_le(0.0, x, 0.0, -1.0), where_le(0.0, x, 1.0, 0.0))


def divide(a: Number, b: Number) -> Number:
    """`a / b`, where a zero below gives an infinity, or nan for 0 / 0."""
    try:
        return a / b
    except ZeroDivisionError:
        return a * math.copysign(math.inf, b)


def power(a: Number, b: Number) -> Number:
    """`a ** b`, as C's `pow` does it: never complex, never an OverflowError."""
    if hasattr(type(a), "where_le") or hasattr(type(b), "where_le"):
        return a**b
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0.0 and b % 2.0 == 1.0 else math.inf
    except ValueError:  # a zero to a negative power, or a root of a negative number
        if a != 0.0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2.0 == 1.0 else math.inf


def constant_power(a: Number, k: float) -> Number:
    """`a ** k` for an exponent that is no variable: as in PyTorch, 0.5 takes the square root, which
    differs from `pow` at -inf."""
    if abs(k) != 0.5:
        return power(a, k)
    return sqrt(a) if k > 0.0 else divide(1.0, sqrt(a))


@generic
def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@generic
def log(x: float) -> float:
    return math.log(x) if x > 0.0 else -math.inf if x == 0.0 else math.nan


@generic
def sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else math.nan


@generic
def sin(x: float) -> float:
    return math.sin(x) if math.isfinite(x) else math.nan


@generic
def cos(x: float) -> float:
    return math.cos(x) if math.isfinite(x) else math.nan


@generic
def tanh(x: float) -> float:
    return math.tanh(x)


@generic
def sigmoid(x: float) -> float:
    y: float = exp(-x)
    return 1.0 / (1.0 + y)


@generic
def relu(x: float) -> float:
    return 0.0 if x < 0.0 else x


def maximum(a: Number, b: Number) -> Number:
    if type(a) is type(b) is float:
        return a if a >= b or a != a else b
    return ask(maximum, a, b)


def minimum(a: Number, b: Number) -> Number:
    if type(a) is type(b) is float:
        return a if a <= b or a != a else b
    return ask(minimum, a, b)
