"""A mistake gets an exception of the right type that says what came in; afterwards everything is as it was.

Here are the mistakes of one call; those that take preparations are in the tests of their room.
"""

import copy
import math
import operator
import pickle
import re
from functools import partial

import numpy as np
import pytest
from programs import BINARY, hidden

import micrograd
import micrograd.functional as F
from micrograd import Value, gradcheck, vmap
from micrograd.module import Module
from micrograd.nn import MLP, Layer, Neuron
from micrograd.optim import SGD, Adam, AdamW, Optimizer
from micrograd.viz import draw_dot, replay, trace

V, call = Value, operator.call
OPERATORS = ["+", "-", "*", "/", "**"]
NO_NUMBERS: list[object] = ["3", None, [1.0], {}, 1j]


def bad_number(x):
    return TypeError, f"expected one real number, got {re.escape(repr(x))} of type {type(x).__name__}"


def bad_operands(name, *operands):
    """Python says itself that there is no such operation, but of a str or a list it would say something else."""
    [other] = [x for x in operands if not isinstance(x, Value)]
    if isinstance(other, str | list) or (operands[0] is other and name not in "+*"):
        return BINARY[name], operands, *bad_number(other)
    words = rf"unsupported operand.* {re.escape(name)}.*: 'Value' and '{type(other).__name__}'"
    return BINARY[name], operands, TypeError, words


@micrograd.compile
def twice(x):
    return x * 2 + V(1)


# What is done with fresh arguments, these arguments, the type of the error, and words of its message.
TABLE = [
    # Value: data, operands, methods
    *((V, [x], *bad_number(x)) for x in [*NO_NUMBERS, np.complex64(1j), np.array([1.0]), np.array([1.0, 2.0]), object]),
    (V, [10**400], OverflowError, "int too large"),
    *(bad_operands(op, V(2), x) for op in OPERATORS for x in NO_NUMBERS),
    *(bad_operands(op, x, V(2)) for op in OPERATORS for x in NO_NUMBERS),
    *((BINARY[op], [V(2), x], *bad_number(x)) for op in ("maximum", "minimum") for x in NO_NUMBERS),
    (V.where_le, [V(1), 2, 3, None], *bad_number(None)),
    (V, [1.0, "x"], TypeError, "the children of a Value are a tuple of Values, got 'x'; a name goes into label="),
    *((V, [1.0, x], TypeError, f"a tuple of Values, got {re.escape(repr(x))}") for x in (3, V(2), None)),
    (V, [1.0, [2.0]], TypeError, r"the children of a Value are a tuple of Values, got \[2.0\]"),
    (V, [1, (), "", None, 3], TypeError, "a label is a string, got 3 of type int"),
    (V.exp, [V(1), 2], TypeError, r"Value\.exp\(\) takes 1 positional argument"),
    *((copier, [V(1) + 1], TypeError, "pickle the leaves instead") for copier in (copy.deepcopy, pickle.dumps)),
    # nn
    (Neuron, [0], ValueError, "at least 1 input, got nin=0"),
    (Neuron, [2, "swish"], ValueError, "'tanh'.*got 'swish'"),
    (call, [Neuron(1), ["a"]], *bad_number("a")),
    (Layer, [0, 2], ValueError, "at least 1 input, got nin=0"),
    *((make, args, TypeError, "nin is a whole number, got 2.0") for make, *args in ((Neuron, 2.0), (MLP, 2.0, [1]))),
    *((make, [2, *x], TypeError, "nout is a whole number, got '3'") for make, *x in ((Layer, "3"), (MLP, ["3"]))),
    (Layer, [2, 0], ValueError, "at least 1 neuron, got nout=0"),
    (Layer, [2, 2, 3], TypeError, "positional"),
    (MLP, [2, [3, -1]], ValueError, "at least 1 neuron, got nout=-1"),
    (MLP, [2, 3], TypeError, r"nouts lists the sizes of all layers, such as MLP\(2, \[16, 3\]\); got 3"),
    (MLP, [2, 4, 1], TypeError, "nouts lists the sizes of all layers"),
    (MLP, [2, [2, 1], "swish"], ValueError, "'tanh'.*got 'swish'"),
    *(
        (call, [model, [1.0] * n], ValueError, rf"ReLUNeuron\(2\) takes 2 inputs, got {n}")
        for model in (Neuron(2), Layer(2, 4), MLP(2, [4, 1]))
        for n in (1, 3)
    ),
    *(
        (
            call,
            [model, X],
            ValueError,
            rf"takes one sample at a time, got a batch of {len(X)}: write .*vmap\(model\)\(X\)",
        )
        for model in (Neuron(2), Layer(2, 2), MLP(2, [1]))
        for X in ([[1, 2], [3, 4]], [[V(1), 2]], np.eye(2), np.array([[V(1), V(2)]] * 3), [(1, 2)], [np.ones(2)] * 3)
    ),
    # functional
    (F.softmax, [[]], ValueError, r"at least 1 logit, got \[\]"),
    (F.softmax, [["a"]], *bad_number("a")),
    *((f, [V(1), 2][:n], TypeError, r"got one Value: write \[x\]") for f, n in ((F.softmax, 1), (F.cross_entropy, 2))),
    (F.mse_loss, [[1.0], 2.0], TypeError, r"a list of Values or numbers, got one float: write \[x\]"),
    (F.log_softmax, [[]], ValueError, r"at least 1 logit, got \[\]"),
    (F.cross_entropy, [[], 0], ValueError, r"at least 1 logit, got \[\]"),
    (F.cross_entropy, [[1.0, 2.0], 2], ValueError, "among 2 logits is between 0 and 1, got 2"),
    (F.cross_entropy, [[1.0, 2.0], -1], ValueError, "among 2 logits is between 0 and 1, got -1"),
    (F.cross_entropy, [[1.0, 2.0], 0.5], TypeError, "the index of a class, a whole number, .*; got 0.5"),
    (F.cross_entropy, [[1.0, 2.0], np.float64(1.0)], TypeError, "the index of a class, a whole number, .*; got 1.0"),
    (F.cross_entropy, [[1.0, 2.0], [1.0]], ValueError, "probabilities and logits .* at least 1, got 1 and 2"),
    (F.cross_entropy, [[1.0, 2.0], [0.5, 0.25, 0.25]], ValueError, "at least 1, got 3 and 2"),
    (F.mse_loss, [["a"], [1.0]], *bad_number("a")),
    (F.binary_cross_entropy_with_logits, [[1.0], [None]], *bad_number(None)),
    *(
        (loss, [xs, ts], ValueError, f"{what} and targets .* at least 1, got {len(xs)} and {len(ts)}")
        for loss, what in (
            (F.mse_loss, "inputs"),
            (F.hinge_loss, "scores"),
            (F.binary_cross_entropy_with_logits, "logits"),
        )
        for xs, ts in (([], []), ([1.0], []), ([1.0], [1.0, 2.0]))
    ),
    # optim
    (SGD, [[]], ValueError, "at least 1 parameter"),
    (SGD, [V(1)], TypeError, r"such as model.parameters\(\), got one Value"),
    (SGD, [MLP(1, [1]).parameters], TypeError, r"such as model.parameters\(\), got one method"),
    (SGD, [[1.0]], TypeError, "got 1.0 of type float"),
    (SGD, [[V(1)] * 2], ValueError, "occurs twice"),
    (SGD, [[V(1)], -0.1], ValueError, "lr must be 0 or more, got -0.1"),
    (SGD, [[V(1)], math.nan], ValueError, "lr must be 0 or more, got nan"),
    (SGD, [[V(1)], "0.1"], TypeError, "lr: expected one real number, got '0.1' of type str"),
    (SGD, [[V(1)], V(0.1)], TypeError, r"lr is a plain number, got Value\(data=0.1, grad=0.0\) of type Value"),
    (SGD, [[V(1) * 2]], ValueError, r"can't optimize Value\(data=2.0, grad=0.0\), the result of an operation"),
    (SGD, [[V(1)], 0.1, 0.5, 0.0, "no"], TypeError, "nesterov is True or False, got 'no'"),
    (setattr, [SGD([V(1)]), "lr", -1], ValueError, "lr must be 0 or more, got -1"),
    (setattr, [Adam([V(1)]), "betas", (0.9, "x")], TypeError, "a beta: expected one real number, got 'x'"),
    (SGD, [[V(1)], 0.1, -1.0], ValueError, "momentum must be 0 or more"),
    (SGD, [[V(1)], 0.1, 0.0, -1.0], ValueError, "weight_decay must be 0 or more"),
    (SGD, [[V(1)], 0.1, 0.0, 0.0, True], ValueError, "nesterov needs a momentum"),
    (Adam, [[V(1)], 0.1, (0.9, 1.0)], ValueError, r"betas are two numbers .* got \(0.9, 1.0\)"),
    (Adam, [[V(1)], 0.1, (0.9, 0.99), -1.0], ValueError, "eps must be 0 or more"),
    (AdamW, [[V(1)], 0.1, (-0.1, 0.5)], ValueError, r"betas are two numbers .* got \(-0.1, 0.5\)"),
    *(
        (AdamW, [[V(1)], 0.1, x], ValueError, f"betas are two numbers .* got {re.escape(repr(x))}")
        for x in (0.5, (0.5,))
    ),
    (Optimizer.step, [Optimizer([V(1)], {}, [])], NotImplementedError, "Optimizer has no rule"),
    # viz
    (trace, [1.0], TypeError, "expected one Value"),
    (draw_dot, [V(1), "bmp"], ValueError, "svg.*got 'bmp'"),
    (draw_dot, [V(1), "svg", "up"], ValueError, "LR.*got 'up'"),
    (draw_dot, [V(1), "svg", "LR", 0], ValueError, "max_nodes must be 1 or more, got 0"),
    (replay, [sum(map(V, range(150)))], ValueError, "up to 300 nodes, this graph has 301"),
    (replay, [twice(1.0) + 1], TypeError, "call it uncompiled"),
    # vmap
    (vmap(abs), [], TypeError, "at least one batch"),
    *(
        (f, [[1.0], 2.0], TypeError, "takes batches.*; got one float")
        for f in (vmap(pow), micrograd.compile(vmap(pow)))
    ),
    (gradcheck, [abs, 0.5], TypeError, "a list, one for each argument of the function; got 0.5"),
    (vmap(pow), [[1.0, 2.0, 3.0], [1.0, 2.0]], ValueError, "equal length, got 3 and 2"),
    (micrograd.compile(vmap(pow)), [[1.0], [1.0, 2.0]], ValueError, "equal length, got 1 and 2"),
    # compile
    (lambda: micrograd.compile(twice.__wrapped__, static=["z"]), [], ValueError, "no argument z"),
    (lambda: micrograd.compile(lambda: V(1)).program, [], AttributeError, "has no program yet: call it first"),
    (lambda: micrograd.compile(partial(pow, 2)).program, [], AttributeError, "partial has no program yet"),
    (lambda v: micrograd.compile(lambda: v * (1 / 0))(), [V(1)], ZeroDivisionError, "division by zero"),
    (twice, ["a"], TypeError, "str"),
    (twice, [1.0, 1.0], TypeError, "takes 1 positional argument"),
    (twice, [iter([1.0])], TypeError, "gone through once only, but to be compiled a function runs twice: pass a list"),
    (twice, [{"x": [np.ma.array([1.0])]}], TypeError, "of type MaskedArray, .*: pass a list, or a plain array"),
    *(
        (micrograd.compile(lambda x: V(1) * 2).to_torch, [x], TypeError, "rectangular lists of numbers, or of Values")
        for x in ([[1.0], [1.0, 2.0]], {"x": 1.0}, [V(1.0), 2.0])
    ),
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


@pytest.mark.parametrize(("do", "args", "error", "words"), TABLE, ids=[words.replace("\\", "") for *_, words in TABLE])
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
    a, calls = Value(2.0), hidden([])

    def f(x):
        out = a * x
        calls().append(out)
        if len(calls()) == run:
            raise error
        return out * a

    compiled = micrograd.compile(f)
    with pytest.raises(error):
        compiled(3.0)
    assert (a.data, a.grad, a._prev) == (2.0, 0.0, ())
    compiled(3.0).backward()
    assert a.grad == 12.0


@pytest.mark.usefixtures("tensors")
def test_a_fault_when_the_way_back_is_first_needed(monkeypatch):
    a = Value(2.0)
    out = micrograd.compile(lambda: a * a)()
    with monkeypatch.context() as patch:
        patch.setattr("micrograd.compiler.tensors.lower", interrupted)
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
