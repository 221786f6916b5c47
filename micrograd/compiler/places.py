"""Where each number lies: in which tensor, and at which position there.

A place is one integer, a code: the tensor's index times POSITIONS, plus the position. Numbers known beforehand have negative
codes. So a few numbers side by side are an array of codes, and whether they are a view of some tensor is arithmetic.
"""

import keyword
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from .function import Const, Function, Operand, Step, Take, Tensor, axis_of, runs, view
from .symbol import Symbol

Codes: TypeAlias = Any  # an array of codes

POSITIONS = 1 << 40


class Names:
    """Makes names that differ from each other and from all that means something where they are used."""

    def __init__(self, *taken: str):
        self.taken = {*keyword.kwlist, *taken}

    def new(self, wanted: str) -> str:
        name = unicodedata.normalize("NFKC", wanted)  # as Python reads it
        name = name if name.isidentifier() else "argument"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


class Places:
    """The tensors that there are, and where each number is in them.

    Args:
        names: for the tensors to come.
        leaves: the numbers of Values. They are one tensor, in the order in which they are first met.
    """

    def __init__(self, names: Names, leaves: Sequence[Symbol]):
        self.names = names
        self.place: dict[Symbol, int] = {}
        self.tensors: list[Tensor] = []
        self.index: dict[Tensor, int] = {}
        self.constants: dict[str, int] = {}
        self.opened: dict[int, int] = {}
        self.packs: dict[Any, Operand] = {}
        self.steps: dict[str, Step] = {}
        self.totals: dict[Any, int] = {}
        self.leaves: list[Symbol] = []
        self.unmet = set(leaves)
        self.add(Tensor("leaves", (len(leaves),)), ())

    def fork(self) -> "Places":
        """Places that go on from here: they know all results so far, and have no steps yet."""
        twin = Places(Names(*self.names.taken), ())
        twin.place, twin.tensors, twin.leaves = dict(self.place), list(self.tensors), self.leaves
        twin.constants, twin.packs = dict(self.constants), dict(self.packs)
        twin.index, twin.opened = dict(self.index), dict(self.opened)
        return twin

    def add(self, tensor: Tensor, symbols: Iterable[tuple[Symbol, int]]) -> Tensor:
        """A new tensor, with Symbols and their positions there."""
        self.index[tensor] = len(self.tensors)
        base = len(self.tensors) * POSITIONS
        self.tensors.append(tensor)
        for symbol, position in symbols:
            self.place[symbol] = base + position
        return tensor

    def emit(
        self,
        op: str,
        operands: Sequence[Operand],
        shape: tuple[int, ...],
        symbols: Sequence[tuple[Symbol, int]] = (),
        **more: Any,
    ) -> Tensor:
        """Add a step.

        Args:
            symbols: what it computes, with the positions in the result.
            more: further attributes of the step.
        """
        axis = more.pop("axis", axis_of(operands))
        tensor = self.add(Tensor(self.names.new(f"t{len(self.tensors)}"), shape, axis), symbols)
        lines = Counter(symbol.line for symbol, _ in symbols).most_common(1)
        more.setdefault("line", lines[0][0] if lines else None)
        self.steps[tensor.name] = Step(op, tuple(operands), tensor, **more)
        return tensor

    def code(self, x: Symbol | float) -> int:
        if type(x) is not Symbol:
            # by repr, since nan is not equal to itself and 0.0 is equal to -0.0
            return -1 - self.constants.setdefault(repr(x), len(self.constants))
        if (code := self.place.get(x)) is not None:
            return code
        if x.op == "pick":
            tensor, position = divmod(self.code(x.args[0]), POSITIONS)
            return self.open(tensor) * POSITIONS + x.args[1] * self.tensors[tensor].size + position
        if x in self.unmet:
            self.unmet.remove(x)
            self.leaves.append(x)
            self.place[x] = len(self.leaves) - 1
            return self.place[x]
        raise TypeError(
            "an operation added by hand looks on its way back at the data of a Value that it was not computed from"
        )

    def open(self, tensor: int) -> int:
        """The index of a tensor on an axis, seen with the samples as an ordinary dimension."""
        if tensor not in self.opened:
            self.add(self.tensors[tensor].opened, ())
            self.opened[tensor] = len(self.tensors) - 1
        return self.opened[tensor]

    def codes(self, numbers: Iterable[Symbol | float]) -> Codes:
        return np.array([self.code(x) for x in numbers], dtype=np.int64)

    def operand(self, codes: Codes, exact: bool = False) -> Operand:
        """The numbers of `codes`, in that shape. `exact`: no single number may stand for many equal ones."""
        if (codes < 0).all():
            known = list(self.constants)
            values = np.array([float(known[-1 - code]) for code in codes.reshape(-1)]).reshape(codes.shape)
            same = not exact and len(np.unique(codes)) == 1
            return Const(float(values.reshape(-1)[0]) if same else values)
        tensor = int(codes.reshape(-1)[0] // POSITIONS)
        if tensor >= 0 and (codes // POSITIONS == tensor).all():
            return view(self.tensors[tensor], codes % POSITIONS)
        return self.pack(codes)

    def pack(self, codes: Codes) -> Operand:
        """Numbers of several tensors in one: blocks of rows or columns where that is possible."""
        key = codes.shape, codes.tobytes()
        if key in self.packs:
            return self.packs[key]
        for dim in (codes.ndim - 1, 0):
            lines = np.moveaxis(codes, dim, 0).reshape(codes.shape[dim], -1) // POSITIONS
            if (lines == lines[:, :1]).all() and len(runs(lines[:, 0])) <= max(8, len(np.unique(lines[:, 0]))):
                blocks = [self.operand(codes[(slice(None),) * dim + (slice(*run),)]) for run in runs(lines[:, 0])]
                sizes = tuple(stop - start for start, stop in runs(lines[:, 0]))
                tensor = self.emit("pack", blocks, codes.shape, dim=dim, sizes=sizes)
                positions = np.arange(codes.size).reshape(codes.shape)
                self.packs[key] = view(tensor, positions)
                turned = np.ascontiguousarray(codes.T)
                self.packs[turned.shape, turned.tobytes()] = view(tensor, positions.T)
                return self.packs[key]
        flat = np.unique(codes)  # no order to be seen: line up what is needed, then pick
        packed = self.pack(flat)
        assert not isinstance(packed, Const)
        return Take(packed.tensor, np.searchsorted(flat, codes))

    def function(self, name: str, inputs: Sequence[Tensor], results: Iterable[Symbol | float], keep: bool) -> Function:
        """What was laid out, as a function that returns `results`; with all that it has computed, if it is to `keep`."""
        codes = self.codes(results)
        pieces = [self.operand(codes[slice(*run)], exact=True) for run in runs(np.maximum(codes // POSITIONS, -1))]
        steps: list[Step] = []
        for step in reversed(self.steps.values()):  # what only puts numbers in place is there for what follows
            steps.append(step if step.line or not steps else replace(step, line=steps[-1].line))
        kept = tuple(step.out for step in self.steps.values()) if keep else ()
        return Function(name, tuple(inputs), tuple(steps[::-1]), tuple(pieces), kept)
