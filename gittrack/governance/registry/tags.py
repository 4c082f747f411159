"""The tags of the registry as git has them: found by their names, their objects parsed. Content untrusted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gittrack.errors import RepositoryError
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.registry.names import TagName, parse_tag_name

PREFIX = "refs/tags/"
PATTERNS = ("refs/tags/**/*@*", "refs/tags/**/*#*")
RUN, OUTPUT, SHA256 = "Gittrack-Run", "Gittrack-Output", "Gittrack-Sha256"

_LARGEST = 1 << 16
_LATEST = 253402300799  # the end of the year 9999
_TAGGER = re.compile(rb"tagger (.*?) ?<([^<>]*)> (-?[0-9]{1,12}) [+-][0-9]{4}")
_TRAILER = re.compile(rf"({RUN}|{OUTPUT}|{SHA256}): (.+)")
# The last of these lines begins the signature, as in git's gpg-interface.c.
_SIGNATURE = re.compile(
    rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag whose name is of GTO's grammar."""

    ref: str
    """Without ``refs/tags/``."""
    name: TagName
    oid: str
    commit: str | None = None
    """What it points to; None where that is no commit, or the tag is not annotated."""
    seconds: int = 0
    """When it was made, by the clock of who made it: since the epoch."""
    author: str = ""
    email: str = ""
    message: str = ""
    trailers: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False
    fault: str = ""
    """Why it cannot be what its name says."""

    @property
    def counts(self) -> bool:
        """Whether GTO counts it: it leaves out lightweight tags."""
        return self.commit is not None


def read_tags(repository: Repository, objects: ObjectReader) -> list[Tag]:
    """Every tag of the registry's grammar, oldest first. Two git processes."""
    out = repository.git(
        "for-each-ref", "--format=%(objectname) %(refname)", "--", *PATTERNS, doing="read the tags"
    )
    rows = [line.partition(" ") for line in os.fsdecode(out).splitlines()]
    named = [
        (ref.removeprefix(PREFIX), name, oid)
        for oid, _, ref in rows
        if (name := parse_tag_name(ref.removeprefix(PREFIX))) is not None
    ]
    tags = [
        _tag(ref, name, oid, None if item is None else (item.kind, item.data))
        for (ref, name, oid), item in zip(named, objects.get_many(o for _, _, o in named), strict=True)
    ]
    return sorted(tags, key=chronological)


def chronological(tag: Tag) -> tuple[int, int, str]:
    """The order in which tags take effect. Dates are whole seconds; of one second, GTO's counter tells."""
    return tag.seconds, tag.name.counter, tag.ref


def _tag(ref: str, name: TagName, oid: str, content: tuple[str, bytes] | None) -> Tag:
    if content is None:
        return Tag(ref, name, oid, fault="its object is not in this clone: run git fetch --tags")
    kind, data = content
    if kind != "tag":
        return Tag(ref, name, oid, fault="it is a lightweight tag, which says nothing of who and when")
    if len(data) > _LARGEST:
        return Tag(ref, name, oid, fault=f"it is larger than {_LARGEST:,} bytes")
    return parse_tag(ref, name, oid, data)


def parse_tag(ref: str, name: TagName, oid: str, data: bytes) -> Tag:
    """The tag object `data`, found under the name `ref`."""
    payload, signature = split_signature(data)
    head, _, body = payload.partition(b"\n\n")
    lines = head.split(b"\n")
    fields = dict(line.partition(b" ")[::2] for line in reversed(lines))
    tagger = next((m for line in lines if (m := _TAGGER.fullmatch(line))), None)
    if fields.get(b"type") != b"commit" or tagger is None:
        return Tag(ref, name, oid, fault="it points to no commit, or does not say who made it when")
    message = body.decode("utf-8", "replace").strip("\n")
    inside = fields.get(b"tag", b"").decode("utf-8", "replace")
    return Tag(
        ref,
        name,
        oid,
        commit=fields.get(b"object", b"").decode("ascii", "replace"),
        seconds=min(max(int(tagger[3]), 0), _LATEST),
        author=tagger[1].decode("utf-8", "replace"),
        email=tagger[2].decode("utf-8", "replace"),
        message=message,
        trailers=_trailers(message),
        signed=bool(signature),
        fault="" if inside == ref else f"it is the tag {inside[:100]!r} under another name",
    )


def split_signature(data: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the signature (empty: none), of a tag object."""
    signatures = list(_SIGNATURE.finditer(data))
    at = signatures[-1].start() if signatures else len(data)
    return data[:at], data[at:]


def _trailers(message: str) -> dict[str, str]:
    """Ours in the last paragraph; one that is given twice says nothing."""
    trailers: dict[str, list[str]] = {}
    for line in message.rpartition("\n\n")[2].split("\n"):
        if match := _TRAILER.fullmatch(line):
            trailers.setdefault(match[1], []).append(match[2])
    return {key: values[0] for key, values in trailers.items() if len(values) == 1}


def write_path(path: str) -> str:
    """A path as a trailer holds it: plain, or as JSON where a line could not."""
    plain = path.isprintable() and path == path.strip() and not path.startswith('"')
    return path if plain else json.dumps(path)


def read_path(text: str) -> str:
    """The path in a trailer."""
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def make_tag(
    repository: Repository, ref: str, commit: str, message: str, seconds: int, *, sign: bool
) -> None:
    """Make an annotated tag, signed as git's settings say or with `sign`. An existing one stays as it is."""
    who = repository.identity()
    signs = sign or repository.signs or repository.flag("tag.gpgsign")
    env = {
        "GIT_COMMITTER_NAME": who.name,
        "GIT_COMMITTER_EMAIL": who.email,
        "GIT_COMMITTER_DATE": f"{seconds} {who.offset}",
    }
    repository.git(
        "tag", "-s" if signs else "-a", "--cleanup=whitespace", "-F", "-", "--end-of-options", ref, commit,
        doing=f"make the tag {ref}", data=message.encode("utf-8", "replace"), env=env,
    )  # fmt: skip


def adding_commit(repository: Repository, tip: str, path: str) -> str:
    """The ledger commit that added the file at `path`; RepositoryError where this clone lacks it."""
    out = repository.git(
        "rev-list", "--max-count=1", "--end-of-options", tip, "--", path, doing="read the ledger's history"
    )
    if not out.strip():
        raise RepositoryError(f"no commit of the ledger adds {path}: run git fetch --unshallow")
    return out.decode().strip()
