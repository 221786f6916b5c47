"""The error of a function that looks at a number while it is compiled: where, and what to write instead."""

import contextlib
import linecache
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType

from .guards.callers import NUMPY, OWN, is_library

WHY = (
    "looks at a number, but while a function is compiled its numbers are not known yet: the program must serve all "
    "of them"
)
CHOICE = (
    "Choose with relu(), abs(), maximum(), minimum() or where_le(), or multiply by the comparison, which is 1 or 0; "
    "or return the scores, and compare them outside"
)
SIZE = "name a size in static=(...)"
# What to write instead: by the kind of look, then by the first pattern that is in its line.
CURES: dict[str, dict[str, str]] = {
    "a test (if, while, and, or, not)": {
        r"\bmax\(": "Write a.maximum(b) of Values for max(a, b), or max() of what is returned, outside",
        r"\bmin\(": "Write a.minimum(b) of Values for min(a, b), or min() of what is returned, outside",
        r"\bsort(ed)?\(": "Return the numbers, and sort them outside",
        "": CHOICE,
    },
    "float(), or a function of math or NumPy,": {
        r"\bfloat\(": "Leave float() out: it is not needed",
        "": "Write Value(x).exp() for math.exp(x); in an operation of your own, write micrograd.scalar.exp(x)",
    },
    "int()": {"": f"Leave int() out, if the number is only computed with; {SIZE}"},
    "an index, a range or a repetition": {
        r"\brange\(": SIZE.capitalize(),
        r"[\w\])]\[": f"Write F.embedding(token, table) for table[token]; {SIZE}",
        "": SIZE.capitalize(),
    },
    "a text (print, str, repr, a format)": {"": "Return what is to be printed, and print it outside"},
    "hash, in a set or a dict,": {"": f"Look it up outside, and pass in what is found; {SIZE}"},
    "": {"": f"Do it outside: pass in what comes of it, or return the scores, and compare or print them there; {SIZE}"},
}


def look(what: str, frames: Iterable[FrameType] = ()) -> TypeError:
    """The error which says that `what` looks at a number: first somebody's line, then what to write instead.

    Args:
        frames: those in which it happens, innermost first; if there are none, those that are there now.
    """
    frame = somebody(frames or callers())
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).strip()
    cures = CURES.get(what, CURES[""])
    cure = next(text for pattern, text in cures.items() if re.search(pattern, line))
    error = TypeError(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}: {line}\n{cure}. ({what} {WHY}.)")
    error.shows_line = True  # type: ignore[attr-defined]
    return error


def callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame:
        yield frame
        frame = frame.f_back


def somebody(frames: Iterable[FrameType]) -> FrameType:
    """The first of no library; else the first that is not of this package or of NumPy; else the first of all."""
    files = [(frame, frame.f_code.co_filename) for frame in frames]
    foreign = [(frame, file) for frame, file in files if not OWN[file] and NUMPY not in file] or files
    return next((frame for frame, file in foreign if not is_library(file)), foreign[0][0])


def met(error: BaseException) -> list[FrameType]:
    """The frames in which an error was raised, innermost first."""
    return [frame for frame, _ in walk_tb(error.__traceback__)][::-1]


def shorten(error: BaseException) -> None:
    """Drop the frames of this package and of contextlib from the traceback of an error; every frame, if its message
    shows the line."""
    kept: list[TracebackType] = []
    tb = None if getattr(error, "shows_line", False) else error.__traceback__
    while tb:
        if not OWN[file := tb.tb_frame.f_code.co_filename] and file != contextlib.__file__:
            kept.append(tb)
        tb = tb.tb_next
    chain = None
    for tb in reversed(kept):
        chain = TracebackType(chain, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    error.__traceback__ = chain
