"""What a function reaches by name: what is right without `check`, what is told, and what is not traced anew."""

import ctypes
import dataclasses
import functools
import importlib
import re
import sys
import threading
import time
import types
import warnings
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from programs import agree, hidden

import micrograd
from micrograd import Value
from micrograd.compiler.guards.reach import Reach, equal
from micrograd.nn import MLP, Module

A = Value(2.0)


def right(compiled: Any, *args: Any) -> int:
    """How many programs there are after a call, which returned what the function does, with its gradient."""
    found = []
    for f in (compiled, compiled.__wrapped__):
        A.grad = 0.0
        out = f(*args)
        out.backward()
        found.append([out.data, A.grad])
    agree(found[0], found[1], rel=1e-9)
    return len(compiled._order)


SCALER = """
import numpy as np

class Scaler:
    def fit(self, X):
        self.mean_, self.scale_ = np.mean(X), np.std(X)
        return self

    def transform(self, x):
        return (x - self.mean_) / self.scale_
"""


@pytest.fixture
def scaler(tmp_path, monkeypatch):
    """An object of an installed package."""
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/scaling.py").write_text(SCALER)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    yield importlib.import_module("scaling").Scaler().fit([1.0, 2.0, 3.0])
    del sys.modules["scaling"]


def test_a_scaler_of_a_package_is_fitted_again(scaler):
    compiled = micrograd.compile(lambda x: A * scaler.transform(x))
    assert right(compiled, 0.5) == 1
    scaler.fit([5.0, 9.0])
    assert right(compiled, 0.5) == 2
    assert right(compiled, 1.5) == 2


def test_a_weight_of_torch_is_updated_in_place():
    layer = torch.nn.Linear(1, 1).double()
    compiled = micrograd.compile(lambda x: A * x * layer.weight.item())
    for n in (1, 2):
        assert right(compiled, 0.5) == n
        with torch.no_grad():
            layer.weight += 1.0


def test_an_attribute_of_a_mock_and_a_number_of_ctypes():
    config, number = mock.Mock(rate=2.0), ctypes.c_double(3.0)
    compiled = micrograd.compile(lambda x: A * x * config.rate * number.value)
    assert right(compiled, 0.5) == 1
    config.rate = 5.0
    assert right(compiled, 0.5) == 2
    number.value = 7.0
    assert right(compiled, 0.5) == 3


@dataclasses.dataclass
class Config:
    rate: float = 0.5
    steps: int = 0


class Net(Module):
    def __init__(self):
        self.model, self.gain, self.calls, self.history = MLP(2, [3, 1]), 1.0, 0, list[float]()

    def __call__(self, x):
        return self.model(x) * self.gain


class Trainer:
    def __init__(self):
        self.net, self.config, self.losses, self.step = Net(), Config(), list[float](), 0

    @micrograd.compile
    def loss(self, x):
        penalty = sum(p * p for p in self.net.parameters())
        return A * (self.net([x, 1.0]) - 0.5) ** 2 * self.config.rate + 1e-3 * penalty


def test_counters_histories_and_logs_trace_nothing_anew():
    trainer = Trainer()
    for i in range(5):
        out = trainer.loss(0.5)
        out.backward()
        trainer.step, trainer.net.calls, trainer.config.steps = i, i, i
        trainer.losses.append(out.data)
        trainer.net.history.append(out.data)
    assert len(Trainer.loss._order) == 1
    trainer.config.rate, trainer.net.gain = 0.25, 2.0
    assert trainer.loss(0.5).data == pytest.approx(Trainer.loss.__wrapped__(trainer, 0.5).data, rel=1e-12)
    assert len(Trainer.loss._order) == 2


def test_closures_partials_and_cells_that_are_run_again():
    functions = [micrograd.compile(lambda x, k=k: A * x * k) for k in range(3)]
    assert [f(2.0).data for f in functions] == [0.0, 4.0, 8.0]
    part = functools.partial(lambda rates, x: A * x * rates["now"], {"now": 1.0})
    compiled = micrograd.compile(part)
    assert right(compiled, 0.5) == 1
    part.args[0]["now"] = 3.0
    assert right(compiled, 0.5) == 2
    cell: dict[str, Any] = {"A": A}
    exec("def scale(x):\n    return x * 2.0\ndef f(x):\n    return A * scale(x)", cell)
    compiled = micrograd.compile(cell["f"])
    assert right(compiled, 0.5) == 1
    cell["x"], cell["data"] = 1.0, [2.0]  # other cells
    assert right(compiled, 0.5) == 1
    exec("def scale(x):\n    return x * 3.0", cell)
    assert right(compiled, 0.5) == 2


def test_a_global_that_has_the_name_of_an_attribute():
    space: dict[str, Any] = {"A": A, "data": 0}
    exec("def f(x):\n    return A * x * A.data", space)
    compiled = micrograd.compile(space["f"])
    for space["data"] in range(4):
        assert compiled(0.5).data == 2.0
    assert len(compiled._order) == 1


def test_what_is_not_reached_does_not_count():
    """Nor does it take longer to compare."""
    space: dict[str, Any] = {"A": A}
    exec("def f(x):\n    return A * x", space)
    few = len(Reach([("f", space["f"])]).things)
    space |= {f"other_{i}": [float(i)] * 100 for i in range(100)}
    assert len(Reach([("f", space["f"])]).things) == few


def test_what_a_library_remembers_is_no_effect():
    """A cache, a vectorised function, a logger and a cached property have got something in the first call."""
    import logging

    log = logging.getLogger("micrograd.test")

    @functools.lru_cache
    def power(k):
        return 2.0**k

    class Lazy:
        @functools.cached_property
        def rate(self):
            return 3.0

    lazy, half = Lazy(), np.vectorize(lambda x: x / 2)

    def f(x):
        log.debug("traced")
        return A * x * power(3) * lazy.rate * float(half(1.0))

    assert right(micrograd.compile(f), 0.5) == 1


def test_what_is_put_into_a_queue_is_an_effect():
    import queue

    results: queue.Queue[Any] = queue.Queue()

    def f(x):
        results.put(A * x)
        return A * x

    with pytest.raises(TypeError, match="f changes results"):
        micrograd.compile(f)(0.5)
    assert results.get().data == 1.0  # it has done so, once, and there is no number to come in it


def test_much_to_compare_is_told_once():
    table = np.zeros(1_000_001)
    compiled = micrograd.compile(lambda x: A * x * table[0] + x)
    text = r"^<lambda> reaches 8\.0 MB through table, and each call takes .* ms .*: pass it as an argument$"
    with pytest.warns(UserWarning, match=text) as told:
        compiled(0.5)
    assert [warning.filename for warning in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table[0] = 1.0
        assert compiled(0.5).data == 1.5
    rows = [[float(i)] * 10 for i in range(2_001)]
    with pytest.warns(UserWarning, match=r"reaches 22,\d\d\d things through rows"):
        micrograd.compile(lambda x: A * x * rows[0][0])(0.5)


def test_one_warning_a_cause():
    space = types.SimpleNamespace(rate=0.0)
    compiled = micrograd.compile(lambda x: A * x * space.rate, maxsize=2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for i in range(60):
            space.rate = float(i)
            compiled(0.5)
    [warning] = told
    assert re.match(r"space\.rate was another for the 8th time", str(warning.message))


NUMBERS = iter(range(1_000))


def test_what_has_no_name_is_seen_with_check(tmp_path, monkeypatch):
    file = tmp_path / "rate"

    def write(rate):
        file.write_text(str(rate))
        monkeypatch.setenv("MICROGRAD_RATE", str(rate))

    def of_a_file(x):
        return A * x * float(file.read_text())

    write(1.0)
    compiled = micrograd.compile(of_a_file, check=True)
    assert compiled(0.5).data == 1.0
    write(2.0)
    with pytest.raises(TypeError, match=r"of_a_file computes something else .* it is 2\.0\. It depends on something"):
        compiled(0.5)
    with pytest.raises(TypeError, match="computes something else"):
        micrograd.compile(lambda x: A * x * next(NUMBERS), check=True)(0.5)


class Rates:
    train, test = 1.0, 2.0


class Faster(Rates):
    train = 3.0


@pytest.mark.parametrize("change", ["value", "__class__", "__dict__"])
def test_names_that_are_computed_and_objects_that_become_others_are_seen_with_check(change):
    rates, mode = Rates(), "tra"
    compiled = micrograd.compile(lambda x: A * x * getattr(rates, mode + "in"), check=True)
    assert compiled(0.5).data == 1.0
    if change == "value":
        rates.train = 3.0
    else:
        setattr(rates, change, Faster if change == "__class__" else {"train": 3.0})
    with pytest.raises(
        TypeError, match=r"computes something else when it is compiled: its result is 1\.0, .* it is 3\.0"
    ):
        compiled(0.5)


def test_classes_that_functions_have_made_are_yours():
    made = dataclasses.make_dataclass("Made", [("rate", float)])
    of_a_module: Any = type("Net", (Module,), {"rate": 1.0, "of": lambda self, x: x * self.rate})
    config, net = made(1.0), of_a_module()
    compiled = micrograd.compile(lambda x: A * x * config.rate + net.of(x))
    assert compiled(0.5).data == 1.5
    config.rate, of_a_module.rate = 2.0, 3.0
    assert compiled(0.5).data == 3.5


@micrograd.compile
def counting(x):
    counting.n += 1  # type: ignore[attr-defined]
    return A * x


def test_attributes_of_compiled_functions_are_those_of_functions():
    def scaled(x):
        return A * x * helper.scale  # type: ignore[attr-defined]

    @micrograd.compile
    def helper(x):
        return x

    helper.scale = 1.0  # type: ignore[attr-defined]
    compiled = micrograd.compile(scaled)
    compiled.calls, compiled.order, compiled.name = 0, [1], "mine"  # type: ignore[attr-defined]
    assert compiled(0.5).data == 1.0
    helper.scale = 3.0  # type: ignore[attr-defined]
    assert compiled(0.5).data == 3.0
    assert (compiled.calls, compiled.order, compiled.name) == (0, [1], "mine")  # type: ignore[attr-defined]
    counting.n = 0  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"counting changes counting\.n"):
        counting(0.5)


def test_the_function_itself_runs_at_first_and_later_not(capsys):
    @micrograd.compile
    def told(x):
        print("runs")
        return A * x

    told(0.5).backward()
    assert "runs" in capsys.readouterr().out
    for x in (1.0, 2.0):
        told(x).backward()
    assert capsys.readouterr().out == ""


def test_what_is_new_in_a_namespace_is_an_effect():
    space = types.SimpleNamespace()

    def remembering(x):
        space.last = A * x
        return space.last * 2.0

    with pytest.raises(TypeError, match=r"remembering changes space\.last"):
        micrograd.compile(remembering)(0.5)
    assert space.last.data == 1.0


@functools.singledispatch
def applied(layer, x):
    return x


@applied.register
def _(layer: Rates, x: Any) -> Any:
    return x * FACTOR["it"]


FACTOR = {"it": 1.0}


def test_what_a_library_calls_of_yours_is_followed():
    rates = Rates()
    compiled = micrograd.compile(lambda x: A * applied(rates, x))
    assert compiled(0.5).data == 1.0
    FACTOR["it"] = 3.0
    assert compiled(0.5).data == 3.0


def test_making_an_object_does_not_count_the_attributes_of_others():
    class Pair:
        def __init__(self, x):
            self.x = x

    class Config:
        def __init__(self):
            self.rate, self.steps = 0.5, 0

    config = Config()
    compiled = micrograd.compile(lambda x: A * Pair(x).x * config.rate)
    for _ in range(3):
        assert right(compiled, 0.5) == 1
        config.steps += 1


def test_a_label_that_is_set_is_an_effect():
    w = Value(2.0)

    def labelled(x):
        w.label = f"w{len(w.label)}"
        return w * x

    with pytest.raises(TypeError, match=r"labelled changes w\.label: it has done so now"):
        micrograd.compile(labelled)(0.5)


def test_check_compares_gradients_of_every_call():
    state = types.SimpleNamespace(factor=1.0)
    unnamed = hidden(state)

    def doubled(x):
        def backward(out):
            out._prev[0].grad += out.grad * unnamed().factor

        return Value(x.data * 2.0, (x,), "doubled", backward)

    for check in (False, True):
        state.factor = 1.0
        compiled = micrograd.compile(lambda x: doubled(A * x), check=check)
        compiled(0.5).backward()
        state.factor = 5.0
        out = compiled(0.5)
        if check:
            with pytest.raises(TypeError, match=r"the gradient of A is .*, without compile it is"):
                out.backward()
        else:
            out.backward()


def test_a_copy_of_a_checked_function_is_checked(tmp_path):
    import copy

    compiled = copy.copy(micrograd.compile(lambda x: A * x * next(NUMBERS), check=True))
    with pytest.raises(TypeError, match="computes something else"):
        compiled(0.5)


def test_an_attribute_of_a_subclass_of_value_among_the_arguments():
    class Parameter(Value):
        decay = 1.0

    p, q = Parameter(2.0), Parameter(2.0)
    q.decay = 3.0
    compiled = micrograd.compile(lambda v: v * v.decay)
    assert [compiled(v).data for v in (p, q, p)] == [2.0, 6.0, 2.0]


def test_a_thread_that_traces_keeps_others_waiting_but_not_for_ever(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.lock.PATIENCE", 0.1)
    traced = hidden(threading.Event())
    found: list[Any] = []

    def slow(x):
        traced().set()
        time.sleep(0.5)
        return A * x

    thread = threading.Thread(target=lambda: found.append(micrograd.compile(slow)(0.5).data))
    thread.start()
    assert traced().wait(10.0)
    with pytest.raises(RuntimeError, match=r"another thread has been tracing a function .* does that"):
        micrograd.compile(lambda x: A * x)(1.0)
    thread.join()
    assert found == [1.0]
    assert micrograd.compile(lambda x: A * x)(1.0).data == 2.0


class Touchy:
    def __eq__(self, other):
        raise ZeroDivisionError

    __hash__ = object.__hash__


def test_an_equality_that_raises_is_not_asked_twice():
    space = types.SimpleNamespace(rate=2.0, other=[Touchy()])
    reach = Reach([("f", lambda x: A * x * space.rate)])
    twice = {"rate": space.rate, "other": Touchy()}
    assert reach.holds()
    assert not equal(twice, {"rate": 2.0, "other": Touchy()})


def test_a_program_is_not_given_numbers_to_come_by_another_thread(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.lock.PATIENCE", 0.1)
    shared = micrograd.compile(lambda v: v * 2.0 + 1.0)
    shared(A)
    found: list[Any] = []
    log = hidden(found)

    def elsewhere():
        try:
            log().append(shared(A).data)
        except RuntimeError as error:
            log().append(error)

    def traced(x):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return A * x

    assert micrograd.compile(traced)(0.5).data == 1.0
    assert found[0] == 5.0  # in the plain run there is no other number
    assert isinstance(found[1], RuntimeError)


def test_a_parameter_may_have_the_name_of_the_function():
    rates = {"now": 2.0}

    def mode(x, mode):
        return A * x * rates["now"]

    compiled = micrograd.compile(mode)
    assert right(compiled, 0.5, "fast") == 1
    rates["now"] = 3.0
    assert right(compiled, 0.5, "fast") == 2


def test_what_grows_behind_a_method_or_a_partial_is_an_effect():
    class Counter:
        def count(self, x):
            self.step = 1
            return A * x

    kept: dict[str, float] = {}
    for f in (Counter().count, functools.partial(lambda d, x: d.setdefault("k", 1.0) * A * x, kept)):
        with pytest.raises(TypeError, match=r" changes .*: it has done so now"):
            micrograd.compile(f)(0.5)


def test_classes_of_yours_with_names_that_libraries_use():
    class Settings:
        initial_seed, rate = 1, 2.0

        def detach(self):
            return self.rate

    settings = Settings()
    compiled = micrograd.compile(lambda x: A * x * settings.detach() * settings.initial_seed)
    assert right(compiled, 0.5) == 1
    settings.rate = 3.0
    assert right(compiled, 0.5) == 2


def test_objects_that_are_keys_in_an_argument():
    holder: Any = type("Key", (), {"rate": 2.0})()
    compiled = micrograd.compile(lambda d: sum(k.rate * A * x for k, x in d.items()))
    assert right(compiled, {holder: 0.5}) == 1
    holder.rate = 5.0
    assert right(compiled, {holder: 0.5}) == 2


def test_a_setting_of_a_module_that_comes_later():
    settings: Any = types.ModuleType("settings_of_a_test")
    compiled = micrograd.compile(lambda x: A * x * getattr(settings, "drop", 1.0))
    assert right(compiled, 0.5) == 1
    settings.drop = 3.0
    assert right(compiled, 0.5) == 2


def test_a_list_that_grows_is_told():
    rows: list[float] = []
    compiled = micrograd.compile(lambda x: A * x * (1.0 + sum(rows)))
    compiled(0.5)
    for i in range(7):
        rows.append(float(i))
        compiled(0.5)
    rows.append(1.0)
    with pytest.warns(UserWarning, match="^rows was another for the 8th time"):
        compiled(0.5)
