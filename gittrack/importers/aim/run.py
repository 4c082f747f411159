"""One run of Aim."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gittrack.importers import folders, values
from gittrack.importers.aim.bridge import Answer, Bridge
from gittrack.importers.aim.facts import Facts
from gittrack.importers.foreign import (
    Curve,
    ForeignCode,
    ForeignEnvironment,
    ForeignFile,
    ForeignRun,
    Loss,
    TextPoint,
)
from gittrack.importers.mlflow.values import lose_once

_NUMBERS = frozenset({"float", "float64", "int", "number"})
_TEXTS = frozenset({"aim.text", "aim.log_record", "str"})
_MEDIA = frozenset({"aim.image", "aim.audio", "aim.figure"})
_CONSOLE, _HISTOGRAM = "aim.log_line", "aim.distribution"
_OF_MACHINE = "__system__"
_SYSTEM = "__system_params"


@dataclass(frozen=True, slots=True)
class _Sequence:
    """Values of one name in one context."""

    context: str
    name: str
    kind: str
    shown: str
    """Its name with the context."""

    @property
    def key(self) -> list[str]:
        return [self.context, self.name]

    @property
    def of_machine(self) -> bool:
        return self.name.startswith(_OF_MACHINE)


@dataclass(slots=True)
class Run:
    """Reads the run `hash` below `home`, by copies of its files in `folder`."""

    bridge: Bridge
    home: Path
    hash: str
    folder: Path
    facts: Facts
    lost: list[Loss] = field(default_factory=list)
    _has_series: bool = False

    def run(self, top: Path, version: str) -> ForeignRun:
        """ValueError and OSError where its files are not to be read; nothing outside of `top` is taken."""
        self._copy("meta")
        stated = next(self._answers(open=str(self.folder), run=self.hash), {})
        sequences = [*_sequences(stated)]
        params, system = self._attributes(stated)
        ended = stated.get("end_time")
        facts = self.facts
        return ForeignRun(
            system="aim",
            system_version=version,
            id=self.hash,
            experiment=facts.experiment or "default",
            name=facts.name,
            status="running" if ended is None else "finished",
            started=facts.created,
            ended=ended if isinstance(ended, (int, float)) else None,
            note=facts.description,
            labels=tuple(facts.tags),
            tags={"aim.archived": "true"} if facts.archived else {},
            params=params,
            curves=partial(self._curves, [s for s in sequences if not s.of_machine]),
            system_curves=partial(self._curves, [s for s in sequences if s.of_machine]),
            texts=partial(self._texts, [s for s in sequences if s.kind in _TEXTS]),
            code=_code(system),
            environment=_environment(system),
            files=[*self._files(sequences), *self._artifacts(stated, top)],
            lost=self.lost,
        )

    def _copy(self, kind: str) -> None:
        """Files of the run: Aim writes where it reads."""
        source = self.home / kind / "chunks" / self.hash
        target = self.folder / kind / "chunks" / self.hash
        for name, path, is_regular in folders.walk(source):
            if not is_regular:
                raise ValueError(f"{kind}/{name} is a link, or no regular file")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)

    def _ask(self, **question: Any) -> Iterator[Answer]:
        """Of the run's sequences; what Aim cannot give of one is lost, by name."""
        if not self._has_series:
            self._has_series = True
            self._copy("seqs")
        yield from self._answers(**question)

    def _answers(self, **question: Any) -> Iterator[Answer]:
        try:
            yield from self.bridge.ask(**question)
        except ValueError as error:  # in a record it is the same everywhere
            raise ValueError(str(error).replace(f"{self.folder}/", "")) from error

    def _attributes(self, stated: Answer) -> tuple[dict[str, Any], Mapping[str, Any]]:
        attributes = stated.get("attrs")
        attributes = dict(attributes) if isinstance(attributes, dict) else {}
        system = attributes.pop(_SYSTEM, None)
        for name, value in [*values.flat(attributes)]:
            if isinstance(value, dict) and "_type" in value:
                what, why = f"param {name}", f"a record has no place for {value['_type']}"
                self.lost.append(Loss(what=what, why=why))
                values.remove(attributes, tuple(name.split(".")))
        if isinstance(system, dict) and system.get("env_variables"):
            count = len(system["env_variables"])
            why = "they are of the machine, and may hold secrets"
            self.lost.append(Loss(what="environment variables", why=why, count=count))
        return attributes, system if isinstance(system, dict) else {}

    def _curves(self, sequences: list[_Sequence]) -> Iterator[Curve]:
        """Points in the order of their steps: Aim keeps no other. Epochs are a metric of their own."""
        for sequence in sequences:
            if sequence.kind not in _NUMBERS:
                continue
            name = sequence.shown.removeprefix(_OF_MACHINE)
            for part in self._stretches(sequence):
                points = [
                    point
                    for point in zip(
                        part["values"], part["steps"], part["times"], part["epochs"], strict=True
                    )
                    if isinstance(point[0], (int, float))
                ]
                if len(points) < len(part["values"]):
                    count = len(part["values"]) - len(points)
                    self.lost.append(
                        Loss(what=f"metric {name}", why="values that are no numbers", count=count)
                    )
                yield from _stretch(name, points)

    def _stretches(self, sequence: _Sequence) -> Iterator[Answer]:
        try:
            yield from self._ask(points=sequence.key)
        except ValueError as error:
            lose_once(self.lost, Loss(what=f"metric {sequence.shown}", why=str(error)))

    def _items(self, sequence: _Sequence) -> Iterator[Answer]:
        try:
            yield from self._ask(items=sequence.key)
        except ValueError as error:
            lose_once(self.lost, Loss(what=f"sequence {sequence.shown}", why=str(error)))

    def _texts(self, sequences: list[_Sequence]) -> Iterator[TextPoint]:
        for content, time in self.facts.notes:
            yield TextPoint(name="note", text=content, time=time)
        for sequence in sequences:
            for item in self._items(sequence):
                is_record = sequence.kind == "aim.log_record"
                yield TextPoint(
                    name=f"log.{str(item.get('log_level')).lower()}" if is_record else sequence.shown,
                    text=str(item.get("message") if is_record else item.get("text", item.get("value"))),
                    step=None if is_record else item.get("step"),
                    time=item.get("time"),
                )

    def _files(self, sequences: list[_Sequence]) -> Iterator[ForeignFile]:
        for sequence in sequences:
            if sequence.kind == _CONSOLE:
                yield ForeignFile(
                    path="console.txt", kind="console", content=partial(self._console, sequence)
                )
            elif sequence.kind == _HISTOGRAM:
                content = partial(self._histograms, sequence)
                path = f"histograms/{sequence.shown}.jsonl"
                yield ForeignFile(path=path, kind="other", name=sequence.shown, content=content)
            elif sequence.kind in _MEDIA:
                yield from self._media(sequence)
            elif sequence.kind not in _NUMBERS | _TEXTS:
                why = f"a record has no place for {sequence.kind}"
                self.lost.append(Loss(what=f"sequence {sequence.shown}", why=why))

    def _media(self, sequence: _Sequence) -> Iterator[ForeignFile]:
        for item in self._items(sequence):
            step, index = item.get("step"), item.get("index")
            end = str(item.get("format") or "bin")[:20].lower().replace("raw_json", "json")
            number = f"-{index}" if index else ""
            caption = item.get("caption")
            yield ForeignFile(
                path=f"media/{sequence.shown}/{step}{number}.{end}",
                kind="media",
                content=partial(self._bytes, [*sequence.key, step, index]),
                name=sequence.shown,
                step=step if isinstance(step, (int, float)) else None,
                caption=caption if isinstance(caption, str) and caption else None,
            )

    def _bytes(self, key: list[Any]) -> Iterator[bytes]:
        for part in self._ask(bytes=key):
            yield base64.b64decode(str(part.get("bytes")), validate=True)

    def _console(self, sequence: _Sequence) -> Iterator[bytes]:
        for item in self._ask(items=sequence.key):
            yield str(item.get("text")).encode("utf-8", "replace") + b"\n"

    def _histograms(self, sequence: _Sequence) -> Iterator[bytes]:
        """A line for each step: the weights of bins of one width, and the range of all."""
        for item in self._ask(items=sequence.key):
            stated = {key: item.get(key) for key in ("step", "range", "weights")}
            yield json.dumps(stated).encode() + b"\n"

    def _artifacts(self, stated: Answer, top: Path) -> Iterator[ForeignFile]:
        listed = stated.get("artifacts")
        for artifact in listed if isinstance(listed, list) else ():
            name, address = str(artifact.get("name")), urlsplit(str(artifact.get("uri")))
            place = Path(unquote(address.path)) if address.scheme == "file" else None
            is_here = place is not None and folders.is_regular(place) and place.resolve().is_relative_to(top)
            yield ForeignFile(
                path=f"artifacts/{name}",
                kind="artifact",
                content=place if is_here else None,
                missing=None if is_here else "its bytes are outside of the source",
                name=name,
            )


def _sequences(stated: Answer) -> Iterator[_Sequence]:
    contexts = stated.get("contexts")
    known = contexts if isinstance(contexts, dict) else {}
    listed = stated.get("sequences")
    for sequence in listed if isinstance(listed, list) else ():
        context, name, kind = (str(sequence.get(key)) for key in ("context", "name", "dtype"))
        kind = kind.removeprefix("list(").removesuffix(")") if kind.startswith("list(aim.") else kind
        yield _Sequence(context, name, kind, name + _shown(known.get(context)))


def _shown(context: Any) -> str:
    """A context as it stands behind a name: ``[subset=val]``."""
    if not isinstance(context, dict) or not context:
        return ""
    parts = (
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in sorted(context.items())
    )
    return f"[{','.join(parts)}]"


def _stretch(name: str, points: list[tuple[Any, ...]]) -> Iterator[Curve]:
    if not points:
        return
    numbers, steps, times, epochs = zip(*points, strict=True)
    has_steps = any(step is not None for step in steps)
    has_times = any(time is not None for time in times)
    yield Curve(
        name=name, values=numbers, steps=steps if has_steps else None, times=times if has_times else None
    )
    counted = [point for point in points if isinstance(point[3], (int, float))]
    if counted:
        _, steps, times, epochs = zip(*counted, strict=True)
        yield Curve(
            name=f"{name}.epoch",
            values=epochs,
            steps=steps if has_steps else None,
            times=times if has_times else None,
        )


def _code(system: Mapping[str, Any]) -> ForeignCode | None:
    arguments = system.get("arguments")
    command = tuple(map(str, arguments)) if isinstance(arguments, list) else ()
    git = system.get("git_info")
    git = git if isinstance(git, dict) else {}
    commit = git.get("commit")
    code = ForeignCode(
        commit=_text(commit.get("hash")) if isinstance(commit, dict) else None,
        branch=_text(git.get("branch")),
        remote=_text(git.get("remote_origin_url")),
        entry=command[0] if command else None,
        command=command,
    )
    return None if code == ForeignCode() else code


def _environment(system: Mapping[str, Any]) -> ForeignEnvironment | None:
    packages = system.get("packages")
    if not isinstance(packages, dict) or not packages:
        return None
    return ForeignEnvironment(packages={str(name): str(version) for name, version in packages.items()})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
