"""What is verified: the ledger commit, the runs named, and whose configuration is trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.formats.config import FILE, Config, parse
from gittrack.git.repository import ObjectReader, Repository
from gittrack.reading.index import Index, ledger_tip
from gittrack.reading.index.branch import ledger_branch
from gittrack.reading.names import is_of_id, means_a_run
from gittrack.verify.context import Context, Listing, RunFiles, VerifyOptions
from gittrack.verify.layout import list_tree
from gittrack.verify.repository import is_partial
from gittrack.verify.source import BareFacts

DEFAULT_BASE = "refs/remotes/origin/HEAD"
MARKED = b"# gittrack ledger, format "


@dataclass(frozen=True, slots=True)
class Target:
    """A ledger commit, and which of its runs: those named, those new since a commit, or all."""

    branch: str
    tip: str | None
    """None: there is no ledger."""
    since: str | None = None
    names: tuple[str, ...] = ()
    follows: bool = True
    """Whether the tip is where the ledger stands, so that it must not fall behind one verified before."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the rules come from."""

    config: Config
    commit: str | None
    """Code commit that is trusted; None where only this clone's own HEAD is known, or nothing."""


def read_base(repository: Repository, objects: ObjectReader, options: VerifyOptions) -> Base:
    """The configuration of the trusted revision: ``--base``, origin's default branch, else HEAD."""
    if options.base is not None:
        commit = repository.resolve(options.base)
        if commit is None:
            raise NotFoundError(f"no revision {options.base!r} to take the configuration from: run git fetch")
        return Base(_config_at(objects, commit, options.base), commit)
    for revision in (DEFAULT_BASE, "HEAD"):
        commit = repository.resolve(revision)
        if commit is not None:
            trusted = commit if revision == DEFAULT_BASE else None
            return Base(_config_at(objects, commit, revision), trusted)
    return Base(Config(), None)


def _config_at(objects: ObjectReader, commit: str, revision: str) -> Config:
    found = objects.get(f"{commit}:{FILE}")
    return Config() if found is None or found.kind != "blob" else parse(found.data, f"{revision}:{FILE}")


def choose(
    repository: BareFacts,
    selection: Sequence[str],
    options: VerifyOptions,
    config: Config,
) -> Target:
    """What the words of a command line mean: run names, a ledger revision, a range A..B, or nothing."""
    branch = config.ledger.branch if options.base is not None else ledger_branch(repository)
    tip = ledger_tip(repository, branch)
    if len(selection) == 1 and ".." in selection[0]:
        old, _, new = selection[0].partition("..")
        since = _commit(repository, old, tip)
        return Target(branch, _commit(repository, new.removeprefix("."), tip), since, follows=False)
    if len(selection) == 1 and _is_revision(repository, selection[0], tip):
        commit = repository.resolve(selection[0])
        return Target(branch, commit, follows=commit == tip)
    return Target(branch, tip, names=tuple(selection))


def _commit(repository: Repository, revision: str, default: str | None) -> str:
    commit = repository.resolve(revision) if revision else default
    if commit is None:
        raise NotFoundError(
            f"no ledger commit {revision or 'here'!r}: run git fetch, or see git branch --all"
        )
    return commit


def _is_revision(repository: BareFacts, word: str, tip: str | None) -> bool:
    """Whether `word` is a commit of a ledger: a run id, an end of one, or a code commit is none."""
    if means_a_run(word):
        return False
    commit = repository.resolve(word)
    if commit is None:
        return False
    if not _is_of_ledger(repository, commit, tip):
        return False
    if tip is None or not re.fullmatch(r"[0-9a-f]{4,12}", word):
        return True
    return not _of_id(word, list_tree(repository, tip).runs)


def _is_of_ledger(repository: BareFacts, commit: str, tip: str | None) -> bool:
    """Whether a commit has the mark of a ledger; or is of this one, where a partial clone lacks the mark."""
    try:
        with repository.objects() as objects:
            attributes = objects.get(f"{commit}:.gitattributes")
    except RepositoryError:
        if not is_partial(repository):
            raise
        return tip is not None and repository.is_ancestor(commit, of=tip)
    return attributes is not None and attributes.data.startswith(MARKED)


def build_context(
    repository: BareFacts,
    objects: ObjectReader,
    target: Target,
    base: Base,
    options: VerifyOptions,
    listing: Listing,
    new: frozenset[str] | None,
) -> Context:
    """The context of the checks; `new` are the paths that a range adds."""
    runs: Mapping[str, RunFiles] = listing.runs
    if new is not None:
        runs = {f: run for f, run in runs.items() if any(run.path(name) in new for name in run.blobs)}
    elif target.names:
        runs = named(repository, target, listing.runs)
    return Context(
        repository=repository,
        objects=objects,
        branch=target.branch,
        tip=target.tip or "",
        runs=runs,
        all_runs=listing.runs,
        config=base.config,
        options=options,
        since=target.since,
        base=base.commit,
        listing=listing,
        new=new,
        pins=target.follows,
    )


def named(repository: Repository, target: Target, runs: Mapping[str, RunFiles]) -> dict[str, RunFiles]:
    """The runs that the names mean, as everywhere."""
    chosen: dict[str, RunFiles] = {}
    for name in target.names:
        folders = _of_id(name, runs)
        if len(folders) != 1:
            folders = _indexed(repository, target.branch, name, is_revision=not folders)
        if not any(folder in runs for folder in folders):
            raise NotFoundError(
                f"no run and no ledger commit {name!r}: gittrack log lists the runs there are"
            )
        chosen.update((folder, runs[folder]) for folder in folders if folder in runs)
    return chosen


def _of_id(name: str, folders: Iterable[str]) -> list[str]:
    """Of the `folders` of runs those whose id `name` is, or else is an end of."""
    experiment, _, end = name.rpartition("/")
    ids = {folder: folder.rpartition("/")[2] for folder in folders}
    matching = [
        folder
        for folder, run_id in ids.items()
        if end and is_of_id(end, run_id) and experiment in ("", folder.split("/")[1])
    ]
    return [folder for folder in matching if ids[folder] == end] or matching


def _indexed(repository: Repository, branch: str, name: str, *, is_revision: bool) -> list[str]:
    """Folders of the newest runs, or of those of a code commit: of an abbreviation or any other revision.

    The index finds them, and says what an ambiguous name may be; it is asked for nothing else.
    """
    with Index.open(repository, branch) as index:
        try:
            rows = index.resolve(name)
        except NotFoundError:
            is_abbreviation = re.fullmatch(r"[0-9a-f]{4,64}", name)
            commit = repository.resolve(name) if is_revision and not is_abbreviation else None
            if commit is None:
                raise
            rows = index.resolve(commit)
    return [row.folder for row in rows]
