"""What a function can reach outside itself, and whether that is still the same.

A function is followed through its globals, closure and defaults, and on through the functions, methods, objects and
containers there. What can change is watched: a copy of what was in it is kept. Of attributes and globals only those
count whose names occur in the code that was met, so that a counter beside a model does not matter. The code of
installed packages and of Python itself is taken as it is.
"""

import builtins
import functools
import marshal
import operator
import os
import sys
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from pathlib import Path
from random import SystemRandom
from threading import local
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from ..engine import Value
from ..module import Module, slots
from . import bytecode, libraries, uses, watch
from .structure import hung
from .watch import within

PACKAGE, COMPILED = __package__.rpartition(".")[0], f"{__package__}.compiled"
DISPATCH = functools.__file__, "dispatch_cache"  # what is in there follows from what is registered


class Surroundings:
    """What some things can reach.

    Args:
        roots: the things, by name.
        passed: others, by name, which may be something else next time, but must not be changed by a call.
        bearers: the Values among those, by name, on which something hangs.

    Attributes:
        values: the Values among that, and how one would write them.
        named: what functions refer to by name, without what is in that.
        asks: what the code may ask of arguments.
    """

    def __init__(self, roots: Mapping[str, Any], passed: Mapping[str, Any], bearers: Mapping[str, Value]):
        self.names: set[str] = set()  # of globals and attributes, in the code that was met,
        self.used: set[str] = set()  # and in that of the user
        self.tells_apart = False  # whether that may ask which objects are the same
        known = -1
        while known < (known := len(self.names | self.used)):  # new names may be those of attributes met before
            self.seen: dict[int, Any] = {id(sys.modules): sys.modules}  # kept alive, so that an id stays that of one
            self.values: dict[Value, str] = {}
            self.named: list[tuple[str, Any]] = [("", x) for x in roots.values()][:1]
            self.watches: list[watch.Watch] = []
            self.lives, self.copies = list[Any](), list[Any]()  # what is compared whole, and what it was
            self.parts: list[tuple[Callable[[], Any], Any]] = []  # what counts of other things, and what it was
            self.objects: list[Any] = []
            self.classes: set[type] = set()
            self.builtins: set[str] = set()  # what code takes from there
            self.counting = self.names if self.used.isdisjoint(uses.ALL) else None  # of what hangs on a Value
            self.go_through(roots)
            self.of_namespace("{}", vars(builtins), self.builtins, builtins)
            for path, v in bearers.items():
                found = watch.chosen(hung(v), self.counting, None)
                self.go_through({f"{path}.{name}": x for name, x in found.items()})
            kept = self.lives, self.copies, self.parts, self.objects, self.values
            self.lives, self.copies, self.parts, self.objects, self.values = [], [], [], [], {}
            self.go_through(passed)
            self.lives, self.copies, self.parts, self.objects, self.values = kept
        self.types = [*map(type, self.objects)]
        self.tells_apart |= not uses.ASKS.isdisjoint(self.used)
        self.asks = uses.asks(self.used, self.tells_apart, bool(bearers))
        for name, x in libraries.everyones().items():
            self.watch(name, libraries.state, libraries.set_state, x)

    def go_through(self, roots: Mapping[str, Any]) -> None:
        self.queue = deque([*roots.items()])
        while self.queue:
            path, x = self.queue.popleft()
            self.used |= uses.alias(path, x)
            if type(x) not in watch.ATOMS and id(x) not in self.seen:
                self.seen[id(x)] = x
                self.visit(path, x)

    def hold(self) -> bool:
        """Whether all is as it was."""
        try:
            whole = self.copies == self.lives and self.types == [*map(type, self.objects)]
            return whole and [then for _, then in self.parts] == [now() for now, _ in self.parts]
        except Exception:  # something is gone, or has an == of its own
            return False

    def changes(self) -> list[str]:
        """What is not as it was, by name."""
        return [*dict.fromkeys(path for watched in self.watches for path in watched.changes())]

    def put_back(self) -> None:
        for watched in self.watches:
            watched.put_back()

    # ---- what there is ----

    def watch(self, path: str, contents: Callable[..., Any], restore: Callable[..., Any], *args: Any) -> None:
        self.watches.append(watch.watch(path, contents, restore, *args))

    def visit(self, path: str, x: Any) -> None:
        kind, parts = type(x), uses.parts_of(x)
        self.named += parts
        self.queue.extend((path, y) for _, y in parts if not isinstance(y, ModuleType))
        if isinstance(x, Value):
            self.of_value(path, x)
        elif isinstance(x, type):
            self.of_class(x, called=True)
        elif isinstance(x, FunctionType):
            self.of_function(path, x)
        elif isinstance(x, ModuleType):
            self.of_namespace(within(path, ".{}"), vars(x), {*self.names, "__getattr__"}, x)
        elif isinstance(x, watch.CONTAINERS):
            self.of_container(path, x)
        elif isinstance(x, MappingProxyType):
            self.of_contents(within(path, "[{!r}]"), x, watch.items, watch.fill)
        elif isinstance(x, weakref.ref | ContextVar | local):
            self.of_contents(within(path, ".{}" * isinstance(x, local)), x, watch.held, watch.hold_again)
        elif hasattr(kind, "__array__") or isinstance(x, array | memoryview):
            self.of_contents(within(path), x, libraries.numbers_in, libraries.overwrite)
        elif isinstance(x, libraries.RANDOM) and type(x) is not SystemRandom:
            self.watch(within(path), libraries.state, libraries.set_state, x)
        elif isinstance(x, operator.attrgetter | operator.methodcaller):
            self.names |= {part for name in x.__reduce__()[1] for part in bytecode.names_in(str(name))}
        elif isinstance(x, functools._lru_cache_wrapper):
            self.watch(within(path, ".{}"), libraries.remembered, libraries.forget, x)
            self.parts.append((functools.partial(libraries.misses, x), libraries.misses(x)))
        if kind.__module__ == COMPILED and "own" in vars(x):
            self.of_namespace(within(path, ".{}"), vars(x), {*self.names, *vars(x)} - x.own)
        if uses.is_followed(kind) and kind is not Value:
            self.of_object(path, x)

    def of_value(self, path: str, x: Value) -> None:
        self.values[x], names = path, self.counting
        if type(x) is Value and (watch.chosen(vars(x), names, None) or not self.used.isdisjoint(uses.ABSENT)):
            self.of_namespace(within(path, ".{}"), vars(x), names)
        else:  # nothing that anybody can see hangs on it
            self.watch(within(path, ".{}"), watch.chosen, watch.rename, vars(x), names, None)

    def of_container(self, path: str, x: Any) -> None:
        self.queue.extend((f"{path}[{key!r}]", item) for key, item in watch.items(x).items())
        if isinstance(x, dict) and any(isinstance(key, Value) for key in x):
            self.tells_apart = True  # whoever looks into it asks which Value it is
            self.queue.extend(zip([path] * len(x), x))
        if not isinstance(x, tuple | frozenset):
            self.watch(within(path, "[{!r}]"), watch.items, watch.fill, x)
            if watch.is_plain(x):
                self.parts.append((functools.partial(marshal.dumps, x, 2), marshal.dumps(x, 2)))
                return
            if isinstance(x, dict | set):
                self.parts.append((functools.partial(list, x), [*map(watch.pinned, x)]))  # keys, and their order
            self.lives.append(x)
            self.copies.append(watch.copy_of(x))

    def of_contents(self, path: str, x: Any, contents: Callable[..., Any], restore: Callable[..., Any]) -> None:
        before = contents(x)
        self.watch(path, contents, restore, x)
        self.parts.append((functools.partial(contents, x), watch.copy_of(before)))
        self.queue.extend((path.format(key), item) for key, item in before.items())

    def of_object(self, path: str, x: Any) -> None:
        kind: Any = type(x)
        self.of_class(kind)
        self.objects.append(x)
        self.watch(within(path, ".{}"), watch.attributes, watch.assign, x, ["__class__"])
        names = None if not self.used.isdisjoint(uses.ALL) or uses.foreign(kind) else self.names
        if names and isinstance(x, Module) and not self.used.isdisjoint(uses.PARAMETERS):
            own = kind.__module__.startswith(PACKAGE)  # compared whole, which is faster
            names = None if own else {*names, *slots(kind), *watch.holding(vars(x), ())}  # others are counters, say
            self.parts += [] if own else [(functools.partial(watch.holding, vars(x), names or ()), [])]
        if hasattr(x, "__dict__"):
            self.of_namespace(within(path, ".{}"), vars(x), names)
        kept = slots(Value) if isinstance(x, Value) else ()
        if own := [name for name in slots(kind) if name not in kept and (names is None or name in names)]:
            self.of_attributes(within(path, ".{}"), x, own)

    def of_class(self, kind: Any, called: bool = False) -> None:
        for base in kind.__mro__:
            if not uses.foreign(base) and (base not in self.classes or called):
                self.classes.add(base)
                own = base.__module__.startswith(PACKAGE)  # compared whole, which is faster
                names = None if own or self.counting is None else self.names | uses.special_names(base, called)
                self.of_namespace(within(base.__name__, ".{}"), vars(base), names, base)
                if not own:
                    self.parts.append((functools.partial(operator.attrgetter("__bases__"), base), base.__bases__))

    def of_function(self, path: str, f: FunctionType) -> None:
        found, file = bytecode.read(f.__code__), f.__code__.co_filename
        used = {name: x for name in sorted(found.globals) if (x := f.__globals__.get(name)) is not None}
        if not uses.is_taken(file):
            self.names |= found.globals | found.attributes
            self.used |= found.globals | found.attributes
            self.tells_apart = self.tells_apart or bool(found.questions)
            self.named += used.items()
            uses.refuse_types(f, found)
            every = {name for name in f.__globals__ if not name.startswith("__")}
            self.of_namespace("{}", f.__globals__, found.globals if found.globals.isdisjoint(uses.GLOBALS) else every)
            self.of_namespace(within(path, ".{}"), vars(f), self.names)
            self.of_attributes(within(path, ".{}"), f, ["__code__", "__defaults__", "__kwdefaults__"])
            modules = uses.modules_of(f, found)
            self.queue.extend((name, sys.modules.get(name)) for name in modules)
            self.parts += [(functools.partial(sys.modules.get, name), sys.modules.get(name)) for name in modules]
            self.builtins |= found.globals - f.__globals__.keys()
        elif uses.OWN in Path(file).parents:  # it stays what it is, but reads attributes of models
            self.names |= found.globals | found.attributes
            self.queue.extend((name, x) for name, x in used.items() if isinstance(x, FunctionType))
        self.queue.extend((f"os.{name}", x) for name, x in used.items() if x is os.environ)  # os.getenv reads it
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            if (file, name) != DISPATCH:
                self.of_attributes(name, cell, ["cell_contents"])
                self.named += [(name, x) for x in watch.attributes(cell, ["cell_contents"]).values()]
        self.named += [(f"default {i}", x) for i, x in enumerate(f.__defaults__ or ())]
        self.named += (f.__kwdefaults__ or {}).items()

    def of_namespace(self, path: str, x: Any, names: Collection[str] | None, owner: Any = None) -> None:
        """Things by name, of which some names count, None for all; those of an `owner` are set as its attributes."""
        before = watch.chosen(x, names, owner)
        self.queue.extend((path.format(name), item) for name, item in before.items())
        self.watch(path, watch.chosen, watch.rename, x, names, owner)
        if len(before) == len(x):
            self.lives.append(x)
            self.copies.append(watch.copy_of(before))
            return
        if before:
            self.part(operator.itemgetter(*before), x, before)
        if absent := {*(names or ())} - before.keys():
            self.parts.append((functools.partial(x.keys().isdisjoint, absent), True))

    def of_attributes(self, path: str, x: Any, names: Collection[str]) -> None:
        before = watch.attributes(x, names)
        self.queue.extend((path.format(name), item) for name, item in before.items())
        self.watch(path, watch.attributes, watch.assign, x, names)
        if len(before) == len(names):
            self.part(operator.attrgetter(*names), x, before)
        else:
            self.parts.append((functools.partial(watch.attributes, x, names), watch.copy_of(before)))

    def part(self, get: Callable[[Any], Any], x: Any, before: dict[str, Any]) -> None:
        then = tuple(map(watch.pinned, before.values()))
        self.parts.append((functools.partial(get, x), then if len(then) > 1 else then[0]))
