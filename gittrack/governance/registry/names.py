"""The grammar of GTO's tags, and the order of versions. Pure functions.

``NAME@v1.2.3`` registers a version and ``NAME@v1.2.3!`` takes it back, ``NAME#prod#4`` puts the version
at that commit into a stage and ``NAME#prod!#5`` takes it out, ``NAME@deprecated`` gives a model up; every
one may end in ``#`` and a number. As in gto 1.10, ``gto.constants``: a name that GTO reads is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gittrack.errors import UsageError

Action = Literal["register", "deregister", "assign", "unassign", "deprecate"]
Part = Literal["major", "minor", "patch"]

FIRST = "v0.0.1"
"""What GTO calls the first version where nobody says else; from there on it raises the patch."""

_RULE = "letters, digits, '-', '_' and '/', a letter or digit first and last"
_LONGEST = 500
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
_SEMVER = (
    r"v(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)"
    r"(?:-(?P<pre>(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_FULL = rf"(?:[a-zA-Z0-9-_./]+=)?{_NAME}"
_TAG = re.compile(
    rf"(?P<model>{_FULL})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>{_SEMVER}))(?P<cancel>!?)|@(?P<deprecated>deprecated))"
    rf"(?:#(?P<counter>[0-9]{{1,18}}))?",
    re.ASCII,
)
_VERSION = re.compile(_SEMVER, re.ASCII)
_STAGE = re.compile(_NAME, re.ASCII)
_MODEL = re.compile(_FULL, re.ASCII)


@dataclass(frozen=True, slots=True)
class TagName:
    """What the name of a tag says was done."""

    action: Action
    model: str
    version: str | None = None
    stage: str | None = None
    counter: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """What a person means by ``NAME@v1.2.3``, ``NAME@prod``, ``NAME#prod``, ``NAME@latest`` or ``NAME``."""

    model: str
    version: str | None = None
    stage: str | None = None


def parse_tag_name(tag: str) -> TagName | None:
    """What `tag` (without ``refs/tags/``) says; None where it is none of GTO's."""
    match = _TAG.fullmatch(tag) if len(tag) <= _LONGEST else None
    if match is None:
        return None
    model, counter = match["model"].replace("=", ":"), int(match["counter"] or 0)
    if match["deprecated"]:
        return TagName("deprecate", model, counter=counter)
    if match["version"]:
        action: Action = "deregister" if match["cancel"] else "register"
        return TagName(action, model, version=match["version"], counter=counter)
    return TagName("unassign" if match["cancel"] else "assign", model, stage=match["stage"], counter=counter)


def version_tag(model: str, version: str) -> str:
    """The name of the tag that registers a version."""
    return f"{model.replace(':', '=')}@{version}"


def stage_tag(model: str, stage: str, counter: int, *, remove: bool = False) -> str:
    """The name of the tag that puts a version into a stage, or takes it out."""
    return f"{model.replace(':', '=')}#{stage}{'!' if remove else ''}#{counter}"


def parse_reference(word: str) -> Reference:
    """What `word` names; UsageError where it can name nothing."""
    model, mark, suffix = word.partition("#")
    if not mark:
        model, mark, suffix = word.rpartition("@") if "@" in word else (word, "", "")
    check_model(model)
    if not mark or (mark == "@" and suffix in ("latest", "greatest")):
        return Reference(model)
    if mark == "@" and _VERSION.fullmatch(suffix):
        return Reference(model, version=suffix)
    return Reference(model, stage=check_stage(suffix))


def check_model(name: str) -> str:
    """`name`, or UsageError: GTO's pattern, and what git takes for a tag."""
    plain = name.replace(":", "=", 1)
    known = _MODEL.fullmatch(plain) and "=" not in name and len(name) <= 200
    if not known or ".." in name or re.search(r"^-|(^|/)(\.|/|$)|\.lock(/|$)", name):
        raise UsageError(f"{name!r} is no name for a model: {_RULE}")
    return name


def check_stage(name: str) -> str:
    """`name`, or UsageError."""
    if not _STAGE.fullmatch(name) or len(name) > 100 or "" in name.split("/"):
        raise UsageError(f"{name!r} is no stage: {_RULE}")
    return name


def check_version(version: str) -> str:
    """`version`, or UsageError."""
    if not _VERSION.fullmatch(version) or len(version) > 100:
        raise UsageError(f"{version!r} is no version: v1.2.3, as semver.org has it, with a v in front")
    return version


def order(version: str) -> tuple[object, ...]:
    """The key by which versions are sorted (semver.org, 11): build metadata does not count."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return ()
    pre = match["pre"]
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split(".")] if pre else []
    return int(match["major"]), int(match["minor"]), int(match["patch"]), pre is None, tuple(parts)


def bumped(version: str, part: Part) -> str:
    """The version after `version`."""
    major, minor, patch = (int(number) for number in order(version)[:3])  # type: ignore[call-overload]
    raised = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return "v" + ".".join(map(str, raised[part]))
