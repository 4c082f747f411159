"""Check 3. The record is well formed, lies where it says, and agrees with the files beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator

from gittrack.errors import RecordError
from gittrack.formats import codec
from gittrack.formats.media import FILE as MEDIA
from gittrack.formats.record import SCHEMA, SERIES, Record, Series
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.texts import FILE as TEXTS
from gittrack.formats.texts import Texts, read_texts
from gittrack.verify.context import MODES, Context, RunFiles
from gittrack.verify.environment import FILE as ENVIRONMENT
from gittrack.verify.environment import environment_of
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.media import check_media
from gittrack.verify.series import check_series, check_system
from gittrack.verify.trees import is_partial

RECORD = "run.yaml"
CONSOLE = "console.txt"
AT_ONCE = (RECORD, SERIES, SYSTEM, CONSOLE)
"""What is read of every run."""

_VERSION = re.compile(rb"schema: gittrack/run/([0-9]{1,6})\n")


def check_ids(context: Context) -> Iterator[Finding]:
    """No run has the id of another one."""
    folders: dict[str, list[str]] = {}
    for folder, run in context.all_runs.items():
        folders.setdefault(run.run_id.lower(), []).append(folder)
    for alike in folders.values():
        for folder in alike if len(alike) > 1 else ():
            if folder in context.runs:
                others = ", ".join([other for other in alike if other != folder][:3])
                says = "another run of the ledger has the same id"
                run = context.runs[folder]
                yield run.finding("record-duplicate", says, "", expected="one run", found=others)


def check_record(context: Context, run: RunFiles) -> Iterator[Finding]:
    """Notes in `context.records` every record that can be read."""
    for name, blob in run.blobs.items():
        if blob.mode != "100644":
            kind = MODES.get(blob.mode, "unknown")
            says = f"{name} is no plain file ({kind})"
            yield run.finding("record-mode", says, name, expected="100644", found=blob.mode)
    if RECORD not in run.blobs:
        yield run.finding("record-missing", "the folder of a run has no run.yaml", RECORD)
        return
    data = _bytes(context, run, RECORD)
    if data is None:
        yield _absent(context, run, RECORD)
        return
    try:
        record, canonical = codec.judge_record(data, RECORD)
    except RecordError as error:
        yield _unreadable(data, run, str(error))
        return
    context.records.note(run.folder, record)
    if not canonical:
        says = "the record is not in the form that gittrack writes"
        yield run.finding("record-canonical", says, RECORD)
    if record.path != run.folder:
        says = "the record lies in another folder than its experiment and id say"
        yield run.finding("record-path", says, RECORD, expected=record.path, found=run.folder)
    yield from _files(run, record)
    yield from _environment(context, run, record)
    if record.series is None:
        for code, says, expected, actual in check_series(record, None):
            yield run.finding(code, says, RECORD, expected=expected, found=actual)
    for name, series in record.tables.items():
        yield from _series(context, run, record, name, series)
    console, texts = record.console, record.texts
    if console is not None:
        yield from _beside(context, run, CONSOLE, console.sha256, console.size)
    if texts is not None:
        yield from _beside(context, run, TEXTS, texts.sha256, texts.size)
        yield from _texts(context, run, texts)
    if record.media is not None:
        yield from _beside(context, run, MEDIA, record.media.sha256, record.media.size)
        yield from _media(context, run, record)


def _unreadable(data: bytes, run: RunFiles, fault: str) -> Finding:
    version = _VERSION.match(data)
    if version and int(version[1]) > int(SCHEMA.rpartition("/")[2]):
        says = "the record is of a newer format: upgrade gittrack to check it"
        return run.finding("record-too-new", says, RECORD, "incomplete", expected=SCHEMA)
    return run.finding("record-unreadable", fault, RECORD)


def _files(run: RunFiles, record: Record) -> Iterator[Finding]:
    """What lies beside the record is what it names, no more and no less."""
    pointers = [*(item.pointer for item in record.data), *(item.pointer for item in record.outputs)]
    named = {RECORD, *(pointer for pointer in pointers if pointer)}
    named |= {ENVIRONMENT} if record.environment else set()
    named |= {TEXTS, record.texts.pointer or TEXTS} if record.texts else set()
    for name, series in record.tables.items():
        named |= {name, series.pointer or name}
    named |= {MEDIA} if record.media else set()
    named |= {CONSOLE} if record.console else set()
    for name in sorted(named - run.blobs.keys()):
        yield run.finding("record-file-missing", "the record names a file that is not there", name)
    for name in sorted(run.blobs.keys() - named):
        says = "a file lies beside the record that the record does not name"
        yield run.finding("record-file-unexpected", says, name)


def _environment(context: Context, run: RunFiles, record: Record) -> Iterator[Finding]:
    environment = environment_of(context, run)
    if record.environment is None:
        return  # a file that lies there is one that the record does not name
    if environment is None:
        if ENVIRONMENT in run.blobs:
            yield _absent(context, run, ENVIRONMENT)
    elif environment.sha256 != record.environment.sha256:
        yield _digest(run, ENVIRONMENT, record.environment.sha256, environment.sha256)
    elif environment.summary is None:
        yield run.finding("record-environment", environment.fault or "cannot be read", ENVIRONMENT)
    elif environment.summary != record.environment:
        says = "the record sums up environment.yaml as it is not"
        summaries = [_summary(summary) for summary in (record.environment, environment.summary)]
        yield run.finding("record-environment", says, RECORD, expected=summaries[0], found=summaries[1])


def _summary(summary: object) -> str:
    return str(summary)[:500]


def _series(context: Context, run: RunFiles, record: Record, name: str, series: Series) -> Iterator[Finding]:
    data = yield from _named(context, run, name)
    if data is None:
        return
    stated = series.sampled_sha256 if series.pointer else series.sha256
    digest = hashlib.sha256(data).hexdigest()
    if digest != stated:
        yield _digest(run, name, stated or "none", digest)
    faults = check_series(record, data) if name == SERIES else check_system(record, data)
    for code, says, expected, actual in faults:
        yield run.finding(code, says, name, expected=expected, found=actual)


def _beside(context: Context, run: RunFiles, name: str, sha256: str, size: int) -> Iterator[Finding]:
    """A file of which the record has digest and size."""
    data = yield from _named(context, run, name)
    if data is None:
        return
    digest = hashlib.sha256(data).hexdigest()
    if (digest, len(data)) != (sha256, size):
        yield _digest(run, name, f"{sha256}, {size} bytes", f"{digest}, {len(data)} bytes")


def _texts(context: Context, run: RunFiles, texts: Texts) -> Iterator[Finding]:
    data = _bytes(context, run, TEXTS)
    if data is None:
        return
    stated = texts.rows if texts.pointer is None else texts.sampled_rows
    try:
        count = len(read_texts(data, TEXTS))
    except RecordError as error:
        yield run.finding("record-texts", str(error), TEXTS)
        return
    if count != stated:
        says = "texts.jsonl has more or fewer texts than the record says"
        yield run.finding("record-texts", says, TEXTS, expected=str(stated), found=str(count))


def _media(context: Context, run: RunFiles, record: Record) -> Iterator[Finding]:
    data = _bytes(context, run, MEDIA)
    if data is not None:
        for says, expected, found in check_media(record, data):
            yield run.finding("record-media", says, MEDIA, expected=expected, found=found)


# --- findings ------------------------------------------------------------------------------


def _bytes(context: Context, run: RunFiles, name: str) -> bytes | None:
    blob = context.read(run, name)
    return blob.data if blob is not None and blob.kind == "blob" else None


def _named(context: Context, run: RunFiles, name: str) -> Generator[Finding, None, bytes | None]:
    """The bytes of a file that the record names; what is on the ledger and not in this clone is a finding."""
    data = _bytes(context, run, name)
    if data is None and name in run.blobs:
        yield _absent(context, run, name)
    return data


def _absent(context: Context, run: RunFiles, name: str) -> Finding:
    severity: Severity = "incomplete" if is_partial(context) else "fail"
    says = f"{name} is on the ledger, but its content is not in this clone; run git fetch"
    return run.finding("record-absent", says, name, severity)


def _digest(run: RunFiles, name: str, expected: str, found: str) -> Finding:
    says = f"{name} is not the file that the record was made with"
    return run.finding("record-digest", says, name, expected=expected, found=found)
