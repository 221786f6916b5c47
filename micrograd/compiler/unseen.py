"""What somebody's code does not see of Symbols, and of gradients that are not known, while it runs on them."""

import contextlib
from collections.abc import Iterator
from typing import Any

from ..engine import Value
from .backward import put
from .bytecode import ANY
from .callers import called_from_here
from .refusal import look, met
from .symbol import Symbol, looked_at

READ = "the function reads .grad of a Value from outside; pass the number in as an argument"
HIDDEN, GRAD = Symbol("grad"), vars(Value)["grad"]
HASH, TEXT = looked_at("hash, in a set or a dict,"), looked_at("a text (print, str, repr, a format)")

NOTE = (
    "(while the function ran a second time, to be compiled, on Symbols: numbers that are not known yet, of which NumPy "
    "has +, -, *, /, **, abs, exp, log, sqrt, sin, cos, tanh and what is made of these)"
)


class Noticed:
    """What `grad` of all Values is for a while: where it is HIDDEN only copies may have it, which hide it as well. It
    is equal to what it is otherwise, so that programs in other threads find nothing changed."""

    __set__, __delete__ = GRAD.__set__, GRAD.__delete__

    def __eq__(self, other: object) -> bool:
        return other is GRAD

    def __get__(self, v: Any, kind: Any = None) -> Any:
        x = GRAD.__get__(v, kind)
        if x is HIDDEN and not called_from_here():
            Symbol.looks.append(TypeError(READ))
            raise Symbol.looks[-1]
        return x


class Private:
    """What a slot is while somebody's code uses its name: only the code of this package finds it."""

    def __init__(self, slot: Any):
        self.slot = slot

    def __get__(self, x: Any, kind: type) -> Any:
        if x is None or called_from_here():
            return self.slot.__get__(x, kind)
        raise AttributeError

    def __set__(self, x: Any, item: Any) -> None:
        if not called_from_here():
            raise AttributeError(f"{x.kind.__name__!r} object has no attribute {self.slot.__name__!r}")
        self.slot.__set__(x, item)


@contextlib.contextmanager
def unseen(names: set[str]) -> Iterator[None]:
    """While somebody's function runs that uses some names: Symbols have no hash and no text, which would be looks at a
    number, nor attributes by these names; and where the gradient of a Value is HIDDEN, whoever reads it is noticed."""
    private = {name: Private(vars(Symbol)[name]) for name in Symbol.__slots__ if {name, ANY} & names}
    others = {"__hash__": HASH, "__repr__": TEXT, **private}
    before = [(Value, "grad", GRAD), *((Symbol, name, vars(Symbol)[name]) for name in others)]
    Symbol.looks.clear()
    Symbol.typed = False
    try:
        put([(Value, "grad", Noticed()), *((Symbol, name, x) for name, x in others.items())])
        yield
        if Symbol.looks:  # what was refused, the function has caught
            raise Symbol.looks[-1]
    except (IndexError, SystemError) as error:  # NumPy's, which does not say what is the matter with an index
        raise (Symbol.looks or [look("an index or a mask of an array", met(error))])[-1] from None
    except Exception as error:
        if error not in Symbol.looks:
            error.add_note(NOTE)
        raise
    finally:
        put(before)
        Symbol.looks.clear()
