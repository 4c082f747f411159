"""Where the ledger is: its branch, as gittrack.yaml names it, and the commit at its end."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from gittrack.git.repository import Repository
from gittrack.version import VERSION

DEFAULT = "gittrack/runs"
_LARGEST = 1 << 20


def ledger_branch(repository: Repository) -> str:
    """The ledger branch that gittrack.yaml names.

    `gittrack.formats.config` decides; but it and the dataclasses that it needs take longer to import
    than a query takes, so that its own cache is asked first, and without a file nobody is.
    """
    try:
        settings = _remembered(repository)
        return DEFAULT if settings is None else str(settings.get("ledger", {}).get("branch", DEFAULT))
    except _NOTHING_USABLE:
        from gittrack.formats.config import load_cached

        return load_cached(repository.worktree, repository.state_dir).ledger.branch


def declared_metrics(repository: Repository) -> dict[str, list[str]]:
    """The metrics that gittrack.yaml declares, by experiment, as it has them in order."""
    try:
        settings = _remembered(repository) or {}
        return {name: list(e.get("metrics", {})) for name, e in settings.get("experiments", {}).items()}
    except _NOTHING_USABLE:
        from gittrack.formats.config import load_cached

        config = load_cached(repository.worktree, repository.state_dir)
        return {name: list(experiment.metrics) for name, experiment in config.experiments.items()}


_NOTHING_USABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""Nothing usable is remembered, or the file is none: gittrack.formats.config says what is wrong."""


def _remembered(repository: Repository) -> dict[str, Any] | None:
    """The settings as the cache of gittrack.formats.config has them; None without a file."""
    content = None if repository.worktree is None else _content(repository.worktree / "gittrack.yaml")
    if content is None:
        return None
    import hashlib

    stored: Any = json.loads((repository.state_dir / "config-cache.json").read_bytes())
    if (stored["gittrack"], stored["sha256"]) != (VERSION, hashlib.sha256(content).hexdigest()):
        raise ValueError("of another file")
    return dict(stored["config"])


def ledger_tip(repository: Repository, branch: str) -> str | None:
    """The commit at the end of the ledger: local, else as a remote (origin first) last had it."""
    local = f"refs/heads/{branch}"
    refs = repository.refs(local, f"refs/remotes/*/{branch}")
    names = sorted(refs, key=lambda name: (name != local, not name.startswith("refs/remotes/origin/"), name))
    return refs[names[0]].oid if names else None


def _content(path: Path) -> bytes | None:
    """The bytes of a regular file, None if there is none; OSError for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise OSError(f"{path} is no file of settings")
        return file.read()
