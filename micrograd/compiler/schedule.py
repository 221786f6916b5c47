"""Which scalars are computed together: the graph of Symbols, in levels.

A sum takes in the products that nothing else needs, so that a dot of two rows is one item; likewise a maximum of many.
Items of one level need none of each other, so that those of one kind can become one tensor operation.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .symbol import ENTER, GIVEN, Symbol

FOLDS = {"+": "sum", "maximum": "max", "minimum": "min"}  # operations that take in others of their kind

Number: TypeAlias = Symbol | float
Terms: TypeAlias = list[tuple[Number, ...]]  # the products of a sum, and what is no product; of others the arguments

Needs: TypeAlias = Mapping[Symbol, list[Any]]  # of each item what it is computed from


class Schedule(NamedTuple):
    """What to compute, in order.

    Attributes:
        levels: Symbols with their terms; each level needs the earlier ones. The first has samples known from the start.
        final: what is only asked for, or added up over the samples for that.
        totals: sums over the samples that are only asked for; they come last.
    """

    levels: list[list[tuple[Symbol, Terms]]]
    final: set[Symbol]
    totals: list[Symbol]


def schedule(targets: Iterable[Number], order: Iterable[Symbol], late: bool) -> Schedule:
    """Put the computation of `targets` in levels.

    Args:
        order: all that is to be computed for them, arguments first.
        late: group operations by how far they are from the targets, not from what they start with. Samples or
            positions differ more in how their numbers come about than in what becomes of them; on the way back the
            other way round.
    """
    wanted = [x for x in targets if type(x) is Symbol]
    order = [x for x in order if x.op not in GIVEN]
    new = set(order)
    uses: dict[Symbol, int] = defaultdict(int)
    totals = []
    for symbol in reversed(order):
        if symbol.op == "total" and symbol not in uses:
            totals.append(symbol)
        else:
            for x in symbol.args:
                if x in new:
                    uses[x] += 1
    absorbed = taken_in(order, uses, {*wanted, *(total.args[0] for total in totals)})
    taken = absorbed.union(totals)
    items = [(x, terms(x, absorbed) if x.op in FOLDS else [x.args]) for x in order if x not in taken]
    depth = depths(items, new, late)
    levels: dict[int, list[tuple[Symbol, Terms]]] = defaultdict(list)
    for item in items:
        levels[depth[item[0]]].append(item)
    return Schedule(
        [levels[d] for d in range(min(levels, default=0), max(levels, default=-1) + 1)], new - uses.keys(), totals[::-1]
    )


def taken_in(order: Iterable[Symbol], uses: Mapping[Any, int], wanted: Container[Symbol]) -> set[Symbol]:
    """What sums and maxima take in: what nothing else needs. A maximum takes in its first argument only: so it stays a
    chain, in which ties share as they do in the function."""
    return {
        x
        for symbol in order
        if symbol.op in FOLDS
        for x in (symbol.args if symbol.op == "+" else symbol.args[:1])
        if uses.get(x) == 1 and x not in wanted and x.axis is symbol.axis
        if x.op == symbol.op or (symbol.op == "+" and x.op == "*" and type(x.args[1]) is Symbol)
    }


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


def is_mixed(terms: Terms) -> bool:
    """Whether a sum has products and computed numbers, so that it takes two steps: a dot, and a sum."""
    computed = any(len(term) == 1 and not (type(term[0]) is Symbol and term[0].op in GIVEN) for term in terms)
    return computed and any(len(term) > 1 for term in terms)


def depths(items: Sequence[tuple[Symbol, Terms]], new: Container[Any], late: bool) -> dict[Symbol, int]:
    """The level of each item; that of samples which need nothing is the first."""
    depth: dict[Any, int] = defaultdict(int)
    needs: Needs = {s: [x for term in terms for x in term if x in new] for s, terms in items}
    takes: dict[Any, int] = {s: 1 + (s.op == "+" and is_mixed(terms)) for s, terms in items}
    for symbol in reversed([*needs]) if late else needs:
        if late:
            depth[symbol] -= takes[symbol] - 1
            for x in needs[symbol]:
                depth[x] = min(depth[x], depth[symbol] - 1)
        else:
            depth[symbol] = max([depth[x] + takes[x] for x in needs[symbol]], default=0)
    together(needs, takes, depth, late)
    first = min(depth.values(), default=0) - 1
    return depth | {symbol: first for symbol, args in needs.items() if symbol.op in ENTER and not args}


def together(needs: Needs, takes: Mapping[Any, int], depth: dict[Any, int], late: bool) -> None:
    """Let what one line of code computes on two levels be on one, where what it needs and what needs it allow that."""
    users: dict[Any, list[Symbol]] = defaultdict(list)
    for symbol, args in needs.items():
        for x in args:
            users[x].append(symbol)
    groups: dict[Any, dict[int, list[Symbol]]] = defaultdict(lambda: defaultdict(list))
    for symbol in needs:
        groups[symbol.op, symbol.line, takes[symbol]][depth[symbol]].append(symbol)
    every = [(level, levels) for levels in groups.values() for level in levels]
    for level, levels in sorted(every, key=lambda x: x[0], reverse=not late):
        group = levels[level]
        if late:
            least = max((depth[x] + takes[x] for s in group for x in needs[s]), default=min(levels))
            to = min((n for n in levels if least <= n < level), default=level)
        else:
            most = min((depth[x] - takes[s] for s in group for x in users[s]), default=level)
            to = max((n for n in levels if level < n <= most), default=level)
        if to != level:
            levels[to] += levels.pop(level)
            depth.update(dict.fromkeys(group, to))
