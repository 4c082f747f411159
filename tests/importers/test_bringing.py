"""Runs of another tracker on the ledger: once each, as they were, parents before children."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.record import Metric, Record
from gittrack.importers import bringing, points, reading
from gittrack.importers.foreign import (
    Curve,
    Dataset,
    Final,
    ForeignCode,
    ForeignEnvironment,
    ForeignFile,
    Loss,
    Skipped,
    TextPoint,
)
from gittrack.workers import cores
from tests.importers.sources import START, Importer, curve, importer, make_run
from tests.ledgers import file_of, journals, records
from tests.repositories import run_git
from tests.tables import rows
from tests.verify.contexts import sha256


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Importer:
    return importer(tmp_path, monkeypatch)


def losses(record: Record) -> dict[str, str]:
    return {loss.what: loss.why for loss in record.not_recorded}


def test_a_run_is_on_the_ledger_as_its_source_has_it(bring: Importer) -> None:
    """All that a source can say, by name; verify holds it to what can be checked."""
    loss = curve("loss", 1.5, math.nan, -math.inf, times=[START, START + 0.25, START + 0.5])
    acc = curve("acc, %", 0.1, 0.3, 0.2, times=loss.times, axis="loss")
    run = make_run(
        "r/1",
        system_version="2.1",
        experiment="probe é/sub",
        name="bright\nfox",
        status="running",
        started=START,
        ended=START + 60.5,
        note="why",
        tags={"stage": "tuning", "api_key": "sk-abcdefghijklmnopqrstuvwx"},
        labels=("a", "b"),
        group="g",
        job_type="train",
        params={"lr": 0.1, "net": {"layers": [1, 2]}, "seed": "7", "password": "hunter2hunter2"},
        finals={"acc, %": Final(rule="max"), "best": Final(rule="given", value=9.0)},
        curves=lambda: iter([loss, acc]),
        texts=lambda: iter([TextPoint(name="sample", text="seven", step=0.5, time=START + 1)]),
        system_curves=lambda: iter([curve("gpu.0", 10.0, 20.0)]),
        code=ForeignCode(
            commit="A" * 40, remote="https://bob:pw@example.org/a.git", command=("python", "/home/bob/t.py")
        ),
        environment=ForeignEnvironment(python="3.9.1", cpu="Zen", host="bob-laptop"),
        datasets=[Dataset(name="mnist", digest="1", source="/home/bob/mnist")],
        files=[
            ForeignFile(
                path="model/w.bin", kind="model", content=b"weights",
                name="net", version="v3", aliases=("best",),
            ),
            ForeignFile(path="log.txt", kind="console", content=b"epoch 1\nepoch 2\n"),
            ForeignFile(path="requirements.txt", kind="requirements", content=b"NumPy==1.26\nplain\n"),
            ForeignFile(path="far.bin", kind="artifact", missing="it lies in s3://b", digest="md5:12"),
        ],
        lost=[Loss(what="histograms", why="no place", count=3)],
    )  # fmt: skip
    brought = bring(run)
    (record,) = records(bring.top)
    imported = record.imported
    assert imported is not None
    assert (imported.system, imported.version, imported.id, imported.status) == (
        "table",
        "2.1",
        "r/1",
        "running",
    )
    assert (imported.note, imported.labels, imported.group, imported.job_type) == (
        "why",
        ("a", "b"),
        "g",
        "train",
    )
    assert (record.experiment_name, record.name, record.status) == ("probe é/sub", "bright fox", "killed")
    assert (record.started, record.duration_s, record.author) == ("2023-11-14T22:13:20.000000Z", 60.5, None)
    assert record.tags == {"stage": "tuning", "api_key": "***"}
    assert record.params == {"lr": 0.1, "net": {"layers": [1, 2]}, "seed": "7", "password": "***"}
    assert record.seed == 7
    assert record.metrics["acc, %"] == Metric(value=0.3, step=1, rule="max")
    assert record.metrics["best"] == Metric(value=9.0, rule="given")
    assert record.metrics["loss"] == Metric(status="-inf", step=2, rule="last")
    series = record.series
    assert series is not None
    assert series.axes == {"acc, %": "loss"}
    assert file_of(bring.top, record, "metrics.csv").splitlines()[1:] == [
        "0,0.000,1.5,0.1", "1,0.250,nan,0.3", "2,0.500,-inf,0.2",
    ]  # fmt: skip
    assert '"text":"seven"' in file_of(bring.top, record, "texts.jsonl")
    assert file_of(bring.top, record, "console.txt") == "epoch 1\nepoch 2\n"
    assert (record.code.commit, record.code.remote) == ("a" * 40, "https://example.org/a.git")
    assert record.code.command == ("python", "t.py")
    assert record.environment is not None
    assert record.environment.python == "3.9.1"
    assert 'numpy: "1.26"' in file_of(bring.top, record, "environment.yaml")
    outputs = {output.path: output for output in record.outputs}
    assert {*outputs} == {"model/w.bin", "requirements.txt"}
    assert file_of(bring.top, record, "system.csv") == "step,time,gpu.0\n0,,10.0\n1,,20.0\n"
    model = outputs["model/w.bin"]
    assert (model.name, model.version, model.aliases, model.sha256) == (
        "net",
        "v3",
        ("best",),
        sha256(b"weights"),
    )
    cache = bring.repository.state_dir / "dvc/cache/files/md5" / model.md5[:2] / model.md5[2:]
    assert cache.read_bytes() == b"weights"
    assert losses(record).keys() == {"histograms", "output far.bin (md5:12)", "dataset mnist: source"}
    assert "bob" not in run_git(bring.top, "show", f"gittrack/runs:{record.path}/run.yaml")
    assert brought.lost["histograms", "no place"] == [1, 3]
    assert not journals(bring.top)


def test_verify_passes_and_commands_read_it(bring: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a series too large for git, too, of which a sample lies beside the record."""
    values = [at / 3 for at in range(70_000)]
    bring(make_run(started=START, curves=lambda: iter([curve("loss", *values), curve("acc", 1.0)])))
    monkeypatch.chdir(bring.top)
    assert execute(["verify", "-q"]) == 0
    assert execute(["log"]) == execute(["show", "a"]) == 0
    series = records(bring.top)[0].series
    assert series is not None
    assert (series.rows, series.pointer is not None) == (70_001, True)


def test_a_second_import_adds_nothing(bring: Importer) -> None:
    """Nor another commit; what is new comes, and what has changed takes the place of what was."""
    first, grown = (
        make_run("a", started=START),
        make_run("a", started=START, curves=lambda: iter([curve("m", 1.0)])),
    )
    bring(first)
    tip = run_git(bring.top, "rev-parse", "gittrack/runs")
    assert bring(first).counts == {"there": 1}
    assert run_git(bring.top, "rev-parse", "gittrack/runs") == tip
    brought = bring(grown, make_run("b"), experiment="other")
    assert (brought.counts["changed"], brought.counts["new"]) == (1, 1)
    old, new = sorted((r for r in records_of(bring, "a")), key=lambda r: r.supersedes is not None)
    assert (new.supersedes, new.experiment) == (old.id, old.experiment)
    assert new.succeeds(old)
    assert bring(grown, make_run("b")).counts == {"there": 2}


def records_of(bring: Importer, source: str) -> list[Record]:
    loaded = records(bring.top)
    return [record for record in loaded if record.imported is not None and record.imported.id == source]


@rows(
    "changes",
    [
        {"params": {"lr": 0.2}},
        {"name": "other"},
        {"tags": {"a": "b"}},
        {"ended": START + 2},
        {"deleted": True},
        {"curves": lambda: iter([curve("m", 1.0, 2.5)])},
        {"curves": lambda: iter([curve("m", 1.0, 2.0, steps=[0, 2])])},
        {"curves": lambda: iter([curve("m", 1.0, 2.0, times=[START, START + 1])])},
        {"system_curves": lambda: iter([curve("cpu", 1.0)])},
        {"texts": lambda: iter([TextPoint(name="t", text="x")])},
        {"files": [ForeignFile(path="a", kind="artifact", content=b"2")]},
    ],
)
def test_whatever_changes_is_seen(bring: Importer, changes: dict[str, object]) -> None:
    """The digest is of all that was read."""
    run = make_run(
        started=START,
        curves=lambda: iter([curve("m", 1.0, 2.0)]),
        files=[ForeignFile(path="a", kind="artifact", content=b"1")],
    )
    bring(run)
    assert bring(replace(run, **changes)).counts["changed"] == 1  # type: ignore[arg-type]


def test_two_clones_write_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that their ledgers merge."""
    run = make_run(
        started=START, curves=lambda: iter([curve("m", 1.0)]), params={"token": "abcdefgh12345678"}
    )
    ids = []
    for name in ("one", "two"):
        bring = importer(tmp_path / name, monkeypatch)
        bring(run, make_run("child", parent="a"))
        ids.append([record.id for record in records_of(bring, "a") + records_of(bring, "child")])
    assert ids[0] == ids[1]


def test_children_find_their_parents(bring: Importer) -> None:
    """Whether they come before them or after, and whether these came earlier; who is nobody's has none."""
    bring(
        make_run("grand", parent="child"),
        make_run("child", parent="a"),
        make_run("a"),
        make_run("z", parent="gone"),
    )
    bring(make_run("late", parent="child"), make_run("x", parent="y"), make_run("y", parent="x"))
    of = {name: records_of(bring, name)[0] for name in ("a", "child", "grand", "late", "z", "x", "y")}
    assert of["child"].parent == of["a"].id
    assert of["grand"].parent == of["late"].parent == of["child"].id
    assert of["z"].parent is None
    assert (of["z"].imported and of["z"].imported.parent) == "gone"
    assert [of["x"].parent, of["y"].parent].count(None) == 1


def test_a_dry_run_writes_nothing(bring: Importer) -> None:
    """It says what would come, and what would be lost."""
    files = [
        ForeignFile(path="a", kind="artifact", content=b"1"),
        ForeignFile(path="b", kind="artifact", missing="no"),
    ]
    brought = bring(make_run(files=files), dry=True)
    assert brought.counts["new"] == 1
    assert ("output b", "no") in brought.lost
    assert not run_git(bring.top, "for-each-ref")
    assert not (bring.repository.state_dir / "dvc").exists()


def test_what_cannot_be_read_costs_no_other_run(bring: Importer) -> None:
    """It is named, with the reason; an id that comes twice is, too."""

    def torn() -> object:
        yield curve("m", 1.0)
        raise ValueError("cut off at byte 7")

    brought = bring(
        make_run("bad", curves=torn),
        Skipped(what="run-2", why="empty"),
        make_run("ok"),
        make_run("ok", name="other"),
    )
    assert [(item.what, item.why) for item in brought.skipped[:2]] == [
        ("run bad", "cut off at byte 7"),
        ("run-2", "empty"),
    ]
    assert brought.skipped[2].what == "run ok"
    assert brought.faults == 3
    assert [record.imported.id for record in records_of(bring, "ok") if record.imported] == ["ok"]


def test_hostile_files_are_refused(bring: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leads out of the source, whatever a path or a link says; what unpacks without end."""
    monkeypatch.setattr("gittrack.importers.kept._MOST_BYTES", 100)
    secret = tmp_path / "secret"
    secret.write_text("x")
    (bring.source / "link").symlink_to(secret)
    (bring.source / "mine").write_text("mine")
    files = [
        ForeignFile(path="link", kind="artifact", content=bring.source / "link"),
        ForeignFile(path="up", kind="artifact", content=bring.source / "../secret"),
        ForeignFile(path="folder", kind="artifact", content=bring.source),
        ForeignFile(path="../../escape", kind="artifact", content=b"x"),
        ForeignFile(path="/etc/passwd", kind="artifact", content=b"x"),
        ForeignFile(path="bomb", kind="artifact", content=lambda: iter([b"x" * 60] * 9)),
        ForeignFile(path="mine", kind="artifact", content=bring.source / "mine"),
        ForeignFile(path="MINE", kind="artifact", content=b"second"),
        ForeignFile(path="mine/below", kind="artifact", content=b"third"),
    ]  # fmt: skip
    bring(make_run(files=files))
    (record,) = records_of(bring, "a")
    assert (
        sorted(o.path for o in record.outputs) == ["MINE-2", "mine", "mine/below-2"]
        or len(record.outputs) == 3
    )
    assert {what.split()[1] for what in losses(record)} == {
        "link",
        "up",
        "folder",
        "../../escape",
        "/etc/passwd",
        "bomb",
    }
    assert (bring.source / "mine").stat().st_mode & 0o200


def test_long_runs_are_the_same_by_way_of_a_file(bring: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that wait on disk give the record that those in memory give."""
    stretches = [
        Curve(name=name, values=[1.0, 2.5], steps=[at, at + 1]) for at in (0, 2, 4) for name in ("m", "n")
    ]
    bring(make_run(curves=lambda: iter(stretches)))
    monkeypatch.setattr(points, "_HELD", 5)
    assert bring(make_run(curves=lambda: iter(stretches))).counts == {"there": 1}
    bring(make_run("b", curves=lambda: iter(stretches)))
    one, other = records_of(bring, "a")[0].series, records_of(bring, "b")[0].series
    assert one == other
    assert one is not None and one.rows == 6


def test_what_was_appended_stays_when_it_is_broken_off(
    bring: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next import goes on from there."""
    monkeypatch.setattr(bringing, "_AT_ONCE", 1)
    runs = [make_run(name) for name in "abc"]

    def stop(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(*runs, progress=stop)
    assert bring(*runs).counts == {"there": 2, "new": 1, "points": 0, "outputs": 0, "size": 0, "deleted": 0}


def test_runs_of_one_day_do_not_cost_the_square_of_their_number(bring: Importer) -> None:
    """They are one commit: each would write the list of the day anew."""
    bring(*(make_run(f"r{at}") for at in range(30)))
    subjects = run_git(bring.top, "log", "--format=%s", "gittrack/runs").splitlines()
    assert subjects == ["import 30 runs of table", "gittrack ledger"]
    assert len(records_of(bring, "r29")) == 1


def test_processes_share_the_work(bring: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reads the source itself; no run is left out, and none comes twice."""
    monkeypatch.setattr(reading, "PART", 2)
    monkeypatch.setattr(reading, "_ALONE", 2)
    file = bring.source / "runs.jsonl"
    file.write_text("".join(f'{{"run": "r{at}", "step": 0, "loss": {at}.5}}\n' for at in range(9)))
    from gittrack.formats.config import Config
    from gittrack.importers.foreign import Options

    brought = bringing.Brought("table", dry=False)
    options = Options(mapping={"run": "run"})
    bringing.bring(bring.repository, Config(), "table", file, options, brought)
    assert cores() >= 1
    assert brought.counts["new"] == 9
    assert {record.metrics["loss"].value for record in records_all(bring)} == {at + 0.5 for at in range(9)}


def records_all(bring: Importer) -> list[Record]:
    return [
        record for at in range(9) for record in records_of(bring, f"{bring.source.name}/runs.jsonl#r{at}")
    ]


def test_a_name_that_no_commit_message_can_hold(bring: Importer) -> None:
    """NUL and line ends in the name of a metric stay in the record, and are escaped in the message."""
    bring(make_run(curves=lambda: iter([curve("a\0b\nc\x1b", 1.5)])))
    (record,) = records(bring.top)
    assert [*record.metrics] == ["a\0b\nc\x1b"]
    assert (
        run_git(bring.top, "log", "-1", "--format=%s", "gittrack/runs").strip().endswith("a\\x00b c\\x1b=1.5")
    )
    assert execute(["-C", str(bring.top), "verify", "-q"]) == 0


def test_media_have_the_manifest_that_logged_ones_have(
    bring: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One output holds their bytes, with step and caption in git; verify holds one to the other."""
    from gittrack.formats.media import FILE, read_media
    from gittrack.reading.artifact import artifact_of
    from gittrack.reading.entry import entry_of, open_index

    files = [
        ForeignFile(path="media/a.png", kind="media", content=b"png", name="a", step=3, caption="cäp"),
        ForeignFile(path="media/A.PNG", kind="media", content=b"png 2", step=0.5),
        ForeignFile(path="media/t.table.json", kind="table", content=b"{}", name="t", step=1),
        ForeignFile(path="t.json", kind="table", content=b"{}"),
        ForeignFile(path="x/.dvc/b.png", kind="media", content=b"not for a folder of DVC"),
    ]
    assert bring(make_run(files=files)).counts["outputs"] == 5
    (record,) = records(bring.top)
    assert [output.path for output in record.outputs] == ["t.json", "x/.dvc/b.png", "_gittrack/media"]
    media = read_media(file_of(bring.top, record, FILE).encode(), FILE)
    assert [(m.name, m.kind, m.step, m.file, m.mime, m.caption) for m in media] == [
        ("a", "image", 3, "media/a.png", "image/png", "cäp"),
        ("media/A-2.PNG", "image", 0.5, "media/A-2.PNG", "image/png", None),
        ("t", "table", 1, "media/t.table.json", "application/json", None),
    ]
    with open_index(bring.top) as index:
        entry = entry_of(index, index.one("latest"))
        assert artifact_of(entry, "media/a.png").read_bytes() == b"png"
    monkeypatch.chdir(bring.top)
    assert execute(["verify", "-q", "--read-data"]) == 0
    assert bring(make_run(files=files)).counts["there"] == 1
