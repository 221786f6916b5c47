"""A Function in torch: the way forward, of which torch's own autograd finds the way back."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from .emit import NUMPY, Text
from .function import Const, Function, Step, sources
from .views import count_of

TORCH = {op: template.replace("np.", "torch.") for op, template in NUMPY.items()} | {
    "**": "torch.pow({}, {})",
    "relu": "torch.relu({})",
    "sigmoid": "torch.sigmoid({})",
    "max": "functools.reduce(torch.maximum, {}.unbind(-1))",  # in which ties share as in the function
    "min": "functools.reduce(torch.minimum, {}.unbind(-1))",
    "max of which no gradient is asked": "{}.amax(-1)",
    "min of which no gradient is asked": "{}.amin(-1)",
    "detach": "{}.detach()",
    "turn": "{}.permute({})",
    "pack": "torch.cat(({}), {})",
}
TENSORS = ("where_le", "maximum", "minimum")  # these take no plain numbers


class TorchText(Text):
    """A Function in torch; its constants are further arguments."""

    table: ClassVar[dict[str, str]] = TORCH
    head: ClassVar[str] = "def {}({}):"

    def __init__(self, function: Function):
        used = [x for step in function.steps if step.op != "detach" for x in step.operands]
        self.differentiated = sources([*used, function.result])
        super().__init__(function)

    @property
    def parameters(self) -> list[str]:
        return [*super().parameters, *self.constants]

    def formula(self, step: Step) -> str:
        if step.op in TENSORS:
            tensors = [Const(np.array(x.value)) if isinstance(x, Const) else x for x in step.operands]
            return super().formula(replace(step, operands=tuple(tensors)))
        if step.op in ("max", "min") and step.out.name not in self.differentiated:
            return super().formula(replace(step, op=f"{step.op} of which no gradient is asked"))
        return super().formula(step)

    def returned(self) -> str:
        """A row of numbers, or one for each sample."""
        result, batched = self.function.result, [tensor.name for tensor in self.function.inputs if tensor.axis]
        text = self.operand(result, exact=True)
        return (
            f"return {self.spread(text, count_of(batched[0]), result.shape) if batched and not result.axis else text}"
        )


def load(source: str) -> Callable[..., Any]:
    """The function `forward` of torch code, ready to run."""
    namespace: dict[str, Any] = {"torch": torch, "functools": functools, "inf": float("inf"), "nan": float("nan")}
    exec(compile(source, "<forward, in torch>", "exec"), namespace)
    return namespace["forward"]  # type: ignore[no-any-return]
