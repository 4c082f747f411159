"""From a journal to a committed record: the same path for a run that ends and for one that is recovered."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError, RepositoryError
from gittrack.formats.finals import AXIS, described, exact, extreme_of, finals_in, meaning_of
from gittrack.formats.masks import PARAMS
from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import (
    Console,
    DataInput,
    Failure,
    Metric,
    NotRecorded,
    Output,
    Record,
    Series,
    parse_time,
)
from gittrack.formats.series import HEADING, Point, Step, Table, full_series, sample_table, write_table
from gittrack.formats.sources import choose_seed, resolve
from gittrack.formats.spec import spec_of
from gittrack.formats.texts import FILE as TEXTS
from gittrack.formats.texts import StoreFile, Text, write_texts
from gittrack.git.repository import Repository
from gittrack.git.shared import settle_rights
from gittrack.ledger import Addition, Ledger
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.attempts import all_layers, attempts_of, ending_with, param_changes
from gittrack.recording.capture.code import LIVE
from gittrack.recording.gathered import Gathered
from gittrack.recording.live import trouble
from gittrack.recording.media.keeping import keep_media
from gittrack.recording.overlap import leave_word, overlaps
from gittrack.recording.own import note_own
from gittrack.recording.system.totals import write_system
from gittrack.text.text import one_line
from gittrack.version import VERSION

log = logging.getLogger("gittrack")

SERIES_IN_GIT = 1 << 20
"""Bytes above which the complete series goes to DVC and a sample to git."""
SAMPLE_ROWS = 1000
"""Of each table of a series."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """An ended run as it goes to the ledger."""

    record: Record
    files: Mapping[str, bytes]

    def addition(self) -> Addition:
        record = self.record
        metrics = [f"{k}={m.status or format(m.value, '.6g')}" for k, m in sorted(record.metrics.items())[:4]]
        subject = " ".join([f"run {record.experiment} {record.id}: {record.status}", *metrics])
        commits = tuple(c for c in (record.code.snapshot, record.code.commit) if c)
        later = [a.code.snapshot or a.code.commit for a in record.attempts if a.code]
        live = (LIVE + record.id, *(f"{LIVE}{record.id}.{at}" for at in range(2, len(record.attempts) + 1)))
        trailers = [f"Gittrack-Run: {record.id}", *(f"Gittrack-Code: {c}" for c in commits[:1])]
        message = "\n".join([one_line(subject)[:200], "", *trailers])
        code = (*commits[:1], *(commit for commit in later if commit))
        return Addition(record.path, self.files, message, code, live)


def freeze(journal: StoredJournal, store: StoreFile) -> Frozen:
    """The record of `journal` and every file beside it. Without an end, it is that of a killed run."""
    gathered = Gathered(journal)
    first = gathered.counted_from
    table = write_table(_points(journal, first), journal.folder / "metrics.csv")
    environment = journal.environment
    files: dict[str, bytes] = {"environment.yaml": environment}
    items: list[tuple[DataInput | Output, str | None]] = [
        *gathered.inputs.values(),
        *gathered.outputs.values(),
    ]
    for item, pointer in items:
        if pointer is not None and item.pointer is not None:
            files[item.pointer] = pointer.encode()
    ending = ending_with(gathered.end, gathered.preempted)
    elapsed = gathered.elapsed if gathered.end else _until_last_sign(journal, gathered.facts["started"])
    system = write_system(journal.folder, elapsed)
    top = Path(journal.start["top"])
    facts = gathered.facts
    summary = {**facts["environment"], "sha256": hashlib.sha256(environment).hexdigest()}
    if gathered.past or gathered.end is None:  # it may have died between the file and what is said of it
        summary = summary_of(environment)
    stated = from_dict(Record, {**_UNKNOWN, **facts, "environment": summary, "status": ending.status})
    data = tuple(d for d, _ in gathered.inputs.values())
    spoken = [*(one.layers for one in gathered.past), gathered.layers]
    said = resolve(all_layers(spoken))
    for what, before, after in param_changes(spoken):
        gathered.change(what, before, after)
    masked = {**facts.get("masked", {}), **{f"{PARAMS}{name}": made for name, made in said.masked.items()}}
    seed, seed_source, conflicts = choose_seed(
        stated.seed, stated.seed_source, said, facts.get("param_conflicts", {})
    )
    media, shown, thinned = keep_media(journal, files, store) if gathered.has_media else (None, None, [])
    record = replace(
        stated,
        failure=from_dict(Failure, ending.failure) if ending.failure else None,
        ended_by=ending.ended_by,
        duration_s=round(elapsed, 3),
        tags=gathered.tags,
        params=said.params,
        param_sources=said.sources,
        param_conflicts=conflicts,
        masked=masked,
        seed=seed,
        seed_source=seed_source,
        seeds=gathered.seeds,
        metrics=final_metrics(table, gathered.summary, gathered.declared, gathered.defined),
        data=data,
        determinism=gathered.determinism,
        outputs=(*(o for o, _ in gathered.outputs.values()), *([shown] if shown else [])),
        datasets=tuple(gathered.datasets.values()),
        series=keep_series(table, files, store, axes_of(table, gathered.defined)) if table.rows else None,
        texts=write_texts(_texts(journal, first), journal.folder / TEXTS, files, store)
        if gathered.has_texts
        else None,
        system_use=system[1] if system else None,
        system_series=keep_series(system[0], files, store) if system else None,
        media=media,
        console=_console(journal, files),
        not_recorded=stated_losses([*gathered.losses.values(), *thinned]),
        changed=tuple(gathered.changed.values()),
        overlaps=overlaps(journal, top),
        attempts=attempts_of(gathered.past, facts["started"], ending, elapsed),
    )
    record = replace(record, spec=spec_of(record))
    from gittrack.formats import codec

    return Frozen(record, {"run.yaml": codec.dump_record(record), **files})


def summary_of(environment: bytes) -> dict[str, Any]:
    """What environment.yaml says, as the record has it."""
    from gittrack.formats.codec import read_yaml
    from gittrack.formats.environment import summarise

    sections: Any = read_yaml(environment, "environment.yaml")
    return to_dict(summarise(sections, hashlib.sha256(environment).hexdigest()))


_UNKNOWN = {"spec": "", "tool": {"version": VERSION}}


def _points(journal: StoredJournal, first: int | None) -> Callable[[], Iterator[Point]]:
    """`first`: the step of points without one, where steps were counted."""

    def read() -> Iterator[Point]:
        for event in journal.events():
            if event[0] == Kind.METRICS and first is None:
                yield from event[1]
            elif event[0] == Kind.METRICS:
                for elapsed, step, values in event[1]:
                    yield elapsed, first if step is None else step, values

    return read


def _texts(journal: StoredJournal, first: int | None) -> Iterator[Text]:
    for event in journal.events():
        if event[0] == Kind.TEXT:
            elapsed, step, texts = event[1:]
            for name, text in texts.items():
                yield Text(name, text, first if step is None else step, round(elapsed, 3))


def axes_of(table: Table, defined: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By metric of the series, the one of them that the program said to draw it over."""
    axes = {name: described(name, defined).get(AXIS) for name in table.last}
    return {name: axis for name, axis in axes.items() if axis in table.last and axis != name}


def _until_last_sign(journal: StoredJournal, started: str) -> float:
    return max(0.0, journal.last_sign() - parse_time(started).timestamp())


def final_metrics(
    table: Table,
    summary: Mapping[str, Any],
    declared: Mapping[str, Mapping[str, Any]],
    defined: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Metric]:
    """Final values: what the summary says, else of each series the value that its rule names.

    `declared` is by gittrack.yaml, `defined` by the program, which goes before.
    """
    facts = {
        name: {"rule": "last", **meaning_of(name, declared, defined or {})}
        for name in {**table.last, **summary}
    }
    for name, stated in facts.items():
        if extreme_of(stated["rule"], stated.get("direction")) is None:
            log.warning(
                "the final value of %s is its last: the best needs a direction in gittrack.yaml", name
            )
            stated["rule"] = "last"
    final = {
        **table.last,
        **_by_rule(table, facts),
        **{name: (value, None) for name, value in summary.items()},
    }
    metrics = {}
    for name, (value, step) in final.items():
        final_value = {"status": value} if isinstance(value, str) else {"value": value}
        given = {"rule": "given"} if name in summary else {}
        metrics[name] = from_dict(Metric, {**final_value, "step": step, **facts[name], **given})
    return metrics


def _by_rule(table: Table, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Step | None]]:
    """Value and step of the metrics of which not the last value is the final one."""
    ruled = {name: extreme_of(facts[name]["rule"], facts[name].get("direction")) for name in table.last}
    rules = {name: rule for name, rule in ruled.items() if rule is not None and rule != "last"}
    if not rules:
        return {}
    with table.path.open(encoding="utf-8", newline="\n") as lines:
        finals = finals_in(lines, rules, table.names)
    return {
        name: (cell if cell in ("nan", "inf", "-inf") else exact(cell), exact(step) if step else None)
        for name, (cell, step) in finals.items()
    }


MOST_LOSSES = 1000


def stated_losses(losses: Sequence[NotRecorded]) -> tuple[NotRecorded, ...]:
    """The losses as a record lists them: of more than 1,000, the last entry says how many more there are."""
    if len(losses) <= MOST_LOSSES:
        return tuple(losses)
    more = len(losses) - MOST_LOSSES + 1
    return (*losses[: MOST_LOSSES - 1], NotRecorded(what=f"{more:,} more", why="the list has room for 1,000"))


def keep_series(
    table: Table, files: dict[str, bytes], store: StoreFile, axes: Mapping[str, str] | None = None
) -> Series:
    """What the record says of the series, which joins `files` under the name of its file.

    Where it is large it goes to DVC, and a sample of it joins `files`.
    """
    series = Series(
        rows=table.rows,
        columns=table.columns,
        sha256=table.sha256,
        values_sha256=table.values_sha256,
        names=table.names,
        axes=axes or {},
    )
    name = table.path.name
    if table.size <= SERIES_IN_GIT:
        files[name] = table.path.read_bytes()
        return series
    md5, pointer = store(table.path)
    sample = sample_table(table, SAMPLE_ROWS, SERIES_IN_GIT)
    files[name] = sample
    files[full_series(name)] = pointer
    return replace(
        series,
        pointer=full_series(name),
        md5=md5,
        size=table.size,
        sampled_rows=sum(not line.startswith(HEADING) for line in sample.decode().splitlines()),
        sampled_sha256=hashlib.sha256(sample).hexdigest(),
    )


def _console(journal: StoredJournal, files: dict[str, bytes]) -> Console | None:
    tail = journal.console
    if tail is None or not tail[0]:
        return None
    files["console.txt"] = tail[0]
    return Console(sha256=hashlib.sha256(tail[0]).hexdigest(), size=len(tail[0]), truncated=tail[1])


# --- committing ----------------------------------------------------------------------------


def commit(repo: Repository, journal: StoredJournal) -> Record:
    """Put the run of `journal` on the ledger and take the journal away.

    Raises GittrackError when that cannot be done; then the journal is still there.
    """
    start = journal.start
    try:
        leave_word(journal)
        frozen = freeze(journal, file_store(repo, repo.top / start["record"]["code"]["cwd"]))
        ledger = Ledger(repo, start["ledger"], start.get("onto"))
        ledger.append([frozen.addition()], dvc_config=start["dvc_config"].encode())
    except BaseException:
        journal.give_up()
        raise
    job = start.get("job") or {}
    run_yaml = frozen.files["run.yaml"]
    note_own(
        repo.state_dir,
        frozen.record.id,
        run_yaml,
        frozen.record.experiment,
        start.get("key", ""),
        job.get("id", ""),
    )
    unseen = trouble(journal.folder)
    journal.remove()
    settle_rights(repo)
    for note in start.get("notes", ()):
        log.warning("%s", note)
    if unseen is not None:
        log.warning("others could not see run %s while it went on: %s", journal.run_id, unseen)
    return frozen.record


def preview(repo: Repository, journal: StoredJournal) -> Record | None:
    """The record as it stands, for the program within `gittrack run`; None where it could not be made.

    What is wrong then is said when `gittrack run` commits it: the training is not to fail of it.
    """
    try:
        return freeze(journal, file_store(repo)).record
    except GittrackError:
        return None


def file_store(repo: Repository, start: Path | None = None) -> StoreFile:
    def keep(path: Path) -> tuple[str, bytes]:
        from gittrack.dvc.cache import store
        from gittrack.dvc.files import write_pointer
        from gittrack.dvc.hashing import hash_path
        from gittrack.dvc.settings import cache_of

        digest = hash_path(path)
        cache, types = cache_of(repo, start)
        store(path, digest, cache, types)
        return digest.md5, write_pointer(path.name, digest)

    return keep


def kept(error: Exception, run_id: str) -> GittrackError:
    """The error of a run that could not be committed, with what to do about it."""
    message = str(error) if isinstance(error, GittrackError) else f"{type(error).__name__}: {error}"
    kind = type(error) if isinstance(error, GittrackError) else RepositoryError
    return kind(f"{message}. The journal of run {run_id} is kept: mend that, then run gittrack recover")
