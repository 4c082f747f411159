"""Groups of replicates side by side, as sections."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.cli.pages.seeds import seeds
from gittrack.stats.compare import Contrast, Contrasts, MetricContrasts, Side
from gittrack.text.sections import Row, Section, between, chance, measured, percent, settings
from gittrack.text.text import number

_ARROWS = {"maximize": " ↑", "minimize": " ↓"}
_COLOURS = {"better": "green", "worse": "red", "equivalent": "green"}


def sections(contrasts: Contrasts, damaged: Sequence[str] = ()) -> list[Section]:
    """The groups, then each metric: means, differences from the first group, the best of all."""
    plural = "record is" if len(damaged) == 1 else "records are"
    lead = [f"{len(damaged)} damaged {plural} in no figure: {', '.join(damaged[:5])}"] if damaged else []
    groups = Section(
        title=f"{len(contrasts.sides)} groups, each beside {contrasts.sides[0].letter}",
        header=["", "experiment", "spec", ">finished", ">failed", "varied", "differs in"],
        rows=[_group(side) for side in contrasts.sides],
        notes=[*lead, *contrasts.cautions, *_left_out(contrasts)],
    )
    parts = [groups]
    for metric in contrasts.metrics:
        parts += [_means(contrasts, metric), *_differences(contrasts, metric), *_choice(metric)]
    return parts


def _group(side: Side) -> Row:
    group = side.group
    runs = side.sample.runs
    named = f": {seeds(runs, 6)}" if runs and side.sample.varied != "not recorded" else ""
    return Row(
        [side.letter, group.experiment, group.spec[:12], str(len(group.finished)), str(len(group.failed)),
         f"{side.sample.varied}{named}", settings(side.apart)]
    )  # fmt: skip


def _left_out(contrasts: Contrasts) -> list[str]:
    if not contrasts.left_out:
        return []
    named = ", ".join(contrasts.left_out[:10]) + (" ..." if len(contrasts.left_out) > 10 else "")
    return [
        f"not compared: {named} (of no known direction, or not in every group): --metric NAME compares one"
    ]


def _title(metric: MetricContrasts) -> str:
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{metric.metric}{_ARROWS.get(metric.direction or '', ', no direction known')}{unit}"


def _means(contrasts: Contrasts, metric: MetricContrasts) -> Section:
    rows = []
    for mean in metric.means:
        interval = mean.interval
        if interval is None:
            rows.append(Row([mean.letter, "0"], "no run has a finite value", "yellow"))
        elif interval.low is None:
            rows.append(Row([mean.letter, str(interval.n), number(interval.mean, 6)], interval.why, "yellow"))
        else:
            figures = [measured(v, interval.sd) for v in (interval.mean, interval.sd or 0.0)]
            rows.append(
                Row(
                    [
                        mean.letter,
                        str(interval.n),
                        *figures,
                        between(interval.low, interval.high, interval.sd),
                    ]
                )
            )
    missing = [
        f"{mean.letter}: no finite value in {', '.join(mean.missing[:5])}"
        for mean in metric.means
        if mean.missing
    ]
    header = ["", ">n", ">mean", ">sd", f">mean {percent(contrasts.confidence)}"]
    return Section(title=_title(metric), header=header, rows=rows, notes=missing)


def _differences(contrasts: Contrasts, metric: MetricContrasts) -> list[Section]:
    if not metric.contrasts:
        return []
    share = "P(larger)" if metric.direction is None else "P(better)"
    header = ["", ">diff", f">{percent(contrasts.confidence)}", ">p", ">Holm p", f">{share}"]
    if contrasts.margin is not None:
        header.append(f"±{contrasts.margin:g}, p")
    rows = [_difference(contrast, contrasts.margin is not None) for contrast in metric.contrasts]
    return [Section(header=[*header, "verdict"], rows=rows, notes=_methods(contrasts, metric))]


def _difference(contrast: Contrast, margin: bool) -> Row:
    d = contrast.difference
    spread = None if d.error is None or d.freedom is None else d.error * 2
    share = contrast.superiority
    cells = [
        f"{contrast.b} - {contrast.a}",
        measured(d.difference, spread, sign=True),
        between(d.low, d.high, spread, sign=True),
        chance(d.p),
        chance(contrast.holm),
        "" if share is None else f"{share.share:.2f} {between(share.low, share.high, 0.1)}".strip(),
    ]
    if margin:
        cells.append(_within(contrast))
    colour = _COLOURS.get(contrast.verdict.split(",")[0])
    return Row([*cells, contrast.verdict], colour=colour or ("yellow" if contrast.holm is None else None))


def _within(contrast: Contrast) -> str:
    within = contrast.equivalence
    if within is None or within.equivalent is None:
        return "?"
    return f"{'yes' if within.equivalent else 'no'}, {chance(within.p)}"


def _methods(contrasts: Contrasts, metric: MetricContrasts) -> list[str]:
    """How each difference was tested, those alike together; what the columns are."""
    names = {"paired": "paired t", "Welch": "Welch"}
    reasons: dict[str, list[str]] = {}
    for contrast in metric.contrasts:
        if contrast.difference.p is not None:
            reasons.setdefault(f"{names[contrast.difference.method]}: {contrast.because}", []).append(
                contrast.b
            )
    alone = len(reasons) == 1
    sentences = [why if alone else f"{', '.join(letters)}: {why}" for why, letters in reasons.items()]
    sentences += [
        f"{contrast.b}: {contrast.difference.why}" for contrast in metric.contrasts if contrast.difference.why
    ]
    if contrasts.asked > 1:
        sentences.append(
            f"Holm's p is adjusted for the {contrasts.asked} comparisons made here; verdicts go by it"
        )
    shares = [contrast.superiority for contrast in metric.contrasts if contrast.superiority is not None]
    if any(share.verdict for share in shares):
        words = ", ".join(
            f"{contrast.b} {contrast.superiority.verdict}"
            for contrast in metric.contrasts
            if contrast.superiority is not None and contrast.superiority.verdict
        )
        sentences.append(f"how often one run beats another, beside 0.5 and {shares[0].gamma:g}: {words}")
    if any(share.why for share in shares):
        sentences.append(f"P has no interval: {next(share.why for share in shares if share.why)}")
    if contrasts.margin is not None:
        sure = next(
            (contrast.equivalence.confidence for contrast in metric.contrasts if contrast.equivalence), 0.9
        )
        sentences.append(
            f"±{contrasts.margin:g} (TOST): yes where the {percent(sure)} interval lies inside, no where "
            "that is not shown; it counts only if the margin was fixed before the results were seen"
        )
    return sentences


def _choice(metric: MetricContrasts) -> list[Section]:
    chosen = metric.selection
    if chosen is None or metric.winner is None:
        return []
    best = f"{metric.winner} has the best mean of {chosen.candidates}"
    if chosen.corrected is None or chosen.overstated is None:
        sentence = (
            f"{best}. It was chosen by these very results, so it looks too good; by how much is not known: "
            f"{chosen.why}"
        )
    else:
        sentence = (
            f"{best}, {measured(chosen.mean, chosen.overstated)}. It was chosen by these very results: if "
            f"all were equally good, the best of {chosen.candidates} would look better by up "
            f"to {measured(chosen.overstated, chosen.overstated)} (winner's curse), which leaves "
            f"{measured(chosen.corrected, chosen.overstated)}"
        )
    return [Section(lead=[f"{sentence}. Rerun it on fresh seeds, and go by those alone: {metric.fresh}"])]
