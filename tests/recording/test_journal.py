"""A run is on disk from its first second, whole, and whoever finds it later commits it once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.cli.pages.show import sections
from gittrack.errors import RepositoryError, UsageError
from gittrack.formats.record import NotRecorded
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.owner import current_owner, is_alive
from gittrack.reading.journal.stored import StoredJournal, journals_dir, stored_journals
from gittrack.recording.finish import stated_losses
from gittrack.recording.journal import Journal
from gittrack.recording.journal.allowance import MOST, Allowance
from gittrack.recording.recover import Recovery, recover
from tests.repositories import run_git

LEFT_BEHIND = """
import gittrack, os, signal, sys
runs = [gittrack.start_run("victim", params={"lr": 0.1}) for _ in range(int(sys.argv[2]))]
for run in runs:
    for step in range(int(sys.argv[1])):
        run.log_metrics({"a": step, "b": 1.0}, step=step)
    run._journal.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_behind(project: Path, points: int = 3, runs: int = 1) -> list[StoredJournal]:
    """The journals of a process that was killed with kill -9."""
    before = {journal.run_id for journal in stored_journals(Repository.discover(project).state_dir)}
    command = [sys.executable, "-c", LEFT_BEHIND, str(points), str(runs)]
    done = subprocess.run(command, cwd=project, check=False)
    assert done.returncode == -signal.SIGKILL
    found = stored_journals(Repository.discover(project).state_dir)
    return [journal for journal in found if journal.run_id not in before]


def count(project: Path) -> int:
    """Runs on the ledger."""
    listed = run_git(project, "ls-tree", "-r", "--name-only", "gittrack/runs").splitlines()
    return sum(path.endswith("/run.yaml") for path in listed)


def points(journal: StoredJournal) -> list[Any]:
    return [row for event in journal.events() if event[0] == "m" for row in event[1]]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An open journal of no run in particular."""
    return Journal.create(tmp_path, "20261122-142233-7f3a2c", {"metrics": {}, "record": {}}, b"env")


def stored(journal: Journal) -> StoredJournal:
    return StoredJournal(journal.folder)


# --- one process -----------------------------------------------------------------------------


def test_events_come_back_in_order(journal: Journal) -> None:
    """Rows that were logged before an event come before it; whole numbers of any size stay whole."""
    journal.append_row((0.1, 1, {"a": 1.5}))
    journal.event(Kind.PARAMS, {"big": 2**200, "text": "é\n\u2028", "half": 0.1})
    journal.append_row((0.2, None, {"a": "nan"}))
    journal.close()
    assert list(stored(journal).events()) == [
        ["m", [[0.1, 1, {"a": 1.5}]]],
        ["p", {"big": 2**200, "text": "é\n\u2028", "half": 0.1}],
        ["m", [[0.2, None, {"a": "nan"}]]],
    ]


@pytest.mark.parametrize("broken", ["start.json", "owner-", "environment.yaml", "events-", "reserve"])
def test_a_journal_appears_whole_or_not_at_all(
    tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When any of its files cannot be written, nothing is left, and the error says where."""
    real: dict[str, Callable[..., Any]] = {"text": Path.write_text, "bytes": Path.write_bytes}

    def failing(kind: str) -> Callable[..., Any]:
        def write(path: Path, *arguments: Any, **options: Any) -> Any:
            if path.name.startswith(broken):
                raise OSError(errno.ENOSPC, "No space left on device")
            return real[kind](path, *arguments, **options)

        return write

    monkeypatch.setattr(Path, "write_text", failing("text"))
    monkeypatch.setattr(Path, "write_bytes", failing("bytes"))
    with pytest.raises(RepositoryError, match="No space left on device"):
        Journal.create(
            tmp_path, "20261122-142233-7f3a2c", {"metrics": {}, "record": {}}, b"", [[Kind.PARAMS, {"a": 1}]]
        )
    assert list(journals_dir(tmp_path).iterdir()) == []


def test_a_draft_of_a_dead_process_is_cleared(tmp_path: Path) -> None:
    """What a crash inside create or remove left behind goes; a draft of a living process stays."""
    home = journals_dir(tmp_path)
    for name in (".new-999999999-x", ".done-20261122-142233-7f3a2c", f".new-{os.getpid()}-x"):
        (home / name).mkdir(parents=True)
    assert stored_journals(tmp_path) == []
    assert [path.name for path in home.iterdir()] == [f".new-{os.getpid()}-x"]


def test_points_are_on_disk_within_a_second(journal: Journal) -> None:
    """Without any call, and also when nothing more is logged."""
    journal.keep_flushing()
    journal.append_row((0.1, 1, {"a": 1.5}))
    until = time.monotonic() + 1.0
    while not points(stored(journal)) and time.monotonic() < until:
        time.sleep(0.02)
    assert points(stored(journal)) == [[0.1, 1, {"a": 1.5}]]
    journal.close()


def test_a_torn_last_line_costs_only_itself(journal: Journal) -> None:
    """A line cut at any byte ends the file; all before it is read."""
    journal.event(Kind.PARAMS, {"a": 1})
    journal.event(Kind.PARAMS, {"b": "é" * 10})
    journal.close()
    (file,) = (path for path in journal.folder.glob("events-*.jsonl") if path.stat().st_size)
    data = file.read_bytes()
    first = data.index(b"\n") + 1
    for cut in range(first, len(data) - 1):
        file.write_bytes(data[:cut])
        assert list(stored(journal).events()) == [["p", {"a": 1}]]


def test_a_full_disk_costs_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows and events wait in memory, no line is torn, one warning; when there is space they are written."""
    (journal.folder / "reserve").unlink()
    real, budget = os.write, [30]

    def write(descriptor: int, data: bytes) -> int:
        if budget[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(descriptor, data[: budget[0]])
        budget[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)
    for at in range(10):
        journal.append_row((float(at), at, {"a": at}))
        journal.event(Kind.TAGS, {f"k{at}": "v"})
    journal.spill()
    assert caplog.text.count("cannot write to the journal") == 1
    assert points(stored(journal)) == []
    with pytest.raises(OSError, match="No space"):
        journal.close()
    budget[0] = 1 << 20
    journal.append_row((10.0, 10, {"a": 10}))
    journal.close()
    events = list(stored(journal).events())
    assert [row[1] for row in points(stored(journal))] == list(range(11))
    assert [next(iter(e[1])) for e in events if e[0] == "t"] == [f"k{at}" for at in range(10)]


def test_the_reserve_lets_the_end_be_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the reserve is given back, and what was logged so far goes where it was."""
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if (journal.folder / "reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    journal.event(Kind.END, "finished", None, 1.0)
    journal.close()
    assert list(stored(journal).events()) == [["x", "finished", None, 1.0]]


def test_ctrl_c_while_writing_loses_and_doubles_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception between two parts of a write takes back the first; the rows are still there."""
    real, calls = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return real(descriptor, data[:5])

    for at in range(5):
        journal.append_row((float(at), at, {"a": at}))
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(KeyboardInterrupt):
        journal.flush()
    journal.close()
    assert [row[1] for row in points(stored(journal))] == list(range(5))


def test_memory_stays_bounded_by_spilling(journal: Journal) -> None:
    """Many rows at once are written out by the caller."""
    from gittrack.recording.journal import BUFFER_POINTS

    for at in range(BUFFER_POINTS + 1):
        journal.append_row((0.0, at, {"a": at}))
    assert len(journal.rows) > journal.row_limit
    journal.spill()
    assert not journal.rows and len(points(stored(journal))) == BUFFER_POINTS + 1
    journal.close()


def test_a_closed_journal_takes_nothing(journal: Journal) -> None:
    """After close, rows and events are refused; closing again does nothing."""
    journal.close()
    journal.close()
    with pytest.raises(UsageError, match="has ended"):
        journal.append_row((0.0, 1, {"a": 1}))
    with pytest.raises(UsageError, match="has ended"):
        journal.event(Kind.PARAMS, {"a": 1})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Kind.PARAMS, {"a": object()}),
        (Kind.PARAMS, {"k" * 251: 1}),
        (Kind.TAGS, {"a": 3}),
        (Kind.SEEDS, {"a": 2**129}),
        (Kind.SUMMARY, {"x" * 1001: 1.0}),
        (
            Kind.OUTPUT,
            {"path": "x", "role": "m", "pointer": "outside.dvc", "md5": "0", "sha256": "0", "size": 1},
        ),
        (Kind.FACTS, {"name": "two\nlines"}),
        (Kind.FACTS, {"nonsense": 1}),
    ],
)
def test_what_the_schema_refuses_is_never_journalled(journal: Journal, kind: Kind, content: Any) -> None:
    """The journal is the gate: nothing passes it that would make the record fail at the end."""
    with pytest.raises(UsageError, match="cannot be recorded"):
        journal.event(kind, content)
    journal.close()
    assert list(stored(journal).events()) == []


def test_what_is_not_recorded_is_in_the_record_and_in_show(
    project: Path,
) -> None:
    """Once for each loss, and never an error, however long it is."""
    run = gittrack.start_run(repository=project)
    assert run._journal is not None
    for what in ("params lr", "params lr", "", "x" * 200_000):
        run._journal.not_recorded(what, "is no number")
    record = run.finish()
    assert record is not None
    assert [(loss.what[:9], loss.why) for loss in record.not_recorded] == [
        ("params lr", "is no number"),
        ("(unnamed)", "is no number"),
        ("x" * 9, "is no number"),
    ]
    shown = [section for section in sections(record) if section.title == "Not recorded"]
    assert shown[0].rows[0] == ("params lr", "is no number")


def test_a_long_list_of_losses_says_how_long_it_is() -> None:
    losses = [NotRecorded(what=str(number), why="is no number") for number in range(1500)]
    stated = stated_losses(losses)
    assert len(stated) == 1000 and stated[:999] == tuple(losses[:999])
    assert stated[-1].what == "501 more"


def test_the_allowance_counts_what_stays() -> None:
    """Values that replace others count once; names and bytes have limits; what is refused does not count."""
    allowance = Allowance()
    for at in range(2000):
        allowance.admit(Kind.TAGS, [{"same": "x" * 15_000, "at": str(at)}])
    allowance.admit(Kind.PARAMS, [{str(at): 0 for at in range(MOST)}])
    with pytest.raises(UsageError, match=f"{MOST} names"):
        allowance.admit(Kind.PARAMS, [{"one more": 0}])
    with pytest.raises(UsageError, match="450000 bytes"):
        allowance.admit(Kind.TAGS, [{f"t{at}": "x" * 19_000 for at in range(25)}])
    allowance.admit(Kind.TAGS, [{"another": "x" * 19_000}])


def test_owners_are_told_apart() -> None:
    """A process is itself; not one of another start time, boot or container."""
    me = current_owner()
    assert is_alive(me) is True
    assert is_alive({**me, "started": "1"}) is False
    assert is_alive({**me, "pid": 2**22 + 1}) is False
    assert is_alive({**me, "boot": "another"}) is False
    assert is_alive({**me, "boot": "another", "host": "another"}) is None
    assert is_alive({**me, "namespace": "pid:[1]"}) is None
    assert is_alive({}) is not True


def test_an_earlier_beginning_of_a_slurm_job_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm ends a job on every node before it begins it again; of all other hosts nothing is known."""
    elsewhere = {"boot": "another", "host": "another"}
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "gauss")
    first = {**current_owner(), **elsewhere}
    assert is_alive(first) is None
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    second = current_owner()
    assert is_alive(first) is False and is_alive({**first, "namespace": "pid:[1]"}) is False
    assert is_alive(second) is True and is_alive({**second, **elsewhere}) is None
    for other in ({"SLURM_JOB_ID": "18"}, {"SLURM_CLUSTER_NAME": "euler"}, {"SLURM_RESTART_COUNT": "?"}):
        with monkeypatch.context() as patch:
            for name, value in other.items():
                patch.setenv(name, value)
            assert is_alive(first) is None
    assert is_alive({**elsewhere, "job": None}) is None and is_alive({**elsewhere, "job": {}}) is None


# --- recovery --------------------------------------------------------------------------------


def test_a_killed_process_is_recovered_once(project: Path) -> None:
    """All points up to the last flush, status killed; a second recover finds nothing."""
    (journal,) = leave_behind(project, 500)
    repo = Repository.discover(project)
    (recovery,) = recover(repo)
    assert recovery.record is not None and recovery.record.status == "killed"
    assert recovery.record.series is not None and recovery.record.series.rows == 500
    assert recovery.record.metrics["a"].value == 499 and recovery.run_id == journal.run_id
    assert recover(repo) == []
    assert count(project) == 1


def test_a_crash_after_the_commit_commits_nothing_twice(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed between the commit and the end of its journal leaves a run that is there once."""
    leave_behind(project)
    repo = Repository.discover(project)
    with monkeypatch.context() as patch:
        patch.setattr(StoredJournal, "remove", lambda self: None)
        assert recover(repo)[0].record is not None
    assert len(stored_journals(repo.state_dir)) == 1
    assert recover(repo)[0].record is not None
    assert count(project) == 1 and stored_journals(repo.state_dir) == []


def test_many_recovers_at_once(project: Path) -> None:
    """Each run is committed by one of them, and nobody fails."""
    leave_behind(project, runs=3)
    barrier = threading.Barrier(4)

    def work(_: int) -> list[Recovery]:
        repo = Repository.discover(project)
        barrier.wait()
        return recover(repo)

    with ThreadPoolExecutor(4) as pool:
        found = [recovery for recoveries in pool.map(work, range(4)) for recovery in recoveries]
    assert [r.why for r in found if r.failed] == []
    assert count(project) == 3
    assert stored_journals(Repository.discover(project).state_dir) == []


def test_runs_of_others_are_left_alone(inside: Path) -> None:
    """One that still runs, and one of another host unless forced."""
    repo = Repository.discover(inside)
    active = gittrack.start_run("mine")
    (elsewhere,) = leave_behind(inside)
    (owner,) = elsewhere.folder.glob("owner-*.json")
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "boot": "x", "host": "elsewhere"}))
    found = {recovery.run_id: recovery for recovery in recover(repo)}
    assert found[active.id].why == "still running" and not found[active.id].failed
    assert "another host" in found[elsewhere.run_id].why and not found[elsewhere.run_id].failed
    forced = {recovery.run_id: recovery.record for recovery in recover(repo, force=True)}
    assert forced[elsewhere.run_id] is not None and forced[active.id] is None
    assert active.finish() is not None


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty start": lambda f: (f / "start.json").write_text(""),
    "start is a list": lambda f: (f / "start.json").write_text("[]"),
    "start says nothing": lambda f: (f / "start.json").write_text("{}"),
    "no start": lambda f: (f / "start.json").unlink(),
    "no environment": lambda f: (f / "environment.yaml").unlink(),
    "owner is empty": lambda f: next(f.glob("owner-*.json")).write_text(""),
    "an event that is none": lambda f: next(f.glob("events-001*")).write_text('5\n["p"]\n'),
    "an event of another shape": lambda f: next(f.glob("events-001*")).write_text('["o", {"path": 1}, 2]\n'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_journal_is_reported_and_holds_up_nobody(
    inside: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """recover names it and commits the others; start_run warns and starts; the journal stays where it is."""
    damaged, other = leave_behind(inside, runs=2)
    DAMAGE[damage](damaged.folder)
    repo = Repository.discover(inside)
    found = {recovery.run_id: recovery for recovery in recover(repo)}
    assert found[damaged.run_id].failed and found[damaged.run_id].record is None
    assert "\n" not in found[damaged.run_id].why and damaged.run_id in found[damaged.run_id].why
    assert found[other.run_id].record is not None
    record = gittrack.start_run().finish()
    assert record is not None and f"run {damaged.run_id} could not be recovered" in caplog.text
    assert damaged.folder.is_dir()


def test_a_full_disk_during_recovery_is_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal stays, and the next recover commits it."""
    leave_behind(project)
    repo = Repository.discover(project)

    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("gittrack.recording.finish.write_table", full)
        (recovery,) = recover(repo)
    assert recovery.failed and "No space left" in recovery.why
    assert recover(repo)[0].record is not None


def test_recover_takes_one_run_alone(project: Path) -> None:
    """`only` names the run."""
    first, second = leave_behind(project, runs=2)
    repo = Repository.discover(project)
    assert [r.run_id for r in recover(repo, only=second.run_id)] == [second.run_id]
    assert [j.run_id for j in stored_journals(repo.state_dir)] == [first.run_id]


def test_worktrees_share_journals_and_do_not_disturb_each_other(project: Path, tmp_path: Path) -> None:
    """A run begun in a linked worktree is recovered from the main one, with its own code."""
    run_git(project, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "more.py").write_text("more\n")
    run_git(tmp_path / "side", "add", "-A")
    run_git(tmp_path / "side", "commit", "-q", "-m", "more")
    leave_behind(tmp_path / "side")
    (recovery,) = recover(Repository.discover(project))
    assert recovery.record is not None and recovery.record.code.branch == "side"


def test_a_row_that_comes_while_the_journal_closes_is_written_or_refused(inside: Path) -> None:
    """Another thread may hold the old way in, and only then call it: its row is lost, and it is told."""
    run = gittrack.start_run()
    journal = run._journal
    assert journal is not None
    late = journal.append_json
    run.finish()
    journal.spill()
    late(b'[0.1,null,{"a":1.0}')
    assert len(journal.rows) > journal.row_limit
    with pytest.raises(UsageError, match="has ended"):
        journal.spill()
