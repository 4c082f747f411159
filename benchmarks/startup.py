"""Start-up: `--help` and `--version` of every verb, beside the bare limits and the peers' programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Outcome, Settings, gittrack, in_turn, scratch, wall
from benchmarks.peers import environment as peers
from gittrack.cli import VERBS

TYPER = """
import typer

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def log(n: int = 20) -> None: ...


@app.command()
def show() -> None: ...


app()
"""

VERSION, HELP = "--version", "--help"
Work = tuple[str, str]
"""What is started, and whose it is."""


def measure(settings: Settings) -> Outcome:
    """Milliseconds from the start of a program to its end, where it has next to nothing to do.

    Each verb of gittrack says its `--help`, in turn with a Python that does nothing, with a program of typer that has
    two empty commands and leaves out rich, as gittrack does, with git, and with the programs of the peers. All of
    them have been started once before.
    """
    outcome = Outcome()
    with scratch() as folder:
        works = _bare(folder) | _ours(folder)
        if settings.peers:
            works |= _peers(folder)
        for work in works.values():
            work()
        took = in_turn(settings.rounds, works)
    for (what, who), seconds in took.items():
        outcome.add(what, who, seconds * 1000, "ms")
    slowest = max(VERBS, key=lambda verb: took[f"{verb} --help", "gittrack"])
    ratio = took[f"{slowest} --help", "gittrack"] / took[HELP, "typer"]
    outcome.add("slowest --help of a verb against that of an empty typer program", "gittrack", ratio, "x")
    outcome.notes.append(f"The slowest --help is that of gittrack {slowest}.")
    return outcome


def _work(command: Sequence[str], where: Path, **extra: str) -> Callable[[], float]:
    return lambda: wall(command, where, **extra)


def _bare(folder: Path) -> dict[Work, Callable[[], float]]:
    script = folder / "empty.py"
    script.write_text(TYPER)
    return {
        ("nothing", "python"): _work([sys.executable, "-c", "pass"], folder),
        (HELP, "typer"): _work([sys.executable, str(script), "--help"], folder),
        (VERSION, "git"): _work(["git", "--version"], folder),
    }


def _ours(folder: Path) -> dict[Work, Callable[[], float]]:
    lines = {VERSION: [VERSION], HELP: [HELP]} | {f"{verb} --help": [verb, HELP] for verb in VERBS}
    return {(what, "gittrack"): _work(gittrack(*words), folder) for what, words in lines.items()}


def _peers(folder: Path) -> dict[Work, Callable[[], float]]:
    """By the name of the program, as two stores of one peer have the same."""
    works = {}
    for peer in peers.ALL:
        home = folder / peer
        home.mkdir()
        found = peers.drive(home, peer, "commands")
        for what, key in ((VERSION, "version"), (HELP, "help")):
            if key in found:
                works[what, Path(found[key][0]).name] = _work(found[key], home, **found["env"])
    return works
