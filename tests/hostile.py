"""The suite on a machine where everything is set that could decide a test: ``make test-hostile``.

The work tree is copied to a folder with a space and letters beyond ASCII, and installed there
for editing, into an environment that borrows the packages of this one: nothing is fetched, and
no path of the original is in reach. Arguments go to pytest; without any, the whole suite runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.environments import make_environment

ROOT = Path(__file__).parent.parent
LOCALES = ("tr_TR.utf8", "de_DE.utf8", "C")
"""The first that is installed: another capital of i, a decimal comma, no letter beyond ASCII."""

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB", "BLIS", "RAYON")
RANKS = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK", "MPI_LOCALRANKID",
    "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID",
)  # fmt: skip
VARIABLES = {
    **{f"{name}_NUM_THREADS": "3" for name in THREADS},
    **dict.fromkeys(RANKS, "1"),
    "OPENBLAS_CORETYPE": "Prescott", "MKL_CBWR": "COMPATIBLE", "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    "CUDA_VISIBLE_DEVICES": "", "TF_DETERMINISTIC_OPS": "1",
    "XLA_FLAGS": "--xla_gpu_deterministic_ops=true", "WORLD_SIZE": "2", "MASTER_ADDR": "nowhere.invalid",
    "MASTER_PORT": "1", "SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_ARRAY_TASK_ID": "3",
    "PBS_JOBID": "7", "LSB_JOBID": "7", "TZ": "Pacific/Kiritimati", "LANGUAGE": "tr:de",
    "PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "NO_COLOR": "1",
    "TERM": "dumb", "COLUMNS": "31", "LINES": "5", "PAGER": "false", "EDITOR": "false", "LESS": "",
    "CI": "true", "GITHUB_ACTIONS": "true", "GITLAB_CI": "true", "GIT_DIR": "/nowhere/.git",
    "GIT_INDEX_FILE": "/nowhere/index", "GIT_AUTHOR_NAME": "Mallory",
    "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z",
    "GIT_PAGER": "false", "GITTRACK_EXPERIMENT": "other", "GITTRACK_SEED": "99",
    "GITTRACK_PARAMS": '{"lr": 9}', "GITTRACK_RUN": "/nowhere", "GITTRACK_ANCHOR": "/nowhere/signers",
    "GITTRACK_DEBUG": "1", "DVC_GLOBAL_CONFIG_DIR": "/nowhere", "DVC_STUDIO_TOKEN": "hunter2",
    "MLFLOW_TRACKING_URI": "http://nowhere.invalid", "WANDB_API_KEY": "hunter2",
    "RAY_ADDRESS": "nowhere.invalid:1", "PIP_REQUIRE_VIRTUALENV": "1", "UV_PYTHON": "3.99",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Copy, install, run; pytest's own exit status."""
    os.umask(0o077)
    scratch, plain = Path(tempfile.mkdtemp(prefix="gt é")), Path(tempfile.mkdtemp(prefix="gt"))
    try:
        checkout = scratch / "ı check out"
        _copy(checkout)
        binaries = make_environment(plain / "venv")  # the first line of a script takes no space
        _install(checkout, binaries)
        temporary = scratch / "tmp ß"
        temporary.mkdir()
        kept = ("PATH", "HOME", "NODE_PATH", "PYTEST_XDIST_AUTO_NUM_WORKERS")
        here = {name: os.environ[name] for name in kept if name in os.environ}
        environment = {**here, **VARIABLES, "LC_ALL": _locale(), "TMPDIR": str(temporary)}
        command = [binaries / "python", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(
            command, cwd=checkout, env=environment, check=False, preexec_fn=_deaf
        ).returncode
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(plain, ignore_errors=True)


def _copy(checkout: Path) -> None:
    """What git tracks or would track, in a repository of its own."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)


def _install(checkout: Path, binaries: Path) -> None:
    """This tree for editing, and the programs of the environment that the packages are borrowed from."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python", "install", *options]
    subprocess.run([*pip, "--no-warn-script-location", "-e", checkout], check=True)
    for program in Path(sys.executable).parent.iterdir():
        if not (binaries / program.name).exists():
            (binaries / program.name).symlink_to(program)


def _locale() -> str:
    installed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return next(name for name in LOCALES if name in installed or name == "C")


def _deaf() -> None:
    """As the background of a shell and nohup start a program."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
