"""Tests of gittrack.dvc.hashing, held to dvc-data, hashlib and sha256sum."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gittrack.dvc import hashing
from gittrack.dvc.hashing import Digest, HashedFile, HashState, file_md5, folder_digest, hash_path
from gittrack.errors import UsageError
from tests.strategies import examples

BIG = hashing._LARGE + 12345


def dvc_hash(path: Path, name: str = "md5") -> str:
    """What dvc-data itself says."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from dvc_objects.fs.local import localfs

    store = LocalHashFileDB(localfs, str(path.parent / "no-such-cache"), hash_name="md5")
    value = build(store, str(path), localfs, name, dry_run=True)[2].hash_info.value
    assert isinstance(value, str)
    return value


def make_folder(folder: Path) -> Path:
    (folder / "sub" / "deeper").mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    (folder / "a.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "empty").touch()
    (folder / "sub" / "ä ö.csv").write_text("x\r\ny\r\n")
    (folder / "sub" / "deeper" / 'q"uote\\').write_text("q")
    (folder / "sub-file").write_text("sorts between sub and sub/")
    return folder


def age(path: Path) -> None:
    """Makes a file look as if it had been written long ago (its ctime has to be waited for)."""
    os.utime(path, (1, 1))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is an hour ahead, so that files written just now count as old."""
    now = time.time_ns
    monkeypatch.setattr(hashing.time, "time_ns", lambda: now() + 3_600_000_000_000)


@pytest.mark.parametrize("size", [0, 1, 511, 1 << 20, (1 << 20) + 1, BIG])
@pytest.mark.parametrize("jobs", [None, 1])
def test_file_digests_are_those_of_hashlib(tmp_path: Path, size: int, jobs: int | None) -> None:
    """md5, sha256 and size of files below, at and above every threshold."""
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    digest = hash_path(tmp_path / "f", jobs=jobs)
    assert digest == Digest(
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(),
        size=size,
    )


def test_folder_md5_is_that_of_dvc(tmp_path: Path) -> None:
    """A folder's md5 ends in .dir and is dvc-data's, names with quotes and umlauts included."""
    folder = make_folder(tmp_path / "data")
    digest = hash_path(folder)
    assert digest.md5 == dvc_hash(folder)
    assert digest.nfiles == len(digest.entries) == 6
    assert digest.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_folder_sha256_is_what_sha256sum_gives(tmp_path: Path) -> None:
    """sha256sum over the sorted files, hashed once more, gives the folder's sha256, odd names included."""
    folder = make_folder(tmp_path / "data")
    (folder / "new\nline").write_text("n")
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum"
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert hash_path(folder).sha256 == done.stdout.split()[0]


def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder has DVC's digest of an empty list."""
    (tmp_path / "data").mkdir()
    digest = hash_path(tmp_path / "data")
    assert (digest.md5, digest.nfiles, digest.size) == (dvc_hash(tmp_path / "data"), 0, 0)


def test_several_large_files_in_threads(tmp_path: Path) -> None:
    """Large files of a folder, hashed side by side, keep their own digests."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}").write_bytes(bytes([number]) * (BIG + number))
    digest = hash_path(folder, jobs=3)
    assert digest.md5 == dvc_hash(folder)
    assert [e.sha256 for e in digest.entries] == [
        hashlib.sha256((folder / e.path).read_bytes()).hexdigest() for e in digest.entries
    ]


DOS = {
    "text": b"a,b\r\n1,2\r\n",
    "binary": b"\x00\r\n",
    "mostly text": bytes([200]) * 29 + b"x" * 69 + b"\r\n",
    "not text": bytes([200]) * 32 + b"x" * 68 + b"\r\n",
    "across blocks": b"x" * ((1 << 20) - 1) + b"\r\n",
    "binary after a text block": b"x\r\n" * (1 << 19) + b"\0\r\n" * 100,
    "large": b"x\r\n" * (BIG // 3),
    "empty": b"",
}


@pytest.mark.parametrize("data", DOS.values(), ids=DOS)
def test_md5_of_dvc_2(tmp_path: Path, data: bytes) -> None:
    """md5-dos2unix is dvc-data's for text, binary and everything on the border."""
    from dvc_data.hashfile.hash import file_md5 as dvc_file_md5

    (tmp_path / "f").write_bytes(data)
    expected = dvc_file_md5(str(tmp_path / "f"), name="md5-dos2unix")
    digest = hash_path(tmp_path / "f", dos2unix=True)
    assert (digest.md5, digest.hash) == (expected, "md5-dos2unix")
    assert file_md5(tmp_path / "f", "md5-dos2unix") == expected
    assert digest.sha256 == hashlib.sha256(data).hexdigest()


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b"\x00", b"\xff", b"\x80" * 99])))
def test_md5_of_dvc_2_on_any_mixture(tmp_path: Path, data: list[bytes]) -> None:
    """md5-dos2unix agrees with dvc-data on any mixture of line ends, text and binary."""
    from dvc_data.hashfile.hash import file_md5 as dvc_file_md5

    (tmp_path / "f").write_bytes(b"".join(data))
    assert file_md5(tmp_path / "f", "md5-dos2unix") == dvc_file_md5(str(tmp_path / "f"), name="md5-dos2unix")


def test_links_inside_a_folder_are_taken_as_dvc_takes_them(tmp_path: Path) -> None:
    """A linked file counts by its content; a linked folder is not entered."""
    folder = make_folder(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_text("x")
    (folder / "file-link").symlink_to(tmp_path / "elsewhere" / "x")
    (folder / "folder-link").symlink_to(tmp_path / "elsewhere")
    digest = hash_path(folder)
    assert digest.md5 == dvc_hash(folder)
    assert "file-link" in {entry.path for entry in digest.entries}
    (tmp_path / "link").symlink_to(folder)
    assert hash_path(tmp_path / "link") == digest


def test_repositories_inside_a_folder_are_left_out(tmp_path: Path) -> None:
    """.git, .hg, .dvc and a nested DVC repository do not count, as for `dvc add`."""
    folder = make_folder(tmp_path / "data")
    before = hash_path(folder)
    for name in (".git/config", "sub/.hg/x", ".dvc/config", "nested/.dvc/config", "nested/data"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert hash_path(folder) == before


def test_caller_decides_what_is_left_out(tmp_path: Path) -> None:
    """An ignore function replaces the default and prunes folders."""
    folder = make_folder(tmp_path / "data")
    digest = hash_path(folder, ignore=lambda _, __, files: ([], [name for name in files if name != "b.txt"]))
    assert [entry.path for entry in digest.entries] == ["a.bin", "empty", "sub-file"]


def test_dvcignore_inside_a_folder_is_refused(tmp_path: Path) -> None:
    """DVC refuses it too, and so the folder has no digest."""
    folder = make_folder(tmp_path / "data")
    (folder / ".dvcignore").touch()
    with pytest.raises(UsageError, match=r"holds a \.dvcignore"):
        hash_path(folder)


def test_what_has_no_digest_is_named(tmp_path: Path) -> None:
    """Missing paths, broken links, pipes: one line with the path."""
    folder = make_folder(tmp_path / "data")
    with pytest.raises(UsageError, match="missing cannot be read: No such file"):
        hash_path(tmp_path / "missing")
    os.mkfifo(folder / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a file nor a folder"):
        hash_path(folder)
    (folder / "pipe").unlink()
    (folder / "broken").symlink_to("nowhere")
    with pytest.raises(UsageError, match="broken is a link to nothing"):
        hash_path(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_is_named(tmp_path: Path) -> None:
    """A file or folder without rights is a UsageError, not left out."""
    folder = make_folder(tmp_path / "data")
    for name in ("b.txt", "sub"):
        (folder / name).chmod(0)
        with pytest.raises(UsageError, match=f"{name} cannot be read: Permission denied"):
            hash_path(folder)
        (folder / name).chmod(0o755)


def test_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """A digest of a moving file would be of no file."""
    file = tmp_path / "log"
    file.write_bytes(b"x" * (1 << 21))

    def append(_: int) -> None:
        with file.open("ab") as stream:
            stream.write(b"more")

    with pytest.raises(UsageError, match="log changed while it was read"):
        hash_path(file, progress=append)


def test_progress_counts_every_byte(tmp_path: Path) -> None:
    """The bytes told add up to the size."""
    folder = make_folder(tmp_path / "data")
    (folder / "big").write_bytes(b"x" * BIG)
    told: list[int] = []
    assert hash_path(folder, progress=told.append).size == sum(told)


def test_executable_is_noted(tmp_path: Path) -> None:
    """The x bit is part of what DVC writes."""
    (tmp_path / "f").touch()
    assert not hash_path(tmp_path / "f").isexec
    (tmp_path / "f").chmod(0o755)
    assert hash_path(tmp_path / "f").isexec


def test_folder_digest_does_not_depend_on_the_order() -> None:
    """Entries are sorted before they are digested."""
    entries = [HashedFile("b", "0" * 32, "0" * 64, 1), HashedFile("a", "1" * 32, "1" * 64, 2)]
    assert folder_digest(entries) == folder_digest(reversed(entries))


def test_sha256_lines_cannot_be_forged_by_a_name() -> None:
    """One file with a line break in its name is not two files."""
    one = HashedFile(f"a\n{'1' * 64}  b", "0" * 32, "0" * 64, 0)
    two = [HashedFile("a", "0" * 32, "0" * 64, 0), HashedFile("b", "1" * 32, "1" * 64, 0)]
    assert folder_digest([one]).sha256 != folder_digest(two).sha256


# --- HashState ---------------------------------------------------------------------------------


def test_state_spares_reading_again(tmp_path: Path, patient: None) -> None:
    """What did not change is not read a second time, and each kind of md5 is remembered apart."""
    folder = make_folder(tmp_path / "data")
    state = HashState(tmp_path / "state")
    first = hash_path(folder, state=state)
    old = hash_path(folder, state=state, dos2unix=True)
    assert old.md5 != first.md5
    told: list[int] = []
    assert hash_path(folder, state=state, progress=told.append) == first
    assert hash_path(folder, state=state, dos2unix=True, progress=told.append) == old
    assert told == []


def test_state_notices_every_change(tmp_path: Path, patient: None) -> None:
    """A change that keeps size and mtime is still seen, by ctime or inode."""
    file, state = tmp_path / "f", HashState(tmp_path / "state")
    file.write_text("old")
    age(file)
    first = hash_path(file, state=state)
    time.sleep(0.02)
    file.write_text("new")
    age(file)
    second = hash_path(file, state=state)
    assert second.sha256 == hashlib.sha256(b"new").hexdigest() != first.sha256
    (tmp_path / "g").write_text("rep")
    age(tmp_path / "g")
    (tmp_path / "g").replace(file)
    assert hash_path(file, state=state).sha256 == hashlib.sha256(b"rep").hexdigest()


def test_state_does_not_trust_a_file_changed_just_now(tmp_path: Path) -> None:
    """Within two seconds of a change nothing is remembered."""
    (tmp_path / "f").write_text("x")
    state = HashState(tmp_path / "state")
    hash_path(tmp_path / "f", state=state)
    assert not state.file.exists()


@pytest.mark.parametrize("damage", ["text", "schema", "zero", "folder", "values"])
def test_damaged_state_is_done_without(tmp_path: Path, patient: None, damage: str) -> None:
    """Whatever the file holds, digests are right, and a corrupt file mends itself."""
    (tmp_path / "f").write_text("x")
    state = HashState(tmp_path / "state")
    expected = hash_path(tmp_path / "f", state=state)
    if damage == "text":
        state.file.write_text("no database " * 1000)
    elif damage == "schema":
        state.file.unlink()
        with sqlite3.connect(state.file) as connection:
            connection.execute("CREATE TABLE digests (other TEXT)")
        connection.close()
    elif damage == "zero":
        state.file.write_bytes(state.file.read_bytes()[:100] + bytes(8000))
    elif damage == "values":
        with sqlite3.connect(state.file) as connection:
            connection.execute("UPDATE digests SET md5 = 'nonsense'")
        connection.close()
    else:
        state.file.unlink()
        state.file.mkdir()
    for _ in range(3):
        assert hash_path(tmp_path / "f", state=state) == expected
    if damage == "text":
        told: list[int] = []
        hash_path(tmp_path / "f", state=state, progress=told.append)
        assert told == []


def test_state_that_cannot_be_written_is_done_without(tmp_path: Path, patient: None) -> None:
    """A state folder that cannot be made (a file lies there) costs nothing but time."""
    (tmp_path / "f").write_text("x")
    (tmp_path / "state").touch()
    assert hash_path(tmp_path / "f", state=HashState(tmp_path / "state")) == hash_path(tmp_path / "f")


def test_locked_state_is_done_without(tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that another process holds is neither waited for at length nor deleted."""
    (tmp_path / "f").write_text("x")
    state = HashState(tmp_path / "state")
    hash_path(tmp_path / "f", state=state)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda file, timeout: connect(file, timeout=0.05))
    holder = connect(state.file)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert hash_path(tmp_path / "f", state=state) == hash_path(tmp_path / "f")
    finally:
        holder.rollback()
        holder.close()
    assert state.file.exists()


def test_state_stays_bounded(tmp_path: Path, patient: None) -> None:
    """The files hashed longest ago are forgotten."""
    state = HashState(tmp_path / "state", limit=3)
    for number in range(10):
        (tmp_path / str(number)).write_text(str(number))
        hash_path(tmp_path / str(number), state=state)
    connection = sqlite3.connect(state.file)
    paths = [
        Path(os.fsdecode(row[0])).name
        for row in connection.execute("SELECT path FROM digests ORDER BY rowid")
    ]
    connection.close()
    assert paths == ["7", "8", "9"]


def _hash_many(folder: Path) -> list[str]:
    state = HashState(folder.parent / "state")
    return [hash_path(folder, state=state).md5 for _ in range(10)]


def test_state_is_shared_by_processes(tmp_path: Path) -> None:
    """Four processes on one state file agree."""
    folder = make_folder(tmp_path / "data")
    for path in folder.rglob("*"):
        age(path)
    time.sleep(2.1)
    with ProcessPoolExecutor(4) as pool:
        answers = list(pool.map(_hash_many, [folder] * 4))
    assert {md5 for answer in answers for md5 in answer} == {hash_path(folder).md5}
    assert (tmp_path / "state" / "hashes.sqlite").stat().st_size > 0
