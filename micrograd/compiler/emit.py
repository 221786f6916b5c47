"""A Function as text: NumPy that runs, and the same for the eye. Another backend is another table."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .function import Const, Function, Operand, Step, Take, View
from .places import Names
from .views import flat, slices, view_text

# Each operation as NumPy writes it; those after the empty line are how numbers are put in place.
NUMPY = {
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
    "max": "{}.max(-1)",
    "min": "{}.min(-1)",
    "sum": "{}.sum({})",
    "einsum": 'np.einsum("{}", {})',
    "einsum over n": 'np.einsum("{}", {}, optimize=True)',

    "detach": "{}",
    "stack": "{}",
    "turn": "{}.transpose({})",
    "spread": "np.broadcast_to({}, {})",
    "empty": "np.empty({})",
}  # fmt: skip
EXACT = ("contract", "max", "min", "stack")  # they need their operands in full shape, with nothing left to broadcasting
# Contractions that are a matrix product if one turns something; n is the axis of a batch.
TURNED = {
    "ik,nk->ni": "{1} @ {0}.T",
    "k,nk->n": "{1} @ {0}",
    "ni,nj->ij": "{0}.T @ {1}",
    "ni,nj->ji": "{1}.T @ {0}",
}
RESERVED = ("np", "torch", "functools", "float", "inf", "nan", "__debug__")  # names that mean something in the text


class Text:
    """A Function in NumPy.

    Attributes:
        constants: by name, the arrays that it uses.
        lines: its body, without the last line.
    """

    table: ClassVar[dict[str, str]] = NUMPY
    head = '@np.errstate(all="ignore")\ndef {}({}):'

    def __init__(self, function: Function):
        self.function = function
        self.constants: dict[str, Any] = {}
        tensors = *function.inputs, *(step.out for step in function.steps)
        self.names = Names(*RESERVED, *(tensor.name for tensor in tensors))
        self.lines = [line for step in function.steps for line in self.step(step)]
        self.last = self.returned()

    @property
    def source(self) -> str:
        head = self.head.format(self.function.name, ", ".join(self.parameters))
        return "\n".join([head, *(f"    {line}" for line in (*self.lines, self.last))])

    @property
    def parameters(self) -> list[str]:
        return [tensor.name for tensor in self.function.inputs]

    def load(self) -> Callable[..., Any]:
        """The function, ready to run."""
        namespace = {"np": np, "inf": np.inf, "nan": np.nan, **self.constants}
        exec(compile(self.source, f"<{self.function.name}>", "exec"), namespace)
        return namespace[self.function.name]  # type: ignore[no-any-return]

    def returned(self) -> str:
        """A list of floats, and the tensors that are kept."""
        pieces = [
            f"*{self.operand(x, exact=True)}.tolist()" if x.shape != (1,) else f"float({self.operand(single(x))})"
            for x in self.function.outputs
        ]
        alone = len(pieces) == 1 and pieces[0].startswith("*")
        results = pieces[0][1:] if alone else f"[{', '.join(pieces)}]"
        kept = "".join(f"{tensor.name}, " for tensor in self.function.kept)
        return f"return {results}, ({kept})"

    def step(self, step: Step) -> list[str]:
        name = step.out.name
        if step.op == "pack":
            lines, start = [f"{name} = {self.table['empty'].format(shape_text(step))}"], 0
            for x, size in zip(step.operands, step.sizes):
                place = [*[slice(None)] * step.dim, slice(start, start + size)]
                if start + size == step.out.shape[step.dim]:
                    place[-1] = slice(start, None)
                lines.append(f"{name}{slices(place, step.out)} = {self.operand(x)}")
                start += size
            return lines
        return [f"{name} = {self.formula(step)}"]

    def formula(self, step: Step) -> str:
        operands = [self.operand(x, exact=step.op in EXACT) for x in step.operands]
        if step.op == "+":
            return " + ".join(operands)
        return self.contract(step.spec, operands) if step.op == "contract" else self.table[step.op].format(*operands)

    def contract(self, spec: str, operands: Sequence[str]) -> str:
        terms, out = spec.split("->")
        if len(operands) == 1:
            (dim,) = (d for d, letter in enumerate(terms) if letter not in out)
            return self.table["sum"].format(operands[0], dim)
        if template := TURNED.get(spec) or ("{} @ {}" if is_product(*terms.split(","), out) else None):
            return template.format(*operands)
        einsum = self.table["einsum" if "n" in out or "n" not in terms else "einsum over n"]
        return einsum.format(spec, ", ".join(operands))

    def constant(self, value: Any) -> str:
        name = self.names.new(f"{self.function.name}_{len(self.constants)}")
        self.constants[name] = value
        return name

    def operand(self, x: Operand, exact: bool = False) -> str:
        if isinstance(x, Const):
            return repr(x.value) if isinstance(x.value, float) else self.constant(x.value)
        if isinstance(x, View) and (text := view_text(x, exact, self.table)):
            return text
        index = self.constant(x.index if isinstance(x, Take) else x.dense())
        return f"{flat(x.tensor)}[{':, ' if x.tensor.axis else ''}{index}]"


class Listing(Text):
    """A Function for the eye: a line for each step."""

    table: ClassVar[dict[str, str]] = {op: template.replace("np.", "") for op, template in NUMPY.items()}

    def step(self, step: Step) -> list[str]:
        if step.op != "pack":
            return super().step(step)
        return [f"{step.out.name} = beside({', '.join(self.operand(x) for x in step.operands)})"]


def is_product(left: str, right: str, out: str) -> bool:
    """Whether a contraction is what `@` does: also of stacks of matrices, of which n is one, but not of vectors."""
    rows, columns = left.removeprefix("n"), right.removeprefix("n")
    if rows not in ("k", "ik", "mik") or columns not in ("k", "kj", "mkj") or ("m" in rows) != ("m" in columns):
        return False
    stacked = right != columns
    if (stacked and columns == "k") or (stacked and left != rows and rows == "k"):
        return False
    return out.startswith("n") == (stacked or left != rows)


def single(x: Operand) -> Operand:
    """One number in a row, as a number."""
    if isinstance(x, Const):
        return Const(float(x.value[0]))
    return View(x.tensor, (), x.offset if isinstance(x, View) else int(x.index[0]), ())


def shape_text(step: Step) -> str:
    """The shape of a result; if on an axis, as long as what it is made of."""
    count = [f"{x.tensor.name}.shape[0]" for x in step.operands if not isinstance(x, Const) and x.tensor.axis]
    return f"({', '.join([*count[:1], *map(str, step.out.shape)])},)"


def digits(constant: Any) -> str:
    """An array in Python, whole and with all its digits."""
    if not constant.size:
        return f"empty({constant.shape})"
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return repr(constant)
