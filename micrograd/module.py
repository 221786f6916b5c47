"""How a model's parameters are found, named and saved: whatever is made of Values can be a Module.

    class Line(Module):
        def __init__(self):
            self.slope, self.offsets = Value(1.0), [Value(0.0), Value(0.0)]

has three parameters, and the state {"slope": 1.0, "offsets": [0.0, 0.0]}.
"""

import functools
import itertools
import reprlib
import warnings
from abc import ABCMeta
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .compiler.row import Row
from .engine import Value

NAMES = "_names_of_init"  # where a Module keeps the names from then: copies, which are made without __init__, need them
TOLD: set[tuple[type, str]] = set()  # the classes and names that a warning was about
LISTS = list, tuple
NAMELESS = set, frozenset  # they have no order


class Naming(ABCMeta):
    """The class of Module, which notes the names that a Module has when its `__init__` has ended."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if isinstance(cls.__init__, FunctionType) and type(made) is cls and hasattr(made, "__dict__"):  # type: ignore[misc]
            vars(made)[NAMES] = tuple(name for name in vars(made) if name != NAMES)
        return made


class Module(metaclass=Naming):
    """Something with parameters to train: the Values without parents among its attributes, also those in Modules,
    dataclasses, lists, tuples, dicts, deques, sets and arrays of objects there.

    What counts are the attributes that there are when `__init__` has ended, lists that are filled later included, and
    all slots; of a class without an `__init__`, all attributes. What comes under a new name later, such as inputs that
    a call keeps, is not trained: `parameters()` warns of it, once for each class and name.

    A Value with parents is no parameter but a result, such as a loss that is kept for later. A result that depends on
    no parameter is warned of when they are listed: it is a weight that was computed, where a new one was meant.
    """

    if TYPE_CHECKING:  # a class has one of its own, with what it takes and returns

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def parameters(self) -> list[Value]:
        """The Values to train, always in the same order, each once."""
        modules: list[Module] = [self]
        kept = list(dict.fromkeys(found(list(contents(self)[1]), self, modules)))
        tell_of_later(modules, kept)
        results = [v for v in kept if v._prev]
        if not results:
            return kept
        # What a class lists in a `named_parameters` of its own stays a parameter, even if it is a result by now.
        own = {v for _, tensor in self.named_parameters() for v in flat(tensor)}
        parameters = {v: None for v in kept if not v._prev or v in own}
        for v in results:
            if not depends_on(v, parameters):
                warnings.warn(
                    f"{type(self).__name__} holds {v!r}, a result of {v._op or 'an operation'!r} that depends on no "
                    f"parameter of it, so that nothing can train it. A weight is made of a number, Value(0.1 * x), "
                    f"and trained by its data, w.data -= lr * w.grad",
                    stacklevel=2,
                )
        return list(parameters)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Pairs of a name, made of attributes, indices and keys ("layers.0.weight"), and what it names: a Value, or
        nested lists of Values of equal lengths. A class may have this method of its own, for other names."""
        for name, x in zip(*contents(self)):
            yield from named(str(name), x, (self,))

    def __repr__(self) -> str:
        """As of a torch.nn.Module, what is inside of what, each with how many parameters it has."""
        return describe(self)

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        Row(self.parameters()).zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The data of all parameters by name, as nested lists of floats: it can be saved as JSON.

        Raises:
            TypeError: a parameter has no name.
        """
        tensors = dict(self.named_parameters())
        if nameless := set(self.parameters()) - {p for tensor in tensors.values() for p in flat(tensor)}:
            raise TypeError(
                f"{type(self).__name__}.named_parameters() leaves out {len(nameless)} of its parameters "
                f"(those in a set have no name, as it has no order)"
            )
        return {name: numbers(tensor) for name, tensor in tensors.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the data of all parameters.

        Args:
            state: the numbers by name, in nested lists, as of `state_dict()`, or in tensors or arrays.

        Raises:
            ValueError: lists every name that is missing, that no parameter has, or whose numbers have another shape.
                Nothing has changed then.
            TypeError: `state` is no dict, but a path, say.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict takes the numbers by name, as state_dict() gives them, got {state!r:.50} of type "
                f"{type(state).__name__}: what is in a file is read first, json.loads(Path(path).read_text())"
            )
        state = {name: x.tolist() if hasattr(x, "tolist") else x for name, x in state.items()}
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own if name not in state]
        wrong += [f"{name} is not a parameter" for name in state if name not in own]
        wrong += [
            f"{name} should be numbers of shape {shape(x)}, got {came(state[name])}"
            for name, x in own.items()
            if name in state
            if shape(state[name]) != shape(x) or not all(isinstance(entry, Real) for entry in flat(state[name]))
        ]
        if wrong:
            raise ValueError(f"this is no state of {type(self).__name__}: {'; '.join(wrong)}")
        pairs = [pair for name, x in self.named_parameters() for pair in zip(flat(x), flat(state[name]))]
        before = [p.data for p, _ in pairs]
        try:
            for p, number in pairs:
                p.data = float(number)
        except BaseException:
            for (p, _), data in zip(pairs, before):
                p.data = data
            raise


@reprlib.recursive_repr()
def describe(x: Any) -> str:
    """What it is, with the count of its parameters, and, indented, each thing in it that has some."""
    own = isinstance(x, Module) and type(x).__repr__ is not Module.__repr__
    head, parts = repr(x) if own else type(x).__name__, []
    if not own and not is_tensor(x):
        items = [(name, describe(item)) for name, item in zip(*contents(x)) if trained(item)]
        runs = itertools.groupby(items, lambda item: (item[1], None if isinstance(item[0], int) else item[0]))
        parts = [together([name for name, _ in run], text) for (text, _), run in runs]
        head += "(" if parts else "()"
    lines = [f"{head}  # {trained(x)} parameter{'s' * (trained(x) != 1)}", *parts]
    return "\n".join(lines).replace("\n", "\n  ") + "\n)" * bool(parts)


def together(names: Sequence[Any], text: str) -> str:
    """One description for neighbours in a list that are alike: "(0-15): 16 x ReLUNeuron(2)"."""
    if len(names) == 1:
        return f"({names[0]}): {text}"
    first, *rest = text.split("\n")
    return "\n".join([f"({names[0]}-{names[-1]}): {len(names)} x {first} each", *rest])


def trained(x: Any) -> int:
    """How many parameters it has."""
    return len({v for v in found([x]) if not v._prev})


def contents(x: Any) -> tuple[Iterable[Any], Collection[Any]]:
    """The names or indices of what is in a container, and that itself; nothing where `x` is none."""
    if type(x) in LISTS:  # the usual case
        return range(len(x)), x
    if isinstance(x, Module) or hasattr(type(x), "__dataclass_fields__"):
        own = getattr(x, "__dict__", {})
        if NAMES in own:
            own = {name: own[name] for name in own[NAMES] if name in own}
        own = own | {name: getattr(x, name) for name in slots(x.__class__) if hasattr(x, name)}
        own |= dict(x if isinstance(x, dict) else enumerate(x) if isinstance(x, (*LISTS, *NAMELESS, deque)) else {})
        return own.keys(), own.values()
    if isinstance(x, dict):
        return x.keys(), x.values()
    if isinstance(x, (*LISTS, *NAMELESS, deque)):
        return range(len(x)), list(x)
    return (range(x.size), x.reshape(-1).tolist()) if is_array(x) else ((), ())


@functools.cache
def slots(kind: Any) -> list[str]:
    """The names of the attributes that objects of a class keep beside their `__dict__`."""
    names = []
    for base in kind.__mro__:
        own = vars(base).get("__slots__", ())
        for name in [own] if isinstance(own, str) else own:
            if not name.endswith("__"):  # a private one has the name of its class in front
                names.append(f"_{base.__name__.lstrip('_')}{name}" if name.startswith("__") else name)
    return names


def is_array(x: Any) -> bool:
    """Whether it is a NumPy array of objects."""
    return hasattr(x, "tolist") and str(getattr(x, "dtype", "")) == "object"


def found(x: Any, root: Any = None, modules: list[Module] | None = None) -> list[Value]:
    """The Values in `x`, in order, but not those in `root`; `modules` gets the Modules there."""
    out: list[Value] = []
    stack, seen = [x], {id(root): root}  # what was seen is kept alive, so that its id stays its own
    while stack:
        x = stack.pop()
        if isinstance(x, Value):
            out.append(x)
        elif id(x) not in seen:
            seen[id(x)] = x
            if modules is not None and isinstance(x, Module):
                modules.append(x)
            if isinstance(x, Module) and type(x).parameters is not Module.parameters:  # as in 0.1.0, it lists its own
                out += x.parameters()
            else:
                stack += [*contents(x)[1]][::-1]
    return out


def tell_of_later(modules: Sequence[Module], parameters: Sequence[Value]) -> None:
    """Warn, once for each name, of leaves that are no parameters as their name came after `__init__`."""
    for module in modules:
        own = getattr(module, "__dict__", {})
        later = own.keys() - {NAMES, *own[NAMES]} if NAMES in own and len(own) > len(own[NAMES]) + 1 else ()
        for name in later:
            place, inside = (type(module), name), list[Module]()
            if place in TOLD:
                continue
            leaves = [v for v in {*found(own[name], modules=inside)}.difference(parameters) if not v._prev]
            around = any(x is module for x in inside)  # it holds this module, and not the other way round
            if leaves and not around:
                TOLD.add(place)
                warnings.warn(
                    f"{type(module).__name__}.{name} holds Values, but came after __init__: they are not trained. If "
                    f"they are parameters, set self.{name} = None or [] in __init__; if not, keep only their numbers, "
                    f"v.data",
                    stacklevel=3,
                )


def depends_on(v: Value, parameters: Mapping[Value, object]) -> bool:
    stack, seen = [v], set()
    while stack:
        v = stack.pop()
        if v in parameters:
            return True
        if v not in seen:
            seen.add(v)
            stack += [*v._prev, *getattr(v, "leaves", ())]  # those behind a compiled function
    return False


def named(name: str, x: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The parameters in `x` with their names, which begin with `name`. `above` are the containers around it, in which
    it may occur once more."""
    if any(x is container for container in above):
        return
    x = x.tolist() if is_array(x) else x
    if isinstance(x, Module) and type(x).named_parameters is not Module.named_parameters:
        for inner, tensor in x.named_parameters():
            yield f"{name}.{inner}", tensor
    elif is_tensor(x):
        yield name, x
    elif not isinstance(x, NAMELESS):
        for key, item in zip(*contents(x)):
            yield from named(f"{name}.{key}", item, (*above, x))


def is_tensor(x: Any) -> bool:
    """Whether it is a parameter, or nested lists of parameters of equal lengths."""
    return shape(x) is not None and flat(x) != [] and all(isinstance(v, Value) and not v._prev for v in flat(x))


def shape(tensor: Any, above: tuple[Any, ...] = ()) -> tuple[int, ...] | None:
    """The lengths of nested lists; None where they differ, or where a list is in itself."""
    if not isinstance(tensor, LISTS):
        return ()
    if any(tensor is outer for outer in above):
        return None
    inner = {shape(item, (*above, tensor)) for item in tensor} or {()}
    first = inner.pop()
    return None if inner or first is None else (len(tensor), *first)


def came(x: Any) -> str:
    """What came in place of a tensor: its shape, or what it is."""
    size = shape(x)
    right = size is not None and all(isinstance(entry, Real) for entry in flat(x))
    return f"{size}" if right else f"{x!r:.50}"


def numbers(tensor: Any) -> Any:
    return [numbers(item) for item in tensor] if isinstance(tensor, LISTS) else float(tensor.data)


def flat(tensor: Any) -> list[Any]:
    return [x for item in tensor for x in flat(item)] if isinstance(tensor, LISTS) else [tensor]
