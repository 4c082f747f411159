"""Which protocol judges, and that it came before the results."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from gittrack.errors import ConfigError, RecordError
from gittrack.governance.gate.history import History
from tests.governance.gate.lab import CHANGED, Lab, codes, said
from tests.ledgers import commit_records
from tests.repositories import run_git

VALUES = (0.90, 0.91, 0.92)


def test_the_commit_that_fixed_the_gate_is_found(lab: Lab) -> None:
    """Not the newest one of gittrack.yaml, and not the one that only changed a reason or the code."""
    lab.write_plain({})
    lab.commit("no gate")
    lab.fix(threshold=0.5)
    fixed = lab.fix()
    lab.fix(why="a reason")
    (lab.top / "train.py").write_text(CHANGED)
    lab.commit("code")
    lab.runs(*VALUES)
    (origin,) = lab.judge().origins
    assert origin.commit == fixed
    assert origin.runs == tuple(run.id for run in lab.records) and not origin.cut_off


def test_a_gate_that_was_away_counts_from_its_return(lab: Lab) -> None:
    """What was in force without a break."""
    lab.fix()
    lab.fix(threshold=0.5)
    back = lab.fix()
    lab.runs(*VALUES)
    assert [origin.commit for origin in lab.judge().origins] == [back]


def test_a_gate_from_a_merged_branch_is_followed_there(lab: Lab) -> None:
    """Its own commit, not the merge."""
    run_git(lab.top, "checkout", "-q", "-b", "side")
    fixed = lab.fix()
    run_git(lab.top, "checkout", "-q", "main")
    (lab.top / "train.py").write_text(CHANGED)
    lab.commit("meanwhile")
    run_git(lab.top, "merge", "-q", "--no-edit", "side")
    lab.runs(*VALUES)
    assert [origin.commit for origin in lab.judge().origins] == [fixed]


def test_a_rebased_gate_is_proven_for_each_history(lab: Lab) -> None:
    """The same code tree from two commits: each run goes back to a gate of its own line."""
    old = lab.fix()
    lab.run(0.90, 0)
    run_git(lab.top, "commit", "-q", "--amend", "-m", "reworded")
    new = run_git(lab.top, "rev-parse", "HEAD").strip()
    lab.runs(0.91, 0.92, first=1)
    found = lab.judge()
    assert found.outcome == "passed"
    assert [(origin.commit, len(origin.runs)) for origin in found.origins] == [(old, 1), (new, 2)]


def test_an_uncommitted_gate_fixes_nothing(lab: Lab) -> None:
    """It is in the snapshot alone, and can be written when the result is known."""
    lab.write()
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "refused" and codes(found, "refused") == {"gate-uncommitted"}
    assert f"run {lab.records[0].id} and 2 more" in said(found, "gate-uncommitted")
    declared = lab.judge(declared="written down on paper first")
    assert declared.outcome == "passed" and declared.origins == ()


def test_an_uncommitted_change_of_the_gate_is_seen(lab: Lab) -> None:
    """The commit has another one."""
    lab.fix(threshold=0.95)
    lab.write()
    lab.runs(*VALUES)
    assert codes(lab.judge(), "refused") == {"gate-uncommitted"}


def test_a_dirty_tree_with_the_committed_gate_is_fine(lab: Lab) -> None:
    """Other changes, even of gittrack.yaml, leave the gate where it was."""
    fixed = lab.fix()
    lab.write(why="said better")
    (lab.top / "train.py").write_text(CHANGED)
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed" and found.origins[0].commit == fixed


def test_one_run_before_the_commit_is_enough(lab: Lab) -> None:
    """Same tree, same spec: the first run saw the gate uncommitted."""
    lab.write()
    first = lab.run(0.90, 0)
    lab.commit()
    lab.runs(0.91, 0.92, first=1)
    found = lab.judge()
    assert len(found.runs) == 3
    assert said(found, "gate-uncommitted").startswith(
        f"the gate was not committed when run {first.id} started"
    )


def test_a_run_on_an_unborn_branch_has_no_history(lab: Lab) -> None:
    """Nothing is committed at all."""
    lab.write()
    run_git(lab.top, "checkout", "-q", "--orphan", "new")
    lab.runs(*VALUES)
    assert codes(lab.judge(), "refused") == {"gate-uncommitted"}


def test_a_protocol_changed_after_results_is_refused(lab: Lab) -> None:
    """With what it was, what it is, and by which commit."""
    lab.fix(threshold=0.95, runs=5)
    old = lab.runs(*VALUES)
    new = lab.fix()
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "refused" and codes(found, "refused") == {"protocol-changed"}
    assert old[-1].code.commit is not None
    assert said(found, "protocol-changed") == (
        f"protocol changed after results: 3 earlier results (last: {old[-1].id}, code "
        f"{old[-1].code.commit[:12]}) had another gate: threshold 0.95, now 0.89; runs 5, now 3, "
        f"by commit {new[:12]}"
    )
    assert lab.judge(declared="agreed").outcome == "passed"


@pytest.mark.parametrize(
    "before", [{"metric": "f1"}, {"confidence": 0.99}, {"runs": None}, {"split": "validation"}, {"runs": 5}]
)
def test_each_part_of_a_gate_counts(lab: Lab, before: dict[str, object]) -> None:
    """Metric, level, number, and what the metric is measured on."""
    lab.write_plain({"metrics": {"f1": {"direction": "maximize"}}})
    lab.fix(**before)  # type: ignore[arg-type]
    if before.get("metric") == "f1":
        lab.write_plain(
            {
                "metrics": {"f1": {"direction": "maximize"}},
                "gate": {"metric": "f1", "threshold": 0.89, "runs": 3},
            }
        )
        lab.commit()
    lab.run(0.9, 0)
    lab.fix()
    lab.runs(*VALUES)
    assert codes(lab.judge(), "refused") == {"protocol-changed"}


def test_a_gate_that_only_became_harder_is_noted(lab: Lab) -> None:
    """Earlier results cannot have made that easier."""
    lab.fix(threshold=0.8)
    lab.runs(*VALUES)
    lab.fix()
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed"
    assert "threshold 0.8, now 0.89" in said(found, "protocol-tightened")


def test_the_old_runs_are_judged_by_the_old_gate(lab: Lab) -> None:
    """Today's is only mentioned."""
    lab.fix()
    old = lab.runs(*VALUES)[-1]
    lab.write(threshold=0.99)
    found = lab.judge(old.id)
    assert found.outcome == "passed"
    assert said(found, "today") == (
        "today's gate is another (accuracy (test) at least 0.99, one-sided 95 %, 3 runs); the runs are "
        "judged by theirs"
    )


HUGE = f"experiments: {{digits: {{gate: {{metric: accuracy, threshold: {10**400}}}}}}}\n"


@pytest.mark.parametrize(("text", "says"), [("experiment: x\n", "has no gate"), (HUGE, "cannot be read")])
def test_today_may_have_none(lab: Lab, text: str, says: str) -> None:
    """Or one that makes no sense."""
    lab.fix()
    lab.runs(*VALUES)
    (lab.top / "gittrack.yaml").write_text(text)
    assert says in said(lab.judge(), "today")


def test_earlier_runs_without_a_gate_are_exploratory(lab: Lab) -> None:
    """A note with their number."""
    lab.runs(0.7, 0.8)
    lab.fix()
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed"
    assert (
        said(found, "exploratory") == "2 earlier runs had no gate: exploratory, and known when it was fixed"
    )


def test_runs_of_another_experiment_are_not_looked_at(lab: Lab) -> None:
    """They have a question of their own."""
    import gittrack

    lab.fix(threshold=0.95)
    with gittrack.start_run("letters", seed=1) as run:
        run.log_metric("accuracy", 0.5)
    lab.fix()
    lab.runs(*VALUES)
    assert not lab.judge().findings


def test_runs_made_without_a_gate_cannot_be_judged(lab: Lab) -> None:
    """Not by one that came later either."""
    lab.runs(*VALUES)
    lab.fix()
    with pytest.raises(ConfigError, match=r"were made without a gate: commit experiments\.digits\.gate"):
        lab.judge()


def test_a_record_that_names_another_protocol_is_refused(lab: Lab) -> None:
    """verify says more of it."""
    lab.fix()
    real = lab.runs(*VALUES)[-1]
    forged = replace(real, id="20990101-000000-abcdef", seed=9, protocol="1" * 40)
    commit_records(lab.repository, [forged])
    with pytest.raises(RecordError, match=r"run gittrack verify 20990101-000000-abcdef"):
        lab.judge(real.id)


def test_results_that_came_in_the_gates_own_commit_are_not_before_it(lab: Lab) -> None:
    """As `gittrack record` makes them of a commit that has both."""
    lab.fix()
    real = lab.run(0.90, 0)
    assert real.code.commit is not None
    of_commit = replace(real, id=f"20990101-000000-{real.code.commit[:12]}", seed=1)
    commit_records(lab.repository, [of_commit])
    assert "together with the results of run 20990101" in said(lab.judge(real.id), "gate-with-results")
    lab.commit("later")
    later = lab.commit("training")
    commit_records(lab.repository, [replace(of_commit, id=f"20990102-000000-{later[:12]}", seed=2,
                                            code=replace(real.code, commit=later))])  # fmt: skip
    assert said(lab.judge(real.id), "gate-with-results").count("run ") == 1


def test_a_commit_dated_after_its_runs_is_noted(lab: Lab) -> None:
    """Dates are anybody's word; what comes from what is not."""
    lab.write()
    run_git(lab.top, "add", "-A")
    os.environ["GIT_COMMITTER_DATE"] = "2099-01-01T00:00:00Z"
    try:
        run_git(lab.top, "commit", "-q", "-m", "protocol")
    finally:
        del os.environ["GIT_COMMITTER_DATE"]
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed" and codes(found, "note") == {"dates-disagree"}


def test_a_replaced_or_grafted_history_is_not_believed(lab: Lab) -> None:
    """Neither makes a gate older than it is."""
    first = run_git(lab.top, "rev-parse", "HEAD").strip()
    fixed = lab.fix()
    (lab.top / "train.py").write_text(CHANGED)
    later = lab.commit("code")
    lab.runs(*VALUES)
    run_git(lab.top, "replace", first, later)
    info = lab.top / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "grafts").write_text(f"{later} {first}\n")
    (origin,) = lab.judge().origins
    assert origin.commit == fixed


# --- clones ------------------------------------------------------------------------------------------


def clone(lab: Lab, *options: str) -> Lab:
    """A clone with the ledger in it."""
    where = lab.top.parent / "clone"
    run_git(lab.top, "clone", "-q", *options, f"file://{lab.top}", str(where))
    run_git(where, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    return Lab(where)


def test_a_full_clone_says_the_same(lab: Lab) -> None:
    """The work tree and the cache play no part."""
    lab.fix()
    lab.runs(*VALUES)
    there, here = clone(lab).judge("digits"), lab.judge("digits")
    assert (there.outcome, there.origins, there.figures) == (here.outcome, here.origins, here.figures)


def test_a_bare_clone_judges_too(lab: Lab) -> None:
    """As on a server: there is no gate of today."""
    lab.fix()
    lab.runs(*VALUES)
    bare = lab.top.parent / "bare.git"
    run_git(lab.top, "clone", "-q", "--mirror", ".", str(bare))
    assert Lab(bare).judge("digits").outcome == "passed"


def test_a_shallow_clone_that_has_the_code_knows_that_the_gate_is_in_it(lab: Lab) -> None:
    """Since when it was there is another matter."""
    lab.fix()
    (lab.top / "train.py").write_text(CHANGED)
    commit = lab.commit("code")
    lab.runs(*VALUES)
    found = clone(lab, "--depth", "1").judge("digits")
    assert found.outcome == "passed"
    assert [(origin.commit, origin.cut_off) for origin in found.origins] == [(commit, True)]
    assert codes(found, "note") == {"history-cut-off"}


def test_a_shallow_clone_without_the_code_is_incomplete(lab: Lab) -> None:
    """It cannot tell by which gate to judge, and says so."""
    lab.fix()
    lab.runs(*VALUES)
    (lab.top / "train.py").write_text(CHANGED)
    lab.commit("later")
    found = clone(lab, "--depth", "1").judge("digits")
    assert found.outcome == "incomplete" and found.exit_code == 4
    assert (found.rule, found.figures, len(found.runs)) == (None, None, 3)
    assert said(found, "code-missing").endswith(
        "so that nobody can tell by which gate to judge: run gittrack pull"
    )


def test_a_shallow_clone_without_earlier_code_is_incomplete(lab: Lab) -> None:
    """Whether the protocol was changed after those results is not known."""
    (lab.top / "train.py").write_text(CHANGED)
    lab.fix(threshold=0.99)
    lab.runs(0.5)
    lab.fix()
    lab.runs(*VALUES)
    found = clone(lab, "--depth", "1").judge("digits")
    assert found.outcome == "incomplete" and codes(found, "incomplete") == {"earlier-missing"}
    assert found.figures is not None


def test_a_missing_commit_is_incomplete(lab: Lab) -> None:
    """The tree is there, by another commit; the one that the runs name is not."""
    lab.fix()
    runs = lab.runs(*VALUES)
    spec = "7" * 64
    commit_records(
        lab.repository,
        [
            replace(run, id=f"2099{run.id[4:]}", spec=spec, code=replace(run.code, commit="1" * 40))
            for run in runs
        ],
    )
    found = lab.judge(f"2099{runs[0].id[4:]}")
    assert found.outcome == "incomplete" and codes(found, "incomplete") == {"history-missing"}
    assert "commit 111111111111 is not in this clone" in said(found, "history-missing")


def test_history_reads_each_file_once(lab: Lab) -> None:
    """An experiment of ten thousand runs has a handful of protocols."""
    lab.fix()
    tree = run_git(lab.top, "rev-parse", "HEAD^{tree}").strip()
    with lab.repository.objects() as objects:
        history = History(lab.repository, objects, "digits")
        assert history.rule(tree) is history.rule(tree)
