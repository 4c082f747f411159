"""Check 6: pointers, what tracks the data in the code, and the bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gittrack.dvc.cache import object_path, store
from gittrack.dvc.files import write_pointer
from gittrack.dvc.hashing import hash_path
from gittrack.formats.record import DataInput, Record
from gittrack.verify.context import Context, VerifyOptions
from gittrack.verify.data import check_bytes, check_pointers
from gittrack.verify.findings import Finding
from gittrack.verify.stored import part_of
from tests.repositories import run_git
from tests.strategies import examples
from tests.verify.contexts import FORGED, Honest, opened, run_checks

POINTER = b"outs:\n- md5: %s\n  size: 14\n  hash: md5\n  path: train.csv\n"
TRAIN = "inputs/data/train.csv.dvc"
OTHER = "1" * 32


def with_input(record: Record, at: int = 0, **changes: Any) -> Record:
    data = [*record.data]
    data[at] = replace(data[at], **changes)
    return replace(record, data=tuple(data))


def recommitted(honest: Honest, record: Record) -> Record:
    """The record as of the project's files now."""
    run_git(honest.top, "add", "-A")
    run_git(honest.top, "commit", "-q", "-m", "changed")
    commit, tree = run_git(honest.top, "rev-parse", "HEAD", "HEAD^{tree}").split()
    return replace(record, code=replace(record.code, commit=commit, tree=tree))


def only(record: Record, at: int) -> Record:
    """The record with one of its inputs."""
    return replace(record, data=(record.data[at],))


def test_an_honest_run_has_no_finding(honest: Honest) -> None:
    """Data tracked by a .dvc file, inside a folder, as a folder, by dvc.lock and by git."""
    assert [d.source for d in honest.clean.data] == ["dvc"] * 4 + ["git"]
    with opened(honest.repository) as context:
        assert run_checks(context, check_pointers) == []


# --- the pointer beside the record ---------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"md5": OTHER}, {"size": 1}, {"nfiles": 1}, {"hash": "md5-dos2unix"}], ids=str
)
def test_a_record_that_names_other_content_than_its_pointer(honest: Honest, changes: dict[str, Any]) -> None:
    """md5, size, number of files and the way of counting."""
    record = with_input(honest.clean, source="file", **changes)
    (finding,) = honest.check(check_pointers, record)
    assert (finding.code, finding.severity) == ("data-pointer-differs", "fail")
    assert finding.path == f"{honest.clean.path}/{TRAIN}"


def test_an_output_is_what_its_pointer_names(honest: Honest) -> None:
    """As an input is."""
    out = replace(honest.clean.outputs[0], md5=OTHER)
    assert honest.codes(check_pointers, replace(honest.clean, outputs=(out,))) == ["data-pointer-differs"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"path: train.csv", b"path: ../../../.git/config", "data-pointer-differs"),
        (b"path: train.csv", b"path: sub/train.csv", "data-pointer-differs"),
        (b"path: train.csv", b"path: /etc/passwd", "data-pointer-unreadable"),
        (b"path: train.csv", b"path: s3://x/y", "data-pointer-unreadable"),
        (b"path: train.csv", b"path: [1]", "data-pointer-unreadable"),
        (b"  hash: md5\n", b"", "data-pointer-differs"),
        (b"  hash: md5\n", b"  hash: etag\n", "data-pointer-unreadable"),
        (b"size: 14", b"size: -1", "data-pointer-unreadable"),
        (b"outs:", b"wdir: ..\nouts:", "data-pointer-unreadable"),
        (b"outs:", b"deps:\n- path: x\n  repo:\n    url: ext::sh\nouts:", "data-pointer-unreadable"),
        (b"  hash: md5\n", b"  hash: md5\n  remote: evil\n", "data-pointer-unreadable"),
        (b"- md5", b"- path: b\n  md5: " + b"0" * 32 + b"\n  hash: md5\n- md5", "data-pointer-unreadable"),
        (b"outs:", b"outs: &a\n- *a\nx:", "data-pointer-unreadable"),
        (b"outs:", b"\x00", "data-pointer-unreadable"),
        (b"- md5: ", b"- md5: ../", "data-pointer-unreadable"),
    ],
)
def test_a_pointer_that_would_lead_elsewhere(honest: Honest, old: bytes, new: bytes, code: str) -> None:
    """It names one file of its own folder by md5, and tells DVC nothing else."""
    data = honest.files(honest.clean)[TRAIN].replace(old, new, 1)
    (finding,) = honest.check(check_pointers, files={TRAIN: data})
    assert (finding.code, finding.severity) == (code, "fail")


def test_the_pointer_of_a_large_series_is_one_of_the_record(honest: Honest) -> None:
    """Checked like any other."""
    assert honest.clean.series is not None
    at = "outputs/_gittrack/metrics.csv.dvc"
    series = replace(
        honest.clean.series, pointer=at, md5=OTHER, size=9, sampled_rows=6, sampled_sha256="2" * 64
    )
    for md5, codes in ((OTHER, []), ("2" * 32, ["data-pointer-differs"])):
        text = f"outs:\n- md5: '{md5}'\n  size: 9\n  hash: md5\n  path: metrics.csv\n"
        record = replace(honest.clean, series=series)
        assert honest.codes(check_pointers, record, files={at: text.encode()}) == codes


def test_pointers_of_old_dvc_say_less(honest: Honest) -> None:
    """An output may be counted as DVC 2 did, its pointer without a size; its bytes are found all the same."""
    name = "outputs/model.bin.dvc"
    out = honest.clean.outputs[0]
    data = f"outs:\n- md5: {out.md5}\n  path: model.bin\n".encode()
    old = honest.top / ".dvc" / "cache" / out.md5[:2]
    old.mkdir()
    (old / out.md5[2:]).write_bytes(b"weights")
    assert honest.codes(check_pointers, files={name: data}) == []
    with opened(honest.repository, FORGED, options=VerifyOptions(**READ)) as context:
        assert run_checks(context, check_pointers) == []
        assert list(check_bytes(context)) == []
        (old / out.md5[2:]).write_bytes(b"weightz")
        assert [f.code for f in check_bytes(context)] == ["data-bytes-differ"]


# --- what tracks it in the code ------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_data_other_than_the_code_tracks(honest: Honest, at: int) -> None:
    """By a .dvc file, inside a folder, as a folder, by dvc.lock."""
    old = honest.clean.data[at]
    md5 = OTHER + ".dir" if (old.md5 or "").endswith(".dir") else OTHER
    record = only(with_input(honest.clean, at, md5=md5, pointer=None), at)
    (finding,) = honest.check(check_pointers, record)
    assert (finding.code, finding.severity) == ("data-source-differs", "fail")
    assert (finding.expected, finding.found) == (md5, old.md5)


def test_a_folder_inside_a_tracked_folder_is_counted_from_its_list(honest: Honest) -> None:
    """Its own list is made of the part of the larger one."""
    cache = honest.top / ".dvc" / "cache"
    (honest.top / "data" / "parts" / "deep").mkdir()
    (honest.top / "data" / "parts" / "deep" / "c.csv").write_text("c\n")
    whole, part = (hash_path(honest.top / "data" / name) for name in ("parts", "parts/deep"))
    store(honest.top / "data" / "parts", whole, cache, ["copy"])
    (honest.top / "data" / "parts.dvc").write_bytes(write_pointer("parts", whole))
    item = DataInput(path="data/parts/deep", role="train", source="dvc", md5=part.md5, hash="md5")
    record = recommitted(honest, replace(honest.clean, data=(item,)))
    assert honest.codes(check_pointers, record) == []
    for other in (replace(item, md5=whole.md5), replace(item, path="data/parts/none")):
        assert honest.codes(check_pointers, replace(record, data=(other,))) == ["data-source-differs"]


def test_a_part_of_a_folder_whose_list_is_not_here_is_incomplete(honest: Honest) -> None:
    """Absent or damaged in the cache."""
    folder = honest.clean.data[2].md5 or ""
    file = object_path(honest.top / ".dvc" / "cache", folder)
    file.chmod(0o644)
    file.write_bytes(b"[]")
    (finding,) = honest.check(check_pointers)
    assert (finding.code, finding.severity) == ("data-listing-absent", "incomplete")
    file.unlink()
    assert honest.codes(check_pointers) == ["data-listing-absent"]


@pytest.mark.parametrize("path", ["elsewhere.csv", "/mnt/data.csv", "../train.csv", "a//b", "data", "."])
def test_data_that_the_code_does_not_track_is_incomplete(honest: Honest, path: str) -> None:
    """DVC had it when the run logged it, the code commit does not say so."""
    (finding,) = honest.check(check_pointers, only(with_input(honest.clean, 0, path=path), 0))
    assert (finding.code, finding.severity) == ("data-untracked", "incomplete")


def test_a_damaged_pointer_in_the_code_is_no_tracking(honest: Honest) -> None:
    """The reason is told."""
    (honest.top / "data" / "train.csv.dvc").write_text("outs: [*a]  # train.csv\n")
    record = only(recommitted(honest, honest.clean), 0)
    (finding,) = honest.check(check_pointers, record)
    assert finding.code == "data-untracked" and "train.csv.dvc:1:" in finding.says


def test_data_that_states_its_difference_is_not_compared(honest: Honest) -> None:
    """The record says itself that the tracked bytes were others."""
    record = with_input(honest.clean, 0, md5=OTHER, pointer=None, differs_from="data/train.csv.dvc")
    assert honest.codes(check_pointers, record) == []


def test_the_working_folder_of_a_stage_is_found_in_dvc_yaml(honest: Honest) -> None:
    """dvc.lock alone does not say it."""
    lock = (honest.top / "dvc.lock").read_text()
    (honest.top / "dvc.lock").write_text(lock.replace("data/made.csv", "made.csv"))
    (honest.top / "dvc.yaml").write_text("stages:\n  make:\n    wdir: data\n    cmd: make\n")
    assert honest.codes(check_pointers, only(recommitted(honest, honest.clean), 3)) == []


@pytest.mark.parametrize("folder", ["", "pipelines/"])
def test_what_a_stage_has_read_is_a_witness(honest: Honest, folder: str) -> None:
    """dvc.lock names it as a dependency, though the pointer has moved on since."""
    (honest.top / "pipelines").mkdir()
    up = "../" if folder else ""
    (honest.top / folder / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train:\n    cmd: train\n    deps:\n"
        f"    - path: {up}data/train.csv\n      hash: md5\n      md5: '{OTHER}'\n      size: 1\n"
    )
    record = only(recommitted(honest, with_input(honest.clean, 0, md5=OTHER, pointer=None)), 0)
    record = replace(record, code=replace(record.code, cwd=folder.rstrip("/") or "."))
    assert honest.codes(check_pointers, record) == []
    other = with_input(record, 0, md5="2" * 32)
    assert honest.codes(check_pointers, other) == ["data-source-differs"]


@pytest.mark.parametrize("changes", [{"blob": OTHER + "1" * 8}, {"path": "data/none.csv"}, {"blob": None}])
def test_git_data_other_than_the_code_holds(honest: Honest, changes: dict[str, Any]) -> None:
    """Blob and path."""
    (finding,) = honest.check(check_pointers, with_input(honest.clean, 4, **changes))
    assert (finding.code, finding.severity) == ("data-blob-differs", "fail")


def test_a_folder_that_git_tracks_is_a_tree(honest: Honest) -> None:
    """Its id is that of the tree."""
    tree = run_git(honest.top, "rev-parse", "HEAD:data").strip()
    record = with_input(honest.clean, 4, path="data", blob=tree)
    assert honest.codes(check_pointers, record) == []


def test_a_name_that_is_no_utf8_is_found_as_the_record_shows_it(honest: Honest) -> None:
    """Undecodable bytes are written as escapes."""
    raw = os.fsencode(honest.top) + b"/data/caf\xe9.csv"
    with open(raw, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    blob = run_git(honest.top, "hash-object", os.fsdecode(raw)).strip()
    record = with_input(recommitted(honest, honest.clean), 4, path="data/caf\\udce9.csv", blob=blob)
    assert honest.codes(check_pointers, only(record, 4)) == []


def test_a_tree_that_is_not_here_is_incomplete(honest: Honest) -> None:
    """A clone with a filter."""
    tree = run_git(honest.top, "rev-parse", "HEAD:data").strip()
    (honest.top / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    found = honest.check(check_pointers)
    assert {(f.code, f.severity) for f in found} == {("data-unchecked", "incomplete")}


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=30), at=st.integers(0, 80), cut=st.integers(0, 30))
def test_no_bytes_of_a_pointer_make_it_raise(template: Honest, noise: bytes, at: int, cut: int) -> None:
    """Whatever is put in anywhere."""
    from gittrack.errors import RecordError
    from gittrack.verify.data import _only

    data = POINTER % OTHER.encode()
    try:
        _only(data[:at] + noise + data[at + cut :], "x.dvc")
    except RecordError as error:
        assert "\n" not in str(error)


# --- the bytes -----------------------------------------------------------------------------


@contextmanager
def with_bytes(honest: Honest, **options: Any) -> Iterator[Context]:
    with opened(honest.repository, options=VerifyOptions(**options)) as context:
        assert run_checks(context, check_pointers) == []
        yield context


def found_in(honest: Honest, **options: Any) -> list[Finding]:
    with with_bytes(honest, **options) as context:
        return list(check_bytes(context))


def cached(honest: Honest, md5: str | None) -> Path:
    file = object_path(honest.top / ".dvc" / "cache", md5 or "")
    file.chmod(0o644)
    return file


READ: Mapping[str, Any] = {"read_data": (1, 1)}


def test_bytes_are_not_asked_for_by_default(honest: Honest) -> None:
    """Nor is there a word about them."""
    shutil.rmtree(honest.top / ".dvc" / "cache" / "files" / "md5" / (honest.clean.outputs[0].md5[:2]))
    assert found_in(honest) == []


def test_bytes_that_are_there_and_the_same(honest: Honest) -> None:
    """Files, folders and outputs; the progress ends where it should, and rises."""
    assert found_in(honest, data=True) == []
    told: list[tuple[int, int]] = []
    with with_bytes(honest, **READ) as context:
        assert list(check_bytes(context, lambda done, total: told.append((done, total)))) == []
    assert told[-1][0] == told[-1][1] == 7 + 14 + 16 + 16 + 13
    assert told == sorted(told)


def test_bytes_that_are_gone(honest: Honest) -> None:
    """Without a remote nobody can tell whether they are kept elsewhere."""
    cached(honest, honest.clean.outputs[0].md5).unlink()
    for options in ({"data": True}, READ):
        found = found_in(honest, **options)
        assert {(f.code, f.severity) for f in found} == {("data-bytes-unknown", "incomplete")}
        assert {f.run for f in found} == {honest.clean.id, honest.dirty.id}


def test_a_folder_is_there_with_all_its_files(honest: Honest) -> None:
    """A file of it that is gone, or its list, is the folder gone."""
    cached(honest, honest.clean.data[1].md5).unlink()
    found = found_in(honest, data=True)
    assert {f.path for f in found} == {
        f"{run.path}/inputs/data/{name}.dvc"
        for run in (honest.clean, honest.dirty)
        for name in ("parts", "parts/a.csv")
    }


@pytest.fixture
def remote(honest: Honest, tmp_path: Path) -> Path:
    """A folder remote that holds what the cache does."""
    store = tmp_path / "remote"
    shutil.copytree(honest.top / ".dvc" / "cache", store)
    (honest.top / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n"
    )
    return store


def test_bytes_on_the_remote_can_be_had(honest: Honest, remote: Path) -> None:
    """Enough for --data; to be read they have to be fetched first."""
    cached(honest, honest.clean.outputs[0].md5).unlink()
    assert found_in(honest, data=True) == []
    found = found_in(honest, **READ)
    assert {(f.code, f.severity) for f in found} == {("data-bytes-unread", "incomplete")}


def test_bytes_that_neither_cache_nor_remote_holds(honest: Honest, remote: Path) -> None:
    """The claim that they can be fetched does not hold."""
    cached(honest, honest.clean.outputs[0].md5).unlink()
    object_path(remote, honest.clean.outputs[0].md5).unlink()
    found = found_in(honest, data=True)
    assert {(f.code, f.severity) for f in found} == {("data-bytes-missing", "fail")}


def test_changed_bytes_are_told_from_those_recorded(honest: Honest) -> None:
    """A file, and a file of a folder, whose name stays right."""
    cached(honest, honest.clean.outputs[0].md5).write_bytes(b"weightz")
    found = found_in(honest, **READ)
    assert {(f.code, f.severity) for f in found} == {("data-bytes-differ", "fail")}
    assert {f.path for f in found} == {
        f"{r.path}/outputs/model.bin.dvc" for r in (honest.clean, honest.dirty)
    }
    assert found_in(honest, data=True) == []
    cached(honest, honest.clean.data[1].md5).write_bytes(b"a longer text\n")
    paths = {f.path for f in found_in(honest, **READ)}
    assert f"{honest.clean.path}/inputs/data/parts.dvc" in paths


def test_a_wrong_sha256_of_right_bytes_is_told(honest: Honest) -> None:
    """md5 can be forged, so that sha256 is compared as well."""
    with with_bytes(honest, **READ) as context:
        record = context.records[honest.clean.path]
        out = replace(record.outputs[0], sha256="1" * 64)
        context.records.note(honest.clean.path, replace(record, outputs=(out,)))
        (finding,) = check_bytes(context)
    assert finding.code == "data-bytes-differ" and "sha256" in (finding.expected or "")


def test_parts_cover_everything_once(honest: Honest) -> None:
    """n of m is always the same part, and the parts together are all."""
    cached(honest, honest.clean.outputs[0].md5).write_bytes(b"weightz")
    seen = [len(found_in(honest, read_data=(n, 3))) for n in (1, 2, 3)]
    assert sorted(seen) == [0, 0, 2]
    assert seen.index(2) + 1 == part_of(honest.clean.outputs[0].md5, 3)


def test_a_file_that_cannot_be_read_is_incomplete(honest: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may be at fault, and not the record."""
    from gittrack.errors import UsageError
    from gittrack.verify import stored

    def broken(path: Path, **options: Any) -> Any:
        raise UsageError(f"{path} cannot be read: Input/output error")

    monkeypatch.setattr(stored, "hash_path", broken)
    found = found_in(honest, **READ)
    assert {(f.code, f.severity) for f in found} == {("data-bytes-unread", "incomplete")}
