"""Which experiments of DVC a git repository has: its refs, the checkpoints behind each, failed ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import GittrackError
from gittrack.git.objects import parse_commit
from gittrack.git.repository import ObjectReader, Repository
from gittrack.importers import folders

NAMESPACE = "refs/exps"
_REF = re.compile(rf"{NAMESPACE}/([0-9a-f]{{2}})/([0-9a-f]{{38}}|[0-9a-f]{{62}})(?:/(.+))?", re.DOTALL)
_FAILED = "celery/failed"
_ENTRY = re.compile(
    r"[0-9a-f]+ ([0-9a-f]{40,64}) [^\t]*\t(?:commit: )?"
    r"dvc-exp:[0-9a-f]+:([0-9a-f]{40,64}):([^~^:\\?\[\]*]*)(?::.*)?"
)
"""A line of the log that git keeps of DVC's stash: the commit of the work tree, its baseline, the name."""
_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment by its commits, the oldest first: all but the last are checkpoints."""

    name: str | None
    baseline: str
    commits: tuple[str, ...]
    failed: bool = False
    apart: bool = False
    """Whether its commits do not begin at the baseline."""

    @property
    def tip(self) -> str:
        return self.commits[-1]


def has_experiments(path: Path) -> bool:
    """Whether `path` is the top of a git repository that has experiments."""
    try:
        repo = Repository.discover(path, foreign=True)
        is_top = path.resolve() in (repo.top.resolve(), repo.git_dir.resolve())
        return is_top and any(_REF.fullmatch(ref) for ref in repo.refs(f"{NAMESPACE}/"))
    except (GittrackError, OSError):
        return False


def experiments(repo: Repository, objects: ObjectReader) -> Iterator[Experiment]:
    """Those that were kept, in the order of their refs, then those that failed in the queue."""
    for ref, state in repo.refs(f"{NAMESPACE}/").items():
        parts = _REF.fullmatch(ref)
        if parts is not None:
            yield _experiment(objects, parts[1] + parts[2], parts[3], state.oid)
    yield from _failed(repo.common_dir)


def _experiment(objects: ObjectReader, baseline: str, name: str | None, tip: str) -> Experiment:
    commits = [tip]
    while len(commits) < _MOST:
        commit = objects.get(commits[-1])
        parents = parse_commit(commit.data)[1] if commit is not None and commit.kind == "commit" else []
        if not parents:
            break
        if parents[0] == baseline:
            return Experiment(name=name, baseline=baseline, commits=tuple(reversed(commits)))
        commits.append(parents[0])
    return Experiment(name=name, baseline=baseline, commits=(tip,), apart=True)


def _failed(common: Path) -> Iterator[Experiment]:
    """Of the log of a ref, which git keeps only in the clone where they were run."""
    log = folders.read_small(common / "logs" / NAMESPACE / _FAILED) or b""
    for line in log.decode("utf-8", "replace").splitlines():
        parts = _ENTRY.fullmatch(line)
        if parts is not None:
            yield Experiment(name=parts[3] or None, baseline=parts[2], commits=(parts[1],), failed=True)
