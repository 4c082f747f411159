"""The page of a bundle is true: its commands work on a machine that has git, tar, sh and coreutils alone."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gittrack import cli
from gittrack.formats.record import Output, Record
from tests.dvc_repo import dvc
from tests.ledgers import records
from tests.publishing.bundle.archives import ROOT, alter, members_of, read, write
from tests.publishing.bundle.bundles import bundle
from tests.repositories import run_git

# GNU coreutils, as many as the page needs; echo and test are the shell's own.
COREUTILS = ("basename", "cp", "cut", "dirname", "head", "mkdir", "sha256sum", "sort", "tr")


def bare_machine(where: Path) -> dict[str, str]:
    """The environment of a machine with those tools and no others: no Python, no gittrack, no DVC."""
    tools = where / "bin"
    tools.mkdir()
    for name in ("sh", "git", "tar", *COREUTILS):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    for name in ("python3", "python", "gittrack", "dvc", "grep", "sed", "awk"):
        assert shutil.which(name, path=str(tools)) is None
    (where / "home").mkdir()
    return {"PATH": str(tools), "HOME": str(where / "home"), "LC_ALL": "C.UTF-8"}


def read_by_hand(archive: Path, where: Path, **instead: str) -> subprocess.CompletedProcess[str]:
    """Unpack, and type all blocks of the page, with other values for some of its variables."""
    where.mkdir()
    env = bare_machine(where)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(where)], check=True, env=env)
    page = (where / ROOT / "README.md").read_text()
    script = "".join(re.findall(r"(?ms)^```sh\n(.*?)^```$", page))
    assert script.count("\n") > 40
    for name, value in instead.items():
        script, count = re.subn(rf"(?m)^{name}=.*$", f"{name}='{value}'", script)
        assert count == 1
    return subprocess.run(
        ["sh", "-s"], input=script, cwd=where / ROOT, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def published(shared: Path, tmp_path: Path) -> tuple[Path, list[Record]]:
    """A bundle of everything, the project it was made of being gone."""
    found = records(shared)
    bundle(shared, tmp_path / "all.tar", data=True)
    shared.rename(tmp_path / "gone")
    return tmp_path / "all.tar", found


def output_of(record: Record) -> Output:
    return record.outputs[0]


def test_a_model_is_read_by_the_page_alone(published: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """The record, the code, the model, whose SHA-256 is that of the record."""
    archive, (first, _) = published
    done = read_by_hand(archive, tmp_path / "away")
    assert done.returncode == 0, done.stdout + done.stderr
    out = output_of(first)
    assert f"{out.md5} {out.sha256}" in done.stdout.splitlines()
    assert re.search(r"(?m)^data/files/md5/.*: OK$", done.stdout)
    model = tmp_path / "away" / "model.pkl"
    assert hashlib.sha256(model.read_bytes()).hexdigest() == out.sha256
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("id: ")]
    assert yaml.safe_load(line) == {"id": first.id}, "one id in ten is quoted"
    assert "run.yaml" in done.stdout
    assert (tmp_path / "away/code/train.py").read_text() == "print('training')\n"
    assert done.stderr == ""


def test_a_folder_and_data_are_read_by_it_too(published: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """With another run and pointer in its variables."""
    archive, (first, second) = published
    out = output_of(second)
    done = read_by_hand(archive, tmp_path / "folder", id=second.id, pointer=out.pointer)
    assert done.returncode == 0, done.stdout + done.stderr
    models = tmp_path / "folder" / "models"
    assert {p.name: p.read_text() for p in models.iterdir()} == {"a": "a\n", "b": "b\n"}
    assert "../listed: OK" in done.stdout
    data = first.data[0]
    done = read_by_hand(archive, tmp_path / "data", id=first.id, pointer=str(data.pointer))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{data.md5} {data.sha256}" in done.stdout.splitlines()
    assert (tmp_path / "data" / "data.csv").read_text() == "1,2,3\n"


@pytest.mark.parametrize("sums", [False, True])
def test_altered_bytes_end_it(published: tuple[Path, list[Record]], tmp_path: Path, sums: bool) -> None:
    """Found by SHA256SUMS, or, where that was written anew, by the record."""
    archive, (first, _) = published
    name = f"data_files_md5_{output_of(first).md5[:2]}_{output_of(first).md5[2:]}"
    before = read(archive)["SHA256SUMS"]
    alter(archive, **{name: b"other\n"})
    if not sums:
        write(archive, members_of(read(archive) | {"SHA256SUMS": before}))
    done = read_by_hand(archive, tmp_path / "away")
    assert done.returncode != 0
    assert ("1 computed checksum did NOT match" in done.stderr) or "FAILED" in done.stdout
    assert ("run.yaml" in done.stdout) == sums


def test_a_bundle_without_bytes_is_read_as_well(shared: Path, tmp_path: Path) -> None:
    """And so is one of a ledger on another branch."""
    (shared / "gittrack.yaml").write_text("ledger:\n  branch: our/runs\n")
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    assert cli.execute(["bundle", "-q", "-o", str(tmp_path / "plain.tar")]) == 0
    done = read_by_hand(tmp_path / "plain.tar", tmp_path / "away")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No bytes are in this bundle" in read(tmp_path / "plain.tar")["README.md"].decode()
    assert cli.execute(["verify", "-q", "--bundle", str(tmp_path / "plain.tar")]) == 0


def test_stock_dvc_pulls_from_it(published: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """The data of a bundle is a DVC remote, as its page says."""
    archive, (first, second) = published
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tmp_path)], check=True, env=dict(os.environ))
    where = tmp_path / ROOT
    run_git(tmp_path, "clone", "-q", "-b", "gittrack/runs", str(where / "repository.bundle"), "records")
    clone = tmp_path / "records"
    dvc("remote", "add", "--local", "--default", "bundle", os.path.relpath(where / "data", clone), cwd=clone)
    pointers = [f"{record.path}/{output_of(record).pointer}" for record in (first, second)]
    dvc("pull", *pointers, cwd=clone)
    assert (clone / first.path / "outputs/model.pkl").read_text() == "first\n"
    assert (clone / second.path / "outputs/models/b").read_text() == "b\n"
