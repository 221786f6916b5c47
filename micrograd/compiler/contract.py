"""Sums of products: which of them make a matrix product together.

A dot is a sum of products of two rows. Where every left row of a set meets every right row, the dots are one matrix
product; many sets of one size are one product of stacks of matrices. What is not full falls into single rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from .function import Operand, Step, View, axis_of
from .places import POSITIONS, Places
from .schedule import Terms
from .symbol import Axis, Symbol

Pairs: TypeAlias = list[tuple[int, int]]  # the codes of the factors
Dot: TypeAlias = tuple[Symbol, Pairs]


def newer_first(u: int, v: int) -> tuple[int, int]:
    return (v, u) if u // POSITIONS < v // POSITIONS else (u, v)


def parted(places: Places, terms: Terms) -> tuple[list[Pairs], list[int]]:
    """The terms of a sum, parted by the tensors they come from: dots, and single numbers to add."""
    products: dict[tuple[int, int], Pairs] = defaultdict(list)
    singles: dict[int, list[int]] = defaultdict(list)
    for term in terms:
        if len(term) == 2:
            u, v = newer_first(places.code(term[0]), places.code(term[1]))
            products[u // POSITIONS, v // POSITIONS].append((u, v))
        else:
            u = places.code(term[0])
            singles[u // POSITIONS].append(u)
    one, addends = places.code(1.0), []
    for tensor, codes in singles.items():
        homes = [key for key in products if tensor in key]
        if tensor >= 0 and len(homes) == 1:  # b in b + w . x: the dot of (b, w) and (1, x)
            products[homes[0]] += [(u, one) if tensor == homes[0][0] else (one, u) for u in codes]
        elif len(codes) <= 2:
            addends += codes
        else:
            products[tensor, -1] = [(u, one) for u in codes]
    return list(products.values()), addends


def padded(places: Places, dots: dict[tuple[int, int, int, Axis | None], list[Dot]]) -> Iterable[list[Dot]]:
    """Groups of dots of one length. Where more than two lengths occur between two tensors, as in causal attention, the
    shorter dots get products 0 * 0 in front and all are one group.

    Args:
        dots: by the tensors of their left and right rows, and their length.
    """
    lengths: dict[Any, list[int]] = defaultdict(list)
    for left, right, length, _ in dots:
        lengths[left, right].append(length)
    zero, one = places.code(0.0), places.code(1.0)
    joined: dict[Any, list[Dot]] = defaultdict(list)
    for (left, right, length, axis), group in dots.items():
        several = len(lengths[left, right]) > 2
        longest = max(lengths[left, right]) if several else length
        pad = [(zero, one if right < 0 else zero)] * (longest - length)
        # Dots with rows of different tensors may still make one matrix product, if their left rows are the same.
        tensors = (left, right) if several or length == 1 else (left,)
        joined[tensors, longest, axis] += [(slot, pad + pairs) for slot, pairs in group]
    return joined.values()


def contract(places: Places, group: Sequence[Dot]) -> None:
    """Dots of one length: a matrix product for each set of left rows that meets a set of right rows."""
    rows = [(tuple(u for u, _ in pairs), tuple(v for _, v in pairs)) for _, pairs in group]
    blocks: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for lefts, rights, members in connected(rows):
        full = len(lefts) * len(rights) <= 2 * len(members)
        for block in [(lefts, rights, members)] if full else [([rows[i][0]], [rows[i][1]], [i]) for i in members]:
            blocks[len(block[0]), len(block[1])].append(block)
    for (a, b), alike in blocks.items():
        at = []
        for k, (lefts, rights, members) in enumerate(alike):
            at_left, at_right = ({row: i for i, row in enumerate(side)} for side in (lefts, rights))
            at += [(group[i][0], (k * a + at_left[rows[i][0]]) * b + at_right[rows[i][1]]) for i in members]
        product(places, np.array([block[0] for block in alike]), np.array([block[1] for block in alike]), at)


def product(places: Places, left: Any, right: Any, at: list[tuple[Symbol, int]]) -> None:
    """Emit products of matrices, or of what is less than a matrix.

    Args:
        left, right: codes, in matrices one behind the other: their rows meet.
        at: what is computed, and its position.
    """
    (many, a, length), b = left.shape, right.shape[1]
    operands = [left[0], right[0].T]
    if (right == places.code(1.0)).all():
        spec, operands = ("ik->i", [left.reshape(-1, length)]) if many * a > 1 else ("k->", [left[0, 0]])
    elif many > 1:
        spec, operands = "mik,mkj->mij", [left, right.transpose(0, 2, 1)]
        if a == b == 1:
            spec, operands = "ik,ik->i", [left[:, 0], right[:, 0]]
    elif a > 1 and b > 1:
        spec = "ik,kj->ij"
    elif a == b == 1:
        spec, operands = "k,k->", [left[0, 0], right[0, 0]]
    else:
        spec, operands = "ik,k->i", [left[0], right[0, 0]] if b == 1 else [right[0], left[0, 0]]
    emit(places, spec, [places.operand(x, exact=True) for x in operands], at)


def emit(places: Places, spec: str, operands: Sequence[Operand], at: Sequence[tuple[Symbol, int]] = ()) -> None:
    """Emit a contraction. Of operands on an axis, n is the first letter, and of the result, too."""
    terms, out = spec.split("->")[0].split(","), spec.split("->")[1]
    extent = {letter: n for term, x in zip(terms, operands) for letter, n in zip(term, x.shape)}
    on_axis = ["n" if axis_of((x,)) else "" for x in operands]
    spec = f"{','.join(n + term for n, term in zip(on_axis, terms))}->{'n' * any(on_axis)}{out}"
    places.emit("contract", operands, tuple(extent[letter] for letter in out), at, spec=spec)


def connected(rows: Sequence[tuple[Any, Any]]) -> Iterable[tuple[list[Any], list[Any], list[int]]]:
    """Part pairs (left, right) into sets that share no left and no right; each with its sorted lefts and rights."""
    parent: dict[int, int] = {}

    def find(x: int) -> int:
        while parent.setdefault(x, x) != x:
            parent[x] = x = parent[parent[x]]
        return x

    numbers: dict[Any, int] = {}
    ends = [
        (numbers.setdefault((0, left), len(numbers)), numbers.setdefault((1, right), len(numbers)))
        for left, right in rows
    ]
    for left, right in ends:
        parent[find(left)] = find(right)
    members: dict[int, list[int]] = defaultdict(list)
    for i, (left, _) in enumerate(ends):
        members[find(left)].append(i)
    for indices in members.values():
        yield sorted({rows[i][0] for i in indices}), sorted({rows[i][1] for i in indices}), indices


# ---- sums over the samples of a batch ----


def total(places: Places, tensor: int, rows: tuple[int, ...] | None) -> int:
    """The index of the tensor that is the sum of another one over the samples, or over some of them.

    A product need not be computed for each sample first: its sum is a contraction over the samples, or, where only one
    factor is on the axis, a product with the sum of that.
    """
    if (tensor, rows) in places.totals:
        return places.totals[tensor, rows]
    summed = places.tensors[tensor]
    step = places.steps.get(summed.name)
    factors = step.operands if step and rows is None and (step.op == "*" or "," in step.spec) else ()
    on_axis = [axis_of((x,)) is not None for x in factors]
    if step and sum(on_axis) == 1:
        operands = [
            replace(x, tensor=places.tensors[total(places, places.index[x.tensor], None)]) if batched else x
            for x, batched in zip(factors, on_axis)
        ]
        places.emit(step.op, operands, summed.shape, spec=step.spec.replace("n", ""), line=step.line)
    elif step and sum(on_axis) == 2:
        spec, operands = over_samples(step)
        places.emit("contract", operands, summed.shape, spec=spec, axis=None, line=step.line)
    elif rows is None:
        letters = "ijmpqr"[: len(summed.shape)]
        whole = places.operand(tensor * POSITIONS + np.arange(summed.size).reshape(summed.shape), exact=True)
        places.emit("contract", [whole], summed.shape, spec=f"n{letters}->{letters}", axis=None)
    else:
        samples = places.open(tensor) * POSITIONS + summed.size * np.array(rows)
        some = places.operand(np.arange(summed.size)[:, None] + samples, exact=True)
        places.emit("contract", [some], (summed.size,), spec="ik->i")
    places.totals[tensor, rows] = len(places.tensors) - 1
    return len(places.tensors) - 1


def over_samples(step: Step) -> tuple[str, list[Operand]]:
    """The sum over the samples of a product or a contraction of two tensors on the axis."""
    if step.op == "contract":
        return step.spec.replace("->n", "->"), list(step.operands)
    letters = "ijmpqr"[: len(step.out.shape)]
    (left, rows), (right, columns) = (narrow(x, letters) for x in step.operands)
    return f"n{rows},n{columns}->{letters}", [left, right]


def narrow(x: Operand, letters: str) -> tuple[Operand, str]:
    """A view without the dimensions along which nothing changes, and the letters of the others."""
    if not isinstance(x, View):
        return x, letters
    dims = [d for d in range(len(x.shape)) if x.strides[d] or x.shape[d] == 1]
    shape, strides = tuple(x.shape[d] for d in dims), tuple(x.strides[d] for d in dims)
    return View(x.tensor, shape, x.offset, strides), "".join(letters[d] for d in dims)
