"""What a program states of a dataset or an artifact, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.record import Dataset, clean_text
from gittrack.formats.scrub import scrub_text
from gittrack.formats.values import MAX_TEXT, to_value, without_secrets
from gittrack.recording.store import Version

_LONGEST = 500


def stated_dataset(
    name: object,
    digest: object = None,
    source: object = None,
    context: object = None,
    details: Mapping[str, Any] | None = None,
) -> Dataset:
    """The dataset of these words, without credentials. UsageError where it has no name."""
    plain = to_value(details or {}, "details")
    if not isinstance(plain, dict):
        raise UsageError(f"the details of a dataset are names with values, not {type(details).__name__}")
    return Dataset(
        name=_word(name, "the name of a dataset"),
        digest=_optional(digest, "the digest of a dataset"),
        source=_optional(source, "the source of a dataset", MAX_TEXT),
        context=_optional(context, "the context of a dataset"),
        details=without_secrets(plain, "details"),
    )


def stated_version(name: object, version: object, aliases: Sequence[str] | str) -> Version | None:
    """The version of an artifact; None where there is nothing to say. UsageError for one of no artifact."""
    named = [aliases] if isinstance(aliases, str) else list(aliases)
    if name is None:
        if version is not None or named:
            raise UsageError("a version, or an alias, is of an artifact: say which with name=")
        return None
    return Version(
        _word(name, "the name of an artifact"),
        _optional(version, "the version of an artifact"),
        tuple(dict.fromkeys(_word(alias, "an alias") for alias in named)),
    )


def _optional(word: object, what: str, longest: int = _LONGEST) -> str | None:
    return None if word is None else _word(word, what, longest)


def _word(word: object, what: str, longest: int = _LONGEST) -> str:
    text = clean_text(scrub_text(str(word), os.environ)) if word is not None else ""
    if not 1 <= len(text) <= longest:
        raise UsageError(f"{what} has 1 to {longest} characters, not {len(text)}")
    return text
