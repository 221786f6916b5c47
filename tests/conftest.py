"""Settings for all tests."""

import os
import random

import pytest
from hypothesis import settings

from micrograd.compiler import machine
from micrograd.nn import MLP

# The same examples in every run, so that a red test is a change of ours; `nightly` looks for new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def tensors(monkeypatch):
    """Programs of tensors, also where plain floats would be faster."""
    monkeypatch.setattr("micrograd.compiler.call.is_narrow", lambda written: False)


@pytest.fixture(params=["tensors", "tensors in NumPy", "floats", "floats in Python"])
def either(request, monkeypatch):
    """Programs of tensors, and programs of plain floats wherever that is possible; as machine code, and not."""
    if request.param.startswith("floats"):
        monkeypatch.setattr("micrograd.compiler.cost.OPERATION", 0.0)
    else:
        request.getfixturevalue("tensors")
    found = None if " in " in request.param else machine
    monkeypatch.setattr("micrograd.compiler.tensors.machine", lambda: found)
    monkeypatch.setattr("micrograd.compiler.floats.machine", lambda: found)
    monkeypatch.setattr("micrograd.compiler.floats.FEW", 0)


@pytest.fixture
def model():
    """A small network whose biases are not zero."""
    random.seed(3)
    model = MLP(3, [4, 2], nonlin="tanh")
    for p in model.parameters():
        p.data += random.uniform(-0.2, 0.2)
    return model
