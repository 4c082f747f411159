"""An honest ledger with two runs, and contexts for one check on it or on what was made of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.dvc.cache import store
from gittrack.dvc.files import write_pointer
from gittrack.dvc.hashing import hash_path
from gittrack.formats.codec import dump_record, load_record
from gittrack.formats.config import Config, from_plain
from gittrack.formats.record import Record
from gittrack.formats.spec import spec_digest
from gittrack.git.repository import ObjectReader, Repository
from gittrack.verify.context import Context, RunFiles, VerifyOptions
from gittrack.verify.findings import Finding
from gittrack.verify.layout import list_tree
from gittrack.verify.record import check_record
from gittrack.verify.select import Base, Target, build_context
from gittrack.verify.source import BareFacts
from tests.ledgers import commit_files
from tests.repositories import run_git

LEDGER = "gittrack/runs"
FORGED = "gittrack/forged"

CONFIG = """\
experiment: digits
experiments:
  digits:
    metrics:
      accuracy: {direction: maximize, split: test}
      loss: {direction: minimize, split: train}
"""
LOCK = f"pyyaml==0.0.1 --hash=sha256:{'a' * 64}\nno-such-package==1.0 --hash=sha256:{'b' * 64}\n"

RunCheck = Callable[[Context, RunFiles], Iterator[Finding]]


def prepare(top: Path) -> None:
    """Code, a lock, data that DVC tracks by a file, by a folder and by dvc.lock, and data in git."""
    run_git(top.parent, "init", "-q", "-b", "main", str(top))
    run_git(top, "config", "user.name", "Ada")
    run_git(top, "config", "user.email", "ada@example.org")
    cache = top / ".dvc" / "cache"
    cache.mkdir(parents=True)
    (top / ".dvc" / "config").write_text("")
    (top / "data" / "parts").mkdir(parents=True)
    for name in ("train.csv", "parts/a.csv", "parts/b.csv", "made.csv"):
        (top / "data" / name).write_text(f"{name}\n1,2\n")
    for name in ("train.csv", "parts"):
        digest = hash_path(top / "data" / name)
        store(top / "data" / name, digest, cache, ["copy"])
        (top / "data" / f"{name}.dvc").write_bytes(write_pointer(name, digest))
    made = hash_path(top / "data" / "made.csv")
    store(top / "data" / "made.csv", made, cache, ["copy"])
    (top / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs:\n    - path: data/made.csv\n"
        f"      hash: md5\n      md5: {made.md5}\n      size: {made.size}\n"
    )
    (top / "data" / "test.csv").write_text("tracked by git\n")
    (top / ".gitignore").write_text("/.dvc/cache\n/data/train.csv\n/data/parts\n/data/made.csv\n/model.bin\n")
    (top / "gittrack.yaml").write_text(CONFIG)
    (top / "requirements.txt").write_text(LOCK)
    (top / "train.py").write_text("print('training')\n")
    run_git(top, "add", ".")
    run_git(top, "commit", "-q", "-m", "first")


def record_run(top: Path) -> Record:
    """A run of everything that a record can hold, started in `top`."""
    (top / "model.bin").write_bytes(b"weights")
    run = gittrack.start_run(experiment="digits", hypothesis="It learns.", seed=7, params={"lr": 1e-5})
    run.log_input("data/train.csv", "train")
    run.log_input("data/parts/a.csv", "validation")
    run.log_input("data/parts", "reference")
    run.log_input("data/made.csv", "holdout")
    run.log_input("data/test.csv", "test")
    for step in range(5):
        run.log_metrics({"loss": 1 / (step + 1), "accuracy": step / 10}, step=step)
    run.log_metric("odd", float("nan"), step=9)
    run.log_model("model.bin")
    record = run.finish()
    assert record is not None
    return record


@dataclass
class Honest:
    """The project and its runs: one of committed code, one with a snapshot."""

    top: Path
    clean: Record
    dirty: Record

    @property
    def repository(self) -> Repository:
        return Repository.discover(self.top)

    def files(self, record: Record) -> dict[str, bytes]:
        """What lies in the folder of a run."""
        names = run_git(self.top, "ls-tree", "-r", "--name-only", LEDGER, f"{record.path}/").split()
        with self.repository.objects() as objects:
            found = {name: objects.get(f"{LEDGER}:{name}") for name in names}
        return {name.removeprefix(record.path + "/"): blob.data for name, blob in found.items() if blob}

    def check(
        self,
        check: RunCheck,
        record: Record | None = None,
        *,
        base: Record | None = None,
        files: Mapping[str, bytes | None] = {},
        config: Mapping[str, Any] | None = None,
        folder: str | None = None,
        seal: bool = True,
    ) -> list[Finding]:
        """What `check` says of a ledger that holds `record`, with some other `files` (None: without).

        Where nothing is given it is the honest one. The spec is made right again unless `seal` is False.
        """
        base = base or self.clean
        record = base if record is None else record
        if seal and record is not base:
            record = replace(record, spec=spec_of(record))
        everything: dict[str, bytes | None] = {**self.files(base), "run.yaml": dump_record(record), **files}
        at = folder or base.path
        kept = {f"{at}/{name}": data for name, data in everything.items() if data is not None}
        commit_files(self.repository, kept, branch=FORGED, keep=False)
        with opened(self.repository, FORGED, config=config) as context:
            return run_checks(context, check)

    def codes(self, check: RunCheck, record: Record | None = None, **options: Any) -> list[str]:
        """The codes of `check`, in order."""
        return [finding.code for finding in self.check(check, record, **options)]


def spec_of(record: Record) -> str:
    return spec_digest(record.code, record.params, record.data, record.locks)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def run_checks(context: Context, *checks: RunCheck) -> list[Finding]:
    """The record check of every run, then `checks`."""
    found = []
    for run in context.runs.values():
        said = list(check_record(context, run))
        for check in checks:
            found += said if check is check_record else list(check(context, run))
    return found


class opened:
    """A context for the ledger at `branch`."""

    def __init__(
        self,
        repository: Repository,
        branch: str = LEDGER,
        *,
        config: Mapping[str, Any] | None = None,
        options: VerifyOptions | None = None,
    ) -> None:
        bare = BareFacts.of(repository)
        tip = bare.resolve(branch)
        assert tip is not None
        self._objects: ObjectReader = bare.reader()
        options = options or VerifyOptions()
        rules = Base(from_plain(config) if config is not None else Config(), None)
        listing = list_tree(bare, tip)
        self._context = build_context(bare, self._objects, Target(branch, tip), rules, options, listing, None)

    def __enter__(self) -> Context:
        return self._context

    def __exit__(self, *_: object) -> None:
        self._objects.close()


def make_honest(top: Path) -> Honest:
    """Two runs in a new project at `top`, which has to be the current directory's place to go."""
    prepare(top)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top)
        clean = record_run(top)
        (top / "train.py").write_text("print('training harder')\n")
        dirty = record_run(top)
    return Honest(top, clean, dirty)


def copied(template: Honest, where: Path) -> Honest:
    shutil.copytree(template.top, where)
    return Honest(where, template.clean, template.dirty)


def loaded(data: bytes) -> Record:
    return load_record(data, "run.yaml")
