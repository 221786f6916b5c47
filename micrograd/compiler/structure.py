"""Take arguments and results apart into numbers and Values, and put them together again."""

import itertools
from collections.abc import Callable, Hashable, Iterator
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np

from ..engine import NOTHING, Value
from ..module import slots
from .symbol import Symbol

NUMBER, VALUE = ("number",), ("value", Value)


def take_apart(x: Any, numbers: list[Any], values: list[Value]) -> Hashable:
    """Collect the numbers and the Values in `x`.

    Args:
        x: numbers, arrays of numbers, Values, and lists, tuples and dicts of them; what is none of these stays whole.
        numbers: gets the numbers of `x`, in order: a float each, or a flat array of many.
        values: gets the Values of `x`, in order.

    Returns:
        All that is left, the structure of `x`. It is a key: things of equal structure differ in their numbers and
        Values only.
    """
    if type(x) is float:
        numbers.append(x)
        return NUMBER
    if isinstance(x, Value):
        values.append(x)
        return "value", type(x)
    if isinstance(x, Symbol) or (isinstance(x, Real) and not isinstance(x, bool)):
        numbers.append(x)
        return NUMBER
    if isinstance(x, np.ndarray) and x.dtype != object:
        numbers.append(np.array(x, dtype=np.float64).reshape(-1))  # a copy: the caller may write into `x` later
        return "numbers", x.shape
    if isinstance(x, np.ndarray):
        return "array", x.shape, tuple([take_apart(item, numbers, values) for item in x.flat])
    if isinstance(x, dict):
        return "dict", tuple(x), tuple([take_apart(item, numbers, values) for item in x.values()])
    if isinstance(x, list | tuple):
        kinds = set(map(type, x))
        if kinds == {float}:  # the two usual cases, faster
            numbers += x
            return "list", type(x), (NUMBER,) * len(x)
        if kinds == {Value}:
            values += x
            return "list", type(x), (VALUE,) * len(x)
        return "list", type(x), tuple([take_apart(item, numbers, values) for item in x])
    return "static", type(x), x


def assembler(structure: Any, value: Iterator[int], number: Iterator[int]) -> Callable[[list[Any]], Any]:
    """The opposite of `take_apart`.

    Args:
        structure: as `take_apart` returned it.
        value: says where in a list of items the next Value is.
        number: says where the next number is.

    Returns:
        A function of the list of items.
    """
    kind, *rest = structure
    if kind == "value":
        return itemgetter(next(value))
    if kind == "number":
        return itemgetter(next(number))
    if kind == "static":
        return lambda items: rest[1]
    children: list[Callable[[list[Any]], Any]]
    if kind == "numbers":
        children = [itemgetter(next(number)) for _ in range(int(np.prod(rest[0], dtype=int)))]
    else:
        children = [assembler(child, value, number) for child in rest[-1]]
    if kind == "dict":
        return lambda items: {name: child(items) for name, child in zip(rest[0], children)}
    if kind == "list" and rest[0] is list:
        return lambda items: [child(items) for child in children]
    if kind == "list":
        return lambda items: tuple_of(rest[0], [child(items) for child in children])
    return lambda items: array_of(rest[0], [child(items) for child in children])


def tuple_of(kind: Any, items: list[Any]) -> Any:
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def array_of(shape: tuple[int, ...], items: list[Any]) -> Any:
    """An array of floats, or, where there is a Symbol or a Value among them, of objects."""
    if all(isinstance(item, Real) for item in items):
        return np.array(items, dtype=np.float64).reshape(shape)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def strangers(structure: Any) -> list[Any]:
    """What there is in a structure besides numbers and Values and what holds them."""
    kind, *rest = structure
    if kind == "static":
        return [rest[1]]
    return [x for child in rest[-1] for x in strangers(child)] if kind in ("list", "dict", "array") else []


class Results:
    """What a function returned, taken apart.

    Args:
        name: the function's.
        returned: what it returned.

    Attributes:
        items: the Values, each once, then the numbers.
        assemble: puts such a list together again.
        structure: that of the whole.
        index: which of the items the Values are, in the order in which they occur.

    Raises:
        TypeError: there is something else than Values of plain numbers, and numbers.
    """

    def __init__(self, name: str, returned: Any):
        numbers: list[Any] = []
        values: list[Value] = []
        self.structure = take_apart(returned, numbers, values)
        if strange := strangers(self.structure):
            raise TypeError(
                f"{name} returned {strange[0]!r}: a compiled function returns Values and numbers, or lists, tuples and "
                f"dicts of them"
            )
        if nested := [v for v in values if isinstance(v.data, Value)]:
            raise TypeError(f"{name} returned {nested[0]!r}: a compiled function computes with plain numbers in Values")
        places = {v: i for i, v in enumerate(dict.fromkeys(values))}
        self.items: list[Any] = [*places, *listed(numbers)]
        self.index = [places[v] for v in values]
        self.assemble = assembler(self.structure, iter(self.index), itertools.count(len(places)))


def listed(numbers: list[Any]) -> list[Any]:
    """The numbers that `take_apart` collected, one by one."""
    return [x for part in numbers for x in (part.tolist() if isinstance(part, np.ndarray) else [part])]


def number_of(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def twin(v: Value, data: Any) -> Value:
    """A leaf of the kind of `v`, with all that hangs on it, and another number."""
    copy = object.__new__(type(v))
    for name in slots(type(v)):
        if hasattr(v, name):
            setattr(copy, name, getattr(v, name))
    vars(copy).update(vars(v))
    copy.data, copy.grad, copy._prev, copy._grad_fn = data, 0.0, (), NOTHING
    return copy
