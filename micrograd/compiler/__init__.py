"""Run a function of scalars as a tensor program.

A compiled function goes through these passes at its first call, and through the first and the last from then on. Each
hands a value to the next; the tensor program in between is data (`function`), so that any pass can be looked at alone.
README.md, beside this file, follows one neuron through all of them.

    structure  take_apart  arguments                    -> numbers, Values, and their structure, which is a key
    surroundings           the function                 -> what it can reach; that `hold`s as long as it is as it was
    trace      trace       the function, run on Symbols -> a graph of Symbols; a call under vmap (`batch`) adds an axis
    cost       is_narrow   the graph                    -> whether plain floats are faster; if so, FloatProgram writes
                                                           them out, and the next passes are not needed
    schedule   schedule    the graph                    -> levels of scalars that need none of each other
    layout     lay_out     levels                       -> steps on tensors; `places` knows where each number lies,
                                                           `contract` which sums of products are one matrix product
    places     function    steps                        -> a Function
    verify     verify      a Function                   -> nothing: names, ranges, axes and shapes are right
    emit       Text        a Function                   -> NumPy code; `in_torch` prints the same in torch
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
    """Run a function that computes with Values as a tensor program: same results, same gradients, much faster.

    The first call traces the function, which runs it twice, and looks for the matrix products in its graph of scalars.
    Later calls run what was found.

        >>> from micrograd import Value, compile
        >>> w = Value(2.0)
        >>> loss = compile(lambda xs: sum((w * x - 1.0) ** 2 for x in xs))
        >>> out = loss([1.0, 2.0, 3.0])
        >>> out.backward()
        >>> out.data, w.grad
        (35.0, 44.0)

    What is small, or goes one operation after the other, becomes straight-line Python
    on floats instead, and so does everything where NumPy is missing.

    The compiled function returns what the function returns, with the same gradients of leaves, up to rounding (the
    order of sums, and with it the sign of a zero), or it raises an error that says why. Its numbers are compared with
    those of the function at the first call, and, for up to two million operations, its gradients at the first
    `backward()`; at every call, what the function can reach around it is compared with what was there when it was
    traced, and something else is traced anew. A function that changes what is around it, draws random numbers or looks
    at a number is refused; what it prints, it prints when it is traced, and not again. Outside of this lies what no
    program can see: what changes, after the first call, inside an iterator, an installed package, an object of a class
    of Python that is no container (a Queue, an Event, a Logger) or C code, in files or in settings of the process (the
    working directory, the context of decimals), what is only weakly referenced (it stays alive), which classes are
    derived from one or registered, and how numbers lie in memory (`x is math.nan`, `X.strides`, `X.flags`); and plain
    numbers among the arguments, whole ones too, and those of NumPy in `data`, are computed with as Values are, in
    float64: 1 / 0 is inf, and raises no error. Of two results that are returned together, the gradient of one does not
    pass through the other; lists that are returned are new ones, and numbers that are computed floats, or bools of
    comparisons. An operation added by hand finds, on its way back, the data of the way forward.

    Args:
        function: takes numbers, arrays of numbers, Values, and lists, tuples and dicts of them, and returns Values and
            numbers, likewise. All these may differ from call to call. It may use Values from outside, such as the
            parameters of a model: their data is read at each call, and `backward()` reaches them. The `data` of a
            Value is its number now; no gradient goes through it. Other structures or shapes are traced anew, as are
            other strings, bools, Nones and other objects among the arguments; and where its code asks for that (`is`,
            `isinstance`, `.label`), arguments of which others are the same, of another type or under another label.
        static: names of arguments whose numbers the program may depend on; they are traced anew for each value.
        maxsize: how many programs to keep; the oldest goes first.

    Warns:
        UserWarning: something around the function, or an object among the arguments, was another for the eighth time.

    Returns:
        The compiled function. Its `program` prints what was found, each line with the line of the function that it came
        from, and has the NumPy code as `source`; `program_for(*args)` is the one for these arguments. Without
        `function`: a decorator.

    Raises:
        TypeError: when traced, the function looks at a number (`if x > 0`, `float(x)`, `range(n)`, `print(x)`), changes
            what is around it, returns something else than Values and numbers, or other things or numbers than without
            compile, or assigns attributes of a Value that it returns; it reads `grad` of a Value from outside, uses
            Values in Values, keeps what it computes under vmap and uses it outside of it, or has an operation added by
            hand whose numbers are not made of its parents', or that changes, on its way back, more than their grad. A
            Value without parents has a `_backward`. An argument can be gone through once only, could not be put
            together again, has small whole numbers of NumPy, which wrap around, or is a Value that a `functools.cache`
            has as a key; `static` is a text. All is as it was then, but for iterators, which have moved on.
        RuntimeError: another thread waits while it traces, perhaps for this one. Or, by `backward()` of a result, the
            data of a Value was changed after the call.
        ValueError: `static` has a name that is no argument's, or `maxsize` is no number of programs.

    Threads may share a compiled function. While one of them traces, others must not use the same Values; the first
    `backward()` from other results than before traces as well. Where the function waits for threads that call compiled
    functions, these run as they are while it is traced; for a `backward()` there that traces it must not wait.
    """
    if function is None:
        return functools.partial(compile, static=static, maxsize=maxsize, check=check)
    if isinstance(function, staticmethod | classmethod):  # which say how it is called as an attribute of a class
        return type(function)(compile(function.__func__, static=static, maxsize=maxsize, check=check))
    from .compiled import Compiled

    return Compiled(function, static, maxsize, check)
