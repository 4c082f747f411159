"""What goes into a bundle, that the same content gives the same bytes, and when it is refused."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack import cli
from gittrack.dvc.cache import object_path
from gittrack.errors import DvcError, GittrackError, LedgerError, NotFoundError, RepositoryError, UsageError
from gittrack.formats.codec import schema_names
from gittrack.publishing.bundle import verify_bundle
from gittrack.publishing.bundle.contents import Item, cell
from gittrack.publishing.bundle.readme import readme
from tests import dvc_repo
from tests.ledgers import records
from tests.publishing.bundle.archives import ROOT, read
from tests.publishing.bundle.bundles import LEDGER, bundle
from tests.repositories import run_git
from tests.shared import make_run

FIXED = {"README.md", "SHA256SUMS", "pointers.tsv", "repository.bundle"}


def data_of(files: dict[str, bytes]) -> set[str]:
    return {name for name in files if name.startswith("data/")}


def test_it_holds_ledger_schemas_page_and_what_was_asked_for(shared: Path, tmp_path: Path) -> None:
    """Without bytes by default; with --data those of every input and output, files in folders too."""
    made = bundle(shared, tmp_path / "plain.tar")
    files = read(tmp_path / "plain.tar")
    assert set(files) == FIXED | {f"schemas/{name}.schema.json" for name in schema_names()}
    assert (made.runs, made.objects, made.absent) == (2, 0, 0)
    assert made.tip == run_git(shared, "rev-parse", LEDGER).strip()
    assert made.sums == hashlib.sha256(files["SHA256SUMS"]).hexdigest()

    made = bundle(shared, tmp_path / "all.tar", data=True)
    files = read(tmp_path / "all.tar")
    held = {name: data for name, data in files.items() if name.startswith("data/files/md5/")}
    assert made.objects == len(held) == len(data_of(files)) == 5  # data, model, a folder with two files
    for name, data in held.items():
        named = "".join(name.split("/")[-2:]).removesuffix(".dir")
        assert hashlib.md5(data, usedforsecurity=False).hexdigest() == named
    assert made.size == sum(map(len, held.values()))


def test_names_options_and_roles_choose(shared: Path, tmp_path: Path) -> None:
    """One run, one experiment, outputs, one role; the whole ledger is in each."""
    first, second = records(shared)
    make_run("model.pkl", "echo third > model.pkl")
    cases: list[tuple[list[str], dict[str, Any], int]] = [
        ([first.id[-6:]], {"outputs": True}, 1),
        ([second.id], {"outputs": True}, 3),
        ([first.id, second.id], {"roles": ["train"]}, 1),
        ([first.id], {"data": True}, 2),
        ([first.experiment], {"roles": ["model"]}, 5),
        ([], {"roles": ["model", "train"]}, 6),
    ]
    for number, (names, options, objects) in enumerate(cases):
        target = tmp_path / f"{number}.tar"
        made = bundle(shared, target, *names, **options)
        assert (made.objects, made.runs) == (objects, 3), (names, options)
        assert verify_bundle(target).outcome == "PASS"


def test_pointers_say_what_is_where(shared: Path, tmp_path: Path) -> None:
    """A row for each thing that the chosen records point to, with the place of its bytes if they are here."""
    first, _ = records(shared)
    bundle(shared, tmp_path / "all.tar", first.id, outputs=True)
    head, *rows = read(tmp_path / "all.tar")["pointers.tsv"].decode().splitlines()
    assert head.split("\t") == ["run", "kind", "role", "path", "pointer", "md5", "sha256", "size", "bytes"]
    (data, model) = [row.split("\t") for row in rows]
    out = first.outputs[0]
    assert data[:4] == [first.id, "input", "train", "data.csv"] and data[-1] == "-"
    assert model == [
        first.id, "output", "model", "model.pkl", out.pointer, out.md5, out.sha256, str(out.size),
        f"data/files/md5/{out.md5[:2]}/{out.md5[2:]}",
    ]  # fmt: skip


def test_the_same_content_gives_the_same_bytes(shared: Path, tmp_path: Path) -> None:
    """Twice, after git packed otherwise, in another clone; plain, compressed, as a folder."""
    for name in ("1.tar", "1.tgz"):
        bundle(shared, tmp_path / name, data=True)
    run_git(shared, "repack", "-a", "-d", "-f", "-q", "--window=50")
    time.sleep(1.1)
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", "--mirror", str(shared), str(clone / ".git"))
    run_git(clone, "config", "core.bare", "false")
    shutil.copytree(shared / ".dvc", clone / ".dvc")
    for top, number in ((shared, 2), (clone, 3)):
        for form in ("tar", "tgz"):
            bundle(top, tmp_path / f"{number}.{form}", data=True)
            one, other = tmp_path / f"1.{form}", tmp_path / f"{number}.{form}"
            assert one.read_bytes() == other.read_bytes()
    bundle(clone, tmp_path / "folder", data=True)
    there = {p.relative_to(tmp_path / "folder").as_posix(): p for p in (tmp_path / "folder").rglob("*")}
    found = {name: path.read_bytes() for name, path in there.items() if path.is_file()}
    assert found == read(tmp_path / "1.tar") == read(tmp_path / "1.tgz")


def test_what_tar_sees(shared: Path, tmp_path: Path) -> None:
    """Sorted, one owner, the time of the ledger's last commit, one folder."""
    bundle(shared, tmp_path / "all.tar", data=True)
    when = int(run_git(shared, "show", "-s", "--format=%ct", LEDGER))
    with tarfile.open(tmp_path / "all.tar") as tar:
        members = tar.getmembers()
    *names, last = [m.name for m in members]
    assert names == sorted(names) and last == f"{ROOT}/SHA256SUMS"
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members} == {
        (0, 0, "", "", when, 0o644)
    }


def test_stock_git_reads_the_git_bundle(shared: Path, tmp_path: Path) -> None:
    """Complete, with the ledger, the code and the tags on ledger commits; not the branches of code."""
    run_git(shared, "tag", "-a", "-m", "release", "paper", f"{LEDGER}~1")
    run_git(shared, "tag", "code-1.0", "main")
    bundle(shared, tmp_path / "made")
    run_git(tmp_path, "init", "-q", "--bare", "empty.git")
    git = ("-C", "empty.git", "bundle")
    assert "complete history" in run_git(tmp_path, *git, "verify", str(tmp_path / "made/repository.bundle"))
    heads = run_git(tmp_path, *git, "list-heads", str(tmp_path / "made/repository.bundle"))
    assert [line.split()[1] for line in heads.splitlines()] == [
        f"refs/heads/{LEDGER}", "refs/gittrack/code", "refs/tags/paper",
    ]  # fmt: skip
    assert verify_bundle(tmp_path / "made").outcome == "PASS"


def test_bytes_that_are_nowhere_are_refused_or_listed(shared: Path, tmp_path: Path) -> None:
    """One line names them; --partial takes the rest, of a folder too, and says what is not there."""
    first, second = records(shared)
    cache = shared / ".dvc/cache"
    inside = hashlib.md5(b"a\n", usedforsecurity=False).hexdigest()
    for md5 in (first.outputs[0].md5, inside):
        object_path(cache, md5).unlink()
    gone = sorted([f"{first.id}:model.pkl", f"{second.id}:models/a"])
    with pytest.raises(DvcError, match=f"{', '.join(gone)}; .*--partial"):
        bundle(shared, tmp_path / "all.tar", data=True)
    assert sorted(p.name for p in tmp_path.glob("*all*")) == []
    made = bundle(shared, tmp_path / "all.tar", data=True, partial=True)
    files = read(tmp_path / "all.tar")
    assert (made.absent, made.objects) == (2, 3)  # data, the list of the folder, and one of its files
    absent = [tuple(row.split("\t")) for row in files["ABSENT.txt"].decode().splitlines()[2:]]
    assert absent == sorted(
        [(first.id, "model.pkl", first.outputs[0].md5), (second.id, "models/a", second.outputs[0].md5)]
    )
    rows = [row.split("\t") for row in files["pointers.tsv"].decode().splitlines()[1:]]
    assert {(row[3], row[-1] != "-") for row in rows} == {
        ("data.csv", True), ("model.pkl", False), ("models", False),
    }  # fmt: skip
    report = verify_bundle(tmp_path / "all.tar")
    assert [(f.code, f.severity) for f in report.findings] == [("bundle-absent", "note")]
    assert report.outcome == "PASS"


def test_what_the_cache_lacks_is_fetched(shared: Path, tmp_path: Path) -> None:
    """From the DVC remote that is named; what that lacks as well is refused, or left out."""
    assert cli.execute(["push", "--artifacts"]) == 0
    shutil.rmtree(shared / ".dvc/cache")
    with pytest.raises(DvcError, match="give -r REMOTE"):
        bundle(shared, tmp_path / "all.tar", data=True)
    made = bundle(shared, tmp_path / "all.tar", data=True, dvc_remote="store")
    assert (made.objects, made.absent) == (5, 0)

    shutil.rmtree(shared / ".dvc/cache")
    first = records(shared)[0]
    object_path(tmp_path / "store", first.outputs[0].md5).unlink()
    with pytest.raises(DvcError, match=r"model\.pkl"):
        bundle(shared, tmp_path / "part.tar", data=True, dvc_remote="store")
    made = bundle(shared, tmp_path / "part.tar", data=True, dvc_remote="store", partial=True)
    assert (made.objects, made.absent) == (4, 1)


def test_a_corrupt_cache_is_noticed(shared: Path, tmp_path: Path) -> None:
    """Bytes are looked at as they are copied: nothing is left of the bundle."""
    md5 = records(shared)[0].outputs[0].md5
    kept = object_path(shared / ".dvc/cache", md5)
    kept.chmod(0o644)
    kept.write_bytes(b"fORst\n")
    for target in ("all.tar", "folder"):
        with pytest.raises(DvcError, match="corrupt"):
            bundle(shared, tmp_path / target, data=True)
    assert not [p for p in tmp_path.iterdir() if "all" in p.name or "folder" in p.name]


def test_data_of_old_dvc_lies_where_old_dvc_looks(shared: Path, tmp_path: Path) -> None:
    """A pointer without `hash` names text by its MD5 with other line ends."""
    md5 = hashlib.md5(b"x\ny\n", usedforsecurity=False).hexdigest()
    kept = shared / ".dvc/cache" / md5[:2] / md5[2:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x\r\ny\r\n")
    (shared / "old.csv").write_bytes(b"x\r\ny\r\n")
    (shared / "old.csv.dvc").write_text(f"outs:\n- md5: {md5}\n  size: 6\n  path: old.csv\n")
    run_git(shared, "add", "-f", "old.csv.dvc")
    run_git(shared, "commit", "-q", "-m", "old")
    (shared / ".git/info/exclude").write_text("/old.csv\n")
    assert cli.execute(["run", "-q", "--input", "old.csv:test", "--", "true"]) == 0
    record = records(shared)[-1]
    assert record.data[0].hash == "md5-dos2unix"
    made = bundle(shared, tmp_path / "old.tar", record.id, data=True)
    assert made.objects == 1 and data_of(read(tmp_path / "old.tar")) == {f"data/{md5[:2]}/{md5[2:]}"}
    assert verify_bundle(tmp_path / "old.tar", selection=[record.id]).outcome == "PASS"
    kept.write_bytes(b"x\r\nz\r\n")
    with pytest.raises(DvcError, match="corrupt"):
        bundle(shared, tmp_path / "bad.tar", record.id, data=True)


def test_data_in_a_tracked_folder_brings_its_list(shared: Path, tmp_path: Path) -> None:
    """Without the list verify could not say what the code tracks there; it is there even without --data."""
    (shared / "parts").mkdir()
    for name in ("one.csv", "two.csv"):
        (shared / "parts" / name).write_text(name)
    dvc_repo.add(shared, "parts")
    (shared / ".gitignore").write_text("/data.csv\n/model*\n/parts\n")
    run_git(shared, "add", "parts.dvc", ".gitignore")
    run_git(shared, "commit", "-q", "-m", "parts")
    assert cli.execute(["run", "-q", "--input", "parts/one.csv:train", "--", "true"]) == 0
    bundle(shared, tmp_path / "all.tar")
    (name,) = data_of(read(tmp_path / "all.tar"))
    assert name.endswith(".dir")
    report = verify_bundle(tmp_path / "all.tar")
    assert report.outcome == "PASS" and not report.findings


def test_without_dvc(inside: Path, tmp_path: Path) -> None:
    """Bytes from gittrack's own cache; data that was never stored cannot be had."""
    (inside / "raw.csv").write_text("1\n")
    (inside / ".git/info/exclude").write_text("/raw.csv\n/m\n")
    with gittrack.start_run("digits") as run:
        run.log_input("raw.csv", "train", store=False)
        (inside / "m").write_text("model")
        run.log_artifact("m", role="model")
    assert bundle(inside, tmp_path / "1.tar", roles=["model"]).objects == 1
    verified = verify_bundle(tmp_path / "1.tar", options=None)
    assert [f.code for f in verified.findings if f.severity == "incomplete"] == ["data-bytes-unkept"]
    with pytest.raises(DvcError, match=r"raw\.csv"):
        bundle(inside, tmp_path / "2.tar", data=True)


def test_sha256_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object format is that of the repository, in the bundle as well."""
    run_git(tmp_path, "init", "-q", "--object-format=sha256", "project")
    monkeypatch.chdir(tmp_path / "project")
    run_git(Path.cwd(), "commit", "-q", "--allow-empty", "-m", "first")
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    made = bundle(Path.cwd(), tmp_path / "all.tar")
    assert len(made.tip) == 64
    assert verify_bundle(tmp_path / "all.tar").outcome == "PASS"


@pytest.mark.parametrize("name", ["x.zip", "x.tar.xz", "no/such/x.tar"])
def test_targets_that_make_no_sense(shared: Path, tmp_path: Path, name: str) -> None:
    """Other forms, and folders that are not there."""
    with pytest.raises(UsageError):
        bundle(shared, tmp_path / name)


def test_what_is_there_is_replaced_only_by_force(shared: Path, tmp_path: Path) -> None:
    """And by force only a file of that form, or an empty folder."""
    file, folder = tmp_path / "x.tar", tmp_path / "x"
    folder.mkdir()
    bundle(shared, file)
    for target in (file, folder):
        with pytest.raises(UsageError, match="--force"):
            bundle(shared, target)
        made = bundle(shared, target, force=True, data=True)
        assert made.objects and verify_bundle(target).outcome == "PASS"
    (tmp_path / "link.tar").symlink_to(file)
    (tmp_path / "thesis").write_text("years of work")
    for target in (folder, tmp_path / "link.tar", tmp_path / "thesis"):
        with pytest.raises(UsageError, match="is not replaced"):
            bundle(shared, target, force=True)
    assert (tmp_path / "thesis").read_text() == "years of work"
    assert verify_bundle(folder).outcome == "PASS"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_is_asked_for_has_to_mean_something(shared: Path, tmp_path: Path) -> None:
    """Names without bytes, names of nothing, roles of nothing."""
    target = tmp_path / "x.tar"
    with pytest.raises(UsageError, match="add --data"):
        bundle(shared, target, "latest")
    with pytest.raises(NotFoundError, match="nobody"):
        bundle(shared, target, "nobody", data=True)
    with pytest.raises(NotFoundError, match="'modle': there is model, train"):
        bundle(shared, target, roles=["modle"])
    assert not target.exists()


def test_a_ledger_that_is_not_whole_is_refused(shared: Path, tmp_path: Path) -> None:
    """None, one that only a remote has, a shallow clone."""
    run_git(tmp_path, "init", "-q", "none")
    with pytest.raises(LedgerError, match="no ledger"):
        bundle(tmp_path / "none", tmp_path / "x.tar")
    assert cli.execute(["push"]) == 0
    run_git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "clone")
    with pytest.raises(LedgerError, match="gittrack pull"):
        bundle(tmp_path / "clone", tmp_path / "x.tar")
    shallow = ("clone", "-q", "--depth=1", "-b", LEDGER, f"file://{tmp_path}/hub.git", "shallow")
    run_git(tmp_path, *shallow)
    with pytest.raises(RepositoryError, match="shallow"):
        bundle(tmp_path / "shallow", tmp_path / "x.tar")


def test_killed_it_leaves_nothing(shared: Path, tmp_path: Path) -> None:
    """Also by a signal that nobody can handle."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom gittrack.publishing.bundle import archive\n"
        "from tests.publishing.bundle.bundles import bundle\n"
        "real = archive._to_tar\n"
        "def slow(*args):\n    real(*args)\n    print('writing', flush=True)\n    time.sleep(60)\n"
        "archive._to_tar = slow\nbundle(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    target = tmp_path / "out" / "x.tar"
    target.parent.mkdir()
    command = [sys.executable, "-c", program, str(shared), str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    assert list(target.parent.iterdir())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 60
    while list(target.parent.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(target.parent.iterdir()) == []


def test_hostile_names_stay_text() -> None:
    """In the table they are one cell, and no formula; no command of the page has them."""
    assert cell("a\tb\nc\\") == "a\\tb\\nc\\\\"
    assert cell("=HYPERLINK(1)").startswith("'=")
    for name in ("outputs/$(touch x).dvc", "outputs/a b.dvc", "outputs/`id`.dvc", "--help", "a\n```\nrm"):
        item = Item(
            folder="runs/e/2026-11-22/20261122-142233-7f3a2c", kind="output", role="model", path="x",
            pointer=name, md5="0" * 32, sha256=None, size=1,
        )  # fmt: skip
        assert name not in readme("gittrack/runs", [], {item: "data/files/md5/00/0"})
    assert "ledger='refs/heads/it'\"'\"'s;id'" in readme("it's;id", [], {})


def test_errors_are_one_line(shared: Path, tmp_path: Path) -> None:
    """Whatever it is."""
    cases: list[dict[str, Any]] = [{"roles": ["a\nb"]}, {"data": True, "dvc_remote": "nowhere"}]
    shutil.rmtree(shared / ".dvc/cache")
    for case in cases:
        with pytest.raises(GittrackError) as caught:
            bundle(shared, tmp_path / "x.tar", **case)
        assert "\n" not in str(caught.value)
