"""The subject beside that of a former release, which people name in many ways."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gittrack.errors import GittrackError, NotFoundError, UsageError
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.registry import Registry, parse_reference
from gittrack.publishing.report.decided import decisions_of
from gittrack.publishing.report.model import Change
from gittrack.publishing.report.places import added_by, committed, utc
from gittrack.reading.diff import compare
from gittrack.reading.entry import Entry, entry_of
from gittrack.reading.index import Index
from gittrack.reading.names import before_latest, is_of_id

_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?Z?")


def change_since(
    repository: Repository,
    objects: ObjectReader,
    index: Index,
    experiment: str,
    subject: Entry | None,
    since: str,
) -> Change:
    """What was added and what differs. NotFoundError where `since` names nothing that is on this ledger."""
    commit, before, how = _former(repository, objects, index, experiment, since)
    known = _runs_at(repository, commit, experiment)
    added = sum(1 for row in index.search(experiment=experiment) if row.id not in known)
    comparison, why = None, ""
    if before is None:
        why = f"no run of {experiment} was selected then"
    elif subject is None:
        why = "no run is selected now"
    elif before.id != subject.id:
        comparison = compare(before, subject)
    return Change(
        since=since,
        how=how,
        commit=commit,
        date=committed(objects, commit),
        runs=added,
        before=before.id if before else None,
        now=subject.id if subject else None,
        comparison=comparison,
        why=why,
    )


def _former(
    repository: Repository, objects: ObjectReader, index: Index, experiment: str, since: str
) -> tuple[str, Entry | None, str]:
    """Ledger commit of the former release, the run selected there, and what `since` was taken for."""
    tip = index.tip or ""
    date = _DATE.fullmatch(since)
    if date:
        moment = _moment(since, date)
        commit = _ledger_before(repository, tip, moment)
        if commit is None or not _runs_at(repository, commit, experiment):
            raise NotFoundError(f"--since {since}: the first run of {experiment} is of later")
        return commit, _selected(repository, objects, index, commit, experiment), f"the ledger on {since}"
    run, how = _registered(repository, index, experiment, since)
    if run is None:
        run, how = _named(index, experiment, since), f"run {since}"
    if run is not None:
        folder = run.path.rpartition("/")[0]
        commit = added_by(repository, tip, folder).get(f"{run.path}/run.yaml", tip)
        return commit, run, how
    return _revision(repository, objects, index, experiment, since)


def _revision(
    repository: Repository, objects: ObjectReader, index: Index, experiment: str, since: str
) -> tuple[str, Entry | None, str]:
    """A commit of the ledger, or one of the code: then the ledger as it stood at its date."""
    tip = index.tip or ""
    found = repository.resolve(since)
    if found is None:
        raise NotFoundError(
            f"--since {since}: no run, model, tag, revision or date (2026-11-25) is called that"
        )
    if repository.is_ancestor(found, of=tip):
        return found, _selected(repository, objects, index, found, experiment), "a commit of the ledger"
    moment = repository.git("show", "-s", "--format=%ct", "--end-of-options", found, doing="read a date")
    commit = _ledger_before(repository, tip, int(moment))
    if commit is None or not _runs_at(repository, commit, experiment):
        raise NotFoundError(
            f"--since {since}: code of {utc(int(moment))}, and the first run of {experiment} is of later"
        )
    how = f"code commit {found[:12]} of {utc(int(moment))}: the ledger as it stood then"
    return commit, _selected(repository, objects, index, commit, experiment), how


def _moment(since: str, date: re.Match[str]) -> int:
    """Seconds since the epoch; a day means its end."""
    try:
        moment = datetime.fromisoformat(f"{date[1]}T{date[2] or '23:59:59'}").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"--since {since}: no such date; give 2026-11-25 or 2026-11-25T14:30") from error
    return int(moment.timestamp())


def _ledger_before(repository: Repository, tip: str, moment: int) -> str | None:
    """The last commit of the ledger's own line that is dated at `moment` or before."""
    out = repository.git(
        "rev-list", "--first-parent", "-1", f"--before={moment}", "--end-of-options", tip, doing="find a date"
    )
    return out.decode().strip() or None


def _registered(
    repository: Repository, index: Index, experiment: str, since: str
) -> tuple[Entry | None, str]:
    """The run of a registered version, ``NAME@VERSION`` or ``NAME@STAGE``."""
    if "@" not in since and "#" not in since:
        return None, ""
    try:
        reference = parse_reference(since)
        registry = Registry.read(repository, index, reference.model)
        version = registry.version(reference)
        row = registry.claim(version).row
    except GittrackError:
        return None, ""  # a revision such as HEAD@{1} may be meant
    if row is None or row.experiment != experiment:
        return None, ""
    return entry_of(index, row), f"version {version.version} of model {reference.model}"


def _named(index: Index, experiment: str, since: str) -> Entry | None:
    """A run of the experiment by its id; an abbreviated commit means the commit."""
    try:
        row = index.one(since)
    except (NotFoundError, UsageError):
        return None
    by_id = before_latest(since) is not None or is_of_id(since, row.id)
    return entry_of(index, row) if by_id and row.experiment == experiment and row.fault is None else None


def _selected(
    repository: Repository, objects: ObjectReader, index: Index, commit: str, experiment: str
) -> Entry | None:
    """The run that was selected at a commit of the ledger."""
    for signed in reversed(decisions_of(repository, objects, commit, experiment)):
        if signed.holds and signed.decision.outcome == "selected":
            try:
                row = index.one(signed.decision.run)
            except NotFoundError:
                continue
            if row.fault is None:
                return entry_of(index, row)
    return None


def _runs_at(repository: Repository, commit: str, experiment: str) -> set[str]:
    out = repository.git(
        "ls-tree",
        "-r",
        "-z",
        "--name-only",
        "--end-of-options",
        commit,
        f"runs/{experiment}/",
        doing="list runs",
    )
    paths = out.decode("utf-8", "replace").split("\0")
    return {path.split("/")[-2] for path in paths if path.endswith("/run.yaml")}
