"""Pictures as SVG in the colours of the page: curves, intervals, bars. No script, no font, no link.

Nothing is told by colour alone: the reported run is drawn heavier, and every picture has its values in words
or in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gittrack.formats.decision import Figure
from gittrack.publishing.report.document import Cell, Inline, Picture, Ref, Table
from gittrack.publishing.report.model import Curves
from gittrack.text.line_chart import Frame, Marks, Scales, escaped, extent, tick, ticks
from gittrack.text.text import clean, cut, number

WIDTH = 720
MOST_BARS = 15
MOST_INTERVALS = 20
_ROW, _LABEL = 26, 210
_TOP, _RIGHT, _BOTTOM = 12, 14, 40
_CURVES = Frame(WIDTH, 300, 64, _TOP, _RIGHT, _BOTTOM)
_MARKS = Marks('class="grid"', 'class="tick end"', 'class="tick mid"')


def _svg(name: str, height: int, title: str, words: str, lines: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{escaped(title)}</title>',
            f'<desc id="{name}-desc">{escaped(words)}</desc>',
            *lines,
            "</svg>",
        ]
    )


# --- learning curves -----------------------------------------------------------------------------


def curves(chart: Curves, subject: str | None, name: str, left_out: int) -> Picture:
    """The curves of one metric, that of `subject` drawn heavy and last."""
    steps = [point[0] for line in chart.lines for point in (line.points[0], line.points[-1])]
    values = [value for line in chart.lines for value in (line.lowest, line.highest)]
    scales = Scales(_CURVES, (min(steps), max(steps)), extent(values))
    lines = list(scales.axes(_MARKS))
    for line in sorted(chart.lines, key=lambda line: line.run == subject):
        kind = "own" if line.run == subject else "other"
        lines.append(
            f'<polyline class="{kind}" points="{scales.path(line.points)}">'
            f"<title>{escaped(line.run)}</title></polyline>"
        )
    heavy = "the reported run is drawn heavy" if any(line.run == subject for line in chart.lines) else ""
    missing = f"{left_out} more specs are in no picture" if left_out > 0 else ""
    sampled = "what git has of a long series is a sample"
    thinned = "of a long line the lowest and the highest of each stretch"
    notes = ", ".join(
        note
        for note, holds in (
            (heavy, heavy),
            (missing, missing),
            (sampled, any(line.sampled for line in chart.lines)),
            (thinned, any(len(line.points) < line.count for line in chart.lines)),
        )
        if holds
    )
    caption = f"{cut(clean(chart.metric), 100)} by step, {len(chart.lines)} runs" + (
        f"; {notes}" if notes else ""
    )
    words = f"{chart.metric} by step of {len(chart.lines)} runs; a table has their ends and extremes."
    return Picture(
        _svg(name, _CURVES.height, f"{chart.metric} by step", words, lines),
        caption,
        words,
        _values(chart, subject),
    )


def _values(chart: Curves, subject: str | None) -> Table:
    rows: list[list[Cell]] = []
    for line in chart.lines:
        whose: list[Inline] = [
            Ref(line.run, f"#run-{line.run}"),
            *([" selected"] if line.run == subject else []),
        ]
        ends = (line.points[0][1], line.lowest, line.highest, line.points[-1][1])
        count = f"{line.count:,}{' of a sample' if line.sampled else ''}"
        rows.append(
            [
                whose,
                f"{count}, {line.odd:,} not finite" if line.odd else count,
                *(number(value, 5) for value in ends),
            ]
        )
    header = ["Run", "Points", "First", "Lowest", "Highest", "Last"]
    return Table(f"{cut(clean(chart.metric), 100)}, what is drawn", header, rows, frozenset(range(1, 6)))


# --- intervals -----------------------------------------------------------------------------------


def intervals(
    metric: str, figures: Sequence[tuple[str, Figure, bool]], threshold: float | None, name: str
) -> Picture:
    """A dot for each mean with its 95 % interval; `figures`: label, figure, whether it is the subject's."""
    drawn = list(figures[:MOST_INTERVALS])
    ends = [end for _, f, _ in drawn for end in (f.low, f.high, f.mean) if end is not None]
    low, high = extent([*ends, *([threshold] if threshold is not None else [])])
    height = _TOP + _ROW * len(drawn) + _BOTTOM

    def across(value: float) -> float:
        return _LABEL + (value - low) / (high - low) * (WIDTH - _LABEL - _RIGHT)

    floor = height - _BOTTOM
    lines = []
    for value in ticks(low, high):
        x = f"{across(value):.1f}"
        lines.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{floor}"/>')
        lines.append(f'<text class="tick mid" x="{x}" y="{floor + 16}">{tick(value)}</text>')
    if threshold is not None:
        x = f"{across(threshold):.1f}"
        lines.append(f'<line class="gate" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{floor + 2}"/>')
    for at, (label, figure, own) in enumerate(drawn):
        lines += _interval(label, figure, own, _TOP + _ROW * at + _ROW / 2, across)
    words = ", ".join(f"{label}: {_figure(figure)}" for label, figure, _ in drawn)
    gate = "; the dashed line is the threshold of the gate" if threshold is not None else ""
    more = f"; {len(figures) - len(drawn)} more stand in the table" if len(figures) > len(drawn) else ""
    caption = (
        f"{cut(clean(metric), 100)} of the candidates: mean, and 95 % interval of several runs{gate}{more}"
    )
    return Picture(_svg(name, height, f"{metric} of the candidates", words, lines), caption, words + ".")


def _interval(
    label: str, figure: Figure, own: bool, y: float, across: Callable[[float], float]
) -> Iterator[str]:
    kind = "own" if own else "other"
    yield f'<text class="label end {kind}" x="{_LABEL - 14}" y="{y + 4:.1f}">{escaped(label, 30)}</text>'
    if figure.low is not None and figure.high is not None:
        a, b = across(figure.low), across(figure.high)
        yield f'<line class="span {kind}" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for x in (a, b):
            yield f'<line class="span {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4:.1f}" y2="{y + 4:.1f}"/>'
    yield f'<circle class="{kind}" cx="{across(figure.mean):.1f}" cy="{y:.1f}" r="{5 if own else 4}"/>'


def _figure(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{number(figure.mean, 5)} (n {figure.n}, no interval)"
    return f"{number(figure.mean, 5)} ({number(figure.low, 5)} to {number(figure.high, 5)}, n {figure.n})"


# --- importance ----------------------------------------------------------------------------------


def bars(ranked: Sequence[tuple[str, float]], caption: str, name: str) -> Picture:
    """Lengths of bars, longest first."""
    drawn = list(ranked[:MOST_BARS])
    most = max(abs(value) for _, value in drawn) or 1.0
    lines = []
    for at, (label, value) in enumerate(drawn):
        y = at * _ROW + 5
        length = max(1.0, abs(value) / most * (WIDTH - _LABEL - 90))
        lines += [
            f'<text class="label end" x="{_LABEL - 10}" y="{y + 14}">{escaped(label, 30)}</text>',
            f'<rect class="bar" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_ROW - 9}"/>',
            f'<text class="label" x="{_LABEL + length + 8:.1f}" y="{y + 14}">{number(value, 3)}</text>',
        ]
    words = ", ".join(f"{label} {number(value, 3)}" for label, value in drawn)
    return Picture(_svg(name, _ROW * len(drawn) + 8, caption, words, lines), caption, words + ".")
