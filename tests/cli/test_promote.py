"""gittrack promote as it is typed."""

from __future__ import annotations

import pytest

from gittrack.cli import execute
from tests.governance.registry.shop import Shop, do, shop

__all__ = ["shop"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def churn(shop: Shop, capsys: Captured) -> Shop:
    """A model with one version."""
    do("register", "latest", "--model", "churn", "-q")
    return shop


def test_into_a_stage_and_out_of_it(churn: Shop, capsys: Captured) -> None:
    """Said with the run and the tag."""
    run = churn.records[1].id
    assert execute(["promote", "churn", "--stage", "prod"]) == 0
    warning, said = capsys.readouterr().err.splitlines()
    assert warning.startswith("gittrack: warning: no decision selected")
    assert said == f"gittrack: churn v0.0.1 (run {run}) is in prod: tag churn#prod#1"
    assert execute(["promote", "churn@prod", "--stage", "prod", "--demote"]) == 0
    assert (
        capsys.readouterr().err == f"gittrack: churn v0.0.1 (run {run}) is out of prod: tag churn#prod!#2\n"
    )
    assert execute(["promote", "churn@v0.0.1", "--stage", "dev", "-q", "-m", "trial"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["churn"], "--stage"),
        (["churn", "--stage", "prod!"], "no stage"),
        (["churn@1.0", "--stage", "prod"], "no stage"),
        (["churn@v2.0.0", "--stage", "prod"], "has no v2.0.0"),
        (["chrun", "--stage", "prod"], "there are churn"),
        (["churn", "--stage", "prod", "--demote"], "not in stage"),
        (["--", "-d", "--stage", "prod"], "--stage"),
    ],
)
def test_wrong_input(churn: Shop, capsys: Captured, words: list[str], says: str) -> None:
    """One line, code 2, no tag."""
    assert execute(["promote", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
    assert churn.tags() == ["churn@v0.0.1"]
