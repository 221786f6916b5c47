"""The work that is compared, once for each library.

`@peer(work, name, packages)` marks a function that prepares one peer. It returns what one step is, and what it
computed: the loss and the gradients, or how far a training came. Only the standard library is imported up here: a peer
runs in an environment of its own, and in a process of its own.
"""

import gc
import itertools
import random
from collections.abc import Callable
from typing import Any

PEERS: dict[
    str, dict[str, tuple[tuple[str, ...], Callable[[], tuple[Callable[[], Any], Callable[[], list[float]]]]]]
] = {}
HERE = ()  # the environment of the command, with micrograd
OLD = ("micrograd==0.1.0",)
TORCH = ("torch==2.13.0", "numpy")
AUTOGRAD = ("autograd", "numpy")
CASADI = ("casadi", "numpy")
RATE = 1e-6


def peer(work: str, name: str, packages: tuple[str, ...] = HERE) -> Callable[[Any], Any]:
    def register(prepare: Any) -> Any:
        PEERS.setdefault(work, {})[name] = packages, prepare
        return prepare

    return register


# ---- the moons step: 337 parameters, 100 points, max-margin loss and L2 ----


def points(samples: int = 100) -> tuple[list[list[float]], list[int]]:
    """A hundred points in four quarters; every environment can draw them."""
    rng = random.Random(1337)
    X = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(samples)]
    return X, [1 if a * b > 0 else -1 for a, b in X]


def start(sizes: tuple[int, ...] = (2, 16, 16, 1)) -> list[tuple[list[list[float]], list[float]]]:
    """The weights and biases of each layer, as MLP draws them."""
    rng = random.Random(1337)
    return [
        ([[rng.uniform(-1, 1) for _ in range(a)] for _ in range(b)], [0.0] * b) for a, b in itertools.pairwise(sizes)
    ]


def in_order(gradients: list[Any]) -> list[float]:
    """Those of weights and biases in the order of `model.parameters()`."""
    rows = []
    for W, b in zip(gradients[::2], gradients[1::2]):
        rows += [float(x) for row, bias in zip(W, b) for x in (*row, bias)]
    return rows


def max_margin(model: Any, X: Any, y: Any) -> Any:
    scores = [model(x) for x in X]
    margins = [(1 + -yi * si).relu() for yi, si in zip(y, scores)]
    return sum(margins) * (1.0 / len(margins)) + 1e-4 * sum(p * p for p in model.parameters())


def network() -> Any:
    from micrograd.nn import MLP

    random.seed(1337)
    return MLP(2, [16, 16, 1])


def of_values(function: Callable[[], Any], model: Any) -> Any:
    """A step of gradient descent, as one writes it with Values."""
    parameters = model.parameters()
    found: list[Any] = []

    def step() -> None:
        loss = function()
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= RATE * p.grad
        found[:] = [loss]

    return step, lambda: [found[0].data, *(p.grad for p in parameters)]


@peer("moons", "micrograd, compiled")
def moons_compiled() -> Any:
    import numpy as np

    import micrograd

    model, (X, y) = network(), map(np.array, points())
    loss = micrograd.compile(lambda X, y: max_margin(model, X, y))
    return of_values(lambda: loss(X, y), model)


@peer("moons", "NumPy, derived by hand")
def moons_numpy() -> Any:
    import numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    parameters = [np.array(x) for layer in start() for x in layer]
    found: list[Any] = []

    def step() -> None:
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
        found[:] = [loss, gradients]

    return step, lambda: [float(found[0]), *in_order(found[1])]


def torch_setup() -> Any:
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    return torch


@peer("moons", "PyTorch, vectorised by hand", TORCH)
def moons_torch() -> Any:
    torch = torch_setup()
    X, y = map(torch.tensor, points())
    parameters = [torch.tensor(x, requires_grad=True) for layer in start() for x in layer]
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    found: list[Any] = []

    def step() -> None:
        W1, b1, W2, b2, W3, b3 = parameters
        h = ((X @ W1.T + b1).relu() @ W2.T + b2).relu()
        scores = (h @ W3.T + b3)[:, 0]
        loss = (1 - y * scores).relu().mean() + 1e-4 * sum((p * p).sum() for p in parameters)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found[:] = [loss]

    return step, lambda: [found[0].item(), *in_order([p.grad.tolist() for p in parameters])]


@peer("moons", "autograd, vectorised by hand", AUTOGRAD)
def moons_autograd() -> Any:
    import autograd
    import autograd.numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    parameters = [np.array(x) for layer in start() for x in layer]
    found: list[Any] = []

    def loss(parameters: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = parameters
        h = np.maximum(np.dot(np.maximum(np.dot(X, W1.T) + b1, 0), W2.T) + b2, 0)
        scores = (np.dot(h, W3.T) + b3)[:, 0]
        return np.mean(np.maximum(1 - y * scores, 0)) + 1e-4 * sum(np.sum(p * p) for p in parameters)

    both = autograd.value_and_grad(loss)

    def step() -> None:
        value, gradients = both(parameters)
        for p, g in zip(parameters, gradients):
            p -= RATE * g
        found[:] = [value, gradients]

    return step, lambda: [float(found[0]), *in_order(found[1])]


@peer("moons", "CasADi, SX function of the scalars", CASADI)
def moons_casadi() -> Any:
    import casadi
    import numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    flat = [x for W, b in start() for row, bias in zip(W, b) for x in (*row, bias)]
    symbols = casadi.SX.sym("p", len(flat))
    left = iter(range(len(flat)))
    layers = [[([symbols[next(left)] for _ in row], symbols[next(left)]) for row in W] for W, _ in start()]
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
    p = np.array(flat)
    found: list[Any] = []

    def step() -> None:
        nonlocal p
        value, gradient = function(p, X, y)
        p = p - RATE * np.asarray(gradient)[:, 0]
        found[:] = [value, gradient]

    return step, lambda: [float(found[0]), *map(float, np.asarray(found[1])[:, 0])]


def moons_of_values() -> Any:
    from micrograd.engine import Value

    model, (X, y) = network(), points()
    return of_values(lambda: max_margin(model, [[Value(x) for x in row] for row in X], y), model)


@peer("moons", "micrograd, eager")
def eager_moons() -> Any:
    return moons_of_values()


@peer("moons", "micrograd, eager, collector off")
def eager_moons_off() -> Any:
    gc.disable()
    return moons_of_values()


@peer("moons", "micrograd 0.1.0", OLD)
def old_moons() -> Any:
    return moons_of_values()


@peer("moons", "micrograd 0.1.0, collector off", OLD)
def old_moons_off() -> Any:
    gc.disable()  # its graphs are cycles, and stay: a few of them are run, and the memory is not counted
    return moons_of_values()


@peer("moons", "PyTorch, one 0-d tensor a scalar", TORCH)
def moons_zero_d() -> Any:
    torch = torch_setup()
    X, y = points()
    layers = [
        [
            ([torch.tensor(w, requires_grad=True) for w in row], torch.tensor(b, requires_grad=True))
            for row, b in zip(W, bs)
        ]
        for W, bs in start()
    ]
    parameters = [p for layer in layers for row, b in layer for p in (*row, b)]
    found: list[Any] = []

    def step() -> None:
        losses = []
        for x, yi in zip(X, y):
            h = list(map(torch.tensor, x))
            for layer in layers:
                h = [sum((w * v for w, v in zip(row, h)), b) for row, b in layer]
                h = h if layer is layers[-1] else [v.relu() for v in h]
            losses.append((1 - yi * h[0]).relu())
        loss = sum(losses) / len(losses) + 1e-4 * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= RATE * p.grad
        found[:] = [loss]

    return step, lambda: [found[0].item(), *(p.grad.item() for p in parameters)]


# ---- the README's expression: value and gradient ----


def expression(a: Any, b: Any, relu: Callable[[Any], Any] = lambda v: v.relu()) -> Any:
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + relu(b + a)
    d = d + 3 * d + relu(b - a)
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


def expression_of_values(function: Callable[[Any, Any], Any]) -> Any:
    from micrograd.engine import Value

    a, b, found = Value(-4.0), Value(2.0), []

    def step() -> None:
        a.grad = b.grad = 0.0
        g = function(a, b)
        g.backward()
        found[:] = [g]

    return step, lambda: [found[0].data, a.grad, b.grad]


@peer("expression", "micrograd, eager")
def expression_eager() -> Any:
    return expression_of_values(expression)


@peer("expression", "micrograd, compiled")
def expression_compiled() -> Any:
    import micrograd

    return expression_of_values(micrograd.compile(lambda a, b: expression(a, b)))


@peer("expression", "micrograd 0.1.0", OLD)
def expression_old() -> Any:
    return expression_of_values(expression)


@peer("expression", "PyTorch, scalars", TORCH)
def expression_torch() -> Any:
    torch = torch_setup()
    a, b = (torch.tensor(x, requires_grad=True) for x in (-4.0, 2.0))
    found: list[Any] = []

    def step() -> None:
        a.grad = b.grad = None
        g = expression(a, b)
        g.backward()
        found[:] = [g]

    return step, lambda: [found[0].item(), a.grad.item(), b.grad.item()]


@peer("expression", "plain floats, no gradient")
def expression_floats() -> Any:
    found: list[float] = []

    def step() -> None:
        found[:] = [expression(-4.0, 2.0, lambda v: max(v, 0.0))]

    return step, lambda: found


# ---- one step of a GPT: loss and gradients ----

TOKENS = [0, 5, 13, 13, 1, 9, 20, 3, 0, 7, 8, 2, 26, 11, 4, 19, 0]


class Scalar:
    """A value in the manner of microGPT: parents and local gradients in tuples."""

    __slots__ = ("data", "grad", "local", "parents")

    def __init__(self, data: float, parents: tuple[Any, ...] = (), local: tuple[float, ...] = ()):
        self.data, self.grad, self.parents, self.local = data, 0.0, parents, local

    def __add__(self, other: Any) -> "Scalar":
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> "Scalar":
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k: float) -> "Scalar":
        return Scalar(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self) -> "Scalar":
        import math

        y = math.exp(self.data)
        return Scalar(y, (self,), (y,))

    def log(self) -> "Scalar":
        import math

        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> "Scalar":
        return Scalar(max(self.data, 0.0), (self,), (float(self.data > 0),))

    def __neg__(self) -> "Scalar":
        return self * -1.0

    def __truediv__(self, other: Any) -> "Scalar":
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            v, done = stack.pop()
            if done:
                order.append(v)
            elif v not in seen:
                seen.add(v)
                stack.append((v, True))
                stack += [(p, False) for p in v.parents]
        self.grad = 1.0
        for v in reversed(order):
            for p, local in zip(v.parents, v.local):
                p.grad += local * v.grad


def gpt_of_values(length: int, compiled: bool, make: Any = None) -> Any:
    import micrograd
    from benchmarks.gpt import GPT

    model = GPT(make=make or micrograd.Value)
    rows = [model.wte[t] for t in TOKENS[:length]]
    targets = [[float(t == i) for i in range(len(model.wte))] for t in TOKENS[1 : length + 1]]
    loss, parameters, found = micrograd.compile(model.loss) if compiled else model.loss, model.parameters(), []

    def step() -> None:
        for p in parameters:
            p.grad = 0.0
        out = loss(rows, targets)
        out.backward()
        found[:] = [out]

    return step, lambda: [found[0].data, *(p.grad for p in parameters)]


def gpt_torch(length: int) -> Any:
    torch = torch_setup()
    rng = random.Random(0)
    shapes = [(27, 16), (16, 16), (27, 16), *[(16, 16)] * 4, (64, 16), (16, 64)]
    drawn = [[[rng.gauss(0, 0.08) for _ in range(b)] for _ in range(a)] for a, b in shapes]
    parameters = [torch.tensor(w, requires_grad=True) for w in drawn]
    wte, wpe, head, wq, wk, wv, wo, w1, w2 = parameters
    tokens, heads, dims = torch.tensor(TOKENS[: length + 1]), 4, 16
    mask = torch.triu(torch.full((length, length), float("-inf")), 1)
    found: list[Any] = []

    def norm(x: Any) -> Any:
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5) ** -0.5

    def step() -> None:
        x = norm(wte[tokens[:-1]] + wpe[:length])
        normed = norm(x)
        q, k, v = ((normed @ w.T).view(length, heads, dims // heads).transpose(0, 1) for w in (wq, wk, wv))
        attention = torch.softmax(q @ k.transpose(1, 2) / (dims // heads) ** 0.5 + mask, -1)
        x = (attention @ v).transpose(0, 1).reshape(length, dims) @ wo.T + x
        x = (norm(x) @ w1.T).relu() @ w2.T + x
        loss = torch.nn.functional.cross_entropy(x @ head.T, tokens[1:])
        for p in parameters:
            p.grad = None
        loss.backward()
        found[:] = [loss]

    return step, lambda: [found[0].item(), *(x for p in parameters for x in p.grad.reshape(-1).tolist())]


for length in (8, 16):
    work = f"GPT, {length} tokens"
    peer(work, "micrograd, compiled")(lambda length=length: gpt_of_values(length, True))
    peer(work, "PyTorch, vectorised by hand", TORCH)(lambda length=length: gpt_torch(length))
    peer(work, "micrograd, eager")(lambda length=length: gpt_of_values(length, False))
    peer(work, "microGPT's way: local gradients in tuples")(lambda length=length: gpt_of_values(length, False, Scalar))


# ---- the whole demo: 100 steps, from import to accuracy ----


def demo_of_values(compiled: bool) -> Any:
    found: list[float] = []

    def run() -> None:
        model, (X, y) = network(), points()
        loss = max_margin
        if compiled:
            import micrograd

            loss = micrograd.compile(max_margin)
        for step in range(100):
            total = loss(model, X, y)
            for p in model.parameters():
                p.grad = 0.0
            total.backward()
            for p in model.parameters():
                p.data -= (1.0 - 0.9 * step / 100) * p.grad
        found[:] = [sum((model(x).data > 0) == (yi > 0) for x, yi in zip(X, y)) / len(y), total.data]

    return run, lambda: found


@peer("whole demo", "micrograd, compiled")
def demo_compiled() -> Any:
    return demo_of_values(True)


@peer("whole demo", "PyTorch, vectorised by hand", TORCH)
def demo_torch() -> Any:
    found: list[float] = []

    def run() -> None:
        torch = torch_setup()
        X, y = map(torch.tensor, points())
        parameters = [torch.tensor(x, requires_grad=True) for layer in start() for x in layer]
        optimizer = torch.optim.SGD(parameters, lr=1.0)

        def scores() -> Any:
            W1, b1, W2, b2, W3, b3 = parameters
            return (((X @ W1.T + b1).relu() @ W2.T + b2).relu() @ W3.T + b3)[:, 0]

        for step in range(100):
            optimizer.param_groups[0]["lr"] = 1.0 - 0.9 * step / 100
            loss = (1 - y * scores()).relu().mean() + 1e-4 * sum((p * p).sum() for p in parameters)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[:] = [((scores() > 0) == (y > 0)).double().mean().item(), loss.item()]

    return run, lambda: found


@peer("whole demo", "micrograd 0.1.0", OLD)
def demo_old() -> Any:
    return demo_of_values(False)


# ---- an epoch of digits: MLP(64, [32, 10]), cross entropy, Adam, minibatches of 64 ----


def digits() -> tuple[Any, Any]:
    """1,797 images like scikit-learn's, but drawn by chance, so that every environment has them."""
    rng = random.Random(0)
    return [[rng.randint(0, 16) / 16 for _ in range(64)] for _ in range(1797)], [rng.randrange(10) for _ in range(1797)]


@peer("digits epoch", "micrograd, vmap compiled")
def digits_vmap() -> Any:
    import numpy as np

    import micrograd
    import micrograd.functional as F
    from micrograd import vmap
    from micrograd.nn import MLP
    from micrograd.optim import Adam

    X, y = map(np.array, digits())
    random.seed(1337)
    model = MLP(64, [32, 10])
    optimizer, found = Adam(model.parameters(), lr=RATE), []

    @micrograd.compile
    def loss(X: Any, y: Any) -> Any:
        losses = vmap(lambda x, target: F.cross_entropy(model(x), target))(X, y)
        return sum(losses) / len(losses)

    def epoch() -> None:
        for i in range(0, len(X), 64):
            optimizer.zero_grad()
            out = loss(X[i : i + 64], y[i : i + 64])
            out.backward()
            optimizer.step()
        found[:] = [out]

    return epoch, lambda: [found[0].data, *(p.grad for p in model.parameters())]


@peer("digits epoch", "PyTorch, vectorised by hand", TORCH)
def digits_torch() -> Any:
    torch = torch_setup()
    X, y = map(torch.tensor, digits())
    parameters = [torch.tensor(x, requires_grad=True) for layer in start((64, 32, 10)) for x in layer]
    optimizer, found = torch.optim.Adam(parameters, lr=RATE), []

    def epoch() -> None:
        W1, b1, W2, b2 = parameters
        for i in range(0, len(X), 64):
            logits = (X[i : i + 64] @ W1.T + b1).relu() @ W2.T + b2
            loss = torch.nn.functional.cross_entropy(logits, y[i : i + 64])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[:] = [loss]

    return epoch, lambda: [found[0].item(), *in_order([p.grad.tolist() for p in parameters])]
