"""No test sees the machine that it runs on: neither its variables nor its signals, umask or time zone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import machine

SIGHT = """
import json, os, signal
names = {"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGCHLD", "SIGUSR1", "SIGALRM", "SIGTSTP"}
status = open("/proc/self/status").read() if os.path.exists("/proc/self/status") else ""
masks = dict(line.split(":\\t") for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk")))
ignored = {name for name in names if int(masks.get("SigIgn", "0"), 16) >> getattr(signal, name) - 1 & 1}
print(json.dumps([sorted(os.environ), sorted(ignored), int(masks.get("SigBlk", "0"), 16)]))
"""


def test_a_program_sees_only_what_a_test_is_meant_to_see() -> None:
    """No variable that is not allowed, and no signal ignored but what Python itself ignores, or blocked."""
    done = subprocess.run([sys.executable, "-c", SIGHT], capture_output=True, text=True, check=True)
    names, ignored, blocked = json.loads(done.stdout)
    meant = machine.CONSTANT.keys() | {"HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GIT_CONFIG_GLOBAL"}
    extra = [n for n in names if not machine.is_allowed(n) and n not in meant | {"DVC_SITE_CACHE_DIR"}]
    assert [name for name in extra if name != "LC_CTYPE"] == [], "LC_CTYPE is Python's own"
    assert set(ignored) <= {"SIGPIPE"} and blocked == 0


def test_clock_umask_and_language_are_the_same_everywhere(tmp_path: Path) -> None:
    """UTC, files that all may read, UTF-8."""
    assert time.tzname[0] == "UTC" and time.localtime(0).tm_hour == 0
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert sys.getfilesystemencoding() == "utf-8" and os.environ["LANG"] == "C.UTF-8"


@pytest.mark.parametrize("start", ["trap '' INT HUP QUIT CHLD TERM; ", "umask 077; "])
def test_whoever_starts_the_tests_decides_nothing(start: str) -> None:
    """The same two tests again, by somebody who ignores signals and has variables of every kind."""
    hostile = {"PMI_RANK": "1", "OPENBLAS_CORETYPE": "Haswell", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"}
    command = (
        f"{start}exec '{sys.executable}' -m pytest -p no:cacheprovider -k 'sees_only or same_everywhere'"
    )
    done = subprocess.run(
        ["sh", "-c", f"{command} '{__file__}'"],
        env=os.environ | hostile,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout
