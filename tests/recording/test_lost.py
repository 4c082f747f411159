"""A run whose processes were killed: how long it ran, and what its program had written by then."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gittrack.formats.record import Record, parse_time
from gittrack.reading.journal.stored import HEARTBEAT
from tests.ledgers import journals, records
from tests.recording.commands import PYTHON, gittrack, script, start
from tests.recording.signalled import until

WRITES = (
    "import json, time\n"
    "json.dump({'accuracy': 0.75}, open('scores.json', 'w'))\n"
    "open('model.bin', 'w').write('weights')\n"
    "print('ready', flush=True)\n"
    "time.sleep(120)\n"
)
OPTIONS = ("--metrics", "scores.json", "--metrics", "late.json", "--output", "model.bin:model")


def lose(project: Path, *options: str) -> Path:
    """A run whose processes are all killed at once amid their work; its journal."""
    script(project, WRITES)
    with start(project, PYTHON, "train.py", options=options) as process:
        (name,) = journals(project)
        folder = project / ".git/gittrack/journal" / name
        first = (folder / HEARTBEAT).stat().st_mtime_ns
        until(lambda: (folder / HEARTBEAT).stat().st_mtime_ns > first)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    return folder


def recovered(project: Path, elsewhere: Path) -> Record:
    done = gittrack(elsewhere, "-C", str(project), "recover")
    assert "committed as killed" in done.stdout
    (record,) = records(project)
    assert record.failure is not None and record.failure.type == "lost"
    assert "metrics files" not in losses(record), losses(record)
    return record


def losses(record: Record) -> dict[str, str]:
    return {loss.what: loss.why for loss in record.not_recorded}


def test_a_lost_run_has_its_duration_and_its_metrics(project: Path, tmp_path: Path) -> None:
    """Up to the last sign of life, with what was there by then, also from elsewhere; the rest is said."""
    folder = lose(project, *OPTIONS)
    last = (folder / HEARTBEAT).stat().st_mtime
    record = recovered(project, tmp_path)
    assert record.duration_s == pytest.approx(last - parse_time(record.started).timestamp(), abs=0.01)
    assert {name: metric.value for name, metric in record.metrics.items()} == {"accuracy": 0.75}
    assert record.code.metrics_files == ("scores.json",)
    assert losses(record)["metrics file late.json"] == "was not written by this run"
    assert losses(record)["output model.bin"] == "the run was lost before its outputs were kept"


def test_a_file_that_was_written_later_is_not_the_lost_runs(project: Path, tmp_path: Path) -> None:
    """Whoever trains on in that work tree writes the same file."""
    folder = lose(project, "--metrics", "scores.json")
    later = (folder / HEARTBEAT).stat().st_mtime + 60
    (project / "scores.json").write_text('{"accuracy": 0.99}')
    os.utime(project / "scores.json", (later, later))
    record = recovered(project, tmp_path)
    assert record.metrics == {}
    assert "after the last sign of life" in losses(record)["metrics file scores.json"]


def test_a_file_of_before_is_not_the_lost_runs(project: Path, tmp_path: Path) -> None:
    """What lay there when the run began is known from its journal."""
    (project / "old.json").write_text('{"accuracy": 0.1}')
    lose(project, "--metrics", "old.json")
    record = recovered(project, tmp_path)
    assert (record.metrics, losses(record)["metrics file old.json"]) == ({}, "was not written by this run")


def test_a_lost_run_in_python_has_its_duration(project: Path, tmp_path: Path) -> None:
    """The thread that writes its points gives the signs of life, also while nothing is logged."""
    script(
        project, "import gittrack, time\ngittrack.start_run()\nprint('ready', flush=True)\ntime.sleep(120)\n"
    )
    with subprocess.Popen([PYTHON, "train.py"], cwd=project, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        (name,) = journals(project)
        folder = project / ".git/gittrack/journal" / name
        first = (folder / HEARTBEAT).stat().st_mtime
        until(lambda: (folder / HEARTBEAT).stat().st_mtime > first + 1)
        process.kill()
    record = recovered(project, tmp_path)
    assert record.duration_s is not None and record.duration_s >= 1
