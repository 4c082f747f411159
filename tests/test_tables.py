"""The test of the tests that go through a table."""

from __future__ import annotations

import pytest

from tests.tables import rows

seen: list[tuple[int, str]] = []


@rows("number", [1, 2])
@rows(("text", "length"), [("a", 1), ("bc", 2)])
def test_every_row_is_gone_through(number: int, text: str, length: int) -> None:
    """Tables can stand above each other, as with parametrize."""
    seen.append((number, text))
    assert len(text) == length
    assert len(set(seen)) == len(seen)
    assert number == 1 or text == "a" or seen == [(1, "a"), (1, "bc"), (2, "a"), (2, "bc")]


def test_all_rows_that_fail_are_named() -> None:
    """After the first failure the others are tried, too; by pytest.fail as by assert."""

    @rows("number", [1, 2, 3, 4])
    def some(number: int) -> None:
        if number == 4:
            pytest.fail("four")
        assert number % 2 == 0

    with pytest.raises(BaseExceptionGroup, match="3 of 4 rows failed") as caught:
        some()
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [["in the row (1,)"], ["in the row (3,)"], ["in the row (4,)"]]


def test_a_row_of_another_length_is_no_row() -> None:
    """A value is not lost silently."""
    with pytest.raises(BaseExceptionGroup):
        rows("a, b", [(1, 2, 3)])(lambda a, b: None)()
