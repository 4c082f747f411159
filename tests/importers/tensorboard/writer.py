"""Event files written by hand, byte by byte: frames, and messages of protocol buffers."""

from __future__ import annotations

import struct
from pathlib import Path


def crc32c(data: bytes) -> int:
    """Bit by bit, by its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + check(length) + data + check(data)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: int | float | str | bytes) -> bytes:
    """A field: an int as a varint, a float as a double, text and messages by their length."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(time: float, step: int, *fields: bytes) -> bytes:
    return frame(field(1, float(time)) + field(2, step) + b"".join(fields))


def version(time: float = 100.0, number: int = 2) -> bytes:
    return event(time, 0, field(3, f"brain.Event:{number}"))


def start(time: float, step: int) -> bytes:
    """The session log of a program that goes on from `step`."""
    return event(time, step, field(7, field(1, 1)))


def summary(*values: bytes) -> bytes:
    return field(5, b"".join(field(1, value) for value in values))


def simple(tag: str, number: float) -> bytes:
    """A number as old writers have it, in 32 bits."""
    return field(1, tag) + varint(2 << 3 | 5) + struct.pack("<f", number)


def metadata(plugin: str, content: bytes = b"") -> bytes:
    return field(9, field(1, field(1, plugin) + field(2, content)))


def tensor(kind: int, *fields: bytes, shape: tuple[int, ...] = ()) -> bytes:
    dims = b"".join(field(2, field(1, size)) for size in shape)
    return field(8, field(1, kind) + field(2, dims) + b"".join(fields))


def value(tag: str, plugin: str, of: bytes, content: bytes = b"") -> bytes:
    return field(1, tag) + metadata(plugin, content) + of


def proto_value(item: object) -> bytes:
    """A ``google.protobuf.Value``."""
    if isinstance(item, bool):
        return field(4, int(item))
    if isinstance(item, (int, float)):
        return field(2, float(item))
    if isinstance(item, list):
        return field(6, b"".join(field(1, proto_value(inner)) for inner in item))
    return field(3, item) if isinstance(item, str) else field(1, 0)


def session(time: float, params: dict[str, object], status: int | None = None) -> bytes:
    """The events of the hparams plugin for one session."""
    entries = b"".join(field(1, field(1, k) + field(2, proto_value(v))) for k, v in params.items())
    began = field(1, "_hparams_/session_start_info") + metadata("hparams", field(3, entries + field(4, "g")))
    ended = field(1, "_hparams_/session_end_info") + metadata("hparams", field(4, field(1, status or 0)))
    events = event(time, 0, summary(began))
    return events if status is None else events + event(time, 0, summary(ended))


def write(folder: Path, *events: bytes, stamp: int = 100, host: str = "host") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{stamp}.{host}.7.0"
    path.write_bytes(b"".join(events))
    return path
