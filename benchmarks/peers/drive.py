"""`python -m benchmarks.peers.drive PEER WORK`: one peer, one work, one JSON object on stdout.

Run by the Python that has the peers, in an empty folder where all that a peer writes stays;
for dvclive and dvclive-exp it is a git repository with a commit.
"""

import argparse
import importlib
import json
import os
import shutil
import statistics
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.peers import isolation, measures
from benchmarks.peers.peer import Log, Peer, Row, content

# Where the peer is, and its own command that lists runs, or else its program alone.
PEERS = {
    "mlflow-file": ("mlflow_stores:MlflowFile", "mlflow runs list --experiment-id 0"),
    "mlflow-sqlite": ("mlflow_stores:MlflowSqlite", "mlflow runs list --experiment-id 0"),
    "wandb-offline": ("wandb_offline:WandbOffline", "wandb"),
    "aim": ("aim_runs:Aim", "aim runs ls"),
    "dvclive": ("dvclive_runs:Dvclive", "dvc"),
    "dvclive-exp": ("dvclive_runs:DvcliveExperiments", "dvc exp show"),
    "trackio": ("trackio_runs:Trackio", "trackio list runs --project bench"),
    "sacred": ("sacred_files:Sacred", ""),
    "tensorboardx": ("tensorboard_events:Tensorboardx", ""),
}
Result = dict[str, Any]
ASKED, REPEATS, REPEAT_SECONDS = 20, 5, 20.0


def prepare(peer: Peer, options: argparse.Namespace) -> Result:
    """What has to exist before a run; not part of any time."""
    peer.prepare()
    return {}


def logging(peer: Peer, options: argparse.Namespace) -> Result:
    """Points of one run, from after its begin until all of them are on disk."""
    noted: Result = {}

    def body(log: Log) -> None:
        noted["size"], noted["memory"] = measures.folder_bytes(), measures.peaks(os.getpid())
        noted["began"] = time.perf_counter()
        noted["steps"], noted["samples"] = measures.log_steps(log, int(options.what), options.seconds)
        noted["logged"] = time.perf_counter()
        noted["after"] = measures.peaks(os.getpid())  # less than a millisecond, within disk_s

    peer.live("points", {}, body)
    done = time.perf_counter()
    memory = noted["memory"] | noted["after"] | measures.peaks(os.getpid())
    return {
        "steps": noted["steps"],
        "caller_s": noted["logged"] - noted["began"],
        "disk_s": done - noted["began"],
        "p50_us": statistics.median(noted["samples"]) / 1000,
        "p99_us": noted["samples"][int(len(noted["samples"]) * 0.99)] / 1000,
        "memory_mb": (sum(memory.values()) - sum(noted["memory"].values())) / 1024,
        **_added(noted["size"], 1),
    }


def _added(before: tuple[int, int], runs: int) -> Result:
    """What each of so many runs added to the working directory."""
    length, allocated = measures.folder_bytes()
    return {"bytes": (length - before[0]) / runs, "allocated_bytes": (allocated - before[1]) / runs}


def life(peer: Peer, options: argparse.Namespace) -> Result:
    """Whole runs, one after another; with an output file, each run has one of different content."""
    if options.output and peer.no_output:
        return {"skipped": peer.no_output}
    output, times, size = None, [], (0, 0)
    if options.output:
        output = Path(shutil.copyfile(options.output, "model.bin"))
    for n in range(int(options.what)):
        if n == 1:
            size = measures.folder_bytes()
        if output:
            with output.open("r+b") as file:
                file.write(n.to_bytes(8, "big"))
        began = time.perf_counter()
        peer.nth(n, output)
        times.append((time.perf_counter() - began) * 1000)
    return {"first_ms": times[0], "later_ms": statistics.median(times[1:]), **_added(size, len(times) - 1)}


def fill(peer: Peer, options: argparse.Namespace) -> Result:
    """A store of many runs."""
    began = time.perf_counter()
    peer.fill(int(options.what))
    return {"seconds": time.perf_counter() - began}


def query(peer: Peer, options: argparse.Namespace) -> Result:
    """One question, asked a few times: how long the first took, and the median."""
    if peer.no_query:
        return {"skipped": peer.no_query}
    began = time.perf_counter()
    peer.open()
    opened = time.perf_counter() - began
    times: list[float] = []
    while not times or (len(times) < REPEATS and sum(times) < REPEAT_SECONDS * 1000):
        began = time.perf_counter()
        rows = peer.ask(options.what, ASKED)
        times.append((time.perf_counter() - began) * 1000)
    _check(peer, rows, options.what)
    figures = {f"{options.what}_ms": statistics.median(times), "first_ms": times[0], "rows": len(rows)}
    return {"import_s": options.import_s, "open_s": opened, **figures}


def _check(peer: Peer, rows: list[Row], what: str) -> None:
    """Raise ValueError unless the rows are whole, asked for and in order: a wrong answer has no time."""
    numbers = [int(name.removeprefix("run-")) for name, _, _ in rows]
    for n, (_, params, metrics) in zip(numbers, rows, strict=True):
        found, wanted = params | metrics, content(n)[0] | content(n)[1]
        if any(abs(float(found[key]) - value) > 1e-4 for key, value in wanted.items()):
            raise ValueError(f"run-{n} came back with other values")
    best = [content(n)[1]["m0"] for n in numbers]
    if what == "newest":
        right = rows and (numbers == sorted(numbers, reverse=True) or not peer.exact_order)
    else:
        right = {n % 7 for n in numbers} == {3} and best == sorted(best, reverse=True) and best[-1] > 0.5
    if not right:
        raise ValueError(f"runs {numbers} are not the answer")


def commands(options: argparse.Namespace) -> Result:
    """Command lines of the peer's own program, and the environment that they need."""
    if not (words := PEERS[options.peer][1].split()):
        return {}
    path = str(Path(sys.executable).parent / words[0])
    lines = {"version": [path, "version" if words[0] == "aim" else "--version"], "help": [path, "--help"]}
    return lines | ({"newest": [path, *words[1:]]} if words[1:] else {}) | {"env": options.variables}


def versions(options: argparse.Namespace) -> Result:
    """The installed version of everything that requirements.txt names."""
    lines = Path(__file__).with_name("requirements.txt").read_text().split()
    return {name: metadata.version(name) for name in (line.partition("==")[0] for line in lines)}


UNLOADED = {"commands": commands, "versions": versions}  # what needs no peer imported
WORKS = {"prepare": prepare, "logging": logging, "life": life, "fill": fill, "query": query}


def _work(options: argparse.Namespace) -> Result:
    options.variables = isolation.environment(Path.cwd(), options.peer)
    if options.work in UNLOADED:
        return UNLOADED[options.work](options)
    os.environ.update(options.variables)
    module, _, name = PEERS[options.peer][0].partition(":")
    began = time.perf_counter()
    peer = getattr(importlib.import_module(f"benchmarks.peers.{module}"), name)()
    options.import_s = time.perf_counter() - began
    return WORKS[options.work](peer, options)


def main() -> None:
    """Do the work; what a peer prints goes to stderr, its failure becomes a "skipped"."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers.drive", description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("work", choices=[*WORKS, *UNLOADED])
    parser.add_argument("what", nargs="?", default="0", help="steps, runs, or newest or sorted")
    parser.add_argument("--seconds", type=float, default=20.0, help="logging: stop after so long")
    parser.add_argument("--output", type=Path, help="life: a file that each run keeps")
    options = parser.parse_args()
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        result = _work(options)
    except Exception as error:
        traceback.print_exc()
        result = {"skipped": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(result), file=answer, flush=True)


if __name__ == "__main__":
    main()
