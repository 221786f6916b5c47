"""A program of tensors: the passes from Symbols to NumPy code, forward and backward."""

import itertools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compat import data_of
from .backend import MOST, machine
from .emit import RESERVED, Text
from .function import Function, Tensor
from .layout import lay_out
from .names import Names
from .places import Places
from .program import Program, Way
from .schedule import schedule
from .symbol import Symbol, ordered
from .trace import Trace
from .verify import verify


def lower(
    name: str,
    inputs: Sequence[Tensor],
    targets: Sequence[Symbol | float],
    places: Places,
    late: bool,
    keep: bool = False,
    order: Sequence[Symbol] = (),
) -> Function:
    """The passes from Symbols to a Function; the arguments are those of `schedule` and `Places.function`."""
    plan = schedule(targets, order or ordered(targets, places.place), late)
    lay_out(plan, places)
    function = places.function(name, inputs, targets, keep)
    verify(function)
    return function


class TensorProgram(Program):
    """A Program in NumPy. The arguments are those of `Program`."""

    imports = "import numpy as np\nfrom numpy import inf, nan"
    forward: Text

    def __init__(self, name: str, written: Trace, inputs: Sequence[tuple[str, Sequence[Symbol]]]):
        super().__init__(name, written)
        self.machine, self.first = machine() if len(inputs) < MOST else None, None
        self.kind = f"tensor operations, as {'machine code' if self.machine else 'NumPy'}"
        names, leaf = Names([*RESERVED, "seeds"]), {symbol: v for v, symbol in written.leaves.items()}
        self.places = Places(names, list(leaf))
        for argument, symbols in inputs:
            self.places.add(Tensor(names.new(argument), (len(symbols),)), list(zip(symbols, itertools.count())))
        self.inputs = [*self.places.tensors]
        results = [data_of(x) for x in written.computed]
        self.forward = Text(
            lower("forward", self.inputs, results, self.places, late=True, keep=True, order=written.order)
        )
        self.places.codes(leaf)
        self.leaves = [leaf[symbol] for symbol in self.places.leaves]
        self.run = self.load(self.forward)
        self.many: list[bool] = []  # of each argument with numbers, whether arrays are among them

    def bind(self, leaves: Any, numbers: Sequence[Any]) -> list[Any]:
        if not self.many:  # the same in each call
            self.many = [any(type(x) is np.ndarray for x in xs) for xs in numbers]
        inputs = [side_by_side(xs) if many else packed(xs) for xs, many in zip(numbers, self.many)]
        return [packed(leaves) if type(leaves) is list else leaves, *inputs]

    def lower_back(self, name: str, seeds: Sequence[Symbol], targets: Sequence[Any]) -> Text:
        places = self.places.fork()
        row = places.add(Tensor("seeds", (len(seeds),)), list(zip(seeds, itertools.count())))
        inputs = [*self.inputs, *self.forward.function.kept, row]
        return Text(lower(name, inputs, targets, places, late=False), listed=False)

    def load(self, code: Text) -> Callable[..., Any]:
        """As machine code where that runs, and as NumPy elsewhere."""
        if not self.machine:
            return code.load()
        made = self.machine.Code(code.function, self.first)
        self.first = self.first or made  # the way forward
        return made.load(code.listed)  # type: ignore[no-any-return]

    def back(self, way: Way, arguments: Sequence[Any], seeds: Sequence[float]) -> Sequence[float]:
        found, _ = way.run(*arguments, np.array(seeds, dtype=np.float64))
        return found  # type: ignore[no-any-return]

    @property
    def functions(self) -> list[Function]:
        """Those of the way forward and of the ways back."""
        return [code.function for code in self.codes if isinstance(code, Text)]


def packed(numbers: Sequence[Any]) -> Any:
    """An array of single numbers; faster than NumPy's own."""
    try:
        return np.ndarray(len(numbers), np.float64, struct.pack(f"{len(numbers)}d", *numbers))
    except struct.error as error:  # None, or a text, which NumPy would read as a number
        raise TypeError(error) from None


def side_by_side(numbers: Sequence[Any]) -> Any:
    """An array of numbers and arrays."""
    return np.asarray(numbers[0] if len(numbers) == 1 else np.hstack(numbers), np.float64)
