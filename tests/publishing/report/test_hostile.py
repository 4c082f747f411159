"""A ledger full of what would like to be run, linked or believed: the report is right and harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

import gittrack
from gittrack.formats.codec import validate
from gittrack.formats.record import Metric
from tests.ledgers import commit_records
from tests.publishing.report.pages import Page
from tests.publishing.report.study import PROTOCOL, Study

SCRIPT = "<script>alert(1)</script>"
BREAK = "\"><img src=x onerror=alert(1)> '--></style></title></svg>"
MARKDOWN = "[x](javascript:alert(1)) ![i](https://evil.example/i.png) | @ada #1 `code` **bold** <b>"
TURNED = "abc\u202egnp.exe\u2066 \x1b[31mred\x07 \u0000".replace("\u0000", "")
HUGE = "long " * 15_000
TAGS = """
a blockquote body caption circle code dd desc div dl dt figcaption figure footer h1 h2 h3 head header html
li line main meta nav ol p polyline rect section span style svg table tbody td text th thead title tr ul
"""


@pytest.fixture
def hostile(study: Study) -> Study:
    """Every text that a person or a pull request can put into a ledger or into gittrack.yaml is bad."""
    (study.top / f"{'x' * 60}.txt").write_text(SCRIPT)
    study.write(
        {
            **PROTOCOL,
            "question": SCRIPT + HUGE,
            "metrics": {**PROTOCOL["metrics"], "<b>m|1": {"unit": BREAK[:400], "why": MARKDOWN}},
        },
        {
            "purpose": SCRIPT + MARKDOWN,
            "provider": BREAK,
            "limitations": [HUGE, TURNED.replace("\x1b", "").replace("\x07", "")],
            "datasheets": {"<i>d</i>": "javascript:alert(1)"},
            "links": {
                "annex-iv.5": "javascript:alert(1)",
                "annex-iv.8": 'https://x.example/"><script>alert(1)</script>',
            },
        },
    )
    study.commit("criteria")
    for seed in range(12):
        params: dict[str, Any] = {BREAK: SCRIPT, "n": seed, "t": MARKDOWN, TURNED: TURNED}
        with gittrack.start_run(
            "digits", seed=seed, params=params, hypothesis=HUGE[:19_000], tags={"a": SCRIPT}
        ) as run:
            for step in range(3):
                run.log_metric("<b>m|1", step * 1e250, step=step)
                run.log_metric("accuracy", seed / 20 + step / 99, step=step)
            run.log_metrics({"accuracy": seed / 20, "loss": float("nan"), "accuracy/<a>=x": float("inf")})
        assert run.record is not None
        study.runs.append(run.record)
    with pytest.raises(ValueError), gittrack.start_run("digits") as run:
        raise ValueError(SCRIPT + BREAK)
    study.decide(study.runs[3], because=SCRIPT + MARKDOWN + BREAK)
    return study


def test_the_page_has_no_other_tags_than_ours(hostile: Study) -> None:
    """What was put in is text; nothing is loaded, run or linked."""
    page = Page(hostile.html())
    allowed = set(TAGS.split())
    assert {tag.name for tag in page.tags} <= allowed
    names = {name for tag in page.tags for name in tag.attributes}
    assert not names & {"src", "style"} and not [name for name in names if name.startswith("on")]
    assert not [link for link in page.links if not link.startswith(("#", "https://"))]
    text = page.all("body")[0].text
    assert SCRIPT in text and "onerror=alert(1)" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", hostile.html())


def test_long_texts_do_not_make_a_long_report(hostile: Study) -> None:
    """They are cut where they are shown, and whole in the JSON."""
    assert len(hostile.html()) < 500_000
    assert len(hostile.json()["criteria"]["question"]) > 70_000


def test_the_markdown_holds_no_markup_of_theirs(hostile: Study) -> None:
    """No tag, link, picture or mention but ours; every row of a table has the cells of its head."""
    text = hostile.markdown()
    assert set(re.findall(r"<(/?[a-z]+)", text)) <= {"code", "/code", "br", "sub", "/sub"}
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)]*)\)", text))
    assert "evil.example/i.png)" not in text and "javascript:alert" not in text and "@ada" not in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", text)
    width = 0
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not cells or not width or cells == width, line
        width = cells


def test_the_json_is_json_and_follows_its_schema(hostile: Study) -> None:
    """Numbers that are not finite are text."""
    plain = hostile.json()
    validate(plain, "report", "report")
    assert plain["runs"][0]["metrics"]["loss"] == "nan"
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_unbelievable_numbers(study: Study) -> None:
    """Whole numbers beyond what a float holds, values at the end of the range, equal ones."""
    base = study.run(0.5, 1, width=1)
    big = {"accuracy": Metric(value=10**400), "loss": Metric(value=-1.7e308)}
    later = replace(base, id=f"{base.id[:-6]}ffffff", seed=2, metrics=big)
    study.decide(base)
    commit_records(study.repository, [later])
    assert Page(study.html()).id(f"run-{later.id}") and study.markdown() and study.json()["runs"]
