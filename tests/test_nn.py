"""The networks: against torch.nn with the same weights, and what code for 0.1.0 relies on."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch

from micrograd import Value
from micrograd.nn import MLP, Layer, Module, Neuron

TORCH_ACTIVATIONS = {
    True: torch.nn.ReLU,
    False: torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
}


def as_torch(model, nonlin):
    layers = []
    for i, layer in enumerate(model.layers):
        linear = torch.nn.Linear(len(layer.neurons[0].w), len(layer.neurons), dtype=torch.float64)
        with torch.no_grad():
            linear.weight[:] = torch.tensor([[w.data for w in n.w] for n in layer.neurons], dtype=torch.float64)
            linear.bias[:] = torch.tensor([n.b.data for n in layer.neurons], dtype=torch.float64)
        layers += [linear, TORCH_ACTIVATIONS[nonlin if i < len(model.layers) - 1 else False]()]
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize("nonlin", TORCH_ACTIVATIONS)
def test_mlp_agrees_with_torch_nn(nonlin):
    random.seed(7)
    model = MLP(3, [5, 4, 2], nonlin=nonlin)
    for p in model.parameters():
        p.data += random.uniform(-0.1, 0.1)  # biases too
    reference = as_torch(model, nonlin)
    x = [0.3, -1.2, 0.8]
    a, b = model(x)
    (a * b + a).backward()
    t, u = reference(torch.tensor(x, dtype=torch.float64))
    (t * u + t).backward()
    assert [a.data, b.data] == pytest.approx([t.item(), u.item()], rel=1e-12)
    got = [p.grad for p in model.parameters()]
    want = []
    for linear in reference[::2]:
        for weights, bias in zip(linear.weight.grad, linear.bias.grad):
            want += [*weights.tolist(), bias.item()]
    assert got == pytest.approx(want, rel=1e-12)


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
    assert repr(Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(MLP(2, [1, 1])) == "MLP of [Layer of [ReLUNeuron(2)], Layer of [LinearNeuron(1)]]"


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


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("make", [Neuron, lambda nin: Layer(nin, 4), lambda nin: MLP(nin, [4, 1])])
def test_a_wrong_number_of_inputs(make, n):
    with pytest.raises(ValueError, match=f"2 inputs, got {n}"):
        make(2)([1.0] * n)


@pytest.mark.parametrize("make", [lambda: Neuron(0), lambda: Layer(0, 2), lambda: Layer(2, 0), lambda: MLP(2, [3, -1])])
def test_sizes_below_one(make):
    with pytest.raises(ValueError, match="at least 1"):
        make()


def test_an_unknown_activation():
    with pytest.raises(ValueError, match=r"'tanh'.*got 'swish'"):
        MLP(2, [2, 1], nonlin="swish")


@pytest.mark.parametrize("roundtrip", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_a_model_can_be_copied(roundtrip):
    model = MLP(2, [3, 1], nonlin="tanh")
    model([1, 2]).backward()
    twin = roundtrip(model)
    assert [(p.data, p.grad) for p in twin.parameters()] == [(p.data, p.grad) for p in model.parameters()]
    assert twin([3, 4]).data == model([3, 4]).data
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}
