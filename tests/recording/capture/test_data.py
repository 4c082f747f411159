"""Tests of gittrack.recording.capture.data: who keeps the bytes of an input, and where outputs go."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from gittrack.dvc.cache import checkout, object_path
from gittrack.dvc.files import parse_pointer, write_pointer
from gittrack.dvc.hashing import HashState, hash_path
from gittrack.dvc.settings import ledger_config
from gittrack.dvc.transfer import transfer
from gittrack.errors import NotFoundError, UsageError
from gittrack.recording.capture.data import (
    CapturedInput,
    GitTracked,
    capture_input,
    capture_output,
    ledger_path,
)
from tests import dvc_repo
from tests.tables import rows


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dvc_repo.isolate(monkeypatch, tmp_path / "user")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with a file and a folder under DVC."""
    top = dvc_repo.repository(tmp_path / "repo")
    (top / "data" / "images" / "sub").mkdir(parents=True)
    (top / "data" / "train.csv").write_text("a,b\n1,2\n")
    (top / "data" / "images" / "1.png").write_bytes(b"1")
    (top / "data" / "images" / "sub" / "2.png").write_bytes(b"2")
    dvc_repo.add(top, "data/train.csv", "data/images")
    return top


def capture(top: Path, path: str | Path, role: str = "train", **options: Any) -> CapturedInput:
    options.setdefault("cwd", top)
    options.setdefault("cache", top / ".dvc" / "cache")
    return capture_input(path, role, top=top, **options)


def is_kept(top: Path, md5: str | None) -> bool:
    assert md5
    return object_path(top / ".dvc" / "cache", md5).is_file()


def test_file_that_dvc_tracks(top: Path) -> None:
    """The pointer beside the record is DVC's own, byte for byte."""
    captured = capture(top, "data/train.csv", "train")
    stated = captured.input
    assert (stated.path, stated.role, stated.source) == ("data/train.csv", "train", "dvc")
    assert stated.pointer == "inputs/data/train.csv.dvc"
    assert captured.pointer == (top / "data" / "train.csv.dvc").read_bytes()
    assert (stated.hash, stated.size, stated.nfiles, stated.differs_from) == ("md5", 8, None, None)
    assert stated.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()


def test_folder_that_dvc_tracks(top: Path) -> None:
    """A folder has its .dir md5 and number of files."""
    captured = capture(top, top / "data" / "images", "validation")
    stated = captured.input
    assert (stated.path, stated.source, stated.nfiles, stated.size) == ("data/images", "dvc", 2, 2)
    assert stated.md5 == hash_path(top / "data" / "images").md5
    assert captured.pointer == (top / "data" / "images.dvc").read_bytes()


@pytest.mark.parametrize(("path", "nfiles"), [("data/images/sub/2.png", None), ("data/images/sub", 1)])
def test_part_of_a_folder_that_dvc_tracks(top: Path, path: str, nfiles: int | None) -> None:
    """The pointer is of the part alone, and its bytes can be fetched by it."""
    captured = capture(top, path)
    stated = captured.input
    assert (stated.source, stated.nfiles, stated.pointer) == ("dvc", nfiles, f"inputs/{path}.dvc")
    assert is_kept(top, stated.md5)
    assert captured.pointer is not None
    (pointer,) = parse_pointer(captured.pointer, "x.dvc")
    checkout(pointer, top / ".dvc" / "cache", top / "again")
    assert hash_path(top / "again").sha256 == stated.sha256


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("data/train.csv", "data/train.csv.dvc"),
        ("data/images", "data/images.dvc"),
        ("data/images/sub", "data/images.dvc"),
        ("data/images/sub/2.png", "data/images.dvc"),
    ],
)
def test_other_bytes_than_the_pointer_says(top: Path, path: str, pointer: str) -> None:
    """The digests are those on disk, the record says what differs, and points at nothing absent."""
    (top / "data" / "train.csv").write_text("changed")
    (top / "data" / "images" / "sub" / "2.png").write_text("changed")
    captured = capture(top, path)
    assert (captured.input.source, captured.input.differs_from) == ("dvc", pointer)
    assert captured.input.sha256 == hash_path(top / path).sha256
    assert captured.input.pointer is captured.pointer is None
    stored = capture(top, path, store=True)
    assert stored.input.pointer == f"inputs/{path}.dvc"
    assert stored.input.differs_from == pointer
    assert is_kept(top, stored.input.md5)


def test_added_file_in_part_of_a_folder_differs(top: Path) -> None:
    """A folder inside a tracked folder with one file more is another folder."""
    (top / "data" / "images" / "sub" / "3.png").touch()
    assert capture(top, "data/images/sub").input.differs_from == "data/images.dvc"


def test_part_of_a_folder_whose_list_is_away(top: Path) -> None:
    """Without the list nothing is claimed about DVC."""
    shutil.rmtree(top / ".dvc" / "cache")
    captured = capture(top, "data/images/sub/2.png")
    assert (captured.input.source, captured.pointer, captured.input.differs_from) == ("file", None, None)


def test_data_of_dvc_2(top: Path) -> None:
    """A pointer without `hash:` is compared as DVC 2.x counted, and kept as it is."""
    (top / "old.csv").write_bytes(b"a\r\n")
    md5 = hashlib.md5(b"a\n", usedforsecurity=False).hexdigest()
    (top / "old.csv.dvc").write_text(f"outs:\n- md5: {md5}\n  size: 3\n  path: old.csv\n")
    captured = capture(top, "old.csv")
    assert (captured.input.md5, captured.input.hash, captured.input.differs_from) == (
        md5,
        "md5-dos2unix",
        None,
    )
    assert captured.pointer == (top / "old.csv.dvc").read_bytes()
    (top / "old.csv").write_bytes(b"b\r\n")
    changed = capture(top, "old.csv").input
    assert (changed.md5, changed.hash) == (hash_path(top / "old.csv").md5, "md5")
    assert changed.differs_from == "old.csv.dvc"


def test_file_that_git_tracks(top: Path) -> None:
    """The blob is named; where the disk differs from it, that is said."""
    (top / "small.csv").write_text("x")
    asked: list[str] = []

    def git_state(path: str) -> GitTracked:
        asked.append(path)
        return GitTracked(oid="1" * 40, modified=len(asked) > 1)

    stated = capture(top, "small.csv", git_state=git_state).input
    assert (stated.source, stated.blob, stated.differs_from, stated.pointer) == ("git", "1" * 40, None, None)
    assert stated.sha256 == hashlib.sha256(b"x").hexdigest()
    assert capture(top, "small.csv", git_state=git_state).input.differs_from == "small.csv"
    stored = capture(top, "small.csv", git_state=git_state, store=True)
    assert stored.input.pointer == "inputs/small.csv.dvc" and is_kept(top, stored.input.md5)
    assert asked == ["small.csv"] * 3
    capture(top, "data/train.csv", git_state=git_state)
    assert len(asked) == 3, "what a .dvc file tracks is not asked of git"


def test_out_of_a_stage_that_git_keeps(top: Path) -> None:
    """dvc.lock lists it, but with `cache: false` it is git that has the bytes."""
    (top / "metrics.json").write_text("{}")
    md5 = hash_path(top / "metrics.json").md5
    (top / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n"
        f"    - path: metrics.json\n      hash: md5\n      md5: {md5}\n"
    )
    git = capture(top, "metrics.json", git_state=lambda _: GitTracked(oid="1" * 40))
    assert (git.input.source, git.pointer) == ("git", None)
    assert capture(top, "metrics.json", git_state=lambda _: None).input.source == "dvc"


def test_any_other_file(top: Path) -> None:
    """Hashed, and stored only if asked."""
    (top / "x").write_text("x")
    captured = capture(top, "x", git_state=lambda _: None)
    assert (captured.input.source, captured.input.pointer, captured.pointer) == ("file", None, None)
    assert not is_kept(top, captured.input.md5)
    stored = capture(top, "x", store=True)
    assert stored.input.pointer == "inputs/x.dvc" and is_kept(top, stored.input.md5)
    assert stored.pointer == write_pointer("x", hash_path(top / "x"))


def test_paths_are_read_from_the_working_directory(top: Path) -> None:
    """Relative to cwd, absolute, through `..` or through a link to the repository: one path in the record."""
    (top.parent / "link").symlink_to(top)
    for path, cwd in (
        ("train.csv", top / "data"),
        ("../data/train.csv", top / "data"),
        (str(top / "data" / "train.csv"), Path("/")),
        ("train.csv", top.parent / "link" / "data"),
        ("./data//train.csv", top),
    ):
        assert capture(top, path, cwd=cwd).input.path == "data/train.csv"


def test_link_to_data_elsewhere_keeps_its_name(top: Path, tmp_path: Path) -> None:
    """A link inside the work tree is a path of the work tree."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "x").write_text("x")
    (top / "disk").symlink_to(tmp_path / "disk")
    captured = capture(top, "disk/x")
    assert captured.input.path == "disk/x"


def test_data_outside_the_work_tree(top: Path, tmp_path: Path) -> None:
    """The path stays absolute; two files of one name get two pointers."""
    found = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_text(folder)
        found.append(capture(top, f"../{folder}/x.csv", store=True).input)
    assert [stated.path for stated in found] == [f"{tmp_path}/one/x.csv", f"{tmp_path}/two/x.csv"]
    assert all(s.pointer and s.pointer.startswith("inputs/_outside/") for s in found)
    assert found[0].pointer != found[1].pointer
    assert {stated.source for stated in found} == {"file"}


@rows(
    ("relative", "expected"),
    [
        ("a/b.csv", "inputs/a/b.csv.dvc"),
        (".", "inputs/repo.dvc"),
        ("x/.git/config", "inputs/x/_.git/config.dvc"),
        (".DVC/x", "inputs/_.DVC/x.dvc"),
        ("a\nb", "inputs/a_b.dvc"),
        (os.fsdecode(b"\xff.csv"), "inputs/\\udcff.csv.dvc"),
    ],
)
def test_ledger_paths_are_safe(relative: str, expected: str) -> None:
    """Nothing that git refuses, DVC ignores or UTF-8 cannot hold."""
    assert ledger_path("inputs", Path("/repo") / relative, relative) == expected


def test_ledger_paths_are_not_too_long() -> None:
    """A name near the limit of file systems still has room for its suffix, and stays its own."""
    names = ["ä" * 127, "ä" * 126 + "o"]
    found = {ledger_path("outputs", Path("/repo") / name, name) for name in names}
    assert len(found) == 2
    assert max(len(name.encode()) for name in found) < 220


def test_wrong_role_and_wrong_path(top: Path) -> None:
    """The roles are listed, the path is named."""
    with pytest.raises(
        UsageError, match=r"'training' is no role.*train, validation, test, holdout, reference"
    ):
        capture(top, "data/train.csv", "training")
    with pytest.raises(NotFoundError, match="no-such does not exist"):
        capture(top, "no-such")
    with pytest.raises(UsageError, match="is empty"):
        capture(top, "")
    (top / "broken").symlink_to("nowhere")
    with pytest.raises(UsageError, match="a link to nothing"):
        capture(top, "broken")


def test_folder_follows_dvcignore(top: Path) -> None:
    """An ignored file that appears later makes no difference, as for `dvc status`."""
    (top / ".dvcignore").write_text("*.tmp\n")
    (top / "data" / "images" / "x.tmp").touch()
    assert capture(top, "data/images").input.differs_from is None


def test_output_goes_into_the_cache_and_stock_dvc_fetches_it(top: Path, tmp_path: Path) -> None:
    """From the pointer and the ledger's configuration alone, after a push."""
    (top / ".dvc" / "config").write_text("[core]\nremote = s\n['remote \"s\"']\nurl = ../../store\n")
    (top / "model").mkdir()
    (top / "model" / "weights.bin").write_bytes(b"w" * 1000)
    (top / "m.pkl").write_text("m")
    cache = top / ".dvc" / "cache"
    ledger = dvc_repo.repository(tmp_path / "ledger")
    (ledger / ".dvc" / "config").write_bytes(ledger_config(top))
    written = []
    for path in ("model", "m.pkl"):
        output, data = capture_output(path, "model", top=top, cwd=top, cache=cache, types=["reflink", "copy"])
        assert output.pointer == f"outputs/{path}.dvc"
        written += parse_pointer(data, output.pointer)
        (ledger / "run" / output.pointer).parent.mkdir(parents=True, exist_ok=True)
        (ledger / "run" / output.pointer).write_bytes(data)
        digest = hash_path(top / path)
        assert (output.md5, output.sha256, output.size, output.nfiles) == (
            digest.md5, digest.sha256, digest.size, digest.nfiles,
        )  # fmt: skip
    transfer(top, written, cache=cache, remote=None, direction="push")
    dvc_repo.dvc("pull", "-q", "run/outputs/model.dvc", "run/outputs/m.pkl.dvc", cwd=ledger)
    assert hash_path(ledger / "run" / "outputs" / "model") == hash_path(top / "model")
    assert (ledger / "run" / "outputs" / "m.pkl").read_text() == "m"


def test_work_tree_is_left_alone(top: Path, tmp_path: Path) -> None:
    """Capturing writes to cache and state, and nowhere else."""
    (top / "out.bin").write_text("x")

    def seen() -> dict[str, tuple[int, int, int]]:
        skip = top / ".dvc" / "cache"
        return {
            str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in top.rglob("*")
            if not path.is_relative_to(skip)
        }

    before = seen()
    state = HashState(tmp_path / "state")
    for path in ("data/train.csv", "data/images", "data/images/sub", "out.bin"):
        capture(top, path, state=state, store=True)
    capture_output(
        "out.bin", "model", top=top, cwd=top, cache=top / ".dvc" / "cache", types=["reflink", "copy"]
    )
    assert seen() == before
