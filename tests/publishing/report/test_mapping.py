"""The mapping of provisions: sound as data, and answered by evidence that there is."""

from __future__ import annotations

import json
from importlib.resources import files

from gittrack.formats.codec import validate
from gittrack.publishing.report.answers import EVIDENCE, read_mapping
from tests.publishing.report.pages import Page
from tests.publishing.report.study import Study

PLAIN = json.loads(files("gittrack.schemas").joinpath("annex-iv.json").read_text("utf-8"))


def test_it_follows_its_schema() -> None:
    """Source, date of consolidation, items."""
    validate(PLAIN, "annex-iv", "annex-iv.json")
    assert PLAIN["url"].endswith(f"/{PLAIN['consolidated']}/eng")


def test_items_are_named_once_and_known() -> None:
    """Each has a module that there is and evidence that is looked for; none is looked for in vain."""
    mapping, items = read_mapping()
    ids = [item["id"] for item in items]
    assert len(ids) == len(set(ids)) > 30
    assert {item["module"] for item in items} <= set(mapping.modules)
    assert {key for item in items for key in item["evidence"]} == set(EVIDENCE)


def test_every_point_of_annex_iv_is_there() -> None:
    """1(a) to 1(h), 2(a) to 2(h), 3 to 9."""
    points = {item["provision"].partition(",")[0] for item in PLAIN["items"]}
    wanted = {f"1({letter})" for letter in "abcdefgh"} | {f"2({letter})" for letter in "abcdefgh"}
    assert wanted | set("3456789") <= points


def test_evidence_leads_to_sections(decided: Study) -> None:
    """Each item's evidence is a link to a section that the report has."""
    report = decided.report(since=decided.runs[0].id)
    sections = {e.section for answer in report.answers for e in answer.here}
    assert len(sections) > 8 and sections <= set(Page(decided.html()).ids)
