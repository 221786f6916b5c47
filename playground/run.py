"""Runs what somebody typed, and says what there is to show. The worker calls `run`."""

import ast
import json
import linecache
import pathlib
import sys
import time
import traceback
import types

import page  # the worker's functions

import micrograd.drawing
from micrograd.viz import Replay

FILE = "code.py"  # it is written there, so that errors and listings show its lines
MUCH = 100_000  # characters that are printed; nobody reads more, and the page would become slow
SOON = 0.05  # seconds until what was printed is shown


def post(kind, **what):
    page.post(json.dumps({"kind": kind, **what}))


class Out:
    """What is printed, a few lines at once."""

    def __init__(self):
        self.waiting, self.count, self.last = [], 0, 0.0

    def write(self, text):
        if self.count <= MUCH:
            self.count += len(text)
            self.waiting.append(text if self.count <= MUCH else "\n(more is not shown)\n")
            if time.monotonic() - self.last > SOON:
                self.flush()
        return len(text)

    def flush(self):
        if self.waiting:
            post("out", text="".join(self.waiting))
            self.waiting, self.last = [], time.monotonic()


def show(x):
    sys.stdout.flush()
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
        labels: one for each point, 1 or -1.
        score: a function of two numbers; above 0 it says 1.
        text: what to write above.
        cells: so many scores there are from left to right, and from top to bottom.
    """
    xs, ys = zip(*points)
    left, bottom, right, top = min(xs) - 0.5, min(ys) - 0.5, max(xs) + 0.5, max(ys) + 0.5

    def at(x, y):
        found = score(x, y)
        return float(getattr(found, "data", found))

    def spread(low, high):
        return [low + (high - low) * (i + 0.5) / cells for i in range(cells)]

    sys.stdout.flush()
    post(
        "boundary",
        scores=[[at(x, y) for x in spread(left, right)] for y in spread(bottom, top)],
        points=[[float(x), float(y)] for x, y in points],
        labels=[float(label) for label in labels],
        box=[left, bottom, right, top],
        text=text,
    )


def report(error):
    """Show an error as Python does, from the first line of somebody's code on, and mark the last of these."""
    trace, line = error.__traceback__, None
    while trace and trace.tb_frame.f_code.co_filename != FILE:
        trace = trace.tb_next
    for frame, number in traceback.walk_tb(trace):
        line = number if frame.f_code.co_filename == FILE else line
    if isinstance(error, SyntaxError) and error.filename == FILE:
        line = error.lineno
    sys.stdout.flush()
    post("error", text="".join(traceback.format_exception(type(error), error, trace)), line=line)


def run(code):
    sys.stdout = sys.stderr = Out()
    pathlib.Path(FILE).write_text(code)
    linecache.clearcache()
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    start = time.monotonic()
    try:
        tree = ast.parse(code, FILE)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, FILE, "exec"), vars(main))
        if last:
            show(eval(compile(ast.Expression(last.value), FILE, "eval"), vars(main)))
    except SystemExit:
        pass
    except BaseException as error:
        report(error)
    sys.stdout.flush()
    post("done", seconds=time.monotonic() - start)


micrograd.drawing.lay_out = lambda source, format, engine, **_: page.lay_out(source, format, engine).encode()
sys.modules["playground"] = module = types.ModuleType("playground")
vars(module)["draw"] = draw
