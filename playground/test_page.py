"""The page that `npm run build` has made, in a browser, without a network."""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = [path.read_text().partition("\n") for path in sorted((HERE / "examples").glob("*.py"))]
NAMES = [first.removeprefix("# ") for first, _, _ in EXAMPLES]
READY = 'document.querySelector("#status").textContent.startsWith("Ready")'
BROKEN = READY.replace("Ready", "Python broke down")
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
    """Opens the page; fails at its end where something was asked of anybody else, or an error was logged.

    Of the files whose address matches `missing`, it finds none until page.found.set() is called, and then errors are no
    failure; nor are they where `breaks`.
    """
    wrong, contexts = [], []

    def opened(path="/", missing="", breaks=False, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, found = context.new_page(), threading.Event()

        def ask(route):
            if missing and not found.is_set() and re.search(missing, route.request.url):
                route.fulfill(status=404)
            elif route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                wrong.append(route.request.url)
                route.abort()

        context.route("**/*", ask)
        if not missing and not breaks:
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address + path)
        page.wait_for_function(BROKEN if missing else READY, timeout=SOON)
        page.found = found
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def type_in(page, code):
    page.locator(".cm-content").fill(code)


def press(page, name):
    page.get_by_role("button", name=name).click()


def run(page, code=None, until=READY):
    """Run, and what was shown."""
    if code is not None:
        type_in(page, code)
    press(page, "Run")
    page.wait_for_function(until, timeout=SOON)
    return page.locator("#output").inner_text()


def shows(text):
    """The condition that it is in the output."""
    return f"document.querySelector('#output').innerText.includes({text!r})"


def in_view(page, element):
    """Whether the end of what a locator finds is in its pane, and that part of the pane in the window."""
    return element.evaluate("""element => {
        const end = element.getBoundingClientRect().bottom, pane = element.closest("section").getBoundingClientRect();
        return pane.top < end && end < pane.bottom + 1 && 0 < end && end < innerHeight + 1;
    }""")


SHOWN = {
    "An expression": ("g = 24.7041\ndg/da = 138.8338, dg/db = 645.5773", "img"),
    "A neuron, step by step": ("", "iframe"),
    "Exclusive or": ("[1, 1] should be -1 and is -1.00", None),
    "Two moons": ("", "canvas"),
    "An operation of your own": ("the gradient is 0.6225\nit is right: True", None),
    "A second derivative": ("x**3     = 27.0\n3 * x**2 = 27.0\n6 * x    = 18.0", None),
    "compile": ("lines of plain floats", None),
}


def test_every_example_is_tested():
    assert list(SHOWN) == NAMES


def test_an_example_says_what_it_is_about_and_fits():
    for _, _, code in EXAMPLES:
        first, second, third, *_ = lines = code.strip().split("\n")
        assert first[:2] == second[:2] == "# " != third[:2]
        assert max(map(len, lines)) <= 66  # wide enough for a window of 1280


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
    press(page, "Run")
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
    assert 'File "your_code.py", line 2' in shown
    assert page.locator(".cm-wrong").inner_text() == "y = = 2"
    type_in(page, "x = 1")
    assert page.locator(".cm-wrong").count() == 0


def test_an_exception_is_shown_as_python_does_and_marks_the_line(open_page):
    page = open_page()
    shown = run(page, "from micrograd import Value\n\ndef f(x):\n    return x + 'a'\n\nprint('before')\nf(Value(1.0))")
    assert shown.index("before") < shown.index("Traceback (most recent call last)")
    assert 'File "your_code.py", line 7' in shown
    assert "    return x + 'a'" in shown
    assert "TypeError: expected one real number, got 'a' of type str" in shown
    assert "run.py" not in shown
    assert "<exec>" not in shown
    assert page.locator(".cm-wrong").inner_text() == "    return x + 'a'"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("while True: pass", ""),
        ("while True: print('again and again')", "(more is not shown)"),
        ("print('one')\nprint('last')\nwhile True: pass", "last"),
    ],
)
def test_an_endless_loop_can_be_stopped(open_page, code, shown):
    page = open_page()
    run(page, code, until=shows(shown))
    page.wait_for_timeout(1_000)
    page.get_by_label("Example").focus()  # the page is not frozen
    press(page, "Stop") if shown else page.keyboard.press("Escape")
    assert page.locator(".cm-content").inner_text() == code
    page.wait_for_function(READY, timeout=SOON)
    assert page.locator("#output").inner_text().strip().endswith("Stopped.")
    assert shown in page.locator("#output").inner_text()
    assert run(page, "1 + 1").strip() == "2"


CHAIN = """
import gc
from micrograd import Value

def by_hand(x):
    out = Value(x.data, (x,), "same")
    def send():
        x.grad += out.grad
    out._backward = send
    return out

class Plain(Value):
    pass

for step in lambda x: x + 1, by_hand, lambda x: Plain(x.data, (x,), "same", lambda out: None), lambda x: x.tanh() * x:
    x = start = Value(1.0)
    for i in range(20_000):
        x = step(x)
    x.backward()
    del x
    gc.collect()
    print(start.grad)
x = Value(Value(1.0))
for i in range(5_000):
    x = x * 1.0
"""


def test_a_long_chain_is_freed(open_page):
    page = open_page()
    shown = run(page, CHAIN)  # of each kind of Value, and then one that is left for the next run
    assert len(shown.split()) == 4
    assert run(page, "1 + 1").strip() == "2"


def test_what_is_still_in_use_is_not_freed(open_page):
    code = """
import gc, weakref
from micrograd import Value
x = Value(3.0)
y = x * x
z = (y + 1).relu()
gone = weakref.ref(z)
z = None
gc.collect()
y.backward()
Value.__new__(Value)
print(gone(), y._prev == (x, x), x.grad)"""
    assert run(open_page(), code).strip() == "None True 6.0"


ENDLESS = [
    "class A:\n    def __add__(s, o): return s + o\nA() + 1",
    "class A:\n    def __repr__(s): return repr(s)\nA()",
    "class A:\n    def __getattr__(s, name): return getattr(s, name + 'a')\nA().x",
    "class A:\n    def __call__(s): s()\nA()()",
    "class A:\n    def __eq__(s, o): return [s] == [o]\nA() == A()",
    "def f(x): return sorted([x, x], key=f)\nf(1)",
    "def f(x): return f(x)\nf(1)",
    "from micrograd import Value\ndef f(x): return f((x * 2).relu())\nf(Value(1.0))",
]


def test_endless_recursion_is_an_error(open_page):
    page = open_page()
    for code in ENDLESS:
        shown = run(page, code)
        assert "RecursionError" in shown
        assert "ignored" not in shown
        assert page.locator(".cm-wrong").count() == 1


@pytest.mark.parametrize(
    "code",
    ["x = []\nfor i in range(1_000_000): x = [x]\nx = None", "import ctypes\nctypes.string_at(0xffffff00)"],
    ids=["stack", "memory"],
)
def test_python_is_started_anew_when_it_broke_down(open_page, code):
    page = open_page(breaks=True)
    assert "Python broke down: " in run(page, code, until=BROKEN)
    assert page.locator(".cm-content").inner_text() == code
    assert run(page, "1 + 1").strip() == "2"


@pytest.mark.parametrize("name", ["worker.js", "run.py", "micrograd.*whl", "asm.wasm", "stdlib.zip"])
def test_a_file_that_is_missing(open_page, name):
    page = open_page(missing=re.escape(name).replace(r"\.\*", ".*"))
    assert "Python broke down: " in page.locator("#output").inner_text()
    page.found.set()
    assert run(page, "1 + 1").strip() == "2"


def test_each_run_begins_anew(open_page):
    page = open_page()
    run(page, "x = 1")
    assert "NameError" in run(page, "x")
    assert run(page, "import sys\nsys.exit()").strip() == ""
    assert run(page, "import sys\nsys.exit(3)").strip() == ""
    assert run(page, "import sys\nsys.exit('no data')").strip() == "no data"


def test_what_this_page_has_and_what_not(open_page):
    page = open_page()
    assert run(page, "import code, doctest, pdb, sqlite3").strip() == ""
    assert "can install nothing" in run(page, "import numpy")
    version = run(page, "import sys\nprint(sys.version.split()[0])").strip()
    assert f"Python is Pyodide's {version}" in (HERE / "README.md").read_text()
    shown = run(page, "x = 1\ny = input('how many? ')")
    assert "nobody can answer input()" in shown
    assert "run.py" not in shown
    assert page.locator(".cm-wrong").inner_text() == "y = input('how many? ')"


def test_an_error_in_showing_the_last_line_marks_it(open_page):
    page = open_page()
    assert "ValueError" in run(page, "x = 2**20000\n\nx")
    assert page.locator(".cm-wrong").inner_text() == "x"


def test_an_error_marks_nothing_in_other_code(open_page):
    page = open_page()
    type_in(page, "import time\ntime.sleep(1)\nprint(1)\nraise ValueError('late')")
    press(page, "Run")
    page.get_by_label("Example").select_option("Exclusive or")
    page.wait_for_function(READY, timeout=SOON)
    assert "ValueError: late" in page.locator("#output").inner_text()
    assert page.locator(".cm-wrong").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_an_error_is_in_view(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    run(page, "def f():\n    raise ValueError\n" + "\n" * 200 + "for i in range(200): print(i)\nf()")
    page.wait_for_timeout(300)
    assert in_view(page, page.locator("#output .error"))
    if width == 1280:  # on a phone, the output takes the place
        assert in_view(page, page.locator(".cm-wrong"))


def test_display_shows_what_is_not_in_the_last_line(open_page):
    page = open_page()
    code = "from micrograd import Value\nfrom micrograd.viz import draw_dot\nfor i in range(3):\n    display(i)"
    assert run(page, f"{code}\n    display(draw_dot(Value(1.0) + i))\nx = 1").split() == ["0", "1", "2"]
    assert page.locator("#output img").count() == 3


def test_much_output_is_cut(open_page):
    page = open_page()
    shown = run(page, "for i in range(100_000): print(i)")
    assert "more is not shown" in shown
    assert len(shown) < 200_000


DRAW = """
import math
from playground import draw
def score(x, y):
    return [math.nan, math.inf, -math.inf, 5, 1, -1, 0.1][int(x)]
draw([(0.5, 0.5), (6.5, 6.5)], [math.inf, math.nan], score, "a long text " * 20, cells=7)
"""


def test_a_map_of_any_numbers(open_page):
    page = open_page()
    assert run(page, DRAW).strip() == ""
    nan, inf, less, five, one, minus, little = page.locator("canvas").evaluate("""canvas => [0, 1, 2, 3, 4, 5, 6].map(
        i => canvas.getContext("2d").getImageData((i + 0.5) * 480 / 7, 200, 1, 1).data.join())""")
    assert inf == five == one
    assert less == minus
    assert len({nan, one, minus, little}) == 4


NO_MAPS = [
    "[], []",
    "[(1, 2)], []",
    "[(1, 2)], [1, 1]",
    "[(1, 2, 3)], [1]",
    "[(1, float('nan'))], [1]",
    "[(1, float('inf'))], [1]",
    "[1], [1]",
    "[(1, 'a')], [1]",
    "[(1, 2)], ['a']",
]


def test_a_map_of_what_is_none(open_page):
    page = open_page()
    for wrong in NO_MAPS:
        shown = run(page, f"from playground import draw\n\ndraw({wrong}, lambda x, y: x)\n")
        assert re.search("(Value|Type)Error: ", shown)
        assert "run.py" not in shown
        assert page.locator(".cm-wrong").inner_text().startswith("draw(")
        assert page.locator("canvas").count() == 0


def test_a_line_that_draws_again_draws_in_its_place(open_page):
    page = open_page()
    draw = "draw([(0, 0), (1, 1)], [1, -1], lambda x, y: x - 0.5, f'step {i}', cells=4)"
    run(page, f"from playground import draw\nfor i in range(4):\n    print(i)\n    {draw}\nprint('end')\n{draw}")
    assert [x.get_attribute("aria-label")[-1] for x in page.locator("canvas").all()] == ["3", "3"]
    run(page, f"from playground import draw\ni = 8\n{draw}")
    assert [x.get_attribute("aria-label")[-1] for x in page.locator("canvas").all()] == ["8"]


def test_a_link_carries_the_code(open_page):
    page = open_page()
    code = "print('ä', 'λ', 1 < 2)\n"
    type_in(page, code)
    page.wait_for_function("location.hash.length > 10")
    other = open_page("/" + page.evaluate("location.hash"))
    assert other.locator(".cm-content").inner_text().strip() == code.strip()
    assert run(other).strip() == "ä λ True"


@pytest.mark.parametrize("cut", ["%%%", "gIGC"])
def test_a_link_that_cannot_be_read(open_page, cut):
    page = open_page(f"/#{cut}")
    assert page.get_by_label("Example").evaluate("list => list.value") == NAMES[0]
    assert "The link is incomplete" in page.locator("#output").inner_text()
    assert page.evaluate("location.hash") == f"#{cut}"
    page.evaluate("location.hash = '#MQ'")  # 1
    page.wait_for_function("document.querySelector('.cm-content').innerText === '1'")


def test_the_last_code_is_kept(open_page, address):
    page = open_page()
    type_in(page, "print('kept')")
    page.goto("about:blank")
    page.goto(address)
    assert page.locator(".cm-content").inner_text() == "print('kept')"


def test_what_one_opens_does_not_take_the_place_of_what_one_wrote(open_page, address):
    page = open_page()
    choice = page.get_by_label("Example")
    assert choice.locator("option").first.is_disabled()
    type_in(page, "print('mine')")
    assert choice.evaluate("list => list.selectedOptions[0].text") == "Your code"
    choice.select_option("Exclusive or")
    page.evaluate("location.hash = '#MQ'")
    page.wait_for_function("document.querySelector('.cm-content').innerText === '1'")
    page.goto("about:blank")
    page.goto(f"{address}/#Mg")
    assert page.locator(".cm-content").inner_text() == "2"
    choice.select_option("Two moons")
    choice.select_option("Your code")
    assert page.locator(".cm-content").inner_text() == "print('mine')"


def test_the_output_of_another_code_goes(open_page):
    page = open_page()
    run(page, "print('old')")
    page.get_by_label("Example").select_option("Exclusive or")
    assert page.locator("#output").inner_text() == ""


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
    page.locator("#run").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        page.wait_for_function(READY)
        assert page.evaluate("document.activeElement.id") == "run"


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_overflows(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    top = page.locator("main").bounding_box()["y"]
    run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("main").bounding_box()["y"] == top
    editor, output = (page.locator(name).bounding_box() for name in ("#editor", "#output"))
    if width == 390:
        assert output["y"] < editor["y"]
        run(page, "for i in range(1000): print(i)")
        assert page.locator("#output").bounding_box()["height"] <= 0.7 * 800 + 1
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
