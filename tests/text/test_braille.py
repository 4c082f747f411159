"""Charts show the shape of any series without failing on any number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gittrack.text.braille import HEIGHT, chart


def test_a_rising_line_rises() -> None:
    """The largest value is at the top right, the smallest at the bottom left."""
    lines = chart([float(n) for n in range(100)], columns=40)
    assert len(lines) == HEIGHT
    assert lines[0].startswith("99.0 ┤ ")
    assert lines[-1].startswith(" 0.0 ┤")
    assert lines[0].split("┤")[1].startswith(" " * 20)
    assert not lines[-1].split("┤")[1].startswith(" ")


def test_nothing_to_draw() -> None:
    """No finite value is no chart; one value, or a flat line, is one row."""
    assert chart([]) == []
    assert chart([None, float("nan"), float("inf")]) == []
    assert len(chart([3.0, 3.0, None, 3.0])) == 1


@given(st.lists(st.none() | st.floats(), max_size=200), st.integers(1, 100))
def test_any_series_fits(values: list[float | None], columns: int) -> None:
    """Holes, NaN, infinities and the largest floats neither fail nor draw beyond the margin."""
    lines = chart(values, columns)
    assert len(lines) in (0, 1, HEIGHT)
    for line in lines:
        assert len(line.split("┤")[1]) <= max(columns, 4)
