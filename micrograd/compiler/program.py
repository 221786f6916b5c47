"""What was found in a function of scalars: a way forward, and ways back; and how it shows itself."""

import functools
import itertools
import linecache
import math
import pathlib
import sys
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

from ..engine import Value, graph
from .backward import standing_in
from .guards.callers import Line
from .lock import undisturbed
from .symbol import ENTER, GIVEN, Symbol
from .trace import Trace, derivative

FEW = 8  # so many ways back are kept, and one from everything

Box: TypeAlias = tuple[str, str, str, list[str]]  # name, operation, shape, and the names of what it is computed from


class Code(Protocol):
    """The code of one way."""

    @property
    def head(self) -> str:
        """Its name, and what it is given, for the eye."""

    @property
    def operations(self) -> int:
        """How many of its lines compute something."""

    @property
    def source(self) -> str:
        """The code, with all that it uses."""

    def load(self) -> Callable[..., Any]:
        """The function, ready to run."""

    def listing(self) -> Iterator[tuple[str, Line | None]]:
        """Its lines for the eye, and which line of somebody's code each came from."""

    def boxes(self) -> tuple[list[Box], list[Box]]:
        """For pictures: what it is given, and what it computes."""


class Way(NamedTuple):
    """A way back.

    Attributes:
        reached: positions of the leaves that a gradient comes to.
        met: of those that none comes to, although results were made of them: they are only in conditions.
        code: what it does.
        run: takes the leaves, the inputs, what the way forward kept, and the gradients of some results. Returns those
            of the leaves that are reached.
    """

    reached: list[int]
    met: list[int]
    code: Code
    run: Callable[..., Any]


class Program(ABC):
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

    kind: str  # of its operations, and what runs them
    imports: ClassVar[str]
    leaves: list[Value]
    forward: Code
    run: Callable[..., Any]

    def __init__(self, name: str, written: Trace):
        self.name, self.written = name, written
        self.ways: dict[Any, Way] = {}
        self.unchecked = False
        self.count = itertools.count()

    @abstractmethod
    def bind(self, leaves: Any, numbers: Sequence[Any]) -> list[Any]:
        """What `run` takes: the numbers of leaves, in a list or an array, and those in the arguments of a call."""

    @abstractmethod
    def lower_back(self, name: str, seeds: Sequence[Symbol], targets: Sequence[Any]) -> Code:
        """Code that computes `targets`, made of what there is on the way forward and of `seeds`."""

    @abstractmethod
    def load(self, code: Any) -> Callable[..., Any]:
        """The function that code is, ready to run."""

    @abstractmethod
    def back(self, way: Way, arguments: Sequence[Any], seeds: Sequence[float]) -> Sequence[float]:
        """Run a way back."""

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
        way = self.ways.get(key)
        if way is None and len(self.ways) >= FEW and leaves_only:  # take all outputs, the others with 0
            everything = tuple(range(len(self.written.computed)))
            whole = self.ways.get((everything, False)) or self.way_back(everything, False)
            asked = dict(zip(outputs, seeds))
            found = [*map(float, self.back(whole, arguments, [asked.get(i, 0.0) for i in everything]))]
            if all(map(math.isfinite, found)):  # no 0 * inf came of it
                bits = sum(1 << i for i in outputs)
                mine = [(i, g) for i, g in zip(whole.reached, found) if self.made_of[i] & bits]
                return [i for i, _ in mine], [g for _, g in mine], [i for i in whole.met if self.made_of[i] & bits]
        way = way or self.way_back(*key)
        return way.reached, self.back(way, arguments, seeds), way.met

    @functools.cached_property
    @undisturbed()
    def made_of(self) -> list[int]:
        """Of each leaf which results are made of it, a bit for each."""
        written = self.written
        bits: dict[Any, int] = defaultdict(int, {x: 1 << i for i, x in enumerate(written.computed)})
        with standing_in(written.leaves):
            _, results = graph(Value(0.0, tuple(x for x in written.computed if isinstance(x, Value))))
            for v in reversed(results[:-1]):
                for parent in v._prev:
                    bits[parent] |= bits[v]
        return [bits[leaf] for leaf in self.leaves]

    @undisturbed()
    def way_back(self, outputs: tuple[int, ...], unit: bool) -> Way:
        """Make the way back from some of the results. `unit`: it is one, and its gradient is 1."""
        seeds = [Symbol("input") for _ in outputs]
        gradients, met = derivative(self.written, outputs, [1.0] if unit else seeds)
        found = dict(zip(self.written.leaves, gradients))
        reached = [i for i, leaf in enumerate(self.leaves) if found[leaf] is not None]
        name = f"backward_{n}" if (n := next(self.count)) else "backward"
        code = self.lower_back(name, seeds, [found[self.leaves[i]] for i in reached])
        if len(self.ways) > FEW:
            del self.ways[next(iter(self.ways))]
        rest = [i for i, leaf in enumerate(self.leaves) if found[leaf] is None and leaf in met]
        self.unchecked = True
        self.ways[outputs, unit] = Way(reached, rest, code, self.load(code))
        return self.ways[outputs, unit]

    # ---- how it shows itself ----

    @property
    def codes(self) -> list[Code]:
        return [self.forward, *(way.code for way in list(self.ways.values()))]

    @property
    def nodes(self) -> int:
        """How many scalar operations one call was made of, with one sample of each batch."""
        return sum(x.op not in (*GIVEN, *ENTER, "pick", "detach") for x in self.written.order)

    @property
    def operations(self) -> int:
        """How many operations were found, forward and, once it was asked for, backward."""
        return sum(code.operations for code in self.codes)

    @property
    def source(self) -> str:
        """The code that runs, whole."""
        return "\n\n\n".join([self.imports, *(code.source for code in self.codes)]) + "\n"

    def boxes(self) -> list[Box]:
        """Its graph, for pictures: what is used of what it is given, and what is computed."""
        parts = [code.boxes() for code in self.codes]
        made = [box for _, computed in parts for box in computed]
        names, used = {name for name, *_ in made}, {name for *_, sources in made for name in sources}
        given = {box[0]: box for inputs, _ in parts for box in inputs}
        return [*(box for name, box in given.items() if name in used - names), *made]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.nodes:,} scalar operations became {self.operations:,} {self.kind}"]
        for code in self.codes:
            lines += ["", code.head, *listed(code, "" if code is self.forward else ", backward")]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        """What a notebook shows: the drawing, or, where graphviz is missing, the text."""
        from ..viz import draw_dot

        try:
            return {**draw_dot(self)._repr_mimebundle_(include, exclude), "text/plain": str(self)}
        except ImportError:
            return {"text/plain": str(self)}


def listed(code: Code, mark: str) -> Iterator[str]:
    """A line for each of code, with the line of somebody's code that it came from; where that changes, its text."""
    before = None
    for text, line in code.listing():
        if line != before and line is not None:
            yield f"  {linecache.getline(*line).strip()}"
        before = line
        where = f"{file_name(line)}:{line.number}{mark}" if line else ""
        yield f"    {text:<70}  {where}".rstrip()


def file_name(line: Line) -> str:
    """The name of a file; of a cell of a notebook, or of what was typed at IPython's prompt, "In[5]"."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell = shell and shell.compile.format_code_name(line.file)  # a pair of "Cell" and its name
    return cell[1] if cell else pathlib.Path(line.file).name
