"""A ledger of many sound runs, made from one real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import gittrack
from gittrack.formats.record import Metric, format_time, parse_time
from gittrack.formats.spec import spec_digest
from gittrack.git.repository import Repository
from tests.ledgers import commit_files, files_of
from tests.repositories import run_git

BRANCH = "gittrack/runs"


def grow(top: Path, count: int) -> None:
    """One real run in the project at `top`, and `count` - 1 more that differ in parameters and results."""
    repository = Repository.discover(top)
    with gittrack.start_run("digits", seed=1, params={"width": 1, "lr": 0.5}, repository=top) as run:
        for step in range(20):
            run.log_metric("accuracy", step / 40, step=step)
        run.log_metrics({"accuracy": 0.5, "loss": 0.5})
    first = run.record
    assert first is not None
    beside = {
        name: run_git(top, "show", f"{BRANCH}:{first.path}/{name}").encode()
        for name in ("environment.yaml", "metrics.csv")
    }
    begin = parse_time(first.started)
    files: dict[str, bytes] = {}
    for at in range(1, count):
        record = replace(
            first,
            id=f"{_stamp(begin, at)}-{at:06x}",
            started=format_time(begin + timedelta(seconds=at)),
            seed=at % 5,
            params={"width": at // 5, "lr": (at * 37 % 101) / 100, **{f"p{n}": at * n % 7 for n in range(8)}},
            metrics={"accuracy": Metric(value=0.5 + at / 9999), "loss": Metric(value=0.5 - at / 9999)},
        )
        record = replace(record, spec=spec_digest(record.code, record.params, record.data, record.locks))
        files |= files_of(record)
        files |= {f"{record.path}/{name}": data for name, data in beside.items()}
    commit_files(repository, files)


def _stamp(begin: datetime, at: int) -> str:
    return (begin + timedelta(seconds=at)).strftime("%Y%m%d-%H%M%S")
