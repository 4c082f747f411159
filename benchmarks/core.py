"""Logging, the life of a run, and `gittrack log`, each beside the bare limit of the same work."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Row = tuple[str, float, str]

LOGGING = """
import json, resource, sys, time
import gittrack
steps = int(sys.argv[1])
run = gittrack.start_run("speed")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
for i in range(steps):
    run.log_metrics({"a": i * 0.1, "b": i * 0.2, "c": i * 0.3, "d": i * 0.4, "e": i * 0.5}, step=i)
caller = time.perf_counter() - began
run._journal.flush()
disk = time.perf_counter() - began
began = time.perf_counter()
run.finish()
finish = time.perf_counter() - began
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([caller, disk, finish, grown / 1024]))
"""

ORJSON = """
import json, sys, time
import orjson
steps = int(sys.argv[1])
began = time.perf_counter()
with open("points.jsonl", "wb") as out:
    for i in range(steps):
        row = {"step": i, "a": i * 0.1, "b": i * 0.2, "c": i * 0.3, "d": i * 0.4, "e": i * 0.5}
        out.write(orjson.dumps(row) + b"\\n")
print(json.dumps([time.perf_counter() - began]))
"""

LIFE = """
import json, time
import gittrack
gittrack.start_run
def life():
    began = time.perf_counter()
    run = gittrack.start_run("life", params={f"p{i}": i for i in range(20)}, seed=1)
    for i in range(10):
        run.log_metric(f"m{i}", i * 0.5, step=0)
    run.finish()
    return (time.perf_counter() - began) * 1000, run._repository.process_count
first, processes = life()
print(json.dumps([first, min(life()[0] for _ in range(5)), processes]))
"""

FAST_IMPORT = """
import json, subprocess, time
commit = (b"commit refs/heads/bare\\ncommitter A <a@b> 1 +0000\\ndata 1\\nx\\n"
          b"M 644 inline runs/e/d/r/run.yaml\\ndata 2000\\n" + b"x" * 2000 + b"\\n")
began = time.perf_counter()
subprocess.run(["git", "fast-import", "--quiet", "--force"], input=commit, check=True)
print(json.dumps([(time.perf_counter() - began) * 1000]))
"""

TYPER = """
import typer
app = typer.Typer()
@app.command()
def log(n: int = 20) -> None: ...
@app.command()
def show() -> None: ...
app()
"""


def _project(where: Path) -> Path:
    for command in (
        ["git", "init", "-q", str(where)],
        ["git", "-C", str(where), "config", "user.name", "A"],
        ["git", "-C", str(where), "config", "user.email", "a@example.com"],
        ["git", "-C", str(where), "commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(command, check=True)
    return where


def _figures(script: str, where: Path, *arguments: str) -> list[float]:
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=where, check=True, capture_output=True, text=True, env=_environment())
    return [float(x) for x in json.loads(done.stdout.splitlines()[-1])]


def _wall_ms(command: list[str], where: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL, env=_environment())
    return (time.perf_counter() - began) * 1000


def _environment() -> dict[str, str]:
    # Compiled modules are what an installed program has.
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _medians(rounds: list[list[float]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def logging(rounds: int, steps: int = 200_000) -> list[Row]:
    """Five metrics a step: points a second in the caller and on disk, beside a bare orjson append."""
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "p")
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(_figures(LOGGING, project, str(steps)))
            bare.append(_figures(ORJSON, Path(folder), str(steps)))
    caller, disk, finish, grown = _medians(ours)
    (orjson,) = _medians(bare)
    points = 5 * steps
    return [
        ("points a second in the caller", points / caller, "1/s"),
        ("points a second until on disk", points / disk, "1/s"),
        ("bare orjson append", points / orjson, "1/s"),
        ("time of an orjson append", disk / orjson, "x"),
        ("finish, with all points", finish, "s"),
        ("memory grown", grown, "MB"),
    ]


def life(rounds: int) -> list[Row]:
    """Start, 20 params, 10 metrics, finish, without outputs, in the calling process."""
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "p")
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(_figures(LIFE, project))
            bare.append(_figures(FAST_IMPORT, project))
    first, later, processes = _medians(ours)
    (fast_import,) = _medians(bare)
    return [
        ("first run of a process", first, "ms"),
        ("later runs", later, "ms"),
        ("git processes", processes, ""),
        ("one git fast-import", fast_import, "ms"),
        ("later runs against fast-import", later / fast_import, "x"),
    ]


def log(rounds: int, runs: int = 100) -> list[Row]:
    """`gittrack log -n 20` with a warm index, beside an empty typer program."""
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "p")
        script = (
            f"import gittrack\nfor n in range({runs}):\n gittrack.start_run('e', params={{'n': n}}).finish()"
        )
        subprocess.run([sys.executable, "-c", script], cwd=project, check=True)
        empty = Path(folder) / "empty.py"
        empty.write_text(TYPER)
        gittrack = str(Path(sys.executable).with_name("gittrack"))
        _wall_ms([gittrack, "log", "-n", "20"], project)
        ours, bare = [], []
        for _ in range(max(rounds, 3)):
            ours.append(_wall_ms([gittrack, "log", "-n", "20"], project))
            bare.append(_wall_ms([sys.executable, str(empty), "log"], project))
    mine, typer = statistics.median(ours), statistics.median(bare)
    return [
        ("gittrack log -n 20", mine, "ms"),
        ("empty typer program", typer, "ms"),
        ("ratio", mine / typer, "x"),
    ]


BENCHMARKS: dict[str, Callable[[int], list[Row]]] = {"logging": logging, "life": life, "log": log}
