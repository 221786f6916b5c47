"""The tensor program: NumPy source text that runs, and that tells what was found."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .symbol import Symbol
from .tensorize import POSITIONS, Gather, Lowering, Operand, Step, Tensor, View

# Each operation as NumPy writes it.
NUMPY = {
    "+": "{} + {}",
    "-": "{} - {}",
    "*": "{} * {}",
    "/": "{} / {}",
    "**": "np.power({}, {})",
    "neg": "-{}",
    "abs": "np.abs({})",
    "relu": "np.maximum({}, 0.0)",
    "exp": "np.exp({})",
    "log": "np.log({})",
    "sqrt": "np.sqrt({})",
    "sin": "np.sin({})",
    "cos": "np.cos({})",
    "tanh": "np.tanh({})",
    "sigmoid": "1.0 / (1.0 + np.exp(-{}))",
    "maximum": "np.maximum({}, {})",
    "minimum": "np.minimum({}, {})",
    "where_le": "np.where({} <= {}, {}, {})",
    "dot": "{} @ {}",
    "rowwise": 'np.einsum("ij,ij->i", {}, {})',
    "sum": "{}.sum(axis=-1)",
}
# The same for those that put their result into a place.
INTO = {
    "+": "np.add({}, {}, out={})",
    "-": "np.subtract({}, {}, out={})",
    "*": "np.multiply({}, {}, out={})",
    "/": "np.divide({}, {}, out={})",
    "neg": "np.negative({}, out={})",
    "relu": "np.maximum({}, 0.0, out={})",
    "exp": "np.exp({}, out={})",
    "tanh": "np.tanh({}, out={})",
    "dot": "np.matmul({}, {}, out={})",
}


class Function:
    """One function of a program, as text.

    Args:
        name: its name.
        inputs: its parameters.
        lowering: has the steps.
        targets: where the numbers are that it returns.
        keeps: whether it returns all intermediate results besides, for the way back.
    """

    def __init__(self, name: str, inputs: Sequence[Tensor], lowering: Lowering, targets: Sequence[int], keeps: bool):
        self.name = name
        self.inputs = list(inputs)
        self.constants: dict[str, Any] = {}
        returned = self.returned(lowering, np.array(targets, dtype=np.int64))
        self.steps = lowering.steps
        self.kept = [step.result for step in self.steps] if keeps else []
        self.lines: list[tuple[str, Tensor | None]] = []
        allocated: set[Tensor] = set()
        for step in self.steps:
            self.write(step, allocated)
        if keeps:
            returned += f", ({''.join(t.name + ', ' for t in self.kept)})"
        self.lines.append((f"return {returned}", None))

    def returned(self, lowering: Lowering, codes: Any) -> str:
        """The list of floats to return: a piece for each tensor they come from."""
        tensors = np.where(codes < 0, -1, codes // POSITIONS)
        cuts = [0, *(np.flatnonzero(np.diff(tensors)) + 1), len(codes)] if len(codes) else []
        pieces = []
        for start, stop in zip(cuts, cuts[1:]):
            if stop - start == 1:
                pieces.append(f"float({self.text(lowering.operand(codes[start]))})")
            else:
                pieces.append(f"*{self.text(lowering.operand(codes[start:stop], exact=True))}.tolist()")
        alone = len(pieces) == 1 and pieces[0].startswith("*")
        return pieces[0][1:] if alone else f"[{', '.join(pieces)}]"

    def write(self, step: Step, allocated: set[Tensor]) -> None:
        name, shape = step.result.name, step.result.shape

        def allocate(pack: Tensor) -> None:
            if pack not in allocated:
                allocated.add(pack)
                self.lines.append((f"{pack.name} = np.empty({pack.shape})", None))

        if step.op == "pack":
            allocate(step.result)
            for place, part in step.operands:
                self.lines.append((f"{name}{slices(place)} = {self.text(part)}", step.result))
            return
        operands = [self.text(x, exact=step.op in ("dot", "rowwise", "sum")) for x in step.operands]
        if step.out is not None:
            pack, place = step.out
            allocate(pack)
            shaped = "" if len(pack.shape) == len(shape) else f".reshape({shape})"
            self.lines.append((f"{name} = {pack.name}{slices(place)}{shaped}", None))
            self.lines.append((INTO[step.op].format(*operands, name), step.result))
        elif step.op == "+" and len(operands) > 2:
            self.lines.append((f"{name} = {' + '.join(operands)}", step.result))
        else:
            self.lines.append((f"{name} = {NUMPY[step.op].format(*operands)}", step.result))

    def constant(self, value: Any, kind: str) -> str:
        name = f"{self.name}_{kind}{len(self.constants)}"
        self.constants[name] = value
        return name

    def text(self, x: Operand, exact: bool = False) -> str:
        """An operand as Python writes it. `exact`: in its full shape, without axes left to broadcasting."""
        if isinstance(x, float):
            return repr(x) if np.isfinite(x) else f"float('{x}')"
        if isinstance(x, np.ndarray):
            return self.constant(x, "c")
        if isinstance(x, Gather):
            return f"{flat(x.tensor)}[{self.constant(x.index, 'i')}]"
        if 0 in x.shape or x.shape == () == x.tensor.shape:
            return x.tensor.name
        return grid_text(x, exact) or self.text(Gather(x.tensor, dense(x)))

    @property
    def source(self) -> str:
        head = [f"{name} = np.{constant!r}" if constant.size else "" for name, constant in self.constants.items()]
        params = ", ".join(t.name for t in self.inputs)
        body = [line for line, _ in self.lines]
        return "\n".join([*head, '@np.errstate(all="ignore")', f"def {self.name}({params}):", *("    " + b for b in body)])

    @property
    def operations(self) -> int:
        return len({id(tensor) for _, tensor in self.lines if tensor is not None})


def flat(tensor: Tensor) -> str:
    return tensor.name if len(tensor.shape) == 1 else f"{tensor.name}.reshape(-1)"


def dense(x: View) -> Any:
    index = np.full((), x.offset)
    for n, step in zip(x.shape, x.strides):
        index = index[..., None] + step * np.arange(n)
    return index


def slices(place: tuple[slice, ...], sizes: Sequence[int] | None = None) -> str:
    parts = [
        str(s)
        if isinstance(s, int)
        else ":"
        if s == slice(None)
        else f"{s.start or ''}:{s.stop}" + (f":{s.step}" if s.step not in (None, 1) else "")
        for s in place
    ]
    while parts and parts[-1] == ":":
        parts.pop()
    return f"[{', '.join(parts)}]" if parts else ""


def grid_text(x: View, exact: bool) -> str:
    """A view as slices of its tensor, seen as a grid; "" where it is none."""
    axes = [d for d in range(len(x.shape)) if x.strides[d] and x.shape[d] > 1]
    down = sorted(axes, key=lambda d: -abs(x.strides[d]))
    steps, counts = [x.strides[d] for d in down], [x.shape[d] for d in down]
    size, name, shape = x.tensor.size, x.tensor.name, x.tensor.shape
    if any(step < 0 for step in steps) or any(a % b for a, b in zip(steps, steps[1:])):
        return ""
    if not axes:
        place = np.unravel_index(x.offset, shape) if shape else ()
        out = name + (f"[{', '.join(map(str, place))}]" if shape else "")
    else:
        ends = [*steps[1:], 1]
        inner = [a // b for a, b in zip(steps, ends)]  # the sizes of the grid below its first axis
        for start, length in ((0, size), (x.offset, counts[0] * steps[0])):
            if length % steps[0] or start + length > size:
                continue
            grid = [length // steps[0], *inner]
            rest, place = x.offset - start, []
            for step, n in zip(steps, counts):
                place.append(slice(rest // step, rest // step + n))
                rest %= step
            if any(s.stop > n for s, n in zip(place, grid)):
                continue
            cut: list[Any] = [slice(None) if (s.start, s.stop) == (0, n) else s for s, n in zip(place, grid)]
            if steps[-1] > 1:
                cut.append(int(rest))
            else:
                grid.pop()
            out = name if length == size else f"{flat(x.tensor)}{slices((slice(start, start + length),))}"
            if tuple(grid) != (shape if length == size else (length,)):
                out += f".reshape({', '.join(map(str, grid))})"
            out += slices(tuple(cut))
            break
        else:
            return ""
        order = [down.index(d) for d in axes]
        if order != sorted(order):
            out += ".T" if order == sorted(order, reverse=True) else f".transpose({', '.join(map(str, order))})"
    missing = [d for d in range(len(x.shape)) if d not in axes]
    if exact and any(x.shape[d] > 1 for d in missing):
        return f"np.broadcast_to({expanded(out, x, axes, axes)}, {x.shape})"
    return expanded(out, x, axes, range(len(x.shape)) if exact else axes)


def expanded(out: str, x: View, axes: Sequence[int], keep: Sequence[int]) -> str:
    """Give `out`, which has the axes `axes`, an axis of length one where the view has one between or after them."""
    first = min([*axes, *keep], default=len(x.shape))
    marks = [":" if d in axes else "None" for d in range(first, len(x.shape))]
    if "None" not in marks:
        return out
    return f"{out}[{', '.join(marks)}]" if axes else f"np.reshape({out}, {(1,) * len(marks)})" if keep else out


def load(functions: Sequence[Function]) -> dict[str, Callable[..., Any]]:
    """The functions, ready to run."""
    namespace: dict[str, Any] = {"np": np}
    for function in functions:
        namespace |= function.constants
        code = function.source.split('@np.errstate', 1)[1]
        exec(compile('@np.errstate' + code, f"<{function.name}>", "exec"), namespace)
    return namespace


class Program:
    """What was found in a function of scalars, for arguments of one structure.

    Args:
        name: the function's name.
        nodes: how many Values one call makes.
        leaves: Symbols for the Values it depends on.
        inputs: the numbers among its arguments, a tensor for each argument that has any.
        results: Symbols and floats, what it returns.
        derive: from positions in `results` and seeds for them to the gradients of the leaves.
    """

    def __init__(
        self,
        name: str,
        nodes: int,
        leaves: Sequence[Symbol],
        inputs: Sequence[Tensor],
        results: Sequence[Any],
        derive: Callable[[Sequence[int], Sequence[Any]], list[Any]],
    ):
        self.name, self.nodes, self.derive = name, nodes, derive
        parameters = Tensor("leaves")
        self.lowering = Lowering([parameters, *inputs], leaves)
        self.lowering.lower(results, late=True)
        for symbol in leaves:
            if symbol not in self.lowering.place:
                self.lowering.place[symbol] = len(parameters.symbols)
                parameters.symbols.append(symbol)
        parameters.shape = (len(leaves),)
        index = {symbol: i for i, symbol in enumerate(leaves)}
        self.order = [index[symbol] for symbol in parameters.symbols]  # of the leaves in p
        self.inputs = [parameters, *inputs]
        self.forward = Function("forward", self.inputs, self.lowering, [self.lowering.code(x) for x in results], True)
        self.run = load([self.forward])["forward"]
        self.backwards: dict[Any, tuple[Function, Callable[..., Any]]] = {}

    def backward(self, outputs: tuple[int, ...], unit: bool) -> Callable[..., list[float]]:
        """The way back from some of the results. `unit`: from one of them, with a gradient of 1."""
        if (outputs, unit) not in self.backwards:
            seeds = Tensor("seeds", (len(outputs),), [Symbol("input", i) for i in outputs])
            lowering = self.lowering.fork()
            lowering.register(seeds, seeds.symbols)
            gradients = self.derive(outputs, [1.0] if unit else seeds.symbols)
            gradients = [gradients[i] for i in self.order]
            lowering.lower(gradients, late=False)
            inputs = [*self.inputs, *self.forward.kept, seeds]
            function = Function("backward", inputs, lowering, [lowering.code(x) for x in gradients], False)
            self.backwards[outputs, unit] = function, load([function])["backward"]
        return self.backwards[outputs, unit][1]

    @property
    def functions(self) -> list[Function]:
        return [self.forward, *(function for function, _ in self.backwards.values())]

    @property
    def source(self) -> str:
        """The NumPy code that runs."""
        return "import numpy as np\n\n" + "\n\n\n".join(function.source for function in self.functions) + "\n"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.nodes:,} scalar operations are {sum(f.operations for f in self.functions)} tensor operations"]
        for function in self.functions:
            lines.append(f"{function.name}({', '.join(f'{t.name} {t.shape}' for t in function.inputs)})")
            for line, tensor in function.lines:
                lines.append(f"    {line}" + (f"  {tensor.shape}" if tensor else ""))
        return "\n".join(lines)
