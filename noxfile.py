"""The checks, each in a fresh environment of its own: `nox` runs all of them, `nox -s lint` one."""

import re
import shutil
from pathlib import Path

import nox

README = Path("README.md").read_text(encoding="utf-8")
PYTHONS = re.findall(r"Python :: (3\.\d+)", Path("setup.py").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    """The README's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The README's test command, in parallel; on the oldest Python every branch of the code must have a test, and on
    the next one programs run as NumPy."""
    [command] = [line for block in blocks("bash") for line in block.splitlines() if "pytest" in line]
    coverage = "--cov --cov-report=term:skip-covered --cov-fail-under=100" if session.python == PYTHONS[0] else ""
    env = {"MICROGRAD_BACKEND": "numpy"} if session.python == PYTHONS[1] else {}
    session.run("bash", "-c", f"{command} -n auto {coverage}", external=True, env=env)


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Style and types."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """The API reference, made of the docstrings: `nox -s docs -- FOLDER` keeps it there. A warning is an error."""
    session.install("-e", ".", "pdoc==16.0.0")
    folder = session.posargs[0] if session.posargs else session.create_tmp()
    command = ["python", "-W", "error", "-m", "pdoc", "--docformat", "google", "--output-directory", folder]
    rooms = ("engine", "scalar", "nn", "module", "functional", "optim", "viz")
    session.run(*command, "micrograd", *(f"micrograd.{room}" for room in rooms))


@nox.session(python=PYTHONS[0])
def playground(session: nox.Session) -> None:
    """The page that runs the library in a browser, built anew: `nox -s playground -- FOLDER` keeps it there."""
    session.install("pip", "pytest", "pytest-randomly", "playwright")
    with session.chdir("playground"):
        session.run("npm", "ci", "--no-audit", "--no-fund", external=True)
        session.run("npm", "run", "build", external=True)
    session.run("pytest", "-q", "playground")
    if session.posargs:
        shutil.copytree("playground/dist", session.posargs[0], dirs_exist_ok=True)


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """The wheel holds micrograd/ and nothing else, needs nothing else, and runs the README's example."""
    folder = session.create_tmp()
    session.run("pip", "wheel", "--no-deps", "--wheel-dir", folder, ".")
    [path] = Path(folder).glob("*.whl")
    session.install(str(path))
    listing = session.run("python", "-m", "zipfile", "-l", str(path), silent=True)
    names = [line.split()[0] for line in str(listing).splitlines()[1:]]
    assert all(re.match(r"micrograd(-[^/]*dist-info)?/", name) for name in names), names
    session.chdir(folder)
    printed = session.run("python", "-c", blocks("python")[0], silent=True)
    assert str(printed).split() == ["24.7041", "138.8338", "645.5773"], printed
