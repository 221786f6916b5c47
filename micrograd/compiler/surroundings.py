"""What a function can reach outside itself, and whether that is still the same.

A function is followed through its globals, closure and defaults, and on through the functions, methods, objects and
containers there. What can change is `held`: a copy of what was in it is kept. Of attributes and globals only those
count whose names occur in the code that was met, so that a counter beside a model does not matter. The code of
installed packages and of Python itself is taken as it is.
"""

import builtins
import functools
import operator
import os
import sys
import weakref
from array import array
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from random import SystemRandom
from threading import local
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from ..engine import Value
from ..module import Module, slots
from . import bytecode, libraries, uses, watch
from .held import Held
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
        roots: the things.
        added: whether somebody has added something to the class Value.
        held: what counts of it.
        values: the Values among that, and how one would write them.
        named: what functions refer to by name, without what is in that.
        asks: what the code may ask of arguments.
    """

    def __init__(self, roots: Mapping[str, Any], passed: Mapping[str, Any], bearers: Mapping[str, Value]):
        self.roots, self.added = roots, not vars(Value).keys() <= uses.ATTRIBUTES
        self.names: set[str] = set()  # of globals and attributes, in the code that was met,
        self.used: set[str] = set()  # and in that of the user
        self.tells_apart = False  # whether that may ask which objects are the same
        known = -1
        while known < (known := len(self.names | self.used) + self.tells_apart):  # of attributes met before, perhaps
            self.seen: dict[int, Any] = {id(sys.modules): sys.modules}  # kept alive, so that an id stays that of one
            self.held, self.values = Held(), dict[Value, str]()
            self.named: list[tuple[str, Any]] = [("", x) for x in roots.values()][:1]
            self.classes: set[tuple[type, bool]] = set()  # and whether they may be called
            self.builtins: set[str] = set()  # what code takes from there
            self.counting = self.names if self.used.isdisjoint(uses.ALL) else None  # of what hangs on a Value
            self.go_through(roots)
            methods, own = self.held.namespace("Value.{}", vars(Value), None, Value), Value.__module__
            self.go_through({f"Value.{n}": x for n, x in methods.items() if getattr(x, "__module__", own) != own})
            for path, v in bearers.items():
                found = watch.chosen(hung(v), self.counting, None)
                self.go_through({f"{path}.{name}": x for name, x in found.items()})
            self.go_through(self.held.namespace("{}", vars(builtins), {*self.builtins}, builtins))
            held, values = self.held, self.values
            self.held, self.values = Held(), {}
            self.go_through(passed)
            defaults = self.added or any(type(v) is not Value for v in self.values)  # of what may hang on one
            held.watches, held.caches = held.watches + self.held.watches, held.caches + self.held.caches
            self.held, self.values = held, values
        self.held.types = [*map(type, self.held.objects)]
        self.tells_apart |= not uses.ASKS.isdisjoint(self.used)
        self.asks = uses.asks(self.used, self.tells_apart, bool(bearers or defaults))
        for name, x in libraries.everyones().items():
            self.held.watch(name, libraries.state, libraries.set_state, x)

    def go_through(self, roots: Mapping[str, Any]) -> None:
        self.queue = deque([*roots.items()])
        while self.queue:
            path, x = self.queue.popleft()
            self.used |= uses.alias(path, x)
            if type(x) is str and "{" in x:
                self.names.update(bytecode.names_in(x))  # a format
            elif type(x) not in watch.ATOMS and id(x) not in self.seen:
                self.seen[id(x)] = x
                self.visit(path, x)

    def follow(self, path: str, contents: Mapping[Any, Any]) -> None:
        self.queue.extend((path.format(name), item) for name, item in contents.items())

    # ---- what there is ----

    def visit(self, path: str, x: Any) -> None:
        kind, parts, held, inside = type(x), uses.parts_of(x), self.held, within(path, ".{}")
        self.named += parts
        self.queue.extend((path, y) for _, y in parts if not isinstance(y, ModuleType))
        if isinstance(x, Value):
            self.of_value(path, x)
        elif isinstance(x, type):
            self.of_class(x, called=path != "__class__" or "super" not in self.used)
        elif isinstance(x, FunctionType):
            self.of_function(path, x)
        elif isinstance(x, ModuleType):
            self.follow(inside, held.namespace(inside, vars(x), {*self.names, "__getattr__"}, x))
        elif isinstance(x, watch.CONTAINERS):
            self.of_container(path, x)
        elif isinstance(x, MappingProxyType):
            self.queue.extend((path, key) for key in x)
            self.follow(within(path, "[{!r}]"), held.contents(within(path, "[{!r}]"), x, watch.items, watch.fill))
        elif isinstance(x, weakref.ref | ContextVar | local):
            inside = within(path, ".{}" * isinstance(x, local))
            self.follow(inside, held.contents(inside, x, watch.held, watch.hold_again))
        elif hasattr(kind, "__array__") or isinstance(x, array | memoryview):
            self.follow(path, held.contents(within(path), x, libraries.numbers_in, libraries.overwrite))
        elif isinstance(x, libraries.RANDOM) and type(x) is not SystemRandom:
            held.watch(within(path), libraries.state, libraries.set_state, x)
        elif isinstance(x, operator.attrgetter | operator.methodcaller):
            found = {part for name in x.__reduce__()[1] for part in bytecode.names_in(str(name))}
            self.names, self.used = self.names | found, self.used | found
        elif isinstance(x, functools._lru_cache_wrapper):
            known = held.cache(within(path), x)
            self.follow(within(path, "()"), known)
            self.queue.extend((path, key) for key in known)
            self.tells_apart = True  # by its arguments
        if kind.__module__ == COMPILED and "own" in vars(x):
            self.follow(inside, held.namespace(inside, vars(x), {*self.names, *vars(x)} - x.own))
        if uses.is_followed(kind) and kind != Value:  # nor a view
            self.of_object(path, x)

    def of_value(self, path: str, x: Value) -> None:
        self.values[x], names, inside = path, self.counting, within(path, ".{}")
        if type(x) is Value and (watch.own(x, names) or self.added or not self.used.isdisjoint(uses.ABSENT)):
            self.follow(inside, self.held.own(inside, x, names))
        else:  # nothing that anybody can see hangs on it
            self.held.watch(inside, watch.own, watch.rename_own, x, names)

    def of_container(self, path: str, x: Any) -> None:
        fixed = isinstance(x, tuple | frozenset)
        self.follow(within(path, "[{!r}]"), watch.items(x) if fixed else self.held.container(path, x))
        if isinstance(x, dict | set | frozenset):
            self.queue.extend((path, key) for key in x)
            if any(isinstance(key, Value) for key in x):
                self.tells_apart = True  # whoever looks into it asks which Value it is

    def of_object(self, path: str, x: Any) -> None:
        kind: Any = type(x)
        held, inside = self.held, within(path, ".{}")
        self.of_class(kind)
        held.objects.append(x)
        held.watch(inside, watch.attributes, watch.assign, x, ["__class__"])
        names = None if not self.used.isdisjoint(uses.ALL) or uses.foreign(kind) or uses.hooks(kind) else self.names
        if names and isinstance(x, Module) and not self.used.isdisjoint(uses.PARAMETERS):
            own = kind.__module__.startswith(PACKAGE)  # compared whole, which is faster
            names = None if own else {*names, *slots(kind), *watch.holding(x, ())}  # others are counters, say
            if names:
                held.part(watch.holding, x, names)
        if hasattr(x, "__dict__"):
            self.follow(inside, held.own(inside, x, names))
        kept = slots(Value) if isinstance(x, Value) else ()
        if own := [name for name in slots(kind) if name not in kept and (names is None or name in names)]:
            self.follow(inside, held.attributes_of(inside, x, own))

    def of_class(self, kind: Any, called: bool = False) -> None:
        called = called or not self.used.isdisjoint(uses.CALLED)
        for base in (*kind.__mro__, *type(kind).__mro__):
            if not uses.foreign(base) and self.classes.isdisjoint([(base, called), (base, True)]):
                self.classes.add((base, called))
                own = base.__module__.startswith(PACKAGE)  # compared whole, which is faster
                whole = own or self.counting is None or uses.hooks(base)
                asked = self.tells_apart or not self.used.isdisjoint(uses.ASKS)
                names = None if whole else uses.names_of(base, self.names, self.used, asked, called)
                inside = within(base.__name__, ".{}")
                self.follow(inside, self.held.namespace(inside, vars(base), names, base))
                if not own:
                    self.held.part(operator.attrgetter("__bases__"), base)
                    if "__name__" in self.used:
                        self.held.part(operator.attrgetter("__name__"), base)

    def of_function(self, path: str, f: FunctionType) -> None:
        found, file, held, inside = bytecode.read(f.__code__), f.__code__.co_filename, self.held, within(path, ".{}")
        used = {name: x for name in sorted(found.globals) if (x := f.__globals__.get(name)) is not None}
        if not uses.is_taken(file):
            self.names |= found.globals | found.attributes
            self.used |= found.globals | found.attributes
            self.tells_apart = self.tells_apart or bool(found.questions)
            self.named += used.items()
            uses.refuse_types(f, found)
            names: frozenset[str] | set[str] = found.globals
            if not found.globals.isdisjoint(uses.GLOBALS):
                names = watch.Others(name for name in f.__globals__ if name.startswith("__"))
                held.part(len, f.__globals__)
            self.follow("{}", held.namespace("{}", f.__globals__, names))
            self.follow(inside, held.own(inside, f, self.names))
            self.follow(inside, held.attributes_of(inside, f, [*uses.CODE, *uses.ABOUT & self.used]))
            modules = uses.modules_of(f, found)
            self.queue.extend((name, sys.modules.get(name)) for name in modules)
            for name in modules:
                held.part(sys.modules.get, name)
            self.builtins |= found.globals - f.__globals__.keys()
        elif uses.OWN in Path(file).parents:  # it stays what it is, but reads attributes of models
            self.names |= found.globals | found.attributes
            self.queue.extend((name, x) for name, x in used.items() if isinstance(x, FunctionType))
        self.queue.extend((f"os.{name}", x) for name, x in used.items() if x is os.environ)  # os.getenv reads it
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            if (file, name) == DISPATCH:
                self.used.add("singledispatch")
            else:
                inner = held.attributes_of(name, cell, ["cell_contents"])
                self.follow(name, inner)
                self.named += [(name, x) for x in inner.values()]
        self.named += [(f"default {i}", x) for i, x in enumerate(f.__defaults__ or ())]
        self.named += (f.__kwdefaults__ or {}).items()
