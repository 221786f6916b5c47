"""A graph costs little, may be deep, and goes away by itself."""

import gc
import sys
import weakref

import pytest
from programs import blocks_grown

from micrograd import Value


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_the_graph_is_freed_without_the_collector():
    setup = """
from programs import moons
from micrograd.__main__ import max_margin_loss
from micrograd.nn import MLP

model, (X, y) = MLP(2, [16, 16, 1]), moons(100)

def step():
    model.zero_grad()
    max_margin_loss(model, X, y)[0].backward()
"""
    assert blocks_grown(setup, 10, 30) < 1000  # one graph is some 300,000


def test_a_node_goes_with_its_last_reference(no_collector):
    for name in ("__neg__", "relu", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "__abs__"):
        out = getattr(Value(0.5), name)() ** 2 / 3 + 1
        out.backward()
        gone = weakref.ref(out)
        del out
        assert gone() is None, name


def test_a_chain_of_a_million_operations():
    x = Value(1e-6)
    out = Value(0)
    for _ in range(1_000_000):
        out = out + x
    out.backward()
    assert x.grad == 1_000_000
    del out


def test_a_node_has_no_dict_of_its_own():
    out = Value(1) * 2
    bare = sys.getsizeof(out)
    assert bare < 120  # a slot each for six things, and the headers
    assert not gc.is_tracked(out.data)
