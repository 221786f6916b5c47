"""Write scalars. Train at tensor speed. Graduate to PyTorch."""

from typing import TYPE_CHECKING, Any

from .engine import Value
from .vmap import vmap

if TYPE_CHECKING:
    from .compiler import compile

__version__ = "1.0.0"
__all__ = ["Value", "__version__", "compile", "vmap"]


def __getattr__(name: str) -> Any:
    """Import the compiler, and with it NumPy, when it is first asked for."""
    if name != "compile":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .compiler import compile

    globals()["compile"] = compile
    return compile
