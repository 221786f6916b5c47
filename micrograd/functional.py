"""Losses, softmax and embedding, under the names that PyTorch gives them: `import micrograd.functional as F`.

All take lists of Values or numbers, of one sample for softmax and cross entropy, of a batch for the others, and return
Values. None of them overflows on the way, as `exp` is only taken of numbers that are not positive.
"""

import math
import operator
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from . import scalar
from .engine import Value

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "embedding",
    "hinge_loss",
    "log_softmax",
    "mse_loss",
    "softmax",
]


def __dir__() -> list[str]:
    return __all__


def softmax(logits: Iterable[Any]) -> list[Value]:
    """`exp(x) / sum(exp(logits))` for each x of `logits`: probabilities, which sum to 1.

    Raises:
        ValueError: there are no logits.
    """
    exps = [x.exp() for x in shifted(logits)]
    total = add_up(exps)
    return [x / total for x in exps]


def log_softmax(logits: Iterable[Any]) -> list[Value]:
    """The logarithms of `softmax(logits)`, exact where a probability is too small for a float.

    Raises:
        ValueError: there are no logits.
    """
    xs = shifted(logits)
    log_total = add_up([x.exp() for x in xs]).log()
    return [x - log_total for x in xs]


def cross_entropy(logits: Iterable[Any], target: Any) -> Value:
    """How surprised `softmax(logits)` is by `target`: minus the logarithm of the probability of the right class.

    Args:
        logits: one for each class.
        target: the index of the right class, or a list with the probability of each class. In a compiled function the
            index may be an argument; the loss is nan where it is out of range.

    Raises:
        ValueError: there are no logits, or a batch of them; the index is out of range; there are not as many
            probabilities as logits.
        TypeError: the index is no whole number, or what should be a list is none.
    """
    rows: Any = list(logits) if hasattr(logits, "__iter__") else logits  # an iterator can be read only once
    if is_row(rows):
        raise ValueError(
            f"cross_entropy takes one sample, got a batch of {len(rows)}: write "
            f"sum(F.cross_entropy(row, target) for row, target in zip(logits, targets)) / len(logits)"
        )
    scores = log_softmax(rows)
    if getattr(target, "ndim", None) == 0:  # an array or a tensor of one number
        target = target.item()
    if isinstance(target, Iterable):
        score = add_up([p * s for p, s in zip(*equally_long("probabilities and logits", target, scores))])
    elif is_symbolic(target):  # not known yet: ask each class whether it is the one

        def where_right(x: Any, i: int) -> Value:
            return Value.where_le(target, i, Value.where_le(i, target, x, 0.0), 0.0)

        matches = add_up([where_right(1.0, i) for i in range(len(scores))])
        score = add_up([where_right(s, i) for i, s in enumerate(scores)]) / matches
    elif not hasattr(target, "__index__"):
        raise TypeError(f"a target is the index of a class, a whole number, or a list of probabilities; got {target!r}")
    elif 0 <= target < len(scores):
        score = scores[target]
    else:
        raise ValueError(f"a target among {len(scores)} logits is between 0 and {len(scores) - 1}, got {target}")
    return -score


def embedding(input: Any, weight: Sequence[Sequence[Any]]) -> list[Any]:
    """The rows of `weight` that tokens stand for: `weight[token]` for one, a list of rows for a list of tokens.

    In a compiled function the tokens may be arguments, and other tokens run the same program; a row is nan there where
    its token is no index of one. As in PyTorch, rows that were not looked up get gradients of 0.

    Args:
        input: a token, which is a whole number, the index of a row; or a list of tokens, also of lists.
        weight: a row of numbers, as long as the others, for each token that there is.

    Raises:
        IndexError: a token is negative, or there is no such row.
        ValueError: there are no rows, or they differ in length.
        TypeError: a token is no whole number, or `weight` is no list of lists.
    """
    rows = [as_values(row) for row in weight]
    if len({*map(len, rows)}) != 1:
        raise ValueError(f"weight is a list of rows, at least one, all of one length, got lengths {[*map(len, rows)]}")
    every = tuple(v for row in rows for v in row)
    plain = not any(is_symbolic(v.data) for v in every)
    # A parent of all results, so that backward() reaches each of `every`: what was not looked up gets 0.0, not None.
    table = Value(every[0].data if every else 0.0, every, "table", whole)

    def look_up(token: Any) -> list[Any]:
        if isinstance(token, Value):
            token = token.data
        if getattr(token, "ndim", None) == 0:  # an array or a tensor of one number
            token = token.item()
        if isinstance(token, Iterable) and not isinstance(token, str):
            return [look_up(one) for one in token]
        if is_symbolic(token):
            *row, found = choose(token, [[*row, Value(float(i))] for i, row in enumerate(rows)], 0)
            least = [Value.where_le(found, token, x, math.nan) for x in row]
            return entries([Value.where_le(token, found, x, math.nan) for x in least])
        if not hasattr(token, "__index__"):
            raise TypeError(f"a token is the index of a row, a whole number; got {token!r}")
        if not 0 <= token < len(rows):
            raise IndexError(f"a token of {len(rows)} rows is between 0 and {len(rows) - 1}, got {token}")
        return entries(rows[token] if plain else choose(float(token), rows, 0))

    def entries(row: list[Value]) -> list[Any]:
        return [Value(v.data, (v, table), "embedding", first_backward) for v in row]

    return look_up(input)


def whole(table: Value) -> None:
    """The local backward function of a table, which is there only to keep its entries in the graph."""


def first_backward(out: Value) -> None:
    out._prev[0].grad += out.grad


def choose(token: Any, rows: Sequence[list[Value]], first: int) -> list[Value]:
    """The row of a token that is not known yet: one of two halves, each of which is chosen in the same way.

    Args:
        first: the token of the first row.
    """
    half = len(rows) // 2
    if not half:
        return rows[0]
    below, above = choose(token, rows[:half], first), choose(token, rows[half:], first + half)
    return [Value.where_le(token, first + half - 1.0, x, y) for x, y in zip(below, above)]


def is_symbolic(x: Any) -> bool:
    """Whether it is another kind of number, such as one that is not known yet."""
    return hasattr(type(x), "where_le")


def mse_loss(inputs: Iterable[Any], targets: Iterable[Any]) -> Value:
    """The mean squared difference.

    Raises:
        ValueError: there are none, or not as many targets as inputs.
    """
    return mean([(x - t) ** 2 for x, t in zip(*equally_long("inputs and targets", inputs, targets))])


def hinge_loss(scores: Iterable[Any], targets: Iterable[Any]) -> Value:
    """The max-margin loss: the mean of `max(0, 1 - target * score)`.

    Args:
        scores: one for each sample.
        targets: its class, -1 or 1.

    Raises:
        ValueError: there are none, or not as many targets as scores.
    """
    return mean([(1 - t * s).relu() for s, t in zip(*equally_long("scores and targets", scores, targets))])


def binary_cross_entropy_with_logits(logits: Iterable[Any], targets: Iterable[Any]) -> Value:
    """The mean cross entropy of two classes.

    Args:
        logits: one for each sample: `sigmoid(logit)` is the probability of class 1.
        targets: its class, 0 or 1, or the probability of class 1.

    Raises:
        ValueError: there are none, or not as many targets as logits.
    """
    pairs = zip(*equally_long("logits and targets", logits, targets))
    return mean([(1 - t) * x - log_sigmoid(x) for x, t in pairs])  # log(1 - sigmoid(x)) is log(sigmoid(x)) - x


def log_sigmoid(x: Any) -> Any:
    return x.minimum(0.0) - (1 + (-abs(x)).exp()).log()


def shifted(logits: Iterable[Any]) -> list[Value]:
    """The logits less the largest of them, which changes no softmax. Nor can it change a gradient, so that the largest
    is taken as a number, without a way back."""
    xs = as_values(logits)
    if not xs:
        raise ValueError("softmax needs at least 1 logit, got []")
    largest = reduce(scalar.maximum, [x.data for x in xs])
    return [x - Value(largest) for x in xs]


def is_row(xs: Any) -> bool:
    """Whether its first item is a row, and no number."""
    first = xs[0] if isinstance(xs, list) and xs else None
    return bool(getattr(first, "ndim", isinstance(first, list | tuple)))


def as_values(xs: Iterable[Any]) -> list[Value]:
    if not hasattr(xs, "__iter__"):
        raise TypeError(f"expected a list of Values or numbers, got one {type(xs).__name__}: write [x]")
    return [x if isinstance(x, Value) else Value(x) for x in xs]


def equally_long(what: str, a: Iterable[Any], b: Iterable[Any]) -> tuple[list[Value], list[Value]]:
    xs, ys = as_values(a), as_values(b)
    if len(xs) != len(ys) or not xs:
        raise ValueError(f"{what} must be equally many and at least 1, got {len(xs)} and {len(ys)}")
    return xs, ys


def mean(xs: list[Value]) -> Value:
    return add_up(xs) / len(xs)


def add_up(xs: list[Value]) -> Value:
    return reduce(operator.add, xs)
