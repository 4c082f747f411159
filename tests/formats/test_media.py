"""media.jsonl: written, read back, and refused where it is none."""

from __future__ import annotations

import pytest

from gittrack.errors import RecordError
from gittrack.formats.media import Medium, read_media, write_media

MEDIUM = Medium(name="a", kind="image", step=0, file="image/a.png", size=0, md5="0" * 32, sha256="0" * 64)
LINE = write_media([MEDIUM])[1]


def test_a_manifest_comes_back_as_it_was() -> None:
    """Odd names, fractions, no step."""
    media = [
        MEDIUM,
        Medium(name="ü\n\u2028", kind="other", time=-1.5, file="x", mime="a/b", size=2**40, md5="", sha256="",
               caption="c"),
    ]  # fmt: skip
    stated, data = write_media(media)
    assert read_media(data, "media.jsonl") == media
    assert (stated.count, stated.size) == (2, len(data)) and data.count(b"\n") == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kind":"image"', b'"kind":"pickle"'),
        (b'"step":0', b'"step":NaN'),
        (b'"step":0', b'"step":"0"'),
        (b'"size":0', b'"size":true'),
        (b'"size":0,', b""),
        (b'"name"', b'"nome"'),
        (b"image/a.png", b"../a.png"),
        (b"image/a.png", b"/a.png"),
        (b"image/a.png", b"a\\\\..\\\\b"),
        (b"image/a.png", b"\\ud800"),
        (LINE, LINE + LINE),
        (LINE, b"[" * 100_000 + b"\n"),
        (LINE, b"[]\n"),
        (b"}\n", b"}"),
    ],
)
def test_what_is_no_manifest_is_refused(old: bytes, new: bytes) -> None:
    """Whatever stands there: it names the line."""
    with pytest.raises(RecordError, match=r"^where"):
        read_media(LINE.replace(old, new), "where")
