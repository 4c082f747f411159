"""The pages of docs/, and what they tell a shell to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


DOCS = ROOT / "docs"


def shell(script: str, where: Path) -> str:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CI": "1"}
    done = subprocess.run(
        ["sh", "-eux"], input=script, cwd=where, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
