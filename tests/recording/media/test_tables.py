"""Tables, histograms and confusion matrices as JSON."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from gittrack.errors import UsageError
from gittrack.recording.media import tables
from gittrack.recording.media.tables import confusion_of, histogram_of, table_of


def table(data: Any, columns: Any = None) -> tuple[list[str], list[list[Any]]]:
    said = json.loads(table_of(data, columns).data)
    return said["columns"], said["data"]


def test_tables_of_every_form_are_one() -> None:
    """A dict of columns, dicts with other keys, rows, a table as W&B has it, an array."""

    class Wandb(NamedTuple):
        columns: list[str]
        data: list[list[Any]]

    rows = (["a", "b"], [[1, "x"], [2, None]])
    assert table({"a": np.array([1, 2]), "b": ["x", None]}) == rows
    assert table([{"a": 1, "b": "x"}, {"a": 2}]) == rows
    assert table([(1, "x"), [2, None]], ["a", "b"]) == rows
    assert table(Wandb(*rows)) == rows
    assert table(np.array([[1, 2]]), ["a", "b"]) == (["a", "b"], [[1, 2]])
    assert table({}) == ([], []) == table([], [])


def test_frames_keep_an_index_that_says_something() -> None:
    """One that only counts is none; Arrow's tables come by their columns."""
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1.5, math.nan], ("b", "c"): ["x", None]})
    assert table(frame[["a"]]) == (["a"], [[1.5], ["nan"]])
    assert table(frame.set_index([["r", "s"]]))[0] == ["index", "a", "b.c"]
    assert table(arrow.table({"a": [1, None]})) == (["a"], [[1], [None]])


def test_cells_are_plain_or_become_so() -> None:
    """What is not finite is its name; bytes, nested and odd cells are as they are as parameters."""
    cells = [math.inf, b"\xff", {"x": [1, b"q"]}, np.float32(1.5), "\ud800", 10**30, True]
    _, (row,) = table([cells], list("abcdefg"))
    assert row == ["inf", "b'\\xff'", {"x": [1, "b'q'"]}, 1.5, "\\ud800", 10**30, True]


@pytest.mark.parametrize(
    ("data", "columns", "says"),
    [
        ({"a": [1], "b": [1, 2]}, None, "not of one length: a 1, b 2"),
        ({"a": 1}, None, "is no list but int"),
        ([[1]], None, "need the names of their columns"),
        ([[1, 2]], ["a"], "row 0 of the table has 2 cells, not 1"),
        ([[1, 2]], ["a", "a"], "two columns of the table have one name"),
        (["ab"], ["a", "b"], "lists of cells"),
        ("text", None, "a table is a DataFrame"),
        ((row for row in [[1]]), ["a"], "not generator"),
        ([[1], [2]], ["a"], "more than 1 cells"),
    ],
)
def test_what_is_no_table_is_named(
    data: Any, columns: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    if says == "more than 1 cells":
        monkeypatch.setattr(tables, "MOST_CELLS", 1)
    with pytest.raises(UsageError, match=says):
        table_of(data, columns)


def test_histograms() -> None:
    """Of any shape; what is not finite is counted apart; one that NumPy made comes as it is."""
    said = json.loads(histogram_of(np.array([[0, 1], [1, np.nan]]), bins=2).data)
    assert said == {"edges": [0.0, 0.5, 1.0], "counts": [1, 2], "not_finite": 1}
    assert json.loads(histogram_of([0, 1, 1], bins=np.int64(2)).data)["counts"] == [1, 2]
    assert json.loads(histogram_of(([1, 2], [0, 1, 2])).data) == {"edges": [0, 1, 2], "counts": [1, 2]}
    for values, bins in (
        ([], 2), ([np.nan], 2), (["a"], 2), (([1], [1, 0]), 2), ([1], 0), ([1e308, -1e308], 2), ([1], 2.5)
    ):  # fmt: skip
        with pytest.raises(UsageError):
            histogram_of(values, bins)


def test_confusion_matrices() -> None:
    """Rows are true labels, columns predicted ones; labels may have more than occur."""
    said = json.loads(confusion_of(["b", "a", "b"], ["a", "a", "b"]).data)
    assert said == {"labels": ["a", "b"], "matrix": [[1, 0], [1, 1]]}
    said = json.loads(confusion_of(np.array([2.0]), np.array([1]), labels=[1, 2, 3]).data)
    assert said == {"labels": ["1", "2", "3"], "matrix": [[0, 0, 0], [1, 0, 0], [0, 0, 0]]}
    said = json.loads(confusion_of([1, 2], [1, 1], labels=np.array([2, 1])).data)
    assert said == {"labels": ["2", "1"], "matrix": [[0, 1], [0, 1]]}
    said = json.loads(confusion_of(matrix=[[0.5, 0.5], [1, 0]], labels=["x", "y"]).data)
    assert said["matrix"] == [[0.5, 0.5], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs y_true and y_pred"),
        ({"y_true": [], "y_pred": []}, "of one length and not empty"),
        ({"y_true": [1], "y_pred": [1, 2]}, "of one length and not empty"),
        ({"y_true": [0.5], "y_pred": [1]}, "a whole number or a text"),
        ({"y_true": [1], "y_pred": [2], "labels": [1]}, "does not name 2"),
        ({"matrix": [[1, 2]]}, "is square"),
        ({"matrix": [[np.nan]]}, "finite"),
        ({"matrix": [[1]], "y_true": [1]}, "not both"),
        ({"matrix": [[1]], "labels": ["a", "b"]}, "as many labels"),
        ({"matrix": [[1, 0], [0, 1]], "labels": ["a", "a"]}, "each once"),
    ],
)
def test_what_is_no_confusion_matrix_is_named(given: dict[str, Any], says: str) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=says):
        confusion_of(**given)
