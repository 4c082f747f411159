"""The attempts of a run: a run that was killed, and taken up again from its journal, has several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["finished", "failed", "killed", "unknown"]
EndedBy = Literal["program", "process", "command", "recovery", "preemption"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run did not finish: the exception's class and message, or ``exit`` and a code, or ``signal``."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCode:
    """The code of an attempt, where it is not that of the first."""

    commit: str | None = None
    tree: str
    snapshot: str | None = None
    """Commit that keeps the uncommitted changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process, or `gittrack run`, of a run that has several; in the order of their starts."""

    started: str
    """UTC, ISO 8601 with microseconds and ``Z``."""
    duration_s: float | None = None
    """Until its end, or until it last wrote anything where nobody saw that."""
    status: Status
    failure: Failure | None = None
    ended_by: EndedBy | None = None
    host: str | None = None
    """A digest that tells hosts apart, as in environment.yaml."""
    python: str | None = None
    os: str | None = None
    cpu: str | None = None
    gpus: tuple[str, ...] = ()
    restarts: int | None = None
    """How often the scheduler had restarted its job."""
    code: AttemptCode | None = None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        why = f": {self.failure.type}: {self.failure.message}" if self.failure else ""
        return f"{self.status}{why}"
