"""How a compiled function is called: from Values to tensors, through the program, and back to Values."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import NOTHING, Value
from ..module import found
from .around import within_reach
from .backward import seed
from .program import Program
from .structure import assembler, twin
from .symbol import Symbol, undisturbed
from .trace import trace


class Signature(NamedTuple):
    """The arguments of a call, taken apart.

    Attributes:
        arguments: as they came, first those by position.
        positional: how many these are.
        names: of all of them.
        structures: and what is left of each without its numbers and Values.
        numbers: for each that has any, a flat array; None for others.
        values: the Values in all of them.
    """

    arguments: list[Any]
    positional: int
    names: list[str]
    structures: list[Any]
    numbers: list[Any]
    values: list[Value]

    def call(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        """Call a function with these arguments, or others of this signature."""
        return function(
            *arguments[: self.positional], **dict(zip(self.names[self.positional :], arguments[self.positional :]))
        )


class Call:
    """The program for one structure of arguments.

    Args:
        function: what is compiled.
        name: what it is called.
        given: arguments of that structure.
        around: what the function refers to; kept alive, as long as its ids are part of a key.

    Attributes:
        leaves: the Values that the program depends on, in its order; for one that is an argument, its position.
    """

    @undisturbed()
    def __init__(self, function: Callable[..., Any], name: str, given: Signature, around: Sequence[Any]):
        self.name, self.structures, self.around = name, given.structures, around
        inputs = [(n, [Symbol("input") for _ in xs]) for n, xs in zip(given.names, given.numbers) if xs is not None]
        # A Value that occurs twice among the arguments has two twins, so that one program serves however many of them
        # are the same; its gradient is the sum of theirs.
        twins = [twin(v, v.data) for v in given.values]
        value, number = itertools.count(), itertools.count(len(twins))
        assemblers = [assembler(structure, value, number) for structure in given.structures]

        def on_symbols() -> Any:
            items = [*twins, *(symbol for _, symbols in inputs for symbol in symbols)]
            return given.call(function, [assemble(items) for assemble in assemblers])

        mentioned = found([x for _, x in within_reach(function)])
        written = trace(name, lambda: given.call(function, given.arguments), on_symbols, twins, mentioned)
        if nested := [v for v in written.leaves if isinstance(v.data, Value)]:
            raise TypeError(f"{name} uses {nested[0]!r}: a compiled function computes with plain numbers in Values")
        self.program = Program(name, written, inputs)
        argument = {v: i for i, v in enumerate(twins)}
        leaves = [written.leaves[i] for i in self.program.order]
        self.leaves: list[Any] = [argument.get(v, v) for v in leaves]
        self.slots = [(slot, i) for slot, i in enumerate(self.leaves) if type(i) is int]
        self.outermost = not any(v._prev for v in self.leaves if isinstance(v, Value))
        self.written, self.inputs = written, inputs
        self.assemble = written.results.assemble
        place = {id(x): i for i, x in enumerate(written.computed)}  # `written` holds them
        outside = set(leaves)
        self.results = [Result(x, place.get(id(x)), argument.get(x), x in outside) for x in written.results.items]

    def __call__(self, inputs: Sequence[Any], values: Sequence[Value]) -> Any:
        """Run the program.

        Args:
            inputs: the numbers among the arguments, an array for each that has any.
            values: the Values.
        """
        program, leaves = self.program, self.leaves
        if self.slots:
            leaves = leaves.copy()
            for slot, i in self.slots:
                leaves[slot] = values[i]
        data = np.fromiter([v.data for v in leaves], np.float64, len(leaves))
        numbers, kept = program.run(data, *inputs)

        def backward(call: Value) -> None:
            parts: dict[int, Any] = call.grad.parts
            outputs = tuple(sorted(parts))
            seeds, arguments = [parts[i] for i in outputs], (data, *inputs, *kept)
            reached, gradients = program.gradients(outputs, seeds, arguments, bundle is not None)
            targets = leaves if len(reached) == len(leaves) else [leaves[i] for i in reached]
            if bundle is not None:
                bundle.add(targets, gradients)
                return
            for leaf, gradient in zip(targets, gradients):
                leaf.grad += gradient

        bundle = Leaves(leaves) if self.outermost and not any(v._prev for v in values) else None
        parents = (Value(None, tuple(leaves) if bundle is None else (bundle,), self.name, backward, label="results"),)
        return self.assemble([result.item(numbers, values, parents) for result in self.results])


class Result:
    """One thing that a compiled function returns.

    Args:
        traced: what it was in the trace.
        position: where the program has its number, if it computes it.
        argument: or which of the Values among the arguments it is.
        outside: or whether it is a Value from outside.
    """

    def __init__(self, traced: Any, position: int | None, argument: int | None, outside: bool):
        self.traced, self.position, self.argument, self.outside = traced, position, argument, outside
        self.backward = seed(position)
        self.number = not isinstance(traced, Value)
        self.plain = type(traced) is Value and not vars(traced)

    def item(self, numbers: Sequence[float], values: Sequence[Value], parents: tuple[Value, ...]) -> Any:
        if self.position is not None and self.plain:  # the usual case
            return Value(numbers[self.position], parents, "", self.backward)
        if self.argument is not None:
            return values[self.argument]
        if self.number:
            return self.traced if self.position is None else numbers[self.position]
        if self.outside:
            return self.traced
        out = twin(self.traced, self.traced.data if self.position is None else numbers[self.position])
        out._op = ""
        if self.position is not None:
            out._prev, out._grad_fn = parents, self.backward
        return out


class Leaves(Value):
    """Many leaves as one parent: one box in a picture, and one visit for `backward()`.

    `backward()` reads the `grad` of a leaf before it starts, and sets it back after an error; here these are lists.
    """

    __slots__ = ("leaves",)

    def __init__(self, leaves: Sequence[Value]):
        self.leaves = leaves
        self.data, self._prev, self._op, self._grad_fn = None, (), "", NOTHING
        self.label = f"{len(leaves)} leaves"

    @staticmethod
    def add(leaves: Sequence[Value], gradients: Sequence[float]) -> None:
        for leaf, gradient in zip(leaves, gradients):
            leaf.grad = leaf.grad + gradient if leaf.grad is not None else gradient

    @property
    def grad(self) -> list[Any]:
        return [leaf.grad for leaf in self.leaves]

    @grad.setter
    def grad(self, before: list[Any]) -> None:
        for leaf, grad in zip(self.leaves, before):
            leaf.grad = grad
