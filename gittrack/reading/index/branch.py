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
        content = None if repository.worktree is None else _content(repository.worktree / "gittrack.yaml")
        if content is None:
            return DEFAULT
        import hashlib

        stored: Any = json.loads((repository.state_dir / "config-cache.json").read_bytes())
        if (stored["gittrack"], stored["sha256"]) == (VERSION, hashlib.sha256(content).hexdigest()):
            return str(stored["config"].get("ledger", {}).get("branch", DEFAULT))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # nothing usable is remembered, or the file is none: let gittrack.formats.config say so
    from gittrack.formats.config import load_cached

    return load_cached(repository.worktree, repository.state_dir).ledger.branch


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
