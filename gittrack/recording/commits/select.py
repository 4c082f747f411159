"""Which commits are training commits: those that bring results that no commit before them brought.

A revert, a merge, a cherry-pick or a rebase brings what was there: the results' identity tells.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gittrack.errors import NotFoundError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.commits import TRAILER, read_commit, recorded_commits
from gittrack.recording.commits.brought import Change, Item, Reading, changes
from gittrack.recording.commits.declared import YAML, metrics_among
from gittrack.recording.commits.pipeline import LOCK, CommitFiles, read_pipelines

NO_RESULTS = "none: the commit has no results"


@dataclass(slots=True)
class Selection:
    """Training commits, oldest first, and those whose results another commit brought before."""

    commits: list[str] = field(default_factory=list)
    copies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By commit, the commits that have its results: one where one has all, else oldest first."""
    results_from: dict[str, str] = field(default_factory=dict)
    """Of a commit that was named and brings no results: the commits that its results are from."""
    complaints: list[str] = field(default_factory=list)
    brought: dict[str, frozenset[Item]] = field(default_factory=dict)
    """The results of each training commit and of each copy, oldest first."""


def training_commits(repo: Repository, config: Config, revisions: str | None) -> Selection:
    """Of ``REV``, ``A..B``, ``..B`` (from the first commit on), or of all branches and tags where None.

    A commit named alone counts whatever it changes, unless a recorded commit has its results.
    NotFoundError for what names no commit.
    """
    if revisions is None:
        return _select(repo, config, _all_refs(repo, config))
    if ".." not in revisions:
        return _named(repo, config, _commit(repo, revisions))
    begin, _, end = revisions.partition("..")
    last = _commit(repo, end.lstrip(".") or "HEAD")
    return _select(repo, config, [last, *([f"^{_commit(repo, begin)}"] if begin else [])], [last])


def judge(repo: Repository, config: Config, commit: str) -> Selection:
    """Whether this one commit is a training commit, or a copy of another."""
    return _select(repo, config, [f"{commit}^!"], [commit])


def _commit(repo: Repository, revision: str) -> str:
    commit = repo.resolve(revision)
    if commit is None:
        raise NotFoundError(f"no commit {revision!r}: git log shows what there is")
    return commit


def _all_refs(repo: Repository, config: Config) -> list[str]:
    """What rev-list takes for all branches, tags and remote branches but those of gittrack."""
    ours = [f"{remote}{name}" for remote in ("", "*/") for name in ("gittrack/*", config.ledger.branch)]
    without = [f"--exclude={name}" for name in ours]
    head = ["HEAD"] if repo.resolve("HEAD") else []
    return [*head, *without, "--branches", *without, "--tags", *without, "--remotes"]


def _named(repo: Repository, config: Config, commit: str) -> Selection:
    selection = judge(repo, config, commit)
    if selection.commits:
        return selection
    recorded = recorded_commits(repo, config)
    sources = selection.copies.get(commit) or _sources(repo, config, commit)
    if not sources or commit[:12] in recorded:
        return Selection([commit])
    if all(source[:12] in recorded for source in sources):
        return Selection([], {commit: sources})
    return Selection([commit], results_from={commit: ", ".join(sources)})


def _sources(repo: Repository, config: Config, commit: str) -> tuple[str, ...]:
    """The last training commits before this one whose results it still has."""
    history = _select(repo, config, [commit])
    with repo.objects() as objects:
        reading = Reading(objects, config)
        sought = _identities(reading, CommitFiles.of(repo, objects, commit))
        sources: list[str] = []
        for training in reversed(history.brought):
            if any(item.identity in sought for item in history.brought[training]):
                sources += reversed(history.copies.get(training, (training,)))
                sought -= _identities(reading, CommitFiles.of(repo, objects, training))
    return tuple(reversed(dict.fromkeys(sources))) or ((NO_RESULTS,) if history.brought else ())


def _identities(reading: Reading, files: CommitFiles) -> set[str]:
    """What identifies the results that a commit has."""
    blobs = _results(reading.config, files)
    identities = {reading.content(blob, path) for path, blob in blobs.items() if blob}
    for path, blob in blobs.items():
        identities |= reading.stages(blob or "", path) if posixpath.basename(path) == LOCK else set()
    return identities


def _results(config: Config, files: CommitFiles) -> dict[str, str | None]:
    """The files of results that a commit has, with their blobs."""
    declared = [m for p in read_pipelines(files) for m in p.declared.metrics]
    stated = config.training_commit
    paths = metrics_among([*declared, *stated.metrics, *stated.paths], sorted(files.names))
    locks = [name for name in files.names if posixpath.basename(name) == LOCK]
    return {path: files.oid(path) for path in sorted({*paths, *locks})}


def _select(repo: Repository, config: Config, what: Sequence[str], ends: Sequence[str] = ()) -> Selection:
    """`what`: arguments of rev-list. `ends`: where to look for results from before it."""
    commits = _list(repo, what)
    cut = _cut_off(repo) & set(commits)
    by_trailer = set(_list(repo, [*what, f"--grep=^{TRAILER}:"])) if commits else set()
    with repo.objects() as objects:
        reading = Reading(objects, config)
        changed = dict(changes(repo, commits))
        _learn(repo, reading, what, changed.values())
        brought = {c: frozenset() if c in cut else reading.brought(c, changed[c]) for c in commits}
        selection = Selection(complaints=list(reading.complaints))
        known, order = _known(repo, config, reading, brought, ends)
        stamps = _Stamps(repo, config, objects) if by_trailer else None
        for commit in commits:
            if stamps is not None and commit in by_trailer and stamps.has_trailer(commit):
                copied = stamps.source(commit)
                sources: tuple[str, ...] = (copied,) if copied else ()
            elif brought[commit]:
                sources = _holders(reading, commit, brought[commit], known, order)
            else:
                continue
            selection.brought[commit] = brought[commit]
            if not sources:
                selection.commits.append(commit)
                known.update(dict.fromkeys(brought[commit], commit))
            else:
                selection.copies[commit] = sources
    selection.complaints += [f"what {c[:10]} brings cannot be known: run git fetch --unshallow" for c in cut]
    return selection


def _holders(
    reading: Reading,
    commit: str,
    brought: frozenset[Item],
    known: Mapping[Item, str],
    order: Mapping[str, int],
) -> tuple[str, ...]:
    """The commits that have the results that `commit` brings; none where one of those is its own.

    The last one alone where it has them all, else also those that brought what it has not.
    """
    left = {item: known.get(item, commit) for item in brought}
    if commit in left.values():
        return ()
    holders: list[str] = []
    while left:
        holders.append(max(left.values(), key=order.__getitem__))
        tree = CommitFiles(holders[-1], reading.objects)
        left = {i: by for i, by in left.items() if by not in holders and not reading.holds(tree, i)}
    return tuple(reversed(holders))


def _cut_off(repo: Repository) -> set[str]:
    """Commits of which a shallow clone lacks the parents: each looks as if it brought everything."""
    shallow = repo.common_dir / "shallow"
    return set(shallow.read_text().split()) if shallow.is_file() else set()


def _few(paths: Iterable[str]) -> list[str]:
    """The paths for a command of git; none, which means all, where they are too many for one."""
    listed = sorted(paths)
    return listed if len(listed) <= 1000 else []


def _list(repo: Repository, what: Sequence[str]) -> list[str]:
    """Oldest first; a parent before its children."""
    return repo.git("rev-list", "--reverse", "--date-order", *what, doing="list commits").decode().split()


def _learn(
    repo: Repository, reading: Reading, what: Sequence[str], changed: Iterable[Sequence[Change]]
) -> None:
    """Take in each dvc.yaml of the range: of the trees that it begins with, and those that it changes."""
    yamls = {
        (change.path, change.now)
        for of_commit in changed
        for change in of_commit
        if posixpath.basename(change.path) == YAML and change.now
    }
    listed = repo.git("rev-list", "--boundary", *what, doing="list commits").decode().split()
    for boundary in (oid[1:] for oid in listed if oid.startswith("-")):
        out = repo.git("ls-tree", "-r", "-z", "--full-tree", boundary, doing="list a commit")
        rows = (row.partition("\t") for row in os.fsdecode(out).split("\0")[:-1])
        yamls |= {(path, meta.split(" ")[2]) for meta, _, path in rows if posixpath.basename(path) == YAML}
    for path, oid in sorted(yamls):
        blob = reading.objects.get(oid)
        reading.learn(path, None if blob is None else blob.data)


def _known(
    repo: Repository,
    config: Config,
    reading: Reading,
    brought: Mapping[str, frozenset[Item]],
    ends: Sequence[str],
) -> tuple[dict[Item, str], dict[str, int]]:
    """Results by the commit that brought them, before the range or elsewhere and recorded; the order.

    Of several commits that brought a result, a recorded one counts.
    """
    items = {item for new in brought.values() for item in new}
    if not items:
        return {}, {}
    paths = _few({item.path for item in items})
    before = (
        [oid for oid in _list(repo, [*ends, "--full-history", "--", *paths]) if oid not in brought]
        if ends
        else []
    )
    recorded = recorded_commits(repo, config)
    here = {oid[:12] for oid in (*brought, *before)}
    elsewhere = [item.oid for item in reading.objects.get_many(sorted(recorded - here)) if item is not None]
    order = {oid: place for place, oid in enumerate([*elsewhere, *before, *brought])}
    known: dict[Item, str] = {}
    by_rank = sorted([*before, *elsewhere], key=lambda oid: oid[:12] not in recorded)
    for commit, changed in changes(repo, by_rank, paths):
        for item in reading.brought(commit, changed):
            known.setdefault(item, commit)
    for commit in brought:
        if commit[:12] in recorded:
            known.update({item: commit for item in brought[commit] if item not in known})
    return known, order


class _Stamps:
    """Author and subject of commits that have our trailer: a copy of a commit keeps both."""

    def __init__(self, repo: Repository, config: Config, objects: ObjectReader) -> None:
        self._repo = repo
        self._config = config
        self._objects = objects
        self._commits: dict[tuple[bytes, bytes], list[str]] = {}
        for item in list(objects.get_many(sorted(recorded_commits(repo, config)))):
            if item is not None:
                self._commits.setdefault(_stamp(item.data), []).append(item.oid)

    def has_trailer(self, commit: str) -> bool:
        return read_commit(commit, self._data(commit)).experiment is not None

    def source(self, commit: str) -> str | None:
        """The commit that this one is a copy of, with the same results; None if it is none."""
        like = self._commits.setdefault(_stamp(self._data(commit)), [])
        source = next((c for c in like if c != commit and self._results(c) == self._results(commit)), None)
        if source is None and commit not in like:
            like.append(commit)
        return source

    def _data(self, commit: str) -> bytes:
        item = self._objects.get(commit)
        return b"" if item is None else item.data

    def _results(self, commit: str) -> dict[str, str | None]:
        return _results(self._config, CommitFiles.of(self._repo, self._objects, commit))


def _stamp(commit: bytes) -> tuple[bytes, bytes]:
    header, _, message = commit.partition(b"\n\n")
    author = next((line for line in header.split(b"\n") if line.startswith(b"author ")), b"")
    return author, message.lstrip().partition(b"\n")[0]
