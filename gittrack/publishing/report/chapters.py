"""The facts of a report as a document: index of items, selection, run, data, tests, and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gittrack.formats.record import Record
from gittrack.publishing.report.document import (
    Block,
    Cell,
    Chapter,
    Code,
    Document,
    Facts,
    Inline,
    Mark,
    Para,
    Ref,
    Table,
)
from gittrack.publishing.report.facts import slice_of
from gittrack.publishing.report.gist import VERDICTS, commit, figure, index, lead, run_ref
from gittrack.publishing.report.model import Report, Spent
from gittrack.publishing.report.proof import proof
from gittrack.publishing.report.selection import selection
from gittrack.publishing.report.specification import specification
from gittrack.stats.metrics import rule_of
from gittrack.text.seeds import seed_words
from gittrack.text.text import cut, duration, value

_COLUMNS = 6
"""Metrics in the table of all runs."""
MOST_FINDINGS = 1000
FRONT, BACK = ("items",), ("runs", "reading")


def document(report: Report) -> Document:
    """The whole report, in the order that was asked for."""
    sections = [
        *index(report),
        *_stated(report),
        *selection(report),
        *specification(report),
        *_compute(report),
        *proof(report),
        *_limitations(report),
        *_change(report),
        *_verification(report),
        *_all_runs(report),
        *_reading(report),
    ]
    runs = "1 run" if report.runs == 1 else f"{report.runs:,} runs"
    return Document(
        title=report.title,
        subtitle=f"{report.experiment}, {runs}, ledger of {report.committed}",
        lead=lead(report),
        sections=_by_module(report, sections) if report.order == "aisdp" else sections,
    )


def _by_module(report: Report, sections: list[Chapter]) -> list[Chapter]:
    """Sections by module of the AISDP, each with what belongs to it; index first, runs last."""
    parts: list[list[Chapter]] = []
    for section in sections:
        if section.level == 2:
            parts.append([])
        parts[-1].append(section)

    def place(part: list[Chapter]) -> int:
        first = part[0]
        return 0 if first.id in FRONT else 1000 if first.id in BACK else first.module

    ordered = [section for part in sorted(parts, key=place) for section in part]
    return [
        replace(s, about=f"Module {s.module}: {report.mapping.modules[s.module]}")
        if s.module
        else replace(s, about="")
        for s in ordered
    ]


def _stated(report: Report) -> Iterator[Chapter]:
    told = report.evidence
    stated = [
        ("Intended purpose", told.purpose),
        ("Provider", told.provider),
        ("Version of the system", told.version),
    ]
    rows: list[tuple[str, Cell]] = [(name, text) for name, text in stated if text]
    rows += [("Pre-determined change", change) for change in told.changes]
    if not rows:
        return
    where: list[Inline] = ["the gittrack.yaml of this work tree, which is not committed as it is"]
    if report.stated_in is not None:
        where = ["gittrack.yaml ", Code(report.stated_in[:12])]
    origin = Para(["Stated by people; no record bears it out. From ", *where, "."])
    yield Chapter("stated", "What people state", [origin, Facts(rows)], about="Annex IV 1(a), 2(f)", module=1)


def _limitations(report: Report) -> Iterator[Chapter]:
    blocks: list[Block] = []
    if report.evidence.limitations:
        blocks.append(Facts([("Stated by people", text) for text in report.evidence.limitations]))
    else:
        blocks.append(Para(["gittrack.yaml states no limitations (evidence.limitations)."]))
    record = report.subject.record if report.subject else None
    facts: list[tuple[str, Cell]] = []
    if record is not None and not any(data.role == "test" for data in record.data):
        facts.append(("Seen in the records", "the run names no test data"))
    if report.overlaps:
        facts.append(("Seen in the records", "training data is data to judge by as well"))
    if report.group is not None and len(report.group.across.runs) < 3:
        facts.append(
            (
                "Seen in the records",
                f"{len(report.group.across.runs)} replicates: too few for an interval worth quoting",
            )
        )
    if report.damaged:
        facts.append(
            ("Seen in the records", f"{len(report.damaged)} records cannot be read, and are in no figure")
        )
    if facts:
        blocks.append(Facts(facts))
    yield Chapter("limitations", "Limitations", blocks, about="Annex IV 3", module=8)


def _compute(report: Report) -> Iterator[Chapter]:
    rows: list[list[Cell]] = [
        [
            s.machine,
            s.what,
            f"{s.runs:,}",
            f"{s.timed:,}",
            _hours(s.hours) if s.timed else "not recorded",
            _hours(s.device_hours) if s.device_hours else "",
            *_measured([s]),
        ]
        for s in report.spent
    ]
    total, gpus = sum(s.hours for s in report.spent), sum(s.device_hours for s in report.spent)
    timed = sum(s.timed for s in report.spent)
    hours = _hours(total) if timed else "not recorded"
    rows.append(["all", "", f"{report.runs:,}", f"{timed:,}", hours, _hours(gpus) if gpus else ""])
    rows[-1] += _measured(report.spent)
    nested = sum(s.nested for s in report.spent)
    twice = (
        f" {nested:,} of the runs are part of another one here: what both took at once is in the sums twice."
        if nested
        else ""
    )
    header = ["Machine", "Runs that were", "Runs", "with a recorded duration", "Hours of these", "GPU hours"]
    header += ["GPU hours in use", "Energy"]
    yield Chapter(
        "compute",
        "Compute spent",
        [
            Para(
                [
                    "Wall-clock time of every recorded run, each counted once: failed, killed and rejected "
                    "ones and reruns too. GPU hours are hours times the GPUs that the run saw; those in "
                    "use were measured while it ran. Energy is what counters of the hardware counted, of "
                    "whole devices. Both are of the runs in brackets. What was not recorded is not in it."
                    + twice
                ]
            ),
            Table(
                "Hours by machine and by what became of the runs", header, rows, frozenset({2, 3, 4, 5, 6, 7})
            ),
        ],
        about="Annex IV 2(c)",
        module=2,
    )


def _measured(spent: Sequence[Spent]) -> list[Cell]:
    """GPU hours in use and energy, each with the number of runs that it is of."""
    gpu_runs, energy_runs = sum(s.gpu_runs for s in spent), sum(s.energy_runs for s in spent)
    gpu_hours, energy = sum(s.gpu_hours for s in spent), sum(s.energy_kwh for s in spent)
    return [
        f"{_hours(gpu_hours)} ({gpu_runs:,})" if gpu_runs else "",
        f"{_hours(energy)} kWh ({energy_runs:,})" if energy_runs else "",
    ]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 100 else f"{hours:.3g}"


_LETTERS = {"A": "added", "M": "changed", "D": "deleted", "T": "of another type"}


def _change(report: Report) -> Iterator[Chapter]:
    change = report.change
    blocks: list[Block] = []
    if change is None:
        blocks.append(Para([f"Not shown: {report.change_why}."]))
    else:
        blocks.append(
            Facts(
                [
                    (
                        "Since",
                        [
                            f"{change.since}: {change.how}, ledger ",
                            commit(report, change.commit),
                            f" of {change.date}",
                        ],
                    ),
                    ("Runs added", f"{change.runs:,}"),
                    ("Selected then", run_ref(change.before) if change.before else "none"),
                    ("Selected now", run_ref(change.now) if change.now else "none"),
                ]
            )
        )
        blocks += _differences(report)
    yield Chapter("change", "Change since a former release", blocks, about="Annex IV 1(a), 6", module=10)


def _differences(report: Report) -> Iterator[Block]:
    change = report.change
    if change is None:
        return
    if change.comparison is None:
        same = change.before is not None and change.before == change.now
        yield Para(["The same run is selected." if same else f"Not compared: {change.why}."])
        return
    differ: list[list[Cell]] = [
        [kind, cut(pair.name, 200), cut(value(pair.a), 200), cut(value(pair.b), 200)]
        for kind, pairs in change.comparison.pairs.items()
        for pair in pairs
        if not pair.same
    ]
    differ += [["code", path, "", _LETTERS.get(letter, letter)] for letter, path in change.comparison.code]
    if differ:
        yield Table(
            "What differs between the two runs", ["Kind", "Name", "Then", "Now"], differ[:MOST_FINDINGS]
        )
    else:
        yield Para(["Nothing differs between the two runs."])
    for name, why in change.comparison.unavailable.items():
        yield Para([f"Not compared, {name}: {why}."])


def _verification(report: Report) -> Iterator[Chapter]:
    from gittrack.verify import UNPROVEN

    verified = report.verified
    blocks: list[Block] = []
    if verified is None:
        blocks.append(Para(["Left out: the report was made with --no-verify."]))
    else:
        runs = "1 run" if verified.runs == 1 else f"{verified.runs:,} runs"
        verdict = Mark(verified.outcome, VERDICTS[verified.outcome])
        blocks.append(Para(["gittrack verify says ", verdict, f" over {runs}. {UNPROVEN}"]))
        order = ("fail", "incomplete", "note")
        rows: list[list[Cell]] = [
            [
                Mark(f.severity, {"fail": "bad", "incomplete": "open"}.get(f.severity, "plain")),
                Code(f.code),
                _where(report, f.run, f.path),
                f.says,
                "; ".join(
                    f"{name} {cut(text, 120)}"
                    for name, text in (("expected", f.expected), ("found", f.found))
                    if text
                ),
            ]
            for f in sorted(verified.findings, key=lambda f: order.index(f.severity))[:MOST_FINDINGS]
        ]
        if rows:
            more = len(verified.findings) - len(rows)
            caption = "Findings" if more <= 0 else f"Findings; {more:,} more are listed by gittrack verify"
            blocks.append(Table(caption, ["", "Code", "Where", "What", "Details"], rows))
    yield Chapter("verification", "Verification", blocks, about="Annex IV 2(h), Article 15(5)", module=9)


def _where(report: Report, run: str | None, path: str | None) -> Cell:
    if run is not None and run in report.blobs:
        return run_ref(run)
    return Code(path or run or "") if path or run else ""


# --- every run -----------------------------------------------------------------------------------


def _all_runs(report: Report) -> Iterator[Chapter]:
    runs = report.records
    names = list(dict.fromkeys([*report.protocol.metrics, *sorted({n for run in runs for n in run.metrics})]))
    names = [name for name in names if not slice_of(name)][:_COLUMNS]
    rows = [_run(report, run, names) for run in runs]
    notes: list[Cell] = [_source(report, run.id, f"{run.path}/run.yaml") for run in runs]
    anchors = [f"run-{run.id}" for run in runs]
    for run_id, path in report.damaged.items():
        rows.append([Code(run_id), Mark("damaged", "bad"), *[""] * (5 + len(names))])
        notes.append(_source(report, run_id, path))
        anchors.append(f"run-{run_id}")
    header = [
        "Run",
        "Status",
        "Outcome",
        "Started (UTC)",
        "Took",
        "Seed",
        "Spec",
        *(_ruled(runs, name) for name in names),
    ]
    right = frozenset({4, 5, *range(7, 7 + len(names))})
    said = Para(
        [
            "Every figure of this report leads here, and from here to its record. In a clone, ",
            Code("gittrack show RUN"), " prints a record to read; the command below each run prints the file "
            "as it was committed, without gittrack.",
        ]
    )  # fmt: skip
    yield Chapter(
        "runs", "All runs", [said, Table("Runs, oldest first", header, rows, right, anchors, notes)]
    )


def _ruled(runs: Sequence[Record], name: str) -> str:
    """The name of a metric, with the rule of its final value where that is not the last."""
    rule = rule_of(runs, name)
    return f"{name} ({rule})" if rule else name


def _run(report: Report, run: Record, names: list[str]) -> list[Cell]:
    finals = [run.metrics.get(name) for name in names]
    values = [figure(m.status or m.value, 5) if m is not None else "" for m in finals]
    return [
        Code(run.id),
        Mark(run.ending, "plain" if run.status == "finished" else "bad"),
        report.outcomes.get(run.id, ""),
        "not known" if run.began is None else run.began.strftime("%Y-%m-%d %H:%M"),
        "not recorded" if run.duration_s is None else duration(run.duration_s),
        seed_words(run.seed, run.seeds, ""),
        Ref(run.spec[:8], f"#spec-{run.spec[:12]}", code=True),
        *values,
    ]


def _source(report: Report, run_id: str, path: str) -> Cell:
    oid = report.commits.get(run_id, report.tip)
    cell: list[str | Code | Ref] = [
        Code(f"git show {oid[:12]}:{path}"),
        f" · blob {report.blobs.get(run_id, '')[:12]}",
    ]
    if report.web is not None:
        cell += [" · ", Ref("on the web", report.web.file(oid, path))]
    return cell


def _reading(report: Report) -> Iterator[Chapter]:
    rows: list[tuple[str, Cell]] = [
        ("Bring the ledger", Code("gittrack pull")),
        ("List the records", Code(f"git ls-tree -r --name-only {report.tip[:12]} runs/{report.experiment}/")),
        ("Check everything, bytes too", Code("gittrack verify --read-data")),
        ("Make this report again", Code(f"gittrack report {report.experiment} --format html")),
    ]
    sentence = (
        "The report is made from the ledger and a clone of the code. The same ledger and the same clone "
        "give the same bytes, whoever makes it."
    )
    yield Chapter("reading", "How to check this report", [Para([sentence]), Facts(rows)])
