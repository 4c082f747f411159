"""A request is checked once, whole, before anything is on disk."""

from __future__ import annotations

from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.recording.request import Request, check
from tests.tables import rows


def test_a_checked_request_is_plain() -> None:
    """Params keep credentials, which the program needs; tags are text; the seed is among the facts."""
    request = Request(
        experiment="digits", seed=3, params={"api_key": "planted"}, tags={"n": "1"}, seeds={"a": 1}
    )
    checked = check(request, Config())
    assert (checked.experiment, checked.facts["seed"]) == ("digits", 3)
    assert (checked.offered, checked.tags, checked.seeds) == ({"api_key": "planted"}, {"n": "1"}, {"a": 1})


@rows(
    ("request_", "says"),
    [
        ({"experiment": "x" * 1001}, "an experiment's name"),
        ({"name": ""}, "name must have 1 to 250 characters"),
        ({"parent": "yesterday"}, "parent must be a full run id"),
        ({"dirty": "stash"}, "dirty must be snapshot or refuse"),
        ({"seed": 0.5}, "must be a whole number"),
        ({"seeds": {"torch": True}}, "must be a whole number"),
        ({"params": [1]}, "params must be names with values"),
        ({"tags": ["baseline"]}, "tags must be a dict"),
        ({"base_models": [{"nonsense": 1}]}, "a base model has a name"),
    ],
)
def test_what_a_record_cannot_hold_is_said(request_: dict[str, Any], says: str) -> None:
    """Each rule by its own words."""
    with pytest.raises(UsageError, match=says):
        check(Request(**request_), Config())
