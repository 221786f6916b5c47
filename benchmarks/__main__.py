"""python -m benchmarks: the same work in micrograd and in what one would take instead, side by side in one run.

Every peer runs in a process of its own, on one thread, in float64, from the same numbers. Before any time counts, all
have computed the same loss and the same gradients. Then they are timed in turns, so that a busy machine slows all of
them. Peers come from PyPI into environments that the command makes for them. The report is printed; only `--save`
writes RESULTS.md and moons.png.
"""

import argparse
import datetime
import hashlib
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .work import AUTOGRAD, CASADI, HERE, JAX, OLD, PEERS, TORCH

HOME = Path(__file__).parent
ROOT = HOME.parent
ENVIRONMENTS = HOME / ".environments"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}

LIBRARIES = {
    "micrograd": HERE,
    "micrograd 0.1.0": OLD,
    "torch": TORCH,
    "autograd": AUTOGRAD,
    "casadi": CASADI,
    "jax": JAX,
    "numpy": HERE,
}


def environment(packages: Sequence[str]) -> str:
    """The Python of an environment with `packages`, made if it is not there; none are the one that runs this."""
    if packages == HERE:
        return sys.executable
    folder = ENVIRONMENTS / hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *packages], check=True, capture_output=True, text=True
        )
        (folder / "complete").touch()
    return str(python)


class Worker:
    """A peer that has computed its check and waits to be timed."""

    def __init__(self, work: str, name: str):
        self.name = name
        python = environment(PEERS[work][name].packages)
        # The benchmarks without the micrograd beside them, for an environment that has another.
        self.folder = tempfile.TemporaryDirectory()
        (Path(self.folder.name) / "benchmarks").symlink_to(HOME)
        command = [python, str(HOME / "worker.py"), self.folder.name, work, name]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=os.environ | ONE_THREAD, cwd=self.folder.name
        )
        said = self.read()
        self.check, self.first = said["check"], said["first"]

    def read(self) -> Any:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(self.process.stderr.read().strip().splitlines()[-1])  # type: ignore[union-attr]
        return json.loads(line)

    def time(self) -> float:
        print(file=self.process.stdin, flush=True)
        return float(self.read())

    def close(self) -> None:
        self.process.communicate()
        self.folder.cleanup()


def prepare(work: str, progress: Any) -> tuple[list[Worker], dict[str, str]]:
    """The peers that run here, all of which compute the same, and by name why the others do not run."""
    workers, missing = [], {}
    for name in PEERS[work]:
        progress.set_description(f"{work}: {name}")
        try:
            workers.append(Worker(work, name))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            missing[name] = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        progress.update()
    ours, *others = workers
    # The last digits depend on the order of sums; a training blows that up.
    tolerance = 1e-6 if work == "whole demo" else 1e-8
    for other in others:
        pairs = zip(other.check, ours.check)
        assert all(math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in pairs), (
            f"{work}: {other.name} computes {other.check[:3]}, {ours.name} {ours.check[:3]}"
        )
    return workers, missing


def run(work: str, rounds: int, progress: Any) -> list[dict[str, Any]]:
    """A row for each peer: its times, or why there are none."""
    import pyperf

    workers, missing = prepare(work, progress)
    times: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for _ in range(1 if work == "whole demo" else rounds):
        for worker in workers:
            progress.set_description(f"{work}: {worker.name}")
            times[worker.name].append(worker.first if work == "whole demo" else worker.time())
    rows: dict[str, dict[str, Any]] = {name: {"peer": name, "missing": reason} for name, reason in missing.items()}
    for worker in workers:
        worker.close()
        taken, ours = times[worker.name], times[workers[0].name]
        bench = pyperf.Benchmark([pyperf.Run(taken, metadata={"name": f"{work}: {worker.name}"})])
        rows[worker.name] = {
            "peer": worker.name,
            "seconds": bench.median(),
            "spread": bench.median_abs_dev() if len(taken) > 1 else 0.0,
            "ratio": statistics.median(a / b for a, b in zip(taken, ours)),
            "times": taken,
            "first": worker.first,
        }
    return [rows[name] for name in PEERS[work]]


def growth(quick: bool) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.growth", *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def sizes() -> list[dict[str, Any]]:
    """What it costs to have each library."""
    rows = []
    for library, packages in LIBRARIES.items():
        try:
            python = environment(packages)
        except subprocess.CalledProcessError:
            rows.append({"library": library, "missing": "cannot be installed"})
        else:
            rows.append({"library": library} | cost(python, library.split()[0]))
    return rows


def cost(python: str, module: str) -> dict[str, Any]:
    """The time to import a module with this Python, its size on disk and its lines of Python."""

    def timed(code: str) -> tuple[float, str]:
        begun = time.perf_counter()
        # Not where this was called: a folder named micrograd there would be the one that is imported.
        said = subprocess.check_output([python, "-c", code], cwd=tempfile.gettempdir(), text=True)
        return time.perf_counter() - begun, said.strip()

    imports = f"import {'micrograd.nn' if module == 'micrograd' else module}"
    taken = statistics.median(timed(imports)[0] - timed("pass")[0] for _ in range(7))
    _, folder = timed(f"import {module}; print({module}.__path__[0])")
    files = [path for path in Path(folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {
        "import, ms": 1e3 * taken,
        "size, KB": sum(path.stat().st_size for path in files) / 1024,
        "lines of Python": sum(path.read_bytes().count(b"\n") for path in files if path.suffix == ".py"),
    }


def cells(row: dict[str, Any]) -> dict[str, str]:
    """What the report says of a peer."""
    if "missing" in row:
        return {"": row["peer"], "median": f"not here: {row['missing']}"}
    seconds = row["seconds"]
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("us", 1e6)
    return {
        "": row["peer"],
        "median": f"{seconds * factor:.3g} {unit}",
        "spread": f"{row['spread'] / seconds:.0%}" if len(row["times"]) > 1 else "",
        "ratio": f"{row['ratio']:.3g}",
    }


def text(x: Any) -> str:
    if isinstance(x, dict):
        return ", ".join(f"{name} {value}" for name, value in x.items())
    if isinstance(x, float | int):
        return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"
    return str(x)


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """A heading and a table in Markdown with a column for each key."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---", *["---:"] * len(names[1:])], *([text(row.get(name, "")) for name in names] for row in rows)]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def report(results: dict[str, Any]) -> str:
    parts = [
        f"# Results\n\nMeasured by `python -m benchmarks` on {results['date']}: {results['machine']}.",
        "One thread, float64. Times are medians of measurements in turns, the spread is the median absolute\n"
        "deviation, the ratio is to the first row. A step is loss, gradients and update.",
        *(table(work, [cells(row) for row in rows]) for work, rows in results["works"].items()),
    ]
    if results["growth"]:
        parts.append(table("growth: the moons step with other samples, widths and depths", results["growth"]))
    if results["sizes"]:
        parts.append(table("what it costs to have it", results["sizes"]))
    return "\n\n".join(parts) + "\n"


def plot(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Bars for the moons step, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = sorted((row for row in rows if "seconds" in row), key=lambda row: -row["seconds"])
    milliseconds = [1e3 * row["seconds"] for row in rows]
    fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
    colors = ["#0072b2" if row["peer"] == "micrograd, compiled" else "0.7" for row in rows]
    bars = ax.barh([row["peer"] for row in rows], milliseconds, color=colors)
    ax.bar_label(bars, [f"{x:,.0f} ms" if x >= 100 else f"{x:.3g} ms" for x in milliseconds], padding=3)
    ax.set(
        xscale="log", xlabel="one step of the moons demo, in ms", xlim=(min(milliseconds) / 2, max(milliseconds) * 4)
    )
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=120)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    versions = [f"{name} {import_module(name).__version__}" for name in ("micrograd", "numpy")]
    parts = [model[1] if model else platform.processor(), f"{os.cpu_count()} cores"]
    return ", ".join([*parts, f"Python {platform.python_version()}", *versions])


def arguments() -> argparse.Namespace:
    """What the command line asks for; `only` names every work that is to run."""
    works = [*PEERS, "growth", "sizes"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=works, help="only this work; may be given more than once")
    parser.add_argument("--quick", action="store_true", help="fewer measurements")
    parser.add_argument("--json", metavar="FILE", help="where all measurements go")
    parser.add_argument("--save", action="store_true", help="write benchmarks/RESULTS.md and benchmarks/moons.png anew")
    args = parser.parse_args()
    if args.save and (args.only or args.quick):
        parser.error("--save needs all measurements of everything: leave out --only and --quick")
    args.only = args.only or works
    return args


def main() -> None:
    args = arguments()
    try:
        import pyperf  # noqa: F401
        from tqdm import tqdm

        if args.save:
            import matplotlib  # noqa: F401
    except ImportError as missing:
        sys.exit(f'python -m benchmarks needs {missing.name}: pip install -e ".[dev]"')
    results: dict[str, Any] = {"date": str(datetime.date.today()), "machine": machine()}
    results |= {"works": {}, "growth": [], "sizes": []}
    with tqdm(total=sum(len(PEERS.get(work, [work])) for work in args.only)) as progress:
        for work in args.only:
            if work in PEERS:
                results["works"][work] = run(work, 3 if args.quick else 11, progress)
            else:
                progress.set_description(work)
                results[work] = growth(args.quick) if work == "growth" else sizes()
                progress.update()
    print(report(results))
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    if args.save:
        (HOME / "RESULTS.md").write_text(report(results), encoding="utf-8")
        plot(results["works"]["moons"], HOME / "moons.png")


if __name__ == "__main__":
    main()
