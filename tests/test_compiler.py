"""The passes of the compiler, one by one: what each hands on, and what is refused."""

import copy
import dataclasses
import functools
import gc
import operator
import random

import numpy as np
import pytest
import torch
from programs import check, error_without, hidden

import micrograd
from micrograd import Value, vmap
from micrograd.compiler import emit
from micrograd.compiler.function import Const, Function, Part, Step, Tensor
from micrograd.compiler.in_torch import TORCH
from micrograd.compiler.names import Names
from micrograd.compiler.symbol import Axis, Symbol
from micrograd.compiler.verify import verify

AXIS = Axis("samples", 3)
X, ROW, BATCH = Tensor("x", (6,)), Tensor("row", (2,)), Tensor("batch", (2,), AXIS)


def whole(tensor: Tensor, *shape: int) -> Part:
    return Part(tensor, np.arange(tensor.size).reshape(shape or tensor.shape))


def function(*steps: Step, result: Tensor | None = None) -> Function:
    return Function("f", (X, ROW, BATCH), steps, whole(result or steps[-1].out))


def step(op: str, *operands: Part | Const, out: Tensor, spec: str = "", dim: int = 0) -> Step:
    return Step(op, operands, out, spec, dim)


T, B = Tensor("t", (2,)), Tensor("t", (2,), AXIS)
RIGHT = [
    step("neg", whole(ROW), out=T),
    step("neg", whole(BATCH), out=B),
    step("+", whole(BATCH), Const(1.0), whole(ROW), out=B),
    step("stack", whole(X, 3, 2), out=B),
    step("contract", whole(X, 3, 2), whole(ROW), out=Tensor("t", (3,)), spec="ik,k->i"),
    step("contract", whole(BATCH), whole(ROW), out=Tensor("t", (), AXIS), spec="nk,k->n"),
    step("contract", whole(BATCH), out=T, spec="ni->i"),
    step("neg", whole(BATCH.opened), out=Tensor("t", (3, 2))),
    step("pack", whole(ROW), whole(X), out=Tensor("t", (8,))),
    step("pack", Const(np.ones(1)), whole(BATCH), out=Tensor("t", (3,), AXIS)),
    step("max", whole(X, 3, 2), out=Tensor("t", (3,))),
]
WRONG = [
    (step("neg", whole(ROW), out=Tensor("t", (3,))), r"\(2,\).*\(3,\)|broadcast"),
    (step("neg", whole(ROW), out=Tensor("row", (2,))), "row is there already"),
    (step("neg", whole(ROW), out=Tensor("no name", (2,))), "'no name' is no name"),
    (step("neg", whole(Tensor("y", (2,))), out=T), "is not there yet"),
    (step("neg", whole(Tensor("row", (4,))), out=Tensor("t", (4,))), "is taken, there is"),
    (step("neg", Part(ROW, np.array([1, 2])), out=T), "positions 1 to 2"),
    (step("neg", Part(ROW, np.array([-1, 0])), out=T), "positions -1 to 0"),
    (step("neg", whole(BATCH), out=T), "another axis"),
    (step("neg", whole(ROW), out=B), "another axis"),
    (step("neg", whole(BATCH), out=Tensor("t", (2,), Axis("samples", 3))), "another axis"),
    (step("stack", whole(X, 2, 3), out=B), "is put into"),
    (step("stack", whole(BATCH), out=B), "samples of samples"),
    (step("contract", whole(X, 3, 2), whole(ROW), out=Tensor("t", (2,)), spec="ik,k->i"), "makes"),
    (step("contract", whole(X, 2, 3), whole(ROW), out=T, spec="ik,k->i"), "broadcast"),
    (step("contract", whole(BATCH), out=T, spec="ik->i"), "n is the axis"),
    (step("contract", whole(BATCH), out=Tensor("t", (), AXIS), spec="nk->"), "another axis"),
    (step("pack", whole(ROW), whole(X), out=Tensor("t", (7,))), "makes"),
    (step("max", whole(X, 3, 2), out=T), "makes"),
]


@pytest.mark.parametrize("right", RIGHT, ids=lambda step: f"{step.op} {step.spec}")
def test_what_holds(right):
    verify(function(right))


@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=lambda x: getattr(x, "op", ""))
def test_what_does_not_hold(wrong, words):
    with pytest.raises(AssertionError, match=f"^f, {wrong.out.name} = {wrong.op}: .*({words})"):
        verify(function(wrong))


def test_two_axes_do_not_meet():
    other = Tensor("other", (2,), Axis("others", 3))
    with pytest.raises(AssertionError, match="2 axes meet"):
        verify(Function("f", (BATCH, other), (step("+", whole(BATCH), whole(other), out=B),), whole(B)))


def test_a_result_and_what_is_kept_must_be_there():
    with pytest.raises(AssertionError, match="is not there yet"):
        verify(function(result=T))
    with pytest.raises(AssertionError, match="f keeps what is not there"):
        verify(Function("f", (ROW,), (), whole(ROW), (T,)))


@pytest.mark.usefixtures("tensors")
def test_a_function_is_frozen_and_has_only_what_somebody_needs():
    frozen = function(step("neg", whole(ROW), out=T))
    with pytest.raises(dataclasses.FrozenInstanceError):
        frozen.name = "g"  # type: ignore[misc]
    a = Value(2.0)
    compiled = micrograd.compile(lambda x: [a * x, (a * x).exp().sin()])
    compiled(3.0)[0].backward()
    assert [s.op for s in compiled.program.functions[1].steps] == ["pack"] or not compiled.program.functions[1].steps  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("index", "strides"),
    [
        ([0, 1, 2], (1,)),
        ([[0, 2], [1, 3]], (1, 2)),
        ([3, 2, 1], (-1,)),
        ([1, 1, 1], (0,)),
        ([[4]], (0, 0)),
        ([0, 1, 3], None),
        ([[0, 1], [2, 4]], None),
    ],
)
def test_parts_that_are_views(index, strides):
    assert Part(X, np.array(index)).strides == strides


@pytest.mark.parametrize("shape", [(4,), (2, 3), (3, 2, 2)])
def test_any_part_of_a_tensor_is_printed_right(shape):
    """Slices, transposes, broadcasts and gathers: the text gives the numbers at the positions, in their shape."""
    rng = random.Random(len(shape))
    numbers = np.random.default_rng(0).normal(size=shape)
    tensor = Tensor("t", shape)
    for _ in range(300):
        offset, dims = rng.randrange(tensor.size), [rng.choice([1, 1, 2, 3, 4]) for _ in range(rng.randrange(4))]
        steps = [rng.choice([0, 1, 1, 2, 3, 4, 6, -1]) for _ in dims]
        index = offset + sum(
            s * np.arange(n).reshape([-1] + [1] * (len(dims) - 1 - d)) for d, (s, n) in enumerate(zip(steps, dims))
        )
        index = np.broadcast_to(index, dims)
        if index.min() >= 0 and index.max() < tensor.size:
            part = Part(tensor, index)
            text = emit.Text(
                Function("f", (tensor,), (step("neg", part, out=Tensor("u", tuple(dims))),), Const(np.ones(0)))
            )
            exact = text.operand(part, exact=True)
            got = eval(exact, {"np": np, "t": numbers, **text.constants})
            assert np.array_equal(got, numbers.reshape(-1)[index]), (index, exact)
            assert np.shape(got) == index.shape, (index, exact)
            loose = eval(text.operand(part), {"np": np, "t": numbers, **text.constants})
            assert np.array_equal(np.broadcast_to(loose, dims), numbers.reshape(-1)[index])


def test_names_differ_from_each_other_and_from_what_means_something():
    names = Names(["np"])
    found = [names.new(name) for name in ("x", "x", "np", "class", "not a name", "", "ﬁ", "fi", "x_")]
    assert found == ["x", "x_", "np_", "class_", "argument", "argument_", "fi", "fi_", "x__"]


@pytest.mark.parametrize(
    ("spec", "sides"),
    [
        ("ik,kj->ij", ("{0}", "{1}")),
        ("mik,mkj->mij", ("{0}", "{1}")),
        ("nk,k->n", ("{0}", "{1}")),
        ("ik,nk->ni", ("{1}", "{0}.T")),
        ("ni,nj->ij", ("{0}.T", "{1}")),
        ("ni,nj->ji", ("{1}.T", "{0}")),
        ("k,nk->n", ("{1}", "{0}")),
        ("ik,ik->i", None),
        ("nik,nk->ni", None),
        ("nk,nkj->nj", None),
    ],
)
def test_contractions_that_are_matrix_products(spec, sides):
    assert emit.matrix_product(spec) == sides


def test_the_code_has_fast_ways_and_the_listing_plain_ones():
    w = [Value(0.5), Value(-1.0), Value(2.0)]
    xs = np.arange(300.0).reshape(100, 3)
    compiled = micrograd.compile(lambda X: sum(sum(wi * xi for wi, xi in zip(w, x)).relu() for x in X))
    assert compiled(xs).data == np.maximum(xs @ [0.5, -1.0, 2.0], 0.0).sum()
    listing, source = str(compiled.program), compiled.program.source
    assert ("X.reshape(100, 3) @ leaves" in listing, ".sum(0)" in listing, ".dot(" in listing) == (True, True, False)
    assert ("X.reshape(100, 3).dot(leaves)" in source, ".sum(" in source) == (True, False)
    assert "forward_c0 = np.full((100,), 1.0)" in source


def test_each_backend_writes_each_operation():
    assert emit.NUMPY.keys() <= TORCH.keys()
    assert not any("np." in template for template in TORCH.values())
    assert emit.Listing.table.keys() == emit.NUMPY.keys()


def test_symbols_of_two_axes_do_not_meet():
    one, other = Symbol("input"), Symbol("input")
    one.axis, other.axis = AXIS, Axis("others", 3)
    assert (one + 1.0).axis is AXIS
    with pytest.raises(TypeError, match="kept, and used outside"):
        one + other


def test_what_is_kept_under_vmap_is_no_result():
    kept = hidden([])

    def one(x):
        kept().append(x * 2.0)
        return x

    def whole(X):
        vmap(one)(X)
        return kept()[-1]

    with pytest.raises(TypeError, match="under vmap was kept, and used outside of it"):
        micrograd.compile(whole)([1.0, 2.0])


def test_the_collector_stays_as_it_was():
    a = Value(2.0)
    gc.disable()
    try:
        check(lambda x: a * x, [a], 3.0)
        assert not gc.isenabled()
    finally:
        gc.enable()
    check(lambda x: a * x, [a], 3.0)
    assert gc.isenabled()


@pytest.mark.usefixtures("tensors")
def test_a_sum_of_the_results_of_very_many_steps():
    a = Value(0.9)

    def f(x):
        steps = [x]
        for _ in range(80):
            steps.append((steps[-1] * a).sin())
        return sum(steps)

    check(f, [a], 0.5)


def test_ways_back_are_few():
    xs = [Value(0.5 + i) for i in range(12)]
    compiled = micrograd.compile(lambda: [x.exp() * xs[0] for x in xs])
    for i in range(40):
        results = compiled()
        sum(results[i % 3 : 3 + i % 9], Value(0.0)).backward()
    assert len(compiled.program.codes) <= 11
    assert len({code.head for code in compiled.program.codes}) == len(compiled.program.codes)


class Scaled(Value):
    """Has a slot that may be empty."""

    __slots__ = ("scale",)


def test_a_slot_that_is_empty():
    compiled = micrograd.compile(lambda x: x * 2.0)
    assert compiled(Scaled(3.0)).data == 6.0


def test_a_copy_of_what_has_no_name_in_a_module():
    double = functools.partial(operator.mul, 2.0)
    compiled = micrograd.compile(double)
    assert compiled(3.0) == 6.0
    assert copy.copy(compiled).__wrapped__ is double
    assert copy.copy(compiled)._calls == {}


def test_what_a_saved_module_takes(tmp_path):
    a = Value(2.0)
    exported = micrograd.compile(lambda X: [a * x for x in X]).to_torch([1.0, 2.0])
    torch.save(exported, tmp_path / "saved.pt")
    saved = torch.load(tmp_path / "saved.pt", weights_only=False)
    assert saved(torch.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match=r"takes tensors of shapes \[\(2,\)\], got \[\(3,\)\]"):
        saved(torch.ones(3))
    assert exported(torch.ones(3)).tolist() == [2.0, 2.0, 2.0]


def test_parameters_that_come_too_late():
    table = [Value(float(i)) for i in range(4)]
    get = hidden(table)
    exported = micrograd.compile(lambda X: [get()[i] * x for i, x in enumerate(X)]).to_torch([1.0, 2.0])
    with pytest.raises(ValueError, match="uses parameters that it did not use when it was exported"):
        exported(torch.ones(3))


@pytest.mark.usefixtures("either")
def test_a_value_that_only_the_way_back_looks_at():
    a, hidden = Value(2.0), Value(3.0)

    def scaled(x):
        out = Value(x.data * 1.0, (x,), "scaled")

        def _backward():
            x.grad += hidden.data * out.grad

        out._backward = _backward
        return out

    compiled = micrograd.compile(lambda x: scaled(a * x) * hidden * 0.0 + scaled(a))
    check(lambda x: scaled(a * x) * hidden * 0.0 + scaled(a), [a, hidden], 3.0, compiled=compiled)
    with pytest.raises(TypeError, match="looks on its way back at the data of a Value"):
        micrograd.compile(lambda x: scaled(a * x))(3.0).backward()


def test_without_torch_and_numpy():
    assert "to_torch needs PyTorch" in error_without(
        "torch", "import micrograd; micrograd.compile(lambda x: micrograd.Value(1) * x).to_torch(1.0)"
    )
