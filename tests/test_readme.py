"""Every Python block of the README runs, and prints what it says it prints."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PRINTS = re.compile(r"# prints (.+?)(?:, (?:the outcome|i\.e\.) .*)?$", re.MULTILINE)
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1][:40])
def test_block(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert out.getvalue().splitlines() == PRINTS.findall(block)


def test_there_are_blocks():
    assert len(BLOCKS) >= 3
    assert "24.7041" in BLOCKS[0]


def test_the_training_on_two_processes(tmp_path):
    [script] = re.findall(r"^```py\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "train.py").write_text(script.replace("range(100)", "range(3)"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train.py"]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
