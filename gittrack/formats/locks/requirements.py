"""Reader of pip requirements files.

Lines are split, joined and stripped of comments as pip does. Options are not acted on: files named
by ``-r`` and ``-c`` are not opened, and no value of an option is ever quoted, as it may hold a
password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gittrack.formats.locks.compare import use_of
from gittrack.formats.locks.entry import Contents, LockedPackage, decode, is_own_path, version

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXACT = re.compile(rf"({_NAME})\s*+(?:\[[^\]]*+\]\s*+)?===?\s*+([A-Za-z0-9.!+_-]++)\s*+(?:;(.*))?\Z")
_DIRECT = re.compile(rf"({_NAME})\s*+(?:\[[^\]]*+\]\s*+)?@\s*+(\S++)\s*+(?:;(.*))?\Z")
_OPTION = re.compile(r"\s(?=--?[a-zA-Z])")
_HASH = re.compile(r"--hash(?:\s*=\s*|\s+)sha(?:256|384|512):[0-9a-fA-F]{64,128}\b")
_URL_HASH = re.compile(r"[#&]sha(?:256|384|512)=[0-9a-fA-F]{64,128}\b")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")
_VCS_COMMIT = re.compile(r"@[0-9a-f]{40}(?:[0-9a-f]{24})?(?:#|\Z)")
_EDITABLE = re.compile(r"(?:-e\s*|--editable(?:\s+|=))(.*)")
_EGG = re.compile(rf"[#&]egg=({_NAME})")
_UNNAMED = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:|[./~])|.*\.(?:whl|zip|tar\.gz)\Z")
_REMARKS = (
    (re.compile(r"(?:-r|--requirement\b)"), "what -r includes is graded on its own"),
    (re.compile(r"(?:-c|--constraint\b)"), "constraints (-c) are not read"),
    (re.compile(r"(?:-i|--index-url\b|--extra-index-url\b)"), "names a package index of its own"),
    (re.compile(r"(?:-f|--find-links\b)"), "names a place to find packages (--find-links)"),
)


def read_requirements(data: bytes) -> Contents:
    contents = Contents()
    for line in _lines(decode(data)):
        editable = _EDITABLE.match(line)
        if editable:
            entry = _unnamed(editable[1].strip())
        elif line.startswith("-"):
            _note(contents.remarks, line)
            continue
        else:
            entry = _entry(line)
        if entry is not None:
            contents.entries.append(entry)
    return contents


def _lines(text: str) -> Iterator[str]:
    """Logical lines: continued ones joined, comments and blanks gone."""
    parts: list[str] = []
    for line in [*text.splitlines(), ""]:
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        joined = _COMMENT.sub("", "".join([*parts, "" if comment else line])).strip()
        parts.clear()
        if joined:
            yield joined


def _note(remarks: list[str], option: str) -> None:
    for pattern, remark in _REMARKS:
        if pattern.match(option) and remark not in remarks:
            remarks.append(remark)


def _entry(line: str) -> LockedPackage | None:
    requirement, *options = _OPTION.split(line, maxsplit=1)
    requirement = requirement.strip()
    hashed = bool(options) and _HASH.search(options[0]) is not None
    exact = _EXACT.match(requirement)
    if exact:
        return _named(exact[1], version(exact[2]), exact[3], hashed)
    direct = _DIRECT.match(requirement)
    if direct:
        source, url_hashed = _origin(direct[2])
        return _named(direct[1], None, direct[3], hashed or url_hashed, source)
    if _UNNAMED.match(requirement):
        return _unnamed(requirement, hashed)
    return _ranged(requirement, hashed)


def _named(
    name: str, pinned: str | None, marker: str | None, hashed: bool, source: str | None = None
) -> LockedPackage:
    use = use_of(marker.strip() if marker else None)
    return LockedPackage(name=name, version=pinned, hashed=hashed, source=source, use=use)


def _ranged(requirement: str, hashed: bool) -> LockedPackage:
    """A requirement that leaves a choice (``numpy>=1``), or one with several specifiers."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return LockedPackage(name="(not understood)", hashed=hashed)
    exact = [s.version for s in parsed.specifier if s.operator in ("==", "===") and "*" not in s.version]
    pinned = version(exact[0]) if exact else None
    return _named(parsed.name, pinned, str(parsed.marker) if parsed.marker else None, hashed)


def _unnamed(location: str, hashed: bool = False) -> LockedPackage | None:
    """An editable install, URL or path; None for a folder of the repository's own."""
    source, url_hashed = _origin(location)
    if source == "path" and is_own_path(location) and not location.endswith((".whl", ".zip", ".gz")):
        return None
    egg = _EGG.search(location)
    return LockedPackage(name=egg[1] if egg else "(unnamed)", hashed=hashed or url_hashed, source=source)


def _origin(location: str) -> tuple[str, bool]:
    """Kind of place that a URL or path names, and whether it names its content too."""
    if _VCS.match(location):
        return "git", _VCS_COMMIT.search(location) is not None
    return "url" if "://" in location else "path", _URL_HASH.search(location) is not None
