"""Write scalars. Train at tensor speed. Graduate to PyTorch."""

from importlib import import_module as _import
from typing import Any as _Any

from .compiler import compile
from .engine import Value
from .gradcheck import gradcheck
from .vmap import vmap

__version__ = "1.0.0"
__all__ = ["Value", "__version__", "compile", "gradcheck", "vmap"]


_ROOMS = "functional", "nn", "optim", "viz"


def __getattr__(name: str) -> _Any:
    """Import a room when it is first asked for: `micrograd.nn` needs no `import micrograd.nn`."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _import(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS]
