"""A few of the faults of `tests.faults`, which ``make torture`` injects at every call of a run's life."""

from __future__ import annotations

import errno
import shutil

import pytest

from tests.faults import Bench, Fault

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler makes the faults here"),
    pytest.mark.xdist_group("faults"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("wrapped", [False, True], ids=["start_run", "gittrack run"])
def test_a_write_that_fails_loses_no_run(bench: Bench, wrapped: bool) -> None:
    """While it begins, joins, logs, stores, ends and is committed; once, and from then on."""
    faults = [Fault("write", *fault) for fault in FAULTS]
    assert bench.torment(faults, wrapped=wrapped) == []


FAULTS = (
    (72, errno.ENOSPC, False),
    (72, errno.EIO, False),
    (200, errno.EIO, False),
    (90, errno.ENOSPC, True),
)
"""Calls of a life that fail, of some 230 (300 under gittrack run), alone or with all after them."""


@pytest.mark.parametrize("wrapped", [False, True], ids=["start_run", "gittrack run"])
def test_used_up_descriptors_lose_no_run(bench: Bench, wrapped: bool) -> None:
    """From the middle of a life on, no file can be opened and no process started."""
    fault = Fault("open", 1500 if wrapped else 900, errno.EMFILE, True)
    assert bench.torment([fault], wrapped=wrapped) == []
