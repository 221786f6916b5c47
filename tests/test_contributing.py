"""CONTRIBUTING's "Add an operation", followed to the letter in a copy of the package: the arcus tangent."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import micrograd

PACKAGE = Path(micrograd.__file__).parent
PAGE = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")

METHODS = '''
    def atan(self) -> Value:
        """The arcus tangent, in radians"""
        return Value(scalar.atan(self.data), (self,), "atan", Value._atan_backward)

    def _atan_backward(out) -> None:
        x = out._prev[0]
        x.grad += scalar.divide(out.grad, 1.0 + x.data * x.data)

    def sigmoid(self)'''
FUNCTION = """
@generic
def atan(x: float) -> float:
    return math.atan(x)


@generic
def sigmoid("""
# Where the page says that it is added: what is there, and what stands there then.
EDITS = {
    "engine.py": [("\n    def sigmoid(self)", METHODS)],
    "scalar.py": [("\n@generic\ndef sigmoid(", FUNCTION)],
    "compiler/symbol.py": [('FUNCTIONS = "relu", ', 'FUNCTIONS = "relu", "atan", ')],
    "compiler/emit.py": [('    "tanh": "np.tanh({})",', '    "tanh": "np.tanh({})",\n    "atan": "np.arctan({})",')],
    "compiler/floats.py": [("IN_MATH = ", 'IN_MATH = "atan", ')],
}
USE = """
import math, random, sys
import micrograd, torch
from micrograd import Value, gradcheck, vmap
from micrograd.viz import draw_dot, replay

assert micrograd.__file__.startswith(sys.argv[1])
w = [Value(0.1 * i - 1.0) for i in range(200)]
one, many = (lambda x: (w[3] * x).atan()), (lambda x: sum((v * x).atan() * v for v in w))
for f, kind in ((one, "plain floats"), (many, "tensor operations")):
    compiled = micrograd.compile(f)
    for x in (0.5, -2.0, math.inf, -math.inf, math.nan, 0.0):
        t = torch.tensor([v.data for v in w], dtype=torch.float64, requires_grad=True)
        want = (t[3] * x).atan() if f is one else ((t * x).atan() * t).sum()
        (grad,) = torch.autograd.grad(want, t)
        for g in (f, compiled):
            for v in w:
                v.grad = 0.0
            out = g(x)
            out.backward()
            for a, b in zip([out.data, *(v.grad for v in w)], [want.item(), *grad.tolist()]):
                assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b), (a, b)
    assert kind in str(compiled.program), compiled.program
    exported = compiled.to_torch(0.5)
    assert math.isclose(exported(torch.tensor(0.5, dtype=torch.float64)).item(), f(0.5).data)
x = Value(Value(0.7))
x.atan().backward()
x.grad.backward()
assert math.isclose(x.data.grad, -2 * 0.7 / (1 + 0.49) ** 2)
assert gradcheck(Value.atan, [0.3])
assert "atan" in draw_dot(one(0.5)).source and "atan" in replay(one(0.5)).page
"""


def test_an_operation_is_added_as_the_page_says(tmp_path):
    section = PAGE[PAGE.index("## Add an operation") : PAGE.index("## Check deeply")]
    named = set(re.findall(r"(?:compiler|micrograd)/\w+\.py|`scalar\.py`", section))
    assert named == {
        *("micrograd/engine.py", "micrograd/scalar.py", "`scalar.py`", "compiler/symbol.py", "compiler/emit.py"),
        *("compiler/floats.py", "compiler/in_torch.py", "compiler/machine.py"),  # the last two where names differ
    }
    assert {"FUNCTIONS", "NUMPY", "FLOATS", "IN_MATH", "TORCH", "LINES"} <= set(re.findall(r"`([A-Z_]+)`", section))
    shutil.copytree(PACKAGE, tmp_path / "micrograd", ignore=shutil.ignore_patterns("__pycache__"))
    for file, edits in EDITS.items():
        path = tmp_path / "micrograd" / file
        text = path.read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, (file, before)
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
