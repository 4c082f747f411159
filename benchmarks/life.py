"""The life of a run: start, 20 parameters, 10 metrics, finish; and what it adds to the repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import ledgers
from benchmarks.ledgers import copy, git, project
from benchmarks.measure import Outcome, Settings, figures, folder_bytes, in_turn, scratch
from benchmarks.peers import environment as peers

OURS = """
import json, statistics, sys, time
import gittrack
runs, output = int(sys.argv[1]), sys.argv[2]
times = []
for n in range(runs):
    if output:
        with open(output, "r+b") as file:
            file.write(n.to_bytes(8, "big"))
    began = time.perf_counter()
    with gittrack.start_run("digits", params={f"p{i}": i + n % 7 for i in range(20)}, seed=n) as run:
        run.log_metrics({f"m{i}": i * 0.5 + n for i in range(10)}, step=0)
        if output:
            run.log_artifact(output)
    times.append((time.perf_counter() - began) * 1000)
print(json.dumps([times[0], statistics.median(times[1:]), run._repository.process_count]))
"""

FAST_IMPORT = """
import json, subprocess, sys, time
stream = open(sys.argv[1], "rb").read()
began = time.perf_counter()
subprocess.run(["git", "fast-import", "--quiet", "--force"], input=stream, check=True)
print(json.dumps((time.perf_counter() - began) * 1000))
"""

KEEPS_CODE = ("wandb-offline", "dvclive-exp")
"""Peers that keep, with a run, the code (a diff or a commit) and the environment or its lock."""

GROWTH_RUNS = 1_000
"""About as many as there are between two times that git packs loose objects by itself."""
INDEX_ENTRY = 20 + 4 + 4 + 4
"""Of an object in a pack's index and reverse index: id, checksum, offset, place."""


def measure(settings: Settings) -> Outcome:
    """Milliseconds of the first and of later runs in one process, without outputs and with one of 100 MB.

    The limit is one `git fast-import` of the files and the commit of a run. Bytes are those that 1,000
    more runs, each committed by itself, add to ledgers of several sizes: loose at first, and after `git gc`.
    """
    outcome = Outcome()
    _times(outcome, settings)
    _growth(outcome, settings)
    return outcome


def _times(outcome: Outcome, settings: Settings) -> None:
    runs = settings.size(30, 3)
    with scratch() as folder:
        where = project(folder / "project")
        output = where / "model.bin"
        output.write_bytes(os.urandom(settings.size(100 << 20, 1 << 20)))
        (where / ".gitignore").write_text("model.bin\n")
        git(where, "add", ".gitignore")
        git(where, "commit", "-qm", "ignore")
        stream = _stream(where, folder / "stream")
        first: list[float] = []
        processes: list[float] = []

        def ours() -> float:
            began, later, started = figures(OURS, where, runs, "")
            first.append(began)
            processes.append(started)
            return float(later)

        bare = lambda: float(figures(FAST_IMPORT, where, stream))  # noqa: E731
        found = in_turn(settings.rounds, {"gittrack": ours, "git fast-import": bare})
        for who, value in found.items():
            outcome.add("a later run", who, value, "ms")
        outcome.add("first run of a process", "gittrack", sorted(first)[len(first) // 2], "ms")
        outcome.add("git processes a run", "gittrack", processes[0], "")
        large = figures(OURS, where, settings.size(6, 2), "model.bin")[1]
        outcome.add("a later run with an output of 100 MB", "gittrack", large, "ms")
        outcome.goal("a run against one git fast-import", found["gittrack"] / found["git fast-import"], 5)
        fastest = _peers(outcome, settings, folder, runs, output)
    if fastest is not None:
        outcome.goal("a run against the fastest peer that keeps code", found["gittrack"] / fastest, 1)


def _peers(outcome: Outcome, settings: Settings, folder: Path, runs: int, output: Path) -> float | None:
    fastest = None
    for peer in peers.ALL if settings.peers else ():
        place = peers.place(folder / peer, peer)
        found = peers.drive(place, peer, "life", runs)
        if "skipped" in found:
            outcome.notes.append(f"{peer}: {found['skipped']}")
            continue
        outcome.add("a later run", peer, found["later_ms"], "ms")
        outcome.add("first run of a process", peer, found["first_ms"], "ms")
        outcome.add("bytes a run", peer, found["bytes"], "bytes")
        if peer in KEEPS_CODE:
            fastest = min(fastest or found["later_ms"], found["later_ms"])
        found = peers.drive(place, peer, "life", settings.size(6, 2), "--output", output)
        if "skipped" not in found:
            outcome.add("a later run with an output of 100 MB", peer, found["later_ms"], "ms")
    return fastest


def _stream(where: Path, target: Path) -> Path:
    """One commit with the files of one run, as git fast-import takes it."""
    ledgers.fill(where, 1)
    (made,) = ledgers.runs_of(range(1), where)
    files = b"".join(
        b"M 644 inline %s/%s\ndata %d\n%s\n" % (made.record.path.encode(), name.encode(), len(data), data)
        for name, data in made.files.items()
    )
    target.write_bytes(b"commit refs/heads/bare\ncommitter A <a@b> 1 +0000\ndata 1\nx\n" + files)
    return target


def _growth(outcome: Outcome, settings: Settings) -> None:
    packed: dict[int, float] = {}
    runs = settings.size(GROWTH_RUNS, 20)
    for size in settings.sizes(10, 1_000, 10_000, 100_000, smoke=[10, 60]):
        with scratch() as folder:
            where = copy(size, folder / "project")
            before = folder_bytes(where / ".git/objects")
            old = git(where, "rev-parse", "gittrack/runs")
            git(where, "config", "gc.auto", "0")
            ledgers.fill(where, runs, first=size, at_once=1)
            loose = (folder_bytes(where / ".git/objects") - before) / runs
            git(where, "gc", "-q", "--prune=now")
            packed[size] = _packed(where, old) / runs
        outcome.add(f"bytes a run at run {size:,}, loose", "gittrack", loose, "bytes")
        outcome.add(f"bytes a run at run {size:,}, after gc", "gittrack", packed[size], "bytes")
    first, last = min(packed), max(packed)
    outcome.goal("bytes a run after gc, of the largest ledger", packed[last], 3072)
    outcome.goal(f"bytes a run at run {last:,} against run {first:,}", packed[last] / packed[first], 1.2)


def _packed(where: Path, old: str) -> int:
    """Bytes in pack and index of the objects that came since the ledger was at `old`.

    Of the packs as a whole nothing can be told: git packs what was there before a little otherwise each time.
    """
    new = git(where, "rev-list", "--objects", "--no-object-names", "gittrack/runs", f"^{old}")
    command = ["git", "-C", str(where), "cat-file", "--batch-check=%(objectsize:disk)"]
    sizes = subprocess.run(command, input=new, capture_output=True, text=True, check=True).stdout.split()
    return sum(map(int, sizes)) + INDEX_ENTRY * len(sizes)
