"""Masked values are told apart, and nothing of them can be guessed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack import cli
from gittrack.formats.masks import likeness, masked_params, pool_of, unknown_masks, without_masked
from gittrack.formats.record import Record
from tests.ledgers import make_record, records

KEY, OTHER = f"{'a' * 16}:{'1' * 64}", f"{'b' * 16}:{'2' * 64}"


def test_digests() -> None:
    """Of one key they tell same from different, of two keys nothing; partly masked values have one too."""
    params = {"api_key": "planted", "db": "postgres://u:pw@host/x", "lr": 0.1, "head": {"token": "t0ken-1"}}
    safe, first = masked_params(params, lambda: KEY)
    assert safe == {"api_key": "***", "db": "postgres://host/x", "lr": 0.1, "head": {"token": "***"}}
    assert set(first) == {"api_key", "db", "head.token"}
    _, again = masked_params({"api_key": "planted"}, lambda: KEY)
    _, changed = masked_params({"api_key": "planted2"}, lambda: KEY)
    _, elsewhere = masked_params({"api_key": "planted"}, lambda: OTHER)
    assert likeness(first["api_key"], again["api_key"]) == "same"
    assert likeness(first["api_key"], changed["api_key"]) == "differs"
    assert likeness(first["api_key"], elsewhere["api_key"]) == "not known" == likeness(None, first["api_key"])
    assert without_masked(safe) == {"db": "postgres://host/x", "lr": 0.1, "head": {}}


@pytest.mark.parametrize(
    "params",
    [
        {"head": {"token": "cls"}}, {"token_dim": 8}, {"key": "user_id"}, {"num_keys": 4}, {"author": "ada"},
        {"tokenizer": "bert"}, {"pass": 3}, {"auth": "none"}, {"token": "5"}, {"passes": "two"},
        {"pass": "first"},
    ],
)  # fmt: skip
def test_words_that_are_no_credential_stay(params: dict[str, Any]) -> None:
    assert masked_params(params, lambda: KEY) == (params, {})


def _run(where: Path, key: str) -> Record:
    with gittrack.start_run(params={"api_key": key, "lr": 1}, seed=1) as run:
        run.log_metric("acc", 0.5)
    assert run.record is not None
    return run.record


def test_runs_that_differ_in_a_masked_value_are_two_specs(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, changed = (_run(inside, key) for key in ("planted-1", "planted-1", "planted-2"))
    assert first.spec == again.spec != changed.spec
    key = (inside / ".git" / "gittrack" / "mask-key").read_text()
    assert key[:16] + ":" == first.masked["params.api_key"][:17] and key[17:] not in repr(first)
    assert (inside / ".git" / "gittrack" / "mask-key").stat().st_mode & 0o077 == 0
    assert cli.execute(["verify", "--no-pager"]) in (0, 2)
    for other, said in ((again, None), (changed, "masked; differs")):
        capsys.readouterr()
        cli.execute(["diff", first.id, other.id, "--no-pager"])
        out = capsys.readouterr().out
        assert (said or "no differences") in out or (said is None and "api_key" not in out)
    cli.execute(["diff", first.id, changed.id, "--json"])
    assert '"masked": "differs"' in capsys.readouterr().out


def test_another_clone_does_not_know(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = _run(inside, "planted-1")
    (inside / ".git" / "gittrack" / "mask-key").unlink()
    program = (
        "import gittrack\nwith gittrack.start_run(params={'api_key': 'planted-1', 'lr': 1}, seed=2): pass"
    )
    subprocess.run([sys.executable, "-c", program], cwd=inside, check=True)
    second = next(record for record in records(inside) if record.id != first.id)
    assert first.spec != second.spec
    cli.execute(["diff", first.id, second.id, "--no-pager"])
    assert "masked; not known whether it differs" in capsys.readouterr().out


def test_a_run_that_masks_without_a_digest_is_like_no_other() -> None:
    known = make_record(1, params={"api_key": "***"}, masked={"params.api_key": f"{'a' * 16}:{'0' * 64}"})
    unknown = [make_record(number, params={"api_key": "***"}) for number in (2, 3)]
    assert (unknown_masks(known), unknown_masks(unknown[0])) == ([], ["params.api_key"])
    assert len({pool_of(record) for record in unknown}) == 2 and pool_of(known) == known.spec


def test_what_came_masked_has_no_digest() -> None:
    """Of pydantic's SecretStr nothing is known: two of them are not said to be one."""
    safe, digests = masked_params(
        {"p": {"s": "**********", "token": "a1"}}, lambda: f"{'a' * 16}:{'00' * 32}"
    )
    assert safe == {"p": {"s": "**********", "token": "***"}} and [*digests] == ["p.token"]
