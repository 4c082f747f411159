"""What stock git says and does."""

from __future__ import annotations

import subprocess
from pathlib import Path


def run_git(where: Path, *arguments: str) -> str:
    """Run stock git in `where` and return what it printed."""
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=where, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout
