"""gittrack sweep: the command line around `gittrack.running.sweep`, which has tests of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gittrack import cli
from tests.ledgers import journals, records
from tests.repositories import run_git

SWEEP = ["sweep", "--pass", "env"]


def test_dry_run(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists the settings, and makes nothing: no snapshot, no ref, no run."""
    (inside / "new.txt").write_text("uncommitted")
    before = run_git(inside, "count-objects", "-v"), run_git(inside, "for-each-ref")
    assert (
        cli.execute(
            [
                "sweep",
                "--pass",
                "env",
                "--pass",
                "env",
                "--dry-run",
                "-S",
                "lr=0.1,0.01",
                "-S",
                "kind=a",
                "--",
                "touch",
                "started",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert out.splitlines() == ["lr", " 0.1", "0.01"]
    assert re.fullmatch(r"sweep [0-9]{8}-[0-9]{6}-[0-9a-f]{6} of default: 2 settings\n", err)
    assert (run_git(inside, "count-objects", "-v"), run_git(inside, "for-each-ref")) == before
    assert not (inside / "started").exists() and not records(inside)


RANDOM = ["sweep", "--pass", "env", "--dry-run", "--json", "--search", "random", "-S", "lr=log(1e-4,1)"]


def test_dry_run_as_json(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same draws for the same seed of the search."""
    options = [*RANDOM, "--runs", "3"]
    found = []
    for seed in ("7", "7", "8"):
        assert cli.execute([*options, "--search-seed", seed, "--seeds", "1,2", "--", "true"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1] and found[0]["settings"] != found[2]["settings"]
    assert found[0] | {"settings": []} == {
        "experiment": "default", "command": ["true"], "search": "random", "search_seed": 7, "settings": [],
        "seeds": [1, 2], "runs": 6, "metric": None, "direction": None,
    }  # fmt: skip


def test_the_seed_of_the_search_follows_from_the_sweep(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that going on needs the id alone."""
    options = [*RANDOM, "--runs", "1"]
    found = []
    for tail in ("aaaaaa", "aaaaaa", "bbbbbb"):
        assert cli.execute([*options, "--resume", f"20260101-000000-{tail}", "--", "true"]) == 0
        found.append(json.loads(capsys.readouterr().out)["search_seed"])
    assert found[0] == found[1] != found[2]


CONFIG = """
experiment: e
experiments:
  e:
    metrics:
      acc: {direction: maximize}
      loss: {direction: minimize}
      size: {}
    gate: {metric: loss, threshold: 1}
  f:
    metrics: {acc: {direction: maximize}, size: {}}
  g:
    metrics: {acc: {direction: maximize}, loss: {direction: minimize}}
"""


@pytest.mark.parametrize(
    ("options", "metric", "direction"),
    [
        ([], "loss", "minimize"),
        (["--metric", "acc"], "acc", "maximize"),
        (["--metric", "acc", "--direction", "minimize"], "acc", "minimize"),
        (["--metric", "size"], "size", None),
        (["--metric", "other", "--direction", "minimize"], "other", "minimize"),
        (["-e", "f"], "acc", "maximize"),
        (["-e", "g"], None, None),
        (["-e", "unheard-of"], None, None),
    ],
)
def test_what_settings_are_compared_by(
    inside: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    metric: str | None,
    direction: str | None,
) -> None:
    """As asked, else the gate's metric, else the only one with a direction."""
    (inside / "gittrack.yaml").write_text(CONFIG)
    assert (
        cli.execute(
            [
                "sweep",
                "--pass",
                "env",
                "--pass",
                "env",
                "--dry-run",
                "--json",
                *options,
                "-S",
                "lr=1,2",
                "--",
                "true",
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["metric"], found["direction"]) == (metric, direction)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["-S", "lr=log(1e-4,1)"], 2, "a grid has no end of values for lr"),
        (["-S", "lr=0.1,0.1"], 2, "0.1 is there twice"),
        (["-S", "a=int(1,200)", "-S", "b=int(1,200)"], 2, "40,000 runs (a 200 × b 200), more than 10,000"),
        (["-S", "lr=1,2", "--runs", "3"], 2, "a grid tries every setting"),
        (["-S", "lr=1,2", "--runs", "0"], 2, "'--runs'"),
        (["-S", "lr=1,2", "--search", "random"], 2, "--search random needs --runs N"),
        (["-S", "lr=1,2", "--search", "bayes"], 2, "--search takes grid, random, optuna, not 'bayes'"),
        (["-S", "lr=1", "--search", "random", "--runs", "2"], 2, "has nothing to choose"),
        (["-S", "lr=1,2", "--search", "random", "--runs", "3"], 2, "only 2 settings"),
        (["-S", "lr=1,2", "--search", "optuna", "--runs", "3"], 2, "needs --metric NAME"),
        (
            ["-S", "lr=1,2", "--search", "optuna", "--runs", "3", "--metric", "a"],
            2,
            "which way a gets better",
        ),
        (
            ["-S", "lr=log(1,2)", "--search", "random", "--runs", "9", "--search-seed", "-1"],
            2,
            "--search-seed",
        ),
        (
            ["-S", "lr=log(1,2)", "--search", "random", "--runs", "5001", "--seeds", "1,2"],
            2,
            "more than 10,000",
        ),
        (["-S", "lr=1,2", "--seeds", "1,1"], 2, "--seeds names a seed twice"),
        (["-S", "lr=1,2", "--seeds", "1,x"], 2, "--seeds takes numbers"),
        (["-S", "lr=1,2", "--seeds", "1", "--seed", "2"], 2, "--seed and --seeds"),
        (["-S", "lr=1,2", "--seed", str(2**128)], 2, "at most 128 bits"),
        (["-S", "lr=1,2", "--metric", "x" * 251], 2, "metric name must have"),
        (["-S", "lr=1,2", "--metric", "a", "--direction", "up"], 2, "--direction takes"),
        (["-S", "lr=1,2", "--direction", "minimize"], 2, "--direction needs --metric"),
        (["-S", "lr=1", "-S", "lr.a=1,2"], 2, "nothing can be below it"),
        (["-S", "lr=1,2", "-t", "sweep=x"], 2, "the tag sweep is the sweep's own"),
        (["-S", "lr=1,2", "-t", "x"], 2, "-t takes KEY=VALUE"),
        (["-S", "lr=1,2", "-e", "../x"], 2, "experiment name"),
        (["-S", "lr=1,2", "-n", ""], 2, "name must have"),
        (["-S", "lr=1,2", "--executor", "moon"], 2, "--executor takes local, ray, slurm"),
        (["-S", "lr=1,2", "--resource", "GPU"], 2, "--resource takes"),
        (["-S", "lr=1,2", "--jobs", "0"], 2, "'--jobs'"),
        (["-S", "lr=1,2", "--timeout", "0"], 2, "'--timeout'"),
        (["-S", "lr=1,2", "--params", "nosuch.yaml"], 2, "nosuch.yaml"),
        (["-S", "lr=1,2", "--input", "nosuch.csv"], 2, "nosuch.csv does not exist"),
        (["-S", "lr=1,2", "--input", "train.py:learning"], 2, "no role of an input"),
        (["-S", "lr=1,2", "--output", "../model.bin"], 2, "lies outside the repository"),
        (["-S", "lr=1,2", "--metrics", "/elsewhere/scores.json"], 2, "lies outside the repository"),
        (["-S", "lr=1,2", "--branch", "a..b"], 2, "a proposal cannot be called"),
        (["-S", "lr=1,2", "--dirty", "keep"], 2, "--dirty takes snapshot or refuse"),
    ],
)
def test_wrong_input(
    inside: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    """One line that says what is wrong; nothing was started and nothing is left."""
    assert cli.execute([*SWEEP, "-q", *options, "--", "touch", "started"]) == code
    out, err = capsys.readouterr()
    assert says in err and len(err.splitlines()) == 1 and not out
    assert (records(inside), journals(inside)) == ([], [])
    assert not run_git(inside, "for-each-ref", "refs/gittrack") and not (inside / "started").exists()
    assert run_git(inside, "worktree", "list").count("\n") == 1


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ([], 2, "COMMAND"),
        (["nosuchprogram"], 127, "command not found"),
        (["./train.py"], 126, "not executable"),
        (["../train.py"], 127, "command not found"),
        (["{lr}"], 127, "command not found: 1"),
    ],
)
def test_wrong_command(
    inside: Path, capsys: pytest.CaptureFixture[str], command: list[str], code: int, says: str
) -> None:
    """As for `gittrack run`, before anything is started."""
    assert cli.execute([*SWEEP, "-q", "-S", "lr=1,2", "--", *command]) == code
    err = capsys.readouterr().err
    assert says in err and len(err.splitlines()) == 1
    assert not records(inside)


def test_uncommitted_changes_refused(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the option as by the configuration."""
    (inside / "train.py").write_text("changed\n")
    assert cli.execute([*SWEEP, "-S", "lr=1,2", "--dirty", "refuse", "--", "true"]) == 2
    (inside / "gittrack.yaml").write_text("capture: {dirty: refuse}\n")
    assert cli.execute([*SWEEP, "-S", "lr=1,2", "--", "true"]) == 2
    assert capsys.readouterr().err.count("commit them") == 2


def test_not_in_a_work_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare repository has no code to check out a copy of; no repository is said as ever."""
    run_git(tmp_path, "init", "-q", "--bare", "hub.git")
    for folder, code in (("hub.git", 2), (".", 5)):
        monkeypatch.chdir(tmp_path / folder)
        assert cli.execute([*SWEEP, "-S", "lr=1,2", "--", "true"]) == code
    assert "this repository is bare" in capsys.readouterr().err


def test_quiet(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With -q nothing is said, whatever the runs do; the exit code tells."""
    assert cli.execute([*SWEEP, "-q", "-S", "n=0,1", "--", "sh", "-c", "exit {n}"]) == 1
    assert capfd.readouterr() == ("", "")
    assert [run.status for run in records(inside)].count("failed") == 1


def test_the_table(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The best first, those that failed last, with why; and what to do with the best of many."""
    script = "[ {n} != 2 ] && echo '{\"loss\": {n}}' > metrics.json"
    options = ["--metric", "loss", "--direction", "minimize", "-S", "n=3,1,2", "-S", "kind=a"]
    assert cli.execute([*SWEEP, *options, "--", "sh", "-c", script]) == 1
    out = capfd.readouterr().out.splitlines()
    lines = [line.split() for line in out]
    assert lines[0] == ["run", "status", "n", "loss"]
    assert [line[1:] for line in lines[1:4]] == [
        ["finished", "1", "1.0", "best"], ["finished", "3", "3.0"], ["failed", "2", "exit", "status", "1"],
    ]  # fmt: skip
    assert out[5:7] == ["2 of 3 runs finished.", "Best of 3 settings: n=1, loss 1.0."]
    assert lines[7][-6:] == ["reproduce", lines[1][0], "--seeds", "new", "--repeats", "5"]


def test_the_table_without_a_metric(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever metrics there are, in the order that was asked for, and why none is the best."""
    script = 'echo \'{"loss": {n}, "acc": 1}\' > metrics.json'
    assert cli.execute([*SWEEP, "-S", "n=3,1", "--", "sh", "-c", script]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "status", "n", "acc", "loss"]
    assert [line.split()[2:] for line in lines[1:3]] == [["3", "1.0", "3.0"], ["1", "1.0", "1.0"]]
    assert "name a metric with --metric" in lines[-1]
    assert cli.execute([*SWEEP, "-S", "n=3,1", "--metric", "loss", "--", "sh", "-c", script]) == 0
    assert "say --direction maximize or minimize for loss" in capfd.readouterr().out.splitlines()[-1]
    assert (
        cli.execute(
            [
                "sweep",
                "--pass",
                "env",
                "-S",
                "n=3,1",
                "--metric",
                "x",
                "--direction",
                "minimize",
                "--",
                "true",
            ]
        )
        == 0
    )
    assert "No setting has a finite x" in capfd.readouterr().out.splitlines()[-1]
