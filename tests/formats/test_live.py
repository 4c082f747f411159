"""A snapshot of a running run is small, says nothing of whose it is, and is believed only by its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gittrack.errors import RecordError
from gittrack.formats.live import LARGEST, MOST, dump, load, thin
from tests.live_remotes import snapshot

NOW = "2026-11-22T14:23:33.000000Z"


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "20261122-142233-7f3a2c", "experiment": "digits", "name": None, "status": "running",
        "started": "2026-11-22T14:22:33.000000Z", "author": {"name": "Ada", "email": "ada@example.org"},
        "code": {"commit": "1" * 40, "tree": "2" * 40, "branch": "b", "dirty": True, "command": ["train.py"]},
        "environment": {"python": "3.12", "os": "Linux"}, "params": {"lr": 0.1},
        "metrics": {"loss": {"value": 0.5, "step": 3, "rule": "last"}},
        "live": {"last_point": NOW}, **changes,
    }  # fmt: skip


def test_it_says_nothing_of_whom_and_where() -> None:
    """Neither author nor machine nor command."""
    plain = load(dump(record(), {"loss": [[3, 1.5, 0.5]]}, sent=NOW, every=60), "x")
    assert plain == {
        "schema": "gittrack/live/1", "id": "20261122-142233-7f3a2c", "experiment": "digits",
        "status": "running", "started": "2026-11-22T14:22:33.000000Z", "sent": NOW, "every": 60,
        "last_point": NOW, "commit": "1" * 40, "dirty": True, "params": {"lr": 0.1},
        "metrics": {"loss": {"value": 0.5, "step": 3, "rule": "last"}}, "curves": {"loss": [[3, 1.5, 0.5]]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "params", "left_out"),
    [(10, 20, []), (200, 20, ["curves"]), (10, 3_000, ["curves", "params"]),
     (900, 3_000, ["curves", "params", "metrics"])],
)  # fmt: skip
def test_it_is_small(metrics: int, params: int, left_out: list[str]) -> None:
    """Whatever the run has; what is left out is said."""
    said = record(
        params={f"parameter_{at}": at / 7 for at in range(params)},
        metrics={f"metric/{at}": {"value": at / 7, "step": at, "rule": "last"} for at in range(metrics)},
    )
    curves = {f"metric/{at}": [[n, n / 7, n / 3] for n in range(64)] for at in range(metrics)}
    data = dump(said, curves, sent=NOW, every=60)
    assert len(data) <= MOST
    plain = load(data, "x")
    assert plain.get("left_out", []) == left_out
    if not left_out:
        assert all(curve[-1] == [63, 9.0, 21.0] for curve in plain["curves"].values())


def test_thinning_keeps_the_last_point() -> None:
    """And never gives more than was asked for."""
    for count in range(200):
        points = [[at] for at in range(count)]
        for most in (4, 8, 64):
            kept = thin(points, most)
            assert len(kept) <= most
            assert kept[-1:] == points[-1:]
            assert kept[:1] == points[:1]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"nonsense", b"[" * 60_000, b"\xff\xfe", b'{"schema": "gittrack/live/1"}'],
)
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        load(data, "x")


@pytest.mark.parametrize(
    "changes",
    [{"schema": "gittrack/live/2"}, {"status": "finished"}, {"host": "n1"}, {"id": "../../x"},
     {"id": "20261122-142233-7f3a2c\n"}, {"experiment": "\x1b[2J"}, {"every": 0}, {"every": "60"},
     {"sent": "yesterday"}, {"started": "2026-11-22"}, {"curves": {"loss": [[1, 2]]}},
     {"curves": {"loss": [[1, 2, "big"]]}}, {"metrics": {"loss": 3}}, {"metrics": {"x" * 1001: {"value": 1}}},
     {"params": {"x" * 300: 1}}, {"curves": {"loss": [[1, 1, 1]] * 2_001}}, {"name": "x" * LARGEST}],
)  # fmt: skip
def test_the_schema_decides(changes: dict[str, Any]) -> None:
    """Nothing else is read."""
    load(json.dumps(snapshot()).encode(), "x")
    with pytest.raises(RecordError):
        load(json.dumps(snapshot(**changes)).encode(), "x")


def test_numbers_are_json() -> None:
    """NaN and infinity are words."""
    data = json.dumps(snapshot(curves={"loss": [[1, 1.0, float("nan")]]})).encode()
    with pytest.raises(RecordError, match="NaN is no JSON"):
        load(data, "x")
    load(json.dumps(snapshot(curves={"loss": [[None, 1.0, "nan"]]})).encode(), "x")
