"""Which runs of other trackers are new, whose they are, and which of several is the run itself."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.formats.config import Config
from gittrack.git.repository import Repository
from gittrack.importers.bringing import Brought, bring
from gittrack.importers.foreign import Options
from tests.importers.harvest.programs import (
    copies,
    kept_by_board,
    kept_by_mlflow,
    kept_by_wandb,
    points,
    run,
)
from tests.ledgers import records
from tests.recording.commands import gittrack, script, start

OUTER, INNER = "0a" * 16, "0b" * 16


def imported(project: Path, system: str, source: str) -> Brought:
    brought = Brought(system, dry=False)
    bring(Repository.discover(project), Config(), system, project / source, Options(), brought)
    return brought


@pytest.mark.usefixtures("inside")
def test_only_what_is_new(tmp_path: Path) -> None:
    """Older runs and files stay where they are; one that went on is named."""
    kept_by_board(tmp_path / "old", (0, 9.0))
    subprocess.run(["sh", "-c", copies(tmp_path / "old", "runs/a")], check=True)
    kept_by_mlflow(Path("mlruns"), OUTER, (0, 9.0))
    kept_by_board(tmp_path / "new", (0, 0.5), stamp=200)
    kept_by_mlflow(tmp_path / "m", INNER, (0, 0.5))
    record = run(copies(tmp_path / "new", "runs/a"), copies(tmp_path / "m", "mlruns"))
    assert points(record, "loss") == [(0, 0.5)] and len(record.metrics) == 1
    assert [one.system for one in record.harvested] == ["mlflow", "tensorboard"]
    assert record.not_recorded == ()
    (old,) = (path for path in Path("runs/a").iterdir() if ".100." in path.name)
    record = run(f"printf x >> {old}")
    assert record.harvested == ()
    assert record.not_recorded[0].what == f"tensorboard a/{old.name}"
    assert "there before the run" in record.not_recorded[0].why
    moved = run("mv runs/a runs/b; mv mlruns old; mkdir mlruns; mv old/* mlruns")
    assert (moved.harvested, moved.not_recorded) == ((), ())


def test_parts_of_a_run(inside: Path, tmp_path: Path) -> None:
    """The outermost is the run; what is nested is named, and an import makes it a part of this run."""
    kept_by_mlflow(tmp_path / "m", OUTER, (0, 0.5))
    kept_by_mlflow(tmp_path / "n", INNER, (0, 0.75), parent=OUTER)
    record = run(copies(tmp_path / "m", "mlruns"), copies(tmp_path / "n", "mlruns"))
    assert [one.id for one in record.harvested] == [OUTER]
    (loss,) = record.not_recorded
    assert loss.what == f"1 run of mlflow ({INNER})" and "gittrack import mlflow mlruns takes" in loss.why
    brought = imported(inside, "mlflow", "mlruns")
    assert (brought.counts["new"], brought.counts["there"]) == (1, 1)
    (child,) = (one for one in records(inside) if one.imported is not None)
    assert child.parent == record.id
    assert imported(inside, "mlflow", "mlruns").counts["there"] == 2


@pytest.mark.usefixtures("inside")
def test_several_that_are_all_alike(tmp_path: Path) -> None:
    """Two runs side by side in one program are none of them this run: both are named, with the command."""
    kept_by_wandb(tmp_path / "a", (0, 0.5), run_id="abc")
    kept_by_wandb(tmp_path / "a", (0, 0.25), run_id="def")
    for name in ("one", "two"):
        kept_by_board(tmp_path / "b" / name, (0, 0.5))
    record = run(copies(tmp_path / "a"), copies(tmp_path / "b", "logs"))
    assert (record.harvested, record.metrics) == ((), {})
    wandb, board = record.not_recorded
    assert wandb.what == "2 runs of wandb (abc, def)"
    assert "cannot be told: gittrack import wandb wandb takes" in wandb.why
    assert board.what.startswith("2 runs of tensorboard")


@pytest.mark.usefixtures("inside")
def test_folders_of_one_training(tmp_path: Path) -> None:
    """Keras writes a folder for each split, torch one for each of several scalars: they are one run."""
    kept_by_board(tmp_path / "k" / "train", (0, 0.5))
    kept_by_board(tmp_path / "k" / "validation", (0, 0.75))
    record = run(copies(tmp_path / "k", "logs/fit"))
    assert {n: m.value for n, m in record.metrics.items()} == {"train/loss": 0.5, "validation/loss": 0.75}
    kept_by_board(tmp_path / "t", (0, 0.5))
    kept_by_board(tmp_path / "t" / "loss_test", (0, 0.75), tag="both")
    record = run(copies(tmp_path / "t", "runs/x"))
    assert {n: m.value for n, m in record.metrics.items()} == {"loss": 0.5, "loss_test/both": 0.75}
    assert len(record.harvested) == 2


@pytest.mark.usefixtures("inside")
def test_a_database_and_a_store_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New rows of a database are runs; in a store outside of the work tree a run has to name this code."""
    made = tmp_path / "made.db"
    with sqlite3.connect(made) as base:
        base.execute(
            "CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER, status TEXT, lifecycle_stage TEXT)"
        )
        base.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT)")
        base.execute(
            "CREATE TABLE metrics (run_uuid TEXT, key TEXT, value REAL, timestamp INTEGER, step INTEGER)"
        )
        base.execute("INSERT INTO experiments VALUES (0, 'Default', 'active')")
        base.execute("INSERT INTO runs VALUES (?, 0, 'FINISHED', 'active')", (OUTER,))
        base.execute("INSERT INTO metrics VALUES (?, 'loss', 0.5, 1000, 0)", (OUTER,))
    base.close()
    assert points(run(f"cp {made} mlflow.db"), "loss") == [(0, 0.5)]
    with sqlite3.connect("mlflow.db") as base:
        base.execute("ALTER TABLE runs ADD COLUMN end_time INTEGER")
    base.close()
    resumes = "import sqlite3; c = sqlite3.connect('mlflow.db'); c.execute('UPDATE runs SET end_time = 9')"
    record = run(f'{sys.executable} -c "{resumes}; c.commit()"')
    assert record.harvested == () and "there before the run" in record.not_recorded[0].why
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/shared.db")
    record = run(f"cp {made} {tmp_path}/shared.db")
    assert record.harvested == () and "outside of the work tree" in record.not_recorded[0].why


@pytest.mark.usefixtures("inside")
def test_a_run_that_an_older_one_is_a_part_of(tmp_path: Path) -> None:
    """W&B begins a new folder where a run is resumed: what an import has under that id is more than this."""
    kept_by_wandb(tmp_path / "a", (0, 0.5), run_id="abc")
    subprocess.run(["sh", "-c", copies(tmp_path / "a")], check=True)
    later = tmp_path / "b" / "wandb" / "run-20991231_000000-abc"
    kept_by_wandb(tmp_path / "b", (1, 0.25), run_id="abc")
    next((tmp_path / "b" / "wandb").iterdir()).rename(later)
    record = run(copies(tmp_path / "b"))
    assert (record.harvested, record.metrics) == ((), {})
    assert record.not_recorded[0].what == f"wandb {later.name}"
    assert "there before the run" in record.not_recorded[0].why


@pytest.mark.usefixtures("inside")
def test_links_to_places_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written through a link out of the work tree may be anybody's, unless --output names it."""
    kept_by_wandb(tmp_path / "a", (0, 0.5))
    kept_by_board(tmp_path / "b", (0, 0.25))
    for name in ("wandb", "runs"):
        (tmp_path / "shared" / name).mkdir(parents=True)
        Path(name).symlink_to(tmp_path / "shared" / name)
    record = run(copies(tmp_path / "a" / "wandb", "wandb"), copies(tmp_path / "b", "runs/x"))
    assert record.harvested == ()
    assert [loss.what for loss in record.not_recorded] == ["wandb abc", record.not_recorded[1].what]
    assert all("outside of the work tree" in loss.why for loss in record.not_recorded)
    record = run(copies(tmp_path / "b", "runs/y"), outputs=[(str(tmp_path / "shared" / "runs"), "log")])
    assert points(record, "loss") == [(0, 0.25)]


def test_runs_at_once(project: Path, tmp_path: Path) -> None:
    """Of two runs in one work tree neither takes what is new, and both say whose it may be."""
    kept_by_wandb(tmp_path / "a", (0, 0.5), run_id="abc")
    waits = "echo ready; while [ ! -e go ]; do sleep 0.02; done"
    running = start(project, "sh", "-c", waits, options=["-n", "long"])
    gittrack(project, "run", "-n", "short", "--", "sh", "-c", copies(tmp_path / "a"))
    (project / "go").touch()
    running.communicate()
    by_name = {record.name: record for record in records(project)}
    long, short = by_name["long"], by_name["short"]
    assert (long.harvested, short.harvested) == ((), ())
    assert long.id in short.not_recorded[0].why and short.id in long.not_recorded[0].why


def test_a_run_inside_a_run(project: Path, tmp_path: Path) -> None:
    """What a run has taken that the program started itself, the outer one does not take again."""
    kept_by_wandb(tmp_path / "a", (0, 0.5), run_id="abc")
    inner = [sys.executable, "-m", "gittrack", "run", "-n", "inner", "--", "sh", "-c", copies(tmp_path / "a")]
    gittrack(project, "run", "-n", "outer", "--", *inner)
    by_name = {record.name: record for record in records(project)}
    assert [one.id for one in by_name["inner"].harvested] == ["abc"]
    assert (by_name["outer"].harvested, by_name["outer"].not_recorded) == ((), ())


def test_a_rerun(project: Path, tmp_path: Path) -> None:
    """What a run has of a tracker, its rerun has too, and the verdict counts it."""
    kept_by_wandb(tmp_path / "a", (0, 0.5), lr=0.1)
    script(project, f"import os\nos.system({copies(tmp_path / 'a')!r})\n")
    gittrack(project, "run", "--", sys.executable, "train.py")
    done = gittrack(project, "reproduce", "--yes")
    assert "bitwise-same-host: same outputs, series and metrics" in done.stdout
    first, again = sorted(records(project), key=lambda record: record.id)
    assert first.harvested == again.harvested and first.metrics == again.metrics != {}


def test_where_it_is_off(project: Path, tmp_path: Path) -> None:
    """By the option, or in gittrack.yaml."""
    kept_by_wandb(tmp_path / "a", (0, 0.5))
    gittrack(project, "run", "--no-harvest", "--", "sh", "-c", copies(tmp_path / "a"))
    (project / "gittrack.yaml").write_text("harvest: off\n")
    gittrack(project, "run", "--", "sh", "-c", "rm -r wandb; " + copies(tmp_path / "a"))
    assert [record.harvested for record in records(project)] == [(), ()]


def test_an_attempt_that_was_lost(project: Path, tmp_path: Path) -> None:
    """What a tracker kept of it is not the next attempt's, and is named."""
    kept_by_wandb(tmp_path / "a", (0, 0.5))
    kept_by_board(tmp_path / "b", (0, 0.25))
    (project / "train.sh").write_text(
        f"if [ -e wandb ]; then {copies(tmp_path / 'b', 'runs/x')}; exit; fi\n"
        f"{copies(tmp_path / 'a')}; echo ready; sleep 60\n"
    )
    running = start(project, "sh", "train.sh", options=["--resume", "auto"])
    os.killpg(running.pid, 9)
    running.communicate()
    gittrack(project, "run", "--resume", "auto", "--", "sh", "train.sh")
    (record,) = records(project)
    assert [one.system for one in record.harvested] == ["tensorboard"]
    assert any("an attempt that was lost" in loss.why for loss in record.not_recorded)


def test_a_run_that_was_lost(project: Path, tmp_path: Path) -> None:
    """Killed with gittrack before it could be looked at: recover says that there may be something."""
    kept_by_wandb(tmp_path / "a", (0, 0.5))
    (project / "wandb").mkdir()
    running = start(project, "sh", "-c", copies(tmp_path / "a") + "; echo ready; sleep 60")
    os.killpg(running.pid, 9)
    running.communicate()
    gittrack(project, "recover")
    (record,) = records(project)
    assert any(loss.what.startswith("runs of other trackers in") for loss in record.not_recorded)


def test_a_run_that_was_lost_at_its_end(project: Path, tmp_path: Path) -> None:
    """Killed while its files were read: nothing is read twice, and what may be missing is said."""
    kept_by_wandb(tmp_path / "a", (0, 0.5))
    (project / "wandb").mkdir()
    dies = (
        "import os\nfrom gittrack.cli import execute\nfrom gittrack.importers.harvest import Harvest\n"
        "Harvest.take = lambda *_: os.kill(os.getpid(), 9)\n"
    )
    program = copies(tmp_path / "a") + "; echo '{\"acc\": 0.5}' > metrics.json; echo w > m; echo v > n"
    command = f"execute(['run', '--output', 'm', '--output', 'n', '--', 'sh', '-c', {program!r}])"
    subprocess.run([sys.executable, "-c", dies + command], cwd=project, check=False)
    gittrack(project, "recover")
    (record,) = records(project)
    assert record.status == "finished" and record.metrics["acc"].value == 0.5
    assert [output.path for output in record.outputs] == ["m", "n"]
    assert {loss.what.partition(" in ")[0] for loss in record.not_recorded} == {
        "metrics file metrics.json", "runs of other trackers",
    }  # fmt: skip
