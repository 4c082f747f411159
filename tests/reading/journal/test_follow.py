"""A journal is read on from where the last look ended, whatever its writer does meanwhile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gittrack.reading.journal.follow import Following


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The folder of a journal with one file of events."""
    folder = tmp_path / "20261122-142233-7f3a2c"
    folder.mkdir()
    (folder / "events-000-1.jsonl").write_text('["t", {"a": "1"}]\n')
    return folder


def append(journal: Path, text: str, name: str = "events-000-1.jsonl") -> None:
    with (journal / name).open("a") as file:
        file.write(text)


def test_each_look_gives_what_is_new(journal: Path) -> None:
    """Files that come later among it, and nothing twice."""
    with Following(journal) as following:
        assert list(following.look()) == [["t", {"a": "1"}]]
        assert list(following.look()) == []
        append(journal, '["m",[[0.5,1,{"loss":2.0}]]]\n')
        append(journal, '["t", {"b": "2"}]\n', "events-001-2.jsonl")
        assert list(following.look()) == [["m", [[0.5, 1, {"loss": 2.0}]]], ["t", {"b": "2"}]]
        assert list(following.look()) == []


def test_a_line_that_is_being_written_waits(journal: Path) -> None:
    """Half a line is none yet; the writer may also take it back, and write another."""
    with Following(journal) as following:
        list(following.look())
        append(journal, '["t", {"b": ')
        assert list(following.look()) == []
        append(journal, '"2"}]\n')
        assert list(following.look()) == [["t", {"b": "2"}]]
        append(journal, '["t", {"c')
        assert list(following.look()) == []
        (journal / "events-000-1.jsonl").write_text('["t", {"a": "1"}]\n["t", {"b": "2"}]\n["n"]\n')
        assert list(following.look()) == [["n"]]


@pytest.mark.parametrize("torn", ["[", "nonsense", "7", "[]", '{"a": 1}', '"\\xff"'])
def test_a_torn_line_ends_its_file(journal: Path, torn: str) -> None:
    """What comes after it counts for nothing, as for whoever recovers the run; other files go on."""
    with Following(journal) as following:
        append(journal, f'{torn}\n["t", {{"never": "1"}}]\n')
        append(journal, '["t", {"b": "2"}]\n', "events-001-2.jsonl")
        assert list(following.look()) == [["t", {"a": "1"}], ["t", {"b": "2"}]]
        append(journal, '["t", {"never": "2"}]\n')
        assert list(following.look()) == []


def test_a_journal_that_is_taken_away_is_read_to_its_end(journal: Path) -> None:
    """The run was committed between two looks: what it said last is still seen."""
    with Following(journal) as following:
        list(following.look())
        append(journal, '["t", {"last": "1"}]\n')
        shutil.rmtree(journal)
        assert list(following.look()) == [["t", {"last": "1"}]]
        assert list(following.look()) == []


def test_a_line_may_be_long(journal: Path) -> None:
    """Longer than what is read at a time."""
    rows = [[float(at), at, {"loss": 1.0}] for at in range(100_000)]
    append(journal, json.dumps(["m", rows], separators=(",", ":")) + "\n")
    with Following(journal) as following:
        *_, (kind, points) = following.look()
    assert kind == "m"
    assert len(points) == 100_000
