"""The files of the package and its wings, in their order, for the tests that hold them."""

from __future__ import annotations

from pathlib import Path

from gittrack import cli

PACKAGE = Path(cli.__file__).parent.parent
FILES = sorted(PACKAGE.rglob("*.py"))

# A wing may import only wings that stand above it here, and itself. docs/architecture.md says what each does.
WINGS = (
    "version",
    "errors",
    "workers",
    "text",
    "formats",
    "git",
    "dvc",
    "ledger",
    "reading",
    "recording",
    "stats",
    "governance",
    "verify",
    "running",
    "exporters",
    "importers",
    "publishing",
    "__init__",
    "cli",
    "__main__",
)


def wing_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]
