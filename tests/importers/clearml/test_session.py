"""Where offline sessions of ClearML lie, damaged and hostile ones, and those that grow."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.importers import folders
from gittrack.importers.clearml import events, session
from gittrack.importers.systems import choose
from tests.importers.clearml.looks import losses, only, points, taken
from tests.importers.clearml.writer import DATA, ELSEWHERE, ID, image, lines, says, scalar, write, zipped
from tests.ledgers import make_repository, records
from tests.repositories import run_git


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_session_with_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_zip: bool) -> None:
    """Task and events come, whatever lies below."""
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    folder = write(tmp_path / ID, scalar("a", "b", 1.0), files={f"data/{n}.txt": "x" for n in range(3)})
    run = only(zipped(folder, tmp_path / "a.zip") if as_zip else folder)
    assert [*points(run.curves())] == ["a/b"] and losses(run) == {"files": 1}


def test_the_longest_state_of_a_session_counts(tmp_path: Path) -> None:
    """A folder and the zip of it are one; that a copy is behind is said; a zip may hold several sessions."""
    folder = write(tmp_path / "cache" / ID, scalar("a", "b", 1.0))
    zipped(folder, tmp_path / "cache" / f"{ID}.zip")
    (folder / "log.jsonl").write_text(lines([says("Offline session stored")]), "utf-8")
    assert [*points(only(tmp_path).curves())] == ["a/b"]
    write(tmp_path / "backup" / "x", scalar("a", "b", 1.0), scalar("a", "b", 2.0, 1), log=(says("x" * 200),))
    runs, skipped = taken(tmp_path)
    assert [len(points(run.curves())["a/b"]) for run in runs] == [2]
    assert {(item.what, item.why, item.fault) for item in skipped} == {
        (f"cache/{ID}", "an earlier state of the session backup/x", False),
        (f"cache/{ID}.zip", "an earlier state of the session backup/x", False),
    }
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as out:
        for name in ("one", "two"):
            other = write(tmp_path / "made" / name, scalar("a", name, 1.0), id=name)
            for path in other.iterdir():
                out.write(path, f"{name}/{path.name}")
        out.writestr("one/data/task.json", "{}")
    runs, skipped = taken(tmp_path / "both.zip")
    assert [run.id for run in runs] == ["one", "two"] and not skipped


def test_damaged_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that several processes have mixed up, or that were cut off, cost no others."""
    monkeypatch.setattr(events, "LARGEST", 2000)
    write(tmp_path)
    good = [lines([scalar("a", "b", float(step), step)]) for step in range(3)]
    good[1] += lines([scalar("a", "b", 1.0, task=["x"]), scalar("a", "b", 1.0, task=None, type=["x"])])
    torn = ['[{"type": "tr[{"typ', '["x"]', '"x"', "", "[" * 500, f"[{'0,' * 3000}0]", "\xff", "[{"]
    broken = good[0] + "\n".join(torn[:4]) + "\n" + good[1] + "\n".join(torn[4:7]) + "\n" + good[2] + torn[7]
    (tmp_path / "metrics.jsonl").write_bytes(broken.encode("latin-1"))
    run = only(tmp_path)
    assert [step for step, _, _ in points(run.curves())["a/b"]] == [0, 1, 2]
    assert losses(run) == {"events of metrics.jsonl": 7, "points of a/b": 1, "events of other tasks": 2}


def test_a_session_that_is_being_written(tmp_path: Path) -> None:
    """What comes while it is read, a new metric too, is of the next import."""
    write(tmp_path, scalar("a", "b", 1.0))
    run = only(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as out:
        out.write(lines([scalar("a", "b", 2.0, 1), scalar("new", "b", 2.0)]))
    assert points(run.curves()) == {"a/b": [(0, 0, 1.0)]}
    assert points(only(tmp_path).curves()).keys() == {"a/b", "new/b"}


def test_hostile_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no session is named and skipped; no path leads out, and no link is followed."""
    (tmp_path / "secret").write_text("s")
    good = write(tmp_path / "all" / "good", files={"data/x.txt": "x"}, id="good")
    (good / "data" / "link").symlink_to(tmp_path / "secret")
    (good / "data" / "up").symlink_to(tmp_path)
    for name, text in {
        "cut": '{"id": "x", ', "list": "[]", "nameless": "{}", "deep": "[" * 100_000, "odd": '{"id": 7}',
    }.items():  # fmt: skip
        write(tmp_path / "all" / name, files={"task.json": text})
    write(tmp_path / "all" / "strange", hyperparams=[1], script="x", execution=None, tags={}, id="strange")
    linked = tmp_path / "all" / "linked"
    linked.mkdir()
    (linked / "task.json").symlink_to(good / "task.json")
    (tmp_path / "all" / "torn.zip").write_bytes(zipped(good, tmp_path / "t.zip").read_bytes()[:-30])
    whole = zipped(write(tmp_path / "z", scalar("a", "b", 1.0), id="z"), tmp_path / "all" / "whole.zip")
    with zipfile.ZipFile(whole, "a") as out:
        out.writestr("../../escape.txt", "e")
        info = zipfile.ZipInfo("data/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(info, str(tmp_path / "secret"))
    runs, skipped = taken(tmp_path / "all")
    assert {run.id for run in runs} == {"good", "strange", "z"}
    assert {item.what for item in skipped} == {"cut", "list", "nameless", "deep", "odd", "torn.zip"}
    files = {(file.path, file.missing is None) for run in runs for file in run.files}
    assert files == {
        ("data/x.txt", True), ("data/link", False), ("data/up", False), ("../../escape.txt", False),
    }  # fmt: skip
    data = bytearray(whole.read_bytes())
    at = data.index(b"metrics.jsonl") + len("metrics.jsonl") + 5
    data[at] ^= 0xFF
    whole.write_bytes(data)
    assert "events of metrics.jsonl" in losses(only(whole)) or not taken(whole)[0]
    monkeypatch.setattr(events, "_MOST_BYTES", 10)
    (skip,) = taken(write(tmp_path / "bomb", scalar("a", "b", 1.0)))[1]
    assert skip.why == "metrics.jsonl has more than 0 GiB"
    monkeypatch.setattr(session, "LARGEST", 10)
    assert taken(tmp_path / "bomb")[1][0].what == "bomb"
    (tmp_path / "empty").mkdir()
    assert [item.fault for item in taken(tmp_path / "empty")[1]] == [True]


def test_a_source_shows_that_it_is_one(tmp_path: Path) -> None:
    """By the names that the client gives, or by the files in it; a file ``task.json`` alone says nothing."""
    folder = write(tmp_path / "a" / "offline" / ID, scalar("a", "b", 1.0))
    archive = zipped(folder, tmp_path / "renamed.zip")
    moved = write(tmp_path / "b" / "run1", scalar("a", "b", 1.0))
    (tmp_path / "c").mkdir()
    zipped(folder, tmp_path / "c" / "x.zip")
    for source in (folder, tmp_path / "a", archive, moved, tmp_path / "b", tmp_path / "c"):
        assert choose("auto", source) == "clearml"
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "task.json").write_text("{}")
    (tmp_path / "d" / "x.csv").write_text("a\n1\n")
    assert choose("auto", tmp_path / "d") == "table"


def test_a_session_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is added to a session later supersedes its record; a second import adds nothing; verify passes."""
    clone = tmp_path / "clone"
    make_repository(clone)
    for name, value in (("name", "Ada"), ("email", "ada@example.org")):
        run_git(clone, "config", f"user.{name}", value)
    uri = f"{ELSEWHERE}/{DATA}/artifacts"
    listed = [{"key": key, "uri": f"{uri}/{key}/x.bin", "hash": "a" * 64} for key in ("here", "late")]
    folder = write(
        tmp_path / "source" / ID,
        scalar("loss", "train", 0.0),
        image("im_0.jpeg", 0),
        files={f"{DATA}/artifacts/here/x.bin": "x", f"{DATA}/metrics/im/s/im_0.jpeg": "im"},
        execution={"artifacts": listed},
    )
    monkeypatch.chdir(clone)
    assert execute(["import", "../source"]) == 0
    tip = run_git(clone, "rev-parse", "gittrack/runs")
    assert execute(["import", "../source"]) == 0
    assert run_git(clone, "rev-parse", "gittrack/runs") == tip
    with (folder / "metrics.jsonl").open("a") as out:
        out.write(lines([scalar("eval", "acc", 0.5, 7)]))
    assert execute(["import", "../source"]) == 0
    first, second = sorted(records(clone), key=lambda record: record.supersedes or "")
    assert second.supersedes == first.id and second.metrics["eval/acc"].value == 0.5
    assert "artifacts/here/x.bin" in {output.path for output in second.outputs}
    assert f"output artifacts/late/x.bin (sha256:{'a' * 64})" in {loss.what for loss in second.not_recorded}
    assert execute(["verify", "-q"]) == 0
