"""The ledger's own order of runs: that of the commits which added them.

It decides between runs that began in one second, where clocks say little and the random end of an id
nothing. A commit comes after every commit that it stands on, however far the clocks of two machines are
apart; of commits on two branches that were merged, the one with the shorter history below it comes first,
then the one whose id does. So every clone that has the same runs has them in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from gittrack.git.repository import Repository

WINDOWS: Sequence[int | None] = (256, 4096, None)
"""How many of the newest commits are looked at; more, and at last all, where those do not tell the order."""


def order_of(repository: Repository, tip: str, paths: Collection[str]) -> dict[str, int]:
    """The place of each of `paths` among each other, in the order in which they came to `tip`; from 1.

    Those of one commit have the same. A path that no commit added, as far as this clone can tell, comes
    first. One git process where all were added lately.
    """
    added: dict[str, str] = {}
    generations: dict[str, int] | None = None
    for most in WINDOWS:
        commits = _commits(repository, tip, most)
        added = _added(commits, paths)
        if len(added) == len(paths) or most is None:
            generations = _generations(commits, set(added.values()))
        if generations is not None:
            break
    generations = generations or {}
    keys = {path: (generations[added[path]], added[path]) if path in added else (0, "") for path in paths}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())), 1)}
    return {path: ranks[key] for path, key in keys.items()}


def places_of(repository: Repository, tip: str, seconds: Mapping[str, int]) -> dict[str, int]:
    """The place of each path among those of its second; 0 for one that is alone in it, which costs nothing.

    `seconds`: in which second (since the epoch) the run at each path began.
    """
    counts = Counter(seconds.values())
    tied = [path for path, second in seconds.items() if counts[second] > 1]
    return {**dict.fromkeys(seconds, 0), **(order_of(repository, tip, tied) if tied else {})}


Commit = tuple[str, list[str], list[str]]
"""Id, parents, and the paths that it added to them."""


def _commits(repository: Repository, tip: str, most: int | None) -> list[Commit]:
    """The newest `most` commits (or all), the newest first."""
    limit = [] if most is None else [f"--max-count={most}"]
    out = repository.git(
        "-c", "core.quotePath=false", "-c", "log.showRoot=true", "log", *limit, "--format=%x01%H %P",
        "--name-status", "--no-renames", "--no-relative", "--no-color", "--diff-merges=off",
        "--no-show-signature", "--end-of-options", tip, doing="read the order of the ledger",
    )  # fmt: skip
    commits: list[Commit] = []
    for block in out.decode("utf-8", "surrogateescape").split("\x01")[1:]:
        head, *lines = block.split("\n")
        commit, *parents = head.split()
        commits.append((commit, parents, [line[2:] for line in lines if line.startswith("A\t")]))
    return commits


def _added(commits: Sequence[Commit], paths: Collection[str]) -> dict[str, str]:
    """The commit that added each path; the newest, should it have been taken away and added again."""
    wanted = frozenset(paths)
    return {path: commit for commit, _, added in reversed(commits) for path in added if path in wanted}


def _generations(commits: Sequence[Commit], wanted: set[str]) -> dict[str, int] | None:
    """How many commits stand below each of the `wanted` in the longest chain.

    Counted from the one commit through which all of their history passes, which leaves the order as it
    is; None where `commits` do not reach down to one.
    """
    from graphlib import TopologicalSorter

    parents: dict[str, list[str]] = {}
    below: set[str] = set()
    roots = 0
    for commit, own, _ in commits:
        parents[commit] = own
        below.discard(commit)
        below.update(parent for parent in own if parent not in parents)
        roots += not own
        if len(below) + roots == 1 and wanted <= parents.keys():
            break
    else:
        if below:
            return None
    generations: dict[str, int] = {}
    for commit in TopologicalSorter(parents).static_order():
        generations[commit] = 1 + max((generations[parent] for parent in parents.get(commit, ())), default=0)
    return generations
