"""What a run says of files: those that it reads, and those that it produces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.record import Role, clean_text
from gittrack.recording.journal import Journal
from gittrack.recording.stating import stated_dataset, stated_version
from gittrack.recording.store import Store
from gittrack.recording.verbs import Losses, verb


class Files:
    """The verbs of a run that take files."""

    _journal: Journal | None
    _ended: bool
    _losses: Losses
    _store: Store
    _open: Callable[[str], Journal | None]

    @verb("input")
    def log_input(self, path: str | Path, role: Role | None = None, *, store: bool | None = None) -> None:
        """Record a file or folder that the run reads, with its digests.

        `role`: train, validation, test, holdout or reference; None states none. `store` also keeps the bytes
        of a file that neither DVC nor git tracks in the DVC cache.
        """
        if self._open("log_input") is not None:
            self._store.log_input(path, role, store=store)

    @verb("dataset")
    def log_dataset(
        self,
        name: str,
        digest: str | None = None,
        source: str | None = None,
        context: str | None = None,
        details: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Record a dataset that the run reads and that has no path here, as it is stated.

        `context`: what for, such as ``training``; `details`, and whatever else is given: what there is to say
        besides, such as its schema. What has a path is better recorded by `log_input`, which takes digests of
        its bytes. Of MLflow's datasets: ``log_dataset(**dataset.to_dict(), context="training")``.
        """
        dataset = stated_dataset(name, digest, source, context, {**(details or {}), **more})
        if self._open("log_dataset") is not None:
            self._store.log_dataset(dataset)

    @verb("output")
    def log_artifact(
        self,
        path: str | Path,
        role: str = "artifact",
        artifact_path: str | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
        aliases: Sequence[str] = (),
    ) -> None:
        """Keep a file or folder that the run produced in the DVC cache, now, and point to it.

        It is called by its place in the work tree; with MLflow's `artifact_path` by its own name in that
        folder, wherever it lies. `name` is that of an artifact of which it is a version, `version` which one,
        and `aliases` what else that is called, such as ``best``; one that has a version lies in a folder
        ``name/version`` if `artifact_path` gives no other, so that several versions stand side by side.
        """
        stated = stated_version(name, version, aliases)
        if self._open("log_artifact") is not None:
            self._store.log_output(path, role, folder=artifact_path, version=stated)

    def log_model(self, path: str | Path) -> None:
        """`log_artifact` with the role ``model``."""
        self.log_artifact(path, role="model")

    @verb("output", subject="artifact_file")
    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep `text` as the output `artifact_file`."""
        if not isinstance(text, str):
            raise UsageError(f"log_text keeps text, not {type(text).__name__}: log_artifact keeps a file")
        if self._open("log_text") is not None:
            self._store.log_bytes(clean_text(text).encode(), artifact_file, "text")

    @verb("output", subject="artifact_file")
    def log_dict(self, content: Any, artifact_file: str) -> None:
        """Keep plain values as a JSON or YAML output, by the file's name."""
        if self._open("log_dict") is not None:
            self._store.log_dict(content, artifact_file)

    @verb("output", subject="artifact_file")
    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Keep a matplotlib figure (anything with ``savefig``, or plotly's ``write_html``)."""
        if self._open("log_figure") is not None:
            self._store.log_figure(figure, artifact_file)
