"""The page that `npm run build` has made, in a browser, without a network."""

import functools
import http.server
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = [path.read_text().partition("\n") for path in sorted((HERE / "examples").glob("*.py"))]
NAMES = [first.removeprefix("# ") for first, _, _ in EXAMPLES]
READY = 'document.querySelector("#status").textContent.startsWith("Ready")'
SOON = 60_000  # milliseconds; it takes two seconds where nobody else is busy


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def address():
    handler = functools.partial(Quiet, directory=HERE / "dist")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        advice = "no browser: apt-get install chromium"
        pytest.fail(advice) if os.environ.get("MICROGRAD_TEST_BROWSER") == "required" else pytest.skip(advice)
    with api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; fails at its end where something was asked of anybody else, or an error was logged."""
    wrong, contexts = [], []

    def opened(path="/", wait=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()

        def ask(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                wrong.append(route.request.url)
                route.abort()

        context.route("**/*", ask)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address + path)
        if wait:
            page.wait_for_function(READY, timeout=SOON)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def type_in(page, code):
    page.locator(".cm-content").fill(code)


def run(page, code=None, timeout=60_000):
    """Run, and what was shown."""
    if code is not None:
        type_in(page, code)
    page.get_by_role("button", name="Run").click()
    page.wait_for_function(READY, timeout=timeout)
    return page.locator("#output").inner_text()


SHOWN = {
    "An expression": ("24.7041\n138.8338, 645.5773", "img"),
    "A neuron, step by step": ("", "iframe"),
    "Exclusive or": ("[1, 1] should be -1 and is -", None),
    "Two moons": ("", "canvas"),
    "An operation of your own": ("0.6225\nTrue", None),
    "A second derivative": ("x**3     = 27.0\n3 * x**2 = 27.0\n6 * x    = 18.0", None),
    "compile": ("lines of plain floats", None),
}


def test_every_example_is_tested():
    assert list(SHOWN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example(open_page, name):
    page = open_page()
    page.get_by_label("Example").select_option(name)
    shown = run(page)
    text, tag = SHOWN[name]
    assert text in shown.replace("\n\n", "\n")
    assert page.locator("#output .error").count() == 0
    if tag:
        [element] = page.locator(f"#output {tag}").all()
        assert element.bounding_box()["height"] > 100


def test_the_moons_are_drawn_while_they_are_learned(open_page):
    page = open_page()
    page.get_by_label("Example").select_option("Two moons")
    page.get_by_role("button", name="Run").click()
    labels = set()
    while page.get_by_role("button", name="Stop").is_enabled():
        if page.locator("canvas").count():
            labels.add(page.locator("canvas").get_attribute("aria-label"))
        page.wait_for_timeout(20)
    assert len(labels) > 3
    last = page.locator("canvas").get_attribute("aria-label")
    assert "step 60" in last
    assert float(last.rpartition(" ")[2]) < 0.1
    assert page.locator("canvas").count() == 1


def test_a_drawing_is_one_of_graphviz(open_page):
    page = open_page()
    run(page, "from micrograd import Value\nfrom micrograd.viz import draw_dot\ndraw_dot(Value(2.0, label='me') * 3)")
    image = page.locator("#output img")
    assert image.evaluate("image => image.naturalWidth") > 100
    assert "me" in image.get_attribute("src")


def test_the_steps_of_a_replay(open_page):
    page = open_page()
    page.get_by_label("Example").select_option("A neuron, step by step")
    run(page)
    frame = page.frame_locator("#output iframe")
    before = frame.locator("body").inner_text()
    frame.get_by_role("button", name="one step on").click()
    assert frame.locator("body").inner_text() != before


def test_a_syntax_error_marks_its_line(open_page):
    page = open_page()
    shown = run(page, "x = 1\ny = = 2\nprint(x)")
    assert "SyntaxError: invalid syntax" in shown
    assert 'File "code.py", line 2' in shown
    assert page.locator(".cm-wrong").inner_text() == "y = = 2"
    type_in(page, "x = 1")
    assert page.locator(".cm-wrong").count() == 0


def test_an_exception_is_shown_as_python_does_and_marks_the_line(open_page):
    page = open_page()
    shown = run(page, "from micrograd import Value\n\ndef f(x):\n    return x + 'a'\n\nprint('before')\nf(Value(1.0))")
    assert shown.index("before") < shown.index("Traceback (most recent call last)")
    assert 'File "code.py", line 7' in shown
    assert "    return x + 'a'" in shown
    assert "TypeError: expected one real number, got 'a' of type str" in shown
    assert "run.py" not in shown
    assert "<exec>" not in shown
    assert page.locator(".cm-wrong").inner_text() == "    return x + 'a'"


@pytest.mark.parametrize("code", ["while True: pass", "while True: print('again and again')"])
def test_an_endless_loop_can_be_stopped(open_page, code):
    page = open_page()
    type_in(page, code)
    page.get_by_role("button", name="Run").click()
    page.wait_for_timeout(1_000)
    start = time.perf_counter()
    page.get_by_label("Example").focus()
    assert time.perf_counter() - start < 1.0  # the page is not frozen
    page.get_by_role("button", name="Stop").click()
    assert page.locator(".cm-content").inner_text() == code
    page.wait_for_function(READY, timeout=SOON)
    assert run(page, "1 + 1").strip() == "2"


def test_each_run_begins_anew(open_page):
    page = open_page()
    run(page, "x = 1")
    assert "NameError" in run(page, "x")
    assert run(page, "import sys\nsys.exit()").strip() == ""


def test_much_output_is_cut(open_page):
    page = open_page()
    shown = run(page, "for i in range(100_000): print(i)")
    assert "more is not shown" in shown
    assert len(shown) < 200_000


def test_a_link_carries_the_code(open_page):
    page = open_page()
    code = "print('ä', 'λ', 1 < 2)\n"
    type_in(page, code)
    page.wait_for_function("location.hash.length > 10")
    other = open_page("/" + page.evaluate("location.hash"))
    assert other.locator(".cm-content").inner_text().strip() == code.strip()
    assert run(other).strip() == "ä λ True"
    assert open_page("/#%%%").locator(".cm-content").inner_text().startswith("from micrograd import Value")


def test_the_last_code_is_kept(open_page, address):
    page = open_page()
    type_in(page, "print('kept')")
    page.goto("about:blank")
    page.goto(address)
    assert page.locator(".cm-content").inner_text() == "print('kept')"


def test_by_keyboard_alone(open_page):
    page = open_page()
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert [name for name in names if name in ("examples", "run", "share")][:3] == ["examples", "run", "share"]
    assert any("cm-content" in name for name in names)
    assert "output" in names
    page.locator(".cm-content").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("6 * 7")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(READY)
    assert page.locator("#output").inner_text().strip() == "42"


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_overflows(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    editor, output = (page.locator(name).bounding_box() for name in ("#editor", "#output"))
    if width == 390:
        assert output["y"] < editor["y"]
        assert editor["width"] == width
    else:
        assert editor["x"] < output["x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("code", [None, "raise ValueError('no')"])
def test_accessibility(open_page, scheme, code):
    page = open_page(color_scheme=scheme)
    run(page, code)
    page.evaluate((HERE / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("axe.run().then(result => result.violations)")
    assert [(x["id"], x["impact"], [node["html"][:200] for node in x["nodes"]]) for x in found] == []
