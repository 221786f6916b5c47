"""README's "What differs from micrograd 0.1.0": each of its lines, and of each what it says, in code."""

import copy
import gc
import math
import operator
import pickle
import random
import re
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from micrograd import Value
from micrograd.nn import MLP, Layer, Module, Neuron
from micrograd.optim import SGD

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## What differs from micrograd 0.1.0") : README.index("## Contributing")]


def gradients_add_up_in_leaves_and_nowhere_else():
    found = []
    leaves: list[Any] = [Value(2.0), torch.tensor(2.0, requires_grad=True)]
    for x, keep in zip(leaves, ({}, {"retain_graph": True})):
        shared = x * 3
        first, second = shared * x, shared**2
        if isinstance(shared, torch.Tensor):
            shared.retain_grad()
        for loss in (first, second, first):
            loss.backward(**keep)
        found.append((float(x.grad), float(shared.grad)))
    (ours, result), (of_torch, retained) = found
    assert ours == of_torch == 12 + 36 + 12
    assert (result, retained) == (2.0, 2 + 12 + 2)


def numbers_are_those_of_pytorch():
    assert (1 / Value(0)).data == math.inf
    assert math.isnan(Value(-1).log().data)
    assert Value(1000).exp().data == (Value(1e308) * 10).data == (Value(10) ** 400).data == math.inf
    assert math.isnan((Value(-8) ** (1 / 3)).data)


def more_operations_and_derivatives_of_derivatives():
    assert (2 ** Value(3)).data == (Value(2) ** Value(3)).data == 8
    x = Value(Value(3.0))
    (x**3).backward()
    x.grad.backward()
    assert x.data.grad == 18


def backward_is_a_loop():
    x = out = Value(1.0)
    for _ in range(1_000_000):
        out = out + x
    out.backward()
    assert x.grad == 1_000_001


def a_graph_is_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = Value(2.0)
        inner = x * 3
        out = inner.tanh()
        out.backward()
        gone = weakref.ref(inner)
        del inner, out
        assert gone() is None
    finally:
        gc.enable()
    assert sys.getsizeof(x * 3) + sys.getsizeof((x, x)) + 2 * sys.getsizeof(0.5) < 250  # bytes


def wrong_inputs_are_errors():
    model: Any = MLP(2, [2])
    for wrong in ([1.0], [1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(ValueError, match="takes"):
            model(wrong)
    for data in (None, "2", [1.0], np.ones(2), 1j):
        with pytest.raises(TypeError, match="expected one real number"):
            Value(data)


def exponents_and_comparisons():
    with pytest.raises(TypeError):
        Value(2) ** "2"
    assert Value(1) < Value(2)
    assert max([Value(1), Value(2)]).data == 2


def arrays_of_values():
    out = operator.mul(Value(2.0), np.array([1.0, 3.0]))
    assert [v.data for v in out] == [2.0, 6.0]


def data_is_a_float():
    assert type(Value(2).data) is float
    with pytest.raises(TypeError):
        [1, 2, 3][Value(2).data]
    assert repr(Value(2)) == "Value(data=2.0, grad=0.0)"


def a_module_finds_its_parameters():
    class Gated(Neuron):
        def __init__(self):
            super().__init__(2)
            self.gate = Value(0.5)

    assert len(Gated().parameters()) == 4
    for wrong in (lambda: Layer(2, 0), lambda: Neuron(2, nonlin=None)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"at least 1|nonlin is"):
            wrong()


def a_print_of_many_lines():
    assert all(len(str(model).splitlines()) > 2 for model in (Layer(2, 3), MLP(2, [3, 1])))
    assert repr(Neuron(2)) == "ReLUNeuron(2)"


def results_cannot_be_copied_but_leaves_can():
    x = Value(2.0)
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="pickle the leaves instead"):
            way(x * 2)
        way(x)


def a_number_is_a_constant_among_the_parents():
    x = Value(2.0)
    assert [v.data for v in (x * 3)._prev] == [2.0, 3.0]
    assert (x**2)._prev == (x,)


def minus_and_division_are_operations():
    x = Value(2.0)
    assert [(x - 1)._op, (x / 2)._op, (1 - x)._op] == ["-", "/", "-"]

    class Loud(Value):
        def __add__(self, other):
            return "added"

    assert Loud(1.0) - 2 == "added"


def a_weight_that_is_a_result():
    weight = Value(1.0) * 2
    for _ in range(2):
        (weight * 3).backward()
    assert weight.grad == 3
    with pytest.raises(ValueError, match="the result of an operation"):
        SGD([weight])


def parents_are_a_tuple_and_backward_is_a_property():
    a, b = Value(1.0), Value(2.0)
    assert (b * a)._prev == (b, a)
    assert (a + a)._prev == (a, a)
    assert a._backward is not a._backward


def python_is_recent():
    assert sys.version_info >= (3, 11)
    assert 'python_requires=">=3.11"' in (Path(__file__).parents[1] / "setup.py").read_text(encoding="utf-8")


CLAIMS = [
    gradients_add_up_in_leaves_and_nowhere_else,
    numbers_are_those_of_pytorch,
    more_operations_and_derivatives_of_derivatives,
    backward_is_a_loop,
    a_graph_is_freed_without_the_collector,
    wrong_inputs_are_errors,
    exponents_and_comparisons,
    arrays_of_values,
    data_is_a_float,
    a_module_finds_its_parameters,
    a_print_of_many_lines,
    results_cannot_be_copied_but_leaves_can,
    a_number_is_a_constant_among_the_parents,
    minus_and_division_are_operations,
    a_weight_that_is_a_result,
    parents_are_a_tuple_and_backward_is_a_property,
    python_is_recent,
]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_a_line_of_the_list(claim):
    claim()


def test_the_list_has_no_other_lines():
    assert len(re.findall(r"^- ", SECTION, re.MULTILINE)) == len(CLAIMS)


def test_a_seed_gives_the_network_of_before():
    """As drawn by 0.1.0: weights of each neuron in turn, then a bias of 0."""
    random.seed(1337)
    drawn = [p.data for p in MLP(2, [2, 1]).parameters()]
    random.seed(1337)
    want = [x for n in (2, 2, 2) for x in [*(random.uniform(-1, 1) for _ in range(n)), 0.0]]
    assert drawn == want
    assert isinstance(MLP(2, [1]), Module)


def test_a_number_over_a_value():
    """PyTorch takes the reciprocal, and keeps it."""
    tiny, t = Value(1e-309), torch.tensor(1e-309, dtype=torch.float64)
    assert ((1e-300 / tiny).data, (1e-300 / t).item()) == (pytest.approx(1e9), math.inf)
    x, t = Value(2.0), torch.tensor(2.0, requires_grad=True)
    y, u = 3.0 / x, 3.0 / t
    x.data, t.data = 5.0, torch.tensor(5.0)
    y.backward()
    u.backward()
    assert t.grad is not None
    assert (x.grad, t.grad.item()) == (pytest.approx(-3 / 25), -0.75)
