"""Many writers at once, and kill -9 at any moment. Sizes are arguments: tests use small ones.

`python -m tests.torture` (``make torture``) runs the full sizes: 64 processes ten times, 16
clones pushing at once, 200 kills.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FINISHER = """
import pathlib, sys, time
import gittrack
where, go = sys.argv[1], pathlib.Path(sys.argv[2])
run = gittrack.start_run("crowd", params={"number": int(sys.argv[3])}, repository=where)
run.log_metric("loss", 0.5, step=1)
print(run.id, flush=True)
while not go.exists():
    time.sleep(0.005)
run.finish()
"""

VICTIM = """
import os, sys, time
import gittrack
with gittrack.start_run("victim", repository=".") as run:
    print("started", run.id, flush=True)
    step, until = 0, time.monotonic() + float(sys.argv[1])
    while time.monotonic() < until:
        run.log_metrics({"loss": 1.0 / (step + 1), "accuracy": step / 100}, step=step)
        print("point", step, time.monotonic(), flush=True)
        step += 1
        time.sleep(0.004)
    print("storing", flush=True)
    run.log_artifact(sys.argv[2], role="model")
    print("committing", flush=True)
print("done", flush=True)
"""


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout


def make_project(where: Path) -> Path:
    """A repository with one commit and an ignored folder for what runs produce."""
    where.mkdir(parents=True)
    git(where, "init", "-q")
    git(where, "config", "user.name", "Ada Lovelace")
    git(where, "config", "user.email", "ada@example.com")
    (where / "train.py").write_text("print('training')\n")
    (where / ".gitignore").write_text("/out/\n")
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", "first")
    (where / "out").mkdir()
    return where


def run_ids(where: Path, branch: str = "gittrack/runs") -> list[str]:
    """Ids of the runs on the ledger, one for each run.yaml."""
    listed = git(where, "ls-tree", "-r", "--name-only", branch).splitlines()
    return sorted(path.split("/")[3] for path in listed if path.endswith("/run.yaml"))


def finish_at_once(project: Path, processes: int) -> list[str]:
    """Start that many runs in processes of their own, finish all at the same moment; their ids."""
    go = project / "out" / f"go-{random.random()}"
    command = [sys.executable, "-c", FINISHER, str(project), str(go)]
    children = [
        subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    ids = [child.stdout.readline().strip() for child in children if child.stdout]
    go.touch()
    for child in children:
        _, errors = child.communicate()
        assert child.returncode == 0, errors
    return ids


def push_at_once(hub: Path, where: Path, clones: int) -> list[str]:
    """Clones with a run each push at the same moment; the ids of their runs."""

    def clone(number: int) -> tuple[Path, str]:
        top = where / f"clone{number}"
        git(hub.parent, "clone", "-q", str(hub), str(top))
        git(top, "config", "user.name", f"Ada {number}")
        git(top, "config", "user.email", "ada@example.com")
        script = f"import gittrack; print(gittrack.start_run('crowd', repository={str(top)!r}).finish().id)"
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        return top, done.stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(clone, range(clones)))
    pushes = [
        subprocess.Popen(
            [sys.executable, "-m", "gittrack", "-C", str(top), "push"], stderr=subprocess.PIPE, text=True
        )
        for top, _ in made
    ]
    for push in pushes:
        _, errors = push.communicate()
        assert push.returncode == 0, errors
    return [run_id for _, run_id in made]


@dataclass
class Kill:
    """One victim: how far it had come when it was killed, and what it had logged by then."""

    stage: str
    run_id: str | None
    killed: float
    points: list[tuple[int, float]]


def kill_one(project: Path, delay: float, logging_s: float, artifact: Path) -> Kill:
    """Start a victim and kill it (with kill -9) after `delay` seconds."""
    child = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(logging_s), str(artifact)],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(delay)
    killed = time.monotonic()
    child.send_signal(signal.SIGKILL)
    said = child.communicate()[0].splitlines(keepends=True)
    kill = Kill("starting", None, killed, [])
    for line in said:
        words = line.split()
        if not line.endswith("\n") or not words:
            continue
        match words:
            case ["started", run_id]:
                kill.run_id, kill.stage = run_id, "logging"
            case ["point", step, moment]:
                kill.points.append((int(step), float(moment)))
            case [stage]:
                kill.stage = stage
    return kill


def state_of(project: Path) -> dict[str, bytes]:
    """All of the user's own: work tree, index, HEAD, branches, stash, reflogs, configuration."""
    skipped = (
        ".git/objects",
        ".git/gittrack",
        ".git/refs/gittrack",
        ".git/refs/heads/gittrack",
        ".git/logs/refs/heads/gittrack",
    )
    found = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if path.is_file() and not name.startswith((*skipped, "out/", ".git/packed-refs", ".git/gc")):
            found[name] = path.read_bytes()
    return found


def check_kills(project: Path, kills: list[Kill]) -> None:
    """Each reported run is on the ledger exactly once, with all but its last second of points."""
    recovered = subprocess.run(
        [sys.executable, "-m", "gittrack", "-C", str(project), "recover"], capture_output=True, text=True
    )
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    ids = run_ids(project)
    assert len(ids) == len(set(ids))
    for kill in kills:
        if kill.run_id is None:
            continue
        assert ids.count(kill.run_id) == 1, f"{kill.run_id}, killed while {kill.stage}, is not on the ledger"
        folder = f"runs/victim/{kill.run_id[:4]}-{kill.run_id[4:6]}-{kill.run_id[6:8]}/{kill.run_id}"
        due = [step for step, moment in kill.points if moment < kill.killed - 1.0]
        if due:
            rows = git(project, "show", f"gittrack/runs:{folder}/metrics.csv").splitlines()[1:]
            kept = {int(row.split(",")[0]) for row in rows}
            assert kept.issuperset(due), f"{kill.run_id} lost points logged a second before the kill"
        if kill.stage == "done":
            assert "status: finished" in git(project, "show", f"gittrack/runs:{folder}/run.yaml")
    leftovers = [p.name for p in (project / ".git" / "gittrack" / "journal").iterdir()]
    assert not leftovers, leftovers
    git(project, "fsck", "--strict")


def kill_many(where: Path, count: int, seed: int, *, jobs: int = 2, longest: float = 2.5) -> dict[str, int]:
    """Kill `count` victims at random moments of their lives; how many were killed at which stage."""
    project = make_project(where)
    artifact = project / "out" / "model.bin"
    artifact.write_bytes(random.Random(seed).randbytes(20_000_000))
    before = state_of(project)
    chance = random.Random(seed)
    began = time.monotonic()
    kill_one(project, 60.0, 0.0, artifact)  # lives its life: nothing left to kill after a minute
    life = time.monotonic() - began
    logging = [chance.choice([0.0, 0.0, 0.0, 0.3, 1.5]) for _ in range(count)]
    plans = [(chance.uniform(0.05, life + seconds), seconds) for seconds in logging]
    with ThreadPoolExecutor(jobs) as pool:
        kills = list(pool.map(lambda plan: kill_one(project, plan[0], plan[1], artifact), plans))
    check_kills(project, kills)
    assert state_of(project) == before
    stages = [kill.stage for kill in kills]
    return {stage: stages.count(stage) for stage in dict.fromkeys(stages)}


def main() -> None:
    from tests import torture_resume  # which stands on this module

    os.environ.update(GIT_CONFIG_NOSYSTEM="1", DVC_NO_ANALYTICS="1")
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "crowd")
        ids: list[str] = []
        for round_ in range(10):
            began = time.monotonic()
            ids += finish_at_once(project, 64)
            print(f"round {round_ + 1}: 64 processes, {time.monotonic() - began:.1f} s", flush=True)
        assert run_ids(project) == sorted(ids) and len(set(ids)) == 640
        git(project, "fsck", "--strict")
        print("640 records on the ledger, none lost, git fsck --strict clean")
        hub = Path(folder) / "hub.git"
        git(Path(folder), "clone", "-q", "--bare", str(project), str(hub))
        began = time.monotonic()
        pushed = push_at_once(hub, Path(folder), 16)
        assert set(pushed) <= set(run_ids(hub))
        print(f"16 clones pushed at once in {time.monotonic() - began:.1f} s: all records arrived")
        stages = kill_many(Path(folder) / "kills", 200, seed=int(time.time()))
        print(f"200 kills, by stage: {json.dumps(stages)}; every run on the ledger exactly once")
        stages, most = torture_resume.resume_many(Path(folder) / "resumed", 50, seed=int(time.time()))
        print(f"50 runs killed 4 times each, and resumed (one up to {most} times): {json.dumps(stages)}")


if __name__ == "__main__":
    main()
