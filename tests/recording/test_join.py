"""What surrounds a run that starts: a `gittrack run` that goes on, or variables that one has left behind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.ledgers import journals, records
from tests.recording.commands import PYTHON, gittrack, script

TRAIN = "import gittrack, os\nwith gittrack.start_run(params={'lr': 1}): pass\n"
KEEP = "import json, os, sys\njson.dump(dict(os.environ), open(sys.argv[1], 'w'))\n"
LEAVE = ("-S", "width=9", "--seed", "7", "--pass", "env")


def left_by(project: Path, tmp_path: Path) -> dict[str, str]:
    """The variables of a run with a seed and a parameter, as a daemon keeps them."""
    kept = tmp_path / "environment.json"
    gittrack(project, "run", "-q", *LEAVE, "--", PYTHON, "-c", KEEP, str(kept))
    variables: dict[str, str] = json.loads(kept.read_text())
    assert {"GITTRACK_RUN", "GITTRACK_SEED", "GITTRACK_PARAMS"} <= {*variables}
    return variables


def test_variables_of_an_ended_run_say_nothing(project: Path, tmp_path: Path) -> None:
    """A tmux or a Ray daemon that was started by a run outlives it: what starts there is a run of its own."""
    script(project, TRAIN)
    environment = left_by(project, tmp_path)
    subprocess.run([PYTHON, "train.py"], cwd=project, env=environment, check=True)
    said = "import os; print(os.environ.get('GITTRACK_SEED'), os.environ['GITTRACK_PARAMS'])"
    done = gittrack(project, "run", "-q", "--", PYTHON, "-c", said, env=environment)
    assert done.stdout == "None {}\n"
    assert gittrack(project, "run", "-q", "--", PYTHON, "train.py", env=environment).returncode == 0
    found = records(project)
    assert sorted(str(record.seed) for record in found) == ["7", "None", "None", "None"]
    assert {record.parent for record in found} == {None}
    assert sorted(str(record.params.get("width")) for record in found) == ["9", "None", "None", "None"]
    assert [record.params.get("lr") for record in found].count(1) == 2


def test_a_lost_run_is_not_joined(project: Path, tmp_path: Path) -> None:
    """Its journal is still there, but nobody goes on with it."""
    script(project, TRAIN)
    kill = KEEP + "import signal; os.kill(os.getppid(), signal.SIGKILL)\n"
    kept = tmp_path / "environment.json"
    gittrack(project, "run", "-q", *LEAVE, "--", PYTHON, "-c", kill, str(kept))
    assert len(journals(project)) == 1
    environment = json.loads(kept.read_text())
    subprocess.run([PYTHON, "train.py"], cwd=project, env=environment, check=True)
    lost, later = sorted(records(project), key=lambda record: record.status, reverse=True)
    assert (lost.status, lost.params["width"], later.params) == ("killed", 9, {"lr": 1})
    assert (later.parent, later.seed) == (None, None)


def test_variables_set_by_hand_hold(project: Path) -> None:
    """GITTRACK_SEED without any run around it is what a person has set."""
    script(project, TRAIN)
    subprocess.run([PYTHON, "train.py"], cwd=project, env={**os.environ, "GITTRACK_SEED": "3"}, check=True)
    assert records(project)[0].seed == 3


def test_a_program_that_asks_to_go_on_is_told_where_gittrack_run_was_not_asked(project: Path) -> None:
    """Which run it is was settled outside; told the same there, it hears nothing."""
    script(project, "import gittrack\nwith gittrack.start_run(resume='auto'): pass\n")
    told = gittrack(project, "run", "-q", "--", PYTHON, "train.py").stderr
    assert f"resume='auto' says nothing here: gittrack run has begun run {records(project)[0].id}" in told
    asked = gittrack(project, "run", "-q", "--resume", "auto", "--", PYTHON, "train.py").stderr
    assert "says nothing here" not in asked
