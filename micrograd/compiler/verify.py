"""What must hold of any Function: names, shapes, ranges, axes. Every program is verified before it is printed."""

from collections.abc import Mapping

import numpy as np

from .function import Const, Function, Operand, Step, Tensor, View, axis_of

FOLDS = ("max", "min")


def verify(function: Function) -> None:
    """Check a Function.

    Raises:
        AssertionError: the compiler has made a mistake; says which step is wrong, and how.
    """
    known: dict[str, Tensor] = {}
    for tensor in function.inputs:
        define(tensor, known)
    for step in function.steps:
        try:
            for x in step.operands:
                verify_operand(x, known)
            verify_step(step)
            define(step.out, known)
        except (AssertionError, ValueError) as error:
            raise AssertionError(f"{function.name}, {step.out.name} = {step.op}: {error}") from None
    for x in function.outputs:
        verify_operand(x, known)
    for tensor in function.kept:
        assert known.get(tensor.name) == tensor, f"{function.name} keeps {tensor.name}, which is not there"


def define(tensor: Tensor, known: dict[str, Tensor]) -> None:
    assert tensor.name.isidentifier(), f"{tensor.name!r} is no name"
    assert tensor.name not in known, f"{tensor.name} is there already"
    known[tensor.name] = tensor


def verify_operand(x: Operand, known: Mapping[str, Tensor]) -> None:
    if isinstance(x, Const):
        return
    name = x.tensor.name
    assert name in known, f"{name} is not there yet"
    assert x.tensor in (known[name], known[name].opened), f"{name} is {known[name]}, not {x.tensor}"
    if isinstance(x, View):
        assert len(x.shape) == len(x.strides), f"{len(x.shape)} dimensions, {len(x.strides)} strides"
        ends = [step * (n - 1) for n, step in zip(x.shape, x.strides)]
        first, last = (x.offset + sum(f(0, end) for end in ends) for f in (min, max))
    else:
        first, last = int(x.index.min()), int(x.index.max())
    assert 0 <= first <= last < x.tensor.size, f"positions {first} to {last} of the {x.tensor.size} of {name}"


def verify_step(step: Step) -> None:
    out, shapes = step.out, [x.shape for x in step.operands]
    axes = {x.tensor.axis for x in step.operands if not isinstance(x, Const)} - {None}
    assert len(axes) <= 1, f"{len(axes)} axes meet"
    if step.op == "stack":
        assert out.axis, "samples without an axis"
        assert not axes, "samples are on an axis already"
        assert shapes == [(out.axis.length, *out.shape)], f"{shapes} is not {out.axis.length} samples of {out.shape}"
        return
    summed = step.op == "contract" and "n" not in step.spec.split("->")[1]
    assert out.axis is (None if summed else axis_of(step.operands)), "the result is on another axis"
    if step.op == "contract":
        verify_contract(step)
    elif step.op in FOLDS:
        assert shapes[0][:-1] == out.shape, f"{shapes[0]} becomes {out.shape}"
    elif step.op == "pack":
        parts = [(*out.shape[: step.dim], n, *out.shape[step.dim + 1 :]) for n in step.sizes]
        assert sum(step.sizes) == out.shape[step.dim], f"{step.sizes} do not fill {out.shape}"
        assert len(parts) == len(shapes), f"{len(shapes)} parts, {len(parts)} sizes"
        assert all(shape in (part, ()) for shape, part in zip(shapes, parts)), f"{shapes} are not {parts}"
    else:
        assert np.broadcast_shapes(out.shape, *shapes) == out.shape, f"{shapes} do not make {out.shape}"


def verify_contract(step: Step) -> None:
    terms, out = step.spec.split("->")
    extent: dict[str, int] = {}
    for term, x in zip(terms.split(","), step.operands, strict=True):
        assert term.startswith("n") == bool(axis_of([x])), f"{step.spec}: n is the axis"
        for letter, n in zip(term.removeprefix("n"), x.shape, strict=True):
            assert extent.setdefault(letter, n) == n, f"{step.spec}: {letter} is {extent[letter]} and {n}"
    shape = tuple(extent[letter] for letter in out.removeprefix("n"))
    assert shape == step.out.shape, f"{step.spec} makes {shape}, not {step.out.shape}"
