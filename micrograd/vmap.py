"""Call a function on every sample of a batch."""

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar


class Compiling(threading.local):
    """While a thread traces a function, `mapped` does what `loop` does; inside of a sample it is that again. In all
    threads, `running` tells whether one of them is in such a function."""

    running: ClassVar[int] = 0
    mapped: Callable[..., list[Any]] | None = None


compiling = Compiling()


def vmap(function: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Make a function of one sample a function of a batch: `vmap(f)(xs, ys)` is `[f(x, y) for x, y in zip(xs, ys)]`.

    In a compiled function, or as `compile(vmap(f))`, that holds for the results, but `f` is traced for one sample, and
    what was found runs on all samples together. Another number of samples is traced anew.

        >>> from micrograd import vmap
        >>> vmap(lambda x, y: x * y)([1.0, 2.0], [3.0, 4.0])
        [3.0, 8.0]

    Args:
        function: takes one item of each batch. It may use Values from outside, which all samples share.

    Raises:
        ValueError: in a call, the batches are of unequal length.
        TypeError: in a call, there is no batch, or one that is no sequence.
    """

    @functools.wraps(function)
    def mapped(*batches: Iterable[Any]) -> list[Any]:
        if not batches:
            raise TypeError("a function under vmap takes at least one batch, got none")
        for batch in batches:
            if not hasattr(batch, "__iter__"):
                raise TypeError(
                    f"a function under vmap takes batches, and gets one item of each; got one {type(batch).__name__}. "
                    f"What all samples share it uses from outside: vmap(lambda x: f(x, shared))(xs)"
                )
        lists = [list(batch) for batch in batches]
        lengths = list(map(len, lists))
        if len(set(lengths)) > 1:
            raise ValueError(f"batches must be of equal length, got {' and '.join(map(str, lengths))}")
        return run(function, list(zip(*lists)))

    return mapped


def run(function: Callable[..., Any], samples: Sequence[tuple[Any, ...]]) -> list[Any]:
    return (compiling.mapped or loop)(function, samples) if samples else []


def loop(function: Callable[..., Any], samples: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [function(*sample) for sample in samples]


def is_vmap(function: Callable[..., Any]) -> bool:
    """Whether `vmap` has made a function."""
    return getattr(function, "__code__", None) is vmap(function).__code__
