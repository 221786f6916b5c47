"""From levels of scalars to tensor operations: what is of one kind is computed together.

The numbers of a group are laid out in the order in which their arguments lie already, so that most arguments are views
of earlier results: slices and transposes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from .contract import contract, padded, parted, total
from .grids import folded, same_tensor, whole
from .places import POSITIONS, Codes, Places, is_even
from .ragged import keep_zeros, ragged
from .schedule import FOLDS, Schedule, Terms, is_mixed
from .symbol import ENTER, Symbol

Scalar: TypeAlias = tuple[Symbol, list[int]]  # what is computed, and the codes of its arguments

FEW = 4  # so many numbers are sooner computed one by one than put beside each other
MANY = 64  # so many addends are not written down one by one


def lay_out(plan: Schedule, places: Places) -> None:
    """Add the steps of a schedule."""
    line_up(plan, places)
    waiting: list[Scalar] = []  # sums that are only asked for, such as the gradients of all parameters, wait for others
    pending: list[Scalar] = []
    for level in plan.levels:
        sums = compute(level, places)
        waiting += [item for item in sums if item[0] in plan.final]
        mixed = {symbol for symbol, terms in level if is_mixed(terms)}
        add(places, pending + [item for item in sums if item[0] not in plan.final and item[0] not in mixed])
        pending = [item for item in sums if item[0] not in plan.final and item[0] in mixed]
    add(places, pending + waiting)
    add_up(places, plan.totals)


def line_up(plan: Schedule, places: Places) -> None:
    """Give the leaves their order: that of the samples they are in, then that of the sums of products in which they
    meet other numbers."""
    first = [symbol for symbol, _ in plan.levels[0] if symbol.op in ENTER] if plan.levels else []
    axes = dict.fromkeys(symbol.axis for symbol in first)
    samples = [row for axis in axes for row in zip(*(symbol.args for symbol in first if symbol.axis is axis))]
    items = [terms for level in plan.levels for symbol, terms in level if symbol.op not in ENTER]
    leaves = set(places.unmet)
    mixed = [terms for terms in items if any(len(t) == 2 and (t[0] in leaves) != (t[1] in leaves) for t in terms)]
    every: list[Any] = [samples, *mixed, *items]
    for x in (x for terms in every for term in sorted(terms, key=len) for x in term):  # b in b + w . x is the first
        if x in places.unmet:
            places.code(x)


def compute(level: Iterable[tuple[Symbol, Terms]], places: Places) -> list[Scalar]:
    """Add the steps for one level; all but sums of several parts, of which it returns the parts."""
    groups: dict[Any, Any] = defaultdict(lambda: defaultdict(list))
    for symbol, terms in level:
        for kind, key, member in sorted_in(places, symbol, terms):
            groups[kind][key].append(member)
    for make in enter, elementwise, fold:
        for (op, *_), group in groups[make].items():
            make(places, op, group)
    for dots in padded(places, ragged(places, groups["dot"])):
        if len(dots[0][1]) == 1:
            elementwise(places, "*", [(symbol, [*pairs[0]]) for symbol, pairs in dots])
        else:
            contract(places, dots)
    add_up(places, groups["total"][None])
    return [(x, sorted(addends + [places.place[slot] for slot in slots])) for x, slots, addends in groups["sum"][None]]


def sorted_in(places: Places, symbol: Symbol, terms: Terms) -> Iterator[tuple[Any, Any, Any]]:
    """What there is to compute for an item: what makes it, what it has in common with others of a group, and itself."""
    op = symbol.op
    if op == "total":
        yield op, None, symbol
    elif op in ENTER:
        column = places.codes(terms[0])
        yield enter, ("stack", symbol.axis, *np.unique(np.maximum(column // POSITIONS, -1))), (symbol, column)
    elif op == "+" or (op == "*" and all(type(x) is Symbol for x in symbol.args)):
        parts, addends = parted(places, terms)
        alone = len(parts) == 1 and not addends
        slots = [symbol] if alone else [Symbol("part") for _ in parts]
        for slot, pairs in zip(slots, parts):
            tensors = max(pairs)[0] // POSITIONS, max(v for _, v in pairs) // POSITIONS
            axes = {places.tensors[code // POSITIONS].axis for pair in pairs for code in pair if code >= 0} - {None}
            yield "dot", (*tensors, len(pairs), *(axes or [None])), (slot, sorted(pairs))
        if not alone:
            yield "sum", None, (symbol, slots, addends)
    elif op != "pick":
        codes = [places.code(x) for term in terms for x in term]
        if op in FOLDS and len(codes) > 2:
            yield fold, (FOLDS[op], symbol.axis, codes[0] // POSITIONS), (symbol, codes)
        else:
            yield elementwise, (op, symbol.axis, *(code < 0 for code in codes)), (symbol, codes)


def add(places: Places, sums: Sequence[Scalar]) -> None:
    alike: dict[Any, list[Scalar]] = defaultdict(list)
    for symbol, addends in sums:
        alike[len(addends), symbol.axis].append((symbol, addends))
    for (count, _), group in alike.items():
        if count <= MANY:
            elementwise(places, "+", group)
        else:
            one = places.code(1.0)
            contract(places, [(symbol, [(addend, one) for addend in addends]) for symbol, addends in group])


def add_up(places: Places, totals: Iterable[Symbol]) -> None:
    """Sums over the samples."""
    for symbol in totals:
        tensor, position = divmod(places.code(symbol.args[0]), POSITIONS)
        places.place[symbol] = total(places, tensor, symbol.args[1]) * POSITIONS + position


def enter(places: Places, op: str, group: Sequence[tuple[Symbol, Codes]]) -> None:
    """Put samples on their axis: a row for each."""
    columns, at = np.unique(np.array([codes for _, codes in group]).T, axis=1, return_inverse=True)
    placed = [(symbol, int(i)) for (symbol, _), i in zip(group, at.flat)]
    places.emit(op, [places.operand(columns, exact=True)], columns.shape[1:], placed, axis=group[0][0].axis)


def elementwise(places: Places, op: str, group: Sequence[Scalar]) -> None:
    same: dict[tuple[int, ...], list[Symbol]] = defaultdict(list)
    for symbol, codes in group:
        same[tuple(codes)].append(symbol)
    args, members = np.array(list(same), dtype=np.int64).T, list(same.values())
    for mine, at, laid in placed(places, args):
        operands = [places.operand(codes) for codes in laid]
        positions = zip(mine, at.tolist())
        places.emit(op, operands, laid.shape[1:], [(symbol, p) for i, p in positions for symbol in members[i]])
        keep_zeros(places, op, operands)


def placed(places: Places, args: Codes, alone: bool = False) -> list[tuple[Any, Any, Codes]]:
    """The operations for a group, most often one: which members are in it, their positions, and each argument."""
    every, (order, shape) = np.arange(args.shape[1]), arranged(places, args)
    laid = args[:, order].reshape(-1, *shape)
    least = sum(map(moves, laid))
    if not least:
        return [(every, np.argsort(order), laid)]
    if args.shape[1] <= FEW:
        return [(every[i : i + 1], np.zeros(1, int), args[:, i]) for i in every]
    if places.holes and (grid := whole(places, args)):
        return [(every, *grid)]
    best = [(every, np.argsort(order), laid)]
    order = np.lexsort(args[::-1])
    laid = args[:, order].reshape(-1, *folded(args[:, order]))
    if sum(map(moves, laid)) < least:
        least, best = sum(map(moves, laid)), [(every, np.argsort(order), laid)]
    for tensors in args // POSITIONS:
        kinds = np.unique(tensors)
        if not alone and 1 < len(kinds) <= least:
            split: list[Any] = []
            for part in (np.flatnonzero(tensors == kind) for kind in kinds):
                found = placed(places, args[:, part], True)
                split += [(part[mine], at, laid) for mine, at, laid in found]
                if not found:
                    break
            else:
                return split
    return [] if alone else best


def moves(codes: Codes) -> int:
    """How many steps it takes to have some numbers in place: none for a view, more for an index, and for a tensor of
    several."""
    if is_even(codes):
        return 0
    if same_tensor(codes):
        return 1
    return 1 + (not is_even(np.unique(codes, return_inverse=True)[1].reshape(codes.shape)))


def fold(places: Places, op: str, group: Sequence[Scalar]) -> None:
    """The largest, or smallest, of each row; a shorter row repeats its first number, which changes no tie."""
    longest = max(len(codes) for _, codes in group)
    rows = np.array([codes[:1] * (longest - len(codes)) + codes for _, codes in group], dtype=np.int64)
    operand = places.operand(rows if len(rows) > 1 else rows[0], exact=True)
    places.emit(op, [operand], operand.shape[:-1], [(symbol, i) for i, (symbol, _) in enumerate(group)])


def arranged(places: Places, args: Codes) -> tuple[Any, tuple[int, ...]]:
    """An order for the members of a group in which an argument lies as it is, and their shape then.

    Args:
        args: a row of codes for each argument.
    """
    m = args.shape[1]
    if m == 1:
        return np.arange(1), ()
    counts = [len(np.unique(codes)) for codes in args]
    for codes, count in zip(args, counts):
        tensor = codes[0] // POSITIONS
        if tensor >= 0 and count == m == places.tensors[tensor].size and (codes // POSITIONS == tensor).all():
            order, shape = np.argsort(codes), places.tensors[tensor].shape
            while shape[:1] == (1,):  # which broadcasting would lose
                shape = shape[1:]
            return order, shape if len(shape) > 1 else folded(args[:, order])
    for i, j in combinations(range(len(args)), 2):
        crossed = counts[i] * counts[j] == m and min(counts[i], counts[j]) > 1
        if crossed and len(np.unique(args[[i, j]], axis=1).T) == m:  # every one of these meets every one of those
            return np.lexsort((args[j], args[i])), (counts[i], counts[j])
    return np.arange(m), folded(args)
