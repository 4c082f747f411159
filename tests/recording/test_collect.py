"""What `gittrack run` takes for a run's own results, and what it says of the rest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.formats.during import Overlap
from gittrack.formats.record import NotRecorded, Record
from tests.ledgers import journals, records
from tests.recording.commands import gittrack, script, start
from tests.repositories import run_git

PYTHON = sys.executable
WRITE = "open('metrics.json', 'w').write('{\"acc\": 0.9}'); open('model.pt', 'w').write('m')"


def last(project: Path) -> Record:
    return max(records(project), key=lambda record: record.started)


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "import os; os.chmod('model.pt', 0o600)",
        "open('metrics.json'); open('model.pt')",
    ],
)
def test_results_of_the_run_before(project: Path, program: str) -> None:
    """A run at once after another takes over neither its metrics nor its model."""
    options = ["run", "--output", "model.pt:model", "--"]
    gittrack(project, *options, PYTHON, "-c", WRITE)
    assert (last(project).metrics["acc"].value, len(last(project).outputs)) == (0.9, 1)
    gittrack(project, *options, PYTHON, "-c", program)
    assert (last(project).metrics, last(project).outputs) == ({}, ())
    assert (
        NotRecorded(what="output model.pt", why="was not written by this run") in last(project).not_recorded
    )
    gittrack(project, *options, PYTHON, "-c", WRITE)
    assert (last(project).metrics["acc"].value, len(last(project).outputs)) == (0.9, 1)


def test_declared_outputs_of_the_run_before(project: Path) -> None:
    """Those of gittrack.yaml just so; what the program logs as bytes is none that is missing."""
    (project / "gittrack.yaml").write_text("outputs:\n- {path: model.pt, role: model}\n")
    gittrack(project, "run", "--", PYTHON, "-c", WRITE)
    gittrack(project, "run", "--", PYTHON, "-c", "pass")
    assert (last(project).metrics, last(project).outputs) == ({}, ())
    logs = "import gittrack\nwith gittrack.start_run() as run: run.log_text('m', 'model.pt')"
    done = gittrack(project, "run", "--", PYTHON, "-c", logs)
    assert ([o.path for o in last(project).outputs], last(project).not_recorded) == (["model.pt"], ())
    assert "warning" not in done.stderr


def test_folder_that_is_partly_old(project: Path) -> None:
    """Plots and weights that another run left are not this run's, and it is said which."""
    plots = project / "dvclive" / "plots" / "metrics"
    plots.mkdir(parents=True)
    (plots / "old.tsv").write_text("step\told\n0\t1\n")
    (project / "dvclive" / "metrics.json").write_text('{"old": 1}')
    (project / "weights").mkdir()
    (project / "weights" / "old.pt").write_text("old")
    program = (
        "open('dvclive/plots/metrics/new.tsv', 'w').write('step\\tnew\\n0\\t2\\n')\n"
        "open('weights/new.pt', 'w').write('new')"
    )
    done = gittrack(project, "run", "--output", "weights:model", "--", PYTHON, "-c", program)
    record = last(project)
    assert {name: metric.value for name, metric in record.metrics.items()} == {"new": 2}
    assert [(o.path, o.nfiles, o.size) for o in record.outputs] == [("weights", 1, 3)]
    why = "there before the run, and not written by it"
    assert record.not_recorded == (
        NotRecorded(what="metrics file dvclive", why=f"without metrics.json, plots/metrics/old.tsv: {why}"),
        NotRecorded(what="output weights", why=f"without old.pt: {why}"),
    )
    assert "without old.pt" in done.stderr


def test_named_metrics_that_hold_nothing(project: Path) -> None:
    """A file that was named and gave nothing is said, whatever it is called."""
    program = "open('metrics.json', 'w').write('{}')"
    gittrack(project, "run", "--metrics", "metrics.json", "--metrics", "dvclive", "--", PYTHON, "-c", program)
    assert last(project).not_recorded == (
        NotRecorded(what="metrics file metrics.json", why="no metric could be read from it"),
        NotRecorded(what="metrics file dvclive", why="was not written by this run"),
    )


# --- two at once -----------------------------------------------------------------------------

TURN = """
import json, pathlib, sys, time
me, first = sys.argv[1:]
def wait(name):
    while not pathlib.Path(name).exists(): time.sleep(0.01)
print('ready', flush=True)
wait('go')
if first != me: wait(first + '.committed')
json.dump({'acc': me}, open('m.tmp', 'w')); json.dump({'acc': float(me)}, open('metrics.json', 'w'))
pathlib.Path('model-' + me).write_text(me)
"""


def test_two_runs_at_once_through_a_link(project: Path) -> None:
    """One file by two names is one file."""
    (project / "link.json").symlink_to("real.json")
    waits = "echo ready; while [ ! -e go ]; do sleep 0.05; done; echo '{}' > link.json"
    running = start(project, "sh", "-c", waits, options=["-n", "link", "--metrics", "link.json"])
    writes = "echo '{\"acc\": 2}' > real.json"
    gittrack(project, "run", "-n", "real", "--metrics", "real.json", "--", "sh", "-c", writes)
    (project / "go").touch()
    running.communicate()
    by_name = {record.name: record for record in records(project)}
    assert by_name["real"].metrics == {}
    assert by_name["link"].id in by_name["real"].not_recorded[0].why
    assert [overlap.paths for overlap in by_name["real"].overlaps] == [("real.json",)]
    assert [overlap.paths for overlap in by_name["link"].overlaps] == [("real.json",)]


def test_two_runs_at_once(project: Path) -> None:
    """Both say so; the metrics of the first may be the other's, those of the second can only be its own."""
    script(project, TURN)
    (project / ".gitignore").write_text("*.committed\ngo\nm.tmp\nmetrics.json\nmodel-*\n")
    run_git(project, "add", ".gitignore")
    run_git(project, "commit", "-qm", "ignore")
    running = {
        me: start(project, PYTHON, "train.py", me, "1", options=["--output", f"model-{me}:model"])
        for me in ("1", "2")
    }
    (project / "go").touch()
    running["1"].communicate()
    (project / "1.committed").touch()
    running["2"].communicate()
    by_name = {record.code.command[-2]: record for record in records(project)}
    first, second = by_name["1"], by_name["2"]
    assert [(o.run, o.paths) for o in first.overlaps] == [(second.id, ("metrics.json",))]
    assert [(o.run, o.paths) for o in second.overlaps] == [(first.id, ("metrics.json",))]
    assert first.metrics == {}
    assert second.id in first.not_recorded[0].why
    assert second.metrics["acc"].value == 2
    assert [o.path for record in (first, second) for o in record.outputs] == ["model-1", "model-2"]
    shown = gittrack(project, "show", first.id).stdout
    assert second.id in shown


SCRIPT = """
import gittrack, pathlib, sys
me, *names = sys.argv[1:]
with gittrack.start_run(name=me) as run:
    for name in names:
        print(me, flush=True)
        sys.stdin.readline()
        pathlib.Path(name).write_text(me)
        run.log_model(name)
    print('logged', flush=True)
    sys.stdin.readline()
"""


def script_at_once(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """A script whose run has begun; each line from us lets it go on."""
    running = subprocess.Popen(
        [PYTHON, "train.py", *arguments],
        cwd=project,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    running.stdout.readline()
    return running


def go_on(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write("\n")
    running.stdin.flush()
    running.stdout.readline()


def test_a_script_that_may_still_write_is_named(project: Path) -> None:
    """The first to end cannot know where the other will write, and says so; the last one knows."""
    script(project, SCRIPT)
    one, two = (script_at_once(project, me, "m.pt") for me in ("1", "2"))
    for running in (one, two):
        go_on(running)
        running.communicate("\n")
    first, second = sorted(records(project), key=lambda record: record.name or "")
    assert first.overlaps == (Overlap(run=second.id, paths=("m.pt",), unknown=True),)
    assert second.overlaps == (Overlap(run=first.id, paths=("m.pt",)),)
    shown = gittrack(project, "show", first.id).stdout
    assert re.search(rf"{second.id} +not known whether it writes at +m\.pt", shown)
    assert re.search(rf"{first.id} +writes too at +m\.pt", gittrack(project, "show", second.id).stdout)
    changed = gittrack(project, "diff", first.id, second.id).stdout
    assert f"perhaps at the same time: run {second.id}" in changed
    assert gittrack(project, "verify").returncode == 0


def test_a_command_that_has_declared_its_paths_is_no_rival(project: Path, tmp_path: Path) -> None:
    """Nor is a script of another work tree, nor one that wrote nothing in this one."""
    script(project, SCRIPT)
    run_git(project, "worktree", "add", "-q", str(tmp_path / "beside"))
    waits = "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"
    script(project, f"import pathlib, sys, time\nprint('ready', flush=True)\n{waits}", name="job.py")
    elsewhere = script_at_once(tmp_path / "beside", "elsewhere", "m.pt")
    command = start(project, PYTHON, "job.py", str(tmp_path / "go"))
    one = script_at_once(project, "one", "m.pt")
    two = script_at_once(project, "two", str(tmp_path / "two.pt"))
    two.communicate("\n\n")
    one.communicate("\n\n")
    (tmp_path / "go").touch()
    command.communicate()
    elsewhere.communicate("\n\n")
    found = {record.name: record.overlaps for record in records(project)}
    assert found["two"] == found["elsewhere"] == found["one"] == ()


def test_two_scripts_at_once(project: Path) -> None:
    """What a script logs itself is taken, and it is said who else wrote there; a child run is no stranger."""
    program = (
        "import gittrack, pathlib\n"
        "with gittrack.start_run() as one, gittrack.start_run(parent=one.id) as child:\n"
        "    with gittrack.start_run() as two:\n"
        "        for run in (one, child, two):\n"
        "            pathlib.Path('m.pt').write_text(run.id); run.log_model('m.pt')\n"
        "print(one.id, two.id)"
    )
    output = subprocess.run([PYTHON, "-c", program], cwd=project, check=True, capture_output=True, text=True)
    one, two = output.stdout.split()
    runs = {record.id: record for record in records(project)}
    assert [overlap.run for overlap in runs[one].overlaps] == [two]
    assert one in [overlap.run for overlap in runs[two].overlaps]
    assert journals(project) == []
