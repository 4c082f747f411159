"""Reports and reviews of a ledger: seconds and memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.ledgers import EXPERIMENTS, copy, git, runs_of
from benchmarks.measure import Outcome, Settings, gittrack, in_turn, run, scratch, spent
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger

LEDGER, PROPOSAL = "gittrack/runs", "gittrack/review/ten"
PROPOSED = 10


def measure(settings: Settings) -> Outcome:
    """`gittrack report` and `gittrack review` on a ledger of 1,000 runs, whose index is up to date.

    The report is HTML, of one experiment of four, so of a quarter of the runs, with and without what
    `gittrack verify` says of it; scikit-learn is there, whose start and forests take most of the time. A
    review is Markdown, verified: of a proposal that adds ten runs, and of all runs of the ledger. Beside it
    `git log -p` shows the same commits. Memory is that of the largest process. No peer has either.
    """
    outcome = Outcome()
    size = settings.size(1_000, 60)
    with scratch() as folder:
        where = copy(size, folder / "ledger")
        _propose(where, size)
        run(gittrack("log", "-n", "1"), where)
        memory: dict[str, float] = {}
        works = {
            name: partial(_work, command, where, name, memory) for name, command in _lines(where).items()
        }
        took = in_turn(settings.rounds, works)
    for name, seconds in took.items():
        who, _, what = name.partition(": ")
        outcome.add(what, who, seconds, "s")
        outcome.add(f"{what}, memory", who, memory[name], "MB")
    return outcome


def _lines(where: Path) -> dict[str, list[str]]:
    """Command lines by whose they are and what they show."""
    first = git(where, "rev-list", "--max-parents=0", LEDGER)
    runs = int(git(where, "rev-list", "--count", f"{first}..{LEDGER}"))
    report = gittrack("report", EXPERIMENTS[0], "--quiet", "--force", "-o", "report.html")
    lines = {
        f"gittrack: report on a quarter of {runs:,} runs": report,
        "gittrack: the same without verify": [*report, "--no-verify"],
    }
    for count, span in ((PROPOSED, f"{LEDGER}..{PROPOSAL}"), (runs, f"{first}..{LEDGER}")):
        lines[f"gittrack: review of {count:,} runs"] = gittrack("review", span, "--md")
        lines[f"git: review of {count:,} runs"] = ["git", "log", "-p", span]
    return lines


def _work(command: list[str], where: Path, name: str, memory: dict[str, float]) -> float:
    found = spent(command, where)
    memory[name] = max(found.memory_mb, memory.get(name, 0.0))
    return found.seconds


def _propose(where: Path, size: int) -> None:
    made = runs_of(range(size, size + PROPOSED), where)
    ledger = Ledger(Repository.discover(where), PROPOSAL, onto=LEDGER)
    ledger.append([frozen.addition() for frozen in made])
