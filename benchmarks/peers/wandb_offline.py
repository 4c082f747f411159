"""Weights & Biases in offline mode: a folder with one log file a run, which a service process writes."""

from pathlib import Path

import wandb

from benchmarks.peers.peer import Body, Params, Peer


class WandbOffline(Peer):
    no_query = "runs can be asked for on the server only"

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        run = wandb.init(project="bench", name=name, config=params, mode="offline", dir=".")
        body(run.log)  # one call takes the metrics of a step
        if output:
            run.log_artifact(str(output), name="model", type="model")
        run.finish()
