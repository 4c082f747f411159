"""What a foreign run says of itself, within what a record holds."""

from __future__ import annotations

from gittrack.formats.record import Failure
from gittrack.formats.values import MAX_LONG
from gittrack.importers import stated
from gittrack.importers.losses import Losses
from tests.importers.sources import make_run


def test_a_param_that_does_not_fit_costs_no_other() -> None:
    """At any depth: a long text becomes an output, of two that meet the first stays."""
    text = "x" * (MAX_LONG + 1)
    inner = {"lr": 0.1, "prompt": text, "a.b": 1, "a": {"b": 2, "c": 3}}
    losses = Losses()
    plain, long = stated.params(make_run(params={"General": inner, "n": 1, "top": text}), losses)
    assert long == {"General.prompt": text, "top": text}
    kept = f"{len(text):,} characters, kept as the output params/"
    assert plain["General"]["prompt"] == f"{kept}General.prompt.txt" and plain["top"] == f"{kept}top.txt"
    assert (plain["n"], plain["General"]["lr"], plain["General"]["a.b"]) == (1, 0.1, 1)
    assert [loss.what for loss in losses.listed()] == ["param General.a"]


def test_the_message_of_a_failure_has_no_credentials() -> None:
    told = Failure(type="ValueError", message="cannot reach it with token=hunter2hunter2")
    found = stated.failure(make_run(status="failed", failure=told), Losses())
    assert found is not None and found.message == "cannot reach it with token=***"
