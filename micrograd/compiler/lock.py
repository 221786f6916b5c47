"""One thread traces at a time: two that put Symbols into one Value would put each other's back."""

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 120.0  # seconds
STUCK = (
    "another thread has been tracing a function for two minutes, while this one waits to trace something as well: does "
    "that function wait for this thread? Call compiled functions, and backward() of their results, outside of it"
)


lock = threading.RLock()


def take() -> None:
    if not lock.acquire(timeout=PATIENCE):
        raise RuntimeError(STUCK)


# Who forks holds it as well: the child gets the Values as they are then. Windows has no fork, and makes a dict.
register: Any = getattr(os, "register_at_fork", dict)
register(before=take, after_in_parent=lock.release, after_in_child=lock.release)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without other threads that trace, and without Python's garbage collector: Symbols are a great many objects, and
    none of them garbage.

    Raises:
        RuntimeError: another thread traces, and does not end.
    """
    take()
    collecting = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if collecting:
            gc.enable()
        lock.release()
