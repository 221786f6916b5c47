"""Whether a program computes what its function does: the numbers of both are compared."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..compat import data_of
from ..engine import Value
from ..vmap import loop
from .backward import gradients, standing_in
from .batch import during
from .rounded import ROUNDING, Rounded, Total
from .signature import Signature
from .structure import Results, hung, listed
from .surroundings import Surroundings
from .turn import undisturbed
from .watch import ATOMS, same

RELATIVE = 1e-9  # numbers that differ by less are not looked at again
LARGE = 2_000_000  # gradients of more operations are not compared: the graph takes a gigabyte

CURE = (
    "It depends on something else than its arguments and what is around it. Random numbers and the time are passed in "
    "as arguments; new state is returned, and passed in again; a choice is made with where_le(), maximum() or "
    "minimum(), or outside, of scores that are returned; arguments that are sizes are named in static=(...); arrays "
    "of another type than float64 are computed with as float64, X.astype(float); under vmap all samples take the same "
    "way, so that none is told by its type, or by being (`is`) a Value from outside"
)


class Check:
    """Compares a program with its function; raises TypeError where they differ by more than rounding can explain."""

    def __init__(self, name: str, function: Callable[..., Any], around: Surroundings):
        self.name, self.function, self.around = name, function, around

    def results(self, given: Signature, numbers: Mapping[Value, float], made: Results, plain: Results) -> None:
        """Compare what the program returned with what the function did.

        Args:
            given: the arguments.
            numbers: those of the Values that the program depends on.
        """
        known = {*given.values, *self.around.values, *numbers}  # from before the call
        pairs = [(x, y) for x, y in zip(made.items, plain.items) if isinstance(x, Value)]
        if made.structure != plain.structure and without_dtypes(made.structure) == without_dtypes(plain.structure):
            raise TypeError(
                f"{self.name} returned an array of another type than float64, in which a program computes: return "
                f"X.astype(float)"
            )
        alike = (made.structure, made.index) == (plain.structure, plain.index)
        if not alike or any(x is not y for x, y in pairs if x in known or y in known):
            raise TypeError(f"{self.name} returned something of another structure when it ran again. {CURE}")
        for mine, theirs in ((hung(x), hung(y)) for x, y in pairs if x is not y):
            if other := [name for name in {**theirs, **mine} if not stays(theirs.get(name), mine.get(name, self))]:
                raise TypeError(
                    f"{self.name} assigns .{other[0]} of a Value that it returns, but a program computes new data and "
                    f"gradients only: return it, beside the Value, and assign it outside"
                )

        def rounded() -> list[Any]:
            with self.again(given, numbers, Rounded) as results:
                return [*map(data_of, results.items)]

        what = [f"result {i}" if len(made.items) > 1 else "its result" for i in range(len(made.items))]
        self.compare(what, [*map(data_of, made.items)], [*map(data_of, plain.items)], rounded)

    @undisturbed()
    def gradients(
        self,
        given: Signature,
        numbers: Mapping[Value, float],
        asked: Mapping[int, float],
        found: Mapping[Value, float],
    ) -> None:
        """Compare the gradients of Values with those of the function.

        Args:
            asked: the gradients of some results, by their positions among all Values that are returned.
            found: those that are not zero, of the Values that the program depends on.
        """

        def plainly(kind: Callable[[float], Any]) -> list[Any]:
            with self.again(given, numbers, kind) as results:
                for leaf in numbers:
                    leaf.grad = Total(0.0) if kind is float else leaf.grad
                back, _ = gradients([results.items[results.index[i]] for i in asked], [*asked.values()], [*numbers])
                return [0.0 if g is None else g for g in back]

        what = [f"the gradient of {self.around.values.get(leaf, 'an argument')}" for leaf in numbers]
        got = [found.get(leaf, 0.0) for leaf in numbers]
        self.compare(what, got, plainly(float), lambda: plainly(Rounded))

    @contextlib.contextmanager
    def again(
        self, given: Signature, numbers: Mapping[Value, float], kind: Callable[[float], Any]
    ) -> Iterator[Results]:
        """Run the function once more as it is, on numbers of some kind."""
        every = {v: v.data for v in (*given.values, *self.around.values)} | dict(numbers)
        every = {v: kind(x) for v, x in every.items() if x is not None}
        known = [x if kind is float else kind(x) for found in given.numbers for x in listed(found)]
        with standing_in(every, cut=False), during(loop):
            returned = given.call(self.function, given.filled(iter(known), iter(given.values), True))
        with standing_in(every):
            yield Results(self.name, returned)

    def compare(
        self,
        what: Sequence[str],
        got: Sequence[Any],
        wanted: Sequence[Any],
        rounded: Callable[[], Sequence[Any]],
    ) -> None:
        wrong = [i for i, (x, y) in enumerate(zip(got, wanted)) if not close(x, y, ROUNDING * getattr(y, "size", 0.0))]
        bounds = [0.0] * len(got)
        if wrong:
            with contextlib.suppress(Exception):  # where it does not even run once more, nothing is to be excused
                bounds = [getattr(x, "error", 0.0) for x in rounded()]
        for i in wrong:
            if not close(got[i], wanted[i], bounds[i]):
                raise TypeError(
                    f"{self.name} computes something else when it is compiled: {what[i]} is {got[i]!r}, without "
                    f"compile it is {wanted[i]!r}. {CURE}"
                )


def without_dtypes(structure: Any) -> Any:
    """A structure, whatever the types of numbers in its arrays are."""
    if not isinstance(structure, tuple):
        return structure
    return structure[:2] if structure[:1] == ("numbers",) else tuple(map(without_dtypes, structure))


def stays(x: Any, y: Any) -> bool:
    """Whether two are the same object, or plain things that look the same."""
    return x is y or (type(x) in ATOMS and same(x, y))


def close(x: float, y: float, error: float) -> bool:
    if x == y or (x != x and y != y) or error == math.inf:
        return True
    return abs(x - y) <= max(RELATIVE * min(abs(x), abs(y)), 2.0 * error, sys.float_info.min)
