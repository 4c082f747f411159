"""Decisions: what is gathered for one, what becomes of it on the ledger, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import NotFoundError, RecordError, UsageError
from gittrack.formats import decision
from gittrack.formats.config import load
from gittrack.formats.decision import Decision
from gittrack.governance.decide import decide
from gittrack.ledger.proposals import review_branch
from gittrack.reading.index import open_index
from gittrack.verify import verify
from tests.governance.gate.lab import Lab
from tests.repositories import run_git


@pytest.fixture
def lab(inside: Path) -> Lab:
    """Two specs with gate, criteria and a failed run: 0.90 and 0.92 for one, 0.80 for the other."""
    made = Lab(inside)
    made.fix()
    made.runs(0.90, 0.92)
    made.run(0.80, 0, params={"lr": 1.0})
    made.fail(seed=7)
    return made


def choose(lab: Lab, run: str, outcome: Any = "selected", why: str = "it is better", **more: Any) -> Decision:
    return decide(lab.repository, load(lab.top), run, outcome, why, **more)[0]


def test_what_a_decision_holds(lab: Lab) -> None:
    """Criteria of the run's own gittrack.yaml; every spec with its figures, failed runs named too."""
    made = choose(lab, lab.records[1].id)
    assert made.run == lab.records[1].id and made.author.name == "Ada Lovelace" and made.supersedes is None
    assert made.criteria.protocol == lab.records[1].protocol
    assert made.criteria.metrics["accuracy"].direction == "maximize"
    assert made.criteria.gate is not None and made.criteria.gate.threshold == 0.89
    first, second = made.candidates
    assert first.runs == (lab.records[0].id, lab.records[1].id) and len(first.failed) == 1
    figure = first.metrics["accuracy"]
    assert (figure.n, figure.mean) == (2, pytest.approx(0.91)) and figure.sd == pytest.approx(0.0141421356)
    # 12.7062 is the 97.5 % point of t with one degree of freedom.
    assert figure.high == pytest.approx(0.91 + 12.7062047362 * 0.01)
    assert second.metrics["accuracy"].n == 1 and second.metrics["accuracy"].low is None


def test_the_file_on_the_ledger(lab: Lab) -> None:
    """It is read back as it was made, in a commit that names decision and run."""
    made = choose(lab, "latest~1", "rejected", "too slow")
    data = run_git(lab.top, "show", f"gittrack/runs:{made.path}").encode()
    assert decision.load(data, made.path) == made and decision.dump(made) == data
    message = run_git(lab.top, "log", "-1", "--format=%B", "gittrack/runs")
    assert message.startswith(f"decide digits {made.run}: rejected, too slow\n")
    assert f"Gittrack-Decision: {made.id}\nGittrack-Run: {made.run}" in message


def test_a_later_decision_holds(lab: Lab) -> None:
    """The earlier one stays, and the index gives the outcome of the last."""
    run = lab.records[0].id
    first = choose(lab, run)
    second = choose(lab, run, "rejected")
    assert second.supersedes == first.id
    with open_index(lab.top) as index:
        assert [found.outcome for found in index.decisions(run)] == ["selected", "rejected"]
        assert index.one(run).outcome == "rejected" and index.one(lab.records[1].id).outcome is None
        assert [row.id for row in index.search("outcome = 'rejected'")] == [run]
        assert len(index.search("outcome is null")) == 3


def test_the_alternatives_can_be_named(lab: Lab) -> None:
    """Otherwise all specs of the experiment are candidates."""
    own, other = lab.records[0], lab.records[2]
    assert [c.spec for c in choose(lab, own.id, over=[own.id]).candidates] == [own.spec]
    assert [c.spec for c in choose(lab, own.id, over=[other.id]).candidates] == [own.spec, other.spec]


def test_a_decision_can_be_proposed(lab: Lab) -> None:
    """It is on its own branch, cut from the ledger, which does not move."""
    before = run_git(lab.top, "rev-parse", "gittrack/runs")
    made = choose(lab, "latest~1", proposal="release-2")
    assert run_git(lab.top, "rev-parse", "gittrack/runs") == before
    added = run_git(lab.top, "diff", "--name-status", "gittrack/runs", review_branch("release-2"))
    assert added == f"A\t{made.path}\n"


def test_what_cannot_be_decided(lab: Lab) -> None:
    """One line each, and nothing is committed."""
    before = run_git(lab.top, "rev-parse", "gittrack/runs")
    with open_index(lab.top) as index:
        failed = index.search("status = 'failed'")[0].id
    with gittrack.start_run("letters") as run:
        run.log_metric("accuracy", 0.5)
    stranger = run.id
    after = run_git(lab.top, "rev-parse", "gittrack/runs")
    assert before != after
    with pytest.raises(UsageError, match="failed: it can be rejected, not be selected"):
        choose(lab, failed)
    with pytest.raises(UsageError, match="another experiment"):
        choose(lab, lab.records[0].id, over=[stranger])
    with pytest.raises(UsageError, match="--because needs the reason"):
        choose(lab, lab.records[0].id, why=" \n")
    with pytest.raises(NotFoundError):
        choose(lab, "nosuch")
    assert run_git(lab.top, "rev-parse", "gittrack/runs") == after
    choose(lab, failed, "rejected")


def test_no_secret_gets_into_the_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in records."""
    monkeypatch.setenv("API_TOKEN", "hunter2hunter2")
    made = choose(lab, lab.records[0].id, why="checked with hunter2hunter2 at https://ada:pw123456@host/x")
    assert "hunter2" not in made.because and "pw123456" not in made.because


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("gittrack/decision/1", "gittrack/decision/2", "too new"),
        ("gittrack/decision/1", "gittrack/run/1", "not a decision"),
        ("outcome: selected", "outcome: blessed", "outcome"),
        ("because: ", "becuse: ", "bec"),
    ],
)
def test_a_malformed_file_is_named(lab: Lab, old: str, new: str, match: str) -> None:
    """By what is wrong with it."""
    text = decision.dump(choose(lab, lab.records[0].id)).decode()
    assert old in text
    with pytest.raises(RecordError, match=match):
        decision.load(text.replace(old, new).encode(), "decisions/x.yaml")


def test_an_invalid_decision_is_not_written(lab: Lab) -> None:
    """The schema is asked before bytes are made."""
    made = choose(lab, lab.records[0].id)
    with pytest.raises(RecordError):
        decision.dump(replace(made, id="../x"))


def test_a_value_that_statistics_do_not_take_has_no_figure(lab: Lab) -> None:
    """It does not keep anybody from deciding on the others, and verify works it out alike."""
    other = lab.run(1e305, 0, params={"lr": 2.0})
    made = choose(lab, lab.records[0].id)
    found = {candidate.spec: candidate.metrics for candidate in made.candidates}
    assert found[other.spec] == {} and "accuracy" in found[made.candidates[0].spec]
    assert "decision-figures" not in {finding.code for finding in verify(lab.repository).findings}
