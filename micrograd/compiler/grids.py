"""Elementwise operations on a part of a grid, computed on all of it.

A triangle of numbers, as causal attention has them, lies in a square. To compute the whole square takes no index; the
places that nobody asked for are holes, whose numbers nobody sees.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .places import POSITIONS, Codes, Places

SOME = 2  # a grid of at most so many times the numbers asked for is computed whole


def whole(places: Places, args: Codes) -> tuple[Any, Codes] | None:
    """A group of elementwise operations as a part of one on a grid, that of the tensor in which an argument lies.

    Args:
        args: a row of codes for each argument.

    Returns:
        Where in the grid each member is, and each argument in the shape of the grid; None if there is no such grid.
    """
    for codes in args:
        tensor, count = places.tensors[max(codes[0], 0) // POSITIONS], len(codes)
        if not same_tensor(codes) or len(tensor.shape) < 2 or len(np.unique(codes)) < count:
            continue
        index = np.stack(np.unravel_index(codes % POSITIONS, tensor.shape))
        index -= index.min(1, keepdims=True)
        shape = tuple(int(n) + 1 for n in index.max(1))
        if prod(shape) <= SOME * count:
            index, shape = index[[n > 1 for n in shape]], tuple(n for n in shape if n > 1)
            grids: list[Codes] = []
            for x in args:
                if (grid := completed(places, x, index, shape)) is None:
                    break
                grids.append(grid)
            else:
                return np.ravel_multi_index(tuple(index), shape), np.array(grids)
    return None


def same_tensor(codes: Codes) -> bool:
    return bool(codes.min() >= 0 and codes.min() // POSITIONS == codes.max() // POSITIONS)


def completed(places: Places, codes: Codes, index: Any, shape: tuple[int, ...]) -> Codes | None:
    """Codes at some places of a grid, and such at the others that they grow evenly along each dimension; None if there
    are none."""
    grid, known = np.full(shape, codes[0]), np.zeros(shape, bool)
    grid[tuple(index)], known[tuple(index)] = codes, True
    if codes.max() < 0 or (codes == codes[0]).all():
        return grid
    steps = []
    for d, n in enumerate(shape):
        both = known.take(range(1, n), d) & known.take(range(n - 1), d)
        steps.append(np.unique(np.diff(grid, axis=d)[both]))
    if not same_tensor(codes):
        return packed(places, grid, known, [d for d, step in enumerate(steps) if not step.any()])
    made = codes[0]
    for d, (n, first) in enumerate(zip(shape, index[:, 0])):
        step = steps[d][0] if len(steps[d]) else 0
        made = made + step * (np.arange(n) - first).reshape([-1 if i == d else 1 for i in range(len(shape))])
    first = codes[0] - codes[0] % POSITIONS
    inside = made.min() >= first and made.max() < first + places.tensors[codes[0] // POSITIONS].size
    return made if inside and np.array_equal(made[known], grid[known]) else None


def packed(places: Places, grid: Codes, known: Any, dims: Sequence[int]) -> Codes | None:
    """Numbers of several tensors that change along some dimensions only, put into one first. They may still be no view.

    Args:
        dims: along these nothing changes.
    """
    least = np.array([np.where(known, grid, np.iinfo(np.int64).max).min(tuple(dims), keepdims=True)])[0]
    if (
        not dims
        or not known.any(tuple(dims)).all()
        or not np.array_equal(np.broadcast_to(least, grid.shape)[known], grid[known])
    ):
        return None
    rest = least.squeeze(tuple(dims))
    return np.broadcast_to(np.expand_dims(places.packed(rest), tuple(dims)), grid.shape)


def folded(args: Codes) -> tuple[int, ...]:
    """The shape of a group in which the arguments change evenly along rows."""
    m = args.shape[1]
    for codes in args if m > 1 else ():
        breaks = np.flatnonzero(np.diff(codes) != codes[1] - codes[0])
        run = int(breaks[0]) + 1 if len(breaks) else m
        if 1 < run < m and m % run == 0:
            return m // run, run
    return (m,)
