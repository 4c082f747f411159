"""The codec: what is written reads back the same everywhere, and nothing hostile gets through."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gittrack.errors import NotFoundError, RecordError
from gittrack.formats import codec
from gittrack.formats.codec import lines, reader, schema
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Metric, Record
from tests import strategies
from tests.strategies import TRICKY, examples, records, values
from tests.tables import rows

H40, H64 = "a" * 40, "0" * 64
MINIMAL: dict[str, Any] = {
    "schema": "gittrack/run/1",
    "id": "20261122-142233-7f3a2c",
    "experiment": "digits",
    "status": "finished",
    "started": "2026-11-22T14:22:33.000001Z",
    "duration_s": 1.5,
    "author": {"name": "Ada", "email": "ada@example.org"},
    "params": {},
    "metrics": {"acc": {"value": 0.5}},
    "code": {"commit": H40, "tree": H40, "dirty": False, "command": [], "cwd": "."},
    "data": [],
    "locks": [],
    "environment": {"sha256": H64, "python": "3.11.2", "os": "Linux"},
    "determinism": {},
    "outputs": [],
    "spec": H64,
    "tool": {"name": "gittrack", "version": "0.1.0"},
}


def minimal(**changes: Any) -> bytes:
    return codec.write_yaml({**MINIMAL, **changes})


def is_canonical(data: bytes) -> bool:
    return codec.judge_record(data, "record")[1]


def record(**changes: Any) -> Record:
    return dataclasses.replace(codec.load_record(minimal(), "x"), **changes)


def stock_readings(data: bytes) -> list[Any]:
    """What PyYAML (YAML 1.1) and ruamel (YAML 1.2) make of `data`."""
    ruamel = YAML(typ="safe", pure=True)
    return [yaml.safe_load(data), ruamel.load(io.BytesIO(data))]


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two parsers below the reader."""
    library = reader.library(pure=request.param == "pure")
    monkeypatch.setattr(reader, "library", lambda: library)
    return str(request.param)


# --- round trip ------------------------------------------------------------------------------


@examples(25)
@given(records())
def test_every_record_reads_back_equal_here_and_with_stock_readers(original: Record) -> None:
    """read(write(x)) == x, with PyYAML and ruamel of one mind, values, types and order alike."""
    data = codec.dump_record(original)
    assert codec.load_record(data, "run.yaml") == original
    assert is_canonical(data)
    expected = repr(codec.read_yaml(data))
    assert [repr(reading) for reading in stock_readings(data)] == [expected, expected]


@examples(100)
@given(values)
def test_every_free_value_reads_back_with_its_types(value: Any) -> None:
    """Any plain value, at the root too, is the same after a write and a read."""
    data = codec.write_yaml(value)
    assert [repr(v) for v in (codec.read_yaml(data), *stock_readings(data))] == [repr(value)] * 3


def test_tricky_text_is_text_as_value_as_key_and_in_a_list() -> None:
    """Text that looks like anything else stays text."""
    value = {
        "values": TRICKY,
        "keys": {text: text for text in TRICKY},
        "nested": [[t, {t: [t]}] for t in TRICKY],
    }
    data = codec.write_yaml(value)
    assert [codec.read_yaml(data), *stock_readings(data)] == [value] * 3


def test_what_another_tool_wrote_is_read_as_text() -> None:
    """What YAML 1.1 writes plain, YAML 1.2 takes for a number; only null is no text."""
    value = {"a": "1e5", "b": "0o17", "c": None, "d": ["yes", "1", "~"], "e": {}}
    assert yaml.safe_dump(value).encode().startswith(b"a: 1e5\nb: 0o17\n")
    assert codec.read_yaml(yaml.safe_dump(value).encode(), as_text=True) == value
    assert codec.read_yaml(b"{a: 5, b: true, c: .nan}", as_text=True) == {"a": "5", "b": "true", "c": ".nan"}
    with pytest.raises(RecordError, match="anchors"):
        codec.read_yaml(b"a: &a x", as_text=True)


def test_very_long_text_and_integers_read_back() -> None:
    """A text of half a megabyte and the largest integers."""
    value = {"text": "ab: #" * 100_000, "word": "x" * 100_000, "most": 2**4096 - 1, "least": 1 - 2**4096}
    data = codec.write_yaml(value)
    assert codec.read_yaml(data) == value
    assert yaml.safe_load(data) == value


@rows("value", [0.0, -0.0, 1.0, 1, True, 1e-5, 1e16, 1e22, 5e-324, 1.7976931348623157e308])
def test_numbers_keep_type_and_sign(value: Any) -> None:
    """1 is not 1.0 is not true, and -0.0 keeps its sign, in readers of YAML 1.1 as well."""
    data = codec.write_yaml({"x": value})
    assert [repr(v["x"]) for v in (codec.read_yaml(data), *stock_readings(data))] == [repr(value)] * 3


def test_the_canonical_form_is_as_documented() -> None:
    """Block style, two spaces, one value a line, quotes where needed."""
    value = {"a": {"b": [1, [2, "x"], {"c": None, "d": []}], "no": "yes"}, "e": {}, "f": "é", "g": "1\u202e"}
    assert codec.write_yaml(value).decode() == (
        "a:\n  b:\n    - 1\n    - - 2\n      - x\n    - c: null\n      d: []\n"
        '  "no": "yes"\ne: {}\nf: "é"\ng: "1\\u202e"\n'
    )


@rows(
    ("value", "plain"),
    [
        ("gittrack/runs", True), ("git@host.org:a/b.git", True), ("two words", True), ("7f3a2c", True),
        ("20261122-142233-7f3a2c", True), ("a" * 40, True), ("12e4", False), ("0x1f", False),
        ("0b1a", False),
        ("2026-11-22T14:22:33Z", False), ("1_000", False), ("Off", False), ("a: b", False),
        ("a ", False), ("-x", False),
    ],
)  # fmt: skip
def test_only_certain_text_is_plain(value: str, plain: bool) -> None:
    """Quotes go wherever some reader could take the text for something else."""
    assert codec.write_yaml(value).decode() == (f"{value}\n" if plain else f'"{value}"\n')


def test_control_and_direction_characters_are_escaped() -> None:
    """Nothing that a terminal or an editor acts on, or hides, stands in the file."""
    hidden = "\x00\x1b\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff"
    hidden += "\ufffe\uffff\ufdd0\U0010fffe"
    written = codec.write_yaml([hidden])
    assert not set(hidden) & set(written.decode())
    assert codec.read_yaml(written) == yaml.safe_load(written) == [hidden]


# --- what the writer refuses -------------------------------------------------------------------


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@rows(
    ("value", "message"),
    [
        ({"a": {"lr": float("nan")}}, "a.lr: nan is not a finite number"),
        ({"a": [1, float("-inf")]}, r"a\[1\]: -inf is not a finite number"),
        ({"a": {1: 2}}, "a: the key 1 is not text"),
        ({"a": "\ud800"}, "a: holds a lone surrogate"),
        ({"\udcff": 1}, "the key .* holds a lone surrogate"),
        ({"a": (1, 2)}, "a: is of type builtins.tuple"),
        ({"a": b""}, "a: is of type builtins.bytes"),
        ({"a": 1 << 4096}, "a: has more than 4096 bits"),
        (nest(41), "nested more than 40 levels"),
    ],
)
def test_what_yaml_cannot_hold_is_refused_by_name(value: Any, message: str) -> None:
    """The message names the part and what is wrong with it."""
    with pytest.raises(RecordError, match=message):
        codec.write_yaml(value)


def test_the_deepest_value_that_is_written_can_be_read() -> None:
    """Writer and reader agree on the limit of depth, and a value that holds itself is refused."""
    assert codec.read_yaml(codec.write_yaml(nest(40))) == nest(40)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(RecordError, match="nested more than"):
        codec.write_yaml(loop)
    with pytest.raises(RecordError, match="nested more than"):
        codec.dump_record(record(params={"loop": loop}))


@rows(
    ("changes", "message"),
    [
        ({"params": {"size": (1, 2)}}, "params: would not read back"),
        ({"params": {"lr": float("nan")}}, "params.lr: nan"),
        ({"metrics": {"acc": Metric(value=float("inf"))}}, "metrics.acc.value: inf"),
        ({"metrics": {"acc": Metric()}}, "metrics.acc: {} does not fit: A final value"),
        ({"metrics": {"acc": Metric(value=1, status="nan")}}, "metrics.acc: .* does not fit"),
        ({"id": "../../etc"}, "id: '../../etc' does not fit: Run id"),
        ({"experiment": "a\n"}, "experiment: "),
        ({"status": "failed"}, "'failure' is a required property"),
        ({"hypothesis": "x" * 100_001}, "hypothesis: 'xxx"),
        ({"started": "2026-02-30T00:00:00.000000Z"}, "started: .* is no time"),
        ({"params": {str(i): "x" * 90_000 for i in range(12)}}, "bytes, more than"),
    ],
)
def test_a_record_that_breaks_the_schema_is_not_written(changes: dict[str, Any], message: str) -> None:
    """The message names the field, on one short line."""
    with pytest.raises(RecordError, match=message) as caught:
        codec.dump_record(record(**changes))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


# --- the strict reader -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1e+3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-.5E1", -5.0), ("012", 12),
        ("+1", 1), ("-0", 0),
        ("0o17", 15), ("0xFf", 255), ("0b1", "0b1"), ("1_000", "1_000"), ("12:30:45", "12:30:45"),
        ("2001-12-14", "2001-12-14"), ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("y", "y"),
        ("true", True),
        ("TRUE", True), ("False", False), ("tRUE", "tRUE"), ("null", None), ("~", None), ("NULL", None),
        ("nULL", "nULL"),
        ("=", "="), (".", "."), ("-a", "-a"), ("1e", "1e"), ("0x", "0x"), ("'1'", "1"),
        ('"null"', "null"), ("|-\n 1", "1"),
        ("+0xf", "+0xf"), ("١", "١"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(parser: str, text: str, value: Any) -> None:
    """The value, with its type, of a scalar in each spelling."""
    assert repr(codec.read_yaml(f"k: {text}\n".encode())) == repr({"k": value})


HOSTILE = [
    (b"", "1:1: the document is empty"),
    (b"# only a comment\n", "2:1: the document is empty"),
    (b"---\n", "the document is empty"),
    (b"a: 1\n---\nb: 2\n", "2:1: a second document"),
    (b"a: 1\n...\n---\n", "a second document"),
    (b"a: 1\nb:\n  c: 2\n  c: 3\n", "4:3: the key 'c' is there twice"),
    (b'{a: 1, "a": 2}', "1:8: the key 'a' is there twice"),
    (b"a: &x 1\n", "1:4: anchors and tags"),
    (b"&x a: 1\n", "anchors and tags"),
    (b"&a [*a]", "anchors and tags"),
    (b"a: *x\n", "aliases are not"),
    (b"a: !!str 1\n", "anchors and tags"),
    (b"a: ! 1\n", "anchors and tags"),
    (b'a: ! "1"\n', "anchors and tags"),
    (b"a: ! [1]\n", "anchors and tags"),
    (b"!!map {a: 1}", "anchors and tags"),
    (b"!!python/object/apply:os.system ['true']", "anchors and tags"),
    (b"%YAML 1.2\n---\na: 1\n", "1:1: directives"),
    (b"%TAG ! tag:x,2000:\n---\na: 1\n", "1:1: directives"),
    (b"%ODD x\n---\na: 1\n", "directive"),
    (b"<<: {a: 1}\n", "1:1: merge keys"),
    (b"1: x\n", "1:1: a key is not text"),
    (b"null: x\n", "a key is not text"),
    (b"? [a]\n: x\n", "a key is not text"),
    (b"? *a\n: x\n", "a key is not text"),
    (b"a: .nan\n", "1:4: .nan is not a finite number"),
    (b"a: -.Inf\n", "not a finite number"),
    (b"a: 1e400\n", "'1e400' is too large"),
    (b"a: " + b"9" * 1234 + b"\n", "more than 4096 bits"),
    (b"a: " + b"9" * 500_000 + b"\n", "more than 4096 bits"),
    (b"a: 0x1" + b"0" * 1024 + b"\n", "more than 4096 bits"),
    (b"\xef\xbb\xbfa: 1\n", "1:1: starts with a byte order mark"),
    ("a: 1\n".encode("utf-16"), "1:1: not UTF-8"),
    (b"a: 1\nb: \xff\n", "2:4: not UTF-8"),
    (b"a: \xed\xa0\x80\n", "not UTF-8"),
    (b"a: 1\nb: \x00\n", "2:4: the character '\\x00' is not allowed"),
    (b"a: \x1b[2J\n", "1:4: the character"),
    (b'a: "\\ud800"\n', "1:"),
    (b'a: "\\U00110000"\n', "malformed YAML"),
    (b"a: [1\n", "malformed YAML"),
    (b"a:\n\t- 1\n", "malformed YAML"),
    (b"a: b: c\n", "1:5: malformed YAML"),
    (b"a: @x\n", "malformed YAML"),
    (b"[" * 3000, "nested more than 40 levels deep"),
    (b"{a: " * 3000, "nested more than 40 levels deep"),
    (b"- " * 3000, "nested more than 40 levels deep"),
    (b"? " * 3000, "not text|malformed"),
    (b"[" * (1 << 20), "nested more than 40 levels deep"),
    (b"[\n" * (1 << 19), "nested more than 40 levels deep"),
    (b"a: " + b"x" * (1 << 20), "bytes, more than"),
    (b"\n".join([b"a: &a [x,x,x,x,x,x,x,x]"]
    + [b"%c: &%c [*%c,*%c]" % (i + 1, i + 1, i, i) for i in range(97, 115)]), "anchors"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_input_is_refused_at_once_with_its_place(parser: str, data: bytes, message: str) -> None:
    """One line that says where and what, in a fraction of a second."""
    started = time.process_time()
    with pytest.raises(RecordError) as caught:
        codec.read_yaml(data, "f.yaml")
    took = time.process_time() - started
    text = str(caught.value)
    assert text.startswith("f.yaml:")
    assert any(part in text for part in message.split("|")), text
    assert "\n" not in text
    assert len(text) < 300
    assert took < 3.0 or parser == "pure"


def test_a_bomb_and_brackets_end_in_milliseconds() -> None:
    """What makes other readers allocate gigabytes or overflow the stack costs nothing here."""
    codec.read_yaml(b"a: 1")
    bomb = next(data for data, _ in HOSTILE if b"&a [x,x" in data)
    for data in (bomb, b"[" * 3000, b"[" * (1 << 20)):
        took = []
        for _ in range(3):
            started = time.process_time()
            with pytest.raises(RecordError):
                codec.read_yaml(data)
            took.append(time.process_time() - started)
        assert min(took) < 0.1


fragments = st.sampled_from(
    [*TRICKY[:-10], "a", "b: ", "- ", "? ", ": ", "\n", "\n  ", "[", "]", "{", "}", ", ", "&a ", "*a ",
    "!t ", "! ", "|\n",
     ">-\n", "'", '"', "\\u", "\\ud8", "\\U0011", "%Y\n", "---\n", "...\n", "<<: ", "#", "\t", "\r",
     "\x85", "\ufeff", "1e9"]
)  # fmt: skip


@examples(300)
@given(st.one_of(st.binary(max_size=60), st.lists(fragments, max_size=12).map(lambda x: "".join(x).encode())))
def test_arbitrary_bytes_give_a_value_or_a_record_error(data: bytes) -> None:
    """No other exception, from either parser; and where a value comes, it can be written."""
    for pure in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            library = reader.library(pure=pure)
            patch.setattr(reader, "library", lambda library=library: library)
            try:
                value = codec.read_yaml(data)
            except RecordError as error:
                assert str(error).startswith("input:")
            else:
                assert repr(codec.read_yaml(codec.write_yaml(value))) == repr(value)


def test_limits_can_be_set_by_the_caller() -> None:
    """Each limit lets exactly its own number through."""
    assert codec.read_yaml(b"[1, [2]]", max_bytes=8, max_depth=2, max_nodes=4) == [1, [2]]
    with pytest.raises(RecordError, match="too many values"):
        codec.read_yaml(b"[" + b"[]," * 300_000 + b"]")
    limits: list[dict[str, Any]] = [{"max_bytes": 7}, {"max_depth": 1}, {"max_nodes": 3}]
    for limit in limits:
        with pytest.raises(RecordError):
            codec.read_yaml(b"[1, [2]]", **limit)


# --- load_record -------------------------------------------------------------------------------


@rows(
    ("data", "message"),
    [
        (b"schema: gittrack/run/2\nnew: field\n", "f: too new .* upgrade gittrack"),
        (b"schema: gittrack/run/0\n", "f: too old"),
        (b"schema: gittrack/config/1\n", "f: not a gittrack record"),
        (b"schema: 1\n", "f: not a gittrack record"),
        (b"- schema\n", "f: not a gittrack record"),
        (b"outs: []\n", "f: not a gittrack record"),
        (b"schema: gittrack/run/1\n", "f: '.*' is a required property"),
        (minimal(odd=1), "f: Additional properties .*'odd'"),
        (minimal(author={"name": "A"}), "f: author: 'email' is a required property"),
        (
            minimal(data=[{"path": "x", "role": "tain", "source": "git"}]),
            r"f: data\[0\].role: 'tain' is not one of",
        ),
        (minimal(started="0000-01-01T00:00:00.000000Z"), "f: started: .* is no time"),
        (minimal(started="9999-12-31T23:59:59.000000Z", duration_s=1e9), "f: started: .* is no time"),
    ],
)
def test_the_version_is_read_first_and_faults_are_named(data: bytes, message: str) -> None:
    """Too new, too old and no record at all are told apart before the schema is asked."""
    with pytest.raises(RecordError, match=message):
        codec.load_record(data, "f")


def test_other_spellings_load_but_are_not_canonical() -> None:
    """A record in JSON, reordered or with comments is read; is_canonical tells the difference."""
    data = minimal(params={"a": 1, "b": 2})
    assert is_canonical(data)
    others = [
        json.dumps(codec.read_yaml(data)).encode(),
        data + b"# note\n",
        minimal(params={"b": 2, "a": 1}),
        codec.write_yaml(dict(reversed(codec.read_yaml(data).items()))),
    ]
    for other in others:
        assert codec.load_record(other, "x") == codec.load_record(data, "x")
        assert not is_canonical(other)
    with pytest.raises(RecordError):
        is_canonical(b"a: 1\n")


def test_free_mappings_are_sorted_at_every_depth() -> None:
    """Order of insertion does not change the bytes; the fields of a metric keep their own order."""
    ways = [{"b": [{"d": 1, "c": 2}], "a": 3}, {"a": 3, "b": [{"c": 2, "d": 1}]}]
    metrics = {"z": Metric(value=1.0, step=2), "m": Metric(step=2, value=1.0)}
    one, two = (codec.dump_record(record(params=way, determinism=way, metrics=metrics)) for way in ways)
    assert one == two
    assert one.index(b"  m:\n    value: 1.0\n    step: 2\n") < one.index(b"  z:\n")


# --- the two validators ------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A record's plain form, with up to three parts replaced, removed or added."""
    plain = to_dict(draw(records()))
    for _ in range(draw(st.integers(0, 3))):
        parent: Any = plain
        while True:
            places = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(parent[place], (dict, list)) and parent[place] and draw(st.booleans()):
                parent = parent[place]
                continue
            action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if action == "remove":
                del parent[place]
            elif action == "add" and isinstance(parent, dict):
                parent[draw(strategies.keys)] = draw(strategies.values)
            else:
                parent[place] = draw(near_misses)
            break
    return plain


near_misses = st.one_of(
    strategies.values,
    st.sampled_from(
        [H40 + "\n", H64 + "\n", H40[:-1], H40.upper(), "a\n", "a,b", ' "', "inputs/../x.dvc",
        "outputs/a.dvc\n", "/x.dvc",
         "outputs/.git/a.dvc", "inputs/.dvc", "outputs//a.dvc", "finished",
         "failed", 2**63, -1, 1.0, -0.5, 1e10, True, None,
         "20261122-142233-7f3a2c\n", "1" * 32 + ".dir\n", "x" * 100_001, "٣" * 40]
    ),
)  # fmt: skip


@examples(40)
@given(damaged())
def test_the_fast_validator_and_jsonschema_agree(plain: Any) -> None:
    """On good and on damaged records alike."""
    fast = schema._quick("run")
    assert fast is not None
    assert fast(plain) == schema._judge("run").is_valid(plain)


def test_validation_works_without_the_fast_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jsonschema-rs, jsonschema alone decides, in the same words."""
    bad = {**MINIMAL, "status": "done"}
    with pytest.raises(RecordError) as fast:
        codec.validate(bad, "run", "x")
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    monkeypatch.setattr(schema, "_quick", schema._quick.__wrapped__)
    assert schema._quick("run") is None
    codec.validate(MINIMAL, "run", "x")
    with pytest.raises(RecordError) as slow:
        codec.validate(bad, "run", "x")
    assert str(fast.value) == str(slow.value)
    assert str(fast.value).startswith("x: status: 'done' is not one of")


def test_numbers_that_are_not_finite_never_reach_a_validator() -> None:
    """jsonschema would let NaN through any range."""
    with pytest.raises(RecordError, match="x: duration_s: nan is not a finite number"):
        codec.validate({**MINIMAL, "duration_s": float("nan")}, "run", "x")


def test_an_unknown_schema_is_not_found() -> None:
    """The message lists those that exist; no path is built from the name."""
    with pytest.raises(NotFoundError, match=r"no schema '\.\./x': there are annex-iv, config, "):
        codec.schema_text("../x")


def test_importing_the_codec_loads_neither_yaml_nor_validators() -> None:
    """They are loaded by the first call that needs them."""
    code = (
        "import sys, gittrack.formats.codec, gittrack.formats.config;"
        "sys.exit(bool({'yaml', 'jsonschema', 'jsonschema_rs', 'importlib.resources'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the quick reader of canonical files ----------------------------------------------------


@examples(30)
@given(records())
def test_the_quick_reader_reads_what_was_written(drawn: Record) -> None:
    """As the strict reader does: values, their types and their order."""
    data = codec.dump_record(drawn)
    value = lines.read_canonical(data)
    if value is not None:
        assert repr(value) == repr(codec.read_yaml(data))
    plain = all(type(v) is not int or abs(v) < 10**18 for v in _leaves(to_dict(drawn)))
    assert value is not None or not plain or b"\n? " in data or b"  ? " in data


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return [value]
    return [leaf for item in value for leaf in _leaves(item)]


pieces = st.sampled_from(
    ["a", "b", ": ", ":", "- ", "  ", " ", "\n", '"', "\\n", "\\", "1", "-0", "0.10", "1.5", "1e5", "1.0e+5",
     "null", "yes", "~", "{}", "[]", "|", ">", "#", "&x", "*x", "!t", "<<", "? ", "'", "\t", "\r", "é",
     "\u2028", "---", "...", "%", "0o7", "0x1", "01", ".5", "2026-11-22", "12:30", "true", "\ufeff",
     "\\ud800", "\\x41"]
)  # fmt: skip


@examples(400)
@given(st.lists(pieces, max_size=14).map("".join))
def test_the_quick_reader_takes_nothing_but_what_the_writer_writes(text: str) -> None:
    """Whatever it takes, it takes as the strict reader does, and the writer would write just that."""
    data = f"a: 1\n{text}\n".encode()
    value = lines.read_canonical(data)
    if value is not None:
        assert repr(value) == repr(codec.read_yaml(data))
        assert codec.write_yaml(value) == data


@examples(60)
@given(st.dictionaries(strategies.keys, values, min_size=1, max_size=4))
def test_the_quick_reader_on_any_mapping(drawn: dict[str, Any]) -> None:
    data = codec.write_yaml(drawn)
    value = lines.read_canonical(data)
    assert value is None or repr(value) == repr(codec.read_yaml(data))


@examples(40)
@given(records(), st.data())
def test_the_quick_reader_on_damaged_records(drawn: Record, more: st.DataObject) -> None:
    """A byte changed, taken away or put in: the same value as the strict reader's, or none."""
    data = bytearray(codec.dump_record(drawn))
    at = more.draw(st.integers(0, len(data) - 1))
    byte = more.draw(st.sampled_from(b'\n :-"0aZ#{}[]\\'))
    data[at : at + more.draw(st.integers(0, 1))] = bytes([byte])
    value = lines.read_canonical(bytes(data))
    if value is not None:
        assert repr(value) == repr(codec.read_yaml(bytes(data)))
        assert codec.write_yaml(value) == bytes(data)


@rows(
    "data",
    [b"", b"\n", b"a: 1", b"a: 1\n\n", b"\xff: 1\n", b"a: 1\n" * 2, b"a:\n" + b"  - 1\n" * 20_001,
     b"".join(b"  " * n + b"a:\n" for n in range(30)) + b"  " * 30 + b"a: 1\n", b"- 1\n", b"1\n",
     b'a: "\\Uffffffff"\n', b'a: "\n', b"a: " + b"1" * (1 << 20) + b"\n"],
)  # fmt: skip
def test_the_quick_reader_leaves_the_rest_to_the_strict_one(data: bytes) -> None:
    assert lines.read_canonical(data) is None


def test_what_the_quick_reader_remembers_is_bounded() -> None:
    """Lines of records that are read by the million."""
    for n in range(3):
        assert lines.read_canonical("".join(f"k{n}_{i}: v{i}\n" for i in range(15_000)).encode())
    assert len(lines._known) <= 20_000 and len(lines._keys) <= 20_000
    first = lines.read_canonical(b"a: {}\n")
    assert first is not None
    first["a"]["b"] = 1
    assert lines.read_canonical(b"a: {}\n") == {"a": {}}


def _shuffled(value: Any, more: st.DataObject) -> Any:
    """`value` with the entries of some mapping in another order, an empty entry more, or one less."""
    if not isinstance(value, dict) or not value:
        return value
    names = list(value)
    inner = [name for name in names if isinstance(value[name], dict) and value[name]]
    if inner and more.draw(st.booleans()):
        name = more.draw(st.sampled_from(inner))
        return {**value, name: _shuffled(value[name], more)}
    choice = more.draw(st.integers(0, 3))
    if choice == 0:
        return {name: value[name] for name in more.draw(st.permutations(names))}
    if choice == 1:
        return {
            **value,
            more.draw(st.sampled_from(["hypothesis", "tags", "name", "unit", "step", "zzz"])): None,
        }
    if choice == 2:
        return {**value, more.draw(st.sampled_from(["tags", "seeds", "base_models", "left_out"])): {}}
    return {name: value[name] for name in names if name != more.draw(st.sampled_from(names))}


@examples(60)
@given(records(), st.data())
def test_the_form_of_a_record_is_judged_as_by_writing_it_again(drawn: Record, more: st.DataObject) -> None:
    """With keys in another order, missing, or there with nothing to say."""
    plain = codec.load_plain(codec.dump_record(drawn), "x")
    other = codec.write_yaml(_shuffled(plain, more))
    try:
        loaded = codec.load_record(other, "x")
    except RecordError:
        return
    record, canonical = codec.judge_record(other, "x")
    assert (record, canonical) == (loaded, codec.dump_record(loaded) == other)
