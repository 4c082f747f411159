"""Commits that the ledger's tip has to descend from: the only way to see a ledger cut short or rolled back.

A pin comes from outside (``--anchor``, GITTRACK_ANCHOR) or is the tip that this clone verified last.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.errors import NotFoundError, UsageError
from gittrack.git.repository import Repository
from gittrack.verify.context import Context, VerifyOptions
from gittrack.verify.findings import Finding

FILE = "verified.json"
_LARGEST = 1 << 20
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Pin:
    """A commit, and where it was said."""

    commit: str
    source: str


def check_pins(context: Context) -> Iterator[Finding]:
    """Whether the tip descends from every pin."""
    shallow = context.repository.run("rev-parse", "--is-shallow-repository").out.strip() == b"true"
    for pin in pins(context.repository, context.branch, context.options, follows=context.pins):
        git_object = context.objects.get(pin.commit)
        if git_object is not None and git_object.kind != "commit":
            raise UsageError(f"{pin.source} {pin.commit} is no commit")
        if git_object is not None and context.repository.is_ancestor(pin.commit, context.tip):
            continue
        is_held = git_object is not None and not shallow
        yield (
            rolled_back(context.branch, context.tip, pin)
            if is_held
            else _absent(context, pin, git_object is None)
        )


def rolled_back(branch: str, tip: str, pin: Pin) -> Finding:
    """The tip does not follow a pin."""
    return Finding(
        code="history-rolled-back", severity="fail", path=branch, expected=f"{pin.source} {pin.commit}",
        found=tip or "no ledger",
        says="the ledger does not go on from a commit that it once had: runs may have been taken away",
    )  # fmt: skip


def _absent(context: Context, pin: Pin, absent: bool) -> Finding:
    return Finding(
        code="history-anchor-absent", severity="incomplete", path=context.branch,
        expected=f"{pin.source} {pin.commit}", found=context.tip,
        says="this clone does not have the pinned commit: run git fetch, or the ledger was rewritten"
        if absent
        else "this clone is shallow, so whether the pinned commit was kept cannot be told: "
        "run git fetch --unshallow",
    )  # fmt: skip


def pins(repository: Repository, branch: str, options: VerifyOptions, *, follows: bool) -> list[Pin]:
    """What was asked for, and (for the ledger as it stands) what this clone verified last."""
    pins = []
    given = options.anchor or os.environ.get("GITTRACK_ANCHOR")
    if given:
        pins.append(Pin(_read_anchor(repository, given), "anchor"))
    last = read_verified(repository).get(branch) if follows else None
    if last is not None:
        pins.append(Pin(last, "last verified"))
    return pins


def _read_anchor(repository: Repository, given: str) -> str:
    """The commit that `given`, a revision or a file that begins with a commit id, means."""
    path = Path(given)
    if path.is_file():
        with path.open("rb") as file:
            words = file.read(4096).decode("utf-8", "replace").split()
        if not words or not _OID.fullmatch(words[0]):
            raise UsageError(f"anchor file {given} does not begin with a full commit id")
        return words[0]
    commit = repository.resolve(given)
    if commit is not None:
        return commit
    if _OID.fullmatch(given):
        return given
    raise NotFoundError(f"anchor {given!r} is no file and no revision: give a commit id, or run git fetch")


def read_verified(repository: Repository) -> dict[str, str]:
    """By branch the tip that this clone last found to PASS; empty where nothing usable is kept."""
    try:
        with (repository.state_dir / FILE).open("rb") as file:
            stored: Any = json.loads(file.read(_LARGEST))
        tips = {branch: entry["tip"] for branch, entry in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}  # none yet, or cut short: it is the clone's own note, and its loss is that of the note
    return {branch: tip for branch, tip in tips.items() if isinstance(tip, str) and _OID.fullmatch(tip)}


def remember(repository: Repository, branch: str, tip: str) -> bool:
    """Keep `tip` as the last one that passed; False where the git directory takes no files."""
    tips = {**read_verified(repository), branch: tip}
    plain = {name: {"tip": commit} for name, commit in tips.items()}
    try:
        repository.state_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=repository.state_dir, prefix=FILE, delete=False) as file:
            json.dump(plain, file, indent=1)
        Path(file.name).replace(repository.state_dir / FILE)
    except OSError:
        return False
    return True
