"""The ledger: appends that lose nothing, refs that move together, a repository left alone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gittrack.errors import LedgerError, RepositoryError, UsageError
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger
from tests.ledgers import addition, paths
from tests.repositories import run_git

WHO = "Ada Lovelace <ada@example.com>"


def test_append_makes_the_branch_and_adds_one_commit_a_run(repository: Repository, project: Path) -> None:
    """Two additions are two commits after the root, and each file is there."""
    Ledger(repository).append([addition("a"), addition("b")])
    assert run_git(project, "rev-list", "--count", "gittrack/runs").strip() == "3"
    assert {p for p in paths(project) if p.startswith("runs/")} == {
        "runs/e/2026-11-22/a/run.yaml",
        "runs/e/2026-11-22/b/run.yaml",
    }
    run_git(project, "fsck", "--strict")


def test_append_twice_changes_nothing(repository: Repository, project: Path) -> None:
    """A run that is on the ledger already is not committed again, nor altered."""
    ledger = Ledger(repository)
    first = ledger.append([addition("a")])
    assert ledger.append([addition("a", text="x: 2\n")]) == first
    assert run_git(project, "show", "gittrack/runs:runs/e/2026-11-22/a/run.yaml") == "x: 1\n"


def test_two_clones_begin_with_the_same_root(repository: Repository, project: Path, tmp_path: Path) -> None:
    """Ledgers made apart share their first commit, so they merge as one history."""
    other = tmp_path / "other"
    run_git(tmp_path, "init", "-q", str(other))
    roots = []
    for repo in (repository, Repository.discover(other)):
        Ledger(repo).append([addition("a")])
        roots.append(run_git(repo.top, "rev-list", "--max-parents=0", "gittrack/runs"))
    assert roots[0] == roots[1]


def test_anchor_reaches_each_code_commit_and_stays_one_ref(repository: Repository, project: Path) -> None:
    """Code commits stay reachable after their branch is gone, through a single ref."""
    commits = []
    for number in range(3):
        run_git(project, "commit", "-q", "--allow-empty", "-m", f"code {number}")
        commits.append(run_git(project, "rev-parse", "HEAD").strip())
        Ledger(repository).append([addition(f"r{number}", (commits[-1],))])
    run_git(project, "reset", "-q", "--hard", "HEAD~3")
    run_git(project, "reflog", "expire", "--expire=now", "--all")
    run_git(project, "gc", "-q", "--prune=now")
    for commit in commits:
        run_git(project, "merge-base", "--is-ancestor", commit, ANCHOR)
    refs = run_git(project, "for-each-ref", "--format=%(refname)").split()
    assert sorted(refs) == sorted(["refs/heads/main", "refs/heads/gittrack/runs", ANCHOR])


def test_anchor_does_not_grow_for_a_commit_it_reaches(repository: Repository, project: Path) -> None:
    """Many runs of one commit, or of its ancestors, leave the anchor as it is."""
    first = run_git(project, "rev-parse", "HEAD").strip()
    run_git(project, "commit", "-q", "--allow-empty", "-m", "second")
    second = run_git(project, "rev-parse", "HEAD").strip()
    ledger = Ledger(repository)
    ledger.append([addition("a", (second,))])
    before = ledger.state().anchor
    for number, commit in enumerate((second, first, second)):
        ledger.append([addition(f"r{number}", (commit,))])
    assert ledger.state().anchor == before


def test_a_checked_out_ledger_is_refused(repository: Repository, project: Path, tmp_path: Path) -> None:
    """Moving a branch under somebody's work tree would show their files as deleted."""
    ledger = Ledger(repository)
    tip = ledger.append([addition("a")])
    run_git(project, "worktree", "add", "-q", str(tmp_path / "ledger"), "gittrack/runs")
    with pytest.raises(LedgerError, match=r"checked out in .*ledger.*git checkout --detach"):
        ledger.append([addition("b")])
    assert ledger.state().tip == tip
    run_git(tmp_path / "ledger", "checkout", "-q", "--detach")
    ledger.append([addition("b")])


def test_a_branch_that_is_no_ledger_is_refused(repository: Repository, project: Path) -> None:
    """A branch of that name with somebody's code on it is left alone."""
    run_git(project, "branch", "gittrack/runs")
    before = run_git(project, "rev-parse", "gittrack/runs")
    with pytest.raises(LedgerError, match=r"is no gittrack ledger.*ledger\.branch"):
        Ledger(repository).append([addition("a")])
    assert run_git(project, "rev-parse", "gittrack/runs") == before


def test_a_newer_ledger_is_refused(repository: Repository) -> None:
    """A format that this version does not know is not written to."""
    from gittrack import ledger as room

    ledger = Ledger(repository)
    old = room.ROOT_FILES
    newer = {**old, ".gitattributes": old[".gitattributes"].replace(b"format 1:", b"format 2:")}
    try:
        room.ROOT_FILES = newer
        ledger.append([])
    finally:
        room.ROOT_FILES = old
    with pytest.raises(LedgerError, match="upgrade gittrack"):
        ledger.append([addition("a")])


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("kind", ["plain", "bare", "worktree", "submodule"])
def test_every_kind_of_repository(tmp_path: Path, object_format: str, kind: str) -> None:
    """Bare, linked work tree, submodule, SHA-1 and SHA-256: the run lands on the shared ledger."""
    home = tmp_path / "home"
    run_git(tmp_path, "init", "-q", f"--object-format={object_format}", str(home))
    run_git(home, "commit", "-q", "--allow-empty", "-m", "first")
    where = home
    if kind == "bare":
        where = tmp_path / "bare"
        run_git(tmp_path, "clone", "-q", "--bare", str(home), str(where))
    elif kind == "worktree":
        where = tmp_path / "linked"
        run_git(home, "worktree", "add", "-q", str(where))
    elif kind == "submodule":
        outer = tmp_path / "outer"
        run_git(tmp_path, "init", "-q", f"--object-format={object_format}", str(outer))
        run_git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(home), "sub")
        where = outer / "sub"
    repo = Repository.discover(where)
    head = repo.resolve("HEAD")
    assert head is not None
    Ledger(repo).append([addition("a", (head,))])
    assert "runs/e/2026-11-22/a/run.yaml" in paths(where)
    run_git(where, "fsck", "--strict")
    run_git(where, "merge-base", "--is-ancestor", head, ANCHOR)


def test_autocrlf_does_not_touch_records(repository: Repository, project: Path) -> None:
    """What lies on the ledger is what was handed over, whatever the user's line-end settings."""
    run_git(project, "config", "core.autocrlf", "true")
    Ledger(Repository.discover(project)).append([addition("a", text="a: 1\r\nb: 2\n")])
    blob = subprocess.run(
        ["git", "cat-file", "blob", "gittrack/runs:runs/e/2026-11-22/a/run.yaml"],
        cwd=project, check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert blob == b"a: 1\r\nb: 2\n"


def test_inside_a_git_hook(project: Path) -> None:
    """A post-commit hook exports GIT_INDEX_FILE and more; the ledger neither uses nor disturbs them."""
    hook = project / ".git" / "hooks" / "post-commit"
    hook.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} - <<'END'\n"  # a path with a space is no interpreter
        "from gittrack.ledger import Addition, Ledger\n"
        "from gittrack.git.repository import Repository\n"
        "repo = Repository.discover()\n"
        "head = repo.resolve('HEAD')\n"
        "Ledger(repo).append([Addition('runs/e/d/' + head[:8], {'run.yaml': b'x'}, 'm', (head,))])\n"
        "END\n"
    )
    hook.chmod(0o755)
    (project / "new.py").write_text("x\n")
    run_git(project, "add", "new.py")
    run_git(project, "commit", "-q", "-m", "with hook", "--author", "Eve <eve@example.com>")
    assert len([p for p in paths(project) if p.startswith("runs/")]) == 1
    assert run_git(project, "status", "--porcelain") == ""
    assert run_git(project, "log", "-1", "--format=%an", "gittrack/runs").strip() == "Ada Lovelace"


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_commits_are_signed_as_the_user_has_git_sign(
    project: Path,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """commit.gpgsign is honoured with SSH and GPG, and git itself calls the signature good."""
    if kind == "ssh":
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        allowed = tmp_path / "allowed"
        allowed.write_text("ada@example.com " + key.with_suffix(".pub").read_text())
        run_git(project, "config", "gpg.format", "ssh")
        run_git(project, "config", "user.signingkey", str(key))
        run_git(project, "config", "gpg.ssh.allowedSignersFile", str(allowed))
    else:
        home = tempfile.mkdtemp(prefix="g")  # an agent's socket needs a short path
        monkeypatch.setenv("GNUPGHOME", home)
        request.addfinalizer(lambda: shutil.rmtree(home, ignore_errors=True))
        make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", WHO, "ed25519"]
        subprocess.run(make, check=True, capture_output=True)
    run_git(project, "config", "commit.gpgsign", "true")
    Ledger(Repository.discover(project)).append([addition("a"), addition("b")])
    assert run_git(project, "log", "-2", "--format=%G?", "gittrack/runs").split() == ["G", "G"]
    if kind == "gpg":
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False)


def test_concurrent_writers_lose_nothing(repository: Repository, project: Path) -> None:
    """Sixteen threads, each with its own view of the repository, five runs each: eighty records."""

    def write(number: int) -> None:
        repo = Repository.discover(project)
        for run in range(5):
            Ledger(repo).append([addition(f"{number:02d}-{run}")])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    assert len([p for p in paths(project) if p.startswith("runs/")]) == 80
    assert run_git(project, "rev-list", "--count", "gittrack/runs").strip() == "81"
    run_git(project, "fsck", "--strict")


def test_a_stopped_writer_does_not_hold_up_the_rest(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that keeps the queue's lock for ever costs patience, not the run."""
    import fcntl

    monkeypatch.setattr("gittrack.ledger.LOCK_PATIENCE_S", 0.3)
    repository.state_dir.mkdir(exist_ok=True)
    with (repository.state_dir / "ledger.lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert Ledger(repository).append([addition("a")])


def test_an_unwritable_repository_is_one_line(repository: Repository, project: Path) -> None:
    """Without rights the error says what to do."""
    if os.geteuid() == 0:
        script = (
            "import os, sys\n"
            "from gittrack.errors import RepositoryError\n"
            "from gittrack.ledger import Ledger\n"
            "from gittrack.git.repository import Repository\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "os.environ.update(GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0='safe.directory')\n"
            "os.environ.update(GIT_CONFIG_VALUE_0='*', GIT_COMMITTER_NAME='A', GIT_COMMITTER_EMAIL='a@b')\n"
            "try: Ledger(Repository.discover(sys.argv[1])).append([])\n"
            "except RepositoryError as error: print(error)\n"
        )
        for folder in [project, *project.parents]:
            if folder.owner() == "root" and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o055)
        done = subprocess.run([sys.executable, "-c", script, str(project)], capture_output=True, text=True)
        assert "cannot write to" in done.stdout, done.stderr
        return
    (project / ".git").chmod(0o555)
    with pytest.raises(RepositoryError, match="cannot write to"):
        Ledger(repository).append([])


def test_no_identity_is_refused(repository: Repository, project: Path) -> None:
    """Without user.name there is no author, and the message says how to give one."""
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("")
    with pytest.raises(UsageError, match=r"git config user\.name"):
        Ledger(Repository.discover(project)).append([])


def test_dvc_config_is_filled_once_and_replaced_on_request(repository: Repository, project: Path) -> None:
    """Clones with other remote paths do not overwrite each other's at every run."""
    ledger = Ledger(repository)

    def config() -> str:
        return run_git(project, "show", "gittrack/runs:.dvc/config")

    ledger.append([addition("a")], dvc_config=b"one\n")
    assert config() == "one\n"
    ledger.append([addition("b")], dvc_config=b"two\n")
    assert config() == "one\n"
    ledger.append([], dvc_config=b"two\n", replace_config=True)
    assert config() == "two\n"
