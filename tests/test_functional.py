"""The losses against PyTorch's, and the compiled form against the eager one."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from programs import agree, leaf

import micrograd
import micrograd.functional as F
from micrograd import Value

numbers = st.one_of(st.floats(-50, 50), st.sampled_from([0.0, -0.0, 1.0, 1e4, -1e4]))


def max_margin(scores, targets):
    return (1 - targets * scores).relu().mean()


TORCH: dict[str, Callable[..., torch.Tensor]] = {
    "softmax": lambda x: torch.softmax(x, 0),
    "log_softmax": lambda x: torch.log_softmax(x, 0),
    "cross_entropy": torch.nn.functional.cross_entropy,
    "mse_loss": torch.nn.functional.mse_loss,
    "hinge_loss": max_margin,
    "binary_cross_entropy_with_logits": torch.nn.functional.binary_cross_entropy_with_logits,
}
TARGETS = {
    "mse_loss": st.floats(-50, 50),
    "hinge_loss": st.sampled_from([-1.0, 1.0]),
    "binary_cross_entropy_with_logits": st.floats(0, 1),
}


def results(out):
    """The results, and one number made of all of them."""
    outs = out if isinstance(out, list) else [out]
    return outs, sum(weight * x for weight, x in zip([1.0, -2.0, 0.5, 3.0, 1.5, -0.25], outs))


def check(name, inputs, *others):
    """Eager and compiled against PyTorch: results, and the gradients of all inputs."""
    reference = torch.tensor(inputs, dtype=torch.float64, requires_grad=True)
    targets = [torch.tensor(x) if isinstance(x, int) else torch.tensor(x, dtype=torch.float64) for x in others]
    want = TORCH[name](reference, *targets)
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 1.5, -0.25], dtype=torch.float64)
    whole = want if want.ndim == 0 else (weights[: len(inputs)] * want).sum()
    (gradient,) = torch.autograd.grad(whole, reference)
    for function in getattr(F, name), micrograd.compile(getattr(F, name)):
        leaves = [Value(x) for x in inputs]
        outs, total = results(function(leaves, *others))
        total.backward()
        assert [x.data for x in outs] == pytest.approx(want.reshape(-1).tolist(), rel=1e-10, abs=1e-11)
        assert [x.grad for x in leaves] == pytest.approx(gradient.tolist(), rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@given(st.lists(numbers, min_size=1, max_size=6))
def test_softmax(name, logits):
    check(name, logits)


@given(st.data(), st.lists(numbers, min_size=1, max_size=6))
def test_cross_entropy_with_an_index(data, logits):
    check("cross_entropy", logits, data.draw(st.integers(0, len(logits) - 1)))


@given(st.data(), st.lists(numbers, min_size=1, max_size=6))
def test_cross_entropy_with_probabilities(data, logits):
    weights = data.draw(st.lists(st.floats(0.1, 1), min_size=len(logits), max_size=len(logits)))
    check("cross_entropy", logits, [w / sum(weights) for w in weights])


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data(), inputs=st.lists(numbers, min_size=1, max_size=6))
def test_losses_of_a_batch(name, data, inputs):
    check(name, inputs, data.draw(st.lists(TARGETS[name], min_size=len(inputs), max_size=len(inputs))))


def test_logits_of_ten_thousand():
    check("cross_entropy", [1e4, -1e4, 0.0], 1)
    check("binary_cross_entropy_with_logits", [1e4, -1e4, 1e4], [0.0, 1.0, 1.0])
    check("log_softmax", [-1e4, 1e4])


def test_a_class_masked_out():
    check("cross_entropy", [0.0, float("-inf"), 1.0], 0)


def test_ties_and_kinks():
    check("softmax", [2.0, 2.0, 2.0])
    check("hinge_loss", [1.0, -1.0, 0.0], [1.0, -1.0, 1.0])
    check("binary_cross_entropy_with_logits", [0.0, -0.0], [1.0, 0.25])


def test_numbers_and_arrays_and_iterators():
    assert F.mse_loss([1, 2.0], np.array([0, 4])).data == 2.5
    assert F.mse_loss(iter([1]), (Value(3),)).data == 4.0
    assert sum(p.data for p in F.softmax([1, 2, 3])) == pytest.approx(1)
    assert F.cross_entropy([0.0, 0.0], np.int64(1)).data == pytest.approx(np.log(2))


@pytest.mark.parametrize("index", [np.int64(1), np.array(1), torch.tensor(1)], ids=lambda x: type(x).__name__)
def test_an_index_of_every_kind(index):
    assert F.cross_entropy([0.1, 0.7], index).data == F.cross_entropy([0.1, 0.7], 1).data


def test_binary_cross_entropy_at_infinite_logits():
    for x in (math.inf, -math.inf, 1e308, -1e308, math.nan):
        for t in (0.0, 0.25, 1.0):
            logit, reference = Value(x), leaf(x)
            loss = F.binary_cross_entropy_with_logits([logit], [t])
            want = TORCH["binary_cross_entropy_with_logits"](reference[None], torch.tensor([t], dtype=torch.float64))
            loss.backward()
            want.backward()
            agree([loss.data, logit.grad], [want.item(), reference.grad.item()])


def test_second_derivatives():
    x, y = (Value(Value(n)) for n in (0.3, -1.2))
    F.cross_entropy([x, y], 0).backward()
    x.grad.backward()
    p = F.softmax([0.3, -1.2])[0].data
    assert x.data.grad == pytest.approx(p * (1 - p), rel=1e-12)


def test_an_index_may_be_an_argument_of_a_compiled_function():
    logits = [Value(x) for x in (0.1, 0.7, -0.3)]
    loss = micrograd.compile(lambda target: F.cross_entropy(logits, target))
    assert [loss(i).data for i in range(3)] == pytest.approx([F.cross_entropy(logits, i).data for i in range(3)])
    assert len(loss._calls) == 1  # one program for all of them
    assert np.isnan([loss(i).data for i in (3, -1, 0.5)]).all()
