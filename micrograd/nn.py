"""Neural networks made of Values, under the names that PyTorch gives them."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from .engine import Value

# What `nonlin` may be: an activation by name, True for relu, False for none.
ACTIVATIONS = {True: "ReLU", False: "Linear", "relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class Module:
    """Something with parameters to train."""

    def parameters(self) -> list[Value]:
        """The Values to train, always in the same order."""
        return []

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to zero."""
        for p in self.parameters():
            p.grad = 0.0


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

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

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

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

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

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
