"""Texts that a run logged at steps: texts.jsonl beside its record."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gittrack.errors import RecordError

FILE = "texts.jsonl"
FULL_TEXTS = "outputs/_gittrack/texts.jsonl.dvc"
"""Pointer of the complete file, where it is too large for git."""
IN_GIT = 1 << 20
"""Bytes above which the complete file goes to DVC, and its first and last lines to git."""

StoreFile = Callable[[Path], tuple[str, bytes]]
"""Puts a file into the DVC cache under its name; its md5 and the pointer's bytes."""


class Text(NamedTuple):
    """A text at a step. `time`: seconds since the start of the run. What is not known is None."""

    name: str
    text: str
    step: int | float | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of a run. `rows` are all that it logged; `sha256` and `size` are of texts.jsonl.

    That has all of them, unless `pointer` is set: then the complete file is DVC-tracked, and texts.jsonl
    holds the first and the last, `sampled_rows` in all.
    """

    rows: int
    sha256: str
    size: int
    pointer: str | None = None
    md5: str | None = None
    complete_sha256: str | None = None
    complete_size: int | None = None
    sampled_rows: int | None = None


def write_texts(texts: Iterable[Text], path: Path, files: dict[str, bytes], store: StoreFile) -> Texts | None:
    """Write all texts to `path`, called texts.jsonl; what the record says of them, None where there is none.

    texts.jsonl joins `files`, and the pointer of the complete file where that is large.
    """
    digest, size, rows = hashlib.sha256(), 0, 0
    with path.open("wb") as file:
        for text in texts:
            line = _line(text)
            digest.update(line)
            size += file.write(line)
            rows += 1
    if not rows:
        path.unlink()
        return None
    if size <= IN_GIT:
        files[FILE] = path.read_bytes()
        return Texts(rows=rows, sha256=digest.hexdigest(), size=size)
    md5, files[FULL_TEXTS] = store(path)
    files[FILE] = sample = _ends(path)
    return Texts(
        rows=rows,
        sha256=hashlib.sha256(sample).hexdigest(),
        size=len(sample),
        pointer=FULL_TEXTS,
        md5=md5,
        complete_sha256=digest.hexdigest(),
        complete_size=size,
        sampled_rows=sample.count(b"\n"),
    )


def _line(text: Text) -> bytes:
    said = {
        "name": text.name,
        **({} if text.step is None else {"step": text.step}),
        **({} if text.time is None else {"time": round(text.time, 6)}),
        "text": text.text,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _ends(path: Path) -> bytes:
    """The first and the last lines, as many of each as half of what git gets has room for."""
    first: list[bytes] = []
    last: deque[bytes] = deque()
    at_first = at_last = 0
    with path.open("rb") as lines:
        for line in lines:
            if not last and at_first + len(line) <= IN_GIT // 2:
                first.append(line)
                at_first += len(line)
                continue
            last.append(line)
            at_last += len(line)
            while at_last > IN_GIT // 2:
                at_last -= len(last.popleft())
    return b"".join([*first, *last])


def read_texts(data: bytes, where: str) -> list[Text]:
    """The texts in the bytes of a texts.jsonl; RecordError if it is none."""
    texts = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            said = json.loads(line)
            if not isinstance(said, Mapping):
                raise TypeError("no object")
            texts.append(Text(str(said["name"]), str(said["text"]), said.get("step"), said.get("time")))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RecordError(f"{where}: line {number} is no text of a run: {error}") from error
    return texts
