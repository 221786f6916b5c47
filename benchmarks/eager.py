"""The moons step in eager mode, against another micrograd in an interpreter of its own.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install micrograd==0.1.0
    python benchmarks/eager.py /tmp/peer/bin/python

"off, freed" counts the time it takes to free the graph: a peer's may be cycles, which wait for the collector.
Both run the step (forward, backward, graph freed) in turns, process against process, so that a busy machine
slows both. Printed are medians, and the medians of the ratios of neighbours.
"""

import argparse
import json
import statistics
import subprocess
import sys

WORKER = """
import gc, json, random, resource, sys, time
from micrograd.engine import Value
from micrograd.nn import MLP

random.seed(1337)
model = MLP(2, [16, 16, 1])
X = [[random.uniform(-1, 1), random.uniform(-1, 1)] for _ in range(100)]
y = [random.choice([-1, 1]) for _ in X]

def step():
    scores = [model([Value(x) for x in row]) for row in X]
    losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores)]
    total = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
    model.zero_grad()
    total.backward()
    return total.data

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

if sys.argv[1] != "on":
    gc.disable()
before, seconds = peak(), []
for i in range(7):
    start = time.perf_counter()
    total = step()
    if sys.argv[1] == "off, freed":  # a peer's graphs may be cycles, which only the collector can free
        gc.collect()
    seconds.append(time.perf_counter() - start)
    if i == 0:
        kilobytes = peak() - before
    if sys.argv[1] == "off":
        gc.collect()
print(json.dumps([total, sorted(seconds)[3], kilobytes]))
"""


def measure(python: str, collector: str) -> list[float]:
    done = subprocess.run([python, "-c", WORKER, collector], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", help="a Python that imports the other micrograd")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    for collector in ("on", "off", "off, freed"):
        pairs = [(measure(sys.executable, collector), measure(args.peer, collector)) for _ in range(args.rounds)]
        assert all(abs(ours[0] - theirs[0]) < 1e-12 for ours, theirs in pairs), "not the same loss"
        ours, theirs = ([statistics.median(run[i] for run in side) for i in (1, 2)] for side in zip(*pairs))
        faster = statistics.median(peer[1] / mine[1] for mine, peer in pairs)
        print(
            f"collector {collector}: {ours[0] * 1e3:.0f} ms against {theirs[0] * 1e3:.0f} ms, {faster:.2f}x; "
            f"{ours[1] / 1024:.1f} MB against {theirs[1] / 1024:.1f} MB, {ours[1] / theirs[1]:.2f} of it"
        )


if __name__ == "__main__":
    main()
