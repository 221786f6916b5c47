"""How a model's parameters are found, named and saved: whatever is made of Values can be a Module.

    class Line(Module):
        def __init__(self):
            self.slope, self.offsets = Value(1.0), [Value(0.0), Value(0.0)]

has three parameters, and the state {"slope": 1.0, "offsets": [0.0, 0.0]}.
"""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from .engine import Value

LISTS = list, tuple


class Module:
    """Something with parameters to train: the Values without parents among its attributes, also those in lists, tuples,
    dicts and Modules there. (A Value with parents is no parameter but a result, kept for later.)"""

    def parameters(self) -> list[Value]:
        """The Values to train, always in the same order, each once."""
        return list(dict.fromkeys(found(vars(self))))

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Pairs of a name, made of attributes, indices and keys ("layers.0.weight"), and what it names: a Value, or
        nested lists of Values of equal lengths. A class may have this method of its own, for other names."""
        for name, x in vars(self).items():
            yield from named(name, x)

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for p in self.parameters():
            p.grad = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The data of all parameters by name, as nested lists of floats: it can be saved as JSON.

        Raises:
            TypeError: a parameter has no name.
        """
        tensors = dict(self.named_parameters())
        if nameless := set(self.parameters()) - {p for tensor in tensors.values() for p in flat(tensor)}:
            raise TypeError(f"{type(self).__name__}.named_parameters() leaves out {len(nameless)} of its parameters")
        return {name: numbers(tensor) for name, tensor in tensors.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the data of all parameters.

        Args:
            state: the numbers by name, in nested lists, as of `state_dict()`, or in tensors or arrays.

        Raises:
            ValueError: lists every name that is missing, that no parameter has, or whose numbers have another shape.
                Nothing has changed then.
        """
        state = {name: x.tolist() if hasattr(x, "tolist") else x for name, x in state.items()}
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own if name not in state]
        wrong += [f"{name} is not a parameter" for name in state if name not in own]
        wrong += [
            f"{name} should be numbers of shape {shape(x)}, got {state[name]!r:.50}"
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


def found(x: Any) -> list[Value]:
    """The parameters in `x`, in order."""
    out: list[Value] = []
    stack, seen = [x], set()
    while stack:
        x = stack.pop()
        if isinstance(x, Value):
            if not x._prev:
                out.append(x)
        elif isinstance(x, LISTS):
            stack += reversed(x)
        elif isinstance(x, dict):
            stack += reversed(x.values())
        elif isinstance(x, Module) and x not in seen:
            seen.add(x)
            listed = type(x).parameters is not Module.parameters
            stack += reversed(x.parameters() if listed else vars(x).values())
    return out


def named(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """The parameters in `x` with their names, which begin with `name`."""
    entries = flat(x)
    if isinstance(x, Module):
        for inner, tensor in x.named_parameters():
            yield f"{name}.{inner}", tensor
    elif entries and shape(x) is not None and all(isinstance(entry, Value) and not entry._prev for entry in entries):
        yield name, x
    elif isinstance(x, (dict, *LISTS)):
        for key, item in x.items() if isinstance(x, dict) else enumerate(x):
            yield from named(f"{name}.{key}", item)


def shape(tensor: Any) -> tuple[int, ...] | None:
    """The lengths of nested lists; None where they differ."""
    if not isinstance(tensor, LISTS):
        return ()
    inner = {shape(item) for item in tensor} or {()}
    first = inner.pop()
    return None if inner or first is None else (len(tensor), *first)


def numbers(tensor: Any) -> Any:
    return [numbers(item) for item in tensor] if isinstance(tensor, LISTS) else tensor.data


def flat(tensor: Any) -> list[Any]:
    return [x for item in tensor for x in flat(item)] if isinstance(tensor, LISTS) else [tensor]
