"""The arguments of a call."""

from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from ..engine import Value
from .structure import Whole, unflatten


class Signature(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        arguments: as they came, first those by position.
        positional: how many these are.
        names: of all of them.
        structures: what is left of each without its numbers and Values.
        numbers: for each that has any, a flat array; None for others.
        values: the Values in all of them.
    """

    arguments: list[Any]
    positional: int
    names: list[str]
    structures: list[Any]
    numbers: list[Any]
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
                stack += [(f"{name}.{i}" if i else name, part) for i, part in enumerate(x)]
        return found

    def filled(self, numbers: Iterator[Any], values: Iterator[Any]) -> list[Any]:
        """Arguments of this signature, with other numbers and Values."""
        return [unflatten(structure, numbers, values) for structure in self.structures]
