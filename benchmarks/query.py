"""Queries: the newest runs, and a filter with an order, over small and large ledgers."""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import sys
import time
from pathlib import Path

from benchmarks import ledgers
from benchmarks.ledgers import copy, git
from benchmarks.measure import Outcome, Settings, gittrack, in_turn, scratch, spent, wall
from benchmarks.peers import environment as peers

NEWEST = ("log", "-n", "20")
SORTED = (
    "log", "-n", "20", "-F", "metrics.m0 > 0.5 and params.p0 = 3", "--sort-by", "metrics.m0",
    "--sort-order", "desc",
)  # fmt: skip

EMPTY = """
import typer
app = typer.Typer()
@app.command()
def log(n: int = 20) -> None: ...
@app.command()
def show() -> None: ...
app()
"""

NARROW = """SELECT r.id, o.number FROM runs r JOIN metrics o ON o.key = 'm0' AND o.run = r.run
JOIN params p ON p.key = 'p0' AND p.run = r.run
WHERE o.number > 0.5 AND p.number = 3 ORDER BY o.number DESC LIMIT 20"""


def measure(settings: Settings) -> Outcome:
    """Whole commands as the shell sees them, but for `in SQLite` and rows of a peer's Python interface.

    Warm: the index stands at the ledger's tip. After a clone there is none: the newest runs come without it,
    and the first filter reads all records, on all cores. Peers have stores of 1,000 runs of the same content,
    MLflow's SQLite store also of 100,000 (filled with its own tables' rows), DVC 50 experiments.
    """
    outcome = Outcome()
    sizes = settings.sizes(1_000, 10_000, 100_000, smoke=[20, 60])
    for size in sizes:
        with scratch() as folder:
            _warm(outcome, settings, folder, size, largest=size == sizes[-1])
            _cloned(outcome, settings, folder, size, largest=size == sizes[-1])
    return outcome


def _warm(outcome: Outcome, settings: Settings, folder: Path, size: int, *, largest: bool) -> None:
    where = copy(size, folder / "project")
    wall(gittrack(*SORTED), where)
    empty = folder / "empty.py"
    empty.write_text(EMPTY)
    works = {
        "newest": lambda: wall(gittrack(*NEWEST), where),
        "sorted": lambda: wall(gittrack(*SORTED), where),
        "empty": lambda: wall([sys.executable, str(empty), "log"], where),
        "sqlite": lambda: _in_sqlite(where),
    }
    found = in_turn(settings.size(3 * settings.rounds, 1), works)
    label = f"of {size:,} runs, warm"
    outcome.add(f"newest 20 {label}", "gittrack", found["newest"] * 1000, "ms")
    outcome.add(f"newest 20 {label}", "empty typer program", found["empty"] * 1000, "ms")
    outcome.add(f"filter and sort {label}", "gittrack", found["sorted"] * 1000, "ms")
    outcome.add(f"filter and sort {label}", "in SQLite", found["sqlite"] * 1000, "ms")
    if largest:
        outcome.goal(
            f"newest 20 {label}, against an empty typer program", found["newest"] / found["empty"], 1.5
        )
        above = (found["sorted"] - found["newest"]) * 1000
        outcome.goal(f"filter and sort {label}, ms above the newest 20", above, 100)
    if settings.peers:
        _peers(outcome, settings, size, found["newest"], largest=largest)


def _in_sqlite(where: Path) -> float:
    """The bare query over the index's own tables."""
    (file,) = (where / ".git/gittrack").glob("index-*.sqlite")
    began = time.perf_counter()
    with sqlite3.connect(file) as connection:
        connection.execute(NARROW).fetchall()
    connection.close()
    return time.perf_counter() - began


def _cloned(outcome: Outcome, settings: Settings, folder: Path, size: int, *, largest: bool) -> None:
    """First uses in a fresh clone."""
    where = folder / "clone"
    git(folder, "clone", "-q", "--no-checkout", f"file://{folder / 'project'}", str(where))
    label = f"of {size:,} runs, after a clone"
    newest = statistics.median(
        _without_index(where, lambda: wall(gittrack(*NEWEST), where)) for _ in range(settings.rounds)
    )
    outcome.add(f"newest 20 {label}", "gittrack", newest * 1000, "ms")
    found = [
        _without_index(where, lambda: spent(gittrack(*SORTED), where)) for _ in range(min(settings.rounds, 3))
    ]
    seconds = statistics.median(one.seconds for one in found)
    memory = max(one.memory_mb for one in found)
    outcome.add(f"filter and sort {label}: all records are indexed", "gittrack", seconds, "s")
    outcome.add(f"memory of that {label}", "gittrack", memory, "MB")
    if largest:
        outcome.goal(f"index {label}, seconds", seconds, 60)
        outcome.goal(f"index {label}, MB", memory, 500)
        outcome.goal(f"newest 20 {label}, ms", newest * 1000, 500)


def _without_index(where: Path, work):  # type: ignore[no-untyped-def]
    shutil.rmtree(where / ".git/gittrack", ignore_errors=True)
    return work()


# --- peers ---------------------------------------------------------------------------------


def _store(peer: str, size: int) -> Path:
    """A peer's store of so many runs, kept like the ledgers."""
    kept = ledgers.cache() / f"{peer}-{size}"
    if not kept.exists():
        draft = kept.with_name(f".new-{kept.name}")
        shutil.rmtree(draft, ignore_errors=True)
        peers.place(draft, peer)
        if "skipped" in (filled := peers.drive(draft, peer, "fill", size)):
            raise RuntimeError(f"{peer}: {filled['skipped']}")
        draft.rename(kept)
    return kept


def _peers(outcome: Outcome, settings: Settings, size: int, ours: float, *, largest: bool) -> None:
    first = size == settings.size(1_000, 20)
    every = (
        [peer for peer in peers.ALL if peer != "dvclive-exp"]
        if first
        else ["mlflow-sqlite"]
        if largest
        else []
    )
    for peer in every:
        _api(outcome, peer, size)
    if first:
        _api(outcome, "dvclive-exp", settings.size(50, 5))
    if not largest:
        return
    for peer, runs in (("mlflow-sqlite", size), ("dvclive-exp", settings.size(50, 5))):
        where = _store(peer, runs)
        commands = peers.drive(where, peer, "commands")
        took = statistics.median(
            wall(commands["newest"], where, **commands["env"]) for _ in range(min(settings.rounds, 3))
        )
        what = " ".join([Path(commands["newest"][0]).name, *commands["newest"][1:3]])
        outcome.add(f"`{what}`, {runs:,} runs", peer, took * 1000, "ms")
        outcome.goal(
            f"`gittrack log` of {size:,} runs: times faster than `{what}` of {runs:,}",
            took / ours,
            10,
            at_least=True,
        )


def _api(outcome: Outcome, peer: str, size: int) -> None:
    where = _store(peer, size)
    for question, what in (("newest", "newest 20"), ("sorted", "filter and sort")):
        found = peers.drive(where, peer, "query", question)
        if "skipped" in found:
            note = f"{peer}: {found['skipped']}"
            outcome.notes += [note] if note not in outcome.notes else []
        else:
            outcome.add(
                f"{what} of {size:,} runs, in its Python interface", peer, found[f"{question}_ms"], "ms"
            )
