"""Things that can change: what is in them, what was, and how to put it back."""

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from functools import partial
from threading import local
from types import MappingProxyType
from typing import Any, NamedTuple

from ..engine import Value
from ..module import contents

CONTAINERS = list, tuple, dict, set, frozenset, deque, bytearray
NUMBERS = int, float, complex, bool
UNSET = object()
ATOMS = {*NUMBERS, str, bytes, type(None)}


class Pinned:
    """Stands for an object in a copy. Only the object is equal to it, or, if it is a number, one that looks the same:
    == does not tell 0.0 from -0.0, nor 2 from 2.0, and a class may have an == of its own."""

    __slots__ = ("x",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, x: Any):
        self.x = x

    def __eq__(self, other: object) -> bool:
        return other is self.x or (type(other) is type(self.x) in NUMBERS and repr(other) == repr(self.x))


def pinned(x: Any) -> Any:
    return x if trusted(x) else Pinned(x)


def trusted(x: Any) -> bool:
    """Whether what is equal to `x` will do in its place."""
    kinds: Any = {*map(type, x)} if type(x) in (list, tuple) else {type(x)}
    return all(kind not in NUMBERS and (kind in ATOMS or kind.__eq__ is object.__eq__) for kind in kinds)


def same(x: Any, y: Any) -> bool:
    try:
        return [pinned(x)] == [y]  # in lists, as nan is not equal to itself
    except Exception:  # somebody's own ==
        return x is y


class Watch(NamedTuple):
    """Something that can change.

    Attributes:
        path: how one would write one of the things in it, with {} for its name, index or key.
        contents: what is in it, by that.
        before: what was.
        restore: makes it what it was.
        grows: whether something that was not in it may be, by its name, without being a change.
    """

    path: str
    contents: partial[dict[Any, Any]]
    before: dict[Any, Any]
    restore: Callable[[dict[Any, Any]], Any]
    grows: Callable[[Any], bool] = frozenset().__contains__

    def remember(self) -> bool:
        """Take what has grown for what was; whether something has."""
        more = {k: x for k, x in self.contents().items() if k not in self.before and self.grows(k)}
        self.before.update(more)
        return bool(more)

    def changes(self) -> list[str]:
        now, before = self.contents(), self.before
        now = {k: x for k, x in now.items() if k in before or not self.grows(k)}
        keys = {**before, **now}
        changed = [k for k in keys if k not in now or k not in before or not same(before[k], now[k])]
        if not changed and [*now] != [*before]:  # another order
            changed = [*keys][:1]
        return [self.path.format(key).lstrip(".") for key in changed]

    def put_back(self) -> None:
        if self.contents().keys() != self.before.keys() or self.changes():
            with contextlib.suppress(Exception):  # somebody's own __setattr__, say; the rest is put back all the same
                self.restore(self.before)


def watch(path: str, contents: Callable[..., Any], restore: Callable[..., Any], *args: Any) -> Watch:
    """A Watch of two functions, of which the first arguments are `args`."""
    return Watch(path, partial(contents, *args), contents(*args), partial(restore, *args))


def within(path: str, end: str = "") -> str:
    """A format for what is in something."""
    return path.replace("{", "{{").replace("}", "}}") + end


# ---- containers ----


def items(x: Any) -> dict[Any, Any]:
    if isinstance(x, dict | MappingProxyType):
        return dict(x)
    return dict(zip(x, x) if isinstance(x, set | frozenset) else enumerate(x))


def fill(x: Any, before: dict[Any, Any]) -> None:
    x.clear()
    (x.update if isinstance(x, dict | set) else x.extend)(before if isinstance(x, dict) else before.values())


def copy_of(x: Any) -> Any:
    """What a container is compared with later."""
    if isinstance(x, dict):
        return {key: pinned(item) for key, item in x.items()}
    if isinstance(x, set | bytearray):
        return x.copy()
    return deque(map(pinned, x)) if isinstance(x, deque) else [*map(pinned, x)]


def is_plain(x: Any) -> bool:
    """Whether a container has plain numbers and texts only: `marshal` tells 2 from 2.0, fast."""
    plain = type(x) in (list, dict, set, bytearray)
    return plain and {*map(type, x), *map(type, x.values() if isinstance(x, dict) else ())} <= ATOMS


def holding(x: Any, names: Collection[str]) -> list[str]:
    """Attributes of other names than some that may hold parameters: more than plain numbers, texts, and results."""
    return [n for n, item in vars(x).items() if n not in names and not (type(item) in ATOMS or is_idle(item))]


def is_idle(x: Any, depth: int = 4) -> bool:
    """Whether a Module finds no parameter in `x`, for sure: it looks into so many containers."""
    if isinstance(x, Value):
        return x._prev != ()
    return is_plain(x) or (depth > 0 and all(is_idle(item, depth - 1) for item in contents(x)[1]))


def held(x: Any) -> dict[str, Any]:
    """What a ContextVar or a weak reference holds, or, in this thread, a threading.local."""
    if isinstance(x, local):
        return dict(vars(x))
    found = x.get(UNSET) if isinstance(x, ContextVar) else x()
    return {} if found is UNSET else {"": found}


def hold_again(x: Any, before: dict[str, Any]) -> None:
    if isinstance(x, local):
        vars(x).clear()
        vars(x).update(before)
    else:
        x.set(before[""])


# ---- names: globals, attributes, the contents of cells ----


class Others(frozenset[str]):
    """All names but those in it, also such as come later."""

    def __contains__(self, name: object) -> bool:
        return not super().__contains__(name)


def chosen(x: Mapping[str, Any], names: Collection[str] | None, owner: Any) -> dict[str, Any]:
    """What a namespace has under some names; None for all."""
    return {name: item for name, item in x.items() if names is None or name in names}


def rename(x: Any, names: Collection[str] | None, owner: Any, before: dict[str, Any]) -> None:
    for name, item in chosen(x, names, owner).items():
        if name not in before:
            delattr(owner, name) if owner else x.pop(name)
        elif before[name] is not item:
            setattr(owner, name, before[name]) if owner else x.update({name: before[name]})
    for name in before.keys() - x.keys():
        setattr(owner, name, before[name]) if owner else x.update({name: before[name]})


def own(x: Any, names: Collection[str] | None) -> dict[str, Any]:
    """`chosen` of the attributes of an object."""
    return chosen(vars(x), names, None)


def rename_own(x: Any, names: Collection[str] | None, before: dict[str, Any]) -> None:
    rename(vars(x), names, None, before)


def attributes(x: Any, names: Collection[str]) -> dict[str, Any]:
    """Those that there are; a cell with nothing in it has none."""
    found = {}
    for name in names:
        with contextlib.suppress(AttributeError, ValueError):
            found[name] = getattr(x, name)
    return found


def assign(x: Any, names: Collection[str], before: dict[str, Any]) -> None:
    for name in names:
        if name in before:
            object.__setattr__(x, name, before[name])  # also where it is frozen
        elif hasattr(x, name):
            object.__delattr__(x, name)
