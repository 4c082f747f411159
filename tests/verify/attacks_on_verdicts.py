"""Attacks with verdicts and decisions; part of the list of `tests.verify.attacks`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gittrack.formats.codec import dump_record, load_record, read_yaml
from gittrack.formats.config import ExperimentConfig
from gittrack.formats.decision import Decision, GateRule
from gittrack.formats.decision import dump as dump_decision
from gittrack.formats.record import Record
from gittrack.formats.reproduction import Reproduction, Verdict, dump
from gittrack.governance.criteria import candidate_of, compared, criteria_of
from gittrack.reading.protocol import protocol_of
from gittrack.stats.replicates import Group
from gittrack.stats.result import Result
from gittrack.stats.verdict import judge
from tests.verify.attacks import Change, Victim, attack, repository_of


def add_rerun(v: Victim, accuracy: float) -> Record:
    """Commit a copy of the last run that says it is a rerun of it, with another final metric."""
    old = v.runs[-1]
    names = v.git("ls-tree", "-r", "--name-only", "gittrack/runs", f"{old.path}/").splitlines()
    read = {name: v.read(name) for name in names}
    data = read[f"{old.path}/run.yaml"]
    record = load_record(data, "run.yaml")
    metrics = {**record.metrics, "accuracy": replace(record.metrics["accuracy"], value=accuracy, step=None)}
    rerun = replace(record, id=old.id[:-6] + "abcdef", reproduces=old.id, metrics=metrics)
    changes: dict[str, Change] = {name.replace(old.id, rerun.id): content for name, content in read.items()}
    v.commit({**changes, f"{rerun.path}/run.yaml": dump_record(rerun)})
    return rerun


def result(v: Victim, record: Record) -> Result:
    environment: Any = read_yaml(v.read(f"{v.runs[-1].path}/environment.yaml"))
    return Result(record, environment, None)


def state(v: Victim, verdict: Verdict) -> None:
    """Commit a statement with that verdict on the last run."""
    last = v.runs[-1]
    statement = Reproduction(
        id=last.id[:-6] + "fedcba",
        run=last.id,
        experiment=last.experiment,
        made=last.started,
        author=last.author,
        claim="none",
        protocol=last.protocol,
        environment="current",
        executor="local",
        verdict=verdict,
        tool=last.tool,
    )
    v.commit({f"{statement.path}/reproduction.yaml": dump(statement)})


@attack("FAIL", "reproduction-verdict")
def verdict_better_than_the_reruns(v: Victim) -> None:
    """A rerun with another accuracy is on the ledger; the statement says that it was bitwise the same."""
    rerun = add_rerun(v, accuracy=0.5)
    honest = judge(result(v, v.runs[-1]), [result(v, rerun)], ExperimentConfig())
    same = tuple(replace(r, level="bitwise", differs=()) for r in honest.reruns)
    state(v, replace(honest, level="bitwise-same-host", why="same in the rerun", reruns=same, factors=()))


@attack("FAIL", "reproduction-run")
def verdict_over_a_run_that_is_no_rerun(v: Victim) -> None:
    """Another run of the same project is passed off as a rerun."""
    original, other = v.runs[-1], v.runs[0]
    state(v, judge(result(v, original), [result(v, other)], ExperimentConfig()))


def decide_on(v: Victim) -> Decision:
    """An honest decision on the last run, not committed."""
    last = v.runs[-1]
    with repository_of(v).objects() as objects:
        protocol = protocol_of(objects, last)
    group = Group(last.experiment, last.spec, (last,))
    return Decision(
        id=last.id[:-6] + "dddddd",
        experiment=last.experiment,
        run=last.id,
        outcome="selected",
        because="the best",
        made=last.started,
        author=last.author,
        criteria=criteria_of(protocol, last),
        candidates=(candidate_of(group, compared(protocol, last)),),
        tool=last.tool,
    )


@attack("FAIL", "decision-figures")
def decision_with_edited_figures(v: Victim) -> None:
    """A better mean than the records give is put into a decision before it is committed."""
    made = decide_on(v)
    (candidate,) = made.candidates
    better = {name: replace(figure, mean=figure.mean + 0.01) for name, figure in candidate.metrics.items()}
    assert better
    edited = replace(made, candidates=(replace(candidate, metrics=better),))
    v.commit({edited.path: dump_decision(edited)})


@attack("FAIL", "decision-criteria")
def decision_by_criteria_made_up_afterwards(v: Victim) -> None:
    """It states a gate that the gittrack.yaml of the run never had."""
    made = decide_on(v)
    gate = GateRule(metric="accuracy", threshold=0.1, direction="maximize")
    edited = replace(made, criteria=replace(made.criteria, gate=gate))
    v.commit({edited.path: dump_decision(edited)})
