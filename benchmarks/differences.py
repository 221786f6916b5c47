"""python -m benchmarks.differences: what a program written for micrograd 0.1.0 sees differ.

Runs each line below with both, 0.1.0 in an environment of its own, and prints those with another outcome. The README's
list is made of it by hand.
"""

import json
import subprocess
import sys

from .__main__ import ROOT, environment
from .work import OLD

# Lines of code, the last part of which is an expression. All begin with PRELUDE.
PRELUDE = """
import copy, gc, math, pickle, random
import numpy as np
import micrograd
from micrograd import engine, nn
from micrograd.engine import Value
from micrograd.nn import MLP, Layer, Module, Neuron
a, b, zero, inf = Value(2.0), Value(-3.0), Value(0.0), float("inf")
random.seed(1)

def grads(root, *leaves):
    root.backward()
    return [leaf.grad for leaf in leaves]

def names(x):
    return sorted(name for name in dir(x) if name[:2] != "__" or callable(getattr(x, name)))
"""
PROBES = """
names(micrograd)
names(engine)
names(nn)
names(Value) + sorted(vars(a))
names(Module)
names(Neuron(1)) + names(Layer(1, 1)) + names(MLP(1, [1]))
a.data, a.grad, a._op, a._prev, a._backward()
Value(2)
Value(True).data
Value(data=1, _children=(a,), _op="f")._prev == {a}
(a * b)._prev == {a, b}
(a * b)._prev
(a + a)._prev
(a + 1)._prev
a._backward is a._backward
Value("2").data
Value(None).data
Value([1.0]).data
Value(np.ones(2)).data
Value(np.float32(1)).data
Value(1j).data
Value(a).data is a
Value(1, a)
a.data = 5; repr(a)
str(a), f"{a}", "%s" % a
f"{a:.2f}"
(a + b).data, (a - b).data, (a * b).data, (a / b).data, (a**2).data, (-a).data, a.relu().data, b.relu().data
(1 + a).data, (1 - a).data, (2 * a).data, (1 / a).data, (a + 1).data, (a - 1).data, (a / 2).data
[x._op for x in (a + b, a - b, a * b, a / b, a**2, -a, a.relu(), 1 - a, 1 / a)]
len((a - b)._prev), len((-a)._prev), len((a**2)._prev), len((1 / a)._prev)
(2**a).data
(a**b).data
(a**True).data
(a ** "2").data
(a ** np.float64(2)).data
a + "1"
a + [1]
a + None
a == 2.0
a == Value(2.0), a != b, hash(a) == hash(Value(2.0))
a < b
a < 3
max([a, b])
sorted([a, b]) == [b, a]
bool(zero)
float(a)
int(a)
abs(a).data
+a is a
round(a)
a % 2
a // 2
a @ a
math.exp(a)
a()
len(a)
list(a)
[10, 11, 12][a.data]
isinstance(a.data, int), isinstance(Value(2).data, int), isinstance(Value(2).relu().data, int)
(a / 0).data
(zero / zero).data
(1 / zero).data
(zero**-1).data
(b**0.5).data
(Value(1e200) ** 2).data
(Value(10) ** 400).data
(Value(1e308) * 10).data
Value(float("nan")).relu().data
Value(-0.0).relu().data
(zero**0).data
(Value(1e-320) / 1e-320).data
(3 / Value(1e-309)).data
grads(a * b + a, a, b)
grads(a / b, a, b)
grads(a**3, a)
grads(zero**2, zero)
grads(zero**0.5, zero)
grads(zero**0, zero)
grads(zero.relu(), zero)
grads(Value(inf) * zero, zero)
x = Value(float("nan")); grads(x.relu(), x)
c = a * b; c.backward(); c.backward(); a.grad
c = a * b; d = c * 2; d.backward(); d.backward(); a.grad, c.grad, d.grad
c = a * b; (c * 2).backward(); (c * 3).backward(); a.grad, c.grad
c = a * b; a.data = 10.0; c.backward(); b.grad
c = (a * b).relu(); c.data = 7.0; c.backward(); a.grad
a.grad = None; (a * 1).backward(); a.grad
a.grad = 5.0; a.backward(); a.grad
a.backward(); a.backward(); a.grad
c = a + 0; [c := c + 1 for _ in range(5000)]; c.backward(); a.grad
c = Value(6.0, (a,), "twice"); c._backward = lambda: setattr(a, "grad", a.grad + 3 * c.grad); c.backward(); a.grad
a._backward = lambda: print("called"); (a * 2).backward()
c = a * b; c._backward = lambda: None; c.backward(); a.grad
copy.copy(a).data, copy.deepcopy(a).data, pickle.loads(pickle.dumps(a)).data
copy.deepcopy(a * b).data
copy.copy(a * b).data
pickle.dumps(a * b)
copy.deepcopy(MLP(2, [2])).parameters()[0].data
m = MLP(1, [1]); m.loss = m([1.0]) * 2; copy.deepcopy(m).loss.data
a.label = "a"; a.label
a.label
a.anything = 1; a.anything
np.array([a, b]).dtype
type(a * np.ones(2)).__name__
type(np.ones(2) * a).__name__
type(np.float64(2) * a).__name__, type(a * np.float64(2)).__name__
sum([a, b]).data
np.sum([a, b]).data
w = Value(1.0) * 2; (w * 3).backward(); (w * 3).backward(); w.grad
V = type("V", (Value,), {}); type(V(1) + 1).__name__, type(-V(1)).__name__
Neuron(2), Neuron(2, nonlin=False), Neuron(2, False), Neuron(2, nonlin=1)
Layer(2, 3)
MLP(2, [2, 1])
Module()
Module().parameters()
MLP(2, [3, 1]).parameters()[3]
[p.data for p in MLP(2, [3, 1]).parameters()]
MLP(2, [3, 1])([1.0, -2.0]).data
type(MLP(2, [1])([1.0, 2.0])).__name__, type(MLP(2, [2])([1.0, 2.0])).__name__
MLP(2, [2])([1.0])
MLP(2, [2])([1.0, 2.0, 3.0])
MLP(2, [2])([[1.0, 2.0], [3.0, 4.0]])
MLP(2, [2])(np.ones(2))[0].data
MLP(2, [2])(np.ones((3, 2)))
MLP(2, [2])(1.0)
MLP(1, [1])(1.0).data
MLP(2, (2, 1))
MLP(2, 2)
MLP(2, [])([1.0, 2.0])
MLP(2, [])
Neuron(0)([])
Layer(2, 0)([1.0, 2.0])
Layer(2, 1, nonlin=False)([1.0, 2.0]).data
Layer(2, 1, foo=1)
MLP(2, [1], nonlin=False)
Neuron(2, "tanh")([1.0, 2.0]).data
Neuron(2, None)([1.0, 2.0]).data
n = Neuron(1); n.nonlin = False; n([-1.0]).data
m = MLP(2, [2]); m([1.0, 2.0])[0].backward(); m.zero_grad(); [p.grad for p in m.parameters()]
type(Neuron(2).b.data).__name__, type(Neuron(2).b.grad).__name__
Neuron(2)(x for x in [1.0, 2.0]).data
Layer(2, 2)(x for x in [1.0, 2.0])[0].data
Neuron(2)({1.0: 0, 2.0: 0}).data
n = Neuron(1); n.extra = Value(1); len(n.parameters())
m = Module(); m.w = [Value(1)]; len(m.parameters())
""".strip().splitlines()
RUN = """
import contextlib, io, json, re, sys, warnings
warnings.simplefilter("ignore")
prelude, probes = json.load(sys.stdin)
outcomes = []
for probe in probes:
    scope, printed = {}, io.StringIO()
    exec(prelude, scope)
    *statements, last = probe.split("; ")
    try:
        with contextlib.redirect_stdout(printed):
            for statement in statements:
                exec(statement, scope)
            outcome = repr(eval(last, scope))
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    outcomes.append(re.sub("0x[0-9a-f]+", "0x...", printed.getvalue() + outcome))
json.dump(outcomes, sys.stdout)
"""


def outcomes(python: str, *options: str) -> list[str]:
    """What each line gives under the micrograd of a Python, which runs where this checkout is."""
    given, command = json.dumps([PRELUDE, PROBES]), [python, *options, "-c", RUN]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, cwd=ROOT)
    found: list[str] = json.loads(done.stdout)
    return found


def main() -> None:
    old = environment([*OLD, "numpy"])
    pairs = list(zip(PROBES, outcomes(old, "-I"), outcomes(sys.executable), strict=True))  # -I: not with this checkout
    for probe, before, now in pairs:
        if before != now:
            print(f"{probe}\n    0.1.0: {before}\n    here:  {now}")
    print(f"{sum(before != now for _, before, now in pairs)} of {len(pairs)} differ")


if __name__ == "__main__":
    main()
