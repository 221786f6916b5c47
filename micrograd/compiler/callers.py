"""Whose code calls: somebody's, of which the line matters, or that of this package."""

import functools
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

NUMPY = f"{os.sep}numpy{os.sep}"


class Own(dict[str, bool]):
    """Of each file whether its code is of this package, but for the command. Code knows its file by the name that this
    had when it was compiled."""

    def __missing__(self, file: str) -> bool:
        self[file] = file.startswith(FOLDER) and not file.endswith("__main__.py")
        return self[file]


OWN = Own()
FOLDER = str(pathlib.Path(Own.__missing__.__code__.co_filename).parents[1]) + os.sep


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


def called_from_here() -> bool:
    """Whether this package called the function that asks, itself or through NumPy."""
    frame: Any = sys._getframe(2)
    while NUMPY in frame.f_code.co_filename:
        frame = frame.f_back
    own: bool = OWN[frame.f_code.co_filename]
    return own


def at_once(f: Callable[..., Any], look: Exception, looks: list[Exception]) -> Callable[..., Any]:
    """An attribute that NumPy asks an object in an array for, and calls while the same instruction of somebody's code
    is carried out. Where that does not happen somebody has asked, for one that a number has not: a `look`."""
    frame = sys._getframe(2)
    place = frame.f_lasti
    looks.append(look)

    def call() -> Any:
        if sys._getframe(1) is frame and frame.f_lasti == place:
            looks.remove(look)
        return f()

    return call


@property  # type: ignore[misc]
def number_class(self: Any) -> Any:
    """`__class__` of what stands for a number of some `kind`: isinstance() gives somebody's code the answer that it
    gets for the number, and `typed` tells that it was asked."""
    if called_from_here():
        return type(self)
    type(self).typed = True
    return self.kind
