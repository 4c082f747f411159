"""Which uncommitted files a snapshot of the code holds: none that is large, secret, a model or data.

What git has never been given must not reach a remote inside a snapshot unnoticed: it is named at the end.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gittrack.formats.record import LeftOut, clean_text
from gittrack.git.repository import Change
from gittrack.text.text import one_line, size

LOOKS = "looks like a model or data: declare it by --output or --input, or commit it"
MOST_LEFT_OUT = 100
"""Files that a record names one by one; more are counted by their folder."""
_NAMED = 10

# By their names alone.
_CREDENTIALS = re.compile(
    r"\.env(?:\.(?!example|sample|template|dist|defaults?).+)?|[._]netrc|\.pypirc|\.git-credentials|\.htpasswd"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:pem|key|p12|pfx|jks|keystore)|kaggle\.json|credentials(?:\.json)?"
    r"|(?:client[-_]secret|service[-_]account).*\.json"
)
_MODEL_OR_DATA = re.compile(
    r".+\.(?:pt|pth|ckpt|safetensors|onnx|h5|hdf5|keras|pb|tflite|pkl|pickle|joblib|npy|npz|bin|gguf|ggml|mlmodel"
    r"|caffemodel|weights|pdparams|cbm|ubj"
    r"|csv|tsv|parquet|feather|arrow|avro|orc|jsonl|ndjson|db|sqlite3?|duckdb|tfrecords?|lmdb|mdb|rec|nc|mat|rds"
    r"|rdata|sav|dta|xlsx?|ods|zip|tar|t?gz|bz2|xz|zst|7z|rar"
    r"|jpe?g|png|gif|bmp|tiff?|webp|wav|mp3|flac|ogg|mp4|avi|mov|mkv|webm|dcm|nii|las|ply)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a snapshot may hold."""

    file_bytes: int = 10_000_000
    untracked_bytes: int = 20_000_000
    """Of all files together that git does not track."""
    inputs: Sequence[str] = ()
    """Paths from the top that the run reads: they may be data."""


@dataclass(slots=True)
class Sorted:
    """The changes that a snapshot holds, and those that stay as they are committed, with why."""

    held: list[Change] = field(default_factory=list)
    out: list[Change] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    untracked: list[tuple[str, int]] = field(default_factory=list)
    """Path and bytes of what is held and git does not track."""

    def notes(self) -> list[str]:
        """What a person is told at the run's end; nothing where all is tracked."""
        notes = []
        if self.untracked:
            total = size(sum(count for _, count in self.untracked))
            files = [f"{one_line(path)} ({size(count)})" for path, count in self.untracked]
            plural = "file" if len(files) == 1 else "files"
            held = f"{len(files)} {plural} that git does not track, {total}"
            notes.append(f"the code snapshot holds {held}: {_some(files)}")
        if self.left_out:
            files = [
                f"{one_line(file.path)} ({size(file.size)}: {file.reason.partition(':')[0]})"
                for file in self.left_out
            ]
            notes.append(f"left out of the code snapshot: {_some(files)}")
        return notes


def sort_changes(
    top: Path, changes: Iterable[Change], limits: Limits, filters: Mapping[str, str] | None = None
) -> Sorted:
    """Which of the changes go into a snapshot. Of untracked files, the smallest come first.

    `filters`: by path, the filter of git that it would have to go through, and that is not here.
    """
    made = Sorted()
    untracked: list[tuple[int, Change]] = []
    limits = replace(limits, inputs=[*limits.inputs, *_behind_links(top, limits.inputs)])
    for change in changes:
        reason, count = _why_left_out(top / change.path, change, limits)
        if not reason and filters and change.path in filters and (top / change.path).is_file():
            reason = f"its filter {clean_text(filters[change.path])} is not installed here"
        if reason:
            _leave(made, change, count, reason)
        elif change.state == "?":
            untracked.append((count, change))
        else:
            made.held.append(change)
    total, over = 0, f"untracked files are more than {limits.untracked_bytes} bytes in all"
    for count, change in sorted(untracked):
        if total + count > limits.untracked_bytes:
            _leave(made, change, count, over)
        else:
            total += count
            made.held.append(change)
            made.untracked.append((change.path, count))
    made.untracked.sort(key=lambda item: (-item[1], item[0]))
    made.left_out = _by_folder(made.left_out)
    return made


def _behind_links(top: Path, inputs: Iterable[str]) -> Iterator[str]:
    """Where inputs that are, or lie below, links lie in the work tree themselves."""
    folder = top.resolve()
    for path in inputs:
        full = (top / path).resolve()
        if full != folder / path and full.is_relative_to(folder) and full != folder:
            yield full.relative_to(folder).as_posix()


def _leave(made: Sorted, change: Change, count: int, reason: str) -> None:
    made.out.append(change)
    made.left_out.append(LeftOut(path=clean_text(change.path), size=count, reason=reason))


def _some(files: Sequence[str]) -> str:
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return ", ".join(files[:_NAMED]) + more


def _by_folder(files: list[LeftOut]) -> list[LeftOut]:
    """Of very many files, their folders: a record has no room for a data set's names."""
    depth = 8
    while len(files) > MOST_LEFT_OUT and depth >= 0:
        groups: dict[tuple[str, str], list[LeftOut]] = {}
        for file in files:
            folder = PurePosixPath(*PurePosixPath(file.path).parts[:depth]).as_posix()
            groups.setdefault((folder, file.reason.partition(" (")[0]), []).append(file)
        files = [
            LeftOut(
                path=folder, size=sum(file.size for file in group), reason=f"{reason} ({_files(group)} files)"
            )
            if len(group) > 1
            else group[0]
            for (folder, reason), group in groups.items()
        ]
        depth -= 1
    return files


def _files(group: Sequence[LeftOut]) -> int:
    counts = (re.search(r" \(([0-9]+) files\)$", file.reason) for file in group)
    return sum(int(count[1]) if count else 1 for count in counts)


def _why_left_out(path: Path, change: Change, limits: Limits) -> tuple[str, int]:
    """Why a changed file cannot be in the snapshot (empty when it can), and its size in bytes."""
    if change.submodule is not None:
        return "", 0
    if change.path.endswith("/"):
        return "another git repository inside the work tree", 0
    try:
        info = path.lstat()
    except OSError:
        return "", 0  # deleted: the snapshot says so
    if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode) or stat.S_ISDIR(info.st_mode)):
        return "neither a file nor a link", 0
    if info.st_size > limits.file_bytes:
        return f"larger than {limits.file_bytes} bytes", info.st_size
    if change.state == "?" and _CREDENTIALS.fullmatch(path.name.lower()):
        return "may hold credentials", info.st_size
    if change.state == "?" and _looks_like_data(path, info.st_mode) and not _is_read(change.path, limits):
        return LOOKS, info.st_size
    if not path.is_symlink() and not os.access(path, os.R_OK):
        return "not readable", info.st_size
    return "", info.st_size


def _looks_like_data(path: Path, mode: int) -> bool:
    """By its name; a link holds no more than a path."""
    return not stat.S_ISLNK(mode) and _MODEL_OR_DATA.fullmatch(path.name.lower()) is not None


def _is_read(path: str, limits: Limits) -> bool:
    return any(path == given or path.startswith(given + "/") for given in limits.inputs)
