"""Shims are put in place and taken away without harm to the hooks of others."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.cli.githooks import install as shims
from gittrack.errors import UsageError
from gittrack.git.repository import Repository
from tests.cli.githooks import pipeline


def hooks(*arguments: str) -> None:
    assert cli.execute(["hooks", *arguments]) == 0


def git(where: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=where, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **extra},
    )  # fmt: skip


def recorded(top: Path) -> list[str]:
    """Subjects of the runs on the ledger, newest first."""
    out = git(top, "log", "--format=%s", "gittrack/runs").stdout.splitlines()
    return [line for line in out if line.startswith("run ")]


def test_dvc_repro_and_commit_alone_put_a_record_on_the_ledger(dvc_project: Path) -> None:
    """And a commit that trained nothing puts none there."""
    hooks("install")
    pipeline.train(dvc_project)
    done = git(dvc_project, "commit", "-q", "-m", "train")
    assert done.returncode == 0 and "gittrack: recorded default" in done.stderr
    (dvc_project / "README").write_text("words\n")
    git(dvc_project, "add", "README")
    assert git(dvc_project, "commit", "-q", "-m", "words").stderr == ""
    assert len(recorded(dvc_project)) == 1
    assert git(dvc_project, "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("how", [["-a"], ["-o", "dvc.lock", "metrics.json"]], ids=["all", "only"])
def test_every_way_to_commit_is_seen(dvc_project: Path, how: list[str]) -> None:
    """-a and -o use an index of their own, which gittrack neither reads nor writes."""
    hooks("install", "--all")
    pipeline.train(dvc_project)
    git(dvc_project, "commit", "-q", "-m", "train")
    pipeline.train(dvc_project, acc=0.95)
    git(dvc_project, "reset", "-q")
    done = git(dvc_project, "commit", "-q", "-m", "again", *how)
    assert done.returncode == 0, done.stderr
    assert len(recorded(dvc_project)) == 2


def test_a_linked_work_tree_records_too(dvc_project: Path, tmp_path: Path) -> None:
    """Hooks are shared by all work trees; git says there where it is with GIT_DIR."""
    hooks("install")
    git(dvc_project, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    pipeline.train(linked)
    assert git(linked, "commit", "-q", "-m", "train").returncode == 0
    assert len(recorded(linked)) == 1


def test_a_failing_hook_says_one_line_and_costs_no_commit(dvc_project: Path) -> None:
    """post-commit comes after the commit, and cannot undo it."""
    hooks("install")
    (dvc_project / "dvc.lock").write_text("schema: '2.0'\nstages: [&a [*a]]\n")
    git(dvc_project, "add", "-A")
    done = git(dvc_project, "commit", "-q", "-m", "broken")
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1
    assert "nothing is known of the stages in dvc.lock" in done.stderr
    git(dvc_project, "config", "gittrack.python", "/nowhere/python")
    pipeline.train(dvc_project)
    assert git(dvc_project, "commit", "-q", "-m", "no python").returncode == 0


def test_hooks_of_others_are_called_with_arguments_and_input_and_given_back(
    dvc_project: Path, tmp_path: Path
) -> None:
    """Byte for byte, with their mode; install can be repeated."""
    folder = dvc_project / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    log = tmp_path / "log"
    theirs = f"""#!/bin/sh\nprintf "%s" "${{0##*/}} $*|" >>'{log}'\n[ -t 0 ] || cat >>'{log}'\n"""
    for event in shims.EVENTS:
        (folder / event).write_text(theirs)
        (folder / event).chmod(0o755)
    hooks("install", "--all")
    hooks("install", "--all")
    assert {h.event for h in shims.status(Repository.discover()) if h.chained} == {
        *shims.DEFAULT, *shims.OPTIONAL
    }  # fmt: skip
    git(dvc_project, "init", "-q", "--bare", str(tmp_path / "bare"))
    git(dvc_project, "commit", "-q", "--allow-empty", "-m", "x")
    git(dvc_project, "commit", "-q", "--amend", "--allow-empty", "-m", "y")
    git(dvc_project, "push", "-q", str(tmp_path / "bare"), "main")
    said = log.read_text()
    head = git(dvc_project, "rev-parse", "HEAD").stdout.strip()
    assert "pre-commit" in said and "prepare-commit-msg.gittrack-kept .git/COMMIT_EDITMSG" in said
    assert f"pre-push.gittrack-kept {tmp_path / 'bare'} {tmp_path / 'bare'}|refs/heads/main {head}" in said
    assert "post-rewrite.gittrack-kept amend|" in said and f" {head}\n" in said
    hooks("uninstall")
    for event in shims.EVENTS:
        assert (folder / event).read_text() == theirs and os.access(folder / event, os.X_OK)
    assert not list(folder.glob("*gittrack*"))
    assert git(dvc_project, "config", "--get-regexp", "^gittrack").stdout == ""


def test_a_hook_of_others_that_refuses_refuses(dvc_project: Path) -> None:
    """pre-commit of others keeps its word."""
    hook = dvc_project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 3\n")
    hook.chmod(0o755)
    hooks("install", "--all")
    assert git(dvc_project, "commit", "-q", "--allow-empty", "-m", "x").returncode != 0


def test_a_hooks_folder_in_the_repository_is_used(dvc_project: Path) -> None:
    """core.hooksPath as husky-like tools set it."""
    git(dvc_project, "config", "core.hooksPath", ".hooks")
    hooks("install")
    assert (dvc_project / ".hooks" / "post-commit").read_bytes() == shims.shim("post-commit")
    pipeline.train(dvc_project)
    git(dvc_project, "commit", "-q", "-m", "train")
    assert len(recorded(dvc_project)) == 1


def test_a_hooks_folder_that_others_share_is_left_alone(dvc_project: Path, tmp_path: Path) -> None:
    """Outside the repository, and husky 9's own folder, where a renamed hook would be lost."""
    git(dvc_project, "config", "core.hooksPath", str(tmp_path / "shared"))
    with pytest.raises(UsageError, match="shares with others"):
        shims.install(Repository.discover(), shims.DEFAULT)
    (dvc_project / ".husky" / "_").mkdir(parents=True)
    (dvc_project / ".husky" / "_" / "h").write_text("")
    git(dvc_project, "config", "core.hooksPath", ".husky/_")
    with pytest.raises(UsageError, match="husky"):
        shims.install(Repository.discover(), shims.DEFAULT)


def test_pre_commit_installed_later_still_calls_the_shim(dvc_project: Path) -> None:
    """It moves what it finds to .legacy and calls that; the hook that we keep is called through it."""
    folder = dvc_project / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    (folder / "post-commit").write_text("#!/bin/sh\ntouch ran\n")
    (folder / "post-commit").chmod(0o755)
    hooks("install")
    (folder / "post-commit").rename(folder / "post-commit.legacy")
    (folder / "post-commit").write_text('#!/bin/sh\nexec "${0%/*}/post-commit.legacy" "$@"\n')
    (folder / "post-commit").chmod(0o755)
    assert [h.state for h in shims.status(Repository.discover()) if h.event == "post-commit"] == ["installed"]
    pipeline.train(dvc_project)
    git(dvc_project, "commit", "-q", "-m", "train")
    assert len(recorded(dvc_project)) == 1 and (dvc_project / "ran").exists()
    hooks("uninstall")
    assert (folder / "post-commit.legacy").read_text() == "#!/bin/sh\ntouch ran\n"


def test_status_tells_foreign_and_outdated(dvc_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that somebody who upgrades sees what to install again."""
    hooks("install")
    folder = dvc_project / ".git" / "hooks"
    (folder / "post-commit").write_text("#!/bin/sh\n# gittrack: an older one\n")
    (folder / "pre-push").write_text("#!/bin/sh\nexit 0\n")
    hooks("status")
    said = capsys.readouterr().out
    states = dict(line.split(None, 1) for line in said.splitlines()[3:])
    assert states["post-commit"] == "outdated" and states["pre-push"] == "foreign"
    assert states["post-rewrite"] == "installed" and states["pre-receive"] == "absent"


def test_what_is_looked_for_follows_dvc_yaml(dvc_project: Path) -> None:
    """A commit that changes dvc.yaml brings the shims' list up to date."""
    hooks("install")
    before = git(dvc_project, "config", "--get-all", "gittrack.watch").stdout
    assert r"metrics\.json" in before
    text = (dvc_project / "dvc.yaml").read_text()
    (dvc_project / "dvc.yaml").write_text(text.replace("metrics.json", "scores+new.json"))
    git(dvc_project, "commit", "-q", "-a", "-m", "other metrics")
    assert r"scores\+new\.json" in git(dvc_project, "config", "--get-all", "gittrack.watch").stdout
    (dvc_project / "scores+new.json").write_text('{"acc": 0.5}')
    git(dvc_project, "add", "-A")
    git(dvc_project, "commit", "-q", "-m", "train")
    assert len(recorded(dvc_project)) == 1


def test_amend_and_rebase_record_nothing_twice_and_note_the_new_names(dvc_project: Path) -> None:
    """The record keeps naming the commit that was there; the anchor keeps that, a note says its new name."""
    hooks("install")
    pipeline.train(dvc_project)
    git(dvc_project, "commit", "-q", "-m", "train")
    old = git(dvc_project, "rev-parse", "HEAD").stdout.strip()
    git(dvc_project, "commit", "-q", "--amend", "-m", "train, better said")
    new = git(dvc_project, "rev-parse", "HEAD").stdout.strip()
    assert len(recorded(dvc_project)) == 1
    assert git(dvc_project, "notes", "--ref=gittrack/rewritten", "show", old).stdout.strip() == (
        f"Rewritten-as: {new}"
    )
    assert git(dvc_project, "merge-base", "--is-ancestor", old, "refs/gittrack/code").returncode == 0
    pipeline.train(dvc_project, acc=0.99)
    git(dvc_project, "commit", "-q", "--amend", "-m", "trained again")
    assert len(recorded(dvc_project)) == 2, "another result is another run"
    git(dvc_project, "checkout", "-q", "-b", "side", "HEAD~1")
    git(dvc_project, "commit", "-q", "--allow-empty", "-m", "side")
    done = git(dvc_project, "rebase", "-q", "side", "main")
    assert done.returncode == 0, done.stderr
    assert len(recorded(dvc_project)) == 2


def test_a_commit_of_a_snapshot_names_its_runs(dvc_project: Path) -> None:
    """prepare-commit-msg: code that ran uncommitted is committed as it ran."""
    hooks("install", "--all")
    (dvc_project / "train.py").write_text("print('changed')\n")
    assert cli.execute(["run", "-e", "digits", "--", "true"]) == 0
    run_id = recorded(dvc_project)[0].split(" ")[2].rstrip(":")
    git(dvc_project, "commit", "-q", "-a", "-m", "the code of that run")
    assert f"Gittrack-Run: {run_id}" in git(dvc_project, "log", "-1", "--format=%B").stdout
    (dvc_project / "train.py").write_text("print('other')\n")
    git(dvc_project, "commit", "-q", "-a", "-m", "other code")
    assert "Gittrack-Run" not in git(dvc_project, "log", "-1", "--format=%B").stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("params.yaml", "ran with train.lr: 0.1, but params.yaml has 0.2"),
        ("metrics.json", "metrics.json was made as md5"),
        ("train.py", "train.py was read as md5"),
        ("data/raw.csv.dvc", "data/raw.csv was read as md5"),
    ],
)
def test_a_result_that_contradicts_itself_is_refused(dvc_project: Path, change: str, reason: str) -> None:
    """pre-commit: dvc.lock against the parameters, pointers, code and metrics staged with it."""
    hooks("install", "--all")
    pipeline.train(dvc_project, params=0.2 if change == "params.yaml" else None)
    if change.endswith(".dvc"):
        text = (dvc_project / change).read_text()
        (dvc_project / change).write_text(text.replace(pipeline.md5(b"1,2\n"), "a" * 32))
    elif change != "params.yaml":
        (dvc_project / change).write_text("{}\n")
    git(dvc_project, "add", "-A")
    done = git(dvc_project, "commit", "-q", "-m", "train")
    assert done.returncode != 0 and reason in done.stderr
    assert git(dvc_project, "commit", "-q", "--no-verify", "-m", "train").returncode == 0


@pytest.mark.parametrize(
    ("message", "taken"),
    [
        ("train\n\nGittrack-Experiment: digits\n", True),
        ("train\n\nbody\n\nGittrack-Experiment: digits\nSigned-off-by: Ada <a@x.org>\n# a comment\n", True),
        ("train\n\nsays Gittrack-Experiment: my digits\n", True),
        ("train\n\nGittrack-Experiment: my digits\n", False),
        ("train\n\nGittrack-Experiment: ../digits\n", False),
        ("train\n\nGittrack-Experiment:\n", False),
        ("train\n\nGittrack-Experiment: digits\n\nmore\n", False),
        ("Gittrack-Experiment: digits\n", False),
    ],
)
def test_a_trailer_that_names_no_experiment_is_refused(dvc_project: Path, message: str, taken: bool) -> None:
    """commit-msg: rather than that the commit is recorded elsewhere, or not at all."""
    hooks("install", "--all")
    (dvc_project / "message").write_text(message)
    commit = ["commit", "-q", "--allow-empty", "--cleanup=strip", "-F", "message"]
    done = git(dvc_project, *commit)
    assert (done.returncode == 0) == taken, done.stderr
    assert ("names no experiment" in done.stderr) != taken
    if taken and "says" not in message:
        assert recorded(dvc_project)[0].startswith("run digits ")


def test_a_commit_that_trains_nothing_starts_no_python(dvc_project: Path) -> None:
    """Nothing but git and grep: with an interpreter that would tell, it is not asked."""
    hooks("install")
    git(dvc_project, "config", "gittrack.python", "/nowhere/python")
    done = git(dvc_project, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert (done.returncode, done.stderr) == (0, "")


GONE = {
    "venv removed": "#!/nowhere/python\n",
    "gittrack removed": "#!/bin/sh\nexit 1\n",
    "interpreter broken": "#!/bin/sh\nexit 127\n",
}


@pytest.mark.parametrize("why", ["path that is gone", *GONE])
def test_hooks_whose_interpreter_is_gone_block_no_commit(dvc_project: Path, tmp_path: Path, why: str) -> None:
    """Each says in one line what was not done; a push of code goes through, one of the ledger does not."""
    hooks("install", "--all")
    python = tmp_path / "python"
    if why in GONE:
        python.write_text(GONE[why])
        python.chmod(0o755)
    git(dvc_project, "config", "gittrack.python", str(python))
    pipeline.train(dvc_project)
    done = git(dvc_project, "commit", "-q", "-m", "train\n\nGittrack-Experiment: digits")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gittrack: ")]
    said = [line.split(": ")[1] for line in lines]
    assert said == [
        "the result was not checked",
        "runs were not named",
        "the message was not checked",
        "the commit was not recorded",
    ]
    assert all(f"{python}, which had gittrack, is gone" in line for line in lines)
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    git(dvc_project, "remote", "add", "origin", str(tmp_path / "hub.git"))
    git(dvc_project, "config", "gittrack.pushLedger", "true")
    pushed = git(dvc_project, "push", "-q", "origin", "main")
    assert pushed.returncode == 0 and "the ledger was not checked" in pushed.stderr
    git(dvc_project, "branch", "gittrack/runs")
    pushed = git(dvc_project, "push", "-q", "origin", "gittrack/runs")
    assert pushed.returncode == 1 and "the ledger was not checked" in pushed.stderr
