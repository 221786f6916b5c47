"""The benchmarks: whoever is compared computes the same, and the report says what was measured."""

import json
import math
import subprocess
import sys

import pytest

from benchmarks.__main__ import ROOT, main, report
from benchmarks.differences import PROBES, outcomes
from benchmarks.work import HERE, PEERS, TORCH


def check(work, name):
    command = [sys.executable, str(ROOT / "benchmarks" / "worker.py"), str(ROOT), work, name]
    done = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
    said, seconds = map(json.loads, done.stdout.splitlines())
    assert seconds > 0
    return said["check"]


@pytest.mark.parametrize(
    "work", ["moons", "expression", "pendulum", "GPT, 8 tokens", "digits, a minibatch", "digits epoch"]
)
def test_all_compute_the_same(work):
    slow = ("0-d", "eager", "microGPT")
    names = [name for name, peer in PEERS[work].items() if peer.packages in (HERE, TORCH)]
    first, *others = [check(work, name) for name in names if not any(word in name for word in slow)]
    assert len(others) >= 1
    for other in others:
        assert all(math.isclose(a, b, rel_tol=1e-8, abs_tol=1e-8) for a, b in zip(other, first))


def test_the_lines_that_are_compared_with_the_first_version():
    found = outcomes(sys.executable)
    assert len(found) == len(PROBES)
    assert f"runs {len(PROBES)} lines" in (ROOT / "README.md").read_text(encoding="utf-8")
    wrong = ("NameError", "SyntaxError", "ImportError", "IndentationError")  # a line that tries nothing
    assert not [probe for probe, outcome in zip(PROBES, found) if outcome.startswith(wrong)]


def test_the_report():
    rows = [
        {"peer": "a", "seconds": 2e-4, "spread": 1e-5, "times": [2e-4] * 3, "ratio": 1.0},
        {"peer": "b", "missing": "no such package"},
        {"peer": "c", "seconds": 3.0, "spread": 0.0, "times": [3.0], "ratio": 15000.0},
    ]
    growth = [{"size": {"samples": 25}, "nodes": 17000, "step, ms": 0.125}]
    sizes = [{"library": "x", "import, ms": 5.0}, {"library": "y", "missing": "cannot be installed"}]
    text = report({"date": "today", "machine": "this", "works": {"w": rows}, "growth": growth, "sizes": sizes})
    assert "| a | 200 us | 5% | 1 |" in text
    assert "| b | not here: no such package |  |  |" in text
    assert "| c | 3 s |  | 1.5e+04 |" in text
    assert "| samples 25 | 17,000 | 0.125 |" in text
    assert "| y |  | cannot be installed |" in text


@pytest.mark.parametrize("option", [["--quick"], ["--only", "moons"]])
def test_only_a_run_of_everything_is_saved(option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--save", *option])
    with pytest.raises(SystemExit):
        main()
    assert "leave out --only and --quick" in capsys.readouterr().err
