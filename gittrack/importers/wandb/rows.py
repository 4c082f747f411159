"""Rows of a run's history and samples of its machine, of a ``.wandb`` log or of older files of JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.importers import protobuf, values
from gittrack.importers.foreign import Moment
from gittrack.importers.protobuf import Message
from gittrack.importers.wandb import leveldb

HISTORY, STATS = 2, 7
_OWN = frozenset({"_step", "_timestamp", "_runtime", "_wandb"})


@dataclass(slots=True)
class Row:
    """What was logged at one step, nested; `places` says where in the log its records are."""

    step: int | float | None
    time: Moment | None
    tree: dict[str, Any]
    unread: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def decoded(log: Path, bad: list[str], start: int = leveldb.HEADER_SIZE) -> Iterator[tuple[int, Message]]:
    """The records of the log as messages, with their places."""
    for place, data in leveldb.records(log, bad, start):
        try:
            yield place, protobuf.parse(data)
        except protobuf.WireError as error:
            bad.append(f"record at byte {place}: {error}")


def items(messages: list[Message], unread: list[str]) -> Iterator[tuple[values.Path, Any]]:
    """Nested keys and values of items of configuration, history, summary or statistics."""
    for item in messages:
        path = tuple(protobuf.texts(item, 2)) or tuple(protobuf.texts(item, 1))[-1:]
        if not path:
            continue
        if len(path) > values.DEEPEST:
            unread.append(".".join(path[:3]) + "…")
            continue
        try:
            yield path, _value(item)
        except (values.NotRead, protobuf.WireError):
            unread.append(".".join(path))


def _value(item: Message) -> Any:
    if 16 in item:
        return values.load(protobuf.text(item, 16) or "null")
    if 4 in item:
        return bool(protobuf.integer(item, 4))
    if 5 in item:
        return protobuf.integer(item, 5)
    if 6 in item:
        return protobuf.double(item[6][-1])
    if 7 in item:
        return protobuf.text(item, 7) or ""
    return values.load(protobuf.text(item, 8) or "null")


def row(record: Message, place: int = 0) -> Row:
    """The row of a record of history."""
    history = protobuf.message(record, HISTORY)
    found = Row(None, None, {}, places=[place])
    for path, value in items(protobuf.messages(history, 1), found.unread):
        values.put(found.tree, path, value)
    _take_own(found)
    if 2 in history:
        found.step = protobuf.integer(protobuf.message(history, 2), 1)
    return found


def _take_own(found: Row) -> None:
    step, time = found.tree.get("_step"), found.tree.get("_timestamp")
    if isinstance(step, (int, float)) and not isinstance(step, bool):
        found.step = step
    if isinstance(time, (int, float)) and values.number(time) is not None:
        found.time = values.number(time)
    for name in _OWN:
        found.tree.pop(name, None)


def merged(found: Iterator[Row]) -> Iterator[Row]:
    """Rows, those of one step that follow each other as one: the later value of a name wins."""
    held: Row | None = None
    for new in found:
        if held is not None and new.step is not None and new.step == held.step:
            _over(held.tree, new.tree)
            held.time = new.time if new.time is not None else held.time
            held.unread += new.unread
            held.places += new.places
            continue
        if held is not None:
            yield held
        held = new
    if held is not None:
        yield held


def _over(tree: dict[str, Any], later: dict[str, Any]) -> None:
    for key, value in later.items():
        inner = tree.get(key)
        if isinstance(inner, dict) and isinstance(value, dict) and "_type" not in {**inner, **value}:
            _over(inner, value)
        else:
            tree[key] = value


def history(log: Path) -> Iterator[Row]:
    """The rows of a log, one for each step."""
    return merged(_readable(log, HISTORY, row))


def samples(log: Path) -> Iterator[Row]:
    """What the log says of the machine over time."""
    return _readable(log, STATS, sample)


def _readable(log: Path, number: int, decode: Callable[[Message, int], Row]) -> Iterator[Row]:
    for place, record in decoded(log, []):
        if number in record:
            try:
                yield decode(record, place)
            except protobuf.WireError:
                continue


def sample(record: Message, place: int = 0) -> Row:
    stats = protobuf.message(record, STATS)
    found = Row(None, protobuf.moment(stats, 2), {}, places=[place])
    for path, value in items(protobuf.messages(stats, 3), found.unread):
        found.tree[".".join(path)] = value
    return found


def lines(file: Path, bad: list[str]) -> Iterator[Row]:
    """Rows of a file of JSON lines, as clients before 0.10 wrote them."""
    with file.open("rb") as opened:
        count = 0
        while line := opened.readline(values.LONGEST):
            count += 1
            try:
                tree = values.load(line)
            except values.NotRead as error:
                bad.append(f"{file.name}, line {count}: {error}")
                continue
            if not isinstance(tree, dict):
                bad.append(f"{file.name}, line {count}: no mapping")
                continue
            found = Row(None, None, tree)
            _take_own(found)
            yield found
