"""What a function reaches by name, and whether that is still the same.

From a function of yours lead its defaults, its closure and the globals that its code loads; from an object of yours the
attributes whose names occur in the code that was met; from a container all that is in it; from anything else what the
garbage collector finds there. Functions and classes of libraries are taken as they are, but for closures.

What was found is a list of Things. `holds` compares them with what they were, many at once; `changes` says by name
which of them are another. The same comparison before and after a call shows what that has changed.
"""

import dis
import functools
import gc
import random
import sys
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable
from io import IOBase
from logging import Logger
from threading import Thread
from types import CodeType, FrameType, FunctionType, GeneratorType, ModuleType, NoneType
from typing import Any, Literal, NamedTuple, TypeAlias

from ...engine import Value
from ...module import NAMES, Module, found, slots
from .arrays import ARRAY, GENERATORS, GENERIC, np
from .callers import is_library

ATOMS = int, float, complex, bool, str, bytes, NoneType
CONTAINERS = list, tuple, dict, set, frozenset, deque
MUTABLE = list, dict, set, deque
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: of a class that a class statement has made
# What code says that reads attributes of any name, asdict(config); that may find one on a Value where nothing hangs
# yet, hasattr(v, "scale"); and that finds the parameters of a Module, whatever their names are.
EVERY = {"vars", "__dict__", "asdict", "astuple", "deepcopy"}
ASKED = EVERY | {"getattr", "hasattr"}
PARAMETERS = {"parameters", "named_parameters", "state_dict", "zero_grad"}
RANDOM = random.Random, *GENERATORS
# What is in these belongs to the process, as files and the clock do.
PROCESS = Logger, IOBase, Thread, FrameType, GeneratorType, CodeType, random.SystemRandom
BYTES, MANY = 1_000_000, 20_000  # more than this takes long to compare

Contents = dict[Any, Any]  # what is in a thing, by name, index or key
Bulk: TypeAlias = Literal["container", "globals", "link", "alone"]


class Thing(NamedTuple):
    """Something that may change.

    Attributes:
        path: how one would write what is in it: a format for the name, index or key.
        x: itself.
        contents: what counts of what is in it,
        before: and what that was.
        bulk: how `holds` compares many at once: each "container" with its copy, the "globals" of code by their names, a
            "link" by what the garbage collector finds in it; "alone" is what is none of these.
        theirs: whether it is in an object of a package, which may remember more without being another.
    """

    path: str
    x: Any
    contents: Callable[[Any], Contents]
    before: Contents
    bulk: Bulk
    theirs: bool = False

    def changes(self, grown: bool = True) -> list[str]:
        """What is another, by name. Unless `grown`, keys that a dict of a package has gained do not count."""
        before, now = self.before, self.contents(self.x)
        if self.theirs and not grown and isinstance(self.x, dict):
            now = {key: x for key, x in now.items() if key in before}
        every = {**before, **now}
        others = [k for k in every if k not in before or k not in now or not same(before[k], now[k])]
        if not others and self.contents is items and [*now] != [*before]:  # another order
            others = [*every][:1]
        return [self.path.format(key) for key in others]


class Reach:
    """What some things reach.

    Args:
        roots: the things, each after its name; a parameter may have that of the function.

    Attributes:
        values: the Values there, and how one would write them.
        things: all else that may change, outermost first.
        generators: those of random numbers.
        met: all that was met, by how one would write it.
    """

    def __init__(self, roots: Iterable[tuple[str, Any]]):
        self.names: set[str] = set()  # in the code and the texts that were met
        known = -1
        while known < (known := len(self.names)):  # an attribute that was passed by counts once its name is met
            # What was met is kept alive, so that an id stays that of one thing. sys.modules itself is not followed.
            self.seen: dict[int, Any] = {id(sys.modules): sys.modules}
            self.classes: set[tuple[type, bool]] = set()  # and whether they may be called
            self.values: dict[Value, str] = {}
            self.things: list[Thing] = []
            self.generators: dict[str, Any] = {}
            self.met: list[tuple[str, Any]] = []
            self.queue = deque((name, x, False) for name, x in roots)
            # Of each namespace how one would write what is in it, itself, and the names of it that code loads.
            self.globals: dict[int, tuple[str, Any, set[str]]] = {}
            self.load("Value.{}", vars(Value), self.names & vars(Value).keys())
            while self.queue:
                self.visit(*self.queue.popleft())
            for path, space, names in self.globals.values():
                contents = named(names)
                self.things.append(Thing(path, space, contents, contents(space), "globals"))
        self.apart: set[int] = set()  # containers that changed only where it does not count: no longer compared whole
        self.remember()

    # ---- whether all is as it was ----

    def remember(self) -> None:
        """Make ready what `holds` compares: whole containers at once, and what counts of other things."""
        whole = [t for t in self.things if t.bulk == "container" and id(t.x) not in self.apart]
        alone = [t for t in self.things if t.bulk == "alone" or id(t.x) in self.apart]
        self.lives, self.copies = [t.x for t in whole], [copy_of(t.x) for t in whole]
        self.dicts = [t.x for t in whole if t.contents is items and type(t.x) is dict]  # their order counts, too
        self.orders = [[*x] for x in self.dicts]
        self.links = [t.x for t in self.things if t.bulk == "link"]
        self.linked = [*map(pinned, gc.get_referents(*self.links))]
        self.loads = [(x.get, sorted(names)) for _, x, names in self.globals.values()]
        self.loaded = [[pinned(get(name)) for name in names] for get, names in self.loads]
        self.alone = [(t.contents, t.x) for t in alone]
        self.before = [copy_of(t.before) for t in alone]

    def holds(self) -> bool:
        """Whether all is as it was."""
        try:
            if (
                self.copies == self.lives
                and self.orders == [*map(list, self.dicts)]
                and self.linked == gc.get_referents(*self.links)
                and self.loaded == [[*map(get, names)] for get, names in self.loads]
                and self.before == [contents(x) for contents, x in self.alone]
            ):
                return True
        except Exception:  # something is gone, or has an == of its own
            pass
        if self.changes():
            return False
        self.apart.update(id(x) for then, x in zip(self.copies, self.lives) if not equal(then, x))
        self.remember()
        return True

    def changes(self, grown: bool = True) -> list[str]:
        """What is another, by name; `grown` as of a Thing."""
        return [*dict.fromkeys(name for thing in self.things for name in thing.changes(grown))]

    def much(self) -> dict[str, str]:
        """What takes long to compare: by name, how much it is."""
        large, counts = {}, dict[str, int]()
        for thing in self.things:
            root = thing.path.partition(".")[0].partition("[")[0]
            counts[root] = counts.get(root, 0) + len(thing.before)
            size = sum(len(x) for x in thing.before.values() if type(x) is bytes)
            if size > BYTES:
                large[thing.path] = f"{size / 1e6:.1f} MB"
        return large | {root: f"{count:,} things" for root, count in counts.items() if count > MANY}

    # ---- what there is ----

    def add(
        self, path: str, x: Any, contents: Callable[[Any], Contents], bulk: Bulk = "alone", theirs: bool = False
    ) -> None:
        """Note a thing, and go on to what is in it. The arguments are those of `Thing`."""
        self.things.append(Thing(path, x, contents, before := contents(x), bulk, theirs))
        if contents is items and isinstance(x, dict):
            self.queue.extend((path.format(key), key, theirs) for key in x if not is_atom(key))
        self.follow(path, before, theirs)

    def load(self, path: str, space: Any, names: set[str]) -> None:
        """Note that code loads some names of a namespace."""
        known = self.globals.setdefault(id(space), (path, space, set()))[2]
        self.follow(path, {name: space[name] for name in sorted(names - known) if name in space})
        known |= names

    def follow(self, path: str, contents: Contents, theirs: bool = False) -> None:
        """Go on to what is in something."""
        for key, item in contents.items():
            if type(item) is str:
                self.names |= names_in_text(item)
            elif not is_atom(item):
                self.queue.append((path.format(key), item, theirs))

    def visit(self, path: str, x: Any, theirs: bool) -> None:
        kind = type(x)
        if is_atom(x) or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        self.met.append((path, x))
        foreign = is_foreign(kind)
        if callable(x) and foreign and not (isinstance(x, FunctionType) and not is_library(x.__code__.co_filename)):
            self.names.add(str(getattr(x, "__name__", "")))  # it may have another here: import asdict as plain
        inside = path.replace("{", "{{").replace("}", "}}")
        if isinstance(x, FunctionType):
            self.of_function(inside, x)
        elif isinstance(x, type):
            self.of_class(x, called=True)
        elif isinstance(x, ModuleType):
            contents = named({*self.names, "__getattr__"})
            if is_library_module(x):
                self.follow(f"{inside}.{{}}", contents(vars(x)))
            else:
                self.add(f"{inside}.{{}}", vars(x), contents)
        elif isinstance(x, PROCESS) and foreign:
            return
        elif isinstance(x, RANDOM) or (foreign and hasattr(kind, "initial_seed")):
            self.generators[path] = x
        elif is_numbers(x):
            self.add(inside, x, numbers, "alone", theirs)
        elif foreign and "__wrapped__" in getattr(x, "__dict__", ()) and not isinstance(x, functools.partial):
            self.add(f"{inside}.{{}}", vars(x), named({*self.names, "__wrapped__"}))  # a cache, or a compiled function
        elif not foreign or isinstance(x, Module | Value):
            self.of_object(inside, x)
        else:
            self.of_anything(inside, x, theirs)

    def of_function(self, inside: str, f: FunctionType) -> None:
        if not (theirs := is_library(f.__code__.co_filename)):
            loaded, names = names_in(f.__code__)
            self.names |= names
            self.load("{}", f.__globals__, loaded)
            self.add(f"{inside}.{{}}", f, attributes("__code__", "__defaults__", "__kwdefaults__"), "link")
            if vars(f):
                self.add(f"{inside}.{{}}", vars(f), named(self.names), "container")
            modules = names | {f"{package}.{name}" for name in names for package in packages(f.__globals__)}
            self.queue.extend((name, sys.modules[name], False) for name in sorted(modules & sys.modules.keys()))
        elif "__wrapped__" in vars(f):  # under the name that it has here
            self.queue.append((inside, vars(f)["__wrapped__"], theirs))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            if name != "__class__":  # that of super()
                self.add(name, cell, attributes("cell_contents"), "link", theirs)

    def of_class(self, kind: type, called: bool) -> None:
        """A class; its `__init__`, which names all attributes, counts where it may be called, and not for objects that
        are there."""
        meta: Any = type(kind)
        bases, mixed = kind.__mro__ + meta.__mro__, is_mixed(kind)
        called = called or any(isinstance(x, classmethod) for base in bases for x in vars(base).values())
        for base in bases:
            if not is_foreign(base) and not {(base, called), (base, True)} & self.classes:
                self.classes.add((base, called))
                contents = dict if mixed else methods(base, self.names, called)
                self.add(f"{base.__name__}.{{}}", vars(base), contents, "container")

    def of_object(self, inside: str, x: Any) -> None:
        """An object of a class of yours, or a model of micrograd's."""
        kind: Any = type(x)
        own = getattr(x, "__dict__", {})
        if isinstance(x, Value):
            self.values.setdefault(x, inside.format())
            if x.__class__ is Value and not own and self.names.isdisjoint(ASKED):  # as nearly all
                return
        self.of_class(kind, called=False)
        every = is_mixed(kind) or not self.names.isdisjoint(EVERY)
        if not every and isinstance(x, Module) and not self.names.isdisjoint(PARAMETERS):
            still = all(is_atom(item) or has_leaves(item) or name == NAMES for name, item in own.items())
            self.add(f"{inside}.{{}}", own, trained(self.names), "container" if still else "alone")
        elif hasattr(x, "__dict__"):
            contents = dict if every else named(self.names)
            self.add(f"{inside}.{{}}", own, contents, "container")
        if any(isinstance(y, functools.cached_property) for base in kind.__mro__ for y in vars(base).values()):
            self.things[-1] = self.things[-1]._replace(theirs=True)  # it may come to remember these
        usual = slots(Value) if isinstance(x, Value) else ()
        if kept := [name for name in slots(kind) if name not in usual and (every or name in self.names)]:
            self.add(f"{inside}.{{}}", x, attributes(*kept))
        if isinstance(x, CONTAINERS):
            self.add(f"{inside}[{{!r}}]", x, items)

    def of_anything(self, inside: str, x: Any, theirs: bool) -> None:
        """What is in a container, or in an object of a library: a package's may remember more, what is in Python's own,
        a SimpleNamespace, is yours."""
        kind = type(x)
        if isinstance(own := getattr(x, "__dict__", None), dict):
            self.seen[id(own)] = own
            packaged = kind.__module__.partition(".")[0] not in sys.stdlib_module_names
            self.add(f"{inside}.{{}}", own, dict, "container", theirs or packaged)
        if isinstance(x, CONTAINERS):
            if isinstance(x, tuple | frozenset):
                self.follow(f"{inside}[{{!r}}]", items(x), theirs)
            else:
                self.add(f"{inside}[{{!r}}]", x, items, "container" if type(x) in MUTABLE else "alone", theirs)
        else:
            self.add(inside, x, referents, "link", theirs)


# ---- what is followed ----


def is_atom(x: Any) -> bool:
    """Whether it is a plain number or text, in which there is nothing."""
    return type(x) in ATOMS or isinstance(x, GENERIC)


def is_foreign(kind: type) -> bool:
    """Whether a class is Python's or a package's, this one included. What type() or make_dataclass() makes of yours may
    claim to be from there, but is not found there."""
    if not kind.__flags__ & HEAP:
        return True
    home = sys.modules.get(kind.__module__)
    return home is not None and is_library_module(home) and kind.__qualname__.partition(".")[0] in vars(home)


def is_mixed(kind: type) -> bool:
    """Whether a class has a base in a library, whose code may use attributes of any name."""
    library = [base for base in kind.__mro__ if is_foreign(base) and base not in (Module, Value)]
    return any(base.__module__ not in ("builtins", "abc", "typing") for base in library)


def is_library_module(x: ModuleType) -> bool:
    """Whether a module is Python's or a package's."""
    file = vars(x).get("__file__")
    return is_library(file) if file else vars(x).get("__name__") in sys.stdlib_module_names


@functools.cache
def names_in(code: CodeType) -> tuple[set[str], set[str]]:
    """The globals that code loads or assigns, and all names and texts in it; with those of the code inside of it."""
    loaded = {x.argval for x in dis.get_instructions(code) if x.opname.endswith(("_GLOBAL", "LOAD_NAME"))}
    names = {*code.co_names}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more, others = names_in(inner)
            loaded, names = loaded | more, names | others
        else:  # in a tuple are those of `match`
            names.update(*(names_in_text(x) for x in (inner if type(inner) is tuple else [inner]) if type(x) is str))
    return loaded, names


def names_in_text(text: str) -> set[str]:
    """The attributes that a text may stand for: "rate", or "rule.rate"."""
    parts = text.split(".")
    return {*parts} if all(map(str.isidentifier, parts)) else set()


def packages(space: Any) -> list[str]:
    """The names of the packages around some globals, from which their code may import by relative names."""
    parts = (space.get("__package__") or "").split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts) + 1)]


def has_leaves(x: Any) -> bool:
    """Whether a Module would find parameters in `x`."""
    return any(not v._prev for v in found([x]))


# ---- what is in a thing ----


def named(names: Collection[str]) -> Callable[[Any], Contents]:
    """What a namespace has under some names."""
    ordered = sorted(names)

    def contents(space: Any) -> Contents:
        if len(ordered) < len(space):
            return {name: space[name] for name in ordered if name in space}
        return {name: x for name, x in space.items() if name in names}

    return contents


def methods(kind: type, names: Collection[str], called: bool) -> Callable[[Any], Contents]:
    """Of a class what has some names, and the methods that nobody has to call by their names.

    Args:
        called: whether the class may be, too.
    """
    unused = {"__repr__", "__str__", "__format__", "__class__", *(() if called else ("__init__", "__new__"))}
    if hasattr(kind, "__dataclass_fields__"):
        unused |= {"__eq__", "__hash__", "__lt__", "__le__", "__gt__", "__ge__", "__replace__"}

    def contents(space: Any) -> Contents:
        special = {n for n, x in space.items() if n[:2] == "__" and callable(x)} - unused
        return {name: x for name, x in space.items() if name in names or name in special}

    return contents


def trained(names: Collection[str]) -> Callable[[Any], Contents]:
    """The attributes of a Module that have some names, or parameters."""

    def contents(space: Any) -> Contents:
        return {name: x for name, x in space.items() if name in names or (not is_atom(x) and has_leaves(x))}

    return contents


def attributes(*names: str) -> Callable[[Any], Contents]:
    """Those of an object that there are; a cell may be empty."""

    def contents(x: Any) -> Contents:
        there = {}
        for name in names:
            try:
                there[name] = getattr(x, name)
            except (AttributeError, ValueError):
                continue
        return there

    return contents


def items(x: Any) -> Contents:
    """Those of a container, by index or key; in a set each is its own key."""
    return dict(x) if isinstance(x, dict) else dict(zip(x, x) if isinstance(x, set | frozenset) else enumerate(x))


def referents(x: Any) -> Contents:
    """What the garbage collector finds in an object, but for its class and modules."""
    return dict(enumerate(y for y in gc.get_referents(x) if not isinstance(y, type | ModuleType)))


def is_tensor(x: Any) -> bool:
    """Whether it is a tensor of torch."""
    return is_foreign(type(x)) and hasattr(type(x), "detach") and hasattr(type(x), "__array__")


def is_numbers(x: Any) -> bool:
    """Whether it is an array, a tensor, or another piece of memory."""
    if isinstance(x, (array, bytearray, memoryview, ARRAY)) or is_tensor(x):
        return True
    try:
        return is_foreign(type(x)) and memoryview(x).nbytes > 0
    except TypeError:
        return False


def numbers(x: Any) -> Contents:
    """The numbers in it, as bytes."""
    if isinstance(x, ARRAY) and x.dtype.hasobject:
        return dict(enumerate(x.flat))
    seen: Any = x.detach().cpu().numpy() if is_tensor(x) else x
    seen = np.asarray(seen) if isinstance(seen, ARRAY) else memoryview(seen)
    return {"": seen.tobytes(), "shape": seen.shape, "kind": str(getattr(seen, "dtype", ""))}


# ---- what is the same ----


class Pinned:
    """Stands in a copy for what == would not tell from another: 0.0 from -0.0, or objects with an == of their own."""

    __slots__ = ("x",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, x: Any):
        self.x = x

    def __eq__(self, other: object) -> bool:
        return same(self.x, other)


def same(x: Any, y: Any) -> bool:
    """Whether two are one, or plain numbers or texts that are equal."""
    if x is y:
        return True
    if type(x) is type(y) is tuple:
        return len(x) == len(y) and all(map(same, x, y))
    return is_atom(x) and is_atom(y) and (repr(x) == repr(y) or (x == y and x != 0))


def pinned(x: Any) -> Any:
    """`x`, or what stands for it in a copy. Code, and the globals of a function, are never another in place."""
    return x if is_told(x) or type(x) is CodeType or (type(x) is dict and "__name__" in x) else Pinned(x)


def is_told(x: Any, depth: int = 3) -> bool:
    """Whether == tells `x`, and what is in it in so many layers, from all that is another."""
    kind: Any = type(x)
    if kind in CONTAINERS:
        return depth > 0 and all(is_told(y, depth - 1) for y in (x.values() if kind is dict else x))
    plain = kind in (str, bytes, bool, NoneType) or (kind in (int, float) and x != 0)
    return plain or kind.__eq__ is object.__eq__


def copy_of(x: Any) -> Any:
    """What a container is compared with later."""
    if isinstance(x, set):
        return x.copy()
    if isinstance(x, list | deque):
        return type(x)(map(pinned, x))
    return {key: pinned(item) for key, item in x.items()}


def equal(x: Any, y: Any) -> bool:
    """Whether == says so; where it raises, not."""
    try:
        return bool(x == y)
    except Exception:
        return False
