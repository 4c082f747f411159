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

Works = dict[str, Callable[[], float]]
"""By command line, with the program's name first."""


def measure(settings: Settings) -> Outcome:
    """Milliseconds from the start of a program to its end, where it has next to nothing to do.

    Each verb of gittrack says its `--help`, in turn with a Python that does nothing, with a program of typer
    that has two empty commands and leaves rich out, as gittrack does, with git, and with the programs of the
    peers. Each has been started once before.
    """
    outcome = Outcome()
    with scratch() as folder:
        works = _bare(folder) | _ours(folder)
        if settings.peers:
            works |= _peers(folder)
        for work in () if settings.smoke else works.values():
            work()
        took = in_turn(settings.rounds, works)
    for line, seconds in took.items():
        program, _, words = line.partition(" ")
        outcome.add(words, program, seconds * 1000, "ms")
    slowest = max((f"gittrack {verb} {HELP}" for verb in VERBS), key=took.__getitem__)
    ratio = took[slowest] / took[f"typer {HELP}"]
    outcome.add("slowest --help of a verb against an empty typer program's", "gittrack", ratio, "x")
    outcome.notes.append(f"The slowest is `{slowest}`.")
    return outcome


def _work(command: Sequence[str], where: Path, **extra: str) -> Callable[[], float]:
    return lambda: wall(command, where, **extra)


def _bare(folder: Path) -> Works:
    script = folder / "empty.py"
    script.write_text(TYPER)
    return {
        "python -c pass": _work([sys.executable, "-c", "pass"], folder),
        f"typer {HELP}": _work([sys.executable, str(script), HELP], folder),
        f"git {VERSION}": _work(["git", VERSION], folder),
    }


def _ours(folder: Path) -> Works:
    lines = [[VERSION], [HELP], *([verb, HELP] for verb in VERBS)]
    return {" ".join(["gittrack", *words]): _work(gittrack(*words), folder) for words in lines}


def _peers(folder: Path) -> Works:
    """By the name of the program, as two stores of one peer have the same."""
    works = {}
    for peer in peers.ALL:
        home = folder / peer
        home.mkdir()
        found = peers.drive(home, peer, "commands")
        for words, key in ((VERSION, "version"), (HELP, "help")):
            if key in found:
                works[f"{Path(found[key][0]).name} {words}"] = _work(found[key], home, **found["env"])
    return works
