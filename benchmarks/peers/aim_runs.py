"""Aim: two RocksDB folders a run, and SQLite for names."""

from itertools import islice
from pathlib import Path

from aim import Repo, Run
from aim.sdk.types import QueryReportMode

from benchmarks.peers.peer import Body, Params, Peer, Row


class Aim(Peer):
    def prepare(self) -> None:
        Repo.from_path(".", init=True).close()

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        run = Run(repo=".")
        run.name = name
        for key, value in params.items():
            run[key] = value
        body(lambda metrics, step: run.track(metrics, step=step))  # a dict is the batch call
        if output:
            run.set_artifacts_uri(f"file://{Path.cwd()}/aim-artifacts")
            run.log_artifact(str(output), block=True)
        run.close()

    def fill(self, runs: int) -> None:
        """By the interface, then `aim storage reindex`: without an index, a query finds nothing."""
        super().fill(runs)
        Repo.from_path(".")._recreate_index()

    def open(self) -> None:
        self.repo = Repo.from_path(".")

    def ask(self, what: str, count: int) -> list[Row]:
        query = "" if what == "newest" else "run.metrics['m0'].last > 0.5 and run.p0 == 3"
        found = self.repo.query_runs(query, report_mode=QueryReportMode.DISABLED).iter_runs()
        rows = []
        for run in (each.run for each in islice(found, count if what == "newest" else None)):
            metrics = run.collect_sequence_info("metric")["metric"]
            rows.append((run.name, run.get(...), {each["name"]: each["values"]["last"] for each in metrics}))
        if what == "sorted":
            rows.sort(key=lambda row: row[2]["m0"], reverse=True)
        return rows[:count]
