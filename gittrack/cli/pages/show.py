"""One record for people: sections of names and values, as terminal text or Markdown."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gittrack.cli.pages import media
from gittrack.cli.pages.statuses import COLOURS
from gittrack.errors import GittrackError
from gittrack.formats.attempts import Attempt
from gittrack.formats.during import Overlap
from gittrack.formats.flat import flatten
from gittrack.formats.masks import is_masked
from gittrack.formats.record import DataInput, Dataset, Lock, Metric, Output, Record, parse_time
from gittrack.formats.reproduction import Reproduction
from gittrack.formats.sources import source_of
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.texts import FILE
from gittrack.reading.entry import Entry, Series
from gittrack.reading.index import Row
from gittrack.text import text
from gittrack.text.braille import chart
from gittrack.text.table import markdown_cell
from gittrack.text.tables import markdown_lines

if TYPE_CHECKING:
    from gittrack.reading.index.parse import Decided
    from gittrack.reading.live.state import Point

_CHART_COLUMNS = 72
_CONSOLE_LINES = 5


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and rows of cells under it; each cell is clean."""

    title: str
    rows: list[tuple[str, ...]]


def terminal(
    entry: Entry,
    series: Series | None,
    console: str | None,
    paint: text.Paint,
    columns: int | None,
    reproductions: Sequence[Reproduction] = (),
    decisions: Sequence[Decided] = (),
) -> list[str]:
    """The record with charts of its series, and the end of its console output."""
    record = entry.record
    lines = [_headline(entry, paint)]
    if record.hypothesis:
        lines += ["", *(f"    {line}" for line in text.clean_lines(record.hypothesis.strip()))]
    for section in sections(record, reproductions, decisions, _pythons(entry), media.rows(entry)):
        lines += ["", paint("bold", section.title), *_aligned(section.rows, paint)]
    if series is not None:
        lines += _charts(series, record, paint, columns)
    if console is not None:
        lines += _console(console, entry, paint)
    return lines


def as_markdown(
    entry: Entry, reproductions: Sequence[Reproduction] = (), decisions: Sequence[Decided] = ()
) -> str:
    """The record as a Markdown document, without charts."""
    record = entry.record
    lines = [f"# Run {markdown_cell(record.id)}", "", markdown_cell(_summary(entry)), ""]
    if record.hypothesis:
        lines += [*(f"> {markdown_cell(line)}" for line in text.clean_lines(record.hypothesis.strip())), ""]
    for section in sections(record, reproductions, decisions, _pythons(entry), media.rows(entry)):
        wide = max(map(len, section.rows))
        cells = ([markdown_cell(cell) for cell in row] for row in section.rows)
        lines += [f"## {section.title}", "", *markdown_lines([""] * wide, cells), ""]
    return "\n".join(lines)


def _pythons(entry: Entry) -> list[tuple[str, str]]:
    """The further ones of the job; none where environment.yaml is damaged, as verify says."""
    try:
        return entry.further_interpreters()
    except (GittrackError, AttributeError, KeyError, TypeError):
        return []


def sections(
    record: Record,
    reproductions: Sequence[Reproduction] = (),
    decisions: Sequence[Decided] = (),
    pythons: Sequence[tuple[str, str]] = (),
    shown: Sequence[tuple[str, ...]] = (),
) -> Iterator[Section]:
    """The sections that have something to say. `pythons`: version, and what they ran, of the further ones."""
    params = [_param(record, name, value) for name, value in flatten(record.params).items()]
    tags = [(text.clean(k), text.one_line(v)) for k, v in record.tags.items()]
    environment = [*_environment(record)]
    environment += [("also ran", text.one_line(f"Python {version}: {ran}")) for version, ran in pythons]
    if record.ranks is not None:
        environment.append(("ranks", text.one_line(record.ranks.sentence)))
    if record.scheduler is not None:
        environment.append(("scheduler", text.one_line(record.scheduler.sentence)))
    determinism = [(text.clean(k), text.value(v)) for k, v in flatten(record.determinism).items()]
    models = [
        (text.one_line(m.name), text.value(m.revision), text.value(m.modification))
        for m in record.base_models
    ]
    losses = [(text.one_line(loss.what), text.one_line(loss.reason)) for loss in record.not_recorded]
    for title, rows in (
        ("Imported", list(_imported(record))),
        ("Harvested", [(item.system, text.one_line(item.id)) for item in record.harvested]),
        ("Decisions", [_decision(item) for item in reversed(decisions)]),
        ("Parameters", params),
        ("Seeds", _seeds(record)),
        ("Metrics", [_metric(name, metric) for name, metric in record.metrics.items()]),
        ("Tags", tags),
        ("Code", list(_code(record))),
        ("Data", [_data(item) for item in record.data]),
        ("Datasets", [_dataset(item) for item in record.datasets]),
        ("Base models", models),
        ("Locks", [_lock(lock) for lock in record.locks]),
        ("Environment", environment),
        ("Determinism", determinism),
        ("Use of the machine", list(record.system_use.facts()) if record.system_use else []),
        ("Outputs", [_output(item) for item in record.outputs]),
        ("Media", list(shown)),
        ("Series", list(_series(record))),
        ("Changed while it ran", [(text.one_line(item.what), item.shown) for item in record.changed]),
        ("Attempts", [_attempt(number, item) for number, item in enumerate(record.attempts, 1)]),
        ("Ran at the same time", [_overlap(item) for item in record.overlaps]),
        ("Not recorded", losses),
        ("Provenance", list(_provenance(record))),
        ("Reproductions", [_reproduction(item) for item in reproductions]),
    ):
        if rows:
            yield Section(title, list(rows))


def _attempt(number: int, attempt: Attempt) -> tuple[str, ...]:
    """When, for how long, how it ended, and on what."""
    took = "not recorded" if attempt.duration_s is None else text.duration(attempt.duration_s)
    restarts = None if attempt.restarts is None else f"restart {attempt.restarts}"
    code = attempt.code and f"code {(attempt.code.snapshot or attempt.code.commit or attempt.code.tree)[:12]}"
    facts = (attempt.host and f"host {attempt.host[:8]}", *attempt.gpus, restarts, code)
    about = ", ".join(text.one_line(fact) for fact in facts if fact)
    return str(number), attempt.started[:19].replace("T", " "), took, text.one_line(attempt.ending), about


def _overlap(overlap: Overlap) -> tuple[str, ...]:
    certain = "not known whether it writes at" if overlap.unknown else "writes too at"
    return (overlap.run, certain, *map(text.one_line, overlap.paths))


def _headline(entry: Entry, paint: text.Paint) -> str:
    record = entry.record
    name = paint("yellow", record.id)
    status = paint(COLOURS[record.status], record.ending)
    return f"run {name}  {status}  {_about(entry)}"


def _summary(entry: Entry) -> str:
    return f"{entry.record.ending}, {_about(entry)}"


def _about(entry: Entry) -> str:
    record = entry.record
    took = "not recorded" if record.duration_s is None else text.duration(record.duration_s)
    state = last_point(entry.row) if entry.row.is_live else f"took {took}"
    from_when = "start not known" if record.began is None else text.age(record.began.timestamp())
    about = f"{record.experiment}, {from_when}, {state}"
    if record.author_name:
        about += f", by {text.one_line(record.author_name)}"
    if record.name:
        about += f', named "{text.one_line(record.name)}"'
    if record.failure:
        about += f": {text.one_line(record.failure.type)}: {text.one_line(record.failure.message)}"
    return about


def _imported(record: Record) -> Iterator[tuple[str, ...]]:
    """What the other tracker calls the run, and what only it says."""
    imported = record.imported
    if imported is None:
        return
    yield "from", text.one_line(" ".join(filter(None, (imported.system, imported.version)))), CLAIMED
    for name, value in (
        ("id", imported.id),
        ("experiment", record.experiment_name),
        ("status", imported.status),
        ("deleted", "yes" if imported.deleted else None),
        ("parent", imported.parent),
        ("group", imported.group),
        ("job type", imported.job_type),
        ("labels", ", ".join(imported.labels)),
        ("note", imported.note),
    ):
        if value:
            yield name, text.one_line(value)


CLAIMED = "claimed by it, not observed here"


def last_point(row: Row) -> str:
    """Of a run without a record: how old its last point is."""
    return "no point yet" if row.last_point is None else f"last point {text.age(row.last_point)}"


def point_line(point: Point) -> str:
    """A line of what was logged at one moment."""
    elapsed, step, values = point
    parts = [text.pad(text.duration(max(elapsed, 0.0)), 12), "" if step is None else f"step {step}"]
    parts += [f"{text.clean(name)} {text.value(value, 5)}" for name, value in values.items()]
    return "    " + "  ".join(part for part in parts if part)


def _param(record: Record, name: str, value: object) -> tuple[str, ...]:
    hidden = "masked" if is_masked(value) else ""
    source = source_of(record.param_sources, name) or ""
    return text.clean(name), text.literal(value), _origin(record, name, source, hidden)


def _origin(record: Record, name: str, source: str, note: str = "") -> str:
    """Where a value comes from, and what other sources say of it."""
    sides = list(record.param_conflicts.get(name, {}).items())[:-1]
    says = [f"{other} says {text.literal(value)}" for other, value in sides]
    return text.one_line("; ".join(part for part in (source, note, *says) if part))


def _seeds(record: Record) -> list[tuple[str, ...]]:
    own = ("seed", text.value(record.seed), _origin(record, "seed", record.seed_source or ""))
    rows = [own] if record.seed is not None else []
    return [*rows, *((text.clean(k), text.value(v)) for k, v in record.seeds.items())]


def _metric(name: str, metric: Metric) -> tuple[str, ...]:
    value = metric.status if metric.value is None else text.value(metric.value)
    about = [metric.split, metric.rule, f"step {metric.step}" if metric.step is not None else None]
    about.append({"maximize": "higher is better", "minimize": "lower is better"}.get(metric.direction or ""))
    amount = f"{value} {text.one_line(metric.unit)}" if metric.unit else f"{value}"
    return text.clean(name), amount, ", ".join(text.one_line(part) for part in about if part)


def _code(record: Record) -> Iterator[tuple[str, ...]]:
    code, is_foreign = record.code, record.imported is not None
    without = "not known" if is_foreign else "none: no commit yet"
    yield "commit", (code.commit or without) + (" with uncommitted changes" if code.dirty else "")
    for name, value in (
        ("tree", code.tree if is_foreign else None),
        ("snapshot", code.snapshot),
        ("branch", code.branch or ("none: detached HEAD" if code.detached else "not recorded")),
        ("remote", code.remote),
        ("command", shlex.join(code.command) if code.command else None),
        ("directory", code.cwd if code.cwd != "." else None),
        ("entry", code.entry),
    ):
        if value:
            yield name, text.one_line(value)
    for module in code.submodules:
        changed = " with uncommitted changes, which are not kept" if module.dirty else ""
        yield "submodule", f"{text.one_line(module.path)} {module.commit or 'not checked out'}{changed}"
    for file in code.left_out:
        yield "left out", f"{text.one_line(file.path)} {text.size(file.size)}: {text.one_line(file.reason)}"


def _environment(record: Record) -> Iterator[tuple[str, ...]]:
    around = {k: text.value(v) for k, v in asdict(record.surroundings).items() if v}
    if record.environment is None:
        yield "environment", "not known"
    else:
        for name, otherwise in (("sha256", "not known"), ("python", "not known"), ("os", "not recorded")):
            yield name, around.pop(name, otherwise)
        yield from around.items()


def _series(record: Record) -> Iterator[tuple[str, ...]]:
    series, texts = record.series, record.texts
    if series is not None:
        yield f"{series.rows:,} rows", text.value([series.metric_of(name) for name in series.columns])
        for name, axis in series.axes.items():
            yield text.clean(name), f"over {text.clean(axis)}"
    if record.system_series is not None:
        yield f"{record.system_series.rows:,} samples", SYSTEM
    if texts is not None:
        yield f"{texts.rows:,} texts", FILE


def _dataset(item: Dataset) -> tuple[str, ...]:
    facts = (item.context, item.digest, item.source)
    return text.one_line(item.name), *(text.one_line(fact) for fact in facts if fact)


def _data(item: DataInput) -> tuple[str, ...]:
    digest = item.sha256 or item.md5 or item.blob or ""
    count = f", {item.nfiles:,} files" if item.nfiles is not None else ""
    note = f"differs from {text.one_line(item.differs_from)}" if item.differs_from else ""
    return (
        text.one_line(item.path),
        item.shown_role,
        item.source,
        digest[:12],
        text.size(item.size) + count,
        note,
    )


def _lock(lock: Lock) -> tuple[str, ...]:
    notes = [text.one_line(lock.note)] if lock.note else []
    if lock.installed and (lock.installed.differs or lock.installed.missing):
        notes.append(f"installed: {lock.installed.differs} in another version, {lock.installed.missing} not")
    grade = {"hashed": "pinned with hashes", "versions": "versions pinned", "none": "pins nothing"}[lock.pins]
    return text.one_line(lock.path), text.one_line(lock.kind), grade, lock.sha256[:12], "; ".join(notes)


def _output(item: Output) -> tuple[str, ...]:
    count = f", {item.nfiles:,} files" if item.nfiles is not None else ""
    return (
        text.one_line(item.path),
        text.one_line(item.role),
        (item.sha256 or item.md5)[:12],
        text.size(item.size) + count,
        *([text.one_line(_version(item))] if item.name or item.version or item.aliases else []),
    )


def _version(item: Output) -> str:
    """``classifier v3 (best)``: of which artifact it is a version."""
    aliases = f"({', '.join(item.aliases)})" if item.aliases else None
    return " ".join(filter(None, (item.name, item.version, aliases)))


def _provenance(record: Record) -> Iterator[tuple[str, ...]]:
    for name in ("spec", "protocol", "reproduces", "parent", "continues", "supersedes"):
        value = getattr(record, name)
        if value:
            yield name, text.one_line(value)
    if record.tool.version:
        yield "recorded by", text.one_line(f"{record.tool.name} {record.tool.version}")


def _decision(item: Decided) -> tuple[str, ...]:
    when = text.age(parse_time(item.made).timestamp())
    return item.id, item.outcome, text.one_line(item.because), f"{when}, by {text.one_line(item.author)}"


def _reproduction(item: Reproduction) -> tuple[str, ...]:
    verdict = item.verdict
    count = "1 rerun" if len(verdict.reruns) == 1 else f"{len(verdict.reruns)} reruns"
    claim = "" if item.claim_reached else f"gittrack.yaml claims {item.claim}"
    when = text.age(parse_time(item.made).timestamp())
    return item.id, verdict.level, count, f"varied: {verdict.varied}", when, claim


def _aligned(rows: Sequence[tuple[str, ...]], paint: text.Paint) -> list[str]:
    """Rows with their cells one below the other."""
    count = max(map(len, rows))
    widths = [max((text.width(row[i]) for row in rows if i < len(row)), default=0) for i in range(count)]
    lines = []
    for row in rows:
        cells = [text.pad(cell, widths[i]) for i, cell in enumerate(row)]
        lines.append("    " + "  ".join([paint("cyan", cells[0]), *cells[1:]]).rstrip())
    return lines


def _charts(series: Series, record: Record, paint: text.Paint, columns: int | None) -> list[str]:
    room = min(columns or _CHART_COLUMNS + 4, _CHART_COLUMNS + 4) - 4
    lines: list[str] = []
    sampled = record.series.sampled_rows if record.series is not None else None
    for name, curve in series.curves.items():
        lines += ["", *_chart(name, curve.values, paint, room, sampled is not None)]
    if record.series is not None and sampled is not None:
        lines += ["", f"    (a sample of {sampled:,} of {record.series.rows:,} rows)"]
    return lines


def _chart(name: str, present: Sequence[float], paint: text.Paint, room: int, sampled: bool) -> list[str]:
    finite = [v for v in present if math.isfinite(v)]
    title = paint("bold", text.clean(name))
    skipped = f"; {len(present) - len(finite)} not finite, left out" if len(finite) < len(present) else ""
    count = f"{len(present):,} points" + (" of a sample" if sampled else "")
    if not finite:
        return [f"{title}  {count}{skipped}"]
    low, high, last = (text.number(v, 5) for v in (min(finite), max(finite), finite[-1]))
    extremes = f"min {low}, max {high}, last {last}"
    drawn = [f"    {line}" for line in chart(present, room)] if len(finite) > 1 else []
    return [f"{title}  {extremes}, {count}{skipped}", *drawn]


def _console(console: str, entry: Entry, paint: text.Paint) -> list[str]:
    record = entry.record
    every = text.clean_lines(console.rstrip("\n"))
    last = every[-_CONSOLE_LINES:]
    more = len(every) > len(last) or (record.console is not None and record.console.truncated)
    where = f": git show LEDGER:{record.path}/console.txt has more" if more and not entry.row.is_live else ""
    return ["", paint("bold", "Console") + where, *(f"    {line}" for line in last)]
