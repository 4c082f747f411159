"""One run of another tracker into the journal of the run that kept it: what that lacks, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.finals import AXIS, meaning_of
from gittrack.formats.plain import to_dict
from gittrack.formats.record import SYSTEM_ROLE, clean_text, parse_time
from gittrack.formats.sources import Layer, agree, resolve
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.values import check_metric_name, check_text, metric_value, without_secrets
from gittrack.importers import stated
from gittrack.importers.foreign import Curve, ForeignRun
from gittrack.importers.harvest.agreeing import has_all, has_value, placed, points_in
from gittrack.importers.kept import Files, Kept
from gittrack.importers.losses import Losses
from gittrack.importers.points import Points
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.capture.data import ledger_path
from gittrack.recording.collect import Collector
from gittrack.recording.gathered import Gathered
from gittrack.recording.params import write_layer

SYSTEMS = ("dvclive", "wandb", "mlflow", "tensorboard")
"""In the order in which they are taken; what two have alike is taken of the first."""
_OBSERVED = frozenset({"console", "requirements", "patch"})
"""Files of what gittrack has seen itself."""
_ROWS = 2000
"""Rows that wait before they are written."""


class Taking:
    """What one foreign run has, on its way into the journal. `root`: the place that has all of it."""

    def __init__(
        self, collector: Collector, run: ForeignRun, root: Path, scratch: Path, prefix: str = ""
    ) -> None:
        self._collector = collector
        self._journal = collector.journal
        self._stored = StoredJournal(collector.journal.folder)
        self._run = run
        self.system = run.system
        self._root = (root if root.is_dir() else root.parent).resolve()
        self._scratch = scratch
        self._prefix = prefix
        self._losses = Losses()
        self._known = Gathered(self._stored)
        self._elapsed = time.monotonic() - collector.started
        self._began = parse_time(self._stored.start["record"]["started"]).timestamp()

    def take(self) -> None:
        """Put into the journal what it lacks, but for files."""
        self._take_metrics()
        self._take_texts()
        self._take_params()
        self._take_tags()
        for item in self._run.datasets:
            dataset = stated.dataset(item, self._losses, people=False)
            self._event(f"dataset {item.name}", Kind.DATASET, to_dict(dataset))

    def take_files(self) -> None:
        """Put the files into it, which may be so many that no more has room; say what is not recorded."""
        self._known = Gathered(self._stored)  # with the files of the trackers before
        self._take_files()
        self._losses.take(self._run.lost)
        for loss in self._losses.listed():
            what = f"{self._run.system}: {loss.what}"
            with suppress(UsageError):
                self._journal.event(Kind.NOT_RECORDED, what, loss.why, *([loss.count] if loss.count else []))

    def _event(self, what: str, kind: Kind, *content: Any) -> None:
        """An event; what the record has no room for is a loss."""
        try:
            self._journal.event(kind, *content)
        except UsageError as error:
            self._losses.add(what, str(error))

    def _apart(self, name: str) -> str:
        """The name of something that the run has otherwise already."""
        return f"{self._run.system}/{name}"

    # --- metrics and texts ------------------------------------------------------------------

    def _take_metrics(self) -> None:
        points = Points(self._scratch / "points", self._began, self._losses)
        try:
            points.take(self._curves())
            names = self._named(points)
            self._define(points, names)
            for elapsed, step, values in points.rows():
                self._journal.append_row((self._elapsed if elapsed is None else elapsed, step, values))
                if len(self._journal.rows) >= _ROWS:
                    self._journal.flush()
            self._journal.flush()
        finally:
            points.close()

    def _curves(self) -> Iterator[Curve]:
        for curve in self._run.curves():
            yield replace(curve, name=self._prefix + curve.name) if self._prefix else curve

    def _named(self, points: Points) -> dict[str, str]:
        """The metrics that are new by their names here; others are dropped from `points`."""
        known = points_in(self._stored, points.names)
        names: dict[str, str] = {}
        for name in points.names:
            chosen = self._name(name, points, known)
            if chosen is not None and chosen != name and chosen in {*points.names, *self._known.summary}:
                self._losses.add(f"metric {name}", f"another one is called {chosen}")
                chosen = None
            if chosen is not None:
                try:
                    self._journal.new_metric(check_metric_name(chosen))
                    names[name] = chosen
                except UsageError as error:
                    self._losses.add(f"metric {name}", str(error))
                    chosen = None
            points.rename(name, chosen)
        return names

    def _name(self, name: str, points: Points, known: dict[str, list[tuple[Any, Any]]]) -> str | None:
        """What a metric is to be called; None for one that the run has, point by point."""
        single = self._run.system == "tensorboard"
        final = self._known.summary.get(name)
        if name not in known:
            is_one = final is None or has_value(points.of(name), final, single=single)
            return name if is_one else self._apart(name)
        return None if has_all(known[name], points.of(name), single=single) else self._apart(name)

    def _define(self, points: Points, names: dict[str, str]) -> None:
        """Which value is the final one, where neither gittrack.yaml nor the program says so."""
        axes = points.axes
        for name, chosen in names.items():
            final = self._run.finals.get(name.removeprefix(self._prefix))
            is_said = meaning_of(chosen, self._known.declared, self._known.defined)
            facts: dict[str, str] = {}
            if final is not None and final.rule not in ("last", "given"):
                facts["rule"] = final.rule
            if chosen in axes:
                facts[AXIS] = axes[chosen]
            facts = {key: fact for key, fact in facts.items() if key not in is_said}
            if facts:
                self._event(f"rule of metric {name}", Kind.DEFINED, {chosen: facts})
        for name, final in self._run.finals.items():
            if final.rule == "given" and final.value is not None:
                self._give(self._prefix + clean_text(name), final.value, names)

    def _give(self, name: str, value: float, names: dict[str, str]) -> None:
        """A final value that the tracker keeps of its own."""
        try:
            chosen, number = names.get(name, name), metric_value(name, value)
            if self._known.summary.get(chosen, number) != number:
                chosen = self._apart(name)
            self._journal.event(Kind.SUMMARY, {check_metric_name(chosen): number})
        except UsageError as error:
            self._losses.add(f"metric {name}", str(error))

    def _take_texts(self) -> None:
        known = {
            (name, step, text)
            for event in self._stored.events()
            if event[0] == Kind.TEXT
            for _, step, texts in [event[1:]]
            for name, text in texts.items()
        }
        for point in self._run.texts():
            elapsed = self._elapsed if point.time is None else round(point.time - self._began, 6)
            try:
                texts = check_text(self._prefix + point.name, point.text)
                for name, text in texts.items():
                    if (name, point.step, text) not in known:
                        self._journal.event(Kind.TEXT, elapsed, point.step, texts)
            except UsageError as error:
                self._losses.add(f"text {point.name}", str(error))

    # --- parameters, tags, files ------------------------------------------------------------

    def _take_params(self) -> None:
        plain, long = stated.params(self._run, self._losses)
        for name, text in long.items():
            try:
                plain[name] = self._collector.store.keep_long(name, str(without_secrets(text)))
            except UsageError as error:
                self._losses.add(f"param {name}", str(error))
        known = resolve(self._known.layers).params
        params = placed(plain, known, as_text=self._run.params_as_text)
        trackers = [layer for layer in self._known.layers if layer.source in SYSTEMS]
        others = resolve(trackers).params
        params = {
            self._apart(name) if name in others and not agree(others[name], value) else name: value
            for name, value in params.items()
        }
        if not params:
            return
        try:
            write_layer(self._journal, Layer(self._run.system, params, program=True))
        except UsageError:
            for name, value in params.items():
                try:
                    write_layer(self._journal, Layer(self._run.system, {name: value}, program=True))
                except UsageError as error:
                    self._losses.add(f"param {name}", str(error))

    def _take_tags(self) -> None:
        """Tags, and what the tracker keeps besides; behind its name where the run has that otherwise."""
        run, tags = self._run, stated.tags(self._run, self._losses)
        system = run.system
        own = {
            f"{system}.name": run.name,
            f"{system}.note": run.note,
            f"{system}.group": run.group,
            f"{system}.job_type": run.job_type,
            f"{system}.labels": ", ".join(run.labels),
        }
        if system in ("tensorboard", "dvclive"):  # there the name is the folder
            del own[f"{system}.name"]
        for name, text in tags.items():
            if self._known.tags.get(name, text) != text:
                name = f"{system}.{name}"
            self._event(f"tag {name}", Kind.TAGS, {name: text})
        stated_by = {name: str(without_secrets(clean_text(text))) for name, text in own.items() if text}
        if stated_by:
            self._event(f"tags of {system}", Kind.TAGS, stated_by)

    def _take_files(self) -> None:
        files = Files(self._root, self._scratch, self._losses)
        files.take(
            replace(file, path=self._prefix + file.path)
            for file in self._run.files
            if file.kind not in _OBSERVED
        )
        self._keep_system(files)
        new = [kept for file in files.kept if (kept := self._new_file(file)) is not None]
        files.kept = [replace(kept, medium=None) for kept in new]  # the manifest is of our own
        pointers: dict[str, bytes] = {}
        files.store(self._collector.store.cache(), pointers)
        refused: dict[str, list[str]] = {}
        for kept in files.kept:
            pointer = pointers[kept.output.pointer].decode()
            try:
                self._journal.event(Kind.OUTPUT, to_dict(kept.output), pointer)
            except UsageError as error:
                refused.setdefault(str(error).partition(": no room for ")[0], []).append(kept.output.path)
        for why, (path, *others) in refused.items():
            more = f" and {len(others):,} more" if others else ""
            self._losses.add(f"output {path}{more}", why, 1 + len(others))

    def _keep_system(self, files: Files) -> None:
        points = Points(self._scratch / "system", self._began, self._losses)
        try:
            points.take(self._run.system_curves())
            if points.count:
                table = points.write(self._scratch / SYSTEM)
                files.add_path(self._apart(SYSTEM), table.path, SYSTEM_ROLE)
        finally:
            points.close()

    def _new_file(self, kept: Kept) -> Kept | None:
        """A file that the run has not; of another one of its name, behind the tracker's."""
        output = kept.output
        known = self._known.outputs.get(output.path)
        if known is None:
            return kept
        if known[0].md5 == output.md5:
            return None
        path = self._apart(output.path)
        return replace(
            kept, output=replace(output, path=path, pointer=ledger_path("outputs", Path(path), path))
        )
