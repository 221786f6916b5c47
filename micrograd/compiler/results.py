"""What a function returns: Values and numbers, and the structure that they are in."""

from collections.abc import Callable, Sequence
from typing import Any

from ..engine import Value, graph, nothing
from ..module import slots
from .guards.arguments import VALUE, listed, put_together, take_apart

PLAIN = "a compiled function computes with plain numbers in Values"


class Results:
    """What a function returned, taken apart.

    Attributes:
        structure: that of what was returned.
        items: the Values, each once, then the numbers.
        index: for each Value that was returned, which of the items it is.
        count: how many of the items are Values.

    Raises:
        TypeError: there is something else than Values of plain numbers, and numbers.
    """

    def __init__(self, name: str, returned: Any):
        numbers: list[Any] = []
        values: list[Value] = []
        others: list[Any] = []
        self.structure = take_apart(returned, numbers, values, others)
        if others:
            raise TypeError(
                f"{name} returned {others[0]!r}: a compiled function returns Values and numbers, or lists, tuples and "
                f"dicts of them{'; is a return missing?' * (returned is None)}"
            )
        if nested := [v for v in values if isinstance(v.data, Value)]:
            raise TypeError(f"{name} returned {nested[0]!r}: {PLAIN}")
        places = {v: i for i, v in enumerate(dict.fromkeys(values))}
        self.items: list[Any] = [*places, *listed(numbers)]
        self.index, self.count = [places[v] for v in values], len(places)

    def each(self) -> list[Any]:
        """The items, Values as often as they were returned."""
        return [*map(self.items.__getitem__, self.index), *self.items[self.count :]]

    def assemble(self, items: list[Any]) -> Any:
        """Something of the same structure, of other items."""
        if self.structure is VALUE:  # the usual case, faster
            return items[0]
        return put_together(self.structure, iter(items[self.count :]), map(items.__getitem__, self.index))


def values_in(items: Sequence[Any]) -> list[Value]:
    return [x for x in items if isinstance(x, Value)]


def graph_behind(items: Sequence[Any]) -> tuple[list[Value], list[Value]]:
    """`graph` of the Values among some items: leaves, and results."""
    leaves, results = graph(Value(0.0, tuple(values_in(items))))
    return leaves, results[:-1]


def result_like(x: Value, number: Any, parent: Value, send: Callable[[Value], None]) -> Value:
    """The result of a call that is one node: as `x`, which was its trace, but with another number and parent."""
    if type(x) is Value and not vars(x):
        return Value(number, (parent,), "", send)
    out = twin(x, number)
    out._prev, out._op, out._grad_fn = (parent,), "", send
    return out


def twin(v: Value, data: Any) -> Value:
    """A leaf of the kind of `v`, with all that hangs on it, and another number."""
    copy = object.__new__(type(v))
    for name in slots(type(v)):  # type: ignore[arg-type]
        if hasattr(v, name):
            setattr(copy, name, getattr(v, name))
    vars(copy).update(vars(v))
    copy.data, copy.grad, copy._prev, copy._grad_fn = data, 0.0, (), nothing
    return copy
