"""The optimisers against torch.optim, step by step."""

import json
import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from programs import leaf

import micrograd.optim
from micrograd import Value
from micrograd.compiler.home import MANY
from micrograd.optim import SGD, Adam, AdamW

rates = st.floats(1e-4, 0.2)
decays = st.sampled_from([0.0, 0.01, 0.3])
sgd = st.fixed_dictionaries(
    {"lr": rates, "momentum": st.sampled_from([0.5, 0.9]), "weight_decay": decays, "nesterov": st.booleans()}
) | st.fixed_dictionaries({"lr": rates, "weight_decay": decays})
adam = st.fixed_dictionaries(
    {"lr": rates},
    optional={
        "betas": st.sampled_from([(0.5, 0.9), (0.0, 0.0), (0.9, 0.99)]),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": decays,
        "amsgrad": st.booleans(),
    },
)
combinations = st.tuples(st.just(SGD), sgd) | st.tuples(st.just(Adam), adam) | st.tuples(st.just(AdamW), adam)


def loss(a, b, c):
    """Gradients that change their sign but stay small, and one that is zero."""
    return (a * 1.5 + b).sin() + (b - a).tanh() * 0.5 + c * 0.0


def train(optimizer, params, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss(*params).backward()
        optimizer.step()
        yield [float(p.data) for p in params]


@given(combinations)
def test_fifty_steps_as_in_torch(combination):
    kind, options = combination
    params = [Value(x) for x in (0.3, -1.2, 2.0)]
    reference = [leaf(p.data) for p in params]
    ours = kind(params, **options)
    theirs = getattr(torch.optim, kind.__name__)(reference, **options)
    for got, want in zip(train(ours, params, 50), train(theirs, reference, 50)):
        assert got == pytest.approx(want, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_defaults_as_in_torch(kind):
    params = [Value(x) for x in (0.3, -1.2, 2.0)]
    reference = [leaf(p.data) for p in params]
    theirs = getattr(torch.optim, kind.__name__)(reference)
    ours = kind(params)
    for name in ours.options:
        assert getattr(ours, name) == theirs.defaults[name], name
    assert list(train(ours, params, 5))[-1] == pytest.approx(list(train(theirs, reference, 5))[-1], rel=1e-12)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_options_may_change_at_any_time(kind):
    params = [Value(x) for x in (0.3, -1.2, 2.0)]
    reference = [leaf(p.data) for p in params]
    ours, theirs = kind(params, 0.1), getattr(torch.optim, kind.__name__)(reference, 0.1)
    for lr in 0.1, 0.01, 0.0, 0.2:
        ours.lr = theirs.param_groups[0]["lr"] = lr
        assert ours.lr == lr
        assert list(train(ours, params, 5))[-1] == pytest.approx(list(train(theirs, reference, 5))[-1], rel=1e-12)


def test_special_values_as_in_torch():
    for gradient in 0.0, math.inf, math.nan, 1e200:
        p, reference = Value(1.0), leaf(1.0)
        p.grad, reference.grad = gradient, torch.tensor(gradient, dtype=torch.float64)
        for amsgrad in False, True:
            Adam([p], eps=0.0, amsgrad=amsgrad).step()
            torch.optim.Adam([reference], eps=0.0, amsgrad=amsgrad).step()
            assert p.data == pytest.approx(reference.item(), rel=1e-12, nan_ok=True)


@given(combinations, st.integers(0, 5))
def test_training_resumes_to_the_same_numbers(combination, steps):
    kind, options = combination
    params = [Value(x) for x in (0.3, -1.2, 2.0)]
    optimizer = kind(params, **options)
    list(train(optimizer, params, steps))
    optimizer.lr *= 0.5
    saved = json.dumps(optimizer.state_dict())
    twins = [Value(p.data) for p in params]
    other = kind(twins, lr=0.7)
    other.load_state_dict(json.loads(saved))
    assert list(train(other, twins, 5)) == list(train(optimizer, params, 5))
    assert json.dumps(optimizer.state_dict()) != saved  # what was saved is a copy


def test_a_parameter_is_anything_with_data_and_grad():
    class Parameter:
        data, grad = 1.0, 0.5

    p = Parameter()
    SGD(iter([p]), lr=0.1).step()
    assert p.data == 0.95
    x = Value(Value(1.0))  # even of another kind of number
    (x * x).backward()
    Adam([x], lr=0.1).step()
    assert x.data.data == pytest.approx(0.9)


def test_a_step_does_all_or_nothing():
    class Stubborn:
        grad, moves = 1.0, 0

        @property
        def data(self):
            return 1.0

        @data.setter
        def data(self, x):
            self.moves += 1
            if self.moves == 1:
                raise KeyboardInterrupt

    a, b = Value(1.0), Stubborn()
    a.grad = 1.0
    optimizer = SGD([a, b], lr=0.5, momentum=0.5)
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert a.data == 1.0
    assert optimizer.state_dict()["state"] == {"momentum_buffer": [0.0, 0.0]}
    optimizer.step()
    assert a.data == 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("steps"), "expected options, steps, state; got options, state"),
        (lambda s: s["options"].pop("lr"), "the options of SGD are lr, momentum, weight_decay, nesterov; got momentum"),
        (lambda s: s.update(Adam([Value(1.0)]).state_dict()), "the options of SGD are .*; got lr, betas"),
        (lambda s: s["state"].update(exp_avg=[0.0]), "the state of SGD are momentum_buffer; got"),
        (lambda s: s["state"].update(momentum_buffer=[0.0] * 3), "there are 1 parameters; .* saved for 3"),
        (lambda s: s.update(steps=[0, 0]), "there are 1 parameters; steps was saved for 2"),
        (lambda s: s["options"].update(lr=-1.0), "lr must be 0 or more"),
        (lambda s: s["options"].update(nesterov=True), "nesterov needs a momentum above 0, got momentum=0.0"),
    ],
)
def test_a_state_of_something_else(change, words):
    optimizer = SGD([Value(1.0)], lr=0.1)
    saved = optimizer.state_dict()
    change(saved)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict(saved)
    assert optimizer.state_dict() == before


@pytest.mark.parametrize(
    ("name", "x", "error", "words"),
    [
        ("steps", "x", TypeError, "expected one real number, got 'x'"),
        ("steps", -1, ValueError, "steps must be whole numbers, 0 or more, got -1"),
        ("steps", 0.5, ValueError, "steps must be whole numbers"),
        ("exp_avg", None, TypeError, "expected one real number, got None"),
        ("exp_avg", {1: 2}, TypeError, "exp_avg is a list of numbers, got {1: 2}"),
        ("exp_avg_sq", -0.1, ValueError, "exp_avg_sq must be 0 or more, got -0.1"),
        ("max_exp_avg_sq", -0.1, ValueError, "max_exp_avg_sq must be 0 or more"),
    ],
)
def test_a_state_out_of_range(name, x, error, words):
    optimizer = Adam([Value(1.0)])
    before, saved = optimizer.state_dict(), optimizer.state_dict()
    saved["options"]["lr"] = 0.5
    (saved if name == "steps" else saved["state"])[name] = x if isinstance(x, dict) else [x]
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(saved)
    assert optimizer.state_dict() == before


@given(combinations, st.data())
def test_parameters_without_a_gradient_stay_as_in_torch(combination, data):
    kind, options = combination
    params = [Value(x) for x in (0.3, -1.2, 2.0)]
    reference = [leaf(p.data) for p in params]
    ours, theirs = kind(params, **options), getattr(torch.optim, kind.__name__)(reference, **options)
    ours.zero_grad()  # a new Value has a gradient of zero, a new tensor none
    for used in data.draw(st.lists(st.sets(st.sampled_from(range(3))), min_size=1, max_size=8)):
        to_none = data.draw(st.booleans())
        for optimizer, leaves in (ours, params), (theirs, reference):
            optimizer.zero_grad(set_to_none=to_none)
            sum((leaves[i] * (i + 0.5)).sin() for i in sorted(used) or [1]).backward()
            optimizer.step()
        assert [p.data for p in params] == pytest.approx([t.item() for t in reference], rel=1e-10, abs=1e-12)
        assert [p.grad is None for p in params] == [t.grad is None for t in reference]


def test_zero_grad():
    p = Value(1.0)
    p.grad = 2.0
    optimizer = SGD([p])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad == 0.0
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    assert p.data == 1.0
    (p * p).backward()
    assert p.grad == 2.0


@pytest.mark.parametrize("lr", [np.float32(0.5), np.array(0.5), np.float64(0.5), Fraction(1, 2), torch.tensor(0.5)])
def test_options_of_every_kind_of_number_are_floats(lr):
    for kind in SGD, Adam, AdamW:
        p = Value(1.0)
        p.grad = 0.5
        optimizer = kind([p], lr=lr)
        optimizer.step()
        optimizer.lr = lr
        optimizer.step()
        assert (type(optimizer.lr), type(p.data)) == (float, float)
        assert json.dumps(optimizer.state_dict())


def test_repr():
    assert repr(SGD([Value(1)], lr=0.5)) == "SGD(1 parameters, lr=0.5, momentum=0.0, weight_decay=0.0, nesterov=False)"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"weight_decay": 0.1}),
        ("Adam", {"amsgrad": True}),
        ("Adam", {"eps": 0.0}),
        ("AdamW", {"betas": (0.8, 0.9)}),
    ],
)
def test_many_parameters_at_once(name, options):
    """From `MANY` on they move in arrays: with PyTorch's numbers, and saved as lists of floats."""
    rng = random.Random(0)
    start = [rng.gauss(0, 1) for _ in range(3 * MANY)]
    ours, theirs = [Value(x) for x in start], torch.tensor(start, dtype=torch.float64, requires_grad=True)
    mine = getattr(micrograd.optim, name)(ours, lr=0.1, **options)
    other = getattr(torch.optim, name)([theirs], lr=0.1, **options)
    for step in range(6):
        gs = [rng.gauss(0, 1) * (step != 2) for _ in start]
        for p, g in zip(ours, gs):
            p.grad = g
        theirs.grad = torch.tensor(gs, dtype=torch.float64)
        if step == 3:  # go on from what was saved
            saved = json.loads(json.dumps(mine.state_dict()))
            mine = getattr(micrograd.optim, name)(ours)
            mine.load_state_dict(saved)
        mine.step()
        other.step()
        assert all(type(p.data) is float for p in ours)
        assert [p.data for p in ours] == pytest.approx(theirs.tolist(), rel=1e-10, abs=1e-12)
    ours[0].grad = None  # then the others move in a group
    before = ours[0].data
    mine.step()
    assert ours[0].data == before
    assert ours[1].data != pytest.approx(theirs.tolist()[1])
    assert all(type(x) is float for numbers in mine.state_dict()["state"].values() for x in numbers)


def test_many_parameters_of_another_kind_of_number():
    ours = [Value(Value(1.0)) for _ in range(MANY)]
    for p in ours:
        p.grad = Value(0.5)
    SGD(ours, lr=0.1, momentum=0.9).step()
    assert all(p.data.data == pytest.approx(0.95) for p in ours)


def test_numbers_stay_those_of_python_where_few_of_many_move():
    params = [Value(float(i)) for i in range(100)]
    optimiser = Adam(params, lr=0.1)
    for moving in (params, params[:3], params):
        optimiser.zero_grad()
        for p in moving:
            p.grad = 1.0
        optimiser.step()
        assert {type(p.data) for p in params} == {float}
        assert {type(x) for xs in optimiser.state_dict()["state"].values() for x in xs} == {float}
