"""What a run reads and produces, on its way into the journal: digests taken, bytes stored, pointers kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from gittrack.dvc.settings import cache_of
from gittrack.errors import GittrackError, RepositoryError, UsageError
from gittrack.formats.config import Config
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Dataset, clean_text
from gittrack.formats.scrub import scrub_text
from gittrack.formats.values import to_value
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.recording.changes import Inputs, Modules, fingerprint_of
from gittrack.recording.journal import Journal
from gittrack.recording.notebook import CELLS, CELLS_ROLE, cells
from gittrack.recording.overlap import note_written


def relative_to_top(path: str | Path, top: Path) -> str | None:
    """`path` (from the current directory) from the top of the work tree; None when outside."""
    try:
        return Path(os.path.normpath(Path.cwd() / path)).relative_to(top.resolve()).as_posix()
    except ValueError:
        return None


def named_path(path: str | Path) -> Path:
    """`path` as such; UsageError for what names nothing, as an empty text does."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise UsageError(f"a path names a file or a folder: {path!r} does not")
    return Path(os.fsdecode(path))


PARAM_ROLE = "param"
_LONGEST_NAME = 100


class Version(NamedTuple):
    """Of which artifact something is a version, which one, and what else that is called."""

    name: str
    version: str | None = None
    aliases: tuple[str, ...] = ()


def _logical(name: object) -> str:
    """A name for an output as a relative path; UsageError where it is none."""
    pure = PurePosixPath(name) if isinstance(name, (str, PurePath)) else PurePosixPath()
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in str(name):
        raise UsageError(f"{name!r} is no name for an output: use a relative path such as plots/loss.png")
    return clean_text(str(pure))


class Store:
    """The inputs and outputs of one run. DVC is imported when the first bytes are stored, not before."""

    def __init__(self, repository: Repository, journal: Journal, code_tree: str) -> None:
        self._repo = repository
        self._journal = journal
        self._code_tree = code_tree
        self._store_inputs = False
        self._inputs = Inputs()
        self._modules: Modules | None = None

    @property
    def top(self) -> Path:
        return self._repo.top

    def cache(self) -> Path:
        """DVC's cache for what is no file of the work tree."""
        return cache_of(self._repo)[0]

    def log_declared(self, config: Config, experiment: str) -> None:
        """Log the inputs that gittrack.yaml declares for all runs and for this experiment."""
        self._store_inputs = config.dvc.store_inputs
        self._modules = Modules(self._repo)
        for declared in [*config.inputs, *config.experiment_config(experiment).inputs]:
            self.log_input(self._repo.top / declared.path, declared.role)

    def log_input(self, path: str | Path, role: str | None, *, store: bool | None = None) -> None:
        from gittrack.dvc.hashing import HashState
        from gittrack.recording.capture.data import capture_input

        cache, types = self._cache(named_path(path))
        full = Path.cwd() / named_path(path)
        fingerprint = fingerprint_of(full)
        is_stored = self._store_inputs if store is None else store
        captured = capture_input(
            path,
            role,
            top=self._repo.top,
            cwd=Path.cwd(),
            cache=cache,
            types=types,
            state=HashState(self._repo.state_dir),
            git_state=self._git_state,
            store=is_stored,
        )
        pointer = None if captured.pointer is None else captured.pointer.decode()
        self._journal.event(Kind.INPUT, to_dict(captured.input), pointer)
        if captured.why:
            self._journal.not_recorded(f"input {captured.input.path}", captured.why)
        settled = fingerprint_of(full) if is_stored else fingerprint
        self._inputs.watch(full, captured.input, fingerprint, settled)

    def note_changes(self, journal: Journal | None = None) -> None:
        """Say which inputs, and which of the project's modules that this process runs, were edited since."""
        journal = journal or self._journal
        try:
            self._inputs.note(journal, self._repo)
            if self._modules is not None:
                self._modules.note(journal, self._code_tree)
        except (GittrackError, OSError) as error:
            journal.not_recorded("changed", f"inputs and code could not be compared again: {error}")

    def log_output(
        self,
        path: str | Path,
        role: str,
        without: Collection[str] = (),
        folder: str | None = None,
        version: Version | None = None,
    ) -> None:
        """`without`: files of a folder, relative to it, that are no output of this run.

        `folder`: where the run says that it lies, in place of the work tree; `version`: of what it is one.
        """
        named = named_path(path)
        if self._repo.top.resolve().is_relative_to((Path.cwd() / named).resolve()):
            raise UsageError(f"{str(path)!r} is the whole work tree: name the file or the folder to keep")
        if folder is None and version is not None and version.version is not None:
            folder = f"{version.name}/{version.version}"
        name = None if folder is None else _logical(f"{folder}/{(Path.cwd() / named).resolve().name}")
        self._log_output(
            named, role, top=self._repo.top, cwd=Path.cwd(), without=without, name=name, version=version
        )
        try:
            note_written(self._journal.folder, named)
        except OSError as error:
            why = f"runs of the same time are not told of it: {error.strerror or error}"
            self._journal.not_recorded(f"overlaps at {named}", why)

    def log_dataset(self, dataset: Dataset) -> None:
        self._journal.event(Kind.DATASET, to_dict(dataset))

    def log_bytes(self, data: bytes, name: str, role: str) -> None:
        """Keep `data` as the output `name`, which need not be a file anywhere."""
        with self._room_for(name) as path:
            path.write_bytes(data)
        self._log_output(path, role, top=self._files, cwd=self._files)

    def keep_long(self, param: str, text: str) -> str:
        """Keep a parameter that is too long for the record as an output; what the record has in its place."""
        data = clean_text(scrub_text(text, os.environ)).encode()
        digest = hashlib.sha256(data).hexdigest()
        like = re.sub(r"[^A-Za-z0-9_.-]", "_", param)[:_LONGEST_NAME].strip(".")
        same = hashlib.sha256(param.encode(errors="replace")).hexdigest()[:8]
        name = f"params/{like}.txt" if like == param else f"params/{like}-{same}.txt"
        self.log_bytes(data, name, PARAM_ROLE)
        return f"{len(text):,} characters, kept as the output {name} (sha256 {digest})"

    def log_dict(self, content: Any, name: str) -> None:
        plain = to_value(content, str(name), room=1000)
        if str(name).endswith((".yaml", ".yml")):
            from gittrack.formats import codec

            return self.log_bytes(codec.write_yaml(plain), name, "dict")
        return self.log_bytes(json.dumps(plain, indent=2, ensure_ascii=False).encode(), name, "dict")

    def log_cells(self) -> None:
        """Keep the cells that a notebook has executed so far: they are what has run."""
        text = cells()
        if not text:
            return
        try:
            self.log_bytes(scrub_text(text, os.environ).encode(errors="replace"), CELLS, CELLS_ROLE)
        except (GittrackError, OSError) as error:
            self._journal.not_recorded("cells of the notebook", str(error))

    def log_figure(self, figure: Any, name: str) -> None:
        with self._room_for(name) as path:
            if hasattr(figure, "savefig"):
                figure.savefig(path)
            elif hasattr(figure, "write_html"):
                figure.write_html(path) if path.suffix == ".html" else figure.write_image(path)
            else:
                raise UsageError(
                    f"log_figure takes a matplotlib or plotly figure, not {type(figure).__name__}"
                )
        self._log_output(path, "figure", top=self._files, cwd=self._files)

    @property
    def _files(self) -> Path:
        return self._journal.folder / "files"

    @contextmanager
    def _room_for(self, name: str) -> Iterator[Path]:
        """Where the bytes of the output `name` are to be written."""
        path = self._files / _logical(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise UsageError(f"output {name!r} would lie where another output of this run is") from error
        except OSError as error:
            raise RepositoryError(f"cannot keep output {name!r}: {error.strerror or error}") from error

    def _log_output(
        self,
        path: Path,
        role: str,
        *,
        top: Path,
        cwd: Path,
        without: Collection[str] = (),
        name: str | None = None,
        version: Version | None = None,
    ) -> None:
        from gittrack.dvc.hashing import HashState
        from gittrack.recording.capture.data import capture_output

        if not isinstance(role, str) or not 1 <= len(role) <= 500 or not role.isprintable():
            raise UsageError(f"the role of an output is a word such as model, not {role!r}")
        cache, types = self._cache(path)
        output, pointer = capture_output(
            path,
            role,
            top=top,
            cwd=cwd,
            cache=cache,
            types=types,
            state=HashState(self._repo.state_dir),
            without=without,
            name=name,
        )
        if version is not None:
            output = replace(
                output, name=version.name, version=version.version, aliases=tuple(version.aliases)
            )
        self._journal.event(Kind.OUTPUT, to_dict(output), pointer.decode())

    def _cache(self, path: Path) -> tuple[Path, list[str]]:
        """By where the file lies: DVC may have its project below the top."""
        own = path.is_relative_to(self._files)
        return cache_of(self._repo, None if own else Path.cwd() / path)

    def _git_state(self, path: str) -> Any:
        from gittrack.recording.capture.held import git_state

        with self._repo.objects() as objects:
            return git_state(objects, self._code_tree, self._repo.top, self._repo.object_format, path)
