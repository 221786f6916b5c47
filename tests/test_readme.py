"""Every Python block of the README runs, and prints what it says it prints."""

import contextlib
import io
import re
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
