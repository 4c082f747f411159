"""Questions to git: clean environments, odd names, objects of any size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.errors import RepositoryError, UsageError
from gittrack.git import reader
from gittrack.git.objects import Signature, make, make_pack, make_tree, parse_tree
from gittrack.git.repository import Repository
from tests.repositories import run_git


def test_discover_from_anywhere_inside(project: Path, tmp_path: Path) -> None:
    """A subfolder, a linked work tree and the git directory itself all lead to one common directory."""
    (project / "a" / "b").mkdir(parents=True)
    run_git(project, "worktree", "add", "-q", str(tmp_path / "linked"))
    commons = {
        Repository.discover(where).common_dir
        for where in (project, project / "a" / "b", tmp_path / "linked", project / ".git")
    }
    assert commons == {project / ".git"}
    assert Repository.discover(project / ".git").worktree is None


def test_discover_says_what_is_wrong(tmp_path: Path) -> None:
    """No repository, no such folder, a file in its place."""
    with pytest.raises(RepositoryError, match="not a git repository"):
        Repository.discover(tmp_path)
    with pytest.raises(UsageError, match="no such directory"):
        Repository.discover(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot use directory|no such directory"):
        Repository.discover(tmp_path / "file")


def test_another_repository_in_the_environment_is_not_used(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a hook exports does not reach the git that we start for another repository."""
    run_git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "nonsense")
    repo = Repository.discover(project)
    assert repo.common_dir == project / ".git"
    assert repo.status().changes == ()


@pytest.mark.parametrize(
    "name", ["plain.py", "with space", "ünï", "-dash", "new\nline", 'quo"te', ":colon", "*"]
)
def test_status_names_files_as_they_are(project: Path, repository: Repository, name: str) -> None:
    """Untracked and modified files of any name."""
    (project / name).write_text("1")
    assert [(c.state, c.path) for c in repository.status().changes] == [("?", name)]
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "x")
    (project / name).write_text("2")
    assert [(c.state, c.path) for c in repository.status().changes] == [(".M", name)]


def test_object_ids_are_those_of_git(repository: Repository, project: Path) -> None:
    """Blobs, trees (with git's sort order) and packs made in memory are what git makes of the same bytes."""
    blob = make("blob", (project / "train.py").read_bytes(), "sha1")
    assert blob.oid == run_git(project, "hash-object", "train.py").strip()
    blob = make("blob", b"hello\n", "sha1")
    for name in ("a", "a.b", "a0", "b"):
        (project / name).mkdir() if name in ("a",) else (project / name).write_text(name)
    (project / "a" / "x").write_text("x")
    run_git(project, "add", "-A")
    tree = run_git(project, "write-tree").strip()
    raw = subprocess.run(
        ["git", "cat-file", "tree", tree], cwd=project, check=True, capture_output=True
    ).stdout
    assert make_tree(parse_tree(raw, "sha1"), "sha1").oid == tree
    repository.write_objects([blob])
    assert run_git(project, "cat-file", "blob", blob.oid) == "hello\n"
    big = [make("blob", os.urandom(10), "sha1") for _ in range(300)]
    repository.write_objects(big)
    run_git(project, "cat-file", "-e", big[-1].oid)
    assert make_pack(big, "sha1").startswith(b"PACK")


def test_reader_answers_in_order_and_says_none(repository: Repository) -> None:
    """Thousands of questions, some without an answer, without a deadlock."""
    with repository.objects() as objects:
        answers = list(objects.get_many(["HEAD", "nosuch", "bad\nname", "HEAD:train.py"] * 1000))
    assert [a.kind if a else None for a in answers] == ["commit", None, None, "blob"] * 1000


def test_reader_keeps_a_huge_object_out_of_memory(
    repository: Repository, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the beginning of an object above the limit is read, and the next answer is still right."""
    monkeypatch.setattr(reader, "MAX_BYTES", 1000)
    (project / "huge").write_bytes(b"x" * 5_000_000)
    run_git(project, "add", "huge")
    run_git(project, "commit", "-q", "-m", "huge")
    with repository.objects() as objects:
        huge, small = objects.get_many(["HEAD:huge", "HEAD:train.py"])
    assert huge is not None and len(huge.data) == 1000
    assert small is not None and small.data == b"print('training')\n"


def test_resolve_takes_no_options(repository: Repository) -> None:
    """A name that looks like an option, or holds a line end, names nothing."""
    assert repository.resolve("--git-dir") is None
    assert repository.resolve("HEAD\nHEAD") is None
    assert repository.resolve("HEAD") is not None


def test_refs_move_together_or_not_at_all(repository: Repository) -> None:
    """A wrong old value for one ref leaves the other where it was."""
    head = repository.resolve("HEAD")
    done = repository.update_refs([("refs/gittrack/a", head, None), ("refs/gittrack/b", head, head)])
    assert done.code != 0
    assert repository.refs("refs/gittrack") == {}


def test_names_cannot_break_a_commit_object(repository: Repository, project: Path) -> None:
    """Line ends and brackets in a name do not make new header lines."""
    bad = Signature("Eve\ntree 0000> <x", "e@x\n", 0)
    tree = run_git(project, "rev-parse", "HEAD^{tree}").strip()
    commit = repository.commit_object(tree, [], "m", bad)
    repository.write_objects([commit])
    run_git(project, "fsck", "--strict")


def test_a_reader_outlives_ctrl_c(project: Path) -> None:
    """A terminal sends it to the whole group: whoever handles it has objects to read after it."""
    script = (
        "import os, signal\n"
        "from gittrack.git.repository import Repository\n"
        "with Repository.discover().objects() as objects:\n"
        "    assert objects.get('HEAD')\n"
        "    try:\n"
        "        os.killpg(0, signal.SIGINT)\n"
        "        signal.pause()\n"
        "    except KeyboardInterrupt:\n"
        "        assert objects.get('HEAD') and objects.get('HEAD^{tree}')\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=project, start_new_session=True, check=True)
