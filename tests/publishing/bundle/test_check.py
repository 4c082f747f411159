"""What verify says of a bundle that was damaged, altered, or made to harm whoever opens it."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError
from gittrack.publishing.bundle import check, verify_bundle
from gittrack.publishing.bundle.layout import Damaged
from gittrack.publishing.bundle.unpack import open_bundle
from gittrack.verify import VerifyOptions
from tests.publishing.bundle.archives import (
    ROOT,
    SUMS,
    alter,
    codes,
    member,
    members_of,
    read,
    summed,
    verified,
    write,
)
from tests.repositories import run_git

LEDGER = "refs/heads/gittrack/runs"

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_an_honest_bundle_passes(archive: Path, temporary: Path, tmp_path: Path) -> None:
    """As an archive, compressed, unpacked by stock tar and packed again by it; with every option."""
    everything = VerifyOptions(data=True, read_data=(1, 1))
    packed = tmp_path / "all.tgz"
    packed.write_bytes(gzip.compress(archive.read_bytes()))
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    subprocess.run(["tar", "-cf", "again.tar", ROOT], check=True, cwd=tmp_path)
    before = {p: p.read_bytes() for p in (tmp_path / ROOT).rglob("*") if p.is_file()}
    for path in (archive, packed, tmp_path / ROOT, tmp_path / "again.tar"):
        report = verify_bundle(path, options=everything)
        assert (report.outcome, report.runs, report.findings) == ("PASS", 2, []), path
    assert {p: p.read_bytes() for p in (tmp_path / ROOT).rglob("*") if p.is_file()} == before
    assert list(temporary.iterdir()) == []


def test_the_options_of_verify_mean_the_same(archive: Path) -> None:
    """One run; a pin in it; trusted rules from its code."""
    files = read(archive)
    refs = dict(
        line.split()[::-1] for line in files["repository.bundle"].split(b"\n\n")[0].decode().splitlines()[1:]
    )
    assert verify_bundle(archive, selection=["latest"]).runs == 1
    assert verified(archive, anchor=refs[LEDGER]).outcome == "PASS"
    assert codes(verified(archive, anchor="1" * 40)) == ["history-rolled-back"]
    assert verified(archive, base="refs/gittrack/code^1").outcome == "PASS"
    with pytest.raises(NotFoundError):
        verify_bundle(archive, selection=["nobody"])
    with pytest.raises(NotFoundError):
        verify_bundle(archive.with_name("nothing.tar"))


def test_one_flipped_byte_in_any_file_fails(archive: Path, tmp_path: Path) -> None:
    """Each file in turn."""
    for name, data in read(archive).items():
        at = len(data) // 2
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        write(archive, members_of(read(archive) | {name: changed}))
        report = verified(archive)
        assert report.outcome == "FAIL", name
        assert name == SUMS or any(finding.path == name for finding in report.findings), name
        write(archive, members_of(read(archive) | {name: data}))


def test_a_flipped_byte_anywhere_fails_or_changes_nothing(archive: Path, tmp_path: Path) -> None:
    """In headers, in content, in what lies between: in every block of the archive one byte."""
    honest = archive.read_bytes()
    whole = _opened(archive, tmp_path / "0")
    assert whole is not None
    chance = random.Random(7)
    unnoticed = 0
    for number, block in enumerate(range(0, len(honest), 512), 1):
        at = block + chance.randrange(512)
        archive.write_bytes(honest[:at] + bytes([honest[at] ^ (1 << chance.randrange(8))]) + honest[at + 1 :])
        seen = _opened(archive, tmp_path / str(number))
        unnoticed += seen is not None
        assert seen in (None, whole), at
        shutil.rmtree(tmp_path / str(number))
    assert unnoticed <= 2  # the one field of a header that its checksum does not cover


def _opened(archive: Path, room: Path) -> dict[str, object] | None:
    """The files and their digests; None where something is found."""
    try:
        opened = open_bundle(archive, room)
        found = [*check._sums(opened), *check._names(opened)]
    except Damaged:
        return None
    return None if found else dict(opened.files)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_archive_fails(archive: Path, share: float, packed: bool) -> None:
    """Wherever it was cut."""
    whole = archive.read_bytes()
    whole = gzip.compress(whole) if packed else whole.rstrip(b"\0")
    archive.write_bytes(whole[: int(len(whole) * share)])
    report = verified(archive)
    assert report.outcome == "FAIL"
    assert codes(report) == ["bundle-unreadable"]


def test_files_that_are_no_bundle_fail(tmp_path: Path) -> None:
    """Text, zeros, an archive of something else, an empty folder."""
    (tmp_path / "text").write_text("hello\n" * 500)
    (tmp_path / "zeros").write_bytes(bytes(10240))
    write(tmp_path / "other.tar", [member("thesis/chapter.txt", b"x")])
    (tmp_path / "empty").mkdir()
    for name, code in (
        ("text", "bundle-unreadable"), ("zeros", "bundle-missing"), ("other.tar", "bundle-entry"),
        ("empty", "bundle-missing"),
    ):  # fmt: skip
        assert codes(verified(tmp_path / name)) == [code]


# --- content that was altered, with checksums made anew ---------------------------------------------


def test_bytes_of_a_model(archive: Path) -> None:
    """Other bytes are not those that the file is named after, nor those of the record."""
    (name,) = [name for name, data in read(archive).items() if data == b"first\n"]
    alter(archive, **{name.replace("/", "_"): b"fORst\n"})
    assert codes(verified(archive)) == ["bundle-name", "data-bytes-differ"]
    alter(archive, **{name.replace("/", "_"): None})
    report = verified(archive)
    assert codes(report) == ["bundle-missing"] and report.findings[0].path == name


def test_bytes_that_are_named_right_and_are_others(archive: Path) -> None:
    """The record's pointer names them by MD5; a row that puts them elsewhere is not believed."""
    rows = read(archive)["pointers.tsv"].decode().splitlines()
    (model,) = [row for row in rows if "\tmodel.pkl\t" in row]
    other = hashlib.md5(b"other\n", usedforsecurity=False).hexdigest()
    elsewhere = model.rpartition("\t")[0] + f"\tdata/files/md5/{other[:2]}/{other[2:]}"
    for forged in (elsewhere, model.replace("model.pkl\t", "better.pkl\t"), "x", ""):
        text = "\n".join([row if row != model else forged for row in rows])
        alter(archive, pointers_tsv=f"{text}\n".encode())
        assert codes(verified(archive)) == ["bundle-pointers"], forged
    alter(archive, pointers_tsv=b"run\n")
    assert codes(verified(archive)) == ["bundle-pointers"]


def test_bytes_that_no_record_leads_to(archive: Path) -> None:
    """Smuggled in under their own name: noted; a list of files, which the code may track, is not."""
    name = hashlib.md5(b"stowaway", usedforsecurity=False).hexdigest()
    stowaway = f"data/files/md5/{name[:2]}/{name[2:]}"
    for ending, found in (("", ["bundle-unnamed"]), (".dir", [])):
        files = summed(read(archive) | {stowaway + ending: b"stowaway"})
        write(archive.with_name("more.tar"), members_of(files))
        report = verified(archive.with_name("more.tar"))
        assert (report.outcome, codes(report)) == ("PASS", found)


def test_files_left_out_or_added(archive: Path) -> None:
    """With and without a line in SHA256SUMS."""
    files = read(archive)
    extra = {"ABSENT.txt": b"nothing\n"}
    cases: list[tuple[dict[str, bytes], list[str]]] = [
        (files | extra, ["bundle-absent", "bundle-unlisted"]),
        ({k: v for k, v in files.items() if k != "schemas/run.schema.json"}, ["bundle-missing"]),
        (summed({k: v for k, v in files.items() if k != "pointers.tsv"}), ["bundle-missing"]),
        (summed({k: v for k, v in files.items() if k != "repository.bundle"}), ["bundle-missing"]),
        ({k: v for k, v in files.items() if k != "SHA256SUMS"}, ["bundle-missing"]),
    ]
    for case, expected in cases:
        write(archive, members_of(case))
        report = verified(archive)
        assert (codes(report), report.outcome) == (expected, "FAIL")


def test_checksums_in_other_words(archive: Path) -> None:
    """Out of order, twice, of a path outside, of anything that sha256sum would take for an option."""
    files = read(archive)
    lines = files["SHA256SUMS"].splitlines(keepends=True)
    for text in (
        b"".join(reversed(lines)), b"".join([lines[0], *lines]), b"".join(lines).upper(), b"x" * 100_000,
        b"".join(lines) + b"0" * 64 + b"  ../../etc/passwd\n", b"".join(lines).replace(b"  ", b" *"),
        b"".join(lines)[:-1],
    ):  # fmt: skip
        write(archive, members_of(files | {"SHA256SUMS": text}))
        assert codes(verified(archive)) == ["bundle-sums"]


# --- the git bundle ---------------------------------------------------------------------------------


@pytest.fixture
def forger(archive: Path, tmp_path: Path) -> Path:
    """A mirror of what the git bundle holds, to forge in."""
    (tmp_path / "honest.bundle").write_bytes(read(archive)["repository.bundle"])
    run_git(tmp_path, "clone", "-q", "--mirror", "honest.bundle", "forger.git")
    return tmp_path / "forger.git"


def forged(archive: Path, forger: Path, *what: str) -> None:
    """Put a git bundle of `what` into the archive."""
    run_git(forger, "bundle", "create", "-q", "../forged.bundle", *what)
    alter(archive, repository_bundle=(forger.parent / "forged.bundle").read_bytes())


ALL = (LEDGER, "refs/gittrack/code")


def test_a_git_bundle_that_stock_git_made_is_as_good(archive: Path, forger: Path) -> None:
    """Ours differs in how it is packed only."""
    forged(archive, forger, *ALL)
    assert verify_bundle(archive).outcome == "PASS"


def test_a_rewritten_ledger_is_what_verify_says_of_it(archive: Path, forger: Path, tmp_path: Path) -> None:
    """A cut one passes, for nothing in it tells; whoever kept its last commit sees it."""
    tip = run_git(forger, "rev-parse", LEDGER).strip()
    run_git(forger, "update-ref", LEDGER, f"{tip}~1")
    forged(archive, forger, *ALL)
    report = verified(archive)
    left_over = ["bundle-pointers", "bundle-unnamed"]
    assert (report.runs, codes(report)) == (1, left_over)
    rows = read(archive)["pointers.tsv"].decode().splitlines()
    gone = {finding.found.split("\t")[0] for finding in report.findings if finding.found}
    text = "\n".join(row for row in rows if row.split("\t")[0] not in gone)
    alter(archive, pointers_tsv=f"{text}\n".encode())
    report = verified(archive)
    assert (report.outcome, codes(report)) == ("PASS", ["bundle-unnamed"])
    (tmp_path / "pinned.txt").write_text(f"{tip}\n")
    for anchor in (tip, str(tmp_path / "pinned.txt")):
        report = verified(archive, anchor=anchor)
        assert (report.outcome, codes(report)) == ("FAIL", ["bundle-unnamed", "history-rolled-back"])


def test_an_edited_record_fails(archive: Path, forger: Path) -> None:
    """In a later commit, as in a clone."""
    run_git(forger.parent, "clone", "-q", "-b", "gittrack/runs", str(forger), "work")
    work = forger.parent / "work"
    (record, *_) = sorted(work.rglob("run.yaml"))
    record.write_text(record.read_text().replace("status: finished", "status: killed"))
    run_git(work, "commit", "-q", "-a", "-m", "correction")
    run_git(work, "push", "-q", "origin", "gittrack/runs")
    forged(archive, forger, *ALL)
    assert "history-modified" in codes(verified(archive))


def test_code_that_was_left_out_is_missed(archive: Path, forger: Path) -> None:
    """Without the anchor nothing says whether code is there."""
    forged(archive, forger, LEDGER)
    report = verified(archive)
    assert report.outcome == "INCOMPLETE" and "code-missing" in codes(report)


def test_refs_that_a_bundle_does_not_hold(archive: Path, forger: Path) -> None:
    """A replace ref, HEAD, a branch besides the ledger; none of them gets into the repository."""
    tip = run_git(forger, "rev-parse", LEDGER).strip()
    run_git(forger, "update-ref", f"refs/replace/{tip}", f"{tip}~1")
    forged(archive, forger, *ALL, f"refs/replace/{tip}")
    report = verified(archive)
    assert codes(report) == ["bundle-refs"] and report.findings[0].path == f"refs/replace/{tip}"
    run_git(forger, "update-ref", "refs/heads/main", f"{tip}~1")
    for what in ((*ALL, "refs/heads/main"), ("refs/gittrack/code",)):
        forged(archive, forger, *what)
        assert codes(verified(archive)) == ["bundle-refs"]


def test_git_bundles_that_do_not_stand_alone(archive: Path, forger: Path) -> None:
    """One that builds on other commits, one with a filter, one that is none, one with refs git refuses."""
    forged(archive, forger, f"{LEDGER}~1..{LEDGER}")
    assert codes(verified(archive)) == ["bundle-git"]
    honest = (forger.parent / "honest.bundle").read_bytes()
    head, _, pack = honest.partition(b"\n\n")
    lines = head.splitlines()
    cases = {
        b"\n".join([b"# v3 git bundle", b"@filter=blob:none", *lines[1:]]): "bundle-git",
        b"\n".join([b"# v3 git bundle", b"@object-format=md5", *lines[1:]]): "bundle-git",
        b"\n".join([b"# v4 git bundle", *lines[1:]]): "bundle-git",
        b"\n".join([*lines, b"x" * 100]): "bundle-git",
        b"\n".join([lines[0], b"0" * 39 + b"1 refs/heads/gittrack/runs"]): "bundle-refs",
        b"\n".join([*lines, lines[1].split()[0] + b" refs/tags/../../x"]): "bundle-refs",
        b"\n".join([*lines, lines[1].split()[0] + b" refs/tags/--upload-pack=x"]): "",
    }
    for number, (changed, code) in enumerate(cases.items()):
        alter(archive, repository_bundle=changed + b"\n\n" + pack)
        assert codes(verified(archive)) == ([code] if code else []), number
    alter(archive, repository_bundle=b"")
    assert codes(verified(archive)) == ["bundle-git"]
    alter(archive, repository_bundle=honest[: len(honest) // 2])
    assert codes(verified(archive)) == ["bundle-git"]


def test_an_object_as_large_as_memory_is_refused(
    archive: Path, forger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that deflates well: git stops at what one object may take."""
    monkeypatch.setattr(check, "_ALLOCATION", "4m")
    data = subprocess.run(
        ["git", "cat-file", "commit", LEDGER], cwd=forger, capture_output=True, check=True
    ).stdout
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
    made = subprocess.run(
        command, cwd=forger, input=data + b"x" * (8 << 20), capture_output=True, check=True
    ).stdout
    run_git(forger, "update-ref", LEDGER, made.decode().strip())
    forged(archive, forger, *ALL)
    assert codes(verified(archive)) == ["bundle-git"]


def test_nothing_of_the_users_configuration_runs(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks and templates that git would take from the configuration."""
    (tmp_path / "hooks").mkdir()
    for name in ("reference-transaction", "post-checkout"):
        hook = tmp_path / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    with Path(os.environ["GIT_CONFIG_GLOBAL"]).open("a") as config:
        config.write(f"[core]\n\thooksPath = {tmp_path}/hooks\n[init]\n\ttemplateDir = {tmp_path}\n")
        config.write("[safe]\n\tbareRepository = explicit\n")
    assert verify_bundle(archive).outcome == "PASS"
    assert not (tmp_path / "ran").exists()


def test_killed_it_leaves_nothing(archive: Path, temporary: Path) -> None:
    """Also by a signal that nobody can handle."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom gittrack.publishing.bundle import check\n"
        "def slow(*args):\n    print('verifying', flush=True)\n    time.sleep(60)\n"
        "check._verified = slow\ncheck.verify_bundle(Path(sys.argv[1]))\n"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        env = os.environ | {"TMPDIR": str(temporary)}
        root = Path(__file__).parents[3]
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(archive)], stdout=subprocess.PIPE, cwd=root, env=env
        )
        assert process.stdout is not None and process.stdout.readline() == b"verifying\n"
        assert list(temporary.iterdir())
        process.send_signal(number)
        process.wait()
        process.stdout.close()
        until = time.monotonic() + 60
        while list(temporary.iterdir()) and time.monotonic() < until:
            time.sleep(0.05)
        assert list(temporary.iterdir()) == []
