"""What keeps the ledger from moving: asked before a run, given up in seconds after it, with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from gittrack.errors import LedgerError
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger
from gittrack.ledger.sync import push
from tests.ledgers import addition, journals, records
from tests.repositories import run_git

NEVER = "print('it ran')"


def leave(lock: Path, hours: float = 50.0) -> Path:
    """A lock file of a git that was killed so long ago."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (time.time() - hours * 3600,) * 2)
    return lock


LEFT = ("refs/heads/gittrack/runs.lock", "refs/gittrack/code.lock", "packed-refs.lock")


@pytest.mark.parametrize("name", LEFT)
def test_a_lock_that_was_left_is_named_before_the_program_starts(
    inside: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its file, its age and what to do; nothing has been run, and after that is done it runs."""
    lock = leave(inside / ".git" / name)
    assert cli.execute(["run", "--", sys.executable, "-c", NEVER]) == 5
    out, err = capfd.readouterr()
    assert f"{lock} is there, 2 d 2 h old; " in err and "remove it" in err
    assert "it ran" not in out and journals(inside) == [] and lock.exists()
    lock.unlink()
    assert cli.execute(["run", "--", sys.executable, "-c", NEVER]) == 0
    assert len(records(inside)) == 1


@pytest.mark.parametrize("name", LEFT)
def test_a_lock_that_was_left_meanwhile_keeps_the_journal(
    inside: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The program's exit status stays, the lock and the journal are named, and recover commits it later."""
    script = f"import os; os.makedirs(os.path.dirname('.git/{name}'), exist_ok=True); "
    script += f"open('.git/{name}', 'w').close(); os.utime('.git/{name}', (1e9, 1e9)); raise SystemExit(3)"
    assert cli.execute(["run", "--", sys.executable, "-c", script]) == 3
    err = capfd.readouterr().err
    (run_id,) = journals(inside)
    assert f"{inside / '.git' / name} is there, " in err
    assert f"The journal of run {run_id} is kept" in err
    (inside / ".git" / name).unlink()
    assert cli.execute(["recover"]) == 0
    assert [(r.id, r.status) for r in records(inside)] == [(run_id, "failed")]


def test_a_lock_that_is_held_for_a_moment_is_waited_for(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes after people were told what is waited for, and the run is appended."""
    ledger = Ledger(repository)
    lock = repository.git_dir / "packed-refs.lock"
    lock.touch()
    waiting = threading.Event()
    caplog.handler.addFilter(lambda record: waiting.set() or True)

    def let_go() -> None:
        waiting.wait(60)
        lock.unlink()

    holder = threading.Thread(target=let_go)
    holder.start()
    with repository.objects() as objects:
        ledger.ready(objects)
    holder.join()
    assert [str(lock) in message for message in caplog.messages] == [True]


def test_a_lock_that_stays_is_given_up(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """However young, once it was waited for long enough; nothing has changed."""
    monkeypatch.setattr("gittrack.ledger.waiting.HELD_S", 0.2)
    ledger = Ledger(repository)
    tip = ledger.append([addition("a")])
    lock = repository.git_dir / "refs" / "heads" / "gittrack" / "runs.lock"
    lock.touch()
    with pytest.raises(LedgerError, match=r"runs\.lock is there, .* old; .*nothing was lost"):
        ledger.append([addition("b")])
    lock.unlink()
    assert ledger.state().tip == tip


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
@pytest.mark.parametrize("branch", ["gittrack", "gittrack/runs/mine"])
def test_a_branch_in_the_way_is_named_before_the_program_starts(
    inside: Path, branch: str, packed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """git cannot have gittrack and gittrack/runs side by side; the branch stays as it is."""
    run_git(inside, "branch", branch)
    if packed:
        run_git(inside, "pack-refs", "--all")
    assert cli.execute(["run", "--", sys.executable, "-c", NEVER]) == 5
    out, err = capfd.readouterr()
    assert f"cannot be a branch gittrack/runs beside the branch {branch}: " in err
    assert f"git branch -m {branch} ANOTHER-NAME" in err
    assert "it ran" not in out
    run_git(inside, "branch", "-m", branch, "mine")
    assert cli.execute(["run", "-q", "--", sys.executable, "-c", NEVER]) == 0


def test_a_branch_that_comes_in_the_way_keeps_the_journal(
    inside: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is there when the program ends; recover commits the run once it is gone."""
    assert cli.execute(["run", "--", "git", "branch", "gittrack"]) == 0
    assert "beside the branch gittrack" in capfd.readouterr().err
    (run_id,) = journals(inside)
    run_git(inside, "branch", "-m", "gittrack", "mine")
    assert cli.execute(["recover"]) == 0
    assert [record.id for record in records(inside)] == [run_id]


def test_a_hook_of_git_that_refuses_is_asked_once(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """reference-transaction that says no is no lost race."""
    hook = inside / ".git" / "hooks" / "reference-transaction"
    count = inside / ".git" / "asked"
    script = (
        "cat > .git/hooks/reference-transaction <<'END'\n#!/bin/sh\n[ $1 = prepared ] || exit 0\n"
        f"echo x >> '{count}'\nexit 1\nEND\nchmod +x .git/hooks/reference-transaction"
    )
    hook.parent.mkdir(exist_ok=True)
    assert cli.execute(["run", "--", "sh", "-c", script]) == 0
    err = capfd.readouterr().err
    assert "aborted by hook" in err and "is kept" in err
    assert count.read_text() == "x\n"


def test_one_refusal_of_the_ledger_answers_for_every_journal(
    inside: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """recover tries the first journal alone and leaves all, with the reason; later all are committed."""
    hook = inside / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    count = inside / ".git" / "asked"
    runs = [gittrack.start_run(on_error="raise") for _ in range(3)]
    text = f"#!/bin/sh\n[ $1 = prepared ] || exit 0\necho x >> '{count}'\nexit 1\n"
    hook.write_text(text)
    hook.chmod(0o755)
    for run in runs:
        with pytest.raises(LedgerError):
            run.finish()
    count.unlink()
    assert cli.execute(["recover"]) == 5
    assert capfd.readouterr().out.count("aborted by hook") == 3
    assert count.read_text() == "x\n"
    hook.unlink()
    assert cli.execute(["recover"]) == 0
    assert len(records(inside)) == 3 and journals(inside) == []


def test_a_read_only_repository_is_said_before_the_program_starts(
    project: Path, repository: Repository
) -> None:
    """Where only the refs, or only the objects, cannot be written: git would say so after the training."""
    Ledger(repository).append([addition("a")])
    (project / ".git/refs/gittrack").mkdir()
    script = (
        "import os, sys\n"
        "from gittrack.errors import RepositoryError\n"
        "from gittrack.git.repository import Repository\n"
        "from gittrack.ledger import Ledger\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "os.environ.update(GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0='safe.directory', GIT_CONFIG_VALUE_0='*')\n"
        "repository = Repository.discover(sys.argv[1])\n"
        "try:\n"
        "    with repository.objects() as objects: Ledger(repository).ready(objects)\n"
        "except RepositoryError as error: print(error)\n"
    )
    if os.geteuid() == 0:
        for folder in [project, *project.parents]:
            if folder.owner() == "root" and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o055)
    for place in ("objects", "refs/heads/gittrack", "refs/gittrack"):
        for folder, _, _ in os.walk(project / ".git"):
            Path(folder).chmod(0o777)
        (project / ".git" / place).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", script, str(project)], capture_output=True, text=True)
        (project / ".git" / place).chmod(0o755)
        assert f"cannot write to {project / '.git' / place}: make" in done.stdout, done.stderr


def server_hook(hub: Path, name: str, script: str) -> Path:
    """A hook of the server that counts how often it was asked; the file with the count."""
    count = hub / "asked"
    hook = hub / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho x >> '{count}'\n{script}")
    hook.chmod(0o755)
    return count


@pytest.mark.parametrize("name", ["update", "pre-receive"])
def test_a_server_that_refuses_is_asked_once(repository: Repository, hub: Path, name: str) -> None:
    """A protected branch refuses one ref of two, and the other for its sake: no lost race."""
    head = repository.resolve("HEAD")
    assert head is not None
    ledger = Ledger(repository)
    ledger.append([addition("a", (head,))])
    refuse = 'echo "protected branch" >&2; exit 1'
    count = server_hook(hub, name, f'case "$1" in *code) exit 0 ;; esac; {refuse}\n')
    with pytest.raises(LedgerError, match=r"refused the ledger: .*declined.*protected branch"):
        push(ledger, "origin")
    assert len(count.read_text().split()) <= 2  # once for each ref


def test_a_branch_in_the_way_on_the_server_is_a_refusal(repository: Repository, hub: Path) -> None:
    """What the server's git says of it is what is said, after one try."""
    run_git(hub, "branch", "gittrack", "main")
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    count = server_hook(hub, "pre-receive", "exit 0\n")
    with pytest.raises(LedgerError, match=r"'refs/heads/gittrack' exists; cannot create"):
        push(ledger, "origin")
    assert count.read_text() == "x\n"


def test_a_lock_on_the_server_is_given_up(
    repository: Repository, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody left there: tried for a while, then its own reason."""
    monkeypatch.setattr("gittrack.ledger.waiting.HELD_S", 0.3)
    (hub / "refs" / "heads" / "gittrack").mkdir(parents=True)
    (hub / "refs" / "heads" / "gittrack" / "runs.lock").touch()
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    count = server_hook(hub, "pre-receive", "exit 0\n")
    with pytest.raises(LedgerError, match=r"runs\.lock': File exists"):
        push(ledger, "origin")
    assert len(count.read_text().split()) > 1


def test_a_read_only_server_is_a_refusal(repository: Repository, hub: Path) -> None:
    """Where git there cannot make a file, one try is enough (as another user: root may write anywhere)."""
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    (hub / "objects").rename(hub / "objects-elsewhere")
    (hub / "objects").symlink_to(hub / "objects-elsewhere")
    run_git(hub, "config", "receive.unpackLimit", "1")
    (hub / "objects-elsewhere" / "pack").rmdir()
    (hub / "objects-elsewhere" / "pack").touch()
    with pytest.raises(LedgerError, match="origin"):
        push(ledger, "origin")


def test_asking_costs_no_further_process(repository: Repository) -> None:
    """What stands in the way of the refs is asked together with where they stand."""
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    before = repository.process_count
    ledger.state()
    assert repository.process_count - before == 1
    with repository.objects() as objects:
        ledger.ready(objects)
    assert repository.process_count - before <= 3  # refs again, and one that reads objects
    assert ANCHOR not in run_git(repository.top, "for-each-ref", "--format=%(refname)").split()
