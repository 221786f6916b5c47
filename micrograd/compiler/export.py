"""A compiled function as a torch.nn.Module, with parameters that have the names of the model's."""

from collections.abc import Sequence
from typing import Any

from ..engine import Value
from ..module import Module, flat, named, numbers
from .call import Call
from .guards.arguments import Arguments
from .guards.reach import Reach

try:
    import torch
except ImportError:
    raise ImportError("to_torch needs PyTorch: pip install torch") from None

from .in_torch import Traced, as_example


class Exported(torch.nn.Module):
    """A compiled function in torch.

    Args:
        compiled: what is exported.
        given: arguments; the Modules that the function uses give the parameters their names.
    """

    def __init__(self, compiled: Any, given: Arguments):
        super().__init__()
        self._origin = Origin(compiled, given)
        self._paths: list[tuple[str, str]] = []  # of each parameter, the module that holds it, and its name there
        self._traces: Any = torch.nn.ModuleList()
        call = compiled.call_for(given)
        self._register(call.around, [v for v in call.leaves if isinstance(v, Value)])
        self._trace(call, given)

    def _register(self, reach: Reach, leaves: Sequence[Value]) -> None:
        """Make the parameters: those that the Modules around the function name, and one for all other Values."""
        if results := [v for v in leaves if v._prev]:
            raise TypeError(
                f"the function uses {results[0]!r}, a result that was computed outside of it: in torch it would be a "
                f"parameter, and no gradient would go on to what it was computed from. Compute it inside the function"
            )
        wanted = set(leaves)
        arguments = [("", x) for x in self._origin.given.given if isinstance(x, Module)]
        own = self._origin.compiled._name  # what the function itself is made of has no other name
        for around, x in (*arguments, *((path.removeprefix(own), x) for path, x in reach.met)):
            for name, tensor in named(around, x):
                if isinstance(x, Module) or not wanted.isdisjoint(flat(tensor)):
                    self._add(name, tensor)
        if rest := [v for v in dict.fromkeys(leaves) if v not in set(self._origin.values)]:
            self._add("leaves", rest)

    def _add(self, name: str, tensor: Any) -> None:
        if not set(self._origin.values).isdisjoint(flat(tensor)):
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
        self._origin.values += flat(tensor)

    def _tensors(self) -> list[torch.Tensor]:
        """The parameters, found by their names: so they may be pruned, normalised, or tied meanwhile."""
        for path in dict.fromkeys(path for path, _ in self._paths if path):
            self.get_submodule(path)()  # as a layer is called, with what hooks there are
        return [getattr(self.get_submodule(path), name) for path, name in self._paths]

    def bring_back(self) -> None:
        """Set the data of the Values to what the parameters made of them are now."""
        if self._origin is None:
            raise TypeError("what was saved does not know its Values any more; load its state into a new export")
        found = [x for tensor in self._tensors() for x in tensor.detach().reshape(-1).tolist()]
        for v, x in zip(self._origin.values, found):
            v.data = x

    def forward(self, *args: Any) -> Any:
        tensors = self._tensors()
        like = tensors[0] if tensors else torch.empty(0, dtype=torch.float64)
        xs = [torch.as_tensor(x).to(dtype=like.dtype, device=like.device) for x in args]
        if len(xs) != len(self._traces[0].shapes):
            raise TypeError(f"{self._traces[0].name} takes {len(self._traces[0].shapes)} tensors, got {len(xs)}")
        traced = next((trace for trace in self._traces if trace.takes(xs)), None)
        if traced is None and self._origin is None:
            shapes = " or ".join(str(trace.shapes) for trace in self._traces)
            raise ValueError(f"what was saved takes tensors of shapes {shapes}, got {[tuple(x.shape) for x in xs]}")
        if traced is None:
            given = self._origin.like(xs)
            traced = self._trace(self._origin.compiled.call_for(given), given)
        return traced(torch.cat([x.reshape(-1) for x in (*tensors, like.new_empty(0))]), xs)

    def _trace(self, call: Call, given: Arguments) -> "Traced":
        position = {v: i for i, v in enumerate(self._origin.values)}
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
        head = "import functools\nfrom math import inf, nan\n\nimport torch"
        return "\n\n\n".join([head, *(traced.text for traced in self._traces)])


class Parameters(torch.nn.Module):
    """Holds parameters."""

    def forward(self) -> None:
        """Nothing: what changes parameters before a layer is called does so now."""


class Origin:
    """Where an exported module came from. A copy in memory shares it; a saved one has None instead.

    Attributes:
        values: those of all parameters, one after the other.
    """

    def __init__(self, compiled: Any, given: Arguments):
        self.compiled, self.given = compiled, given
        self.values: list[Value] = []

    def __deepcopy__(self, memo: Any) -> "Origin":
        return self

    def __reduce__(self) -> Any:
        return type(None), ()

    def like(self, xs: Sequence[torch.Tensor]) -> Arguments:
        """Arguments like the examples, with the numbers of tensors."""
        tensors, given = iter(xs), self.given
        arguments = [
            x if structure[0] == "static" else as_example(next(tensors), x)
            for x, structure in zip(given.given, given.structures)
        ]
        return self.compiled.take_apart(*given.parted(arguments))  # type: ignore[no-any-return]
