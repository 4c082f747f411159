"""The seeds of one run in words."""

from __future__ import annotations

from gittrack.text.seeds import seed_words


def test_seeds_in_words() -> None:
    """The plain seed first, then named ones by name."""
    assert seed_words(3, {}) == "3"
    assert seed_words(0, {"split": 1, "a": 2}) == "0 (a 2, split 1)"
    assert seed_words(None, {"split": 1}) == "split 1"
    assert seed_words(None, {}) == "none"
