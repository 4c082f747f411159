"""What a run refuses is refused by name at the call, and leaves nothing behind that would hinder its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.reading.journal.events import Kind
from gittrack.recording.journal.allowance import Allowance
from tests.repositories import run_git

pytestmark = pytest.mark.usefixtures("strict")

Call = Callable[[gittrack.Run], Any]
ROW = {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda run: run.log_metrics(ROW, step=2**63), "a step must be a number"),
        (lambda run: run.log_metrics(ROW, step=2**64), "a step must be a number"),
        (lambda run: run.log_metrics({"a": 1.0, "b": 2**70 + 1}, step=1), "'b' is a whole number of 71 bits"),
        (lambda run: run.log({"c.d": 1.0, "c": {"d": 2.0}}), "metric 'c.d' is there twice"),
        (lambda run: run.log_params({"x": {"y": 2}}), "param 'x.y' was logged before"),
        (lambda run: run.log_params({"list": [1.0]}), "param 'list' was logged before"),
        (lambda run: run.set_seeds({"torch": [1]}), "seed 'torch' must be a whole number"),
        (lambda run: run.set_seeds([1]), "seeds must be a dict"),
        (lambda run: run.set_seeds({1: 1, "1": 2}), "two seeds read '1'"),
        (lambda run: run.log_artifact(""), "names a file or a folder"),
        (lambda run: run.log_artifact(None), "names a file or a folder"),
        (lambda run: run.log_artifact("."), "is the whole work tree"),
        (lambda run: run.log_input(""), "names a file or a folder"),
        (lambda run: run.log_text("text", ""), "is no name for an output"),
        (lambda run: run.log_text(b"text", "a.txt"), "log_text keeps text, not bytes"),
        (lambda run: run.log_dict({}, None), "is no name for an output"),
        (lambda run: run.log_artifact("README.md", None), "the role of an output is a word"),
        (lambda run: run.log_metrics([("a", 1.0)]), "metrics must be a dict"),
        (lambda run: run.log(None), "metrics must be a dict"),
    ],
)  # fmt: skip
def test_a_call_is_refused_by_name_and_the_run_goes_on(inside: Path, call: Call, says: str) -> None:
    """After the refusal the run takes what it took before, and its record can be committed."""
    with gittrack.start_run(params={"x.y": 1, "list": [1]}) as run:
        for step in range(3):
            run.log_metrics(ROW, step=step)
        with pytest.raises(UsageError, match=says):
            call(run)
        run.log_metrics(ROW, step=2**63 - 1)
    assert run.record is not None and run.record.status == "finished"
    assert run.record.metrics["b"].step == 2**63 - 1 and run.record.outputs == ()


def test_whole_numbers_and_signs_read_back_as_they_were_given(inside: Path) -> None:
    """What a float cannot hold is a whole number in the series, the record and YAML; -0.0 keeps its sign."""
    with gittrack.start_run(params={"large": 10**400, "odd": 2**53 + 1, "zero": -0.0}) as run:
        for value in (1.0, 2.0, 2**64 - 1):
            run.log_metrics({"a": -0.0, "b": value}, step=1)
    (found,) = gittrack.search(repository=inside)
    record = found.record
    assert record.params == {"large": 10**400, "odd": 2**53 + 1, "zero": -0.0}
    assert repr(record.params["zero"]) == repr(record.metrics["a"].value) == "-0.0"
    assert record.metrics["b"].value == 2**64 - 1
    assert "-0.0,18446744073709551615" in run_git(inside, "show", f"gittrack/runs:{record.path}/metrics.csv")


def test_refused_metrics_leave_room_for_the_model(inside: Path) -> None:
    """Thousands of refused names take no room, so that what comes at the end can still be kept."""
    (inside / "model.bin").write_bytes(b"model")
    with gittrack.start_run() as run:
        for number in range(6000):
            with pytest.raises(UsageError):
                run.log_metrics({f"metric {number}": 1.0, "none": None})
        run.log_model("model.bin")
    assert run.record is not None and [o.path for o in run.record.outputs] == ["model.bin"]


def test_a_refused_output_leaves_its_name_free() -> None:
    """An output for which there is no room does not hold the place of another."""
    allowance = Allowance()
    output = {"path": "a", "role": "x", "pointer": "outputs/a.dvc", "md5": "0" * 32, "size": 1}
    with pytest.raises(UsageError, match="cannot be recorded"):
        allowance.admit(Kind.OUTPUT, [{**output, "size": -1}, ""])
    allowance._total = 10**9
    with pytest.raises(UsageError, match="is full"):
        allowance.admit(Kind.OUTPUT, [output, ""])
    allowance._total = 0
    allowance.admit(Kind.OUTPUT, [{**output, "path": "b"}, ""])


def test_config_is_updated_as_people_do(inside: Path) -> None:
    """Pairs and objects are taken; allow_val_change of W&B is no parameter."""
    with gittrack.start_run() as run:
        run.config.update({"a": 1}, allow_val_change=True)
        run.config.update([("b", 2)])
        run.config.update(None or {}, c=3)
    assert run.record is not None and run.record.params == {"a": 1, "b": 2, "c": 3}
