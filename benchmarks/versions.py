"""python -m benchmarks.versions OTHER: the eager moons step of this checkout against that of another one.

Processes of the two take turns, so that a busy machine slows both. Each pair gives a ratio; the median of these counts.
"""

import argparse
import os
import statistics
from pathlib import Path

from .__main__ import ROOT, Worker


def seconds(checkout: Path, peer: str) -> float:
    """The step of a checkout in a process of its own: the median of five."""
    os.environ["PYTHONPATH"] = str(checkout)
    worker = Worker("moons", peer)
    times = [worker.time() for _ in range(5)]
    worker.close()
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("other", type=Path, help="the folder of the other checkout")
    parser.add_argument("--pairs", type=int, default=7)
    args = parser.parse_args()
    for peer in ("micrograd, eager, collector off", "micrograd, eager"):
        pairs = [(seconds(ROOT, peer), seconds(args.other.resolve(), peer)) for _ in range(args.pairs)]
        ours, theirs = (1e3 * statistics.median(times) for times in zip(*pairs))
        ratios = sorted(a / b for a, b in pairs)
        print(f"{peer}: here {ours:.0f} ms, there {theirs:.0f} ms, ratio {statistics.median(ratios):.3f}", end=" ")
        print(f"({ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
