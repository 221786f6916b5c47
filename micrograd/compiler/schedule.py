"""Which scalars are computed together: the graph of Symbols, in levels.

A sum takes in the products that nothing else needs, so that a dot of two rows is one item; likewise a maximum of many.
Items of one level need none of each other, so that those of one kind can become one tensor operation.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .symbol import ENTER, Symbol

# Operations that take in others of their kind, and what many of them are together.
FOLDS = {"+": "sum", "maximum": "max", "minimum": "min"}
GIVEN = ("input", "leaf")

Number: TypeAlias = Symbol | float
Terms: TypeAlias = list[tuple[Number, ...]]


class Item(NamedTuple):
    """One thing to compute: a Symbol, with those that it takes in.

    Attributes:
        terms: of a sum the products, and what is no product by itself, likewise of a maximum; of others the arguments.
    """

    symbol: Symbol
    terms: Terms


class Schedule(NamedTuple):
    """What to compute, in order.

    Attributes:
        levels: each needs the earlier ones. The first begins with what leads to a batch and is known already.
        final: what is only asked for, or added up over the samples for that.
        totals: sums over the samples that are only asked for; they come last.
    """

    levels: list[list[Item]]
    final: set[Symbol]
    totals: list[Symbol]


def schedule(targets: Iterable[Number], known: Container[Symbol], late: bool) -> Schedule:
    """Put the computation of `targets` in order.

    Args:
        known: what is there already.
        late: group operations by how far they are from the targets, not from what they start with. Samples or
            positions differ more in how their numbers come about than in what becomes of them; on the way back the
            other way round.
    """
    wanted = {t: None for t in targets if type(t) is Symbol and t not in known and t.op not in GIVEN}
    order = unknown(list(wanted), known)
    uses: dict[Symbol, int] = defaultdict(int)
    totals = []
    for symbol in reversed(order):
        if symbol.op == "total" and symbol not in uses:
            totals.append(symbol)
            continue
        for x in symbol.args:
            if type(x) is Symbol:
                uses[x] += 1
    asked = set(totals)
    absorbed = taken_in(order, uses, {*wanted, *(total.args[0] for total in totals)})
    items = [
        Item(symbol, terms(symbol, absorbed) if symbol.op in FOLDS else [symbol.args])
        for symbol in order
        if symbol not in absorbed and symbol not in asked
    ]
    depth = depths(items, late)
    levels: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        levels[depth[item.symbol]].append(item)
    return Schedule([levels[d] for d in sorted(levels)], set(order) - uses.keys(), totals[::-1])


def taken_in(order: Iterable[Symbol], uses: Mapping[Symbol, int], wanted: Container[Symbol]) -> set[Symbol]:
    """What sums and maxima take in: what nothing else needs. A maximum takes in its first argument only: so it stays a
    chain, in which ties share as they do in the function."""
    found = set()
    for symbol in order:
        if symbol.op in FOLDS:
            for x in symbol.args if symbol.op == "+" else symbol.args[:1]:
                if type(x) is Symbol and uses[x] == 1 and x not in wanted and x.axis is symbol.axis:
                    if x.op == symbol.op or (symbol.op == "+" and x.op == "*" and type(x.args[1]) is Symbol):
                        found.add(x)
    return found


def unknown(wanted: Sequence[Symbol], known: Container[Symbol]) -> list[Symbol]:
    """All Symbols yet to be computed, arguments first, in the order in which they were written down."""
    order: list[Symbol] = []
    seen: set[Symbol] = set()
    stack: list[Symbol | None] = [*reversed(wanted)]
    while stack:
        top = stack.pop()
        if top is None:
            order.append(stack.pop())  # type: ignore[arg-type]
        elif top not in seen and top not in known:
            seen.add(top)
            stack.append(top)
            stack.append(None)
            for x in reversed(top.args):
                if type(x) is Symbol and x not in seen and x.op not in GIVEN:
                    stack.append(x)
    return order


def terms(symbol: Symbol, absorbed: Container[Symbol]) -> Terms:
    """What a sum or a maximum is made of."""
    found: Terms = []
    stack: list[Any] = list(reversed(symbol.args))
    while stack:
        x = stack.pop()
        if type(x) is not Symbol or x not in absorbed:
            found.append((x,))
        elif x.op == symbol.op:
            stack += reversed(x.args)
        else:
            found.append(x.args)
    return found


def depths(items: Sequence[Item], late: bool) -> dict[Symbol, int]:
    """The level of each item."""
    depth: dict[Symbol, int] = defaultdict(int)
    new = {item.symbol for item in items}
    for symbol, terms in reversed(items) if late else items:
        args = [x for term in terms for x in term if type(x) is Symbol and x in new]
        if late:
            for x in args:
                depth[x] = min(depth[x], depth[symbol] - 1)
        else:
            depth[symbol] = 1 + max([depth[x] for x in args], default=0)
    first = min(depth.values(), default=0)
    for symbol, terms in items:
        if symbol.op in ENTER and not any(x in new for x in terms[0]):
            depth[symbol] = first - 1
    return depth
