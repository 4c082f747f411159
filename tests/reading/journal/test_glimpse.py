"""A list of runs reads the beginning and the end of a long journal."""

from __future__ import annotations

import json
from pathlib import Path

from gittrack.reading.journal.glimpse import LONGEST, SHORT, glimpse


def line(step: int, **values: float) -> str:
    return json.dumps(["m", [[float(step), step, values]]], separators=(",", ":")) + "\n"


def test_a_short_journal_is_read_whole(tmp_path: Path) -> None:
    """To its last whole line."""
    (tmp_path / "events-000-1.jsonl").write_text('["t", {"a": "1"}]\n' + line(0, loss=1.0) + '["t", {')
    assert list(glimpse(tmp_path)) == [["t", {"a": "1"}], ["m", [[0.0, 0, {"loss": 1.0}]]]]


def test_a_long_one_is_read_at_both_ends(tmp_path: Path) -> None:
    """Far less than all of it, with the last value of a metric that comes seldom."""
    lines = ['["p", {"lr": 0.1}]\n', line(0, loss=1.0, acc=0.0)]
    lines += [line(step, loss=step) for step in range(1, 200_000)]
    lines.insert(199_000, line(198_999, acc=0.9))
    (tmp_path / "events-000-1.jsonl").write_text("".join(lines))
    events = list(glimpse(tmp_path))
    assert events[0] == ["p", {"lr": 0.1}]
    assert len(events) < (SHORT + LONGEST) / len(lines[-1])
    last = {name: value for _, rows in events[1:] for _, _, values in rows for name, value in values.items()}
    assert last == {"loss": 199_999, "acc": 0.9}


def test_a_journal_that_is_gone_says_nothing(tmp_path: Path) -> None:
    """The run was committed just now."""
    assert list(glimpse(tmp_path / "gone")) == []


def test_a_line_of_many_points_is_cut_between_two(tmp_path: Path) -> None:
    """A run that logs thousands of points a second has lines longer than what is read."""
    points = [[at / 7, at, {"a]b": at / 3, "loss": at}] for at in range(5_000)]
    points += [[9e9, None, {"loss": "nan"}], [9e9, 5_001, {"a]b": 1.0, "loss": 2.0}]]
    (tmp_path / "events-000-1.jsonl").write_text(json.dumps(["m", points], separators=(",", ":")) + "\n")
    (event,) = glimpse(tmp_path)
    assert event[0] == "m"
    assert event[1][-2:] == points[-2:]
    assert event[1] == points[-len(event[1]) :]
