"""What a run says of its metrics, and of texts, at steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.flat import flatten, meeting
from gittrack.formats.values import (
    MAX_STEP,
    by_name,
    check_metric_name,
    check_step,
    check_text,
    check_timestamp,
    metric_row,
    metric_value,
    to_number,
)
from gittrack.reading.journal.events import Kind
from gittrack.recording.journal import Journal
from gittrack.recording.rules import define
from gittrack.recording.turns import thrown_in
from gittrack.recording.verbs import Losses, turns, verb


class Points:
    """The verbs of a run that take values of metrics."""

    _journal: Journal | None
    _ended: bool
    _losses: Losses
    _names: dict[str, str]
    _plain_names: list[str] | None
    _log_calls: int
    _counting: bool
    _t0: float
    _began: float
    _to_json: Callable[[Any], bytes]
    _open: Callable[[str], Journal | None]
    step: int | None
    last_step: int | None

    @verb("definition of metric")
    def define_metric(
        self,
        name: str,
        summary: str | None = None,
        goal: str | None = None,
        step_metric: str | None = None,
    ) -> None:
        """Say which value of a metric is the final one, as W&B's ``define_metric``; ``val/*`` means all such.

        `summary` is last (the default), greatest-step, min, max or best, `goal` maximize or minimize; best
        needs one, here or in gittrack.yaml. `step_metric` is the metric that it is to be drawn over, in place
        of the step. UsageError for anything else. Where gittrack.yaml says otherwise, this holds, with a
        warning.
        """
        define(self._open("define_metric"), name, summary, goal, step_metric)

    def log_metric(
        self, key: str, value: float, step: float | None = None, timestamp: float | None = None
    ) -> None:
        """Record one value of a metric at a step."""
        self.log_metrics({key: value}, step, timestamp)

    def log_metrics(
        self, metrics: Mapping[str, float], step: float | None = None, timestamp: float | None = None
    ) -> None:
        """Record values of several metrics at one step. A memory write; on disk within a second.

        A value is anything that holds one number: int, float, bool, NumPy or torch scalar; a text is kept
        beside the numbers. A step is a whole number or a fraction. `timestamp`, in milliseconds since 1970 as
        MLflow has it, is when it was measured, where that is not now.
        """
        journal = self._journal
        if journal is None:
            return
        try:
            # Names that were logged just so before, with floats: what is written then needs no closer look.
            if (
                timestamp is None
                and type(step) is int
                and step <= MAX_STEP
                and [*metrics] == self._plain_names
            ):
                total = sum(metrics.values())
                if type(total) is float and total - total == 0.0:  # all of them finite
                    journal.append_json(self._to_json((monotonic() - self._t0, step, metrics))[:-1])
                    if len(journal.rows) > journal.row_limit:
                        turns.share(journal.spill)
                    return
        except Exception as error:  # whatever that was, it is said below
            if thrown_in(error) is not None:
                raise
        self._log_row(metrics, step, timestamp)

    @verb("metric", part=lambda run, metric: _check_values(metric), at_once=True)
    def _log_row(
        self, metrics: Mapping[str, float | str], step: float | None, timestamp: float | None
    ) -> None:
        journal = self._open("log_metrics")
        if journal is None:
            return
        numbers, texts = _parted(by_name(metrics))
        row = metric_row(numbers, self._names, journal.new_metrics)
        plain = not texts and [*row] == [*metrics] and all(type(v) is float for v in metrics.values())
        self._plain_names = [*row] if plain else None
        at, elapsed = self._at(step), self._elapsed(timestamp)
        if texts:
            journal.event(Kind.TEXT, elapsed, at, texts)
        if not row:
            return
        journal.append_json(self._to_json((elapsed, at, row))[:-1])
        if len(journal.rows) > journal.row_limit:
            journal.spill()

    def _at(self, step: float | None) -> int | float | None:
        """A step, or that of the run; None where it is none: what is logged there is kept, in its order."""
        try:
            return self.step if step is None else check_step(step)
        except UsageError as error:
            self._losses.take(self, "step", error)
            return None

    def _elapsed(self, timestamp: float | None) -> float:
        """Seconds from the start of the run to now, or to a stated moment."""
        if timestamp is not None:
            try:
                return check_timestamp(timestamp) - self._began
            except UsageError as error:
                self._losses.take(self, "timestamp", error)
        return monotonic() - self._t0

    def log(self, values: Mapping[str, Any], step: float | None = None) -> None:
        """Record metrics as W&B's ``log``: nested names joined by dots; without `step`, calls are counted."""
        try:
            values = by_name(values)
            flat = flatten(values)
            name = None if flat.keys() == values.keys() else meeting(values)
            if name is not None:
                raise UsageError(f"metric {name!r} is there twice, nested and written with dots: rename one")
        except Exception as error:
            self._losses.take(self, "metric", error)
            return
        at = self._log_calls if step is None else step
        self.log_metrics(flat, at)
        number = at if type(at) is int else to_number(at)
        is_number = isinstance(number, (int, float)) and math.isfinite(number)
        self._log_calls = (math.floor(number) if is_number else self._log_calls) + 1

    def next_step(self) -> int:
        """Move on to the next step, as DVCLive's ``next_step``; the first step is 0."""
        self._note_counting()
        self.step = 1 if self.step is None else self.step + 1
        return self.step

    @verb("step", at_once=True)
    def _note_counting(self) -> None:
        journal = self._open("next_step")
        if not self._counting:
            self._counting = True
            first = 0 if self.last_step is None else self.last_step + 1
            if self.step is None and first:
                self.step = first
            if journal is not None:
                journal.event(Kind.COUNTING, *([first] if first else []))

    @verb("final metric")
    def _set_summary(self, name: str, value: Any) -> None:
        journal = self._open("summary")
        if journal is not None:
            name = check_metric_name(name)
            journal.event(Kind.SUMMARY, {name: metric_value(name, value)})


def _parted(metrics: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, str]]:
    """The numbers, and the texts, which are checked."""
    if not any(isinstance(value, str) for value in metrics.values()):
        return metrics, {}
    texts: dict[str, str] = {}
    for name, value in metrics.items():
        if isinstance(value, str):
            texts |= check_text(name, value)
    return {name: value for name, value in metrics.items() if not isinstance(value, str)}, texts


def _check_values(metrics: Mapping[str, Any]) -> None:
    """UsageError for what neither a number nor a text can say."""
    metric_row(_parted(metrics)[0], {}, lambda names: None)
