"""What `gittrack run` and `gittrack sweep` are told of a program and its record, and what is made of it.

Apart from `options`, which the quick verbs load too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.recording.job import Job


HARVEST = "gittrack.importers.harvest:Harvest"
"""Who takes up what other trackers keep of a program, for wings below that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The options as they were typed."""

    command: list[str]
    experiment: str | None
    hypothesis: str | None
    name: str | None
    set_param: list[str] | None
    passing: str | None
    inputs: list[str] | None
    outputs: list[str] | None
    params: list[str] | None
    metrics: list[str] | None
    tags: list[str] | None
    dirty: str | None
    image: str | None
    propose: bool
    branch: str | None
    resume: str | None = None
    harvest: bool = True

    def job(self, *, seed: int | None = None, parent: str | None = None, console: bool = True) -> Job:
        """The same, read. UsageError for what cannot be."""
        from gittrack.recording.job import Job
        from gittrack.recording.passing import checked_way
        from gittrack.recording.request import Request

        request = Request(
            experiment=_typed(self.experiment),
            name=self.name,
            hypothesis=self.hypothesis,
            seed=seed,
            tags=dict(_pair(text, "-t", "=") for text in self.tags or []),
            parent=parent,
            dirty=_choice(self.dirty),
            image=self.image,
            propose=self.branch or ("" if self.propose else None),
            resume=self.resume,
        )
        return Job(
            command=self.command,
            request=request,
            inputs=[with_role(text, "--input") for text in self.inputs or []],
            outputs=[
                (path, role or "artifact")
                for path, role in (with_role(text, "--output") for text in self.outputs or [])
            ],
            params=self.params or [],
            metrics=self.metrics or [],
            settings=self.set_param or [],
            passing=checked_way(self.passing),
            console=console,
            harvest=HARVEST if self.harvest else None,
        )


def _typed(experiment: str | None) -> str | None:
    """Whoever types a name can choose another; programs have names that they are given."""
    from gittrack.formats.experiments import EXPERIMENT

    if experiment is not None and not EXPERIMENT.match(experiment):
        raise UsageError(
            f"experiment name {experiment!r} will not do: up to 100 letters, digits, '_', '-' and '.', "
            "beginning with a letter, digit or '_'"
        )
    return experiment


def _pair(text: str, option: str, separator: str) -> tuple[str, str]:
    key, sign, value = text.partition(separator)
    if not sign or not key:
        raise UsageError(f"{option} takes KEY{separator}VALUE, not {text!r}")
    return key, value


def with_role(text: str, option: str) -> tuple[str, str | None]:
    """``PATH:ROLE``; a path may hold colons, a role may not, and may be left out."""
    path, colon, role = text.rpartition(":")
    stated = bool(colon) and "/" not in role and not Path(text).exists()
    if not (path and role if stated else text):
        raise UsageError(f"{option} takes PATH:ROLE, not {text!r}")
    return (path, role) if stated else (text, None)


def _choice(dirty: str | None) -> str | None:
    if dirty not in (None, "snapshot", "refuse"):
        raise UsageError(f"--dirty takes snapshot or refuse, not {dirty!r}")
    return dirty
