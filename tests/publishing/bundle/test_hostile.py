"""Archives and folders made to harm whoever opens them: nothing of them is unpacked."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.errors import RepositoryError
from gittrack.publishing.bundle import unpack
from tests.publishing.bundle.archives import ROOT, codes, member, members_of, read, verified, write

pytestmark = pytest.mark.usefixtures("elsewhere")


DATA = f"{ROOT}/data/files/md5/00/{'0' * 30}"
HOSTILE: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "above": [member(f"{ROOT}/../../evil", b"x")],
    "above without the folder": [member("../evil", b"x")],
    "absolute": [member("/var/evil", b"x")],
    "a second folder": [member("other/README.md", b"x")],
    "symbolic link": [member(f"{ROOT}/data", type=tarfile.SYMTYPE, linkname="/etc")],
    "symbolic link in place of a file": [member(DATA, type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "hard link": [member(DATA, type=tarfile.LNKTYPE, linkname="/etc/passwd")],
    "device": [member(DATA, type=tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "terminal": [member(DATA, type=tarfile.CHRTYPE, devmajor=5, devminor=0)],
    "pipe": [member(DATA, type=tarfile.FIFOTYPE)],
    "sparse": [member(DATA, type=tarfile.GNUTYPE_SPARSE)],
    "long name": [member(f"{ROOT}/{'x' * 5000}", b"x")],
    "name twice": [member(f"{ROOT}/README.md", b"forged")],
    "other case": [member(f"{ROOT}/readme.md", b"forged")],
    "other case of data": [member(DATA.replace("data", "Data"), b"x")],
    "file in place of a folder": [member(f"{ROOT}/data/files", b"x")],
    "folder in place of a file": [member(f"{ROOT}/ABSENT.txt", type=tarfile.DIRTYPE)],
    "git directory": [member(f"{ROOT}/.git/config", b"[core]\n")],
    "terminal codes in a name": [member(f"{ROOT}/\x1b[31m", b"x")],
    "no name": [member("", b"x")],
    "folder with a size": [member(f"{ROOT}/data", b"x" * 512, type=tarfile.DIRTYPE)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_entry_ends_it(archive: Path, name: str, tmp_path: Path, temporary: Path) -> None:
    """Wherever it stands, checksums right or not; nothing outside the private folder is touched."""
    honest = members_of(read(archive))
    outside = set(tmp_path.rglob("*"))
    for members in (HOSTILE[name] + honest, honest + HOSTILE[name]):
        write(archive, members)
        report = verified(archive)
        assert codes(report) == ["bundle-entry"], report.findings
        assert report.outcome == "FAIL"
        assert set(tmp_path.rglob("*")) == outside
    assert not Path("/var/evil").exists()


def test_extended_headers_are_not_read(archive: Path) -> None:
    """They can be as large as a disk, and give other names and sizes to what follows."""
    info, data = member(f"{ROOT}/README.md", b"x")
    info.pax_headers = {"path": f"{ROOT}/../evil", "comment": "x" * 100_000}
    write(archive, [(info, data)], format=tarfile.PAX_FORMAT)
    assert codes(verified(archive)) == ["bundle-entry"]


@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1, -512])
def test_a_size_that_nothing_holds(archive: Path, size: int) -> None:
    """No such file is begun; where the archive is compressed nobody can tell, and the disk decides."""
    info, _ = member(DATA)
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    for whole in (header + bytes(1024), gzip.compress(header + bytes(1024))):
        archive.write_bytes(whole)
        if size < 0:
            assert codes(verified(archive)) == ["bundle-entry"]
        else:
            with pytest.raises(RepositoryError, match=r"does not fit into .* TMPDIR"):
                verified(archive)


def test_a_bomb_stops_where_the_disk_would_be_full(
    archive: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    """A few kB that unpack to more than there is room."""
    bomb = io.BytesIO()
    with tarfile.open(fileobj=bomb, mode="w:gz") as tar:
        for number in range(40):
            info, _ = member(f"{DATA[:-2]}{number:02d}")
            info.size = 1 << 20
            tar.addfile(info, io.BytesIO(bytes(1 << 20)))
    archive.write_bytes(bomb.getvalue())
    usage = shutil.disk_usage("/")._replace(free=unpack.MARGIN + (8 << 20))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    written: list[int] = []
    real = unpack._unpack

    def counted(stream: unpack.Stream, path: Path, name: str, size: int) -> unpack.Sums:
        written.append(size)
        return real(stream, path, name, size)

    monkeypatch.setattr(unpack, "_unpack", counted)
    with pytest.raises(RepositoryError, match="does not fit"):
        verified(archive)
    assert 0 < sum(written) <= 8 << 20
    assert list(temporary.iterdir()) == []


def test_folders_are_looked_at_like_archives(archive: Path, tmp_path: Path) -> None:
    """A link, a stray file, a pipe in a bundle that was unpacked."""
    changes: list[Callable[[Path], None]] = [
        lambda top: (top / "data" / "ab").symlink_to("/etc"),
        lambda top: (top / "ABSENT.txt").symlink_to("/etc/passwd"),
        lambda top: (top / "ABSENT.txt").mkdir(),
        lambda top: (top / "notes").mkdir(),
        lambda top: (top / ".hidden").touch(),
        lambda top: os.mkfifo(top / "ABSENT.txt"),
    ]
    for number, change in enumerate(changes):
        top = tmp_path / str(number)
        shutil.copytree(_unpacked(archive), top)
        change(top)
        assert codes(verified(top)) == ["bundle-entry"], number


def _unpacked(archive: Path) -> Path:
    if not (archive.parent / ROOT).exists():
        subprocess.run(["tar", "-xf", archive, "-C", archive.parent], check=True)
    return archive.parent / ROOT
