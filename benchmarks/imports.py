"""Imports: a file store of MLflow as records, once and again."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.ledgers import git
from benchmarks.measure import Outcome, Settings, gittrack, run, scratch, spent

SYSTEM = "gittrack import mlflow"
POINTS = 100
BEGAN = 1_700_000_000_000
APART = 864_000
"""Milliseconds from the start of a run to that of the next: 100 runs a day."""

META = """\
artifact_uri: mlruns/1/{id}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '1'
lifecycle_stage: active
run_id: {id}
run_name: run-{number}
run_uuid: {id}
source_name: ''
source_type: 4
source_version: ''
start_time: {start}
status: 3
tags: []
user_id: ada
"""


def measure(settings: Settings) -> Outcome:
    """A file store of 10,000 runs, each with 5 parameters and 5 metrics of 100 points, into a new repository.

    Then the same again, which adds nothing, and again with one run more. Memory is that of the largest
    process. One round: it takes minutes.
    """
    outcome = Outcome()
    runs = settings.size(10_000, 60)
    with scratch() as folder:
        store, clone = folder / "mlruns", folder / "clone"
        fill(store, runs)
        clone.mkdir()
        git(clone, "init", "-q", "-b", "main")
        git(clone, "config", "user.name", "A")
        git(clone, "config", "user.email", "a@example.com")
        command = gittrack("import", "mlflow", str(store))
        first = spent(command, clone)
        outcome.add(f"import of {runs:,} runs", SYSTEM, first.seconds, "s")
        outcome.add(f"import of {runs:,} runs, memory", SYSTEM, first.memory_mb, "MB")
        outcome.add("the same again", SYSTEM, spent(command, clone).seconds, "s")
        fill(store, 1, runs)
        outcome.add("the same with a run more", SYSTEM, spent(command, clone).seconds, "s")
        count = len(run(gittrack("log", "--csv", "-n", str(runs + 1)), clone).splitlines()) - 1
        if count != runs + 1:
            raise RuntimeError(f"{count} runs are on the ledger, not {runs + 1}")
    outcome.goal(f"import of {runs:,} runs, s", first.seconds, 60)
    return outcome


def fill(store: Path, runs: int, first: int = 0) -> None:
    """Runs in a file store, as MLflow's client leaves them."""
    experiment = store / "1"
    experiment.mkdir(parents=True, exist_ok=True)
    (experiment / "meta.yaml").write_text(
        "artifact_location: mlruns/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: digits\n"
    )
    for number in range(first, first + runs):
        chance = random.Random(number)
        run_id = f"{chance.getrandbits(128):032x}"
        start = BEGAN + number * APART
        folder = experiment / run_id
        for name in ("params", "metrics", "tags", "artifacts"):
            (folder / name).mkdir(parents=True)
        meta = META.format(id=run_id, number=number, start=start, end=start + POINTS * 1000)
        (folder / "meta.yaml").write_text(meta)
        (folder / "tags" / "mlflow.runName").write_text(f"run-{number}")
        for at in range(5):
            (folder / "params" / f"p{at}").write_text(str(chance.random()))
            lines = [f"{start + step * 1000} {chance.random()} {step}\n" for step in range(POINTS)]
            (folder / "metrics" / f"m{at}").write_text("".join(lines))
