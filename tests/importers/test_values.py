"""Values of other trackers."""

from __future__ import annotations

import pytest

from gittrack.importers.values import number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "1.0"),
        (3, "3.0"),
        (2**53 + 1, str(2**53 + 1)),
        (float("nan"), "nan"),
        ("3", "None"),
        (10**400, "None"),
    ],
)
def test_a_whole_number_that_no_float_is_stays_whole(value: object, expected: str) -> None:
    assert repr(number(value)) == expected  # type: ignore[arg-type]
