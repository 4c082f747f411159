"""The same report for people and programs; whatever a ledger says stays text. And the page of codes."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

import gittrack.verify
from gittrack.cli.pages import verify as pages
from gittrack.text.text import Paint
from gittrack.verify import Finding, VerifyReport
from tests.tables import rows

SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
HOSTILE = "x</failure>&]]>|`<script>\x1b[2J\x00\udc80\n![a](http://x)\ufffe"
FINDINGS = [
    Finding(code="repository-alternates", severity="note", says="worth knowing"),
    Finding(code="code-missing", severity="incomplete", says="not here", run="r2"),
    Finding(
        code="record-digest", severity="fail", says="differs", path=HOSTILE, run=HOSTILE, expected=HOSTILE,
        found=HOSTILE,
    ),
]  # fmt: skip
REPORT = VerifyReport("1" * 40, 1234, FINDINGS)
PASS = VerifyReport("1" * 40, 1, [])


def test_the_table_says_outcome_counts_and_limits() -> None:
    """Most serious first; nothing steers the terminal."""
    lines = pages.as_table(REPORT, Paint())
    assert lines[0].startswith("FAIL        record-digest  x</failure>")
    assert lines[-2] == f"FAIL  1,234 runs at {'1' * 12}: 1 failed, 1 could not be checked, 1 noted"
    assert lines[-1] == gittrack.verify.UNPROVEN
    assert all(line.isprintable() for line in lines)
    assert pages.as_table(PASS, Paint())[0] == f"PASS  1 run at {'1' * 12}"


def test_json_holds_everything() -> None:
    """And is Unicode."""
    whole = json.loads(pages.as_json(REPORT).encode())
    assert [f["severity"] for f in whole["findings"]] == ["fail", "incomplete", "note"]
    assert whole["findings"][0]["path"] == HOSTILE.replace("\udc80", "\\udc80")
    assert (whole["outcome"], whole["tip"], whole["runs"]) == ("FAIL", "1" * 40, 1234)
    assert json.loads(pages.as_json(PASS))["findings"] == []


def test_junit_is_well_formed_whatever_is_said() -> None:
    """One case per run, one for the rest."""
    suite = ElementTree.fromstring(pages.as_junit(REPORT).encode())  # noqa: S314
    assert suite.attrib == {
        "name": "gittrack verify", "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    assert [[child.tag for child in case] for case in suite.findall("testcase")] == [
        [],
        ["skipped"],
        ["failure"],
    ]
    assert "<script>" in (suite.findall("testcase")[2][0].text or "")


REPORTS = [
    REPORT,
    PASS,
    VerifyReport("", 0, [Finding(code="verify-more", severity="incomplete", says="more")]),
]


@pytest.mark.parametrize("report", REPORTS, ids=["hostile", "pass", "no ledger"])
def test_junit_satisfies_the_published_schema(report: VerifyReport) -> None:
    """That of Jenkins, which JUnit itself has none of."""
    xmlschema = pytest.importorskip("xmlschema", reason="pip install xmlschema")
    xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd")).validate(pages.as_junit(report))


@rows("report", REPORTS)
def test_sarif_satisfies_the_published_schema(report: VerifyReport) -> None:
    """That of SARIF 2.1.0, with its formats."""
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text())
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
    whole = json.loads(pages.as_sarif(report))
    assert [error.message for error in validator.iter_errors(whole)] == []
    whole["runs"][0]["tool"]["driver"].pop("name")
    assert not validator.is_valid(whole), "the schema is in force"


def test_sarif_is_what_code_scanning_reads() -> None:
    """The fields that GitHub requires; levels by severity."""
    whole = json.loads(pages.as_sarif(REPORT).encode())
    (run,) = whole["runs"]
    assert whole["version"] == "2.1.0"
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == rules
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[\w%./~-]+", uri)


def test_markdown_renders_nothing_that_a_ledger_says() -> None:
    """No HTML, image, code or column of its own."""
    text = pages.as_markdown(REPORT)
    assert text.startswith("## gittrack verify: FAIL\n")
    row = next(line for line in text.splitlines() if "record-digest" in line)
    assert "<script>" not in row
    assert "![a]" not in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_markdown_fits_a_comment() -> None:
    """Most important first; how much is left out is said."""
    many = [
        Finding(code="history-deleted", severity="note", says="x" * 100, path=f"runs/{n}")
        for n in range(9000)
    ]
    fault = Finding(code="record-digest", severity="fail", says="differs")
    text = pages.as_markdown(VerifyReport("1" * 40, 9000, [*many, fault]))
    assert len(text) < 65_536
    assert "record-digest" in text
    left = re.search(r"(\d+) more are not shown", text)
    assert left is not None
    assert int(left[1]) + text.count("history-deleted") == 9000
    assert gittrack.verify.UNPROVEN in text


CODE = re.compile(
    r"(repository|ledger|history|record|code|locks|data|protocol|policy|signature|reproduction|decision"
    r"|registry|bundle|verify|import)"
    r"(-[a-z]+)+"
)
NOT_CODES = {"code-commits", "verify-tag"}
"""A key of the checks' shared cache, a command of git."""


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    """docs/verify.md says what each means, how it can arise innocently and what to do."""
    folder = Path(gittrack.verify.__file__).parent
    used = {
        node.value
        for file in [*folder.glob("*.py"), *(folder.parent / "publishing/bundle").glob("*.py")]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }
    page = (folder.parent.parent / "docs" / "verify.md").read_text()
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \|(.*)\|$", page)
    assert {code for code, _ in rows} == used - NOT_CODES
    assert len(rows) == len({code for code, _ in rows})
    for code, cells in rows:
        assert all(cell.strip() for cell in cells.split("|")) and cells.count("|") == 3, code
