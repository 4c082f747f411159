"""Hooks: what they add to `git commit`."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

from benchmarks.ledgers import git, project
from benchmarks.measure import Outcome, Settings, gittrack, in_turn, run, scratch, wall

PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    outs: [model.bin]
    metrics:
      - metrics.json:
          cache: false
"""

ASKS_THE_SAME = """\
#!/bin/sh
watch=$(git config --get-all bench.watch) || exit 0
git diff-tree -r --root --always --name-only --format='%(trailers:key=Bench)' HEAD |
    grep -qE -e "$watch" || exit 0
"""
ASKS_NOTHING = "#!/bin/sh\nexit 0\n"

HOOK = ".git/hooks/post-commit"
NONE, OURS, ALL, SHELL, EMPTY = "no hook", "gittrack", "gittrack, --all", "shell script", "empty script"

Change = Callable[[Path, int], None]


def measure(settings: Settings) -> Outcome:
    """What post-commit adds to a commit of a README, and to a commit that training was done for.

    Five copies of a project with a DVC pipeline make the same commits in turn: without a hook, with `gittrack
    hooks install`, with `gittrack hooks install --all`, with a shell script that asks git the same two
    questions, and with one that asks nothing. What is added is against the copy without a hook; what a hook
    takes by itself is the time of the script alone, run after such a commit. A commit of training changes
    dvc.lock, metrics.json and the model in DVC's cache, and is a run on the ledger when `git commit` returns.
    """
    outcome = Outcome()
    with scratch() as folder:
        places = _places(folder)
        _nothing_trained(outcome, settings, places)
        _trained(outcome, settings, places)
    return outcome


def _places(folder: Path) -> dict[str, Path]:
    first = project(folder / "project")
    (first / "dvc.yaml").write_text(PIPELINE)
    (first / ".gitignore").write_text("/model.bin\n")
    (first / ".dvc").mkdir()
    (first / ".dvc/config").touch()
    (first / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    _train(first, 0)
    git(first, "add", "-A")
    git(first, "commit", "-q", "-m", "pipeline")
    places = {name: folder / str(at) for at, name in enumerate((NONE, OURS, ALL, SHELL, EMPTY))}
    for place in places.values():
        subprocess.run(["cp", "-a", str(first), str(place)], check=True)
    run(gittrack("hooks", "install"), places[OURS])
    run(gittrack("hooks", "install", "--all"), places[ALL])
    for pattern in git(places[OURS], "config", "--get-all", "gittrack.watch").splitlines():
        git(places[SHELL], "config", "--add", "bench.watch", pattern)
    for name, script in ((SHELL, ASKS_THE_SAME), (EMPTY, ASKS_NOTHING)):
        (places[name] / HOOK).write_text(script)
        (places[name] / HOOK).chmod(0o755)
    return places


def _nothing_trained(outcome: Outcome, settings: Settings, places: dict[str, Path]) -> None:
    times = settings.rounds * settings.size(20, 1)
    took = in_turn(times, {name: _commits(place, _write) for name, place in places.items()})
    _add(outcome, "a commit of a README", took, (OURS, SHELL, EMPTY, ALL))
    scripts = {name: places[name] for name in (OURS, SHELL, EMPTY)}
    own = in_turn(times, {name: _script(place) for name, place in scripts.items()})
    for name, seconds in own.items():
        outcome.add("post-commit by itself", name, seconds * 1000, "ms")
    ratio = own[OURS] / own[SHELL]
    outcome.goal("hook with nothing to do against a shell script that asks git the same", ratio, 2)
    outcome.notes.append("The goal is the ratio of the hooks by themselves; whole commits vary by some ms.")


def _trained(outcome: Outcome, settings: Settings, places: dict[str, Path]) -> None:
    times = settings.rounds * settings.size(5, 1)
    took = in_turn(times, {name: _commits(places[name], _train) for name in (NONE, OURS, ALL)})
    _add(outcome, "a commit of training", took, (OURS, ALL))
    for name in (OURS, ALL):
        listed = git(places[name], "log", "--format=%h", "gittrack/runs", "--", "runs").split()
        if len(listed) != times:
            raise RuntimeError(f"{name}: {len(listed)} of {times} commits of training are on the ledger")


def _add(outcome: Outcome, what: str, took: dict[str, float], names: Iterable[str]) -> None:
    for name in names:
        outcome.add(f"added to {what}", name, (took[name] - took[NONE]) * 1000, "ms")
    outcome.add(f"all of {what}", NONE, took[NONE] * 1000, "ms")


def _commits(place: Path, change: Change) -> Callable[[], float]:
    """Each call makes a change, and times its commit."""
    numbers = count(1)

    def commit() -> float:
        change(place, next(numbers))
        git(place, "add", "-A")
        return wall(["git", "commit", "-q", "-m", "next"], place)

    return commit


def _script(place: Path) -> Callable[[], float]:
    return lambda: wall([str(place / HOOK)], place)


def _write(place: Path, number: int) -> None:
    (place / "README.md").write_text(f"Version {number}\n")


def _train(place: Path, number: int) -> None:
    """What `dvc repro` leaves behind."""
    model = number.to_bytes(4) * 250
    metrics = json.dumps({"accuracy": 1 - 1 / (2 + number)}).encode()
    (place / "model.bin").write_bytes(model)
    (place / "metrics.json").write_bytes(metrics)
    kept = place / ".dvc/cache/files/md5" / _md5(model)[:2] / _md5(model)[2:]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(model)
    script = (place / "train.py").read_bytes()
    parts = {"deps": {"train.py": script}, "outs": {"metrics.json": metrics, "model.bin": model}}
    stage: dict[str, object] = {"cmd": "python train.py"}
    for kind, files in parts.items():
        stage[kind] = [{"path": p, "hash": "md5", "md5": _md5(d), "size": len(d)} for p, d in files.items()]
    (place / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"train": stage}}, indent=1))


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
