"""What a bundle holds, and under which names. Nothing else may be in one."""

from __future__ import annotations

import re
from pathlib import Path

from gittrack.dvc.cache import object_path
from gittrack.dvc.hashing import Kind
from gittrack.errors import GittrackError

FOLDER = "gittrack-bundle"
"""The one folder that an archive unpacks to."""

README = "README.md"
SUMS = "SHA256SUMS"
ABSENT = "ABSENT.txt"
POINTERS = "pointers.tsv"
GIT = "repository.bundle"
DATA = "data"
"""Bytes of data and models, named as in a DVC cache or folder remote."""

REQUIRED = (GIT, POINTERS, README)
_DATA = r"data/(?:files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}(?:\.dir)?"
_FILE = re.compile(
    rf"{re.escape(README)}|{SUMS}|{re.escape(ABSENT)}|{re.escape(POINTERS)}|{re.escape(GIT)}"
    rf"|schemas/[a-z][a-z0-9-]{{0,39}}\.schema\.json|{_DATA}"
)
_DIRECTORY = re.compile(r"schemas|data(?:/[0-9a-f]{2}|/files(?:/md5(?:/[0-9a-f]{2})?)?)?")


class Damaged(GittrackError):
    """An archive is not what a bundle is. `code` and `where` become a finding of verify."""

    exit_code = 1

    def __init__(self, code: str, says: str, where: str | None = None, found: str | None = None) -> None:
        super().__init__(says)
        self.code, self.says, self.where, self.found = code, says, where, found


def is_file_name(name: str) -> bool:
    """Whether a file of a bundle may have this name, relative to its folder."""
    return _FILE.fullmatch(name) is not None


def is_folder_name(name: str) -> bool:
    return _DIRECTORY.fullmatch(name) is not None


def data_name(md5: str, kind: Kind) -> str:
    """Where in a bundle the content of this digest lies."""
    return object_path(Path(DATA), md5, kind).as_posix()


def named_md5(name: str) -> tuple[str, Kind] | None:
    """The digest that a file below data/ is named after; None for other files."""
    if not name.startswith(f"{DATA}/"):
        return None
    *_, folder, tail = name.split("/")
    kind: Kind = "md5" if name.startswith(f"{DATA}/files/") else "md5-dos2unix"
    return folder + tail, kind
