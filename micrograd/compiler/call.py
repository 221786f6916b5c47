"""Compiled functions: the program for each structure of arguments, and the way from Values to tensors and back."""

import functools
import inspect
import itertools
import keyword
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..engine import NOTHING, Value
from ..module import found
from ..vmap import compiling
from .around import identity, surroundings, within_reach
from .mapped import Mapped, Stage, samples_apart
from .program import Program
from .structure import Results, assembler, number_of, take_apart
from .symbol import Symbol
from .tensorize import Tensor
from .tracing import derivative, trace


class Compiled:
    """A function that runs as a tensor program; `micrograd.compile` makes and describes it."""

    def __init__(self, function: Callable[..., Any], static: Sequence[str], maxsize: int):
        functools.update_wrapper(self, function)
        self.name = getattr(function, "__name__", type(function).__name__)
        parameters = inspect.signature(function).parameters.values()
        if unknown := set(static) - {p.name for p in parameters}:
            raise ValueError(f"static={static!r}: {self.name} has no argument {', '.join(sorted(unknown))}")
        self.function = function
        self.static = frozenset(static)
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.maxsize = maxsize
        self.calls: OrderedDict[Hashable, Call] = OrderedDict()
        self.mapped: dict[Hashable, Mapped] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if hasattr(compiling, "mapped"):  # this thread traces: what is called now becomes part of the trace
            return self.function(*args, **kwargs)
        call, inputs, values = self.call_for(args, kwargs)
        return call(inputs, values)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def program(self) -> Program:
        """The program of the latest structure of arguments."""
        if not self.calls:
            raise AttributeError(f"{self.name} has no program yet: call it first, or see program_for(...)")
        return next(reversed(self.calls.values())).program

    def program_for(self, *args: Any, **kwargs: Any) -> Program:
        """The program that a call with these arguments runs."""
        return self.call_for(args, kwargs)[0].program

    def to_torch(self, *args: Any, **kwargs: Any) -> Any:
        """A `torch.nn.Module` that computes the same, in torch's operations and with torch's gradients.

        Its parameters are the Values that the function uses: under the names that the Modules around it give them,
        others as one, `leaves`. It takes tensors in place of the arguments, lists of Values and numbers come back as
        tensors, and `source` is its code. A function that is all `vmap` takes any number of samples; others take
        arguments of the shapes given here. The gradient of a maximum of more than two equal numbers is shared evenly.

        Args:
            args, kwargs: examples of the arguments, which tell their structure.

        Raises:
            TypeError: an argument is neither numbers nor Values in rectangular lists.
            ImportError: PyTorch is missing.
        """
        from .export import Exported

        return Exported(self.call_for(args, kwargs)[0], self.function)

    def from_torch(self, exported: Any) -> None:
        """Bring the parameters of what `to_torch` made, trained meanwhile, back into the Values."""
        from .export import from_torch

        from_torch(exported)

    def call_for(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple["Call", list[Any], list[Value]]:
        """How calls of this structure are done, the numbers of the arguments, and the Values among them."""
        names = [
            *self.names[: len(args)],
            *(f"argument{i}" for i in range(len(self.names), len(args))),
            *kwargs,
        ]
        inputs: list[Any] = []
        structures = []
        values: list[Value] = []
        arguments = [*args, *kwargs.values()]
        for name, x in zip(names, arguments):
            numbers: list[Any] = []
            structure = ("static", type(x), x) if name in self.static else take_apart(x, numbers, values)
            structures.append(structure)
            if len(numbers) == 1 and isinstance(numbers[0], np.ndarray):
                inputs.append(numbers[0])
            elif numbers:
                inputs.append(
                    np.hstack(numbers) if np.ndarray in map(type, numbers) else np.array(numbers, dtype=float)
                )
            else:
                inputs.append(None)
        around = list(surroundings(self.function).values())
        key = tuple(names), tuple(structures), tuple(map(id, around))
        try:
            call = self.calls.get(key)
        except TypeError:
            name, x = next((name, x) for name, x, s in zip(names, arguments, structures) if not hashable(s))
            raise TypeError(
                f"argument {name!r}: a compiled function takes numbers, arrays, Values, lists, tuples and dicts of "
                f"them, and whatever is hashable; got {x!r} of type {type(x).__name__}"
            ) from None
        if call is None:
            call = Call(self.function, arguments, len(args), names, structures, inputs, values, around, self.mapped)
            self.calls[key] = call
            while len(self.calls) > self.maxsize:
                self.calls.popitem(last=False)
            while len(self.mapped) > 2 * self.maxsize:
                self.mapped.pop(next(iter(self.mapped)))
        return call, [numbers for numbers in inputs if numbers is not None], values


class Call:
    """The program for one structure of arguments, and the way from Values to tensors and back.

    Attributes:
        leaves: the Values that the program depends on, in its order; for one that is an argument, its position.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        positional: int,
        names: Sequence[str],
        structures: Sequence[Any],
        inputs: Sequence[Any],
        values: Sequence[Value],
        around: list[Any],
        known: dict[Hashable, Mapped],
    ):
        self.name = getattr(function, "__name__", type(function).__name__)
        self.structures = structures
        self.around = around  # kept alive, as long as their ids are part of the key
        tensors = [
            Tensor(parameter_name(name, i), (len(numbers),), [Symbol("input") for _ in numbers])
            for i, (name, numbers) in enumerate(zip(names, inputs))
            if numbers is not None
        ]
        value, number = itertools.count(), itertools.count(len(values))
        assemblers = [assembler(structure, value, number) for structure in structures]
        values = [stand_in(v) for v in values]
        self.stages: list[Stage] = []

        stand_ins: dict[Value, Symbol] = {}
        keys: list[Hashable] = []
        mentioned = [v for v in found([x for _, x in within_reach(function)]) if not v._prev]

        def run(args: Sequence[Any]) -> list[Any]:
            results = Results(
                self.name, function(*args[:positional], **dict(zip(names[positional:], args[positional:])))
            )
            self.returned = results
            return results.items

        def plainly(called: Callable[..., Any], samples: Sequence[tuple[Any, ...]]) -> list[Any]:
            """vmap in the first run: one sample shows which Values there are."""
            structure, _, own = samples_apart(samples)
            mentioned.extend(v for sample in own for v in sample)
            keys.append((identity(called), structure))
            if structure is not None and (mapped := known.get(keys[-1])) is not None:
                zeros = [Value(0.0) if isinstance(x, Value) else 0.0 for x in mapped.results.items]
                return [mapped.results.assemble(zeros)] * len(samples)
            compiling.mapped = None
            try:
                first = called(*samples[0])
            finally:
                compiling.mapped = plainly
            mentioned.extend(x for x in Results(self.name, first).items if isinstance(x, Value))
            return [first] * len(samples)

        def together(called: Callable[..., Any], samples: Sequence[tuple[Any, ...]]) -> list[Any]:
            """vmap in the second: a stage of its own, if all samples are alike and made of inputs."""
            structure, numbers, own = samples_apart(samples)
            inputs = {symbol for tensor in tensors for symbol in tensor.symbols}
            results = {v for stage in self.stages for v in stage.outputs}
            strange: list[Any] = [x for sample in numbers for x in sample if type(x) is Symbol and x not in inputs]
            strange += [v for sample in own for v in sample if v not in stand_ins or v in results]
            key, plain_key = (identity(called), structure), keys.pop(0)  # both runs call vmap in the same order
            compiling.mapped = None
            try:
                mapped = known.get(key)
                if mapped is None and structure is not None and not strange:
                    mapped = Mapped(called, structure, len(numbers[0]), len(own[0]), stand_ins)
                    mapped.around = list(surroundings(called).values())
                    strange = [v for v in mapped.leaves if v in results] + [x for x in mapped.given if x not in inputs]
                    if not mapped.given and not strange and not set(mapped.leaves) & set(values):
                        known[key] = known[plain_key] = mapped
                if structure is None or strange or mapped is None:
                    return [called(*sample) for sample in samples]
            finally:
                compiling.mapped = together
            stage = Stage(f"batch_{len(self.stages)}", mapped, numbers, own, tensors)
            stand_ins.update((v, v.data) for v in stage.outputs)
            self.stages.append(stage)
            return stage.results

        def run_on_symbols(standing: dict[Value, Symbol]) -> list[Any]:
            nonlocal stand_ins
            stand_ins, compiling.mapped = standing, together
            items = [*values, *(symbol for tensor in tensors for symbol in tensor.symbols)]
            return run([assemble(items) for assemble in assemblers])

        compiling.mapped = plainly
        try:
            written = trace(lambda: run(args), run_on_symbols, values, mentioned)
        finally:
            del compiling.mapped
        outputs = {v for stage in self.stages for v in stage.outputs}
        shared = [v for v in written.leaves if v not in outputs]
        every = [*shared, *(v for stage in self.stages for v in stage.outputs)]
        written = written._replace(leaves=every, symbols=[stand_ins[v] for v in every])
        argument = {v: i for i, v in enumerate(values)}
        given = {v: argument.get(v, v) for v in shared}
        computed = [x for x in written.results if x not in given and isinstance(number_of(x), Symbol)]

        def derive(outputs: Sequence[int], seeds: Sequence[Any]) -> list[Any]:
            return derivative(written, [computed[i] for i in outputs], seeds)

        self.program = Program(
            self.name,
            written.nodes,
            [stand_ins[v] for v in shared],
            [*tensors, *(stage.tensor for stage in self.stages)],
            [number_of(x) for x in computed],
            derive,
            asked=bool(outputs),
        )
        # Those of the program, and behind them those of each stage.
        leaves = [shared[i] for i in self.program.order]
        self.ends = [len(leaves)]
        for stage in self.stages:
            leaves += [*stage.mapped.leaves, *stage.values]
            self.ends += [self.ends[-1] + len(stage.mapped.leaves), len(leaves)]
        self.leaves: list[Any] = [argument.get(v, v) for v in leaves]
        self.slots = [(slot, i) for slot, i in enumerate(self.leaves) if type(i) is int]
        self.outermost = not any(v._prev for v in self.leaves if isinstance(v, Value))
        # For each result: the number computed for it and its vjp, or the leaf that it is, or else itself.
        where = {id(x): i for i, x in enumerate(computed)}
        self.symbols = [stand_ins[x] if x in given else number_of(x) for x in written.results]
        self.results = [(where.get(id(x)), seed(where.get(id(x))), given.get(x), x) for x in written.results]

    def __call__(self, inputs: Sequence[Any], values: Sequence[Value]) -> Any:
        leaves = self.leaves
        if self.slots:
            leaves = leaves.copy()
            for slot, i in self.slots:
                leaves[slot] = values[i]
        every = np.fromiter([v.data for v in leaves], np.float64, len(leaves))
        data, *parts = np.split(every, self.ends[:-1]) if self.stages else (every,)
        stages = [
            StageRun(stage, stage.inputs(inputs, mine, theirs))
            for stage, mine, theirs in zip(self.stages, parts[::2], parts[1::2])
        ]
        inputs = [*inputs, *(stage.results for stage in stages)]
        numbers, kept = self.program.run(data, *inputs)

        def backward(call: Value) -> None:
            parts: dict[int, Any] = call.grad.parts
            outputs = sorted(parts)
            seeds = [parts[i] for i in outputs]
            function = self.program.backward(tuple(outputs), seeds == [1.0])
            gradients = function(data, *inputs, *kept, np.array(seeds, dtype=np.float64))
            if stages:
                gradients, asked = gradients
                for stage in stages:
                    size = len(stage.stage.outputs)
                    gradients += stage.backward(asked[:size])
                    asked = asked[size:]
            if bundle is not None:
                bundle.add(gradients)
                return
            for leaf, gradient in zip(call._prev, gradients):
                leaf.grad += gradient

        bundle = Leaves(leaves) if self.outermost and not any(v._prev for v in values) else None
        parents = (Value(None, tuple(leaves) if bundle is None else (bundle,), self.name, backward, label="results"),)
        items = []
        for position, to_call, leaf, x in self.results:
            if position is None:
                if leaf is not None:
                    x = values[leaf] if type(leaf) is int else leaf
                elif isinstance(x, Value):
                    x = Value(x.data, label=x.label)
                items.append(x)
            elif not isinstance(x, Value):
                items.append(numbers[position])
            else:
                items.append(Value(numbers[position], parents, "", to_call))
        return self.returned.assemble(items)


class StageRun:
    """One run of a mapped function, on all samples.

    Attributes:
        results: a flat array.
    """

    def __init__(self, stage: Stage, inputs: list[Any]):
        self.stage, self.inputs = stage, inputs
        results, self.kept = stage.mapped.program.run(*inputs)
        self.results = results.reshape(-1)

    def backward(self, seeds: Any) -> list[float]:
        """The gradients of the leaves that all samples share, then those of the Values of each sample."""
        mapped = self.stage.mapped
        backward = mapped.program.backward(tuple(mapped.outputs), False)
        seeds = seeds.reshape(self.stage.count, len(mapped.outputs))
        found = backward(*self.inputs, *self.kept, seeds)
        parts = found if mapped.program.asked else (found,)
        return [g for part in parts for g in part.reshape(-1).tolist()]


class Leaves(Value):
    """Many leaves as one parent: one box in a picture, and one visit for `backward()`.

    `add` adds to their gradients. `backward()` reads the `grad` of a leaf before it starts, and sets it back after an
    error; here these are lists.
    """

    __slots__ = ("leaves",)

    def __init__(self, leaves: Sequence[Value]):
        self.leaves = leaves
        self.data, self._prev, self._op, self._grad_fn = None, (), "", NOTHING
        self.label = f"{len(leaves)} leaves"

    def add(self, gradients: Sequence[float]) -> None:
        for leaf, gradient in zip(self.leaves, gradients):
            leaf.grad = leaf.grad + gradient if leaf.grad is not None else gradient

    @property
    def grad(self) -> list[Any]:
        return [leaf.grad for leaf in self.leaves]

    @grad.setter
    def grad(self, before: list[Any]) -> None:
        for leaf, grad in zip(self.leaves, before):
            leaf.grad = grad


class Cotangent:
    """The gradients of some of the results of one call: a number that can only be added, for the way back."""

    def __init__(self, parts: dict[int, Any]):
        self.parts = parts

    def __radd__(self, zero: Any) -> "Cotangent":
        return self  # zero is what gradients start from

    def __iadd__(self, other: "Cotangent") -> "Cotangent":
        for i, g in other.parts.items():
            self.parts[i] = self.parts[i] + g if i in self.parts else g
        return self


def seed(i: Any) -> Callable[[Value], None]:
    """The backward closure of the i-th result of a call."""

    def backward(out: Value) -> None:
        out._prev[0].grad += Cotangent({i: out.grad})

    return backward


def stand_in(v: Value) -> Value:
    """A leaf like `v`. A Value that occurs twice among the arguments has two, so that one program serves however many
    of them are the same; its gradient is the sum of theirs."""
    twin = Value(v.data)
    vars(twin).update(vars(v))
    return twin


def hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def parameter_name(name: str, i: int) -> str:
    """A name for the i-th argument in the program, where some names mean something already and some are not allowed."""
    taken = re.fullmatch(r"leaves|seeds|np|torch|float|inf|nan|n|(t|forward_|backward_|argument_|batch_)\d+", name)
    return f"argument_{i}" if taken or keyword.iskeyword(name) or not name.isidentifier() else name
