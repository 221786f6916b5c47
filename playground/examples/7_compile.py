# compile

# compile makes a program of a function: the results are the same,
# and come faster. Change what the pendulum does.
import time

import micrograd
from micrograd import Value


def last_angle(angle, speed):
    """A pendulum, for 100 short steps."""
    for _ in range(100):
        speed = speed - 0.05 * angle.sin()
        angle = angle + 0.05 * speed
    return angle


# check=True would compare every call with the function itself.
fast = micrograd.compile(last_angle)
start = Value(1.0), Value(0.0)

for name, f in ("uncompiled", last_angle), ("compiled", fast):
    f(*start).backward()  # compile makes its program here
    begin = time.perf_counter()
    for _ in range(20):
        start[0].grad = 0.0
        out = f(*start)
        out.backward()
    took = (time.perf_counter() - begin) / 20 * 1e3
    print(f"{name}: {out.data:.6f}, gradient {start[0].grad:.6f}")
    print(f"  in {took:.2f} ms")

print(*str(fast.program).splitlines()[:7], sep="\n")
