"""A training commit becomes a record of what its tree says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.errors import NotFoundError
from gittrack.formats import codec
from gittrack.formats.codec import read_yaml
from gittrack.formats.config import Config, parse
from gittrack.git.repository import Repository
from gittrack.recording.commits import record_commits
from gittrack.recording.commits.select import training_commits
from tests.cli.githooks import pipeline
from tests.repositories import run_git


def commit(top: Path, message: str = "train") -> str:
    run_git(top, "commit", "-q", "--allow-empty", "-m", message)
    return run_git(top, "rev-parse", "HEAD").strip()


def test_a_commit_of_dvc_repro_is_recorded_whole(dvc_project: Path) -> None:
    """Parameters, metrics, series, data, outputs, locks and code, each from what was committed."""
    pipeline.train(dvc_project)
    oid = commit(dvc_project)
    (dvc_project / "metrics.json").write_text('{"acc": 0.1}')
    done = record_commits(Repository.discover(), Config(), [oid])
    (record,) = done.records
    assert [loss.what for loss in record.not_recorded] == ["metrics.json: note"]
    assert record.id.endswith(oid[:12]) and record.status == "finished"
    assert record.params == {"train": {"lr": 0.1, "epochs": 3}, "seed": 7} and record.seed == 7
    assert {n: m.value for n, m in record.metrics.items()} == {"acc": 0.9, "loss": 0.1}
    assert [(d.path, d.source, d.md5) for d in record.data] == [
        ("data/raw.csv", "dvc", pipeline.md5(b"1,2\n"))
    ]
    assert [(o.path, o.role) for o in record.outputs] == [
        ("data/prepared.csv", "artifact"),
        ("model.pkl", "model"),
    ]
    assert record.series is not None and record.series.rows == 2
    assert record.code.commit == oid and not record.code.dirty
    assert [(lock.path, lock.installed) for lock in record.locks] == [("requirements.txt", None)]
    assert (record.environment.python, record.environment.os, record.duration_s) == (None, None, None)
    assert record.tags["dvc.cmd.train"] == "python train.py"
    stored = run_git(dvc_project, "show", f"gittrack/runs:{record.path}/run.yaml")
    assert codec.load_record(stored.encode(), "run.yaml") == record
    pointer = run_git(dvc_project, "show", f"gittrack/runs:{record.path}/outputs/model.pkl.dvc")
    assert pipeline.md5(b"model 0.1") in pointer


def test_of_a_commit_made_here_the_machine_is_known_and_no_interpreter(dvc_project: Path) -> None:
    """Which Python trained no commit says: that of the hook is gittrack's own."""
    pipeline.train(dvc_project)
    oid = commit(dvc_project)
    (record,) = record_commits(Repository.discover(), Config(), [oid], here=True).records
    written = run_git(dvc_project, "show", f"gittrack/runs:{record.path}/environment.yaml")
    assert record.environment.os is not None and record.environment.python is None
    assert not {"python", "packages", "blas"} & set(read_yaml(written.encode(), "environment.yaml"))
    assert [lock.installed for lock in record.locks] == [None]


def test_recording_again_changes_nothing(dvc_project: Path) -> None:
    """The run's id is made of the commit, so that it is found."""
    pipeline.train(dvc_project)
    oid = commit(dvc_project)
    repo = Repository.discover()
    record_commits(repo, Config(), [oid])
    before = run_git(dvc_project, "rev-parse", "gittrack/runs")
    again = record_commits(repo, Config(), [oid], experiment="another")
    assert (again.records, again.present) == ([], [oid])
    assert run_git(dvc_project, "rev-parse", "gittrack/runs") == before


def test_a_range_gives_its_training_commits_oldest_first(dvc_project: Path) -> None:
    """Those that change dvc.lock, a metrics file of dvc.yaml, a configured path, or have the trailer."""
    start = run_git(dvc_project, "rev-parse", "HEAD").strip()
    config = Config(training_commit=parse(b"training_commit: {paths: [results]}").training_commit)
    pipeline.train(dvc_project, acc=0.8)
    wanted = [commit(dvc_project)]
    (dvc_project / "train.py").write_text("# more\n")
    run_git(dvc_project, "add", "-A")
    commit(dvc_project, "code only")
    (dvc_project / "metrics.json").write_text('{"acc": 0.85}')
    run_git(dvc_project, "add", "-A")
    wanted.append(commit(dvc_project, "metrics"))
    (dvc_project / "results").mkdir()
    (dvc_project / "results" / "x").write_text("")
    run_git(dvc_project, "add", "-A")
    wanted.append(commit(dvc_project, "configured"))
    wanted.append(commit(dvc_project, "by word\n\nGittrack-Experiment: tuned"))
    commit(dvc_project, "Gittrack-Experiment: in a subject is none")
    repo = Repository.discover()
    assert training_commits(repo, config, f"{start}..HEAD").commits == wanted
    done = record_commits(repo, config, wanted)
    assert [r.experiment for r in done.records] == ["default", "default", "default", "tuned"]
    subjects = run_git(dvc_project, "log", "--format=%s", "--reverse", "gittrack/runs").splitlines()
    assert len([s for s in subjects if s.startswith("run ")]) == 4, "one commit a run"
    assert [r.metrics["acc"].value for r in done.records][:2] == [0.8, 0.85]


def test_what_is_not_in_the_cache_is_said_and_costs_no_run(dvc_project: Path) -> None:
    """An output without bytes here is recorded without a sha256, a plot as an output."""
    pipeline.train(dvc_project)
    oid = commit(dvc_project)
    for file in (dvc_project / ".dvc" / "cache").rglob("*"):
        if file.is_file():
            file.unlink()
    done = record_commits(Repository.discover(), Config(), [oid])
    (record,) = done.records
    assert record.series is None
    outputs = ["data/prepared.csv", "loss.csv", "model.pkl"]
    assert [(o.path, o.sha256) for o in record.outputs] == [(path, None) for path in outputs]
    assert all(o.size > 0 for o in record.outputs)
    assert any("loss.csv" in said for said in done.complaints)
    assert [loss.what for loss in record.not_recorded] == ["metrics.json: note", "plot loss.csv"]
    assert [d.path for d in record.data] == ["data/raw.csv"]


def test_a_dvclive_folder_gives_series_and_final_values(dvc_project: Path) -> None:
    """Without a dvc.lock: metrics.json and plots/metrics, as DVCLive writes them."""
    live = dvc_project / "dvclive"
    (live / "plots" / "metrics" / "train").mkdir(parents=True)
    (live / "metrics.json").write_text('{"step": 1, "acc": 0.7, "train": {"loss": 0.3}}')
    (live / "plots" / "metrics" / "train" / "loss.tsv").write_text("step\tloss\n0\t0.6\n1\t0.3\n")
    (dvc_project / "dvc.yaml").write_text(
        "metrics: [dvclive/metrics.json]\nplots:\n- dvclive/plots/metrics:\n    x: step\n"
    )
    run_git(dvc_project, "add", "-A")
    oid = commit(dvc_project)
    done = record_commits(Repository.discover(), Config(), [oid])
    (record,) = done.records
    assert not done.complaints
    assert {n: (m.value, m.step) for n, m in record.metrics.items()} == {
        "acc": (0.7, None),
        "train/loss": (0.3, 1),
    }


def test_a_broken_lock_costs_what_it_says_and_no_more(dvc_project: Path) -> None:
    """Metrics and parameters of that commit are recorded, and the lock is named."""
    pipeline.train(dvc_project)
    good = commit(dvc_project)
    (dvc_project / "dvc.lock").write_text("schema: '2.0'\nstages: [&a [*a]]\n")
    run_git(dvc_project, "add", "-A")
    bad = commit(dvc_project)
    repo = Repository.discover()
    assert training_commits(repo, Config(), f"{good}..HEAD").commits == [], "it brings nothing"
    done = record_commits(repo, Config(), [bad, good])
    assert [r.code.commit for r in done.records] == [bad, good]
    assert [loss.what for loss in done.records[0].not_recorded] == ["dvc.lock", "metrics.json: note"]
    assert done.records[0].metrics["acc"].value == 0.9
    assert any(bad[:10] in said for said in done.complaints)


def test_no_such_revision_is_said(dvc_project: Path) -> None:
    """Also for names that look like options."""
    for revisions in ("nothing", "--all", "HEAD..nothing"):
        with pytest.raises(NotFoundError, match="no commit"):
            training_commits(Repository.discover(), Config(), revisions)


def test_in_review_mode_a_training_commit_becomes_a_proposal(dvc_project: Path) -> None:
    """On a branch of its own, named after the run; recording it again changes nothing."""
    pipeline.train(dvc_project)
    oid = commit(dvc_project)
    config = parse(b"ledger: {mode: review}")
    (record,) = record_commits(Repository.discover(), config, [oid]).records
    assert run_git(dvc_project, "rev-parse", f"gittrack/review/{record.id}")
    assert record_commits(Repository.discover(), config, [oid]).present == [oid]


def test_what_is_recorded_passes_verify(dvc_project: Path) -> None:
    """Every claim of the record can be checked against the commit."""
    from gittrack.verify import verify

    pipeline.train(dvc_project)
    record_commits(Repository.discover(), Config(), [commit(dvc_project)])
    report = verify(Repository.discover())
    assert report.outcome == "PASS", report.findings
