"""The protocol's pass rule against the replicates of one spec, and the proof that the rule came first.

rule.py       the rule, its defaults filled in
history.py    which rule a code tree holds, and since which commit
sample.py     which runs count, and what becomes of the others
checks.py     what stands against a verdict, or beside it
judgement.py  the verdict
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gittrack.errors import ConfigError, RecordError, UsageError
from gittrack.formats.config import FILE
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.governance.gate.case import Case, figures_of
from gittrack.governance.gate.checks import CHECKS
from gittrack.governance.gate.history import Absent, History, Origin
from gittrack.governance.gate.judgement import (
    EXIT_CODES,
    UNPROVEN,
    Figures,
    Finding,
    Judgement,
    Kind,
    Outcome,
    outcome_of,
)
from gittrack.governance.gate.rule import Rule, check
from gittrack.governance.gate.sample import JudgedRun, choose
from gittrack.reading.index import Index, Row
from gittrack.stats.replicates import Group, group_of

__all__ = [
    "EXIT_CODES",
    "UNPROVEN",
    "Figures",
    "Finding",
    "JudgedRun",
    "Judgement",
    "Kind",
    "Origin",
    "Outcome",
    "Rule",
    "judge",
]


def judge(
    repository: Repository,
    index: Index,
    name: str = "latest",
    *,
    fresh: bool = False,
    declared: str | None = None,
) -> Judgement:
    """The verdict of the protocol on the runs of one spec.

    1. `name` is a run, an experiment (its newest run), or a commit whose runs have one spec; all
       runs of that spec are looked at, failed ones too.
    2. The rule is that of gittrack.yaml in the code tree of these runs, never the work tree's.
    3. The sample is one run for each distinct seed; with `fresh`, runs that `gittrack reproduce`
       made on new seeds alone.
    4. Refused, unless `declared` says why it has to be: more runs than were fixed, or none fixed;
       nothing varied; a gate that was not committed before the first result, or that was changed
       after earlier results of the experiment; fresh seeds after a full sample that missed.
    5. The bound of the mean's t interval, not the mean, has to reach the threshold.

    Raises UsageError where there is no such run, or no gate for it, and RecordError where a record
    and its code disagree about gittrack.yaml.
    """
    if declared is not None and not declared.strip():
        raise UsageError("a declaration needs a reason: what was done otherwise than fixed, and why")
    row = _named(index, name)
    group = group_of(index, row)
    rows = index.search(experiment=row.experiment)[::-1]
    with repository.objects() as objects:
        history = History(repository, objects, row.experiment)
        try:
            rule = _rule(history, group)
        except Absent as absent:
            return _unknown(group, rows, name, row, absent, fresh, declared)
        chosen = choose(group, rule.metric, rule.runs, fresh=fresh, others=_originals(index, group))
        case = Case(repository, history, group, rows, rule, chosen, fresh, row.id)
        return _judgement(case, name, declared)


def _judgement(case: Case, name: str, declared: str | None) -> Judgement:
    """All findings, and the figures if nothing but a missing object stands against them."""
    findings = [finding for one in CHECKS for finding in one(case)]
    if declared is not None:
        findings = [replace(f, kind="declared") if f.kind == "refused" else f for f in findings]
    chosen, rule, figures = case.chosen, case.rule, None
    if not any(finding.kind in ("refused", "missed") for finding in findings):
        figures = figures_of([run.value for run in chosen.part("judged") if run.value is not None], rule)
    if figures is not None and figures.margin < 0:
        findings.insert(0, Finding("bound", "missed", _missed(figures, rule)))
    return Judgement(
        outcome=outcome_of(findings),
        asked=name,
        run=case.run,
        experiment=case.group.experiment,
        spec=case.group.spec,
        others=case.others,
        fresh=case.fresh,
        declared=declared,
        rule=rule,
        varied=chosen.sample.varied if len(chosen.sample.runs) > 1 else None,
        runs=chosen.runs,
        figures=figures,
        origins=() if isinstance(case.proof, Absent) else case.proof[0],
        findings=tuple(findings),
    )


def _named(index: Index, name: str) -> Row:
    """The run that stands for the group. NotFoundError where there is none, or several specs."""
    if name in index.experiments():
        return index.one(f"{name}/latest")
    rows = index.resolve(name)
    alike = len({(row.experiment, row.spec) for row in rows}) == 1
    return rows[0] if alike else index.one(name)


def _rule(history: History, group: Group) -> Rule:
    """The rule in force when the runs were made: they share a code tree, as that is part of their spec."""
    tree = group.runs[0].code.tree
    foreign = next((run for run in group.runs if run.imported is not None), None)
    if tree is None or foreign is not None:
        name = group.runs[0].id if foreign is None else foreign.id
        raise ConfigError(
            f"run {name} was imported: which {FILE} was in force was not observed, so that no gate judges it"
        )
    blob = history.blob(tree)
    odd = next((run for run in group.runs if run.protocol != blob), None)
    if odd is not None:
        raise RecordError(
            f"run {odd.id} says that {FILE} {(odd.protocol or 'none')[:12]} was in force, and its code has "
            f"{(blob or 'none')[:12]}: run gittrack verify {odd.id}"
        )
    rule = history.rule(tree)
    if rule is None:
        raise ConfigError(
            f"the runs of {group.experiment} with spec {group.spec[:12]} were made without a gate: commit "
            f"experiments.{group.experiment}.gate in {FILE}, then run anew; docs/gate.md says how"
        )
    check(rule, group.experiment)
    return rule


def _originals(index: Index, group: Group) -> dict[str, Record]:
    """Runs of other groups that runs of this one reproduce."""
    judged = {run.id for run in group.runs}
    elsewhere = sorted({run.reproduces for run in group.runs if run.reproduces} - judged)
    rows = index.search(ids=elsewhere) if elsewhere else []
    return {row.id: row.load() for row in rows if row.fault is None}


def _unknown(
    group: Group, rows: Sequence[Row], name: str, row: Row, absent: Absent, fresh: bool, declared: str | None
) -> Judgement:
    """The verdict where the code of the runs is not in this clone."""
    says = f"{absent} is not in this clone, so that nobody can tell by which gate to judge: run gittrack pull"
    return Judgement(
        outcome="incomplete",
        asked=name,
        run=row.id,
        experiment=row.experiment,
        spec=group.spec,
        others=len({other.spec for other in rows if other.spec is not None} - {group.spec}),
        fresh=fresh,
        declared=declared,
        rule=None,
        varied=None,
        runs=choose(group, "").runs,
        figures=None,
        origins=(),
        findings=(Finding("code-missing", "incomplete", says),),
    )


def _missed(figures: Figures, rule: Rule) -> str:
    what = "the value of all runs" if figures.identical else f"the {rule.bound}"
    says = f"{what}, {figures.bound:.6g}, misses {rule.threshold:.12g} by {-figures.margin:.6g}"
    if figures.mean_margin >= 0:
        says += f"; the mean, {figures.interval.mean:.6g}, would have passed, and is not what is judged"
    return says
