"""Which answers of a remote to a snapshot are a refusal, and which a fault that passes."""

from __future__ import annotations

import pytest

from gittrack.git.repository import GitResult
from gittrack.ledger.live import is_refusal


@pytest.mark.parametrize(
    ("err", "is_one"),
    [
        ("fatal: unable to access 'http://h/r.git/': The requested URL returned error: 403", True),
        ("fatal: repository 'http://h/r.git/' not found", True),
        ("fatal: Authentication failed for 'http://h/r.git/'", True),
        ("git@h: Permission denied (publickey).", True),
        ("ERROR: Permission to a/b denied to c.", True),
        (" ! [remote rejected] x -> refs/gittrack/live/y (pre-receive hook declined)", True),
        ("fatal: unable to access 'http://h:8403/denied/404.git/': Failed to connect to h port 8403", False),
        ("fatal: unable to access 'http://h/r.git/': The requested URL returned error: 503", False),
        ("fatal: unable to access 'http://h/[remote rejected]': The requested URL error: 500", False),
        ("error: RPC failed; HTTP 401 curl 22", True),
        ("ssh: connect to host denied port 404: Connection refused", False),
    ],
)  # fmt: skip
def test_a_name_is_no_refusal(err: str, is_one: bool) -> None:
    """The address of a remote, which git repeats, says nothing of its answer."""
    assert is_refusal(GitResult(1, b"To http://h:8403/denied/404.git\n", err.encode())) is is_one
