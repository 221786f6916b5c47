"""Random programs with state around them, which changes between the calls: eager against compiled.

What code reaches by name is seen as it is; what it asks beside that (types of numbers, what a cache remembers) with
`check=True`, where a program that would be another is refused.

`HYPOTHESIS_PROFILE=nightly python -m pytest tests/test_fuzz_state.py` runs 5,000 of them.
"""

import collections
import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import agree

import micrograd
from micrograd import Value, vmap
from micrograd.nn import Module

NUMBERS = [0.0, -0.0, 0.5, -1.0, 1, 2.0, 2, True]


class Slotted:
    __slots__ = ("number",)

    def __init__(self, number: Any):
        self.number = number


class Holder(Module):
    number: Any = 2.0

    def __init__(self, number: Any):
        self.number = number
        self.unused = 0

    def scaled(self, x: Any) -> Any:
        return x * self.number

    def shifted(self, x: Any) -> Any:
        return x + self.number


class State:
    """Places of many kinds around a program; each holds a number or a Value."""

    def __init__(self, values: Sequence[Any], maxsize: int | None):
        self.values = values
        values[0].scales = [0.5]
        self.listed: list[Any] = [1.0, values[0]]
        self.table: dict[str, Any] = {"number": 0.5, "list": self.listed, "value": values[1]}
        self.holder, self.slotted, self.space = Holder(0.5), Slotted(2.0), types.SimpleNamespace(number=0.5)
        self.window: Any = collections.deque([0.5], maxlen=2)
        self.array = np.array([0.5, 2.0])
        self.kind = type("Kind", (Holder,), {})
        self.of_kind = self.kind(1.0)
        self.keyed = {Holder(0.5): 2.0}
        self.remember: Any = functools.lru_cache(maxsize)(lambda i: {"number": 0.5 + i})
        self.function: Any = lambda x, k=0.5: x * k
        number: Any = 0.5

        def read(x: Any) -> Any:
            return x * number

        def write(to: Any) -> None:
            nonlocal number
            number = to

        self.read, self.write = read, write


READ: list[Callable[[State, Any], Any]] = [
    lambda s, x: x * s.table["number"],
    lambda s, x: sum(item * x for item in s.listed),
    lambda s, x: x + s.table["list"][0],
    lambda s, x: s.table["value"] * x,
    lambda s, x: s.holder.scaled(x),
    lambda s, x: x * s.slotted.number,
    lambda s, x: x - s.space.number,
    lambda s, x: x + sum(s.window),
    lambda s, x: x * s.array[0] + s.array[-1],
    lambda s, x: s.of_kind.scaled(x),
    lambda s, x: s.function(x),
    lambda s, x: s.read(x),
    lambda s, x: sum(vmap(lambda y: y * x * s.holder.number)([1.0, 2.0])),
    lambda s, x: s.values[1] / (x * 0.0 + s.holder.number),
    lambda s, x: (x * s.values[0]).tanh(),
    lambda s, x: x * sum(s.values[0].scales),
    lambda s, x: x * getattr(s.values[1], "flag", 0.5),
    lambda s, x: x + (2.0 if hasattr(s.values[1], "flag") else 1.0),
    lambda s, x: sum(holder.scaled(x) * weight for holder, weight in s.keyed.items()),
    lambda s, x: type(s.of_kind)(0.5).scaled(x),
    lambda s, x: x * 0.01 * len(repr(s.holder)),
]
READ_UNNAMED: list[Callable[[State, Any], Any]] = [
    lambda s, x: x + 1.0 if s.slotted.number is True else x,
    lambda s, x: x * (0.5 if isinstance(s.space.number, int) else 1.5),
    lambda s, x: x * sum(0.5 for item in s.window if isinstance(item, int)),
    lambda s, x: x * s.remember(1)["number"] + s.remember(2)["number"],
]
CHANGE: list[Callable[[State, Any, int], Any]] = [
    lambda s, to, i: s.table.update(number=to),
    lambda s, to, i: s.listed.append(to) if len(s.listed) < 4 else s.listed.pop(),
    lambda s, to, i: s.listed.__setitem__(0, to),
    lambda s, to, i: s.table.update(value=s.values[i % len(s.values)]),
    lambda s, to, i: s.table.update(list=[to, 2.0]),
    lambda s, to, i: setattr(s.holder, "number", to),
    lambda s, to, i: setattr(s.holder, "unused", to),
    lambda s, to, i: setattr(s.slotted, "number", to),
    lambda s, to, i: setattr(s.space, "number", to),
    lambda s, to, i: s.window.append(to),
    lambda s, to, i: s.array.__setitem__(i % 2, float(to)),
    lambda s, to, i: setattr(s.kind, "scaled", [Holder.scaled, Holder.shifted][i % 2]),
    lambda s, to, i: setattr(s, "of_kind", s.kind(to)),
    lambda s, to, i: setattr(s.function, "__defaults__", (to,)),
    lambda s, to, i: setattr(s, "function", [lambda x: x + 1.0, lambda x: x * 3.0][i % 2]),
    lambda s, to, i: s.write(to),
    lambda s, to, i: setattr(s, "holder", [Holder, s.kind][i % 2](to)),
    lambda s, to, i: setattr(s.values[i % len(s.values)], "data", float(to)),
    lambda s, to, i: s.values[0].scales.__setitem__(0, to),
    lambda s, to, i: setattr(s.values[1], "flag", to),
    lambda s, to, i: vars(s.values[1]).pop("flag", None),
    lambda s, to, i: setattr(next(iter(s.keyed)), "number", to),
    lambda s, to, i: s.keyed.update({Holder(to): 0.5}),
    lambda s, to, i: setattr(s.holder, "weight", Value(0.5)),
]
CHANGE_UNNAMED: list[Callable[[State, Any, int], Any]] = [
    lambda s, to, i: setattr(s.holder, "__class__", [Holder, s.kind][i % 2]),
    lambda s, to, i: setattr(s.holder, "__dict__", {"number": to, "unused": i}),
    lambda s, to, i: s.remember(1).update(number=to),
    lambda s, to, i: s.remember.cache_clear(),
    lambda s, to, i: s.remember(i),
]


def programs(read: Sequence[Any], change: Sequence[Any]) -> Any:
    changes = st.tuples(st.sampled_from(change), st.sampled_from(NUMBERS), st.integers(0, 3))
    steps = st.lists(st.sampled_from(read), min_size=1, max_size=4)
    return st.tuples(steps, st.lists(st.lists(changes, max_size=3), min_size=2, max_size=5), st.booleans())


@settings(max_examples=min(5_000, settings().max_examples))
@given(programs(READ, CHANGE))
def test_state_that_changes(program: Any) -> None:
    assert run(program, check=False)


@settings(max_examples=min(5_000, settings().max_examples))
@given(programs(READ + READ_UNNAMED, CHANGE + CHANGE_UNNAMED))
def test_state_that_has_no_name(program: Any) -> None:
    run(program, check=True)


def run(program: Any, check: bool) -> bool:
    """Call a program eagerly and compiled, after each turn of changes; says whether it was always compiled."""
    steps, turns, method = program
    values = [Value(0.5), Value(-1.25)]
    state = State(values, [None, 3][len(turns) % 2])

    def function(x: Any) -> Any:
        for step in steps:
            x = step(state, x)
        return x * values[0]

    called = types.MethodType(lambda _, x: function(x), state) if method else function
    compiled = micrograd.compile(called, check=check)
    for turn in turns:
        for change, to, i in turn:
            change(state, to, i)
        found = []
        for f in (function, compiled, compiled):
            for v in values:
                v.grad = 0.0
            try:
                out = f(0.75)
                out.backward()
            except TypeError:
                if f is compiled and check:
                    return False
                raise
            found.append([out.data, *(v.grad for v in values)])
        agree(found[1], found[0], rel=1e-9, abs_=1e-12)
        agree(found[2], found[0], rel=1e-9, abs_=1e-12)
    return True
