"""Compiled or not, the same numbers: what changes around a function, what it changes, and what it cannot promise."""

import argparse
import array
import ast
import collections
import configparser
import contextlib
import contextvars
import copy
import dataclasses
import enum
import functools
import importlib
import itertools
import math
import operator
import os
import pickle
import pprint
import random
import re
import sys
import threading
import time
import types
import typing
import weakref
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
kept: list[Any] = []


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


def an_item_of_a_global_of_a_helper():
    return lambda x: A * deeper(x), lambda i: TABLE.append(float(i))


def a_helper_that_is_replaced():
    return lambda x: A * helper(x), lambda i: change_global("helper", lambda x: x * (i + 1.0))


def an_attribute():
    cfg = Config()
    return lambda x: A * x * cfg.rate, lambda i: setattr(cfg, "rate", i + 1.0)


def a_flag():
    cfg = Config()
    return lambda x: A * x if cfg.training else A + x, lambda i: setattr(cfg, "training", i % 2 == 1)


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


def a_slot():
    cfg = Slotted()
    return lambda x: A * x * cfg.scale, lambda i: setattr(cfg, "scale", i + 1.0)


def a_slot_that_was_empty():
    cfg = Slotted()
    return lambda x: A * x * getattr(cfg, "other", 1.0), lambda i: setattr(cfg, "other", i + 1.0)


def a_dataclass():
    p = Point()
    return lambda x: A * x * p.x + sum(p.tags), lambda i: setattr(p, "x", i + 1.0)


def a_list_in_a_dataclass():
    p = Point()
    return lambda x: A * x + sum(p.tags), lambda i: p.tags.append(1.0)


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


def a_value_that_is_replaced():
    ws = [Value(1.0), Value(2.0)]
    return lambda x: ws[0] * x + ws[1] * A, lambda i: ws.__setitem__(0, Value(i + 5.0))


def a_layer_that_is_replaced():
    model = MLP(2, [2, 1])
    return lambda x: model([x, 1.0]) * A, lambda i: model.layers.__setitem__(0, Layer(2, 2, nonlin="tanh"))


def an_activation():
    model = MLP(2, [2, 1])
    return lambda x: model([x, -1.0]) * A, lambda i: setattr(
        model.layers[0].neurons[0], "nonlin", ["tanh", False][i % 2]
    )


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


def another_class():
    class Net:
        def __call__(self, x):
            return A * x

    class Other(Net):
        def __call__(self, x):
            return A * x * x

    net = Net()
    return lambda x: net(x), lambda i: setattr(net, "__class__", [Other, Net][i % 2])


def a_mutable_default():
    def f(x, k=[1.0]):  # noqa: B006
        return A * x * sum(k)

    return f, lambda i: (f.__defaults__ or ())[0].append(i)


def a_default():
    def f(x, *, k=1.0):
        return A * x * k

    return f, lambda i: setattr(f, "__kwdefaults__", {"k": i + 2.0})


def a_default_of_a_helper():
    def scale(x, k=1.0):
        return x * k

    return lambda x: A * scale(x), lambda i: setattr(scale, "__defaults__", (i + 2.0,))


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


def the_shape_of_an_array():
    w = {"it": np.arange(6.0)}
    return lambda x: A * x * w["it"].shape[0], lambda i: w.update(it=w["it"].reshape([(2, 3), (3, 2), (6,)][i % 3]))


def an_array_of_values():
    w = np.array([Value(1.0), Value(2.0)])
    return lambda x: A * x * w[0], lambda i: w.__setitem__(0, Value(i + 3.0))


def a_tensor():
    w = torch.tensor([1.0, 2.0], dtype=torch.float64)
    return lambda x: A * x * float(w[0]), lambda i: w.__setitem__(0, i + 3.0)


def a_set():
    names = {"a"}
    return lambda x: A * x if "b" in names else A + x, lambda i: (names.add if i % 2 else names.discard)("b")


def a_deque():
    window = collections.deque([1.0], maxlen=3)
    return lambda x: A * x + sum(window), lambda i: window.append(i + 2.0)


def a_namespace():
    cfg = types.SimpleNamespace(rate=1.0)
    return lambda x: A * x * cfg.rate, lambda i: setattr(cfg, "rate", i + 2.0)


def parsed_arguments():
    cfg = argparse.Namespace(rate=1.0)
    return lambda x: A * x * cfg.rate, lambda i: setattr(cfg, "rate", i + 2.0)


def a_kind_of_dict():
    cfg = collections.defaultdict(float, rate=1.0)
    return lambda x: A * x * cfg["rate"], lambda i: cfg.update(rate=i + 2.0)


def a_dict_that_is_an_object():
    cfg = collections.UserDict(rate=1.0)
    return lambda x: A * x * cfg["rate"], lambda i: cfg.update(rate=i + 2.0)


def a_module():
    module = types.ModuleType("settings")
    vars(module)["rate"] = 1.0
    return lambda x: A * x * module.rate, lambda i: setattr(module, "rate", i + 2.0)


def a_constant_of_pythons():
    def change(i):
        vars(math)["scale"] = i + 1.0

    change(0)
    return lambda x: A * x * math.scale, change  # type: ignore[attr-defined]


def a_module_that_is_imported_inside():
    def f(x):
        from settings_that_are_imported import scale  # type: ignore[import-not-found]

        return A * x * scale

    sys.modules["settings_that_are_imported"] = module = types.ModuleType("settings_that_are_imported")

    def change(i):
        vars(module)["scale"] = i + 1.0

    change(0)
    return f, change


def a_name_of_pythons_that_is_hidden():
    return lambda x: A * max(x * 0 + 1.0 if False else 1.0, 2.0) * x, lambda i: change_global("max", lambda *_: i + 5.0)


def a_partial():
    cfg = {"k": 1.0}
    return functools.partial(lambda cfg, x: A * x * cfg["k"], cfg), lambda i: cfg.update(k=i + 2.0)


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


def a_bound_method_inside():
    class Net:
        k = 1.0

        def f(self, x):
            return x * self.k

    net = Net()
    f = net.f
    return lambda x: A * f(x), lambda i: setattr(net, "k", i + 2.0)


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

        @staticmethod
        def more():
            return TABLE[0]

        @classmethod
        def scale(cls):
            return cls.k

        @functools.cached_property
        def once(self):
            return TABLE[1]

    net = Net()
    assert net.once
    return lambda x: A * x * net.twice * net.more() * net.scale() * net.once, lambda i: setattr(Net, "k", i + 2.0)


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


def under_vmap():
    cfg = Config()
    return lambda x: sum(vmap(lambda row: A * row * cfg.rate)([x, 2.0])), lambda i: setattr(cfg, "rate", i + 1.0)


def an_enum():
    cfg = {"color": Color.RED}
    return lambda x: A * x * cfg["color"].value, lambda i: cfg.update(color=[Color.BLUE, Color.RED][i % 2])


def a_label():
    class Param(Value):
        scale = 1.0

    p = Param(2.0)
    return lambda x: p * x * p.scale * A, lambda i: setattr(p, "scale", i + 2.0)


def what_getattr_finds():
    cfg = Config()
    return lambda x: A * x * getattr(cfg, "ra" + "te"), lambda i: setattr(cfg, "rate", i + 1.0)


def an_array_of_python():
    numbers: Any = array.array("d", [1.0, 2.0])
    return lambda x: A * x * numbers[0] * len(numbers), lambda i: numbers.extend([1.0, float(i)]) or numbers.reverse()


def what_a_proxy_shows():
    cfg = {"rate": 1.0}
    shown = types.MappingProxyType(cfg)
    return lambda x: A * x * shown["rate"], lambda i: cfg.update(rate=i + 2.0)


def what_a_weak_reference_leads_to():
    cfg = Config()
    kept.append(cfg)
    reference: Any = weakref.ref(cfg)
    return lambda x: A * x * reference().rate, lambda i: setattr(cfg, "rate", i + 1.0)


def a_variable_of_the_context():
    rate = contextvars.ContextVar("rate", default=1.0)
    return lambda x: A * x * rate.get(2.0), lambda i: rate.set(i + 3.0)


def a_variable_that_is_none():
    rate: Any = contextvars.ContextVar("rate")
    return lambda x: A * x * (2.0 if rate.get(1.0) is None else 3.0), lambda i: rate.set(None if i % 2 else 1.0)


def a_view_of_a_dict():
    table = {"a": 1.0}
    values = table.values()
    return lambda x: A * x * sum(values), lambda i: table.update({"b": float(i)})


def a_weak_dict():
    table: Any = weakref.WeakValueDictionary()
    kept.append(cfg := Config())
    table["cfg"] = cfg
    return lambda x: A * x * table["cfg"].rate, lambda i: setattr(cfg, "rate", i + 1.0)


def a_variable_of_the_thread():
    local = threading.local()
    local.rate = 1.0
    return lambda x: A * x * local.rate, lambda i: setattr(local, "rate", i + 2.0)


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
    vars(math).pop("scale", None)
    sys.modules.pop("settings_that_are_imported", None)


# These have no name, or belong to Python, or are equal to what they were: only `check=True` sees them.
UNNAMED = (
    another_class,
    a_constant_of_pythons,
    what_a_weak_reference_leads_to,
    a_weak_dict,
    a_variable_of_the_context,
    a_variable_that_is_none,
)


def right_or_refused(compiled, *arguments):
    """With `check=True` a call is right, or an error says that it is not."""
    try:
        got = compiled(*arguments)
    except TypeError as error:
        assert re.search("something else|another structure|looks at|was known|expected one", str(error))  # noqa: PT017
    else:
        assert data_of(got) == pytest.approx(data_of(compiled.__wrapped__(*arguments)), rel=1e-6)


@pytest.mark.parametrize("make", UNNAMED, ids=lambda make: make.__name__)
def test_what_has_no_name_is_seen_by_comparing(make):
    f, change = make()
    compiled = micrograd.compile(f, check=True)
    for i in range(3):
        for x in (0.5, -1.5):
            right_or_refused(compiled, x)
        change(i)


@pytest.mark.parametrize("make", [x for x in CHANGES if x not in UNNAMED], ids=lambda make: make.__name__)
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


def test_what_does_not_matter_is_not_traced_anew():
    class Trainer:
        def __init__(self):
            self.model, self.steps, self.losses, self.rate = MLP(2, [2, 1]), 0, [], 0.5
            self.loss = micrograd.compile(self.compute)

        def compute(self, x):
            return self.model(x) * self.rate

        def step(self):
            self.losses.append(self.loss([1.0, 2.0]).data)
            self.steps += 1

    trainer = Trainer()
    for _ in range(10):
        trainer.step()
    assert len(trainer.loss._order) == 1


def test_what_changes_again_and_again_is_told():
    cfg = {"rate": 0.0}
    compiled = micrograd.compile(lambda x: A * x * cfg["rate"])
    for i in range(8):
        cfg["rate"] = float(i)
        compiled(1.0)
    cfg["rate"] = 8.0
    with pytest.warns(
        UserWarning,
        match=r"^cfg was another for the 8th time, and <lambda> .* anew .*: pass it as an argument",
    ):
        compiled(1.0)


def test_another_object_each_time_is_told():
    compiled = micrograd.compile(lambda point: A * point.x)
    for i in range(8):
        assert compiled(Point(float(i))).data == 2.0 * i
    text = "^point was another for the 8th time, and <lambda> was traced anew each time: pass it as an argument"
    with pytest.warns(UserWarning, match=text):
        compiled(Point(8.0))


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
SCALED, SCALED_TOO = Value(1.0), Value(1.0)
SCALED.scale, SCALED_TOO.scale = 3.0, 5.0  # type: ignore[attr-defined]
RATES = {BIAS: 2.0}


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def scale_of(x):
    try:
        return x.scale
    except AttributeError:
        return 1.0


def of_what_type(x):
    match x:
        case int():
            return A
        case _:
            return A * 3.0


QUESTIONS = {
    "same lists": (lambda x, y: A if x is y else B, (ONE, ANOTHER), (ONE, ONE)),
    "one inside": (lambda x, y: A if x[0] is y else B, ([ONE, 1.0], ANOTHER), ([ONE, 1.0], ONE)),
    "same in an array": (lambda x: A if x[0] is x[1] else B, ([BIAS, WEIGHT],), (np.array([BIAS, BIAS]),)),
    "isinstance": (lambda x: sum(A if isinstance(i, float) else B for i in x), ([1, 2],), ([1.0, 2],)),
    "match": (lambda x: of_what_type(x[0]), ([1.0],), ([1],)),
    "label": (lambda x: A * x if x.label == "bias" else B, (BIAS,), (WEIGHT,)),
    "labels": (lambda x: sum(v for v in x if v.label == "bias"), ([BIAS, BIAS],), ([WEIGHT, BIAS],)),
    "parents": (lambda x: A * x if x._prev else B * x, (BIAS,), (THREE,)),
    "hasattr": (lambda xs: A * (2 if hasattr(xs[0], "bit_length") else 3), ([1.0],), ([1],)),
    "an enum": (lambda e: A if e is Level.HIGH else B, (Level.LOW,), (Level.HIGH,)),
    "what hangs on one": (lambda x: x * getattr(x, "scale", 1.0), (WEIGHT,), (SCALED,)),
    "what somebody hung on one": (lambda x: x * scale_of(x), (WEIGHT,), (SCALED,)),
    "hasattr of a Value": (
        lambda x, y: x * y * (5.0 if hasattr(y, "scale") else 1.0),
        (SCALED, WEIGHT),
        (WEIGHT, SCALED),
    ),
    "what hangs on it": (lambda x: x * x.scale, (SCALED,), (SCALED_TOO,)),
    "a key": (lambda x: x * RATES.get(x, 1.0), (WEIGHT,), (BIAS,)),
    "operation": (lambda x: A * x if x._op == "*" else B * x, (BIAS,), (THREE,)),
}


@pytest.mark.parametrize(("f", "first", "second"), QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_asked_of_arguments_beside_their_numbers_is_seen_by_comparing(f, first, second):
    for calls in ((first, second), (second, first)):
        compiled = micrograd.compile(f, check=True)
        for arguments in calls:
            right_or_refused(compiled, *arguments)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32])
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
    with pytest.raises(TypeError, match=r"looks at a number"):
        micrograd.compile(lambda x: A * len(x.hex()))(3.0)


def test_an_infinite_base_to_an_exponent_to_come():
    compiled = micrograd.compile(lambda k: A * (-math.inf) ** k)
    for k in (0.5, 2.0, 3.0, -3.0):
        assert compiled(k).data == 2.0 * (-math.inf) ** k


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


def swallowed_format(x):
    try:
        return A * len(f"{x:.3f}")
    except TypeError:
        return A * 5.0


@pytest.mark.parametrize("function", [swallowed_test, swallowed_float, swallowed_format])
def test_a_look_whose_error_is_caught_is_refused_all_the_same(function):
    compiled = micrograd.compile(function)
    with pytest.raises(TypeError, match="looks at a number"):
        compiled(1.0)


def test_a_variable_of_another_thread():
    local = threading.local()
    local.scale = 2.0
    compiled = micrograd.compile(lambda x: A * x * local.scale)
    assert compiled(1.0).data == 4.0
    found = []

    def elsewhere():
        local.scale = 9.0
        found.append(compiled(1.0).data)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert [*found, compiled(1.0).data] == [18.0, 4.0]


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


def carries(x, state):
    state["h"] = state["h"] * A + x
    return state["h"]


def appends(x, state):
    state["kept"].append(A * x)
    return state["kept"][-1]


def keeps(x, state):
    state["cfg"].last = A * x
    return A * x


def writes(x, state):
    state["array"][0] = 5.0
    return A * x


def adds(x, state):
    state["set"].add("b")
    return A * x


def pushes(x, state):
    state["deque"].append(1.0)
    return A * x


def extends(x, state):
    state["bytes"].append(1)
    return A * x


def of_a_class(x, state):
    setattr(Config, "made", 1.0)  # noqa: B010
    Config.scale += 1.0
    return A * x


def of_a_slot(x, state):
    state["slotted"].scale += 1.0
    state["slotted"].other = 1.0
    return A * x


def a_global_name(x, state):
    global made_inside
    made_inside = A * x  # type: ignore[name-defined]
    return A * x


def draws(x, state):
    return A * x * random.random()


def draws_rarely(x, state):
    return A * x if random.random() > 1e-9 else A


def draws_with_numpy(x, state):
    return A * x * (2.0 if np.random.rand() < 2.0 else 3.0)


def draws_with_a_generator(x, state):
    return A * x * (2.0 if state["rng"].random() < 2.0 else 3.0)


def draws_with_its_own(x, state):
    return A * x * (2.0 if state["own"].random() < 2.0 else 3.0)


def assigns(x, state):
    A.data = 5.0
    return A * x


def assigns_the_same(x, state):
    B.grad = 0.0
    return A * x


def walks_back(x, state):
    out = A * x
    out.backward()
    return out


def zeroes(x, state):
    for v in (A, B):
        v.grad = 0.0
    return A * x


EFFECTS = {
    counts: r"state\['n'\]",
    carries: r"state\['h'\]",
    appends: r"state\['kept'\]\[0\]",
    keeps: r"state\['cfg'\]\.last",
    writes: r"state\['array'\]",
    adds: r"state\['set'\]\['b'\]",
    pushes: r"state\['deque'\]\[0\]",
    extends: r"state\['bytes'\]",
    of_a_class: r"Config\.scale, Config\.made",
    of_a_slot: r"state\['slotted'\]\.(scale|other)",
    a_global_name: "made_inside",
    draws: "random",
    draws_rarely: "random",
    draws_with_numpy: r"np\.random",
    draws_with_a_generator: r"state\['rng'\]",
    draws_with_its_own: r"state\['own'\]",
    assigns: r"A\.data",
    assigns_the_same: r"B\.grad",
    walks_back: r"A\.grad",
    zeroes: r"A\.grad, B\.grad",
}


@pytest.mark.parametrize("function", EFFECTS, ids=lambda function: function.__name__)
def test_effects_are_refused(function):
    state: dict[str, Any] = {
        "n": 0,
        "h": 0.5,
        "kept": [],
        "cfg": Config(),
        "array": np.zeros(2),
        "set": {"a"},
        "deque": collections.deque(),
        "bytes": bytearray(),
        "slotted": Slotted(),
        "rng": np.random.default_rng(0),
        "own": random.Random(0),
        "context": contextvars.ContextVar("context"),
    }
    state["context"].set(1.0)
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
        micrograd.compile(lambda x: A * x * A.grad)(3.0)
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


class Remembering(Module):
    def __init__(self):
        self.w, self.last, self.history = Value(1.0), None, list[Any]()

    def loss(self, x):
        return self.w * x + sum(p * p for p in self.parameters())


@pytest.mark.parametrize("kept", [lambda net, y: setattr(net, "last", y), lambda net, y: net.history.append(y)])
@pytest.mark.parametrize("run", [lambda f: f, lambda f: f.__wrapped__], ids=["compiled", "plain"])
def test_a_result_that_is_kept_is_no_parameter(kept, run):
    net = Remembering()
    compiled = micrograd.compile(lambda x: net.loss(x))
    for x in (2.0, 3.0, 4.0):
        check(net.loss, [net.w], x, compiled=compiled)
        kept(net, run(compiled)(x))
        assert len(net.parameters()) == 1


def test_what_a_result_from_before_was_computed_from_can_be_seen():
    before = A * 5.0
    check(lambda x: before * x + len(before._prev), [A], 2.0)


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


def one_or_the_other(x):
    return A if is_float(x) else B


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (the_clock, "computes something else when it is compiled"),
        (by_type, r"its result is 5\.0, without compile it is 6\.0"),
        (a_list_or_not, "returned something of another structure when it ran again"),
        (one_or_the_other, "returned something of another structure when it ran again"),
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
    A.grad = 0.0


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x in {1.0, 2.0},
        lambda x: {1.0: 5.0}.get(x, 1.0),
        lambda x: hash(x),
        lambda x: str(x),
        lambda x: repr(x),
        lambda x: f"{x}",
        lambda x: f"{x:.2f}",
        lambda x: print(x),
        lambda x: print(Value(x)),
        lambda x: [1.0, 2.0][x],
        lambda x: x in [1.0, 2.0],
        lambda x: functools.lru_cache(lambda y: y)(x),
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
    [iter([1.0]), (x for x in [1.0]), zip([1.0]), [map(float, [1])], itertools.count()],
    ids=lambda x: type(x).__name__,
)
def test_iterators_as_arguments(argument):
    with pytest.raises(TypeError, match=r"gone through once only.*pass a list"):
        micrograd.compile(lambda xs: A * sum(xs))(argument)


@pytest.mark.parametrize(
    "argument",
    [
        np.ma.array([1.0, 2.0], mask=[False, True]),
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


def test_which_values_are_the_same():
    class Param(Value):
        scale = 1.0

    def f(p, q):
        same = 2.0 if p is q else 3.0
        outside = 5.0 if p is B else 7.0 if q in [A] else 11.0
        kind = 13.0 if isinstance(p, Param) else 17.0
        return p * q * same * outside * kind * getattr(p, "scale", 1.0)

    compiled = micrograd.compile(f, check=True)
    special, other = Param(1.5), Param(2.5)
    other.scale = 4.0
    c, d = Value(0.5), Value(0.25)
    for p, q in itertools.product((A, B, c, d, special, other), repeat=2):
        right_or_refused(compiled, p, q)


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


def test_any_global():
    names: dict[str, Any] = {"A": A, "RATE": 2.0}
    compiled = micrograd.compile(eval('lambda x: A * globals()["RATE"] * x', names), check=True)
    for rate in (2.0, 3.0):
        names["RATE"] = rate
        right_or_refused(compiled, 1.0)


def test_whole_numbers_are_floats():
    """As all numbers among the arguments are."""
    compiled = micrograd.compile(lambda n, x: A * x if isinstance(n, int) else A + x, check=True)
    for n in (1.0, 1, 2, 2.0):
        right_or_refused(compiled, n, 3.0)


# ---- rounding ----


@pytest.mark.parametrize(
    "function",
    [
        lambda x: sum([x * A, -x * A, A * 1e-9]) * 1e9,
        lambda x: (A * x + 1e16) - 1e16 + A,
        lambda x: sum([A * 1e16, x, A * -1e16, x]),
        lambda x: sum([A * 1e308, A * -1e308, x]),
        lambda x: sum([A * 9e307, x * 1e308, A * -9e307]),
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
    A.grad = 0.0


def test_larger_ones_are_checked_forward_only(monkeypatch):
    monkeypatch.setattr("micrograd.compiler.call.LARGE", 10)
    A.grad = 0.0
    compiled = micrograd.compile(lambda x: sum(A * v for v in x))
    compiled([1.0] * 20).backward()
    assert A.grad == 20.0
    A.grad = 0.0


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
    A.grad = 0.0


# ---- arguments, and what is in them ----


def reversed_in_place(xs):
    xs.reverse()
    return A * xs[0]


def an_item_of_it(xs):
    xs[0] = xs[0] * 2.0
    return A * xs[0]


def more_of_it(xs):
    xs += [1.0]
    return A * xs[0]


@pytest.mark.parametrize("function", [reversed_in_place, an_item_of_it, more_of_it])
@pytest.mark.parametrize("kind", [list, np.array, lambda xs: [Value(x) for x in xs]], ids=["list", "array", "values"])
def test_a_change_of_an_argument_is_refused(function, kind):
    if kind is np.array:
        function = an_item_of_it
    xs = kind([3.0, 1.0, 2.0])
    with pytest.raises(TypeError, match=f"{function.__name__} changes xs"):
        micrograd.compile(function)(xs)


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


class Meta(type):
    k = 1.0


class Made(metaclass=Meta):
    pass


@dataclasses.dataclass
class Loose:
    name: str = "a"
    w: float = dataclasses.field(default=1.0, compare=False)


GET = operator.attrgetter("rate")


def check_twice(function, arguments, change):
    """The same numbers as without compile, before a change and after it."""
    compiled = micrograd.compile(function)
    for _ in range(2):
        assert data_of(compiled(*arguments)) == data_of(function(*arguments))
        change()
    assert len(compiled._order) == 2
    assert data_of(compiled(*arguments)) == data_of(function(*arguments))


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda xs: A * xs[0] * xs[1].rate, lambda: [[0.5, Config()]], lambda xs: setattr(xs[1], "rate", 7.0)),
        (lambda d: A * d["c"].rate, lambda: [{"c": Config()}], lambda d: setattr(d["c"], "rate", 7.0)),
        (lambda fs: A * fs[0](0.5), lambda: [[helper]], lambda fs: change_global("RATE", 7.0)),
        (lambda p: p.scaled(), lambda: [Special(2.0)], lambda p: change_global("RATE", 7.0)),
        (lambda p: A * p.total(), lambda: [Pair(1.0, 2.0)], lambda p: change_global("RATE", 7.0)),
        (lambda c: A * c.rate, lambda: [Config()], lambda c: setattr(c, "rate", 7.0)),
    ],
)
def test_objects_in_the_arguments_may_change(function, make, change):
    arguments = make()
    check_twice(function, arguments, lambda: change(*arguments))


def test_classes_that_are_called():
    check_twice(lambda x: A * x * Rate().rate, [1.0], lambda: change_global("RATE", 7.0))


class Scaled:
    """What it makes of a number depends on what is around its class."""

    def __init__(self, x):
        self.x = x * RATE

    def like(self, x):
        return type(self)(x)

    def as_this(self, x):
        return self.__class__(x)

    @classmethod
    def of(cls, x):
        return cls(x)


class Closing:
    x = 1.0

    def close(self):
        self.x = RATE


class Visitor(ast.NodeVisitor):
    def visit_Constant(self, node):
        return node.value * RATE


class Setting(collections.ChainMap):
    pass


class Own(list):
    def __eq__(self, other):
        return [x == y for x, y in zip(self, other)]

    __hash__ = None


class Matched:
    __match_args__ = ("rate",)
    rate = 1.0


def by_position(k, x):
    match k:
        case Matched(rate):
            return A * x * rate


class Options(enum.Enum):
    FAST = {"rate": 1.0}  # noqa: RUF012


@dataclasses.dataclass(repr=False, eq=False)
class Plain:
    a: float = 2.0
    b: float = 1.0


def closed(x):
    with contextlib.closing(Closing()) as found:
        pass
    return A * x * found.x


def new_attributes(x, **attributes):
    x.__dict__ = {**vars(x), **attributes}


class Keyed:
    def keys(self):
        return TABLE_KEYS

    def __getitem__(self, key):
        return 2.0


T = typing.TypeVar("T")


class Boxed(typing.Generic[T]):
    def __init__(self, x):
        self.x = x * RATE


TABLE_KEYS = ["a"]
ALIAS = Boxed[float]


def visited(x):
    return A * x * Visitor().visit(ast.parse("2.0", mode="eval").body)


def named(x):
    return x


NAMED_RATE, FORMAT = "rate", "{0.rate}"


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (
            lambda k, x: A * sum(y.rate for y in k) * x,
            lambda: {Config(): 1.0},
            lambda k: setattr(next(iter(k)), "rate", 7.0),
        ),
        (lambda k, x: A * min(k)[0].rate * x, lambda: {(Config(),): 1}, lambda k: setattr(min(k)[0], "rate", 7.0)),
        (lambda k, x: A * k.like(x).x, lambda: Scaled(1.0), lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * k.as_this(x).x, lambda: Scaled(1.0), lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * k.of(x).x, lambda: Scaled(1.0), lambda k: change_global("RATE", 7.0)),
        (lambda k, x: visited(x), lambda: None, lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * k["rate"] * x, lambda: Setting({"rate": 1.0}), lambda k: k.update(rate=7.0)),
        (lambda k, x: A * k[0] * x, lambda: Own([1.0]), lambda k: k.__setitem__(0, 7.0)),
        (
            lambda k, x: A * k.value["rate"] * x,
            lambda: Options.FAST,
            lambda k: k.value.update(rate=k.value["rate"] + 1),
        ),
        (lambda k, x: A * sum(dataclasses.astuple(k)) * x, Plain, lambda k: setattr(k, "a", 7.0)),
        (lambda k, x: A * sum(dataclasses.asdict(k).values()) * x, Plain, lambda k: setattr(k, "a", 7.0)),
        (
            lambda k, x: A * operator.attrgetter("limit", NAMED_RATE)(k)[1] * x,
            Config,
            lambda k: setattr(k, "rate", 7.0),
        ),
        (lambda k, x: A * ALIAS(x).x, lambda: None, lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * getattr(k, NAMED_RATE) * x, Config, lambda k: setattr(k, "rate", 7.0)),
        (lambda k, x: A * k() * x, lambda: [1.0, 2.0].__len__, lambda k: k.__self__.append(3.0)),
        (lambda k, x: A * type(k).k * x, Made, lambda k: setattr(Meta, "k", Meta.k + 1.0)),
    ],
)
def test_ways_to_change_what_is_around(function, make, change):
    k: Any = make()
    check_twice(lambda x: function(k, x), [2.0], lambda: change(k))


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda k, x: A * k.rate * x, Config, lambda k: new_attributes(k, rate=7.0)),
        (lambda k, x: A * k.w * x, lambda: Loose(w=2.0), lambda k: new_attributes(k, w=7.0)),
        (lambda k, x: x * k(A), lambda: MLP(1, [1]), lambda k: new_attributes(k, layers=MLP(1, [1]).layers)),
        (lambda k, x: A * k.s * x, lambda: marked(1.0), lambda k: new_attributes(k, s=7.0)),
        (lambda k, x: closed(x), lambda: None, lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * float(FORMAT.format(k)) * x, Config, lambda k: setattr(k, "rate", 7.0)),
        (lambda k, x: A * sum({**k}.values()) * x, Keyed, lambda k: TABLE_KEYS.append("b")),
        (
            lambda k, x: A * k(x).x,
            lambda: type("Made", (Scaled,), {}),
            lambda k: setattr(k, "__init__", Boxed.__init__),
        ),
        (by_position, Matched, lambda k: setattr(k, "rate", 7.0)),
        (lambda k, x: A * len(k.__name__) * x, lambda: named, lambda k: setattr(k, "__name__", k.__name__ + "s")),
        (lambda k, x: A * len(k.__name__) * x, lambda: Closing, lambda k: setattr(k, "__name__", k.__name__ + "s")),
    ],
)
def test_ways_to_change_what_has_no_name(function, make, change):
    k: Any = make()
    compiled = micrograd.compile(lambda x: function(k, x), check=True)
    right_or_refused(compiled, 2.0)
    change(k)
    right_or_refused(compiled, 2.0)


def test_numbers_of_keys_are_those_of_now():
    w = Value(1.0)
    weights = {w: 2.0}
    compiled = micrograd.compile(lambda x: sum(v.data * k for v, k in weights.items()) * x)
    for w.data in (1.0, 3.0):
        assert compiled(2.0) == w.data * 4.0


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


@pytest.mark.parametrize(
    ("function", "make", "change"),
    [
        (lambda k, x: A * k(x), lambda: Wrapped(helper), lambda k: setattr(k, "k", 5.0)),
        (lambda k, x: A * k.total() * x, lambda: Rows([1.0]), lambda k: change_global("RATE", 7.0)),
        (lambda k, x: A * k.k * x, lambda: Made, lambda k: setattr(Meta, "k", 5.0)),
        (lambda k, x: A * k["l"][0].w * x, lambda: {"l": [Loose()]}, lambda k: k.update(l=[Loose("a", 5.0)])),
        (lambda k, x: A * k["l"][0][0] * x, lambda: {"l": [np.ones(1)]}, lambda k: k.update(l=[np.array([5.0])])),
        (lambda k, x: A * k.s * x, lambda: marked(1.0), lambda k: setattr(k, "s", 5.0)),
        (lambda k, x: A * GET(k) * x, Config, lambda k: setattr(k, "rate", 5.0)),
        (lambda k, x: A * matched(k) * x, Config, lambda k: setattr(k, "rate", 5.0)),
        (lambda k, x: A * float(k[0]) * x, lambda: torch.ones(1, dtype=torch.float64), lambda k: k.__setitem__(0, 5.0)),
    ],
)
def test_more_that_may_change(function, make, change):
    k = make()
    check_twice(lambda x: function(k, x), [0.5], lambda: change(k))
    Meta.k = 1.0


def matched(k):
    match k:
        case Config(rate=rate):
            return rate


def marked(s):
    v = Value(2.0)
    v.s = s  # type: ignore[attr-defined]
    return v


def test_a_module_that_is_first_imported_inside(tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_test.py").write_text("rate = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def f(x):
        import settings_of_a_test  # type: ignore[import-not-found]

        return A * x * settings_of_a_test.rate

    def change():
        sys.modules["settings_of_a_test"].rate = 5.0  # type: ignore[attr-defined]

    check_twice(f, [1.0], change)


def test_draws_from_torch_are_refused():
    with pytest.raises(TypeError, match="changes torch"):
        micrograd.compile(lambda x: A * x * (1.0 if torch.rand(1).item() < 2.0 else 2.0))(1.0)


def test_a_trainer_with_counters_is_traced_once():
    class Trainer:
        def __init__(self):
            self.model, self.steps = MLP(2, [1]), 0
            self.loss = micrograd.compile(self.compute)

        def compute(self, x):
            return self.model(x) + 1e-3 * sum(p * p for p in self.model.parameters())

    trainer = Trainer()
    for _ in range(5):
        trainer.loss([1.0, 2.0]).backward()
        trainer.steps += 1
    assert len(trainer.loss._order) == 1


TEXTS_OF: dict[str, Any] = {
    "repr": repr,
    "str": str,
    "format": format,
    "an f-string": lambda net: f"{net}",
    "an f-string of a list": lambda net: f"{[net]!r:>80}",
    "%": lambda net: "%s" % net,  # noqa: UP031
    "str.format": "{}".format,
    "its method": lambda net: net.__repr__(),
    "pprint": pprint.pformat,
    "a method in a cell": None,
}


@pytest.mark.parametrize("what", TEXTS_OF)
def test_a_text_or_list_of_a_module_is_that_of_now(what):
    class Net(Module):
        def __init__(self):
            self.layers: list[Any] = [MLP(1, [1])]
            self.gain: Any = None
            self.steps = 0

    net: Any = Net()
    own, text = net.parameters, TEXTS_OF[what]

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


@dataclasses.dataclass
class Progress:
    rate: float = 0.5
    calls: int = 0


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


def test_functions_of_arrays():
    def f(X):
        return A * np.exp(X - 1.0)[0] + np.tanh(2 * X)[1] * A - A * abs(-X)[0]

    compiled = micrograd.compile(f)
    compiled(np.array([1.0, 2.0])).backward()
    agree([A.grad], [f(np.array([1.0, 2.0])).data / 2.0])
    with pytest.raises(TypeError, match=r"got numbers of float32, .* pass X\.astype\(float\)"):
        micrograd.compile(lambda X: A * (X - 0.1)[0])(np.array([0.3, 0.7], np.float32))


def test_what_only_the_second_run_meets_is_marked():
    with pytest.raises(KeyError) as error:
        micrograd.compile(lambda x: A * x if is_float(x) else dict[str, float]()["oops"])(1.0)
    assert "while the function ran a second time, to be compiled" in "".join(error.value.__notes__)


def test_the_oldest_program_goes_also_where_its_arguments_are_those_of_others():
    cfg = Config()
    compiled = micrograd.compile(lambda x: A * x * cfg.rate, maxsize=2)
    for rate in (1.0, 2.0, 3.0):
        cfg.rate = rate
        assert compiled(1.0).data == 2.0 * rate
    assert [len(calls) for calls in compiled._calls.values()] == [2]


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


def test_a_number_with_a_plus():
    assert micrograd.compile(lambda x: A * +x)(3.0).data == 6.0


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


def test_a_question_about_types_is_traced_once():
    compiled = micrograd.compile(lambda x: A * x if isinstance(x, Value) else A)
    for _ in range(3):
        compiled(B)
    assert len(compiled._order) == 1


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


def flag_if_any(v):
    factor = 1.0
    with contextlib.suppress(AttributeError):
        factor = v.flag
    return v * factor


def flag_in_a_pattern(v):
    match v:
        case Value(flag=flag):  # type: ignore[misc]
            return v * flag
    return v


def has_a_flag(v):
    has = hasattr
    return v * (2.0 if has(v, FLAG) else 3.0)


def in_a_cell(has):
    return lambda v: v * (2.0 if has(v, FLAG) else 3.0)


FLAG = "flag"
has_it = hasattr

# What hangs on a Value: a function of it, how one is made, and what changes.
HUNG = {
    "a list": (
        lambda v: v * sum(v.scales),
        lambda kind: bearer(kind, scales=[1.0, 2.0]),
        lambda v, i: v.scales.append(3.0),
    ),
    "lists in lists": (
        lambda v: v * sum(map(sum, v.scales)),
        lambda kind: bearer(kind, scales=[[1.0], [2.0]]),
        lambda v, i: v.scales[1].append(3.0),
    ),
    "an object": (
        lambda v: v * v.config.rate,
        lambda kind: bearer(kind, config=Config()),
        lambda v, i: setattr(v.config, "rate", 3.0 + i),
    ),
    "a list in an object": (
        lambda v: v * sum(v.config.nested["depth"]),
        lambda kind: bearer(kind, config=Config()),
        lambda v, i: v.config.nested["depth"].append(3.0),
    ),
    "an array": (
        lambda v: v * v.scales.sum(),
        lambda kind: bearer(kind, scales=np.array([1.0, 2.0])),
        lambda v, i: v.scales.put(1, 3.0 + i),
    ),
    "a number": (
        lambda v: v * v.config,
        lambda kind: bearer(kind, config=2.0),
        lambda v, i: setattr(v, "config", 3.0 + i),
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
    "hasattr of a name": (lambda v: v * (2.0 if hasattr(v, FLAG) else 3.0), bearer, toggle),
    "hasattr of a chosen name": (lambda v: v * (2.0 if hasattr(v, FLAG if v else "data") else 3.0), bearer, toggle),
    "hasattr by another name": (lambda v: v * (2.0 if has_it(v, FLAG) else 3.0), bearer, toggle),
    "hasattr in a cell": (in_a_cell(hasattr), bearer, toggle),
    "hasattr by a local name": (has_a_flag, bearer, toggle),
    "getattr": (lambda v: v * getattr(v, "flag", 5.0), bearer, toggle),
    "vars": (lambda v: v * (1.0 + len(vars(v))), bearer, toggle),
    "dir": (lambda v: v * len(dir(v)), bearer, toggle),
    "attrgetter": (
        lambda v: v * operator.attrgetter(FLAG)(v),
        lambda kind: bearer(kind, flag=1.0),
        lambda v, i: setattr(v, "flag", 2.0 + i),
    ),
    "except": (flag_or_none, bearer, toggle),
    "suppress": (flag_if_any, bearer, toggle),
    "match": (flag_in_a_pattern, bearer, toggle),
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
    if kind is Value and (way != "around" or what in ("its label", "dir", "except", "suppress", "match")):
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


# What holds a number, which another takes the place of that is equal and of another type.


def half_of_it(p):
    out: Any = p * 2.0
    out.half = p.data / 2.0
    return out


def list_of_it(p):
    out: Any = p * 2.0
    out.kept = [p.data]
    return out


def the_argument(p):
    out: Any = p * 2.0
    out.kept = p
    return out


def slot_of_it(p):
    out: Any = Tagged(p.data, (p,), "same", lambda out: None)
    out.config = p.data
    return out


def a_constant(p):
    out: Any = Value(3.0)
    out.kept = p.data
    return [out, p * 1.0]


@pytest.mark.parametrize("function", [half_of_it, list_of_it, the_argument, slot_of_it, a_constant])
def test_what_is_assigned_to_a_result_is_refused(function):
    with pytest.raises(
        TypeError, match=rf"^{function.__name__} assigns \.(half|kept|config) of a Value that it returns"
    ):
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
    compiled = micrograd.compile(lambda x: A * x * endless[0])
    for endless[0] in (1.0, 2.0):
        assert compiled(1.0).data == 2.0 * endless[0]
    assert micrograd.compile(lambda n: A * (2.0 if isinstance(n**-1, int) else 3.0))(2).data == 6.0


def test_names_of_attributes_that_are_constant_do_not_count_others():
    config: Any = Config()
    compiled = micrograd.compile(lambda x: A * x * (2.0 if hasattr(config, "flag") else 3.0))
    for config.counter in range(3):
        assert compiled(1.0).data == 6.0
    assert len(compiled._order) == 1
    config.flag = 1.0
    assert compiled(1.0).data == 4.0


def apart(function, first, second):
    """Compiled for some arguments, and then called with others, in both orders."""
    for calls in ([first, second, first], [second, first]):
        compiled = micrograd.compile(function)
        for arguments in calls:
            found = []
            for f in (function, compiled):
                A.grad = B.grad = 0.0
                out = f(*arguments)
                out.backward()
                found.append((out.data, A.grad, B.grad))
            assert found[0] == found[1]
    A.grad = B.grad = 0.0


PAIR, SETTINGS = (1.0, 2.0), {"k": 1.0}


@pytest.mark.parametrize(
    ("function", "same", "others"),
    [
        (lambda a, b: sum(x * 10 * A + y for x, y in zip(a, b)), (PAIR, PAIR), (PAIR, (3.0, 4.0))),
        (lambda a, b: sum((x - y) ** 2 + x for x, y in zip(a, b)), ([A, B], [A, B]), ([A, B], [B, A])),
        (lambda a, b: A * a["k"] * 10 + b["k"], (SETTINGS, SETTINGS), (SETTINGS, {"k": 4.0})),
        (lambda *rows: sum(x * 10 * A + y for x, y in zip(*rows)), (PAIR, PAIR), (PAIR, (3.0, 4.0))),
    ],
)
def test_one_object_as_two_arguments_and_then_two(function, same, others):
    same = (same[0], same[0])
    apart(function, same, others)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a * len({a: 1, b: 2}),
        lambda a, b: a * len({x for x in (a, b) if x}),
        lambda a, b: a * {a: 5.0}.get(b, 1.0),
        lambda a, b: a * len({**{a: 1}, b: 1}),
        lambda a, b: a * len(collections.Counter([a, b])),
        lambda a, b: a * len(list(itertools.groupby([a, b]))),
        lambda a, b: a * (2.0 if operator.is_(a, b) else 3.0),
    ],
)
def test_which_values_are_the_same_is_seen_by_comparing(function):
    compiled = micrograd.compile(function, check=True)
    for b in (B, A, B):
        right_or_refused(compiled, A, b)


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
        lambda x: [x * A, always_one(A) * always_one(A)],
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
    apart(function, (3.0,), (4.0,))


class Worker(threading.Thread):
    def __init__(self):
        super().__init__()
        self.weight, self.rate = A, 1.0

    @micrograd.compile
    def loss(self, x):
        return self.weight * x * self.rate


class Truth:
    rate = 1.0


class Other:
    rate = 3.0


def change_special(kind, name, method):
    return lambda: setattr(kind, name, method)


def modules_around():
    """A function that makes its modules, and changes one of them."""
    sys.modules["settings_of_a_test"] = module = types.ModuleType("settings_of_a_test")
    vars(module)["rate"] = 1.0
    return lambda: vars(module).update(rate=5.0)


@functools.cache
def remembered_rate():
    return Truth.rate


def forget_it():
    Truth.rate += 1.0
    remembered_rate.cache_clear()
    remembered_rate()


def dispatching():
    class Kinds:
        @functools.singledispatchmethod
        def factor(self, x):
            return RATE

    kinds = Kinds()
    return lambda x: A * x * kinds.factor("text"), lambda: change_global("RATE", 9.0)


def late(kind_of_change):
    """What is added to a class later."""
    kind = type("Late", (Truth,), {})
    one = kind()
    return {
        "truth": (lambda x: A * x if one else A * x * 10.0, change_special(kind, "__bool__", lambda self: False)),
        "length": (lambda x: A * x if one else A * x * 10.0, change_special(kind, "__len__", lambda self: 0)),
        "call": (lambda x: A * x * (2.0 if callable(one) else 3.0), change_special(kind, "__call__", lambda self: 0)),
    }[kind_of_change]


def vectorised():
    twice = np.vectorize(lambda x: x * RATE)
    return lambda x: A * x * float(twice(1.0)), lambda: change_global("RATE", 11.0)


def dotted(how):
    space = types.SimpleNamespace(inner=types.SimpleNamespace(level=1.0))
    get = operator.attrgetter("inner.level")
    f = {
        "getter": lambda x: A * x * get(space),
        "made inside": lambda x: A * x * operator.attrgetter("inner.level")(space),
        "format": lambda x: A * x * float("{0.inner.level}".format(space)),  # noqa: UP030, UP032
    }[how]
    return f, lambda: setattr(space.inner, "level", 4.0)


@pytest.mark.parametrize(
    "make",
    [
        *(functools.partial(late, how) for how in ("truth", "length", "call")),
        *(functools.partial(dotted, how) for how in ("getter", "made inside", "format")),
        dispatching,
        vectorised,
        lambda: (lambda x: A * x * remembered_rate(), forget_it),
        lambda: (lambda x: A * x * importlib.import_module("settings_of_a_test").rate, modules_around()),
        lambda: (lambda x: A * x * sys.modules["settings_of_a_test"].rate, modules_around()),
    ],
)
def test_what_else_may_change(make, monkeypatch):
    monkeypatch.setitem(globals(), "RATE", RATE)
    remembered_rate()
    function, change = make()
    try:
        check_twice(function, [1.0], change)
    finally:
        sys.modules.pop("settings_of_a_test", None)


def test_a_thread_of_a_class_of_somebody():
    worker = Worker()
    assert worker.loss(2.0).data == 4.0
    worker.rate = 3.0
    assert worker.loss(2.0).data == 12.0
    worker.weight = B
    assert worker.loss(2.0).data == -18.0


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
    (operator.add, [A, 2.0]),
    (pow, [A, 2]),
    (operator.itemgetter(0), [[A, B]]),
    (operator.methodcaller("relu"), [A]),
    (Value.relu, [A]),
    (A.__add__, [2.0]),
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


@pytest.mark.filterwarnings("ignore:(name|flag) had another length")
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


@pytest.mark.parametrize("f", [lambda X: X * 2, lambda X: [A, {"X": X}], lambda X: [X.reshape(1, 2), X / 3.0]])
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


@functools.singledispatch
def weight(x):
    return 2.0


@weight.register
def _(x: int) -> float:
    return 3.0


ASKING: list[Callable[..., Any]] = [
    lambda v, x: v * x if isinstance(v.data, float) else v * x * 2.0,
    lambda v, x: v * x * (2.0 if isinstance(v.data, np.floating) else 3.0),
    lambda v, x: v * x + (2.0 if isinstance(v.data * 2, int) else 1.0),
    lambda v, x: (v + v) * x if issubclass(v.data.__class__, int) else x * A,
]


@pytest.mark.parametrize("f", ASKING)
@pytest.mark.parametrize("is_argument", [False, True])
def test_the_type_of_data_is_seen_by_comparing(f, is_argument):
    """A Value makes a float of its number, but one may assign another."""
    v = Value(2.0)
    compiled = micrograd.compile(f if is_argument else lambda x: f(v, x), check=True)
    for data in (2.0, 3, 4, np.float64(1.5), True, 2.5, 3):
        v.data = data
        right_or_refused(compiled, *[v] * is_argument, 1.5)


def test_constant_names_are_traced_once():
    class Trainer:
        def __init__(self):
            self.steps, self.debug = 0, False

        @micrograd.compile
        def loss(self, x):
            return A * x * (2.0 if getattr(self, "debug", False) else 1.0)

    trainer = Trainer()
    for trainer.steps in range(4):
        assert trainer.loss(1.0).data == 2.0
    assert len(Trainer.loss._order) == 1
    trainer.debug = True
    assert trainer.loss(1.0).data == 4.0


def test_the_compiler_itself_is_nobodys_surroundings():
    model = MLP(8, [8, 1])
    optimizer = micrograd.optim.SGD(model.parameters(), lr=0.01)
    compiled = micrograd.compile(lambda X: sum(model(x) for x in X) if micrograd.optim.Row else 0.0)
    for _ in range(4):
        optimizer.zero_grad()
        compiled([[0.5] * 8] * 4).backward()  # type: ignore[union-attr]
        optimizer.step()
    assert len(compiled._order) == 1


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


class Raising:
    __hash__ = object.__hash__

    def __eq__(self, other):
        raise ZeroDivisionError


def test_what_cannot_be_compared_is_something_else():
    state = types.SimpleNamespace(mode="fast")

    def f(x):
        state.mode = Raising()
        return A * x

    with pytest.raises(TypeError, match=r"f changes state\.mode"):
        micrograd.compile(f)(1.0)


def later(x):
    try:
        function = x.tanh
    except AttributeError:
        return A * x
    return function()


def test_numpy_gets_what_it_asks_for():
    for f in (np.exp, np.log, np.sqrt, np.sin, np.cos, np.tanh, np.vectorize(np.tanh), np.abs):
        check(lambda x, f=f: A * f(x), [A], 2.0)
        check(lambda xs, f=f: A * f(np.array(xs)).sum(), [A], [2.0, 3.0])


def swish(self):
    return self * (RATE * self).sigmoid()


@pytest.mark.parametrize("f", [lambda x: (A * x).swish(), lambda x: operator.methodcaller("swish")(A * x)])
def test_methods_that_somebody_adds_to_value(f, monkeypatch):
    monkeypatch.setattr(Value, "swish", swish, raising=False)
    compiled = micrograd.compile(f)
    both(compiled, f, 2.0)
    monkeypatch.setitem(globals(), "RATE", 5.0)
    both(compiled, f, 2.0)
    monkeypatch.setattr(Value, "swish", lambda self: self.tanh() * RATE)
    both(compiled, f, 2.0)
    monkeypatch.setitem(globals(), "RATE", 6.0)
    both(compiled, f, 2.0)


def test_constants_and_methods_of_value_that_somebody_changes(monkeypatch):
    monkeypatch.setattr(Value, "slope", 0.5, raising=False)
    functions = [lambda x: (A * x).slope * x, lambda x: (A * x).relu()]
    compiled = [micrograd.compile(f) for f in functions]
    for f, c in zip(functions, compiled):
        both(c, f, 2.0)
    monkeypatch.setattr(Value, "slope", 0.25)
    monkeypatch.setattr(Value, "relu", lambda self: self.tanh())
    for f, c in zip(functions, compiled):
        both(c, f, 2.0)


def both(compiled, f, *args):
    outs = []
    for g in (f, compiled):
        A.grad = 0.0
        out = g(*args)
        if isinstance(out, Value):
            out.backward()
        outs.append((data_of(out), A.grad))
    assert outs[1] == pytest.approx(outs[0])


SEEN: list[Any] = []


def recorded(x, record):
    def backward(out):
        record(out)
        out._prev[0].grad += out.grad

    return Value(x.data, (x,), "recorded", backward)


NOTED, SPACE = dict[str, Any](), types.SimpleNamespace(last=None)
RECORDS: list[Callable[[Value], Any]] = [
    lambda out: SEEN.append(out.grad),
    lambda out: NOTED.update(last=out.grad),
    lambda out: setattr(SPACE, "last", out._prev[0].data),
]


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_changed_on_the_way_back_is_refused(record):
    out = micrograd.compile(lambda x: recorded(A * x, record) ** 2)(2.0)
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


def test_a_backward_closure_of_a_leaf_that_is_made_inside_is_refused():
    def f(x):
        v = Value(0.0)
        v._backward = lambda: None
        return A * x + v

    with pytest.raises(TypeError, match="without parents has a _backward"):
        micrograd.compile(f)(1.0)


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
        lambda x, i, m: A * np.eye(3)[i].sum(),
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


def test_a_config_file_in_memory():
    config = configparser.ConfigParser()
    config["train"] = {"scale": "2.0"}
    for f in (
        lambda x: A * x * config.getfloat("train", "scale"),
        lambda x, c=config["train"]: A * x * float(c["scale"]),
    ):
        compiled = micrograd.compile(f)
        for scale in ("2.0", "3.0"):
            config["train"]["scale"] = scale
            both(compiled, f, 2.0)


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
