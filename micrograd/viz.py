"""Pictures of the graph behind a Value: as a drawing, and as a page that goes through it step by step."""

import functools
import html
import json
import pathlib
import re
import shutil
import threading
import webbrowser
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from .engine import ByHand, Constant, Value, graph
from .module import Module, contents
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
# The derivatives by each operand, where they are no plain numbers; {0} is the result, {1} and {2} are the operands.
RULES = {
    "*": ("{2}", "{1}"),
    "/": ("1 / {2}", "-{1} / {2}**2"),
    "**": ("{2} * {1}**({2} - 1)", "{0} * log({1})"),
    "ReLU": ("1 if {1} > 0 else 0",),
    "exp": ("{0}",),
    "log": ("1 / {1}",),
    "sqrt": ("1 / (2 * {0})",),
    "sin": ("cos({1})",),
    "cos": ("-sin({1})",),
    "tanh": ("1 - {0}**2",),
    "sigmoid": ("{0} * (1 - {0})",),
    "abs": ("sign({1})",),
}
FULL = (86, 180, 233)  # the colour of the largest gradient, a light blue; smaller ones are nearer to white
MANY = 1_000  # nodes that are laid out within some seconds
REPLAY = 300  # nodes that one can follow
FAR = 6  # operations that an edge may span; many long edges take Graphviz minutes, and nobody can follow them
CELL = 612  # points, the width of a cell of a notebook
one_at_a_time = threading.Lock()  # Graphviz as a library has global state: two threads in it crash


def trace(root: Value) -> tuple[list[Value], list[tuple[Value, Value]]]:
    """The graph behind `root`.

    Returns:
        nodes: the Values, parents before children.
        edges: pairs (parent, child), in the order of the operands; `a + a` has two.

    Raises:
        TypeError: `root` is no Value.
    """
    if not isinstance(root, Value):
        advice = "of a model take model(x), of several Values their sum"
        raise TypeError(f"expected one Value, the result at the end: {advice}; got a {type(root).__name__}")
    leaves, results = graph(root)
    nodes = leaves + results
    return nodes, [(parent, child) for child in nodes for parent in child._prev]


def draw_dot(
    root: Any, format: str = "svg", rankdir: str | None = None, max_nodes: int | None = None, params: Any = ()
) -> Any:
    """Draw the graph behind `root`: a box for each Value (its label if it has one, data, grad), an oval for the
    operation that made it. Of a compiled function: a box for each tensor operation of the program traced last.

    The larger a gradient, beside the largest of the graph, the darker its box. Results have corners, the other Values
    round ones, parameters a thick border, and plain numbers no box. Where a Value is used again far away, a copy of its
    box, with a dashed border, stands there.

    Args:
        root: the Value to end at, or a compiled function that was called, or its program.
        format: what it is rendered to, one of FORMATS.
        rankdir: where the graph runs: LR, left to right; TB, top to bottom; RL; BT. Without it, LR, or TB where LR
            would be wider than a page, and TB is narrower.
        max_nodes: draw only so many Values, those next to `root`; dots stand for the others.
        params: which Values to mark as parameters, such as `model.parameters()`. Of a Module, or a dict with names as
            keys, they are labelled, too: "layers.0.neurons.1.w.0", unless they have labels of their own.

    Returns:
        A `graphviz.Digraph`: it shows itself in a notebook; `render(path)` saves it, `source` is its text.

    Raises:
        TypeError: `root` is something else.
        AttributeError: `root` is a compiled function that has no program yet.
        ValueError: an unknown `format` or `rankdir`, a `max_nodes` below 1, or none for more than 1000 Values.
        ImportError: the package graphviz is missing.
    """
    known("format", format, FORMATS)
    known("rankdir", rankdir or "LR", RANKDIRS)
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"max_nodes must be 1 or more, got {max_nodes}")
    dot = drawing_class()(format=format, graph_attr={"ordering": "in", "ranksep": "0.25"})
    if hasattr(type(root), "program"):
        root = root.program
    if hasattr(root, "boxes"):
        draw_program(dot, root, rankdir)
        return dot
    nodes, edges = trace(root)
    if max_nodes is None and len(nodes) > MANY:
        raise ValueError(
            f"draw_dot lays out up to {MANY} Values within seconds, this graph has {len(nodes)}: "
            f"draw_dot(root, max_nodes=500) draws those next to the root"
        )
    near = nearest(root, max_nodes or MANY)
    nodes, edges = [v for v in nodes if v in near], [(parent, child) for parent, child in edges if child in near]
    named = names_of(params)
    draw_values(dot, nodes, edges, lambda node: fields(node, named.get(node, "")), named, rankdir)
    return dot


def known(name: str, given: str, names: Sequence[str]) -> None:
    if given not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got {given!r}")


def draw_program(dot: Any, program: Any, rankdir: str | None) -> None:
    boxes = program.boxes()
    edges = [(source, name) for name, _, _, sources in boxes for source in sources]
    record = direct(dot, heights(edges), rankdir)
    for name, op, shape, _ in boxes:
        text = f"{name} | {escape_field(op)} {shape}" if op else f"{name} {shape}"
        dot.node(name, label=record.format(text), shape="record")
    dot.edges(edges)


def draw_values(
    dot: Any,
    nodes: Sequence[Value],
    edges: Sequence[tuple[Value, Value]],
    text: Callable[[Value], Sequence[str]],
    params: Iterable[Value],
    rankdir: str | None,
) -> None:
    names = {node: f"v{i}" for i, node in enumerate(dict.fromkeys([*nodes, *(parent for parent, _ in edges)]))}
    largest = max(size(node.grad) for node in nodes)
    drawn, height = set(nodes), heights(edges)
    record = direct(dot, height, rankdir)

    def box(node: Value, name: str, border: str = "") -> None:
        look = {"class": names[node], **KINDS[kind(node, params)]}
        if node not in drawn:
            look |= {"label": "...", "shape": "plaintext", "style": ""}
        elif look["shape"] == "plaintext":
            look["label"] = escape_field(shorten(node.data))
        else:
            label = record.format(" | ".join(map(escape_field, text(node))))
            look |= {"label": label, "fillcolor": shade(node.grad, largest), "style": look["style"] + border}
        dot.node(name, **look)

    for node, name in names.items():
        box(node, name)
        if node in drawn and node._op:
            dot.node(name + "_op", label=escape_field(node._op), **{"class": name + "_op"})
            dot.edge(name + "_op", name)
    for parent, child in edges:
        source = names[parent]
        if height[parent] - height[child] > FAR:
            source += "_for_" + names[child]
            box(parent, source, ",dashed")
        # It enters by the operation, where there is one; a node made by hand may have no name for it.
        dot.edge(source, names[child] + ("_op" if child._op else ""))


def heights(edges: Sequence[tuple[Any, Any]]) -> dict[Any, int]:
    """How many operations before the end each of them is needed first."""
    height: dict[Any, int] = {}
    for parent, child in reversed(edges):  # whoever needs the child has been here
        height[parent] = max(height.get(parent, 0), height.setdefault(child, 0) + 1)
    return height


def direct(dot: Any, height: dict[Any, int], rankdir: str | None) -> str:
    """Set where it runs, and tell how its records are made."""
    widest, levels = max(Counter(height.values()).values(), default=1), max(height.values(), default=0) + 1
    # Three boxes and the operations between them are as wide as a page; a box with an operation is 4/3 of a box.
    dot.graph_attr["rankdir"] = rankdir or ("TB" if levels > 3 and 3 * widest < 4 * levels else "LR")
    # Fields of a record run across the graph; braces turn them, and data stays left of grad.
    return "{{ {} }}" if dot.graph_attr["rankdir"] in ("LR", "RL") else "{}"


def nearest(root: Value, count: int) -> set[Value]:
    """The `count` Values that are fewest operations away from `root`."""
    near, queue = {root}, deque([root])
    while queue:
        for parent in queue.popleft()._prev:
            if parent not in near and len(near) < count:
                near.add(parent)
                queue.append(parent)
    return near


def names_of(params: Any) -> dict[Value, str]:
    """The parameters, each with its name, which is empty where it has none."""
    if isinstance(params, Module) or (isinstance(params, dict) and not any(isinstance(key, Value) for key in params)):
        return {v: name for v, name in paths(params) if not v._prev}
    return dict.fromkeys(params, "")


def paths(x: Any, name: str = "", above: tuple[Any, ...] = ()) -> Iterator[tuple[Value, str]]:
    """The Values in a Module or a container, with the attributes, indices and keys that lead there."""
    if isinstance(x, Value):
        yield x, name[1:]
    elif not any(x is container for container in above):
        for key, item in zip(*contents(x)):
            yield from paths(item, f"{name}.{key}", (*above, x))


def kind(node: Value, params: Iterable[Value]) -> str:
    if node in params:
        return "parameter"
    return "result" if node._prev else "constant" if isinstance(node, Constant) else "input"


def fields(node: Value, name: str) -> list[str]:
    """What stands in the box of a Value."""
    numbers = ("data", node.data), ("grad", node.grad)
    shown = [f"{name} {shorten(x)}" for name, x in numbers if hasattr(x, "__float__")]
    return [node.label or name, *shown] if node.label or name else shown


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
    """`text` so that graphviz shows it as it is: braces, bars and angles structure a record's label, and it takes no
    control characters, for which Unicode has pictures."""
    text = re.sub(r"[\x00-\x09\x0b-\x1f]", lambda found: chr(0x2400 + ord(found[0])), text)
    return re.sub(r"([\\{}|<>])", r"\\\1", text).replace("\n", r"\n")


@functools.cache
def drawing_class() -> Any:
    """`graphviz.Digraph`, which renders through pygraphviz where there is no `dot` program."""
    try:
        import graphviz
    except ImportError:
        raise ImportError("drawing needs graphviz: pip install graphviz pygraphviz") from None

    class Drawing(graphviz.Digraph):  # type: ignore[misc]
        def pipe(self, format: str | None = None, *, encoding: str | None = None, **kwargs: Any) -> Any:
            format = format or self.format
            known("format", format, FORMATS)
            if shutil.which("dot"):
                picture = super().pipe(format, **kwargs)
            else:
                try:
                    import pygraphviz
                except ImportError:
                    raise ImportError("rendering needs the dot program, or: pip install pygraphviz") from None
                with one_at_a_time:
                    graph = pygraphviz.AGraph(string=self.source)
                    picture = graph.draw(format=format, prog=self.engine)
                    graph.close()
            if format == "svg":  # no wider than the page
                picture = picture.replace(b"<svg ", b'<svg style="max-width: 100%; height: auto" ', 1)
            return picture.decode(encoding) if encoding else picture

        def _repr_image_svg_xml(self) -> str:
            """For a notebook, some of which show a picture in its own size: no wider than a cell."""
            svg: str = super()._repr_image_svg_xml()
            width, height = re.findall(r'(?:width|height)="(\d+)pt"', svg)[:2]
            scale = min(1.0, CELL / int(width))
            size = f'width="{int(width) * scale:.0f}pt" height="{int(height) * scale:.0f}pt"'
            return svg.replace(f'width="{width}pt" height="{height}pt"', size, 1)

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
            format = format or (pathlib.Path(outfile).suffix[1:] if outfile else self.format)
            picture = self.pipe(format, **kwargs)
            source = self.save(filename, directory=directory)
            target = pathlib.Path(outfile or f"{source}.{format}")
            target.write_bytes(picture)
            if cleanup:
                pathlib.Path(source).unlink()
            if view:
                webbrowser.open(target.resolve().as_uri())
            return str(target)

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
        TypeError: `root` is no Value, or a node has no number of its own: it is the result of a compiled function.
        ImportError: the package graphviz is missing.
    """
    if isinstance(root, Constant):  # alone, it has a box
        root = Value(root.data, label=root.label)
    nodes, edges = trace(root)
    results = [node for node in nodes if node._prev]
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
    draw_values(dot, nodes, edges, text, (), "TB")
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
        g, operands, changes = grads[node], [called[parent] for parent in node._prev], {}
        made = formula(node._op, operands)
        lines = [f"{called[node]} = {made}"]
        op = "**" if node._op.startswith("**") else node._op  # of a plain exponent, it is what follows
        slopes = () if isinstance(node._grad_fn, ByHand) else RULES.get(op, ())
        for i, (parent, local, share) in enumerate(zip(node._prev, shares(node, 1.0), shares(node, g))):
            if isinstance(parent, Constant):
                continue
            name, slope = called[parent], brief(local)
            which = f", operand {i + 1}" if node._prev.count(parent) > 1 else ""
            rule = [text.format(called[node], *operands, node._op[2:]) for text in slopes[i : i + 1]]
            lines.append(" = ".join(dict.fromkeys([f"d({made})/d{name}{which}", *rule, slope])))
            added = f"{brief(grads[parent])} + {brief(share)} = " if grads[parent] else ""
            grads[parent] += share
            lines.append(f"grad({name}) += {slope} * {brief(g)}  ->  {added}{brief(grads[parent])}")
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
