"""The bytes of outputs, from the DVC cache of this clone: all of them, read again and found right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.hashing import HashedFile, folder_digest, hash_path
from gittrack.dvc.settings import cache_of
from gittrack.errors import DvcError
from gittrack.formats.record import Output
from gittrack.git.repository import Repository


@dataclass(frozen=True, slots=True)
class Content:
    """A file of an output. `path` is relative to the output, empty where that is a file itself."""

    path: str
    file: Path
    """In the cache: to be read only."""
    sha256: str
    size: int


def contents_of(repository: Repository, output: Output) -> list[Content]:
    """The files of an output, by path. DvcError where they are not here, or not what was recorded."""
    shared, _ = cache_of(repository)
    own = repository.state_dir / "dvc" / "cache"  # of runs that were made before `dvc init`
    cache = own if object_path(own, output.md5).is_file() else shared
    if not output.md5.endswith(".dir"):
        contents = [_content(cache, output, "", output.md5)]
        digest = contents[0].sha256
    else:
        if not object_path(cache, output.md5).is_file():
            raise _absent(output)
        listed = read_dir_object(cache, output.md5)
        contents = sorted((_content(cache, output, path, md5) for path, md5 in listed), key=lambda c: c.path)
        digest = folder_digest(HashedFile(c.path, "", c.sha256, c.size) for c in contents).sha256
    if output.sha256 is not None and digest != output.sha256:
        raise DvcError(f"the bytes of {output.path} in the DVC cache have another sha256 than was recorded")
    return contents


def _content(cache: Path, output: Output, path: str, md5: str) -> Content:
    file = object_path(cache, md5)
    if not file.is_file():
        raise _absent(output)
    digest = hash_path(file)
    if digest.md5 != md5:
        raise DvcError(f"{file} is corrupt: delete it and fetch it with gittrack pull --artifacts")
    return Content(path, file, digest.sha256, digest.size)


def _absent(output: Output) -> DvcError:
    return DvcError(
        f"{output.path} ({output.md5}) is not in the DVC cache: gittrack pull --artifacts brings it, "
        "or leave --data out"
    )


_UNSAFE = re.compile(r"[^\w .@+=,()-]")


def safe_path(path: str) -> str:
    """A recorded path as a name inside an archive: relative, without ``..``, for every system."""
    parts = [_UNSAFE.sub("_", piece).strip() for piece in re.split(r"[/\\]", path)]
    pieces = [piece if piece.strip(". ") else "_" * len(piece) for piece in parts if piece not in ("", ".")]
    return "/".join(piece.rstrip(".") or "_" for piece in pieces) or "_"


class Names:
    """Names given out in an archive: no two alike, also where case does not count, none below a file."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._files = {name.casefold() for name in taken}
        self._folders: set[str] = set()

    def free(self, wanted: str, *, folder: bool = False) -> str:
        """`wanted` for a file or folder of its own, with a number in it where it is taken."""
        name = ""
        *above, last = wanted.split("/")
        for piece in above:
            name = self._unlike(f"{name}{piece}", self._files) + "/"
            self._folders.add(name[:-1].casefold())
        name = self._unlike(f"{name}{last}", self._files | self._folders)
        (self._folders if folder else self._files).add(name.casefold())
        return name

    @staticmethod
    def _unlike(wanted: str, taken: set[str]) -> str:
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}-{number}"
        return name
