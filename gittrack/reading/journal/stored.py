"""The journal of a run as another process, or a later one, finds it on disk."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.errors import RecordError
from gittrack.reading.journal.events import POINTS, Kind
from gittrack.reading.journal.owner import is_alive

HEARTBEAT = "heartbeat"
"""The file whose time of change is a run's last sign of life."""

HELD = "held"
"""The file that names the sign by which a queue stops the run; in the queue's own folder."""

STANDING = "standing.json"
"""The file that says where the run stood when its last process took it up; see `resume`."""


def journals_dir(state_dir: Path) -> Path:
    return state_dir / "journal"


class StoredJournal:
    """A journal as another process (or a later one) finds it on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = folder.name

    @property
    def alive(self) -> bool | None:
        """Whether an owner still runs it; None when that cannot be told from here."""
        if (self.folder / "ended").exists():
            return False
        states = {is_alive(_read_json(path)) for path in named(self.folder, "owner-", ".json")}
        return True if True in states else None if None in states else False

    @property
    def program_runs(self) -> bool:
        """Whether the program of a `gittrack run` that is gone still runs, on this machine."""
        return any(is_alive(_read_json(path)) for path in self.folder.glob("program-*.json"))

    @property
    def start(self) -> dict[str, Any]:
        return _read_json(self.folder / "start.json")

    @property
    def standing(self) -> dict[str, Any]:
        """Where a run stands that goes on, or that takes up another; empty for one that began anew."""
        try:
            return _read_json(self.folder / STANDING)
        except RecordError:
            if (self.folder / STANDING).exists():
                raise
            return {}

    @property
    def is_again(self) -> bool:
        """Whether this is not the first attempt of the run."""
        return bool(self.standing.get("attempt", 1) > 1)

    @property
    def environment(self) -> bytes:
        return (self.folder / "environment.yaml").read_bytes()

    @property
    def console(self) -> tuple[bytes, bool] | None:
        """The tail of the output and whether it is cut at the front."""
        try:
            data = (self.folder / "console.txt").read_bytes()
        except FileNotFoundError:
            return None
        return data[1:], data[:1] == b"+"

    def beside(self, name: str) -> bytes | None:
        """What will lie beside the record under that name, as far as there is something yet."""
        try:
            if name == "console.txt":
                return None if self.console is None else self.console[0]
            return self.environment if name == "environment.yaml" else None
        except FileNotFoundError:
            return None

    def events(self) -> Iterator[list[Any]]:
        """All events, each process's in its own order; a line torn by a crash ends its file."""
        import orjson

        for path in event_files(self.folder):
            with path.open("rb") as lines:
                for line in lines:
                    try:
                        event = orjson.loads(line) if line.startswith(POINTS) else json.loads(line)
                    except ValueError:
                        break
                    yield event

    @property
    def is_held(self) -> bool:
        """Whether a scheduler's queue has the run: it may be begun again, and is over when that says so."""
        try:
            sign = (self.folder / HELD).read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        return Path(sign).parent.is_dir()

    def own_events(self) -> Iterator[list[Any]]:
        """The events of the last attempt, but for points."""
        own: list[list[Any]] = []
        for event in self.events():
            if event[0] == Kind.ATTEMPT:
                own = []
            elif event[0] != Kind.METRICS:
                own.append(event)
        return iter(own)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time decides what becomes of a journal whose owner is gone.

        BlockingIOError where another one does, FileNotFoundError where another one has.
        """
        with (self.folder / "recover.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self.folder.is_dir():
                raise FileNotFoundError(self.folder)
            yield

    def last_sign(self) -> float:
        """When a process of the run last gave a sign of life, seconds since the epoch."""
        signs = [self.folder / HEARTBEAT]
        if not signs[0].exists():  # a journal of old
            signs = [self.folder / "start.json", *self.folder.glob("events-*.jsonl")]
        return max(path.stat().st_mtime for path in signs)

    def give_up(self) -> None:
        """The run has ended and its owner could not commit it: anybody may, though the owner lives on."""
        with contextlib.suppress(OSError):  # then recover waits for the owner to be gone
            (self.folder / "ended").touch()

    def remove(self) -> None:
        """Take the journal away: at once for other processes, then from the disk."""
        gone = self.folder.with_name(f".done-{self.run_id}")
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _place(path: Path) -> tuple[int, str]:
    """Files of events in the order in which they were begun, also from the thousandth on."""
    number = path.name.split("-")[1]
    return (int(number) if number.isdecimal() else 0), path.name


def named(folder: Path, start: str, end: str) -> list[Path]:
    """The files of `folder` whose names begin and end so, in order; none where it is gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  (a list of runs asks for many, and globbing takes ten times as long)
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if name.startswith(start) and name.endswith(end)]


def event_files(folder: Path) -> list[Path]:
    """Those with the events of a journal, of each process one or more, in the order they were begun."""
    return sorted(named(folder, "events-", ".jsonl"), key=_place)


def journals(state_dir: Path) -> list[StoredJournal]:
    """The journals on disk, oldest first. Nothing is touched."""
    try:
        folders = sorted(path for path in journals_dir(state_dir).iterdir() if path.name[0] != ".")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [StoredJournal(folder) for folder in folders if folder.is_dir()]


def stored_journals(state_dir: Path) -> list[StoredJournal]:
    """`journals`; leftovers of a crash inside gittrack are cleared away."""
    for folder in journals_dir(state_dir).glob(".*-*"):
        if folder.name.startswith(".done-"):
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.name.startswith(".new-"):
            _clear_draft(folder)
    return journals(state_dir)


def _clear_draft(folder: Path) -> None:
    """A draft whose process died before the run began holds nothing that was ever reported."""
    pid = folder.name.split("-")[1]
    if not Path(f"/proc/{pid}").exists() or not Path("/proc/self").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: journal is damaged: {error}") from error
    if not isinstance(content, dict):
        raise RecordError(f"{path}: journal is damaged")
    return content
