"""npm, renv, Julia, Nix and Dockerfiles."""

from __future__ import annotations

from tests.formats.locks.reading import COMMIT, read, sample
from tests.tables import rows

DIGEST = "@sha256:" + "ab" * 32
BASES = "holds for the base images, not for what RUN installs"


@rows("name", ["package-lock.json", "package-lock.v1.json"])
def test_npm_locks_are_hashed(name: str) -> None:
    """Locks of npm, versions 1 and 3, carry integrity for each package."""
    lock = read("package-lock.json", sample(name))
    assert (lock.kind, lock.pins, lock.note, lock.installed) == ("package-lock.json", "hashed", None, None)


@rows(
    ("package", "pins", "note"),
    [
        ('"node_modules/a": {"version": "1"}', "versions", "1 of 1 entries carries no hash: a"),
        (f'"node_modules/a": {{"resolved": "git+ssh://git@h/r.git#{COMMIT}"}}', "hashed", None),
        (
            '"node_modules/x/node_modules/@s/a": {"version": "1"}',
            "versions",
            "1 of 1 entries carries no hash: @s/a",
        ),
        ('"node_modules/a": {"link": true}, "packages/a": {"version": "1"}', "none", "names no package"),
        ('"node_modules/a": {"version": "1", "inBundle": true}', "none", "names no package"),
    ],
)
def test_npm_packages_are_graded(package: str, pins: str, note: str | None) -> None:
    """Integrity or a commit pins; links, workspaces and bundled packages are no entries."""
    lock = read("package-lock.json", f'{{"lockfileVersion": 3, "packages": {{"": {{}}, {package}}}}}')
    assert (lock.pins, lock.note) == (pins, note)


def test_npm_version_1_is_read_to_the_bottom() -> None:
    """Nested dependencies count."""
    inner = '{"version": "1", "dependencies": {"b": {"version": "2"}}}'
    lock = read("package-lock.json", f'{{"lockfileVersion": 1, "dependencies": {{"a": {inner}}}}}')
    assert lock.note == "2 of 2 entries carry no hash: a, b"


def test_renv_hash_is_explained() -> None:
    """renv's hashes count, and the note says what they are of."""
    lock = read("renv.lock", sample("renv.lock"))
    assert lock.pins == "hashed"
    assert lock.note == "renv's Hash is the MD5 of a package's DESCRIPTION, not of its files"
    assert read("renv.lock", '{"Packages": {"R6": {"Version": "2.5"}}}').pins == "versions"


def test_julia_names_the_path_outside() -> None:
    """The standard library is no entry; a developed package outside carries no hash."""
    lock = read("Manifest.toml", sample("Manifest.toml"))
    assert (lock.pins, lock.note) == ("versions", "1 of 2 entries carries no hash: Local (path)")


def test_julia_format_1_is_read() -> None:
    """Before Julia 1.7 packages stood at the top level."""
    assert read("Manifest-v1.5.toml", sample("Manifest-v1.5.toml")).pins == "hashed"


def test_flake_lock_is_hashed() -> None:
    """narHash pins an input; the root is none."""
    assert read("flake.lock", sample("flake.lock")).pins == "hashed"
    lock = read("flake.lock", f'{{"nodes": {{"a": {{"locked": {{"type": "git", "rev": "{COMMIT}"}}}}}}}}')
    assert (lock.pins, lock.note) == ("versions", "1 of 1 entries carries no hash: a")


@rows(
    ("text", "pins", "note"),
    [
        (f"FROM python:3.11{DIGEST}", "hashed", BASES),
        ("FROM python:3.11", "none", "1 of 1 entries carries no hash: python"),
        ("FROM localhost:5000/me/python:3.11", "none", "1 of 1 entries carries no hash: (unnamed)"),
        (
            f"from --platform=linux/amd64 \\\n  python{DIGEST} AS Build\nFROM build\nFROM scratch",
            "hashed",
            BASES,
        ),
        (
            f"FROM python{DIGEST} AS b\nFROM nvidia/cuda:12.4",
            "none",
            "1 of 2 entries carries no hash: nvidia/cuda",
        ),
        (
            "ARG BASE=python\nFROM ${BASE}",
            "none",
            "1 of 1 entries carries no hash: (by ARG); an image is chosen by an ARG",
        ),
        (f"FROM python:$VERSION{DIGEST}", "hashed", BASES),
        (f"FROM python{DIGEST}\nCOPY --link --from=ghcr.io/astral-sh/uv:latest /uv /bin/", "none", None),
        (
            f"FROM python{DIGEST} AS b\nFROM scratch\nCOPY --from=b / /\nCOPY --from=0 / /\nCOPY a b",
            "hashed",
            BASES,
        ),
        (
            f"# FROM a\nFROM python{DIGEST}\nRUN <<EOF\nFROM users\nEOF\nRUN echo \\\n# c\n FROM b",
            "hashed",
            BASES,
        ),
        ("FROM scratch", "hashed", BASES),
        ("RUN true", "none", "could not be read as Dockerfile: no FROM line"),
        ("FROM https://u:hunter2@h/i:1", "none", "1 of 1 entries carries no hash: (unnamed)"),
    ],
)
def test_dockerfiles_are_graded_by_their_images(text: str, pins: str, note: str | None) -> None:
    """All external images need a digest; stages, scratch, comments and heredocs are no images."""
    lock = read("Dockerfile", text)
    assert lock.pins == pins
    if note is not None:
        assert lock.note == note
