"""Series inside documents: the log of a Hugging Face trainer, the history of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gittrack.formats.flat import flatten
from gittrack.formats.values import metric_value
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.rows import Row, plain_name, series, word_or_number

_AXES = ("epoch", "epochs", "step", "steps", "iteration", "iterations", "iter", "global_step")
NO_AXIS = "a list without its steps: name them in a list called epoch or step"


def log_history(
    content: Mapping[str, Any], name: str, losses: Losses
) -> tuple[dict[str, Any], list[Row]] | None:
    """Rows of trainer_state.json, and its best metric; None for another file. Its settings are no metrics."""
    log = content.get("log_history")
    if not isinstance(log, list) or not all(isinstance(item, dict) for item in log):
        return None
    best = word_or_number(content.get("best_metric"))
    final = {} if best is None else {"best_metric": metric_value("best_metric", best)}
    rows = series([(f"log_history[{at}]", flatten(item)) for at, item in enumerate(log)], name, losses)
    return final, rows


def take_histories(content: Mapping[str, Any], name: str, losses: Losses) -> tuple[dict[str, Any], list[Row]]:
    """The values of a document by dotted name, and the rows of the history that is in it.

    A history is lists of one length, one of them an axis, a loss or val_something. Others, such as a score of
    each class, have no steps, and are left out.
    """
    history = content.get("history")
    if isinstance(history, Mapping):  # the attributes of Keras' History: params, epoch, history
        epochs = content.get("epoch")
        content = {**({"epoch": epochs} if isinstance(epochs, list) else {}), **history}
    flat = _flat({key: _as_list(value) for key, value in content.items()}, name, losses)
    lists = {key: value for key, value in flat.items() if isinstance(value, list) and _has_numbers(value)}
    if not lists:
        return flat, []
    lengths = {len(value) for value in lists.values()}
    named = any(_tells_history(key) for key in lists)
    if len(lengths) > 1 or not named:
        for key in lists:
            losses.add(name, "value", key, NO_AXIS)
        return {key: value for key, value in flat.items() if key not in lists}, []
    rows = [
        (f"item {at}", {_without_s(key): value[at] for key, value in lists.items()})
        for at in range(lengths.pop())
    ]
    return {key: value for key, value in flat.items() if key not in lists}, series(rows, name, losses)


def _flat(content: Mapping[str, Any], name: str, losses: Losses) -> dict[str, Any]:
    """Values by dotted name; of two with one name, which is meant cannot be known."""
    flat: dict[str, Any] = {}
    met: set[str] = set()
    for key, value in content.items():
        for dotted, inner in flatten({key: value}).items():
            if dotted in flat and repr(flat[dotted]) != repr(inner):
                met.add(dotted)
            flat[dotted] = inner
    for dotted in met:
        del flat[dotted]
        losses.add(name, "value", dotted, "two values have this name")
    return flat


def _tells_history(key: str) -> bool:
    last = plain_name(key.rpartition(".")[2])
    return last in _AXES or last.startswith("val_") or "loss" in last


def _without_s(key: str) -> str:
    plain = plain_name(key)
    return plain.removesuffix("s") if plain in _AXES else key


def _has_numbers(items: list[Any]) -> bool:
    flat = not any(isinstance(item, (list, dict)) for item in items)
    return flat and any(word_or_number(item) is not None for item in items)


def _as_list(value: Any) -> Any:
    """A column as pandas writes it: ``{"0": 0.5, "1": 0.4}``."""
    if isinstance(value, Mapping) and value and list(value) == [str(at) for at in range(len(value))]:
        return list(value.values())
    return value
