"""Check 4: the commit and the snapshot that ran."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import gittrack
from gittrack.formats.record import Code, Submodule
from gittrack.git.objects import make
from gittrack.git.repository import Repository
from gittrack.verify.code import check_code
from tests.repositories import run_git
from tests.verify.contexts import Honest, opened, run_checks

ABSENT = "1" * 40


def with_code(honest: Honest, base: str = "clean", **changes: object) -> Code:
    code: Code = getattr(honest, base).code
    return replace(code, **changes)  # type: ignore[arg-type]


def test_an_honest_run_has_no_finding(honest: Honest) -> None:
    """Committed code, and a snapshot."""
    assert honest.dirty.code.snapshot and not honest.clean.code.snapshot
    with opened(honest.repository) as context:
        assert run_checks(context, check_code) == []


def test_another_tree_is_told(honest: Honest) -> None:
    """Of a commit and of a snapshot."""
    for base, other in ((honest.clean, honest.dirty), (honest.dirty, honest.clean)):
        record = replace(base, code=replace(base.code, tree=other.code.tree))
        (finding,) = honest.check(check_code, record, base=base)
        assert (finding.code, finding.severity) == ("code-tree", "fail")
        assert (finding.expected, finding.found) == (other.code.tree, base.code.tree)


def test_a_snapshot_is_of_the_commit_that_is_named(honest: Honest) -> None:
    """Its one parent."""
    run_git(honest.top, "commit", "-q", "--allow-empty", "-m", "other")
    other = run_git(honest.top, "rev-parse", "HEAD").strip()
    run_git(honest.top, "update-ref", "refs/gittrack/remotes/origin/code", other)
    record = replace(honest.dirty, code=replace(honest.dirty.code, commit=other))
    assert honest.codes(check_code, record, base=honest.dirty) == ["code-snapshot-parent"]


@pytest.mark.parametrize("kind", ["commit", "snapshot"])
def test_a_missing_commit_is_a_fault_of_a_whole_clone(honest: Honest, kind: str) -> None:
    """And incomplete where the clone is partial."""
    record = replace(honest.dirty, code=with_code(honest, "dirty", **{kind: ABSENT}))
    codes = ["code-missing", "code-snapshot-parent"] if kind == "commit" else ["code-missing"]
    found = honest.check(check_code, record, base=honest.dirty)
    assert [f.code for f in found] == codes and found[0].severity == "fail"
    run_git(honest.top, "config", "extensions.partialClone", "origin")
    assert honest.check(check_code, record, base=honest.dirty)[0].severity == "incomplete"


def test_a_commit_is_a_commit(honest: Honest) -> None:
    """Neither a blob's id nor a short one will do."""
    blob = run_git(honest.top, "rev-parse", "HEAD:train.py").strip()
    record = replace(honest.clean, code=with_code(honest, commit=blob))
    assert honest.codes(check_code, record) == ["code-missing"]


def test_a_commit_of_nonsense_is_no_commit(honest: Honest) -> None:
    """Its header is not even text."""
    broken = make("commit", b"tree \xff\xfe\n\nx\n", "sha1")
    honest.repository.git(
        "hash-object", "-t", "commit", "-w", "--literally", "--stdin", doing="write", data=broken.data
    )
    record = replace(honest.clean, code=with_code(honest, commit=broken.oid))
    assert honest.codes(check_code, record) == ["code-missing"]


def test_a_tree_of_nonsense_is_no_tree(honest: Honest) -> None:
    """Nor does the search in it raise."""
    broken = make("tree", b"100644 train.py", "sha1")
    honest.repository.git(
        "hash-object", "-t", "tree", "-w", "--literally", "--stdin", doing="write", data=broken.data
    )
    record = replace(honest.clean, code=with_code(honest, tree=broken.oid))
    assert honest.codes(check_code, record) == ["code-missing", "code-tree"]


def test_code_that_no_anchor_reaches_may_be_dropped(honest: Honest) -> None:
    """A branch that reaches it can be deleted; the anchor of a remote will do."""
    run_git(honest.top, "update-ref", "refs/gittrack/code", honest.clean.code.commit or "")
    (finding,) = honest.check(check_code, base=honest.dirty)
    assert (finding.code, finding.severity) == ("code-unanchored", "fail")
    assert honest.dirty.code.snapshot and honest.dirty.code.snapshot in (finding.expected or "")
    run_git(honest.top, "update-ref", "refs/gittrack/remotes/origin/code", honest.dirty.code.snapshot)
    assert honest.codes(check_code, base=honest.dirty) == []


def test_without_an_anchor_nothing_can_be_said_once(honest: Honest) -> None:
    """One finding for the clone, none for each of its runs."""
    run_git(honest.top, "update-ref", "-d", "refs/gittrack/code")
    with opened(honest.repository) as context:
        (finding,) = run_checks(context, check_code)
    assert (finding.code, finding.severity, finding.run) == ("code-anchor-missing", "incomplete", None)


def test_an_anchor_that_cannot_be_followed_is_incomplete(honest: Honest) -> None:
    """Its history is not all here."""
    who = "A <a@b> 1 +0000"
    text = f"tree {honest.clean.code.tree}\nparent {ABSENT}\nauthor {who}\ncommitter {who}\n\nx\n"
    written = honest.repository.git(
        "hash-object", "-t", "commit", "-w", "--stdin", doing="write", data=text.encode()
    )
    (honest.top / ".git" / "refs" / "gittrack" / "code").write_bytes(written)
    (finding,) = honest.check(check_code)
    assert (finding.code, finding.severity) == ("code-anchor-broken", "incomplete")


def test_one_process_follows_the_anchor_for_all_runs(honest: Honest) -> None:
    """Not one a run."""
    with opened(honest.repository) as context:
        run_checks(context, check_code)
        before = context.repository.process_count
        run_checks(context, check_code)
        assert context.repository.process_count == before


# --- submodules ----------------------------------------------------------------------------


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Honest:
    """A project with a submodule, recorded as committed, then with another commit checked out."""
    library = tmp_path / "library"
    run_git(tmp_path, "init", "-q", "-b", "main", str(library))
    for name in ("one", "two"):
        run_git(library, "commit", "-q", "--allow-empty", "-m", name)
    top = tmp_path / "project"
    run_git(tmp_path, "init", "-q", "-b", "main", str(top))
    allow = ("-c", "protocol.file.allow=always")
    run_git(top, *allow, "submodule", "--quiet", "add", str(library), "libs/one")
    run_git(top, "commit", "-q", "-m", "first")
    monkeypatch.chdir(top)
    records = []
    for step in ("clean", "moved"):
        if step == "moved":
            run_git(top / "libs" / "one", "checkout", "-q", "HEAD~1")
        run = gittrack.start_run()
        record = run.finish()
        assert record is not None
        records.append(record)
    return Honest(top, *records)


def test_submodules_are_those_of_the_trees(nested: Honest) -> None:
    """As committed, and with another commit checked out."""
    moved = nested.dirty.code.submodules[0]
    assert moved.recorded is not None and moved.commit != moved.recorded
    with opened(nested.repository) as context:
        assert run_checks(context, check_code) == []


@pytest.mark.parametrize("base", ["clean", "dirty"])
def test_another_submodule_commit_is_told(nested: Honest, base: str) -> None:
    """Also one at a path without a submodule."""
    honest = getattr(nested, base)
    (module,) = honest.code.submodules
    for other in (
        replace(module, commit=ABSENT, recorded=None),
        replace(module, path="libs/two"),
        replace(module, path="../one"),
        Submodule(path="libs"),
    ):
        record = replace(honest, code=replace(honest.code, submodules=(other,)))
        (finding,) = nested.check(check_code, record, base=honest)
        assert (finding.code, finding.severity) == ("code-submodule", "fail")


def test_the_repository_is_left_alone(honest: Honest) -> None:
    """Nothing is fetched, written or moved."""
    before = run_git(honest.top, "for-each-ref") + run_git(honest.top, "count-objects", "-v")
    with opened(Repository.discover(honest.top)) as context:
        run_checks(context, check_code)
    assert run_git(honest.top, "for-each-ref") + run_git(honest.top, "count-objects", "-v") == before
