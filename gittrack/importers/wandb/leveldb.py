"""The frames of a ``.wandb`` file: LevelDB's log in blocks of 32 KiB, after a header of its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

HEADER = b":W&B"
HEADER_SIZE = 7
BLOCK = 32768
LARGEST = 64 * 1024 * 1024
"""Bytes of the largest record that is put together."""
_FRAME = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(path: Path, bad: list[str], start: int = HEADER_SIZE) -> Iterator[tuple[int, bytes]]:
    """Each whole record from the place `start` on, with its place; what cannot be read is named in `bad`.

    After a damaged frame it goes on with the next block, as LevelDB does.
    """
    with path.open("rb") as file:
        if file.read(HEADER_SIZE)[: len(HEADER)] != HEADER:
            bad.append("it does not begin as a log of W&B does")
            return
        file.seek(start)
        place = start
        parts: list[bytes] = []
        held = 0
        first = start
        while block := file.read(BLOCK - place % BLOCK):
            for offset, kind, data in _frames(block, place, bad):
                if kind in (_FULL, _FIRST):
                    if parts:
                        bad.append(f"record at byte {first}: its end is missing")
                    parts, held, first = [], 0, offset
                elif not parts:
                    if kind in (_MIDDLE, _LAST):
                        bad.append(f"record at byte {offset}: its beginning is missing")
                    continue
                held += len(data)
                if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or held > LARGEST:
                    bad.append(f"record at byte {first}: damaged, or larger than {LARGEST} bytes")
                    parts = []
                    continue
                parts.append(data)
                if kind in (_FULL, _LAST):
                    yield first, b"".join(parts)
                    parts = []
            place += len(block)
        if parts:
            bad.append(f"record at byte {first}: cut off")


def _frames(block: bytes, place: int, bad: list[str]) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while len(block) - at >= _FRAME.size:
        check, length, kind = _FRAME.unpack_from(block, at)
        end = at + _FRAME.size + length
        data = block[at + _FRAME.size : end]
        if kind == 0 and length == 0 and check == 0:
            if any(block[at:]):
                bad.append(f"block at byte {place}: damaged")
            return
        if len(data) < length:
            bad.append(f"frame at byte {place + at}: cut off")
            yield place + at, -1, b""
            return
        if zlib.crc32(data, zlib.crc32(bytes([kind]))) != check:
            bad.append(f"frame at byte {place + at}: its checksum is wrong")
            yield place + at, -1, b""
            return
        yield place + at, kind, data
        at = end
    if at < len(block) and any(block[at:]):
        bad.append(f"frame at byte {place + at}: cut off")
