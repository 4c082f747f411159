"""From samples in a journal to the record: totals that say which time they are of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gittrack
from gittrack import cli
from gittrack.formats.record import Record
from gittrack.formats.system import Energy, GpuUse, SystemUse
from gittrack.recording.finish import keep_series
from gittrack.recording.system.totals import write_system
from gittrack.verify.series import check_system
from tests.ledgers import file_of

GPUS = {"gpu.0": {"name": "H100", "uuid": "GPU-a"}, "gpu.1": {"name": "H100", "uuid": "GPU-b"}}
HEAD: dict[str, Any] = {
    "every": 10.0, "limits": {"memory_limit": 1 << 33, "cpu_limit": 4.0},
    "rapl": {"package.0": "package-0"}, "gpus": {}, "has_processes": True,
}  # fmt: skip


def write(
    folder: Path, rows: Iterable[tuple[float, float | None, Mapping[str, Any]]], number: int = 0, **head: Any
) -> None:
    text = [json.dumps({**HEAD, **head}), *map(json.dumps, rows)]
    (folder / f"system-{number:03d}-7.jsonl").write_text("\n".join(text) + "\n")


def use_of(folder: Path, until: float = 1e9) -> SystemUse:
    written = write_system(folder, until)
    assert written is not None
    return written[1]


def test_totals_are_of_what_was_observed(tmp_path: Path) -> None:
    """A second attempt goes on with the sums; the time between the two is nobody's."""
    write(tmp_path, [
        (10, None, {"processes.memory_bytes": 5}),
        (20, 10, {"processes.memory_bytes": 9, "processes.cpu_percent": 180.0, "package.0.energy_j": 3600}),
        (30, 10, {"processes.memory_bytes": 7, "package.0.energy_j": 3600}),
    ])  # fmt: skip
    write(tmp_path, [
        (500, None, {"processes.memory_bytes": 6}),
        (510, 10, {"processes.cpu_percent": 180.0}),
        (900, 390, {"processes.cpu_percent": 999.0}),
    ], number=1)  # fmt: skip
    assert use_of(tmp_path, until=600.0) == SystemUse(
        every_s=10.0, samples=5, from_s=10, to_s=510, over_s=30.0, peak_memory=9, memory_limit=1 << 33,
        cpu_hours=0.01, cpu_over_s=20.0, cpu_limit=4.0, energy_kwh=0.002,
        energy=(Energy(device="package-0", counter="rapl", kwh=0.002, over_s=20.0),),
    ), "what was sampled after the end, in a notebook say, is not of the run"  # fmt: skip


def test_gpus_count_while_a_process_of_the_run_is_on_them(tmp_path: Path) -> None:
    """The energy of a GPU that others use is not that of the run, nor that while the run was not on it."""

    def row(at: float, seconds: float | None, on: int) -> tuple[float, float | None, dict[str, Any]]:
        own = {"percent": 50, "memory_bytes": at, "energy_j": 36_000, "processes": on}
        other = {"percent": 100, "energy_j": 36_000, "processes": 0}
        columns = {f"gpu.0.{name}": value for name, value in own.items()}
        return at, seconds, columns | {f"gpu.1.{name}": value for name, value in other.items()}

    write(tmp_path, [row(10, None, 0), row(370, 360, 1), row(730, 360, 0)], gpus=GPUS)
    use = use_of(tmp_path)
    gpu = GpuUse(name="H100", uuid="GPU-a", over_s=720, hours=0.1, mean_percent=50, peak_memory=730)
    assert (use.gpus, use.gpu_hours, use.gpu_hours_by) == ((gpu,), 0.1, "processes")
    assert use.energy == (Energy(device="gpu 0", counter="nvml", kwh=0.01, over_s=360),)


def test_gpus_of_a_container_count_by_what_it_was_shown(tmp_path: Path) -> None:
    """One that answers no more counts no further. Of what works elsewhere nothing is known of its GPUs."""
    rows = [(10, None, {"gpu.0.percent": 1, "gpu.1.percent": 1}), (370, 360, {"gpu.0.percent": 1})]
    write(tmp_path, rows, gpus=GPUS)
    use = use_of(tmp_path)
    assert (use.gpu_hours, use.gpu_hours_by, [gpu.hours for gpu in use.gpus]) == (0.1, "shown", [0.1, 0.0])
    write(tmp_path, rows, gpus=GPUS, has_processes=False)
    use = use_of(tmp_path)
    assert (use.gpu_hours, use.gpu_hours_by, [gpu.hours for gpu in use.gpus]) == (None, None, [None, None])


def test_a_long_series_is_kept_whole_elsewhere_and_sampled_in_git(tmp_path: Path) -> None:
    """As that of the metrics is: whoever reads the ledger sees its peaks."""
    write(tmp_path, [(at * 10, 10, dict.fromkeys("abc", 10**9 + at << 20)) for at in range(20_000)])
    written = write_system(tmp_path, 1e9)
    assert written is not None
    files: dict[str, bytes] = {}
    series = keep_series(written[0], files, lambda path: ("0" * 32, path.name.encode()))
    assert (series.rows, series.pointer) == (20_000, "outputs/_gittrack/system.csv.dvc")
    assert files["outputs/_gittrack/system.csv.dvc"] == b"system.csv"
    assert (
        0 < len(files["system.csv"]) < 1 << 20 and f"{(10**9 + 19_999) << 20}".encode() in files["system.csv"]
    )


def test_nothing_sampled_is_nothing_said(tmp_path: Path) -> None:
    """Also where a full disk left an empty file, or half a line."""
    assert write_system(tmp_path, 1.0) is None
    for text in ("", '{"every', json.dumps(HEAD) + "\n"):
        (tmp_path / "system-000-7.jsonl").write_text(text)
        assert write_system(tmp_path, 1.0) is None


def recorded(inside: Path, peak: int) -> Record:
    with gittrack.start_run("x", params={"lr": 0.1}, system_metrics=False) as run:
        assert run._journal is not None
        run._t0 -= 100
        write(run._journal.folder, [
            (10, None, {"processes.memory_bytes": peak}), (70, 60, {"processes.memory_bytes": 1}),
        ])  # fmt: skip
    assert run.record is not None
    return run.record


def test_verify_holds_the_totals_to_the_series(inside: Path) -> None:
    """Of a record whose totals somebody has raised."""
    record = recorded(inside, 5 * 10**9)
    use = record.system_use
    assert use is not None
    data = file_of(inside, record, "system.csv").encode()
    assert [*check_system(record, data)] == []
    forged = replace(record, system_use=replace(use, samples=3, peak_memory=4))
    assert [fault[1:] for fault in check_system(forged, data)] == [
        ("the totals are not those of system.csv: samples", "3", "2"),
        ("the totals are not those of system.csv: peak memory", "4", "5000000000"),
    ]
    assert [fault[0] for fault in check_system(record, data[:-4])] == ["record-series"]
    assert [fault[0] for fault in check_system(record, data.replace(b"5000000000", b"x"))] == [
        "record-system"
    ]


def test_a_record_is_read_by_all_that_read_records(inside: Path, capsys: Any, monkeypatch: Any) -> None:
    """verify passes, log lists, sorts and filters, show says it; it is no difference of two runs."""
    monkeypatch.setenv("COLUMNS", "200")
    first, second = recorded(inside, 5 * 10**9), recorded(inside, 7 * 10**9)
    assert first.spec == second.spec
    assert file_of(inside, first, "system.csv").splitlines() == [
        "step,time,processes.memory_bytes", ",10.000,5000000000", ",70.000,1",
    ]  # fmt: skip
    assert cli.execute(["verify", "-q"]) == 0
    capsys.readouterr()
    assert (
        cli.execute(["log", "-F", "peak_memory > 6e9", "--sort-by", "peak_memory", "--keep", "gpu_hours"])
        == 0
    )
    out = capsys.readouterr().out
    assert second.id in out and first.id not in out and "7 GB" in out
    assert cli.execute(["log", "--csv"]) == 0
    header, newest, _ = capsys.readouterr().out.splitlines()
    assert dict(zip(header.split(","), newest.split(","), strict=True))["peak_memory"] == "7000000000"
    assert cli.execute(["show", "latest"]) == 0
    assert re.search("peak memory +7 GB +limit 8.59 GB, of the run's processes", capsys.readouterr().out)
    assert cli.execute(["diff", first.id, second.id]) in (0, 1)
    assert "memory" not in capsys.readouterr().out
