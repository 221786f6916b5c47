"""Take arguments and results apart into numbers and Values, and put them together again."""

import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum
from numbers import Number, Real
from typing import Any

from ..engine import Value, nothing
from ..module import slots
from .arrays import ARRAY, BOOLS, OF_NUMPY, UNCHANGING, np
from .uses import foreign
from .watch import ATOMS

PLAIN = "a compiled function computes with plain numbers in Values"
LIST = "pass a list, or a plain array, of numbers or Values"
NUMBER, VALUE = ("number",), ("value", Value)
KINDS = "f8", "i8", "b1", "O"  # of arrays, in NumPy's words, that compute as plain numbers do, or have Values
PLAIN_ARRAYS = {dtype: dtype.str for dtype in map(np.dtype, KINDS[:3])} if np else {}


def take_apart(x: Any, numbers: list[Any], values: list[Value], others: list[Any] | None = None) -> Hashable:
    """Collect the numbers and the Values in `x`.

    Args:
        x: numbers, arrays of numbers, Values, and lists, tuples and dicts of them; what is none of these stays whole.
        numbers: gets the numbers of `x`, in order: one each, or a flat array of many.
        values: gets the Values of `x`, in order.
        others: gets what is neither, if `x` is a result; there, bools are numbers.

    Returns:
        All that is left, the structure of `x`. It is a key: things of equal structure differ in their numbers and
        Values only.

    Raises:
        TypeError: `x` has an iterator, which the first of two runs would use up, or a kind of list, dict or array that
            could not be put together again. Not where there are `others`.
    """
    if type(x) in (list, tuple) or (isinstance(x, tuple) and hasattr(x, "_fields")):
        kinds = [*map(type, x)]
        if kinds and kinds.count(first := kinds[0]) == len(kinds):  # the usual cases, faster
            if first is float:
                numbers.extend(x)
                return "list", type(x), (NUMBER,) * len(x)
            if first == Value:  # or a view
                values.extend(x)
                return "list", type(x), (VALUE,) * len(x)
        return "list", type(x), tuple([take_apart(item, numbers, values, others) for item in x])
    if type(x) is ARRAY and x.dtype in PLAIN_ARRAYS:  # the usual case, faster
        numbers.append(x.flatten())  # a copy: the caller may write into `x` later
        return "numbers", x.shape, PLAIN_ARRAYS[x.dtype]
    if isinstance(x, Value):
        values.append(x)
        if x.__class__ is Value:  # that of a view, too
            return VALUE
        return "value", type(x)
    kind: Any = x.dtype if others is None and isinstance(x, OF_NUMPY) else None
    if kind is not None and kind.str[1:] not in KINDS:
        cure = "int) or X.astype(float" if kind.kind in "iu" else "float"
        raise TypeError(
            f"got numbers of {kind}, which are rounded, or wrap around, in their own way, but a compiled function "
            f"computes in float64: pass X.astype({cure})"
        )
    if type(x) is float or hasattr(type(x), "where_le") or (isinstance(x, Real) and not isinstance(x, bool | Enum)):
        numbers.append(x)
        return NUMBER
    if others is not None and type(x) in BOOLS:
        numbers.append(x)
        return NUMBER
    if type(x) is ARRAY and x.dtype != object:
        numbers.append(x.flatten())
        return "numbers", x.shape, x.dtype.str
    if type(x) is ARRAY:
        return "array", x.shape, tuple([take_apart(item, numbers, values, others) for item in x.flat])
    if type(x) is dict:
        keys = tuple(map(Whole, x))
        return "dict", keys, tuple([take_apart(item, numbers, values, others) for item in x.values()])
    if others is not None:
        others.append(x)
    elif isinstance(x, Iterator):
        raise TypeError(
            f"got {x!r:.60}, which can be gone through once only, but to be compiled a function runs twice: {LIST}"
        )
    elif isinstance(x, list | tuple | dict) or (hasattr(type(x), "__array__") and not isinstance(x, UNCHANGING)):
        raise TypeError(
            f"got {x!r:.60} of type {type(x).__name__}, which the program could not put together again: {LIST}"
        )
    return "static", Whole(x)


class Whole:
    """Something that stays whole in a structure: a plain object, which is known by its content, or any other, known by
    being that one."""

    __slots__ = ("key", "x")

    def __init__(self, x: Any):
        self.x, self.key = x, alike(x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def alike(x: Any) -> Hashable:
    """A key by which to know something again. 0.0 and -0.0 differ, and so do 1, 1.0 and True."""
    kind = type(x)
    if kind in (list, tuple, deque, dict):
        return kind, tuple(map(alike, x.items() if kind is dict else x))
    if kind in (set, frozenset):
        return kind, frozenset(map(alike, x))
    if kind is ARRAY and x.dtype != object:
        return kind, x.shape, x.dtype, x.tobytes()
    if kind is slice:
        return kind, alike((x.start, x.stop, x.step))
    if kind in ATOMS or kind is range or issubclass(kind, Number):
        return kind, repr(x)
    if foreign(kind) and not callable(x):
        with contextlib.suppress(TypeError, ValueError):  # no hash
            return kind, hash(x), x
    return kind, id(x)


def unflatten(structure: Any, numbers: Iterator[Any], values: Iterator[Any]) -> Any:
    """The opposite of `take_apart`."""
    kind, *rest = structure
    if kind == "number":
        return next(numbers)
    if kind == "value":
        return next(values)
    if kind == "static":
        return rest[0].x
    if kind == "numbers":
        return array_of(rest[0], list(itertools.islice(numbers, math.prod(rest[0]))), rest[1])
    if kind == "list" and rest[1] == (VALUE,) * len(rest[1]):  # the usual case, faster
        return tuple_of(rest[0], list(itertools.islice(values, len(rest[1]))))
    children = [unflatten(child, numbers, values) for child in rest[-1]]
    if kind == "dict":
        return dict(zip((key.x for key in rest[0]), children))
    return array_of(rest[0], children) if kind == "array" else tuple_of(rest[0], children)


def tuple_of(kind: Any, items: list[Any]) -> Any:
    return items if kind is list else kind(*items) if hasattr(kind, "_fields") else kind(items)


def array_of(shape: tuple[int, ...], items: list[Any], dtype: str = "f8") -> Any:
    """An array of plain numbers, or, where there is a Symbol or a Value among them, of objects."""
    if not any(hasattr(type(item), "where_le") for item in items):
        return np.array(items, dtype=dtype).reshape(shape)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


class Results:
    """What a function returned, taken apart.

    Attributes:
        items: the Values, each once, then the numbers.

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

    def assemble(self, items: list[Any]) -> Any:
        """Something of the same structure, of other items."""
        if self.structure is VALUE:  # the usual case, faster
            return items[0]
        return unflatten(self.structure, iter(items[self.count :]), map(items.__getitem__, self.index))


def values_in(items: Sequence[Any]) -> list[Value]:
    return [x for x in items if isinstance(x, Value)]


def listed(numbers: Sequence[Any]) -> list[Any]:
    """The numbers that `take_apart` collected, one by one."""
    return [x for part in numbers for x in (part.tolist() if isinstance(part, ARRAY) else [part])]


def kinds(numbers: Sequence[Any]) -> Iterator[type]:
    """Their types, as a function sees them that goes through its arguments."""
    for part in numbers:
        yield from [part.dtype.type] * part.size if isinstance(part, ARRAY) else [type(part)]


def result_like(x: Value, number: Any, parent: Value, send: Callable[[Value], None]) -> Value:
    """The result of a call that is one node: as `x`, which was its trace, but with another number and parent."""
    if type(x) is Value and not vars(x):
        return Value(number, (parent,), "", send)
    out = twin(x, number)
    out._prev, out._op, out._grad_fn = (parent,), "", send
    return out


def hung(v: Value) -> dict[str, Any]:
    """What hangs on a Value beside what each has."""
    if v.__class__ is Value:  # that of a view, too
        return vars(v)
    own = set(slots(type(v))).difference(slots(Value))  # type: ignore[arg-type]
    return vars(v) | {name: getattr(v, name) for name in own if hasattr(v, name)}


def twin(v: Value, data: Any) -> Value:
    """A leaf of the kind of `v`, with all that hangs on it, and another number."""
    copy = object.__new__(type(v))
    for name in slots(type(v)):  # type: ignore[arg-type]
        if hasattr(v, name):
            setattr(copy, name, getattr(v, name))
    vars(copy).update(vars(v))
    copy.data, copy.grad, copy._prev, copy._grad_fn = data, 0.0, (), nothing
    return copy
