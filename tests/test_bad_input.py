"""docs/errors.md, row by row: one line, the documented exit code, nothing lost."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gittrack import cli
from tests.repositories import run_git

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
ROW = re.compile(r"\| ([^|]+) \| `([^|]+)` \| ([0-9]+) \|")
ROWS = {m[1]: (m[2], int(m[3])) for m in map(ROW.match, PAGE.read_text().splitlines()) if m}

Prepare = Callable[[Path, pytest.MonkeyPatch], "Path | None"]
"""Brings the project (its top is given) into the state; may answer with another current directory."""


def as_it_is(project: Path, patch: pytest.MonkeyPatch) -> None:
    """The project with one clean commit."""


def not_a_repository(project: Path, patch: pytest.MonkeyPatch) -> Path:
    folder = project.parent / "plain"
    folder.mkdir()
    return folder


def without_git(project: Path, patch: pytest.MonkeyPatch) -> None:
    empty = project.parent / "empty"
    empty.mkdir()
    patch.setenv("PATH", str(empty))


def without_name(project: Path, patch: pytest.MonkeyPatch) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("")


def config_of(text: str) -> Prepare:
    def prepare(project: Path, patch: pytest.MonkeyPatch) -> None:
        (project / "gittrack.yaml").write_text(text)

    return prepare


def with_a_run(project: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(project)
    assert cli.execute(["run", "-q", "--", "true"]) == 0


def with_a_torn_table(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "torn.csv").write_text("loss,loss\n1,2\n")


def altered(project: Path, patch: pytest.MonkeyPatch) -> None:
    with_a_run(project, patch)
    run_git(project, "worktree", "add", "-q", "../ledger", "gittrack/runs")
    (record,) = (project.parent / "ledger").rglob("run.yaml")
    record.write_text(record.read_text().replace('- "true"', "- evil"))
    run_git(record.parent, "commit", "-q", "-am", "nothing to see")
    run_git(project, "worktree", "remove", "../ledger")


def data_changed(project: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(project)
    (project / ".git" / "info" / "exclude").write_text("data.csv\n")
    (project / "data.csv").write_text("1\n")
    assert cli.execute(["run", "-q", "--input", "data.csv:train", "--", "true"]) == 0
    (project / "data.csv").write_text("2\n")


def lock_of_what_is_gone(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "requirements.txt").write_text("no-such-package-anywhere==1.0\n")
    run_git(project, "add", "requirements.txt")
    run_git(project, "commit", "-q", "-m", "lock")
    with_a_run(project, patch)
    patch.setenv("PIP_NO_INDEX", "1")


def slow_since(project: Path, patch: pytest.MonkeyPatch) -> None:
    """A program whose time depends on the environment."""
    patch.chdir(project)
    assert cli.execute(["run", "-q", "--", "sh", "-c", "sleep ${NAP:-0}"]) == 0
    patch.setenv("NAP", "60")


def three_runs(project: Path, patch: pytest.MonkeyPatch) -> None:
    import gittrack

    for width in (1, 2, 3):
        with gittrack.start_run("default", params={"width": width}, repository=project) as run:
            run.log_metric("x", width)


def malformed_params(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "bad.yaml").write_text("lr: [0.1\n")


def dirty(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "train.py").write_text("changed\n")


def remote_that_is_gone(project: Path, patch: pytest.MonkeyPatch) -> None:
    run_git(project, "remote", "add", "origin", str(project.parent / "gone.git"))
    with_a_run(project, patch)


def empty_remote(project: Path, patch: pytest.MonkeyPatch) -> None:
    hub = project.parent / "hub.git"
    run_git(project.parent, "init", "-q", "--bare", str(hub))
    run_git(project, "remote", "add", "origin", str(hub))


def damaged_record(project: Path, patch: pytest.MonkeyPatch) -> None:
    from gittrack.git.repository import Repository
    from gittrack.ledger import Addition, Ledger

    folder = "runs/e/2026-11-22/20261122-142233-7f3a2c"
    Ledger(Repository.discover(project)).append([Addition(folder, {"run.yaml": b"a: [\n"}, "damaged")])


def ledger_checked_out(project: Path, patch: pytest.MonkeyPatch) -> None:
    with_a_run(project, patch)
    run_git(project, "worktree", "add", "-q", str(project.parent / "ledger"), "gittrack/runs")


def no_ledger(project: Path, patch: pytest.MonkeyPatch) -> None:
    run_git(project, "branch", "gittrack/runs")


def branch_in_the_way(project: Path, patch: pytest.MonkeyPatch) -> None:
    run_git(project, "branch", "gittrack")


def lock_left(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / ".git" / "packed-refs.lock").touch()
    os.utime(project / ".git" / "packed-refs.lock", (1e9, 1e9))


def read_only(project: Path, patch: pytest.MonkeyPatch) -> Path:
    """As another user where we are root, whom no mode bits stop."""
    if os.geteuid() != 0:
        (project / ".git").chmod(0o555)
        return project
    mount = project.parent / "read-only"
    mount.mkdir()
    _mount("-o", "bind", str(project), str(mount))
    _mount("-o", "remount,bind,ro", str(mount))
    return mount


def full_disk(project: Path, patch: pytest.MonkeyPatch) -> Path:
    small = small_disk(project)
    (small / ".git" / "fill").write_bytes(b"\0" * (_free(small) - 1))
    return small


def detached(project: Path, patch: pytest.MonkeyPatch) -> None:
    run_git(project, "checkout", "-q", "--detach")


def empty_repository(project: Path, patch: pytest.MonkeyPatch) -> Path:
    run_git(project.parent, "init", "-q", "fresh")
    return project.parent / "fresh"


def shallow(project: Path, patch: pytest.MonkeyPatch) -> Path:
    run_git(project, "commit", "-q", "--allow-empty", "-m", "second")
    run_git(project.parent, "clone", "-q", "--depth", "1", project.as_uri(), "shallow")
    return project.parent / "shallow"


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    mounted.append(arguments[-1])


mounted: list[str] = []


@pytest.fixture(autouse=True)
def _unmount() -> Iterator[None]:
    yield
    while mounted:
        subprocess.run(["umount", "--lazy", mounted.pop()], check=False)


def small_disk(project: Path) -> Path:
    """The project on a file system of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system to fill")
    small = project.parent / "small"
    small.mkdir()
    _mount("-t", "tmpfs", "-o", "size=3M", "tmpfs", str(small))
    shutil.copytree(project, small, dirs_exist_ok=True)
    return small


def _free(where: Path) -> int:
    return shutil.disk_usage(where).free


CASES: dict[str, tuple[Prepare, str]] = {
    "unknown command": (as_it_is, r"no command 'lgo' \(did you mean log\?\)"),
    "unknown option": (as_it_is, r"--colour"),
    "wrong type of an option": (as_it_is, r"'one' is not a valid int"),
    "no such directory": (as_it_is, r"cannot go to nowhere"),
    "not a git repository": (not_a_repository, r"not a git repository: .*git init"),
    "git is not installed": (without_git, r"git is not on PATH: install git"),
    "no user.name": (without_name, r"git does not know who you are: run git config user\.name"),
    "malformed gittrack.yaml": (config_of("experiment: [\n"), r"gittrack\.yaml:2:1: malformed YAML"),
    "unknown key in gittrack.yaml": (config_of("experimnt: x\n"), r"gittrack\.yaml: .*'experimnt'"),
    "bad experiment name": (as_it_is, r"experiment name '\.\./x' will not do"),
    "unknown experiment": (with_a_run, r"no experiment 'nosuch': there are default"),
    "unknown run": (with_a_run, r"no run 'nosuch': gittrack log lists"),
    "malformed filter": (with_a_run, r"filter: .*column"),
    "malformed -S": (as_it_is, r"-S takes key=value, not 'lr'"),
    "missing params file": (as_it_is, r"nosuch\.yaml: no such file"),
    "malformed params file": (malformed_params, r"bad\.yaml:2:1: malformed YAML"),
    "missing input": (as_it_is, r"nosuch\.csv.*does not exist"),
    "unknown role": (as_it_is, r"'learning' is no role of an input: use train, validation"),
    "uncommitted changes refused": (dirty, r"uncommitted changes \(train\.py\).*commit them"),
    "no command": (as_it_is, r"COMMAND"),
    "command not found": (as_it_is, r"command not found: nosuchprogram"),
    "command not executable": (as_it_is, r"\./train\.py is not executable: run chmod"),
    "no such remote": (with_a_run, r"no remote named 'nowhere'.*git remote add"),
    "remote cannot be reached": (remote_that_is_gone, r"could not push to origin"),
    "nothing to push": (empty_remote, r"nothing to push: no run is recorded yet"),
    "unknown schema": (as_it_is, r"nosuch.*run"),
    "damaged record": (damaged_record, r"run\.yaml:2:1: malformed YAML"),
    "ledger branch is checked out": (ledger_checked_out, r"checked out in .*git checkout --detach"),
    "branch of that name is no ledger": (no_ledger, r"no gittrack ledger.*ledger\.branch"),
    "branch in the way of the ledger": (branch_in_the_way, r"git branch -m gittrack ANOTHER-NAME"),
    "lock file that was left": (lock_left, r"packed-refs\.lock is there, .* old; .*remove it"),
    "rerun without consent": (with_a_run, r"not run: a record can name any command.*--yes"),
    "rerun of an altered record": (altered, r"is not run: verify says FAIL, .*gittrack verify"),
    "data nowhere to be had": (data_changed, r"data data\.csv \([0-9a-f]{32}\) is nowhere to be had"),
    "lock that no longer resolves": (lock_of_what_is_gone, r"requirements\.txt.*no-such-package-anywhere"),
    "no lock for that environment": (with_a_run, r"uv"),
    "rerun that hangs": (slow_since, r"ended with"),
    "no gate in gittrack.yaml": (with_a_run, r"gate"),
    "statistics of nothing": (with_a_run, r"no run, experiment or spec 'nosuch'"),
    "too few runs for importance": (three_runs, r"importance over 3 independent runs is refused"),
    "range that is none": (as_it_is, r"lr=log\(0,1\)|log"),
    "decision without a reason": (with_a_run, "--because needs the reason"),
    "no model to register": (with_a_run, "model"),
    "no such model": (with_a_run, "no model 'churn'"),
    "runs of no system": (as_it_is, "looks like the runs of no system: say which one"),
    "run that cannot be imported": (with_a_torn_table, "two of its columns have one name"),
    "format that is none": (with_a_run, "docx"),
    "bytes without a choice": (with_a_run, "--data|--outputs"),
    "bundle that is none": (with_a_run, "bundle-unreadable"),
    "report on nothing": (as_it_is, "run"),
    "file that is there already": (with_a_run, "train.py is there already"),
    "read-only repository": (read_only, r"cannot write|not writable|make the repository writable"),
    "disk full at the start": (full_disk, r"[Nn]o space left on device"),
    "detached HEAD": (detached, r"finished"),
    "empty repository": (empty_repository, r"finished"),
    "shallow clone": (shallow, r"finished"),
    "no run yet": (as_it_is, r"no runs? "),
    "damaged record in a list": (damaged_record, r"run\.yaml:2:1: malformed YAML"),
    "output that was not written": (as_it_is, r"warning: output nosuch\.pkl.*\n.*finished"),
    "program fails": (as_it_is, r"failed"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_wrong_input(
    case: str, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The documented exit code, and one line that says what is wrong; no traceback, no run lost."""
    prepare, expected = CASES[case]
    command, code = ROWS[case]
    where = prepare(project, monkeypatch) or project
    monkeypatch.chdir(where)
    capfd.readouterr()
    assert cli.execute(shlex.split(command)[1:]) == code
    out, err = capfd.readouterr()
    assert re.search(expected, err or out), (out, err)
    assert "Traceback" not in err
    if code not in (0, 1):
        assert len(err.strip().splitlines()) == 1, err
        assert err.startswith("gittrack: error: ")
        journals = where / ".git" / "gittrack" / "journal"
        assert not journals.is_dir() or not list(journals.iterdir())


def test_disk_full_at_the_end_keeps_the_journal(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The program's own status is passed on; with space again, recover commits the run whole."""
    small = small_disk(project)
    monkeypatch.chdir(small)
    fill = "import os; f = open('.git/fill', 'wb'); f.write(b'0' * (os.statvfs('.').f_bavail * 4096 - 1))"
    assert (
        cli.execute(["run", "-e", "full", "-S", "lr=0.5", "--pass", "env", "--", sys.executable, "-c", fill])
        == 0
    )
    assert "gittrack recover" in capfd.readouterr().err
    (small / ".git" / "fill").unlink()
    assert cli.execute(["recover"]) == 0
    assert cli.execute(["log", "--csv"]) == 0
    assert "0.5" in capfd.readouterr().out
    run_git(small, "fsck", "--strict")


def test_the_page_and_the_cases_agree() -> None:
    """Every row of docs/errors.md is tested, and every case is documented."""
    assert set(ROWS) == {*CASES, "disk full at the end"}
