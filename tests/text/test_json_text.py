"""JSON as gittrack writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from gittrack.text.json_text import json_compact, json_line, json_page

PLAIN = {"name": "Zoë", "values": [1, 0.1, None, True], "nested": {"a": []}}


def test_three_forms() -> None:
    """Letters are not escaped; only a page has lines."""
    assert json_line(PLAIN).startswith('{"name": "Zoë", "values": [1, 0.1, null, true], ')
    assert json_compact(PLAIN).startswith('{"name":"Zoë","values":[1,0.1,null,true],')
    assert json_page(PLAIN).startswith('{\n  "name": "Zoë",\n  "values": [\n    1,') and json_page(1) == "1\n"
    assert all(json.loads(form(PLAIN)) == PLAIN for form in (json_line, json_compact, json_page))


@pytest.mark.parametrize("form", [json_line, json_compact, json_page])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_have_is_refused(form: Callable[[Any], str], number: float) -> None:
    """Rather than written as a word that other readers stumble over."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        form({"value": number})
