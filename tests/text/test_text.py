"""Text that reaches a terminal is safe and fits; numbers, ages and sizes read well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.text.text import Paint, age, clean, cut, duration, number, one_line, pad, size, value, width
from tests.tables import rows


@rows(
    ("raw", "shown"),
    [
        ("plain é 日本 😀", "plain é 日本 😀"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("\x9b1m\x7f\x00", "\\x9b1m\\x7f\\x00"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\ud800", "\\ud800"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    """Controls, changes of direction and lone surrogates become visible escapes; other text stays."""
    assert clean(raw) == shown


@given(st.text())
def test_nothing_that_steers_survives(raw: str) -> None:
    """No text whatever leaves a control character, and one line stays one line."""
    shown = one_line(raw)
    assert all(c.isprintable() or c in "\u200d" or c.isspace() for c in shown)
    assert len(shown.splitlines()) <= 1


@given(st.text(alphabet="ab日本é\u0301😀", max_size=20), st.integers(0, 30))
def test_cut_fits(text: str, columns: int) -> None:
    """A cut text is never wider than asked, and whole when it fits; padding fills exactly."""
    shown = cut(text, columns)
    assert width(shown) <= columns
    assert shown == text or width(text) > columns
    assert width(pad(shown, columns)) == columns


@rows(
    ("item", "precision", "shown"),
    [
        (0.1, None, "0.1"), (1.0, 5, "1.0"), (0.123456789, 5, "0.12346"), (123456.7, 5, "123457"),
        (1e-7, 5, "1e-07"), (1e300, 5, "1e+300"), (True, 5, "true"), (None, 5, ""), (12345678, 3, "12345678"),
        ([1, "a\n", {"k": 0.5}], 5, "[1, a, {k: 0.5}]"), ("a  b\x1b", 5, "a b\\x1b"), (-0.0, 5, "-0.0"),
        (3.0004, 3, "3.0"), (2.9996, 3, "3"),
    ],
)  # fmt: skip
def test_value(item: object, precision: int | None, shown: str) -> None:
    """Values are one line; floats have significant digits, integers all of theirs."""
    assert value(item, precision) == shown


@given(st.floats(-1e300, 1e300), st.integers(1, 17))
def test_numbers_stay_floats(item: float, precision: int) -> None:
    """What is shown of a float reads back as about that float."""
    assert float(number(item, precision)) == pytest.approx(item, rel=10.0 ** (1 - precision), abs=1e-323)


def test_ages_durations_sizes() -> None:
    """The largest unit that says enough."""
    ages = [age(1e9 - s, 1e9) for s in (0, 89, 90, 5400, 130000, 1209600, 5184000, 7e7, -3600)]
    assert ages == [
        "0s ago",
        "89s ago",
        "1m ago",
        "1h ago",
        "1d ago",
        "2w ago",
        "1mo ago",
        "2y ago",
        "in 60m",
    ]
    assert age(0) == "?"
    lengths = [duration(s) for s in (0.0004, 12.5, 60, 200, 7500, 270000, None)]
    assert lengths == ["0.0004 s", "12.5 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 3 h", ""]
    assert [size(n) for n in (0, 999, 1500, 2 * 10**9, None)] == ["0 B", "999 B", "1.5 kB", "2 GB", ""]


def test_paint_only_when_on() -> None:
    """Without a terminal no colour is written."""
    assert Paint()("red", "x") == "x"
    assert Paint(True)("red", "x") == "\x1b[31mx\x1b[0m"
    assert Paint(True)(None, "x") == "x"


def test_a_whole_number_beyond_floats() -> None:
    """In decimal notation, with the sign."""
    assert number(-(10**400) * 12, 5) == "-1.2000e+401" and number(10**400) == "1" + "0" * 400
