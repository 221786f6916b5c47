"""A Function in torch: the way forward, of which torch's own autograd finds the way back."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch

from .emit import NUMPY, Text, digits
from .function import Const, Function, Step, sources

TORCH = {op: template.replace("np.", "torch.") for op, template in NUMPY.items()} | {
    "**": "torch.pow({}, {})",
    "relu": "torch.relu({})",
    "sigmoid": "torch.sigmoid({})",
    "max": "functools.reduce(torch.maximum, {}.unbind(-1))",  # in which ties share as in the function,
    "min": "functools.reduce(torch.minimum, {}.unbind(-1))",
    "max, detached": "{}.amax(-1)",  # if anybody asks
    "min, detached": "{}.amin(-1)",
    "detach": "{}.detach()",
    "turn": "{}.permute({})",
    "empty": "leaves.new_empty({})",
}
TENSORS = ("where_le", "maximum", "minimum")  # these take no plain numbers


class TorchText(Text):
    """A Function in torch; its constants are further arguments."""

    table: ClassVar[dict[str, str]] = TORCH
    head = "def {}({}):"

    def __init__(self, function: Function):
        named = [name for step in function.steps if step.op != "detach" for name in sources(step.operands)]
        self.wanted = {*named, *sources(function.outputs)}
        super().__init__(function)

    @property
    def parameters(self) -> list[str]:
        return [*super().parameters, *self.constants]

    def formula(self, step: Step) -> str:
        if step.op in TENSORS:
            operands = [
                self.constant(np.array(x.value)) if isinstance(x, Const) else self.operand(x) for x in step.operands
            ]
            return self.table[step.op].format(*operands)
        if step.op in ("max", "min") and step.out.name not in self.wanted:
            return self.table[f"{step.op}, detached"].format(self.operand(step.operands[0], exact=True))
        return super().formula(step)

    def returned(self) -> str:
        """One row of numbers, or one for each sample."""
        batched = [tensor.name for tensor in self.function.inputs if tensor.axis]
        pieces = []
        for x in self.function.outputs:
            text = self.operand(x, exact=True)
            if batched and (isinstance(x, Const) or not x.tensor.axis):
                text = self.table["spread"].format(text, f"({batched[0]}.shape[0], {x.shape[0]})")
            pieces.append(text)
        return f"return torch.cat([{', '.join(pieces)}], -1)" if pieces else "return leaves[:0]"

    @property
    def whole(self) -> str:
        """Its code, with its constants as remarks."""
        notes = "\n".join(f"{name} = {digits(x)}" for name, x in self.constants.items())
        return "".join(f"# {line}\n" for line in notes.splitlines()) + self.source


def load(source: str) -> Callable[..., Any]:
    """The function `forward` of torch code, ready to run."""
    namespace = {"torch": torch, "functools": functools, "inf": float("inf"), "nan": float("nan")}
    exec(compile(source, "<forward, in torch>", "exec"), namespace)
    return namespace["forward"]  # type: ignore[return-value]
