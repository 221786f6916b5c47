"""Reverse-mode automatic differentiation over single numbers.

Compute with `Value`s as you would with floats. Each result remembers its parents, the Values it was computed from, and
the local backward function of its operation, which adds to the `grad` of each parent what the chain rule says.
`backward()` calls these one after the other, from a result back to the leaves.

An operation never looks at its number, as in `if x > 0`: it only computes with it. So `data` may be a float, or another
Value (a gradient is then a graph itself, and has gradients), or any kind of number that has what is in `scalar.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

from . import scalar
from .compat import Compatible
from .scalar import Number

__all__ = ["Value"]

GradFn: TypeAlias = Callable[["Value"], None]


def graph(root: Value) -> tuple[list[Value], list[Value]]:
    """All that `root` was computed from: the Values without parents, called leaves; and the results of operations,
    `root` among them, in topological order, which is parents before children."""
    leaves: list[Value] = []
    results: list[Value] = []
    seen = set()
    stack: list[Any] = [root]  # a loop, as Python's recursion ends at a depth of a thousand
    while stack:
        node = stack.pop()
        if node is None:  # the parents of the next one on the stack are done
            results.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            if node._prev:
                stack += (node, None)
                try:
                    stack += node._prev
                except TypeError:
                    refuse_parents(node)
            else:
                leaves.append(node)
    return leaves, results


# The gradient of a result to which none has come: a zero, recognised by being this one object. Such a result is passed
# over, as 0 * inf would make nan of it.
UNREACHED = float("0")


class Value(Compatible):
    """A number that remembers how it was computed.

        >>> from micrograd import Value
        >>> a, b = Value(2.0), Value(-3.0)
        >>> (a * b + a).backward()
        >>> a.grad, b.grad
        (-2.0, 2.0)

    Args:
        data: one real number (kept as a float), or another kind of number, such as a Value.
        _children: the parents, the Values it was computed from, a tuple; none for a leaf.
        _op, label: names of the operation and of the result, for pictures.
        _grad_fn: the local backward function of the operation. With it, to save time, the others are not checked.

    Attributes:
        grad: d(root)/d(self). In a leaf it adds up over all calls of `root.backward()`; a result has the latest one.

    Raises:
        TypeError: `data` is no number, a child no Value, or the label no string.
    """

    # Slots keep a node small; it gets a __dict__ only when somebody hangs an attribute on it, such as a label.
    __slots__ = ("__dict__", "__weakref__", "_grad_fn", "_op", "_prev", "data", "grad")
    label = ""

    def __init__(
        self,
        data: Any,
        _children: tuple[Value, ...] = (),
        _op: str = "",
        _grad_fn: GradFn | None = None,
        label: str = "",
    ):
        self.data: Number = data
        self.grad: Number = 0.0
        self._prev = _children
        self._op = _op
        self._grad_fn: GradFn = _grad_fn or nothing
        if _grad_fn is None or label:  # not made by an operation: what is there may be wrong
            check(self, label)

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    # ---- operations: the result, and below it the local backward function, which all results of the kind share ----
    # It is called with the result, `out`, and adds to each parent's gradient: d(root)/d(out) * d(out)/d(parent).

    def __add__(self, other: Any) -> Value:
        """self + other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:  # a number becomes a Value
            return NotImplemented
        return Value(self.data + other.data, (self, other), "+", Value._add_backward)

    def _add_backward(out) -> None:
        x, y = out._prev
        x.grad += out.grad
        y.grad += out.grad

    def __mul__(self, other: Any) -> Value:
        """self * other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        return Value(self.data * other.data, (self, other), "*", Value._mul_backward)

    def _mul_backward(out) -> None:
        x, y = out._prev
        x.grad += out.grad * y.data
        y.grad += out.grad * x.data

    def relu(self) -> Value:
        """max(0, self); the slope at 0 is 0"""
        return Value(scalar.relu(self.data), (self,), "ReLU", Value._relu_backward)

    def _relu_backward(out) -> None:
        x = out._prev[0]
        x.grad += scalar.where_positive(out.data, out.grad, 0.0)

    def backward(self) -> None:
        """Add d(self)/d(leaf) to the `grad` of each leaf; if anything raises, they keep the gradients they had."""
        leaves, results = graph(self)
        with AllOrNothing(self, leaves):
            for node in results:
                node.grad = UNREACHED  # a zero
            self.grad += 1.0  # d(self)/d(self); added, as self may be a leaf
            for node in reversed(results):
                if node.grad is not UNREACHED:
                    node._grad_fn(node)
            for leaf in leaves:
                leaf._grad_fn(leaf)  # nothing, unless somebody has assigned the _backward of a leaf, as 0.1.0 allows

    # ---- more operations, in the same way ----

    def __neg__(self) -> Value:
        """-self"""
        return Value(-self.data, (self,), "neg", Value._neg_backward)

    def _neg_backward(out) -> None:
        x = out._prev[0]
        x.grad += -out.grad

    def __sub__(self, other: Any) -> Value:
        """self - other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        return Value(self.data - other.data, (self, other), "-", Value._sub_backward)

    def _sub_backward(out) -> None:
        x, y = out._prev
        x.grad += out.grad
        y.grad += -out.grad

    def __truediv__(self, other: Any) -> Value:
        """self / other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        return Value(scalar.divide(self.data, other.data), (self, other), "/", Value._truediv_backward)

    def _truediv_backward(out) -> None:
        x, y = out._prev
        x.grad += scalar.divide(out.grad, y.data)
        y.grad += -out.grad * scalar.divide(scalar.divide(x.data, y.data), y.data)

    def __pow__(self, other: Any) -> Value:
        """self ** other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        if isinstance(other, Constant) and type(k := other.data) is float:  # as in x**2: no gradient goes to the 2
            return Value(constant_power(self.data, k), (self,), f"**{k:g}", constant_power_backward(k))
        return Value(scalar.power(self.data, other.data), (self, other), "**", Value._pow_backward)

    def _pow_backward(out) -> None:
        x, y = out._prev  # d(x**y)/dx = y * x**(y - 1), but 0 if y == 0: 0 * inf would be nan
        x.grad += scalar.where_zero(y.data, 0.0, out.grad * (y.data * scalar.power(x.data, y.data - 1.0)))
        slope = out.data * scalar.log(x.data)  # d(x**y)/dy = x**y * log(x), but 0 if x == 0 and y >= 0
        y.grad += out.grad * scalar.where_zero(x.data, scalar.where_le(0.0, y.data, 0.0, slope), slope)

    def exp(self) -> Value:
        """e ** self"""
        return Value(scalar.exp(self.data), (self,), "exp", Value._exp_backward)

    def _exp_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * out.data

    def log(self) -> Value:
        """The natural logarithm: -inf of 0, nan of negative numbers"""
        return Value(scalar.log(self.data), (self,), "log", Value._log_backward)

    def _log_backward(out) -> None:
        x = out._prev[0]
        x.grad += scalar.divide(out.grad, x.data)

    def sqrt(self) -> Value:
        """The square root; nan of negative numbers"""
        return Value(scalar.sqrt(self.data), (self,), "sqrt", Value._sqrt_backward)

    def _sqrt_backward(out) -> None:
        x = out._prev[0]
        x.grad += scalar.divide(out.grad, 2.0 * out.data)

    def sin(self) -> Value:
        """The sine of self, in radians"""
        return Value(scalar.sin(self.data), (self,), "sin", Value._sin_backward)

    def _sin_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * scalar.cos(x.data)

    def cos(self) -> Value:
        """The cosine of self, in radians"""
        return Value(scalar.cos(self.data), (self,), "cos", Value._cos_backward)

    def _cos_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * -scalar.sin(x.data)

    def tanh(self) -> Value:
        """The hyperbolic tangent, between -1 and 1"""
        return Value(scalar.tanh(self.data), (self,), "tanh", Value._tanh_backward)

    def _tanh_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * ((1.0 - out.data) * (1.0 + out.data))

    def sigmoid(self) -> Value:
        """1 / (1 + e ** -self), between 0 and 1"""
        return Value(scalar.sigmoid(self.data), (self,), "sigmoid", Value._sigmoid_backward)

    def _sigmoid_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * (1.0 - out.data) * out.data

    def __abs__(self) -> Value:
        """abs(self); the slope at 0 is 0"""
        return Value(abs(self.data), (self,), "abs", Value._abs_backward)

    def _abs_backward(out) -> None:
        x = out._prev[0]
        x.grad += out.grad * scalar.sign(x.data)

    abs = __abs__

    def maximum(self: Any, other: Any) -> Value:
        """The larger of two; in a tie each gets half of the gradient"""
        x, y = as_value(self), as_value(other)
        return Value(scalar.maximum(x.data, y.data), (x, y), "max", Value._maximum_backward)

    def _maximum_backward(out) -> None:
        x, y = out._prev
        x.grad += share_of_larger(x.data, y.data, out.grad)
        y.grad += share_of_larger(y.data, x.data, out.grad)

    def minimum(self: Any, other: Any) -> Value:
        """The smaller of two; in a tie each gets half of the gradient"""
        x, y = as_value(self), as_value(other)
        return Value(scalar.minimum(x.data, y.data), (x, y), "min", Value._minimum_backward)

    def _minimum_backward(out) -> None:
        x, y = out._prev  # the other way round
        x.grad += share_of_larger(y.data, x.data, out.grad)
        y.grad += share_of_larger(x.data, y.data, out.grad)

    def where_le(self: Any, bound: Any, x: Any, y: Any) -> Value:  # called as Value.where_le(1.0, ...), too
        """x where self <= bound, else y; no gradient goes to self or to bound"""
        a, b, x, y = detached(self), detached(bound), as_value(x), as_value(y)
        return Value(scalar.where_le(a.data, b.data, x.data, y.data), (a, b, x, y), "where", Value._where_le_backward)

    def _where_le_backward(out) -> None:
        a, b, x, y = out._prev
        x.grad += scalar.where_le(a.data, b.data, out.grad, 0.0)
        y.grad += scalar.where_le(a.data, b.data, 0.0, out.grad)

    # ---- a plain number on the left: Python asks here when the number knows no answer ----

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __rsub__(self, other: Any) -> Value:
        return as_value(other) - self

    def __rtruediv__(self, other: Any) -> Value:
        return as_value(other) / self

    def __rpow__(self, other: Any) -> Value:
        return as_value(other) ** self


# ---- what the local backward functions use ----


def constant_power(a: Number, k: float) -> Number:
    return a**k if isinstance(a, Value) else scalar.constant_power(a, k)


@lru_cache
def constant_power_backward(k: float) -> GradFn:
    """The local backward function of x**k for a plain number k. Neither parent nor result holds it, so it is kept."""

    def backward(out: Value) -> None:
        x = out._prev[0]
        x.grad += out.grad * (k * constant_power(x.data, k - 1.0)) if k else 0.0  # 0 * inf would be nan

    return backward


def share_of_larger(a: Number, b: Number, g: Number) -> Number:
    """What `a` gets of the gradient of the larger of two: half of it in a tie."""
    return scalar.where_le(a, b, scalar.where_le(b, a, g / 2.0, 0.0), g)


def nothing(leaf: Value) -> None:
    """The local backward function of a leaf, which has no parents."""


class AllOrNothing:
    """Prepares the gradients of leaves for the way back from a root, where None counts as zero. After an error they are
    put back."""

    def __init__(self, root: Value, leaves: list[Value]):
        self.root, self.leaves = root, leaves

    def __enter__(self) -> None:
        self.before = [leaf.grad for leaf in self.leaves]
        for leaf, grad in zip(self.leaves, self.before):
            if grad is None:
                leaf.grad = zero_like(leaf.data)

    def __exit__(self, error: object, *_: object) -> None:
        if error:
            for leaf, grad in zip(self.leaves, self.before):
                leaf.grad = grad
        elif isinstance(self.root.data, Value):
            make_plain([leaf for leaf in self.leaves if type(leaf.data) is float])


def make_plain(leaves: list[Value]) -> None:
    """Let leaves of plain data, which were met beside Values in Values, have plain gradients, not graphs."""
    for leaf in leaves:
        while isinstance(leaf.grad, Value):
            leaf.grad = leaf.grad.data
    if trained := [leaf for leaf in leaves if not isinstance(leaf, Constant)]:
        warnings.warn(
            f"{trained[0].label or repr(trained[0])} holds a plain number, beside Values that hold Values: it gets a "
            f"plain gradient, and second derivatives do not reach it. Wrap it, too, Value(Value({trained[0].data})), "
            f"or nothing",
            stacklevel=4,
        )


# ---- Values of plain numbers, and those that a person makes ----


class Constant(Value):
    """A plain number in an expression, the 2 in `2 * v`: a leaf that nobody trains."""

    __slots__ = ()


def as_value(x: Any) -> Value:
    """`x`, or a constant of it if it is a plain number.

    Raises:
        TypeError: it is no number.
    """
    return x if isinstance(x, Value) else Constant(x)


def detached(x: Any) -> Value:
    """A constant of the number of `x`, apart from what that was computed from."""
    data = x.data if isinstance(x, Value) else x
    return Constant(detached(data) if isinstance(data, Value) else data)


def lift(x: Any) -> Any:
    """`as_value(x)`; where `x` is no number, NotImplemented, so that Python tries its operator (an array has one)."""
    try:
        return as_value(x)
    except TypeError:
        if type(x) in (str, bytes, list, tuple):  # their own error would be about repeating a sequence
            raise
        return NotImplemented


def refuse_parents(node: Value) -> NoReturn:
    raise TypeError(
        f"the parents of a Value are a tuple, with a comma also where there is one: Value(data, (x,), {node._op!r}, "
        f"...); got {node._prev!r}"
    )


def check(node: Value, label: object) -> None:
    """See whether what a person passed is right, and bring it into the form that operations rely on."""
    children: Any = node._prev
    iterable = hasattr(children, "__iter__")
    node._prev = tuple(children) if iterable else ()
    if not iterable or not all(isinstance(parent, Value) for parent in node._prev):
        raise TypeError(f"the children of a Value are a tuple of Values, got {children!r}; a name goes into label=")
    if not isinstance(label, str):
        raise TypeError(f"a label is a string, got {label!r} of type {type(label).__name__}")
    if label:
        node.label = label
    if node._grad_fn is nothing:
        node.data = scalar.number(node.data)
        node.grad = zero_like(node.data)


def zero_like(data: Number) -> Number:
    """The gradient of a leaf at first: if the data is a Value, one that can have a gradient itself."""
    return Constant(0.0) if isinstance(data, Value) else 0.0
