"""Filters are read as written, fail with a column and a hint, and select what plain Python selects."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.formats.codec import dump_record
from gittrack.formats.record import Code, Metric, Record, format_time
from gittrack.reading.index import filters, sql
from gittrack.reading.index.filters import Field, parse_filter, parse_order
from gittrack.reading.index.follow import insert
from gittrack.reading.index.parse import parse
from gittrack.reading.index.sql import compile_filter
from gittrack.reading.index.store import open_memory
from tests.ledgers import make_record
from tests.strategies import examples
from tests.tables import rows

VALUES: list[Any] = [
    0.1,
    1,
    1.0,
    10,
    -3,
    "0.1",
    "auto",
    "Auto",
    "",
    True,
    False,
    None,
    [1, 2],
    "it's",
    'a "b"',
]


def _records() -> list[Record]:
    made = []
    for n, item in enumerate(VALUES * 2):
        params = {"p": item, "model": {"depth": n % 3}, "a b": "x"} if n % 4 else {"other": item}
        metrics: dict[str, Any] = {"m": n / 10} if n % 3 else {"m": Metric(status="nan")}
        if n % 5 == 0:
            metrics = {"val/acc": n}
        record = make_record(
            n,
            params=params,
            metrics=metrics,
            tags={"who": ["Ada", "bob", "%"][n % 3]} if n % 2 else {},
            status=("finished", "failed", "killed")[n % 3],
            name=None if n % 3 == 0 else f"Name {n}",
            seed=n if n % 2 else None,
            hypothesis="deeper_is 100% better\nreally" if n % 4 == 0 else None,
            duration_s=n * 30.0,
            code=Code(
                commit=f"{n % 2:x}" * 40,
                tree="2" * 40,
                branch="main" if n % 2 else None,
                dirty=n % 3 == 0,
                snapshot="e" * 40 if n % 3 == 0 else None,
            ),
        )
        made.append(record)
    return made


RECORDS = _records()


@pytest.fixture(scope="module")
def select() -> Iterator[Callable[[str], list[int]]]:
    """The numbers of RECORDS that a filter selects."""
    connection = open_memory()
    for record in RECORDS:
        insert(connection, parse(f"{record.path}/run.yaml", "b" * 40, dump_record(record)))

    def ask(text: str) -> list[int]:
        where, values = compile_filter(parse_filter(text))
        rows = connection.execute(f"SELECT r.run - 1 FROM runs r WHERE {where} ORDER BY 1", values)  # noqa: S608
        return [row[0] for row in rows]

    yield ask
    connection.close()


def numbers(keep: Callable[[Record], bool]) -> list[int]:
    return [n for n, record in enumerate(RECORDS) if keep(record)]


Select = Callable[[str], list[int]]


class TestSelection:
    @pytest.mark.parametrize("text", ["params.p = 0.1", "params.p = '0.1'", 'PARAMS.p == "1e-1"'])
    def test_numbers_as_numbers_or_text(self, select: Select, text: str) -> None:
        """A number is found by the number, and by text that spells it, as MLflow's users write it."""
        found = [RECORDS[n].params["p"] for n in select(text)]
        assert 0.1 in found
        assert set(found) == ({0.1, "0.1"} if text == "params.p = '0.1'" else {0.1})

    def test_true_is_not_one(self, select: Select) -> None:
        """true finds true (and the text), 1 finds numbers."""
        assert {repr(RECORDS[n].params["p"]) for n in select("params.p = true")} == {"True"}
        assert {repr(RECORDS[n].params["p"]) for n in select("params.p = 1")} == {"1", "1.0"}

    def test_quoted_and_nested_keys(self, select: Select) -> None:
        """Dots reach into nested parameters; backticks and quotes hold any key."""
        nested = numbers(lambda r: r.params.get("model", {}).get("depth") == 2)
        assert select("params.model.depth = 2") == nested == select("params.`model.depth` in (2)")
        spaced = numbers(lambda r: "a b" in r.params)
        assert select('params."a b" = "x"') == spaced == select("params.`a b` is not null")
        slashed = numbers(lambda r: "val/acc" in r.metrics)
        assert select("metrics.`val/acc` >= 0") == slashed == select("metrics.val/acc >= 0")

    def test_what_is_missing_matches_nothing(self, select: Select) -> None:
        """A run without the metric satisfies no operator; is null and not (...) find it."""
        have = numbers(lambda r: "m" in r.metrics and r.metrics["m"].value is not None)
        lack = [n for n in range(len(RECORDS)) if n not in have]
        assert select("metrics.m != -1") == have == select("metrics.m not in (-1, -2)")
        assert select("metrics.m is null") == lack == select("not metrics.m >= -1")
        on_branch = numbers(lambda r: r.code.branch is not None)
        assert select("branch != 'x'") == on_branch == select("not branch is null")

    def test_like(self, select: Select) -> None:
        """like minds case, ilike does not; % and _ are the only wildcards; newlines are characters."""
        assert select("tags.who like 'a%'") == []
        assert select("tags.who ilike 'a%'") == numbers(lambda r: r.tags.get("who") == "Ada")
        assert select("tags.who like 'A__'") == select("tags.who = 'Ada'")
        assert select("hypothesis like 'deeper_is%really'") == numbers(lambda r: r.hypothesis is not None)
        assert select("hypothesis like 'deeper.is%'") == []
        assert select("tags.who not like 'A%'") == numbers(lambda r: r.tags.get("who") in ("bob", "%"))

    def test_status_in_any_case(self, select: Select) -> None:
        """MLflow writes FINISHED."""
        assert select("status = 'FINISHED'") == numbers(lambda r: r.status == "finished")
        assert select("attributes.status in ('failed', 'Killed')") == numbers(
            lambda r: r.status != "finished"
        )

    def test_commit_by_abbreviation(self, select: Select) -> None:
        """A code commit is found by its first digits, as git does."""
        assert select("commit = '1111111'") == numbers(lambda r: r.code.commit == "1" * 40)
        assert select("commit != '1111'") == numbers(lambda r: r.code.commit != "1" * 40)

    def test_booleans_and_durations(self, select: Select) -> None:
        """dirty is true or false; durations take seconds and units."""
        assert select("dirty = true") == numbers(lambda r: r.code.dirty) == select("not dirty = false")
        assert (
            select("duration >= 60") == numbers(lambda r: r.duration_s >= 60) == select("duration >= '1 min'")
        )

    def test_words_bind_as_in_sql(self, select: Select) -> None:
        """and binds tighter than or; not tighter than and; parentheses win."""
        loose = select("seed = 1 or seed = 3 and status = 'failed'")
        assert loose == numbers(lambda r: r.seed == 1 or (r.seed == 3 and r.status == "failed"))
        tight = select("(seed = 1 OR seed = 3) AND NOT status = 'failed'")
        assert tight == numbers(lambda r: r.seed in (1, 3) and r.status != "failed")


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "hits"),
        [
            ("started = '2026-11-22'", True),
            ("started > '2026-11-22'", False),
            ("started >= '2026-11-22'", True),
            ("started < '2026-11-22'", False),
            ("started <= '2026-11-22'", True),
            ("started > '2026-11-21'", True),
            ("started != '2026-11-21'", True),
            ("started in ('2026-11-20', '2026-11-22')", True),
            ("started >= '2026-11-22T00:00' and started < '2026-11-22 00:01'", True),
            ("started >= '2026-11-22T01:00:00+01:00'", True),
            ("start_time > 1790000000000", True),
            ("start_time > 1790000000", True),
            ("ended > '2027-01-01'", False),
        ],
    )
    def test_dates(self, select: Select, text: str, hits: bool) -> None:
        """A day is a stretch of time: after it is after its end, on it is within it."""
        assert (0 in select(text)) is hits

    @rows(
        ("text", "hits"),
        [
            ("started > '2h'", True),
            ("started > '90 minutes ago'", True),
            ("started > '30 min ago'", False),
            ("started < '30 min ago'", True),
            ("started <= 'now'", True),
            ("started > '1 day ago' and started > '1 week ago'", True),
        ],
    )
    def test_ages(self, text: str, hits: bool) -> None:
        """Relative times count back from now."""
        began = datetime.now(UTC) - timedelta(hours=1)
        record = make_record(started=format_time(began))
        connection = open_memory()
        insert(connection, parse(f"{record.path}/run.yaml", "b" * 40, dump_record(record)))
        where, values = compile_filter(parse_filter(text))
        found = connection.execute(f"SELECT count(*) FROM runs r WHERE {where}", values).fetchone()  # noqa: S608
        assert found == (int(hits),)


class TestErrors:
    @rows(
        ("text", "said"),
        [
            ("metrics.acc >", "unexpected end at column 14"),
            ("metrics.acc > > 1", "unexpected '>' at column 15"),
            ("acc > 1", "unexpected 'acc' at column 1; write metrics.acc, params.acc or tags.acc"),
            ("metrics > 1", "unexpected 'metrics' at column 1"),
            ("seed = 1 seed = 2", "unexpected 'seed' at column 10; join conditions with and, or"),
            ("(seed = 1", "unexpected end at column 10; a \\) is missing"),
            ("seed = 'x", "cannot read .* at column 8; its closing quote is missing"),
            ("seed = 1; drop table runs", "cannot read .* at column 9"),
            ("seed in ()", "unexpected '\\)' at column 10"),
            ("seed in (1", "unexpected end at column 11"),
            ("seed is 3", "unexpected '3' at column 9; write: is null"),
            ("seed = high", "unexpected 'high' at column 8; here comes a number"),
            ("seed = 'high'", "seed = 'high': it is a number"),
            ("metrics.m like 'x'", "it is a number"),
            ("status = 'done'", "one of finished, failed, killed, unknown, damaged"),
            ("started > 'soon'", "a date such as"),
            ("started > '2026-13-01'", "a date such as"),
            ("started = '9999-12-31'", "a date such as"),
            ("dirty > true", "true or false"),
            ("params.x < true", "true and false can be compared with = and != only"),
            ("not", "unexpected end"),
            ("1 = 1", "unexpected '1' at column 1"),
            ("params.x = 1and seed = 2", "at column 12"),
            ("(" * 150 + "seed = 1" + ")" * 150, "more than 100 levels deep"),
            ("not " * 5000 + "seed = 1", "more than 100 levels deep"),
            ("seed in (" + ",".join("1" for _ in range(3000)) + ")", "more than 2000 values"),
        ],
    )
    def test_say_where_and_what(self, text: str, said: str) -> None:
        """A filter that cannot be read is answered in one line, with the column and a hint."""
        with pytest.raises(UsageError, match=said) as caught:
            compile_filter(parse_filter(text))
        assert "\n" not in str(caught.value)

    @given(st.text(alphabet="()'\"`=<>!,. \nabmetricsparnotilk019e-+\u00e9\u2028\0", max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        """No text makes the reader fail in any other way, and what is read is one SQL expression."""
        try:
            where, values = compile_filter(parse_filter(text))
        except UsageError:
            return
        connection = open_memory()
        connection.execute(f"SELECT 1 FROM runs r WHERE {where}", values)  # noqa: S608
        connection.close()

    def test_long_chains_are_no_problem(self, select: Select) -> None:
        """A thousand alternatives pass SQLite's limits."""
        assert select(" or ".join(f"seed = {n}" for n in range(1000))) == numbers(
            lambda r: r.seed is not None
        )

    def test_like_takes_no_time(self) -> None:
        """A pattern of many % is answered at once."""
        begin = time.process_time()
        connection = open_memory()
        connection.execute("SELECT matches(?, ?, 0)", ["a" * 2000, "%%%%a%b"]).fetchone()
        connection.close()
        assert time.process_time() - begin < 1


def test_order_is_read() -> None:
    """Sort orders are a name and a direction."""
    assert parse_order("metrics.acc DESC") == (Field("metrics", "acc"), True)
    assert parse_order("duration_s") == (Field("attributes", "duration"), False)
    with pytest.raises(UsageError, match="sort order: unexpected 'up' at column 13"):
        parse_order("metrics.acc up")


# --- the same question asked of plain Python ---------------------------------------------------

Test = Callable[[Record], bool]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _metric(operator: str, number: float) -> tuple[str, Test]:
    def holds(record: Record) -> bool:
        metric = record.metrics.get("m")
        return metric is not None and metric.value is not None and _COMPARE[operator](metric.value, number)

    return f"metrics.m {operator} {number!r}", holds


def _param_number(operator: str, number: float) -> tuple[str, Test]:
    def holds(record: Record) -> bool:
        item = record.params.get("p")
        if item is None:
            return False
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            return operator == "!="
        return _COMPARE[operator](item, number)

    return f"params.p {operator} {number!r}", holds


def _param_text(operator: str, text: str) -> tuple[str, Test]:
    def holds(record: Record) -> bool:
        item = record.params.get("p")
        if item is None:
            return False
        spelled = re.fullmatch(r"[+-]?[0-9.]+", text) is not None
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            return _COMPARE[operator](item, float(text)) if spelled else operator == "!="
        shown = (
            item
            if isinstance(item, str)
            else {True: "true", False: "false"}.get(item)
            if isinstance(item, bool)
            else "[1, 2]"
        )
        return _COMPARE[operator](shown, text)

    quoted = text.replace("'", "''")
    return f"params.p {operator} '{quoted}'", holds


def _name_null(negated: bool) -> tuple[str, Test]:
    return f"name is {'not ' if negated else ''}null", lambda r: (r.name is not None) is negated


def _seed_in(seeds: list[int], negated: bool) -> tuple[str, Test]:
    listed = ", ".join(map(str, seeds))
    return (
        f"seed {'not ' if negated else ''}in ({listed})",
        lambda r: r.seed is not None and (r.seed in seeds) is not negated,
    )


def _not(inner: tuple[str, Test]) -> tuple[str, Test]:
    return f"not ({inner[0]})", lambda r: not inner[1](r)


def _chain(word: str, parts: list[tuple[str, Test]]) -> tuple[str, Test]:
    join = all if word == "and" else any
    return "(" + f" {word} ".join(f"({t})" for t, _ in parts) + ")", lambda r: join(p(r) for _, p in parts)


_operators = st.sampled_from(list(_COMPARE))
_numbers = st.sampled_from([0.1, 0.5, 1, 1.0, 2, 10, -3, 1e-3, 1.5])
_texts = st.sampled_from(["0.1", "1", "auto", "Auto", "", "true", "it's", 'a "b"', "zzz", "[1, 2]"])
_leaves = st.one_of(
    st.builds(_metric, _operators, _numbers),
    st.builds(_param_number, _operators, _numbers),
    st.builds(_param_text, _operators, _texts),
    st.builds(_name_null, st.booleans()),
    st.builds(_seed_in, st.lists(st.integers(0, 30), min_size=1, max_size=4), st.booleans()),
)
_filters = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(_not, inner),
        st.builds(_chain, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


@examples(100)
@given(asked=_filters)
def test_sql_agrees_with_python(select: Select, asked: tuple[str, Test]) -> None:
    """Whatever is asked, the compiled SQL selects what a plain Python reading of the records selects."""
    text, holds = asked
    assert select(text) == numbers(holds)


def test_every_attribute_can_be_asked_for() -> None:
    """No name that the reader takes is unknown to the compiler."""
    assert set(filters.ATTRIBUTES.values()) == set(sql._ATTRIBUTES)
