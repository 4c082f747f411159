"""Learning curves: as mermaid's xychart for a comment, as SVG for a page or a paper. Nothing here writes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gittrack.errors import RecordError
from gittrack.publishing.review import Experiment
from gittrack.reading.entry import Entry
from gittrack.text.line_chart import Frame, Marks, Scales, decimated, escaped, extent
from gittrack.text.markdown import label

POINTS = 30
"""Of a line in mermaid."""
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
    chosen = [run for run in experiment.runs if run.record.series is not None][:MOST_RUNS]
    entries = [*([experiment.baseline] if experiment.baseline else []), *chosen]
    drawn = [(entry, curves(entry)) for entry in entries]
    names = {name for entry, points in drawn if entry in chosen for name in points}
    aimed = {n for run in chosen for n, metric in run.record.metrics.items() if metric.direction}
    made = []
    for name in sorted(names, key=lambda n: (n not in aimed, n))[:MOST_CHARTS]:
        lines = tuple(
            ChartLine(entry.id, entry is experiment.baseline, points[name])
            for entry, points in drawn
            if name in points
        )
        made.append(Chart(experiment.name, name, lines))
    return made


def curves(entry: Entry) -> dict[str, tuple[tuple[float, float], ...]]:
    """Points by metric; nothing for a series that is damaged, which verify says."""
    try:
        series = entry.series() if entry.record.series is not None else None
    except RecordError:
        return {}
    lines = {}
    for name, values in (series.values if series else {}).items():
        steps = (at if step is None else step for at, step in enumerate(series.steps if series else ()))
        points = {
            float(step): value
            for step, value in zip(steps, values, strict=True)
            if value is not None and math.isfinite(value) and abs(value) < 1e300 and abs(step) < 1e15
        }
        if len(points) > 1:
            lines[name] = tuple(sorted(points.items()))
    return lines


# --- mermaid -------------------------------------------------------------------------------


def mermaid(chart: Chart) -> str:
    """A fenced block; all lines are drawn on the same steps, since mermaid spreads points evenly."""
    first, last = chart.span
    low, high = chart.range
    longest = max(len(line.points) for line in chart.lines)
    count = max(2, min(POINTS, longest))
    grid = [first + (last - first) * at / (count - 1) for at in range(count)]
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
    lines += [f"    line [{', '.join(_plain(_at(line.points, x)) for x in grid)}]" for line in chart.lines]
    return "\n".join([*lines, "```"])


def legend(chart: Chart) -> str:
    """Which line is whose, in plain text."""
    entries = [
        f"{_colour(chart, line)[1]}: {line.run}{' (baseline)' if line.baseline else ''}"
        for line in chart.lines
    ]
    held = "; a run that ended earlier goes on level" if chart.uneven else ""
    return ", ".join(entries) + held


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
    height = _FRAME.height + 18 * len(chart.lines)
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
    return "\n".join([*lines, "</svg>", ""])


def _key(y: int, line: ChartLine, colour: str) -> list[str]:
    name = line.run + (" (baseline)" if line.baseline else "")
    left = _FRAME.left
    return [
        f'<line x1="{left}" x2="{left + 24}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<text x="{left + 32}" y="{y + 4}">{escaped(name, _NAME)}</text>',
    ]
