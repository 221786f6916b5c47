"""python -m micrograd, as a person types it."""

import re
import subprocess
import sys

import pytest

pytest.importorskip("sklearn")


def run(*args, cwd, code="import runpy; runpy.run_module('micrograd', run_name='__main__')"):
    """In a process of its own, after `code`; the arguments as on the command line."""
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'micrograd'; {code}", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("way", [[], ["--eager"]], ids=["compiled", "eager"])
def test_it_trains_and_draws(way, tmp_path):
    done = run("--steps", "6", "--samples", "30", "--seed", "3", "--out", "picture.png", *way, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of 30 points right after 6 steps in" in done.stdout
    assert "picture.png" in done.stdout
    assert re.fullmatch(
        r"loss and gradients take \d+\.\d\d ms compiled and \d+\.\d\d ms eager", done.stdout.splitlines()[-1]
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
        (("--steps", "0"), "at least 1, got '0'"),
        (("--steps", "many"), "at least 1, got 'many'"),
        (("--samples", "1"), "at least 2, got '1'"),
        (("--seed", "-1"), "at least 0, got '-1'"),
        (("--out", "no/such/folder.png"), "no such folder: 'no/such'"),
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
    assert done.stderr.splitlines() == [f'python -m micrograd needs {package}: pip install "micrograd[demo]"']


def test_importing_it_does_nothing(capsys):
    import micrograd.__main__

    assert callable(micrograd.__main__.main)
    assert capsys.readouterr().out == ""
