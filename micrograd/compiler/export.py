"""A compiled function as a torch.nn.Module: the same program, in torch operations."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from ..engine import Value
from ..module import flat, named, numbers, shape
from .around import within_reach
from .program import NP, NUMPY, Function, Program, digits
from .tensorize import Operand, Step, Tensor

try:
    import torch
except ImportError:
    raise ImportError('to_torch needs PyTorch: pip install "micrograd[torch]"') from None

# Where torch writes an operation otherwise than NumPy.
TORCH = NUMPY | {
    "**": "torch.pow({}, {})",
    "relu": "torch.relu({})",
    "sigmoid": "torch.sigmoid({})",
    "detach": "{}.detach()",
    "sum": "{}.sum(-1)",
    "max": "{}.amax(-1)",
    "min": "{}.amin(-1)",
}
TENSORS = ("where_le", "maximum", "minimum")  # these take no plain numbers


class TorchFunction(Function):
    """The way forward of a program, in torch; its constants are further arguments."""

    templates = TORCH
    inplace = False

    def __init__(self, name: str, program: Program, results: Sequence[Any]):
        super().__init__(name, program.inputs, program.lowering, None, results, keeps=False)
        self.code = [NP.sub("torch.", line).replace(".transpose(", ".permute(") for line in self.code]

    def operands(self, step: Step) -> list[Operand]:
        return [np.array(x) if isinstance(x, float) and step.op in TENSORS else x for x in step.operands]

    def allocate(self, pack: Tensor) -> None:
        super().allocate(pack)
        self.code[-1] = self.code[-1].replace("np.empty", "leaves.new_empty")

    @property
    def source(self) -> str:
        lines = [f"# {name} = {digits(constant)}" for name, constant in self.constants.items()]
        constants = [line.replace("\n", "\n# ") for line in lines]
        names = [*(tensor.name for tensor in self.inputs), *self.constants]
        head = f"def {self.name}({', '.join(names)}):"
        return "\n".join([*constants, head, *("    " + line for line in self.code)])

    def load(self) -> Callable[..., Any]:
        namespace: dict[str, Any] = {"torch": torch}
        exec(compile("from math import inf, nan\n\n" + self.source, f"<{self.name}, in torch>", "exec"), namespace)
        return cast(Callable[..., Any], namespace[self.name])


class Exported(torch.nn.Module):
    """A compiled function in torch.

    Args:
        call: what is exported.
        function: its function; the Modules that it uses give the parameters their names.
    """

    def __init__(self, call: Any, function: Callable[..., Any]):
        super().__init__()
        structures = [structure for structure in call.structures if structure[0] != "static"]
        shapes, self._kinds = [shape_of(s) for s in structures], [kinds_in(s) for s in structures]
        self._shapes = [found for found in shapes if found is not None]
        if None in shapes or any(len(kinds) > 1 for kinds in self._kinds):
            raise TypeError("to_torch takes arguments that become tensors: rectangular lists of numbers, or of Values")
        self._call = call
        self._values: list[Value] = []
        self._register(function)
        position = {v: i for i, v in enumerate(self._values)}
        order = [position[v] if isinstance(v, Value) else len(position) + v for v in call.leaves]
        self._keep("_order", np.array(order, dtype=np.int64))
        stages = call.stages
        programs = [(f"each_{i}", stage.mapped.program, stage.mapped.symbols) for i, stage in enumerate(stages)]
        # A mapped function that is all of it runs on any number of samples.
        self._any = (
            len(stages) == 1
            and call.symbols == stages[0].tensor.symbols
            and not stages[0].values
            and not stages[0].given
            and all(positions is None for _, positions in stages[0].blocks)
        )
        programs += [] if self._any else [("forward", call.program, call.symbols)]
        self._parts = [TorchFunction(*program) for program in programs]
        self._functions = [part.load() for part in self._parts]
        for i, part in enumerate(self._parts):
            for name, constant in part.constants.items():
                self._keep(f"_{i}_{name}", constant)
        for i, stage in enumerate(stages):
            self._keep(f"_{i}_known", stage.known)
            for j, (_, positions) in enumerate(stage.blocks):
                if positions is not None:
                    self._keep(f"_{i}_block_{j}", positions)

    def _register(self, function: Callable[..., Any]) -> None:
        """Make the parameters: those that the Modules around the function name, and one for all other Values."""
        wanted = dict.fromkeys(v for v in self._call.leaves if isinstance(v, Value))
        tensors = [pair for around, x in within_reach(function) for pair in named(around, x)]
        for name, tensor in tensors:
            values = flat(tensor)
            if set(values) & wanted.keys() and not set(values) & set(self._values):
                self._add(name.lstrip("."), tensor)
        if rest := [v for v in wanted if v not in set(self._values)]:
            self._add("leaves", rest)

    def _add(self, name: str, tensor: Any) -> None:
        place: torch.nn.Module = self
        *path, last = name.split(".")
        for part in path:
            if part not in place._modules:
                place.add_module(part, torch.nn.Module())
            place = place._modules[part]  # type: ignore[assignment]
        place.register_parameter(last, torch.nn.Parameter(torch.tensor(numbers(tensor), dtype=torch.float64)))
        self._values += flat(tensor)

    _order: torch.Tensor

    def _keep(self, name: str, constant: Any) -> None:
        """A constant moves with the module, but is no part of its state."""
        self.register_buffer(name, torch.tensor(constant), persistent=False)

    def forward(self, *args: Any) -> Any:
        if len(args) != len(self._shapes):
            raise TypeError(f"{self._call.name} takes {len(self._shapes)} tensors, got {len(args)}")
        parameters = list(self.parameters())
        like = parameters[0] if parameters else torch.empty(0, dtype=torch.float64)
        inputs: list[Any] = []
        values: list[Any] = []
        for arg, expected, kinds in zip(args, self._shapes, self._kinds):
            x = torch.as_tensor(arg).to(dtype=like.dtype, device=like.device)
            if x.shape[self._any :] != expected[self._any :]:
                rest = "" if self._any else "; only compile(vmap(f)) alone is exported for any number of samples"
                raise ValueError(f"expected a tensor of shape {expected}, got {tuple(x.shape)}{rest}")
            (values if "value" in kinds else inputs).append(x.reshape(-1))
        every = torch.cat([*(p.reshape(-1) for p in parameters), *values, like.new_empty(0)])[self._order]
        sizes = np.diff([0, *self._call.ends]).tolist()
        data, *parts = torch.split(every, sizes)
        results = []
        for i, stage in enumerate(self._call.stages):
            count = args[0].shape[0] if self._any else stage.count
            samples = self._samples(i, stage, inputs, count)
            given = torch.stack([like.new_zeros(()), *(inputs[source][j] for source, j in stage.given)])[1:]
            results.append(self._run(i, parts[2 * i], samples, parts[2 * i + 1].reshape(count, -1), given))
        if self._any:
            returned, out = self._call.stages[0].mapped.results, results[0]
        else:
            returned = self._call.returned
            out = self._run(len(results), data, *inputs, *(x.reshape(-1) for x in results))
        return pick(returned.assemble(list(range(len(returned.items)))), out)

    def _samples(self, i: int, stage: Any, inputs: list[Any], count: int) -> Any:
        given = [*inputs, self._buffers[f"_{i}_known"]]
        if stage.blocks and stage.blocks[0][0] < 0:
            given = [torch.cat(given)]
        parts = [
            given[source].reshape(count, -1) if positions is None else given[source][self._buffers[f"_{i}_block_{j}"]]
            for j, (source, positions) in enumerate(stage.blocks)
        ]
        return torch.cat(parts, 1) if parts else given[-1].reshape(count, 0)

    def _run(self, i: int, *tensors: Any) -> Any:
        return self._functions[i](*tensors, *(self._buffers[f"_{i}_{name}"] for name in self._parts[i].constants))

    @property
    def source(self) -> str:
        """The torch code that runs."""
        parts = (part.source for part in self._parts)
        return "import torch\nfrom math import inf, nan\n\n\n" + "\n\n\n".join(parts) + "\n"


def from_torch(exported: Exported) -> None:
    """Set the data of the Values to what the parameters made of them are now."""
    found = [x for p in exported.parameters() for x in p.detach().reshape(-1).tolist()]
    for v, x in zip(exported._values, found):
        v.data = x


def pick(layout: Any, out: Any) -> Any:
    """The results in their structure; rectangular lists are tensors.

    Args:
        layout: the structure, with positions for numbers.
        out: a tensor with the numbers as its last axis.
    """
    if isinstance(layout, dict):
        return {name: pick(part, out) for name, part in layout.items()}
    if isinstance(layout, tuple):
        parts = [pick(part, out) for part in layout]
        return type(layout)(*parts) if hasattr(layout, "_fields") else tuple(parts)
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
    inner = shapes.pop() if len(shapes) == 1 else None
    return None if inner is None else (len(rest[-1]), *inner)


def kinds_in(structure: Any) -> set[str]:
    kind, *rest = structure
    if kind in ("number", "value", "numbers"):
        return {kind.rstrip("s")}
    return {found for child in rest[-1] for found in kinds_in(child)} if kind in ("list", "dict", "array") else set()
