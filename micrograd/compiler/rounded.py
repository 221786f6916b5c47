"""Kinds of numbers for runs of a function that are compared with its program."""

import math
from collections.abc import Callable
from numbers import Real
from operator import add, eq, ge, gt, le, lt, mul, ne, neg, sub
from typing import Any

from .. import scalar
from .callers import number_class
from .symbol import FUNCTIONS

ROUNDING = 2.0**-49  # the error of one operation, at most: some functions of NumPy are not exact to the last bit
HUGE = 1e305  # near the largest float whether a sum overflows depends on its order


def of_sum(a: "Rounded", b: "Rounded") -> float:
    """The error of a + b, where that is far from overflow and all is finite."""
    size = abs(a.x) + abs(b.x)
    return a.error + b.error + ROUNDING * size if size < HUGE else math.inf


def of_product(a: "Rounded", b: "Rounded") -> float:
    """That of a * b."""
    size = (abs(a.x) + a.error) * (abs(b.x) + b.error)
    return size - abs(a.x * b.x) + ROUNDING * size if size < HUGE else math.inf


USUAL = {add: of_sum, sub: of_sum, mul: of_product}  # the same as below, faster


def operation(f: Callable[..., float], turned: bool = False) -> Callable[..., Any]:
    """A method of Rounded for an operation on floats. The error of its result is how far that moves when an argument
    moves by its own error, and the rounding of the operation itself."""

    def method(*args: Any) -> Any:
        known: list[Any] = [x if type(x) is Rounded else Rounded(x) if isinstance(x, Real) else None for x in args]
        if any(x is None for x in known):  # a Value, which knows what to do
            return NotImplemented
        numbers = known[::-1] if turned else known
        xs = [number.x for number in numbers]
        y = f(*xs)
        if f in USUAL and (error := USUAL[f](*numbers)) < HUGE:
            return Rounded(y, error)
        size = sum(map(abs, xs)) if f in (add, sub) else abs(y)
        overflow = f in (add, sub, mul) and size > HUGE and all(map(math.isfinite, xs))
        if overflow or any(number.error == math.inf for number in numbers):
            return Rounded(y, math.inf)
        error = ROUNDING * size if math.isfinite(size) else 0.0
        for i, number in enumerate(numbers):
            near = [number.x - number.error, number.x + number.error] if number.error else []
            near += [0.0, -0.0] if number.x == 0.0 else []  # the sign of a zero depends on the order, too
            error += max([distance(f(*xs[:i], x, *xs[i + 1 :]), y) for x in near], default=0.0)
        return Rounded(y, error)

    return method


def distance(x: float, y: float) -> float:
    return 0.0 if x == y or (x != x and y != y) else abs(x - y) if math.isfinite(x - y) else math.inf


class Rounded:
    """A number, and how far from it other orders of sums, and other ways to round, may lead."""

    __slots__ = ("error", "x")
    __class__ = number_class
    kind, typed = float, False

    def __init__(self, x: Any, error: float = 0.0):
        self.x, self.error = float(x), error

    abs = __abs__ = operation(abs)
    __neg__ = operation(neg)


class Total(float):
    """A sum, and the size of what was added: where that cancels, its rounding is what is left."""

    size = 0.0

    def __add__(self, other: float) -> "Total":
        out = Total(float(self) + other)
        out.size = self.size + abs(other)
        return out


for name, f in {"add": add, "sub": sub, "mul": mul, "truediv": scalar.divide, "pow": scalar.power}.items():
    setattr(Rounded, f"__{name}__", operation(f))
    setattr(Rounded, f"__r{name}__", operation(f, turned=True))
for compare in (lt, le, gt, ge, eq, ne):
    setattr(Rounded, f"__{compare.__name__}__", operation(compare))
for name, logic in {"and": mul, "or": scalar.maximum, "xor": ne}.items():
    setattr(Rounded, f"__{name}__", operation(logic))
    setattr(Rounded, f"__r{name}__", operation(logic))
for name in FUNCTIONS:
    setattr(Rounded, name, operation(getattr(scalar, name)))
