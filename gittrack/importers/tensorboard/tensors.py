"""TensorProto: the numbers or the texts of a tensor."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gittrack.importers import protobuf
from gittrack.importers.protobuf import Message, WireError

_STRING, _BFLOAT16, _HALF = 7, 14, 19
_CODES = {
    1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", _HALF: "e", 22: "I", 23: "Q",
}  # fmt: skip
"""By number of the type, how `struct` names it."""
_FIELDS = {1: 5, 2: 6, 3: 7, 4: 7, 5: 7, 6: 7, 9: 10, 10: 11, _BFLOAT16: 13, 17: 7, _HALF: 13, 22: 16, 23: 17}
"""By number of the type, the field that has its values one by one."""
MOST = 10_000_000
"""Values of one tensor that are read."""


def shape(tensor: Message) -> tuple[int, ...]:
    dims = protobuf.messages(protobuf.message(tensor, 2), 2)
    return tuple(protobuf.integer(dim, 1) for dim in dims)


def texts(tensor: Message) -> list[str] | None:
    """The texts of a tensor of texts, None for another."""
    if protobuf.integer(tensor, 1) != _STRING:
        return None
    return protobuf.texts(tensor, 8)


def strings(tensor: Message) -> list[bytes]:
    return [value for value in tensor.get(8, ()) if isinstance(value, bytes)]


def numbers(tensor: Message) -> Sequence[float] | None:
    """The numbers of a tensor of numbers in the order of its rows, None for another type.

    As TensorFlow reads it: a last value that is given once stands for all that follow; none at all is 0.
    """
    kind = protobuf.integer(tensor, 1)
    if kind not in _FIELDS:
        return None
    count = 1
    for size in shape(tensor):
        count *= max(size, 0)
    if count > MOST:
        raise WireError(f"a tensor of {count:,} values")
    content = tensor.get(4, [b""])[-1]
    if isinstance(content, bytes) and content:
        return _unpacked(kind, content, count)
    given = _listed(kind, tensor)[:count]
    return [*given, *[given[-1] if given else 0] * (count - len(given))]


def _unpacked(kind: int, content: bytes, count: int) -> Sequence[float]:
    code = "H" if kind == _BFLOAT16 else _CODES[kind]
    if len(content) != count * struct.calcsize(f"<{code}"):
        raise WireError("a tensor of another size than its shape")
    values = struct.unpack(f"<{count}{code}", content)
    return [_bfloat16(value) for value in values] if kind == _BFLOAT16 else values


def _bfloat16(half: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", half << 16))[0])


def _half(half: int) -> float:
    return float(struct.unpack("<e", struct.pack("<H", half))[0])


def _listed(kind: int, tensor: Message) -> list[float]:
    """The values that stand one by one, packed or not."""
    field = tensor.get(_FIELDS[kind], [])
    if kind in (1, 2):
        return [value for data in field for value in _floats(data, _CODES[kind])]
    lists = ([data] if isinstance(data, int) else protobuf.varints(data) for data in field)
    values = [value for part in lists for value in part]
    if kind in (_HALF, _BFLOAT16):
        return [(_half if kind == _HALF else _bfloat16)(value & 0xFFFF) for value in values]
    if kind in (22, 23, 4, 17):
        return [*values]
    return [value - (1 << 64) if value >= 1 << 63 else value for value in values]


def _floats(data: int | bytes, code: str) -> Sequence[float]:
    size = struct.calcsize(code)
    if not isinstance(data, bytes) or len(data) % size:
        raise WireError("a list of numbers does not end")
    return struct.unpack(f"<{len(data) // size}{code}", data)
