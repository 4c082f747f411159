"""Broken and hostile content: a grade and a note, never an exception, never a secret."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.formats import locks
from gittrack.formats.locks import read_lock
from tests.formats.locks.reading import SAMPLES, drift, on_linux, read, sample
from tests.strategies import examples
from tests.tables import rows

TOML = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Manifest.toml"]
JSON = ["Pipfile.lock", "package-lock.json", "renv.lock", "flake.lock"]
YAML = ["conda-lock.yml", "pixi.lock"]
EVERY = [
    *TOML,
    *JSON,
    *YAML,
    "requirements.txt",
    "conda-linux-64.lock",
    "environment.yml",
    "Dockerfile",
    "x.bin",
]


@rows(
    ("name", "data", "reason"),
    [
        ("uv.lock", b"a = ?", "no valid TOML (line 1, column 5)"),
        ("uv.lock", b"a = " + b"[" * 100_000, "nested too deeply"),
        ("uv.lock", b"a = " + b"9" * 5000, "no valid TOML: a value is out of range"),
        ("uv.lock", b"\xff\xfe\x00", "no UTF-8 text"),
        ("uv.lock", b"package = 1", "'package' is no list of tables"),
        ("uv.lock", b"[[package]]\nversion = '1'", "an entry has no 'name'"),
        ("renv.lock", b"{", "no valid JSON (line 1, column 2)"),
        ("renv.lock", b"[" * 200_000, "nested too deeply"),
        ("renv.lock", b"9" * 5000, "no valid JSON: a value is out of range"),
        ("renv.lock", b"[]", "the document is no table"),
        ("renv.lock", b"{}", "'Packages' is no table"),
        ("pixi.lock", b"a: ]", "no valid YAML (line 1)"),
        ("pixi.lock", b"[" * 200_000, "nested too deeply"),
        ("pixi.lock", b"- " * 200_000, "nested too deeply"),
        ("pixi.lock", b"a: &a [x]\nb: [*a, *a]", "YAML aliases are not read"),
        ("pixi.lock", b"? [a]\n: b", "a YAML key is no text"),
        ("pixi.lock", b"a: 1\n--- \nb: 2", "not one YAML document"),
        ("pixi.lock", b"", "not one YAML document"),
        ("pixi.lock", b"a: \x00", "no valid YAML"),
        ("conda-lock.yml", b"!!python/object/apply:os.system [x]", "the document is no table"),
    ],
)
def test_unreadable_content_is_said_in_the_note(name: str, data: bytes, reason: str) -> None:
    """The reason is named without a word of the content; the digest of the bytes is there all the same."""
    lock = read(name, data)
    assert (lock.pins, lock.note) == ("none", f"could not be read as {lock.kind}: {reason}")
    assert lock.sha256 == hashlib.sha256(data).hexdigest()
    assert lock.installed is None


def test_a_huge_file_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound only the digest is recorded."""
    monkeypatch.setattr(locks, "MAX_BYTES", 1024 * 1024)
    lock = read("requirements.txt", b"a==1\n" * 300_000)
    assert (lock.pins, lock.note) == ("none", "could not be read as requirements.txt: larger than 1 MiB")


def test_an_unknown_kind_is_recorded_by_its_bytes() -> None:
    """A file that only the config calls a lock is kept, not graded."""
    lock = read_lock("deps/x.bin", b"\0", blob="a" * 40, installed={})[0]
    assert (lock.kind, lock.pins, lock.blob) == ("other", "none", "a" * 40)
    assert read("deps/prod.txt", b"a==1").kind == "requirements.txt"


@pytest.mark.parametrize("name", EVERY)
@examples(25)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_break_a_reader(name: str, data: bytes) -> None:
    """Any bytes at all give a lock."""
    assert read(name, data).pins in ("hashed", "versions", "none")


_TERMS = """
name version package packages source git path hash hashes files dependencies metadata environments
default _meta marker markers groups extra nodes locked deps Packages linux-64 conda pypi manifest
members requirements optional-dependencies dev-dependencies node_modules/a link vcs directory sdist
wheels lock-version manifest_format root url platform purls kind
"""
_WORDS = st.sampled_from(_TERMS.split())
_LEAVES = _WORDS | st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize("name", [*JSON, *YAML])
@examples(60)
@given(tree=st.dictionaries(_WORDS, _TREES, max_size=5))
def test_no_structure_breaks_a_reader(name: str, tree: dict[str, Any]) -> None:
    """Documents of the right words in the wrong places give a lock (JSON is YAML too)."""
    assert read(name, json.dumps(tree)).pins in ("hashed", "versions", "none")


@pytest.mark.parametrize("name", TOML)
@examples(60)
@given(tree=st.dictionaries(_WORDS, _TREES, max_size=5))
def test_no_table_breaks_a_toml_reader(name: str, tree: dict[str, Any]) -> None:
    """The same for TOML: inline tables at every key."""
    text = "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in tree.items())
    assert read(name, text).pins in ("hashed", "versions", "none")


def _toml(value: Any) -> str:
    match value:
        case None:
            return '""'
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case _:
            return json.dumps(value)


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
@examples(15)
@given(
    cut=st.floats(0, 1),
    put=st.sampled_from([b"", b"\0", b'"', b"[", b"{", b"]]", b"= 1\n", b": &a\n", b"\xff"]),
)
def test_damaged_samples_give_a_lock(name: str, cut: float, put: bytes) -> None:
    """A real lock with a stray byte, or the half of it, is read or said to be unreadable."""
    data = sample(name)
    at = int(len(data) * cut)
    assert read(name, data[:at] + put + data[at:]).pins in ("hashed", "versions", "none")
    assert read(name, data[:at] + put).pins in ("hashed", "versions", "none")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("uv.lock", '[[package]]\nname = "https://u:hunter2@h"\nversion = "https://u:hunter2@h"'),
        (
            "poetry.lock",
            '[[package]]\nname = "a"\nversion = "u:hunter2@h"\nsource = {type = "url", url = "hunter2"}',
        ),
        (
            "Pipfile.lock",
            '{"_meta": {"sources": [{"url": "hunter2"}]}, "default": {"u:hunter2@h": {"version": "1"}}}',
        ),
        ("pdm.lock", "[hunter2]\n[hunter2]\n"),
        ("pixi.lock", "a: &hunter2 1\nb: *hunter3"),
        (
            "package-lock.json",
            '{"packages": {"node_modules/u:hunter2@h": {"resolved": "https://hunter2@h"}}}',
        ),
        (
            "conda-lock.yml",
            "package:\n- {name: a, url: 'git+https://u:hunter2@h/r', manager: pip, platform: linux-64}",
        ),
    ],
)
def test_secrets_stay_in_the_lock(name: str, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a note nor a difference quotes what stands where a name or a version should be."""
    on_linux(monkeypatch)
    lock, drifts = drift(name, data, {"a": "2"})
    assert "hunter2" not in repr((lock, drifts))


def test_long_lines_take_no_longer_than_their_length() -> None:
    """No expression backtracks: a megabyte of near misses is read at once."""
    start = time.process_time()
    for text in (
        "a" * 10**6,
        "a." * 500_000 + "!",
        " " * 10**6 + "#",
        "a @ " + "x " * 500_000,
        "a[" * 500_000,
    ):
        read("requirements.txt", text)
    for text in ("FROM " + "<<-a " * 200_000, "FROM --a=b " * 1000, "@EXPLICIT\n" + "a-" * 500_000):
        read("Dockerfile", text)
        read("explicit.txt", text)
    assert time.process_time() - start < 20
