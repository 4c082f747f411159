"""The figures of replicates, and those over many tasks, as sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gittrack.cli.pages.seeds import seeds
from gittrack.formats.record import Record
from gittrack.stats.means import COVERAGE, Block, Figure, MeansOptions, Shown
from gittrack.stats.tasks import Tasks
from gittrack.text.sections import Row, Section, between, measured, percent, settings
from gittrack.text.text import number

_ARROWS = {"maximize": " ↑", "minimize": " ↓"}
_NAMED = 5
"""Runs that a note names one by one."""


def sections(entries: Sequence[Shown], options: MeansOptions, damaged: Sequence[str] = ()) -> list[Section]:
    """One section a group, one below it for each sample; groups of a single run together at the end."""
    sections: list[Section] = []
    alone: list[Shown] = []
    for entry in entries:
        if len(entry.group.runs) == 1 and len(entries) > 1:
            alone.append(entry)
        else:
            sections += [_group(entry), *(_block(block, options) for block in entry.blocks)]
    sections += [_alone(alone)] if alone else []
    return [*sections, *_damaged(damaged), *_legend(sections, options)]


def _legend(sections: Sequence[Section], options: MeansOptions) -> list[Section]:
    if not any(row.cells[3:] for section in sections if section.level == 3 for row in section.rows):
        return []
    sure = percent(options.confidence)
    legend = (
        f"mean: t interval of the mean; next run: holds one more run; {percent(COVERAGE)} of runs: holds so "
        f"many of all runs to come; each with {sure}. All take runs for independent and normal"
    )
    return [Section(notes=[legend])]


def _group(entry: Shown) -> Section:
    group = entry.group
    code = group.runs[0].code
    commit = f", code {code.commit[:7]}{'*' if code.dirty else ''}" if code.commit else ""
    apart = f" · {settings(entry.apart)}" if entry.apart else ""
    counts = f"{_count(len(group.runs), 'run')}: {len(group.finished)} finished"
    lead = [counts + "".join(f", {n} {status}" for status, n in _endings(group.failed).items()) + commit]
    lead += [_failure(run) for run in group.failed[:_NAMED]]
    if len(group.failed) > _NAMED:
        lead.append(f"and {len(group.failed) - _NAMED} more that did not finish")
    if not group.finished:
        lead.append("no run has finished: there are no figures")
    return Section(title=f"{group.experiment} · spec {group.spec[:12]}{apart}", lead=lead)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _endings(runs: Sequence[Record]) -> dict[str, int]:
    return {
        status: sum(run.status == status for run in runs) for status in dict.fromkeys(r.status for r in runs)
    }


def _failure(run: Record) -> str:
    why = f": {run.failure.type}: {run.failure.message}" if run.failure else ""
    seed = "" if run.seed is None else f", seed {run.seed}"
    return f"{run.id} {run.status}{seed}{why}; in no figure"


def _block(block: Block, options: MeansOptions) -> Section:
    sample, sure = block.sample, percent(options.confidence)
    side = "" if options.sided == "two" else ", one-sided"
    header = ["metric", ">n", ">mean", ">sd", f">mean {sure}{side}", f">next run {sure}",
              f">{percent(COVERAGE)} of runs", ">min", ">max"]  # fmt: skip
    return Section(
        title=_title(block),
        header=header,
        rows=[_row(figure) for figure in block.figures],
        notes=[
            *block.cautions,
            *(note for figure in block.figures for note in _notes(figure, len(sample.runs))),
        ],
        level=3,
    )


def _title(block: Block) -> str:
    runs = block.sample.runs
    what = {"not recorded": "what was varied is not recorded", "nothing": "nothing varied"}
    varied = what.get(block.sample.varied, f"{block.sample.varied} varied")
    counted = _count(len(runs), "run")
    if block.sample.varied == "not recorded":
        return f"{varied}: {counted}"
    if block.sample.varied == "nothing":
        return f"{'one run' if len(runs) == 1 else f'{varied}: {counted}'}, seed {seeds(runs[:1])}"
    return f"{varied}: {counted}, seeds {seeds(runs)}"


def _row(figure: Figure) -> Row:
    name = (
        figure.metric + _ARROWS.get(figure.direction or "", "") + (f" [{figure.unit}]" if figure.unit else "")
    )
    short = figure.summary
    if short is None:
        return Row([name, str(len(figure.values))], figure.why, "yellow")
    if figure.mean is None or short.sd is None or short.sd == 0:
        return Row([name, str(short.n), number(short.mean, 6)], figure.why, "yellow")
    sd, ends = short.sd, (figure.mean, figure.next_run, figure.tolerance)
    ranges = ["" if end is None else between(end.low, end.high, sd) or "?" for end in ends]
    extremes = [measured(short.low, sd), measured(short.high, sd)]
    return Row([name, str(short.n), measured(short.mean, sd), measured(sd, sd), *ranges, *extremes])


def _notes(figure: Figure, runs: int) -> list[str]:
    notes, name = [], figure.metric
    if figure.missing:
        listed = ", ".join(f"{run} {lack}" for run, lack in list(figure.missing.items())[:_NAMED])
        more = f" and {len(figure.missing) - _NAMED} more" if len(figure.missing) > _NAMED else ""
        notes.append(f"{name}: {len(figure.missing)} of {runs} runs have no finite value: {listed}{more}")
    spread = figure.summary.sd if figure.summary else None
    if figure.why and spread:
        notes.append(f"{name}: {figure.why}")
    if figure.test_set is not None:
        at = figure.test_set
        notes.append(
            f"{name}: {at.share:.4g} of {at.samples:,} test cases stands for {at.low:.4f}..{at.high:.4f} of "
            f"all cases (Wilson, {percent(at.confidence)}); this is test-set sampling alone, without training"
        )
    boot = figure.bootstrap
    if boot is not None and not boot.why:
        ends = between(boot.low, boot.high, spread)
        notes.append(f"{name}: mean by bootstrap (BCa), {percent(boot.confidence)}: {ends}")
    notes += _needed(figure)
    return [*notes, *(f"{name}: {note}" for note in figure.notes)]


def _needed(figure: Figure) -> list[str]:
    wanted = figure.needed
    if wanted is None:
        return []
    more = wanted.runs - len(figure.values)
    most = f"{wanted.most:,}" if wanted.most is not None else "more than 10^9"
    unsure = f"; so unsure is the spread of {len(figure.values)} that it may be {wanted.least:,} to {most}"
    enough = f"{more:,} more" if more > 0 else "there are enough"
    return [
        f"{figure.metric}: mean ± {wanted.half_width:g} needs {_count(wanted.runs, 'run')}, {enough}{unsure}"
    ]


def _alone(entries: Sequence[Shown]) -> Section:
    """Specs of one run have no spread: their values and nothing else."""
    metrics = list(
        dict.fromkeys(f.metric for entry in entries for block in entry.blocks for f in block.figures)
    )
    rows = []
    for entry in entries:
        run = entry.group.runs[0]
        figures = {f.metric: f for block in entry.blocks for f in block.figures}
        cells = [run.id, entry.group.spec[:12], run.status]
        cells += [_only(figures[name]) if name in figures else "" for name in metrics]
        rows.append(Row([*cells, settings(entry.apart)]))
    header = ["run", "spec", "status", *(f">{name}" for name in metrics), "differs in"]
    return Section(
        title=f"{_count(len(entries), 'spec')} of one run{'' if len(entries) == 1 else ' each'}: "
        "one run has no spread",
        header=header,
        rows=rows,
    )


def _only(figure: Figure) -> str:
    """The value, or what there is in place of one."""
    return number(figure.values[0], 5) if figure.values else ", ".join(figure.missing.values())


def _damaged(ids: Sequence[str]) -> list[Section]:
    if not ids:
        return []
    listed = ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
    return [Section(lead=[f"in no figure: {_count(len(ids), 'record')} that cannot be read, {listed}"])]


# --- over many tasks ------------------------------------------------------------------------------


def task_sections(tasks: Tasks, confidence: float) -> list[Section]:
    """The interquartile mean of each group, and the performance profiles side by side."""
    arrow = _ARROWS.get(tasks.direction or "", "")
    rows = []
    for score in tasks.scores:
        iqm = score.iqm
        width = None if iqm.low is None or iqm.high is None else iqm.high - iqm.low
        interval = between(iqm.low, iqm.high, width) if width else ""
        rows.append(
            Row(
                [score.name, str(iqm.tasks), str(iqm.runs), measured(iqm.iqm, width), interval],
                "" if interval else iqm.why,
            )
        )
    title = (
        f"{tasks.experiment}: {tasks.metric}{arrow} over {_count(len(tasks.names), 'value')} of {tasks.task}"
    )
    notes = [*tasks.cautions, *_left_out(tasks.left_out)]
    header = [tasks.by, ">tasks", ">runs", ">IQM", f">{percent(confidence)}"]
    return [Section(title=title, header=header, rows=rows, notes=notes), _profile(tasks)]


def _profile(tasks: Tasks) -> Section:
    thresholds = tasks.scores[0].profile.thresholds
    sign = "<" if tasks.direction == "minimize" else ">"
    rows = [
        Row([f"{sign} {number(at, 4)}", *(_share(score.profile.shares[row]) for score in tasks.scores)])
        for row, at in enumerate(thresholds)
    ]
    return Section(
        title="Performance profile: share of runs beyond a score, tasks weighing alike",
        header=[tasks.metric, *(score.name for score in tasks.scores)],
        rows=rows,
        level=3,
    )


def _share(share: float) -> str:
    full = round(share * 20)
    return f"{share:.2f} {'█' * full}{'·' * (20 - full)}"


def _left_out(reasons: Mapping[str, int]) -> list[str]:
    return [f"in no figure: {_count(count, 'run')} {why}" for why, count in reasons.items()]
