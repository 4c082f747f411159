"""What the record of a wrapped command says of the Pythons that ran in it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gittrack.formats.record import Record
from tests.ledgers import file_of, records
from tests.recording.commands import PYTHON, gittrack
from tests.repositories import run_git

NAME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
TRAIN = 'import json\njson.dump({"acc": 0.5}, open("metrics.json", "w"))\n'


def environment_at(folder: Path, **packages: str) -> Path:
    """An environment of this interpreter, with packages that are names and versions; its python."""
    (folder / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (folder / "bin" / name).symlink_to(Path(sys.executable).resolve())
    home = Path(sys.executable).resolve().parent
    (folder / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    for name, version in packages.items():
        (folder / "lib" / NAME / "site-packages" / f"{name}-{version}.dist-info").mkdir(parents=True)
    return folder / "bin/python"


@pytest.fixture
def job(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with train.py and prep.py, and .venv, which has rarething 1.5."""
    (project / "train.py").write_text(TRAIN)
    (project / "prep.py").write_text("print(1)\n")
    (project / "launch.py").write_text(
        "import os; os.execv('.venv/bin/python', ['.venv/bin/python', 'train.py'])"
    )
    (project / ".gitignore").write_text(".venv\nmetrics.json\n")
    (project / "requirements.txt").write_text("rarething==1.5\n")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "job")
    environment_at(project / ".venv", rarething="1.5")
    for name in ("PYTHONPATH", "GITTRACK_NO_HOOK", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return project


def environment_of(project: Path, record: Record) -> dict[str, Any]:
    environment: dict[str, Any] = yaml.safe_load(file_of(project, record, "environment.yaml"))
    return environment


def run_one(project: Path, *command: str, **variables: str) -> tuple[Record, dict[str, Any]]:
    """The record of `command`, and its environment.yaml."""
    gittrack(project, "run", "--", *command, env=variables)
    record = records(project)[-1]
    return record, environment_of(project, record)


@pytest.mark.parametrize(
    "command",
    [
        (".venv/bin/python", "train.py"),
        ("sh", "-c", ".venv/bin/python train.py"),
        ("sh", "-c", "PATH=$PWD/.venv/bin:$PATH; exec python train.py"),
        (".venv/bin/python", "-I", "train.py"),
        ("env", "-i", ".venv/bin/python", "train.py"),
        (PYTHON, "-c", "import subprocess; subprocess.run(['.venv/bin/python', 'train.py'])"),
        (PYTHON, "launch.py"),
    ],
)
def test_the_packages_are_those_of_the_interpreter_that_ran(job: Path, command: tuple[str, ...]) -> None:
    """Whoever starts it, with our hook or where that cannot run; and the lock is compared with these."""
    record, environment = run_one(job, *command)
    assert environment["packages"] == {"rarething": "1.5"}
    assert environment["python"]["prefix"] == "venv" and environment["python"]["executable"] == "python"
    assert record.environment.python == environment["python"]["version"] == sys.version.split()[0]
    installed = record.locks[0].installed
    assert installed is not None and (installed.same, installed.differs, installed.missing) == (1, 0, 0)


def test_the_hook_can_be_switched_off(job: Path) -> None:
    """By the environment or gittrack.yaml; the interpreter is then learned by looking at it."""
    seen = "import os, time; print(os.environ.get('PYTHONPATH'), file=open('seen', 'w')); time.sleep(0.3)"
    assert run_one(job, ".venv/bin/python", "-c", seen)[1]["packages"] == {"rarething": "1.5"}
    assert "startup" in (job / "seen").read_text()
    assert run_one(job, ".venv/bin/python", "-c", seen, GITTRACK_NO_HOOK="1")[1]["packages"] == {
        "rarething": "1.5"
    }
    assert (job / "seen").read_text() == "None\n"
    (job / "gittrack.yaml").write_text("capture:\n  interpreter: false\n")
    assert run_one(job, ".venv/bin/python", "-c", seen)[1]["packages"] == {"rarething": "1.5"}
    assert (job / "seen").read_text() == "None\n"


def test_each_python_of_a_job_is_recorded(job: Path, tmp_path: Path) -> None:
    """The main one is the last that ran code of the project; the list begins with it."""
    other = shlex.quote(str(environment_at(tmp_path / "other", furtherthing="2.0")))
    _, environment = run_one(job, "sh", "-c", f".venv/bin/python prep.py; {other} train.py")
    assert environment["packages"] == {"furtherthing": "2.0"}
    assert [(i["ran"], i["packages"]) for i in environment["interpreters"]] == [
        (["train.py"], {"furtherthing": "2.0"}),
        (["prep.py"], {"rarething": "1.5"}),
    ]
    shown = gittrack(job, "show").stdout
    assert f"also ran  Python {sys.version.split()[0]}: prep.py" in shown
    _, environment = run_one(
        job, "sh", "-c", f"{other} prep.py; .venv/bin/python -m train", OMP_NUM_THREADS="2"
    )
    assert environment["packages"] == {"rarething": "1.5"}
    assert environment["variables"]["OMP_NUM_THREADS"] == "2"


def test_an_environment_that_is_gone_when_the_job_ends(job: Path) -> None:
    """As `uv run --isolated` makes them: its packages are those that it had, and nothing is made up."""
    command = "mv .venv once; once/bin/python -c 'import time; time.sleep(0.6)'; rm -r once"
    _, environment = run_one(job, "sh", "-c", command)
    assert environment["packages"] == {"rarething": "1.5"} and "interpreters" not in environment


def test_an_interpreter_that_cannot_be_told_is_not_made_up(job: Path) -> None:
    """Isolated, and under a name that leads nowhere: which environment it belongs to nobody knows."""
    command = "exec -a trainer .venv/bin/python -I -c 'import time; time.sleep(0.3)'"
    _, environment = run_one(job, "bash", "-c", command)
    assert "packages" not in environment and "python" not in environment


def test_variables_are_those_of_the_program(job: Path) -> None:
    """Not gittrack's own."""
    command = ("sh", "-c", "OMP_NUM_THREADS=3 .venv/bin/python train.py")
    record, environment = run_one(job, *command, OMP_NUM_THREADS="7")
    assert environment["variables"]["OMP_NUM_THREADS"] == "3"
    assert record.determinism["env.OMP_NUM_THREADS"] == "3"


def test_a_program_that_is_no_python_has_no_packages(job: Path) -> None:
    """A compiled program, R: python and packages are absent, and readers say that they are not known."""
    record, environment = run_one(job, "true")
    assert "python" not in environment and "packages" not in environment and "blas" not in environment
    assert record.environment.python is None and record.locks[0].installed is None
    run_one(job, ".venv/bin/python", "train.py")
    shown = gittrack(job, "show", record.id).stdout
    assert "python  not known" in shown
    differences = gittrack(job, "diff", record.id, "latest").stdout
    assert "is not known" in differences and "rarething" not in differences
    assert "PASS" in gittrack(job, "verify").stdout
    bill = json.loads(gittrack(job, "export", record.id, "--to", "cyclonedx").stdout)
    assert [c for c in bill.get("components", []) if c["name"] == "python"] == []


def test_the_users_sitecustomize_runs_and_sys_path_is_as_without(job: Path, tmp_path: Path) -> None:
    """The hook leaves nothing behind but a variable for those that the program starts."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import os\nos.environ['MINE'] = __name__\n")
    program = "import os, sys; print(os.environ['MINE'], sys.path, sys.modules['sitecustomize'].__file__)"
    command = (PYTHON, "-c", program)
    plain = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        check=True,
        cwd=job,
    )
    wrapped = gittrack(job, "run", "--", *command, env={"PYTHONPATH": str(tmp_path / "site")})
    assert plain.stdout.decode() in wrapped.stdout


def test_what_was_imported_is_recorded(job: Path) -> None:
    """Distributions by their names, whatever their modules are called."""
    _, environment = run_one(job, PYTHON, "-c", "import yaml, dateutil")
    assert {"pyyaml", "python-dateutil"} <= {*environment["imported"]} and "numpy" not in environment[
        "imported"
    ]


def test_a_program_that_calls_gittrack_itself_says_what_it_runs_in(job: Path) -> None:
    """One that joins the run is the main one, whatever it starts, and whatever comes after it."""
    joins = "import gittrack, yaml, subprocess\nwith gittrack.start_run(): pass\n"
    (job / "joins.py").write_text(joins)
    record, environment = run_one(job, "sh", "-c", f"{PYTHON} joins.py; .venv/bin/python train.py")
    assert "rarething" not in environment["packages"] and "pyyaml" in environment["packages"]
    assert "pyyaml" in environment["imported"] and "blas" in environment
    assert [i["ran"] for i in environment["interpreters"]] == [["joins.py"], ["train.py"]]
    assert record.environment.python == sys.version.split()[0]
    assert "PASS" in gittrack(job, "verify").stdout


def test_a_program_that_calls_gittrack_and_becomes_another(job: Path) -> None:
    """What it says of itself is not said of the Python that its process runs later."""
    becomes = "os.execv('.venv/bin/python', ['.venv/bin/python', 'prep.py'])"
    (job / "train.py").write_text(f"import os, gittrack\ngittrack.start_run()\n{becomes}\n")
    _, environment = run_one(job, PYTHON, "train.py")
    first, second = environment["interpreters"]
    assert (first["ran"], second["ran"]) == (["train.py"], ["prep.py"])
    assert first["packages"] == environment["packages"] and second["packages"] == {"rarething": "1.5"}


def test_a_lost_job_has_its_interpreter(job: Path) -> None:
    """gittrack run was killed: recover takes what the Pythons had said of themselves."""
    program = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    subprocess.run(
        [PYTHON, "-P", "-m", "gittrack", "run", "--", ".venv/bin/python", "-c", program], cwd=job, check=False
    )
    gittrack(job, "recover")
    record = records(job)[-1]
    assert record.status == "killed"
    assert environment_of(job, record)["packages"] == {"rarething": "1.5"}
