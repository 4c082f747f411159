"""Archives as stock tar makes and reads them, and altered ones."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gittrack.publishing.bundle import verify_bundle
from gittrack.verify import VerifyOptions, VerifyReport

ROOT = "gittrack-bundle"
SUMS = "SHA256SUMS"


def read(archive: Path) -> dict[str, bytes]:
    """Name in the bundle -> bytes, in the order of the archive."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None and member.name.startswith(f"{ROOT}/")
            found[member.name.removeprefix(f"{ROOT}/")] = file.read()
    return found


def summed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`files` with checksums made anew, as a forger would."""
    others = {name: data for name, data in files.items() if name != SUMS}
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(others.items()))
    return others | {SUMS: "".join(lines).encode()}


def member(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def members_of(files: Mapping[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(f"{ROOT}/{name}", data) for name, data in files.items()]


def write(archive: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], **options: int) -> Path:
    with tarfile.open(archive, "w", **options) as tar:  # type: ignore[call-overload]
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return archive


def alter(archive: Path, **changes: bytes | None) -> Path:
    """Write the archive anew with other bytes for files (``_`` for ``/`` and ``.``), checksums made anew."""
    files = read(archive)
    for key, data in changes.items():
        (name,) = [name for name in files if name.replace("/", "_").replace(".", "_") == key]
        if data is None:
            del files[name]
        else:
            files[name] = data
    return write(archive, members_of(summed(files)))


def codes(report: VerifyReport) -> list[str]:
    return sorted({finding.code for finding in report.findings})


def verified(path: Path, **options: Any) -> VerifyReport:
    """The report on a bundle; `options` are those of verify."""
    return verify_bundle(path, options=VerifyOptions(**options))
