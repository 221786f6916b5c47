"""What is built of compiled functions and vmap, in any order: it computes what the same code does uncompiled."""

import contextlib
import copy
import functools
import inspect
import math
import operator
import pickle
import random
import re
from operator import itemgetter, methodcaller
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from programs import agree, check, flat, gradients, numbers

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.nn import MLP, Module
from micrograd.viz import draw_dot

X = [[0.1, -0.4, 1.2], [0.7, 0.3, -0.9], [-1.1, 0.2, 0.5], [0.3, 0.6, -0.2], [0.4, 0.5, 0.4]]
POSITIVE = [[0.3, 1.2, 0.7], [0.9, 0.2, 1.4], [1.1, 0.5, 0.6], [0.4, 2.2, 0.8], [1.7, 0.1, 1.3]]


def alike(use, leaves):
    """Compare what `use(micrograd.compile)` returns, and its gradients, with what it does where nothing is compiled."""
    found = []
    for compile in (lambda f, **_: f, micrograd.compile):
        out = use(compile)
        sum([(0.5 + i) * v for i, v in enumerate(flat(out)) if isinstance(v, Value)], Value(0)).backward()
        found.append([*numbers(out), *gradients(leaves)])
    agree(found[1], found[0], 1e-9, 1e-12)


def count_of(compiled, *args):
    """How many scalar operations the program for some arguments was made of, whether or not it was run backward."""
    return compiled.program_for(*args).nodes


# ---- vmap: parameters that a sample meets in all ways ----

GRIDS = {
    "tanh of sums": lambda W, x: sum((w + xi).tanh() for row, xi in zip(W, x) for w in row) ** 2,
    "exp of sums": lambda W, x: sum((w + xi).exp() for row, xi in zip(W, x) for w in row) ** 2,
    "log of sums": lambda W, x: sum((w + xi).log() for row, xi in zip(W, x) for w in row) ** 2,
    "sin of products": lambda W, x: sum((w * xi).sin() for row, xi in zip(W, x) for w in row) ** 2,
    "products": lambda W, x: sum(w * xi for row, xi in zip(W, x) for w in row) ** 2,
    "quotients": lambda W, x: sum(w / xi + xi / w for row, xi in zip(W, x) for w in row) ** 2,
    "powers": lambda W, x: sum(w**xi for row, xi in zip(W, x) for w in row).sqrt(),
    "larger ones": lambda W, x: sum(w.maximum(xi) * w for row, xi in zip(W, x) for w in row),
    "a chosen one": lambda W, x: sum(Value.where_le(w, xi, w * xi, w / xi) for row, xi in zip(W, x) for w in row),
    "columns": lambda W, x: sum((W[j][i] * x[i]).tanh() for i in range(len(W[0])) for j in range(len(W))) ** 2,
    "columns, row by row": lambda W, x: sum((W[j][i] + x[i]).exp() for j in range(len(W)) for i in range(len(W[0]))),
    "a list of rows": lambda W, x: [sum((w + xi).tanh() for w in row) ** 2 for row, xi in zip(W, x)],
    "a list of columns": lambda W, x: [sum((w + xi).log() for w, xi in zip(col, x)) for col in zip(*W)],
    "all that there are": lambda W, x: [[(w * xi).exp() for w in row] for row, xi in zip(W, x)],
    "a product of sums": lambda W, x: functools.reduce(operator.mul, [sum(row) + xi for row, xi in zip(W, x)]),
    "two numbers each": lambda W, x: sum((w * a + b).tanh() for row, a in zip(W, x) for w, b in zip(row, x)) ** 2,
    "turned": lambda W, x: sum((w + u * x[0]).tanh() for r, c in zip(W, zip(*W)) for w, u in zip(r, c)) ** 2,
}


def grid(rows, columns):
    return [[Value(0.3 + 0.7 * i + 0.25 * j * (1 + i)) for j in range(columns)] for i in range(rows)]


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (3, 3), (1, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_of_parameters_against_a_sample(name, shape):
    W = grid(*shape)
    for samples in 1, 2, 3, 5:
        check(vmap(lambda x: GRIDS[name](W, x)), flat(W), POSITIVE[:samples])
    check(lambda X: [sum(flat(row)) for row in vmap(lambda x: GRIDS[name](W, x))(X)][1:3], flat(W), POSITIVE)


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_against_samples_of_values(name):
    W, rows = grid(2, 2), [[Value(v) for v in x] for x in POSITIVE[:2]]
    check(lambda rows: vmap(lambda x: GRIDS[name](W, x))(rows), [*flat(W), *flat(rows)], rows)
    check(lambda W, X: vmap(lambda x: GRIDS[name](W, x))(X), flat(W), W, POSITIVE)


@pytest.mark.parametrize("name", ["tanh", "exp", "log", "sigmoid", "sqrt"])
def test_blocks_of_parameters_against_a_sample(name):
    operation, W = methodcaller(name), [grid(2, 2), grid(2, 2)]
    for one in (
        lambda x: sum(operation(w + x[i]) for i in (0, 1) for row in W[i] for w in row) ** 2,
        lambda x: sum(operation(w * x[k]) for block in W for row in block for k, w in enumerate(row)) ** 2,
        lambda x: sum(operation(W[k][i][j] + x[k]) for i in (0, 1) for j in (0, 1) for k in (0, 1)) ** 2,
        lambda x: [sum(operation(W[k][i][j] * x[j]) for k in (0, 1)) ** 2 for i in (0, 1) for j in (0, 1)],
    ):
        check(vmap(one), flat(W), POSITIVE)


# ---- vmap: functions are told apart by all they compute with ----


def test_functions_that_are_not_written_in_python():
    a, b = Value(0.5), Value(1.5)
    check(lambda X: [vmap(sum)(X), vmap(len)(X)], [], X)
    rows = [[a, b], [b, a * 1], [a + b, b]]
    kinds: list[Any] = [sum, len, tuple, itemgetter(0), itemgetter(1), list]
    check(lambda rows: [vmap(kind)(rows) for kind in kinds], [a, b], rows)
    values = [a, b, a * b]
    kinds = [methodcaller("exp"), methodcaller("tanh"), Value.exp, Value.log, operator.neg, abs]
    check(lambda values: [vmap(kind)(values) for kind in kinds], [a, b], values)
    check(lambda xs: [vmap(kind)(xs, xs[::-1]) for kind in (operator.add, operator.mul, operator.sub)], [a, b], values)


@pytest.mark.filterwarnings("ignore:k was another")
@pytest.mark.parametrize("maxsize", [1, 3, 64])
def test_a_local_number_made_of_a_static_argument(maxsize):
    a = Value(1.5)

    def f(X, k):
        s = k * 0.5
        return vmap(lambda x: a * x[0] * s)(X)

    compiled = micrograd.compile(f, static=("k",), maxsize=maxsize)
    for k in range(1, 12):
        assert compiled(X, k)[1].data == pytest.approx(1.5 * X[1][0] * k / 2)
    for k in [*range(1, 12), *range(11, 0, -1)]:
        check(f, [a], X, compiled=compiled, k=k)


@pytest.mark.filterwarnings("ignore:k was another")
def test_a_local_list_or_text_made_of_a_static_argument():
    a = Value(0.5)

    def f(X, k):
        powers = [k * 0.25 + i for i in range(3)]
        name = "exp" if k % 2 else "".join(["ta", "nh"])
        return vmap(lambda x: sum(getattr(a * v * p, name)() for v, p in zip(x, powers)))(X)

    compiled = micrograd.compile(f, static=("k",))
    for k in [*range(1, 12), 3, 4]:
        check(f, [a], X, compiled=compiled, k=k)


def scaled_by_a_variable(k, a):
    return lambda x: a * x[0] * k


def scaled_by_a_default(k, a):
    return lambda x, k=k: a * x[0] * k


def scaled_by_a_keyword(k, a):
    def scaled(x, *, k=k):
        return a * x[0] * k

    return scaled


def scaled_by_an_inner_function(k, a):
    def inner(x):
        return a * x[0] * k

    return lambda x: inner(x) + a


def scaled_two_functions_deep(k, a):
    def innermost(x):
        return x[0] * k

    def inner(x):
        return innermost(x) * a

    return lambda x: inner(x) + a


def scaled_by_an_entry(k, a):
    table = {"k": [k]}
    return lambda x: a * x[0] * table["k"][0]


def scaled_by_an_attribute(k, a):
    holder = SimpleNamespace(k=k)
    return lambda x: a * x[0] * holder.k


def scaled_by_a_partial(k, a):
    return functools.partial(lambda k, x: a * x[0] * k, k)


def scaled_by_a_call(k, a):
    class Scaled:
        def __call__(self, x):
            return a * x[0] * k

    return Scaled()


def scaled_by_a_method(k, a):
    class Scaled:
        def scaled(self, x):
            return a * x[0] * k

    return Scaled().scaled


def scaled_and_wrapped(k, a):
    inner = scaled_by_a_variable(k, a)
    return functools.wraps(inner)(lambda x: inner(x) * 2)


def scaled_and_compiled(k, a):
    return micrograd.compile(scaled_by_a_variable(k, a))


SCALED = [f for name, f in list(globals().items()) if name.startswith("scaled_")]


@pytest.mark.parametrize("make", SCALED, ids=lambda make: make.__name__)
def test_functions_made_in_a_loop(make):
    a = Value(1.5)

    def f(X):
        return [vmap(make(k, a))(X) for k in (0.5, 2, -1.5, 0.5)]

    compiled = check(f, [a], X)
    check(f, [a], X[:2], compiled=compiled)

    def g(X, k):
        return vmap(make(k * 0.5, a))(X)

    compiled = micrograd.compile(g, static=("k",))
    for k in [*range(1, 8), 2, 1]:
        check(g, [a], X, compiled=compiled, k=k)


@pytest.mark.parametrize("make", SCALED, ids=lambda make: make.__name__)
def test_functions_that_differ_in_what_was_computed(make):
    a, b = Value(1.5), Value(0.5)

    def f(X, w, c):
        return [vmap(make(k, a))(X) for k in (w, b, c, w * b, (b * c).exp(), c * c)]

    compiled = check(f, [a, b, w := Value(0.25)], X, w, 2.0)
    check(f, [a, b, w], X[:3], w, -1.0, compiled=compiled)


def test_a_variable_that_changes_between_two_batches():
    a = Value(1.5)

    def f(X):
        s = 2.0

        def scaled(x):
            return a * x[0] * s

        first = vmap(scaled)(X)
        s = -3.0
        second = vmap(scaled)(X)
        s = first[0]
        return first, second, vmap(scaled)(X)

    check(f, [a], X)


FACTOR = 2.0


def test_a_global_that_changes_between_two_batches():
    a = Value(1.5)

    def scaled(x):
        return a * x[0] * FACTOR

    def f(X):
        global FACTOR
        FACTOR = 3.0
        first = vmap(scaled)(X)
        FACTOR = 2.0
        return first, vmap(scaled)(X)

    check(f, [a], X)


@pytest.mark.parametrize("kind", ["attribute", "entry", "item", "length", "class"])
def test_what_changes_between_two_batches(kind):
    a, b = Value(1.5), Value(0.5)

    class Scorer:
        k = 2.0

        def score(self, x):
            return a * x[0] * self.k

    def f(X):
        scorer, table, rows = Scorer(), dict[str, Any](k=2.0), [a]
        one, change = {
            "attribute": (scorer.score, lambda: setattr(scorer, "k", 3.0)),
            "class": (scorer.score, lambda: setattr(Scorer, "k", 3.0)),
            "entry": (lambda x: a * x[0] * table["k"], lambda: table.update(k=b)),
            "item": (lambda x: rows[0] * x[0], lambda: operator.setitem(rows, 0, b)),
            "length": (lambda x: sum(rows) * x[0], lambda: rows.append(b)),
        }[kind]
        first = vmap(one)(X)
        change()
        second = vmap(one)(X)
        Scorer.k = 2.0
        return first, second

    compiled = check(f, [a, b], X)
    check(f, [a, b], X[:2], compiled=compiled)


def test_a_model_that_changes_between_two_batches(model):
    def f(X):
        layers, neuron = model.layers, model.layers[0].neurons[0]
        out = [vmap(model)(X)]
        neuron.nonlin = "sigmoid"
        out.append(vmap(model)(X))
        model.layers = layers[:1]
        out.append(vmap(model)(X))
        model.layers, neuron.nonlin = layers, "tanh"
        return out

    check(f, model.parameters(), X)


# ---- vmap: samples that were computed ----


@pytest.mark.parametrize(
    "prepare",
    [
        lambda X, c: [[c * v for v in x] for x in X],
        lambda X, c: [[c + v * v for v in x[::-1]] for x in X[::-1]],
        lambda X, c: [[x[0] * c, c, 1.0] for x in X],
        lambda X, c: [[u * v * c for u, v in zip(x, y)] for x, y in zip(X, X[1:] + X[:1])],
        lambda X, c: vmap(lambda x: [c * v for v in x])(X),
        lambda X, c: vmap(lambda x: [v * c for v in x])(X)[::-1],
        lambda X, c: [[-2.0 * v for v in x] for x in vmap(lambda x: [v * c for v in x])(X)],
    ],
)
def test_samples_that_are_results_run_as_one(model, prepare):
    def f(X, c):
        return vmap(model)(prepare(X, c))

    single = count_of(micrograd.compile(f), X[:1], 0.5)
    for c, leaves in (0.5, model.parameters()), (v := Value(0.5), [*model.parameters(), v]):
        compiled = check(f, leaves, X, c)
        check(f, leaves, X[1:], c, compiled=compiled)
        assert count_of(micrograd.compile(f), X * 10, c) < 12 * single


def test_the_nodes_grow_by_no_more_than_the_samples_need(model):
    def f(X, c):
        return vmap(model)([[c * v for v in x] for x in X])

    counts = {n: count_of(micrograd.compile(f), (X * 10)[:n], 0.5) for n in (1, 25, 50)}
    assert counts[50] - counts[25] <= 25 * 8
    assert counts[50] < 50 * counts[1] / 4


@pytest.mark.parametrize(
    "f",
    [
        lambda model, ys: vmap(lambda y: y[0] * y[1])(ys),
        lambda model, ys: vmap(lambda y: y[0] * y[1])(ys[::-1]),
        lambda model, ys: vmap(lambda y: y[0] * y[1])(ys[1:3]),
        lambda model, ys: vmap(lambda y: y[0] * y[1])([ys[i] for i in (3, 1, 1, 0)]),
        lambda model, ys: vmap(lambda v: v.exp())([y[0] for y in ys]),
        lambda model, ys: vmap(lambda y: y[0] - y[1].sin())([[2 * v for v in y] for y in ys]),
        lambda model, ys: vmap(lambda y, z: y[0] * z[1])(ys, ys[::-1]),
        lambda model, ys: vmap(lambda y, z: (y[0] - z[0]) ** 2)(ys[:-1], ys[1:]),
        lambda model, ys: vmap(lambda y, k: y[0] * k)(ys, [3.0, 2.0, 1.0, 0.5, 0.25][: len(ys)]),
        lambda model, ys: vmap(model)([[*y, 1.0] for y in ys]),
        lambda model, ys: vmap(model)([[y[1], sum(y), y[0] * 3] for y in vmap(model)([[*y, 0.5] for y in ys])]),
        lambda model, ys: vmap(lambda y: sum(y) / len(y))(list(zip(*ys))),
        lambda model, ys: [sum(vmap(lambda v: v * v)(y)) for y in ys],
        lambda model, ys: vmap(lambda y: F.softmax(y))([[v - y[0] for v in y] for y in ys]),
        lambda model, ys: vmap(lambda v: ys[0][0] * v)([y[1] for y in ys]),
    ],
)
def test_results_as_samples(model, f):
    check(lambda X: f(model, vmap(model)(X)), model.parameters(), X)
    check(lambda X: f(model, [model(x) for x in X]), model.parameters(), X)
    compiled = micrograd.compile(lambda X: f(model, vmap(model)(X)))
    for n in 5, 4, 5:
        check(lambda X: f(model, vmap(model)(X)), model.parameters(), X[:n], compiled=compiled)
        for p in model.parameters():
            p.data *= 0.9


@pytest.mark.parametrize(
    "rows",
    [
        lambda a, b: [[a, 1.0], [b, 2.0], [a * b, 3.0]],
        lambda a, b: [[a, 1.0], [2.0, b], [0.5, 0.25]],
        lambda a, b: [[1.0, 2.0], [a, b], [b, 1]],
        lambda a, b: [[a, a], [a, b], [b.exp(), a]],
        lambda a, b: [[0.5, 1.0], [a.data, b], [b, a.data * 2]],
    ],
)
def test_samples_of_values_and_numbers(rows):
    a, b, w = Value(1.5), Value(-0.5), Value(0.25)

    def one(x):
        return (x[0] * w + x[1] ** 2).tanh(), x[0]

    check(vmap(one), [a, b, w], rows(a, b))
    check(lambda rows: sum(y * (1 + i) for i, (y, _) in enumerate(vmap(one)(rows))), [a, b, w], rows(a, b))
    check(lambda a, b: vmap(one)(rows(a, b)), [a, b, w], a, b)
    check(lambda: vmap(one)(rows(a, b)), [a, b, w])


def test_vmap_in_vmap(model):
    batches = [X[:3], X[1:4], X[2:]]
    a = Value(0.5)
    for f in (
        vmap(vmap(model)),
        vmap(lambda rows: sum(v[0] for v in vmap(model)(rows)).tanh() * a),
        vmap(lambda rows: vmap(lambda x: [sum(x) * v * a for v in rows[0]])(rows)),
        vmap(lambda rows: vmap(lambda x: F.softmax([sum(p * q for p, q in zip(x, y)) * a for y in rows]))(rows)),
        vmap(lambda rows: vmap(lambda y: y[0] * y[1])(vmap(model)(rows))),
        vmap(lambda rows: vmap(vmap(lambda v: (v * a).exp()))(rows)),
        vmap(lambda rows: vmap(lambda column: sum(column) * a)(list(zip(*rows)))),
    ):
        compiled = check(f, [*model.parameters(), a], batches)
        check(f, [*model.parameters(), a], [X[2:], X[:3]], compiled=compiled)
        check(f, [*model.parameters(), a], [rows[:1] for rows in batches], compiled=compiled)


def test_vmap_in_vmap_on_values(model):
    batches = [[[Value(v) for v in x] for x in rows] for rows in (X[:2], X[1:3])]
    a = Value(0.5)
    leaves = [*model.parameters(), a, *flat(batches)]
    check(vmap(vmap(model)), leaves, batches)
    check(vmap(lambda rows: vmap(lambda x: model(x)[0] * a * rows[0][0])(rows)), leaves, batches)
    check(lambda batches: vmap(vmap(lambda y: y[0] / 2))(vmap(vmap(model))(batches)), leaves, batches)


def test_a_label_that_comes_back(model):
    targets = [1.0, -0.5, 2, 0.25, 3.0]

    def loss(X, targets):
        pairs = vmap(lambda x, t: (model(x)[0], t))(X, targets)
        return sum((score - t) ** 2 for score, t in pairs) / len(pairs), [t for _, t in pairs]

    def weighted(X, targets):
        results = vmap(lambda x, t: {"score": model(x), "x": x, "t": [t, 2 * t]})(X, targets)
        return [r["score"][0] * r["x"][1] + r["score"][1] * r["t"][1] for r in results], results[0]["t"]

    for f in loss, weighted:
        compiled = check(f, model.parameters(), X, targets)
        check(f, model.parameters(), X, targets[::-1], compiled=compiled)
        for n in 2, 1, 4:
            check(f, model.parameters(), X[:n], targets[-n:], compiled=compiled)
        check(f, model.parameters(), np.array(X), np.array(targets), compiled=compiled)
        values = [Value(t) for t in targets]
        check(f, [*model.parameters(), *values], X, values)


@pytest.mark.parametrize(
    "number",
    [
        lambda x: x[0],
        lambda x: x[0] * x[1] + 1,
        lambda x: len(x),
        lambda x: 2.0,
        lambda x: sum(x),
        lambda x: -x[2] / 4,
    ],
)
def test_another_number_of_samples_whose_numbers_are_divided_by(model, number):
    def f(X):
        pairs = vmap(lambda x: (model(x)[0], number(x)))(X)
        return [score / n for score, n in pairs], [1 / n for _, n in pairs], sum(n**-1 for _, n in pairs)

    compiled = check(f, model.parameters(), X)
    for rows in (X[:2], X[::-1], X * 2, X[3:], np.array(X[1:])):
        check(f, model.parameters(), rows, compiled=compiled)


@pytest.mark.parametrize(
    "f",
    [
        lambda model, X: sum(y[0] for y in vmap(model)(X)) / len(X),
        lambda model, X: vmap(lambda y: y[0] * 2)(vmap(model)(X)[::-1]),
        lambda model, X: vmap(model)([[0.5 * v for v in x] for x in X])[-1],
        lambda model, X: [y[0] * n for y, n in zip(vmap(model)(X), vmap(sum)(X))],
        lambda model, X: functools.reduce(Value.maximum, [y[1] for y in vmap(model)(X)]),
    ],
)
def test_another_number_of_samples(model, f):
    compiled = check(lambda X: f(model, X), model.parameters(), X)
    for rows in (X[:1], X * 3, X[:2], X, X[4:]):
        check(lambda X: f(model, X), model.parameters(), rows, compiled=compiled)


# ---- only what is asked for is walked back ----


@pytest.mark.parametrize(
    ("one", "xs"),
    [
        (lambda a, x: (a * x).log(), [1.0, 0.0, 2.0]),
        (lambda a, x: (a * x).sqrt(), [1.0, 0.0, 0.25]),
        (lambda a, x: 1 / (a - x), [1.0, 2.0, 0.5]),
        (lambda a, x: (a - x) ** -0.5, [1.0, 2.0, 0.5]),
        (lambda a, x: (a * x).exp(), [1.0, 1000.0, -1.0]),
        (lambda a, x: (a * x) ** a, [1.0, 0.0, math.inf]),
        (lambda a, x: a * x, [1.0, math.inf, math.nan]),
        (lambda a, x: [(a * x).log(), a * x], [1.0, 0.0, 2.0]),
    ],
)
def test_only_samples_that_are_asked_for_are_walked_back(one, xs):
    a = Value(2.0)
    f = vmap(lambda x: one(a, x))
    compiled = micrograd.compile(f)
    for pick in (itemgetter(0), itemgetter(-1), itemgetter(1), itemgetter(0, 2), itemgetter(slice(1))):
        found = []
        for function in (f, compiled, micrograd.compile(f)):
            sum(flat(pick(function(xs)))).backward()
            found.append(gradients([a]))
        agree(found[1] + found[2], found[0] * 2)
        check(lambda xs, pick=pick: pick(f(xs)), [a], xs)  # asked for inside


def test_the_gradient_of_the_first_of_two():
    a = Value(2.0)
    micrograd.compile(vmap(lambda x: (a * x).log()))([1.0, 0.0])[0].backward()
    assert a.grad == 0.5


def test_each_sample_needs_another_of_its_results():
    a = Value(2.0)
    xs = [0.0, 2.0, 1.0]  # the log of the first and the root of the second have no finite slope
    f = vmap(lambda x: ((a * x).log(), (a - x).sqrt(), a * x))
    for picks in ((1, 0, 2), (2, 0, 0), (1, 2, 1), (2, 2, 2), (0, 1, 0)):
        alike(lambda compile, picks=picks: sum(row[i] for row, i in zip(compile(f)(xs), picks)), [a])
        check(lambda xs, picks=picks: [row[i] for row, i in zip(f(xs), picks)], [a], xs)
        check(lambda xs, picks=picks: sum(row[i] for row, i in zip(f(xs), picks)), [a], xs)


def test_samples_of_values_that_nobody_asks_for_keep_their_gradients():
    a, xs = Value(2.0), [Value(1.0), Value(0.0), Value(3.0)]
    f = vmap(lambda x: ((a * x).log(), x.sqrt()))
    for i, j in ((0, 0), (0, 1), (2, 0), (2, 1)):
        alike(lambda compile, i=i, j=j: compile(f)(xs)[i][j], [a, *xs])
        alike(lambda compile, i=i, j=j: compile(lambda xs: f(xs)[i][j])(xs), [a, *xs])
        alike(lambda compile, i=i, j=j: compile(f)([x * 1 for x in xs])[i][j], [a, *xs])
        alike(lambda compile, i=i, j=j: compile(f)([x.sqrt() for x in xs])[i][j], [a, *xs])


def test_a_condition_gets_no_gradient_in_any_sample():
    a = Value(2.0)
    check(vmap(lambda x: Value.where_le((a * x).log(), 0.0, a * x, -a)), [a], [1.0, 0.0, 0.25])
    check(vmap(lambda x: Value.where_le(a, x, (a - x) * 2, (a - x).sqrt())), [a], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("broken", [lambda z: z.sqrt(), lambda z: z.log(), lambda z: 1 / z, lambda z: z**-2])
def test_an_argument_that_is_not_used_gets_no_gradient(broken):
    z, b = Value(0.0), Value(3.0)
    micrograd.compile(lambda u, v: v * 2)(broken(z), b).backward()
    assert gradients([z, b]) == [0.0, 2.0]
    for f in (
        lambda u, v: v * 2,
        lambda u, v: [v * 2, v.exp()],
        lambda u, v: sum(vmap(lambda x: v * x)([1.0, 2.0])),
        lambda u, v: sum(w for w, _ in vmap(lambda x: (v * x, u * x))([1.0, 2.0])),
        lambda u, v: v * u.data,
    ):
        alike(lambda compile, f=f: compile(f)(broken(z), b), [z, b])
        alike(lambda compile, f=f: compile(lambda v: f(broken(z), v))(b), [z, b])
    for f in (lambda u, v: (u * 2, v * 3), lambda u, v: [u, v * v], lambda u, v: (u + v, v)):
        alike(lambda compile, f=f: compile(f)(broken(z), b)[1], [z, b])
        alike(lambda compile, f=f: compile(f)(broken(z), b * 2)[1] * b, [z, b])


# ---- composition ----


def test_a_compiled_result_as_an_argument():
    a, b = Value(0.5), Value(1.25)

    def use(compile):
        inner = compile(lambda x: [x * a, (x * b).exp()])
        outer = compile(lambda p, q, k: (p * q + k, p.tanh() * a))
        out = [outer(*inner(2.0), 3.0), outer(*inner(-1.0), 1.0), outer(*inner(b), 0.5)]
        return [*out, outer(*outer(*inner(0.5), 1.0), 2.0)]

    alike(use, [a, b])


def test_a_compiled_result_that_is_closed_over():
    a, b = Value(0.5), Value(1.25)

    def use(compile):
        inner = compile(lambda x: ((x * a).exp(), x * b))
        h, k = inner(2.0)
        outer = compile(lambda x: h * x + k * a)
        early = sum([outer(1.0), outer(3.0)])
        early.backward()
        a.data, b.data = 0.75, -0.5
        between = outer(2.0)  # h and k are what they were
        h, k = inner(1.0)
        out = [early.data, between.data, outer(2.0)]
        out[-1].backward()
        if compile is micrograd.compile:
            with pytest.raises(RuntimeError, match="the data of a is another"):
                between.backward()
        a.data, b.data = 0.5, 1.25
        h, k = inner(1.0)
        return [*out[:2], outer(2.0)]

    alike(use, [a, b])


def test_compiled_results_as_samples(model):
    def use(compile):
        scores = compile(vmap(model))(X)
        losses = compile(vmap(lambda y, t: (y[0] * y[1] - t) ** 2))(scores, [1.0, 2.0, 3.0, 4.0, 5.0])
        return losses, compile(vmap(lambda v: v * scores[0][0]))(losses)

    alike(use, model.parameters())


@pytest.mark.parametrize(
    "use",
    [
        lambda f, a, b: (a * f(a.exp(), b)).tanh() + b,
        lambda f, a, b: f(f(a, b), f(b, a)) * a,
        lambda f, a, b: f(a * b, a * b) + (a * b).log(),
        lambda f, a, b: [f(a * i, b).sin() for i in range(1, 4)],
        lambda f, a, b: sum(f(a, b) * f(b * 2.0, a) for _ in range(3)),
        lambda f, a, b: f(a, 2.0) + f(3.0, b) + f(1.0, 1.0) * a,
    ],
)
def test_a_compiled_function_in_an_eager_graph(use):
    a, b, w = Value(0.5), Value(1.25), Value(-0.75)

    def f(x, y):
        return (x * w).tanh() * y + x

    alike(lambda compile: use(compile(f), a, b), [a, b, w])
    alike(lambda compile: compile(lambda a, b: use(f, a, b))(a, b), [a, b, w])
    alike(lambda compile: compile(lambda a, b: use(compile(f), a, b))(a, b), [a, b, w])
    alike(lambda compile: compile(lambda: use(compile(f), a * b, b.exp()))(), [a, b, w])


def test_gradients_in_the_middle():
    a = Value(0.5)

    def f(x):
        return [(x * a).exp(), x * x]

    found = []
    for function in (f, micrograd.compile(f)):
        early = a * 3
        late = function(early)
        out = late[0] * late[1].tanh() + early
        out.backward()
        found.append([v.grad for v in (early, *late, out)] + gradients([a]))
    agree(found[1], found[0])


def test_state_that_goes_from_call_to_call():
    w, u = Value(0.7), Value(-0.4)

    def use(compile, start, steps):
        f = compile(lambda h, x: (w * h + u * x).tanh())
        h, all_states = start(), []
        for i in range(steps):
            h = f(h, math.sin(i))
            all_states.append(h)
        return h, all_states[1]

    h0 = Value(0.3)
    for start in (lambda: h0, lambda: h0 * 2, lambda: 0.5):
        for steps in 2, 6, 50:
            alike(lambda compile, start=start, steps=steps: use(compile, start, steps), [w, u, h0])


def test_states_of_many_numbers():
    random.seed(0)
    W = [[Value(random.uniform(-1, 1)) for _ in range(3)] for _ in range(3)]

    def step(state, x):
        h = [(sum(w * v for w, v in zip(row, state["h"])) + xi).tanh() for row, xi in zip(W, x)]
        return {"h": h, "c": [c * 0.5 + v for c, v in zip(state["c"], h)]}

    def use(compile):
        f, state = compile(step), {"h": [0.0] * 3, "c": [Value(1.0)] * 3}
        for x in X:
            state = f(state, x)
        return state

    alike(use, flat(W))

    def batched(compile):
        f = compile(lambda states, xs: vmap(lambda h, x: step({"h": h, "c": h}, x)["h"])(states, xs))
        states = [[0.1 * i] * 3 for i in range(4)]
        for i in range(4):
            states = f(states, [X[i]] * 4)
        return states

    alike(batched, flat(W))


def test_vmap_of_a_compiled_function(model):
    a = Value(0.5)
    inner = micrograd.compile(lambda x: [v * a for v in model(x)])
    check(lambda X: [vmap(inner)(X), [inner(x) for x in X]], [*model.parameters(), a], X)
    check(vmap(micrograd.compile(vmap(inner))), [*model.parameters(), a], [X[:2], X[2:4]])
    alike(lambda compile: vmap(compile(lambda x: model(x)[0] * a))(X), [*model.parameters(), a])
    alike(lambda compile: compile(lambda X: vmap(compile(vmap(lambda v: v * a)))(X))(X), [a])


def test_training_through_two_compiled_functions():
    found = []
    for compile in (lambda f: f, micrograd.compile):
        random.seed(0)
        encoder, decoder = MLP(3, [4, 2], nonlin="tanh"), MLP(2, [4, 3], nonlin="tanh")
        encode, decode = compile(vmap(encoder)), compile(vmap(decoder))
        loss = compile(lambda X, Y: sum((a - b) ** 2 for x, y in zip(X, Y) for a, b in zip(x, y)))
        parameters, losses = encoder.parameters() + decoder.parameters(), []
        for step in range(5):
            rows = X[: 3 + step % 3]
            total = loss(rows, decode(encode(rows)))
            for p in parameters:
                p.grad = 0.0
            total.backward()
            for p in parameters:
                p.data -= 0.01 * p.grad
            losses.append(total.data)
        found.append(losses + numbers(parameters))
    agree(found[1], found[0], 1e-9)


# ---- .data: the number now, and no gradient ----


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a.data * b,
        lambda a, b: b * a.data,
        lambda a, b: a * a.data,
        lambda a, b: a.data,
        lambda a, b: [a.data * b.data, a + b.data, -a.data],
        lambda a, b: Value(a.data) * b,
        lambda a, b: Value(a.data),
        lambda a, b: Value((a * b).data).exp() * a,
        lambda a, b: (a * b - (a + b).data) ** 2,
        lambda a, b: a / a.data + 1 / a.data + a.data / b,
        lambda a, b: a.data**2 * b + a**b.data,
        lambda a, b: (a * b).exp() / (a * b).exp().data,
        lambda a, b: abs(a.data) * b + (a.data - b.data) * a,
        lambda a, b: a.maximum(b.data) + Value.where_le(a.data, b, a, b),
        lambda a, b: a + Value(Value(a.data * 2).data) * b,
        lambda a, b: [x.data * a for x in F.softmax([a, b])],
        lambda a, b: vmap(lambda x: a.data * b * x)([1.0, 2.0, 3.0]),
        lambda a, b: vmap(lambda x: (a * x - (b * x).data) ** 2)([1.0, 2.0, 3.0]),
        lambda a, b: vmap(lambda x: Value(a.data) * x + Value((a * x).data) * b)([1.0, 2.0]),
        lambda a, b: vmap(lambda x: x.data * a + x * b.data)([a * b, b, a]),
        lambda a, b: [y.data * a for y in vmap(lambda x: a * b * x)([1.0, 2.0])],
        lambda a, b: vmap(lambda x: b * x)([a.data, (a * b).data, 2.0]),
    ],
)
def test_data_is_a_number_without_a_gradient(f):
    a, b, z = Value(0.5), Value(1.25), Value(2.0)
    uses = [(lambda: f(a, b), ()), (f, (a, b)), (lambda b: f(a, b), (b,)), (lambda z: f(a * z, b.sin() + z), (z,))]
    functions = [(g, args, micrograd.compile(g)) for g, args in uses]
    inner = micrograd.compile(f)
    for numbers_now in ((0.5, 1.25, 2.0), (1.5, -0.75, 0.5), (-2.0, 3.0, 1.0)):
        a.data, b.data, z.data = numbers_now
        for g, args, compiled in functions:
            check(g, [a, b, z], *args, compiled=compiled)
        check(lambda: f(a * z, z.exp()), [a, b, z], compiled=lambda: inner(a * z, z.exp()))


def test_data_is_a_plain_number():
    a = Value(0.5)
    compiled = micrograd.compile(lambda x: (a.data, x.data, (a * x).data, a.data * 2))
    for want in (0.5, 0.75):
        a.data = want
        assert [type(v) for v in compiled(a)] == [float] * 4
        assert compiled(a) == (want, want, want * want, 2 * want)


def moved(module):
    for p in module.parameters():
        p.data += random.uniform(-0.3, 0.3)


@pytest.mark.parametrize(
    "loss",
    [
        lambda net, target, X: sum((net(x) - target(x).data) ** 2 for x in X),
        lambda net, target, X: sum(vmap(lambda x: (net(x) - target(x).data) ** 2)(X)),
        lambda net, target, X: vmap(lambda x, y: (net(x) - (x[0] + 0.9 * target(y).data)) ** 2)(X, X[::-1]),
        lambda net, target, X: [(y - t.data) ** 2 for y, t in zip(vmap(net)(X), vmap(target)(X))],
        lambda net, target, X: sum((net(x) - Value(net(x).data) * target(x)) ** 2 for x in X),
        lambda net, target, X: sum((net(x) - (x[0] + 0.9 * net(x[::-1]).data)) ** 2 for x in X),
        lambda net, target, X: sum(p * q.data for p, q in zip(net.parameters(), target.parameters())),
        lambda net, target, X: sum(net(x).data for x in X) * net(X[0]) + sum(p.data for p in target.parameters()),
    ],
)
def test_a_target_that_is_not_trained(loss):
    random.seed(1)
    net, target = MLP(3, [4, 1], nonlin="tanh"), MLP(3, [4, 1], nonlin="tanh")

    def f(X):
        return loss(net, target, X)

    compiled = micrograd.compile(f)
    for rows in (X, X[:3], X, X[::-1]):
        check(f, net.parameters() + target.parameters(), rows, compiled=compiled)
        moved(net)
        moved(target)
        target.layers[0].neurons[0].w[0].data = net.layers[0].neurons[0].w[0].data


# ---- long recurrences, and many subsets of the results ----


def test_a_recurrence_of_ten_thousand_steps():
    w, u = Value(0.9), Value(0.5)

    def run(xs):
        h = 0.0
        for x in xs:
            h = (w * h + u * x).tanh()
        return h

    compiled = check(run, [w, u], [math.sin(t) for t in range(10_000)])
    w.data = 0.99
    check(run, [w, u], [math.cos(t) for t in range(10_000)], compiled=compiled)


def twelve(a, b, z, x):
    """Some of them have no finite slope where z is 0."""
    shared = (a * b).tanh()
    return [
        a * x,
        shared + b,
        z.sqrt() * a,
        (z * a).log(),
        shared * shared,
        b / z,
        z,
        a,
        z * 3 + a,
        (a - b).exp(),
        z**-0.5 + b,
        shared.maximum(z),
    ]


def walked_back(results, subset):
    sum(((0.5 + i) * results[i] for i in subset), Value(0)).backward()


@pytest.mark.parametrize("zero", [0.0, 0.25])
@pytest.mark.parametrize(
    "f",
    [
        twelve,
        lambda a, b, z, x: dict(enumerate(twelve(a, b, z, x))),
        lambda a, b, z, x: vmap(lambda c: twelve(a, b, z, c)[4] * c + (a * (z + c)).sqrt())([*range(11), x]),
        lambda a, b, z, x: flat(vmap(lambda c: twelve(a, b, z, c)[2:6])([x, 2.0, 3.0])),
    ],
    ids=["list", "dict", "vmap", "vmap of several"],
)
def test_every_subset_of_the_results(f, zero):
    rng = random.Random(0)
    a, b, z = Value(0.5), Value(1.25), Value(zero)
    compiled = micrograd.compile(f)
    subsets = {tuple(sorted(rng.sample(range(12), rng.randint(1, 12)))) for _ in range(260)}
    assert len(subsets) >= 200
    for subset in sorted(subsets)[:200]:
        found, x = [], rng.uniform(0.5, 2)
        for function in (f, compiled):
            results = function(a, b, z, x)
            walked_back(results, subset)
            found.append([*numbers(results), *gradients([a, b, z])])
        agree(found[1], found[0], 1e-9, 1e-12)
    assert len(compiled.program.codes) < 20


def test_every_subset_of_the_results_of_one_call():
    rng = random.Random(1)
    a, b, z = Value(0.5), Value(1.25), Value(0.0)
    plain, compiled = twelve(a, b, z, 2.0), micrograd.compile(twelve)
    results = compiled(a, b, z, 2.0)
    for _ in range(200):
        subset = rng.sample(range(12), rng.randint(1, 12))
        walked_back(plain, subset)
        want = gradients([a, b, z])
        walked_back(results, subset)
        agree(gradients([a, b, z]), want, 1e-9, 1e-12)
    assert len(compiled.program.codes) < 20


# ---- arguments ----

NAMES = ["x", "argument0", "argument1", "t0", "t1", "leaves", "seeds", "np", "n", "numpy", "float", "list", "inf"]
NAMES += ["forward", "backward", "forward_0", "batch_0", "results", "self", "args", "kwargs", "function", "inputs"]
NAMES += ["values", "class", "lambda", "None", "__debug__", "ü", "x-y", "1"]
NAMES += ["not a name", "", "t0 = 1", "a\nb", '"']


def given(f, leaves, keywords, *args, compiled=None):
    """`check`, for keywords of any name."""
    compiled = compiled or micrograd.compile(f)
    check(lambda: f(*args, **keywords), leaves, compiled=lambda: compiled(*args, **keywords))
    return compiled


@pytest.mark.parametrize("name", NAMES)
def test_any_keyword_there_may_be(name):
    a = Value(1.5)

    def alone(**kw):
        return a * kw[name]

    def beside(x, /, *rest, **kw):
        return a * x + sum(rest) * a**2 + kw[name] * a.exp()

    def row(**kw):
        return vmap(lambda x: [a * v for v in x])(kw[name])

    compiled = given(alone, [a], {name: 2.0})
    given(alone, [a], {name: 3.0}, compiled=compiled)
    given(beside, [a], {name: 2.0}, 1.0)
    given(beside, [a], {name: Value(2.0)}, a, 3.0)
    given(beside, [a], {name: 4.0}, 1.0, 2.0, 3.0)
    given(row, [a], {name: X})


def test_all_these_keywords_at_once():
    a = Value(1.5)

    def f(x, /, *rest, **kw):
        return a * x + sum((1 + i) * v * a for i, v in enumerate([*rest, *kw.values()]))

    keywords = {name: 0.5 + i for i, name in enumerate(NAMES)}
    compiled = given(f, [a], keywords, 1.0, 2.0)
    given(f, [a], {name: v * 2 for name, v in keywords.items()}, 2.0, 3.0, compiled=compiled)
    given(f, [a], dict(reversed(keywords.items())), 2.0, 3.0, compiled=compiled)
    assert compiled.program_for(1.0, 2.0, **keywords).source


def test_a_positional_argument_and_a_keyword_of_the_same_name():
    a = Value(1.5)

    def f(x, /, **kw):
        return a * x + kw["x"] * a**2

    compiled = check(f, [a], 1.0, x=2.0)
    check(f, [a], 3.0, x=-1.0, compiled=compiled)
    check(f, [a], a, x=a, compiled=compiled)
    check(lambda x, y=2.0, /, **kw: a * x * y + kw["y"] * a, [a], 1.0, y=5.0)

    def g(x, /, **kw):
        return a * x * kw["x"]

    compiled = micrograd.compile(g, static=("x",))
    for x in (1.0, 2.0):
        for y in (3.0, 4.0):
            check(g, [a], x, x=y, compiled=compiled)


def test_parameters_of_any_name():
    a = Value(1.5)
    check(lambda t0, t1, leaves, seeds, np, n: a * t0 + t1 * leaves + seeds * np / a * n, [a], 1, 2, 3, 4, 5, 6)
    check(lambda forward, backward, self, batch_0: [a * forward, backward * a, self - a, batch_0], [a], 1, 2, 3, 4)
    check(lambda leaves, seeds: vmap(lambda x, y: x * a + y)(leaves, seeds), [a], [1.0, 2.0], [3.0, 4.0])


class Line(Module):
    """Has a compiled method, one that it compiles itself, and one that it keeps."""

    def __init__(self):
        self.slope, self.offsets = Value(1.5), [Value(0.5), Value(-0.5)]
        self.own = micrograd.compile(self.plain)
        self.kept = self.loss

    def plain(self, x):
        return sum((self.slope * v + b).tanh() ** 2 for v, b in zip(x, self.offsets))

    @micrograd.compile
    def loss(self, x):
        """How far off."""
        return sum((self.slope * v + b).tanh() ** 2 for v, b in zip(x, self.offsets))

    @micrograd.compile(static=("k",))
    def power(self, x, k=2):
        return sum((self.slope * v) ** k for v in x)

    @micrograd.compile
    def all(self, X):
        return vmap(self.plain)(X)

    def __call__(self, x):
        return self.slope * x


def test_the_program_of_a_method():
    line, x = Line(), [1.0, 2.0]
    line.loss(x).backward()
    for method in (line.loss, line.own, line.kept):
        method(x)
        assert "tanh" in str(method.program)
        assert method.program_for(x) is method.program
        assert method.program.operations > 0
        assert method.program.source
    line.power([1.0, 2.0], k=3)
    assert line.power.program_for([1.0, 2.0], k=3) is line.power.program
    assert "tanh" in str(line.all.program_for([x, x, x]))
    assert line.loss.__doc__ == Line.loss.__doc__ == "How far off."
    assert line.loss.__name__ == "loss"


def test_methods_compute_what_they_do_uncompiled():
    line, other = Line(), Line()
    other.slope.data = -0.5
    leaves = [*line.parameters(), *other.parameters()]
    for x in ([1.0, 2.0], [0.5, -0.25], np.array([1.0, 3.0])):
        for one in (line, other):
            for method in (one.loss, one.own, one.kept, functools.partial(Line.loss, one)):
                check(one.plain, leaves, x, compiled=method)
            check(lambda X, one=one: [one.plain(x) for x in X], leaves, [x, x], compiled=one.all)
            for k in (2, 3):
                check(lambda x, k, one=one: sum((one.slope * v) ** k for v in x), leaves, x, k, compiled=one.power)


def test_a_method_in_torch():
    line, x = Line(), [1.0, 2.0]
    for method in (line.loss, line.own, line.kept):
        exported = method.to_torch(x)
        out = exported(torch.tensor(x, dtype=torch.float64))
        out.backward()
        line.plain(x).backward()
        assert out.item() == pytest.approx(line.plain(x).data, rel=1e-12)
        got = sorted(g for p in exported.parameters() for g in p.grad.reshape(-1).tolist())
        agree(got, sorted(gradients(line.parameters())), 1e-9)
        with torch.no_grad():
            for p in exported.parameters():
                p *= 2
        want = [2 * v for v in numbers(line.parameters())]
        method.from_torch(exported)
        agree(numbers(line.parameters()), want)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
@pytest.mark.parametrize("name", ["loss", "own", "kept"])
def test_a_copy_of_a_model_with_compiled_methods(duplicate, name):
    line, x = Line(), [1.0, 2.0]
    for method in (line.loss, line.own, line.kept):
        method(x).backward()
    line.all([x, x, x])
    twin = duplicate(line)
    assert gradients(twin.parameters()) == gradients(line.parameters())
    twin.slope.data = -0.75
    check(twin.plain, [*twin.parameters(), *line.parameters()], x, compiled=getattr(twin, name))
    check(line.plain, [*twin.parameters(), *line.parameters()], x, compiled=getattr(line, name))
    assert getattr(twin, name)(x).data != getattr(line, name)(x).data


class Tagged(Value):
    """A Value of another class, with a method and an operation of its own."""

    def tripled(self):
        return self * 3

    def cubed(self):
        a = self.data

        def backward(out):
            (x,) = out._prev
            x.grad += 3 * a * a * out.grad

        return Tagged(a * a * a, (self,), "cubed", backward)


@pytest.mark.parametrize(
    "f",
    [
        lambda v, x: v * x + v.exp(),
        lambda v, x: v.tripled() * x,
        lambda v, x: v.cubed() * x,
        lambda v, x: [v.cubed(), v, v.cubed().tripled()],
        lambda v, x: Tagged(2.0) * v,
        lambda v, x: Tagged(x) * v,
        lambda v, x: (Tagged(3.0), v * 2, Tagged(v.data)),
        lambda v, x: vmap(lambda y: v.cubed() * y)([1.0, 2.0]),
        lambda v, x: vmap(lambda y: y.tripled() * x)([v, Tagged(3.0)]),
        lambda v, x: v.data * v,
    ],
)
def test_subclasses_of_value(f):
    v, w = Tagged(1.5), Tagged(-0.5)
    compiled = check(f, [v, w], v, 2.0)
    check(f, [v, w], w, 3.0, compiled=compiled)
    check(lambda x: f(v, x), [v, w], 2.0)
    check(lambda v: [f(v, 2.0), v * w], [v, w], v)


def test_results_of_a_subclass_are_of_it():
    v = Tagged(1.5)
    compiled = micrograd.compile(lambda v: (v, [v, Tagged(2.0)], v * 2))
    for _ in range(2):
        first, (second, third), _ = compiled(v)
        assert first is second is v
        assert type(third) is Tagged


@pytest.mark.parametrize(
    "f",
    [
        lambda x: sum(x.reshape(-1)),
        lambda x: (x * x).sum(),
        lambda x: x * 2,
        lambda x: x.T,
        lambda x: [v * 2 for v in x.reshape(-1)],
        lambda x: x.reshape(-1)[0] * x.reshape(-1)[-1] + 1.0,
        lambda x: vmap(lambda row: sum(np.reshape(row, -1)) * 2)(x),
        lambda x: (x + x[::-1]).reshape(-1),
    ],
)
def test_arrays_of_values_and_numbers(f):
    a, b = Value(0.5), Value(-1.25)
    for items in ([a, 2.0, b, 3], [a, b, a, a * b], [1.0, 2.0, b, a], [1, 2, 3, a], [a.exp(), 1.5, np.float64(2), b]):
        for shape in ((4,), (2, 2), (4, 1)):
            x = np.array(items, dtype=object).reshape(shape)
            compiled = check(f, [a, b], x)
            check(f, [a, b], x[::-1] if shape == (2, 2) else x, compiled=compiled)
    y = np.array([a, 2.0, b], dtype=object)
    check(lambda: f(y), [a, b])


@pytest.mark.parametrize(
    "f",
    [
        lambda v: v * 2,
        lambda v: v.exp() + v,
        lambda v: [v, v * v],
        lambda v: sum(vmap(lambda x: v * x)([1.0, 2.0])),
        lambda v: sum(vmap(lambda x: x * 2)([v, v])),
        lambda v: v.data * 2,
    ],
)
def test_a_value_in_a_value_is_right_or_refused(f):
    inner = Value(3.0)
    v = Value(inner)
    for g, args in ((f, (v,)), (lambda vs: f(vs[1]), ([Value(2.0), v],)), (lambda: f(v), ())):
        compiled = micrograd.compile(g)
        for _ in range(2):
            try:
                got = compiled(*args)
            except TypeError as error:
                text = str(error)
            else:
                text = "plain number"
                agree([plain_number(x) for x in flat(got)], [plain_number(x) for x in flat(g(*args))])
            assert "plain number" in text
        assert (v.data, inner.data, v._prev, inner._prev) == (inner, 3.0, (), ())


def plain_number(x):
    while isinstance(x, Value):
        x = x.data
    return x


def kept_in_a_list(X, a):
    seen = []

    def one(x):
        seen.append(a * x[0])
        return seen[-1] * 2

    return sum(vmap(one)(X)) + sum(seen)


def kept_the_last(X, a):
    seen = []

    def one(x):
        seen.append((a * x[0]).exp())
        return seen[-1] * 2

    return [v * seen[-1] for v in vmap(one)(X)]


def kept_in_a_dict(X, a):
    cache: dict[str, Value] = {}

    def one(x):
        return cache.setdefault("first", a * x[0]) * x[1]

    return sum(vmap(one)(X)) * cache["first"]


def kept_in_a_variable(X, a):
    last = None

    def one(x):
        nonlocal last
        last = a * x[0]
        return last.tanh()

    return sum(vmap(one)(X)) + last


def kept_in_an_attribute(X, a):
    holder = SimpleNamespace(last=Value(0.0))

    def one(x):
        holder.last = holder.last + a * x[0]
        return holder.last * 1

    return vmap(one)(X), holder.last * 2


def kept_for_another_batch(X, a):
    seen = []

    def one(x):
        seen.append(a * x[0])
        return a * x[1]

    first = vmap(one)(X)
    return first, vmap(lambda x: x[0] * seen[0])(X)


def kept_numbers(X, a):
    seen = []

    def one(x):
        seen.append(x[0])
        return a * x[1]

    return sum(vmap(one)(X)) * seen[0] * seen[-1]


def kept_where_two_loops_meet(X, a):
    seen = []

    def inner(v):
        seen.append(v * a)
        return v * 2 * a

    return vmap(lambda x: sum(vmap(inner)(x)) + seen[-1])(X), seen[-1]


@pytest.mark.parametrize(
    "f", [f for name, f in list(globals().items()) if name.startswith("kept_")], ids=lambda f: f.__name__
)
def test_what_is_kept_by_the_way_is_right_or_refused(f):
    a = Value(0.5)
    for rows in (X, [[Value(v) for v in x] for x in X], X[:1]):
        with contextlib.suppress(TypeError):
            check(lambda X: f(X, a), [a], rows)
        gradients([a])
    check(vmap(lambda x: a * x[0]), [a], X)  # nothing stays behind


# ---- seen by the user ----


def counts(program):
    found = re.search(r"([\d,]+) scalar operations became ([\d,]+) tensor operations", str(program).splitlines()[0])
    assert found, program
    return [int(count.replace(",", "")) for count in found.groups()]


SHOWN = {
    "all vmap": lambda model, X: vmap(model)(X),
    "a loss": lambda model, X: sum(y[0] ** 2 for y in vmap(model)(X)) / len(X),
    "of results": lambda model, X: vmap(model)([[0.5 * v for v in x] for x in X]),
    "twice": lambda model, X: vmap(lambda y: y[0].exp() * y[1])(vmap(model)(X)),
    "nested": lambda model, X: vmap(lambda x: vmap(lambda v: model([v, v, v])[0])(x))(X),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_program_shows_its_samples(name, model):
    compiled, rows = micrograd.compile(lambda X: SHOWN[name](model, X)), np.random.default_rng(0).normal(size=(4321, 3))
    sum(flat(compiled(rows))[:3]).backward()
    program = compiled.program
    assert min(counts(program)) > 0
    assert program.operations == counts(program)[1]
    text = str(program)
    for shown in (text, program.source, draw_dot(program).source):
        assert "tanh" in shown
    assert re.search(r"\b4321\b", text)
    assert len(program.functions) >= 2  # type: ignore[attr-defined]
    assert len(draw_dot(program).source.splitlines()) > 10


def test_the_first_line_of_a_model_under_vmap(model):
    compiled = micrograd.compile(vmap(model))
    compiled(X)
    scalar, tensor = counts(compiled.program)
    assert scalar > 0
    assert tensor > 0
    forward = compiled.program.operations
    sum(flat(compiled(X))).backward()
    assert compiled.program.operations > forward


def shown_by_line(X, a, b):
    scores = [a * x[0] + b for x in X]
    squares = [(s.tanh() - 0.5) ** 2 for s in scores]
    largest = functools.reduce(Value.maximum, squares)
    return sum(squares).exp() + largest


def shown_by_line_under_vmap(X, a, b):
    def one(x):
        score = a * x[0] + b
        rest = (score.tanh() - 0.5) ** 2
        return rest

    losses = vmap(one)(X)
    return sum(losses).exp()


@pytest.mark.parametrize("f", [shown_by_line, shown_by_line_under_vmap], ids=lambda f: f.__name__)
def test_each_line_names_the_line_it_came_from(f):
    compiled = micrograd.compile(f)
    compiled(X, Value(0.5), Value(0.25)).backward()
    text, (source, start) = str(compiled.program), inspect.getsourcelines(f)
    named = {int(n) for n in re.findall(r"\btest_composition\.py:(\d+)", text)}
    assert text.count("test_composition.py:") >= compiled.program.operations  # those of the way back, too
    assert named <= {*range(start, start + len(source))}
    for words in ("a * x[0]", "tanh()", "exp()"):
        line, n = next((line.strip(), start + i) for i, line in enumerate(source) if words in line)
        assert n in named
        assert line in text
    for operation in ("tanh", "exp"):
        n = next(start + i for i, line in enumerate(source) if f"{operation}()" in line)
        shown = [line for line in text.splitlines() if f"{operation}(" in line and "test_composition.py:" in line]
        assert all(f"test_composition.py:{n}" in line for line in shown)
    assert "test_composition.py:" in text[text.index("backward") :]


def test_the_lines_of_a_loss_with_a_model(model):
    def loss(X):
        scores = vmap(model)(X)
        margins = [(1 - s[0]).relu() for s in scores]
        return sum(margins) / len(margins)

    compiled = micrograd.compile(loss)
    compiled(X).backward()
    text = str(compiled.program)
    source, start = inspect.getsourcelines(loss)
    assert f"test_composition.py:{start + 2}" in text
    assert source[2].strip() in text
    assert len(re.findall(r"\w+\.py:\d+", text)) >= compiled.program.operations


def test_a_function_whose_text_is_nowhere_shows_itself():
    namespace: dict[str, Any] = {"vmap": vmap, "a": Value(0.5)}
    exec("def f(X):\n    return vmap(lambda x: (a * x[0]).tanh())(X)", namespace)
    compiled = check(namespace["f"], [namespace["a"]], X)
    assert "tanh" in str(compiled.program)
    assert min(counts(compiled.program)) > 0
