"""Which changed files git would filter (git-lfs, git-crypt, nbstripout, ...), and cannot here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from gittrack.git.filters import configured, gone
from gittrack.git.repository import Repository


def missing_for(repo: Repository, paths: Sequence[str]) -> dict[str, str]:
    """Those of `paths` that git would filter, and cannot, with the filter's name.

    Also where nothing of it is configured: git would keep what git-crypt was to encrypt. One process,
    if there is an attribute for filters at all.
    """
    if not paths or not _is_any_named(repo, paths):
        return {}
    listed = b"".join(os.fsencode(path) + b"\0" for path in paths)
    out = repo.git("check-attr", "-z", "--stdin", "filter", doing="read attributes", data=listed)
    fields = os.fsdecode(out).split("\0")
    names = {
        path: name
        for path, name in zip(fields[0::3], fields[2::3], strict=False)
        if name not in ("unspecified", "unset", "set")
    }
    if not names:
        return {}
    here = configured(repo.config).keys() - gone(repo.config, repo.top) - repo.failed_filters
    return {path: name for path, name in names.items() if name not in here}


def _is_any_named(repo: Repository, paths: Sequence[str]) -> bool:
    return any(_names_filter(file) for file in _attribute_files(repo, paths))


def _attribute_files(repo: Repository, paths: Sequence[str]) -> Iterator[Path]:
    yield repo.common_dir / "info" / "attributes"
    stated = repo.setting("core.attributesfile")
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    yield Path(stated or f"{home}/git/attributes").expanduser()
    yield Path("/etc/gitattributes")
    folders = {folder for path in paths for folder in PurePosixPath(path).parents}
    yield from (repo.top / folder / ".gitattributes" for folder in folders)


def _names_filter(file: Path) -> bool:
    try:
        return b"filter=" in file.read_bytes()
    except OSError:
        return False
