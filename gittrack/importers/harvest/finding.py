"""The runs of other trackers that are new, and which of them is the run itself."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.harvest.places import Place, listed, went_on
from gittrack.importers.harvest.taking import SYSTEMS, Taking
from gittrack.importers.reading import why
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.collect import Collector
from gittrack.recording.job import DEFAULT_METRICS
from gittrack.recording.join import outer_run
from gittrack.recording.overlap import company, rivals, whose

TAKEN = "taken.jsonl"
"""In the journal of a `gittrack run`: what runs that its program started have taken already."""
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "eval", "evaluation"})
_HERE = PurePosixPath()


@dataclass(frozen=True, slots=True)
class Found:
    """A new run. `folder`: of its event files, from the place on."""

    place: Place
    run: ForeignRun
    folder: PurePosixPath = _HERE


class Finding:
    """Takes what is new into the journal of one run that has ended."""

    def __init__(self, collector: Collector, scratch: Path, outputs: Sequence[str] = ()) -> None:
        self._collector = collector
        self._outputs = [Path(output).resolve() for output in outputs]
        self._scratch = scratch
        self._stored = StoredJournal(collector.journal.folder)
        self._start = self._stored.start
        self._known = _known(self._stored.folder)
        self._takings: list[Taking] = []
        self._taken: list[dict[str, str]] = []
        """As the record has them; what an earlier attempt of the run has taken comes first."""
        for kind, *content in self._stored.events():
            if kind == Kind.FACTS:
                self._taken = content[0].get("harvested", self._taken)

    def take(self, new: Sequence[tuple[Place, set[str]]]) -> None:
        """Take the runs of the `new` units, system by system; a fault of one costs no other."""
        others = company(self._stored, self._collector.store.top)
        for system in SYSTEMS:
            own = [(place, units) for place, units in new if place.system == system]
            try:
                found = [*(self._dvclive() if system == "dvclive" else self._found(own, others))]
                self._take(system, [one for one in found if [system, one.run.id] not in self._known])
            except Exception as error:  # whatever a tracker has written, the run ends well
                self._collector.lose(f"runs of {system}", why(error))
        for taking in self._takings:
            try:
                taking.take_files()
            except Exception as error:
                self._collector.lose(f"files of {taking.system}", why(error))
        self._tell_outer()

    def _take(self, system: str, found: Sequence[Found]) -> None:
        chosen, parts = _chosen(system, found)
        for one in chosen:
            prefix = _prefix(one, chosen)
            taking = Taking(self._collector, one.run, one.place.path, self._scratch, prefix)
            self._takings.append(taking)
            taking.take()
            self._taken = [*self._taken, {"system": system, "id": one.run.id}]
            self._collector.journal.event(Kind.FACTS, {"harvested": self._taken})
        if parts:
            reason = (
                "parts of the run are runs of their own"
                if chosen
                else "which of them is this run cannot be told"
            )
            self._name(system, parts, f"{reason}: {_command(parts)} takes them")

    def _name(self, system: str, runs: Sequence[Found], reason: str) -> None:
        self._collector.lose(
            f"{_counted(len(runs))} of {system} ({listed(one.run.id for one in runs)})", reason
        )

    def _tell_outer(self) -> None:
        """A `gittrack run` around this one sees the same as new, and is not to take it again."""
        outer = outer_run()
        taken = [*self._known, *([fact["system"], fact["id"]] for fact in self._taken)]
        if outer is not None and taken:
            with suppress(OSError), (outer / TAKEN).open("a") as file:
                file.write("".join(json.dumps(pair) + "\n" for pair in taken))

    # --- reading ------------------------------------------------------------------------------

    def _found(self, new: Sequence[tuple[Place, set[str]]], others: Sequence[str]) -> Iterator[Found]:
        for place, units in new:
            if others:
                self._collector.lose(f"{place.system}: {listed(units)}", whose(others))
                continue
            yield from self._read(place, self._without_older(place, self._without_rivals(place, units)))

    def _without_rivals(self, place: Place, units: Iterable[str]) -> set[str]:
        own = set()
        for unit in units:
            runs = rivals(self._stored, place.path_of(unit))
            if runs:
                self._collector.lose(f"{place.system} {unit}", whose(runs))
            else:
                own.add(unit)
        return own

    def _without_older(self, place: Place, units: set[str]) -> set[str]:
        """Without new parts of runs that have older ones, which this run has not taken."""
        if place.system != "wandb":
            return units
        from gittrack.importers.wandb.folder import parts

        known = [(part.id, part.folder.name) for part in parts(place.path) if part.folder]
        older = {run_id for run_id, name in known if name not in units}
        older -= {fact["id"] for fact in self._taken if fact["system"] == "wandb"}
        resumed = {name for run_id, name in known if name in units and run_id in older}
        if resumed:
            self._collector.lose(f"wandb {listed(resumed)}", went_on("wandb"))
        return units - resumed

    def _read(self, place: Place, units: set[str]) -> Iterator[Found]:
        for folder, item in _items(place, units):
            if isinstance(item, Skipped):
                if item.fault:
                    self._collector.lose(f"{place.system}: {item.what}", item.why)
            elif not item.deleted:
                if self._is_ours(place, item):
                    yield Found(place, item, folder)
                else:
                    reason = (
                        "it lies outside of the work tree, where others write, and does not name the commit "
                        f"or the program of this run: {_command([Found(place, item)])} takes it"
                    )
                    self._collector.lose(f"{place.system} {item.id}", reason)

    def _is_ours(self, place: Place, run: ForeignRun) -> bool:
        """A store elsewhere may be written by others at any time: there the run has to name our code.

        Event files name nothing: there --output has to name them.
        """
        path = place.path.resolve()
        own = [self._collector.store.top.resolve(), *(self._outputs if place.system == "tensorboard" else ())]
        if any(map(path.is_relative_to, own)):
            return True
        code, ours = run.code, self._start["record"]["code"]
        if code is None:
            return False
        names = {PurePosixPath(word).name for word in ours["command"]}
        return (code.commit is not None and code.commit in (ours.get("commit"), ours.get("snapshot"))) or (
            code.commit is None and code.entry is not None and PurePosixPath(code.entry).name in names
        )

    def _dvclive(self) -> Iterator[Found]:
        """The folder that gittrack has read as metrics, for what else is in it."""
        from gittrack.importers.dvclive import read

        folder = Path.cwd() / DEFAULT_METRICS[1]
        before = self._collector.before
        if not folder.is_dir() or not before.covers(DEFAULT_METRICS[1]):
            return
        written = before.written(Path(DEFAULT_METRICS[1]))
        if not written.any or rivals(self._stored, folder):
            return
        stale = {(folder / name).resolve() for name in written.stale}
        for item in read(folder, Options()):
            if isinstance(item, ForeignRun):
                item.curves = item.system_curves = lambda: iter(())
                item.texts = lambda: iter(())
                item.params, item.finals = {}, {}
                item.lost.clear()
                item.files = [file for file in item.files if file.content not in stale]
                yield Found(Place("dvclive", folder), item)


def _items(place: Place, units: set[str]) -> Iterator[tuple[PurePosixPath, ForeignRun | Skipped]]:
    """The runs of these units alone."""
    if not units:
        return
    if place.system == "tensorboard":
        from gittrack.importers.tensorboard import read_files

        yield from read_files(place.path, [place.path_of(unit) for unit in units], Options())
        return
    if place.system == "wandb":
        from gittrack.importers.wandb import read_parts
        from gittrack.importers.wandb.folder import parts

        own = [part for part in parts(place.path) if part.folder and part.folder.name in units]
        yield from ((PurePosixPath(), item) for item in read_parts(own, Options()))
        return
    from gittrack.importers.mlflow import read

    ids = frozenset(unit.rpartition("/")[2] for unit in units)
    for item in read(place.path, Options(ids=ids)):
        if isinstance(item, ForeignRun) or any(run_id in item.what for run_id in ids):
            yield PurePosixPath(), item


def _chosen(system: str, found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """What is the run itself, and what is apart: parts of it, or several that are all alike."""
    if system == "tensorboard":
        return _chosen_boards(found)
    ids = {one.run.id for one in found}
    outermost = [one for one in found if one.run.parent not in ids]
    if len(outermost) != 1:
        return [], [*found]
    return outermost, [one for one in found if one is not outermost[0]]


def _chosen_boards(found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Folders of event files: one and what lies in it, or one for each split of the data.

    What has hparams of its own below another is a run of its own.
    """
    by_place: dict[Path, list[Found]] = defaultdict(list)
    for one in found:
        by_place[one.place.path].append(one)
    folders = {one.place.path / one.folder for one in found}
    outermost = [one for one in found if folders.isdisjoint((one.place.path / one.folder).parents)]
    around = {(one.place.path / one.folder).parent for one in outermost}
    are_splits = len(around) == 1 and all(one.folder.name.lower() in _SPLITS for one in outermost)
    if len(outermost) != 1 and not are_splits:
        return [], [*found]
    apart = [one for one in found if one not in outermost and _is_session(one.run)]
    return [one for one in found if one not in apart], apart


def _is_session(run: ForeignRun) -> bool:
    """Whether the hparams plugin has a run of TensorBoard as one of its own."""
    return bool(run.params) or run.status != "unknown"


def _prefix(one: Found, chosen: Sequence[Found]) -> str:
    """What goes before the names of its metrics, where the run has several folders of event files."""
    if one.place.system != "tensorboard" or len(chosen) == 1:
        return ""
    folders = [other.place.path / other.folder for other in chosen]
    shared = Path(os.path.commonpath(folders))
    name = (one.place.path / one.folder).relative_to(shared).as_posix()
    return "" if name == "." else f"{name}/"


def _command(runs: Sequence[Found]) -> str:
    paths = dict.fromkeys(one.place.path for one in runs)
    shown = [os.path.relpath(path) for path in paths]
    return " and ".join(f"gittrack import {runs[0].place.system} {path}" for path in shown)


def _counted(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _known(journal: Path) -> list[list[str]]:
    """Systems and ids of what runs inside this one have taken."""
    try:
        lines = (journal / TAKEN).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]
