"""Things that are as they were when a function was traced, or are not: what is compared, and what can be put back."""

import functools
import marshal
import operator
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, TypeAlias

from ..engine import Value
from ..module import NAMES
from . import libraries, watch
from .watch import within

DICT = operator.attrgetter("__dict__")  # faster than vars
Contents: TypeAlias = dict[Any, Any]  # what is in a thing, by name, index or key


class Held:
    """Some things, and what they were.

    Attributes:
        grown: whether caches and other things have got something in a plain run.

    Each method that adds one returns what is in it. Its `path` is how one would write that, with {} for the name, index
    or key.
    """

    def __init__(self) -> None:
        self.watches: list[watch.Watch] = []
        self.caches: list[watch.Watch] = []  # what they have is no change
        self.grown = False
        self.lives, self.copies = list[Any](), list[Any]()  # what is compared whole, and what it was
        self.bearers, self.attributes = list[Any](), list[Any]()  # objects, all of whose attributes count
        self.objects, self.types = list[Any](), list[type]()
        self.parts: list[tuple[Callable[[], Any], Any]] = []  # what counts of other things, and what it was

    def hold(self) -> bool:
        """Whether all is as it was."""
        try:
            types, attributes = [*map(type, self.objects)], [*map(DICT, self.bearers)]
            whole = self.copies == self.lives and self.types == types and self.attributes == attributes
            return whole and [then for _, then in self.parts] == [now() for now, _ in self.parts]
        except Exception:  # something is gone, or has an == of its own
            return False

    def changes(self) -> list[str]:
        """What is not as it was, by name."""
        return [*dict.fromkeys(path for watched in self.watches for path in watched.changes())]

    def lost(self) -> list[str]:
        """Caches that have not all that they had."""
        return [cache.path for cache in self.caches if not libraries.remembers(cache.contents.args[0], cache.before)]

    def remember(self) -> None:
        """Take what caches have got meanwhile for what they had."""
        grown = [watched.remember() for watched in self.watches + self.caches]
        self.grown = any(grown)

    def keyed(self, values: Collection[Value]) -> list[str]:
        """The caches that remember what they returned for one of some Values."""
        return [cache.path for cache in self.caches if libraries.has_key(cache.contents.args[0], values)]

    def put_back(self) -> None:
        for watched in self.watches + self.caches:
            watched.put_back()

    # ---- what is added ----

    def watch(self, path: str, contents: Callable[..., Any], restore: Callable[..., Any], *args: Any) -> Contents:
        self.watches.append(watch.watch(path, contents, restore, *args))
        return self.watches[-1].before

    def part(self, now: Callable[..., Any], *args: Any) -> None:
        """Something that is compared, but not put back."""
        get = functools.partial(now, *args)
        self.parts.append((get, get()))

    def pin(self, get: Callable[..., Any], x: Any, before: Contents) -> None:
        then = tuple(map(watch.pinned, before.values()))
        self.parts.append((functools.partial(get, x), then if len(then) > 1 else then[0]))

    def contents(self, path: str, x: Any, contents: Callable[..., Any], restore: Callable[..., Any]) -> Contents:
        before = self.watch(path, contents, restore, x)
        self.parts.append((functools.partial(contents, x), watch.copy_of(before)))
        return before

    def container(self, path: str, x: Any) -> Contents:
        before = self.watch(within(path, "[{!r}]"), watch.items, watch.fill, x)
        if watch.is_plain(x):
            self.part(marshal.dumps, x, 2)
            return before
        if isinstance(x, dict | set):
            self.parts.append((functools.partial(list, x), [*map(watch.pinned, x)]))  # keys, and their order
        if type(x) in watch.CONTAINERS:
            self.lives.append(x)
            self.copies.append(watch.copy_of(x))
        else:  # it may have an == of its own
            self.parts.append((functools.partial(watch.items, x), watch.copy_of(before)))
        return before

    def cache(self, path: str, x: Any) -> Contents:
        found = watch.watch(path, libraries.remembered, libraries.forget, x)._replace(grows=lambda key: True)
        self.caches.append(found)
        self.part(libraries.remembers, x, found.before)
        return found.before

    def namespace(self, path: str, x: Any, names: Collection[str] | None, owner: Any = None) -> Contents:
        """Things by name, of which some names count, None for all; those of an `owner` are set as its attributes."""
        before = self.watch(path, watch.chosen, watch.rename, x, names, owner)
        if len(before) == len(x):
            self.lives.append(x)
            self.copies.append(watch.copy_of(before))
            return before
        if before:
            self.pin(operator.itemgetter(*before), x, before)
        if absent := {*(names or ())} - before.keys():
            self.part(x.keys().isdisjoint, absent)
        return before

    def own(self, path: str, x: Any, names: Collection[str] | None) -> Contents:
        """What an object has in its `__dict__`, which may become another one."""
        self.watch(path, watch.attributes, watch.assign, x, ["__dict__"] if type(vars(x)) is dict else [])
        if names is not None and NAMES in vars(x):  # so that all count, which is compared faster
            names = {*names, NAMES}
        before = self.watch(path, watch.own, watch.rename_own, x, names)
        cached = {name for kind in type(x).__mro__ for name, y in vars(kind).items() if type(y) is cached_property}
        self.watches[-1] = self.watches[-1]._replace(grows=cached.__contains__)
        if len(before) == len(vars(x)):
            self.bearers.append(x)
            self.attributes.append(watch.copy_of(before))
            return before
        absent: set[str] = {*(names or ())} - before.keys()
        get: Callable[[Any], Any] = operator.itemgetter(*before) if before else len

        def now() -> Any:
            space = vars(x)
            return absent.isdisjoint(space) and (not before or get(space))

        self.parts.append((now, get(watch.copy_of(before)) if before else True))
        return before

    def attributes_of(self, path: str, x: Any, names: Collection[str]) -> Contents:
        before = self.watch(path, watch.attributes, watch.assign, x, names)
        if len(before) == len(names):
            self.pin(operator.attrgetter(*names), x, before)
        else:
            self.parts.append((functools.partial(watch.attributes, x, names), watch.copy_of(before)))
        return before
