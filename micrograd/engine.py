"""Reverse-mode automatic differentiation over single numbers.

Compute with `Value`s as you would with floats. Each result remembers its parents, the Values it was computed
from, and how to hand a gradient back to them. `backward()` walks from a result to the leaves and adds
d(result)/d(leaf) to the `grad` of each.

An operation never looks at its number, it only computes with it. So the data of a Value may be a float, or
another Value (a gradient is then a graph itself, and has gradients), or any other kind of number that knows
the operations of `scalar.py`.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from . import scalar
from .scalar import Number

# The local backward closure of a node, its vjp: the gradient of the node -> those of its parents.
Vjp: TypeAlias = Callable[[Number], tuple[Number, ...]]
# What an operation does with the numbers of the parents: its result, and beside it the way back.
Operation: TypeAlias = Callable[..., tuple[Number, Vjp]]

new = object.__new__  # the results of operations are made past Value.__init__, which has leaves to check


def operator(op: str, operation: Operation) -> tuple[Any, Any]:
    """Make two methods of Value out of an operation: `v * other` and `other * v`."""

    def left(self: "Value", other: Any) -> Any:
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        out = new(Value)
        out.data, out._vjp = operation(self.data, other.data)
        out.grad = 0.0
        out._prev = (self, other)
        out._op = op
        return out

    def right(self: "Value", other: Any) -> Any:
        return NotImplemented if (other := lift(other)) is NotImplemented else left(other, self)

    return left, right


def function(op: str, operation: Operation) -> Callable[..., "Value"]:
    """Make a method of Value out of an operation: `v.exp()`, `v.maximum(other)`."""

    def method(*args: Any) -> "Value":
        out = new(Value)
        out._prev = tuple([x if isinstance(x, Value) else constant(x) for x in args])
        out.data, out._vjp = operation(*[parent.data for parent in out._prev])
        out.grad = 0.0
        out._op = op
        return out

    return method


def lift(x: Any) -> Any:
    """`x` as a Value; where it is no number NotImplemented, so that Python asks the other operand."""
    try:
        return x if isinstance(x, Value) else constant(x)
    except TypeError:
        return NotImplemented


def constant(x: object) -> "Value":
    """A leaf for a plain number in an expression: the 2 in `2 * v`."""
    out = Value(x)
    out._vjp = from_constant
    return out


# Vjps that need no number, shared by all nodes that have them; then the operations too long for a line.


def from_leaf(g: Number) -> tuple[Number, ...]:
    return ()


def from_constant(g: Number) -> tuple[Number, ...]:
    return ()


def to_both(g: Number) -> tuple[Number, ...]:
    return g, g


def to_larger(a: Number, b: Number, g: Number) -> Number:
    """What `a` gets of the gradient of the larger of two: half of it in a tie."""
    return scalar.where_le(a, b, scalar.where_le(b, a, g / 2.0, 0.0), g)


def power(a: Number, b: Number) -> tuple[Number, Vjp]:
    out = scalar.power(a, b)

    def vjp(g: Number) -> tuple[Number, Number]:
        to_a, to_b = g * (b * scalar.power(a, b - 1.0)), g * (out * scalar.log(a))
        return (
            scalar.where_zero(b, 0.0, to_a),
            scalar.where_zero(a, scalar.where_le(0.0, b, 0.0, to_b), to_b),
        )

    return out, vjp


class Value:
    """A number that remembers how it was computed.

    Args:
        data: one real number (float, int, bool, Fraction, numpy scalar: kept as a float), or another kind of
            number, such as a Value.
        _children: the parents, the Values it was computed from; none for a leaf.
        _op: the name of the operation, for pictures.
        label: a name, for pictures.

    Attributes:
        data: the number.
        grad: d(root)/d(self). In a leaf the gradients of every `root.backward()` add up; a node with parents
            holds that of the last.

    Raises:
        TypeError: `data` is no number.
    """

    # Slots keep a node small; it gets a __dict__ only when somebody hangs an attribute on it.
    __slots__ = ("__dict__", "__weakref__", "_op", "_prev", "_vjp", "data", "grad")
    label = ""

    def __init__(self, data: object, _children: Iterable["Value"] = (), _op: str = "", label: str = ""):
        self.data: Number = scalar.number(data)
        self.grad: Number = Value(0.0) if isinstance(self.data, Value) else 0.0
        self._prev = tuple(_children)
        self._op = _op
        self._vjp: Vjp = from_leaf
        if label:
            self.label = label

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    # One row an operation: what it makes of the numbers a and b, and beside it the way back, from the
    # gradient g of the result to the gradients of a and b. Nothing here looks at a number.

    __add__, __radd__ = operator("+", lambda a, b: (a + b, to_both))
    __sub__, __rsub__ = operator("-", lambda a, b: (a - b, lambda g: (g, -g)))
    # a=a holds a number in fewer objects than capturing it does, and products are most of any network.
    __mul__, __rmul__ = operator("*", lambda a, b: (a * b, lambda g, a=a, b=b: (g * b, g * a)))
    __truediv__, __rtruediv__ = operator(
        "/",
        lambda a, b: (q := scalar.divide(a, b), lambda g: (scalar.divide(g, b), -g * scalar.divide(q, b))),
    )
    _pow, __rpow__ = operator("**", power)

    def __pow__(self, other: Any) -> Any:
        exponent = lift(other)
        if isinstance(other, Value) or exponent is NotImplemented or not isinstance(exponent.data, float):
            return self._pow(other)
        k, pow_ = exponent.data, scalar.constant_power
        return function(f"**{k:g}", lambda a: (pow_(a, k), lambda g: (g * (k * pow_(a, k - 1.0)) if k else 0.0,)))(self)

    __neg__ = function("neg", lambda a: (-a, lambda g: (-g,)))
    __abs__ = function("abs", lambda a: (abs(a), lambda g: (g * scalar.sign(a),)))
    relu = function("ReLU", lambda a: (scalar.relu(a), lambda g, a=a: (scalar.where_le(a, 0.0, 0.0, g),)))
    exp = function("exp", lambda a: (y := scalar.exp(a), lambda g: (g * y,)))
    log = function("log", lambda a: (scalar.log(a), lambda g: (scalar.divide(g, a),)))
    sqrt = function("sqrt", lambda a: (y := scalar.sqrt(a), lambda g: (scalar.divide(g, 2.0 * y),)))
    sin = function("sin", lambda a: (scalar.sin(a), lambda g: (g * scalar.cos(a),)))
    cos = function("cos", lambda a: (scalar.cos(a), lambda g: (g * -scalar.sin(a),)))
    tanh = function("tanh", lambda a: (y := scalar.tanh(a), lambda g: (g * ((1.0 - y) * (1.0 + y)),)))
    sigmoid = function("sigmoid", lambda a: (y := scalar.sigmoid(a), lambda g: (g * (1.0 - y) * y,)))
    maximum = function("max", lambda a, b: (scalar.maximum(a, b), lambda g: (to_larger(a, b, g), to_larger(b, a, g))))
    minimum = function("min", lambda a, b: (scalar.minimum(a, b), lambda g: (to_larger(b, a, g), to_larger(a, b, g))))
    where_le = function(
        "where",
        lambda a, b, x, y: (
            scalar.where_le(a, b, x, y),
            lambda g: (0.0, 0.0, scalar.where_le(a, b, g, 0.0), scalar.where_le(a, b, 0.0, g)),
        ),
    )
    abs = __abs__

    @property
    def _backward(self) -> Callable[[], None]:
        """Hands `grad` on to the parents when called. Assign a function to add an operation by hand."""

        def backward() -> None:
            for parent, g in zip(self._prev, self._vjp(self.grad)):
                parent.grad += g

        return backward

    @_backward.setter
    def _backward(self, send: Callable[[], object]) -> None:
        def by_hand(g: Number) -> tuple[Number, ...]:
            send()
            return ()

        self._vjp = by_hand

    def backward(self) -> None:
        """Add d(self)/d(leaf) to the `grad` of each leaf.

        Should an operation raise, its exception passes on and the leaves keep the gradients they had.
        """
        leaves, results = graph(self)
        before = [leaf.grad for leaf in leaves]
        for result in results:
            result.grad = 0.0
        self.grad += 1.0
        try:
            for result in reversed(results):
                for parent, g in zip(result._prev, result._vjp(result.grad)):
                    parent.grad += g
        except BaseException:
            for leaf, grad in zip(leaves, before):
                leaf.grad = grad
            raise

    def __getstate__(self) -> object:
        if self._prev:
            raise TypeError("a Value with parents cannot be copied or pickled; pickle the leaves instead")
        return object.__getstate__(self)


def graph(root: Value) -> tuple[list[Value], list[Value]]:
    """All that `root` was computed from, and `root` itself.

    Returns:
        leaves: the Values without parents.
        results: the others in topological order, that is, parents before children.
    """
    leaves: list[Value] = []
    results: list[Value] = []
    seen = set()
    stack: list[Value | None] = [root]
    while stack:
        top = stack.pop()
        if top is None:  # the parents of the result below it are done
            results.append(stack.pop())  # type: ignore[arg-type]
        elif top not in seen:
            seen.add(top)
            if top._prev:
                stack.append(top)
                stack.append(None)
                stack += top._prev
            else:
                leaves.append(top)
    return leaves, results
