"""vmap: the same as a loop over the samples, eager and compiled, and traced once."""

import functools
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from programs import check, flat, hidden, ordinary, programs
from sklearn.datasets import load_digits

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.nn import MLP
from micrograd.optim import Adam

X = [[0.1, -0.4, 1.2], [0.7, 0.3, -0.9], [-1.1, 0.2, 0.5], [0.0, 0.6, -0.2], [0.4, 0.4, 0.4]]


def test_eager():
    a = Value(2)
    assert [v.data for v in vmap(lambda x, y: a * x + y)([1, 2, 3], np.array([10, 20, 30]))] == [12, 24, 36]
    assert vmap(lambda x: a * x)([]) == []


def test_a_model(model):
    check(vmap(model), model.parameters(), X)
    check(vmap(model), model.parameters(), np.array(X))


def test_results_are_used_like_any_list(model):
    targets = [0, 1, 1, 0, 1]

    def loss(X, targets):
        losses = vmap(lambda x, t: F.cross_entropy(model(x), t))(X, targets)
        halves = [loss / 2 for loss in losses]
        worst = functools.reduce(Value.maximum, losses)
        penalty = 0.1 * sum(p * p for p in model.parameters())
        return sum(losses) / len(losses) + penalty, worst * losses[0], halves[1:3], {"first": losses[0]}

    check(loss, model.parameters(), X, targets)


def test_several_of_them(model):
    def f(X, Y):
        scores = vmap(model)(X)
        squares = vmap(lambda y: (y[0] - y[1]) ** 2 + model.layers[0].neurons[0].b)(Y)
        return [s[0] * q for s, q in zip(scores, squares)], sum(squares)

    check(f, model.parameters(), X, [[1.0, 2.0]] * len(X))


def test_what_is_computed_first(model):
    """Samples that are made of results run one by one, and nothing else changes."""
    check(lambda X, c: vmap(model)([[c * v for v in x] for x in X]), model.parameters(), X, 0.5)
    check(lambda X: vmap(lambda y: y[0] * y[1])(vmap(model)(X)), model.parameters(), X)


def test_values_in_the_samples(model):
    rows = [[Value(v) for v in x] for x in X]
    leaves = [*model.parameters(), *flat(rows)]
    check(lambda rows, k: [k * v[0] for v in vmap(model)(rows)], leaves, rows, 2.0)
    table = {"a": [Value(1), Value(2), Value(3)], "b": [Value(0.5), Value(-1), Value(0)]}  # from outside, and twice
    check(lambda: vmap(model)([table["a"], table["b"], table["a"]]), [*model.parameters(), *flat(table)])
    history = [[v * 2 for v in x] for x in rows]
    check(vmap(model), leaves, history)


def test_a_value_among_the_arguments_that_all_share(model):
    w = Value(0.3)
    check(lambda w, X: vmap(lambda x: w * model(x)[0])(X), [*model.parameters(), w], w, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, x: [a, x[0] * 2, 1.0, a * x[1]],
        lambda a, x: {"sum": sum(x) * a, "pair": (x[0], a * 2)},
        lambda a, x: a * a,
        lambda a, x: 7.0,
        lambda a, x: sum(vmap(lambda xi: xi * a)(x)),
        lambda a, x: F.softmax([a * xi for xi in x]),
        lambda a, x: sum(a.exp() * xi for xi in x) / (a + x[0]).sqrt(),
    ],
)
def test_what_a_function_of_a_sample_may_return(function):
    a = Value(1.5)
    check(vmap(lambda x: function(a, x)), [a], X)


def test_samples_that_differ_in_structure():
    a = Value(1.5)
    check(vmap(lambda x: sum(a * v for v in x)), [a], [[1.0], [1.0, 2.0], [3.0]])


def test_known_numbers_and_one_argument_for_all(model):
    targets = [1, 0, 1, 1, 0]
    check(lambda X: vmap(lambda x, t: F.cross_entropy(model(x), t))(X, targets), model.parameters(), X)
    check(lambda X, c: vmap(lambda x: model(x)[0] * c)(X), model.parameters(), X, 2.0)


def test_what_is_computed_outside_and_shared(model):
    def number(X, c):
        d = c * 3
        return vmap(lambda x: model(x)[0] * d)(X)

    def value(X, w):
        h = w.exp()
        return vmap(lambda x: model(x)[0] * h)(X)

    def result(X, w):
        h = vmap(model)(X)[0][0] * w
        return vmap(lambda x: model(x)[0] * h)(X)

    check(number, model.parameters(), X, 2.0)
    for f in value, result:
        w = Value(0.2)
        check(f, [*model.parameters(), w], X, w)


def test_a_result_that_is_not_used(model):
    compiled = micrograd.compile(lambda X: [first for first, _ in vmap(model)(X)])
    check(lambda X: [first for first, _ in vmap(model)(X)], model.parameters(), X)
    compiled(X)
    for p in model.parameters():
        p.data *= 2
    assert [v.data for v in compiled(X)] == pytest.approx([row[0].data for row in vmap(model)(X)])


@given(programs(max_lines=15), st.integers(1, 4), st.data())
def test_random_programs(program, samples, data):
    """Some leaves are shared by all samples, the others are numbers of each."""
    shared = [Value(x) for x in program.leaves]
    count = data.draw(st.integers(0, len(shared)))
    sample = st.lists(ordinary, min_size=count + 1, max_size=count + 1)
    batch = data.draw(st.lists(sample, min_size=samples, max_size=samples))
    check(vmap(lambda x: program([*map(Value, x[:count]), *shared[count:]]) * x[count]), shared, batch)


def test_samples_that_are_arguments_of_their_own(model):
    check(lambda a, b, c: vmap(model)([a, b, c]), model.parameters(), X[0], X[1], X[2])
    check(lambda a, b: vmap(lambda x, y: model(x)[0] * y)([a, b], [2.0, 3.0]), model.parameters(), X[0], X[1])


def test_samples_in_another_order(model):
    check(lambda X: vmap(model)(X[::-1]), model.parameters(), X)
    check(lambda X: vmap(lambda x: model([x[2], x[0], x[1]]))(X[1:3]), model.parameters(), X)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, x: 3.0 * a * a,  # the same for each sample
        lambda a, x: a * 2 + (a * x[0]) * 0.5 + 7.0,
        lambda a, x: sum([a, a * x[0], a * a * x[1]]) * (x[2] + a),
        lambda a, x: sum(F.softmax([a * xi * xj for xi in x for xj in x])[:4]),
        lambda a, x: [sum(a * xi * xj for xj in x) for xi in x],
        lambda a, x: (a * x[0]).maximum(a * x[1]).maximum(x[2]),
    ],
)
def test_gradients_over_the_samples(function):
    a = Value(1.5)
    check(vmap(lambda x: function(a, x)), [a], X)


def test_gradients_that_are_nothing_or_out_of_order():
    a, b = Value(1.5), [Value(v) for v in (0.5, -1.0, 2.0, 0.25, 3.0)]
    check(vmap(lambda x: a**0 * x[0] + b[0]), [a, b[0]], X)
    check(vmap(lambda x: [v * x[i] for v, i in zip(b, (0, 2, 1, 0, 2))]), b, X)


def test_a_sum_over_the_samples_that_two_gradients_need():
    a, b, c = Value(1.5), Value(0.5), Value(-2.0)
    check(vmap(lambda x: (a + b * c) * x[0]), [a, b, c], X)


def test_attention_for_each_sample():
    random.seed(2)
    weights = [[Value(random.uniform(-1, 1)) for _ in range(3)] for _ in range(3)]

    def mixed(rows):
        queries = [[sum(w * x for w, x in zip(ws, row)) for ws in weights] for row in rows]
        scores = [F.softmax([sum(q * k for q, k in zip(a, b)) for b in queries]) for a in queries]
        return [[sum(s * row[j] for s, row in zip(line, queries)) for j in range(3)] for line in scores]

    rng = np.random.default_rng(0)
    batch = rng.normal(size=(4, 2, 3))
    check(vmap(mixed), flat(weights), batch.tolist())
    check(lambda batch: [sum(sum(row) for row in rows) for rows in vmap(mixed)(batch)], flat(weights), batch.tolist())


def test_one_sample_is_traced(model):
    calls = hidden([])

    def one(x):
        calls().append(1)
        return model(x)[0]

    @micrograd.compile
    def loss(X):
        losses = vmap(one)(X)
        return sum(losses) / len(losses)

    loss(X * 20).backward()
    assert len(calls()) == 100 + 1 + 100  # plainly, with symbols, and plainly for the gradients
    nodes = loss.program.nodes
    loss(X * 20).backward()
    assert len(calls()) == 201
    loss(X * 40).backward()
    assert len(calls()) == 201 + 401
    assert loss.program.nodes - nodes == 5 * 20  # the sum has more terms, but there is one model in it


def test_products_with_parameters_are_matrix_products(model):
    compiled = micrograd.compile(vmap(model))
    sum(v for row in compiled(X) for v in row).backward()
    forward, backward = compiled.program.functions  # type: ignore[attr-defined]
    assert [step.spec for step in forward.steps if step.op == "contract"] == ["ik,nk->ni"] * 2
    specs = [step.spec for step in backward.steps if step.op == "contract"]
    assert sum(spec.startswith("n") and "n" not in spec.split("->")[1] for spec in specs) >= 2  # both weight matrices
    assert "@" in compiled.program.source


def test_a_new_model_is_traced_anew(model):
    def f(X):
        return vmap(lambda x: model(x)[0])(X)

    compiled = micrograd.compile(f)
    first = [v.data for v in compiled(X)]
    model = MLP(3, [4, 2])
    again = [v.data for v in compiled(X)]
    assert again == pytest.approx([v.data for v in f(X)])
    assert again != first


def test_an_error_in_a_sample_leaves_nothing_behind(model):
    def bad(x):
        return model(x)[0] if x[0] > 0 else model(x)[1]

    compiled = micrograd.compile(vmap(bad))
    with pytest.raises(TypeError, match="looks at a number"):
        compiled(X)
    check(vmap(model), model.parameters(), X)
    with pytest.raises(TypeError, match="returned 'text'"):
        micrograd.compile(vmap(lambda x: "text"))(X)


def test_digits():
    """At least 95% of the digits that the model has never seen."""
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    test, train = slice(0, len(images) // 5), np.arange(len(images) // 5, len(images))
    random.seed(0)
    model = MLP(64, [32, 10])
    for p in model.parameters():
        p.data *= 0.2

    @micrograd.compile
    def loss(X, y):
        losses = vmap(lambda x, target: F.cross_entropy(model(x), target))(X, y)
        return sum(losses) / len(losses)

    optimizer = Adam(model.parameters(), lr=0.005)
    for _ in range(20):
        rng.shuffle(train)
        for batch in np.split(train, range(64, len(train), 64)):
            optimizer.zero_grad()
            loss(images[batch], labels[batch]).backward()
            optimizer.step()
    logits = micrograd.compile(vmap(model))(images[test])
    guesses = [max(range(10), key=lambda i: row[i].data) for row in logits]
    assert np.mean(guesses == labels[test]) >= 0.95
    want = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)).double()
    want.load_state_dict({name: torch.tensor(x, dtype=torch.float64) for name, x in model.state_dict().items()})
    assert np.allclose([[v.data for v in row] for row in logits], want(torch.tensor(images[test])).detach(), rtol=1e-9)


def test_functions_that_look_alike_are_not_mixed_up(model):
    other = MLP(3, [2])

    class Scorer:
        def __init__(self, factor):
            self.factor = factor

        def score(self, x):
            return model(x)[0] * self.factor

    two, three = Scorer(2.0), Scorer(3.0)

    def f(X):
        return [vmap(scorer.score)(X) for scorer in (two, three)], [vmap(m)(X) for m in (model, other)]

    check(f, [*model.parameters(), *other.parameters()], X)

    def first(rows):
        return [model(row)[0] for row in rows]

    def second(rows):
        return [model(row)[1] for row in rows]

    nested = [X[:2], X[2:4]]
    check(lambda XX: [vmap(g)(XX) for g in (first, second)], model.parameters(), nested)
    check(
        lambda XX: [vmap(vmap(g))(XX) for g in (lambda x: model(x)[0], lambda x: model(x)[1])],
        model.parameters(),
        nested,
    )


def test_samples_of_another_structure_later():
    a = Value(2)
    compiled = micrograd.compile(vmap(lambda x: [a * v for v in x]))
    for rows in ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], np.ones((2, 4)), [[1.0, 2.0]] * 3):
        assert [[v.data for v in row] for row in compiled(rows)] == [[2 * v for v in row] for row in rows]


def test_only_so_many_programs_are_kept():
    a = Value(2)
    compiled = micrograd.compile(vmap(lambda x: a * x[0]), maxsize=2)
    for size in range(1, 8):
        assert compiled([[3.0] * size])[0].data == 6.0
    assert len(compiled._calls) == 2


def test_numbers_as_results_of_a_batch_of_another_size(model):
    compiled = micrograd.compile(vmap(lambda x: (x[0] * 2, model(x)[0])))
    for rows in (X, X[:2], X[:3]):
        assert [number for number, _ in compiled(rows)] == [2 * row[0] for row in rows]


@pytest.mark.parametrize("one", [lambda h: h / 1, lambda h: h + 0, lambda h: h * 1.0, lambda h: sum([h])])
def test_samples_that_are_different_values_of_the_same_number(one):
    h = Value(2.0)
    check(lambda X: vmap(lambda v, x: v * x + v.exp())([one(h) for _ in X], X), [h], [1.0, 2.0])
    check(lambda: vmap(lambda v: v * v)([one(h), h * 1.0, h]), [h])


@pytest.mark.parametrize("n", [2, 1, 3])
def test_one_sample_and_what_is_done_to_it_outside(n):
    random.seed(0)
    model = MLP(2, [2])
    compiled = micrograd.compile(lambda X: sum(F.cross_entropy(row, 0) for row in vmap(model)(X)))
    samples = [[1.0, 2.0], [3.0, 4.0], [0.5, -1.0]]
    for count in (n, 1, 2):
        check(compiled.__wrapped__, model.parameters(), samples[:count], compiled=compiled)
    check(lambda X: [row[0].tanh() + row[1] for row in vmap(model)(X)], model.parameters(), samples[:n])


def test_each_sample_has_its_own_result():
    w = Value(2.0)
    for f in (lambda x: [w * x, Value(0.0)], lambda x: [w * x, w * w], lambda x: [w * x, w.exp() * 1.0]):
        found = []
        for function in (vmap(f), micrograd.compile(vmap(f))):
            rows = function([1.0, 2.0])
            (rows[0][1] * 2 + rows[1][1] * 3).backward()
            found.append([rows[0][1].grad, rows[1][1].grad, w.grad])
            w.grad = 0.0
        assert found[0] == pytest.approx(found[1])
        assert found[1][:2] == [2.0, 3.0]
    h = w.exp()
    same = micrograd.compile(lambda X: (vmap(lambda x: [w, h])(X), h))(X)
    assert all(row[0] is w for row in same[0])
    assert all(row[1] is same[1] for row in same[0])


def test_initial_states_that_are_written_to():
    w = Value(2.0)

    def f():
        states = vmap(lambda s: Value(s))([0.0, 0.0])
        states[1].data = 1.0
        return [state * w for state in states]

    check(f, [w])


def test_what_acts_on_the_results_of_samples_is_told():
    w = Value(2.0)

    def asserts(X):
        total = sum(vmap(lambda x: w * x)(X))
        assert total.data == total.data
        return total

    def loops(X):
        h = vmap(lambda x: w * x)(X)[1]
        while h.data > 0.1:
            h = h * 0.5
        return h

    def picks(X):
        rows = vmap(lambda x: w * x)(X)
        return rows[int(rows[1].data) % 3]

    for f in (asserts, loops, picks):
        with pytest.raises(TypeError, match="looks at a number"):
            micrograd.compile(f)([1.0, 2.0, 3.0])


def test_labels_and_kinds_of_results():
    class Tagged(Value):
        __slots__ = ()

    def one(x):
        out = w * x
        out.label = "score"
        return out, Tagged(3.0)

    w = Value(2.0)
    rows = micrograd.compile(vmap(one))([1.0, 2.0])
    assert [(a.label, type(b)) for a, b in rows] == [("score", Tagged)] * 2


def test_a_choice_between_known_numbers():
    w = Value(2.0)
    check(lambda: [Value(float(j)).where_le(1.0, w * j, -1e9) for j in range(3)], [w])


def test_a_batch_that_depends_on_no_value_around():
    w = Value(3.0)
    check(lambda xs: sum(vmap(lambda x: Value(x) * 2.0)(xs)) * w, [w], [1.0, 2.0])
