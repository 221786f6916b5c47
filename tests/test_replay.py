"""The page that replays a backward pass, in a real browser."""

import math
import os
import re
import shutil

import pytest
from programs import readme_expression

from micrograd import Value
from micrograd.engine import as_value
from micrograd.viz import replay

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")


def expression():
    """The README's."""
    a, b = Value(-4.0, label="a"), Value(2.0, label="b")
    g = readme_expression(a, b)
    g.label = "g"
    return a, b, g


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        advice = "no browser: apt-get install chromium"
        (pytest.fail if os.environ.get("MICROGRAD_TEST_BROWSER") == "required" else pytest.skip)(advice)
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A new tab, off the network, that takes no error."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    errors, urls = [], []

    def refuse(dialog):
        errors.append(dialog.message)
        dialog.dismiss()

    page.on("pageerror", lambda error: errors.append(error))
    page.on("dialog", refuse)
    page.on("request", lambda request: urls.append(request.url))
    yield page
    context.close()
    assert errors == []
    assert [url for url in urls if not url.startswith("file:")] == []


def open_replay(page, root, tmp_path):
    replay(root).save(tmp_path / "replay.html")
    page.goto((tmp_path / "replay.html").as_uri())
    return int(page.get_attribute("#slider", "max"))


def box_texts(page, name):
    """What stands in the box of a Value."""
    boxes = page.eval_on_selector_all(
        "#graph .node", "nodes => nodes.map(node => [...node.querySelectorAll('text')].map(text => text.textContent))"
    )
    return next(texts for texts in boxes if texts[0] == name)


def test_through_the_expression_to_the_end(page, tmp_path):
    a, b, g = expression()
    steps = open_replay(page, g, tmp_path)
    assert page.inner_text("#where") == f"Before the first of {steps} steps"
    assert box_texts(page, "a") == ["a", "data -4.0000", "grad 0.0000"]
    assert box_texts(page, "g") == ["g", "data ", "grad 0.0000"]
    seen = []
    for i in range(steps):
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#where").endswith(f"pass, step {i + 1} of {steps}")
        seen.append(page.inner_text("#lines"))
        assert page.locator("#graph .lit").count() >= 1
    assert box_texts(page, "g") == ["g", "data 24.7041", "grad 1.0000"]
    assert box_texts(page, "a") == ["a", "data -4.0000", "grad 138.8338"]
    assert box_texts(page, "b") == ["b", "data 2.0000", "grad 645.5773"]
    assert any(line.startswith("g = ") and "24.7041" in line for line in seen)
    assert "grad(g) = 1.0" in seen
    assert (a.grad, b.grad, g.grad) == (0.0, 0.0, 0.0)  # replaying changes nothing
    page.keyboard.press("Home")
    assert box_texts(page, "g") == ["g", "data ", "grad 0.0000"]


def test_the_chain_rule_is_written_out(page, tmp_path):
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b
    c.label = "c"
    d = c * a
    d.label = "d"
    assert open_replay(page, d, tmp_path) == 5
    lines = []
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        lines.append(page.inner_text("#lines").splitlines())
    assert lines == [
        ["c = a * b", "  = 2.0 * -3.0  ->  -6.0"],
        ["d = c * a", "  = -6.0 * 2.0  ->  -12.0"],
        ["grad(d) = 1.0"],
        [
            "d = c * a",
            "d(c * a)/dc = a = 2.0",
            "grad(c) += 2.0 * 1.0  ->  2.0",
            "d(c * a)/da = c = -6.0",
            "grad(a) += -6.0 * 1.0  ->  -6.0",
        ],
        [
            "c = a * b",
            "d(a * b)/da = b = -3.0",
            "grad(a) += -3.0 * 2.0  ->  -6.0 + -6.0 = -12.0",  # the second of its uses adds up
            "d(a * b)/db = a = 2.0",
            "grad(b) += 2.0 * 2.0  ->  4.0",
        ],
    ]


def test_slider_buttons_and_space(page, tmp_path):
    steps = open_replay(page, expression()[2], tmp_path)
    page.click("#on")
    page.click("#on")
    page.click("#back")
    assert "step 1 of" in page.inner_text("#where")
    page.locator("#slider").fill(str(steps - 1))
    assert f"step {steps - 1} of" in page.inner_text("#where")
    page.locator("body").press(" ")
    assert page.inner_text("#play") == "pause"
    page.wait_for_function("document.getElementById('play').textContent === 'play'")  # it plays to the end, and stops
    assert f"step {steps} of" in page.inner_text("#where")
    page.click("#play")  # and begins anew
    assert page.inner_text("#where").startswith("Before")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#play") == "play"


@pytest.mark.parametrize(
    "label",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</script><b>",
        "{a|b}\\n",
        "<!-- graph -->",
        "ü ∂",
    ],
)
def test_labels_are_text(page, tmp_path, label):
    x = Value(1.0, label=label)
    open_replay(page, x * 2, tmp_path)
    page.keyboard.press("End")
    assert box_texts(page, label)[0] == label
    assert f"grad({label}) += 2.0 * 1.0  ->  2.0" in page.inner_text("#lines")
    assert page.locator("script").count() == 2
    assert page.locator("#graph img, #graph b").count() == 0


def test_it_shows_itself_in_a_notebook(page, tmp_path):
    (tmp_path / "notebook.html").write_text(f"<body>{replay(expression()[2])._repr_html_()}</body>", encoding="utf-8")
    page.goto((tmp_path / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("#slider").press("End")
    assert "138.8338" in frame.locator("#graph").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(page, tmp_path, scheme):
    page.emulate_media(color_scheme=scheme)
    open_replay(page, expression()[2], tmp_path)
    page.keyboard.press("End")
    ground, text = (
        sum(map(int, page.eval_on_selector(s, f"e => getComputedStyle(e).{what}.match(/\\d+/g).slice(0, 3)")))
        for s, what in (("body", "backgroundColor"), ("#graph text", "fill"))
    )
    assert (ground > 600 > 200 > text) if scheme == "light" else (ground < 200 < 600 < text)


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_widths(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 640})
    open_replay(page, expression()[2], tmp_path)
    page.keyboard.press("End")
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # only the graph scrolls
    assert page.locator(".lit").last.is_visible()


def test_from_one_node_to_three_hundred(page, tmp_path):
    assert open_replay(page, Value(1.0, label="alone"), tmp_path) == 1
    page.keyboard.press("End")
    assert box_texts(page, "alone") == ["alone", "data 1.0000", "grad 1.0000"]
    out = Value(1.0)
    for _ in range(149):
        out = out * Value(1.01)
    open_replay(page, out, tmp_path)
    page.keyboard.press("End")
    assert page.locator("#graph .node").count() == 299 + 149


def test_constants_operations_by_hand_and_nested_values(page, tmp_path):
    x = Value(3.0, label="x")
    out = Value(9.0, (x,), "square", label="out")

    def backward():
        x.grad += 6.0 * out.grad

    out._backward = backward
    x.grad = 0.5
    open_replay(page, out * 2, tmp_path)
    page.keyboard.press("End")
    assert page.inner_text("#lines") == "out = square(x)\nd(square(x))/dx = 6.0\ngrad(x) += 6.0 * 2.0  ->  12.0"
    assert (x.grad, out.grad) == (0.5, 0.0)
    y = Value(Value(2.0), label="y")
    open_replay(page, y * y, tmp_path)
    page.keyboard.press("End")
    assert box_texts(page, "y") == ["y", "data Value(2.0000)", "grad Value(4.0000)"]


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda x: x + 1, "d(x + 1.0)/dx = 1.0"),
        (lambda x: x / 2, "d(x / 2.0)/dx = 1 / 2.0 = 0.5"),
        (lambda x: 2 / x, "d(2.0 / x)/dx = -2.0 / x**2 = -0.5"),
        (lambda x: x**3, "d(x**3)/dx = 3 * x**(3 - 1) = 12.0"),
        (lambda x: x**x, "d(x ** x)/dx, operand 1 = x * x**(x - 1) = 4.0"),
        (lambda x: 2**x, "d(2.0 ** x)/dx = out * log(2.0) = 2.7726"),
        (lambda x: x * x, "d(x * x)/dx, operand 2 = x = 2.0"),
        (lambda x: x.relu(), "d(ReLU(x))/dx = 1 if x > 0 else 0 = 1.0"),
        (lambda x: x.exp(), "d(exp(x))/dx = out = 7.3891"),
        (lambda x: x.log(), "d(log(x))/dx = 1 / x = 0.5"),
        (lambda x: x.sqrt(), "d(sqrt(x))/dx = 1 / (2 * out) = 0.3536"),
        (lambda x: x.sin(), "d(sin(x))/dx = cos(x) = -0.4161"),
        (lambda x: x.cos(), "d(cos(x))/dx = -sin(x) = -0.9093"),
        (lambda x: x.tanh(), "d(tanh(x))/dx = 1 - out**2 = 0.0707"),
        (lambda x: x.sigmoid(), "d(sigmoid(x))/dx = out * (1 - out) = 0.105"),
        (lambda x: (-x).abs(), "d(abs(v1))/dv1 = sign(v1) = -1.0"),
        (lambda x: x.maximum(1.0), "d(max(x, 1.0))/dx = 1.0"),
    ],
)
def test_where_a_local_derivative_comes_from(make, rule):
    out = make(Value(2.0, label="x"))
    out.label = "out"
    assert f'"{rule}"' in replay(out).page
    names = {"x": 2.0, "out": out.data, "v1": -2.0, "sign": lambda v: math.copysign(1.0, v), **vars(math)}
    *_, formula, number = rule.split(" = ")  # and it is true
    assert eval(formula if formula[:2] != "d(" else number, names) == pytest.approx(float(number), abs=1e-4)


def test_nobody_knows_the_rules_of_an_operation_by_hand():
    x = Value(3.0, label="x")
    out = Value(0.0, (x,), "exp")
    out._backward = lambda: None
    assert '"d(exp(x))/dx = 0.0"' in replay(out).page


def test_a_value_used_far_away_is_lit_and_updated_in_all_its_boxes(page, tmp_path):
    a = out = Value(1.0, label="a")
    for _ in range(20):
        out = out + a
    open_replay(page, out, tmp_path)
    page.keyboard.press("End")
    texts = page.eval_on_selector_all("#graph .v0", "nodes => nodes.map(node => node.textContent.replace(/\\s/g, ''))")
    assert len(texts) > 10
    assert all("grad21.0000" in text for text in texts)
    assert page.locator("#graph .v0.beside").count() == len(texts)


@pytest.mark.parametrize("root", [Value(3.0), as_value(3.0)], ids=["Value", "Constant"])
def test_one_number(page, tmp_path, root):
    assert open_replay(page, root, tmp_path) == 1
    page.keyboard.press("End")
    assert page.inner_text("#lines") == "grad(v0) = 1.0"
    assert box_texts(page, "v0") == ["v0", "data 3.0000", "grad 1.0000"]


def test_a_focused_button_takes_the_space_bar(page, tmp_path):
    open_replay(page, expression()[2], tmp_path)
    page.focus("#on")
    page.keyboard.press(" ")
    assert page.inner_text("#where").endswith("step 1 of 51")
    assert page.inner_text("#play") == "play"  # and nothing began to play
    page.focus("#play")
    page.keyboard.press(" ")
    assert page.inner_text("#play") == "pause"
    page.keyboard.press(" ")
    assert page.inner_text("#play") == "play"


def graph_size(page):
    return page.eval_on_selector("#graph svg", "svg => [svg.clientWidth, svg.clientHeight]")


def lit_in_view(page):
    """Whether the middle of what the step is about is inside the frame."""
    return page.evaluate("""() => {
        const frame = document.getElementById("graph").getBoundingClientRect();
        const lit = document.querySelector("#graph .lit").getBoundingClientRect();
        const x = lit.x + lit.width / 2, y = lit.y + lit.height / 2;
        return frame.left < x && x < frame.right && frame.top < y && y < frame.bottom;
    }""")


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_zoom_and_fit(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_replay(page, expression()[2], tmp_path)
    page.click("#fit")
    frame = page.eval_on_selector("#graph", "graph => [graph.clientWidth, graph.clientHeight]")
    fitted = graph_size(page)
    assert all(a <= b for a, b in zip(fitted, frame))
    assert any(a > 0.95 * b for a, b in zip(fitted, frame))
    page.click("#larger")
    larger = graph_size(page)
    assert larger[0] == pytest.approx(1.25 * fitted[0], abs=2)
    page.keyboard.press("-")
    assert graph_size(page)[0] == pytest.approx(fitted[0], abs=2)
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.click("#smaller")
    assert graph_size(page)[0] == pytest.approx(larger[0], abs=2)
    page.keyboard.press("0")
    assert graph_size(page) == fitted


@pytest.mark.parametrize(("width", "whole"), [(700, True), (390, False)])
def test_at_first_it_is_whole_or_large_enough(page, tmp_path, width, whole):
    page.set_viewport_size({"width": width, "height": 640})
    w1, x1, w2, x2, b = (Value(0.5, label=name) for name in ("w1", "x1", "w2", "x2", "b"))
    open_replay(page, (w1 * x1 + w2 * x2 + b).tanh(), tmp_path)
    frame = page.eval_on_selector("#graph", "graph => graph.clientWidth")
    scale = page.eval_on_selector("#graph svg", "svg => svg.clientWidth / svg.viewBox.baseVal.width")
    assert (graph_size(page)[0] <= frame) is whole
    assert scale >= (0.6 if whole else 0.79)


def test_the_node_stays_in_view_when_the_window_changes(page, tmp_path):
    page.set_viewport_size({"width": 1280, "height": 900})
    open_replay(page, expression()[2], tmp_path)
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    for size in ((390, 700), (700, 420), (1280, 900)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(100)
        assert lit_in_view(page)
    for _ in range(6):
        page.click("#larger")
        assert lit_in_view(page)


def test_on_a_phone_the_box_is_whole(page, tmp_path):
    """At first that of a leaf, then that of the step."""
    page.set_viewport_size({"width": 390, "height": 844})
    steps = open_replay(page, expression()[2], tmp_path)
    whole = """boxes => {
        const frame = document.getElementById("graph").getBoundingClientRect();
        return boxes.map(box => box.getBoundingClientRect()).some(({ left, right, top, bottom }) =>
            frame.left <= left && right <= frame.right && frame.top <= top && bottom <= frame.bottom);
    }"""
    assert page.locator("#graph .node").filter(has_text=re.compile(r"data -?\d")).evaluate_all(whole)
    for i in range(1, steps + 1):
        page.locator("#slider").fill(str(i))
        assert page.locator("#graph .lit").filter(has_text="data").evaluate_all(whole), i


def test_buttons_for_thumbs(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    open_replay(page, expression()[2], tmp_path)
    boxes = [button.bounding_box() for button in page.locator("button").all()]
    assert len(boxes) == 6
    assert all(box["width"] >= 44 and box["height"] >= 44 and box["x"] + box["width"] <= 390 for box in boxes)


def test_what_to_pass():
    with pytest.raises(TypeError, match=r"of several Values their sum; got a list"):
        replay([Value(1.0)])  # type: ignore[arg-type]
