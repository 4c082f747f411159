"""What a run may still log: its record has to follow the schema and stay below the codec's limits.

Asked when something is logged, so that nothing that was accepted can make the record
fail at the end, when it is too late to say it better.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gittrack.errors import RecordError, UsageError
from gittrack.formats import codec
from gittrack.formats.finals import AXIS
from gittrack.formats.flat import flatten
from gittrack.formats.media import POINTER
from gittrack.formats.record import SCHEMA
from gittrack.formats.series import FULL_SERIES, column_of, full_series, names_of
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.texts import FULL_TEXTS
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal

LIMIT = 450_000
"""Bytes of YAML for each process that writes to a run: with `gittrack run` these are two, and both
together leave room in the codec's 1 MiB for what is only known at the end."""

LOSSES = 25_000
"""Bytes beyond that for what is not recorded: a full record says so, too."""

MOST = 4_999
"""Names in each section, likewise of each process: the schema has 10,000, of which two are columns for
step and time."""

MOST_TEXTS = 32 << 20
"""Characters of all texts at steps of a process: its journal, and the file that they come to, have an end."""

_BYTES_PER_VALUE = 5
"""The codec allows 200,000 values; as they count here, both processes stay below that."""

_BLANK: dict[str, Any] = {
    "schema": SCHEMA,
    "id": "20261122-142233-7f3a2c",
    "experiment": "x",
    "status": "finished",
    "started": "2026-11-22T14:22:33.000000Z",
    "duration_s": 0.0,
    "author": {"name": "", "email": ""},
    "params": {},
    "metrics": {},
    "code": {"commit": "0" * 40, "tree": "0" * 40, "dirty": False, "command": [], "cwd": "."},
    "data": [],
    "locks": [],
    "environment": {"sha256": "0" * 64, "python": "", "os": ""},
    "determinism": {},
    "outputs": [],
    "spec": "0" * 64,
    "tool": {"name": "gittrack", "version": "0"},
}
# Names that are .git or a file of git's own to some file system; git refuses folders of that name.
_GITS_OWN = re.compile(
    r"\.git(?:[ .:]|$)|\.git(?:modules|attributes|ignore)$|(?:git|gitmod|gitatt|gitign|gi7eba)~[0-9]", re.I
)
_SECTIONS = {
    Kind.TAGS: "tags",
    Kind.SEEDS: "seeds",
    Kind.SUMMARY: "metrics",
    Kind.INPUT: "data",
    Kind.OUTPUT: "outputs",
}
_LONGEST_METRIC = {
    "value": -1.2345678901234567e-300,
    "step": -(2**63),
    "direction": "maximize",
    "rule": "greatest-step",
}


class Allowance:
    """What one process has logged to a run, by size."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str], int] = {}
        self._total = 0
        self._texts = 0
        self._names: Counter[str] = Counter()
        self._declared: Mapping[str, Any] = {}
        self._pointers = dict.fromkeys((FULL_SERIES, FULL_TEXTS, full_series(SYSTEM), POINTER), "")
        self._sources: dict[str, str | None] = {}

    def declare(self, metrics: Mapping[str, Any]) -> None:
        """What gittrack.yaml says of metrics is repeated beside their values."""
        self._declared = metrics

    def recall(self, journal: StoredJournal, *, only_again: bool = False) -> None:
        """What the journal holds already, of a run that goes on; with `only_again` nothing of another run."""
        start = journal.start
        self.declare(start["metrics"])
        if only_again and not journal.is_again:
            return
        metrics: dict[str, None] = {}
        with suppress(UsageError):  # as full as it can be: what comes now is refused
            self.admit_start(start["record"])
            for kind, *content in journal.events():
                if kind == Kind.METRICS:
                    metrics.update((name, None) for _, _, values in content[0] for name in values)
                else:
                    self.admit(Kind(kind), content)
            self.admit_metrics(list(metrics))

    def admit_start(self, facts: Mapping[str, Any]) -> None:
        """The record as far as it is known at the start. UsageError names what will not do."""
        known = {name: value for name, value in facts.items() if value is not None}
        if "environment" in known:
            known["environment"] = {**known["environment"], "sha256": "0" * 64}
        _check({**_BLANK, **known})
        self._charge({("", name): {name: value} for name, value in known.items()})

    def admit(self, kind: Kind, content: Sequence[Any]) -> None:
        """One event of the journal. UsageError when its content does not fit into the record."""
        if kind == Kind.FACTS:
            self.admit_start(content[0])
        elif kind == Kind.DECLARED:
            self.declare(content[0])
        elif kind == Kind.NOT_RECORDED:
            what, why, *count = content
            counted = {"count": count[0]} if count else {}
            loss = {"not_recorded": [{"what": what, "why": why, **counted}]}
            _check({**_BLANK, **loss})
            self._charge({("not_recorded", f"{what}\0{why}"): loss})
        elif kind == Kind.TEXT:
            self._admit_texts(content[2])
        elif kind == Kind.DATASET:
            dataset = content[0]
            _check({**_BLANK, "datasets": [dataset]})
            key = json.dumps([dataset.get(part) for part in ("name", "digest", "context")])
            self._charge({("datasets", key): {"datasets": [dataset]}})
        elif kind == Kind.DEFINED:
            axes = {name: facts[AXIS] for name, facts in content[0].items() if AXIS in facts}
            self._charge({("axes", name): {"series": {"a": {name: axis}}} for name, axis in axes.items()})
        elif kind in (Kind.INPUT, Kind.OUTPUT):
            section, item = _SECTIONS[kind], content[0]
            _check({**_BLANK, section: [item]})
            pointer = item.get("pointer")
            self._check_pointer(pointer, item["path"])
            self._charge({(section, f"{item['path']}\0{item.get('role')}"): {section: [item]}})
            if pointer:
                self._pointers[pointer] = item["path"]
        elif kind == Kind.ATTEMPT:
            facts = content[0]["facts"]
            self._charge({("attempts", content[0]["started"]): {"attempts": [facts]}})
        elif kind == Kind.PARAMS:
            params, source, masked = (*content, None, None)[:3]
            _check({**_BLANK, "params": params})
            self._charge(self._of_params(params, source, masked or {}))
        elif kind in _SECTIONS:
            section, values = _SECTIONS[kind], content[0]
            if kind == Kind.SUMMARY:
                values = {
                    k: {"status" if isinstance(v, str) else "value": v, "rule": "given"}
                    for k, v in values.items()
                }
            _check({**_BLANK, section: values})
            self._charge({(section, name): {section: {name: value}} for name, value in values.items()})

    def _of_params(
        self, params: Mapping[str, Any], source: str | None, masked: Mapping[str, str]
    ) -> dict[tuple[str, str], Any]:
        """Parameters with their sources and digests; what two sources say may be recorded of both."""
        parts: dict[tuple[str, str], Any] = {}
        for name, value in params.items():
            part: dict[str, Any] = {"params": {name: value}, "param_sources": {name: source or ""}}
            key = ("params", name)
            if self._sources.setdefault(name, source) != source:
                part["param_sources"] = dict.fromkeys(flatten({name: value}), source or "")
                key = ("param_conflicts", f"{name}\0{source}")
            parts[key] = part
        if masked:
            parts["masked", f"{source}"] = {"masked": dict(masked)}
        return parts

    def _admit_texts(self, texts: Mapping[str, str]) -> None:
        size = self._texts + sum(len(name) + len(text) for name, text in texts.items())
        if size > MOST_TEXTS:
            raise UsageError(
                f"the run's texts are full ({MOST_TEXTS:,} characters): keep more with log_text()"
            )
        self._texts = size

    def admit_metrics(self, names: Sequence[str]) -> None:
        """Metrics that are logged for the first time: their final values and columns, all of them or none."""
        parts: dict[tuple[str, str], Any] = {}
        for name in names:
            longest = {**_LONGEST_METRIC, **self._declared.get(name, {})}
            parts[("metrics", name)] = {"metrics": {name: longest}}
            parts[("columns", name)] = {"series": {"c": [column_of(name)]}}
            if odd := names_of([name]):
                parts[("names", name)] = {"series": {"n": odd}}
        self._charge(parts)

    def _check_pointer(self, pointer: str | None, path: str) -> None:
        """Two pointers of one name, or one where the folder of another is, cannot lie on the ledger."""
        if pointer and any(_GITS_OWN.match(folder) for folder in pointer.split("/")[:-1]):
            raise UsageError(f"{path!r}: git does not take a folder of that name: rename it")
        for taken, by in self._pointers.items():
            same = taken == pointer and by != path
            if pointer and (same or taken.startswith(pointer + "/") or pointer.startswith(taken + "/")):
                raise UsageError(f"{path!r} would be kept as {pointer}, where {by or taken!r} is: rename it")

    def _charge(self, parts: Mapping[tuple[str, str], Any]) -> None:
        sizes: dict[tuple[str, str], int] = {}
        total, names = self._total, self._names.copy()
        for key, part in parts.items():
            sizes[key] = _size(part)
            total += sizes[key] - self._sizes.get(key, 0)
            names[key[0]] += key not in self._sizes
            most = LIMIT + LOSSES if key[0] == "not_recorded" else LIMIT
            if total > most or names[key[0]] > MOST:
                raise UsageError(
                    f"the run's record is full ({MOST} names a section, {LIMIT} bytes): no room for {key[0]} "
                    f"{key[1][:60]!r}; keep many or large values with log_dict() or log_artifact()"
                )
        self._sizes |= sizes
        self._total, self._names = total, names


def _check(record: dict[str, Any]) -> None:
    try:
        codec.validate(record, "run", "run")
    except RecordError as error:
        raise UsageError(f"cannot be recorded: {str(error).removeprefix('run: ')}") from error


def _size(part: Any) -> int:
    return max(len(codec.write_yaml(part)), _BYTES_PER_VALUE * _count(part))


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_count(item) for item in value.values())
    return 1 + sum(_count(item) for item in value) if isinstance(value, list) else 1
