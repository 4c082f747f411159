"""Sources that are a folder or a zip of one, read alike: members by their paths, and nothing outside.

Refused are members of a zip that are encrypted, links, or lead out, and a zip that unpacks to too much.
"""

from __future__ import annotations

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from gittrack.importers import folders

MOST_BYTES = 1 << 36
"""What all members of a zip may unpack to."""
_CHUNK = 1 << 20
UNPACKING = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What reading a damaged or encrypted zip raises, beside OSError and ValueError."""
DAMAGED = (*UNPACKING, OSError, ValueError)

Content = Path | Callable[[], Iterator[bytes]]


class Archive:
    """The regular files of a folder or of a zip file; ValueError for a zip that is none, or refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.refused: dict[str, str] = {}
        """Members that are not opened, and why."""
        if folders.is_folder(path):
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGED as error:
            raise ValueError("it is no zip file, or one that is cut off") from error
        if sum(info.file_size for info in self._zip.infolist()) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
        for info in self._zip.infolist():
            self._add(info)

    def _add(self, info: zipfile.ZipInfo) -> None:
        if info.is_dir():
            return
        name = folders.logical(info.filename)
        if name is None:
            self.refused[info.filename] = "its path leads out of the archive"
        elif stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            self.refused[name] = "a link, which is not followed, or no regular file"
        elif info.flag_bits & 1:
            self.refused[name] = "it is encrypted"
        elif len(self._members) >= folders.MOST_FILES:
            self.refused["more"] = f"the archive has more than {folders.MOST_FILES:,} files"
        else:
            self._members[name] = info

    def names(self) -> Iterator[str]:
        """Paths of the files that can be opened."""
        if self._zip is not None:
            yield from self._members
            return
        for count, (name, _, is_regular) in enumerate(folders.walk(self.path)):
            if count >= folders.MOST_FILES:
                return
            if is_regular:
                yield name

    def find(self, name: str) -> tuple[Content | None, str | None]:
        """The bytes of a file, or why they are not to be had."""
        if self._zip is None:
            return folders.find(self.path, name)
        plain = folders.logical(name)
        if plain in self._members:
            return partial(self._stream, plain), None
        return None, self.refused.get(plain or name, "its file is not in the archive")

    def open(self, name: str) -> IO[bytes]:
        """Of a file that `find` finds; what `DAMAGED` lists where it is damaged."""
        if self._zip is not None:
            return io.BufferedReader(self._zip.open(self._members[name]), _CHUNK)  # type: ignore[type-var]
        return (self.path / name).open("rb")

    def small(self, name: str, largest: int = 16 << 20) -> bytes | None:
        """The bytes of a file, None where there is none, or none of at most `largest` bytes."""
        if self._zip is None:
            path, _ = folders.find(self.path, name)
            return None if path is None else folders.read_small(path, largest)
        with suppress(KeyError, *DAMAGED), self.open(name) as file:
            data = file.read(largest + 1)
            return data if len(data) <= largest else None
        return None

    def _stream(self, name: str) -> Iterator[bytes]:
        try:
            with self.open(name) as file:
                while data := file.read(_CHUNK):
                    yield data
        except DAMAGED as error:
            raise ValueError(f"it is damaged in the archive: {error}") from error
