"""What runs programs here: machine code, where it can be made, or else NumPy and Python."""

import functools
import os
from types import ModuleType

MOST = 1000  # arrays that a function in machine code may take: Python's ctypes has a limit


@functools.cache
def machine() -> ModuleType | None:
    """What writes machine code; None where LLVM is missing, or this system does not run what it makes, or somebody has
    set MICROGRAD_BACKEND=numpy."""
    if os.environ.get("MICROGRAD_BACKEND") == "numpy":
        return None
    try:
        from . import machine as found

        found.probe()
    except (ImportError, OSError):
        return None
    return found
