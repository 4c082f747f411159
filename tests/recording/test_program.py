"""A wrapped command: its output passed on, its tail kept, its end judged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.recording.program import (
    TAIL_BYTES,
    CommandNotExecutable,
    CommandNotFound,
    Program,
    Tail,
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


# --- the tail ------------------------------------------------------------------------------


def tail_of(*chunks: bytes) -> tuple[bytes, bool]:
    tail = Tail()
    for chunk in chunks:
        tail.add(chunk)
    return tail.text({})


@rows(
    ("chunks", "kept"),
    [
        ([b"one\ntwo\n"], b"one\ntwo\n"),
        ([b"one\r\ntwo\r\n"], b"one\ntwo\n"),
        ([b"one\r", b"\ntwo"], b"one\ntwo"),
        ([b"\r10%\r20%\r100%\n", b"done\n"], b"100%\ndone\n"),
        ([b"\r10%", b"\r2", b"0%", b"\r100%\r"], b"100%"),
        ([b"no newline"], b"no newline"),
        ([b"\xff\xfe\n"], "��\n".encode()),
        (["ü".encode()[:1], "ü".encode()[1:]], "ü".encode()),
        ([], b""),
    ],
)
def test_what_a_person_saw(chunks: list[bytes], kept: bytes) -> None:
    """Progress bars are what they were at last, however the bytes came."""
    assert tail_of(*chunks) == (kept, False)


def test_long_progress_bar_pushes_nothing_out() -> None:
    """Megabytes of one rewritten line leave the lines before it."""
    tail = Tail()
    tail.add(b"epoch 1: loss 0.5\n")
    for percent in range(20_000):
        tail.add(b"\r%5d " % percent + b"#" * 200, 2)
        if percent == 10_000:
            tail.add(b"epoch 2: loss 0.4\n")
    text, cut = tail.text({})
    assert text.startswith(b"epoch 1: loss 0.5\nepoch 2: loss 0.4\n19999 ###")
    assert not cut


@rows("piece", [b"0123456789abcde\n", b"0123456789abcdef", b"x" * 65536])
def test_tail_is_bounded(piece: bytes) -> None:
    """64 KiB of the end, in bounded memory, with lines or without."""
    tail = Tail()
    for _ in range((8 << 20) // len(piece)):
        tail.add(piece)
    text, cut = tail.text({})
    assert cut
    assert TAIL_BYTES - 64 < len(text) <= TAIL_BYTES
    held = sum(map(len, tail._chunks)) + sum(map(len, tail._open.values()))
    assert held < 16 * TAIL_BYTES


def test_tail_is_scrubbed() -> None:
    """No secret of the environment stays, even if it came in two pieces."""
    tail = Tail()
    tail.add(b"key is abcdef")
    tail.add(b"123456 here\n")
    assert tail.text({"MY_TOKEN": "abcdef123456"})[0] == b"key is *** here\n"
