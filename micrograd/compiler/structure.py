"""Take arguments and results apart into numbers and Values, and put them together again."""

from collections.abc import Callable, Hashable, Iterator
from numbers import Real
from typing import Any

import numpy as np

from ..engine import Value
from .symbol import Symbol


def take_apart(x: Any, numbers: list[Any], values: dict[Value, int]) -> Hashable:
    """Collect the numbers and the Values in `x`.

    Args:
        x: numbers, arrays of numbers, Values, and lists, tuples and dicts of them; anything else stays as it is.
        numbers: gets the numbers of `x`, in order: floats, and flat arrays.
        values: gets its Values, each once, with their order.

    Returns:
        All the rest, the structure: two that are equal differ in their numbers and Values only.

    Raises:
        TypeError: something in `x` is none of these and is not hashable either.
    """
    if isinstance(x, Value):
        return ("value", values.setdefault(x, len(values)))
    if isinstance(x, np.ndarray):
        if x.dtype == object:
            return ("array", x.shape, tuple([take_apart(item, numbers, values) for item in x.flat]))
        numbers.append(np.array(x, dtype=np.float64).reshape(-1))
        return ("numbers", x.shape)
    if isinstance(x, Symbol) or (isinstance(x, Real) and not isinstance(x, bool)):
        numbers.append(x)
        return "number"
    if isinstance(x, dict):
        return ("dict", type(x), tuple(x), tuple([take_apart(item, numbers, values) for item in x.values()]))
    if isinstance(x, list | tuple):
        return ("list", type(x), tuple([take_apart(item, numbers, values) for item in x]))
    hash(x)
    return ("static", type(x), x)


def put_together(structure: Any, numbers: Iterator[Any], values: list[Any]) -> Any:
    """The opposite: what had this structure, with these numbers and Values."""
    if structure == "number":
        return next(numbers)
    kind, *rest = structure
    if kind == "value":
        return values[rest[0]]
    if kind == "static":
        return rest[1]
    if kind == "numbers":
        (shape,) = rest
        out = np.empty(shape, dtype=object)
        for i in range(out.size):
            out.flat[i] = next(numbers)
        return as_floats(out)
    items = [put_together(item, numbers, values) for item in rest[-1]]
    if kind == "array":
        out = np.empty(rest[0], dtype=object)
        for i, item in enumerate(items):
            out.flat[i] = item
        return as_floats(out)
    if kind == "dict":
        return dict(zip(rest[1], items))
    maker = rest[0]
    return maker(*items) if hasattr(maker, "_fields") else maker(items)


def as_floats(array: Any) -> Any:
    return array.astype(np.float64) if all(isinstance(x, Real) for x in array.flat) else array


def strangers(structure: Any) -> Iterator[tuple[Any]]:
    """What is in a structure besides numbers, Values and what holds them."""
    if structure != "number" and structure[0] == "static":
        yield (structure[2],)
    elif structure != "number" and isinstance(structure[-1], tuple):
        for item in structure[-1]:
            if structure[0] != "numbers":
                yield from strangers(item)
