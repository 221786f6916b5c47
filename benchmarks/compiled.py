"""A compiled step against the same step in PyTorch, NumPy, CasADi and eager mode, and its growth.

    pip install -e ".[test]" casadi
    python benchmarks/compiled.py

All in one process, one thread, float64. A step is: loss, gradients, and the SGD update of every parameter, with the
data passing through `.data` and `.grad`. Times are medians; those of a table are taken in turns. Everyone's gradients
are compared before any time counts.
"""

import gc
import random
import statistics
import time

import numpy as np
import threadpoolctl
import torch
from gpt import GPT

import micrograd
from micrograd.nn import MLP
from micrograd.optim import SGD

torch.set_num_threads(1)
threadpoolctl.threadpool_limits(1)
torch.set_default_dtype(torch.float64)
RATE = 1e-6


def in_turns(steps, rounds, each):
    """The median time of each step in seconds, a few runs of each in every round."""
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            for _ in range(each.get(name, 20)):
                start = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def show(title, medians, of):
    print(f"\n{title}")
    for name, seconds in medians.items():
        print(f"  {name:32} {1e3 * seconds:9.3f} ms  {seconds / medians[of]:8.2f} x {of}")


def against_eager(compiled, eager):
    """With Python's garbage collector as it is, and without."""
    for collector in ("on", "off"):
        if collector == "off":
            gc.disable()
        steps = {"compiled": compiled, "eager": eager}
        show(f"the same, collector {collector}", in_turns(steps, 9, {"eager": 1}), "compiled")
    gc.enable()


# ---- moons ----


def moons(samples, width=16):
    random.seed(1337)
    rng = np.random.default_rng(1337)
    return MLP(2, [width, width, 1]), rng.normal(size=(samples, 2)), rng.choice([-1.0, 1.0], size=samples)


def loss_of(model):
    def loss(X, y):
        scores = [model(x) for x in X]
        margins = [(1 - yi * si).relu() for yi, si in zip(y, scores)]
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        return sum(margins) / len(margins) + penalty, scores

    return loss


def micrograd_step(model, function, X, y):
    optimizer = SGD(model.parameters(), lr=RATE)

    def step():
        total, _ = function(X, y)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    return step


def matrices(model):
    """The weights and biases of each layer, as arrays."""
    out = []
    for layer in model.layers:
        out += [np.array([[w.data for w in n.w] for n in layer.neurons]), np.array([n.b.data for n in layer.neurons])]
    return out


def torch_step(model, X, y):
    parameters = [torch.tensor(m, requires_grad=True) for m in matrices(model)]
    X, y = torch.tensor(X), torch.tensor(y)
    optimizer = torch.optim.SGD(parameters, lr=RATE)

    def step():
        W1, b1, W2, b2, W3, b3 = parameters
        h = ((X @ W1.T + b1).relu() @ W2.T + b2).relu()
        scores = (h @ W3.T + b3)[:, 0]
        loss = (1 - y * scores).relu().mean() + 1e-4 * sum((p * p).sum() for p in parameters)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, parameters


def numpy_step(model, X, y):
    parameters = matrices(model)

    def step():
        W1, b1, W2, b2, W3, b3 = parameters
        z1 = X @ W1.T + b1
        h1 = np.maximum(z1, 0)
        z2 = h1 @ W2.T + b2
        h2 = np.maximum(z2, 0)
        margin = 1 - y * (h2 @ W3[0] + b3)
        loss = np.maximum(margin, 0).sum() / len(y) + 1e-4 * sum((p * p).sum() for p in parameters)
        ds = np.where(margin > 0, -1 / len(y), 0) * y
        dz2 = np.where(z2 > 0, ds[:, None] * W3, 0)
        dz1 = np.where(z1 > 0, dz2 @ W2, 0)
        sums = (dz1.T @ X, dz1.sum(0), dz2.T @ h1, dz2.sum(0), (ds @ h2)[None], ds.sum(keepdims=True))
        gradients = [g + 2e-4 * p for p, g in zip(parameters, sums)]
        for p, g in zip(parameters, gradients):
            p -= RATE * g
        return loss, gradients

    return step


def casadi_step(model, X, y):
    try:
        import casadi
    except ImportError:
        return None
    symbols = casadi.SX.sym("p", len(model.parameters()))
    left = iter(range(symbols.numel()))
    layers = [
        [([symbols[next(left)] for _ in n.w], symbols[next(left)]) for n in layer.neurons] for layer in model.layers
    ]
    xs, ys = casadi.SX.sym("X", *X.shape), casadi.SX.sym("y", len(y))
    total = 1e-4 * casadi.sumsqr(symbols)
    for i in range(len(y)):
        h = [xs[i, 0], xs[i, 1]]
        for layer in layers:
            h = [sum((w * x for w, x in zip(ws, h)), b) for ws, b in layer]
            if layer is not layers[-1]:
                h = [casadi.if_else(v > 0, v, 0) for v in h]
        margin = 1 - ys[i] * h[0]
        total += casadi.if_else(margin > 0, margin, 0) / len(y)
    function = casadi.Function("step", [symbols, xs, ys], [total, casadi.gradient(total, symbols)])
    p = np.array([v.data for v in model.parameters()])

    def step():
        nonlocal p
        _, gradient = function(p, X, y)
        p = p - RATE * np.asarray(gradient)[:, 0]
        return gradient

    return step


def flat(gradients):
    """Those of matrices, in the order of `model.parameters()`."""
    rows = []
    for W, b in zip(gradients[::2], gradients[1::2]):
        rows += [number for row, bias in zip(W, b) for number in (*row, bias)]
    return np.array(rows)


def compare_moons():
    model, X, y = moons(100)
    start = time.perf_counter()
    compiled = micrograd.compile(loss_of(model))
    compiled(X, y)[0].backward()
    first = time.perf_counter() - start
    want = np.array([p.grad for p in model.parameters()])
    loss, parameters = torch_step(model, X, y)
    loss()
    assert np.allclose(flat([p.grad.numpy() for p in parameters]), want, rtol=1e-9, atol=1e-12)
    by_hand = numpy_step(model, X, y)
    assert np.allclose(flat(by_hand()[1]), want, rtol=1e-9, atol=1e-12)
    steps = {
        "compiled": micrograd_step(model, compiled, X, y),
        "PyTorch, vectorised by hand": loss,
        "NumPy, derived by hand": by_hand,
    }
    if casadi := casadi_step(moons(100)[0], X, y):
        assert np.allclose(np.asarray(casadi())[:, 0], want, rtol=1e-9, atol=1e-12)
        steps["CasADi, SX function"] = casadi
    show("one moons step: 337 parameters, 100 points", in_turns(steps, 50, {}), "compiled")
    eager = micrograd_step(model, loss_of(model), X, y)
    against_eager(steps["compiled"], eager)
    print(f"  first call, forward and backward: {first:.2f} s; {compiled.program.operations} tensor operations")


# ---- GPT ----

TOKENS = [0, 5, 13, 13, 1, 9, 20, 3, 0]


def torch_gpt(model):
    parameters = [torch.tensor([[v.data for v in row] for row in w], requires_grad=True) for w in model.matrices()]
    wte, wpe, head, wq, wk, wv, wo, w1, w2 = parameters
    tokens, n = torch.tensor(TOKENS), len(TOKENS) - 1
    mask = torch.triu(torch.full((n, n), float("-inf")), 1)

    def norm(x):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5) ** -0.5

    def step():
        x = norm(wte[tokens[:-1]] + wpe[:n])
        normed = norm(x)
        q, k, v = ((normed @ w.T).view(n, model.heads, model.dims // model.heads).transpose(0, 1) for w in (wq, wk, wv))
        attention = torch.softmax(q @ k.transpose(1, 2) / (model.dims // model.heads) ** 0.5 + mask, -1)
        x = (attention @ v).transpose(0, 1).reshape(n, model.dims) @ wo.T + x
        x = (norm(x) @ w1.T).relu() @ w2.T + x
        loss = torch.nn.functional.cross_entropy(x @ head.T, tokens[1:])
        for p in parameters:
            p.grad = None
        loss.backward()

    return step, parameters


def compare_gpt():
    model = GPT()
    rows, targets = [model.wte[t] for t in TOKENS[:-1]], np.eye(len(model.wte))[TOKENS[1:]]
    compiled = micrograd.compile(model.loss)

    def step(function):
        def run():
            function(rows, targets).backward()

        return run

    start = time.perf_counter()
    step(compiled)()
    first = time.perf_counter() - start
    want = np.array([p.grad for p in model.parameters()])
    by_hand, parameters = torch_gpt(model)
    by_hand()
    assert np.allclose(np.concatenate([p.grad.numpy().reshape(-1) for p in parameters]), want, rtol=1e-9, atol=1e-12)
    steps = {"compiled": step(compiled), "PyTorch, vectorised by hand": by_hand}
    show("one GPT step: loss and gradients, 8 tokens", in_turns(steps, 50, {}), "compiled")
    against_eager(steps["compiled"], step(model.loss))
    print(f"  first call, forward and backward: {first:.2f} s; {compiled.program.operations} tensor operations")


# ---- growth ----


def grow():
    print("\ngrowth with the samples")
    for samples in (25, 50, 100, 200, 400):
        model, X, y = moons(samples)
        compiled = micrograd.compile(loss_of(model))
        start = time.perf_counter()
        compiled(X, y)[0].backward()
        first = time.perf_counter() - start
        step = in_turns({"compiled": micrograd_step(model, compiled, X, y)}, 10, {})["compiled"]
        program = compiled.program
        print(
            f"  {samples:4} samples: {program.nodes:8,} nodes, trace and lower {first:5.2f} s "
            f"({1e6 * first / program.nodes:4.1f} us a node), step {1e3 * step:6.3f} ms, "
            f"{program.operations} tensor operations"
        )


if __name__ == "__main__":
    compare_moons()
    compare_gpt()
    grow()
