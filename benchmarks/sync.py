"""Push, pull and merge, at sizes of the ledger, beside plain git and DVC experiments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.ledgers import git, ledger, runs_of
from benchmarks.measure import Outcome, Settings, gittrack, in_turn, run, scratch, wall
from benchmarks.peers import environment as peers
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger

TEN_RUNS = """
import random
import gittrack
for n in range(10):
    with gittrack.start_run("digits", params={"p0": n, "p1": random.random()}, seed=n) as run:
        for step in range(100):
            run.log_metric("loss", 1 / (step + 1) + random.random(), step=step)
"""

WHAT_GROWS = (
    "What grows is git's own: whoever receives looks by `git rev-list --objects --not --all` whether "
    "all is there, and that reads every folder of the ledger as it was before."
)


def measure(settings: Settings) -> Outcome:
    """Ten new runs sent to a bare repository on the same disk, and brought to another clone; a merge.

    Each round has ten runs of its own, of a new code commit. Git alone is the `git push` or `git fetch` of
    ledger and anchor that gittrack calls, as git traces itself. The merge is that of `gittrack pull` in a
    clone that has as many new runs as the other side, of the same days; beside it git fetches the same and
    makes the same tree by `git merge-tree`. DVC sends ten experiments to an empty repository by `dvc exp
    push` and brings them to a clone by `dvc exp pull`, both with `--no-cache`.
    """
    outcome = Outcome()
    with scratch() as folder:
        _ten(outcome, settings, folder, settings.sizes(1_000, 100_000, smoke=(20, 60)))
        _diverged(outcome, settings, folder, settings.size(10_000, 60), settings.size(1_000, 10))
        if settings.peers:
            _experiments(outcome, settings, folder)
    return outcome


class Clones:
    """Two clones of one bare repository: one makes runs and sends them, the other brings them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.writer, self.reader = folder / "writer", folder / "reader"
        self.own = self.git_alone = 0.0
        self._trace = folder / "trace"
        folder.mkdir(parents=True)
        git(folder, "clone", "-q", "--mirror", str(ledger(size)), "remote")
        for clone in (self.writer, self.reader):
            git(folder, "clone", "-q", "-c", "user.name=A", "-c", "user.email=a@b", "remote", clone.name)
            run(gittrack("init", "--no-config"), clone)
            run(gittrack("pull"), clone)

    def push(self) -> float:
        git(self.writer, "commit", "-q", "--allow-empty", "-m", "next")
        run([sys.executable, "-c", TEN_RUNS], self.writer)
        return self._timed("push", self.writer)

    def pull(self) -> float:
        return self._timed("pull", self.reader)

    def _timed(self, verb: str, clone: Path) -> float:
        self._trace.unlink(missing_ok=True)
        whole = wall(gittrack(verb), clone, GIT_TRACE2_EVENT=str(self._trace))
        events = [json.loads(line) for line in self._trace.read_text().splitlines()]
        moves = {e["sid"] for e in events if e["event"] == "start" and {"push", "fetch"} & {*e["argv"]}}
        self.git_alone = sum(e["t_abs"] for e in events if e["event"] == "atexit" and e["sid"] in moves)
        self.own = whole - self.git_alone
        return whole


def _ten(outcome: Outcome, settings: Settings, folder: Path, sizes: Sequence[int]) -> None:
    """The works of a round build on each other: what one sends, the next brings."""
    works: dict[str, Callable[[], float]] = {}
    for size in sizes:
        clones = Clones(folder / str(size), size)
        for what, work in (("push", clones.push), ("pull", clones.pull)):
            works[f"gittrack {what} {size}"] = work
            works[f"git alone {what} {size}"] = partial(getattr, clones, "git_alone")
            works[f"own {what} {size}"] = partial(getattr, clones, "own")
    took = in_turn(settings.rounds, works)
    against = f"at {sizes[1]:,} against at {sizes[0]:,}"
    for what in ("push", "pull"):
        for size in sizes:
            for who in ("gittrack", "git alone"):
                outcome.add(f"{what} of 10, {size:,} runs", who, took[f"{who} {what} {size}"] * 1000, "ms")
        for who, label in (("gittrack", "time"), ("own", "time outside of git's own command")):
            small, large = (took[f"{who} {what} {size}"] for size in sizes)
            outcome.goal(f"{what} of 10: {label}, {against}", large / small, 1.2)
    outcome.notes.append(WHAT_GROWS)


def _diverged(outcome: Outcome, settings: Settings, folder: Path, size: int, new: int) -> None:
    clones = Clones(folder / "diverged", size)
    for clone, first in ((clones.writer, size), (clones.reader, size + 1)):
        made = runs_of(range(first, size + 2 * new, 2), clone)
        Ledger(Repository.discover(clone)).append([frozen.addition() for frozen in made])
    run(gittrack("push"), clones.writer)
    tree = ["git", "rev-parse", "gittrack/runs^{tree}"]
    theirs = "git fetch -q && git merge-tree --write-tree gittrack/runs origin/gittrack/runs >merged"
    works = {"gittrack": (gittrack("pull"), tree), "git alone": (["sh", "-c", theirs], ["cat", "merged"])}
    merged: set[str] = set()

    def merge(who: str) -> float:
        clone = folder / "merging"
        subprocess.run(["cp", "-a", str(clones.reader), str(clone)], check=True)
        took = wall(works[who][0], clone)
        merged.add(run(works[who][1], clone))
        shutil.rmtree(clone)
        return took

    for who, seconds in in_turn(settings.rounds, {who: partial(merge, who) for who in works}).items():
        outcome.add(f"merge, {size:,} runs and {new:,} new on each side", who, seconds * 1000, "ms")
    if len(merged) != 1:
        raise RuntimeError(f"gittrack and git merge-tree came to different trees: {merged}")


def _experiments(outcome: Outcome, settings: Settings, folder: Path) -> None:
    store, remote, clone = (folder / name for name in ("store", "remote", "clone"))
    peers.drive(peers.place(store, "dvclive-exp"), "dvclive-exp", "fill", 10)
    found = peers.drive(store, "dvclive-exp", "commands")
    dvc, variables = [found["version"][0], "exp"], found["env"]
    git(store, "remote", "add", "origin", str(remote))

    def push() -> float:
        for left in (remote, clone):
            shutil.rmtree(left, ignore_errors=True)
        git(folder, "init", "-q", "--bare", "-b", "main", "remote")
        git(store, "push", "-q", "origin", "main")
        git(folder, "clone", "-q", "remote", "clone")
        return wall([*dvc, "push", "-q", "--no-cache", "-A", "origin"], store, **variables)

    def pull() -> float:
        return wall([*dvc, "pull", "-q", "--no-cache", "-A", "origin"], clone, **variables)

    for what, seconds in in_turn(settings.rounds, {"push": push, "pull": pull}).items():
        outcome.add(f"{what} of 10, nothing else there", "dvc exp", seconds * 1000, "ms")
