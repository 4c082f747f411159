"""A commit that is recorded already, taken up again: more of it may be read than when it was recorded.

A record never changes. What was read anew goes to a record of its own, which supersedes the one before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gittrack.errors import UsageError
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Record, run_path
from gittrack.git.repository import ObjectReader
from gittrack.recording.finish import Frozen

ID_DIGITS = 10
"""At the end of the id of a record that supersedes another; one of a commit itself has 12."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The newest record of a commit, and the environment.yaml beside it."""

    record: Record
    environment: bytes | None


def newest_of(objects: ObjectReader, base: str, run_id: str) -> Predecessor | None:
    """What `run_id` is on the ledger at `base`, or what superseded it last; None where it is not there."""
    records = {record.id: record for record in _of_second(objects, base, run_id)}
    successors = {r.supersedes: r for r in records.values() if r.supersedes and _continues(r, records)}
    record = records.get(run_id)
    if record is None:
        return None
    while record.id in successors:
        record = successors.pop(record.id)
    environment = objects.get(f"{base}:{record.path}/environment.yaml")
    return Predecessor(record, environment.data if environment is not None else None)


def _continues(record: Record, records: dict[str, Record]) -> bool:
    before = records.get(record.supersedes or "")
    return before is not None and record.succeeds(before)


def _of_second(objects: ObjectReader, base: str, run_id: str) -> Iterator[Record]:
    from gittrack.formats.codec import load_record

    second = run_id.rpartition("-")[0]
    for experiment in objects.tree(f"{base}:runs") or {}:
        day = run_path(experiment, run_id).rpartition("/")[0]
        for name in objects.tree(f"{base}:{day}") or {}:
            path = f"{day}/{name}/run.yaml"
            blob = objects.get(f"{base}:{path}") if name.startswith(f"{second}-") else None
            if blob is not None:
                yield load_record(blob.data, path)


def superseding(before: Predecessor, frozen: Frozen) -> Frozen | None:
    """`frozen`, read just now, as the successor of the record `before`; None where it says nothing new.

    What only the earlier recording could know, such as the environment, it takes from there. UsageError
    where something that was read then cannot be read any more.
    """
    from gittrack.formats import codec

    old = before.record
    record = replace(
        frozen.record,
        id=old.id,
        supersedes=old.supersedes,
        environment=old.environment,
        tags={**frozen.record.tags, **{k: v for k, v in old.tags.items() if k == "gittrack.environment"}},
        code=replace(frozen.record.code, branch=old.code.branch, detached=old.code.detached),
        tool=old.tool,
    )
    if record == old:
        return None
    gone = _gone(old, record)
    if gone:
        raise UsageError(f"{gone} was read when it was recorded, and cannot be read now: run dvc fetch first")
    content = repr(to_dict(record)).encode()
    end = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
    run_id = f"{old.id.rpartition('-')[0]}-{end}"
    record = replace(record, id=run_id, supersedes=old.id, tool=frozen.record.tool)
    files = dict(frozen.files)
    if before.environment is not None:
        files["environment.yaml"] = before.environment
    return Frozen(record, {**files, "run.yaml": codec.dump_record(record)})


def _gone(old: Record, new: Record) -> str:
    """Something that the old record has and the new one lacks; empty where there is nothing."""
    digests = {output.path for output in new.outputs if output.sha256}
    lost = [f"output {o.path}" for o in old.outputs if o.sha256 and o.path not in digests]
    lost += [f"metric {name}" for name in old.metrics if name not in new.metrics]
    lost += [f"parameter {name}" for name in old.params if name not in new.params]
    lost += [f"data {d.path}" for d in old.data if d.path not in {entry.path for entry in new.data}]
    if old.series is not None and (new.series is None or new.series.rows < old.series.rows):
        lost.append("the series")
    return lost[0] if lost else ""
