"""What changed since a former release, however that is named."""

from __future__ import annotations

import pytest

import gittrack
from gittrack.cli import execute
from gittrack.errors import NotFoundError, UsageError
from gittrack.publishing.report.model import Change
from tests.publishing.report.study import Study, answer
from tests.repositories import run_git


@pytest.fixture
def released(decided: Study) -> Study:
    """A second selection after the first, with a run between; the first ledger state has a tag."""
    run_git(decided.top, "tag", "ledger-1", "gittrack/runs")
    decided.run(0.95, 1, width=128)
    decided.decide(decided.runs[-1], because="better")
    return decided


def change(study: Study, since: str) -> Change:
    found = study.report(since=since).change
    assert found is not None
    return found


def test_a_revision_of_the_ledger(released: Study) -> None:
    """Runs added, the run selected then and now, what differs between the two."""
    found = change(released, "ledger-1")
    assert (found.before, found.now, found.runs) == (released.runs[0].id, released.runs[-1].id, 1)
    assert found.comparison is not None and found.how == "a commit of the ledger"
    widths = [(pair.a, pair.b) for pair in found.comparison.params if pair.name == "width"]
    assert widths == [(64, 128)]
    page = released.html(since="ledger-1")
    assert "What differs between the two runs" in page
    assert answer(released.report(since="ledger-1"), "annex-iv.6").status == "here"


def test_a_run(released: Study) -> None:
    """The ledger as it was when the run came to it."""
    found = change(released, released.runs[0].id)
    assert found.before == released.runs[0].id and found.runs == len(released.runs) - 1
    same = change(released, released.runs[-1].id)
    assert same.comparison is None and "The same run is selected." in released.html(
        since=released.runs[-1].id
    )


def test_a_date(released: Study) -> None:
    """The ledger of the end of that day; one before the ledger is an error."""
    assert change(released, "2099-01-01").now == released.runs[-1].id
    assert change(released, "2099-01-01T10:30").runs == 0
    with pytest.raises(NotFoundError, match="the first run of digits is of later"):
        change(released, "2001-01-01")
    with pytest.raises(UsageError, match="no such date"):
        change(released, "2026-02-31")


def test_a_tag_of_the_code(released: Study) -> None:
    """The ledger as it stood at the date of that commit."""
    run_git(
        released.top,
        "-c",
        "user.name=x",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "release",
        "--date=2099-01-01T00:00:00Z",
    )
    run_git(released.top, "tag", "v2")
    assert "code commit" in change(released, "v2").how


def test_a_version_of_a_model(released: Study) -> None:
    """The run that was registered, whatever was decided."""
    (released.top / "model.bin").write_bytes(b"weights")
    with gittrack.start_run("digits", seed=4) as run:
        run.log_metric("accuracy", 0.5)
        run.log_model("model.bin")
    assert execute(["register", run.id, "--model", "reader"]) == 0
    found = change(released, "reader@v0.0.1")
    assert found.before == run.id and "of model reader" in found.how


@pytest.mark.parametrize("name", ["nosuch", "--output=x", "main:gittrack.yaml", "model@v9.9.9", "digits", ""])
def test_a_name_of_nothing(released: Study, name: str) -> None:
    """One line, and no option for git."""
    if name == "":
        assert released.report(since=None).change is None
        return
    with pytest.raises(NotFoundError, match="--since"):
        change(released, name)
