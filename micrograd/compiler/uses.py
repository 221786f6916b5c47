"""What the names that code uses may ask, and which code and which classes are followed there."""

import builtins
import copy
import functools
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Collection
from numbers import Number
from pathlib import Path
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, GenericAlias, MethodType, MethodWrapperType
from typing import Any, NamedTuple

from ..engine import Value
from .arrays import np
from .bytecode import ANY, DTYPE, TEXTS, Uses
from .callers import FOLDER

OWN = Path(FOLDER)
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE, of classes that are made while Python runs
PYTHON = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")

# These read, or assign, attributes of any name; and these all attributes of a Module that hold parameters, texts of
# it included.
ALL = {ANY, "vars", "dir", "__getattribute__", "__setattr__", "asdict", "astuple", "getmembers", "__getstate__"}
ALL |= {"__reduce__", "__reduce_ex__", "dumps"}
PARAMETERS = {"parameters", "named_parameters", "state_dict", "zero_grad"}
WRITING = {"repr", "str", "ascii", "format", "print", "pformat", "mod", "__repr__", "__str__", "__format__"}
PARAMETERS |= WRITING
GLOBALS = {"globals", "eval", "exec"}
IMPORTS = {"import_module", "__import__", "modules"}  # of sys.modules
CALLED = {"type", "__class__", "classmethod"}  # these lead from an object to its class, which may make another
# These are as a function is, and these what it says of itself.
CODE, ABOUT = ("__code__", "__defaults__", "__kwdefaults__"), {"__name__", "__qualname__", "__doc__", "__annotations__"}
# These ask which objects are the same, of which type a number is, and how a Value was made.
ASKS = {"id", "hash", "set", "frozenset", "fromkeys", "index", "count", "remove", "dict", "Counter", "defaultdict"}
ASKS |= {"OrderedDict", "WeakSet", "WeakKeyDictionary", "cache", "lru_cache", "groupby", "is_", "is_not", "eq", "ne"}
ASKS |= {"setdefault", "update", "mode", "multimode", "intersection", "union", "difference"}
ASKS |= {"issuperset", "issubset", "isdisjoint", "symmetric_difference"}
ASKS |= {"contains", "countOf", "indexOf", "__eq__", "__ne__", "__hash__", "deepcopy", "dumps", "graph", *TEXTS} - {
    "hasattr",
    "getattr",
}
TYPES = {"isinstance", "issubclass", "type", "__class__", "singledispatch", "hasattr", "getattr", "AttributeError"}
copy.copy(Value(0.0))  # puts __slotnames__ into the class, which is compared whole
ATTRIBUTES = {*dir(Value)}  # as this package has made it
SLOTS = {"_prev", "_op", "_grad_fn"}
# Whoever uses these may see that there is none on a Value: all have an empty label, an AttributeError can be caught.
ABSENT = {*ALL, "hasattr", "getattr", "label", "AttributeError"}

EXACTLY = (
    "compares type(x) with a type of numbers, but while a function is compiled its numbers are not known yet, and have "
    "another type: ask isinstance(x, float), which is answered as for the number itself"
)

DTYPES = (
    "asks for a .dtype, but while a function is compiled its numbers are not known yet, and arrays have objects: "
    "ask outside, and pass in what follows from it"
)

# Modules of Python whose objects hold what one puts there.
HOLDERS = {"types", "argparse", "configparser", "collections", "os", "weakref", "_weakrefset"}
UNUSED = {"__doc__", "__dict__", "__weakref__", "__module__", "__annotations__", "__slotnames__"}
# Methods that are called by themselves, also where a class gets them later.
SPECIAL = {name for kind in (list, float, dict, int, set) for name in dir(kind) if name.startswith("__")} - UNUSED
SPECIAL |= {"__call__", "__getattr__", "__enter__", "__exit__", "__next__", "__get__", "__set__"}
SPECIAL |= {"__matmul__", "__rmatmul__", "__imatmul__", "close", "keys"}  # also by contextlib.closing, and **
SPECIAL -= {"__init__", "__new__", "__class__", "__init_subclass__", "__subclasshook__"}
MADE = {"__init__", "__new__"}  # of use where a class is called
COMPARED, WRITTEN = {"__eq__", "__ne__", "__hash__"}, {"__repr__", "__str__", "__format__"}
INSIDE: dict[Any, tuple[str, ...]] = {  # what is in things around a function
    functools.partial: ("func", "args", "keywords"),
    functools.cached_property: ("func",),
    functools.partialmethod: ("func", "args", "keywords"),
    property: ("fget", "fset", "fdel"),
    MethodType: ("__func__", "__self__"),
    BuiltinMethodType: ("__self__",),
    MethodWrapperType: ("__self__",),
    GenericAlias: ("__origin__",),
    super: ("__self__",),
    defaultdict: ("default_factory",),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    type({}.keys()): ("mapping",),
    type({}.values()): ("mapping",),
    type({}.items()): ("mapping",),
    functools.singledispatchmethod: ("func", "dispatcher"),
}
if np:
    INSIDE[np.vectorize] = ("pyfunc",)


class Asks(NamedTuple):
    """What the code of a function may ask of its arguments beside their numbers.

    Attributes:
        same: whether, which lists and Values are the same.
        types: whether, of which types they and the numbers are.
        slots: attributes that each Value has.
        names: those that somebody may hang on one,
        every: whether any of them.
    """

    same: bool
    types: bool
    slots: Collection[str]
    names: Collection[str]
    every: bool


def asks(used: set[str], same: bool, hangs: bool) -> Asks:
    """What code that uses some names may ask. Where nothing `hangs` on any argument, it has asked for nothing there, or
    can take it that there is nothing."""
    types, every = not used.isdisjoint(TYPES), not used.isdisjoint(ALL)
    hung = used - (ATTRIBUTES - {"label"}) if hangs or not used.isdisjoint(ABSENT) else set()
    return Asks(same, types, used & SLOTS, hung, every)


def alias(path: str, x: Any) -> set[str]:
    """The name of a function or a class, where code knows it by another; and that of a decorator."""
    if isinstance(x, classmethod) and not path.endswith("__"):  # nor __init_subclass__
        return {"classmethod"}
    if not isinstance(x, BuiltinFunctionType | FunctionType | MethodType | MethodWrapperType | type):
        return set()
    known, name = path.rpartition(".")[2], x.__name__  # operator.__index__ and operator.index are one
    return set() if known.strip("_") == name.strip("_") else {name, ANY} if name in TEXTS else {name}  # of any name


def resolved(name: str, namespace: dict[str, Any]) -> str:
    """The whole name of a module that code imports; a relative one is looked for in the package of the code."""
    package = namespace.get("__package__") or ""
    while package:
        if (inner := f"{package}.{name}".rstrip(".")) in sys.modules and name not in sys.modules:
            return inner
        package = package.rpartition(".")[0]
    return name


def modules_of(f: FunctionType, found: Uses) -> set[str]:
    """The names of the modules that a function imports, or may look up by their names."""
    names = {resolved(name, f.__globals__) for name in found.modules}
    if not IMPORTS.isdisjoint(found.globals | found.attributes):
        names |= found.attributes.intersection(sys.modules) | {f.__module__}
    return names


def names_of(kind: type, names: set[str], used: set[str], same: bool, called: bool) -> set[str]:
    """Those in a class that count: names in code that was met, and methods that are called by themselves.

    Args:
        used: the names in the code of the user.
        same: whether that may ask which objects are the same,
        called: and make objects of this class.
    """
    asked = (called, MADE), (same, COMPARED), (not used.isdisjoint(WRITING), WRITTEN)
    unasked = UNUSED.union(*(methods for is_asked, methods in asked if not is_asked)) - used
    return (names | SPECIAL | MADE | {name for name in vars(kind) if name.startswith("__")}) - unasked


@functools.cache
def is_taken(file: str) -> bool:
    """Whether a file is part of Python, or of an installed package, this one included."""
    installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    return (
        installed or file.startswith("<frozen") or any(Path(file).is_relative_to(folder) for folder in (OWN, *PYTHON))
    )


def foreign(kind: Any) -> bool:
    """Whether a class is Python's, NumPy's or torch's, or one of this compiler, whose state is nobody's."""
    module = kind.__module__
    if not isinstance(module, str):
        return True  # one of C, that says nothing
    if module == "builtins":
        return not kind.__flags__ & HEAP  # one that is made by a class statement may claim to be from there
    if module.partition(".")[0] in sys.stdlib_module_names:
        return is_taken(getattr(sys.modules.get(module), "__file__", None) or "<frozen")  # somebody's may have its name
    return module.partition(".")[0] in ("numpy", "torch") or module.startswith(__package__)


@functools.cache
def hooks(kind: Any) -> bool:
    """Whether a class of Python with methods, which may call others by any name, is among the bases of a class."""
    bases = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in sys.stdlib_module_names]
    return any(not name.startswith("_") for base in bases for name in vars(base))


def is_followed(kind: Any) -> bool:
    """Whether what objects of a class hold may matter."""
    return kind.__module__ in HOLDERS or not foreign(kind)


def parts_of(x: Any) -> list[tuple[str, Any]]:
    """What is in something that stands for a function, by name."""
    inside = next((names for around, names in INSIDE.items() if isinstance(x, around)), ())
    parts = [(name, getattr(x, name)) for name in inside]
    own = getattr(x, "__dict__", {})  # of typing's aliases, for one
    return parts + [("", own[name]) for name in ("__wrapped__", "__origin__") if name in own]


def refuse_types(f: FunctionType, found: Uses) -> None:
    """Raise TypeError where a function compares the type of something with those of numbers, or asks for a dtype."""
    if DTYPE in found.questions:
        raise TypeError(f"{name_of(f)} {DTYPES}")
    if {"type", "__class__"} & (found.globals | found.attributes):
        beside = [f.__globals__.get(name, getattr(builtins, name, None)) for name in found.compared]
        if any(map(is_kind, beside)):
            raise TypeError(f"{name_of(f)} {EXACTLY}")


def is_kind(x: Any) -> bool:
    """Whether `x` is a type of numbers, or a container of some."""
    if isinstance(x, tuple | list | set | frozenset | dict):
        return any(map(is_kind, x))
    return isinstance(x, type) and issubclass(x, Number)


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
