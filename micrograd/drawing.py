"""A `graphviz.Digraph` that needs no Graphviz on the machine, and fits into a notebook."""

import contextlib
import functools
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from typing import Any

FORMATS = ("svg", "png", "pdf", "jpeg", "gif")
CELL = 612  # points, the width of a cell of a notebook
SMALLEST = 0.4  # of its own size: text of 14 points is hardly read when it is smaller than that
SMALL = 16_000  # characters of a drawing; as a PNG it takes four times as many, which is what a plot takes
one_at_a_time = threading.Lock()  # Graphviz as a library has global state: two threads in it crash


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
            picture = lay_out(self.source, format, self.engine, **kwargs)
            if format == "svg":  # no wider than the page, unless nobody could read it
                width, _ = size(picture.decode())
                look = f'<svg style="max-width: max(100%, {width * SMALLEST:.0f}pt); height: auto" '
                picture = picture.replace(b"<svg ", look.encode(), 1)
            return picture.decode(encoding) if encoding else picture

        def __repr__(self) -> str:
            name = f"graph.{self.format}"
            return f"A drawing: run the cell, or trust the notebook, to see it; render('graph') saves {name}."

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> dict[str, Any]:
            """For a notebook. JupyterLab shows no SVG of a notebook that is not trusted, but a PNG, and otherwise the
            text."""
            bundle = {"text/plain": repr(self), "image/svg+xml": self._repr_image_svg_xml()}
            if len(bundle["image/svg+xml"]) <= SMALL and "image/png" not in (exclude or ()):
                small = self.copy()
                small.graph_attr["dpi"] = "72"
                bundle["image/png"] = small.pipe("png")
            return bundle

        def _repr_image_svg_xml(self) -> str:
            """For a notebook, some of which show a picture in its own size: no wider than a cell, unless
            nobody could read it; then it scrolls."""
            svg: str = super()._repr_image_svg_xml()
            width, height = size(svg)
            scale = min(1.0, max(CELL / width, SMALLEST))
            now = f'width="{width * scale:.0f}pt" height="{height * scale:.0f}pt"'
            return svg.replace(f'width="{width}pt" height="{height}pt"', now, 1)

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


def lay_out(source: str, format: str, engine: str, **kwargs: Any) -> bytes:
    """A picture of a graph that is described in Graphviz's words. Here it is asked who can: the program `dot`, or
    pygraphviz. A page in a browser, which has neither, puts a function of its own in this one's place."""
    import graphviz

    if shutil.which(engine):
        picture: bytes = graphviz.pipe(engine, format, source.encode(), **kwargs)
        return picture
    try:
        import pygraphviz
    except ImportError:
        raise ImportError("rendering needs the dot program, or: pip install pygraphviz") from None
    with one_at_a_time, without_warnings():
        graph = pygraphviz.AGraph(string=source)
        picture = graph.draw(format=format, prog=engine)
        graph.close()
        return picture


def size(svg: str) -> list[int]:
    """The width and the height of a drawing, in points."""
    return [int(length) for length in re.findall(r'(?:width|height)="(\d+)pt"', svg)[:2]]


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Leave out what Fontconfig warns of. The one that comes with pygraphviz is older than that of many systems, reads
    their settings, and knows not all of them; which it reads, nobody can tell it."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            written.seek(0)
            for line in written:
                if not line.startswith(b"Fontconfig warning"):
                    os.write(2, line)


def known(name: str, given: str, names: Sequence[str]) -> None:
    if given not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got {given!r}")
