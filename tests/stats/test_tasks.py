"""One figure for many tasks: which runs go into it, and which do not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Metric, Record
from gittrack.stats.maths import aggregate
from gittrack.stats.replicates import Group
from gittrack.stats.tasks import over_tasks
from tests.ledgers import make_record

SOURCE = random.Random(1)


def group(
    algorithm: str, game: str, values: list[float], *, seeds: list[int] | None = None, **changes: Any
) -> Group:
    params = {"algorithm": algorithm, "game": game, **changes.pop("params", {})}
    runs = [
        make_record(
            n, seed=seed, params=params, metrics={"score": Metric(value=v, direction="maximize")}, **changes
        )
        for n, (v, seed) in enumerate(zip(values, seeds or range(len(values)), strict=True))
    ]
    return Group("atari", f"{algorithm}{game}{params}".encode().hex(), tuple(runs))


def scores(n: int = 5) -> list[float]:
    return [SOURCE.random() for _ in range(n)]


GROUPS = [group(algorithm, game, scores()) for algorithm in ("dqn", "ppo") for game in ("pong", "qbert")]


def found(groups: list[Group], **options: Any) -> Any:
    return over_tasks(groups, "params.algorithm", "params.game", "score", **options)


def test_runs_by_algorithm_over_games() -> None:
    """The figure is the statistics', with the scores of each game by itself."""
    table = found(GROUPS)
    assert [each.name for each in table.scores] == ["dqn", "ppo"]
    assert (table.names, table.direction, table.left_out) == (("pong", "qbert"), "maximize", {})
    values = [[run.metrics["score"].value for run in each.runs] for each in GROUPS[:2]]
    assert table.scores[0].iqm == aggregate(values)  # type: ignore[arg-type]
    assert len(table.scores[0].profile.thresholds) == 11
    assert table.scores[0].profile.thresholds == table.scores[1].profile.thresholds


def test_tags_may_tell_tasks_apart() -> None:
    """As parameters do."""

    def runs(game: str) -> tuple[Record, ...]:
        given = {"params": {"a": 1}, "tags": {"game": game}}
        return tuple(make_record(n, seed=n, metrics={"s": n}, **given) for n in range(6))

    groups = [Group("x", game, runs(game)) for game in ("pong", "qbert")]
    table = over_tasks(groups, "params.a", "tags.game", "s")
    assert [each.name for each in table.scores] == ["1"]
    assert table.names == ("pong", "qbert")
    assert any("no direction" in said for said in table.cautions)


def test_what_is_left_out_is_counted() -> None:
    """Failed runs, repeated seeds, missing values and parameters, tasks that one group lacks."""
    odd = group("dqn", "chess", scores(2))
    failed = Group("atari", "f", (make_record(1, status="failed"), make_record(2, metrics={"score": 1.0})))
    repeated = group("ppo", "pong", [*scores(2), 0.5], seeds=[0, 1, 1])
    lacking = Group(
        GROUPS[0].experiment,
        GROUPS[0].spec,
        (*GROUPS[0].runs[:4], make_record(9, seed=9, params=GROUPS[0].runs[0].params)),
    )
    table = found([lacking, GROUPS[1], repeated, GROUPS[3], odd, failed])
    assert table.left_out == {
        "failed or killed": 1,
        "without params.algorithm": 1,
        "without a finite score": 1,
        "with a seed that another run of the same spec has": 1,
        "of a params.game that not every params.algorithm has": 2,
    }
    assert any("tasks with more runs weigh more" in said for said in table.cautions)


def test_mixed_specs_are_refused() -> None:
    """With the parameters in which they differ."""
    other = group("dqn", "pong", scores(), params={"lr": 0.1})
    with pytest.raises(UsageError, match="has runs of 2 specs, which differ in lr: choose one with --filter"):
        found([*GROUPS, other])


def test_few_runs_have_a_figure_and_no_interval() -> None:
    """And a caution says how much too narrow intervals are."""
    table = found([group(a, g, scores(1)) for a in ("x", "y") for g in ("p", "q")])
    assert table.scores[0].iqm.low is None
    assert "single run" in table.scores[0].iqm.why
    assert any("0.89 times as wide" in said for said in found(GROUPS).cautions)


def test_what_cannot_be_asked() -> None:
    """Names that are none, and algorithms without a common task."""
    with pytest.raises(NotFoundError, match="no metric"):
        over_tasks(GROUPS, "params.algorithm", "params.game", "loss")
    with pytest.raises(UsageError, match=r"params\.NAME or tags\.NAME"):
        over_tasks(GROUPS, "algorithm", "params.game", "score")
    with pytest.raises(NotFoundError, match="no finished run has"):
        over_tasks(GROUPS, "params.none", "params.game", "score")
    with pytest.raises(UsageError, match="do not compare"):
        found([group("x", "p", scores()), group("y", "q", scores())])


def test_all_scores_alike() -> None:
    """One threshold, no spread, no error."""
    table = found([group(a, g, [0.5] * 5) for a in ("x", "y") for g in ("p", "q")])
    assert table.scores[0].profile.thresholds == (0.5,)
    assert table.scores[0].profile.shares == (0.0,)
