"""Reverse-mode automatic differentiation over single numbers.

Compute with `Value`s as you would with floats. Each result remembers its parents, the Values it was computed from, and
has a local backward closure, which adds to the `grad` of each parent what the chain rule says. `backward()` calls
these one after the other, from a result back to the leaves.

An operation never looks at its number, it only computes with it. So `data` may be a float, or another Value (a
gradient is then a graph itself, and has gradients), or any other kind of number that knows what `scalar.py` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeAlias

from . import scalar
from .scalar import Number

__all__ = ["Value"]

# A local backward closure: takes the result it belongs to, and adds to the gradients of its parents.
GradFn: TypeAlias = Callable[["Value"], None]


class Value:
    """A number that remembers how it was computed.

        >>> from micrograd import Value
        >>> a, b = Value(2.0), Value(-3.0)
        >>> (a * b + a).backward()
        >>> a.grad, b.grad
        (-2.0, 2.0)

    Args:
        data: one real number (float, int, bool, Fraction, NumPy scalar: kept as a float), or another kind of
            number, such as a Value.
        _children: the parents, the Values it was computed from; none for a leaf.
        _op: the name of the operation, for pictures.
        _grad_fn: the local backward closure of the operation that made it. Then, for speed, nothing is checked:
            `_children` must be a tuple, and `data` computed from theirs.
        label: a name, for pictures.

    Attributes:
        data: the number.
        grad: d(root)/d(self). In a leaf the gradients of every `root.backward()` add up (None counts as zero); a node
            with parents holds that of the last.

    Raises:
        TypeError: `data` is no number, a child no Value, or the label no string.

    `<`, `<=`, `>` and `>=` compare data. `==` asks whether two are the same Value, as sets and dicts of Values need it.
    """

    # Slots keep a node small; it gets a __dict__ only when somebody hangs an attribute on it, such as a label.
    __slots__ = ("__dict__", "__weakref__", "_grad_fn", "_op", "_prev", "data", "grad")
    label = ""

    def __init__(
        self,
        data: Any,
        _children: Iterable[Value] = (),
        _op: str = "",
        _grad_fn: GradFn | None = None,
        label: str = "",
    ):
        self.data: Number = data
        self.grad: Number = 0.0
        self._prev: tuple[Value, ...] = _children  # type: ignore[assignment]  # operations pass a tuple
        self._op = _op
        self._grad_fn: GradFn = _grad_fn  # type: ignore[assignment]
        if _grad_fn is None or label:  # a person made it, not an operation of this file: see whether it is right
            from_outside(self, label)

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    # ---- operations: the number they make, and beside it the way back ----
    # `lift` makes a Value of a plain number; of what may know better, such as an array, NotImplemented, so that Python
    # asks it. A backward closure is handed the result it belongs to, `out`, and keeps nothing but numbers: so no graph
    # holds itself, and all of it is freed with its root. Defaults (a=a) take less memory than captured variables, and a
    # closure that needs no number is shared by all nodes that have it, such as `add_backward`, below.

    def __add__(self, other: Any) -> Value:
        """self + other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        return Value(self.data + other.data, (self, other), "+", add_backward)

    def __mul__(self, other: Any) -> Value:
        """self * other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        a, b = self.data, other.data

        def backward(out, a=a, b=b):
            self, other = out._prev
            self.grad += out.grad * b
            other.grad += out.grad * a

        return Value(a * b, (self, other), "*", backward)

    def relu(self) -> Value:
        """max(0, self); the slope at 0 is 0"""
        a = self.data

        def backward(out, a=a):
            (self,) = out._prev
            self.grad += scalar.where_le(a, 0.0, 0.0, out.grad)

        return Value(scalar.relu(a), (self,), "ReLU", backward)

    def backward(self) -> None:
        """Add d(self)/d(leaf) to the `grad` of each leaf.

        Should an operation raise, its exception passes on and the leaves keep the gradients they had.
        """
        leaves, results = graph(self)
        before = [leaf.grad for leaf in leaves]
        for leaf, grad in zip(leaves, before):
            if grad is None:
                leaf.grad = 0.0
        for node in results:
            node.grad = UNTOUCHED
        self.grad += 1.0  # d(self)/d(self); self may be a leaf
        try:
            for node in reversed(results):
                if node.grad is not UNTOUCHED:  # from the condition of where_le no gradient comes, not even zero
                    node._grad_fn(node)
            for leaf in leaves:
                leaf._grad_fn(leaf)  # does nothing, unless a person assigned it
        except BaseException:
            for leaf, grad in zip(leaves, before):
                leaf.grad = grad
            raise

    # ---- more operations, in the same way ----

    def __neg__(self) -> Value:
        """-self"""
        return Value(-self.data, (self,), "neg", neg_backward)

    def __sub__(self, other: Any) -> Value:
        """self - other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        return Value(self.data - other.data, (self, other), "-", sub_backward)

    def __truediv__(self, other: Any) -> Value:
        """self / other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        b, y = other.data, scalar.divide(self.data, other.data)

        def backward(out, b=b, y=y):
            self, other = out._prev
            self.grad += scalar.divide(out.grad, b)
            other.grad += -out.grad * scalar.divide(y, b)

        return Value(y, (self, other), "/", backward)

    def __pow__(self, other: Any) -> Value:
        """self ** other"""
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        if isinstance(other, Constant) and isinstance(other.data, float):  # as in x**2
            return self._to_the(other.data)
        a, b, y = self.data, other.data, scalar.power(self.data, other.data)

        def backward(out, a=a, b=b, y=y):
            self, other = out._prev  # d(a**b)/da = b * a**(b - 1), d(a**b)/db = a**b * log(a), but 0 * inf is nan
            slope = y * scalar.log(a)
            self.grad += scalar.where_zero(b, 0.0, out.grad * (b * scalar.power(a, b - 1.0)))
            other.grad += out.grad * scalar.where_zero(a, scalar.where_le(0.0, b, 0.0, slope), slope)

        return Value(y, (self, other), "**", backward)

    def _to_the(self, k: float) -> Value:
        """self ** k, where the exponent is a plain number: nothing goes back to it."""
        a = self.data

        def backward(out, a=a, k=k):
            (self,) = out._prev
            if k:  # 0 * inf would be nan
                self.grad += out.grad * (k * scalar.constant_power(a, k - 1.0))

        return Value(scalar.constant_power(a, k), (self,), f"**{k:g}", backward)

    def exp(self) -> Value:
        """e ** self"""
        y = scalar.exp(self.data)

        def backward(out, y=y):
            (self,) = out._prev
            self.grad += out.grad * y

        return Value(y, (self,), "exp", backward)

    def log(self) -> Value:
        """The natural logarithm: -inf of 0, nan of negative numbers"""
        a = self.data

        def backward(out, a=a):
            (self,) = out._prev
            self.grad += scalar.divide(out.grad, a)

        return Value(scalar.log(a), (self,), "log", backward)

    def sqrt(self) -> Value:
        """The square root; nan of negative numbers"""
        y = scalar.sqrt(self.data)

        def backward(out, y=y):
            (self,) = out._prev
            self.grad += scalar.divide(out.grad, 2.0 * y)

        return Value(y, (self,), "sqrt", backward)

    def sin(self) -> Value:
        """The sine of self, in radians"""
        a = self.data

        def backward(out, a=a):
            (self,) = out._prev
            self.grad += out.grad * scalar.cos(a)

        return Value(scalar.sin(a), (self,), "sin", backward)

    def cos(self) -> Value:
        """The cosine of self, in radians"""
        a = self.data

        def backward(out, a=a):
            (self,) = out._prev
            self.grad += out.grad * -scalar.sin(a)

        return Value(scalar.cos(a), (self,), "cos", backward)

    def tanh(self) -> Value:
        """The hyperbolic tangent, between -1 and 1"""
        y = scalar.tanh(self.data)

        def backward(out, y=y):
            (self,) = out._prev
            self.grad += out.grad * ((1.0 - y) * (1.0 + y))

        return Value(y, (self,), "tanh", backward)

    def sigmoid(self) -> Value:
        """1 / (1 + e ** -self), between 0 and 1"""
        y = scalar.sigmoid(self.data)

        def backward(out, y=y):
            (self,) = out._prev
            self.grad += out.grad * (1.0 - y) * y

        return Value(y, (self,), "sigmoid", backward)

    def __abs__(self) -> Value:
        """abs(self); the slope at 0 is 0"""
        a = self.data

        def backward(out, a=a):
            (self,) = out._prev
            self.grad += out.grad * scalar.sign(a)

        return Value(abs(a), (self,), "abs", backward)

    abs = __abs__

    def maximum(self, other: Any) -> Value:
        """The larger of two; in a tie each gets half of the gradient"""
        other = as_value(other)
        a, b = self.data, other.data

        def backward(out, a=a, b=b):
            self, other = out._prev
            self.grad += share_of_larger(a, b, out.grad)
            other.grad += share_of_larger(b, a, out.grad)

        return Value(scalar.maximum(a, b), (self, other), "max", backward)

    def minimum(self, other: Any) -> Value:
        """The smaller of two; in a tie each gets half of the gradient"""
        other = as_value(other)
        a, b = self.data, other.data

        def backward(out, a=a, b=b):
            self, other = out._prev
            self.grad += share_of_larger(b, a, out.grad)
            other.grad += share_of_larger(a, b, out.grad)

        return Value(scalar.minimum(a, b), (self, other), "min", backward)

    def where_le(self: Any, bound: Any, x: Any, y: Any) -> Value:
        """x where self <= bound, else y; no gradient goes to self or to bound"""
        parents = as_value(self), as_value(bound), as_value(x), as_value(y)
        a, b, *choices = (parent.data for parent in parents)

        def backward(out, a=a, b=b):
            _, _, x, y = out._prev
            x.grad += scalar.where_le(a, b, out.grad, 0.0)
            y.grad += scalar.where_le(a, b, 0.0, out.grad)

        return Value(scalar.where_le(a, b, *choices), parents, "where", backward)

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

    # ---- what else one does with numbers ----

    def __pos__(self) -> Value:
        return self

    def __lt__(self, other: Any) -> Any:
        return self.data < data_of(other)

    def __le__(self, other: Any) -> Any:
        return self.data <= data_of(other)

    def __gt__(self, other: Any) -> Any:
        return self.data > data_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.data >= data_of(other)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(
            "float(v), int(v), round(v), math.exp(v), v % n and v // n would leave the graph, and no gradient would "
            "come back: the functions of a Value are its methods, such as v.exp(); its plain number is v.data"
        )

    __float__ = __int__ = __complex__ = __round__ = _refuse
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = _refuse

    def __getstate__(self) -> object:
        if self._prev:
            raise TypeError("a Value with parents cannot be copied or pickled; pickle the leaves instead")
        return object.__getstate__(self)

    # ---- code written for 0.1.0 ----

    @property
    def _backward(self) -> Callable[[], None]:
        """Hands `grad` on to the parents when called. Assign a function to add an operation by hand."""
        grad_fn = self._grad_fn
        return lambda: grad_fn(self)

    @_backward.setter
    def _backward(self, send: Callable[[], object]) -> None:
        self._grad_fn = ByHand(send)

    def __init_subclass__(cls) -> None:
        """In 0.1.0, `-` and `/` are made of the other operations, so that a subclass that has these of its own sees
        the calls, too. It still does."""
        if any(getattr(cls, name) is not getattr(Value, name) for name in ("__add__", "__mul__", "__pow__", "__neg__")):
            for name, operation in COMPOSED.items():
                if getattr(cls, name) is getattr(Value, name):
                    setattr(cls, name, operation)


def graph(root: Value) -> tuple[list[Value], list[Value]]:
    """All that `root` was computed from, and `root` itself.

    Returns:
        leaves: the Values without parents.
        results: the others in topological order, that is, parents before children.
    """
    leaves: list[Value] = []
    results: list[Value] = []
    seen = set()
    stack = [root]  # what is to be visited
    path: list[Value] = []  # the results on the way there, whose parents are not all done
    while stack:  # a loop, as Python's recursion ends at a depth of a thousand
        node = stack.pop()
        if node in seen:
            if node is path[-1]:  # back again: its parents are done
                results.append(path.pop())
        else:
            seen.add(node)
            if node._prev:
                path.append(node)
                stack.append(node)
                stack += node._prev
            else:
                leaves.append(node)
    return leaves, results


# The ways back that need no number, and that of the larger of two.


def add_backward(out: Value) -> None:
    x, y = out._prev
    x.grad += out.grad
    y.grad += out.grad


def sub_backward(out: Value) -> None:
    x, y = out._prev
    x.grad += out.grad
    y.grad += -out.grad


def neg_backward(out: Value) -> None:
    (x,) = out._prev
    x.grad += -out.grad


def share_of_larger(a: Number, b: Number, g: Number) -> Number:
    """What `a` gets of the gradient of the larger of two: half of it in a tie."""
    return scalar.where_le(a, b, scalar.where_le(b, a, g / 2.0, 0.0), g)


# The gradient of a result that none has reached yet: a zero that is told apart by being this one object.
UNTOUCHED = float("0")


class Constant(Value):
    """A plain number in an expression, the 2 in `2 * v`: a leaf that nobody trains."""

    __slots__ = ()


def as_value(x: Any) -> Value:
    """`x`, or a constant of it if it is a plain number.

    Raises:
        TypeError: it is no number.
    """
    return x if isinstance(x, Value) else Constant(x)


def lift(x: Any) -> Any:
    """`as_value(x)`; NotImplemented where `x` is no number, but may know what to do with a Value, as an array does."""
    try:
        return as_value(x)
    except TypeError:
        if type(x) in (str, bytes, list, tuple):  # their own error would be about repeating a sequence
            raise
        return NotImplemented


def data_of(x: Any) -> Any:
    """The number to compare with."""
    return x.data if isinstance(x, Value) else x


class ByHand:
    """The backward closure of a node that was put together by hand: it adds to the `grad` of the parents by itself.

    `made` is how many there were: where that is still 1, no leaf has one of its own."""

    made = 0

    def __init__(self, send: Callable[[], object]):
        self.send = send
        ByHand.made += 1

    def __call__(self, out: Value) -> None:
        self.send()


def nothing() -> None:
    """What a leaf hands back."""


NOTHING = ByHand(nothing)


def from_outside(node: Value, label: object) -> None:
    """Finish a Value that a person made: check what was passed, and bring it into the form that operations rely on."""
    children = node._prev
    iterable = hasattr(children, "__iter__")
    node._prev = tuple(children) if iterable else ()
    if not iterable or not all(isinstance(parent, Value) for parent in node._prev):
        raise TypeError(f"the children of a Value are a tuple of Values, got {children!r}; a name goes into label=")
    if not isinstance(label, str):
        raise TypeError(f"a label is a string, got {label!r} of type {type(label).__name__}")
    if label:
        node.label = label
    if node._grad_fn is None:
        node._grad_fn = NOTHING
        node.data = scalar.number(node.data)
        node.grad = Value(0.0) if isinstance(node.data, Value) else 0.0


# As 0.1.0 makes them.
COMPOSED: dict[str, Callable[..., Any]] = {
    "__neg__": lambda a: a * -1,
    "__sub__": lambda a, b: a + -b,
    "__rsub__": lambda a, b: b + -a,
    "__truediv__": lambda a, b: a * as_value(b) ** -1,
    "__rtruediv__": lambda a, b: b * a**-1,
}
