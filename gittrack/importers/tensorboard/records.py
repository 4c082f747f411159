"""The records of an event file, of which any byte may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from gittrack.formats.tfrecord import CHECK, HEAD, length_crc, masked_crc

LARGEST = 256 << 20
"""Bytes of the largest record that is read."""
AROUND = HEAD.size + CHECK.size
"""Bytes of a frame around those of its record."""


class FrameError(ValueError):
    """Bytes from which on a file has no records."""


def record(file: BinaryIO, place: int) -> bytes:
    """The bytes of the record at `place`, which was found good before."""
    file.seek(place)
    length, _ = HEAD.unpack(file.read(HEAD.size))
    return file.read(length)


def good_records(file: BinaryIO, end: int, bad: frozenset[int]) -> Iterator[tuple[int, bytes]]:
    """The records that `records` gave before, which ended at `end`, without those at the places `bad`."""
    place = 0
    while place < end:
        file.seek(place)
        length, _ = HEAD.unpack(file.read(HEAD.size))
        if place not in bad:
            yield place, file.read(length)
        place += HEAD.size + length + CHECK.size


def records(file: BinaryIO, size: int, bad: dict[int, str]) -> Iterator[tuple[int, bytes]]:
    """Each whole record of the first `size` bytes with its place; of one that is damaged, `bad` has why.

    FrameError where the length of a record is no length, so that none can be found behind it.
    """
    place = 0
    file.seek(0)
    while place < size:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            raise FrameError(f"cut off at byte {place}")
        length, check = HEAD.unpack(head)
        if length_crc(head[:8]) != check:
            raise FrameError(f"damaged from byte {place} on")
        end = place + HEAD.size + length + CHECK.size
        if end > size:
            raise FrameError(f"cut off at byte {place}")
        if length > LARGEST:
            bad[place] = f"a record larger than {LARGEST >> 20} MiB"
            file.seek(end)
        else:
            data = file.read(length)
            (check,) = CHECK.unpack(file.read(CHECK.size))
            if masked_crc(data) == check:
                yield place, data
            else:
                bad[place] = "a record whose checksum is wrong"
        place = end
