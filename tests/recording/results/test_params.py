"""Files of parameters, as PyYAML, DVC and OmegaConf read them."""

from __future__ import annotations

import io
import string
from pathlib import Path
from typing import Any

import pytest
import yaml

from gittrack.errors import UsageError
from gittrack.formats.codec import reader
from gittrack.recording.results.params import read_params
from tests.recording.results.reading import params_of, write
from tests.tables import rows

PARAMS = {"lr": 0.001, "model": {"width": 64, "act": "relu"}, "layers": [1, 2], "on": True}
SCALARS = """
    yes no on off y Yes NO true True FALSE 0755 0o755 089 1_000 1_000.5 1e-3 1E5 1.e3 .5e3 1.5e3 +1 -1 +.5
    1. .5 0x1F 0b101 1:30 1:30.5 190:20:30 ~ null nil .inf -.inf +.inf .NaN nan inf 0_7 _1 1__0 0 00 -0755
    1e 0xG 1,000 ??? 99999999999999999999 1e400 1_0e3 0.1_5 -.5 . .. e3 0. 2026-11-22 2026-11-22T10:00:00Z
"""


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever parser PyYAML has."""
    from gittrack.recording.results import yaml_text

    made = reader.library(pure=request.param == "pure")
    monkeypatch.setattr(yaml_text, "library", lambda: made)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "lr: 1e-3\nmodel: {width: 64, act: relu}\nlayers: [1, 2]\n'on': true\n"),
        ("p.yml", "lr: 0.001\nmodel:\n  width: 64\n  act: relu\nlayers:\n- 1\n- 2\non: true\n"),
        ("p.json", '{"lr": 0.001, "model": {"width": 64, "act": "relu"}, "layers": [1, 2], "on": true}'),
        ("p.toml", 'lr = 0.001\nlayers = [1, 2]\non = true\n[model]\nwidth = 64\nact = "relu"\n'),
        (
            "p.py",
            "import os\nlr: float = 1e-3\nclass model:\n  width = 64\n  act = 'relu'\nlayers = [1, 2]\n"
            "on = True\n",
        ),
    ],
)
def test_params_of_each_format(tmp_path: Path, name: str, text: str) -> None:
    """Nested and typed, whatever the format."""
    params, losses = params_of(tmp_path, name, text)
    assert (params, losses) == (PARAMS, {})
    assert type(params["model"]["width"]) is int


def plain(value: Any) -> Any:
    """As a record holds it: a date as it is written, a number that is not finite as a word."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)
    return value


@rows("text", SCALARS.split())
def test_scalars_are_those_of_the_tools(tmp_path: Path, text: str) -> None:
    """OmegaConf's reading, which is that of two of them; `by_dvc`, DVC's; it is said where these differ."""
    from dvc.utils.serialize import parse_yaml
    from omegaconf import OmegaConf

    document = f"k: {text}\n"
    omegaconf = plain(OmegaConf.to_container(OmegaConf.load(io.StringIO(document)))["k"])  # type: ignore[index,call-overload]
    dvc = plain(parse_yaml(document, "p.yaml")["k"])
    pyyaml = plain(yaml.safe_load(document)["k"])
    common, losses = params_of(tmp_path, "p.yaml", document)
    assert repr(common["k"]) == repr(omegaconf)
    if "2026" in text:
        return
    assert repr(omegaconf) in (repr(dvc), repr(pyyaml))
    by_dvc, losses_of_dvc = params_of(tmp_path, "p.yaml", document, by_dvc=True)
    assert repr(by_dvc["k"]) == repr(dvc)
    assert bool(losses) == bool(losses_of_dvc) == (repr(omegaconf) != repr(dvc))


def test_where_tools_differ_both_readings_are_said(tmp_path: Path) -> None:
    """The other one is what was not recorded."""
    assert params_of(tmp_path, "p.yaml", "a: {mode: 0755}\n") == (
        {"a": {"mode": 493}},
        {
            "p.yaml: 1 other reading (a.mode)": "0755 is 755 to DVC; recorded is 493, "
            "as PyYAML and OmegaConf read it"
        },
    )


MERGED = """\
base: &base {lr: 0.1, n: 1, deep: {a: 1}}
more: &more {n: 2, m: 3}
run: {<<: *base, lr: 0.2}
both:
  <<: [*base, *more]
  deep: {b: 2}
word: {"<<": text}
1: one
0.5: half
name: &name text
again: *name
"""


@pytest.mark.usefixtures("parser")
def test_anchors_merge_keys_and_number_keys(tmp_path: Path) -> None:
    """As PyYAML reads them, and keys by what is written."""
    params, losses = params_of(tmp_path, "p.yaml", MERGED)
    assert losses == {}
    assert params == {str(key): value for key, value in yaml.safe_load(MERGED).items()}
    assert params["both"] == {"lr": 0.1, "n": 1, "m": 3, "deep": {"b": 2}}


@pytest.mark.usefixtures("parser")
@rows(
    ("text", "params", "what", "why"),
    [
        ("a: !!python/object/apply:os.system ['ls']\nlr: 1\n", {"lr": 1}, "a", "os.system' is not followed"),
        ("a: !Model {x: 1}\nlr: 1\n", {"lr": 1}, "a", "'!Model' is not followed"),
        ("m: {a: !x 1, b: 2}\n", {"m": {"b": 2}}, "m.a", "is not followed"),
        ("a: [1, !x 2, 3]\nlr: 1\n", {"lr": 1}, "a", "is not followed"),
        ("a: !!binary aGk=\nlr: 1\n", {"lr": 1}, "a", "is not followed"),
        ("a: &a [1, *a]\nlr: 1\n", {"lr": 1}, "a", "a part of itself"),
        ("a: &a {b: *a}\nlr: 1\n", {"a": {}, "lr": 1}, "a.b", "a part of itself"),
        ("a: *nope\nlr: 1\n", {"lr": 1}, "a", "no anchor &nope"),
        ("a: 1\nlr: 2\na: 3\n", {"a": 3, "lr": 2}, "1 earlier value (a)", "in line 3: the last is taken"),
        ("m: {a: 1, a: 2}\n", {"m": {"a": 2}}, "1 earlier value (m.a)", "the last is taken"),
        ("<<: 3\nlr: 1\n", {"lr": 1}, "<<", "takes a mapping"),
        ("? [a, b]\n: 1\nlr: 1\n", {"lr": 1}, "1 key (top)", "is no name"),
        (f"a: {'[' * 30}{']' * 30}\nlr: 1\n", {"lr": 1}, "a", "nested more than 20"),
        (f"a: {'9' * 5000}\nlr: 1\n", {"lr": 1}, "a", "an integer of 5000 digits"),
        (f"a: {'x' * 30_000}\nlr: 1\n", {"lr": 1}, "a", "30000 characters"),
        (f"a: [{'1,' * 10_001}]\nlr: 1\n", {"lr": 1}, "a", "more than 10000 items"),
        ("'': 1\nlr: 1\n", {"lr": 1}, "", "1 to 250 characters"),
    ],
)  # fmt: skip
def test_an_odd_value_costs_that_value(
    tmp_path: Path, text: str, params: dict[str, Any], what: str, why: str
) -> None:
    """It is named, with why, and all beside it is taken; nothing is executed."""
    taken, losses = params_of(tmp_path, "p.yaml", text)
    assert taken == params
    assert list(losses) == [f"p.yaml: {what}"]
    assert why in "".join(losses.values())


@pytest.mark.parametrize(
    "form", ["[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]", "{{a: *{0}, b: *{0}, c: *{0}, d: *{0}}}"]
)
def test_aliases_cannot_explode(tmp_path: Path, form: str) -> None:
    """A few kB of aliases stand for billions of values: those beyond a record's room are left out."""
    lines = ["a: &a [1, 2, 3, 4, 5, 6, 7, 8]"]
    lines += [
        f"{b}: &{b} {form.format(a)}"
        for a, b in zip(string.ascii_lowercase, string.ascii_lowercase[1:], strict=False)
    ]
    params, losses = params_of(tmp_path, "p.yaml", "\n".join([*lines, "lr: 1"]))
    assert {"a", "b", "c", "lr"} <= set(params)
    assert "z" not in params
    assert "too many values" in "".join(losses.values())


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "text", ["", "# only\n# comments\n", "---\n", "null\n", "~", "---\n# c\n...\n", "\ufeff", "{}"]
)
def test_a_file_without_values_has_none(tmp_path: Path, text: str) -> None:
    """And nothing is said of it."""
    assert params_of(tmp_path, "p.yaml", text) == ({}, {})


@rows(
    ("name", "text"),
    [
        ("p.yaml", b"\xef\xbb\xbflr: 1\n"), ("p.yaml", "lr: 1\n".encode("utf-16")), ("p.yaml", b"lr: 1\r\n"),
        ("p.yaml", b"%YAML 1.2\n---\nlr: 1\n...\n"), ("p.yaml", b"lr:\t1\n"),
        ("p.json", b'\xef\xbb\xbf{"lr": 1}'),
        ("p.toml", b"\xef\xbb\xbflr = 1\n"), ("p.PY", b"\xef\xbb\xbflr = 1\n"),
    ],
)  # fmt: skip
def test_encodings(tmp_path: Path, name: str, text: bytes) -> None:
    """A byte order mark, line ends of Windows, a directive."""
    assert params_of(tmp_path, name, text) == ({"lr": 1}, {})


def test_a_name_twice_in_json_is_said(tmp_path: Path) -> None:
    """As in YAML."""
    params, losses = params_of(tmp_path, "p.json", '{"lr": 2, "lr": 1}')
    assert (params, list(losses)) == ({"lr": 1}, ["p.json: 1 earlier value (lr)"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.yaml", "a: [1\n", "p.yaml:2:1: malformed YAML"),
        ("p.yaml", "a:\n\tb: 1\n", "p.yaml:2:1: malformed YAML"),
        ("p.yaml", "- 1\n", "must hold names and values, not a list"),
        ("p.yaml", "text\n", "must hold names and values, not str"),
        ("p.yaml", "a: 1\n---\nb: 2\n", "p.yaml:2: a second document"),
        ("p.yaml", b"a: \xff\n", "not UTF-8"),
        ("p.yaml", b"a: \x01\n", "is not allowed"),
        ("p.yaml", "[" * 100_000, "levels deep"),
        ("p.yaml", f"[{'1,' * 200_001}]", "more than 200000 values"),
        ("p.json", "{", "not valid JSON"),
        ("p.json", "[]", "not a list"),
        ("p.json", "[" * 100_000, "not valid JSON"),
        ("p.toml", "a = ", "not valid TOML"),
        ("p.toml", b"a = '\xff'", "not UTF-8"),
        ("p.py", "a = (", "not valid Python"),
        ("p.ini", "a = 1", "cannot read .ini"),
        ("p", "a = 1", "cannot read a file without suffix"),
    ],
)
def test_malformed_params(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    """One line that names the file and the fault."""
    with pytest.raises(UsageError) as caught:
        read_params(write(tmp_path, name, text), name=name)
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


def test_params_file_that_is_missing(tmp_path: Path) -> None:
    """The system's own word for it."""
    with pytest.raises(UsageError, match="no such file"):
        read_params(tmp_path / "p.yaml")
    (tmp_path / "f.yaml").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        read_params(tmp_path / "f.yaml")


def test_odd_values_of_other_formats(tmp_path: Path) -> None:
    """Dates and non-finite numbers become text; what Python would compute is left out."""
    assert params_of(tmp_path, "p.toml", "day = 2026-11-22\nx = inf\n")[0] == {
        "day": "2026-11-22",
        "x": "inf",
    }
    assert params_of(tmp_path, "p.json", '{"x": NaN, "y": -Infinity}')[0] == {"x": "nan", "y": "-inf"}
    assert params_of(tmp_path, "p.json", f'{{"x": {"9" * 5000}, "y": 1}}')[0] == {"y": 1}
    assert params_of(tmp_path, "p.py", "a = 1\nb = open('x')\nclass C:\n    c = a + 1\n    d = -2\n") == (
        {"a": 1, "C": {"d": -2}},
        {"p.py: 2 values (b, C.c)": "computed, and nothing is executed to read it"},
    )
