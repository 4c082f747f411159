"""JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gittrack.text.junit import Case, as_junit

NASTY = "a\x00\x1b[31m<b>&\"'\u202e\ufffe\udcff]]>\u00e9"


def test_counts_and_cases() -> None:
    """Each case under the suite's name, with why it failed or was skipped; no empty list of properties."""
    cases = [Case("one", "passed"), Case("two", "failed", "no", "a\nb"), Case("three", "skipped", "later")]
    suite = ElementTree.fromstring(as_junit("gittrack gate", cases, "said", [("k", "v")]))  # noqa: S314
    assert suite.attrib == {
        "name": "gittrack gate", "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    assert [child.tag for child in suite] == ["properties", *["testcase"] * 3, "system-out"]
    assert {case.get("classname") for case in suite.iter("testcase")} == {"gittrack.gate"}
    failure = suite.find("testcase[@name='two']/failure")
    assert failure is not None and (failure.get("message"), failure.text) == ("no", "a\nb")
    assert suite.find("testcase[@name='three']/skipped") is not None
    assert "<properties>" not in as_junit("x", cases, "")


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_it_is_well_formed_whatever_is_said(outcome: str) -> None:
    """Control characters, surrogates and markup are shown, and change nothing of the document."""
    case = Case(NASTY, outcome, NASTY, NASTY)  # type: ignore[arg-type]
    text = as_junit("x", [case], NASTY, [(NASTY, NASTY)])
    suite = ElementTree.fromstring(text.encode())  # noqa: S314
    assert len(list(suite.iter())) == 6
    assert "\\x1b[31m<b>&" in (suite.findtext("system-out") or "")
