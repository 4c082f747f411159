"""The parameters on a program's command line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.recording.arguments import fitting, program_arguments, read_arguments, works_elsewhere
from tests.ledgers import records

PYTHON = sys.executable


def gittrack(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "gittrack", *words]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("python train.py --lr 0.5 --n=3 --amp", {"lr": 0.5, "n": 3, "amp": True}),
        ("python t.py lr=0.5 +a.b=1 ++c=[1,2]", {"lr": 0.5, "a": {"b": 1}, "c": [1, 2]}),
        ("python t.py db/sub=mysql", {"db/sub": "mysql"}),
        ("python -u -W ignore -m pkg.train -x -0.5 --shift=-1", {"x": -0.5, "shift": -1}),
        ("python t.py --lr 1 --lr 2 -v -j4", {"lr": [1, 2], "v": True, "j": 4}),
        ("python t.py --lr 1 data.csv", {"lr": 1, "arguments": ["data.csv"]}),
        ("python t.py --layers 64 32 --batch-size 8", {"layers": [64, 32], "batch_size": 8}),
        ("python t.py --no-shuffle", {"no_shuffle": True}),
        ("python t.py lr={lr} --n '{n: 1}'", {"lr": "{lr}", "n": {"n": 1}}),
        ("uv run python train.py --lr 0.5", {"lr": 0.5}),
        ("uv run -p env/bin/python python train.py --lr 0.5", {"lr": 0.5}),
        ("torchrun --nproc_per_node 2 train.py --lr 0.5", {"lr": 0.5}),
        ("python -m torch.distributed.run --nproc 2 train.py --lr 1", {"lr": 1}),
        ("srun -n 4 ./train --lr 1", {"lr": 1}),
        ("srun -n 4 train --lr 1", {}),
        ("my-train --data d.csv --lr 1e-3", {"data": "d.csv", "lr": 0.001}),
        ("make train LR=0.5", {"LR": 0.5, "arguments": ["train"]}),
        ("sh -c 'exec python train.py --lr 0.5'", {"lr": 0.5}),
        ("bash -c 'exec -a name python train.py exec --lr 0.5'", {"lr": 0.5, "arguments": ["exec"]}),
        ("sh -c 'command python train.py --lr 0.5'", {"lr": 0.5}),
        ("bash -euo pipefail -c 'python train.py --lr 0.5'", {"lr": 0.5}),
        ("bash -o pipefail run.sh --lr 0.5", {"lr": 0.5}),
        ("sh -c 'cd x'", {}),
        ("strace -f -o out python train.py --lr 0.5", {"lr": 0.5}),
        ("our-wrapper --gpus 2 python -u train.py --lr 0.5", {"lr": 0.5}),
        ("our-wrapper --gpus 2 sh -c 'python train.py --lr 0.5'", {"lr": 0.5}),
        ("train --backend python --lr 0.5", {"backend": "python", "lr": 0.5}),
        ("python -m cProfile -o out train.py --lr 0.5", {"lr": 0.5}),
        ("coverage run -p train.py --lr 0.5", {"lr": 0.5}),
        ("julia -t 4 train.jl --lr 0.5", {"lr": 0.5}),
        ("java -jar train.jar --lr 0.5", {"lr": 0.5}),
        ("sh -c 'cd x && python train.py --lr 0.5'", {}),
        ("python -c pass --lr 1", {"lr": 1}),
        ("Rscript train.R --lr=0.5", {"lr": 0.5}),
        ("p --name '#1' --s 'a: b' --q 0755", {"name": "#1", "s": "a: b", "q": "0755"}),
        ("p --none null --j '{\"a\": 1}'", {"none": None, "j": {"a": 1}}),
        ("p --model m --model.lr 3", {"model": "m", "model.lr": 3}),
        ("p --model.lr 3 --model m", {"model": "m", "model.lr": 3}),
        ("p --flag lr=1 -- -x", {"flag": True, "lr": 1, "arguments": ["-x"]}),
        ("p --password -abc", {"password": "-abc"}),
        ("p", {}),
    ],
)  # fmt: skip
def test_words(command: str, params: dict[str, Any]) -> None:
    assert read_arguments(program_arguments(shlex.split(command))) == params


def test_what_a_record_cannot_hold_is_named() -> None:
    plain, losses = fitting({"lr": 1, "prompt": "x" * 30_000})
    assert plain == {"lr": 1} and [name for name, _ in losses] == ["prompt"]


IN_PROCESS = """
import argparse, gittrack
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
with gittrack.start_run({start}) as run:
    {more}
    run.log_metric("acc", 0.5)
"""


@pytest.mark.parametrize("wrapper", [[], ["-m", "gittrack", "run", "-q", "--", PYTHON]])
def test_a_script_that_calls_start_run(inside: Path, wrapper: list[str]) -> None:
    """Its arguments are recorded, once, whether gittrack runs it or it runs alone."""
    (inside / "train.py").write_text(
        IN_PROCESS.format(start="", more="run.log_params({'epochs': args.epochs})")
    )
    for lr, seed in (("0.5", "1"), ("0.1", "2")):
        words = [PYTHON, *wrapper, "train.py", "--lr", lr, "--seed", seed]
        ended = subprocess.run(words, cwd=inside, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
    first, second = sorted(records(inside), key=lambda record: record.seed or 0)
    assert first.params == {"lr": 0.5, "seed": 1, "epochs": 3}
    assert first.param_sources == {"lr": "command line", "seed": "command line", "epochs": "log_params"}
    assert (first.seed, first.seed_source, second.seed) == (1, "command line", 2)
    assert second.params["lr"] == 0.1


def test_sources_that_contradict_each_other_are_said_and_end_nothing(inside: Path) -> None:
    (inside / "params.yaml").write_text("lr: 0.1\nwidth: 8\n")
    start = "params={'lr': 0.3, 'width': 8}"
    (inside / "train.py").write_text(IN_PROCESS.format(start=start, more="run.log_params({'epochs': 5})"))
    ended = gittrack(inside, "run", "--", PYTHON, "train.py", "--lr", "0.5", "--epochs", "5")
    assert ended.returncode == 0
    (record,) = records(inside)
    assert record.params == {"lr": 0.3, "width": 8, "epochs": 5}
    assert record.param_conflicts == {"lr": {"params.yaml": 0.1, "command line": 0.5, "start_run": 0.3}}
    assert record.param_sources == {
        "lr": "start_run",
        "width": "params.yaml, start_run",
        "epochs": "command line, log_params",
    }
    assert "lr: params.yaml says 0.1, command line says 0.5, start_run 0.3, which is recorded" in ended.stderr
    shown = gittrack(inside, "show").stdout
    assert "start_run" in shown and "params.yaml says 0.1" in shown


def test_replicates_differ_by_the_seed_alone(inside: Path) -> None:
    (inside / "train.py").write_text("pass\n")
    for words in (["--lr", "1", "--seed", "1"], ["--lr", "1", "--seed", "2"], ["--lr", "2", "--seed", "2"]):
        gittrack(inside, "run", "-q", "--", PYTHON, "train.py", *words)
    specs = [record.spec for record in sorted(records(inside), key=lambda record: record.id)]
    assert len(set(specs)) == 2
    listed = gittrack(inside, "log", "--csv").stdout.splitlines()
    assert {"lr"} <= set(",".join(listed[:1]).replace("params.", "").split(","))


def test_secrets_on_the_command_line_are_masked(inside: Path) -> None:
    (inside / "train.py").write_text("pass\n")
    gittrack(
        inside,
        "run",
        "-q",
        "--",
        PYTHON,
        "train.py",
        "--api-key",
        "planted",
        "--password=hunter2",
        "--lr",
        "1",
    )
    (record,) = records(inside)
    assert record.params == {"api_key": "***", "password": "***", "lr": 1}
    assert set(record.masked) == {"params.api_key", "params.password", "code.command"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("dvc exp run -S rate=0.5 --temp", True),
        ("uv run dvc -q experiments run --queue", True),
        ("sh -c 'cd a && python -m dvc exp run -S rate=0.5 --run-all; true'", True),
        (".venv/bin/dvc queue start", True),
        ("dvc exp run -S rate=0.5", False),
        ("dvc repro", False),
        ("python train.py --temp", False),
    ],
)
def test_experiments_elsewhere(command: str, expected: bool) -> None:
    assert works_elsewhere(shlex.split(command)) is expected
