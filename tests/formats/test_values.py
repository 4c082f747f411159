"""Whatever the API accepts fits into a record; what it refuses, it refuses in one line."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import functools
import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.formats import codec
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Metric
from gittrack.formats.tables import column_of, names_of
from gittrack.formats.values import (
    MAX_ITEMS,
    MAX_TEXT,
    check_metric_name,
    check_name,
    check_step,
    metric_row,
    metric_value,
    to_params,
    to_tags,
    to_value,
    without_secrets,
)
from gittrack.recording.journal.allowance import Allowance
from tests.strategies import examples
from tests.tables import rows

np = pytest.importorskip("numpy")


class Optimiser(enum.Enum):
    ADAM = "adam"


@dataclasses.dataclass
class Layer:
    width: int
    rate: float


class Tensor:
    """What torch has: ``item``, ``tolist``, ``numel``, and a ``size`` that is a method."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def item(self) -> float:
        if len(self.numbers) != 1:
            raise RuntimeError("a Tensor with several elements cannot be converted to Scalar")
        return self.numbers[0]

    def tolist(self) -> list[float]:
        return self.numbers

    def numel(self) -> int:
        return len(self.numbers)

    def size(self) -> tuple[int, ...]:
        return (len(self.numbers),)


@rows(
    ("given_value", "plain"),
    [
        (None, None),
        (True, True),
        (np.bool_(True), True),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(7.0), 7.0),
        (Tensor(1.0, 2.0), [1.0, 2.0]),
        (Path("/data") / "a.csv", "/data/a.csv"),
        (PurePosixPath("x/y"), "x/y"),
        (Optimiser.ADAM, "adam"),
        (Layer(3, 0.5), {"width": 3, "rate": 0.5}),
        (argparse.Namespace(lr=0.1, sizes=[1, 2]), {"lr": 0.1, "sizes": [1, 2]}),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        ({1: "one"}, {"1": "one"}),
        ({"b", "a"}, ["a", "b"]),
        (range(3), [0, 1, 2]),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (date(2026, 11, 22), "2026-11-22"),
        (math.sqrt, "math.sqrt"),
        (Layer, f"{__name__}.Layer"),
        (2**5000, hex(2**5000)),
        (b"\xff", "b'\\xff'"),
    ],
)
def test_values_are_taken_as_what_they_are(given_value: Any, plain: Any) -> None:
    """NumPy, torch, paths, dataclasses and the rest become the plain values that they stand for."""
    made = to_value(given_value)
    assert made == plain
    assert type(made) is type(plain)


def test_memory_addresses_are_left_out() -> None:
    """An object without a text of its own reads the same in every process, so that specs agree."""
    assert to_value(functools.partial(math.sqrt)) == to_value(functools.partial(math.sqrt))
    assert " at 0x" not in str(to_value(object()))


@rows(
    "value",
    [
        "x" * (MAX_TEXT + 1),
        "\udc80" * (MAX_TEXT // 2),
        [0] * (MAX_ITEMS + 1),
        np.zeros(MAX_ITEMS + 1),
        Tensor(*[0.0] * (MAX_ITEMS + 1)),
        {"k" * 251: 1},
        {"": 1},
        {"\udc80" * 200: 1},
        {1: "a", "1": "b"},
        functools.reduce(lambda inner, _: [inner], range(30), 0),
    ],
)
def test_too_much_is_refused(value: Any) -> None:
    """Limits are those of the schema, counted after undecodable bytes are written out."""
    with pytest.raises(UsageError) as caught:
        to_value(value)
    assert "\n" not in str(caught.value)


def test_a_list_that_holds_itself_is_refused_at_once() -> None:
    """Neither depth nor width lets a small object grow without end."""
    loop: list[Any] = []
    loop += [loop] * 10
    with pytest.raises(UsageError, match="more than"):
        to_value(loop)


objects = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.dates()
    | st.builds(Path, st.text(max_size=5))
    | st.complex_numbers()
    | st.builds(np.float32, st.floats(width=32)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)


@examples(150)
@given(st.dictionaries(st.text(max_size=10), objects, max_size=4))
def test_what_is_accepted_can_be_recorded(params: dict[str, Any]) -> None:
    """No params that to_params takes are refused by the schema or read back as anything else."""
    try:
        plain = to_params(params)
    except UsageError:
        return
    Allowance().admit("p", [plain])
    assert codec.read_yaml(codec.write_yaml(plain), "params") == plain


@given(st.text(max_size=20))
def test_metric_names_that_are_accepted_can_be_recorded(name: str) -> None:
    """What check_metric_name takes fits the schema, and its column stays in one cell of one line."""
    try:
        checked = check_metric_name(name)
    except UsageError:
        return
    Allowance().admit("z", [{checked: 1.0}])
    column = column_of(checked)
    assert column.splitlines() == [column] and not {*column} & {",", '"'} and len(column) <= 250
    assert names_of([checked]).get(column, column) == checked
    assert column == checked or column_of(column) != column


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.builds(np.float32, st.floats(width=32))))
def test_metrics_are_finite_numbers_or_say_what_they_are(value: Any) -> None:
    """Every number becomes one that JSON and the schema hold, or nan, inf or -inf; or it is refused."""
    try:
        kept = metric_value("m", value)
    except UsageError:
        assert value == int(value) and not -(2**63) <= value < 2**64
        return
    Allowance().admit("z", [{"m": kept}])
    metric = Metric(status=kept) if isinstance(kept, str) else Metric(value=kept)
    assert to_dict(metric)
    if isinstance(kept, int):
        assert -(2**63) <= kept < 2**64 and kept == int(value)


@rows("value", ["0.9", None, [1, 2], np.array([1, 2]), Tensor(1.0, 2.0), 1j, {}, b"1"])
def test_a_metric_that_is_no_number_is_refused(value: Any) -> None:
    """Text, lists and tensors of several elements are no metric, and the message shows the name."""
    with pytest.raises(UsageError, match="'acc' must be a number"):
        metric_value("acc", value)


@rows(
    "value",
    [
        10**400, 2**64 + 1, -(2**63) - 1, Decimal("1e400"), Fraction(10**400), np.longdouble("1e400"),
        np.ma.masked, np.ma.array([1.0], mask=[True]), np.timedelta64(3, "D"),
    ],
)  # fmt: skip
def test_a_number_that_would_not_read_back_is_refused(value: Any) -> None:
    """No float stands for a number that it does not equal, no infinity for a finite one, no 0 for a mask."""
    with pytest.raises(UsageError, match="'acc'"):
        metric_value("acc", value)


@rows(
    ("value", "kept"),
    [
        (2**64 - 1, 2**64 - 1), (-(2**63), -(2**63)), (2**64, 2.0**64), (np.ma.array([0.5]), 0.5),
        (Decimal("Infinity"), "inf"), (Fraction(1, 4), 0.25), (np.uint64(2**63), 2**63),
    ],
)  # fmt: skip
def test_a_number_at_the_edge_is_kept(value: Any, kept: Any) -> None:
    """64-bit numbers of both kinds, and larger ones that a float equals."""
    assert metric_value("acc", value) == kept


def test_a_refused_row_leaves_nothing_behind() -> None:
    """Neither names nor room in the record are taken by metrics of a call that is refused."""
    admitted: list[str] = []
    known: dict[str, str] = {}
    for row in ({"a": 1.0, "b": "text"}, {"\udc80": 1.0, "\\udc80": 2.0}):
        with pytest.raises(UsageError):
            metric_row(row, known, admitted.extend)
    assert admitted == [] and known == {}


@rows("name", ["", "x" * 251, 3, None])
def test_other_metric_names_are_refused(name: Any) -> None:
    """A name is text of 1 to 250 characters."""
    with pytest.raises(UsageError):
        check_metric_name(name)


@rows(
    ("step", "kept"),
    [(3, 3), (np.int32(4), 4), (5.0, 5), (Tensor(6.0), 6), (-1, -1), (1.5, 1.5), (np.float32(0.25), 0.25)],
)
def test_steps_are_numbers(step: Any, kept: float) -> None:
    """NumPy and torch scalars and fractions are steps; whole floats are whole numbers."""
    assert (check_step(step), type(check_step(step))) == (kept, type(kept))


@rows("step", ["3", True, math.inf, 2**63, -(2**63) - 1, math.nan, np.array([1, 2]), Tensor(1.0, 2.0), None])
def test_other_steps_are_refused(step: Any) -> None:
    """Text, booleans, what is not finite and numbers above 63 bits are not."""
    with pytest.raises(UsageError, match="a step must be a number"):
        check_step(step)


def test_credentials_are_masked_by_name_shape_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is known by the name beside it, by its form, or as the value of such a variable."""
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    plain = without_secrets(
        {
            "api_key": "abcdefgh1234",
            "nested": {"hf_token": ["hf_abcdefghijklmnopqrstuv"]},
            "auth": {"token": "plain", "kind": "basic"},
            "pool": {"token": "mean", "key": "sort"},
            "dsn": "postgres://me:correct-horse-battery@db/x",
            "note": "token is ghp_abcdefghijklmnopqrstuvwxyz0123",
            "max_tokens": 512,
            "tokenizer": "bpe",
        }
    )
    text = repr(plain)
    assert "abcdefgh" not in text and "correct-horse" not in text
    assert plain["api_key"] == "***" and plain["nested"] == {"hf_token": ["***"]}
    assert (
        plain["auth"]
        == {"token": "***", "kind": "basic"}
        == without_secrets({"token": "plain", "kind": "basic"}, "auth")
    )
    assert plain["pool"] == {"token": "mean", "key": "sort"}
    assert plain["max_tokens"] == 512 and plain["tokenizer"] == "bpe"


def test_tags_are_text_by_name() -> None:
    """Values of tags become text; a list of tags is refused with what to write instead."""
    assert to_tags({"n": 3, "password": "hunter2"}) == {"n": "3", "password": "***"}
    assert to_tags({"model": object()}) == {"model": "<object object>"}
    with pytest.raises(UsageError, match="tags must be a dict"):
        to_tags(["baseline"])
    with pytest.raises(UsageError, match="params must be names with values"):
        to_params([1])


def test_a_name_becomes_text() -> None:
    """What is no text is named as it prints."""
    assert check_name(3, "seed") == "3"
