"""Aim: its ``.aim`` folder, read by Aim's own package in a process apart, of a copy of each run."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from gittrack.importers import folders
from gittrack.importers.aim.bridge import Bridge
from gittrack.importers.aim.facts import DATABASE, Facts, read_facts
from gittrack.importers.aim.run import Run
from gittrack.importers.foreign import ForeignRun, Options, Skipped

_HASH = re.compile(r"[0-9A-Za-z_-]{1,64}")


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the repository of Aim at `source`: its ``.aim``, or the folder that has it."""
    source = source.resolve()
    home = source if source.name == ".aim" else source / ".aim"
    chunks = folders.entries(home / "meta" / "chunks")
    hashes = [path.name for path in chunks if folders.is_folder(path) and _HASH.fullmatch(path.name)]
    try:
        facts = read_facts(home)
    except (sqlite3.Error, OSError, ValueError) as error:
        yield Skipped(what=DATABASE, why=f"names, tags and times are not known: {error}")
        facts = {}
    for run in sorted(facts.keys() - {*hashes}):
        yield Skipped(what=f"run {run}", why="the repository lists it and has no files of it")
    if not hashes:
        yield Skipped(what=source.name, why="a repository of Aim without runs (.aim/meta/chunks)")
        return
    python = options.python or Path(sys.executable)
    try:
        bridge = Bridge(python)
    except (OSError, ValueError) as error:
        yield Skipped(what=source.name, why=f"{python.name} cannot be started: {error}")
        return
    with bridge:
        absent = bridge.beginning.get("absent")
        if absent is not None:
            yield Skipped(what=source.name, why=_without_aim(python, str(absent)))
            return
        version = str(bridge.beginning.get("version"))
        for run in hashes:
            with TemporaryDirectory(prefix="gittrack-import-") as folder:
                reader = Run(bridge, home, run, Path(folder), facts.get(run, Facts()))
                try:
                    yield reader.run(source, version)
                except (OSError, ValueError) as error:
                    yield Skipped(what=f"run {run}", why=str(error))


def _without_aim(python: Path, error: str) -> str:
    return (
        f"only Aim reads its files, and {python} has none that can be loaded ({error[:200]}): "
        "python -m venv aim && aim/bin/pip install aim 'setuptools<81', then --python aim/bin/python"
    )
