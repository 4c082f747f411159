"""A training commit brings results; a changed file is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.formats.config import Config, parse
from gittrack.git.repository import Repository
from gittrack.recording.commits import record_commits
from gittrack.recording.commits.select import judge, training_commits
from tests.cli.githooks import pipeline
from tests.repositories import run_git


def commit(top: Path, message: str = "train") -> str:
    run_git(top, "add", "-A")
    run_git(top, "commit", "-q", "--allow-empty", "-m", message)
    return run_git(top, "rev-parse", "HEAD").strip()


def train(top: Path, *, lr: float, acc: float) -> str:
    pipeline.train(top, lr=lr, acc=acc)
    return commit(top, f"train lr={lr}")


def selected(revisions: str | None, config: Config | None = None) -> list[str]:
    return training_commits(Repository.discover(), config or Config(), revisions).commits


def delete_lock(top: Path) -> None:
    (top / "dvc.lock").unlink()


def delete_metrics(top: Path) -> None:
    (top / "metrics.json").unlink()


def change_modes(top: Path) -> None:
    for name in ("dvc.lock", "metrics.json"):
        (top / name).chmod(0o755)


def revert(top: Path) -> None:
    run_git(top, "revert", "--no-edit", "HEAD")


def restore(top: Path) -> None:
    run_git(top, "checkout", "HEAD~1", "--", "dvc.lock", "metrics.json", "params.yaml")


def move(top: Path) -> None:
    (top / "sub").mkdir()
    run_git(top, "mv", "dvc.yaml", "dvc.lock", "metrics.json", "params.yaml", "sub")


def rewrite_metrics(top: Path) -> None:
    """As a formatter does, or git with other ends of lines."""
    values = json.loads((top / "metrics.json").read_text())
    (top / "metrics.json").write_bytes(json.dumps(values, indent=2, sort_keys=True).encode() + b"\r\n")


def remark(top: Path) -> None:
    """As after `dvc push` to a version-aware remote, or with a newer DVC."""
    lock = top / "dvc.lock"
    text = lock.read_text().replace("hash: md5", "hash: md5\n      cloud: {store: {version_id: x}}")
    lock.write_text("# a comment\n" + text)


@pytest.mark.parametrize(
    "change", [delete_lock, delete_metrics, change_modes, revert, restore, move, rewrite_metrics, remark]
)
def test_a_commit_that_brings_no_result_is_none(dvc_project: Path, change: Callable[[Path], None]) -> None:
    """For a range, the whole history and the hook alike; named alone, the run that is there is said."""
    wanted = [train(dvc_project, lr=0.1, acc=0.8), train(dvc_project, lr=0.2, acc=0.9)]
    change(dvc_project)
    head = commit(dvc_project, "no training")
    assert selected(None) == selected("..HEAD") == wanted
    assert selected(f"{wanted[1]}..HEAD") == []
    repo = Repository.discover()
    assert judge(repo, Config(), head).commits == []
    record_commits(repo, Config(), wanted)
    named = training_commits(repo, Config(), "HEAD")
    assert named.commits == [] and list(named.copies) == [head]
    assert set(named.copies[head]) <= set(wanted)


def test_what_comes_back_after_a_deletion_is_no_new_run(dvc_project: Path) -> None:
    """The results were there before."""
    first = train(dvc_project, lr=0.1, acc=0.8)
    delete_lock(dvc_project)
    commit(dvc_project, "gone")
    run_git(dvc_project, "checkout", first, "--", "dvc.lock")
    commit(dvc_project, "back")
    assert selected("..HEAD") == [first]


def test_what_comes_back_is_the_run_that_was_recorded(dvc_project: Path) -> None:
    """Also where a copy that nobody recorded brought it to this branch, as a squashed merge does."""
    start = run_git(dvc_project, "rev-parse", "HEAD").strip()
    side = train(dvc_project, lr=0.1, acc=0.8)
    repo = Repository.discover()
    record_commits(repo, Config(), [side])
    run_git(dvc_project, "reset", "-q", "--soft", start)
    commit(dvc_project, "squashed")
    for _ in range(2):
        revert(dvc_project)
    head = run_git(dvc_project, "rev-parse", "HEAD").strip()
    named = training_commits(repo, Config(), "HEAD")
    assert (named.commits, named.copies, named.results_from) == ([], {head: (side,)}, {})


def test_of_several_commits_that_brought_the_results_the_last_is_named(dvc_project: Path) -> None:
    """Not whichever a set gives first: the last one had them all."""
    wanted = [train(dvc_project, lr=lr, acc=lr) for lr in (0.1, 0.2)]
    lock = (dvc_project / "dvc.lock").read_text()
    (dvc_project / "dvc.lock").write_text(f"<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> side\n")
    commit(dvc_project, "conflict")
    (dvc_project / "dvc.lock").write_text(lock)
    head = commit(dvc_project, "mended")
    assert training_commits(Repository.discover(), Config(), "..HEAD").copies == {head: (wanted[1],)}


def test_results_of_two_branches_are_of_both(dvc_project: Path) -> None:
    """A squash of what neither branch had together names both."""
    start = run_git(dvc_project, "rev-parse", "HEAD").strip()
    wanted = []
    for name in ("a", "b"):
        run_git(dvc_project, "checkout", "-q", "-b", name, start)
        (dvc_project / name).mkdir()
        lock = f"schema: '2.0'\nstages:\n  {name}:\n    cmd: make {name}\n"
        (dvc_project / name / "dvc.lock").write_text(lock)
        wanted.append(commit(dvc_project, name))
    run_git(dvc_project, "checkout", "-q", wanted[0], "--", "a")
    run_git(dvc_project, "reset", "-q", "--soft", start)
    run_git(dvc_project, "checkout", "-q", "-b", "both")
    head = commit(dvc_project, "squashed")
    repo = Repository.discover()
    record_commits(repo, Config(), wanted[1:])
    record_commits(repo, Config(), wanted[:1])
    named = training_commits(repo, Config(), head)
    assert named.commits == [] and set(named.copies[head]) == set(wanted)


@pytest.mark.parametrize("ending", ["json", "yaml", "csv"])
def test_another_value_of_metrics_is_another_result(dvc_project: Path, ending: str) -> None:
    """Though a rewritten file of equal values is none."""
    config = parse(f"training_commit: {{metrics: [scores.{ending}]}}".encode())
    wanted = []
    for acc in ("0.8", "0.81"):
        texts = {"json": f'{{"acc": {acc}}}', "yaml": f"acc: {acc}", "csv": f"acc\n{acc}"}
        scores = dvc_project / f"scores.{ending}"
        scores.write_text(texts[ending])
        wanted.append(commit(dvc_project))
        scores.write_bytes(texts[ending].replace("\n", "\r\n").encode() + b"\r\n")
        commit(dvc_project, "ends of lines")
    assert selected("..HEAD", config) == wanted


def test_equal_metrics_of_other_parameters_are_another_result(dvc_project: Path) -> None:
    """Without a dvc.lock, a value that comes back is a run, where its parameters are new."""
    config = parse(b"training_commit: {metrics: [scores.json]}")
    wanted = []
    for lr, acc in ((0.1, 0.8), (0.2, 0.9), (0.3, 0.8)):
        (dvc_project / "params.yaml").write_text(f"lr: {lr}\n")
        (dvc_project / "scores.json").write_text(f'{{"acc": {acc}}}')
        wanted.append(commit(dvc_project))
    run_git(dvc_project, "revert", "--no-edit", "HEAD")
    (dvc_project / "params.yaml").write_text("lr: 0.4\n")
    commit(dvc_project, "parameters alone")
    assert selected("..HEAD", config) == wanted


def test_a_merge_counts_only_with_results_of_its_own(dvc_project: Path) -> None:
    """A merge of recorded branches brings nothing, also where git joins two stages into one dvc.lock."""
    base = train(dvc_project, lr=0.1, acc=0.8)
    run_git(dvc_project, "checkout", "-q", "-b", "side")
    side = train(dvc_project, lr=0.2, acc=0.9)
    run_git(dvc_project, "checkout", "-q", "-")
    (dvc_project / "train.py").write_text("# docs\n")
    commit(dvc_project, "code")
    run_git(dvc_project, "merge", "-q", "--no-ff", "-m", "merge", "side")
    assert selected("..HEAD") == [base, side]
    run_git(dvc_project, "checkout", "-q", "-b", "other", "HEAD~1")
    mine = train(dvc_project, lr=0.3, acc=0.7)
    run_git(dvc_project, "merge", "-q", "--no-commit", "-s", "ours", "side")
    pipeline.train(dvc_project, lr=0.5, acc=0.95)
    merged = commit(dvc_project, "merge, and trained again")
    assert selected("..HEAD") == [base, side, mine, merged]


@pytest.mark.parametrize("message", ["train", "train\n\nGittrack-Experiment: tuned"])
def test_a_copy_of_a_recorded_commit_is_no_run(dvc_project: Path, message: str) -> None:
    """Cherry-picked, rebased or amended, with our trailer or without."""
    train(dvc_project, lr=0.1, acc=0.8)
    start = run_git(dvc_project, "rev-parse", "HEAD").strip()
    run_git(dvc_project, "checkout", "-q", "-b", "side")
    pipeline.train(dvc_project, lr=0.2, acc=0.9)
    original = commit(dvc_project, message)
    repo = Repository.discover()
    record_commits(repo, Config(), [start, original])
    run_git(dvc_project, "checkout", "-q", "-b", "copies", start)
    (dvc_project / "README").write_text("more")
    commit(dvc_project, "docs")
    run_git(dvc_project, "cherry-pick", original)
    run_git(dvc_project, "commit", "-q", "--amend", "--no-edit")
    copy = run_git(dvc_project, "rev-parse", "HEAD").strip()
    run_git(dvc_project, "branch", "-q", "-D", "side")
    assert judge(repo, Config(), copy).copies == {copy: (original,)}
    assert selected(None) == [start]
    assert training_commits(repo, Config(), "HEAD").copies == {copy: (original,)}


def test_a_copy_of_what_nobody_recorded_is_the_run(dvc_project: Path) -> None:
    """The results would be lost otherwise."""
    start = train(dvc_project, lr=0.1, acc=0.8)
    run_git(dvc_project, "checkout", "-q", "-b", "side")
    train(dvc_project, lr=0.2, acc=0.9)
    run_git(dvc_project, "checkout", "-q", "-b", "copies", start)
    (dvc_project / "README").write_text("more")
    commit(dvc_project, "docs")
    run_git(dvc_project, "cherry-pick", "side")
    assert selected(f"{start}..HEAD") == [run_git(dvc_project, "rev-parse", "HEAD").strip()]


def test_the_first_commit_of_all_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``..REV`` and ``--all`` take in the root; --all looks at all branches but gittrack's own."""
    run_git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    for name, value in (("user.name", "T"), ("user.email", "t@example.org")):
        run_git(tmp_path, "config", name, value)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  a:\n    cmd: make\n")
    root = commit(tmp_path)
    run_git(tmp_path, "checkout", "-q", "-b", "other")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  a:\n    cmd: make more\n")
    other = commit(tmp_path)
    run_git(tmp_path, "checkout", "-q", "-")
    assert selected("..HEAD") == [root]
    assert selected(None) == [root, other]
    repo = Repository.discover()
    record_commits(repo, Config(), [root])
    assert selected(None) == [root, other]


def test_a_named_commit_says_whose_results_it_has(dvc_project: Path) -> None:
    """Where the commit that brought them is not recorded."""
    source = train(dvc_project, lr=0.1, acc=0.8)
    (dvc_project / "README").write_text("released")
    head = commit(dvc_project, "docs")
    repo = Repository.discover()
    selection = training_commits(repo, Config(), "HEAD")
    assert (selection.commits, selection.results_from) == ([head], {head: source})
    (record,) = record_commits(repo, Config(), [head], results_from=selection.results_from).records
    assert record.tags["gittrack.results_from"] == source


def test_a_commit_behind_a_rebased_one_has_the_results_of_the_recorded_one(dvc_project: Path) -> None:
    base = commit(dvc_project, "base")
    source = train(dvc_project, lr=0.1, acc=0.8)
    record_commits(Repository.discover(), Config(), [source])
    run_git(dvc_project, "reset", "-q", "--hard", base)
    (dvc_project / "README").write_text("elsewhere")
    commit(dvc_project, "docs")
    run_git(dvc_project, "cherry-pick", source)
    (dvc_project / "README").write_text("released")
    head = commit(dvc_project, "docs")
    named = training_commits(Repository.discover(), Config(), "HEAD")
    assert (named.commits, named.copies) == ([], {head: (source,)})


def test_where_a_shallow_clone_ends_nothing_is_claimed(dvc_project: Path, tmp_path: Path) -> None:
    """Its oldest commit looks as if it brought everything: that is said in place of a run."""
    train(dvc_project, lr=0.1, acc=0.8)
    train(dvc_project, lr=0.2, acc=0.9)
    newest = train(dvc_project, lr=0.3, acc=0.7)
    run_git(tmp_path, "clone", "-q", "--depth", "2", f"file://{dvc_project}", "shallow")
    selection = training_commits(Repository.discover(tmp_path / "shallow"), Config(), "..HEAD")
    assert selection.commits == [newest]
    assert ["unshallow" in said for said in selection.complaints] == [True]
