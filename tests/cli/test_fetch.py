"""gittrack fetch: the right bytes, whole and checked, or nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.dvc.cache import object_path
from gittrack.formats.record import Output
from gittrack.git.repository import Repository
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256
from tests.governance.registry.shop import Shop, do, shop
from tests.ledgers import commit_records
from tests.repositories import run_git

__all__ = ["shop"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def churn(shop: Shop, capsys: Captured) -> Shop:
    """Versions v0.0.1 in prod, and v0.0.2."""
    do("register", "latest~1", "--model", "churn", "-q")
    do("register", "latest", "--model", "churn", "-q")
    do("promote", "churn@v0.0.1", "--stage", "prod", "-q")
    return shop


def cached(shop: Shop, at: int = 0) -> Path:
    return object_path(shop.top / ".dvc" / "cache", shop.records[at].outputs[0].md5)


def spoil(file: Path, data: bytes = b"weights X") -> None:
    file.chmod(0o644)
    file.write_bytes(data)
    file.chmod(0o444)  # as DVC keeps what it trusts


@pytest.mark.parametrize(
    ("word", "data"),
    [
        ("churn@prod", b"weights 0"),
        ("churn#prod", b"weights 0"),
        ("churn@v0.0.2", b"weights 1"),
        ("churn", b"weights 1"),
        ("churn@latest", b"weights 1"),
        ("latest~1", b"weights 0"),
        ("digits/latest", b"weights 1"),
    ],
)
def test_what_is_asked_for_is_brought(churn: Shop, capsys: Captured, word: str, data: bytes) -> None:
    """Here, under its own name; a second time nothing is done."""
    capsys.readouterr()
    assert execute(["fetch", word]) == 0
    assert (churn.top / "model.bin").read_bytes() == data
    out, err = capsys.readouterr()
    assert out == "" and "model.bin of run" in err and "sha256" in err
    assert execute(["fetch", word]) == 0
    assert "was there already" in capsys.readouterr().err
    assert sorted(p.name for p in churn.top.iterdir() if p.name.startswith(".")) == [
        ".dvc", ".git", ".gitignore",
    ]  # fmt: skip


def test_never_over_something_else(churn: Shop, tmp_path: Path, capsys: Captured) -> None:
    """A file, a folder, a link: refused; with --force replaced, and a link itself, not what it leads to."""
    target, other = tmp_path / "there.bin", tmp_path / "other"
    other.write_text("mine")
    target.symlink_to(other)
    assert execute(["fetch", "churn@prod", "-o", str(target)]) == 2
    assert "--force" in capsys.readouterr().err and other.read_text() == "mine"
    assert execute(["fetch", "churn@prod", "-o", str(target), "--force", "-q"]) == 0
    assert not target.is_symlink() and target.read_bytes() == b"weights 0" and other.read_text() == "mine"
    assert execute(["fetch", "churn", "-o", str(target)]) == 2
    assert target.read_bytes() == b"weights 0"
    folder = tmp_path / "models"
    folder.mkdir()
    assert execute(["fetch", "churn", "-o", str(folder)]) == 0
    assert (folder / "model.bin").read_bytes() == b"weights 1"
    assert execute(["fetch", "churn", "-o", str(tmp_path / "new" / "deep" / "m.bin")]) == 0
    assert (tmp_path / "new" / "deep" / "m.bin").read_bytes() == b"weights 1"


def test_other_bytes_in_the_cache(churn: Shop, tmp_path: Path, capsys: Captured) -> None:
    """Ends with 1, says which file, and leaves nothing, not even with --force."""
    spoil(cached(churn))
    target = tmp_path / "out" / "m.bin"
    target.parent.mkdir()
    for words in ([], ["--force"]):
        assert execute(["fetch", "churn@prod", "-o", str(target), *words]) == 1
        err = capsys.readouterr().err
        assert "not those that were recorded" in err and str(cached(churn)) in err
        assert list(target.parent.iterdir()) == []
    target.write_text("mine")
    assert execute(["fetch", "churn@prod", "-o", str(target), "--force"]) == 1
    assert target.read_text() == "mine" and len(list(target.parent.iterdir())) == 1


def test_bytes_of_the_right_md5_and_another_sha256(churn: Shop, tmp_path: Path, capsys: Captured) -> None:
    """md5 can be forged: what counts is sha256."""
    record = churn.records[0]
    output = replace(record.outputs[0], sha256="0" * 64)
    forged = replace(record, id="20990101-000000-abcdef", outputs=(output,))
    commit = commit_records(Repository.discover(churn.top), [forged])
    churn.tag("churn@v3.0.0", commit, f"x\n\n{RUN}: {forged.id}\n{OUTPUT}: model.bin\n{SHA256}: {'0' * 64}")
    for word in ("churn@v3.0.0", forged.id):
        assert execute(["fetch", word, "-o", str(tmp_path / "m.bin")]) == 1
        assert "not those that were recorded" in capsys.readouterr().err
    assert not (tmp_path / "m.bin").exists()


def test_a_tag_with_another_sha256(churn: Shop, capsys: Captured) -> None:
    """Is no run, and nothing is fetched."""
    commit = churn.commit_of(churn.records[0])
    text = f"x\n\n{RUN}: {churn.records[0].id}\n{OUTPUT}: model.bin\n{SHA256}: {'a' * 64}"
    churn.tag("churn@v3.0.0", commit, text)
    assert execute(["fetch", "churn@v3.0.0"]) == 2
    assert "is not a run" in capsys.readouterr().err
    assert not (churn.top / "model.bin").exists()


EVIL = ["../../evil.bin", "/evil.bin", "..", "a/..", ".git", "x/.bashrc", "a\nb", "con\x1b[2J", "a\\b"]


@pytest.mark.parametrize("path", EVIL)
def test_no_path_of_a_record_leads_outside(shop: Shop, tmp_path: Path, capsys: Captured, path: str) -> None:
    """Only the last part of it is a name, and only a harmless one."""
    record = shop.records[0]
    output = replace(record.outputs[0], path=path)
    forged = replace(record, id="20990101-000000-abcdef", outputs=(output,))
    commit_records(Repository.discover(shop.top), [forged])
    before = {p for p in tmp_path.rglob("*") if ".git" not in p.parts and ".dvc" not in p.parts}
    code = execute(["fetch", forged.id])
    made = {p for p in tmp_path.rglob("*") if ".git" not in p.parts and ".dvc" not in p.parts} - before
    assert "\x1b" not in capsys.readouterr().err
    assert (code, made) in ((2, set()), (0, {shop.top / "evil.bin"}))
    assert execute(["fetch", forged.id, "-o", "safe.bin"]) == 0
    assert (shop.top / "safe.bin").read_bytes() == b"weights 0"


def folder_run(shop: Shop) -> Output:
    import gittrack

    folder = shop.top / "saved.bin"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    with gittrack.start_run("digits") as run:
        run.log_model("saved.bin")
    assert run.record is not None
    shop.records.append(run.record)
    (folder / "a.txt").write_text("changed")
    return run.record.outputs[0]


def test_a_folder(shop: Shop, tmp_path: Path, capsys: Captured) -> None:
    """Whole; replaced as a whole; and not at all when one file of it is wrong."""
    folder_run(shop)
    do("register", "latest", "--model", "churn", "-q")
    target = tmp_path / "here"
    assert execute(["fetch", "churn", "-o", str(target)]) == 0
    assert (target / "sub" / "b.txt").read_text() == "b"
    assert execute(["fetch", "churn"]) == 2
    assert execute(["fetch", "churn", "--force"]) == 0
    assert (shop.top / "saved.bin" / "a.txt").read_text() == "a"
    spoil(next(p for p in (shop.top / ".dvc" / "cache").rglob("*") if p.is_file() and p.read_bytes() == b"b"))
    assert execute(["fetch", "churn", "-o", str(tmp_path / "again")]) == 1
    assert not (tmp_path / "again").exists()


def test_from_the_remote(churn: Shop, tmp_path: Path, capsys: Captured) -> None:
    """Of a clone that has nothing: ledger, tags and bytes; offline it says what is missing."""
    from tests.dvc_repo import dvc

    dvc(
        "remote",
        "add",
        "-q",
        "-d",
        "storage",
        os.path.relpath(tmp_path / "storage", churn.top),
        cwd=churn.top,
    )
    run_git(churn.top, "commit", "-q", "-am", "remote")
    run_git(tmp_path, "init", "-q", "--bare", "origin.git")
    run_git(churn.top, "remote", "add", "origin", str(tmp_path / "origin.git"))
    run_git(churn.top, "push", "-q", "origin", "main")
    do("push", "--artifacts")
    run_git(churn.top, "push", "-q", "origin", "--tags")
    run_git(tmp_path, "clone", "-q", "origin.git", "clone")
    os.chdir(tmp_path / "clone")
    do("init")
    do("pull")
    capsys.readouterr()
    assert execute(["fetch", "churn@prod"]) == 0
    assert Path("model.bin").read_bytes() == b"weights 0"
    (tmp_path / "storage").rename(tmp_path / "gone")
    assert execute(["fetch", "churn@v0.0.2", "-o", "other.bin"]) == 5
    err = capsys.readouterr().err
    assert "model.bin" in err and "is not in the DVC cache" in err and not Path("other.bin").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["churn@v9.0.0"], "has no v9.0.0"),
        (["churn@dev"], "stages in use are prod"),
        (["chrun@prod"], "there are churn"),
        (["nosuch"], "no run 'nosuch'"),
        (["churn@prod", "--path", "model.bin"], "leave --path out"),
        (["latest", "--path", "nothing"], "it has model.bin"),
        (["@prod"], "no name for a model"),
    ],
)
def test_wrong_input(churn: Shop, capsys: Captured, words: list[str], says: str) -> None:
    """One line, code 2."""
    assert execute(["fetch", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
