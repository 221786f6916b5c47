"""to_torch in its corners: names, ties, copies, changed parameters, and other numbers of samples than at the export."""

import copy
import functools
import gc
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from programs import agree, flat, gradients, numbers
from torch.nn.utils import parametrizations, prune

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.nn import MLP, Module

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.array([0, 1, 1, 0, 0, 1])


def tensors(out: Any) -> torch.Tensor:
    """All numbers of the results, one after the other."""
    if isinstance(out, dict):
        out = list(out.values())
    if isinstance(out, list | tuple):
        return torch.cat([torch.zeros(0, dtype=torch.float64), *map(tensors, out)])
    return torch.as_tensor(out, dtype=torch.float64).reshape(-1)


def inputs(args: Sequence[Any]) -> list[torch.Tensor]:
    return [torch.tensor(np.array(x, dtype=float)) for x in args]


def weighted(values: Any) -> Any:
    return sum((0.5 + i) * v for i, v in enumerate(values) if isinstance(v, Value))


def same(f: Callable[..., Any], leaves: Sequence[Value], *args: Any, exported: Any = None) -> Any:
    """The exported function, whose results and gradients agree with those of f, uncompiled. The numbers in the leaves
    are all different, and tell which entry of which parameter each of them is."""
    exported = exported or micrograd.compile(f).to_torch(*args)
    assert len({v.data for v in leaves}) == len(leaves)
    ours = flat(f(*args))
    theirs = tensors(exported(*inputs(args)))
    values = [i for i, v in enumerate(ours) if isinstance(v, Value)]
    weighted(ours).backward()
    torch.stack([(0.5 + i) * theirs[i] for i in values]).sum().backward()
    entries: dict[float, float] = {}
    for p in exported.parameters():
        grad = torch.zeros_like(p) if p.grad is None else p.grad
        entries.update(zip(p.reshape(-1).tolist(), grad.reshape(-1).tolist()))
        p.grad = None
    got = [*theirs.tolist(), *(entries.get(v.data, 0.0) for v in leaves)]
    agree(got, [*numbers(ours), *gradients(leaves)], 1e-9, 1e-12)
    return exported


def brought_back(compiled: Any, exported: Any, leaves: Sequence[Value], *args: Any) -> None:
    """What becomes of the parameters becomes of the Values, each of them."""
    before = [v.data for v in leaves]
    with torch.no_grad():
        for p in exported.parameters():
            p += 0.25
    compiled.from_torch(exported)
    agree([v.data for v in leaves], [x + 0.25 for x in before])
    agree(numbers(compiled(*args)), tensors(exported(*inputs(args))).tolist(), 1e-9, 1e-12)


def loss_of(model: Any) -> Callable[..., Any]:
    def loss(X, y):
        losses = vmap(lambda x, target: F.cross_entropy(model(x), target))(X, y)
        return sum(losses) / len(losses) + 1e-3 * sum(p * p for p in model.parameters())

    return loss


# ---- the compiled function itself ----


def roots(a, b):
    first = a.sqrt()
    return [(b + first).sqrt(), first]


@pytest.mark.parametrize("order", ["export", "call export", "call back export", "export call export"])
@pytest.mark.parametrize("which", [[0], [1], [0, 1]])
def test_exporting_leaves_the_function_as_it_is(order, which):
    a, b = Value(4.0), Value(7.0)
    compiled = micrograd.compile(lambda: roots(a, b))
    out = []
    for step in order.split():
        if step == "call":
            out = compiled()
        elif step == "back":
            weighted(out).backward()
        else:
            gradients([a, b])
            same(lambda: roots(a, b), [a, b], exported=compiled.to_torch())
    found = []
    for results in (roots(a, b), compiled(), out or compiled()):
        sum(results[i] for i in which).backward()
        found.append([*numbers(results), *gradients([a, b])])
    agree(found[1], found[0])
    agree(found[2], found[0])


# ---- .data ----


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b, x: a * a.data,
        lambda a, b, x: a.data * b + a,
        lambda a, b, x: (a * b) * (a * b).data,
        lambda a, b, x: [(h := (a * x).tanh()) * h.data, h],
        lambda a, b, x: (h := a * b).exp() / Value(h.data).exp(),
        lambda a, b, x: a * (b.data * b.data + x),
        lambda a, b, x: [a * x, b.data, a.data * x],
        lambda a, b, x: vmap(lambda y: a * y * (a * y * b).data)([1.0, x, 3.0]),
        lambda a, b, x: vmap(lambda y: y * y.data)([a, a * b, b]),
        lambda a, b, x: sum(v * v.data for v in vmap(lambda y: a * y)([1.0, x, 3.0])),
        lambda a, b, x: sum(F.softmax([a, a * b, b * x]), a.data),
    ],
)
def test_no_gradient_goes_into_data(f):
    a, b = Value(2.0), Value(0.75)
    same(lambda x: f(a, b, x), [a, b], 0.5)


def test_no_gradient_goes_into_the_data_of_a_model(model):
    same(lambda x: model(x)[0] * model(x)[0].data, model.parameters(), X[0].tolist())
    same(lambda X: [s * t.data for s, t in vmap(model)(X)], model.parameters(), X)


def test_no_gradient_goes_into_the_data_of_an_argument():
    exported = micrograd.compile(lambda row, c: [v * v.data * c for v in row]).to_torch([Value(1.0), Value(2.0)], 3.0)
    row = torch.tensor([5.0, 7.0], dtype=torch.float64, requires_grad=True)
    out = exported(row, 3.0)
    out.sum().backward()
    assert out.tolist() == [75.0, 147.0]
    assert row.grad is not None
    assert row.grad.tolist() == [15.0, 21.0]


# ---- parameters that are changed in torch's ways ----


def old_weight_norm(module: Any, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and used
        torch.nn.utils.weight_norm(module, name)


def replaced(module: Any, name: str) -> None:
    setattr(module, name, torch.nn.Parameter(getattr(module, name).detach() * 2))


def frozen(module: Any, name: str) -> None:
    getattr(module, name).requires_grad_(False)


def one_more(module: Any, name: str) -> None:
    module.extra = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))


CHANGES: dict[str, Callable[[Any, str], Any]] = {
    "nothing": lambda module, name: None,
    "pruned": lambda module, name: prune.l1_unstructured(module, name, 0.5),
    "pruned for good": lambda module, name: prune.remove(prune.l1_unstructured(module, name, 0.5), name),
    "pruned by rows": lambda module, name: prune.ln_structured(module, name, 0.5, n=2, dim=0),
    "pruned twice": lambda module, name: [prune.l1_unstructured(module, name, 0.25) for _ in range(2)],
    "weight norm": lambda module, name: parametrizations.weight_norm(module, name),
    "weight norm as of old": old_weight_norm,
    "replaced": replaced,
    "frozen": frozen,
    "one more": one_more,
}


def twin_of(model: Any) -> Any:
    """The same network in torch alone."""
    twin = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    twin.load_state_dict({name: torch.tensor(x, dtype=torch.float64) for name, x in model.state_dict().items()})
    return twin


def scores_of(model: Any, where: str) -> Any:
    """A compiled function of a batch and what its parameters' names begin with: with vmap alone, or with more."""
    return micrograd.compile(vmap(model) if not where else lambda X: [model(x) for x in X])


@pytest.mark.parametrize("where", ["", "model."])
@pytest.mark.parametrize("change", [*CHANGES])
def test_trained_with_changed_parameters(model, change, where):
    compiled = scores_of(model, where)
    exported, twin = compiled.to_torch(X), twin_of(model)
    trained = []
    for net, layer in ((exported, exported.get_submodule(f"{where}0")), (twin, twin[0])):
        CHANGES[change](layer, "weight")
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(torch.tensor(X)), torch.tensor(Y)).backward()
            optimizer.step()
        trained.append({name.removeprefix(where): p for name, p in net.named_parameters()})
    got, want = trained
    assert got.keys() == want.keys()
    assert all(torch.allclose(got[name], want[name], rtol=1e-9) for name in want)
    scores = twin(torch.tensor(X))
    assert torch.allclose(exported(torch.tensor(X)), scores, rtol=1e-9)
    compiled.from_torch(exported)
    assert np.allclose([[v.data for v in row] for row in compiled(X)], scores.detach(), rtol=1e-9)
    assert np.allclose(model.state_dict()["0.weight"], twin[0].weight.detach(), rtol=1e-9)


@pytest.mark.parametrize("where", ["", "model."])
@pytest.mark.parametrize("change", ["pruned", "weight norm", "weight norm as of old"])
def test_changed_parameters_in_another_precision_saved_and_loaded(model, change, where, tmp_path):
    first, second = (scores_of(model, where).to_torch(X) for _ in range(2))
    twin = twin_of(model)
    for layer in (first.get_submodule(f"{where}0"), second.get_submodule(f"{where}0"), twin[0]):
        CHANGES[change](layer, "weight")
    with torch.no_grad():
        for p in (*first.parameters(), *twin.parameters()):
            p *= 1.5
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt"))
    want = twin(torch.tensor(X)).detach()
    assert torch.allclose(first(torch.tensor(X)), want, rtol=1e-9)
    assert torch.allclose(second(torch.tensor(X)), want, rtol=1e-9)
    single = second.to(torch.float32)(torch.tensor(X))
    assert single.dtype == torch.float32
    assert torch.allclose(single, want.float(), atol=1e-5)


def test_parameters_that_are_tied_in_torch(model):
    exported = scores_of(model, "").to_torch(X)
    exported.get_submodule("0").bias = torch.nn.Parameter(exported.get_submodule("0").bias.detach())
    exported.alias = exported.get_submodule("0").bias  # comes last, and is no parameter of ours
    twin = twin_of(model)
    for net in (exported, twin):
        net(torch.tensor(X)).sum().backward()
    assert torch.allclose(exported.alias.grad, twin[0].bias.grad)


# ---- results from outside ----


def test_a_result_from_outside_is_no_parameter():
    a = Value(2.0)
    d = a * 2
    many = {"first": [a, a.exp()]}

    def helper(x):
        return d * x

    functions: list[Any] = [
        lambda x: d * x,
        lambda x: d,
        lambda x: many["first"][1] * x,
        lambda x: helper(x) + a,
        lambda x: vmap(lambda y: d * y)([x, x]),
    ]
    for f in functions:
        with pytest.raises(TypeError, match="outside"):
            micrograd.compile(f).to_torch(3.0)
    assert micrograd.compile(functools.partial(functions[0]))(3.0).data == 12.0
    assert (d.data, d._prev[0]) == (4.0, a)
    same(lambda x: (a * 2) * x, [a], 3.0)


# ---- names ----

NAMES = [
    *("forward", "training", "source", "state_dict", "register_buffer", "_parameters", "_modules", "_buffers", "to"),
    *("_values", "_call", "_order", "leaves", "T_destination", "__class__", "__dict__", "call_super_init", "", " "),
    *("a.b", ".", "..", "a.", ".a", "0", "weight", "self", "class"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_of_any_name_as_a_key(name):
    table: dict[str, Any] = {name: Value(2.0), "other": [Value(3.0), Value(5.0)]}
    nested: dict[str, Any] = {"inner": {name: {name: [Value(7.0)]}}}
    leaves = [*flat(table), *flat(nested)]

    def f(x):
        return table[name] * x + table["other"][1].exp() * nested["inner"][name][name][0]

    compiled = micrograd.compile(f)
    exported = same(f, leaves, 0.5, exported=compiled.to_torch(0.5))
    assert exported.eval().training is False
    assert exported.train().training is True
    assert repr(exported)
    twin = compiled.to_torch(0.5)
    twin.load_state_dict(exported.state_dict())
    used = [v for v in leaves if v.data != 3.0]
    assert {v.data for v in used} <= {x for p in exported.parameters() for x in p.reshape(-1).tolist()}
    before = numbers(used)
    with torch.no_grad():
        for p in exported.parameters():
            p += 0.25
    compiled.from_torch(exported)
    agree(numbers(used), [x + 0.25 for x in before])
    same(f, leaves, 0.5, exported=exported)


@pytest.mark.parametrize("name", [name for name in NAMES if name.isidentifier() and not name.startswith("__")])
def test_a_parameter_of_any_name_as_an_attribute(name):
    class Net(Module):
        def __init__(self):
            vars(self)[name] = Value(2.0)
            self.rest = [Value(3.0), Value(5.0)]

        def compute(self, x):
            return vars(self)[name] * x * self.rest[0] + self.rest[1]

    net = Net()
    leaves = [vars(net)[name], *net.rest]
    for f in (net.compute, lambda x: net.compute(x).tanh()):
        compiled = micrograd.compile(f)
        exported = same(f, leaves, 0.5, exported=compiled.to_torch(0.5))
        brought_back(compiled, exported, leaves, 0.5)


def test_a_parameter_of_any_name_as_a_variable():
    forward, training, leaves, source, self = (Value(x) for x in (2.0, 3.0, 5.0, 7.0, 11.0))

    def f(x):
        return forward * x + training.exp() * leaves * source - self

    compiled = micrograd.compile(f)
    every = [forward, training, leaves, source, self]
    exported = same(f, every, 0.5, exported=compiled.to_torch(0.5))
    assert exported.eval().training is False
    brought_back(compiled, exported, every, 0.5)


@pytest.mark.parametrize(
    "table",
    [
        {"w": Value(2.0), "w.b": Value(3.0)},
        {"w.b": Value(2.0), "w": {"b": Value(3.0)}},
        {"w": {"b": Value(2.0)}, "w.b": Value(3.0)},
        {"w": [Value(2.0), {"x": Value(3.0)}], "w.1": {"x": Value(5.0)}},
        {0: Value(2.0), "0": Value(3.0)},
        {"": Value(2.0), ".": Value(3.0), "..": Value(5.0)},
        {"a_b": Value(2.0), "a.b": Value(3.0), "a": {"b": Value(5.0), "": Value(7.0)}},
    ],
)
def test_names_that_look_alike_are_parameters_apart(table):
    leaves = [v for item in table.values() for v in flat(item)]
    leaves = [v for x in leaves for v in flat(x)]

    def f(x):
        return sum((0.5 + i) * v.tanh() for i, v in enumerate(flat(table))) * x

    compiled = micrograd.compile(f)
    exported = same(f, leaves, 0.5, exported=compiled.to_torch(0.5))
    assert sum(p.numel() for p in exported.parameters()) == len(leaves)
    brought_back(compiled, exported, leaves, 0.5)


def models() -> tuple[Any, Any]:
    random.seed(5)
    return MLP(3, [2, 1]), MLP(3, [4, 1])


def helper_with(model: Any) -> Callable[[Any], Any]:
    return lambda x: model(x)


def test_two_models_of_one_name():
    model, other = models()
    helper = helper_with(other)

    def f(x):
        return model(x) + helper(x) * 2

    leaves = [p for p in (*model.parameters(), *other.parameters()) if p.data]
    for bias in (p for p in (*model.parameters(), *other.parameters()) if not p.data):
        bias.data = random.uniform(-1, 1)
        leaves.append(bias)
    for g in (f, lambda X: [row * 2 for row in vmap(f)(X)]):
        args = (X[0].tolist(),) if g is f else (X,)
        compiled = micrograd.compile(g)
        exported = same(g, leaves, *args, exported=compiled.to_torch(*args))
        assert len(list(exported.parameters())) == 8
        assert sum(p.numel() for p in exported.parameters()) == len(leaves)
        brought_back(compiled, exported, leaves, *args)


# ---- copies ----


def table_of(model: Any) -> Callable[..., Any]:
    def table(X, c):
        scores = [model(x) for x in X]
        return {"scores": scores, "pair": (sum(s[0] for s in scores) * c, 2.0), "worst": scores[0][0].maximum(0.1)}

    return table


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "all vmap": (vmap, [X]),
    "a loss": (loss_of, [X, Y]),
    "loops": (table_of, [X, 3.0]),
}


def copied(exported: Any, path: Any) -> Any:
    return copy.deepcopy(exported)


def saved(exported: Any, path: Any) -> Any:
    torch.save(exported, path)
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize("make", [copied, saved])
@pytest.mark.parametrize("function", [*FUNCTIONS])
def test_a_copy_computes_the_same_without_the_original(model, function, make, tmp_path):
    maker, args = FUNCTIONS[function]
    exported = micrograd.compile(maker(model)).to_torch(*args)
    want = tensors(exported(*inputs(args)))
    want.sum().backward()
    gradient = next(exported.parameters()).grad.clone()
    exported.zero_grad()
    twin = make(exported, tmp_path / "module.pt")
    assert list(twin.state_dict()) == list(exported.state_dict())
    with torch.no_grad():
        for p in exported.parameters():
            p.zero_()
    del exported
    model.layers.clear()
    gc.collect()
    got = tensors(twin(*inputs(args)))
    assert torch.equal(got, want)
    got.sum().backward()
    assert torch.equal(next(twin.parameters()).grad, gradient)
    assert make(twin, tmp_path / "again.pt")(*inputs(args)) is not None


@pytest.mark.parametrize("function", [*FUNCTIONS])
def test_a_saved_module_in_another_process(model, function, tmp_path):
    maker, args = FUNCTIONS[function]
    exported = micrograd.compile(maker(model)).to_torch(*args)
    want = tensors(exported(*inputs(args)))
    torch.save(exported, tmp_path / "module.pt")
    torch.save(inputs(args), tmp_path / "inputs.pt")
    code = f"""
import sys
sys.path[:] = {[path for path in sys.path if not path.endswith("tests")]!r}
import torch
net = torch.load({str(tmp_path / "module.pt")!r}, weights_only=False)
torch.save(net(*torch.load({str(tmp_path / "inputs.pt")!r})), {str(tmp_path / "out.pt")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert torch.equal(tensors(torch.load(tmp_path / "out.pt")), want)


# ---- ties ----


def tree(xs: Sequence[Any], larger: Callable[..., Any]) -> Any:
    return xs[0] if len(xs) == 1 else larger(tree(xs[: len(xs) // 2], larger), tree(xs[len(xs) // 2 :], larger))


LARGEST: dict[str, Callable[[Sequence[Any]], Any]] = {
    "maxima": lambda xs: functools.reduce(Value.maximum, xs),
    "minima": lambda xs: functools.reduce(Value.minimum, xs),
    "from the right": lambda xs: functools.reduce(lambda a, b: b.maximum(a), xs),
    "a tree of maxima": lambda xs: tree(xs, Value.maximum),
    "a tree of minima": lambda xs: tree(xs, Value.minimum),
    "minima of maxima": lambda xs: tree([functools.reduce(Value.maximum, xs[i:]) for i in range(3)], Value.minimum),
    "with a number": lambda xs: functools.reduce(Value.maximum, [*xs, 2.0]),
    "with itself": lambda xs: functools.reduce(Value.maximum, [*xs, *xs[:2]]),
    "rows": lambda xs: [functools.reduce(Value.maximum, xs[:n]) for n in range(1, len(xs) + 1)],
    "rows of rows": lambda xs: tree([functools.reduce(Value.maximum, xs[n:]) for n in range(3)], Value.maximum),
    "under vmap": lambda xs: vmap(lambda k: functools.reduce(Value.maximum, [x * k for x in xs]))([1.0, -1.0, 0.0]),
    "over vmap": lambda xs: functools.reduce(Value.maximum, vmap(lambda x: x * 1.5)(xs)),
}


@pytest.mark.parametrize("kind", [*LARGEST])
@pytest.mark.parametrize(
    "data", [[2, 2, 2], [2, 2, 2, 2, 2], [1, 2, 2, 0, 2, 2], [2, 1, 2, 1, 1], [2, 2, 1, 1, 2, 2, 2]]
)
def test_ties_of_many_have_the_gradients_of_eager(data, kind):
    xs = [Value(x) for x in data]

    def f():
        return LARGEST[kind](xs)

    exported = micrograd.compile(f).to_torch()
    theirs, ours = tensors(exported()), flat(f())
    weighted(ours).backward()
    (theirs * (0.5 + torch.arange(len(ours)))).sum().backward()
    got = [*theirs.tolist(), *exported.get_parameter("xs").grad.tolist()]
    agree(got, [*numbers(ours), *gradients(xs)])


def test_ties_among_arguments():
    rows = [[1.0, 1.0, 1.0], [2.0, 0.0, 2.0]]
    exported = micrograd.compile(lambda X: [functools.reduce(Value.maximum, x) for x in X]).to_torch(
        [[Value(x) for x in row] for row in rows]
    )
    given = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    exported(given).sum().backward()
    assert given.grad is not None
    assert given.grad.tolist() == [[0.25, 0.25, 0.5], [0.5, 0.0, 0.5]]


# ---- any number of samples, and any shape ----


def samples(count: int, width: int = 3) -> Any:
    return np.random.default_rng(count).normal(size=(count, width))


def test_no_samples(model):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    assert exported(torch.zeros(0, 3)).shape == (0, 2)
    exported = micrograd.compile(vmap(lambda x, y: {"a": model(x)[0] * y, "b": y})).to_torch(X, Y)
    out = exported(torch.zeros(0, 3), torch.zeros(0))
    assert {name: tuple(x.shape) for name, x in out.items()} == {"a": (0,), "b": (0,)}
    exported(torch.zeros(0, 3), torch.zeros(0))["a"].sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in exported.parameters())


@pytest.mark.parametrize("written", ["vmap", "loops"])
def test_a_loss_takes_any_number_of_samples(model, written):
    def loops(X, y):
        losses = [F.cross_entropy(model(x), target) for x, target in zip(X, y)]
        return sum(losses) / len(losses) + 1e-3 * sum(p * p for p in model.parameters())

    loss = loss_of(model) if written == "vmap" else loops
    one_hot = np.eye(2)
    exported = micrograd.compile(loss).to_torch(X, one_hot[Y])
    for count in 6, 1, 2, 13, 3, 6:
        targets = one_hot[np.arange(count) % 2]
        same(loss, model.parameters(), samples(count), targets, exported=exported)


@pytest.mark.parametrize(
    "f",
    [
        lambda model, a, X: [model(x) for x in X],
        lambda model, a, X: sum(model(x)[0] for x in X) * len(X),
        lambda model, a, X: {"first": model(X[0]), "rest": [model(x)[1] for x in X[1:]]},
        lambda model, a, X: [s[0] * t[1] for s, t in zip(vmap(model)(X), vmap(model)(X[::-1]))],
        lambda model, a, X: functools.reduce(Value.maximum, [s[0] for s in vmap(model)(X)]),
        lambda model, a, X: [[sum(a * x * y for x, y in zip(p, q)) for p in X[: i + 1]] for i, q in enumerate(X)],
        lambda model, a, X: vmap(lambda x: [a * v for v in x])(X),
        lambda model, a, X: [vmap(model)(X), [a] * len(X)],
        lambda model, a, X: (a * len(X), len(X)),
    ],
)
def test_any_function_takes_any_number_of_samples(model, f):
    a = Value(1.5)

    def function(X):
        return f(model, a, X)

    leaves = [*model.parameters(), a]
    exported = micrograd.compile(function).to_torch(X)
    for count in 6, 4, 1, 9:
        same(function, leaves, samples(count), exported=exported)


def test_other_shapes():
    a, b = Value(1.5), Value(-0.5)

    def f(X, y):
        return [sum(a * v for v in x) * b.exp() + sum(y) for x in X]

    exported = micrograd.compile(f).to_torch(X, [1.0])
    for shape, length in (((6, 3), 1), ((2, 5), 4), ((1, 1), 2), ((3, 7), 0)):
        same(f, [a, b], np.ones(shape), [2.0] * length, exported=exported)


def test_more_samples_need_more_of_the_parameters():
    places = [Value(x) for x in (2.0, 3.0, 5.0, 7.0)]

    def f(xs):
        return sum(p * x for p, x in zip(places, xs))

    exported = micrograd.compile(f).to_torch([1.0, 2.0])
    for count in 2, 4, 1, 3:
        same(f, places, [1.0 + i for i in range(count)], exported=exported)


def test_a_new_shape_after_training(model):
    loss = micrograd.compile(loss_of(model))
    exported = loss.to_torch(X, Y)
    exported(*inputs([X, Y])).backward()
    with torch.no_grad():
        for p in exported.parameters():
            p -= 0.1 * p.grad
            p.grad = None
    got = exported(*inputs([samples(4), Y[:4]]))
    assert got.item() != pytest.approx(loss(samples(4), Y[:4]).data, rel=1e-6)
    loss.from_torch(exported)
    assert got.item() == pytest.approx(loss(samples(4), Y[:4]).data, rel=1e-9)
    same(loss_of(model), model.parameters(), samples(5), Y[:5], exported=exported)


def sum_of_rows(model: Any, rows: Any) -> Any:
    return sum(model(row)[0] for row in rows) / len(rows)


def second_row(model: Any, rows: Any) -> Any:
    return model(rows[1])[0]


@pytest.mark.parametrize("m", [sum_of_rows, second_row, lambda model, rows: vmap(model)(rows)])
def test_vmap_over_two_parts_of_the_batch(model, m):
    def f(x):
        return vmap(lambda rows: m(model, rows))([x[:2], x[2:]])

    exported = micrograd.compile(f).to_torch(X[:4])
    for count in 4, 3, 6, 4:
        try:
            f(samples(count))
        except IndexError:
            with pytest.raises(IndexError):
                exported(torch.tensor(samples(count)))
        else:
            same(f, model.parameters(), samples(count), exported=exported)


def test_what_eager_refuses_is_refused(model):
    exported = micrograd.compile(lambda X: [model(x) for x in X]).to_torch(X)
    with pytest.raises(ValueError, match="3"):
        exported(torch.zeros(6, 4))
    exported = micrograd.compile(vmap(lambda x, y: model(x)[0] * y)).to_torch(X, Y)
    with pytest.raises(ValueError, match="5"):
        exported(torch.zeros(6, 3), torch.zeros(5))


EXPORTED: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "a model": (lambda model, x: model(x), [X]),
    "two batches": (lambda model, x, y: model(x)[0] * y + y, [X, Y]),
    "rows and rows": (lambda model, x, y: [model(x)[0], model(y)[1]], [X, X[::-1]]),
    "a dict": (lambda model, x: {"score": model(x)[0], "both": model(x)}, [X]),
    "a tuple": (lambda model, x, y: (model(x)[0], [y, model(x)[1] * y]), [X, Y]),
    "the same for all": (lambda model, x: {"score": model(x)[0], "bias": model.layers[0].neurons[0].b * 2}, [X]),
    "nothing but the same": (lambda model, x: model([0.5, 1.0, -1.0]), [X]),
    "a number for all": (lambda model, x: [model(x)[0], 2.0], [X]),
    "what went in": (lambda model, x: [x[0], model(x)[0], x[2]], [X]),
    "without gradients": (lambda model, x: model(x)[0] * model(x)[1].data, [X]),
    "the largest": (lambda model, x: functools.reduce(Value.maximum, [*model(x), *model(x[::-1])]), [X]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*EXPORTED])
def test_torch_export_with_any_number_of_samples(model, kind):
    f, args = EXPORTED[kind]
    exported = micrograd.compile(vmap(lambda *sample: f(model, *sample))).to_torch(*args)
    count = torch.export.Dim("count")
    program = torch.export.export(exported, tuple(inputs(args)), dynamic_shapes=(tuple({0: count} for _ in args),))
    for number in 6, 4, 11:
        given = [np.resize(x, (number, *np.shape(x)[1:])) for x in args]
        want = [f(model, *sample) for sample in zip(*given)]
        got = program.module()(*inputs(given))
        direct = exported(*inputs(given))
        if isinstance(got, dict | tuple):
            names = got.keys() if isinstance(got, dict) else range(len(got))
            columns: list[Any] = [[row[name] for row in want] for name in names]
            agree(tensors(got).tolist(), [x for column in columns for x in numbers(column)], 1e-9, 1e-12)
        else:
            agree(tensors(got).tolist(), numbers(want), 1e-9, 1e-12)
        assert torch.allclose(tensors(got), tensors(direct))


def test_numbers_that_are_not_finite():
    a, b = Value(0.0), Value(-1.0)
    exported = micrograd.compile(lambda x: [a / x, (b * x).log(), a.log(), (a + 710 + x).exp()]).to_torch(1.0)
    for x in 1.0, 0.0, -2.0, math.inf:
        want = [v.data for v in (a / x, (b * x).log(), a.log(), (a + 710 + x).exp())]
        agree(exported(x).tolist(), want)
