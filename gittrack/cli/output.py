"""The one place that writes to the terminal: colours, pager, progress, notes on standard error."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from gittrack.text.text import Paint, width

if TYPE_CHECKING:
    from gittrack.governance.registry.share import Tags
    from gittrack.text.sections import Section

no_color = False
"""Set by ``--no-color``."""


def paint(stream: TextIO | None = None) -> Paint:
    """Colours where `stream` (default: standard output) is a terminal and nobody asked for none."""
    stream = stream or sys.stdout
    plain = no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Paint(not plain and stream.isatty())


def columns() -> int | None:
    """Width of the terminal on standard output; None where it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def write(text: str) -> None:
    """`text` to standard output, whatever the terminal's encoding can show of it."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def write_bytes(data: bytes) -> None:
    """`data` to standard output as it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def note(text: str) -> None:
    """One line for the person, beside the output and, where both go to one place, after it."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def note_tags(tags: Tags, verb: str, remote: str) -> None:
    """What became of the registry's tags on their way; nothing where there were none."""
    if tags.moved:
        note(f"{len(tags.moved)} tag{'' if len(tags.moved) == 1 else 's'} of the registry {verb}")
    for name in tags.differ:
        note(f"gittrack: warning: {remote} has another tag {name}: neither was changed")


def page(lines: Sequence[str], *, pager: bool = True) -> None:
    """`lines` to standard output, through the pager of git when they are more than the screen holds."""
    command = _pager() if pager and sys.stdout.isatty() and not _fits(lines) else None
    if command is None or not _through(command, lines):
        write("".join(f"{line}\n" for line in lines))


def redraw(lines: Sequence[str]) -> None:
    """`lines` to the terminal in place of what it shows, as many as it has room for."""
    if os.environ.get("TERM") == "dumb":
        write("".join(f"{line}\n" for line in [*lines, ""]))
        return
    room = max(shutil.get_terminal_size().lines - 2, 1)  # the last ones are for a note, and the cursor
    write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines[:room]) + "\x1b[J")


def show_sections(
    sections: Sequence[Section], *, md: bool, form: str | None = None, pager: bool = True
) -> None:
    """Tables and notes, as Markdown, in the format `form` of `tables`, or for people."""
    from gittrack.text.sections import as_format, as_markdown, terminal

    if form:
        write(as_format(sections, form))
    elif md:
        write(as_markdown(sections))
    else:
        page(terminal(sections, paint(), columns()), pager=pager)


def write_json(plain: Any) -> None:
    """`plain` as indented JSON."""
    from gittrack.text.json_text import json_page

    write(json_page(plain))


def _fits(lines: Iterable[str]) -> bool:
    screen = shutil.get_terminal_size()
    # Colours count as width here: better the pager once too often.
    return sum(1 + max(width(line) - 1, 0) // max(screen.columns, 1) for line in lines) < screen.lines


def _pager() -> list[str] | None:
    """GIT_PAGER, PAGER, else less; no shell ever sees it."""
    chosen = os.environ.get("GIT_PAGER", os.environ.get("PAGER", "less"))
    try:
        command = shlex.split(chosen)
    except ValueError:
        return None
    return command if command and command != ["cat"] and shutil.which(command[0]) else None


def _through(command: list[str], lines: Iterable[str]) -> bool:
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    sys.stdout.flush()
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    while True:
        try:
            process.communicate(data)
        except KeyboardInterrupt:  # the pager's to handle: it goes on until the person leaves it
            data = b""
            continue
        return True


class Progress:
    """A counter on standard error, shown only to a person and only when it takes long: as long as git waits
    where GIT_PROGRESS_DELAY (whole seconds) is set."""

    def __init__(self, what: str) -> None:
        delay = os.environ.get("GIT_PROGRESS_DELAY", "")
        self._what = what
        self._begin = time.monotonic() + (int(delay) if delay.isascii() and delay.isdigit() else 1)
        self._shown = False
        self._on = sys.stderr.isatty()

    def __call__(self, count: int, total: int | None = None) -> None:
        """`total` is None where nobody knows it: then `close` ends the line."""
        if not self._on or (not self._shown and time.monotonic() < self._begin):
            return
        self._shown = True
        end = "\n" if total is not None and count >= total else ""
        sys.stderr.write(f"\r{self._what}: {count:,}{'' if total is None else f' of {total:,}'}{end}")
        sys.stderr.flush()

    def close(self) -> None:
        """End the line, if there is one."""
        if self._shown:
            sys.stderr.write("\n")
