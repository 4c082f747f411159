"""Runs of one spec are grouped, kinds of variance are kept apart, nothing is dropped unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import NotFoundError, RecordError
from gittrack.formats.record import Code, Metric, Record
from gittrack.formats.spec import seed_key
from gittrack.git.repository import Repository
from gittrack.reading.index import open_index
from gittrack.stats.replicates import (
    Group,
    damaged_runs,
    final_value,
    group_of,
    groups_of,
    named_groups,
    own_params,
    told_apart,
)
from tests.ledgers import commit_files, commit_records, make_record
from tests.tables import rows


def group(*runs: Record) -> Group:
    return Group("digits", "4" * 64, runs)


def seeded(*seeds: int | None, **changes: Any) -> Group:
    return group(*(make_record(n, seed=seed, **changes) for n, seed in enumerate(seeds)))


@rows(
    ("seeds", "varied", "count"),
    [
        ((1, 2, 3), "seed", 3),
        ((1, 1, 1), "nothing", 3),
        ((1,), "nothing", 1),
        ((None, None), "not recorded", 2),
        ((None,), "not recorded", 1),
        ((1, 1, 2), "seed", 2),
        ((1, None), "seed", 2),
    ],
)
def test_what_was_varied(seeds: tuple[int | None, ...], varied: str, count: int) -> None:
    """The sample across seeds has one run of each, and says in what they differ."""
    across = seeded(*seeds).across
    assert (across.varied, len(across.runs)) == (varied, count)


@rows(
    ("names", "varied"),
    [
        (["split"], "data split"),
        (["cv.fold"], "data split"),
        (["data_seed"], "data split"),
        (["init"], "seed"),
        (["init", "split"], "seed and data split"),
        (["splitting"], "seed"),
    ],
)
def test_named_seeds_tell_splits_from_initialisations(names: list[str], varied: str) -> None:
    """By the words of their names."""
    runs = [make_record(n, seed=0, seeds=dict.fromkeys(names, n)) for n in range(3)]
    assert group(*runs).across.varied == varied


def test_reruns_of_one_seed_are_samples_of_their_own() -> None:
    """They are not independent, and never in the sample across seeds but for the first."""
    found = seeded(1, 2, 1, 3, 1, None, None)
    assert [run.seed for run in found.across.runs] == [1, 2, 3, None]
    assert [(sample.varied, len(sample.runs)) for sample in found.reruns] == [
        ("nothing", 3),
        ("not recorded", 2),
    ]
    assert seeded(1, 1).reruns == ()


def test_runs_that_failed_are_kept_apart() -> None:
    """In the group, in no sample."""
    found = group(
        make_record(1, seed=1),
        make_record(2, seed=2, status="failed"),
        make_record(3, seed=3, status="killed"),
    )
    assert [run.status for run in found.failed] == ["failed", "killed"]
    assert len(found.across.runs) == 1


@rows(
    ("metric", "value"),
    [
        (Metric(value=1), 1.0),
        (Metric(status="nan"), None),
        (Metric(status="inf"), None),
        (Metric(value=10**400), None),
        (None, None),
    ],
)
def test_only_finite_values_are_values(metric: Metric | None, value: float | None) -> None:
    """Each run is in `values` or in `without`."""
    run = make_record(1, metrics={} if metric is None else {"acc": metric})
    assert final_value(run, "acc") == value
    sample = group(run).across
    assert sample.values("acc") == ([] if value is None else [value])
    assert sample.without("acc") == ([run.id] if value is None else [])


def test_the_key_of_a_run_is_its_seeds() -> None:
    """In any order of names."""
    one, two = make_record(1, seed=1, seeds={"a": 1, "b": 2}), make_record(2, seed=1, seeds={"b": 2, "a": 1})
    assert seed_key(one) == seed_key(two) != seed_key(make_record(3, seed=1))


def test_groups_are_told_apart_by_parameters_or_code() -> None:
    """Seeds are no difference."""
    params = [{"lr": 0.1, "net": {"depth": 2}, "seed": 1}, {"lr": 0.1, "net": {"depth": 3}, "seed": 2}]
    one, two = (group(make_record(n, params=each)) for n, each in enumerate(params))
    assert told_apart([one, two]) == [{"net.depth": 2}, {"net.depth": 3}]
    assert own_params(one) == {"lr": 0.1, "net.depth": 2}
    other = group(
        make_record(3, params=params[0], code=Code(commit="5" * 40, tree="6" * 40, command=("train",)))
    )
    assert told_apart([one, other]) == [{"code": "1111111"}, {"code": "5555555"}]
    assert told_apart([one]) == [{}]


def test_groups_of_a_script_that_logs_no_parameters() -> None:
    """Their commands tell them apart, but for the seed."""
    code = [
        Code(tree="2" * 40, command=("python", "t.py", "--lr", lr, "--seed", lr[-1])) for lr in ("0.1", "0.3")
    ]
    groups = [group(make_record(n, code=each)) for n, each in enumerate(code)]
    assert told_apart(groups) == [{"command": "--lr 0.1"}, {"command": "--lr 0.3"}]


def test_a_parameter_that_one_group_lacks_tells_them_apart() -> None:
    """It is named where it is."""
    one, two = group(make_record(1, params={"momentum": None})), group(make_record(2))
    assert told_apart([one, two])[0] == {"momentum": None}


# --- on a ledger ----------------------------------------------------------------------------------


@pytest.fixture
def ledger(project: Path) -> Repository:
    """Two specs in one experiment, one of them in another one too, and a damaged record."""
    repository = Repository.discover(project)
    commit_records(
        repository,
        [
            *(make_record(n, seed=n, spec="aa" * 32) for n in range(3)),
            make_record(3, seed=9, spec="ab" * 32, status="failed"),
            make_record(4, seed=9, spec="ab" * 32, experiment="other"),
        ],
    )
    folder = "runs/digits/2026-11-22/20261122-010101-dddddd"
    commit_files(repository, {f"{folder}/run.yaml": b"schema: gittrack/run/1\n"})
    return repository


def test_groups_of_an_experiment(ledger: Repository) -> None:
    """Oldest first; damaged records belong to none, and are named."""
    with open_index(ledger) as index:
        found = groups_of(index, "digits")
        assert [(each.spec[:2], len(each.runs)) for each in found] == [("aa", 3), ("ab", 1)]
        assert [run.seed for run in found[0].runs] == [0, 1, 2]
        assert damaged_runs(index, ["digits", "other", "digits"]) == ["20261122-010101-dddddd"]
        with pytest.raises(NotFoundError, match="there are digits, other"):
            groups_of(index, "none")
        assert groups_of(index, "digits", "seed > 1")[0].runs[0].seed == 2


def test_groups_by_any_name(ledger: Repository) -> None:
    """A run stands for its spec in its experiment, a spec for itself, an experiment for all of its own."""
    with open_index(ledger) as index:
        assert len(named_groups(index, "digits")) == 2
        (one,) = named_groups(index, "100001")
        assert len(one.runs) == 3
        assert named_groups(index, "aaaa")[0].spec == "aa" * 32
        assert [each.experiment for each in named_groups(index, "abab")] == ["digits", "other"]
        (last,) = named_groups(index, "other/latest")
        assert last.experiment == "other"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ffff", "no run, experiment or spec 'ffff'"),
        ("nothing", "no run, experiment or spec 'nothing'"),
        ("aa", "no run, experiment or spec 'aa'"),
        ("x/latest", "no experiment 'x'"),
    ],
)
def test_names_that_nothing_has(ledger: Repository, name: str, message: str) -> None:
    """One line that says what may be named."""
    with open_index(ledger) as index, pytest.raises(NotFoundError, match=message):
        named_groups(index, name)


def test_a_damaged_run_has_no_group(ledger: Repository) -> None:
    """Its fault is said."""
    with open_index(ledger) as index:
        row = index.one("dddddd")
        with pytest.raises(RecordError, match="required"):
            group_of(index, row)
