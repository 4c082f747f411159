"""A run that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DYING = """
import gittrack, os, signal
run = gittrack.start_run("e", params={"lr": 0.1})
run.log_metric("loss", 0.5, step=3)
run._journal.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def dead(inside: Path) -> str:
    """The id of a run that was killed; its journal lies there."""
    subprocess.run([sys.executable, "-c", DYING], cwd=inside, check=False)
    (journal,) = (inside / ".git/gittrack/journal").iterdir()
    return journal.name
