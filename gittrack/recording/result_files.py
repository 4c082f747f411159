"""Parameters and metrics in files that programs of any language write.

The readers are in `gittrack.recording.results`.
"""

from __future__ import annotations

from gittrack.recording.results.documents import MAX_BYTES
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.metrics import check_metrics_file, read_metrics
from gittrack.recording.results.params import read_params
from gittrack.recording.results.rows import Row
from gittrack.recording.results.tables import read_table

__all__ = [
    "MAX_BYTES",
    "Losses",
    "Row",
    "check_metrics_file",
    "read_metrics",
    "read_params",
    "read_table",
]
