"""What every peer offers to the driver, and the content of the n-th run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Params = dict[str, Any]
Log = Callable[[dict[str, float], int], object]
Body = Callable[[Log], object]
Row = tuple[str, Params, dict[str, float]]


def content(n: int) -> tuple[dict[str, int], dict[str, float]]:
    """20 params and 10 metrics of run ``n``; p0 and m0 are what the queries ask for."""
    params = {f"p{k}": (n + k) % 7 for k in range(20)}
    return params, {f"m{k}": (n + k) * 7919 % 100003 / 100003 for k in range(10)}


class Peer:
    """One tracker, with its store in the working directory."""

    no_output = ""  # why it cannot keep an output file
    no_query = ""  # why it cannot be asked for runs
    exact_order = True  # whether runs of the same second are told apart

    def prepare(self) -> None:
        """Make the store, as far as a run needs one."""

    def live(self, name: str, params: Params, body: Body, output: Path | None = None) -> None:
        """Begin a run, call ``body`` with what logs a step, keep ``output``, finish: all on disk."""
        raise NotImplementedError

    def nth(self, n: int, output: Path | None = None) -> None:
        """The whole n-th run."""
        params, metrics = content(n)
        self.live(f"run-{n}", params, lambda log: log(metrics, 0), output)

    def fill(self, runs: int) -> None:
        """The first ``runs`` runs, through the peer's own interface unless the peer says otherwise."""
        for n in range(runs):
            self.nth(n)

    def open(self) -> None:
        """Open the store to be asked."""

    def ask(self, what: str, count: int) -> list[Row]:
        """The first runs with params and last metrics: "newest", or "sorted" those with
        m0 > 0.5 and p0 = 3, by m0 downwards."""
        raise NotImplementedError
