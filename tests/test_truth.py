"""Compiled or not, the same numbers: what changes around a function, what it changes, and what it cannot promise."""

import argparse
import ast
import collections
import contextlib
import copy
import dataclasses
import enum
import functools
import importlib
import math
import operator
import os
import pickle
import random
import re
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import agree, check, hidden

import micrograd
from micrograd import Value, vmap
from micrograd.compat import data_of
from micrograd.nn import MLP, Layer, Module

A, B = Value(2.0), Value(-3.0)


class Config:
    scale = 2.0
    limit = 3

    def __init__(self):
        self.rate, self.training, self.nested = 0.5, True, {"depth": [1.0, 2.0]}


class Slotted:
    __slots__ = ("other", "scale")

    def __init__(self):
        self.scale = 2.0


@dataclasses.dataclass
class Point:
    x: float = 1.0
    tags: list = dataclasses.field(default_factory=lambda: [1.0])


class Same:
    """Equal to everything of its kind."""

    def __init__(self, scale):
        self.scale = scale

    def __eq__(self, other):
        return isinstance(other, Same)

    __hash__ = None  # type: ignore[assignment]


class Color(enum.Enum):
    RED = 1.0
    BLUE = 2.0


RATE = 0.5
TABLE = [1.0, 2.0]


def helper(x):
    return x * RATE * TABLE[0]


def deeper(x):
    return helper(x) + sum(TABLE)


def change_global(name, x):
    globals()[name] = x


# Each row: a function that makes (a function, something that changes what is around it).


def a_global():
    return lambda x: A * x * RATE, lambda i: change_global("RATE", 0.5 + i)


def a_global_of_a_helper():
    return lambda x: A * deeper(x), lambda i: change_global("RATE", 0.5 + i)


def a_helper_that_is_replaced():
    return lambda x: A * helper(x), lambda i: change_global("helper", lambda x: x * (i + 1.0))


def an_attribute():
    cfg = Config()
    return lambda x: A * x * cfg.rate, lambda i: setattr(cfg, "rate", i + 1.0)


def a_class_attribute():
    cfg = Config()
    return lambda x: A * x * cfg.scale, lambda i: setattr(Config, "scale", i + 1.0)


def a_class_attribute_of_a_class():
    return lambda x: A * x * Config.limit, lambda i: setattr(Config, "limit", i + 1.0)


def an_attribute_that_hides_that_of_the_class():
    cfg = Config()
    return lambda x: A * x * cfg.limit, lambda i: setattr(cfg, "limit", 10.0 + i)


def what_is_nested():
    cfg = Config()
    return lambda x: A * x * sum(cfg.nested["depth"]), lambda i: cfg.nested["depth"].append(float(i))


def a_slot_that_was_empty():
    cfg = Slotted()
    return lambda x: A * x * getattr(cfg, "other", 1.0), lambda i: setattr(cfg, "other", i + 1.0)


def a_dataclass():
    p = Point()
    return lambda x: A * x * p.x + sum(p.tags), lambda i: setattr(p, "x", i + 1.0)


def one_that_is_equal_but_another():
    cfg = {"it": Same(1.0)}
    return lambda x: A * x * cfg["it"].scale, lambda i: cfg.update(it=Same(i + 2.0))


def a_dict_item():
    cfg = {"rate": 0.5}
    return lambda x: A * x * cfg["rate"], lambda i: cfg.update(rate=i + 1.0)


def the_order_of_a_dict():
    cfg = {"a": 1.0, "b": 2.0}

    def turn(i):
        cfg["a"] = cfg.pop("a")
        cfg["b"] = cfg.pop("b") if i % 2 else cfg["b"]

    return lambda x: A * x * next(iter(cfg.values())), turn


def zero_and_minus_zero():
    cfg = Config()
    cfg.rate = 0.0
    return lambda x: A / (x * cfg.rate), lambda i: setattr(cfg, "rate", -cfg.rate)


def a_list_that_grows():
    ws = [Value(1.0)]
    return lambda x: sum(w * x for w in ws) * A, lambda i: ws.append(Value(i + 2.0))


def a_layer_that_is_replaced():
    model = MLP(2, [2, 1])
    return lambda x: model([x, 1.0]) * A, lambda i: model.layers.__setitem__(0, Layer(2, 2, nonlin="tanh"))


def a_method_of_a_class():
    class Net(Module):
        def __init__(self):
            self.w = Value(2.0)

        def act(self, x):
            return x.tanh()

        def __call__(self, x):
            return self.act(self.w * x) * A

    net = Net()
    return lambda x: net(x), lambda i: setattr(Net, "act", lambda self, x: x * float(i + 1))


def a_default():
    def f(x, *, k=1.0):
        return A * x * k

    return f, lambda i: setattr(f, "__kwdefaults__", {"k": i + 2.0})


def code():
    def f(x):
        return A * x

    return f, lambda i: setattr(f, "__code__", [(lambda x: A + x).__code__, (lambda x: A * x).__code__][i % 2])


def an_attribute_of_a_function():
    def f(x):
        return A * x * vars(f)["rate"] + f.rate  # type: ignore[attr-defined]

    vars(f)["rate"] = 1.0
    return f, lambda i: setattr(f, "rate", i + 2.0)


def a_cell():
    rate = 1.0

    def change(i):
        nonlocal rate
        rate = i + 2.0

    return lambda x: A * x * rate, change


def an_array():
    w = np.array([1.0, 2.0])
    return lambda x: A * x * w[0] + w[1], lambda i: w.__setitem__(0, i + 3.0)


def an_array_of_values():
    w = np.array([Value(1.0), Value(2.0)])
    return lambda x: A * x * w[0], lambda i: w.__setitem__(0, Value(i + 3.0))


def a_set():
    names = {"a"}
    return lambda x: A * x if "b" in names else A + x, lambda i: (names.add if i % 2 else names.discard)("b")


def parsed_arguments():
    cfg = argparse.Namespace(rate=1.0)
    return lambda x: A * x * cfg.rate, lambda i: setattr(cfg, "rate", i + 2.0)


def a_kind_of_dict():
    cfg = collections.defaultdict(float, rate=1.0)
    return lambda x: A * x * cfg["rate"], lambda i: cfg.update(rate=i + 2.0)


def a_module():
    module = types.ModuleType("settings")
    vars(module)["rate"] = 1.0
    return lambda x: A * x * module.rate, lambda i: setattr(module, "rate", i + 2.0)


def a_partial_inside():
    cfg = {"k": 1.0}
    scale = functools.partial(lambda x, cfg: x * cfg["k"], cfg=cfg)
    return lambda x: A * scale(x), lambda i: cfg.update(k=i + 2.0)


def a_bound_method():
    class Net:
        k = 1.0

        def f(self, x):
            return A * x * self.k

    net = Net()
    return net.f, lambda i: setattr(net, "k", i + 2.0)


def a_callable_object():
    class Net:
        def __init__(self):
            self.k = 1.0

        def __call__(self, x):
            return A * x * self.k

    net = Net()
    return net, lambda i: setattr(net, "k", i + 2.0)


def a_property():
    class Net:
        k = 1.0

        @property
        def twice(self):
            return 2.0 * self.k

        @classmethod
        def scale(cls):
            return cls.k

        @functools.cached_property
        def once(self):
            return TABLE[1]

    net = Net()
    assert net.once
    return lambda x: A * x * net.twice * net.scale() * net.once, lambda i: setattr(Net, "k", i + 2.0)


def what_a_static_method_reads():
    class Net:
        @staticmethod
        def more():
            return TABLE[0]

    net = Net()
    return lambda x: A * x * net.more(), lambda i: TABLE.__setitem__(0, i + 2.0)


def a_decorated_helper():
    cfg = {"k": 1.0}

    def twice(f):
        @functools.wraps(f)
        def both(x):
            return f(x) + f(x)

        return both

    @twice
    def scale(x):
        return x * cfg["k"]

    return lambda x: A * scale(x), lambda i: cfg.update(k=i + 2.0)


def another_compiled_function():
    cfg = {"k": 1.0}
    inner = micrograd.compile(lambda x: A * x * cfg["k"])
    return lambda x: inner(x) * A, lambda i: cfg.update(k=i + 2.0)


def a_cache():
    cfg = Config()

    @functools.cache
    def rate():
        return cfg.rate

    def change(i):
        cfg.rate = i + 1.0
        rate.cache_clear()

    return lambda x: A * x * rate(), change


def a_vectorised_function():
    twice = np.vectorize(lambda x: x * RATE)
    return lambda x: A * x * float(twice(1.0)), lambda i: change_global("RATE", 0.5 + i)


def a_thread_of_yours():
    class Worker(threading.Thread):
        def __init__(self):
            super().__init__()
            self.rate = 1.0

    worker = Worker()
    return lambda x: A * x * worker.rate, lambda i: setattr(worker, "rate", i + 2.0)


def under_vmap():
    cfg = Config()
    return lambda x: sum(vmap(lambda row: A * row * cfg.rate)([x, 2.0])), lambda i: setattr(cfg, "rate", i + 1.0)


def an_enum():
    cfg = {"color": Color.RED}
    return lambda x: A * x * cfg["color"].value, lambda i: cfg.update(color=[Color.BLUE, Color.RED][i % 2])


MADE = list(globals().values())
CHANGES = [x for x in MADE[MADE.index(a_global) :] if isinstance(x, types.FunctionType)]


@pytest.fixture(autouse=True)
def as_it_was():
    before, table, scale, limit = dict(globals()), list(TABLE), Config.scale, Config.limit
    yield
    for name in {**globals()}:
        if name not in before:
            del globals()[name]
    globals().update(before)
    TABLE[:] = table
    Config.scale, Config.limit = scale, limit
    A.data, A.grad, B.data, B.grad = 2.0, 0.0, -3.0, 0.0
    sys.modules.pop("settings_of_a_test", None)


def right_or_refused(compiled, *arguments):
    """With `check=True` a call is right, or an error says that it is not."""
    try:
        got = compiled(*arguments)
    except TypeError as error:
        assert re.search("something else|another structure|looks at|was known|expected one", str(error))  # noqa: PT017
    else:
        assert data_of(got) == pytest.approx(data_of(compiled.__wrapped__(*arguments)), rel=1e-6)


@pytest.mark.parametrize("make", CHANGES, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("error")
def test_what_is_around_a_function_may_change(make):
    f, change = make()
    compiled = micrograd.compile(f)
    for i in range(6):
        for x in (0.5, -1.5):
            results = []
            for function in (f, compiled):
                A.grad = 0.0
                out = function(x)
                out.backward()
                results += [(out.data, A.grad)]
            agree(results[1], results[0])
        assert compiled._order, "it was compiled"
        change(i)


def test_the_old_program_serves_what_comes_back():
    cfg = Config()
    compiled = micrograd.compile(lambda x: A * x if cfg.training else A + x)
    for i in range(20):
        cfg.training = i % 2 == 0
        assert compiled(3.0).data == (6.0 if cfg.training else 5.0)
    assert len(compiled._order) == 2


def test_many_objects_with_a_compiled_method_are_not_told():
    class Model:
        def __init__(self, scale):
            self.scale = scale

        @micrograd.compile
        def loss(self, x):
            return A * x * self.scale

    models = [Model(float(i)) for i in range(12)]
    assert [model.loss(1.0).data for model in models] == [2.0 * i for i in range(12)]


def test_an_object_beside_arguments_of_many_sizes_is_not_told():
    point = Point()
    compiled = micrograd.compile(lambda point, xs: sum(A * point.x * x for x in xs))
    for n in range(1, 9):
        assert compiled(point, [1.0] * n).data == 2.0 * n
    with pytest.warns(UserWarning, match="^xs was another for the 8th time"):
        assert compiled(point, [1.0] * 9).data == 18.0


# ---- what a function may ask of its arguments beside their numbers ----

ONE, ANOTHER = [1.0, 2.0], [1.0, 2.0]
BIAS, WEIGHT = Value(1.0), Value(3.0)
BIAS.label, WEIGHT.label = "bias", "weight"
THREE = BIAS * 2.0
RATES = {BIAS: 2.0}


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


QUESTIONS = {
    "same lists": (lambda x, y: A if x is y else B, (ONE, ANOTHER), (ONE, ONE)),
    "same Values": (lambda x, y: x * len({x: 1, y: 2}), (BIAS, WEIGHT), (BIAS, BIAS)),
    "isinstance": (lambda x: sum(A if isinstance(i, float) else B for i in x), ([1, 2],), ([1.0, 2],)),
    "label": (lambda x: A * x if x.label == "bias" else B, (BIAS,), (WEIGHT,)),
    "parents": (lambda x: A * x if x._prev else B * x, (BIAS,), (THREE,)),
    "an enum": (lambda e: A if e is Level.HIGH else B, (Level.LOW,), (Level.HIGH,)),
    "a key": (lambda x: x * RATES.get(x, 1.0), (WEIGHT,), (BIAS,)),
}


@pytest.mark.parametrize(("f", "first", "second"), QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_asked_of_arguments_beside_their_numbers_is_seen_by_comparing(f, first, second):
    for calls in ((first, second), (second, first)):
        compiled = micrograd.compile(f, check=True)
        for arguments in calls:
            right_or_refused(compiled, *arguments)


@pytest.mark.parametrize("kind", [np.int8, np.int32])
def test_numbers_that_wrap_around_are_refused(kind):
    compiled = micrograd.compile(lambda x: A * (x[0] + x[1]))
    text = f"^got numbers of {kind.__name__}, .* wrap around, .* X.astype\\(float\\)"
    for x in (np.array([100, 100], kind), [kind(100), kind(100)]):
        with pytest.raises(TypeError, match=text):
            compiled(x)
    assert compiled(np.array([100, 100])).data == 400.0


def test_a_number_to_come_is_copied_and_has_a_real_part():
    f = lambda x: A * copy.deepcopy(x) + copy.copy(x).real * x.conjugate()  # noqa: E731
    assert micrograd.compile(f)(3.0).data == f(3.0).data
    assert micrograd.compile(lambda x: A * +x)(3.0).data == 6.0
    with pytest.raises(TypeError, match=r"looks at a number"):
        micrograd.compile(lambda x: A * len(x.hex()))(3.0)


def swallowed_test(x):
    try:
        return A * 5.0 if x > 0 else A * 6.0
    except Exception:
        return A * 5.0


def swallowed_float(x):
    try:
        return A * float(x)
    except TypeError:
        return A * 1.0


@pytest.mark.parametrize("function", [swallowed_test, swallowed_float])
def test_a_look_whose_error_is_caught_is_refused_all_the_same(function):
    compiled = micrograd.compile(function)
    with pytest.raises(TypeError, match="looks at a number"):
        compiled(1.0)


def test_sums_of_products_do_not_overflow_on_their_own():
    compiled = micrograd.compile(lambda x: x * 1e308 + x * 1e308 + (x * 1e200 + x * -1e200))
    for x in (0.5, 1e-300, 0.0):
        assert compiled(Value(x)).data == x * 1e308 + x * 1e308 + (x * 1e200 + x * -1e200)


@pytest.mark.parametrize("kind", [np.float32, np.float16, complex, "U1"])
def test_arrays_that_compute_in_their_own_way_are_refused(kind):
    with pytest.raises(TypeError, match=r"^got numbers of .* computes in float64: pass X\.astype\(float\)"):
        micrograd.compile(lambda X: A * X[0])(np.array([1, 2]).astype(kind))


# ---- effects ----


def counts(x, state):
    state["n"] += 1
    return A * x


def appends(x, state):
    state["kept"].append(A * x)
    return state["kept"][-1]


def keeps(x, state):
    state["cfg"].last = A * x
    return A * x


def writes(x, state):
    state["array"][0] = 5.0
    return A * x


def of_a_class(x, state):
    setattr(Config, "made", 1.0)  # noqa: B010
    Config.scale += 1.0
    return A * x


def a_global_name(x, state):
    global made_inside
    made_inside = A * x  # type: ignore[name-defined]
    return A * x


def assigns(x, state):
    A.data = 5.0
    return A * x


def walks_back(x, state):
    out = A * x
    out.backward()
    return out


def zeroes(x, state):
    for v in (A, B):
        v.grad = 0.0
    return A * x


EFFECTS: dict[Callable[..., Any], str] = {
    counts: r"state\['n'\]",
    appends: r"state\['kept'\]\[0\]",
    keeps: r"state\['cfg'\]\.last",
    writes: r"state\['array'\]",
    of_a_class: r"Config\.scale, Config\.made",
    a_global_name: "made_inside",
    lambda x, state: A * x if random.random() > 1e-9 else A: "random",
    lambda x, state: A * x * (2.0 if np.random.rand() < 2.0 else 3.0): r"np\.random",
    lambda x, state: A * x * (2.0 if torch.rand(1).item() < 2.0 else 3.0): "torch",
    lambda x, state: A * x * (2.0 if state["rng"].random() < 2.0 else 3.0): r"state\['rng'\]",
    lambda x, state: A * x * (2.0 if state["own"].random() < 2.0 else 3.0): r"state\['own'\]",
    assigns: r"A\.data",
    walks_back: r"A\.grad",
    zeroes: r"A\.grad, B\.grad",
}


@pytest.mark.parametrize("function", EFFECTS, ids=EFFECTS.values())
def test_effects_are_refused(function):
    state: dict[str, Any] = {
        "n": 0,
        "kept": [],
        "cfg": Config(),
        "array": np.zeros(2),
        "rng": np.random.default_rng(0),
        "own": random.Random(0),
    }
    A.grad, B.grad = 1.0, 2.0
    with pytest.raises(
        TypeError, match=f"^<lambda> changes {EFFECTS[function]}.*: it has done so now, but the program"
    ):
        micrograd.compile(lambda x: function(x, state))(3.0)
    assert all(type(v.data) is float for v in (A, B))


def test_the_state_of_a_hidden_thing_is_noticed():
    state = hidden({"h": 0.5})

    def carries(x):
        state()["h"] = state()["h"] * 0.5 + x
        return A * state()["h"]

    with pytest.raises(TypeError, match=r"carries computes something else .*: its result is .*, without"):
        micrograd.compile(carries)(3.0)


def test_a_gradient_is_not_read_inside():
    with pytest.raises(TypeError, match=r"reads \.grad of a Value from outside"):
        micrograd.compile(lambda x: [A * x, B.grad])(3.0)


def test_copies_of_values_are_leaves_of_their_own():
    model = MLP(2, [3, 1])
    copies = [lambda: copy.copy(A), lambda: copy.deepcopy([A])[0], lambda: copy.copy(copy.copy(A))]
    functions: list[Callable[..., Any]] = [lambda x, c=c: c() * x + A * c() for c in copies]
    functions.append(lambda x: model([x, 1.0]) * copy.deepcopy(model)([x, 1.0]))
    for f in functions:
        for x in (1.0, 3.0):
            check(f, [A, *model.parameters()], x)
        out = micrograd.compile(f)(2.0)
        assert {*out._prev[0]._prev[0].leaves} <= {A, *model.parameters()}
    with pytest.raises(TypeError, match="returns a copy of a Value from outside, with its grad"):
        micrograd.compile(lambda x: [copy.copy(A), A * x])(1.0)


def test_pickle_inside_is_refused():
    with pytest.raises(TypeError, match="pickle looks at a number"):
        micrograd.compile(lambda x: A * x * len(pickle.dumps(A)))(1.0)


def test_backward_inside_over_values_from_inside():
    def f(x):
        inner = Value(x)
        (inner * inner).backward()
        return A * inner.grad

    compiled = micrograd.compile(f)
    assert [compiled(x).data for x in (3.0, 4.0)] == [12.0, 16.0]


# ---- what is only seen by comparing ----


def the_clock(x):
    return A * x * (time.perf_counter_ns() % 1000)


def is_float(x):
    return type(x).__name__ == "float"


def by_type(x):
    return A * x if is_float(x) else A + x


def a_list_or_not(x):
    return [A * x] if is_float(x) else A * x


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (the_clock, "computes something else when it is compiled"),
        (by_type, r"its result is 5\.0, without compile it is 6\.0"),
        (a_list_or_not, "returned something of another structure when it ran again"),
    ],
)
def test_what_differs_is_told(function, words):
    compiled = micrograd.compile(function)
    for _ in range(2):
        with pytest.raises(TypeError, match=f"^{function.__name__} {words}.*|^{function.__name__} .*{words}") as error:
            compiled(3.0)
        assert "where_le()" in str(error.value)
        assert "static=" in str(error.value)
    assert not compiled._order


def test_gradients_that_differ_are_told():
    def odd(x):
        return Value(x.data * 1.0, (x,), "odd", lambda out: send(out))

    def send(out):
        out._prev[0].grad += out.grad * (2.0 if is_float(out.data) else 3.0)

    compiled = micrograd.compile(lambda x: odd(A) * x)
    for _ in range(2):
        A.grad = 1.0
        with pytest.raises(TypeError, match=r"else .*: the gradient of A is 9\.0, without .* is 6\.0"):
            compiled(3.0).backward()
        assert A.grad == 1.0


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x in {1.0, 2.0},
        lambda x: hash(x),
        lambda x: str(x),
        lambda x: f"{x:.2f}",
        lambda x: print(x),
        lambda x: [1.0, 2.0][x],
        lambda x: np.arange(3)[x],
        lambda x: np.array([x, x]) > 0,
        lambda x: np.array([x]).astype(int),
        lambda x: print(np.array([x])),
    ],
)
def test_what_looks_at_a_number_says_so(look):
    with pytest.raises(TypeError, match=r"^test_truth\.py:\d+: lambda x.*\n.* looks at a number"):
        micrograd.compile(lambda x: [A * x, look(x)][0])(1)


# ---- arguments ----


@pytest.mark.parametrize(
    "argument",
    [(x for x in [1.0]), [map(float, [1])]],
    ids=lambda x: type(x).__name__,
)
def test_iterators_as_arguments(argument):
    with pytest.raises(TypeError, match=r"gone through once only.*pass a list"):
        micrograd.compile(lambda xs: A * sum(xs))(argument)


@pytest.mark.parametrize(
    "argument",
    [
        np.ones((1, 2)).view(np.matrix),
        type("Rows", (list,), {})([1.0]),
        collections.OrderedDict(a=1.0),
        torch.ones(2),
    ],
    ids=lambda x: type(x).__name__,
)
def test_kinds_of_arrays_and_lists_as_arguments(argument):
    with pytest.raises(TypeError, match=f"of type {type(argument).__name__}, .*: pass a list, or a plain array"):
        micrograd.compile(lambda xs: A * xs[0])(argument)


def test_static_numbers_and_flags_that_are_equal_but_differ():
    @micrograd.compile(static=("k",))
    def f(x, k):
        return A * x * (1.0 if k is True else 3.0 if isinstance(k, int) else 5.0) + math.copysign(1.0, k)

    for k in (0.0, -0.0, 0, False, 1, True, 1.0, -1.0):
        assert f(1.0, k).data == f.__wrapped__(1.0, k).data
    compiled = micrograd.compile(lambda x, table: A * x * sum(1.0 if key is True else 2.0 for key in table))
    assert [compiled(1.0, table).data for table in ({1: 1.0}, {True: 1.0}, {1.0: 1.0})] == [4.0, 2.0, 4.0]


def test_objects_among_the_arguments():
    one, other = Same(2.0), Same(3.0)
    compiled = micrograd.compile(lambda x, same: A * x * same.scale)
    assert [compiled(1.0, x).data for x in (one, other, one)] == [4.0, 6.0, 4.0]
    one.scale = 5.0
    assert compiled(1.0, one).data == 10.0
    sizes = micrograd.compile(lambda x, sizes: A * x * sum(sizes), static=("sizes",))
    assert [sizes(1.0, k).data for k in ([1, 2], [1, 3], [1, 2])] == [6.0, 8.0, 6.0]
    assert len(sizes._order) == 2


def test_numbers_that_are_none():
    weights = [Value(float(i)) for i in range(40)]
    compiled = micrograd.compile(lambda xs: sum(w * x for w, x in zip(weights, xs)) ** 2)
    xs = [1.0] * 40
    assert compiled(xs).data == 780.0**2
    for data in (None, "2", np.array([1.0, 2.0])):
        weights[3].data = data
        with pytest.raises(TypeError, match="computes with plain numbers in Values"):
            compiled(xs)
    weights[3].data = 3
    assert compiled(xs).data == 780.0**2


def test_variables_of_the_environment(monkeypatch):
    by_name = micrograd.compile(lambda x: A * x * float(os.environ.get("RATE", "1")))
    by_call = micrograd.compile(lambda x: A * x * float(os.getenv("RATE", "1")), check=True)
    for rate in (2.0, 3.0):
        monkeypatch.setenv("RATE", str(rate))
        assert by_name(1.0).data == 2.0 * rate
        right_or_refused(by_call, 1.0)


def test_modules_that_a_package_imports(tmp_path, monkeypatch):
    (tmp_path / "pack/inner").mkdir(parents=True)
    (tmp_path / "pack/settings.py").write_text("RATE = 2.0")
    code = "def f(x):\n    import math\n    from ..settings import RATE\n    return x * RATE * math.sqrt(4.0)"
    (tmp_path / "pack/inner/rooms.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    settings: Any
    settings, rooms = map(importlib.import_module, ("pack.settings", "pack.inner.rooms"))
    compiled = micrograd.compile(rooms.f)
    for rate in (2.0, 3.0):
        settings.RATE = rate
        assert compiled(A).data == 2.0 * rate * A.data


def test_numbers_in_another_order_of_bytes():
    compiled = micrograd.compile(lambda X: A * X[0])
    for kind in (">f8", "<f8", ">i8"):
        assert compiled(np.array([3, 4], kind)).data == 6.0


# ---- rounding ----


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sum([x * A, -x * A, A * 1e-9]) * 1e9,
        lambda x: (A * x + 1e16) - 1e16 + A,
        lambda x: sum([A * 1e308, A * -1e308, x]),
        lambda x: (A * 1e8 + x) ** 2 - (A * 1e8) ** 2,
        lambda x: (sum([A * 0.1] * 10) - A).maximum(0.0) * 1e20,
        lambda x: A / (x * 0.0) + A / (x * -0.0),
        lambda x: (A * 1e-200 * x) * 1e-200,
        lambda x: ((A * x).exp() - 1.0) * 1e12,
        lambda x: (A * x * 1e4).sin() * 1e3,
        lambda x: (A - A * x / x).sqrt() + (A - 2.0).log(),
        lambda x: (A * 1000).exp() * x,
    ],
)
def test_rounding_is_no_difference(function):
    compiled = micrograd.compile(function)
    for x in (3.0, -0.7, 1e-3):
        compiled(x).backward()


def test_larger_ones_are_checked_forward_only(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.call.LARGE", 10)
    compiled = micrograd.compile(lambda x: sum(A * v for v in x))
    compiled([1.0] * 20).backward()
    assert A.grad == 20.0


def test_state_that_changed_before_the_way_back_is_compared_later():
    cfg = Config()
    compiled = micrograd.compile(lambda x: A * x * cfg.rate)
    out = compiled(2.0)
    cfg.rate = 2.0
    out.backward()
    cfg.rate = 0.5
    program = compiled.program
    assert program.unchecked
    compiled(2.0).backward()
    assert not program.unchecked
    assert A.grad == 2.0


# ---- arguments, and what is in them ----


@pytest.mark.parametrize("kind", [list, np.array, lambda xs: [Value(x) for x in xs]], ids=["list", "array", "values"])
def test_a_change_of_an_argument_is_refused(kind):
    def doubles(xs):
        xs[0] = xs[0] * 2.0
        return A * xs[0]

    with pytest.raises(TypeError, match="doubles changes xs"):
        micrograd.compile(doubles)(kind([3.0, 1.0, 2.0]))


class Special(Value):
    scale = 1.0

    def scaled(self):
        return self * self.scale * RATE


class Pair(collections.namedtuple("Pair", "x y")):
    __slots__ = ()

    def total(self):
        return self.x * RATE + self.y


class Rate:
    def __init__(self):
        self.rate = RATE


class Wrapped:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function, self.k = function, 1.0

    def __call__(self, x):
        return self.function(x) * self.k


class Rows(list):
    def total(self):
        return sum(self) * RATE


NAMED_RATE, FORMAT, GET = "rate", "{0.rate}", operator.attrgetter("rate")


def check_twice(function, arguments, change):
    """The same numbers as without compile, before a change and after it."""
    compiled = micrograd.compile(function)
    for _ in range(2):
        assert data_of(compiled(*arguments)) == data_of(function(*arguments))
        change()
    assert len(compiled._order) == 2
    assert data_of(compiled(*arguments)) == data_of(function(*arguments))


class Scaled:
    """What it makes of a number depends on what is around its class."""

    def __init__(self, x):
        self.x = x * RATE

    def like(self, x):
        return type(self)(x)

    @classmethod
    def of(cls, x):
        return cls(x)


class Visitor(ast.NodeVisitor):
    def visit_Constant(self, node):
        return node.value * RATE


class Options(enum.Enum):
    FAST = {"rate": 1.0}  # noqa: RUF012


@dataclasses.dataclass
class Progress:
    rate: float = 0.5
    calls: int = 0


def matched(k):
    match k:
        case Config(rate=rate):
            return rate


def visited(x):
    return A * x * Visitor().visit(ast.parse("2.0", mode="eval").body)


def change_rate(k):
    k.rate = 7.0


def change_around(k):
    change_global("RATE", 7.0)


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda xs: A * xs[0] * xs[1].rate, lambda: [0.5, Config()], lambda xs: change_rate(xs[1])),
        (lambda fs: A * fs[0](0.5), lambda: [helper], change_around),
        (lambda p: p.scaled(), lambda: Special(2.0), change_around),
        (lambda p: A * p.total(), lambda: Pair(1.0, 2.0), change_around),
    ],
)
def test_objects_in_the_arguments_may_change(function, make, change):
    argument = make()
    check_twice(function, [argument], lambda: change(argument))


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda k, x: A * x * Rate().rate, lambda: None, change_around),
        (lambda k, x: A * k.like(x).x, lambda: Scaled(1.0), change_around),
        (lambda k, x: A * k.of(x).x, lambda: Scaled(1.0), change_around),
        (lambda k, x: visited(x), lambda: None, change_around),
        (lambda k, x: A * k.total() * x, lambda: Rows([1.0]), change_around),
        (lambda k, x: A * k[0] * x, lambda: Rows([1.0]), lambda k: k.__setitem__(0, 7.0)),
        (lambda k, x: A * k(x), lambda: Wrapped(helper), lambda k: setattr(k, "k", 5.0)),
        (
            lambda k, x: A * k.value["rate"] * x,
            lambda: Options.FAST,
            lambda k: k.value.update(rate=k.value["rate"] + 1),
        ),
        (lambda k, x: A * sum(dataclasses.asdict(k).values()) * x, Progress, change_rate),
        (lambda k, x: A * getattr(k, NAMED_RATE) * x, Config, change_rate),
        (lambda k, x: A * GET(k) * x, Config, change_rate),
        (lambda k, x: A * matched(k) * x, Config, change_rate),
    ],
)
def test_ways_to_change_what_is_around(function, make, change):
    k: Any = make()
    check_twice(lambda x: function(k, x), [2.0], lambda: change(k))


class Closing:
    x = 1.0

    def close(self):
        self.x = RATE


def closed(x):
    with contextlib.closing(Closing()) as found:
        pass
    return A * x * found.x


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda k, x: closed(x), lambda: None, change_around),
        (lambda k, x: A * float(FORMAT.format(k)) * x, Config, change_rate),
        (lambda k, x: A * x * globals()[NAMED_RATE.upper()], lambda: None, change_around),
        (lambda k, x: A * x * math.tau, lambda: None, lambda k: setattr(math, "tau", 6.0)),
    ],
)
def test_ways_to_change_what_has_no_name(function, make, change, monkeypatch):
    monkeypatch.setattr(math, "tau", math.tau)
    k: Any = make()
    compiled = micrograd.compile(lambda x: function(k, x), check=True)
    right_or_refused(compiled, 2.0)
    change(k)
    right_or_refused(compiled, 2.0)


def test_a_cold_cached_property():
    class Net:
        def __init__(self):
            self.n = 2

        @functools.cached_property
        def mask(self):
            return [float(i) for i in range(self.n)]

    net = Net()
    compiled = micrograd.compile(lambda x: x * sum(net.mask))
    assert [compiled(2.0) for _ in range(3)] == [2.0] * 3
    net.mask[0] = 4.0
    assert compiled(2.0) == 10.0
    del net.mask
    assert compiled(2.0) == 2.0


def test_a_module_that_is_first_imported_inside(tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_test.py").write_text("rate = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def f(x):
        import settings_of_a_test  # type: ignore[import-not-found]

        return A * x * settings_of_a_test.rate

    def change():
        sys.modules["settings_of_a_test"].rate = 5.0  # type: ignore[attr-defined]

    check_twice(f, [1.0], change)


@pytest.mark.parametrize("text", [repr, None], ids=["repr", "a method in a cell"])
def test_a_text_or_list_of_a_module_is_that_of_now(text):
    class Net(Module):
        def __init__(self):
            self.layers: list[Any] = [MLP(1, [1])]
            self.gain: Any = None
            self.steps = 0

    net: Any = Net()
    own = net.parameters

    def f(x):
        return A * x * len(text(net) if text else own())

    compiled = micrograd.compile(f)
    for change in (lambda: None, lambda: net.layers.append(Value(1.0)), lambda: setattr(net, "gain", Value(1.0))):
        change()
        assert compiled(2.0).data == f(2.0).data
    net.steps += 1
    compiled(2.0)
    assert len(compiled._order) == 3


class Counted(Module):
    """With counters beside its model, which code that does not run as part of a call names."""

    def __init__(self):
        super().__init__()
        self.model, self.calls = MLP(2, [1]), 0

    def __call__(self, x):
        return self.model(x)

    def __repr__(self):
        return f"Counted({self.calls})"


class Inheriting(Counted):
    def __call__(self, x):
        return super().__call__(x)


@pytest.mark.parametrize("kind", [Counted, Inheriting, Progress])
def test_counters_that_a_call_does_not_read(kind):
    counter, model = kind(), MLP(2, [1])
    by_rate = lambda x: model(x) * counter.rate  # noqa: E731
    compiled = micrograd.compile(by_rate if kind is Progress else lambda x: counter(x))
    for _ in range(3):
        compiled([1.0, 2.0])
        counter.calls += 1
    assert len(compiled._order) == 1


def test_results_that_a_model_keeps():
    class Net(Module):
        def __init__(self):
            self.w, self.last, self.history = Value(1.0), Value(0.0), []
            self.table, self.best, self.rows = collections.defaultdict(list), None, None
            self.optimizer = micrograd.optim.SGD([self.w])

    net = Net()
    net.last = net.w * 1.0
    compiled = micrograd.compile(lambda x: net.w * x + sum(p * p for p in net.parameters()))
    for _ in range(3):
        net.last = compiled(2.0)
        net.history.append(net.last)
        net.table["loss"].append((1, {"loss": net.last}))
        net.best, net.rows, net.optimizer.lr = (net.last, 1.0), np.array([net.last.data]), 0.1 * net.last.data
        assert net.last.data == 3.0
    assert len(compiled._order) == 1
    net.last = Value(2.0)
    assert compiled(2.0).data == 7.0


NAN = {"nan": math.nan, "more": 1.0}


@pytest.mark.parametrize("nan", [lambda x: A * math.nan + x, lambda x: A * x + NAN["nan"]])
def test_nan_is_nan_again(nan):
    compiled = micrograd.compile(nan)
    assert all(math.isnan(compiled(1.0).data) for _ in range(3))
    assert len(compiled._order) == 1


def test_what_only_the_second_run_meets_is_marked():
    with pytest.raises(KeyError) as error:
        micrograd.compile(lambda x: A * x if is_float(x) else dict[str, float]()["oops"])(1.0)
    assert "while the function ran a second time, to be compiled" in "".join(error.value.__notes__)


def test_more_static_arguments():
    compiled = micrograd.compile(lambda x, k: A * x * sum(k), static=("k",))
    for k in ({1.0, 2.0}, {1.0, 3.0}, np.array([1.0, 2.0]), np.array([1.0, 4.0]), {2.0, 1.0}):
        assert compiled(1.0, k).data == 2.0 * sum(k)
    assert len(compiled._order) == 4


def perhaps(x):
    try:
        return A * x * made_later  # type: ignore[name-defined]
    except NameError:
        return A + x


def test_a_name_that_comes_and_goes():
    compiled = micrograd.compile(perhaps)
    for there in (False, True, False, True):
        if there:
            globals()["made_later"] = 5.0
        else:
            globals().pop("made_later", None)
        assert compiled(3.0).data == perhaps(3.0).data == (30.0 if there else 5.0)
    del globals()["made_later"]


def test_what_is_assigned_in_the_second_run_only():
    times = hidden([])

    def f(x):
        times().append(x)
        if len(times()) == 2:
            A.data = 5.0
        return A * x

    with pytest.raises(TypeError, match=r"assigns \.data or \.grad of a Value from outside"):
        micrograd.compile(f)(3.0)
    assert A.data == 2.0


def test_numbers_that_become_arrays():
    cfg: dict[str, Any] = {"w": [1.5]}
    compiled = micrograd.compile(lambda x: A * x * sum(np.ravel(cfg["w"])))
    assert compiled(1.0).data == 3.0
    cfg["w"] = [np.array([1.0, 2.0])]
    assert compiled(1.0).data == 6.0


class Tagged(Value):
    __slots__ = ("config", "scales")
    __hash__ = Value.__hash__


def bearer(kind, **hung):
    v = kind(2.0)
    for name, x in hung.items():
        setattr(v, name, x)
    return v


def toggle(v, i):
    if hasattr(v, "flag"):
        del v.flag
    else:
        v.flag = i + 4.0


def flag_or_none(v):
    try:
        return v * v.flag
    except AttributeError:
        return v


FLAG = "flag"
has_it = hasattr

# What hangs on a Value: a function of it, how one is made, and what changes.
HUNG = {
    "a list": (
        lambda v: v * sum(v.scales),
        lambda kind: bearer(kind, scales=[1.0, 2.0]),
        lambda v, i: v.scales.append(3.0),
    ),
    "an object": (
        lambda v: v * v.config.rate,
        lambda kind: bearer(kind, config=Config()),
        lambda v, i: setattr(v.config, "rate", 3.0 + i),
    ),
    "a Value": (
        lambda v: v * v.config,
        lambda kind: bearer(kind, config=Value(2.0)),
        lambda v, i: setattr(v, "config", Value(3.0 + i)),
    ),
    "the data of a Value": (
        lambda v: v * v.config,
        lambda kind: bearer(kind, config=Value(2.0)),
        lambda v, i: setattr(v.config, "data", 3.0 + i),
    ),
    "its label": (lambda v: v * len(v.label), bearer, lambda v, i: setattr(v, "label", "w" * i)),
    "hasattr": (lambda v: v * (2.0 if hasattr(v, "flag") else 3.0), bearer, toggle),
    "hasattr by another name": (lambda v: v * (2.0 if has_it(v, FLAG) else 3.0), bearer, toggle),
    "getattr": (lambda v: v * getattr(v, "flag", 5.0), bearer, toggle),
    "vars": (lambda v: v * (1.0 + len(vars(v))), bearer, toggle),
    "except": (flag_or_none, bearer, toggle),
}


@pytest.mark.parametrize("what", HUNG)
@pytest.mark.parametrize("kind", [Value, Tagged])
@pytest.mark.parametrize("way", ["an argument", "in a list", "around"])
def test_what_hangs_on_a_value_may_change(what, kind, way):
    function, make, change = HUNG[what]
    v = make(kind)
    f, arguments = {
        "an argument": (lambda v: function(v), (v,)),
        "in a list": (lambda vs: vs[0] + function(vs[1]), ([A, v],)),
        "around": (lambda x: x * function(v), (3.0,)),
    }[way]
    if kind is Value and (way != "around" or what in ("its label", "except")):
        compiled = micrograd.compile(f, check=True)  # of a Value counts its data, and what hangs there has a name
        for i in range(4):
            right_or_refused(compiled, *arguments)
            change(v, i)
        return
    compiled = micrograd.compile(f)
    for i in range(4):
        got, want = compiled(*arguments), f(*arguments)
        assert got.data == want.data
        v.grad = 0.0
        got.backward()
        grad, v.grad = v.grad, 0.0
        want.backward()
        assert grad == v.grad
        change(v, i)
    before = len(compiled._order)
    compiled(*arguments), compiled(*arguments)
    assert len(compiled._order) <= before + 1


def half_of_it(p):
    out: Any = p * 2.0
    out.half = p.data / 2.0
    return out


def slot_of_it(p):
    out: Any = Tagged(p.data, (p,), "same", lambda out: None)
    out.config = p.data
    return out


@pytest.mark.parametrize("function", [half_of_it, slot_of_it])
def test_what_is_assigned_to_a_result_is_refused(function):
    with pytest.raises(TypeError, match=rf"^{function.__name__} assigns \.(half|config) of a Value that it returns"):
        micrograd.compile(function)(Value(2.0))


def test_what_stays_the_same_may_be_assigned_to_a_result():
    def f(xs):
        out: Any = sum(xs)
        out.label, out.count, out.owner = "total", len(xs), Config
        return out

    compiled = micrograd.compile(f)
    for xs in ([A, B], [B, A, A]):
        assert vars(compiled(xs)) == vars(f(xs)) == {"label": "total", "count": len(xs), "owner": Config}


def test_modules_with_attributes_of_their_own_making(monkeypatch):
    module: Any = types.ModuleType("settings")
    module.box = {"rate": 2.0}
    exec("def __getattr__(name):\n    return box[name]", vars(module))  # as PEP 562 says
    compiled = micrograd.compile(lambda x: A * x * module.rate)
    for rate in (2.0, 3.0, 2.0):
        module.box["rate"] = rate
        assert compiled(1.0).data == 2.0 * rate


def test_lists_in_themselves():
    endless: list[Any] = [1.0]
    endless.append(endless)
    with pytest.raises(TypeError, match=r"^<lambda>: x has lists in lists without end"):
        micrograd.compile(lambda x: A * x[0])(endless)


def always_one(v):
    def backward(out):
        (v,) = out._prev
        v.grad += out.grad

    return Value(1.0, (v,), "one", backward)


def straight_through(v):
    out = v * 1.0
    out.data = 1.0
    return out


@pytest.mark.parametrize(
    "function",
    [
        lambda x: always_one(A * x),
        lambda x: always_one(A) * 2,
        lambda x: straight_through(A * x),
    ],
)
def test_gradients_of_numbers_that_are_known_are_refused(function):
    with pytest.raises(TypeError, match="returns a Value whose number was known before its arguments were"):
        micrograd.compile(function)(3.0)
    assert (A.data, A.grad) == (2.0, 0.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: always_one(A) + x,
        lambda x: Value.where_le(1.0, 2.0, 5.0, A * x),
        lambda x: Value(3.0) * 2,
    ],
)
def test_gradients_beside_numbers_that_are_known(function):
    compiled = micrograd.compile(function)
    for x in (3.0, 4.0):
        check(function, [A], x, compiled=compiled)


class Scale:
    __slots__ = ("w",)

    def __init__(self):
        self.w = A

    def __call__(self, *xs):
        return self.w * xs[-1] * len(xs)


@pytest.mark.filterwarnings("ignore:functools.partial will be a method")
def test_what_is_compiled_is_an_attribute_of_a_class_as_the_function_is():
    def last(*xs):
        return A * xs[-1] * len(xs)

    def attributes(compile):
        scale = Scale()

        class Net:
            k = 3.0
            function = compile(last)
            partial = compile(functools.partial(last))
            thing = compile(scale)
            bound = compile(scale.__call__)
            builtin = compile(sum)
            static_above = staticmethod(compile(last))
            static_below = compile(staticmethod(last))
            class_above: Any = classmethod(compile(lambda cls, *xs: A * xs[-1] * len(xs) * cls.k))
            class_below = compile(classmethod(lambda cls, *xs: A * xs[-1] * len(xs) * cls.k))

        return Net

    plain, compiled = attributes(lambda f: f), attributes(micrograd.compile)
    for name in [name for name in vars(plain) if not name.startswith("__") and name != "k"]:
        x = [1.0, A] if name == "builtin" else 2.0
        for of in (lambda kind: kind, lambda kind: kind()):
            got, want = (getattr(of(kind), name)(x).data for kind in (compiled, plain))
            assert got == want, name
        assert "scalar operation" in str(getattr(compiled, name).program), name
    assert compiled().static_below(2.0).data == 4.0


BUILT_IN: list[tuple[Callable[..., Any], Any]] = [
    (sum, [[A, 2.0]]),
    (pow, [A, 2]),
    (Value.relu, [A]),
    (max, [[A]]),
    (Scale(), [3.0]),
    (dict, [[("a", A)]]),
]


@pytest.mark.parametrize(("f", "arguments"), BUILT_IN)
def test_callables_that_are_no_functions(f, arguments):
    check(f, [A, B], *arguments)


def test_a_signature_that_is_not_known_has_no_names():
    with pytest.raises(ValueError, match="max has no argument x"):
        micrograd.compile(max, static=("x",))
    with pytest.raises(TypeError, match=r"a test .* looks at a number"):
        micrograd.compile(max)(A, B)
    with pytest.raises(TypeError, match="not a callable"):
        micrograd.compile(5)  # type: ignore[call-overload]


def test_a_copy_has_the_attributes_that_somebody_has_added():
    def f(x):
        return A * x

    f.rate = 1.0  # type: ignore[attr-defined]
    compiled = micrograd.compile(f)
    compiled.tag = [2.0]  # type: ignore[attr-defined]
    for made, same in ((copy.copy(compiled), True), (copy.deepcopy(compiled), False)):
        assert (made.rate, made.tag, made.tag is compiled.tag) == (1.0, [2.0], same)  # type: ignore[attr-defined]
        assert made is not compiled
        assert made(3.0).data == 6.0


@pytest.mark.filterwarnings("ignore:name was another")
def test_plain_things_of_numpy_and_slices_stay_what_they_are():
    compiled = micrograd.compile(lambda x, flag, name: x * (2 if flag is np.True_ or flag is True else 3) * len(name))
    for flag in (np.float64(1.0) > 0, True, np.False_, False):
        for name in ("ab", np.array(["abc"])[0], np.array([b"abcd"])[0]):
            assert compiled(A, flag, name).data == compiled.__wrapped__(A, flag, name).data
    assert len(compiled._order) == 12
    check(lambda x, flag: x * flag + sum(x * y for y in [flag, 1.0]), [A], A, np.True_)
    compiled = micrograd.compile(lambda xs, part: sum(xs[part], Value(0.0)))  # type: ignore[arg-type, misc]
    for i in (0, 1, 0, 1):
        check(compiled.__wrapped__, [A, B], [A, B, A], slice(i, None), compiled=compiled)
    assert len(compiled._order) == 2


@pytest.mark.parametrize("f", [lambda X: X * 2, lambda X: [X.reshape(1, 2), X / 3.0]])
@pytest.mark.parametrize("X", [np.array([1, 2]), np.array([True, False])])
def test_arrays_of_another_type_that_are_returned(f, X):
    compiled = micrograd.compile(f)
    with pytest.raises(TypeError, match=r"returned an array of another type than float64, .* return X\.astype"):
        compiled(X)
    check(f, [A], X.astype(float), compiled=compiled)


def test_samples_that_are_told_apart():
    """All samples take the same way, and the error says so."""
    compiled = micrograd.compile(vmap(lambda v: v * 2.0 if v is A else v * 3.0))
    compiled([Value(1.0), Value(2.0)])
    compiled = micrograd.compile(vmap(lambda v: v * 2.0 if v is A else v * 3.0))
    with pytest.raises(TypeError, match="told apart by its type"):
        compiled([A, Value(3.0)])


@pytest.mark.parametrize("is_argument", [False, True])
def test_the_type_of_data_is_seen_by_comparing(is_argument):
    """A Value makes a float of its number, but one may assign another."""
    f = lambda v, x: v * x if isinstance(v.data, float) else v * x * 2.0  # noqa: E731
    v = Value(2.0)
    compiled = micrograd.compile(f if is_argument else lambda x: f(v, x), check=True)
    for data in (2.0, 3, 4, np.float64(1.5), True, 2.5, 3):
        v.data = data
        right_or_refused(compiled, *[v] * is_argument, 1.5)


class Counting(Module):
    def __init__(self):
        self.inner, self.calls, self.losses, self.extra = MLP(2, [3, 1]), 0, [], None
        self.another: Any = None

    def decayed(self, x):
        return self.inner([x, 1.0]) + sum(p * p for p in self.parameters())


def test_counters_beside_parameters_do_not_count_but_parameters_do():
    model: Any = Counting()
    compiled = micrograd.compile(lambda x: model.decayed(x))

    def programs():
        assert compiled(1.0).data == pytest.approx(model.decayed(1.0).data, rel=1e-12)
        return len(compiled._order)

    assert programs() == 1
    for model.calls in range(4):
        model.losses.append(0.5)
        assert programs() == 1
    changes: list[Callable[[], Any]] = [
        lambda: setattr(model, "extra", Value(3.0)),
        lambda: model.losses.append(Value(2.0)),
        lambda: setattr(model, "another", Value(5.0)),
        lambda: setattr(model, "calls", Value(7.0)),
    ]
    for i, change in enumerate(changes):
        change()
        assert programs() == i + 2
    for model.calls in range(2):
        assert programs() <= 6


def test_numpy_gets_what_it_asks_for():
    for f in (np.exp, np.log, np.sqrt, np.sin, np.cos, np.tanh, np.vectorize(np.tanh), np.abs):
        check(lambda x, f=f: A * f(x), [A], 2.0)
        check(lambda xs, f=f: A * f(np.array(xs)).sum(), [A], [2.0, 3.0])


def swish(self):
    return self * (RATE * self).sigmoid()


def test_methods_that_somebody_adds_to_value(monkeypatch):
    monkeypatch.setattr(Value, "swish", swish, raising=False)
    f = lambda x: (A * x).swish()  # noqa: E731
    compiled = micrograd.compile(f)
    check(f, [A], 2.0, compiled=compiled)
    monkeypatch.setitem(globals(), "RATE", 5.0)
    check(f, [A], 2.0, compiled=compiled)
    monkeypatch.setattr(Value, "swish", lambda self: self.tanh() * RATE)
    check(f, [A], 2.0, compiled=compiled)
    monkeypatch.setitem(globals(), "RATE", 6.0)
    check(f, [A], 2.0, compiled=compiled)


SEEN: list[Any] = []


def recorded(x):
    def backward(out):
        SEEN.append(out.grad)
        out._prev[0].grad += out.grad

    return Value(x.data, (x,), "recorded", backward)


def test_what_is_changed_on_the_way_back_is_refused():
    out = micrograd.compile(lambda x: recorded(A * x) ** 2)(2.0)
    with pytest.raises(TypeError, match="changes "):
        out.backward()


def test_a_way_back_to_what_is_no_parent_is_refused():
    stray = Value(1.0, label="stray")

    def f(x):
        def backward(out):
            out._prev[0].grad += out.grad
            stray.grad += 2.0 * out.grad

        return Value((A * x).data, (A * x,), "tap", backward) * 3.0

    out = micrograd.compile(f)(2.0)
    with pytest.raises(TypeError, match="adds, on its way back, to the grad of stray, which is none of its parents"):
        out.backward()
    assert stray.grad == 0.0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_backward_closure_of_a_leaf_is_refused(when, which):
    values = [Value(0.5), Value(1.0)]
    compiled = micrograd.compile(lambda x, v: values[0] * x + v * x)
    if when == "after":
        compiled(2.0, values[1]).backward()
    before = [v.grad for v in values]
    values[which]._backward = lambda: None
    with pytest.raises(TypeError, match=r"without parents has a _backward, .* after backward\(\)"):
        compiled(2.0, values[1]).backward()
    assert [v.grad for v in values] == before


def test_a_backward_closure_elsewhere_does_not_matter():
    Value(1.0)._backward = lambda: None
    w = Value(2.0)
    square = w * w
    for f, given, grad in [(lambda p: (p - 1.0) ** 2, w * 3.0, 30.0), (lambda x: square * x, 1.0, 4.0)]:
        w.grad = 0.0
        micrograd.compile(f)(given).backward()
        assert w.grad == grad


def test_a_graph_with_a_call_in_it_is_set_to_zero_by_hand():
    def zero(v):
        v.grad = 0.0
        for parent in v._prev:
            zero(parent)

    w, u = Value(0.5), Value(2.0)
    out = micrograd.compile(lambda x: (w * x * u).tanh())(2.0)
    out.backward()
    first = w.grad, u.grad
    assert 0.0 not in first
    zero(out)
    assert (w.grad, u.grad) == (0.0, 0.0)
    out.backward()
    assert (w.grad, u.grad) == first


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i, m: A * x[i].sum(),
        lambda x, i, m: A * x[m].sum(),
        lambda x, i, m: A * float(np.argmax(x.reshape(1, 3), axis=1)[0]),
    ],
)
def test_numpy_does_not_say_what_it_has_met(f):
    given = np.ones(3), np.array([0, 2]), np.array([True, False, True])
    assert f(*given).data is not None
    with pytest.raises(TypeError, match=r"^test_truth\.py:\d+: lambda x, i, m: .*\n.* looks at a number"):
        micrograd.compile(f)(*given)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (lambda i: ([1.0] * i, True, 0), "xs"),
        (lambda i: ([1.0], str(i), 0), "flag"),
        (lambda i: ([1.0], True, i), "step"),
    ],
)
def test_another_structure_in_each_call_is_told(given, name):
    f = micrograd.compile(lambda xs, flag, step: A * sum(xs), static=("step",))
    for i in range(8):
        f(*given(i))
    with pytest.warns(
        UserWarning, match=f"^{name} was another for the 8th time, and <lambda> .* lists of equal length"
    ) as told:
        f(*given(8))
    assert told[0].filename == __file__
    f(*given(8))
    f(*given(9))  # nothing, as one was of use


def test_static_is_no_text():
    with pytest.raises(TypeError, match=r"static='xs' is one text, expected a tuple of names: static=\('xs',\)"):
        micrograd.compile(lambda xs: A * sum(xs), static="xs")
