"""Which runs a bundle is about, what their records point to, and where the bytes of that are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import parse_pointer
from gittrack.dvc.hashing import Kind
from gittrack.dvc.tracking import find_tracking_in
from gittrack.errors import DvcError, NotFoundError, RecordError
from gittrack.formats.record import Record
from gittrack.formats.texts import FILE
from gittrack.git.repository import ObjectReader
from gittrack.publishing.bundle.layout import data_name
from gittrack.reading.index import Index, Row
from gittrack.text.table import csv_cell
from gittrack.text.text import clean
from gittrack.verify.trees import Absent, CodeFiles, CodeTrees

COLUMNS = ("run", "kind", "role", "path", "pointer", "md5", "sha256", "size")
LOCATION = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file or folder that a record names by a digest, and that git does not hold."""

    folder: str
    """Of the run, on the ledger."""
    kind: Literal["input", "output", "series"]
    role: str
    path: str
    pointer: str | None
    """Beside the record; None for data that was never stored."""
    md5: str | None
    sha256: str | None
    size: int | None
    hash: Kind | None = None
    """How `md5` is counted; None where only the pointer says."""

    @property
    def run(self) -> str:
        return self.folder.rsplit("/", 1)[-1]

    def cells(self) -> list[str]:
        """Its row of pointers.tsv, in the order of `COLUMNS`."""
        facts = (self.run, self.kind, self.role, self.path, self.pointer, self.md5, self.sha256, self.size)
        return ["-" if fact is None else cell(str(fact)) for fact in facts]


def cell(text: str) -> str:
    """`text` on one line, without tabs, and nothing that a spreadsheet would run."""
    return csv_cell(clean(text.replace("\\", "\\\\")), None)


def items_of(record: Record) -> Iterator[Item]:
    """What the record points to, in its order."""
    for data in record.data:
        if data.source != "git" or data.pointer is not None:
            yield Item(
                folder=record.path, kind="input", role=data.role or "", path=data.path, pointer=data.pointer,
                md5=data.md5, sha256=data.sha256, size=data.size, hash=data.hash or "md5",
            )  # fmt: skip
    for out in record.outputs:
        yield Item(
            folder=record.path, kind="output", role=out.role, path=out.path, pointer=out.pointer,
            md5=out.md5, sha256=out.sha256, size=out.size,
        )  # fmt: skip
    for name, series in record.tables.items():
        if series.pointer is not None:
            yield Item(
                folder=record.path, kind="series", role="series", path=name, pointer=series.pointer,
                md5=series.md5, sha256=series.sha256, size=series.size,
            )  # fmt: skip
    texts = record.texts
    if texts is not None and texts.pointer is not None:
        yield Item(
            folder=record.path, kind="series", role="texts", path=FILE, pointer=texts.pointer,
            md5=texts.md5, sha256=texts.complete_sha256, size=texts.complete_size,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """What is to be bundled: the whole ledger always, and whose bytes."""

    names: Sequence[str] = ()
    """Runs and experiments; empty means all runs."""
    data: bool = False
    """Inputs and outputs."""
    outputs: bool = False
    """Outputs, complete series with them."""
    roles: Sequence[str] = ()
    """What has one of these roles, such as ``model``."""
    partial: bool = False
    """Whether bytes that are nowhere may be left out."""
    dvc_remote: str | None = None
    """A DVC remote to fetch from what the cache lacks."""

    @property
    def wants_bytes(self) -> bool:
        return self.data or self.outputs or bool(self.roles)

    def wants(self, item: Item) -> bool:
        return self.data or (self.outputs and item.kind != "input") or item.role in self.roles


def choose(index: Index, names: Sequence[str]) -> list[Row]:
    """The runs that names of runs and experiments mean, by folder; NotFoundError where one means none."""
    if not names:
        rows = index.search()
    else:
        known = index.experiments()
        rows = [
            row
            for name in names
            for row in (index.search(experiment=name) if name in known else index.resolve(name))
        ]
    return sorted({row.folder: row for row in rows}.values(), key=lambda row: row.folder)


def wanted(request: BundleRequest, items: Sequence[Item]) -> list[Item]:
    """Those of `items` whose bytes are asked for; NotFoundError for a role that nothing has."""
    roles = {item.role for item in items}
    for role in request.roles:
        if role not in roles:
            known = ", ".join(sorted(map(cell, roles))) or "none"
            raise NotFoundError(f"nothing of these runs has the role {role!r}: there is {known}")
    return [item for item in items if request.wants(item)]


def counted(objects: ObjectReader, tip: str, items: Sequence[Item]) -> list[Item]:
    """`items`, those that leave it to their pointer told how their md5 is counted."""
    uncounted = [item for item in items if item.hash is None]
    blobs = objects.get_many(f"{tip}:{item.folder}/{item.pointer}" for item in uncounted)
    kinds: dict[Item, Kind] = {}
    for item, blob in zip(uncounted, blobs, strict=True):
        if blob is not None and blob.kind == "blob":
            named = parse_pointer(blob.data, f"{item.folder}/{item.pointer}")
            kinds.update((item, pointer.hash) for pointer in named if pointer.md5 == item.md5)
    return [item if item.hash else replace(item, hash=kinds.get(item, "md5")) for item in items]


# --- bytes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file of a DVC cache."""

    name: str
    """In the bundle."""
    source: Path
    size: int
    md5: str
    kind: Kind
    sha256: str | None = None
    """Where a record says it."""


@dataclass(slots=True)
class Gathered:
    """What was found in the caches, and what was not."""

    contents: dict[str, Content] = field(default_factory=dict)
    whole: dict[Item, str] = field(default_factory=dict)
    """Where in the bundle each item lies that is there with all its files."""
    absent: list[tuple[Item, str]] = field(default_factory=list)
    """Items, and the file inside that is missing; empty for all of it."""

    def add(self, caches: Sequence[Path], md5: str, kind: Kind, sha256: str | None = None) -> Path | None:
        """Take up one object; the cache that has it, None if none has."""
        for cache in caches:
            source = object_path(cache, md5, kind)
            if source.is_file():
                name, size = data_name(md5, kind), source.stat().st_size
                known = self.contents.get(name)
                if known is None or (known.sha256 is None and sha256 is not None):
                    self.contents[name] = Content(
                        name=name, source=source, size=size, md5=md5, kind=kind, sha256=sha256
                    )
                return cache
        return None


def gather(items: Iterable[Item], caches: Sequence[Path]) -> Gathered:
    """Where the bytes of `items` are; nothing of them is read yet but lists of folders."""
    gathered = Gathered()
    for item in items:
        missing = list(_take(gathered, item, caches))
        gathered.absent += [(item, path) for path in missing]
        if not missing and item.md5 is not None:
            gathered.whole[item] = data_name(item.md5, item.hash or "md5")
    return gathered


def _take(gathered: Gathered, item: Item, caches: Sequence[Path]) -> Iterator[str]:
    """Take up what there is of one item; the paths of what is not."""
    kind = item.hash or "md5"
    is_folder = item.md5 is not None and item.md5.endswith(".dir")
    cache = gathered.add(caches, item.md5, kind, None if is_folder else item.sha256) if item.md5 else None
    if cache is None or item.md5 is None:
        yield ""
    elif is_folder:
        try:
            listed = read_dir_object(cache, item.md5, kind)
        except (DvcError, RecordError):
            del gathered.contents[data_name(item.md5, kind)]
            yield ""
            return
        yield from (path for path, md5 in listed if gathered.add(caches, md5, kind) is None)


# --- lists of folders that the code tracks ---------------------------------------------------------


def add_listings(
    gathered: Gathered, objects: ObjectReader, records: Iterable[Record], caches: Sequence[Path]
) -> None:
    """Lists of the folders that data lies in: without them verify cannot tell what the code tracked there."""
    trees = CodeTrees(objects)
    seen: set[tuple[str, str]] = set()
    for record in records:
        tree = record.code.tree
        if tree is None:
            continue
        for data in record.data:
            inside = PurePosixPath(data.path)
            key = (tree, data.path)
            if data.source != "dvc" or key in seen or inside.is_absolute() or ".." in inside.parts:
                continue
            seen.add(key)
            try:
                tracking = find_tracking_in(CodeFiles(trees, tree), data.path)
            except (RecordError, Absent):
                continue  # verify says it
            if tracking is not None and tracking.inside is not None:
                gathered.add(caches, tracking.pointer.md5, tracking.pointer.hash)


# --- tables ------------------------------------------------------------------------------------


def pointer_table(items: Iterable[Item], where: Mapping[Item, str]) -> bytes:
    """pointers.tsv: a row for each item, and where its bytes are in the bundle."""
    rows = ["\t".join([*COLUMNS, LOCATION])]
    rows += ["\t".join([*item.cells(), where.get(item, "-")]) for item in items]
    return "".join(f"{row}\n" for row in rows).encode()


def absent_table(absent: Iterable[tuple[Item, str]]) -> bytes:
    """ABSENT.txt: what was asked for and could be had nowhere."""
    rows = [
        "\t".join([item.run, cell(f"{item.path}/{inside}" if inside else item.path), item.md5 or "-"])
        for item, inside in absent
    ]
    head = "Asked for, but neither in the cache nor fetched when this bundle was made: run, path, md5.\n\n"
    return (head + "".join(f"{row}\n" for row in rows)).encode()
