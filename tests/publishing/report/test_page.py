"""The HTML of a report: one file that asks nobody for anything, for the eye, the ear and paper."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from itertools import pairwise

import pytest

from tests.ledgers import in_one_second
from tests.publishing.report.pages import Page
from tests.publishing.report.study import Study
from tests.repositories import run_git
from tests.tables import rows

STYLE = files("gittrack.publishing.report").joinpath("style.css").read_text("utf-8")


@pytest.fixture
def page(decided: Study) -> Page:
    return Page(decided.html())


def test_nothing_is_loaded_and_nothing_runs(page: Page) -> None:
    """No script, no handler, no picture, font or style from elsewhere; the policy says so too."""
    assert not {tag.name for tag in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "img",
        "form",
        "base",
    }
    names = {name for tag in page.tags for name in tag.attributes}
    assert not [name for name in names if name.startswith("on")] and not names & {"src", "style", "srcset"}
    assert not re.search(r"url\(|@import|expression", STYLE)
    (style,) = page.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    (policy,) = [m.attributes["content"] for m in page.all("meta") if "http-equiv" in m.attributes]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_every_link_leads_somewhere(page: Page) -> None:
    """Anchors are there once each; addresses are of the web."""
    assert len(page.ids) == len(set(page.ids))
    inner = [link for link in page.links if link.startswith("#")]
    assert {link[1:] for link in inner} <= set(page.ids) and len(inner) > 50
    assert all(link.startswith("https://") for link in page.links if not link.startswith("#"))


def test_it_can_be_heard(page: Page) -> None:
    """Language, landmarks, headings in order, captions, heads of rows and columns, titles of pictures."""
    (root,) = page.all("html")
    assert root.attributes["lang"] == "en"
    assert all(len(page.all(name)) == 1 for name in ("header", "main", "nav", "h1"))
    levels = [int(tag.name[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag.name)]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert all(tag.attributes.get("scope") in ("row", "col") for tag in page.all("th"))
    for picture in page.all("svg"):
        title, words = picture.attributes["aria-labelledby"].split()
        assert picture.attributes["role"] == "img" and page.id(title).text and page.id(words).text
    assert page.all("svg") and page.links[0] == "#content"


def test_every_figure_leads_to_a_record(page: Page, decided: Study) -> None:
    """A run's row has the command that prints its record, and figures link to such rows."""
    run = decided.runs[0]
    shown = page.id(f"run-{run.id}").text
    command = re.search(r"git show [0-9a-f]{12}:runs/digits/[0-9-]+/[0-9a-f-]+/run\.yaml", shown)
    blob = re.search(r"blob ([0-9a-f]{12})", shown)
    assert command is not None and blob is not None
    printed = run_git(decided.top, *command[0].split()[1:])
    assert run.id in printed.splitlines()[1] and printed == run_git(decided.top, "cat-file", "blob", blob[1])
    for section in ("selection", "run", "accuracy", "gate", "groups"):
        cells = [
            t
            for t in page.all("td")
            if page.id(section) in t.within and re.fullmatch(r"0\.9\d*( ±.*)?", t.text)
        ]
        assert cells, section
        linked = [tag for tag in page.all("a") if tag.attributes["href"].startswith(("#run-", "#spec-"))]
        for cell in cells:
            whole_row = [a for a in linked if cell.within[-1] in a.within]
            assert whole_row, (section, cell)


def test_every_run_is_listed(page: Page, decided: Study) -> None:
    """Failed ones too."""
    for run in decided.runs:
        assert run.status in page.id(f"run-{run.id}").text


def _themes() -> list[dict[str, str]]:
    light = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", STYLE.partition("@media")[0]))
    dark = dict(
        re.findall(
            r"--([a-z]+): (#[0-9a-f]{6})",
            STYLE.partition("prefers-color-scheme: dark")[2].partition("* {")[0],
        )
    )
    return [light, {**light, **dark}]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@rows("theme", _themes())
def test_text_stands_out(theme: dict[str, str]) -> None:
    """At least 4.5 to 1, as WCAG 2.2 AA asks; lines of pictures at least 3 to 1."""
    assert len(theme) >= 10
    for ground in ("ground", "panel"):
        for ink in ("ink", "soft", "accent", "good", "bad", "open"):
            light, dark = sorted((_luminance(theme[ground]), _luminance(theme[ink])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, ink)
    light, dark = sorted((_luminance(theme["ground"]), _luminance(theme["other"])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_paper_and_narrow_screens_have_their_rules() -> None:
    """Wide tables scroll in their own box; on paper there is no navigation, and rows stay whole."""
    assert re.search(r"\.table \{ overflow-x: auto", STYLE)
    paper = STYLE.partition("@media print")[2]
    assert "nav { display: none" in paper and "break-inside: avoid" in paper and "table-header-group" in paper
    assert "counter(pages)" in STYLE


def test_the_same_ledger_gives_the_same_bytes(decided: Study) -> None:
    """Whichever format; a time is in it only when asked for."""
    assert decided.html() == decided.html() and decided.markdown() == decided.markdown()
    assert decided.json() == decided.json()
    assert (
        "Report made" in decided.html(generated="2026-11-25 10:00 UTC")
        and "Report made" not in decided.html()
    )


def test_no_verdict_on_the_law(decided: Study) -> None:
    """Nothing is called compliant, in any format."""
    for text in (decided.html(), decided.markdown(), str(decided.json())):
        assert "complian" not in text.lower()


def test_the_order_of_the_aisdp(decided: Study) -> None:
    """Index and sections by module, nothing lost."""
    usual, by_module = Page(decided.html()), Page(decided.html(order="aisdp"))
    assert sorted(usual.ids) == sorted(by_module.ids)
    sections = [tag for tag in by_module.all("p") if tag.attributes.get("class") == "about"]
    modules = [
        int(tag.text.split()[1].rstrip(":"))
        for tag in sections
        if tag.within[-1].attributes["class"] == "level2"
    ]
    assert modules == sorted(modules) and len(set(modules)) > 4


def test_named_seeds_stand_beside_the_seed(study: Study) -> None:
    """In the table of all runs."""
    record = study.run(0.9, 1)
    (copy,) = in_one_second(study.repository, record, {"seeds": {"split": 2}})
    assert "1 (split 2)" in html.unescape(study.markdown(copy.id, verify=False))
