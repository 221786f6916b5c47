"""What a program costs: whether its scalars are computed one by one, or many at once.

NumPy takes some CALL microseconds for a call on few numbers, Python OPERATION for one on floats, half of it for names.
Measured with CPython 3.11 and NumPy 2.4 on one core: the two are equally fast at about forty operations a call.
"""

from typing import Any

from .schedule import FOLDS
from .symbol import GIVEN, Symbol
from .trace import Trace

OPERATION, CALL = 0.035, 1.5
MOST = 30_000  # so many operations take Python a tenth of a second to compile


def is_narrow(written: Trace) -> bool:
    """Whether plain floats are faster. What could be one call of NumPy is counted by operation and level; a sum of
    many is on one level."""
    level: dict[Any, int] = {}
    for x in written.order:
        if x.axis or x.op == "total":
            return False
        args = [arg for arg in x.args if type(arg) is Symbol]
        level[x] = max([level[arg] + (arg.op != x.op or x.op not in FOLDS) for arg in args], default=0)
    calls = len({(x.op, n) for x, n in level.items() if x.op not in GIVEN})
    return len(level) <= MOST and OPERATION * len(level) < CALL * calls
