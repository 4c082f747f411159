"""How git is started: list arguments, a clean environment, and its failures in one line."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gittrack.errors import RepositoryError, UsageError, of_machine

MINIMUM_GIT = (2, 34)

# What `git rev-parse --local-env-vars` names, less the GIT_CONFIG_* that carry a user's own
# settings (safe.directory in containers), and the author that `git commit` exports to hooks.
_HOOK_VARIABLES = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE", "GIT_AUTHOR_DATE", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_NAME", "GIT_COMMITTER_DATE",
    "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
})  # fmt: skip

_HINTS = (
    ("dubious ownership", "run: git config --global --add safe.directory <that folder>"),
    ("No space left on device", "free some space"),
    ("Disk quota exceeded", "free some space"),
    ("Read-only file system", "make the repository writable"),
    ("Permission denied", "make the repository writable"),
    ("insufficient permission", "make the repository writable"),
    ("gpg failed to sign", "check git's signing set-up, or set commit.gpgsign to false"),
    ("unable to auto-detect email address", "run: git config user.email you@example.com"),
    ("File exists", "another git process holds a lock; if none runs, remove that .lock file"),
)


class GitResult(NamedTuple):
    """What a git process left: exit status and output."""

    code: int
    out: bytes
    err: bytes


def outside_environment() -> dict[str, str]:
    """The process's environment without what git exports to hooks: git then goes by the directory."""
    return {k: v for k, v in os.environ.items() if k not in _HOOK_VARIABLES}


def clean_environment() -> dict[str, str]:
    """`outside_environment` for git itself: English messages, no optional locks, no replaced objects."""
    env = outside_environment()
    env.update(LC_ALL="C", GIT_OPTIONAL_LOCKS="0", GIT_NO_REPLACE_OBJECTS="1", GIT_LITERAL_PATHSPECS="1")
    return env


def quarantine() -> dict[str, str]:
    """Where git keeps what is being pushed until pre-receive has agreed: for that hook alone.

    Every other process reads the repository's own objects, whatever its environment says.
    """
    names = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
    return {name: os.environ[name] for name in names if name in os.environ}


@functools.lru_cache(maxsize=8)
def program(path: str | None) -> str:
    """Where git is on PATH, looked for once: each process would try every folder of it anew."""
    import shutil

    git = shutil.which("git", path=path)
    return os.path.abspath(git) if git else "git"  # noqa: PTH100  (a link stays one)


def spawn(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path | None, data: bytes | None
) -> GitResult:
    try:
        process = subprocess.run(
            [program(env.get("PATH")), *arguments],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            cwd=cwd,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise UsageError(f"no such directory: {cwd}") from error
        raise RepositoryError("git is not on PATH: install git 2.34 or newer") from error
    except (NotADirectoryError, PermissionError) as error:
        raise UsageError(f"cannot use directory {cwd}: {error.strerror}") from error
    except OSError as error:
        raise of_machine(error, "start git") from error
    return GitResult(process.returncode, process.stdout, process.stderr)


def explain(action: str, err: bytes) -> str:
    """One line of what git said went wrong with `action`, and what to do where that is known."""
    lines = [line for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
    first = next(
        (x for x in lines if x.startswith(("fatal:", "error:"))), lines[0] if lines else "no message"
    )
    message = re.sub(r"^(?:fatal|error): ", "", first)
    text = err.decode("utf-8", "replace")
    hint = next((todo for sign, todo in _HINTS if sign in text), "")
    return f"git could not {action}: {message}" + (f"; {hint}" if hint else "")
