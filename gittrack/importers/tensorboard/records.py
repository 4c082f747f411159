"""The frames of an event file: a length and bytes, each with a masked CRC-32C behind it (TFRecord)."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import BinaryIO

LARGEST = 256 << 20
"""Bytes of the largest record that is read."""
_HEAD = struct.Struct("<QI")
_CHECK = struct.Struct("<I")
AROUND = _HEAD.size + _CHECK.size
"""Bytes of a frame around those of its record."""
_POLYNOMIAL = 0x82F63B78


class FrameError(ValueError):
    """Bytes from which on a file has no records."""


@cache
def _table() -> list[int]:
    """CRC-32C of each two bytes."""
    single = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        single.append(crc)
    halves = ((single[pair & 0xFF] ^ pair >> 8) for pair in range(65536))
    return [single[half & 0xFF] ^ half >> 8 for half in halves]


def masked_crc(data: bytes) -> int:
    """The CRC-32C of `data` as TFRecord masks it."""
    table = _table()
    pairs = array("H", data[: len(data) & ~1])
    if sys.byteorder == "big":
        pairs.byteswap()
    crc = 0xFFFFFFFF
    for pair in pairs:
        crc = table[(crc ^ pair) & 0xFFFF] ^ crc >> 16
    if len(data) & 1:
        crc = table[(crc ^ data[-1]) << 8 & 0xFFFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@lru_cache(4096)
def _length_crc(data: bytes) -> int:
    """Of lengths, of which few are many times there."""
    return masked_crc(data)


def record(file: BinaryIO, place: int) -> bytes:
    """The bytes of the record at `place`, which was found good before."""
    file.seek(place)
    length, _ = _HEAD.unpack(file.read(_HEAD.size))
    return file.read(length)


def good_records(file: BinaryIO, end: int, bad: frozenset[int]) -> Iterator[tuple[int, bytes]]:
    """The records that `records` gave before, which ended at `end`, without those at the places `bad`."""
    place = 0
    while place < end:
        file.seek(place)
        length, _ = _HEAD.unpack(file.read(_HEAD.size))
        if place not in bad:
            yield place, file.read(length)
        place += _HEAD.size + length + _CHECK.size


def records(file: BinaryIO, size: int, bad: dict[int, str]) -> Iterator[tuple[int, bytes]]:
    """Each whole record of the first `size` bytes with its place; of one that is damaged, `bad` has why.

    FrameError where the length of a record is no length, so that none can be found behind it.
    """
    place = 0
    file.seek(0)
    while place < size:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise FrameError(f"cut off at byte {place}")
        length, check = _HEAD.unpack(head)
        if _length_crc(head[:8]) != check:
            raise FrameError(f"damaged from byte {place} on")
        end = place + _HEAD.size + length + _CHECK.size
        if end > size:
            raise FrameError(f"cut off at byte {place}")
        if length > LARGEST:
            bad[place] = f"a record larger than {LARGEST >> 20} MiB"
            file.seek(end)
        else:
            data = file.read(length)
            (check,) = _CHECK.unpack(file.read(_CHECK.size))
            if masked_crc(data) == check:
                yield place, data
            else:
                bad[place] = "a record whose checksum is wrong"
        place = end
