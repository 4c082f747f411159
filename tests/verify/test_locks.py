"""Check 5: locks as in the code tree, graded and compared again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gittrack.formats import codec
from gittrack.formats.locks import _COMPARED, read_lock
from gittrack.formats.record import Installed, Record
from gittrack.verify.locks import check_locks
from gittrack.verify.policy import PYTHON_LOCKS
from tests.repositories import run_git
from tests.verify.contexts import Honest, opened, run_checks, sha256


def with_lock(record: Record, **changes: Any) -> Record:
    return replace(record, locks=(replace(record.locks[0], **changes),))


def with_drift(honest: Honest, drift: dict[str, Any], **lock: Any) -> tuple[Record, dict[str, bytes | None]]:
    """The record with another list of what differs from the lock, its digest made right again."""
    value = codec.read_yaml(honest.files(honest.clean)["environment.yaml"])
    data = codec.write_yaml({**value, "drift": drift})
    record = replace(honest.clean, environment=replace(honest.clean.environment, sha256=sha256(data)))
    return with_lock(record, **lock), {"environment.yaml": data}


def test_an_honest_run_has_no_finding(honest: Honest) -> None:
    """A lock with packages that are not installed as it says."""
    assert honest.clean.locks[0].installed == Installed(same=0, differs=1, missing=1)
    with opened(honest.repository) as context:
        assert run_checks(context, check_locks) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"blob": "1" * 40}, "locks-blob"),
        ({"blob": None}, "locks-blob"),
        ({"path": "other.txt"}, "locks-blob"),
        ({"path": "data"}, "locks-blob"),
        ({"path": "../requirements.txt"}, "locks-blob"),
        ({"sha256": "1" * 64}, "locks-digest"),
        ({"pins": "versions"}, "locks-grade"),
        ({"kind": "uv.lock"}, "locks-grade"),
    ],
)
def test_an_altered_lock_is_told(honest: Honest, changes: dict[str, Any], code: str) -> None:
    """Path, blob, digest, kind and grade."""
    record = with_lock(honest.clean, installed=None, **changes)
    assert {f.code for f in honest.check(check_locks, record)} - {"locks-drift"} <= {code, "locks-installed"}
    found = [f for f in honest.check(check_locks, record) if f.code == code]
    assert [f.severity for f in found] == ["fail"]


def test_a_lock_that_the_code_does_not_hold_is_stated_without_a_blob(honest: Honest) -> None:
    """Nothing more can be said of one that git ignores."""
    record = with_lock(honest.clean, path="ignored.txt", blob=None, installed=None)
    assert honest.codes(check_locks, record) == []


def test_a_changed_lock_file_is_told(honest: Honest) -> None:
    """The code commit holds another one than the record says."""
    (honest.top / "requirements.txt").write_text("pyyaml==0.0.2\n")
    run_git(honest.top, "commit", "-aqm", "changed")
    commit, tree = run_git(honest.top, "rev-parse", "HEAD", "HEAD^{tree}").split()
    record = replace(honest.clean, code=replace(honest.clean.code, commit=commit, tree=tree))
    assert honest.codes(check_locks, record) == ["locks-blob"]


def test_a_grade_that_a_newer_gittrack_would_raise_is_a_note(honest: Honest) -> None:
    """One that it would lower is a fault, whatever wrote the record."""
    older = replace(
        with_lock(honest.clean, pins="versions"), tool=replace(honest.clean.tool, version="0.0.1")
    )
    assert [(f.code, f.severity) for f in honest.check(check_locks, older)] == [("locks-grade", "note")]
    (honest.top / "requirements.txt").write_text("pyyaml==0.0.1\nno-such-package==1.0\n")
    run_git(honest.top, "commit", "-aqm", "unhashed")
    commit, tree, blob = run_git(
        honest.top, "rev-parse", "HEAD", "HEAD^{tree}", "HEAD:requirements.txt"
    ).split()
    data = (honest.top / "requirements.txt").read_bytes()
    newer = replace(
        with_lock(older, pins="hashed", blob=blob, sha256=sha256(data)),
        code=replace(honest.clean.code, commit=commit, tree=tree),
    )
    (finding,) = honest.check(check_locks, newer)
    assert (finding.code, finding.severity) == ("locks-grade", "fail")
    assert finding.found == "requirements.txt, pins versions"


DIFFERS = {"name": "pyyaml", "locked": "0.0.1", "installed": "6.0.3"}
MISSING = {"name": "no-such-package", "locked": "1.0"}


def honest_drift(honest: Honest) -> dict[str, Any]:
    drift: dict[str, Any] = codec.read_yaml(honest.files(honest.clean)["environment.yaml"])["drift"]
    return drift


def test_what_drifted_is_counted_right(honest: Honest) -> None:
    """The list in environment.yaml against the counts in the record, and against the packages there."""
    missing, differs = honest_drift(honest)["requirements.txt"]
    for listed, count in (
        ([missing, differs], {"differs": 0, "missing": 1}),
        ([missing], {"differs": 1, "missing": 1}),
        ([], {"differs": 1, "missing": 1}),
        ([missing, {**differs, "installed": "0.0.2"}], {"differs": 1, "missing": 1}),
        ([{**missing, "installed": "1.0"}, differs], {"differs": 2, "missing": 0}),
    ):
        record, files = with_drift(honest, {"requirements.txt": listed}, installed=Installed(same=0, **count))
        found = [f for f in honest.check(check_locks, record, files=files) if f.severity != "note"]
        assert [f.code for f in found] == ["locks-drift"], listed


def test_other_counts_are_a_note_on_a_like_machine(honest: Honest) -> None:
    """Markers are judged by whoever reads, so that they may be honest; elsewhere nothing is said."""
    record = with_lock(honest.clean, installed=Installed(same=5, differs=1, missing=1))
    (finding,) = honest.check(check_locks, record)
    assert (finding.code, finding.severity) == ("locks-installed", "note")
    assert finding.found == "0 same, 1 differ, 1 missing"
    value = codec.read_yaml(honest.files(honest.clean)["environment.yaml"])
    data = codec.write_yaml({**value, "python": {**value["python"], "version": "3.8.0"}})
    summary = replace(record.environment, sha256=sha256(data), python="3.8.0")
    elsewhere = replace(record, environment=summary)
    assert honest.codes(check_locks, elsewhere, files={"environment.yaml": data}) == []


def test_a_lock_is_read_once_for_the_same_packages(honest: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one takes a tenth of a second."""
    from gittrack.verify import locks

    calls = []

    def counted(path: str, data: bytes, **options: Any) -> Any:
        calls.append(path)
        return read_lock(path, data, **options)

    monkeypatch.setattr(locks, "read_lock", counted)
    with opened(honest.repository) as context:
        assert run_checks(context, check_locks, check_locks) == []
    assert calls == ["requirements.txt"]


def test_a_lock_that_is_not_in_this_clone_is_incomplete(honest: Honest) -> None:
    """Its tree is known, its content is not."""
    blob = honest.clean.locks[0].blob or ""
    (honest.top / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    (finding,) = honest.check(check_locks)
    assert (finding.code, finding.severity) == ("locks-unchecked", "incomplete")


def test_without_the_code_the_code_check_has_said_it(honest: Honest) -> None:
    """No second finding for the same absence."""
    record = replace(honest.clean, code=replace(honest.clean.code, tree="1" * 40))
    assert honest.codes(check_locks, record) == []


def test_a_hostile_lock_gives_no_more_than_a_grade(honest: Honest, tmp_path: Path) -> None:
    """Aliases, depth and nonsense in the file that the record calls a lock."""
    for name, content in (
        ("uv.lock", b"\xff\xfe\x00"),
        ("pixi.lock", b"a: &a [*a]\n"),
        ("Pipfile.lock", b"[" * 100_000),
        ("pylock.toml", b"a = {" * 5000),
    ):
        (honest.top / name).write_bytes(content)
        run_git(honest.top, "add", name)
        run_git(honest.top, "commit", "-q", "-m", name)
        commit, tree, blob = run_git(honest.top, "rev-parse", "HEAD", "HEAD^{tree}", f"HEAD:{name}").split()
        lock = replace(
            honest.clean.locks[0], path=name, kind=name, blob=blob, sha256=sha256(content), installed=None
        )
        code = replace(honest.clean.code, commit=commit, tree=tree)
        record = replace(honest.clean, locks=(lock,), code=code)
        assert [(f.code, f.found) for f in honest.check(check_locks, record)] == [
            ("locks-grade", f"{name}, pins none")
        ]


def test_python_locks_are_those_that_can_be_compared() -> None:
    """The policy and the comparison mean the same kinds."""
    assert PYTHON_LOCKS == _COMPARED
