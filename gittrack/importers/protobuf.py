"""Protocol buffers on the wire: fields by number, without a description of the message."""

from __future__ import annotations

import struct

Wire = int | bytes
Message = dict[int, list[Wire]]
MOST_FIELDS = 2_000_000
"""Fields of one message that are read."""


class WireError(ValueError):
    """Bytes that are no message."""


def parse(data: bytes) -> Message:
    """The fields of one message; later ones of the same number follow earlier ones."""
    fields: Message = {}
    at = count = 0
    while at < len(data):
        count += 1
        if count > MOST_FIELDS:
            raise WireError(f"more than {MOST_FIELDS:,} fields")
        tag = data[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Wire
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 2, 5):
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, at = _varint(data, at) if at >= len(data) or data[at] >= 0x80 else (data[at], at + 1)
            if size > len(data) - at:
                raise WireError("a field is longer than its message")
            value, at = data[at : at + size], at + size
        else:
            raise WireError(f"wire type {wire}")
        if not number:
            raise WireError("field 0")
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise WireError("a number does not end")


def text(message: Message, number: int) -> str | None:
    """The text in a field, None where it is absent or empty."""
    found = texts(message, number)
    return found[-1] or None if found else None


def texts(message: Message, number: int) -> list[str]:
    return [value.decode("utf-8", "replace") for value in message.get(number, ()) if isinstance(value, bytes)]


def integer(message: Message, number: int) -> int:
    """The signed number in a field, 0 where it is absent."""
    value = message.get(number, [0])[-1]
    if isinstance(value, bytes):
        return int.from_bytes(value, "little", signed=True) if len(value) <= 8 else 0
    return value - (1 << 64) if value >= 1 << 63 else value


def varints(data: bytes) -> list[int]:
    """The numbers of a packed field."""
    found: list[int] = []
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def messages(message: Message, number: int) -> list[Message]:
    return [parse(value) for value in message.get(number, ()) if isinstance(value, bytes)]


def message(outer: Message, number: int) -> Message:
    """The message in a field, an empty one where it is absent."""
    found = messages(outer, number)
    return found[-1] if found else {}


def double(data: Wire) -> float | None:
    return float(struct.unpack("<d", data)[0]) if isinstance(data, bytes) and len(data) == 8 else None


def doubles(message: Message, number: int) -> list[float]:
    """The numbers of a field, packed or not."""
    found: list[float] = []
    for data in message.get(number, ()):
        if not isinstance(data, bytes) or len(data) % 8:
            raise WireError("a list of numbers does not end")
        found += struct.unpack(f"<{len(data) // 8}d", data)
    return found


def moment(outer: Message, number: int) -> float | None:
    """Seconds since 1970 of a Timestamp."""
    found = messages(outer, number)
    if not found:
        return None
    return integer(found[-1], 1) + integer(found[-1], 2) / 1e9
