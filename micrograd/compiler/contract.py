"""Sums of products: which of them make a matrix product together.

A dot is a sum of products of two rows. Where every left row of a set meets every right row, the dots are one matrix
product; many sets of one size are one product of stacks of matrices. What is not full falls into single rows.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from .function import Operand, Part
from .places import POSITIONS, Codes, Placed, Places
from .schedule import Terms
from .symbol import Symbol

Pairs: TypeAlias = list[tuple[int, int]]  # the codes of the factors
Dot: TypeAlias = tuple[Symbol, Pairs]


def parted(places: Places, terms: Terms) -> tuple[list[Pairs], list[int]]:
    """The terms of a sum, parted by the tensors they come from: dots, and single numbers to add."""
    products: dict[tuple[int, int], Pairs] = defaultdict(list)
    singles: dict[int, list[int]] = defaultdict(list)
    for term in terms:
        u = places.code(term[0])
        if len(term) == 1:
            singles[u // POSITIONS].append(u)
            continue
        v = places.code(term[1])
        if u // POSITIONS < v // POSITIONS:  # the row of the newer tensor is the left one
            u, v = v, u
        products[u // POSITIONS, v // POSITIONS].append((u, v))
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


def padded(places: Places, dots: Mapping[Any, Sequence[Dot]]) -> Iterable[list[Dot]]:
    """Groups of dots of one length. Where more than two lengths occur between two tensors, as in causal attention, the
    shorter dots get products 0 * 0 in front and all are one group.

    Args:
        dots: by the tensors of their left and right rows, their length, and their axis.
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
        joined[tensors, longest, axis] += [(symbol, pad + pairs) for symbol, pairs in group]
    return joined.values()


def contract(places: Places, group: Sequence[Dot], make: Callable[..., None] | None = None) -> None:
    """Dots of one length: a matrix product for each set of left rows that meets a set of right rows. `make` adds the
    steps instead of `product`."""
    rows = [(tuple(u for u, _ in pairs), tuple(v for _, v in pairs)) for _, pairs in group]
    blocks: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for members in connected(rows):
        lefts, rights = (sorted({rows[i][side] for i in members}) for side in (0, 1))
        full = len(lefts) * len(rights) <= 2 * len(members)
        for block in [(lefts, rights, members)] if full else [([rows[i][0]], [rows[i][1]], [i]) for i in members]:
            blocks[len(block[0]), len(block[1])].append(block)
    for (a, b), alike in ((size, part) for size, found in blocks.items() for part in by_tensor(found)):
        placed = []
        for k, (lefts, rights, members) in enumerate(alike):
            at_left, at_right = ({row: i for i, row in enumerate(side)} for side in (lefts, rights))
            placed += [(group[i][0], (k * a + at_left[rows[i][0]]) * b + at_right[rows[i][1]]) for i in members]
        left, right = (np.array([block[side] for block in alike]) for side in (0, 1))
        (make or product)(places, left, right, placed)


def by_tensor(blocks: list[Any]) -> list[list[Any]]:
    """Blocks of one size, parted if they are of two pairs of tensors: two products are less than a stack of what has to
    be put together first."""
    parts: dict[Any, list[Any]] = defaultdict(list)
    for block in blocks:
        parts[block[0][0][0] // POSITIONS, block[1][0][0] // POSITIONS].append(block)
    return [*parts.values()] if len(parts) == 2 and len(blocks[0][0]) > 1 < len(blocks[0][1]) else [blocks]


def connected(rows: Sequence[tuple[Any, Any]]) -> Collection[list[int]]:
    """Part pairs (left, right) into sets that share no left and no right."""
    meets: dict[Any, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        for end in enumerate(row):
            meets[end].append(i)
    sets: list[list[int]] = []
    while meets:
        found, stack = set(), [next(iter(meets))]
        while stack:
            for i in meets.pop(stack.pop(), ()):
                found.add(i)
                stack += enumerate(rows[i])
        sets.append(sorted(found))
    return sets


def product(places: Places, left: Codes, right: Codes, placed: Placed) -> None:
    """A product of matrices, or of what is less than a matrix.

    Args:
        left, right: codes, in matrices one behind the other; their rows meet.
    """
    many, a, b = len(left), left.shape[1], right.shape[1]
    if (right == places.code(1.0)).all():
        spec, operands = "ik->i", [left.reshape(many * a, -1)]
    elif many > 1:
        spec, operands = (
            ("ik,ik->i", [left[:, 0], right[:, 0]]) if a == b == 1 else ("mik,mkj->mij", [left, right.swapaxes(1, 2)])
        )
    elif a > 1 and b > 1:
        spec, operands = "ik,kj->ij", [left[0], right[0].T]
    else:
        spec, operands = "ik,k->i", [left[0], right[0, 0]] if b == 1 else [right[0], left[0, 0]]
    if "m" not in spec and len(operands[0]) == 1:  # one number alone
        spec, operands = spec.replace("i", ""), [x[0] if x.ndim > 1 else x for x in operands]
    emit(places, spec, [places.operand(x, exact=True) for x in operands], placed)


def emit(
    places: Places,
    spec: str,
    operands: Sequence[Operand],
    placed: Placed = (),
    summed: bool = False,
    op: str = "contract",
) -> None:
    """Emit a contraction. The first letter of what is on an axis is n; that is `summed`, or stays."""
    terms, out = spec.split("->")[0].split(","), spec.split("->")[1]
    extent = {letter: n for term, x in zip(terms, operands) for letter, n in zip(term, x.shape)}
    marks = ["n" if x.axis else "" for x in operands]
    spec = f"{','.join(map(str.__add__, marks, terms))}->{'n' * (any(marks) and not summed)}{out}"
    more = {"axis": None} if summed else {}
    places.emit(op, operands, [extent[letter] for letter in out], placed, spec=spec, **more)


# ---- sums over the samples of a batch ----


def total(places: Places, tensor: int, rows: tuple[int, ...] | None) -> int:
    """The index of the tensor that is the sum of another one over the samples, or over some of them.

    A product need not be computed for each sample first: its sum is a contraction over the samples, or, where only one
    factor is on the axis, a product with the sum of that.
    """
    if (tensor, rows) not in places.totals:
        summed = places.tensors[tensor]
        letters, positions = "ijmpqr"[: len(summed.shape)], np.arange(summed.size)
        step = places.steps.get(summed.name)
        factors = (
            step.operands
            if step and rows is None and (step.op == "*" or (step.op == "contract" and "," in step.spec))
            else ()
        )
        if step and sum(x.axis is not None for x in factors) == 1:
            parts = [
                Part(places.tensors[total(places, places.index[x.tensor], None)], x.index) if x.axis else x
                for x in factors
            ]
            places.emit(step.op, parts, summed.shape, spec=step.spec.replace("n", ""))
        elif step and step.op == "*" and factors:
            (left, first), (right, second) = (narrow(x, letters) for x in factors)
            emit(places, f"{first},{second}->{letters}", [left, right], summed=True)
        elif step and factors:
            emit(places, step.spec.replace("n", ""), factors, summed=True)
        elif rows is None:
            emit(places, f"{letters}->{letters}", [Part(summed, positions.reshape(summed.shape))], summed=True)
        else:
            codes = places.opened(tensor) + positions[:, None] + summed.size * np.array(rows)
            emit(places, "ik->i", [places.operand(codes)])
        places.totals[tensor, rows] = len(places.tensors) - 1
    return places.totals[tensor, rows]


def narrow(x: Operand, letters: str) -> tuple[Operand, str]:
    """An operand without the dimensions along which nothing changes, and the letters of the others."""
    if isinstance(x, Part) and x.strides is not None:
        for d in reversed(range(len(x.shape))):
            if x.shape[d] > 1 and not x.strides[d]:
                x, letters = Part(x.tensor, x.index.take(0, d)), letters[:d] + letters[d + 1 :]
    return x, letters
