"""How the cost of micrograd grows with samples, width and depth: a line of JSON for each size."""

import gc
import json
import statistics
import sys
import time
import tracemalloc

SIZES = [
    *({"samples": n} for n in (25, 50, 100, 200, 400, 800, 1600)),
    *({"width": n} for n in (8, 16, 32, 64)),
    *({"depth": n} for n in (1, 2, 4, 8)),
]


def measure(samples: int = 100, width: int = 16, depth: int = 2) -> dict[str, float]:
    import random

    import numpy as np

    import micrograd
    from benchmarks.work import max_margin, of_values, points
    from micrograd.nn import MLP
    from micrograd.viz import trace

    random.seed(1337)
    model = MLP(2, [*[width] * depth, 1])
    X, y = map(np.array, points(samples))
    loss = micrograd.compile(lambda X, y: max_margin(model, X, y))
    start = time.perf_counter()
    loss(X, y)
    traced = time.perf_counter()
    loss(X, y).backward()
    first = time.perf_counter() - start
    step, _ = of_values(lambda: loss(X, y), model)
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    eager = max_margin(model, X, y)
    eager.backward()
    seconds = time.perf_counter() - begun
    nodes = len(trace(eager)[0])
    del eager
    tracemalloc.start()
    held = [max_margin(model, X, y)]
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    held.clear()
    return {
        "nodes": nodes,
        "eager nodes a second": nodes / seconds,
        "bytes a node": memory / nodes,
        "forward traced and lowered, s": traced - start,
        "all traced and lowered, s": first,
        "us a node": 1e6 * first / nodes,
        "step, ms": 1e3 * statistics.median(times),
        "tensor operations": loss.program.operations,
    }


if __name__ == "__main__":
    gc.disable()  # a graph needs no collector
    for size in SIZES[: 3 if "--quick" in sys.argv else None]:
        print(json.dumps({"size": size, **measure(**size)}), flush=True)
