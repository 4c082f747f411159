"""git as verify asks it: nothing that a clone can be made to believe, and output in bounded pieces.

Grafts, replace refs and commit-graph files can make git tell a history that the objects do not;
a partial clone fetches what it lacks. None of that happens in processes that start here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator

from gittrack.errors import RepositoryError
from gittrack.git.repository import Repository, explain

MAX_ENTRIES = 5_000_000
"""Of more files than these, which only a tree that names itself many times over has, nothing is read."""
MAX_PATH = 8192

_SETTINGS = (("core.commitGraph", "false"), ("advice.graftFileDeprecated", "false"))


class BareFacts(Repository):
    """A repository whose objects alone count."""

    def environment(self, **extra: str) -> dict[str, str]:
        env = super().environment(**extra)
        at = int(env.get("GIT_CONFIG_COUNT") or 0)
        for number, (key, value) in enumerate(_SETTINGS, at):
            env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = key, value
        env["GIT_CONFIG_COUNT"] = str(at + len(_SETTINGS))
        env.update(GIT_GRAFT_FILE=os.devnull, GIT_NO_LAZY_FETCH="1")
        return env

    @classmethod
    def of(cls, repository: Repository) -> BareFacts:
        """`repository`, asked without any of that."""
        return cls(
            repository.git_dir,
            repository.common_dir,
            repository.worktree,
            repository.object_format,
            variables=repository.variables,
        )

    def records(self, *arguments: str, doing: str, data: bytes = b"", end: bytes = b"\0") -> Iterator[bytes]:
        """What git prints, cut at `end`, as it comes; RepositoryError when git fails or does not end."""
        self.process_count += 1
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write(data)
            stdin.seek(0)
            process = subprocess.Popen(
                ["git", *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self.environment(),
                cwd=self.top,
            )
            try:
                yield from _cut(process, end, doing)
                if process.wait() != 0:
                    stderr.seek(0)
                    raise RepositoryError(explain(doing, stderr.read(65536)))
            finally:
                if process.stdout is not None:
                    process.stdout.close()
                process.kill()
                process.wait()


def _cut(process: subprocess.Popen[bytes], end: bytes, doing: str) -> Iterator[bytes]:
    if process.stdout is None:
        raise RepositoryError(f"git could not {doing}: it has no output")
    partial = b""
    count = 0
    while data := os.read(process.stdout.fileno(), 1 << 18):
        *complete, partial = (partial + data).split(end)
        count += len(complete)
        if count > MAX_ENTRIES or len(partial) > MAX_PATH:
            raise RepositoryError(f"git could not {doing}: there are more or longer names than a ledger has")
        yield from complete
    if partial:
        yield partial
