"""A Function as machine code, through LLVM: a nest of loops for each step.

Every step has one shape here. The dimensions of what it makes have letters; its operands are in memory, each with a
stride for each letter; letters that are summed over are loops inside of the others. Along one letter, numbers are
computed several at once, in a vector of the machine, and along another one in a few rows at once, so that what is
loaded is used more than once. Sums keep their order: nothing is reassociated or fused, so that the numbers are those of
plain loops.

LLVM's optimiser is left out: it takes longer than all the rest, and wins nothing over loops that are written like this.
"""

import ctypes
import functools
import math
import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from .function import Const, Function, Operand, Part, Step
from .lock import lock, register, take

AXIS = "n"  # the letter of the samples
LETTERS = "abcdefghijkl"
OUT, WORK, KEPT = " out", " work", " kept"  # arrays of its own; no input has such a name
ROWS = 4  # so many rows of vectors are summed at once: what the registers have room for
CHUNK = 1000  # operations in straight lines; longer functions take LLVM long
# So far into an array as an object of Python is the address of its numbers, behind what all objects have. The code
# looks there by itself, since to ask for `x.ctypes.data` takes a microsecond.
HEAD = object.__basicsize__

# Each operation in LLVM's words; of several lines, $1 is what the first has made. T is the type of a number, or of a
# vector of them, B of a truth, S the type as it is written in a name. What is not here is a function of C.
LINES = {
    "+": "fadd {T} {0}, {1}",
    "-": "fsub {T} {0}, {1}",
    "*": "fmul {T} {0}, {1}",
    "/": "fdiv {T} {0}, {1}",
    "neg": "fneg {T} {0}",
    "abs": "call {T} @llvm.fabs.{S}({T} {0})",
    "sqrt": "call {T} @llvm.sqrt.{S}({T} {0})",
    "relu": "fcmp olt {T} {0}, zeroinitializer; select {B} $1, {T} zeroinitializer, {T} {0}",
    "maximum": "fcmp oge {T} {0}, {1}; fcmp uno {T} {0}, {0}; or {B} $1, $2; select {B} $3, {T} {0}, {T} {1}",
    "minimum": "fcmp ole {T} {0}, {1}; fcmp uno {T} {0}, {0}; or {B} $1, $2; select {B} $3, {T} {0}, {T} {1}",
    "where_le": "fcmp ole {T} {0}, {1}; select {B} $1, {T} {2}, {T} {3}",
    "mask": "fcmp une {T} {0}, zeroinitializer; select {B} $1, {T} {1}, {T} {2}",
}
LINES |= {"max": LINES["maximum"], "min": LINES["minimum"]}

Index = Mapping[str, int]  # a sum of variables, each times a number; that of "" is added


class Place(NamedTuple):
    """Where numbers are.

    Attributes:
        base: a pointer.
        strides: by how much the position grows along a letter.
        offset: the first position.
        table: where the positions are, if they follow no strides; then those of all letters but AXIS count in it.
        value: of a number that is known and the same everywhere.
    """

    base: str
    strides: Mapping[str, int]
    offset: int = 0
    table: str = ""
    value: float | None = None


def literal(x: float, width: int = 1) -> str:
    number = "0x" + struct.pack(">d", x).hex().upper()
    return number if width == 1 else f"<{', '.join([f'double {number}'] * width)}>"


def kind(width: int) -> str:
    return "double" if width == 1 else f"<{width} x double>"


def natural(shape: Sequence[int]) -> list[int]:
    """The strides of numbers side by side, in C order."""
    return [*accumulate([1, *shape[:0:-1]], mul)][::-1] if shape else []


def shifted(index: Index, by: int) -> Index:
    return {**index, "": index.get("", 0) + by}


@dataclass
class Turn:
    """One turn of a loop.

    Attributes:
        index: which it is.
        values: what the turn before has left, then what this one leaves; after the loop, what the last one has left.
    """

    index: Index
    values: list[str]


class Body:
    """The text of a function of LLVM: lines in static single assignment, in blocks."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.block, self.count = "entry", 0

    def new(self, text: str) -> str:
        """A line that computes something, and the name of that."""
        self.count += 1
        self.lines.append(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    @contextmanager
    def loop(self, count: int, carried: Sequence[str] = (), width: int = 1) -> Iterator[Turn]:
        """A loop of what is written inside of it.

        Args:
            count: how often it turns.
            carried: what the first turn finds.
            width: of what is carried, in numbers.
        """
        turn = Turn({}, [*carried])
        if count == 1:
            yield turn
            return
        assert count > 0, "a loop turns at least once"
        self.count += 1
        k, before, at = self.count, self.block, len(self.lines)
        turn.index, turn.values = {f"%i{k}": 1}, [f"%c{k}_{i}" for i in range(len(carried))]
        found, self.block = turn.values, f"loop{k}"
        yield turn
        last = f"%{self.block}"
        self.lines[at:at] = [  # only now, as it names the block in which the turn ends, and what it leaves
            f"br label %loop{k}",
            f"loop{k}:",
            f"%i{k} = phi i64 [0, %{before}], [%n{k}, {last}]",
            *(
                f"{name} = phi {kind(width)} [{x}, %{before}], [{left}, {last}]"
                for name, x, left in zip(found, carried, turn.values)
            ),
        ]
        self.lines += [
            f"%n{k} = add i64 %i{k}, 1",
            f"%t{k} = icmp ult i64 %n{k}, {count}",
            f"br i1 %t{k}, label %loop{k}, label %end{k}",
            f"end{k}:",
        ]
        self.block = f"end{k}"

    def pointer(self, base: str, what: str, position: Index) -> str:
        """The address of a number of some type, `what`, behind a base."""
        at = str(position.get("", 0))
        for variable, factor in position.items():
            if variable and factor:
                term = variable if factor == 1 else self.new(f"mul i64 {variable}, {factor}")
                at = term if at == "0" else self.new(f"add i64 {at}, {term}")
        return base if at == "0" else self.new(f"getelementptr {what}, ptr {base}, i64 {at}")

    def address(self, x: Place, index: Mapping[str, Index]) -> str:
        """That of a number, of which each letter has an index."""
        if not x.table:
            return self.pointer(x.base, "double", position(x.strides, index, x.offset))
        inside = {letter: step for letter, step in x.strides.items() if letter != AXIS}
        entry = self.new(f"load i64, ptr {self.pointer(x.table, 'i64', position(inside, index))}")
        base = self.pointer(x.base, "double", position({AXIS: x.strides.get(AXIS, 0)}, index, x.offset))
        return self.new(f"getelementptr double, ptr {base}, i64 {entry}")

    def load(self, x: Place, index: Mapping[str, Index], along: str = "", width: int = 1) -> str:
        """A number, or as many as the width, which lie along a letter, or are all the same."""
        if x.value is not None:
            return literal(x.value, width)
        if width == 1 or along in x.strides:
            return self.new(f"load {kind(width)}, ptr {self.address(x, index)}, align 8")
        number, vector = self.load(x, index), kind(width)
        first = self.new(f"insertelement {vector} poison, double {number}, i64 0")
        return self.new(f"shufflevector {vector} {first}, {vector} poison, <{width} x i32> zeroinitializer")

    def joined(self, numbers: Sequence[str]) -> str:
        """Numbers as one vector."""
        out = "poison"
        for i, x in enumerate(numbers):
            out = self.new(f"insertelement {kind(len(numbers))} {out}, double {x}, i64 {i}")
        return out

    def store(self, number: str, x: Place, index: Mapping[str, Index], along: str, width: int) -> None:
        if width == 1 or x.strides[along] == 1:
            self.lines.append(f"store {kind(width)} {number}, ptr {self.address(x, index)}, align 8")
            return
        for i in range(width):
            lane = self.new(f"extractelement {kind(width)} {number}, i64 {i}")
            self.store(lane, x, {**index, along: shifted(index[along], i)}, along, 1)

    def operation(self, op: str, args: Sequence[str], width: int) -> str:
        if op == "detach":
            return args[0]
        if op == "sigmoid":  # 1 / (1 + exp(-x))
            grown = self.operation("exp", [self.operation("neg", args, width)], width)
            return self.operation(
                "/", [literal(1.0, width), self.operation("+", [literal(1.0, width), grown], width)], width
            )
        if op not in LINES and width > 1:
            lanes = [[self.new(f"extractelement {kind(width)} {x}, i64 {i}") for x in args] for i in range(width)]
            return self.joined([self.operation(op, lane, 1) for lane in lanes])
        if op not in LINES:
            name = "pow" if op == "**" else op
            return self.new(f"call double @{name}({', '.join(f'double {x}' for x in args)})")
        words = {
            "T": kind(width),
            "B": "i1" if width == 1 else f"<{width} x i1>",
            "S": "f64" if width == 1 else f"v{width}f64",
        }
        made: list[str] = []
        for line in LINES[op].format(*args, **words).split("; "):
            for i, name in enumerate(made):
                line = line.replace(f"${i + 1}", name)
            made.append(self.new(line))
        return made[-1]


def position(strides: Mapping[str, int], index: Mapping[str, Index], offset: int = 0) -> Index:
    """The sum of the indices of all letters, each times its stride."""
    found = {"": offset}
    for letter, step in strides.items():
        for variable, factor in index.get(letter, {}).items():
            found[variable] = found.get(variable, 0) + step * factor
    return found


class Nest(NamedTuple):
    """The loops of one step.

    Attributes:
        out: where its numbers go.
        operands: what each is computed from.
        order: the letters of `out`, outermost first.
        summed: the letters that are summed over, or that the largest is looked for along.
        extent: how far each letter goes.
        compute: the operation on one number of each operand.
        gather: how numbers along `summed` become one: "+", "max" or "min".
    """

    out: Place
    operands: list[Place]
    order: str
    summed: str
    extent: Mapping[str, int]
    compute: Callable[[Body, list[str], int], str]
    gather: str = "+"

    def simpler(self) -> "Nest":
        """The same with fewer letters: without those of one number only, and two as one where all numbers lie so."""
        places, extent = [self.out, *self.operands], dict(self.extent)
        strides = [dict(x.strides) for x in places]
        kept = []
        for letters in self.order, self.summed:
            left = ""
            for letter in letters:
                if extent[letter] == 1:
                    continue
                outer = left[-1:]
                if outer and all(
                    mine.get(outer, 0) == mine.get(letter, 0) * extent[letter] and not (x.table and outer == AXIS)
                    for x, mine in zip(places, strides)
                ):
                    extent[letter] *= extent[outer]
                    left = left[:-1]
                    for mine in strides:
                        mine.pop(outer, None)
                left += letter
            kept.append(left)
        used = {*kept[0], *kept[1]}
        out, *operands = (
            x._replace(strides={c: n for c, n in mine.items() if c in used and n}) for x, mine in zip(places, strides)
        )
        return self._replace(out=out, operands=operands, order=kept[0], summed=kept[1], extent=extent)

    def column(self, width: int) -> tuple[str, list[int]]:
        """The letter along which numbers are computed a vector at once, "" for none, and which operands are laid out
        along it first: what takes the fewest instructions.

        Args:
            width: how many numbers a vector has.
        """
        every = math.prod(self.extent[letter] for letter in self.order + self.summed)
        best, least, found = "", every, list[int]()
        for letter in reversed(self.order):
            n = self.extent[letter]
            # A table is looked up once, not in each turn of a sum. What is not summed uses each number once, so that to
            # move it wins nothing.
            moved = [
                k
                for k, x in enumerate(self.operands)
                if x.strides.get(letter, 0) not in (0, 1) or (x.table and (self.summed or letter in x.strides))
            ]
            if not self.summed and (moved or self.out.strides[letter] != 1):
                continue
            cost = every // n * sum(count for _, count, _ in blocks(n, width))
            cost += sum(math.prod(self.extent[c] for c in self.operands[k].strides) for k in moved)
            if cost < least:
                best, least, found = letter, cost, moved
        return best, found

    def write(self, body: Body, column: str, width: int) -> None:
        """The loops, over tiles of rows and of vectors.

        Args:
            column: the letter along which the vectors are.
            width: how many numbers a vector has.
        """
        others = self.order.replace(column, "") if self.summed else ""
        row = max(others, key=lambda letter: self.extent[letter], default="")
        width, high, vectors = (width, ROWS, 2) if column else (1, 2 * ROWS, 1)
        with ExitStack() as outer:
            rest = [letter for letter in self.order if letter not in (row, column)]
            at = {letter: outer.enter_context(body.loop(self.extent[letter])).index for letter in rest}
            wide = width * vectors if self.summed else width
            for left, count, size in blocks(self.extent.get(column, 1), wide):
                w = min(width, size)
                with body.loop(count) as across:
                    columns = [scaled(across.index, size, k) for k in range(left, left + size, w)]
                    for top, turns, rows in blocks(self.extent.get(row, 1), high, halving=False):
                        with body.loop(turns) as down:
                            indices = [scaled(down.index, rows, k) for k in range(top, top + rows)]
                            self.tile(body, [{**at, row: i, column: j} for i in indices for j in columns], column, w)

    def tile(self, body: Body, cells: Sequence[Mapping[str, Index]], column: str, width: int) -> None:
        """A few numbers of `out`, or vectors along `column`, each with its indices."""

        def terms(inner: Mapping[str, Index]) -> list[str]:
            loaded: dict[Any, str] = {}
            made = []
            for cell in cells:
                index = {**cell, **inner}
                args = []
                for k, x in enumerate(self.operands):
                    key = k, *(tuple(index[letter].items()) for letter in x.strides)
                    if key not in loaded:
                        loaded[key] = body.load(x, index, column, width)
                    args.append(loaded[key])
                made.append(self.compute(body, args, width))
            return made

        def gathered(found: list[str], inner: Mapping[str, Index]) -> list[str]:
            return [body.operation(self.gather, pair, width) for pair in zip(found, terms(inner))]

        def along(letters: str, inner: Mapping[str, Index], found: list[str]) -> list[str]:
            if not letters:
                return gathered(found, inner)
            with body.loop(self.extent[letters[0]], found, width) as turn:
                turn.values = along(letters[1:], {**inner, letters[0]: turn.index}, turn.values)
            return turn.values

        if not self.summed:
            found = terms({})
        elif self.gather == "+":
            found = along(self.summed, {}, [literal(0.0, width)] * len(cells))
        else:  # the first, then the others
            with body.loop(self.extent[self.summed] - 1, terms({self.summed: {}}), width) as turn:
                turn.values = gathered(turn.values, {self.summed: shifted(turn.index, 1)})
            found = turn.values
        for cell, number in zip(cells, found):
            body.store(number, self.out, cell, column, width)


def scaled(index: Index, by: int, start: int) -> Index:
    return {variable: factor * by for variable, factor in index.items()} | {"": start}


def blocks(count: int, size: int, halving: bool = True) -> list[tuple[int, int, int]]:
    """`count` in blocks: where they start, how many there are, and of which size; what is left in smaller ones."""
    found, at = [], 0
    while at < count:
        if many := (count - at) // size:
            found.append((at, many, size))
            at += many * size
        size = size // 2 if halving else count - at
    return found


class Code:
    """A Function as machine code.

    Args:
        function: what it computes; `verify` has shown that all its positions are in their tensors.
        before: the code of the way forward, if this is a way back.

    Attributes:
        locations: of each tensor in which array it is, and from which position. The arrays are those of the inputs, by
            their names, and OUT, KEPT and WORK.
        sizes: how many numbers these have.
        text: the code, in LLVM's language.
    """

    def __init__(self, function: Function, before: "Code | None" = None):
        self.locations: dict[str, tuple[str, int]] = dict(before.locations) if before else {}
        self.sizes: dict[str, int] = {WORK: 0, KEPT: before.sizes[KEPT] if before else 0, OUT: function.result.shape[0]}
        self.kernels: dict[str, str] = {}  # the name of each, by its text
        self.held: list[Any] = []  # arrays whose addresses are in the code
        self.main: list[str] = []
        self.width = vector_width()
        for tensor in function.inputs:
            array, _ = self.locations.setdefault(tensor.name, (tensor.name, 0))
            self.sizes.setdefault(array, tensor.opened.size)
        self.given = list(dict.fromkeys(self.locations[tensor.name][0] for tensor in function.inputs))
        kept = before is None and bool(function.kept)  # a way forward keeps all that it computes
        self.made = [OUT, WORK] + [KEPT] * kept
        for step in function.steps:
            if found := self.alias(step):
                self.locations[step.out.name] = found
            else:
                self.locations[step.out.name] = self.room(step.out.opened.size, kept)
                self.write(step)
        if self.sizes[OUT]:
            letters = LETTERS[:1]
            out, x = Place(self.array(OUT), {letters: 1}), self.place(function.result, letters)
            self.nest(Nest(out, [x], letters, "", {letters: self.sizes[OUT]}, copied))

    # ---- where numbers are ----

    def room(self, size: int, kept: bool = False) -> tuple[str, int]:
        """A location for so many numbers to come."""
        array = KEPT if kept else WORK
        at = self.sizes[array]
        self.sizes[array] += -(-size // 8) * 8  # so that each begins where a vector may
        return array, at

    def alias(self, step: Step) -> tuple[str, int] | None:
        """Where a step that only passes a view on leaves its numbers: where they are."""
        (x, *_), size = step.operands, step.out.opened.size
        if step.op not in ("detach", "stack") or not isinstance(x, Part) or x.strides is None:
            return None
        count = x.axis.length if x.axis else 1
        whole = x.index.size * count == size and (count == 1 or x.index.size == x.tensor.size)
        if not whole or any(n > 1 and a != b for n, a, b in zip(x.shape, x.strides, natural(x.shape))):
            return None
        array, at = self.locations[x.tensor.name]
        return array, at + x.offset

    def array(self, name: str, at: int = 0) -> str:
        """A pointer to a number in an array; `nest` adds the position outside of its function, so that two steps of the
        same loops share one."""
        return f"%{[*self.given, *self.made].index(name)}+{at}"

    def constant(self, values: Any) -> str:
        """A pointer to numbers that are known."""
        self.held.append(values)  # in the text, numbers would take LLVM long to read
        return f"inttoptr (i64 {values.ctypes.data} to ptr)"

    def place(self, x: Operand, letters: str) -> Place:
        """Where the numbers of an operand are, whose dimensions have letters."""

        def by_letter(strides: Sequence[int]) -> dict[str, int]:
            return {c: step for c, step, n in zip(letters, strides, x.shape) if n > 1 and step}

        if isinstance(x, Const):
            values = np.ascontiguousarray(x.value, np.float64)
            if values.tobytes() == values.tobytes()[:8] * values.size:
                return Place("", {}, value=float(values.flat[0]))
            return Place(self.constant(values), by_letter(natural(x.shape)))
        base, samples = self.array(*self.locations[x.tensor.name]), {AXIS: x.tensor.size} if x.axis else {}
        if x.strides is not None:
            return Place(base, by_letter(x.strides) | samples, x.offset)
        table = self.constant(np.ascontiguousarray(x.index, np.int64))
        return Place(base, by_letter(natural(x.shape)) | samples, table=table)

    # ---- steps ----

    def write(self, step: Step) -> None:
        axis, operands = AXIS if step.out.axis else "", step.operands
        inner = LETTERS[: len(step.out.shape)]
        order = axis + inner
        shape = [step.out.axis.length, *step.out.shape] if step.out.axis else [*step.out.shape]
        extent = dict(zip(order, shape))
        out = Place(self.array(*self.locations[step.out.name]), dict(zip(order, natural(shape))))
        if step.op in ("contract", "ragged"):
            self.contract(step, out)
        elif step.op == "pack":
            letter, at = order[step.dim + len(axis)], out.offset
            for x in operands:
                n = x.shape[step.dim]
                part = out._replace(offset=at)
                self.nest(Nest(part, [self.place(x, inner)], order, "", extent | {letter: n}, copied))
                at += n * out.strides[letter]
        elif step.op == "stack":
            order = LETTERS[: len(shape)]  # its operand has the samples as an ordinary dimension
            out, extent = out._replace(strides=dict(zip(order, natural(shape)))), dict(zip(order, shape))
            self.nest(Nest(out, [self.place(operands[0], order)], order, "", extent, copied))
        elif step.op in ("max", "min"):
            last = LETTERS[len(step.out.shape)]
            extent[last] = operands[0].shape[-1]
            self.nest(Nest(out, [self.place(operands[0], inner + last)], order, last, extent, copied, step.op))
        else:
            places = [self.place(x, inner[len(inner) - len(x.shape) :]) for x in operands]

            def compute(body: Body, args: list[str], width: int) -> str:
                while len(args) > 2 and step.op == "+":
                    args = [body.operation("+", args[:2], width), *args[2:]]
                return body.operation(step.op, args, width)

            self.nest(Nest(out, places, order, "", extent, compute))

    def contract(self, step: Step, out: Place) -> None:
        terms, order = step.spec.split("->")
        operands, extent = step.operands, dict[str, int]()
        every = terms.split(",")
        for term, x in zip(every, operands):
            extent |= dict(zip(term, [x.axis.length, *x.shape] if x.axis else x.shape))
        if step.op == "ragged":  # the mask is over what the products are over
            over = "mikj" if "j" in order else "ik"
            every.append(over[len(over) - len(operands[2].shape) :])
        summed = "".join(c for c in dict.fromkeys("".join(every)) if c not in order)
        places = [self.place(x, term.replace(AXIS, "") if x.axis else term) for term, x in zip(every, operands)]

        def compute(body: Body, args: list[str], width: int) -> str:
            product = args[0] if len(args) == 1 else body.operation("*", args[:2], width)
            return body.operation("mask", [args[2], product, literal(0.0, width)], width) if len(args) > 2 else product

        strides = dict(zip(order, natural([extent[c] for c in order])))
        self.nest(Nest(out._replace(strides=strides), places, order, summed, extent, compute))

    def nest(self, nest: Nest) -> None:
        """Add a call of a function of these loops, which may be that of another step."""
        nest = nest.simpler()
        column, moved = nest.column(self.width)
        operands = [*nest.operands]
        for k in moved:
            x = operands[k]
            letters = "".join(c for c in nest.order.replace(column, "") + nest.summed + column if c in x.strides)
            size = [nest.extent[c] for c in letters]
            operands[k] = Place(self.array(*self.room(math.prod(size))), dict(zip(letters, natural(size))))
            self.nest(Nest(operands[k], [x], letters, "", nest.extent, copied))
        names: dict[str, str] = {}

        def local(x: Place) -> Place:
            base, table = (p and names.setdefault(p, f"%a{len(names)}") for p in (x.base, x.table))
            return x._replace(base=base, table=table)

        out, *operands = map(local, (nest.out, *operands))
        body = Body()
        nest._replace(out=out, operands=operands).write(body, column, self.width)
        head = ", ".join(f"ptr noalias {name}" for name in names.values())
        text = defined(head, body.lines)
        name = self.kernels.setdefault(text, f"@k{len(self.kernels)}")
        args: list[str] = []
        for pointer in names:
            if pointer.startswith("%"):
                array, at = pointer[1:].split("+")
                pointer = f"%g{len(self.main)}_{len(args)}"
                self.main.append(f"{pointer} = getelementptr double, ptr %d{array}, i64 {at}")
            args.append(f"ptr {pointer}")
        self.main.append(f"call void {name}({', '.join(args)})")

    # ---- the code ----

    @property
    def text(self) -> str:
        kernels = [f"define internal void {name}{text}" for text, name in self.kernels.items()]
        return "\n".join([*kernels, entry(len(self.given) + len(self.made), self.main)])

    def load(self, listed: bool) -> Callable[..., Any]:
        """The function, ready to run: takes arrays of float64, and returns its result, as a list if so wanted, and what
        a way back needs."""
        code = loaded(self.text, len(self.given) + len(self.made), 1, self.held)
        work, size, room = np.empty(self.sizes[WORK]), self.sizes[OUT], self.sizes[KEPT] if KEPT in self.made else None
        wanted = [8 * self.sizes[name] for name in self.given]

        def run(*given: Any) -> Any:
            refuse_others(given, wanted)
            out, kept = np.empty(size), () if room is None else (np.empty(room),)
            code(*given, out, work, *kept)
            return out.tolist() if listed else out, kept

        return run


class Scalars:
    """Numbers that are computed one after the other, as machine code: straight lines.

    Args:
        sizes: how many numbers there are in each array that it is given.
        steps: operations, and of what: numbers, or the positions of what was given, all arrays one behind the other, or
            computed before, behind that.
        results: what it returns, likewise.
        kept: positions of what it returns besides, for a way back; None if it is one.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        steps: Sequence[tuple[str, Sequence[int | float]]],
        results: Sequence[int | float],
        kept: Sequence[int] | None,
    ):
        self.sizes, self.results, self.kept = sizes, results, kept
        self.out, self.work, self.rest = (len(sizes) + i for i in range(3))  # arrays of its own
        self.at = dict(enumerate((i, k) for i, size in enumerate(sizes) for k in range(size)))  # where numbers are
        first, self.slots = len(self.at), 0
        used: dict[Any, int] = {}  # in which part a number is used last
        for i, (_, args) in enumerate(steps):
            used.update(dict.fromkeys((x for x in args if type(x) is int), i // CHUNK))
        wanted = {x for x in (*results, *(kept or ())) if type(x) is int}
        self.parts: list[Body] = []
        for start in range(0, len(steps), CHUNK):
            body, names = self.part(), dict[int | float, str]()
            for i, (op, args) in enumerate(steps[start : start + CHUNK], first + start):
                names[i] = body.operation(op, [self.number(body, names, x) for x in args], 1)
                if i in wanted or used.get(i, 0) > start // CHUNK:
                    self.at[i] = self.work, self.slots
                    self.slots += 1
                    self.store(body, names[i], *self.at[i])
        body, names = self.part(), {}
        for array, numbers in (self.out, results), (self.rest, kept or ()):
            for k, x in enumerate(numbers):
                self.store(body, self.number(body, names, x), array, k)

    def part(self) -> Body:
        self.parts.append(Body())
        return self.parts[-1]

    def number(self, body: Body, names: dict[int | float, str], x: int | float) -> str:
        """One that is known, has a name in this part, or is in memory."""
        if type(x) is float:
            return literal(x)
        if x not in names:
            array, k = self.at[int(x)]
            names[x] = body.load(Place(f"%d{array}", {}, k), {})
        return names[x]

    def store(self, body: Body, number: str, array: int, k: int) -> None:
        body.store(number, Place(f"%d{array}", {}, k), {}, "", 1)

    @property
    def text(self) -> str:
        arrays = range(self.rest + 1)
        head = ", ".join(f"ptr %d{i}" for i in arrays)
        parts = [f"define internal void @p{k}{defined(head, body.lines)}" for k, body in enumerate(self.parts)]
        return "\n".join([*parts, entry(len(arrays), [f"call void @p{k}({head})" for k in range(len(parts))])])

    def load(self) -> Callable[..., Any]:
        """The function, ready to run: takes arrays of float64; returns results in a list, and, on the way forward, what
        is kept in an array."""
        code, work = loaded(self.text, self.rest + 1, 0), np.empty(self.slots)
        count, is_back, rest = len(self.results), self.kept is None, len(self.kept or ())
        wanted = [8 * n for n in self.sizes]

        def run(*given: Any) -> Any:
            refuse_others(given, wanted)
            out, kept = np.empty(count), np.empty(rest)
            code(*given, out, work, kept)
            return out.tolist() if is_back else (out.tolist(), (kept,))

        return run


def defined(parameters: str, lines: Sequence[str]) -> str:
    """A function without its name."""
    return "\n".join([f"({parameters}) noinline nounwind {{", "entry:", *lines, "ret void", "}"])


def entry(count: int, lines: Sequence[str]) -> str:
    """The function that is called: of so many arrays, objects of Python, it finds the numbers, %d0, %d1, ..."""
    numbers = [f"%o{i} = getelementptr i8, ptr %x{i}, i64 {HEAD}\n%d{i} = load ptr, ptr %o{i}" for i in range(count)]
    head = ", ".join(f"ptr %x{i}" for i in range(count))
    return f"define void @run{defined(head, [*numbers, *lines])}"


def loaded(text: str, count: int, level: int, held: Sequence[Any] = ()) -> Callable[..., None]:
    """The function `run` of a text, which takes so many arrays. It is called as a function of Python's C interface, so
    that no other thread runs meanwhile, and it may have memory of its own; what is `held` lives as long as it does."""
    with ThreadPoolExecutor(1) as pool:  # in which Ctrl-C is not heard, and leaves nothing of LLVM half done
        engine = pool.submit(engine_of, "\n".join([*declarations(text), text]), level).result()
    code: Any = ctypes.PYFUNCTYPE(None, *[ctypes.py_object] * count)(engine.get_function_address("run"))
    code.alive = engine, held
    return code  # type: ignore[no-any-return]


def engine_of(text: str, level: int) -> Any:
    """What has the machine code of a text. At level 0 code is made as it stands, at 1 with the few refinements that
    loops need; more would take most of the time and win little."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = host()
    triple = llvm.Target.from_default_triple()
    target = triple.create_target_machine(cpu=name, features=features.flatten(), opt=level)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), target)
    engine.finalize_object()
    return engine


@functools.cache
def host() -> tuple[str, Any]:
    """The name and the features of this machine, as LLVM knows them."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features()


def refuse_others(arrays: Sequence[Any], wanted: Sequence[int]) -> None:
    """Machine code does not ask how long an array is."""
    if (found := [x.nbytes for x in arrays]) != wanted:
        raise AssertionError(f"arrays of {found} bytes came, expected {wanted}")


def before_fork() -> None:
    """Hold LLVM's lock, after that of who traces: in the child is no other thread that could give it back."""
    take()
    LOCK.__enter__()


def after_fork() -> None:
    LOCK.__exit__(None, None, None)
    lock.release()


LOCK = getattr(llvm.ffi.lib, "_lock", nullcontext())  # which LLVM's library holds while it works
register(before=before_fork, after_in_parent=after_fork, after_in_child=after_fork)


def probe() -> None:
    """See whether code runs here.

    Raises:
        OSError: this system lets no program make code, or has another kind of Python, in which arrays look otherwise.
    """
    if hasattr(mmap, "PROT_EXEC"):  # as LLVM does it: what was written is made code
        page = mmap.mmap(-1, mmap.PAGESIZE)
        start = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        if functions_of_c().mprotect(start, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError("this system lets no program make code")
    x = np.array([2.0])
    if ctypes.c_void_p.from_address(id(x) + HEAD).value != x.ctypes.data:
        raise OSError("the numbers of an array are elsewhere")


def copied(body: Body, args: list[str], width: int) -> str:
    return args[0]


def vector_width() -> int:
    """How many numbers a vector of this machine has."""
    _, features = host()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


def declarations(text: str) -> list[str]:
    """Of the functions that a text calls, of C and of LLVM."""
    found = {}
    for result, name, arguments in re.findall(r"call (\S*double|<[^>]*>) @([a-z][\w.]*)\((.*)\)", text):
        if not name.startswith("llvm."):
            llvm.add_symbol(name, ctypes.cast(functions_of_c()[name], ctypes.c_void_p).value)
        found[name] = f"declare {result} @{name}({', '.join([result] * (1 + arguments.count(', ' + result)))})"
    return [*found.values()]


@functools.cache
def functions_of_c() -> Any:
    return ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
