"""media.jsonl against its record: it names the files of the output that holds them, by digest."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.dvc.hashing import HashedFile, folder_digest
from gittrack.errors import RecordError
from gittrack.formats.media import FILE, OUTPUT, read_media
from gittrack.formats.record import Record


def check_media(record: Record, data: bytes) -> Iterator[tuple[str, str | None, str | None]]:
    """What is wrong with the bytes of media.jsonl: what it says, expected, found."""
    try:
        media = read_media(data, FILE)
    except RecordError as error:
        yield str(error), None, None
        return
    stated = record.media.count if record.media else 0
    if len(media) != stated:
        yield f"{FILE} names more or fewer files than the record says", str(stated), str(len(media))
    output = next((output for output in record.outputs if output.path == OUTPUT), None)
    if output is None:
        yield f"the record has no output {OUTPUT}, whose files {FILE} names", None, None
        return
    digest = folder_digest(HashedFile(m.file, m.md5, m.sha256, m.size) for m in media)
    recorded = (output.md5, output.sha256, output.size, output.nfiles)
    named = (digest.md5, digest.sha256, digest.size, digest.nfiles)
    if recorded != named:
        yield f"{FILE} names other files than the output {OUTPUT} holds", str(recorded), str(named)
