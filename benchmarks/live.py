"""Runs seen while they train: in the list, followed, and sent to a remote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ledgers import copy, git
from benchmarks.measure import Outcome, Settings, environment, figures, gittrack, in_turn, scratch, wall
from benchmarks.query import EMPTY, NEWEST, SORTED

RUNNING = 20
METRICS = 10

TRAINING = f"""
import gittrack, sys
params = {{f"p{{n}}": n / 7 for n in range(20)}}
runs = [gittrack.start_run("digits", params=params, seed=seed) for seed in range({RUNNING})]
for step in range(int(sys.argv[1])):
    for run in runs:
        run.log_metrics({{f"m{{n}}": 1 / (step + n + 1) for n in range({METRICS})}}, step=step)
for run in runs:
    run._journal.flush()
print("ready", flush=True)
sys.stdin.readline()
"""

FOLLOWED = f"""
import json, sys, time
import gittrack
from pathlib import Path
from gittrack.reading.live.follow import Watch
run = gittrack.start_run("digits")
with Watch(run._journal.state_dir, run.id) as watch:
    watch.look()
    took = []
    for look in range(int(sys.argv[1])):
        for step in range(500):
            values = {{f"m{{n}}": 1 / (step + n + 1) for n in range({METRICS})}}
            run.log_metrics(values, step=look * 500 + step)
        run._journal.flush()
        began = time.process_time()
        points = watch.look()
        took.append(time.process_time() - began)
        assert len(points) == 500
took.sort()
print(json.dumps(dict(median=took[len(took) // 2], worst=took[-1])))
run.finish()
"""

SENT = f"""
import json, resource, sys, time
from datetime import UTC, datetime
from gittrack.formats.live import dump
from gittrack.git.repository import Repository
from gittrack.ledger.live import send
from gittrack.reading.live.curves import Curves
repository = Repository.discover()
curves = Curves(most=64)
for step in range(10_000):
    curves.add(step / 10, step, {{f"m{{n}}": 1 / (step + n + 1) for n in range({METRICS})}})
now = datetime.now(UTC)
record = dict(
    id="20261122-142233-7f3a2c", experiment="digits", status="running",
    started=now.isoformat(timespec="microseconds")[:-6] + "Z",
    code=dict(commit="1" * 40), params={{f"p{{n}}": n / 7 for n in range(20)}},
    metrics={{f"m{{n}}": dict(value=1 / (n + 1), step=9_999) for n in range({METRICS})}}, live={{}},
)
sent = record["started"]
def spent():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
before = spent()
for _ in range(int(sys.argv[1])):
    data = dump(record, curves.points(), sent=sent, every=60)
    result = send(repository, "origin", record["id"], data, int(time.time()))
    assert result.code == 0, result.err
print(json.dumps(dict(seconds=(spent() - before) / int(sys.argv[1]), bytes=len(data))))
"""


def measure(settings: Settings) -> Outcome:
    """Whole commands as the shell sees them; the other two in seconds of a core, of all processes together.

    Of 20 running runs each has 20 parameters and 300 steps of 10 metrics. A look of `show --follow` finds 500
    new points, more than come in half a second. A snapshot goes to a remote that is a folder.
    """
    outcome = Outcome()
    size = settings.size(100_000, 60)
    with scratch() as folder:
        where = copy(size, folder / "project")
        wall(gittrack(*SORTED), where)  # makes the index, as in `query`
        empty = folder / "empty.py"
        empty.write_text(EMPTY)
        with _training(where, settings.size(300, 10)):
            works = {
                "newest": lambda: wall(gittrack(*NEWEST), where),
                "empty": lambda: wall([sys.executable, str(empty), "log"], where),
            }
            found = in_turn(settings.size(3 * settings.rounds, 1), works)
        label = f"of {size:,} runs, {RUNNING} of them running"
        outcome.add(f"newest 20 {label}", "gittrack", found["newest"] * 1000, "ms")
        outcome.add(f"newest 20 {label}", "empty typer program", found["empty"] * 1000, "ms")
        outcome.goal(
            f"newest 20 {label}, against an empty typer program", found["newest"] / found["empty"], 1.5
        )
        look = figures(FOLLOWED, where, settings.size(100, 5))
        outcome.add("a look of show --follow, 500 new points", "gittrack", look["median"] * 1000, "ms")
        outcome.goal("a look of show --follow, 500 new points, ms", look["median"] * 1000, 10)
        git(folder, "init", "-q", "--bare", str(folder / "hub"))
        git(where, "remote", "add", "origin", str(folder / "hub"))
        update = figures(SENT, where, settings.size(20, 2))
        outcome.add("sending a snapshot", "gittrack", update["seconds"], "s")
        outcome.goal("sending a snapshot, seconds of a core", update["seconds"], 1)
        outcome.goal("bytes of a snapshot of 10 metrics", update["bytes"], 20_000)
    return outcome


@contextmanager
def _training(where: Path, steps: int) -> Iterator[None]:
    """Runs that go on meanwhile, and have logged so many steps."""
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(steps)], cwd=where, env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the training did not begin")
            yield
        finally:
            process.kill()
