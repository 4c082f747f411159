"""What Slurm tells a process of its job and of what the job was given.

Names of people, accounts and machines are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from gittrack.formats.scheduler import Scheduler

_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_STEP = re.compile(r"[0-9]{1,18}(?:\+[0-9]{1,9})?\Z")
_PER_NODE = re.compile(r"[0-9]{1,9}(?:\(x[0-9]{1,9}\))?(?:,[0-9]{1,9}(?:\(x[0-9]{1,9}\))?){0,199}\Z")

_ALLOCATION = {
    "nodes": ("SLURM_JOB_NUM_NODES", _NUMBER),
    "tasks": ("SLURM_NTASKS", _NUMBER),
    "tasks_per_node": ("SLURM_TASKS_PER_NODE", _PER_NODE),
    "cpus_per_node": ("SLURM_JOB_CPUS_PER_NODE", _PER_NODE),
    "cpus_per_task": ("SLURM_CPUS_PER_TASK", _NUMBER),
    "gpus_on_node": ("SLURM_GPUS_ON_NODE", _NUMBER),
    "memory_per_node_mb": ("SLURM_MEM_PER_NODE", _NUMBER),
    "memory_per_cpu_mb": ("SLURM_MEM_PER_CPU", _NUMBER),
    "memory_per_gpu_mb": ("SLURM_MEM_PER_GPU", _NUMBER),
}


def scheduler_of(env: Mapping[str, str] | None = None) -> Scheduler | None:
    """The job that this process is in; None outside of one. What has another form is left out."""
    env = os.environ if env is None else env

    def stated(name: str, form: re.Pattern[str]) -> str | None:
        text = env.get(name, "")
        return text if form.match(text) else None

    job = stated("SLURM_JOB_ID", _NUMBER)
    if job is None:
        return None
    array, task = stated("SLURM_ARRAY_JOB_ID", _NUMBER), stated("SLURM_ARRAY_TASK_ID", _NUMBER)
    restarts = stated("SLURM_RESTART_COUNT", _NUMBER)
    is_task = array is not None and task is not None
    return Scheduler(
        kind="slurm",
        cluster=stated("SLURM_CLUSTER_NAME", _NAME),
        job=job,
        array=array if is_task else None,
        task=int(task) if is_task and task is not None else None,
        restarts=None if restarts is None else int(restarts),
        step=stated("SLURM_STEP_ID", _STEP),
    )


def allocation_of(env: Mapping[str, str]) -> dict[str, Any] | None:
    """What the job was given, for environment.yaml: its shape, and no names. None outside of a job."""
    if not _NUMBER.match(env.get("SLURM_JOB_ID", "")):
        return None
    given: dict[str, Any] = {"scheduler": "slurm"}
    for key, (name, form) in _ALLOCATION.items():
        if form.match(text := env.get(name, "")):
            given[key] = int(text) if form is _NUMBER else text
    return given
