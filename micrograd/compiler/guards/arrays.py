"""NumPy, if it is there: without it there are no arrays, and all programs are of plain floats."""

from typing import Any

np: Any
try:
    import numpy as np
except ImportError:
    np = None

# For isinstance(): of the empty tuple there are no instances.
ARRAY: Any = np.ndarray if np else ()
GENERIC: Any = np.generic if np else ()
OF_NUMPY: Any = (np.ndarray, np.integer, np.floating) if np else ()
BOOLS = (bool, np.bool_) if np else (bool,)
UNCHANGING = (np.bool_, np.str_, np.bytes_) if np else ()
GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator) if np else ()
