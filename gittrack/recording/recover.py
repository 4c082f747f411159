"""Runs whose process is gone, committed by whoever comes next."""

from __future__ import annotations

import fcntl
import time
from dataclasses import dataclass

from gittrack.errors import GittrackError
from gittrack.formats.record import Record, parse_time
from gittrack.git.repository import Repository
from gittrack.recording.capture.code import LIVE
from gittrack.recording.finish import commit
from gittrack.recording.journal import Journal
from gittrack.recording.journal.stored import StoredJournal, stored_journals
from gittrack.recording.lost import collect_lost


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one journal."""

    run_id: str
    record: Record | None
    """The record now on the ledger; None when the run was left as it is."""
    why: str = ""
    """Why it was left: it still runs, another host owns it, or what went wrong."""
    failed: bool = False


def recover(repo: Repository, *, only: str | None = None, force: bool = False) -> list[Recovery]:
    """Commit every run whose process is gone. Safe to call at any time, by any number of processes.

    `force` also takes runs of other hosts, which cannot be asked whether they live.
    """
    return [
        _recover_one(repo, journal, force)
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
        run_id = ref.removeprefix(LIVE)
        begun = parse_time(f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00Z").timestamp()
        if run_id not in journals and begun < before:
            gone.append((ref, None, None))
    if gone:
        repo.update_refs(gone)
    return len(gone)


_ELSEWHERE = "belongs to another host or container; --force commits it all the same"


def _settle(repo: Repository, stored: StoredJournal) -> None:
    """Put the Pythons of a lost job into its journal: `gittrack run` did not live to do it."""
    from gittrack.recording.interpreters.settle import is_open, settle

    if is_open(stored):
        journal = Journal(stored.folder)
        settle(repo, journal)
        journal.close()


def _recover_one(repo: Repository, journal: StoredJournal, force: bool) -> Recovery:
    try:
        with (journal.folder / "recover.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if journal.folder.is_dir():
                alive = journal.alive
                if alive or (alive is None and not force):
                    return Recovery(journal.run_id, None, "still running" if alive else _ELSEWHERE)
                _settle(repo, journal)
                collect_lost(repo, journal)
                return Recovery(journal.run_id, commit(repo, journal))
    except BlockingIOError:
        return Recovery(journal.run_id, None, "another process is recovering it")
    except GittrackError as error:
        return Recovery(journal.run_id, None, str(error), failed=True)
    except Exception as error:  # a damaged journal must not keep the others, or the next run, from the ledger
        if journal.folder.is_dir():
            why = f"{journal.folder}: cannot be read ({type(error).__name__}: {error})"
            return Recovery(journal.run_id, None, why, failed=True)
    return Recovery(journal.run_id, None, "another process has just committed it")
