"""What importing the package costs, and which room knows which."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import micrograd

PACKAGE = Path(micrograd.__file__).parent

ROOT = PACKAGE.parent
ROW = re.compile(r"^\| `(\S+)` \|[^|]+\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
PAGE = ROW.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
MAY_IMPORT = {room: set(re.findall(r"`(\S+)`", ours)) for room, ours, _ in PAGE}
THIRD_PARTY = {room: set(theirs.split()) for room, _, theirs in PAGE}


def test_importing_it_imports_no_third_party():
    code = """
import sys
before = set(sys.modules)
import micrograd, micrograd.nn, micrograd.functional, micrograd.optim, micrograd.viz
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["micrograd"]


def imports(path):
    """What a room imports: other rooms, and packages that are not Python's own."""
    ours, theirs = set(), set()
    folders = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            around = folders[: len(folders) + 1 - node.level]
            ours |= {".".join((*around, str(name))) for name in names}
        elif isinstance(node, ast.ImportFrom):
            theirs.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Import):
            theirs |= {alias.name.partition(".")[0] for alias in node.names}
    return ours, theirs - set(sys.stdlib_module_names)


def test_who_imports_whom_is_what_the_page_says():
    rooms = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        rooms[name if name == "__init__" else name.removesuffix(".__init__")] = imports(path)
    assert {room: ours for room, (ours, _) in rooms.items()} == MAY_IMPORT
    assert {room: theirs for room, (_, theirs) in rooms.items()} == THIRD_PARTY


def test_who_imports_whom_is_no_circle():
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError


def test_the_pythons_are_the_same_everywhere():
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "setup.py").read_text(encoding="utf-8"))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"python: \[(.*)\]", workflow) == [", ".join(f'"{version}"' for version in declared)]
    assert f'python_requires=">={declared[0]}"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f"Python {declared[0]} to {declared[-1]}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_public_names():
    assert micrograd.__all__ == ["Value", "__version__", "compile", "gradcheck", "vmap"]
    assert all(hasattr(micrograd, name) for name in micrograd.__all__)
    assert (PACKAGE / "py.typed").exists()


def test_what_a_reader_writes_is_no_file_of_the_repository():
    """python -m micrograd, and the notebooks; for the README there is a test of its own."""
    code = (PACKAGE / "__main__.py").read_text(encoding="utf-8")
    written = re.findall(r'default="(\S+)"', code)
    for notebook in ROOT.glob("*.ipynb"):
        code = notebook.read_text(encoding="utf-8")
        written += re.findall(r'(?:savefig|outfile=|save|write_text|write_bytes)\(?\\"(\S+)\\"', code)
    assert {"moon_mlp.png", "gout.svg"} <= {*written}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {f"/{name}" for name in written} <= {*ignored}
