"""Pictures of the graph behind a Value: as a drawing, and as a page that goes through it step by step."""

import html
import json
import pathlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .drawing import FORMATS, drawing_class, known
from .engine import Constant, Value, graph
from .module import Module, contents
from .scalar import Number
from .steps import backward, brief, forward, shorten

__all__ = ["draw_dot", "replay", "trace"]


def __dir__() -> list[str]:
    return __all__


RANKDIRS = ("LR", "TB", "RL", "BT")
# What tells the kinds of nodes apart, without colour.
KINDS = {
    "parameter": {"shape": "record", "style": "filled,bold"},
    "input": {"shape": "Mrecord", "style": "filled"},
    "constant": {"shape": "plaintext"},
    "result": {"shape": "record", "style": "filled"},
}
FULL = (86, 180, 233)  # the colour of the largest gradient, a light blue; smaller ones are nearer to white
MANY = 1_000  # nodes that are laid out within some seconds
REPLAY = 300  # nodes that one can follow
FAR = 6  # operations that an edge may span; many long edges take Graphviz minutes, and nobody can follow them


def trace(root: Value) -> tuple[list[Value], list[tuple[Value, Value]]]:
    """The graph behind `root`.

    Returns:
        nodes: the Values without parents, then the results, in the order in which Python has computed them.
        edges: pairs (parent, child), in the order of the operands; `a + a` has two.

    Raises:
        TypeError: `root` is no Value.
    """
    if not isinstance(root, Value):
        advice = "of a model take model(x), of several Values their sum"
        raise TypeError(f"expected one Value, the result at the end: {advice}; got a {type(root).__name__}")
    graph(root)  # which tells of parents that are no tuple
    nodes, seen, stack = list[Value](), set(), list[Any]([root])
    while stack:  # as in `graph` of the engine, but the first operand first
        node = stack.pop()
        if node is None:
            nodes.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *reversed(node._prev))
    nodes.sort(key=lambda node: bool(node._prev))
    return nodes, [(parent, child) for child in nodes for parent in child._prev]


def draw_dot(
    root: Any,
    format: str = "svg",
    rankdir: str | None = None,
    max_nodes: int | None = None,
    params: Any = (),
    names: Mapping[str, Any] | None = None,
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
            keys, they are labelled, too, unless they have labels of their own: by the names of `state_dict()` and
            their places there, "0.weight[1][0]".
        names: what is in variables, such as `globals()`: Values are labelled by them, unless they have other labels.

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
    parameters, variable = names_of(params), variables(names)
    called = {node: parameters.get(node) or variable.get(node, "") for node in nodes}
    draw_values(dot, nodes, edges, lambda node: fields(node, called[node]), parameters, rankdir)
    return dot


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
        found = {v: name for v, name in paths(params) if not v._prev}
        return found | {v: place for name, tensor in in_state(params) for v, place in indexed(tensor, name)}
    return dict.fromkeys(params, "")


def in_state(x: Any) -> Iterator[tuple[str, Any]]:
    """The parameters of a Module, or of those in a dict, under the names of `state_dict()`."""
    if isinstance(x, Module):
        yield from x.named_parameters()
    elif isinstance(x, dict):
        yield from ((f"{key}.{name}", tensor) for key, item in x.items() for name, tensor in in_state(item))


def indexed(tensor: Any, name: str) -> Iterator[tuple[Value, str]]:
    """The parameters in nested lists, each with its place there: `weight[0][1]`."""
    if isinstance(tensor, Value):
        yield tensor, name
    else:
        for i, item in enumerate(tensor):
            yield from indexed(item, f"{name}[{i}]")


def variables(names: Mapping[str, Any] | None) -> dict[Value, str]:
    """Of each Value the variable that it is in, of some by name."""
    return {v: name for name, v in (names or {}).items() if isinstance(v, Value) and not name.startswith("_")}


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


class Replay:
    """A page that goes through a graph step by step; it shows itself in a notebook."""

    def __init__(self, page: str):
        self.page = page

    def save(self, path: Any) -> str:
        """Write the page, whole, into one HTML file, whose path is returned."""
        pathlib.Path(path).write_text(self.page, encoding="utf-8")
        return str(path)

    def _repr_html_(self) -> str:
        # A frame of its own, which can reach nothing of the notebook. Where that is not trusted, its text is left.
        look = 'sandbox="allow-scripts" style="width: 100%; height: 640px; border: 0"'
        return f'<iframe srcdoc="{html.escape(self.page)}" {look}>{self!r}</iframe>'

    def __repr__(self) -> str:
        return "A replay: run the cell, or trust the notebook, to see it; save('replay.html') makes a page of it."


def replay(root: Value, params: Any = (), names: Mapping[str, Any] | None = None) -> Replay:
    """A page with the graph behind `root` to go through with a slider, or with the arrow keys: the forward pass node
    by node, then the backward pass, with each local derivative in numbers and the chain rule written out. It begins
    with gradients of zero, as if nothing had been added to them before. `root` stays as it is.

    Args:
        params, names: as for `draw_dot`.

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
    named = variables(names) | names_of(params)
    called = {
        node: brief(node.data) if isinstance(node, Constant) else node.label or named.get(node) or name
        for node, name in ids.items()
    }
    steps = [*forward(results, called), *backward(root, results, called)]
    start = {
        name: {"data": "" if node._prev else shorten(node.data), "grad": shorten(0.0)}
        for node, name in ids.items()
        if not isinstance(node, Constant)
    }
    widest = {node: {"data": shorten(node.data), "grad": ""} for node in nodes}
    for node, changes in (change for step in steps for change in step.changes.items()):
        widest[node] |= {field: max(widest[node][field], x, key=len) for field, x in changes.items()}

    def text(node: Value) -> list[str]:  # a box is as wide as what will ever stand in it
        return [called[node], *(f"{field} {x}" for field, x in widest[node].items())]

    dot = drawing_class()(graph_attr={"ordering": "in", "ranksep": "0.25"}, edge_attr={"arrowsize": "0.6"})
    draw_values(dot, nodes, edges, text, (), "TB")
    svg = dot.pipe("svg", encoding="utf-8")
    shown = [
        {
            "pass": step.way,
            "node": ids[step.node],
            "beside": [ids[node] for node in step.beside],
            "lines": step.lines,
            "changes": {ids[node]: changes for node, changes in step.changes.items()},
        }
        for step in steps
    ]
    data = json.dumps({"start": start, "steps": shown}).replace("<", r"\u003c")
    page = pathlib.Path(__file__).with_name("replay.html").read_text(encoding="utf-8")
    parts = {"<!-- graph -->": svg[svg.index("<svg") :], "/* data */": data}
    return Replay(re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], page))
