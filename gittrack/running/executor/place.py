"""A work tree with the code of a run and its data: from git, the DVC cache, a remote, or this disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from gittrack.dvc.cache import checkout, holds
from gittrack.dvc.files import Pointer
from gittrack.dvc.hashing import hash_path
from gittrack.dvc.settings import ignore_rules, project_of
from gittrack.dvc.transfer import missing_on_remote, transfer
from gittrack.errors import DvcError, NotFoundError, UsageError
from gittrack.formats.record import Code, DataInput
from gittrack.git.repository import Repository

Where = Literal["code", "cache", "remote", "disk", "nowhere"]
"""Who has the bytes: git in the code itself, the DVC cache, a DVC remote, the user's own work tree."""


@dataclass(frozen=True, slots=True)
class LocatedInput:
    """One input, and where its bytes are to be had."""

    data: DataInput
    where: Where


@dataclass(frozen=True, slots=True)
class Sources:
    """Where bytes can come from: a DVC cache, the remote of a DVC project, a work tree."""

    cache: Path
    top: Path


def find_data(
    inputs: Sequence[DataInput], sources: Sources, produced: Iterable[str] = ()
) -> list[LocatedInput]:
    """Where each input is to be had. Asks the DVC remote only for what is nowhere else.

    `produced`: paths that the run itself makes, which nobody has to bring.
    """
    made = set(produced)
    located = [LocatedInput(item, _near(item, sources)) for item in inputs if not _is_made(item, made)]
    absent = [f.data for f in located if f.where == "nowhere" and f.data.md5 and f.data.hash]
    on_remote = _on_remote(absent, sources.top)
    return [LocatedInput(f.data, "remote") if f.data in on_remote else f for f in located]


def _is_made(item: DataInput, made: set[str]) -> bool:
    return item.path in made and item.source == "file"


def _near(item: DataInput, sources: Sources) -> Where:
    if item.source == "git" and item.differs_from is None:
        return "code"
    if item.md5 and item.hash and holds(sources.cache, _pointer(item), is_damaged=False):
        return "cache"
    return "disk" if _on_disk(item, sources.top) else "nowhere"


def _on_disk(item: DataInput, top: Path) -> bool:
    """Whether the user's own copy still is what the run read."""
    path = top / item.path
    if not path.exists() or (item.size is not None and path.is_file() and path.stat().st_size != item.size):
        return False
    ignore = ignore_rules(top, path)
    digest = hash_path(path, dos2unix=item.hash == "md5-dos2unix", ignore=ignore)
    return digest.sha256 == item.sha256 if item.sha256 else digest.md5 == item.md5


def _on_remote(absent: Sequence[DataInput], top: Path) -> list[DataInput]:
    if not absent or project_of(top) is None:
        return []
    present = []
    for kind in ("md5", "md5-dos2unix"):
        names = {item.md5 for item in absent if item.md5 and item.hash == kind}
        if names:
            try:
                missing = missing_on_remote(top, names, kind)
            except DvcError:
                missing = names  # no remote, or none that answers: said as "nowhere" with its digest
            present += [item for item in absent if item.hash == kind and item.md5 in names - missing]
    return present


def _pointer(item: DataInput) -> Pointer:
    return Pointer(
        path=item.path, md5=item.md5 or "", hash=item.hash or "md5", size=item.size, nfiles=item.nfiles
    )


def require(inputs: Sequence[LocatedInput]) -> None:
    """NotFoundError where the bytes of an input are nowhere to be had."""
    for item in inputs:
        if item.where == "nowhere":
            digest = item.data.md5 or item.data.sha256 or "no digest recorded"
            raise NotFoundError(
                f"data {item.data.path} ({digest}) is nowhere to be had: not in the DVC cache, "
                "not on the DVC remote, and not on this disk with these bytes"
            )


def fetch(inputs: Sequence[LocatedInput], sources: Sources) -> None:
    """Bring what only the remote has into the cache."""
    wanted = [_pointer(item.data) for item in inputs if item.where == "remote"]
    if wanted:
        transfer(sources.top, wanted, cache=sources.cache, remote=None, direction="pull")


# --- the work tree -----------------------------------------------------------------------------


def make_tree(repository: Repository, code: Code, tree: Path) -> None:
    """Check the code of a run out at `tree`, as a work tree of its own; nothing of the user's is touched.

    NotFoundError where this clone lacks the commit. No hook is run.
    """
    commit = repository.resolve(code.snapshot or code.commit or "")
    if commit is None:
        name = (code.snapshot or code.commit or "")[:12]
        raise NotFoundError(
            f"the code {name} is not in this clone: run gittrack pull, or git fetch --unshallow"
        )
    made = repository.add_worktree(commit, tree)
    if any(submodule.commit for submodule in code.submodules):
        _submodules(made, code)


def _submodules(repository: Repository, code: Code) -> None:
    for submodule in code.submodules:
        if submodule.commit is None:
            continue
        update = ("submodule", "update", "--init", "--quiet", "--", submodule.path)
        repository.git(
            "-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", *update,
            doing=f"fetch submodule {submodule.path}",
        )  # fmt: skip
        inside = Repository.discover(repository.top / submodule.path)
        if inside.resolve("HEAD") != submodule.commit:
            inside.git(
                "checkout", "--quiet", "--detach", submodule.commit,
                doing=f"check submodule {submodule.path} out at {submodule.commit[:12]}",
            )  # fmt: skip


def place_data(inputs: Sequence[LocatedInput], sources: Sources, tree: Path) -> None:
    """Put each input where the code looks for it. Whatever a record says, it stays below `tree`."""
    for item in sorted(inputs, key=lambda item: item.data.path):  # a folder before what lies in it
        data = item.data
        if item.where == "code" or Path(data.path).is_absolute():
            continue
        target = _inside(tree, data.path)
        if os.path.lexists(target) and item.where in ("cache", "remote"):
            continue  # git has it as well, or a folder that was placed before
        if item.where == "disk":
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(sources.top / data.path, target)
        else:
            checkout(_pointer(data), sources.cache, target)


def _inside(tree: Path, path: str) -> Path:
    parts = PurePosixPath(path).parts
    at = tree
    for part in parts:
        at = at / part
        if part == ".." or at.is_symlink():
            raise UsageError(f"data {path} would lie outside the work tree: the record is not to be trusted")
    if not parts or parts[0] == ".git":
        raise UsageError(f"data {path} would lie in git's own folder: the record is not to be trusted")
    return at


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def share_cache(tree: Path, sources: Sources) -> None:
    """Give DVC in the work tree the cache, remotes and credentials of the user's own checkout.

    Only where git ignores ``.dvc/config.local``, as after ``dvc init``: the tree has to stay clean.
    """
    folder = tree / ".dvc"
    if not (folder / "config").is_file() or folder.is_symlink():
        return
    question = ("check-ignore", "--quiet", ".dvc/config.local")  # which knows no literal paths
    if Repository.discover(tree).run(*question, env={"GIT_LITERAL_PATHSPECS": "0"}).code != 0:
        return
    from configobj import ConfigObj

    own = sources.top / ".dvc" / "config.local"
    settings = ConfigObj(str(own) if own.is_file() else None, interpolation=False, encoding="utf-8")
    settings.setdefault("cache", {})["dir"] = str(sources.cache)
    settings.filename = str(folder / "config.local")
    settings.write()
