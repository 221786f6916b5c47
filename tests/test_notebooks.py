"""The notebooks run from top to bottom, and what is saved in them is what they print and draw.

`python tests/test_notebooks.py demo.ipynb` runs a notebook and saves what it prints.
"""

import base64
import copy
import html
import io
import os
import re
import shutil
import sys
from difflib import unified_diff
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from matplotlib.image import imread, imsave
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parent.parent
WRITTEN = {"trace_graph.ipynb": "gout.svg", "demo.ipynb": "moon_mlp.png", "gpt.ipynb": None}
# A test trains for fewer steps. What cells with the tag "trained" print depends on that; only its kind is compared.
SHORTER = {"gpt.ipynb": ("steps, batch = 1000, 8", "steps, batch = 10, 2")}
# What differs from run to run and from machine to machine: how long something took, what runs a program, and the last
# digits of what it computes; and the pixels of a plot, on average by so much of the way from black to white.
VARIES = re.compile(r"\d+(\.\d+)? m?s\b|(?<=\.\d{10})\d+|(?<=operations), as [\w ]+")
PIXELS = 0.005  # less than a line of another colour makes
PROGRESS = re.compile(r"\s*\d+%\|.*\| \d+/\d+ \[.*\]")


def execute(name, folder, change=("", "")):
    """Run a notebook in a folder, with the micrograd of this repository."""
    notebook = nbformat.read(ROOT / name, as_version=4)
    assert any(change[0] in cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace(*change)
    return run(notebook, folder)


def run(notebook, folder):
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.record_timing = False
    return tidy(client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)}))


def tidy(notebook):
    """One piece for each stream of a cell, and of a progress bar only what one sees in the end."""
    for cell in code_of(notebook):
        streams: dict[str, str] = {}
        for output in cell.outputs:
            if output.output_type == "stream":
                streams[output.name] = streams.get(output.name, "") + output.text
        seen = {name: re.sub(r"[^\n]*\r(?!\n)", "", text) for name, text in streams.items()}
        pieces = [new_output("stream", name=name, text=seen[name]) for name in sorted(seen)]
        cell.outputs = pieces + [output for output in cell.outputs if output.output_type != "stream"]
    return notebook


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def differences(saved, fresh):
    """The cells whose outputs differ, or complain on stderr: their code, and what differs."""
    found = []
    for was, now in zip(code_of(saved), code_of(fresh), strict=True):
        trained = "trained" in was.metadata.get("tags", ())
        before, after = contents(was, trained), contents(now, trained)
        alike = len(before) == len(after) and all(map(same, before, after))
        complaints = any(kind == "stderr" for kind, _ in before + after)
        if not alike or complaints or was.execution_count != now.execution_count:
            names = f"saved [{was.execution_count}]", f"fresh [{now.execution_count}]"
            lines = shown(now) if alike else unified_diff(shown(was), shown(now), *names, lineterm="")
            found.append("\n".join([now.source, *lines]))
    return found


def contents(cell, trained=False):
    """What there is to compare: pairs of a kind and a content."""
    found = []
    for output in cell.outputs:
        kinds = {output.name: output.text} if output.output_type == "stream" else output.data
        for kind, content in sorted(kinds.items()):
            if kind == "stderr":
                found += [(kind, line) for line in content.splitlines() if line.strip() and not PROGRESS.match(line)]
            elif kind != "image/png" or "image/svg+xml" not in kinds:  # a drawing is compared by its texts
                found.append((kind, None if trained else READ.get(kind, steady)(content)))
    return found


def steady(text):
    return VARIES.sub("...", text)


def drawing(svg):
    """The texts, colours and names in a drawing, a line for each element, without the places: they depend on fonts."""
    looks = {"id", "class", "fill", "stroke", "stroke-width", "stroke-dasharray"}
    lines = []
    for element in ElementTree.fromstring(svg).iter():
        _, tag = element.tag.split("}")
        attributes = [f"{name}={value}" for name, value in sorted(element.items()) if name in looks]
        lines.append(" ".join([tag, (element.text or "").strip(), *attributes]))
    return "\n".join(sorted(lines))


def page(frame):
    """The drawing in a page, and all else that is in it."""
    inside = html.unescape(frame)
    [svg] = re.findall(r"<svg.*?</svg>", inside, re.DOTALL)
    return drawing(svg) + steady(inside.replace(svg, ""))


def plot(png):
    return imread(io.BytesIO(base64.b64decode(png)))[..., :3]


READ = {"image/svg+xml": drawing, "text/html": page, "image/png": plot}


def same(one, other):
    (kind, was), (other_kind, now) = one, other
    if kind != other_kind or not isinstance(was, np.ndarray):
        return kind == other_kind and was == now
    rows, columns = np.minimum(was.shape, now.shape)[:2]
    near = np.abs(np.subtract(was.shape, now.shape)).max() <= 8  # letters are not everywhere of the same size
    return near and np.abs(was[:rows, :columns] - now[:rows, :columns]).mean() < PIXELS


def shown(cell):
    """What is compared, in lines."""
    lines = []
    for kind, content in contents(cell):
        if isinstance(content, np.ndarray):
            lines.append(f"{kind} of shape {content.shape} and mean {content.mean():.4f}")
        else:
            lines += [f"{kind}: {line}" for line in content.splitlines()]
    return lines


quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@quiet
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_saved_is_what_it_prints(name, tmp_path):
    shutil.copytree(ROOT / "data", tmp_path / "data")
    saved = tidy(nbformat.read(ROOT / name, as_version=4))
    stale = differences(saved, execute(name, tmp_path, SHORTER.get(name, ("", ""))))
    assert not stale, "\n\n".join([f"python tests/test_notebooks.py {name} would save what is fresh", *stale])
    assert WRITTEN[name] is None or (tmp_path / WRITTEN[name]).stat().st_size > 0


def test_what_the_demo_learned():
    """Its training is that of micrograd 0.1.0 with the same seed."""
    found = re.findall(r"step (\d+) loss (\S+), accuracy (\d+)%", printed("demo.ipynb"))
    steps = {int(step): (float(loss), int(accuracy)) for step, loss, accuracy in found}
    assert steps[0] == (pytest.approx(0.8958441028683222, abs=1e-6), 50)
    assert steps[1] == (pytest.approx(1.7235905336972022, abs=1e-6), 81)
    assert steps[99] == (pytest.approx(0.01097837013549, abs=1e-6), 100)


def test_what_the_gpt_learned():
    [(first, last)] = re.findall(r"first 50 steps (\S+), of the last 50 (\S+)", printed("gpt.ipynb"))
    assert float(last) < float(first) - 0.3


def printed(name):
    cells = code_of(nbformat.read(ROOT / name, as_version=4))
    return "".join(output.text for cell in cells for output in cell.outputs if output.get("name") == "stdout")


def outputs_of(notebook):
    return [output for cell in code_of(notebook) for output in cell.outputs]


def edited(notebook, kind, old, new):
    """A copy, with other text in the first output of a kind that has the old one."""
    notebook = copy.deepcopy(notebook)
    for output in outputs_of(notebook):
        where = output if kind == "text" else output.get("data", {})
        if old in where.get(kind, ""):
            where[kind] = where[kind].replace(old, new, 1)
            return notebook
    raise AssertionError(f"nowhere is {old!r}")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("text", "0.1024", "0.1025"),
        ("image/svg+xml", "data 4.0000", "data 4.0001"),
        ("image/svg+xml", "#56b4e9", "#56b4e8"),
        ("image/svg+xml", 'stroke-width="2"', 'stroke-width="1"'),
        ("image/svg+xml", "<title>v0&#45;&gt;", "<title>v1&#45;&gt;"),
        ("text/html", "A backward pass", "A forward pass"),
        ("text/html", "data &#45;1.0000".replace("&", "&amp;"), "data 1.0000"),
    ],
)
def test_a_stale_output_is_found(kind, old, new):
    saved = nbformat.read(ROOT / "trace_graph.ipynb", as_version=4)
    [stale] = differences(edited(saved, kind, old, new), saved)
    for sign in "-+":  # each stands before a header and before one line
        assert sum(line.startswith(sign) for line in stale.splitlines()) == 2


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [("image/svg+xml", 'x="', 'x="1'), ("image/svg+xml", "pt", "in"), ("image/png", "iVBOR", "other ")],
)
def test_places_and_fonts_differ(kind, old, new):
    saved = nbformat.read(ROOT / "trace_graph.ipynb", as_version=4)
    assert differences(edited(saved, kind, old, new), saved) == []


def test_a_plot_in_other_colours_is_found():
    saved = nbformat.read(ROOT / "demo.ipynb", as_version=4)
    stale = copy.deepcopy(saved)
    points, *_ = [output for output in outputs_of(stale) if "image/png" in output.get("data", {})]
    red_for_blue = io.BytesIO()
    imsave(red_for_blue, np.ascontiguousarray(plot(points.data["image/png"])[..., ::-1]))
    points.data["image/png"] = base64.b64encode(red_for_blue.getvalue()).decode()
    assert len(differences(stale, saved)) == 1


def cell_with(**streams):
    outputs = [new_output("stream", name=name, text=text) for name, text in streams.items()]
    return new_notebook(cells=[new_code_cell(outputs=outputs)])


def test_a_time_differs_and_a_progress_bar_is_nothing():
    bar = "  0%|          | 0/20 [00:00<?, ?it/s]\r100%|██████████| 20/20 [00:00<00:00, 21.10it/s, loss=2.548]\n"
    assert differences(tidy(cell_with(stdout="took 3 s\n")), tidy(cell_with(stderr=bar, stdout="took 2.1 s\n"))) == []


def test_a_warning_is_found_even_where_it_is_saved():
    warned = cell_with(stderr="Fontconfig warning: unknown element\n")
    assert len(differences(warned, warned)) == 1


@quiet
def test_a_listing_names_the_cell(tmp_path):
    code = (
        "import micrograd\n",
        "@micrograd.compile\ndef f(x):\n    return x.exp()\n",
        "f(micrograd.Value(1.0))\nprint(f.program)",
    )
    listed = run(new_notebook(cells=list(map(new_code_cell, code))), tmp_path)
    [output] = listed.cells[-1].outputs
    assert output.text.splitlines()[-1].endswith("  In[2]:3")


@quiet
def test_a_cell_that_fails_shows_its_output(tmp_path):
    failing = new_notebook(cells=[new_code_cell("print('so far', 6 * 7)\n1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError") as error:
        run(failing, tmp_path)
    assert "so far 42" in str(error.value)


def save(name):
    notebook = execute(name, ROOT)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.write(notebook, ROOT / name)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        save(name)
