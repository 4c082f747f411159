"""dvc.yaml, dvc.lock and .dvc files as DVC reads them: YAML 1.2 with anchors and merge keys. Bounded."""

from __future__ import annotations

from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec import read_yaml

MAX_BYTES = 64 << 20
_MAX_NODES = 2_000_000
_MAX_DEPTH = 64


def read_document(data: bytes | None, where: str) -> dict[str, Any]:
    """The mapping in the file `where` with these bytes, empty for an empty one; RecordError if it is none."""
    if data is None or not data.strip():
        return {}
    if len(data) >= MAX_BYTES:
        raise RecordError(f"{where}: larger than {MAX_BYTES} bytes")
    try:
        document = read_yaml(data, where, max_bytes=MAX_BYTES, max_nodes=_MAX_NODES)
    except RecordError as refusal:
        document = _as_dvc_reads(data, where, refusal)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise RecordError(f"{where}: not a DVC file, as a mapping is missing: restore it")
    return document


def _as_dvc_reads(data: bytes, where: str, refusal: RecordError) -> Any:
    """By DVC's own parser, for what our strict one refuses; without what aliases multiply."""
    from dvc.utils.serialize import ParseError, parse_yaml

    try:
        document = parse_yaml(data.decode("utf-8-sig"), where)
        return _plain(document, [_MAX_NODES], _MAX_DEPTH)
    except (ParseError, ValueError, ArithmeticError, RecursionError) as error:
        raise RecordError(
            f"{where}: {error}" if isinstance(error, OverflowError) else str(refusal)
        ) from error


def _plain(value: Any, left: list[int], depth: int) -> Any:
    """A copy with text for keys and for dates. OverflowError where `left` nodes or `depth` do not do."""
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise OverflowError("its aliases stand for too much")
    if isinstance(value, dict):
        return {str(key): _plain(item, left, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, left, depth - 1) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
