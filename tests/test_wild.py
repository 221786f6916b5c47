"""What people write, as they wrote it: code of tutorials and notebooks, compiled and not; and what a slip gets."""

import abc
import compileall
import copy
import math
import operator
import os
import pickle
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from programs import agree, check, gradients

import micrograd
import micrograd.functional as F
from micrograd import Value, nn, optim, viz, vmap
from micrograd.nn import MLP, Module, Neuron

PACKAGE = {"PYTHONPATH": str(Path(micrograd.__file__).parents[1])}

# ---- comparisons are numbers of a program ----


def demo(X, y):
    """The model and the loss of the first notebook, letter for letter."""
    random.seed(1337)
    model = MLP(2, [16, 16, 1])

    def loss(batch_size=None):
        # inline DataLoader :)
        if batch_size is None:
            Xb, yb = X, y
        else:
            ri = np.random.permutation(X.shape[0])[:batch_size]
            Xb, yb = X[ri], y[ri]
        inputs = [list(map(Value, xrow)) for xrow in Xb]

        # forward the model to get scores
        scores = list(map(model, inputs))

        # svm "max-margin" loss
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(yb, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        # L2 regularization
        alpha = 1e-4
        reg_loss = alpha * sum((p * p for p in model.parameters()))  # noqa: UP034
        total_loss = data_loss + reg_loss

        # also get accuracy
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
        return total_loss, sum(accuracy) / len(accuracy)

    return model, loss


def test_the_loss_of_the_demo_with_its_accuracy():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (30, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, 1, -1)
    runs = []
    for wrap in (lambda f: f, micrograd.compile):
        model, loss = demo(X, y)
        loss, found = wrap(loss), []
        for k in range(8):
            total_loss, acc = loss()
            model.zero_grad()
            total_loss.backward()
            learning_rate = 1.0 - 0.9 * k / 100
            for p in model.parameters():
                p.data -= learning_rate * p.grad
            found += [total_loss.data, float(acc)]
        runs.append(found)
    agree(runs[1], runs[0], 1e-9)
    assert len({*runs[0][1::2]}) > 3  # it learns


COMPARE = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
NUMBERS = [-1.5, 0.0, -0.0, 1.0, math.inf, -math.inf, math.nan]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("compare", COMPARE)
def test_comparisons_of_arguments_and_data_come_back_as_bools(compare):
    a = Value(1.0)

    def f(x, y, v):
        ordered = compare not in (operator.eq, operator.ne)  # of Values these ask whether they are the same
        return [
            [compare(x, y), compare(x, 1.0), compare(1, y), compare(v.data, x), compare(v.data, a.data)],
            [compare(np.float64(1.0), x), compare(x, np.float32(1.0)), compare(x, True), compare(x, np.bool_(True))],
            [compare(v, x), compare(x, v), compare(v, a), compare(np.float64(1.0), v)] if ordered else [],
        ]

    compiled = micrograd.compile(f)
    for x in NUMBERS:
        for y in NUMBERS:
            got, want = compiled(x, y, Value(y)), f(x, y, Value(y))
            assert got == want, (x, y)
            assert {type(b) for row in got for b in row} == {bool}
    assert len(compiled._order) == 1  # one program for all


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(
    "f",
    [
        lambda v, x, y: v * (x > 0) + (1 - (x > y)) * v,
        lambda v, x, y: sum([x > 0, y > 0, v.data > x]) * v,
        lambda v, x, y: v * np.mean([x > 0, y < 1, x == y]),
        lambda v, x, y: v * ((x > 0) & (y > 0)) + ((x > 0) | (y > 0)) * v * 3 + ((x > 0) ^ (y > 0)),
        lambda v, x, y: v * (True & (x > 0)) + v * (np.bool_(False) | (y > 0)) + ((x > 0) ^ True) * v,
        lambda v, x, y: (v * x, (x > 0) == (y > 0), (x > 0) != (v.data > 0), ((x > 0) + (y > 0)) / 2 >= 0.5),
        lambda v, x, y: {"loss": v * x, "hit": (x > 0) == (y > 0)},
        lambda v, x, y: sum(vmap(lambda s: v * s * (s > x))([-1.0, 0.5, 2.0])),
        lambda v, x, y: vmap(lambda s: (v * s, s > x, v.data > s))([-1.0, 0.5, 2.0]),
        lambda v, x, y: sum(hit for _, hit in vmap(lambda s: (v * s, s > x))([-1.0, 0.5, 2.0])) * v,
        lambda v, x, y: Value(x > y) * v,
        lambda v, x, y: -(x > y) * v + abs(x > y) * v + (x > y) ** 2 * v,
    ],
)
def test_comparisons_go_into_what_follows(f):
    v = Value(0.5)
    compiled = micrograd.compile(f)
    for x, y in ((0.25, -1.0), (1.0, 1.0), (-2.0, 3.0), (math.nan, 0.0)):
        check(f, [v], v, x, y, compiled=compiled)
    assert len(compiled._order) == 1


def test_what_needs_the_number_while_tracing_is_refused():
    a = Value(2.0)
    for f in (
        lambda x: a if x > 0 else -a,
        lambda x: a if not x > 0 else -a,
        lambda x: a * max(x, 0.0),
        lambda x: a * sorted([x, 1.0])[0],
        lambda x: a * float(x > 0),
        lambda x: a * int(x > 0),
        lambda x: [a, -a][x > 0],
        lambda x: a * {True: 1.0, False: 2.0}[x > 0],
        lambda x: a * len(str(x > 0)),
        lambda x: a * (x == "text"),
        lambda x: a * (x != None),  # noqa: E711
        lambda x: a * (x == a),
        lambda x: a * any([x > 0]),
        lambda x: a * (0 < x < 1),
        lambda x: a * (1.0 in [x]),
    ):
        with pytest.raises(TypeError, match="looks at a number"):
            micrograd.compile(f)(1.0)


def test_gradients_do_not_go_through_comparisons():
    v = Value(0.5)
    out = micrograd.compile(lambda: v * (v.data > 0.25) + (v > 0.75) * v)()
    out.backward()
    assert gradients([v]) == [1.0]


# ---- F.embedding ----


def table(rows, columns):
    rng = random.Random(rows)
    return [[Value(rng.uniform(-1, 1)) for _ in range(columns)] for _ in range(rows)]


def grads_of(weight):
    return [gradients(row) for row in weight]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_embedding_as_in_pytorch(rows):
    """Numbers, and gradients, which are 0.0 for rows that were not looked up: without compile, compiled, under vmap."""
    weight = table(rows, 3)
    tensor = torch.tensor([[v.data for v in row] for row in weight], dtype=torch.float64, requires_grad=True)

    def loss(tokens):
        return sum((j + 1.5) * v**2 for row in F.embedding(tokens, weight) for j, v in enumerate(row))

    one = micrograd.compile(loss)
    many = micrograd.compile(vmap(loss))
    rng = random.Random(0)
    for _ in range(4):
        tokens = [rng.randrange(rows) for _ in range(4)]
        factors = torch.tensor([1.5, 2.5, 3.5], dtype=torch.float64)
        want = (torch.nn.functional.embedding(torch.tensor(tokens), tensor) ** 2 * factors).sum()
        (grad,) = torch.autograd.grad(want, tensor)
        for f in (loss, one, lambda tokens: many([tokens, tokens])[0]):
            for row in weight:
                for v in row:
                    v.grad = None
            out = f(tokens)
            out.backward()
            assert out.data == pytest.approx(want.item())
            assert grads_of(weight) == [pytest.approx(row) for row in grad.tolist()]
    assert len(one._order) == len(many._order) == 1  # other tokens run the same program


def test_tokens_that_are_known_when_a_function_is_traced():
    weight = table(4, 2)
    check(lambda: [F.embedding(2, weight), F.embedding([[0, 1], [3, 3]], weight)], [v for row in weight for v in row])
    f = micrograd.compile(lambda n: F.embedding(n, weight)[0] * 1, static=("n",))
    assert [f(n).data for n in range(4)] == [row[0].data for row in weight]


def test_forms_of_tokens_and_of_weights():
    weight = table(4, 2)
    for token in (3, np.int64(3), np.array(3), torch.tensor(3)):
        assert [v.data for v in F.embedding(token, weight)] == [v.data for v in weight[3]]
    for tokens in ((1, 2), np.array([1, 2]), torch.tensor([1, 2]), iter([1, 2])):
        rows = F.embedding(tokens, weight)
        assert [[v.data for v in row] for row in rows] == [[v.data for v in row] for row in weight[1:3]]
    assert F.embedding([], weight) == []
    assert [v.data for v in F.embedding(1, [[1, 2], [3, 4]])] == [3.0, 4.0]
    x = Value(Value(3.0))
    F.embedding(1, [[Value(Value(2.0))], [x * x * x]])[0].backward()
    x.grad.backward()
    assert x.data.grad == 18.0


def test_other_rows_do_not_matter():
    weight = table(3, 1)
    weight[0][0].data, weight[2][0].data = math.inf, math.nan
    f = micrograd.compile(lambda t: F.embedding(t, weight)[0] * 2)
    out = f(1)
    out.backward()
    assert out.data == 2 * weight[1][0].data
    assert grads_of(weight) == [[0.0], [2.0], [0.0]]


def test_tokens_out_of_range():
    weight = table(3, 2)
    for token in (-1, 3):
        with pytest.raises(IndexError, match=rf"a token of 3 rows is between 0 and 2, got {token}"):
            F.embedding(token, weight)
    for wrong in (1.0, "a", None):
        with pytest.raises(TypeError, match=f"a token is the index of a row, a whole number; got {wrong!r}"):
            F.embedding(wrong, weight)
    with pytest.raises(ValueError, match=r"all of one length, got lengths \[2, 1\]"):
        F.embedding(0, [[1, 2], [3]])
    with pytest.raises(TypeError, match=r"a whole number; got 1\.0"):
        F.embedding(Value(1.0), weight)
    with pytest.raises(ValueError, match=r"at least one, all of one length, got lengths \[\]"):
        F.embedding(0, [])
    f = micrograd.compile(lambda t: F.embedding(t, weight)[0] * 2)
    assert f(2).data == 2 * weight[2][0].data
    assert all(math.isnan(f(t).data) for t in (-1, 3))


# ---- a refusal shows the line, and what to write instead ----

SPIRAL = """
import math
import micrograd
from micrograd import Value

w, table = Value(2.0), [[Value(1.0)], [Value(2.0)]]


def helper(x):
    return {line}


@micrograd.compile
def loss(x):
    return w * helper(x)


print(loss(1).data)
"""


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("1 if x > 0 else 2", "Choose with relu"),
        ("float(x)", "Leave float() out"),
        (
            "math.exp(x)",
            "Write Value(x).exp() for math.exp(x); in an operation of your own, write micrograd.scalar.exp(x)",
        ),
        ("max(x, 1.0)", "Write a.maximum(b) of Values for max(a, b)"),
        ("min([w.data, x])", "Write a.minimum(b) of Values for min(a, b)"),
        ("sorted([x, 2])[0]", "Return the numbers, and sort them outside"),
        ("table[x][0]", "Write F.embedding(token, table) for table[token]"),
        ("sum(range(x))", "Name a size in static=(...)"),
        ("int(x)", "Leave int() out"),
        ("len(f'{x}')", "Return what is to be printed"),
        ("{1: 2}[x]", "Look it up outside"),
        ("x % 2", "Do it outside"),
        ("(x == 'a')", "Do it outside"),
    ],
)
def test_a_refusal_is_short_and_begins_with_the_line(tmp_path, line, cure):
    (tmp_path / "spiral.py").write_text(SPIRAL.replace("{line}", line))
    done = subprocess.run(
        [sys.executable, "spiral.py"], cwd=tmp_path, capture_output=True, text=True, env=os.environ | PACKAGE
    )
    printed = done.stderr.splitlines()
    assert f"TypeError: spiral.py:10: return {line}" in printed, done.stderr
    assert printed[printed.index(f"TypeError: spiral.py:10: return {line}") + 1].startswith(cure)
    assert len(printed) <= 8
    assert "compiler" not in done.stderr


def test_somebodys_own_error_keeps_somebodys_frames():
    def inner(x):
        return x / 0

    def f(x):
        return inner([x])

    with pytest.raises(TypeError, match="unsupported operand") as caught:
        micrograd.compile(f)(1.0)
    files = [entry.path.name for entry in caught.traceback if hasattr(entry.path, "name")]
    assert files == ["test_wild.py"] * 3


# ---- arguments of all kinds, and installations of all kinds ----


def test_numbers_that_round_in_their_own_way_are_refused_in_lists_too():
    w = Value(2.0)
    f = micrograd.compile(lambda xs: w * xs[0])
    for x in (np.float32(0.1), np.float16(0.1), np.int8(3), np.longdouble(0.1)):
        for xs in ([x], np.array([x])):
            with pytest.raises(TypeError, match=f"got numbers of {x.dtype}"):
                f(xs)
    for one in (np.float64(0.5), np.int64(3), 0.5, 3):
        assert f([one]).data == 2.0 * one


def test_tensors_are_examples_for_to_torch():
    w = Value(2.0)
    for f, x in (
        (micrograd.compile(lambda X: sum(w * v for row in X for v in row)), torch.ones(2, 3)),
        (micrograd.compile(vmap(lambda row: w * row[0])), torch.ones(2, 3, dtype=torch.float64, requires_grad=True)),
    ):
        assert torch.equal(f.to_torch(x)(x), f.to_torch(x.tolist())(x))


USE = """
import micrograd
from micrograd import Value
from micrograd.nn import MLP, Module, Neuron
assert micrograd.__file__.startswith({where!r}), micrograd.__file__
model = MLP(2, [4, 1])
loss = micrograd.compile(lambda X: sum((model(x).relu() - 1) ** 2 for x in X))
loss([[1.0, 2.0]]).backward()
assert '<string>:7' in str(loss.program), loss.program
try:
    micrograd.compile(lambda x: model.parameters()[0] if x > 0 else x)(1.0)
except TypeError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["zip", "no sources"])
def test_an_installation_without_sources(kind, tmp_path):
    where = tmp_path / "site"
    shutil.copytree(Path(micrograd.__file__).parent, where / "micrograd", ignore=shutil.ignore_patterns("__pycache__"))
    if kind == "zip":
        path = shutil.make_archive(str(tmp_path / "site"), "zip", where)
    else:
        compileall.compile_dir(where, legacy=True, quiet=1)
        for source in where.rglob("*.py"):
            source.unlink()
        path = str(where)
    command = [sys.executable, "-c", USE.format(where=path)]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<string>:11:")


# ---- what is kept is not trained ----


class Keeping(Module):
    x: Any
    out: Any
    blocks: Any
    numbers: Any

    def __init__(self):
        self.w = [Value(1.0)]
        self.late: list[Value] = []
        self.state: Any = None

    def __call__(self, x):
        self.x = x
        self.out = self.w[0] * x[0]
        return self.out


def test_inputs_that_a_call_keeps_are_not_trained():
    model = Keeping()
    outer = Stack([model])
    x = [Value(2.0)]
    model(x)
    with pytest.warns(UserWarning, match=r"Keeping\.x holds Values, but came after __init__: they are not trained"):
        assert outer.parameters() == model.w
    assert outer.parameters() == model.parameters() == model.w  # it is said once
    assert outer.state_dict() == {"parts.0.w": [1.0]}
    model.zero_grad()
    assert "1 parameter" in repr(model)
    model.late.append(Value(3.0))
    model.state = Value(4.0)
    assert model.parameters() == [*model.w, *model.late, model.state]
    model.out = None
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(Keeping()))):
        twin([Value(1.0)])
        assert len(twin.parameters()) in (1, 3)
    model.blocks, model.numbers = [outer], [1.0]  # what is trained anyway, and what holds no Values, is not told of
    assert len(outer.parameters()) == 3


class Stack(Module):
    def __init__(self, parts):
        self.parts = parts


class Without(Module):
    """Has no __init__ of its own."""


class Longer(Keeping):
    def __init__(self):
        super().__init__()
        self.more = Value(2.0)


@dataclass
class Record(Module):
    w: Value

    def __post_init__(self):
        self.b = Value(0.0)


class Abstract(Module, abc.ABC):
    def __init__(self):
        self.w = Value(1.0)


def test_which_names_there_are_when_init_has_ended():
    module: Any = Without()
    module.w = Value(1.0)
    assert module.parameters() == [module.w]
    assert len(Longer().parameters()) == 2
    assert len(Record(Value(1.0)).parameters()) == 2
    assert len(type("Derived", (Abstract,), {})().parameters()) == 1
    neuron: Any = Neuron(1)
    neuron.extra = [Value(1.0)]
    with pytest.warns(UserWarning, match=r"Neuron\.extra holds Values"):
        assert len(neuron.parameters()) == 2


# ---- slips ----


def test_a_forgotten_comma():
    x = Value(2.0)
    out = Value(4.0, (x), "double", lambda out: None)  # type: ignore[arg-type]
    for f in (out.backward, (out * 2 + x).backward, micrograd.compile(lambda: out * x)):
        with pytest.raises(TypeError, match=r"a tuple, with a comma .*\(x,\), 'double', .*\); got Value"):
            f()
    assert x.grad == 0.0


def test_parents_in_a_list_or_a_set():
    for kind in (list, set, tuple):
        x, y = Value(2.0), Value(3.0)
        out = x * y
        out._prev = kind(out._prev)  # type: ignore[assignment]
        (out * 2).backward()
        assert {x.grad, y.grad} == {6.0, 4.0}


def test_values_wrapped_twice_by_mistake():
    """The training is right, and does not grow."""
    random.seed(0)
    model, twin = MLP(2, [3, 1]), MLP(2, [3, 1])
    twin.load_state_dict(model.state_dict())
    for _ in range(3):
        model.zero_grad()
        with pytest.warns(UserWarning, match=r"a plain number, .* Wrap it, too, Value\(Value\(.*\)\), or nothing"):
            (model([Value(Value(0.1)), Value(Value(0.2))]) ** 2).backward()
        twin.zero_grad()
        (twin([0.1, 0.2]) ** 2).backward()
        for p, q in zip(model.parameters(), twin.parameters()):
            p.data -= 0.1 * p.grad
            q.data -= 0.1 * q.grad
            assert type(p.data) is type(p.grad) is float
        assert model.state_dict() == twin.state_dict()


def test_where_only_some_are_wrapped():
    x, k = Value(Value(3.0)), Value(2.0, label="k")
    with pytest.warns(UserWarning, match=r"^k holds a plain number"):
        (k * x**2).backward()
    assert (k.grad, type(k.grad)) == (9.0, float)
    (x.grad**2).backward()
    assert (k.grad, x.data.grad) == (9.0, 2 * 12 * 4)
    x, k = Value(Value(3.0)), Value(Value(2.0))  # as the warning says
    (k * x**2).backward()
    (x.grad**2).backward()
    t: Any = torch.tensor(3.0, requires_grad=True)
    u: Any = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad(u * t**2, t, create_graph=True)
    (first**2).backward()
    assert (x.data.grad, k.data.grad) == (t.grad.item(), u.grad.item()) == (96.0, 144.0)


# ---- what editors, type checkers and help see ----

TYPED = """
import micrograd
from micrograd import Value
from micrograd.nn import MLP, Module

model = MLP(2, [4, 1])


@micrograd.compile
def loss(xs: list[float], scale: float = 1.0) -> tuple[Value, float]:
    total = sum((model([x, 1.0]) * scale for x in xs), Value(0.0))
    return total, total.data


@micrograd.compile(static=("n",))
def scaled(x: Value, n: int) -> Value:
    return x * n


class Line(Module):
    def __init__(self) -> None:
        self.slope = Value(1.0)

    def __call__(self, x: float) -> Value:
        return self.slope * x

    @micrograd.compile
    def loss(self, x: float) -> Value:
        return (self(x) - 1.0) ** 2


total, number = loss([1.0, 2.0], scale=2.0)
total.backward()
rounded = round(number, 2)
scaled(Value(1.0), n=3).backward()
line = Line()
line(2.0).backward()
line.loss(2.0).backward()
Line.loss(line, 2.0).backward()
print(str(loss.program), loss.to_torch, loss.program_for([1.0]).source, Value(2.0).item())
loss("a", 3)  # wrong
loss([1.0]).backward()  # wrong
scaled(1.0, n="2")  # wrong
line.loss("a")  # wrong
"""


def test_compile_keeps_the_types_of_a_function(tmp_path):
    (tmp_path / "user.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "user.py"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | PACKAGE, capture_output=True, text=True)
    found = [line.split(":")[1] for line in done.stdout.splitlines() if " error: " in line]
    lines = TYPED.splitlines()
    wrong = [str(i) for i, line in enumerate(lines, 1) if line.endswith("# wrong")]
    assert [line for line in wrong if line not in found] == [], done.stdout + done.stderr
    assert set(found) == set(wrong), done.stdout


def public(x):
    return {name for name in dir(x) if not name.startswith("_")}


def test_dir_shows_what_is_meant_for_users():
    assert public(micrograd) == {"Value", "compile", "gradcheck", "vmap", "functional", "nn", "optim", "viz"}
    losses = {"binary_cross_entropy_with_logits", "cross_entropy", "hinge_loss", "mse_loss"}
    assert public(F) == losses | {"embedding", "log_softmax", "softmax"}
    assert public(optim) == {"SGD", "Adam", "AdamW", "Optimizer"}
    assert public(viz) == {"draw_dot", "replay", "trace"}
    assert public(nn) == {"MLP", "Layer", "Module", "Neuron", "Value", "random"}
    model = MLP(2, [1])
    of_all = {"load_state_dict", "named_parameters", "parameters", "state_dict", "zero_grad"}
    assert public(model) == of_all | {"layers"}
    of_all = {"load_state_dict", "params", "state_dict", "step", "steps", "zero_grad", "lr", "weight_decay"}
    assert public(optim.SGD(model.parameters())) == of_all | {"momentum", "nesterov"}
    assert public(optim.Adam(model.parameters())) == of_all | {"betas", "eps", "amsgrad"}
    compiled = micrograd.compile(lambda x: x * 2)
    assert public(compiled) == {"program", "program_for", "to_torch", "from_torch"}
    compiled.__wrapped__.__dict__["rate"] = 3.0
    assert "rate" in dir(micrograd.compile(compiled.__wrapped__))


# ---- messages ----


def test_messages_say_what_came_and_what_to_write():
    model = MLP(2, [4, 1])
    state = MLP(4, [2, 1]).state_dict()
    with pytest.raises(ValueError, match=r"0.weight should be numbers of shape \(4, 2\), got \(2, 4\)"):
        model.load_state_dict(state)
    with pytest.raises(TypeError, match=r"got 'model.json' of type str: what is in a file is read first, json.loads"):
        model.load_state_dict("model.json")  # type: ignore[arg-type]
    for batch in ([[0.1, 0.2], [0.3, 0.4]], np.ones((2, 2)), torch.ones(2, 2), [model([1, 2]), np.ones(1)][1:] * 2):
        with pytest.raises(ValueError, match=r"cross_entropy takes one sample, got a batch of 2: write sum\(F\.cross"):
            F.cross_entropy(batch, [0, 1])
    for x in (np.array([1.0]), np.array([[1.0]])):
        with pytest.raises(TypeError, match=r"its number is array\.item\(\)"):
            Value(x)
    with pytest.raises(TypeError, match=r"of type ndarray$"):
        Value(np.ones(2))
    assert Value(2.5).item() == 2.5
    assert Value(Value(2.5)).item() == 2.5
    assert type(Value(np.float32(2)).item()) is float


# ---- found by reading the promises and not the code ----


def test_bools_of_numpy_are_counted():
    w = Value(2.0)
    mean = micrograd.compile(
        lambda X, y: (w * X[0], np.mean([x > 0 for x in X]), np.sum([(x > 0) == (y > 0) for x in X]))
    )
    for X in (-np.ones(3), np.ones(3), np.array([1.0, -1.0, 2.0])):
        got, want = mean(X, 1.0)[1:], mean.__wrapped__(X, 1.0)[1:]
        assert got == want
    assert len(mean._order) == 1
    both = micrograd.compile(lambda x: ((x[0] > 0) * (x[0] > 1), (x[0] > 0) | (x[0] > 1), (x[0] > 0) + 1))
    assert [both(np.array([x])) for x in (0.5, 2.0)] == [(False, True, 2), (True, True, 2)]
    mixed = micrograd.compile(lambda: np.mean([w.data >= 1, np.float64(1.0) < np.float64(0.5)]))
    assert mixed() == 0.5


@pytest.mark.filterwarnings("ignore:Bitwise inversion")  # which Python 3.12 begins to tell
@pytest.mark.parametrize(
    "f", [lambda a: (a > 0) | 2, lambda a: ~(a > 0), lambda a: (a > 0) << 1, lambda a: 1 >> (a > 0)]
)
def test_other_operations_on_bools_are_refused_by_their_line(f):
    with pytest.raises(TypeError, match=r"^test_wild\.py:\d+: .*\n.* looks at a number"):
        micrograd.compile(f)(1.0)


@pytest.mark.filterwarnings("ignore:.* holds a plain number")
def test_a_plain_number_beside_a_nested_one():
    assert Value(3.0).maximum(Value(Value(2.0))).data.data == 3.0
    assert Value(3.0).minimum(Value(Value(2.0))).data.data == 2.0
    w = Value(0.5)
    F.cross_entropy([w, w * Value(Value(0.3))], 0).backward()
    assert type(w.grad) is float


def test_a_row_of_which_only_a_part_is_used():
    weight = table(2, 2)
    for f in (lambda t: F.embedding(t, weight)[0] * 2, micrograd.compile(lambda t: F.embedding(t, weight)[0] * 2)):
        for v in (v for row in weight for v in row):
            v.grad = None
        f(0).backward()
        assert grads_of(weight) == [[2.0, 0.0], [0.0, 0.0]]


class Child(Module):
    parent: Any

    def __init__(self):
        self.w = Value(1.0)


class Parent(Module):
    def __init__(self):
        self.child = Child()
        self.child.parent = self
        self.v = Value(2.0)


class Mixin:
    def __init__(self):
        self.m = Value(1.0)


class Mixed(Mixin, Module):
    later: Any


def test_parents_and_mixins():
    parent = Parent()
    assert len(parent.child.parameters()) == 1
    assert len(parent.parameters()) == 2
    mixed = Mixed()
    mixed.later = Value(2.0)
    with pytest.warns(UserWarning, match=r"Mixed\.later holds Values"):
        assert mixed.parameters() == [mixed.m]


def test_a_forgotten_comma_in_a_picture():
    out = Value(4.0, (Value(2.0)), "double", lambda out: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="with a comma"):
        viz.draw_dot(out * 2)


class Asked:
    def __rand__(self, other):
        return 3.0


def test_what_is_no_number_beside_a_comparison_is_asked():
    w = Value(2.0)
    check(lambda a: w * ((a > 0) & Asked()), [w], 1.0)


def test_names_of_what_is_in_a_dict():
    model, scale = MLP(1, [1]), Value(2.0)
    source = viz.draw_dot(model([1.0]) * scale, params={"net": model, "scale": scale}).source
    assert all(f"{name} | data" in source for name in ("net.0.weight[0][0]", "net.0.bias[0]", "scale"))
