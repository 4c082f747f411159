"""The ranges of -S: what is read, what is refused, and what params come of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.recording.passing import fill
from gittrack.recording.settings import set_param
from gittrack.running.sweep.space import Choices, Interval, Space, Whole, parse, split
from tests.tables import rows


def only(text: str) -> Any:
    """What the one ``-S`` gives."""
    (found,) = parse([text]).given.values()
    return found


@rows(
    ("text", "values"),
    [
        ("lr=0.1,0.01", [0.1, 0.01]),
        ("lr = 0.1 , 1e-2", [0.1, 0.01]),
        ("lr=choice(0.1, 0.01)", [0.1, 0.01]),
        ("lr=choice(0.1)", [0.1]),
        ("kind=adam,sgd,true,null", ["adam", "sgd", True, None]),
        ("n=1,1.0", [1, 1.0]),
        ("layers=[64, 64],[128]", [[64, 64], [128]]),
        ("layers=choice([64, 64], [128])", [[64, 64], [128]]),
        ('note=\'a, b\',"c, \\"d\\""', ["a, b", 'c, "d"']),
        ("note='it''s, so',x", ["it's, so", "x"]),
        ("note=it's,so", ["it's", "so"]),
        ("act=gelu(tanh),relu", ["gelu(tanh)", "relu"]),
        ("m={a: 1, b: 2},{a: 3}", [{"a": 1, "b": 2}, {"a": 3}]),
        ("n=range(3)", [0, 1, 2]),
        ("n=range(1,10)", list(range(1, 10))),
        ("n=range(1, 10, 4)", [1, 5, 9]),
        ("n=range(3,0,-1)", [3, 2, 1]),
        ("x=range(0,0.5,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("x=range(0.5)", [0.0]),
    ],
)
def test_values_one_by_one(text: str, values: list[Any]) -> None:
    """Choices as typed, by YAML; range as in Python, exact to the decimal."""
    found = only(text)
    assert isinstance(found, Choices)
    assert [(type(v), v) for v in found.values] == [(type(v), v) for v in values]


@rows(
    ("text", "expected"),
    [
        ("n=int(1,64)", Whole("n", 1, 64)),
        ("n=int(-2, 2)", Whole("n", -2, 2)),
        ("x=interval(0.0,1.0)", Interval("x", 0, 1)),
        ("x=uniform(-1, 1)", Interval("x", -1, 1)),
        ("a.lr=log(1e-4,1e-1)", Interval("a.lr", 1e-4, 1e-1, log=True)),
        ("lr=loguniform(0.1, 10)", Interval("lr", 0.1, 10, log=True)),
    ],
)
def test_intervals(text: str, expected: object) -> None:
    """Continuous ones and whole numbers, both ends in."""
    assert only(text) == expected


@rows(
    "text",
    [
        "lr=0.1",
        "note=[1, 2]",
        "note='a, b'",
        'note="a, b"',
        "m={a: 1, b: 2}",
        "note=",
        "note=:(",
        "note=it's",
    ],
)
def test_one_value(text: str) -> None:
    """Commas in brackets and quotes do not part; one value is what `gittrack run -S` makes of it."""
    assert only(text) == text
    as_run: dict[str, Any] = {}
    set_param(as_run, text)
    assert parse([text]).params({}, {}) == as_run


@rows(
    ("text", "says"),
    [
        ("lr", "-S takes key=value"),
        ("=1,2", "-S takes key=value"),
        ("a..b=1,2", "-S takes key=value"),
        ("lr=0.1,", "a value between the commas is empty"),
        ("lr=,0.1", "a value between the commas is empty"),
        ("lr=choice()", "a value between the commas is empty"),
        ("lr=0.1,1e-1", "0.1 is there twice; to repeat a setting, use --seeds"),
        ("lr=[1,2", "a bracket or quote is not closed"),
        ("lr='a,b", "a bracket or quote is not closed"),
        ("lr=choice([1,2)", "a bracket or quote is not closed"),
        ("lr=logunifrom(1e-4,1)", "no range is called logunifrom: there are choice, range,"),
        ("lr=0.1,log(1e-4,1)", "log(...) cannot be one of several values"),
        ("lr=log(0,1)", "log takes numbers above 0"),
        ("lr=loguniform(-1,1)", "loguniform takes numbers above 0"),
        ("lr=log(1,1e-4)", "the first number has to be below the second"),
        ("lr=interval(1,1)", "the first number has to be below the second"),
        ("lr=interval(-1e308,1e308)", "the first number is too far from the second"),
        ("lr=interval(0)", "interval takes two numbers"),
        ("lr=interval(0,1,2)", "interval takes two numbers"),
        ("lr=interval(0,x)", "'x' is no number"),
        ("lr=interval(0,inf)", "'inf' is no number"),
        ("lr=interval(0,nan)", "'nan' is no number"),
        ("lr=interval(0,1e999)", "'1e999' is no number"),
        ("lr=uniform(,1)", "'' is no number"),
        ("n=int(1,2.5)", "int takes whole numbers"),
        ("n=int(1,1e300)", "int takes whole numbers"),
        ("n=range()", "'' is no number"),
        ("n=range(1,2,3,4)", "range takes a start, an end and a step"),
        ("n=range(1,2,0)", "the step is 0"),
        ("n=range(1,2,1e-400)", "the step is 0"),
        ("n=range(2,1)", "the range is empty"),
        ("n=range(1,1)", "the range is empty"),
        ("n=range(1,2,-1)", "the range is empty"),
        ("n=range(1e12)", "1,000,000,000,000 values, more than 10,000: use int or interval"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    """One line that says what is wrong with which -S."""
    with pytest.raises(UsageError) as caught:
        parse([text])
    said = str(caught.value)
    assert says in said and said.startswith("-S ") and "\n" not in said


def test_a_key_is_given_once() -> None:
    """Else one of the two would be silently lost."""
    with pytest.raises(UsageError, match="-S lr is given twice"):
        parse(["lr=1,2", " lr =3"])


def test_split_keeps_every_character() -> None:
    """Whatever is typed, the parts are the text again."""
    for text in ("a,b", "'a,b',c", "f(a,b),c", "a)b,c", "it's,so", '"x\\"y",z', "", ",", "a,(b,[c,d]),e"):
        parts = split(text)
        assert parts is not None and ",".join(parts) == text


def test_params_nest_and_leave_files_alone() -> None:
    """Files first, then -S in its order; the mapping of the files stays as it was."""
    space = parse(["model.width=64,128", "model.kind=mlp", "lr=0.1"])
    base = {"model": {"width": 1, "depth": 2}, "epochs": 3}
    params = space.params(base, {"model.width": 128})
    assert params == {"model": {"width": 128, "depth": 2, "kind": "mlp"}, "epochs": 3, "lr": 0.1}
    assert base == {"model": {"width": 1, "depth": 2}, "epochs": 3}
    with pytest.raises(UsageError, match="nothing can be below it"):
        parse(["lr=1", "lr.a=1,2"]).params({}, {"lr.a": 1})


@rows(
    "value",
    [
        0.1,
        1e-05,
        1e22,
        -0.0,
        12345678901234567890,
        True,
        None,
        "a: b",
        "1e-3",
        "it's",
        "é\U0001f600",
        [1, "2"],
    ],
)
def test_a_value_reaches_the_params_as_it_is(value: Any) -> None:
    """Text stays text, numbers keep every digit."""
    space = Space({"x": Choices("x", [value])})
    found = space.params({}, {"x": value})["x"]
    assert (type(found), found) == (type(value), value)


def test_places_in_the_command() -> None:
    """Only keys of -S are replaced, once, wherever they stand in an argument."""
    values = {"lr": 0.1, "model.kind": "{lr}", "on": True}
    command = ["train", "--lr={lr}", "{model.kind}", "{on}", "{other}", "{ lr }", "{}"]
    assert fill(command, values) == ("train", "--lr=0.1", "{lr}", "true", "{other}", "{ lr }", "{}")
    assert fill(["{x}"], {}) == ("{x}",)


@rows(
    "found",
    [
        Interval("x", 0, 1),
        Interval("x", 1000, 1000.001),
        Interval("x", -5e-9, 7e-9),
        Interval("x", 1e-4, 1e-1, log=True),
        Interval("x", 1e-300, 1e300, log=True),
        Interval("x", 1000, 1001, log=True),
    ],
)
def test_what_is_drawn_lies_inside_and_is_fine_enough(found: Interval) -> None:
    """Rounded for the eye, but not so much that values meet."""
    values = [found.at(n / 1000) for n in range(1000)]
    assert all(found.low <= value <= found.high for value in values)
    assert len(set(values)) == 1000 and values == sorted(values)
    middle = math.sqrt(found.low * found.high) if found.log else (found.low + found.high) / 2
    assert math.isclose(found.at(0.5), middle, rel_tol=1e-4, abs_tol=(found.high - found.low) / 1e4)
