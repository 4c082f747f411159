"""What is wrong with a set-up, and how to mend it: what `gittrack doctor` says."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gittrack.cli.setup.setup import DRIVER, missing_refspecs, names_module
from gittrack.errors import GittrackError
from gittrack.formats.config import Config, load
from gittrack.git.process import MINIMUM_GIT
from gittrack.git.repository import Repository
from gittrack.ledger import DVC_CONFIG, Ledger
from gittrack.reading.journal.stored import stored_journals

Level = Literal["ok", "note", "problem"]
LOW_DISK_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at: how it stands, and what to do where it does not stand well."""

    topic: str
    level: Level
    says: str
    mend: str = ""


Checkup = Callable[[Repository, Config], Iterator[Diagnosis]]


def examine(repo: Repository) -> list[Diagnosis]:
    """Look at everything; one check that cannot be made does not hide the others."""
    try:
        config = load(repo.worktree)
        diagnoses = [
            Diagnosis("gittrack.yaml", "ok", "follows its schema" if _has_config(repo) else "none: defaults")
        ]
    except GittrackError as error:
        config = Config()
        diagnoses = [Diagnosis("gittrack.yaml", "problem", str(error), "edit gittrack.yaml")]
    for checkup in CHECKUPS:
        try:
            diagnoses += checkup(repo, config)
        except (GittrackError, OSError) as error:
            topic = checkup.__name__.strip("_").replace("_", " ")
            diagnoses.append(
                Diagnosis(topic, "problem", str(error), "mend that, then run gittrack doctor again")
            )
    return diagnoses


def _has_config(repo: Repository) -> bool:
    return repo.worktree is not None and (repo.worktree / "gittrack.yaml").is_file()


def _git(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    printed = repo.git("version", doing="say its version").decode()
    numbers = re.search(r"([0-9]+)\.([0-9]+)", printed)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version < MINIMUM_GIT:
        yield Diagnosis("git", "problem", f"{printed.strip()} is too old", "install git 2.34 or newer")
    else:
        yield Diagnosis("git", "ok", f"{printed.strip()}, {repo.object_format}")


def _identity(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    who = repo.identity()
    signing = f", commits signed with {repo.setting('gpg.format') or 'openpgp'}" if repo.signs else ""
    yield Diagnosis("identity", "ok", f"{who.name} <{who.email}>{signing}")


def _repository(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    shallow = (repo.common_dir / "shallow").exists()
    if shallow:
        yield Diagnosis(
            "repository",
            "note",
            "shallow clone: code of old runs may be missing here",
            "git fetch --unshallow",
        )
    state = repo.state_dir
    folder = state if state.exists() else repo.common_dir
    if not os.access(folder, os.W_OK):
        yield Diagnosis(
            "repository", "problem", f"{folder} is not writable", "give yourself the right to write there"
        )
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        yield Diagnosis("disk", "problem", f"{free / 1e6:.0f} MB are free", "free some space")
    else:
        yield Diagnosis("disk", "ok", f"{free / 1e9:.0f} GB are free")


def _ledger(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    ledger = Ledger(repo, config.ledger.branch)
    with repo.objects() as objects:
        state = ledger.ready(objects)
    if state.tip is None:
        yield Diagnosis(
            "ledger", "note", f"branch {ledger.branch} does not exist yet", "gittrack init, or make a run"
        )
        return
    count = repo.git("rev-list", "--count", state.tip, doing="count the ledger's commits").decode().strip()
    yield Diagnosis("ledger", "ok", f"branch {ledger.branch}, {count} commits")


def _unfinished_runs(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    for journal in stored_journals(repo.state_dir):
        try:
            alive = journal.alive
        except GittrackError as error:
            yield Diagnosis("unfinished run", "problem", str(error), f"look into {journal.folder}")
            continue
        if alive is None:
            yield Diagnosis(
                "unfinished run",
                "note",
                f"{journal.run_id} belongs to another host",
                f"if it does not run there any more: gittrack recover {journal.run_id} --force",
            )
        elif not alive:
            yield Diagnosis(
                "unfinished run", "problem", f"{journal.run_id}: its process is gone", "gittrack recover"
            )


def _remotes(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    if not repo.remotes():
        yield Diagnosis(
            "remote", "note", "no git remote: runs stay on this machine", "git remote add origin URL"
        )
    for remote in repo.remotes():
        if missing_refspecs(repo, remote, config.ledger.branch):
            yield Diagnosis(
                "remote", "note", f"git fetch {remote} does not bring the ledger", "gittrack init"
            )
        else:
            yield Diagnosis("remote", "ok", f"git fetch {remote} brings the ledger")


def _series(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    driver = repo.setting(DRIVER)
    if driver is None:
        return
    if names_module(driver):
        yield Diagnosis(
            "series",
            "problem",
            f"{DRIVER} is that of an older gittrack: git show and git diff of a series may fail",
            "gittrack init --no-config --textconv",
        )
    else:
        yield Diagnosis("series", "ok", "git show and git diff show them as a few lines")


def _dvc(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    from gittrack.dvc.settings import cache_of, ledger_config, project_of

    if project_of(repo.worktree) is None:
        where = repo.state_dir / "dvc" / "cache"
        yield Diagnosis("dvc", "note", f"no DVC here: outputs are kept in {where} alone", "dvc init")
        return
    cache, types = cache_of(repo)
    yield Diagnosis("dvc", "ok", f"cache {cache} ({', '.join(types)})")
    remotes = ledger_config(repo.worktree)
    if b"url" not in remotes:
        yield Diagnosis(
            "dvc", "note", "no DVC remote: outputs stay on this machine", "dvc remote add -d NAME URL"
        )
    else:
        yield from _dvc_remotes(repo, config, remotes)
    nearest = next(folder for folder in [cache, *cache.parents] if folder.exists())
    if not os.access(nearest, os.W_OK):
        yield Diagnosis(
            "dvc", "problem", f"the cache {cache} is not writable", "give yourself the right to write there"
        )


def _dvc_remotes(repo: Repository, config: Config, remotes: bytes) -> Iterator[Diagnosis]:
    """What stock dvc finds on the ledger: a remote, and one that is chosen."""
    if b"[core]" not in remotes:
        yield Diagnosis(
            "dvc",
            "note",
            "no DVC remote is the default: dvc pull on the ledger asks for one",
            "dvc remote default NAME",
        )
    with repo.objects() as objects:
        config_blob = objects.get(f"refs/heads/{config.ledger.branch}:{DVC_CONFIG}")
    if config_blob is not None and config_blob.data != remotes:
        yield Diagnosis("dvc", "note", "the ledger names other DVC remotes than .dvc/config", "gittrack init")


def _untracked_files(repo: Repository, config: Config) -> Iterator[Diagnosis]:
    """Files that make every run dirty, or are too large for its snapshot."""
    if repo.worktree is None:
        return
    limit = int(config.capture.max_file_mb * 1_000_000)
    untracked = [c.path for c in repo.status().changes if c.state == "?"]
    large = [p for p in untracked if _size(repo.worktree / p) > limit]
    if large:
        yield Diagnosis(
            "work tree",
            "problem",
            f"{large[0]} is untracked and too large for a snapshot"
            + (f" ({len(large)} such files)" if large[1:] else ""),
            f"dvc add {large[0]}, or list it in .gitignore",
        )
    elif untracked:
        yield Diagnosis(
            "work tree",
            "note",
            f"{len(untracked)} untracked files make every run dirty, such as {untracked[0]}",
            "commit them, or list them in .gitignore",
        )


def _size(path: Path) -> int:
    return path.lstat().st_size if path.exists() else 0


CHECKUPS: tuple[Checkup, ...] = (
    _git,
    _identity,
    _repository,
    _ledger,
    _unfinished_runs,
    _remotes,
    _series,
    _dvc,
    _untracked_files,
)
