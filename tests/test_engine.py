"""Value: numbers and gradients against PyTorch, the shape of the graph, and code written for 0.1.0."""

import copy
import fractions
import math
import operator
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import BINARY, SPECIALS, UNARY, agree, gradients, leaf, readme_expression

import micrograd
from micrograd import Value
from micrograd.engine import graph


def on_both(program, *inputs):
    """The result of a program and its gradients, on Values and on tensors."""
    values, tensors = [Value(x) for x in inputs], [leaf(float(x)) for x in inputs]
    out, want = program(*values), program(*tensors)
    out.backward()
    return [out.data, *gradients(values)], [want.item(), *(g.item() for g in torch.autograd.grad(want, tensors))]


# ---- every operation, on every special value ----


@pytest.mark.parametrize("name", UNARY)
def test_unary_special_values(name):
    for x in SPECIALS:
        got, want = on_both(UNARY[name], x)
        agree(got, want)


@pytest.mark.parametrize("name", BINARY)
def test_binary_special_values(name):
    for x in SPECIALS:
        for y in SPECIALS:
            got, want = on_both(BINARY[name], x, y)
            agree(got, want)


def beside(v, x):
    """The number x; beside a tensor, as a tensor."""
    return torch.tensor(float(x), dtype=torch.float64) if isinstance(v, torch.Tensor) else x


@pytest.mark.parametrize("name", BINARY)
def test_a_number_on_the_right(name):
    plain = name not in ("maximum", "minimum")  # PyTorch's take no number
    for x in SPECIALS:
        for y in SPECIALS:
            got, want = on_both(lambda v, y=y: BINARY[name](v, y if plain else beside(v, y)), x)
            agree(got, want)


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**"])
def test_a_number_on_the_left(name):
    for x in SPECIALS:
        for y in SPECIALS:
            # As a tensor: PyTorch takes `number / tensor` as a product, which overflows sooner than a / b.
            got, want = on_both(lambda v, x=x: BINARY[name](beside(v, x), v), y)
            agree(got, want)


def test_kinks_and_ties():
    for operation, gradient in (abs, 0.0), (Value.relu, 0.0):
        v = Value(0.0)
        operation(v).backward()
        assert v.grad == gradient
    a, b = Value(2.0), Value(2.0)
    a.maximum(b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)
    assert Value(1000).exp().data == math.inf
    assert math.isnan(Value(-1).log().data)
    assert (1 / Value(0)).data == math.inf
    assert math.isnan((Value(-8) ** (1 / 3)).data)


# ---- whole programs ----


def test_sanity_check():
    def program(x):
        z = 2 * x + 2 + x
        q = z.relu() + z * x
        h = (z * z).relu()
        return h + q + q * x

    got, want = on_both(program, -4.0)
    assert got == want


def test_more_ops():
    got, want = on_both(readme_expression, -4.0, 2.0)
    agree(got, want, 1e-14)
    assert [f"{x:.4f}" for x in got] == ["24.7041", "138.8338", "645.5773"]


# ---- what data may be ----


@pytest.mark.parametrize(
    "x",
    [3, True, fractions.Fraction(3, 4), np.float32(1.5), np.int8(3), np.bool_(True), np.array(2.5)],
    ids=lambda x: type(x).__name__,
)
def test_leaf_data_becomes_a_float(x):
    assert type(Value(x).data) is float
    assert Value(x).data == float(x)
    assert type((Value(1) + x).data) is float


def test_operators_let_the_other_operand_answer():
    class Other:
        def __radd__(self, left):
            return "mine"

    assert Value(1) + Other() == "mine"
    assert Other() + Value(1) == "mine"  # which is asked by way of Value
    for name in ("add", "sub", "mul", "truediv", "pow"):
        assert getattr(Value, f"__{name}__")(Value(1), Other()) is NotImplemented


def test_numpy_on_either_side():
    v = Value(3)
    for out in (np.float64(2) * v, v * np.float64(2), np.array(2.0) * v):
        assert isinstance(out, Value)
        assert out.data == 6
    array = np.array([1.0, 2.0]) * v
    assert array.dtype == object
    assert [x.data for x in array] == [3, 6]
    assert [x.data for x in operator.mul(v, np.array([1.0, 2.0]))] == [3, 6]
    assert [x.data for x in np.exp(array)] == [math.exp(3), math.exp(6)]


def test_numbers_put_into_data_by_hand():
    """`p.data = 2` and the like bypass the constructor; the operations still work."""
    for x in (2, 0, np.float64(2), np.float32(2)):
        v = Value(1)
        v.data = x
        assert (v**2).data == x**2
        assert v.exp().data == pytest.approx(math.exp(x))
        assert v.maximum(1).data == max(x, 1)
    v.data = 0
    assert (1 / v).data == math.inf
    assert (v**-1).data == math.inf


def test_in_place_operators_make_new_values():
    v = w = Value(2)
    w += 1
    w *= 2
    w -= 1
    w /= 5
    w **= 3
    assert v.data == 2
    assert w.data == 1
    w.backward()
    assert v.grad == pytest.approx(3 * 2 / 5)


# ---- the graph ----


def test_attributes():
    a, b = Value(2, label="a"), Value(3)
    c = a * b
    assert (a.label, b.label) == ("a", "")
    assert c._prev == (a, b)
    assert c._op == "*"
    assert a._prev == ()
    assert repr(a) == "Value(data=2.0, grad=0.0)"
    assert (2 - a)._prev[1] is a
    assert (a**3)._prev == (a,)
    assert (a**3)._op == "**3"
    assert (a**b)._prev == (a, b)


def test_the_graph_in_topological_order():
    a, b = Value(1), Value(2)
    c = a + a
    d = c * b
    e = d - c
    leaves, results = graph(e)
    assert set(leaves) == {a, b}
    assert results == [c, d, e]
    assert graph(a) == ([a], [])


def test_backward_accumulates_as_pytorch_does():
    found = []
    for (x, y), keep in ([Value(2), Value(-3)], {}), ([leaf(2.0), leaf(-3.0)], {"retain_graph": True}):
        shared, grads = x * y, []
        first, second = shared * x, shared.exp()
        for loss in (first, second, first, x):
            loss.backward(**keep)
            grads += [float(x.grad), float(y.grad)]
        found.append(grads)
    agree(found[0], found[1], 1e-14)


def choose(a, b, x, y):
    if isinstance(a, torch.Tensor):
        return torch.where(a <= b, x, y)
    return a.where_le(b, x, y)


OPERATIONS: dict[str, tuple[Callable[..., Any], int]] = {  # and how many operands each has
    **{name: (f, 1) for name, f in UNARY.items()},
    **{name: (f, 2) for name, f in BINARY.items()},
    "**3": (lambda x: x**3, 1),
    "**-0.5": (lambda x: x**-0.5, 1),
    "2**": (lambda x: 2.0**x, 1),
    "3/": (lambda x: beside(x, 3.0) / x, 1),  # with a plain number, PyTorch takes the reciprocal
    "where": (choose, 4),
    "many": (lambda x, y: (x * y).exp() / (x - y).sigmoid() + (x / y) ** 2 * x.maximum(y), 2),
}
# Before the forward pass, and before each of two ways back. With each, a maximum and a condition are another operand.
DATA = [(0.7, 0.3, 0.9, 1.7), (0.4, 1.6, 0.2, 0.8), (1.25, 0.6, 2.0, 0.1)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_data_of_leaves_counts_when_the_gradient_is_computed(name):
    """What an operation has computed is kept, though, and so is what a condition was."""
    operation, count = OPERATIONS[name]
    values, tensors = [Value(x) for x in DATA[0][:count]], [leaf(x) for x in DATA[0][:count]]
    out, want = operation(*values), operation(*tensors)
    for numbers in DATA[1:]:
        for v, t, x in zip(values, tensors, numbers):
            v.data = x
            t.data = torch.tensor(x, dtype=torch.float64)
        out.backward()
        want.backward(retain_graph=True)
    agree([v.grad for v in values], [0.0 if t.grad is None else t.grad.item() for t in tensors], 1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_data_of_leaves_counts_in_second_derivatives(name):
    operation, count = OPERATIONS[name]
    values, tensors = [Value(Value(x)) for x in DATA[0][:count]], [leaf(x) for x in DATA[0][:count]]
    out, want = operation(*values), operation(*tensors)

    def change(numbers):
        for v, t, x in zip(values, tensors, numbers):
            v.data.data = x
            t.data = torch.tensor(x, dtype=torch.float64)

    change(DATA[1])
    out.backward()
    firsts = torch.autograd.grad(want, tensors, create_graph=True, allow_unused=True)
    assert [v.data.grad for v in values] == [0.0] * count
    change(DATA[2])
    for v, first in zip(values, firsts):
        found = [v.grad.data]
        v.grad.backward()
        found += gradients([v.data for v in values])
        wanted = [0.0] * (1 + count)
        if first is not None:
            wanted[0] = first.item()
            if first.requires_grad:
                seconds = torch.autograd.grad(first, tensors, retain_graph=True, allow_unused=True)
                wanted[1:] = [0.0 if g is None else g.item() for g in seconds]
        agree(found, wanted, 1e-13)


def test_what_a_choice_of_nested_values_has_computed_is_kept():
    x = Value(Value(0.5))
    h = x.where_le(1.0, x, x * x)
    (h * h * h).backward()
    x.data.data = 2.0
    x.grad.backward()
    t = leaf(0.5)
    k = torch.where(t <= 1.0, t, t * t)
    (first,) = torch.autograd.grad(k * k * k, t, create_graph=True)
    t.data = torch.tensor(2.0, dtype=torch.float64)
    assert x.data.grad == torch.autograd.grad(first, t)[0].item() == 3.0


def test_second_derivatives_of_roots():
    for start, later, k in ((1.0, 4.0, 0.5), (1.0, 4.0, -0.5), (-math.inf, -math.inf, 0.5), (2.0, 2.0, 0.5)):
        x, t = Value(Value(start)), leaf(start)
        (x**k).backward()
        (first,) = torch.autograd.grad(t**k, t, create_graph=True)
        x.data.data, t.data = later, torch.tensor(later, dtype=torch.float64)
        x.grad.backward()
        agree([x.grad.data, x.data.grad], [first.item(), torch.autograd.grad(first, t)[0].item()])


def test_a_power_of_zero_sends_zeros_on():
    for f in (lambda x: x.log() ** 0, lambda x: x.sqrt() ** -0.0, lambda x: x.sqrt() ** 0 * math.inf):
        got, want = on_both(f, 0.0)
        agree(got, want)
        assert math.isnan(got[1])


def test_a_zero_keeps_its_sign_in_relu():
    for relu in (Value.relu, micrograd.compile(Value.relu)):
        assert math.copysign(1.0, relu(Value(-0.0)).data) == -1.0


def test_a_gradient_of_none_in_a_nested_leaf():
    x = Value(Value(3.0))
    x.grad = None
    (x * 1 + 2).backward()
    assert (x.grad.data, x.grad.grad) == (1.0, 0.0)


def test_the_steps_of_a_hand_written_loop_may_come_in_between():
    """`p.data -= lr * p.grad`, and then another way back through the same graph."""
    found = []
    for x, keep in (Value(4.0), {}), (leaf(4.0), {"retain_graph": True}):
        f = x**3
        f.backward(**keep)
        x.data -= 0.25 * x.grad
        f.backward(**keep)
        found.append(float(x.grad))
    assert found[0] == found[1] == 48 + 3 * (4 - 12) ** 2


def test_an_error_on_the_way_leaves_the_leaves_as_they_were():
    a, b = Value(2), Value(3)
    (a * b).backward()
    broken = (a * b) * b

    def explode():
        raise KeyboardInterrupt

    shared = broken._prev[0]
    whole, shared._backward = shared._grad_fn, explode
    with pytest.raises(KeyboardInterrupt):
        broken.backward()
    assert (a.grad, b.grad) == (3, 2)
    shared._grad_fn = whole
    broken.backward()
    assert (a.grad, b.grad) == (3 + 9, 2 + 12)


# ---- code written for micrograd 0.1.0 ----


def test_an_operation_added_by_hand():
    x = Value(0.5)
    out = Value(math.tanh(x.data), (x,), "tanh")

    def _backward():
        x.grad += (1 - out.data**2) * out.grad

    out._backward = _backward
    (out * 3 + x).backward()
    want = Value(0.5)
    (want.tanh() * 3 + want).backward()
    assert x.grad == pytest.approx(want.grad, rel=1e-14)


def test_backward_by_hand():
    a, b = Value(2), Value(3)
    c = a * b
    d = c + a
    d.grad = 1.0
    for v in (d, c, b, a):
        v._backward()
    assert (a.grad, b.grad) == (4, 2)


def test_a_subclass_and_attributes():
    class Parameter(Value):
        def __init__(self, data):
            super().__init__(data)
            self.m = 0.0

    p: Any = Parameter(3)
    p.velocity = 1.0
    q = p * p + 1
    q.name = "q"
    q.backward()
    assert (p.grad, p.m, p.velocity, q.name) == (6, 0.0, 1.0, "q")


# ---- copies ----


@pytest.mark.parametrize("roundtrip", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy])
def test_a_leaf_can_be_copied(roundtrip):
    v: Any = Value(1.5, label="w")
    v.grad = 0.25
    v.m = 3
    w = roundtrip(v)
    assert (w.data, w.grad, w.label, w.m) == (1.5, 0.25, "w", 3)
    assert w is not v
    (w * 2).backward()
    assert (w.grad, v.grad) == (2.25, 0.25)


# ---- derivatives of derivatives ----

X = 0.7
DERIVATIVES = {  # f, f', f'', f''', f'''' at X, by hand
    "x+1": (lambda x: x + 1, [1, 0, 0, 0]),
    "x**0": (lambda x: x**0, [0, 0, 0, 0]),
    "x**4": (lambda x: x**4, [4 * X**3, 12 * X**2, 24 * X, 24]),
    "x**1.5": (lambda x: x**1.5, [1.5 * X**0.5, 0.75 * X**-0.5, -0.375 * X**-1.5, 0.5625 * X**-2.5]),
    "2**x": (lambda x: 2**x, [2**X * math.log(2) ** n for n in (1, 2, 3, 4)]),
    "1/x": (lambda x: 1 / x, [-(X**-2), 2 * X**-3, -6 * X**-4, 24 * X**-5]),
    "x*x-x/3": (lambda x: x * x - x / 3 + 1, [2 * X - 1 / 3, 2, 0, 0]),
    "exp": (lambda x: (-x).exp(), [-math.exp(-X), math.exp(-X), -math.exp(-X), math.exp(-X)]),
    "log": (lambda x: x.log(), [1 / X, -(X**-2), 2 * X**-3, -6 * X**-4]),
    "sqrt": (lambda x: x.sqrt(), [0.5 * X**-0.5, -0.25 * X**-1.5, 0.375 * X**-2.5, -0.9375 * X**-3.5]),
    "sin": (lambda x: x.sin(), [math.cos(X), -math.sin(X), -math.cos(X), math.sin(X)]),
    "cos": (lambda x: x.cos(), [-math.sin(X), -math.cos(X), math.sin(X), math.cos(X)]),
    "relu": (lambda x: x.relu() ** 3, [3 * X**2, 6 * X, 6, 0]),
    "abs": (lambda x: abs(-x) ** 3, [3 * X**2, 6 * X, 6, 0]),
    "maximum": (lambda x: x.maximum(0.1) ** 3, [3 * X**2, 6 * X, 6, 0]),
    "minimum": (lambda x: (2 * x).minimum(x) ** 3, [3 * X**2, 6 * X, 6, 0]),
}


def successive_derivatives(f):
    """f'(X) to f''''(X), each by a backward through the graph that the one before it left in `grad`."""
    x = Value(Value(Value(Value(X))))
    out, derivatives = f(x), []
    while isinstance(out, Value):
        out.backward()
        out, x = x.grad, x.data
        plain = out
        while isinstance(plain, Value):
            plain = plain.data
        derivatives.append(plain)
    return derivatives


@pytest.mark.parametrize("name", DERIVATIVES)
def test_four_derivatives(name):
    f, want = DERIVATIVES[name]
    assert successive_derivatives(f) == pytest.approx(want, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "**"])
def test_four_derivatives_as_pytorch_has_them(name):
    f = UNARY.get(name, lambda x: x ** (x * 0.5))
    t, want = leaf(X), []
    out = f(t)
    for _ in range(4):
        (out,) = torch.autograd.grad(out, t, create_graph=True)
        want.append(out.item())
    assert successive_derivatives(f) == pytest.approx(want, rel=1e-10)


def test_mixed_partial_derivatives():
    x, y = Value(Value(1.2)), Value(Value(0.4))
    (x**2 * y.sin() / x.maximum(y)).backward()
    x.grad.backward()
    assert y.data.grad == pytest.approx(math.cos(0.4))


# ---- random graphs of many shapes ----


def test_a_wide_random_dag():
    rng = random.Random(3)
    picks = [(rng.randrange(i + 3), rng.randrange(i + 3)) for i in range(300)]

    def program(*leaves):
        nodes = list(leaves)
        for i, j in picks:
            nodes.append((nodes[i] * 0.7 - nodes[j] * nodes[i] * 0.1).tanh())
        return nodes[-1] + nodes[150] + nodes[40]

    got, want = on_both(program, 0.3, -0.8, 1.1)
    assert got == pytest.approx(want, rel=1e-10)


def test_gradients_are_zero_before_the_first_backward():
    a = Value(0.5)
    for out in (a + 1, 2 * a, a**3, a**a, a.exp(), a.maximum(1), -a, a):
        assert out.grad == 0.0
        assert all(parent.grad == 0.0 for parent in out._prev)


def test_leaves_and_constants_have_nobody_to_hand_a_gradient_to():
    a = Value(0.5)
    out = a * 3
    for parent in out._prev:
        parent.grad = 2.0
        parent._backward()
        assert parent.grad == 2.0
