"""The tensor program as data: frozen records, which one pass hands to the next.

A Function is a list of steps; a step computes one tensor from operands, and an operand is a number, or some numbers of an
earlier tensor. A tensor on an axis is there for every sample of a batch: its shape, and the positions in it, are those of
one sample. Positions count in C order, whatever the memory looks like.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, TypeAlias

import numpy as np

from .symbol import Axis, Line

Index: TypeAlias = Any  # an array of whole numbers


@dataclass(frozen=True)
class Tensor:
    """An input, or the result of a step."""

    name: str
    shape: tuple[int, ...] = ()
    axis: Axis | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def opened(self) -> "Tensor":
        """The same with the samples as an ordinary dimension, the first."""
        return Tensor(self.name, (self.axis.length, *self.shape)) if self.axis else self


@dataclass(frozen=True, eq=False)
class Const:
    """Numbers known beforehand: a float, which stands for any shape, or an array."""

    value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return getattr(self.value, "shape", ())


@dataclass(frozen=True, eq=False)
class View:
    """Some numbers of a tensor in some shape: entry (i, j) is number offset + i * strides[0] + j * strides[1]."""

    tensor: Tensor
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    def dense(self) -> Index:
        """The position of every number in the tensor."""
        index = np.full((), self.offset)
        for n, step in zip(self.shape, self.strides):
            index = index[..., None] + step * np.arange(n)
        return index


@dataclass(frozen=True, eq=False)
class Take:
    """Some numbers of a tensor that lie in no regular order."""

    tensor: Tensor
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.index.shape)


Operand: TypeAlias = Const | View | Take


@dataclass(frozen=True, eq=False)
class Step:
    """One tensor operation.

    Attributes:
        op: an operation of `symbol.py`, elementwise; or
            "contract", a sum of products, with einsum's words for it in `spec`, where n is the axis;
            "max" and "min" over the last dimension;
            "pack", operands one behind the other along dimension `dim`, each as long there as `sizes` says;
            "stack", an operand whose first dimension becomes the axis.
        line: where in somebody's code most of it came from.
    """

    op: str
    operands: tuple[Operand, ...]
    out: Tensor
    spec: str = ""
    dim: int = 0
    sizes: tuple[int, ...] = ()
    line: Line | None = None


@dataclass(frozen=True, eq=False)
class Function:
    """A list of steps.

    Attributes:
        inputs: its parameters.
        outputs: what it returns, as one row of numbers, or, of tensors on an axis, as a row for each sample.
        kept: tensors that it returns besides, for the way back.
    """

    name: str
    inputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Operand, ...]
    kept: tuple[Tensor, ...] = ()

    @property
    def operations(self) -> int:
        """How many steps compute something; the others only put numbers in place."""
        return sum(step.op not in ("pack", "stack", "detach") for step in self.steps)


def axis_of(operands: Iterable[Operand]) -> Axis | None:
    return next((x.tensor.axis for x in operands if not isinstance(x, Const) and x.tensor.axis), None)


def sources(operands: Iterable[Operand]) -> list[str]:
    """The names of the tensors that operands are taken from."""
    return [x.tensor.name for x in operands if not isinstance(x, Const)]


def pruned(function: Function) -> Function:
    """The same without the steps that nothing depends on."""
    needed = {*sources(function.outputs), *(tensor.name for tensor in function.kept)}
    steps = []
    for step in reversed(function.steps):
        if step.out.name in needed:
            steps.append(step)
            needed.update(sources(step.operands))
    return Function(function.name, function.inputs, tuple(steps[::-1]), function.outputs, function.kept)


def view(tensor: Tensor, index: Index) -> View | Take:
    """The numbers of a tensor at `index`: a view where the index grows evenly along every dimension."""
    offset = int(index.reshape(-1)[0])
    firsts = [tuple(int(d == dim) for d in range(index.ndim)) for dim in range(index.ndim)]
    strides = tuple(int(index[at]) - offset if n > 1 else 0 for at, n in zip(firsts, index.shape))
    even = View(tensor, index.shape, offset, strides)
    return even if (even.dense() == index).all() else Take(tensor, index)


def runs(keys: Any) -> list[tuple[int, int]]:
    """Where runs of equal numbers begin and end."""
    return list(pairwise([0, *(int(i) + 1 for i in np.flatnonzero(np.diff(keys))), len(keys)])) if len(keys) else []
