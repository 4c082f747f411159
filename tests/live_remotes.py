"""What lies on a remote of runs that still go on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.repositories import run_git

REFS = "refs/gittrack/live/"


def live_refs(remote: Path) -> dict[str, str]:
    """The commit of each run's snapshot, in the bare repository `remote`."""
    lines = run_git(remote, "for-each-ref", "--format=%(refname) %(objectname)", REFS).splitlines()
    return {ref.removeprefix(REFS): oid for ref, oid in map(str.split, lines)}


def snapshot_of(remote: Path, run: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(run_git(remote, "show", f"{REFS}{run}:live.json"))
    return plain


def put(remote: Path, name: str, data: bytes, file: str = "live.json") -> str:
    """A commit with one file on a ref of a run's name, as anybody may push it."""

    def git(*arguments: str, data: bytes | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=remote, input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    blob = git("hash-object", "-w", "--stdin", data=data)
    tree = git("mktree", data=f"100644 blob {blob}\t{file}\n".encode())
    who = ("-c", "user.name=Eve", "-c", "user.email=eve@example.org")
    commit = git(*who, "commit-tree", "-m", "x", tree)
    git("update-ref", f"{REFS}{name}", commit)
    return commit


def snapshot(run: str = "20261122-142233-7f3a2c", **changes: Any) -> dict[str, Any]:
    """One that can be read."""
    return {
        "schema": "gittrack/live/1", "id": run, "experiment": "digits", "status": "running",
        "started": "2026-11-22T14:22:33.000000Z", "sent": "2026-11-22T14:23:33.000000Z", "every": 60,
        "last_point": "2026-11-22T14:23:30.000000Z", "params": {"lr": 0.1},
        "metrics": {"loss": {"value": 0.5, "step": 3, "rule": "last"}},
        "curves": {"loss": [[1, 0.5, 2.0], [3, 2.5, 0.5]]}, **changes,
    }  # fmt: skip
