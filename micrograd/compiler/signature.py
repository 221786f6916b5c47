"""The arguments of a call."""

from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ..engine import Value
from .arrays import ARRAY
from .structure import Whole, alike, hung, tuple_of, unflatten
from .uses import Asks
from .watch import CONTAINERS, fill, items


def inner(x: Any) -> Iterator[Any]:
    """What is in lists, dicts and arrays of objects, themselves included."""
    yield x
    if isinstance(x, CONTAINERS) or (isinstance(x, ARRAY) and x.dtype == object):
        for part in items(x).values():
            yield from inner(part)


def as_one(x: Any, made: Any, first: dict[int, Any]) -> Any:
    """`made`, which has the structure of `x`, with one thing in the places where one is in `x`.

    Args:
        first: by its id in `x`, what was made of a thing; it is filled here.
    """
    if made is x or not isinstance(x, (list, tuple, dict, ARRAY)):
        return made
    if id(x) not in first:
        if not isinstance(x, ARRAY):
            inside = items(made)
            parts = {key: as_one(item, inside[key], first) for key, item in items(x).items()}
            if isinstance(x, tuple):
                made = tuple_of(type(x), [*parts.values()])
            else:
                fill(made, parts)
        first[id(x)] = made
    return first[id(x)]


class Signature(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        arguments: as they came, first those by position.
        positional: how many these are.
        names: of all of them.
        structures: what is left of each without its numbers and Values.
        numbers: those of each, as `take_apart` collects them.
        values: the Values in all of them.
    """

    arguments: Sequence[Any]
    positional: int
    names: list[str]
    structures: list[Any]
    numbers: list[Sequence[Any]]
    values: list[Value]

    def parted(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Arguments of this signature as those by position, and those by name."""
        return arguments[: self.positional], dict(zip(self.names[self.positional :], arguments[self.positional :]))

    def call(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        args, kwargs = self.parted(arguments)
        return function(*args, **kwargs)

    def key(self) -> Hashable:
        """What one program serves: arguments that differ in numbers and Values only."""
        return self.positional, tuple(self.names), tuple(self.structures)

    def identities(self, known: Container[Value]) -> list[Any]:
        """Which of the Values are the same, and which are known ones."""
        first = {v: v if v in known else i for i, v in reversed([*enumerate(self.values)])}
        return [first[v] for v in self.values]

    def asked(self, asks: Asks, known: Container[Value]) -> list[Any]:
        """What the code of a function may ask of its arguments beside their numbers."""
        same, types, slots, names, every = asks
        answers = [getattr(v, name) for name in slots for v in self.values]
        if self.values and (names or every):  # what somebody hung on them
            found = [(i, name, x) for i, v in enumerate(self.values) for name, x in hung(v).items()]
            answers += [(i, name, alike(x)) for i, name, x in found if every or name in names]
        if types:  # of the numbers; those of other things are part of the structure
            answers += map(type, chain.from_iterable(self.numbers))
        if same:
            answers += self.identities(known)
            first: dict[int, int] = {}
            parts = [x for x in inner(self.arguments) if isinstance(x, (*CONTAINERS, ARRAY))]
            answers += [first.setdefault(id(x), i) for i, x in enumerate(parts)]
        return answers

    def bearers(self) -> dict[str, Value]:
        """The Values in the arguments on which something hangs, by name."""
        return {
            f"{name}[{i}]" if i >= 0 else name: v
            for name, x in zip(self.names, self.arguments)
            for i, v in enumerate(inner(x), -1)
            if isinstance(v, Value) and hung(v)
        }

    def roots(self) -> dict[str, Any]:
        """By name, what is no number and no Value in the arguments, and the classes of what is in them."""
        found: dict[str, Any] = {}
        stack = [*zip(self.names, self.structures)]
        while stack:
            name, x = stack.pop()
            if isinstance(x, Whole):
                found[name] = x.x
            elif isinstance(x, type):
                found[x.__name__] = x
            elif isinstance(x, tuple):
                inside = x[:1] != ("static",)
                stack += [(f"{name}.{i}" if i and inside else name, part) for i, part in enumerate(x)]
        return found

    def filled(self, numbers: Iterator[Any], values: Iterator[Any], same: bool) -> list[Any]:
        """Arguments of this signature, with other numbers and Values; if `same`, what is one object is one again."""
        made = [unflatten(structure, numbers, values) for structure in self.structures]
        return as_one([*self.arguments], made, {}) if same else made
