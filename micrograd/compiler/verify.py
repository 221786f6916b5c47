"""What must hold of any Function: names, ranges, axes, shapes. Every program is verified before it is printed."""

import numpy as np

from .function import Const, Function, Operand, Step, Tensor


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
            verify_operands(step.operands, known)
            verify_step(step)
            define(step.out, known)
        except (AssertionError, ValueError) as error:
            raise AssertionError(f"{function.name}, {step.out.name} = {step.op}: {error}") from None
    verify_operands((function.result,), known)
    assert all(known.get(tensor.name) == tensor for tensor in function.kept), f"{function.name} keeps what is not there"


def define(tensor: Tensor, known: dict[str, Tensor]) -> None:
    assert tensor.name.isidentifier(), f"{tensor.name!r} is no name"
    assert tensor.name not in known, f"{tensor.name} is there already"
    known[tensor.name] = tensor


def verify_operands(operands: tuple[Operand, ...], known: dict[str, Tensor]) -> None:
    for x in operands:
        if not isinstance(x, Const):
            there = known.get(x.tensor.name)
            assert there is not None, f"{x.tensor} is not there yet"
            assert x.tensor in (there, there.opened), f"{x.tensor} is taken, there is {there}"
            first, last = x.index.min(), x.index.max()
            assert 0 <= first <= last < x.tensor.size, f"positions {first} to {last} of {x.tensor}"


def verify_step(step: Step) -> None:
    """The shape of what a step makes, found with nothing in it, is that of its result."""
    axes = {x.axis for x in step.operands if x.axis}
    assert len(axes) <= 1, f"{len(axes)} axes meet"
    if step.op == "stack":
        assert not axes, "samples of samples"
        assert step.operands[0].shape == step.out.opened.shape, f"{step.operands[0].shape} is put into {step.out}"
        return
    terms, _, left = step.spec.partition("->")
    mask = step.operands[-1] if step.op == "ragged" else None
    summed = step.op == "contract" and not left.startswith("n")
    assert step.out.axis is (None if summed else axes.pop() if axes else None), f"{step.out} is on another axis"
    spread = step.out.axis if step.op == "pack" else None  # here what is the same for all samples is there for each
    empty = [np.broadcast_to(0.0, (2, *x.shape) if x.axis or spread else x.shape) for x in step.operands]
    shape = (2, *step.out.shape) if step.out.axis else step.out.shape
    if step.op in ("contract", "ragged"):
        assert [term[:1] == "n" for term in terms.split(",")] == [
            bool(x.axis) for x in step.operands if x is not mask
        ], "n is the axis"
        made = np.einsum(step.spec, *empty[: terms.count(",") + 1]).shape
    elif step.op == "pack":
        made = np.concatenate(empty, step.dim + (step.out.axis is not None)).shape
    elif step.op in ("max", "min"):
        made = empty[0].shape[:-1]
    else:
        assert step.out.shape[:1] != (1,), f"broadcasting loses the first dimension of {step.out}"
        made = np.broadcast_shapes(shape, *(x.shape for x in empty))
    assert made == shape, f"{step.spec} makes {made}, not {shape}"
