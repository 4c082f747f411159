"""Tables, histograms and confusion matrices as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.values import check_name, to_value
from gittrack.recording.media.contents import to_array
from gittrack.recording.media.shelf import Content

MOST_CELLS = 1_000_000
MOST_LABELS = 1_000
MOST_BINS = 10_000
_PLAIN = (str, int, bool, type(None))


def table_of(data: Any, columns: Sequence[Any] | None = None) -> Content:
    """``{"columns": [...], "data": [[...], ...]}``, as MLflow and W&B keep tables.

    `data` is a DataFrame (pandas, polars), a table of Arrow or W&B, a list of dicts, a dict of columns; with
    `columns` also rows. Cells that are no JSON become what they do as parameters: what is not finite is the
    text ``nan``, ``inf`` or ``-inf``. A key that a dict lacks is null. UsageError for what is no table.
    """
    names, rows = _parts(data, columns)
    heads = [check_name(name, "column") for name in names]
    if len(set(heads)) < len(heads):
        raise UsageError("two columns of the table have one name")
    listed: list[list[Any]] = []
    for row in rows:
        if len(row) != len(heads):
            raise UsageError(f"row {len(listed)} of the table has {len(row)} cells, not {len(heads)}")
        if (len(listed) + 1) * len(heads) > MOST_CELLS:
            raise UsageError(f"the table has more than {MOST_CELLS:,} cells: keep it with log_artifact()")
        listed.append([_cell(cell, head) for cell, head in zip(row, heads, strict=True)])
    return _json({"columns": heads, "data": listed})


def _cell(cell: Any, column: str) -> Any:
    if type(cell) in _PLAIN or (type(cell) is float and math.isfinite(cell)):
        if type(cell) is str and not cell.isascii():
            return cell.encode("utf-8", "backslashreplace").decode()
        return cell
    return to_value(cell, f"column {column}", room=1000)


def _parts(data: Any, columns: Sequence[Any] | None) -> tuple[Sequence[Any], Iterable[Sequence[Any]]]:
    """The names of the columns, and the rows."""
    if isinstance(data, Mapping):
        return _of_columns(data)
    if hasattr(data, "itertuples") and hasattr(data, "reset_index"):  # pandas
        index = data.index
        if index.name is not None or index.nlevels > 1 or type(index).__name__ != "RangeIndex":
            data = data.reset_index()
        names = [".".join(map(str, name)) if isinstance(name, tuple) else name for name in data.columns]
        return names, data.itertuples(index=False, name=None)
    if callable(getattr(data, "iter_rows", None)):  # polars
        return list(data.columns), data.iter_rows()
    if callable(getattr(data, "to_pylist", None)) and hasattr(data, "column_names"):  # Arrow
        return list(data.column_names), zip(*(column.to_pylist() for column in data.columns), strict=True)
    if hasattr(data, "columns") and isinstance(getattr(data, "data", None), list):  # a table of W&B
        return list(data.columns), data.data
    if hasattr(data, "tolist") and getattr(data, "ndim", 0) == 2:
        data = data.tolist()
    if isinstance(data, (str, bytes)) or not isinstance(data, Sequence):
        raise UsageError(
            f"a table is a DataFrame, a list of dicts or a dict of columns, not {type(data).__name__}"
        )
    if data and all(isinstance(row, Mapping) for row in data):
        names = (
            list(dict.fromkeys(name for row in data for name in row)) if columns is None else list(columns)
        )
        return names, ([row.get(name) for name in names] for row in data)
    if columns is None:
        raise UsageError("rows need the names of their columns: log_table(rows, name, columns=[...])")
    if not all(isinstance(row, Sequence) and not isinstance(row, (str, bytes)) for row in data):
        raise UsageError("the rows of a table are lists of cells, or all of them dicts")
    return list(columns), data


def _of_columns(data: Mapping[Any, Any]) -> tuple[Sequence[Any], Iterable[Sequence[Any]]]:
    cells = {}
    for name, column in data.items():
        if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
            raise UsageError(
                f"column {str(name)[:80]!r} is no list but {type(column).__name__}: give a list of dicts"
            )
        cells[name] = column.tolist() if callable(getattr(column, "tolist", None)) else list(column)
    if len({len(column) for column in cells.values()}) > 1:
        lengths = ", ".join(f"{str(name)[:40]} {len(column)}" for name, column in list(cells.items())[:5])
        raise UsageError(f"the columns of the table are not of one length: {lengths}")
    return list(cells), zip(*cells.values(), strict=True)


def histogram_of(values: Any, bins: int = 64) -> Content:
    """``{"edges": [...], "counts": [...], "not_finite": n}``: of numbers of any shape, or of (counts, edges).

    `not_finite`, where it is there, says how many values were NaN or infinite, and so are in no bin.
    """
    import numpy as np

    if isinstance(values, tuple) and len(values) == 2:
        counts, edges = (to_array(part, "a histogram") for part in values)
        rising = edges.ndim == 1 and np.isfinite(edges).all() and (np.diff(edges) >= 0).all()
        if counts.ndim != 1 or len(edges) != len(counts) + 1 or not rising or not np.isfinite(counts).all():
            raise UsageError("a histogram is (counts, edges), edges rising and one more than counts")
        if len(counts) > MOST_BINS:
            raise UsageError(f"a histogram has at most {MOST_BINS:,} bins, not {len(counts):,}")
        return _json({"edges": edges.tolist(), "counts": counts.tolist()})
    if isinstance(bins, bool) or not hasattr(bins, "__index__") or not 1 <= bins <= MOST_BINS:
        raise UsageError(f"bins is a number from 1 to {MOST_BINS:,}, not {bins!r}")
    array = to_array(values, "a histogram").ravel()
    finite = array[np.isfinite(array)].astype(np.float64)
    if not len(finite):
        raise UsageError(f"there is no finite number among {len(array):,} values")
    try:
        with np.errstate(all="ignore"):
            counts, edges = np.histogram(finite, bins)
    except ValueError as error:  # a range that floats cannot divide
        raise UsageError(f"the values have no histogram: {error}") from error
    lost = len(array) - len(finite)
    said = {"edges": edges.tolist(), "counts": counts.tolist(), **({"not_finite": lost} if lost else {})}
    return _json(said)


def confusion_of(
    y_true: Any = None, y_pred: Any = None, *, matrix: Any = None, labels: Sequence[Any] | None = None
) -> Content:
    """``{"labels": [...], "matrix": [[...], ...]}``: a row for each true label, a column for each predicted.

    Of two arrays of labels, or of the `matrix` itself. `labels` names them in order, else they are sorted.
    """
    import numpy as np

    if matrix is not None:
        if y_true is not None or y_pred is not None:
            raise UsageError("give labels (y_true, y_pred) or a matrix, not both")
        array = to_array(matrix, "a confusion matrix")
        if (
            array.ndim != 2
            or array.shape[0] != array.shape[1]
            or not array.size
            or not np.isfinite(array).all()
        ):
            raise UsageError(f"a confusion matrix is square and has finite numbers, not {array.shape}")
        names = list(range(len(array))) if labels is None else list(labels)
        if len(names) != len(array):
            raise UsageError(f"{len(array)} rows need as many labels, not {len(names)}")
        return _matrix(names, array.tolist())
    true, predicted = (_labels(given) for given in (y_true, y_pred))
    if len(true) != len(predicted) or not true:
        raise UsageError(
            f"y_true and y_pred are of one length and not empty, not {len(true)} and {len(predicted)}"
        )
    known = {*true, *predicted}
    plain = (
        _labels(labels)
        if labels is not None
        else sorted(known, key=lambda label: (isinstance(label, str), label))
    )
    if unknown := known - {*plain}:
        raise UsageError(f"labels does not name {', '.join(repr(label) for label in list(unknown)[:3])}")
    _few(plain)
    places = {label: at for at, label in enumerate(plain)}
    counts = [[0] * len(plain) for _ in plain]
    for a, b in zip(true, predicted, strict=True):
        counts[places[a]][places[b]] += 1
    return _matrix(plain, counts)


def _matrix(names: list[Any], rows: list[list[Any]]) -> Content:
    _few(names)
    return _json({"labels": [check_name(name, "label") for name in names], "matrix": rows})


def _few(names: Sequence[Any]) -> None:
    if len(names) > MOST_LABELS or len({str(name) for name in names}) < len(names):
        raise UsageError(
            f"a confusion matrix has at most {MOST_LABELS:,} labels, each once: {len(names):,} are given"
        )


def _labels(given: Any) -> list[Any]:
    """Labels as plain values: whole numbers, truths or texts."""
    if given is None:
        raise UsageError("a confusion matrix needs y_true and y_pred, or matrix=")
    if hasattr(given, "detach"):
        given = given.detach().cpu()
    listed = given.tolist() if callable(getattr(given, "tolist", None)) else given
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence):
        raise UsageError(f"labels are a list of whole numbers or texts, not {type(given).__name__}")
    whole = [int(label) if isinstance(label, float) and label.is_integer() else label for label in listed]
    for label in whole:
        if not isinstance(label, (int, str)):
            raise UsageError(
                f"a label is a whole number or a text, not {label!r:.80}: take argmax of probabilities"
            )
    return whole


def _json(content: Mapping[str, Any]) -> Content:
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Content(data, "json")
