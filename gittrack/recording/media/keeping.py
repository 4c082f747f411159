"""The media of an ended run: one output with their bytes, and its manifest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gittrack.formats.media import FILE, OUTPUT, POINTER, ROLE, Media, Medium, write_media
from gittrack.formats.record import NotRecorded, Output
from gittrack.formats.texts import StoreFile
from gittrack.reading.journal.media import FOLDER, Thinned, media_of
from gittrack.reading.journal.stored import StoredJournal

if TYPE_CHECKING:
    from gittrack.dvc.hashing import Digest


def keep_media(
    journal: StoredJournal, files: dict[str, bytes], store: StoreFile
) -> tuple[Media | None, Output | None, list[NotRecorded]]:
    """What the record says of the media of a journal; manifest and pointer join `files`.

    What lies in the journal otherwise than it was logged is lost, and said so.
    """
    from gittrack.dvc.hashing import files_at, hash_path

    logged, folder = media_of(journal), journal.folder / FOLDER
    losses = [_of_thinned(name, thinned) for name, thinned in logged.thinned.items() if thinned.files]
    present = {entry.path: entry for entry in hash_path(folder).entries} if folder.is_dir() else {}
    media = []
    for medium in logged:
        entry = present.get(medium.file)
        if entry == (medium.file, medium.md5, medium.sha256, medium.size):
            media.append(medium)
        else:
            why = "the file is not what was logged" if entry else "the file is gone"
            losses.append(NotRecorded(what=f"media {medium.name}: {medium.file}", why=why))
    if not media:
        return None, None, losses
    for name in files_at(folder).keys() - {medium.file for medium in media}:
        (folder / name).unlink()
    _, files[POINTER] = store(folder)
    stated, files[FILE] = write_media(media)
    return stated, output_of(media), losses


def output_of(media: Iterable[Medium]) -> Output:
    """The output that holds exactly these media."""
    digest = folder_of(media)
    return Output(
        path=OUTPUT,
        role=ROLE,
        pointer=POINTER,
        md5=digest.md5,
        sha256=digest.sha256,
        size=digest.size,
        nfiles=digest.nfiles,
        logical=True,
    )


def folder_of(media: Iterable[Medium]) -> Digest:
    """The digest of the folder that holds exactly these media."""
    from gittrack.dvc.hashing import HashedFile, folder_digest

    return folder_digest(HashedFile(m.file, m.md5, m.sha256, m.size) for m in media)


def _of_thinned(name: str, thinned: Thinned) -> NotRecorded:
    why = f"there is no room for all: the first, the last and every {nth(thinned.every)} call are kept"
    return NotRecorded(what=f"media {name}", why=why, count=thinned.files if thinned.files > 1 else None)


def nth(number: int) -> str:
    """``2nd``, ``4th``: of a power of two."""
    return f"{number}nd" if number % 10 == 2 and number % 100 != 12 else f"{number}th"
