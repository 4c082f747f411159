"""What -S and --seed say reaches the program, or the run does not start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.formats.record import Record
from gittrack.recording.passing import pass_on
from tests.ledgers import records

PYTHON = sys.executable


def gittrack(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "gittrack", *words]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


ARGPARSE = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--amp", action="store_true")
args = parser.parse_args()
json.dump({"acc": args.lr, "seed_used": args.seed}, open("metrics.json", "w"))
"""


@pytest.fixture
def project(inside: Path) -> Path:
    (inside / "train.py").write_text(ARGPARSE)
    (inside / ".gitignore").write_text("metrics.json\n")
    return inside


def run(project: Path, *words: str, code: int = 0) -> tuple[Record | None, str]:
    ended = gittrack(project, "run", *words)
    assert ended.returncode == code, ended.stderr
    found = records(project)
    return (found[-1] if found else None), ended.stderr


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["-S", "lr=0.5", "--seed", "3", "--pass", "flags"], ["train.py"]),
        (["-S", "lr=0.5", "--seed", "3"], ["train.py", "--lr", "{lr}", "--seed={seed}"]),
        (["-S", "lr=0.5", "--seed", "3", "--pass", "flags"], ["train.py", "--lr", "{lr}"]),
        ([], ["train.py", "--lr", "0.5", "--seed", "3"]),
    ],
)
def test_an_argparse_script_trains_with_what_is_recorded(
    project: Path, options: list[str], command: list[str]
) -> None:
    record, said = run(project, *options, "--", PYTHON, *command)
    assert record is not None and "warning" not in said
    assert (record.metrics["acc"].value, record.metrics["seed_used"].value) == (0.5, 3)
    assert (record.params["lr"], record.seed) == (0.5, 3)
    assert "{" not in " ".join(record.code.command) and "0.5" in record.code.command


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["-S", "lr=0.5"],
            ["{lr}", "--pass flags (--lr 0.5)", "--pass hydra (lr=0.5)", "--pass env"],
        ),
        (
            ["--seed", "3"],
            ["{seed}", "--pass flags (--seed 3)", "GITTRACK_SEED", "run: {pass: flags}"],
        ),
        (["-S", "lr=0.5", "--pass", "argv"], ["--pass takes flags, hydra, env, not 'argv'"]),
    ],
)
def test_what_would_not_reach_the_program_starts_nothing(
    project: Path, options: list[str], said: list[str]
) -> None:
    record, message = run(project, *options, "--", PYTHON, "train.py", code=2)
    assert record is None and len(message.splitlines()) == 1
    assert all(part in message for part in said), message
    assert not (project / "metrics.json").exists()


def test_gittrack_yaml_keeps_the_choice(project: Path) -> None:
    (project / "gittrack.yaml").write_text("run: {pass: flags}\n")
    record, _ = run(project, "-S", "lr=0.5", "-S", "amp=true", "--", PYTHON, "train.py")
    assert record is not None and record.metrics["acc"].value == 0.5
    assert record.code.command[-3:] == ("--lr", "0.5", "--amp")
    assert record.param_sources == {"lr": "-S", "amp": "-S"}
    (project / "gittrack.yaml").write_text("run: {pass: words}\n")
    assert "pass" in run(project, "-S", "lr=0.5", "--", PYTHON, "train.py", code=2)[1]


def test_a_seed_over_that_of_the_command_line(project: Path) -> None:
    """The parameter has the seed that the program used, not the one that it was given before."""
    options = ["--seed", "5", "--pass", "flags", "--", PYTHON, "train.py", "--seed", "6"]
    record, said = run(project, *options)
    assert record is not None and "seed: command line says 6, --seed 5, which is recorded" in said
    assert (record.seed, record.params["seed"], record.metrics["seed_used"].value) == (5, 5, 5)
    assert record.param_sources["seed"] == record.seed_source == "--seed"


@pytest.mark.parametrize("keys", [("a.b", "a"), ("a", "a.b")])
def test_one_setting_below_another_is_refused(keys: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=r"-S a\.b: 'a' already has a value"):
        pass_on(["p"], dict.fromkeys(keys, 1), None, "flags")


def test_what_is_only_offered_says_so(project: Path) -> None:
    """Whether a program looks into its environment nobody but the program knows."""
    program = "import json, os; print(os.environ['GITTRACK_PARAMS'], os.environ['GITTRACK_SEED'])"
    ended = gittrack(
        project, "run", "-S", "a.b=1", "--seed", "3", "--pass", "env", "--", PYTHON, "-c", program
    )
    params, seed = ended.stdout.rsplit(" ", 1)
    assert (json.loads(params), seed.strip()) == ({"a": {"b": 1}}, "3")
    (record,) = records(project)
    assert record.param_sources == {"a": "-S in GITTRACK_PARAMS"}
    assert record.seed_source == "--seed in GITTRACK_SEED"


def test_flags_stand_before_the_end_of_options() -> None:
    """Behind a ``--`` the program would take them for arguments, and the record for what it was given."""
    command = ["uv", "run", "--", "python", "train.py", "fit", "--", "a.csv"]
    passed = pass_on(command, {"lr": 0.5}, 3, "flags")
    assert passed.command[3:] == ("python", "train.py", "fit", "--lr", "0.5", "--seed", "3", "--", "a.csv")
    assert pass_on(command[:-2], {"lr": 0.5}, None, "flags").command[-3:] == ("fit", "--lr", "0.5")


def test_a_shell_text_takes_no_arguments() -> None:
    with pytest.raises(UsageError, match=r"put \{lr\} into its text"):
        pass_on(["sh", "-c", "python train.py"], {"lr": 0.5}, None, "flags")
    with pytest.raises(UsageError, match=r"put \{lr\} into its text"):
        pass_on(["srun", "-n", "2", "bash", "-euo", "pipefail", "-c", "p"], {"lr": 0.5}, None, "flags")
    passed = pass_on(["sh", "-c", "python train.py --lr {lr} --n 3"], {"lr": 0.5}, None, None)
    assert passed.command[-1] == "python train.py --lr 0.5 --n 3"
    assert {layer.source: layer.params for layer in passed.layers} == {
        "command line": {"n": 3},
        "-S": {"lr": 0.5},
    }


@pytest.mark.parametrize(
    ("value", "flags", "hydra"),
    [
        (-0.5, ["--k.x", "-0.5"], "k.x=-0.5"),
        (True, ["--k.x"], "k.x=true"),
        (False, ["--k.no-x"], "k.x=false"),
        (None, ["--k.x", "null"], "k.x=null"),
        ([64, 32], ["--k.x", "64", "32"], "k.x=[64,32]"),
        ("-dash", ["--k.x=-dash"], "k.x='-dash'"),
        ("it's", ["--k.x", "it's"], r"k.x='it\'s'"),
        ("true", ["--k.x", "true"], "k.x='true'"),
        ({"a": 1}, ["--k.x", '{"a": 1}'], "k.x={a:1}"),
    ],
)
def test_values_as_words(value: object, flags: list[str], hydra: str) -> None:
    assert list(pass_on(["p"], {"k.x": value}, None, "flags").command[1:]) == flags
    assert list(pass_on(["p"], {"k.x": value}, None, "hydra").command[1:]) == [hydra]
