"""What stands first: what the report is, what verify says, and the index of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gittrack.publishing.report.document import (
    Block,
    Cell,
    Chapter,
    Code,
    Facts,
    Inline,
    Mark,
    Para,
    Ref,
    Table,
)
from gittrack.publishing.report.model import Answer, Place, Report
from gittrack.text.text import number

IS = (
    "This report gathers what the records of model development show, for the technical documentation that "
    "Article 11 and Annex IV ask for. Every figure in it leads to a record, and every record can be read and "
    "checked in a clone of the repository."
)
IS_NOT = (
    "It does not say that any requirement is met: that is for people to judge, from this and from what lies "
    "elsewhere. Records of training are no logs of operation (Articles 12 and 19). What was never recorded "
    "is not in it, and that a metric is true is not proven by its having been recorded."
)
KINDS = {"here": "good", "elsewhere": "note", "missing": "open"}
VERDICTS = {"PASS": "good", "FAIL": "bad", "INCOMPLETE": "open"}
MOST_RUNS = 3


def lead(report: Report) -> list[Block]:
    """Before the first section."""
    facts: list[tuple[str, Cell]] = []
    if report.protocol.question:
        facts.append(("Question", report.protocol.question))
    facts += [
        ("About", _subject(report)),
        ("Verification", _verdict(report)),
        ("Evidence", _counts(report.answers)),
        ("Ledger", [Code(report.branch), " at ", commit(report, report.tip), f", {report.committed}"]),
    ]
    if report.generated:
        facts.append(("Report made", report.generated))
    return [Para([IS]), Para([IS_NOT]), Facts(facts)]


def _subject(report: Report) -> Cell:
    if report.subject is None:
        return f"no run: {report.subject_why}"
    return [run_ref(report.subject.id), f", because {report.subject_why}"]


def _verdict(report: Report) -> Cell:
    verified = report.verified
    if verified is None:
        return "left out (--no-verify)"
    runs = "1 run" if verified.runs == 1 else f"{verified.runs:,} runs"
    return [
        Mark(verified.outcome, VERDICTS[verified.outcome]),
        f" over {runs}: ",
        Ref("findings", "#verification"),
    ]


def _counts(answers: Sequence[Answer]) -> Cell:
    counts = {status: sum(1 for a in answers if a.status == status) for status in KINDS}
    counted = ", ".join(f"{count} {status}" for status, count in counts.items())
    return [f"{len(answers)} items: {counted} (", Ref("index", "#items"), ")"]


# --- the index -----------------------------------------------------------------------------------


def index(report: Report) -> Iterator[Chapter]:
    """The items that records can answer, and those that they cannot."""
    mapping = report.mapping
    yield Chapter(
        "items",
        "Index of evidence",
        [
            Para(
                [
                    f"Items of {mapping.source}, as consolidated on {mapping.consolidated} "
                    f"({mapping.amended_by} in it): ",
                    Ref(mapping.url, mapping.url),
                    f". {mapping.note}",
                ],
                soft=True,
            ),
            Para(
                [
                    Mark("here", "good"), ": this report has evidence. ", Mark("elsewhere", "note"),
                    ": gittrack.yaml says where (evidence.links, by the name below the item). ",
                    Mark("missing", "open"), ": neither.",
                ]
            ),
            _items(report, "What records of development can answer", recorded=True),
            _items(report, "What they cannot answer", recorded=False),
        ],
    )  # fmt: skip


def _items(report: Report, caption: str, *, recorded: bool) -> Table:
    by_module = report.order == "aisdp"
    answers = [a for a in report.answers if a.recorded == recorded]
    if by_module:
        answers.sort(key=lambda a: a.module)
    rows: list[list[Cell]] = []
    for answer in answers:
        module = [f"{answer.module} {report.mapping.modules[answer.module]}"] if by_module else []
        status = Mark(answer.status, KINDS[answer.status])
        rows.append(
            [*module, answer.provision, [answer.title, " ", Code(answer.id)], status, _where(report, answer)]
        )
    header = (["Module"] if by_module else []) + [
        "Item",
        "What is asked",
        "Evidence",
        "Where, and what it does not say",
    ]
    return Table(caption, header, rows, anchors=[f"item-{answer.id}" for answer in answers])


def _where(report: Report, answer: Answer) -> Cell:
    cell: list[Inline] = []
    for evidence in answer.here:
        cell += ["; "] if cell else []
        cell.append(Ref(evidence.text, f"#{evidence.section}"))
        for run in list(evidence.runs)[:MOST_RUNS]:
            cell += [" ", run_ref(run, short=True)]
        if len(evidence.runs) > MOST_RUNS:
            cell.append(f" and {len(evidence.runs) - MOST_RUNS} more runs")
        for oid in list(evidence.commits)[:MOST_RUNS]:
            cell += [" ", commit(report, oid)]
    if answer.link is not None:
        cell += [*(["; "] if cell else []), *place(report, answer.link)]
    if answer.here and answer.limit:
        cell.append(f". {answer.limit}")
    return cell


# --- values and links ---------------------------------------------------------------------------------------


def figure(value: float | str | None, digits: int) -> str:
    """A value of a metric; whole numbers that no float holds in full, one that is not finite as its name."""
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return number(float(value), digits)
    except OverflowError:
        return str(value)


def run_ref(run_id: str, *, short: bool = False) -> Ref:
    """A link to the run in the table of all runs."""
    return Ref(run_id[-6:] if short else run_id, f"#run-{run_id}", code=True)


def commit(report: Report, oid: str) -> Inline:
    """A commit by its first digits: a link where the forge is known."""
    if not oid:
        return "no commit"
    return Ref(oid[:12], report.web.commit(oid), code=True) if report.web else Code(oid[:12])


def place(report: Report, place_given: Place) -> list[Inline]:
    """A web address as a link; a path with what lies there."""
    if place_given.web:
        return [Ref(place_given.target, place_given.target)]
    if place_given.oid is None:
        return [Code(place_given.target), " ", Mark("not in HEAD", "open")]
    if report.web and place_given.commit:
        return [
            Ref(place_given.target, report.web.file(place_given.commit, place_given.target), code=True),
            f" ({place_given.oid[:12]})",
        ]
    return [
        Code(place_given.target),
        f" ({place_given.oid[:12]} in ",
        Code((place_given.commit or "")[:12]),
        ")",
    ]
