"""Run a function of scalars as a tensor program."""

import functools
from collections.abc import Callable, Sequence
from typing import Any


def compile(function: Callable[..., Any] | None = None, *, static: Sequence[str] = (), maxsize: int = 64) -> Any:
    """Run a function that computes with Values as a tensor program: same results, same gradients, much faster.

    The first call traces the function, which runs it twice, and looks for the matrix products in its graph of scalars.
    Later calls run what was found. Sums are added up in another order than in the function, so that numbers may
    differ in their last digits.

    Args:
        function: takes numbers, arrays of numbers, Values, and lists, tuples and dicts of them, and returns Values and
            numbers, likewise. All these may differ from call to call. It may use Values from outside, such as the
            parameters of a model: their data is read at each call, and `backward()` reaches them. Other structures or
            shapes, or another object under a global name the function uses, are traced anew, as are other strings,
            bools, Nones and other objects among the arguments.
        static: names of arguments whose numbers the program may depend on; they are traced anew for each value.
        maxsize: how many programs to keep; the oldest goes first.

    Returns:
        The compiled function. Its `program` prints what was found and has the NumPy code as `source`;
        `program_for(*args)` is the one for these arguments. Without `function`: a decorator.

    Raises:
        TypeError: when traced, the function looks at a number (`if x > 0`, `float(x)`, `range(n)`), assigns to `data`
            of a Value from outside, returns something else than Values and numbers, or has an operation added by hand
            whose numbers are not made of its parents'. Nothing has changed then.
        ImportError: NumPy is missing.

    Threads may share a compiled function. While one of them traces, others must not use the same Values.
    """
    if function is None:
        return functools.partial(compile, static=static, maxsize=maxsize)
    try:
        from .compiled import Compiled
    except ImportError:
        raise ImportError('compile needs NumPy: pip install "micrograd[compile]"') from None
    return Compiled(function, static, maxsize)
