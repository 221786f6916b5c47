"""A scalar with gradients in the manner of microGPT.

Where micrograd's Value has a function that hands its gradient back, a Scalar keeps its parents and the derivatives
with respect to them in tuples; `backward` multiplies and adds. It is here to be compared with, not to be used.
"""

import math


class Scalar:
    """A number, the Scalars it was computed from and the derivative with respect to each of them."""

    __slots__ = ("data", "grad", "local", "parents")

    def __init__(self, data: float, parents: tuple["Scalar", ...] = (), local: tuple[float, ...] = ()):
        self.data, self.grad, self.parents, self.local = data, 0.0, parents, local

    def __add__(self, other: "Scalar | float") -> "Scalar":
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Scalar | float") -> "Scalar":
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k: float) -> "Scalar":
        return Scalar(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self) -> "Scalar":
        y = math.exp(self.data)
        return Scalar(y, (self,), (y,))

    def log(self) -> "Scalar":
        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> "Scalar":
        return Scalar(max(self.data, 0.0), (self,), (float(self.data > 0),))

    def __neg__(self) -> "Scalar":
        return self * -1.0

    def __truediv__(self, other: "Scalar | float") -> "Scalar":
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        """Add the derivative of this Scalar with respect to each one it was computed from to the `grad` of that one."""
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            v, done = stack.pop()
            if done:
                order.append(v)
            elif v not in seen:
                seen.add(v)
                stack.append((v, True))
                stack += [(p, False) for p in v.parents]
        self.grad = 1.0
        for v in reversed(order):
            for p, local in zip(v.parents, v.local):
                p.grad += local * v.grad
