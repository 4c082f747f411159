"""The part of a record about the job of a cluster's scheduler that the run was in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """The job, as its scheduler told the run."""

    kind: Literal["slurm"]
    cluster: str | None = None
    job: str
    """Number of the job; a task of an array has one of its own."""
    array: str | None = None
    """Number of the array that the job is a task of."""
    task: int | None = None
    """Index within the array."""
    restarts: int | None = None
    """How often the job had been begun before; absent where the scheduler named no number, as at first."""
    step: str | None = None
    """Number of the step within the job; absent outside of one, as in the batch script itself."""

    @property
    def sentence(self) -> str:
        """The job in words, by the number that the scheduler's own commands take."""
        job = self.job if self.array is None else f"{self.array}_{self.task} (job {self.job})"
        parts = [
            f"Slurm job {job}",
            f"step {self.step}" if self.step is not None else "",
            f"begun {self.restarts + 1} times" if self.restarts else "",
            f"on {self.cluster}" if self.cluster else "",
        ]
        return ", ".join(part for part in parts if part)
