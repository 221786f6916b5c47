"""Ragged rows as whole ones: what is computed beside what was asked for, so that all rows are equally long.

A triangle of numbers, as causal attention has them, lies in a square. Computing the whole square needs no index; the
places that nobody asked for are holes, whose numbers nobody sees. A sum over a row must not see them either: so they
are 0 in it, by a mask.
"""

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .contract import Dot, contract, emit
from .function import Const, Part
from .grids import SOME, folded, same_tensor
from .places import POSITIONS, Codes, Placed, Places

Dots: TypeAlias = Mapping[Any, Sequence[Dot]]


class Rows(NamedTuple):
    """One side of ragged dots.

    Attributes:
        shape: that of the tensor in which they lie.
        codes: of all factors.
        index: where they are in the tensor.
        starts: where in `codes` each row begins.
        dims: for each row the dimension that it goes along; -1 where it is a single number, -2 if there is none.
    """

    shape: tuple[int, ...]
    codes: Codes
    index: Any
    starts: Any
    dims: Any

    def lines(self, dim: int) -> Codes:
        """For each row the whole line of the tensor that it is a part of."""
        step = prod(self.shape[dim + 1 :])
        return (self.codes - self.index[dim] * step)[self.starts, None] + np.arange(self.shape[dim]) * step


def rows_of(places: Places, codes: Codes, starts: Any) -> Rows:
    shape = places.tensors[codes[0] // POSITIONS].shape or (1,)
    index = np.stack(np.unravel_index(codes % POSITIONS, shape))
    moves = np.diff(index, axis=1, prepend=-1) != 0
    moves[:, starts] = False
    moved = np.logical_or.reduceat(moves, starts, axis=1)
    count = moved.sum(0)
    return Rows(shape, codes, index, starts, np.where(count == 1, moved.argmax(0), -1 - (count > 1)))


def ragged(places: Places, dots: Dots) -> Dots:
    """Add the steps for dots of more than two lengths, if their rows are parts of lines of a grid.

    Args:
        dots: by the tensors of their left and right rows, their length, and their axis.

    Returns:
        The others.
    """
    lengths: dict[Any, list[Any]] = defaultdict(list)
    for key in dots:
        lengths[key[0], key[1], key[3]].append(key)
    rest: dict[Any, list[Dot]] = {key: [*group] for key, group in dots.items()}
    for (left, right, _), keys in lengths.items():
        if places.holes and len(keys) > 1 + (right >= 0) and left >= 0:
            group = [(key, dot) for key in keys for dot in dots[key]]
            done = squared(places, [dot for _, dot in group], right >= 0)
            for key in keys:
                rest[key] = [dot for (k, dot), is_done in zip(group, done) if k == key and not is_done]
    return {key: group for key, group in rest.items() if group}


def squared(places: Places, group: Sequence[Dot], two: bool) -> Any:
    """Add the steps for those of a group of dots between the lines of two grids for which it works.

    Args:
        two: whether there is a right side; or these are sums.

    Returns:
        For each of the group whether it is done.
    """
    counts = np.array([len(pairs) for _, pairs in group])
    starts, one = np.cumsum(counts) - counts, places.code(1.0)
    u, v = np.array([pair for _, pairs in group for pair in pairs]).T
    done = np.zeros(len(group), bool)
    if not same_tensor(u) or not (same_tensor(v) if two else (v == one).all()):
        return done
    left = rows_of(places, u, starts)
    right = rows_of(places, v, starts) if two else left
    ways = sorted({(int(a), int(b)) for a, b in zip(left.dims, right.dims) if min(a, b) >= 0})
    for a, b in ways:
        if left.shape[a] != right.shape[b]:
            continue
        masks = np.zeros((len(group), left.shape[a]), bool)
        masks[np.repeat(np.arange(len(group)), counts), left.index[a]] = True
        fits = ~done & (masks.sum(1) == counts)  # none is there twice
        fits &= np.logical_and.reduceat(left.index[a] == right.index[b], starts)
        sure = fits & (left.dims == a) & (right.dims == b)
        single = fits & (left.dims == -1) & (right.dims == -1)
        lines = [left.lines(a), right.lines(b) if two else np.full(masks.shape, one)]
        for side, mine in chosen(places, lines, masks, sure, single, len(ways) == 1):
            by_line = dict(zip(lines[side][mine, 0].tolist(), masks[mine]))
            members = [(group[i][0], [*zip(lines[0][i].tolist(), lines[1][i].tolist())]) for i in mine.tolist()]
            contract(places, members, functools.partial(product, side=side, masks=by_line))
            done[mine] = True
    return done


def chosen(
    places: Places, lines: Sequence[Codes], masks: Any, sure: Any, single: Any, only: bool
) -> list[tuple[int, Any]]:
    """Which dots make a product, and which of its sides has the holes; nothing if none do.

    Args:
        lines: the lines of both sides.
        masks: what of them counts.
        sure: which dots are known to go along these lines,
        single: and which are single products. They join where others meet the same line with another.
        only: whether there are no other lines that they could go along.
    """
    found = []
    for side in (0, 1):
        line, other = lines[side][:, 0], lines[1 - side][:, 0]
        joins = single & ~np.isin(line, line[sure]) & (np.isin(other, other[sure]) | only)
        mine = np.flatnonzero(sure | joins)
        mine = mine[np.lexsort((lines[1][mine, 0], lines[0][mine, 0]))]
        asked, size = masks[mine].sum(), masks[mine].size
        if size < SOME * asked < SOME * size and is_given_by(masks[mine], line[mine]):
            found.append((not is_zero(places, lines[side][mine][~masks[mine]]), side, mine))
    return [x[1:] for x in sorted(found, key=lambda x: x[:2])[:1]]


def is_given_by(masks: Any, lines: Any) -> bool:
    """Whether rows of one line have one mask."""
    _, first, which = np.unique(lines, return_index=True, return_inverse=True)
    return np.array_equal(masks[first[which.reshape(-1)]], masks)


def product(places: Places, left: Codes, right: Codes, placed: Placed, side: int, masks: Mapping[int, Any]) -> None:
    """A product of matrices, as in `contract`, in which only some factors of each row, or column, count."""
    many, a, b = len(left), left.shape[1], right.shape[1]
    codes = [left, right]
    mask = np.array([masks[line] for line in codes[side][..., 0].flat]).reshape(codes[side].shape)
    one = (right == places.code(1.0)).all()
    if not is_zero(places, codes[side][~mask], exactly=bool(one)):
        codes[side] = masked(places, codes[side], mask)
    if one:
        rows = codes[0].reshape(many * a, -1)
        shape = folded(rows[:, :1].T)
        spec = "ik->i" if len(shape) == 1 else "mik->mi"
        emit(places, spec, [places.operand(rows.reshape(*shape, -1), exact=True)], placed)
        return
    if a == b == 1:
        spec, codes, mask = "ik,ik->i", [x[:, 0] for x in codes], mask[:, 0]
    else:
        spec, codes = "mik,mkj->mij", [codes[0], codes[1].swapaxes(1, 2)]
        mask = mask[..., None] if side == 0 else mask.swapaxes(1, 2)[:, None]
        if many == 1:
            spec, codes = "ik,kj->ij", [x[0] for x in codes]
        mask = repeated(mask)
    operands = [places.operand(x, exact=True) for x in codes]
    emit(places, spec, [*operands, Const(mask)], placed, op="ragged")


# ---- holes ----


def masked(places: Places, codes: Codes, mask: Any) -> Codes:
    """Codes of a tensor in which holes are 0. From now on the numbers that were asked for are in that one."""
    at, tensor = int(codes.flat[0] // POSITIONS), places.tensors[codes.flat[0] // POSITIONS]
    moved = [(x, code % POSITIONS) for x, code in places.place.items() if code // POSITIONS == at]
    if at not in places.asked:
        places.asked[at] = np.isin(np.arange(tensor.size), [i for _, i in moved])
    keep = places.asked[at].copy()
    keep[codes[~mask] % POSITIONS] = False
    key = at, keep.tobytes()
    if key not in places.masks:
        shape = tuple(n for n in tensor.shape if n > 1)
        every = Part(tensor, np.arange(tensor.size).reshape(shape))
        operands = Const(repeated(keep.reshape(shape))), every, Const(0.0)
        places.emit("mask", operands, shape, [(x, i) for x, i in moved if keep[i]])
        places.masks[key] = len(places.tensors) - 1
        places.zeros[places.masks[key]] = ~keep
    return codes + (places.masks[key] - at) * POSITIONS


def repeated(mask: Any) -> Any:
    """A mask without the dimensions in front along which nothing changes."""
    while mask.ndim > 1 and (mask == mask[:1]).all():
        mask = mask[0]
    return mask


def is_zero(places: Places, codes: Codes, exactly: bool = False) -> bool:
    """Whether the numbers at some places of one tensor are 0; if not `exactly`, they may be nan."""
    at = int(codes.flat[0] // POSITIONS)
    known = at in places.zeros and not (exactly and at not in places.masks.values())
    return known and bool(places.zeros[at][codes % POSITIONS].all())


def keep_zeros(places: Places, op: str, operands: Sequence[Any]) -> None:
    """Know of the tensor made last where it is 0 or nan, because those it was made from are."""
    if op in ("*", "/", "neg", "+", "-") and any(places.index.get(x.tensor) in places.zeros for x in operands):
        shape = places.tensors[-1].shape
        zeros = [np.broadcast_to(zeros_in(places, x), shape) for x in operands]
        found = zeros[0] if op == "/" else functools.reduce(np.logical_or if op == "*" else np.logical_and, zeros)
        if found.any():
            places.zeros[len(places.tensors) - 1] = found.reshape(-1)


def zeros_in(places: Places, x: Any) -> Any:
    zeros = places.zeros.get(places.index.get(x.tensor, -1))
    return zeros[x.index] if zeros is not None else False
