"""Projects and ledgers to measure on: a real run of gittrack, told again with other values.

Each record has 20 parameters, 10 metrics and a 100-step series of its own, lies where a run of its day
would, and passes `gittrack verify`. Ledgers are kept in a cache folder, because the largest takes minutes.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gittrack.formats.codec import dump_record
from gittrack.formats.record import Metric, Record, Series
from gittrack.formats.spec import spec_digest
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.reading.entry import entry_of, open_index
from gittrack.recording.finish import Frozen
from gittrack.version import VERSION
from gittrack.workers import in_parts

EXPERIMENTS = ("digits", "letters", "faces", "sounds")
A_DAY = 100
"""Runs that a team makes on one day, over all experiments."""
BATCH = 1000
STEPS = 100
CHANCES = ("adam", "sgd", "adamw", "lion")

FIRST = datetime(2023, 1, 1, 8, tzinfo=UTC)

ONE_RUN = """
import gittrack
with gittrack.start_run("digits", params={"p0": 0}, seed=1) as run:
    run.log_metric("loss", 0.5, step=0)
"""


def cache() -> Path:
    """Where ledgers and the environment of peers are kept between calls."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("GITTRACK_BENCHMARKS") or home / "gittrack-benchmarks")


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def project(where: Path) -> Path:
    """A repository with a script and a lock file, committed."""
    where.mkdir(parents=True)
    git(where, "init", "-q", "-b", "main")
    git(where, "config", "user.name", "A")
    git(where, "config", "user.email", "a@example.com")
    (where / "train.py").write_text(ONE_RUN)
    (where / "requirements.txt").write_text("numpy==1.26.4\n")
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", "first")
    return where


def ledger(runs: int) -> Path:
    """A packed repository whose ledger has `runs` runs, made at the first call. Not to be written to."""
    kept = cache() / f"ledger-{VERSION}-{runs}"
    if not kept.exists():
        draft = kept.with_name(f".new-{os.getpid()}-{kept.name}")
        shutil.rmtree(draft, ignore_errors=True)
        # As `git gc` would have packed them had they come one by one.
        git(fill(project(draft), runs), "repack", "-q", "-a", "-d", "-f")
        git(draft, "pack-refs", "--all")
        draft.rename(kept)
    return kept


def copy(runs: int, where: Path) -> Path:
    """A copy of `ledger` that may be written to; its packs are the same files, which git never changes."""
    kept = ledger(runs)
    subprocess.run(["cp", "-a", str(kept), str(where)], check=True)
    shutil.rmtree(where / ".git/gittrack", ignore_errors=True)
    return where


def fill(where: Path, runs: int, first: int = 0, at_once: int = BATCH) -> Path:
    """Put `runs` runs on the ledger of the project, one commit each; so many are written together."""
    repository = Repository.discover(where)
    setup = _template(repository)
    book = Ledger(repository)
    parts = [range(at, min(at + at_once, first + runs)) for at in range(first, first + runs, at_once)]
    several = len(parts) > 4 and at_once > 1
    answers = (
        in_parts("benchmarks.ledgers:frozen_runs", setup, parts)
        if several
        else map(frozen_runs(setup), parts)
    )
    for part, made in zip(parts, answers, strict=True):
        book.append([frozen.addition() for frozen in made])
        if sys.stderr.isatty() and len(parts) > 1:
            sys.stderr.write(f"\rledger: {part.stop - first:,} of {runs:,} runs")
    return where


def _template(repository: Repository) -> tuple[Record, bytes]:
    """The record of one real run, and its environment.yaml."""
    with open_index(repository) as index:
        found = index.search(limit=1)
        if not found:
            subprocess.run(
                [sys.executable, "train.py"], cwd=repository.worktree, check=True, capture_output=True
            )
            index.refresh()
            found = index.search(limit=1)
        entry = entry_of(index, found[0])
        return entry.record, entry.file("environment.yaml") or b""


def frozen_runs(setup: tuple[Record, bytes]) -> Callable[[range], list[Frozen]]:
    """Makes runs by their numbers, here or in another process (`gittrack.workers`)."""
    return lambda numbers: [frozen_run(*setup, number) for number in numbers]


def frozen_run(template: Record, environment: bytes, number: int) -> Frozen:
    """The `number`-th run as it goes to the ledger."""
    chance = random.Random(number)
    moment = FIRST + timedelta(days=number // A_DAY, seconds=number % A_DAY * 300 + chance.randrange(300))
    series, last = _series(chance, number)
    params = {
        "p0": number % 7,
        "optimizer": chance.choice(CHANCES),
        "lr": round(10 ** chance.uniform(-5, -1), 6),
        "batch_size": 2 ** chance.randrange(4, 10),
        **{f"p{n}": round(chance.random(), 3) for n in range(1, 17)},
    }
    metrics = {f"m{n}": Metric(value=chance.random(), step=None) for n in range(9)}
    metrics["m0"] = Metric(value=(number * 7919 % 100_003) / 100_003)
    metrics["loss"] = Metric(value=last, step=STEPS - 1)
    experiment = EXPERIMENTS[number % len(EXPERIMENTS)]
    record = replace(
        template,
        id=f"{moment:%Y%m%d-%H%M%S}-{chance.randrange(1 << 24):06x}",
        experiment=experiment,
        started=f"{moment:%Y-%m-%dT%H:%M:%S}.{chance.randrange(10**6):06d}Z",
        duration_s=round(chance.uniform(10, 10_000), 3),
        params=params,
        metrics=metrics,
        seed=number % 5,
        series=_stated(series),
        spec=spec_digest(template.code, params, template.data, template.locks),
    )
    files = {"run.yaml": dump_record(record), "environment.yaml": environment, "metrics.csv": series}
    return Frozen(record, files)


def _series(chance: random.Random, number: int) -> tuple[bytes, float]:
    """A falling curve, its values in full precision, and the last of them."""
    lines, value = ["step,time,loss"], 2.0 + chance.random()
    for step in range(STEPS):
        value = value * 0.97 + 0.05 * chance.random()
        lines.append(f"{step},{step * 1.7 + chance.random():.3f},{value!r}")
    return "\n".join([*lines, ""]).encode(), value


def _stated(series: bytes) -> Series:
    from gittrack.formats.series import values_digest

    digest = hashlib.sha256(series).hexdigest()
    columns = ("step", "time", "loss")
    return Series(rows=STEPS, columns=columns, sha256=digest, values_sha256=values_digest(series))


def runs_of(numbers: range, where: Path) -> list[Frozen]:
    """Runs as `fill` would add them to the project at `where`."""
    return frozen_runs(_template(Repository.discover(where)))(numbers)
