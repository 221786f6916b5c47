"""Whether a program computes what its function does: the numbers of both are compared."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from operator import add, mul, neg, sub
from typing import TYPE_CHECKING, Any

from .. import scalar
from ..engine import Value, data_of
from ..vmap import loop
from .backward import gradients, standing_in
from .batch import during
from .structure import Results, listed
from .symbol import undisturbed

if TYPE_CHECKING:
    from .call import Call, Signature

RELATIVE = 1e-9  # numbers that differ by less are not looked at again
ROUNDING = 2.0**-49  # the error of one operation, at most: some functions of NumPy are not exact to the last bit
HUGE = 1e305  # near the largest float whether a sum overflows depends on its order
LARGE = 2_000_000  # gradients of more operations are not compared: the graph takes a gigabyte

CURE = (
    "It depends on something else than its arguments and what is around it. Random numbers and the time are passed in "
    "as arguments; new state is returned, and passed in again; a choice is made with where_le(), maximum() or "
    "minimum(), or outside, of scores that are returned; arguments that are sizes are named in static=(...)"
)


def check_results(call: "Call", given: "Signature", plain: Results) -> None:
    """Compare what the program returns with what the function did.

    Raises:
        TypeError: they differ by more than rounding can explain.
    """
    made = Results(call.name, call(given))
    known = {*given.values, *call.around.values, *call.written.leaves}  # from before the call
    pairs = [(x, y) for x, y in zip(made.items, plain.items) if isinstance(x, Value)]
    if (made.structure, made.index) != (plain.structure, plain.index) or any(
        x is not y for x, y in pairs if x in known or y in known
    ):
        raise TypeError(f"{call.name} returned something of another structure when it ran again. {CURE}")
    leaves = call.leaves_of(given)

    def errors() -> list[float]:
        with again(call, given, leaves, [v.data for v in leaves], Rounded) as results:
            return [getattr(data_of(x), "error", 0.0) for x in results.items]

    what = [f"result {i}" if len(made.items) > 1 else "its result" for i in range(len(made.items))]
    compare(call.name, what, [*map(data_of, made.items)], [*map(data_of, plain.items)], errors)


@undisturbed()
def check_gradients(
    call: "Call",
    given: "Signature",
    leaves: Sequence[Value],
    data: Sequence[float],
    asked: Mapping[int, float],
    found: Mapping[int, float],
) -> None:
    """Compare the gradients of leaves with those of the function.

    Args:
        leaves, data: their numbers when the program ran.
        asked: the gradients of some results, by their places among what is computed.
        found: those of some leaves, by their positions; of others they are zero.

    Raises:
        TypeError: they differ by more than rounding can explain.
    """

    def plainly(kind: Callable[[float], Any]) -> list[Any]:
        with again(call, given, leaves, data, kind) as results:
            outputs = [results.items[call.items[i]] for i in asked]
            back, _ = gradients(outputs, [*asked.values()], leaves)
            return [0.0 if g is None else g for g in back]

    names = [call.around.values.get(leaf, "an argument") for leaf in leaves]
    got = [found.get(i, 0.0) for i in range(len(leaves))]
    errors = lambda: [getattr(g, "error", 0.0) for g in plainly(Rounded)]  # noqa: E731
    compare(call.name, [f"the gradient of {name}" for name in names], got, plainly(float), errors)


@contextlib.contextmanager
def again(
    call: "Call", given: "Signature", leaves: Sequence[Value], data: Sequence[float], kind: Callable[[float], Any]
) -> Iterator[Results]:
    """Run the function once more as it is, on numbers of some kind."""
    numbers = {v: v.data for v in (*given.values, *call.around.values)} | dict(zip(leaves, data))
    with standing_in({v: kind(x) for v, x in numbers.items() if x is not None}), during(loop):
        known = Known if kind is float else kind
        arguments = given.filled(map(known, listed([x for x in given.numbers if x is not None])), iter(given.values))
        yield Results(call.name, call.run(given, arguments))


def compare(
    name: str, what: Sequence[str], got: Sequence[Any], wanted: Sequence[Any], errors: Callable[[], Sequence[float]]
) -> None:
    wrong = [i for i, (x, y) in enumerate(zip(got, wanted)) if not close(x, y, 0.0)]
    bounds: Sequence[float] = [0.0] * len(got)
    if wrong:
        with contextlib.suppress(Exception):  # where it does not even run once more, nothing is to be excused
            bounds = errors()
    for i in wrong:
        if not close(got[i], wanted[i], bounds[i]):
            raise TypeError(
                f"{name} computes something else when it is compiled: {what[i]} is {got[i]!r}, without compile it is "
                f"{wanted[i]!r}. {CURE}"
            )


def close(x: float, y: float, error: float) -> bool:
    if x == y or (x != x and y != y) or error == math.inf:
        return True
    return abs(x - y) <= max(RELATIVE * min(abs(x), abs(y)), 2.0 * error, sys.float_info.min)


class Known(float):
    """A float that can do what a number to come can, where it stands for a whole number, or in an array, too."""

    relu, exp, log, sqrt, sin, cos = scalar.relu, scalar.exp, scalar.log, scalar.sqrt, scalar.sin, scalar.cos
    tanh, sigmoid, abs = scalar.tanh, scalar.sigmoid, float.__abs__
    maximum, minimum, where_le = scalar.maximum, scalar.minimum, scalar.where_le


def operation(f: Callable[..., float], turned: bool = False) -> Callable[..., Any]:
    """A method of Rounded for an operation on floats. The error of its result is how far that moves when an argument
    moves by its own error, and the rounding of the operation itself."""

    def method(*args: Any) -> Any:
        known: list[Any] = [x if type(x) is Rounded else Rounded(x) if isinstance(x, Real) else None for x in args]
        if None in known:  # a Value, which knows what to do
            return NotImplemented
        numbers = known[::-1] if turned else known
        xs = [number.x for number in numbers]
        y = f(*xs)
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

    def __init__(self, x: Any, error: float = 0.0):
        self.x, self.error = float(x), error

    __add__ = __radd__ = operation(add)
    __mul__ = __rmul__ = operation(mul)
    __sub__, __rsub__ = operation(sub), operation(sub, turned=True)
    __truediv__, __rtruediv__ = operation(scalar.divide), operation(scalar.divide, turned=True)
    __pow__, __rpow__ = operation(scalar.power), operation(scalar.power, turned=True)
    __neg__ = operation(neg)
    abs = __abs__ = operation(abs)
    relu, exp, log, sqrt = operation(scalar.relu), operation(scalar.exp), operation(scalar.log), operation(scalar.sqrt)
    sin, cos, tanh = operation(scalar.sin), operation(scalar.cos), operation(scalar.tanh)
    sigmoid, where_le = operation(scalar.sigmoid), operation(scalar.where_le)
    maximum, minimum = operation(scalar.maximum), operation(scalar.minimum)
