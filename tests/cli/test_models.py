"""gittrack models: light, right, and safe whatever a tag says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gittrack.cli import execute
from tests.governance.registry.shop import Shop, do, shop
from tests.repositories import run_git

__all__ = ["shop"]

Captured = pytest.CaptureFixture[str]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e|<img src=x>`x`"


@pytest.fixture
def models(shop: Shop, capsys: Captured) -> Shop:
    """Two versions, one of them in a stage."""
    do("register", "latest~1", "--model", "churn", "-q")
    do("register", "latest", "--model", "churn", "--bump-minor", "-q")
    do("promote", "churn@v0.0.1", "--stage", "prod", "-q")
    do("decide", "latest", "--outcome", "selected", "-m", "best", "-q")
    return shop


def shown(capsys: Captured, *words: str) -> list[str]:
    capsys.readouterr()
    assert execute(["models", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_table(models: Shop, capsys: Captured) -> None:
    """Model, version, run, outcome, stages, metrics, by whom."""
    header, newest, oldest = shown(capsys)
    assert " ".join(header.split()) == "model version run experiment outcome stages metrics when by"
    assert newest.split()[:6] == [
        "churn",
        "v0.1.0",
        models.records[1].id,
        "digits",
        "selected",
        "accuracy=0.91",
    ]
    assert oldest.split()[:6] == ["churn", "v0.0.1", models.records[0].id, "digits", "prod", "accuracy=0.9"]
    assert newest.endswith("Ada Lovelace")
    assert shown(capsys, "churn") == [header, newest, oldest]
    assert execute(["models", "nosuch"]) == 2
    assert "there are churn" in capsys.readouterr().err


def test_history_and_what_was_given_up(models: Shop, capsys: Captured) -> None:
    """Every tag with --history; deregistered versions with --all."""
    models.gto("deprecate", "churn", "v0.1.0")
    assert "v0.1.0" not in "\n".join(shown(capsys))
    assert "(deregistered)" in "\n".join(shown(capsys, "--all"))
    events = {line.split()[2] for line in shown(capsys, "--history")[1:]}
    assert events == {"registered", "promoted", "deregistered"}
    assert len(shown(capsys, "--history")) == 5


def test_json(models: Shop, capsys: Captured) -> None:
    """What a program needs: sha256, commit, message, who."""
    (model,) = json.loads("\n".join(shown(capsys, "--json", "--history")))["models"]
    assert model["stages"] == {"prod": "v0.0.1"} and model["newest"] == "v0.1.0"
    first = model["versions"][1]
    assert first["sha256"] == models.records[0].outputs[0].sha256
    assert first["by"] == {"name": "Ada Lovelace", "email": "ada@example.com"}
    assert first["commit"] == models.commit_of(models.records[0]) and first["fault"] is None
    assert [event["what"] for event in model["history"]] == ["register", "register", "assign"]


def test_a_hostile_tag_is_text(models: Shop, capsys: Captured) -> None:
    """No control sequence reaches the terminal, no markup the document; it is no run."""
    env = {"name": f"{HOSTILE} Eve", "email": "eve@example.com"}
    for key, value in env.items():
        run_git(models.top, "config", f"user.{key}", value)
    models.tag("churn@v9.0.0", "HEAD", HOSTILE)
    run_git(models.top, "tag", "evil@v1.0.0")
    for words in ([], ["--history"], ["--md"], ["--history", "--md"]):
        said = "\n".join(shown(capsys, *words))
        assert "\x1b" not in said and "\u202e" not in said
        if "--md" in words:
            assert "<img" not in said
        assert "not a run" in said
    assert "\x1b" not in "\n".join(shown(capsys, "--json"))


def test_none_so_far(shop: Shop, capsys: Captured) -> None:
    """Said beside the output; as JSON an empty list."""
    assert execute(["models"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "gittrack register" in err
    assert json.loads("\n".join(shown(capsys, "--json"))) == {"models": []}


def test_starts_nothing_heavy(models: Shop) -> None:
    """Neither DVC nor GTO, nor what only writing a record needs."""
    execute(["log"])  # the index is up to date
    script = (
        "import sys; from gittrack.cli import execute; code = execute(['models']);"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    code, *loaded = done.stderr.split()
    assert code == "0" and done.stdout.count("\n") == 3
    heavy = {"dvc", "gto", "scmrepo", "git", "numpy", "scipy", "yaml", "jsonschema", "tabulate", "pydantic"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
