"""A process beside the run lets others see it; the run neither waits for it nor ends by it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from tests.live_remotes import live_refs, snapshot_of
from tests.repositories import run_git
from tests.training import training, until


@pytest.fixture
def hub(project: Path, tmp_path: Path) -> Iterator[Path]:
    """A bare repository that the project's runs are sent to each second; no sender is left at the end."""
    bare = tmp_path / "the hub"
    run_git(project, "init", "-q", "--bare", str(bare))
    run_git(bare, "config", "receive.fsckObjects", "true")
    run_git(project, "remote", "add", "origin", str(bare))
    (project / "gittrack.yaml").write_text("live: {remote: origin, every: 1}\n")
    yield bare
    until(lambda: not senders(project))


def senders(project: Path) -> list[str]:
    """The processes that send runs of the project."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    journals = str(project / ".git/gittrack/journal")
    return [line for line in listed.splitlines() if "gittrack.recording.live" in line and journals in line]


def test_it_is_seen_and_gone_when_it_is_recorded(project: Path, hub: Path) -> None:
    """What it said last, from snapshot to snapshot; the clone keeps no object and no ref of it."""
    with training(project) as run:
        run.log(0, 3)
        until(lambda: live_refs(hub))
        objects = run_git(project, "count-objects")
        first = live_refs(hub)[run.id]
        run.log(3, 30)
        until(lambda: snapshot_of(hub, run.id)["metrics"].get("loss", {}).get("step") == 29)
        assert run_git(project, "count-objects") == objects
        assert run_git(hub, "log", "--format=%an <%ae>|%P", live_refs(hub)[run.id]) == "gittrack <unknown>|\n"
        assert first != live_refs(hub)[run.id]
        seen = snapshot_of(hub, run.id)
        assert seen["params"] == {"lr": 0.1, "model": {"depth": 3}, "arguments": ["digits"]}
        assert seen["curves"]["acc"][-1][::2] == [29, 0.29]
        run.finish()
        until(lambda: not live_refs(hub))
    until(lambda: not any((project / ".git/gittrack/live").iterdir()))
    assert not run_git(project, "for-each-ref", "refs/gittrack/live", "refs/remotes")


def test_a_short_run_is_not_sent(project: Path, hub: Path) -> None:
    """Nor is anything left of it."""
    with gittrack.start_run("digits", repository=project):
        pass
    until(lambda: not senders(project))
    assert live_refs(hub) == {}
    assert not (project / ".git/gittrack/live").exists()


def test_what_a_dead_run_left_goes_with_the_next(project: Path, hub: Path) -> None:
    """That of a run that may still be alive never does."""
    with training(project) as run, training(project) as other:
        until(lambda: live_refs(hub).keys() == {run.id, other.id})
        run.kill()
        until(lambda: len(senders(project)) == 1)
        assert run.id in live_refs(hub)
        with gittrack.start_run("digits", repository=project) as later:  # it records the one that was killed
            until(lambda: later.id in live_refs(hub))
            until(lambda: len(senders(project)) == 2)
        until(lambda: live_refs(hub).keys() == {other.id})


def test_recover_takes_it_away(inside: Path, hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the run is recorded."""
    with training(inside) as run:
        until(lambda: live_refs(hub))
        run.kill()
        until(lambda: not senders(inside))
    assert cli.execute(["recover", "--live"]) == 0
    assert capsys.readouterr().out == f"{run.id}  left: it may still run; name it, with --force\n"
    assert live_refs(hub).keys() == {run.id}
    assert cli.execute(["recover"]) == 0
    assert live_refs(hub) == {}


@pytest.mark.parametrize("way", ["refused", "no remote", "nowhere"])
def test_a_remote_that_refuses_costs_one_warning(project: Path, hub: Path, way: str) -> None:
    """The run is recorded as ever, and what it printed is its own."""
    if way == "refused":
        (hub / "hooks").mkdir(exist_ok=True)
        (hub / "hooks/pre-receive").write_text("#!/bin/sh\necho no such refs here >&2\nexit 1\n")
        (hub / "hooks/pre-receive").chmod(0o755)
    elif way == "no remote":
        run_git(project, "remote", "remove", "origin")
    else:
        run_git(project, "remote", "set-url", "origin", str(project / "nowhere"))
    script = (
        "import gittrack, sys\n"
        "with gittrack.start_run('digits') as run:\n"
        "    print(run.id, flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=project, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        trouble = project / ".git/gittrack/journal" / run_id / "live-trouble"
        until(trouble.exists)
        _, err = process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert err.count(f"others could not see run {run_id} while it went on: ") == 1
    assert gittrack.load(run_id, repository=project).record.status == "finished"


def test_a_remote_that_comes_back_has_it_again(project: Path, hub: Path) -> None:
    """However long it was away: the run goes on, and so does what sends it. Nothing is said then."""
    away = hub.rename(hub.with_name("away"))
    with training(project) as run:
        trouble = project / ".git/gittrack/journal" / run.id / "live-trouble"
        until(trouble.exists)
        away.rename(hub)
        until(lambda: live_refs(hub))
        until(lambda: not trouble.exists())
        hub.rename(away)
        run.finish()
        away.rename(hub)
    until(lambda: not live_refs(hub))
    until(lambda: not any((project / ".git/gittrack/live").iterdir()))


def test_a_remote_that_hangs_is_asked_again(project: Path, hub: Path, tmp_path: Path) -> None:
    """What hangs ends, with all that it started."""
    (tmp_path / "hangs").touch()
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f"#!/bin/sh\n[ -e '{tmp_path}/hangs' ] && touch '{tmp_path}/asked' && sleep 1234321\n"
        'for last; do :; done; exec sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    run_git(project, "config", "core.sshCommand", f"'{ssh}'")
    run_git(project, "remote", "set-url", "origin", f"ssh://host{hub}")
    (project / "gittrack.yaml").unlink()
    with training(project) as run:
        journal = project / ".git/gittrack/journal" / run.id
        sender = subprocess.Popen(
            [sys.executable, "-m", "gittrack.recording.live", str(journal), "origin", "1"],
            start_new_session=True,
        )
        until((tmp_path / "asked").exists)
        (tmp_path / "hangs").unlink()
        sender.send_signal(signal.SIGALRM)  # as its timer does, which leaves a slow machine more time
        until(lambda: live_refs(hub))
        run.finish()
        assert sender.wait(60) == 0
    assert not live_refs(hub)
    assert "sleep 1234321" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_nobody_is_seen_who_was_not_asked(project: Path, hub: Path) -> None:
    """Without `live` in gittrack.yaml there is no process beside the run."""
    (project / "gittrack.yaml").unlink()
    with gittrack.start_run("digits", repository=project):
        assert senders(project) == []
    assert live_refs(hub) == {}


def test_a_command_is_seen_too(inside: Path, hub: Path) -> None:
    """Under `gittrack run`, with what the script within logs."""
    script = inside / "train.py"
    script.write_text(
        "import gittrack, sys, pathlib, time\n"
        "with gittrack.start_run('digits') as run:\n"
        "    run.log_metric('loss', 0.25, step=7)\n"
        "    end = time.monotonic() + 60\n"
        "    while not pathlib.Path('go').exists() and time.monotonic() < end:\n"
        "        time.sleep(0.05)\n"
    )
    command = [sys.executable, "-c", "from gittrack.cli import main; main()", "run", "--", sys.executable]
    with subprocess.Popen([*command, "train.py"], cwd=inside) as process:
        until(lambda: live_refs(hub))
        (run,) = live_refs(hub)
        until(lambda: "loss" in snapshot_of(hub, run)["metrics"])
        assert snapshot_of(hub, run)["metrics"]["loss"]["value"] == 0.25
        (inside / "go").touch()
        assert process.wait(timeout=60) == 0
    until(lambda: not live_refs(hub))
