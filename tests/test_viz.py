"""The pictures: what they show, with a dot program and without."""

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import xml.dom.minidom
from fractions import Fraction

import numpy as np
import pytest
import torch
from programs import error_without

import micrograd
from micrograd import Value
from micrograd.drawing import without_warnings
from micrograd.nn import MLP, Module, Neuron
from micrograd.viz import draw_dot, replay, trace


def test_trace():
    a = Value(2)
    b = a + a
    c = b * a
    nodes, edges = trace(c)
    assert nodes == [a, b, c]
    assert edges == [(a, b), (a, b), (b, c), (a, c)]


def test_every_node_shows_label_data_and_grad():
    a, b = Value(2, label="a"), Value(-3, label="b")
    c = a * b
    c.backward()
    source = draw_dot(c).source
    assert 'label="{ a | data 2.0000 | grad -3.0000 }"' in source
    assert 'label="{ b | data -3.0000 | grad 2.0000 }"' in source
    assert 'label="{ data -6.0000 | grad 1.0000 }"' in source
    assert 'v2_op [label="*" class=v2_op]' in source
    assert 'label="data -6.0000 | grad 1.0000"' in draw_dot(c, rankdir="TB").source
    assert [line.strip() for line in source.splitlines() if "->" in line] == [
        "v2_op -> v2",
        "v0 -> v2_op",
        "v1 -> v2_op",
    ]


def test_numbers_are_shortened():
    source = draw_dot(Value(1e308) + Value(Value(1 / 3))).source
    assert "data 1e+308" in source
    assert "data Value(0.3333)" in source


@pytest.mark.parametrize(
    "x", [np.float32(1.5), np.array(1.5), Fraction(3, 2), torch.tensor(1.5)], ids=lambda x: type(x).__name__
)
def test_no_number_is_left_out(x):
    v = Value(1.0)
    v.data = v.grad = x
    assert "data 1.5000 | grad 1.5000" in draw_dot(v).source


def test_labels_are_text():
    svg = draw_dot(Value(1, label='{<b>|"\\n"|}\nü')).pipe(encoding="utf-8")
    assert "{&lt;b&gt;|&quot;\\n&quot;|}" in svg
    assert "ü" in svg


# Where there is no dot program: one that does what it does, as far as it is needed here.
DOT = """
import sys
import pygraphviz

arguments = dict((argument[:2], argument[2:]) for argument in sys.argv[1:])
source = open(sys.argv[-1]).read() if sys.argv[-1][0] != "-" else sys.stdin.read()
picture = pygraphviz.AGraph(string=source).draw(format=arguments["-T"], prog="dot")
if "-O" in arguments:
    open(sys.argv[-1] + "." + arguments["-T"], "wb").write(picture)
elif "-o" in arguments:
    open(sys.argv[sys.argv.index("-o") + 1], "wb").write(picture)
else:
    sys.stdout.buffer.write(picture)
"""


@pytest.mark.parametrize("dot", ["on PATH", "missing"])
def test_it_renders_and_shows_itself(dot, monkeypatch, tmp_path):
    if dot == "missing":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif not shutil.which("dot"):
        (tmp_path / "dot.py").write_text(DOT)
        (tmp_path / "dot").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/dot.py" "$@"\n')
        (tmp_path / "dot").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    drawing = draw_dot(Neuron(2)([Value(1), Value(2)]), rankdir="TB")
    assert "rankdir=TB" in drawing.source
    assert drawing._repr_mimebundle_()["image/svg+xml"].startswith("<?xml")
    path = drawing.render(tmp_path / "graph", format="png", cleanup=True)
    assert path == str(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "graph").exists()
    assert drawing.render(outfile=tmp_path / "other.svg", cleanup=True) == str(tmp_path / "other.svg")
    assert "<svg" in (tmp_path / "other.svg").read_text()
    assert (tmp_path / drawing.render("kept", directory=tmp_path, format="svg")).exists()
    assert (tmp_path / "kept").exists()


def test_a_rendered_picture_can_be_opened(monkeypatch, tmp_path):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    draw_dot(Value(1)).render(tmp_path / "graph", view=True)
    assert opened == [(tmp_path / "graph.svg").as_uri()]


def test_kinds_of_nodes_and_sizes_of_gradients():
    w, x = Value(5, label="w"), Value(0.5, label="x")
    out = 2 * w * x
    out.label = "out"
    out.backward()
    lines = draw_dot(out, params=[w]).source.splitlines()
    boxes = {name: next(line for line in lines if f"{{ {name} |" in line) for name in ("w", "x", "out")}
    assert 'shape=record style="filled,bold"' in boxes["w"]
    assert "shape=Mrecord style=filled" in boxes["x"]
    assert "shape=record style=filled" in boxes["out"]
    assert any(re.search("label=2.0000 .*shape=plaintext", line) for line in lines)
    shades = {name: int(line.partition('fillcolor="#')[2][:2], 16) for name, line in boxes.items()}
    assert shades["x"] == 86  # the largest: |d out / dx| is 10
    assert shades["x"] < shades["w"] == shades["out"] < 255


def test_gradients_of_zero_and_infinity_are_white():
    y = Value(math.inf) * Value(0)
    assert draw_dot(y).source.count("#ffffff") == 3
    y.backward()
    assert draw_dot(y).source.count("#ffffff") == 2


def test_part_of_a_graph():
    a = Value(1)
    out = a
    for _ in range(10):
        out = out + a
    source = draw_dot(out, max_nodes=3).source
    assert source.count("shape=record") + source.count("shape=Mrecord") == 3
    assert source.count('label="..."') == 1
    assert draw_dot(out, max_nodes=100).source == draw_dot(out).source


def test_a_large_graph_is_drawn_in_part():
    out = Value(1)
    for _ in range(50_000):
        out = out + 1
    with pytest.raises(ValueError, match=r"up to 1000 .* this graph has 100001: draw_dot\(root, max_nodes=500\)"):
        draw_dot(out)
    assert draw_dot(out, max_nodes=5).source.count("shape=record") == 3  # and two plain numbers
    assert "v100000 " in draw_dot(out, max_nodes=200_000).source  # who asks for all of it, gets it


def random_graph(n):
    """Any Value may be used again anywhere."""
    rng = random.Random(0)
    values = [Value(rng.random()) for _ in range(3)]
    unused = dict.fromkeys(values)
    while len(values) + len(unused) - 1 < n:
        a, b = rng.choices(values, k=2)
        values.append(a * b)
        unused = {v: None for v in [*unused, values[-1]] if v not in (a, b)}
    return sum(unused, Value(0.0))


def recurrence(n):
    w, out = Value(0.5), Value(1.0)
    for _ in range(n // 2 - 1):
        out = (w * out).tanh()
    return out


def one_leaf(n):
    a = out = Value(1.0)
    for _ in range(n - 1):
        out = out + a
    return out


def products(n):
    weights = [Value(i / 10) for i in range(10)]
    return sum(weights[i % 10] * weights[i * 7 % 10] for i in range(n // 2 - 5))


def skips(n):
    w, states = Value(0.5), [Value(1.0)]
    for _ in range(n // 3):
        states.append((w * states[-1]).tanh())
    return sum(states)


def loss_of_mlp(n):
    model = MLP(2, [3, 1])
    return sum((1 - model([i, 0.5])).relu() for i in range(n // 35)) + sum(p * p for p in model.parameters())


@pytest.mark.parametrize("make", [random_graph, recurrence, one_leaf, products, skips, loss_of_mlp])
def test_no_edge_is_long_so_that_graphviz_is_done_within_seconds(make):
    root = make(290)
    assert 200 < len(trace(root)[0]) <= 300
    svg = draw_dot(root).pipe(encoding="utf-8")  # it would take minutes, or hours, with the edges as they are
    assert svg.count('class="edge"') == len(trace(root)[1]) + sum(bool(v._op) for v in trace(root)[0])


def test_a_copy_stands_where_a_value_is_used_far_away():
    a = Value(1.0, label="a")
    out = a
    for _ in range(7):
        out = out + a
    out.backward()
    lines = draw_dot(out).source.splitlines()
    copies = [line for line in lines if "dashed" in line]
    assert len(copies) == 1  # the last use, seven operations away
    assert "a | data 1.0000 | grad 8.0000" in copies[0]
    assert [line.strip() for line in lines if line.endswith("-> v7_op")] == ["v6 -> v7_op", "v0_for_v7 -> v7_op"]


@pytest.mark.usefixtures("tensors")
def test_it_runs_where_it_is_narrow():
    chain = Value(1.0).exp().exp()
    assert "rankdir=LR" in draw_dot(chain).source
    chain = chain.exp()
    assert "rankdir=TB" in draw_dot(chain).source
    assert "rankdir=LR" in draw_dot(chain, rankdir="LR").source
    layer = [Value(1.0) for _ in range(16)]
    while len(layer) > 1:
        layer = [a * b for a, b in zip(layer[::2], layer[1::2])]
    assert "rankdir=LR" in draw_dot(layer[0]).source  # a tree of 16 leaves is wider than deep
    f = micrograd.compile(lambda x: x.exp().tanh().sin().cos())
    f(Value(1.0))
    assert "rankdir=TB" in draw_dot(f).source


@pytest.mark.parametrize("params", ["a model", "a dict"])
def test_parameters_under_their_names(params):
    model = MLP(2, [2, 1])
    model.layers[0].neurons[0].b.label = "my own"
    out = model([1.0, 2.0])
    source = draw_dot(out, params=model if params == "a model" else {"net": model}).source
    prefix = "" if params == "a model" else "net."
    for name in ("0.weight[1][0]", "2.bias[0]"):
        assert f'"{prefix}{name} | data' in source
    assert '"my own | data' in source
    assert "0.bias[0]" not in source
    assert set(re.findall(r"([02]\.\w+)\[", source)) == {*model.state_dict()}
    assert source.count("filled,bold") == 9
    assert "weight" not in draw_dot(out, params=model.parameters()).source
    assert draw_dot(out, params=dict.fromkeys(model.parameters())).source.count("filled,bold") == 9


def test_names_in_a_module_that_holds_itself_and_a_result():
    class Net(Module):
        def __init__(self):
            self.w, self.me = Value(2.0), [self]
            self.last = self.w * 3

    net = Net()
    source = draw_dot(net.last, params=net).source
    assert "w | data" in source
    assert "last" not in source
    assert source.count("filled,bold") == 1


@pytest.mark.parametrize("root", [MLP(2, [1]), [Value(1), Value(2)], 3.0], ids=lambda x: type(x).__name__)
def test_what_to_pass(root):
    with pytest.raises(TypeError, match=rf"model\(x\), of several Values their sum; got a {type(root).__name__}"):
        draw_dot(root)


def test_a_compiled_function():
    f = micrograd.compile(lambda x: x.exp())
    with pytest.raises(AttributeError, match="has no program yet: call it first"):
        draw_dot(f)
    f(Value(1.0))
    assert draw_dot(f).source == draw_dot(f.program).source


def test_unknown_formats(tmp_path):
    drawing = draw_dot(Value(1.0))
    words = "format must be one of svg, png, pdf, jpeg, gif, got 'doc'"
    for wrong in (
        lambda: draw_dot(Value(1.0), format="doc"),
        lambda: drawing.pipe("doc"),
        lambda: drawing.render(tmp_path / "graph", format="doc"),
        lambda: drawing.render(outfile=tmp_path / "graph.doc"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()
    assert not list(tmp_path.iterdir())


def test_control_characters_in_a_label():
    svg = draw_dot(Value(1.0, label="a\0b\x1fc\td")).pipe(encoding="utf-8")
    assert "a␀b␟c␉d" in svg
    xml.dom.minidom.parseString(svg)


def test_fontconfig_does_not_warn(tmp_path):
    settings = tmp_path / "fonts.conf"
    settings.write_text("<fontconfig><of-a-later-version/><dir>/usr/share/fonts</dir></fontconfig>")
    code = """
import os, shutil
shutil.which = lambda name: None
import pygraphviz
from micrograd import Value, viz

class Complaining(pygraphviz.AGraph):
    def draw(self, **kwargs):
        picture = super().draw(**kwargs)
        os.write(2, b"a complaint\\n")
        return picture

pygraphviz.AGraph = Complaining
viz.draw_dot(Value(1)).pipe()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | {"FONTCONFIG_FILE": str(settings)}, capture_output=True, text=True)
    assert done.stderr == "a complaint\n"


def test_other_complaints_are_passed_on(capfd):
    with without_warnings():
        os.write(2, b"Fontconfig warning: of something\na complaint\n")
    assert capfd.readouterr().err == "a complaint\n"


def test_a_notebook_that_is_not_trusted_shows_a_png_or_a_text():
    bundle = draw_dot(Value(1.0) * 2)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "image/png" not in draw_dot(Value(1.0))._repr_mimebundle_(exclude=["image/png"])
    assert len(bundle["image/png"]) < 4 * len(bundle["image/svg+xml"])
    wide = draw_dot(sum(Value(float(i)) * 2.0 for i in range(40)))
    assert wide._repr_mimebundle_().keys() == {"image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == repr(wide)
    assert "render('graph') saves graph.svg" in repr(wide)
    assert "saves graph.png" in repr(draw_dot(Value(1.0), format="png"))
    frame = replay(Value(1.0) * 2)
    assert frame._repr_html_().endswith(f">{frame!r}</iframe>")
    assert "save('replay.html')" in repr(frame)


def size(svg):
    return [int(x) for x in re.findall(r'(?:width|height)="(\d+)pt"', svg)[:2]]


def test_pictures_are_no_wider_than_the_page():
    svg = draw_dot(Value(1.0)).pipe("svg").decode()
    assert f'style="max-width: max(100%, {size(svg)[0] * 0.4:.0f}pt); height: auto"' in svg


@pytest.mark.parametrize(("products", "shown"), [(1, None), (3, 612), (40, 0.4)])
def test_pictures_are_no_wider_than_the_cell_of_a_notebook_unless_nobody_could_read_them(products, shown):
    drawing = draw_dot(sum(Value(float(i)) * 2.0 for i in range(products)), rankdir="TB")
    width, height = size(drawing._repr_mimebundle_()["image/svg+xml"])
    full_width, full_height = size(drawing.pipe("svg").decode())
    assert width == pytest.approx(full_width if shown is None else shown if shown > 1 else shown * full_width, abs=1)
    assert height == pytest.approx(full_height * width / full_width, abs=1)


@pytest.mark.parametrize("package", ["graphviz", "pygraphviz"])
def test_a_missing_package_is_named(package):
    code = "import shutil; shutil.which = lambda name: None; from micrograd import Value, viz; "
    assert package in error_without(package, code + "viz.draw_dot(Value(1)).pipe()")


@pytest.mark.usefixtures("tensors")
def test_the_program_of_a_compiled_function():
    a, b = Value(2), Value(3)
    f = micrograd.compile(lambda x: (a * b + x).exp())
    f(1.0).backward()
    source = draw_dot(f.program, rankdir="TB").source
    assert 'label="t' in source
    assert "exp ()" in source
    assert "leaves (2,)" in source
    assert "leaves -> t" in source


def test_the_result_of_a_compiled_function():
    a = Value(2)
    out = micrograd.compile(lambda x: a * x)(3.0) + 1
    out.backward()
    source = draw_dot(out).source
    assert "1 leaves" in source
    assert "results" in source
    assert "data 6.0000 | grad 1.0000" in source


def test_a_program_shows_itself(monkeypatch):
    a = Value(2)
    f = micrograd.compile(lambda x: (a * x).exp())
    f(1.0)
    bundle = f.program._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"] == str(f.program)
    monkeypatch.setattr("micrograd.viz.drawing_class", missing)
    assert f.program._repr_mimebundle_() == {"text/plain": str(f.program)}


def missing():
    raise ImportError


def test_the_order_is_that_in_which_python_computes():
    a, b, c, d = (Value(float(x), label=name) for x, name in enumerate("abcd", 1))
    z = (a * b) + (c / d)
    nodes, _ = trace(z)
    assert [node._op or node.label for node in nodes] == ["a", "b", "c", "d", "*", "/", "+"]
    steps = json.loads(re.search(r'type="application/json">(.*?)</script>', replay(z).page)[1])["steps"]  # type: ignore[index]
    assert [step["lines"][0].split(" = ")[-1] for step in steps[:3]] == ["a * b", "c / d", "v4 + v5"]


def test_names_of_parameters_and_of_variables(tmp_path):
    model = MLP(1, [1])
    x = Value(2.0)
    score = model([x])
    margin = 1 - score
    for page in replay(margin, params=model, names=locals()).page, replay(margin, model, locals()).page:
        for name in ("0.weight[0][0]", "0.bias[0]", "x", "score", "margin"):
            assert f"{name} = " in page or f"{name} * " in page or f"grad({name})" in page
    dot = draw_dot(margin, params=model, names=locals())
    assert dot.source.count("filled,bold") == 2
    assert "score | data" in dot.source
    margin.label, _hidden = "mine", x * 2
    assert "mine | data" in draw_dot(margin, names=locals()).source
    assert "_hidden" not in draw_dot(_hidden, names=locals()).source
    path = tmp_path / "replay.html"
    assert replay(margin).save(path) == str(path)
