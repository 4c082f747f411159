"""Protocol buffers written: a message is the fields that it has, one after another."""

from __future__ import annotations

import struct


def varint(number: int) -> bytes:
    """A whole number of 64 bits, a negative one as its complement."""
    number &= (1 << 64) - 1
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def field(number: int, value: float | str | bytes) -> bytes:
    """One field: a whole number as a varint, a float in 64 bits, text and messages by their length."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data
