"""Many threads, many steps, hostile names."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import blocks_grown

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.viz import draw_dot, replay

X = [[0.1, -0.4, 1.2], [0.7, 0.3, -0.9], [-1.1, 0.2, 0.5], [0.0, 0.6, -0.2]]


def test_eight_threads(model):
    """They build graphs, run a shared compiled function, and draw; none changes the shared parameters."""
    compiled = micrograd.compile(lambda X: [a * b for a, b in vmap(model)(X)])

    def work(i):
        batch = [[x * (i % 5), y - i / 10, z] for x, y, z in X]
        own = [[Value(x) for x in row] for row in batch]
        eager = sum((model(row)[0] - 0.5) ** 2 for row in own)
        results = [v.data for v in compiled(batch)]
        source = draw_dot(eager, max_nodes=50).source
        page = replay(own[0][0] * own[0][1] + 1).page
        return eager.data, results, source, page

    serial = [work(i) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == serial


def test_threads_that_draw_at_the_same_time():
    """Graphviz as a library has global state: what goes wrong in it aborts the process, so it has one of its own."""
    code = """
import shutil, sys
from concurrent.futures import ThreadPoolExecutor
from micrograd import Value
from micrograd.viz import replay
shutil.which = lambda name: None
sys.setswitchinterval(1e-5)
with ThreadPoolExecutor(8) as pool:
    pages = list(pool.map(lambda i: replay(Value(i) * 2.0 + 1).page, range(300)))
assert pages[7] == replay(Value(7) * 2.0 + 1).page
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_eight_threads_go_back_from_graphs_of_their_own():
    def work(i):
        leaves = [Value(0.1 * i + j) for j in range(5)]
        for _ in range(20):
            out = F.cross_entropy([leaf * i for leaf in leaves], i % 5)
            out.backward()
        return [leaf.grad for leaf in leaves]

    serial = [work(i) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == serial


@pytest.mark.parametrize(("prefix", "steps"), [("@micrograd.compile", 100_000), ("", 2_000)], ids=["compiled", "eager"])
def test_memory_stays_flat(prefix, steps):
    setup = f"""
import micrograd
from micrograd.nn import MLP
from micrograd.optim import SGD

model = MLP(2, [4, 1], nonlin="tanh")
optimizer = SGD(model.parameters(), lr=1e-4, momentum=0.5)

{prefix}
def loss():
    return sum((model(x) - 1) ** 2 for x in [[0.1, -0.4], [0.7, 0.3]])

def step():
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
"""
    assert blocks_grown(setup, steps // 10, steps) < steps / 2  # a leak would be a block a step, or more


@pytest.mark.parametrize("text", ["x(): pass\nimport os", "'''", '"""', "np", "__import__('os')", "a b", "1", "\\"])
def test_no_text_of_the_user_gets_into_code(text):
    """The code that runs is made of names and numbers of its own."""
    a = Value(2.0, label=text)

    def f(**given):
        return sum(a * x for x in given.values())

    f.__name__ = text
    compiled = micrograd.compile(f)
    out = compiled(**{text: 3.0, "y": 4.0})
    out.backward()
    assert (out.data, a.grad) == (14.0, 7.0)
    exported = compiled.to_torch(**{text: 3.0, "y": 4.0})
    assert exported(3.0, 4.0).item() == 14.0
    for source in compiled.program.source, exported.source:
        assert "import os" not in source
        assert "__import__" not in source
