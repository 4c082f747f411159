"""media.jsonl is held to the record, and to the output whose files it names, by git alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import gittrack
from gittrack.formats.media import read_media, write_media
from gittrack.formats.record import Record
from gittrack.verify.media import check_media


@pytest.fixture
def recorded(inside: Path) -> tuple[Record, bytes]:
    with gittrack.start_run("e") as run:
        run.log_html("<p>1</p>", "page", 1)
        run.log_html("<p>2</p>", "page", 2)
    data = gittrack.load("latest").file("media.jsonl")
    assert run.record is not None and data is not None
    return run.record, data


def test_a_manifest_names_the_files_of_its_output(recorded: tuple[Record, bytes]) -> None:
    """No more, no fewer, no others; captions and steps are what the record's digest holds."""
    record, data = recorded
    assert list(check_media(record, data)) == []
    first, second = read_media(data, "media.jsonl")
    for media, faults in (
        ([first], 2),
        ([replace(first, sha256=second.sha256), second], 1),
        ([replace(first, md5=second.md5), second], 1),
        ([replace(first, file="html/page/step-3.html"), second], 1),
        ([replace(first, size=9), second], 1),
    ):
        assert len(list(check_media(record, write_media(media)[1]))) == faults
    assert [says for says, *_ in check_media(replace(record, outputs=()), data)] == [
        "the record has no output _gittrack/media, whose files media.jsonl names"
    ]
    assert len(list(check_media(record, b"[]\n"))) == 1
