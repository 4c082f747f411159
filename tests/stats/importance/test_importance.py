"""Importance finds what matters, refuses what cannot be told, and never says cause."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Code, DataInput, Metric, Record
from gittrack.stats.importance import ASSOCIATION, Importance, importance_of
from gittrack.stats.importance.forest import MISSING as NO_FOREST
from gittrack.stats.importance.tuning import MISSING as NO_TUNING
from gittrack.stats.maths import spearman
from gittrack.stats.replicates import Group
from tests.ledgers import make_record
from tests.tables import rows

Params = Callable[[random.Random, int], dict[str, Any]]


def groups(
    count: int, params: Params, value: Callable[[dict[str, Any], random.Random], float]
) -> list[Group]:
    """Runs of one spec each."""
    source = random.Random(7)
    found = []
    for n in range(count):
        given = params(source, n)
        metric = Metric(value=value(given, source), direction="maximize")
        found.append(single(make_record(n, seed=n, params=given, metrics={"acc": metric})))
    return found


def single(run: Record) -> Group:
    return Group("digits", f"{int(run.id[-6:], 16):064x}", (run,))


def mixed(source: random.Random, n: int) -> dict[str, Any]:
    return {
        "lr": 10 ** source.uniform(-4, -1),
        "opt": source.choice(["sgd", "adam", "lion"]),
        "noise": source.random(),
        "flag": source.random() < 0.5,
        "batch": 32,
        "out": f"results/run-{n}",
        "seed": n,
    }


def quality(params: dict[str, Any], source: random.Random) -> float:
    return float(params["lr"] * 5 + (0.4 if params["opt"] == "adam" else 0) + source.gauss(0, 0.01))


@pytest.fixture(scope="module")
def found() -> Importance:
    return importance_of(groups(60, mixed, quality), "acc")


def test_what_matters_comes_first(found: Importance) -> None:
    """Of a metric made of lr and opt; kinds are told, seeds are no parameter."""
    names = [each.name for each in found.parameters]
    assert set(names[:2]) == {"lr", "opt"}
    assert set(names[2:4]) == {"noise", "flag"}
    kinds = {each.name: each.kind for each in found.parameters}
    assert kinds == {
        "lr": "number",
        "opt": "category",
        "noise": "number",
        "flag": "category",
        "batch": "constant",
        "out": "label",
    }
    assert found.r2 is not None
    assert found.r2 > 0.7
    by_name = {each.name: each for each in found.parameters}
    assert (by_name["lr"].importance or 0) > 10 * abs(by_name["noise"].importance or 0)
    assert by_name["batch"].why == "the same in every run"
    assert "60 different texts in 60 runs" in by_name["out"].why


def test_the_correlation_is_spearmans(found: Importance) -> None:
    """With Holm over the parameters that have one; three categories have no order, two do."""
    by_name = {each.name: each for each in found.parameters}
    made = [each.runs[0] for each in groups(60, mixed, quality)]
    theirs = spearman(
        [run.params["lr"] for run in made], [float(run.metrics["acc"].value or 0) for run in made]
    )
    assert by_name["lr"].correlation == theirs
    assert by_name["opt"].correlation is not None
    assert by_name["opt"].correlation.why == "no order"
    assert by_name["flag"].correlation is not None
    assert by_name["flag"].correlation.rho is not None
    assert by_name["lr"].holm == pytest.approx(3 * (theirs.p or 0))


def test_it_is_called_association(found: Importance) -> None:
    """First of all cautions."""
    assert found.cautions[0] == ASSOCIATION
    assert "Association, not cause" in ASSOCIATION


def test_the_same_runs_give_the_same(found: Importance) -> None:
    """To the last digit."""
    assert importance_of(groups(60, mixed, quality), "acc") == found
    json.dumps(found.to_dict(), allow_nan=False)


def test_optunas_evaluators() -> None:
    """From 50 runs on, where it is installed: shares that sum to 1, largest for what matters."""
    pytest.importorskip("optuna")
    found = importance_of(groups(60, mixed, quality), "acc")
    for name in ("ped_anova", "fanova"):
        shares = {
            each.name: getattr(each, name) for each in found.parameters if getattr(each, name) is not None
        }
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) == {"lr", "opt", "noise", "flag"}
        assert shares["lr"] + shares["opt"] > 0.7
    few = importance_of(groups(49, mixed, quality), "acc")
    assert all(each.fanova is None for each in few.parameters)
    assert "PED-ANOVA and fANOVA are refused below 50 runs: there are 49" in few.cautions


@pytest.mark.parametrize(("module", "said"), [("sklearn.ensemble", NO_FOREST), ("optuna", NO_TUNING)])
def test_without_an_extra(monkeypatch: pytest.MonkeyPatch, module: str, said: str) -> None:
    """What it would give is missing, and how to get it is said; the rest is there."""
    monkeypatch.setitem(sys.modules, module, None)
    found = importance_of(groups(50, mixed, quality), "acc")
    assert said in found.cautions
    assert any(each.correlation and each.correlation.rho for each in found.parameters)


@rows("count", [0, 1, 9])
def test_refused_below_ten_runs(count: int) -> None:
    """With the reason."""
    made = groups(count, mixed, quality) + [single(make_record(99, status="failed"))] * 20
    expected = NotFoundError if count == 0 else UsageError
    with pytest.raises(expected, match="no metric" if count == 0 else "refused: below 10"):
        importance_of(made, "acc")


def test_a_seed_that_ran_again_is_no_further_run() -> None:
    """Ten reruns of one seed are one run."""
    runs = tuple(make_record(n, seed=1, params={"lr": n}, metrics={"acc": n}) for n in range(20))
    with pytest.raises(UsageError, match="importance over 1 independent runs is refused"):
        importance_of([Group("digits", "4" * 64, runs)], "acc")


def test_what_is_in_no_figure_is_counted() -> None:
    """Failed, without a value, repeated."""
    made = groups(12, mixed, quality)
    again = made[0].runs[0]
    odd = [
        Group("digits", "a" * 64, (again, make_record(80, seed=again.seed, metrics={"acc": 1}))),
        single(make_record(81, status="killed")),
        single(make_record(82, metrics={"acc": Metric(status="nan")})),
    ]
    found = importance_of([*made[1:], *odd], "acc")
    assert found.runs == 12
    assert found.left_out == {
        "with a seed that another run of the same spec has": 1,
        "failed or killed": 1,
        "without a finite acc": 1,
    }


def test_nothing_to_explain_and_nothing_to_explain_it_with() -> None:
    """A metric that never changes; parameters that never do."""
    with pytest.raises(UsageError, match="the same in all 12 runs"):
        importance_of(groups(12, mixed, lambda params, source: 0.5), "acc")
    with pytest.raises(UsageError, match="no parameter differs"):
        importance_of(groups(12, lambda source, n: {"lr": 1}, lambda p, source: source.random()), "acc")


def test_a_forest_that_predicts_nothing_ranks_nothing() -> None:
    """Noise: R² at or below 0, no importance, said."""
    found = importance_of(groups(15, mixed, lambda params, source: source.random()), "acc")
    assert found.r2 is not None
    assert found.r2 <= 0
    assert all(each.importance is None for each in found.parameters)
    assert any("no better than the mean" in said for said in found.cautions)


def test_parameters_that_change_together_cannot_be_told_apart() -> None:
    """Named."""

    def params(source: random.Random, n: int) -> dict[str, Any]:
        depth = source.randint(1, 5)
        return {"depth": depth, "width": 16 * depth, "size": "abcde"[depth - 1], "lr": source.random()}

    found = importance_of(groups(20, params, lambda p, source: p["depth"] + source.random()), "acc")
    assert any(said.startswith("depth, width, size always change together") for said in found.cautions)


def test_runs_of_several_versions_of_code_and_data() -> None:
    """They may explain what parameters seem to: said."""
    made = []
    for n in range(12):
        code = Code(commit="1" * 40, tree=f"{n % 2}" * 40)
        data = (DataInput(path="d", role="train", source="file", sha256=f"{n % 3}" * 64),)
        made.append(
            single(make_record(n, seed=n, params={"lr": n}, metrics={"acc": n % 5}, code=code, data=data))
        )
    cautions = importance_of(made, "acc").cautions
    assert any("2 versions of the code" in said for said in cautions)
    assert any("3 versions of the data" in said for said in cautions)


def test_parameters_that_some_runs_lack_and_values_of_odd_kinds() -> None:
    """Missing numbers, huge and infinite ones, lists, nulls, a number here and text there: no error."""

    def params(source: random.Random, n: int) -> dict[str, Any]:
        return {
            "momentum": source.random(),
            "big": 10**400 if n % 2 else 1,
            "mix": 1 if n % 3 else "auto",
            "layers": [1, 2] if n % 2 else [3],
            "none": None if n % 2 else False,
            "nested": {"deep": n % 4},
            **({"rare": n} if n % 3 == 0 else {}),
            **({"once": 1} if n == 0 else {}),
        }

    found = importance_of(groups(60, params, lambda p, source: p["momentum"] + source.gauss(0, 0.1)), "acc")
    by_name = {each.name: each for each in found.parameters}
    assert by_name["rare"].present == 20
    assert by_name["rare"].fanova is None
    assert by_name["rare"].correlation is not None
    assert by_name["rare"].correlation.n == 20
    assert by_name["once"].kind == "constant"
    assert by_name["mix"].kind == by_name["layers"].kind == by_name["big"].kind == "category"
    assert by_name["nested.deep"].kind == "number"
    assert found.parameters[0].name == "momentum"


def test_no_metric_of_that_name() -> None:
    """The names there are."""
    with pytest.raises(NotFoundError, match="no metric 'loss': there are acc"):
        importance_of(groups(12, mixed, quality), "loss")


def test_two_settings_give_a_correlation_and_no_forest() -> None:
    """Said."""
    found = importance_of(
        groups(12, lambda source, n: {"lr": n % 2}, lambda p, source: p["lr"] + source.random()), "acc"
    )
    assert "no permutation importance: fewer than three different settings" in found.cautions
    assert found.settings == 2
    assert found.parameters[0].correlation is not None
