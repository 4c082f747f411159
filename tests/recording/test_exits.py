"""However a training process ends, its run is recorded once, with the truth about how it ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import GittrackError, LedgerError
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import stored_journals
from gittrack.recording.endings import MAX_MESSAGE
from gittrack.recording.recover import recover
from tests.recording.processes import only, records, run, start
from tests.repositories import run_git


def test_an_exception_is_recorded_and_goes_on(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """status failed, the exception's class and scrubbed message; the same exception leaves the block."""
    monkeypatch.setenv("API_TOKEN", "planted-secret-value")
    error = ValueError("loss is nan; password=hunter2222 planted-secret-value")
    with pytest.raises(ValueError, match="loss is nan") as caught, gittrack.start_run() as active:
        active.log_metric("loss", 1.0)
        raise error
    assert caught.value is error
    record = only(inside)
    assert record.status == "failed" and record.failure is not None
    assert record.failure.type == "ValueError" and record.failure.message.startswith("loss is nan")
    assert "hunter" not in record.failure.message and "planted" not in record.failure.message
    assert record.metrics["loss"].value == 1.0


def test_a_failure_can_always_be_recorded(inside: Path) -> None:
    """Long, empty and undecodable messages do not keep a run from the ledger."""
    for message in ("", "x" * 1_000_000, "\udc80" * 5000, "\x00\x1b[31m", "secret=" + "a" * 5000):
        with pytest.raises(RuntimeError), gittrack.start_run():
            raise RuntimeError(message)
    assert {record.status for record in records(inside)} == {"failed"}
    assert max(len(r.failure.message) for r in records(inside) if r.failure) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [(None, "finished", None), (0, "finished", None), (3, "failed", "3"), ("no data", "failed", "no data")],
)
def test_sys_exit_inside_the_block(inside: Path, code: object, status: str, message: str | None) -> None:
    """Leaving with 0 is a finished run; with another code or a message, a failed one."""
    with pytest.raises(SystemExit), gittrack.start_run():
        sys.exit(code)  # type: ignore[arg-type]
    record = only(inside)
    assert record.status == status
    assert (record.failure.message if record.failure else None) == message


def test_ctrl_c_is_killed(inside: Path) -> None:
    """KeyboardInterrupt gives killed, by SIGINT, and goes on."""
    with pytest.raises(KeyboardInterrupt), gittrack.start_run():
        raise KeyboardInterrupt
    record = only(inside)
    assert record.status == "killed" and record.failure is not None and record.failure.message == "SIGINT"


@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_signals(project: Path, block: bool, number: int, status: int) -> None:
    """SIGTERM and SIGINT give killed, with or without a block; the process ends as it would have."""
    head = "with gittrack.start_run() as run:" if block else "run = gittrack.start_run()\nif True:"
    process = start(
        project, f"{head}\n run.log_metric('a', 1, step=0)\n print('up', flush=True)\n time.sleep(60)"
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    record = only(project)
    assert record.status == "killed" and record.metrics["a"].value == 1
    assert record.failure is not None and record.failure.message == signal.Signals(number).name


def test_a_handler_of_the_program_is_left_alone(project: Path) -> None:
    """Who handles SIGTERM already goes on to; after the last run, SIGTERM is the system's again."""
    code, out, _ = run(
        project,
        "signal.signal(signal.SIGTERM, lambda *_: print('theirs', flush=True))\n"
        "with gittrack.start_run(): os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "with gittrack.start_run(): assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL",
    )
    assert (code, out) == (0, "theirs\n")
    assert {record.status for record in records(project)} == {"finished"}


def test_an_uncaught_exception_without_a_block(project: Path) -> None:
    """The run of a script that dies is failed with its reason; Python reports the error as ever."""
    code, _, err = run(
        project, "run = gittrack.start_run()\nrun.log_metric('a', 1)\nraise ValueError('boom')"
    )
    assert code == 1 and "ValueError: boom" in err
    record = only(project)
    assert record.status == "failed" and record.failure is not None
    assert (record.failure.type, record.failure.message) == ("ValueError", "boom")


def test_the_end_of_the_process_ends_the_run(project: Path) -> None:
    """A run that nobody finished is finished with the process, and so are two."""
    assert run(project, "gittrack.start_run('a')\ngittrack.start_run('b').log_metric('x', 1)") == (0, "", "")
    found = records(project)
    assert sorted(r.experiment for r in found) == ["a", "b"]
    assert {r.status for r in found} == {"finished"}


def test_what_is_logged_after_the_end_of_the_process_begins_no_run(project: Path) -> None:
    """A handler that was registered before the run is called after it has ended: that is said."""
    script = "import atexit\natexit.register(gittrack.log_metric, 'late', 1)\ngittrack.log_metric('a', 1)"
    status, out, err = run(project, script)
    assert (status, out) == (0, "")
    assert err == "the program is ending, and its run has ended with it\n"
    assert {*only(project).metrics} == {"a"}
    assert not stored_journals(Repository.discover(project).state_dir)


def test_nothing_is_printed_by_a_whole_process(project: Path) -> None:
    """stdout belongs to the program, from import to exit, and stderr is silent while all is well."""
    script = (
        "with gittrack.start_run() as run:\n run.log_text('x', 'a.txt')\n run.log({'a': 1})\nprint('theirs')"
    )
    assert run(project, script) == (0, "theirs\n", "")


def check_out_ledger(project: Path) -> None:
    with gittrack.start_run("first", repository=project):
        pass
    with gittrack.start_run("second", repository=project) as active:
        active.log_metric("a", 1.0)
        run_git(project, "checkout", "-q", "gittrack/runs")


@pytest.mark.usefixtures("strict")
def test_an_error_while_committing_is_raised_and_the_journal_stays(inside: Path) -> None:
    """LedgerError says what to do; afterwards recover, even in the same process, loses nothing."""
    with pytest.raises(LedgerError, match=r"checked out.*journal of run .* is kept.*gittrack recover"):
        check_out_ledger(inside)
    assert gittrack.active_run() is None
    repo = Repository.discover(inside)
    assert len(stored_journals(repo.state_dir)) == 1
    run_git(inside, "checkout", "-q", "main")
    (recovery,) = recover(repo)
    assert recovery.record is not None and recovery.record.status == "finished"
    assert recovery.record.metrics["a"].value == 1.0 and len(records(inside)) == 2


def test_the_own_error_of_the_training_wins(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When both fail, the training's error is raised, ours is logged, and the journal stays."""
    with gittrack.start_run():
        pass
    with pytest.raises(ZeroDivisionError), gittrack.start_run() as active:
        run_git(inside, "checkout", "-q", "gittrack/runs")
        1 / 0  # noqa: B018
    assert "checked out" in caplog.text and active.id in caplog.text
    run_git(inside, "checkout", "-q", "main")
    (recovery,) = recover(Repository.discover(inside))
    assert recovery.record is not None and recovery.record.failure is not None
    assert recovery.record.failure.type == "ZeroDivisionError"


@pytest.mark.usefixtures("strict")
def test_a_bug_of_ours_neither_hides_the_error_nor_loses_the_run(
    inside: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error while committing is raised with a note, or logged with its traceback."""
    import gittrack.recording.run as module

    def broken(*_: object) -> Record:
        raise KeyError("bug")

    commit = module.commit
    monkeypatch.setattr(module, "commit", broken)
    with pytest.raises(KeyError) as caught, gittrack.start_run():
        pass
    assert any("is kept" in note for note in caught.value.__notes__)
    with pytest.raises(ZeroDivisionError), gittrack.start_run():
        1 / 0  # noqa: B018
    assert "Traceback" in caplog.text and "KeyError" in caplog.text
    monkeypatch.setattr(module, "commit", commit)
    assert len(stored_journals(Repository.discover(inside).state_dir)) == 2


def test_the_end_of_the_process_reports_what_it_could_not_commit(project: Path) -> None:
    """At the end of the process an error is one line on stderr, for each run, and the journals stay."""
    _, out, err = run(
        project,
        "import subprocess\ngittrack.start_run('a').finish()\n"
        "gittrack.start_run('b'); gittrack.start_run('c')\n"
        "subprocess.run(['git', 'checkout', '-q', 'gittrack/runs'])",
    )
    assert out == "" and err.count("is kept: mend that") == 2 and "Traceback" not in err
    assert len(stored_journals(Repository.discover(project).state_dir)) == 2


def test_forked_workers_neither_log_nor_commit(project: Path) -> None:
    """os.fork: the child's verbs do nothing, its exit ends nothing, and its own run is its own."""
    code, out, err = run(
        project,
        """
run = gittrack.start_run("parent", params={"lr": 0.1})
run.log_metric("a", 1, step=1)
pid = os.fork()
if pid == 0:
    run.log_metric("a", 666, step=2); run.set_tag("who", "child"); gittrack.log_metric("b", 1)
    assert run.config.lr == 0.1 and run.next_step() == 1
    run.finish()
    with gittrack.start_run("child") as own:
        own.log_metric("c", 1)
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
run.log_metric("a", 2, step=2)
""",
    )
    assert (code, out, err) == (0, "", "")
    by_name = {record.experiment: record for record in records(project)}
    assert sorted(by_name) == ["child", "parent"]
    assert by_name["parent"].metrics["a"].value == 2 and by_name["parent"].tags == {}
    assert list(by_name["parent"].metrics) == ["a"] and list(by_name["child"].metrics) == ["c"]


def test_a_child_that_leaves_the_block_of_its_parent(project: Path) -> None:
    """A forked child that dies inside the with block ends nothing; the parent's run is what is recorded."""
    code, _, _ = run(
        project,
        """
with gittrack.start_run() as run:
    pid = os.fork()
    if pid == 0:
        raise SystemExit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    run.log_metric("a", 1)
""",
    )
    assert code == 0
    assert only(project).status == "finished"


def _worker(numbers: list[int]) -> int:
    gittrack.log_metric("worker", 1.0)
    return sum(numbers)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_multiprocessing_workers_are_no_ops(inside: Path) -> None:
    """A pool of forked workers, as data loaders use, leaves the run to its parent."""
    with gittrack.start_run() as active, multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_worker, [[1, 2], [3, 4]]) == [3, 7]
        active.log_metric("main", 1.0)
    assert list(only(inside).metrics) == ["main"]


def test_kill_9_is_recorded_by_whoever_comes_next(project: Path) -> None:
    """What was logged up to the last flush is there; the next start_run puts the run on the ledger."""
    process = start(
        project,
        "run = gittrack.start_run('victim', params={'lr': 0.1})\n"
        "run.log_metric('a', 1.0, step=1); time.sleep(1.2); print('up', flush=True); time.sleep(60)",
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    assert recover(Repository.discover(project))[0].why == "still running"
    process.kill()
    process.communicate()
    code, _, err = run(project, "gittrack.start_run('next').finish()")
    assert code == 0 and "on the ledger now" in err
    victim = next(r for r in records(project) if r.experiment == "victim")
    assert victim.status == "killed" and victim.params == {"lr": 0.1} and victim.metrics["a"].step == 1
    assert victim.failure is not None and victim.failure.type == "lost" and victim.duration_s > 0


def test_other_threads_do_not_install_signal_handlers(project: Path) -> None:
    """A run begun in a thread works, without signals."""
    code, _, err = run(
        project,
        "import threading\n"
        "t = threading.Thread(target=lambda: gittrack.start_run().finish())\nt.start(); t.join()",
    )
    assert (code, err) == (0, "")
    assert only(project).status == "finished"


def test_start_and_finish_are_cheap(project: Path) -> None:
    """A run without outputs starts at most ten git processes, and imports nothing heavy."""
    code, out, err = run(
        project,
        "import json\nrun = gittrack.start_run(params={'lr': 0.1})\nrun.log_metric('a', 1)\nrun.finish()\n"
        "heavy = {'dvc', 'git', 'numpy', 'scipy', 'jsonschema', 'pandas', 'typer', 'psutil'}\n"
        "print(json.dumps([run._repository.process_count, sorted(heavy & set(sys.modules))]))",
    )
    assert (code, err) == (0, "")
    processes, imported = json.loads(out)
    assert processes <= 10 and imported == []


@pytest.mark.usefixtures("strict")
def test_a_full_disk_at_the_end_can_be_retried(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the end cannot be written the run stays open with all its points; finish() again commits it."""
    active = gittrack.start_run()
    real, full = os.write, True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    active.log_metric("a", 1.0)
    active.set_tag("b", "c")
    with pytest.raises(GittrackError, match=r"No space left on device.*is kept"):
        active.finish()
    assert active.active and gittrack.active_run() is active
    time.sleep(0.01)
    full = False
    record = active.finish()
    assert record is not None and record.metrics["a"].value == 1.0 and record.tags == {"b": "c"}


def test_a_large_series_is_recorded_at_the_end_of_the_process(project: Path) -> None:
    """Where no thread can be started any more."""
    script = (
        "active = gittrack.start_run()\nfor at in range(160_000): active.log_metric('a', at / 7, step=at)"
    )
    status, _, err = run(project, script)
    record = only(project)
    assert (status, record.series and record.series.rows) == (0, 160_000), err
    assert record.series is not None and record.series.size is not None and record.series.size > 4 << 20
