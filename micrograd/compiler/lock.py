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


class Lock:
    """Held by the thread that traces, and by one that forks: the child gets the Values as they are then."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def take(self) -> None:
        if not self.lock.acquire(timeout=PATIENCE):
            raise RuntimeError(STUCK)

    def give(self) -> None:
        self.lock.release()


lock = Lock()
register: Any = getattr(os, "register_at_fork", dict)  # Windows has no fork
register(before=lock.take, after_in_parent=lock.give, after_in_child=lock.give)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without other threads that trace, and without Python's garbage collector: Symbols are a great many objects, and
    none of them garbage.

    Raises:
        RuntimeError: another thread traces, and does not end.
    """
    lock.take()
    collecting = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if collecting:
            gc.enable()
        lock.give()
