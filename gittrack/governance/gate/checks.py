"""What stands against a verdict, or beside it: one function for each rule, all of them asked.

The sample    as many runs as were fixed, each with a value, varied in more than the machine
The protocol  committed before the first result, and not changed after earlier ones
Beside it     what a reader has to know: selection, today's gate, failed runs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gittrack.errors import ConfigError
from gittrack.formats.config import load
from gittrack.formats.record import Record
from gittrack.governance.gate.case import Case, figures_of
from gittrack.governance.gate.history import Absent
from gittrack.governance.gate.judgement import Finding
from gittrack.governance.gate.rule import Rule, plural, rule_of
from gittrack.governance.gate.sample import JudgedRun, choose
from gittrack.reading.index import Row

Check = Callable[[Case], Iterator[Finding]]
_NAMED = 5


# --- the sample --------------------------------------------------------------------------------


def check_number(case: Case) -> Iterator[Finding]:
    """Neither more runs than were fixed, nor fewer, nor a number that nobody fixed."""
    planned, n = case.rule.runs, len(case.chosen.sample.runs)
    tried = len(case.chosen.attempts)
    if planned is None:
        says = (
            "the gate fixes no number of runs, so that one can run until it passes: fix gate.runs beforehand"
        )
        yield Finding("number-not-fixed", "refused", says)
    elif tried > planned:
        says = f"{plural(tried, 'run')} where the protocol fixed {planned}: that is running until it passes"
        failed = len(case.chosen.part("failed"))
        yield Finding(
            "too-many-runs", "refused", says + (f" ({failed} of them did not finish)" if failed else "")
        )
    if n < (planned or 1):
        yield Finding("too-few-runs", "missed", _too_few(case, n, planned or 1))
    elif n == 1:
        says = "one run has no interval: fix gate.runs at 2 or more, 3 to 5 as a rule"
        yield Finding("one-run", "missed", says)


def _too_few(case: Case, n: int, planned: int) -> str:
    failed = case.chosen.part("failed")
    fresh = " on fresh seeds" if case.fresh else ""
    says = f"{n} of {plural(planned, 'run')}{fresh}; {planned - n} to go"
    if failed:
        says += f"; {_named(failed)} did not finish, to be run again with the same seed"
    missing = planned - len(case.chosen.attempts)
    if missing > 0:
        says += f": gittrack reproduce {case.run} --seeds new --repeats {missing}"
    return says


def check_values(case: Case) -> Iterator[Finding]:
    """Each run that is judged has a finite value."""
    for run in case.chosen.part("judged"):
        if run.value is None:
            yield Finding("no-value", "missed", f"{case.rule.metric} of run {run.id} {run.says}")
    values = _values(case.chosen.part("judged"))
    if (
        len(values) > 1
        and len(values) == len(case.chosen.sample.runs)
        and figures_of(values, case.rule) is None
    ):
        yield Finding("no-value", "missed", f"values of {case.rule.metric} are too large for an interval")


def check_varied(case: Case) -> Iterator[Finding]:
    """More was varied than what the machine does by itself."""
    sample, judged = case.chosen.sample, case.chosen.part("judged")
    if case.chosen.unseeded:
        says = (
            f"{case.chosen.unseeded} runs state no seed beside others that do: which are alike is not known"
        )
        yield Finding("seeds-mixed", "refused", says)
    if len(judged) < 2:
        return
    if sample.varied == "nothing":
        says = (
            f"nothing was varied: {len(judged)} runs with the same seed show what the machine does, and "
            "nothing of how training varies"
        )
        yield Finding("nothing-varied", "refused", says)
    elif sample.varied == "not recorded" and len({run.value for run in judged}) == 1:
        says = "the runs state no seed and their values are identical: nothing seems to have been varied"
        yield Finding("nothing-varied", "refused", says)
    elif sample.varied == "not recorded":
        says = "the runs state no seed: that they differ in more than the machine is not recorded"
        yield Finding("seed-not-recorded", "note", says)


def check_damaged(case: Case) -> Iterator[Finding]:
    """Every record of the experiment can be read: a damaged one may belong to this sample."""
    damaged = [row.id for row in case.rows if row.fault is not None]
    if damaged:
        says = (
            f"{plural(len(damaged), 'record')} of the experiment cannot be read ({_listed(damaged)}), and "
            "may belong to these runs: gittrack verify says more"
        )
        yield Finding("damaged-records", "incomplete", says)


def check_second_try(case: Case) -> Iterator[Finding]:
    """Fresh seeds confirm a choice; they do not give a second try to a sample that was full and missed."""
    if not case.fresh:
        return
    unmade = tuple(run for run in case.group.runs if run.reproduces is None)
    first = choose(replace(case.group, runs=unmade), case.rule.metric).part("judged")
    values = _values(first)
    if not values:
        return
    mean = sum(value / len(values) for value in values)
    says = f"not judged: {plural(len(first), 'run')} on first seeds, mean {case.rule.metric} {mean:.6g}"
    figures = figures_of(values, case.rule)
    missed = len(values) < len(first) or figures is None or figures.margin < 0
    if missed and case.rule.runs is not None and len(first) >= case.rule.runs:
        yield Finding("second-try", "refused", f"{says}: they were a full sample of this gate, and miss it")
    else:
        yield Finding("first-seeds", "note", says)


# --- the protocol --------------------------------------------------------------------------------


def check_uncommitted(case: Case) -> Iterator[Finding]:
    """The gate is in the commit that each run was made from, not in its uncommitted changes alone."""
    if isinstance(case.proof, Absent):
        says = (
            f"{case.proof} is not in this clone: whether the gate came first is not known; run gittrack pull"
        )
        yield Finding("history-missing", "incomplete", says)
        return
    origins, late = case.proof
    if late:
        says = (
            f"the gate was not committed when {_named(late)} started: it is in uncommitted changes alone, "
            "which fix nothing beforehand"
        )
        yield Finding("gate-uncommitted", "refused", says)
    came = {run: origin.commit for origin in origins for run in origin.runs}
    at_once = [run for run in case.counting if run.code.commit == came.get(run.id, "") and _is_of_commit(run)]
    if at_once:
        says = f"the gate was committed together with the results of {_named(at_once)}, not before them"
        yield Finding("gate-with-results", "refused", says)
    if any(origin.cut_off for origin in origins):
        says = "this clone's history is cut off: the gate may be older than the commit that is named"
        yield Finding("history-cut-off", "note", says)
    start = case.started
    if any(origin.seconds > start.get(run, origin.seconds) + 1 for origin in origins for run in origin.runs):
        says = "the gate's commit is dated after a run made from it: a clock was wrong, or a date made up"
        yield Finding("dates-disagree", "note", says)


def _is_of_commit(run: Record) -> bool:
    """Whether `gittrack record` (or a hook) made the record of a commit that holds the results."""
    return bool(run.code.commit) and run.id.rpartition("-")[2] == (run.code.commit or "")[:12]


def check_changed(case: Case) -> Iterator[Finding]:
    """Earlier results of the experiment were under the same gate."""
    start = case.started
    first = min((start.get(run.id, 0.0) for run in case.counting), default=0.0)
    under: dict[Rule | None, list[Row]] = {}
    unknown: list[str] = []
    for row in case.rows:
        if row.fault is None and row.spec != case.group.spec and row.started < first:
            try:
                under.setdefault(case.history.rule(row.record["code"]["tree"]), []).append(row)
            except (Absent, ConfigError):
                unknown.append(row.id)
    exploratory = under.pop(None, [])
    under.pop(case.rule, None)
    for old, rows in under.items():
        if old is not None:
            yield _changed(case, old, rows)
    if unknown:
        says = (
            f"the gate of {plural(len(unknown), 'earlier run')} ({_listed(unknown)}) cannot be read in this "
            "clone: whether the protocol was changed after results is not known; run gittrack pull"
        )
        yield Finding("earlier-missing", "incomplete", says)
    if exploratory:
        says = (
            f"{plural(len(exploratory), 'earlier run')} had no gate: exploratory, and known when it was fixed"
        )
        yield Finding("exploratory", "note", says)


def _changed(case: Case, old: Rule, rows: Sequence[Row]) -> Finding:
    last, new = rows[-1], case.rule
    by = (
        f", by commit {case.proof[0][0].commit[:12]}"
        if isinstance(case.proof, tuple) and case.proof[0]
        else ""
    )
    commit = f", code {last.commit[:12]}" if last.commit else ""
    what = "; ".join(old.differences(new))
    says = f"{plural(len(rows), 'earlier result')} (last: {last.id}{commit}) had another gate: {what}{by}"
    if new.is_as_strict_as(old):
        return Finding("protocol-tightened", "note", f"{says}; it has only become harder to pass")
    return Finding("protocol-changed", "refused", f"protocol changed after results: {says}")


# --- beside the verdict --------------------------------------------------------------------------


def check_selection(case: Case) -> Iterator[Finding]:
    """The best of several specs looks better than it is (winner's curse)."""
    if case.others and not case.fresh:
        n = case.rule.runs or max(len(case.chosen.sample.runs), 3)
        says = (
            f"{case.others + 1} specs were tried in {case.group.experiment}: if this one was chosen for its "
            "figures, they are optimistic; fresh ones come from "
            f"gittrack reproduce {case.run} --seeds new --repeats {n}, then gittrack gate {case.run} --fresh"
        )
        yield Finding("selection", "note", says)


def check_today(case: Case) -> Iterator[Finding]:
    """Whether the work tree's gittrack.yaml still has the gate that these runs are judged by."""
    if case.repository.worktree is None:
        return
    try:
        today = rule_of(load(case.repository.worktree), case.group.experiment)
    except ConfigError as error:
        yield Finding("today", "note", f"today's gate cannot be read: {error}")
        return
    if today is None:
        yield Finding("today", "note", "today's gittrack.yaml has no gate; the runs are judged by theirs")
    elif today != case.rule:
        yield Finding("today", "note", f"today's gate is another ({today}); the runs are judged by theirs")


CHECKS: tuple[Check, ...] = (
    check_number,
    check_values,
    check_varied,
    check_second_try,
    check_uncommitted,
    check_changed,
    check_damaged,
    check_selection,
    check_today,
)


def _values(runs: Sequence[JudgedRun]) -> list[float]:
    return [run.value for run in runs if run.value is not None]


def _named(runs: Sequence[JudgedRun] | Sequence[Record]) -> str:
    return f"run {runs[0].id}" + (f" and {len(runs) - 1} more" if len(runs) > 1 else "")


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
