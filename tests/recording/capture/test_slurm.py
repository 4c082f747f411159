"""What a record says of the Slurm job that its run was in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gittrack.formats.scheduler import Scheduler
from gittrack.git.repository import Repository
from gittrack.reading.entry import entry_of
from gittrack.reading.index import Index
from gittrack.recording.capture.slurm import allocation_of, scheduler_of
from gittrack.verify import verify
from tests.recording.commands import gittrack

JOB = {
    "SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3", "SLURM_RESTART_COUNT": "2",
    "SLURM_CLUSTER_NAME": "gauss", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS": "4",
    "SLURM_TASKS_PER_NODE": "2(x2)", "SLURM_JOB_CPUS_PER_NODE": "8(x2)", "SLURM_CPUS_PER_TASK": "4",
    "SLURM_GPUS_ON_NODE": "1", "SLURM_MEM_PER_NODE": "4000",
    # What is nobody's business:
    "SLURM_JOB_USER": "ada", "SLURM_JOB_UID": "1017", "SLURM_JOB_ACCOUNT": "secret-project",
    "SLURM_JOB_NODELIST": "node[17-18]", "SLURM_SUBMIT_HOST": "login-3", "SLURM_TOPOLOGY_ADDR": "node17",
}  # fmt: skip


def test_a_run_within_a_job(inside: Path) -> None:
    """Job, array and restart are on the record, the shape of what was given in environment.yaml, no names."""
    done = gittrack(inside, "run", "--", sys.executable, "train.py", env=JOB)
    assert done.returncode == 0, done.stderr
    repo = Repository.discover(inside)
    with Index.open(repo, "gittrack/runs") as index:
        entry = entry_of(index, index.one("latest"))
    assert entry.record.scheduler == Scheduler(
        kind="slurm", cluster="gauss", job="18", array="17", task=3, restarts=2
    )
    assert entry.environment()["allocation"] == {
        "scheduler": "slurm", "nodes": 2, "tasks": 4, "tasks_per_node": "2(x2)", "cpus_per_node": "8(x2)",
        "cpus_per_task": 4, "gpus_on_node": 1, "memory_per_node_mb": 4000,
    }  # fmt: skip
    written = entry.yaml() + (entry.file("environment.yaml") or b"")
    for secret in (b"secret-project", b"node17", b"node[17-18]", b"login-3"):
        assert secret not in written
    shown = gittrack(inside, "show", "latest").stdout
    assert "Slurm job 17_3 (job 18), begun 3 times, on gauss" in shown
    assert verify(repo).outcome == "PASS"
    assert json.loads(gittrack(inside, "show", "latest", "--json").stdout)["scheduler"]["job"] == "18"


def test_a_run_outside_of_a_job() -> None:
    """Nothing is said, whatever else has a name like Slurm's."""
    assert scheduler_of({"SLURM_CLUSTER_NAME": "gauss"}) is None
    assert allocation_of({"SLURM_NTASKS": "4"}) is None


@pytest.mark.parametrize("name", [n for n in JOB if n != "SLURM_JOB_ID" and "ARRAY" not in n])
def test_what_is_no_answer_of_slurm_is_left_out(name: str) -> None:
    """A variable of another form is not known; the rest is."""
    for nonsense in ("", "x" * 5000, "4\nrm", "(null)", "-1"):
        env = {**JOB, name: nonsense}
        scheduler, allocation = scheduler_of(env), allocation_of(env)
        assert scheduler is not None and scheduler.job == "18" and allocation is not None
        assert nonsense not in map(str, [scheduler.cluster, scheduler.restarts, *allocation.values()])
