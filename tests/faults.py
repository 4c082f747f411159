"""A full disk, used-up descriptors and EIO at each write of a run's life, at the system call.

`faults.c`, compiled here and loaded into every process of a life by LD_PRELOAD, makes the n-th call that
changes a file of the repository fail (or every call from the n-th on), or the n-th that takes a descriptor.
`python -m tests.faults` (part of ``make torture``) goes through all n; tests take a few.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.torture import git, make_project, run_ids

STATUS = 3
"""What the training ends with, whatever becomes of its record."""
REFUSED = 7

# What is raised out of logging and finish is said, as a training would that wants to go on.
TRAINING = """
import sys, time
import gittrack

def said(verb, *arguments, **named):
    try:
        return verb(*arguments, **named)
    except Exception as error:
        print("said", error, *getattr(error, "__notes__", ()), flush=True)

try:
    run = gittrack.start_run("faults", params={"lr": 0.1})
except gittrack.GittrackError as error:
    print("refused", error, flush=True)
    sys.exit(7)
print("started", run.id, flush=True)
until = time.monotonic() + float(sys.argv[2])
step = 0
while step < 20 or time.monotonic() < until:
    said(run.log_metrics, {"loss": 1.0 / (step + 1)}, step=step)
    print("point", step, time.monotonic(), flush=True)
    step += 1
    if step > 20:
        time.sleep(0.05)
said(run.set_tag, "note", "x")
said(run.log_artifact, sys.argv[1], role="model")
said(run.finish)
print("done", flush=True)
sys.exit(3)
"""

Kind = Literal["write", "open"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Which call of a life fails, and how."""

    kind: Kind
    number: int
    error: int
    lasting: bool

    def __str__(self) -> str:
        every = "every call from" if self.lasting else "call"
        return f"{errno.errorcode[self.error]} at {every} {self.number} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Life:
    """A run's life in its own repository, and what it said."""

    project: Path
    fault: Fault
    status: int
    said: str
    calls: int
    failed: int
    log: str

    @property
    def run_id(self) -> str | None:
        ids = [line.split()[1] for line in self.said.splitlines() if line.startswith("started ")]
        return ids[0] if ids else None


class Bench:
    """Lives with faults, each in a copy of one project below `where`."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.library = where / "faults.so"
        source = Path(__file__).with_name("faults.c")
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(source), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self.template = make_project(where / "template")
        (self.template / "train.py").write_text(TRAINING)
        git(self.template, "commit", "-q", "-am", "training")
        (self.template / "train.py").write_text(TRAINING + "\n# not committed\n")
        (where / "model.bin").write_bytes(os.urandom(50_000))

    def live(self, name: str, fault: Fault, *, wrapped: bool, lasting_s: float = 0.0) -> Life:
        """One life from start to end; `wrapped` under gittrack run."""
        project = self.where / name
        shutil.copytree(self.template, project, symlinks=True)
        count, log = self.where / f"{name}.count", self.where / f"{name}.log"
        count.write_bytes(bytes(16))
        environment = {
            **os.environ,
            "LD_PRELOAD": str(self.library),
            "FAULT_PLACE": str(project),
            "FAULT_COUNT": str(count),
            "FAULT_LOG": str(log),
            "FAULT_AT": str(fault.number),
            "FAULT_ERRNO": str(fault.error),
            "FAULT_ON": str(int(fault.lasting)),
            "FAULT_KIND": fault.kind,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        training = [sys.executable, "train.py", str(self.where / "model.bin"), str(lasting_s)]
        command = [sys.executable, "-m", "gittrack", "run", "--", *training] if wrapped else training
        process = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        calls, failed = struct.unpack("qq", count.read_bytes())
        text = log.read_text() if log.exists() else ""
        return Life(project, fault, process.returncode, process.stdout + process.stderr, calls, failed, text)

    def judge(self, life: Life) -> Iterator[str]:
        """What is wrong after that life, once `gittrack recover` has been run where nothing fails."""
        run_id = life.run_id
        before = self._committed(life.project)
        expected = (STATUS,) if run_id else (REFUSED, 5, 2)
        if life.status not in expected and (run_id or not self._is_without_descriptors(life)):
            yield f"the training's status is {life.status}"
        if "Traceback" in life.said and (run_id or not self._is_without_descriptors(life)):
            yield "a traceback"
        if run_id and run_id not in before:
            named = [line for line in life.said.splitlines() if run_id in line and "recover" in line]
            if not named:
                yield "the journal that is kept is not named"
        for lock in (life.project / ".git").rglob("*.lock"):
            if lock.name != "ledger.lock":  # where nothing could be taken away any more; the message says so
                lock.unlink()
        recover = [sys.executable, "-m", "gittrack", "recover"]
        done = subprocess.run(recover, cwd=life.project, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"recover ends with {done.returncode}: {done.stdout}{done.stderr}"
        after = self._committed(life.project)
        if run_id and after.count(run_id) != 1:
            yield f"the run is on the ledger {after.count(run_id)} times"
        if len(after) > 1:
            yield f"{len(after)} runs are on the ledger"
        home = life.project / ".git" / "gittrack" / "journal"
        left = sorted(path.name for path in home.iterdir()) if home.is_dir() else []
        if left:
            yield f"journals are left: {left}"
        if run_id in after:
            yield from self._points(life, run_id)
        fsck = subprocess.run(["git", "fsck", "--strict"], cwd=life.project, capture_output=True, check=False)
        if fsck.returncode:
            yield f"git fsck: {fsck.stdout.decode()}{fsck.stderr.decode()}"

    def _is_without_descriptors(self, life: Life) -> bool:
        """Before a run has begun, Python itself may not come to life, or find a module."""
        return life.fault.kind == "open" and life.failed > 0

    def _committed(self, project: Path) -> list[str]:
        return run_ids(project) if git(project, "for-each-ref", "refs/heads/gittrack/runs") else []

    def _points(self, life: Life, run_id: str | None) -> Iterator[str]:
        """All of them, where one call failed; where all do from a moment on, those of a second before it."""
        assert run_id is not None
        first = life.log.split(" ", 1)[0] if life.failed > 1 else ""
        logged = [line.split()[1:] for line in life.said.splitlines() if line.startswith("point ")]
        due = {int(step) for step, moment in logged if not first or float(moment) < float(first) - 1.0}
        folder = f"runs/faults/{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}/{run_id}"
        names = git(life.project, "ls-tree", "-r", "--name-only", "gittrack/runs").splitlines()
        rows = []
        if f"{folder}/metrics.csv" in names:
            rows = git(life.project, "show", f"gittrack/runs:{folder}/metrics.csv").splitlines()[1:]
        lost = due - {int(row.split(",")[0]) for row in rows}
        if lost:
            yield f"points are lost: {sorted(lost)}"

    def torment(
        self, faults: Iterable[Fault], *, wrapped: bool, jobs: int = 1, lasting_s: float = 0.0
    ) -> list[str]:
        """Live a life for each of `faults`; what went wrong, each with its fault."""

        how = "wrapped" if wrapped else "plain"

        def one(fault: Fault) -> list[str]:
            name = f"{how}-{fault.kind}-{fault.number}-{fault.error}-{fault.lasting:d}"
            life = self.live(name, fault, wrapped=wrapped, lasting_s=lasting_s)
            wrong = [f"{fault}, {how}: {what}" for what in self.judge(life)]
            if wrong:
                wrong.append(f"  {life.log.splitlines()[:1]}\n  " + "\n  ".join(life.said.splitlines()[-12:]))
            shutil.rmtree(life.project)
            return wrong

        with ThreadPoolExecutor(jobs) as pool:
            return [line for lines in pool.map(one, faults) for line in lines]

    def length(self, kind: Kind, *, wrapped: bool) -> int:
        """How many such calls an undisturbed life makes."""
        life = self.live(
            f"length-{kind}-{wrapped:d}", Fault(kind, 1 << 60, errno.EIO, False), wrapped=wrapped
        )
        assert life.status == STATUS and not life.failed, life.said
        assert not list(self.judge(life))
        return life.calls


SORTS: tuple[tuple[Kind, int, bool], ...] = (
    ("write", errno.ENOSPC, True),
    ("write", errno.ENOSPC, False),
    ("write", errno.EIO, False),
    ("write", errno.EIO, True),
    ("open", errno.EMFILE, True),
    ("open", errno.EMFILE, False),
)
"""Kind of call, error, and whether it lasts."""


def main() -> None:
    os.environ.update(GIT_CONFIG_NOSYSTEM="1", DVC_NO_ANALYTICS="1")
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for wrapped in (False, True):
            lengths = {kind: bench.length(kind, wrapped=wrapped) for kind in ("write", "open")}
            for kind, error, lasting in SORTS:
                length = lengths[kind]
                numbers = range(1, length + 1, step if kind == "write" else step * 10)
                faults = [Fault(kind, number, error, lasting) for number in numbers]
                found = bench.torment(faults, wrapped=wrapped, jobs=2, lasting_s=1.6 * lasting)
                wrong += found
                print(
                    f"{errno.errorcode[error]}, {'lasting' if lasting else 'once'}, "
                    f"{'gittrack run' if wrapped else 'start_run'}: {len(faults)} lives of {length} calls",
                    *found, sep="\n", flush=True,
                )  # fmt: skip
    if wrong:
        sys.exit(1)
    print("every run is on the ledger once, or its journal was kept and named; no point is lost")


if __name__ == "__main__":
    main()
