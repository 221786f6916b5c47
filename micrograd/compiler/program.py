"""What was found in a function of scalars: Functions for the way forward and the ways back; and how it shows itself."""

import functools
import itertools
import linecache
import math
import pathlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import Value, data_of, graph
from .backward import standing_in
from .emit import RESERVED, Listing, Text, digits
from .function import Function, Tensor, sources
from .layout import lay_out
from .places import Names, Places
from .schedule import schedule
from .symbol import ENTER, GIVEN, Line, Symbol, ordered, undisturbed
from .trace import Trace, derivative
from .verify import verify

HEAD = "import numpy as np\nfrom numpy import inf, nan"
FEW = 8  # so many ways back are kept, and one from everything


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


class Way(NamedTuple):
    """A way back.

    Attributes:
        reached: positions of the leaves that a gradient comes to.
        met: of those that none comes to, although results were made of them: they are only in conditions.
        text: its code.
        run: takes the leaves, the inputs, what the way forward kept, and the gradients of some results. Returns those
            of the leaves that are reached.
    """

    reached: list[int]
    met: list[int]
    text: Text
    run: Callable[..., Any]


class Program:
    """What was found in a function of scalars, for arguments of one structure. `print` shows it.

    Args:
        name: the function's name.
        written: the function, written down.
        inputs: the numbers among its arguments: for each argument that has any its name, and Symbols.

    Attributes:
        leaves: those of `written`, in the order in which the program wants them.
        run: the way forward: takes the leaves and the inputs, returns the results and what the ways back need.
        unchecked: whether there is a way back whose gradients have not been compared with the function's.
    """

    def __init__(self, name: str, written: Trace, inputs: Sequence[tuple[str, Sequence[Symbol]]]):
        self.name, self.written = name, written
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
        self.run = self.forward.load()
        self.ways: dict[Any, Way] = {}
        self.unchecked = False
        self.count = itertools.count()

    def gradients(
        self, outputs: tuple[int, ...], seeds: Sequence[float], arguments: Sequence[Any], leaves_only: bool
    ) -> tuple[Sequence[int], Sequence[float], Sequence[int]]:
        """The gradients of the leaves.

        Args:
            outputs: positions of results.
            seeds: the gradient of each.
            arguments: the leaves, the inputs, and what the way forward kept.
            leaves_only: whether all leaves are such outside of the program, too.

        Returns:
            The positions of the leaves that are reached, their gradients, and those of leaves in conditions.
        """
        key = outputs, list(seeds) == [1.0]
        if key not in self.ways and len(self.ways) >= FEW and leaves_only:  # take all outputs, the others with 0
            everything = tuple(range(len(self.written.computed)))
            way = self.ways.get((everything, False)) or self.way_back(everything, False)
            asked = dict(zip(outputs, seeds))
            found, _ = way.run(*arguments, np.array([asked.get(i, 0.0) for i in everything]))
            if all(map(math.isfinite, found)):  # no 0 * inf came of it
                bits = sum(1 << i for i in outputs)
                mine = [(i, g) for i, g in zip(way.reached, found) if self.made_of[i] & bits]
                return [i for i, _ in mine], [g for _, g in mine], [i for i in way.met if self.made_of[i] & bits]
        way = self.ways.get(key) or self.way_back(*key)
        found, _ = way.run(*arguments, np.array(seeds, dtype=np.float64))
        return way.reached, found, way.met

    @functools.cached_property
    def made_of(self) -> list[int]:
        """Of each leaf which results are made of it, a bit for each."""
        written = self.written
        bits: dict[Any, int] = defaultdict(int, {x: 1 << i for i, x in enumerate(written.computed)})
        with standing_in(written.leaves):
            _, results = graph(Value(0.0, [x for x in written.computed if isinstance(x, Value)]))
            for v in reversed(results[:-1]):
                for parent in v._prev:
                    bits[parent] |= bits[v]
        return [bits[leaf] for leaf in self.leaves]

    @undisturbed()
    def way_back(self, outputs: tuple[int, ...], unit: bool) -> Way:
        """Make the way back from some of the results. `unit`: it is one, and its gradient is 1."""
        places = self.places.fork()
        symbols = [Symbol("input") for _ in outputs]
        seeds = places.add(Tensor("seeds", (len(outputs),)), list(zip(symbols, itertools.count())))
        gradients, met = derivative(self.written, outputs, [1.0] if unit else symbols)
        found = dict(zip(self.written.leaves, gradients))
        reached = [i for i, leaf in enumerate(self.leaves) if found[leaf] is not None]
        inputs = [*self.inputs, *self.forward.function.kept, seeds]
        targets = [found[self.leaves[i]] for i in reached]
        name = f"backward_{n}" if (n := next(self.count)) else "backward"
        text = Text(lower(name, inputs, targets, places, late=False))
        if len(self.ways) > FEW:
            del self.ways[next(iter(self.ways))]
        rest = [i for i, leaf in enumerate(self.leaves) if found[leaf] is None and leaf in met]
        self.unchecked = True
        self.ways[outputs, unit] = Way(reached, rest, text, text.load())
        return self.ways[outputs, unit]

    # ---- how it shows itself ----

    @property
    def texts(self) -> list[Text]:
        return [self.forward, *(way.text for way in list(self.ways.values()))]

    @property
    def functions(self) -> list[Function]:
        return [text.function for text in self.texts]

    @property
    def nodes(self) -> int:
        """How many scalar operations one call was made of, with one sample of each batch."""
        return sum(x.op not in (*GIVEN, *ENTER, "pick", "detach") for x in self.written.order)

    @property
    def operations(self) -> int:
        """How many tensor operations were found, forward and, once it was asked for, backward."""
        return sum(function.operations for function in self.functions)

    @property
    def source(self) -> str:
        """The NumPy code that runs, whole."""
        parts = ["\n".join([*digits(text.constants.items(), "np."), text.source]) for text in self.texts]
        return "\n\n\n".join([HEAD, *parts]) + "\n"

    def boxes(self) -> list[tuple[str, str, str, list[str]]]:
        """Its graph, for pictures: of each tensor the name, the operation, the shape, and what it is computed from."""
        steps = [step for function in self.functions for step in function.steps]
        made = {step.out.name for step in steps}
        used = {name for step in steps for name in sources(step.operands)}
        given = dict.fromkeys(tensor for function in self.functions for tensor in function.inputs)
        boxes: list[tuple[str, str, str, list[str]]] = [
            (tensor.name, "", shape(tensor), []) for tensor in given if tensor.name in used - made
        ]
        for step in steps:
            op = step.op.replace("pack", "beside").replace("contract", f"dot {step.spec}")
            boxes.append((step.out.name, op, shape(step.out), sources(step.operands)))
        return boxes

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.nodes:,} scalar operations became {self.operations} tensor operations"]
        for function in self.functions:
            back = function is not self.functions[0]
            inputs = function.inputs[-1:] if back else function.inputs
            lines += ["", f"{function.name} of {', '.join(f'{tensor.name} {shape(tensor)}' for tensor in inputs)}"]
            lines += listed(function, ", backward" if back else "")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        """What a notebook shows: the drawing, or, where graphviz is missing, the text."""
        from ..viz import draw_dot

        try:
            return {**draw_dot(self)._repr_mimebundle_(include, exclude), "text/plain": str(self)}
        except ImportError:
            return {"text/plain": str(self)}


def listed(function: Function, mark: str) -> Iterator[str]:
    """A line for each step, with the line of somebody's code that it came from; where that changes, its text."""
    before = None
    for step, line in zip(function.steps, Listing(function).lines):
        if step.line != before and step.line is not None:
            yield f"  {linecache.getline(*step.line).strip()}"
        before = step.line
        where = f"{file_name(step.line)}:{step.line.number}{mark}" if step.line else ""
        yield f"    {f'{line}  {shape(step.out)}':<70}  {where}".rstrip()


def file_name(line: Line) -> str:
    """The name of a file; in a notebook, which has none, "cell"."""
    path = pathlib.Path(line.file)
    return "cell" if path.parent.name.startswith("ipykernel_") or path.name.startswith("<ipython") else path.name


def shape(tensor: Tensor) -> str:
    axis = [f"{tensor.axis.name}={tensor.axis.length}"] if tensor.axis else []
    numbers = [*axis, *map(str, tensor.shape)]
    return f"({', '.join(numbers)}{',' * (len(numbers) == 1)})"
