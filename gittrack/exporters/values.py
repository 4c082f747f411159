"""Values as other formats can hold them: JSON that every reader takes, digests and names by their rules."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from gittrack.formats.record import DataInput, Metric, Output, parse_time
from gittrack.text.json_text import json_compact, json_page

NAMESPACE = "https://gittrack.dev/"
_EXACT = 2**53
"""Whole numbers beyond it are not the same in every reader of JSON (RFC 8259, section 6)."""


def plain(value: Any) -> Any:
    """`value` with whole numbers that JSON readers would round as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value


def scalar(value: Any) -> str | int | float | bool:
    """`plain`, with lists, mappings and null as JSON text."""
    simple = plain(value)
    if isinstance(simple, (str, int, float, bool)):
        return simple
    return json.dumps(simple, ensure_ascii=False)


def text(value: Any) -> str:
    """A value as text: as it is, or as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def pretty(document: Any) -> bytes:
    """An indented JSON file."""
    return json_page(document).encode()


def compact(document: Any) -> bytes:
    """JSON on one line, without its end."""
    return json_compact(document).encode()


def without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` without keys that say nothing."""
    return {key: value for key, value in document.items() if value not in (None, [], {}, ())}


def metric_value(metric: Metric) -> int | float | str:
    """The final value, or ``nan``, ``inf``, ``-inf``."""
    final = plain(metric.value)
    return final if final is not None else metric.status or "nan"


def final_number(metric: Metric) -> float:
    """The final value as a float; infinite beyond what that holds."""
    try:
        return float(metric.status or "nan") if metric.value is None else float(metric.value)
    except OverflowError:
        return float("inf") if (metric.value or 0) > 0 else float("-inf")


def seconds(stamp: str) -> str:
    """A record's time in the ISO 8601 of schema.org: milliseconds and an offset."""
    return parse_time(stamp).isoformat(timespec="milliseconds")


# --- digests and addresses ------------------------------------------------------------------------


def digests(item: DataInput | Output) -> dict[str, str]:
    """The digests of data as an in-toto DigestSet, empty where none is known.

    A folder's sha256 is what in-toto calls ``dirHash``: of the lines that sha256sum prints for its
    files. An md5 of DVC that is not one of the very bytes is called ``dvcMd5``.
    """
    folder = item.nfiles is not None or (item.md5 or "").endswith(".dir")
    if item.sha256:
        return {"dirHash" if folder else "sha256": item.sha256}
    if item.md5:
        exact = not folder and getattr(item, "hash", "md5") in (None, "md5")
        return {"md5" if exact else "dvcMd5": item.md5}
    blob = getattr(item, "blob", None)
    return {"gitTree" if folder else "gitBlob": blob} if blob else {}


def named_information(sha256: str) -> str:
    """The URI of bytes by their digest (RFC 6920)."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


_DIGEST = re.compile(r"(sha256|sha512|sha384|sha1|md5):([0-9a-f]{32,128})\Z")


def named_digest(digest: str | None) -> dict[str, str]:
    """``sha256:<hex>`` as a DigestSet; empty for anything else."""
    match = _DIGEST.match(digest or "")
    return {match[1]: match[2]} if match else {}


def repository_uri(remote: str | None) -> str | None:
    """A remote as the URI of SPDX and in-toto, ``git+https://...``; None for a path or what is no URI."""
    if remote is None or re.search(r"[\s\x00-\x1f<>\"{}|\\^`]", remote):
        return None
    short = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!/)(.+)", remote)  # git's own user@host:path
    address = f"ssh://{short[1]}/{short[2]}" if short else remote
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https", "ssh", "git") or not parts.netloc:
        return None
    return f"git+{address}" if parts.scheme != "git" else address


def http_address(remote: str | None) -> str | None:
    """The address of a remote that is cloned by HTTP, which a browser could open; None for others."""
    uri = repository_uri(remote)
    return uri.removeprefix("git+") if uri and uri.startswith("git+http") else None


def part(name: str) -> str:
    """`name` as one segment of a URI."""
    return quote(name, safe="")


def purl(kind: str, name: str, version: str | None) -> str:
    """A package URL; ``/`` in `name` parts its namespace off."""
    base = "/".join(part(piece) for piece in name.split("/") if piece)
    return f"pkg:{kind}/{base}" + (f"@{part(version)}" if version else "")


def pypi(name: str, version: str) -> str:
    """The package URL of a distribution, its name normalised as PEP 503 says."""
    return purl("pypi", re.sub(r"[-_.]+", "-", name).lower(), version)
