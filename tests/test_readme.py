"""Every Python block of the README runs, and prints what it says it prints."""

import contextlib
import doctest
import importlib
import io
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

import micrograd
from micrograd.nn import MLP

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PRINTS = re.compile(r"# prints (.+?)(?:, (?:the outcome|i\.e\.) .*)?$", re.MULTILINE)
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1][:40])
def test_block(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert out.getvalue().splitlines() == PRINTS.findall(block)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"/{path.name}" for path in tmp_path.iterdir()} <= {*ignored}  # it overwrites no file of the repository


def test_the_page_of_the_compiler():
    page = str(ROOT / "micrograd" / "compiler" / "README.md")
    found = doctest.testfile(page, module_relative=False, encoding="utf-8")
    assert found.attempted > 30
    assert not found.failed


def test_there_are_blocks():
    assert len(BLOCKS) >= 3
    assert "24.7041" in BLOCKS[0]


def test_the_training_on_two_processes(tmp_path):
    """What rank 0 prints; and that all processes end with the same trained model, which each writes into a file."""
    [script] = re.findall(r"^```py\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    keep = "import json, pathlib\npathlib.Path(f'{rank}.json').write_text(json.dumps(model.state_dict()))\n"
    (tmp_path / "train.py").write_text(script.replace("dist.barrier()", f"{keep}dist.barrier()"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.findall(r"^step (\d+): loss (\S+)$", done.stdout, re.MULTILINE)
    assert [step for step, _ in said] == ["0", "50", "100"], done.stdout
    first, middle, last = (float(loss) for _, loss in said)
    assert first > 2 * middle > 4 * last > 0
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one == other
    random.seed(0)
    assert one["0.weight"] != MLP(8, [16, 2]).state_dict()["0.weight"]


def test_the_examples_in_docstrings():
    rooms = [micrograd, *(importlib.import_module(f"micrograd.{name}") for name in ("engine", "vmap", "gradcheck"))]
    rooms.append(importlib.import_module("micrograd.compiler"))
    found = [doctest.testmod(importlib.import_module(room.__name__)) for room in rooms]
    assert sum(result.attempted for result in found) > 9
    assert not any(result.failed for result in found)


def test_the_figures_beside_the_picture_are_those_of_the_results():
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    moons = results.partition("## moons")[2].partition("##")[0]
    times = dict(re.findall(r"^\| ([^|]+) \| ([\d.]+ \w+) \|", moons, re.MULTILINE))
    shown = re.search(r"!\[.*compiled ([\d.]+) ms, PyTorch by hand ([\d.]+) ms\]", README)
    assert shown
    for figure, name in zip(shown.groups(), ("micrograd, compiled", "PyTorch, vectorised by hand")):
        assert f"{float(times[name].split()[0]) / 1000:.2f}" == figure
