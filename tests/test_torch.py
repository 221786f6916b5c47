"""to_torch: the same function as a torch.nn.Module, on one process and on two."""

import copy
import functools
import random
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from programs import agree, error_without, gradients, hidden, programs

import micrograd
import micrograd.functional as F
from benchmarks.gpt import GPT
from micrograd import Value, vmap
from micrograd.nn import MLP

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.array([0, 1, 1, 0, 0, 1])


def loss_of(model):
    @micrograd.compile
    def loss(X, y):
        losses = vmap(lambda x, target: F.cross_entropy(model(x), target))(X, y)
        return sum(losses) / len(losses) + 1e-3 * sum(p * p for p in model.parameters()), losses

    return loss


def export(compiled, *args, rel=1e-9):
    """The exported module, whose result and gradients agree with ours."""
    exported = compiled.to_torch(*args)
    ours, theirs = compiled(*args), exported(*(torch.tensor(np.array(x, dtype=float)) for x in args))
    if isinstance(ours, tuple):
        ours, theirs = ours[0], theirs[0]
    ours.backward()
    theirs.backward()
    tensors = [torch.zeros_like(p) if p.grad is None else p.grad for p in exported.parameters()]
    want = [theirs.item(), *(g for tensor in tensors for g in tensor.reshape(-1).tolist())]
    agree([ours.data, *gradients(exported._origin.values)], want, rel, 1e-12)
    return exported


def test_a_loss_under_vmap(model):
    exported = export(loss_of(model), X, Y)
    names = ["model.0.weight", "model.0.bias", "model.2.weight", "model.2.bias"]
    assert list(exported.state_dict()) == names
    assert exported.get_parameter("model.0.weight").tolist() == model.state_dict()["0.weight"]
    total, losses = exported(torch.tensor(X), torch.tensor(Y))
    assert total.shape == ()
    assert losses.shape == (6,)
    assert "torch.tanh(" in exported.source
    assert "np." not in exported.source


def test_a_model_under_vmap_takes_any_number_of_samples(model):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    assert list(exported.state_dict()) == list(model.state_dict())
    for count in 1, 6, 50:
        samples = np.random.default_rng(1).normal(size=(count, 3))
        want = [[v.data for v in row] for row in vmap(model)(samples)]
        assert np.allclose(exported(torch.tensor(samples)).detach().numpy(), want, rtol=1e-12)
    with pytest.raises(ValueError, match=r"takes 3 inputs, got 4"):
        exported(torch.zeros(2, 4))


def test_without_vmap(model):
    @micrograd.compile
    def loss(X, y):
        scores = [model(x)[0] for x in X]
        return sum((1 - yi * s).relu() for yi, s in zip(y, scores)) + scores[0].maximum(0.1) + scores[1].abs()

    exported = export(loss, X.tolist(), [1, -1, 1, -1, 1, -1])
    with pytest.raises(TypeError, match="takes 2 tensors, got 1"):
        exported(torch.zeros(6, 3))


def test_values_of_no_module_are_one_parameter():
    a, b = Value(2.0), [Value(3.0), Value(4.0)]
    holder = {"a": a}
    exported = export(micrograd.compile(lambda x: holder["a"] * x * b[0] + b[1].exp() + holder["a"] ** 1.5), 0.5)
    assert {name: list(p.shape) for name, p in exported.named_parameters()} == {"b": [2], "holder.a": []}
    values = [Value(1.0), Value(2.0)]
    get = hidden(values)
    exported = export(micrograd.compile(lambda x: get()[0] * x + get()[1]), 0.5)
    assert [name for name, _ in exported.named_parameters()] == ["leaves"]


def test_values_as_arguments_are_tensors_too():
    w = Value(3.0)
    compiled = micrograd.compile(lambda row, c: [v * w * c for v in row])
    exported = compiled.to_torch([Value(1.0), Value(2.0)], 2.0)
    row = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    out = exported(row, 2.0)
    assert out.tolist() == [6.0, 12.0]
    to_row, to_w = torch.autograd.grad(out.sum(), [row, exported.get_parameter("w")])
    assert (to_row.tolist(), to_w.item()) == ([6.0, 6.0], 6.0)


@pytest.mark.usefixtures("tensors")
@pytest.mark.parametrize("name", ["inp", "torch", "np", "leaves"])
def test_any_name_an_argument_may_have(name):
    a = [Value(2.0), Value(3.0)]
    compiled = micrograd.compile(lambda **given: [v.tanh() * x.exp() for v in a for row in given[name] for x in row])
    given = {name: [[Value(0.5), Value(-1.0)]] * 2}
    numbers = {name: [[0.5, -1.0]] * 2}
    want = [v.data for v in compiled(**given)]
    assert compiled.to_torch(**given)(numbers[name]).tolist() == pytest.approx(want)
    scaled = micrograd.compile(lambda **given: [sum(v * x for v, x in zip(a, row)) for row in given[name]])
    want = [v.data for v in scaled(**numbers)]
    assert scaled.to_torch(**numbers)(numbers[name]).tolist() == pytest.approx(want)
    assert name != "inp" or "inp.reshape" in str(scaled.program)  # which ends like the name of NumPy


def test_results_in_their_structure():
    a, b = Value(2.0), [Value(3.0), Value(4.0)]
    compiled = micrograd.compile(
        lambda x: {"sum": a + x, "ragged": [[b[0]], b], "pair": Pair(a * x, [b, b]), "two": 2.0}
    )
    out = compiled.to_torch(5.0)(5.0)
    assert out["sum"].item() == 7.0
    assert [row.tolist() for row in out["ragged"]] == [[3.0], [3.0, 4.0]]
    assert out["pair"].first.item() == 10.0
    assert out["pair"].second.tolist() == [[3.0, 4.0], [3.0, 4.0]]
    assert out["two"].item() == 2.0


Pair = namedtuple("Pair", "first second")


def test_tied_parameters_and_functions_that_call_others(model):
    twin = model.layers[0]

    def helper(x):
        return twin(x)[0] + model(x)[0] + helper_of_helper(x)

    def helper_of_helper(x):
        return helper(x) if x is None else x[0]

    exported = export(micrograd.compile(lambda x: helper(x)), [0.1, 0.2, 0.3])
    assert len(list(exported.parameters())) == 4


def test_every_way_to_give_samples(model):
    for f, args in (
        (lambda a, b: sum(row[0] for row in vmap(model)([a, b])), X[:2].tolist()),
        (lambda rows: sum(row[0] for row in vmap(model)(rows[::-1])), [X.tolist()]),
        (lambda rows, c: sum(vmap(lambda x: model(x)[1] * c)(rows)), [X.tolist(), 2.0]),
        (lambda rows: sum(vmap(lambda x, y: model(x)[1] * y)(rows, [0.5, 1.0, 2, 0, 1, 2])), [X.tolist()]),
    ):
        export(micrograd.compile(f), *args)


def test_numbers_without_a_way_back():
    """What a Value is made of anew has no gradient in torch either."""
    a = Value(0.7)
    export(micrograd.compile(lambda: (a * a).exp() * Value((a * 3).data)))
    logits = [Value(x) for x in (0.3, -0.2, 0.3)]
    export(micrograd.compile(lambda: F.cross_entropy(logits, 1) * logits[0]))


@settings(max_examples=40)
@given(programs(max_lines=12))
def test_random_programs(program):
    leaves = [Value(x) for x in program.leaves]
    export(micrograd.compile(lambda: program(leaves)))


def test_gpt():
    model = GPT(dims=8, heads=2, vocabulary=6, block=4)
    rows = [[v.data for v in model.wte[t]] for t in (0, 3, 1)]
    loss = micrograd.compile(lambda rows, targets: model.loss(rows, targets))
    export(loss, rows, np.eye(6)[[3, 1, 0]], rel=1e-8)


def test_trained_parameters_come_back(model):
    loss = loss_of(model)
    exported = loss.to_torch(X, Y)
    optimizer = torch.optim.SGD(exported.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        exported(torch.tensor(X), torch.tensor(Y))[0].backward()
        optimizer.step()
    loss.from_torch(exported)
    assert loss(X, Y)[0].data == pytest.approx(exported(torch.tensor(X), torch.tensor(Y))[0].item(), rel=1e-12)
    assert model.state_dict()["0.weight"] == exported.get_parameter("model.0.weight").tolist()


def test_it_moves_and_saves(model, tmp_path):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    torch.save(exported.state_dict(), tmp_path / "state.pt")
    want = exported(torch.tensor(X)).detach()
    for p in exported.parameters():
        p.data += 1.0
    exported.load_state_dict(torch.load(tmp_path / "state.pt"))
    assert torch.equal(exported(torch.tensor(X)), want)
    single = exported.to(torch.float32)(torch.tensor(X))
    assert single.dtype == torch.float32
    assert torch.allclose(single, want.float(), atol=1e-5)
    assert exported.to("meta")(torch.zeros(6, 3, device="meta")).shape == (6, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_on_a_gpu(model):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    want = exported(torch.tensor(X)).detach()
    assert torch.allclose(exported.to("cuda")(torch.tensor(X)).cpu(), want)


@pytest.mark.filterwarnings("ignore")
def test_under_torch_compile_and_torch_export(model):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    want = exported(torch.tensor(X))
    compiled = torch.compile(exported, backend="aot_eager")
    assert torch.allclose(compiled(torch.tensor(X)), want)
    compiled(torch.tensor(X)).sum().backward()
    assert exported.get_parameter("0.weight").grad is not None
    count = torch.export.Dim("count")
    program = torch.export.export(exported, (torch.tensor(X),), dynamic_shapes=(({0: count},),))
    assert torch.allclose(program.module()(torch.tensor(X[:4])), want[:4])


def test_without_torch():
    code = "import micrograd; micrograd.compile(lambda x: micrograd.Value(1) * x).to_torch(1.0)"
    error = error_without("torch", code)
    assert error == "ImportError: to_torch needs PyTorch: pip install torch"


WORKER = """
import os
import sys
import numpy as np
import torch
from test_torch import digits

rank, address = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
model, images, labels = digits()
half = slice(rank * 32, rank * 32 + 32)
net = torch.nn.parallel.DistributedDataParallel(model.to_torch(images))
torch.nn.functional.cross_entropy(net(torch.tensor(images[half])), torch.tensor(labels[half])).backward()
if rank == 0:
    print(*(x for p in net.parameters() for x in p.grad.reshape(-1).tolist()))
torch.distributed.barrier()  # nobody leaves while the other still talks to it
torch.distributed.destroy_process_group()
sys.stdout.flush()
os._exit(0)  # a thread of gloo that still runs while Python cleans up would abort it
"""


def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    random.seed(0)
    model = MLP(64, [16, 10])
    for p in model.parameters():
        p.data *= 0.1
    return micrograd.compile(vmap(model)), images[:64] / 16, labels[:64]


def test_two_processes_each_with_half_of_the_batch(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(script), str(rank), str(tmp_path / "meeting")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    outputs = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    got = [float(x) for x in outputs[0][0].split()]
    model, images, labels = digits()
    alone = model.to_torch(images)
    torch.nn.functional.cross_entropy(alone(torch.tensor(images)), torch.tensor(labels)).backward()
    want = [x for p in alone.parameters() for x in p.grad.reshape(-1).tolist()]
    assert got == pytest.approx(want, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda w, X: vmap(lambda x: x[1] * w / len(X))(X),
        lambda w, X: vmap(lambda x: x[1] * w)(X[:2]),
        lambda w, X: vmap((lambda x: x[0] * w) if len(X) > 2 else (lambda x: x[1] * w))(X),
        lambda w, X: vmap(lambda x: x[1] * w)(X)[::-1],
        lambda w, X: vmap(lambda x: x[1] * w)(X[::-1]),
    ],
)
def test_what_depends_on_the_number_of_samples(function):
    w = Value(1.5)

    def in_place(X):
        out = function(w, X)
        out.reverse()
        return out

    samples = np.arange(6.0).reshape(3, 2)
    for f in (functools.partial(function, w), in_place):
        exported = micrograd.compile(f).to_torch(samples)
        for count in (3, 2, 1):
            want = [v.data for v in f(samples[:count])]
            assert exported(torch.tensor(samples[:count])).tolist() == pytest.approx(want)


@pytest.mark.filterwarnings("ignore")
def test_torch_compile_takes_the_whole_of_it(model):
    exported = micrograd.compile(vmap(model)).to_torch(X)
    compiled = torch.compile(exported, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(torch.tensor(X)), exported(torch.tensor(X)))


def test_copies_know_their_values(tmp_path):
    w = [Value(2.0), Value(3.0)]
    compiled = micrograd.compile(lambda X: [w[0] * x[0] for x in X])
    copied = copy.deepcopy(compiled.to_torch(np.ones((2, 2))))
    assert copied(torch.ones(5, 2)).tolist() == [2.0] * 5
    with torch.no_grad():
        for p in copied.parameters():
            p.fill_(7.0)
    compiled.from_torch(copied)
    assert w[0].data == 7.0
    torch.save(copied, tmp_path / "saved.pt")
    with pytest.raises(TypeError, match="does not know its Values"):
        compiled.from_torch(torch.load(tmp_path / "saved.pt", weights_only=False))
    with pytest.raises(TypeError, match="from_torch takes what to_torch made"):
        compiled.from_torch(torch.nn.Linear(2, 2))


def test_tensors_that_are_not_like_the_example():
    w = Value(1.5)
    exported = micrograd.compile(lambda x, row: [v * w * x for v in row]).to_torch(2.0, [Value(1.0), Value(2.0)])
    assert exported(2.0, [1.0, 2.0, 3.0]).tolist() == [3.0, 6.0, 9.0]
    for x, row in ((2.0, [[1.0], [2.0]]), ([2.0, 3.0], [1.0, 2.0]), (2.0, 1.0)):
        with pytest.raises(ValueError, match="expected a tensor"):
            exported(x, row)
    assert len(exported._traces) == 2
