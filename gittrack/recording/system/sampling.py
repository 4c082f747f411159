"""Samples of the use of the machine, in a thread, on their way into the journal of a run.

``system-<number>-<pid>.jsonl`` in the journal's folder: what the columns are of, then a line a sample,
``[elapsed, seconds since the sample before or null, {column: value}]``. It is a file of its own, so that
neither the program's logging nor those who follow it have to do with it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.git.shared import as_folder
from gittrack.recording.journal import Journal

if TYPE_CHECKING:
    from gittrack.recording.system.counters import Values

VARIABLE = "GITTRACK_SYSTEM_METRICS"
EVERY_S = 10.0
MINUTE_S = 60.0
"""What runs shorter is not recorded, and leaves no file."""
SHARE = 0.002
"""Of a core that all samplers of a process may take together."""
PATIENCE_S = 1.0
"""For the last sample, when the run ends: a driver may hang."""
_MOST_WAITING = 10_000
"""Samples kept in memory while the disk is full; then the oldest go."""
_SHORTEST_S, _LONGEST_S = 1.0, 3600.0
_ELSEWHERE = frozenset(
    {"docker", "podman", "nerdctl", "kubectl", "ssh", "srun", "sbatch", "qsub", "bsub", "ray"}
)
"""Commands whose work is done by processes that are not below them."""


class Looks(Protocol):
    """As `readings.Readings`."""

    @property
    def devices(self) -> dict[str, Any]: ...
    def take(self, seconds: float | None) -> Values: ...
    def close(self) -> None: ...


def interval_of(given: object, config: Config) -> float | None:
    """Seconds between samples, None for none: as `given`, as GITTRACK_SYSTEM_METRICS or gittrack.yaml says.

    UsageError for what is neither on, off nor a number of seconds from 1 to 3600.
    """
    variable = os.environ.get(VARIABLE, "").strip().lower()
    where, said = next(
        (source, value)
        for source, value in (
            ("system_metrics", given),
            (VARIABLE, variable or None),
            ("system_metrics", config.system_metrics),
        )
        if value is not None
    )
    if said in (True, False, "on", "off", "true", "false") and type(said) in (bool, str):
        return EVERY_S if said in (True, "on", "true") else None
    with suppress(ValueError):
        seconds = float(said) if isinstance(said, (int, float, str)) else 0.0
        if _SHORTEST_S <= seconds <= _LONGEST_S:
            return seconds
    raise UsageError(f"{where} is on, off or the seconds between samples (1 to 3600), not {said!r}")


def is_below(command: Sequence[str]) -> bool:
    """Whether the work of a command is done by it and the processes below it."""
    return Path(command[0]).name not in _ELSEWHERE


class Sampling:
    """The samples of one run. `look` makes what they are read from; `cost` counts the seconds they take."""

    def __init__(
        self,
        journal: Journal,
        every: float,
        elapsed: Callable[[], float],
        look: Callable[[], Looks],
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._journal = journal
        self.every = every
        self._elapsed, self._cost, self._look = elapsed, cost, look
        self._began = elapsed()
        self._looks: Looks | None = None
        self._last: float | None = None
        self._head = b""
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._file: int | None = None
        self._why = ""
        self._closed = False

    @property
    def first(self) -> float:
        """Seconds until the first sample."""
        return min(self.every, EVERY_S)

    def take(self) -> float | None:
        """Take a sample; seconds to wait for the next. None where there will be none: that is said then."""
        try:
            if self._looks is None:
                self._looks = self._look()
                self._head = _line({"every": self.every, **self._looks.devices})
            before = self._cost()
            self._sample(self._looks)
            return max(self.every, (self._cost() - before) * max(_running, 1) / SHARE)
        except Exception as error:  # of a driver, say: the training has nothing to do with it
            why = f"{type(error).__name__}: {error}"
            self._journal.not_recorded(f"system metrics from {self._elapsed():.0f} s on", why)
            return None

    def _sample(self, looks: Looks) -> None:
        now = self._elapsed()
        seconds = None if self._last is None else round(now - self._last, 3)
        self._last = now
        self._waiting.append(_line([round(now, 3), seconds, looks.take(seconds)]))
        if now - self._began >= MINUTE_S and not self._closed:
            try:
                self._write()
            except OSError as error:  # a full disk: tried again with the next
                self._why = error.strerror or str(error)

    def _write(self) -> None:
        if self._file is None:
            folder = self._journal.folder
            number = sum(1 for _ in folder.glob("system-*.jsonl"))
            path = folder / f"system-{number:03d}-{os.getpid()}.jsonl"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o644)
            as_folder(path)
        size = os.fstat(self._file).st_size
        data = b"".join([b"" if size else self._head, *self._waiting])
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError("the disk is full")
        except OSError:
            os.ftruncate(self._file, size)
            raise
        self._waiting.clear()

    def end(self) -> None:
        """A last sample, so that the others are of the whole run but its beginning."""
        if self._looks is not None and not self._closed:
            self.take()
            self._looks.close()
            if self._file is not None:
                os.close(self._file)

    def close(self, *, hangs: bool) -> None:
        """Write nothing more, though a sample is being taken, as where a driver `hangs`; say what is lost."""
        self._closed = True
        why = "the machine did not answer when the run ended" if hangs else self._why
        if (hangs or self._waiting) and why and self._elapsed() - self._began >= MINUTE_S:
            self._journal.not_recorded("last system metrics", why)


def _line(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


_running = 0
"""Samplers of this process."""


def _forget_samplers() -> None:
    """In a fork, which has no threads of its parent."""
    global _running
    _running = 0


os.register_at_fork(after_in_child=_forget_samplers)


class Sampler:
    """Samples in a thread, from now until `stop`."""

    def __init__(self, sampling: Sampling) -> None:
        global _running
        self._sampling = sampling
        self._pid = os.getpid()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gittrack-system", daemon=True)
        self._thread.start()
        _running += 1

    def _run(self) -> None:
        pause: float | None = self._sampling.first
        while pause is not None:
            if self._over.wait(pause):
                self._sampling.end()
                return
            pause = self._sampling.take()

    def stop(self) -> None:
        """Take a last sample, for which it waits a second at most; nothing in a fork, where no thread is."""
        global _running
        if os.getpid() != self._pid or self._over.is_set():
            return
        self._over.set()
        _running -= 1
        self._thread.join(PATIENCE_S)
        self._sampling.close(hangs=self._thread.is_alive())


def start(
    journal: Journal, pid: int | None, elapsed: Callable[[], float], every: float | None
) -> Sampler | None:
    """Sample what the run of process `pid` uses, see `readings.Readings`; None where nobody wants that."""
    if every is None:
        return None

    def look() -> Looks:
        from gittrack.recording.system.readings import Readings

        return Readings(pid)

    try:
        return Sampler(Sampling(journal, every, elapsed, look))
    except RuntimeError as error:  # no further thread can be started
        journal.not_recorded("system metrics", str(error))
        return None


@contextmanager
def sampled(
    journal: Journal, pid: int | None, elapsed: Callable[[], float], every: float | None
) -> Iterator[None]:
    """Sample within the block."""
    sampler = start(journal, pid, elapsed, every)
    try:
        yield
    finally:
        if sampler is not None:
            sampler.stop()
