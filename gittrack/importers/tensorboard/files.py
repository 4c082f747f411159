"""Pictures, sounds and histograms of a run as files; their bytes are read when they are asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from gittrack.importers import folders, protobuf
from gittrack.importers.foreign import ForeignFile
from gittrack.importers.media import suffix_of
from gittrack.importers.protobuf import WireError
from gittrack.importers.tensorboard import events, tensors
from gittrack.importers.tensorboard.events import Value
from gittrack.importers.tensorboard.log import Log, Media, Place, media_bytes

_OLD = {1: "min", 2: "max", 3: "num", 4: "sum", 5: "sum_squares"}


def files(log: Log) -> Iterator[ForeignFile]:
    """The media, and a table for each tag of histograms."""
    for media in log.media:
        if not log.is_gone(media.place, media.tag, media.step):
            yield ForeignFile(
                path=_media_path(media),
                kind="media",
                content=_content(log, media),
                name=media.tag or None,
                step=media.step,
            )
    for tag, places in log.histograms.items():
        own = [place for place, step in places if not log.is_gone(place, tag, step)]
        if own:
            path = f"histograms/{folders.below(tag)}.jsonl"
            yield ForeignFile(path=path, kind="table", content=_table(log, tag, own), name=tag or None)


def _media_path(media: Media) -> str:
    suffix = suffix_of(media.beginning) or "bin"
    part = f"-{media.part}" if media.part else ""
    folder = "images" if media.kind == "image" else "audio"
    return f"media/{folder}/{folders.below(media.tag)}/{media.step}{part}.{suffix}"


def _content(log: Log, media: Media) -> Callable[[], Iterator[bytes]]:
    def content() -> Iterator[bytes]:
        _, value = log.at(media.place)
        yield media_bytes(value, media.kind)[media.part]

    return content


def _table(log: Log, tag: str, places: list[Place]) -> Callable[[], Iterator[bytes]]:
    def content() -> Iterator[bytes]:
        for place in places:
            event, value = log.at(place)
            row = {"step": event.step, "time": _plain(event.time), **_histogram(value)}
            yield json.dumps(row, allow_nan=False).encode() + b"\n"

    return content


def _histogram(value: Value) -> dict[str, Any]:
    """Its bins as left edge, right edge and count; of old ones, the right edges that they have."""
    if events.OLD_HISTOGRAM in value.message:
        found = protobuf.message(value.message, events.OLD_HISTOGRAM)
        facts = {name: protobuf.double(found.get(n, [bytes(8)])[-1]) or 0.0 for n, name in _OLD.items()}
        limits, counts = protobuf.doubles(found, 6), protobuf.doubles(found, 7)
        plain = {name: _plain(number) for name, number in facts.items()}
        return {**plain, "right": [*map(_plain, limits)], "count": [*map(_plain, counts)]}
    tensor = protobuf.message(value.message, events.TENSOR)
    numbers = tensors.numbers(tensor)
    if numbers is None or len(numbers) % 3:
        raise WireError("a histogram that is none")
    columns = ([*map(_plain, numbers[at::3])] for at in range(3))
    return dict(zip(("left", "right", "count"), columns, strict=True))


def _plain(number: float) -> float | str:
    """A number of JSON, or the word for what is none there."""
    return number if math.isfinite(number) else str(float(number))
