"""A wrapped command: started, its output passed on, its end judged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.recording.program import (
    CommandNotExecutable,
    CommandNotFound,
    Program,
    check_command,
    exit_status,
    judge,
)
from tests.tables import rows


def test_commands_that_cannot_run(tmp_path: Path) -> None:
    """Nothing, nothing of that name, a folder and a plain file each get the shell's code."""
    (tmp_path / "plain").write_text("x")
    for command, kind, code in (
        ([], UsageError, 2),
        (["no-such-program-anywhere"], CommandNotFound, 127),
        ([str(tmp_path / "nothing")], CommandNotFound, 127),
        ([str(tmp_path)], CommandNotExecutable, 126),
        ([str(tmp_path / "plain")], CommandNotExecutable, 126),
    ):
        with pytest.raises(kind) as caught:
            check_command(command, tmp_path)
        assert caught.value.exit_code == code


@pytest.mark.parametrize("content", ["#!/no/such/interpreter\n", "\x7fELF of another machine"])
def test_programs_that_the_system_refuses(tmp_path: Path, content: str) -> None:
    """A missing interpreter and a foreign binary are only noticed when started."""
    program = tmp_path / "program"
    program.write_text(content)
    program.chmod(0o755)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CommandNotExecutable, match="cannot run"):
        Program([str(program)], dict(os.environ))
    assert signal.getsignal(signal.SIGTERM) is before


@rows(
    ("code", "status", "message"),
    [
        (0, "finished", None),
        (3, "failed", "exit status 3"),
        (130, "killed", "SIGINT"),
        (143, "killed", "SIGTERM"),
        (137, "killed", "SIGKILL"),
        (-signal.SIGTERM, "killed", "SIGTERM"),
        (-signal.SIGKILL, "killed", "SIGKILL"),
        (-signal.SIGSEGV, "failed", "SIGSEGV"),
    ],
)
def test_judgement(code: int, status: str, message: str | None) -> None:
    """What a return code says of the run."""
    ending = judge(code)
    assert (ending.status, ending.ended_by) == (status, "command")
    assert (ending.failure or {}).get("message") == message


def test_exit_status_is_the_shells() -> None:
    """128 + n for signal n."""
    assert [exit_status(c) for c in (0, 3, -9, -15)] == [0, 3, 137, 143]
