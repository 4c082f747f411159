"""Many runs: other processes, and records that are read again, change no finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.formats import codec
from gittrack.verify import records as records_module
from gittrack.verify import runs as runs_module
from gittrack.verify import verify
from tests.ledgers import commit_files
from tests.verify.contexts import FORGED, Honest, opened


def forged(honest: Honest) -> None:
    """Runs of which one has another metric than its series, one no series, and one is no record."""
    files: dict[str, bytes] = {}
    for number in range(7):
        run_id = f"{honest.clean.id[:-6]}{number:06x}"
        record = replace(honest.clean, id=run_id)
        beside = dict(honest.files(honest.clean))
        beside["run.yaml"] = codec.dump_record(record)
        if number == 2:
            beside["run.yaml"] = beside["run.yaml"].replace(b"value: 0.4", b"value: 0.9")
        if number == 4:
            del beside["metrics.csv"]
        if number == 5:
            beside["run.yaml"] = b"schema: gittrack/run/1\n"
        files |= {f"{record.path}/{name}": data for name, data in beside.items()}
    commit_files(honest.repository, files, branch=FORGED, keep=False)


def test_other_processes_find_the_same(honest: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    forged(honest)
    with opened(honest.repository, FORGED) as context:
        alone = list(runs_module.check_runs(context))
    monkeypatch.setattr(runs_module, "MANY", 1)
    monkeypatch.setattr(runs_module, "PART", 2)
    seen: list[tuple[int, int]] = []
    with opened(honest.repository, FORGED) as context:
        together = list(runs_module.check_runs(context, lambda done, total: seen.append((done, total))))
        starts = dict(context.records.starts)
        assert {record.id for record in context.records.values()} == {s.rsplit("/", 1)[1] for s in starts}
    assert together == alone
    assert {"record-metrics", "record-file-missing", "record-unreadable"} <= {f.code for f in together}
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert len(starts) == 6


def test_records_are_read_again_when_they_are_many(honest: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a record gets it, though only the last are kept."""
    forged(honest)
    monkeypatch.setattr(records_module, "KEPT", 2)
    with opened(honest.repository, FORGED) as context:
        list(runs_module.check_runs(context))
        records = context.records
        assert len(records) == 6
        for folder, record in records.items():
            assert record.path == folder
        with pytest.raises(KeyError):
            records["runs/digits/2026-01-01/20260101-000000-000000"]


def test_a_whole_ledger_passes_on_all_cores(
    honest: Honest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = verify(honest.repository)
    monkeypatch.setattr(runs_module, "MANY", 1)
    after = verify(honest.repository)
    assert (after.outcome, after.findings) == (before.outcome, before.findings)
