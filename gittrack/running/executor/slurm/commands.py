"""Slurm's own commands: sbatch, squeue, scancel, scontrol. Lists of arguments, no shell.

What is asked of Slurm comes from the command line alone, never from a file of the repository.
"""

from __future__ import annotations

import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gittrack.errors import RepositoryError, UsageError
from gittrack.git.process import outside_environment

ATTEMPT = "gittrack.running.executor.slurm.attempt"
LIMIT_S = 60.0
"""For one of Slurm's commands, whose controller may be busy."""

_OWN = frozenset(
    {"array", "chdir", "clusters", "error", "help", "input", "job-name", "no-requeue", "open-mode", "output"}
    | {"parsable", "quiet", "requeue", "test-only", "usage", "version", "wait", "wrap"}
)
"""What the executor says itself, or cannot do without."""
_OPTION = re.compile(r"([a-z][a-z0-9-]{0,60})(?:=([^\x00-\x1f\x7f]{1,4096}))?\Z")
_OVER = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}
    | {"PREEMPTED", "REVOKED", "TIMEOUT"}
)


def is_over(state: str | None) -> bool:
    """Whether a task in that state will not run any more; one that Slurm has forgotten will not."""
    return state is None or state in _OVER


def checked_options(options: Iterable[str]) -> list[str]:
    """``--NAME=VALUE`` of each ``NAME=VALUE``; UsageError for one that sbatch is not to be given."""
    checked = []
    for text in options:
        match = _OPTION.match(text)
        if match is None:
            raise UsageError(
                f"--sbatch-option takes NAME=VALUE, such as partition=gpu, without dashes, not {text[:200]!r}"
            )
        if match[1] in _OWN:
            raise UsageError(f"--sbatch-option {match[1]}: that is the executor's own")
        checked.append(f"--{text}")
    return checked


def checked_needs(resources: Mapping[str, float]) -> list[str]:
    """The options of sbatch for ``CPU``, ``GPU`` and ``memory`` (bytes) of a task; UsageError for others."""
    options = []
    for name, amount in resources.items():
        if not 0 < amount < float("inf"):
            raise UsageError(f"a task cannot need {name}={amount:g}")
        kind = name.lower()
        if kind == "memory":
            options.append(f"--mem={math.ceil(amount / 1024)}K")
        elif kind not in ("cpu", "gpu"):
            raise UsageError(
                f"--resource {name}: Slurm gives CPU, GPU and memory; ask for others by --sbatch-option"
            )
        elif not float(amount).is_integer():
            raise UsageError(f"a task cannot need {name}={amount:g}: Slurm gives whole ones")
        else:
            options.append(f"--{'cpus-per-task' if kind == 'cpu' else 'gpus'}={int(amount)}")
    return options


def largest_array() -> int:
    """How many tasks an array may have here."""
    match = re.search(r"(?m)^MaxArraySize\s*=\s*([0-9]+)", _call("scontrol", "show", "config"))
    size = int(match[1]) if match else 1001
    if size < 1:
        raise UsageError("this Slurm takes no arrays of jobs (MaxArraySize is 0)")
    return size


def submit(
    folder: Path, name: str, first: int, count: int, at_once: int | None, options: Sequence[str]
) -> str:
    """Queue an array of `count` tasks, the first of which is order `first` in `folder`; the array's number.

    The batch script gives way to the task's own process, which Slurm's signals reach then.
    """
    script = f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {ATTEMPT} . {first}\n"
    limit = "" if at_once is None else f"%{at_once}"
    words = [
        "--parsable", "--requeue", f"--job-name={name}", f"--array=0-{count - 1}{limit}",
        f"--chdir={folder}", f"--output={first}-%a.log", "--open-mode=append", *options,
    ]  # fmt: skip
    answer = _call("sbatch", *words, text=script).strip()
    number = answer.partition(";")[0]
    if not number.isdecimal():
        raise RepositoryError(f"sbatch did not say the number of the job, but {answer[:200]!r}")
    return number


def states(name: str) -> dict[tuple[str, int], str]:
    """What Slurm says of the tasks of the jobs called `name`, by array and index; those it still knows."""
    answer = _call("squeue", "--noheader", "--array", "--states=all", f"--name={name}", "--format=%F %K %T")
    rows = (line.split() for line in answer.splitlines())
    return {(row[0], int(row[1])): row[2] for row in rows if len(row) == 3 and row[1].isdecimal()}


def cancel(jobs: Sequence[str]) -> None:
    if jobs:
        _call("scancel", *jobs)


def _call(program: str, *arguments: str, text: str = "") -> str:
    path = shutil.which(program)
    if path is None:
        raise UsageError(f"{program} was not found: --executor slurm needs Slurm's commands on this machine")
    try:
        process = subprocess.run(
            [path, *arguments], input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False,
            env=outside_environment(), errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError(f"{program} gave no answer: {error}") from error
    if process.returncode != 0:
        lines = [line.strip() for line in process.stderr.splitlines() if line.strip()]
        raise RepositoryError(f"{program}: {lines[-1][:300] if lines else f'exit {process.returncode}'}")
    return process.stdout
