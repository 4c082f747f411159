"""Comet: archives of offline experiments, and folders of unpacked ones.

An archive is a zip with what the client did, message by message, and the files that it would have uploaded.
Archives of one experiment key are one run: an experiment that was continued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gittrack.importers import life
from gittrack.importers.archives import Archive
from gittrack.importers.comet import facts, messages, points
from gittrack.importers.comet.facts import NO_PLACE, Facts
from gittrack.importers.comet.files import Uploads, written
from gittrack.importers.comet.messages import Message
from gittrack.importers.comet.parts import Part, find
from gittrack.importers.foreign import (
    ForeignFile,
    ForeignRun,
    Loss,
    Moment,
    Options,
    Skipped,
    Status,
    TextPoint,
)
from gittrack.importers.reading import why


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Experiments at `source`: an archive, the folder of an unpacked one, or a folder that has such."""
    experiments: dict[str, list[Part]] = {}
    for item in find(source.resolve()):
        if isinstance(item, Skipped):
            yield item
            continue
        parts = experiments.setdefault(item.id, [])
        copy = next((part for part in parts if part.digest == item.digest), None)
        if copy is not None:
            yield Skipped(what=item.name, why=f"a copy of {copy.name}", fault=False)
        else:
            parts.append(item)
    for parts in experiments.values():
        parts.sort(key=_order)
    for parts in sorted(experiments.values(), key=lambda parts: _order(parts[0])):
        try:
            yield _Experiment(parts, options).run()
        except (OSError, ValueError) as error:
            yield Skipped(what=parts[0].name, why=why(error))


def _order(part: Part) -> tuple[Moment, str]:
    return part.started or 0, part.name


class _Experiment:
    """One experiment, by its archives in the order of time."""

    def __init__(self, parts: list[Part], options: Options) -> None:
        self._parts = parts
        self._options = options
        self._archives = [Archive(part.path) for part in parts]
        self._facts = Facts()
        self._files: list[ForeignFile] = []
        self._texts: list[TextPoint] = []
        self._lost: list[Loss] = []

    def run(self) -> ForeignRun:
        stated, options = self._facts, self._options
        self._look()
        first, last = self._parts[0], self._parts[-1]
        self._files += written(self._messages, stated)
        status, changed = self._status()
        self._say(first)
        tags = stated.tags()
        if options.people and (workspace := self._word("workspace")):
            tags = {"comet.workspace": workspace, **tags}
        read_metrics = partial(self._messages, points.ONLY)
        return ForeignRun(
            system="comet",
            id=first.id,
            experiment=self._word("project_name") or "comet",
            name=stated.name,
            status=status,
            failure=facts.failure(self._parts),
            started=first.started if first.started is not None else stated.first,
            ended=last.ended if last.stated or status == "running" else stated.last,
            user=stated.user if options.people else None,
            tags=tags,
            labels=self._labels(),
            params=stated.params(),
            curves=partial(
                points.curves, read_metrics, has_epoch=points.EPOCH in stated.metrics, lost=self._lost
            ),
            texts=partial(self._text_points, read_metrics),
            system_curves=partial(points.system_curves, read_metrics),
            code=stated.code(has_patch=any(file.kind == "patch" for file in self._files)),
            environment=stated.environment(options),
            files=self._files,
            lost=self._lost,
            changed=changed,
        )

    def _word(self, name: str) -> str | None:
        """What the last archive that states it has: one that continues an experiment may not."""
        words = ((part.stated or {}).get(name) for part in reversed(self._parts))
        return next((word for word in words if isinstance(word, str) and word), None)

    def _messages(self, only: bytes) -> Iterator[Message]:
        for part, archive in zip(self._parts, self._archives, strict=True):
            yield from messages.read(archive, part.below, only=only)

    def _text_points(self, read_metrics: points.Read) -> Iterator[TextPoint]:
        yield from self._texts
        if self._facts.has_words:
            yield from points.words(read_metrics)

    def _look(self) -> None:
        """What all messages say; files after that, as a model is registered after its files are logged."""
        for part, archive in zip(self._parts, self._archives, strict=True):
            bad: Counter[str] = Counter()
            for message in messages.read(archive, part.below, bad):
                self._facts.take(message)
            self._lost += (
                Loss(what=f"messages of {part.name}", why=fault, count=count) for fault, count in bad.items()
            )
        for part, archive in zip(self._parts, self._archives, strict=True):
            uploads = Uploads(archive, part.below, self._facts, self._files, self._texts)
            for only in (b'"upload_type"', b'"remote_assets"'):
                for message in messages.read(archive, part.below, only=only):
                    uploads.take(message)
            uploads.name_others()

    def _status(self) -> tuple[Status, Moment | None]:
        """As the last process left it: an archive is closed at the end of the program, however that comes."""
        last = self._parts[-1]
        if last.stated is None:
            log = last.path / last.below / messages.FILE if last.path.is_dir() else last.path
            changed = log.stat().st_mtime
            return life.status_of(log, changed, self._facts.host), changed
        if facts.failure(self._parts):
            return "failed", last.ended
        if last.ended is None or "customer_error_reported" not in last.stated:
            return "unknown", last.ended
        return "finished", last.ended

    def _labels(self) -> tuple[str, ...]:
        listed = [tag for part in self._parts for tag in _texts((part.stated or {}).get("tags"))]
        return tuple(sorted({*listed}))

    def _say(self, first: Part) -> None:
        """What is not in the record."""
        add = self._facts.losses
        if first.is_continued:
            add["what was logged before", "the archive continues an experiment that began elsewhere"] += 1
        for error, count in facts.reported(self._parts).items():
            add[f"an error that the client noted: {error[:300]}", NO_PLACE] += count
        for part in self._parts:
            for name in ("project_name", "workspace"):
                value = (part.stated or {}).get(name)
                if value is not None and not isinstance(value, str):
                    add[f"{name} {value!r:.60}", "it is no text"] += 1
        self._lost += (Loss(what=what, why=reason, count=count) for (what, reason), count in add.items())


def _texts(listed: object) -> list[str]:
    return [text for text in listed if isinstance(text, str) and text] if isinstance(listed, list) else []
