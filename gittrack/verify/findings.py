"""What verify can say: findings with stable codes, and the outcome they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fail", "incomplete", "note"]
Outcome = Literal["PASS", "FAIL", "INCOMPLETE"]

EXIT_CODES: dict[Outcome, int] = {"PASS": 0, "FAIL": 1, "INCOMPLETE": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of one check.

    `code` is stable and documented in docs/verify.md. ``fail``: what a record claims does not
    hold. ``incomplete``: it could not be checked here. ``note``: worth knowing, and no fault.
    """

    code: str
    severity: Severity
    says: str
    path: str | None = None
    """File on the ledger (or ref) that it is about."""
    run: str | None = None
    """Id of the run that it is about; None where it is about the ledger or the clone."""
    expected: str | None = None
    found: str | None = None


def finding(
    code: str,
    says: str,
    path: str,
    severity: Severity = "fail",
    *,
    run: str | None = None,
    expected: str | None = None,
    found: str | None = None,
) -> Finding:
    """A finding about a path or ref; of what was expected and found, which may be anything, the beginning."""
    return Finding(
        code=code,
        severity=severity,
        says=says,
        path=path,
        run=run,
        expected=expected and expected[:500],
        found=found and found[:500],
    )


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """FAIL if anything failed, else INCOMPLETE if anything could not be checked, else PASS."""
    severities = {finding.severity for finding in findings}
    return "FAIL" if "fail" in severities else "INCOMPLETE" if "incomplete" in severities else "PASS"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verify found."""

    tip: str
    """Ledger commit; empty where there is no ledger any more."""
    runs: int
    """Number of runs that were verified."""
    findings: Sequence[Finding]

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.findings)
