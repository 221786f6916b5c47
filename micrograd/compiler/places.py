"""Where each number lies: in which tensor, and at which position there.

A place is one integer, a code: the tensor's index times POSITIONS, plus the position. Numbers known beforehand have
negative codes. So numbers side by side are an array of codes, and whether they are a view of a tensor is arithmetic.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from .function import Const, Function, Operand, Part, Step, Tensor, sources
from .names import Names
from .symbol import STRANGE, Axis, Symbol

Codes: TypeAlias = Any  # an array of codes
Placed: TypeAlias = Sequence[tuple[Symbol, int]]  # Symbols with their positions in a tensor

POSITIONS = 1 << 40


class Places:
    """The tensors that there are, and where each number is in them.

    Args:
        names: for the tensors to come.
        leaves: the numbers of Values. They are the first tensor, in the order in which they are met.
        holes: whether a tensor may have numbers that nobody asked for, which may be anything.

    Attributes:
        place: where each Symbol is.
        masks: tensors in which holes are 0, by what they are made from.
        asked: of tensors with holes, which positions were asked for.
        zeros: of some tensors, which positions are 0; in what was computed from masked ones, 0 or nan.
    """

    def __init__(self, names: Names, leaves: Sequence[Symbol], holes: bool = True):
        self.names, self.holes = names, holes
        self.place: dict[Symbol, int] = {}
        self.tensors: list[Tensor] = []
        self.index: dict[Tensor, int] = {}
        self.constants: dict[str, int] = {}
        self.packs: dict[Any, Codes] = {}
        self.totals: dict[Any, int] = {}
        self.steps: dict[str, Step] = {}
        self.masks: dict[Any, int] = {}
        self.zeros: dict[int, Any] = {}
        self.asked: dict[int, Any] = {}
        self.leaves: list[Symbol] = []
        self.unmet = set(leaves)
        self.add(Tensor(names.new("leaves"), (len(leaves),)))

    def fork(self) -> "Places":
        """Places that go on from here: they know all results so far, and have no steps yet."""
        twin = copy.copy(self)
        for name, x in vars(self).items():
            setattr(twin, name, copy.copy(x))
        twin.names, twin.steps = Names(self.names.taken), {}
        return twin

    def add(self, tensor: Tensor, placed: Placed = ()) -> Tensor:
        self.index[tensor] = len(self.tensors)
        self.tensors.append(tensor)
        self.place.update((symbol, self.index[tensor] * POSITIONS + position) for symbol, position in placed)
        return tensor

    def emit(
        self, op: str, operands: Sequence[Operand], shape: Sequence[int], placed: Placed = (), **more: Any
    ) -> Tensor:
        """Add a step that computes a tensor in which Symbols are `placed`; `more` are attributes of the step."""
        axis: Axis | None = more.pop("axis", next((x.axis for x in operands if x.axis), None))
        lines = Counter(symbol.line for symbol, _ in placed if symbol.op != "part").most_common(1)
        made = [self.steps[name].line for name in sources(operands) if name in self.steps]  # for parts of a sum
        line = lines[0][0] if lines else made[-1] if made else None
        out = self.add(Tensor(self.names.new(f"t{len(self.tensors)}"), tuple(shape), axis), placed)
        self.steps[out.name] = Step(op, tuple(operands), out, line=line, **more)
        return out

    def code(self, x: Symbol | float) -> int:
        if type(x) is not Symbol:
            # by repr, since nan is not equal to itself and 0.0 is equal to -0.0
            return -1 - self.constants.setdefault(repr(x), len(self.constants))
        if x in self.place:
            return self.place[x]
        if x.op == "pick":
            tensor, position = divmod(self.code(x.args[0]), POSITIONS)
            return self.opened(tensor) + int(x.args[1]) * self.tensors[tensor].size + position
        if x not in self.unmet:
            raise TypeError(STRANGE)
        self.unmet.remove(x)
        self.leaves.append(x)
        self.place[x] = len(self.leaves) - 1
        return self.place[x]

    def codes(self, numbers: Iterable[Symbol | float]) -> Codes:
        return np.array([self.code(x) for x in numbers], dtype=np.int64)

    def opened(self, tensor: int) -> int:
        """The code of the first number of a tensor on an axis, seen with the samples as an ordinary dimension."""
        opened = self.tensors[tensor].opened
        return self.index[opened if opened in self.index else self.add(opened)] * POSITIONS

    def operand(self, codes: Codes, exact: bool = False) -> Operand:
        """The numbers of `codes`, in that shape. `exact`: no single number may stand for many equal ones."""
        if (codes < 0).all():
            known = list(self.constants)
            values = np.array([float(known[-1 - code]) for code in codes.flat]).reshape(codes.shape)
            return Const(float(values.flat[0]) if not exact and len(np.unique(codes)) == 1 else values)
        tensors = np.unique(codes // POSITIONS)
        if len(tensors) > 1:
            return self.operand(self.packed(codes))
        return Part(self.tensors[tensors[0]], codes % POSITIONS)

    def packed(self, codes: Codes) -> Codes:
        """Numbers of several tensors, put into one: blocks of rows or columns where that is possible."""
        key = codes.shape, codes.tobytes()
        if key not in self.packs:
            for dim in (codes.ndim - 1, 0):
                lines = np.moveaxis(codes, dim, 0).reshape(codes.shape[dim], -1) // POSITIONS
                blocks = runs(lines[:, 0])
                if (lines == lines[:, :1]).all() and len(blocks) <= max(8, len(np.unique(lines[:, 0]))):
                    parts = [self.operand(codes.take(range(*block), dim), exact=True) for block in blocks]
                    tensor = self.emit("pack", parts, codes.shape, dim=dim)
                    found = self.index[tensor] * POSITIONS + np.arange(codes.size).reshape(codes.shape)
                    turned = np.ascontiguousarray(codes.T)
                    self.packs |= {key: found, (turned.shape, turned.tobytes()): found.T}
                    return found
            flat = np.unique(codes)  # no order to be seen: line up what is needed, then pick
            self.packs[key] = self.packed(flat)[np.searchsorted(flat, codes)]
        return self.packs[key]

    def function(self, name: str, inputs: Sequence[Tensor], results: Iterable[Symbol | float], keep: bool) -> Function:
        """What was laid out, as a function that returns `results`; and all that it has computed, if it is to `keep`."""
        codes = self.codes(results)
        result = self.operand(codes, exact=True) if codes.size else Const(codes)
        kept = tuple(step.out for step in self.steps.values()) if keep else ()
        needed = {*sources([result]), *(tensor.name for tensor in kept)}
        steps: list[Step] = []
        line = next((step.line for step in reversed(self.steps.values()) if step.line), None)
        for step in reversed(self.steps.values()):  # what only puts numbers in place is there for what follows
            line = step.line or line
            if step.out.name in needed:
                steps.append(replace(step, line=line))
                needed.update(sources(step.operands))
        return Function(name, tuple(inputs), tuple(steps[::-1]), result, kept)


def is_even(codes: Codes) -> bool:
    """Whether numbers are all known beforehand, or a view of a tensor."""
    if codes.max() < 0:
        return True
    return bool(codes.min() // POSITIONS == codes.max() // POSITIONS) and Part(Tensor(""), codes).strides is not None


def runs(keys: Any) -> list[tuple[int, int]]:
    """Where runs of equal numbers begin and end."""
    cuts = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(keys))), len(keys)] if len(keys) else []
    return list(pairwise(cuts))
