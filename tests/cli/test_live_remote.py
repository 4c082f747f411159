"""Another clone sees what trains, over a folder and over real smart HTTP, and believes nothing of it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gittrack import cli
from tests import machine
from tests.cli.githooks.served import push
from tests.live_remotes import live_refs, put, snapshot
from tests.repositories import run_git
from tests.training import files_below, started, training, until

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def hub(inside: Path, tmp_path: Path) -> Path:
    """A bare repository, the origin of the project."""
    bare = tmp_path / "hub"
    run_git(inside, "init", "-q", "--bare", str(bare))
    run_git(inside, "remote", "add", "origin", str(bare))
    return bare


def other_clone(url: str, where: Path) -> Path:
    run_git(where.parent, "clone", "-q", url, str(where))
    return where


def lets_see(project: Path) -> None:
    (project / "gittrack.yaml").write_text("live: {remote: origin, every: 1}\n")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_another_clone_sees_it_over_http(
    server: tuple[Path, str], inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """In log and show, followed until it is recorded; nothing is written, nothing left on the server."""
    bare, url = server
    assert push(inside, "origin", "HEAD:refs/heads/main").returncode == 0
    other = other_clone(url, tmp_path / "other")
    lets_see(inside)
    with training(inside) as run:
        run.log(0, 3)
        until(lambda: live_refs(bare))
        monkeypatch.chdir(other)
        before = files_below(other / ".git")
        assert cli.execute(["log"]) == 0
        assert run.id not in capsys.readouterr().out
        run.log(3, 5)
        with started(other, "show", "--follow", "--json", run.id) as process:
            assert process.stdout is not None
            while json.loads(process.stdout.readline())["step"] != 4:
                pass
            assert cli.execute(["log", "--live"]) == 0
            line = capsys.readouterr().out.splitlines()[1]
            assert {run.id, "running", "0.04"} <= set(line.split())
            assert cli.execute(["show", "--live", run.id[-6:]]) == 0
            assert "model.depth" in capsys.readouterr().out
            assert cli.execute(["log", "--live", "-F", "status = 'running' and metrics.acc >= 0.04"]) == 0
            assert run.id in capsys.readouterr().out
            assert files_below(other / ".git") == before
            run.finish()
            _, err = process.communicate(timeout=60)
        assert err == (
            f"gittrack: run {run.id} is not on origin any more: "
            "gittrack pull brings its record once it is pushed\n"
        )
        assert process.returncode == 0
    until(lambda: not live_refs(bare))


def test_nothing_is_left_after_many_runs(hub: Path, inside: Path) -> None:
    """Eight of them, long and short, ended and killed; more in `make torture`."""
    lets_see(inside)
    for at in range(4 * machine.EXAMPLES):
        with training(inside) as run, training(inside) as other:
            if at % 2 == 0:
                until(lambda run=run, other=other: {run.id, other.id} <= live_refs(hub).keys())  # type: ignore[misc]
            run.finish()
            other.kill()
    assert cli.execute(["recover"]) == 0
    until(lambda: not live_refs(hub))


def test_silence_is_said(hub: Path, inside: Path, capsys: Captured) -> None:
    """A run that has sent nothing for long; taking it away is left to who knows better."""
    put(hub, "20261122-142233-7f3a2c", json.dumps(snapshot()).encode())
    assert cli.execute(["log", "--live"]) == 0
    shown = capsys.readouterr()
    assert "silent" in shown.out
    assert shown.err.startswith("gittrack: run 20261122-142233-7f3a2c is silent since ")
    assert cli.execute(["recover", "--live"]) == 0
    assert "left: it may still run" in capsys.readouterr().out
    assert cli.execute(["recover", "--live", "20261122-142233-7f3a2c", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"id": "20261122-142233-7f3a2c", "taken": True, "why": ""}]
    assert live_refs(hub) == {}


def test_what_strangers_put_there_is_not_believed(
    hub: Path, inside: Path, capsys: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever lies on those refs, the snapshots beside it are seen, and nothing reaches the terminal raw."""
    good = "20261122-142233-aaaaaa"
    evil = snapshot(good, sent=now(), params={"\x1b[2Jx": "\x1b]0;evil\x07"}, name="a\u202eb")
    put(hub, good, json.dumps(evil).encode())
    put(hub, "20261122-142233-bbbbbb", b"{" * 100_000)
    put(hub, "20261122-142233-cccccc", json.dumps(snapshot(good)).encode())
    put(hub, "20261122-142233-dddddd", b"x", file="other.txt")
    put(hub, "20261122-142233-eeeeee", os.urandom(1 << 20) * 20)
    put(
        hub,
        "20261122-142233-ffffff",
        json.dumps(snapshot("20261122-142233-ffffff", sent="2026-02-31T00:00:00Z")).encode(),
    )
    put(hub, "nonsense", b"x")
    run_git(
        hub,
        "update-ref",
        "refs/gittrack/live/20261122-142233-abcdef",
        run_git(hub, "hash-object", "-w", __file__).strip(),
    )
    assert cli.execute(["log", "--live"]) == 0
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == ["id", good]
    assert "\x1b" not in shown.out
    assert "not read on origin: the snapshot of run 20261122-142233-ffffff and 5 more" in caplog.text
    assert cli.execute(["show", "--live", good]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out
    assert not run_git(inside, "for-each-ref", "refs/gittrack")


def test_own_journal_and_record_go_before_a_snapshot(hub: Path, inside: Path, capsys: Captured) -> None:
    """A run is listed once, by whoever knows most of it."""
    with training(inside) as run:
        run.log(0, 4)
        put(hub, run.id, json.dumps(snapshot(run.id)).encode())
        assert cli.execute(["log", "--live", "--json"]) == 0
        (seen,) = json.loads(capsys.readouterr().out)
        assert (seen["status"], seen["metrics"]["loss"]["step"]) == ("running", 3)
        run.finish()
    assert cli.execute(["log", "--live", "--json"]) == 0
    (seen,) = json.loads(capsys.readouterr().out)
    assert seen["status"] == "finished"


def test_a_remote_has_to_be_there(inside: Path, capsys: Captured) -> None:
    """One line, and what to do."""
    assert cli.execute(["log", "--live"]) == 2
    assert "there is no remote to use" in capsys.readouterr().err
    assert cli.execute(["log", "--remote", "origin"]) == 2
    assert "give both" in capsys.readouterr().err
    assert cli.execute(["log", "--live", "--repo", "."]) == 2
    assert "leave --repo out" in capsys.readouterr().err
    run_git(inside, "remote", "add", "origin", str(inside / "nowhere"))
    assert cli.execute(["log", "--live"]) == 5
    assert "could not reach remote origin" in capsys.readouterr().err
