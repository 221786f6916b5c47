"""Pictures of the graph behind a Value."""

import functools
import pathlib
import re
import shutil
import webbrowser
from typing import Any

from .engine import Value, graph
from .scalar import Number

FORMATS = ("svg", "png", "pdf", "jpeg", "gif")
RANKDIRS = ("LR", "TB", "RL", "BT")


def trace(root: Value) -> tuple[list[Value], list[tuple[Value, Value]]]:
    """The graph behind `root`.

    Returns:
        nodes: the Values, parents before children.
        edges: pairs (parent, child), in the order of the operands; `a + a` has two.
    """
    leaves, results = graph(root)
    nodes = leaves + results
    return nodes, [(parent, child) for child in nodes for parent in child._prev]


def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Any:
    """Draw the graph behind `root`: a box for each Value (its label if it has one, data, grad), an oval for
    the operation that made it. Of the program of a compiled function: a box for each tensor operation.

    Args:
        root: the Value to end at, or a program.
        format: what it is rendered to, one of FORMATS.
        rankdir: where the graph runs: LR, left to right; TB, top to bottom; RL; BT.

    Returns:
        A `graphviz.Digraph`: it shows itself in a notebook; `render(path)` saves it, `source` is its text.

    Raises:
        ValueError: an unknown `format` or `rankdir`.
        ImportError: the package graphviz is missing.
    """
    for name, given, known in ("format", format, FORMATS), ("rankdir", rankdir, RANKDIRS):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")
    # Fields of a record run across the graph; braces turn them, and data stays left of grad.
    record = "{{ {} }}" if rankdir in ("LR", "RL") else "{}"
    dot = drawing_class()(format=format, graph_attr={"rankdir": rankdir, "ordering": "in"})
    if hasattr(root, "boxes"):
        for name, op, shape, sources in root.boxes():
            dot.node(
                name,
                label=record.format(f"{name} | {escape_field(op)} {shape}" if op else f"{name} {shape}"),
                shape="record",
            )
            for source in sources:
                dot.edge(source, name)
        return dot
    nodes, edges = trace(root)
    names = {node: f"v{i}" for i, node in enumerate(nodes)}
    # An edge enters by the operation where there is one; a node made by hand may have no name for it.
    entries = {node: name + "_op" if node._op else name for node, name in names.items()}
    for node, name in names.items():
        fields = [node.label] if node.label else []
        numbers = ("data", node.data), ("grad", node.grad)
        fields += [f"{name} {shorten(x)}" for name, x in numbers if isinstance(x, Value | float | int)]
        dot.node(name, label=record.format(" | ".join(map(escape_field, fields))), shape="record")
        if node._op:
            dot.node(entries[node], label=escape_field(node._op))
            dot.edge(entries[node], name)
    for parent, child in edges:
        dot.edge(names[parent], entries[child])
    return dot


def shorten(x: Number) -> str:
    """A number in a few digits; a Value inside a Value shows its own data."""
    if isinstance(x, Value):
        return f"Value({shorten(x.data)})"
    return f"{x:.4f}" if x == 0 or 1e-3 <= abs(x) < 1e6 else f"{x:.4g}"


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
        def pipe(self, format: str | None = None, *, encoding: str | None = None, **kwargs: Any) -> Any:
            if shutil.which("dot"):
                return super().pipe(format, encoding=encoding, **kwargs)
            try:
                import pygraphviz
            except ImportError:
                raise ImportError('rendering needs the dot program, or pip install "micrograd[viz]"') from None
            graph = pygraphviz.AGraph(string=self.source)
            picture = graph.draw(format=format or self.format, prog=self.engine)
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
