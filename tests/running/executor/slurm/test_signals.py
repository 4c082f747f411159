"""Signals that Slurm sends to a step: a program under `gittrack run` gets them as one without it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.recording.commands import GITTRACK, PYTHON
from tests.recording.signalled import ARRIVALS, LAST, LIMIT_S, NAMES, NUMBERS, until
from tests.running.slurm import Slurm

pytestmark = pytest.mark.xdist_group("slurm")

WITH_NUMBER = ARRIVALS.replace(
    "import os, signal, sys", "import os, signal, sys; print(os.getpid(), os.getppid())"
)


def signalled(slurm: Slurm, project: Path, *, plain: bool) -> tuple[list[str], int, str]:
    """What a step got to which Slurm sent each signal and then each again, its exit status and its output."""
    log = project.parent / f"arrivals-{plain}"
    before = [] if plain else [*GITTRACK, "run", "-q", "--"]
    step = subprocess.Popen(
        ["srun", "-n1", "-J", "signalled", *before, PYTHON, "-c", WITH_NUMBER, str(log)],
        cwd=project, env=slurm.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert step.stdout is not None
    own, parent = map(int, step.stdout.readline().split())
    assert step.stdout.readline() == "ready\n"
    (job,) = slurm.jobs("-n", "signalled")
    for count, name in enumerate([name for name in NAMES for _ in range(2)], 1):
        slurm.ask("scancel", "-s", str(int(NUMBERS[name])), f"{job}.0")
        until(lambda count=count: log.exists() and len(log.read_text().split()) >= count)  # type: ignore[misc]
    os.kill(own if plain else parent, LAST)
    output, _ = step.communicate(timeout=LIMIT_S)
    arrivals = [signal.Signals(int(line)).name for line in log.read_text().split()]
    return arrivals, step.returncode, output


def test_a_step_gets_each_signal_once(slurm: Slurm, project: Path) -> None:
    """Twelve signals, each twice; the checkpoint is written, and srun ends with the same status."""
    plain = signalled(slurm, project, plain=True)
    assert signalled(slurm, project, plain=False) == plain
    sent = [f"SIG{name}" for name in NAMES for _ in range(2)]
    assert plain == ([*sent, LAST.name], 7, "checkpoint written\n")
