"""Parameters by their importance, as sections."""

from __future__ import annotations

from gittrack.stats.importance import Importance, Parameter
from gittrack.text.sections import Row, Section, chance

_ARROWS = {"maximize": " ↑", "minimize": " ↓"}


def sections(importance: Importance) -> list[Section]:
    """One table, with what it rests on above it and what it cannot say below."""
    tuned = any(parameter.fanova is not None for parameter in importance.parameters)
    header = ["parameter", ">levels", ">R² lost", ">Spearman", ">p", ">Holm p"]
    header += [">PED-ANOVA", ">fANOVA"] if tuned else []
    fit = "" if importance.r2 is None else f"; the forest's R² on unseen settings is {importance.r2:.2f}"
    notes = [*importance.cautions, *_methods(importance)]
    counted = {why: f"{count:,} run{'' if count == 1 else 's'}" for why, count in importance.left_out.items()}
    notes += [f"in no figure: {count} {why}" for why, count in counted.items()]
    return [
        Section(
            title=f"{importance.experiment}: association of parameters with {importance.metric}"
            f"{_ARROWS.get(importance.direction or '', '')}",
            lead=[f"{importance.runs:,} runs of {importance.settings:,} settings{fit}"],
            header=[*header, ""],
            rows=[_row(parameter, importance.runs, tuned) for parameter in importance.parameters],
            notes=notes,
        )
    ]


def _row(parameter: Parameter, runs: int, tuned: bool) -> Row:
    cells = [parameter.name, str(parameter.levels)]
    if parameter.kind in ("constant", "label"):
        return Row(cells, parameter.why, "dim")
    rank = parameter.correlation
    drop = "" if parameter.importance is None else f"{parameter.importance:.3f} ± {parameter.spread or 0:.3f}"
    cells += [drop, "" if rank is None or rank.rho is None else f"{rank.rho:+.3f}"]
    cells += [chance(rank.p if rank else None), chance(parameter.holm)]
    if tuned:
        cells += [
            "" if share is None else f"{share:.3f}" for share in (parameter.ped_anova, parameter.fanova)
        ]
    some = f"in {parameter.present} of {runs} runs" if parameter.present < runs else ""
    return Row([*cells, "; ".join(filter(None, [some, rank.why if rank else ""]))])


def _methods(importance: Importance) -> list[str]:
    methods = {parameter.correlation.method for parameter in importance.parameters if parameter.correlation}
    ways = {"permutation": "all permutations", "t": "Student's t"}
    way = " or, of more than 11 runs, ".join(notes for method, notes in ways.items() if method in methods)
    notes = ["R² lost: by how much the forest's R² falls when the parameter's values are shuffled (± sd)"]
    notes += [f"Spearman's p by {way}; Holm's is adjusted for all parameters"] if way else []
    return notes if importance.r2 is not None and importance.r2 > 0 else notes[1:]
