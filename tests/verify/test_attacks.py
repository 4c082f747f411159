"""docs/threats.md, row by row: each attack against an honest ledger, and what verify says of it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack import cli
from tests.verify import attacks_on_bundles, attacks_on_verdicts
from tests.verify.attacks import ATTACKS, Victim, gittrack_verify, make_victim

assert attacks_on_bundles.bundled and attacks_on_verdicts.state, "importing has put their attacks on the list"

PAGE = Path(__file__).parents[2] / "docs" / "threats.md"
EXIT = {"PASS": 0, "FAIL": 1, "INCOMPLETE": 4}

_template: list[Victim] = []


@pytest.fixture
def victim(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Victim:
    """An honest ledger of its own for each attack; the runs are made once."""
    monkeypatch.chdir(tmp_path)
    if not _template:
        _template.append(make_victim(tmp_path_factory.mktemp("honest") / "project"))
    made = _template[0]
    shutil.copytree(made.top, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return replace(made, top=tmp_path / "project", options=[], where=None)


def test_an_honest_ledger_passes(victim: Victim, capfd: pytest.CaptureFixture[str]) -> None:
    """Without an attack there is no finding worse than a note, bytes included."""
    victim.options = ["--read-data"]
    assert gittrack_verify(victim) == 0, capfd.readouterr().out


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, victim: Victim, capfd: pytest.CaptureFixture[str]) -> None:
    """The documented outcome, by the documented code, and never a traceback."""
    attack, outcome, code = ATTACKS[name]
    attack(victim)
    capfd.readouterr()
    status = cli.execute(["-C", str(victim.where or victim.top), "verify", "--json", *victim.options])
    out, err = capfd.readouterr()
    assert "bug" not in err, err
    assert out, err
    said = json.loads(out)
    codes = sorted({f["code"] for f in said["findings"]})
    assert (said["outcome"], status) == (outcome, EXIT[outcome]), codes
    assert code is None or code in codes


def test_the_page_and_the_attacks_agree() -> None:
    """Every attack is documented with its outcome and its code, and nothing else is."""
    rows = re.findall(
        r"^\| ([^|]+?) \| [^|]+ \| (PASS|FAIL|INCOMPLETE)(?:, `([a-z-]+)`)? \|", PAGE.read_text(), re.M
    )
    assert {name: (outcome, code or None) for name, outcome, code in rows} == {
        name: (outcome, code) for name, (_, outcome, code) in ATTACKS.items()
    }
    assert len(rows) >= 25
