"""The program for tensors of some shapes, in torch."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..engine import Value
from ..module import flat, shape
from .batch import Batch
from .call import Call
from .emit import RESERVED
from .function import Tensor
from .places import Names, Places
from .program import lower
from .structure import number_of, tuple_of
from .symbol import ENTER, Symbol
from .torch_text import TorchText, load

Inputs = list[tuple[Tensor, list[tuple[Symbol, int]]]]


class Traced(torch.nn.Module):
    """The program for tensors of some shapes; where the function is all vmap, for any number of samples.

    Args:
        call: the compiled function's, for such arguments.
        structures: those of the arguments that are tensors.
        order: where the leaves are in a row of all parameters and the Values among the arguments.
    """

    def __init__(self, call: Call, structures: Sequence[Any], order: Sequence[Any]):
        super().__init__()
        shapes, self.kinds = [shape_of(s) for s in structures], [kinds_in(s) for s in structures]
        if None in shapes or any(len(kinds) > 1 for kinds in self.kinds):
            raise TypeError("to_torch takes arguments that become tensors: rectangular lists of numbers, or of Values")
        self.name, self.shapes = call.name, shapes
        names, written = Names(*RESERVED, "leaves"), call.written
        places = Places(names, written.symbols)
        counts = [shape[:1] for shape, kinds in zip(shapes, self.kinds) if "number" in kinds]
        widths = written.batch and batched(call.inputs, counts, written.batch)
        returned = written.batch.returned if written.batch and widths else written.results
        self.widths = dict(enumerate(widths or [None] * len(call.inputs)))
        inputs = [places.tensors[0]]
        for (name, symbols), width in zip(call.inputs, self.widths.values()):
            tensor, held = Tensor(names.new(name), (len(symbols),)), list(zip(symbols, itertools.count()))
            if width and written.batch:
                tensor, held = Tensor(tensor.name, (width,), written.batch.axis), samples_of(symbols, written.batch)
            inputs.append(places.add(tensor, held))
        leaf = dict(zip(written.leaves, written.symbols))
        targets = [leaf[x] if x in leaf else number_of(x) for x in returned.items]
        for symbol in (written.symbols[i] for i in call.program.order):
            places.code(symbol)  # the leaves come in the order that the compiled program has found
        text = TorchText(lower("forward", inputs, targets, places, late=True, keep=False))
        self.text, self.code, self.constants = text.whole, text.source, list(text.constants)
        self.layout = returned.assemble(list(range(len(targets))))
        for name, constant in (("order", np.array(order, dtype=np.int64)), *text.constants.items()):
            self.register_buffer(f"_{name}", torch.tensor(constant), persistent=False)
        self.run = load(self.code)

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name != "run"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.run = load(self.code)

    def takes(self, xs: Sequence[torch.Tensor]) -> bool:
        widths = iter(self.widths.values())
        counts = []
        for x, expected, kinds in zip(xs, self.shapes, self.kinds):
            any_number = "number" in kinds and next(widths) is not None
            counts += [x.shape[0]] if any_number and x.ndim else []
            if tuple(x.shape[any_number:]) != expected[any_number:]:
                return False
        return all(count == counts[0] for count in counts)

    def forward(self, parameters: torch.Tensor, xs: Sequence[torch.Tensor]) -> Any:
        values = [x.reshape(-1) for x, kinds in zip(xs, self.kinds) if "value" in kinds]
        numbers = [x for x, kinds in zip(xs, self.kinds) if "number" in kinds]
        inputs = [
            x.reshape(-1) if width is None else x.reshape(-1, width) for x, width in zip(numbers, self.widths.values())
        ]
        constants = (getattr(self, f"_{name}") for name in self.constants)
        return pick(self.layout, self.run(torch.cat([parameters, *values])[self._order], *inputs, *constants))


def batched(
    inputs: Sequence[tuple[str, list[Symbol]]], counts: Sequence[tuple[int, ...]], batch: Batch
) -> list[int | None] | None:
    """How many numbers of each input belong to one sample, None where all samples share it; None if the samples are not
    simply the rows of the inputs, of which `counts` has the numbers."""
    if batch.columns:
        return None
    where = {symbol: (i, k) for i, (_, symbols) in enumerate(inputs) for k, symbol in enumerate(symbols)}
    widths: list[int | None] = [None] * len(inputs)
    for column in batch.given:
        rows = [where.get(x, (-1, 0)) for x in column.args] if type(column) is Symbol else []
        if not rows or rows[0][0] < 0:
            return None
        i, first = rows[0]
        widths[i] = width = len(inputs[i][1]) // batch.axis.length
        if rows != [(i, first + n * width) for n in range(batch.axis.length)] or counts[i] != (batch.axis.length,):
            return None
    return (
        widths if shared(batch).isdisjoint(x for width, (_, xs) in zip(widths, inputs) if width for x in xs) else None
    )


def shared(batch: Batch) -> set[Symbol]:
    """The inputs that the samples have in common."""
    found, seen, stack = set(), set(), [number_of(x) for x in batch.items]
    while stack:
        x = stack.pop()
        if type(x) is Symbol and x not in seen:
            seen.add(x)
            stack += x.args if x.op not in ENTER else ()
            if x.op == "input":
                found.add(x)
    return found


def samples_of(symbols: Sequence[Symbol], batch: Batch) -> list[tuple[Symbol, int]]:
    """The numbers of one sample that are in an input, with their positions there."""
    place = {symbol: k for k, symbol in enumerate(symbols)}
    return [(column, place[column.args[0]]) for column in batch.given if column.args[0] in place]


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


def shape_of(structure: Any) -> tuple[int, ...] | None:
    """The shape of the tensor that an argument of this structure becomes; None where it is not rectangular."""
    kind, *rest = structure
    if kind in ("number", "value"):
        return ()
    if kind in ("numbers", "array"):
        return tuple(rest[0])
    shapes = {shape_of(child) for child in rest[-1]} if kind == "list" else set()
    inner = shapes.pop() if len(shapes) == 1 else None if rest[-1:] != [()] else ()
    return None if inner is None else (len(rest[-1]), *inner)


def kinds_in(structure: Any) -> set[str]:
    kind, *rest = structure
    if kind in ("number", "value", "numbers"):
        return {kind.rstrip("s")}
    return {found for child in rest[-1] for found in kinds_in(child)} if kind in ("list", "dict", "array") else set()


def as_example(x: torch.Tensor, example: Any) -> Any:
    """The numbers of a tensor in the way in which an example has them: an array, lists, Values; whole as those are."""
    if isinstance(example, np.ndarray):
        first = example.reshape(-1)[0].item() if example.dtype != object and example.size else example.reshape(-1)[:1]
        items = [
            as_example(item, example.reshape(-1)[0] if example.dtype == object else first) for item in x.reshape(-1)
        ]
        return np.array(items, dtype=example.dtype if example.dtype == object else None).reshape(tuple(x.shape))
    if isinstance(example, list | tuple):
        return tuple_of(type(example), [as_example(row, example[0] if example else 0.0) for row in x])
    number = x.item()
    if isinstance(example, Value):
        return Value(number)
    return int(number) if isinstance(example, int) and number.is_integer() else number
