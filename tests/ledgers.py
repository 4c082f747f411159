"""Repositories and ledgers for tests, built from objects without the writer that is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack.formats.codec import dump_imported, dump_record, load_record
from gittrack.formats.decision import Candidate, Criteria, Decision
from gittrack.formats.decision import dump as dump_decision
from gittrack.formats.media import FILE, OUTPUT, read_media
from gittrack.formats.record import Author, Code, EnvironmentSummary, Failure, Imported, Metric, Record, Tool
from gittrack.formats.spec import spec_of
from gittrack.git.objects import BLOB_MODE, TREE_MODE, GitObject, Signature, TreeEntry, make, make_tree
from gittrack.git.repository import Repository
from gittrack.ledger import Addition
from tests.repositories import run_git

BRANCH = "gittrack/runs"
SIGNATURE = Signature("Ada", "ada@example.org", 1_790_000_000)


def make_repository(where: Path, *options: str) -> Repository:
    """An empty repository at `where`."""
    where.mkdir(parents=True, exist_ok=True)
    run_git(where, "init", "-q", "-b", "main", *options)
    return Repository.discover(where)


def make_record(number: int = 0, **changes: Any) -> Record:
    """A valid record, the `number`-th of 2026-11-22; metrics may be given as plain numbers."""
    hour, minute, second = number // 3600 % 24, number // 60 % 60, number % 60
    metrics = {
        key: value if isinstance(value, Metric) else Metric(value=value)
        for key, value in changes.pop("metrics", {}).items()
    }
    code = changes.pop("code", None) or Code(
        commit="1" * 40, tree="2" * 40, branch="main", command=("train",)
    )
    record = Record(
        id=f"20261122-{hour:02d}{minute:02d}{second:02d}-{0x100000 + number:06x}",
        experiment="digits",
        status="finished",
        started=f"2026-11-22T{hour:02d}:{minute:02d}:{second:02d}.000000Z",
        duration_s=12.5,
        author=Author(name="Ada", email="ada@example.org"),
        code=code,
        metrics=metrics,
        environment=EnvironmentSummary(sha256="3" * 64, python="3.11.2", os="Linux"),
        spec="4" * 64,
        tool=Tool(version="0.1.0"),
    )
    if changes.get("status", "finished") != "finished":
        changes.setdefault("failure", Failure(type="ValueError", message="no data"))
    return replace(record, **changes)


def make_import(source: str = "5f" * 16, **changes: Any) -> Record:
    """A run of MLflow of which nothing is known but what every source says; metrics may be plain numbers."""
    record = make_record(
        **{
            "imported": Imported(system="mlflow", id=source, digest="5" * 64),
            "author": None,
            "environment": None,
            "started": None,
            "duration_s": None,
            "code": Code(dirty=None, cwd=None),
            **changes,
        }
    )
    return dump_imported(replace(record, spec=spec_of(record)))[0]


def files_of(record: Record, **beside: bytes) -> dict[str, bytes]:
    """The ledger files of `record`; `beside` adds others, such as ``metrics_csv=b"..."``."""
    extra = {f"{record.path}/{name.replace('_', '.')}": data for name, data in beside.items()}
    return {f"{record.path}/run.yaml": dump_record(record), **extra}


def commit_files(
    repository: Repository, files: Mapping[str, bytes], *, branch: str = BRANCH, keep: bool = True
) -> str:
    """Add `files` to the ledger in one commit (or, without `keep`, replace all); the new tip."""
    ref = f"refs/heads/{branch}"
    found = repository.refs(ref).get(ref)
    parent = found.oid if found else None
    everything: dict[str, bytes | str] = {}
    if parent and keep:
        listed = repository.git("ls-tree", "-r", "-z", parent, doing="list").decode(
            "utf-8", "surrogateescape"
        )
        for line in filter(None, listed.split("\0")):
            meta, _, path = line.partition("\t")
            everything[path] = meta.split(" ")[2]
    everything.update(files)
    objects: list[GitObject] = []
    tree = _tree(everything, objects, repository.object_format)
    commit = repository.commit_object(tree, [parent] if parent else [], "runs", SIGNATURE)
    repository.write_objects([*objects, commit])
    done = repository.update_refs([(ref, commit.oid, None)])
    assert done.code == 0, done.err
    return commit.oid


def commit_records(repository: Repository, records: Iterable[Record], **options: Any) -> str:
    """Add the run.yaml of each of `records` in one commit."""
    return commit_files(repository, {k: v for r in records for k, v in files_of(r).items()}, **options)


def in_one_second(
    repository: Repository, of: Record, *changes: dict[str, Any], **options: Any
) -> list[Record]:
    """Copies of `of` that began in one second, a commit for each: ids and clocks say the opposite order."""
    copies = [
        replace(
            of,
            id=f"20990101-000000-{0xF00000 - at:06x}",
            started=f"2099-01-01T00:00:00.{9 - at}00000Z",
            **changed,
        )
        for at, changed in enumerate(changes)
    ]
    for copy in copies:
        commit_records(repository, [copy], **options)
    return copies


def _tree(files: Mapping[str, bytes | str], objects: list[GitObject], algorithm: str) -> str:
    folders: dict[str, dict[str, bytes | str]] = {}
    entries: dict[str, TreeEntry] = {}
    for path, content in files.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = content
        elif isinstance(content, str):
            entries[head] = TreeEntry(BLOB_MODE, content)
        else:
            blob = make("blob", content, algorithm)
            objects.append(blob)
            entries[head] = TreeEntry(BLOB_MODE, blob.oid)
    for name, inner in folders.items():
        entries[name] = TreeEntry(TREE_MODE, _tree(inner, objects, algorithm))
    tree = make_tree(entries, algorithm)
    objects.append(tree)
    return tree.oid


def records(top: Path) -> list[Record]:
    """All runs on the ledger, oldest first."""
    if not run_git(top, "for-each-ref", "refs/heads/gittrack/runs"):
        return []
    paths = run_git(top, "ls-tree", "-r", "--name-only", "gittrack/runs", "runs").splitlines()
    shown = [p for p in paths if p.endswith("/run.yaml")]
    found = [load_record(run_git(top, "show", f"gittrack/runs:{p}").encode(), p) for p in shown]
    return sorted(found, key=lambda record: record.started or "")


def file_of(top: Path, record: Record, name: str) -> str:
    return run_git(top, "show", f"gittrack/runs:{record.path}/{name}")


def outputs_of(top: Path, record: Record) -> set[str]:
    """The paths of all outputs; those of media by their manifest."""
    media = read_media(file_of(top, record, FILE).encode(), FILE) if record.media is not None else []
    return {output.path for output in record.outputs} - {OUTPUT} | {medium.file for medium in media}


def journals(top: Path) -> list[str]:
    home = top / ".git/gittrack/journal"
    return sorted(p.name for p in home.iterdir()) if home.is_dir() else []


def decision_on(record: Record, outcome: Any) -> dict[str, bytes]:
    decision = Decision(
        id=record.id,
        experiment=record.experiment,
        run=record.id,
        outcome=outcome,
        because="it was",
        made="2026-11-23T00:00:00.000000Z",
        author=Author(name="Ada", email="ada@example.org"),
        criteria=Criteria(),
        candidates=(Candidate(spec=record.spec, runs=(record.id,)),),
        tool=Tool(version="0.1.0"),
    )
    return {decision.path: dump_decision(decision)}


def addition(name: str, code: tuple[str, ...] = (), text: str = "x: 1\n") -> Addition:
    return Addition(f"runs/e/2026-11-22/{name}", {"run.yaml": text.encode()}, f"run {name}", code)


def paths(top: Path, branch: str = "gittrack/runs") -> list[str]:
    return run_git(top, "ls-tree", "-r", "--name-only", branch).split()


def complete_series(top: Path, record: Record) -> bytes:
    """All points of a run, from DVC's cache where git has a sample."""
    series = record.series
    assert series is not None
    if series.md5 is None:
        return run_git(top, "show", f"{BRANCH}:{record.path}/metrics.csv").encode()
    cache = Repository.discover(top).state_dir / "dvc" / "cache" / "files" / "md5"
    return (cache / series.md5[:2] / series.md5[2:]).read_bytes()
