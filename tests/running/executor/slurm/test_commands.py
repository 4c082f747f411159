"""What sbatch is told, and what it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import cli
from gittrack.errors import UsageError
from gittrack.running.executor.slurm.commands import checked_needs, checked_options, is_over
from tests.running.stand_ins import only_on_path


def test_options_are_handed_on() -> None:
    """Each as one word, so that whatever a value holds, it is a value."""
    given = ["partition=gpu", "comment=a b; rm -rf $HOME", "exclusive", "nice=-5", "constraint=a&b|c"]
    assert checked_options(given) == [f"--{text}" for text in given]


@pytest.mark.parametrize(
    "text",
    ["", "-p=gpu", "--wrap=x", "p gpu", "wrap=true", "array=0-9", "output=x", "a=b\n#SBATCH -p x", "é=1"],
)
def test_what_is_the_executors_own_or_no_option(text: str) -> None:
    """It is refused, with what would do."""
    with pytest.raises(UsageError, match="--sbatch-option"):
        checked_options([text])


def test_resources_are_options() -> None:
    """By the names that they have elsewhere too."""
    assert checked_needs({"CPU": 4, "gpu": 1, "memory": 3e9}) == [
        "--cpus-per-task=4",
        "--gpus=1",
        "--mem=2929688K",
    ]
    for wrong in ({"CPU": 0.5}, {"GPU": -1}, {"GPU": float("nan")}, {"licence": 1}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            checked_needs(wrong)


def test_a_task_that_slurm_may_begin_again_is_not_over() -> None:
    """What it has forgotten is."""
    assert [
        state for state in ("PENDING", "COMPLETING", "REQUEUED", "SUSPENDED", "NEW_IN_26") if is_over(state)
    ] == []
    assert is_over("TIMEOUT") and is_over(None)


def test_without_slurm(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line says what is missing; what goes with Slurm alone is refused elsewhere."""
    only_on_path(monkeypatch, inside.parent / "bin")
    command = ["-S", "lr=1", "--pass", "env", "--", "git", "version"]
    for options, why in (
        (["--executor", "slurm"], "scontrol was not found"),
        (["--no-wait"], "--no-wait goes with --executor slurm"),
        (["--sbatch-option", "partition=a"], "--sbatch-option goes with --executor slurm"),
        (["--executor", "pbs"], "--executor takes local, ray, slurm, not 'pbs'"),
    ):
        assert cli.execute(["sweep", *options, *command]) == UsageError.exit_code
        assert why in capfd.readouterr().err
