"""Check 1: what a clone lacks, what it was made to believe, and damage."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from gittrack.git.repository import Repository
from gittrack.reading.index import open_index
from gittrack.verify import VerifyOptions, verify
from tests.ledgers import BRANCH, commit_files
from tests.repositories import run_git
from tests.verify.contexts import Honest
from tests.verify.forge import ROOT, Forge, codes, run_files

A, B = run_files(0), run_files(1)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    forge = Forge.at(tmp_path / "repo")
    forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **A, **B})
    return forge


def clone(forge: Forge, *options: str) -> Forge:
    """A clone by the file protocol, with the ledger as its only branch."""
    where = forge.repository.top.parent / "clone"
    origin = forge.repository.top.as_uri()
    run_git(where.parent, "clone", "-q", "--no-checkout", "-b", BRANCH, *options, origin, str(where))
    return Forge(forge.repository.discover(where))


def loose(forge: Forge, revision: str) -> Path:
    """The file of an object."""
    oid = run_git(forge.repository.top, "rev-parse", revision).strip()
    return forge.repository.common_dir / "objects" / oid[:2] / oid[2:]


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_whole_clone_has_no_finding(forge: Forge) -> None:
    """The plain case."""
    assert clone(forge).codes("repository") == []


def test_sha256_repositories_are_verified_too(tmp_path: Path) -> None:
    """Ids of 64 digits."""
    from tests.ledgers import make_repository

    forge = Forge(make_repository(tmp_path / "new", "--object-format=sha256"))
    forge.chain(ROOT, {**ROOT, **A})
    assert forge.codes("repository", "history", "ledger") == []


def test_a_shallow_ledger_is_incomplete(forge: Forge) -> None:
    """Its history cannot be looked at."""
    report = clone(forge, "--depth=1").verify()
    assert [f.severity for f in report.findings if f.code == "repository-shallow"] == ["incomplete"]


def test_shallow_code_is_no_fault_of_the_ledger(forge: Forge) -> None:
    """CI checks out one commit of the code and fetches the whole ledger."""
    top = forge.repository.top
    run_git(top, "checkout", "-q", "--orphan", "main")
    for number in range(2):
        run_git(top, "commit", "-q", "--allow-empty", "-m", f"code {number}")
    there = clone(forge, "--depth=1", "-b", "main")
    run_git(there.repository.top, "fetch", "-q", "origin", f"{BRANCH}:{BRANCH}")
    assert there.codes("repository") == []


def test_a_partial_clone_with_holes_is_incomplete_and_fetches_nothing(forge: Forge) -> None:
    """Nor does verify ask the remote for a single object."""
    run_git(forge.repository.top, "config", "uploadpack.allowFilter", "true")
    there = clone(forge, "--filter=blob:none")
    report = there.verify()
    assert (codes(report), report.outcome) == (["repository-partial"], "INCOMPLETE")
    missing = run_git(there.repository.top, "rev-list", "--objects", "--missing=print", BRANCH)
    assert "\n?" in missing


@pytest.mark.parametrize("objects", ["blob:none", "tree:0"])
@pytest.mark.parametrize("name", ["{:.8}", "{}", "{}~1"])
def test_a_commit_of_the_ledger_in_a_partial_clone_is_incomplete(
    forge: Forge, objects: str, name: str
) -> None:
    """Whatever of its tree and files is missing; it is taken for a ledger's commit, as in a whole clone."""
    run_git(forge.repository.top, "config", "uploadpack.allowFilter", "true")
    there = clone(forge, f"--filter={objects}")
    commit = name.format(run_git(there.repository.top, "rev-parse", BRANCH).strip())
    report = verify(there.repository, selection=[commit])
    assert (codes(report), report.outcome) == (["repository-partial"], "INCOMPLETE")
    assert report.runs == (0 if objects == "tree:0" else 1 if "~" in name else 2)


def test_what_a_partial_clone_has_is_verified(honest: Honest) -> None:
    """The records that were fetched are judged; what is not here is said once, and not asked for."""
    run_git(honest.top, "config", "uploadpack.allowFilter", "true")
    run_git(honest.top, "config", "uploadpack.allowAnySHA1InWant", "true")
    files = {f"{honest.clean.path}/{name}": data for name, data in honest.files(honest.clean).items()}
    bad = f"runs/digits/2026-11-22/{honest.clean.id[:-6]}abcdef"
    commit_files(honest.repository, {**files, f"{bad}/run.yaml": b"schema: gittrack/run/1\n"})
    where = honest.top.parent / "partial"
    run_git(where.parent, "clone", "-q", "--filter=blob:none", honest.top.as_uri(), str(where))
    there = Repository.discover(where)
    before = verify(there)
    assert [f.code for f in before.findings if f.severity != "note"] == [
        "repository-partial",
        "ledger-layout",
    ]
    assert before.runs == 3
    with open_index(there) as index:  # reading fetches the records, all at once
        assert {row.status for row in index.search()} == {"finished", "damaged"}
    after = verify(there)
    told = {f.code: f for f in after.findings if f.severity != "note"}
    assert {"repository-partial", "record-unreadable"} <= told.keys()
    assert "2 runs were not checked in full" in told["repository-partial"].says
    assert after.outcome == "FAIL"


def test_a_partial_clone_without_holes_is_as_good_as_any(forge: Forge) -> None:
    """Everything that is looked at has been fetched."""
    run_git(forge.repository.top, "config", "uploadpack.allowFilter", "true")
    there = clone(forge, "--filter=blob:limit=1g")
    assert there.codes("repository") == []


def test_grafts_are_not_believed(forge: Forge) -> None:
    """A graft that hides a deletion changes nothing but a note."""
    tip = forge.commit({**ROOT, **B}, run_git(forge.repository.top, "rev-parse", BRANCH).strip())
    grafts = forge.repository.common_dir / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{tip}\n")
    assert set(forge.codes("repository", "history")) == {"repository-grafts", "history-deleted"}


def test_a_replaced_record_is_found(forge: Forge) -> None:
    """Stock git shows forged content, git fsck is content."""
    path = next(iter(A))
    top = forge.repository.top
    blob = run_git(top, "rev-parse", f"{BRANCH}:{path}").strip()
    (top / "forged").write_text("forged\n")
    forged = run_git(top, "hash-object", "-w", "forged").strip()
    run_git(top, "replace", blob, forged)
    assert run_git(top, "show", f"{BRANCH}:{path}") == "forged\n"
    report = forge.verify()
    found = [f for f in report.findings if f.code == "repository-replaced"]
    assert [(f.severity, f.path, f.found) for f in found] == [("fail", f"refs/replace/{blob}", forged)]
    assert "record-unreadable" not in codes(report)


@pytest.mark.parametrize("what", [f"{BRANCH}~1", f"{BRANCH}~1^{{tree}}", f"{BRANCH}:runs"])
def test_a_replaced_commit_or_tree_of_the_ledger_is_found(forge: Forge, what: str) -> None:
    """Not blobs alone. The tree of an older commit is not looked at, its commit is."""
    top = forge.repository.top
    oid = run_git(top, "rev-parse", what).strip()
    kind = run_git(top, "cat-file", "-t", oid).strip()
    other = run_git(top, "rev-parse", BRANCH if kind == "commit" else f"{BRANCH}:.dvc").strip()
    run_git(top, "update-ref", f"refs/replace/{oid}", other)
    expected = "repository-replace-refs" if what.endswith("~1^{tree}") else "repository-replaced"
    assert forge.codes("repository") == [expected]


def test_a_replace_ref_for_something_else_is_a_note(forge: Forge) -> None:
    """People join histories with them."""
    top = forge.repository.top
    run_git(top, "update-ref", f"refs/replace/{'1' * 40}", run_git(top, "rev-parse", BRANCH).strip())
    report = forge.verify()
    found = [f for f in report.findings if f.code == "repository-replace-refs"]
    assert [f.severity for f in found] == ["note"]


def test_borrowed_objects_are_noted(forge: Forge) -> None:
    """They go with the repository that they are borrowed from."""
    there = clone(forge, "--shared", "--no-local")
    where = there.repository.common_dir / "objects" / "info" / "alternates"
    where.write_text(f"{forge.repository.common_dir / 'objects'}\n")
    assert there.codes("repository") == ["repository-alternates"]


@pytest.mark.parametrize("what", [f":{next(iter(A))}", "", "^{tree}", ":runs", "~1"])
def test_a_damaged_object_fails(forge: Forge, what: str) -> None:
    """Bytes that are no object, of a blob, a commit, a tree."""
    path = loose(forge, f"{BRANCH}{what}")
    data = path.read_bytes()
    rewrite(path, data[:8] + bytes([data[8] ^ 0xFF]) + data[9:])
    report = forge.verify()
    assert report.outcome == "FAIL"
    assert all(code.startswith("repository") for code in codes(report, "repository", "history", "ledger"))


@pytest.mark.parametrize("selection", [(), (f"{BRANCH}~1..{BRANCH}",)])
def test_a_forged_object_under_an_honest_name_fails(forge: Forge, selection: tuple[str, ...]) -> None:
    """Well-formed, but not what it is named after."""
    path = loose(forge, f"{BRANCH}:{next(iter(B))}")
    rewrite(path, zlib.compress(b"blob 7\0forged\n"))
    assert "repository-damaged" in forge.codes(selection=selection)
    assert "repository-damaged" not in forge.codes(selection=selection, options=VerifyOptions(fsck=False))


def test_leaving_fsck_out_is_said(forge: Forge) -> None:
    """A note: whoever reads the report knows what was not done."""
    assert forge.codes("repository", options=VerifyOptions(fsck=False)) == ["repository-no-fsck"]


@pytest.mark.parametrize("what", [f":{next(iter(A))}", ":runs", "~1"])
def test_a_missing_object_never_passes(forge: Forge, what: str) -> None:
    """A hole in a clone that is not partial."""
    loose(forge, f"{BRANCH}{what}").unlink()
    assert forge.codes("repository")
    assert forge.verify().outcome != "PASS"


def test_a_malformed_tree_of_the_ledger_fails(forge: Forge) -> None:
    """One name twice: git shows one of the two, depending on who asks."""
    top = forge.repository.top
    one, two = (run_git(top, "rev-parse", f"{BRANCH}:{next(iter(x))}").strip() for x in (A, B))
    entry = b"100644 README.md\0"
    data = entry + bytes.fromhex(one) + entry + bytes.fromhex(two)
    (top / "tree").write_bytes(data)
    tree = run_git(top, "hash-object", "-t", "tree", "-w", "--literally", "tree").strip()
    forge.commit({}, tree=tree)
    found = forge.codes("repository", "ledger")
    assert "repository-malformed" in found
    assert "ledger-duplicate-path" in found


def test_malformed_code_is_no_fault_of_the_ledger(forge: Forge) -> None:
    """Old projects have trees that git would not write today."""
    top = forge.repository.top
    (top / "tree").write_bytes(
        b"100664 x\0" + bytes.fromhex(run_git(top, "rev-parse", f"{BRANCH}:.gitattributes").strip())
    )
    tree = run_git(top, "hash-object", "-t", "tree", "-w", "--literally", "tree").strip()
    run_git(top, "update-ref", "refs/gittrack/code", run_git(top, "commit-tree", "-m", "x", tree).strip())
    assert forge.codes("repository") == []


def test_the_caller_s_own_settings_stay(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIT_CONFIG_COUNT carries safe.directory in containers."""
    from gittrack.verify.source import BareFacts

    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Grace")
    bare = BareFacts.of(forge.repository)
    assert bare.setting("user.name") == "Grace"
    assert bare.setting("core.commitgraph") == "false"
    assert os.environ["GIT_CONFIG_COUNT"] == "1"
