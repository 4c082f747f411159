"""Reruns on a real Ray cluster of two nodes on this machine, with a real git remote and DVC remote."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import GittrackError, NotFoundError, UsageError
from gittrack.formats.config import load
from gittrack.git.repository import Repository
from gittrack.reading.index import Index
from gittrack.running.executor.cluster import _connected, run_tasks_on_ray
from gittrack.running.reproduce import ReproduceOptions, plan
from gittrack.verify import verify
from tests.repositories import run_git
from tests.running.moments import when
from tests.running.remotes import Remotes, make_remotes, send_data
from tests.running.training import again, left_behind

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install 'gittrack[ray]'"
)
# What Ray leaves open is Ray's own affair.
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.xdist_group("ray"),  # one cluster serves all
]

_NODE: dict[str, Any] = {"object_store_memory": 80_000_000}
_QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


class Nodes:
    """A head that runs nothing, and two nodes with one CPU each, in an environment of their own."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.scratch = folder / "scratch"
        self.cluster = Cluster(
            initialize_head=True,
            connect=False,
            head_node_args={
                "num_cpus": 0, "include_dashboard": False,
                "_system_config": _QUICK, **_NODE,
            },
        )  # fmt: skip
        self.grow()
        self.grow()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def grow(self) -> None:
        self.cluster.add_node(num_cpus=1, **_NODE)

    def kill(self, raylet: int) -> None:
        """As if the machine were switched off, as far as Ray can tell."""
        for node in list(self.cluster.worker_nodes):
            if node.all_processes["raylet"][0].process.pid == raylet:
                self.cluster.remove_node(node, allow_graceful=False)

    def is_clean(self) -> bool:
        """Whether nothing of a task is left on the nodes; what cleans up may need a moment."""
        until = time.monotonic() + 60
        while list(self.scratch.iterdir()) and time.monotonic() < until:
            time.sleep(0.1)
        return not list(self.scratch.iterdir())


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """The cluster. Its nodes know nobody's name, and have a home and a temporary folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="gt", dir="/tmp"))  # sockets need a short path
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("GIT_", "GITTRACK_", "DVC_", "RAY_")):
                patch.delenv(name)
        for name in ("home", "scratch"):
            (folder / name).mkdir()
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "home" / "config"))
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("TMPDIR", str(folder / "scratch"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder / "home" / "dvc"))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Nodes(folder)
    yield found
    found.cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def remotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remotes:
    found = make_remotes(tmp_path)
    monkeypatch.chdir(found.top)
    return found


@needs_ray
def test_repeats_on_two_nodes(nodes: Nodes, remotes: Remotes, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is on the remote's ledger once, its bytes on the DVC remote, and the verdict is the local one."""
    send_data(remotes)
    original = remotes.make_run()
    local = again().statement.verdict
    assert not remotes.has_bytes(original.outputs[0].md5), "so that what is there later comes from a node"
    remotes.sign("wait").touch()
    both = when(lambda: len({node for _, node, _ in remotes.started()}) == 3, remotes.sign("wait").unlink)
    found = again(original.id, repeats=3, executor="ray", address=nodes.address)
    both.join()
    verdict = found.statement.verdict
    assert verdict.level == local.level == "bitwise-same-host", verdict
    runs = [done.run_id for done in found.done]
    assert len(set(runs)) == 3 and [remotes.times(run) for run in runs] == [1, 1, 1]
    assert not [done for done in found.done if done.complaint or done.status]
    repo = Repository.discover(remotes.top)
    with Index.open(repo, "gittrack/runs") as index:
        records = [index.one(run).load() for run in runs]
    assert all(remotes.has_bytes(record.outputs[0].md5) for record in records)
    assert {record.author.name for record in records} == {original.author.name}
    assert found.statement.executor == "ray" and verify(repo).outcome == "PASS"
    assert nodes.is_clean() and not left_behind(repo)
    assert capsys.readouterr().out == "", "Ray's own messages do not stand amid --json"


@needs_ray
def test_a_node_that_dies_while_it_works(
    nodes: Nodes, remotes: Remotes, caplog: pytest.LogCaptureFixture
) -> None:
    """What ran there is run again on the other node, nothing of it is left, and every run is there once."""
    send_data(remotes)
    original = remotes.make_run()
    known = remotes.started()
    remotes.sign("wait").touch()
    killed: list[tuple[str, str, int]] = []

    def kill() -> None:
        killed.append(next(sign for sign in remotes.started() if sign not in known))
        nodes.kill(int(killed[0][1]))
        until = time.monotonic() + 60
        while Path(f"/proc/{killed[0][2]}").exists() and time.monotonic() < until:
            time.sleep(0.05)  # else it might yet come to its end, and push
        remotes.sign("wait").unlink()

    thread = when(lambda: len({node for _, node, _ in remotes.started()}) == 3, kill)
    with caplog.at_level(logging.WARNING, "gittrack"):
        found = again(original.id, repeats=2, executor="ray", address=nodes.address)
    thread.join()
    run, _, program = killed[0]
    signs = remotes.started()
    assert len({node for r, node, _ in signs if r == run}) == 2, "it began on two nodes"
    assert [remotes.times(done.run_id) for done in found.done] == [1, 1]
    assert found.statement.verdict.level == "bitwise-same-host" and f"node of run {run} died" in caplog.text
    assert nodes.is_clean() and not Path(f"/proc/{program}").exists()
    nodes.grow()


@needs_ray
def test_an_interrupt_reaches_the_nodes(nodes: Nodes, remotes: Remotes) -> None:
    """Their programs end, the killed runs are on both ledgers, and the interrupt goes on."""
    send_data(remotes)
    original = remotes.make_run()
    known = remotes.started()
    remotes.sign("wait").touch()
    thread = when(lambda: remotes.started() != known, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        again(original.id, executor="ray", address=nodes.address)
    thread.join()
    repo = Repository.discover(remotes.top)
    with Index.open(repo, "gittrack/runs") as index:
        (rerun,) = [row for row in index.search() if row.id != original.id]
    assert rerun.status == "killed" and remotes.times(rerun.id) == 1 and nodes.is_clean()


@needs_ray
def test_no_cluster_is_one_line(remotes: Remotes) -> None:
    """A wrong address is the caller's to mend; nothing has been sent by then."""
    send_data(remotes)
    original = remotes.make_run()
    with pytest.raises(UsageError, match="no Ray cluster at nonsense") as error:
        again(original.id, executor="ray", address="nonsense")
    assert "\n" not in str(error.value) and not run_git(remotes.git, "branch", "--list")


@needs_ray
def test_data_that_no_node_could_get(remotes: Remotes) -> None:
    """It is in the cache here and not on the DVC remote: that is said before anything is sent."""
    remotes.dvc.mkdir()
    original = remotes.make_run()
    with pytest.raises(NotFoundError, match=r"data data/train.csv \(.*\) is not on the DVC remote") as error:
        again(original.id, executor="ray", address="nonsense")
    assert "\n" not in str(error.value) and not run_git(remotes.git, "branch", "--list")


def test_without_ray(remotes: Remotes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    original = remotes.make_run()
    repo = Repository.discover(remotes.top)
    made = plan(repo, load(remotes.top), original.id, ReproduceOptions(executor="ray"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as error:
        run_tasks_on_ray(repo, made.tasks)
    assert str(error.value) == "ray is not installed: pip install 'gittrack[ray]'"
    with suppress(GittrackError):
        again(original.id)


@pytest.mark.parametrize(("late", "starts"), [(1, True), (2, False)])
def test_a_node_that_does_not_start_in_time_is_tried_once_more(late: int, starts: bool) -> None:
    """Ray says so by a bare Exception; then it is the user's to see to, and no fault of ours."""

    class Ray:
        tries = 0

        def is_initialized(self) -> bool:
            return False

        def init(self, **_: Any) -> None:
            self.tries += 1
            if self.tries <= late:
                raise Exception("The current node timed out during startup.")

        def shutdown(self) -> None:
            pass

    ray = Ray()
    if starts:
        with _connected(ray, None):
            pass
    else:
        with (
            pytest.raises(UsageError, match="no Ray cluster at this machine: The current node"),
            _connected(ray, None),
        ):
            pass
    assert ray.tries == 2
