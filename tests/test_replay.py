"""The page that replays a backward pass, in a real browser."""

import os
import shutil

import pytest
from programs import readme_expression

from micrograd import Value
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
        ["d = c * a", "grad(c) += 2.0 * 1.0  ->  2.0", "grad(a) += -6.0 * 1.0  ->  -6.0"],
        ["c = a * b", "grad(a) += -3.0 * 2.0  ->  -12.0", "grad(b) += 2.0 * 2.0  ->  4.0"],
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
    assert page.inner_text("#lines") == "out = square(x)\ngrad(x) += 6.0 * 2.0  ->  12.0"
    assert (x.grad, out.grad) == (0.5, 0.0)
    y = Value(Value(2.0), label="y")
    open_replay(page, y * y, tmp_path)
    page.keyboard.press("End")
    assert box_texts(page, "y") == ["y", "data Value(2.0000)", "grad Value(4.0000)"]
