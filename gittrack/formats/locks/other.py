"""Readers of the locks of other ecosystems: npm, renv, Julia, Nix and container images.

Nothing here is compared with what is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gittrack.formats.locks.entry import (
    Contents,
    LockedPackage,
    Malformed,
    decode,
    is_commit,
    is_own_path,
    load_json,
    load_toml,
    table,
    tables,
    text,
    version,
)

_NPM_COMMIT = re.compile(r"#(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?(?:\s+|\Z)")


def read_npm(data: bytes) -> Contents:
    """package-lock.json, versions 1 to 3. Links and workspaces are the project's own."""
    document = load_json(data)
    if "packages" in document:
        return Contents(entries=list(_npm_packages(table(document["packages"], "'packages'"))))
    if "dependencies" not in document and "lockfileVersion" not in document:
        raise Malformed("'lockfileVersion' is missing")
    return Contents(entries=list(_npm_tree(document)))


def _npm_packages(packages: Mapping[str, Any]) -> Iterator[LockedPackage]:
    for path, raw in packages.items():
        package = table(raw, "a package")
        _, installed, name = path.rpartition("node_modules/")
        if installed and not package.get("link") and not package.get("inBundle"):
            yield _npm_entry(name, package, text(package, "resolved"))


def _npm_tree(document: Mapping[str, Any]) -> Iterator[LockedPackage]:
    waiting = [document]
    while waiting:
        for name, raw in table(waiting.pop().get("dependencies", {}), "'dependencies'").items():
            package = table(raw, "a package")
            waiting.append(package)
            place = text(package, "version")
            if not package.get("bundled") and not (place or "").startswith("file:"):
                yield _npm_entry(name, package, place)


def _npm_entry(name: str, package: Mapping[str, Any], place: str | None) -> LockedPackage:
    git = place is not None and place.startswith(("git", "github:"))
    commit = git and _NPM_COMMIT.search(place or "") is not None
    return LockedPackage(
        name=name,
        version=version(package.get("version")),
        hashed=commit or text(package, "integrity") is not None,
        source="git" if git else None,
    )


def read_renv(data: bytes) -> Contents:
    entries = []
    for name, raw in table(load_json(data).get("Packages"), "'Packages'").items():
        package = table(raw, "a package")
        commit = is_commit(text(package, "RemoteSha"))
        entries.append(
            LockedPackage(
                name=name,
                version=version(package.get("Version")),
                hashed=commit or text(package, "Hash") is not None,
                source="git" if "RemoteSha" in package and text(package, "Source") != "Repository" else None,
            )
        )
    remarks = ["renv's Hash is the MD5 of a package's DESCRIPTION, not of its files"]
    return Contents(entries=entries, remarks=remarks if any(entry.hashed for entry in entries) else [])


def read_julia(data: bytes) -> Contents:
    """Manifest.toml, formats 1 and 2. The standard library is Julia's own and has no hash: no entry."""
    document = load_toml(data)
    packages = table(document.get("deps", {}), "'deps'") if "manifest_format" in document else document
    entries = []
    for name in packages:
        if not isinstance(packages[name], list):
            continue
        for package in tables(packages, name):
            path, tree = text(package, "path"), text(package, "git-tree-sha1")
            if (path is None and tree is None) or (path is not None and is_own_path(path)):
                continue
            source = "path" if path else "git" if "repo-url" in package else None
            pinned = version(package.get("version"))
            entries.append(LockedPackage(name=name, version=pinned, hashed=is_commit(tree), source=source))
    return Contents(entries=entries)


def read_flake(data: bytes) -> Contents:
    document = load_json(data)
    entries = []
    for name, raw in table(document.get("nodes"), "'nodes'").items():
        node = table(raw, "a node")
        if name == document.get("root", "root"):
            continue
        locked = table(node.get("locked", {}), "'locked'")
        path = text(locked, "path") if text(locked, "type") == "path" else None
        if path is not None and is_own_path(path):
            continue
        hashed = text(locked, "narHash") is not None
        entries.append(
            LockedPackage(
                name=name, version=version(locked.get("rev")), hashed=hashed, source="path" if path else None
            )
        )
    return Contents(entries=entries)


def read_environment(data: bytes) -> Contents:
    return Contents(pins="none", remarks=["environment.yml names versions to solve for: it is no lock"])


def read_dockerfile(data: bytes) -> Contents:
    """Images that ``FROM`` and ``COPY --from`` name; ``hashed`` if each has a digest, else ``none``.

    Stages of the file itself and ``scratch`` are no images. An ARG can be set from outside, so an
    image that one stands in has no fixed digest, unless the digest is written out.
    """
    contents = Contents()
    stages: set[str] = set()
    froms = 0
    for image, stage in _images(decode(data)):
        froms += stage is not None
        if image.lower() not in stages and image != "scratch" and not image.isdigit():
            contents.entries.append(_image_entry(image, contents.remarks))
        stages.add((stage or "").lower())
    if not froms:
        raise Malformed("no FROM line")
    pinned = all(entry.hashed for entry in contents.entries)
    contents.pins = "hashed" if pinned else "none"
    if pinned:
        contents.remarks.append("holds for the base images, not for what RUN installs")
    return contents


def _image_entry(image: str, remarks: list[str]) -> LockedPackage:
    hashed = _DIGEST.search(image) is not None
    if "$" in image and not hashed:
        remark = "an image is chosen by an ARG"
        remarks.extend([remark] if remark not in remarks else [])
        return LockedPackage(name="(by ARG)")
    repository = image.partition("@")[0]
    folder, slash, last = repository.rpartition("/")
    return LockedPackage(name=folder + slash + last.partition(":")[0], hashed=hashed)


def _images(text: str) -> Iterator[tuple[str, str | None]]:
    """Image and stage name ("" if it has none) of each FROM; image and None of each COPY --from."""
    for instruction, arguments in _instructions(text):
        flags: dict[str, str] = {}
        at = 0
        while flag := _FLAG.match(arguments, at):
            flags[flag[1]] = flag[2] or ""
            at = flag.end()
        words = arguments[at:].split(maxsplit=3)
        if instruction == "FROM" and words:
            named = len(words) >= 3 and words[1].upper() == "AS"
            yield words[0], words[2] if named else ""
        elif instruction == "COPY" and flags.get("from"):
            yield flags["from"], None


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and arguments of each instruction, without comments and the bodies of heredocs."""
    lines = iter(text.splitlines())
    parts: list[str] = []
    for line in lines:
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            continue
        parts.append(line.rstrip().removesuffix("\\"))
        if line.rstrip().endswith("\\"):
            continue
        match = _INSTRUCTION.match(" ".join(parts))
        parts.clear()
        if match:
            yield match[1].upper(), match[2]
            ends = [end for _, end in _HEREDOC.findall(match[2])] if match[1].upper() in _WITH_HEREDOC else []
            for end in ends:
                for body in lines:
                    if body.strip() == end:
                        break
