"""The ledger's own order of runs: that of the commits which added them.

It decides between runs that began in one second, where clocks say little and the random end of an id
nothing. A commit comes after every commit that it stands on, however far the clocks of two machines are
apart; of commits on two branches that were merged, the one with the shorter history below it comes first,
then the one whose id does. So every clone that has the same runs has them in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gittrack.git.repository import Repository

_NEAR = 256
"""Commits that are looked at before the whole history is."""


def order_of(repository: Repository, tip: str, paths: Collection[str]) -> dict[str, int]:
    """The place of each of `paths` among each other, in the order in which they came to `tip`; from 1.

    Those of one commit have the same. A path that no commit added, as far as this clone can tell, comes
    first. One git process where all were added lately and on one branch, else three.
    """
    commits = list(_commits(repository, tip, _NEAR))
    added = _added(commits, paths)
    places = _on_one_line(commits, set(added.values()))
    if len(added) < len(paths) or places is None:
        added = _added(_commits(repository, tip), paths)
        places = _generations(repository, tip)
    first = (-_NEAR, "")
    keys = {path: (places[added[path]], added[path]) if path in added else first for path in paths}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())), 1)}
    return {path: ranks[key] for path, key in keys.items()}


Commit = tuple[str, int, list[str]]
"""Id, number of parents, and the paths that it added to them."""


def _commits(repository: Repository, tip: str, most: int | None = None) -> Iterator[Commit]:
    """The newest `most` commits (or all), the newest first."""
    limit = [] if most is None else [f"--max-count={most}"]
    out = repository.git(
        "-c", "core.quotePath=false", "-c", "log.showRoot=true", "log", *limit, "--format=%x01%H %P",
        "--name-status", "--no-renames", "--diff-merges=off", "--no-show-signature",
        "--end-of-options", tip, doing="read the order of the ledger",
    )  # fmt: skip
    for block in out.decode("utf-8", "surrogateescape").split("\x01")[1:]:
        head, *lines = block.split("\n")
        commit, *parents = head.split()
        yield commit, len(parents), [line[2:] for line in lines if line.startswith("A\t")]


def _added(commits: Iterator[Commit] | list[Commit], paths: Collection[str]) -> dict[str, str]:
    """The commit that added each path; the first, should it have been taken away and added again."""
    wanted = frozenset(paths)
    return {path: commit for commit, _, added in commits for path in added if path in wanted}


def _on_one_line(commits: list[Commit], wanted: Collection[str]) -> dict[str, int] | None:
    """Places of the `wanted` commits, if none down to the last of them is a merge."""
    places: dict[str, int] = {}
    for at, (commit, parents, _) in enumerate(commits):
        if len(places) == len(wanted):
            break
        if parents > 1:
            return None
        if commit in wanted:
            places[commit] = -at
    return places


def _generations(repository: Repository, tip: str) -> dict[str, int]:
    """For each commit that `tip` reaches, how many stand below it in the longest chain."""
    out = repository.git(
        "rev-list", "--parents", "--topo-order", "--reverse", "--end-of-options", tip,
        doing="read the order of the ledger",
    )  # fmt: skip
    generations: dict[str, int] = {}
    for line in out.decode().splitlines():
        commit, *parents = line.split()
        generations[commit] = 1 + max((generations.get(parent, 0) for parent in parents), default=0)
    return generations
