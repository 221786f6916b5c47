"""A kind of number that writes down what is done to it.

Put Symbols where the floats of a computation were and run it again: instead of a number, out comes the
computation, a graph of Symbols. What needs no number to come is worked out on the spot.
"""

import contextlib
import functools
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, NoReturn

from ..compat import among_objects
from .guards.arrays import ARRAY, BOOLS
from .guards.callers import Line, calling_line
from .refusal import look, met

KEPT = "what a function computes under vmap was kept, and used outside of it; return it from the function instead"
STRANGE = "an operation added by hand looks on its way back at the data of a Value that it was not computed from"

# x + 0, x - 0, x * 1, x / 1 and x ** 1 are x. (x * 0 is not 0: x may turn out to be inf or nan.)
NEUTRAL = {"+": 0.0, "-": 0.0, "*": 1.0, "/": 1.0, "**": 1.0}
COMMUTATIVE = ("+", "*")
GIVEN = ("input", "leaf")  # numbers to come
ENTER = ("samples", "stack")  # what leads to a batch
# Those of `scalar.py`, which the class of a kind of number has; and those that NumPy asks each object in an array for.
FUNCTIONS = "relu", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "maximum", "minimum", "where_le"
UNIVERSAL = "exp", "log", "sqrt", "sin", "cos", "tanh"
NUMBERS = (Real, *BOOLS)
NOTE = (
    "(while the function ran a second time, to be compiled, on Symbols: numbers that are not known yet, of which NumPy "
    "has +, -, *, /, **, abs, exp, log, sqrt, sin, cos, tanh and what is made of these)"
)


def operator(op: str) -> tuple[Any, Any]:
    """The methods for `x op other` and `other op x`. A known operand of + and * comes to stand on the right."""

    def left(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            return NotImplemented
        return x if type(y) is float and y == NEUTRAL[op] else simplify(op, x, y)

    def right(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        return y if y is NotImplemented else simplify(op, y, x)

    return left, left if op in COMMUTATIVE else right


def comparison(op: str) -> Callable[..., Any]:
    """The method for `x op other`: a number of the program as well, 1 or 0. Of nan, as IEEE 754 has it, nothing is true
    but !=."""
    compare = COMPARISONS[op]

    def method(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            if op in ("==", "!=") and not isinstance(other, ARRAY):  # Python would say whether they are the same object
                raise refused(look(f"{op} with something of type {type(other).__name__}"))
            return NotImplemented
        return compare(x, y)

    return method


def where(a: Any, b: Any, x: Any, y: Any) -> Any:
    """x where a <= b, else y."""
    return Symbol("where_le", a, b, x, y)


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": lambda a, b: where(a, b, 1.0, 0.0),
    ">=": lambda a, b: where(b, a, 1.0, 0.0),
    "<": lambda a, b: where(a, b, where(b, a, 0.0, 1.0), 0.0),
    ">": lambda a, b: where(b, a, where(a, b, 0.0, 1.0), 0.0),
    "==": lambda a, b: where(a, b, where(b, a, 1.0, 0.0), 0.0),
    "!=": lambda a, b: where(a, b, where(b, a, 0.0, 1.0), 1.0),
}


def logic(compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The method for &, | and ^ of what comparisons give."""

    def method(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            return NotImplemented
        if not (is_truth(x) and is_truth(y)):
            raise refused(look("& or | or ^ with what is no bool"))
        return compute(x, y)

    return method


def is_truth(x: Any) -> bool:
    """Whether it is 1 or 0, as it was compared."""
    if type(x) is not Symbol:
        return x in (0.0, 1.0)
    return x.op == "where_le" and all(map(is_truth, x.args[2:]))


def plain(x: Any) -> Any:
    """`x` as a float, or the Symbol that it is; NotImplemented where it is no plain number, so that Python asks it."""
    return x if type(x) in (float, Symbol) else float(x) if isinstance(x, NUMBERS) else NotImplemented


def simplify(op: str, a: Any, b: Any) -> "Symbol":
    return Symbol("*", a, a) if op == "**" and type(b) is float and b == 2.0 else Symbol(op, a, b)


def function(name: str) -> Callable[..., Any]:
    """What a function of `scalar.py` does on Symbols. It leaves a Value among its arguments to the Value."""

    def method(*args: Any) -> Any:
        known = [*map(plain, args)]
        return NotImplemented if any(x is NotImplemented for x in known) else Symbol(name, *known)

    return method


def looked_at(what: str) -> Callable[..., Any]:
    """A method for what needs the number itself."""

    def method(self: "Symbol", *args: Any) -> NoReturn:
        raise refused(look(what))

    return method


def refused(error: TypeError) -> TypeError:
    """`error`, which is kept, as a function may catch it."""
    Symbol.looks.append(error)
    return error


HASH, TEXT = looked_at("hash, in a set or a dict,"), looked_at("a text (print, str, repr, a format)")


@dataclass(frozen=True, eq=False)
class Axis:
    """A batch. A Symbol on it stands for one number of each sample."""

    name: str
    length: int


class Functions(type):
    """The class of Symbol. It has what `scalar.py` and the engine ask a class of numbers for: `Symbol.exp` is found
    here, where Python does not look for attributes of a Symbol, and so `hasattr(x, "exp")` is False, as of a float."""

    def detach(cls, x: "Symbol") -> "Symbol":
        """A number that a leaf is made of: whatever it was computed from, no gradient goes there."""
        return x if x.op in ("input", "samples", "detach") else Symbol("detach", x)


for name in FUNCTIONS:
    setattr(Functions, name, staticmethod(function(name)))


class Symbol(metaclass=Functions):
    """What is done to numbers that are not known yet.

    Attributes:
        op: "+", "-", "*", "/", "**", "neg", "abs", "detach", the name of a function of `scalar.py`; or a number to
            come: "input" for one that is handed in, "leaf" for that of a Value, "grad" for its gradient. To a batch and
            back lead "samples" (numbers) and "stack" (those of Values), "pick", and "total", the sum over the samples.
            "part" is one dot of a sum.
        args: what it is done to, Symbols and floats. Of "samples" and "stack", one for each sample; of "pick", the
            Symbol and which sample; of "total", the Symbol and which samples, None for all.
        axis: the batch that it belongs to.
        line: the line of code that it came from; None for what leads to a batch.
    """

    __slots__ = ("args", "axis", "line", "op")
    __hash__ = object.__hash__
    looks: ClassVar[list[Exception]] = []  # what was refused
    at: ClassVar[Line | None] = None  # on the way back, the line of the operation whose gradient is computed

    def __init__(self, op: str, *args: Any):
        self.op = op
        self.args = args
        self.line: Line | None = Symbol.at or calling_line()
        self.axis: Axis | None = None
        for x in args:
            if type(x) is Symbol and x.axis:
                if self.axis and self.axis is not x.axis:
                    raise TypeError(KEPT)
                self.axis = x.axis

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance() says of it what it says of the number
        return float

    def __repr__(self) -> str:
        return f"Symbol({self.op!r}, ...)"

    def __pos__(self, memo: Any = None) -> "Symbol":
        return self

    __copy__ = __deepcopy__ = conjugate = __pos__
    real = property(__pos__)

    __add__, __radd__ = operator("+")
    __sub__, __rsub__ = operator("-")
    __mul__, __rmul__ = operator("*")
    __truediv__, __rtruediv__ = operator("/")
    __pow__, __rpow__ = operator("**")

    def __neg__(self) -> "Symbol":
        if self.op == "where_le" and all(type(x) is float for x in self.args[2:]):
            a, b, x, y = self.args
            return Symbol("where_le", a, b, -x, -y)
        return Symbol("neg", self)

    def __abs__(self) -> "Symbol":
        return Symbol("abs", self)

    __bool__ = looked_at("a test (if, while, and, or, not)")
    __eq__, __ne__ = comparison("=="), comparison("!=")
    __lt__, __le__, __gt__, __ge__ = comparison("<"), comparison("<="), comparison(">"), comparison(">=")
    __and__ = __rand__ = logic(lambda a, b: where(1.0, a, b, 0.0))
    __or__ = __ror__ = logic(lambda a, b: where(1.0, a, 1.0, b))
    __xor__ = __rxor__ = logic(COMPARISONS["!="])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return among_objects(ufunc, method, inputs, options)

    __float__, __int__ = looked_at("float(), or a function of math or NumPy,"), looked_at("int()")
    __complex__ = looked_at("complex()")
    __invert__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = looked_at("~, << or >>")
    __index__ = looked_at("an index, a range or a repetition")
    __round__ = __trunc__ = __floor__ = __ceil__ = looked_at("rounding")
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = looked_at("// or %")
    __format__ = TEXT
    __reduce_ex__ = looked_at("pickle")

    def __getattr__(self, name: str) -> Any:
        if name in UNIVERSAL:  # NumPy asks for it
            return functools.partial(getattr(Symbol, name), self)
        if hasattr(float, name) and not name.startswith("__"):
            return looked_at(f".{name}")(self)
        raise AttributeError(f"'float' object has no attribute {name!r}")


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """While somebody's function runs on Symbols: what looks at one is refused, and says so even if it is caught."""
    Symbol.looks.clear()
    # The compiler keeps Symbols in sets, by a hash of C: a method of Python's takes a quarter of a first call.
    before = Symbol.__hash__, Symbol.__repr__
    Symbol.__hash__, Symbol.__repr__ = HASH, TEXT  # type: ignore[method-assign]
    try:
        yield
        if Symbol.looks:
            raise Symbol.looks[-1]
    except (IndexError, SystemError) as error:  # NumPy's, which does not say what is the matter with an index
        raise (Symbol.looks or [look("an index or a mask of an array", met(error))])[-1] from None
    except Exception as error:
        if error not in Symbol.looks:
            error.add_note(NOTE)
        raise
    finally:
        Symbol.__hash__, Symbol.__repr__ = before  # type: ignore[method-assign]
        Symbol.looks.clear()


def ordered(roots: Iterable[Any], known: Container[Symbol] = ()) -> list[Symbol]:
    """All Symbols that some are made of, arguments first; but not those that are known, and what is behind them."""
    order: list[Symbol] = []
    seen: set[Symbol] = set()
    stack: list[Any] = [x for x in roots if type(x) is Symbol][::-1]
    while stack:
        x = stack.pop()
        if x is None:
            order.append(stack.pop())
        elif x not in seen and x not in known:
            seen.add(x)
            stack += (x, None)
            for arg in reversed(x.args):
                if type(arg) is Symbol and arg not in seen:
                    stack.append(arg)
    return order
