"""How the model was selected: criteria and since when, decision, every candidate, curves, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gittrack.formats.decision import Figure
from gittrack.formats.record import parse_time
from gittrack.governance.gate.rule import plural
from gittrack.publishing.report.document import (
    Block,
    Bullets,
    Cell,
    Chapter,
    Code,
    Facts,
    Inline,
    Mark,
    Para,
    Quote,
    Ref,
    Table,
)
from gittrack.publishing.report.facts import slice_of
from gittrack.publishing.report.gist import commit, run_ref
from gittrack.publishing.report.model import Candidate, Report, Signed
from gittrack.publishing.report.pictures import bars, curves, intervals
from gittrack.publishing.report.places import utc
from gittrack.text.text import cut, number, value

MOST_METRICS = 5
MOST_PARAMS = 6
MOST_RUNS = 24
"""Links to runs in one cell; all runs stand in their own table."""


def selection(report: Report) -> Iterator[Chapter]:
    """Criteria, decision and candidates; then curves and the relevance of parameters."""
    provision = "Annex IV 2(b), 2(g), Article 9(8)"
    yield Chapter(
        "criteria",
        "Criteria, and since when they are fixed",
        list(_criteria(report)),
        about=provision,
        module=5,
    )
    blocks = [*_decision(report), *_candidates(report)]
    yield Chapter("selection", "How the model was selected", blocks, about="Annex IV 2(b)", module=5)
    if report.curves:
        drawn = {line.spec for chart in report.curves for line in chart.lines}
        left = len({c.spec for c in report.candidates if c.runs} - drawn)
        subject = report.subject.id if report.subject else None
        pictures = [curves(chart, subject, f"curve-{at}", left) for at, chart in enumerate(report.curves)]
        yield Chapter("curves", "Learning curves", pictures, 3, module=5)
    yield Chapter(
        "importance", "Relevance of the parameters", list(_importance(report)), 3, "Annex IV 2(b)", 3
    )


# --- criteria ------------------------------------------------------------------------------------


def _criteria(report: Report) -> Iterator[Block]:
    protocol = report.protocol
    if not protocol.metrics and protocol.gate is None:
        yield Para(["The gittrack.yaml of these runs declares no metrics and no gate for this experiment."])
    rows: list[list[Cell]] = [
        [name, m.direction or "", m.unit or "", m.split or "", m.why or ""]
        for name, m in protocol.metrics.items()
    ]
    if rows:
        yield Table(
            "Metrics, as gittrack.yaml declared them when the runs were made",
            ["Metric", "Better is", "Unit", "Split", "Why"],
            rows,
        )
    if protocol.gate is not None:
        rule = report.gate.rule if report.gate is not None else None
        gate = protocol.gate
        gate_rule = str(rule) if rule is not None else f"{gate.metric} against {gate.threshold:.12g}"
        yield Facts([("Gate", gate_rule), *([("Why", gate.why)] if gate.why else [])])
        yield from _origins(report)
    if report.versions:
        yield _versions(report)


def _origins(report: Report) -> Iterator[Block]:
    """Since when the gate is in force, and when the first result came."""
    started = {run.id: run.started for run in report.records}
    for origin in report.origins:
        first = min(filter(None, (started.get(run) for run in origin.runs)), default=None)
        older = ", or before: this clone is shallow" if origin.cut_off else ""
        when = f" The first of them started {parse_time(first):%Y-%m-%d %H:%M} UTC." if first else ""
        yield Para(
            [
                "The gate has been in force, without a change, since commit ", commit(report, origin.commit),
                f" ({utc(origin.seconds)} by its committer's clock{older}). Git proves the order: "
                f"the code of {plural(len(origin.runs), 'run')} of the subject's spec comes from it.{when}",
            ]
        )  # fmt: skip
    if not report.origins:
        why = f": {report.origins_why}" if report.origins_why else ""
        yield Para([f"Since when the gate is in force is not shown{why or ', for no run was selected'}."])


def _versions(report: Report) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(v.blob[:12]) if v.blob else "none",
            f"{v.runs:,}",
            run_ref(v.first),
            v.why or v.gate or "no gate",
        ]
        for v in report.versions
    ]
    same = "one for all runs" if len(rows) == 1 else f"{len(rows)} in the course of the experiment"
    return Table(
        f"gittrack.yaml in the code of the runs: {same}",
        ["Blob", "Runs", "First run", "Gate"],
        rows,
        frozenset({1}),
    )


# --- decision ------------------------------------------------------------------------------------


def _decision(report: Report) -> Iterator[Block]:
    if not report.decisions:
        yield Para(
            [
                "No decision is recorded. ",
                Code("gittrack decide RUN --outcome selected --because TEXT"),
                " records one.",
            ]
        )
        return
    own = report.decision
    if own is not None:
        made = own.decision
        yield Quote(made.because, [f"{made.author.name} on why ", run_ref(made.run), f" is {made.outcome}"])
        yield Facts(list(_sign_off(report, own)))
    elif report.subject is not None:
        yield Para(["No decision on this run is recorded."])
    rows: list[list[Cell]] = [
        [
            Code(s.decision.id),
            run_ref(s.decision.run),
            Mark(s.decision.outcome, "good" if s.decision.outcome == "selected" else "plain"),
            parse_time(s.decision.made).strftime("%Y-%m-%d %H:%M"),
            s.decision.author.name,
            "holds" if s.holds else "superseded",
            cut(s.decision.because, 200),
            commit(report, s.commit),
        ]
        for s in report.decisions
    ]
    header = ["Decision", "Run", "Outcome", "Made (UTC)", "By", "State", "Because", "Commit"]
    yield Table("All decisions of the experiment, superseded ones too", header, rows)


def _sign_off(report: Report, signed: Signed) -> Iterator[tuple[str, Cell]]:
    made = signed.decision
    runs, failed = sum(len(c.runs) for c in made.candidates), sum(len(c.failed) for c in made.candidates)
    weighed = plural(len(made.candidates), "candidate")
    yield "Weighed", f"{weighed}: {plural(runs, 'finished run')}, {failed} failed or killed"
    how = f"{signed.signature} signature" if signed.signature else "no signature"
    yield (
        "Decided by",
        [f"{made.author.name}, in commit ", commit(report, signed.commit), f" of {signed.committed}: {how}"],
    )
    if signed.merge:
        yield "Approved by", [f"{signed.merged_by}, who committed the merge ", commit(report, signed.merge)]
    else:
        yield "Approved by", "nobody else: it was committed to the ledger directly"
    yield (
        "Criteria",
        ["gittrack.yaml ", Code((made.criteria.protocol or "none")[:12]), ", that of the run's code"],
    )
    yield "Read it", Code(f"git show {signed.commit[:12]}:{made.path}")


# --- candidates ----------------------------------------------------------------------------------


def _candidates(report: Report) -> Iterator[Block]:
    own = report.subject.record.spec if report.subject else None
    metrics = _metrics(report)
    params = list(dict.fromkeys(name for c in report.candidates for name in c.apart))[:MOST_PARAMS]
    yield from _picture(report, metrics, own)
    yield _table(report, metrics, params, own)
    sentence = (
        "A candidate is all runs of one spec: the same code, command, parameters, data and locks. "
        "Figures are means over distinct seeds with two-sided 95 % t intervals, where there are two or more. "
        "The best of several looks better than it is, for it was chosen by its figure."
    )
    if report.decision is not None:
        sentence = "Figures of candidates that the decision weighed are those written down in it. " + sentence
    yield Para([sentence], soft=True)


def _table(report: Report, metrics: Sequence[str], params: Sequence[str], own: str | None) -> Table:
    rows: list[list[Cell]] = []
    for c in report.candidates:
        whose: list[Inline] = [Code(c.spec[:8])]
        if c.spec == own:
            whose += [" ", Mark("reported run", "plain")]
        rows.append(
            [
                whose,
                Mark(c.outcome, "good" if c.outcome == "selected" else "plain") if c.outcome else "",
                _weighed(report, c),
                f"{len(c.runs):,}",
                f"{len(c.failed):,}",
                *(cut(value(c.apart[name]), 60) if name in c.apart else "" for name in params),
                *(_figure(c, name) for name in metrics),
                _runs(c),
            ]
        )
    header = ["Spec", "Outcome", "Decision", "Finished", "Failed", *params, *metrics, "Runs"]
    first = 5 + len(params)
    right = frozenset({3, 4, *range(first, first + len(metrics))})
    anchors = [f"spec-{c.spec[:12]}" for c in report.candidates]
    return Table(f"All {plural(len(rows), 'candidate')}, oldest first", header, rows, right, anchors)


def _weighed(report: Report, candidate: Candidate) -> str:
    if report.decision is None:
        return ""
    if not candidate.weighed:
        return "not weighed"
    return f"weighed; {candidate.later:,} runs since" if candidate.later else "weighed"


def _picture(report: Report, metrics: Sequence[str], own: str | None) -> Iterator[Block]:
    """Means and intervals of the metric that decides, where there are candidates to compare."""
    gate = report.protocol.gate
    metric = gate.metric if gate is not None and gate.metric in metrics else next(iter(metrics), None)
    pairs = [(c, c.figures[metric]) for c in report.candidates if metric is not None and metric in c.figures]
    if metric is None or len(pairs) < 2 or any(abs(f.mean) > 1e100 for _, f in pairs):
        return
    sign = 1 if report.protocol.direction_of(metric) == "minimize" else -1
    pairs.sort(key=lambda item: (item[0].spec != own, sign * item[1].mean))
    figures = [(_label(c.apart) or c.spec[:8], f, c.spec == own) for c, f in pairs]
    threshold = gate.threshold if gate is not None and gate.metric == metric else None
    yield intervals(metric, figures, threshold, "intervals")


def _label(apart: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value(item)}" for name, item in list(apart.items())[:3])


def _metrics(report: Report) -> list[str]:
    declared = list(report.protocol.metrics)
    names = sorted({name for candidate in report.candidates for name in candidate.figures})
    return [name for name in (declared or names) if not slice_of(name)][:MOST_METRICS]


def _figure(candidate: Candidate, metric: str) -> Cell:
    figure = candidate.figures.get(metric)
    if figure is None or not candidate.runs:
        return ""
    target = f"#run-{candidate.runs[0]}" if len(candidate.runs) == 1 else f"#spec-{candidate.spec[:12]}"
    return Ref(figure_text(figure), target)


def figure_text(figure: Figure) -> str:
    """``0.98178 ± 0.0077 (n 5)``."""
    if figure.n == 1:
        return number(figure.mean, 5)
    if figure.high is None:
        return f"{number(figure.mean, 5)} (n {figure.n}, identical)"
    return f"{number(figure.mean, 5)} ± {figure.high - figure.mean:.2g} (n {figure.n})"


def _runs(candidate: Candidate) -> Cell:
    cell: list[Inline] = []
    for run in candidate.runs[:MOST_RUNS]:
        cell += [*([" "] if cell else []), run_ref(run, short=True)]
    for run in candidate.failed[: max(0, MOST_RUNS - len(candidate.runs))]:
        cell += [*([" "] if cell else []), run_ref(run, short=True), " failed"]
    more = len(candidate.runs) + len(candidate.failed) - MOST_RUNS
    return [*cell, f" and {more:,} more"] if more > 0 else cell


# --- parameters ----------------------------------------------------------------------------------


def _importance(report: Report) -> Iterator[Block]:
    importance = report.importance
    if importance is None:
        yield Para([f"Not ranked: {report.importance_why}."])
        return
    rows: list[list[Cell]] = []
    for p in importance.parameters:
        rho = p.correlation.rho if p.correlation is not None else None
        rows.append(
            [p.name, p.kind, f"{p.levels:,}", *(_number(each) for each in (p.importance, rho, p.holm)), p.why]
        )
    drops = [
        (p.name, p.importance) for p in importance.parameters if p.importance is not None and p.importance > 0
    ]
    rhos = [
        (p.name, p.correlation.rho)
        for p in importance.parameters
        if p.correlation and p.correlation.rho is not None
    ]
    yield Para([f"Association with {importance.metric} over {importance.runs:,} runs."])
    yield Bullets(
        [*importance.cautions, *(f"{n:,} runs left out: {why}" for why, n in importance.left_out.items())]
    )
    if drops:
        yield bars(
            drops,
            f"By how much the forest's R² for {importance.metric} falls without each parameter",
            "importance-bars",
        )
    elif rhos:
        rhos.sort(key=lambda item: -abs(item[1]))
        yield bars(
            rhos, f"Spearman's rank correlation of each parameter with {importance.metric}", "importance-bars"
        )
    header = ["Parameter", "Kind", "Values", "R² lost", "Spearman's ρ", "p (Holm)", "Why not"]
    yield Table(
        f"Parameters by their association with {importance.metric}", header, rows, frozenset({2, 3, 4, 5})
    )


def _number(found: float | None) -> str:
    return "" if found is None else number(found, 3)
