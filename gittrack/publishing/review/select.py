"""Which runs a pull request is about, and which run each is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from gittrack.errors import NotFoundError, RecordError, UsageError
from gittrack.formats.decision import Decision
from gittrack.formats.decision import load as load_decision
from gittrack.formats.masks import pool_of
from gittrack.formats.record import clean_text
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import MARK, is_add_only
from gittrack.ledger.order import places_of
from gittrack.reading.index import Index, Row
from gittrack.reading.index.follow import EMPTY_TREE
from gittrack.reading.index.parse import is_decision, parse

Kind = Literal["ledger", "code"]

MOST_RUNS = 1000
"""Of more runs than that in one pull request only the first are looked at; the number is said."""

MOST_DECISIONS = 50
"""Of more decisions in one pull request only the first are shown."""

MOST_REPLICATES = 200
"""Of the baseline's replicates, the newest are enough for a mean."""


@dataclass(frozen=True, slots=True)
class Range:
    """Two commits: what is there, and what is proposed; `fork` is where they parted (None: nowhere)."""

    kind: Kind
    base: str
    head: str
    fork: str | None
    base_name: str
    head_name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The runs of a pull request. `at` is the ledger commit that they are read from."""

    rows: Sequence[Row]
    at: str
    altered: Sequence[tuple[str, str]] = ()
    """git's status letter and path of each file that is changed or deleted, or added outside a run."""
    left_out: int = 0
    """Runs beyond MOST_RUNS."""
    decisions: Sequence[Decision] = ()
    """Those added, oldest first. Of those that cannot be read, verify speaks."""


def find_range(repo: Repository, ledger: str, spec: str | None, base: str | None) -> Range:
    """The commits that ``BASE..HEAD``, ``--base`` or nothing mean; NotFoundError where there is no such."""
    if spec is not None and base is not None and ".." in spec:
        raise UsageError("BASE..HEAD or --base BASE: choose one")
    left, dots, right = (spec or "").partition("..")
    head_name = (right.removeprefix(".") if dots else left) or "HEAD"
    head = _commit(repo, head_name)
    with repo.objects() as objects:
        kind: Kind = "ledger" if _is_ledger(objects, head) else "code"
    base_name = base or (left if dots and left else _default_base(repo, ledger, kind))
    start = _commit(repo, base_name)
    result = repo.run("merge-base", "--end-of-options", start, head)
    fork = result.out.decode().split("\n")[0] if result.code == 0 else None
    return Range(kind, start, head, fork, base_name, head_name)


def _commit(repo: Repository, name: str) -> str:
    commit = repo.resolve(name)
    if commit is None:
        raise NotFoundError(f"no revision {name!r} here: run git fetch, or see git branch --all")
    return commit


def _is_ledger(objects: ObjectReader, commit: str) -> bool:
    attributes = objects.get(f"{commit}:.gitattributes")
    return attributes is not None and attributes.data.startswith(MARK.partition(b"format")[0])


def _default_base(repo: Repository, ledger: str, kind: Kind) -> str:
    """What a pull request would go to, as a remote has it first: the ledger, or the default branch."""
    names = ["refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master"]
    if kind == "ledger":
        names = [f"refs/remotes/origin/{ledger}", f"refs/remotes/*/{ledger}", f"refs/heads/{ledger}"]
    for name in names:
        refs = sorted(repo.refs(name))
        if refs:
            return refs[0]
    raise UsageError("there is nothing to compare with: name it, gittrack review --base REF")


def added_runs(repo: Repository, span: Range) -> Selection:
    """The records that the head has and the base lacks, oldest first, and whatever else it changes."""
    old = span.fork or EMPTY_TREE[repo.object_format]
    blobs: dict[str, str] = {}
    altered: list[tuple[str, str]] = []
    decided: dict[str, str] = {}
    for letter, _, blob, path in repo.diff_tree(old, span.head):
        path = clean_text(path)
        if letter == "A" and path.startswith("runs/"):
            if path.endswith("/run.yaml"):
                blobs[path] = blob
        elif letter == "A" and is_decision(path):
            decided[path] = blob
        elif letter != "A" or not is_add_only(path):
            altered.append((letter, path))
    if span.fork is None:  # the files that every ledger begins with are no change
        altered = [(letter, path) for letter, path in altered if is_add_only(path)]
    with repo.objects() as objects:
        at_base = [o.oid if o else None for o in objects.get_many(f"{span.base}:{p}" for p in blobs)]
        new = sorted((p, b) for (p, b), known in zip(blobs.items(), at_base, strict=True) if known != b)
        chosen = new[:MOST_RUNS]
        data = list(objects.get_many(blob for _, blob in chosen))
        decisions = list(_decisions(objects, dict(sorted(decided.items())[:MOST_DECISIONS])))
    rows = [read_row(p, b, o.data if o else None) for (p, b), o in zip(chosen, data, strict=True)]
    places = places_of(repo, span.head, {row.path: int(row.started) for row in rows})
    rows = [replace(row, place=places[row.path]) for row in rows]
    rows.sort(key=lambda row: (row.experiment, row.newest_key))
    return Selection(rows, span.head, altered, len(new) - len(chosen), decisions)


def _decisions(objects: ObjectReader, decided: dict[str, str]) -> Iterator[Decision]:
    for (path, _), blob in zip(decided.items(), objects.get_many(decided.values()), strict=True):
        try:
            yield load_decision(blob.data if blob else b"", path)
        except RecordError:
            continue


def read_row(path: str, blob: str, data: bytes | None) -> Row:
    """The run.yaml at `path` as the index would have it, damaged or not."""
    return parse(path, blob, data).row()


def runs_of_commits(repo: Repository, index: Index, span: Range) -> Selection:
    """The runs on the ledger whose code is among the commits that the head adds, oldest first."""
    commits = set(_rev_list(repo, span.head, f"^{span.base}"))
    rows = [row for row in reversed(index.search()) if row.commit in commits]
    rows.sort(key=lambda row: row.experiment)
    return Selection(rows[:MOST_RUNS], index.tip or "", left_out=max(len(rows) - MOST_RUNS, 0))


def _rev_list(repo: Repository, *revisions: str) -> list[str]:
    return repo.git("rev-list", "--end-of-options", *revisions, doing="list commits").decode().split()


class Baselines:
    """The runs at the base, by experiment: which one is the baseline, and which are its replicates."""

    def __init__(self, repo: Repository, index: Index, span: Range, new: Iterable[Row]) -> None:
        self._repo = repo
        self._index = index
        self._span = span
        self._new = {row.path for row in new}
        self._known: set[str] | None = None

    def of(self, experiment: str) -> Row | None:
        """The newest run at the base that is the baseline by decision or tag; else the newest finished."""
        for filter in ("outcome = 'baseline'", "tags.outcome = 'baseline'", "status = 'finished'"):
            row = next(self._at_base(self._index.search(filter, experiment=experiment)), None)
            if row is not None:
                return row
        return None

    def replicates(self, row: Row) -> list[Row]:
        """The newest finished runs at the base with the spec of `row`, itself among them."""
        rows = self._index.search(f"status = 'finished' and spec = '{row.spec}'", experiment=row.experiment)
        pool = pool_of(row.load())
        alike = [r for r in rows if r.fault is None and pool_of(r.load()) == pool]
        return list(islice(self._at_base(alike), MOST_REPLICATES))

    def _at_base(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Those of `rows` that the base has, looked up a few at a time."""
        rows = [row for row in rows if row.path not in self._new and row.fault is None]
        if self._span.kind == "code":
            if self._known is None:
                self._known = set(_rev_list(self._repo, self._span.base))
            yield from (row for row in rows if row.commit in self._known)
            return
        with self._repo.objects() as objects:
            for at in range(0, len(rows), 50):
                some = rows[at : at + 50]
                at_base = objects.get_many(f"{self._span.base}:{row.path}" for row in some)
                yield from [row for row, o in zip(some, at_base, strict=True) if o and o.oid == row.blob]
