"""Readers of the Python locks that are TOML or JSON: uv, Poetry, PDM, PEP 751 and Pipenv.

What belongs to the project itself (its root, workspace members, folders below the lock) is no
entry: the recorded code tree holds it. An entry is hashed when every file listed for it has a
hash, or when it is a git commit named in full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gittrack.formats.locks.compare import normalised, use_of, weaker
from gittrack.formats.locks.entry import (
    Contents,
    LockedPackage,
    Malformed,
    Use,
    is_commit,
    is_own_path,
    load_json,
    load_toml,
    name_of,
    table,
    tables,
    text,
    texts,
    version,
)

Table = Mapping[str, Any]


def read_uv(data: bytes) -> Contents:
    """uv.lock: markers stand on the edges, so an entry's use is found by walking from the roots."""
    document = load_toml(data)
    packages = tables(document, "package")
    uses = _uv_uses(document, packages)
    entries: list[LockedPackage] = []
    for package, use in zip(packages, uses, strict=True):
        source = table(package.get("source", {}), "'source'")
        path = _local_path(source, "virtual", "editable", "directory", "path")
        if path is not None and is_own_path(path) and "path" not in source:
            continue
        git = text(source, "git")
        entries.append(
            LockedPackage(
                name=name_of(package),
                version=version(package.get("version")),
                hashed=is_commit(git.rpartition("#")[2]) if git else _hashed(_uv_files(package)),
                source="git" if git else "path" if path else "url" if "url" in source else None,
                use=use,
            )
        )
    return Contents(entries=entries)


def _uv_files(package: Table) -> list[Table]:
    sdist = package.get("sdist")
    return [*([table(sdist, "'sdist'")] if sdist is not None else []), *tables(package, "wheels")]


def _uv_uses(document: Table, packages: list[dict[str, Any]]) -> list[Use]:
    """The use of each package: ``required`` if reached from a root by default, else ``optional``."""
    manifest = table(document.get("manifest", {}), "'manifest'")
    members = set(texts(manifest.get("members")))
    roots = [package for package in packages if _is_uv_root(package, members)]
    start = [*tables(manifest, "requirements"), *_lists(roots, "dependencies")]
    choices = [
        *_grouped(manifest, "dependency-groups"),
        *(edge for root in roots for edge in _grouped(root, "optional-dependencies")),
        *(edge for root in roots for edge in _grouped(root, "dev-dependencies")),
    ]
    if not start and not choices:
        return ["excluded" if package in roots else "required" for package in packages]
    required, deferred = _uv_walk(packages, start, "required")
    optional, _ = _uv_walk(packages, [*choices, *deferred], "optional")
    return [
        "required" if index in required else "optional" if index in optional else "excluded"
        for index in range(len(packages))
    ]


def _is_uv_root(package: Table, members: set[str]) -> bool:
    source = table(package.get("source", {}), "'source'")
    return text(package, "name") in members or _local_path(source, "virtual", "editable") == "."


def _uv_walk(
    packages: list[dict[str, Any]], edges: Iterable[Table], use: Use
) -> tuple[set[int], list[Table]]:
    """Packages that `edges` lead to, and the edges met that only an extra opens, when `use` is required."""
    by_name: dict[str, list[int]] = {}
    for index, package in enumerate(packages):
        by_name.setdefault(name_of(package), []).append(index)
    seen: set[tuple[int, str | None]] = set()
    deferred: list[Table] = []
    queue = deque(edges)
    while queue:
        edge = queue.popleft()
        edge_use = use_of(text(edge, "marker"))
        if edge_use == "optional" and use == "required":
            deferred.append(edge)
        elif edge_use != "excluded":
            for step in _uv_targets(packages, by_name, edge):
                if step not in seen:
                    seen.add(step)
                    queue.extend(_uv_edges(packages[step[0]], step[1]))
    return {index for index, _ in seen}, deferred


def _uv_targets(
    packages: list[dict[str, Any]], by_name: dict[str, list[int]], edge: Table
) -> Iterator[tuple[int, str | None]]:
    pinned = edge.get("version")
    for index in by_name.get(name_of(edge), ()):
        if pinned is None or packages[index].get("version") == pinned:
            yield index, None
            for extra in texts(edge.get("extra")):
                yield index, extra


def _uv_edges(package: Table, extra: str | None) -> list[dict[str, Any]]:
    if extra is None:
        return tables(package, "dependencies")
    return tables(table(package.get("optional-dependencies", {}), "'optional-dependencies'"), extra)


def read_poetry(data: bytes) -> Contents:
    """poetry.lock, of Poetry 1 (hashes under ``metadata.files``) and 2 (beside the package)."""
    document = load_toml(data)
    listed = table(table(document.get("metadata", {}), "'metadata'").get("files", {}), "'metadata.files'")
    entries: list[LockedPackage] = []
    for package in tables(document, "package"):
        name = name_of(package)
        origin = table(package.get("source", {}), "'source'")
        kind, url = text(origin, "type"), text(origin, "url") or ""
        if kind == "directory" and is_own_path(url):
            continue
        files = tables(package, "files") or tables(listed, name)
        commit = kind == "git" and is_commit(text(origin, "resolved_reference"))
        sources = {"git": "git", "directory": "path", "file": "path", "url": "url"}
        entries.append(
            LockedPackage(
                name=name,
                version=version(package.get("version")),
                hashed=commit or _hashed(files),
                source=sources.get(kind or ""),
                use=_poetry_use(package),
            )
        )
    return Contents(entries=entries)


def _poetry_use(package: Table) -> Use:
    """Optional and of no main group: the installer's choice. `markers` is one, or one for each group."""
    markers = package.get("markers")
    if isinstance(markers, dict):
        uses = [use_of(marker) for marker in markers.values() if isinstance(marker, str)]
        marked: Use = "optional" if any(use != "excluded" for use in uses) else "excluded"
        if isinstance(markers.get("main"), str) and use_of(markers["main"]) != "excluded":
            marked = use_of(markers["main"])
    else:
        marked = use_of(text(package, "markers"))
    groups = texts(package.get("groups")) or [text(package, "category") or "main"]
    chosen = package.get("optional") is True or "main" not in groups
    return weaker(marked, "optional") if chosen else marked


def read_pdm(data: bytes) -> Contents:
    """pdm.lock; a package listed once more for each of its extras counts once."""
    document = load_toml(data)
    entries: dict[LockedPackage, None] = {}
    for package in tables(document, "package"):
        path = text(package, "path")
        if path is not None and is_own_path(path) and not path.endswith((".whl", ".gz", ".zip")):
            continue
        git, url = text(package, "git"), text(package, "url")
        groups = texts(package.get("groups"))
        marked = use_of(text(package, "marker"))
        commit = git is not None and is_commit(text(package, "revision"))
        entry = LockedPackage(
            name=name_of(package),
            version=version(package.get("version")),
            hashed=commit or _hashed(tables(package, "files")),
            source="git" if git else "path" if path else "url" if url else None,
            use=marked if not groups or "default" in groups else weaker(marked, "optional"),
        )
        entries[entry] = None
    return Contents(entries=list(entries))


def read_pylock(data: bytes) -> Contents:
    """pylock.toml and pylock.NAME.toml (PEP 751)."""
    document = load_toml(data)
    if text(document, "lock-version") is None:
        raise Malformed("'lock-version' is missing")
    entries: list[LockedPackage] = []
    for package in tables(document, "packages"):
        kinds = {
            key: table(package[key], f"'{key}'") for key in ("vcs", "directory", "archive") if key in package
        }
        directory, vcs = kinds.get("directory"), kinds.get("vcs")
        if directory is not None and is_own_path(text(directory, "path") or "."):
            continue
        files = [
            *tables(package, "wheels"),
            *(table(package[k], k) for k in ("sdist", "archive") if k in package),
        ]
        entries.append(
            LockedPackage(
                name=name_of(package),
                version=version(package.get("version")),
                hashed=is_commit(text(vcs, "commit-id")) if vcs is not None else _hashed(files),
                source="git" if vcs else "path" if directory else "url" if "archive" in kinds else None,
                use=use_of(text(package, "marker")),
            )
        )
    return Contents(entries=entries)


def read_pipfile(data: bytes) -> Contents:
    """Pipfile.lock: the category ``default`` is what ``pipenv sync`` installs; others are a choice."""
    document = load_json(data)
    table(document.get("_meta"), "'_meta'")
    entries: list[LockedPackage] = []
    for category, packages in document.items():
        if category == "_meta":
            continue
        for name, raw in table(packages, "a category").items():
            package = table(raw, "a package")
            path, git = text(package, "path"), text(package, "git")
            if path is not None and is_own_path(path):
                continue
            use = use_of(text(package, "markers"))
            entries.append(
                LockedPackage(
                    name=name,
                    version=version((text(package, "version") or "").removeprefix("==")),
                    hashed=is_commit(text(package, "ref")) if git else bool(texts(package.get("hashes"))),
                    source="git" if git else "path" if path else "url" if "file" in package else None,
                    use=use if category == "default" else weaker(use, "optional"),
                )
            )
    return Contents(entries=_once(entries))


def _once(entries: Iterable[LockedPackage]) -> list[LockedPackage]:
    """One entry for a package that several categories hold: the most wanted one."""
    best: dict[tuple[str, str | None, bool], LockedPackage] = {}
    for entry in entries:
        key = (normalised(entry.name), entry.version, entry.hashed)
        best_entry = best.get(key)
        if best_entry is None or weaker(entry.use, best_entry.use) == best_entry.use:
            best[key] = entry
    return list(best.values())


def _hashed(files: Iterable[Table]) -> bool:
    """Whether there are files and all have a hash: ``hash = "sha256:..."`` or ``hashes = {sha256 = ...}``."""
    hashes = [bool(file.get("hash") or file.get("hashes")) for file in files]
    return bool(hashes) and all(hashes)


def _local_path(source: Table, *keys: str) -> str | None:
    return next((path for key in keys if (path := text(source, key)) is not None), None)


def _lists(parents: Iterable[Table], key: str) -> Iterator[dict[str, Any]]:
    for parent in parents:
        yield from tables(parent, key)


def _grouped(parent: Table, key: str) -> Iterator[dict[str, Any]]:
    """All tables of all lists in the table at `key`."""
    groups = table(parent.get(key, {}), f"'{key}'")
    for group in groups:
        yield from tables(groups, group)
