"""Worker processes begin no runs by themselves, and their end is nobody else's."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import gittrack
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import stored_journals
from tests.recording.commands import PYTHON, script
from tests.recording.commands import gittrack as command
from tests.recording.processes import only, records, script_of

WORKER = "a worker process records nothing by itself: gittrack.start_run() there begins a run of its own"
STARTS = ("spawn", "forkserver", "fork")
AT_THE_TOP = """
import multiprocessing, gittrack
run = gittrack.start_run("top", params={"lr": 0.1})
gittrack.log_param("width", 3)

def work(number):
    run.log_metric("worker", number)
    gittrack.log_metric("verb", number)
    return run.config.lr + number

if __name__ == "__main__":
    with multiprocessing.get_context(METHOD).Pool(2) as pool:
        print(sum(pool.map(work, range(4))))
    run.log_metric("main", 1)
"""


def train(project: Path, text: str, *, name: str = "train.py", **values: object) -> tuple[str, str]:
    """What a script prints that ends well, on stdout and stderr."""
    status, out, err = script_of(project, text, name, **values)
    assert status == 0, err
    return out, err


@pytest.mark.parametrize("method", STARTS)
def test_a_run_at_the_top_of_a_script_is_begun_once(project: Path, method: str) -> None:
    """Workers that run the top again have a run that does nothing, with the params of the script."""
    assert train(project, AT_THE_TOP, METHOD=method) == ("6.4\n", "")
    record = only(project)
    assert list(record.metrics) == ["main"] and record.params == {"lr": 0.1, "width": 3}
    assert not stored_journals(Repository.discover(project).state_dir)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_run_at_the_top_of_a_module_is_begun_once(project: Path, method: str) -> None:
    """A module that the script imports, and the worker to find its function."""
    script(project, AT_THE_TOP.split("if __name__")[0].replace("METHOD", "None"), "lib.py")
    script(project, "__pycache__/\ntrain.py\n", ".gitignore")
    main = """
import multiprocessing
if __name__ == "__main__":
    import lib
    with multiprocessing.get_context(METHOD).Pool(2) as pool:
        print(sum(pool.map(lib.work, range(4))))
"""
    assert train(project, main, METHOD=method) == ("6.4\n", "")
    assert only(project).experiment == "top"


POOLS = {
    "pool": "import multiprocessing\npool = multiprocessing.get_context(METHOD).Pool(2)\n"
    "done = pool.map(work, range(4))\npool.close()\npool.join()",
    "executor": "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor as Pool\n"
    "with Pool(2, multiprocessing.get_context(METHOD)) as pool:\n    done = list(pool.map(work, range(4)))",
    "loky": "import joblib\ndone = joblib.Parallel(2)(joblib.delayed(work)(n) for n in range(4))",
}


@pytest.mark.parametrize(
    ("pool", "method"),
    [*(("pool", method) for method in STARTS), ("executor", "spawn"), ("executor", "fork"), ("loky", "loky")],
)
def test_verbs_of_a_worker_begin_no_run(project: Path, pool: str, method: str) -> None:
    """Neither beside a run of the parent, nor without one, where that is said; start_run begins one."""
    if pool == "loky":
        pytest.importorskip("joblib")
    text = f"""
import gittrack, os
def work(number):
    gittrack.log_metric("verb", number)
    gittrack.set_tag("who", "worker")
    return number
def own(number):
    with gittrack.start_run("own") as run:
        gittrack.log_metric("own", number)
        assert gittrack.active_run() is run
if __name__ == "__main__":
    {POOLS[pool].replace(chr(10), chr(10) + "    ")}
    assert done == [0, 1, 2, 3] and gittrack.active_run() is None
    with gittrack.start_run("parent"):
        {POOLS[pool].replace(chr(10), chr(10) + "        ")}
        {POOLS[pool].replace("work", "own").replace(chr(10), chr(10) + "        ")}
"""
    _, err = train(project, text, METHOD=method)
    assert set(err.splitlines()) == {WORKER}
    by_name = {record.experiment: record for record in records(project)}
    assert sorted(by_name) == ["own", "parent"] and len(records(project)) == 5
    assert by_name["parent"].metrics == {} and list(by_name["own"].metrics) == ["own"]


def test_what_a_worker_is_sent_to_run_has_a_run(project: Path) -> None:
    """A script or module that the function of a worker runs, or imports, is meant to."""
    (project / "one.py").write_text("import gittrack\nwith gittrack.start_run('one'): pass\n")
    (project / "two.py").write_text("import gittrack\nwith gittrack.start_run('two'): pass\n")
    text = """
import multiprocessing, runpy
def work():
    import one
    runpy.run_path("two.py")
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    child.join()
"""
    train(project, text)
    assert sorted(record.experiment for record in records(project)) == ["one", "two"]


def test_within_gittrack_run_a_child_joins_that_run(project: Path) -> None:
    """A training that the script moves into a process of its own; its other workers begin none."""
    script(
        project,
        "import gittrack, multiprocessing\n"
        "def train(): gittrack.log_metric('loss', 0.5)\n"
        "def worker(): gittrack.log_metric('other', 1)\n"
        "if __name__ == '__main__':\n"
        "    for work in (train, worker):\n"
        "        child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "        child.start()\n        child.join()\n",
    )
    done = command(project, "run", "--", PYTHON, "train.py")
    assert done.returncode == 0, done.stderr
    assert list(only(project).metrics) == ["loss"]


def test_a_run_can_be_sent_to_a_worker(inside: Path) -> None:
    """It arrives as one that does nothing, with its id and params; a copy within the process is itself."""
    with gittrack.start_run("digits", params={"a": {"b": 1}}) as run:
        assert copy.deepcopy(run) is run and copy.copy(run) is run
        data = pickle.dumps(run)
    sent = pickle.loads(data)  # noqa: S301
    assert sent.id == run.id and sent.experiment == "digits" and sent.config == {"a": {"b": 1}}
    sent.log_metric("a", 1)
    assert not sent.active and sent.finish() is None


@pytest.mark.parametrize("method", STARTS)
def test_a_pool_may_be_torn_down_at_any_moment(project: Path, method: str) -> None:
    """Terminated or killed while workers start, work or record: no word of ours, every run on the ledger."""
    text = """
import multiprocessing, os, signal, sys, time, gittrack
def work(number):
    for step in range(100000):
        gittrack.log_metric("verb", step)
def own(number):
    with gittrack.start_run("own"):
        open(f"begun-{number}-{os.getpid()}", "w").close()
        for step in range(10**9):
            gittrack.log_metric("own", step)
if __name__ == "__main__":
    context = multiprocessing.get_context(METHOD)
    with gittrack.start_run("parent") as run:
        for number in range(ROUNDS):
            for end in ("terminate", "kill"):
                children = [context.Process(target=work, args=(number,)) for _ in range(2)]
                for child in children:
                    child.start()
                time.sleep(number / 100)  # decides nothing: any moment will do
                for child in children:
                    getattr(child, end)()
                for child in children:
                    child.join()
                run.log_metric("main", number)
        child = context.Process(target=own, args=(0,))
        child.start()
        while not any(name.startswith("begun") for name in os.listdir()):
            time.sleep(0.01)
        child.terminate()
        child.join()
"""
    out, err = train(project, text, METHOD=method, ROUNDS=10 if method == "fork" else 4)
    assert (out, set(err.splitlines()) - {WORKER}) == ("", set())
    by_name = {record.experiment: record for record in records(project)}
    assert by_name["parent"].status == "finished" and list(by_name["parent"].metrics) == ["main"]
    assert by_name["own"].status == "killed" and len(records(project)) == 2
    assert not stored_journals(Repository.discover(project).state_dir)
