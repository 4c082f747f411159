"""Trackio: an SQLite database a project, below TRACKIO_DIR; a thread writes to it twice a second."""

import json
from pathlib import Path

import trackio
from trackio.sqlite_storage import SQLiteStorage

from benchmarks.peers.peer import Body, Params, Peer, Row

QUERY = """
SELECT c.run_name, c.config, m.metrics FROM configs c JOIN metrics m ON m.run_id = c.run_id
WHERE m.id = (SELECT max(id) FROM metrics WHERE run_id = c.run_id) {} LIMIT {}
"""
ORDERS = {
    "newest": "ORDER BY c.created_at DESC",
    "sorted": """AND json_extract(m.metrics, '$.m0') > 0.5 AND json_extract(c.config, '$.p0') = 3
                 ORDER BY json_extract(m.metrics, '$.m0') DESC""",
}


class Trackio(Peer):
    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        run = trackio.init(project="bench", name=name, config=params, embed=False)
        body(run.log)  # one call takes the metrics of a step
        if output:
            run.log_artifact(str(output), name="model", type="model")
        run.finish()
        if run._local_sender_thread:  # finish() gives up waiting after 30 seconds
            run._local_sender_thread.join()

    def ask(self, what: str, count: int) -> list[Row]:
        """By what `trackio query project` calls: Python's own interface has no filter or order."""
        rows = SQLiteStorage.query_project("bench", QUERY.format(ORDERS[what], count))["rows"]
        return [(row["run_name"], json.loads(row["config"]), json.loads(row["metrics"])) for row in rows]
