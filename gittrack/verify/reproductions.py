"""Check 10. Every statement about reproduction follows from the records that it names.

The verdict is worked out again from the ledger: records, environment.yaml and metrics.csv of the run
and its reruns, and the gittrack.yaml that was in force. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gittrack.errors import ConfigError, RecordError
from gittrack.formats.config import ExperimentConfig, parse
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Record, run_path
from gittrack.formats.reproduction import FILE, ROOT, Reproduction, Verdict, dump, load
from gittrack.stats.result import Result, read_result
from gittrack.stats.verdict import judge
from gittrack.verify.close import close
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding, Severity, finding
from gittrack.version import VERSION


def check_reproductions(context: Context) -> Iterator[Finding]:
    """Those of the selected runs; in a range, those that it adds."""
    ids = {run.run_id for run in context.runs.values()}
    selected = len(context.runs) < len(context.all_runs) and context.new is None
    for path, blob in context.listing.others.items():
        if not path.startswith(f"{ROOT}/") or (context.new is not None and path not in context.new):
            continue
        if selected and not ids & set(path.split("/")):
            continue
        item = context.objects.get(blob.oid)
        if item is None:
            yield _finding(
                "reproduction-unchecked",
                "its content is not in this clone; run git fetch",
                path,
                None,
                "incomplete",
            )
            continue
        try:
            statement = load(item.data, path)
        except RecordError as error:
            yield _finding("reproduction-unreadable", str(error), path, None)
            continue
        if path != f"{statement.path}/{FILE}":
            says = "it lies in another folder than its run and id say"
            yield _finding("reproduction-path", says, path, statement, expected=f"{statement.path}/{FILE}")
        if dump(statement) != item.data:
            yield _finding(
                "reproduction-canonical", "it is not in the form that gittrack writes", path, statement
            )
        yield from _verdict(context, path, statement)


def _verdict(context: Context, path: str, statement: Reproduction) -> Iterator[Finding]:
    original = _result(context, statement.experiment, statement.run)
    ids = [rerun.run for rerun in statement.verdict.reruns]
    reruns = [_result(context, statement.experiment, run_id) for run_id in ids]
    missing = [run_id for run_id, found in zip(ids, reruns, strict=True) if found is None]
    if original is None or missing:
        says = "it names a run that is not on the ledger, or cannot be read"
        yield _finding(
            "reproduction-run", says, path, statement, found=", ".join(missing[:5]) or statement.run
        )
        return
    present = [rerun for rerun in reruns if rerun is not None]
    for rerun in present:
        if rerun.record.reproduces != statement.run:
            says = "a rerun that it names is no rerun of its run"
            yield _finding(
                "reproduction-run", says, path, statement, expected=statement.run, found=rerun.record.id
            )
            return
    if statement.protocol != original.record.protocol:
        says = "it was judged by another gittrack.yaml than that of the run"
        yield _finding(
            "reproduction-protocol", says, path, statement, expected=original.record.protocol or "none"
        )
        return
    protocol = _protocol(context, original.record)
    if protocol is None:
        says = "not judged again: gittrack.yaml of the run's code is not in this clone; run gittrack pull"
        yield _finding("reproduction-unchecked", says, path, statement, severity="incomplete")
        return
    yield from _same(path, statement, original, present, protocol)


def _same(
    path: str, statement: Reproduction, original: Result, reruns: list[Result], protocol: ExperimentConfig
) -> Iterator[Finding]:
    if statement.claim != protocol.reproducibility.level:
        says = "gittrack.yaml of the run claims another level"
        yield _finding(
            "reproduction-protocol", says, path, statement, expected=protocol.reproducibility.level
        )
    again = judge(original, reruns, protocol)
    stated, worked_out = (_figures(verdict, statement.tool.version) for verdict in (statement.verdict, again))
    for name in sorted({*stated, *worked_out}):
        if not close(stated.get(name), worked_out.get(name)):
            says = f"the records say something else about the verdict's {name}"
            expected, actual = str(worked_out.get(name)), str(stated.get(name))
            yield _finding("reproduction-verdict", says, path, statement, expected=expected, found=actual)


def _figures(verdict: Verdict, version: str) -> dict[str, Any]:
    """What has to be the same again; the words only from the gittrack that chose them."""
    plain = to_dict(verdict)
    if version != VERSION:
        words = ("why", "factors", "differs")
        plain = {key: item for key, item in plain.items() if key not in words}
        plain["reruns"] = [{k: v for k, v in rerun.items() if k not in words} for rerun in plain["reruns"]]
    return plain


def _result(context: Context, experiment: str, run_id: str) -> Result | None:
    """The run as the ledger has it; None where it is not there, or its record or environment is damaged."""
    folder = run_path(experiment, run_id)
    run = context.all_runs.get(folder)
    if run is None:
        return None
    record = context.record_at(folder)
    if record is None:
        return None
    try:
        return read_result(record, lambda name: _bytes(context, run, name))
    except RecordError:
        return None  # the check of that record says what is wrong with it


def _bytes(context: Context, run: RunFiles, name: str) -> bytes:
    blob = context.read(run, name)
    return b"" if blob is None else blob.data


def _protocol(context: Context, record: Record) -> ExperimentConfig | None:
    if record.protocol is None:
        return ExperimentConfig()
    blob = context.objects.get(record.protocol)
    if blob is None:
        return None
    try:
        return parse(blob.data).experiment_config(record.experiment)
    except ConfigError:
        return None


def _finding(
    code: str,
    says: str,
    path: str,
    statement: Reproduction | None,
    severity: Severity = "fail",
    *,
    expected: str | None = None,
    found: str | None = None,
) -> Finding:
    run = None if statement is None else statement.run
    return finding(code, says, path, severity, run=run, expected=expected, found=found)
