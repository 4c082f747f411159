"""A series as git shows it."""

from __future__ import annotations

from gittrack.cli.pages.series import summary


def test_a_short_summary() -> None:
    """Rows, steps, extremes, and at most eight values from first to last."""
    rows = "".join(f"{i},0.1,{i / 10},\n" for i in range(100))
    assert summary(f"step,time,loss,empty\n{rows}".encode()).decode().splitlines() == [
        "100 rows, steps 0 to 99",
        "loss:",
        "  min 0.0  max 9.9  100 values",
        "  0.0 1.4 2.8 4.2 5.7 7.1 8.5 9.9",
        "empty:",
        "  no value",
    ]


def test_values_that_are_not_finite() -> None:
    """They are counted, and no extreme."""
    assert (
        "  min 1.0  max 1.0  3 values, 2 not finite"
        in summary(b"step,time,a\n0,,nan\n1,,1\n2,,inf\n").decode()
    )


def test_what_is_no_series_is_shown_as_it_is() -> None:
    """The driver must not hide the bytes of a damaged file."""
    assert summary(b"anything\x00\xff") == b"anything\x00\xff"
