"""Parameters in one array: all is as it is without."""

import copy
import gc
import math
import operator
import pickle
import random
import sys
import threading
import weakref
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from programs import agree

import micrograd
from micrograd import Value, gradcheck, vmap
from micrograd.compiler.home import MANY, PATIENCE, Home, View, settle
from micrograd.compiler.row import LASTING, Row, is_able
from micrograd.nn import MLP
from micrograd.optim import SGD, Adam

X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-0.5, 1.0, 0.125]] * 8


def in_home(values):
    return {type(v) is View for v in values}


class Setup:
    """A model of 73 parameters, a compiled loss over some samples, and an optimiser."""

    def __init__(self, kind=SGD, samples=24, **options):
        random.seed(0)
        self.model = MLP(3, [8, 4, 1])
        self.params = self.model.parameters()
        self.optimizer = kind(self.params, **{"lr": 0.01, **options})

        def plain(rows):
            return sum((self.model(row) - row[0]) ** 2 for row in rows) / len(rows)

        self.plain, self.loss, self.rows = plain, micrograd.compile(plain), X[:samples]
        self.batched = micrograd.compile(lambda rows: sum(vmap(lambda row: self.model(row) ** 2)(rows)) * 0.01)
        self.second = SGD(self.params[:70], lr=0.05)

    def train(self, steps=1, loss=None):
        for _ in range(steps):
            self.optimizer.zero_grad()
            (loss or self.loss)(self.rows).backward()
            self.optimizer.step()
        return self

    def numbers(self):
        return [(p.data, p.grad) for p in self.params]


@pytest.fixture
def homeless(monkeypatch):
    """Runs something without any home."""

    def run(work):
        with monkeypatch.context() as patch:
            patch.setattr(Row, "move_in", lambda self: None)
            return work()

    return run


def test_a_home_is_made_where_both_meet():
    setup = Setup()
    assert len(setup.params) == 73 >= MANY
    for _ in range(3):  # an optimiser alone
        setup.train(loss=setup.plain)
        assert in_home(setup.params) == {False}
    for _ in range(3):  # a program alone
        setup.loss(X).backward()
        assert in_home(setup.params) == {False}
    setup.train()
    assert in_home(setup.params) == {True}


@pytest.mark.parametrize("samples", [1, 24])  # a program of floats, and one of tensors
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SGD, {}),
        (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (Adam, {"weight_decay": 0.1}),
        (Adam, {"amsgrad": True}),
        (Adam, {"eps": 0.0}),
    ],
)
def test_the_same_numbers_as_without(homeless, kind, options, samples):
    def work():
        setup = Setup(kind, samples, **options)
        before = Home.made
        setup.train(20)
        return setup.numbers(), setup.optimizer.state_dict(), Home.made > before

    (numbers, state, made), (wanted, its_state, never) = work(), homeless(work)
    assert (made, never) == (True, False)
    assert repr((numbers, state)) == repr((wanted, its_state))
    assert {type(x) for pair in numbers for x in pair} == {float}


def test_a_view_looks_like_a_value():
    setup = Setup().train()
    p = setup.params[0]
    assert type(p.data) is type(p.grad) is float
    assert isinstance(p, Value)
    assert p.__class__ is Value
    assert type(p).__name__ == type(p).__qualname__ == "Value"
    assert repr(p) == f"Value(data={p.data!r}, grad={p.grad!r})"
    assert f"{p:.3f}" == f"{p.data:.3f}"
    assert p in {p}
    p.label = "first"
    assert (p.label, vars(p)) == ("first", {"label": "first"})
    assert in_home([p]) == {True}
    home = setup.optimizer._home()
    assert (settle(p), settle(p)) == (True, False)
    assert type(p) is Value
    home.dissolve()  # of which nothing is left
    assert type(p.data) is float
    assert p.label == "first"


def test_the_class_of_a_view_does_as_value_does():
    p, q = Setup().train().params[0], Value(1.0)
    kind: Any = type(p)
    assert kind is not Value  # this would cost all others
    assert (kind == Value, Value == kind, hash(kind), {Value: 1}[kind]) == (True, True, hash(Value), 1)
    assert kind in (float, Value)
    assert kind not in (float, int)
    assert str(kind) == str(Value)
    assert p.__doc__ == Value.__doc__
    assert dir(p) == dir(q)
    made = kind(0.5, label="new")
    assert (type(made), made.data, made.label) == (Value, 0.5, "new")
    assert isinstance(q, kind)
    assert isinstance(p, kind)
    assert not isinstance(1.0, kind)
    assert issubclass(type("Own", (Value,), {}), kind)
    assert not issubclass(float, kind)
    assert in_home([p]) == {True}


OPERATIONS = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv")},
    **{name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "divmod": divmod,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_subclass_on_the_right_is_asked_first(name, homeless):
    """As Python does where the class on the left is its own base."""

    def answer(named):
        return lambda self, other: (named, type(self).__name__, type(other).__name__)

    names = [f"__{prefix}{name}__" for prefix in ("", "r") for name in OPERATIONS]
    knows = type("Knows", (Value,), {n: answer(n) for n in names})
    passes = type("Passes", (Value,), {n: lambda self, other: NotImplemented for n in names})
    plain = type("Plain", (Value,), {})

    def work():
        p, q = Setup().train().params[:2]
        found = []
        values = knows(3.0), passes(3.0), plain(3.0), Value(3.0), q
        for x in (*values, 3, "3", None, np.float64(3.0), np.array([1.0, 2.0])):
            for left, right in ((p, x), (x, p)):
                try:
                    found.append(repr(OPERATIONS[name](left, right)))
                except (TypeError, RecursionError) as error:
                    found.append(str(error))
        return found, in_home([p])

    (found, home), (wanted, none) = work(), homeless(work)
    assert found == wanted
    assert (home, none) == ({True}, {False})


def anew(p, name):
    delattr(p, name)
    assert not hasattr(p, name)
    setattr(p, name, 0.5)


SOMETHING_UNUSUAL: dict[str, Any] = {
    "a whole number": lambda p: setattr(p, "data", 3),
    "a number of NumPy": lambda p: setattr(p, "grad", np.float64(2.0)),
    "a Value": lambda p: setattr(p, "data", Value(2.0)),
    "a gradient that is a Value": lambda p: setattr(p, "grad", Value(2.0)),
    "a copy": copy.copy,
    "a deep copy": copy.deepcopy,
    "a pickle": pickle.dumps,
    "another class": lambda p: setattr(p, "__class__", type("Own", (Value,), {"__slots__": ()})),
    "no data": lambda p: anew(p, "data"),
    "no gradient": lambda p: anew(p, "grad"),
    "graph": lambda p: gradcheck(lambda q: q * q, [p]),
}


@pytest.mark.parametrize("name", SOMETHING_UNUSUAL)
def test_what_is_unusual_dissolves_a_home(name, homeless):
    def work():
        setup = Setup().train(3)
        out = SOMETHING_UNUSUAL[name](setup.params[5])
        return setup, [(repr(p.data), repr(p.grad), type(p).__name__) for p in setup.params], repr(out)

    setup, *found = work()
    _, *wanted = homeless(work)
    assert found == wanted
    if name != "graph":
        assert in_home(setup.params) == {False}


def test_whole_numbers_and_none_are_what_was_assigned():
    setup = Setup().train(2)
    p, q = setup.params[:2]
    p.grad = None
    assert p.grad is None
    p.grad = 0.5
    q.data = -0.0
    assert (p.grad, str(q.data)) == (0.5, "-0.0")
    q.grad = math.inf
    assert in_home([p, q]) == {True}
    q.grad = 0
    assert type(q.grad) is int
    assert p.grad == 0.5
    assert in_home([p, q]) == {False}


def test_copies_are_their_own():
    setup = Setup(Adam).train(3)
    for made in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        model, optimizer = made((setup.model, setup.optimizer))
        assert model.state_dict() == setup.model.state_dict()
        assert [p.grad for p in optimizer.params] == [p.grad for p in setup.params]
        assert all(p is q for p, q in zip(model.parameters(), optimizer.params))
        optimizer.step()
        assert model.state_dict() != setup.model.state_dict()
        setup.train()
    assert in_home(setup.params) == {True}
    state = pickle.loads(pickle.dumps(setup.params[0].__getstate__()))
    assert state[1]["data"] == setup.params[0].data


def test_states_are_saved_and_loaded(homeless):
    def work():
        setup, other = Setup(Adam).train(3), Setup(Adam).train(5)
        other.model.load_state_dict(setup.model.state_dict())
        other.optimizer.load_state_dict(setup.optimizer.state_dict())
        return other.train(2).numbers(), setup.train(2).numbers(), other.optimizer.state_dict()

    one, two, state = work()
    assert one == two
    assert (one, two, repr(state)) == tuple(x if i < 2 else repr(x) for i, x in enumerate(homeless(work)))


def test_no_gradient_and_a_gradient_of_zero(homeless):
    def work():
        setup = Setup(SGD, momentum=0.9)
        unused = [Value(1.0) for _ in range(70)]
        setup.optimizer = SGD([*setup.params, *unused], lr=0.1, momentum=0.9)
        seen = []
        for i in range(8):
            setup.optimizer.zero_grad(set_to_none=i % 3 > 0)
            seen.append([p.grad for p in setup.optimizer.params])
            if i % 4 == 1:
                setup.params[3].grad = None
                unused[i].grad = 0.25
            setup.loss(setup.rows).backward()
            seen.append([p.grad for p in setup.optimizer.params])
            setup.optimizer.step()
            seen.append([p.data for p in setup.optimizer.params])
        seen.append(setup.optimizer.state_dict())
        setup.optimizer.zero_grad()
        setup.optimizer.step()
        seen.append([p.data for p in setup.optimizer.params])
        return repr(seen)

    assert work() == homeless(work)


def test_numbers_of_an_optimiser_are_in_the_order_of_its_parameters(homeless):
    def work():
        setup, seen = Setup(), list[Any]()
        params = setup.params[::-1]
        random.Random(3).shuffle(params)
        setup.optimizer = Adam(params, lr=0.01)
        setup.train(2)
        for i in range(9):
            setup.optimizer.zero_grad()
            setup.loss(setup.rows).backward()
            if i > 2:
                params[i].grad = params[2 * i].grad = None
            setup.optimizer.step()
            if i % 2:  # with the state, its order changes
                seen.append([[*map(float, column)] for column in setup.optimizer.state.values()])
            seen.append((setup.optimizer.each(), [p.data for p in params]))
        assert setup.optimizer.steps[3] == 10
        home, setup.optimizer = in_home(params), pickle.loads(pickle.dumps(setup.optimizer))
        return seen, setup.optimizer.each(), setup.optimizer.state_dict(), home

    *found, home = work()
    *wanted, none = homeless(work)
    assert repr(found) == repr(wanted)
    assert (home, none) == ({True}, {False})


def test_leaves_that_are_only_in_a_condition(homeless):
    def work():
        w = [Value(0.1 * i) for i in range(100)]
        optimizer = SGD(w, lr=0.1)
        loss = micrograd.compile(lambda: sum(a.where_le(0.5, b, b * 2.0) for a, b in zip(w[:60], w[20:])))
        for _ in range(4):
            optimizer.zero_grad()
            loss().backward()  # type: ignore[union-attr]
            optimizer.step()
        return [(v.data, v.grad) for v in w]

    assert work() == homeless(work)


def test_gradients_add_up_and_eager_code_joins_in(homeless):
    def work():
        setup = Setup(Adam).train(2)
        for _ in range(4):
            setup.optimizer.zero_grad()
            for rows in X[:10], X[:10], X[10:20]:
                setup.loss(rows).backward()
            out = setup.loss(setup.rows) * 2.0
            out.backward()
            out.backward()
            setup.plain(X[:1]).backward()
            (setup.loss(setup.rows) + setup.params[0] * 3.0).backward()
            for p in setup.params:
                p.grad = min(max(p.grad, -0.1), 0.1)
            setup.optimizer.step()
            for p in setup.params[::2]:
                p.data -= 0.01 * p.grad
            with pytest.raises(RuntimeError, match="call backward"):
                out.backward()
        return setup.numbers()

    got, want = work(), homeless(work)
    assert got == want


def test_two_programs_and_two_optimisers_over_the_same_parameters(homeless):
    def work():
        setup = Setup()
        half = [p for layer in setup.model.layers[:1] for p in layer.parameters()] + setup.params[32:68]
        second = Adam(half, lr=0.01)
        other = micrograd.compile(lambda rows: sum(vmap(lambda row: setup.model(row).tanh())(rows)))
        for i in range(12):
            for optimizer in setup.optimizer, second:
                optimizer.zero_grad()
                (setup.loss(setup.rows) + other(setup.rows)).backward()
                optimizer.step()
            if i % 3 == 0:
                other(X[:12]).backward()
                second.step()
        return setup.numbers(), in_home(setup.params)

    (numbers, home), (wanted, none) = work(), homeless(work)
    assert numbers == wanted
    assert (home, none) == ({True}, {False})


def test_parameters_and_others_as_arguments(homeless):
    """Some leaves are in the home, others not; some come twice, and each time others."""

    def work():
        setup = Setup()
        rng = random.Random(1)
        table = [[Value(rng.uniform(-1, 1)) for _ in range(3)] for _ in range(40)]
        setup.optimizer = Adam([*setup.params, *(v for row in table for v in row)], lr=0.01)
        frozen = [Value(rng.uniform(-1, 1)) for _ in range(3)]
        inputs = [Value(0.5) for _ in range(3)]

        @micrograd.compile
        def loss(rows, shift):
            return sum(setup.model([a * b + c for a, b, c in zip(row, frozen, shift)]).tanh() for row in rows) + sum(
                f * f for f in frozen
            )

        for i in range(8):
            setup.optimizer.zero_grad()
            rows = [table[rng.randrange(40)] for _ in range(20)]
            loss(rows, [Value(0.1), Value(0.2), Value(0.3)] if i % 2 else inputs).backward()
            setup.optimizer.step()
        return [(v.data, v.grad) for v in (*setup.optimizer.params, *frozen, *inputs)], len(loss._order)

    assert work() == homeless(work)


def test_all_parameters_as_arguments(homeless):
    def work():
        w = [Value(math.sin(i)) for i in range(100)]
        loss = micrograd.compile(lambda *w: sum((a * b - 0.1) ** 2 for a, b in pairwise(w)))
        lists = micrograd.compile(lambda w: sum((a * b - 0.1) ** 2 for a, b in pairwise(w)))
        optimizer = SGD(w, lr=0.1)
        for i in range(6):
            optimizer.zero_grad()
            total = loss(*w) if i % 2 else lists(w)
            total.backward()
            optimizer.step()
        return [(v.data, v.grad) for v in w], in_home(w), len(loss._order), len(lists._order)

    (numbers, home, *orders), (wanted, none, *_) = work(), homeless(work)
    assert numbers == wanted
    assert (home, none, orders) == ({True}, {False}, [1, 1])


def test_one_program_is_enough():
    """What is a view is no other structure, and around a function nothing has changed."""
    setup = Setup()
    asked = micrograd.compile(lambda w: sum(v * v if isinstance(v, Value) else v for v in w))
    for _ in range(6):
        setup.train()
        asked(setup.params).backward()  # type: ignore[union-attr]
        settle(setup.params[0])
        asked(setup.params)
    assert (len(setup.loss._order), len(asked._order)) == (1, 1)


def test_it_is_traced_anew_while_there_is_a_home(homeless):
    def work():
        setup = Setup(Adam).train(3)
        scale = {"by": 2.0}
        other = micrograd.compile(lambda rows: setup.plain(rows) * scale["by"])
        for by in 2.0, 3.0:  # a guard changes
            scale["by"] = by
            setup.train(2, other)
        setup.rows = X[:20]  # another structure
        setup.train(2)
        return setup.numbers(), len(setup.loss._order), len(other._order)

    assert work() == homeless(work)


def test_a_function_that_is_refused_leaves_all_as_it_was():
    setup = Setup().train(3)
    before = setup.numbers()
    with pytest.raises(TypeError, match="looks at"):
        micrograd.compile(lambda: setup.params[0] if setup.params[0] > 0 else setup.params[1])()
    assert setup.numbers() == before


def test_derivatives_of_derivatives():
    setup = Setup().train(3)
    p, q = setup.params[:2]
    a, b = p.data, q.data
    p.data, p.grad = Value(a), Value(0.0)
    out = p * p * q.data
    out.backward()
    p.grad.backward()
    assert p.data.grad == pytest.approx(2.0 * b)
    with pytest.raises(TypeError, match="plain numbers"):
        setup.loss(setup.rows)
    p.data, p.grad = a, 0.0
    setup.train(3)
    assert in_home(setup.params) == {True}


def test_an_error_on_the_way_back_changes_nothing(monkeypatch):
    monkeypatch.setattr("micrograd.optim.PATIENCE", 8)  # the numbers are read one by one
    setup, others = Setup().train(3), [Value(1.0) for _ in range(3)]
    loss = micrograd.compile(lambda rows, others: setup.plain(rows) * others[0] * others[1])

    def refuse():
        raise ZeroDivisionError

    def refuse_after_something_unusual():
        setup.params[0].grad = 7
        raise ZeroDivisionError

    for by_hand in refuse, refuse_after_something_unusual:
        setup.train(3, lambda rows: loss(rows, others))
        setup.params[2].grad = None
        first = setup.params[0] * 1.0
        first._backward = by_hand
        before = setup.numbers(), [v.grad for v in others]
        out = loss(setup.rows, others) + first  # the way back goes through the program first
        assert in_home(setup.params) == {True}
        with pytest.raises(ZeroDivisionError):
            out.backward()
        assert (setup.numbers(), [v.grad for v in others]) == before


def test_a_step_does_all_or_nothing():
    setup = Setup(Adam).train(3)
    setup.optimizer.state["exp_avg"] = ["no number"] * 73
    before, steps = setup.numbers(), setup.optimizer.steps
    with pytest.raises(ValueError, match="no number"):
        setup.optimizer.step()
    assert (setup.numbers(), setup.optimizer.steps) == (before, steps)


def test_a_state_of_values():
    setup = Setup(SGD, momentum=0.5).train(3)
    setup.optimizer.state["momentum_buffer"] = [Value(1.0)] * 73
    setup.optimizer.step()
    assert {type(p.data) for p in setup.params} == {Value}


def test_used_one_by_one_they_are_values_again():
    uses = {
        "reads": lambda p: p.data,
        "reads of gradients": lambda p: p.grad,
        "writes": lambda p: setattr(p, "data", 1.0),
        "writes of gradients": lambda p: setattr(p, "grad", 0.5),
    }
    for use in uses.values():
        setup = Setup().train(3)
        for _ in range(PATIENCE):
            assert in_home(setup.params) == {True}
            [use(p) for p in setup.params]
        [use(p) for p in setup.params]
        assert in_home(setup.params) == {False}
        assert setup.params[-1].data == 1.0 or use is not uses["writes"]
        assert setup.params[-1].grad == 0.5 or use is not uses["writes of gradients"]
    for _ in range(2):  # an eager training
        setup.train(loss=setup.plain)
    assert in_home(setup.params) == {False}
    setup.train(2)  # a compiled one, in which each is used now and then
    for _ in range(2 * PATIENCE):
        assert in_home(setup.params) == {True}
        for p in setup.params:
            p.grad *= 0.5
        setup.train()


def test_homes_that_do_not_last_are_not_made_for_ever():
    setup = Setup()
    made = []
    for _ in range(40):
        setup.train()
        made.append(in_home(setup.params) == {True})
        settle(setup.params[0])
    assert sum(made) < 10
    assert LASTING > 1


def test_another_list_of_parameters():
    setup = Setup().train(3)
    new = Value(1.0)
    old, setup.optimizer.params[0] = setup.params[0], new
    new.grad = 0.5
    before = old.data
    setup.optimizer.step()
    assert (old.data, new.data) == (before, 1.0 - 0.01 * 0.5)
    setup.optimizer.zero_grad()
    assert new.grad is None
    assert old.grad is not None


def test_the_model_is_pruned_and_tied(homeless):
    def work():
        setup = Setup().train(3)
        neuron = setup.model.layers[1].neurons[0]
        neuron.w[0] = neuron.w[1]
        setup.model.layers[0].neurons[3].w[:] = setup.model.layers[0].neurons[2].w
        setup.params = setup.model.parameters()
        setup.optimizer = SGD(setup.params, lr=0.01, momentum=0.9)
        return setup.train(4).numbers(), len(setup.params), in_home(setup.params)

    (numbers, count, home), (wanted, same, none) = work(), homeless(work)
    assert (numbers, count) == (wanted, same)
    assert (home, none) == ({True}, {False})


def test_a_formula_for_few_gets_single_numbers(homeless):
    """Also where they share a home with many."""

    class Rising(SGD):
        def rule(self, t):
            return lambda x, g, b: (x + self.lr * g if g > 0 else x, max(b, g))

    def work():
        setup = Setup()
        few = Rising(setup.params[20:30], lr=0.01)
        for _ in range(4):
            setup.train()
            setup.loss(setup.rows).backward()
            few.step()
        return setup.numbers(), few.state_dict(), in_home(setup.params)

    *found, home = work()
    *wanted, none = homeless(work)
    assert repr(found) == repr(wanted)
    assert (home, none) == ({True}, {False})


def test_foreign_parameters_and_subclasses(homeless):
    class Foreign:  # has no hash, either
        data, grad = 1.0, 0.5

        def __eq__(self, other):
            return NotImplemented

    class Own(Value):
        pass

    def work(extra):
        setup = Setup()
        setup.optimizer = SGD([*setup.params, extra], lr=0.01)
        setup.train(2)
        extra.grad = 0.5
        setup.optimizer.step()
        return setup.numbers(), extra.data, in_home(setup.params)

    for kind in Foreign, lambda: Own(1.0), lambda: Value(np.float64(1.0)):
        numbers, x, home = work(kind())
        wanted, y, _ = homeless(lambda kind=kind: work(kind()))
        assert (numbers, x) == (wanted, y)
    assert home == {True}
    number = Value(1.0)
    number.data = 1
    assert work(number)[2] == {False}


def test_an_optimiser_of_other_parameters_makes_none():
    setup = Setup()
    others = [Value(1.0) for _ in range(100)]
    setup.loss(setup.rows).backward()
    SGD(others).step()
    setup.loss(setup.rows).backward()
    SGD(others[:3]).step()
    assert in_home([*others, *setup.params]) == {False}


def test_without_numpy_there_is_none(monkeypatch):
    setup = Setup(samples=1)
    setup.loss(setup.rows).backward()
    monkeypatch.setitem(sys.modules, "numpy", None)
    setup.optimizer.step()
    assert in_home(setup.params) == {False}


def test_two_models_that_meet_move_together(homeless):
    def work():
        one, two = Setup(), Setup(Adam)
        both = micrograd.compile(lambda rows: sum(one.model([two.model(row).tanh(), row[1], row[2]]) for row in rows))
        one.train(2)
        apart = in_home(one.params) | in_home(two.params)
        for _ in range(3):
            for setup in one, two:
                setup.train(1, both)
            one.train(1)
        return one.numbers(), two.numbers(), apart, in_home(one.params), in_home(two.params), Home.made

    before = Home.made
    *numbers, apart, first, second, made = work()
    assert (apart, first, second, made) == ({True, False}, {True}, {True}, before + 2)
    assert numbers == [*homeless(work)[:2]]


def test_models_whose_losses_all_go_back_before_any_moves(homeless):
    def work():
        setups = [Setup(), Setup(Adam), Setup(SGD, momentum=0.9)]
        for _ in range(4):
            for setup in setups:
                setup.optimizer.zero_grad()
                setup.loss(setup.rows).backward()
            for setup in setups:
                setup.optimizer.step()
        return [s.numbers() for s in setups], [in_home(s.params) for s in setups], setups

    (numbers, homes, setups), (wanted, none, _) = work(), homeless(work)
    assert numbers == wanted
    assert (homes, none) == ([{True}] * 3, [{False}] * 3)
    assert len({id(s.optimizer._home()) for s in setups}) == 3


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_generator_against_a_critic(one_by_one, homeless):
    """The loss of one goes through both; each has an optimiser."""

    def work():
        random.seed(1)
        made, judge = MLP(2, [8, 8, 3]), MLP(3, [8, 8, 1])
        both = [(model, Adam(model.parameters(), lr=0.01)) for model in (made, judge)]
        fools = micrograd.compile(lambda zs: sum((judge(made(z)) - 1.0) ** 2 for z in zs))
        tells = micrograd.compile(
            lambda zs, xs: sum(judge(made(z)) ** 2 for z in zs) + sum((judge(x) - 1.0) ** 2 for x in xs)
        )
        zs, xs = [x[:2] for x in X[:6]], X[:6]
        for _ in range(6):
            for i, loss in enumerate((lambda: fools(zs), lambda: tells(zs, xs))):
                loss().backward()
                if one_by_one:
                    both[i][1].step()
            for _, optimizer in both:
                optimizer.step()
                optimizer.zero_grad()
        return [([p.data for p in m.parameters()], o.state_dict(), in_home(m.parameters())) for m, o in both]

    for (data, state, home), (wanted, its_state, none) in zip(work(), homeless(work)):
        agree(data, wanted)
        assert state["steps"] == its_state["steps"]
        assert (home, none) == ({True}, {False})


def test_what_has_no_optimiser_keeps_no_other_from_a_home():
    alone = [Value(1.0) for _ in range(MANY)]
    program = micrograd.compile(lambda: sum(v * v for v in alone))
    setup = Setup()
    for i in range(8):
        program().backward()  # type: ignore[union-attr]
        setup.optimizer.zero_grad()
        (setup.loss if i > 4 else setup.plain)(setup.rows).backward()
        program().backward()  # type: ignore[union-attr]
        setup.optimizer.step()
        assert in_home(setup.params) == {i > 4}
    assert in_home(alone) == {False}
    assert alone[0].grad == 2.0 * 16


def test_what_cannot_move_in_is_not_tried_for_ever(monkeypatch):
    setup, whole = Setup(), Value(1.0)
    whole.data = 1
    optimizer, tried = SGD([*setup.params, whole]), []

    def watched(v):
        tried.append(v)
        return is_able(v)

    monkeypatch.setattr("micrograd.compiler.row.is_able", watched)
    for _ in range(40):
        setup.loss(setup.rows).backward()
        optimizer.step()
        whole.data = 1
    assert 0 < tried.count(whole) < 10


def test_two_homes_become_one():
    one, two = Setup().train(3), Setup().train(3)
    both = micrograd.compile(lambda: one.plain(X[:2]) + two.plain(X[:2]))
    for setup in one, two, one, two:
        setup.optimizer.zero_grad()
        both().backward()
        setup.optimizer.step()
    assert one.optimizer._home() is two.optimizer._home() is not None
    settle(one.params[0])
    one.train(3)
    two.train(3)
    assert one.optimizer._home() is not two.optimizer._home()
    for _ in range(2 * PATIENCE):
        for setup in one, two:
            setup.optimizer.zero_grad()
            both().backward()
            setup.optimizer.step()
    assert one.optimizer._home() is two.optimizer._home() is not None


def test_what_is_no_number_beside_a_home():
    setup = Setup()
    scale = Value(1.0)
    scale.data = 2  # a whole number stays where it is
    loss = micrograd.compile(lambda rows: setup.plain(rows) * scale)
    setup.train(3, loss)
    assert in_home(setup.params) == {True}
    for wrong in Value(1.0), Value(Value(1.0)):
        scale.data = wrong
        with pytest.raises(TypeError, match="plain numbers"):
            loss(setup.rows)
    scale.data = 3
    assert loss(setup.rows).data == pytest.approx(3 * setup.plain(setup.rows).data)


def test_few_parameters_make_none():
    w = [Value(1.0) for _ in range(3)]
    frozen = [Value(1) for _ in range(100)]
    for v in frozen:
        v.data = 1
    optimizer, loss = SGD(w), micrograd.compile(lambda: sum(a * b for a in w for b in frozen))
    loss().backward()  # type: ignore[union-attr]
    optimizer.step()
    assert in_home(w) == {False}


def test_all_is_freed_with_the_values():
    setup = Setup(Adam).train(3)
    home, p = weakref.ref(setup.optimizer._home()), weakref.ref(setup.params[0])
    some = setup.params[1]
    gc.collect()
    gc.disable()
    try:
        model, loss = setup.model, setup.loss
        del setup.optimizer, setup.plain, setup.loss, setup.model, setup.params, setup, model, loss
        gc.collect()
        assert p() is None
        assert home() is not None
        settle(some)
        assert home() is None
        values = [Value(1.0) for _ in range(MANY)]
        home = weakref.ref(Home(values))
        assert home() is not None
        del values
        assert home() is None  # not even the collector was needed
    finally:
        gc.enable()


def test_what_is_dissolved_while_another_thread_looks():
    """That thread may have found the class of a view, and then the number of an ordinary Value."""
    v = Value(2.0)
    v.grad = 3.0
    data, grad = vars(View)["data"], vars(View)["grad"]
    assert (data.fget(v), grad.fget(v)) == (2.0, 3.0)
    data.fset(v, 4.0)
    grad.fset(v, 5.0)
    assert (v.data, v.grad) == (4.0, 5.0)


class Interrupted(list):
    """A list that does something whenever it is gone through for the nth time."""

    def __init__(self, items, nth, work):
        super().__init__(items)
        self.rounds, self.nth, self.work = 0, nth, work

    def __iter__(self):
        self.rounds += 1
        if self.rounds == self.nth:
            self.work()
        return super().__iter__()


def test_what_is_written_while_a_home_is_made():
    """Another thread writes after the numbers were read: nothing is lost."""
    values = [Value(float(i)) for i in range(MANY)]
    writer = threading.Thread(target=setattr, args=(values[3], "data", 7.0))

    def write():
        writer.start()
        writer.join(0.05)

    Home(Interrupted(values, 5, write))  # the classes, the gradients, and the data; then the pairs
    writer.join()
    assert [v.data for v in values[:5]] == [0.0, 1.0, 2.0, 7.0, 4.0]
    assert in_home(values) == {False}


def test_a_home_that_cannot_be_made_leaves_all_as_it_was():
    values = [Value(float(i)) for i in range(MANY)]

    def press():
        raise KeyboardInterrupt

    for nth in 3, 4:
        with pytest.raises(KeyboardInterrupt):
            Home(Interrupted(values, nth, press))
    for name in "data", "grad":
        unusual = Value(1.0)
        setattr(values[3], name, unusual)
        with pytest.raises(TypeError):
            Home(values)
        assert getattr(values[3], name) is unusual
        setattr(values[3], name, 0.5)
    assert [v.data for v in values[:5]] == [0.0, 1.0, 2.0, 0.5, 4.0]
    assert in_home(values) == {False}


def test_two_threads_that_find_a_home(monkeypatch):
    """While one is finding it, the other has to wait."""
    setup, found, reading = Setup().train(2), [], list[threading.Thread]()
    setup.loss(setup.rows)
    (call,) = setup.loss._order
    look_up = Row.look_up

    def watched(row, home):
        if not reading and row is call.row:
            reading.append(threading.Thread(target=lambda: found.append([*row.data()])))
            reading[0].start()
            reading[0].join(0.05)
        look_up(row, home)

    settle(setup.params[0])
    before = [v.data for v in call.leaves]
    Home(call.leaves[::-1])
    monkeypatch.setattr(Row, "look_up", watched)
    setup.loss(setup.rows)
    reading[0].join()
    assert found == [before]
    assert in_home(setup.params) == {True}


def test_threads():
    setups = [Setup(Adam) for _ in range(3)]
    wanted = Setup(Adam).train(1).train(60).numbers()
    for setup in setups:
        setup.train(1)
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            for setup in setups:
                pickle.dumps(setup.params[0])
                assert {type(p.data) for p in setup.params} == {float}

    threads = [threading.Thread(target=setup.train, args=(60,)) for setup in setups]
    disturber = threading.Thread(target=disturb)
    for thread in (disturber, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    disturber.join()
    for setup in setups:
        assert setup.numbers() == wanted


def test_to_torch_and_back():
    torch = pytest.importorskip("torch")
    setup = Setup().train(3)
    exported = setup.loss.to_torch(setup.rows)
    assert exported(torch.tensor(setup.rows)).item() == pytest.approx(setup.loss(setup.rows).data)
    setup.train(3)
    with torch.no_grad():
        for p in exported.parameters():
            p += 1.0
    before = [p.data for p in Setup().train(3).params]
    setup.loss.from_torch(exported)
    assert [p.data for p in setup.params] == pytest.approx([x + 1.0 for x in before])
    setup.train(1)
    assert in_home(setup.params) == {True}


def test_a_program_that_loses_its_leaves():
    """The Row of a call whose program is gone is gone, too."""
    setup = Setup()
    setup.loss(setup.rows).backward()
    setup.loss._calls.clear()
    setup.loss._order.clear()
    setup.loss._recent = None, []
    gc.collect()
    setup.optimizer.step()
    assert in_home(setup.params) == {False}


def descend(setup, rng):
    for p in setup.params:
        p.data -= 0.01 * (p.grad or 0.0)


ACTIONS: dict[str, Any] = {
    "compiled": lambda s, rng: s.loss(s.rows).backward(),
    "vmap": lambda s, rng: s.batched(s.rows).backward(),
    "eager": lambda s, rng: s.plain(s.rows[:1]).backward(),
    "step": lambda s, rng: s.optimizer.step(),
    "step of some": lambda s, rng: s.second.step(),
    "zero": lambda s, rng: s.optimizer.zero_grad(),
    "zero of some": lambda s, rng: s.second.zero_grad(set_to_none=False),
    "zero of the model": lambda s, rng: s.model.zero_grad(),
    "train": lambda s, rng: s.train(2),
    "write": lambda s, rng: setattr(rng.choice(s.params), "data", rng.random()),
    "descend": descend,
    "none": lambda s, rng: setattr(rng.choice(s.params), "grad", None),
    "whole": lambda s, rng: setattr(rng.choice(s.params), "grad", 1),
    "copy": lambda s, rng: copy.deepcopy(s.model),
    "load": lambda s, rng: s.model.load_state_dict(s.model.state_dict()),
    "load optimiser": lambda s, rng: s.optimizer.load_state_dict(s.optimizer.state_dict()),
}


@pytest.mark.parametrize("seed", range(25))
def test_anything_in_any_order(seed, homeless):
    def work():
        rng = random.Random(seed)
        setup = Setup(Adam if seed % 2 else SGD, **{} if seed % 2 else {"momentum": 0.9})
        setup.second = SGD(setup.params[: rng.choice([10, 70])], lr=0.05)
        seen = []
        for _ in range(30):
            name = rng.choice([*ACTIONS])
            ACTIONS[name](setup, rng)
            seen.append((name, [x for pair in setup.numbers() for x in pair]))
        saved = setup.optimizer.state_dict()
        return [*seen, (repr(saved["steps"]), [x for column in saved["state"].values() for x in column])]

    for got, want in zip(work(), homeless(work)):
        assert repr(got) == repr(want)


class Clipped(SGD):
    """Reads each gradient one by one, in its formula."""

    def rule(self, t):
        lr = self.lr / max(1.0, sum(p.grad**2 for p in self.params) ** 0.5)
        return lambda x, g, b: (x - lr * g, b)


class InPlace(SGD):
    def rule(self, t):
        def move(x, g, b):
            g += 0.1 * x
            x -= self.lr * g
            return x, b

        return move


@pytest.mark.parametrize("kind", [Clipped, InPlace])
def test_formulas_that_use_single_numbers_or_compute_in_place(kind):
    ws = [Value(i / 80) for i in range(80)]
    plain = [Value(w.data) for w in ws]
    optimisers = [(kind(params, lr=0.1), params) for params in (ws, plain)]
    compiled = micrograd.compile(lambda: sum((w - 1.0) ** 2 for w in ws))
    for step in range(20):
        for optimiser, _ in optimisers:
            optimiser.zero_grad()
        compiled().backward()  # type: ignore[union-attr]
        for p in plain:
            p.grad = 2.0 * (p.data - 1.0)
        frozen = step % 5 == 4 and kind is InPlace
        if frozen:
            ws[3].grad = plain[3].grad = None
        before = [w.grad for w in ws] if step % 3 == 2 else []
        for optimiser, _ in optimisers:
            optimiser.step()
        assert [w.grad for w in ws] == before or not before
        agree([w.data for w in ws], [p.data for p in plain])


def test_an_overflow_of_gradients_is_silent():
    ws = [Value(0.1) for _ in range(80)]
    optimiser, compiled = SGD(ws, lr=0.0), micrograd.compile(lambda xs: sum(w * x for w, x in zip(ws, xs)))
    compiled([1.0] * 80).backward()
    optimiser.step()
    for _ in range(2):
        compiled([1e308] * 80).backward()
    assert ws[0].grad == math.inf
