"""Module-level verbs go to the run of their own thread or task, and never to another's."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.formats.record import Record
from tests.recording.processes import records, run

POINTS = 20


def train(number: int, meet: Callable[[], Any] = lambda: None) -> None:
    """A run of its own that logs by the verbs of the module alone, while others do."""
    with gittrack.start_run(f"e{number}"):
        meet()
        gittrack.log_param("number", number)
        for step in range(POINTS):
            gittrack.log_metric("own", number * 1000 + step, step=step)
        gittrack.set_tag("number", number)
        meet()


def check(found: list[Record], count: int) -> None:
    """Every run has all of its own points, and nothing of another."""
    assert len(found) == count
    for record in found:
        number = int(record.experiment[1:])
        assert record.params == {"number": number} and record.tags == {"number": str(number)}
        assert record.metrics["own"].value == number * 1000 + POINTS - 1
        assert record.series is not None and record.series.rows == POINTS
        assert record.status == "finished"


def test_every_thread_and_every_task_has_a_run_of_its_own(inside: Path) -> None:
    """32 threads and 8 tasks of asyncio, each with a run, all open at once: each point is in its own run."""
    barrier = threading.Barrier(33)

    async def task(number: int, meeting: asyncio.Barrier) -> None:
        with gittrack.start_run(f"e{number}"):
            await meeting.wait()
            gittrack.log_param("number", number)
            for step in range(POINTS):
                gittrack.log_metric("own", number * 1000 + step, step=step)
                await asyncio.sleep(0)
            gittrack.set_tag("number", number)

    async def tasks() -> None:
        meeting = asyncio.Barrier(8)
        await asyncio.gather(*(task(number, meeting) for number in range(32, 40)))

    def all_tasks() -> None:
        barrier.wait()
        asyncio.run(tasks())
        barrier.wait()

    threads = [threading.Thread(target=train, args=(number, barrier.wait)) for number in range(32)]
    threads.append(threading.Thread(target=all_tasks))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(records(inside), 40)
    assert gittrack.active_run() is None


def test_trials_in_threads_of_optuna_keep_apart(inside: Path) -> None:
    """n_jobs=2: a trial that ends says nothing in the other's name, nor ends it."""
    optuna = pytest.importorskip("optuna")
    both = threading.Barrier(2)

    def objective(trial: Any) -> float:
        train(trial.number, both.wait)
        return 0.0

    study = optuna.create_study()
    study.optimize(objective, n_trials=4, n_jobs=2)
    check(records(inside), 4)


def test_trials_in_threads_are_nested_in_what_is_around_them_all(inside: Path) -> None:
    """nested=True in a thread: the run that every other one is part of is the parent of each."""
    both = threading.Barrier(4)

    def trial(number: int) -> None:
        with gittrack.start_run(f"e{number}", nested=True):
            both.wait()
            with gittrack.start_run("fold", nested=True):
                gittrack.log_metric("a", number)

    with gittrack.start_run("study") as study, ThreadPoolExecutor(4) as pool:
        list(pool.map(trial, range(4)))
    found = records(inside)
    trials = {record.id for record in found if record.experiment.startswith("e")}
    assert {record.parent for record in found if record.id in trials} == {study.id}
    assert {record.parent for record in found if record.experiment == "fold"} == trials


def test_a_nested_run_is_of_its_parents_experiment(inside: Path) -> None:
    with gittrack.start_run("study"), gittrack.start_run(nested=True):
        pass
    assert {record.experiment for record in records(inside)} == {"study"}


def test_a_pool_of_threads_helps_the_only_run(inside: Path) -> None:
    """concurrent.futures, joblib's threads and asyncio.to_thread log to the run of whoever uses them."""
    joblib = pytest.importorskip("joblib")

    async def background() -> None:
        await asyncio.gather(*(asyncio.to_thread(gittrack.log_metric, f"t{n}", n) for n in range(3)))

    with gittrack.start_run() as run, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: gittrack.log_metric(f"p{n}", n), range(3)))
        joblib.Parallel(2, backend="threading")(
            joblib.delayed(gittrack.log_metric)(f"j{n}", n) for n in range(3)
        )
        asyncio.run(background())
    assert run.record is not None
    assert sorted(run.record.metrics) == [f"{kind}{n}" for kind in "jpt" for n in range(3)]


def test_to_thread_and_tasks_go_on_in_the_run_of_whoever_started_them(inside: Path) -> None:
    """Where a context is copied the run goes with it, however many are open."""

    async def trial(number: int) -> None:
        with gittrack.start_run(f"e{number}") as run:
            await asyncio.to_thread(gittrack.log_metric, "thread", number)
            await asyncio.create_task(log(number))
            assert gittrack.active_run() is run

    async def log(number: int) -> None:
        gittrack.log_metric("task", number)

    async def trials() -> None:
        await asyncio.gather(*map(trial, range(4)))

    with gittrack.start_run("outer"):
        asyncio.run(trials())
        gittrack.log_metric("outer", 1)
    metrics = {record.experiment: record.metrics for record in records(inside)}
    assert sorted(metrics.pop("outer")) == ["outer"]
    for number in range(4):
        values = {name: metric.value for name, metric in metrics[f"e{number}"].items()}
        assert values == {"thread": number, "task": number}


HELPER = """
import threading
orders, done = [], threading.Semaphore(0)
ordered = threading.Semaphore(0)

def work():
    while True:
        ordered.acquire()
        orders.pop()()
        done.release()

def ask(order):
    orders.append(order)
    ordered.release()
    done.acquire()

threading.Thread(target=work, daemon=True).start()
with gittrack.start_run("outer") as outer:
    ask(lambda: gittrack.log_metric("a", 1))
    with gittrack.start_run("inner") as inner:
        for step in range(5):
            ask(lambda: gittrack.log_metric("a", 2))
        ask(lambda: outer.log_metric("b", 3))
"""


def test_a_thread_that_was_there_before_the_run_helps_it(project: Path) -> None:
    """A callback thread; once two runs are open nobody knows which it means: said once, and counted."""
    status, out, err = run(project, HELPER)
    assert (status, out) == (0, "")
    first, last = err.splitlines()
    assert "none was begun in this thread or task" in first and last.startswith("5 calls of gittrack's verbs")
    found = {record.experiment: record.metrics for record in records(project)}
    assert {name: metric.value for name, metric in found["outer"].items()} == {"a": 1, "b": 3}
    assert found["inner"] == {}


@pytest.mark.usefixtures("strict")
def test_who_has_had_a_run_never_writes_into_another_s(inside: Path) -> None:
    """After its own has ended a thread does not log to that of another thread, and cannot end it."""
    begun, over = threading.Event(), threading.Event()

    def other() -> None:
        with gittrack.start_run("other"):
            begun.set()
            over.wait()

    with gittrack.start_run("own"):
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait()
    with pytest.raises(UsageError, match="none was begun in this thread or task"):
        gittrack.log_metric("a", 1)
    with pytest.raises(UsageError, match="none was begun in this thread or task"):
        gittrack.end_run()
    assert gittrack.active_run() is None
    over.set()
    thread.join()
    assert {record.experiment: record.metrics for record in records(inside)} == {"own": {}, "other": {}}


def test_end_run_ends_ones_own(inside: Path) -> None:
    """In each of several threads it ends the run of that thread."""
    barrier = threading.Barrier(4)

    def work(number: int) -> str:
        run = gittrack.start_run(f"e{number}")
        barrier.wait()
        record = gittrack.end_run()
        assert record is not None and record.id == run.id
        return record.experiment

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [f"e{number}" for number in range(4)]


def test_the_first_verbs_of_several_threads_begin_one_run(inside: Path) -> None:
    """Who comes first begins it; the others help."""
    barrier = threading.Barrier(8)

    def log(number: int) -> None:
        barrier.wait()
        gittrack.log_metric(f"m{number}", number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
    gittrack.log_metric("main", 1)
    gittrack.end_run()
    (record,) = records(inside)
    assert len(record.metrics) == 9


def test_cells_of_a_notebook_share_their_runs(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell is a task with a context of its own: what earlier cells have begun is theirs all the same."""
    cells = Cells()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: cells))  # type: ignore[arg-type]
    outer = cells.run(lambda: gittrack.start_run("outer"))
    inner = cells.run(lambda: gittrack.start_run("inner", nested=True))
    cells.run(lambda: gittrack.log_metric("a", 1))
    cells.run(gittrack.end_run)
    cells.run(lambda: gittrack.log_metric("b", 1))
    cells.run(gittrack.end_run)
    assert list(inner.record.metrics) == ["a"] and list(outer.record.metrics) == ["b"]


class Cells:
    """What gittrack asks of IPython, whose cells run in contexts of their own, as in ipykernel 6."""

    def __init__(self) -> None:
        self.events = self
        self.callbacks: dict[str, list[Any]] = {"pre_run_cell": [], "post_run_cell": []}

    def register(self, event: str, callback: Any) -> None:
        self.callbacks[event].append(callback)

    def run(self, code: Callable[[], Any]) -> Any:
        def cell() -> Any:
            for callback in self.callbacks["pre_run_cell"]:
                callback(types.SimpleNamespace())
            return code()

        value = contextvars.Context().run(cell)
        for callback in self.callbacks["post_run_cell"]:
            callback(types.SimpleNamespace(error_before_exec=None, error_in_exec=None))
        return value
