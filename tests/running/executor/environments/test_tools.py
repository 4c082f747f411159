"""The tools behind environments: how they are run and quoted; conda and containers by stand-ins."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, RecordError, RepositoryError, UsageError
from gittrack.running.executor.environments import Environment, EnvironmentPlan, build, plan, tree_reader
from gittrack.running.executor.environments.process import last_words
from tests.repositories import run_git
from tests.running.stand_ins import build_in, calls, commit, only_on_path, plan_for, stand_in
from tests.tables import rows

LOCKS = Path(__file__).parents[3] / "data/locks"
IMAGE = "registry.example/team/train@sha256:" + "a" * 64


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with git in it."""
    folder = tmp_path / "bin"
    only_on_path(monkeypatch, folder)
    return folder


def uv_plan(project: Path, programs: Path, body: str = "") -> EnvironmentPlan:
    """A plan for uv, which is a stand-in that does `body`."""
    stand_in(programs, "uv", body)
    commit(project, uv__lock=(LOCKS / "uv.lock").read_text())
    return plan_for(project, "uv", "uv.lock")


# --- how tools are run ---------------------------------------------------------------------


def test_a_tool_sees_a_clean_environment(
    project: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what says that gittrack is in an environment or a run; what says where packages are stays."""
    hidden = {
        "PYTHONPATH": "x",
        "CONDA_PREFIX": "/c",
        "CONDA_PREFIX_1": "/c",
        "PIP_TARGET": "/t",
        "UV_FROZEN": "1",
    }
    hidden |= {
        "GITTRACK_RUN": "/run",
        "GIT_DIR": "/elsewhere",
        "UV_PROJECT": "/p",
        "POETRY_VIRTUALENVS_CREATE": "0",
    }
    kept = {
        "PIP_INDEX_URL": "https://index",
        "UV_INDEX_PRIVATE_PASSWORD": "pw",
        "HTTPS_PROXY": "p",
        "CONDARC": "/rc",
    }
    made = uv_plan(project, programs)
    for name, value in {**hidden, **kept, "VIRTUAL_ENV": "/ours"}.items():
        monkeypatch.setenv(name, value)
    build_in(project, made)
    ((arguments, env),) = calls(programs)
    home = project.parent / "home"
    assert arguments == ["sync", "--frozen", f"--project={project}", "--no-install-project"]
    assert not hidden.keys() & env.keys()
    assert {name: env[name] for name in kept} == kept
    assert env["VIRTUAL_ENV"] == env["UV_PROJECT_ENVIRONMENT"] == str(home / "env")
    assert env["HOME"] == os.environ["HOME"] and env["TMPDIR"] == str(home / "tmp")
    assert env["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_tool_that_hangs_is_stopped_with_all_it_started(project: Path, programs: Path) -> None:
    """After the time that the caller gave, in one line."""
    child = "if not os.fork():\n    time.sleep(1)\n    open('late', 'w')\n"
    made = uv_plan(project, programs, f"import time\n{child}time.sleep(60)")
    with pytest.raises(
        RepositoryError, match=r"uv could not build the environment of uv.lock: it took too long"
    ):
        build_in(project, made, timeout=0.7)
    time.sleep(1)
    assert not (project / "late").exists()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("sys.exit(3)", "it ended with 3 and said nothing"),
        ("print('error: no', file=sys.stderr); sys.exit(1)", "uv.lock: no; the log is"),
        ("sys.exit('error: https://u:hunter2hunter2@x/y/ is gone')", r"https://x/y/ is gone"),
        ("print('x' * 10**6); sys.exit(1)", "x{400}; the log is"),
    ],
)
def test_a_failure_is_one_line(project: Path, programs: Path, body: str, says: str) -> None:
    """The tool's own words, bounded and without credentials, and where the log is."""
    made = uv_plan(project, programs, body)
    with pytest.raises(RepositoryError, match=says) as caught:
        build_in(project, made)
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_tool_that_cannot_be_started_is_said(project: Path, programs: Path) -> None:
    """It was there when the plan was made."""
    made = uv_plan(project, programs)
    (programs / "uv").write_text("#!/no/such/interpreter\n")
    with pytest.raises(RepositoryError, match=r"uv could not .*: no such file or directory; the log is"):
        build_in(project, made)


def test_what_a_tool_leaves_in_the_tree_is_taken_away(project: Path, programs: Path) -> None:
    """New files and changed ones, after a failure too; not what was there, nor what git ignores."""
    body = "os.makedirs('build/lib'); open('build/lib/x', 'w'); open('train.py', 'w'); "
    body += "open('data.csv', 'a').write('x')"
    made = uv_plan(project, programs, f"{body}; open('own.so', 'w'); sys.exit(1)")
    commit(project, __gitignore="*.so\n")
    (project / "data.csv").write_text("untracked\n")
    with pytest.raises(RepositoryError):
        build_in(project, made)
    assert run_git(project, "status", "--porcelain", "--ignored=no") == "?? data.csv\n"
    assert (project / "own.so").exists() and (project / "train.py").read_text()


def test_an_environment_is_not_built_in_the_tree(project: Path, programs: Path) -> None:
    """Nor for a folder that is no work tree, whose state git could not tell."""
    made = uv_plan(project, programs)
    with pytest.raises(UsageError, match="is inside the code tree"):
        build(made, project, project / "env", 10, project.parent / "log")
    (project / "below").mkdir()
    (project / "below/uv.lock").write_bytes((project / "uv.lock").read_bytes())
    with pytest.raises(UsageError, match="is not the top of a work tree"):
        build(made, project / "below", project.parent / "home", 10, project.parent / "log")


def test_a_program_is_started_in_the_environment(tmp_path: Path) -> None:
    """Its programs first, those of our own environment not at all."""
    made = Environment(kind="uv", path=(tmp_path,), variables={"VIRTUAL_ENV": "/new"}, unset=("PYTHONPATH",))
    before = {"PATH": "/ours/bin:/usr/bin", "VIRTUAL_ENV": "/ours", "PYTHONPATH": "x", "LANG": "C"}
    assert made.environ(before) == {"PATH": f"{tmp_path}:/usr/bin", "VIRTUAL_ENV": "/new", "LANG": "C"}


@rows(
    ("output", "words"),
    [
        ("error: No\n  cause: Mismatch\n\n     Expected:\n  hint: x", "No: Mismatch"),
        ("  × No build of `a`\n  ├─▶ no backend\n  ╰─▶ exit 1\n", "No build of `a`: exit 1"),
        ("ERROR: No version\nERROR: Nothing found for a==1\n", "Nothing found for a==1"),
        ("ERROR: THESE DO NOT MATCH. If you\n    a==1 from x:\n", "THESE DO NOT MATCH: a==1 from x"),
        ("error: x-failed\n\n× Error in metadata.\n╰─> a\n\nnote: x\n", "Error in metadata: a"),
        ("Installing a\n\n  RuntimeError\n\n  Hash for a\n\n  at x:3\n\nCannot.\n", "Hash for a"),
        ("Installing\n\nPython is too old.\nPlease change\n", "Python is too old. Please change"),
        ("error    libmamba No solution\ncritical libmamba Aborted\n", "Aborted"),
        ("Collecting\n\nPackagesNotFoundError: not there\n", "PackagesNotFoundError: not there"),
        ("\x1b[31merror\x1b[0m: red\n", "red"),
        ("It says that ensurepip is not available.", "install its venv module (python3-venv on Debian)"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_last_words_of_tools(output: str, words: str) -> None:
    """uv new and old, pip, Poetry, micromamba, conda, venv."""
    assert last_words(output).rpartition("; ")[2] == words


# --- conda ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "tool", "start"),
    [
        ("conda-linux-64.lock", "micromamba", ["create", "--yes", "--prefix"]),
        ("conda-linux-64.lock", "conda", ["create", "--yes", "--prefix"]),
        ("conda-lock.yml", "micromamba", ["create", "--yes", "--prefix"]),
        ("conda-lock.yml", "conda-lock", ["install", "--prefix"]),
    ],
)
def test_conda_gets_the_lock_as_it_is(
    project: Path, programs: Path, file: str, tool: str, start: list[str]
) -> None:
    """By whichever of the tools is there, into our folder."""
    stand_in(programs, tool)
    (project / file).write_bytes((LOCKS / file).read_bytes())
    environment = build_in(project, plan_for(project, "lock", file))
    ((arguments, _),) = calls(programs)
    env = project.parent / "home/env"
    assert arguments[: len(start)] == start
    assert str(env) in arguments and arguments[-1] == str(project / file)
    assert environment.path == (env / "bin",) and environment.variables == {"CONDA_PREFIX": str(env)}
    assert "activation" in environment.note and "VIRTUAL_ENV" in environment.unset


def test_a_list_for_another_platform_is_refused(project: Path, programs: Path) -> None:
    """conda would install what cannot run here."""
    stand_in(programs, "conda")
    text = (
        (LOCKS / "conda-linux-64.lock").read_text().replace("# platform: linux-64", "# platform: win-arm64")
    )
    assert "win-arm64" in text
    commit(project, conda__lock="", **{"conda-other__lock": text})
    with pytest.raises(UsageError, match="lists packages for win-arm64, and this is"):
        plan_for(project, "conda", "conda-other.lock")


# --- containers ----------------------------------------------------------------------------


def container_plan(project: Path, image: str | None = IMAGE, **more: bool) -> EnvironmentPlan:
    return plan("docker", tree_reader(project), [], image, None, **more)


def test_a_container_gets_the_tree_and_little_else(project: Path, programs: Path) -> None:
    """The recorded image by digest, the user's numbers, no network; values of variables stay out of it."""
    stand_in(programs, "docker", "sys.exit(sys.argv[1] == 'image')")
    common, home = project / ".git", project.parent / "home"
    environment = build(
        container_plan(project), project, home, 10, home / "log", mounts={common: "rw", home: "ro"}
    )
    assert [arguments[0] for arguments, _ in calls(programs)] == ["info", "image", "pull"]
    assert calls(programs)[-1][0] == ["pull", IMAGE]
    line = environment.command_line(
        ["python", "train.py"], project / "src", passed=["SEED"], name="gittrack-1"
    )
    assert line == [
        str(programs / "docker"), "run", "--rm", "--pull=never", "--cap-drop=ALL",
        "--security-opt=no-new-privileges", "--env=HOME=/tmp", "--shm-size=2g", "--init", "--network=none",
        f"--user={os.getuid()}:{os.getgid()}",
        f"--mount=type=bind,source={home},target={home},readonly",
        f"--mount=type=bind,source={project},target={project}",
        f"--mount=type=bind,source={common},target={common}",
        "--name=gittrack-1", f"--workdir={project / 'src'}", "--env=SEED", IMAGE, "python", "train.py",
    ]  # fmt: skip
    assert environment.ending("gittrack-1") == [str(programs / "docker"), "kill", "gittrack-1"]


def test_podman_takes_the_place_of_docker(project: Path, programs: Path) -> None:
    """Rootless, where root inside is the user outside; network and GPUs where they are asked for."""
    stand_in(programs, "podman", "print('  security:\\n    rootless: true')")
    environment = build_in(project, container_plan(project, network=True, gpus=True))
    assert "--user=0:0" in environment.prefix and "--device=nvidia.com/gpu=all" in environment.prefix
    assert not any(word.startswith("--network") for word in environment.prefix)
    assert [arguments[0] for arguments, _ in calls(programs)] == ["info", "image"]


def test_an_engine_that_does_not_answer_is_said(project: Path, programs: Path) -> None:
    """As docker puts it; and so is no engine at all."""
    with pytest.raises(UsageError, match="none of docker, podman is installed"):
        container_plan(project)
    stand_in(programs, "docker", "sys.exit('Server:\\nCannot connect to the Docker daemon at unix:///x')")
    with pytest.raises(RepositoryError, match=r"docker could not provide the image .*: .*Cannot connect"):
        build_in(project, container_plan(project))


def test_an_image_that_is_nowhere_is_said(project: Path, programs: Path) -> None:
    """By id alone nobody can fetch it; by name, the registry's own words."""
    said = {"image": "Error: No such image", "pull": "Error response from daemon: manifest unknown"}
    body = f"sys.exit({said}.get(sys.argv[1]))"
    stand_in(programs, "docker", body)
    with pytest.raises(NotFoundError, match=r"by its id alone .sha256:aaaaaaaaaaaa"):
        build_in(project, container_plan(project, "sha256:" + "a" * 64))
    with pytest.raises(RepositoryError, match="manifest unknown"):
        build_in(project, container_plan(project))


@pytest.mark.parametrize(
    "image", ["python:3.11", "--privileged", "x@sha256:" + "a" * 63, "-v/:/host@sha256:" + "a" * 64]
)
def test_an_image_is_a_digest_and_no_option(project: Path, programs: Path, image: str) -> None:
    """The schema holds that too; nothing of it reaches a command line otherwise."""
    stand_in(programs, "docker")
    with pytest.raises(RecordError, match="which is no digest"):
        container_plan(project, image)
