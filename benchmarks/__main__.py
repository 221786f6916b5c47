"""python -m benchmarks: the same work in micrograd and in what one would take instead, side by side in one run.

Every peer runs in a process of its own, on one thread, in float64, from the same numbers. Before any time counts, all
have computed the same loss and the same gradients. Then they are timed in turns, so that a busy machine slows all of
them. Peers come from PyPI into environments that the command makes for them.
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
from pathlib import Path
from typing import Any

from .work import AUTOGRAD, CASADI, HERE, OLD, PEERS, TORCH

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = Path(__file__).parent / ".environments"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}


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
        packages, _ = PEERS[work][name]
        python = environment(packages)
        # The benchmarks without the micrograd beside them, for an environment that has another.
        self.folder = tempfile.TemporaryDirectory()
        (Path(self.folder.name) / "benchmarks").symlink_to(Path(__file__).parent)
        command = [python, str(Path(__file__).parent / "worker.py"), self.folder.name, work, name]
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


def run(work: str, rounds: int, progress: Any) -> list[dict[str, Any]]:
    """A row for each peer: its times, or why there are none."""
    import pyperf

    workers, rows = [], {}
    for name in PEERS[work]:
        progress.set_description(f"{work}: {name}")
        try:
            worker = Worker(work, name)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
            rows[name] = {"work": work, "peer": name, "missing": reason}
        else:
            workers.append(worker)
            first = workers[0].check
            # The last digits depend on the order of sums; a training blows that up.
            tolerance = 1e-6 if work == "whole demo" else 1e-8
            assert all(math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in zip(worker.check, first)), (
                f"{work}: {name} computes {worker.check[:3]}, {workers[0].name} {first[:3]}"
            )
        progress.update()
    times: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for _ in range(1 if work == "whole demo" else rounds):
        for worker in workers:
            progress.set_description(f"{work}: {worker.name}")
            times[worker.name].append(worker.time() if work != "whole demo" else worker.first)
    for worker in workers:
        worker.close()
        bench = pyperf.Benchmark([pyperf.Run(times[worker.name], metadata={"name": f"{work}: {worker.name}"})])
        spread = bench.median_abs_dev() if len(times[worker.name]) > 1 else 0.0
        rows[worker.name] = {"work": work, "peer": worker.name, "seconds": bench.median(), "spread": spread}
        rows[worker.name] |= {"times": times[worker.name], "first": worker.first}
    ours = next(iter(times))
    ratios = {name: [a / b for a, b in zip(times[name], times[ours])] for name in times}
    for name, found in ratios.items():
        rows[name]["ratio"] = statistics.median(found)
    return [rows[name] for name in PEERS[work]]


def growth(quick: bool) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.growth", *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def sizes() -> list[dict[str, Any]]:
    """What it costs to have each library: the time to import it, its size on disk and its lines of Python."""
    found = []
    for module, packages in {
        "micrograd": HERE,
        "micrograd 0.1.0": OLD,
        "torch": TORCH,
        "autograd": AUTOGRAD,
        "casadi": CASADI,
        "numpy": HERE,
    }.items():
        try:
            python = environment(packages)
        except subprocess.CalledProcessError:
            found.append({"library": module, "missing": "cannot be installed"})
            continue
        name = module.split()[0]
        imports = f"{name}.nn" if name == "micrograd" else name
        starts = [[], []]
        for _ in range(7):
            for times, code in zip(starts, ("pass", f"import {imports}")):
                begun = time.perf_counter()
                subprocess.run([python, "-c", code], cwd=tempfile.gettempdir(), check=True)
                times.append(time.perf_counter() - begun)
        code = f"import {name}; print({name}.__path__[0])"
        folder = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, cwd="/").stdout.strip())
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        lines = sum(path.read_bytes().count(b"\n") for path in files if path.suffix == ".py")
        seconds = statistics.median(b - a for a, b in zip(*starts))
        size = sum(path.stat().st_size for path in files)
        found.append(
            {"library": module, "import, ms": 1e3 * seconds, "size, KB": size / 1024, "lines of Python": lines}
        )
    return found


def shown(rows: Iterable[dict[str, Any]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| | median | spread | ratio |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        if "missing" in row:
            lines.append(f"| {row['peer']} | not here: {row['missing']} | | |")
        else:
            unit, factor = next(
                (u, f) for u, f in (("s", 1.0), ("ms", 1e3), ("us", 1e6)) if row["seconds"] * f >= 1 or u == "us"
            )
            spread = f"{row['spread'] / row['seconds']:.0%}" if len(row["times"]) > 1 else ""
            lines.append(f"| {row['peer']} | {row['seconds'] * factor:.3g} {unit} | {spread} | {row['ratio']:.3g} |")
    return lines


def columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A table in Markdown with a column for each key."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def text(x: Any) -> str:
        if isinstance(x, dict):
            return ", ".join(f"{name} {value}" for name, value in x.items())
        return (
            f"{x:,.0f}" if isinstance(x, float | int) and x >= 1000 else f"{x:.3g}" if isinstance(x, float) else str(x)
        )

    cells = [[text(row.get(name, "")) for name in names] for row in rows]
    return [f"| {' | '.join(line)} |" for line in (names, ["---:"] * len(names), *cells)]


def report(results: dict[str, Any]) -> str:
    lines = ["# Results", "", f"Written by `python -m benchmarks` on {results['date']}: {results['machine']}.", ""]
    lines += ["One thread, float64. Times are medians of measurements in turns, the spread is the median absolute"]
    lines += [
        "deviation, the ratio is to the first row. A step is loss, gradients and update; of a GPT, loss and gradients."
    ]
    for work, rows in results["works"].items():
        lines += ["", f"## {work}", "", *shown(rows)]
    if results["growth"]:
        lines += [
            "",
            "## growth: the moons step with other samples, widths and depths",
            "",
            *columns(results["growth"]),
        ]
    if results["sizes"]:
        lines += ["", "## what it costs to have it", "", *columns(results["sizes"])]
    return "\n".join(lines) + "\n"


def plot(results: dict[str, Any], path: str) -> None:
    """Bars for the moons step, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = sorted((row for row in results["works"]["moons"] if "seconds" in row), key=lambda row: -row["seconds"])
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
    versions = {name: __import__(name).__version__ for name in ("micrograd", "numpy")}
    parts = [
        model[1] if model else platform.processor(),
        f"{os.cpu_count()} cores",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts + [f"{name} {version}" for name, version in versions.items()])


def main() -> None:
    works = [*PEERS, "growth", "sizes"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=works, help="only this work; may be given more than once")
    parser.add_argument("--quick", action="store_true", help="fewer measurements; RESULTS.md stays as it is")
    parser.add_argument("--json", metavar="FILE", help="where all measurements go")
    parser.add_argument("--plot", metavar="FILE", help="where a picture of the moons step goes")
    args = parser.parse_args()
    try:
        import pyperf  # noqa: F401
        from tqdm import tqdm
    except ImportError as missing:
        sys.exit(f'python -m benchmarks needs {missing.name}: pip install -e ".[dev]"')
    chosen = args.only or works
    if args.plot and "moons" not in chosen:
        parser.error("--plot shows the moons step: add --only moons")
    results: dict[str, Any] = {"date": str(datetime.date.today()), "machine": machine(), "works": {}}
    with tqdm(total=sum(len(PEERS.get(work, "x")) for work in chosen)) as progress:
        for work in chosen:
            if work in PEERS:
                results["works"][work] = run(work, 3 if args.quick else 11, progress)
        progress.set_description("growth")
        results["growth"] = growth(args.quick) if "growth" in chosen else []
        progress.set_description("sizes")
        results["sizes"] = sizes() if "sizes" in chosen else []
    print(report(results))
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    if args.plot:
        plot(results, args.plot)
    if not args.quick and not args.only:
        (Path(__file__).parent / "RESULTS.md").write_text(report(results), encoding="utf-8")


if __name__ == "__main__":
    main()
