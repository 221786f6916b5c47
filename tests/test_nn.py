"""The networks: what goes in and comes out, and what code for 0.1.0 relies on."""

import copy
import pickle
import random

import numpy as np
import pytest
from programs import check

from micrograd import Value
from micrograd.nn import MLP, Layer, Module, Neuron


def test_a_seed_gives_the_network_of_0_1_0():
    random.seed(1337)
    model = MLP(2, [3, 1])
    random.seed(1337)
    draws = [random.uniform(-1, 1) for _ in range(9)]
    assert [p.data for p in model.parameters()] == [
        *draws[:2],
        0,
        *draws[2:4],
        0,
        *draws[4:6],
        0,
        *draws[6:],
        0,
    ]
    assert len(MLP(2, [16, 16, 1]).parameters()) == 337


def test_reprs():
    assert repr(Neuron(2)) == "ReLUNeuron(2)"
    assert repr(Neuron(2, nonlin=False)) == "LinearNeuron(2)"
    assert repr(Neuron(2, "tanh")) == "TanhNeuron(2)"


def test_a_layer_of_one_returns_the_value_itself():
    assert isinstance(Layer(2, 1)([1, 2]), Value)
    assert len(Layer(2, 3)([1, 2])) == 3
    assert isinstance(MLP(2, [1, 1])([1, 2]), Value)


@pytest.mark.parametrize(
    "x",
    [
        [Value(1), Value(2)],
        (1, 2),
        np.array([1.0, 2.0]),
        np.array([1, 2]),
        map(float, "12"),
        [np.float32(1), 2],
    ],
    ids=lambda x: type(x).__name__,
)
def test_inputs(x):
    random.seed(0)
    layer = Layer(2, 2)
    want = [n.w[0].data + 2 * n.w[1].data for n in layer.neurons]
    assert [out.data for out in layer(x)] == pytest.approx([max(0, w) for w in want])


def test_one_input_needs_no_sequence():
    neuron = Neuron(1, nonlin=False)
    assert neuron(3).data == neuron(Value(3)).data == neuron([3]).data == 3 * neuron.w[0].data


def test_zero_grad():
    model = MLP(2, [2, 1])
    model([1, 2]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())
    assert Module().parameters() == []


@pytest.mark.parametrize("roundtrip", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_a_model_can_be_copied(roundtrip):
    model = MLP(2, [3, 1], nonlin="tanh")
    model([1, 2]).backward()
    twin = roundtrip(model)
    assert [(p.data, p.grad) for p in twin.parameters()] == [(p.data, p.grad) for p in model.parameters()]
    assert twin([3, 4]).data == model([3, 4]).data
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}


def softplus(v):
    return (1 + v.exp()).log()


@pytest.mark.parametrize("nonlin", [Value.exp, softplus])
def test_an_activation_of_ones_own(nonlin):
    random.seed(2)
    model = MLP(2, [3, 1], nonlin=nonlin)
    hidden = [nonlin(n.w[0] * 0.5 + n.w[1] * -1 + n.b) for n in model.layers[0].neurons]
    [last] = model.layers[1].neurons
    want = sum((w * h for w, h in zip(last.w, hidden)), last.b)
    assert model([0.5, -1]).data == pytest.approx(want.data, rel=1e-14)
    assert repr(model.layers[0].neurons[0]) == f"{nonlin.__name__.capitalize()}Neuron(2)"
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    check(lambda: model([0.5, -1]), model.parameters())


def test_an_activation_of_a_subclass_or_put_into_value(monkeypatch):
    monkeypatch.setattr(Value, "relu", lambda v: v * 7)
    neuron = Neuron(1)
    neuron.w[0].data = 1.0
    assert neuron([-1.0]).data == -7.0


def test_one_input_may_be_an_array_of_no_dimension():
    neuron = Neuron(1, nonlin=False)
    assert neuron(np.array(3.0)).data == neuron(3.0).data
    assert neuron([np.array(3.0)]).data == neuron(3.0).data
