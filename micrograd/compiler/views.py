"""A view in Python: its tensor seen as a grid, a box cut out of it, and the dimensions turned."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .function import Part, Tensor


class Box(NamedTuple):
    """A view as a box of a grid.

    Attributes:
        start, stop: which numbers of the tensor are the grid,
        grid: and its shape.
        cut: what of it is the box.
        dims: dimensions of the view, from the slowest in the tensor to the fastest; those along which nothing changes
            are not among them.
    """

    start: int
    stop: int
    grid: tuple[int, ...]
    cut: list[int | slice]
    dims: list[int]


def boxed(x: Part) -> Box | None:
    """The box that a part of a tensor is; None if it is none: it goes backwards, or in uneven steps."""
    strides, size = x.strides or (), x.tensor.size
    dims = sorted((d for d, step in enumerate(strides) if step), key=lambda d: -strides[d])
    steps, counts = [strides[d] for d in dims], [x.shape[d] for d in dims]
    if x.strides is None or any(step < 0 for step in steps) or any(a % b for a, b in pairwise(steps)):
        return None
    if not dims:
        return Box(0, size, x.tensor.shape, [int(i) for i in np.unravel_index(x.offset, x.tensor.shape or (1,))], [])
    least = counts[0] * steps[0]
    for start, length in (0, size), (min(x.offset, size - least), least):
        if length % steps[0] or start < 0:
            continue
        grid = [length // steps[0], *(a // b for a, b in pairwise([*steps, 1]))]
        *at, rest = map(int, np.unravel_index(x.offset - start, grid))
        cut = [slice(i, i + n) for i, n in zip(at, counts)]
        if all(box.stop <= n for box, n in zip(cut, grid)):
            whole = [slice(None) if (box.start, box.stop) == (0, n) else box for box, n in zip(cut, grid)]
            last = [rest] if grid[-1] > 1 else []
            return Box(start, start + length, tuple(grid if last else grid[:-1]), [*whole, *last], dims)
    return None


def view_text(x: Part, exact: bool, table: Mapping[str, str]) -> str:
    """A view in Python; "" where it is no box.

    Args:
        exact: in its full shape, with no dimension left to broadcasting.
        table: how the backend writes "turn" and "spread".
    """
    box, axis, out, shape = boxed(x), x.axis is not None, x.tensor.name, x.tensor.shape
    if box is None:
        finer = split(x)
        text = view_text(finer, True, table) if finer else ""
        return f"{text}.reshape({', '.join(['-1'] * axis + [str(n) for n in x.shape])})" if text else ""
    if box.stop - box.start != x.tensor.size:
        out, shape = flat(x.tensor) + slices([slice(box.start, box.stop)], axis), (box.stop - box.start,)
    if box.grid != shape:
        out += f".reshape({', '.join(['-1'] * axis + [str(n) for n in box.grid])})"
    out += slices(box.cut if x.tensor.shape else [], axis)
    dims = sorted(box.dims)
    turn = [box.dims.index(d) for d in dims]
    if turn == [1, 0] and not axis:
        out += ".T"
    elif turn != sorted(turn):
        out = table["turn"].format(out, ", ".join(map(str, [0] * axis + [d + axis for d in turn])))
    # New dimensions of length one, where the view has such between its others, or must have its full shape.
    first = 0 if exact or axis else min(dims, default=len(x.shape))
    marks = [":" if d in dims else "None" for d in range(first, len(x.shape))]
    if "None" in marks:
        out = f"{out}[{', '.join([':'] * axis + marks)}]"
    if exact and any(n > 1 and d not in dims for d, n in enumerate(x.shape)):
        count = [f"{x.tensor.name}.shape[0]"] * axis
        out = table["spread"].format(out, f"({', '.join([*count, *map(str, x.shape)])},)")
    return out


def split(x: Part) -> Part | None:
    """The same in more dimensions, of which each is even; None if there are none, or the dimensions are so already."""
    shape: list[int] = []
    for d, n in enumerate(x.shape):
        line = np.moveaxis(x.index, d, 0).reshape(n, -1)[:, 0]
        breaks: Any = np.flatnonzero(np.diff(line) != line[1] - line[0]) if n > 1 else []
        run = int(breaks[0]) + 1 if len(breaks) else n
        shape += [n // run, run] if 1 < run < n and n % run == 0 else [n]
    finer = Part(x.tensor, x.index.reshape(shape)) if len(shape) > len(x.shape) else None
    return finer if finer and boxed(finer) else None


def flat(tensor: Tensor) -> str:
    """A tensor as a row."""
    if len(tensor.shape) == 1:
        return tensor.name
    return f"{tensor.name}.reshape({f'-1, {tensor.size}' if tensor.axis else -1})"


def slices(place: Sequence[int | slice], axis: bool) -> str:
    """An index of whole numbers and slices in brackets; nothing where it takes all."""
    parts = [str(s) if isinstance(s, int) else f"{s.start or ''}:{'' if s.stop is None else s.stop}" for s in place]
    while parts and parts[-1] == ":":
        parts.pop()
    return f"[{', '.join([':'] * axis + parts)}]" if parts else ""
