"""What Python and code written for micrograd 0.1.0 expect of a Value, apart from its operations.

In 0.1.0 a node keeps its local backward function as `_backward`, which takes no arguments and may be assigned; and `-`
and `/` are made of the other operations, where here each has a local backward function of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from . import scalar
from .scalar import Number


class Compatible:
    """The base of Value."""

    __slots__ = ()
    data: Number
    _prev: tuple[Any, ...]
    _grad_fn: Callable[[Any], None]

    # ---- what Python asks of numbers; == asks whether two are the same Value, as sets and dicts of Values need it ----

    def item(self) -> Any:
        """The number, as of a tensor of torch: the data, or what that holds."""
        return self.data.item() if isinstance(self.data, Compatible) else self.data

    def __pos__(self) -> Any:
        return self

    def __lt__(self, other: Any) -> Any:
        return self.data < data_of(other)

    def __le__(self, other: Any) -> Any:
        return self.data <= data_of(other)

    def __gt__(self, other: Any) -> Any:
        return self.data > data_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.data >= data_of(other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy calls this for `array + v` or `np.exp(v)`."""
        return among_objects(ufunc, method, inputs, options)

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

    # ---- what code written for 0.1.0 does ----

    @property
    def _backward(self) -> Callable[[], None]:
        """Hands `grad` on to the parents when called. Assign a function to add an operation by hand."""
        grad_fn = self._grad_fn
        return lambda: grad_fn(self)

    @_backward.setter
    def _backward(self, send: Callable[[], object]) -> None:
        self._grad_fn = ByHand(send)

    def __init_subclass__(cls) -> None:
        """A subclass of Value with a `+`, `*`, `**` or `neg` of its own sees the calls of `-` and `/` as in 0.1.0."""
        value = cls.__mro__[cls.__mro__.index(Compatible) - 1]  # the class Value, which is not there yet up here
        if any(getattr(cls, name) is not getattr(value, name) for name in ("__add__", "__mul__", "__pow__", "__neg__")):
            for name, operation in COMPOSED.items():
                if getattr(cls, name) is getattr(value, name):
                    setattr(cls, name, operation)


# As 0.1.0 makes them, but for a plain zero below, of which `0**-1` would raise.
COMPOSED: dict[str, Callable[..., Any]] = {
    "__neg__": lambda a: a * -1,
    "__sub__": lambda a, b: a + -b,
    "__rsub__": lambda a, b: b + -a,
    "__truediv__": lambda a, b: a * scalar.power(b, -1.0),
    "__rtruediv__": lambda a, b: b * a**-1,
}


class ByHand:
    """The local backward function of a node whose `_backward` was assigned."""

    assigned: ClassVar[int] = 0  # how often that was; if never, compiled functions need not look for leaves with one

    def __init__(self, send: Callable[[], object]):
        self.send = send
        ByHand.assigned += 1

    def __call__(self, out: object) -> None:
        self.send()


# Functions whose results NumPy would make bools of, or which it has not for objects.
TESTS = {
    **{"less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge},
    **{"equal": operator.eq, "not_equal": operator.ne},
    **{"bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor},
}


def among_objects(ufunc: Any, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A function of NumPy where some inputs are Values, or stand for numbers while a function is compiled. Where single
    numbers are compared, it is what their own operator returns."""
    import numpy as np

    arrays = np.ndarray | np.generic
    if ufunc.__name__ in TESTS and not any(np.ndim(x) for x in inputs if isinstance(x, arrays)):
        return TESTS[ufunc.__name__](*(x.item() if isinstance(x, arrays) else x for x in inputs))
    boxed = [x if isinstance(x, arrays) else np.array(x, dtype=object) for x in inputs]
    return getattr(ufunc, method)(*boxed, **options)


def data_of(x: Any) -> Any:
    """`x.data` of a Value, else `x`."""
    return x.data if isinstance(x, Compatible) else x
