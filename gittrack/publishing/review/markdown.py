"""A review as Markdown that GitHub and GitLab render, below what a comment may hold, most important first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gittrack.formats.decision import Decision, Figure
from gittrack.publishing.review import Experiment, Replicated, Review
from gittrack.publishing.review.charts import charts, legend, mermaid
from gittrack.publishing.review.questions import questions
from gittrack.reading.diff import Comparison, MetricPair, Pair
from gittrack.reading.entry import Entry
from gittrack.stats.maths import Interval
from gittrack.stats.metrics import direction_of, metric_names, rule_of
from gittrack.text.markdown import code, prose
from gittrack.text.seeds import seed_words
from gittrack.text.tables import markdown_lines
from gittrack.text.text import number, value

LIMIT = 65_536
"""Characters that a comment on GitHub holds; GitLab's holds a million."""

MARKER = "<!-- gittrack review -->"
"""First line: by it CI finds the comment to update."""

_RESERVED = 400
_MOST = {
    "findings": 30,
    "altered": 20,
    "rows": 100,
    "params": 8,
    "metrics": 8,
    "changes": 40,
    "questions": 40,
}
_SIGNS = {"PASS": "✅", "FAIL": "❌", "INCOMPLETE": "⚠️"}
_LETTERS = {"A": "added", "M": "changed", "D": "deleted", "T": "changed type"}


def as_markdown(review: Review, limit: int = LIMIT) -> str:
    """The document; what had no room is named at its end."""
    checklist = "\n".join(_questions(review)) + "\n"
    left = limit - len(checklist[: limit // 3]) - _RESERVED
    taken: list[str] = []
    missing: list[str] = []
    for title, block in _blocks(review):
        if len(block) + 2 <= left:
            taken.append(block)
            left -= len(block) + 2
        else:
            missing.append(title)
    if len(checklist) > limit // 3:
        checklist = checklist[: limit // 3].rpartition("\n")[0] + "\n"
        missing.append("questions")
    note = ""
    if missing:
        left_out = ", ".join(dict.fromkeys(missing))[:200]
        note = (
            f"\nCut to what a comment holds; left out: {left_out}. In a clone, `gittrack review` shows it.\n"
        )
    return "\n\n".join([*taken, checklist]) + note


def _blocks(review: Review) -> Iterator[tuple[str, str]]:
    """Title and text of each part that may be left out when there is no room, most important first."""
    yield "heading", "\n".join(_head(review))
    yield from _parts("findings of verify", _findings(review))
    if review.selection.altered:
        yield "files altered", "\n".join(_altered(review))
    if review.selection.decisions:
        yield "decisions", "\n".join(_decisions(review.selection.decisions))
    for experiment in review.experiments:
        yield "table of runs", "\n".join(_table(experiment))
    for experiment in review.experiments:
        if experiment.replicated:
            yield "replicates", "\n".join(_replicates(experiment))
    for experiment in review.experiments:
        if experiment.comparisons:
            yield "changes", "\n".join(_changes(experiment))
    for experiment in review.experiments:
        for at, chart in enumerate(charts(experiment)):
            title = f"### Learning curves of {prose(experiment.name)}\n\n" if at == 0 else ""
            yield "learning curves", f"{title}{mermaid(chart)}\n\n{prose(legend(chart), 1000)}"


def _parts(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    if lines:
        yield title, "\n".join(lines)


def _head(review: Review) -> list[str]:
    about = [e.name for e in review.experiments] or sorted({d.experiment for d in review.selection.decisions})
    names = ", ".join(prose(name, 60) for name in about[:5]) or "no experiment"
    what = "added to the ledger" if review.span.kind == "ledger" else "of these commits"
    outcome = review.verified.outcome if review.verified else None
    headline = f"{_SIGNS[outcome]} **verify: {outcome}**" if outcome else "**verify**: nothing to check"
    plural = "run" if review.runs == 1 else "runs"
    return [
        MARKER,
        f"## gittrack: {review.runs} {plural} {what} ({names})",
        "",
        f"{headline} · {code(review.span.base[:12])} → {code(review.span.head[:12])}",
    ]


def _findings(review: Review) -> list[str]:
    findings = [f for f in review.verified.findings if f.severity != "note"] if review.verified else []
    if not findings:
        return []
    order = {"fail": 0, "incomplete": 1}
    findings.sort(key=lambda f: order[f.severity])
    most = _MOST["findings"]
    rows = []
    for f in findings[:most]:
        where = code(f.run or f.path or "", 60)
        rows.append([f.severity, code(f.code), where, prose(f.says)])
    return [*markdown_lines(["", "Finding", "Where", "What"], rows), *_more(len(findings) - most, "finding")]


def _altered(review: Review) -> list[str]:
    altered, most = review.selection.altered, _MOST["altered"]
    lines = ["### ❌ More than new runs", "", "Records are add-only. This also touches:", ""]
    lines += [f"- {_LETTERS.get(letter, letter)}: {code(path, 200)}" for letter, path in altered[:most]]
    return [*lines, *_more(len(altered) - most, "file")]


def _decisions(decisions: Sequence[Decision]) -> list[str]:
    """Each with the figures of its candidates, the one decided on first."""
    lines = ["### Decisions"]
    for made in decisions:
        who = f"by {prose(made.author.name, 60)}"
        lines += ["", f"{code(made.run)} of {prose(made.experiment, 60)}: **{made.outcome}**, {who}", ""]
        lines += [f"> {prose(made.because, 600)}", ""]
        names = list(dict.fromkeys(name for c in made.candidates for name in c.metrics))[: _MOST["metrics"]]
        header = ["Candidate", "Finished", "Failed", *(code(n, 40) for n in names)]
        rows = []
        own = sorted(made.candidates, key=lambda c: made.run not in (*c.runs, *c.failed))
        for candidate in own[: _MOST["changes"]]:
            ids = [*candidate.runs, *candidate.failed]
            name = code(made.run if made.run in ids else (ids or [candidate.spec])[0])
            cells = [name, str(len(candidate.runs)), str(len(candidate.failed))]
            cells += [figure(candidate.metrics.get(metric)) for metric in names]
            rows.append(cells)
        lines += markdown_lines(header, rows, range(1, len(header)))
        lines += _more(len(own) - _MOST["changes"], "candidate")
    return lines


def figure(figure: Figure | None) -> str:
    """``0.93 ± 0.01 (n 3)``."""
    if figure is None:
        return "—"
    half = "" if figure.high is None else f" ± {figure.high - figure.mean:.2g}"
    return f"{number(figure.mean, 5)}{half} (n {figure.n})"


def _table(experiment: Experiment) -> list[str]:
    """Runs below the baseline: the parameters that differ among them, and the metrics with the difference."""
    entries = [*([experiment.baseline] if experiment.baseline else []), *experiment.runs]
    params = differing(entries)
    metrics = metric_names([run.record for run in experiment.runs])
    shown_params, shown_metrics = params[: _MOST["params"]], metrics[: _MOST["metrics"]]
    header = ["Run", "Status", "Seed", *(code(n, 40) for n in shown_params)]
    header += [_title(entries, name) for name in shown_metrics]
    compared = {c.b.id: {pair.name: pair for pair in c.metrics} for c in experiment.comparisons}
    rows = (_row(experiment, e, shown_params, shown_metrics, compared) for e in entries[: _MOST["rows"]])
    numbers = range(3 + len(shown_params), len(header))
    lines = [f"### {prose(experiment.name)}", "", *markdown_lines(header, rows, numbers)]
    lines += _more(len(entries) - _MOST["rows"], "run")
    lines += _more(len(params) - len(shown_params), "differing parameter")
    lines += _more(len(metrics) - len(shown_metrics), "metric")
    lines += [f"\nNot compared: {prose(why)}" for why in experiment.unreadable[:5]]
    return [*lines, *_hypotheses(experiment)]


def _row(
    experiment: Experiment,
    entry: Entry,
    params: Sequence[str],
    metrics: Sequence[str],
    compared: dict[str, dict[str, MetricPair]],
) -> list[str]:
    record = entry.record
    name = code(entry.id) + (" (baseline)" if entry is experiment.baseline else "")
    flat = flat_params(entry)
    cells = [name, record.ending, prose(seed_words(record.seed, record.seeds, "—"))]
    cells += [code(value(flat[p], 5), 40) if p in flat else "—" for p in params]
    pairs = compared.get(entry.id, {})
    for metric in metrics:
        final = record.metrics.get(metric)
        cell = "—" if final is None else final.status or value(final.value, 5)
        cells.append(cell + difference(pairs.get(metric)))
    return cells


def difference(pair: MetricPair | None) -> str:
    """`` (+0.02, better)`` after a value that has something to be compared with."""
    if pair is None or pair.difference is None or pair.same:
        return ""
    verdict = {"better": ", **better**", "worse": ", **worse**"}.get(pair.verdict or "", "")
    return f" ({pair.difference:+.3g}{verdict})"


def _title(entries: Sequence[Entry], name: str) -> str:
    """The heading of a metric's column: its name, unit, and which way is better."""
    metrics = [m for e in entries if (m := e.record.metrics.get(name)) is not None]
    arrow = {"maximize": " ↑", "minimize": " ↓"}
    direction = arrow.get(direction_of([e.record for e in entries], name) or "", "")
    unit = next((f" [{prose(m.unit, 20)}]" for m in metrics if m.unit), "")
    rule = rule_of([e.record for e in entries], name)
    return code(name, 40) + unit + direction + (f" ({rule})" if rule else "")


def _hypotheses(experiment: Experiment) -> list[str]:
    hypotheses = dict.fromkeys(run.record.hypothesis for run in experiment.runs if run.record.hypothesis)
    return [line for text in list(hypotheses)[:5] for line in ("", f"Hypothesis: {prose(text, 400)}")]


def _replicates(experiment: Experiment) -> list[str]:
    """Means with t intervals, and Welch's test against the baseline's replicates."""
    interval_of = "(95 % interval)"
    header = ["Runs", "Metric", f"Mean {interval_of}", "Baseline", f"Difference {interval_of}", "Is it real?"]
    rows = [
        [str(r.mean.n), code(r.metric, 40), mean(r.mean), mean(r.base), interval(r), verdict(r)]
        for r in experiment.replicated[: _MOST["changes"]]
    ]
    title = f"### Replicates of {prose(experiment.name)}"
    lines = [title, "", *markdown_lines(header, rows, {0, 2, 3, 4})]
    lines += _more(len(experiment.replicated) - _MOST["changes"], "row")
    return [
        *lines,
        "",
        "Two-sided t intervals; Welch's test, each metric by itself: with many, some differ by chance.",
    ]


def mean(estimate: Interval | None) -> str:
    """``0.93 ± 0.01 (n 3)``."""
    if estimate is None:
        return "—"
    half = "" if estimate.high is None else f" ± {estimate.high - estimate.mean:.2g}"
    alike = ", identical" if estimate.sd == 0 else ""
    return f"{number(estimate.mean, 5)}{half} (n {estimate.n}{alike})"


def interval(replicated: Replicated) -> str:
    """``+0.02 [+0.01, +0.03]``."""
    d = replicated.difference
    if d is None:
        return "—"
    between = "" if d.low is None or d.high is None else f" [{d.low:+.3g}, {d.high:+.3g}]"
    return f"{d.difference:+.4g}{between}"


def verdict(replicated: Replicated) -> str:
    """The verdict in words, with p where there is one."""
    d = replicated.difference
    if d is None:
        return "no baseline"
    if d.real is None or d.p is None:
        return replicated.verdict
    p = "p < 0.001" if d.p < 0.001 else f"p = {d.p:.2g}"
    return f"**yes, {replicated.verdict}** ({p})" if d.real else f"no real difference ({p})"


def _changes(experiment: Experiment) -> list[str]:
    """What else differs from the baseline, runs that differ alike together."""
    base = experiment.baseline.id if experiment.baseline else ""
    lines = [f"### What changed in {prose(experiment.name)}, against {code(base)}", ""]
    for ids, changes in alike(experiment.comparisons):
        who = ", ".join(code(i) for i in ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
        lines += [f"<details><summary>{who}: {prose(summary(changes))}</summary>", ""]
        lines += [f"- {prose(title)}: {code(text, 200)}" for title, text in changes[: _MOST["changes"]]]
        lines += [*_more(len(changes) - _MOST["changes"], "change"), "", "</details>", ""]
    return lines


def alike(comparisons: Sequence[Comparison]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Ids of runs, and what is different about all of them: kind and text of each change."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for comparison in comparisons:
        groups.setdefault(tuple(_differences(comparison)), []).append(comparison.b.id)
    return [(ids, list(changes)) for changes, ids in groups.items()]


def _differences(comparison: Comparison) -> Iterator[tuple[str, str]]:
    sections = (("data", comparison.data), ("lock", comparison.locks), ("package", comparison.packages))
    for title, pairs in sections:
        yield from ((title, _change(pair)) for pair in pairs if not pair.same)
    yield from (("code", f"{_LETTERS.get(letter, letter)} {path}") for letter, path in comparison.code)
    for pair in comparison.environment:
        if not pair.same and not pair.name.endswith("PYTHONHASHSEED"):  # the seed again
            yield "environment", _change(pair)
    for name, why in comparison.unavailable.items():
        yield "not available", f"{name}: {why}".replace(f"run {comparison.b.id}", "the run")


def _change(pair: Pair) -> str:
    def short(item: object) -> str:
        text = "none" if item is None else value(item)
        return text[:12] + text[64:] if len(text) >= 64 and text[:64].isalnum() else text[:60]

    return f"{pair.name}: {short(pair.a)} → {short(pair.b)}"


def summary(changes: Sequence[tuple[str, str]]) -> str:
    """``2 package, 1 code``."""
    counts: dict[str, int] = {}
    for title, _ in changes:
        counts[title] = counts.get(title, 0) + 1
    return ", ".join(f"{count} {title}" for title, count in counts.items()) or "nothing else"


def _questions(review: Review) -> list[str]:
    sentences = questions(review)
    lines = ["### To decide", ""]
    lines += [f"- [ ] {prose(text, 500)}" for text in sentences[: _MOST["questions"]]]
    lines += _more(len(sentences) - _MOST["questions"], "question")
    return [*lines, "- [ ] Merge, ask for more runs, or turn it down: the record stays as it is in any case."]


def _more(count: int, noun: str) -> list[str]:
    return [f"\nand {count} more {noun}{'' if count == 1 else 's'}"] if count > 0 else []


# --- shared with the terminal view -------------------------------------------------------------


def flat_params(entry: Entry) -> dict[str, object]:
    """Dotted parameter names and their values."""
    from gittrack.formats.flat import flatten

    return flatten(entry.record.params)


def differing(entries: Sequence[Entry]) -> list[str]:
    """Parameters that do not say the same of all of `entries`."""
    flats = [flat_params(entry) for entry in entries]
    names = dict.fromkeys(name for flat in flats for name in flat)
    return [n for n in names if len({repr(flat.get(n, None)) + str(n in flat) for flat in flats}) > 1]
