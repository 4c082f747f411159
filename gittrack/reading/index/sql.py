"""The words of a filter, asked: a tree of conditions to SQL over the index's tables.

Everything that a person wrote travels as a bound parameter; the text of the SQL is made
of constants of this file alone. Each condition is true or false, never NULL.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gittrack.errors import UsageError
from gittrack.reading.index.filters import Both, Compare, Condition, Field, IsNull, Not, OneOf, numeric
from gittrack.reading.index.rows import DAMAGED, OUTCOME, TOTALS
from gittrack.reading.journal.status import LIVE

Sql = tuple[str, list[Any]]
"""SQL text with ``?`` in it, and the values that belong there."""

STATUSES = ("finished", "failed", "killed", "unknown", DAMAGED, *LIVE)

_LIKE = {"like": 0, "ilike": 1}


@dataclass(frozen=True, slots=True)
class _Column:
    """An attribute: the SQL that gives it, and how it is compared."""

    sql: str
    compare: Callable[[str, Compare], Sql]


def compile_filter(condition: Condition) -> Sql:
    """A boolean SQL expression over ``runs AS r``."""
    if isinstance(condition, Both):
        return _joined(condition.word, [compile_filter(part) for part in condition.parts])
    if isinstance(condition, Not):
        sql, values = compile_filter(condition.inner)
        return f"(NOT {sql})", values
    if isinstance(condition, IsNull):
        return _on_rows(condition.field, ("1", []), missing=not condition.negated)
    if isinstance(condition, OneOf):
        equal = _joined("or", [_test(Compare(condition.field, "=", item)) for item in condition.literals])
        return _on_rows(condition.field, _negated(equal) if condition.negated else equal)
    if condition.operator == "!=":
        return _on_rows(condition.field, _negated(_test(Compare(condition.field, "=", condition.literal))))
    return _on_rows(condition.field, _test(condition))


def compile_order(field: Field, descending: bool) -> Sql:
    """A term of ORDER BY; runs that lack the field come last either way. Text sorts after numbers."""
    way = "DESC" if descending else "ASC"
    if field.family == "attributes":
        column = _ATTRIBUTES[field.key].sql
        return f"{column} {way} NULLS LAST", []
    value, _ = _FAMILIES[field.family]
    sorts = {"metrics": "number", "params": "coalesce(number, text)", "tags": "text"}[field.family]
    one = f"(SELECT {sorts} FROM {field.family} WHERE key = ? AND run = r.run AND {value})"  # noqa: S608
    return f"{one} {way} NULLS LAST", [field.key]


def _joined(word: str, parts: Sequence[Sql]) -> Sql:
    """The parts with AND or OR between them, as a balanced tree: SQLite limits how deep one is."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    (left, a), (right, b) = _joined(word, parts[:middle]), _joined(word, parts[middle:])
    return f"({left} {word.upper()} {right})", a + b


def _negated(part: Sql) -> Sql:
    return f"(NOT {part[0]})", part[1]


# The table's rows that have a value, and the test of one value against a literal.
_FAMILIES: dict[str, tuple[str, Callable[[Compare], Sql]]] = {
    "metrics": ("number IS NOT NULL", lambda c: _numbers("number", c)),
    "params": ("text IS NOT NULL", lambda c: _typed(c)),
    "tags": ("1", lambda c: _texts("text", c)),
}


def _on_rows(field: Field, test: Sql, *, missing: bool = False) -> Sql:
    """Whether the run has a value of `field` that passes `test` (or, with `missing`, has none that does)."""
    sql, values = test
    if field.family == "attributes":
        column = _ATTRIBUTES[field.key].sql
        condition = f"coalesce({column} IS NOT NULL AND {sql}, 0)"
        return (f"(NOT {condition})" if missing else condition), values
    present, _ = _FAMILIES[field.family]
    word = "NOT IN" if missing else "IN"
    return (
        f"r.run {word} (SELECT run FROM {field.family} WHERE key = ? AND {present} AND {sql})",  # noqa: S608
        [field.key, *values],
    )


def _test(compare: Compare) -> Sql:
    if compare.field.family != "attributes":
        return _FAMILIES[compare.field.family][1](compare)
    column = _ATTRIBUTES[compare.field.key]
    return column.compare(column.sql, compare)


def _wrong(compare: Compare, wanted: str) -> UsageError:
    return UsageError(f"filter: {compare.field} {compare.operator} {compare.literal.text!r}: {wanted}")


def _texts(column: str, compare: Compare) -> Sql:
    if compare.operator in _LIKE:
        return f"matches({column}, ?, {_LIKE[compare.operator]})", [compare.literal.text]
    return f"{column} {compare.operator} ?", [compare.literal.text]


def _numbers(column: str, compare: Compare) -> Sql:
    number = numeric(compare.literal)
    if number is None or compare.operator in _LIKE:
        raise _wrong(compare, "it is a number: compare it with one")
    return f"{column} {compare.operator} ?", [number]


def _typed(compare: Compare) -> Sql:
    """A parameter: numbers with numbers, text with text; text that spells a number is both."""
    literal, operator = compare.literal, compare.operator
    if operator in _LIKE:
        return _texts("text", compare)
    if isinstance(literal.value, bool):
        if operator != "=":
            raise _wrong(compare, "true and false can be compared with = and != only")
        return "(number IS NULL AND text = ?)", [literal.text]
    number = numeric(literal)
    tests: list[Sql] = []
    if number is not None:
        tests.append((f"(number IS NOT NULL AND number {operator} ?)", [number]))
    if isinstance(literal.value, str):
        tests.append((f"(number IS NULL AND text {operator} ?)", [literal.value]))
    return _joined("or", tests)


def _digest(column: str, compare: Compare) -> Sql:
    """An object id or digest: ``=`` takes an abbreviation of at least four digits, as git does."""
    text = compare.literal.text.lower()
    if compare.operator == "=" and re.fullmatch(r"[0-9a-f]{4,64}", text):
        return f"substr({column}, 1, {len(text)}) = ?", [text]
    return _texts(column, compare)


def _status(column: str, compare: Compare) -> Sql:
    text = compare.literal.text.lower()
    if compare.operator == "=" and text not in STATUSES:
        raise _wrong(compare, f"a status is one of {', '.join(STATUSES)}")
    if compare.operator in _LIKE:
        return _texts(column, compare)
    return f"{column} {compare.operator} ?", [text]


def _truth(column: str, compare: Compare) -> Sql:
    words = {"true": 1, "1": 1, "false": 0, "0": 0}
    if compare.operator != "=" or compare.literal.text.lower() not in words:
        raise _wrong(compare, "it is true or false")
    return f"{column} = ?", [words[compare.literal.text.lower()]]


def _seconds(column: str, compare: Compare) -> Sql:
    """A duration: seconds, or text such as ``90s``, ``10m``, ``2h``."""
    span = None if numeric(compare.literal) is not None else _span(compare.literal.text)
    if span is None:
        return _numbers(column, compare)
    if compare.operator in _LIKE:
        raise _wrong(compare, "it is a duration: compare it with = < >")
    return f"{column} {compare.operator} ?", [span]


def _moment(column: str, compare: Compare) -> Sql:
    """A time, against a period: after a day is after its end, from a day on is from its beginning."""
    if compare.operator in _LIKE:
        raise _wrong(compare, "it is a time: compare it with = < >")
    begin, end = _period(compare)
    if compare.operator == "=":
        return f"({column} >= ? AND {column} < ?)", [begin, end]
    inclusive = begin == end  # a moment rather than a stretch of time
    return {
        "<": (f"{column} < ?", [begin]),
        ">=": (f"{column} >= ?", [begin]),
        "<=": (f"{column} {'<=' if inclusive else '<'} ?", [end]),
        ">": (f"{column} {'>' if inclusive else '>='} ?", [end]),
    }[compare.operator]


_UNITS = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400,
    "day": 86400, "w": 604800, "week": 604800, "mo": 30 * 86400, "month": 30 * 86400, "y": 365 * 86400,
    "year": 365 * 86400,
}  # fmt: skip


def _span(text: str) -> float | None:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*", text.lower(), re.ASCII)
    unit = _UNITS.get(match[2]) if match else None
    return None if match is None or unit is None else float(match[1]) * unit


def _period(compare: Compare) -> tuple[float, float]:
    """First and (excluded) last second that a date, a time or an age such as ``2 days ago`` means, in UTC."""
    literal = compare.literal
    if isinstance(literal.value, (int, float)) and not isinstance(literal.value, bool):
        seconds = literal.value / 1000 if abs(literal.value) > 1e11 else float(literal.value)  # MLflow: ms
        return seconds, seconds
    text = literal.text.strip()
    ago = _span(re.sub(r"\s+ago$", "", text, flags=re.IGNORECASE))
    if ago is not None:
        moment = time.time() - ago
        return moment, moment
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": (datetime.now(UTC), timedelta()), "today": (midnight, timedelta(days=1)),
             "yesterday": (midnight - timedelta(days=1), timedelta(days=1))}.get(text.lower())  # fmt: skip
    begin, length = named or _date(text, compare)
    return begin.timestamp(), (begin + length).timestamp()


def _date(text: str, compare: Compare) -> tuple[datetime, timedelta]:
    wanted = 'a date such as "2026-11-22", "2026-11-22 14:30", "2 days ago" or "yesterday" (in UTC)'
    shape = re.fullmatch(
        r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?P<second>:\d\d(?P<part>\.\d+)?)?(?P<zone>.*))?", text
    )
    try:
        moment = datetime.fromisoformat(text)
        length = timedelta(days=1)
        if shape is None:
            raise _wrong(compare, wanted)
        if shape["zone"] is not None:
            fine = timedelta() if shape["part"] else timedelta(seconds=1)
            length = fine if shape["second"] else timedelta(minutes=1)
        begin = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        (begin + length).timestamp()
    except (ValueError, OverflowError) as error:
        raise _wrong(compare, wanted) from error
    return begin, length


_ATTRIBUTES = {
    "id": _Column("r.id", _texts),
    "experiment": _Column("r.experiment", _texts),
    "name": _Column("r.name", _texts),
    "status": _Column("r.status", _status),
    "started": _Column("nullif(r.started, 0)", _moment),
    "ended": _Column("(nullif(r.started, 0) + r.duration_s)", _moment),
    "duration": _Column("r.duration_s", _seconds),
    "author": _Column("r.author", _texts),
    "email": _Column("r.email", _texts),
    "commit": _Column("r.commit_id", _digest),
    "branch": _Column("r.branch", _texts),
    "dirty": _Column("r.dirty", _truth),
    "seed": _Column("r.seed", _numbers),
    "spec": _Column("r.spec", _digest),
    "hypothesis": _Column("r.hypothesis", _texts),
    "outcome": _Column(OUTCOME, _texts),
    "imported": _Column("r.system", _texts),
    **{name: _Column(f"r.{name}", _numbers) for name in TOTALS},
}
