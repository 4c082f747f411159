"""The whole specification of the run that the report is about, and the data of all runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from gittrack.formats.flat import flatten
from gittrack.formats.record import DataInput, Installed, Record
from gittrack.publishing.report.document import Block, Cell, Chapter, Code, Facts, Mark, Para, Ref, Table
from gittrack.publishing.report.gist import commit, figure, place, run_ref
from gittrack.publishing.report.model import Report
from gittrack.text.text import duration, size, value

MOST_NAMED = 50
MOST_PARAMS = 500
MOST_DATA = 1000


def specification(report: Report) -> Iterator[Chapter]:
    """Code, command, parameters, environment and outputs of the subject; data."""
    if report.subject is None:
        lead = Para([f"None is specified here: {report.subject_why}. Name one: gittrack report RUN."])
        yield Chapter("run", "The reported run", [lead], about="Annex IV 2(a)", module=3)
    else:
        record = report.subject.record
        about = "Annex IV 1(a), 1(c), 2(a)"
        yield Chapter("run", f"Run {record.id}", list(_run(report, record)), about=about, module=3)
        yield Chapter("parameters", "Parameters and seeds", [_params(record)], 3, module=3)
        yield Chapter(
            "environment", "Environment", list(_environment(report, record)), 3, "Annex IV 1(c), 2(c)", 3
        )
        yield Chapter("outputs", "Model and other outputs", list(_outputs(record)), 3, module=3)
    yield Chapter("data", "Data", list(_data(report)), about="Annex IV 2(d), 2(g)", module=4)


def _run(report: Report, record: Record) -> Iterator[Block]:
    code = record.code
    rows: list[tuple[str, Cell]] = [
        ("Record", [run_ref(record.id), ", ", Code(f"{record.path}/run.yaml")]),
        (
            "Ended",
            [
                Mark(record.ending, "plain" if record.status == "finished" else "bad"),
                f" after {duration(record.duration_s)}"
                if record.duration_s is not None
                else ", after how long: not recorded",
            ],
        ),
        ("Author", record.author_name or "not known"),
    ]
    if record.imported is not None:
        rows.insert(1, ("Imported", record.imported.sentence))
    if record.hypothesis:
        rows.append(("Hypothesis", record.hypothesis))
    if record.failure:
        rows.append(("Failure", f"{record.failure.type}: {record.failure.message}"))
    rows.append(("Code", commit(report, code.commit) if code.commit else ["tree ", Code(code.short)]))
    if code.dirty:
        snapshot: Cell = ["kept as snapshot ", commit(report, code.snapshot)] if code.snapshot else "not kept"
        rows.append(("Uncommitted changes", snapshot))
    rows += _unsettled(record)
    if code.submodules:
        rows.append(
            ("Submodules", ", ".join(f"{s.path} {(s.commit or 'none')[:12]}" for s in code.submodules[:50]))
        )
    command = shlex.join(code.command)
    rows += [
        (
            "Command",
            [Code(command), *([f", in {code.cwd}"] if code.cwd not in (".", None) else [])]
            if command
            else "none recorded",
        ),
        ("Specification", Ref(record.spec, f"#spec-{record.spec[:12]}", code=True)),
    ]
    related = (
        ("Made from run", record.parent),
        ("Continues", record.continues),
        ("Rerun of", record.reproduces),
        ("Corrects", record.supersedes),
    )
    rows += [(name, run_ref(run) if run in report.blobs else Code(run)) for name, run in related if run]
    rows += [
        ("Base model", " ".join(filter(None, (m.name, m.revision, m.digest, m.modification))))
        for m in record.base_models
    ]
    yield Facts(rows)
    finals: list[list[Cell]] = [
        [
            name,
            Ref(figure(m.status or m.value, 6), f"#run-{record.id}"),
            m.unit or "",
            m.split or "",
            "" if m.step is None else str(m.step),
        ]
        for name, m in record.metrics.items()
    ]
    if finals:
        yield Table(
            "Final metrics of this run",
            ["Metric", "Value", "Unit", "Split", "Step"],
            finals,
            frozenset({1, 4}),
        )
    else:
        yield Para(["The run recorded no metric."])


def _unsettled(record: Record) -> list[tuple[str, Cell]]:
    """What changed while the run ran, who ran beside it, and what the record does not hold."""
    changed = [f"{item.what}: {item.shown}" for item in record.changed]
    beside = [overlap.sentence for overlap in record.overlaps]
    losses = [f"{loss.what}: {loss.reason}" for loss in record.not_recorded]
    attempts = [f"{a.started} {a.ending}" for a in record.attempts]
    parts = (
        ("Attempts", attempts),
        ("Changed while it ran", changed),
        ("At the same time", beside),
        ("Not recorded", losses),
    )
    return [(title, _first(texts)) for title, texts in parts if texts]


def _first(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - MOST_NAMED:,} more, in the record" if len(texts) > MOST_NAMED else ""
    return "; ".join(texts[:MOST_NAMED]) + more


def _params(record: Record) -> Block:
    flat = flatten(record.params)
    rows: list[tuple[str, Cell]] = [
        (name, Code(value(item))) for name, item in list(flat.items())[:MOST_PARAMS]
    ]
    if len(flat) > MOST_PARAMS:
        rows.append(("and", f"{len(flat) - MOST_PARAMS:,} more, in the record"))
    rows.append(("Seed", "not recorded" if record.seed is None else Code(str(record.seed))))
    rows += [(f"Seed of {name}", Code(str(seed))) for name, seed in record.seeds.items()]
    return Facts(rows)


def _environment(report: Report, record: Record) -> Iterator[Block]:
    around = record.surroundings
    rows: list[tuple[str, Cell]] = [
        ("Python", around.python or "not known"),
        ("Operating system", around.os or "not recorded"),
    ]
    rows += [("CPU", around.cpu)] if around.cpu else []
    rows += [("GPU", gpu) for gpu in around.gpus]
    rows.append(("Container image", Code(around.image) if around.image else "none recorded"))
    rows += [("Ranks", record.ranks.sentence)] if record.ranks else []
    rows += [("Scheduler", record.scheduler.sentence)] if record.scheduler else []
    yield Facts(rows)
    flags: list[tuple[str, Cell]] = [
        (name, Code(value(flag))) for name, flag in list(flatten(record.determinism).items())[:100]
    ]
    if flags:
        yield Para(["Switches of determinism in force:"])
        yield Facts(flags)
    else:
        yield Para(["No switch of determinism was seen in force."])
    locks: list[list[Cell]] = [
        [lock.path, lock.kind, lock.pins, Code(lock.sha256[:16]), _installed(lock.installed)]
        for lock in record.locks
    ]
    if locks:
        yield Table("Lock files", ["File", "Kind", "Pins", "SHA-256", "Installed as locked"], locks)
    else:
        besides = "" if report.packages is None else " but the list of what was installed"
        yield Para([f"No lock file was found: nothing pins the packages{besides}."])
    if report.packages is None:
        yield Para(["Which packages the program had is not known."])
    packages = [f"{name} {version}" for name, version in (report.packages or {}).items()]
    if packages:
        parts = [packages[at : at + 100] for at in range(0, len(packages), 100)]
        titles = [f"{len(packages):,} packages installed", *["and"] * (len(parts) - 1)]
        yield Facts([(title, ", ".join(part)) for title, part in zip(titles, parts, strict=True)])


def _installed(installed: Installed | None) -> str:
    if installed is None:
        return "not compared"
    return f"{installed.same} as locked, {installed.differs} in another version, {installed.missing} not"


def _outputs(record: Record) -> Iterator[Block]:
    rows: list[list[Cell]] = [
        [output.path, output.role, size(output.size), Code(output.sha256 or "not read"), Code(output.md5)]
        for output in record.outputs
    ]
    if rows:
        yield Table(
            "Outputs", ["Path", "Role", "Size", "SHA-256", "MD5, as DVC names it"], rows, frozenset({2})
        )
    else:
        yield Para(["The run recorded no output."])


def _data(report: Report) -> Iterator[Block]:
    rows: list[list[Cell]] = []
    for use in report.data[:MOST_DATA]:
        sheet: Cell = Mark("missing", "open") if use.sheet is None else place(report, use.sheet)
        runs = "1 run" if use.runs == 1 else f"{use.runs:,} runs"
        rows.append(
            [
                use.data.path,
                use.data.shown_role,
                size(use.data.size),
                Code(_digest(use.data)),
                [runs, ", first ", run_ref(use.first, short=True)],
                sheet,
            ]
        )
    if not rows:
        yield Para(["No run names the data that it read."])
    else:
        yield _read(report, rows)
    yield from _beside(report)


def _read(report: Report, rows: list[list[Cell]]) -> Table:
    more = f", the first {MOST_DATA:,} of {len(report.data):,}" if len(report.data) > MOST_DATA else ""
    header = ["Path", "Role", "Size", "Digest", "Read by", "Data sheet"]
    return Table(f"Data that runs read{more}", header, rows, frozenset({2}))


def _beside(report: Report) -> Iterator[Block]:
    """Overlaps, and what is missing."""
    for a, b in report.overlaps[:100]:
        yield Para(
            [
                Mark("overlap", "bad"),
                f" {a.path} ({a.shown_role}) and {b.path} ({b.shown_role}) are the same bytes.",
            ]
        )
    unread = sorted(set(report.evidence.datasheets) - {use.data.path for use in report.data})
    if unread:
        yield Para([f"gittrack.yaml names sheets of data that no run read: {', '.join(unread[:20])}."])
    judged = [use for use in report.data if use.data.role in ("validation", "test", "holdout")]
    if report.data and not judged:
        yield Para(
            [
                "No run names data to validate or test by, "
                "so that an overlap with training data cannot be looked for."
            ]
        )
    elif report.data and not report.overlaps:
        yield Para(
            ["No training data has the digest of data to judge by. Parts in common do not show in digests."]
        )


def _digest(data: DataInput) -> str:
    digest = data.sha256 or data.md5 or data.blob or ""
    kind = "sha256" if data.sha256 else "md5" if data.md5 else "git"
    return f"{kind} {digest[:16]}" if digest else "none"
