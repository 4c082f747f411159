"""Readers of conda-lock.yml, pixi.lock and conda explicit lists.

A conda package is compared with what is installed when its build string says that it is built for
Python (``py311h1234_0``, ``pyhd8ed1ab_0``). Its name on PyPI is then only a guess (``pytorch`` is
``torch``), so it never counts as missing, unless pixi wrote the PyPI name down (``purls``).
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gittrack.formats.locks.compare import normalised, weaker
from gittrack.formats.locks.entry import (
    Contents,
    LockedPackage,
    Malformed,
    Use,
    decode,
    is_own_path,
    load_yaml,
    name_of,
    table,
    tables,
    text,
    texts,
    version,
)

_PYTHON_BUILD = re.compile(r"(?:^|_)(?:np\d+)?py(?:\d|h)")
_EXPLICIT_HASH = re.compile(r"#(?:sha256:)?(?:[0-9a-f]{32}|[0-9a-f]{64})\Z")
_PURL = re.compile(r"pkg:pypi/([A-Za-z0-9._-]+)")
_COMMIT = re.compile(r"[@#=]([0-9a-f]{40}|[0-9a-f]{64})\Z")
_PLATFORMS = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "ppc64le"): "linux-ppc64le",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
    ("windows", "amd64"): "win-64",
    ("windows", "arm64"): "win-arm64",
}


def this_platform() -> str | None:
    """conda's name for this machine's platform."""
    return _PLATFORMS.get((platform.system().lower(), platform.machine().lower()))


def read_conda_lock(data: bytes) -> Contents:
    document = load_yaml(data)
    if "package" not in document:
        raise Malformed("'package' is missing")
    platform_here = this_platform()
    entries: list[LockedPackage] = []
    for package in tables(document, "package"):
        url = text(package, "url") or ""
        digests = package.get("hash")
        use: Use = "required" if text(package, "manager") == "pip" else _guessed_use(url)
        if text(package, "platform") != platform_here:
            use = "excluded"
        elif text(package, "category") not in (None, "main"):
            use = weaker(use, "optional")
        entries.append(
            LockedPackage(
                name=name_of(package),
                version=version(package.get("version")),
                hashed=(isinstance(digests, dict) and _has_digest(digests))
                or _COMMIT.search(url) is not None,
                source="git" if url.startswith("git+") else None,
                use=use,
            )
        )
    return Contents(entries=entries)


def read_explicit(data: bytes) -> Contents:
    """The URLs below ``@EXPLICIT``, each with its MD5 or SHA-256 after ``#``."""
    lines = [line.strip() for line in decode(data).splitlines()]
    if "@EXPLICIT" not in lines:
        return Contents(remarks=["no @EXPLICIT line: it is no conda explicit list"], pins="none")
    entries: list[LockedPackage] = []
    for line in lines[lines.index("@EXPLICIT") + 1 :]:
        if not line or line.startswith("#"):
            continue
        url = line.partition("#")[0]
        name, pinned = _conda_file(url)
        hashed = _EXPLICIT_HASH.search(line) is not None
        entries.append(LockedPackage(name=name, version=pinned, hashed=hashed, use=_guessed_use(url)))
    return Contents(entries=entries)


def read_pixi(data: bytes) -> Contents:
    """pixi.lock, versions 4 to 7: packages, and for each environment and platform the ones it takes.

    What the environment ``default`` takes on this platform is required, what another takes is optional.
    """
    document = load_yaml(data)
    if "environments" not in document:
        raise Malformed("'environments' is missing: a pixi.lock older than version 4 is not read")
    uses = _pixi_uses(table(document["environments"], "'environments'"))
    contents = Contents()
    for package in tables(document, "packages"):
        place = _pixi_place(package)
        kind = "pypi" if "pypi" in package else text(package, "kind") or "conda"
        if is_own_path(place.rpartition(" @ ")[2]) and not place.endswith((".whl", ".conda")):
            continue
        entry = _pixi_entry(package, kind, place, uses.get(place, "excluded"))
        contents.entries.append(entry)
    return contents


def _pixi_uses(environments: Mapping[str, Any]) -> dict[str, Use]:
    platform_here = this_platform()
    uses: dict[str, Use] = {}
    for name, environment in environments.items():
        platforms = table(table(environment, "an environment").get("packages") or {}, "'packages'")
        for package in tables(platforms, platform_here) if platform_here else ():
            place = _pixi_place(package)
            if name == "default":
                uses[place] = "required"
            else:
                uses.setdefault(place, "optional")
    return uses


def _pixi_place(package: Mapping[str, Any]) -> str:
    keys = ("conda", "pypi", "conda_source", "url", "path")
    place = next((place for key in keys if (place := text(package, key)) is not None), None)
    if place is None:
        raise Malformed("a package has no URL and no path")
    return place


def _pixi_entry(package: Mapping[str, Any], kind: str, place: str, taken: Use) -> LockedPackage:
    name, pinned = _conda_file(place) if kind == "conda" else _archive(place)
    name, pinned = text(package, "name") or name, version(package.get("version")) or pinned
    use = taken
    if kind == "conda":
        pypi = next(_purls(package), None)
        name, use = (pypi or name), (taken if pypi else weaker(taken, _guessed_use(place)))
    commit = _COMMIT.search(place) is not None
    source = "git" if "git+" in place else "path" if "://" not in place else None
    return LockedPackage(
        name=name, version=pinned, hashed=_has_digest(package) or commit, source=source, use=use
    )


def _purls(package: Mapping[str, Any]) -> Iterator[str]:
    for purl in texts(package.get("purls")):
        match = _PURL.match(purl)
        if match:
            yield normalised(match[1])


def _conda_file(url: str) -> tuple[str, str | None]:
    """Name and version in ``.../name-version-build.conda``."""
    parts = _conda_parts(url)
    return (parts[0], version(parts[1])) if parts else ("(unnamed)", None)


def _guessed_use(url: str) -> Use:
    parts = _conda_parts(url)
    return "optional" if parts and _PYTHON_BUILD.search(parts[2]) else "excluded"


def _conda_parts(url: str) -> list[str] | None:
    file = _file_name(url)
    stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
    parts = stem.rsplit("-", 2)
    return parts if stem != file and len(parts) == 3 else None


def _archive(url: str) -> tuple[str, str | None]:
    """Name and version in ``.../name-version-tags.whl`` or ``.../name-version.tar.gz``."""
    file = _file_name(url)
    if file.endswith(".whl"):
        name, pinned = [*file.split("-", 2), ""][:2]
    else:
        name, _, pinned = file.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")
    return name or "(unnamed)", version(pinned)


def _file_name(url: str) -> str:
    return url.partition("#")[0].rpartition("/")[2]


def _has_digest(digests: Mapping[str, Any]) -> bool:
    return any(text(digests, key) not in (None, "null", "~") for key in ("sha256", "md5"))
