"""The job of a scheduler that a process is part of, as far as it tells the attempts of a run apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def current_job(env: Mapping[str, str]) -> dict[str, Any] | None:
    """Cluster, id and restart count of the Slurm job; None outside of one.

    A task of an array is a job of its own, which keeps its id when it is requeued.
    """
    job_id = env.get("SLURM_JOB_ID", "")
    if not job_id.isdecimal():
        return None
    restarts = env.get("SLURM_RESTART_COUNT", "")
    return {
        "id": job_id,
        "cluster": env.get("SLURM_CLUSTER_NAME", ""),
        "restarts": int(restarts) if restarts.isdecimal() else 0,
    }


def array_task(env: Mapping[str, str]) -> str | None:
    """Which task of an array this is: another one is another run, though it is called alike."""
    return env.get("SLURM_ARRAY_TASK_ID") or None


def is_same_job(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> bool:
    """Whether both are in the same job; outside of one, nothing is."""
    if first is None or second is None:
        return False
    return (first.get("id"), first.get("cluster")) == (second.get("id"), second.get("cluster"))


def is_requeue_of(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
    """Whether `now` is a later restart of the same job, so that nothing of `before` runs any more."""
    if before is None or now is None or not is_same_job(before, now):
        return False
    return int(before.get("restarts", 0)) < int(now.get("restarts", 0))
