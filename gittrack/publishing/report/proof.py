"""What was shown of the reported run: the gate, how far it could be had again, accuracy."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.record import Record, parse_time
from gittrack.formats.reproduction import Reproduction
from gittrack.formats.spec import UNSEEDED, has_seed, seed_key
from gittrack.governance.criteria import figure_of
from gittrack.governance.gate import UNPROVEN
from gittrack.publishing.report.document import (
    Block,
    Bullets,
    Cell,
    Chapter,
    Facts,
    Inline,
    Mark,
    Para,
    Ref,
    Table,
)
from gittrack.publishing.report.facts import slice_of
from gittrack.publishing.report.gist import figure, run_ref
from gittrack.publishing.report.model import Report
from gittrack.publishing.report.selection import figure_text
from gittrack.stats.factors import at_most
from gittrack.stats.means import cautions
from gittrack.text.seeds import seed_words
from gittrack.text.text import cut, number

_KINDS = {"passed": "good", "not passed": "bad", "refused": "bad", "incomplete": "open"}
MOST_RUNS = 1000


def proof(report: Report) -> Iterator[Chapter]:
    """Gate, reproducibility, accuracy."""
    gate = list(_gate(report))
    yield Chapter("gate", "Test against the threshold", gate, about="Annex IV 2(g), Article 9(8)", module=5)
    blocks = list(_reproducibility(report))
    yield Chapter("reproducibility", "Reproducibility", blocks, about="Article 15(1)", module=5)
    yield Chapter(
        "accuracy", "Accuracy", list(_accuracy(report)), about="Annex IV 3, Article 15(3)", module=5
    )
    yield Chapter("groups", "By group", list(_groups(report)), 3, "Annex IV 2(g), 3", 5)


# --- gate ----------------------------------------------------------------------------------------


def _gate(report: Report) -> Iterator[Block]:
    judgement = report.gate
    if judgement is None:
        yield Para([f"Not judged: {report.gate_why}."])
        return
    rows: list[tuple[str, Cell]] = [("Verdict", Mark(judgement.outcome, _KINDS[judgement.outcome]))]
    if judgement.rule is not None:
        rows.append(("Rule", str(judgement.rule)))
    if judgement.declared:
        rows.append(("Declared", judgement.declared))
    figures = judgement.figures
    if figures is not None:
        verb = "reaches the threshold with" if figures.margin >= 0 else "misses the threshold by"
        spare = " to spare" if figures.margin >= 0 else ""
        rows += [
            ("Bound", f"{number(figures.bound, 6)}: {verb} {number(abs(figures.margin), 3)}{spare}"),
            (
                "Mean",
                f"{number(figures.interval.mean, 6)} over {figures.interval.n} runs; not what is judged",
            ),
        ]
    rows.append(("Varied between the runs", judgement.varied or "nothing: there are fewer than two"))
    rows.append(("Other specs tried", f"{judgement.others:,}"))
    yield Facts(rows)
    judged: list[list[Cell]] = [
        [
            run_ref(run.id),
            seed_words(run.record.seed, run.record.seeds, ""),
            "" if run.value is None else Ref(number(run.value, 6), f"#run-{run.id}"),
            run.part,
            run.says,
        ]
        for run in judgement.runs[:MOST_RUNS]
    ]
    yield Table(
        "Every run of this spec", ["Run", "Seed", "Value", "Counts as", "Why"], judged, frozenset({1, 2})
    )
    if judgement.findings:
        yield Bullets([f"{finding.kind}: {finding.says}" for finding in judgement.findings[:100]])
    yield Para([UNPROVEN], soft=True)


# --- reproducibility -----------------------------------------------------------------------------


def _reproducibility(report: Report) -> Iterator[Block]:
    record = report.subject.record if report.subject else None
    claim = report.protocol.reproducibility
    best = report.reproductions[-1] if report.reproductions else None
    rows: list[tuple[str, Cell]] = [
        ("Level claimed", claim.level + (f": {claim.why}" if claim.why else "")),
        ("Level shown", _shown(best)),
    ]
    if record is not None:
        rows += [("Mechanism", text) for text in _mechanisms(record)]
    rows += [("Tolerance", f"{name} within ± {by:g}") for name, by in claim.tolerance.items()]
    if not claim.tolerance:
        rows.append(("Tolerance", _tolerance(best)))
    rows += [("May cause variation", factor) for factor in _factors(report)]
    rows += [("Known limit", text) for text in _limits(record)]
    yield Facts(rows)
    for statement in reversed(report.reproductions[-10:]):
        yield from _statement(statement)


def _shown(best: Reproduction | None) -> list[Inline]:
    if best is None:
        return ["none: no rerun is recorded (gittrack reproduce)"]
    verdict = best.verdict
    kind = "bad" if verdict.level == "not-reproduced" else "good"
    return [Mark(verdict.level, kind), f": {verdict.why}"]


def _tolerance(best: Reproduction | None) -> str:
    if best is None:
        return "none stated, and no rerun to take it from"
    if best.verdict.level.startswith("bitwise"):
        return "none needed: the same bytes"
    if best.verdict.level == "statistical":
        return f"the prediction interval of the reruns, joint confidence {best.verdict.confidence:g}"
    return "0: gittrack.yaml states none"


def _mechanisms(record: Record) -> Iterator[str]:
    """What makes that a run can be had again, and what is missing for it."""
    yield "code by commit" + (", with its uncommitted changes as a snapshot" if record.code.snapshot else "")
    digests = sum(1 for data in record.data if data.sha256 or data.md5 or data.blob)
    yield f"{digests} of {len(record.data)} data sets by digest" if record.data else "no data recorded"
    pinned = [lock for lock in record.locks if lock.pins != "none"]
    yield (
        "locks: " + ", ".join(f"{lock.path} (pins {lock.pins})" for lock in pinned[:10])
        if pinned
        else "no lock file"
    )
    seeded = seed_key(record) != UNSEEDED or has_seed(record.params)
    yield "seed recorded" if seeded else "no seed recorded"
    yield "container image by digest" if record.surroundings.image else "no container image recorded"
    flags = sum(1 for flag in record.determinism.values() if flag not in (None, False))
    if flags:
        yield f"{flags} switches of determinism in force, listed with the environment"


def _factors(report: Report) -> list[str]:
    factors = [*report.protocol.reproducibility.factors]
    factors += [text for statement in report.reproductions for text in statement.verdict.factors]
    return [*at_most(tuple(dict.fromkeys(factors)))] or ["none declared, and none seen in reruns"]


def _limits(record: Record | None) -> Iterator[str]:
    yield "nobody promises equality across machines, drivers and libraries: verdicts say what was seen"
    if record is not None and record.surroundings.gpus:
        yield "the run used a GPU: atomic additions of its kernels have no fixed order unless switched off"
    yield "an interval covers only what was varied between the runs that it comes from"


def _statement(statement: Reproduction) -> Iterator[Block]:
    verdict = statement.verdict
    reached = Mark("reached", "good") if statement.claim_reached else Mark("not reached", "bad")
    made = parse_time(statement.made).strftime("%Y-%m-%d %H:%M UTC")
    yield Facts(
        [
            (f"Reruns of {made}", [*_shown(statement), ", of run ", run_ref(statement.run)]),
            ("Claim", [f"{statement.claim}: ", reached]),
            ("Varied", verdict.varied),
            (
                "How",
                f"environment {statement.environment}, executor {statement.executor}, "
                f"by {statement.author.name}",
            ),
        ]
    )
    reruns: list[list[Cell]] = [
        [
            run_ref(r.run),
            "" if r.seed is None else str(r.seed),
            Mark(r.level, "bad" if r.level == "failed" else "plain"),
            r.host,
            cut("; ".join(r.differs), 300),
        ]
        for r in verdict.reruns[:MOST_RUNS]
    ]
    yield Table("Reruns", ["Run", "Seed", "Level", "Host", "What differs"], reruns, frozenset({1}))
    rows: list[list[Cell]] = []
    for name, a in verdict.metrics.items():
        interval = "" if a.low is None or a.high is None else f"{number(a.low, 5)} to {number(a.high, 5)}"
        original = figure(a.original, 6)
        mean = "" if a.mean is None else number(a.mean, 6)
        inside = Mark("inside", "good") if a.inside else Mark("outside", "bad")
        rows.append([name, Ref(original, f"#run-{statement.run}"), str(a.n), mean, interval, inside])
    if rows:
        header = ["Metric", "Original", "Reruns", "Mean", "One more run lies in", "The original is"]
        caption = f"Metrics over the reruns; joint confidence of the intervals {verdict.confidence:g}"
        yield Table(caption, header, rows, frozenset({1, 2, 3}))


# --- accuracy ------------------------------------------------------------------------------------


def _accuracy(report: Report) -> Iterator[Block]:
    group, record = report.group, report.subject.record if report.subject else None
    if group is None or record is None:
        yield Para([f"Not stated: {report.subject_why}."])
        return
    rows: list[list[Cell]] = []
    for name, final in record.metrics.items():
        if slice_of(name):
            continue
        mean, meaning = figure_of(group, name), report.protocol.metrics.get(name)
        own = figure(final.status or final.value, 6)
        interval = "" if mean is None or mean.low is None or mean.high is None else (
            f"{number(mean.low, 5)} to {number(mean.high, 5)}"
        )  # fmt: skip
        rows.append(
            [
                name,
                Ref(own, f"#run-{record.id}"),
                "" if mean is None else Ref(number(mean.mean, 6), f"#spec-{group.spec[:12]}"),
                interval,
                "" if mean is None else str(mean.n),
                (meaning.split if meaning else None) or final.split or "",
            ]
        )
    if rows:
        header = ["Metric", "This run", "Mean of replicates", "95 % interval of the mean", "Runs", "Split"]
        yield Table("Level of accuracy, with its uncertainty", header, rows, frozenset({1, 2, 3, 4}))
    else:
        yield Para(["The run recorded no metric."])
    count = len(group.across.runs)
    varied = group.across.varied if count > 1 else "nothing: there is one run"
    yield Para([f"Varied between the replicates: {varied}. ", "; ".join(cautions(group.across))], soft=True)


def _groups(report: Report) -> Iterator[Block]:
    if not report.slices:
        yield Para(
            [
                "No figure by group is recorded. "
                "A metric named METRIC/GROUP=VALUE, such as accuracy/sex=female, is one."
            ]
        )
        return
    record = report.subject.id if report.subject else ""
    rows: list[list[Cell]] = []
    for part in report.slices:
        value = figure(part.value, 5)
        apart = (
            part.value - part.whole if part.whole is not None and not isinstance(part.value, str) else None
        )
        over = figure_text(part.figure) if part.figure is not None and part.figure.n > 1 else ""
        gap = "" if apart is None else f"{apart:+.3g}"
        rows.append([part.metric, part.group, Ref(value, f"#run-{record}"), gap, over])
    header = ["Metric", "Group", "This run", "From the whole", "Over replicates"]
    yield Table("Metrics by group", header, rows, frozenset({2, 3, 4}))
