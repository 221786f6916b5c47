"""What importing the package costs, and which room knows which."""

import ast
import subprocess
import sys
from pathlib import Path

import micrograd

PACKAGE = Path(micrograd.__file__).parent

MAY_IMPORT = {
    "__init__": {"engine", "compiler", "vmap"},
    "vmap": set(),
    "scalar": set(),
    "engine": {"scalar"},
    "module": {"engine"},
    "nn": {"engine", "module"},
    "functional": {"engine", "scalar"},
    "optim": {"scalar"},
    "viz": {"engine", "scalar"},
    "__main__": {"engine", "nn"},
    "compiler.__init__": {
        "engine",
        "module",
        "vmap",
        "around",
        "export",
        "mapped",
        "program",
        "structure",
        "symbol",
        "tensorize",
        "tracing",
    },
    "compiler.around": set(),
    "compiler.export": {"engine", "module", "around", "program", "tensorize"},
    "compiler.mapped": {"engine", "program", "structure", "symbol", "tensorize", "tracing"},
    "compiler.structure": {"engine", "symbol"},
    "compiler.symbol": set(),
    "compiler.tracing": {"engine", "symbol"},
    "compiler.tensorize": {"symbol"},
    "compiler.program": {"symbol", "tensorize", "viz"},
}
THIRD_PARTY = {
    "compiler.__init__": {"numpy"},
    "compiler.export": {"numpy", "torch"},
    "compiler.mapped": {"numpy"},
    "compiler.structure": {"numpy"},
    "compiler.tensorize": {"numpy"},
    "compiler.program": {"numpy"},
    "viz": {"graphviz", "pygraphviz"},
    "__main__": {"micrograd", "matplotlib", "numpy", "sklearn", "tqdm"},
}


def test_importing_it_imports_no_third_party():
    code = """
import sys
before = set(sys.modules)
import micrograd, micrograd.nn, micrograd.functional, micrograd.optim, micrograd.viz
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["micrograd"]


def test_who_imports_whom():
    for path in PACKAGE.rglob("*.py"):
        room = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        ours, theirs = set(), set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                ours |= {node.module} if node.module else {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                theirs.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                theirs |= {alias.name.partition(".")[0] for alias in node.names}
        assert ours <= MAY_IMPORT[room], room
        assert theirs - set(sys.stdlib_module_names) <= THIRD_PARTY.get(room, set()), room


def test_the_public_names():
    assert micrograd.__all__ == ["Value", "__version__", "compile", "vmap"]
    assert all(hasattr(micrograd, name) for name in micrograd.__all__)
    assert (PACKAGE / "py.typed").exists()
