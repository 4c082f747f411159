"""A sample of a series for those who read it in git: spikes, first and last values are in it.

The values of each metric fall into stretches of as many values each. Of each stretch are kept the first and
the last value, the smallest and the largest, the first of each that is not finite, and the one at the
greatest step: so a metric with few values, or with all of them at the end, is drawn as finely as the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from gittrack.formats.tables import Part, Table

_FEWEST = 12
"""Stretches below which a table of many metrics is sampled for each of them apart."""
_CELLS = 50_000
"""Cells that are looked at at once."""
_STEP = 12
"""Bytes of step, time and line end, about."""

Row = tuple[int, list[bytes]]
"""Its number in the table, and its cells."""


def sample_table(table: Table, rows: int, size: int = 1 << 20) -> bytes:
    """About `size` bytes of the series, of which each metric has the same share; small parts are whole.

    At most `rows` rows of a part are kept, whole rows where that leaves room for enough stretches;
    else the sample has a table for each of the part's metrics, of at most `rows` rows (and at least 4).
    """
    if rows < 2:
        raise ValueError("a sample has at least two rows")
    text: list[bytes] = []
    starts = [0]
    for part in table.parts:
        starts.append(starts[-1] + part.size)
    shares = _shares(table.parts, size)
    for part, start, share in zip(table.parts, starts, shares, strict=False):
        source = _Source(table, part, start)
        limit = min(rows, share * part.rows // part.size)
        if part.rows <= limit:
            text += _lines(part.columns, source.rows())
        elif len(part.columns) == 1 or limit // (4 * len(part.columns) + 4) >= _FEWEST:
            text += _lines(part.columns, _whole_rows(source, limit))
        else:
            text += _apart(source, min(rows, share // (_STEP * len(part.columns) + part.size // part.rows)))
    return b"".join(text)


def _shares(parts: Sequence[Part], size: int) -> list[int]:
    """The bytes that each part may have: as many a metric; what a small one does not need goes to others."""
    shares = [0] * len(parts)
    metrics = sum(len(part.columns) for part in parts)
    for at in sorted(range(len(parts)), key=lambda at: parts[at].size / len(parts[at].columns)):
        shares[at] = min(size * len(parts[at].columns) // metrics, parts[at].size)
        metrics -= len(parts[at].columns)
        size -= shares[at]
    return shares


def _lines(columns: Sequence[str], rows: Iterator[Row] | Sequence[Row]) -> Iterator[bytes]:
    yield f"step,time,{','.join(columns)}\n".encode()
    for _, cells in rows:
        yield b",".join(cells) + b"\n"


def _whole_rows(source: _Source, limit: int) -> list[Row]:
    """The rows that some metric needs, and some spread evenly: at most `limit` but for a single stretch."""
    last, spread = source.part.rows - 1, limit // 2
    evenly = [round(at * last / max(spread - 1, 1)) for at in range(spread)]
    stretches = max(1, (limit - spread) // (2 * len(source.part.columns) + 2))
    while True:
        needed: dict[int, list[bytes]] = {}
        for column in source.columns(stretches, evenly, needed):
            needed.update(column.kept)
        if len(needed) <= limit or stretches == 1:
            return sorted(needed.items())
        stretches = max(1, stretches * limit // len(needed) * 9 // 10)


def _apart(source: _Source, limit: int) -> Iterator[bytes]:
    """A table for each metric."""
    for at, column in enumerate(source.columns(max(1, limit // 4))):
        rows = {number: [*cells[:2], cells[at + 2]] for number, cells in column.kept}
        yield from _lines([source.part.columns[at]], sorted(rows.items()))


class _Source:
    """One part of a table as it lies in its file."""

    def __init__(self, table: Table, part: Part, start: int) -> None:
        self.part = part
        self._path = table.path
        self._start = start

    def rows(self) -> Iterator[Row]:
        """All of them, each with its time."""
        for chunk in self._chunks():
            yield from map(chunk.row, range(len(chunk.lines)))

    def columns(
        self, count: int, numbers: Sequence[int] = (), into: dict[int, list[bytes]] | None = None
    ) -> list[_Column]:
        """What is to be kept of each metric's `count` stretches; rows of `numbers` go to `into`."""
        columns = [_Column(points, count) for points in self.part.points]
        for chunk in self._chunks():
            if into is not None:
                into.update(map(chunk.row, chunk.places_of(numbers)))
            for column, values in zip(columns, chunk.columns[2:], strict=True):
                column.take(chunk, values)
        return columns

    def _chunks(self) -> Iterator[_Chunk]:
        """All rows, as many at once as memory bears."""
        time = b""
        at_once = max(1, _CELLS // (len(self.part.columns) + 2))
        with self._path.open("rb") as file:
            file.seek(self._start)
            file.readline()
            for at in range(0, self.part.rows, at_once):
                lines = list(islice(file, min(at_once, self.part.rows - at)))
                chunk = _Chunk(at, lines, time)
                time = chunk.time(len(lines) - 1)
                yield chunk


class _Chunk:
    """Rows that follow each other."""

    def __init__(self, start: int, lines: Sequence[bytes], time: bytes) -> None:
        self.end = start + len(lines)
        self.lines = lines
        self.columns = list(zip(*_values(b"".join(lines)), strict=True))
        """Numbers; None for an empty cell, a word for one that is not finite."""
        self._start = start
        self._time = time
        self._steps: Sequence[float | None] = self.columns[0]
        self._ascending = None not in self._steps and [*self._steps] == sorted(self.columns[0])

    def row(self, at: int) -> Row:
        """The row at that place, with its time."""
        cells = self.lines[at][:-1].split(b",")
        cells[1] = self.time(at)
        return self._start + at, cells

    def time(self, at: int) -> bytes:
        """That of the row, or of the nearest above which states one."""
        times = (self.lines[place].split(b",", 2)[1] for place in range(at, -1, -1))
        return next(filter(None, times), self._time)

    def places_of(self, numbers: Sequence[int]) -> Iterator[int]:
        """Where the rows of these ascending numbers are."""
        first, last = bisect_left(numbers, self._start), bisect_left(numbers, self.end)
        return (number - self._start for number in numbers[first:last])

    def top(self, places: Sequence[int]) -> tuple[float, Row] | None:
        """The greatest step among `places`, and the last row that has it."""
        best: tuple[float, int] | None = None
        for at in places[-1:] if self._ascending else places:
            step = self._steps[at]
            if step is not None and (best is None or step >= best[0]):
                best = (step, at)
        return None if best is None else (best[0], self.row(best[1]))


class _Column:
    """One metric: what its stretches keep, of which the last is not over."""

    __slots__ = ("_end", "_ends", "_first", "_high", "_last", "_low", "_odd", "_seen", "_top", "kept")

    def __init__(self, points: int, stretches: int) -> None:
        self.kept: list[Row] = []
        self._seen = 0
        self._ends = iter([points * at // stretches for at in range(1, stretches + 1)])
        self._end = 0
        self._begin()

    def _begin(self) -> None:
        self._end = next((end for end in self._ends if end > self._seen), 1 << 62)
        self._first: Row | None = None
        self._last: Row | None = None
        self._low: tuple[float, Row] | None = None
        self._high: tuple[float, Row] | None = None
        self._top: tuple[float, Row] | None = None
        self._odd: dict[str, Row] = {}

    def take(self, chunk: _Chunk, values: Sequence[Any]) -> None:
        """The values of this metric in the next rows."""
        places: Sequence[int] = range(len(values))
        if None in values:
            places = [at for at in places if values[at] is not None]
        taken = 0
        while taken < len(places):
            stretch = places[taken : taken + self._end - self._seen]
            self._take(chunk, values, stretch)
            taken += len(stretch)
            self._seen += len(stretch)
            if self._seen == self._end:
                extremes = [pair[1] for pair in (self._low, self._high, self._top) if pair is not None]
                ends = [row for row in (self._first, self._last) if row is not None]
                self.kept += [*ends, *extremes, *self._odd.values()]
                self._begin()

    def _take(self, chunk: _Chunk, values: Sequence[Any], places: Sequence[int]) -> None:
        """Values of one stretch."""
        finite, numbers = places, [values[at] for at in places]
        try:
            sum(numbers)
        except TypeError:  # some are not finite
            finite = [at for at in places if type(values[at]) is not str]
            numbers = [values[at] for at in finite]
            for at in places:
                if type(values[at]) is str:
                    self._odd.setdefault(values[at], chunk.row(at))
        self._first = self._first or chunk.row(places[0])
        self._last = chunk.row(places[-1])
        if numbers:
            low, high = min(numbers), max(numbers)
            if self._low is None or low < self._low[0]:
                self._low = (low, chunk.row(finite[numbers.index(low)]))
            if self._high is None or high > self._high[0]:
                self._high = (high, chunk.row(finite[numbers.index(high)]))
        top = chunk.top(places)
        if top is not None and (self._top is None or top[0] >= self._top[0]):
            self._top = top


def _values(lines: bytes) -> list[list[Any]]:
    """The cells of each line as orjson reads them, which is quick: most lines have a number in each."""
    import orjson

    try:
        return _parsed(lines)
    except orjson.JSONDecodeError:
        pass
    for word in (b"-inf", b"inf", b"nan"):
        lines = lines.replace(word, b'"%b"' % word.upper())
    for _ in range(2):  # of three commas, the first two are replaced at once
        lines = lines.replace(b",,", b",null,")
    lines = (b"\n" + lines).replace(b"\n,", b"\nnull,").replace(b",\n", b",null\n")
    return _parsed(lines[1:])


def _parsed(lines: bytes) -> list[list[Any]]:
    import orjson

    rows: list[list[Any]] = orjson.loads(b"[[%b]]" % lines[:-1].replace(b"\n", b"],["))
    return rows
