"""Run a function of scalars as a tensor program.

A compiled function goes through these passes at its first call, and through the first and the last from then on. Each
hands a value to the next; the tensor program in between is data (`function`), so that any pass can be looked at alone.
README.md, beside this file, follows one neuron through all of them.

    guards     take_apart  arguments                    -> numbers, Values, and their structure, which is a key
    guards     Reach       the function                 -> what it reaches by name; that `holds`, or not
    trace      trace       the function, run on Symbols -> a graph of Symbols; a call under vmap (`batch`) adds an axis
    cost       is_narrow   the graph                    -> whether plain floats are faster; if so, FloatProgram writes
                                                           them out, and the next passes are not needed
    schedule   schedule    the graph                    -> levels of scalars that need none of each other
    layout     lay_out     levels                       -> steps on tensors; `places` knows where each number lies,
                                                           `contract` which sums of products are one matrix product
    places     function    steps                        -> a Function
    verify     verify      a Function                   -> nothing: names, ranges, axes and shapes are right
    emit       Text        a Function                   -> NumPy code; `in_torch` prints the same in torch
    machine    Code        a Function                   -> the same as machine code, where `backend` finds LLVM
    check      compare     numbers of both              -> nothing: the program computes what the function does
    call       Call        arguments                    -> Values, through the code

The way back goes through the same passes when it is first asked for: `derivative` instead of `trace`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from .compiled import Compiled

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compile(
    function: Callable[P, R], *, static: Sequence[str] = ..., maxsize: int = ..., check: bool = ...
) -> Compiled[P, R]: ...
@overload
def compile(
    function: None = None, *, static: Sequence[str] = ..., maxsize: int = ..., check: bool = ...
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
def compile(function: Any = None, *, static: Sequence[str] = (), maxsize: int = 64, check: bool = False) -> Any:
    """Run a function that computes with Values as a tensor program: the same results and gradients, much faster.

        >>> from micrograd import Value, compile
        >>> w = Value(2.0)
        >>> loss = compile(lambda xs: sum((w * x - 1.0) ** 2 for x in xs))
        >>> loss([1.0, 2.0, 3.0]).data
        35.0

    A compiled function returns what it would return uncompiled, up to rounding, or raises. It depends on its arguments,
    on the data of its Values, and on what its code reaches by name; when any of that is another, it is traced anew.
    Numbers among the arguments are floats: compute with them and compare them, but do not branch on them. It may change
    nothing and draw nothing. What has no name there (files, the clock, an iterator's position, names that are computed,
    what is told by type, by identity or by a weak reference, a library's own code) is only seen with `check=True`,
    which compares every call with the function itself.

    Args:
        function: takes numbers, Values, arrays, and lists, tuples and dicts of them, and returns Values and numbers,
            likewise. Anything else among its arguments is compared whole. Without it: a decorator.
        static: names of arguments whose numbers the program may depend on; they are traced anew for each value.
        maxsize: how many programs to keep; the oldest goes first.
        check: whether to compare every call, and not only the first: it then takes as long as uncompiled.

    Raises:
        TypeError: what it does is no program, and why. RuntimeError: another thread traces, or data changed before the
            way back. ValueError: `static` has a name that is no argument's.
    """
    if function is None:
        return functools.partial(compile, static=static, maxsize=maxsize, check=check)
    if isinstance(function, staticmethod | classmethod):  # which say how it is called as an attribute of a class
        return type(function)(compile(function.__func__, static=static, maxsize=maxsize, check=check))
    from .compiled import Compiled

    return Compiled(function, static, maxsize, check)
