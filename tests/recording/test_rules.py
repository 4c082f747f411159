"""The final value of a metric follows the rule that gittrack.yaml or the program names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import ConfigError, UsageError
from gittrack.formats.config import parse
from gittrack.git.repository import Repository
from tests.repositories import run_git
from tests.verify.contexts import opened, run_checks

CONFIG = """
experiments:
  e:
    metrics:
      acc: {direction: maximize, final: best}
      loss: {final: min}
"""


def metrics(**defined: Any) -> dict[str, tuple[Any, Any, Any]]:
    with gittrack.start_run("e") as run:
        for name, arguments in defined.items():
            run.define_metric(name, **arguments)
        for step, (acc, loss) in enumerate([(0.5, 2.0), (0.9, 0.25), (0.7, float("nan"))]):
            run.log_metrics({"acc": acc, "loss": loss, "other": acc}, step=step)
    assert run.record is not None
    return {name: (m.status or m.value, m.step, m.rule) for name, m in run.record.metrics.items()}


def commit_config(project: Path) -> None:
    (project / "gittrack.yaml").write_text(CONFIG)
    run_git(project, "add", "-A")
    run_git(project, "commit", "-qm", "metrics")


def test_the_rule_is_gittrack_yamls(inside: Path) -> None:
    """And `last` where nobody says; verify works each out again."""
    commit_config(inside)
    assert metrics() == {"acc": (0.9, 1, "best"), "loss": (0.25, 1, "min"), "other": (0.7, 2, "last")}
    from gittrack.verify.record import check_record

    with opened(Repository.discover(inside)) as context:
        assert run_checks(context, check_record) == []


def test_the_program_names_rules_too(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It goes before gittrack.yaml, with a warning where the two differ."""
    commit_config(inside)
    with caplog.at_level(logging.WARNING, "gittrack"):
        made = metrics(acc={"summary": "greatest-step"}, other={"summary": "best", "goal": "minimize"})
    assert made["acc"] == (0.7, 2, "greatest-step") and made["other"] == (0.5, 0, "best")
    assert "the rule of acc is best in gittrack.yaml, and greatest-step by define_metric()" in caplog.text


def test_a_direction_alone_leaves_the_rule(inside: Path) -> None:
    """As gittrack.yaml has it."""
    commit_config(inside)
    assert metrics(loss={"goal": "minimize"})["loss"] == (0.25, 1, "min")


def test_what_is_given_is_said_to_be_given(inside: Path) -> None:
    """By run.summary, whatever the rule of the series is."""
    with gittrack.start_run("e") as run:
        run.define_metric("a*", summary="max")
        run.log_metric("acc", 0.9, step=0)
        run.log_metric("acc", 0.1, step=1)
        run.log_metric("b", 1, step=0)
        run.summary["b"] = 7
    assert run.record is not None
    made = {name: (m.value, m.step, m.rule) for name, m in run.record.metrics.items()}
    assert made == {"acc": (0.9, 0, "max"), "b": (7, None, "given")}


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("arguments", [{"summary": "mean"}, {"summary": "best"}, {"goal": "up"}])
def test_a_rule_that_is_none_is_refused(inside: Path, arguments: dict[str, str]) -> None:
    """At the call, by name; so is the best of no direction."""
    with gittrack.start_run("e") as run, pytest.raises(UsageError, match="x"):
        run.define_metric("x", **arguments)


def test_the_best_of_no_direction_is_refused_in_gittrack_yaml() -> None:
    """Where the setting is, and what to add; a gate's direction will do."""
    text = "experiments: {e: {metrics: {acc: {final: best}}%s}}\n"
    with pytest.raises(ConfigError, match=r"experiments\.e\.metrics\.acc: 'final: best' needs a direction"):
        parse((text % "").encode())
    parse((text % ", gate: {metric: acc, threshold: 1, direction: maximize}").encode())
