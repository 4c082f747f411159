"""Media of a run (images, sounds, tables and the like at steps): media.jsonl beside its record.

It is the manifest of one output, the folder that holds their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gittrack.errors import RecordError
from gittrack.formats.plain import from_dict, to_dict

FILE = "media.jsonl"
OUTPUT = "_gittrack/media"
"""Path of the output that holds them, and its role."""
ROLE = "media"
POINTER = f"outputs/{OUTPUT}.dvc"

Kind = Literal["image", "audio", "video", "table", "html", "histogram", "confusion matrix", "other"]


TYPES: Mapping[str, tuple[Kind, str]] = {
    "png": ("image", "image/png"), "jpg": ("image", "image/jpeg"), "jpeg": ("image", "image/jpeg"),
    "gif": ("image", "image/gif"), "webp": ("image", "image/webp"), "bmp": ("image", "image/bmp"),
    "tif": ("image", "image/tiff"), "tiff": ("image", "image/tiff"), "svg": ("image", "image/svg+xml"),
    "wav": ("audio", "audio/wav"), "flac": ("audio", "audio/flac"), "ogg": ("audio", "audio/ogg"),
    "mp3": ("audio", "audio/mpeg"), "m4a": ("audio", "audio/mp4"), "mp4": ("video", "video/mp4"),
    "webm": ("video", "video/webm"), "html": ("html", "text/html"), "json": ("other", "application/json"),
}  # fmt: skip
"""By the end of a file's name: what it is, and its type. It is no list of the system's, which differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A file that was logged under a name. `time`: seconds since the start of the run."""

    name: str
    kind: Kind
    step: int | float | None = None
    time: float | None = None
    file: str
    """Its path in the output, with ``/``."""
    mime: str | None = None
    size: int
    md5: str
    sha256: str
    caption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """How many lines media.jsonl has, and its digest."""

    count: int
    sha256: str
    size: int


def write_media(media: Iterable[Medium]) -> tuple[Media, bytes]:
    """What the record says of the manifest, and its bytes."""
    lines = [json.dumps(to_dict(medium), ensure_ascii=False, separators=(",", ":")) for medium in media]
    data = "".join(f"{line}\n" for line in lines).encode()
    return Media(count=len(lines), sha256=hashlib.sha256(data).hexdigest(), size=len(data)), data


def read_media(data: bytes, where: str) -> list[Medium]:
    """The media in the bytes of a media.jsonl; RecordError if it is none."""
    media, files = [], set()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            medium = medium_of(json.loads(line, parse_constant=_refuse))
            if medium.file in files:
                raise ValueError("its file has a line already")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RecordError(f"{where}: line {number} is no medium of a run: {error}") from error
        files.add(medium.file)
        media.append(medium)
    if data and not data.endswith(b"\n"):
        raise RecordError(f"{where} does not end with a line end")
    return media


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,), "kind": (str,), "step": (int, float), "time": (int, float), "file": (str,),
    "mime": (str,), "size": (int,), "md5": (str,), "sha256": (str,), "caption": (str,),
}  # fmt: skip


def medium_of(said: Any) -> Medium:
    """The medium of these plain values; ValueError, TypeError or KeyError where they are none."""
    if not isinstance(said, Mapping) or not said.keys() <= _TYPES.keys():
        raise TypeError("no object with these keys")
    for key, value in said.items():
        if type(value) not in _TYPES[key]:
            raise TypeError(f"{key} is not {_TYPES[key][0].__name__}")
        if isinstance(value, str):
            value.encode()  # ValueError for half of a character
    if said["kind"] not in get_args(Kind):
        raise ValueError(f"no kind of media: {said['kind'][:80]!r}")
    parts = said["file"].split("/")
    if "\0" in said["file"] or "\\" in said["file"] or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{said['file'][:200]!r} is no path in a folder")
    return from_dict(Medium, said)
