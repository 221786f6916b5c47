"""Random programs over all operations, four ways: eager, compiled, in PyTorch, and by central differences.

`HYPOTHESIS_PROFILE=nightly python -m pytest tests/test_fuzz.py` runs 20,000 of them.
"""

import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from programs import Program, close, ordinary, programs, torch_reference

import micrograd
from micrograd import Value
from micrograd.viz import trace

special = st.sampled_from([0.0, -0.0, 1 / 3, 710.0, math.inf, -math.inf, math.nan])


def run(function, xs):
    """The value of a function of Values, and its gradients."""
    leaves = [Value(x) for x in xs]
    out = function(leaves)
    out.backward()
    return [out.data, *(v.grad for v in leaves)]


def agree(got, want, nudged, what):
    """Equal, but for what rounding may do. Two correct ways differ in the last digit of an exp or in the order of a
    sum, and a program may blow that up: allow for as much as a result moves when the leaves do in their last digits."""
    for a, b, *others in zip(got, want, *nudged):
        slack = max(abs(other - b) for other in others)
        assert not slack < math.inf or close(a, b, 1e-9, 1e3 * slack + 1e-12), f"{what}: {a} is not {b}"


@pytest.mark.usefixtures("either")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(programs(max_lines=40, numbers=ordinary | special))
@example(Program([1.0], [("maximum", (0, 0)), ("**", (1, 0))]))
def test_eager_compiled_and_pytorch(program):
    want, *nudged = (torch_reference(program, nudge) for nudge in (0.0, 1e-14, -1e-14, 3e-15))
    agree(run(program, program.leaves), want, nudged, "eager")
    agree(run(micrograd.compile(program.__call__), program.leaves), want, nudged, "compiled")
    leaves = [Value(x) for x in program.leaves]
    out = micrograd.compile(lambda: program(leaves))()
    out.backward()
    agree([out.data, *(v.grad for v in leaves)], want, nudged, "compiled, closed over")


@given(programs(max_lines=12))
def test_central_differences(program):
    """Away from the sixteenths, where the kinks and ties are; and where the function is smooth enough to tell."""
    xs = [x + 0.0137 * math.pi * (i + 1) for i, x in enumerate(program.leaves)]
    value, *gradients = run(program, xs)
    nodes, _ = trace(program([Value(x) for x in xs]))
    largest = max(abs(node.data) for node in nodes)  # of what is added up, and may cancel
    for i, gradient in enumerate(gradients):

        def at(step, i=i):
            return program([Value(x + step * (j == i)) for j, x in enumerate(xs)]).data

        h = 1e-6
        slopes = [
            (at(h) - at(-h)) / (2 * h),
            (at(2 * h) - at(-2 * h)) / (4 * h),
            (at(h) - value) / h,
            (value - at(-h)) / h,
        ]
        scale = 1 + abs(slopes[0])
        noise = 1e-15 * (1 + largest) / h
        if all(map(math.isfinite, [gradient, *slopes])) and max(slopes) - min(slopes) < 1e-3 * scale > 100 * noise:
            assert close(gradient, slopes[0], 1e-2, 1e-2 * scale)
