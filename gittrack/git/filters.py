"""Filters of git (git-lfs, git-crypt, nbstripout, ...) whose program is not here.

What git would store of a file is then not known, and git may refuse to compare it at all.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from gittrack.git.process import clean_environment, spawn

_SETTING = re.compile(r"filter\.(.+)\.(?:clean|process)", re.DOTALL)
_FAILED = re.compile(rb"clean filter '([^'\n]+)' failed")
_SHELL = re.compile(r".*[$`=;&|<>(){}*?~!].*|[.:\[]|cd|command|eval|exec|export|if|for|case|set|while")
"""What only a shell can tell the program of."""


def named_in(err: bytes) -> set[str]:
    """The filters that git says it failed by."""
    return {os.fsdecode(name) for name in _FAILED.findall(err)}


def configured(config: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """The commands of each filter in git's configuration."""
    commands: dict[str, set[str]] = {}
    for key, values in config.items():
        if (match := _SETTING.fullmatch(key)) and values[-1]:
            commands.setdefault(match[1], set()).add(values[-1])
    return commands


def gone(config: Mapping[str, Sequence[str]], top: Path) -> set[str]:
    """The filters in git's configuration of which a program cannot be found."""
    filters = configured(config).items()
    return {name for name, commands in filters if not all(_is_here(command, top) for command in commands)}


def without(names: Collection[str]) -> list[str]:
    """Options of git by which it takes files as they are, and asks none of these filters."""
    settings = ("clean=", "process=", "required=false")
    lines = [f"filter.{name}.{setting}" for name in sorted(names) if "=" not in name for setting in settings]
    return [word for line in lines for word in ("-c", line)]


def _is_here(command: str, top: Path) -> bool:
    """Whether the program of a command can be found, as far as that is told by its first words."""
    try:
        words = shlex.split(command)
    except ValueError:
        return True
    if not words or _SHELL.fullmatch(words[0]):
        return True
    if "/" in words[0]:
        return os.access(top / words[0], os.X_OK)
    verb = re.fullmatch(r"[a-z-]+", words[1]) if words[0] == "git" and len(words) > 1 else None
    if shutil.which(f"git-{words[1]}" if verb else words[0]):
        return True
    if verb:
        return words[1] in _answer("--list-cmds=builtins,main").split()
    return os.access(Path(_answer("--exec-path").strip()) / words[0], os.X_OK)


def _answer(question: str) -> str:
    return os.fsdecode(spawn([question], clean_environment(), None, None).out)
