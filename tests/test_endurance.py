"""Many threads, many steps, hostile names."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import blocks_grown, hidden

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.compiler.batch import during
from micrograd.viz import draw_dot, replay
from micrograd.vmap import Compiling, compiling, loop

W = Value(2.0)
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
from typing import Any
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


def test_a_function_that_waits_for_a_thread_which_has_to_trace(monkeypatch):
    """That cannot be: the other thread gives up, and says why."""
    monkeypatch.setattr("micrograd.compiler.lock.PATIENCE", 0.2)
    square = micrograd.compile(lambda v: v * v)

    def slope(x):
        v = Value(x)
        square(v).backward()
        return v.grad

    with ThreadPoolExecutor(1) as pool:
        f = micrograd.compile(lambda x: W * x * pool.submit(slope, 3.0).result())
        with pytest.raises(RuntimeError, match=r"another thread has been tracing a .* does that function wait"):
            f(1.0)
        assert slope(3.0) == 6.0
        assert W.data == 2.0
        assert f(1.0).data == 12.0


def test_threads_wait_for_a_function_that_is_only_slow():
    def slowly(x):
        time.sleep(0.3)
        return W * x + W

    f, begin = micrograd.compile(slowly), threading.Barrier(3)

    def run(x):
        begin.wait()
        return f(x).data

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(run, [1.0, 2.0, 3.0])] == [4.0, 6.0, 8.0]
    assert len(f._order) == 1


def test_a_thread_that_uses_other_values_runs_its_program_while_a_function_is_traced():
    other = micrograd.compile(lambda v: v * 2.0 + 1.0)
    other(Value(1.0))
    with ThreadPoolExecutor(1) as workers:
        pool = hidden(workers)
        f = micrograd.compile(lambda x: W * x * len(pool().submit(lambda: other(Value(3.0))._prev[0]._op).result()))
        assert f(1.0).data == 2.0 * len("<lambda>")


def test_threads_that_all_call_a_function_for_the_first_time(model):
    """One of them traces it, and the others wait."""
    for _ in range(5):
        compiled = micrograd.compile(lambda X: [a * b for a, b in vmap(model)(X)])
        batches = [[[x * i, y, z] for x, y, z in X] for i in range(16)]
        with ThreadPoolExecutor(8) as pool:
            got = [*pool.map(lambda batch, f=compiled: [v.data for v in f(batch)], batches)]
        assert got == [pytest.approx([v.data for v in compiled.__wrapped__(batch)], rel=1e-9) for batch in batches]
        assert len(compiled._order) == 1


FORKED = """
import os, signal, sys, threading, time
import micrograd
from micrograd import Value

w, started = Value(2.0), threading.Event()

def slow(x):
    started.set()
    time.sleep(0.5)
    return w * x

thread = threading.Thread(target=micrograd.compile(slow), args=(1.0,))
thread.start()
started.wait()
pid = os.fork()
if not pid:
    signal.alarm(30)
    print(micrograd.compile(lambda x: w * x + w)(3.0).data, flush=True)
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_traces_what_it_has_got_while_another_thread_traced():
    found = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (0, "8.0\n"), found.stderr


def test_what_is_put_back_late_does_not_come_back():
    outer, inner = during(lambda function, samples: []), during(loop)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)  # after Ctrl-C in the exit of the inner, which is finished when it is freed
    inner.__exit__(None, None, None)
    assert (compiling.mapped, Compiling.running) == (None, 0)
