"""From a graph of scalar operations to a short list of tensor operations.

Three ideas. A sum of products that nothing else needs is one operation, a dot of two rows. Operations that are equally
deep, of one kind and, for dots, of one length, are computed together: elementwise, or, where every left row of a
group meets every right row, as one matrix product. And the numbers of a group are laid out in the order in which
their arguments lie already, so that most arguments are views of earlier results: slices and transposes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from .symbol import Symbol, undisturbed

# Operations that take in others of their kind, and what many of them are together.
FOLDS = {"+": "sum", "maximum": "max", "minimum": "min"}

# Where a number is: a tensor and a position in it, as one integer; numbers known beforehand are negative.
POSITIONS = 1 << 40


@dataclass(eq=False)
class Tensor:
    """The result of a step, or an input. Positions count in C order, whatever the memory looks like.

    A tensor that is `batched` is there for each sample of a batch: it has an axis in front that `shape` does not tell.
    """

    name: str
    shape: tuple[int, ...] = ()
    symbols: list[Symbol] = field(default_factory=list)
    batched: bool = False

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))


@dataclass(eq=False)
class View:
    """Some numbers of a tensor in some shape: entry (i, j) is number offset + i * strides[0] + j * strides[1]."""

    tensor: Tensor
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    def dense(self) -> Any:
        """The position of every number in the tensor."""
        index = np.full((), self.offset)
        for n, step in zip(self.shape, self.strides):
            index = index[..., None] + step * np.arange(n)
        return index

    @property
    def whole(self) -> bool:
        """Whether it is all of the tensor in order, if perhaps in another shape."""
        steps = tuple(int(np.prod(self.shape[d + 1 :], dtype=int)) for d in range(len(self.shape)))
        return (self.offset, self.strides) == (0, steps) and int(np.prod(self.shape)) == self.tensor.size


@dataclass(eq=False)
class Gather:
    """Some numbers of a tensor that lie in no regular order."""

    tensor: Tensor
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape


Operand = Any  # a View, a Gather, or numbers known beforehand: a float or an array


@dataclass(eq=False)
class Step:
    """One tensor operation.

    Attributes:
        op: the operation of `symbol.py`, elementwise; or "dot", "rowwise", "sum", "max", "min", "pack"; or, over the
            samples of a batch, "total", "count" (n times the same), "across" (a sum of products).
        operands: for "pack": pairs of a place in the result, as slices, and what goes there.
        axes: for "across": the axes of the operands and of the result, as einsum writes them.
        out: for a result that is computed right into its place in a pack: the pack, and the place; `program.py` says.
        housed: for "pack": which of its operands are computed right into it.
    """

    op: str
    operands: list[Any]
    result: Tensor
    axes: str = ""
    out: tuple[Tensor, tuple[slice, ...]] | None = None
    housed: set[int] = field(default_factory=set)

    @property
    def parts(self) -> list[Operand]:
        """The operands alone, without their places."""
        return [part for _, part in self.operands] if self.op == "pack" else self.operands


class Lowering:
    """Collects the steps. `place` says where each number lies once it is lowered.

    Args:
        inputs: the tensors that are there from the start.
        leaves: numbers that will come as one tensor, the first of the inputs, in an order that suits the program.
    """

    def __init__(self, inputs: Sequence[Tensor], leaves: Sequence[Symbol] = ()):
        self.place: dict[Symbol, int] = {}
        self.leaves = set(leaves)
        self.tensors: list[Tensor] = []
        self.constants: dict[str, int] = {}
        self.packs: dict[Any, Operand] = {}
        self.steps: list[Step] = []
        self.totals: dict[Tensor, int] = {}
        for tensor in inputs:
            self.register(tensor, tensor.symbols)

    def fork(self) -> "Lowering":
        """A lowering that goes on from here: it knows all results so far, and has no steps yet."""
        twin = Lowering((), list(self.leaves))
        twin.place, twin.tensors = dict(self.place), list(self.tensors)
        twin.constants, twin.packs = self.constants, dict(self.packs)
        return twin

    def register(self, tensor: Tensor, symbols: Sequence[Symbol]) -> None:
        """Let `symbols` be the numbers of a tensor, in order."""
        self.tensors.append(tensor)
        for i, symbol in enumerate(symbols):
            self.place[symbol] = self.at(i)

    def emit(self, op: str, operands: list[Any], shape: tuple[int, ...], axes: str = "") -> Tensor:
        tensor = Tensor(f"t{len(self.tensors)}", shape)
        step = Step(op, operands, tensor, axes)
        tensor.batched = op not in ("total", "count", "across") and any(map(is_batched, step.parts))
        self.steps.append(step)
        self.tensors.append(tensor)
        return tensor

    def at(self, position: int) -> int:
        """Where a number of the latest tensor is."""
        return (len(self.tensors) - 1) * POSITIONS + position

    def code(self, x: Symbol | float) -> int:
        if type(x) is Symbol:
            return self.place[x]
        # by repr, since nan is not equal to itself and 0.0 is equal to -0.0
        return -1 - self.constants.setdefault(repr(x), len(self.constants))

    # ---- what to compute, in which order ----

    @undisturbed()
    def lower(self, targets: Sequence[Symbol | float], late: bool) -> None:
        """Add the steps that compute `targets`.

        `late`: group operations by how far they are from the targets, not from what they start with. Samples or
        positions differ more in how their numbers come about than in what becomes of them; on the way back the
        other way round.
        """
        wanted = [t for t in targets if type(t) is Symbol and t not in self.place and t not in self.leaves]
        order = self.new_symbols(wanted)
        uses: dict[Symbol, int] = defaultdict(int)
        for symbol in order:
            for arg in symbol.args:
                if type(arg) is Symbol:
                    uses[arg] += 1
        results = set(wanted)
        # A sum takes in the sums and products that only it needs, a maximum such maxima.
        absorbed = {
            arg
            for symbol in order
            if symbol.op in FOLDS
            for arg in symbol.args
            if type(arg) is Symbol and uses[arg] == 1 and arg not in results and arg not in self.place
            if arg.op == symbol.op or (symbol.op == "+" and arg.op == "*" and all(type(x) is Symbol for x in arg.args))
        }
        items = [
            (symbol, self.terms(symbol, absorbed) if symbol.op in FOLDS else [symbol.args])
            for symbol in order
            if symbol not in absorbed
        ]
        depth: dict[Symbol, int] = defaultdict(int)
        for symbol, terms in reversed(items) if late else items:
            args = [x for term in terms for x in term if type(x) is Symbol and x not in self.place]
            if late:
                below = depth[symbol] - 1
                for x in args:
                    if depth[x] > below:
                        depth[x] = below
            else:
                depth[symbol] = 1 + max([depth[x] for x in args], default=0)
        stages: dict[int, list[tuple[Symbol, list[Any]]]] = defaultdict(list)
        for symbol, terms in items:
            stages[depth[symbol]].append((symbol, terms))
        # Sums that are only asked for, such as the gradients of all parameters, can wait for one another.
        waiting: list[tuple[Symbol, list[int]]] = []
        self.line_up(stages)
        for level in sorted(stages):
            sums = self.stage(stages[level])
            waiting += [(symbol, addends) for symbol, addends in sums if not uses[symbol]]
            self.add([(symbol, addends) for symbol, addends in sums if uses[symbol]])
        self.add(waiting)

    def line_up(self, stages: dict[int, list[tuple[Symbol, list[Any]]]]) -> None:
        """Give the leaves their order: that of the sums of products in which they meet other numbers."""
        items = [terms for level in sorted(stages) for _, terms in stages[level]]
        mixed = [ts for ts in items if any(len(t) == 2 and (t[0] in self.leaves) != (t[1] in self.leaves) for t in ts)]
        for terms in mixed + items:
            for term in terms:
                for x in term:
                    if type(x) is Symbol and x in self.leaves and x not in self.place:
                        self.place_leaves([x])

    def place_leaves(self, symbols: Iterable[Symbol]) -> None:
        for symbol in symbols:
            self.place[symbol] = len(self.tensors[0].symbols)
            self.tensors[0].symbols.append(symbol)

    def new_symbols(self, wanted: Sequence[Symbol]) -> list[Symbol]:
        """All Symbols yet to be computed, arguments first, in the order in which they were written down."""
        order: list[Symbol] = []
        seen = set(self.place)
        stack: list[Symbol | None] = [*reversed(wanted)]
        while stack:
            top = stack.pop()
            if top is None:
                order.append(stack.pop())  # type: ignore[arg-type]
            elif top not in seen:
                seen.add(top)
                stack.append(top)
                stack.append(None)
                stack += [x for x in top.args[::-1] if type(x) is Symbol and x not in seen and x not in self.leaves]
        return order

    def terms(self, symbol: Symbol, absorbed: set[Symbol]) -> list[tuple[Any, ...]]:
        """The products that a sum consists of; what is no product is a term by itself. Likewise of a maximum."""
        terms: list[tuple[Any, ...]] = []
        stack = list(reversed(symbol.args))
        while stack:
            x = stack.pop()
            if type(x) is not Symbol or x not in absorbed:
                terms.append((x,))
            elif x.op == symbol.op:
                stack += reversed(x.args)
            else:
                terms.append(x.args)
        return terms

    def stage(self, items: list[tuple[Symbol, list[Any]]]) -> list[tuple[Symbol, list[int]]]:
        """Lower all of one level but sums of several parts, of which it returns the parts."""
        elementwise: dict[Any, list[tuple[Symbol, list[int]]]] = defaultdict(list)
        folds: dict[Any, list[tuple[Symbol, list[int]]]] = defaultdict(list)
        dots: dict[Any, list[tuple[Symbol, list[tuple[int, int]]]]] = defaultdict(list)
        unfinished = []
        for symbol, terms in items:
            if symbol.op == "+":
                parts, addends = self.parts(terms)
                if len(parts) == 1 and not addends:
                    slots = [symbol]
                else:
                    slots = [Symbol("part") for _ in parts]
                    unfinished.append((symbol, slots, addends))
            elif symbol.op == "*" and all(type(x) is Symbol for x in symbol.args):
                u, v = symbol.args
                slots, parts = [symbol], [[newer_first(self.code(u), self.code(v))]]
            else:
                codes = [self.code(x) for term in terms for x in term]
                long = symbol.op in FOLDS and len(codes) > 2
                group = (
                    folds[FOLDS[symbol.op], codes[0] // POSITIONS]
                    if long
                    else elementwise[symbol.op, tuple(code < 0 for code in codes)]
                )
                group.append((symbol, codes))
                continue
            for slot, pairs in zip(slots, parts):
                dots[max(pairs)[0] // POSITIONS, max(v for _, v in pairs) // POSITIONS, len(pairs)].append(
                    (slot, sorted(pairs))
                )
        for (op, _), group in elementwise.items():
            self.elementwise(op, group)
        for (op, _), group in folds.items():
            self.fold(op, group)
        for rows in self.padded(dots):
            if len(rows[0][1]) == 1:
                self.elementwise("*", [(slot, [*pairs[0]]) for slot, pairs in rows])
            else:
                self.dots(rows)
        return [(symbol, sorted(addends + [self.place[s] for s in slots])) for symbol, slots, addends in unfinished]

    def padded(self, dots: dict[tuple[int, int, int], list[Any]]) -> Iterable[list[Any]]:
        """Groups of dots of one length. Where more than two lengths occur between two tensors, as in causal
        attention, the shorter dots get products 0 * 0 in front and all are one group."""
        lengths: dict[Any, list[int]] = defaultdict(list)
        for left, right, length in dots:
            lengths[left, right].append(length)
        zero, one = self.code(0.0), self.code(1.0)
        joined: dict[Any, list[Any]] = defaultdict(list)
        for (left, right, length), group in dots.items():
            several = len(lengths[left, right]) > 2
            longest = max(lengths[left, right]) if several else length
            pad = [(zero, one if right < 0 else zero)] * (longest - length)
            # Dots with rows of different tensors may still make one matrix product, if their left rows are the same.
            tensors = (left, right) if several or length == 1 else (left,)
            joined[tensors, longest] += [(slot, pad + pairs) for slot, pairs in group]
        return joined.values()

    def parts(self, terms: list[Any]) -> tuple[list[list[tuple[int, int]]], list[int]]:
        """Part the terms of a sum by the tensors they come from: dots, and single numbers to add."""
        products: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        singles: dict[int, list[int]] = defaultdict(list)
        for term in terms:
            if len(term) == 2:
                u, v = newer_first(self.code(term[0]), self.code(term[1]))
                products[u // POSITIONS, v // POSITIONS].append((u, v))
            else:
                u = self.code(term[0])
                singles[u // POSITIONS].append(u)
        one, addends = self.code(1.0), []
        for tensor, codes in singles.items():
            homes = [key for key in products if tensor in key]
            if tensor >= 0 and len(homes) == 1:  # b in b + w . x: the dot of (b, w) and (1, x)
                products[homes[0]] += [(u, one) if tensor == homes[0][0] else (one, u) for u in codes]
            elif len(codes) <= 2:
                addends += codes
            else:
                products[tensor, -1] = [(u, one) for u in codes]
        return list(products.values()), addends

    def add(self, sums: list[tuple[Symbol, list[int]]]) -> None:
        alike: dict[int, list[tuple[Symbol, list[int]]]] = defaultdict(list)
        for symbol, addends in sums:
            alike[len(addends)].append((symbol, addends))
        for group in alike.values():
            self.elementwise("+", group)

    # ---- how: a group of like operations as one step ----

    def elementwise(self, op: str, group: list[tuple[Symbol, list[int]]]) -> None:
        same: dict[tuple[int, ...], list[Symbol]] = defaultdict(list)
        for symbol, codes in group:
            same[tuple(codes)].append(symbol)
        args = np.array(list(same), dtype=np.int64).T
        order, shape = self.layout(args)
        operands = [self.operand(codes[order].reshape(shape)) for codes in args]
        self.emit(op, operands, shape)
        members = list(same.values())
        for position, i in enumerate(order):
            for symbol in members[i]:
                self.place[symbol] = self.at(position)

    def fold(self, op: str, group: list[tuple[Symbol, list[int]]]) -> None:
        """The largest, or smallest, of each row; a shorter row repeats its last number."""
        longest = max(len(codes) for _, codes in group)
        rows = np.array([codes + codes[-1:] * (longest - len(codes)) for _, codes in group], dtype=np.int64)
        single = len(rows) == 1
        self.emit(op, [self.operand(rows[0] if single else rows, True)], () if single else (len(rows),))
        for position, (symbol, _) in enumerate(group):
            self.place[symbol] = self.at(position)

    def layout(self, args: Any) -> tuple[Any, tuple[int, ...]]:
        """An order for the members of a group in which an argument lies as it is, and their shape then."""
        m = args.shape[1]
        if m == 1:
            return np.arange(1), ()
        counts = [len(np.unique(codes)) for codes in args]
        for codes, count in zip(args, counts):
            tensor = codes[0] // POSITIONS
            if tensor >= 0 and count == m == self.tensors[tensor].size and (codes // POSITIONS == tensor).all():
                order, shape = np.argsort(codes), self.tensors[tensor].shape
                return order, shape if len(shape) > 1 else folded(args[:, order])
        for i, j in combinations(range(len(args)), 2):
            crossed = counts[i] * counts[j] == m and min(counts[i], counts[j]) > 1
            if crossed and len(np.unique(args[[i, j]], axis=1).T) == m:  # every one of these meets every one of those
                return np.lexsort((args[j], args[i])), (counts[i], counts[j])
        return np.arange(m), folded(args)

    def dots(self, group: list[tuple[Symbol, list[tuple[int, int]]]]) -> None:
        """Dots of one length: a matrix product for each set of left rows that meets a set of right rows."""
        rows = [(tuple(u for u, _ in pairs), tuple(v for _, v in pairs)) for _, pairs in group]
        blocks: dict[tuple[int, int], list[Any]] = defaultdict(list)
        for lefts, rights, members in connected(rows):
            full = len(lefts) * len(rights) <= 2 * len(members)
            for block in [(lefts, rights, members)] if full else [([rows[i][0]], [rows[i][1]], [i]) for i in members]:
                blocks[len(block[0]), len(block[1])].append(block)
        for (a, b), alike in blocks.items():
            left = np.array([lefts for lefts, _, _ in alike], dtype=np.int64)
            right = np.array([rights for _, rights, _ in alike], dtype=np.int64)
            many = len(alike)
            if (right == self.code(1.0)).all():
                left, shape = left.reshape(many * a, -1), (many * a,) * (many * a > 1)
                self.emit("sum", [self.operand(left if shape else left[0], True)], shape)
            elif a == b == 1 and many > 1:
                self.emit("rowwise", [self.operand(left[:, 0], True), self.operand(right[:, 0], True)], (many,))
            elif many > 1:
                operands = [self.operand(left, True), self.operand(right.transpose(0, 2, 1), True)]
                self.emit("dot", operands, (many, a, b))
            elif a == 1:
                left, right = right[0], left[0, 0]
                shape = (b,) * (b > 1)
                self.emit("dot", [self.operand(left if b > 1 else left[0], True), self.operand(right, True)], shape)
            elif b == 1:
                self.emit("dot", [self.operand(left[0], True), self.operand(right[0, 0], True)], (a,))
            else:
                self.emit("dot", [self.operand(left[0], True), self.operand(right[0].T, True)], (a, b))
            for k, (lefts, rights, members) in enumerate(alike):
                at_left, at_right = ({row: i for i, row in enumerate(side)} for side in (lefts, rights))
                for i in members:
                    left_row, right_row = rows[i]
                    self.place[group[i][0]] = self.at((k * a + at_left[left_row]) * b + at_right[right_row])

    def operand(self, codes: Any, exact: bool = False) -> Operand:
        """The numbers of `codes`, in that shape. `exact`: no single number may stand for many equal ones."""
        if (codes < 0).all():
            known = list(self.constants)
            values = np.array([float(known[-1 - code]) for code in codes.reshape(-1)]).reshape(codes.shape)
            same = not exact and len(np.unique(codes)) == 1
            return float(values.reshape(-1)[0]) if same else values
        tensor = int(codes.reshape(-1)[0] // POSITIONS)
        if tensor >= 0 and (codes // POSITIONS == tensor).all():
            return view(self.tensors[tensor], codes % POSITIONS)
        return self.pack(codes)

    def pack(self, codes: Any) -> Operand:
        """Numbers of several tensors in one: blocks of rows or columns where that is possible."""
        key = codes.shape, codes.tobytes()
        if key in self.packs:
            return self.packs[key]
        for axis in (codes.ndim - 1, 0):
            lines = np.moveaxis(codes, axis, 0).reshape(codes.shape[axis], -1) // POSITIONS
            if (lines == lines[:, :1]).all():
                starts = [0, *(np.flatnonzero(np.diff(lines[:, 0])) + 1), len(lines)]
                if len(starts) <= 1 + max(8, len(np.unique(lines[:, 0]))):
                    whole = [slice(None)] * codes.ndim
                    blocks = []
                    for start, stop in pairwise(starts):
                        place = (*whole[:axis], slice(int(start), int(stop)), *whole[axis + 1 :])
                        blocks.append((place, self.operand(codes[place])))
                    tensor = self.emit("pack", blocks, codes.shape)
                    self.packs[key] = view(tensor, np.arange(codes.size).reshape(codes.shape))
                    turned = np.ascontiguousarray(codes.T)
                    self.packs[turned.shape, turned.tobytes()] = view(
                        tensor, np.arange(codes.size).reshape(codes.shape).T
                    )
                    return self.packs[key]
        flat = np.unique(codes)  # no order to be seen: line up what is needed, then pick
        return Gather(self.pack(flat).tensor, np.searchsorted(flat, codes))

    # ---- sums over the samples of a batch ----

    def total(self, codes: Any) -> Any:
        """Where the numbers of `codes` are, each added up over the samples."""
        out = np.empty_like(codes)
        tensors = np.where(codes < 0, -1, codes // POSITIONS)
        for index in np.unique(tensors):
            mine = tensors == index
            if index >= 0 and self.tensors[index].batched:
                out[mine] = self.total_of(self.tensors[index]) * POSITIONS + codes[mine] % POSITIONS
            else:
                self.emit("count", [self.operand(codes[mine], exact=True)], (int(mine.sum()),))
                out[mine] = self.at(0) + np.arange(mine.sum())
        return out

    def total_of(self, tensor: Tensor) -> int:
        """The sum of a tensor over the samples, as an index in `tensors`. A product need not be computed for each
        sample first: its sum is a matrix product, in which the samples are what is added up over."""
        if tensor not in self.totals:
            step = next((step for step in self.steps if step.result is tensor), None)
            batched = [is_batched(x) for x in step.operands] if step and step.op in ("*", "dot") else []
            if step and sum(batched) == 1:
                operands = [
                    replace(x, tensor=self.tensors[self.total_of(x.tensor)]) if b else x
                    for x, b in zip(step.operands, batched)
                ]
                self.emit(step.op, operands, tensor.shape)
            elif step and sum(batched) == 2:
                self.emit("across", *across(step))
            else:
                self.emit("total", [view(tensor, np.arange(tensor.size).reshape(tensor.shape))], tensor.shape)
            self.totals[tensor] = len(self.tensors) - 1
        return self.totals[tensor]


def is_batched(x: Operand) -> bool:
    return isinstance(x, View | Gather) and x.tensor.batched


def across(step: Step) -> tuple[list[Any], tuple[int, ...], str]:
    """The sum over the samples of a product or a dot: its operands, shape and axes; n is that of the samples."""
    left, right = step.operands
    rank = len(step.result.shape)
    if step.op == "dot":
        rows, columns = ("", "k", "ik", "mik")[len(left.shape)], ("", "k", "kj", "mkj")[len(right.shape)]
        result = "".join(axis for axis in "mij" if axis in rows + columns)
    else:
        names = "abcdefgh"[:rank]
        (left, rows), (right, columns) = narrow(left, names), narrow(right, names)
        result = names
    return [left, right], step.result.shape, f"n{rows},n{columns}->{result}"


def narrow(x: Operand, names: str) -> tuple[Operand, str]:
    """A view without the axes along which nothing changes, and the names of the others."""
    if not isinstance(x, View):
        return x, names
    axes = [d for d in range(len(x.shape)) if x.strides[d] or x.shape[d] == 1]
    shape, strides = tuple(x.shape[d] for d in axes), tuple(x.strides[d] for d in axes)
    return View(x.tensor, shape, x.offset, strides), "".join(names[d] for d in axes)


def folded(args: Any) -> tuple[int, ...]:
    """The shape of a group in which the arguments change evenly along rows."""
    m = args.shape[1]
    for codes in args:
        breaks = np.flatnonzero(np.diff(codes) != codes[1] - codes[0])
        run = int(breaks[0]) + 1 if len(breaks) else m
        if 1 < run < m and m % run == 0:
            return m // run, run
    return (m,)


def newer_first(u: int, v: int) -> tuple[int, int]:
    return (v, u) if u // POSITIONS < v // POSITIONS else (u, v)


def connected(rows: list[tuple[Any, Any]]) -> Iterable[tuple[list[Any], list[Any], list[int]]]:
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


def view(tensor: Tensor, index: Any) -> View | Gather:
    """The numbers of a tensor at `index`: a view where the index grows evenly along every axis."""
    offset = int(index.reshape(-1)[0])
    neighbours = [tuple(int(d == axis) for d in range(index.ndim)) for axis in range(index.ndim)]
    strides = tuple(int(index[at]) - offset if n > 1 else 0 for at, n in zip(neighbours, index.shape))
    even = View(tensor, index.shape, offset, strides)
    return even if (even.dense() == index).all() else Gather(tensor, index)
