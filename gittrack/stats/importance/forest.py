"""Permutation importance over a random forest, measured on settings that it was not fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gittrack.stats.importance.parameters import Column
from gittrack.stats.maths import summary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FOLDS = 5
TREES = 100
SHUFFLES = 30
MISSING = "no permutation importance: pip install 'gittrack[importance]' brings scikit-learn"


@dataclass(frozen=True, slots=True)
class Forest:
    """R² of the forest on unseen settings, and for each parameter the mean and spread of its drop."""

    r2: float | None = None
    drops: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    why: str = ""


def permutation_importance(columns: Sequence[Column], values: Sequence[float]) -> Forest:
    """By how much R² falls when one parameter's values are shuffled over all runs.

    The runs are split into five parts, those with equal parameters kept together, and each part is
    predicted by a forest that was fitted to the others: importance on the runs that a forest was fitted to
    says what it has learnt by heart. Numbers and categories go in as ranks; trees take missing values. At
    R² <= 0 the forest predicts no better than the mean, and no importance is given. Source: L. Breiman,
    Machine Learning 45, 2001; scikit-learn, "Permutation feature importance". The same runs give the same.
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError:
        return Forest(why=MISSING)
    import numpy as np

    short = summary(values)
    target = (np.asarray(values, float) - short.mean) / (short.sd or 1.0)
    data = np.array([[np.nan if c is None else c for c in column.codes] for column in columns], float).T
    parts = _parts(data)
    if len(parts) < 3:
        return Forest(why="no permutation importance: fewer than three different settings")
    forests = []
    for at, part in enumerate(parts):
        training = np.setdiff1d(np.arange(len(target)), part)
        forest = RandomForestRegressor(TREES, random_state=at, n_jobs=1)
        forests.append(forest.fit(data[training], target[training]))
    total = float(((target - target.mean()) ** 2).sum())
    missed = sum(_errors(f, data[part], target[part]) for f, part in zip(forests, parts, strict=True))
    r2 = 1 - float(missed.sum()) / total
    if r2 <= 0:
        why = "the forest predicts unseen settings no better than the mean does: it ranks nothing"
        return Forest(r2, why=why)
    drops = {
        column.name: _drop(forests, parts, data, target, at, float(missed.sum()), total)
        for at, column in enumerate(columns)
    }
    return Forest(r2, drops)


def _parts(data: Array) -> list[Array]:
    """Rows in up to five parts of about the same size; equal rows are in one part."""
    import numpy as np

    _, setting = np.unique(np.nan_to_num(data, nan=-1.0), axis=0, return_inverse=True)
    setting = setting.ravel()
    order = np.random.default_rng(0).permutation(setting.max() + 1)
    count = min(FOLDS, len(order))
    parts: list[list[int]] = [[] for _ in range(count)]
    for name in sorted(order, key=lambda one: -int((setting == one).sum())):
        min(parts, key=len).extend(np.flatnonzero(setting == name))
    return [np.array(sorted(part)) for part in parts]


def _errors(forest: Any, data: Array, target: Array) -> Any:
    """Squared error of each row."""
    return ((forest.predict(data) - target) ** 2).sum()


def _drop(
    forests: Sequence[Any],
    parts: Sequence[Array],
    data: Array,
    target: Array,
    at: int,
    missed: float,
    total: float,
) -> tuple[float, float]:
    """Mean and standard deviation of the drop in R², over shuffles of the column `at`."""
    import numpy as np

    random = np.random.default_rng(at)
    shuffled = np.stack([random.permutation(data[:, at]) for _ in range(SHUFFLES)])
    worse = np.zeros(SHUFFLES)
    for forest, part in zip(forests, parts, strict=True):
        rows = np.tile(data[part], (SHUFFLES, 1))
        rows[:, at] = shuffled[:, part].ravel()
        off = (forest.predict(rows) - np.tile(target[part], SHUFFLES)) ** 2
        worse += off.reshape(SHUFFLES, len(part)).sum(axis=1)
    drops = (worse - missed) / total
    return float(drops.mean()), float(drops.std(ddof=1))
