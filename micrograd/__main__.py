"""python -m micrograd: train a small network on two moons, and draw its decision boundary."""

import argparse
import contextlib
import functools
import gc
import os
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
from .optim import SGD

COLOURS = ["tab:orange", "tab:blue"]  # of class -1 and of class 1


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


def accuracy(scores: Sequence[Value], y: Any) -> float:
    """The share of the samples whose score has the sign of their class."""
    return sum(bool((score.data > 0) == (yi > 0)) for score, yi in zip(scores, y)) / len(scores)


def draw_boundary(model: MLP, X: Any, y: Any, path: str) -> None:
    """Save a picture of the samples, on the two regions that the model tells apart: between them the score is 0."""
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import ListedColormap

    x0, x1 = (np.linspace(column.min() - 0.5, column.max() + 0.5, 40) for column in X.T)
    scores = np.array([[model([a, b]).data for a in x0] for b in x1])
    far = 1.0 + abs(scores).max()
    fig, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ax.contourf(x0, x1, scores, levels=[-far, 0.0, far], colors=COLOURS, alpha=0.4)
    ax.scatter(X[:, 0], X[:, 1], c=y, vmin=-1, vmax=1, s=30, cmap=ListedColormap(COLOURS), edgecolors="black")
    fig.savefig(path)
    plt.close(fig)


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `least` to the largest seed that NumPy takes."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) < 2**32:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, below 2**32, got {text!r}")
        return int(text)

    return parse


def picture(text: str) -> str:
    """A type for argparse: a file that matplotlib can write. It is tried, as nobody wants to train for nothing."""
    path = Path(text)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"expected a .png, .svg or .pdf, got {text!r}")
    new = not path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: {error.strerror}") from None
    if new:
        path.unlink()
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
    parser.add_argument("--version", action="version", version=f"micrograd {micrograd.__version__}")
    args = parser.parse_args(argv)
    try:
        import matplotlib
        import numpy as np
        from sklearn.datasets import make_moons
        from tqdm import tqdm
    except ImportError as missing:
        package = str(missing.name).partition(".")[0]
        sys.exit(f'python -m micrograd needs {package}, which the extra brings: pip install ".[demo]" in the checkout')

    matplotlib.use("Agg")  # the picture goes to a file: no window
    random.seed(args.seed)
    np.random.seed(args.seed)
    X, y = make_moons(n_samples=args.samples, noise=0.1)
    y = 2 * y - 1
    model = MLP(2, [16, 16, 1])

    optimizer = SGD(model.parameters())
    losses: dict[str, Callable[..., Any]] = {"compiled": micrograd.compile(max_margin_loss), "eager": max_margin_loss}

    def step(way: str, learning_rate: float) -> tuple[Value, list[Value]]:
        loss, scores = losses[way](model, X, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = learning_rate
        optimizer.step()
        return loss, scores

    way, start = "eager" if args.eager else "compiled", time.perf_counter()
    with tqdm(total=args.steps) as progress, contextlib.suppress(KeyboardInterrupt):
        if not args.eager:
            step(way, 0.0)  # it traces, which the estimate of the time left is not to count
            progress.unpause()
        for i in range(args.steps):
            loss, scores = step(way, 1.0 - 0.9 * i / args.steps)
            progress.set_postfix(loss=f"{loss.data:.4f}", accuracy=f"{accuracy(scores, y):.0%}", refresh=False)
            progress.update()
    seconds = time.perf_counter() - start
    if not progress.n:  # a person has pressed Ctrl-C
        raise KeyboardInterrupt

    right = accuracy([model(row) for row in X], y)  # of the model as it is now, which is the one in the picture
    draw_boundary(model, X, y, args.out)
    print(f"{right:.1%} of {len(y)} points right after {progress.n} steps in {seconds:.1f} s")
    print(f"the decision boundary is in {args.out}")
    if progress.n < args.steps:  # a person has pressed Ctrl-C
        sys.exit(130)
    speeds = []
    for way, number in (("compiled", 20), ("eager", 1)):
        again = functools.partial(step, way, 1e-6)
        again()  # the first call may trace
        # With Python's garbage collector, which timeit would turn off: it runs in the training, too.
        times = timeit.repeat(again, gc.enable, number=number, repeat=5)
        speeds.append(f"{1000 * statistics.median(times) / number:.2f} ms {way}")
    print(f"a step (loss, gradients, update) takes {' and '.join(speeds)}")


def run() -> None:
    """`main`, without tracebacks for a person who has seen enough."""
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # as of `| head -1`; what is still to be written goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        with contextlib.suppress(BrokenPipeError):  # `|& head -1` closes both
            print("stopped: nobody reads what is printed", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    run()
