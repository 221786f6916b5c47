"""How a compiled function is called: from Values to tensors, through the program, and back to Values."""

import operator
from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import Any

from ..engine import Value, nothing
from ..vmap import Compiling, is_vmap
from .backward import seed
from .check import LARGE, Check
from .cost import is_narrow
from .floats import FloatProgram
from .guards.arguments import Arguments, listed
from .guards.arrays import BOOLS, np
from .guards.reach import Reach
from .home import settle
from .program import Program
from .results import PLAIN, Results, result_like, twin
from .row import Row
from .symbol import Symbol
from .trace import Trace, refuse_lost, run_plainly, trace

CHANGED = (
    "the data of {} is another than in the call of the compiled function, of which backward() has kept numbers: call "
    "backward() before you change data, or call the function again"
)


class Call:
    """The program for one structure of arguments, and for what a function reaches.

    Args:
        function: what is compiled.
        name: what it is called.
        key: that of the arguments, under which the call is kept.
        given: arguments of that structure.
        always: whether every call is compared with the function.

    Attributes:
        around: what the function reaches.
        inputs: for each argument with numbers its name, and their Symbols.
        leaves: the Values that the program depends on, in its order; for one that is an argument, its position.
        again: whether a later call has used it.

    Raises:
        TypeError: the function cannot be compiled.
    """

    def __init__(self, function: Callable[..., Any], name: str, key: Hashable, given: Arguments, always: bool):
        self.name, self.key, self.structures, self.again = name, key, given.structures, False
        self.always, self.is_vmap = always, is_vmap(function)
        roots = [(name, function), *given.wholes()]
        reached = Reach([*roots, *zip(given.names, given.given)])
        for v in reached.values:
            settle(v)  # now they look as Values do
        plain, known = run_plainly(name, lambda: given.call(function, given.given), reached)
        self.around = Reach(roots)  # with what it has imported or cached
        self.inputs = [(n, [Symbol("input") for _ in listed(xs)]) for n, xs in zip(given.names, given.numbers) if xs]
        # A Value that occurs twice among the arguments has two twins, so that one program serves however many of them
        # are the same; its gradient is the sum of theirs.
        twins = [twin(v, v.data) for v in given.values]

        def on_symbols() -> Any:
            numbers = iter([symbol for _, symbols in self.inputs for symbol in symbols])
            return given.call(function, given.filled(numbers, iter(twins)))

        self.written = trace(name, on_symbols, [*dict.fromkeys([*known, *twins])], self.around)
        refuse_lost(self.written, plain, [*reached.values, *given.values])
        if nested := [v for v in self.written.leaves if isinstance(v.data, Value)]:
            raise TypeError(f"{name} uses {nested[0]!r}: {PLAIN}")
        self.program = made(name, self.written, self.inputs)
        self.connect({v: i for i, v in enumerate(twins)}, plain)
        self.check = Check(name, function, self.around)
        self.compare(given, self.run(given), plain)

    def connect(self, argument: dict[Value, int], plain: Results) -> None:
        """Find out where leaves come from in a call, and how results are made.

        Args:
            argument: of a Value that stands for one among the arguments, for which.
            plain: what the plain run returned.
        """
        self.leaves: list[Any] = [argument.get(v, v) for v in self.program.leaves]
        self.slots = [(slot, i) for slot, i in enumerate(self.leaves) if type(i) is int]
        self.row, self.varying = Row(self.leaves), [slot for slot, _ in self.slots]
        self.last: tuple[Sequence[Value], Row] = (), self.row
        self.history = [v for v in self.leaves if isinstance(v, Value) and v._prev]
        computed = {id(x): i for i, x in enumerate(self.written.computed)}  # which `written` keeps
        places = [(x, computed.get(id(x)), argument.get(x)) for x in self.written.results.items]
        truths = {id(x) for x, y in zip(self.written.results.each(), plain.each()) if type(y) in BOOLS}
        self.results = [
            (
                place,
                seed(place),
                type(x) is Value and not vars(x) and place is not None,
                self.maker(x, place, i, id(x) in truths),
            )
            for x, place, i in places
        ]
        index = self.written.results.index
        self.items = {places[i][1]: k for k, i in enumerate(index)}  # of what is computed, where it is returned
        self.size = sum(x.axis.length if x.axis else 1 for x in self.written.order)

    def row_of(self, values: Sequence[Value]) -> Row:
        """The Values that the program depends on in a call with some Values as arguments."""
        if not self.slots:
            return self.row
        before, row = self.last
        if len(before) == len(values) and all(map(operator.is_, before, values)):  # as in training on one batch
            return row
        leaves = self.leaves.copy()
        for slot, i in self.slots:
            leaves[slot] = values[i]
        row = Row(leaves, self.row, self.varying)
        if not any(v._prev for v in values):  # which would keep all that they were computed from
            self.last = values, row
        return row

    def fits(self, given: Arguments) -> bool:
        """Whether this serves arguments of its structure: what the function reaches is what it was. Not while another
        thread traces a function of the same Values."""
        if Compiling.running:
            data = [v.data for v in self.row_of(given.values).values]
            if Symbol in map(type, chain(data, *given.numbers)):
                return False
        return self.around.holds()

    def compare(self, given: Arguments, returned: Any, plain: Results) -> None:
        """Compare what the program returned with what the function did."""
        numbers = {leaf: leaf.data for leaf in self.row_of(given.values).values}
        self.check.results(given, numbers, Results(self.name, returned), plain)

    def maker(self, x: Any, place: int | None, argument: int | None, is_bool: bool) -> Callable[..., Any]:
        """Makes one result of the numbers that were computed, the Values among the arguments, and the call.

        Args:
            x: what it was in the trace.
            place: where its number is, if it is computed.
            argument: which of the Values among the arguments it is.
            is_bool: whether it is a bool when the function runs as it is.
        """
        if argument is not None:
            return lambda numbers, values, parent: values[argument]
        if is_bool and place is not None:
            return lambda numbers, values, parent: bool(numbers[place])
        if not isinstance(x, Value):
            return lambda numbers, values, parent: x if place is None else numbers[place]
        if place is not None:
            return lambda numbers, values, parent: result_like(x, numbers[place], parent, seed(place))
        return lambda numbers, values, parent: x if x in self.written.leaves else twin(x, x.data)

    def __call__(self, given: Arguments) -> Any:
        """Run the program, and, if so wanted, the function, too."""
        returned = self.run(given)
        if self.always:
            self.compare(given, returned, Results(self.name, given.call(self.check.function, given.given)))
        return returned

    def run(self, given: Arguments) -> Any:
        """Run the program."""
        values, program, row = given.values, self.program, self.row_of(given.values)
        leaves, history = row.values, self.history
        if row is not self.last[1]:  # some may be results
            history = [*history, *(leaves[slot] for slot, _ in self.slots if leaves[slot]._prev)]
        try:
            data = row.data()
            bound = program.bind(data, [numbers for numbers in given.numbers if numbers])
        except TypeError:
            raise TypeError(f"{self.name}: {PLAIN}") from None
        numbers, kept = program.run(*bound)

        def backward(node: Value) -> None:
            row.refuse_hooks()
            if changed := row.changed(data):
                raise RuntimeError(CHANGED.format(self.around.values.get(changed[0], changed[0].label or changed[0])))
            parts: dict[int, Any] = node.grad
            outputs = tuple(sorted(parts))
            seeds, arguments = [parts[i] for i in outputs], (*bound, *kept)
            reached, gradients, met = program.gradients(outputs, seeds, arguments, not history)
            if (program.unchecked or self.always) and self.size <= LARGE and self.around.holds():
                items = {self.items[i]: seed for i, seed in parts.items()}
                found = dict.fromkeys(leaves, 0.0)
                for i, g in zip(reached, map(float, gradients)):  # one that is passed twice gets the sum
                    found[leaves[i]] += g
                self.check.gradients(given, dict(zip(leaves, map(float, bound[0]))), items, found)
                program.unchecked = False
            row.add(reached, gradients)
            for leaf in [leaves[i] for i in met]:
                leaf.grad = 0.0 if leaf.grad is None else leaf.grad

        parent = Caller(None, (Leaves(row), *history), self.name, backward)
        items = []
        for place, send, plain, make in self.results:
            if plain:  # the usual case
                items.append(Value(numbers[place], (parent,), "", send))
            else:
                items.append(make(numbers, values, parent))
        return self.written.results.assemble(items)


def made(name: str, written: Trace, inputs: Sequence[tuple[str, Sequence[Symbol]]]) -> Program:
    """The program for a trace; the arguments are those of `Program`."""
    if np is None or is_narrow(written):
        return FloatProgram(name, written, inputs)
    from .tensors import TensorProgram  # which needs NumPy

    return TensorProgram(name, written, inputs)


class Caller(Value):
    """A call of a program: one node, the parent of its results."""

    __slots__ = ()
    label = "results"


class Leaves(Value):
    """Many leaves as one parent: one box in a picture, and one visit for `backward()`.

    `backward()` reads the `grad` of a leaf before it starts, and sets it back after an error; here these are lists, or
    functions that list them.
    """

    __slots__ = ("row",)

    def __init__(self, row: Row):
        self.row = row
        self.data, self._prev, self._op, self._grad_fn = None, (), "", nothing
        self.label = f"{len(row.values)} leaves"

    @property
    def leaves(self) -> Sequence[Value]:
        return self.row.values

    @property
    def grad(self) -> list[Any] | Callable[[], list[Any]]:
        return self.row.grads()

    @grad.setter
    def grad(self, before: Any) -> None:
        grads = before if isinstance(before, list) else before() if callable(before) else [before] * len(self.leaves)
        for leaf, grad in zip(self.leaves, grads):
            leaf.grad = grad
