"""A small writer of ``.wandb`` logs by the description of the format; shares nothing with the reader."""

from __future__ import annotations

import binascii
import json
import struct
from pathlib import Path
from typing import Any


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number % 128 + 128)
        number //= 128
    out.append(number)
    return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number * 8 + 2) + varint(len(data)) + data


def moment(seconds: int, nanos: int = 0) -> bytes:
    return field(1, seconds) + field(2, nanos)


def item(key: str | tuple[str, ...], value: Any, raw: str | None = None) -> bytes:
    names = field(1, key) if isinstance(key, str) else b"".join(field(2, part) for part in key)
    return names + field(16, json.dumps(value) if raw is None else raw)


def config(**values: Any) -> bytes:
    return field(5, b"".join(field(1, item(key, value)) for key, value in values.items()))


def summary(*items: bytes) -> bytes:
    return field(3, b"".join(field(1, one) for one in items))


def history(step: int, *items: bytes) -> bytes:
    return field(2, b"".join(field(1, one) for one in items) + field(2, field(1, step)))


def header(version: str = "0.31.0+abc") -> bytes:
    return field(21, field(1, field(1, version)))


def run(**extra: str) -> bytes:
    fields = {"run_id": 1, "entity": 2, "project": 3, "group": 6, "job": 7, "name": 8, "notes": 9}
    fields |= {"sweep": 12, "host": 13}
    body = b"".join(field(fields[key], value) for key, value in extra.items())
    return field(17, body + field(10, "ä") + field(10, "b") + field(17, moment(1_700_000_000, 250_000_000)))


def stopped(code: int) -> bytes:
    return field(18, field(1, code))


def framed(records: list[bytes]) -> bytes:
    """The records in blocks of 32 KiB, split where they do not fit."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for record in records:
        first = True
        while True:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            crc = binascii.crc32(bytes([kind]) + piece)
            out += struct.pack("<IHB", crc, len(piece), kind) + piece
            first = False
            if not record:
                break
    return bytes(out)


def folder(root: Path, records: list[bytes], run_id: str = "abc", at: str = "20240101_000000") -> Path:
    """A run's folder below ``wandb``, with a log of these records."""
    made = root / "wandb" / f"offline-run-{at}-{run_id}"
    (made / "files").mkdir(parents=True)
    (made / f"run-{run_id}.wandb").write_bytes(framed(records))
    return made
