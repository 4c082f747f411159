"""Signals under `gittrack run`: the program gets those that it gets without it, and ends as it does then."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.recording.relay import Child, Hold, Relay
from tests.ledgers import records
from tests.pages import DOCS
from tests.recording.commands import GITTRACK, PYTHON, gittrack
from tests.recording.signalled import (
    ARRIVALS,
    LAST,
    LIMIT_S,
    NAMES,
    NUMBERS,
    arrivals_of,
    end_of,
    start,
    until,
)
from tests.recording.terminal import PROGRAM, Terminal

WAYS = {
    "direct": [os.kill],
    "group": [os.killpg],
    "twice": [os.kill, os.kill],
}
DEADLY = [name for name in NAMES if name not in ("CONT", "WINCH")]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_same_arrivals(project: Path, name: str, how: str) -> None:
    """As many deliveries of each signal, the checkpoint written, the same exit status: measured on both."""
    plain = arrivals_of(project, WAYS[how], NUMBERS[name], plain=True)
    wrapped = arrivals_of(project, WAYS[how], NUMBERS[name], plain=False)
    assert wrapped == plain
    assert plain.arrivals == [*[f"SIG{name}"] * len(WAYS[how]), LAST.name]
    assert (plain.output, plain.status) == ("checkpoint written\n", 7)
    (record,) = records(project)
    assert record.failure is not None and record.failure.message == "exit status 7"


@pytest.mark.parametrize("way", [os.kill, os.killpg])
@pytest.mark.parametrize("name", DEADLY)
def test_same_end(project: Path, name: str, way: Callable[[int, int], None]) -> None:
    """A program that does not handle a signal is ended, or stopped, by it, and so are we."""
    number = NUMBERS[name]
    code = end_of(project, way, number, plain=True)
    assert end_of(project, way, number, plain=False) == code
    (record,) = records(project)
    ended_by = signal.SIGTERM if name == "TSTP" else number
    assert record.failure is not None and record.failure.message == ended_by.name


def on_a_terminal(where: Path, *before: str) -> list[str]:
    """Ctrl-Z, Ctrl-C, a line, another size of the window, Ctrl-backslash; what was said."""
    terminal = Terminal(where, [*before, PYTHON, "-c", PROGRAM])
    try:
        terminal.until("<ready>")
        terminal.type(b"\x1a")
        terminal.until("<SIGCONT>")
        terminal.type(b"\x03")
        terminal.until("<SIGINT>")
        terminal.type(b"hello\n")
        terminal.until("<read hello>")
        terminal.resize(132)
        terminal.until("<132 columns>")
        terminal.type(b"\x1c")
        terminal.until("<shell: ended")
    finally:
        terminal.close()
    return terminal.marks


def test_job_control_on_a_terminal(project: Path) -> None:
    """The shell sees the job stop and go on, the program each key once, and the size that the window has."""
    plain = on_a_terminal(project)
    wrapped = on_a_terminal(project, *GITTRACK, "run", "-q", "--")
    assert plain == [
        "<ready>", f"<shell: stopped by {int(signal.SIGTSTP)}>", "<SIGCONT>", "<SIGINT>", "<read hello>",
        "<132 columns>", f"<shell: ended with -{int(signal.SIGQUIT)}>",
    ]  # fmt: skip
    # Its terminal is ours, which has the new size a moment after the program was told of it.
    assert [mark for mark in wrapped if not mark.endswith("columns>")] == [*plain[:5], plain[6]]
    assert [mark for mark in wrapped if mark.endswith("columns>")][-1] == "<132 columns>"
    assert records(project)[0].status == "failed"


STOPS = """
import os, signal, sys, time
from gittrack.recording.relay import Child, Hold, Relay
from gittrack.recording.witness import Witness
hold = Hold()
witness = Witness({})
pid = os.fork()
if pid == 0:
    hold.release()
    while True: signal.pause()
child = Child(pid, own_group=False)
os.killpg(0, signal.SIGTSTP)
while signal.SIGCHLD not in signal.sigpending(): time.sleep(0.01)
Relay(child, witness, lambda: None if child.poll() is None else os._exit(0), None)
time.sleep(60)
"""
"""Here the program has stopped before the signal to all is looked at, as on a busy machine."""


def test_a_program_that_stops_first_stops_us_once() -> None:
    wrapper = os.posix_spawn(PYTHON, [PYTHON, "-c", STOPS], os.environ, setpgroup=0)
    stops = 0
    try:
        while os.WIFSTOPPED(os.waitpid(wrapper, os.WUNTRACED)[1]):
            stops += 1
            os.killpg(wrapper, signal.SIGCONT)
            os.killpg(wrapper, signal.SIGTERM)
    finally:
        os.killpg(wrapper, signal.SIGKILL)
    assert stops == 1


def test_one_request_that_comes_twice_at_once(project: Path, tmp_path: Path) -> None:
    """timeout(1) sends to its child and then to the group: the program is not asked a second time."""
    log = tmp_path / "arrivals"
    process = start(project, PYTHON, "-c", ARRIVALS, str(log), plain=False)
    os.killpg(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGTERM)
    until(lambda: log.exists() and bool(log.read_text()))
    os.kill(process.pid, LAST)
    process.communicate(timeout=LIMIT_S)
    assert log.read_text().split() == [str(int(signal.SIGTERM)), str(int(LAST))]


def test_a_program_outlives_its_wrapper(project: Path, tmp_path: Path) -> None:
    """Even kill -9 of the wrapper leaves it somebody who reads what it prints: its checkpoint is written."""
    program = (
        "import os, pathlib, sys, time\n"
        "print('ready', flush=True)\n"
        "while os.getppid() == int(sys.argv[1]): time.sleep(0.01)\n"
        "print('x' * 200_000, flush=True)\n"
        "pathlib.Path('checkpoint').write_text('all of it')\n"
        "print('written', flush=True)\n"
    )
    (tmp_path / "start.sh").write_text(
        f"exec {shlex.join([*GITTRACK, 'run', '--', PYTHON, '-c', program])} $$"
    )
    with subprocess.Popen(
        ["sh", str(tmp_path / "start.sh")], cwd=project, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.read().endswith("x\nwritten\n")
    assert (project / "checkpoint").read_text() == "all of it"


def test_what_a_program_leaves_behind_outlives_the_wrapper(project: Path, tmp_path: Path) -> None:
    """A server or an upload in the background prints after the program has ended, and does not end by it."""
    program = (
        "printf 'started\\n'\n"
        "(read go < go; for i in 1 2 3; do echo later $i; echo error $i >&2; done; echo $? > end) &\n"
    )
    os.mkfifo(project / "go")
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        subprocess.run(
            [*GITTRACK, "run", "-q", "--", "sh", "-c", program],
            cwd=project, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=True, timeout=LIMIT_S,
        )  # fmt: skip
    assert records(project)[0].status == "finished"
    (project / "go").write_text("go\n")
    until(lambda: out.read_text().endswith("later 3\n") and err.read_text().endswith("error 3\n"))
    assert out.read_text() == "started\nlater 1\nlater 2\nlater 3\n"
    until((project / "end").exists)


def test_a_signal_that_another_thread_takes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is pending for the process, and gone when we ask for it."""
    monkeypatch.setattr(signal, "sigpending", lambda: {signal.SIGUSR1})
    hold = Hold()
    try:
        thread = threading.Thread(target=hold.taken, daemon=True)
        thread.start()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    finally:
        hold.release()


def test_a_sign_that_is_missed_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends though the system has dropped the signal that should have told it to."""
    given = []
    send = signal.pthread_kill

    def lose_first(thread: int, number: int) -> None:
        given.append(number)
        if len(given) > 1:
            send(thread, number)

    monkeypatch.setattr(signal, "pthread_kill", lose_first)
    hold = Hold()
    try:
        relay = Relay(Child(os.getpid(), own_group=False), None, lambda: None, None)
        ending = threading.Thread(target=relay.end, daemon=True)
        ending.start()
        ending.join(LIMIT_S)
        assert not ending.is_alive() and not relay._thread.is_alive()
    finally:
        hold.release()
    assert given == [signal.SIGCHLD] * 2


def test_a_program_that_somebody_stops_and_lets_go_on(project: Path) -> None:
    """We stop with it, and go on with it, though nobody told us: its output is not left unread."""
    program = "import os\nprint('ready', flush=True)\nprint(os.getpid(), flush=True)\ninput()\nprint('end')\n"
    process = subprocess.Popen(
        [*GITTRACK, "run", "-q", "--", PYTHON, "-c", program],
        cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    pid = int(process.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    until(lambda: os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED) != (0, 0))
    os.kill(pid, signal.SIGCONT)
    out, _ = process.communicate("go\n", timeout=LIMIT_S)
    assert (out, process.returncode) == ("end\n", 0)


def test_a_group_is_stopped_and_one_process_let_go_on(project: Path, tmp_path: Path) -> None:
    """SIGSTOP to all, SIGCONT to the one that the caller knows: the program gets that."""
    log = tmp_path / "arrivals"
    process = start(project, PYTHON, "-c", ARRIVALS, str(log), plain=False)
    os.killpg(process.pid, signal.SIGSTOP)
    until(lambda: os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED) != (0, 0))
    os.kill(process.pid, signal.SIGCONT)
    until(lambda: log.exists() and bool(log.read_text()))
    os.kill(process.pid, LAST)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert (out, process.returncode) == ("checkpoint written\n", 7)
    assert log.read_text().split() == [str(int(signal.SIGCONT)), str(int(LAST))]


def test_what_was_ignored_or_blocked_stays_so(project: Path) -> None:
    """nohup and a blocked mask reach the program; a caller that ignores SIGCHLD costs no exit status."""
    program = (
        "import signal\n"
        "is_deaf = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN\n"
        "print(is_deaf, signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
        "raise SystemExit(5)"
    )

    def settle() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM])

    done = gittrack(project, "run", "-q", "--", PYTHON, "-c", program, preexec_fn=settle)
    assert (done.returncode, done.stdout) == (5, "True {<Signals.SIGTERM: 15>}\n")


def test_descriptors_of_the_caller_reach_the_program(project: Path) -> None:
    """``<(...)`` of a shell is one, and make's job server another."""
    command = f"{shlex.join(GITTRACK)} run -q -- cat /dev/fd/9 9<train.py"
    done = subprocess.run(["sh", "-c", command], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout == "print('training')\n"


def test_the_table_of_the_docs() -> None:
    """docs/signals.md has a row for each signal, with what is measured above, and on a real Slurm."""
    table = [line.strip("| ").split(" | ") for line in (DOCS / "signals.md").read_text().splitlines()]
    stated = {cells[0]: cells[1:] for cells in table if cells[0] in NAMES}
    assert [*stated] == [*NAMES]
    for name, cells in stated.items():
        end = "stopped by it" if name == "TSTP" else "ended by it" if name in DEADLY else "goes on"
        assert cells == [*(str(len(ways)) for ways in WAYS.values() for _ in range(2)), "2", "2", end, end]
