"""What is left for a reviewer to decide: questions that follow from what was found. Plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gittrack.formats.record import Record
from gittrack.formats.spec import UNSEEDED, seed_key
from gittrack.publishing.review import Experiment, Review
from gittrack.reading.diff import Comparison
from gittrack.stats.metrics import direction_of, metric_names

NAMED = 5
"""Runs that one question names."""


def questions(review: Review) -> list[str]:
    """Each a sentence or two, most serious first."""
    return [*_of_the_whole(review), *(q for e in review.experiments for q in _of_experiment(e))]


def _of_the_whole(review: Review) -> Iterator[str]:
    outcome = review.verified.outcome if review.verified else None
    if outcome == "FAIL":
        yield "verify says FAIL: do not merge before each failed claim is explained or mended."
    if outcome == "INCOMPLETE":
        yield "verify could not check everything: is what it names acceptable unchecked?"
    altered = review.selection.altered
    if altered:
        yield (
            f"{_count(len(altered), 'file')} of the ledger changed, deleted or foreign to it, "
            f"first {altered[0][1]}: records are add-only. Who asked for this?"
        )
    if review.damaged:
        yield f"{_count(len(review.damaged), 'record')} cannot be read: why?"
    for made in review.selection.decisions:
        few = [c for c in made.candidates if made.run in c.runs and len(c.runs) < 3]
        once = ", on fewer than three runs" if few and made.outcome == "selected" else ""
        yield f"{made.run} of {made.experiment} is to be {made.outcome}{once}: do you sign that off?"
    if not review.runs and not review.selection.decisions:
        yield "No run belongs to these commits: does the change need one?"


def _of_experiment(experiment: Experiment) -> Iterator[str]:
    records = [run.record for run in experiment.runs]
    where = f"{experiment.name}: "
    yield from (where + text for text in _of_records(records))
    yield from (where + text for text in _of_results(experiment, records))
    if experiment.baseline is None:
        ask = "Is this the baseline (gittrack decide --outcome baseline)?"
        yield f"{where}there is no earlier run to compare with. {ask}"
    yield from (where + text for text in _of_comparisons(experiment.comparisons))


def _of_records(records: Sequence[Record]) -> Iterator[str]:
    def those(wanted: Sequence[Record], text: str) -> Iterator[str]:
        if wanted:
            yield f"{_names(wanted, len(records))} {text}"

    foreign = [r for r in records if r.imported is not None]
    yield from those(foreign, "was imported: nobody saw it here, so does the word of its tracker suffice?")
    unknown = [r for r in records if r.status == "unknown"]
    yield from those(unknown, "ended unseen, so that nobody knows whether it succeeded: who can tell?")
    failed = [r for r in records if r.status in ("failed", "killed")]
    yield from those(failed, "did not finish: is that part of the result, and is the reason understood?")
    dirty = [r for r in records if r.code.dirty]
    yield from those(dirty, "ran uncommitted code, kept as a snapshot: should it be committed and run again?")
    left_out = [r for r in records if r.code.left_out]
    yield from those(
        left_out, "ran with files that its snapshot leaves out: can it be repeated without them?"
    )
    changed = [r for r in records if r.changed]
    yield from those(changed, "had parameters, inputs or code edited while it ran: which of both did it use?")
    beside = [r for r in records if any(not overlap.unknown for overlap in r.overlaps)]
    yield from those(beside, "wrote where another run wrote at the same time: whose results are these?")
    loose = [r for r in records if not any(lock.pins != "none" for lock in r.locks)]
    yield from those(loose, "has no lock file that pins its packages: can its environment be rebuilt?")
    seedless = [r for r in records if seed_key(r) == UNSEEDED]
    yield from those(seedless, "has no seed: is its result meant to be repeatable?")
    silent = [r for r in records if not r.hypothesis]
    yield from those(silent, "states no hypothesis: what was it to show?")
    no_data = [r for r in records if not r.data and not r.datasets]
    yield from those(no_data, "names no data: what did it read?")


def _of_results(experiment: Experiment, records: Sequence[Record]) -> Iterator[str]:
    specs = {r.spec for r in records if r.status == "finished"}
    if len(specs) > 1:
        yield (
            f"{len(specs)} configurations were tried: the best of them looks better than it is. "
            "Was it chosen on data that the reported metric does not use?"
        )
    if records and len({(r.spec, seed_key(r)) for r in records}) == len(specs) > 0:
        yield "each configuration ran with one seed: is a difference of that size more than chance?"
    worse = sorted({r.metric for r in experiment.replicated if r.verdict == "worse"})
    if worse:
        yield f"{', '.join(worse)} really got worse: is that accepted?"
    alike = sorted({r.metric for r in experiment.replicated if r.verdict == "no real difference"})
    if alike:
        yield f"no real difference from the baseline in {', '.join(alike[:NAMED])}: is the change worth it?"
    aimless = [name for name in metric_names(records) if direction_of(records, name) is None]
    if aimless:
        yield f"gittrack.yaml gives no direction for {', '.join(aimless[:NAMED])}: which way is better?"


def _of_comparisons(comparisons: Sequence[Comparison]) -> Iterator[str]:
    records = [(c.a.record, c.b.record) for c in comparisons]
    roles = ("(test)", "(holdout)", "(validation)")
    changed = (pair for c in comparisons for pair in c.data if not pair.same and pair.a is not None)
    judged = {pair.name for pair in changed if pair.name.endswith(roles)}
    if judged:
        yield f"{', '.join(sorted(judged))} differs from the baseline's: the metrics are not like for like."
    unlike = sorted(
        {f"{pair.name} ({pair.unlike})" for c in comparisons for pair in c.metrics if pair.unlike}
    )
    if unlike:
        yield f"{', '.join(unlike[:NAMED])}: the final value comes by another rule than the baseline's."
    if any(a.protocol != b.protocol for a, b in records):
        yield "gittrack.yaml differs from that of the baseline: were the criteria changed after the fact?"


def _names(wanted: Sequence[Record], of: int) -> str:
    ids = ", ".join(record.id for record in wanted[:NAMED])
    more = f" and {len(wanted) - NAMED} more" if len(wanted) > NAMED else ""
    if len(wanted) == of and of > 1:
        return f"each of the {of} runs"
    return f"{_count(len(wanted), 'run')} ({ids}{more})" if of > 1 else f"run {ids}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
