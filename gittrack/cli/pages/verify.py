"""A report as text for people and programs. All that comes from a ledger is escaped.

JSON is the whole report; JUnit has a test case per run; SARIF 2.1.0 is what code scanning reads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any, Literal

from gittrack.formats.record import clean_text
from gittrack.text import junit
from gittrack.text.json_text import json_page
from gittrack.text.table import markdown_cell
from gittrack.text.tables import markdown_lines
from gittrack.text.text import Paint, one_line
from gittrack.verify import UNPROVEN
from gittrack.verify.findings import Finding, Severity, VerifyReport
from gittrack.version import VERSION

HELP = "docs/verify.md"
LONGEST_MARKDOWN = 60_000
"""A comment on GitHub holds 65,536 characters."""
_COLOURS = {"PASS": "green", "FAIL": "red", "INCOMPLETE": "yellow"}
_MARKS: dict[Severity, tuple[str, str]] = {
    "fail": ("red", "FAIL"), "incomplete": ("yellow", "INCOMPLETE"), "note": ("cyan", "note"),
}  # fmt: skip
_OUTCOMES: dict[Severity, Literal["failed", "skipped"]] = {"fail": "failed", "incomplete": "skipped"}
_ORDER: tuple[Severity, ...] = ("fail", "incomplete", "note")


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Most serious first, else as they were found."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))


def verdict(report: VerifyReport) -> str:
    """The outcome in one line: what was verified, and how much was found."""
    counts = [(sum(f.severity == s for f in report.findings), s) for s in _ORDER]
    words = {"fail": "failed", "incomplete": "could not be checked", "note": "noted"}
    summary = ", ".join(f"{count} {words[severity]}" for count, severity in counts if count)
    what = "1 run" if report.runs == 1 else f"{report.runs:,} runs"
    return f"{what} at {report.tip[:12] or 'no ledger'}" + (f": {summary}" if summary else "")


def as_table(report: VerifyReport, paint: Paint) -> list[str]:
    """Lines for a terminal."""
    lines = [line for finding in ordered(report.findings) for line in _terminal(finding, paint)]
    outcome = paint(_COLOURS[report.outcome], report.outcome)
    return [*lines, f"{outcome}  {verdict(report)}", UNPROVEN]


def _terminal(finding: Finding, paint: Paint) -> Iterator[str]:
    colour, mark = _MARKS[finding.severity]
    about = finding.path or finding.run
    where = f"  {one_line(about)}" if about else ""
    yield f"{paint(colour, f'{mark:10}')}  {paint('bold', finding.code)}{where}"
    yield f"            {one_line(finding.says)}"
    for name in ("expected", "found"):
        value = getattr(finding, name)
        if value is not None:
            yield f"            {name:8}  {one_line(value)}"


def as_markdown(report: VerifyReport) -> str:
    """A heading with the verdict and a table of what was found, as much as a comment on a forge holds."""
    head = f"## gittrack verify: {report.outcome}\n\n{verdict(report)}\n"
    findings = ordered(report.findings)
    rows = [list(_markdown(finding)) for finding in findings[: LONGEST_MARKDOWN // 20]]  # the shortest row
    table = markdown_lines(["severity", "code", "where", "what"], rows) if rows else []
    ends = list(accumulate(len(line) + 1 for line in table[2:]))
    most = bisect_right(ends, LONGEST_MARKDOWN - 1000)
    more = [f"\n{len(findings) - most} more are not shown."] if most < len(findings) else []
    body = ["", *table[: 2 + most], *more] if findings else []
    return "\n".join([head, *body, "", UNPROVEN, ""]).replace("\n\n\n", "\n\n")


def _markdown(finding: Finding) -> Iterator[str]:
    yield finding.severity
    yield f"`{finding.code}`"
    yield markdown_cell((finding.path or finding.run or "")[:1000])
    facts = [(name, getattr(finding, name)) for name in ("expected", "found")]
    yield "; ".join(
        [markdown_cell(finding.says[:1000])]
        + [f"{name} {markdown_cell(value[:500])}" for name, value in facts if value is not None]
    )


def as_json(report: VerifyReport) -> str:
    """Everything, for programs."""
    plain = {
        "outcome": report.outcome,
        "tip": report.tip,
        "runs": report.runs,
        "findings": [_plain(finding) for finding in ordered(report.findings)],
        "not_proven": UNPROVEN,
        "gittrack": VERSION,
    }
    return json_page(plain)


def _plain(finding: Finding) -> dict[str, str]:
    return {name: clean_text(value) for name, value in asdict(finding).items() if value is not None}


def as_junit(report: VerifyReport) -> str:
    """A test suite with a case for each run or path that something was found about, and one for the rest."""
    about: dict[str, list[Finding]] = {"ledger": []}
    for finding in report.findings:
        about.setdefault(finding.run or "ledger", []).append(finding)
    cases = [_case(name, findings) for name, findings in about.items()]
    return junit.as_junit("gittrack verify", cases, f"{verdict(report)}. {UNPROVEN}")


def _case(name: str, findings: Sequence[Finding]) -> junit.Case:
    """Failed where something does not hold, else skipped where something could not be checked."""
    for severity, outcome in _OUTCOMES.items():
        chosen = [finding for finding in findings if finding.severity == severity]
        if chosen:
            return junit.Case(name, outcome, chosen[0].code, "\n".join(map(_sentence, chosen)))
    return junit.Case(name, "passed")


def _sentence(finding: Finding) -> str:
    facts = [(name, getattr(finding, name)) for name in ("path", "expected", "found")]
    details = "".join(f"; {name}: {one_line(value)}" for name, value in facts if value is not None)
    return f"{finding.code}: {one_line(finding.says)}{details}"


def as_sarif(report: VerifyReport) -> str:
    """SARIF 2.1.0 (OASIS), one result per finding."""
    rules = {f.code: {"id": f.code, "help": {"text": f"{HELP}, {f.code}"}} for f in report.findings}
    run = {
        "tool": {
            "driver": {
                "name": "gittrack verify",
                "semanticVersion": VERSION,
                "rules": list(rules.values()),
            }
        },
        "results": [_result(finding) for finding in ordered(report.findings)],
        "properties": {"outcome": report.outcome, "tip": report.tip, "runs": report.runs},
    }
    plain = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json_page(plain)


def _result(finding: Finding) -> dict[str, Any]:
    from urllib.parse import quote

    level = {"fail": "error", "incomplete": "warning", "note": "note"}[finding.severity]
    uri = quote((finding.path or "gittrack.yaml").encode("utf-8", "backslashreplace"))
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": level,
        "message": {"text": clean_text(_sentence(finding))},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
        "partialFingerprints": {"gittrack/v1": clean_text(f"{finding.code}:{finding.path}:{finding.run}")},
    }
    if finding.run is not None:
        result["properties"] = {"run": clean_text(finding.run)}
    return result
