"""MLflow on its file store and on SQLite; MLFLOW_TRACKING_URI says which."""

import uuid
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient

from benchmarks.peers.peer import Body, Params, Peer, Row, content


class MlflowFile(Peer):
    """The file store, which 3.17 opens only when it is asked to."""

    def prepare(self) -> None:
        MlflowClient().get_experiment("0")

    open = prepare

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        with mlflow.start_run(run_name=name):
            if params:
                mlflow.log_params(params)
            body(mlflow.log_metrics)  # the batch call: one write for the metrics of a step
            if output:
                mlflow.log_artifact(str(output))

    def ask(self, what: str, count: int) -> list[Row]:
        query, order = "", "attributes.start_time DESC"
        if what == "sorted":
            query, order = "metrics.m0 > 0.5 and params.p0 = '3'", "metrics.m0 DESC"
        runs = MlflowClient().search_runs(["0"], query, order_by=[order], max_results=count)
        return [(run.info.run_name, run.data.params, run.data.metrics) for run in runs]


class MlflowSqlite(MlflowFile):
    """The SQL store."""

    def fill(self, runs: int) -> None:
        """Run 0 by the interface, the others as copies of the rows that it wrote, in one transaction."""
        from mlflow.store.db.base_sql_model import Base
        from mlflow.tracking._tracking_service.utils import _get_store
        from sqlalchemy import insert, select

        super().fill(1)
        with _get_store().engine.begin() as database:
            tables = [table for table in Base.metadata.sorted_tables if "run_uuid" in table.columns]
            written = [(table, database.execute(select(table)).mappings().all()) for table in tables]
            for first in range(1, runs, 1000):
                copies = range(first, min(first + 1000, runs))
                for table, rows in written:
                    if rows:
                        database.execute(insert(table), [_copy(row, n) for n in copies for row in rows])


def _copy(row: Any, n: int) -> dict[str, Any]:
    """A row of run 0 as that of run ``n``, a second later for each run between."""
    params, metrics = content(n)
    values = {"mlflow.runName": f"run-{n}"} | {key: str(value) for key, value in params.items()} | metrics
    new = dict(row) | {"run_uuid": uuid.uuid5(uuid.NAMESPACE_OID, str(n)).hex}
    if "artifact_uri" in new:
        new["name"] = f"run-{n}"
        new["artifact_uri"] = row["artifact_uri"].replace(row["run_uuid"], new["run_uuid"])
    else:
        new["value"] = values.get(row["key"], row["value"])
    times = {key: row[key] + n * 1000 for key in ("start_time", "end_time", "timestamp") if row.get(key)}
    return new | times
