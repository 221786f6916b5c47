"""A pendulum with friction, by Runge and Kutta's method: a hundred steps, one after the other, and no two alike."""

import math
from collections.abc import Callable
from typing import Any

START = 1.0, 0.0, 1.0, 0.1  # the angle, the speed, the length of the pendulum, and its friction
STEPS, DT = 100, 0.05


def last_angle(angle: Any, speed: Any, length: Any, friction: Any, sin: Callable[[Any], Any] = math.sin) -> Any:
    """Where the pendulum is in the end.

    Args:
        angle, speed, length, friction: scalars of any kind.
        sin: the sine of such a scalar.
    """

    def slope(angle: Any, speed: Any) -> tuple[Any, Any]:
        return speed, -9.81 / length * sin(angle) - friction * speed

    for _ in range(STEPS):
        a1, s1 = slope(angle, speed)
        a2, s2 = slope(angle + a1 * (DT / 2), speed + s1 * (DT / 2))
        a3, s3 = slope(angle + a2 * (DT / 2), speed + s2 * (DT / 2))
        a4, s4 = slope(angle + a3 * DT, speed + s3 * DT)
        angle = angle + (a1 + 2.0 * a2 + 2.0 * a3 + a4) * (DT / 6)
        speed = speed + (s1 + 2.0 * s2 + 2.0 * s3 + s4) * (DT / 6)
    return angle
