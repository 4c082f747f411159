"""A pull request that brings a decision, and a baseline by decision."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from gittrack.formats.config import load
from gittrack.governance.decide import decide
from gittrack.publishing.review import Review, review, to_dict
from gittrack.publishing.review.markdown import as_markdown
from gittrack.publishing.review.questions import questions
from gittrack.publishing.review.terminal import terminal
from gittrack.text.text import Paint
from tests.governance.gate.lab import Lab
from tests.ledgers import BRANCH

HOSTILE = "the best <script>alert(1)</script> | really"


@pytest.fixture
def lab(inside: Path) -> Lab:
    made = Lab(inside)
    made.fix()
    made.runs(0.90, 0.92)
    made.run(0.80, 0, params={"lr": 1.0})
    return made


def proposed(lab: Lab) -> Review:
    run = lab.records[0].id
    decide(lab.repository, load(lab.top), run, "selected", HOSTILE, proposal="choice")
    return review(lab.repository, BRANCH, "gittrack/review/choice", BRANCH)


def test_a_proposed_decision_is_shown_with_its_candidates(lab: Lab) -> None:
    """The one decided on first; the reason as text, not as markup; a question to sign off."""
    found = proposed(lab)
    text = as_markdown(found)
    run = lab.records[0].id
    assert "0 runs added to the ledger (digits)" in text and "verify: PASS" in text
    assert "More than new runs" not in text
    lines = [unescape(line).replace("<code>", "").replace("</code>", "") for line in text.splitlines()]
    at = lines.index("| Candidate | Finished | Failed | accuracy |")
    assert lines[at + 2] == f"| {run} | 2 | 0 | 0.91 ± 0.13 (n 2) |"
    assert lines[at + 3] == f"| {lab.records[2].id} | 1 | 0 | 0.8 (n 1) |"
    assert "<script>" not in text
    (asked,) = questions(found)
    assert asked == f"{run} of digits is to be selected, on fewer than three runs: do you sign that off?"


def test_terminal_and_json_have_it_too(lab: Lab) -> None:
    """Whole."""
    found = proposed(lab)
    assert f"{lab.records[0].id} of digits: selected, among 2 specs" in terminal(found, Paint(), None)
    (plain,) = to_dict(found, [])["decisions"]
    assert plain["because"] == HOSTILE and len(plain["candidates"]) == 2


def test_the_baseline_is_what_was_decided_to_be_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the newest run."""
    decide(lab.repository, load(lab.top), lab.records[0].id, "baseline", "what we ship today")
    monkeypatch.setenv("GITTRACK_REVIEW", "next")
    lab.run(0.93, 5)
    found = review(lab.repository, BRANCH, "gittrack/review/next", BRANCH)
    assert [e.baseline.id for e in found.experiments if e.baseline] == [lab.records[0].id]
