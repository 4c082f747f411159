"""Files of a foreign run: read once, with their digests, and put into DVC's cache where the run is new."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gittrack.errors import UsageError
from gittrack.formats.media import FILE, OUTPUT, POINTER, TYPES, Medium, write_media
from gittrack.formats.record import Console, Output, clean_text
from gittrack.formats.values import without_secrets
from gittrack.importers.foreign import ForeignFile
from gittrack.importers.losses import Losses

if TYPE_CHECKING:
    from gittrack.dvc.hashing import Digest

_MOST_BYTES = 1 << 36
"""Of one file that comes as a stream: what unpacks to more is refused."""
_MOST_FILES = 5_000
_TEXT_BYTES = 16 << 20
_LINKS = ["reflink", "copy"]
"""Never a link of another kind: DVC makes what is linked read-only, and the source is not ours."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the run that is to become an output: where its bytes are, and what the record says of it."""

    output: Output
    digest: Digest
    path: Path
    medium: Medium | None = None
    """What the manifest says of it, where it is part of the output that holds all media."""


class Files:
    """The files of one run. `root` is the folder that all of the source lies in."""

    def __init__(self, root: Path, folder: Path, losses: Losses) -> None:
        self._root = root
        self._folder = folder
        self._losses = losses
        self._names: set[str] = set()
        self._spooled = 0
        self.kept: list[Kept] = []
        self.requirements: str | None = None
        self._console: list[Path] = []

    def take(self, files: Iterable[ForeignFile]) -> None:
        for file in files:
            if file.missing is not None:
                self._absent(file)
                continue
            try:
                path = self._bytes_of(file)
                self._keep(file, path)
            except (OSError, UsageError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._losses.add(f"output {file.path}", why)

    def add(self, name: str, data: bytes, role: str) -> None:
        """A file that the import itself makes, such as a parameter that is too long."""
        path = self._spool()
        path.write_bytes(data)
        self.add_path(name, path, role)

    def add_path(self, name: str, path: Path, role: str) -> None:
        self._output(name, path, role, ForeignFile(path=name, kind="other"))

    def _absent(self, file: ForeignFile) -> None:
        digest = f" ({file.digest})" if file.digest else ""
        self._losses.add(f"output {file.path}{digest}", file.missing or "not there")

    def _keep(self, file: ForeignFile, path: Path) -> None:
        if file.kind == "console":
            self._console.append(path)
            return
        if file.kind == "requirements" and self.requirements is None:
            with path.open("rb") as stream:
                self.requirements = stream.read(_TEXT_BYTES).decode("utf-8", "replace")
        self._output(file.path, path, file.kind, file)

    def _output(self, name: str, path: Path, role: str, file: ForeignFile) -> None:
        from gittrack.dvc.hashing import hash_path
        from gittrack.recording.capture.data import ledger_path

        if len(self.kept) >= _MOST_FILES:
            self._losses.add("outputs", f"a run has room for {_MOST_FILES:,}")
            return
        logical = _logical(name, file)
        digest = hash_path(path)
        _check(file.digest, digest, path)
        named = self._free(logical)
        if path.parent != self._folder:
            digest = replace(digest, isexec=False)
        output = Output(
            path=named,
            role=role,
            pointer=ledger_path("outputs", Path(named), named),
            md5=digest.md5,
            sha256=digest.sha256,
            size=digest.size,
            logical=True,
            name=clean_text(file.name) if file.name else None,
            version=clean_text(file.version) if file.version else None,
            aliases=tuple(map(clean_text, file.aliases)),
        )
        self.kept.append(Kept(output, digest, path, _medium(output, file)))

    def _free(self, name: str) -> str:
        """`name`, or, where another file of the run has it or lies below it, one like it."""
        pure = PurePosixPath(name)
        number = 1
        while self._is_taken(name):
            number += 1
            is_below = any(str(parent).lower() in self._names for parent in pure.parents)
            name = f"more-{number}/{pure}" if is_below else str(pure.with_stem(f"{pure.stem}-{number}"))
        self._names.add(name.lower())
        self._names.update(f"{parent}/".lower() for parent in PurePosixPath(name).parents)
        return name

    def _is_taken(self, name: str) -> bool:
        parents = [str(parent).lower() for parent in PurePosixPath(name).parents]
        return not self._names.isdisjoint((name.lower(), f"{name.lower()}/", *parents))

    def _bytes_of(self, file: ForeignFile) -> Path:
        """Where the bytes of `file` are; ValueError for a place outside of the source."""
        content = file.content
        if content is None:
            raise ValueError("the source has no bytes of it")
        if isinstance(content, Path):
            return self._inside(content)
        path = self._spool()
        size = 0
        with path.open("wb") as out:
            for part in [content] if isinstance(content, bytes) else content():
                size += out.write(part)
                if size > _MOST_BYTES:
                    raise ValueError(f"it has more than {_MOST_BYTES >> 30} GiB")
        return path

    def _inside(self, path: Path) -> Path:
        real = path.resolve(strict=True)
        if not real.is_relative_to(self._root):
            raise ValueError("it leads out of the source: refused")
        if not stat.S_ISREG(real.lstat().st_mode):
            raise ValueError("it is no regular file")
        return real

    def _spool(self) -> Path:
        self._spooled += 1
        return self._folder / f"file-{self._spooled}"

    def facts(self) -> Iterator[tuple[str, ...]]:
        """What tells whether the files have changed."""
        for kept in self.kept:
            output = kept.output
            yield (
                output.path, output.role, output.sha256 or "", output.name or "", output.version or "",
                *output.aliases,
            )  # fmt: skip
        for path in self._console:
            from gittrack.dvc.hashing import hash_path

            yield "console", hash_path(path).sha256

    def console(self, files: dict[str, bytes]) -> Console | None:
        """The end of what the run printed, which joins `files`."""
        import hashlib

        from gittrack.recording.tail import Tail

        if not self._console:
            return None
        tail = Tail()
        for path in self._console:
            with path.open("rb") as stream:
                while data := stream.read(1 << 20):
                    tail.add(data)
        text, truncated = tail.text(os.environ)
        if not text:
            return None
        files["console.txt"] = text
        return Console(sha256=hashlib.sha256(text).hexdigest(), size=len(text), truncated=truncated)

    @property
    def media(self) -> list[Medium]:
        return [kept.medium for kept in self.kept if kept.medium is not None]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Those of the record: all media are one."""
        from gittrack.recording.media.keeping import output_of

        single = tuple(kept.output for kept in self.kept if kept.medium is None)
        return (*single, output_of(self.media)) if self.media else single

    def store(self, cache: Path, files: dict[str, bytes]) -> None:
        """Put the bytes into DVC's cache; the pointers join `files`, and so does the manifest of media."""
        from gittrack.dvc.cache import store, store_listing
        from gittrack.dvc.files import write_pointer
        from gittrack.recording.media.keeping import folder_of

        for kept in self.kept:
            store(kept.path, kept.digest, cache, _LINKS)
            if kept.medium is None:
                name = PurePosixPath(kept.output.pointer).name.removesuffix(".dvc")
                files[kept.output.pointer] = write_pointer(name, kept.digest)
        if self.media:
            folder = folder_of(self.media)
            store_listing(folder, cache)
            files[POINTER] = write_pointer(PurePosixPath(OUTPUT).name, folder)
            _, files[FILE] = write_media(self.media)


def _medium(output: Output, file: ForeignFile) -> Medium | None:
    """What is logged at steps is no output of its own, unless DVC would not take its name into a folder."""
    if file.kind != "media" and (file.kind != "table" or file.step is None):
        return None
    parts = {part.lower() for part in PurePosixPath(output.path).parts}
    if not parts.isdisjoint((".git", ".hg", ".dvc", ".dvcignore")):
        return None
    known = TYPES.get(PurePosixPath(output.path).suffix.lower().removeprefix("."))
    return Medium(
        name=output.name or output.path,
        kind="table" if file.kind == "table" else known[0] if known else "other",
        step=file.step,
        file=output.path,
        mime=known[1] if known else None,
        size=output.size or 0,
        md5=output.md5,
        sha256=output.sha256 or "",
        caption=None if file.caption is None else str(without_secrets(clean_text(file.caption))),
    )


def _check(stated: str | None, digest: Digest, path: Path) -> None:
    """ValueError for bytes that are not those of which the source states the digest."""
    from gittrack.dvc.hashing import file_md5

    kind, _, expected = (stated or "").partition(":")
    known = {"md5": digest.md5, "sha256": digest.sha256}
    if kind == "md5-dos2unix":
        known[kind] = file_md5(path, "md5-dos2unix")
    if expected != known.get(kind, expected):
        raise ValueError(f"it has other bytes than those of {stated}, which the source states")


def _logical(name: str, file: ForeignFile) -> str:
    """The path that the source gives a file, as a relative one."""
    pure = PurePosixPath(clean_text(name).replace("\\", "/").replace("\0", ""))
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"{name[:200]!r} is no path of an output: refused")
    if len(str(pure)) > 3000:
        raise ValueError("its path has more than 3,000 characters")
    return str(pure)
