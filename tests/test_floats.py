"""Programs of plain floats."""

import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from programs import agree, gradients, numbers

import micrograd
from micrograd import Value
from micrograd.compiler.floats import FloatProgram
from micrograd.nn import MLP
from micrograd.viz import draw_dot


def pendulum(steps):
    """The angle of a pendulum with friction after some steps of Runge and Kutta's method."""

    def slope(angle, speed, length, friction):
        return speed, -9.81 / length * angle.sin() - friction * speed

    def end(length, friction):
        angle, speed, dt = Value(1.0), Value(0.0), 0.05
        for _ in range(steps):
            a1, s1 = slope(angle, speed, length, friction)
            a2, s2 = slope(angle + a1 * (dt / 2), speed + s1 * (dt / 2), length, friction)
            a3, s3 = slope(angle + a2 * (dt / 2), speed + s2 * (dt / 2), length, friction)
            a4, s4 = slope(angle + a3 * dt, speed + s3 * dt, length, friction)
            angle = angle + (a1 + 2 * a2 + 2 * a3 + a4) * (dt / 6)
            speed = speed + (s1 + 2 * s2 + 2 * s3 + s4) * (dt / 6)
        return angle

    return end


def kind_of(compiled):
    return type(compiled.program)


def both(f, leaves, *args):
    """What a function and its compiled form compute."""
    compiled, found = micrograd.compile(f), []
    for function in (f, compiled):
        out = function(*args)
        out.backward()
        found.append([out.data, *gradients(leaves)])
    agree(found[1], found[0])
    return compiled


def test_a_small_formula():
    a, b = Value(-4.0), Value(2.0)
    compiled = both(lambda a, b: (a * b + b**3) / (a + b).tanh(), [a, b], a, b)
    text = str(compiled.program)
    assert text.startswith("<lambda>: 6 scalar operations became ")
    assert "lines of plain floats" in text
    assert "test_floats.py:" in text
    assert "math.tanh(" in text
    assert "math.pow(" in text


def test_a_recurrence():
    length, friction = Value(1.0), Value(0.1)
    compiled = both(pendulum(50), [length, friction], length, friction)
    assert kind_of(compiled) is FloatProgram
    assert compiled.program.operations > 1000


def test_what_is_wide_is_no_program_of_floats():
    model = MLP(2, [16, 1])
    compiled = micrograd.compile(lambda X: sum(model(x) ** 2 for x in X))
    compiled([[1.0, 2.0]] * 40)
    assert kind_of(compiled) is not FloatProgram
    batch = micrograd.compile(lambda X: sum(micrograd.vmap(model)(X)))
    batch([[1.0, 2.0]] * 3)
    assert kind_of(batch) is not FloatProgram


@pytest.mark.parametrize("fold", ["maximum", "sums"])
def test_what_is_narrow_on_the_way_back(fold):
    xs = [Value(0.01 * i) for i in range(60)]

    def f(xs):
        out, total = xs[0], xs[0]
        for x in xs[1:]:
            out = out.maximum(x) if fold == "maximum" else out + x
            total = total + (out if fold == "maximum" else out * out)
        return total

    assert kind_of(both(f, xs, xs)) is FloatProgram


def test_equal_ones_are_computed_once_and_what_is_used_once_stands_inside():
    a = Value(0.5)
    compiled = both(lambda x: (a + x).exp() * (x + a).exp() - (a * 2.0).sin().cos(), [a], 3.0)
    [exponential] = [line for line in compiled.program.source.split("def ")[1].splitlines() if "math.exp" in line]
    assert exponential.strip() == "t0 = math.exp(leaves_0 + x_0)"
    inside = micrograd.compile(lambda x: 1.0 - (a * 2.0 + x).sin().cos())
    inside(3.0)
    assert "t0 = 1.0 - math.cos(math.sin((leaves_0 * 2.0) + x_0))" in inside.program.source


def test_long_expressions_are_broken_into_lines():
    x = Value(0.5)

    def polynomial(x):
        out = x
        for i in range(100):
            out = out * x + 1.0 / (i + 1.0)
        return out

    compiled = both(polynomial, [x], x)
    assert kind_of(compiled) is FloatProgram
    assert max(len(line) for line in compiled.program.source.splitlines() if " = (" in line) < 160


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: 1.0 / x, 0.0),
        (lambda x: 1.0 / x, -0.0),
        (lambda x: x / (x - x), 1.0),
        (lambda x: x.log(), -1.0),
        (lambda x: x.log(), 0.0),
        (lambda x: x.exp(), 1000.0),
        (lambda x: x.sqrt(), -4.0),
        (lambda x: x.sin() + x.cos(), math.inf),
        (lambda x: x.sigmoid(), -1000.0),
        (lambda x: x ** (x / 24.0), -8.0),
        (lambda x: x**-3, 0.0),
        (lambda x: x**3, 1e200),
        (lambda x: x.maximum(1.0) + x.minimum(2.0) + x.relu() + abs(x), math.nan),
        (lambda x: x.maximum(x * 1.0), -0.0),
    ],
)
def test_the_corners_of_ieee_754(f, x):
    leaf = Value(x)
    compiled = both(lambda: f(leaf) * 1.0, [leaf])
    assert kind_of(compiled) is FloatProgram
    leaf.data = 0.75  # and back to where nothing raises
    plain = f(leaf) * 1.0
    assert compiled().data == pytest.approx(plain.data, rel=1e-15)


def test_the_source_runs_by_itself():
    a, b = Value(2.0), Value(0.0)
    compiled = micrograd.compile(lambda x: [a * x / b, (a + b).exp()])
    results = compiled(3.0)
    results[1].backward()
    namespace: dict[str, Any] = {}
    exec(compiled.program.source, namespace)
    leaves = [v.data for v in compiled.program.leaves]
    with pytest.raises(ZeroDivisionError):
        namespace["forward"](leaves, [3.0])
    found, (kept,) = namespace["careful_forward"](leaves, [3.0])
    assert found == [math.inf, math.exp(2.0)] == [v.data for v in results]
    assert namespace["backward"](leaves, [3.0], kept, [1.0]) == [math.exp(2.0)] * 2


def test_results_from_before_a_way_back_was_made():
    a, b = Value(0.5), Value(1.5)
    f = lambda: [(a * b).exp(), (a * b).sin() * b]  # noqa: E731
    compiled = micrograd.compile(f)
    early, plain = compiled(), f()
    for i in (0, 1):
        late = compiled()
        for results in (early, late):
            results[i].backward()
            got = gradients([a, b])
            plain[i].backward()
            agree(got, gradients([a, b]))
    (early[0] + early[1]).backward()
    got = gradients([a, b])
    (plain[0] + plain[1]).backward()
    agree(got, gradients([a, b]))


def test_any_kind_of_real_number_among_leaves_and_arguments():
    a = Value(0.5)
    compiled = micrograd.compile(lambda xs, y: sum((a * x).exp() for x in xs) * y)
    for data in (0.5, 2, np.float64(0.25), Fraction(1, 3)):
        a.data = data
        out = compiled([1, 2.0, Fraction(1, 2), np.float64(0.5)], np.array(3.0))
        assert type(out.data) is float
        assert out.data == pytest.approx(3.0 * sum(math.exp(float(data) * x) for x in (1, 2, 0.5, 0.5)), rel=1e-14)
    a.data = Value(1.0)
    with pytest.raises(TypeError, match="computes with plain numbers in Values"):
        compiled([1.0, 2.0, 3.0, 4.0], 1.0)
    a.data = 0.5


def test_its_picture_shows_its_lines():
    a, b = Value(0.5), Value(1.5)
    compiled = both(lambda: (a * b).exp() + a.sin(), [a, b])
    source = draw_dot(compiled.program).source
    assert "math.exp" in source
    assert "leaves_0" in source


def test_numbers_alone():
    a = Value(0.5)
    compiled = micrograd.compile(lambda x: {"loss": a * x, "twice": x * 2, "same": x, "known": 7})
    assert numbers(compiled(3.0)) == [1.5, 6.0, 3.0, 7.0]
    assert kind_of(compiled) is FloatProgram


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import array, random
import micrograd
from micrograd import Value, vmap
from micrograd.nn import MLP

random.seed(1)
model = MLP(2, [8, 8, 1])
X = [[random.uniform(-1, 1), random.uniform(-1, 1)] for _ in range(30)]
y = [1.0 if a * b > 0 else -1.0 for a, b in X]
scale = array.array("d", [1.0, 2.0])

def loop(X, y):
    return sum((1 - yi * model(x) * scale[0]).relu() for x, yi in zip(X, y)) / len(X)

def batch(X, y):
    return sum(vmap(lambda x, yi: (1 - yi * model(x) * scale[0]).relu())(X, y)) / len(X)

def found(f):
    model.zero_grad()
    out = f(X, y)
    out.backward()
    return [out.data, *(p.grad for p in model.parameters())]

for f in (loop, batch):
    compiled = micrograd.compile(f)
    for scale[0] in (1.0, 0.5):
        assert all(abs(a - b) < 1e-12 for a, b in zip(found(compiled), found(f)))
    assert compiled.program.kind.startswith("lines of plain floats"), compiled.program.kind
    assert len(compiled._order) == 2

def draws(x):
    scale.append(random.random())
    return model([x, x])

try:
    micrograd.compile(draws)(1.0)
except TypeError as error:
    print(error)
assert len(scale) == 3  # it has been done, once
"""


def test_without_numpy():
    done = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "draws changes scale, random: it has done so now, but the program would not do that again"
    )
