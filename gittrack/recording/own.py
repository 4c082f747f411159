"""The runs that this clone has recorded itself, whatever a ledger says."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

OWN_RUNS = "own-runs"
"""Lines of run id, SHA-256 of run.yaml, what program it was (see `begin.key_of_run`), its job or ``-``, and
its experiment, which the program may have named itself."""


class OwnRun(NamedTuple):
    """A run of a key: its id, the digest of its record, its job in a scheduler, and its experiment."""

    id: str
    sha256: str
    job: str
    experiment: str


def note_own(
    state_dir: Path, run_id: str, run_yaml: bytes, experiment: str, key: str = "", job: str = ""
) -> None:
    words = [run_id, hashlib.sha256(run_yaml).hexdigest(), *([key, job or "-", experiment] if key else [])]
    with suppress(OSError), (state_dir / OWN_RUNS).open("a") as file:  # the run itself is safe
        file.write(" ".join(words) + "\n")


def is_own(state_dir: Path, run_id: str, run_yaml: bytes) -> bool:
    """Whether this clone recorded that run, with these bytes."""
    words = [run_id, hashlib.sha256(run_yaml).hexdigest()]
    try:
        with (state_dir / OWN_RUNS).open() as file:
            return any(line.split()[:2] == words for line in file if line.startswith(run_id))
    except OSError:
        return False


def own_runs(state_dir: Path, key: str, job: str = "") -> list[OwnRun]:
    """The runs of that key, the newest first, of one second the last recorded; of `job`, if given."""
    runs = []
    with suppress(OSError), (state_dir / OWN_RUNS).open() as file:
        for line in file:
            words = line.split()
            if len(words) == 5 and words[2] == key and job in ("", words[3]):
                runs.append(OwnRun(words[0], words[1], *words[3:]))
    runs.reverse()
    runs.sort(key=lambda run: run.id.rpartition("-")[0], reverse=True)
    return runs
