"""What verify says of decisions that do not follow from records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.formats.config import load
from gittrack.formats.decision import Candidate, Decision, dump
from gittrack.formats.record import Metric
from gittrack.git.repository import Repository
from gittrack.governance.decide import decide
from gittrack.reading.index import open_index
from gittrack.verify import VerifyReport, verify
from tests.governance.gate.lab import Lab
from tests.ledgers import BRANCH, commit_files, in_one_second
from tests.repositories import run_git


@pytest.fixture
def lab(inside: Path) -> Lab:
    made = Lab(inside)
    made.fix()
    made.runs(0.90, 0.92)
    made.run(0.80, 0, params={"lr": 1.0})
    return made


def choose(lab: Lab, at: int = 0, **more: object) -> Decision:
    return decide(lab.repository, load(lab.top), lab.records[at].id, "selected", "why not", **more)[0]  # type: ignore[arg-type]


def codes(report: VerifyReport) -> list[str]:
    return [finding.code for finding in report.findings if finding.code.startswith("decision")]


def forged(lab: Lab, decision: Decision, **changes: object) -> list[str]:
    """Codes after a changed copy of `decision` was put in its place; the ledger is made anew for it."""
    made = replace(decision, **changes)  # type: ignore[arg-type]
    commit_files(lab.repository, {made.path: dump(made)})
    return codes(verify(lab.repository))


def test_an_honest_decision_passes(lab: Lab) -> None:
    """Also a second one, and after further runs of a candidate."""
    choose(lab)
    choose(lab, 1)
    lab.run(0.95, 9)
    report = verify(lab.repository)
    assert report.outcome == "PASS" and codes(report) == []


def better(candidate: Candidate) -> Candidate:
    figure = candidate.metrics["accuracy"]
    return replace(candidate, metrics={"accuracy": replace(figure, mean=figure.mean + 0.001)})


Edit = Callable[[Decision], dict[str, object]]
EDITS: dict[str, tuple[Edit, str]] = {
    "mean": (lambda d: {"candidates": (better(d.candidates[0]), *d.candidates[1:])}, "decision-figures"),
    "a run less": (
        lambda d: {"candidates": (replace(d.candidates[0], runs=d.candidates[0].runs[:1]), d.candidates[1])},
        "decision-figures",
    ),
    "itself left out": (lambda d: {"candidates": d.candidates[1:]}, "decision-candidates"),
    "other spec": (
        lambda d: {"candidates": (replace(d.candidates[0], spec=d.candidates[1].spec), d.candidates[1])},
        "decision-candidates",
    ),
    "unknown run": (
        lambda d: {"candidates": (replace(d.candidates[0], runs=("20200101-000000-abcdef",)),)},
        "decision-candidates",
    ),
    "softer gate": (
        lambda d: {"criteria": replace(d.criteria, gate=replace(d.criteria.gate, threshold=0.5))},  # type: ignore[type-var]
        "decision-criteria",
    ),
    "other question": (
        lambda d: {"criteria": replace(d.criteria, question="is it fast?")},
        "decision-criteria",
    ),
    "supersedes nothing": (lambda d: {"supersedes": "20200101-000000-abcdef"}, "decision-supersedes"),
    "on no run": (lambda d: {"run": "20200101-000000-abcdef"}, "decision-run"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_decision_fails(lab: Lab, name: str) -> None:
    """By the code that the page documents."""
    edit, code = EDITS[name]
    made = choose(lab)
    assert code in forged(lab, made, **edit(made), id=made.id[:-6] + "abcdef")


def test_candidates_left_out_are_noted(lab: Lab) -> None:
    """Naming the alternatives is allowed; verify says that there were others."""
    choose(lab, over=[lab.records[0].id])
    report = verify(lab.repository)
    assert report.outcome == "PASS" and codes(report) == ["decision-omits"]


def test_a_file_that_is_none(lab: Lab) -> None:
    """Unreadable, in another form, elsewhere: each has its code."""
    made = choose(lab)
    folder = made.path.rsplit("/", 1)[0]
    commit_files(
        lab.repository,
        {
            f"{folder}/20200101-000000-aaaaaa.yaml": b"schema: gittrack/decision/1\n",
            f"{folder}/20200101-000000-bbbbbb.yaml": dump(made),
            f"{folder}/20200101-000000-cccccc.yaml": dump(made).replace(b"why not", b"'why not'"),
        },
    )
    assert set(codes(verify(lab.repository))) == {
        "decision-unreadable", "decision-path", "decision-canonical",
    }  # fmt: skip
    with open_index(lab.top) as index:
        assert [found.id for found in index.decisions(made.run)] == [made.id]


def test_a_changed_file_is_history(lab: Lab) -> None:
    """Decisions are add-only, like records."""
    made = choose(lab)
    commit_files(lab.repository, {made.path: dump(replace(made, because="because"))})
    assert "history-modified" in {finding.code for finding in verify(lab.repository).findings}


def test_only_those_of_the_selected_runs(lab: Lab) -> None:
    """verify RUN looks at the decisions on that run; a range, at those that it adds."""
    made = choose(lab)
    before = run_git(lab.top, "rev-parse", "gittrack/runs").strip()
    bad = replace(choose(lab, 1), because="edited", candidates=(better(made.candidates[0]),))
    bad = replace(bad, id=bad.id[:-6] + "abcdef")
    commit_files(lab.repository, {bad.path: dump(bad)})
    assert codes(verify(lab.repository, selection=[lab.records[0].id])) == []
    assert "decision-figures" in codes(verify(lab.repository, selection=[lab.records[1].id]))
    assert "decision-figures" in codes(verify(lab.repository, selection=[f"{before}..gittrack/runs"]))


@pytest.fixture
def twice(lab: Lab) -> Lab:
    """A seed that ran twice in one second, with two results, and two specs that first ran in another."""
    lab.records += in_one_second(
        lab.repository,
        lab.records[0],
        *({"seed": 7, "metrics": {"accuracy": Metric(value=v)}} for v in (0.9, 0.1)),
    )
    return lab


def test_of_runs_of_one_second_the_first_on_the_ledger_counts(twice: Lab) -> None:
    """As for the gate and the decision itself, whatever ids and clocks say."""
    made = choose(twice)
    (figure,) = [c.metrics["accuracy"] for c in made.candidates if twice.records[-1].id in c.runs]
    assert (figure.n, round(figure.mean, 6)) == (3, 0.906667)
    assert codes(verify(twice.repository)) == []


def test_a_shallow_clone_cannot_tell_which_counts(twice: Lab) -> None:
    """It accuses nobody: the order of the two runs is in the history that it lacks."""
    choose(twice)
    run_git(twice.top.parent, "clone", "-q", "--depth=1", "-b", BRANCH, twice.top.as_uri(), "shallow")
    run_git(twice.top.parent / "shallow", "fetch", "-q", "--depth=1", "origin", "main:main")
    found = verify(Repository.discover(twice.top.parent / "shallow"))
    assert [(f.code, f.severity) for f in found.findings if f.code.startswith("decision")] == [
        ("decision-unchecked", "incomplete")
    ]


def test_alternatives_are_in_the_order_of_the_ledger(lab: Lab) -> None:
    """Those that --over names too, within one second."""
    specs = [{"spec": digit * 64} for digit in "abc"]
    copies = in_one_second(lab.repository, lab.records[0], *specs)
    made = choose(lab, over=[copies[2].id, copies[0].id, copies[1].id])
    assert [candidate.runs[0] for candidate in made.candidates][1:] == [copy.id for copy in copies]
