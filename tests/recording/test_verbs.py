"""A recorder ends no training: what it cannot take is said once and counted, and all else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.cli.pages.show import sections
from gittrack.errors import UsageError
from gittrack.formats.record import Record
from tests.recording.processes import only, run
from tests.repositories import run_git


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


MISUSES: list[tuple[str, Callable[[Any], Any]]] = [
    ("metric a", lambda run: run.log_metric("a", None)),
    ("metric b", lambda run: run.log({"b": [1.0]})),
    ("metric ", lambda run: run.log_metric("", 1.0)),
    ("metric", lambda run: run.log_metrics([1.0])),
    ("metric", lambda run: run.log_metrics(None)),
    ("step", lambda run: run.log_metric("e", 1.0, step="first")),
    ("timestamp", lambda run: run.log_metric("f", 1.0, step=1, timestamp=-1)),
    ("dataset", lambda run: run.log_dataset(None)),
    ("output a.bin", lambda run: run.log_artifact("a.bin", version="1")),
    ("param lr", lambda run: run.log_param("lr", 0.2)),
    ("param lr", lambda run: run.config.update(lr=0.3)),
    ("param lr", lambda run: run.config.pop("lr")),
    ("param odd", lambda run: run.log_param("odd", Unshowable())),
    ("param", lambda run: run.log_params(Unshowable())),
    ("tag", lambda run: run.set_tags(7)),
    ("tag ", lambda run: run.set_tag("", 1)),
    ("seed torch", lambda run: run.set_seeds({"torch": "x", "numpy": 1})),
    ("definition of metric acc", lambda run: run.define_metric("acc", summary="greatest")),
    ("final metric best", lambda run: run.summary.update({"best": "high"})),
    ("input nowhere.csv", lambda run: run.log_input("nowhere.csv")),
    ("output nowhere.pt", lambda run: run.log_artifact("nowhere.pt")),
    ("output nowhere.pt", lambda run: run.log_model(Path("nowhere.pt"))),
    ("output loss.png", lambda run: run.log_figure(object(), "loss.png")),
    ("output a.txt", lambda run: run.log_text(b"bytes", "a.txt")),
    ("output ../a.json", lambda run: run.log_dict({}, "../a.json")),
]


def finished(active: gittrack.Run) -> Record:
    record = active.finish()
    assert record is not None
    return record


def test_no_misuse_ends_a_training(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each goes on; the record names what it lacks and how often; the rest of each call is recorded."""
    active = gittrack.start_run(params={"lr": 0.1})
    for _ in range(3):
        for _, misuse in MISUSES:
            misuse(active)
    record = finished(active)
    assert record.status == "finished"
    counts = {loss.what: loss.count for loss in record.not_recorded}
    names = [name for name, _ in MISUSES]
    assert counts == {name: 3 * names.count(name) for name in names}
    assert len(caplog.messages) == len(counts)
    assert record.params == {"lr": 0.1} and record.seeds == {"numpy": 1}
    assert {name for name, metric in record.metrics.items() if metric.step is None} == {"e"}


def test_what_is_lost_is_shown(inside: Path) -> None:
    """`show` has the reason and the count."""
    active = gittrack.start_run()
    for step in range(5):
        active.log_metrics({"loss": 0.5, "note": None}, step=step)  # type: ignore[dict-item]
    record = finished(active)
    assert record.metrics["loss"].step == 4 and record.series is not None and record.series.rows == 5
    (rows,) = (section.rows for section in sections(record) if section.title == "Not recorded")
    assert rows == [("metric note", "metric 'note' must be a number, not NoneType 'None' (5 times)")]
    assert "    count: 5\n" in run_git(inside, "show", f"gittrack/runs:{record.path}/run.yaml")


def test_what_is_logged_after_the_end_is_said(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once for each verb; ending a run twice is nothing."""
    active = gittrack.start_run()
    record = active.finish()
    for _ in range(3):
        active.log_metric("a", 1.0)
        active.set_tag("a", 1)
        assert active.finish() is record
    assert [message.partition(":")[0] for message in caplog.messages] == ["log_metrics", "set_tags"]


def test_a_status_that_is_none_is_unknown(inside: Path) -> None:
    """The run ends; how is not known, and why that is."""
    active = gittrack.start_run()
    record = active.finish("well")  # type: ignore[arg-type]
    assert record is not None and record.status == "unknown" and record.failure is not None
    assert "not 'well'" in record.failure.message


def test_thousands_of_things_are_not_named_one_by_one(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the terminal nor the record is flooded."""
    active = gittrack.start_run()
    for number in range(2000):
        active.log_metric(f"m{number}", None)  # type: ignore[arg-type]
    record = finished(active)
    assert len(record.not_recorded) == 201 and len(caplog.messages) == 201
    assert (record.not_recorded[-1].what, record.not_recorded[-1].count) == ("more", 1800)


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_errors_for_those_who_want_them(inside: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """`on_error`, or the variable, which an argument goes before."""
    monkeypatch.setenv("GITTRACK_ON_ERROR", "raise" if by == "environment" else "warn")
    on_error = "raise" if by == "argument" else None
    with gittrack.start_run(params={"lr": 0.1}, on_error=on_error) as active:
        for _, misuse in MISUSES:
            with pytest.raises(Exception):  # noqa: B017
                misuse(active)
    assert active.record is not None and not active.record.not_recorded


def test_the_start_raises(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is wrong at the start is an error there, a wrong `on_error` too."""
    for wrong in ({"on_error": "ignore"}, {"inputs": {"nowhere.csv": "train"}}, {"tags": 7}, {"seed": "x"}):
        with pytest.raises(Exception):  # noqa: B017
            gittrack.start_run(**wrong)  # type: ignore[arg-type]
    monkeypatch.setenv("GITTRACK_ON_ERROR", "ignore")
    with pytest.raises(UsageError, match="GITTRACK_ON_ERROR is one of warn, raise, not 'ignore'"):
        gittrack.start_run()
    assert gittrack.active_run() is None


def test_a_store_that_cannot_be_written_ends_no_training(inside: Path) -> None:
    """Nor does what no one foresaw: the reason is the system's."""
    (inside / "model.pt").write_bytes(b"x")
    active = gittrack.start_run(dirty="snapshot")
    active.log_artifact("model.pt")
    cache = next(path for path in inside.rglob("files") if (path / "md5").is_dir())
    cache.rename(cache.with_name("away"))
    cache.write_text("in the way")
    (inside / "model.pt").write_bytes(b"y")
    active.log_artifact("model.pt")
    (loss,) = finished(active).not_recorded
    assert loss.what == "output model.pt" and str(cache) in loss.why


def test_a_commit_that_fails_is_said_and_the_journal_kept(
    inside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the end, too: `finish` and a block go on."""
    with gittrack.start_run() as active:
        active.log_metric("a", 1.0)
        run_git(inside, "update-ref", "-d", "refs/heads/gittrack/runs")
        run_git(inside, "update-ref", "refs/heads/gittrack/runs/in-the-way", "HEAD")
    assert active.record is None and gittrack.active_run() is None
    assert "The journal of run" in caplog.text
    run_git(inside, "update-ref", "-d", "refs/heads/gittrack/runs/in-the-way")
    gittrack.start_run().finish()
    assert {found.id for found in gittrack.search()} >= {active.id}


OWN = """
class Own({base}): pass

def handler(number, frame):
    {before}
    raise Own("time is up")

signal.signal(signal.SIGALRM, handler)
active = gittrack.start_run()
at = 0
try:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    while True:
        at += 1
        {body}
except Own as error:
    print(error, flush=True)
active.finish()
"""


@pytest.mark.parametrize("base", ["Exception", "TimeoutError", "gittrack.GittrackError"])
@pytest.mark.parametrize(
    "body",
    [
        "active.log_metrics({'a': 1.0, 'b': 2.0}, step=at)",
        "active.log_metrics({'a': 1.0, 'b': None}, step=at)",
        "active.set_tag('a', at)",
        "active.log_params({f'a{at % 99}': at % 99})",
    ],
)
def test_an_error_of_a_handler_is_the_trainings_own(project: Path, base: str, body: str) -> None:
    """It is never taken for one of ours, wherever the signal arrives."""
    before = "signal.signal(signal.SIGALRM, signal.SIG_DFL)"
    status, out, err = run(project, OWN.format(base=base, body=body, before=before))
    assert (status, out) == (0, "time is up\n"), err
    assert only(project).status == "finished"


def test_a_mapping_of_ones_own_that_fails_in_the_middle(inside: Path) -> None:
    """The error of what is logged is what is lost."""

    class Broken(dict[str, float]):
        def values(self) -> Any:
            raise OSError("gone")

    active = gittrack.start_run()
    for step in range(3):
        active.log_metrics({"a": 1.0}, step=step)
    active.log_metrics(Broken(a=1.0), step=3)
    active.log_metrics({"a": 1.0}, step=4)
    assert finished(active).metrics["a"].step == 4


def test_the_logger_is_ours(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever wants silence has one logger to quiet."""
    gittrack.start_run().log_metric("a", None)  # type: ignore[arg-type]
    assert [(record.name, record.levelno) for record in caplog.records] == [("gittrack", logging.WARNING)]
