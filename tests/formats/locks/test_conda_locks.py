"""conda-lock, pixi and explicit lists, written after their formats; the platform is taken as linux-64."""

from __future__ import annotations

import pytest

from gittrack.formats.locks import Drift
from gittrack.formats.locks.conda import this_platform
from tests.formats.locks.reading import COMMIT, counts, drift, on_linux, read, sample
from tests.tables import rows


@pytest.fixture(autouse=True)
def _linux(monkeypatch: pytest.MonkeyPatch) -> None:
    on_linux(monkeypatch)


@rows("name", ["conda-lock.yml", "pixi.lock", "conda-linux-64.lock"])
def test_samples_are_hashed(name: str) -> None:
    """Each names a digest for each package."""
    lock = read(name, sample(name))
    assert (lock.pins, lock.note) == ("hashed", None)


def test_conda_lock_compares_this_platform_and_known_names() -> None:
    """pip packages must be there; conda's are compared if the name is installed; dev is a choice."""
    lock, drifts = drift("conda-lock.yml", sample("conda-lock.yml"), {"numpy": "2.0.9", "libzlib": "9"})
    assert drifts == [
        Drift(name="click", locked="8.5.1", installed=None),
        Drift(name="numpy", locked="2.1.0", installed="2.0.9"),
    ]
    assert counts(lock) == (0, 1, 1)


def test_pixi_knows_the_name_on_pypi() -> None:
    """purls say that pytorch is torch; other environments are a choice; other platforms are not compared."""
    lock, drifts = drift("pixi.lock", sample("pixi.lock"), {"click": "8.5.1", "pytest": "8.3.3"})
    assert drifts == [Drift(name="torch", locked="2.4.1", installed=None)]
    assert counts(lock) == (2, 0, 1)


def test_pixi_without_a_digest_is_graded_by_version() -> None:
    """The note names what carries no hash: a folder outside the project is one."""
    data = """
version: 6
environments: {default: {channels: [], packages: {linux-64: [{pypi: ../lib}]}}}
packages:
- pypi: ../lib
  name: lib
  version: 1.10
"""
    lock, drifts = drift("pixi.lock", data, {})
    assert (lock.pins, lock.note) == ("versions", "1 of 1 entries carries no hash: lib (path)")
    assert drifts == [Drift(name="lib", locked="1.10", installed=None)]


def test_pixi_version_4_and_source_builds() -> None:
    """Older packages name themselves, and a source build is pinned by its commit."""
    data = f"""
version: 4
environments: {{default: {{packages: {{linux-64: [{{conda: https://c/linux-64/a-1-py311_0.conda}}]}}}}}}
packages:
- kind: conda
  name: a
  version: '1'
  url: https://c/linux-64/a-1-py311_0.conda
  md5: 0cc175b9c0f1b6a831c399e269772661
- conda_source: b[fe6eff0d] @ git+https://h/r?rev=main#{COMMIT}
- conda_source: c[fe6eff0d] @ .
"""
    lock = read("pixi.lock", data, {"a": "1"})
    assert (lock.pins, lock.note) == ("hashed", None)
    assert counts(lock) == (1, 0, 0)


def test_explicit_list_compares_python_builds() -> None:
    """Names and versions come from the file names; libraries that are no Python are not compared."""
    data = sample("conda-linux-64.lock")
    lock, drifts = drift("conda-linux-64.lock", data, {"numpy": "2.1.0", "click": "8", "libzlib": "1"})
    assert drifts == [Drift(name="click", locked="8.5.1", installed="8")]
    assert counts(lock) == (1, 1, 0)


def test_explicit_list_without_md5_pins_versions() -> None:
    """conda list --explicit leaves digests out unless told --md5; the token in the URL stays there."""
    lock = read("explicit.txt", "@EXPLICIT\nhttps://c/t/hunter2/x/linux-64/a-1-py_0.tar.bz2\n")
    assert (lock.pins, lock.note) == ("versions", "1 of 1 entries carries no hash: a")
    assert "hunter2" not in repr(lock)


def test_a_list_that_is_not_explicit_says_so() -> None:
    """A file of that name without @EXPLICIT pins nothing."""
    lock = read("conda-gpu.txt", "numpy=2.1.0=py311_0\n")
    assert (lock.pins, lock.note) == ("none", "no @EXPLICIT line: it is no conda explicit list")


def test_environment_yml_is_no_lock() -> None:
    """Even exact versions in it leave their dependencies to the solver."""
    lock = read("environment.yml", sample("environment.yml"))
    assert (lock.kind, lock.pins, lock.installed) == ("environment.yml", "none", None)
    assert lock.note == "environment.yml names versions to solve for: it is no lock"


def test_this_platform_has_condas_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """uname's words are turned into conda's."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert this_platform() == "osx-arm64"
