"""Every benchmark works, at sizes whose figures say nothing. Peers are left out: they are a gigabyte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import beside, page
from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_it_works(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", name, "--smoke", "--no-peers", "--json", str(file)]
    env = {**os.environ, "GITTRACK_BENCHMARKS": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads(file.read_text())[name]
    assert measured["figures"] and measured["machine"]["versions"]["gittrack"]
    assert all(one["value"] >= 0 for one in measured["figures"] if one["unit"] in ("s", "MB", "bytes"))
    assert f"### {name}" in done.stdout


def test_the_page_shows_the_figures_that_are_kept() -> None:
    """docs/benchmarks.md is written from docs/benchmarks.json: python -m benchmarks NAME --write."""
    text = (ROOT / "docs/benchmarks.md").read_text()
    tables = page.markdown(json.loads((ROOT / "docs/benchmarks.json").read_text()))
    assert text.partition(page.BEGIN)[2].partition(page.END)[0].strip() == tables.strip()


def test_a_benchmark_that_is_not_there_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no benchmark speed" in done.stderr


def test_two_states_are_held_beside_each_other() -> None:
    """Growth is above 1 for times and for rates alike, and what grew by more than 5 % is marked."""
    before = {("life", "a run", "ms"): [10.0, 11.0, 12.0], ("logging", "a point", "points/s"): [200.0]}
    now = {("life", "a run", "ms"): [11.0, 10.0, 30.0], ("logging", "a point", "points/s"): [100.0]}
    rows = beside.table(now, before).splitlines()[2:]
    assert rows[0] == "| life | a run | 11 ms | 11 ms | 1.000 |  |"
    assert rows[1] == "| logging | a point | 200 points/s | 100 points/s | 2.000 | **over 1.05** |"
