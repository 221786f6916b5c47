"""How a model's parameters are found, named, saved and loaded: against torch.nn."""

import json
import random
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import micrograd
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
        self.endless = None


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


# ---- parameters never vanish without a word ----


@dataclass
class Point(Module):
    x: Value
    y: Value


@dataclass(frozen=True)
class Frozen(Module):
    x: int


@dataclass(slots=True)
class Slots(Module):
    w: Value
    b: list[Value]


@dataclass(slots=True, weakref_slot=True)
class Record:  # no Module
    w: Value


def holding(**attributes: Any) -> Module:
    module = Module()
    vars(module).update(attributes)
    return module


def test_parameters_in_containers_of_every_kind():
    a, b, c, d = (Value(x) for x in range(4))
    assert holding(x=Point(a, b), y=Record(c)).parameters() == [a, b, c]
    assert list(holding(x=Point(a, b), y=Record(c)).state_dict()) == ["x.x", "x.y", "y.w"]
    assert holding(x=deque([a, b])).state_dict() == {"x.0": 0.0, "x.1": 1.0}
    array = np.array([[a, b], [c, d]], dtype=object)
    assert holding(x=array).parameters() == [a, b, c, d]
    assert holding(x=array).state_dict() == {"x": [[0.0, 1.0], [2.0, 3.0]]}
    assert holding(x=np.array(a, dtype=object)).state_dict() == {"x": 0.0}
    assert holding(x=np.ones(3), y=b"abc", z="abc", w=range(10**9)).parameters() == []
    assert Slots(a, [b]).parameters() == [a, b]
    assert Slots(a, [b]).state_dict() == {"w": 0.0, "b": [1.0]}
    one, other = holding(w=a), holding(w=b)
    assert holding(x=[Frozen(1), Frozen(1)], y=[one, other]).parameters() == [a, b]


class Private(Module):
    __slots__ = ("__hidden", "open")

    def __init__(self) -> None:
        self.__hidden, self.open = Value(1), Value(2)


class Sequence(Module, list):
    """As of those who make their own torch.nn.Sequential."""


class Table(Module, dict):
    pass


def test_modules_that_are_containers_or_keep_secrets():
    assert [p.data for p in Private().parameters()] == [1, 2]
    for module in Sequence([Neuron(2), Neuron(1)]), Table(a=Neuron(2), b=Neuron(1)):
        vars(module)["scale"] = Value(3)
        assert len(module.parameters()) == 6
        assert len(module.state_dict()) == 5
    assert len(holding(x=Sequence([Value(1)])).parameters()) == 1


def test_equal_children_count_each():
    @dataclass(frozen=True)
    class Scale(Module):
        kind: str

        def __post_init__(self):
            object.__setattr__(self, "_w", [Value(1)])

    module = holding(children=[Scale("a"), Scale("a")])
    assert len(module.parameters()) == 2
    assert len(module.state_dict()) == 2


def test_parameters_in_a_set_have_no_names():
    a, b = Value(1), Value(2)
    module = holding(x={a, b})
    assert {*module.parameters()} == {a, b}
    with pytest.raises(TypeError, match=r"leaves out 2 of its parameters \(those in a set have no name"):
        module.state_dict()


def test_what_is_in_itself():
    net = Net()
    assert len(net.state_dict()) == 9
    vars(net.blocks[0])["owner"] = net
    endless: list[Any] = [Value(1)]
    endless.append(endless)
    vars(net)["endless"] = endless
    assert len(net.parameters()) == 18
    assert len(net.state_dict()) == 10
    assert net.state_dict()["endless.0"] == 1.0
    net.load_state_dict(net.state_dict())


def test_a_class_that_adds_to_what_it_lists():
    class More(MLP):
        def parameters(self):
            return [*super().parameters(), extra]

    extra = Value(1)
    assert More(2, [1]).parameters()[-1] is extra
    assert holding(x=More(2, [1])).parameters()[-1] is extra


def test_neuron_layer_and_mlp_list_what_became_of_their_parameters():
    """As in 0.1.0."""
    model = MLP(2, [2, 1])
    neuron = model.layers[0].neurons[0]
    sum(model([1, 2]) for _ in range(2)).backward()
    neuron.b = neuron.b - 0.05 * neuron.b.grad
    neuron.w = [w - 0.05 * w.grad for w in neuron.w]
    for module in neuron, model.layers[0], model, holding(model=model):
        assert module.parameters()[:3] == [*neuron.w, neuron.b]
        assert module.state_dict()
    assert len(model.parameters()) == 9
    assert neuron.w[0].data in model.state_dict()["0.weight"][0]


@pytest.mark.parametrize(
    "lost",
    [
        lambda: {"w": [0.1 * Value(1), 0.1 * Value(2)]},
        lambda: {"w": Value(1) - 0.05 * Value(2)},
        lambda: {"w": (v := Value(2)) * v},
        lambda: {"w": {"a": (Value(1).exp(),)}, "b": Value(2)},
    ],
)
def test_a_weight_that_was_computed_is_warned_of(lost):
    module = holding(**lost())
    with pytest.warns(UserWarning, match=r"holds Value\(.*\), a result of .* that depends on no parameter"):
        module.parameters()


def test_results_that_are_kept_are_not_warned_of():
    w = Value(2)
    assert holding(w=w, last_loss=(w * 3 - 1) ** 2, history=[w * 2, w.exp()]).parameters() == [w]
    loss = micrograd.compile(lambda: w * w)
    assert holding(w=w, last_loss=loss()).parameters() == [w]


def test_a_state_is_made_of_floats():
    model = MLP(1, [1])
    model.parameters()[0].data = np.float32(0.5)
    model.parameters()[1].data = 2
    assert model.state_dict() == {"0.weight": [[0.5]], "0.bias": [2.0]}
    assert {type(x) for x in (model.state_dict()["0.weight"][0][0], model.state_dict()["0.bias"][0])} == {float}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("0.bias"), r"no state of MLP: 0.bias is missing$"),
        (lambda s: s.update(x=1.0), r"x is not a parameter$"),
        (lambda s: s.update({"0.bias": [1.0]}), r"0.bias should be numbers of shape \(2,\), got \(1,\)"),
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


def test_a_module_of_ones_own_shows_what_is_in_it():
    class Line(Module):
        def __init__(self):
            self.slope, self.offsets, self.name = Value(1.0), [Value(0.0), Value(0.0)], "line"

    class Net(Module):
        def __init__(self):
            self.body, self.lines, self.table = Neuron(2, False), [Line()], {"k": Value(1.0)}
            self.again, self.me, self.loss = self.body, self, self.table["k"] * 2

    assert (
        repr(Net())
        == """Net(  # 7 parameters
  (body): LinearNeuron(2)  # 3 parameters
  (lines): list(  # 3 parameters
    (0): Line(  # 3 parameters
      (slope): Value  # 1 parameter
      (offsets): list  # 2 parameters
    )
  )
  (table): dict(  # 1 parameter
    (k): Value  # 1 parameter
  )
  (again): LinearNeuron(2)  # 3 parameters
  (me): ...
)"""
    )
    assert repr(Module()) == "Module()  # 0 parameters"


def test_neighbours_that_are_alike_are_shown_once():
    assert (
        repr(MLP(2, [4, 4, 4]))
        == """MLP(  # 52 parameters
  (layers): list(  # 52 parameters
    (0): Layer(  # 12 parameters
      (neurons): list(  # 12 parameters
        (0-3): 4 x ReLUNeuron(2)  # 3 parameters each
      )
    )
    (1): Layer(  # 20 parameters
      (neurons): list(  # 20 parameters
        (0-3): 4 x ReLUNeuron(4)  # 5 parameters each
      )
    )
    (2): Layer(  # 20 parameters
      (neurons): list(  # 20 parameters
        (0-3): 4 x LinearNeuron(4)  # 5 parameters each
      )
    )
  )
)"""
    )
    lines = repr(MLP(2, [2, 2, 2, 2])).splitlines()
    assert "    (0-2): 3 x Layer(  # 6 parameters each" in lines

    class Pair(Module):
        def __init__(self):
            self.a, self.b = Neuron(1), Neuron(1)  # neighbours, but with names

    assert repr(Pair()).count("ReLUNeuron(1)  # 2 parameters\n") == 2
