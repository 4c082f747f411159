"""A real Slurm of one controller and two nodes (n1, n2; two CPUs each) on this machine, for tests.

Debian's packages will do: ``apt-get install --no-install-recommends slurmctld slurmd slurm-client``.
It listens on 127.0.0.1 alone, on ports that were free, and keeps everything in one folder. Neither systemd
nor cgroups nor root are needed. Started by root it wants munge: without that any local user could be root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")
CONF = """\
ClusterName=gauss
SlurmctldHost={host}(127.0.0.1)
SlurmUser={me}
SlurmdUser={me}
{credentials}
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=100000,sched_interval=2,bf_interval=2
PriorityType=priority/basic
ReturnToService=2
SlurmdTimeout=4
KillWait=5
InactiveLimit=0
MinJobAge=600
MaxArraySize=4
MessageTimeout=10
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP
"""
NODES = ("n1", "n2")
START_S = 60.0


def why_not() -> str:
    """Why no Slurm can be started here; empty where one can."""
    absent = [name for name in ("slurmctld", "slurmd", "sbatch", "squeue") if program(name) is None]
    if absent:
        names = ", ".join(absent)
        return f"Slurm is not installed ({names} not found): apt-get install slurmctld slurmd slurm-client"
    if os.geteuid() == 0 and program("munged") is None:
        return "started by root, a Slurm without munge lets every local user be root: apt-get install munge"
    return "" if Path("/proc/self/environ").exists() else "nodes are ended by what /proc says"


def program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))


class Slurm:
    """It, from its start to `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        (folder / "state").mkdir(parents=True)
        self._configure()
        self._begin("slurmctld", "-c", "-f", str(self.conf))
        for node in NODES:
            self.begin_node(node)
        self.until(lambda: self._idle() == 2, "two idle nodes")

    def _configure(self) -> None:
        held = [socket.socket() for _ in range(3)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in held]
        for one in held:
            one.close()
        me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        text = CONF.format(
            host=socket.gethostname().partition(".")[0], me=me, ports=ports, folder=self.folder,
            credentials=self._credentials(),
        )  # fmt: skip
        self.conf.write_text(text)

    def _credentials(self) -> str:
        if os.geteuid() != 0:
            return "AuthType=auth/none\nCredType=cred/none\nAuthInfo=cred_expire=5"
        key, socket_ = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self._begin(
            "munged", "--force", f"--key-file={key}", f"--socket={socket_}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        return f"AuthType=auth/munge\nAuthInfo=socket={socket_},cred_expire=5"

    def _begin(self, name: str, *arguments: str) -> None:
        subprocess.run([f"{program(name)}", *arguments], check=True, env=self.env, stdin=subprocess.DEVNULL)

    def begin_node(self, node: str) -> None:
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self._begin("slurmd", "-N", node, "-f", str(self.conf))

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            [f"{program(command[0])}", *command[1:]],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def _idle(self) -> int:
        return len(self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split())

    def jobs(self, *options: str) -> list[str]:
        """Numbers of jobs, a task of an array by its own."""
        return self.ask("squeue", "-h", "-r", "-o", "%A", *options).split()

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(log.read_text()[-2000:] for log in sorted(self.folder.glob("*.log")))
                raise AssertionError(
                    f"no {what}:\n{self.ask('sinfo', '-N', '-l')}\n{self.ask('squeue')}\n{logs}"
                )
            time.sleep(0.1)

    def kill_node(self, node: str) -> None:
        """As if the machine were switched off: slurmd, and all that runs for the jobs on it."""
        jobs = set(self.jobs("-w", node, "-t", "R"))
        self._kill(int((self.folder / f"slurmd-{node}.pid").read_text()))
        for process in self._processes():
            environment = _environ(process)
            if environment.get("SLURM_JOB_ID") in jobs or any(f"[{job}." in _title(process) for job in jobs):
                self._kill(process)

    def _processes(self) -> Iterator[int]:
        """Those that have to do with this Slurm, but for our own."""
        for entry in Path("/proc").iterdir():
            process = int(entry.name) if entry.name.isdecimal() else os.getpid()
            if process != os.getpid() and _environ(process).get("SLURM_CONF") == str(self.conf):
                yield process

    def _kill(self, process: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)

    def end_jobs(self) -> None:
        """Leave nothing in the queue for the next test."""
        self.ask("scancel", *self.jobs())
        self.until(lambda: not self.jobs(), "empty queue")

    def stop(self) -> None:
        with suppress(AssertionError):
            self.end_jobs()
        for file in self.folder.glob("*.pid"):
            process = int(file.read_text() or 0)
            if process and str(self.folder) in _title(process):
                self._kill(process)
        for process in self._processes():
            if "SLURM_JOB_ID" in _environ(process) or _title(process).startswith("slurmstepd"):
                self._kill(process)


def _environ(process: int) -> dict[str, str]:
    try:
        words = Path(f"/proc/{process}/environ").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def _title(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
