"""TensorBoard: an event file for each run, written without TensorFlow. Nothing is exported twice.

Numbers are tensors of 64 bits, which the plugin of scalars reads as those of 32. Parameters, status and times
are a session of the plugin hparams. What TensorBoard has no place for, tags and a note, are texts.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from gittrack.errors import RepositoryError, UsageError
from gittrack.exporters.contents import Names, contents_of, safe_path
from gittrack.exporters.losses import of_points, sentences, whole
from gittrack.exporters.source import Source, Subject
from gittrack.exporters.values import final_number, text
from gittrack.exporters.wire import field
from gittrack.exporters.writing import new_folder
from gittrack.formats.exported import NOTE, TAGS, Back
from gittrack.formats.flat import flatten
from gittrack.formats.media import ROLE as MEDIA
from gittrack.formats.record import Output, Record, Value, parse_time
from gittrack.formats.tfrecord import frame

_DOUBLE, _STRING = 2, 7
_STATUS = {"finished": 1, "failed": 2}
_PNG = b"\x89PNG\r\n\x1a\n"
_SUFFIX = "/text_summary"
"""Behind the names of texts, as torch has it: a metric may have the same name."""
_SIZE = struct.Struct(">II")


def export(subject: Subject, target: Path, *, data: bool) -> tuple[int, int]:
    """Write a folder for each run of `subject` below `target`; how many, and how many were there before.

    With `data`, pictures among the outputs too: DvcError where their bytes are not here.
    """
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file: name a folder")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}: make it first")
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise RepositoryError(f"{target} cannot be written: {error.strerror or error}") from error
    names = Names(path.name for path in target.iterdir())
    there = {path.name.rpartition(".")[2] for path in target.glob("*/events.out.tfevents.*")}
    written = 0
    for source in subject.sources:
        record = source.record
        if record.id in there:
            continue
        label = record.name or record.id
        name = names.free(safe_path(label).replace("/", "_"))
        run = _Run(source, Back(name=label if label != name else None), data)
        with new_folder(target / name) as folder:
            file = folder / f"events.out.tfevents.{int(run.began)}.{record.id}"
            with file.open("wb") as stream:
                stream.writelines(map(frame, run.events()))
        source.notes += run.notes()
        written += 1
    return written, len(subject.sources) - written


class _Run:
    """One run as events, and what of it TensorBoard cannot hold."""

    def __init__(self, source: Source, back: Back, data: bool) -> None:
        self._source = source
        self._record = source.record
        self._back = back
        self._data = data
        self._lost: dict[str, list[str]] = defaultdict(list)
        started = self._record.started
        self.began = 0.0 if started is None else parse_time(started).timestamp()

    def notes(self) -> list[str]:
        """What is not there as it is in the record."""
        return [*sentences(self._source, {**of_points(self._source, texts=True), **self._lost})]

    def events(self) -> Iterator[bytes]:
        """The events of the file, in its order."""
        yield field(1, self.began) + field(3, "brain.Event:2")
        yield from self._session()
        yield from self._scalars()
        for item in self._source.texts:
            moment = self.began + (item.time or 0.0)
            yield self._summary(item.name + _SUFFIX, whole(item.step, 0), moment, _text(item.text))
        if self._data:
            yield from self._pictures()
        elif self._record.outputs:
            self._lose(
                "outputs are not there; with --data those in PNG are", f"{len(self._record.outputs)} of them"
            )
        note = self._source.note
        if note:
            yield self._summary(NOTE, 0, self.began, _text(note))
        tags = {**self._record.tags, **self._source.facts, **self._back_of().as_tags()}
        yield self._summary(TAGS, 0, self.began, _text(json.dumps(tags, ensure_ascii=False)))

    def _lose(self, why: str, name: str) -> None:
        self._lost[why].append(name)

    def _back_of(self) -> Back:
        metrics, curves = self._record.metrics, self._curves
        ruled = {name: m for name, m in metrics.items() if m.rule not in (None, "last", "greatest-step")}
        return Back(
            name=self._back.name,
            added=tuple(name for name in metrics if name not in curves),
            rules={name: str(metric.rule) for name, metric in ruled.items()},
            values={
                name: metric.status or final_number(metric)
                for name, metric in metrics.items()
                if name not in curves or metric.rule in ("given", "best")
            },
        )

    @property
    def _curves(self) -> dict[str, object]:
        series = self._source.series
        return dict(series.curves) if series else {}

    # --- values -----------------------------------------------------------------------------

    def _summary(self, name: str, step: int, moment: float, value: bytes) -> bytes:
        summary = field(1, field(1, name) + value)
        return field(1, moment) + field(2, step) + field(5, summary)

    def _scalars(self) -> Iterator[bytes]:
        """The series, and final values of metrics that have none."""
        record, series = self._record, self._source.series
        for name, curve in (series.curves if series else {}).items():
            for at, value in enumerate(curve.values):
                step, moment = whole(curve.steps[at], at), self.began + (curve.times[at] or 0.0)
                yield self._summary(name, step, moment, _scalar(value, first=not at))
        for name, metric in record.metrics.items():
            if series is None or name not in series.curves:
                final = _scalar(final_number(metric), first=True)
                yield self._summary(name, whole(metric.step, 0), _end(record, self.began), final)

    def _pictures(self) -> Iterator[bytes]:
        for output in self._record.outputs:
            for content in contents_of(self._source.index.repository, output):
                with content.file.open("rb") as file:
                    is_png = file.read(len(_PNG)) == _PNG
                path = f"{output.path}/{content.path}" if content.path else output.path
                if is_png:
                    name, step = _picture_name(output, path)
                    moment, medium = self.began, self._source.media.get(content.path)
                    if medium is not None and output.role == MEDIA:
                        name, step = medium.name, whole(medium.step, 0)
                        moment += medium.time or 0.0
                    name = f"{name}/image" if name in self._record.metrics else name
                    yield self._summary(name, step, moment, _picture(content.file.read_bytes()))
                else:
                    self._lose("outputs that are no pictures in PNG are not there", path)

    # --- parameters -------------------------------------------------------------------------

    def _session(self) -> Iterator[bytes]:
        """Start and end of the run, as the plugin hparams has them."""
        record, params = self._record, b""
        values = flatten(record.params)
        if record.seed is not None:
            values.setdefault("seed", record.seed)
        for name, value in values.items():
            params += field(1, field(1, name) + field(2, self._param(name, value)))
        group = record.imported.group if record.imported else None
        start = params + (field(4, group) if group else b"") + field(5, self.began)
        yield self._hparams("start", self.began, field(3, start))
        status = _STATUS.get(record.status, 0)
        if not status:
            self._lose("of the status, nothing is there", record.status)
        end = _end(record, 0.0)
        yield self._hparams("end", end or self.began, field(4, field(1, status) + field(2, end)))

    def _hparams(self, which: str, moment: float, content: bytes) -> bytes:
        name = f"_hparams_/session_{which}_info"
        empty = field(8, field(1, 1) + field(2, b""))  # a tensor is asked for, and says nothing
        return self._summary(name, 0, moment, _metadata("hparams", content) + empty)

    def _param(self, name: str, value: Value) -> bytes:
        """A ``google.protobuf.Value``: number, text or truth, as the plugin takes them."""
        if isinstance(value, bool):
            return field(4, int(value))
        if isinstance(value, (int, float)):
            if isinstance(value, int):
                self._lose("parameters that are whole numbers are floats", name)
            return field(2, _float(value))
        if not isinstance(value, str):
            self._lose("parameters that are lists, mappings or null are JSON text", name)
        return field(3, text(value))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _end(record: Record, unknown: float) -> float:
    """The moment at which the run ended, in seconds since 1970."""
    return unknown if record.ended is None else record.ended.timestamp()


def _scalar(value: float, *, first: bool) -> bytes:
    """A tensor of one number; only the first of a tag says what it is."""
    number = field(1, _DOUBLE) + field(2, b"") + field(4, struct.pack("<d", value))
    return (_metadata("scalars") if first else b"") + field(8, number)


def _metadata(plugin: str, content: bytes = b"") -> bytes:
    return field(9, field(1, field(1, plugin) + (field(2, content) if content else b"")))


def _strings(parts: Iterable[bytes], count: int) -> bytes:
    values = b"".join(field(8, part) for part in parts)
    return field(8, field(1, _STRING) + field(2, field(2, field(1, count))) + values)


def _text(content: str) -> bytes:
    return _metadata("text") + _strings([content.encode()], 1)


def _picture(data: bytes) -> bytes:
    width, height = _SIZE.unpack(data[16:24]) if len(data) >= 24 else (0, 0)
    return _metadata("images") + _strings([str(width).encode(), str(height).encode(), data], 3)


def _picture_name(output: Output, path: str) -> tuple[str, int]:
    """What a picture is called, and its step, where its file is named by one."""
    stem = Path(path).stem
    is_step = stem.isascii() and stem.isdecimal() and len(stem) < 19
    above = str(Path(path).parent)
    return output.name or (above if is_step and above != "." else path), int(stem) if is_step else 0
