"""git keeps an input only where it holds the bytes that were read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.formats.record import DataInput
from tests.ledgers import records
from tests.recording.commands import gittrack
from tests.repositories import run_git

DATA = "a,b\n1,2\n"
SHA256 = hashlib.sha256(DATA.encode()).hexdigest()
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize {len(DATA)}\n"
ANNEX = "/annex/objects/SHA256E-s8--" + SHA256 + ".csv\n"


def file(text: str, name: str = "data.csv") -> Callable[[Path], None]:
    """Write it."""

    def write(top: Path) -> None:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)

    return write


def link(target: str, name: str = "data.csv") -> Callable[[Path], None]:
    def make(top: Path) -> None:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).symlink_to(target)

    return make


def ignored(name: str) -> Callable[[Path], None]:
    def write(top: Path) -> None:
        file(DATA, name)(top)
        (top / ".gitignore").write_text(f"{name}\n")

    return write


def crlf(top: Path) -> None:
    (top / ".gitattributes").write_text("*.csv text eol=crlf\n")
    (top / "data.csv").write_bytes(DATA.replace("\n", "\r\n").encode())


def recorded(project: Path, path: str = "data.csv", *options: str) -> tuple[DataInput, str]:
    """The input of a run, and what verify --data says of the whole."""
    gittrack(project, "run", "--input", f"{path}:train", *options, "--", "true")
    (record,) = records(project)
    report = json.loads(gittrack(project, "verify", "--data", "--json").stdout)
    return record.data[0], report["outcome"]


@pytest.mark.parametrize(
    ("steps", "path", "says"),
    [
        ([link("../away/data.csv")], "data.csv", "only a link"),
        ([ignored("real.csv"), link("real.csv")], "data.csv", "only a link"),
        ([file(LFS)], "data.csv", "pointer of git-lfs; the bytes that it names are not checked out"),
        ([file(ANNEX)], "data.csv", "pointer of git-annex; the bytes that it names are not checked out"),
        ([file(DATA, "set/1.csv"), link("../../away/data.csv", "set/2.csv")], "set", "only links to 1 of"),
        ([file(DATA, "set/1.csv"), file(LFS, "set/2.csv")], "set", "1 of its files are pointers"),
        ([file(DATA, "set/1.csv"), ignored("set/2.csv")], "set", ""),
        ([crlf], "data.csv", ""),
    ],
)
def test_committed_name(project: Path, steps: list[Callable[[Path], None]], path: str, says: str) -> None:
    """A link, a pointer, a folder with such or with more than git has: nobody keeps the bytes."""
    (project.parent / "away").mkdir()
    (project.parent / "away" / "data.csv").write_text(DATA)
    for step in steps:
        step(project)
    run_git(project, "add", ".")
    run_git(project, "commit", "-qm", "data")
    stated, outcome = recorded(project, path)
    assert (stated.source, stated.blob, stated.differs_from, outcome) == ("file", None, path, "INCOMPLETE")
    (record,) = records(project)
    assert [says in loss.why for loss in record.not_recorded] == ([True] if says else [])
    assert "data-bytes-unkept" in gittrack(project, "verify", "--data").stdout


def test_pointer_whose_bytes_are_checked_out(project: Path) -> None:
    """As git-lfs leaves it: git has the pointer, the disk the bytes, and git sees no change."""
    file(LFS)(project)
    run_git(project, "add", ".")
    run_git(project, "commit", "-qm", "data")
    run_git(project, "config", "filter.lfs.clean", f"printf %s '{LFS}'")
    (project / ".gitattributes").write_text("*.csv filter=lfs\n")
    run_git(project, "add", ".gitattributes")
    run_git(project, "commit", "-qm", "filter")
    (project / "data.csv").write_text(DATA)
    run_git(project, "add", "data.csv")
    assert run_git(project, "status", "--porcelain") == ""
    stated, _ = recorded(project)
    assert (stated.source, stated.sha256) == ("file", SHA256)
    (record,) = records(project)
    assert "git has only a pointer of git-lfs" in record.not_recorded[0].why


def test_folder_with_a_link_to_nothing(project: Path) -> None:
    """An annexed file whose bytes are elsewhere: one line says which, before anything runs."""
    file(DATA, "data/a.csv")(project)
    link(".git" + ANNEX.strip(), "data/b.csv")(project)
    run_git(project, "add", "data")
    run_git(project, "commit", "-qm", "data")
    ended = gittrack(project, "run", "--input", "data:train", "--", "true")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "data/b.csv is a link to nothing" in ended.stderr


def test_link_whose_target_changes(project: Path) -> None:
    """The digest is of the bytes behind it, with `store` they are kept."""
    link("../data.csv")(project)
    (project.parent / "data.csv").write_text(DATA)
    run_git(project, "add", ".")
    run_git(project, "commit", "-qm", "link")
    (project / "gittrack.yaml").write_text("dvc: {store_inputs: true}\n")
    gittrack(project, "run", "--input", "data.csv:train", "--", "true")
    (project.parent / "data.csv").write_text("other")
    gittrack(project, "run", "--input", "data.csv:train", "--", "true")
    first, second = sorted(records(project), key=lambda record: record.started)
    assert first.data[0].sha256 == SHA256 != second.data[0].sha256
    assert first.data[0].pointer and second.data[0].pointer


@pytest.mark.parametrize(
    ("steps", "path", "commit"),
    [
        ([file(DATA)], "data.csv", True),
        ([file(DATA)], "data.csv", False),
        ([file(DATA, "set/a/1.csv"), file("", "set/2.csv")], "set", True),
        ([file(DATA, "set/a/1.csv"), file("", "set/2.csv")], "set", False),
        ([file(DATA, "real.csv"), link("real.csv")], "data.csv", True),
        ([file(DATA, "set/1.csv"), link("set", "current")], "current/1.csv", True),
        ([file(DATA, "set/1.csv"), link("set", "current")], "current", False),
    ],
)
def test_bytes_that_git_holds(
    project: Path, steps: list[Callable[[Path], None]], path: str, commit: bool
) -> None:
    """Committed, or only in the snapshot; through a link of the tree to what is in the tree."""
    for step in steps:
        step(project)
    if commit:
        run_git(project, "add", ".")
        run_git(project, "commit", "-qm", "data")
    stated, outcome = recorded(project, path)
    assert (stated.source, stated.differs_from, outcome) == ("git", None, "PASS")
    (record,) = records(project)
    assert run_git(project, "cat-file", "-t", stated.blob or "").strip() in ("blob", "tree")
    assert record.not_recorded == ()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (file(DATA), ("git", SHA256, len(DATA), None)),
        (file(LFS), ("file", SHA256, len(DATA), "data.csv")),
        (file(ANNEX), ("file", None, None, "data.csv")),
        (link("../away/data.csv"), ("file", None, None, "data.csv")),
        (link("set/real.csv"), ("git", SHA256, len(DATA), None)),
    ],
)
def test_record_of_a_commit(
    project: Path, step: Callable[[Path], None], expected: tuple[str, str | None, int | None, str | None]
) -> None:
    """A commit has no other bytes than git's: behind a pointer are those that it names, by their digest."""
    file(DATA, "set/real.csv")(project)
    step(project)
    (project / "gittrack.yaml").write_text("inputs:\n- {path: data.csv, role: test}\n")
    (project / "metrics.json").write_text('{"acc": 1}')
    (project / "dvc.yaml").write_text("metrics: [metrics.json]\n")
    run_git(project, "add", ".")
    run_git(project, "commit", "-qm", "results")
    done = gittrack(project, "record", "HEAD")
    assert done.returncode == 0, done.stderr
    (record,) = records(project)
    stated = next(item for item in record.data if item.path == "data.csv")
    assert (stated.source, stated.sha256, stated.size, stated.differs_from) == expected
    assert (stated.blob is None) == (stated.source == "file")
