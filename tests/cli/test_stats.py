"""gittrack stats: the right runs, the right figures, a plain word where there can be none."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.formats.record import Metric
from gittrack.git.repository import Repository
from gittrack.stats.maths import mean_interval, prediction_interval
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, commit_records, make_record

Capture = pytest.CaptureFixture[str]
ACC = [0.90, 0.91, 0.92]
HOSTILE = "\x1b]0;owned\x07\x1b[2J|<img src=x>`x`"


def stats(capsys: Capture, *arguments: str) -> str:
    assert execute(["stats", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *arguments: str) -> str:
    assert execute(["stats", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1
    return found.err


def runs(values: list[float] = ACC, start: int = 0, **changes: Any) -> list[Any]:
    return [
        make_record(start + n, seed=n, metrics={"acc": Metric(value=v, direction="maximize")}, **changes)
        for n, v in enumerate(values)
    ]


def test_the_latest_runs_group(repo: Repository, terminal: Terminal) -> None:
    """Without a name; the figures of three runs, at 100 columns."""
    other = make_record(9, spec="5" * 64, metrics={"acc": 0.5})
    failed = make_record(20, seed=3, status="failed")
    commit_records(repo, [*runs(start=10), other, failed])
    shown = terminal("stats", "--no-pager", NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 100
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[:3] == [
        "digits · spec 444444444444",
        "4 runs: 3 finished, 1 failed, code 1111111",
        f"{failed.id} failed, seed 3: ValueError: no data; in no figure",
    ]
    assert "seed varied: 3 runs, seeds 0..2" in lines
    row = next(line for line in lines if line.startswith("acc"))
    assert row.split() == [
        "acc",
        "↑",
        "3",
        "0.910",
        "0.010",
        "0.885..0.935",
        "0.860..0.960",
        "0.812..1.008",
        "0.900",
        "0.920",
    ]


def test_all_groups_of_an_experiment(repo: Repository, capsys: Capture) -> None:
    """Each by itself, with the parameters that tell them apart; specs of one run in a table of their own."""
    commit_records(
        repo,
        [
            *runs(spec="a" * 64, params={"lr": 0.1}),
            *runs([0.8, 0.7], 10, spec="b" * 64, params={"lr": 0.3}),
            make_record(20, spec="c" * 64, params={"lr": 1}, metrics={"acc": 0.1}),
            make_record(21, spec="d" * 64, params={"lr": 2}, status="killed"),
        ],
    )
    shown = stats(capsys, "digits")
    assert "digits · spec aaaaaaaaaaaa · lr=0.1\n" in shown
    assert "digits · spec bbbbbbbbbbbb · lr=0.3\n" in shown
    assert "2 specs of one run each: one run has no spread" in shown
    assert [line.split()[1:] for line in shown.splitlines() if "lr=1" in line or "lr=2" in line] == [
        ["cccccccccccc", "finished", "0.1", "lr=1"],
        ["dddddddddddd", "killed", "lr=2"],
    ]
    assert stats(capsys, "aaaa").count("spec ") == 1
    assert "lr=" not in stats(capsys, "aaaa")


def test_damaged_records_are_counted(repo: Repository, capsys: Capture) -> None:
    """Of an experiment; of which spec they were nobody knows."""
    commit_records(repo, runs())
    folder = "runs/digits/2026-11-22/20261122-010101-dddddd"
    commit_files(repo, {f"{folder}/run.yaml": b"schema: gittrack/run/1\n"})
    assert "in no figure: 1 record that cannot be read, 20261122-010101-dddddd" in stats(capsys, "digits")
    assert json.loads(stats(capsys, "digits", "--json"))["damaged"] == ["20261122-010101-dddddd"]
    assert "required" in refused(capsys)  # the latest run is the damaged one


def test_kinds_of_variance_are_apart(repo: Repository, capsys: Capture) -> None:
    """Seeds in one block, reruns of a seed in another."""
    again = [make_record(30 + n, seed=1, metrics={"acc": 0.91}) for n in range(2)]
    commit_records(repo, [*runs(), *again])
    shown = stats(capsys)
    first, second = shown.split("nothing varied: 3 runs, seed 1")
    assert "seed varied: 3 runs" in first
    assert "identical values: no spread" in second
    assert "not of training" in second


def test_json_in_full(repo: Repository, capsys: Capture) -> None:
    """All digits."""
    commit_records(repo, runs())
    plain = json.loads(stats(capsys, "--json", "--confidence", "0.9"))
    (found,) = plain["groups"][0]["samples"][0]["metrics"]
    assert plain["confidence"] == 0.9
    assert found["mean"]["low"] == mean_interval(ACC, 0.9).low
    assert found["next_run"]["high"] == prediction_interval(ACC, 0.9).high


def test_markdown(repo: Repository, capsys: Capture) -> None:
    """Tables of GitHub's."""
    commit_records(repo, runs())
    shown = stats(capsys, "--md")
    assert shown.startswith("## digits · spec 444444444444\n")
    assert "### seed varied\\: 3 runs, seeds 0..2\n" in shown
    assert "| acc ↑ | 3 | 0.910 | 0.010 | 0.885..0.935 |" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sided", "one"], "≥ 0.893"),
        (["--sided", "upper"], "≤ 0.927"),
        (["--half-width", "0.005"], "acc: mean ± 0.005 needs 18 runs, 15 more; so unsure"),
        (["--half-width", "1"], "acc: mean ± 1 needs 2 runs, there are enough"),
        (["--bootstrap"], "a bootstrap of 3 is refused"),
        (["--metric", "acc", "--samples", "1000"], "0.91 of 1,000 test cases stands for 0.8907..0.9262"),
    ],
)
def test_options(repo: Repository, capsys: Capture, arguments: list[str], said: str) -> None:
    """Each adds what it says."""
    commit_records(repo, runs())
    assert said in " ".join(stats(capsys, *arguments).split())


def test_the_test_sets_size_from_gittrack_yaml(repo: Repository, capsys: Capture) -> None:
    """experiments.NAME.metrics.NAME.samples."""
    (repo.top / "gittrack.yaml").write_text("experiments: {digits: {metrics: {acc: {samples: 1000}}}}\n")
    commit_records(repo, runs())
    assert "Wilson, 95 %" in stats(capsys)
    assert (
        json.loads(stats(capsys, "--json"))["groups"][0]["samples"][0]["metrics"][0]["test_set"]["samples"]
        == 1000
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no run, experiment or spec 'nothing'"),
        (["--metric", "f1"], "no metric 'f1': there are acc"),
        (["--confidence", "95"], "between 0 and 1"),
        (["--confidence", "nan"], "between 0 and 1"),
        (["--half-width", "0"], "above 0"),
        (["--samples", "100"], "--metric"),
        (["--json", "--md"], "choose one"),
        (["--by", "params.a"], "go together"),
        (["--by", "params.a", "--task", "params.b"], "name one metric"),
        (["--by", "params.a", "--task", "params.b", "--metric", "acc"], "no finished run has params.a"),
        (["digits", "-F", "metrics.acc > 2"], "no run of digits satisfies the filter"),
        (["digits", "-F", "metrics.acc >"], "filter"),
    ],
)
def test_what_cannot_be_asked(repo: Repository, capsys: Capture, arguments: list[str], said: str) -> None:
    """One line, exit code 2."""
    commit_records(repo, runs())
    assert said in refused(capsys, *arguments)


def test_no_runs_at_all(repo: Repository, capsys: Capture) -> None:
    """As other commands say it."""
    assert "no run" in refused(capsys)


def test_only_failed_runs(repo: Repository, capsys: Capture) -> None:
    """Counted, without figures."""
    commit_records(repo, [make_record(n, status="failed", seed=n) for n in range(8)])
    shown = stats(capsys)
    assert "8 runs: 0 finished, 8 failed" in shown
    assert "and 3 more that did not finish" in shown
    assert "there are no figures" in shown


def test_odd_values_are_named(repo: Repository, capsys: Capture) -> None:
    """NaN in one run, absent in another, beyond what can be squared in a third metric."""
    metrics: list[dict[str, Any]] = [
        {"a": 0.5, "b": 1e305},
        {"a": Metric(status="nan"), "b": 1e305},
        {"b": 2.0},
    ]
    made = [make_record(n, seed=n, metrics=m) for n, m in enumerate(metrics)]
    commit_records(repo, made)
    shown = " ".join(stats(capsys).split())
    assert f"a: 2 of 3 runs have no finite value: {made[1].id} nan, {made[2].id} absent" in shown
    assert "a 1 0.5 one run has no spread" in shown
    assert "b 3 1e+305 is no number that statistics take" in shown


def test_text_of_records_steers_nothing(repo: Repository, capsys: Capture) -> None:
    """Names of metrics, units, parameters and failures."""
    made = [
        make_record(
            n,
            seed=n,
            spec=f"{n}" * 64,
            params={HOSTILE: n, "b": HOSTILE},
            metrics={"m<b>`": Metric(value=n, unit="<i>")},
        )
        for n in range(3)
    ]
    commit_records(repo, [*made, make_record(9, spec="1" * 64, status="failed", seed=4)])
    for form in ([], ["--md"], ["--json"]):
        shown = stats(capsys, "digits", *form)
        assert "\x1b" not in shown
        assert "<img" not in shown or form != ["--md"]


def test_over_many_tasks(repo: Repository, capsys: Capture) -> None:
    """The interquartile mean of each algorithm, with an interval, and profiles."""
    source = random.Random(3)
    made = []
    for a, algorithm in enumerate(("dqn", "ppo")):
        for t, game in enumerate(("pong", "qbert", "chess")):
            params = {"algorithm": algorithm, "game": game}
            for seed in range(5):
                score = Metric(value=source.gauss(a, 0.1), direction="maximize")
                number = 100 * a + 20 * t + seed
                made.append(
                    make_record(
                        number, seed=seed, spec=f"{a}{t}" * 32, params=params, metrics={"score": score}
                    )
                )
    commit_records(repo, made)
    over = ["--by", "params.algorithm", "--task", "params.game", "--metric", "score"]
    shown = stats(capsys, *over)
    assert shown.startswith("digits: score ↑ over 3 values of params.game\n")
    assert "Performance profile" in shown
    plain = json.loads(stats(capsys, "digits", *over, "--json"))
    assert [each["name"] for each in plain["scores"]] == ["dqn", "ppo"]
    low, high = plain["scores"][1]["iqm"]["low"], plain["scores"][1]["iqm"]["high"]
    assert low < plain["scores"][1]["iqm"]["iqm"] < high
    assert "| ppo | 3 | 15 |" in stats(capsys, "digits", *over, "--md")


def test_a_bare_command_loads_no_scipy_stats(repo: Repository) -> None:
    """It alone would cost a second, from a cold start."""
    commit_records(repo, runs())
    script = (
        "import sys; from gittrack.cli import execute; code = execute(sys.argv[1:]);"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, "stats"], capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert {"scipy.stats", "scipy.optimize", "pandas", "sklearn", "optuna", "dvc", "git"}.isdisjoint(modules)
    assert "scipy.special" in modules


@pytest.mark.parametrize(
    "verb", ["log", "show", "hooks run post-commit", "stats --help", "compare --help", "importance --help"]
)
def test_what_needs_no_statistics_loads_none(repo: Repository, verb: str) -> None:
    """Nor does import gittrack: neither numpy nor scipy, nor the rooms that use them."""
    commit_records(repo, runs())
    script = (
        "import sys, gittrack; from gittrack.cli import execute; execute(sys.argv[1:]);"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *verb.split()], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "scipy", "sklearn", "optuna"}
    if "help" not in verb:
        heavy |= {
            "gittrack.stats.maths",
            "gittrack.stats.means",
            "gittrack.stats.compare",
            "gittrack.stats.importance",
            "gittrack.stats.replicates",
        }
    assert heavy.isdisjoint(done.stderr.split())
