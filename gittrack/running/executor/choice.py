"""Where runs go, as the command line asks for it: checked before anything is sent or started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.running.executor.slurm.array import SlurmOptions

EXECUTORS = ("local", "ray", "slurm")
SHARED = ("local", "slurm")
"""Those that work in this clone, with its data, its cache and its interpreter."""


class Placement(Protocol):
    """What the options of a sweep and of a reproduction have in common."""

    @property
    def executor(self) -> str: ...
    @property
    def resources(self) -> Mapping[str, float]: ...
    @property
    def sbatch(self) -> Sequence[str]: ...
    @property
    def jobs(self) -> int | None: ...
    @property
    def wait(self) -> bool: ...


def check_placement(options: Placement) -> None:
    """UsageError for an executor that there is not, or that cannot do what is asked of it."""
    if options.executor not in EXECUTORS:
        raise UsageError(f"--executor takes {', '.join(EXECUTORS)}, not {options.executor!r}")
    if options.executor == "slurm":
        slurm_options(options).words()
    elif options.sbatch or not options.wait:
        name = "--sbatch-option" if options.sbatch else "--no-wait"
        raise UsageError(f"{name} goes with --executor slurm")


def slurm_options(options: Placement) -> SlurmOptions:
    from gittrack.running.executor.slurm.array import SlurmOptions

    return SlurmOptions(resources=options.resources, sbatch=options.sbatch, at_once=options.jobs)
