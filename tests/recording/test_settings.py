"""Parameters that are given by ``-S``."""

from __future__ import annotations

from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.recording.settings import parse_scalar, set_param
from tests.tables import rows


@rows(
    ("text", "value"),
    [
        ("0.1", 0.1), ("1e-3", 1e-3), ("3", 3), ("true", True), ("no", "no"), ("null", None),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}), ("text", "text"), ("", ""), ("a=b", "a=b"), ("'1'", "1"), ("[1", "[1"),
        ("*.csv", "*.csv"), ("&x", "&x"), ("#fff", "#fff"), ("1 # one", 1), ("a: b: c", "a: b: c"),
        ("2026-11-22", "2026-11-22"), ("@x", "@x"), ("---", "---"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    """Values are YAML 1.2; what is not YAML, or nothing in YAML, is the text itself."""
    parsed = parse_scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_dotted_keys_nest() -> None:
    """Dotted keys go down into what is there."""
    params: dict[str, Any] = {"model": {"width": 64, "act": "relu"}}
    for text in ("model.width=128", "opt.adam.lr=1e-3", "url=http://x?a=b"):
        set_param(params, text)
    assert params == {
        "model": {"width": 128, "act": "relu"},
        "opt": {"adam": {"lr": 0.001}},
        "url": "http://x?a=b",
    }


@rows("text", ["novalue", "=1", " =1", "a..b=1", ".a=1", "a.=1"])
def test_malformed_settings(text: str) -> None:
    """What is no key=value is refused."""
    with pytest.raises(UsageError, match="-S"):
        set_param({}, text)


def test_setting_below_a_value() -> None:
    """A value cannot also be a section."""
    with pytest.raises(UsageError, match="'a' already has a value"):
        set_param({"a": 1}, "a.b=2")
