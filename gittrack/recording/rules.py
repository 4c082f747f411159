"""What a program says of its metrics while it runs: which of their values is the final one."""

from __future__ import annotations

import logging
from typing import Any, get_args

from gittrack.errors import UsageError
from gittrack.formats.config import Direction, Final
from gittrack.formats.finals import AXIS, described, extreme_of
from gittrack.formats.values import check_metric_name
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.journal import Journal

log = logging.getLogger("gittrack")


def define(
    journal: Journal | None, name: str, summary: str | None, goal: str | None, step_metric: str | None
) -> None:
    """Note what `Run.define_metric` is given; where gittrack.yaml says otherwise, with a warning."""
    facts = _checked(check_metric_name(name), summary, goal)
    if step_metric is not None:
        facts[AXIS] = check_metric_name(step_metric)
    if journal is None:
        return
    declared = described(name, _declared(StoredJournal(journal.folder)))
    if extreme_of(summary or "last", goal or declared.get("direction")) is None:
        raise UsageError(f"define_metric({name!r}, summary='best') needs goal='maximize' or goal='minimize'")
    for key, value in facts.items():
        if declared.get(key, value) != value:
            says = "the %s of %s is %s in gittrack.yaml, and %s by define_metric(), which is recorded"
            log.warning(says, key, name, declared[key], value)
    journal.event(Kind.DEFINED, {name: facts})


def _checked(name: str, summary: str | None, goal: str | None) -> dict[str, Any]:
    """The same under the names of the record."""
    rules, goals = get_args(Final), get_args(Direction)
    if summary not in (None, *rules):
        raise UsageError(f"define_metric({name!r}): summary={summary!r} is no rule: use {', '.join(rules)}")
    if goal not in (None, *goals):
        raise UsageError(f"define_metric({name!r}): goal={goal!r} is no direction: use {' or '.join(goals)}")
    return {key: value for key, value in (("rule", summary), ("direction", goal)) if value is not None}


def _declared(journal: StoredJournal) -> dict[str, Any]:
    """What gittrack.yaml says, at the start or where the program joined the run."""
    declared = [event[1] for event in journal.events() if event[0] == Kind.DECLARED]
    latest: dict[str, Any] = declared[-1] if declared else journal.start["metrics"]
    return latest
