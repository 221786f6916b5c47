"""Ragged rows as whole ones: programs of causal attention and its like, and that nothing comes out of the holes."""

import math
import re

import pytest

import micrograd
from benchmarks.gpt import GPT
from micrograd import Value, vmap

np = pytest.importorskip("numpy")

N, D = 6, 4
SPECIAL = [math.inf, -math.inf, math.nan, 800.0, -800.0, -0.0, 0.0]


@pytest.fixture(autouse=True)
def tensors(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.call.is_narrow", lambda written: False)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def softmax(x):
    exps = [v.exp() for v in x]
    total = sum(exps)
    return [e / total for e in exps]


def attention(q, k, v):
    """Each token attends to those before it."""
    out = []
    for i in range(len(q)):
        weights = softmax([dot(q[i], k[j]) / 2.0 for j in range(i + 1)])
        out.append([dot(weights, [row[c] for row in v[: i + 1]]) for c in range(len(v[0]))])
    return out


def backwards(q, k, v):
    """Each token attends to those after it."""
    return attention(q[::-1], k[::-1], v[::-1])[::-1]


def band(q, k, v):
    """Each token attends to four before it, which are weighed by no exp."""
    return [
        [dot([dot(q[i], k[j]) for j in near], [v[j][c] for j in near]) for c in range(D)]
        for i in range(N)
        for near in [range(max(0, i - 3), i + 1)]
    ]


def means(q, k, v):
    """Sums and products with the running sums of rows."""
    hidden = [[(a * b).tanh() for a, b in zip(x, y)] for x, y in zip(q, k)]
    return [[sum(row[c] for row in hidden[: i + 1]) / v[i][c] for c in range(D)] for i in range(N)]


def triangle(q, k, v):
    """A triangle of numbers times others, on either side, and with another triangle."""
    weights = [[dot(q[i], k[j]) for j in range(i + 1)] for i in range(N)]
    left = [[dot(weights[i], [v[j][c] for j in range(i + 1)]) for c in range(D)] for i in range(N)]
    right = [
        [dot([weights[i][j] for i in range(j, N)], [v[i][c] for i in range(j, N)]) for c in range(D)] for j in range(N)
    ]
    both = [[dot(row, [x.sin() for x in row])] for row in weights]
    return left + right + both


MIX = [[[Value(1.0 if i == j else x) for j in range(D)] for i in range(D)] for x in (0.25, 0.125, 0.0625)]


def mixed(f):
    """The same of linear functions of rows, which lie in a grid."""

    def function(*given):
        rows = [[sum(numbers) for numbers in zip(*row)] for row in zip(*given)]
        return f(*([[dot(row, w) for w in mix] for row in rows] for mix in MIX))

    return function


PLAIN = [attention, backwards, band, means, triangle]
FUNCTIONS = [*PLAIN, *map(mixed, PLAIN)]


def numbers(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, N, D)).tolist()


def values(x):
    return [[[Value(a) for a in row] for row in rows] for rows in x]


def flat(x):
    return [a for row in x for a in (flat(row) if isinstance(row, list) else [row])]


def results_and_gradients(f, x, seeds):
    """What `f` returns, and the gradients of a sum of it, in which only some take part."""
    given = values(x)
    ys = flat(f(*given))
    total = sum(y * s for y, s in zip(ys, seeds) if s)
    total.backward()
    return [y.data for y in ys], [v.grad for v in flat(given)]


def alike(got, wanted):
    """Whether numbers are the same, up to rounding where large ones cancel."""
    large = max((abs(x) for x in wanted if math.isfinite(x)), default=0.0)
    return got == pytest.approx(wanted, rel=1e-6, abs=1e-6 * max(large, 1.0), nan_ok=True)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("special", SPECIAL)
def test_what_happens_in_a_hole_stays_there(f, special):
    compiled = micrograd.compile(f)
    compiled(*values(numbers(0)))
    for which in range(3):
        for token in (0, 2, N - 1):
            x = numbers(which + token)
            x[which][token][1] = special
            for seeds in ([1.0] * 100, [1.0] * (2 * D) + [0.0] * 100, [0.0] * D * (N - 1) + [1.0] * 100):
                got, wanted = (results_and_gradients(g, x, seeds) for g in (compiled, f))
                for a, b in zip(got, wanted):
                    assert alike(a, b)


def test_samples_may_be_ragged_inside():
    """An axis, over samples of which each is such a triangle; one of them has inf in its last token."""
    x = np.random.default_rng(0).normal(size=(5, 3, N, D))
    x[3, 2, N - 1, 0] = math.inf
    shared = values(numbers(1))[2]

    def sample(q, k, v):
        return attention(*([[dot(row, w) for w in shared[:D]] for row in x] for x in (q, k, v)))

    found = []
    for function in (micrograd.compile(vmap(sample)), vmap(sample)):
        for v in flat(shared):
            v.grad = 0.0
        ys = flat(function(*x.swapaxes(0, 1).tolist()))
        sum(y for i, y in enumerate(ys) if i % (N * D) < D).backward()
        found.append(([y.data for y in ys], [v.grad for v in flat(shared)]))
    assert alike(found[0][0], found[1][0])
    assert alike(found[0][1], found[1][1])


@pytest.mark.parametrize("tokens", [3, 8, 16])
def test_a_gpt_is_as_short_as_by_hand(tokens):
    """However many tokens there are: no index but that of the gradients, which are put in the order of the leaves."""
    model = GPT()
    rows = model.wte[:tokens]
    targets = [[float(j == i + 1) for j in range(27)] for i in range(tokens)]
    loss = micrograd.compile(lambda targets: model.loss(rows, targets))
    loss(targets).backward()
    forward, backward = (code.operations for code in loss.program.codes)
    assert forward == 43
    assert backward <= 59
    assert len(re.findall(r"\[\w+_c\d+\]", loss.program.source)) == 1
    assert loss.program.source.count("np.where(forward_c") == 2  # the mask, and a product that must be sure
    assert "mask" not in str(loss.program)


def test_rows_of_no_grid_stay_as_they_are():
    """Rows of a flat tensor, with a number twice, along a diagonal, or in lines of different lengths."""
    x = [Value(float(i) - 7.5) for i in range(36)]
    w = [Value(0.1 * i - 1.0) for i in range(6)]

    def f():
        grid = [[a * b for b in w] for a in x[:6]]
        twice = [sum([*row[: i + 1], row[0]]) for i, row in enumerate(grid)]
        diagonals = [sum(grid[j][j - i] for j in range(i, 6)) for i in range(6)]
        parts = [dot(x[i * (i + 1) // 2 : (i + 1) * (i + 2) // 2], w) for i in range(6)]
        shifted = [dot(grid[i][: i + 1], w[5 - i :]) for i in range(6)]
        one = dot(w, w).exp()
        alone = [sum([one] * n) for n in (3, 4, 5)]
        return twice + diagonals + parts + shifted + alone

    found = []
    for g in (micrograd.compile(f), f):
        for v in x + w:
            v.grad = 0.0
        ys = g()
        sum(ys).backward()
        found.append(([y.data for y in ys], [v.grad for v in x + w]))
    assert alike(found[0][0], found[1][0])
    assert alike(found[0][1], found[1][1])


def test_torch_finds_no_gradient_in_a_hole():
    """There exp of a later score would be inf, and the gradient of that nan."""
    torch = pytest.importorskip("torch")
    x = numbers(0)
    x[0][0][0] = x[1][N - 1][0] = 60.0
    given = values(x)
    attention(*given)[0][0].backward()
    tensors = [torch.tensor(rows, requires_grad=True) for rows in x]
    module = micrograd.compile(attention).to_torch(*values(x))
    module(*tensors)[0][0].backward()
    assert alike(flat([t.grad.tolist() for t in tensors]), [v.grad for v in flat(given)])
