"""Parameters by their importance, as sections."""

from __future__ import annotations

from gittrack.stats.importance import Importance, Parameter
from gittrack.text.sections import Row, Section, chance

_ARROWS = {"maximize": " ↑", "minimize": " ↓"}


def sections(found: Importance) -> list[Section]:
    """One table, with what it rests on above it and what it cannot say below."""
    tuned = any(each.fanova is not None for each in found.parameters)
    header = ["parameter", ">levels", ">R² lost", ">Spearman", ">p", ">Holm p"]
    header += [">PED-ANOVA", ">fANOVA"] if tuned else []
    fit = "" if found.r2 is None else f"; the forest's R² on unseen settings is {found.r2:.2f}"
    notes = [*found.cautions, *_methods(found)]
    counted = {why: f"{count:,} run{'' if count == 1 else 's'}" for why, count in found.left_out.items()}
    notes += [f"in no figure: {count} {why}" for why, count in counted.items()]
    return [
        Section(
            title=f"{found.experiment}: association of parameters with {found.metric}"
            f"{_ARROWS.get(found.direction or '', '')}",
            lead=[f"{found.runs:,} runs of {found.settings:,} settings{fit}"],
            header=[*header, ""],
            rows=[_row(each, found.runs, tuned) for each in found.parameters],
            notes=notes,
        )
    ]


def _row(each: Parameter, runs: int, tuned: bool) -> Row:
    cells = [each.name, str(each.levels)]
    if each.kind in ("constant", "label"):
        return Row(cells, each.why, "dim")
    rank = each.correlation
    drop = "" if each.importance is None else f"{each.importance:.3f} ± {each.spread or 0:.3f}"
    cells += [drop, "" if rank is None or rank.rho is None else f"{rank.rho:+.3f}"]
    cells += [chance(rank.p if rank else None), chance(each.holm)]
    if tuned:
        cells += ["" if share is None else f"{share:.3f}" for share in (each.ped_anova, each.fanova)]
    some = f"in {each.present} of {runs} runs" if each.present < runs else ""
    return Row([*cells, "; ".join(filter(None, [some, rank.why if rank else ""]))])


def _methods(found: Importance) -> list[str]:
    methods = {each.correlation.method for each in found.parameters if each.correlation}
    ways = {"permutation": "all permutations", "t": "Student's t"}
    way = " or, of more than 11 runs, ".join(said for method, said in ways.items() if method in methods)
    said = ["R² lost: by how much the forest's R² falls when the parameter's values are shuffled (± sd)"]
    said += [f"Spearman's p by {way}; Holm's is adjusted for all parameters"] if way else []
    return said if found.r2 is not None and found.r2 > 0 else said[1:]
