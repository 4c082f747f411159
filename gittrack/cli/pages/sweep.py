"""A sweep as terminal text and as plain values: its settings before it, its runs after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gittrack.running.sweep import Point, RunResult, SweepPlan, Swept
from gittrack.running.sweep.results import NOT_RECORDED, Best
from gittrack.text.table import Cell, Line, layout
from gittrack.text.text import Paint, number, one_line, value

MOST_ROWS = 50
MOST_METRICS = 4
PRECISION = 6
_COLOURS = {"failed": "red", "killed": "red", "unknown": "red", NOT_RECORDED: "red"}


def headline(plan: SweepPlan) -> str:
    """What is going to be run: ``sweep 2026...: 4 settings (lr 2 × width 2) × 3 seeds = 12 runs``."""
    seeds = len(plan.options.seeds)
    sizes = [f"{r.key} {len(r.values):,}" for r in plan.space.ranges if hasattr(r, "values")]
    counted = f" ({' × '.join(sizes)})" if plan.search == "grid" and len(sizes) > 1 else ""
    text = f"{plan.count:,} setting{'s' * (plan.count != 1)}{counted}"
    if seeds > 1:
        text += f" × {seeds:,} seeds = {plan.count * seeds:,} runs"
    chosen = "" if plan.search == "grid" else f", {plan.search}, search seed {plan.search_seed}"
    return one_line(f"sweep {plan.id} of {plan.experiment}: {text}{chosen}")


def setting_text(point: Point, *, seed: bool = True) -> str:
    """``lr=0.1 width=64 seed=1``."""
    parts = [f"{key}={value(item)}" for key, item in point.setting.items()]
    parts += [f"seed={point.seed}"] if seed and point.seed is not None else []
    return one_line(" ".join(parts)) or "as it is"


def progress(swept: SweepPlan, result: RunResult) -> str:
    """How one run went, in a line."""
    message = one_line(f"; {result.said}") if result.said else ""
    metric = swept.metric
    if not result.finished:  # a cluster's records come when all have ended
        return f"{setting_text(result.point)}: {result.status}{message}"
    figure = "" if metric is None else f", {one_line(metric)} {_metric(result, metric) or 'absent'}"
    return f"{setting_text(result.point)}: {result.status}{figure}{message}"


def _metric(result: RunResult, name: str) -> str:
    if name not in result.metrics:
        return ""
    figure = result.metrics[name]
    return "not finite" if figure is None else number(float(figure), PRECISION)


# --- before ------------------------------------------------------------------------------------


def plan_lines(plan: SweepPlan, paint: Paint, columns: int | None) -> list[str]:
    """The settings that would be run."""
    if plan.settings is None:
        return ["Optuna says the settings one after another, by what came of the ones before."]
    keys = [r.key for r in plan.space.ranges]
    if not keys:
        return []
    rows = [
        [Cell(value(setting[key]), right=_is_number(setting[key])) for key in keys]
        for setting in plan.settings
    ]
    return layout(keys, [Line(row) for row in rows], paint, columns=columns, fixed=len(keys))[0]


def plan_dict(plan: SweepPlan) -> dict[str, Any]:
    """The plan as plain values."""
    return {
        "experiment": plan.experiment,
        "command": list(plan.job.command),
        "search": plan.search,
        "search_seed": None if plan.search == "grid" else plan.search_seed,
        "settings": None if plan.settings is None else [dict(setting) for setting in plan.settings],
        "seeds": list(plan.options.seeds),
        "runs": plan.count * len(plan.options.seeds),
        "metric": plan.metric,
        "direction": plan.direction,
    }


# --- after -------------------------------------------------------------------------------------


def terminal(swept: Swept, paint: Paint, columns: int | None) -> list[str]:
    """A table of the runs, the best ones first where that is known, and what to make of it."""
    best = swept.best()
    chosen = {result.run for result in best.results} if best else set()
    header = ["run", "status", *_keys(swept), *(["seed"] if _has_seeds(swept) else []), *_metrics(swept), ""]
    results = _sorted(swept)
    rows = [Line(_row(swept, result, result.run in chosen)) for result in results[:MOST_ROWS]]
    lines = layout([one_line(name) for name in header], rows, paint, columns=columns, fixed=2)[0]
    if len(results) > MOST_ROWS:
        lines.append(
            f"and {len(results) - MOST_ROWS:,} more: gittrack log -F \"tags.sweep = '{swept.plan.id}'\""
        )
    return [*lines, "", *summary(swept)]


def summary(swept: Swept) -> list[str]:
    """How many runs finished, and what the best of them is worth."""
    finished, total = f"{swept.finished:,}", f"{len(swept.results):,}"
    earlier = sum(result.earlier for result in swept.results)
    lines = [f"{finished} of {total} runs finished" + (f", {earlier:,} of them before." if earlier else ".")]
    best, settings = swept.best(), len(swept.by_setting())
    if best is None or swept.is_flat():
        return [*lines, _no_best(swept)]
    return lines + (_advice(best, settings, one_line(swept.plan.metric or "")) if settings > 1 else [])


def _no_best(swept: Swept) -> str:
    metric = one_line(swept.plan.metric or "")
    if not metric:
        return "The best one is not marked: name a metric with --metric, or declare one in gittrack.yaml."
    if swept.plan.direction is None:
        return f"The best one is not marked: say --direction maximize or minimize for {metric}."
    if swept.is_flat():
        asks = "does the program read GITTRACK_PARAMS, or take {KEY} as an argument?"
        return f"Every setting came to the same {metric}: {asks}"
    return f"No setting has a finite {metric} in every run of it: none is the best."


def _advice(best: Best, settings: int, metric: str) -> list[str]:
    first, count = best.results[0], len(best.results)
    mean = f"mean of {count} seeds " if count > 1 else ""
    lines = [
        f"Best of {settings:,} settings: {setting_text(first.point, seed=False)}, "
        f"{metric} {mean}{number(best.mean, PRECISION)}.",
        "The best of many looks better than it is (winner's curse). Rerun it on fresh seeds: "
        f"gittrack reproduce {first.run[-6:]} --seeds new --repeats 5",
    ]
    if first.seed is None:
        lines.append("(That needs a program that uses GITTRACK_SEED, and a seed: these runs record none.)")
    return lines


def _keys(swept: Swept) -> list[str]:
    return [r.key for r in swept.plan.space.ranges]


def _has_seeds(swept: Swept) -> bool:
    return any(result.point.seed is not None for result in swept.results)


def _metrics(swept: Swept) -> list[str]:
    if swept.plan.metric is not None:
        return [swept.plan.metric]
    return sorted({name for result in swept.results for name in result.metrics})[:MOST_METRICS]


def _sorted(swept: Swept) -> Sequence[RunResult]:
    """The best ones first; without a metric and its direction as they were asked for."""
    metric, direction = swept.plan.metric, swept.plan.direction
    if metric is None or direction is None:
        return swept.results
    sign = -1 if direction == "maximize" else 1

    def place(result: RunResult) -> tuple[bool, float]:
        figure = result.metrics.get(metric)
        return (figure is None or not result.finished, 0.0 if figure is None else sign * figure)

    return sorted(swept.results, key=place)


def _row(swept: Swept, result: RunResult, best: bool) -> list[Cell]:
    values = [result.point.setting[key] for key in _keys(swept)]
    cells = [Cell(result.run[-6:], "yellow"), Cell(result.status, _COLOURS.get(result.status))]
    cells += [Cell(value(item), right=_is_number(item)) for item in values]
    if _has_seeds(swept):
        cells.append(Cell("" if result.point.seed is None else str(result.point.seed), right=True))
    cells += [Cell(_metric(result, name), right=True) for name in _metrics(swept)]
    message = one_line(result.said)
    return [
        *cells,
        Cell(f"best; {message}" if message else "best", "green") if best else Cell(message, "dim"),
    ]


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def as_dict(swept: Swept) -> dict[str, Any]:
    """The sweep as plain values."""
    best = swept.best()
    return {
        "sweep": swept.plan.id,
        **plan_dict(swept.plan),
        "branch": swept.plan.branch,
        "results": [
            {
                "run": result.run,
                "params": dict(result.point.setting),
                "seed": result.point.seed,
                "status": result.status,
                "metrics": dict(result.metrics),
                "said": result.said or None,
                "earlier": result.earlier,
            }
            for result in swept.results
        ],
        "best": best
        and {
            "params": dict(best.setting),
            "mean": best.mean,
            "runs": [result.run for result in best.results],
        },
    }
