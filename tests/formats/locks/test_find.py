"""Which files count as locks, and of what kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.formats.locks import kind_of
from gittrack.recording.capture.locks import find_locks
from tests.tables import rows


@rows(
    ("path", "kind"),
    [
        ("uv.lock", "uv.lock"),
        ("sub/poetry.lock", "poetry.lock"),
        ("pdm.lock", "pdm.lock"),
        ("pylock.toml", "pylock.toml"),
        ("pylock.dev.toml", "pylock.toml"),
        ("pylock.a.b.toml", None),
        ("Pipfile.lock", "Pipfile.lock"),
        ("conda-lock.yml", "conda-lock.yml"),
        ("gpu.conda-lock.yml", "conda-lock.yml"),
        ("package-lock.yml", None),
        ("pixi.lock", "pixi.lock"),
        ("requirements.txt", "requirements.txt"),
        ("requirements-dev.txt", "requirements.txt"),
        ("requirements/gpu.txt", "requirements.txt"),
        ("requirements/README.md", None),
        ("notes/gpu.txt", None),
        ("conda-linux-64.lock", "conda-explicit"),
        ("explicit.txt", "conda-explicit"),
        ("spec-file.txt", "conda-explicit"),
        ("conda-gpu.txt", "conda-explicit"),
        ("package-lock.json", "package-lock.json"),
        ("renv.lock", "renv.lock"),
        ("Manifest.toml", "Manifest.toml"),
        ("Manifest-v1.11.toml", "Manifest.toml"),
        ("flake.lock", "flake.lock"),
        ("environment.yaml", "environment.yml"),
        ("Dockerfile", "Dockerfile"),
        ("train.Dockerfile", "Dockerfile"),
        ("Dockerfile.gpu", "Dockerfile"),
        ("Dockerfile.gpu.dockerignore", "Dockerfile"),
        ("Dockerfile.dockerignore", None),
        ("Containerfile", "Dockerfile"),
        ("Cargo.lock", None),
        ("dvc.lock", None),
        ("uv.lock/other", None),
    ],
)
def test_kind_is_told_by_the_name(path: str, kind: str | None) -> None:
    """Each documented name has its kind, and similar names have none."""
    assert kind_of(path) == kind


def test_looks_from_top_down_to_the_working_directory_only(tmp_path: Path) -> None:
    """Top, cwd, folders between and their requirements/ are read; siblings and deeper folders are not."""
    for path in (
        "uv.lock",
        "a/poetry.lock",
        "a/requirements/gpu.txt",
        "a/b/Dockerfile",
        "a/b/c/renv.lock",
        "z/flake.lock",
        "train.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    found = find_locks(tmp_path, tmp_path / "a" / "b")
    assert found == ["a/b/Dockerfile", "a/poetry.lock", "a/requirements/gpu.txt", "uv.lock"]


def test_a_working_directory_outside_means_the_top(tmp_path: Path) -> None:
    """Started from elsewhere, a run still has the locks at the top."""
    top = tmp_path / "repo"
    top.mkdir()
    (top / "uv.lock").write_text("")
    (tmp_path / "poetry.lock").write_text("")
    assert find_locks(top, tmp_path) == ["uv.lock"]


def test_only_regular_files_count(tmp_path: Path) -> None:
    """Folders, symbolic links, pipes and names that no record can hold are left alone."""
    top = tmp_path / "repo"
    (top / "pixi.lock").mkdir(parents=True)
    outside = tmp_path / "secret"
    outside.write_text("")
    (top / "uv.lock").symlink_to(outside)
    (top / "requirements").symlink_to(tmp_path)
    (tmp_path / "all.txt").write_text("")
    os.mkfifo(top / "renv.lock")
    (top / "requirements\x1b.txt").write_text("")
    assert find_locks(top, top) == []


def test_extra_files_are_added_once(tmp_path: Path) -> None:
    """Files named in the config join the others, in one spelling, each once."""
    (tmp_path / "uv.lock").write_text("")
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "prod.txt").write_text("")
    assert find_locks(tmp_path, tmp_path, ["deps/./prod.txt", "uv.lock"]) == ["deps/prod.txt", "uv.lock"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "absent.lock", "folder", "link", "inner", "a\0b"]
)
def test_extra_files_must_lie_inside(tmp_path: Path, path: str) -> None:
    """An absolute, escaping, linked or missing path from the config is the user's to mend."""
    top = tmp_path / "repo"
    (top / "folder").mkdir(parents=True)
    (tmp_path / "x").write_text("")
    (top / "link").symlink_to(tmp_path / "x")
    (top / "real.txt").write_text("")
    (top / "inner").symlink_to("real.txt")
    with pytest.raises(UsageError, match="lock file"):
        find_locks(top, top, [path])
