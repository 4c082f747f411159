"""What --live and --remote come to."""

from __future__ import annotations

from gittrack.errors import UsageError
from gittrack.git.repository import Repository


def live_remote(live: bool, name: str | None) -> str | None:
    """The remote that is asked; None without --live."""
    if not live:
        if name is not None:
            raise UsageError("--remote names where --live looks: give both")
        return None
    from gittrack.ledger.sync import choose_remote

    return choose_remote(Repository.discover(), name)
