"""The code that runs: what is recorded, what the snapshot holds, and that the repository stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.formats.record import Code
from gittrack.git.repository import Repository
from gittrack.recording.capture.code import (
    LIVE,
    Invocation,
    capture_code,
    command_invocation,
    this_invocation,
)
from gittrack.recording.capture.untracked import Limits
from tests.repositories import run_git

RUN = "20261122-142233-7f3a2c"


def capture(where: Path, *, command: Sequence[str] = ("python", "train.py"), **options: object) -> Code:
    """The code of a run started in `where`."""
    repo = Repository.discover(where)
    with repo.objects() as objects:
        return capture_code(repo, objects, command_invocation(command, where), RUN, **options)  # type: ignore[arg-type]


def tree_of_copy(top: Path, scratch: Path, *left_out: str) -> str:
    """What ``git add -A && git write-tree`` gives in a copy of the repository, less some files."""
    copy = scratch / "copy"
    shutil.copytree(top, copy, symlinks=True)
    for name in left_out:
        (copy / name).unlink()
    run_git(copy, "-c", "core.safecrlf=false", "add", "-A")
    return run_git(copy, "write-tree").strip()


def names(top: Path, tree: str) -> set[str]:
    out = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", "--full-tree", tree],
        cwd=top,
        capture_output=True,
        check=True,
    )
    return {os.fsdecode(name) for name in out.stdout.split(b"\0") if name}


def everything(top: Path) -> dict[str, tuple[object, ...]]:
    """Every file, its bytes, mode and mtime, work tree and git directory; less what gittrack may write."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, inside, files in os.walk(top):
        here = Path(folder).relative_to(top).as_posix()
        if here in (".git/objects", ".git/gittrack", ".git/refs/gittrack"):
            inside.clear()
            continue
        for name in files:
            path = Path(folder, name)
            info = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else path.read_bytes()
            # git itself touches a shared index whenever it reads one, so that it does not expire.
            mtime = 0 if name.startswith("sharedindex.") else info.st_mtime_ns
            found[f"{here}/{name}"] = (info.st_mode, mtime, content)
    return found


def refs(top: Path) -> list[str]:
    lines = run_git(top, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return [line for line in lines if not line.startswith(("refs/gittrack/", "refs/heads/gittrack/runs"))]


# --- where the code stands -----------------------------------------------------------------


def test_clean_tree(project: Path) -> None:
    """A clean tree is named by commit, tree and branch, and nothing is written."""
    code = capture(project)
    assert code.commit == run_git(project, "rev-parse", "HEAD").strip()
    assert code.tree == run_git(project, "rev-parse", "HEAD^{tree}").strip()
    assert (code.branch, code.dirty, code.snapshot, code.remote) == ("main", False, None, None)
    assert (code.command, code.cwd, code.entry) == (("python", "train.py"), ".", "train.py")
    assert run_git(project, "for-each-ref", "refs/gittrack") == ""


def test_clean_tree_costs_two_processes(project: Path) -> None:
    """One for the state, one for the objects."""
    repo = Repository.discover(project)
    before = repo.process_count
    with repo.objects() as objects:
        capture_code(repo, objects, command_invocation(["python"], project), RUN)
    assert repo.process_count - before <= 3


def test_detached_head(project: Path) -> None:
    """Without a branch the branch is unknown, not the word HEAD."""
    run_git(project, "checkout", "-q", "--detach")
    assert capture(project).branch is None


@pytest.mark.parametrize("files", [(), ("a.py", "b c.txt")])
def test_unborn_branch(tmp_path: Path, files: tuple[str, ...]) -> None:
    """A repository without a commit gives a snapshot without a parent, of whatever is there."""
    run_git(tmp_path, "init", "-q", "top")
    top = tmp_path / "top"
    for name in files:
        (top / name).write_text(name)
    code = capture(top)
    assert code.commit is None
    assert code.branch == "main"
    assert code.dirty is bool(files)
    assert code.snapshot is not None
    assert names(top, code.snapshot) == set(files)
    assert run_git(top, "rev-list", "--count", code.snapshot).strip() == "1"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ada:ghp_abcdefghijklmnopqrstuvwx@github.com/a/b.git", "https://github.com/a/b.git"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
    ],
)
def test_remote_without_credentials(project: Path, url: str, kept: str) -> None:
    """The remote is recorded, its password is not."""
    run_git(project, "remote", "add", "origin", url)
    assert capture(project).remote == kept


def test_remote_of_the_branch_comes_first(project: Path) -> None:
    """The remote that the branch tracks is the one; else origin; a branch may be called anything."""
    run_git(project, "checkout", "-q", "-b", "Feature/X.y")
    run_git(project, "remote", "add", "fork", "https://example.com/fork")
    run_git(project, "remote", "add", "origin", "https://example.com/origin")
    assert capture(project).remote == "https://example.com/origin"
    run_git(project, "config", "branch.Feature/X.y.remote", "fork")
    assert capture(project).remote == "https://example.com/fork"


# --- what was started ----------------------------------------------------------------------


def test_subfolder(project: Path) -> None:
    """Working directory and entry are told from the top of the work tree."""
    folder = project / "experiments"
    folder.mkdir()
    (folder / "fit.py").write_text("")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "more")
    code = capture(folder, command=("python", "fit.py"))
    assert (code.cwd, code.entry, code.dirty) == ("experiments", "experiments/fit.py", False)


@pytest.mark.parametrize(
    ("command", "entry"),
    [
        (("python", "train.py", "data.csv"), "train.py"),
        (("python", "-u", "-W", "ignore", "train.py"), "train.py"),
        (("python3.11", "-m", "pkg.mod", "data.csv"), "pkg.mod"),
        (("python", "-um", "pkg.mod"), "pkg.mod"),
        (("python", "-c", "print(1)", "data.csv"), None),
        (("torchrun", "--nproc_per_node", "2", "train.py"), "train.py"),
        (("./train.sh", "data.csv"), "train.sh"),
        (("bash", "train.sh"), "train.sh"),
        (("make", "train"), None),
        (("./venv/bin/tool", "train.py"), "train.py"),
    ],
)
def test_entry_of_a_command(project: Path, command: tuple[str, ...], entry: str | None) -> None:
    """The script or module that runs, not a data file among its arguments."""
    (project / "data.csv").write_text("1")
    for name in ("train.sh", "venv/bin/tool"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("#!/bin/sh\n")
    (project / "venv/pyvenv.cfg").write_text("")
    assert capture(project, command=command).entry == entry


def test_invocation_of_this_process(project: Path) -> None:
    """A script and ``python -m`` are each known from inside, the interpreter's path is not kept."""
    (project / "pkg").mkdir()
    (project / "pkg/__init__.py").write_text("")
    said = (
        "from gittrack.recording.capture.code import this_invocation as t\ni = t()\n"
        "print(i.command, i.entry, sep=chr(10))"
    )
    (project / "pkg/mod.py").write_text(said)
    for arguments in (["-m", "pkg.mod", "--lr", "1"], ["pkg/mod.py"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=project, capture_output=True, text=True, check=True
        )
        command, entry = done.stdout.splitlines()
        assert command == str(("python", *arguments))
        assert entry in ("pkg.mod", str(project / "pkg/mod.py"))
    assert isinstance(this_invocation(), Invocation)


# --- the snapshot --------------------------------------------------------------------------


def modified(top: Path) -> None:
    (top / "train.py").write_text("print('changed')\n")


def staged(top: Path) -> None:
    (top / "train.py").write_text("print('staged')\n")
    run_git(top, "add", "train.py")
    (top / "train.py").write_text("print('and changed again')\n")


def deleted(top: Path) -> None:
    (top / "train.py").unlink()


def removed_from_index(top: Path) -> None:
    run_git(top, "rm", "-q", "--cached", "train.py")


def untracked(top: Path) -> None:
    (top / "new").mkdir()
    (top / "new/file.txt").write_text("new")


def executable(top: Path) -> None:
    (top / "train.py").chmod(0o755)


def symlink(top: Path) -> None:
    (top / "link").symlink_to("nowhere")


def odd_names(top: Path) -> None:
    for name in (b"new\nline", "üñí".encode(), b"-rf", b"latin\xe9", b'quote"', b"tab\t", b" space ", b"*"):
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_text("odd")


def ignored(top: Path) -> None:
    (top / ".gitignore").write_text("*.log\n/out/\n")
    (top / "a.log").write_text("log")
    (top / "out").mkdir()
    (top / "out/x").write_text("x")


def intent_to_add(top: Path) -> None:
    (top / "later.py").write_text("later")
    run_git(top, "add", "-N", "later.py")


def file_becomes_folder(top: Path) -> None:
    (top / "train.py").unlink()
    (top / "train.py").mkdir()
    (top / "train.py/main.py").write_text("x")


def folder_becomes_file(top: Path) -> None:
    (top / "lib").mkdir()
    (top / "lib/a.py").write_text("a")
    run_git(top, "add", ".")
    run_git(top, "commit", "-q", "-m", "lib")
    shutil.rmtree(top / "lib")
    (top / "lib").write_text("now a file")


def folder_becomes_link(top: Path) -> None:
    folder_becomes_file(top)
    (top / "lib").unlink()
    (top / "lib").symlink_to("/")


def conflict(top: Path) -> None:
    run_git(top, "checkout", "-q", "-b", "other")
    (top / "train.py").write_text("other\n")
    run_git(top, "commit", "-q", "-am", "other")
    run_git(top, "checkout", "-q", "main")
    (top / "train.py").write_text("main\n")
    run_git(top, "commit", "-q", "-am", "main")
    done = subprocess.run(["git", "merge", "other"], cwd=top, capture_output=True, check=False)
    assert done.returncode == 1


def split_index(top: Path) -> None:
    run_git(top, "update-index", "--split-index")
    modified(top)
    untracked(top)


def untracked_cache(top: Path) -> None:
    run_git(top, "config", "core.untrackedCache", "true")
    run_git(top, "update-index", "--untracked-cache")
    run_git(top, "status")
    untracked(top)


def autocrlf(top: Path) -> None:
    run_git(top, "config", "core.autocrlf", "true")
    run_git(top, "config", "core.safecrlf", "true")
    (top / "train.py").write_bytes(b"print(1)\r\nprint(2)\n")
    (top / "dos.txt").write_bytes(b"a\r\nb\r\n")


def clean_filter(top: Path) -> None:
    run_git(top, "config", "filter.shout.clean", "tr a-z A-Z")
    run_git(top, "config", "filter.shout.smudge", "tr A-Z a-z")
    run_git(top, "config", "filter.shout.required", "true")
    (top / ".gitattributes").write_text("*.txt filter=shout\n")
    (top / "quiet.txt").write_text("quiet")


STATES = [
    modified, staged, deleted, removed_from_index, untracked, executable, symlink, odd_names, ignored,
    intent_to_add, file_becomes_folder, folder_becomes_file, folder_becomes_link, conflict, split_index,
    untracked_cache, autocrlf, clean_filter,
]  # fmt: skip


@pytest.mark.parametrize("change", STATES)
def test_snapshot_is_what_git_would_add(
    project: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """The snapshot's tree is that of ``git add -A``, its parent HEAD; and nothing of the user's has moved."""
    run_git(project, "stash", "list")
    change(project)
    before, refs_before = everything(project), refs(project)
    code = capture(project)
    assert everything(project) == before
    assert refs(project) == refs_before
    assert code.dirty
    assert code.snapshot is not None
    assert code.tree == run_git(project, "rev-parse", f"{code.snapshot}^{{tree}}").strip()
    assert run_git(project, "rev-parse", f"{code.snapshot}^").strip() == code.commit
    assert code.left_out == ()
    assert code.tree == tree_of_copy(project, tmp_path)
    assert list((project / ".git/gittrack/tmp").iterdir()) == []


def test_change_of_the_same_size_in_the_same_second(project: Path) -> None:
    """What git can tell apart by content alone is kept as it is on disk."""
    for number in range(20):
        (project / f"f{number}").write_text("one")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "twenty")
    index = (project / ".git/index").stat()
    for number in range(20):
        (project / f"f{number}").write_text("two")
        os.utime(project / f"f{number}", ns=(index.st_mtime_ns, index.st_mtime_ns))
    code = capture(project)
    assert run_git(project, "show", f"{code.tree}:f0", f"{code.tree}:f19") == "twotwo"


def test_stash_and_reflogs_stay(project: Path) -> None:
    """A stash, its reflog and HEAD's are byte for byte what they were."""
    modified(project)
    run_git(project, "stash")
    modified(project)
    before = everything(project)
    assert ".git/logs/refs/stash" in before
    assert capture(project).dirty
    assert everything(project) == before


def test_racy_index_is_not_refreshed(project: Path) -> None:
    """Touched files make git want to refresh its index; here it must not."""
    os.utime(project / "train.py", (1, 1))
    before = everything(project)
    assert not capture(project).dirty
    assert everything(project) == before


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_files_that_the_user_told_git_to_overlook(project: Path, flag: str) -> None:
    """What git does not call changed is not changed, and another file's change is kept."""
    run_git(project, "update-index", flag, "train.py")
    modified(project)
    assert not capture(project).dirty
    untracked(project)
    code = capture(project)
    assert names(project, code.tree) == {"train.py", "new/file.txt"}
    assert run_git(project, "show", f"{code.tree}:train.py") == "print('training')\n"


@pytest.mark.parametrize("sparse", ["--no-sparse-index", "--sparse-index"])
def test_sparse_checkout(project: Path, sparse: str) -> None:
    """Files outside a sparse checkout stay in the snapshot."""
    for name in ("in/a.py", "out/b.py"):
        (project / name).parent.mkdir()
        (project / name).write_text(name)
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "two")
    run_git(project, "sparse-checkout", "set", "--cone", sparse, "in")
    assert not (project / "out").exists()
    (project / "in/a.py").write_text("changed")
    before = everything(project)
    code = capture(project)
    assert everything(project) == before
    assert names(project, code.tree) == {"in/a.py", "out/b.py", "train.py"}
    assert run_git(project, "show", f"{code.tree}:in/a.py") == "changed"


def test_linked_worktree(project: Path, tmp_path: Path) -> None:
    """A linked work tree has its own index; the snapshot's ref is one that all work trees keep."""
    other = tmp_path / "other"
    run_git(project, "worktree", "add", "-q", "-b", "side", str(other))
    (other / "side.py").write_text("x")
    code = capture(other)
    assert (code.branch, code.dirty) == ("side", True)
    assert names(project, code.tree) == {"train.py", "side.py"}
    assert run_git(project, "rev-parse", LIVE + RUN).strip() == code.snapshot
    assert not capture(project).dirty


# --- what stays out ------------------------------------------------------------------------


def test_large_file_is_named(project: Path, tmp_path: Path) -> None:
    """A file above the limit is named with its size and kept out; the rest is kept."""
    (project / "big.txt").write_bytes(b"x" * 2001)
    (project / "small.txt").write_bytes(b"x" * 2000)
    code = capture(project, limits=Limits(file_bytes=2000))
    (left_out,) = code.left_out
    assert (left_out.path, left_out.size, left_out.reason) == ("big.txt", 2001, "larger than 2000 bytes")
    assert code.tree == tree_of_copy(project, tmp_path, "big.txt")


def test_large_file_in_conflict(project: Path) -> None:
    """A conflicting file too large for the snapshot does not stop the run."""
    conflict(project)
    (project / "train.py").write_bytes(b"x" * 3000)
    code = capture(project, limits=Limits(file_bytes=2000))
    assert [f.path for f in code.left_out] == ["train.py"]
    assert code.snapshot is not None


def test_nested_repository_is_named(project: Path) -> None:
    """Another repository inside the work tree is no part of this one's code."""
    run_git(project, "init", "-q", "nested")
    (project / "nested/a.py").write_text("a")
    code = capture(project)
    assert [(f.path, f.reason) for f in code.left_out] == [
        ("nested/", "another git repository inside the work tree")
    ]
    assert names(project, code.tree) == {"train.py"}


def test_pipe_in_the_place_of_a_file(project: Path) -> None:
    """What is neither file nor link is named and left out."""
    (project / "train.py").unlink()
    os.mkfifo(project / "train.py")
    code = capture(project)
    assert [f.reason for f in code.left_out] == ["neither a file nor a link"]


@pytest.mark.parametrize(
    "name", [".env", "conf/.env.local", "key.pem", ".netrc", "id_ed25519", "kaggle.json"]
)
def test_files_that_hold_secrets_are_named(project: Path, name: str) -> None:
    """An untracked file whose name says that it holds credentials never gets into git's objects."""
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("API_KEY=quite-secret-indeed")
    (project / ".env.example").write_text("API_KEY=")
    code = capture(project)
    assert [(f.path, f.reason) for f in code.left_out] == [(name, "may hold credentials")]
    assert names(project, code.tree) == {"train.py", ".env.example"}


def test_declared_outputs_are_no_code(project: Path) -> None:
    """Outputs and metrics of the run make no tree dirty and get into no snapshot, staged or not."""
    for name in ("model.pkl", "metrics.json", "plots/a.png"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    exclude = ["model.pkl", "metrics.json", "plots"]
    assert not capture(project, exclude=exclude).dirty
    run_git(project, "add", "model.pkl")
    assert not capture(project, exclude=exclude).dirty
    (project / "model.pkl2").write_text("another")
    before = everything(project)
    code = capture(project, exclude=exclude)
    assert everything(project) == before
    assert names(project, code.tree) == {"train.py", "model.pkl2"}


def test_declared_output_that_git_tracks(project: Path) -> None:
    """A committed metrics file stays in the snapshot as HEAD has it."""
    (project / "metrics.json").write_text("1")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "metrics")
    (project / "metrics.json").write_text("2")
    run_git(project, "add", ".")
    modified(project)
    code = capture(project, exclude=["metrics.json"])
    assert run_git(project, "show", f"{code.tree}:metrics.json") == "1"


def test_refuse(project: Path) -> None:
    """The policy refuses a dirty tree with the names of what is dirty, and writes nothing."""
    for number in range(5):
        (project / f"f{number}").write_text("x")
    with pytest.raises(UsageError, match=r"uncommitted changes \(f0, f1, f2, \.\.\.\).*commit them"):
        capture(project, policy="refuse")
    assert run_git(project, "for-each-ref", "refs/gittrack") == ""
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "all")
    assert not capture(project, policy="refuse").dirty


def test_snapshot_survives_garbage_collection(project: Path) -> None:
    """While the run goes on, its snapshot is kept by a ref."""
    modified(project)
    code = capture(project)
    run_git(project, "gc", "-q", "--prune=now")
    assert run_git(project, "cat-file", "-t", str(code.snapshot)).strip() == "commit"
    assert run_git(project, "show", f"{code.snapshot}:train.py") == "print('changed')\n"


def test_command_is_scrubbed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of the command line is recorded."""
    monkeypatch.setenv("MY_TOKEN", "tok-1234567890abcdef")
    given = ("python", "train.py", "--api-key", "s3cr3t-value-1", "tok-1234567890abcdef")
    code = capture(project, command=given)
    assert code.command == ("python", "train.py", "--api-key", "***", "***")


# --- bare repositories and submodules ------------------------------------------------------


def test_bare_repository(project: Path, tmp_path: Path) -> None:
    """A bare repository has a commit and no work tree to be dirty."""
    run_git(tmp_path, "clone", "-q", "--bare", str(project), "bare.git")
    code = capture(tmp_path / "bare.git")
    assert code.commit == run_git(project, "rev-parse", "HEAD").strip()
    assert (code.branch, code.dirty) == ("main", False)


@pytest.fixture
def with_submodule(project: Path, tmp_path: Path) -> Path:
    library = tmp_path / "library"
    run_git(tmp_path, "init", "-q", "library")
    (library / "lib.py").write_text("1")
    run_git(library, "add", ".")
    run_git(library, "commit", "-q", "-m", "library")
    run_git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "vendor/lib")
    run_git(project, "commit", "-q", "-m", "submodule")
    return project


def test_clean_submodule(with_submodule: Path) -> None:
    """A submodule's commit is recorded."""
    code = capture(with_submodule)
    head = run_git(with_submodule / "vendor/lib", "rev-parse", "HEAD").strip()
    (found,) = code.submodules
    assert (found.path, found.commit, found.recorded, found.dirty) == ("vendor/lib", head, None, False)
    assert not code.dirty


def test_moved_submodule(with_submodule: Path, tmp_path: Path) -> None:
    """A submodule on another commit is named with both, and the snapshot points to the one that ran."""
    inner = with_submodule / "vendor/lib"
    old = run_git(inner, "rev-parse", "HEAD").strip()
    run_git(inner, "commit", "-q", "--allow-empty", "-m", "more")
    new = run_git(inner, "rev-parse", "HEAD").strip()
    before = everything(with_submodule)
    code = capture(with_submodule)
    assert everything(with_submodule) == before
    (found,) = code.submodules
    assert (found.commit, found.recorded, found.dirty) == (new, old, False)
    assert new in run_git(with_submodule, "ls-tree", code.tree, "vendor/lib")


@pytest.mark.parametrize("name", ["lib.py", "new.py"])
def test_dirty_submodule(with_submodule: Path, name: str) -> None:
    """Changes inside a submodule are said to be there."""
    (with_submodule / "vendor/lib" / name).write_text("changed")
    code = capture(with_submodule)
    (found,) = code.submodules
    assert found.dirty
    assert found.recorded is None
    assert code.dirty


def test_uninitialised_submodule(with_submodule: Path, tmp_path: Path) -> None:
    """A submodule that was never fetched has no commit here, only the one recorded."""
    run_git(tmp_path, "clone", "-q", str(with_submodule), "clone")
    (found,) = capture(tmp_path / "clone").submodules
    assert found.commit is None
    assert found.recorded == run_git(with_submodule / "vendor/lib", "rev-parse", "HEAD").strip()


def test_staged_submodule(with_submodule: Path) -> None:
    """A submodule's new commit that is staged is the one that runs."""
    inner = with_submodule / "vendor/lib"
    run_git(inner, "commit", "-q", "--allow-empty", "-m", "more")
    run_git(with_submodule, "add", "vendor/lib")
    (found,) = capture(with_submodule).submodules
    assert found.commit == run_git(inner, "rev-parse", "HEAD").strip()
    assert found.recorded == run_git(with_submodule, "rev-parse", "HEAD:vendor/lib").strip()


def test_new_submodule_is_listed(with_submodule: Path, tmp_path: Path) -> None:
    """A submodule added and not yet committed ran too."""
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "-q")
    run_git(with_submodule, *add, str(tmp_path / "library"), "second")
    code = capture(with_submodule)
    assert [s.path for s in code.submodules] == ["second", "vendor/lib"]
    assert all(s.commit for s in code.submodules)


def test_inside_a_submodule(with_submodule: Path) -> None:
    """A run inside a submodule is one of the submodule's repository."""
    inner = with_submodule / "vendor/lib"
    (inner / "new.py").write_text("x")
    code = capture(inner, command=("python", "lib.py"))
    assert (code.cwd, code.entry) == (".", "lib.py")
    assert names(inner, code.tree) == {"lib.py", "new.py"}
