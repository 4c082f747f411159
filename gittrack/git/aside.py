"""Objects that leave no trace: git sees the repository's own, and writes to a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gittrack.git.repository import Repository

UNASKED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GCM_INTERACTIVE": "never",
}
"""For a git that nobody sees: it asks no one for a password."""


@contextmanager
def aside(repository: Repository, **variables: str) -> Iterator[Repository]:
    """`repository`, whose new objects lie in a folder of their own until the end."""
    with tempfile.TemporaryDirectory(prefix="gittrack-") as folder:
        objects = Path(folder) / "objects"
        objects.mkdir()
        own = str(repository.common_dir / "objects").replace("\\", "\\\\").replace('"', '\\"')
        places = {"GIT_OBJECT_DIRECTORY": str(objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{own}"'}
        yield replace(repository, variables={**repository.variables, **places, **variables})
