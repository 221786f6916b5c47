"""One layer of microGPT, written out in scalars: RMSNorm, causal attention of several heads, and a relu MLP."""

import random
from collections.abc import Callable
from typing import Any, TypeAlias

Vector: TypeAlias = list[Any]  # of Values, or of any other scalars that compute as they do
Matrix: TypeAlias = list[Vector]


def linear(x: Vector, w: Matrix) -> Vector:
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def softmax(x: Vector) -> Vector:
    exps = [v.exp() for v in x]
    total = sum(exps)
    return [e / total for e in exps]


def norm(x: Vector) -> Vector:
    scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
    return [v * scale for v in x]


def value(x: float) -> Any:
    from micrograd import Value  # which is not in PyTorch's environment: there the parameters are floats

    return Value(x)


class GPT:
    """The parameters, drawn at random, and the loss.

    Args:
        dims: the size of an embedding; `heads` divides it.
        block: the number of tokens that have a place.
        spread: the standard deviation of the parameters.
        make: makes a parameter of a float.
    """

    def __init__(
        self,
        dims: int = 16,
        heads: int = 4,
        vocabulary: int = 27,
        block: int = 16,
        spread: float = 0.08,
        make: Callable[[float], Any] = value,
    ):
        rng = random.Random(0)

        def matrix(rows: int, columns: int) -> Matrix:
            return [[make(rng.gauss(0, spread)) for _ in range(columns)] for _ in range(rows)]

        self.dims, self.heads = dims, heads
        self.wte, self.wpe, self.head = matrix(vocabulary, dims), matrix(block, dims), matrix(vocabulary, dims)
        self.wq, self.wk, self.wv, self.wo = (matrix(dims, dims) for _ in range(4))
        self.w1, self.w2 = matrix(4 * dims, dims), matrix(dims, 4 * dims)

    def matrices(self) -> list[Matrix]:
        return [self.wte, self.wpe, self.head, self.wq, self.wk, self.wv, self.wo, self.w1, self.w2]

    def parameters(self) -> Vector:
        return [p for w in self.matrices() for row in w for p in row]

    def loss(self, rows: Matrix, targets: Matrix) -> Any:
        """The mean cross entropy.

        Args:
            rows: the embeddings of the tokens, in order.
            targets: for each of them the probabilities of the next token.
        """
        keys: Matrix = []
        values: Matrix = []
        losses, size = [], self.dims // self.heads
        for row, place, target in zip(rows, self.wpe, targets):
            x = norm([a + b for a, b in zip(row, place)])
            normed = norm(x)
            q, k, v = (linear(normed, w) for w in (self.wq, self.wk, self.wv))
            keys.append(k)
            values.append(v)
            mixed = []
            for h in range(self.heads):
                part = slice(h * size, (h + 1) * size)
                scores = [sum(a * b for a, b in zip(q[part], key[part])) / size**0.5 for key in keys]
                attention = softmax(scores)
                mixed += [sum(a * v[j] for a, v in zip(attention, values)) for j in range(part.start, part.stop)]
            x = [a + b for a, b in zip(linear(mixed, self.wo), x)]
            hidden = [v.relu() for v in linear(norm(x), self.w1)]
            x = [a + b for a, b in zip(linear(hidden, self.w2), x)]
            probabilities = softmax(linear(x, self.head))
            losses.append(-sum(p * t for p, t in zip(probabilities, target)).log())
        return sum(losses) / len(losses)
