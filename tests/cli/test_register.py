"""gittrack register as it is typed."""

from __future__ import annotations

import pytest

from gittrack.cli import execute
from tests.governance.registry.shop import Shop, shop

__all__ = ["shop"]

Captured = pytest.CaptureFixture[str]


def test_a_version_is_registered(shop: Shop, capsys: Captured) -> None:
    """What was made is said beside the output; a doubt before it; with --quiet nothing."""
    assert execute(["register", "latest", "--model", "churn"]) == 0
    out, err = capsys.readouterr()
    run = shop.records[1].id
    assert out == ""
    assert err.splitlines() == [
        f"gittrack: warning: no decision selected run {run}: gittrack decide {run} --outcome selected -m WHY",
        f"gittrack: churn v0.0.1 is run {run}: tag churn@v0.0.1",
    ]
    assert execute(["register", "latest~1", "--model", "churn", "--bump-minor", "-q", "-m", "more"]) == 0
    assert capsys.readouterr() == ("", "")
    assert shop.tags() == ["churn@v0.0.1", "churn@v0.1.0"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["latest"], "--model"),
        (["nosuch", "--model", "churn"], "no run 'nosuch'"),
        (["latest", "--model", "a b"], "no name for a model"),
        (["latest", "--model", "churn", "--bump-minor", "--bump-major"], "choose one"),
        (["latest", "--model", "churn", "--version", "--force"], "no version"),
        (["latest", "--model", "churn", "--version", "2"], "v1.2.3"),
    ],
)
def test_wrong_input(shop: Shop, capsys: Captured, words: list[str], says: str) -> None:
    """One line, code 2, no tag."""
    assert execute(["register", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
    assert shop.tags() == []
