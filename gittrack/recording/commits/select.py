"""Which commits are training commits: by what they change, and by their trailer. One process for a range."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from gittrack.errors import NotFoundError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.commits import read_commit
from gittrack.recording.commits.pipeline import LOCK, YAML, CommitFiles, matching, read_declared


def training_commits(repo: Repository, config: Config, revisions: str) -> list[str]:
    """Of ``REV`` or ``A..B``, oldest first: a single commit counts whatever it changes if it is named alone.

    NotFoundError for what names no commit.
    """
    if ".." not in revisions:
        commit = repo.resolve(revisions)
        if commit is None:
            raise NotFoundError(f"no commit {revisions!r}: git log shows what there is")
        return [commit]
    begin, _, end = revisions.partition("..")
    ends = [repo.resolve(name or "HEAD") for name in (begin, end.lstrip("."))]
    if None in ends:
        missing = begin if ends[0] is None else end
        raise NotFoundError(f"no commit {missing!r}: git log shows what there is")
    return list(_training(repo, config, [f"^{ends[0]}", str(ends[1])]))


def is_training(repo: Repository, config: Config, commit: str) -> bool:
    """Whether this one commit is a training commit."""
    return bool(list(_training(repo, config, ["--no-walk", commit])))


def _training(repo: Repository, config: Config, what: list[str]) -> Iterator[str]:
    listed = repo.git("rev-list", "--reverse", "--topo-order", *what, "--", doing="list commits")
    out = repo.git(
        "diff-tree", "--stdin", "--always", "-r", "--root", "--no-renames", "--name-only", "-z",
        doing="look at commits", data=listed,
    )  # fmt: skip
    fields = os.fsdecode(out).split("\0")[:-1]
    commits = listed.decode().split()
    at = 0
    with repo.objects() as objects:
        for number, commit in enumerate(commits):
            following = commits[number + 1] if number + 1 < len(commits) else None
            changed = []
            at += 1
            while at < len(fields) and fields[at] != following:
                changed.append(fields[at])
                at += 1
            if _is_training(objects, config, commit, changed):
                yield commit


def _is_training(objects: ObjectReader, config: Config, commit: str, changed: list[str]) -> bool:
    stated = config.training_commit
    if any(posixpath.basename(path) == LOCK for path in changed):
        return True
    if matching([p.rstrip("/") for p in [*stated.paths, *stated.metrics]], changed):
        return True
    item = objects.get(commit)
    if item is not None and read_commit(commit, item.data).experiment:
        return True
    files = CommitFiles(commit, objects)
    folders = {folder for path in changed for folder in _above(path)}
    metrics = [m for f in folders for m in read_declared(files.read(posixpath.join(f, YAML)), f).metrics]
    return bool(matching(metrics, changed))


def _above(path: str) -> Iterator[str]:
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""
