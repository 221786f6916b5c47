"""compile: the same results and gradients as in eager mode, and errors that say what to do."""

import functools
import math
import random
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from programs import BINARY, SPECIALS, UNARY, agree, check, close, gradients, hidden, moons, numbers

import micrograd
from benchmarks.gpt import GPT
from micrograd import Value
from micrograd.__main__ import max_margin_loss
from micrograd.compat import data_of
from micrograd.nn import MLP, Module
from micrograd.optim import SGD, Adam

# ---- whole programs ----


def test_backward_from_one_result():
    """The usual case, for which the program has the gradient 1 built in."""
    random.seed(0)
    model = MLP(2, [8, 6, 1])
    found = []
    for function in (max_margin_loss, micrograd.compile(max_margin_loss)):
        function(model, *moons(20))[0].backward()
        found.append(gradients(model.parameters()))
    agree(found[1], found[0], 1e-9, 1e-12)


@pytest.mark.parametrize("nonlin", ["relu", "tanh", "sigmoid"])
def test_moons(nonlin):
    random.seed(0)
    model = MLP(2, [8, 6, 1], nonlin=nonlin)
    compiled = check(max_margin_loss, model.parameters(), model, *moons(20))
    check(max_margin_loss, model.parameters(), model, *moons(20, seed=2), compiled=compiled)


def test_the_moons_program_does_not_grow_with_the_samples():
    random.seed(0)
    model = MLP(2, [16, 16, 1])
    counts = set()
    for n in (10, 25, 60):
        loss = micrograd.compile(max_margin_loss)
        loss(model, *moons(n))[0].backward()
        counts.add(loss.program.operations)
    assert len(counts) == 1
    assert counts.pop() <= 24


def test_inputs_that_are_plain_numbers():
    model = MLP(2, [4, 1])
    check(lambda X: [model(row) for row in X], model.parameters(), [[1.0, 2.0], [3, -1]])


def test_a_recurrent_network():
    rng = random.Random(1)
    size = 5
    W = [[Value(rng.gauss(0, 0.5)) for _ in range(size)] for _ in range(size)]
    U = [Value(rng.gauss(0, 1)) for _ in range(size)]

    def run(xs):
        h = [0.0] * size
        outputs = []
        for x in xs:
            h = [(sum(w * hj for w, hj in zip(row, h)) + u * x).tanh() for row, u in zip(W, U)]
            outputs.append(sum(h))
        return outputs, h

    check(run, [v for row in W for v in row] + U, [math.sin(t) for t in range(20)])


def test_an_ode_by_runge_kutta():
    a, b = Value(0.3), Value(1.7)

    def f(t, y, v):
        return v, -(b * y).sin() - a * v * (1 + v * v).sqrt() + 0.1 * t

    def integrate(y0, v0, h):
        y, v = Value(y0), Value(v0)
        for i in range(20):
            t = i * h
            k1 = f(t, y, v)
            k2 = f(t + h / 2, y + h / 2 * k1[0], v + h / 2 * k1[1])
            k3 = f(t + h / 2, y + h / 2 * k2[0], v + h / 2 * k2[1])
            k4 = f(t + h, y + h * k3[0], v + h * k3[1])
            y = y + h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0])
            v = v + h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1])
        return {"y": y, "v": v, "h": h * 2}

    check(integrate, [a, b], 1.0, 0.0, 0.05)


def test_a_small_gpt():
    model = GPT(dims=8, heads=2, vocabulary=5, block=5, spread=0.3)
    for tokens in ([0, 3, 1, 4], [2, 2, 0, 1, 4], [1]):
        one_hot = np.eye(5)[[*tokens[1:], 0]]
        check(model.loss, model.parameters(), [model.wte[t] for t in tokens], one_hot)


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_special_values(name):
    """All pairs at once, as one tensor operation, and a pair at a time."""
    operation = UNARY.get(name) or BINARY[name]
    pairs = [(x, y) for x in SPECIALS for y in (SPECIALS if name in BINARY else [0])]
    left, right = [Value(x) for x, _ in pairs], [Value(y) for _, y in pairs]

    def run(left, right):
        return [operation(x, y) if name in BINARY else operation(x) for x, y in zip(left, right)]

    for some in (slice(None), slice(5, 6), slice(40, 41)):
        results = []
        for function in (run, micrograd.compile(run)):
            outs = function(left[some], right[some])
            for out in outs:
                out.backward()
            results.append([*(out.data for out in outs), *gradients(left), *gradients(right)])
        agree(results[1], results[0])


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("k", [-2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 2.5])
def test_special_values_to_a_constant_power(k):
    leaves = [Value(x) for x in SPECIALS]
    results = []
    for function in ((f := lambda xs: [x**k for x in xs]), micrograd.compile(f)):
        outs = function(leaves)
        for out in outs:
            out.backward()
        results.append([*(out.data for out in outs), *gradients(leaves)])
    agree(results[1], results[0])


# ---- what goes in and out ----

Pair = namedtuple("Pair", "first second")


def test_structures():
    a = Value(2)

    def f(xs, table, flag, *rest, scale=1.0):
        s = sum(x * a for x in xs["list"]) if flag else a
        return {"s": s, "pair": Pair(table * a, (scale, rest[0] * 2)), "list": [1.5, [a * scale]]}

    compiled = micrograd.compile(f)
    args = {"list": [1, Value(2), np.float64(3)]}, np.arange(6.0).reshape(2, 3), True, 5
    want, got = f(*args, scale=4), compiled(*args, scale=4)
    agree(numbers(got), numbers(want))
    assert isinstance(got["pair"], Pair)
    assert got["pair"].first.shape == (2, 3)
    assert got["pair"].second == (4.0, 10.0)
    assert got["list"][0] == 1.5
    check(f, [a], *args, compiled=compiled, scale=3)
    check(f, [a], {"list": [1, 2]}, np.ones((1, 1)), False, 1, compiled=compiled)


def test_results_that_are_not_computed():
    a, b = Value(2, label="a"), Value(3)
    seen = hidden([])

    def f(x, y):
        seen().append(1)
        out = (x * a).exp()
        return x, a, out, out, Value(7, label="seven"), 8, [y]

    compiled = micrograd.compile(f)
    for _ in range(2):
        got = compiled(b, 5)
        assert got[0] is b
        assert got[1] is a
        assert got[2] is got[3]
        assert (got[4].data, got[4].label, got[5], got[6]) == (7, "seven", 8, [5])
        got[2].backward()
        agree(gradients([a, b]), [3 * math.exp(6), 2 * math.exp(6)])
    assert len(seen()) == 3  # the two runs of one trace, and one to compare gradients with


def test_the_same_value_twice_or_closed_over_too():
    a, b = Value(2), Value(5)

    def f(x, y):
        return x * y + x * a

    compiled = micrograd.compile(f)
    for x, y in ((b, b), (a, b), (b, a), (a, a), (b, Value(1)), (a, b)):
        check(f, [a, b, y], x, y, compiled=compiled)
    assert len(compiled._order) == 1  # one program, however many of them are the same


def test_arguments_with_a_history():
    a, b = Value(0.5), Value(0.25)

    def f(x):
        return x * b + x.sin()

    compiled = micrograd.compile(f)
    results = []
    for function in (f, compiled, compiled):
        inner = a.exp() * b
        out = function(inner) * function(a) + inner
        out.backward()
        results.append([out.data, *gradients([a, b])])
    agree(results[1], results[0])
    agree(results[2], results[0])


def test_closed_over_values_with_a_history():
    a = Value(2)
    doubled = a * 2

    def f(x):
        return x * doubled * a

    compiled = micrograd.compile(f)
    check(f, [a], 3.0, compiled=compiled)
    check(f, [a], 4.0, compiled=compiled)


def test_names_that_mean_something_in_the_program():
    a = Value(2)
    check(lambda leaves, seeds, np, t3, float: a * leaves + seeds * a * np - t3 / a + float, [a], 1, 2, 3, 4, 5)
    check(lambda **given: sum(x * a for x in given.values()), [a], **{"class": 1.0, "not a name": 2.0})


def test_plain_numbers_come_back_as_they_were():
    compiled = micrograd.compile(lambda x: (1, 2.5, True + 1, x))
    assert [type(x) for x in compiled(3)] == [int, float, int, float]


def test_unused_arguments_and_no_leaves():
    a, b = Value(1), Value(2)
    check(lambda x, y: x * 3, [a, b], a, b)
    check(lambda x, y: Value(x) * 3, [], 2.0, "text")
    compiled = micrograd.compile(lambda x: x * 2 + 1)
    assert compiled(3) == 7
    assert compiled(4.5) == 10


def test_results_are_values_like_any_other():
    a = Value(0.5)

    def f(x):
        return a * x, a.exp()

    compiled = micrograd.compile(f)

    def use(f):
        p, q = f(2.0)
        r, s = f(3.0)
        t = p * q + s.tanh() * r * a
        t.backward()
        t.backward()
        q.backward()
        return [t.data, *gradients([a])]

    agree(use(compiled), use(f))


def test_data_is_read_at_each_call_and_not_later():
    a = Value(2)
    compiled = micrograd.compile(lambda x: a * a * x)
    assert compiled(1).data == 4
    a.data = 3.0
    X = np.array([2.0])
    out = micrograd.compile(lambda x: a * x[0] + a**3)(X)
    X[0] = 99.0
    out.backward()
    assert (out.data, a.grad) == (33, 29)


def test_only_new_structures_are_traced():
    runs = hidden([])

    def f(x, mode="a", n=2):
        runs().append(1)
        return sum(x) * n

    a = Value(1)
    compiled = micrograd.compile(f, static=("n",), maxsize=3)
    for args in (([a, 1],), ([a, 2.5],), ([Value(4), 7],)):
        compiled(*args)
    assert len(runs()) == 2
    for kwargs in ({"mode": "b"}, {"mode": None}, {"n": 3}, {"n": 3}, {"mode": True}):
        compiled([a, 1], **kwargs)
    assert len(runs()) == 10
    assert len(compiled._calls) == 3
    assert compiled([a, 1], n=3).data == 6


@pytest.mark.parametrize("maxsize", [0, -1, 1.5, "a", None])
def test_maxsize_is_a_number_of_programs(maxsize):
    with pytest.raises(ValueError, match=f"^maxsize={maxsize!r}: at least 1 program is kept"):
        micrograd.compile(lambda x: x, maxsize=maxsize)


def test_static_arguments_are_themselves():
    a = Value(2)

    @micrograd.compile(static=("n_layer",))
    def f(x, n_layer):
        for _ in range(n_layer):
            x = x * a
        return x

    assert [f(1.0, n_layer=n).data for n in (1, 3, 5)] == [2, 8, 32]
    assert f(1.0, 4).data == 16


weight = Value(2)


def test_a_global_bound_anew():
    global weight
    weight = Value(2)
    compiled = micrograd.compile(lambda x: [weight * x for _ in range(1)])
    assert compiled(3)[0].data == 6
    weight = Value(5)
    assert compiled(3)[0].data == 15


def test_a_compiled_function_inside_another():
    a = Value(2)
    inner = micrograd.compile(lambda x: x * a)
    check(lambda x: inner(x) + inner(x * 2.0), [a], 3.0)


def test_methods():
    class Model:
        def __init__(self):
            self.w = Value(3)

        @micrograd.compile
        def __call__(self, x):
            """Doc."""
            return self.w * x

    model, other = Model(), Model()
    other.w.data = 4.0
    assert (model(2).data, other(2).data) == (6, 8)
    assert Model.__call__.__doc__ == "Doc."


def test_an_operation_added_by_hand_that_can_be_traced():
    def cube(x):
        out = Value(x.data * x.data * x.data, (x,), "cube")

        def _backward():
            x.grad += 3 * x.data * x.data * out.grad

        out._backward = _backward
        return out

    a = Value(2)
    check(lambda x: cube(a) * x + a, [a], 3.0)


def test_a_tensor_of_many_lengths():
    """Sums of unequal length, as in causal attention."""
    xs = [Value(0.1 * i) for i in range(7)]
    check(lambda s: [sum(x.exp() for x in xs[: i + 1]) * s for i in range(7)], xs, 2.0)
    check(lambda s: [sum(x * y for x, y in zip(xs[: i + 1], xs[i::-1])) for i in range(7)], xs, 2.0)


# ---- errors ----

a = Value(2.0, label="a")


def assigns(x):
    a.data = a.data * x
    return a * x


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: a if a.data > 0 else -a, r"where_le\(\).*a test .* looks at a number"),
        (lambda x: a if x > 0 else -a, "a test .* looks at"),
        (lambda x: a * (1 if x else 2), "test"),
        (lambda x: a * (x == "3"), "== with something of type str looks at"),
        (lambda x: a * float(a.data), r"float\(\).* looks at a number"),
        (lambda x: a * int(x), r"int\(\)"),
        (lambda x: a * math.exp(x), "math"),
        (lambda x: a * [1, 2, 3, 4][x], "index"),
        (lambda x: [a] * x, r"repetition looks at a number.* static="),
        (lambda x: sum(a for _ in range(x)), "range"),
        (lambda x: a * round(x), "rounding"),
        (lambda x: a * (x % 2), "%"),
        (lambda x: a * len(f"{x:.2f}"), r"a text \(print, str, repr, a format\) looks at a number"),
        (lambda x: Value(math.tanh(a.data), (a,), "tanh"), "math"),
        (lambda x: Value(5.0, (a * x,), "five"), "'five' was added by hand"),
        (lambda x: "text", "returned 'text'"),
        (lambda x: [a, None], "returned None: .* dicts of them$"),
        (lambda x: None, r"returned None: .* is a return missing\?"),
        (lambda x: object(), "returned <object"),
        (assigns, r"changes .*\.data"),
        (lambda x: a * "text", "expected one real number, got 'text' of type str"),
    ],
)
def test_errors(f, words):
    compiled = micrograd.compile(lambda x, broken=True: f(x) if broken else a * x)
    assert repr(compiled).startswith("compile(<function test_errors")
    a.grad = 0.25
    with pytest.raises(TypeError, match=words):
        compiled(3)
    if f is not assigns:  # that has done so, once
        assert (a.data, a.grad, a._prev) == (2.0, 0.25, ())
        assert compiled(3, broken=False).data == 6
    a.data, a.grad = 2.0, 0.0


def test_an_error_elsewhere_in_the_backward_pass_puts_the_gradients_back():
    b, c = Value(2), Value(3)
    b.grad, c.grad = 0.5, 0.25
    compiled = micrograd.compile(lambda x: b * c * x)
    early = b * 1  # comes last on the way back
    out = compiled(2.0) + compiled(1.0) + early

    def explode():
        raise KeyboardInterrupt

    whole, early._backward = early._grad_fn, explode
    with pytest.raises(KeyboardInterrupt):
        (early * 0 + out).backward()
    assert (b.grad, c.grad) == (0.5, 0.25)
    early._grad_fn = whole
    out.backward()
    assert (b.grad, c.grad) == (0.5 + 9 + 1, 0.25 + 6)


@pytest.mark.parametrize("narrow", [True, False])
def test_data_that_changes_between_a_call_and_its_way_back(narrow, monkeypatch):
    """Numbers made of it were kept; eager code would compute with the new ones, and PyTorch raises, too."""
    monkeypatch.setattr("micrograd.compiler.call.is_narrow", lambda written: narrow)
    model: dict[str, Any] = {"w": [Value(0.1 * i) for i in range(80)], "b": Value(math.nan)}
    x = Value(2.0, label="x")
    loss = micrograd.compile(lambda x: sum(w * w * x for w in model["w"]) + model["b"])
    leaves = [*model["w"], model["b"], x]

    def refused(name):
        before = [v.grad for v in leaves]
        with pytest.raises(RuntimeError, match=rf"the data of {name} is another .* call backward\(\) before"):
            out.backward()
        assert [v.grad for v in leaves] == before

    out = loss(x)
    out.backward()
    model["w"][3].data -= 0.5
    refused(r"model\['w'\]\[3\]")
    model["w"][3].data += 0.5
    out.backward()  # it is what it was
    x.data = 3.0
    refused("x")
    optimizer = SGD(leaves[:-1], lr=0.25)
    for v in leaves:
        v.grad = 0.0
    for _ in range(5):  # then, all lie in one array
        out = loss(x)
        out.backward()
        optimizer.step()
        refused(r"model\['w'\]\[1\]")
    out = loss(x)
    assert gradients(leaves)[80] == 5.0
    out.backward()
    assert [v.grad for v in leaves[:80]] == pytest.approx([6.0 * v.data for v in model["w"]])


def test_threads_share_a_compiled_function():
    random.seed(0)
    model = MLP(2, [8, 1])
    compiled = micrograd.compile(lambda X: [model(x) for x in X])
    batches = [moons(10, seed)[0] for seed in range(40)]
    want = [numbers(compiled(X)) for X in batches]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda X: numbers(compiled(X)), batches)) == want


# ---- what can be seen ----


def test_the_program_can_be_read_and_run():
    model = MLP(2, [16, 16, 1])
    loss = micrograd.compile(max_margin_loss)
    X, y = moons(10)
    total, _ = loss(model, X, y)
    total.backward()
    text = str(loss.program)
    assert "scalar operations became" in text
    assert "(10, 16)" in text
    assert "maximum" in text
    assert loss.program_for(model, X, y) is loss.program
    assert loss.program_for(model, X[:5], y[:5]) is not loss.program_for(model, X, y)

    namespace: dict[str, Any] = {}
    exec(loss.program_for(model, X, y).source, namespace)
    call = loss.call_for(loss.take_apart((model, X, y), {}))
    leaves = np.array([v.data for v in call.leaves])
    results, _ = namespace["forward"](leaves, X.reshape(-1), y)
    assert results[0] == pytest.approx(total.data, rel=1e-12)


@pytest.mark.usefixtures("tensors")
def test_the_forward_pass_alone_makes_no_backward():
    model = MLP(2, [4, 1])
    f = micrograd.compile(lambda X: [model(x) for x in X])
    f(moons(10)[0])
    assert len(f.program.functions) == 1  # type: ignore[attr-defined]


@pytest.mark.usefixtures("tensors")
def test_the_largest_of_many_is_one_operation():
    xs = [Value(x) for x in (3, -1, 2, 2.5, 0, 3)]

    def f(bound):
        rows = [xs, xs[1:4], xs[2:]]
        return [functools.reduce(Value.maximum, row) + functools.reduce(Value.minimum, [*row, bound]) for row in rows]

    compiled = micrograd.compile(f)
    for bound in 0.5, -2.0, 2.0, math.nan:
        check(f, xs, bound, compiled=compiled)
    assert compiled.program.functions[0].operations == 3  # type: ignore[attr-defined]  # max, min, and the sum


def test_a_maximum_that_is_asked_for_stays():
    xs = [Value(x) for x in (3, -1, 2)]

    def f():
        two = xs[0].maximum(xs[1])
        return two, two.maximum(xs[2])

    check(f, xs)


def test_constants_keep_all_their_digits():
    xs = [Value(x) for x in (1.1, 2.2, 3.3, 4.4)]
    for weights in ([1 / 3, 0.1, 2e-17, math.pi], [math.inf, 1 / 7, math.nan, -0.0], [1 / 3] * 4):

        def f(weights=weights):
            return [x * w for x, w in zip(xs, weights)]

        out = micrograd.compile(f)()
        assert all(close(v.data, x.data * w, rel=1e-15) for v, x, w in zip(out, xs, weights))
        sum(out).backward()
        agree(gradients(xs), weights, rel=1e-15)


def test_arrays_of_numbers_come_back():
    a = Value(2)
    out = micrograd.compile(lambda x: (np.array([1.5, 2.5]), np.array([a * x, a]), x))(3.0)
    assert out[0].tolist() == [1.5, 2.5]
    assert [v.data for v in out[1]] == [6.0, 2.0]


def test_a_symbol_can_be_shown():
    a = Value(2)
    compiled = micrograd.compile(lambda x: a * x)
    compiled(3.0)
    assert repr(data_of(compiled._order[0].written.computed[0])) == "Symbol('*', ...)"


def test_dots_of_which_few_share_a_row():
    lefts, rights = ([[Value(i + j / 4 + k) for j in range(2)] for i in range(4)] for k in (0.5, -2.25))

    def dot(xs, ys):
        return xs[0] * ys[0] + xs[1] * ys[1]

    def f():
        return [dot(xs, ys) for i, xs in enumerate(lefts) for ys in rights[i : i + 2]]

    check(f, [v for row in lefts + rights for v in row])


def test_a_choice_of_known_numbers_turned_around():
    a = Value(2)
    for x in 1.0, 3.0:
        check(lambda x: -Value.where_le(a, x, 2.5, -1.5) * a, [a], x)


def test_a_name_that_means_nothing_yet():
    a = Value(2)

    def f(x):
        return a * x if x is not None else later

    assert micrograd.compile(f)(3.0).data == 6.0
    later = None


def test_assigning_to_data_that_only_an_object_of_another_kind_knows():
    holder = SimpleNamespace(w=Value(2))

    def f():
        holder.w.data = holder.w.data * 2
        return holder.w * 3

    with pytest.raises(TypeError, match=r"changes .*\.data"):
        micrograd.compile(f)()
    assert type(holder.w.data) is float


def test_a_model_that_knows_its_parent():
    class Net(Module):
        def __init__(self):
            self.w = Value(2)
            self.parent = self

    net = Net()
    check(lambda x: net.w * x, [net.w], 3.0)


def test_gradients_that_are_none_stay_so_where_nothing_reaches():
    """As in eager code: optimisers skip a parameter without a gradient, and move one with a gradient of zero."""

    def train(wrap):
        heads = [Value(1.0 + i) for i in range(12)]
        f, optimizer = wrap(lambda x: [(h * x - 1) ** 2 for h in heads]), Adam(heads, lr=0.1)
        for step in range(24):
            optimizer.zero_grad()
            f(2.0)[step % 12].backward()
            optimizer.step()
        return [h.data for h in heads]

    assert train(micrograd.compile) == pytest.approx(train(lambda f: f))


@pytest.mark.parametrize("wrap", [lambda f: f, micrograd.compile])
def test_what_is_only_in_a_condition_gets_no_gradient(wrap):
    t, x, unused, argument = Value(1.0), Value(2.0), Value(3.0), Value(2.0)
    for v in (t, x, unused, argument):
        v.grad = None
    wrap(lambda a, b: [t.where_le(a, x * x * b, x), unused * 2])(3.0, argument.exp())[0].backward()
    assert (t.grad, unused.grad) == (None, None)
    assert x.grad == pytest.approx(4 * math.exp(2))
    t.grad = None
    f = wrap(lambda X: micrograd.vmap(lambda s: (t.where_le(s, x * s, x), unused * s))(X))
    f([2.0, 3.0])[0][0].backward()
    assert (t.grad, unused.grad) == (None, None)


def test_an_argument_that_is_assigned_to():
    v = Value(2.0)

    def f(v):
        v.data = 5.0
        return v * 2

    with pytest.raises(TypeError, match=r"changes .*\.data"):
        micrograd.compile(f)(v)
    assert v.data == 5.0  # the function has run as it is, once


def test_a_value_in_a_value_at_the_second_call():
    compiled = micrograd.compile(lambda x: x * 2)
    compiled(Value(1.0))
    with pytest.raises(TypeError, match="plain numbers"):
        compiled(Value(Value(1.0)))


@pytest.mark.usefixtures("tensors")
def test_the_source_runs_whatever_was_walked_back():
    xs = [Value(0.1 * i) for i in range(6)]
    places = [(0, 3, 1), (5, 2, 2), (1, 4, 0), (2, 2, 5)]
    compiled = micrograd.compile(lambda xs: [(xs[i] * xs[j] + xs[k]).tanh() for i, j, k in places])
    results = compiled(xs)
    sum(results).backward()
    for result in results:
        result.backward()
    namespace: dict[str, Any] = {}
    exec(compiled.program.source, namespace)
    leaves = np.array([xs[i].data for i in compiled.call_for(compiled.take_apart((xs,), {})).leaves])
    _, kept = namespace["forward"](leaves)
    for function in compiled.program.functions[1:]:  # type: ignore[attr-defined]
        namespace[function.name](leaves, *kept, np.ones(function.inputs[-1].shape))


def test_compiled_methods_are_the_same_each_time():
    class Model:
        @micrograd.compile
        def f(self, x):
            return x * 2

    model = Model()
    assert model.f == model.f
    assert {model.f: 1}[model.f] == 1
    assert model.f != Model().f


def test_the_program_of_each_object():
    class Model:
        @micrograd.compile
        def f(self, x):
            return x * 2

    one, other, third = Model(), Model(), Model()
    one.f(1.0)
    other.f(2.0)
    assert one.f.program is one.f.program_for(1.0)
    assert other.f.program is not one.f.program
    with pytest.raises(AttributeError, match="has no program yet"):
        third.f.program  # noqa: B018
