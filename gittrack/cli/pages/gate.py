"""A judgement as text for people and programs. All that comes from a repository is escaped.

The terminal has the verdict first, then by how much, the runs, the proof and the notes; JSON is
the whole judgement; JUnit has one test case, so that a CI system shows the gate like a test.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from gittrack.formats.record import clean_text, format_time
from gittrack.governance.gate import UNPROVEN, Finding, JudgedRun, Judgement, Origin
from gittrack.governance.gate.judgement import Kind, Outcome
from gittrack.text import junit, text
from gittrack.text.json_text import json_page
from gittrack.text.seeds import seed_words
from gittrack.text.table import Cell, Line, layout, markdown_cell
from gittrack.text.tables import markdown_lines
from gittrack.version import VERSION

DIGITS = 6
_COLOURS: dict[Outcome, str] = {
    "passed": "green", "not passed": "red", "refused": "red", "incomplete": "yellow",
}  # fmt: skip
_CASES: dict[Outcome, Literal["passed", "failed", "skipped"]] = {
    "passed": "passed", "not passed": "failed", "refused": "failed", "incomplete": "skipped",
}  # fmt: skip
_MARKS: dict[Kind, tuple[str, str]] = {
    "refused": ("red", "refused"), "missed": ("red", "missed"), "incomplete": ("yellow", "incomplete"),
    "declared": ("yellow", "deviation"), "note": ("cyan", "note"),
}  # fmt: skip
_PARTS = {"judged": None, "failed": "red", "left out": "dim"}
_LABEL = 12
_WIDEST = 400


# --- what every form says ------------------------------------------------------------------------


def outcome(judgement: Judgement) -> str:
    """The outcome in words, which say so where it rests on a declaration."""
    declared = any(finding.kind == "declared" for finding in judgement.findings)
    return judgement.outcome + (", as declared" if declared and judgement.exit_code != 4 else "")


def question(judgement: Judgement) -> str:
    """The experiment and its rule in one line."""
    rule = judgement.rule
    return f"{judgement.experiment}: {rule if rule is not None else 'the gate is not known'}"


def verdict(judgement: Judgement) -> str:
    """Why the outcome is what it is, in one line."""
    first = next(iter(_against(judgement)), None)
    return first.says if first is not None else _margin(judgement)


def _against(judgement: Judgement) -> list[Finding]:
    """What stands against passing, most serious first."""
    order = ("refused", "missed", "incomplete")
    findings = [finding for finding in judgement.findings if finding.kind in order]
    return sorted(findings, key=lambda finding: order.index(finding.kind))


def _margin(judgement: Judgement) -> str:
    rule, figures = judgement.rule, judgement.figures
    if rule is None or figures is None:
        return ""
    what = "the value of all runs" if figures.identical else f"the {rule.bound}"
    passes = "reaches it exactly" if figures.margin == 0 else f"passes by {_number(figures.margin)}"
    return f"{what}, {_number(figures.bound)}, {passes}"


def _figures(judgement: Judgement) -> str:
    """n, mean and spread, and what the mean alone would have said."""
    figures = judgement.figures
    if figures is None or figures.interval.sd is None:
        return ""
    spread = f"sd {_number(figures.interval.sd)}"
    if figures.identical:
        spread = "identical values: no spread, and no interval"
    mean = f"{figures.interval.n} runs, mean {_number(figures.interval.mean)}, {spread}"
    side = "above" if figures.mean_margin * (judgement.rule.sign if judgement.rule else 1) >= 0 else "below"
    return mean + f"; the mean alone is {_number(abs(figures.mean_margin))} {side} the threshold"


def _about(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """Labels and lines: what was judged and what it rests on."""
    yield "figures", _figures(judgement)
    newest = f", the newest of {judgement.experiment}" if judgement.asked == judgement.experiment else ""
    fresh = "; fresh seeds alone" if judgement.fresh else ""
    yield "judged", f"runs with the spec of {judgement.run}{newest}{fresh}"
    yield "varied", judgement.varied or ""
    for origin in judgement.origins:
        yield "gate", _origin(origin, judgement)
    if judgement.rule is not None and judgement.rule.why:
        yield "why", judgement.rule.why
    if judgement.declared is not None:
        needed = any(finding.kind == "declared" for finding in judgement.findings)
        yield "declared", judgement.declared + ("" if needed else " (there was nothing to declare)")


def _origin(origin: Origin, judgement: Judgement) -> str:
    """Commit, what git proves of it, and its date beside the first run."""
    starts = {run.id: run.record.began for run in judgement.runs}
    first = min(began.timestamp() for run in origin.runs if (began := starts[run]) is not None)
    count = len(origin.runs)
    date = datetime.fromtimestamp(origin.seconds, UTC)
    apart = text.duration(round(abs(first - origin.seconds)))
    when = f"{apart} {'before' if first >= origin.seconds else 'after'} {'it' if count == 1 else 'the first'}"
    runs = "the run" if count == 1 else f"all {count} runs"
    if len(judgement.origins) > 1:
        runs = f"{count} of the runs"
    older = " or before" if origin.cut_off else ""
    return (
        f"fixed in commit {origin.commit[:12]}{older}, from which the code of {runs} comes; "
        f"dated {date:%Y-%m-%d}, {when}"
    )


def _remark(run: JudgedRun) -> str:
    return ": ".join(filter(None, [run.part if run.part == "left out" else "", run.says]))


def _number(value: float) -> str:
    return text.number(value, DIGITS)


# --- terminal --------------------------------------------------------------------------------------


def terminal(judgement: Judgement, paint: text.Paint, columns: int | None = None) -> list[str]:
    """Lines for a terminal of `columns` columns, or for a pipe."""
    head = paint(_COLOURS[judgement.outcome], outcome(judgement).upper())
    lines = [f"{head}  {text.one_line(question(judgement))}"]
    lines += _wrapped("", verdict(judgement), columns, 4)
    lines += ["", *_table(judgement, paint, columns), ""]
    for label, says in _about(judgement):
        if says:
            lines += _wrapped(paint("bold", f"{label:{_LABEL}}"), says, columns)
    others = [f for f in judgement.findings if f not in _against(judgement)[:1]]
    for finding in sorted(others, key=lambda f: list(_MARKS).index(f.kind)):
        colour, mark = _MARKS[finding.kind]
        lines += _wrapped(paint(colour, f"{mark:{_LABEL}}"), finding.says, columns)
    return [*lines, "", *_wrapped("", UNPROVEN, columns, 0)]


def _wrapped(label: str, says: str, columns: int | None, indent: int = _LABEL) -> list[str]:
    """`says` behind a label of `indent` columns; on a terminal it goes on below itself."""
    room = max((columns or _WIDEST * 100) - indent, 20)
    rows = textwrap.wrap(text.one_line(says), room, break_on_hyphens=False) or [""]
    blank = " " * indent
    return [(label or blank) + rows[0], *(blank + row for row in rows[1:])]


def _table(judgement: Judgement, paint: text.Paint, columns: int | None) -> list[str]:
    metric = text.one_line(judgement.rule.metric) if judgement.rule else "value"
    rows = []
    for run in judgement.runs:
        colour = _PARTS[run.part]
        value = "" if run.value is None else text.number(run.value)
        rows.append(
            Line(
                [
                    Cell(run.id, colour),
                    Cell(text.one_line(seed_words(run.record.seed, run.record.seeds)), colour),
                    Cell(value, colour, right=True),
                    Cell(text.cut(text.one_line(_remark(run)), _WIDEST), colour),
                ]
            )
        )
    return layout(["run", "seed", metric, ""], rows, paint, columns=columns, fixed=3)[0]


# --- for forges and programs -----------------------------------------------------------------------


def as_markdown(judgement: Judgement) -> str:
    """A heading with the outcome, the runs as a table, and everything else as a list."""
    cell = markdown_cell
    lines = [f"## gittrack gate: {outcome(judgement)}", "", f"{cell(question(judgement))}", ""]
    lines += [f"**{cell(verdict(judgement))}**", ""] if verdict(judgement) else []
    metric = judgement.rule.metric if judgement.rule else "value"
    rows = []
    for run in judgement.runs:
        value = "" if run.value is None else text.number(run.value)
        remark = text.cut(text.one_line(_remark(run)), _WIDEST)
        rows.append(
            [cell(part) for part in (run.id, seed_words(run.record.seed, run.record.seeds), value, remark)]
        )
    lines += [*markdown_lines(["run", "seed", cell(metric), ""], rows, {2}), ""]
    lines += [f"- {label}: {cell(says)}" for label, says in _about(judgement) if says]
    others = [f for f in judgement.findings if f not in _against(judgement)[:1]]
    lines += [f"- {finding.kind}: {cell(finding.says)}" for finding in others]
    return "\n".join([*lines, "", UNPROVEN, ""])


def as_json(judgement: Judgement) -> str:
    """Everything, for programs."""
    return json_page(to_dict(judgement))


def to_dict(judgement: Judgement) -> dict[str, Any]:
    """Plain values; keys are always there, with None for what is not known."""
    return {
        "outcome": judgement.outcome,
        "verdict": clean_text(verdict(judgement)),
        "experiment": judgement.experiment,
        "asked": clean_text(judgement.asked),
        "run": judgement.run,
        "spec": judgement.spec,
        "other_specs": judgement.others,
        "fresh": judgement.fresh,
        "declared": None if judgement.declared is None else clean_text(judgement.declared),
        "rule": _rule(judgement),
        "varied": judgement.varied,
        "figures": _plain_figures(judgement),
        "runs": [_run(run) for run in judgement.runs],
        "fixed": [_fixed(origin) for origin in judgement.origins],
        "findings": [
            {"code": f.code, "kind": f.kind, "says": clean_text(f.says)} for f in judgement.findings
        ],
        "not_proven": UNPROVEN,
        "gittrack": VERSION,
    }


def _rule(judgement: Judgement) -> dict[str, Any] | None:
    rule = judgement.rule
    if rule is None:
        return None
    names = ("metric", "threshold", "direction", "confidence", "sided", "runs", "unit", "split", "why")
    return {name: getattr(rule, name) for name in names}


def _plain_figures(judgement: Judgement) -> dict[str, Any] | None:
    figures = judgement.figures
    if figures is None:
        return None
    return {
        "n": figures.interval.n,
        "mean": figures.interval.mean,
        "sd": figures.interval.sd,
        "bound": figures.bound,
        "margin": figures.margin,
        "mean_margin": figures.mean_margin,
        "identical": figures.identical,
    }


def _run(run: JudgedRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.record.status,
        "started": run.record.started,
        "seed": run.record.seed,
        "seeds": dict(run.record.seeds),
        "value": run.value,
        "part": run.part,
        "says": clean_text(run.says) or None,
    }


def _fixed(origin: Origin) -> dict[str, Any]:
    return {
        "commit": origin.commit,
        "date": format_time(datetime.fromtimestamp(origin.seconds, UTC)),
        "cut_off": origin.cut_off,
        "runs": list(origin.runs),
    }


def as_junit(judgement: Judgement) -> str:
    """A suite with one case: passed, failed (not passed, refused) or skipped (incomplete)."""
    name = f"{judgement.experiment} {judgement.spec[:12]}: {judgement.rule or 'gate not known'}"
    says = "\n".join(f"{f.code}: {f.says}" for f in _against(judgement))
    case = junit.Case(name, _CASES[judgement.outcome], verdict(judgement), says)
    page = "\n".join(terminal(judgement, text.Paint()))
    return junit.as_junit("gittrack gate", [case], page, _facts(judgement))


def _facts(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """The judgement as names and values; a value that is not known is left out."""
    plain = to_dict(judgement)
    simple = {
        key: plain[key] for key in ("outcome", "experiment", "run", "spec", "varied", "fresh", "declared")
    }
    flat = {**simple, **(plain["rule"] or {}), **(plain["figures"] or {})}
    flat["gate_commit"] = judgement.origins[0].commit if judgement.origins else None
    flat["fresh"] = str(judgement.fresh).lower()
    yield from ((key, str(value)) for key, value in flat.items() if value is not None)
