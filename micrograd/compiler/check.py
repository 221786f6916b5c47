"""Whether a program computes what its function does: the numbers of both are compared."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..compat import data_of
from ..engine import Value
from ..vmap import loop
from .backward import gradients, standing_in
from .batch import during
from .guards.arguments import Arguments, hung
from .guards.reach import Reach, same
from .lock import undisturbed
from .results import Results, graph_behind

RELATIVE = 1e-6  # of the larger of two numbers
ROUNDING = 1e-12  # of the largest number that the plain run has met: what may be left of it where a sum cancels
LARGE = 2_000_000  # gradients of more operations are not compared: the graph takes a gigabyte

CURE = (
    "It depends on something that it does not reach by name, or that is told apart by its type or by `is`. Pass random "
    "numbers, the time and state in as arguments, and return what is new; name sizes in static=(...); choose with "
    "where_le(), maximum() or minimum(), or outside, of scores that are returned"
)


class Check:
    """Compares a program with its function; raises TypeError where they differ by more than rounding can explain."""

    def __init__(self, name: str, function: Callable[..., Any], around: Reach):
        self.name, self.function, self.around = name, function, around

    def results(self, given: Arguments, numbers: Mapping[Value, float], made: Results, plain: Results) -> None:
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
            if other := [name for name in {**theirs, **mine} if not same(theirs.get(name), mine.get(name, self))]:
                raise TypeError(
                    f"{self.name} assigns .{other[0]} of a Value that it returns, but a program computes new data and "
                    f"gradients only: return it, beside the Value, and assign it outside"
                )
        leaves, nodes = graph_behind(plain.items)
        what = [f"result {i}" if len(made.items) > 1 else "its result" for i in range(len(made.items))]
        wanted = [*map(data_of, plain.items)]
        met = [*numbers.values(), *given.listed(), *wanted, *(v.data for v in (*leaves, *nodes))]
        self.compare(what, [*map(data_of, made.items)], wanted, size(met))

    @undisturbed()
    def gradients(
        self,
        given: Arguments,
        numbers: Mapping[Value, float],
        asked: Mapping[int, float],
        found: Mapping[Value, float],
    ) -> None:
        """Compare the gradients of Values with those of the function, which runs once more.

        Args:
            numbers: those of the Values that the program depends on, when it was called.
            asked: the gradients of some results, by their positions among all Values that are returned.
            found: those that are not zero, of the Values that the program depends on.
        """
        every = {v: v.data for v in (*given.values, *self.around.values) if v.data is not None} | dict(numbers)
        known = iter(given.listed())
        with standing_in(every, cut=False), during(loop):
            returned = given.call(self.function, given.filled(known, iter(given.values)))
        with standing_in(every):
            plain = Results(self.name, returned)
            leaves, nodes = graph_behind(plain.items)
            back, _ = gradients([plain.items[plain.index[i]] for i in asked], [*asked.values()], [*numbers])
            largest = size([*numbers.values(), *(x for v in (*leaves, *nodes) for x in (v.data, v.grad))])
        what = [f"the gradient of {self.around.values.get(leaf, 'an argument')}" for leaf in numbers]
        self.compare(what, [found.get(leaf, 0.0) for leaf in numbers], [g or 0.0 for g in back], largest)

    def compare(self, what: Sequence[str], got: Sequence[Any], wanted: Sequence[Any], largest: float) -> None:
        for name, x, y in zip(what, map(float, got), map(float, wanted)):
            near = math.isfinite(y) and abs(x - y) <= max(RELATIVE * max(abs(x), abs(y)), ROUNDING * largest)
            if not (x == y or (x != x and y != y) or near):
                raise TypeError(
                    f"{self.name} computes something else when it is compiled: {name} is {x!r}, without compile it is "
                    f"{y!r}. {CURE}"
                )


def size(numbers: Iterable[Any]) -> float:
    """The largest of some numbers, whatever their signs."""
    return max((abs(x) for x in numbers if isinstance(x, float) and math.isfinite(x)), default=0.0)


def without_dtypes(structure: Any) -> Any:
    """A structure, whatever the types of numbers in its arrays are."""
    if not isinstance(structure, tuple):
        return structure
    return structure[:2] if structure[:1] == ("numbers",) else tuple(map(without_dtypes, structure))
