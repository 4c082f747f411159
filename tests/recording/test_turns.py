"""Signal handlers that call the verbs of a run while the main thread is inside one of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import gittrack
from gittrack.reading.series import parse_series
from gittrack.recording.run import Run
from gittrack.recording.turns import Turns
from tests.ledgers import complete_series
from tests.recording.processes import only, run, start

HAMMER = """
from pathlib import Path
active = gittrack.start_run()
arrived = 0

def handler(number, frame):
    global arrived
    arrived += 1
    {call}
    if not over:
        signal.setitimer(signal.ITIMER_REAL, 0.001)

over = False
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001)
{body}
over = True
signal.setitimer(signal.ITIMER_REAL, 0)
active.finish()
print(arrived)
"""
WHILE = "at = 0\nwhile arrived < 300:\n    at += 1\n    "


METRICS = "active.log_metrics({'h': arrived}, step=arrived)"


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (METRICS, "active.log_metrics({'m': at, f'n{at % 50}': 1.0}, step=at)"),
        (METRICS.replace("active", "gittrack"), "active.log_metrics({'m': at}, step=at)"),
        (METRICS, "active.set_tag(f't{at % 20}', at); active.log_metric('m', at, step=at)"),
        ("active.log({'h': arrived})", "active.log_text('x', f'o{at % 9}'); active.log({'m': at}, step=at)"),
    ],
)  # fmt: skip
def test_every_point_of_both_is_there_once(project: Path, call: str, body: str) -> None:
    """A handler logs each millisecond while the main thread logs: no hang, no point lost, none twice."""
    status, out, err = run(project, HAMMER.format(call=call, body=WHILE + body))
    assert status == 0, err
    (found,) = gittrack.search(repository=project)
    assert found.record.status == "finished" and not found.record.not_recorded
    curves = parse_series(complete_series(project, found.record), "metrics.csv").curves
    assert list(curves["h"].values) == [*range(1, int(out) + 1)]
    assert list(curves["m"].values) == [*range(1, len(curves["m"].values) + 1)]


def test_tags_params_and_outputs_of_a_handler_are_all_there(project: Path) -> None:
    """Each verb from a handler, in the middle of each verb of the main thread."""
    call = (
        "active.set_tag(f'h{arrived % 50}', arrived)\n"
        "    if arrived < 40:\n"
        "        active.log_params({f'h{arrived}': arrived})\n"
        "        active.log_text(str(arrived), f'h{arrived}.txt')\n"
        "        active.summary[f'h{arrived}'] = arrived"
    )
    body = WHILE.replace("300", "300 or at < 40") + (
        "active.set_tag(f'm{at % 50}', at)\n"
        "    if at < 40:\n"
        "        active.log_params({f'm{at}': at})\n"
        "        active.log_dict({'a': at}, f'm{at}.json')\n"
    )
    status, _, err = run(project, HAMMER.format(call=call, body=body))
    assert status == 0, err
    record = only(project)
    assert {f"h{at}" for at in range(1, 40)} <= record.params.keys()
    assert {f"m{at}" for at in range(1, 40)} <= record.params.keys()
    assert {f"h{at}" for at in range(50)} <= record.tags.keys()
    assert {f"h{at}.txt" for at in range(1, 40)} <= {output.path for output in record.outputs}
    assert {f"m{at}.json" for at in range(1, 40)} <= {output.path for output in record.outputs}
    assert {f"h{at}" for at in range(1, 40)} <= record.metrics.keys() and not record.not_recorded


ENDING = """
from pathlib import Path
Path('o').write_bytes(b'x' * 50_000_000)
active = gittrack.start_run()
arrived = False

def handler(number, frame):
    global arrived
    arrived = True
    active.set_tag('preempted', 'yes')
    active.log_metric('last', 1.0, step=7)
    {end}

signal.signal(signal.SIGUSR1, handler)
print('ready', flush=True)
at = 0
while not arrived:
    at += 1
    {body}
"""


@pytest.mark.parametrize("body", ["active.set_tag(f't{at % 9}', at)", "active.log_artifact('o')"])
@pytest.mark.parametrize(
    "end", ["active.finish('killed')", "gittrack.end_run('killed'); sys.exit(3)"], ids=["finish", "exit"]
)
def test_a_handler_ends_the_run(project: Path, body: str, end: str) -> None:
    """`finish` from a handler ends the run when the call that it interrupts is done, also on the way out."""
    process = start(project, ENDING.format(end=end, body=body))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (3 if "exit" in end else 0), err
    record = only(project)
    assert record.status == "killed" and record.ended_by == "program"
    assert record.tags["preempted"] == "yes" and record.metrics["last"].step == 7


def test_a_handler_that_ends_the_run_while_it_ends(project: Path) -> None:
    """`finish` in the middle of `finish` commits one record, and hangs nowhere."""
    call = "active.finish('killed'); gittrack.end_run(); active.set_tag('h', 1)"
    status, _, err = run(project, HAMMER.format(call=call, body="active.finish()"))
    assert status == 0, err
    assert only(project).status in ("finished", "killed")


def interrupting(turns: Turns, work: Callable[[], object]) -> None:
    """Have `work` interrupt this thread by a signal, now."""
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: turns.take(work))  # type: ignore[arg-type, return-value]
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_what_interrupts_is_done_afterwards_in_order() -> None:
    """And what the interrupted one returns is returned; what fails afterwards is said, and keeps nothing."""
    turns, done = Turns(), []

    def whole() -> int:
        for at in range(3):
            interrupting(turns, lambda at=at: done.append(at))  # type: ignore[misc]
        interrupting(turns, lambda: 1 / 0)
        interrupting(turns, lambda: done.append(3))
        done.append("whole")
        return 7

    assert turns.take(whole) == 7
    assert done == ["whole", 0, 1, 2, 3]
    assert turns.take(lambda: 8) == 8


def test_an_error_leaves_the_turn_free() -> None:
    """An error goes on once what interrupted is done."""
    turns, done = Turns(), []

    def fail() -> None:
        interrupting(turns, lambda: done.append(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        turns.take(fail)
    assert done == [1] and turns.take(lambda: 8) == 8


def test_threads_do_not_wait_for_each_other() -> None:
    """A turn is that of one thread."""
    turns = Turns()
    inner: list[int | None] = []

    def whole() -> None:
        thread = threading.Thread(target=lambda: inner.append(turns.take(lambda: 5)))
        thread.start()
        thread.join()

    turns.take(whole)
    assert inner == [5]


@pytest.mark.parametrize("moment", ["recording.start._join", "recording.run.commit"])
def test_a_verb_in_a_handler_while_a_run_begins_or_ends_begins_no_other(
    inside: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    """It would be a run that nobody asked for, and one in another under a timer, until the stack is full."""
    module, _, name = f"gittrack.{moment}".rpartition(".")
    interrupted = getattr(import_module(module), name)

    def interrupt(*arguments: object) -> object:
        signal.raise_signal(signal.SIGUSR1)
        return interrupted(*arguments)

    before = signal.signal(signal.SIGUSR1, lambda *_: gittrack.log_metric("warned", 1))
    try:
        monkeypatch.setattr(f"{module}.{name}", interrupt)
        monkeypatch.setattr("gittrack.recording.start._nobody", Run(None, None))  # it says all once
        gittrack.start_run().finish()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not only(inside).metrics
    assert "just beginning or ending" in caplog.text
