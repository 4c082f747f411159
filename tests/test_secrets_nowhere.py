"""Promise 6: no secret that a run comes across is stored anywhere in the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repositories import run_git

SECRETS = {
    "in a variable": "varsecret-Zk39dkQpA81m",
    "in a variable of odd name": "oddsecret-Pq81mZk39dkA",
    "in the user of the remote": "urlsecret-Mn42hhTq70Zx",
    "in an option": "optsecret-Yt55vcBw12Lk",
    "in an assignment": "assignsecret-Hj29sdFg73Re",
    "shaped as a token": "ghp_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z",
    "in a url of the command": "cmdsecret-Wp90kkDs33Vn",
    "in an untracked .env": "filesecret-Ux77qqJa60Cd",
    "in a parameter": "paramsecret-Bn18xxKe52Gh",
}
ENVIRONMENT = {
    "WANDB_API_KEY": SECRETS["in a variable"],
    "DATABASE_PASSWORD": SECRETS["in a variable of odd name"],
}
COMMAND = [
    "--api-key",
    SECRETS["in an option"],
    f"WANDB_API_KEY={SECRETS['in an assignment']}",
    SECRETS["shaped as a token"],
    f"https://ada:{SECRETS['in a url of the command']}@example.com/data",
]
SCRIPT = """
import os, sys
import gittrack
params = {"lr": 0.1, "api_key": open(sys.argv[-1]).read()}
with gittrack.start_run(params=params, tags={"cmd": " ".join(sys.argv)}) as run:
    run.log_metric("loss", 1, step=0)
    print("argv", sys.argv)
    print("env", os.environ["WANDB_API_KEY"], "DATABASE_PASSWORD=" + os.environ["DATABASE_PASSWORD"])
    print("remote", os.popen("git remote get-url origin").read(), file=sys.stderr)
    raise ValueError("cannot log in with " + os.environ["WANDB_API_KEY"] + " and " + " ".join(sys.argv[1:]))
"""


@pytest.fixture
def exposed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with secrets wherever people put them."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    url = f"https://ada:{SECRETS['in the user of the remote']}@example.com/ada/project.git"
    run_git(project, "remote", "add", "origin", url)
    (project / "fit.py").write_text(SCRIPT)
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "fit")
    (project / ".env").write_text(f"KEY={SECRETS['in an untracked .env']}\n")
    (project.parent / "key").write_text(SECRETS["in a parameter"])
    (project / "notes.txt").write_text("so that the tree is dirty")
    return project


def stored(top: Path) -> bytes:
    """Every object, ref, reflog and every file of gittrack's own; not .git/config, which is the user's."""
    said = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"], cwd=top, capture_output=True, check=True
    ).stdout
    folders = [top / ".git/gittrack", top / ".git/logs", top / ".git/refs"]
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    assert any(p.is_relative_to(folders[0]) for p in files)
    refs = run_git(top, "for-each-ref", "--format=%(refname) %(contents)").encode()
    return b"\0".join([said, refs, *(os.fsencode(p) + p.read_bytes() for p in files)])


def assert_no_secret(top: Path) -> None:
    everything = stored(top)
    assert b"notes.txt" in everything
    found = [where for where, secret in SECRETS.items() if secret.encode() in everything]
    assert found == []


def run(top: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=top, capture_output=True, text=True, check=False)


def test_through_the_api(exposed: Path) -> None:
    """A script that calls start_run()."""
    done = run(exposed, "fit.py", *COMMAND, "../key")
    assert done.returncode == 1
    assert "failed" in run_git(exposed, "log", "-1", "--format=%s", "gittrack/runs")
    assert_no_secret(exposed)


@pytest.mark.parametrize("joins", [True, False])
def test_through_gittrack_run(exposed: Path, joins: bool) -> None:
    """A wrapped script, whether it joins or not, its output kept."""
    if not joins:
        text = (exposed / "fit.py").read_text().replace("import gittrack\n", "")
        start = text.index("with gittrack")
        body = text[start:].split("\n", 2)[2].replace("    ", "")
        (exposed / "fit.py").write_text(text[:start] + body)
    options = ["--pass", "env", "-S", "lr=0.1"]
    if not joins:
        options += ["-S", f"api_key={SECRETS['in a parameter']}", "-m", f"logs in with {COMMAND[3]}"]
    command = [sys.executable, "fit.py", *COMMAND, "../key"]
    done = run(exposed, "-m", "gittrack", "run", *options, "--", *command)
    assert done.returncode == 1
    for secret in COMMAND[1], SECRETS["in a variable"]:
        assert secret in done.stdout  # the person still sees it; only the record does not
    kept = run_git(exposed, "ls-tree", "-r", "--name-only", "gittrack/runs")
    assert "console.txt" in kept
    assert_no_secret(exposed)


def test_while_the_run_goes_on(exposed: Path) -> None:
    """The journal of a run that was killed holds none either."""
    text = (exposed / "fit.py").read_text().replace("raise ValueError(", "import signal; str(")
    (exposed / "fit.py").write_text(text + "    run._journal.flush(); os.kill(os.getpid(), signal.SIGKILL)\n")
    done = run(exposed, "fit.py", *COMMAND, "../key")
    assert done.returncode == -9, done.stderr
    assert list((exposed / ".git/gittrack/journal").iterdir())
    assert_no_secret(exposed)
