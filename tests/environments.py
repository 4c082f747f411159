"""Virtual environments that borrow the packages of this one, so that none is fetched."""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path


def make_environment(folder: Path) -> Path:
    """A virtual environment with the dependencies of this one and without its gittrack; its bin folder.

    Python reads no .pth file in a folder that a .pth file names, so an editable gittrack
    of this environment is out of reach; an installed one comes after the new one.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    packages = [path for path in sys.path if path.endswith("-packages")]
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in packages))
    return folder / "bin"
