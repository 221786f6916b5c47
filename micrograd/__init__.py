"""Write scalars. Train at tensor speed. Graduate to PyTorch."""

import importlib
from typing import Any

from .compiler import compile
from .engine import Value
from .gradcheck import gradcheck
from .vmap import vmap

__version__ = "1.0.0"
__all__ = ["Value", "__version__", "compile", "gradcheck", "vmap"]


def __getattr__(name: str) -> Any:
    """Import a room when it is first asked for: `micrograd.nn` needs no `import micrograd.nn`."""
    if name not in ("functional", "nn", "optim", "viz"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
