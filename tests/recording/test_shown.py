"""Runs, records and results as a notebook shows them: short, escaped, with curves."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import gittrack

EVIL = "<script>alert(1)</script>&\"'"


def parsed(html: str) -> ET.Element:
    """The page, which is well-formed and has no element but ours."""
    page = ET.fromstring(f"<div>{html}</div>")  # noqa: S314 - our own
    assert {element.tag for element in page.iter()} <= {
        "div", "p", "b", "table", "tr", "th", "td", "svg", "polyline",
    }  # fmt: skip
    return page


def test_a_run_shows_how_it_stands(inside: Path) -> None:
    """While it runs, and once it has ended; what it was given is escaped."""
    run = gittrack.start_run("digits", name=EVIL, params={EVIL: EVIL, "lr": 0.1}, tags={"a": EVIL})
    for step in range(50):
        run.log_metrics({"loss": 1 / (step + 1), f"{EVIL[:8]}": float("nan")}, step=step)
    assert repr(run) == f"<Run {run.id} digits running>"
    page = parsed(run._repr_html_())
    assert len(page.findall(".//polyline")) == 1 and EVIL in "".join(page.itertext())
    assert "step 49" in "".join(page.itertext())
    run.finish()
    assert repr(run).startswith(f"<Run {run.id} digits ") and len(repr(run)) < 200
    page = parsed(run._repr_html_())
    assert len(page.findall(".//polyline")) == 1 and "0.02" in "".join(page.itertext())
    assert parsed(gittrack.Run(None, None)._repr_html_()) is not None


def test_records_and_results_are_short(inside: Path) -> None:
    """One line for each run of a search, a table for all, and a few lines where there are many."""
    for number in range(7):
        with gittrack.start_run("digits", tags={"a": EVIL}) as run:
            run.log_metrics({"loss": number / 3, "accuracy": 0.5, "f1": 0.5, "auc": 0.5}, step=1)
    runs = gittrack.search()
    assert len(repr(runs).splitlines()) == 7 and "and 2 more" in repr(runs)
    assert re.fullmatch(r"<Found \S+ digits finished accuracy=0\.5 auc=0\.5 f1=0\.5 \.\.\.>", repr(runs[0]))
    assert repr(runs[0].record) == repr(runs[0]).replace("Found", "Record")
    assert len(parsed(runs._repr_html_()).findall(".//tr")) == 8
    assert EVIL in "".join(parsed(runs[0]._repr_html_()).itertext())
    assert parsed(runs[0].record._repr_html_()) is not None
    assert repr(gittrack.search("status = 'failed'")) == "<Runs: 0>"
    parsed(gittrack.search("status = 'failed'")._repr_html_())
