"""`start_run` and `Run`: what is logged is in the record, and what cannot be recorded is said at once."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import logging
import math
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.dvc.files import parse_pointer
from gittrack.errors import LedgerError, NotFoundError, UsageError
from gittrack.formats.record import Record, parse_time
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import journals_dir
from gittrack.recording.journal.allowance import LIMIT
from tests.repositories import run_git

np = pytest.importorskip("numpy")


def finish(run: gittrack.Run) -> Record:
    record = run.finish()
    assert record is not None
    return record


def file_of(project: Path, record: Record, name: str) -> str:
    return run_git(project, "show", f"gittrack/runs:{record.path}/{name}")


def table(project: Path, record: Record) -> list[list[str]]:
    """metrics.csv as cells, without the time."""
    rows = [line.split(",") for line in file_of(project, record, "metrics.csv").splitlines()]
    return [[row[0], *row[2:]] for row in rows]


class Kind(enum.Enum):
    SMALL = "small"


@dataclasses.dataclass
class Model:
    layers: int = 2
    kind: Kind = Kind.SMALL


class Figure:
    """What gittrack asks of a matplotlib figure."""

    def savefig(self, path: Path) -> None:
        Path(path).write_bytes(b"\x89PNG")


class Plot:
    """What gittrack asks of a plotly figure."""

    def write_html(self, path: Path) -> None:
        Path(path).write_text("<html>")

    def write_image(self, path: Path) -> None:
        Path(path).write_bytes(b"image")


def test_a_block_is_a_run(inside: Path) -> None:
    """Leaving the block commits the record; inside it the run is the active one."""
    with gittrack.start_run("digits", params={"lr": 0.1}, seed=3, hypothesis="it learns") as run:
        assert gittrack.active_run() is run and run.active
        run.log_metric("accuracy", 0.5, step=1)
    assert gittrack.active_run() is None and not run.active
    record = run.record
    assert record is not None
    assert (record.experiment, record.status, record.seed) == ("digits", "finished", 3)
    assert record.params == {"lr": 0.1} and record.hypothesis == "it learns"
    assert record.metrics["accuracy"].value == 0.5 and record.metrics["accuracy"].step == 1
    assert record.code.commit == run_git(inside, "rev-parse", "HEAD").strip()
    assert 0 <= record.duration_s < 60
    assert run_git(inside, "status", "--porcelain") == ""
    assert list(journals_dir(Repository.discover(inside).state_dir).iterdir()) == []


def test_finish_returns_the_record_once(inside: Path) -> None:
    """finish() commits; called again it gives the same record and commits nothing."""
    run = gittrack.start_run()
    record = finish(run)
    assert run.finish() is record
    assert run_git(inside, "rev-list", "--count", "gittrack/runs").strip() == "2"


def test_params_keep_their_types_and_nesting(inside: Path) -> None:
    """NumPy, paths, dataclasses, enums and Namespaces are recorded as the values that they are."""
    run = gittrack.start_run(params=argparse.Namespace(epochs=3, rate=1e-3))  # type: ignore[arg-type]
    run.log_param("model", Model())
    run.log_params({"width": np.int32(8), "data": Path("a/b"), "big": 2**100, "lists": [(1, 2.0), None]})
    run.log_params({"half": np.float16(0.5), "flag": np.bool_(True), "odd": "1e-3", "nan": math.nan})
    assert finish(run).params == {
        "epochs": 3,
        "rate": 1e-3,
        "model": {"layers": 2, "kind": "small"},
        "width": 8,
        "data": "a/b",
        "big": 2**100,
        "lists": [[1, 2.0], None],
        "half": 0.5,
        "flag": True,
        "odd": "1e-3",
        "nan": "nan",
    }


@pytest.mark.usefixtures("strict")
def test_a_param_cannot_change(inside: Path) -> None:
    """The same value again is fine; another one, or another type, is refused and not recorded."""
    run = gittrack.start_run(params={"lr": 0.1})
    run.log_param("lr", 0.1)
    for other in (0.2, "0.1", [0.1]):
        with pytest.raises(UsageError, match="'lr' was logged before"):
            run.log_params({"new": 1, "lr": other})
    run.log_param("flag", True)
    with pytest.raises(UsageError, match="logged before"):
        run.log_param("flag", 1)
    assert finish(run).params == {"lr": 0.1, "flag": True}


def test_secrets_do_not_reach_the_repository(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in params, tags, names and hypotheses are masked, on disk and in the record."""
    monkeypatch.setenv("SERVICE_TOKEN", "planted-in-the-environment-1")
    run = gittrack.start_run(
        params={"api_key": "planted-param-1"},
        tags={"db_password": "planted-tag-1"},
        name="with planted-in-the-environment-1",
        hypothesis="https://me:planted-url-1@example.org works",
    )
    run.log_param("login", {"password": "planted-param-2"})
    run.set_tag("auth_token", "planted-tag-2")
    assert run.config["api_key"] == "planted-param-1", "the program itself goes on with what it gave"
    run.log_param("api_key", "planted-param-1")
    journal = journals_dir(Repository.discover(inside).state_dir) / run.id
    on_disk = b"".join(path.read_bytes() for path in journal.iterdir() if path.name != "reserve")
    record = finish(run)
    assert record.params == {"api_key": "***", "login": {"password": "***"}}
    assert record.tags == {"db_password": "***", "auth_token": "***"}
    assert b"planted" not in on_disk
    assert "planted" not in run_git(inside, "log", "-p", "gittrack/runs")


def test_metrics_take_any_number(inside: Path) -> None:
    """NumPy scalars, booleans, whole numbers above 64 bits, nan and infinity are all recorded."""
    run = gittrack.start_run()
    run.log_metrics({"f32": np.float32(0.5), "i64": np.int64(7), "ok": True, "huge": 2**70}, step=0)
    run.log_metrics({"bad": math.nan, "up": math.inf, "down": np.float64(-math.inf)}, step=np.int64(1))
    record = finish(run)
    values = {name: m.value if m.status is None else m.status for name, m in record.metrics.items()}
    assert values == {
        "f32": 0.5, "i64": 7, "ok": 1, "huge": 2.0**70, "bad": "nan", "up": "inf", "down": "-inf",
    }  # fmt: skip
    assert [row[0] for row in table(inside, record)] == ["step", "0", "1"]


@pytest.mark.parametrize(
    ("odd", "cell"),
    [(True, "1"), (False, "0"), (3, "3"), (math.nan, "nan"), (-math.inf, "-inf"), (np.float64(0.5), "0.5"),
     (np.float32(0.5), "0.5"), (2**70, "1.1805916207174113e+21"), (np.bool_(True), "1"), (1e308, "1e+308")],
)  # fmt: skip
def test_an_odd_value_after_many_plain_ones(inside: Path, odd: Any, cell: str) -> None:
    """Rows of floats take a short way; whatever is no finite float is looked at as ever."""
    run = gittrack.start_run()
    names = ("true_positives", "b")
    for step in range(3):
        run.log_metrics(dict.fromkeys(names, 0.25), step=step)
    run.log_metrics({"true_positives": 1e308, "b": odd}, step=3)
    run.log_metrics({"true_positives": odd, "b": 0.5}, step=np.int64(4))
    run.log_metrics(dict.fromkeys(names, 0.25), step=5)
    rows = table(inside, finish(run))
    assert rows[4:] == [["3", "1e+308", cell], ["4", cell, "0.5"], ["5", "0.25", "0.25"]]


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("bad", [None, [1.0], {"a": 1.0}, np.zeros(2), object()])
def test_a_bad_value_after_many_plain_ones(inside: Path, bad: Any) -> None:
    """It is refused, and the rows before and after are kept."""
    run = gittrack.start_run()
    for step in range(3):
        run.log_metrics({"a": 0.5, "b": 0.5}, step=step)
    with pytest.raises(UsageError, match="must be a number"):
        run.log_metrics({"a": 0.5, "b": bad}, step=3)
    with pytest.raises(UsageError, match="a step must be a number"):
        run.log_metrics({"a": 0.5, "b": 0.5}, step=2**70)
    run.log_metrics({"a": 0.5, "b": 0.5}, step=4)
    assert [row[0] for row in table(inside, finish(run))[1:]] == ["0", "1", "2", "4"]


@pytest.mark.usefixtures("strict")
def test_a_bad_metric_costs_nothing(inside: Path) -> None:
    """What is no number is refused by name, nothing of that call is kept, and the run goes on."""
    run = gittrack.start_run()
    run.log_metric("acc", 0.5, step=1)
    with pytest.raises(UsageError, match="metric 'acc' must be a number"):
        run.log_metrics({"loss": 1.0, "acc": None}, step=2)  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="step must be a number"):
        run.log_metric("acc", 0.6, step="first")  # type: ignore[arg-type]
    assert table(inside, finish(run)) == [["step", "acc"], ["1", "0.5"]]


@pytest.mark.usefixtures("strict")
def test_log_counts_its_calls(inside: Path) -> None:
    """log() flattens names and counts steps; a step that is given sets the count."""
    run = gittrack.start_run()
    run.log({"train": {"loss": 3.0}})
    run.log({"train": {"loss": 2.0}})
    run.log({"train": {"loss": 1.0}}, step=np.int64(10))
    run.log({"train": {"loss": 0.5}})
    with pytest.raises(UsageError, match="step"):
        run.log({"train": {"loss": 0.5}}, step="eleven")  # type: ignore[arg-type]
    rows = table(inside, finish(run))
    assert rows == [["step", "train.loss"], ["0", "3.0"], ["1", "2.0"], ["10", "1.0"], ["11", "0.5"]]


def test_next_step_counts_from_zero_as_dvclive_does(inside: Path) -> None:
    """What is logged before the first next_step belongs to step 0."""
    run = gittrack.start_run()
    for at in range(3):
        run.log_metric("loss", float(at))
        assert run.next_step() == at + 1
    assert table(inside, finish(run)) == [["step", "loss"], ["0", "0.0"], ["1", "1.0"], ["2", "2.0"]]


def test_metrics_without_steps_have_none(inside: Path) -> None:
    """Without step and next_step, rows keep an empty step and their order."""
    run = gittrack.start_run()
    run.log_metric("loss", 2.0)
    run.log_metric("loss", 1.0)
    record = finish(run)
    assert table(inside, record) == [["step", "loss"], ["", "2.0"], ["", "1.0"]]
    assert record.metrics["loss"].value == 1.0 and record.metrics["loss"].step is None


@pytest.mark.usefixtures("strict")
def test_config_is_a_view_of_the_params(inside: Path) -> None:
    """run.config reads and logs parameters as items and as attributes, and takes none back."""
    run = gittrack.start_run(params={"lr": 0.1})
    run.config.epochs = 5
    run.config["width"] = 8
    run.config.update({"depth": 2}, act="relu")
    run.config.update(argparse.Namespace(seed=1))
    assert run.config.lr == 0.1 and run.config["epochs"] == 5 and "width" in run.config
    with pytest.raises(AttributeError, match="no param 'nothing'"):
        run.config.nothing  # noqa: B018
    with pytest.raises(UsageError, match="cannot be taken back"):
        del run.config["lr"]
    with pytest.raises(UsageError, match="logged before"):
        run.config.lr = 0.2
    record = finish(run)
    assert record.params == {"lr": 0.1, "epochs": 5, "width": 8, "depth": 2, "act": "relu", "seed": 1}
    assert record.seed == 1


@pytest.mark.usefixtures("strict")
def test_summary_stands_instead_of_the_last_value(inside: Path) -> None:
    """run.summary sets final metrics; the series stays as it was logged."""
    run = gittrack.start_run()
    run.log_metric("acc", 0.9, step=1)
    run.log_metric("acc", 0.8, step=2)
    run.summary["acc"] = 0.9
    run.summary.update({"epochs": np.int64(2), "loss": math.nan})
    with pytest.raises(UsageError, match="must be a number"):
        run.summary["acc"] = "best"
    record = finish(run)
    assert record.metrics["acc"].value == 0.9
    assert record.metrics["epochs"].value == 2 and record.metrics["loss"].status == "nan"
    assert len(table(inside, record)) == 3


@pytest.mark.usefixtures("strict")
def test_tags_and_seeds(inside: Path) -> None:
    """Tags become text and may change; seeds of single libraries stand by name."""
    run = gittrack.start_run(tags={"stage": "tuning", "fold": 3}, seeds={"numpy": np.int64(4)})
    run.set_tag("stage", "final")
    run.set_tags({"ok": True})
    run.set_seeds({"torch": 2**100})
    with pytest.raises(UsageError, match="whole number"):
        run.set_seeds({"numpy": 2**130})
    record = finish(run)
    assert record.tags == {"stage": "final", "fold": "3", "ok": "True"}
    assert record.seeds == {"numpy": 4, "torch": 2**100}


def test_the_seed_comes_from_the_argument_the_environment_or_the_params(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program says prevails over GITTRACK_SEED, and the two are said; nonsense is no seed."""
    assert finish(gittrack.start_run(params={"seed": 5})).seed == 5
    assert finish(gittrack.start_run(params={"seed": 2**200})).seed is None
    monkeypatch.setenv("GITTRACK_SEED", "7")
    record = finish(gittrack.start_run(params={"seed": 5}))
    assert (record.seed, record.seed_source) == (5, "start_run")
    assert record.param_conflicts == {"seed": {"GITTRACK_SEED": 7, "start_run": 5}}
    assert finish(gittrack.start_run()).seed_source == "GITTRACK_SEED"
    assert finish(gittrack.start_run(seed=np.int64(0))).seed == 0
    monkeypatch.setenv("GITTRACK_SEED", "--7")
    assert finish(gittrack.start_run()).seed is None


def test_artifacts_texts_dicts_and_figures_become_outputs(inside: Path) -> None:
    """Each is in the DVC cache with its role, and its pointer lies beside the record."""
    (inside / "model.pkl").write_bytes(b"weights")
    run = gittrack.start_run()
    run.log_model("model.pkl")
    run.log_text("héllo", "notes/a.txt")
    run.log_dict({"a": np.array([1, 2]), "p": Path("x")}, "table.json")
    run.log_dict({"a": 0.1, "long": "x" * 50_000, "many": list(range(20_000))}, "table.yaml")
    run.log_figure(Figure(), "plots/loss.png")
    run.log_figure(Plot(), "plot.html")
    record = finish(run)
    roles = {output.path: output.role for output in record.outputs}
    assert roles == {
        "model.pkl": "model", "notes/a.txt": "text", "table.json": "dict", "table.yaml": "dict",
        "plots/loss.png": "figure", "plot.html": "figure",
    }  # fmt: skip
    cache = Repository.discover(inside).state_dir / "dvc" / "cache" / "files" / "md5"
    for output in record.outputs:
        (pointer,) = parse_pointer(file_of(inside, record, output.pointer).encode(), output.pointer)
        assert pointer.md5 == output.md5
        assert (cache / output.md5[:2] / output.md5[2:]).stat().st_size == output.size
    kept = next(o for o in record.outputs if o.path == "table.json")
    data = (cache / kept.md5[:2] / kept.md5[2:]).read_bytes()
    assert json.loads(data) == {"a": [1, 2], "p": "x"}


@pytest.mark.usefixtures("strict")
def test_outputs_that_cannot_be_recorded_are_refused_at_once(inside: Path) -> None:
    """Names that lead outside, odd roles, objects that are no figures, absent files."""
    (inside / "m").write_bytes(b"m")
    run = gittrack.start_run()
    for name in ("../x", "/x", "", ".", "a/../../x", "a\0b"):
        with pytest.raises(UsageError):
            run.log_text("x", name)
    with pytest.raises(UsageError, match="role"):
        run.log_artifact("m", role="two\nlines")
    with pytest.raises(UsageError, match="log_figure takes"):
        run.log_figure(object(), "x.png")
    with pytest.raises(NotFoundError):
        run.log_artifact("absent.pkl")
    assert finish(run).outputs == ()


@pytest.mark.usefixtures("strict")
def test_odd_names_of_outputs_can_be_committed(inside: Path) -> None:
    """Names that git treats as its own, or that are pointers by name, become harmless ones."""
    run = gittrack.start_run()
    names = [
        ".git/config",
        "a/.GIT/x",
        ".github/x",
        ".g\u200cit/x",
        "b.dvc/c",
        "new\nline",
        "é" * 80,
        ".dvc/x",
    ]
    for at, name in enumerate(names):
        run.log_text(str(at), name)
    for name in ("b", "_.git/config", "_gittrack/metrics.csv", "a", "a/.GIT/x/y", "git~1/x"):
        with pytest.raises(UsageError, match=r"rename it|would lie"):
            run.log_text("x", name)
    assert len(finish(run).outputs) == len(names)
    run_git(inside, "fsck", "--strict")


def test_matplotlib_figures(inside: Path) -> None:
    """A real figure is kept as the image that its name asks for."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    run = gittrack.start_run()
    run.log_figure(figure, "empty.svg")
    assert finish(run).outputs[0].size > 100


@pytest.mark.usefixtures("strict")
def test_inputs_are_recorded_with_their_roles(inside: Path) -> None:
    """What git tracks, and what nothing tracks; a wrong role or path is refused."""
    (inside / ".gitignore").write_text("/test.csv\n")
    (inside / "test.csv").write_text("1,2\n")
    run = gittrack.start_run(inputs={"train.py": "reference"})
    run.log_input("test.csv", "test")
    with pytest.raises(UsageError, match="role"):
        run.log_input("test.csv", "testing")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        run.log_input("absent.csv")
    record = finish(run)
    assert [(d.path, d.role, d.source) for d in record.data] == [
        ("train.py", "reference", "git"),
        ("test.csv", "test", "file"),
    ]


def test_gittrack_yaml_declares_inputs_and_what_metrics_mean(inside: Path) -> None:
    """Declared inputs are logged by themselves; direction, unit and split stand beside the values."""
    (inside / "gittrack.yaml").write_text(
        "experiment: digits\n"
        "inputs:\n  - path: train.py\n    role: train\n"
        "experiments:\n  digits:\n    metrics:\n"
        "      acc:\n        direction: maximize\n        split: test\n      time:s:\n        unit: s\n"
    )
    run_git(inside, "add", "-A")
    run_git(inside, "commit", "-q", "-m", "config")
    run = gittrack.start_run()
    run.log_metrics({"acc": 0.5, "other": 1.0})
    record = finish(run)
    assert record.experiment == "digits" and record.data[0].path == "train.py"
    assert record.metrics["acc"].direction == "maximize" and record.metrics["acc"].split == "test"
    assert record.metrics["other"].direction is None
    assert record.protocol == run_git(inside, "rev-parse", "HEAD:gittrack.yaml").strip()


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiment": "x" * 1001},
        {"experiment": 3},
        {"name": "two\nlines"},
        {"name": "x" * 251},
        {"name": ""},
        {"hypothesis": "x" * 20_001},
        {"seed": 1.5},
        {"seed": 2**130},
        {"seeds": {"a": "b"}},
        {"params": [1]},
        {"params": {"x": "y" * 100_001}},
        {"params": {str(k): "y" * 19_000 for k in range(30)}},
        {"tags": ["a"]},
        {"tags": {"k" * 251: 1}},
        {"parent": "latest"},
        {"parent": 3},
        {"base_models": [{"revision": "1"}]},
        {"base_models": [{"name": "bert", "license": "MIT"}]},
        {"base_models": [{"name": 5}]},
        {"dirty": "snapshots"},
        {"inputs": {"absent.csv": "train"}},
        {"inputs": {"train.py": "training"}},
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_starts(
    inside: Path, wrong: dict[str, Any]
) -> None:
    """One line, no journal, no ref, no ledger, no active run."""
    (inside / "train.py").write_text("changed, so that there is a snapshot\n")
    with pytest.raises(UsageError) as caught:
        gittrack.start_run(**wrong)
    assert "\n" not in str(caught.value)
    assert gittrack.active_run() is None
    home = journals_dir(Repository.discover(inside).state_dir)
    assert not home.exists() or list(home.iterdir()) == []
    assert run_git(inside, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_base_models_are_recorded(inside: Path) -> None:
    """By name alone or with what is known of them."""
    models = ["bert", {"name": "gpt2", "revision": "abc", "modification": "fine-tuned"}]
    record = finish(gittrack.start_run(base_models=models))
    assert [(m.name, m.modification) for m in record.base_models] == [("bert", None), ("gpt2", "fine-tuned")]


@pytest.mark.usefixtures("strict")
def test_a_run_that_logs_too_much_hears_of_it_at_the_log_call(inside: Path) -> None:
    """Sizes add up over the calls; what was accepted is committed, however it was written."""
    run = gittrack.start_run()
    for _ in range(1000):
        run.set_tag("again", "x" * 1000)
    with pytest.raises(UsageError, match="record is full"):
        for at in range(100):
            run.log_param(f"p{at}", "\x00" * 10_000)
    with pytest.raises(UsageError, match="record is full"):
        for at in range(10_000):
            run.log_metric(f"m{at}", 1 / (at + 1), step=2**62)
    record = finish(run)
    assert 5 < len(record.params) < 100 and len(record.metrics) >= 50
    size = len(file_of(inside, record, "run.yaml"))
    assert LIMIT * 0.8 < size < 1 << 20


@pytest.mark.usefixtures("strict")
def test_deep_and_wide_params_fit_or_are_refused(inside: Path) -> None:
    """The codec's limits on values and depth hold over the whole record, not for each call."""
    run = gittrack.start_run()
    deep: Any = 0
    for _ in range(17):
        deep = [deep]
    with pytest.raises(UsageError, match="record is full"):
        for at in range(60):
            run.log_param(f"p{at}", [deep] * 400)
    with pytest.raises(UsageError, match="record is full"):
        run.log_params({f"q{at}": 0 for at in range(6000)})
    assert finish(run).status == "finished"


@pytest.mark.usefixtures("strict")
def test_a_run_that_has_ended_takes_nothing_more(inside: Path) -> None:
    """Each verb says that the run has ended, and what to do."""
    run = gittrack.start_run()
    finish(run)
    calls = [
        lambda: run.log_param("a", 1),
        lambda: run.log_metric("a", 1),
        lambda: run.log({"a": 1}),
        lambda: run.next_step(),
        lambda: run.set_tag("a", "b"),
        lambda: run.set_seeds({"a": 1}),
        lambda: run.log_text("a", "b"),
        lambda: run.log_dict({}, "b.json"),
        lambda: run.log_figure(Figure(), "b.png"),
        lambda: run.log_input("train.py"),
        lambda: run.log_artifact("train.py"),
        lambda: run.summary.update({"a": 1}),
        lambda: run.config.update(a=1),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="has ended; start another"):
            call()


@pytest.mark.usefixtures("strict")
def test_finish_says_what_status_there_is(inside: Path) -> None:
    """A wrong status is refused and the run goes on; a failed one always has a failure."""
    run = gittrack.start_run()
    with pytest.raises(UsageError, match="finished, failed, killed"):
        run.finish("done")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a type and a message"):
        run.finish("failed", failure={"why": "x"})
    assert run.active
    record = run.finish("failed")
    assert record is not None and record.status == "failed" and record.failure is not None


def test_runs_nest_in_order(inside: Path) -> None:
    """A run begun inside another is the active one until it ends."""
    with gittrack.start_run("outer") as outer:
        with gittrack.start_run("inner", parent=outer.id) as inner:
            assert gittrack.active_run() is inner
        assert gittrack.active_run() is outer
    assert inner.record is not None and inner.record.parent == outer.id


def test_threads_log_at_once(inside: Path) -> None:
    """No point of any thread is lost, nor any param."""
    run = gittrack.start_run()

    def work(number: int) -> None:
        for step in range(2000):
            run.log_metric(f"m{number}", step, step=step)
        run.log_param(f"p{number}", number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = finish(run)
    assert record.params == {f"p{n}": n for n in range(4)}
    assert {m.value for m in record.metrics.values()} == {1999}
    rows = table(inside, record)
    assert sum(bool(cell) for row in rows[1:] for cell in row[1:]) == 8000


@pytest.mark.usefixtures("strict")
def test_what_is_logged_while_the_run_ends_is_kept_or_refused(inside: Path) -> None:
    """A thread that logs during finish() hears that the run has ended; all that it logged before is there."""
    run = gittrack.start_run()
    logged = [0, 0]
    started = threading.Barrier(3)

    def log_until_refused(which: int) -> None:
        started.wait()
        with pytest.raises(UsageError, match="has ended"):
            while True:
                if which:
                    run.set_tag("count", logged[1] + 1)
                else:
                    run.log_metric("count", logged[0] + 1)
                logged[which] += 1

    threads = [threading.Thread(target=log_until_refused, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    started.wait()
    while not all(logged):
        time.sleep(0.001)
    record = finish(run)
    for thread in threads:
        thread.join()
    assert record.metrics["count"].value == logged[0]
    assert record.tags["count"] == str(logged[1])


def test_other_ranks_do_nothing(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On rank 1 all verbs work and nothing is written; params can still be read back."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with gittrack.start_run("digits", params={"lr": 0.1}) as run:
        assert not run.active and gittrack.active_run() is run
        run.log_metric("acc", 0.5)
        run.log({"acc": 0.5})
        run.log_param("width", 3)
        run.log_artifact("absent.pkl")
        run.set_tag("a", "b")
        run.summary["x"] = 1
        assert run.config.lr == 0.1 and run.config.width == 3
        assert [gittrack.next_step(), gittrack.next_step()] == [1, 2]
    assert run.record is None and gittrack.active_run() is None
    assert not Repository.discover(inside).state_dir.exists()


def test_rank_zero_records_and_every_rank_does_if_told(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RANK=0 records; every_rank=True records on rank 1 too; one task of Slurm is no rank."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert finish(gittrack.start_run()).status == "finished"
    monkeypatch.setenv("RANK", "1")
    assert finish(gittrack.start_run(every_rank=True)).status == "finished"
    monkeypatch.delenv("RANK")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert gittrack.start_run().active


def test_nothing_is_printed(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A run says nothing on stdout or stderr, and configures no logging."""
    with gittrack.start_run() as run:
        run.log_metric("a", 1.0)
        run.log_text("x", "x.txt")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("gittrack").handlers == []


def test_a_run_can_be_recorded_from_elsewhere(project: Path, tmp_path: Path) -> None:
    """`repository` names a folder of the repository; the current directory need not be in it."""
    record = finish(gittrack.start_run(repository=project))
    assert record.code.commit == run_git(project, "rev-parse", "HEAD").strip()


def test_the_ledger_checked_out_is_refused_at_the_start(inside: Path) -> None:
    """What would make the end fail is refused at the start."""
    finish(gittrack.start_run())
    run_git(inside, "checkout", "-q", "gittrack/runs")
    with pytest.raises(LedgerError, match="checked out"):
        gittrack.start_run()


def test_replicates_have_one_spec(inside: Path) -> None:
    """Another seed is the same spec; another param, or other code, is not."""
    one = finish(gittrack.start_run(params={"lr": 0.1, "seed": 1}, seed=1))
    two = finish(gittrack.start_run(params={"lr": 0.1, "seed": 2}, seed=2))
    three = finish(gittrack.start_run(params={"lr": 0.2, "seed": 1}, seed=1))
    (inside / "train.py").write_text("print('other code')\n")
    four = finish(gittrack.start_run(params={"lr": 0.1, "seed": 1}, seed=1))
    assert one.spec == two.spec
    assert len({one.spec, three.spec, four.spec}) == 3
    assert four.code.dirty and four.code.snapshot


@pytest.mark.usefixtures("strict")
def test_the_program_under_gittrack_run_joins_it(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start_run joins, and adds what was not given; the next ones are its children."""
    from gittrack.formats.config import Config
    from gittrack.reading.journal.events import Kind
    from gittrack.reading.journal.stored import StoredJournal
    from gittrack.recording.begin import begin
    from gittrack.recording.capture.code import command_invocation
    from gittrack.recording.finish import commit
    from gittrack.recording.request import Request, check

    repo = Repository.discover(inside)
    request = Request(name="given", params={"lr": 0.1, "api_key": "planted"})
    outer = begin(repo, Config(), check(request, Config()), command_invocation(["true"], inside))
    monkeypatch.setenv("GITTRACK_RUN", str(outer.folder))
    monkeypatch.setenv("GITTRACK_PARAMS", json.dumps({"lr": 0.1, "api_key": "planted"}))
    with pytest.raises(UsageError, match="an experiment's name"):
        gittrack.start_run("x" * 1001)
    with gittrack.start_run("digits", name="other", seed=0, params={"width": 3}, base_models=["bert"]) as run:
        assert run.id == outer.folder.name and run.experiment == "digits"
        assert run.config.lr == 0.1
        assert run.config.api_key == "planted", "the program gets what gittrack run was given"
        run.log_metric("acc", 0.5)
        with pytest.raises(UsageError, match="logged before"):
            run.log_param("lr", 0.2)
    assert run.record is not None, "what it will say so far; gittrack run commits it"
    child = finish(gittrack.start_run())
    assert child.parent == run.id and child.id != run.id
    outer.event(Kind.END, "finished", None, 1.0)
    outer.close()
    record = commit(repo, StoredJournal(outer.folder))
    assert (record.name, record.experiment, record.seed) == ("given", "digits", 0)
    assert record.params == {"api_key": "***", "lr": 0.1, "width": 3} and record.base_models[0].name == "bert"
    assert record.metrics["acc"].value == 0.5
    assert finish(gittrack.start_run()).parent is None, "the run that the variable names has ended"


def test_a_run_variable_that_means_nothing_is_ignored(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GITTRACK_RUN from another life neither joins nor names a parent."""
    monkeypatch.setenv("GITTRACK_RUN", "/nowhere/at all")
    assert finish(gittrack.start_run()).parent is None


def test_a_run_loads_no_reader_of_ledgers_or_files(inside: Path) -> None:
    """Each costs a start of Python some 10 ms: the index, and what reads people's files."""
    script = (
        "import gittrack, sys\nwith gittrack.start_run() as run: run.log_metric('a', 1)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=inside, check=True, capture_output=True, text=True
    )
    heavy = ("sqlite3", "gittrack.reading.index", "gittrack.recording.results", "gittrack.recording.collect")
    assert [name for name in done.stdout.split() if name.startswith(heavy)] == []


def test_times_are_those_of_the_run(inside: Path) -> None:
    """Times of points count from the start of the run."""
    run = gittrack.start_run()
    run.log_metric("a", 1.0)
    record = finish(run)
    at = float(file_of(inside, record, "metrics.csv").splitlines()[1].split(",")[1])
    assert 0 <= at <= record.duration_s + 0.001
    assert record.ended >= parse_time(record.started)


def test_a_joined_run_keeps_the_drift_of_its_locks(project: Path) -> None:
    """What a lock pins and what is installed are compared in the program's own environment."""
    pins = "".join(f"nosuchpackage{n}==1.0\n" for n in range(3))
    (project / "requirements.txt").write_text(pins)
    (project / "script.py").write_text("import gittrack\nwith gittrack.start_run('joined'):\n    pass\n")
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "lock")
    command = [sys.executable, "-m", "gittrack", "run", "-q", "--", sys.executable, "script.py"]
    subprocess.run(command, cwd=project, check=True)
    entry = gittrack.load("latest", repository=project)
    installed = entry.record.locks[0].installed
    assert installed is not None and installed.missing == 3
    assert [d["name"] for d in entry.environment()["drift"]["requirements.txt"]] == [
        "nosuchpackage0",
        "nosuchpackage1",
        "nosuchpackage2",
    ]


def test_declared_outputs_do_not_make_a_run_dirty(inside: Path) -> None:
    """What gittrack.yaml names as an output is no change to the code, by the API as by the command."""
    (inside / "gittrack.yaml").write_text("outputs: [{path: model.pkl, role: model}]\n")
    run_git(inside, "add", "-A")
    run_git(inside, "commit", "-q", "-m", "config")
    (inside / "model.pkl").write_text("left by the run before")
    assert not finish(gittrack.start_run()).code.dirty


@pytest.mark.parametrize("kind", ["bare", "worktree", "submodule"])
def test_every_kind_of_repository(kind: str, tmp_path: Path) -> None:
    """A run in a bare repository, a linked work tree and a submodule, SHA-256, is whole on the ledger."""
    home, where = tmp_path / "home", tmp_path / kind
    run_git(tmp_path, "init", "-q", "--object-format=sha256", str(home))
    run_git(home, "commit", "-q", "--allow-empty", "-m", "first")
    if kind == "bare":
        run_git(tmp_path, "clone", "-q", "--bare", str(home), str(where))
    elif kind == "worktree":
        run_git(home, "worktree", "add", "-q", str(where))
    else:
        run_git(tmp_path, "init", "-q", "--object-format=sha256", "outer")
        outer = tmp_path / "outer"
        run_git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(home), "sub")
        where = outer / "sub"
    with gittrack.start_run("e", repository=where) as run:
        run.log_metric("loss", 0.5, step=1)
        run.log_text("kept", "note.txt")
    record = gittrack.load(repository=where).record
    assert record.code.commit == run_git(home, "rev-parse", "HEAD").strip()
    assert not record.code.dirty
    assert record.outputs[0].path == "note.txt"
    run_git(where, "fsck", "--strict")
