"""TFRecord: a file of frames, each a length and bytes with a masked CRC-32C behind both."""

from __future__ import annotations

import struct
import sys
from array import array
from functools import cache, lru_cache

HEAD = struct.Struct("<QI")
CHECK = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_POLYNOMIAL = 0x82F63B78


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
def length_crc(length: bytes) -> int:
    """Of the eight bytes of a length, of which few are many times there."""
    return masked_crc(length)


def frame(data: bytes) -> bytes:
    """`data` as one record of a file."""
    length = _LENGTH.pack(len(data))
    return length + CHECK.pack(length_crc(length)) + data + CHECK.pack(masked_crc(data))
