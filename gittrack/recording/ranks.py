"""Which of the processes of one training this is, by the variables that a launcher sets together.

A lone variable proves nothing: a sweep may number its trials by RANK, and a shell may have one left.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.during import Ranks
from gittrack.formats.plain import to_dict

log = logging.getLogger("gittrack")

RANK_VARIABLE = "GITTRACK_RANK"
"""Set by `gittrack run` on a rank: that rank, which is no other one to the run around it, or `PASSED`."""

PASSED = "passed"

_TORCH = ("RANK", "WORLD_SIZE")  # torchrun, accelerate, DeepSpeed, Kubeflow, Ray
_PAIRS = (
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Cray
)
"""A process's number and how many there are. The launchers that are started by others come first."""

_MARKED = (("PALS_RANKID", "PALS_APID"), ("PMIX_RANK", "PMIX_NAMESPACE"))
"""A process's number, and the name of what it is a part of; how many there are is not said."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One of the processes of a training."""

    number: int | None
    """Rank 0 records; None where only that it is another one is known."""
    variable: str
    """What says so, with its value: ``SLURM_PROCID=1``."""
    size: int | None = None
    """How many there are, where that is known."""

    @property
    def passed(self) -> str:
        """That it is not recorded, and why."""
        total = "" if self.size is None else f" of {self.size}"
        return f"rank 0 is recorded, and not this one ({self.variable}{total})"


def rank() -> Rank | None:
    """The rank of this process; None where nothing makes it one of several."""
    return (
        _of_pair(*_TORCH)
        or _of_node()
        or next(filter(None, (_of_pair(*names) for names in _PAIRS)), None)
        or next(filter(None, (_of_mark(*names) for names in _MARKED)), None)
        or _of_step()
    )


def ranks_fact() -> dict[str, Any]:
    """What a record that this process begins, or joins, says of ranks; nothing where there is one process."""
    own = rank()
    if own is None or own.number is None or own.size == 1:
        return {}
    return {
        "ranks": to_dict(Ranks(number=own.number, size=own.size, variable=own.variable.partition("=")[0]))
    }


def other_rank() -> Rank | None:
    """The rank of this process where another, rank 0, is the one that is recorded."""
    own = _one_of_several()
    return None if own is None or own.number == 0 else own


def refuse_isolated() -> None:
    """UsageError where the work tree of a run's own would be one rank's alone."""
    own = _one_of_several()
    if own is not None:
        raise UsageError(
            f"--isolated on each rank ({own.variable}) would give them different files: put gittrack run "
            "around what starts them, or say --every-rank"
        )


def _one_of_several() -> Rank | None:
    own = rank()
    return None if own is None or own.size == 1 or own.variable == os.environ.get(RANK_VARIABLE) else own


def other_node(command: Sequence[str]) -> Rank | None:
    """The node that torchrun or accelerate is told to be, where rank 0 is on another one."""
    options = dict(_options(command))
    for number, total in (("node-rank", "nnodes"), ("machine-rank", "num-machines")):
        node = options.get(number, "")
        if node.isdecimal() and int(node) and total in options:
            return Rank(None, f"--{number}={node}")
    return None


def _options(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in pairwise([*command, ""]):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            yield name.replace("_", "-"), value if equals else following


@functools.cache
def say_passed(own: Rank) -> None:
    """One line for a training, by its rank 1 (or each, where unknown); the others say it to who listens."""
    is_first = own.number in (1, None) and os.environ.get(RANK_VARIABLE) != PASSED  # else it has been said
    level = logging.WARNING if is_first else logging.INFO
    log.log(level, "%s; start_run(every_rank=True) records each", own.passed)


def _of_pair(name: str, total: str) -> Rank | None:
    number, size = _number(name), _number(total)
    if number is None or size is None or number >= size:
        return None
    return Rank(number, f"{name}={number}", size)


def _of_node() -> Rank | None:
    """Lightning numbers the processes of a node, and the nodes; RANK it leaves out."""
    local, node, size = _number("LOCAL_RANK"), _number("NODE_RANK"), _number("WORLD_SIZE")
    if node and os.environ.get("MASTER_ADDR"):
        return Rank(None, f"NODE_RANK={node}", size)
    if local is None or size is None or local >= size:
        return None
    return Rank(local, f"LOCAL_RANK={local}", size)


def _of_mark(name: str, mark: str) -> Rank | None:
    number = _number(name)
    return None if number is None or not os.environ.get(mark) else Rank(number, f"{name}={number}")


def _of_step() -> Rank | None:
    """A task of srun; a batch script and an interactive allocation have such a number too, and are alone."""
    if not os.environ.get("SLURM_STEP_ID"):
        return None
    own = _of_pair("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
    return own if own is not None and own.size != 1 else None


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None
