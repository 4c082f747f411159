"""For each item of the mapping: what the records have on it, where else evidence lies, or that it is missing.

The mapping is data (``schemas/annex-iv.json``), with its source and the date of its consolidation. Nothing
here says that anything is compliant: that is for people to judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gittrack.formats.record import Record
from gittrack.publishing.report.facts import JUDGED
from gittrack.publishing.report.model import Answer, Evidence, Mapping_, Place, Report


def read_mapping() -> tuple[Mapping_, list[dict[str, Any]]]:
    """The mapping as the package has it: where it comes from, and its items in order."""
    from importlib.resources import files

    plain = json.loads(files("gittrack.schemas").joinpath("annex-iv.json").read_text("utf-8"))
    modules = {int(number): name for number, name in plain["modules"].items()}
    keys = ("source", "url", "consolidated", "amended_by", "note")
    return Mapping_(**{key: plain[key] for key in keys}, modules=modules), plain["items"]


def answers_of(report: Report, links: Mapping[str, Place]) -> list[Answer]:
    """One for each item, in the order of the mapping. A path that leads to nothing is no evidence."""
    answers = []
    for item in read_mapping()[1]:
        evidence = tuple(e for key in item["evidence"] for e in EVIDENCE[key](report))
        link = links.get(item["id"])
        is_linked = link is not None and (link.web or link.oid is not None)
        answers.append(
            Answer(
                id=item["id"],
                provision=item["provision"],
                title=item["title"],
                module=item["module"],
                status="here" if evidence else "elsewhere" if is_linked else "missing",
                recorded=bool(item["evidence"]),
                here=evidence,
                link=link,
                limit=item.get("limit", ""),
            )
        )
    return answers


def _subject(report: Report) -> Record | None:
    return report.subject.record if report.subject else None


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _purpose(report: Report) -> Iterator[Evidence]:
    told = report.evidence
    stated = {"intended purpose": told.purpose, "provider": told.provider, "version": told.version}
    names = [name for name, text in stated.items() if text]
    if told.purpose:
        yield Evidence(text=f"{', '.join(names)}, as gittrack.yaml states", section="stated")


def _version(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is None:
        return
    outputs = [o for o in record.outputs if o.sha256]
    what = f"{_counted(len(outputs), 'output')} by SHA-256" if outputs else "no output with a digest"
    of = f", made from run {record.parent}" if record.parent else ""
    yield Evidence(text=f"the run that made the model, {what}{of}", section="run", runs=(record.id,))
    if report.change is not None and report.change.before is not None:
        yield Evidence(text="beside that of a former release", section="change", runs=(report.change.before,))


def _software(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is None:
        return
    locks = [lock for lock in record.locks if lock.pins != "none"]
    sentence = f"{_counted(len(locks), 'lock file')} with versions" if locks else "no lock file"
    packages = _counted(len(report.packages), "installed package") if report.packages else ""
    packages = packages or ("packages not known" if report.packages is None else "no package installed")
    sentence = f"Python {record.surroundings.python or 'not known'}, {packages}, {sentence}"
    yield Evidence(text=sentence, section="environment", runs=(record.id,))


def _steps(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is not None:
        commit = record.code.snapshot or record.code.commit
        commits = (commit,) if commit else ()
        yield Evidence(text="code and command", section="run", runs=(record.id,), commits=commits)


def _base_models(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is not None and record.base_models:
        names = ", ".join(model.name for model in record.base_models)
        yield Evidence(text=names, section="run", runs=(record.id,))


def _decision(report: Report) -> Iterator[Evidence]:
    signed = report.decision
    if signed is not None:
        made = signed.decision
        sentence = f"{made.outcome} among {_counted(len(made.candidates), 'candidate')}, with the reason"
        yield Evidence(text=sentence, section="selection", runs=(made.run,), commits=(signed.commit,))


def _objective(report: Report) -> Iterator[Evidence]:
    aimed = [f"{name} ({m.direction})" for name, m in report.protocol.metrics.items() if m.direction]
    if aimed:
        yield Evidence(text=", ".join(aimed), section="criteria")


def _importance(report: Report) -> Iterator[Evidence]:
    if report.importance is not None:
        importance = report.importance
        parameters = _counted(len(importance.parameters), "parameter")
        sentence = f"association of {parameters} with {importance.metric} over {importance.runs:,} runs"
        yield Evidence(text=sentence, section="importance")


def _compute(report: Report) -> Iterator[Evidence]:
    if report.spent:
        hours = sum(spent.hours for spent in report.spent)
        timed = sum(spent.timed for spent in report.spent)
        untimed = f"; of {_counted(report.runs - timed, 'further run')} the duration is not recorded"
        sentence = f"{hours:.3g} h over {_counted(timed, 'run')}, failed and rejected ones too"
        sentence = (sentence if timed else "no duration is recorded") + (
            untimed if timed < report.runs else ""
        )
        metered = sum(spent.energy_runs for spent in report.spent)
        if metered:
            kwh = sum(spent.energy_kwh for spent in report.spent)
            sentence += f"; {kwh:.3g} kWh counted in {_counted(metered, 'run')}"
        yield Evidence(text=sentence, section="compute")


def _datasheets(report: Report) -> Iterator[Evidence]:
    sheets = {u.data.path for u in report.data if u.sheet and (u.sheet.web or u.sheet.oid)}
    if sheets:
        every = len({use.data.path for use in report.data})
        sentence = f"where the sheets of {len(sheets)} of {_counted(every, 'data set')} lie"
        yield Evidence(text=sentence, section="data")


def _data(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is not None and record.data:
        digests = sum(1 for data in record.data if data.sha256 or data.md5 or data.blob)
        sentence = f"{_counted(len(record.data), 'data set')}, {digests} by digest"
        yield Evidence(text=sentence, section="data", runs=(record.id,))


def _test_data(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    judged = [data for data in record.data if data.role in JUDGED] if record else []
    if record is not None and judged:
        sentence = ", ".join(f"{data.path} ({data.role})" for data in judged)
        yield Evidence(text=sentence, section="data", runs=(record.id,))


def _changes(report: Report) -> Iterator[Evidence]:
    if report.evidence.changes:
        sentence = f"{_counted(len(report.evidence.changes), 'change')}, as gittrack.yaml states"
        yield Evidence(text=sentence, section="stated")


def _metrics(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is not None and record.metrics:
        names = list(record.metrics)
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        yield Evidence(text=", ".join(names[:6]) + more, section="run", runs=(record.id,))


def _gate(report: Report) -> Iterator[Evidence]:
    judgement = report.gate
    if judgement is not None and judgement.rule is not None:
        fixed = ", fixed before the runs" if judgement.origins else ""
        rule = judgement.rule
        sentence = f"gate {judgement.outcome}: {rule.metric} against {rule.threshold:.12g}{fixed}"
        commits = tuple(origin.commit for origin in judgement.origins)
        yield Evidence(
            text=sentence, section="gate", runs=tuple(run.id for run in judgement.judged), commits=commits
        )


def _slices(report: Report) -> Iterator[Evidence]:
    record = _subject(report)
    if record is not None and report.slices:
        groups = len({part.group for part in report.slices})
        sentence = f"{_counted(len(report.slices), 'figure')} for {_counted(groups, 'group')}"
        yield Evidence(text=sentence, section="groups", runs=(record.id,))


def _signed(report: Report) -> Iterator[Evidence]:
    signed = report.decision
    if signed is not None and (signed.signature or signed.merged_by):
        ways = [f"{signed.signature} signature"] if signed.signature else []
        ways += [f"merged by {signed.merged_by}"] if signed.merged_by else []
        sentence = f"decision of {signed.committed}: {', '.join(ways)}"
        yield Evidence(text=sentence, section="selection", commits=(signed.commit,))


def _integrity(report: Report) -> Iterator[Evidence]:
    if report.verified is not None:
        sentence = f"gittrack verify: {report.verified.outcome} over {_counted(report.verified.runs, 'run')}"
        yield Evidence(text=sentence, section="verification", commits=(report.tip,))


def _accuracy(report: Report) -> Iterator[Evidence]:
    record, group = _subject(report), report.group
    if record is None or group is None or not record.metrics:
        return
    runs = group.across.runs
    if len(runs) > 1:
        sentence = f"means with intervals over {len(runs)} replicates ({group.across.varied} varied)"
        yield Evidence(text=sentence, section="accuracy", runs=tuple(run.id for run in runs))
    else:
        yield Evidence(text="values of one run, without an interval", section="accuracy", runs=(record.id,))


def _limitations(report: Report) -> Iterator[Evidence]:
    if report.evidence.limitations:
        sentence = f"{_counted(len(report.evidence.limitations), 'limitation')}, as gittrack.yaml states"
        yield Evidence(text=sentence, section="limitations")


def _why_metrics(report: Report) -> Iterator[Evidence]:
    names = [name for name, metric in report.protocol.metrics.items() if metric.why]
    if names:
        yield Evidence(text=f"reasons for {', '.join(names[:10])}", section="criteria")


def _since(report: Report) -> Iterator[Evidence]:
    change = report.change
    if change is not None:
        sentence = f"{_counted(change.runs, 'run')} added since {change.since}"
        yield Evidence(text=sentence, section="change", commits=(change.commit,))


def _reproducibility(report: Report) -> Iterator[Evidence]:
    for statement in report.reproductions[-1:]:
        runs = tuple(rerun.run for rerun in statement.verdict.reruns)
        sentence = f"{statement.verdict.level}, from {_counted(len(runs), 'rerun')}"
        yield Evidence(text=sentence, section="reproducibility", runs=runs)
    if not report.reproductions and report.group is not None and len(report.group.across.runs) > 2:
        runs = tuple(run.id for run in report.group.across.runs)
        sentence = (
            f"spread over {len(runs)} replicates ({report.group.across.varied} varied); no rerun of the run"
        )
        yield Evidence(text=sentence, section="reproducibility", runs=runs)


EVIDENCE: Mapping[str, Callable[[Report], Iterator[Evidence]]] = {
    "purpose": _purpose,
    "version": _version,
    "software": _software,
    "steps": _steps,
    "base_models": _base_models,
    "decision": _decision,
    "objective": _objective,
    "importance": _importance,
    "compute": _compute,
    "datasheets": _datasheets,
    "data": _data,
    "test_data": _test_data,
    "changes": _changes,
    "metrics": _metrics,
    "gate": _gate,
    "slices": _slices,
    "signed": _signed,
    "integrity": _integrity,
    "accuracy": _accuracy,
    "limitations": _limitations,
    "why_metrics": _why_metrics,
    "since": _since,
    "reproducibility": _reproducibility,
}
"""By the words that the mapping uses: what there is, if there is any."""
