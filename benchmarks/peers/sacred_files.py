"""Sacred's file storage: JSON files a run; metrics stay in memory until a beat, every 10 seconds."""

from pathlib import Path
from typing import Any

from sacred import Experiment
from sacred.observers import FileStorageObserver

from benchmarks.peers.peer import Body, Params, Peer, content


class Sacred(Peer):
    no_query = "the file storage cannot be asked; Sacred's viewers want MongoDB"

    def __init__(self) -> None:
        # Without git info: it would be that of this benchmark's repository, not of the scratch folder.
        self.experiment = Experiment("bench", save_git_info=False)
        self.experiment.add_config(content(0)[0])
        self.experiment.observers.append(FileStorageObserver("sacred-runs"))

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        def work(_run: Any) -> None:
            def log(metrics: dict[str, float], step: int) -> None:
                for key, value in metrics.items():  # there is no batch call
                    _run.log_scalar(key, value, step)

            body(log)
            if output:
                _run.add_artifact(str(output))

        self.experiment.main(work)
        run = self.experiment.run(config_updates=params, options={"--name": name, "--loglevel": "ERROR"})
        run._heartbeat.join()  # run() gives up waiting after 2 seconds, its files half written
