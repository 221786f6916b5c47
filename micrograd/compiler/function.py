"""The tensor program as data: frozen records, which one pass hands to the next.

A Function is a list of steps. A step computes a tensor from operands; an operand is numbers known beforehand, or some
numbers of an earlier tensor. A tensor on an axis is there for every sample of a batch: its shape, and the positions in
it, are those of one sample. Positions count in C order, whatever the memory looks like.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

import numpy as np

from .guards.callers import Line
from .symbol import Axis


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
    """Numbers known beforehand: an array, or a float, which stands for any shape."""

    value: Any
    tensor: None = None
    axis: None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return getattr(self.value, "shape", ())


@dataclass(frozen=True, eq=False)
class Part:
    """Numbers of a tensor, at the positions `index`, and in its shape."""

    tensor: Tensor
    index: Any

    @property
    def axis(self) -> Axis | None:
        return self.tensor.axis

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.index.shape)

    @property
    def offset(self) -> int:
        return int(self.index.flat[0])

    @cached_property
    def strides(self) -> tuple[int, ...] | None:
        """By how much the position grows along each dimension, if it does so evenly: then this is a view."""
        ends = [int(self.index.take(min(n - 1, 1), d).flat[0]) for d, n in enumerate(self.shape)]
        steps = tuple(end - self.offset for end in ends)
        even = self.offset + sum(step * n for step, n in zip(steps, np.ogrid[tuple(slice(n) for n in self.shape)]))
        return steps if np.array_equal(np.broadcast_to(even, self.shape), self.index) else None


Operand: TypeAlias = Const | Part


@dataclass(frozen=True, eq=False)
class Step:
    """One tensor operation.

    Attributes:
        op: an operation of `symbol.py`, elementwise; "contract", a sum of products as `spec` has it, in einsum's words,
            where n is the axis; "max" and "min" over the last dimension; "pack", operands one behind the other along
            dimension `dim`; "stack", an operand whose first dimension becomes the axis; "mask", the second operand
            where the first is true, else the third; "ragged", a contraction of two in which only those products
            count where the third operand, broadcast over their dimensions and the one summed over, is true. One of
            the two is 0, or nan, at the others.
        line: where in somebody's code most of it came from.
    """

    op: str
    operands: tuple[Operand, ...]
    out: Tensor
    spec: str = ""
    dim: int = 0
    line: Line | None = None

    @property
    def elementwise(self) -> bool:
        """Whether operands need not be there in full shape, but for broadcasting."""
        return self.op not in ("contract", "ragged", "max", "min", "pack", "stack")


@dataclass(frozen=True, eq=False)
class Function:
    """A list of steps.

    Attributes:
        result: what it returns, a row of numbers; of a tensor on an axis, a row for each sample.
        kept: tensors that it returns besides, for the way back.
    """

    name: str
    inputs: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    result: Operand
    kept: tuple[Tensor, ...] = ()

    @property
    def operations(self) -> int:
        """How many steps compute something; the others only put numbers in place."""
        return sum(step.op not in ("pack", "stack", "detach") for step in self.steps)


def sources(operands: Iterable[Operand]) -> list[str]:
    """The names of the tensors that operands are taken from."""
    return [x.tensor.name for x in operands if x.tensor]
