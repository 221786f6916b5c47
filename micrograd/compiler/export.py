"""A compiled function as a torch.nn.Module: the same program, in torch operations."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Value
from ..module import Module, flat, named, numbers, shape
from .around import within_reach
from .batch import Batch
from .call import Call, Signature
from .emit import RESERVED, digits
from .function import Tensor
from .places import Names, Places
from .program import lower
from .structure import number_of, tuple_of
from .symbol import ordered

try:
    import torch
except ImportError:
    raise ImportError('to_torch needs PyTorch: pip install "micrograd[torch]"') from None

from .torch_text import TorchText, load


class Exported(torch.nn.Module):
    """A compiled function in torch.

    Args:
        compiled: what is exported.
        given: arguments; the Modules that the function uses give the parameters their names.
    """

    def __init__(self, compiled: Any, given: Signature):
        super().__init__()
        self._origin: Origin | None = Origin(compiled, given)
        self._paths: list[tuple[str, str]] = []  # of each parameter, the module that holds it, and its name there
        self._values: list[Value] = []  # of all parameters, one after the other
        self._traces = torch.nn.ModuleList()
        call = compiled.call_for(given)
        self._register(compiled.function, [v for v in call.leaves if isinstance(v, Value)])
        self._trace(call, given)

    def _register(self, function: Callable[..., Any], leaves: Sequence[Value]) -> None:
        """Make the parameters: those that the Modules around the function name, and one for all other Values."""
        if results := [v for v in leaves if v._prev]:
            raise TypeError(
                f"the function uses {results[0]!r}, a result that was computed outside of it: in torch it would be a "
                f"parameter, and no gradient would go on to what it was computed from. Compute it inside the function"
            )
        wanted = set(leaves)
        for around, x in within_reach(function):
            tensors = list(named(around, x))
            used = [not wanted.isdisjoint(flat(tensor)) for _, tensor in tensors]
            for (name, tensor), use in zip(tensors, used):
                if use or (isinstance(x, Module) and any(used)):
                    self._add(name, tensor)
        if rest := [v for v in dict.fromkeys(leaves) if v not in set(self._values)]:
            self._add("leaves", rest)

    def _add(self, name: str, tensor: Any) -> None:
        if not set(self._values).isdisjoint(flat(tensor)):
            return
        place: torch.nn.Module = self
        *path, last = (part or "_" for part in name.lstrip(".").split("."))
        for i, part in enumerate(path):
            while hasattr(place, part) and not isinstance(getattr(place, part), Parameters):
                part += "_"
            if not hasattr(place, part):
                place.add_module(part, Parameters())
            place, path[i] = getattr(place, part), part
        while hasattr(place, last):
            last += "_"
        place.register_parameter(last, torch.nn.Parameter(torch.tensor(numbers(tensor), dtype=torch.float64)))
        self._paths.append((".".join(path), last))
        self._values += flat(tensor)

    def _tensors(self) -> list[torch.Tensor]:
        """The parameters, found by their names: so they may be pruned, normalised, or tied meanwhile."""
        for path in dict.fromkeys(path for path, _ in self._paths if path):
            self.get_submodule(path)()  # as a layer is called, with what hooks there are
        return [getattr(self.get_submodule(path), name) for path, name in self._paths]

    def bring_back(self) -> None:
        """Set the data of the Values to what the parameters made of them are now."""
        found = [x for tensor in self._tensors() for x in tensor.detach().reshape(-1).tolist()]
        for v, x in zip(self._values, found):
            v.data = x

    def forward(self, *args: Any) -> Any:
        tensors, traces = self._tensors(), [*self._traces]
        like = tensors[0] if tensors else torch.empty(0, dtype=torch.float64)
        xs = [torch.as_tensor(x).to(dtype=like.dtype, device=like.device) for x in args]
        if len(xs) != len(traces[0].shapes):
            raise TypeError(f"{traces[0].name} takes {len(traces[0].shapes)} tensors, got {len(xs)}")
        traced = next((trace for trace in traces if trace.takes(xs)), None)
        if traced is None and self._origin is None:
            shapes = " or ".join(str(trace.shapes) for trace in traces)
            raise ValueError(f"what was saved takes tensors of shapes {shapes}, got {[tuple(x.shape) for x in xs]}")
        if traced is None and self._origin:
            given = self._origin.like(xs)
            traced = self._trace(self._origin.compiled.call_for(given), given)
        return traced(torch.cat([x.reshape(-1) for x in (*tensors, like.new_empty(0))]), xs)

    def _trace(self, call: Call, given: Signature) -> "Traced":
        position = {v: i for i, v in enumerate(self._values)}
        order = [position.get(v) if isinstance(v, Value) else len(position) + v for v in call.leaves]
        if None in order:
            raise ValueError(
                f"for these arguments {call.name} uses parameters that it did not use when it was exported; export it "
                f"with them"
            )
        traced = Traced(call, [s for s in given.structures if s[0] != "static"], order)
        for like in [*self.parameters()][:1]:
            traced.to(dtype=like.dtype, device=like.device)
        self._traces.append(traced)
        return traced

    @property
    def source(self) -> str:
        """The torch code that runs, for each of the shapes that were traced; constants are arguments, told above it."""
        return "\n\n\n".join(
            ["import functools\nfrom math import inf, nan\n\nimport torch", *(x.text for x in self._traces)]
        )


class Parameters(torch.nn.Module):
    """Holds parameters."""

    def forward(self) -> None:
        """Nothing: what changes parameters before a layer is called does so now."""


class Origin:
    """Where an exported module came from. A copy in memory shares it; a saved one has it no more."""

    def __init__(self, compiled: Any, given: Signature):
        self.compiled, self.given = compiled, given

    def __deepcopy__(self, memo: Any) -> "Origin":
        return self

    def __reduce__(self) -> Any:
        return type(None), ()

    def like(self, xs: Sequence[torch.Tensor]) -> Signature:
        """Arguments like the examples, with the numbers of tensors."""
        tensors, given = iter(xs), self.given
        arguments = [
            x if structure[0] == "static" else as_example(next(tensors), x)
            for x, structure in zip(given.arguments, given.structures)
        ]
        return self.compiled.take_apart(*given.parted(arguments))  # type: ignore[no-any-return]


class Traced(torch.nn.Module):
    """The program for tensors of some shapes; where the function is all vmap, for any number of samples.

    Args:
        call: the compiled function's, for such arguments.
        structures: those of the arguments that are tensors.
        order: where the leaves are in a row of all parameters and the Values among the arguments.
    """

    def __init__(self, call: Call, structures: Sequence[Any], order: Sequence[Any]):
        super().__init__()
        self.name, self.shapes = call.name, [tensor_shape(structure) for structure in structures]
        self.kinds = [kinds[0] if (kinds := sorted(kinds_in(structure))) else "" for structure in structures]
        if None in self.shapes or any(len(kinds_in(structure)) > 1 for structure in structures):
            raise TypeError("to_torch takes arguments that become tensors: rectangular lists of numbers, or of Values")
        names, written, batch = Names(RESERVED), call.written, call.written.batch
        places = Places(names, list(written.leaves.values()))
        self.rows = batch is not None and are_rows(call, self.shapes, batch)
        returned = batch.returned if batch and self.rows else written.results
        given = iter(batch.given if batch else ())
        for name, symbols in call.inputs:
            shape, axis = (len(symbols),), None
            if batch and self.rows:
                shape, axis = (len(symbols) // batch.axis.length,), batch.axis
                symbols = list(itertools.islice(given, *shape))
            places.add(Tensor(names.new(name), shape, axis), list(zip(symbols, itertools.count())))
        inputs = [*places.tensors]
        places.codes(written.leaves[v] for v in call.program.leaves)  # in the order that was found to be good
        targets = [written.leaves[x] if x in written.leaves else number_of(x) for x in returned.items]
        text = TorchText(lower("forward", inputs, targets, places, late=True, keep=False))
        notes = "\n".join(digits(text.constants.items(), "")).splitlines()
        self.text, self.code = "".join(f"# {line}\n" for line in notes) + text.source + "\n", text.source
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
        alike = all(tuple(x.shape[n:]) == shape[n:] for x, shape, n in zip(xs, self.shapes, free))
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


def are_rows(call: Call, shapes: Sequence[Any], batch: Batch) -> bool:
    """Whether the samples of a batch are the rows of all inputs, and nothing else of these is used."""
    n = batch.axis.length
    rows = [tuple(symbols[k :: len(symbols) // n]) for _, symbols in call.inputs for k in range(len(symbols) // n)]
    used = ordered([number_of(x) for x in batch.items], set(batch.given))
    whole = [getattr(x, "args", ()) for x in batch.given] == rows and all(x.op != "input" for x in used)
    return whole and not batch.columns and all(shape[:1] == (n,) for shape in shapes)


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


def tensor_shape(structure: Any) -> tuple[int, ...] | None:
    """The shape of the tensor that an argument of this structure becomes; None where it is not rectangular."""
    kind, *rest = structure
    if kind in ("number", "value"):
        return ()
    if kind in ("numbers", "array"):
        return tuple(rest[0])
    inner = {tensor_shape(child) for child in rest[-1]} if kind == "list" else {None}
    first = inner.pop() if inner else ()
    return None if inner or first is None else (len(rest[-1]), *first)


def kinds_in(structure: Any) -> set[str]:
    kind, *rest = structure
    if kind in ("number", "value", "numbers"):
        return {kind.rstrip("s")}
    return {found for child in rest[-1] for found in kinds_in(child)} if kind in ("list", "dict", "array") else set()


def as_example(x: torch.Tensor, example: Any) -> Any:
    """The numbers of a tensor in the way in which an example has them: an array, lists, Values; whole as those are."""
    if isinstance(example, np.ndarray):
        first, dtype = (example.flat[0] if example.size else 0.0), object if example.dtype == object else None
        first = first if dtype else first.item()
        return np.array([as_example(item, first) for item in x.flatten()], dtype=dtype).reshape(tuple(x.shape))
    if isinstance(example, list | tuple):
        return tuple_of(type(example), [as_example(row, example[0] if example else 0.0) for row in x])
    number = x.item()
    if isinstance(example, Value):
        return Value(number)
    return int(number) if isinstance(example, int) and number == int(number) else number
