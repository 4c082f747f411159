"""kill -9 at any moment of runs that are resumed until they finish: none is lost, nothing is there twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.torture import git, make_project, run_ids

RESUMER = """
import os, sys, time
import gittrack
number, until = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
with gittrack.start_run("victim", params={"number": number}, resume="auto") as run:
    print("started", run.id, flush=True)
    step = 0 if run.last_step is None else run.last_step + 1
    while time.monotonic() < until:
        point = os.getpid() * 100_000 + step
        run.log_metric("point", point, step=step)
        print("point", point, time.monotonic(), flush=True)
        step += 1
        time.sleep(0.004)
    print("committing", flush=True)
print("done", flush=True)
"""


@dataclass
class Attempt:
    """One process: what it said until it was killed, or ended."""

    stage: str = "starting"
    run_id: str | None = None
    due: list[int] = field(default_factory=list)
    """Points that were logged a second before the kill, or earlier; of one that ended, all."""


def attempt(
    project: Path, number: int, delay: float | None, logging_s: float, *, begun: bool = False
) -> Attempt:
    """Start the script, and kill it with kill -9 after `delay` seconds; None: let it end.

    With `begun` they count from where it says that its run has started, however slow the machine is.
    """
    child = subprocess.Popen(
        [sys.executable, "train.py", str(number), str(logging_s)],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    first = child.stdout.readline() if begun else ""
    with suppress(subprocess.TimeoutExpired):
        child.wait(delay)
    killed = time.monotonic()
    child.send_signal(signal.SIGKILL)
    said, errors = child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), errors
    seen, points = Attempt(), []
    for line in (first + said).splitlines(keepends=True):
        match line.split() if line.endswith("\n") else []:
            case ["started", run_id]:
                seen.run_id, seen.stage = run_id, "logging"
            case ["point", point, moment]:
                points.append((int(point), float(moment)))
            case [stage]:
                seen.stage = stage
    ended = seen.stage == "done"
    seen.due = [point for point, moment in points if ended or moment < killed - 1.0]
    return seen


def live(project: Path, number: int, chance: random.Random, kills: int, life: float) -> list[Attempt]:
    """A run that is killed `kills` times, at random moments, and resumed after each; then it may end."""
    attempts = []
    for _ in range(kills):
        logging_s = chance.choice([0.05, 0.4, 2.0])
        begun = chance.random() < 0.7
        longest = logging_s + (0.1 if begun else life)
        attempts.append(attempt(project, number, chance.uniform(0.0, longest), logging_s, begun=begun))
    return [*attempts, attempt(project, number, None, 0.05)]


def check(project: Path, lives: list[list[Attempt]]) -> None:
    """Every run that was said to have started is on the ledger once, and no point is lost, or there twice."""
    recovered = subprocess.run(
        [sys.executable, "-m", "gittrack", "-C", str(project), "recover"], capture_output=True, text=True
    )
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    ids = Counter(run_ids(project))
    assert set(ids.values()) == {1}
    for attempts in lives:
        for one, later in pairwise(one for one in attempts if one.run_id is not None):
            assert one.stage != "logging" or later.run_id == one.run_id, f"{one.run_id} did not go on"
        for run_id in {one.run_id for one in attempts if one.run_id is not None}:
            assert ids[run_id] == 1, f"{run_id} is not on the ledger"
            folder = f"gittrack/runs:runs/victim/{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}/{run_id}"
            record = git(project, "show", f"{folder}/run.yaml")
            due = [point for one in attempts if one.run_id == run_id for point in one.due]
            rows = git(project, "show", f"{folder}/metrics.csv").splitlines() if "\nseries:" in record else []
            header, *rows = rows or ["step,time,point"]
            assert header == "step,time,point"
            points = Counter(int(float(row.split(",")[2])) for row in rows)
            assert points.keys() >= set(due), f"{run_id} lost points: {sorted(set(due) - points.keys())[:5]}"
            assert set(points.values()) <= {1}, f"{run_id} has points twice"
            times = [float(row.split(",")[1] or "nan") for row in rows]
            known = [moment for moment in times if moment == moment]
            assert known == sorted(known), f"{run_id} is out of order"
            if any(one.run_id == run_id and one.stage == "done" for one in attempts):
                assert "\nstatus: finished\n" in record
    left = [path.name for path in (project / ".git" / "gittrack" / "journal").iterdir()]
    assert not left, left
    assert git(project, "for-each-ref", "refs/gittrack/live").strip() == ""
    git(project, "fsck", "--strict")


def resume_many(
    where: Path, count: int, seed: int, *, kills: int = 4, jobs: int = 2
) -> tuple[dict[str, int], int]:
    """The stages at which `count` runs were killed, `kills` times each; the most attempts that one had."""
    project = make_project(where)
    (project / "train.py").write_text(RESUMER)
    git(project, "commit", "-qam", "train")
    began = time.monotonic()
    attempt(project, 10_000, None, 0.0)
    life = time.monotonic() - began
    plans = [(number, random.Random(seed + number)) for number in range(count)]
    with ThreadPoolExecutor(jobs) as pool:
        lives = list(pool.map(lambda plan: live(project, *plan, kills, life), plans))
    check(project, lives)
    stages = Counter(one.stage for attempts in lives for one in attempts)
    verified = subprocess.run(
        [sys.executable, "-m", "gittrack", "-C", str(project), "verify", "--json"],
        capture_output=True,
        text=True,
    )
    assert json.loads(verified.stdout)["outcome"] == "PASS", verified.stdout[-2000:]
    same = max(
        Counter(one.run_id for one in attempts if one.run_id).most_common(1)[0][1] for attempts in lives
    )
    return dict(stages), same
