"""Write scalars. Train at tensor speed. Graduate to PyTorch."""

from typing import Any

from .engine import Value

__version__ = "1.0.0"
__all__ = ["Value", "__version__", "compile"]


def compile(function: Any = None, **options: Any) -> Any:
    from .compiler import compile

    return compile(function, **options)
