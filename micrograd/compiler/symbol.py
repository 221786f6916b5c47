"""A kind of number that writes down what is done to it.

Put Symbols where the floats of a computation were and run it again: instead of a number, out comes the
computation, a graph of Symbols. What needs no number to come is worked out on the spot.
"""

import functools
import math
import sys
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from numbers import Real
from operator import add, eq, ge, gt, le, lt, mul, ne, neg, sub, truediv
from typing import Any, ClassVar, NoReturn

from ..compat import among_objects
from .arrays import ARRAY, BOOLS, np
from .callers import NUMPY, Line, at_once, called_from_here, calling_line, number_class
from .refusal import look
from .uses import is_taken

KEPT = "what a function computes under vmap was kept, and used outside of it; return it from the function instead"
STRANGE = "an operation added by hand looks on its way back at the data of a Value that it was not computed from"

# x + 0, x - 0, x * 1, x / 1 and x ** 1 are x. (x * 0 is not 0: x may turn out to be inf or nan.)
NEUTRAL = {"+": 0.0, "-": 0.0, "*": 1.0, "/": 1.0, "**": 1.0}
COMMUTATIVE = ("+", "*")
OPERATORS: dict[str, Any] = {
    **{"+": add, "-": sub, "*": mul, "/": truediv, "**": pow, "neg": neg, "abs": abs},
    **{"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne},
}
GIVEN = ("input", "leaf")  # numbers to come
ENTER = ("samples", "stack")  # what leads to a batch
# Those of `scalar.py`, which the class of a kind of number has; and those that NumPy asks each object in an array for.
FUNCTIONS = "relu", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "maximum", "minimum", "where_le"
UNIVERSAL = "exp", "log", "sqrt", "sin", "cos", "tanh"
NUMBERS = (Real, *BOOLS)


def operator(op: str) -> tuple[Any, Any]:
    """The methods for `x op other` and `other op x`. A known operand of + and * comes to stand on the right."""

    def left(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            return NotImplemented
        if x.kind is not float:
            return promoted(op, simplify(op, x, y), x, other)
        return x if type(y) is float and y == NEUTRAL[op] else simplify(op, x, y)

    def right(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        return y if y is NotImplemented else promoted(op, simplify(op, y, x), other, x)

    return left, left if op in COMMUTATIVE else right


def promoted(op: str, result: "Symbol", *operands: Any) -> "Symbol":
    """The result of an operation, with the type that it has for numbers of the types of the operands."""
    kinds = [*map(kind_for, operands)]
    if op == "**" and type(operands[1]) is not Symbol and operands[1] < 0:  # 2 ** -1 is no whole number
        kinds[0] = float
    result.kind = kind_of(op, *kinds)
    if np and op == "+" and result.kind is np.bool_:  # which is `or`; but sums and means of many count them
        if NUMPY not in sys._getframe(2).f_code.co_filename:
            looked_at("the + of two bools of NumPy")(result)
        result.kind = int
    return result


def kind_for(x: Any) -> type:
    """The type of the number that `x` is, or stands for."""
    kind: type = x.kind if type(x) is Symbol else type(x)
    return kind


@functools.cache
def kind_of(op: str, *kinds: Any) -> type:
    try:
        return type(OPERATORS[op](*(kind(1) for kind in kinds)))
    except Exception:  # somebody's class, which is not made of a number
        return float


def comparison(op: str) -> Callable[..., Any]:
    """The method for `x op other`: a number of the program as well, 1 or 0, and a bool where it is returned. Of nan, as
    IEEE 754 has it, nothing is true but !=."""
    compare = COMPARISONS[op]

    def method(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            if op in ("==", "!=") and not isinstance(other, ARRAY):  # Python would say whether they are the same object
                raise refused(look(f"{op} with something of type {type(other).__name__}"))
            return NotImplemented
        return of_kind(kind_of(op, x.kind, kind_for(other)), compare(x, y))

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
    """The method for &, | and ^ of bools."""

    def method(x: "Symbol", other: Any) -> Any:
        y = plain(other)
        if y is NotImplemented:
            return NotImplemented
        kinds = {x.kind, kind_for(other)}
        if not kinds.issubset(BOOLS):
            raise refused(look("& or | or ^ with what is no bool"))
        return of_kind(bool if kinds == {bool} else BOOLS[-1], compute(x, y))

    return method


def of_kind(kind: type, symbol: "Symbol") -> "Symbol":
    symbol.kind = kind
    return symbol


def plain(x: Any) -> Any:
    """`x` as a float, or the Symbol that it is; NotImplemented where it is no plain number, so that Python asks it."""
    return x if type(x) in (float, Symbol) else float(x) if isinstance(x, NUMBERS) else NotImplemented


def simplify(op: str, a: Any, b: Any) -> "Symbol":
    known = Symbol.again
    if type(known) is Symbol and known.op == op and known.args[0] is a and known.args[1] is b:
        return known
    if op == "**" and type(b) is float and b == 2.0:
        return Symbol("*", a, a)
    if op == "+":  # a square sends its gradient twice, one after the other
        rest, last = a.args if type(a) is Symbol and a.op == "+" else (None, a)
        twice = doubled(last, b)
        if twice is not None:
            return twice if rest is None else Symbol("+", rest, twice)
    return Symbol(op, a, b)


def doubled(x: Any, y: Any) -> "Symbol | None":
    """x + y, if both are the same product, as one product."""
    if type(x) is not Symbol or type(y) is not Symbol or not x.op == y.op == "*" or x.args[0] is not y.args[0]:
        return None
    c, d = x.args[1], y.args[1]
    if type(c) is type(d) is float:
        return Symbol("*", x.args[0], c + d) if c == d and abs(c + d) < math.inf else None
    return Symbol("*", x, 2.0) if c is d else None


def function(name: str) -> Callable[..., Any]:
    """What a function of `scalar.py` does on Symbols. It leaves a Value among its arguments to the Value."""

    def method(*args: Any) -> Any:
        known = [*map(plain, args)]
        return NotImplemented if any(x is NotImplemented for x in known) else Symbol(name, *known)

    return method


def looked_at(what: str) -> Callable[..., Any]:
    """A method for what needs the number itself."""

    def method(self: "Symbol", *args: Any) -> NoReturn:
        error = look(what)
        raise error if called_from_here() else refused(error)  # for the text of an error here, nobody has looked

    return method


def refused(error: TypeError) -> TypeError:
    """`error`, which is kept, as a function may catch it."""
    Symbol.looks.append(error)
    return error


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
        op: "+", "-", "*", "/", "**", "neg", "detach", the name of a function of `scalar.py`; or a number to come:
            "input" for one that is handed in, "leaf" for that of a Value. To a batch and back lead "samples" (numbers)
            and "stack" (those of Values), "pick", and "total", the sum over the samples. "part" is one dot of a sum.
        args: what it is done to, Symbols and floats. Of "samples" and "stack", one for each sample; of "pick", the
            Symbol and which sample; of "total", the Symbol and which samples, None for all.
        axis: the batch that it belongs to.
        kind: the type of the number that it stands for.
        line: the line of code that it came from; None for what leads to a batch.
    """

    __slots__ = ("args", "axis", "kind", "line", "op")
    __class__ = number_class
    __hash__ = object.__hash__
    looks: ClassVar[list[Exception]] = []  # what was refused
    typed: ClassVar[bool] = False  # whether somebody has asked for the type of one
    # On the way back, of the operation whose gradient is computed: its line, and its result, which is known by then.
    at: ClassVar[Line | None] = None
    again: ClassVar[Any] = None

    def __init__(self, op: str, *args: Any):
        self.op = op
        self.args = args
        self.line: Line | None = Symbol.at or calling_line()
        self.axis: Axis | None = None
        self.kind: type = float
        for x in args:
            if type(x) is Symbol and x.axis:
                if self.axis and self.axis is not x.axis:
                    raise TypeError(KEPT)
                self.axis = x.axis

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
        return promoted("neg", Symbol("neg", self), self)

    def __abs__(self) -> "Symbol":
        return promoted("abs", Symbol("abs", self), self)

    __bool__ = looked_at("a test (if, while, and, or, not)")
    __eq__, __ne__ = comparison("=="), comparison("!=")
    __lt__, __le__, __gt__, __ge__ = comparison("<"), comparison("<="), comparison(">"), comparison(">=")
    __and__ = __rand__ = logic(lambda a, b: Symbol("*", a, b))
    __or__ = __ror__ = logic(lambda a, b: Symbol("maximum", a, b))
    __xor__ = __rxor__ = logic(COMPARISONS["!="])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return among_objects(ufunc, method, inputs, options)

    __float__, __int__ = looked_at("float(), or a function of math or NumPy,"), looked_at("int()")
    __complex__ = looked_at("complex()")
    __invert__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = looked_at("~, << or >>")
    __index__ = looked_at("an index, a range or a repetition")
    __round__ = __trunc__ = __floor__ = __ceil__ = looked_at("rounding")
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = looked_at("// or %")
    __format__ = looked_at("a text (print, str, repr, a format)")
    __reduce_ex__ = looked_at("pickle")

    def __getattr__(self, name: str) -> Any:
        if name in UNIVERSAL:  # a float has none, but NumPy asks for it, and calls it
            function = functools.partial(getattr(Symbol, name), self)
            return at_once(function, look(f"asking for .{name}"), Symbol.looks)
        libraries = is_taken(sys._getframe(1).f_code.co_filename)  # which do without
        if not libraries and not name.startswith("__") and (hasattr(self.kind, name) or self.kind.__dictoffset__):
            return looked_at(f".{name}")(self)  # of objects with a __dict__ it may be in there
        Symbol.typed |= not libraries
        raise AttributeError(f"{self.kind.__name__!r} object has no attribute {name!r}")


def number(kind: type, op: str = "input") -> Symbol:
    """A number to come of some type."""
    symbol = Symbol(op)
    symbol.kind = float if hasattr(kind, "where_le") else kind  # a Value in a Value is refused later
    return symbol


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
