"""The work that is compared, once for each library; `PEERS`, at the end, is the table of all of it.

A peer is prepared, and then makes the same step again and again. A step returns the loss and what has its gradients, or
how far a training came; plain numbers are made of that outside of the time that is taken. Only the standard library is
imported up here: a peer runs in an environment of its own, and in a process of its own.
"""

import gc
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from .microgpt import Scalar
from .network import ScalarMLP, forward, in_order, max_margin, mlp, points, relu, start, vectorised_max_margin
from .pendulum import START, last_angle

Step: TypeAlias = Callable[[], Any]
Work: TypeAlias = tuple[Any, Sequence[Any], Sequence[Any]]  # a compiled function, its arguments, and parameters
Found: TypeAlias = tuple[Any, Sequence[Any]]  # what a step returns: the loss and parameters, or arrays of gradients

HERE: tuple[str, ...] = ()  # the environment of the command, with micrograd
OLD = ("micrograd==0.1.0",)
TORCH = ("torch==2.13.0", "numpy")
AUTOGRAD = ("autograd", "numpy")
CASADI = ("casadi", "numpy")
JAX = ("jax", "numpy")
RATE = 1e-6


class Peer(NamedTuple):
    """One library at one work: the packages it needs, what prepares its step, and what makes floats of a result."""

    packages: tuple[str, ...]
    prepare: Callable[[], Step]
    numbers: Callable[[Any], list[float]]


# The floats of what a step returned: the loss, and the gradients in the order of `MLP.parameters()`.


def from_values(found: Found) -> list[float]:
    loss, parameters = found
    return [loss.data, *(p.grad for p in parameters)]


def from_tensors(found: Found) -> list[float]:
    loss, parameters = found
    return [loss.item(), *in_order(p.grad for p in parameters)]


def from_arrays(found: Found) -> list[float]:
    loss, gradients = found
    return [float(loss), *in_order(gradients)]


def from_rows(found: Found) -> list[float]:
    """The same where parameters are in no layers: in the order of the arrays, row by row."""
    import numpy as np

    loss, gradients = found
    return [float(loss), *(float(x) for g in gradients for x in np.asarray(g).flat)]


def from_program(found: Any) -> list[float]:
    """The same where gradients come in another order, and that with them."""
    loss, gradients, order = found
    return [loss, *(float(sum(gradients[i] for i in places)) for places in order)]


def compiled(function: Callable[..., Any]) -> Any:
    import micrograd

    return micrograd.compile(function)


def torch_with(parameters: Sequence[Any]) -> tuple[Any, list[Any]]:
    """PyTorch on one thread and in float64, and a tensor for each of the parameters."""
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    return torch, [torch.tensor(x, requires_grad=True) for x in parameters]


def jax_with(parameters: Sequence[Any]) -> tuple[Any, list[Any]]:
    """JAX on one thread and in float64, and an array for each of the parameters."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax, [jax.numpy.array(x) for x in parameters]


def jitted(jax: Any, loss: Callable[..., Any]) -> Callable[..., Any]:
    """A step of gradient descent, all of it in `jax.jit`: from parameters and data to new ones, loss and gradients."""

    def step(parameters: Any, *data: Any) -> Any:
        value, found = jax.value_and_grad(loss)(parameters, *data)
        return [p - RATE * g for p, g in zip(parameters, found)], value, found

    return jax.jit(step)


def with_state(step: Callable[..., Any], state: Any, *data: Any) -> Step:
    """A step that goes on from what the last one made of the state."""

    def again() -> Found:
        nonlocal state
        state, loss, found = step(state, *data)
        return loss.block_until_ready(), found

    return again


def gradients(loss: Any, parameters: Sequence[Any], zero: float | None = 0.0) -> Found:
    """Go backward from a loss. A gradient starts from `zero`, which is None in PyTorch."""
    for p in parameters:
        p.grad = zero
    loss.backward()
    return loss, parameters


def descend(loss: Any, parameters: Sequence[Any], rate: float, zero: float | None = 0.0) -> Found:
    """Gradient descent as one writes it with scalars."""
    gradients(loss, parameters, zero)
    for p in parameters:
        p.data -= rate * p.grad
    return loss, parameters


def optimize(loss: Any, optimizer: Any) -> Any:
    """Gradient descent with an optimizer; returns the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def collector_off(prepare: Callable[[], Step]) -> Callable[[], Step]:
    """The same without Python's collector. Graphs of 0.1.0 are cycles and then stay: their memory is not counted."""

    def prepared() -> Step:
        gc.disable()
        return prepare()

    return prepared


def alone(make: Callable[[], Work], backend: str = "") -> Step:
    """Only the program of a compiled function, forward and back: from arrays of numbers to arrays of gradients.

    Args:
        make: makes the function, its arguments, and the Values whose gradients are checked.
        backend: "numpy" for NumPy instead of machine code.
    """
    os.environ["MICROGRAD_BACKEND"] = backend
    loss, arguments, parameters = make()
    loss(*arguments).backward()
    given = loss.take_apart(arguments, {})
    call = loss.call_for(given)
    row, program = call.row_of(given.values), call.program
    bound = program.bind(row.data(), [numbers for numbers in given.numbers if numbers])

    reached, _, _ = program.gradients((0,), [1.0], (*bound, *program.run(*bound)[1]), True)
    # One that is passed twice gets the sum of two; others get none.
    order = [[i for i, position in enumerate(reached) if row.values[position] is p] for p in parameters]

    def step() -> Any:
        (value, *_), kept = program.run(*bound)
        return value, program.gradients((0,), [1.0], (*bound, *kept), True)[1], order

    return step


def programs(make: Callable[[], Work]) -> dict[str, Peer]:
    """Rows of programs alone."""
    return {
        "its program alone": Peer(HERE, partial(alone, make), from_program),
        "its program alone, as NumPy": Peer(HERE, partial(alone, make, "numpy"), from_program),
    }


# ---- the moons step: 337 parameters, 100 points, max-margin loss and L2 ----


def moons() -> Work:
    import numpy as np

    model = mlp()
    return compiled(lambda X, y: max_margin(model, X, y)), [*map(np.array, points())], model.parameters()


def moons_compiled() -> Step:
    from micrograd.optim import SGD

    loss, (X, y), parameters = moons()
    optimizer = SGD(parameters, lr=RATE)
    return lambda: (optimize(loss(X, y), optimizer), parameters)


def moons_eager() -> Step:
    from micrograd.engine import Value

    model, (X, y) = mlp(), points()
    parameters = model.parameters()
    return lambda: descend(max_margin(model, [[Value(x) for x in row] for row in X], y), parameters, RATE)


def moons_numpy() -> Step:
    import numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    parameters = [np.array(x) for x in start()]

    def step() -> Found:
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


def moons_torch(compiled: bool = False) -> Step:
    torch, parameters = torch_with(start())
    X, y = map(torch.tensor, points())
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    loss = torch.compile(vectorised_max_margin, disable=not compiled)
    return lambda: (optimize(loss(parameters, X, y), optimizer), parameters)


def moons_zero_d() -> Step:
    torch, parameters = torch_with(in_order(start()))
    model, (X, y) = ScalarMLP(parameters), points()
    return lambda: descend(max_margin(model, [list(map(torch.tensor, x)) for x in X], y), parameters, RATE, zero=None)


def moons_autograd() -> Step:
    import autograd
    import autograd.numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    parameters = [np.array(x) for x in start()]
    both = autograd.value_and_grad(
        lambda parameters: vectorised_max_margin(parameters, X, y, lambda v: np.maximum(v, 0))
    )

    def step() -> Found:
        loss, gradients = both(parameters)
        for p, g in zip(parameters, gradients):
            p -= RATE * g
        return loss, gradients

    return step


def moons_casadi() -> Step:
    import casadi
    import numpy as np

    X, y = (np.array(x, dtype=float) for x in points())
    p = np.array(in_order(start()))
    symbols, xs, ys = casadi.SX.sym("p", p.size), casadi.SX.sym("X", *X.shape), casadi.SX.sym("y", y.size)

    def relu(v: Any) -> Any:
        return casadi.if_else(v > 0, v, 0)

    model = ScalarMLP(casadi.vertsplit(symbols), relu)
    loss = max_margin(model, map(casadi.horzsplit, casadi.vertsplit(xs)), casadi.vertsplit(ys), relu)
    both = casadi.Function("step", [symbols, xs, ys], [loss, casadi.gradient(loss, symbols)])

    def step() -> Found:
        loss, gradient = both(p, X, y)
        p[:] -= RATE * np.asarray(gradient)[:, 0]
        return loss, [gradient]

    return step


def moons_jax() -> Step:
    jax, parameters = jax_with(start())
    X, y = (jax.numpy.array(x, dtype=float) for x in points())
    step = jitted(jax, lambda ps, X, y: vectorised_max_margin(ps, X, y, lambda v: jax.numpy.maximum(v, 0)))
    return with_state(step, parameters, X, y)


# ---- the README's expression: value and gradient ----


def expression(a: Any, b: Any, relu: Callable[[Any], Any] = relu) -> Any:
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + relu(b + a)
    d = d + 3 * d + relu(b - a)
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


def expression_of_values(eager: bool = False) -> Step:
    from micrograd.engine import Value

    leaves = Value(-4.0), Value(2.0)
    function = expression if eager else compiled(expression)
    return lambda: gradients(function(*leaves), leaves)


def expression_torch() -> Step:
    _, leaves = torch_with([-4.0, 2.0])
    return lambda: gradients(expression(*leaves), leaves, zero=None)


def expression_floats() -> Step:
    return lambda: [expression(-4.0, 2.0, lambda v: max(v, 0.0))]


# ---- one step of a GPT: loss, gradients and update ----

TOKENS = [0, 5, 13, 13, 1, 9, 20, 3, 0, 7, 8, 2, 26, 11, 4, 19, 0]


def gpt_work(length: int, eager: bool = False, **options: Any) -> Work:
    from .gpt import GPT

    model = GPT(**options)
    rows = [model.wte[t] for t in TOKENS[:length]]
    targets = [[float(t == i) for i in range(len(model.wte))] for t in TOKENS[1 : length + 1]]
    return model.loss if eager else compiled(model.loss), [rows, targets], model.parameters()


def gpt_of_values(length: int, eager: bool = False, **options: Any) -> Step:
    loss, (rows, targets), parameters = gpt_work(length, eager, **options)
    if eager:
        return lambda: descend(loss(rows, targets), parameters, RATE)
    from micrograd.optim import SGD

    optimizer = SGD(parameters, lr=RATE)

    def step() -> Found:
        optimizer.zero_grad(set_to_none=False)
        total = loss(rows, targets)
        total.backward()
        optimizer.step()
        return total, parameters

    return step


def gpt_torch(length: int, compiled: bool = False) -> Step:
    from .gpt import GPT

    torch, parameters = torch_with(GPT(make=float).matrices())
    wte, wpe, head, wq, wk, wv, wo, w1, w2 = parameters
    tokens, heads, dims = torch.tensor(TOKENS[: length + 1]), 4, 16
    mask = torch.triu(torch.full((length, length), float("-inf")), 1)

    def norm(x: Any) -> Any:
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5) ** -0.5

    def loss() -> Any:
        x = norm(wte[tokens[:-1]] + wpe[:length])
        normed = norm(x)
        q, k, v = ((normed @ w.T).view(length, heads, dims // heads).transpose(0, 1) for w in (wq, wk, wv))
        attention = torch.softmax(q @ k.transpose(1, 2) / (dims // heads) ** 0.5 + mask, -1)
        x = (attention @ v).transpose(0, 1).reshape(length, dims) @ wo.T + x
        x = (norm(x) @ w1.T).relu() @ w2.T + x
        return torch.nn.functional.cross_entropy(x @ head.T, tokens[1:])

    optimizer = torch.optim.SGD(parameters, lr=RATE)
    loss = torch.compile(loss, disable=not compiled)
    return lambda: (optimize(loss(), optimizer), parameters)


def gpt_jax(length: int) -> Step:
    from .gpt import GPT

    jax, parameters = jax_with(GPT(make=float).matrices())
    np, tokens, heads, dims = jax.numpy, jax.numpy.array(TOKENS[: length + 1]), 4, 16
    mask = np.triu(np.full((length, length), -np.inf), 1)

    def norm(x: Any) -> Any:
        return x * ((x * x).mean(-1, keepdims=True) + 1e-5) ** -0.5

    def loss(parameters: Any, tokens: Any) -> Any:
        wte, wpe, head, wq, wk, wv, wo, w1, w2 = parameters
        x = norm(wte[tokens[:-1]] + wpe[:length])
        normed = norm(x)
        q, k, v = ((normed @ w.T).reshape(length, heads, dims // heads).swapaxes(0, 1) for w in (wq, wk, wv))
        attention = jax.nn.softmax(q @ k.swapaxes(1, 2) / (dims // heads) ** 0.5 + mask, -1)
        x = (attention @ v).swapaxes(0, 1).reshape(length, dims) @ wo.T + x
        x = jax.nn.relu(norm(x) @ w1.T) @ w2.T + x
        return -jax.nn.log_softmax(x @ head.T)[np.arange(length), tokens[1:]].mean()

    return with_state(jitted(jax, loss), parameters, tokens)


# ---- the pendulum: the last angle, and its gradients ----


def pendulum(eager: bool = False) -> Work:
    from micrograd.engine import Value

    leaves = [Value(x) for x in START]
    with_sine = partial(last_angle, sin=Value.sin)
    return with_sine if eager else compiled(with_sine), leaves, leaves


def pendulum_of_values(eager: bool = False) -> Step:
    function, leaves, _ = pendulum(eager)
    return lambda: gradients(function(*leaves), leaves)


def pendulum_torch() -> Step:
    torch, leaves = torch_with(START)
    function: Any = partial(last_angle, sin=torch.sin)
    return lambda: gradients(function(*leaves), leaves, zero=None)


def pendulum_casadi() -> Step:
    import casadi

    symbols = casadi.SX.sym("x", len(START))
    function: Any = partial(last_angle, sin=casadi.sin)
    out = function(*casadi.vertsplit(symbols))
    both = casadi.Function("both", [symbols], [out, casadi.gradient(out, symbols)])

    def step() -> Found:
        out, gradient = both(START)
        return out, [gradient]

    return step


def pendulum_floats() -> Step:
    return lambda: [last_angle(*START)]


def gpt(length: int) -> dict[str, Peer]:
    values = partial(gpt_of_values, length)
    return {
        "micrograd, compiled": Peer(HERE, values, from_values),
        **programs(partial(gpt_work, length)),
        "PyTorch, vectorised by hand": Peer(TORCH, partial(gpt_torch, length), from_tensors),
        "torch.compile, vectorised by hand": Peer(TORCH, partial(gpt_torch, length, compiled=True), from_tensors),
        "jax.jit, vectorised by hand": Peer(JAX, partial(gpt_jax, length), from_rows),
        "micrograd, eager": Peer(HERE, partial(values, eager=True), from_values),
        "microGPT's way: local gradients in tuples": Peer(HERE, partial(values, eager=True, make=Scalar), from_values),
    }


# ---- the whole demo: 100 steps, from import to accuracy, so that nothing is prepared ----

RATES = [1.0 - 0.9 * step / 100 for step in range(100)]


def demo_of_values(eager: bool = False) -> list[float]:
    model, (X, y) = mlp(), points()
    loss = max_margin if eager else compiled(max_margin)
    for rate in RATES:
        total, _ = descend(loss(model, X, y), model.parameters(), rate)
    return [sum((model(x).data > 0) == (yi > 0) for x, yi in zip(X, y)) / len(y), total.data]


def demo_torch() -> list[float]:
    torch, parameters = torch_with(start())
    X, y = map(torch.tensor, points())
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    for rate in RATES:
        optimizer.param_groups[0]["lr"] = rate
        loss = optimize(vectorised_max_margin(parameters, X, y), optimizer)
    return [((forward(parameters, X)[:, 0] > 0) == (y > 0)).double().mean().item(), loss.item()]


# ---- images: an MLP of one hidden layer, cross entropy, Adam, an epoch of minibatches ----


class Images(NamedTuple):
    """How many there are, and in a minibatch; and the sizes of the network, from pixels to classes."""

    samples: int
    batch: int
    sizes: tuple[int, ...]

    def drawn(self) -> tuple[list[list[float]], list[int]]:
        """Images like scikit-learn's digits, but drawn by chance, so that every environment has them."""
        rng = random.Random(0)
        pixels = [[rng.randint(0, 16) / 16 for _ in range(self.sizes[0])] for _ in range(self.samples)]
        return pixels, [rng.randrange(10) for _ in range(self.samples)]

    def minibatches(self) -> Iterator[slice]:
        return (slice(i, i + self.batch) for i in range(0, self.samples, self.batch))

    def epoch(self, loss: Callable[[Any, Any], Any], X: Any, y: Any, optimizer: Any) -> Any:
        """Train once on every minibatch; returns the loss of the last one."""
        for part in self.minibatches():
            last = optimize(loss(X[part], y[part]), optimizer)
        return last


DIGITS = Images(1797, 64, (64, 32, 10))
MINIBATCH = DIGITS._replace(samples=64)
LARGE = Images(128, 128, (784, 128, 10))  # one minibatch, for 101,770 parameters


def images_work(images: Images) -> Work:
    import numpy as np

    import micrograd
    import micrograd.functional as F

    model, (X, y) = mlp(images.sizes), map(np.array, images.drawn())

    @micrograd.compile
    def loss(X: Any, y: Any) -> Any:
        losses = micrograd.vmap(lambda x, target: F.cross_entropy(model(x), target))(X, y)
        return sum(losses) / len(losses)

    return loss, [X, y], model.parameters()


def images_vmap(images: Images) -> Step:
    from micrograd.optim import Adam

    loss, (X, y), parameters = images_work(images)
    optimizer = Adam(parameters, lr=RATE)
    return lambda: (images.epoch(loss, X, y, optimizer), parameters)


def images_torch(images: Images, compiled: bool = False) -> Step:
    torch, parameters = torch_with(start(images.sizes))
    X, y = map(torch.tensor, images.drawn())
    optimizer = torch.optim.Adam(parameters, lr=RATE)

    def loss(X: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(forward(parameters, X), y)

    loss = torch.compile(loss, disable=not compiled)
    return lambda: (images.epoch(loss, X, y, optimizer), parameters)


def images_jax(images: Images) -> Step:
    jax, parameters = jax_with(start(images.sizes))
    X, y = map(jax.numpy.array, images.drawn())

    def loss(parameters: Any, X: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(forward(parameters, X, jax.nn.relu))
        return -scores[jax.numpy.arange(len(y)), y].mean()

    @jax.jit
    def adam(state: Any, X: Any, y: Any) -> Any:
        ps, means, squares, t = state
        value, gs = jax.value_and_grad(loss)(ps, X, y)
        means = [0.9 * m + 0.1 * g for m, g in zip(means, gs)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, gs)]
        size, root = RATE / (1 - 0.9**t), (1 - 0.999**t) ** 0.5
        ps = [p - size * m / (s**0.5 / root + 1e-8) for p, m, s in zip(ps, means, squares)]
        return (ps, means, squares, t + 1.0), value, gs

    zeros = [0.0 * p for p in parameters]
    state: Any = (parameters, zeros, zeros, 1.0)

    def step() -> Found:
        nonlocal state
        for part in images.minibatches():
            state, value, gs = adam(state, X[part], y[part])
        return value.block_until_ready(), gs

    return step


def classifier(images: Images) -> dict[str, Peer]:
    return {
        "micrograd, vmap compiled": Peer(HERE, partial(images_vmap, images), from_values),
        "PyTorch, vectorised by hand": Peer(TORCH, partial(images_torch, images), from_tensors),
        "torch.compile, vectorised by hand": Peer(TORCH, partial(images_torch, images, compiled=True), from_tensors),
        "jax.jit, vectorised by hand": Peer(JAX, partial(images_jax, images), from_arrays),
    }


# The first of each work is the one that the others are compared with.
PEERS: dict[str, dict[str, Peer]] = {
    "moons": {
        "micrograd, compiled": Peer(HERE, moons_compiled, from_values),
        **programs(moons),
        "NumPy, derived by hand": Peer(HERE, moons_numpy, from_arrays),
        "PyTorch, vectorised by hand": Peer(TORCH, moons_torch, from_tensors),
        "torch.compile, vectorised by hand": Peer(TORCH, partial(moons_torch, compiled=True), from_tensors),
        "jax.jit, vectorised by hand": Peer(JAX, moons_jax, from_arrays),
        "autograd, vectorised by hand": Peer(AUTOGRAD, moons_autograd, from_arrays),
        "CasADi, SX function of the scalars": Peer(CASADI, moons_casadi, from_arrays),
        "micrograd, eager": Peer(HERE, moons_eager, from_values),
        "micrograd, eager, collector off": Peer(HERE, collector_off(moons_eager), from_values),
        "micrograd 0.1.0": Peer(OLD, moons_eager, from_values),
        "micrograd 0.1.0, collector off": Peer(OLD, collector_off(moons_eager), from_values),
        "PyTorch, one 0-d tensor a scalar": Peer(TORCH, moons_zero_d, from_tensors),
    },
    "expression": {
        "micrograd, eager": Peer(HERE, partial(expression_of_values, eager=True), from_values),
        "micrograd, compiled": Peer(HERE, expression_of_values, from_values),
        "micrograd 0.1.0": Peer(OLD, partial(expression_of_values, eager=True), from_values),
        "PyTorch, scalars": Peer(TORCH, expression_torch, from_tensors),
        "plain floats, no gradient": Peer(HERE, expression_floats, list),
    },
    "pendulum": {
        "micrograd, compiled": Peer(HERE, pendulum_of_values, from_values),
        **programs(pendulum),
        "plain floats, no gradient": Peer(HERE, pendulum_floats, list),
        "CasADi, SX function of the scalars": Peer(CASADI, pendulum_casadi, from_rows),
        "micrograd, eager": Peer(HERE, partial(pendulum_of_values, eager=True), from_values),
        "PyTorch, scalars": Peer(TORCH, pendulum_torch, from_tensors),
    },
    "GPT, 8 tokens": gpt(8),
    "GPT, 16 tokens": gpt(16),
    "whole demo": {
        "micrograd, compiled": Peer(HERE, lambda: demo_of_values, list),
        "PyTorch, vectorised by hand": Peer(TORCH, lambda: demo_torch, list),
        "micrograd 0.1.0": Peer(OLD, lambda: partial(demo_of_values, eager=True), list),
    },
    "digits, a minibatch": {
        **programs(partial(images_work, MINIBATCH)),
        "jax.jit, vectorised by hand": Peer(JAX, partial(images_jax, MINIBATCH), from_arrays),
    },
    "digits epoch": classifier(DIGITS),
    "MLP of 101,770 parameters, 128 samples": classifier(LARGE),
}
