"""Snapshots of runs that still go on, on refs of a remote: sent, listed, fetched, taken away.

A snapshot is one commit without a parent, which holds one file. Neither side keeps a ref or an object of it.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gittrack.errors import RepositoryError
from gittrack.formats.live import FILE, LARGEST
from gittrack.formats.record import RUN_ID
from gittrack.git.aside import UNASKED, aside
from gittrack.git.objects import BLOB_MODE, Signature, TreeEntry, make, make_tree
from gittrack.git.repository import GitResult, Repository, explain

REFS = "refs/gittrack/live/"
LARGEST_FILE = 16 << 20
"""Bytes of a file that a fetch may write."""
_ALONE = (
    "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "push.gpgSign=false",
    "-c", "push.recurseSubmodules=no", "-c", "push.followTags=false", "-c", "gc.auto=0",
)  # fmt: skip
"""Settings with which git does what it is told and nothing else: no hook, no tag, no submodule."""
_REFUSED = re.compile(
    rb"(?m)\[remote rejected\]|[Aa]uthentication failed|[Pp]ermission .*denied"
    rb"|[Aa]ccess denied|not authorized|not found$|(?:returned error:|HTTP) 40[134]\b"
)
_NAMED = re.compile(rb"'[^']*'|\S+://\S+")
"""What git repeats of its remote's address."""


def send(repository: Repository, remote: str, run_id: str, data: bytes, seconds: int) -> GitResult:
    """Put the snapshot `data` in the place of the one before. Two processes; nobody is asked anything."""
    who = Signature("gittrack", "", seconds)  # whose run it is, and where, is not said
    with aside(repository, **UNASKED) as place:
        blob = make("blob", data, place.object_format)
        tree = make_tree({FILE: TreeEntry(BLOB_MODE, blob.oid)}, place.object_format)
        commit = place.commit_object(tree.oid, [], f"run {run_id}, which still goes on", who)
        place.write_objects([blob, tree, commit])
        return _push(place, remote, f"+{commit.oid}:{REFS}{run_id}")


def take_away(repository: Repository, remote: str, run_id: str) -> GitResult:
    """Delete the snapshot of a run; its code is 0 also where there is none. One process."""
    result = _push(repository, remote, f":{REFS}{run_id}")
    gone = b"remote ref does not exist" in result.err
    return result._replace(code=0) if gone else result


def _push(repository: Repository, remote: str, spec: str) -> GitResult:
    settings = (*_ALONE, "-c", f"remote.{remote}.mirror=false")
    return repository.run(
        *settings, "push", "--porcelain", "--no-verify", "--end-of-options", remote, spec, env=UNASKED
    )


def is_refusal(result: GitResult) -> bool:
    """Whether a push will fare no better another time: the remote does not take it, or us."""
    return _REFUSED.search(_NAMED.sub(b"", result.out + b"\n" + result.err)) is not None


def listed(repository: Repository, remote: str) -> dict[str, str]:
    """The commit of each run's snapshot on the remote, newest runs first. One process."""
    out = repository.git(
        *_ALONE, "ls-remote", "--refs", "--end-of-options", remote, f"{REFS}*", doing=f"reach remote {remote}"
    )  # fmt: skip
    lines = (line.partition("\t") for line in out.decode("utf-8", "replace").splitlines())
    refs = {ref.removeprefix(REFS): oid for oid, _, ref in lines if ref.startswith(REFS)}
    return {run: refs[run] for run in sorted(filter(RUN_ID.match, refs), reverse=True)}


def received(repository: Repository, remote: str, refs: dict[str, str]) -> dict[str, bytes]:
    """The bytes of the snapshots that `listed` found, as far as they still are what it found."""
    if not refs:
        return {}
    with aside(repository) as place:
        _fetch(place, remote, [*refs])
        sizes = _sizes(place, refs)
        with place.objects() as objects:
            files = {
                run: objects.get(f"{refs[run]}:{FILE}") for run, size in sizes.items() if size <= LARGEST
            }
    return {run: file.data for run, file in files.items() if file is not None and file.kind == "blob"}


def _fetch(place: Repository, remote: str, runs: Sequence[str]) -> None:
    """All at once; one by one where that fails because one of them is gone, or no snapshot at all."""
    fetch = (*_ALONE, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=",
             "--no-recurse-submodules", "--no-auto-maintenance", "--end-of-options", remote)  # fmt: skip
    with _small_files():
        result = place.run(*fetch, *(REFS + run for run in runs))
        if result.code != 0 and len(runs) > 1:
            for run in runs:
                result = place.run(*fetch, REFS + run)
        elif result.code != 0 and b"couldn't find remote ref" not in result.err:
            raise RepositoryError(explain(f"fetch from {remote}", result.err))


@contextmanager
def _small_files() -> Iterator[None]:
    """What is started in here writes no large file, whatever a remote sends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    least = LARGEST_FILE if soft == resource.RLIM_INFINITY else min(soft, LARGEST_FILE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _sizes(place: Repository, refs: dict[str, str]) -> dict[str, int]:
    """Bytes of each snapshot that is there, asked before any is read."""
    questions = "".join(f"{oid}:{FILE}\n" for oid in refs.values()).encode()
    out = place.git(
        "cat-file", "--batch-check=%(objecttype) %(objectsize)", doing="read snapshots", data=questions
    )
    answers = (line.split() for line in out.decode("utf-8", "replace").splitlines())
    return {
        run: int(answer[1])
        for run, answer in zip(refs, answers, strict=True)
        if len(answer) == 2 and answer[0] == "blob"
    }
