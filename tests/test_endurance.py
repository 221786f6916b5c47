"""Many threads, many steps, hostile names."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from programs import blocks_grown

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.compiler.batch import during
from micrograd.compiler.turn import Turn
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


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_function_that_waits_for_threads_which_call_compiled_ones(mapped, warm, monkeypatch):
    monkeypatch.setattr("micrograd.compiler.turn.PATIENCE", 0.2)
    one = micrograd.compile(vmap(lambda x: W * x) if mapped else lambda x: [W * x])
    batch: list[Any] = [[1.0], [2.0]] if mapped else [1.0, 2.0]
    if warm:
        one(batch[0])
    with ThreadPoolExecutor(2) as pool:
        f = micrograd.compile(lambda xs: sum(y for [y] in pool.map(one, xs)))
        for x in (1.0, 5.0):
            batch[0], W.grad = [x] if mapped else x, 0.0
            out = f(batch)
            out.backward()
            assert (out.data, W.grad) == (2.0 * (x + 2.0), x + 2.0)
    assert len(f.order) == 1
    assert len(one.order) == warm


def test_a_function_that_waits_for_a_thread_which_goes_back(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.turn.PATIENCE", 0.2)
    square = micrograd.compile(lambda v: v * v)
    square(Value(1.0))

    def slope(x):
        v = Value(x)
        square(v).backward()
        return v.grad

    with ThreadPoolExecutor(1) as pool:
        f = micrograd.compile(lambda x: W * x * pool.submit(slope, 3.0).result())
        with pytest.raises(RuntimeError, match="another thread waits, in a function that is traced"):
            f(1.0)
        assert slope(3.0) == 6.0
        assert f(1.0).data == 12.0


def test_threads_wait_for_a_function_that_is_only_slow(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.turn.PATIENCE", 0.1)

    def slowly(x):
        time.sleep(0.3)
        return W * x + W

    f, begin = micrograd.compile(slowly), threading.Barrier(3)

    def run(x):
        begin.wait()
        return f(x).data

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(run, [1.0, 2.0, 3.0])] == [4.0, 6.0, 8.0]
    assert len(f.order) == 1


def test_no_thread_waits_for_ever(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.turn.LONG", 0.3)
    one = micrograd.compile(lambda x: W * x)

    def f(x):
        done, found = threading.Lock(), []
        done.acquire()

        def run():
            found.append(one(x))
            done.release()

        threading.Thread(target=run).start()
        with done:  # nobody can see that this is what it waits for
            return found[0]

    compiled = micrograd.compile(f)
    assert [compiled(x).data for x in (1.0, 3.0)] == [2.0, 6.0]


def test_numbers_that_are_not_known_yet_are_not_given_to_a_program(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.turn.PATIENCE", 0.2)
    one = micrograd.compile(lambda xs: xs[0] * 2.0 + 1.0)
    one([1.0])
    with ThreadPoolExecutor(1) as pool:
        f = micrograd.compile(lambda x: W * pool.submit(one, [x]).result())
        assert [f(x).data for x in (1.0, 2.0)] == [6.0, 10.0]


def test_a_thread_that_uses_other_values_runs_its_program_while_a_function_is_traced():
    other = micrograd.compile(lambda v: v * 2.0 + 1.0)
    other(Value(1.0))
    with ThreadPoolExecutor(1) as pool:
        f = micrograd.compile(lambda x: W * x * len(pool.submit(lambda: other(Value(3.0))._prev[0]._op).result()))
        assert f(1.0).data == 2.0 * len("<lambda>")


def test_threads_that_all_call_a_function_for_the_first_time(model):
    """One of them traces it, and the others wait."""
    for _ in range(5):
        compiled = micrograd.compile(lambda X: [a * b for a, b in vmap(model)(X)])
        batches = [[[x * i, y, z] for x, y, z in X] for i in range(16)]
        with ThreadPoolExecutor(8) as pool:
            got = [*pool.map(lambda batch, f=compiled: [v.data for v in f(batch)], batches)]
        assert got == [pytest.approx([v.data for v in compiled.function(batch)], rel=1e-9) for batch in batches]
        assert len(compiled.order) == 1


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


@pytest.mark.parametrize("stuck", [False, True])
def test_of_a_child_it_is_the_turn(stuck):
    turn, done = Turn(), threading.Event()
    locked = threading.Event()

    def hold():
        with turn.lock:
            locked.set()
            done.wait(30.0)

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(30.0)
    if not stuck:
        done.set()
        thread.join()
    turn.stuck = stuck
    turn.before_fork()
    turn.in_child()
    assert turn.lock.acquire(timeout=0.0)  # in the child nobody else would release it
    done.set()
    thread.join()


def test_what_is_put_back_late_does_not_come_back():
    outer, inner = during(lambda function, samples: []), during(loop)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)  # after Ctrl-C in the exit of the inner, which is finished when it is freed
    inner.__exit__(None, None, None)
    assert (compiling.mapped, Compiling.running) == (None, 0)
