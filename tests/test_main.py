"""python -m micrograd, as a person types it."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import micrograd

pytest.importorskip("sklearn")

HERE = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # where these tests have micrograd from


def run(*args, cwd, code="import runpy; runpy.run_module('micrograd', run_name='__main__')"):
    """In a process of its own, after `code`; the arguments as on the command line."""
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'micrograd'; {code}", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, env=HERE)


@pytest.mark.parametrize("way", [[], ["--eager"]], ids=["compiled", "eager"])
def test_it_trains_and_draws(way, tmp_path):
    done = run("--steps", "6", "--samples", "30", "--seed", "3", "--out", "picture.png", *way, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of 30 points right after 6 steps in" in done.stdout
    assert "picture.png" in done.stdout
    assert re.fullmatch(
        r"a step \(loss, gradients, update\) takes \d+\.\d\d ms compiled and \d+\.\d\d ms eager",
        done.stdout.splitlines()[-1],
    )
    assert "accuracy=" in done.stderr
    assert "6/6" in done.stderr
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_seed_gives_the_same_picture(tmp_path):
    pictures = []
    for seed in ("3", "3", "4"):
        run("--steps", "2", "--samples", "20", "--seed", seed, cwd=tmp_path)
        pictures.append((tmp_path / "moon_mlp.png").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]
    run("--steps", "2", "--samples", "20", "--seed", "3", "--eager", cwd=tmp_path)
    assert pictures[0] == (tmp_path / "moon_mlp.png").read_bytes()


def test_help(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for option in ("--eager", "--steps", "--samples", "--seed", "--out", "(default: 100)"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--steps", "0"), "at least 1, below 2**32, got '0'"),
        (("--steps", "many"), "at least 1, below 2**32, got 'many'"),
        (("--samples", "1"), "at least 2, below 2**32, got '1'"),
        (("--seed", "-1"), "at least 0, below 2**32, got '-1'"),
        (("--seed", "4294967296"), "at least 0, below 2**32, got '4294967296'"),
        (("--out", "no/such/folder.png"), "cannot write 'no/such/folder.png': No such file or directory"),
        (("--out", "picture.txt"), "got 'picture.txt'"),
    ],
)
def test_bad_values(args, words, tmp_path):
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["matplotlib", "numpy", "sklearn", "tqdm"])
def test_a_missing_extra_is_one_line(package, tmp_path):
    hide = f"sys.modules[{package!r}] = None; "
    done = run(cwd=tmp_path, code=hide + "import runpy; runpy.run_module('micrograd', run_name='__main__')")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f'python -m micrograd needs {package}, which the extra brings: pip install ".[demo]" in the checkout'
    ]


def test_importing_it_does_nothing(capsys):
    import micrograd.__main__

    assert callable(micrograd.__main__.main)
    assert capsys.readouterr().out == ""


def test_a_picture_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "folder.png").mkdir()
    done = run("--out", "folder.png", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("cannot write 'folder.png': Is a directory")
    (tmp_path / "old.png").write_text("old")
    assert run("--out", "old.png", "--steps", "no", cwd=tmp_path).returncode == 2
    assert (tmp_path / "old.png").read_text() == "old"  # trying changes nothing


DRAWN = """
import micrograd.__main__ as program

draw = program.draw_boundary

def spy(model, X, y, path):
    print("drawn", f"{sum((model(row).data > 0) == (yi > 0) for row, yi in zip(X, y)) / len(y):.1%}")
    draw(model, X, y, path)

program.draw_boundary = spy
program.main()
"""


def test_the_accuracy_is_that_of_the_model_in_the_picture(tmp_path):
    found = set()
    for steps in ("1", "2"):  # the first step of this seed goes far, so that the accuracies beside it differ
        done = run("--steps", steps, "--samples", "40", "--seed", "3", cwd=tmp_path, code=DRAWN)
        drawn, printed, *_ = done.stdout.splitlines()
        assert printed.startswith(drawn.removeprefix("drawn ") + " of 40 points right")
        found.add(drawn)
    assert len(found) == 2


def test_the_speeds_are_measured_with_the_garbage_collector(tmp_path):
    code = """
import gc
import micrograd
import micrograd.__main__ as program

loss, seen = program.max_margin_loss, []

def spy(*args):
    seen.append(gc.isenabled())
    return loss(*args)

program.max_margin_loss = spy
micrograd.compile = lambda f: loss  # a compiled function may not look at the garbage collector
program.main()
print(len(seen), set(seen))
"""
    done = run("--steps", "2", "--samples", "10", "--eager", cwd=tmp_path, code=code)
    count, enabled = done.stdout.splitlines()[-1].split(" ", 1)
    assert int(count) >= 2 + 6  # two steps; a call before the five that are measured
    assert enabled == "{True}"


def test_the_estimate_of_the_time_left_leaves_the_tracing_out(tmp_path):
    code = """
import time
import micrograd
import micrograd.__main__ as program

def slow_to_trace(f, compile=micrograd.compile):
    compiled, calls = compile(f), []
    def call(*args):
        calls or time.sleep(20)
        calls.append(args)
        return compiled(*args)
    return call

micrograd.compile = slow_to_trace
program.main()
"""
    done = run("--steps", "5", "--samples", "10", cwd=tmp_path, code=code)
    *_, bar = done.stderr.replace("\r", "\n").splitlines()
    assert "5/5" in bar
    assert int(bar.partition("[00:")[2][:2]) < 15
    assert float(done.stdout.partition(" steps in ")[2].split()[0]) > 20  # the whole time is the whole time


HEED_INTERRUPTS = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in its background ignore them
runpy.run_module("micrograd", run_name="__main__")
"""


@pytest.mark.parametrize("way", [[], ["--eager"]], ids=["compiled", "eager"])
def test_ctrl_c_keeps_what_was_trained(way, tmp_path):
    command = [sys.executable, "-c", HEED_INTERRUPTS, "--steps", "1000000", "--samples", "10", *way]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=subprocess.PIPE, text=True, env=HERE)
    assert process.stderr is not None
    while " 0/1000000 " in (begun := process.stderr.read(40)) or "/1000000" not in begun:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130
    first, second = out.splitlines()
    assert re.search(r"% of 10 points right after [1-9]\d* steps in", first)
    assert second == "the decision boundary is in moon_mlp.png"
    assert "Traceback" not in err
    assert (tmp_path / "moon_mlp.png").read_bytes().startswith(b"\x89PNG")


def test_ctrl_c_before_the_first_step_overwrites_nothing(tmp_path):
    code = """
import micrograd
import micrograd.__main__ as program

def interrupted(*args):
    raise KeyboardInterrupt

micrograd.compile = lambda f: interrupted
program.run()
"""
    (tmp_path / "moon_mlp.png").write_text("the best one so far")
    done = run("--samples", "5", cwd=tmp_path, code=code)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "stopped"
    assert (tmp_path / "moon_mlp.png").read_text() == "the best one so far"


def test_its_version(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == f"micrograd {micrograd.__version__}\n"


def test_ctrl_c_while_it_draws_or_measures_is_one_line(tmp_path):
    code = """
import micrograd.__main__ as program

def interrupted(*args):
    raise KeyboardInterrupt

program.draw_boundary = interrupted
program.run()
"""
    done = run("--steps", "1", "--samples", "5", cwd=tmp_path, code=code)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "stopped"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [["--steps", "1", "--samples", "5"], ["--help"]], ids=["training", "help"])
def test_a_closed_pipe_is_no_traceback(args, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "micrograd", *args]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, env=HERE)
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    if "--help" not in args:
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "stopped: nobody reads what is printed"
        assert (tmp_path / "moon_mlp.png").exists()


def test_two_closed_pipes(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "micrograd", "--steps", "1", "--samples", "5"]
    assert subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=writer, env=HERE).returncode == 1
    os.close(writer)
