"""Neural networks made of Values, under the names that PyTorch gives them."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .engine import Value
from .module import Module, named

__all__ = ["MLP", "Layer", "Module", "Neuron"]

# What `nonlin` may be: an activation by name, True for relu, False for none.
ACTIVATIONS = {True: "ReLU", False: "Linear", "relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class Neuron(Module):
    """`activation(w . x + b)`, with weights drawn from `random.uniform(-1, 1)` and a bias of 0.

    Args:
        nin: the number of inputs.
        nonlin: the activation: "relu", "tanh", "sigmoid"; True for relu, False for none.

    Raises:
        ValueError: `nin` is below 1 or `nonlin` unknown; in a call, `x` has not `nin` inputs.
    """

    def __init__(self, nin: int, nonlin: bool | str = True):
        if nin < 1:
            raise ValueError(f"a neuron has at least 1 input, got nin={nin}")
        if nonlin not in ACTIVATIONS:
            raise ValueError(f"nonlin is one of {', '.join(map(repr, ACTIVATIONS))}; got {nonlin!r}")
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Any) -> Value:
        """The output for `x`: a sequence of `nin` Values or numbers, or a single one where `nin` is 1."""
        inputs = list(x) if isinstance(x, Iterable) else [x]
        if len(inputs) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, got {len(inputs)}")
        act = self.b
        for wi, xi in zip(self.w, inputs):
            act = act + wi * xi
        method = ACTIVATIONS[self.nonlin].lower()
        return act if method == "linear" else getattr(act, method)()

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield "weight", [self.w]  # as of a torch.nn.Linear with one output
        yield "bias", [self.b]

    def __repr__(self) -> str:
        return f"{ACTIVATIONS[self.nonlin]}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons with the same `nin` inputs; `kwargs` go to each. Returns a list of `nout` Values, or the
    Value itself where `nout` is 1.

    Raises:
        ValueError: `nout` is below 1, or as Neuron raises it.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any):
        if nout < 1:
            raise ValueError(f"a layer has at least 1 neuron, got nout={nout}")
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Any) -> Any:
        inputs = list(x) if isinstance(x, Iterable) else x  # an iterator can be read only once
        out = [neuron(inputs) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield "weight", [neuron.w for neuron in self.neurons]
        yield "bias", [neuron.b for neuron in self.neurons]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multi-layer perceptron: layers of `nouts` neurons, of which the last one is linear.

    Args:
        nin: the number of inputs.
        nouts: the number of neurons of each layer.
        nonlin: the activation of the layers before the last, as for Neuron.
    """

    def __init__(self, nin: int, nouts: Sequence[int], nonlin: bool | str = True):
        sizes = zip([nin, *nouts], nouts)
        last = len(nouts) - 1
        self.layers = [Layer(*size, nonlin=i < last and nonlin) for i, size in enumerate(sizes)]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        place = 0  # in a torch.nn.Sequential, where activations have places of their own
        for layer in self.layers:
            yield from named(str(place), layer)
            place += 1 if ACTIVATIONS[layer.neurons[0].nonlin] == "Linear" else 2

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
