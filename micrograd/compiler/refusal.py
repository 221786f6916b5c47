"""The error of a function that looks at a number while it is compiled: where, and what to write instead."""

import contextlib
import linecache
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType

from .callers import NUMPY, OWN
from .uses import is_taken

WHY = (
    "looks at a number, but while a function is compiled its numbers are not known yet: the program must serve all "
    "of them"
)
CHOICE = (
    "Choose with relu(), abs(), maximum(), minimum() or where_le(), or multiply by the comparison, which is 1 or 0; "
    "or return the scores, and compare them outside"
)
SIZE = "name a size in static=(...)"
# What to write instead: by what looks, and by what is in its line, the first pattern that fits.
CURES: dict[str, dict[str, str]] = {
    "a test (if, while, and, or, not)": {
        r"\bmax\(": "Write a.maximum(b) of Values for max(a, b), or max() of what is returned, outside",
        r"\bmin\(": "Write a.minimum(b) of Values for min(a, b), or min() of what is returned, outside",
        r"\bsort(ed)?\(": "Return the numbers, and sort them outside",
        "": CHOICE,
    },
    "float(), or a function of math or NumPy,": {
        r"\bfloat\(": "Leave float() out: a number computes as it is",
        "": "Write Value(x).exp() for math.exp(x), in an operation of your own micrograd.scalar.exp(x)",
    },
    "int()": {"": f"Leave int() out, if the number is only computed with; {SIZE}"},
    "an index, a range or a repetition": {
        r"[\w\])]\[": f"Write F.embedding(token, table) for table[token]; {SIZE}",
        "": SIZE.capitalize(),
    },
    "a text (print, str, repr, a format)": {"": "Return what is to be printed, and print it outside"},
    "hash, in a set or a dict,": {"": f"Look it up outside, and pass in what is found; {SIZE}"},
    "": {"": f"Do it outside: pass in what comes of it, or return the scores, and compare or print them there; {SIZE}"},
}


def look(what: str, frames: Iterable[FrameType] = ()) -> TypeError:
    """The error of `what` looks at a number: of two lines, the one of somebody's code that does, and what to do.

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
    """The first that is of nobody's library; if there is none, the first that is not of this package or of NumPy."""
    files = [(frame, frame.f_code.co_filename) for frame in frames]
    foreign = [(frame, file) for frame, file in files if not OWN[file] and NUMPY not in file] or files
    return next((frame for frame, file in foreign if not is_taken(file)), foreign[0][0])


def met(error: BaseException) -> list[FrameType]:
    """The frames in which an error was raised, innermost first."""
    return [frame for frame, _ in walk_tb(error.__traceback__)][::-1]


def shorten(error: BaseException) -> None:
    """Leave the frames of this package out of the traceback of an error; all of them, if it shows the line itself."""
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
