"""Whoever dies, this process cleans up: ``python -m gittrack.reproduce.janitor COMMON_DIR FOLDER``.

It waits until its standard input is closed, which the kernel does for a caller that was killed too.
Then it ends the workers, and removes their work trees and the folder. It imports little, so that it is
there at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from gittrack.journal.owner import is_alive

GRACE_S = 10.0
"""Time that a worker has to record its run as killed."""


def main(common_dir: str, folder: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clean(Path(common_dir), Path(folder))


def clean(common_dir: Path, folder: Path) -> None:
    """End what still runs for `folder`, and leave nothing of it, in git's list of work trees either."""
    end_sessions(folder / "sessions")
    for admin in (common_dir / "worktrees").glob(f"{folder.name}-*"):
        shutil.rmtree(admin, ignore_errors=True)
    with suppress(OSError):
        (common_dir / "worktrees").rmdir()  # only if it is empty
    _remove(folder)


def end_sessions(listed: Path) -> None:
    """Ask the worker that leads each session to end, then make all that is in it."""
    owners = {file: json.loads(file.read_text()) for file in listed.glob("[0-9]*")}
    living = {int(file.name): owner for file, owner in owners.items() if is_alive(owner)}
    for session in living:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(session, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while any(map(is_alive, living.values())) and time.monotonic() < until:
        time.sleep(0.05)
    for process in _processes():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process) in living:
                os.kill(process, signal.SIGKILL)


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
