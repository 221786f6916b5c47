"""A Function as text: NumPy that runs, and the same for the eye. Another backend is another table."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from .function import Const, Function, Operand, Step, Tensor, sources
from .guards.callers import Line
from .names import Names
from .program import Box
from .views import flat, view_text

# Each operation as NumPy writes it; those after the empty line are how numbers are put in place.
NUMPY = {
    "-": "{} - {}",
    "*": "{} * {}",
    "/": "{} / {}",
    "**": "np.float_power({}, {})",
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
    "mask": "np.where({}, {}, {})",
    "ragged": """{1}
    if np.isnan({0}.sum()):  # of 0 * inf, or 0 * nan, where nothing was asked for?
        {0} = np.where({2}, {3}, 0.0).sum({4})""",
    "max": "{}.max(-1)",
    "min": "{}.min(-1)",
    "sum": "{}.sum({})",
    "sum of rows": "{0}.dot({2})",
    "sum of columns": "{2}.dot({0})",
    "@": "{} @ {}",
    "dot": "{}.dot({})",
    "vecdot": "np.vecdot({}, {})" if hasattr(np, "vecdot") else 'np.einsum("...k,...k->...", {}, {})',
    "einsum": 'np.einsum("{}", {})',
    "einsum over samples": 'np.einsum("{}", {}, optimize=True)',

    "detach": "{}",
    "stack": "{}",
    "turn": "{}.transpose({})",
    "spread": "np.broadcast_to({}, {})",
    "pack": "np.concatenate(({}), {})",
}  # fmt: skip
PRODUCTS = ("{0}", "{1}"), ("{1}", "{0}"), ("{1}", "{0}.T"), ("{0}.T", "{1}"), ("{1}.T", "{0}")
RESERVED = ("np", "torch", "functools", "float", "inf", "nan", "__debug__")  # names that mean something in the text


class Text:
    """A Function in NumPy.

    Args:
        function: what to print.
        listed: whether it returns a list of floats, or the array.

    Attributes:
        constants: by name, the arrays that it uses.
        lines: a line for each step.
    """

    table: ClassVar[dict[str, str]] = NUMPY
    define: ClassVar[str] = '@np.errstate(all="ignore")\ndef {}({}):'

    def __init__(self, function: Function, listed: bool = True):
        self.function, self.listed = function, listed
        self.constants: dict[str, Any] = {}
        tensors = *function.inputs, *(step.out for step in function.steps)
        self.names = Names([*RESERVED, *(tensor.name for tensor in tensors)])
        self.lines = [f"{step.out.name} = {self.formula(step)}" for step in function.steps]
        self.last = self.returned()

    @property
    def body(self) -> str:
        """The code without what it uses."""
        head = self.define.format(self.function.name, ", ".join(self.parameters))
        return "\n    ".join([head, *self.lines, self.last])

    @property
    def source(self) -> str:
        return "\n".join([*digits(self.constants.items(), "np."), self.body])

    @property
    def head(self) -> str:
        inputs = self.function.inputs if self.function.kept else self.function.inputs[-1:]
        return f"{self.function.name} of {', '.join(f'{tensor.name} {shape(tensor)}' for tensor in inputs)}"

    @property
    def operations(self) -> int:
        return self.function.operations

    def listing(self) -> Iterator[tuple[str, Line | None]]:
        for step, line in zip(self.function.steps, Listing(self.function).lines):
            yield f"{line}  {shape(step.out)}", step.line

    def boxes(self) -> tuple[list[Box], list[Box]]:
        given: list[Box] = [(tensor.name, "", shape(tensor), []) for tensor in self.function.inputs]
        made: list[Box] = []
        for step in self.function.steps:
            op = step.op.replace("pack", "beside").replace("contract", f"dot {step.spec}")
            made.append((step.out.name, op, shape(step.out), sources(step.operands)))
        return given, made

    @property
    def parameters(self) -> list[str]:
        return [tensor.name for tensor in self.function.inputs]

    def load(self) -> Callable[..., Any]:
        """The function, ready to run."""
        namespace = {"np": np, "inf": np.inf, "nan": np.nan, **self.constants}
        exec(compile(self.body, f"<{self.function.name}>", "exec"), namespace)
        return namespace[self.function.name]  # type: ignore[no-any-return]

    def returned(self) -> str:
        """The result, and the tensors that are kept."""
        kept = "".join(f"{tensor.name}, " for tensor in self.function.kept)
        return f"return {self.operand(self.function.result, exact=True)}{'.tolist()' * self.listed}, ({kept})"

    def formula(self, step: Step) -> str:
        operands = [self.operand(x, exact=not step.elementwise) for x in step.operands]
        if step.op == "+":
            return " + ".join(operands)
        if step.op == "contract":
            first = step.operands[0]
            sizes = [*([first.axis.length] if first.axis else []), *first.shape]
            return self.contract(step.spec, operands, sizes)
        if step.op == "ragged":
            x, y, mask = operands
            rows = step.spec.replace("n", "").endswith("ik->i")
            pairs, dim = (f"{x} * {y}", -1) if rows else (f"{x}[..., None] * {y}[..., None, :, :]", -2)
            fast = self.contract(step.spec, [x, y])
            return self.table["ragged"].format(step.out.name, fast, mask, pairs, dim)
        if step.op == "pack":
            axis = step.out.axis is not None
            if axis:
                count = f"{sources(x for x in step.operands if x.axis)[0]}.shape[0]"
                operands = [
                    text if x.axis else self.spread(text, count, x.shape) for text, x in zip(operands, step.operands)
                ]
            return self.table["pack"].format(", ".join(operands), step.dim + axis)
        return self.table[step.op].format(*operands)

    def spread(self, text: str, count: str, shape: Sequence[int]) -> str:
        """What is the same for all samples, once for each."""
        return self.table["spread"].format(text, f"({', '.join([count, *map(str, shape)])})")

    def contract(self, spec: str, operands: Sequence[str], sizes: Sequence[int] = ()) -> str:
        """A contraction, in the fastest of the ways that NumPy has. `sizes` are those of the first operand."""
        terms, out = spec.split("->")
        left, *right = terms.split(",")
        if not right:
            (dim,) = (d for d, letter in enumerate(left) if letter not in out)
            op = "sum of rows" if dim == len(left) - 1 else "sum of columns" if len(left) == 2 else "sum"
            return self.table[op].format(*operands, dim, op == "sum" or self.ones(sizes[dim]))
        if [left] == right and left[:-1] == out != "":
            return self.table["vecdot"].format(*operands)
        if sides := matrix_product(spec):
            op = "@" if max(map(len, (left, *right))) > 2 else "dot"
            return self.table[op].format(*(side.format(*operands) for side in sides))
        einsum = self.table["einsum" if "n" in out or "n" not in terms else "einsum over samples"]
        return einsum.format(spec, ", ".join(operands))

    def ones(self, count: int) -> str:
        """A product with these is a sum, and faster."""
        return self.constant(np.ones(count))

    def constant(self, value: Any) -> str:
        name = self.names.new(f"{self.function.name}_c{len(self.constants)}")
        self.constants[name] = value
        return name

    def operand(self, x: Operand, exact: bool = False) -> str:
        if isinstance(x, Const):
            return repr(x.value) if isinstance(x.value, float) else self.constant(x.value)
        if text := view_text(x, exact, self.table):
            return text
        return f"{flat(x.tensor)}[{':, ' if x.axis else ''}{self.constant(x.index)}]"


class Listing(Text):
    """A Function for the eye."""

    table: ClassVar[dict[str, str]] = {
        op: template.replace("np.float_", "").replace("np.", "") for op, template in NUMPY.items()
    } | {
        "dot": "{} @ {}",
        "sum of rows": "{}.sum({})",
        "sum of columns": "{}.sum({})",
        "pack": "beside({0})",
        "spread": "{0}",
        "ragged": "{1}",
    }

    def constant(self, value: Any) -> str:
        name = super().constant(value)  # always, so that names are those of the code
        return repr(float(value.flat[0])) if value.dtype == float and len({*value.flat}) == 1 else name


def shape(tensor: Tensor) -> str:
    axis = [f"{tensor.axis.name}={tensor.axis.length}"] if tensor.axis else []
    numbers = [*axis, *map(str, tensor.shape)]
    return f"({', '.join(numbers)}{',' * (len(numbers) == 1)})"


@functools.cache
def matrix_product(spec: str) -> tuple[str, str] | None:
    """The two sides of a contraction as a matrix product, if it is one: the first of PRODUCTS that makes the same."""
    rng, terms = np.random.default_rng(0), spec.split("->")[0].split(",")
    sizes = {letter: i + 2 for i, letter in enumerate(dict.fromkeys("".join(terms)))}
    x, y = (rng.random([sizes[letter] for letter in term]) for term in terms)
    for sides in PRODUCTS:
        with contextlib.suppress(ValueError):
            made, wanted = eval(" @ ".join(sides).format("x", "y")), np.einsum(spec, x, y)
            if made.shape == wanted.shape and np.allclose(made, wanted):
                return sides
    return None


def digits(constants: Iterable[tuple[str, Any]], prefix: str) -> list[str]:
    """Arrays in Python, whole and with all their digits."""
    with np.printoptions(threshold=2**62, floatmode="unique"):
        return [f"{name} = {prefix}{filled(x) or repr(x)}" for name, x in constants]


def filled(x: Any) -> str:
    """An array that has one number only."""
    number = x.flat[0] if x.size else np.float64(0.0)
    return f"full({x.shape}, {number.item()!r})" if x.tobytes() == number.tobytes() * x.size else ""
