"""python -m micrograd: train a small network on two moons, and draw where it decides."""

import argparse
import functools
import random
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import micrograd

from .engine import Value
from .nn import MLP


def max_margin_loss(model: MLP, X: Any, y: Any) -> tuple[Value, list[Value]]:
    """The mean of max(0, 1 - y * score) over the samples, plus 1e-4 times the sum of squared parameters.

    Args:
        X: the samples, each a pair of numbers.
        y: their classes, -1 or 1.

    Returns:
        The loss and the score of each sample; a positive score votes for class 1.
    """
    scores = [model([Value(x) for x in row]) for row in X]
    losses = [(1 - yi * score).relu() for yi, score in zip(y, scores)]
    penalty = 1e-4 * sum(p * p for p in model.parameters())
    return sum(losses) / len(losses) + penalty, scores


def draw_boundary(model: MLP, X: Any, y: Any, path: str) -> None:
    """Save a picture of the samples, on the two regions that the model tells apart."""
    import matplotlib.pyplot as plt
    import numpy as np

    x0, x1 = (np.linspace(column.min() - 0.5, column.max() + 0.5, 40) for column in X.T)
    positive = [[model([a, b]).data > 0 for a in x0] for b in x1]
    fig, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ax.contourf(x0, x1, positive, cmap="Spectral", alpha=0.8)
    ax.scatter(X[:, 0], X[:, 1], c=y, cmap="Spectral", edgecolors="black")
    fig.savefig(path)
    plt.close(fig)


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `least`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return int(text)

    return parse


def picture(text: str) -> str:
    """A type for argparse: a file that matplotlib can write."""
    if not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {str(Path(text).parent)!r}")
    if Path(text).suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"expected a .png, .svg or .pdf, got {text!r}")
    return text


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m micrograd",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", type=at_least(1), default=100, help="steps of gradient descent")
    parser.add_argument("--samples", type=at_least(2), default=100, help="points in the two moons")
    parser.add_argument("--seed", type=at_least(0), default=1337, help="seed of the points and the network")
    parser.add_argument("--eager", action="store_true", help="train without compiling the loss")
    parser.add_argument("--out", type=picture, default="moon_mlp.png", help="where the picture goes")
    args = parser.parse_args(argv)
    try:
        import matplotlib
        import numpy as np
        from sklearn.datasets import make_moons
        from tqdm import tqdm
    except ImportError as missing:
        package = str(missing.name).partition(".")[0]
        sys.exit(f'python -m micrograd needs {package}: pip install "micrograd[demo]"')

    matplotlib.use("Agg")  # the picture goes to a file: no window
    random.seed(args.seed)
    np.random.seed(args.seed)
    X, y = make_moons(n_samples=args.samples, noise=0.1)
    y = 2 * y - 1
    model = MLP(2, [16, 16, 1])

    losses = {"compiled": micrograd.compile(max_margin_loss), "eager": max_margin_loss}

    def gradients(way: str) -> tuple[Value, list[Value]]:
        loss, scores = losses[way](model, X, y)
        model.zero_grad()
        loss.backward()
        return loss, scores

    start = time.perf_counter()
    for step in (progress := tqdm(range(args.steps))):
        loss, scores = gradients("eager" if args.eager else "compiled")
        learning_rate = 1.0 - 0.9 * step / args.steps
        for p in model.parameters():
            p.data -= learning_rate * p.grad
        accuracy = sum((score.data > 0) == (yi > 0) for score, yi in zip(scores, y)) / len(y)
        progress.set_postfix(loss=f"{loss.data:.4f}", accuracy=f"{accuracy:.0%}")
    seconds = time.perf_counter() - start

    draw_boundary(model, X, y, args.out)
    print(f"{accuracy:.1%} of {len(y)} points right after {args.steps} steps in {seconds:.1f} s")
    print(f"the decision boundary is in {args.out}")
    speeds = []
    for way in losses:
        gradients(way)  # the first call may trace
        times = timeit.repeat(functools.partial(gradients, way), number=1, repeat=5)
        speeds.append(f"{1000 * statistics.median(times):.2f} ms {way}")
    print(f"loss and gradients take {' and '.join(speeds)}")


if __name__ == "__main__":
    main()
