"""What stands in place of a status, for a run that has no record yet."""

from __future__ import annotations

RUNNING = "running"
ELSEWHERE = "elsewhere"
"""Another host, a container or a cluster's queue has the run; whether it lives cannot be told from here."""
UNRECORDED = "unrecorded"
"""The run's process is gone, and its record is not on the ledger: `gittrack recover` puts it there."""
SILENT = "silent"
"""On a remote, nothing was heard of the run for longer than it said it would take."""
LIVE = (RUNNING, ELSEWHERE, UNRECORDED, SILENT)
"""In place of a status, for a run that has no record yet."""
