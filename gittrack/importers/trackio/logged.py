"""What a program logged to Trackio in one row: numbers, texts, and what has a type of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.importers import folders, values
from gittrack.importers.foreign import ForeignFile, Moment, TextPoint

TABLE, HISTOGRAM, MARKDOWN = "trackio.table", "trackio.histogram", "trackio.markdown"
_MEDIA = frozenset(f"trackio.{kind}" for kind in ("image", "video", "audio", "html", "object3d", "file"))
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""As Trackio writes what JSON has no number for: a text of that name it cannot tell from it either."""


@dataclass(frozen=True, slots=True)
class Row:
    """Values that were logged together."""

    step: int | float | None
    time: Moment | None
    values: dict[str, Any]

    @classmethod
    def of(cls, step: Any, time: bytes | str | None, logged: bytes | str) -> Row:
        """ValueError where it is no JSON mapping."""
        stated = values.load(logged)
        if not isinstance(stated, dict):
            raise ValueError("no mapping")
        moment = values.utc(time.decode("utf-8", "replace") if isinstance(time, bytes) else time)
        if isinstance(step, float) and step.is_integer():  # as Parquet has all of a column with a fraction
            step = int(step)
        return cls(step if type(step) in (int, float) else None, moment, restored(stated))

    def leaves(self) -> Iterator[tuple[str, Any]]:
        return values.flat(self.values)

    def numbers(self) -> Iterator[tuple[str, int | float]]:
        for name, value in self.leaves():
            if isinstance(value, (int, float)):
                yield name, int(value) if isinstance(value, bool) else value

    def texts(self) -> Iterator[TextPoint]:
        for name, value in self.leaves():
            text = _text(value)
            if text is not None:
                yield TextPoint(name=name, text=text, step=self.step, time=self.time)

    def files(self, home: Path) -> Iterator[ForeignFile]:
        """Tables and media, those in tables too."""
        for name, value in self.leaves():
            place = f"{name}/{self.step if self.step is not None else 'none'}"
            if type_of(value) == TABLE:
                data = json.dumps(value.get("_value"), ensure_ascii=False).encode("utf-8", "replace")
                yield ForeignFile(
                    path=f"tables/{place}.json", kind="table", content=data, step=self.step, name=name
                )
            for medium in _media(value):
                yield self._medium(medium, name, f"media/{place}", home)

    def _medium(self, stated: dict[str, Any], name: str, place: str, home: Path) -> ForeignFile:
        path = str(stated.get("file_path") or "")
        content, missing = folders.find(home / "media", path)
        caption = stated.get("caption")
        return ForeignFile(
            path=f"{place}{PurePosixPath(path).suffix[:20]}",
            kind="media",
            content=content,
            missing=missing,
            name=name,
            step=self.step,
            caption=caption if isinstance(caption, str) else None,
        )

    def strange(self) -> Iterator[tuple[str, str]]:
        """What of it is neither a number nor a text nor a file, and why."""
        for name, value in self.leaves():
            kind = type_of(value)
            if value is None:
                yield name, "null, no number"
            elif kind and kind not in {TABLE, HISTOGRAM, MARKDOWN, *_MEDIA}:
                yield name, f"a record has no place for {kind[:60]}"


def restored(value: Any) -> Any:
    """A value with the numbers that Trackio writes as words."""
    if isinstance(value, str):
        return _WORDS.get(value, value)
    if isinstance(value, list):
        return [restored(inner) for inner in value]
    if isinstance(value, dict):
        return {key: restored(inner) for key, inner in value.items()}
    return value


def type_of(value: Any) -> str | None:
    kind = value.get("_type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None


def _text(value: Any) -> str | None:
    if type_of(value) == MARKDOWN:
        return str(value.get("_value") or "")
    if isinstance(value, str):
        return value
    is_plain = isinstance(value, list) or value == {}
    return None if not is_plain or next(_media(value), None) else json.dumps(value, ensure_ascii=False)


def _media(value: Any) -> Iterator[dict[str, Any]]:
    """Those that it is or holds."""
    if type_of(value) in _MEDIA:
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _media(inner)
