"""Change any one byte of any object of a ledger: verify must never say PASS.

`python -m tests.verify.mutation` (part of ``make torture``) takes every object of a ledger of 50 runs.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import gittrack
from gittrack.git.repository import Repository
from gittrack.verify import verify
from tests.torture import git, make_project

KINDS = ("flip", "drop", "swap", "raw")


def make_ledger(where: Path, runs: int) -> Path:
    """A project with that many real runs, every object loose."""
    project = make_project(where)
    git(project, "config", "gc.auto", "0")
    for number in range(runs):
        with gittrack.start_run("e", params={"n": number}, seed=number, repository=project) as run:
            run.log_metrics({"loss": 1 / (number + 1), "accuracy": 0.5}, step=1)
    return project


def objects_of(project: Path) -> list[str]:
    """Ids of every blob, tree and commit that the ledger reaches."""
    listed = git(project, "rev-list", "--objects", "gittrack/runs").splitlines()
    return [line.split(" ")[0] for line in listed]


def mutate(data: bytes, kind: str, chance: random.Random) -> bytes:
    """`data` with one byte flipped, dropped, or swapped with a neighbour that differs."""
    at = chance.randrange(len(data))
    if kind == "drop":
        return data[:at] + data[at + 1 :]
    if kind == "swap":
        pairs = [i for i in range(len(data) - 1) if data[i] != data[i + 1]]
        if pairs:
            at = chance.choice(pairs)
            return data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _same_content(changed: bytes, honest: bytes) -> bool:
    """Whether only bits changed that deflate never reads, such as the padding of its last byte."""
    try:
        return zlib.decompress(changed) == zlib.decompress(honest)
    except zlib.error:
        return False


def outcomes(project: Path, oids: list[str], seed: int) -> Iterator[tuple[str, str, str]]:
    """(object, kind of change, outcome) for one change of each object, undone again."""
    chance = random.Random(seed)
    for oid in oids:
        path = project / ".git" / "objects" / oid[:2] / oid[2:]
        kind = chance.choice(KINDS)
        honest = path.read_bytes()
        if kind == "raw":
            changed = mutate(honest, "flip", chance)
            while _same_content(changed, honest):
                changed = mutate(honest, "flip", chance)
        else:
            # The header stays whole, so that git can read the object before it checks the hash.
            header, _, content = zlib.decompress(honest).partition(b"\0")
            changed_content = mutate(content, kind, chance) if content else b"x"
            header = header.split(b" ")[0] + b" %d" % len(changed_content)
            changed = zlib.compress(header + b"\0" + changed_content)
        path.chmod(0o644)
        path.write_bytes(changed)
        try:
            report = verify(Repository.discover(project))
            yield oid, kind, report.outcome
        finally:
            path.write_bytes(honest)


def main() -> None:
    os.environ.update(GIT_CONFIG_NOSYSTEM="1")
    with tempfile.TemporaryDirectory() as folder:
        project = make_ledger(Path(folder) / "ledger", 50)
        assert verify(Repository.discover(project)).outcome == "PASS"
        oids = objects_of(project)
        began = time.monotonic()
        seen = list(outcomes(project, oids, seed=int(time.time())))
        passed = [case for case in seen if case[2] == "PASS"]
        assert not passed, passed
        print(f"{len(seen)} objects changed in one byte, {time.monotonic() - began:.0f} s: none passed")


if __name__ == "__main__":
    main()
