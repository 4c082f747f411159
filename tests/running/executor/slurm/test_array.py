"""Runs on a real Slurm of two nodes on this machine, in a clone that both see."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack import cli
from gittrack.errors import RepositoryError
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.index import Index
from gittrack.verify import verify
from tests.recording.commands import gittrack
from tests.repositories import run_git
from tests.running.moments import when
from tests.running.remotes import Remotes
from tests.running.slurm import Slurm
from tests.running.training import again

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("slurm")]

SWEEP = ["--pass", "env", "--seed", "3", "--executor", "slurm", "--metric", "accuracy", "--json"]


def records(top: Path) -> list[Record]:
    with Index.open(Repository.discover(top), "gittrack/runs") as index:
        return [row.load() for row in index.search()]


def times(top: Path, run: str) -> int:
    """How many commits of the ledger add the record of `run`."""
    paths = run_git(top, "log", "--format=", "--name-only", "--diff-filter=A", "gittrack/runs").splitlines()
    return sum(path.endswith(f"/{run}/run.yaml") for path in paths)


def left_behind(top: Path) -> list[str]:
    """Folders, journals, work trees and refs that nobody needs any more."""
    state = Repository.discover(top).state_dir
    left = [str(path) for name in ("slurm", "journal", "reproduce") for path in (state / name).glob("*")]
    left += run_git(top, "worktree", "list", "--porcelain").split("\n\n")[1:-1]
    return left + run_git(top, "for-each-ref", "refs/gittrack/live", "refs/gittrack/queued").splitlines()


def swept(top: Path, *options: str, code: int = 0) -> dict[str, Any]:
    """What a sweep over train.py says."""
    done = gittrack(top, "sweep", *SWEEP, *options)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


COMMAND = ("--", sys.executable, "train.py")


def test_repeats_on_two_nodes(slurm: Slurm, clone: Remotes) -> None:
    """Each is on the ledger once, and the verdict is that of the local executor."""
    original = clone.make_run()
    local = again().statement.verdict
    known = clone.started()
    clone.sign("wait").touch()
    both = when(
        lambda: len({node for _, node, _ in clone.started() if node != "none"}) == 2,
        clone.sign("wait").unlink,
    )
    found = again(original.id, repeats=4, executor="slurm", resources={"CPU": 1})
    both.join()
    verdict = found.statement.verdict
    assert verdict.level == local.level == "bitwise-same-host", verdict
    runs = [done.run_id for done in found.done]
    assert len(set(runs)) == 4 and [times(clone.top, run) for run in runs] == [1, 1, 1, 1]
    assert not [done for done in found.done if done.complaint or done.status or done.error]
    assert {node for run, node, _ in clone.started() if (run, node, _) not in known} == {"n1", "n2"}
    made = {record.id: record for record in records(clone.top)}
    schedulers = [made[run].scheduler for run in runs]
    assert [scheduler.task for scheduler in schedulers if scheduler] == [0, 1, 2, 3]
    assert {scheduler.cluster for scheduler in schedulers if scheduler} == {"gauss"}
    assert found.statement.executor == "slurm" and not left_behind(clone.top)
    assert verify(Repository.discover(clone.top)).outcome == "PASS"


def test_a_node_that_dies_while_it_works(slurm: Slurm, clone: Remotes) -> None:
    """Slurm begins its task again on the other; every task is on the ledger once, with the same verdict."""
    original = clone.make_run()
    known = clone.started()
    clone.sign("wait").touch()
    killed: list[tuple[str, str, int]] = []

    def kill() -> None:
        killed.append(next(sign for sign in clone.started() if sign not in known))
        slurm.kill_node(killed[0][1])
        clone.sign("wait").unlink()

    thread = when(lambda: len({node for _, node, _ in clone.started()}) == 3, kill)
    found = again(original.id, repeats=4, executor="slurm")
    thread.join()
    run, node, program = killed[0]
    slurm.begin_node(node)
    assert not Path(f"/proc/{program}").exists() and len([r for r, _, _ in clone.started() if r == run]) == 2
    runs = [done.run for done in found.done]
    assert [times(clone.top, run) for run in runs] == [1, 1, 1, 1]
    assert not [done for done in found.done if done.complaint or done.status or done.instead]
    made = {record.id: record for record in records(clone.top)}
    assert {made[run].status for run in runs} == {"finished"}
    assert [(a.status, a.restarts) for a in made[run].attempts] == [("killed", 0), ("finished", 1)]
    assert made[run].scheduler is not None and made[run].scheduler.restarts == 1
    assert len(made) == 5
    assert found.statement.verdict.level == "bitwise-same-host" and not left_behind(clone.top)


RESUMING = """
import json, os, signal, sys, time
from pathlib import Path
signs, checkpoint = Path(SIGNS), Path("checkpoint.json")
step = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0

def save(number, frame):
    checkpoint.write_text(json.dumps(step))
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
begun = step
step += 1
resumed = int(os.environ.get("GITTRACK_RESUMED", "0"))
json.dump({"begun": begun, "epochs": step, "resumed": resumed}, open("metrics.json", "w"))
(signs / f"step.{begun}.{os.getpid()}").touch()
while (signs / "wait").exists():
    time.sleep(0.05)
"""


def test_a_requeued_task_goes_on(slurm: Slurm, clone: Remotes) -> None:
    """It is told to end, saves and leaves with 0: nobody takes that for the end. It goes on in its files."""
    (clone.top / "resume.py").write_text(RESUMING.replace("SIGNS", repr(str(clone.signs))))
    run_git(clone.top, "add", "resume.py")
    run_git(clone.top, "commit", "-q", "-m", "resume")
    clone.sign("wait").touch()

    def requeue() -> None:
        (job,) = slurm.jobs("-t", "R")
        slurm.ask("scontrol", "requeue", job)
        slurm.until(lambda: [*clone.top.glob(".git/gittrack/slurm/*/0.stopped-0")], "word to the attempt")
        slurm.until(lambda: not slurm.jobs("-t", "R,CG"), "end of the attempt")
        other = gittrack(clone.top, "run", "--", "true")  # which recovers what others have left
        assert other.returncode == 0, other.stderr
        clone.sign("wait").unlink()

    thread = when(lambda: [*clone.signs.glob("step.*")], requeue)
    found = swept(clone.top, "-S", "lr=1", "--metric", "epochs", "--", sys.executable, "resume.py")
    thread.join()
    (result,) = found["results"]
    assert result["status"] == "finished" and result["metrics"] == {"begun": 1, "epochs": 2, "resumed": 1}
    made = {record.id: record for record in records(clone.top)}
    run = made.pop(result["run"])
    assert [(a.status, a.ended_by, a.restarts) for a in run.attempts] == [
        ("killed", "preemption", 0), ("finished", "command", 1),
    ]  # fmt: skip
    assert run.scheduler is not None and run.scheduler.restarts == 1 and times(clone.top, run.id) == 1
    assert len(made) == 1 and not left_behind(clone.top)
    assert verify(Repository.discover(clone.top)).outcome == "PASS"


def test_a_killed_attempt_that_somebody_has_committed(slurm: Slurm, clone: Remotes) -> None:
    """Its record is no result: the next attempt is a run that continues it."""
    clone.sign("wait").touch()
    run: list[str] = []

    def commit() -> None:
        (job,) = slurm.jobs("-t", "R")
        run.append(clone.started()[0][0])
        slurm.ask("scontrol", "requeue", job)
        slurm.until(lambda: [*clone.top.glob(".git/gittrack/slurm/*/0.stopped-0")], "word to the attempt")
        slurm.until(lambda: not slurm.jobs("-t", "R,CG"), "end of the attempt")
        done = gittrack(clone.top, "recover", run[0], "--force")
        assert "committed as killed" in done.stdout, done.stdout + done.stderr
        clone.sign("wait").unlink()

    thread = when(clone.started, commit)
    found = swept(clone.top, "-S", "lr=1", *COMMAND)
    thread.join()
    (result,) = found["results"]
    made = {record.id: record for record in records(clone.top)}
    assert result["status"] == made[result["run"]].status == "finished" and made[run[0]].status == "killed"
    assert made[result["run"]].continues == run[0] and len(made) == 2 and not left_behind(clone.top)


def test_an_interrupt_cancels_the_jobs(slurm: Slurm, clone: Remotes) -> None:
    """The killed runs are on the ledger, what had not begun is not, and the interrupt goes on."""
    original = clone.make_run()
    known = clone.started()
    clone.sign("wait").touch()
    thread = when(lambda: clone.started() != known, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        again(original.id, repeats=2, executor="slurm", jobs=1)
    thread.join()
    (rerun,) = [record for record in records(clone.top) if record.id != original.id]
    assert rerun.status == "killed" and times(clone.top, rerun.id) == 1
    assert not slurm.jobs() and not left_behind(clone.top)


def test_a_sweep_is_left_in_the_queue_and_collected(slurm: Slurm, clone: Remotes) -> None:
    """With more settings than an array may have, code that is changed later, and a program that is told."""
    (clone.top / "train.py").write_text((clone.top / "train.py").read_text() + "# uncommitted\n")
    clone.sign("wait").touch()
    ranges = ("-S", "lr=1,2,3,4,5", "--sbatch-option", "comment=a b;c", "--jobs", "3")
    done = gittrack(clone.top, "sweep", *SWEEP[:-1], *ranges, "--no-wait", *COMMAND)
    assert done.returncode == 0 and "gittrack sweep --collect" in done.stderr, done.stderr
    name = done.stderr.split()[-1]
    (clone.top / "train.py").write_text("raise SystemExit('edited')\n")
    clone.sign("wait").unlink()
    run_git(clone.top, "gc", "--quiet", "--prune=now")
    (clone.top / "below").mkdir()
    found = swept_again(clone.top / "below", name)
    assert [result["status"] for result in found["results"]] == ["finished"] * 5 and found["sweep"] == name
    assert [result["params"]["lr"] for result in found["results"]] == [1, 2, 3, 4, 5]
    runs = records(clone.top)
    assert len({record.id for record in runs}) == 5 and all(record.code.dirty for record in runs)
    assert len({record.scheduler.array for record in runs if record.scheduler}) == 2
    assert not left_behind(clone.top) and verify(Repository.discover(clone.top)).outcome == "PASS"
    again_ = gittrack(clone.top, "sweep", "--collect", name)
    assert again_.returncode != 0 and "there is none" in again_.stderr


def swept_again(top: Path, name: str) -> dict[str, Any]:
    done = gittrack(top, "sweep", "--collect", name[-6:], "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_reruns_are_left_in_the_queue_and_judged_later(slurm: Slurm, clone: Remotes) -> None:
    """The verdict is that of reruns that were waited for."""
    original = clone.make_run()
    done = gittrack(clone.top, "reproduce", original.id, "--yes", "--executor", "slurm", "--no-wait")
    assert done.returncode == 0, done.stderr
    name = done.stderr.split()[-1]
    assert gittrack(clone.top, "sweep", "--collect", name).returncode != 0, "it is no sweep"
    judged = gittrack(clone.top, "reproduce", "--collect", name, "--json")
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["verdict"]["level"] == "bitwise-same-host" and not left_behind(clone.top)


def test_a_task_that_others_cancel(slurm: Slurm, clone: Remotes) -> None:
    """What ran is recorded as killed, what had not begun is named, and a program that fails has failed."""
    clone.sign("wait").touch()

    def cancel() -> None:
        slurm.ask("scancel", *slurm.jobs())

    thread = when(clone.started, cancel)
    found = swept(clone.top, "-S", "lr=1,2", "--jobs", "1", *COMMAND, code=1)
    thread.join()
    assert [result["status"] for result in found["results"]] == ["killed", "not recorded"]
    assert "CANCELLED" in found["results"][1]["said"]
    clone.sign("wait").unlink()
    clone.sign("fail").touch()
    failed = swept(clone.top, "-S", "lr=1", *COMMAND, code=1)
    assert [result["status"] for result in failed["results"]] == ["failed"]
    assert sorted(record.status for record in records(clone.top)) == ["failed", "killed"]
    assert not left_behind(clone.top)


def test_what_slurm_refuses(slurm: Slurm, clone: Remotes, capfd: pytest.CaptureFixture[str]) -> None:
    """Its own word in one line; nothing is queued, and nothing is left."""
    options = ["--executor", "slurm", "--sbatch-option", "partition=nowhere"]
    assert (
        cli.execute(["sweep", *options, "--pass", "env", "-S", "lr=1", *COMMAND]) == RepositoryError.exit_code
    )
    said = capfd.readouterr().err.strip().splitlines()
    assert (
        "invalid partition specified: nowhere" in said[-1].lower() or "invalid partition" in said[-1].lower()
    )
    assert not slurm.jobs() and not left_behind(clone.top) and not records(clone.top)
