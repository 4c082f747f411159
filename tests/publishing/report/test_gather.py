"""What a report finds: subject, criteria, candidates, sign-off, what is here and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import NotFoundError, RecordError, UsageError
from gittrack.formats.config import load
from gittrack.formats.system import SystemUse
from gittrack.publishing.report.facts import slice_of, time_spent
from gittrack.publishing.report.places import forge_of
from tests.ledgers import commit_files, file_of, in_one_second, make_record
from tests.publishing.report.study import EVIDENCE, PROTOCOL, Study, answer
from tests.repositories import run_git
from tests.tables import rows


def test_the_selected_run_and_its_candidates(decided: Study) -> None:
    """The decision's own figures, failed runs named; what it did not weigh says so."""
    late = decided.run(0.95, 1, width=128)
    again = decided.run(0.94, 7, width=64)
    report = decided.report()
    assert report.subject is not None and report.subject.id == decided.runs[0].id
    assert report.subject_why == "it was selected"
    wide, narrow, new = report.candidates
    assert wide.weighed and wide.later == 1 and again.id not in wide.runs
    assert wide.figures["accuracy"].n == 3 and wide.figures["accuracy"].mean == pytest.approx(0.92)
    assert wide.figures["accuracy"].high == pytest.approx(0.92 + 2.484 * 0.01, abs=1e-4)
    assert len(narrow.failed) == 1 and narrow.apart == {"width": 16}
    assert not new.weighed and new.runs == (late.id,)
    page = decided.html()
    assert "not weighed" in page and "weighed; 1 runs since" in page


def test_criteria_are_dated_by_git(decided: Study) -> None:
    """The commit that brought the gate is an ancestor of the code of every run; all versions are listed."""
    first = run_git(decided.top, "rev-list", "--max-count=1", "--skip=1", "HEAD").strip()
    (origin,) = decided.report().origins
    assert origin.commit == first and set(origin.runs) == {run.id for run in decided.runs[:3]}
    decided.write({**PROTOCOL, "gate": {**PROTOCOL["gate"], "threshold": 0.8}}, EVIDENCE)
    decided.commit("a lower threshold")
    decided.run(0.85, 3, width=64)
    versions = decided.report().versions
    assert [v.runs for v in versions] == [5, 1] and "at least 0.9" in (versions[0].gate or "")
    assert "at least 0.8" in (versions[1].gate or "")


def test_what_was_measured_is_summed_over_the_runs_that_measured_it() -> None:
    """A run of whose energy nothing is known is no run that used none."""
    used = SystemUse(every_s=10, samples=2, from_s=10, to_s=70, over_s=60)
    counted = replace(used, gpu_hours=0.5, gpu_hours_by="processes", energy_kwh=0.25)
    runs = [replace(make_record(), system_use=use) for use in (None, used, counted, counted)]
    (spent,) = time_spent(runs, {})
    assert (spent.runs, spent.gpu_runs, spent.gpu_hours) == (4, 2, 1.0)
    assert (spent.energy_runs, spent.energy_kwh) == (2, 0.5)


def test_runs_within_a_run_are_counted_as_such() -> None:
    """Their time is in that of the outer one, too; one whose outer run is not counted is not."""
    outer, alone = make_record(), make_record(id="20261122-142234-aaaaaa", parent="20261122-142235-bbbbbb")
    inner = make_record(id="20261122-142236-cccccc", parent=outer.id)
    assert [spent.nested for spent in time_spent([outer, inner, alone], {})] == [1]


def test_a_later_decision_supersedes(decided: Study) -> None:
    """The subject is the one that is selected last and still holds; all decisions are shown."""
    decided.decide(decided.runs[3], because="smaller")
    decided.decide(decided.runs[3], "rejected", "too weak after all")
    report = decided.report()
    assert report.subject is not None and report.subject.id == decided.runs[0].id
    assert [(s.decision.outcome, s.holds) for s in report.decisions] == [
        ("selected", True), ("selected", False), ("rejected", True),
    ]  # fmt: skip
    assert "superseded" in decided.html()


def test_a_run_can_be_asked_for(decided: Study) -> None:
    """Its spec is judged then, selected or not."""
    report = decided.report(decided.runs[3].id)
    assert report.subject is not None and report.subject_why == "it was asked for"
    assert report.decision is None and report.group is not None and len(report.group.failed) == 1


def test_what_is_here_elsewhere_and_missing(decided: Study) -> None:
    """A path that leads to nothing is no evidence."""
    report = decided.report()
    assert answer(report, "annex-iv.2g-criteria").status == "here"
    assert answer(report, "annex-iv.2g-criteria").here[0].commits
    assert answer(report, "annex-iv.5").status == "elsewhere"
    assert (
        answer(report, "annex-iv.2e").link.oid
        == run_git(decided.top, "rev-parse", "HEAD:docs/train.md").strip()
    )
    assert answer(report, "annex-iv.8").status == "missing" and "not in HEAD" in decided.html()
    assert answer(report, "annex-iv.2a-models").status == "missing"
    assert answer(report, "annex-iv.2g-logs").status == "missing"
    assert {a.status for a in report.answers} == {"here", "elsewhere", "missing"}


def test_a_link_to_no_item(decided: Study) -> None:
    """It would be left out without a word."""
    decided.write(evidence={"links": {"annex-iv.55": "https://example.org"}})
    with pytest.raises(UsageError, match=r"there is no item 'annex-iv\.55', did you mean annex-iv\.5\?"):
        decided.report()


def test_sign_off_by_a_merge(decided: Study) -> None:
    """Who merged the proposal is who approved."""
    made = decided.decide(decided.runs[1], because="by four eyes", proposal="release")
    run_git(decided.top, "checkout", "-q", "gittrack/runs")
    run_git(
        decided.top,
        "-c",
        "user.name=Grace Hopper",
        "merge",
        "-q",
        "--no-ff",
        "-m",
        "approve",
        "gittrack/review/release",
    )
    run_git(decided.top, "checkout", "-q", "main")
    report = decided.report()
    signed = report.decision
    assert signed is not None and signed.decision.id == made.id
    assert (signed.author, signed.merged_by) == ("Ada Lovelace", "Grace Hopper") and signed.merge
    assert "merged by Grace Hopper" in answer(report, "annex-iv.2g-logs").here[0].text


def test_figures_by_group(decided: Study) -> None:
    """From the names of metrics, beside the whole."""
    old, young = decided.report().slices
    assert (old.group, old.value, old.whole) == ("age=old", 0.9, pytest.approx(0.91))
    assert young.figure is not None and young.figure.n == 3
    assert slice_of("acc/a/b=c") == ("acc/a", "b=c") and slice_of("loss/train") is None


def test_compute_counts_every_run_once(decided: Study) -> None:
    """Failed and rejected ones too."""
    decided.decide(decided.runs[3], "rejected", "weak")
    report = decided.report()
    assert {s.what: s.runs for s in report.spent} == {"failed": 1, "finished": 3, "rejected": 1}
    assert sum(s.hours for s in report.spent) == pytest.approx(sum(r.duration_s for r in decided.runs) / 3600)


def test_overlap_of_training_and_test_data(study: Study) -> None:
    """By digest; sheets are looked for in the code."""
    (study.top / "a.csv").write_text("1\n")
    (study.top / "b.csv").write_text("1\n")
    study.write(evidence={"datasheets": {"a.csv": "a.csv", "c.csv": "nowhere.md"}})
    study.commit("data")
    with gittrack.start_run("digits", seed=1, inputs={"a.csv": "train", "b.csv": "test"}) as run:
        run.log_metric("accuracy", 1.0)
    report = study.report(run.id)
    assert [(a.path, b.path) for a, b in report.overlaps] == [("a.csv", "b.csv")]
    assert report.data[0].sheet is not None and report.data[0].sheet.oid is not None
    page = study.html(run.id)
    assert "are the same bytes" in page and "sheets of data that no run read: c.csv" in page


def test_an_edited_decision_fails(decided: Study) -> None:
    """The report shows its figures, and that they are not those of the records."""
    path = decided.report().decisions[0].decision.path
    text = run_git(decided.top, "show", f"gittrack/runs:{path}").replace("mean: 0.92\n", "mean: 0.99\n")
    commit_files(decided.repository, {path: text.encode()})
    report = decided.report()
    assert report.verified is not None and report.verified.outcome == "FAIL"
    assert "decision-figures" in {finding.code for finding in report.verified.findings}
    assert "FAIL" in decided.html() and "FAIL" in decided.markdown()


def test_without_verification(decided: Study) -> None:
    """It is said, and integrity has no evidence."""
    report = decided.report(verify=False)
    assert report.verified is None and answer(report, "annex-iv.2h-integrity").status == "missing"
    assert "--no-verify" in decided.html(verify=False)


def test_names_that_mean_nothing(decided: Study, tmp_path: Path) -> None:
    """One line that says what there is."""
    with pytest.raises(NotFoundError, match="no experiment and no run 'nosuch': experiments are digits"):
        decided.report("nosuch")
    with gittrack.start_run("letters"):
        pass
    with pytest.raises(UsageError, match="name an experiment or a run: there are digits, letters"):
        decided.report("")
    assert decided.report("letters").subject is None


def test_no_runs_at_all(study: Study) -> None:
    """An error, not an empty report."""
    with pytest.raises(NotFoundError, match="there are no runs to report on"):
        study.report("")


def test_only_damaged_records(study: Study) -> None:
    """They are listed, and are in no figure."""
    record = make_record()
    commit_files(study.repository, {f"{record.path}/run.yaml": b"schema: gittrack/run/1\n"})
    report = study.report()
    assert report.runs == 0 and list(report.damaged) == [record.id]
    assert report.verified is not None and report.verified.outcome == "FAIL"
    assert record.id in study.html() and "damaged" in study.markdown() and study.json()["damaged"]
    with pytest.raises(RecordError):
        study.report(record.id)


def test_without_a_configuration(study: Study) -> None:
    """No criteria, no gate, no decision: said, not guessed."""
    run_git(study.top, "rm", "-q", "gittrack.yaml")
    study.commit("no configuration")
    study.run(0.5, 1)
    report = study.report()
    assert report.subject is None and report.gate is None and not report.origins
    page = study.html()
    assert "declares no metrics and no gate" in page and "No decision is recorded" in page


def test_a_shallow_clone(decided: Study, tmp_path: Path) -> None:
    """What cannot be shown there is said; verify says INCOMPLETE."""
    clone = tmp_path / "clone"
    run_git(
        tmp_path, "clone", "-q", "--depth=1", "--branch=gittrack/runs", f"file://{decided.top}", str(clone)
    )
    run_git(clone, "branch", "-q", "main")
    other = Study(clone)
    report = other.report()
    assert report.verified is not None and report.verified.outcome != "PASS"
    assert report.runs == 5 and not report.origins and report.origins_why
    assert load(clone).experiments == {} and other.html()


@rows(
    ("remote", "expected"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/blob/C/p/q%20r"),
        ("git@github.com:a/b.git", "https://github.com/a/b/blob/C/p/q%20r"),
        ("https://user:token@gitlab.com/a/b/c", "https://gitlab.com/a/b/c/-/blob/C/p/q%20r"),
        ("ssh://git@gitlab.example.org:2222/a/b.git", "https://gitlab.example.org/a/b/-/blob/C/p/q%20r"),
        ("https://codeberg.org/a/b", "https://codeberg.org/a/b/src/commit/C/p/q%20r"),
        ("https://evil.example/github.com/a", None),
        ("https://github.com/../x", None),
        ("/srv/git/a.git", None),
        ('https://github.com/a/b"><script>', None),
        (None, None),
    ],
)
def test_pages_of_forges(remote: str | None, expected: str | None) -> None:
    """Known hosts only, and never a credential."""
    forge = forge_of(remote)
    assert (forge.file("C", "p/q r") if forge else None) == expected


def test_runs_of_one_second_are_in_the_order_of_the_ledger(study: Study) -> None:
    """In the table of all runs, among candidates, and where the newest curves are drawn."""
    study.write({"question": "?"})
    study.commit("nothing decides")
    first = study.run(0.9, 0, steps=3)
    copies = in_one_second(study.repository, first, *({"spec": digit * 64} for digit in "abc"))
    for copy in copies:
        series = file_of(study.top, first, "metrics.csv")
        commit_files(study.repository, {f"{copy.path}/metrics.csv": series.encode()})
    report = study.report("digits", verify=False)
    newest_last = [first.id, *(copy.id for copy in copies)]
    assert [record.id for record in report.records] == newest_last
    assert [candidate.runs[0] for candidate in report.candidates] == newest_last
    assert [line.run for line in report.curves[0].lines] == newest_last[::-1]
