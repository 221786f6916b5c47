"""Runs what somebody typed, and says what there is to show. The worker calls `run`."""

import ast
import builtins
import ctypes
import json
import linecache
import math
import pathlib
import sys
import time
import traceback
import types

import page  # the worker's functions

import micrograd.drawing
from micrograd.viz import Replay

FILE = "your_code.py"  # it is written there, so that errors and listings show its lines
MUCH = 100_000  # characters that are printed; nobody reads more, and the page would become slow
FEW = 2_000  # characters that are shown at once, whatever comes after them
SOON = 0.05  # seconds until more of them are shown
STACK = 1 << 17  # bytes of it that C functions may take, one inside the other


def post(kind, **what):
    page.post(json.dumps({"kind": kind, **what}, allow_nan=False))  # the page could not read a nan


class Out:
    """What is printed: at first each piece at once, then many together, as the page cannot show so many one by one."""

    def __init__(self):
        self.waiting, self.count, self.last = [], 0, 0.0

    def write(self, text):
        if self.count <= MUCH:
            self.count += len(text)
            self.waiting.append(text if self.count <= MUCH else "\n(more is not shown)\n")
            if not FEW < self.count <= MUCH or time.monotonic() - self.last > SOON:
                self.flush()
        return len(text)

    def flush(self):
        if self.waiting:
            post("out", text="".join(self.waiting))
            self.waiting, self.last = [], time.monotonic()


def show(x):
    sys.stdout.flush()
    # The page shows no PNG, which would only take time.
    shown = x._repr_mimebundle_(exclude=["image/png"]) if hasattr(x, "_repr_mimebundle_") else {}
    picture = shown.get("image/svg+xml")
    if isinstance(x, Replay):
        post("page", text=x.page)
    elif picture:
        post("svg", text=picture)
    elif x is not None:
        post("value", text=repr(x))


def draw(points, labels, score, text="", cells=40):
    """Draw what a classifier says, and the points that it learns from.

    Args:
        points: pairs of numbers.
        labels: one for each point, above 0 (orange) or not (blue).
        score: a function of two numbers, above 0 for orange. Colours are full from 1 and -1 on, and grey for nan.
        text: what to write into the picture.
        cells: so many scores there are from left to right, and from top to bottom.
    """
    points = [tuple(map(number, point)) for point in points]
    labels = [number(label) > 0 for label in labels]
    wrong = [point for point in points if len(point) != 2 or not all(map(math.isfinite, point))]
    if wrong or not points or len(points) != len(labels):
        raise ValueError(
            "draw(points, labels, score) takes one or more points, pairs of finite numbers, and a label for each: "
            f"it got {len(points)} points and {len(labels)} labels" + (f", and a point is {wrong[0]}" if wrong else "")
        )
    xs, ys = zip(*points)
    left, bottom, right, top = min(xs) - 0.5, min(ys) - 0.5, max(xs) + 0.5, max(ys) + 0.5

    def at(x, y):
        found = number(score(x, y))
        return None if math.isnan(found) else max(-1.0, min(1.0, found))  # JSON knows no nan, and no inf

    def spread(low, high):
        return [low + (high - low) * (i + 0.5) / cells for i in range(cells)]

    scores = [[at(x, y) for x in spread(left, right)] for y in spread(bottom, top)]
    line = sys._getframe(1).f_lineno
    sys.stdout.flush()  # first what was printed before
    post("boundary", scores=scores, points=points, labels=labels, box=[left, bottom, right, top], text=text, line=line)


def number(x):
    return float(getattr(x, "data", x))


def no_input(prompt=""):
    raise RuntimeError("nobody can answer input() on this page: write the answer into the code")


def report(error, line):
    """Show an error as Python does, from the first line of somebody's code on, and mark the last of these.

    Args:
        error: what was raised.
        line: which to mark if it was raised in none, as by the `repr` of the last.
    """
    trace = error.__traceback__
    # Above are the frames of `run`. None is left if somebody's code was not reached, or was done with.
    while trace and trace.tb_frame.f_code.co_filename != FILE:
        trace = trace.tb_next
    for frame, lineno in traceback.walk_tb(trace):
        line = lineno if frame.f_code.co_filename == FILE else line
    if isinstance(error, SyntaxError) and error.filename == FILE:
        line = error.lineno
    if isinstance(error, ModuleNotFoundError):
        error.add_note("This page has Python's standard library and micrograd, and can install nothing.")
    shown = traceback.TracebackException(type(error), error, trace)
    shown.stack[:] = [frame for frame in shown.stack if frame.filename != report.__code__.co_filename]
    sys.stdout.flush()
    post("error", text="".join(shown.format()), line=line)


def free(value):
    """Free the parents of a Value, and theirs, one after the other. Python would free them one inside the other, and
    browsers have not the stack for a thousand."""
    global freeing
    if getattr(value, "_prev", ()):  # one that was never initialised has none
        dead.append(value._prev)
        value._prev = ()
        if not freeing:
            freeing = True
            while dead:
                del dead[-1]  # no call, which could raise where the stack is full
            freeing = False


def run(code):
    sys.stdout = sys.stderr = Out()
    pathlib.Path(FILE).write_text(code)
    linecache.clearcache()
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    start, last = time.monotonic(), None
    try:
        tree = ast.parse(code, FILE)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, FILE, "exec"), vars(main))
        if last:
            show(eval(compile(ast.Expression(last.value), FILE, "eval"), vars(main)))
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code)
    except BaseException as error:
        report(error, last and last.lineno)
    sys.stdout.flush()
    post("done", seconds=time.monotonic() - start)


# A browser cannot run Graphviz's program, but the worker has a Graphviz.
micrograd.drawing.lay_out = lambda source, format, engine, **_: page.lay_out(source, format, engine).encode()
vars(builtins).update(input=no_input, display=show)
sys.modules["playground"] = module = types.ModuleType("playground")
vars(module)["draw"] = draw

dead: list[tuple] = []  # parents that are to be freed
freeing = False  # whether they are just now
micrograd.Value.__del__ = free  # type: ignore[attr-defined]
# The stack of a browser's thread is full long before Python believes so. With this, too deep a recursion through C
# functions, such as operators, is a RecursionError as elsewhere, and not the end of the thread.
api = ctypes.pythonapi
api.PyUnstable_ThreadState_SetStackProtection(api.PyThreadState_Get(), api.emscripten_stack_get_base() - STACK, STACK)
