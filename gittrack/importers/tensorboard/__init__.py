"""TensorBoard: event files of any of its writers, read without TensorFlow and without TensorBoard.

As there, a folder with event files is a run, by all its files in the order of time, and its name is the path.
What ``add_hparams`` writes into a folder below is of the run above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from gittrack.formats.exported import NOTE, RUN_ID, TAGS
from gittrack.importers import folders, values
from gittrack.importers.exported import restored
from gittrack.importers.foreign import Curve, Final, ForeignRun, Loss, Options, Skipped
from gittrack.importers.tensorboard import events, files, points
from gittrack.importers.tensorboard.log import Log, without_host

MARK = "tfevents"
_SMALL = 1 << 20
"""Most bytes of the event file that ``add_hparams`` writes."""

Tree = dict[PurePosixPath, list[Path]]


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the event file `source`, or of the event files at any depth of the folder."""
    source = source.resolve()
    top = source if source.is_dir() else source.parent
    yield from _Reading(top, _tree(source), options).items()


def read_files(
    top: Path, paths: Iterable[Path], options: Options
) -> Iterator[tuple[PurePosixPath, ForeignRun | Skipped]]:
    """Runs of the event files at `paths`, below `top`, with their folders from there; of others nothing."""
    tree: Tree = {}
    for path in sorted(paths):
        tree.setdefault(PurePosixPath(path.parent.relative_to(top)), []).append(path)
    yield from _Reading(top, {folder: tree[folder] for folder in sorted(tree)}, options).placed()


def _tree(source: Path) -> Tree:
    """By folder, from the source on, its event files; folders before those in them."""
    if not source.is_dir():
        return {PurePosixPath(): [source]}
    tree: Tree = {}
    for name, path, _ in folders.walk(source):
        if MARK in path.name:
            tree.setdefault(PurePosixPath(name).parent, []).append(path)
    return {folder: tree[folder] for folder in sorted(tree)}


class _Reading:
    """One walk through the folders of a source."""

    def __init__(self, top: Path, tree: Tree, options: Options) -> None:
        self._top = top
        self._tree = tree
        self._people = options.people
        self._below: dict[PurePosixPath, list[PurePosixPath]] = {}
        for folder in tree:
            if folder.parts:
                self._below.setdefault(folder.parent, []).append(folder)
        self._ids: dict[PurePosixPath, str] = {}
        self._known: set[str] = set()
        self._sessions: set[PurePosixPath] = set()
        """Folders whose runs those below are part of."""
        self._taken: set[PurePosixPath] = set()

    def items(self) -> Iterator[ForeignRun | Skipped]:
        if not self._tree:
            yield Skipped(what=self._top.name, why=f"no event file, whose name has {MARK}, lies in it")
        yield from (item for _, item in self.placed())

    def placed(self) -> Iterator[tuple[PurePosixPath, ForeignRun | Skipped]]:
        """Each with its folder."""
        for folder in self._tree:
            if folder in self._taken:
                continue
            log = self._log(folder)
            yield from ((folder, Skipped(what=what, why=why)) for what, why in log.foreign)
            if log.kinds == {"hparams"} and not log.session.is_session:
                why = "it describes an experiment of the hparams plugin, and is no run"
                yield folder, Skipped(what=self._name(folder), why=why, fault=False)
            elif log.first:
                yield folder, self._run(folder, log)
            elif log.files:
                yield folder, Skipped(what=self._name(folder), why="its event files have no event")

    def _log(self, folder: PurePosixPath) -> Log:
        log = Log(self._top / folder, self._name(folder))
        log.look(self._tree[folder])
        return log

    def _name(self, folder: PurePosixPath) -> str:
        return folder.as_posix() if folder.parts else self._top.name

    def _experiment(self) -> str:
        """What is around the names of the runs: TensorBoard has no word for it."""
        is_alone = set(self._tree) == {PurePosixPath()}
        return (self._top.parent.name if is_alone else "") or self._top.name or "tensorboard"

    def _id(self, folder: PurePosixPath, log: Log) -> str:
        """Of the name and the first event of the first file: wherever a copy of it lies."""
        digest = hashlib.sha256(log.files[0].path.name.encode("utf-8", "surrogateescape") + b"\0" + log.first)
        run_id = digest.hexdigest()[:32]
        if run_id in self._known:
            run_id += f":{hashlib.sha256(folder.as_posix().encode()).hexdigest()[:8]}"
        self._known.add(run_id)
        self._ids[folder] = run_id
        return run_id

    def _parent(self, folder: PurePosixPath) -> str | None:
        """The run of the session above: the hparams plugin counts what is below as part of it."""
        return next((self._ids[above] for above in folder.parents if above in self._sessions), None)

    def _additions(self, folder: PurePosixPath) -> list[tuple[PurePosixPath, Log]]:
        """What ``add_hparams`` wrote below `folder`: a session and at most one point of a metric."""
        found = []
        for below in self._below.get(folder, ()):
            paths = self._tree[below]
            if len(paths) != 1 or below in self._below or not folders.is_regular(paths[0]):
                continue
            if paths[0].stat().st_size <= _SMALL:
                log = self._log(below)
                once = all(count == 1 for count in log.scalars.values())
                if log.session.is_session and log.kinds <= {"hparams", "scalar"} and once:
                    found.append((below, log))
        return found

    def _run(self, folder: PurePosixPath, log: Log) -> ForeignRun:
        run_id, parent = self._id(folder, log), self._parent(folder)
        name = self._name(folder)
        added = None
        if log.session.is_session:
            self._sessions.add(folder)
        elif additions := self._additions(folder):
            self._sessions.add(folder)
            if len(additions) == 1:
                ((below, added),) = additions
                self._taken.add(below)
        session = added.session if added else log.session
        media = [*files.files(log)]
        log.texts = [text for text in log.texts if not log.is_gone(*text)]
        losses = log.losses + added.losses if added else log.losses
        lost = [Loss(what=what, why=why, count=count) for (what, why), count in losses.items()]
        found = ForeignRun(
            system="tensorboard",
            id=run_id,
            experiment=self._experiment(),
            name=name if self._people else without_host(name, log.files[0].path.name),
            status=session.status,
            started=session.started or log.began,
            ended=session.ended,
            tags=session.tags,
            group=session.group,
            params=session.params,
            parent=parent,
            finals=_finals(log, added),
            curves=partial(_curves, log, added, lost),
            texts=partial(points.texts, log),
            files=media,
            lost=lost,
            changed=log.changed,
        )
        return _restored(found, log)


def _restored(run: ForeignRun, log: Log) -> ForeignRun:
    """With the tags and the note that an export of gittrack keeps as texts."""
    said = {tag: events.texts(log.at(place)[1]) for place, tag, _ in log.texts if tag in (TAGS, NOTE)}
    try:
        tags = values.load("".join(said.get(TAGS, ())) or "{}")
    except values.NotRead:
        return run
    if not isinstance(tags, dict) or RUN_ID not in tags:
        return run
    log.texts = [text for text in log.texts if text[1] not in said]
    run.note = "".join(said.get(NOTE, ())) or None
    run.tags = {**run.tags, **{name: str(text) for name, text in tags.items()}}
    return restored(run)


def _finals(log: Log, added: Log | None) -> dict[str, Final]:
    """Metrics that ``add_hparams`` was given and that the run has points of its own of."""
    if added is None:
        return {}
    given = (curve for curve in points.curves(added, []) if curve.name in log.scalars)
    return {curve.name: Final(rule="given", value=curve.values[-1]) for curve in given}


def _curves(log: Log, added: Log | None, lost: list[Loss]) -> Iterator[Curve]:
    yield from points.curves(log, lost)
    if added is not None:
        yield from (curve for curve in points.curves(added, lost) if curve.name not in log.scalars)
