"""Whoever dies, this process cleans up: ``python -P -m gittrack.running.executor.janitor COMMON_DIR FOLDER``.

It waits until its standard input is closed, which the kernel does for a caller that was killed too.
Then it ends the workers, and removes their work trees and the folder. It imports little, so that it is
there at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gittrack.reading.journal.owner import is_alive, owner_of

GRACE_S = 10.0
"""Time that a worker has to record its run as killed."""


def main(common_dir: str, folder: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():  # a scheduler such as Ray kills the children of the process that it ends
        os._exit(0)
    sys.stdin.buffer.read()
    clean(Path(common_dir), Path(folder))


def clean(common_dir: Path, folder: Path) -> None:
    """End what still runs for `folder`, and leave nothing of it, in git's list of work trees either."""
    end_sessions(folder / "sessions")
    end_containers(folder)
    for admin in (common_dir / "worktrees").glob(f"{folder.name}-*"):
        shutil.rmtree(admin, ignore_errors=True)
    with suppress(OSError):
        (common_dir / "worktrees").rmdir()  # only if it is empty
    _remove(folder)


def end_sessions(listed: Path) -> None:
    """Ask the worker that leads each session to end, then make all that is in it.

    A session whose leader is gone counts as well: its number is given to no other while it has members.
    """
    owners = {int(file.name): json.loads(file.read_text()) for file in listed.glob("[0-9]*")}
    living = {session: owner for session, owner in owners.items() if is_alive(owner)}
    orphaned = {session for session, owner in owners.items() if _is_orphan(session, owner)}
    for session in living:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(session, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while any(map(is_alive, living.values())) and time.monotonic() < until:
        time.sleep(0.05)
    kill_sessions(orphaned.union(living))


def kill_sessions(sessions: Collection[int]) -> None:
    """Make every process of these sessions end at once."""
    for process in _processes() if sessions else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process) in sessions:
                os.kill(process, signal.SIGKILL)


def end_containers(folder: Path, number: int | None = None) -> None:
    """Run what ends the containers of a task, or of all: they outlive the program that started them."""
    for file in folder.glob("*.ending" if number is None else f"{number}.ending"):
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            command = json.loads(file.read_text())
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        file.unlink(missing_ok=True)


def _is_orphan(session: int, owner: Mapping[str, Any]) -> bool:
    """Whether the leader is gone (a zombie is), and the number still means the same on this machine."""
    now = owner_of(session)
    return now["started"] is None and all(owner.get(n) == now[n] for n in ("boot", "host", "namespace"))


def _processes() -> list[int]:
    if Path("/proc/self").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    import psutil

    return list(psutil.pids())


def _remove(folder: Path) -> None:
    """Read-only folders, as a build may leave them, are made writable first."""
    for above, folders, _ in os.walk(folder):
        for name in folders:
            with suppress(OSError):
                path = Path(above, name)
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
