"""An import by the command line, and all that has to hold after any."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.record import Record
from tests.importers.sources import importer
from tests.ledgers import records


def state_of(source: Path) -> dict[str, str]:
    """Every file and folder of a source, with the digest of its bytes."""
    paths = [source, *source.rglob("*")]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else str(path.lstat().st_mode)
        for path in paths
    }


class Rounds:
    """Imports of one source into one repository."""

    def __init__(self, where: Path, patch: pytest.MonkeyPatch) -> None:
        self.top = importer(where, patch).top
        patch.chdir(self.top)

    def bring(self, system: str, source: Path) -> list[Record]:
        """All records after an import: verify passes, a second import adds none, the source is as it was."""
        before = state_of(source)
        assert execute(["import", system, str(source)]) == 0
        assert execute(["verify", "-q"]) == 0
        brought = records(self.top)
        assert execute(["import", system, str(source)]) == 0
        assert len(records(self.top)) == len(brought)
        assert state_of(source) == before
        return brought
