"""Values as people expect them: what a number does, what a mistake says, and code written for 0.1.0."""

import math
import operator
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from programs import SPECIALS, leaf

import micrograd
from micrograd import Value, gradcheck, scalar
from micrograd.engine import Constant
from micrograd.nn import MLP


def test_a_format_is_that_of_the_number():
    v = Value(1 / 3)
    assert f"{v:.4f}" == "0.3333"
    assert f"{v:>8.1e}" == " 3.3e-01"
    assert f"{v}" == str(v) == repr(v)


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_are_those_of_the_numbers(compare):
    for x in SPECIALS:
        for y in SPECIALS:
            want = bool(compare(leaf(float(x)), leaf(float(y))))
            assert compare(Value(x), Value(y)) is want
            assert compare(Value(x), y) is want
            assert compare(x, Value(y)) is want
    assert compare(Value(Value(1.0)), 2) == compare(1, 2)


def test_what_compares_numbers_works():
    values = [Value(x) for x in (2, -1, 3)]
    assert max(values) is values[2]
    assert min(values) is values[1]
    assert sorted(values) == [values[1], values[0], values[2]]
    with pytest.raises(TypeError, match="'<' not supported"):
        operator.lt(Value(1), "2")
    with pytest.raises(TypeError, match="looks at a number"):
        micrograd.compile(lambda x: x if x > 0 else -x)(values[0])


def test_equality_is_identity():
    a, b = Value(1.0), Value(1.0)
    assert a != b
    assert len({a, b, a}) == 2


def test_plus_is_the_value_itself():
    v = Value(2)
    assert +v is v


@pytest.mark.parametrize(
    "take",
    [
        float,
        int,
        complex,
        round,
        math.exp,
        math.floor,
        lambda v: round(v, 2),
        lambda v: v % 2,
        lambda v: 7 % v,
        lambda v: v // 2,
        lambda v: 7 // v,
        lambda v: divmod(v, 2),
        "%.2f".__mod__,
        lambda v: np.array([v], dtype=float),
    ],
)
def test_what_would_leave_the_graph_says_what_to_write_instead(take):
    with pytest.raises(TypeError, match=r"would leave the graph.* v\.exp\(\); its plain number is v\.data"):
        take(Value(2.5))


@pytest.mark.parametrize("bad", ["1.5", b"1.5", [1.5], (1.5,)], ids=repr)
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
def test_a_string_or_a_list_in_arithmetic_is_named(operation, bad):
    for args in (Value(2), bad), (bad, Value(2)):
        with pytest.raises(TypeError) as error:
            operation(*args)
        assert f"expected one real number, got {bad!r} of type {type(bad).__name__}" == str(error.value)


def test_what_is_no_number_may_be_asked_itself():
    class Vector(list):
        def __rmul__(self, v):
            return Vector(v * x for x in self)

    product = operator.mul(Value(2), Vector([1, 3]))
    assert [x.data for x in product] == [2, 6]


def test_a_tensor_that_wants_a_gradient_is_refused():
    t = torch.tensor(3.0, requires_grad=True)
    for operation in (lambda: Value(2) * t, lambda: t * Value(2), lambda: Value(t), lambda: Value(2).maximum(t)):
        with pytest.raises(RuntimeError, match=r"tensor\.item\(\)"):
            operation()
    assert (Value(2) * t.detach()).data == 6


def test_every_operation_says_what_it_is():
    operations = [name for name in vars(Value) if callable(getattr(Value, name)) and not name.startswith("_")]
    assert {"exp", "maximum", "where_le"} <= {*operations}
    assert all(getattr(Value, name).__doc__ for name in [*operations, "__add__", "__pow__", "__neg__"])


def test_kinds_of_leaves():
    a = Value(2)
    two = (a * 2)._prev[1]
    assert isinstance(two, Constant)
    assert not isinstance(a, Constant)
    assert repr(two) == "Value(data=2.0, grad=0.0)"


def test_a_gradient_of_none_counts_as_zero():
    a, unused = Value(3), Value(1)
    a.grad = unused.grad = None
    (a * a).backward()
    assert (a.grad, unused.grad) == (6, None)
    a.grad = None
    micrograd.compile(lambda: a * a)().backward()
    assert a.grad == 6
    a.grad = None
    a.backward()
    assert a.grad == 1
    a.grad = None
    broken = a * 2
    broken._backward = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        broken.backward()
    assert a.grad is None


# ---- an operation of one's own ----


def softplus(x):
    """log(1 + exp(x)), whose derivative is the sigmoid."""
    return Value(scalar.relu(x.data) + scalar.log(1.0 + scalar.exp(-abs(x.data))), (x,), "softplus", softplus_backward)


def softplus_backward(out):
    x = out._prev[0]
    x.grad += out.grad * scalar.sigmoid(x.data)


def captured(x):
    """The same, with a closure that has the parent."""

    def backward(out):
        x.grad += out.grad * scalar.sigmoid(x.data)

    return Value(scalar.relu(x.data) + scalar.log(1.0 + scalar.exp(-abs(x.data))), (x,), "softplus", backward)


@pytest.mark.parametrize("operation", [softplus, captured])
def test_an_operation_of_ones_own(operation):
    from micrograd.viz import draw_dot, replay

    for x in (-2.0, 0.0, 0.7, 800.0):
        t = leaf(x)
        want = torch.nn.functional.softplus(t, threshold=30)
        want.backward()
        for way in operation, micrograd.compile(operation):
            v = Value(x)
            out = way(v)
            out.backward()
            assert (out.data, v.grad) == (pytest.approx(want.item(), rel=1e-12), pytest.approx(t.grad.item()))
    v = Value(Value(0.7))
    operation(v).backward()
    v.grad.backward()
    y = scalar.sigmoid(0.7)
    assert v.data.grad == pytest.approx(y * (1 - y))
    v, w = Value(0.7), Value(2.0)
    assert "softplus" in draw_dot(operation(v)).source
    page = replay(operation(v) * w).page
    assert f"{y:.4f} * 2.0" in page  # the local derivative
    assert v.grad == 0.0
    exported = micrograd.compile(lambda x: operation(x * w)).to_torch(0.3)
    out = exported(torch.tensor(0.3, dtype=torch.float64))
    out.backward()
    assert out.item() == pytest.approx(operation(Value(0.6)).data)
    assert exported.get_parameter("w").grad.item() == pytest.approx(0.3 * scalar.sigmoid(0.6))
    assert gradcheck(operation, [0.7])


def test_a_label_beside_an_operation():
    x = Value(2.0)
    out = Value(4.0, (x,), "twice", lambda out: None, label="y")
    assert (out.label, out._prev, out._op) == ("y", (x,), "twice")


# ---- gradcheck ----


def test_gradcheck_of_what_is_right():
    a, b = Value(0.3, label="a"), Value(-1.2)
    a.grad = 5.0
    assert gradcheck(lambda a, b: [(a * b).sin(), a / b, a.exp() ** b], [a, b])
    assert gradcheck(lambda a, b: a * b, [0.3, -1.2])
    model = MLP(2, [3, 1], nonlin="tanh")
    assert gradcheck(lambda *_: model([0.2, 0.4]) ** 2, model.parameters())
    assert gradcheck(micrograd.compile(lambda a, b: a * b + a), [a, b])
    assert (a.data, a.grad, b.data, b.grad) == (0.3, 5.0, -1.2, 0.0)


def wrong(x, y):
    """x * y with a mistake in the gradient of y."""

    def backward(out):
        x.grad += out.grad * y.data
        y.grad += out.grad * x.data * 1.5

    return Value(x.data * y.data, (x, y), "*", backward)


def test_gradcheck_of_what_is_wrong():
    a, b = Value(2.0), Value(3.0, label="b")
    a.grad, b.grad = 0.5, None
    with pytest.raises(
        RuntimeError, match=r"output 0 with respect to input 1 \(b\) is 3\.0 by .* differ by 1, and 0\.00"
    ):
        gradcheck(wrong, [a, b])
    assert (a.data, a.grad, b.data, b.grad) == (2.0, 0.5, 3.0, None)
    with pytest.raises(RuntimeError, match=r"input 0 \(0\.0\)"):
        gradcheck(Value.relu, [0.0])
    assert gradcheck(wrong, [a, b], atol=1.1)
    with pytest.raises(ValueError, match="without parents"):
        gradcheck(Value.exp, [a * 2])
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda v: v / 0 if v.data == 2.0 else 1 / 0, [a])
    assert a.data == 2.0


# ---- 0.1.0, and importing ----


def test_a_subclass_with_operations_of_its_own():
    """As in 0.1.0, where - and / and sums are made of the addition and the multiplication."""

    class Counting(Value):
        asked = 0

        def __add__(self, other):
            Counting.asked += 1
            return Counting((super().__add__(other)).data)

        def __mul__(self, other):
            Counting.asked += 1
            return Counting((super().__mul__(other)).data)

    def count(operation):
        Counting.asked = 0
        return operation(Counting(6.0)).data, Counting.asked

    assert count(lambda v: v + 1) == (7, 1)
    assert count(lambda v: 1 + v) == (7, 1)
    assert count(lambda v: v - 2) == (4, 1)
    assert count(lambda v: 2 - v) == (-4, 2)  # the negation, and the addition
    assert count(lambda v: -v) == (-6, 1)
    assert count(lambda v: v / 2) == (3, 1)
    assert count(lambda v: 3 / v) == (0.5, 0)  # 3 is made a Value first, and a power of v is one
    assert count(lambda v: sum([v, v])) == (12, 2)

    class Own(Counting):
        def __sub__(self, other):
            return "mine"

    assert Own(1) - 2 == "mine"


def test_star_imports():
    space = {"operator": "kept"}
    exec("from micrograd.engine import *", space)
    assert space["operator"] == "kept"
    assert {name for name in space if not name.startswith("__")} == {"operator", "Value"}
    exec("from micrograd.nn import *", space)
    assert {"random", "Value", "Neuron", "Layer", "MLP", "Module"} <= space.keys()


def test_rooms_and_compile_need_no_import_of_their_own():
    code = """
import sys
sys.modules["numpy"] = None
from micrograd import *
import micrograd
assert hasattr(micrograd, "compile") and micrograd.compile is compile
print(micrograd.nn.MLP, micrograd.optim.SGD, micrograd.functional.softmax, micrograd.viz.draw_dot)
print(compile(lambda: Value(1))())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Value(data=1.0, grad=0.0)"


def test_numbers_of_every_kind_beside_a_value():
    for x in (2, 2.0, True, Fraction(2), np.float32(2), np.array(2.0), torch.tensor(2.0), np.bool_(True)):
        assert (Value(3) * x).data == 3 * float(x)
        assert (x * Value(3)).data == 3 * float(x)


# ---- the way back, where it is easily wrong ----


def test_no_gradient_goes_into_a_condition():
    """Not even zero, of which 0 * inf or 0 / 0 would make nan."""
    for f, want in (
        (lambda x: x.log().where_le(0.0, 2 * x, 3 * x), 2.0),
        (lambda x: (x**2).sqrt().where_le(1e-3, 5 * x, x), 5.0),
        (lambda x: Value(1.0).where_le(x.log(), 2 * x, 3 * x), 3.0),
    ):
        for way in f, micrograd.compile(f):
            x = Value(0.0)
            way(x).backward()
            assert x.grad == want


def test_an_exponent_of_zero_lets_infinities_through():
    for f in (lambda x: (0.0**x) ** 0.5, lambda x: math.nan * (0.0**x)):
        v, t = Value(0.5), leaf(0.5)
        f(v).backward()
        f(t).backward()
        assert math.isnan(t.grad)
        assert math.isnan(v.grad)


def test_a_backward_that_wraps_the_one_before():
    a = Value(2.0)
    b = a * a
    before = b._backward

    def tenfold():
        before()
        a.grad *= 10

    b._backward = tenfold
    b.backward()
    assert a.grad == 40


def test_a_backward_of_a_value_without_parents():
    """As in 0.1.0, it is called: here for a node that was never told of its parent, and as a hook."""
    a, hits = Value(2.0), []
    out = Value(a.data * 2)

    def backward():
        a.grad += 2 * out.grad

    out._backward = backward
    (out * 3).backward()
    assert a.grad == 6
    a = Value(2.0)
    a._backward = lambda: hits.append(a.grad)
    (a * 3).backward()
    assert hits == [3]


def test_operations_of_a_subclass_are_asked_from_either_side():
    class Powerful(Value):
        def __pow__(self, other):
            return super().__pow__(other) * 100

    class Negative(Value):
        def __neg__(self):
            return super().__neg__() * 100

    assert (Value(1.0) / Powerful(2.0)).data == 50
    assert (Value(1.0) - Negative(2.0)).data == -199


def test_losses_of_nested_values_leave_the_inner_ones_alone():
    xs = [Value(Value(1.0)), Value(Value(2.0))]
    micrograd.functional.softmax(xs)[0].backward()
    assert [x.data.grad for x in xs] == [0.0, 0.0]
    assert type(xs[1].data.grad) is float


def test_gradcheck_finds_a_gradient_that_is_assigned_and_not_added():
    def backward(out):
        out._prev[0].grad = out.grad * 2

    with pytest.raises(RuntimeError, match=r"x\.grad = \.\.\. forgets 1\.0, the gradient from before: write \+="):
        gradcheck(lambda x: Value(x.data * 2, (x,), "twice", backward), [3.0])


def test_gradcheck_leaves_all_gradients_alone():
    w, u = Value(2.0), Value(3.0)
    w.grad, u.grad = 7.0, None
    assert gradcheck(lambda x: x * w * u, [3.0])
    assert (w.grad, u.grad) == (7.0, None)
    with pytest.raises(TypeError, match=r"returns a Value or a list of Values, got 2\.0"):
        gradcheck(lambda x: 2.0, [3.0])
