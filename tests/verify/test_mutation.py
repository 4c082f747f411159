"""One byte of one object changed: never PASS. `tests.verify.mutation` takes all objects of 50 runs."""

from __future__ import annotations

import random
from pathlib import Path

from gittrack.git.repository import Repository
from gittrack.verify import verify
from tests.verify import mutation


def test_no_change_of_one_byte_passes(tmp_path: Path) -> None:
    """Twenty objects of a ledger of five runs, each changed in a way of its own."""
    project = mutation.make_ledger(tmp_path / "ledger", 5)
    assert verify(Repository.discover(project)).outcome == "PASS"
    oids = mutation.objects_of(project)
    chosen = random.Random(1).sample(oids, 20)
    assert [case for case in mutation.outcomes(project, chosen, seed=2) if case[2] == "PASS"] == []
