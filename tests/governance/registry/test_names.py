"""The grammar is GTO's, and so is the order of versions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.governance.registry.names import (
    Reference,
    bumped,
    check_model,
    check_stage,
    order,
    parse_reference,
    parse_tag_name,
    stage_tag,
    version_tag,
)
from tests.tables import rows

NAMES = [
    "churn@v1.0.0", "churn@v1.0.0!", "churn@v1.0.0#3", "churn@v1.0.0!#4", "churn#prod", "churn#prod#1",
    "churn#prod!#12", "churn#prod!", "churn@deprecated", "churn@deprecated#5", "a/b-c_d@v0.0.1",
    "models=churn@v1.2.3-rc.1+build.5", "dir/sub.x=nn#a/b#7", "churn@created", "churn", "churn@1.0.0",
    "churn@v1.0", "churn@v01.0.0", "-churn@v1.0.0", "churn-@v1.0.0", "churn@latest", "churn@prod",
    "churn#", "churn#prod##1", "churn#prod#x", "c@v1.0.0\n", "café@v1.0.0", "v1.0.0", "release-1",
    "a#b@v1.0.0", "churn@v1.0.0-", "churn@v1.0.0-01", "churn@v1.0.0-0a", "m@v１.0.0",
]  # fmt: skip
ALPHABET = "ab1-_/=.@#!v0+\n"


def agrees(tag: str) -> None:
    from gto.tag import parse_name

    theirs = parse_name(tag, raise_on_fail=False)
    ours = parse_tag_name(tag)
    if not theirs or "action" not in theirs or tag.endswith("\n"):
        assert ours is None, tag
        return
    assert ours is not None, tag
    assert (ours.model, ours.action, ours.version, ours.stage) == (
        theirs["name"], theirs["action"].value, theirs.get("version"), theirs.get("stage"),
    )  # fmt: skip
    assert ours.counter == theirs.get("counter", 0)


@rows("tag", NAMES)
def test_a_tag_is_read_as_gto_reads_it(tag: str) -> None:
    """Or not at all. Digits are those of ASCII here, as git and semver have them."""
    if tag.isascii():
        agrees(tag)
    else:
        assert parse_tag_name(tag) is None


@given(st.text(ALPHABET, max_size=16))
def test_any_text_is_read_as_gto_reads_it(tag: str) -> None:
    """Over the letters of the grammar."""
    agrees(tag)


@given(st.text(ALPHABET, max_size=8), st.sampled_from(["@v1.0.0", "#prod#1", "@v0.2.0-rc.1!#2"]))
def test_any_name_in_a_tag_is_read_as_gto_reads_it(name: str, rest: str) -> None:
    """In front of what makes it a tag."""
    agrees(name + rest)


def test_a_very_long_name_is_none() -> None:
    """It costs no time, whatever it repeats."""
    assert parse_tag_name("a" * 100_000 + "@v1.0.0") is None
    assert parse_tag_name("a@v" + "1" * 5000 + ".0.0") is None


def test_what_is_written_is_read_again() -> None:
    """A colon in a name is an equals sign in a tag, as GTO has it."""
    assert version_tag("dir:churn", "v1.0.0") == "dir=churn@v1.0.0"
    found = parse_tag_name(stage_tag("dir:churn", "prod", 4, remove=True))
    assert found is not None and (found.model, found.stage, found.action, found.counter) == (
        "dir:churn", "prod", "unassign", 4,
    )  # fmt: skip


VERSIONS = [
    "v0.0.1", "v0.2.0", "v0.10.0", "v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta",
    "v1.0.0-beta.2", "v1.0.0-beta.11", "v1.0.0-rc.1", "v1.0.0", "v1.0.1", "v2.0.0",
]  # fmt: skip


def test_versions_are_ordered_as_semver_orders_them() -> None:
    """The example of semver.org, and GTO's own order."""
    from gto.versions import SemVer

    assert sorted(VERSIONS[1::2] + VERSIONS[::2], key=order) == VERSIONS
    assert sorted(VERSIONS, key=SemVer) == VERSIONS
    assert order("v1.0.0+a") == order("v1.0.0+b")


@rows("version", VERSIONS)
def test_a_version_is_raised_as_gto_raises_it(version: str) -> None:
    """Each part of it."""
    from gto.versions import SemVer

    theirs: Any = SemVer(version)
    assert bumped(version, "major") == theirs.bump_major().version
    assert bumped(version, "minor") == theirs.bump_minor().version
    assert bumped(version, "patch") == theirs.bump_patch().version


@rows(
    ("word", "meant"),
    [
        ("churn", Reference("churn")),
        ("churn@latest", Reference("churn")),
        ("churn@greatest", Reference("churn")),
        ("churn@v1.0.0", Reference("churn", version="v1.0.0")),
        ("churn@prod", Reference("churn", stage="prod")),
        ("churn#prod", Reference("churn", stage="prod")),
        ("team/a:churn#a/b", Reference("team/a:churn", stage="a/b")),
    ],
)
def test_what_a_person_means(word: str, meant: Reference) -> None:
    """A version, a stage, or the newest."""
    assert parse_reference(word) == meant


BAD_NAMES = [
    "", "-a", "a-", "a b", "a@b", "a..b", "a//b", "a/.b", "../a", "a.lock/b:c", "a=b", "a\n", "-d:m",
    "ä", "x" * 300, "a~1", "refs/../x:y",
]  # fmt: skip


@rows("name", BAD_NAMES)
def test_a_name_that_git_or_gto_would_not_take(name: str) -> None:
    """Is refused before anything is asked."""
    with pytest.raises(UsageError):
        check_model(name)


@rows("name", ["", "prod!", "prod#1", "-x", "a b", "a//b", "x" * 200])
def test_a_stage_that_gto_would_not_take(name: str) -> None:
    """Likewise."""
    with pytest.raises(UsageError):
        check_stage(name)
