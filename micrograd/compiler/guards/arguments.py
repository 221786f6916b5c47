"""The arguments of a call: numbers and Values, and the structure that they are in.

A program serves all arguments of one structure. What is neither number nor Value is part of that, whole.
"""

import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum
from itertools import chain
from numbers import Number, Real
from typing import Any, NamedTuple

from ...engine import Value
from ...module import slots
from .arrays import ARRAY, BOOLS, OF_NUMPY, UNCHANGING, np
from .reach import ATOMS, is_foreign

LIST = "pass a list, or a plain array, of numbers or Values"
PLAIN = {float, int}
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
        kinds = {*map(type, x)}
        if kinds and kinds <= PLAIN:  # the usual cases, faster
            numbers.extend(x)
            return "list", type(x), len(x), NUMBER
        if kinds == {Value}:  # or views
            values.extend(x)
            return "list", type(x), len(x), VALUE
        if kinds == {list} and len({*map(len, x)}) == 1 and {*map(type, chain.from_iterable(x))} <= PLAIN:
            numbers.extend(chain.from_iterable(x))
            return "list", type(x), len(x), ("list", list, len(x[0]), NUMBER)
        inner = [take_apart(item, numbers, values, others) for item in x]
        if inner and inner.count(inner[0]) == len(inner):
            return "list", type(x), len(x), inner[0]
        return "list", type(x), tuple(inner)
    if type(x) is ARRAY and x.dtype in PLAIN_ARRAYS:  # the usual case, faster
        numbers.append(x.flatten())  # a copy: the caller may write into `x` later
        return "numbers", x.shape, PLAIN_ARRAYS[x.dtype]
    if isinstance(x, Value):
        values.append(x)
        if x.__class__ is Value:  # that of a view, too
            return VALUE
        return ("value", type(x), Whole(hung(x))) if others is None else ("value", type(x))
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


def hung(v: Value) -> dict[str, Any]:
    """What hangs on a Value beside what each has."""
    if v.__class__ is Value:  # that of a view, too
        return vars(v)
    own = set(slots(type(v))).difference(slots(Value))  # type: ignore[arg-type]
    return vars(v) | {name: getattr(v, name) for name in own if hasattr(v, name)}


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
    if is_foreign(kind) and not callable(x):
        with contextlib.suppress(TypeError, ValueError):  # no hash
            return kind, hash(x), x
    return kind, id(x)


def inside(structure: Any) -> tuple[Any, ...]:
    """The structures of what is in a list, a tuple, a dict or an array of objects, in order."""
    if structure[0] == "list" and len(structure) == 4:  # all alike
        return (structure[3],) * int(structure[2])
    return structure[-1] if structure[0] in ("list", "dict", "array") else ()


def put_together(structure: Any, numbers: Iterator[Any], values: Iterator[Any]) -> Any:
    """The opposite of `take_apart`."""
    kind, *rest = structure
    if kind == "number":
        return next(numbers)
    if kind == "value":
        return next(values)
    if kind == "static":
        return rest[0].x
    if kind == "numbers":
        return filled_array(rest[0], list(itertools.islice(numbers, math.prod(rest[0]))), rest[1])
    if kind == "list" and rest[-1] in (NUMBER, VALUE):  # the usual case, faster
        return tuple_of(rest[0], list(itertools.islice(numbers if rest[-1] == NUMBER else values, rest[1])))
    children = [put_together(child, numbers, values) for child in inside(structure)]
    if kind == "dict":
        return dict(zip((key.x for key in rest[0]), children))
    return filled_array(rest[0], children) if kind == "array" else tuple_of(rest[0], children)


def tuple_of(kind: Any, items: list[Any]) -> Any:
    return items if kind is list else kind(*items) if hasattr(kind, "_fields") else kind(items)


def filled_array(shape: tuple[int, ...], items: list[Any], dtype: str = "f8") -> Any:
    """An array of plain numbers, or, where there is a Symbol or a Value among them, of objects."""
    if not any(hasattr(type(item), "where_le") for item in items):
        return np.array(items, dtype=dtype).reshape(shape)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def listed(numbers: Sequence[Any]) -> list[Any]:
    """The numbers that `take_apart` collected, one by one."""
    return [x for part in numbers for x in (part.tolist() if isinstance(part, ARRAY) else [part])]


class Arguments(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        given: as they came, first those by position.
        positional: how many these are.
        names: of all of them.
        structures: what is left of each without its numbers and Values.
        numbers: those of each, as `take_apart` collects them.
        values: the Values in all of them.
    """

    given: Sequence[Any]
    positional: int
    names: list[str]
    structures: list[Any]
    numbers: list[Sequence[Any]]
    values: list[Value]

    def parted(self, given: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Arguments of these structures as those by position, and those by name."""
        return given[: self.positional], dict(zip(self.names[self.positional :], given[self.positional :]))

    def call(self, function: Callable[..., Any], given: Sequence[Any]) -> Any:
        args, kwargs = self.parted(given)
        return function(*args, **kwargs)

    def listed(self) -> list[Any]:
        """The numbers of all of them, one by one."""
        return [x for found in self.numbers for x in listed(found)]

    def key(self) -> Hashable:
        """What one program serves: arguments that differ in numbers and Values only."""
        return self.positional, tuple(self.names), tuple(self.structures)

    def wholes(self) -> list[tuple[str, Any]]:
        """What is no number and no Value in the arguments, keys too, and all classes there, each after its name."""
        found: list[tuple[str, Any]] = []
        stack = [*zip(self.names, self.structures)]
        while stack:
            name, structure = stack.pop()
            keys: Any = structure[1] if structure[0] == "dict" else ()
            found += [(name, part.x) for part in (*structure, *keys) if isinstance(part, Whole)]
            found += [(part.__name__, part) for part in structure if isinstance(part, type)]
            parts = inside(structure)
            names = [repr(key.x) for key in keys] or range(len(parts))
            stack += [(f"{name}[{key}]", part) for key, part in zip(names, parts)]
        return found

    def filled(self, numbers: Iterator[Any], values: Iterator[Any]) -> list[Any]:
        """Arguments of these structures, with other numbers and Values."""
        return [put_together(structure, numbers, values) for structure in self.structures]
