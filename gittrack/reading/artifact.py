"""What a run has kept, as bytes: its outputs, the files in them, its media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gittrack.errors import DvcError, NotFoundError, UsageError
from gittrack.formats.media import OUTPUT, Medium
from gittrack.formats.record import Output
from gittrack.git.repository import Repository
from gittrack.reading.entry import Entry

if TYPE_CHECKING:
    from gittrack.dvc.files import Pointer
    from gittrack.dvc.hashing import Kind


@dataclass(frozen=True)
class Artifact:
    """A file or folder that a run has kept. Its bytes are in the DVC cache, or on the DVC remote.

    They are fetched when they are asked for, and have to be those that were recorded.
    """

    name: str
    """Its path in the record; of a file in a folder, with that of the folder before it."""
    role: str
    pointer: Pointer = field(repr=False)
    sha256: str | None = None
    """Absent where only an md5 is recorded, as of a file in a folder that was logged as a whole."""
    medium: Medium | None = field(default=None, repr=False)
    """Its line of the manifest: name, step, time, type, caption."""
    repository: Repository = field(kw_only=True, repr=False, compare=False)
    unfinished: Path | None = field(default=None, kw_only=True, repr=False)
    """Where it lies while its run goes on."""

    @property
    def md5(self) -> str:
        return self.pointer.md5

    @property
    def size(self) -> int | None:
        """Bytes, where they are recorded."""
        return self.pointer.size

    @property
    def is_folder(self) -> bool:
        return self.pointer.md5.endswith(".dir")

    @cached_property
    def path(self) -> Path:
        """A file with its bytes, to be read only, called by their digest. DvcError where nobody has them.

        UsageError for a folder: see `files` and `save`.
        """
        from gittrack.dvc.cache import object_path
        from gittrack.dvc.hashing import hash_path

        if self.is_folder:
            raise UsageError(f"{self.name} is a folder: take one of its files, or save() it somewhere")
        file = self._in_journal or object_path(self._cache, self.md5, self.pointer.hash)
        digest = hash_path(file, dos2unix=self.pointer.hash == "md5-dos2unix")
        if digest.md5 != self.md5 or self.sha256 not in (None, digest.sha256):
            raise DvcError(f"{file} has other bytes than {self.name} had: delete it and fetch it again")
        return file

    @property
    def _in_journal(self) -> Path | None:
        """Where it lies, unless its run has ended since, or it made room for others."""
        return self.unfinished if self.unfinished is not None and self.unfinished.is_file() else None

    @property
    def _cache(self) -> Path:
        from gittrack.dvc.bring import bring

        return bring(self.repository, self.pointer)

    def open(self) -> BinaryIO:
        """For reading, as bytes."""
        return self.path.open("rb")

    def read_bytes(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def files(self) -> Mapping[str, Artifact]:
        """Of a folder, what is in it by path; of a file, nothing."""
        from gittrack.dvc.cache import read_dir_object
        from gittrack.dvc.files import Pointer

        if not self.is_folder:
            return {}
        kind = self.pointer.hash
        return {
            path: Artifact(
                f"{self.name}/{path}",
                self.role,
                Pointer(path=path, md5=md5, hash=kind),
                repository=self.repository,
            )
            for path, md5 in sorted(read_dir_object(self._cache, self.md5, kind))
        }

    def save(self, target: str | Path) -> Path:
        """Put the file or the whole folder at `target`, every byte checked; UsageError if it is taken."""
        from gittrack.dvc.cache import checkout

        place = Path(target)
        if self._in_journal is None:
            checkout(self.pointer, self._cache, place)
            return place
        data = self.read_bytes()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(data)
        except FileExistsError as error:
            raise UsageError(f"{place} exists: move it away first") from error
        return place


class Outputs(Mapping[str, Artifact]):
    """The outputs of a run by path, in the order of its record."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._outputs = {output.path: output for output in entry.record.outputs}

    def __getitem__(self, path: str) -> Artifact:
        return _of_output(self._entry, self._outputs[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"<Outputs: {', '.join(self)}>"


def media_of(entry: Entry, name: str | None = None) -> list[Artifact]:
    """What was logged under `name`, or under any, in the order of the log."""
    return [_of_medium(entry, medium) for medium in entry.manifest() if name in (None, medium.name)]


def artifact_of(entry: Entry, path: str) -> Artifact:
    """The output, the file in one, or the file of media at `path`. NotFoundError where there is none."""
    from gittrack.text.nearest import nearest

    outputs = Outputs(entry)
    media = {medium.file: medium for medium in entry.manifest()}
    inside = path.removeprefix(f"{OUTPUT}/")
    if path in outputs:
        return outputs[path]
    if inside in media:
        return _of_medium(entry, media[inside])
    for name in outputs:
        if path.startswith(f"{name}/") and name != OUTPUT:
            file = outputs[name].files.get(path.removeprefix(f"{name}/"))
            if file is not None:
                return file
    raise NotFoundError(f"run {entry.id} has kept nothing at {path!r}: {nearest(path, [*outputs, *media])}")


def _of_output(entry: Entry, output: Output) -> Artifact:
    from gittrack.dvc.files import Pointer, parse_pointer

    data = entry.file(output.pointer)  # which alone says how the bytes are counted
    stated = [] if data is None else parse_pointer(data, output.pointer)
    kinds: list[Kind] = [pointer.hash for pointer in stated if pointer.md5 == output.md5] or ["md5"]
    pointer = Pointer(path=output.path, md5=output.md5, size=output.size, hash=kinds[0])
    return Artifact(output.path, output.role, pointer, output.sha256, repository=entry.repository)


def _of_medium(entry: Entry, medium: Medium) -> Artifact:
    from gittrack.dvc.files import Pointer
    from gittrack.reading.journal.media import FOLDER

    pointer = Pointer(path=medium.file, md5=medium.md5, size=medium.size)
    unfinished = entry.journal.folder / FOLDER / medium.file if entry.row.is_live else None
    return Artifact(
        f"{OUTPUT}/{medium.file}",
        medium.kind,
        pointer,
        medium.sha256,
        medium,
        repository=entry.repository,
        unfinished=unfinished,
    )
