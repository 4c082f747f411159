"""A training that has used up what the system gives it loses no point that it has logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledgers import file_of
from tests.recording.commands import gittrack
from tests.recording.processes import only, run

DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
run = gittrack.start_run()
try:
    while True: os.open(os.devnull, os.O_RDONLY)
except OSError: pass
"""
SIZES = """
import resource
run = gittrack.start_run()
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
"""
LOGS = "for step in range(1000): run.log_metric('loss', step / 2, step=step)\n"
ENDS = {"finish": "run.finish()", "kill": "run.set_tag('a', 'b'); os.kill(os.getpid(), signal.SIGKILL)"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("limit", [DESCRIPTORS, SIZES], ids=["descriptors", "file size"])
def test_no_point_is_lost(project: Path, limit: str, end: str) -> None:
    """The journal is open before the first point, and goes on in another file when one is full."""
    _, _, said = run(project, limit + LOGS + ENDS[end])
    assert end == "kill" or "is kept: mend that, then run gittrack recover" in said
    assert "committed as" in gittrack(project, "recover").stdout
    record = only(project)
    rows = file_of(project, record, "metrics.csv").splitlines()[1:]
    assert [float(row.split(",")[-1]) for row in rows] == [step / 2 for step in range(1000)]
