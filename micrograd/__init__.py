"""Write scalars. Train at tensor speed. Graduate to PyTorch."""

from .engine import Value

__version__ = "1.0.0"
__all__ = ["Value", "__version__"]
