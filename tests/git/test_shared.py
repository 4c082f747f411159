"""Repositories that a group shares: what we make has the rights that git gives, whatever the umask."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack.git.shared import shared_mode
from tests.recording.commands import gittrack
from tests.repositories import run_git

TRAINING = """
import os, stat, sys, pathlib
import gittrack
pathlib.Path("model.bin").write_bytes(b"weights")
with gittrack.start_run("e") as run:
    run.log_metric("loss", 0.5, step=1)
    run.log_artifact("model.bin")
    run._journal.flush()
    for path in pathlib.Path(".git/gittrack").rglob("*"):
        print(oct(path.lstat().st_mode), path)
"""


def modes(top: Path) -> Iterator[tuple[Path, int]]:
    """Of all that is in the git directory and in DVC's cache."""
    for folder in (top / ".git", top / ".dvc" / "cache"):
        for path in folder.rglob("*"):
            yield path.relative_to(top), path.lstat().st_mode


def by_git(kind: int, sharing: str, tmp_path: Path, umask: int) -> int:
    """The mode that git gives a folder (or a file) of its own there."""
    top = tmp_path / f"by-git-{sharing}-{umask:o}"
    if not top.exists():
        subprocess.run(["git", "init", "-q", str(top)], check=True, umask=umask)
        run_git(top, "config", "core.sharedRepository", sharing)
        command = ["git", "commit", "-q", "--allow-empty", "-m", "first"]
        subprocess.run(command, cwd=top, check=True, umask=umask)
    made = top / ".git" / ("logs" if stat.S_ISDIR(kind) else "logs/HEAD")
    return stat.S_IMODE(made.stat().st_mode)


@pytest.mark.parametrize(
    ("sharing", "umask", "with_dvc"),
    [("group", 0o077, False), ("all", 0o077, True), ("0660", 0o022, True), ("0640", 0o077, False)],
)
def test_what_a_run_makes_has_the_rights_that_git_gives(
    project: Path, tmp_path: Path, sharing: str, umask: int, with_dvc: bool
) -> None:
    """Files and folders, while it runs and after; those of DVC's cache are folders and read-only content."""
    run_git(project, "config", "core.sharedRepository", sharing)
    (project / ".gitignore").write_text("/model.bin\n")
    if with_dvc:
        (project / ".dvc").mkdir()
        (project / ".dvc" / "config").write_text("")
    command = [sys.executable, "-c", TRAINING]
    done = subprocess.run(command, cwd=project, umask=umask, capture_output=True, text=True, check=True)
    assert gittrack(project, "log", umask=umask).returncode == 0
    running = [line.split(" ", 1) for line in done.stdout.splitlines()]
    made = [(Path(path), int(mode, 8)) for mode, path in running]
    made += [
        (path, mode) for path, mode in modes(project) if "gittrack" in path.parts or ".dvc" in path.parts
    ]
    assert {"events-000", "start.json", "index"} <= {
        known for path, _ in made for known in ("events-000", "start.json", "index") if known in path.name
    }
    needed = by_git(stat.S_IFREG, sharing, tmp_path, umask) & 0o660
    folders = by_git(stat.S_IFDIR, sharing, tmp_path, umask) & 0o2770
    for path, mode in made:
        if stat.S_ISDIR(mode):
            assert mode & folders == folders, (path, oct(mode))
        elif "md5" in path.parts:
            assert stat.S_IMODE(mode) == 0o444, (path, oct(mode))
        elif ".dvc" not in path.parts:
            assert mode & needed == needed, (path, oct(mode))


def test_a_repository_that_is_not_shared_follows_the_umask(project: Path) -> None:
    """Nothing gets rights that the umask keeps back."""
    (project / ".gitignore").write_text("/model.bin\n")
    subprocess.run(
        [sys.executable, "-c", TRAINING], cwd=project, umask=0o077, check=True, capture_output=True
    )
    for path, mode in modes(project):
        if "gittrack" in path.parts and "md5" not in path.parts and "refs" not in path.parts:
            assert not mode & 0o077, (path, oct(mode))


def test_modes_are_those_of_git(tmp_path: Path) -> None:
    """For every umask and setting, files and folders, as git itself makes them."""
    numbers = {"group": 0o660, "all": 0o664, "0660": -0o660, "0640": -0o640, "0666": -0o666, "true": 0o660}
    for sharing, number in numbers.items():
        for umask in (0o077, 0o022, 0o002):
            for kind, full in ((stat.S_IFREG, 0o666), (stat.S_IFDIR, 0o777)):
                ours = stat.S_IMODE(shared_mode(kind | (full & ~umask), number))
                assert ours == by_git(kind, sharing, tmp_path, umask), (sharing, oct(umask), oct(ours))


def test_another_of_the_group_can_take_a_run_that_was_killed(project: Path) -> None:
    """With a umask of 077, and under gittrack run: all of the journal is the group's too."""
    run_git(project, "config", "core.sharedRepository", "group")
    (project / ".gitignore").write_text("/model.bin\n")
    kill = "run._journal.flush(); os.kill(os.getppid(), 9); os.kill(os.getpid(), 9)"
    (project / "train.py").write_text(TRAINING.replace("run._journal.flush()", kill))
    assert gittrack(project, "run", "--", sys.executable, "train.py", umask=0o077).returncode == -9
    (journal,) = (project / ".git" / "gittrack" / "journal").iterdir()
    for path in [journal.parent, journal, *journal.rglob("*")]:
        assert path.stat().st_mode & 0o060 == 0o060, path
