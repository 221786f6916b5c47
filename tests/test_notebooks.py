"""The notebooks run from top to bottom, and what is saved in them is what they print."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent


def printed(notebook):
    """What each cell printed, without what differs from run to run: progress bars, times, addresses."""
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    texts = [out.text if out.output_type == "stream" else out.data.get("text/plain", "") for out in outputs]
    streams = [out.get("name") for out in outputs]
    return [
        re.sub(r"0x[0-9a-f]+|\d+(\.\d+)? m?s\b|\d+x\b", "...", text)
        for text, name in zip(texts, streams)
        if name != "stderr"
    ]


def execute(name, folder, change=("", "")):
    notebook = nbformat.read(ROOT / name, as_version=4)
    fresh = nbformat.from_dict(notebook)
    assert any(change[0] in cell.source for cell in fresh.cells)
    for cell in fresh.cells:
        cell.source = cell.source.replace(*change)
    client = NotebookClient(fresh, timeout=600, resources={"metadata": {"path": str(folder)}}, coalesce_streams=True)
    return notebook, client.execute()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(("name", "picture"), [("demo.ipynb", "moon_mlp.png"), ("trace_graph.ipynb", "gout.svg")])
def test_notebook(name, picture, tmp_path):
    saved, fresh = execute(name, tmp_path)
    assert (tmp_path / picture).stat().st_size > 0
    assert [cell.get("execution_count") for cell in saved.cells] == [
        cell.get("execution_count") for cell in fresh.cells
    ]
    assert printed(fresh) == printed(saved)
    if name == "demo.ipynb":
        text = "".join(printed(fresh))
        found = re.findall(r"step (\d+) loss (\S+), accuracy (\d+)%", text)
        steps = {int(step): (float(loss), int(accuracy)) for step, loss, accuracy in found}
        assert steps[0] == (pytest.approx(0.8958441028683222, rel=1e-6), 50)
        assert steps[1] == (pytest.approx(1.7235905336972022, rel=1e-6), 81)
        assert steps[99] == (pytest.approx(0.01097837013549, rel=1e-6), 100)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_gpt(tmp_path):
    shutil.copytree(ROOT / "data", tmp_path / "data")
    saved, fresh = execute("gpt.ipynb", tmp_path, ("steps, batch = 1000, 8", "steps, batch = 30, 2"))
    was, now = printed(saved), printed(fresh)
    assert was[:3] == now[:3]  # before the training
    program = next(text for text in was if "scalar operations" in text)
    assert program in now  # and what does not depend on it
    [(first, last)] = re.findall(r"first 50 steps (\S+), of the last 50 (\S+)", "".join(was))
    assert float(last) < float(first) - 0.3
