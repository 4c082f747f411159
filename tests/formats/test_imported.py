"""Records of imported runs: what may be left out, and the id that follows from the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gittrack.errors import RecordError
from gittrack.formats.codec import dump_imported, dump_record, judge_record
from gittrack.formats.imported import import_id
from gittrack.formats.record import Code, Dataset, EnvironmentSummary, Imported, Record
from gittrack.formats.spec import spec_of
from tests.ledgers import make_import, make_record
from tests.tables import rows

CODE = Code(commit="1" * 40, tree="2" * 40)


@rows(
    "changes",
    [
        {"author": None},
        {"environment": None},
        {"started": None},
        {"code": replace(CODE, tree=None)},
        {"code": replace(CODE, dirty=None)},
        {"code": replace(CODE, cwd=None)},
        {"code": replace(CODE, commit=None)},
    ],
)
def test_only_an_imported_run_may_leave_it_out(changes: dict[str, Any]) -> None:
    """What gittrack saw itself is stated of every run that it saw."""
    with pytest.raises(RecordError):
        dump_record(make_record(**changes))
    dump_record(make_import(**changes))


def test_the_id_is_the_start_and_a_digest_of_the_rest() -> None:
    """The same run gives the same bytes, whoever imports it; another word gives another id."""
    record = make_import(started="2025-01-02T03:04:05.600000Z", datasets=(Dataset(name="mnist"),))
    data = dump_record(record)
    assert record.id.startswith("20250102-030405-")
    assert dump_imported(replace(record, id="20261122-142233-7f3a2c")) == (record, data)
    assert import_id(data, record.started) == record.id
    assert make_import(started=record.started, datasets=(Dataset(name="cifar"),)).id != record.id
    assert make_import().id.startswith("19700101-000000-")


def test_it_reads_back_in_canonical_form() -> None:
    """With nothing known of it, and with an environment that the source states."""
    around = EnvironmentSummary(sha256="3" * 64, python="3.9")
    numeric = make_import(name="168")  # YAML quotes an id that looks like a number
    assert numeric.id.endswith("-0669e0671321")
    for record in (make_import(), make_import(environment=around), numeric):
        assert judge_record(dump_record(record), "x") == (record, True)


def test_one_run_of_a_tracker_is_one_execution() -> None:
    """A later import of it takes its place, whatever its commit and start; that of another run does not."""
    first = make_import("a", status="unknown")
    assert make_import("a", started="2025-01-02T03:04:05.000000Z").succeeds(first)
    assert not make_import("b").succeeds(first)
    assert not replace(make_import("a"), imported=Imported(system="wandb", id="a", digest="5" * 64)).succeeds(
        first
    )
    assert not make_record().succeeds(first)


def test_runs_that_differ_in_their_seed_are_replicates() -> None:
    """Also where a tracker keeps it as text; other code, entry, params or datasets are not."""

    def spec(**changes: Any) -> str:
        return spec_of(make_import(**{"code": known, **changes}))

    known = Code(commit="1" * 40, dirty=None, cwd=None, entry="train.py")
    specs = [
        spec(params={"seed": "1", "lr": "0.1"}),
        spec(params={"seed": "1", "lr": "0.2"}),
        spec(params={"seed": "one", "lr": "0.1"}),
        spec(params={"lr": "0.1"}, code=replace(known, commit="2" * 40)),
        spec(params={"lr": "0.1"}, code=replace(known, entry="other.py")),
        spec(params={"lr": "0.1"}, datasets=(Dataset(name="mnist", digest="1"),)),
        spec(params={"lr": "0.1"}, datasets=(Dataset(name="mnist", digest="2"),)),
    ]
    assert len({*specs}) == len(specs)
    assert spec(params={"seed": "22", "lr": "0.1"}) == specs[0] == spec(params={"seed": 3, "lr": "0.1"})


def test_the_spec_of_an_observed_run_is_what_it_was() -> None:
    """Records that lie on ledgers keep theirs."""
    record: Record = make_record(params={"lr": 0.1, "seed": 1})
    assert spec_of(record) == "2043864769532788b2f65f3bd2a38f5e55d57d901b91e5eaba3d5c2551380c29"
