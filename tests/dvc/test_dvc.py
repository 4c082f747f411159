"""Tests of gittrack.dvc on real DVC repositories, caches and folder remotes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gittrack.dvc.cache import checkout, object_path, read_dir_object, store
from gittrack.dvc.files import Pointer, parse_pointer, write_pointer
from gittrack.dvc.hashing import Digest, hash_path
from gittrack.dvc.locks import read_lock
from gittrack.dvc.settings import cache_dir, cache_types, ignore_rules, ledger_config
from gittrack.dvc.tracking import find_tracking
from gittrack.dvc.transfer import transfer
from gittrack.errors import DvcError, RecordError, UsageError
from tests import dvc_repo
from tests.tables import rows

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
COPY = ["reflink", "copy"]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dvc_repo.isolate(monkeypatch, tmp_path / "user")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return dvc_repo.repository(tmp_path / "repo")


def make_folder(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "sub" / "b").write_text("b")
    (folder / "sub" / "c d").write_bytes(b"c\r\n")
    return folder


def set_config(top: Path, text: str, name: str = "config") -> None:
    (top / ".dvc" / name).write_text(text)


def pointer_of(name: str, digest: Digest) -> Pointer:
    (pointer,) = parse_pointer(write_pointer(name, digest), f"{name}.dvc")
    return pointer


# --- pointer files -----------------------------------------------------------------------------

NAMES = [
    "model.pkl",
    "with space",
    "true",
    "0123",
    "1e5",
    "ä-ö",
    "a: b #c",
    "long " * 30 + "x",
    "-",
    "'\"",
    "a\tb",
]


def test_written_pointers_are_those_of_dvc_add(top: Path) -> None:
    """The bytes of `dvc add`: files, folders, executables, and names that YAML could misread."""
    for number, name in enumerate(NAMES):
        (top / name).write_text(f"{number}")
    (top / "run.sh").write_text("x")
    (top / "run.sh").chmod(0o755)
    make_folder(top / "folder")
    (top / "hollow").mkdir()
    names = [*NAMES, "run.sh", "folder", "hollow"]
    dvc_repo.add(top, *names)
    for name in names:
        digest = hash_path(top / name)
        written = (top / f"{name}.dvc").read_bytes()
        assert write_pointer(name, digest) == written
        (pointer,) = parse_pointer(written, f"{name}.dvc")
        assert (pointer.path, pointer.md5, pointer.size, pointer.nfiles, pointer.hash, pointer.isexec) == (
            name, digest.md5, digest.size, digest.nfiles, "md5", digest.isexec,
        )  # fmt: skip


@rows("md5", ["0" * 32, "1" * 28 + "2e10", "1234567890123456789012345678901e"])
def test_md5_that_looks_like_a_number(md5: str) -> None:
    """Such a digest stays text."""
    pointer = Pointer(path="x", md5=md5, size=1)
    assert parse_pointer(write_pointer("x", pointer), "x.dvc") == [pointer]


def test_pointer_of_dvc_2() -> None:
    """Without `hash:` it is md5-dos2unix, and is written back as it was."""
    data = f"outs:\n- md5: {MD5}\n  size: 0\n  path: x\n".encode()
    (pointer,) = parse_pointer(data, "x.dvc")
    assert pointer == Pointer(path="x", md5=MD5, hash="md5-dos2unix", size=0)
    assert write_pointer("x", pointer) == data


def test_wdir_of_a_pointer_counts() -> None:
    """`dvc add --file` elsewhere writes a wdir."""
    data = f"wdir: ../data\nouts:\n- md5: {MD5}\n  hash: md5\n  path: sub/x\n".encode()
    assert parse_pointer(data, "x.dvc")[0].path == "../data/sub/x"


@rows(
    ("text", "message"),
    [
        ("outs:\n- etag: abc\n  path: x\n", "x is not tracked by md5 but by etag"),
        ("outs:\n- checksum: abc\n  hash: checksum\n  path: x\n", "but by checksum"),
        (f"outs:\n- md5: {MD5}\n  hash: blake3\n  path: x\n", "but by blake3"),
        ("outs:\n- path: x\n", "but by nothing"),
        ("outs:\n- md5: ../../etc/passwd\n  path: x\n", "is not one"),
        ("outs:\n- md5: 123\n  path: x\n", "is not one"),
        (f"outs:\n- md5: {MD5.upper()}\n  path: x\n", "is not one"),
        (f"outs:\n- md5: {MD5}\n  size: -1\n  path: x\n", "size of x"),
        (f"outs:\n- md5: {MD5}\n  nfiles: true\n  path: x\n", "nfiles of x"),
        (f"outs:\n- md5: {MD5}\n  path: /etc/passwd\n", "not a relative path"),
        (f"outs:\n- md5: {MD5}\n  path: s3://bucket/x\n", "not a relative path"),
        (f"outs:\n- md5: {MD5}\n", "a path is missing"),
        ("outs: 3\n", "not a list"),
        ("outs: [3]\n", "a mapping is missing"),
        ("- outs\n", "a mapping is missing"),
        ("outs: &a [*a]\n", "anchors"),
        ("outs: [\n", "malformed YAML"),
    ],
)
def test_malformed_pointers_are_record_errors(text: str, message: str) -> None:
    """Each fault is one line that names the file."""
    with pytest.raises(RecordError, match=message) as caught:
        parse_pointer(text.encode(), "data/x.dvc")
    assert str(caught.value).startswith("data/x.dvc:")
    assert "\n" not in str(caught.value)


LOCK = f"""schema: '2.0'
stages:
  prepare:
    cmd: python prepare.py
    deps:
    - path: raw
      hash: md5
      md5: {MD5}.dir
      size: 10
      nfiles: 2
    - path: table
      etag: abc
    outs:
    - path: ../shared/out.csv
      hash: md5
      md5: {MD5}
      size: 3
  train@0:
    cmd: [a, b]
    outs:
    - path: model.pkl
      md5: {MD5}
      size: 3
"""


def test_lock_gives_outs_and_deps_of_all_stages() -> None:
    """Paths are relative to the top, 2.x digests are told apart."""
    lock = read_lock(LOCK.encode(), "pipe/dvc.lock", wdirs={"train": "sub/../models"})
    (prepare, train) = lock.stages
    assert (train.name, train.command, lock.faults) == ("train@0", "a && b", ())
    assert [dep.path for dep in prepare.deps] == ["pipe/raw", "pipe/table"]
    assert [out.pointer() for out in (prepare.deps[0], *prepare.outs, *train.outs)] == [
        Pointer(path="pipe/raw", md5=MD5 + ".dir", size=10, nfiles=2),
        Pointer(path="shared/out.csv", md5=MD5, size=3),
        Pointer(path="pipe/models/model.pkl", md5=MD5, hash="md5-dos2unix", size=3),
    ]


@rows("outside", ["../shared/out.csv", "/etc/x", "s3://bucket/x"])
def test_what_leaves_the_repository_costs_no_more_than_itself(outside: str) -> None:
    """`..` above the top, absolute paths and remotes are named."""
    lock = read_lock(LOCK.replace("../shared/out.csv", outside).encode(), "./dvc.lock")
    assert [out.path for stage in lock.stages for out in stage.outs] == ["model.pkl"]
    assert lock.faults == ((f"output {outside}", f"lies outside the repository (md5 {MD5})"),)


def test_lock_of_another_schema_is_refused() -> None:
    """Only schema 2.0 and that of DVC 1 are known."""
    with pytest.raises(RecordError, match=r"schema 2\.0"):
        read_lock(b"schema: '3.0'\n", "dvc.lock")


# --- tracking ----------------------------------------------------------------------------------


def test_tracking_by_pointer_files(top: Path) -> None:
    """A file, a folder, and what lies inside the folder."""
    (top / "data").mkdir()
    (top / "data" / "x.csv").write_text("x")
    make_folder(top / "data" / "images")
    dvc_repo.add(top, "data/x.csv", "data/images")
    file = find_tracking(top, top / "data" / "x.csv")
    assert file is not None
    assert (file.file, file.inside, file.pointer.path) == ("data/x.csv.dvc", None, "data/x.csv")
    assert file.pointer.md5 == hash_path(top / "data" / "x.csv").md5
    inside = find_tracking(top, top / "data" / "images" / "sub" / "b")
    assert inside is not None
    assert (inside.file, inside.inside, inside.pointer.path) == ("data/images.dvc", "sub/b", "data/images")
    assert find_tracking(top, top / "data") is None
    assert find_tracking(top, top / "data" / "x.csv.dvc") is None
    assert find_tracking(top, top) is None


def test_tracking_by_a_pointer_of_another_name(top: Path) -> None:
    """The out's path decides, not the pointer's name."""
    (top / "sub").mkdir()
    (top / "all.dvc").write_text(f"wdir: sub\nouts:\n- md5: {MD5}\n  hash: md5\n  path: x\n")
    (top / "x.dvc").write_text(f"outs:\n- md5: {MD5}\n  hash: md5\n  path: other\n")
    tracking = find_tracking(top, top / "sub" / "x")
    assert tracking is not None and tracking.file == "all.dvc"
    assert find_tracking(top, top / "x") is None


def test_tracking_by_a_real_pipeline(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outs of stages count, a wdir included; deps do not."""
    monkeypatch.chdir(top)
    (top / "sub").mkdir()
    (top / "dep").write_text("dep")
    (top / "dvc.yaml").write_text(
        "stages:\n  s:\n    wdir: sub\n    cmd: echo 1 > m\n    deps: [../dep]\n    outs: [m]\n"
        "  t:\n    foreach: [1]\n    do:\n      wdir: sub\n      cmd: echo ${item} > m${item}\n"
        "      outs: ['m${item}']\n"
    )
    from dvc.repo import Repo

    with Repo(str(top)) as repo:
        repo.reproduce()
    for name in ("m", "m1"):
        tracking = find_tracking(top, top / "sub" / name)
        assert tracking is not None and tracking.from_lock and tracking.file == "dvc.lock"
        assert tracking.pointer.md5 == hash_path(top / "sub" / name).md5
    assert find_tracking(top, top / "dep") is None


def test_unrelated_pointers_do_not_disturb(top: Path) -> None:
    """A neighbour that is tracked by etag is no reason to fail; the path itself is."""
    (top / "s3.dvc").write_text("outs:\n- etag: abc\n  path: s3\n")
    (top / "kept.dvc").write_text("outs:\n- md5: " + MD5 + "\n  path: kept\n  cache: false\n")
    assert find_tracking(top, top / "x") is None
    assert find_tracking(top, top / "kept") is None
    with pytest.raises(RecordError, match="by etag"):
        find_tracking(top, top / "s3")


# --- configuration -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("none", ""),
        ("repo", "[cache]\n    dir = ../cache one\n"),
        ("repo", "[Cache]\nDIR = /somewhere/else\n"),
        ("local", "[cache]\n    dir = my-cache\n"),
        ("global", "[cache]\n    dir = shared\n"),
        ("repo", "[cache]\n    dir = ~/cache\n"),
    ],
)
def test_cache_dir_is_that_of_dvc(top: Path, tmp_path: Path, level: str, text: str) -> None:
    """Every level of DVC's configuration counts as it does for DVC."""
    from dvc.repo import Repo

    if level in ("repo", "local"):
        set_config(top, text, "config" if level == "repo" else "config.local")
    elif level == "global":
        folder = Path(os.environ["DVC_GLOBAL_CONFIG_DIR"])
        folder.mkdir(parents=True)
        (folder / "config").write_text(text)
    with Repo(str(top)) as repo:
        assert str(cache_dir(top, tmp_path)) == repo.cache.local_cache_dir


def test_local_configuration_wins(top: Path, tmp_path: Path) -> None:
    """config.local over config."""
    set_config(top, "[cache]\ndir = /a\ntype = copy\n")
    set_config(top, "[cache]\ndir = /b\n", "config.local")
    assert cache_dir(top, tmp_path) == Path("/b")
    assert cache_types(top) == ["copy"]


def test_without_dvc_the_fallback_is_the_cache(tmp_path: Path) -> None:
    """No .dvc at the top, no DVC cache."""
    assert cache_dir(tmp_path, tmp_path / "x") == tmp_path / "x"
    assert cache_dir(None, tmp_path / "x") == tmp_path / "x"
    assert cache_types(None) == COPY


@pytest.mark.parametrize("text", ["type = hardlink,symlink", 'type = "hardlink, symlink"'])
def test_cache_types(top: Path, text: str) -> None:
    """The order of cache.type."""
    set_config(top, f"[cache]\n{text}\n")
    assert cache_types(top) == ["hardlink", "symlink"]


@pytest.mark.parametrize(
    "text", ["[cache]\ntype = telepathy\n", "[cache\n", "[cache]\ntype = %(no)s\n", "[cache]\ntype = ,\n"]
)
def test_broken_configuration_is_one_line(top: Path, text: str) -> None:
    """DvcError, not a parser's exception."""
    set_config(top, text)
    with pytest.raises(DvcError) as caught:
        cache_types(top)
    assert "\n" not in str(caught.value)


SECRET = "hunter2hunter2"
REMOTES = f"""[core]
    remote = Main
    analytics = false
['remote "main"']
    url = ../../store
    jobs = 3
['remote "s3"']
    url = s3://bucket/path
    region = eu-west-1
    endpointurl = https://me:{SECRET}@minio.example.org:9000
    access_key_id = {SECRET}
    secret_access_key = {SECRET}
    profile = work
    version_aware = true
    credentialpath = /home/me/{SECRET}
['remote "web"']
    url = https://me:{SECRET}@example.org/data?token={SECRET}
    user = {SECRET}
    password = {SECRET}
    custom_auth_header = {SECRET}
['remote "ssh"']
    url = ssh://me:{SECRET}@example.org/data
    user = me
    port = 2222
    keyfile = /home/me/{SECRET}
['remote "azure"']
    url = azure://container/path
    account_name = acme
    connection_string = {SECRET}
    sas_token = {SECRET}
['remote "odd"']
    url = ~/store
['remote "no-url"']
    region = x
[studio]
    token = {SECRET}
"""


def test_ledger_config_carries_remotes_without_credentials(top: Path) -> None:
    """Stock DVC reads it, the same remotes are there, nothing secret is, folders are absolute."""
    from dvc.config import Config

    set_config(top, REMOTES)
    data = ledger_config(top)
    assert SECRET.encode() not in data
    assert data == ledger_config(top)
    (top / "ledger" / ".dvc").mkdir(parents=True)
    (top / "ledger" / ".dvc" / "config").write_bytes(data)
    config = Config(dvc_dir=str(top / "ledger" / ".dvc"))
    assert config["core"]["remote"] == "main"
    remotes = config["remote"]
    assert sorted(remotes) == ["azure", "main", "odd", "s3", "ssh", "web"]
    assert (remotes["main"]["url"], remotes["main"]["jobs"]) == (str(top.parent / "store"), 3)
    assert remotes["s3"]["endpointurl"] == "https://minio.example.org:9000"
    assert remotes["s3"]["version_aware"] is True and remotes["s3"]["profile"] == "work"
    assert remotes["web"]["url"] == "https://example.org/data"
    assert remotes["ssh"]["url"] == "ssh://me@example.org/data"
    assert (remotes["ssh"]["port"], remotes["ssh"]["user"]) == (2222, "me")
    assert remotes["azure"]["account_name"] == "acme"


def test_ledger_config_without_dvc_is_empty(tmp_path: Path) -> None:
    """A folder that DVC does not know, and a bare repository."""
    assert ledger_config(tmp_path) == b""
    assert ledger_config(None) == b""


def test_ledger_config_without_remotes(top: Path) -> None:
    """It is a configuration that DVC accepts."""
    from dvc.config import Config

    data = ledger_config(top)
    set_config(top, data.decode())
    assert Config(dvc_dir=str(top / ".dvc"))["remote"] == {}


def test_ignore_rules_are_those_of_dvc_add(top: Path) -> None:
    """A folder's digest is `dvc add`'s when .dvcignore rules above it leave files out."""
    make_folder(top / "data" / "images")
    (top / "data" / "images" / "skip.tmp").write_text("x")
    (top / ".dvcignore").write_text("# only a comment\n\n")
    assert ignore_rules(top, top / "data" / "images") is None
    (top / ".dvcignore").write_text("*.tmp\n!sub/\n")
    (top / "data" / ".dvcignore").write_text("images/sub/c*\n")
    dvc_repo.add(top, "data/images")
    ignore = ignore_rules(top, top / "data" / "images")
    digest = hash_path(top / "data" / "images", ignore=ignore)
    assert [entry.path for entry in digest.entries] == ["a", "sub/b"]
    assert write_pointer("images", digest) == (top / "data" / "images.dvc").read_bytes()


# --- cache -------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_cache_is_the_one_that_dvc_add_makes(top: Path, tmp_path: Path) -> None:
    """Same names, bytes and modes, for a file, a folder and an empty file; and DVC sees no change."""
    make_folder(top / "folder")
    (top / "file").write_text("f")
    (top / "empty").touch()
    names = ["folder", "file", "empty"]
    mine = tmp_path / "mine"
    for name in names:
        store(top / name, hash_path(top / name), mine, COPY)
    dvc_repo.add(top, *names)
    assert snapshot(mine) == snapshot(top / ".dvc" / "cache")
    shutil.rmtree(top / ".dvc" / "cache")
    shutil.copytree(mine, top / ".dvc" / "cache")
    assert "up to date" in dvc_repo.dvc("status", cwd=top)


@pytest.mark.parametrize("types", [["hardlink"], ["symlink", "copy"]])
def test_shared_bytes_when_the_cache_type_says_so(tmp_path: Path, types: list[str]) -> None:
    """The file in the cache is the file itself, read-only."""
    (tmp_path / "f").write_text("x")
    digest = hash_path(tmp_path / "f")
    store(tmp_path / "f", digest, tmp_path / "cache", types)
    kept = object_path(tmp_path / "cache", digest.md5)
    assert kept.samefile(tmp_path / "f")
    assert kept.stat().st_mode & 0o777 == 0o444


def test_copy_leaves_the_file_alone(tmp_path: Path) -> None:
    """By default the file stays writable and apart."""
    (tmp_path / "f").write_text("x")
    before = (tmp_path / "f").stat()
    store(tmp_path / "f", hash_path(tmp_path / "f"), tmp_path / "cache", COPY)
    after = (tmp_path / "f").stat()
    assert (before.st_mode, before.st_nlink, before.st_mtime_ns) == (
        after.st_mode, after.st_nlink, after.st_mtime_ns,
    )  # fmt: skip


def test_what_is_there_stays_and_what_is_corrupt_goes(tmp_path: Path) -> None:
    """A good entry is not touched, one of another size or of other unprotected bytes is replaced."""
    (tmp_path / "f").write_text("good")
    digest = hash_path(tmp_path / "f")
    cache = tmp_path / "cache"
    store(tmp_path / "f", digest, cache, COPY)
    kept = object_path(cache, digest.md5)
    inode = kept.stat().st_ino
    store(tmp_path / "f", digest, cache, COPY)
    assert kept.stat().st_ino == inode
    for damage in ("truncat", "evil"):
        kept.chmod(0o644)
        kept.write_text(damage)
        store(tmp_path / "f", digest, cache, COPY)
        assert kept.read_text() == "good"
        assert kept.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("types", [COPY, ["hardlink"]])
def test_file_that_changed_is_not_stored(tmp_path: Path, types: list[str]) -> None:
    """Other bytes than the digest says never reach the cache."""
    (tmp_path / "f").write_text("before")
    digest = hash_path(tmp_path / "f")
    (tmp_path / "f").write_text("after!")
    with pytest.raises(UsageError, match="changed while it was stored"):
        store(tmp_path / "f", digest, tmp_path / "cache", types)
    (tmp_path / "f").unlink()
    with pytest.raises(UsageError, match="changed while it was stored"):
        store(tmp_path / "f", digest, tmp_path / "cache", types)
    assert snapshot(tmp_path / "cache") == {}


def test_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC is a DvcError, and nothing half-written stays."""
    from dvc_objects.fs import generic

    (tmp_path / "f").write_text("x")

    def full(*arguments: Any, **options: Any) -> None:
        Path(arguments[3]).write_text("")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(generic, "transfer", full)
    with pytest.raises(DvcError, match="No space left on device; free some space") as caught:
        store(tmp_path / "f", hash_path(tmp_path / "f"), tmp_path / "cache", COPY)
    assert "\n" not in str(caught.value)
    assert snapshot(tmp_path / "cache") == {}


def test_cache_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    """A file in the way of the cache is a DvcError."""
    (tmp_path / "f").write_text("x")
    (tmp_path / "cache").touch()
    with pytest.raises(DvcError, match="cannot be stored in the DVC cache"):
        store(tmp_path / "f", hash_path(tmp_path / "f"), tmp_path / "cache", COPY)


def test_group_shared_cache_stays_shared(tmp_path: Path) -> None:
    """New folders take the mode of the cache, as DVC's `cache.shared group` makes it."""
    (tmp_path / "f").write_text("x")
    root = tmp_path / "cache" / "files" / "md5"
    root.mkdir(parents=True)
    root.chmod(0o2775)
    digest = hash_path(tmp_path / "f")
    store(tmp_path / "f", digest, tmp_path / "cache", COPY)
    assert (root / digest.md5[:2]).stat().st_mode & 0o7777 == 0o2775


def _store(folder: Path) -> None:
    for _ in range(5):
        store(folder, hash_path(folder), folder.parent / "cache", COPY)


def test_many_processes_store_the_same(tmp_path: Path) -> None:
    """Concurrent stores leave one whole copy and no litter."""
    folder = make_folder(tmp_path / "data")
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_store, [folder] * 4))
    digest = hash_path(folder)
    expected = {object_path(tmp_path / "cache", e.md5) for e in digest.entries}
    expected.add(object_path(tmp_path / "cache", digest.md5))
    assert {path for path in (tmp_path / "cache").rglob("*") if path.is_file()} == expected


def put_listing(cache: Path, listed: object) -> str:
    data = listed if isinstance(listed, bytes) else json.dumps(listed).encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + ".dir"
    file = object_path(cache, md5)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return md5


@pytest.mark.parametrize(
    "paths",
    [
        ["../x"], ["a/../../x"], ["/etc/x"], [""], ["a//b"], ["./a"], ["a/."], ["a\0b"], ["a", "a"],
        ["a", "a/b"], ["a/b", "a"], [".git/hooks/post-checkout"], ["x/.GIT/config"], [".dvc/config"],
        ["..\\x"], ["a/"],
    ],
)  # fmt: skip
def test_hostile_folders_are_refused(tmp_path: Path, paths: list[str]) -> None:
    """Nothing is written for a list with a path that could escape, overwrite or smuggle in a repository."""
    md5 = put_listing(tmp_path / "cache", [{"md5": MD5, "relpath": path} for path in paths])
    with pytest.raises(RecordError, match="refused"):
        read_dir_object(tmp_path / "cache", md5)
    with pytest.raises(RecordError):
        checkout(Pointer(path="x", md5=md5), tmp_path / "cache", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "user"}


@pytest.mark.parametrize(
    "listed",
    [
        b"{", b"[" * 100_000, {"a": 1}, [3], [{"relpath": "a"}], [{"md5": "../x", "relpath": "a"}],
        [{"md5": MD5 + ".dir", "relpath": "a"}], [{"md5": MD5, "relpath": 3}], b"\xff\xfe",
    ],
)  # fmt: skip
def test_malformed_folders_are_record_errors(tmp_path: Path, listed: object) -> None:
    """No JSON, no list, no md5: one line."""
    with pytest.raises(RecordError):
        read_dir_object(tmp_path, put_listing(tmp_path, listed))


def test_absent_and_corrupt_folder_lists(tmp_path: Path) -> None:
    """Both are DvcErrors that say so."""
    with pytest.raises(DvcError, match="is not in the DVC cache"):
        read_dir_object(tmp_path, MD5 + ".dir")
    md5 = put_listing(tmp_path, [])
    object_path(tmp_path, md5).write_text("[ ]")
    with pytest.raises(DvcError, match="is corrupt"):
        read_dir_object(tmp_path, md5)
    with pytest.raises(RecordError, match="is not an md5"):
        read_dir_object(tmp_path, "../../etc/passwd")


def test_checkout_gives_the_bytes_back(tmp_path: Path) -> None:
    """Files, folders and executables come back equal, writable, in folders that did not exist."""
    folder = make_folder(tmp_path / "data")
    (tmp_path / "run").write_text("x")
    (tmp_path / "run").chmod(0o755)
    for name, source in (("data", folder), ("run", tmp_path / "run")):
        digest = hash_path(source)
        store(source, digest, tmp_path / "cache", COPY)
        target = tmp_path / "new" / "place" / name
        checkout(pointer_of(name, digest), tmp_path / "cache", target)
        assert hash_path(target) == digest
        assert os.access(target, os.W_OK)
        checkout(pointer_of(name, digest), tmp_path / "cache", target)
    assert sorted(path.name for path in (tmp_path / "new" / "place").iterdir()) == ["data", "run"]
    (tmp_path / "new" / "place" / "data" / "a").write_text("mine")
    with pytest.raises(UsageError, match="exists and differs"):
        checkout(pointer_of("data", hash_path(folder)), tmp_path / "cache", tmp_path / "new/place/data")
    assert (tmp_path / "new" / "place" / "data" / "a").read_text() == "mine"


def test_checkout_does_not_follow_a_link_at_the_target(tmp_path: Path) -> None:
    """A dangling link at the target is something else that is there."""
    (tmp_path / "f").write_text("x")
    digest = hash_path(tmp_path / "f")
    store(tmp_path / "f", digest, tmp_path / "cache", COPY)
    (tmp_path / "out").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError):
        checkout(pointer_of("f", digest), tmp_path / "cache", tmp_path / "out")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_checkout_is_whole_or_nothing(tmp_path: Path, damage: str) -> None:
    """One missing or changed file, and there is no folder at all."""
    folder = make_folder(tmp_path / "data")
    digest = hash_path(folder)
    store(folder, digest, tmp_path / "cache", COPY)
    victim = object_path(tmp_path / "cache", digest.entries[1].md5)
    victim.unlink()
    if damage == "changed":
        victim.write_text("X")
    with pytest.raises(DvcError, match="not in the DVC cache" if damage == "missing" else "corrupt"):
        checkout(pointer_of("data", digest), tmp_path / "cache", tmp_path / "out" / "data")
    assert list((tmp_path / "out").iterdir()) == []


# --- remotes -----------------------------------------------------------------------------------


@pytest.fixture
def stored(top: Path) -> list[Pointer]:
    """A repository with a folder remote, and a folder and a file in its cache."""
    set_config(top, "[core]\nremote = store\n['remote \"store\"']\nurl = ../../store\n")
    make_folder(top / "data")
    (top / "file").write_text("f")
    found = []
    for name in ("data", "file"):
        digest = hash_path(top / name)
        store(top / name, digest, top / ".dvc" / "cache", COPY)
        (top / f"{name}.dvc").write_bytes(write_pointer(name, digest))
        found.append(pointer_of(name, digest))
    return found


def test_push_and_pull(top: Path, stored: list[Pointer], capfd: pytest.CaptureFixture[str]) -> None:
    """What is pushed comes back whole, counted object by object, silently; a second time nothing moves."""
    cache = top / ".dvc" / "cache"
    before = snapshot(cache)
    told: list[tuple[int, int]] = []
    pushed = transfer(
        top, stored, cache=cache, remote=None, direction="push", progress=lambda *done: told.append(done)
    )
    assert pushed == 5
    assert told[-1] == (5, 5)
    assert transfer(top, stored, cache=cache, remote="store", direction="push") == 0
    shutil.rmtree(cache)
    assert transfer(top, stored, cache=cache, remote=None, direction="pull", jobs=2) == 5
    assert snapshot(cache) == before
    assert transfer(top, stored, cache=cache, remote=None, direction="pull") == 0
    assert capfd.readouterr() == ("", "")


def test_stock_dvc_pulls_what_was_pushed(top: Path, stored: list[Pointer], tmp_path: Path) -> None:
    """A clone with nothing but git and dvc gets the bytes."""
    set_config(top, ledger_config(top).decode())
    transfer(top, stored, cache=top / ".dvc" / "cache", remote=None, direction="push")
    dvc_repo.run("git", "add", ".dvc", "data.dvc", "file.dvc", cwd=top)
    dvc_repo.run("git", "commit", "-qm", "x", cwd=top)
    dvc_repo.run("git", "clone", "-q", str(top), str(tmp_path / "clone"), cwd=tmp_path)
    dvc_repo.dvc("pull", "-q", "data.dvc", "file.dvc", cwd=tmp_path / "clone")
    for name in ("data", "file"):
        assert hash_path(tmp_path / "clone" / name) == hash_path(top / name)


def test_exactly_the_pointers_given_are_moved(top: Path, stored: list[Pointer], tmp_path: Path) -> None:
    """The other pointer's bytes stay at home."""
    transfer(top, stored[1:], cache=top / ".dvc" / "cache", remote=None, direction="push")
    assert len(snapshot(tmp_path / "store")) == 1


def test_bytes_of_dvc_2_travel_in_their_own_layout(top: Path, stored: list[Pointer], tmp_path: Path) -> None:
    """md5-dos2unix content lies at ab/cdef..., in the cache and on the remote."""
    data = b"x\r\n"
    md5 = hashlib.md5(b"x\n", usedforsecurity=False).hexdigest()
    cache = top / ".dvc" / "cache"
    kept = cache / md5[:2] / md5[2:]
    kept.parent.mkdir()
    kept.write_bytes(data)
    old = Pointer(path="old", md5=md5, hash="md5-dos2unix", size=3)
    assert transfer(top, [old], cache=cache, remote=None, direction="push") == 1
    assert (tmp_path / "store" / md5[:2] / md5[2:]).read_bytes() == data
    kept.unlink()
    assert transfer(top, [old], cache=cache, remote=None, direction="pull") == 1
    checkout(old, cache, tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == data


def test_missing_bytes_are_named(top: Path, stored: list[Pointer]) -> None:
    """Neither side has it: the pointer's path is in the message, the rest is pushed."""
    cache = top / ".dvc" / "cache"
    lost = Pointer(path="lost.bin", md5="0" * 32)
    with pytest.raises(DvcError, match=r"lost\.bin could not be copied") as caught:
        transfer(top, [*stored, lost], cache=cache, remote=None, direction="push")
    assert "\n" not in str(caught.value)
    assert transfer(top, stored, cache=cache, remote=None, direction="push") == 0
    lost_folder = Pointer(path="lost", md5="0" * 32 + ".dir")
    with pytest.raises(DvcError, match="lost could not be copied"):
        transfer(top, [lost_folder], cache=cache, remote=None, direction="pull")


@pytest.mark.parametrize("which", ["file", "folder list"])
def test_forged_remote_is_not_believed(top: Path, stored: list[Pointer], tmp_path: Path, which: str) -> None:
    """Bytes that do not fit their name never stay in the cache."""
    cache = top / ".dvc" / "cache"
    transfer(top, stored, cache=cache, remote=None, direction="push")
    shutil.rmtree(cache)
    pointer = stored[1] if which == "file" else stored[0]
    forged = object_path(tmp_path / "store", pointer.md5)
    forged.chmod(0o644)
    forged.write_text("[]")
    with pytest.raises(DvcError, match="could not be copied"):
        transfer(top, [pointer], cache=cache, remote=None, direction="pull")
    assert not object_path(cache, pointer.md5).exists()


def test_no_remote_is_said_with_what_to_do(top: Path, tmp_path: Path, stored: list[Pointer]) -> None:
    """No .dvc, no default remote, an unknown remote, a cloud-versioned or unreachable one: DvcError."""
    cache = top / ".dvc" / "cache"

    def push(where: Path, remote: str | None = None) -> str:
        with pytest.raises(DvcError) as caught:
            transfer(where, stored, cache=cache, remote=remote, direction="push")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "dvc init" in push(tmp_path)
    assert "'nowhere' doesn't exist" in push(top, "nowhere")
    (tmp_path / "file").touch()
    set_config(top, "[core]\nremote = bad\n['remote \"bad\"']\nurl = ../../file/x\n")
    assert "Not a directory" in push(top)
    set_config(top, "['remote \"v\"']\nurl = s3://bucket/x\nversion_aware = true\n")
    assert "dvc remote add -d" in push(top)
    assert "s3" in push(top, "v")


def test_reading_pointers_imports_no_dvc(top: Path) -> None:
    """find_tracking, the configuration and pointer files work without DVC, PyYAML aside."""
    (top / "x.dvc").write_text(f"outs:\n- md5: {MD5}\n  hash: md5\n  path: x\n")
    code = """if True:
        import sys
        from pathlib import Path
        from gittrack.dvc.settings import cache_dir, cache_types, ignore_rules, ledger_config
        from gittrack.dvc.tracking import find_tracking
        top = Path(sys.argv[1])
        assert find_tracking(top, top / "x")
        cache_dir(top, top), cache_types(top), ledger_config(top)
        ignore_rules(top, top / "x")
        heavy = {"dvc", "dvc_data", "dvc_objects", "fsspec", "git", "jsonschema"}
        print(sorted(heavy.intersection(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code, str(top)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
