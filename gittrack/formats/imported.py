"""What makes a record one of an import: which run of which tracker it repeats.

Nothing of it, and nothing of such a record, depends on where, when or by whom it was imported, so that two
clones which import one run write the same bytes at the same place, and merge. Who brought it and when says
the commit of the ledger that added it; which importer, `Record.tool`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

NO_START = "19700101-000000"
"""How an id begins where the source does not say when the run started."""
BLANK = f"{NO_START}-000000000000"
"""In place of the id of a record that has none yet."""
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The run of another tracker, in the words of that tracker."""

    system: str
    """Such as ``mlflow``, ``wandb`` or ``tensorboard``."""
    version: str | None = None
    """Of the system, where the source says it."""
    id: str
    """The source's own id of the run."""
    digest: str
    """SHA-256 of the run as it was read: the same while the source has not changed."""
    status: str | None = None
    """The source's word for how it stands, where the record's status is another, such as ``running``."""
    deleted: bool = False
    """Whether the source has it as deleted."""
    parent: str | None = None
    """The source's id of the run that it is part of."""
    note: str | None = None
    group: str | None = None
    job_type: str | None = None
    labels: tuple[str, ...] = ()
    """Tags without a value."""

    @property
    def sentence(self) -> str:
        """Whose word it is that the run was so."""
        return f"run {self.id} of {self.system}: claimed by it, not observed here"


def is_same_import(one: Imported | None, other: Imported | None) -> bool:
    """Whether both are of one run of one system."""
    return one is not None and other is not None and (one.system, one.id) == (other.system, other.id)


def import_id(data: bytes, started: str | None) -> str:
    """The id of the imported record with these bytes, whichever they name: its start and a digest.

    The digest is of run.yaml without its line ``id``. So what has one id is the same to the last byte.
    """
    digest = hashlib.sha256(_ID.sub(b"", data, count=1)).hexdigest()[:_DIGITS]
    second = NO_START if started is None else started[:19].translate(_IN_AN_ID)
    return f"{second}-{digest}"


def with_line(data: bytes, line: bytes) -> bytes:
    """A run.yaml with that line for its id."""
    return _ID.sub(line, data, count=1)


_ID = re.compile(rb"^id: [^\n]*\n", re.MULTILINE)
_IN_AN_ID = {ord("-"): None, ord(":"): None, ord("T"): "-"}
