"""What a node of a cluster does with one task, on real remotes; Ray is not needed for that."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import DvcError, UsageError
from gittrack.formats.codec import load_record
from gittrack.formats.config import load
from gittrack.formats.record import Record, run_path
from gittrack.git.repository import Repository
from gittrack.running.executor import node as nodes
from gittrack.running.executor.cluster import check_needs, send_code
from gittrack.running.executor.node import run_here, to_order
from gittrack.running.executor.task import Task
from gittrack.running.reproduce import ReproduceOptions, plan
from tests.repositories import run_git
from tests.running.remotes import Remotes, make_remotes, send_data

Order = dict[str, Any]


@pytest.fixture
def remotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remotes:
    """A project whose data is on the DVC remote; nodes have a temporary folder of their own."""
    found = make_remotes(tmp_path)
    send_data(found)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(nodes, "PAUSES_S", (0.01,))
    monkeypatch.chdir(found.top)
    return found


@pytest.fixture
def order(remotes: Remotes) -> Order:
    """A rerun, as a node gets it."""
    return order_of(remotes, remotes.make_run())


def order_of(remotes: Remotes, original: Record, **changes: object) -> Order:
    repo = Repository.discover(remotes.top)
    task: Task = plan(repo, load(remotes.top), original.id, ReproduceOptions()).tasks[0]
    task = replace(task, **changes)  # type: ignore[arg-type]
    send_code(repo, [task], "origin")
    url = str(remotes.git)
    config = f"['remote \"store\"']\n    url = {remotes.dvc}\n[core]\n    remote = store\n"
    return to_order(
        task, url=url, push_url=url, object_format="sha1", name="Grace Hopper", email="grace@example.com",
        dvc_config=config,
    )  # fmt: skip


def on_remote(remotes: Remotes, run: str) -> Record:
    path = f"{run_path('digits', run)}/run.yaml"
    return load_record(run_git(remotes.git, "show", f"gittrack/runs:{path}").encode(), path)


def nothing_left(remotes: Remotes) -> bool:
    return not list((remotes.top.parent / "scratch").iterdir())


def test_a_task_is_cloned_run_and_pushed(remotes: Remotes, order: Order) -> None:
    """The run is whose it is said to be, its bytes are on the DVC remote, and the disk is as before."""
    done = run_here(order)
    assert done["status"] == 0 and not done["error"] and not done["complaint"], done
    record = on_remote(remotes, order["run_id"])
    assert record.author.name == "Grace Hopper" and record.reproduces is not None
    assert remotes.times(record.id) == 1 and remotes.has_bytes(record.outputs[0].md5)
    assert [item.md5 for item in record.data] and nothing_left(remotes)


def test_a_task_that_is_tried_again_is_not_run_again(remotes: Remotes, order: Order) -> None:
    """Its run is on the ledger already: that is what comes back."""
    first = run_here(order)
    before = remotes.started()
    assert run_here(order) == first and remotes.started() == before
    assert remotes.times(order["run_id"]) == 1


def test_two_attempts_at_one_time_are_one_run(
    remotes: Remotes, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was only thought dead comes second: it finds the run there, and leaves it as it is."""
    run_tasks, others = nodes.run_tasks, []

    def overtaken(*given: Any, **options: Any) -> Any:
        done = run_tasks(*given, **options)
        if not others:
            others.append(None)
            others[0] = run_here(order)
        return done

    monkeypatch.setattr(nodes, "run_tasks", overtaken)
    assert run_here(order) == others[0] and len(remotes.started()) == 3
    assert remotes.times(order["run_id"]) == 1 and nothing_left(remotes)


def test_a_program_that_fails_is_a_failed_run(remotes: Remotes, order: Order) -> None:
    """It is on the ledger, with its exit status, which a later attempt reads from there."""
    remotes.sign("fail").touch()
    done = run_here(order)
    assert done["status"] == 7 and not done["error"]
    assert on_remote(remotes, order["run_id"]).status == "failed"
    assert run_here(order)["status"] == 7


def test_a_proposal_gets_the_run_and_the_ledger_does_not(remotes: Remotes) -> None:
    """Its branch is cut from the ledger, which is not even sent."""
    order = order_of(remotes, remotes.make_run(), proposal="again")
    done = run_here(order)
    assert not done["error"], done
    path = run_path("digits", order["run_id"])
    assert run_git(remotes.git, "ls-tree", "-r", "gittrack/review/again", "--", path)
    assert "gittrack/runs" not in run_git(remotes.git, "branch", "--list")


def test_an_interrupt_ends_the_program_and_keeps_the_run(remotes: Remotes, order: Order) -> None:
    """The killed run is pushed before the interrupt goes on."""
    remotes.sign("wait").touch()
    known = remotes.started()

    def interrupt() -> None:
        while remotes.started() == known:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_here(order)
    thread.join()
    assert on_remote(remotes, order["run_id"]).status == "killed" and nothing_left(remotes)


def test_a_killed_attempt_leaves_nothing_on_the_node(remotes: Remotes, order: Order) -> None:
    """Neither programs nor files, although nobody is left to clean up but the janitor."""
    remotes.sign("wait").touch()
    known = remotes.started()
    attempt = os.fork()
    if attempt == 0:
        run_here(order)
        os._exit(0)
    while remotes.started() == known:
        time.sleep(0.05)
    ((_, _, program),) = set(remotes.started()) - set(known)
    worker = int(Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)  # as Ray does with the children of a worker that it ends
    os.kill(attempt, signal.SIGKILL)
    os.waitpid(attempt, 0)
    until = time.monotonic() + 60
    while (Path(f"/proc/{program}").exists() or not nothing_left(remotes)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{program}").exists() and nothing_left(remotes)
    assert remotes.times(order["run_id"]) == 0, "so that another attempt begins from nothing"


Spoil = Callable[[Remotes, Order], None]


def other_version(_: Remotes, order: Order) -> None:
    order["version"] = "0.0.0"


def no_git_remote(_: Remotes, order: Order) -> None:
    order["url"] = "/nowhere/to/be/found"


def program_as_remote(_: Remotes, order: Order) -> None:
    order["url"] = "ext::touch /tmp/never"


def no_data(remotes: Remotes, _: Order) -> None:
    remotes.dvc.rename(remotes.dvc.with_name("gone"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (other_version, "install that one on all nodes"),
        (no_git_remote, "reach remote origin"),
        (program_as_remote, "'ext' not allowed"),
        (no_data, "is not on the DVC remote"),
    ],
)
def test_what_is_wrong_is_one_line(remotes: Remotes, order: Order, spoil: Spoil, says: str) -> None:
    """It names the node, and comes back as a value: an error of ours is not tried again."""
    before = remotes.started()
    spoil(remotes, order)
    done = run_here(order)
    assert says in done["error"] and os.uname().nodename in done["error"] and "\n" not in done["error"]
    assert done["exit_code"] and remotes.started() == before and nothing_left(remotes)


def test_bytes_that_cannot_be_sent_do_not_cost_the_run(
    remotes: Remotes, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says what was; the complaint says that the bytes are gone."""

    def refuse(*_: object) -> int:
        raise DvcError("the bucket is full")

    monkeypatch.setattr("gittrack.ledger.artifacts.push_artifacts", refuse)
    done = run_here(order)
    assert not done["error"] and "lost: the bucket is full" in done["complaint"]
    assert remotes.times(order["run_id"]) == 1


def test_a_push_that_is_refused_says_that_the_run_is_lost(remotes: Remotes, order: Order) -> None:
    """A remote with rules of its own is asked again, and then named."""
    hook = remotes.git / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not today\nexit 1\n")
    hook.chmod(0o755)
    done = run_here(order)
    assert "is lost" in done["error"] and "not today" in done["error"]


def test_needs_are_checked() -> None:
    """Names as Ray has them, whatever their case; amounts that there can be."""
    assert check_needs({"gpu": 0.5, "CPU": 2, "tpu-v4": 1}) == {"CPU": 2.0, "GPU": 0.5, "tpu-v4": 1.0}
    assert check_needs({}) == {"CPU": 1.0}
    for bad in ({"GPU": -1.0}, {"GPU": 1.5}, {"CPU": float("nan")}, {"": 1.0}):
        with pytest.raises(UsageError):
            check_needs(bad)
