"""Pictures of the graph behind a Value: as a drawing, and as a page that goes through it step by step."""

import functools
import html
import json
import pathlib
import re
import shutil
import threading
import warnings
import webbrowser
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from .engine import Constant, Value, graph
from .scalar import Number

FORMATS = ("svg", "png", "pdf", "jpeg", "gif")
RANKDIRS = ("LR", "TB", "RL", "BT")
# What tells the kinds of nodes apart, without colour.
KINDS = {
    "parameter": {"shape": "record", "style": "filled,bold"},
    "input": {"shape": "Mrecord", "style": "filled"},
    "constant": {"shape": "plaintext"},
    "result": {"shape": "record", "style": "filled"},
}
FULL = (86, 180, 233)  # the colour of the largest gradient, a light blue; smaller ones are nearer to white
MANY = 2_000  # nodes that take long to lay out
REPLAY = 300  # nodes that one can follow
one_at_a_time = threading.Lock()  # Graphviz as a library has global state: two threads in it crash


def trace(root: Value) -> tuple[list[Value], list[tuple[Value, Value]]]:
    """The graph behind `root`.

    Returns:
        nodes: the Values, parents before children.
        edges: pairs (parent, child), in the order of the operands; `a + a` has two.
    """
    leaves, results = graph(root)
    nodes = leaves + results
    return nodes, [(parent, child) for child in nodes for parent in child._prev]


def draw_dot(
    root: Any, format: str = "svg", rankdir: str = "LR", max_nodes: int | None = None, params: Iterable[Value] = ()
) -> Any:
    """Draw the graph behind `root`: a box for each Value (its label if it has one, data, grad), an oval for the
    operation that made it. Of the program of a compiled function: a box for each tensor operation.

    The larger a gradient, beside the largest of the graph, the darker its box. Results have corners, the other Values
    round ones, parameters a thick border, and plain numbers no box.

    Args:
        root: the Value to end at, or a program.
        format: what it is rendered to, one of FORMATS.
        rankdir: where the graph runs: LR, left to right; TB, top to bottom; RL; BT.
        max_nodes: draw only so many Values, those next to `root`; dots stand for the others.
        params: which Values to mark as parameters, such as `model.parameters()`.

    Returns:
        A `graphviz.Digraph`: it shows itself in a notebook; `render(path)` saves it, `source` is its text. It warns
        before it lays out a graph that is very large.

    Raises:
        ValueError: an unknown `format` or `rankdir`, or a `max_nodes` below 1.
        ImportError: the package graphviz is missing.
    """
    for name, given, known in ("format", format, FORMATS), ("rankdir", rankdir, RANKDIRS):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"max_nodes must be 1 or more, got {max_nodes}")
    dot = drawing_class()(format=format, graph_attr={"rankdir": rankdir, "ordering": "in"})
    # Fields of a record run across the graph; braces turn them, and data stays left of grad.
    record = "{{ {} }}" if rankdir in ("LR", "RL") else "{}"
    if hasattr(root, "boxes"):
        draw_program(dot, root, record)
    else:
        draw_values(dot, root, record, fields, set(params), max_nodes)
    return dot


def draw_program(dot: Any, program: Any, record: str) -> None:
    for name, op, shape, sources in program.boxes():
        text = f"{name} | {escape_field(op)} {shape}" if op else f"{name} {shape}"
        dot.node(name, label=record.format(text), shape="record")
        for source in sources:
            dot.edge(source, name)


def draw_values(
    dot: Any,
    root: Value,
    record: str,
    text: Callable[[Value], Sequence[str]],
    params: set[Value],
    max_nodes: int | None = None,
) -> None:
    nodes, edges = trace(root)
    names = {node: f"v{i}" for i, node in enumerate(nodes)}
    if max_nodes is not None:
        near = nearest(root, max_nodes)
        nodes = [node for node in nodes if node in near]
        edges = [(parent, child) for parent, child in edges if child in near]
    dot.count = len(nodes)
    largest = max(size(node.grad) for node in nodes)
    # An edge enters by the operation where there is one; a node made by hand may have no name for it.
    entries = {node: names[node] + "_op" if node._op else names[node] for node in nodes}
    for node in nodes:
        name, look = names[node], kind(node, params)
        label = " | ".join(map(escape_field, text(node)))
        if look == "constant":
            dot.node(name, id=name, label=escape_field(shorten(node.data)), **KINDS[look])
        else:
            dot.node(name, id=name, label=record.format(label), fillcolor=shade(node.grad, largest), **KINDS[look])
        if node._op:
            dot.node(entries[node], id=entries[node], label=escape_field(node._op))
            dot.edge(entries[node], name)
    for parent, child in edges:
        if parent not in entries:
            dot.node(names[parent], label="...", shape="plaintext")
        dot.edge(names[parent], entries[child])


def nearest(root: Value, count: int) -> set[Value]:
    """The `count` Values that are fewest operations away from `root`."""
    near, queue = {root}, deque([root])
    while queue:
        for parent in queue.popleft()._prev:
            if parent not in near and len(near) < count:
                near.add(parent)
                queue.append(parent)
    return near


def kind(node: Value, params: set[Value]) -> str:
    if node in params:
        return "parameter"
    return "result" if node._prev else "constant" if isinstance(node, Constant) else "input"


def fields(node: Value) -> list[str]:
    """What stands in the box of a Value."""
    numbers = ("data", node.data), ("grad", node.grad)
    shown = [f"{name} {shorten(x)}" for name, x in numbers if hasattr(x, "__float__")]
    return [node.label, *shown] if node.label else shown


def shorten(x: Number) -> str:
    """A number in a few digits; a Value inside a Value shows its own data."""
    if isinstance(x, Value):
        return f"Value({shorten(x.data)})"
    x = float(x)
    return f"{x:.4f}" if x == 0 or 1e-3 <= abs(x) < 1e6 else f"{x:.4g}"


def size(gradient: Number) -> float:
    """How large it is; 0 where it is no number, or not finite."""
    while isinstance(gradient, Value):
        gradient = gradient.data
    found = abs(float(gradient)) if hasattr(gradient, "__float__") else 0.0
    return found if found < float("inf") else 0.0


def shade(gradient: Number, largest: float) -> str:
    """From white, for zero, to FULL; a root in between, so that small gradients are seen."""
    share = (size(gradient) / largest) ** 0.5 if largest else 0.0
    return "#" + "".join(f"{round(255 - share * (255 - channel)):02x}" for channel in FULL)


def escape_field(text: str) -> str:
    """`text` so that graphviz shows it as it is: braces, bars and angles structure a record's label."""
    return re.sub(r"([\\{}|<>])", r"\\\1", text).replace("\n", r"\n")


@functools.cache
def drawing_class() -> Any:
    """`graphviz.Digraph`, which renders through pygraphviz where there is no `dot` program."""
    try:
        import graphviz
    except ImportError:
        raise ImportError('drawing needs graphviz: pip install "micrograd[viz]"') from None

    class Drawing(graphviz.Digraph):  # type: ignore[misc]
        count = 0  # of the Values in it

        def warn(self) -> None:
            if self.count > MANY:
                few = "draw_dot(root, max_nodes=500) draws those next to the root"
                warnings.warn(f"laying out {self.count} Values takes long; {few}", stacklevel=3)

        def pipe(self, format: str | None = None, *, encoding: str | None = None, **kwargs: Any) -> Any:
            self.warn()
            if shutil.which("dot"):
                return super().pipe(format, encoding=encoding, **kwargs)
            try:
                import pygraphviz
            except ImportError:
                raise ImportError('rendering needs the dot program, or pip install "micrograd[viz]"') from None
            with one_at_a_time:
                graph = pygraphviz.AGraph(string=self.source)
                picture = graph.draw(format=format or self.format, prog=self.engine)
                graph.close()
            return picture.decode(encoding) if encoding else picture

        def render(
            self,
            filename: Any = None,
            directory: Any = None,
            view: bool = False,
            cleanup: bool = False,
            format: str | None = None,
            outfile: Any = None,
            **kwargs: Any,
        ) -> str:
            if shutil.which("dot"):
                self.warn()
                return super().render(  # type: ignore[no-any-return]
                    filename,
                    directory=directory,
                    view=view,
                    cleanup=cleanup,
                    format=format,
                    outfile=outfile,
                    **kwargs,
                )
            format = format or (pathlib.Path(outfile).suffix[1:] if outfile else self.format)
            source = self.save(filename, directory=directory)
            picture = pathlib.Path(outfile or f"{source}.{format}")
            picture.write_bytes(self.pipe(format))
            if cleanup:
                pathlib.Path(source).unlink()
            if view:
                webbrowser.open(picture.resolve().as_uri())
            return str(picture)

    return Drawing


class Replay:
    """A page that goes through a graph step by step; it shows itself in a notebook."""

    def __init__(self, page: str):
        self.page = page

    def save(self, path: Any) -> None:
        """Write the page, whole, into one HTML file."""
        pathlib.Path(path).write_text(self.page, encoding="utf-8")

    def _repr_html_(self) -> str:
        # A frame of its own, which can reach nothing of the notebook.
        page = html.escape(self.page)
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="width: 100%; height: 30em; border: 0"></iframe>'


def replay(root: Value) -> Replay:
    """A page with the graph behind `root` to go through with a slider, or with the arrow keys: the forward pass node
    by node, then the backward pass, with each local derivative in numbers and the chain rule written out. It begins
    with gradients of zero, as if nothing had been added to them before. `root` stays as it is.

    Raises:
        ValueError: the graph has more than 300 nodes.
        TypeError: a node has no number of its own: it is the result of a compiled function.
        ImportError: the package graphviz is missing.
    """
    leaves, results = graph(root)
    nodes = leaves + results
    if len(nodes) > REPLAY:
        raise ValueError(
            f"replay shows up to {REPLAY} nodes, this graph has {len(nodes)}: replay a part of it, or see draw_dot"
        )
    if any(node.data is None for node in nodes):
        raise TypeError(
            "replay goes through scalar operations, which a compiled function has no more: call it uncompiled"
        )
    ids = {node: f"v{i}" for i, node in enumerate(nodes)}
    called = {
        node: brief(node.data) if isinstance(node, Constant) else node.label or name for node, name in ids.items()
    }
    steps = [*forward_steps(results, ids, called), *backward_steps(root, results, ids, called)]
    start = {
        name: {"data": "" if node._prev else shorten(node.data), "grad": shorten(0.0)}
        for node, name in ids.items()
        if not isinstance(node, Constant)
    }
    widest = {name: {"data": shorten(node.data), "grad": ""} for node, name in ids.items()}
    for step in steps:
        for name, changes in step["changes"].items():
            widest[name] |= {field: max(widest[name][field], x, key=len) for field, x in changes.items()}

    def text(node: Value) -> list[str]:  # a box is as wide as what will ever stand in it
        return [called[node], *(f"{field} {x}" for field, x in widest[ids[node]].items())]

    dot = drawing_class()(graph_attr={"ordering": "in", "ranksep": "0.25"}, edge_attr={"arrowsize": "0.6"})
    draw_values(dot, root, "{}", text, set())
    svg = dot.pipe("svg", encoding="utf-8")
    data = json.dumps({"start": start, "steps": steps}).replace("<", r"\u003c")
    page = pathlib.Path(__file__).with_name("replay.html").read_text(encoding="utf-8")
    parts = {"<!-- graph -->": svg[svg.index("<svg") :], "/* data */": data}
    return Replay(re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], page))


def forward_steps(
    results: Sequence[Value], ids: dict[Value, str], called: dict[Value, str]
) -> Iterable[dict[str, Any]]:
    for node in results:
        names = formula(node._op, [called[parent] for parent in node._prev])
        numbers = formula(node._op, [brief(parent.data) for parent in node._prev])
        lines = [f"{called[node]} = {names}", f"{' ' * len(called[node])} = {numbers}  ->  {brief(node.data)}"]
        yield {
            "pass": "forward",
            "node": ids[node],
            "beside": [ids[parent] for parent in node._prev],
            "lines": lines,
            "changes": {ids[node]: {"data": shorten(node.data)}},
        }


def backward_steps(
    root: Value, results: Sequence[Value], ids: dict[Value, str], called: dict[Value, str]
) -> Iterable[dict[str, Any]]:
    grads: dict[Value, Number] = dict.fromkeys(ids, 0.0)
    grads[root] = 1.0
    yield {
        "pass": "backward",
        "node": ids[root],
        "beside": [],
        "lines": [f"grad({called[root]}) = {brief(1.0)}"],
        "changes": {ids[root]: {"grad": shorten(1.0)}},
    }
    for node in reversed(results):
        g, lines, changes = grads[node], [f"{called[node]} = {formula(node._op, [called[p] for p in node._prev])}"], {}
        for parent, local, share in zip(node._prev, shares(node, 1.0), shares(node, g)):
            if isinstance(parent, Constant):
                continue
            grads[parent] += share
            lines.append(f"grad({called[parent]}) += {brief(local)} * {brief(g)}  ->  {brief(grads[parent])}")
            changes[ids[parent]] = {"grad": shorten(grads[parent])}
        beside = [ids[parent] for parent in node._prev]
        yield {"pass": "backward", "node": ids[node], "beside": beside, "lines": lines, "changes": changes}


def shares(node: Value, g: Number) -> list[Number]:
    """What each parent gets of the gradient `g` of a node: what its backward closure adds. It is handed other parents,
    one for each operand; what it adds to the true ones by itself is the first operand's that is the same Value."""
    others = [SimpleNamespace(data=parent.data, grad=0.0) for parent in node._prev]
    out: Any = SimpleNamespace(data=node.data, grad=g, _prev=others)
    before = [(v, v.grad) for v in (node, *node._prev)]
    try:
        for v, _ in before:
            v.grad = 0.0
        node.grad = g
        node._grad_fn(out)
        gained = {parent: parent.grad for parent in node._prev}
    finally:
        for v, grad in before:
            v.grad = grad
    return [part.grad + gained.pop(parent, 0.0) for part, parent in zip(others, node._prev)]


def formula(op: str, args: Sequence[str]) -> str:
    if len(args) == 2 and op in ("+", "-", "*", "/", "**"):
        return f"{args[0]} {op} {args[1]}"
    return f"{args[0]}{op}" if op.startswith("**") else f"{op or 'f'}({', '.join(args)})"


def brief(x: Number) -> str:
    """A number without zeros that say nothing: 2.0, not 2.0000."""
    return re.sub(r"(\.\d+?)0+$", r"\1", shorten(x))
