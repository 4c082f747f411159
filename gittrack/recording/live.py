"""Lets others see a run while it goes on: a process beside it sends snapshots to a remote, when asked to.

``python -P -m gittrack.recording.live JOURNAL REMOTE EVERY`` reads the journal as any reader does, so that
the training neither waits for a network nor ends by it. It takes the snapshot away when the journal is gone,
which is when the run is recorded. A word in ``live/<run-id>`` of gittrack's folder says that there is one on
a remote; where it is left behind, the next such process of the clone takes that snapshot away.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.config import LiveConfig
from gittrack.git.process import outside_environment
from gittrack.git.repository import GitResult, Repository, explain
from gittrack.reading.journal.owner import current_owner, is_alive
from gittrack.reading.journal.status import UNRECORDED
from gittrack.reading.journal.stored import journals_dir

MARKS = "live"
TROUBLE = "live-trouble"
"""In the journal: why nobody could see the run."""
SHORTEST_S = 2.0
"""A run that is shorter is not sent."""
LOOK_S = 0.5
PATIENCE_S = 120
"""For one exchange with the remote; then its git ends."""
FAILURES = 5
"""In a row, after which it is to be said."""
PAUSES_S = (2.0, 10.0, 30.0)
"""Before a snapshot is asked again to go, where the remote does not answer."""


def start(journal: Path, config: LiveConfig | None) -> None:
    """Let others see the run of `journal`, where gittrack.yaml says so. It costs the start of a process."""
    if config is None or not sys.executable:
        return
    command = [sys.executable, "-P", "-m", __name__, str(journal), config.remote, str(config.every)]
    with suppress(OSError):
        subprocess.run(  # the shell ends at once; nobody has to wait for what it started
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=outside_environment(), cwd=journal.parent, start_new_session=True, check=False,
        )  # fmt: skip


def trouble(journal: Path) -> str | None:
    """Why nobody could see the run of `journal`, to be said once; None where there is nothing to say."""
    try:
        return (journal / TROUBLE).read_text("utf-8", "replace")
    except OSError:
        return None


def marks(state_dir: Path) -> dict[str, str]:
    """The runs whose snapshot may lie on a remote for no reason, and that remote.

    Never one that may still go on: its journal is gone, and so is the process that sent it.
    """
    left = {}
    for mark in sorted((state_dir / MARKS).glob("*")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(mark.read_text())
            is_over = not (journals_dir(state_dir) / mark.name).exists()
            if is_over and is_alive(said["owner"]) is False:
                left[mark.name] = str(said["remote"])
    return left


def sweep(repository: Repository) -> dict[str, GitResult]:
    """Take away what `marks` says; what became of each."""
    results = {}
    for run_id, remote in marks(repository.state_dir).items():
        results[run_id] = _take_away(repository, remote, run_id)
    return results


def _take_away(repository: Repository, remote: str, run_id: str) -> GitResult:
    from gittrack.ledger.live import take_away

    result = take_away(repository, remote, run_id)
    if result.code == 0:
        (repository.state_dir / MARKS / run_id).unlink(missing_ok=True)
    return result


def main(folder: str, remote: str, every: str) -> None:
    """The process: send what the journal says, until the run is recorded, lost or given up."""
    with suppress(OSError):
        os.nice(10)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _end_git)
    sender = Sender(Path(folder), remote, float(every))
    sender.run()
    with _patience():
        sweep(sender.repository)


@contextmanager
def _patience() -> Iterator[None]:
    """End what is started in here, where the remote does not answer: it has failed then."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end_git(number: int, frame: Any) -> None:
    """This process leads a session, in which nothing but its git is."""
    if os.getpgrp() == os.getpid():
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
    else:
        os._exit(1)


class Sender:
    """What one process knows of the run that it sends."""

    def __init__(self, journal: Path, remote: str, every: float) -> None:
        self.repository = Repository.discover(journal.parent.parent.parent)
        self._journal = journal
        self._remote = remote
        self._every = every
        self._mark = self.repository.state_dir / MARKS / journal.name
        self._failures = 0
        self._is_marked = False
        self._is_seen = False

    def run(self) -> None:
        """Until there is nothing more to send."""
        from gittrack.reading.live.curves import Curves
        from gittrack.reading.live.follow import Watch

        time.sleep(min(SHORTEST_S, self._every))
        with suppress(GittrackError, OSError), Watch(self.repository.state_dir, self._journal.name) as watch:
            curves = Curves(most=64)
            due = 0.0
            while watch.is_going_on():
                if time.monotonic() >= due:
                    due = time.monotonic() + self._every
                    for point in watch.look():
                        curves.add(*point)
                    if not self._send(watch.state.record("running"), curves.points()):
                        break
                time.sleep(LOOK_S)
            if watch.status == UNRECORDED:
                return  # whoever recovers the run sees to it, or the next run
        for pause in (*PAUSES_S, None):
            if not self._mark.exists() or self._has_gone() or pause is None or not self._is_seen:
                return
            time.sleep(pause)

    def _has_gone(self) -> bool:
        """Take the snapshot away; whether the remote has given an answer to that."""
        from gittrack.ledger.live import is_refusal

        with _patience():
            result = _take_away(self.repository, self._remote, self._journal.name)
        return result.code == 0 or is_refusal(result)

    def _send(self, record: dict[str, Any], curves: dict[str, list[list[Any]]]) -> bool:
        """Whether to go on."""
        from gittrack.formats.live import dump
        from gittrack.ledger.live import is_refusal, send

        now = datetime.now(UTC)
        sent = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        data = dump(record, curves, sent=sent, every=self._every)
        if self._remote not in self.repository.remotes():
            return self._complain(f"there is no remote {self._remote}")
        self._write_mark()
        with _patience():
            result = send(self.repository, self._remote, self._journal.name, data, int(now.timestamp()))
        if result.code == 0:
            if self._failures >= FAILURES:
                (self._journal / TROUBLE).unlink(missing_ok=True)
            self._failures, self._is_seen = 0, True
            return True
        self._failures += 1
        is_refused = is_refusal(result)
        if is_refused or self._failures == FAILURES:
            self._complain(explain(f"send it to {self._remote}", result.err))
        return not is_refused

    def _write_mark(self) -> None:
        if not self._is_marked:  # what is there is of a process before, whose run goes on
            self._is_marked = True
            self._mark.parent.mkdir(exist_ok=True)
            self._mark.write_text(json.dumps({"remote": self._remote, "owner": current_owner()}))

    def _complain(self, why: str) -> bool:
        with suppress(OSError):
            (self._journal / TROUBLE).write_text(why)
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
