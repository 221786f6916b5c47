"""How the cost of micrograd grows with samples, width and depth: a line of JSON for each size."""

import gc
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

SIZES = [
    *({"samples": n} for n in (25, 50, 100, 200, 400, 800, 1600)),
    *({"width": n} for n in (8, 16, 32, 64)),
    *({"depth": n} for n in (1, 2, 4, 8)),
]


def seconds(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def measure(samples: int = 100, width: int = 16, depth: int = 2) -> dict[str, float]:
    """The costs of a network of this `width` and `depth` on this many samples."""
    import numpy as np

    import micrograd
    from benchmarks.network import max_margin, mlp, points
    from benchmarks.work import RATE, descend
    from micrograd.viz import trace

    model, (X, y) = mlp((2, *[width] * depth, 1)), map(np.array, points(samples))
    loss = micrograd.compile(lambda X, y: max_margin(model, X, y))
    forward = seconds(lambda: loss(X, y))
    both = forward + seconds(lambda: loss(X, y).backward())
    parameters = model.parameters()
    step = statistics.median(seconds(lambda: descend(loss(X, y), parameters, RATE)) for _ in range(30))
    begun = time.perf_counter()
    eager = max_margin(model, X, y)
    eager.backward()
    computed = time.perf_counter() - begun
    nodes = len(trace(eager)[0])
    del eager
    tracemalloc.start()
    held = [max_margin(model, X, y)]
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    held.clear()
    return {
        "nodes": nodes,
        "eager nodes a second": nodes / computed,
        "bytes a node": memory / nodes,
        "forward traced and lowered, s": forward,
        "all traced and lowered, s": both,
        "us a node": 1e6 * both / nodes,
        "step, ms": 1e3 * step,
        "tensor operations": loss.program.operations,
    }


if __name__ == "__main__":
    gc.disable()  # a graph needs no collector
    for size in SIZES[: 3 if "--quick" in sys.argv else None]:
        print(json.dumps({"size": size, **measure(**size)}), flush=True)
