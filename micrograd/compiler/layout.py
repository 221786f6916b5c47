"""From levels of scalars to tensor operations: what is of one kind is computed together.

The numbers of a group are laid out in the order in which their arguments lie already, so that most arguments are views
of earlier results: slices and transposes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from .contract import Dot, Pairs, contract, newer_first, padded, parted, total
from .places import POSITIONS, Codes, Places
from .schedule import FOLDS, Item, Schedule
from .symbol import ENTER, Axis, Symbol

Scalar: TypeAlias = tuple[Symbol, list[int]]  # what is computed, and the codes of its arguments

MANY = 64  # so many addends are not written down one by one


def lay_out(plan: Schedule, places: Places) -> None:
    """Add the steps of a schedule."""
    line_up(plan, places)
    waiting: list[Scalar] = []  # sums that are only asked for, such as the gradients of all parameters, wait for others
    for level in plan.levels:
        sums = Level(places).compute(level)
        waiting += [(symbol, addends) for symbol, addends in sums if symbol in plan.final]
        add(places, [(symbol, addends) for symbol, addends in sums if symbol not in plan.final])
    add(places, waiting)
    add_up(places, plan.totals)


def line_up(plan: Schedule, places: Places) -> None:
    """Give the leaves their order: that of the samples they are in, then that of the sums of products in which they
    meet other numbers."""
    batches: dict[Axis | None, list[Symbol]] = defaultdict(list)
    for item in plan.levels[0] if plan.levels else ():
        if item.symbol.op in ENTER:
            batches[item.symbol.axis].append(item.symbol)
    rows: list[Any] = [row for stacks in batches.values() for row in zip(*(stack.args for stack in stacks))]
    items = [item.terms for level in plan.levels for item in level if item.symbol.op not in ENTER]
    leaves = set(places.unmet)
    mixed = [terms for terms in items if any(len(t) == 2 and (t[0] in leaves) != (t[1] in leaves) for t in terms)]
    for terms in (rows, *mixed, *items):
        for term in terms:
            for x in term:
                if x in places.unmet:
                    places.code(x)


@dataclass
class Level:
    """The groups of one level. Their keys tell what can be computed together."""

    places: Places
    elementwise: dict[Any, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    folds: dict[Any, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    dots: dict[Any, list[Dot]] = field(default_factory=lambda: defaultdict(list))
    batches: dict[Any, list[tuple[Symbol, Codes]]] = field(default_factory=lambda: defaultdict(list))

    def compute(self, items: Sequence[Item]) -> list[Scalar]:
        """Add the steps for all but sums of several parts, of which it returns the parts."""
        sums = [(symbol, *self.group(symbol, terms)) for symbol, terms in items]
        for group in self.batches.values():
            enter(self.places, group)
        for (op, *_), scalars in self.elementwise.items():
            elementwise(self.places, op, scalars)
        for (op, *_), scalars in self.folds.items():
            fold(self.places, op, scalars)
        for dots in padded(self.places, self.dots):
            if len(dots[0][1]) == 1:
                elementwise(self.places, "*", [(slot, [*pairs[0]]) for slot, pairs in dots])
            else:
                contract(self.places, dots)
        add_up(self.places, [symbol for symbol, _ in items if symbol.op == "total"])
        return [
            (symbol, sorted(addends + [self.places.place[slot] for slot in slots]))
            for symbol, slots, addends in sums
            if slots or addends
        ]

    def group(self, symbol: Symbol, terms: Any) -> tuple[list[Symbol], list[int]]:
        """Put an item into its group. Of a sum of several parts these go there; it returns them, and what to add."""
        op, code = symbol.op, self.places.code
        if op == "+":
            parts, addends = parted(self.places, terms)
            if len(parts) != 1 or addends:
                slots = [Symbol("part") for _ in parts]
                for slot, pairs in zip(slots, parts):
                    slot.line = symbol.line
                    self.dot(slot, pairs)
                return slots, addends
            self.dot(symbol, parts[0])
        elif op == "*" and all(type(x) is Symbol for x in symbol.args):
            self.dot(symbol, [newer_first(code(symbol.args[0]), code(symbol.args[1]))])
        elif op in ENTER:
            column = self.places.codes(terms[0])
            self.batches[symbol.axis, tuple(np.unique(np.maximum(column // POSITIONS, -1)))].append((symbol, column))
        elif op not in ("pick", "total"):
            codes = [code(x) for term in terms for x in term]
            if op in FOLDS and len(codes) > 2:
                self.folds[FOLDS[op], codes[0] // POSITIONS, symbol.axis].append((symbol, codes))
            else:
                self.elementwise[op, tuple(code < 0 for code in codes), symbol.axis].append((symbol, codes))
        return [], []

    def dot(self, slot: Symbol, pairs: Pairs) -> None:
        axes = (self.places.tensors[code // POSITIONS].axis for pair in pairs for code in pair if code >= 0)
        axis = next((axis for axis in axes if axis), None)
        key = max(pairs)[0] // POSITIONS, max(v for _, v in pairs) // POSITIONS, len(pairs), axis
        self.dots[key].append((slot, sorted(pairs)))


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


def enter(places: Places, group: Sequence[tuple[Symbol, Codes]]) -> None:
    """Put samples on their axis: a row for each."""
    columns, at = np.unique(np.array([codes for _, codes in group]).T, axis=1, return_inverse=True)
    symbols = [(symbol, int(i)) for (symbol, _), i in zip(group, at.reshape(-1))]
    places.emit("stack", [places.operand(columns, exact=True)], columns.shape[1:], symbols, axis=group[0][0].axis)


def elementwise(places: Places, op: str, group: Sequence[Scalar]) -> None:
    same: dict[tuple[int, ...], list[Symbol]] = defaultdict(list)
    for symbol, codes in group:
        same[tuple(codes)].append(symbol)
    args = np.array(list(same), dtype=np.int64).T
    order, shape = arranged(places, args)
    operands = [places.operand(codes[order].reshape(shape)) for codes in args]
    members = list(same.values())
    symbols = [(symbol, position) for position, i in enumerate(order) for symbol in members[i]]
    places.emit(op, operands, shape, symbols)


def fold(places: Places, op: str, group: Sequence[Scalar]) -> None:
    """The largest, or smallest, of each row; a shorter row repeats its first number, which changes no tie."""
    longest = max(len(codes) for _, codes in group)
    rows = np.array([codes[:1] * (longest - len(codes)) + codes for _, codes in group], dtype=np.int64)
    shape, rows = ((), rows[0]) if len(rows) == 1 else ((len(rows),), rows)
    places.emit(op, [places.operand(rows, exact=True)], shape, [(symbol, i) for i, (symbol, _) in enumerate(group)])


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
            return order, shape if len(shape) > 1 else folded(args[:, order])
    for i, j in combinations(range(len(args)), 2):
        crossed = counts[i] * counts[j] == m and min(counts[i], counts[j]) > 1
        if crossed and len(np.unique(args[[i, j]], axis=1).T) == m:  # every one of these meets every one of those
            return np.lexsort((args[j], args[i])), (counts[i], counts[j])
    return np.arange(m), folded(args)


def folded(args: Codes) -> tuple[int, ...]:
    """The shape of a group in which the arguments change evenly along rows."""
    m = args.shape[1]
    for codes in args:
        breaks = np.flatnonzero(np.diff(codes) != codes[1] - codes[0])
        run = int(breaks[0]) + 1 if len(breaks) else m
        if 1 < run < m and m % run == 0:
            return m // run, run
    return (m,)
