"""PED-ANOVA and fANOVA as Optuna computes them, where it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gittrack.stats.importance.parameters import Column

MANY = 50
MISSING = "no PED-ANOVA and fANOVA: pip install 'gittrack[optuna]' brings them"


@dataclass(frozen=True, slots=True)
class Ranked:
    """Shares that sum to 1, by parameter; none where `why` says so."""

    ped_anova: Mapping[str, float] = field(default_factory=dict)
    fanova: Mapping[str, float] = field(default_factory=dict)
    why: str = ""


def ped_anova_and_fanova(
    columns: Sequence[Column], values: Sequence[float], direction: Literal["maximize", "minimize"] | None
) -> Ranked:
    """The importances of parameters that every run has: PED-ANOVA among the best tenth, fANOVA over all.

    Refused below 50 runs: PED-ANOVA would rest on fewer than five runs, fANOVA on a forest of too few.
    Numbers above 0 that span a factor of 100 are taken on a logarithmic scale. PED-ANOVA needs a direction.
    """
    complete = [column for column in columns if None not in column.values]
    if len(values) < MANY or not complete:
        return Ranked()
    try:
        import optuna
    except ImportError:
        return Ranked(why=MISSING)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = _study(optuna, complete, values, direction)
            evaluators = optuna.importance
            fanova = evaluators.get_param_importances(
                study, evaluator=evaluators.FanovaImportanceEvaluator(seed=0)
            )
            if direction is None:
                return Ranked(fanova=fanova, why="no PED-ANOVA: no direction of the metric is known")
            ped = evaluators.get_param_importances(study, evaluator=evaluators.PedAnovaImportanceEvaluator())
            return Ranked(ped, fanova)
    except ImportError:  # Optuna's fANOVA takes scikit-learn's trees
        return Ranked(why="no fANOVA: pip install 'gittrack[importance]' brings scikit-learn")
    finally:
        optuna.logging.set_verbosity(level)


def _study(optuna: Any, columns: Sequence[Column], values: Sequence[float], direction: str | None) -> Any:
    spaces = {column.name: _space(optuna, column) for column in columns}
    study = optuna.create_study(direction=direction or "minimize")
    for at, value in enumerate(values):
        params = {column.name: column.values[at] for column in columns}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=value))
    return study


def _space(optuna: Any, column: Column) -> Any:
    kinds = optuna.distributions
    if column.kind == "category":
        return kinds.CategoricalDistribution(sorted(set(column.values)))
    low, high = min(column.values), max(column.values)
    log = low > 0 and high / low >= 100
    if all(isinstance(value, int) for value in column.values):
        return kinds.IntDistribution(low, high, log=log)
    return kinds.FloatDistribution(float(low), float(high), log=log)
