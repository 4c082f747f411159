"""Objects of other libraries become the parts that they have; what nobody set is absent, or refused."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import types
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gittrack.errors import UsageError
from gittrack.formats.flat import meeting
from gittrack.formats.values import to_params, to_value
from tests.tables import rows

np = pytest.importorskip("numpy")


class Pair(NamedTuple):
    lr: float = 0.1
    layers: int = 2


@dataclasses.dataclass(slots=True, repr=False)
class Unset:
    given: int
    late: int = dataclasses.field(init=False)
    only_at_the_start: dataclasses.InitVar[int] = 3


class UnsetType:
    """What msgspec puts where nobody gave a value."""

    __module__ = "msgspec"


class Struct:
    __struct_fields__ = ("a", "late")
    a = 1
    late = UnsetType()


class Attribute(NamedTuple):
    name: str


class Attrs:
    __attrs_attrs__ = (Attribute("x"), Attribute("late"))
    x = 1


class Dotted:
    """A configuration that is used as a mapping and says so nowhere, as ml_collections has."""

    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, key: str) -> int:
        return 7


class Small(enum.IntEnum):
    ONE = 1


@rows(
    ("given", "plain"),
    [
        (Pair(), {"lr": 0.1, "layers": 2}),
        (Unset(1), {"given": 1}),
        (Struct(), {"a": 1}),
        (Attrs(), {"x": 1}),
        (Dotted(), {"a": 7}),
        (types.SimpleNamespace(a=Pair(1.0)), {"a": {"lr": 1.0, "layers": 2}}),
        (Small.ONE, 1),
        ({10, 9, 1.5}, [1.5, 9, 10]),
        ({"a": 1}.keys(), ["a"]),
        ({"b": 1, "a": 2}.values(), [1, 2]),
        (array.array("d", [0.5]), [0.5]),
        (collections.deque([1]), [1]),
        (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, None]),
        (np.datetime64("2026-01-02T03:04:05.123456789"), "2026-01-02T03:04:05.123456789"),
        (np.array(["2026-01-02"], dtype="M8[ns]"), ["2026-01-02T00:00:00.000000000"]),
        (np.timedelta64(3, "D"), "3 days"),
        (np.longdouble("0.5"), 0.5),
        (np.longdouble("0.1"), "0.1"),
        (np.bytes_(b"ab"), "b'ab'"),
    ],
)
def test_parts_by_name_or_in_order(given: Any, plain: Any) -> None:
    """Named tuples, attrs, msgspec and dataclasses by field, without those that are not set."""
    made = to_value(given)
    assert made == plain
    assert type(made) is type(plain)


@rows(
    ("given", "says"),
    [
        ((n for n in [1]), "params.x is a generator"),
        (map(str, [1]), "params.x is a map"),
        (dataclasses.MISSING, "params.x is not set"),
        (UnsetType(), "params.x is not set"),
    ],
)
def test_what_has_no_value_is_refused_by_name(given: Any, says: str) -> None:
    """A generator would be used up; what is not set has nothing to record."""
    with pytest.raises(UsageError, match=says):
        to_params({"x": given})


def test_an_object_that_cannot_be_read_is_refused_by_name() -> None:
    """An error of somebody's own __str__ or property is ours to say."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    class Lazy:
        __struct_fields__ = ("a",)

        @property
        def a(self) -> int:
            raise ValueError("not yet")

    for broken, says in (
        (Broken(), "has no text: Broken"),
        (Lazy(), "cannot be read: Lazy"),
    ):
        with pytest.raises(UsageError, match=f"params.x {says}"):
            to_params({"x": broken})


def test_a_file_is_no_generator() -> None:
    """argparse.FileType gives files, which are recorded as they print."""
    with Path(__file__).open() as file:
        assert "test_structures.py" in to_value(file)


def test_attrs() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Config:
        x: int = 1
        late: int = attrs.field(init=False)

    assert to_params(Config()) == {"x": 1}
    with pytest.raises(UsageError, match=r"params\.a is not set"):
        to_params({"a": attrs.NOTHING})


def test_pydantic() -> None:
    """Models of both versions by field, with what was added to them, without what they leave out."""
    pydantic = pytest.importorskip("pydantic", minversion="2")
    version_1 = pytest.importorskip("pydantic.v1")

    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        lr: float = 0.1
        inner: dict[str, int] = pydantic.Field(default_factory=dict)
        hidden: str = pydantic.Field("x", exclude=True)

    class Root(pydantic.RootModel[list[int]]):
        pass

    class Needy(pydantic.BaseModel):
        given: int
        late: int

    assert to_params(Model(inner={"a": 1}, more=3)) == {"lr": 0.1, "inner": {"a": 1}, "more": 3}
    assert to_params(Needy.model_construct(given=1)) == {"given": 1}
    assert to_value(Root([1, 2])) == [1, 2]

    class Old(version_1.BaseModel):
        lr: float = 0.1

        class Config:
            extra = "allow"

    assert to_params(Old(more=3)) == {"lr": 0.1, "more": 3}


def test_omegaconf() -> None:
    """Interpolations are resolved; what is missing, or names nothing, is as it is written."""
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(
        {
            "lr": 0.1,
            "same": "${lr}",
            "late": "???",
            "bad": "${no}",
            "list": [1, "???", "${lr}"],
            "none": None,
        }
    )
    assert to_params(config) == {
        "lr": 0.1, "same": 0.1, "late": "???", "bad": "${no}", "list": [1, "???", 0.1], "none": None
    }  # fmt: skip


def test_pandas() -> None:
    """A series is a list, by label where it has labels; a table goes by column; times keep their zone."""
    pandas = pytest.importorskip("pandas")
    assert to_value(pandas.Series([1, 2])) == [1, 2]
    assert to_params(pandas.Series({"lr": 0.1, "n": 2.0})) == {"lr": 0.1, "n": 2.0}
    assert to_value(pandas.DataFrame({"a": [1, 2]})) == {"a": [1, 2]}
    assert to_value(pandas.DataFrame({"a": [1]}, index=["row"])) == {"a": {"row": 1}}
    assert to_value(pandas.Timestamp("2026-01-01", tz="UTC")) == "2026-01-01T00:00:00+00:00"
    assert to_value([pandas.NA, pandas.NaT]) == ["<NA>", "NaT"]


@rows(
    ("values", "name"),
    [
        ({"a.b": 1, "a": {"b": 2}}, "a.b"),
        ({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c"),
        ({"a": 1, "a.b": 2, "b": {"a": 3}}, None),
        ({"a": {}, "a.b": 1}, None),
    ],
)
def test_names_that_meet_when_nested(values: dict[str, Any], name: str | None) -> None:
    """One dotted name for two values would lose one of them in every table."""
    assert meeting(values) == name
    if name is not None:
        with pytest.raises(UsageError, match=f"params has '{name}' twice"):
            to_params(values)
