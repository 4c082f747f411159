"""Where the bytes of files are that the clients have only paths of: from below the source, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from gittrack.importers import folders
from gittrack.importers.neptune.attributes import Found

_UPLOADS = "upload_path"
_ELSEWHERE = "its bytes are where the client read them, outside of the source"
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Places:
    """Files below `top`, out of which nothing leads."""

    top: Path

    def uploaded(self, folder: Path, fields: dict[str, Any], below: str) -> Found:
        """A file that was to be uploaded: one that the client put aside, or one of the user's."""
        path, aside = fields.get("file_path"), fields.get("tmp_file_name")
        if isinstance(aside, str):
            content, missing = folders.find(folder / _UPLOADS, aside)
        elif isinstance(path, str) and fields.get("clean_after_upload") is True:
            content, missing = folders.find(folder / _UPLOADS, name_of(path))
        elif isinstance(path, str):
            content, missing = self.at(path)
        else:
            content, missing = None, "the log does not say where it is"
        return Found(below=below, content=content, missing=None if content else missing)

    def at(self, path: str) -> tuple[Path | None, str | None]:
        """The regular file at an absolute path, or why it is not to be had."""
        below = self._below(path)
        return (None, _ELSEWHERE) if below is None else folders.find(self.top, below)

    def file_set(self, globs: list[str]) -> list[Found]:
        """The files that absolute paths and patterns name, each below the folder that all have in common."""
        found: list[Found] = []
        named = [(text, self._below(text)) for text in globs]
        inside = [below for _, below in named if below is not None]
        paths = sorted({path for below in inside for path in self._matching(below)})
        base = _base([path.parent for path in paths])
        for path in islice(paths, folders.MOST_FILES):
            content, missing = folders.find(self.top, path.as_posix())
            name = f"/{path.relative_to(base).as_posix()}"
            found.append(Found(below=name, content=content, missing=None if content else missing))
        for text, below in named:
            if below is None:
                found.append(Found(below=f"/{name_of(text)}", missing=_ELSEWHERE))
        return found

    def _below(self, path: str) -> str | None:
        """An absolute path as one from the top, None where it is none below it."""
        plain = PurePosixPath(path)
        if not plain.is_relative_to(self.top):
            return None
        return folders.logical(plain.relative_to(self.top).as_posix())

    def _matching(self, below: str) -> list[PurePosixPath]:
        path = self.top / below
        if folders.is_folder(path):
            names = (name for name, _, _ in folders.walk(path))
            return [PurePosixPath(below, name) for name in islice(names, folders.MOST_FILES)]
        if not _WILD & set(below):
            return [PurePosixPath(below)]
        try:
            matching = islice(self.top.glob(below), folders.MOST_FILES)
            return [PurePosixPath(match.relative_to(self.top)) for match in matching if not match.is_dir()]
        except (OSError, ValueError, NotImplementedError):
            return []


def _base(parents: list[PurePosixPath]) -> PurePosixPath:
    """The folder that all of these are in."""
    if not parents:
        return PurePosixPath()
    return next(
        base
        for base in (parents[0], *parents[0].parents)
        if all(parent.is_relative_to(base) for parent in parents)
    )


def name_of(path: str) -> str:
    """The last part of a path of any system."""
    return PureWindowsPath(path).name or PurePosixPath(path).name or path
