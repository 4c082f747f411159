"""Whether an update of a ledger may be taken: by a server (pre-receive), and before a push (pre-push).

In this order, and the first that does not hold refuses the update:

1. The ledger and the code anchor are not deleted and only move forward; nobody pushes replace refs.
2. No commit of the update modifies, deletes or renames anything under runs/ and decisions/, against any
   of its parents, so that a merge drops nothing either; the root holds the ledger's own files and no more.
3. What is added are plain files of bounded size and number, in the folders of runs and decisions.
4. Each new run is valid, canonical, at its path, with the files and digests that its record names.
5. Every new commit has a good signature, where policy or the server's settings ask for it.

Branches of proposals may go, and be written anew. Their commits that the ledger lacks are looked at as
if they were pushed to it (2 to 5).

Everything is read from git's objects, in time and memory that do not depend on what is pushed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO

from gittrack.cli.githooks.additions import Added, check_run, check_statement, is_statement, run_folder
from gittrack.errors import LedgerError
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.registry.names import parse_tag_name
from gittrack.governance.registry.tags import PREFIX as TAGS
from gittrack.ledger import ANCHOR, ROOT_FILES, is_add_only
from gittrack.ledger.proposals import PREFIX

MAX_SECONDS = 60.0
MAX_COMMITS = 200_000
MAX_CHANGES = 2_000_000
"""Lines of git's list of what the new commits change."""
MAX_BYTES = 2 << 30
"""Of all added files together."""
MAX_COMMIT = 1 << 20
MAX_PATH = 1000
MAX_REASONS = 20
REVIEWS = f"refs/heads/{PREFIX}"
_TOGETHER = 1000
"""Commits whose signatures are in memory at a time."""
_MEMORY = 2 << 30
_SMALL = ("-c", "core.packedGitLimit=256m", "-c", "core.packedGitWindowSize=32m")
_CHANGED = {"M": "modified", "D": "deleted", "T": "made another kind of file", "R": "renamed", "C": "copied"}


@dataclass(frozen=True, slots=True)
class Update:
    """A ref that somebody pushes: from, to, full name."""

    old: str
    new: str
    ref: str


@dataclass(slots=True)
class Judge:
    """Looks at updates of one repository."""

    repo: Repository
    ledger: str
    """Full ref of the ledger branch."""
    signed: bool = False
    signers: bytes | None = None
    """Allowed signers, SSH or OpenPGP; those of git's own settings where None."""
    seconds: float = MAX_SECONDS

    def check(self, updates: Sequence[Update]) -> None:
        """LedgerError, which names every reason found, if one of the updates may not be taken."""
        until = time.monotonic() + self.seconds
        for update in updates:
            if update.ref.startswith("refs/replace/"):
                raise LedgerError(f"{update.ref}: replace refs would hide what records are: not taken")
            if update.ref in (self.ledger, ANCHOR):
                self._moves_forward(update)
            tag = update.ref.removeprefix(TAGS)
            if tag != update.ref and update.old != self.repo.null_oid and parse_tag_name(tag) is not None:
                raise LedgerError(f"{tag}: a tag of the model registry stays as it is; push another one")
            if update.ref == self.ledger:
                self._check_commits(update, until)
            elif update.ref.startswith(REVIEWS) and update.new != self.repo.null_oid:
                pushed = next((u.new for u in updates if u.ref == self.ledger), None)
                self._check_proposal(update, pushed or self.repo.resolve(self.ledger), until)

    def _moves_forward(self, update: Update) -> None:
        null = self.repo.null_oid
        name = update.ref.removeprefix("refs/heads/")
        if update.new == null:
            raise LedgerError(f"{name}: cannot be deleted, records are kept for good")
        if self.repo.run("cat-file", "-e", update.new + "^{commit}").code != 0:
            raise LedgerError(f"{name}: {update.new} is no commit")
        if update.old != null and not self.repo.is_ancestor(update.old, update.new):
            raise LedgerError(f"{name}: only moves forward; run gittrack pull, then gittrack push")

    def _check_proposal(self, update: Update, ledger: str | None, until: float) -> None:
        """What it would do to the ledger; where there is none yet, it brings all that it holds."""
        if ledger is not None and self.repo.run("merge-base", ledger, update.new).code != 0:
            name = update.ref.removeprefix("refs/heads/")
            raise LedgerError(f"{name}: is not cut from the ledger: run gittrack pull, then propose again")
        self._check_commits(replace(update, old=ledger or self.repo.null_oid), until)

    def _check_commits(self, update: Update, until: float) -> None:
        commits = self._new_commits(update)
        _refuse(self._history(commits, until))
        added = self._added(update, until)
        _refuse(_places(added))
        self._check_sizes(added, until)
        with self.repo.objects() as objects:
            _refuse(_contents(objects, added, until))
        if self.signed:
            _refuse(self._unsigned(commits, until))

    def _new_commits(self, update: Update) -> list[str]:
        known = [] if update.old == self.repo.null_oid else [f"^{update.old}"]
        out = self.repo.git(
            "rev-list", f"--max-count={MAX_COMMITS + 1}", "--reverse", update.new, *known, "--",
            doing="list what is pushed",
        )  # fmt: skip
        commits = out.decode().split()
        if len(commits) > MAX_COMMITS:
            raise LedgerError(f"more than {MAX_COMMITS} commits: push them in parts")
        return commits

    def _history(self, commits: Sequence[str], until: float) -> Iterator[str]:
        """Each change of an entry that was there, in any commit, against any parent."""
        arguments = (
            "--stdin",
            "--root",
            "-r",
            "-m",
            "-z",
            "--raw",
            "--no-renames",
            "--no-commit-id",
            "--no-abbrev",
        )
        fields = self._lines(["diff-tree", *arguments], "\n".join([*commits, ""]).encode(), until)
        for meta in fields:
            path = next(fields, "")
            letter = meta.rsplit(" ", 1)[-1][:1]
            if is_add_only(path):
                if letter != "A":
                    yield f"{path}: {_CHANGED.get(letter, 'changed')}; what is recorded stays as it is"
            elif path not in ROOT_FILES:
                yield f"{path}: is no file of a ledger"
            elif letter == "D":
                yield f"{path}: deleted; the ledger needs it"

    def _added(self, update: Update, until: float) -> list[Added]:
        """The files that the update adds, all commits together; a proposal may lack what the ledger has."""
        empty = self.repo.git(
            "hash-object", "-t", "tree", "--stdin", doing="compare trees", data=b""
        ).decode()
        old = empty.strip() if update.old == self.repo.null_oid else update.old
        arguments = ["-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--diff-filter=d", old, update.new]
        fields = self._lines(["diff-tree", *arguments], b"", until)
        added = []
        for meta in fields:
            path = next(fields, "")
            _, mode, _, oid, letter = meta.split(" ")
            if is_add_only(path):
                if letter != "A":
                    raise LedgerError(
                        f"{path}: is another one on the ledger; what is recorded stays as it is"
                    )
                added.append(Added(path, mode, oid))
        return added

    def _check_sizes(self, added: Sequence[Added], until: float) -> None:
        """Before anything is read."""
        question = "".join(f"{a.oid}\n" for a in added).encode()
        total = 0
        answers = self._lines(
            ["cat-file", "--batch-check=%(objecttype) %(objectsize)"], question, until, b"\n"
        )
        for one, answer in zip(added, answers, strict=True):
            kind, _, size = answer.partition(" ")
            if kind != "blob" or not size.isdigit():
                raise LedgerError(f"{one.path}: its content was not pushed with it")
            if int(size) > one.limit:
                raise LedgerError(
                    f"{one.path}: {int(size):,} bytes are more than the {one.limit:,} it may have"
                )
            total += int(size)
        if total > MAX_BYTES:
            raise LedgerError(f"{total:,} bytes in one push are too many: push in parts")

    def _unsigned(self, commits: Sequence[str], until: float) -> Iterator[str]:
        """Commits without a good signature of an allowed signer, judged as verify does it."""
        from gittrack.verify.signatures import SAYS
        from gittrack.verify.signers import read_signatures, server_signers

        self._check_commit_sizes(commits, until)
        with server_signers(self.repo, self.signers) as signers, self.repo.objects() as objects:
            for at in range(0, len(commits), _TOGETHER):
                part = commits[at : at + _TOGETHER]
                pairs = zip(part, objects.get_many(part), strict=True)
                data = {commit: item.data if item is not None else b"" for commit, item in pairs}
                for commit, signed in read_signatures(self.repo, data, signers, until).items():
                    if signed.state != "good":
                        yield f"commit {commit[:10]}: {_UNJUDGED.get(signed.state, SAYS[signed.state][1])}"

    def _check_commit_sizes(self, commits: Sequence[str], until: float) -> None:
        question = "".join(f"{commit}\n" for commit in commits).encode()
        sizes = self._lines(["cat-file", "--batch-check=%(objectsize)"], question, until, b"\n")
        if any(not size.isdigit() or int(size) > MAX_COMMIT for size in sizes):
            raise LedgerError(f"a commit of more than {MAX_COMMIT:,} bytes is none of a ledger")

    def _lines(
        self, arguments: Sequence[str], data: bytes, until: float, end: bytes = b"\0"
    ) -> Iterator[str]:
        """What git prints, piece by piece; LedgerError when it fails, is too much, or takes too long."""
        with tempfile.TemporaryFile() as given:
            given.write(data)
            given.seek(0)
            process = subprocess.Popen(
                ["git", *_SMALL, *arguments], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=self.repo.environment(), cwd=self.repo.top,
                preexec_fn=_limits(until),
            )  # fmt: skip
        try:
            if process.stdout is not None:
                yield from _split(process.stdout, end, until)
            if process.wait() != 0:
                raise LedgerError("git could not read what is pushed: it is damaged, or asks for too much")
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


_UNJUDGED = {"unknown": "who may sign is not known here: name policy.signers, or gpg.ssh.allowedSignersFile"}


def _limits(until: float) -> Callable[[], None]:
    """For a git process that reads what a stranger made: no more processor time and memory than that."""
    seconds = max(1, int(until - time.monotonic()) + 1)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))

    return limit


def _split(stream: IO[bytes], end: bytes, until: float) -> Iterator[str]:
    partial = b""
    count = 0
    while block := os.read(stream.fileno(), 1 << 16):
        _in_time(until)
        *pieces, partial = (partial + block).split(end)
        count += len(pieces)
        if count > 2 * MAX_CHANGES or len(partial) > 1 << 20:
            raise LedgerError(f"more than {MAX_CHANGES:,} changes in one push: push in parts")
        yield from map(os.fsdecode, pieces)


def _in_time(until: float) -> None:
    if time.monotonic() > until:
        raise LedgerError("looking through this push took too long: push in parts")


def _places(added: Sequence[Added]) -> Iterator[str]:
    """Modes and paths."""
    for one in added:
        if one.mode != "100644":
            yield f"{one.path}: has mode {one.mode}; the ledger holds plain files only"
        elif len(one.path) > MAX_PATH:
            yield f"{one.path[:100]}...: a path of {len(one.path)} characters"
        elif run_folder(one.path) is None and not is_statement(one.path):
            yield f"{one.path}: is neither in the folder of a run nor a decision or reproduction"


def _contents(objects: ObjectReader, added: Sequence[Added], until: float) -> Iterator[str]:
    runs: dict[str, dict[str, Added]] = {}
    for one in added:
        folder = run_folder(one.path)
        if folder is None:
            yield from check_statement(objects, one)
        else:
            runs.setdefault(folder, {})[one.path[len(folder) + 1 :]] = one
    for folder, files in runs.items():
        _in_time(until)
        yield from check_run(objects, folder, files)


def _refuse(reasons: Iterator[str]) -> None:
    """LedgerError with the first of the reasons, one a line, if there is one."""
    listed = []
    for reason in reasons:
        listed.append(reason)
        if len(listed) == MAX_REASONS:
            break
    if listed:
        raise LedgerError("\n".join(listed))


def judge_for(repo: Repository, ledger: str, *, signed: bool | None = None) -> Judge:
    """The judge of a server's repository, or of a clone that is about to push.

    Signatures are asked for by ``git config gittrack.requireSigned`` or by the policy in gittrack.yaml
    at HEAD: what has been agreed on before, not what is being pushed.
    """
    from gittrack.formats.config import FILE, Config, parse

    with repo.objects() as objects:
        config = objects.get(f"HEAD:{FILE}")
        policy = (
            parse(config.data, FILE) if config is not None and config.kind == "blob" else Config()
        ).policy
        signers = objects.get(f"HEAD:{policy.signers}") if policy.signers else None
    required = repo.flag("gittrack.requiresigned") or policy.signatures == "required"
    if signed is None and required and policy.signers and signers is None:
        raise LedgerError(
            f"policy.signers names {policy.signers}, which HEAD lacks: nobody's signature counts"
        )
    allowed = signers.data if signers is not None else None
    return Judge(repo, f"refs/heads/{ledger}", required if signed is None else signed, allowed)


def quarantined(repo: Repository) -> Repository:
    """The repository with the objects that are being pushed, while git keeps them apart."""
    from gittrack.git.repository import quarantine

    return replace(repo, variables=quarantine())
