"""Where things lie: pages of a forge, commits and their dates, files that gittrack.yaml names."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from gittrack.formats.config import FILE
from gittrack.git.repository import ObjectReader, Repository
from gittrack.publishing.report.model import Place, Web

_REMOTE = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)([a-z0-9.-]+)(?::[0-9]+(?=/))?[/:]([\w./-]+)")
_COMMITTER = re.compile(rb"(?m)^committer .*> ([0-9]{1,12}) [+-][0-9]{4}$")
_LATEST = 253402300799  # the end of the year 9999


def web_of(repository: Repository, recorded: str | None) -> Web | None:
    """The forge that the repository's remote (else the one in a record) is on; None for others."""
    remote = next(iter(repository.remotes()), None)
    for url in (repository.setting(f"remote.{remote}.url") if remote else None, recorded):
        forge = forge_of(url)
        if forge is not None:
            return forge
    return None


def forge_of(remote: str | None) -> Web | None:
    """``https://host/owner/name`` of a remote on a forge whose pages are known; None for others."""
    match = _REMOTE.fullmatch(remote or "")
    if match is None or ".." in match[2] or "//" in match[2]:
        return None
    host, path = match[1], match[2].strip("/").removesuffix(".git")
    first = host.partition(".")[0]
    if "/" not in path:
        return None
    address = f"https://{host}/{path}"
    if first == "github":
        return Web(address, "github")
    if first == "gitlab":
        return Web(address, "gitlab")
    return Web(address, "forgejo") if host in ("codeberg.org", "code.forgejo.org") else None


def place_of(objects: ObjectReader, head: str | None, target: str) -> Place:
    """A web address as it is; anything else is looked for as a path in the code of HEAD."""
    if target.startswith(("https://", "http://")):
        return Place(target=target, web=True)
    git_object = None
    inside = not target.startswith("/") and ".." not in target.split("/") and "\n" not in target
    if head is not None and inside:
        git_object = objects.get(f"{head}:{target.removeprefix('./').rstrip('/')}")
    return Place(target=target, commit=head, oid=git_object.oid if git_object is not None else None)


def stated_in(repository: Repository, objects: ObjectReader, head: str | None) -> str | None:
    """Blob of the gittrack.yaml of the work tree, where HEAD has the same; None where it has not."""
    blob = objects.get(f"{head}:{FILE}") if head is not None else None
    if blob is None or repository.worktree is None:
        return None if blob is None else blob.oid
    try:
        return blob.oid if (repository.worktree / FILE).read_bytes() == blob.data else None
    except OSError:
        return None


def added_by(repository: Repository, tip: str, folder: str) -> dict[str, str]:
    """By path: the commit that added each file below `folder` last. One process."""
    log = repository.git(
        "log", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=%x00%H", "--end-of-options",
        tip, "--", f"{folder}/", doing="list what was added",
    )  # fmt: skip
    commits: dict[str, str] = {}
    commit = ""
    for item in os.fsdecode(log).split("\0"):
        word = item.strip("\n")
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", word):
            commit = word
        elif word:
            commits.setdefault(word, commit)  # newest commits come first
    return commits


def committed(objects: ObjectReader, commit: str) -> str:
    """The committer's date, as he wrote it down."""
    seconds = _COMMITTER.findall(head_of(objects, commit))
    return utc(int(seconds[-1])) if seconds else ""


def head_of(objects: ObjectReader, commit: str | None) -> bytes:
    """The header of a commit; nothing where this clone lacks it."""
    git_object = objects.get(commit) if commit else None
    return (
        git_object.data.partition(b"\n\n")[0]
        if git_object is not None and git_object.kind == "commit"
        else b""
    )


def utc(seconds: int) -> str:
    """``2026-11-25 09:30 UTC``."""
    return datetime.fromtimestamp(min(seconds, _LATEST), UTC).strftime("%Y-%m-%d %H:%M UTC")
