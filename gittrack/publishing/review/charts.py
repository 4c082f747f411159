"""Learning curves: as mermaid's xychart for a comment, as SVG for a page or a paper. Nothing here writes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gittrack.errors import RecordError
from gittrack.publishing.review import Experiment
from gittrack.reading.entry import Entry
from gittrack.text.line_chart import Frame, Marks, Scales, decimated, escaped, extent, lowest_and_highest
from gittrack.text.markdown import label

POINTS = 60
"""Of a line in mermaid: its ends, and of each of the stretches between them the lowest and the highest."""
SVG_POINTS = 500
MOST_CHARTS = 6
MOST_RUNS = 4
COLOURS = (
    ("#8c8c8c", "grey"),
    ("#1f77b4", "blue"),
    ("#d95f02", "orange"),
    ("#1b9e77", "green"),
    ("#7b3294", "purple"),
)
"""Hex and name: the first is the baseline's."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One run's values of a metric: finite, by step, ascending."""

    run: str
    baseline: bool
    points: tuple[tuple[float, float], ...]
    sampled: bool = False
    """Whether they are those of the sample that git has of a long series."""
    odd: int = 0
    """Values that are not finite, or too large to be drawn."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The curves of one metric."""

    experiment: str
    metric: str
    lines: tuple[ChartLine, ...]

    @property
    def span(self) -> tuple[float, float]:
        """First and last step of any line."""
        steps = [step for line in self.lines for step in (line.points[0][0], line.points[-1][0])]
        return min(steps), max(steps)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value, apart from each other."""
        values = [value for line in self.lines for _, value in line.points]
        low, high = min(values), max(values)
        margin = abs(low) * 0.05 or 1.0
        return (low, high) if high > low else (low - margin, high + margin)

    @property
    def uneven(self) -> bool:
        """Whether some line is shorter than the chart."""
        return any((line.points[0][0], line.points[-1][0]) != self.span for line in self.lines)


def charts(experiment: Experiment) -> list[Chart]:
    """A chart for each metric of the first runs that has a curve; metrics with a direction first."""
    chosen = [run for run in experiment.runs if run.record.series or run.record.continues][:MOST_RUNS]
    entries = [*([experiment.baseline] if experiment.baseline else []), *chosen]
    drawn = [(entry, curves(entry)) for entry in entries]
    names = {name for entry, lines in drawn if entry in chosen for name in lines}
    aimed = {n for run in chosen for n, metric in run.record.metrics.items() if metric.direction}
    made = []
    for name in sorted(names, key=lambda n: (n not in aimed, n))[:MOST_CHARTS]:
        drawn_lines = tuple(
            replace(line, run=entry.id, baseline=entry is experiment.baseline)
            for entry, lines in drawn
            if (line := lines.get(name)) is not None
        )
        made.append(Chart(experiment.name, name, drawn_lines))
    return made


def curves(entry: Entry) -> dict[str, ChartLine]:
    """A line for each metric; nothing for a series that is damaged, which verify says."""
    stated = entry.record.series
    try:
        series = entry.series() if stated is not None or entry.record.continues else None
    except RecordError:
        return {}
    lines = {}
    for name, curve in (series.curves if series else {}).items():
        steps = (at if step is None else step for at, step in enumerate(curve.steps))
        points = [
            (float(step), value)
            for step, value in zip(steps, curve.values, strict=True)
            if math.isfinite(value) and abs(value) < 1e300 and abs(step) < 1e15
        ]
        points.sort(key=lambda point: point[0])  # several of a step stay in their order
        sampled = stated is not None and stated.pointer is not None
        if len(points) > 1 and points[-1][0] > points[0][0]:
            odd = len(curve.values) - len(points)
            lines[name] = ChartLine(entry.id, False, tuple(points), sampled, odd)
    return lines


# --- mermaid -------------------------------------------------------------------------------


def mermaid(chart: Chart) -> str:
    """A fenced block; all lines are drawn on the same steps, since mermaid spreads points evenly."""
    first, last = chart.span
    low, high = chart.range
    palette = ", ".join(_colour(chart, line)[0] for line in chart.lines)
    lines = [
        "```mermaid",
        "---",
        "config:",
        "  xyChart: {width: 700, height: 300}",
        f'  themeVariables: {{xyChart: {{plotColorPalette: "{palette}"}}}}',
        "---",
        "xychart-beta",
        f'    title "{label(chart.metric)}"',
        f'    x-axis "step" {_plain(first)} --> {_plain(last)}',
        f"    y-axis {_plain(low)} --> {_plain(high)}",
    ]
    grid = _grid(chart)
    drawn = [
        [_at(line.points, x) for x in grid] if grid else _stretches(line.points, first, last)
        for line in chart.lines
    ]
    lines += [f"    line [{', '.join(map(_plain, values))}]" for values in drawn]
    return "\n".join([*lines, "```"])


def _grid(chart: Chart) -> list[float]:
    """Steps at the same distance on which all points lie, each on its own; none where there are no such."""
    first, last = chart.span
    count = max(len(line.points) for line in chart.lines)
    if count > POINTS:
        return []
    for line in chart.lines:
        places = [(step - first) / (last - first) * (count - 1) for step, _ in line.points]
        if len({*map(round, places)}) < len(places) or any(abs(at - round(at)) > 1e-6 for at in places):
            return []
    return [first + (last - first) * at / (count - 1) for at in range(count)]


def _stretches(points: Sequence[tuple[float, float]], first: float, last: float) -> list[float]:
    """POINTS values: the first, of each stretch of steps the lowest and the highest, and the last."""
    count = (POINTS - 2) // 2
    inner = points[points[0][0] == first : len(points) - (points[-1][0] == last)]
    stretches: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    for step, value in inner:
        stretches[min(int((step - first) / (last - first) * count), count - 1)].append((step, value))
    values = [points[0][1]]
    for at, stretch in enumerate(stretches):
        ends = [value for _, value in lowest_and_highest(stretch)] if stretch else []
        edges = (first + (last - first) * edge / count for edge in (at, at + 1))
        values += ends * 2 if len(ends) == 1 else ends or [_at(points, edge) for edge in edges]
    return [*values, points[-1][1]]


def legend(chart: Chart) -> str:
    """Which line is whose, in plain text."""
    entries = [
        f"{_colour(chart, line)[1]}: {line.run}{' (baseline)' if line.baseline else ''}"
        for line in chart.lines
    ]
    held = "; a run that ended earlier goes on level" if chart.uneven else ""
    thinned = (
        "" if _grid(chart) else f"; of each of {(POINTS - 2) // 2} stretches the lowest and the highest value"
    )
    return ", ".join(entries) + held + thinned + "".join(f"; {note}" for note in _notes(chart))


def _notes(chart: Chart) -> list[str]:
    """What of the series is not drawn."""
    sampled = [f"drawn from the sample that git has: {line.run}" for line in chart.lines if line.sampled]
    odd = [f"{line.odd} values not finite, not drawn: {line.run}" for line in chart.lines if line.odd]
    return [*sampled, *odd]


def _colour(chart: Chart, line: ChartLine) -> tuple[str, str]:
    if line.baseline:
        return COLOURS[0]
    return COLOURS[1 + [other for other in chart.lines if not other.baseline].index(line)]


def _at(points: Sequence[tuple[float, float]], x: float) -> float:
    """The curve's value at `x`, between two points on the straight line, beyond its ends level."""
    after = bisect_right(points, x, key=lambda point: point[0])
    if after == 0 or after == len(points):
        return points[min(after, len(points) - 1)][1]
    (x0, y0), (x1, y1) = points[after - 1], points[after]
    return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))


def _plain(value: float) -> str:
    """Without an exponent, which mermaid's grammar does not know; about six digits."""
    if value == 0 or not math.isfinite(value):
        return "0"
    digits = max(0, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 30)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


# --- SVG -----------------------------------------------------------------------------------

_FRAME = Frame(width=720, height=340, left=70, top=34, right=16, bottom=44)
_MARKS = Marks('stroke="#ddd"', 'text-anchor="end"', 'text-anchor="middle"')
_NAME = 100
"""Columns of a name."""


def svg(chart: Chart) -> str:
    """A picture that stands alone: no script, no font, no link."""
    scales = Scales(_FRAME, chart.span, extent([value for line in chart.lines for _, value in line.points]))
    notes = _notes(chart)
    if any(len(line.points) > SVG_POINTS for line in chart.lines):
        notes = [f"at most {SVG_POINTS} points of a line, with its lowest and highest", *notes]
    height = _FRAME.height + 18 * (len(chart.lines) + len(notes))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_FRAME.width} {height}" '
        f'width="{_FRAME.width}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escaped(f'{chart.metric} of {chart.experiment} by step', _NAME)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_FRAME.left}" y="20" font-size="15" font-weight="bold">'
        f"{escaped(chart.metric, _NAME)}</text>",
        *scales.axes(_MARKS),
    ]
    for at, line in enumerate(chart.lines):
        colour = _colour(chart, line)[0]
        dashes = ' stroke-dasharray="5 3"' if line.baseline else ""
        stroke = f'stroke="{colour}" stroke-width="1.8"{dashes}'
        path = scales.path(decimated(line.points, SVG_POINTS))
        lines.append(f'<polyline fill="none" {stroke} points="{path}"/>')
        lines += _key(_FRAME.height + 4 + 18 * at, line, colour)
    below = _FRAME.height + 8 + 18 * len(chart.lines)
    lines += [
        f'<text x="{_FRAME.left}" y="{below + 18 * at}">{escaped(note, _NAME)}</text>'
        for at, note in enumerate(notes)
    ]
    return "\n".join([*lines, "</svg>", ""])


def _key(y: int, line: ChartLine, colour: str) -> list[str]:
    name = line.run + (" (baseline)" if line.baseline else "")
    left = _FRAME.left
    return [
        f'<line x1="{left}" x2="{left + 24}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<text x="{left + 32}" y="{y + 4}">{escaped(name, _NAME)}</text>',
    ]
