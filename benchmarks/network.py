"""The network and the loss of the moons demo: in scalars, which any library may have, and vectorised by hand.

Every environment draws the same numbers for them, with the standard library.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MOONS = (2, 16, 16, 1)  # how many inputs, and outputs of each layer


def points(samples: int = 100) -> tuple[list[list[float]], list[int]]:
    """Points in four quarters, and of each whether it is in the first or third (1) or not (-1)."""
    rng = random.Random(1337)
    X = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(samples)]
    return X, [1 if a * b > 0 else -1 for a, b in X]


def start(sizes: Sequence[int] = MOONS) -> list[Any]:
    """The weights and the biases of each layer in turn, as MLP draws them."""
    rng = random.Random(1337)
    arrays: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        arrays += [[rng.uniform(-1, 1) for _ in range(a)] for _ in range(b)], [0.0] * b
    return arrays


def in_order(arrays: Iterable[Any]) -> list[float]:
    """The numbers of weights and biases in the order of `MLP.parameters()`: behind each row of weights its bias."""
    import numpy as np

    rows: list[Any] = []
    for x in map(np.asarray, arrays):
        if x.ndim == 1:
            rows[-len(x) :] = [[*row, bias] for row, bias in zip(rows[-len(x) :], x)]
        else:
            rows += [*np.atleast_2d(x)]
    return [float(x) for row in rows for x in row]


def mlp(sizes: Sequence[int] = MOONS) -> Any:
    """micrograd's own network, of the version that is here."""
    from micrograd.nn import MLP

    random.seed(1337)
    return MLP(sizes[0], list(sizes[1:]))


def relu(v: Any) -> Any:
    return v.relu()


class ScalarMLP:
    """The network for a library that has scalars but no MLP of them.

    Args:
        parameters: its scalars, in the order of `MLP.parameters()`.
        relu: the activation, where it is no method.
    """

    def __init__(self, parameters: Sequence[Any], relu: Callable[[Any], Any] = relu):
        unused = iter(parameters)
        self.layers = [
            [([next(unused) for _ in range(a)], next(unused)) for _ in range(b)] for a, b in itertools.pairwise(MOONS)
        ]
        self.parameters, self.relu = lambda: parameters, relu

    def __call__(self, x: Sequence[Any]) -> Any:
        for layer in self.layers:
            x = [sum((w * v for w, v in zip(ws, x)), b) for ws, b in layer]
            if layer is not self.layers[-1]:
                x = [self.relu(v) for v in x]
        return x[0]


def max_margin(model: Any, X: Any, y: Any, relu: Callable[[Any], Any] = relu) -> Any:
    """The loss in scalars: how far the points are from the right side of the margin, and L2."""
    scores = [model(x) for x in X]
    margins = [relu(1 + -yi * si) for yi, si in zip(y, scores)]
    return sum(margins) * (1.0 / len(margins)) + 1e-4 * sum(p * p for p in model.parameters())


def forward(parameters: Sequence[Any], X: Any, relu: Callable[[Any], Any] = relu) -> Any:
    """The network vectorised by hand: a row of outputs for each row of `X`."""
    *hidden, W, b = parameters
    for V, c in zip(hidden[::2], hidden[1::2]):
        X = relu(X @ V.T + c)
    return X @ W.T + b


def vectorised_max_margin(parameters: Sequence[Any], X: Any, y: Any, relu: Callable[[Any], Any] = relu) -> Any:
    scores = forward(parameters, X, relu)[:, 0]
    return relu(1 - y * scores).mean() + 1e-4 * sum((p * p).sum() for p in parameters)
