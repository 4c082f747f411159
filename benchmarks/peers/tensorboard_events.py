"""tensorboardX: a folder of event files a run, which a thread writes."""

from pathlib import Path

from tensorboardX import SummaryWriter

from benchmarks.peers.peer import Body, Params, Peer


class Tensorboardx(Peer):
    no_output = "event files keep no files"
    no_query = "tensorboardX only writes"

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        with SummaryWriter(f"events/{name}") as writer:
            if params:
                writer.add_hparams(params, {}, name="hparams")

            def log(metrics: dict[str, float], step: int) -> None:
                for key, value in metrics.items():  # add_scalars() would open a file for each name
                    writer.add_scalar(key, value, step)

            body(log)
