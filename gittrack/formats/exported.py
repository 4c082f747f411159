"""What an export had to say otherwise in the format of another tracker, so that an import can take it back.

It goes along as tags, in parts: trackers limit how long one is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

RUN_ID, EXPERIMENT = "gittrack.run_id", "gittrack.experiment"
TAGS, NOTE = "gittrack/tags", "gittrack/note"
"""Texts of TensorBoard, which has neither."""
_TAG = "gittrack.back."
_PART = 4_000
"""Characters of one tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """By the name there, the name here; and what there is of metrics that the other format does not know."""

    name: str | None = None
    """Of the run, where it could not be called so."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    """Metrics, by their names there, whose last point is their final value, and was no point."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """By the name there, the rule of a final value that is not the last one."""
    values: Mapping[str, float | int | str] = field(default_factory=dict)
    """Likewise the final value, where no point of the series tells it."""

    def as_tags(self) -> dict[str, str]:
        """No tag where there is nothing to say."""
        content = {key: value for key, value in asdict(self).items() if value}
        text = json.dumps(content, separators=(",", ":")) if content else ""
        return {f"{_TAG}{at // _PART}": text[at : at + _PART] for at in range(0, len(text), _PART)}


def back_in(tags: Mapping[str, str]) -> tuple[Back | None, dict[str, str]]:
    """What tags say of it, None where that is nothing or makes no sense; and the other tags."""
    parts = {name: text for name, text in tags.items() if name.startswith(_TAG)}
    others = {name: text for name, text in tags.items() if name not in parts}
    try:
        content = json.loads("".join(parts[f"{_TAG}{at}"] for at in range(len(parts))) or "null")
        return (_checked(content), others) if isinstance(content, dict) else (None, dict(tags))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, dict(tags)


def _checked(content: dict[str, object]) -> Back:
    """TypeError for what is none."""
    for key, value in content.items():
        if key == "name":
            fits = isinstance(value, str)
        elif key == "added":
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            kinds = (str, int, float) if key == "values" else str
            fits = isinstance(value, dict) and all(isinstance(item, kinds) for item in value.values())
        if not fits:
            raise TypeError(key)
    return Back(**content)  # type: ignore[arg-type]
