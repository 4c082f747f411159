"""The end of what a program printed, as a terminal shows it: of a progress bar, how it looked at last."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Mapping

from gittrack.formats.record import clean_text
from gittrack.formats.scrub import scrub_text

TAIL_BYTES = 64 << 10
_KEEP = 4 * TAIL_BYTES
"""Characters that are held at least."""
_HEIGHT = 64
"""Rows that a program can still move up to: more than bars are ever nested."""
_WIDTH = 1000
"""The furthest column that a program can move to."""
_CONTROL = re.compile(
    r"\n|\r|\x08"
    r"|\x1b\[(?P<count>[0-?]{0,64})[ -/]{0,8}(?P<end>[@-~])"  # move, erase, colour
    r"|\x1b[\]PX^_][^\x00-\x1f]{0,4096}(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[ -/]{0,8}[0-~]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x00-\x1f]{0,4096}\x1b?|[ -/]{0,8})?\Z")


class Tail:
    """The end of what a program printed, secrets gone, at most 64 KiB.

    What comes by two pipes is shown as on two terminals: lines stand in the order in which they were
    first ended, and those that are still being written come last.
    """

    def __init__(self) -> None:
        self._rows: deque[_Row] = deque()
        self._new = 0
        self._cut = False
        self._screens: dict[int, _Screen] = {}

    def add(self, data: bytes, source: int = 1) -> None:
        """Take what came from `source` (1 or 2)."""
        screen = self._screens.setdefault(source, _Screen())
        self._rows.extend(screen.write(data))
        self._new += len(data)
        if self._new > _KEEP:
            self._shorten()

    def _shorten(self) -> None:
        kept: deque[_Row] = deque()
        size = 0
        while self._rows and size < _KEEP:
            kept.appendleft(self._rows.pop())
            size += kept[0].size + 1
        self._cut = self._cut or bool(self._rows)
        self._rows, self._new = kept, 0

    def text(self, env: Mapping[str, str]) -> tuple[bytes, bool]:
        """UTF-8 text and whether its front was cut off."""
        ended = "".join(f"{row.shown}\n" for row in self._rows)
        still_open = "\n".join(filter(None, (screen.row.shown for screen in self._screens.values())))
        tail = clean_text(scrub_text(ended + still_open, env)).encode()
        is_cut = self._cut or any(screen.is_cut for screen in self._screens.values())
        if len(tail) <= TAIL_BYTES and not is_cut:
            return tail, False
        tail = tail[-TAIL_BYTES:]
        return tail.partition(b"\n")[2] or tail.decode("utf-8", "ignore").encode(), True


class _Row:
    """A line that may still be written to; or several that are not any more."""

    __slots__ = ("_is_rewritten", "_pieces", "size")

    def __init__(self, text: str = "") -> None:
        self._pieces = [text]
        self._is_rewritten = False
        self.size = len(text)

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def shown(self) -> str:
        """Without the blanks that a bar is wiped out with."""
        return self.text.rstrip(" ") if self._is_rewritten else self.text

    def append(self, text: str) -> None:
        self._pieces.append(text)
        self.size += len(text)

    def replace(self, text: str) -> None:
        self._pieces = [text]
        self._is_rewritten = True
        self.size = len(text)


class _Screen:
    """The last rows that came from one source, and the place in them that is written to next."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._rows = [_Row()]
        self._at = 0
        self._column = 0
        self.is_cut = False
        """Whether a line was too long to be held."""

    @property
    def row(self) -> _Row:
        """The only one that was never ended."""
        return self._rows[-1]

    def write(self, data: bytes) -> list[_Row]:
        """The rows that are ended by `data` for the first time."""
        text = (self._unfinished + self._decoder.decode(data)).replace("\r\n", "\n")
        self._unfinished = ""
        if "\x1b" in text and (match := _UNFINISHED.search(text)):
            self._unfinished = match[0]
            text = text[: match.start()]
        ended: list[_Row] = []
        is_plain = not ("\r" in text or "\x1b" in text or "\b" in text)
        if is_plain and self._at == len(self._rows) - 1 and self._column == self.row.size:
            self._write_plain(text, ended)
        else:
            place = 0
            for token in _CONTROL.finditer(text):
                self._put(text[place : token.start()])
                self._obey(token, ended)
                place = token.end()
            self._put(text[place:])
        if self.row.size > _KEEP:
            self.row.replace(self.row.text[-TAIL_BYTES:])
            self._column = min(self._column, self.row.size)
            self.is_cut = True
        return ended

    def _write_plain(self, text: str, ended: list[_Row]) -> None:
        """Text at the end: all but the rows that the program may still move up to is one piece."""
        first, newline, more = text.partition("\n")
        self._put(first)
        if not newline:
            return
        ended.append(self.row)
        lines = more.rsplit("\n", _HEIGHT)
        if len(lines) > _HEIGHT:
            ended.append(_Row(lines.pop(0)))
        rows = [_Row(line) for line in lines]
        ended += rows[:-1]
        self._rows = [*self._rows, *rows][-_HEIGHT:]
        self._at = len(self._rows) - 1
        self._column = self.row.size

    def _put(self, text: str) -> None:
        row = self._rows[self._at]
        if self._column == row.size:
            row.append(text)
        elif text:
            line = row.text.ljust(self._column)
            row.replace(line[: self._column] + text + line[self._column + len(text) :])
        self._column += len(text)

    def _obey(self, token: re.Match[str], ended: list[_Row]) -> None:
        match token[0]:
            case "\n":
                self._down(ended)
            case "\r":
                self._column = 0
            case "\b":
                self._column = max(0, self._column - 1)
            case _ if token["end"]:
                self._move(token["end"], token["count"])
                if token["end"] in "JK":
                    self._erase(token["end"], token["count"])

    def _down(self, ended: list[_Row]) -> None:
        if self._at == len(self._rows) - 1:
            ended.append(self.row)
            self._rows = [*self._rows, _Row()][-_HEIGHT:]
            self._at = len(self._rows) - 2
        self._at += 1
        self._column = 0

    def _move(self, end: str, count: str) -> None:
        many = max(1, int(count)) if count.isdecimal() else 1
        if end in "AF":
            self._at = max(0, self._at - many)
        elif end in "BE":
            self._at = min(len(self._rows) - 1, self._at + many)
        elif end == "C":
            self._column += min(many, _WIDTH)
        elif end == "D":
            self._column = max(0, self._column - many)
        elif end in "G`":
            self._column = min(many, _WIDTH) - 1
        if end in "EF":
            self._column = 0

    def _erase(self, end: str, count: str) -> None:
        """In the line, or from here to the end; a screen that is cleared keeps what was read there."""
        row = self._rows[self._at]
        if count in ("", "0"):
            row.replace(row.text[: self._column])
            for below in self._rows[self._at + 1 :] if end == "J" else ():
                below.replace("")
        elif end == "K":
            row.replace("" if count == "2" else " " * self._column + row.text[self._column :])
