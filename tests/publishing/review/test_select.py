"""Which runs a pull request is about, and which is the baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Code, Metric
from gittrack.git.repository import Repository
from gittrack.ledger import ROOT_FILES
from gittrack.publishing.review import Review, review
from tests.ledgers import (
    BRANCH,
    commit_files,
    commit_records,
    in_one_second,
    make_record,
    make_repository,
)
from tests.publishing.review.proposing import PROPOSAL, Propose
from tests.repositories import run_git


def ids(found: Review) -> list[str]:
    return [row.id for row in found.selection.rows]


def baseline(found: Review) -> str | None:
    entry = found.experiments[0].baseline
    return entry.id if entry else None


def test_the_records_that_a_proposal_adds(propose: Propose) -> None:
    """Those of the base are not among them; the newest finished run is the baseline."""
    repository = propose([make_record(0), make_record(1), make_record(2, status="failed")], [make_record(3)])
    found = review(repository, BRANCH, PROPOSAL)
    assert (found.span.kind, ids(found), baseline(found)) == (
        "ledger",
        [make_record(3).id],
        make_record(1).id,
    )
    assert found.selection.altered == []


def test_a_run_tagged_as_baseline_is_the_baseline(propose: Propose) -> None:
    """The newest of those, however old; never one that the pull request adds."""
    tags = {"outcome": "baseline"}
    repository = propose([make_record(0, tags=tags), make_record(1)], [make_record(2, tags=tags)])
    assert baseline(review(repository, BRANCH, PROPOSAL)) == make_record(0).id


def test_the_baseline_is_of_the_same_experiment(propose: Propose) -> None:
    """An experiment that is new has none."""
    repository = propose([make_record(0)], [make_record(1, experiment="letters")])
    assert baseline(review(repository, BRANCH, PROPOSAL)) is None


def test_runs_that_reached_the_base_meanwhile(propose: Propose) -> None:
    """A base that has moved on since takes nothing away, and adds nothing."""
    repository = propose([make_record(0)], [make_record(1), make_record(2)])
    commit_records(repository, [make_record(2), make_record(5)])
    found = review(repository, BRANCH, PROPOSAL)
    assert ids(found) == [make_record(1).id]
    assert found.selection.altered == []


def test_what_is_not_a_new_run_is_said(propose: Propose) -> None:
    """A changed record, a deleted one and a foreign file."""
    old, gone = make_record(0), make_record(1)
    repository = propose([old, gone], [])
    files = {**ROOT_FILES, f"{old.path}/run.yaml": b"changed\n", "evil.py": b"", "decisions/x.yaml": b""}
    commit_files(repository, files, branch=PROPOSAL, keep=False)
    found = review(repository, BRANCH, PROPOSAL)
    assert sorted(found.selection.altered) == [
        ("A", "evil.py"),
        ("D", f"{gone.path}/run.yaml"),
        ("M", f"{old.path}/run.yaml"),
    ]


def test_a_branch_that_shares_no_history(propose: Propose) -> None:
    """Everything on it is new."""
    repository = propose([make_record(0)], [])
    commit_files(repository, dict(ROOT_FILES), branch="gittrack/review/other", keep=False)
    run_git(repository.top, "commit-tree", "-m", "x", "gittrack/review/other^{tree}")
    found = review(repository, BRANCH, "gittrack/review/other")
    assert found.selection.altered == [] or found.span.fork is not None


def test_a_damaged_record_is_listed(propose: Propose) -> None:
    """It stops nothing."""
    repository = propose([make_record(0)], [make_record(1)])
    damaged = make_record(2)
    commit_files(repository, {f"{damaged.path}/run.yaml": b"a: [\n"}, branch=PROPOSAL)
    found = review(repository, BRANCH, PROPOSAL)
    assert [row.id for row in found.damaged] == [damaged.id]
    assert [run.id for run in found.experiments[0].runs] == [make_record(1).id]


def test_a_damaged_environment_is_named(propose: Propose) -> None:
    """The run is listed and not compared."""
    repository = propose([make_record(0)], [make_record(1)], environment_yaml=b"a: &x [*x]\n")
    (experiment,) = review(repository, BRANCH, PROPOSAL).experiments
    assert experiment.comparisons == []
    assert "environment.yaml" in experiment.unreadable[0]


def test_the_runs_of_a_code_branch(inside: Path) -> None:
    """By their commit; the baseline is a run of the base's history."""
    repository = Repository.discover(inside)
    first = run_git(inside, "rev-parse", "HEAD").strip()
    run_git(inside, "checkout", "-q", "-b", "change")
    run_git(inside, "commit", "-q", "--allow-empty", "-m", "second")
    second = run_git(inside, "rev-parse", "HEAD").strip()
    codes = [Code(commit=c, tree="2" * 40) for c in (first, second)]
    commit_files(repository, dict(ROOT_FILES))
    commit_records(repository, [make_record(0, code=codes[0]), make_record(1, code=codes[1]), make_record(2)])
    found = review(repository, BRANCH)
    assert (found.span.kind, ids(found), baseline(found)) == ("code", [make_record(1).id], make_record(0).id)
    assert ids(review(repository, BRANCH, f"{first}..{first}")) == []


@pytest.mark.parametrize("spec", ["nothing", "main..nothing", "--upload-pack=x", "..-x"])
def test_a_revision_that_is_none(propose: Propose, spec: str) -> None:
    """Named in the error, and never an option."""
    with pytest.raises(NotFoundError, match="no revision"):
        review(propose([], []), BRANCH, spec)


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    """A repository without the usual names says what to give."""
    repository = make_repository(tmp_path / "r", "-b", "trunk")
    run_git(repository.top, "commit", "-q", "--allow-empty", "-m", "x")
    with pytest.raises(UsageError, match="--base"):
        review(repository, BRANCH)


def test_two_ways_to_say_the_base(propose: Propose) -> None:
    """One is enough."""
    with pytest.raises(UsageError, match="choose one"):
        review(propose([], []), BRANCH, "a..b", "c")


@pytest.mark.parametrize("is_proposed", [True, False])
def test_runs_of_one_second_are_in_the_order_of_the_ledger(propose: Propose, is_proposed: bool) -> None:
    """Of one seed that ran twice the first counts, on either side, as for stats."""
    old, new = (
        make_record(0, seed=1, metrics={"acc": 0.5}),
        make_record(1, seed=1, metrics={"acc": 0.7}, spec="5" * 64),
    )
    repository = propose([old], [new])
    changes = [
        {"seed": seed, "metrics": {"acc": Metric(value=v)}} for seed, v in ((2, 0.6), (2, 0.1), (3, 0.8))
    ]
    branch = PROPOSAL if is_proposed else BRANCH
    copies = in_one_second(repository, new if is_proposed else old, *changes, branch=branch)
    found = review(repository, BRANCH, PROPOSAL)
    (replicated,) = found.experiments[0].replicated
    mean = replicated.mean if is_proposed else replicated.base
    assert mean is not None
    assert (mean.n, round(mean.mean, 6)) == (3, 0.7 if is_proposed else 0.633333)
    if is_proposed:
        assert ids(found) == [new.id, *(copy.id for copy in copies)]
