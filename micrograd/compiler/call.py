"""How a compiled function is called: from Values to tensors, through the program, and back to Values."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import NOTHING, Value
from ..module import found
from ..vmap import is_vmap
from .around import within_reach
from .backward import seed
from .program import Program
from .structure import PLAIN, result_like, twin, unflatten
from .symbol import Symbol, undisturbed
from .trace import trace


class Signature(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        arguments: as they came, first those by position.
        positional: how many these are.
        names: of all of them.
        structures: what is left of each without its numbers and Values.
        numbers: for each that has any, a flat array; None for others.
        values: the Values in all of them.
    """

    arguments: list[Any]
    positional: int
    names: list[str]
    structures: list[Any]
    numbers: list[Any]
    values: list[Value]

    def parted(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Arguments of this signature as those by position, and those by name."""
        return arguments[: self.positional], dict(zip(self.names[self.positional :], arguments[self.positional :]))


class Call:
    """The program for one structure of arguments.

    Args:
        function: what is compiled.
        name: what it is called.
        given: arguments of that structure.
        around: what the function refers to; kept alive, as long as its ids are part of a key.

    Attributes:
        inputs: for each argument with numbers its name, and their Symbols.
        leaves: the Values that the program depends on, in its order; for one that is an argument, its position.
    """

    @undisturbed()
    def __init__(self, function: Callable[..., Any], name: str, given: Signature, around: Sequence[Any]):
        self.name, self.structures, self.around = name, given.structures, around
        self.is_vmap = is_vmap(function)
        self.inputs = [
            (n, [Symbol("input") for _ in xs]) for n, xs in zip(given.names, given.numbers) if xs is not None
        ]
        # A Value that occurs twice among the arguments has two twins, so that one program serves however many of them
        # are the same; its gradient is the sum of theirs.
        twins = [twin(v, v.data) for v in given.values]

        def run(arguments: Sequence[Any]) -> Any:
            args, kwargs = given.parted(arguments)
            return function(*args, **kwargs)

        def on_symbols() -> Any:
            numbers, values = iter([symbol for _, symbols in self.inputs for symbol in symbols]), iter(twins)
            return run([unflatten(structure, numbers, values) for structure in given.structures])

        mentioned = [*found([x for _, x in within_reach(function)]), *given.values]
        self.written = trace(name, lambda: run(given.arguments), on_symbols, twins, mentioned)
        if nested := [v for v in self.written.leaves if isinstance(v.data, Value)]:
            raise TypeError(f"{name} uses {nested[0]!r}: {PLAIN}")
        self.program = Program(name, self.written, self.inputs)
        argument = {v: i for i, v in enumerate(twins)}
        self.leaves: list[Any] = [argument.get(v, v) for v in self.program.leaves]
        self.slots = [(slot, i) for slot, i in enumerate(self.leaves) if type(i) is int]
        self.history = [v for v in self.leaves if isinstance(v, Value) and v._prev]
        computed = {id(x): i for i, x in enumerate(self.written.computed)}  # which `written` keeps
        places = [(x, computed.get(id(x)), argument.get(x)) for x in self.written.results.items]
        self.results = [
            (place, seed(place), type(x) is Value and not vars(x) and place is not None, self.maker(x, place, i))
            for x, place, i in places
        ]

    def maker(self, x: Any, place: int | None, argument: int | None) -> Callable[..., Any]:
        """Makes one result of the numbers that were computed, the Values among the arguments, and the call.

        Args:
            x: what it was in the trace.
            place: where its number is, if it is computed.
            argument: which of the Values among the arguments it is.
        """
        if argument is not None:
            return lambda numbers, values, parent: values[argument]
        if not isinstance(x, Value):
            return lambda numbers, values, parent: x if place is None else numbers[place]
        if place is not None:
            return lambda numbers, values, parent: result_like(x, numbers[place], parent, seed(place))
        return lambda numbers, values, parent: x if x in self.written.leaves else twin(x, x.data)

    def __call__(self, given: Signature) -> Any:
        """Run the program."""
        values, program, leaves, history = given.values, self.program, self.leaves, self.history
        if self.slots:
            leaves = leaves.copy()
            for slot, i in self.slots:
                leaves[slot] = values[i]
            history = [*history, *(leaves[slot] for slot, _ in self.slots if leaves[slot]._prev)]
        try:
            data = np.fromiter([v.data for v in leaves], np.float64, len(leaves))
        except TypeError:
            raise TypeError(f"{self.name}: {PLAIN}") from None
        inputs = [numbers for numbers in given.numbers if numbers is not None]
        numbers, kept = program.run(data, *inputs)

        def backward(call: Value) -> None:
            parts: dict[int, Any] = call.grad
            outputs = tuple(sorted(parts))
            seeds, arguments = [parts[i] for i in outputs], (data, *inputs, *kept)
            reached, gradients, met = program.gradients(outputs, seeds, arguments, not history)
            for leaf, g in zip(leaves if len(reached) == len(leaves) else [leaves[i] for i in reached], gradients):
                leaf.grad = leaf.grad + g if leaf.grad is not None else g
            for leaf in [leaves[i] for i in met]:
                leaf.grad = 0.0 if leaf.grad is None else leaf.grad

        parent = Value(None, (Leaves(leaves), *history), self.name, backward, label="results")
        items = []
        for place, send, plain, make in self.results:
            if plain:  # the usual case
                items.append(Value(numbers[place], (parent,), "", send))
            else:
                items.append(make(numbers, values, parent))
        return self.written.results.assemble(items)


class Leaves(Value):
    """Many leaves as one parent: one box in a picture, and one visit for `backward()`.

    `backward()` reads the `grad` of a leaf before it starts, and sets it back after an error; here these are lists.
    """

    __slots__ = ("leaves",)

    def __init__(self, leaves: Sequence[Value]):
        self.leaves = leaves
        self.data, self._prev, self._op, self._grad_fn = None, (), "", NOTHING
        self.label = f"{len(leaves)} leaves"

    @property
    def grad(self) -> list[Any]:
        return [leaf.grad for leaf in self.leaves]

    @grad.setter
    def grad(self, before: list[Any]) -> None:
        for leaf, grad in zip(self.leaves, before):
            leaf.grad = grad
