"""verify: a ledger without its data, and the bytes of its data."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from benchmarks.ledgers import copy, git, project
from benchmarks.measure import Outcome, Settings, Spent, figures, gittrack, scratch, spent

READ = """
import json, subprocess, sys, threading, time
from gittrack.formats.codec import read_yaml
from gittrack.formats.codec.lines import read_canonical
read = read_canonical if sys.argv[1] == "lines" else lambda data: read_yaml(data, "run.yaml")
began = time.perf_counter()
listed = subprocess.run(["git", "ls-tree", "-r", "gittrack/runs"], capture_output=True, check=True)
files = [line.split() for line in listed.stdout.decode().splitlines() if "\\truns/" in line]
process = subprocess.Popen(["git", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def ask():
    for _, _, oid, _ in files:
        process.stdin.write(oid.encode() + b"\\n")
    process.stdin.close()
threading.Thread(target=ask).start()
for *_, path in files:
    size = int(process.stdout.readline().split()[2])
    data = process.stdout.read(size + 1)[:-1]
    if path.endswith("/run.yaml"):
        assert read(data)["schema"]
print(json.dumps(time.perf_counter() - began))
"""

DIGEST = """
import hashlib, json, os, sys, time
from concurrent.futures import ProcessPoolExecutor
def digest(path):
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(1 << 20))
        while count := file.readinto(buffer):
            md5.update(buffer[:count])
            sha256.update(buffer[:count])
    return md5.hexdigest(), sha256.hexdigest()
if __name__ == "__main__":
    found = [os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[1]) for name in names]
    with ProcessPoolExecutor() as pool:
        list(pool.map(len, found))
        began = time.perf_counter()
        list(pool.map(digest, found))
        print(json.dumps(time.perf_counter() - began))
"""

CACHE = """
import json
from gittrack.recording.store import cache_of
from gittrack.git.repository import Repository
print(json.dumps(str(cache_of(Repository.discover())[0])))
"""

MANY = """
import sys, gittrack
with gittrack.start_run("data", params={"files": len(sys.argv) - 1}) as run:
    for name in sys.argv[1:]:
        run.log_artifact(name)
"""


def measure(settings: Settings) -> Outcome:
    """`gittrack verify` beside one process that reads the same files and parses the records strictly.

    That process takes gittrack's own two strict readers, the one on libyaml's events and the quicker one for
    canonical files, with which it is the harder limit. With --read-data every byte is read again, beside
    hashlib's md5 and sha256 of the same files in a process for each core.
    """
    outcome = Outcome()
    seconds: dict[int, float] = {}
    sizes = settings.sizes(1_000, 10_000, 100_000, smoke=[20, 60])
    for size in sizes:
        with scratch() as folder:
            seconds[size] = _ledger(
                outcome, settings, copy(size, folder / "project"), size, goal=size == sizes[-1]
            )
    small, large = sizes[-2:]
    grown = (seconds[large] / large) / (seconds[small] / small)
    outcome.goal(f"time a run of {large:,} against of {small:,}: linear", grown, 1.2)
    with scratch() as folder:
        _data(outcome, settings, folder)
    return outcome


def _ledger(outcome: Outcome, settings: Settings, where: Path, size: int, *, goal: bool) -> float:
    git(where, "config", "gc.auto", "0")
    found: list[Spent] = []
    bare: dict[str, list[float]] = {"lines": [], "libyaml": []}
    for _ in range(settings.rounds if size < 50_000 else min(settings.rounds, 3)):
        found.append(spent(gittrack("verify"), where))
        for reader, took in bare.items():
            took.append(figures(READ, where, reader))
    seconds = statistics.median(one.seconds for one in found)
    outcome.add(f"{size:,} runs", "gittrack verify", seconds, "s")
    outcome.add(f"{size:,} runs, memory", "gittrack verify", max(one.memory_mb for one in found), "MB")
    for reader, took in bare.items():
        who = f"git cat-file --batch, read strictly ({reader})"
        limit = outcome.add(f"{size:,} runs", who, statistics.median(took), "s")
        if goal:
            outcome.goal(f"{size:,} runs against {who}", seconds / limit, 3)
    return seconds


def _data(outcome: Outcome, settings: Settings, folder: Path) -> None:
    files, each = settings.size(40, 4), settings.size(256 << 20, 1 << 20)
    where = project(folder / "project")
    names = [f"part-{n}.bin" for n in range(files)]
    (where / ".gitignore").write_text("*.bin\n")
    git(where, "add", ".gitignore")
    git(where, "commit", "-qm", "ignore")
    for name in names:
        with (where / name).open("wb") as out:
            for _ in range(each >> 20):
                out.write(os.urandom(1 << 20))
    figures(MANY + "\nprint(0)", where, *names)
    for name in names:
        (where / name).unlink()
    cache = figures(CACHE, where)
    ours, bare = [], []
    for _ in range(min(settings.rounds, 3)):
        ours.append(spent(gittrack("verify", "--read-data"), where).seconds)
        bare.append(figures(DIGEST, where, cache))
    size = files * each / 2**30
    mine, limit = statistics.median(ours), statistics.median(bare)
    outcome.add(f"--read-data of {size:.3g} GiB", "gittrack verify", mine, "s")
    outcome.add(f"--read-data of {size:.3g} GiB", "md5 and sha256 by hashlib, all cores", limit, "s")
    outcome.goal("--read-data: part of the digests' own speed", limit / mine, 0.9, at_least=True)
