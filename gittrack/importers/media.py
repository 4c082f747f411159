"""What kind of picture or sound bytes are."""

from __future__ import annotations

_SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "wav", b"ID3": "mp3"}


def suffix_of(beginning: bytes) -> str | None:
    """The ending of a file that begins so, None where it is of no kind that is known here."""
    if beginning[8:12] == b"WEBP":
        return "webp"
    return next((suffix for magic, suffix in _SUFFIXES.items() if beginning.startswith(magic)), None)
