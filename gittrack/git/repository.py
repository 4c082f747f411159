"""The only door to git: every question to git and every write goes through here.

git runs as a process with a list of arguments, never a shell, in an environment
cleaned of what git exports to hooks. `Repository.discover` asks once where things
are; after that each method is one git process, and says so where it is more.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gittrack.errors import RepositoryError, UsageError
from gittrack.git import filters
from gittrack.git.objects import GitObject, Signature, make_commit, make_pack
from gittrack.git.process import (
    GitResult,
    clean_environment,
    explain,
    outside_environment,
    program,
    quarantine,
    spawn,
)
from gittrack.git.reader import ObjectReader
from gittrack.git.shared import settle_at_exit
from gittrack.git.status import QUESTION, Change, Status, parse_status

if TYPE_CHECKING:
    from git import Repo

__all__ = [
    "Change",
    "GitResult",
    "ObjectReader",
    "Ref",
    "Repository",
    "Status",
    "clean_environment",
    "explain",
    "outside_environment",
    "quarantine",
]


class Ref(NamedTuple):
    """A ref as it stands: object id, and the work tree that has it checked out, if any."""

    oid: str
    checked_out: str | None


@dataclass
class Repository:
    """One git repository as seen from one of its work trees, or bare."""

    git_dir: Path
    common_dir: Path
    worktree: Path | None
    object_format: str
    process_count: int = field(default=0, compare=False)
    """git processes started through this object, so that tests and benchmarks can hold a number to it."""
    variables: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What git gets in its environment besides, such as `quarantine`."""
    absent: frozenset[str] = field(default=frozenset(), compare=False)
    """Objects that a partial clone left on its remote, where git is not to fetch them one by one."""
    failed_filters: set[str] = field(default_factory=set, compare=False)
    """Filters by which git failed."""

    @classmethod
    def discover(cls, start: Path | str | None = None, *, foreign: bool = False) -> Repository:
        """The repository that `start` (default: the current directory) lies in. One process.

        Of a `foreign` one nothing is changed, nor fetched.
        """
        env = clean_environment()
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"):
            if start is None and name in os.environ:
                env[name] = os.environ[name]
        questions = ["--git-dir", "--git-common-dir", "--show-object-format", "--show-toplevel"]
        where = None if start is None else Path(start)
        answer = spawn(["rev-parse", "--path-format=absolute", *questions], env, where, None)
        lines = os.fsdecode(answer.out).splitlines()
        if len(lines) < 3:
            if b"not a git repository" in answer.err:
                place = Path.cwd() if where is None else where.absolute()
                raise RepositoryError(f"not a git repository: {place}; run git init there, or go to one")
            raise RepositoryError(explain("open the repository", answer.err))
        top = Path(lines[3]) if len(lines) > 3 else None
        repository = cls(Path(lines[0]), Path(lines[1]), top, lines[2], process_count=1)
        if foreign:
            repository.variables = {"GIT_NO_LAZY_FETCH": "1"}
        else:
            settle_at_exit(repository)
        return repository

    @property
    def state_dir(self) -> Path:
        """gittrack's folder in the git directory that all work trees share."""
        return self.common_dir / "gittrack"

    @property
    def null_oid(self) -> str:
        return "0" * (40 if self.object_format == "sha1" else 64)

    @property
    def top(self) -> Path:
        """The work tree's top folder, or the git directory of a bare repository."""
        return self.worktree or self.git_dir

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment in which git (or a program that calls git) sees this repository and no other."""
        env = clean_environment()
        env["GIT_DIR"] = str(self.git_dir)
        if self.common_dir != self.git_dir:
            env["GIT_COMMON_DIR"] = str(self.common_dir)
        if self.worktree is not None:
            env["GIT_WORK_TREE"] = str(self.worktree)
        env.update(self.variables)
        env.update(extra)
        return env

    def run(
        self, *arguments: str, data: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> GitResult:
        """Run git and return what it left, whatever its exit status."""
        self.process_count += 1
        return spawn(arguments, self.environment(**(env or {})), self.top, data)

    def git(
        self, *arguments: str, doing: str, data: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git, return its output; raise RepositoryError ("git could not <doing>: ...") if it fails."""
        result = self.run(*arguments, data=data, env=env)
        if result.code != 0:
            raise RepositoryError(explain(doing, result.err))
        return result.out

    def git_filtering(
        self, *arguments: str, doing: str, data: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """`git` for what sends files through filters; those that fail join `failed_filters`, and it is done
        without them."""
        while True:
            words = filters.without(self.failed_filters)
            result = self.run(*words, *arguments, data=data, env=env)
            if result.code == 0:
                return result.out
            failing = filters.named_in(result.err) | filters.gone(self.config, self.top)
            if failing <= self.failed_filters:
                raise RepositoryError(explain(doing, result.err))
            self.failed_filters |= failing

    # --- settings and identity ---------------------------------------------------------

    @cached_property
    def config(self) -> dict[str, list[str]]:
        """All settings of git that apply here, by lower-case key. One process, read once."""
        out = self.git("config", "--list", "-z", doing="read its configuration")
        settings: dict[str, list[str]] = {}
        for item in os.fsdecode(out).split("\0"):
            key, _, value = item.partition("\n")
            if key:
                settings.setdefault(key, []).append(value)
        return settings

    def setting(self, key: str) -> str | None:
        """The value of a setting that applies (the last one given), None when it is not set."""
        values = self.config.get(key)
        return values[-1] if values else None

    def flag(self, key: str) -> bool:
        value = self.setting(key)
        return value is not None and value.lower() in ("true", "yes", "on", "1", "")

    def identity(self) -> Signature:
        """Who commits, now: GIT_COMMITTER_*, git's committer.* and user.*, then GIT_AUTHOR_*."""
        fields = [
            os.environ.get(f"GIT_COMMITTER_{what.upper()}")
            or self.setting(f"committer.{what}")
            or self.setting(f"user.{what}")
            or os.environ.get(f"GIT_AUTHOR_{what.upper()}")
            for what in ("name", "email")
        ]
        if not fields[0] or not fields[1]:
            missing = "user.name" if not fields[0] else "user.email"
            raise UsageError(f'git does not know who you are: run git config {missing} "..."')
        now = time.localtime()
        minutes = (now.tm_gmtoff or 0) // 60
        offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
        return Signature(fields[0], fields[1], int(time.time()), offset)

    def remotes(self) -> list[str]:
        """Names of the remotes, origin first."""
        names = {m[1] for key in self.config if (m := re.fullmatch(r"remote\.(.+)\.url", key))}
        return sorted(names, key=lambda name: (name != "origin", name))

    # --- reading -------------------------------------------------------------------------

    def status(self) -> Status:
        """HEAD, branch, and every change and untracked file, submodules included. One process."""
        return parse_status(self.git_filtering(*QUESTION, doing="read the state of the work tree"))

    def refs(self, *names: str) -> dict[str, Ref]:
        """Those of the full ref `names` that exist (a name also finds refs below it). One process."""
        out = self.git(
            "for-each-ref", "--format=%(refname)%00%(objectname)%00%(worktreepath)", "--", *names,
            doing="read refs",
        )  # fmt: skip
        rows = (line.split("\0") for line in os.fsdecode(out).splitlines())
        return {name: Ref(oid, where or None) for name, oid, where in rows}

    def resolve(self, revision: str) -> str | None:
        """The commit that `revision` names, None if it names none. One process."""
        if revision.startswith("-") or "\0" in revision or "\n" in revision:
            return None
        result = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        return result.out.decode().strip() if result.code == 0 else None

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether `commit` is reachable from `of`. One process."""
        return self.run("merge-base", "--is-ancestor", commit, of).code == 0

    def reader(self) -> ObjectReader:
        """A reader of objects that the caller closes; one `git cat-file --batch` process, on first use."""
        return ObjectReader(self._cat_file, self.object_format, self.absent)

    @contextmanager
    def objects(self) -> Iterator[ObjectReader]:
        """`reader`, closed at the end."""
        reader = self.reader()
        try:
            yield reader
        finally:
            reader.close()

    def _cat_file(self) -> subprocess.Popen[bytes]:
        self.process_count += 1
        env = self.environment()
        return subprocess.Popen(
            [program(env.get("PATH")), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd=self.top,
            process_group=0,  # a Ctrl-C is for whoever asks, who may have to read on
        )

    def diff_tree(self, old: str, new: str, *, paths: Sequence[str] = ()) -> list[tuple[str, str, str, str]]:
        """(status letter, old blob, new blob, path) of each file that differs. One process."""
        out = self.git(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--end-of-options", old, new, "--", *paths,
            doing="compare two trees",
        )  # fmt: skip
        fields = os.fsdecode(out).split("\0")
        rows = []
        for meta, path in zip(fields[0::2], fields[1::2], strict=False):
            _, _, old_oid, new_oid, letter = meta.lstrip(":").split(" ")
            rows.append((letter[0], old_oid, new_oid, path))
        return rows

    def gitpython(self) -> Repo:
        """This repository as GitPython's object, for browsing code in Python; imports GitPython."""
        from git import Repo

        return Repo(self.git_dir)

    # --- writing -------------------------------------------------------------------------

    def add_worktree(self, commit: str, path: Path) -> Repository:
        """A further work tree at `path` with `commit` checked out, detached; no hook is run. Three processes.

        RepositoryError where the commit, or something of it, is not in this clone.
        """
        settings = ("core.hooksPath=/dev/null", "core.fsmonitor=false")
        env = {k: v for k, v in self.environment().items() if k != "GIT_WORK_TREE"}
        self.process_count += 1
        result = spawn(
            [*(word for setting in settings for word in ("-c", setting)),
             "worktree", "add", "--quiet", "--detach", "--force", str(path), commit],
            env, self.common_dir, None,
        )  # fmt: skip
        if result.code != 0:
            raise RepositoryError(explain(f"check {commit[:12]} out", result.err))
        return Repository.discover(path)

    def write_objects(self, objects: Sequence[GitObject]) -> None:
        """Hand `objects` to git in one pack: loose when few, kept as a pack when many. One process."""
        pack = make_pack(objects, self.object_format)
        if len(objects) <= 200:
            self.git("unpack-objects", "-q", "--strict", doing="write objects", data=pack)
        else:
            self.git("index-pack", "--stdin", "--strict", "--fix-thin", doing="write objects", data=pack)

    def commit_object(
        self, tree: str, parents: Sequence[str], message: str, signature: Signature
    ) -> GitObject:
        return make_commit(tree, parents, signature, signature, message, self.object_format)

    @property
    def signs(self) -> bool:
        """Whether the user has git sign commits (commit.gpgsign)."""
        return self.flag("commit.gpgsign")

    def signed_commit(self, tree: str, parents: Sequence[str], message: str, signature: Signature) -> str:
        """Write a signed commit by the user's own GPG or SSH set-up. `tree` must be written. One process."""
        date = f"{signature.seconds} {signature.offset}"
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", signature.name), ("EMAIL", signature.email), ("DATE", date))
        }
        parts = [part for p in parents for part in ("-p", p)]
        out = self.git(
            "commit-tree",
            "-S",
            *parts,
            "-F",
            "-",
            tree,
            doing="sign the commit",
            data=message.encode(),
            env=who,
        )
        return out.decode().strip()

    def update_refs(self, changes: Iterable[tuple[str, str | None, str | None]]) -> GitResult:
        """Change refs in one transaction, or none of them: (full name, new id, old id).

        A new id of None deletes. An old id of None means "whatever it is", the null id
        "must not exist". The caller looks at the result's code: not 0 when an old id did
        not hold. One process.
        """
        lines = ["start"]
        for name, new, old in changes:
            tail = "" if old is None else f" {old}"
            lines.append(f"delete {name}{tail}" if new is None else f"update {name} {new}{tail}")
        script = "\n".join([*lines, "prepare", "commit", ""])
        return self.run("-c", "core.filesRefLockTimeout=500", "-c", "core.packedRefsTimeout=1000",
                        "update-ref", "--stdin", data=script.encode())  # fmt: skip

    def snapshot_tree(self, paths: Sequence[str], entries: Mapping[str, str]) -> str:
        """The tree of the index with the work tree's state of `paths`, through a temporary index.

        `entries` are put in as they are said (``<mode> <oid>``, empty: taken out). The
        user's own index is copied, never written. Two processes, three with `entries`.
        """
        temporary = self.state_dir / "tmp" / f"index-{os.getpid()}-{os.urandom(4).hex()}"
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            if (self.git_dir / "index").exists():
                # With its time: by that git knows which entries were too fresh to be told apart by stat.
                shutil.copy2(self.git_dir / "index", temporary)
            env = {"GIT_INDEX_FILE": str(temporary)}
            # A split index would put its shared half beside the user's own.
            plain = ("core.safecrlf=false", "core.splitIndex=false", "core.fsmonitor=false")
            update = (*(word for setting in plain for word in ("-c", setting)), "update-index", "-z")
            if entries:
                lines = (f"{entry or f'0 {self.null_oid}'}\t{path}\0" for path, entry in entries.items())
                self.git_filtering(*update, "--index-info", doing="keep the uncommitted changes",
                         data=os.fsencode("".join(lines)), env=env)  # fmt: skip
            listed = b"".join(os.fsencode(p) + b"\0" for p in paths)
            self.git_filtering(*update, "--add", "--remove", "--stdin", doing="keep the uncommitted changes",
                     data=listed, env=env)  # fmt: skip
            out = self.git_filtering("write-tree", doing="keep the uncommitted changes", env=env)
            return out.decode().strip()
        finally:
            temporary.unlink(missing_ok=True)
            temporary.with_name(temporary.name + ".lock").unlink(missing_ok=True)
