"""Runs the tools that build environments: clean variables, a log, a time limit, failures in one line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import RepositoryError, UsageError
from gittrack.formats.scrub import scrub_arguments, scrub_text
from gittrack.git.repository import outside_environment

OURS = (
    "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER",
    "CONDA_SHLVL", "CONDA_EXE", "CONDA_PYTHON_EXE", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP",
    "PYTHONUSERBASE", "__PYVENV_LAUNCHER__", "UV_PROJECT_ENVIRONMENT", "POETRY_ACTIVE", "PIPENV_ACTIVE",
)  # fmt: skip
"""What says that gittrack itself is in an environment: of no meaning inside another one."""

# What would send a tool elsewhere than `home`, or make it do something else. Indexes, proxies,
# credentials, caches and certificates stay: without them many a lock cannot be fetched.
_MISLEADING = re.compile(
    "GITTRACK_.*|PYTHON[A-Z].*|CONDA_PREFIX_[0-9]+|_CE_.*"
    "|PIP_(CONSTRAINT|DRY_RUN|EDITABLE|LOG|NO_DEPS|PREFIX|PYTHON|QUIET|REQUIREMENT|ROOT|TARGET|UPGRADE)"
    "|UV_(ENV_FILE|FROZEN|LOCKED|NO_SYNC|PROJECT|SYSTEM_PYTHON|TARGET|WORKING_DIR(ECTORY)?)"
    "|POETRY_(VIRTUALENVS_.*|INSTALLER_NO_.*)"
)
_TAIL_BYTES = 1 << 18
_LONGEST = 400


def find_tool(*names: str, hint: str) -> str:
    """The absolute path of the first of these programs that is on PATH. UsageError if none is."""
    for name in names:
        program = shutil.which(name)
        if program:
            return str(Path(program).absolute())
    who = f"{names[0]} is not" if len(names) == 1 else f"none of {', '.join(names)} is"
    raise UsageError(f"{who} installed: {hint}, or take --env current")


def answers(command: Sequence[str]) -> bool:
    """Whether a quick question to a program, such as for its version, is answered with exit status 0."""
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_kept(),
            cwd="/",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return process.returncode == 0


def find_python(version: str | None) -> tuple[str, str]:
    """The interpreter to make a virtual environment with, and a remark if it is not of `version` (X.Y)."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version in (None, own):
        return sys.executable, ""
    program = shutil.which(f"python{version}")
    if program and answers([program, "-c", "import venv"]):  # a shim of pyenv may be there and lead nowhere
        return str(Path(program).absolute()), ""
    return sys.executable, f"Python {version} is not installed here: {own} is used"


def downloads_python() -> bool:
    """Whether the user lets uv fetch interpreters. Unasked, none is."""
    return os.environ.get("UV_PYTHON_DOWNLOADS", "never") in ("automatic", "auto", "true", "1")


def _kept() -> dict[str, str]:
    return {k: v for k, v in outside_environment().items() if k not in OURS and not _MISLEADING.fullmatch(k)}


def tool_environment(home: Path) -> dict[str, str]:
    """The variables for all tools: our own environment hidden, everything they make below `home`."""
    fixed = {
        "VIRTUAL_ENV": str(home / "env"),
        "UV_PROJECT_ENVIRONMENT": str(home / "env"),
        "POETRY_VIRTUALENVS_PATH": str(home / "poetry"),
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_NO_INTERACTION": "1",
        "PIP_USER": "0",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "TMPDIR": str(home / "tmp"),
        "COLUMNS": "500",
        "NO_COLOR": "1",
    }
    return {"UV_PYTHON_DOWNLOADS": "never", **_kept(), **fixed}


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs one tool after the other until `deadline` (by time.monotonic)."""

    doing: str
    """Such as ``build the environment of uv.lock``; part of every message."""
    cwd: Path
    env: Mapping[str, str]
    log: Path
    deadline: float

    def __call__(self, command: Sequence[str]) -> str:
        """Run `command`, its output into the log; what it printed, at most the last 256 KiB.

        RepositoryError, with the tool's own words and where the log is, when it cannot be started,
        fails, or takes too long; nothing that it started is left running then.
        """
        name = Path(command[0]).name
        code, output = self._run(command, name)
        if code != 0:
            raise self.failure(name, last_words(output) or f"it ended with {code} and said nothing")
        return output

    def failure(self, name: str, why: str) -> RepositoryError:
        why = scrub_text(why, self.env)[:_LONGEST]
        return RepositoryError(f"{name} could not {self.doing}: {why}; the log is {self.log}")

    def _run(self, command: Sequence[str], name: str) -> tuple[int, str]:
        with os.fdopen(os.open(self.log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as log:
            log.write(f"$ {' '.join(scrub_arguments(command, self.env))}\n".encode())
            log.flush()
            start = log.seek(0, os.SEEK_END)
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    cwd=self.cwd, env=self.env, process_group=0,
                )  # fmt: skip
            except OSError as error:
                raise self.failure(name, (error.strerror or str(error)).lower()) from error
            code = self._wait(process, name)
            log.seek(max(start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return code, log.read().decode("utf-8", "replace")

    def _wait(self, process: subprocess.Popen[bytes], name: str) -> int:
        try:
            return process.wait(max(0.0, self.deadline - time.monotonic()))
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise self.failure(name, "it took too long and was stopped") from None
            raise


# --- what a tool said ----------------------------------------------------------------------

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ERROR = re.compile(r"(?:(?i:error|fatal):|(?:error|critical)\s+libmamba|\s*×)\s+(.*\S)")
_EXCEPTION = re.compile(r"((?:\w+\.)*[A-Z]\w*(?:Error|Exception|NotFound): .*\S)")
_CAUSE = re.compile(r"\s*(?:cause:|Caused by:|[├╰]─[▶>])\s+(.*\S)")
_POETRY = re.compile(r"(?m)^  (?:\w+(?:Error|Exception))\n\n  (\S.*)$")
_HINTS = (
    ("ensurepip is not available", "install its venv module (python3-venv on Debian)"),
    ("No space left on device", "free some space"),
)


def last_words(output: str) -> str:
    """What a tool said went wrong, as one line: its last error with the cause, else its last paragraph."""
    output = _COLOUR.sub("", output)
    lines = [line.rstrip() for line in output.splitlines()]
    message = _poetry_said(output) or _error_said(lines) or _last_paragraph(lines)
    hint = next((todo for sign, todo in _HINTS if sign in output), "")
    return " ".join((f"{message}; {hint}" if hint else message).split())


def _poetry_said(output: str) -> str:
    match = _POETRY.search(output)
    return match[1] if match else ""


def _error_said(lines: Sequence[str]) -> str:
    errors = [(at, m[1]) for at, x in enumerate(lines) if (m := _ERROR.match(x) or _EXCEPTION.match(x))]
    if not errors:
        return ""
    at, head = errors[-1]
    causes = [m[1] for line in lines[at + 1 :] if (m := _CAUSE.match(line))]
    if causes:
        return f"{head.rstrip('.')}: {causes[-1]}"
    sentence, dot, _ = head.partition(". ")
    after = lines[at + 1] if at + 1 < len(lines) else ""
    detail = after.strip().rstrip(":") if after.startswith("    ") else ""
    # pip shouts a paragraph, and then names the package below it.
    return f"{sentence}: {detail}" if detail else sentence if dot and len(head) > _LONGEST else head


def _last_paragraph(lines: Sequence[str]) -> str:
    paragraph: list[str] = []
    for line in reversed(lines):
        if line.strip():
            paragraph.insert(0, line)
        elif paragraph:
            break
    return " ".join(paragraph)
