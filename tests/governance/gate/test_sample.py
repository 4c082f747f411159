"""Which runs are judged: the fixed number, seeds, failed runs, reproductions, declarations."""

from __future__ import annotations

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Failure, Metric
from gittrack.governance.gate.sample import choose
from gittrack.reading.index import open_index
from gittrack.stats.replicates import group_of
from tests.governance.gate.lab import CHANGED, Lab, codes, said
from tests.ledgers import commit_files, in_one_second
from tests.repositories import run_git

VALUES = (0.90, 0.91, 0.92)


@pytest.fixture
def fixed(lab: Lab) -> Lab:
    """Accuracy of at least 0.89 over 3 runs, committed."""
    lab.fix()
    return lab


def test_fewer_runs_than_fixed_do_not_pass(fixed: Lab) -> None:
    """However good they are; it says how many are to go, and how."""
    last = fixed.runs(0.99, 0.98)[-1]
    found = fixed.judge()
    assert found.outcome == "not passed" and found.figures is None
    assert said(found, "too-few-runs") == (
        f"2 of 3 runs; 1 to go: gittrack reproduce {last.id} --seeds new --repeats 1"
    )
    assert fixed.judge(declared="in a hurry").outcome == "not passed"


def test_more_runs_than_fixed_are_refused(fixed: Lab) -> None:
    """They would pass; nobody is told by how much."""
    fixed.runs(*VALUES, 0.93)
    found = fixed.judge()
    assert found.outcome == "refused" and found.exit_code == 1 and found.figures is None
    assert (
        said(found, "too-many-runs") == "4 runs where the protocol fixed 3: that is running until it passes"
    )


def test_a_declaration_judges_all_of_them_and_is_shown(fixed: Lab) -> None:
    """Also the ones that pull it down."""
    fixed.runs(*VALUES, 0.5)
    found = fixed.judge(declared="the fourth was started by mistake")
    assert found.outcome == "not passed"
    assert found.figures is not None and found.figures.interval.n == 4
    assert codes(found, "declared") == {"too-many-runs"}
    assert found.declared == "the fourth was started by mistake"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_declaration_has_a_reason(fixed: Lab, reason: str) -> None:
    """Nothing is no reason."""
    fixed.runs(*VALUES)
    with pytest.raises(UsageError, match="a declaration needs a reason"):
        fixed.judge(declared=reason)


def test_without_a_fixed_number_it_is_refused(lab: Lab) -> None:
    """Nobody can tell whether it was run until it passed."""
    lab.fix(runs=None)
    lab.runs(*VALUES)
    assert codes(lab.judge(), "refused") == {"number-not-fixed"}
    assert lab.judge(declared="old protocol").outcome == "passed"


def test_one_run_has_no_interval(lab: Lab) -> None:
    """Even where one was fixed, and whatever is declared."""
    lab.fix(runs=1)
    lab.run(0.99, 0)
    assert said(lab.judge(declared="x"), "one-run").startswith("one run has no interval")


def test_a_failed_run_means_that_the_number_is_not_reached(fixed: Lab) -> None:
    """It is shown with why it failed, and not dropped."""
    fixed.runs(0.99, 0.98)
    bad = fixed.fail(2)
    found = fixed.judge()
    assert found.outcome == "not passed"
    assert said(found, "too-few-runs") == (
        f"2 of 3 runs; 1 to go; run {bad.id} did not finish, to be run again with the same seed"
    )
    (shown,) = [run for run in found.runs if run.part == "failed"]
    assert (shown.id, shown.says) == (bad.id, "failed: ValueError: no data")


def test_a_failed_run_cannot_be_replaced_by_another_seed(fixed: Lab) -> None:
    """That is one run more than was fixed."""
    fixed.runs(0.90, 0.91)
    fixed.fail(2)
    fixed.run(0.92, 3)
    found = fixed.judge()
    assert said(found, "too-many-runs") == (
        "4 runs where the protocol fixed 3: that is running until it passes (1 of them did not finish)"
    )
    assert fixed.judge(declared="out of memory").outcome == "passed"


@pytest.mark.parametrize("reproduced", [False, True])
def test_a_failed_run_is_mended_by_the_same_seed(fixed: Lab, reproduced: bool) -> None:
    """By hand or by gittrack reproduce; the failure stays in sight."""
    fixed.runs(0.90, 0.91)
    bad = fixed.fail(2)
    again = fixed.rerun(bad, 0.92, 2) if reproduced else fixed.run(0.92, 2)
    found = fixed.judge()
    assert found.outcome == "passed"
    (shown,) = [run for run in found.runs if run.part == "left out"]
    assert (shown.id, shown.says) == (
        bad.id,
        f"failed: ValueError: no data; finished with that seed in {again.id}",
    )


def test_failing_twice_with_one_seed_is_one_try(fixed: Lab) -> None:
    """Still 3 of 3, and still not reached."""
    fixed.runs(0.90, 0.91)
    fixed.fail(2)
    fixed.fail(2)
    found = fixed.judge()
    assert codes(found, "refused") == set() and codes(found, "missed") == {"too-few-runs"}


def test_the_same_seed_again_is_not_a_further_run(fixed: Lab) -> None:
    """The first one counts, be it better or worse."""
    first = fixed.run(0.5, 0)
    again = fixed.run(0.99, 0)
    fixed.runs(0.91, 0.92, first=1)
    found = fixed.judge()
    assert found.outcome == "not passed" and found.judged[0].id == first.id
    assert [(run.id, run.says) for run in found.runs if run.part == "left out"] == [
        (again.id, f"same seed as {first.id}")
    ]


def test_reproductions_with_the_same_seed_are_left_out_by_name(fixed: Lab) -> None:
    """They show that it can be had again, and are no further runs."""
    runs = fixed.runs(*VALUES)
    again = [fixed.rerun(run, 0.5, run.seed) for run in runs]
    found = fixed.judge(runs[0].id)
    assert found.outcome == "passed"
    assert {run.id: run.says for run in found.runs if run.part == "left out"} == {
        b.id: f"reproduces {a.id} with the same seed" for a, b in zip(runs, again, strict=True)
    }


def test_reruns_of_one_seed_are_no_sample(fixed: Lab) -> None:
    """One run and its reproductions are one run; so are three that say the same seed, unless declared."""
    first = fixed.run(0.90, 7)
    fixed.rerun(first, 0.91, 7)
    assert said(fixed.judge(), "too-few-runs").startswith("1 of 3 runs; 2 to go")
    fixed.run(0.92, 7)
    fixed.run(0.91, 7)
    found = fixed.judge(first.id)
    assert codes(found, "refused") == {"nothing-varied"} and found.varied == "nothing"
    assert fixed.judge(first.id, declared="the training has no randomness").outcome == "passed"


def test_runs_without_a_seed_are_judged_with_a_word(fixed: Lab) -> None:
    """They may well be independent, which the record does not say."""
    for value in VALUES:
        fixed.run(value)
    found = fixed.judge()
    assert found.outcome == "passed" and found.varied == "not recorded"
    assert codes(found, "note") == {"seed-not-recorded"}


def test_runs_without_a_seed_that_failed_count_each(fixed: Lab) -> None:
    """Nothing says which of them was run again."""
    for value in VALUES:
        fixed.run(value)
    fixed.fail()
    assert codes(fixed.judge(), "refused") == {"too-many-runs"}


def test_identical_values_without_a_seed_are_no_sample(fixed: Lab) -> None:
    """The seed lies in the script, then."""
    for _ in range(3):
        fixed.run(0.9)
    assert codes(fixed.judge(), "refused") == {"nothing-varied"}


def test_some_with_and_some_without_a_seed(fixed: Lab) -> None:
    """Nobody can tell which of them are alike."""
    fixed.runs(0.90, 0.91)
    first, second = fixed.run(0.92), fixed.run(0.99)
    found = fixed.judge()
    assert codes(found, "refused") == {"seeds-mixed"}
    assert [(run.id, run.says) for run in found.runs if run.part == "left out"] == [
        (second.id, f"states no seed, as {first.id}")
    ]


def test_splits_are_named(fixed: Lab) -> None:
    """What was varied is said."""
    for split, value in enumerate(VALUES):
        fixed.run(value, 0, seeds={"split": split})
    assert fixed.judge().varied == "data split"


# --- fresh seeds ---------------------------------------------------------------------------------


def test_new_seeds_of_reproduce_are_runs_like_others(fixed: Lab) -> None:
    """One run, and two more of the same on new seeds."""
    first = fixed.run(0.90, 0)
    for seed, value in ((1, 0.91), (2, 0.92)):
        fixed.rerun(first, value, seed)
    assert fixed.judge().outcome == "passed"


def test_new_seeds_after_a_full_sample_change_no_verdict(fixed: Lab) -> None:
    """They came after it: neither to save it nor to spoil it."""
    first = fixed.runs(*VALUES)[0]
    for seed in (10, 11, 12):
        fixed.rerun(first, 0.1, seed)
    found = fixed.judge()
    assert found.outcome == "passed" and len(found.judged) == 3
    assert {run.says for run in found.runs if run.part == "left out"} == {
        "made after the 3 that the protocol fixed"
    }


def test_fresh_seeds_are_judged_alone(fixed: Lab) -> None:
    """The runs that chose the winner do not count, and what they gave is said."""
    first = fixed.run(0.99, 0)
    fixed.rerun(first, 0.99, 0)
    for seed, value in zip((10, 11, 12), VALUES, strict=True):
        fixed.rerun(first, value, seed)
    found = fixed.judge("digits", fresh=True)
    assert found.outcome == "passed"
    assert [run.record.seed for run in found.judged] == [10, 11, 12]
    assert said(found, "first-seeds") == "not judged: 1 run on first seeds, mean accuracy 0.99"
    assert [run.says for run in found.runs if run.part == "left out"] == [
        "not made by gittrack reproduce",
        f"reproduces {first.id} without a fresh seed",
    ]


def test_fresh_needs_as_many_runs(fixed: Lab) -> None:
    """None so far."""
    last = fixed.runs(*VALUES)[-1]
    assert said(fixed.judge(fresh=True), "too-few-runs") == (
        f"0 of 3 runs on fresh seeds; 3 to go: gittrack reproduce {last.id} --seeds new --repeats 3"
    )


def test_fresh_seeds_are_not_run_until_they_pass_either(fixed: Lab) -> None:
    """More than were fixed."""
    first = fixed.run(0.99, 0)
    for seed in (10, 11, 12, 13):
        fixed.rerun(first, 0.9 + seed / 1000, seed)
    assert codes(fixed.judge(fresh=True), "refused") == {"too-many-runs"}


def test_fresh_seeds_are_no_second_try(fixed: Lab) -> None:
    """A full sample that missed has missed."""
    first = fixed.runs(0.80, 0.81, 0.82)[0]
    for seed, value in zip((10, 11, 12), VALUES, strict=True):
        fixed.rerun(first, value, seed)
    found = fixed.judge(fresh=True)
    assert found.outcome == "refused" and codes(found, "refused") == {"second-try"}
    assert said(found, "second-try").endswith("they were a full sample of this gate, and miss it")


def test_fresh_seeds_confirm_a_sample_that_passed(fixed: Lab) -> None:
    """As after a choice among many."""
    first = fixed.runs(*VALUES)[0]
    for seed, value in zip((10, 11, 12), VALUES, strict=True):
        fixed.rerun(first, value, seed)
    assert fixed.judge(fresh=True).outcome == "passed"


def test_a_fresh_run_that_failed_is_missed(fixed: Lab) -> None:
    """As any other."""
    first = fixed.run(0.99, 0)
    fixed.rerun(first, 0.90, 10)
    fixed.rerun(first, 0.91, 11)
    failed = Failure(type="exit", message="1")
    fixed.rerun(first, 0.0, 12, status="failed", failure=failed, metrics={})
    assert codes(fixed.judge(fresh=True), "missed") == {"too-few-runs"}


# --- names -----------------------------------------------------------------------------------------


def test_an_experiment_means_the_spec_of_its_newest_run(fixed: Lab) -> None:
    """The other specs are counted: the best of several looks better than it is."""
    fixed.runs(*VALUES)
    (fixed.top / "train.py").write_text(CHANGED)
    fixed.commit("change")
    last = fixed.runs(*VALUES)[-1]
    found = fixed.judge("digits")
    assert (found.run, found.others, len(found.runs)) == (last.id, 1, 3)
    assert "2 specs were tried in digits" in said(found, "selection")
    assert found.outcome == "passed"


def test_a_commit_means_its_runs_if_they_have_one_spec(fixed: Lab) -> None:
    """As a CI job knows it."""
    fixed.runs(*VALUES)
    commit = run_git(fixed.top, "rev-parse", "HEAD").strip()
    assert fixed.judge(commit).outcome == "passed"
    fixed.run(0.9, 0, params={"lr": 1})
    with pytest.raises(NotFoundError, match="is a commit with 4 runs: name one"):
        fixed.judge(commit)


@pytest.mark.parametrize("name", ["latest", "nonsense", "\x1b[31m"])
def test_no_such_run(fixed: Lab, name: str) -> None:
    """One clear line."""
    with pytest.raises(NotFoundError, match="no run"):
        fixed.judge(name)


def test_a_damaged_record_may_belong_to_the_sample(fixed: Lab) -> None:
    """So that it is not known whether it passes."""
    last = fixed.runs(*VALUES)[-1]
    bad = "20260101-000000-abcdef"
    commit_files(fixed.repository, {f"runs/digits/2026-01-01/{bad}/run.yaml": b"schema: [\n"})
    found = fixed.judge(last.id)
    assert found.outcome == "incomplete" and found.exit_code == 4
    assert bad in said(found, "damaged-records")


def test_of_runs_of_one_second_the_first_on_the_ledger_counts(fixed: Lab) -> None:
    """Neither a clock's fraction of a second nor the random end of an id says which was first."""
    record = fixed.run(0.90, 0)
    changes = [
        {"seed": seed, "metrics": {"accuracy": Metric(value=v)}}
        for seed, v in ((1, 0.91), (1, 0.5), (2, 0.92))
    ]
    copies = in_one_second(fixed.repository, record, *changes)
    found = fixed.judge(declared="one seed ran twice")
    assert [run.id for run in found.runs if run.part == "judged"] == [record.id, copies[0].id, copies[2].id]
    with open_index(fixed.top) as index:
        chosen = choose(group_of(index, index.one("latest")), "accuracy")
    assert [run.id for run in chosen.attempts] == [record.id, copies[0].id, copies[2].id]
