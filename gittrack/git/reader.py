"""Objects by name, from one long-lived `git cat-file --batch` process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from gittrack.errors import RepositoryError
from gittrack.git.objects import GitObject, TreeEntry, parse_tree

MAX_BYTES = 64 << 20
"""Of a larger object, which nothing of ours is, only so much is read; every reader refuses it then."""

AHEAD_BYTES = 32 << 20


class ObjectReader:
    """Answers in the order asked; the process starts with the first question.

    Nobody is asked for the ids in `absent`: git would go and fetch them.
    """

    def __init__(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        object_format: str,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        self._start = start
        self._absent = absent
        self._object_format = object_format
        self._process: subprocess.Popen[bytes] | None = None
        self._ahead: dict[str, GitObject | None] = {}

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            self._process = self._start()
        if self._process.stdin is None or self._process.stdout is None:
            raise RepositoryError("git cat-file has no pipes")
        return self._process.stdin, self._process.stdout

    def get(self, name: str) -> GitObject | None:
        """The object that `name` (id, ``ref``, ``rev:path``, ``rev^{tree}``) means, or None."""
        if name in self._ahead:
            return self._ahead[name]
        return next(self.get_many([name]))

    def read_ahead(self, ids: Sequence[str]) -> None:
        """Keep these objects for `get`, until the next call; those that are too many bytes are read again."""
        self._ahead = {}
        left = AHEAD_BYTES
        for oid, item in zip(ids, self.get_many(ids), strict=True):
            left -= 0 if item is None else len(item.data)
            if left >= 0:
                self._ahead[oid] = item

    def get_many(self, names: Iterable[str]) -> Iterator[GitObject | None]:
        """`get` for each of `names`, in order, without waiting for git between two of them."""
        chunk: list[str] = []
        for name in names:
            chunk.append(name)
            if len(chunk) == 256:
                yield from self._ask(chunk)
                chunk = []
        if chunk:
            yield from self._ask(chunk)

    def _ask(self, names: Sequence[str]) -> Iterator[GitObject | None]:
        stdin, stdout = self._pipes()
        questions = [n for n in names if self._is_name(n)]
        try:
            stdin.write(b"".join(os.fsencode(n) + b"\n" for n in questions))
            stdin.flush()
        except BrokenPipeError as error:
            raise RepositoryError("git cat-file ended early: run git fsck") from error
        for name in names:
            yield self._answer(stdout) if self._is_name(name) else None

    def _is_name(self, name: str) -> bool:
        return "\n" not in name and name not in self._absent

    @staticmethod
    def _answer(stdout: IO[bytes]) -> GitObject | None:
        header = stdout.readline()
        parts = header.rsplit(b" ", 2)
        if not header.endswith(b"\n"):
            raise RepositoryError("git could not read an object: it is damaged; run git fsck")
        if len(parts) < 3 or header.endswith((b" missing\n", b" ambiguous\n")):
            return None
        left = int(parts[2]) + 1
        data = stdout.read(min(left, MAX_BYTES))
        left -= len(data)
        while left > 0 and (skipped := stdout.read(min(left, 1 << 20))):
            left -= len(skipped)
        if left:
            raise RepositoryError(f"git could not read object {parts[0].decode()}: run git fsck")
        is_whole = int(parts[2]) < MAX_BYTES
        return GitObject(parts[0].decode(), parts[1].decode(), data[:-1] if is_whole else data)

    def tree(self, name: str) -> dict[str, TreeEntry] | None:
        """The entries of the tree that `name` means (a tree id, ``commit^{tree}``); None if there is none."""
        item = self.get(name)
        if item is None or item.kind != "tree":
            return None
        return parse_tree(item.data, self._object_format)

    def close(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()
            self._process = None
