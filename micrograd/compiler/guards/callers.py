"""Whose code it is: somebody's, of which the line matters, that of this package, or that of a library."""

import functools
import os
import pathlib
import sys
import sysconfig
from typing import Any, NamedTuple

NUMPY = f"{os.sep}numpy{os.sep}"
PYTHON = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")


class Own(dict[str, bool]):
    """Of each file whether its code is of this package, but for the command. Code knows its file by the name that this
    had when it was compiled."""

    def __missing__(self, file: str) -> bool:
        self[file] = file.startswith(FOLDER) and not file.endswith("__main__.py")
        return self[file]


OWN = Own()
FOLDER = str(pathlib.Path(Own.__missing__.__code__.co_filename).parents[2]) + os.sep


@functools.cache
def is_library(file: str) -> bool:
    """Whether a file is part of Python, or of an installed package, this one included."""
    path = pathlib.Path(file)
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return installed or file.startswith((FOLDER, "<frozen")) or any(map(path.is_relative_to, PYTHON))


class Line(NamedTuple):
    """A line of somebody's code."""

    file: str
    number: int


line_at = functools.cache(Line)  # each once, as a great many Symbols have one


def calling_line() -> Line:
    """The line outside of this package that has led to a new Symbol."""
    frame: Any = sys._getframe(3)
    while OWN[file := frame.f_code.co_filename]:
        frame = frame.f_back
    return line_at(file, frame.f_lineno)


def name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
