"""What differs from HEAD, as `git status` says it."""

from __future__ import annotations

import os
from typing import NamedTuple


class Change(NamedTuple):
    """A path that differs from HEAD: git's porcelain v2 state, ``?`` for an untracked one."""

    path: str
    state: str
    submodule: str | None = None
    """git's four letters ``S<c><m><u>`` for a submodule."""
    head: str = ""
    """Mode and id in HEAD's tree, such as ``100644 <oid>``; empty where HEAD has no such path."""


class Status(NamedTuple):
    """HEAD and what differs from it."""

    commit: str | None
    branch: str | None
    changes: tuple[Change, ...]


QUESTION = (
    "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=none",
    "--no-renames",
)  # fmt: skip
"""The arguments of git."""


def parse_status(out: bytes) -> Status:
    """What git answers to `QUESTION`."""
    commit = branch = None
    changes: list[Change] = []
    for line in os.fsdecode(out).split("\0"):
        if line.startswith("# branch.oid "):
            commit = None if line.endswith("(initial)") else line.split(" ")[2]
        elif line.startswith("# branch.head "):
            branch = None if line.endswith("(detached)") else line.split(" ", 2)[2]
        elif line.startswith("1 "):
            f = line.split(" ", 8)
            inside = f[2] if f[2] != "N..." else None
            changes.append(Change(f[8], f[1], inside, "" if f[3] == "000000" else f"{f[3]} {f[6]}"))
        elif line.startswith("u "):
            f = line.split(" ", 10)
            changes.append(Change(f[10], "UU", head="" if f[4] == "000000" else f"{f[4]} {f[8]}"))
        elif line.startswith("? "):
            changes.append(Change(line[2:], "?"))
    return Status(commit, branch, tuple(changes))
