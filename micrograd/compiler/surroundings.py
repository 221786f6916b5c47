"""What a function can reach outside itself, and whether that is still the same.

A function is followed through its globals, closure and defaults, and on through the functions, methods, objects and
containers there. What can change is watched: a copy of what was in it is kept. Of attributes and globals only those
count whose names occur in the code that was met, so that a counter beside a model does not matter. Python's own
modules, NumPy and torch are taken as they are.
"""

import contextlib
import dis
import functools
import pickle
import random
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter, itemgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..engine import Value
from ..module import slots

ALL = {  # what reads all attributes
    "getattr",
    "vars",
    "__dict__",
    "dir",
    "parameters",
    "named_parameters",
    "state_dict",
}  # what reads all attributes
HOLDERS = {"types", "argparse", "collections", "os"}  # modules of Python whose objects hold what one puts there
INSIDE = "__wrapped__", "__func__", "__self__", "func", "args", "keywords", "fget"  # of wrappers, methods, properties
CONTAINERS = list, tuple, dict, set, frozenset, deque, bytearray
NUMBERS = int, float, complex
ATOMS = {*NUMBERS, str, bytes, bool, type(None)}
OWN = Path(__file__).parents[1]
PYTHON = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
UNUSED = {"__init__", "__new__", "__doc__", "__dict__", "__weakref__", "__module__", "__annotations__"}


class Watch(NamedTuple):
    """Something that can change.

    Attributes:
        path: how one would write one of the things in it, with {} for its name, index or key.
        contents: what is in it, by that.
        before: what was.
        put_back: makes it what it was.
    """

    path: str
    contents: Callable[[], dict[Any, Any]]
    before: dict[Any, Any]
    put_back: Callable[[dict[Any, Any]], Any]

    def changes(self) -> list[str]:
        now, before = self.contents(), self.before
        keys = {**before, **now}
        changed = [k for k in keys if k not in now or k not in before or [pinned(before[k])] != [now[k]]]
        if not changed and [*now] != [*before]:
            changed = [*keys][:1]
        return [self.path.format(key) for key in changed]


class Pinned:
    """Stands for an object in a copy. Only the object is equal to it, or, if it is a number, one that looks the same:
    == does not tell 0.0 from -0.0, nor 1 from True, and a class may have an == of its own."""

    __slots__ = ("x",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, x: Any):
        self.x = x

    def __eq__(self, other: object) -> bool:
        return other is self.x or (type(other) is type(self.x) in NUMBERS and repr(other) == repr(self.x))


def pinned(x: Any) -> Any:
    kind = type(x)
    if kind in NUMBERS:
        return Pinned(x) if x in (0, 1) else x
    return x if kind in ATOMS or kind in CONTAINERS or kind.__eq__ is object.__eq__ else Pinned(x)


class Surroundings:
    """What some things can reach.

    Args:
        roots: the things, by name.

    Attributes:
        named: what functions refer to by name, without what is in that.
        values: the Values among it.
    """

    def __init__(self, roots: Mapping[str, Any]):
        self.names: set[str] = set()  # of globals and attributes, in the code that was met
        self.all = False  # whether it may read attributes under any name
        known = -1
        while known < len(self.names):  # anew with new names: they may be those of attributes that were met before
            known = len(self.names)
            self.seen: dict[int, Any] = {}  # kept alive, so that an id stays that of the same object
            self.named: list[tuple[str, Any]] = [("", x) for x in roots.values()][:1]
            self.values: dict[Value, str] = {}  # and how one would write them
            self.watches: list[Watch] = []
            self.lives: list[Any] = []  # containers,
            self.copies: list[Any] = []  # and what was in them
            self.parts: list[tuple[Callable[[], Any], Any]] = []  # what counts of other things, and what it was
            self.objects: list[Any] = []
            self.queue = deque(roots.items())
            while self.queue:
                path, x = self.queue.popleft()
                if type(x) not in ATOMS and id(x) not in self.seen:
                    self.seen[id(x)] = x
                    self.visit(path, x)
        self.types = [*map(type, self.objects)]
        for path, x in (("random", random._inst), ("np.random", np.random.mtrand._rand)):  # type: ignore[attr-defined]
            self.of_generator(path, x)

    def hold(self) -> bool:
        """Whether all is as it was."""
        try:
            same = self.copies == self.lives and self.types == [*map(type, self.objects)]
            return same and all(then == now() for now, then in self.parts)
        except (LookupError, AttributeError, TypeError, ValueError):  # something is gone, or cannot be compared
            return False

    def changes(self) -> list[str]:
        """What is not as it was, by name."""
        return [path for watch in self.watches for path in watch.changes()]

    def put_back(self) -> None:
        """Make all what it was."""
        for watch in self.watches:
            if watch.changes():
                watch.put_back(watch.before)

    # ---- what there is ----

    def visit(self, path: str, x: Any) -> None:
        kind = type(x)
        if isinstance(x, Value):
            self.values[x] = path
            if kind is not Value:
                self.of_object(path, x)
        elif isinstance(x, type):
            self.of_class(x)
        elif isinstance(x, FunctionType):
            self.of_function(path, x)
        elif isinstance(x, ModuleType):
            self.of_mapping(path + ".{}", vars(x), self.names, x)
        elif isinstance(x, CONTAINERS):
            self.of_container(path, x)
        elif hasattr(kind, "__array__"):
            self.of_array(path, x)
        elif isinstance(x, random.Random | np.random.Generator | np.random.RandomState):
            self.of_generator(path, x)
        else:
            inside = [(name, getattr(x, name)) for name in INSIDE if hasattr(x, name)]
            self.named += inside
            self.queue.extend((path, y) for _, y in inside if not isinstance(y, ModuleType))
            if not inside and (kind.__module__ in HOLDERS or not foreign(kind)):
                self.of_object(path, x)

    def of_container(self, path: str, x: Any) -> None:
        before = items(x)
        self.queue.extend((f"{path}[{key!r}]", item) for key, item in before.items())
        if not isinstance(x, tuple | frozenset):
            self.watches.append(
                Watch(f"{path}[{{!r}}]", functools.partial(items, x), before, functools.partial(fill, x))
            )
            self.lives.append(x)
            if isinstance(x, dict):
                self.copies.append({key: pinned(item) for key, item in before.items()})
                self.parts.append((functools.partial(list, x), [*x]))  # the order, too
            else:
                copy = x.copy() if isinstance(x, set | bytearray) else map(pinned, x)
                self.copies.append(
                    copy if isinstance(x, set | bytearray) else deque(copy) if isinstance(x, deque) else [*copy]
                )

    def of_object(self, path: str, x: Any) -> None:
        kind = type(x)
        self.queue.append((kind.__name__, kind))
        self.objects.append(x)
        names = None if self.all or foreign(kind) else self.names
        if hasattr(x, "__dict__"):
            self.of_mapping(path + ".{}", vars(x), names)
        own = [name for name in slots(kind) if names is None or name in names]
        if own and not isinstance(x, Value):
            self.of_attributes(path + ".{}", x, own)

    def of_class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not foreign(base):
                special = {name for name in vars(base) if name.startswith("__")} - UNUSED
                self.of_mapping(base.__name__ + ".{}", vars(base), self.names | special, base)

    def of_function(self, path: str, f: FunctionType) -> None:
        if hasattr(f, "__wrapped__"):
            self.queue.append((path, f.__wrapped__))
            self.named.append(("", f.__wrapped__))
        uses = read(f.__code__)
        self.names |= (names := uses.globals | uses.attributes)
        if not is_taken(f.__code__.co_filename):
            self.all = self.all or not names.isdisjoint(ALL)
            self.of_mapping("{}", f.__globals__, uses.globals)
            self.of_mapping(path + ".{}", vars(f), self.names)
            self.of_attributes(path + ".{}", f, ["__code__", "__defaults__", "__kwdefaults__"])
            self.queue.extend((name, sys.modules.get(name)) for name in uses.modules)
            self.named += [(name, f.__globals__[name]) for name in sorted(uses.globals & f.__globals__.keys())]
        elif OWN in Path(f.__code__.co_filename).parents:  # for the names in it
            helpers = [(name, f.__globals__.get(name)) for name in uses.globals]
            self.queue.extend((name, x) for name, x in helpers if isinstance(x, FunctionType))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            self.of_attributes(name, cell, ["cell_contents"])
            self.named += [(name, x) for x in attributes(cell, ["cell_contents"]).values()]
        self.named += [(f"default {i}", x) for i, x in enumerate(f.__defaults__ or ())]
        self.named += (f.__kwdefaults__ or {}).items()

    def of_mapping(self, path: str, x: Any, names: Collection[str] | None, owner: Any = None) -> None:
        """A namespace, of which some names count; None for all."""
        before = chosen(x, names)
        self.queue.extend((path.format(name), item) for name, item in before.items())
        self.watches.append(
            Watch(path, functools.partial(chosen, x, names), before, functools.partial(assign, x, names, owner))
        )
        if len(before) == len(x):
            self.lives.append(x)
            self.copies.append({name: pinned(item) for name, item in before.items()})
            return
        if before:
            self.part(itemgetter(*before), x, before)
        if absent := {*(names or ())} - before.keys():
            self.parts.append((functools.partial(x.keys().isdisjoint, absent), True))

    def of_attributes(self, path: str, x: Any, names: Collection[str]) -> None:
        contents = functools.partial(attributes, x, names)
        before = contents()
        self.queue.extend((path.format(name), item) for name, item in before.items())
        self.watches.append(Watch(path, contents, before, functools.partial(assign, x, names, x)))
        if len(before) == len(names):
            self.part(attrgetter(*names), x, before)
        else:
            self.parts.append((contents, {name: pinned(item) for name, item in before.items()}))

    def part(self, get: Callable[[Any], Any], x: Any, before: dict[str, Any]) -> None:
        then = tuple(map(pinned, before.values()))
        self.parts.append((functools.partial(get, x), then if len(then) > 1 else then[0]))

    def of_array(self, path: str, x: Any) -> None:
        contents = functools.partial(numbers_in, x)
        if (before := contents()) and getattr(x, "dtype", None) == object:
            self.queue.append((path, before["..."]))
        self.watches.append(Watch(path + "[{}]", contents, before, functools.partial(overwrite, x)))
        self.parts.append((contents, before))

    def of_generator(self, path: str, x: Any) -> None:
        """Random numbers. Their state is no part of what must hold from call to call, but a function may not draw."""
        contents = functools.partial(state, x)
        self.watches.append(Watch(path, contents, contents(), functools.partial(set_state, x)))


def items(x: Any) -> dict[Any, Any]:
    """What is in a container, by key or position."""
    return dict(x.items() if isinstance(x, dict) else enumerate(x))


def fill(x: Any, before: dict[Any, Any]) -> None:
    x.clear()
    (x.update if isinstance(x, dict | set) else x.extend)(before if isinstance(x, dict) else before.values())


def chosen(x: Mapping[str, Any], names: Collection[str] | None) -> dict[str, Any]:
    return {name: item for name, item in x.items() if names is None or name in names}


def assign(x: Any, names: Collection[str] | None, owner: Any, before: dict[str, Any]) -> None:
    """Make names of a namespace, or attributes of an owner, what they were."""
    now = chosen(x, names) if owner is not x else attributes(x, names or ())
    for name in {**now, **before}:
        if owner is None:
            x.pop(name, None)
        elif name in now and name not in before:
            delattr(owner, name)
        if name in before and (owner is None or now.get(name) is not before[name]):
            x.__setitem__(name, before[name]) if owner is None else setattr(owner, name, before[name])


def attributes(x: Any, names: Collection[str]) -> dict[str, Any]:
    """Those that it has; a cell without contents has none."""
    found = {}
    for name in names:
        with contextlib.suppress(AttributeError, ValueError):
            found[name] = getattr(x, name)
    return found


def numbers_in(x: Any) -> dict[str, Any]:
    """What is in an array."""
    array = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    return {"...": array.tolist() if array.dtype == object else (array.shape, array.dtype.str, array.tobytes())}


def overwrite(x: Any, before: dict[str, Any]) -> None:
    array, was = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x), before["..."]
    array[...] = was if isinstance(was, list) else np.frombuffer(was[2], was[1]).reshape(was[0])


def state(x: Any) -> dict[str, Any]:
    """That of a generator of random numbers."""
    found = (
        x.getstate()
        if hasattr(x, "getstate")
        else getattr(x, "bit_generator", getattr(x, "_bit_generator", None)).state
    )
    return {"...": pickle.dumps(found)}


def set_state(x: Any, before: dict[str, Any]) -> None:
    was = pickle.loads(before["..."])
    if hasattr(x, "setstate"):
        x.setstate(was)
    else:
        getattr(x, "bit_generator", getattr(x, "_bit_generator", None)).state = was


# ---- what code uses ----


class Uses(NamedTuple):
    """Names in code: of globals, of attributes, and of modules that it imports."""

    globals: set[str]
    attributes: set[str]
    modules: set[str]


KINDS = {"GLOBAL": 0, "NAME": 0, "ATTR": 1, "METHOD": 1, "SUPER_ATTR": 1, "IMPORT_FROM": 1, "IMPORT_NAME": 2}


@functools.cache
def read(code: CodeType) -> Uses:
    """What code reads and assigns, that of comprehensions and inner functions included."""
    uses = Uses(set(), set(), set())
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        kind = KINDS.get(name, KINDS.get(name.split("_", 1)[-1]))
        if kind is not None:
            uses[kind].add(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for mine, names in zip(uses, read(inner)):
                mine |= names
    return uses


@functools.cache
def is_taken(file: str) -> bool:
    """Whether a file belongs to what is taken as it is: Python, NumPy, torch and this package."""
    path = Path(file)
    for folder in path.parents:
        if folder.name in ("site-packages", "dist-packages"):
            return path.relative_to(folder).parts[0] in ("numpy", "torch")
    return file.startswith("<frozen") or any(map(path.is_relative_to, (OWN, *PYTHON)))


def foreign(kind: type) -> bool:
    """Whether a class is Python's, NumPy's or torch's."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file is None:  # part of Python itself, or made in a session
        return "__module__" not in vars(kind) or kind.__module__ in sys.builtin_module_names[1:]
    return is_taken(file) and OWN not in Path(file).parents


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
