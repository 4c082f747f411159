"""Names of experiments: the grammar, and what a name outside of it becomes.

An experiment is a folder of the ledger, a key of gittrack.yaml and a word of commands, so that its name is a
plain one. Another name, such as a tracker has, is kept as `Record.experiment_name`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

EXPERIMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_LONGEST_KEPT = 80


def experiment_of(name: str) -> str:
    """The experiment of that name: the name itself where it is in the grammar, else one like it.

    >>> experiment_of("digits"), experiment_of("probe é/sub")
    ('digits', 'probe-e-sub-7e2e8ea6')
    """
    if EXPERIMENT.match(name):
        return name
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    like = re.sub(r"[^A-Za-z0-9_.-]+", "-", ascii_only)[:_LONGEST_KEPT].strip("-.")
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{like or 'experiment'}-{digest}"
