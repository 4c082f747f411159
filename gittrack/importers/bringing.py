"""Runs of another tracker onto the ledger: one stream of commits, each run once, parents before children."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from gittrack.formats.config import Config
from gittrack.git.repository import Repository
from gittrack.importers.foreign import Options, Skipped
from gittrack.importers.making import Before, Made, Setting
from gittrack.importers.reading import Source, read_all
from gittrack.ledger import Addition, Ledger

_AT_ONCE = 500
_BYTES_AT_ONCE = 64 << 20
_SECONDS = 10.0
"""Most of each that waits before it is appended, as one commit."""
_MOST_LISTED = 1000
_MOST_LOSSES = 10_000

Progress = Callable[[int], None]


@dataclass(slots=True)
class Brought:
    """What an import came to. The list of runs has the first 1,000."""

    system: str
    dry: bool
    counts: Counter[str] = field(default_factory=Counter)
    """By ``new``, ``changed``, ``there``, ``deleted``, ``points`` and so on."""
    statuses: Counter[str] = field(default_factory=Counter)
    experiments: Counter[str] = field(default_factory=Counter)
    runs: list[tuple[str | None, Made]] = field(default_factory=list)
    """Those that are new or have changed: the id of the record, and what became of them."""
    skipped: list[Skipped] = field(default_factory=list)
    lost: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """By what and why: in how many runs, and how often in all."""

    @property
    def faults(self) -> int:
        """How many runs or files could not be read."""
        return self.counts["faults"]

    def skip(self, skipped: Skipped) -> None:
        self.counts["skipped"] += 1
        self.counts["faults"] += getattr(skipped, "fault", True)
        if len(self.skipped) < _MOST_LISTED:
            self.skipped.append(skipped)

    def note(self, made: Made, run_id: str | None) -> None:
        self.counts[made.state] += 1
        if made.state == "there":
            return
        self.counts["points"] += made.points
        self.counts["outputs"] += made.outputs
        self.counts["size"] += made.size
        self.counts["deleted"] += made.deleted
        self.statuses[made.status] += 1
        self.experiments[made.experiment] += 1
        for loss in made.losses:
            key = (loss.what, loss.why)
            if key not in self.lost and len(self.lost) >= _MOST_LOSSES:
                key = "more", f"the list has room for {_MOST_LOSSES:,}"
            runs = self.lost.setdefault(key, [0, 0])
            runs[0] += 1
            runs[1] += loss.count or 1
        if len(self.runs) < _MOST_LISTED:
            self.runs.append((run_id, replace(made, record=None, files={}, losses=())))


def bring(
    repo: Repository,
    config: Config,
    system: str,
    path: Path,
    options: Options,
    brought: Brought,
    *,
    experiment: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Import the runs at `path` of `system`; `brought` gathers what comes of it, also when it is broken off.

    What was appended stays. With `brought.dry` nothing is written.
    """
    from gittrack.dvc.settings import cache_of
    from gittrack.ledger.proposals import target

    path = path.resolve()
    before = known_runs(repo, system)
    ledger = Ledger(repo, *target(config, None, f"import-{system}"))
    if not brought.dry:
        repo.identity()
        with repo.objects() as objects:
            ledger.ready(objects)
    with (
        tempfile.TemporaryDirectory(prefix="gittrack-") as scratch,
        _Stream(repo, ledger, brought, before) as stream,
    ):
        setting = Setting(
            root=path if path.is_dir() else path.parent,
            cache=cache_of(repo)[0],
            scratch=Path(scratch),
            experiment=experiment,
            people=options.people,
            dry=brought.dry,
            before=before,
        )
        source = Source(
            system=system,
            path=path,
            options=options,
            setting=setting,
            repository=Path(repo.worktree or repo.git_dir),
        )
        for number, item in enumerate(read_all(source), 1):
            if isinstance(item, Skipped):
                brought.skip(item)
            else:
                stream.take(item)
            if progress:
                progress(number)
        stream.end()


def known_runs(repo: Repository, system: str) -> dict[str, Before]:
    """By the source's id, the newest record of each run that was imported from `system`, or taken up."""
    from gittrack.reading.index import open_index

    with open_index(repo) as index:
        return {
            source: Before(id=run_id, digest=digest, experiment=experiment)
            for source, (run_id, digest, experiment) in index.imports(system).items()
        }


class _Stream:
    """Takes made runs, gives them ids and parents, and appends them in batches."""

    def __init__(
        self, repo: Repository, ledger: Ledger, brought: Brought, before: Mapping[str, Before]
    ) -> None:
        self._repo = repo
        self._ledger = ledger
        self._brought = brought
        self._before = before
        self._ids: dict[str, str] = {}
        """By the source's id, the record of each run of this import."""
        self._seen: set[str] = set()
        self._waiting: dict[str, list[int]] = defaultdict(list)
        """By the source's id of a parent that has not come yet: where its children lie in the spool."""
        self._spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the block)
        self._batch: list[Made] = []
        self._bytes = 0
        self._since = time.monotonic()

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._spool.close()

    def take(self, made: Made) -> None:
        if made.source in self._seen:
            why = "the source has a run of this id already, and other things of it"
            self._brought.skip(Skipped(what=f"run {made.source}", why=why))
            return
        self._seen.add(made.source)
        parent = made.parent
        is_awaited = parent is not None and parent not in self._ids and made.record is not None
        if is_awaited and parent is not None:
            self._waiting[parent].append(self._put_by(made))
            return
        self._place(made)

    def end(self) -> None:
        """Those whose parents never came: what the ledger has of these, else none."""
        while self._waiting:
            parent = next((p for p in self._waiting if p not in self._seen), next(iter(self._waiting)))
            for place in self._waiting.pop(parent):
                self._place(self._taken_up(place))
        self._append()

    def _put_by(self, made: Made) -> int:
        place = self._spool.seek(0, 2)
        pickle.dump(made, self._spool, pickle.HIGHEST_PROTOCOL)
        return place

    def _taken_up(self, place: int) -> Made:
        self._spool.seek(place)
        made: Made = pickle.load(self._spool)  # noqa: S301  (written by `_put_by`)
        return made

    def _place(self, first: Made) -> None:
        """Give `first` its id, and then those that wait for it."""
        ready = [first]
        while ready:
            made = ready.pop()
            run_id = self._named(made)
            if run_id is not None:
                self._ids[made.source] = run_id
            ready += [self._taken_up(place) for place in reversed(self._waiting.pop(made.source, []))]

    def _named(self, made: Made) -> str | None:
        from gittrack.formats.codec import dump_imported

        if made.state == "there":
            self._brought.note(made, None)
            return self._before[made.source].id
        if made.record is None:
            self._brought.note(made, None)
            return None
        record, parent = made.record, self._parent_of(made)
        if parent is not None:
            record, data = dump_imported(replace(record, parent=parent))
            made = replace(made, record=record, files={**made.files, "run.yaml": data})
        self._batch.append(made)
        self._bytes += sum(map(len, made.files.values()))
        is_full = len(self._batch) >= _AT_ONCE or self._bytes >= _BYTES_AT_ONCE
        if is_full or time.monotonic() - self._since > _SECONDS:
            self._append()
        return record.id

    def _parent_of(self, made: Made) -> str | None:
        """The record of its parent, of this import or of one before."""
        if made.parent is None:
            return None
        known = self._before.get(made.parent)
        return self._ids.get(made.parent) or (known.id if known else None)

    def _append(self) -> None:
        from gittrack.dvc.settings import ledger_config

        additions = [*self._additions()]
        if additions:
            count = f"{len(additions):,} run{'' if len(additions) == 1 else 's'}"
            self._ledger.append(
                additions,
                dvc_config=ledger_config(self._repo.worktree),
                together=f"import {count} of {self._brought.system}" if len(additions) > 1 else None,
            )
        for made in self._batch:
            self._brought.note(made, made.record.id if made.record else None)
        self._batch, self._bytes, self._since = [], 0, time.monotonic()

    def _additions(self) -> Iterator[Addition]:
        from gittrack.recording.finish import Frozen

        for made in self._batch:
            if made.record is not None:
                yield replace(Frozen(made.record, made.files).addition(), releases=())
