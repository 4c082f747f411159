"""The key by which this clone tells masked values apart: made once, in the git directory, never sent."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from gittrack.formats.masks import COMMAND, digest
from gittrack.formats.record import clean_text
from gittrack.formats.spec import without_seed_arguments

FILE = "mask-key"
_KEY = re.compile(r"[0-9a-f]{16}:[0-9a-f]{64}\n?")


def key_of(state_dir: Path) -> Callable[[], str]:
    """Reads the key when it is asked for; one is made where there is none."""
    return functools.partial(_key, state_dir)


def masked_command(recorded: Sequence[str], given: Sequence[str], key: Callable[[], str]) -> dict[str, str]:
    """The digest of a command of which something is hidden, its seed apart; nothing where nothing is."""
    whole = list(map(clean_text, given))
    return {} if list(recorded) == whole else {COMMAND: digest(key, without_seed_arguments(whole))}


@functools.cache
def _key(state_dir: Path) -> str:
    path = state_dir / FILE
    try:
        text = path.read_text() if path.exists() else _make(path)
    except OSError:  # a folder that cannot be written: what this process masks is like nothing else
        return _fresh()
    return text.strip() if _KEY.fullmatch(text) else _fresh()


def _make(path: Path) -> str:
    """Whole or not at all, readable by its owner alone; the first of several processes decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{FILE}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(_fresh() + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text()


def _fresh() -> str:
    return f"{os.urandom(8).hex()}:{os.urandom(32).hex()}"
