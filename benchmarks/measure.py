"""How things are measured: in processes of their own, in turn, several rounds, medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for."""

    rounds: int
    smoke: bool
    """Small sizes, to see that all of it works; the figures say nothing."""
    peers: bool

    def size(self, full: int, smoke: int) -> int:
        return smoke if self.smoke else full

    def sizes(self, *full: int, smoke: Sequence[int]) -> Sequence[int]:
        return smoke if self.smoke else full


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what was measured, of whom."""

    what: str
    who: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio or figure that was to be reached: at most `limit`, or at least."""

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(slots=True)
class Outcome:
    """What a benchmark found."""

    figures: list[Figure] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, who: str, value: float, unit: str) -> float:
        self.figures.append(Figure(what, who, value, unit))
        return value

    def goal(self, what: str, value: float, limit: float, *, at_least: bool = False) -> None:
        self.goals.append(Goal(what, value, limit, at_least))


def in_turn(rounds: int, works: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each work, all of them done once in each round."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return {name: statistics.median(values) for name, values in found.items()}


def environment(**extra: str) -> dict[str, str]:
    """Of an installed program: compiled modules, no terminal, no user's settings of git."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "GIT_CONFIG_PARAMETERS")
    }
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1", **extra}


def run(command: Sequence[str], where: Path, **extra: str) -> str:
    """Standard output; what the program said is shown where it fails."""
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, env=environment(**extra))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def wall(command: Sequence[str], where: Path, **extra: str) -> float:
    """Seconds from start to end of a process."""
    began = time.perf_counter()
    run(command, where, **extra)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds, and the largest memory (MB) of any process below."""

    seconds: float
    memory_mb: float


def spent(command: Sequence[str], where: Path) -> Spent:
    """Time and memory: of the process and its children the one that had most."""
    script = (
        "import resource,subprocess,sys,time,json\n"
        "began=time.perf_counter()\n"
        "done=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL)\n"
        "took=time.perf_counter()-began\n"
        "used=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss/1024\n"
        "print(json.dumps([done.returncode,took,used]))"
    )
    code, took, used = json.loads(run([sys.executable, "-c", script, *command], where))
    if code:
        raise RuntimeError(f"{' '.join(command)[:200]}: exit {code}")
    return Spent(took, used)


def figures(script: str, where: Path, *arguments: object) -> Any:
    """What a script of Python prints as JSON on its last line."""
    said = run([sys.executable, "-c", script, *map(str, arguments)], where, PYTHONPATH=str(HERE))
    return json.loads(said.splitlines()[-1])


def gittrack(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("gittrack")), *arguments]


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gittrack-bench-") as folder:
        yield Path(folder)


def folder_bytes(where: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.lstat().st_size for path in where.rglob("*") if path.is_file())
