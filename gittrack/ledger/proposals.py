"""What proposals are called, and which branch a run goes to."""

from __future__ import annotations

import os
import re

from gittrack.errors import UsageError
from gittrack.formats.config import Config

PREFIX = "gittrack/review/"
"""Proposals are branches below it."""


VARIABLE = "GITTRACK_REVIEW"
"""Environment variable: runs are proposed on the branch of this name, whatever the mode."""


# What git check-ref-format refuses, and more: as the pattern of ledger.branch in the schema.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,149}")


_REFUSED = re.compile(r"//|\.\.|/\.|\.lock(/|$)|[./]$")


def review_branch(name: str) -> str:
    """The branch of the proposal `name`, which may have the prefix already; UsageError for a bad name."""
    short = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(short) or _REFUSED.search(short):
        raise UsageError(
            f"a proposal cannot be called {name!r}: take letters, digits, '_', '-', '.' and '/', "
            "as in a branch name"
        )
    return PREFIX + short


def target(config: Config, name: str | None, default: str) -> tuple[str, str | None]:
    """Where a new run goes: its branch, and the ledger that branch is cut from (None: it is the ledger).

    `asked` is None where nobody asked for a proposal, empty where the name does not matter.
    """
    named = os.environ.get(VARIABLE)
    if name is None and not named and config.ledger.mode == "direct":
        return config.ledger.branch, None
    return review_branch(name or named or default), config.ledger.branch
