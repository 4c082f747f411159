"""A run whose process is gone goes on in its journal; one that is on the ledger is continued by a new run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import StoredJournal, stored_journals
from gittrack.recording.recover import recover
from tests.recording.commands import GITTRACK, script
from tests.recording.commands import gittrack as command
from tests.recording.processes import records

TRAIN = """
import os, signal, sys, time
import gittrack

how = os.environ.get("HOW", "")
run = gittrack.start_run("exp", params={"lr": float(os.environ.get("LR", "0.1"))}, resume="auto")
print(run.id, run.resumed, run.last_step, flush=True)
first = 0 if run.last_step is None else run.last_step + 1
if how == "preempted":
    signal.signal(signal.SIGTERM, lambda *_: run.mark_preempted())
if how == "leaves":
    signal.signal(signal.SIGTERM, lambda *_: (run.mark_preempted(), sys.exit(0)))
for step in range(first, first + 3):
    run.log_metric("loss", 1.0 / (step + 1), step=step)
if how:
    run._journal.flush()
    print("ready", flush=True)
    while how != "goes" or not os.path.exists(".git/go"):
        time.sleep(0.05)
run.finish()
"""


def train(project: Path, **variables: str) -> list[str]:
    """Run the script to its end; the words that it said of the run."""
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=project, env={**os.environ, **variables}, capture_output=True,
        text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.split()


def begin(project: Path, how: str = "waits", **variables: str) -> tuple[subprocess.Popen[str], str]:
    """The script, once it has logged and waits to be ended, and the id of its run."""
    process = subprocess.Popen(
        [sys.executable, "train.py"], cwd=project, env={**os.environ, "HOW": how, **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    run_id = process.stdout.readline().split()[0]
    assert process.stdout.readline() == "ready\n"
    return process, run_id


def kill(process: subprocess.Popen[str], *numbers: signal.Signals) -> None:
    for number in numbers:
        process.send_signal(number)
    process.communicate(timeout=60)


def killed(project: Path, how: str = "waits", **variables: str) -> str:
    """The id of a run that was killed with kill -9 after three points."""
    process, run_id = begin(project, how, **variables)
    kill(process, signal.SIGKILL)
    return run_id


def journals(project: Path) -> list[StoredJournal]:
    return stored_journals(Repository.discover(project).state_dir)


def steps(project: Path, run_id: str) -> list[int | None]:
    series = gittrack.load(run_id, repository=project).own_series()
    return [] if series is None else list(series.steps)


@pytest.fixture
def lab(project: Path) -> Path:
    """The project with a script that resumes what was left."""
    script(project, TRAIN)
    return project


# --- the same run ------------------------------------------------------------------------------


def test_kill_9_and_the_same_run_goes_on(lab: Path) -> None:
    """One record of both attempts: its points in order, how each ended, and what is otherwise."""
    run_id = killed(lab)
    (lab / "train.py").write_text(TRAIN + "# edited\n")
    assert train(lab, LR="0.1") == [run_id, "True", "2"]
    (record,) = records(lab)
    assert record.id == run_id and record.status == "finished" and record.continues is None
    assert steps(lab, run_id) == [0, 1, 2, 3, 4, 5]
    first, second = record.attempts
    assert first.status == "killed" and first.failure is not None and first.failure.type == "lost"
    assert second.status == "finished" and second.failure is None and second.host == first.host
    assert first.started == record.started < second.started
    assert second.code is not None and second.code.snapshot and first.code is None
    assert [changed.what for changed in record.changed] == ["code train.py"]
    assert journals(lab) == []
    assert Repository.discover(lab).refs("refs/gittrack/live/") == {}
    shown = command(lab, "show", run_id).stdout
    assert "Attempts" in shown and "lost" in shown
    assert command(lab, "verify").returncode == 0


def test_preempted_and_then_killed(lab: Path) -> None:
    """A spot machine: TERM, then KILL before anything could be committed."""
    process, run_id = begin(lab, "preempted")
    process.send_signal(signal.SIGTERM)
    (journal,) = journals(lab)
    while not any(event[0] == "q" for event in journal.events()):
        assert process.poll() is None
    kill(process, signal.SIGKILL)
    assert train(lab)[0] == run_id
    (record,) = records(lab)
    assert [attempt.ended_by for attempt in record.attempts] == ["preemption", "program"]
    assert record.attempts[0].status == "killed"


def test_preempted_and_left_in_time(lab: Path) -> None:
    """The handler leaves with exit status 0: the record says killed by preemption, and is continued."""
    process, first = begin(lab, "leaves")
    kill(process, signal.SIGTERM)
    (record,) = records(lab)
    assert (record.status, record.ended_by) == ("killed", "preemption")
    assert record.failure is not None and record.failure.type == "preemption"
    second, resumed, last = train(lab)
    assert second != first and (resumed, last) == ("True", "2")
    later, earlier = records(lab)
    assert later.continues == earlier.id == first


def test_ctrl_c_and_a_new_run_continues_it(lab: Path) -> None:
    """The one that was interrupted is on the ledger; both are one curve wherever the later one is read."""
    process, first = begin(lab)
    kill(process, signal.SIGINT)
    second = train(lab)[0]
    later, earlier = records(lab)
    assert (earlier.id, earlier.status, later.id, later.continues) == (first, "killed", second, first)
    run = gittrack.load(second, repository=lab)
    series = run.series()
    assert series is not None and list(series.steps) == [0, 1, 2, 3, 4, 5]
    times = [time for time in series.times if time is not None]
    assert times == sorted(times) and len(times) == 6
    assert list(run.to_pandas()["step"]) == [0, 1, 2, 3, 4, 5]
    shown = command(lab, "show", second).stdout
    assert "continues" in shown and "6 points" in shown
    assert second in command(lab, "show", first).stderr
    assert "continues" in command(lab, "log").stdout
    assert command(lab, "verify").returncode == 0


def test_a_third_run_continues_the_chain(lab: Path) -> None:
    """Interrupted twice: the last one is one curve with both, and nothing is continued twice."""
    for _ in range(2):
        process, _ = begin(lab)
        kill(process, signal.SIGINT)
    last = train(lab)[0]
    assert train(lab)[1] == "False"
    series = gittrack.load(last, repository=lab).series()
    assert series is not None and list(series.steps) == list(range(9))


def test_an_edited_param_is_said_and_another_program_is_another_run(lab: Path) -> None:
    """`auto` does not go on with other parameters; by its name the run goes on, and says what changed."""
    run_id = killed(lab)
    other = train(lab, LR="0.5")
    assert other[0] != run_id and other[1] == "False"
    assert [journal.run_id for journal in journals(lab)] == [run_id]
    script(lab, TRAIN.replace('resume="auto"', 'resume=os.environ["RUN"]'))
    assert train(lab, LR="0.5", RUN=run_id[-6:])[0] == run_id
    record = next(record for record in records(lab) if record.id == run_id)
    assert record.params["lr"] == 0.5 and record.param_conflicts == {}
    changes = {changed.what: (changed.before, changed.after) for changed in record.changed}
    assert changes["param lr"] == (0.1, 0.5) and "code train.py" in changes


def test_a_run_goes_on_though_others_with_other_params_have_finished_since(lab: Path) -> None:
    """In a loop over seeds, say, each has its own; what has finished since is not taken up."""
    run_id = killed(lab, LR="0.1")
    assert train(lab, LR="0.2")[1] == "False"
    process, interrupted = begin(lab, LR="0.3")
    kill(process, signal.SIGINT)
    assert train(lab, LR="0.4")[1] == "False"
    assert train(lab, LR="0.1") == [run_id, "True", "2"]
    train(lab, LR="0.3")
    assert records(lab)[0].continues == interrupted
    assert train(lab, LR="0.1")[1] == train(lab, LR="0.3")[1] == "False"


def test_a_run_that_auto_passes_over_for_its_params_is_named(
    lab: Path,
) -> None:
    """It is left unfinished: nobody is told that nothing is."""
    script(lab, TRAIN)
    process, run_id = begin(lab)
    process.kill()
    process.communicate()
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=lab, env={**os.environ, "LR": "0.5"}, capture_output=True,
        text=True, timeout=120, check=True,
    )  # fmt: skip
    assert f"has other parameters ({run_id}): a new run begins" in done.stderr
    assert "nothing of this program" not in done.stderr


def test_counted_steps_go_on(inside: Path) -> None:
    """`next_step` and `log` count from where the run stood."""
    code = """
with gittrack.start_run("exp", resume="auto") as run:
    print(run.step, flush=True)
    for _ in range(3):
        run.log_metric("loss", 1.0)
        run.next_step()
    if not run.resumed:
        run._journal.flush()
        os.kill(os.getpid(), signal.SIGKILL)
"""
    script(inside, "import gittrack, os, signal\n" + code)
    subprocess.run([sys.executable, "train.py"], check=False, capture_output=True)
    subprocess.run([sys.executable, "train.py"], check=True, capture_output=True)
    (record,) = records(inside)
    assert steps(inside, record.id) == [0, 1, 2, 3, 4, 5]


# --- who may go on -----------------------------------------------------------------------------

SLURM = {"SLURM_JOB_ID": "71", "SLURM_CLUSTER_NAME": "lab"}


def move_away(journal: StoredJournal) -> None:
    """As if another host had begun the run."""
    for path in journal.folder.glob("owner-*.json"):
        owner = json.loads(path.read_text())
        path.write_text(json.dumps({**owner, "boot": "another", "host": "another"}))


def test_a_requeued_job_goes_on_and_knows_that_the_earlier_attempt_is_gone(lab: Path) -> None:
    """On whatever node it was: the restart count tells. Another job does not take it, nor does nobody."""
    run_id = killed(lab, **SLURM)
    move_away(*journals(lab))
    (recovery,) = recover(Repository.discover(lab))
    assert recovery.record is None and "another host" in recovery.why
    other = train(lab, SLURM_JOB_ID="72", SLURM_CLUSTER_NAME="lab")
    assert other[0] != run_id and other[1] == "False"
    requeued = train(lab, **SLURM, SLURM_RESTART_COUNT="1")
    assert requeued == [run_id, "True", "2"]
    record = next(record for record in records(lab) if record.id == run_id)
    assert [attempt.restarts for attempt in record.attempts] == [0, 1]


def test_a_restarted_job_takes_no_run_but_its_own(lab: Path) -> None:
    """A task of an array does not take the run of another, and a job none of a job before it."""
    killed(lab, **SLURM, SLURM_ARRAY_TASK_ID="1")
    assert train(lab, **SLURM, SLURM_ARRAY_TASK_ID="2", SLURM_RESTART_COUNT="1")[1] == "False"
    assert train(lab, SLURM_JOB_ID="80", SLURM_ARRAY_TASK_ID="1", SLURM_RESTART_COUNT="1")[1] == "False"
    assert train(lab, **SLURM, SLURM_ARRAY_TASK_ID="1", SLURM_RESTART_COUNT="1")[1] == "True"


def test_a_run_of_another_host_is_refused(lab: Path) -> None:
    """Nobody here can tell whether it still runs, and the message says what to do."""
    run_id = killed(lab)
    move_away(*journals(lab))
    done = subprocess.run([sys.executable, "train.py"], cwd=lab, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"run {run_id} may still run on another host" in done.stderr
    assert "recover" in done.stderr and len(journals(lab)) == 1


def test_a_run_that_is_alive_is_left_alone(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name it is refused; `auto` begins another."""
    process, run_id = begin(lab)
    monkeypatch.chdir(lab)
    with pytest.raises(UsageError, match=f"{run_id} still runs on this machine"):
        gittrack.start_run("exp", resume=run_id)
    assert train(lab)[1] == "False"
    kill(process, signal.SIGKILL)


def test_only_one_of_two_resumes_gets_the_journal(lab: Path) -> None:
    """The other is refused, whatever it sees first; the record has two attempts."""
    run_id = killed(lab)
    code = f"""
try:
    run = gittrack.start_run("exp", resume={run_id!r})
except gittrack.GittrackError as error:
    print(error, flush=True)
else:
    print("mine", flush=True)
    sys.stdin.readline()
    run.finish()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "import gittrack, sys\n" + code], cwd=lab, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = sorted(process.stdout.readline() for process in processes if process.stdout)
    assert said.count("mine\n") == 1, said
    assert all(
        "another process is resuming" in line or "still runs" in line for line in said if line[:4] != "mine"
    )
    for process in processes:
        process.communicate("\n", timeout=60)
    (record,) = records(lab)
    assert len(record.attempts) == 2


def test_a_finished_run_is_continued_and_an_unknown_one_is_not_found(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so; the nearest names are said of a name that is none."""
    first = train(lab)[0]
    monkeypatch.chdir(lab)
    run = gittrack.start_run("exp", resume=first)
    assert run.resumed and run.last_step == 2 and run.id != first
    record = run.finish()
    assert record is not None and record.continues == first
    wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
    with pytest.raises(NotFoundError, match=f"no run '{wrong}' to resume: did you mean .*{first}"):
        gittrack.start_run("exp", resume=wrong)
    with pytest.raises(UsageError, match="is of experiment exp, not other"):
        gittrack.start_run("other", resume=first)


def test_what_waits_to_be_resumed_is_not_recovered_on_the_way(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run of another program leaves it; `gittrack recover` commits it, and then it is continued."""
    run_id = killed(lab)
    monkeypatch.chdir(lab)
    gittrack.start_run("another").finish()
    assert [journal.run_id for journal in journals(lab)] == [run_id]
    assert f"{run_id}  committed as killed" in command(lab, "recover").stdout
    train(lab)
    assert records(lab)[0].continues == run_id


def test_a_run_that_only_had_to_be_committed_is_not_gone_on_with(lab: Path) -> None:
    """Its process had said that it finished, and died before the commit: it is made; a new one begins."""
    process, _ = begin(lab, "goes")
    lock = lab / ".git" / "refs" / "heads" / "gittrack" / "runs.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    (lab / ".git" / "go").touch()
    (journal,) = journals(lab)
    while not any(event[0] == "x" for event in journal.events()):
        assert process.poll() is None
    kill(process, signal.SIGKILL)
    lock.unlink()
    new, resumed, _ = train(lab)
    assert new != journal.run_id and resumed == "False"
    assert {record.id: record.status for record in records(lab)} == {
        journal.run_id: "finished",
        new: "finished",
    }


# --- gittrack run ------------------------------------------------------------------------------

PROGRAM = """
import os, sys, time
print(os.environ.get("GITTRACK_RESUMED"), flush=True)
import gittrack
run = gittrack.start_run()
first = 0 if run.last_step is None else run.last_step + 1
for step in range(first, first + 3):
    run.log_metric("loss", 1.0, step=step)
run._journal.flush()
print("ready", flush=True)
if "WAIT" in os.environ:
    time.sleep(600)
"""


def wrapped(where: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GITTRACK, "run", "--resume", "auto", "--", sys.executable, "train.py"], cwd=where,
        env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def test_gittrack_run_goes_on(project: Path) -> None:
    """Killed with all that it had started; the program is told, and joins the same run again."""
    script(project, PROGRAM)
    process = wrapped(project, {"WAIT": "1"})
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()] == ["None\n", "ready\n"]
    (journal,) = journals(project)
    process.kill()  # the program lives on
    process.wait()
    refused = command(project, "run", "--resume", journal.run_id, "--", "true")
    assert refused.returncode == 2 and "still runs on this machine" in refused.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    while journal.alive or journal.program_runs:
        pass
    done = command(project, "run", "--resume", "auto", "--", sys.executable, "train.py")
    assert done.returncode == 0 and done.stdout == "1\nready\n"
    assert f"run {journal.run_id} goes on: attempt 2, after step 2" in done.stderr
    (record,) = records(project)
    assert record.id == journal.run_id and record.status == "finished"
    assert steps(project, record.id) == [0, 1, 2, 3, 4, 5]
    assert [attempt.ended_by for attempt in record.attempts] == ["recovery", "command"]
    assert record.duration_s is not None and record.attempts[1].duration_s is not None
    assert record.environment.python is not None
    assert command(project, "verify").returncode == 0
    again = command(project, "run", "--resume", "auto", "--", sys.executable, "train.py")
    assert "a new run begins" in again.stderr and again.stdout == "None\nready\n"


def test_gittrack_run_continues_a_run_whose_program_named_the_experiment(project: Path) -> None:
    """The command says nothing of it; the record of the run that was told to end is found all the same."""
    script(
        project,
        "import gittrack, os, sys\n"
        "run = gittrack.start_run('named')\n"
        "run.log_metric('loss', 1.0, step=int(os.environ['STEP']))\n"
        "sys.exit(os.environ['STEP'] == '0')\n",
    )
    run = ["run", "--resume", "auto", "--", sys.executable, "train.py"]
    command(project, *run, env={"STEP": "0"})
    done = command(project, *run, env={"STEP": "1"})
    first, second = sorted(records(project), key=lambda record: record.continues or "")
    assert second.continues == first.id, done.stderr
    assert {first.experiment, second.experiment} == {"named"}


def test_an_attempt_that_cannot_start_leaves_the_journal(project: Path) -> None:
    """What is missing is said; the run is still there to be resumed."""
    script(project, PROGRAM)
    process = wrapped(project, {"WAIT": "1"})
    assert process.stdout is not None
    process.stdout.readline(), process.stdout.readline()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    (journal,) = journals(project)
    while journal.alive or journal.program_runs:
        pass
    (project / "broken").write_text("#!/no/such/interpreter\n")
    (project / "broken").chmod(0o755)
    done = command(project, "run", "--resume", journal.run_id, "--", "./broken")
    assert done.returncode == 126, done.stderr
    assert [event for event in journal.events() if event[0] in ("u", "x")] == []
    assert journal.alive is False
    done = command(project, "run", "--resume", "auto", "--", sys.executable, "train.py")
    assert done.returncode == 0, done.stderr
    assert len(only(project).attempts) == 2


def only(project: Path) -> Record:
    (record,) = records(project)
    return record


def test_many_resume_at_once_within_a_process(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that resume one run at the same moment: one goes on with it, the others are refused."""
    run_id = killed(lab)
    monkeypatch.chdir(lab)
    barrier = threading.Barrier(3)

    def work(_: int) -> Any:
        barrier.wait()
        try:
            return gittrack.start_run("exp", resume=run_id)
        except UsageError as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(work, range(3)))
    runs = [run for run in got if isinstance(run, gittrack.Run)]
    assert len(runs) == 1 and runs[0].id == run_id
    runs[0].finish()


WRITER = """
import json, os, pathlib, signal, sys, time
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
if not (out / "model.bin").exists():
    (out / "model.bin").write_text("weights")
with pathlib.Path("scores.csv").open("a") as file:
    first = 0 if file.tell() else print("step,loss", file=file) or 0
    for step in range(3):
        step += 3 * ("GITTRACK_RESUMED" in os.environ)
        print(f"{step},{1 / (step + 1)}", file=file)
print("ready", flush=True)
if "GITTRACK_RESUMED" not in os.environ:
    time.sleep(600)
"""


def test_what_an_earlier_attempt_wrote_is_the_runs_own(project: Path) -> None:
    """Outputs and metrics files that the first attempt wrote and the second left, or went on with."""
    (project / ".gitignore").write_text("out/\nscores.csv\n")
    script(project, WRITER)
    (project / "out").mkdir()
    (project / "out" / "old").write_text("there before")
    options = ["--resume", "auto", "--metrics", "scores.csv", "--output", "out:model"]
    words = [*GITTRACK, "run", *options, "--", sys.executable, "train.py"]
    process = subprocess.Popen(
        words,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    (journal,) = journals(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    while journal.alive or journal.program_runs:
        pass
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, timeout=120, check=True)
    assert "goes on" in done.stderr
    record = only(project)
    assert [(output.path, output.nfiles) for output in record.outputs] == [("out", 1)]
    assert steps(project, record.id) == [0, 1, 2, 3, 4, 5]
    assert [loss.what for loss in record.not_recorded] == ["output out"]
    assert "without old" in record.not_recorded[0].why
