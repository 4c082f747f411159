"""A ledger with a baseline, and a proposal cut from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.ledger import ROOT_FILES
from tests.ledgers import BRANCH, commit_files, files_of
from tests.repositories import run_git

PROPOSAL = "gittrack/review/wider"

Propose = Callable[..., Repository]


@pytest.fixture
def propose(inside: Path) -> Propose:
    """Makes a ledger of `known` runs and a proposal that adds `new` ones, with files beside each."""

    def make(known: Sequence[Record], new: Sequence[Record], **beside: bytes) -> Repository:
        repository = Repository.discover(inside)
        commit_files(repository, dict(ROOT_FILES))
        add(repository, known, BRANCH, beside)
        run_git(inside, "branch", PROPOSAL, BRANCH)
        add(repository, new, PROPOSAL, beside)
        return repository

    return make


def add(repository: Repository, records: Sequence[Record], branch: str, beside: dict[str, bytes]) -> None:
    """Put records on `branch`, one commit for all."""
    files = {path: data for record in records for path, data in files_of(record, **beside).items()}
    if files:
        commit_files(repository, files, branch=branch)
