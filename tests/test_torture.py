"""No run is lost: the small sizes of `tests.torture`, which ``make torture`` runs in full."""

from __future__ import annotations

from pathlib import Path

from tests import torture, torture_resume


def test_processes_that_finish_at_once_lose_nothing(tmp_path: Path) -> None:
    """Eight processes commit at the same moment: eight records, fsck clean."""
    project = torture.make_project(tmp_path / "crowd")
    ids = torture.finish_at_once(project, 8)
    assert torture.run_ids(project) == sorted(ids)
    torture.git(project, "fsck", "--strict")


def test_clones_that_push_at_once_lose_nothing(tmp_path: Path) -> None:
    """Four clones push to one bare repository at the same moment: all records arrive."""
    project = torture.make_project(tmp_path / "project")
    hub = tmp_path / "hub.git"
    torture.git(tmp_path, "clone", "-q", "--bare", str(project), str(hub))
    pushed = torture.push_at_once(hub, tmp_path, 4)
    assert torture.run_ids(hub) == sorted(pushed)


def test_kill_9_at_any_moment_loses_no_run(tmp_path: Path) -> None:
    """Twelve runs killed at random moments of their lives are on the ledger exactly once after recover."""
    stages = torture.kill_many(tmp_path / "kills", 12, seed=20261122)
    assert sum(stages.values()) == 12


def test_kill_9_at_any_moment_of_a_resumed_run_loses_nothing(tmp_path: Path) -> None:
    """Three runs killed three times each and resumed: each is on the ledger once, with every point once."""
    stages, most = torture_resume.resume_many(tmp_path / "resumed", 3, seed=20261129, kills=3)
    assert sum(stages.values()) == 12 and most > 1
