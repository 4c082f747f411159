"""MLflow's module-level verbs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.recording import fluent
from tests.tables import rows

VERBS = [
    name
    for name, item in vars(fluent).items()
    if inspect.isfunction(item) and name.startswith(("log", "set", "next"))
]


@rows("verb", VERBS)
def test_each_verb_is_that_of_a_run(verb: str) -> None:
    """The function takes what the method takes, and the package exports it."""
    method = inspect.signature(getattr(gittrack.Run, verb)).parameters
    function = inspect.signature(getattr(fluent, verb)).parameters
    assert list(function.values()) == list(method.values())[1:]
    assert getattr(gittrack, verb) is getattr(fluent, verb) and verb in gittrack.__all__


def test_verbs_act_on_the_active_run(inside: Path) -> None:
    """All of them, on the run begun last."""
    (inside / "m.bin").write_bytes(b"m")
    with gittrack.start_run("digits") as run:
        gittrack.log_param("lr", 0.1)
        gittrack.log_params({"width": 3})
        gittrack.log_metric("a", 1.0, step=1)
        gittrack.log_metrics({"b": 2.0}, step=1)
        gittrack.log({"c": 3.0}, step=2)
        assert gittrack.next_step() == 1
        gittrack.log_input("train.py", "reference")
        gittrack.log_artifact("m.bin")
        gittrack.log_text("x", "x.txt")
        gittrack.log_dict({"x": 1}, "x.json")
        gittrack.set_tag("k", "v")
        gittrack.set_tags({"l": "w"})
    record = run.record
    assert record is not None
    assert record.params == {"lr": 0.1, "width": 3} and record.tags == {"k": "v", "l": "w"}
    assert sorted(record.metrics) == ["a", "b", "c"]
    assert [d.path for d in record.data] == ["train.py"] and len(record.outputs) == 3


def test_the_first_verb_begins_a_run(inside: Path) -> None:
    """As MLflow does; end_run commits it, and without a run does nothing."""
    assert gittrack.end_run() is None
    gittrack.log_metric("a", 1.0)
    run = gittrack.active_run()
    assert run is not None
    gittrack.log_metric("a", 2.0)
    record = gittrack.end_run()
    assert record is not None and record.id == run.id and record.metrics["a"].value == 2.0
    assert gittrack.active_run() is None


@pytest.mark.usefixtures("strict")
def test_a_run_can_be_ended_as_failed(inside: Path) -> None:
    """end_run takes the status, in MLflow's capitals too."""
    gittrack.start_run()
    with pytest.raises(UsageError):
        gittrack.end_run("wrong")  # type: ignore[arg-type]
    record = gittrack.end_run("FAILED")  # type: ignore[arg-type]
    assert record is not None and record.status == "failed"


def test_everything_exported_is_there() -> None:
    """Each name of __all__ can be imported, and dir() lists them."""
    for name in gittrack.__all__:
        assert getattr(gittrack, name) is not None
    assert set(dir(gittrack)) >= set(gittrack.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gittrack.nothing  # noqa: B018
