"""Whose turn it is to trace: one thread at a time.

Two threads that put Symbols into one Value would put each other's back. So one waits for the other; but not where that
other waits itself, perhaps for this one, as a function does that hands work to threads.
"""

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..vmap import Compiling

# In seconds: how often to see whether the other moves, and how long to wait for that, if it waits for a thread, or does
# something else that takes long.
LOOK, PATIENCE, LONG = 0.1, 2.0, 60.0
STUCK = (
    "another thread waits, in a function that is traced there, perhaps for this one, which has to trace something as "
    "well, and to wait in turn: do not wait for the backward() of other threads in it"
)


class Turn:
    """The turn.

    Attributes:
        thread: whose it is, or was.
        stuck: whether that was seen to wait for something, in somebody's function.
        forking, mine: while a thread forks, its `wait`, and what came of that.
    """

    def __init__(self) -> None:
        self.lock, self.thread, self.stuck = threading.RLock(), 0, False

    @contextmanager
    def wait(self) -> Iterator[bool]:
        """Wait for it. False: it does not come, as the other thread is stuck, perhaps because it waits for this one."""
        before: Any = None
        since = time.monotonic()
        mine = False
        try:
            while not (mine := self.lock.acquire(timeout=0.0 if self.stuck else LOOK)) and not self.stuck:
                frame = sys._current_frames().get(self.thread)
                at = frame, frame.f_lasti if frame else -1
                if at != before or not Compiling.running:
                    before, since = at, time.monotonic()
                waits = frame is not None and frame.f_code.co_filename == threading.__file__  # of what is in Python
                self.stuck = time.monotonic() - since > (PATIENCE if waits else LONG)
            if mine:
                self.thread, self.stuck = threading.get_ident(), False
            yield mine
        finally:
            if mine:
                self.lock.release()

    def before_fork(self) -> None:
        """Wait with a fork, too: the child gets the Values as they are now, but not the thread that traces."""
        waiting = self.wait()
        mine = waiting.__enter__()  # until then another thread may be forking
        self.forking, self.mine = waiting, mine

    def after_fork(self) -> None:
        self.forking.__exit__(None, None, None)

    def in_child(self) -> None:
        self.after_fork()
        if not self.mine:  # nobody is left who would release it
            self.lock, Compiling.running = threading.RLock(), 0


turn = Turn()
register: Any = getattr(os, "register_at_fork", dict)  # Windows has no fork
register(before=turn.before_fork, after_in_parent=turn.after_fork, after_in_child=turn.in_child)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without other threads that trace, and without Python's garbage collector: Symbols are a great many objects, and
    none of them garbage.

    Raises:
        RuntimeError: another thread traces and is stuck.
    """
    with turn.wait() as mine:
        if not mine:
            raise RuntimeError(STUCK)
        collecting = gc.isenabled()
        try:
            gc.disable()
            yield
        finally:
            if collecting:
                gc.enable()
