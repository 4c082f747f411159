"""pip requirements files: real ones of uv and pip-compile, and the lines that pip accepts."""

from __future__ import annotations

import os

from tests.formats.locks.reading import COMMIT, SHA256, counts, drift, read, sample
from tests.tables import rows

HASH = f"--hash={SHA256}"


@rows("name", ["requirements.txt", "requirements-pip-compile.txt"])
def test_exported_requirements_are_hashed(name: str) -> None:
    """What uv export and pip-compile --generate-hashes write pins by hash."""
    lock = read(name, sample(name), {"click": "8.5.1", "packaging": "26.3"})
    assert (lock.pins, lock.note) == ("hashed", None)
    assert lock.installed is not None
    assert (lock.installed.same, lock.installed.differs) == (2, 0)


@rows(
    ("text", "pins", "note"),
    [
        (f"a==1 {HASH}", "hashed", None),
        (f"a==1 \\\n  {HASH} \\\n  {HASH}\n# via b", "hashed", None),
        (f"a==1 {HASH}\nb==2", "versions", "1 of 2 entries carries no hash: b"),
        ("a==1\nb===2 # why", "versions", "2 of 2 entries carry no hash: a, b"),
        ("a[x,y] == 1.0+cu121 ; python_version > '3'", "versions", "1 of 1 entries carries no hash: a"),
        ("a==1,>=0.5", "versions", "1 of 1 entries carries no hash: a"),
        ("a==1.*", "none", "1 of 1 entries carries neither exact version nor hash: a"),
        ("a==1\nb>=2\nc", "none", "2 of 3 entries carry neither exact version nor hash: b, c"),
        (f"a @ git+https://h/r@{COMMIT}", "hashed", None),
        (f"git+https://h/r@{COMMIT}#egg=a", "hashed", None),
        (
            "a @ git+https://h/r@main",
            "none",
            "1 of 1 entries carries neither exact version nor hash: a (git)",
        ),
        ("https://h/a.whl#sha256=" + "ab" * 32, "hashed", None),
        ("https://h/a.whl", "none", "1 of 1 entries carries neither exact version nor hash: (unnamed) (url)"),
        ("../a", "none", "1 of 1 entries carries neither exact version nor hash: (unnamed) (path)"),
        (f"a==1 {HASH}\n-e .\n./libs/b\n", "hashed", None),
        ("!!", "none", "1 of 1 entries carries neither exact version nor hash: (not understood)"),
        ("# nothing\n\n", "none", "names no package"),
        ("-r base.txt", "none", "names no package; what -r includes is graded on its own"),
        (f"a==1 {HASH}\n-cother.txt\n--no-binary :all:", "hashed", "constraints (-c) are not read"),
        ("\ufeffa==1", "versions", "1 of 1 entries carries no hash: a"),
    ],
)
def test_lines_are_graded(text: str, pins: str, note: str | None) -> None:
    """Each form of line has the grade that pip's rules give it, and the note says what is loose."""
    lock = read("requirements.txt", text)
    assert (lock.pins, lock.note) == (pins, note)


def test_long_lists_are_cut() -> None:
    """A note names five packages at most."""
    note = read("requirements.txt", "\n".join(f"pkg-{i}" for i in range(9))).note
    assert note is not None
    assert note.endswith("pkg-0, pkg-1, pkg-2, pkg-3, pkg-4, ...")


def test_utf16_of_powershell_is_read() -> None:
    """pip freeze > requirements.txt on Windows writes UTF-16 with a byte order mark."""
    assert counts(read("requirements.txt", "a==1\r\nb==2\r\n".encode("utf-16"), {"a": "1"})) == (1, 0, 1)


def test_markers_select_what_is_compared() -> None:
    """A line for another interpreter is not compared; one that cannot be evaluated may be absent."""
    text = f"a==1 ; python_version < '3'\nb==1 ; os_name == '{os.name}'\nc==1 ; nonsense\nd==1;'x'=='y'\n"
    lock, drifts = drift("requirements.txt", text, {"a": "2"})
    assert [d.name for d in drifts] == ["b"]
    assert counts(lock) == (0, 0, 1)


@rows(
    ("locked", "installed", "same"),
    [
        ("1.0", "1.0.0", True),
        ("2.1.0", "2.1.0+cpu", True),
        ("2.1.0+cpu", "2.1.0", False),
        ("2.1.0+cpu", "2.1.0+cu121", False),
        ("1.0rc1", "1.0", False),
        ("1.10", "1.1", False),
        ("2004d", "2004d", True),
        ("2004d", "not.a.version", False),
    ],
)
def test_versions_compare_as_pep_440_says(locked: str, installed: str, same: bool) -> None:
    """Trailing zeros do not matter, and a pin without a local label accepts any."""
    lock = read("requirements.txt", f"a=={locked}", {"a": installed})
    assert counts(lock) == ((1, 0, 0) if same else (0, 1, 0))


def test_names_compare_as_pep_503_says() -> None:
    """Case, dots, dashes and underscores do not matter."""
    assert counts(read("requirements.txt", "Ruamel_Yaml.Clib==0.2", {"ruamel-yaml-clib": "0.2"})) == (1, 0, 0)


@rows(
    "text",
    [
        "--index-url https://user:hunter2@host/simple\na==1",
        "--extra-index-url=https://hunter2@host/simple\na==1",
        "-r https://user:hunter2@host/r.txt",
        "-f https://user:hunter2@host/",
        "a @ https://user:hunter2@host/a.whl",
        "https://user:hunter2@host/a.whl",
        "-e git+https://user:hunter2@host/r@main",
        "git+https://user:hunter2@host/r#egg=a",
        "user:hunter2@host",
        "a==https://user:hunter2@host",
        "a==1 ; sys_platform == 'https://user:hunter2@host",
        "a==1 --global-option=hunter2 --config-settings=x=hunter2",
        "--weird hunter2",
    ],
)
def test_credentials_never_leave_the_file(text: str) -> None:
    """No note and no difference repeats an URL or the value of an option."""
    lock, drifts = drift("requirements.txt", text, {"a": "2"})
    assert "hunter2" not in repr((lock, drifts))


def test_an_explicit_list_in_disguise_is_told_by_its_content() -> None:
    """conda list --explicit > requirements.txt is a conda list, whatever its name."""
    lock = read("requirements.txt", sample("conda-linux-64.lock"))
    assert (lock.kind, lock.pins) == ("conda-explicit", "hashed")
