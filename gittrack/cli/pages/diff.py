"""Two runs side by side, as terminal text or Markdown, and a code diff made safe for a terminal."""

from __future__ import annotations

import re

from gittrack.reading.diff import Comparison, MaskedPair, MetricPair, Pair
from gittrack.text import text
from gittrack.text.table import markdown_cell
from gittrack.text.tables import markdown_lines

_TITLES = {
    "facts": "Run", "params": "Parameters", "metrics": "Metrics", "data": "Data", "locks": "Locks",
    "packages": "Packages", "environment": "Environment",
}  # fmt: skip
_LETTERS = {"A": "added", "M": "changed", "D": "deleted", "T": "changed type"}
_VERDICTS = {"better": "green", "worse": "red"}
_NONE = "—"
_MASKED = {
    "same": "masked; same",
    "differs": "masked; differs",
    "not known": "masked; not known whether it differs",
}


def terminal(comparison: Comparison, paint: text.Paint, *, everything: bool = False) -> list[str]:
    """What differs (with `everything`, also what does not), section by section."""
    lines = [
        f"{paint('bold', 'from')} {_head(comparison, 'a')}",
        f"{paint('bold', 'to')}   {_head(comparison, 'b')}",
    ]
    for title, rows in _sections(comparison, everything):
        widths = [max(text.width(row[i]) for row in rows) for i in range(3)]
        lines += ["", paint("bold", title)]
        for name, a, b, note in rows:
            cells = f"{text.pad(name, widths[0])}  {text.pad(a, widths[1], right=False)}"
            arrow = " = " if a == b and not note.startswith("masked; ") else " → "
            verdict = paint(_VERDICTS.get(note.rpartition(" ")[2]), note)
            lines.append(f"    {cells}{arrow}{text.pad(b, widths[2])}  {verdict}".rstrip())
    if comparison.code:
        lines += ["", paint("bold", "Code")]
        lines += [f"    {letter} {text.one_line(path)}" for letter, path in comparison.code]
    for section, why in comparison.unavailable.items():
        lines += ["", f"{paint('bold', section.capitalize())} not available: {text.one_line(why)}"]
    if not comparison.differ:
        lines += ["", "no differences"]
    return lines


def as_markdown(comparison: Comparison, *, everything: bool = False) -> str:
    """The same as a Markdown document."""
    a, b = (markdown_cell(side.id) for side in (comparison.a, comparison.b))
    lines = [f"# {a} → {b}", ""]
    for title, rows in _sections(comparison, everything):
        cells = ([markdown_cell(cell) for cell in row] for row in rows)
        lines += [f"## {title}", "", *markdown_lines(["", a, b, ""], cells)]
        lines.append("")
    if comparison.code:
        lines += ["## Code", ""]
        lines += [
            f"- {_LETTERS.get(letter, letter)}: {markdown_cell(path)}" for letter, path in comparison.code
        ]
        lines.append("")
    for section, why in comparison.unavailable.items():
        lines += [f"{section.capitalize()} not available: {markdown_cell(why)}", ""]
    if not comparison.differ:
        lines += ["No differences.", ""]
    return "\n".join(lines)


def code_lines(patch: bytes, paint: text.Paint) -> list[str]:
    """A patch for a terminal: what git would colour is coloured, what would steer the terminal is escaped."""
    lines = patch.decode("utf-8", "backslashreplace").removesuffix("\n").split("\n")
    return [paint(_patch_colour(line), text.clean(line.expandtabs(8))) for line in lines if patch]


def _patch_colour(line: str) -> str | None:
    if re.match(r"(diff --git |index |--- |\+\+\+ |new file|deleted file|old mode|new mode)", line):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])


def _head(comparison: Comparison, side: str) -> str:
    row = (comparison.a if side == "a" else comparison.b).row
    return f"{row.id}  {row.experiment}  {row.status}  {text.age(row.started)}"


def _sections(comparison: Comparison, everything: bool) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    sections = []
    for name, pairs in comparison.pairs.items():
        rows = [_row(name, pair) for pair in pairs if everything or not pair.same]
        if rows:
            sections.append((_TITLES[name], rows))
    return sections


def _row(section: str, pair: Pair) -> tuple[str, str, str, str]:
    a, b = (_value(section, item) for item in (pair.a, pair.b))
    if isinstance(pair, MaskedPair):
        return text.one_line(pair.name), a, b, _MASKED[pair.likeness]
    return text.one_line(pair.name), a, b, _note(pair) if isinstance(pair, MetricPair) else ""


def _value(section: str, item: object) -> str:
    if item is None:
        return _NONE
    plain = text.value(item)
    if section in ("data", "locks"):
        return re.sub(r"^([0-9a-f]{12})[0-9a-f]{20,}", r"\1", plain)
    return plain[:12] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", plain) else text.cut(plain, 60)


def _note(pair: MetricPair) -> str:
    """The difference, its share, the unit and what it means: ``+0.02 (+2.2 %) better``."""
    unlike = f"by different rules: {pair.unlike}" if pair.unlike else ""
    if pair.difference is None or pair.same:
        return unlike
    percent = "" if pair.percent is None else f" ({pair.percent:+.3g} %)"
    unit = f" {text.one_line(pair.unit)}" if pair.unit else ""
    note = f"{pair.difference:+.5g}{unit}{percent}{' ' + pair.verdict if pair.verdict else ''}"
    return f"{note}, {unlike}" if unlike else note
