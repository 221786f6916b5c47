"""How a model's parameters are found, named, saved and loaded: against torch.nn."""

import json
import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from micrograd import Value
from micrograd.nn import MLP, Layer, Module, Neuron

ACTIVATIONS = {True: torch.nn.ReLU, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}


def sequential(sizes, nonlin):
    """The torch.nn.Sequential of Linear and activation modules that MLP is named after."""
    layers: list[torch.nn.Module] = []
    for i, (nin, nout) in enumerate(pairwise(sizes)):
        layers.append(torch.nn.Linear(nin, nout, dtype=torch.float64))
        if nonlin and i < len(sizes) - 2:
            layers.append(ACTIVATIONS[nonlin]())
    return torch.nn.Sequential(*layers)


def nested(f, tensor):
    return [nested(f, item) for item in tensor] if isinstance(tensor, list) else f(tensor)


@pytest.mark.parametrize("nonlin", [*ACTIVATIONS, False])
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_to_torch_and_back(nonlin, sizes, seed):
    random.seed(seed)
    model, reference = MLP(sizes[0], sizes[1:], nonlin=nonlin), sequential(sizes, nonlin)
    for p in model.parameters():
        p.data += random.uniform(-0.1, 0.1)  # biases too
    state = json.loads(json.dumps(model.state_dict()))
    reference.load_state_dict({name: torch.tensor(x, dtype=torch.float64) for name, x in state.items()})
    x = [random.uniform(-1, 1) for _ in range(sizes[0])]
    out = model(x)
    outs, want = out if isinstance(out, list) else [out], reference(torch.tensor(x, dtype=torch.float64))
    assert [v.data for v in outs] == pytest.approx(want.tolist(), rel=1e-12, abs=1e-15)
    sum((i + 1) * v * v for i, v in enumerate(outs)).backward()
    (torch.arange(1, len(outs) + 1) * want * want).sum().backward()
    for (name, tensor), (_, parameter) in zip(model.named_parameters(), reference.named_parameters(), strict=True):
        got = torch.tensor(nested(lambda v: v.grad, tensor), dtype=torch.float64)
        assert torch.allclose(got, parameter.grad, rtol=1e-12, atol=1e-13), name
    twin = MLP(sizes[0], sizes[1:], nonlin=nonlin)
    twin.load_state_dict(reference.state_dict())
    assert twin.state_dict() == state
    assert [p.data for p in twin.parameters()] == [p.data for p in model.parameters()]


def test_a_layer_and_a_neuron_are_named_after_linear():
    for module, reference in (Layer(3, 2), torch.nn.Linear(3, 2)), (Neuron(3), torch.nn.Linear(3, 1)):
        state = {name: tuple(torch.tensor(x).shape) for name, x in module.state_dict().items()}
        assert state == {name: tuple(x.shape) for name, x in reference.state_dict().items()}


class Block(Module):
    def __init__(self):
        self.matrix = [[Value(1), Value(2)], [Value(3), Value(4)]]
        self.size = 2
        self.name = "block"


class Net(Module):
    def __init__(self):
        self.scale = Value(0.5)
        self.blocks = [Block(), Block()]
        self.heads = {"a": Layer(2, 1), "b": (Value(7), Value(8))}
        self.ragged = [[Value(9)], [Value(10), Value(11)]]
        self.tied = self.blocks[0].matrix
        self.kept = [self.scale * 2]  # a result
        self.parent = self
        self.empty = []


def test_parameters_are_found():
    net = Net()
    del net.parent
    assert list(net.state_dict()) == [
        "scale",
        "blocks.0.matrix",
        "blocks.1.matrix",
        "heads.a.weight",
        "heads.a.bias",
        "heads.b",
        "ragged.0",
        "ragged.1",
        "tied",
    ]
    assert net.state_dict()["tied"] == [[1, 2], [3, 4]]
    assert len(net.parameters()) == 1 + 8 + 3 + 2 + 3  # those tied once, the result not
    assert net.parameters()[:5] == [net.scale, *net.blocks[0].matrix[0], *net.blocks[0].matrix[1]]
    sum(net.parameters(), Value(0)).backward()
    net.zero_grad()
    assert not any(p.grad for p in net.parameters())


def test_a_module_may_know_its_parent():
    net = Net()
    assert len(net.parameters()) == 17


class Old(Module):
    """As in 0.1.0: the class lists its parameters."""

    def __init__(self):
        self.hidden = [Value(1), Value(2)]

    def parameters(self):
        return self.hidden[:1]


def test_a_class_that_lists_its_parameters():
    class Pair(Module):
        def __init__(self):
            self.old, self.bias = Old(), Value(3)

    assert [p.data for p in Pair().parameters()] == [1, 3]


def test_parameters_without_a_name_are_not_lost():
    class Scaled(MLP):
        def __init__(self):
            super().__init__(2, [2, 1])
            self.scale = Value(2)

    model = Scaled()
    assert model.scale in model.parameters()
    with pytest.raises(TypeError, match=r"Scaled.named_parameters\(\) leaves out 1"):
        model.state_dict()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("0.bias"), r"no state of MLP: 0.bias is missing$"),
        (lambda s: s.update(x=1.0), r"x is not a parameter$"),
        (lambda s: s.update({"0.bias": [1.0]}), r"0.bias should be numbers of shape \(2,\), got \[1.0\]"),
        (lambda s: s.update({"0.weight": [[1.0, 2.0], [3.0]]}), r"0.weight should be numbers of shape \(2, 2\)"),
        (lambda s: s.update({"0.weight": [1.0] * 4}), r"shape \(2, 2\)"),
        (lambda s: s.update({"2.bias": ["a"]}), r"2.bias should be numbers of shape \(1,\), got \['a'\]"),
        (lambda s: s.update({"2.weight": [[None, 1.0]]}), r"got \[\[None, 1.0\]\]"),
        (lambda s: (s.pop("0.bias"), s.update(x=1.0)), r"0.bias is missing; x is not a parameter$"),
    ],
)
def test_a_state_of_something_else(change, words):
    model = MLP(2, [2, 1])
    before = model.state_dict()
    state = {name: [[9.0] * 2] * 2 if name == "0.weight" else x for name, x in model.state_dict().items()}
    change(state)
    with pytest.raises(ValueError, match=words):
        model.load_state_dict(state)
    assert model.state_dict() == before


def test_what_was_saved_is_a_copy():
    model = MLP(2, [2, 1])
    state = model.state_dict()
    model.parameters()[0].data += 1
    assert state != model.state_dict()
    model.load_state_dict(state)
    state["0.bias"][0] = 5.0
    assert model.layers[0].neurons[0].b.data == 0.0
