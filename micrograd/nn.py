"""Neural networks made of Values, under the names that PyTorch gives them."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller
from typing import Any, TypeAlias

from .engine import Value
from .functional import is_row
from .module import Module, named

# What 0.1.0 exports, `random` and `Value` with it, and Module.
__all__ = ["MLP", "Layer", "Module", "Neuron", "Value", "random"]


def __dir__() -> list[str]:
    return __all__


Activation: TypeAlias = Callable[[Value], Value]

# What `nonlin` may be, besides a function: the name of the activation, and its function.
ACTIVATIONS: dict[object, tuple[str, Activation]] = {
    "relu": ("ReLU", methodcaller("relu")),
    "tanh": ("Tanh", methodcaller("tanh")),
    "sigmoid": ("Sigmoid", methodcaller("sigmoid")),
    True: ("ReLU", methodcaller("relu")),
    False: ("Linear", lambda v: v),
}


class Neuron(Module):
    """`activation(w . x + b)`, with weights drawn from `random.uniform(-1, 1)` and a bias of 0.

    Args:
        nin: the number of inputs.
        nonlin: the activation: "relu", "tanh", "sigmoid"; True for relu, False for none; or a function of a Value.

    Raises:
        ValueError: `nin` is below 1 or `nonlin` unknown; in a call, `x` is not one sample of `nin` inputs.
        TypeError: `nin` is no whole number.
    """

    def __init__(self, nin: int, nonlin: bool | str | Activation = True):
        if whole("nin", nin) < 1:
            raise ValueError(f"a neuron has at least 1 input, got nin={nin}")
        if not callable(nonlin) and nonlin not in list(ACTIVATIONS):
            raise ValueError(f"nonlin is a function or one of {', '.join(map(repr, ACTIVATIONS))}; got {nonlin!r}")
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Any) -> Value:
        """The output for `x`: a sequence of `nin` Values or numbers, or a single one where `nin` is 1."""
        _, activation = activation_of(self)
        return activation(sum((wi * xi for wi, xi in zip(self.w, inputs(x, self))), self.b))

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield "weight", [self.w]  # as of a torch.nn.Linear with one output
        yield "bias", [self.b]

    def __repr__(self) -> str:
        return f"{activation_of(self)[0]}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons with the same `nin` inputs; `kwargs` go to each. Returns a list of `nout` Values, or the
    Value itself where `nout` is 1.

    Raises:
        ValueError: `nout` is below 1, or as Neuron raises it.
        TypeError: `nout` is no whole number, or as Neuron raises it.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any):
        if whole("nout", nout) < 1:
            raise ValueError(f"a layer has at least 1 neuron, got nout={nout}")
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Any) -> Any:
        """The outputs for `x`, as Neuron takes it: a list of Values, or, where `nout` is 1, one Value."""
        x = inputs(x, self.neurons[0])  # an iterator can be read only once
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield "weight", [neuron.w for neuron in self.neurons]
        yield "bias", [neuron.b for neuron in self.neurons]


class MLP(Module):
    """A multi-layer perceptron: layers of `nouts` neurons, of which the last one is linear.

    Args:
        nin: the number of inputs.
        nouts: the number of neurons of each layer.
        nonlin: the activation of the layers before the last, as for Neuron.

    Raises:
        TypeError: `nouts` is a single number, or as Layer raises it.
        ValueError: as Layer raises it.
    """

    def __init__(self, nin: int, nouts: Sequence[int], nonlin: bool | str | Activation = True):
        if not hasattr(nouts, "__iter__"):
            raise TypeError(f"nouts lists the sizes of all layers, such as MLP({nin}, [16, {nouts}]); got {nouts!r}")
        sizes = [nin, *nouts]
        hidden = len(sizes) - 2
        self.layers = [
            Layer(*size, nonlin=nonlin if i < hidden else False) for i, size in enumerate(itertools.pairwise(sizes))
        ]

    def __call__(self, x: Any) -> Any:
        """The outputs of the last layer for `x`: a list of Values, or one Value. Without layers, `x` itself."""
        for layer in self.layers:
            x = layer(x)
        return x

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        place = 0  # in a torch.nn.Sequential, where activations have places of their own
        for layer in self.layers:
            yield from named(str(place), layer)
            place += 1 if activation_of(layer.neurons[0])[0] == "Linear" else 2


def whole(name: str, n: Any) -> Any:
    """`n`, if it is a whole number."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"{name} is a whole number, got {n!r}")
    return n


def activation_of(neuron: Neuron) -> tuple[str, Activation]:
    """The name and the function of its activation. Looked up at each call, since `nonlin` may be set at any time."""
    kind: Any = neuron.nonlin
    if not callable(kind):
        return ACTIVATIONS[kind]
    return str(getattr(kind, "__name__", type(kind).__name__)).capitalize(), kind


def inputs(x: Any, neuron: Neuron) -> list[Any]:
    """One sample as a list of Values or numbers, as many as `neuron` takes."""
    sample: list[Any] = list(x) if hasattr(x, "__iter__") and getattr(x, "ndim", True) else [x]
    if is_row(sample):
        raise ValueError(
            f"{neuron!r} takes one sample at a time, got a batch of {len(sample)}: "
            f"write [model(x) for x in X], or micrograd.vmap(model)(X)"
        )
    if len(sample) != len(neuron.w):
        raise ValueError(f"{neuron!r} takes {len(neuron.w)} inputs, got {len(sample)}")
    return sample
