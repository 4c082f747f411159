"""A review on a terminal: verdict, one table an experiment, replicates, changes, questions."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.publishing.review import Experiment, Review
from gittrack.publishing.review.markdown import (
    alike,
    differing,
    flat_params,
    interval,
    mean,
    summary,
    verdict,
)
from gittrack.publishing.review.questions import questions
from gittrack.stats.metrics import metric_names, rule_of
from gittrack.text import text
from gittrack.text.seeds import seed_words
from gittrack.text.table import Cell, Line, layout, left_out_words

_COLOURS = {"PASS": "green", "FAIL": "red", "INCOMPLETE": "yellow"}
_LETTERS = {"A": "added", "M": "changed", "D": "deleted"}
_FINDINGS = 20


def terminal(review: Review, paint: text.Paint, columns: int | None) -> list[str]:
    """The lines to show."""
    outcome = review.verified.outcome if review.verified else "nothing to check"
    lines = [
        f"{paint('bold', f'{review.runs} runs')}  {review.span.base[:12]} → {review.span.head[:12]}",
        f"verify: {paint(_COLOURS.get(outcome), outcome)}",
    ]
    findings = [f for f in review.verified.findings if f.severity != "note"] if review.verified else []
    for f in findings[:_FINDINGS]:
        where = text.one_line(f.run or f.path or "")
        lines.append(f"    {f.severity}  {f.code}  {where}  {text.one_line(f.says)}")
    if len(findings) > _FINDINGS:
        lines.append(f"    and {len(findings) - _FINDINGS} more; gittrack verify lists them")
    for letter, path in review.selection.altered[:_FINDINGS]:
        lines.append(paint("red", f"{_LETTERS.get(letter, letter)}: {text.one_line(path)}"))
    damaged = review.damaged[:_FINDINGS]
    lines += [paint("red", f"damaged: {text.one_line(row.fault or row.path)}") for row in damaged]
    for made in review.selection.decisions:
        among = f"among {len(made.candidates)} specs"
        lines += ["", f"{made.run} of {made.experiment}: {paint('bold', made.outcome)}, {among}"]
        lines.append(f"    {text.one_line(made.because)} ({text.one_line(made.author.name)})")
    for experiment in review.experiments:
        lines += ["", *_experiment(experiment, paint, columns)]
    lines += ["", paint("bold", "To decide")]
    return lines + [f"  · {text.one_line(question)}" for question in questions(review)]


def _experiment(experiment: Experiment, paint: text.Paint, columns: int | None) -> Iterator[str]:
    yield paint("bold", text.one_line(experiment.name))
    entries = [*([experiment.baseline] if experiment.baseline else []), *experiment.runs]
    params, metrics = differing(entries), metric_names([run.record for run in experiment.runs])
    verdicts = {(c.b.id, pair.name): pair.verdict for c in experiment.comparisons for pair in c.metrics}
    lines = []
    for entry in entries:
        record, flat = entry.record, flat_params(entry)
        cells = [Cell(entry.id), Cell("baseline" if entry is experiment.baseline else record.ending)]
        cells.append(Cell(text.one_line(seed_words(record.seed, record.seeds, "")), right=True))
        for name in metrics:
            final = record.metrics.get(name)
            cell = "" if final is None else final.status or text.value(final.value, 5)
            colour = {"better": "green", "worse": "red"}.get(verdicts.get((entry.id, name)) or "")
            cells.append(Cell(cell, colour, right=True))
        cells += [Cell(text.cut(text.value(flat.get(name), 5), 30)) for name in params]
        lines.append(Line([*cells, Cell(text.one_line(record.hypothesis or ""))]))
    records = [entry.record for entry in entries]
    ruled = [f"{name} ({rule})" if (rule := rule_of(records, name)) else name for name in metrics]
    names = [text.one_line(name) for name in [*ruled, *params]]
    header = ["run", "status", "seed", *names, "hypothesis"]
    table, hidden = layout(header, lines, paint, columns=columns)
    yield from (f"  {line}" for line in table)
    if hidden:
        yield f"  {left_out_words(header, hidden)}: the terminal is too narrow"
    for why in experiment.unreadable:
        yield f"  not compared: {text.one_line(why)}"
    for r in experiment.replicated:
        sentence = f"{mean(r.mean)}, baseline {mean(r.base)}, {interval(r)}: {verdict(r).replace('*', '')}"
        yield f"  {text.one_line(r.metric)}: {sentence}"
    for ids, changes in alike(experiment.comparisons):
        who = ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
        yield f"  {who} changed: {text.one_line(summary(changes))}"
        yield from (f"    {title}: {text.one_line(what)}" for title, what in changes[:_FINDINGS])
