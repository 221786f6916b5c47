"""Machine code against NumPy's text, step by step; and what keeps it from harm.

`HYPOTHESIS_PROFILE=nightly python -m pytest tests/test_machine.py` compares 20,000 random steps.
"""

import gc
import math
import mmap
import os
import re
import sys
import threading
import types
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import agree

import micrograd
from micrograd import Value
from micrograd.compiler import backend, machine
from micrograd.compiler.emit import Text
from micrograd.compiler.function import Const, Function, Operand, Part, Step, Tensor
from micrograd.compiler.symbol import Axis
from micrograd.compiler.verify import verify
from micrograd.nn import MLP

SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 2.0, 700.0]
ONE, TWO = (
    ["neg", "abs", "relu", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "detach"],
    ["-", "*", "/", "**"],
)
SPECS = [
    *("ik,kj->ij", "ik,k->i", "mik,mkj->mij", "ik,ik->i", "k,k->", "ik->i", "k->", "i,j->ij", "ijk->ij"),
    *("nik,kj->nij", "nk,nk->n", "nk,k->n", "n->", "ni->i", "n,ni->i", "nik,nkj->nij", "ni,nj->ij", "nij->ij"),
]


class Random:
    """Random steps over a few tensors, some of them on an axis.

    Args:
        seed: where to begin.
        special: whether inf, nan and the like are among the numbers.
    """

    def __init__(self, seed: int, special: bool):
        self.rng, self.special = np.random.default_rng(seed), special
        self.axis = Axis("samples", int(self.rng.integers(1, 12)))
        self.inputs = [
            *(Tensor(f"x{i}", (2, *self.shape(2))) for i in range(2)),
            *(Tensor(f"y{i}", (2, *self.shape(2)), self.axis) for i in range(2)),
        ]

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def shape(self, most: int) -> list[int]:
        return [int(self.pick(1, 2, 3, 5, 8, 16, 17, 21)) for _ in range(self.pick(*range(most + 1)))]

    def numbers(self, *shape: int) -> Any:
        found = self.rng.normal(size=shape)
        if self.special:
            at = self.rng.random(shape) < 0.1
            found[at] = self.rng.choice(SPECIAL, shape)[at]
        return found

    def operand(self, shape: tuple[int, ...], on_axis: bool | None) -> Operand:
        """Numbers of a shape: known ones, a view, or numbers from anywhere."""
        if not on_axis and shape and self.rng.random() < 0.2:
            return Const(self.numbers(*shape))
        tensor = self.pick(*(x for x in self.inputs if on_axis is None or (x.axis is not None) == on_axis))
        count, size = math.prod(shape), tensor.size
        if self.rng.random() < 0.4:
            return Part(tensor, self.rng.integers(0, size, shape))
        if count <= size:
            first = int(self.rng.integers(size - count + 1))
            index = np.arange(first, first + count).reshape(shape)
            if len(shape) > 1 and self.rng.random() < 0.5:
                index = np.arange(first, first + count).reshape(shape[::-1]).T
            return Part(tensor, index)
        return Part(tensor, self.rng.integers(0, size, shape))

    def broadcast(self, shape: tuple[int, ...], on_axis: bool | None) -> Operand:
        """Numbers that are broadcast to a shape."""
        found = self.operand(tuple(n if self.rng.random() < 0.7 else 1 for n in shape), on_axis)
        if found.axis or self.rng.random() < 0.5:  # samples would be taken for another dimension
            return found
        least = int(self.rng.integers(len(shape) + 1))
        return self.operand(shape[least:], False)

    def step(self) -> Step:
        axis: Axis | None
        kind = self.pick("one", "two", "more", "fold", "pack", "stack", "contract", "contract")
        shape = tuple(self.shape(3))
        if kind == "stack":
            op, operands, spec = "stack", [self.operand((self.axis.length, *shape), False)], ""
            axis = self.axis
        elif kind == "fold":
            op, operands, spec = self.pick("max", "min"), [self.operand((*shape, 5), None)], ""
            axis = operands[0].axis
        elif kind == "pack":
            shape = shape or (1,)
            dim = int(self.rng.integers(len(shape)))
            sizes = [int(n) for n in self.rng.integers(1, 6, self.pick(2, 3))]
            operands = [self.operand((*shape[:dim], n, *shape[dim + 1 :]), None) for n in sizes]
            axis = next((x.axis for x in operands if x.axis), None)
            out = Tensor("t", (*shape[:dim], sum(sizes), *shape[dim + 1 :]), axis)
            return Step("pack", tuple(operands), out, dim=dim)
        elif kind == "contract":
            op, spec = "contract", self.pick(*SPECS)
            terms, left = spec.split("->")
            extent = {letter: int(self.pick(1, 2, 3, 4, 7, 8, 9, 16, 19)) for letter in "ijkm"}
            operands = [
                self.operand(tuple(extent[c] for c in term if c != "n"), "n" in term) for term in terms.split(",")
            ]
            shape, axis = tuple(extent[c] for c in left if c != "n"), self.axis if "n" in left else None
        else:
            op = self.pick(*ONE) if kind == "one" else self.pick(*TWO, "+", "maximum", "minimum")
            count = 1 if kind == "one" else 2
            if kind == "more":
                op, count = self.pick(("where_le", 4), ("+", 3), ("mask", 3))
            operands = [self.operand(shape, None), *(self.broadcast(shape, None) for _ in range(count - 1))]
            if shape[:1] == (1,) or (shape and not any(getattr(operands[0], "strides", ()) or [1])):
                return self.step()  # no program has this: broadcasting would lose a dimension
            if op == "mask":
                operands[0] = Const(self.rng.random(shape) < 0.5)
            spec, axis = "", next((x.axis for x in operands if x.axis), None)
        return Step(op, tuple(operands), Tensor("t", shape, axis), spec)

    def function(self) -> Function:
        step = self.step()
        size = step.out.opened.size
        return Function("f", tuple(self.inputs), (step,), Part(step.out.opened, np.arange(size)))


@given(st.integers(0, 2**32), st.booleans())
def test_every_step_is_what_numpy_makes_of_it(seed: int, special: bool) -> None:
    made = Random(seed, special)
    function = made.function()
    verify(function)
    given = [made.numbers(x.opened.size) for x in made.inputs]
    shaped = [
        x if t.axis is None and len(t.shape) == 1 else x.reshape(t.opened.shape) for x, t in zip(given, made.inputs)
    ]
    want, _ = Text(function, listed=False).load()(*shaped)
    got, _ = machine.Code(function).load(listed=False)(*given)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=str(function.steps))


@pytest.mark.parametrize("spec", ["ik,ik->i", "nik,nik->ni", "mik,mkj->mij", "nmik,nmkj->nmij"])
@pytest.mark.parametrize("special", [False, True])
def test_sums_over_parts_of_lines(spec, special):
    """What a mask leaves out does not count, be it inf or nan."""
    made, extent = Random(0, special), dict(zip("mikj", (2, 3, 4, 5)))
    axis = made.axis if "n" in spec else None
    left, right, out = (tuple(extent[c] for c in term if c != "n") for term in re.findall(r"\w+", spec))
    x, y, t, result = (Tensor(n, s, axis) for n, s in (("x", left), ("y", right), ("t", left), ("out", out)))
    mask = made.rng.random(left) < 0.6
    whole, sums = mask if left == right else mask[..., None], Step("ragged", (), result, spec)
    steps = [
        Step("mask", (Const(mask), Part(x, np.arange(x.size).reshape(left)), Const(0.0)), t),
        replace(sums, operands=(*(Part(z, np.arange(z.size).reshape(z.shape)) for z in (t, y)), Const(whole))),
    ]
    function = Function("f", (x, y), tuple(steps), Part(result.opened, np.arange(result.opened.size)))
    verify(function)
    given = [made.numbers(*z.opened.shape) for z in (x, y)]
    want, _ = Text(function, listed=False).load()(*given)
    got, _ = machine.Code(function).load(listed=False)(*(z.ravel() for z in given))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_more_arguments_than_a_call_may_have():
    w = [Value(0.001 * i) for i in range(1100)]
    compiled = micrograd.compile(lambda *xs: sum((v * x).tanh() for v, x in zip(w, xs)))
    compiled(*([0.5] * 1100)).backward()
    agree([v.grad for v in w[:3]], [0.5 / math.cosh(0.5 * v.data) ** 2 for v in w[:3]])


def test_straight_lines_in_parts(monkeypatch):
    monkeypatch.setattr(machine, "CHUNK", 3)
    steps = [("+", (0, 1.5)), ("*", (4, 1)), ("exp", (2,)), ("maximum", (5, 3)), ("**", (6, 7)), ("sigmoid", (8,))]
    run = machine.Scalars([3, 1], steps, [9, 0, 4, 2.0], [5, 8]).load()
    results, (kept,) = run(np.array([0.5, 0.25, -1.0]), np.array([0.125]))
    square = math.exp(-1.0) ** 0.5
    agree(results, [1.0 / (1.0 + math.exp(-square)), 0.5, 2.0, 2.0])
    agree(kept, [0.5, square])


@pytest.fixture
def loss(monkeypatch):
    """A compiled function that runs as machine code, and its argument."""
    monkeypatch.setattr("micrograd.compiler.tensors.machine", lambda: machine)
    model = MLP(2, [8, 1])
    X = np.random.default_rng(0).normal(size=(20, 2))
    return micrograd.compile(lambda X: sum(model(x) ** 2 for x in X)), X


def test_arrays_of_another_length_never_reach_the_code(loss):
    function, X = loss
    run = function.program_for(X).run
    leaves = np.zeros(33)
    run(leaves, X.ravel())
    with pytest.raises(AssertionError, match=r"arrays of \[264, 312\] bytes came, expected \[264, 320\]"):
        run(leaves, X.ravel()[1:])
    with pytest.raises((AssertionError, AttributeError)):
        run(leaves, X.tolist())
    with pytest.raises(AssertionError):
        run(leaves)


def test_names_of_any_alphabet():
    ξ = [Value(0.5 * i) for i in range(30)]

    @micrograd.compile
    def f(größe, x́):
        return sum(v * a * b for v, a, b in zip(ξ, größe, x́)).tanh()

    f([0.01] * 30, [1.0] * 30).backward()
    assert ξ[3].grad != 0.0


def test_code_and_its_memory_live_as_long_as_what_calls_it(loss):
    function, X = loss
    run, given = function.program_for(X).run, (np.full(33, 0.1), X.ravel())
    before, _ = run(*given)
    del function, loss
    gc.collect()
    others = [micrograd.compile(lambda x, k=k: sum(x) * k) for k in range(20)]
    for other in others:
        other([1.0] * 200)
    assert run(*given)[0] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_runs_it_too(loss):
    function, X = loss
    want = function(X).data
    child = os.fork()
    if not child:
        os._exit(int(function(X).data != want))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_makes_code_of_its_own_while_others_drop_theirs(loss):
    function, X = loss
    made = [micrograd.compile(lambda X, k=k: function(X) * k) for k in range(30)]
    for other in made:
        other(X)
    thread = threading.Thread(target=made.clear)
    thread.start()
    child = os.fork()
    if not child:
        os._exit(int(micrograd.compile(lambda X: function(X) * 2.0)(X).data != 2.0 * function(X).data))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()


def test_many_threads(loss):
    function, X = loss
    want, found = {scale: function(X * scale).data for scale in (1.0, 2.0)}, list[bool]()

    def calls(scale):
        found.extend(function(X * scale).data == want[scale] for _ in range(300))

    threads = [threading.Thread(target=calls, args=(1.0 + i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 1200


def refused(*args: Any, **kwargs: Any) -> Any:
    raise PermissionError("this system lets nobody make code")


def test_a_system_that_does_not_tell_pages_apart(monkeypatch):
    monkeypatch.delattr(mmap, "PROT_EXEC", raising=False)
    machine.probe()


@pytest.mark.parametrize("why", ["asked for", "no llvmlite", "no new code", "no code where data was", "another Python"])
def test_where_it_does_not_run_numpy_does(why, monkeypatch):
    if why == "asked for":
        monkeypatch.setenv("MICROGRAD_BACKEND", "numpy")
    elif why == "no llvmlite":
        monkeypatch.setitem(sys.modules, "micrograd.compiler.machine", None)
        monkeypatch.delattr("micrograd.compiler.machine")
    elif why == "no new code":
        monkeypatch.setattr(mmap, "mmap", refused)
    elif why == "no code where data was":
        monkeypatch.setattr(machine, "functions_of_c", lambda: types.SimpleNamespace(mprotect=lambda *args: -1))
    else:
        monkeypatch.setattr(machine, "HEAD", 0)
    backend.machine.cache_clear()
    try:
        assert backend.machine() is None
        w = [Value(0.5)] * 50
        compiled = micrograd.compile(lambda x: [(v * a).exp() for v, a in zip(w, x)])
        assert compiled([0.0] * 50)[0].data == 1.0
        assert str(compiled.program).splitlines()[0].endswith("as NumPy")
    finally:
        backend.machine.cache_clear()


def test_what_runs_is_said(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.tensors.machine", lambda: machine)
    w = [Value(0.5)] * 50
    compiled = micrograd.compile(lambda x: [(v * a).exp() for v, a in zip(w, x)])
    compiled([0.0] * 50)
    assert str(compiled.program).splitlines()[0].endswith("2 tensor operations, as machine code")
