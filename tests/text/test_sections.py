"""Tables of figures: numbers to the digits that mean something, untrusted text made safe."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.cli.pages.seeds import seeds
from gittrack.text.sections import (
    Row,
    Section,
    as_markdown,
    between,
    chance,
    measured,
    percent,
    settings,
    terminal,
)
from gittrack.text.text import Paint, width
from tests.ledgers import make_record
from tests.tables import rows

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e|<img src=x>`x`\n=cmd() [a](http://b) @all"


@rows(
    ("value", "spread", "text"),
    [
        (0.919432, 0.0095123, "0.9194"),
        (0.919432, 0.095, "0.919"),
        (0.919432, 0.95, "0.92"),
        (1234.567, 12.3, "1235"),
        (1234.567, 1.23, "1234.6"),
        (123456.0, 1234.0, "123456"),
        (123456789.0, 1234.0, "123456789"),
        (1.5e-8, 2e-10, "1.5e-08"),
        (-0.5, 0.011, "-0.500"),
        (3e20, 1e18, "3e+20"),
        (0.5, None, "0.5"),
        (0.5, 0.0, "0.5"),
        (0.123456789, math.inf, "0.12346"),
    ],
)
def test_a_value_to_the_digits_of_its_spread(value: float, spread: float | None, text: str) -> None:
    """Two digits of the spread, and as many of the value."""
    assert measured(value, spread) == text


@given(st.floats(-1e300, 1e300), st.floats(1e-300, 1e300))
def test_what_is_shown_is_the_value(value: float, spread: float) -> None:
    """Within a tenth of its spread, and short."""
    shown = measured(value, spread)
    assert float(shown) == pytest.approx(value, abs=spread / 10, rel=1e-15)
    assert len(shown) <= 26


def test_intervals_and_chances() -> None:
    """Two ends, one end, none; p never as zero."""
    assert between(0.8852, 0.9348, 0.01) == "0.885..0.935"
    assert between(0.8852, None, 0.01) == "≥ 0.885"
    assert between(None, 0.8852, 0.01) == "≤ 0.885"
    assert between(None, None, 0.01) == ""
    assert between(-0.01, 0.02, 0.01, sign=True) == "-0.010..+0.020"
    assert [chance(p) for p in (None, 0.0, 0.00099, 0.0123, 0.5, 1.0)] == [
        "",
        "<0.001",
        "<0.001",
        "0.012",
        "0.50",
        "1.00",
    ]
    assert [percent(c) for c in (0.95, 0.9, 0.999, 1 - 2 * 0.05)] == ["95 %", "90 %", "99.9 %", "90 %"]


def test_seeds_and_settings() -> None:
    """Three or more in a row are a range; names are shown; many are cut."""

    def shown(*values: int | None) -> str:
        return seeds([make_record(n, seed=seed) for n, seed in enumerate(values)])

    assert shown(3, 1, 2, 9, 10, 5) == "1..3, 5, 9, 10"
    assert shown(None, 1) == "none, 1"
    assert shown(*range(0, 60, 2)).endswith("22, and 18 more")
    assert seeds([make_record(1, seed=0, seeds={"split": 2})]) == "0 (split 2)"
    assert seeds([make_record(1, seeds={"split": 2})]) == "split 2"
    assert settings({"lr": 0.1, "net.depth": None}) == "lr=0.1 net.depth="


def section(text: str) -> Section:
    return Section(
        title=text,
        lead=[text],
        header=[text, f">{text}"],
        rows=[Row([text], text), Row([text, text])],
        notes=[text],
    )


def test_untrusted_text_steers_no_terminal() -> None:
    """Nor does it break lines or tables."""
    lines = terminal([section(HOSTILE)], Paint(), 100)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 6


def test_untrusted_text_is_no_markdown() -> None:
    """No HTML, link, mention, code or column of its own."""
    made = as_markdown([section(HOSTILE)])
    assert "<img" not in made
    assert "](http" not in made
    assert not re.search(r"(?<!\\)[`]|(?<!&#64;)@all", made)
    rows = [line for line in made.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_columns_of_numbers_stand_to_the_right() -> None:
    """Their names too."""
    made = Section(
        title="t", header=["metric", ">n", ">mean"], rows=[Row(["acc", "5", "0.91"]), Row(["a", "12", "0.9"])]
    )
    assert terminal([made], Paint(), None) == [
        "t",
        "  metric   n  mean",
        "  acc      5  0.91",
        "  a       12   0.9",
    ]
    assert "| --- | ---: | ---: |" in as_markdown([made])


def test_a_reason_takes_the_place_of_figures() -> None:
    """In Markdown in the next cell, so that the columns stay."""
    made = Section(header=["metric", ">n", ">mean"], rows=[Row(["acc", "1"], "one run has no spread")])
    assert "acc     1  one run has no spread" in terminal([made], Paint(), None)[1]
    assert "| acc | 1 | one run has no spread |" in as_markdown([made])


def test_a_narrow_terminal_leaves_columns_out_and_says_so() -> None:
    """Never a line that is too wide."""
    made = Section(header=[f">{name}" for name in "abcdefgh"], rows=[Row(["1234567890"] * 8)])
    lines = terminal([made], Paint(), 50)
    assert all(width(line) <= 50 for line in lines[:-1])
    assert "4 columns left out" in lines[-1]
