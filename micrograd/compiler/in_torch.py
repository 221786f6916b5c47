"""A program in torch: the way forward, of which torch's own autograd finds the way back."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch

from ..compat import data_of
from ..engine import Value
from ..module import flat, shape
from .batch import Batch
from .call import Call
from .emit import NUMPY, RESERVED, Text, digits
from .function import Const, Function, Step, Tensor, sources
from .guards.arguments import inside, tuple_of
from .names import Names
from .places import Places
from .symbol import ordered
from .tensors import lower

TORCH = {op: template.replace("np.", "torch.") for op, template in NUMPY.items()} | {
    "**": "torch.pow({}, {})",
    "relu": "torch.relu({})",
    "sigmoid": "torch.sigmoid({})",
    "max": "functools.reduce(torch.maximum, {}.unbind(-1))",  # in which ties share as in the function
    "min": "functools.reduce(torch.minimum, {}.unbind(-1))",
    "dot": "{} @ {}",
    "vecdot": "torch.linalg.vecdot({}, {})",
    "sum of rows": "{}.sum({})",
    "sum of columns": "{}.sum({})",
    "einsum over samples": 'torch.einsum("{}", {})',
    "detach": "{}.detach()",
    "turn": "{}.permute({})",
    "pack": "torch.cat(({}), {})",
}
UNASKED = {"max": "{}.amax(-1)", "min": "{}.amin(-1)"}  # where no gradient is asked for, and ties do not matter
TENSORS = ("where_le", "maximum", "minimum")  # these take no plain numbers


class TorchText(Text):
    """A Function in torch; its constants are further arguments."""

    table: ClassVar[dict[str, str]] = TORCH
    define: ClassVar[str] = "def {}({}):"

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
        if step.op in UNASKED and step.out.name not in self.differentiated:
            return UNASKED[step.op].format(self.operand(step.operands[0], exact=True))
        return super().formula(step)

    def ones(self, count: int) -> str:
        return ""  # torch's own sum is as fast

    def returned(self) -> str:
        """A row of numbers, or one for each sample."""
        result, batched = self.function.result, [tensor.name for tensor in self.function.inputs if tensor.axis]
        text = self.operand(result, exact=True)
        if batched and not result.axis:
            text = self.spread(text, f"{batched[0]}.shape[0]", result.shape)
        return f"return {text}"


def load(source: str) -> Callable[..., Any]:
    """The function `forward` of torch code, ready to run."""
    namespace: dict[str, Any] = {"torch": torch, "functools": functools, "inf": float("inf"), "nan": float("nan")}
    exec(compile(source, "<forward, in torch>", "exec"), namespace)
    return namespace["forward"]  # type: ignore[no-any-return]


class Traced(torch.nn.Module):
    """The program for tensors of some shapes; where the function is all vmap, for any number of samples.

    Args:
        call: the compiled function's, for such arguments.
        structures: those of the arguments that are tensors.
        order: where the leaves are in a row of all parameters and the Values among the arguments.
    """

    def __init__(self, call: Call, structures: Sequence[Any], order: Sequence[Any]):
        super().__init__()
        self.name, found = call.name, [*map(tensor_like, structures)]
        self.shapes, self.kinds = [shape for shape, _ in found], [kind for _, kind in found]
        names, written = Names(RESERVED), call.written
        places = Places(names, list(written.leaves.values()), holes=False)  # torch would find gradients of holes, too
        batch = batch_of_rows(call, [s for s, kind in found if kind == "number"])
        self.rows = batch is not None
        returned = batch.returned if batch else written.results
        given = iter(batch.given if batch else ())
        for name, symbols in call.inputs:
            shape, axis = (len(symbols),), None
            if batch:
                shape, axis = (len(symbols) // batch.axis.length,), batch.axis
                symbols = list(itertools.islice(given, *shape))
            places.add(Tensor(names.new(name), shape, axis), list(zip(symbols, itertools.count())))
        inputs = [*places.tensors]
        places.codes(written.leaves[v] for v in call.program.leaves)  # in the order that was found to be good
        targets = [written.leaves[x] if x in written.leaves else data_of(x) for x in returned.items]
        text = TorchText(lower("forward", inputs, targets, places, late=True))
        notes = "\n".join(digits(text.constants.items(), "")).splitlines()
        self.text, self.code = "".join(f"# {line}\n" for line in notes) + text.body + "\n", text.body
        self.constants, self.layout = list(text.constants), returned.assemble(list(range(len(targets))))
        for name, constant in (("order", np.array(order, dtype=np.int64)), *text.constants.items()):
            self.register_buffer(f"_{name}", torch.tensor(constant), persistent=False)
        self.run = load(self.code)

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name != "run"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.run = load(self.code)

    def takes(self, xs: Sequence[torch.Tensor]) -> bool:
        free = [self.rows and kind == "number" for kind in self.kinds]
        counts = [x.shape[0] for x, any_number in zip(xs, free) if any_number and x.ndim]
        pairs = list(zip(xs, self.shapes, free))
        alike = all(x.ndim == len(shape) and tuple(x.shape[n:]) == shape[n:] for x, shape, n in pairs)
        return alike and all(count == counts[0] for count in counts)

    def forward(self, parameters: torch.Tensor, xs: Sequence[torch.Tensor]) -> Any:
        values = [x.reshape(-1) for x, kind in zip(xs, self.kinds) if kind == "value"]
        inputs = [
            x.flatten(int(self.rows)) if x.ndim > self.rows else x[..., None]
            for x, k in zip(xs, self.kinds)
            if k == "number"
        ]
        leaves = torch.cat([parameters, *values])[self.get_buffer("_order")]
        return pick(self.layout, self.run(leaves, *inputs, *(self.get_buffer(f"_{name}") for name in self.constants)))


def batch_of_rows(call: Call, shapes: Sequence[Any]) -> Batch | None:
    """The batch of which the samples are the rows of all inputs, if nothing else of these is used."""
    batch = call.written.batch
    if batch is None or not call.is_vmap:
        return None
    n = batch.axis.length
    rows = [symbols[k :: len(symbols) // n] for _, symbols in call.inputs for k in range(len(symbols) // n)]
    columns = [getattr(x, "args", ()) for x in batch.given]
    alike = [[*map(id, row)] for row in rows] == [[*map(id, column)] for column in columns] and not batch.columns
    used = ordered(map(data_of, batch.items), set(batch.given))
    others = any(x.op == "input" for x in used) or any(shape[:1] != (n,) for shape in shapes)
    return batch if alike and not others else None


def pick(layout: Any, out: Any) -> Any:
    """The results in their structure; rectangular lists are tensors.

    Args:
        layout: the structure, with positions for numbers.
        out: a tensor with the numbers as its last dimension.
    """
    if isinstance(layout, dict):
        return {name: pick(part, out) for name, part in layout.items()}
    if isinstance(layout, tuple):
        return tuple_of(type(layout), [pick(part, out) for part in layout])
    if isinstance(layout, list) and (shape(layout) is None or not all(isinstance(x, int) for x in flat(layout))):
        return [pick(part, out) for part in layout]
    return out[..., torch.as_tensor(np.array(layout, dtype=np.int64), device=out.device)]


def tensor_like(structure: Any) -> tuple[tuple[int, ...], str]:
    """The shape of the tensor that an argument of this structure becomes, and of what: "number", "value", or ""."""
    kind, *rest = structure
    if kind in ("number", "value"):
        return (), kind
    if kind == "numbers":
        return rest[0], "number"
    lists = kind in ("list", "array")
    inner = [tensor_like(child) for child in inside(structure)] if lists else []
    shapes, kinds = {shape for shape, _ in inner} or {()}, {kind for _, kind in inner} | {""}
    if not lists or len(shapes) > 1 or len(kinds) > 2:
        raise TypeError("to_torch takes arguments that become tensors: rectangular lists of numbers, or of Values")
    outer = rest[0] if kind == "array" else (len(inner),)
    return (*outer, *shapes.pop()), max(kinds)


def as_example(x: torch.Tensor, example: Any) -> Any:
    """The numbers of a tensor in the way in which an example has them: an array, lists, Values; whole as those are."""
    if isinstance(example, np.ndarray):
        first = example.reshape(-1)[:1].tolist() or [0.0]
        items = [as_example(item, first[0]) for item in x.flatten()]
        return np.array(items, dtype=object if example.dtype == object else None).reshape(tuple(x.shape))
    if isinstance(example, list | tuple) != (x.ndim > 0):
        kind = "of rows" if isinstance(example, list | tuple) else "of one number"
        raise ValueError(f"expected a tensor {kind} where the example has {example!r:.50}, got shape {tuple(x.shape)}")
    if isinstance(example, list | tuple):
        return tuple_of(type(example), [as_example(row, example[0] if example else 0.0) for row in x])
    number = x.item()
    if isinstance(example, Value):
        return Value(number)
    return int(number) if isinstance(example, int) and number == int(number) else number
