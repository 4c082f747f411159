"""Which settings are tried."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from gittrack.errors import UsageError
from gittrack.running.sweep.search import Tuner, grid, sample
from gittrack.running.sweep.space import parse


def test_grid_in_order() -> None:
    """Every combination, the last range fastest; whole numbers are listed; without a range one setting."""
    assert grid(parse(["a=x,y", "fixed=1", "b=int(1,2)"])) == [
        {"a": "x", "b": 1}, {"a": "x", "b": 2}, {"a": "y", "b": 1}, {"a": "y", "b": 2},
    ]  # fmt: skip
    assert grid(parse(["a=1"])) == [{}]


def test_grid_has_an_end() -> None:
    """Continuous ranges and more than 10,000 runs are refused, without making a list of them."""
    with pytest.raises(
        UsageError, match="no end of values for lr: list them, or use --search random --runs N"
    ):
        grid(parse(["lr=log(1e-4,1)"]))
    with pytest.raises(UsageError, match=r"40,002 runs \(a 20,001 × b 2\), more than 10,000"):
        grid(parse(["a=int(0,20000)", "b=1,2"]))
    with pytest.raises(UsageError, match=r"10,002 runs \(a 3,334 × 3 seeds\)"):
        grid(parse(["a=int(1,3334)"]), 3)
    assert len(grid(parse(["a=int(1,3333)"]), 3)) == 3333
    with pytest.raises(UsageError, match="more than 10,000"):
        grid(parse([f"k{n}=int(0,9007199254740990)" for n in range(40)]))


def test_random_draws_are_reproducible() -> None:
    """The seed alone decides, more of them begin alike, and these are the figures for good."""
    space = parse(["lr=log(1e-4,1e-1)", "width=int(8,256)", "act=relu,tanh", "drop=interval(0,0.5)"])
    assert sample(space, 20, 7)[:5] == sample(space, 5, 7)
    assert sample(space, 5, 7) != sample(space, 5, 8)
    assert sample(space, 2, 7) == [
        {"lr": 0.00093648, "width": 45, "act": "tanh", "drop": 0.036218},
        {"lr": 0.00405178, "width": 99, "act": "relu", "drop": 0.253718},
    ]


def test_random_settings_differ() -> None:
    """All of a small space can be drawn, each once; more than it has is refused."""
    space = parse(["a=1,2,3", "b=int(1,4)"])
    found = sample(space, 12, 1)
    assert len({tuple(setting.items()) for setting in found}) == 12
    with pytest.raises(UsageError, match="the ranges have only 12 settings; use --search grid for all"):
        sample(space, 13, 1)
    with pytest.raises(UsageError, match="too narrow"):
        sample(parse(["a=interval(0,1e-323)"]), 10, 1)


def test_random_draws_are_even() -> None:
    """Every value has its chance, ends included."""
    counts = Counter(
        setting["n"] for seed in range(3000) for setting in sample(parse(["n=int(1,3)"]), 1, seed)
    )
    assert set(counts) == {1, 2, 3} and max(counts.values()) < 1.2 * min(counts.values())


def test_optuna_finds_the_better_end() -> None:
    """The same seed asks for the same settings; later ones are nearer to the best; failures are taken in."""
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install optuna")
    space = parse(["x=interval(0,1)", "n=int(1,8)", "k=a,b", "s=range(0,1,0.1)", "lr=log(1e-4,1)"])

    def go() -> list[dict[str, object]]:
        tuner = Tuner(space, "maximize", 3, parallel=False)
        settings = []
        for number in range(40):
            ((trial, setting),) = tuner.ask(1)
            settings.append(dict(setting))
            x = setting["x"]
            assert isinstance(x, float)
            tuner.tell(trial, None if number == 5 else x)
        return settings

    settings = go()
    assert settings == go()
    assert sum(s["x"] > 0.7 for s in settings[-15:]) > 10  # type: ignore[operator]
    assert {s["k"] for s in settings} == {"a", "b"}
    assert all(s["s"] in [n / 10 for n in range(10)] and 1 <= s["n"] <= 8 for s in settings)  # type: ignore[operator]


def test_optuna_in_parallel_asks_for_different_settings() -> None:
    """Several at a time, told in any order."""
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install optuna")
    tuner = Tuner(parse(["x=interval(0,1)"]), "minimize", 3, parallel=True)
    for _ in range(6):
        asked = tuner.ask(3)
        assert len({setting["x"] for _, setting in asked}) == 3
        for trial, setting in reversed(asked):
            tuner.tell(trial, float(str(setting["x"])))


def test_optuna_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is one line that says what to install."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'gittrack\[optuna\]'"):
        Tuner(parse(["x=1,2"]), "minimize", 3, parallel=False)
