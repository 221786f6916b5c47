"""A mistake gets an exception of the right type that says what came in; afterwards everything is as it was."""

import copy
import math

import numpy as np
import pytest

import micrograd
import micrograd.functional as F
from micrograd import Value, vmap
from micrograd.module import Module
from micrograd.nn import MLP, Layer, Neuron
from micrograd.optim import SGD, Adam, AdamW, Optimizer
from micrograd.viz import draw_dot, replay, trace

V = Value
bad_number = (TypeError, "expected one real number")


@micrograd.compile
def twice(x):
    return x * 2 + V(1)


def long_chain():
    out = V(1)
    for _ in range(200):
        out = out * V(1)
    return out


# What is done with fresh arguments, these arguments, the type of the error, and words of its message.
TABLE = [
    # Value: data, operands, methods
    (V, ["1"], *bad_number),
    (V, [None], *bad_number),
    (V, [[1.0]], *bad_number),
    (V, [1j], *bad_number),
    (V, [np.array([1.0, 2.0])], *bad_number),
    (lambda v, x: v + x, [V(1), "1"], TypeError, r"unsupported operand.*'Value' and 'str'"),
    (lambda v, x: x - v, [V(1), None], TypeError, r"unsupported operand.*'NoneType' and 'Value'"),
    (lambda v, x: v**x, [V(1), "2"], TypeError, "unsupported operand"),
    (lambda v, x: x**v, [V(1), "2"], TypeError, "unsupported operand"),
    (lambda v, x: v / x, [V(1), [1]], TypeError, "unsupported operand"),
    (lambda v, x: v * x, [V(1), {}], TypeError, "unsupported operand"),
    (V.maximum, [V(1), "2"], *bad_number),
    (V.where_le, [V(1), 2, 3, None], *bad_number),
    (V.exp, [V(1), 2], TypeError, "argument"),
    (copy.deepcopy, [V(1) + 1], TypeError, "pickle the leaves instead"),
    # nn
    (Neuron, [0], ValueError, "at least 1 input, got nin=0"),
    (Neuron, [2, "swish"], ValueError, "got 'swish'"),
    (lambda n, x: n(x), [Neuron(2), [1.0]], ValueError, "takes 2 inputs, got 1"),
    (lambda n, x: n(x), [Neuron(1), ["a"]], TypeError, "multiply"),
    (Layer, [2, 0], ValueError, "at least 1 neuron, got nout=0"),
    (Layer, [2, 2, 3], TypeError, "positional"),
    (lambda m, x: m(x), [MLP(3, [2, 1]), [1.0, 2.0]], ValueError, "takes 3 inputs, got 2"),
    (MLP, [2, [3, -1]], ValueError, "at least 1 neuron, got nout=-1"),
    (MLP, [2, 3], TypeError, "iterable"),
    (Module.load_state_dict, [MLP(1, [1]), {"x": 1.0}], ValueError, "0.weight is missing.*x is not a parameter"),
    (Module.load_state_dict, [MLP(1, [1]), {"0.weight": [["a"]], "0.bias": [0.0]}], ValueError, r"got \[\['a'\]\]"),
    # functional
    (F.softmax, [[]], ValueError, "at least 1 logit"),
    (F.softmax, [["a"]], *bad_number),
    (F.softmax, [V(1)], TypeError, "not iterable"),
    (F.log_softmax, [[]], ValueError, "at least 1 logit"),
    (F.cross_entropy, [[], 0], ValueError, "at least 1 logit"),
    (F.cross_entropy, [[1.0, 2.0], 2], ValueError, "between 0 and 1, got 2"),
    (F.cross_entropy, [[1.0, 2.0], -1], ValueError, "between 0 and 1, got -1"),
    (F.cross_entropy, [[1.0, 2.0], 0.5], TypeError, "integer"),
    (F.cross_entropy, [[1.0, 2.0], [1.0]], ValueError, "got 1 and 2"),
    (F.mse_loss, [[1.0], [1.0, 2.0]], ValueError, "got 1 and 2"),
    (F.hinge_loss, [[], []], ValueError, "at least 1, got 0 and 0"),
    (F.binary_cross_entropy_with_logits, [[1.0], [None]], *bad_number),
    # optim
    (SGD, [[]], ValueError, "at least 1 parameter"),
    (SGD, [V(1)], TypeError, "not iterable"),
    (SGD, [[1.0]], TypeError, "got 1.0 of type float"),
    (SGD, [[V(1)], -0.1], ValueError, "lr must be 0 or more, got -0.1"),
    (SGD, [[V(1)], math.nan], ValueError, "got nan"),
    (SGD, [[V(1)], "0.1"], TypeError, "'>=' not supported"),
    (SGD, [[V(1)], 0.1, -1.0], ValueError, "momentum must be 0 or more"),
    (SGD, [[V(1)], 0.1, 0.0, -1.0], ValueError, "weight_decay must be 0 or more"),
    (SGD, [[V(1)], 0.1, 0.0, 0.0, True], ValueError, "nesterov needs a momentum"),
    (Adam, [[V(1)], 0.1, (0.9, 1.0)], ValueError, "betas"),
    (AdamW, [[V(1)], 0.1, (0.9, 0.99), -1.0], ValueError, "eps must be 0 or more"),
    (Optimizer.load_state_dict, [SGD([V(1)]), {}], ValueError, "expected options, steps, state; got"),
    (Optimizer.load_state_dict, [SGD([V(1)]), Adam([V(1)]).state_dict()], ValueError, "options of SGD are"),
    (Optimizer.load_state_dict, [SGD([V(1)]), SGD([V(1), V(2)]).state_dict()], ValueError, "there are 1 parameters"),
    (Optimizer.step, [Optimizer([V(1)], {}, [])], NotImplementedError, "Optimizer has no update"),
    # viz
    (trace, [1.0], AttributeError, "_prev"),
    (draw_dot, [V(1), "bmp"], ValueError, "svg.*got 'bmp'"),
    (draw_dot, [V(1), "svg", "up"], ValueError, "LR.*got 'up'"),
    (draw_dot, [V(1), "svg", "LR", 0], ValueError, "max_nodes must be 1 or more, got 0"),
    (replay, [long_chain()], ValueError, "up to 300 nodes, this graph has 401"),
    (replay, [twice(1.0)], TypeError, "call it uncompiled"),
    # vmap
    (lambda f: vmap(f)(), [abs], TypeError, "at least one batch"),
    (lambda f, x: vmap(f)(x), [abs, 1.0], TypeError, "not iterable"),
    (lambda f, x, y: vmap(f)(x, y), [pow, [1.0], [1.0, 2.0]], ValueError, "equal length, got 1 and 2"),
    # compile
    (lambda: micrograd.compile(twice.function, static=["z"]), [], ValueError, "no argument z"),
    (lambda x: twice(x), [{1, 2}], TypeError, "argument 'x': .* got {1, 2} of type set"),
    (lambda x: twice(x), ["a"], TypeError, "str"),
    (lambda x: twice(x, x), [1.0], TypeError, "takes 1 positional argument"),
    (lambda x: micrograd.compile(lambda a, b: a)(1.0, x), [set()], TypeError, r"argument 'b'"),
    (lambda: micrograd.compile(lambda: V(1)).program, [], AttributeError, "has no program yet"),
    (lambda v: micrograd.compile(lambda: float(v.data))(), [V(1)], TypeError, "looks at a number"),
    (lambda v: micrograd.compile(lambda x: x * float(v.data))(2.0), [V(1)], TypeError, "looks at a number"),
    (lambda v: micrograd.compile(lambda: v if v.data > 0 else -v)(), [V(1)], TypeError, "where_le"),
    (lambda v: micrograd.compile(lambda n: [v] * n)(2), [V(1)], TypeError, "static="),
    (lambda v: micrograd.compile(lambda: V(float(f"{v.data}")))(), [V(1)], TypeError, "a format looks at"),
    (lambda v: micrograd.compile(lambda: object())(), [V(1)], TypeError, "returned <object"),
    (lambda v: micrograd.compile(lambda: setattr(v, "data", v.data + 1) or v)(), [V(1)], TypeError, "assigns .data"),
    (lambda: micrograd.nothing, [], AttributeError, "has no attribute 'nothing'"),
]


def state(x):
    """All there is to see of an argument."""
    if isinstance(x, Value):
        return x.data, x.grad, [state(p) for p in x._prev[:1]]
    if isinstance(x, Module):
        return x.state_dict()
    if isinstance(x, Optimizer):
        return x.state_dict(), [state(p) for p in x.params]
    if isinstance(x, dict):
        return {name: state(item) for name, item in x.items()}
    return [state(item) for item in x] if isinstance(x, list | tuple) else repr(x)


@pytest.mark.parametrize(
    ("do", "args", "error", "words"), TABLE, ids=[f"{i} {row[3][:30]}" for i, row in enumerate(TABLE)]
)
def test_mistakes(do, args, error, words):
    before = state(args)
    with pytest.raises(error, match=words):
        do(*args)
    assert state(args) == before
    assert twice(3.0).data == 7.0  # and the next right call is right


# ---- faults: an exception out of nowhere, in the middle of something ----


class Fuse(Value):
    """A Value whose gradient cannot be added to for the first few times."""

    def __init__(self, data, error):
        super().__init__(data)
        self.error = error

    @property
    def grad(self):
        return self.__dict__.get("g", 0.0)

    @grad.setter
    def grad(self, g):
        if g and self.__dict__.get("error"):
            error, self.error = self.error, None
            raise error
        self.__dict__["g"] = g


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_a_fault_in_backward(error):
    a, b = Value(2.0), Fuse(3.0, error)
    a.grad = 0.5
    out = (a * a) * b + a.exp()
    with pytest.raises(error):
        out.backward()
    assert (a.grad, b.grad) == (0.5, 0.0)
    out.backward()
    assert a.grad == pytest.approx(0.5 + 12 + math.exp(2))
    assert b.grad == 4.0


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
@pytest.mark.parametrize("run", [1, 2])
def test_a_fault_in_a_trace(error, run):
    a, calls = Value(2.0), []

    def f(x):
        out = a * x
        calls.append(out)
        if len(calls) == run:
            raise error
        return out * a

    compiled = micrograd.compile(f)
    with pytest.raises(error):
        compiled(3.0)
    assert (a.data, a.grad, a._prev) == (2.0, 0.0, ())
    compiled(3.0).backward()
    assert a.grad == 12.0


def test_a_fault_when_the_way_back_is_first_needed(monkeypatch):
    a = Value(2.0)
    out = micrograd.compile(lambda: a * a)()
    with monkeypatch.context() as patch:
        patch.setattr("micrograd.compiler.program.Lowering.lower", interrupted)
        with pytest.raises(KeyboardInterrupt):
            out.backward()
    assert (a.data, a.grad) == (2.0, 0.0)
    out.backward()
    assert a.grad == 4.0


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_fault_in_load_state_dict(error):
    class Stubborn(Value):
        fault = None

        @property
        def data(self):
            return self.__dict__["number"]

        @data.setter
        def data(self, x):
            if self.fault:
                fault, self.fault = self.fault, None
                raise fault
            self.__dict__["number"] = x

    model = MLP(1, [2])
    model.layers[0].neurons[1].w[0] = stubborn = Stubborn(1.0)
    before, state = model.state_dict(), {"0.weight": [[5.0], [6.0]], "0.bias": [7.0, 8.0]}
    stubborn.fault = error
    with pytest.raises(error):
        model.load_state_dict(state)
    assert model.state_dict() == before
    model.load_state_dict(state)
    assert model.state_dict() == state
