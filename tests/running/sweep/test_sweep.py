"""Sweeps with real git, real processes and real work trees."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.git.repository import Repository
from gittrack.verify import verify
from tests.ledgers import file_of, records
from tests.repositories import run_git
from tests.running.sweep.sweeping import PYTHON, Sweep, left_behind

SWEEP = ["sweep", "--pass", "env"]


def state_of(top: Path) -> list[str]:
    """Everything of the user's that must not move."""
    words = (
        "status --porcelain",
        "rev-parse HEAD",
        "symbolic-ref HEAD",
        "stash list",
        "diff",
        "diff --cached",
    )
    return [run_git(top, *asked.split()) for asked in words] + [str((top / ".git/index").read_bytes())]


def test_a_grid_in_a_dirty_tree(training: Path, sweep: Sweep) -> None:
    """Four settings, two at a time: four runs of one snapshot, and nothing of the user's has moved."""
    with (training / "train.py").open("a") as file:
        file.write("print('changed')\n")
    (training / "new.txt").write_text("untracked")
    (training / "staged.txt").write_text("staged")
    run_git(training, "add", "staged.txt")
    run_git(training, "status")
    before = state_of(training)
    found = sweep("-S", "lr=0.1,0.01", "-S", "width=range(32,65,32)", "--jobs", "2")
    assert state_of(training) == before and not left_behind(training)

    runs = records(training)
    assert len(runs) == 4 and {r["run"] for r in found["results"]} == {run.id for run in runs}
    settings = [(lr, width) for lr in (0.1, 0.01) for width in (32, 64)]
    assert [(r["params"]["lr"], r["params"]["width"]) for r in found["results"]] == settings
    by_id = {run.id: run for run in runs}
    for result in found["results"]:
        run = by_id[result["run"]]
        assert run.params == result["params"] and run.status == result["status"] == "finished"
        assert run.metrics["accuracy"].value == result["metrics"]["accuracy"]
        assert run.tags == {"sweep": found["sweep"], "sweep.search": "grid, 4 settings"}
        assert [output.path for output in run.outputs] == ["model.bin"]
    (code,) = {(run.code.commit, run.code.snapshot, run.code.branch, run.code.dirty) for run in runs}
    assert code[0] == run_git(training, "rev-parse", "HEAD").strip() and code[2:] == ("main", True)
    assert run_git(training, "show", f"{code[1]}:new.txt") == "untracked"
    assert len({run.spec for run in runs}) == 4
    assert found["best"]["params"] == {"lr": 0.1, "width": 64}
    assert found["best"]["runs"] == [found["results"][1]["run"]]
    assert found["best"]["mean"] == pytest.approx(0.664)
    assert verify(Repository.discover(training)).outcome == "PASS"


def test_a_run_is_what_gittrack_run_would_record(training: Path, sweep: Sweep) -> None:
    """The same params, data, locks, code and spec: with params files, ignored data, in a folder."""
    folder = training / "sub"
    folder.mkdir()
    (folder / "train.py").write_text("import json; json.dump({'accuracy': 1}, open('scores.json', 'w'))\n")
    (folder / "params.yaml").write_text("lr: 0.5\nmodel: {depth: 2}\n")
    (folder / "more.toml").write_text("epochs = 3\n")
    (folder / "test.csv").write_text("x\n")
    (training / "requirements.txt").write_text("numpy==2.0\n")
    (training / "gittrack.yaml").write_text("experiment: e\ninputs: [{path: data/train.csv, role: train}]\n")
    (training / ".gitignore").write_text("data/\n")
    run_git(training, "add", ".")
    run_git(training, "commit", "-q", "-m", "folder")
    (training / "data").mkdir()
    (training / "data/train.csv").write_text("1,2\n")
    os.chdir(folder)
    options = ["--params", "params.yaml", "--params", "more.toml", "--metrics", "scores.json", "-m", "why"]
    options += [
        "--input",
        "test.csv:test",
        "-t",
        "a=b",
        "-n",
        "label",
        "-S",
        "model.width=1e2",
        "-S",
        "on=true",
    ]
    command = (PYTHON, "train.py", "--lr", "0.25")
    assert (
        cli.execute(["run", *options, "--pass", "env", "-S", "lr=0.25", "--seed", "7", "--", *command]) == 0
    )
    sweep(*options, "-S", "lr=0.25,1", "--seed", "7", command=(PYTHON, "train.py", "--lr", "{lr}"))
    one, *others = records(training)
    (same,) = [run for run in others if run.params["lr"] == 0.25]
    for name in (
        "experiment",
        "name",
        "hypothesis",
        "seed",
        "params",
        "metrics",
        "code",
        "data",
        "locks",
        "spec",
    ):
        assert getattr(one, name) == getattr(same, name), name
    assert [d.path for d in one.data] == ["data/train.csv", "sub/test.csv"] and one.code.cwd == "sub"
    assert (same.tags["a"], one.determinism["env.PYTHONHASHSEED"]) == (
        "b",
        same.determinism["env.PYTHONHASHSEED"],
    )


def test_a_failing_setting_is_recorded_and_the_others_go_on(training: Path, sweep: Sweep) -> None:
    """Exit code 1, and why it failed in a line."""
    found = sweep("-S", "width=12,13,14", "--jobs", "2", code=1)
    assert [r["status"] for r in found["results"]] == ["finished", "failed", "finished"]
    failed = found["results"][1]
    assert failed["said"] == "exit status 1: diverged at step 3" and not failed["metrics"]
    assert "width=13: failed; exit status 1: diverged at step 3\n" in found["err"]
    record = next(run for run in records(training) if run.status == "failed")
    assert record.id == failed["run"] and "diverged" in file_of(training, record, "console.txt")
    assert found["best"]["params"] == {"width": 14}


def test_seeds_make_replicates(training: Path, sweep: Sweep) -> None:
    """Each setting with each seed: one spec for each setting, and the best is the best mean."""
    found = sweep("-S", "lr=0.1,0.2", "--seeds", "1,2,3", "--jobs", "2")
    runs = records(training)
    assert sorted((run.params["lr"], run.seed) for run in runs) == [
        (lr, s) for lr in (0.1, 0.2) for s in (1, 2, 3)
    ]
    assert len({run.spec for run in runs}) == 2
    assert [r["seed"] for r in found["results"]] == [1, 2, 3, 1, 2, 3]
    assert found["best"]["mean"] == pytest.approx(0.70002) and len(found["best"]["runs"]) == 3


def test_seeds_alone(training: Path, sweep: Sweep) -> None:
    """Without a range there is one setting, and nothing to choose from."""
    found = sweep("--seeds", "1,2")
    assert [r["params"] for r in found["results"]] == [{}, {}]
    assert [run.seed for run in records(training)].count(2) == 1


def test_a_committed_metrics_file_is_not_the_runs_own(training: Path, sweep: Sweep) -> None:
    """What was just checked out is new on disk; a program that fails before it writes has no metrics."""
    (training / "metrics.json").write_text('{"accuracy": 0.99}')
    (training / "model.bin").write_text("older")
    run_git(training, "add", "-f", ".")
    run_git(training, "commit", "-q", "-m", "results")
    for options in ([], ["--metrics", "metrics.json"]):
        sweep(*options, "-S", "width=13", code=1)
    assert [(run.metrics, run.outputs) for run in records(training)] == [({}, ())] * 2


def test_a_sweep_is_proposed_as_a_whole(training: Path, sweep: Sweep) -> None:
    """All runs are on one branch, named or after the sweep, and none on the ledger."""
    named = sweep("-S", "lr=0.1,0.2", "--branch", "tuning")
    unnamed = sweep("-S", "lr=0.3", "--propose")
    assert named["branch"] == "gittrack/review/tuning"
    assert unnamed["branch"] == f"gittrack/review/{unnamed['sweep']}"
    for found in (named, unnamed):
        paths = run_git(training, "ls-tree", "-r", "--name-only", found["branch"], "runs")
        assert all(f"{result['run']}/run.yaml" in paths for result in found["results"])
        assert [r["status"] for r in found["results"]] == ["finished"] * len(found["results"])
    assert not records(training)
    again = sweep("-S", "lr=0.1,0.2,0.4", "--branch", "tuning", "--resume", named["sweep"])
    assert [r["earlier"] for r in again["results"]] == [True, True, False]


def test_a_script_that_joins_finds_its_parameters(training: Path, sweep: Sweep) -> None:
    """start_run() in the program is the run of the sweep."""
    (training / "api.py").write_text(
        "import gittrack, json, os\n"
        "with gittrack.start_run(params={'epochs': 3}) as run:\n"
        "    run.log_metric('accuracy', json.loads(os.environ['GITTRACK_PARAMS'])['lr'])\n"
    )
    run_git(training, "add", ".")
    run_git(training, "commit", "-q", "-m", "api")
    found = sweep("-S", "lr=0.1,0.2", command=(PYTHON, "api.py"))
    assert [r["metrics"] for r in found["results"]] == [{"accuracy": 0.1}, {"accuracy": 0.2}]
    assert [run.params for run in records(training)] == [{"lr": lr, "epochs": 3} for lr in (0.1, 0.2)]


def test_a_program_that_goes_its_own_way(
    training: Path, sweep: Sweep, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it logs otherwise than it was given is said; so is a metric that no parameter moves."""
    run_git(training, "rm", "-q", "gittrack.yaml")
    run_git(training, "commit", "-q", "-m", "no configuration")
    program = (
        "import os; os.mkdir('dvclive'); open('dvclive/params.yaml', 'w').write('lr: 0.5'); "
        "open('dvclive/metrics.json', 'w').write('{\"accuracy\": 1}')"
    )
    options = ("-S", "lr=0.1,0.5", "--metric", "accuracy", "--direction", "maximize")
    found = sweep(*options, command=(PYTHON, "-c", program))
    said = "the program says lr=0.5: does it read GITTRACK_PARAMS, or take {lr} as an argument?"
    assert [(r["said"] or "").startswith(said) for r in found["results"]] == [True, False]
    assert cli.execute([*SWEEP, *options, "--", PYTHON, "-c", program]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == (
        "Every setting came to the same accuracy: does the program read GITTRACK_PARAMS, or take {KEY} as an "
        "argument?"
    )


def test_inside_another_run(training: Path, sweep: Sweep) -> None:
    """`gittrack run -- gittrack sweep` is the parent of the runs."""
    inner = [
        PYTHON,
        "-m",
        "gittrack",
        "sweep",
        "--pass",
        "env",
        "-q",
        "-S",
        "lr=0.1",
        "--",
        PYTHON,
        "train.py",
    ]
    assert cli.execute(["run", "-q", "--", *inner]) == 0
    one, two = records(training)
    outer, inner_run = (one, two) if "sweep" in two.tags else (two, one)
    assert inner_run.parent == outer.id and outer.parent is None


def test_a_program_of_the_project(training: Path, sweep: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    """One that git has runs from the work tree; one that it ignores would not be there, and that is said."""
    for name in ("train.sh", "model.bin"):
        (training / name).write_text('#!/bin/sh\necho "{\\"accuracy\\": $1}" > metrics.json\n')
        (training / name).chmod(0o755)
    found = sweep("-S", "lr=0.1,0.2", command=("./train.sh", "{lr}"))
    assert [r["metrics"]["accuracy"] for r in found["results"]] == [0.1, 0.2]
    assert cli.execute([*SWEEP, "-S", "lr=1,2", "--", "./model.bin", "{lr}"]) == 2
    assert "./model.bin is not in the code that git has" in capfd.readouterr().err
    assert not left_behind(training)


def test_a_run_that_takes_too_long(training: Path, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended and recorded as killed."""
    monkeypatch.setenv("NAP", "60")
    found = sweep("-S", "lr=0.1", "--timeout", "1", code=1)
    assert [(r["status"], r["said"]) for r in found["results"]] == [
        ("killed", "timeout: it ran longer than 1 s")
    ]


def test_data_that_changes_meanwhile(training: Path, sweep: Sweep) -> None:
    """A run reads what was hashed at the start or nothing: what is nowhere to be had is said."""
    (training / "data.csv").write_text("1\n")
    (training / ".gitignore").write_text("data.csv\nmodel.bin\nmetrics.json\n")
    run_git(training, "commit", "-q", "-am", "ignore")
    program = f"open({str(training / 'data.csv')!r}, 'a').write('2')"
    found = sweep("-S", "n=1,2", "--input", "data.csv", command=(PYTHON, "-c", program), code=1)
    assert [r["status"] for r in found["results"]] == ["finished", "not recorded"]
    assert (
        "data data.csv" in found["results"][1]["said"] and "nowhere to be had" in found["results"][1]["said"]
    )
    assert len(records(training)) == 1 and not left_behind(training)


def test_nothing_could_be_recorded(training: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One line and the exit code of what went wrong, no table of failures."""
    assert cli.execute([*SWEEP, "-q", "-S", "lr=1,2", "--image", "latest", "--", "true"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("gittrack: error: no run could be recorded: ") and len(err.splitlines()) == 1


def test_optuna(training: Path, sweep: Sweep) -> None:
    """Trials are runs; a setting that is asked for again is not run again; going on replays what there is."""
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install optuna")
    options = [
        "--search",
        "optuna",
        "--runs",
        "8",
        "--search-seed",
        "1",
        "--jobs",
        "2",
        "-S",
        "width=11,12,13",
    ]
    found = sweep(*options, code=1)
    runs = records(training)
    assert {r["run"] for r in found["results"]} == {run.id for run in runs}
    assert len(runs) == 3 and found["best"]["params"] == {"width": 12}
    assert runs[0].tags["sweep.search"] == "optuna, 8 settings, search seed 1"
    again = sweep(*options, "--resume", found["sweep"], code=1)
    assert again["best"] == found["best"]
    finished = {r["run"]: r["metrics"] for r in found["results"] if r["status"] == "finished"}
    assert {r["run"]: r["metrics"] for r in again["results"] if r["earlier"]} == finished


def test_gittrack_of_the_user_is_not_needed_on_path(training: Path) -> None:
    """As a person calls it, in a process of its own; the table and the advice come on standard output."""
    done = subprocess.run(
        [PYTHON, "-m", "gittrack", *SWEEP, "-S", "lr=0.1,0.2", "--", PYTHON, "train.py"],
        cwd=training, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, first, second, blank, *rest = done.stdout.splitlines()
    assert head.split() == ["run", "status", "lr", "accuracy"]
    assert first.split()[1:] == ["finished", "0.2", "0.7", "best"] and second.split()[1:] == [
        "finished",
        "0.1",
        "0.6",
    ]
    assert (blank, rest[0], rest[1]) == (
        "",
        "2 of 2 runs finished.",
        "Best of 2 settings: lr=0.2, accuracy 0.7.",
    )
    assert rest[2].endswith(f"gittrack reproduce {first.split()[0]} --seeds new --repeats 5")
    assert "2 settings\n" in done.stderr.splitlines(keepends=True)[0]


def test_json_has_no_nan(training: Path, sweep: Sweep) -> None:
    """A metric that is not finite is null, and never the best."""
    program = "import json; json.dump({'accuracy': float('{x}')}, open('metrics.json', 'w'))"
    found = sweep("-S", "x=nan,1,inf", command=(PYTHON, "-c", program))
    assert [r["metrics"]["accuracy"] for r in found["results"]] == [None, 1, None]
    assert found["best"]["params"] == {"x": 1} and "NaN" not in json.dumps(found)
