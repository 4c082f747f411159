"""Artifacts of a project of Trackio: what a run made are files of it, what it used are datasets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.importers import folders, values
from gittrack.importers.foreign import Dataset, ForeignFile, Loss
from gittrack.importers.sqlite import Tables, text

_COLUMNS = ("id", "artifact_id", "version", "manifest_digest", "manifest", "metadata")


class Artifacts:
    """`blobs` is the folder that has the bytes of the project's artifacts, by their SHA-256."""

    def __init__(self, tables: Tables, blobs: Path) -> None:
        self._tables = tables
        self._blobs = blobs
        self._artifacts = {
            row[0]: row[1:] for row in tables.rows("artifacts", ("id", "name", "type", "description"))
        }
        self._versions = {row[0]: row[1:] for row in tables.rows("artifact_versions", _COLUMNS)}
        self._aliases: dict[Any, list[str]] = defaultdict(list)
        columns = ("artifact_version_id", "alias")
        for version, alias in tables.rows("artifact_aliases", columns, "ORDER BY 2"):
            self._aliases[version].append(text(alias))

    def of(self, key: str, column: str, lost: list[Loss]) -> tuple[list[ForeignFile], list[Dataset]]:
        """What the run of this `key` made and what it used."""
        files: list[ForeignFile] = []
        datasets: list[Dataset] = []
        where = {column: key}
        rows = self._tables.rows("run_artifact_links", ("artifact_version_id", "direction"), where=where)
        for version, direction in rows:
            artifact, number, digest, manifest, metadata = self._versions.get(version, (None,) * 5)
            name, kind, description = self._artifacts.get(artifact, (None,) * 3)
            if name is None:
                lost.append(Loss(what=f"artifact {version}", why="the database does not say what it is"))
                continue
            named = f"{text(name)}:v{number}"
            if direction == b"input":
                datasets.append(Dataset(name=named, digest=f"sha256:{text(digest)}", context="input"))
                continue
            unsaid = {"description": description, "metadata": metadata}
            what = ", ".join(key for key, value in unsaid.items() if value not in (None, b"", b"{}", b"null"))
            if what:
                lost.append(Loss(what=f"artifact {named}: {what}", why="a record has no place for them"))
            files += self._files(text(name), text(kind), f"v{number}", self._aliases[version], manifest, lost)
        columns = ("source_project", "source_artifact", "source_version", "direction")
        for project, name, number, direction in self._tables.rows(
            "external_run_artifact_links", columns, where=where
        ):
            named = f"{text(project)}/{text(name)}:v{number}"
            if direction == b"input":
                datasets.append(Dataset(name=named, context="input"))
            else:
                lost.append(Loss(what=f"artifact {named}", why="it is in another project"))
        return files, datasets

    def _files(
        self, name: str, kind: str, version: str, aliases: list[str], manifest: Any, lost: list[Loss]
    ) -> Iterator[ForeignFile]:
        try:
            entries = values.load(manifest or b"")
        except values.NotRead as error:
            lost.append(Loss(what=f"artifact {name}:{version}", why=f"its list of files: {error}"))
            return
        for entry in entries if isinstance(entries, list) else ():
            stated = entry if isinstance(entry, dict) else {}
            path, digest = str(stated.get("path") or ""), str(stated.get("digest") or "")
            content, missing = folders.find(self._blobs, f"{digest[:2]}/{digest}")
            yield ForeignFile(
                path=f"{name}/{path}",
                kind="model" if kind == "model" else "artifact",
                content=content,
                missing=missing,
                name=name,
                version=version,
                aliases=tuple(aliases),
                digest=f"sha256:{digest}",
            )
