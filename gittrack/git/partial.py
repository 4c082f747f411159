"""Partial clones (`git clone --filter`), which leave objects on their remote until these are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.git.repository import Repository


def promisor(repository: Repository) -> str | None:
    """The remote that holds what a partial clone left there; None for a whole clone."""
    key = next((key for key in repository.config if key.endswith(".promisor") and repository.flag(key)), None)
    return repository.setting("extensions.partialclone") or (key and key[len("remote.") : -len(".promisor")])


def fetch_objects(repository: Repository, ids: Sequence[str]) -> None:
    """Bring these objects in one go, where the clone is partial: git asks for each by itself as it meets it.

    RepositoryError where the remote cannot be asked.
    """
    remote = promisor(repository) if ids else None
    if remote is None:
        return
    repository.git(
        "-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
        "--recurse-submodules=no", "--filter=blob:none", "--stdin", "--end-of-options", remote,
        doing=f"fetch {len(ids):,} objects from {remote}", data="".join(f"{oid}\n" for oid in ids).encode(),
    )  # fmt: skip
