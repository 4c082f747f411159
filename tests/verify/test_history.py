"""Check 2: only additions, through merges too, and nothing rolled back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.verify import VerifyOptions
from gittrack.verify.pins import read_verified, remember
from tests.ledgers import BRANCH, make_record
from tests.repositories import run_git
from tests.verify.forge import ROOT, Content, Forge, codes, run_files

A, B, C = ({**run_files(number)} for number in range(3))
RUN_A = make_record(0).path


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge.at(tmp_path / "repo")


def without(files: dict[str, Content], path: str) -> dict[str, Content]:
    return {name: content for name, content in files.items() if name != path}


def test_an_honest_history_has_no_finding(forge: Forge) -> None:
    """Runs that were added one by one."""
    forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **A, **B})
    assert forge.codes("history", "ledger", "repository") == []


def test_many_runs_in_one_commit_are_an_honest_history(forge: Forge) -> None:
    """An import."""
    forge.chain({**ROOT, **A, **B})
    assert forge.codes("history") == []


def test_a_changed_record_is_found_where_it_was_changed(forge: Forge) -> None:
    """Also when a later commit puts it back."""
    changed = {**A, f"{RUN_A}/run.yaml": b"forged\n"}
    commits = forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **changed}, {**ROOT, **A})
    found = [f for f in forge.verify().findings if f.code == "history-modified"]
    assert [f.found for f in found] == [f"commit {commits[2]}", f"commit {commits[3]}"]
    assert {f.path for f in found} == {f"{RUN_A}/run.yaml"}
    assert {f.run for f in found} == {make_record(0).id}
    assert {f.severity for f in found} == {"fail"}


def test_a_deleted_record_is_found(forge: Forge) -> None:
    """Each file of it."""
    forge.chain(ROOT, {**ROOT, **A, **B}, {**ROOT, **B})
    assert forge.codes("history") == ["history-deleted"] * len(A)


def test_a_moved_record_is_a_deleted_one(forge: Forge) -> None:
    """Renames are not looked for."""
    moved = {path.replace("/digits/", "/letters/"): data for path, data in A.items()}
    forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **moved})
    assert set(forge.codes("history")) == {"history-deleted"}


def test_a_changed_mode_is_a_change(forge: Forge) -> None:
    """The bytes are the same; the entry is not."""
    path = f"{RUN_A}/run.yaml"
    first = forge.commit({**ROOT, **A})
    oid = run_git(forge.repository.top, "rev-parse", f"{first}:{path}").strip()
    forge.commit({**ROOT, **A, path: (0o100755, oid)}, first)
    assert forge.codes("history") == ["history-modified"]


def test_a_folder_that_becomes_a_file_takes_its_runs_away(forge: Forge) -> None:
    """A type change of a folder."""
    forge.chain({**ROOT, **A}, {**ROOT, "runs": b"gone\n"})
    assert forge.codes("history") == ["history-deleted"] * len(A)


def test_a_run_is_not_added_to_later(forge: Forge) -> None:
    """One run, one commit: a file that comes later was not part of what was recorded."""
    forge.chain({**ROOT, **without(A, f"{RUN_A}/environment.yaml")}, {**ROOT, **A})
    assert forge.codes("history") == ["history-run-extended"]


def test_decisions_are_add_only_too(forge: Forge) -> None:
    """A decision is superseded by a new one, never rewritten."""
    path = "decisions/digits/2026-11-22/20261122-142233-7f3a2c.yaml"
    forge.chain({**ROOT, path: b"selected\n"}, {**ROOT, path: b"rejected\n"})
    assert forge.codes("history") == ["history-modified"]


def test_other_files_may_change(forge: Forge) -> None:
    """DVC remotes move."""
    forge.chain({**ROOT, **A}, {**ROOT, **A, ".dvc/config": b"[core]\n"})
    assert forge.codes("history", "ledger") == []


def test_an_honest_merge_is_the_union(forge: Forge) -> None:
    """Two clones recorded at the same time."""
    root = forge.commit(ROOT)
    left, right = forge.commit({**ROOT, **A}, root), forge.commit({**ROOT, **B, **C}, root)
    forge.commit({**ROOT, **A, **B, **C}, left, right)
    assert forge.codes("history") == []


def test_a_run_recovered_twice_is_no_fault(forge: Forge) -> None:
    """Both clones had the same journal."""
    root = forge.commit(ROOT)
    left, right = forge.commit({**ROOT, **A}, root), forge.commit({**ROOT, **A, **B}, root)
    forge.commit({**ROOT, **A, **B}, left, right)
    assert forge.codes("history") == []


@pytest.mark.parametrize("swap", [False, True])
def test_a_merge_that_drops_a_run_is_found(forge: Forge, swap: bool) -> None:
    """Of either parent: ``git merge -s ours`` looks like any merge."""
    root = forge.commit(ROOT)
    sides = [forge.commit({**ROOT, **A}, root), forge.commit({**ROOT, **B}, root)]
    forge.commit({**ROOT, **A}, *(sides[::-1] if swap else sides))
    assert set(forge.codes("history")) == {"history-deleted"}


def test_a_merge_that_drops_everything_is_found(forge: Forge) -> None:
    """No runs folder at all."""
    root = forge.commit({**ROOT, **A})
    forge.commit(ROOT, forge.commit({**ROOT, **A, **B}, root), forge.commit({**ROOT, **A, **C}, root))
    assert forge.codes("history") == ["history-deleted"]


def test_a_merge_that_changes_a_run_is_found(forge: Forge) -> None:
    """The classic place to hide a change: git log shows no diff of merges."""
    root = forge.commit({**ROOT, **A})
    left, right = forge.commit({**ROOT, **A, **B}, root), forge.commit({**ROOT, **A, **C}, root)
    forge.commit({**ROOT, **A, **B, **C, f"{RUN_A}/run.yaml": b"forged\n"}, left, right)
    assert set(forge.codes("history")) == {"history-modified"}


def test_a_merge_that_brings_a_run_of_its_own_is_found(forge: Forge) -> None:
    """Nothing is recorded in a merge."""
    root = forge.commit(ROOT)
    left, right = forge.commit({**ROOT, **A}, root), forge.commit({**ROOT, **B}, root)
    forge.commit({**ROOT, **A, **B, **C}, left, right)
    assert set(forge.codes("history")) == {"history-merge-added"}


def test_a_merge_that_adds_a_file_to_a_run_is_found(forge: Forge) -> None:
    """Neither parent has it."""
    root = forge.commit({**ROOT, **A})
    left, right = forge.commit({**ROOT, **A, **B}, root), forge.commit({**ROOT, **A, **C}, root)
    forge.commit({**ROOT, **A, **B, **C, f"{RUN_A}/console.txt": b"x\n"}, left, right)
    assert set(forge.codes("history")) <= {"history-run-extended", "history-merge-added"}
    assert forge.codes("history")


def test_a_merge_of_the_same_run_with_other_bytes_is_found(forge: Forge) -> None:
    """Whichever of the two it takes."""
    root = forge.commit(ROOT)
    other = {**A, f"{RUN_A}/run.yaml": b"other\n"}
    left, right = forge.commit({**ROOT, **A}, root), forge.commit({**ROOT, **other}, root)
    forge.commit({**ROOT, **A}, left, right)
    assert forge.codes("history") == ["history-modified"]


def test_a_pin_that_the_ledger_goes_on_from_holds(forge: Forge) -> None:
    """By revision, by id, from a file, from the environment."""
    first, last = forge.chain({**ROOT, **A}, {**ROOT, **A, **B})
    file = forge.repository.top / "pin"
    file.write_text(f"{first}\n")
    for pin in (first, f"{BRANCH}~1", str(file), last):
        assert forge.codes("history", options=VerifyOptions(anchor=pin)) == []


def test_a_truncated_ledger_is_found_by_its_pin(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing inside a shorter ledger tells that it was longer."""
    first, last = forge.chain({**ROOT, **A}, {**ROOT, **A, **B})
    forge.move(first)
    assert forge.codes("history") == []
    monkeypatch.setenv("GITTRACK_ANCHOR", last)
    assert forge.codes("history") == ["history-rolled-back"]


def test_a_rewritten_ledger_is_found_by_its_pin(forge: Forge) -> None:
    """Metric edited, digests recomputed, commit amended: perfect in itself."""
    before = forge.commit({**ROOT, **A})
    forge.commit({**ROOT, **B})
    assert forge.codes("history", options=VerifyOptions(anchor=before)) == ["history-rolled-back"]


def test_a_pin_that_is_not_here_leaves_it_open(forge: Forge) -> None:
    """The clone may be old, or the ledger rewritten: it cannot be told here."""
    forge.commit({**ROOT, **A})
    report = forge.verify(options=VerifyOptions(anchor="1" * 40))
    assert [f.severity for f in report.findings if f.code == "history-anchor-absent"] == ["incomplete"]


def test_a_pin_that_means_nothing_is_the_caller_s_fault(forge: Forge) -> None:
    """A typing error is no finding."""
    tip = forge.commit({**ROOT, **A})
    with pytest.raises(NotFoundError, match="nonsense"):
        forge.verify(options=VerifyOptions(anchor="nonsense"))
    file = forge.repository.top / "pin"
    file.write_text(tip[:12])
    with pytest.raises(UsageError, match="full commit id"):
        forge.verify(options=VerifyOptions(anchor=str(file)))


def test_the_last_verified_tip_is_a_pin(forge: Forge) -> None:
    """This clone remembers what it saw; a look at an older commit is no roll-back."""
    first, last = forge.chain({**ROOT, **A}, {**ROOT, **A, **B})
    remember(forge.repository, BRANCH, last)
    assert forge.codes("history") == []
    forge.move(first)
    assert forge.codes("history") == ["history-rolled-back"]
    forge.move(last)
    assert forge.codes("history", selection=[first]) == []


def test_a_ledger_that_is_gone_was_rolled_back(forge: Forge) -> None:
    """Not: nothing to verify."""
    last = forge.commit({**ROOT, **A})
    remember(forge.repository, BRANCH, last)
    run_git(forge.repository.top, "update-ref", "-d", f"refs/heads/{BRANCH}")
    report = forge.verify()
    assert (codes(report), report.outcome) == (["history-rolled-back"], "FAIL")


def test_what_is_remembered_may_be_damaged(forge: Forge) -> None:
    """Then there is nothing remembered, and the next PASS writes it anew."""
    path = forge.repository.state_dir / "verified.json"
    path.parent.mkdir(parents=True)
    for text in ("", "[]", '{"x": 1}', '{"x": {"tip": "--help"}}', '{"x": {}}'):
        path.write_text(text)
        assert read_verified(forge.repository) == {}
    remember(forge.repository, BRANCH, "1" * 40)
    assert json.loads(path.read_text()) == {BRANCH: {"tip": "1" * 40}}


def test_a_range_takes_the_history_before_it_as_verified(forge: Forge) -> None:
    """A fault that is on the ledger for good does not stop every later pull request."""
    changed = {**A, f"{RUN_A}/run.yaml": b"forged\n"}
    _, second, third = forge.chain({**ROOT, **A}, {**ROOT, **changed}, {**ROOT, **changed, **B})
    assert forge.codes("history", selection=[f"{second}..{third}"]) == []
    assert forge.codes("history") == ["history-modified"]


def test_a_range_that_begins_anew_is_found(forge: Forge) -> None:
    """A pull request whose commits do not go on from the ledger."""
    ours, theirs = forge.commit({**ROOT, **A}), forge.commit({**ROOT, **B})
    assert forge.codes("history", selection=[f"{ours}..{theirs}"]) == ["history-unrelated"]
