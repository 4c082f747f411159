"""DVCLive, with and without DVC experiments."""

import subprocess
from pathlib import Path

import dvc.api
from dvc.cli import main as dvc_command
from dvclive import Live

from benchmarks.peers.isolation import HOME
from benchmarks.peers.peer import Body, Params, Peer, Row


class Dvclive(Peer):
    """Files only, in a folder of its own for each run: Live() empties the default folder."""

    no_query = "each run is a folder of files; DVC lists experiments only"

    def prepare(self) -> None:
        Path(".git/info").mkdir(exist_ok=True)
        with Path(".git/info/exclude").open("a") as exclude:
            exclude.write(f"/{HOME}/\n")
        dvc_command(["init", "--quiet"])
        subprocess.run(["git", "commit", "--quiet", "-m", "dvc init"], check=True)

    def _begin(self, name: str) -> Live:
        return Live(f"dvclive/{name}", save_dvc_exp=False, dvcyaml=None)

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        with self._begin(name) as live:
            if params:
                live.log_params(params)

            def log(metrics: dict[str, float], step: int) -> None:
                for key, value in metrics.items():  # there is no batch call
                    live.log_metric(key, value)
                live.next_step()

            body(log)
            if output:
                live.log_artifact(str(output), type="model", name="model")


class DvcliveExperiments(Dvclive):
    """Each run saved as a DVC experiment: a commit below refs/exps."""

    no_query = ""
    exact_order = False

    def _begin(self, name: str) -> Live:
        return Live(save_dvc_exp=True, exp_name=name)

    def ask(self, what: str, count: int) -> list[Row]:
        """From every experiment of HEAD, newest first as DVC has them; it filters nothing by value."""
        rows = [row for row in dvc.api.exp_show() if row["Experiment"]]
        if what == "sorted":
            rows = [row for row in rows if row["m0"] > 0.5 and row["p0"] == 3]
            rows.sort(key=lambda row: row["m0"], reverse=True)
        return [(row["Experiment"], row, row) for row in rows[:count]]
