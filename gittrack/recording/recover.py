"""Runs whose process is gone, committed by whoever comes next."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gittrack.errors import GittrackError, LedgerError
from gittrack.formats.record import Record, parse_time
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import StoredJournal, stored_journals
from gittrack.recording.attempts import has_finished
from gittrack.recording.capture.code import LIVE
from gittrack.recording.finish import commit
from gittrack.recording.journal import Journal


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one journal."""

    run_id: str
    record: Record | None
    """The record now on the ledger; None when the run was left as it is."""
    why: str = ""
    """Why it was left: it still runs, another host owns it, or what went wrong."""
    failed: bool = False


def recover(
    repo: Repository, *, only: str | None = None, force: bool = False, keep_resumable: bool = False
) -> list[Recovery]:
    """Commit every run whose process is gone. Safe to call at any time, by any number of processes.

    `force` also takes runs of other hosts, which cannot be asked whether they live, and with `only` one
    that is in a scheduler's queue; `keep_resumable` leaves those that were begun to be resumed, unless they
    have finished. A ledger that has refused one run is not asked, and waited for, again.
    """
    refusals: dict[str, str] = {}
    return [
        _recover_one(repo, journal, force, keep_resumable, only is not None, refusals)
        for journal in stored_journals(repo.state_dir)
        if only is None or journal.run_id == only
    ]


LEFT_AFTER_S = 86_400
"""Age from which a snapshot's ref without a journal is that of a process that died while starting."""


def release_left_snapshots(repo: Repository) -> int:
    """Let go of snapshots whose run was killed before it had a journal; how many there were."""
    journals = {journal.run_id for journal in stored_journals(repo.state_dir)}
    before = time.time() - LEFT_AFTER_S
    gone = []
    for ref in repo.refs(LIVE):
        run_id = ref.removeprefix(LIVE).partition(".")[0]  # behind the dot is the number of an attempt
        begun = parse_time(f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00Z").timestamp()
        if run_id not in journals and begun < before:
            gone.append((ref, None, None))
    if gone:
        repo.update_refs(gone)
    return len(gone)


_ELSEWHERE = "belongs to another host or container; --force commits it all the same"


def settle_lost(repo: Repository, stored: StoredJournal) -> None:
    """Put the Pythons of a lost job into its journal: `gittrack run` did not live to do it."""
    from gittrack.recording.interpreters.settle import is_open, settle

    if is_open(stored):
        journal = Journal(stored.folder)
        settle(repo, journal)
        journal.close()


_QUEUED = "is in Slurm's queue, and may be begun again; --collect ends that, or its full id with --force"


def _recover_one(
    repo: Repository,
    journal: StoredJournal,
    force: bool,
    keep_resumable: bool,
    named: bool,
    refusals: dict[str, str],
) -> Recovery:
    from gittrack.recording.lost import collect_lost

    branch = ""
    try:
        with journal.alone():
            alive = journal.alive
            if alive or (alive is None and not force):
                return Recovery(journal.run_id, None, "still running" if alive else _ELSEWHERE)
            if journal.is_held and not (force and named):
                return Recovery(journal.run_id, None, _QUEUED)
            if keep_resumable and journal.start.get("resumable") and not has_finished(journal):
                return Recovery(journal.run_id, None, "kept to be resumed")
            branch = journal.start["ledger"]
            if branch in refusals:
                return Recovery(journal.run_id, None, refusals[branch], failed=True)
            settle_lost(repo, journal)
            collect_lost(repo, journal)
            return Recovery(journal.run_id, commit(repo, journal))
    except BlockingIOError:
        return Recovery(journal.run_id, None, "another process is recovering it")
    except FileNotFoundError as error:
        if journal.folder.is_dir():
            return Recovery(journal.run_id, None, f"{journal.folder}: {error}", failed=True)
    except GittrackError as error:
        if isinstance(error, LedgerError):
            refusals[branch] = str(error)
        return Recovery(journal.run_id, None, str(error), failed=True)
    except Exception as error:  # a damaged journal must not keep the others, or the next run, from the ledger
        if journal.folder.is_dir():
            why = f"{journal.folder}: cannot be read ({type(error).__name__}: {error})"
            return Recovery(journal.run_id, None, why, failed=True)
    return Recovery(journal.run_id, None, "another process has just committed it")
