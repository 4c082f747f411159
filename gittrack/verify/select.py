"""What is verified: the ledger commit, the runs named, and whose configuration is trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gittrack.errors import NotFoundError
from gittrack.formats.config import FILE, Config, parse
from gittrack.git.repository import ObjectReader, Repository
from gittrack.reading.index import Index, Row, ledger_tip
from gittrack.reading.index.branch import ledger_branch
from gittrack.reading.names import means_a_run
from gittrack.verify.context import Context, Listing, RunFiles, VerifyOptions
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
    repository: Repository,
    objects: ObjectReader,
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
    if len(selection) == 1 and _is_revision(repository, objects, selection[0]):
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


def _is_revision(repository: Repository, objects: ObjectReader, word: str) -> bool:
    """Whether `word` is a commit of a ledger: a run id or a code commit is none."""
    if means_a_run(word):
        return False
    commit = repository.resolve(word)
    if commit is None:
        return False
    attributes = objects.get(f"{commit}:.gitattributes")
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
    """The runs that the names mean, as everywhere; the index finds them, and is asked for nothing else."""
    chosen: dict[str, RunFiles] = {}
    with Index.open(repository, target.branch) as index:
        for name in target.names:
            folders = [row.folder for row in _rows(repository, index, name) if row.folder in runs]
            if not folders:
                raise NotFoundError(
                    f"no run and no ledger commit {name!r}: gittrack log lists the runs there are"
                )
            chosen.update((folder, runs[folder]) for folder in folders)
    return chosen


def _rows(repository: Repository, index: Index, name: str) -> Sequence[Row]:
    """The run of a name, or the runs of a code commit, which may be written as any revision."""
    try:
        return index.resolve(name)
    except NotFoundError:
        commit = repository.resolve(name)
        if commit is None or not index.tip:
            raise
        return index.resolve(commit)
