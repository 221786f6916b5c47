"""A program of plain floats: straight-line Python, for what is small, or goes one operation after the other.

NumPy takes a microsecond for a call, however few numbers it is about; in that time Python computes some thirty
operations on floats. So where the levels of a graph are narrow, its scalars are written out one by one: equal ones are
computed once, and what is used once stands inside the expression that uses it.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from .. import scalar
from ..compat import data_of
from .backend import MOST, machine
from .guards.arguments import listed
from .guards.arrays import ARRAY
from .guards.callers import Line
from .names import Names
from .program import Box, Program, Way
from .symbol import COMMUTATIVE, GIVEN, STRANGE, Symbol, ordered
from .trace import Trace

IN_MATH = "exp", "log", "sqrt", "sin", "cos", "tanh"
# Each operation as Python writes it. Where `math` raises (1 / 0, log(-1), exp(1000)), the careful form of the whole
# program runs instead, which has IEEE 754's answers.
FLOATS = {
    "+": "{} + {}",
    "-": "{} - {}",
    "*": "{} * {}",
    "/": "{} / {}",
    "**": "math.pow({}, {})",
    "neg": "-{}",
    "abs": "abs({})",
    "relu": "0.0 if {0} < 0.0 else {0}",
    "sigmoid": "1.0 / (1.0 + math.exp(-{}))",
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "where_le": "{2} if {0} <= {1} else {3}",
    "detach": "{}",
    **{name: f"math.{name}({{}})" for name in IN_MATH},
}
CAREFUL = FLOATS | {"/": "scalar.divide({}, {})", "**": "scalar.power({}, {})", "sigmoid": "scalar.sigmoid({})"}
CAREFUL |= {name: f"scalar.{name}({{}})" for name in IN_MATH}
TWICE = "relu", "maximum", "minimum"  # their arguments occur more than once, so they need names
KEPT = "kept"
RESERVED = "math", "scalar", "inf", "nan", "abs", "__debug__"
FEW = 200  # so many are done in Python before machine code has been handed its numbers
LONG = 70  # what is longer than so many characters gets a line of its own


class Lines:
    """The code of one way, in plain Python.

    Args:
        name: of the function.
        parameters: its parameters, and what is in each.
        named: what stands for each number that is there before.
        order: what is to be computed, arguments first.
        results: what it returns.
        kept: what it returns besides, for the ways back; None if it is one.
        table: how an operation is written.

    Attributes:
        lines: of each line the name of what it computes, how, where it came from, and which names it uses.
        text: what stands for each Symbol.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[tuple[str, Sequence[Symbol]]],
        named: Mapping[Symbol, str],
        order: Sequence[Symbol],
        results: Sequence[Any],
        kept: Sequence[Symbol] | None = None,
        table: Mapping[str, str] = FLOATS,
    ):
        self.name, self.parameters, self.results, self.kept = name, parameters, results, kept
        self.careful_form = (f"careful_{name}", parameters, named, order, results, kept, CAREFUL)
        self.same = equals([x for x in order if x not in named])
        unique = [x for x, first in self.same.items() if x is first]
        uses = Counter(self.first(arg) for x in unique for arg in x.args)
        own_line = {*map(self.first, (*results, *(kept or ())))}
        own_line |= {self.first(arg) for x in unique if x.op in TWICE for arg in x.args}
        self.text: dict[Any, str] = dict(named)
        self.compound = set[Symbol]()  # where it needs brackets
        self.lines: list[tuple[str, str, Line | None, list[str]]] = []
        names, used = Names([*RESERVED, *named.values()]), {x: [text] for x, text in named.items()}
        for x in unique:
            args = [self.first(arg) for arg in x.args]
            call = table[x.op].endswith("})")
            text = table[x.op].format(*(self.written(arg, bare=call) for arg in args))
            inside = [name for arg in args if type(arg) is Symbol for name in used[arg]]
            if uses[x] == 1 and x not in own_line and len(text) <= LONG:
                self.text[x], used[x] = text, inside
                if not call:
                    self.compound.add(x)
            else:
                self.text[x] = names.new(f"t{len(self.lines)}")
                self.lines.append((self.text[x], text, x.line, [*dict.fromkeys(inside)]))
                used[x] = [self.text[x]]

    def first(self, x: Any) -> Any:
        """The first Symbol that computes the same."""
        return self.same.get(x, x) if type(x) is Symbol else x

    def written(self, x: Any, bare: bool = False) -> str:
        if type(x) is not Symbol:
            return repr(x)
        x = self.first(x)
        return f"({self.text[x]})" if x in self.compound and not bare else self.text[x]

    @property
    def body(self) -> str:
        given = [(name, [self.text[x] for x in symbols]) for name, symbols in self.parameters if symbols]
        unpacked = [f"{', '.join(names)}, = {name}" for name, names in given]
        results = f"[{', '.join(map(self.written, self.results))}]"
        if self.kept is not None:
            results += f", (({''.join(f'{self.written(x)}, ' for x in self.kept)}),)"
        head = f"def {self.name}({', '.join(name for name, _ in self.parameters)}):"
        lines = [f"{name} = {text}" for name, text, _, _ in self.lines]
        return "\n    ".join([head, *unpacked, *lines, f"return {results}"])

    @property
    def source(self) -> str:
        return f"{self.body}\n\n\n{Lines(*self.careful_form).body}"

    def numbered(self) -> tuple[list[int], list[Any], list[Any], list[Any] | None]:
        """How many numbers each parameter has; each operation, with the positions of what it is of, or numbers; and
        results and what is kept, likewise. Positions go on from parameters to operations."""
        given = [self.first(x) for _, symbols in self.parameters for x in symbols]
        unique = [x for x, first in self.same.items() if x is first]
        index = {x: i for i, x in enumerate([*given, *unique])}

        def positions(args: Iterable[Any]) -> list[Any]:
            return [index[self.first(x)] if type(x) is Symbol else x for x in args]

        steps = [(x.op, positions(x.args)) for x in unique]
        kept = None if self.kept is None else positions(self.kept)
        return [len(symbols) for _, symbols in self.parameters], steps, positions(self.results), kept

    def load(self) -> Callable[..., Any]:
        """The function, ready to run."""
        fast = loaded(self)

        def run(*arguments: Any) -> Any:
            try:
                return fast(*arguments)
            except (ArithmeticError, ValueError):
                return self.careful(*arguments)

        return run

    @functools.cached_property
    def careful(self) -> Callable[..., Any]:
        """The same where `math` raises."""
        return loaded(Lines(*self.careful_form))

    # ---- how it shows itself ----

    @property
    def head(self) -> str:
        return f"{self.name} of {', '.join(f'{name} ({len(symbols)},)' for name, symbols in self.parameters)}"

    @property
    def operations(self) -> int:
        return len(self.lines)

    def listing(self) -> Iterator[tuple[str, Line | None]]:
        for name, text, line, _ in self.lines:
            yield f"{name} = {text}", line

    def boxes(self) -> tuple[list[Box], list[Box]]:
        given: list[Box] = [(self.text[x], "", "", []) for _, symbols in self.parameters for x in symbols]
        return given, [(name, text, "", used) for name, text, _, used in self.lines]


def equals(order: Iterable[Symbol]) -> dict[Symbol, Symbol]:
    """For each Symbol the first one that computes the same."""
    first: dict[Symbol, Symbol] = {}
    known: dict[tuple[str, ...], Symbol] = {}
    for x in order:
        args = [str(id(first.get(arg, arg))) if type(arg) is Symbol else repr(arg) for arg in x.args]
        key = (x.op, *(sorted(args) if x.op in COMMUTATIVE else args))
        first[x] = first.get(x.args[0], x.args[0]) if x.op == "detach" else known.setdefault(key, x)
    return first


def loaded(code: Lines) -> Callable[..., Any]:
    namespace = {"math": math, "scalar": scalar, "inf": math.inf, "nan": math.nan}
    exec(compile(code.body, f"<{code.name}>", "exec"), namespace)
    return namespace[code.name]  # type: ignore[return-value]


class FloatProgram(Program):
    """A Program in plain Python. The arguments are those of `Program`.

    Its way forward is written anew when a way back needs more of what it computes.
    """

    imports = "import math\nfrom math import inf, nan\n\nfrom micrograd import scalar"
    forward: Lines

    def __init__(self, name: str, written: Trace, inputs: Sequence[tuple[str, Sequence[Symbol]]]):
        super().__init__(name, written)
        self.machine = machine() if len(written.order) > FEW and len(inputs) < MOST else None
        self.kind = f"lines of plain floats, as {'machine code' if self.machine else 'Python'}"
        leaf = {symbol: v for v, symbol in written.leaves.items()}
        met = [x for x in written.order if x in leaf]
        leaves = [*dict.fromkeys([*met, *leaf])]  # in the order in which they are used
        names, given = Names([*RESERVED, KEPT, "seeds"]), [("leaves", leaves), *inputs]
        self.parameters = [(names.new(argument), symbols) for argument, symbols in given]
        self.names = {x: names.new(f"{name}_{i}") for name, symbols in self.parameters for i, x in enumerate(symbols)}
        self.leaves = [leaf[x] for x in leaves]
        self.write_forward({})

    def write_forward(self, kept: dict[Symbol, None]) -> None:
        """Write the way forward, which also returns what is `kept`, in this order."""
        results = [data_of(x) for x in self.written.computed]
        forward = Lines("forward", self.parameters, self.names, self.written.order, results, [*kept])
        run = self.load(forward)
        self.kept, self.forward, self.run = kept, forward, run  # at once, whenever Ctrl-C is pressed

    def load(self, code: Lines) -> Callable[..., Any]:
        """As machine code, where that runs and is worth its call, or as Python."""
        if not self.machine:
            return code.load()
        from .tensors import packed  # which needs NumPy, as machine code does

        run = self.machine.Scalars(*code.numbered()).load()
        return lambda *given: run(*(x if type(x) is ARRAY else packed(x) for x in given))

    def bind(self, leaves: Any, numbers: Sequence[Any]) -> list[Any]:
        given = row(leaves) if type(leaves) is list else leaves.tolist()
        return [given, *(row(listed(part)) for part in numbers)]

    def lower_back(self, name: str, seeds: Sequence[Symbol], targets: Sequence[Any]) -> Lines:
        computed = {x for x in self.written.order if x not in self.names}
        order = ordered(targets, {*self.names, *seeds, *computed})
        if any(x.op in GIVEN for x in order):
            raise TypeError(STRANGE)
        met = dict.fromkeys(x for y in order for x in y.args if type(x) is Symbol and x in computed)
        met |= dict.fromkeys(x for x in targets if type(x) is Symbol and x in computed)
        if met.keys() - self.kept.keys():
            self.write_forward(self.kept | met)
        names = Names([*RESERVED, *self.names.values(), *map(self.forward.written, self.kept)])
        named = self.names | {x: self.forward.written(x) for x in self.kept}
        named |= {x: names.new(f"seeds_{i}") for i, x in enumerate(seeds)}
        parameters = [*self.parameters, (KEPT, [*self.kept]), ("seeds", seeds)]
        return Lines(name, parameters, named, order, targets)

    def back(self, way: Way, arguments: Sequence[Any], seeds: Sequence[float]) -> Sequence[float]:
        *given, kept = arguments
        assert isinstance(way.code, Lines)
        wanted = len(way.code.parameters[-2][1])
        if len(kept) < wanted:  # from before the way back was made
            _, (kept,) = self.run(*given)
        return way.run(*given, kept[:wanted], seeds)  # type: ignore[no-any-return]


def row(numbers: list[Any]) -> list[float]:
    """Numbers as floats."""
    if {*map(type, numbers)} <= {float}:  # the usual case, faster
        return numbers
    if not all(isinstance(x, Real) for x in numbers):
        raise TypeError
    return [*map(float, numbers)]
