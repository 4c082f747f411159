"""Who makes a file of the ledger, when and with what: as decisions and reproductions state it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gittrack.formats.record import Author, Tool, clean_text, format_time, new_id
from gittrack.git.repository import Repository
from gittrack.version import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrigin:
    """The id is of the same moment as `made`."""

    id: str
    made: str
    author: Author
    tool: Tool


def origin_now(repository: Repository) -> FileOrigin:
    """The author is git's identity in `repository`; an error where it has none."""
    identity = repository.identity()
    now = datetime.now(UTC)
    return FileOrigin(
        id=new_id(now),
        made=format_time(now),
        author=Author(name=clean_text(identity.name), email=clean_text(identity.email)),
        tool=Tool(version=VERSION),
    )
