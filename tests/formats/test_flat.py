"""Nested values as dotted names."""

from __future__ import annotations

from gittrack.formats.flat import flatten


def test_nested_mappings_become_dotted_names() -> None:
    """However deep; an empty mapping stays a value."""
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": {}}) == {"a.b": 1, "a.c.d": 2, "e": {}}
