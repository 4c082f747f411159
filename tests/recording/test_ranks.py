"""One record of a training of several processes: rank 0 makes it, the others are as without gittrack."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from pathlib import Path

import pytest

import gittrack
from gittrack.formats.during import Ranks
from gittrack.git.repository import Repository
from gittrack.recording import ranks
from tests.recording.commands import GITTRACK, PYTHON, script
from tests.recording.commands import gittrack as command
from tests.recording.processes import only, records
from tests.tables import rows

STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}
TORCH = {"WORLD_SIZE": "4", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"}

RANKS = (
    ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1", **TORCH}, "RANK=2", 2, 4),
    ({"LOCAL_RANK": "1", "NODE_RANK": "0", **TORCH}, "LOCAL_RANK=1", 1, 4),
    ({"LOCAL_RANK": "0", "NODE_RANK": "1", **TORCH}, "NODE_RANK=1", None, 4),
    ({"NODE_RANK": "1", "MASTER_ADDR": "n1"}, "NODE_RANK=1", None, None),
    ({"HOROVOD_RANK": "3", "HOROVOD_SIZE": "4"}, "HOROVOD_RANK=3", 3, 4),
    ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_RANK=1", 1, 2),
    ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, "MV2_COMM_WORLD_RANK=1", 1, 2),
    ({"JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "6"}, "JSM_NAMESPACE_RANK=1", 1, 6),
    ({"FLUX_TASK_RANK": "1", "FLUX_JOB_SIZE": "2"}, "FLUX_TASK_RANK=1", 1, 2),
    ({"PMI_RANK": "1", "PMI_SIZE": "2"}, "PMI_RANK=1", 1, 2),
    ({"PALS_RANKID": "1", "PALS_APID": "9c1f"}, "PALS_RANKID=1", 1, None),
    ({"PMIX_RANK": "1", "PMIX_NAMESPACE": "slurm.pmix.7.0"}, "PMIX_RANK=1", 1, None),
    ({"SLURM_PROCID": "3", **STEP}, "SLURM_PROCID=3", 3, 4),
    # The launcher that started this very process decides.
    ({"RANK": "0", **TORCH, "SLURM_PROCID": "3", **STEP}, "RANK=0", 0, 4),
    ({"WORLD_SIZE": "4", "MASTER_ADDR": "n1", "SLURM_PROCID": "3", **STEP}, "SLURM_PROCID=3", 3, 4),
)

NONE = (
    {},
    {"RANK": "1"},  # left in a shell, or the number of a trial
    {"RANK": "1", "LOCAL_RANK": "1"},
    {"LOCAL_RANK": "1", "MASTER_PORT": "1"},
    {"RANK": "gold", "WORLD_SIZE": "4"},
    {"RANK": "7", "WORLD_SIZE": "4"},
    {"WORLD_SIZE": "4"},
    {"NODE_RANK": "1"},
    {"PMI_RANK": "1"},
    {"PMIX_RANK": "1"},
    {"PALS_RANKID": "1"},
    {"SLURM_PROCID": "1", "SLURM_NTASKS": "2"},  # no step
    {"SLURM_PROCID": "0", "SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"},  # a batch script
    {"SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1"},  # salloc
)


@rows(("variables", "variable", "number", "size"), RANKS)
def test_what_launchers_set_together(
    variables: dict[str, str], variable: str, number: int | None, size: int | None
) -> None:
    """The rank, how many there are, and the variable that says so."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert ranks.rank() == ranks.Rank(number, variable, size)


@rows("variables", NONE)
def test_a_stray_variable_is_no_rank(variables: dict[str, str]) -> None:
    """What no launcher sets alone loses nobody a run."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert ranks.rank() is None and ranks.other_rank() is None


@rows(
    ("command", "variable"),
    [
        ("torchrun --nnodes=2 --node_rank=1 --master-addr n1 train.py", "--node-rank=1"),
        ("python -m torch.distributed.run --nnodes 2 --node-rank 1 train.py", "--node-rank=1"),
        ("accelerate launch --num_machines 2 --machine_rank 1 train.py", "--machine-rank=1"),
        ("torchrun --nnodes=2 --node_rank=0 train.py", None),
        ("torchrun --nnodes=1:4 --rdzv-endpoint n1 train.py", None),
        ("python train.py --node_rank 1", None),
        ("python train.py --rank 8 --world-size 16", None),  # of an adapter
    ],
)
def test_nodes_that_launchers_are_told_to_be(command: str, variable: str | None) -> None:
    """Launchers that a person starts on each machine: rank 0 is below that of the first."""
    node = ranks.other_node(command.split())
    assert node == (variable and ranks.Rank(None, variable))


def on_rank(number: int, size: int = 3) -> dict[str, str]:
    return {**os.environ, "RANK": str(number), "WORLD_SIZE": str(size)}


def test_gittrack_run_on_every_rank_is_one_record(project: Path) -> None:
    """Rank 0's; the others get the same arguments, and give their own output and exit status."""
    script(
        project,
        "import gittrack, os, sys\ngittrack.log_metric('rank', int(os.environ['RANK']))\n"
        "print(os.environ['RANK'], *sys.argv[1:], os.environ['PYTHONHASHSEED'],"
        " sys.stdin.read(), os.environ.get('GITTRACK_RUN', '-')[:1])\n"
        "print('oops', file=sys.stderr)\nsys.exit(int(os.environ['RANK']) * 3)\n",
    )
    words = ["-S", "lr=0.5", "--seed", "7", "--pass", "flags", "--", PYTHON, "train.py"]
    started = [
        subprocess.Popen(
            [*GITTRACK, "run", *words], cwd=project, env=on_rank(number), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]  # fmt: skip
    said = [process.communicate(f"in{number}", timeout=60) for number, process in enumerate(started)]
    assert [process.returncode for process in started] == [0, 3, 6]
    for number, (out, _) in enumerate(said):
        where = "-" if number else "/"
        assert out == f"{number} --lr 0.5 --seed 7 7 in{number} {where}\n"
    assert said[1][1].splitlines() == [
        "gittrack: rank 0 is recorded, and not this one (RANK=1 of 3); --every-rank records each", "oops",
    ]  # fmt: skip
    assert said[2][1] == "oops\n"
    record = only(project)
    assert record.ranks == Ranks(number=0, size=3, variable="RANK")
    assert (record.params, record.seed, record.metrics["rank"].value) == ({"lr": 0.5, "seed": 7}, 7, 0)


def test_another_rank_is_the_bare_command(project: Path) -> None:
    """The program has the very process: it dies of the same signal, and nothing is written."""
    script(project, "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)\n")
    (project / "gittrack.yaml").write_text("experiment: digits\n")
    env = on_rank(2)
    words = ["run", "--input", "only/on/rank-0", PYTHON, "train.py"]
    done = subprocess.run([*GITTRACK, *words], cwd=project, env=env, check=False)
    assert done.returncode == -signal.SIGUSR1
    broken = command(project, "run", "--", "sh", "-c", "yes | head -n 1", env=env)
    assert (broken.returncode, broken.stdout, broken.stderr) == (0, "y\n", "")
    missing = command(project, "run", "--", "no-such-program", env=env)
    assert missing.returncode == 127 and "command not found" in missing.stderr
    assert not Repository.discover(project).state_dir.exists()


def test_ranks_share_their_work_tree(project: Path) -> None:
    """--isolated on each rank is refused on all of them, before anything is started."""
    for number in range(2):
        done = command(project, "run", "--isolated", "--", PYTHON, "train.py", env=on_rank(number))
        assert (done.returncode, done.stdout) == (2, "") and f"RANK={number}" in done.stderr
    assert records(project) == []


def test_every_rank_records_each_and_scripts_join_theirs(project: Path) -> None:
    """--every-rank: a run for each, which the script below it joins, as it stands on the same rank."""
    script(
        project,
        "import gittrack, os\nwith gittrack.start_run() as run:\n"
        " run.log_metric('rank', int(os.environ['RANK']))\n",
    )
    for number in range(2):
        done = command(project, "run", "--every-rank", "--", PYTHON, "train.py", env=on_rank(number, 2))
        assert done.returncode == 0, done.stderr
    assert sorted(record.metrics["rank"].value or 0 for record in records(project)) == [0, 1]
    assert sorted(record.ranks.number for record in records(project) if record.ranks) == [0, 1]


def test_a_wrapper_around_the_launcher_is_joined_by_rank_0_alone(project: Path) -> None:
    """gittrack run -- mpirun ...: the other ranks have no run, and begin none."""
    script(
        project,
        "import gittrack, os\nwith gittrack.start_run() as run:\n"
        " run.log_metric(f\"m{os.environ['RANK']}\", 1)\n gittrack.log_metric('verb', 1)\n",
    )
    (project / "launch.sh").write_text(
        f"for rank in 1 0 2; do RANK=$rank WORLD_SIZE=3 '{PYTHON}' train.py & done; wait\n"
    )
    done = command(project, "run", "--", "sh", "launch.sh")
    assert done.returncode == 0, done.stderr
    record = only(project)
    assert sorted(record.metrics) == ["m0", "verb"] and record.ranks is not None
    assert record.ranks.sentence == "rank 0 of 3 (RANK)"
    assert "rank 0 of 3 (RANK)" in command(project, "show", "latest").stdout


def test_the_api_on_another_rank_does_nothing(
    inside: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All verbs work, nothing is written, SIGTERM is as it was, and rank 1 says it once."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    ranks.say_passed.cache_clear()
    with caplog.at_level(logging.INFO, logger="gittrack"):
        for _ in range(2):
            with gittrack.start_run("digits", params={"lr": 0.1}) as run:
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
                gittrack.log_metric("loss", 0.1, step=1)
                gittrack.log_artifact("absent.bin")
                assert run.config.lr == 0.1 and not run.active
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "LOCAL_RANK=1 of 2" in caplog.text and "every_rank=True" in caplog.text
    assert not Repository.discover(inside).state_dir.exists()
