"""uv, Poetry, PDM, PEP 751 and Pipenv locks: real files (PDM's written by its format), and edge cases."""

from __future__ import annotations

import sys

from gittrack.formats.locks import Drift
from tests.formats.locks.reading import COMMIT, SHA256, counts, drift, read, sample
from tests.tables import rows

ALL = {
    "click": "8.5.1",
    "packaging": "26.3",
    "exceptiongroup": "1.3.1",
    "typing-extensions": "4.16.0",
}
OLD = sys.version_info < (3, 12)
NEEDED = 4 if OLD else 2
"""exceptiongroup and typing-extensions are locked for Python 3.11 alone."""
REAL = ["uv.lock", "poetry.lock", "pylock.toml"]


@rows("name", [*REAL, "Pipfile.lock", "pylock.pip.toml", "uv-forked.lock", "pdm.lock"])
def test_locks_as_tools_write_them_are_hashed(name: str) -> None:
    """What the tools write pins every package by hash, and needs no note."""
    lock = read("uv.lock" if name.startswith("uv") else name, sample(name))
    assert (lock.pins, lock.note) == ("hashed", None)


@rows("name", ["uv.lock", "poetry.lock"])
def test_extras_and_groups_may_be_absent(name: str) -> None:
    """With all that the project itself needs installed, nothing is missing: no dev group, no Windows."""
    lock, drifts = drift(name, sample(name), ALL)
    assert counts(lock) == (NEEDED, 0, 0)
    assert drifts == []


@rows("name", ["uv.lock", "poetry.lock"])
def test_extras_and_groups_count_when_installed(name: str) -> None:
    """A package of an extra or of the dev group is compared if it is there; one for Windows is not."""
    installed = {**ALL, "cycler": "0.11.0", "iniconfig": "2.3.1", "pyyaml": "5.0"}
    lock, drifts = drift(name, sample(name), installed)
    assert counts(lock) == (NEEDED + 1, 1, 0)
    assert drifts == [Drift(name="cycler", locked="0.12.1", installed="0.11.0")]


@rows("name", REAL)
def test_differences_are_listed_by_name(name: str) -> None:
    """Another version differs, an absent package is missing; the list is sorted."""
    lock, drifts = drift(
        name, sample(name), {**ALL, "packaging": "25.0", "iniconfig": "2.3.1", "cycler": "0.12.1"}
    )
    assert drifts == [Drift(name="packaging", locked="26.3", installed="25.0")]
    without_click = {name: version for name, version in ALL.items() if name != "click"}
    lock, drifts = drift(name, sample(name), {**without_click, "iniconfig": "2.3.1", "cycler": "0.12.1"})
    assert drifts == [Drift(name="click", locked="8.5.1", installed=None)]
    assert counts(lock) == (NEEDED + 1, 0, 1)


def test_a_fork_is_the_same_if_the_one_for_here_is_installed() -> None:
    """uv locks one version for Linux and one for the rest; only the one for this machine is compared."""
    here, elsewhere = ("2.0.0", "2.1.0") if sys.platform == "linux" else ("2.1.0", "2.0.0")
    assert counts(read("uv.lock", sample("uv-forked.lock"), {"iniconfig": here})) == (1, 0, 0)
    _, drifts = drift("uv.lock", sample("uv-forked.lock"), {"iniconfig": elsewhere})
    assert drifts == [Drift(name="iniconfig", locked=here, installed=elsewhere)]


def test_two_versions_that_both_apply_accept_either() -> None:
    """With no marker to tell them apart, either version is as locked."""
    data = "".join(f'[[package]]\nname = "a"\nversion = "{v}"\n' for v in ("1.0", "2.0"))
    assert counts(read("uv.lock", data, {"a": "2.0"})) == (1, 0, 0)
    assert drift("uv.lock", data, {"a": "3"})[1] == [Drift(name="a", locked="1.0, 2.0", installed="3")]


def _uv(*packages: str) -> str:
    root = '[[package]]\nname = "me"\nsource = { editable = "." }\ndependencies = [{ name = "a" }]\n'
    return "version = 1\n" + root + "".join(f"[[package]]\n{package}\n" for package in packages)


@rows(
    ("package", "pins", "note"),
    [
        (f'name = "a"\nversion = "1"\nsdist = {{ url = "u", hash = "{SHA256}" }}', "hashed", None),
        ('name = "a"\nversion = "1"\nsdist = { url = "u" }', "versions", "1 of 1 entries carries no hash: a"),
        (
            f'name = "a"\nversion = "1"\nsdist = {{ hash = "{SHA256}" }}\nwheels = [{{ url = "w" }}]',
            "versions",
            "1 of 1 entries carries no hash: a",
        ),
        (f'name = "a"\nversion = "1"\nsource = {{ git = "https://h/r?rev=main#{COMMIT}" }}', "hashed", None),
        (
            'name = "a"\nsource = { git = "https://u:hunter2@h/r?rev=main" }',
            "none",
            "1 of 1 entries carries neither exact version nor hash: a (git)",
        ),
        (
            'name = "a"\nversion = "1"\nsource = { editable = "../a" }',
            "versions",
            "1 of 1 entries carries no hash: a (path)",
        ),
        ('name = "a"\nversion = "1"\nsource = { editable = "libs/a" }', "none", "names no package"),
    ],
)
def test_uv_sources_are_graded(package: str, pins: str, note: str | None) -> None:
    """Hash on every file, full commit, or the project's own folder: anything else is said in the note."""
    lock = read("uv.lock", _uv(package))
    assert (lock.pins, lock.note) == (pins, note)


def test_uv_walk_ends_on_a_cycle() -> None:
    """Packages that need each other, with extras, are walked once."""
    edge = 'dependencies = [{ name = "b", extra = ["x"] }]'
    back = 'optional-dependencies = { x = [{ name = "a", extra = ["y"] }] }'
    data = _uv(f'name = "a"\nversion = "1"\n{edge}', f'name = "b"\nversion = "1"\n{back}')
    assert counts(read("uv.lock", data)) == (0, 0, 2)


def test_uv_edge_that_only_an_extra_opens_is_optional() -> None:
    """Conflicting extras put their condition in the marker: not installed is then no fault."""
    edge = """dependencies = [{ name = "b", marker = "extra == 'extra-2-me-cpu'" }]"""
    data = _uv(f'name = "a"\nversion = "1"\n{edge}', 'name = "b"\nversion = "1"')
    assert counts(read("uv.lock", data, {"a": "1"})) == (1, 0, 0)
    assert counts(read("uv.lock", data, {"a": "1", "b": "2"})) == (1, 1, 0)


def test_poetry_1_keeps_hashes_in_the_metadata() -> None:
    """Locks of Poetry before 1.2 are read too."""
    package = '[[package]]\nname = "a"\nversion = "1"\ncategory = "main"\noptional = false\n'
    assert (
        read("poetry.lock", f'{package}[metadata.files]\na = [{{ file = "f", hash = "{SHA256}" }}]').pins
        == "hashed"
    )
    assert read("poetry.lock", f"{package}[metadata.files]\na = []").pins == "versions"


def test_poetry_markers_by_group() -> None:
    """The main group's marker decides; a false one leaves the package to the other groups."""
    text = '[[package]]\nname = "a"\nversion = "1"\ngroups = ["main", "dev"]\noptional = false\n'
    true, false = "python_version > '3'", "python_version < '3'"
    both = f'{text}markers = {{ main = "{true}", dev = "{false}" }}\n'
    dev = f'{text}markers = {{ main = "{false}", dev = "{true}" }}\n'
    assert counts(read("poetry.lock", both)) == (0, 0, 1)
    assert read("poetry.lock", dev).installed is None
    assert counts(read("poetry.lock", dev, {"a": "2"})) == (0, 1, 0)


def test_pdm_counts_a_package_and_its_extras_once() -> None:
    """pdm.lock repeats a package for its extras; git revisions count as hashes, win32 is not compared."""
    lock, drifts = drift("pdm.lock", sample("pdm.lock"), {"click": "8.5.1"})
    missing = [("pyparsing", "3.2.0")] + ([("pywin32", "308")] if sys.platform == "win32" else [])
    assert [(d.name, d.locked) for d in drifts] == missing
    assert counts(lock) == (1, 0, len(missing))


def test_pylock_of_pip_is_compared() -> None:
    """pip lock writes wheels with a table of hashes."""
    assert counts(read("pylock.pip.toml", sample("pylock.pip.toml"), {"click": "8.5.1"})) == (1, 0, 1)


@rows(
    ("package", "pins"),
    [
        (f'vcs = {{ type = "git", url = "https://h/r", commit-id = "{COMMIT}" }}', "hashed"),
        ('archive = { url = "https://h/a.zip", hashes = { sha256 = "ab" } }', "hashed"),
        ('archive = { url = "https://h/a.zip" }', "none"),
        ('directory = { path = "../a" }', "none"),
    ],
)
def test_pylock_sources_are_graded(package: str, pins: str) -> None:
    """Commits and archive hashes pin; a folder outside and a bare URL do not."""
    assert read("pylock.toml", f'lock-version = "1.0"\n[[packages]]\nname = "a"\n{package}').pins == pins


def test_pylock_groups_are_a_choice() -> None:
    """A marker on extras or dependency_groups makes the package optional."""
    text = 'lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1"\nmarker = "{}"\n'
    for marker in ("'dev' in dependency_groups", "'x' in extras", "extra == 'x'", "'x' == extra"):
        data = text.format(marker)
        assert read("pylock.toml", data).installed is None, marker
        assert counts(read("pylock.toml", data, {"a": "1"})) == (1, 0, 0), marker
        never = text.format(f"{marker} and python_version < '3'")
        assert read("pylock.toml", never, {"a": "1"}).installed is None, marker


def test_pipfile_develop_may_be_absent() -> None:
    """Only the default category is expected to be installed."""
    lock, drifts = drift("Pipfile.lock", sample("Pipfile.lock"), {"click": "8.5.0"})
    assert [d.name for d in drifts] == ["click", "packaging"]
    assert counts(lock) == (0, 1, 1)


def test_pipfile_sources_are_graded() -> None:
    """A git package needs a full commit, any other its hashes."""
    text = '{"_meta": {}, "default": {"a": %s}}'
    assert read("Pipfile.lock", text % f'{{"git": "https://h/r", "ref": "{COMMIT}"}}').pins == "hashed"
    assert read("Pipfile.lock", text % '{"git": "https://h/r", "ref": "main"}').pins == "none"
    assert read("Pipfile.lock", text % '{"version": "==1.0"}').pins == "versions"
    assert read("Pipfile.lock", text % '{"version": "*", "hashes": ["sha256:ab"]}').pins == "hashed"
