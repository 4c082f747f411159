"""Scales, round ticks and thinned paths of a line chart."""

from __future__ import annotations

import pytest

from gittrack.text.line_chart import Frame, Scales, decimated, escaped, extent, ticks
from tests.tables import rows


@rows(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-0.04, 1.04, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.0, 3.0, [3.0]),
        (0.0, float("inf"), [0.0]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    """And there are few of them; where nothing lies between, the number itself."""
    assert ticks(low, high) == pytest.approx(expected)


def test_points_lie_inside_their_frame() -> None:
    """First and last step at its sides, larger values higher; one step alone stands at the left."""
    frame = Frame(width=100, height=80, left=10, top=5, right=10, bottom=15)
    scales = Scales(frame, (0.0, 4.0), (1.0, 3.0))
    assert scales.path([(0.0, 1.0), (2.0, 2.0), (4.0, 3.0)]) == "10.0,65.0 50.0,35.0 90.0,5.0"
    assert Scales(frame, (7.0, 7.0), extent([2.0])).path([(7.0, 2.0)]) == "10.0,35.0"


def test_a_long_line_is_thinned_out() -> None:
    """Its ends stay, and so do its extremes."""
    points = [(float(at), 0.0) for at in range(100_000)]
    points[5_000], points[77_777] = (5000.0, 9.0), (77_777.0, -9.0)
    thinned = decimated(points, 240)
    assert len(thinned) <= 240 and thinned[0] == points[0] and thinned[-1] == points[-1]
    assert points[5_000] in thinned and points[77_777] in thinned and list(thinned) == sorted(thinned)
    assert decimated(points[:240], 240) == tuple(points[:240])


def test_names_are_text() -> None:
    """Whatever they hold."""
    assert escaped('"><script>\x1b') == "&quot;&gt;&lt;script&gt;\\x1b"
