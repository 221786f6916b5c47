"""What a program costs: whether its scalars are computed one by one, or many at once.

NumPy takes some CALL microseconds for a call on few numbers, Python OPERATION for one on floats, half of it for names.
Measured with CPython 3.11 and NumPy 2.4 on one core: the two are equally fast at about forty operations a call.
"""

from collections import Counter
from typing import Any

from .symbol import GIVEN, Symbol
from .trace import Trace

OPERATION, CALL = 0.035, 1.5


def is_narrow(written: Trace) -> bool:
    """Whether plain floats are faster. What could be one call of NumPy is counted by operation and level. A sum of many
    is on one level, if nobody wants a part of it. (So is the largest of many, but not its way back.)"""
    level: dict[Any, int] = {}
    if any(x.axis or x.op == "total" for x in written.order):
        return False
    uses = Counter(arg for x in written.order for arg in x.args if type(arg) is Symbol)
    for x in written.order:
        least, is_sum = 0, x.op == "+"
        for arg in x.args:
            if type(arg) is Symbol:
                at = level[arg] if is_sum and arg.op == "+" and uses[arg] == 1 else level[arg] + 1
                least = at if at > least else least
        level[x] = least
    calls = len({(x.op, n) for x, n in level.items() if x.op not in GIVEN})
    return OPERATION * len(level) < CALL * calls
