"""What the checks work on: the ledger's commit, the runs selected, and where trust comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec import load_record
from gittrack.formats.config import Config
from gittrack.formats.record import Record
from gittrack.git.objects import GitObject
from gittrack.git.repository import ObjectReader
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.records import Records
from gittrack.verify.source import BareFacts

MODES = {"100644": "file", "100755": "executable", "120000": "symlink", "160000": "gitlink"}


@dataclass(frozen=True, slots=True)
class Blob:
    """An entry of the ledger's tree: git mode (such as ``100644``) and object id."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One folder below runs/: what lies in it at the verified commit."""

    folder: str
    """``runs/<experiment>/<YYYY-MM-DD>/<run-id>``, as found: nothing of it is trusted."""
    blobs: Mapping[str, Blob]
    """By path relative to the folder, such as ``run.yaml`` or ``inputs/data/train.csv.dvc``."""

    @property
    def run_id(self) -> str:
        return self.folder.rsplit("/", 1)[-1]

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def finding(
        self,
        code: str,
        says: str,
        name: str = "run.yaml",
        severity: Severity = "fail",
        *,
        expected: str | None = None,
        found: str | None = None,
    ) -> Finding:
        """What a check found about a file of this run; about the folder where `name` is empty."""
        path = self.path(name) if name else self.folder
        return Finding(
            code=code,
            severity=severity,
            says=says,
            path=path,
            run=self.run_id,
            expected=expected,
            found=found,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What the caller asked for."""

    fsck: bool = True
    anchor: str | None = None
    """Revision or file (a commit id) that the ledger's tip has to descend from."""
    signers: Path | None = None
    """Allowed signers file from outside the repository."""
    base: str | None = None
    """Trusted revision of the code branch that configuration and allowed signers are read from."""
    data: bool = False
    """Whether bytes have to be in the cache or on the remote."""
    read_data: tuple[int, int] | None = None
    """(n, m): read the n-th of m parts of the bytes again; (1, 1) reads all."""
    strict: bool = False


@dataclass(slots=True)
class Listing:
    """Every file of the ledger's tree, and the runs among them."""

    runs: dict[str, RunFiles] = field(default_factory=dict)
    others: dict[str, Blob] = field(default_factory=dict)
    """Files that are in no run's folder."""
    trees: dict[str, str] = field(default_factory=dict)
    """Folders, and their ids."""
    twice: list[str] = field(default_factory=list)
    """Paths that the tree names more than once."""


@dataclass(slots=True)
class Context:
    """Everything the checks share. All reading is of git objects, never of work tree or index."""

    repository: BareFacts
    objects: ObjectReader
    branch: str
    tip: str
    """Ledger commit that is verified."""
    runs: Mapping[str, RunFiles]
    """The selected runs by folder."""
    all_runs: Mapping[str, RunFiles]
    """Every run of the ledger at `tip`."""
    config: Config
    """gittrack.yaml of the trusted base: whose policy holds."""
    options: VerifyOptions
    since: str | None = None
    """With a range A..B: the ledger commit A, whose history is taken as verified."""
    listing: Listing = field(default_factory=Listing)
    """The whole tree at `tip`."""
    new: frozenset[str] | None = None
    """With a range: the paths that differ from A."""
    base: str | None = None
    """Trusted code commit that `config` is from; None when it is only this clone's own HEAD, or nothing."""
    pins: bool = False
    """Whether the tip must not fall behind the one that this clone verified last."""
    commits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Parents of the ledger commits that are verified, oldest first; filled by the history check."""
    added_by: dict[str, list[str]] = field(default_factory=dict)
    """Ledger commits that added each folder of `runs`; filled by the history check."""
    records: Records = field(init=False)
    """Records that could be read; filled by the record check, used by those after it."""
    cache: dict[str, Any] = field(default_factory=dict, repr=False)
    """What a check has worked out for all runs, by the check's own key."""

    def __post_init__(self) -> None:
        self.records = Records(self._record)

    def _record(self, folder: str) -> Record:
        blob = self.read(self.all_runs[folder], "run.yaml")
        return load_record(b"" if blob is None else blob.data, folder)

    def record_at(self, folder: str) -> Record | None:
        """The record of any run at `tip`; None where there is none, or none that can be read."""
        try:
            return self.records.get(folder) or (self._record(folder) if folder in self.all_runs else None)
        except RecordError:
            return None  # the check of that record says what is wrong with it

    def read(self, run: RunFiles, name: str) -> GitObject | None:
        """A file of a run; None when the run has none, or this clone does not hold it."""
        blob = run.blobs.get(name)
        return None if blob is None else self.objects.get(blob.oid)
