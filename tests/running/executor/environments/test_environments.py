"""Environments: planned without doing anything, built outside the code tree by real pip, uv and Poetry."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, RecordError, RepositoryError, UsageError
from gittrack.formats.record import Installed
from gittrack.running.executor.environments import Environment, plan, tree_reader
from tests.repositories import run_git
from tests.running.stand_ins import (
    BUILD_SYSTEM,
    PROJECT,
    ZEROS,
    build_in,
    commit,
    lock_of,
    make_wheel,
    needs,
    offline,
    only_on_path,
    own_package,
    plan_for,
)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """tiny 1.0, which needs dep; dep 1.0 and 2.0. All that pip and uv can find."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "tiny", "1.0", ["dep"])
    make_wheel(folder, "dep", "1.0")
    make_wheel(folder, "dep", "2.0")
    offline(monkeypatch, folder)
    return folder


def hashed(wheels: Path, *names: str) -> str:
    """A requirements file with the digests of these wheels."""
    digests = {n: hashlib.sha256((wheels / f"{n}-py3-none-any.whl").read_bytes()).hexdigest() for n in names}
    return "".join(f"{n.replace('-', '==')} --hash=sha256:{digest}\n" for n, digest in digests.items())


def imported(environment: Environment, code: str) -> str:
    """What ``python -c`` prints in that environment, started as a rerun would be."""
    env = environment.environ({**os.environ, "PYTHONPATH": "/nowhere", "VIRTUAL_ENV": "/ours"})
    done = subprocess.run(
        environment.command_line(["python", "-B", "-c", code], Path.cwd()),
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def state(tree: Path) -> str:
    return run_git(tree, "status", "--porcelain", "--ignored=no")


VERSIONS = "import tiny, dep; print(tiny.VERSION, dep.VERSION)"


# --- nothing to build ----------------------------------------------------------------------


def test_current_and_command_build_nothing(project: Path, tmp_path: Path) -> None:
    """What is here now, and the user's own prefix, split as a shell would, without one."""
    read = tree_reader(project)
    current = build_in(project, plan("current", read, [], None, None))
    assert current.command_line(["python", "a b"], project) == ["python", "a b"]
    assert current.environ({"PYTHONPATH": "src"}) == {"PYTHONPATH": "src"}
    made = plan("command", read, [], None, "env 'A=1 2' nice")
    assert build_in(project, made).command_line(["x"], project) == ["env", "A=1 2", "nice", "x"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("kind", "prefix", "says"),
    [
        ("command", "srun '", "cannot be split"),
        ("command", " ", "needs the command"),
        ("command", "no-such-program x", "command not found: no-such-program"),
        ("nix", None, "take one of current, lock, uv"),
        ("docker", None, "names no container image"),
        ("lock", None, "the record names no lock"),
        ("uv", None, "the record names no uv.lock: take --env current"),
    ],
)
def test_what_is_known_to_fail_is_said_beforehand(
    project: Path, kind: str, prefix: str | None, says: str
) -> None:
    """One line, and nothing was started for it."""
    with pytest.raises(UsageError, match=says):
        plan(kind, tree_reader(project), [], None, prefix)


@pytest.mark.parametrize(
    ("kind", "file", "tool"),
    [("uv", "uv.lock", "uv"), ("poetry", "poetry.lock", "poetry"), ("conda", "conda-lock.yml", "micromamba")],
)
def test_a_missing_tool_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, file: str, tool: str
) -> None:
    """With what to install, before anything is done; current always remains."""
    only_on_path(monkeypatch, tmp_path / "bin")
    source = Path(__file__).parents[3] / "data/locks" / file
    (project / file).write_bytes(source.read_bytes())
    with pytest.raises(UsageError, match=rf"{tool}.* installed: .*install.*or take --env current"):
        plan_for(project, kind, file)


# --- which lock ----------------------------------------------------------------------------


def test_the_best_lock_is_taken(project: Path, wheels: Path) -> None:
    """Hashed before versions, and of several the one that fitted what was installed; the plan says which."""
    commit(project, requirements__txt="tiny==1.0\n")
    (project / "requirements").mkdir()
    for name in ("dev", "train"):
        (project / f"requirements/{name}.txt").write_text(hashed(wheels, "tiny-1.0", "dep-1.0"))
    old, dev, train = (lock_of(project, f"requirements{name}.txt") for name in ("", "/dev", "/train"))
    fits, fails = Installed(same=2, differs=0, missing=0), Installed(same=1, differs=1, missing=0)
    recorded = [
        dataclasses.replace(old, installed=fits),
        dataclasses.replace(dev, installed=fails),
        dataclasses.replace(train, installed=fits),
    ]
    made = plan("lock", tree_reader(project), recorded, None, None)
    assert made.kind == "pip" and made.lock is not None and made.lock.path == "requirements/train.txt"
    assert made.notes[0] == "requirements/train.txt, the best graded of 3 locks (pins hashed)"
    first, second = made.commands(Path("/tree"), Path("/home"))
    assert first[1:] == ["-m", "venv", "/home/env"]
    assert second[-2:] == ["--require-hashes", "--requirement=/tree/requirements/train.txt"]


def test_what_no_tool_here_builds_is_named(project: Path) -> None:
    """Locks of other ecosystems, files that fix nothing, and the kinds that there are."""
    commit(project, environment__yml="dependencies: [python]\n", requirements__txt="tiny>=1\n")
    with pytest.raises(NotFoundError, match=r"builds no environment from environment.yml: take --env"):
        plan_for(project, "lock", "environment.yml")
    with pytest.raises(NotFoundError, match=r"no uv.lock, only requirements.txt: take --env lock"):
        plan_for(project, "uv", "requirements.txt")
    with pytest.raises(UsageError, match=r"requirements.txt fixes no versions \(1 of 1 entries"):
        plan_for(project, "pip", "requirements.txt")
    commit(project, requirements__txt="-r other.txt\n")
    with pytest.raises(UsageError, match=r"requirements.txt fixes no versions \(names no package; what -r"):
        plan_for(project, "pip", "requirements.txt")
    commit(project, requirements__txt="# none is needed\n")
    assert plan_for(project, "lock", "requirements.txt").kind == "pip"


@pytest.mark.parametrize("path", ["../uv.lock", "/etc/requirements.txt", "a/../../uv.lock", "x\ny", "."])
def test_a_path_that_leaves_the_tree_is_refused(project: Path, path: str) -> None:
    """A record can name any path; it is not even read."""
    commit(project, requirements__txt="tiny==1.0\n")
    lock = dataclasses.replace(lock_of(project, "requirements.txt"), path=path)

    def read(asked: str) -> bytes:
        raise AssertionError(asked)

    with pytest.raises(RecordError, match="no path in the code"):
        plan("pip", read, [lock], None, None)


def test_a_link_is_refused(project: Path, tmp_path: Path) -> None:
    """In the plan, and again when the environment is built: a tool would follow it."""
    commit(project, requirements__txt="tiny==1.0\n")
    made = plan_for(project, "pip", "requirements.txt")
    (project / "requirements.txt").rename(tmp_path / "elsewhere.txt")
    (project / "requirements.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(NotFoundError, match="git did not track it, or it is a link"):
        plan_for(project, "pip", "requirements.txt")
    with pytest.raises(NotFoundError, match=r"requirements.txt is no file of the code"):
        build_in(project, made)


def test_a_lock_has_to_be_the_recorded_one(project: Path) -> None:
    """By its digest or git's name for it, and of the kind that the record claims."""
    commit(project, requirements__txt="tiny==1.0\n")
    blob = run_git(project, "rev-parse", "HEAD:requirements.txt").strip()
    lock = lock_of(project, "requirements.txt")
    changed = dataclasses.replace(lock, sha256=ZEROS)
    with pytest.raises(RecordError, match="is not the lock that the record names"):
        plan("pip", tree_reader(project), [changed], None, None)
    assert plan("pip", tree_reader(project), [dataclasses.replace(changed, blob=blob)], None, None).lock
    with pytest.raises(RecordError, match=r"called uv.lock in the record, and is requirements.txt"):
        plan("lock", tree_reader(project), [dataclasses.replace(lock, kind="uv.lock")], None, None)


# --- pip -----------------------------------------------------------------------------------


def test_pip_builds_from_hashes(project: Path, wheels: Path) -> None:
    """What the file lists is there, our own environment is not, and the tree is as it was."""
    commit(project, requirements__txt=hashed(wheels, "tiny-1.0", "dep-1.0"))
    environment = build_in(project, plan_for(project, "lock", "requirements.txt", python="3.1.0"))
    assert imported(environment, VERSIONS) == "1.0 1.0"
    assert imported(environment, "import sys, os; print(sys.path.count('/nowhere'))") == "0"
    assert "Python 3.1 is not installed here" in environment.note
    assert state(project) == ""


def test_pip_takes_what_is_not_listed_in_the_recorded_version(project: Path, wheels: Path) -> None:
    """And installs the project itself, imported from the tree, where the record has it among the packages."""
    own_package(project)
    commit(project, requirements__txt="tiny==1.0\n", pyproject__toml=PROJECT + BUILD_SYSTEM)
    packages = {"tiny": "1.0", "dep": "1.0+cpu", "own": "0.1", "evil": "1\n-e /etc"}
    environment = build_in(project, plan_for(project, "pip", "requirements.txt", packages=packages))
    assert imported(environment, VERSIONS) == "1.0 1.0"
    assert imported(environment, "import own; print(own.__file__)") == str(project / "src/own/__init__.py")
    assert state(project) == "" and not (project / "src/own.egg-info").exists()
    assert (project / "version.txt").read_text() == "committed"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"tiny==1.0 --hash=sha256:{ZEROS}\n", "DO NOT MATCH THE HASHES.*: tiny==1.0 from"),
        ("tiny==7.0\n", "No matching distribution found for tiny==7.0"),
        ("GOOD-e git+https://127.0.0.1:9/evil@" + "a" * 40 + "#egg=evil\n", "editable|git"),
        ("tiny==1.0\n--target=/tmp/evil\n", "Invalid requirement: --target=/tmp/evil"),
    ],
    ids=["hash", "gone", "editable", "option"],
)
def test_what_pip_refuses_ends_in_one_line(project: Path, wheels: Path, content: str, says: str) -> None:
    """Other bytes, a version that is gone, an option that could lead elsewhere: pip's words, and the log."""
    commit(project, requirements__txt=content.replace("GOOD", hashed(wheels, "tiny-1.0", "dep-1.0")))
    with pytest.raises(RepositoryError, match=says) as caught:
        build_in(project, plan_for(project, "pip", "requirements.txt"))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    assert message.startswith("python could not build the environment of requirements.txt: ")
    log = project.parent / "home/build.log"
    assert message.endswith(f"the log is {log}") and "-m pip install" in log.read_text()


def test_an_index_that_the_file_names_is_shown(project: Path, wheels: Path) -> None:
    """pip would ask it: the plan says so, and that hashes are not there to hold its answer."""
    commit(project, requirements__txt="--index-url http://127.0.0.1:9/evil\ntiny==1.0\n")
    made = plan_for(project, "pip", "requirements.txt")
    assert made.notes[:2] == ("requirements.txt (pins versions)", "names a package index of its own")


# --- uv ------------------------------------------------------------------------------------


@pytest.fixture
def uv_project(project: Path, wheels: Path) -> Path:
    """A project with a package of its own, an extra, and a uv.lock."""
    needs("uv")
    own_package(project)
    depends = 'dependencies = ["tiny==1.0"]\n[project.optional-dependencies]\nmore = ["more==1.0"]\n'
    make_wheel(wheels, "more", "1.0")
    (project / "pyproject.toml").write_text(PROJECT + depends + BUILD_SYSTEM)
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    commit(project)
    return project


def test_uv_builds_and_leaves_the_tree_clean(uv_project: Path) -> None:
    """The project comes from the tree, with the extra that the run had; the build's traces are gone."""
    packages = {"own": "0.1", "more": "1.0", "tiny": "1.0", "dep": "2.0"}
    version = ".".join(map(str, (*sys.version_info[:2], 99)))
    made = plan_for(uv_project, "lock", "uv.lock", packages=packages, python=version)
    assert made.kind == "uv" and "--extra=more" in made.commands(uv_project, Path("/home"))[0]
    environment = build_in(uv_project, made)
    assert imported(environment, VERSIONS + "; import more") == "1.0 2.0"
    assert imported(environment, "import own; print(own.__file__)") == str(uv_project / "src/own/__init__.py")
    assert state(uv_project) == "" and not (uv_project / ".venv").exists()
    assert (uv_project / "version.txt").read_text() == "committed"


def test_uv_leaves_out_what_the_run_did_not_have(uv_project: Path) -> None:
    """The project was not installed, and nor was its extra; a Python that is not here is said."""
    made = plan_for(uv_project, "uv", "uv.lock", packages={"tiny": "1.0"}, python="3.99.1")
    (command,) = made.commands(Path("/tree"), Path("/home"))
    assert command[1:] == ["sync", "--frozen", "--project=/tree", "--no-install-project"]
    environment = build_in(uv_project, made)
    assert "uv finds no Python 3.99 here" in environment.note
    found = "import importlib.util as u; print([n for n in ('tiny', 'own', 'more') if u.find_spec(n)])"
    assert imported(environment, found) == "['tiny']"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tiny-1.0-py3-none-any.whl", f'tiny-1.0-py3-none-any.whl", hash = "sha256:{ZEROS}', "Hash mismatch"),
        ("wheels/tiny-1.0", "gone/tiny-1.0", "tiny"),
        ("# end", "[[[", "no valid TOML"),
    ],
    ids=["hash", "gone", "broken"],
)
def test_what_uv_refuses_ends_in_one_line(uv_project: Path, old: str, new: str, says: str) -> None:
    """Other bytes, a wheel that is gone, a file that is no lock."""
    lock = uv_project / "uv.lock"
    lock.write_text((lock.read_text() + "# end\n").replace(old, new))
    commit(uv_project)
    with pytest.raises((RepositoryError, UsageError), match=says) as caught:
        build_in(uv_project, plan_for(uv_project, "uv", "uv.lock"))
    assert "\n" not in str(caught.value)
    assert state(uv_project) == ""


def test_pylock_is_built_by_uv(project: Path, wheels: Path) -> None:
    """PEP 751, hashes checked."""
    needs("uv")
    wheel = wheels / "dep-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = f'name = "dep"\nversion = "1.0"\nwheels = [{{ path = "{wheel}", hashes.sha256 = "{digest}" }}]'
    commit(project, pylock__toml=f'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\n{package}\n')
    environment = build_in(project, plan_for(project, "pip", "pylock.toml"))
    assert imported(environment, "import dep; print(dep.VERSION)") == "1.0"
    commit(project, pylock__toml=(project / "pylock.toml").read_text().replace(digest, ZEROS))
    with pytest.raises(RepositoryError, match="Hash mismatch for `dep"):
        build_in(project, plan_for(project, "pip", "pylock.toml"), home="second")


# --- Poetry --------------------------------------------------------------------------------


def test_poetry_builds_and_refuses_other_bytes(project: Path, wheels: Path) -> None:
    """Into our folder, whatever the project's own poetry.toml says."""
    needs("poetry")
    found = ", ".join(f'"{n} @ {(wheels / f"{n}-1.0-py3-none-any.whl").as_uri()}"' for n in ("tiny", "dep"))
    (project / "pyproject.toml").write_text(f"{PROJECT}dependencies = [{found}]\n")
    (project / "poetry.toml").write_text("[virtualenvs]\nin-project = true\n")
    subprocess.run(["poetry", "lock", "--quiet", "--no-interaction"], cwd=project, check=True)
    (project / ".gitignore").write_text("")
    subprocess.run(["rm", "-rf", ".venv"], cwd=project, check=True)
    commit(project)
    environment = build_in(project, plan_for(project, "lock", "poetry.lock"))
    assert imported(environment, VERSIONS) == "1.0 1.0"
    assert state(project) == "" and not (project / ".venv").exists()
    make_wheel(wheels, "dep", "1.0", ["other"])
    with pytest.raises(RepositoryError, match=r"poetry could not .*: Hash for dep .* not found"):
        build_in(project, plan_for(project, "poetry", "poetry.lock"), home="second")
