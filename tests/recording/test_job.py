"""`gittrack run`: any program, recorded from outside, its exit status passed through."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ledgers import file_of, journals, records
from tests.recording.commands import GITTRACK, PYTHON, gittrack, script, start
from tests.recording.signalled import until
from tests.repositories import run_git

# --- exit status and output ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "code", "status"),
    [
        ("pass", 0, "finished"),
        ("raise SystemExit(3)", 3, "failed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, "killed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -11, "failed"),
    ],
)
def test_exit_status_passes_through(project: Path, program: str, code: int, status: str) -> None:
    """The wrapper ends as the program did, and the run says so."""
    done = gittrack(project, "run", "--", PYTHON, "-c", program)
    assert done.returncode == code
    (record,) = records(project)
    assert record.status == status
    assert f"gittrack: run {record.id} of default: {status}" in done.stderr


@pytest.mark.parametrize(("command", "code"), [("no-such-program", 127), ("./plain", 126), ("./broken", 126)])
def test_nothing_to_run(project: Path, command: str, code: int) -> None:
    """The shell's codes, one line, and nothing recorded."""
    (project / "plain").write_text("x")
    (project / "broken").write_text("#!/no/such/interpreter\n")
    (project / "broken").chmod(0o755)
    done = gittrack(project, "run", "--", command)
    assert done.returncode == code
    assert done.stderr.startswith("gittrack: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert (records(project), journals(project)) == ([], [])
    assert run_git(project, "for-each-ref", "refs/gittrack/live") == ""


def test_streams_stay_apart_and_stdin_passes_through(project: Path) -> None:
    """stdout to stdout, stderr to stderr, stdin to the program; the tail holds both."""
    program = "import sys; print('out', sys.stdin.read()); print('err', file=sys.stderr)"
    done = gittrack(project, "run", "-q", "--", PYTHON, "-c", program, input="typed")
    assert (done.stdout, done.stderr) == ("out typed\n", "err\n")
    (record,) = records(project)
    assert sorted(file_of(project, record, "console.txt").splitlines()) == ["err", "out typed"]


def test_no_console(project: Path) -> None:
    """On request the output is not kept."""
    gittrack(project, "run", "--no-console", "--", "echo", "hello")
    (record,) = records(project)
    assert record.console is None
    assert "console.txt" not in run_git(project, "ls-tree", "-r", "--name-only", "gittrack/runs")


def test_output_comes_in_time(project: Path) -> None:
    """A line is passed on when it is written, not when the program ends."""
    program = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [*GITTRACK, "run", "--", PYTHON, "-c", program],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert process.poll() is None
        process.communicate()
    assert process.returncode == 0


def test_options_end_at_the_program(project: Path) -> None:
    """`--` may be left out, and the program's options are its own."""
    script(project, "import sys; print(sys.argv[1:])")
    for dash in ([], ["--"]):
        done = gittrack(project, "run", "-q", "-e", "x", *dash, PYTHON, "train.py", "-e", "1", "--name", "--")
        assert done.stdout == "['-e', '1', '--name', '--']\n"
    assert {r.experiment for r in records(project)} == {"x"}


def test_git_track_alias(project: Path) -> None:
    """`git track run` is the same command."""
    env = {"PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["git", "track", "run", "--", "true"],
        cwd=project,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(records(project)) == 1


def test_subfolder(project: Path) -> None:
    """Paths are those of the folder it was called in; the record tells them from the top."""
    folder = project / "sub"
    folder.mkdir()
    script(folder, "open('m.pkl', 'w').write('m'); open('metrics.json', 'w').write('{\"acc\": 1}')")
    (folder / "data.csv").write_text("1")
    done = gittrack(
        folder, "run", "--input", "data.csv:test", "--output", "m.pkl:model", "--", PYTHON, "train.py"
    )
    assert done.returncode == 0
    (record,) = records(project)
    assert (record.code.cwd, record.code.entry) == ("sub", "sub/train.py")
    assert [(d.path, d.role) for d in record.data] == [("sub/data.csv", "test")]
    assert [(o.path, o.role) for o in record.outputs] == [("sub/m.pkl", "model")]
    assert record.metrics["acc"].value == 1


# --- parameters, metrics, inputs, outputs --------------------------------------------------


def test_parameters(project: Path) -> None:
    """Files first, then -S, nested and typed; the program finds them and the seed in its environment."""
    (project / "params.yaml").write_text("lr: 1e-3\nmodel:\n  width: 64\n")
    names = ("GITTRACK_PARAMS", "GITTRACK_SEED", "PYTHONHASHSEED")
    program = f"import os; print(*[os.environ.get(name) for name in {names}])"
    options = [
        "-S",
        "model.width=128",
        "-S",
        "flag=true",
        "--seed",
        "7",
        "--pass",
        "env",
        "-n",
        "label",
        "-m",
        "why",
        "-t",
        "a=b",
    ]
    done = gittrack(project, "run", "-q", *options, "--", PYTHON, "-c", program)
    (record,) = records(project)
    assert record.params == {"lr": 0.001, "model": {"width": 128}, "flag": True}
    assert (record.seed, record.name, record.hypothesis, record.tags) == (7, "label", "why", {"a": "b"})
    params, seed, hash_seed = done.stdout.rsplit(" ", 2)
    assert json.loads(params) == record.params
    assert (seed, hash_seed.strip()) == ("7", "7")


def test_metrics_files(project: Path) -> None:
    """Final values and series of several files in one run."""
    program = (
        "import os; os.makedirs('dvclive/plots/metrics')\n"
        "open('s.json','w').write('{\"acc\": 0.9}')\n"
        "open('log.csv','w').write('step,loss\\n0,2\\n1,1\\n')\n"
        "open('dvclive/plots/metrics/f1.tsv','w').write('step\\tf1\\n0\\t0.5\\n')\n"
        "open('dvclive/params.yaml','w').write('depth: 3\\n')\n"
    )
    files = ["--metrics", "s.json", "--metrics", "log.csv", "--metrics", "dvclive"]
    done = gittrack(project, "run", "-q", *files, "--", PYTHON, "-c", program)
    assert done.stderr == ""
    (record,) = records(project)
    assert {k: (m.value, m.step) for k, m in record.metrics.items()} == {
        "acc": (0.9, None), "loss": (1, 1), "f1": (0.5, 0)
    }  # fmt: skip
    assert record.params == {"depth": 3}
    assert not record.code.dirty
    assert file_of(project, record, "metrics.csv").startswith("step,time,loss,f1\n0,")


def test_what_was_not_written_is_said(project: Path) -> None:
    """Missing, stale and unreadable files cost no run, and nothing old passes for a result of this run."""
    for name in ("old.json", "old.pkl"):
        (project / name).write_text('{"acc": 1}')
    files = ["--metrics", "old.json", "--metrics", "no.json", "--metrics", "bad.json"]
    outputs = ["--output", "old.pkl:model", "--output", "no.pkl:model", "--output", "m.pkl:model"]
    program = "open('bad.json','w').write('{'); open('m.pkl','w').write('m')"
    done = gittrack(project, "run", *files, *outputs, "--", PYTHON, "-c", program)
    assert done.returncode == 0
    (record,) = records(project)
    assert (record.status, record.metrics) == ("finished", {})
    assert [o.path for o in record.outputs] == ["m.pkl"]
    for said in (
        "metrics file old.json was not written by this run",
        "metrics file no.json was not written by this run",
        "bad.json: not valid JSON",
        "output old.pkl was not written by this run",
        "output no.pkl was not written by this run",
    ):
        assert said in done.stderr


def test_output_moved_into_place(project: Path) -> None:
    """A copy that keeps an old modification time is still this run's output."""
    program = "import os; open('x','w').write('m'); os.utime('x', (1, 1)); os.rename('x', 'm.pkl')"
    gittrack(project, "run", "--output", "m.pkl:model", "--", PYTHON, "-c", program)
    (record,) = records(project)
    assert [o.path for o in record.outputs] == ["m.pkl"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "train.py:training"], "'training' is no role"),
        (["--input", "missing.csv:train"], "missing.csv does not exist"),
        (["--params", "missing.yaml"], "no such file"),
        (["--params", "train.ini"], "cannot read .ini"),
        (["-S", "x"], "-S takes key=value"),
        (["-t", "x"], "-t takes KEY=VALUE"),
        (["-e", "a/b"], "experiment name"),
        (["--dirty", "stash"], "--dirty takes"),
        (["--image", "latest"], "is no digest"),
        (["--parent", "nobody"], "nobody"),
        (["--seed", "x"], "--seed"),
        (["--dirty", "refuse"], "uncommitted changes"),
    ],
)
def test_wrong_options_start_nothing(project: Path, options: list[str], said: str) -> None:
    """Code 2, one line, before the program starts, and nothing left behind."""
    (project / "new.txt").write_text("dirty")
    done = gittrack(project, "run", *options, "--", "touch", "started")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (project / "started").exists()
    assert (records(project), journals(project)) == ([], [])
    assert run_git(project, "for-each-ref", "refs/gittrack/live") == ""


# --- a script that joins -------------------------------------------------------------------

JOINED = """
import gittrack
with gittrack.start_run(params={{"lr": 0.1}}) as run:
    run.log_metric("loss", 0.5, step=1)
    print(run.id)
    {more}
"""


def test_script_joins_the_run(project: Path) -> None:
    """start_run() inside is the wrapper's own run; the command line's word goes before the script's."""
    script(project, JOINED.format(more="pass"))
    done = gittrack(
        project, "run", "-q", "-e", "outer", "-S", "width=1", "--pass", "env", "--", PYTHON, "train.py"
    )
    assert done.stderr == ""
    (record,) = records(project)
    assert done.stdout.strip() == record.id
    assert record.experiment == "outer"
    assert record.params == {"width": 1, "lr": 0.1}
    assert record.metrics["loss"].value == 0.5
    assert journals(project) == []


@pytest.mark.parametrize("end", ["os._exit(0)", "os.execv('/bin/true', ['true'])"])
def test_joined_script_that_does_not_end_its_run(project: Path, end: str) -> None:
    """The exit status is the command's; what the script had not yet written is gone, and said."""
    script(project, f"import gittrack, os\ngittrack.start_run().log_metric('acc', 1)\n{end}")
    gittrack(project, "run", "-q", "--", PYTHON, "train.py")
    (record,) = records(project)
    assert (record.status, record.ended_by) == ("finished", "command")
    assert [loss.what for loss in record.not_recorded] == ["end of the script that joined the run"]


@pytest.mark.parametrize("options", [[], ["--input", "train.py:train"]])
def test_the_joined_script_knows_best_why_it_failed(project: Path, options: list[str]) -> None:
    """The exception's type, not only the exit status, whoever of the two wrote to the journal first."""
    script(project, JOINED.format(more="raise ValueError('no data')"))
    done = gittrack(project, "run", *options, "--", PYTHON, "train.py")
    assert done.returncode == 1
    (record,) = records(project)
    assert record.failure is not None
    assert (record.status, record.failure.type, record.failure.message) == ("failed", "ValueError", "no data")


def test_second_run_inside_is_a_child(project: Path) -> None:
    """A second start_run() in the script, and a `gittrack run` inside, are runs with a parent."""
    script(
        project,
        "import gittrack, subprocess, sys\n"
        "with gittrack.start_run(): pass\n"
        "with gittrack.start_run(): pass\n"
        "subprocess.run([sys.executable, '-m', 'gittrack', 'run', '-q', '--', 'true'], check=True)\n",
    )
    assert gittrack(project, "run", "-q", "--", PYTHON, "train.py").returncode == 0
    found = records(project)
    assert len(found) == 3
    (outer,) = [r for r in found if r.parent is None]
    assert {r.parent for r in found} == {None, outer.id}


# --- signals -------------------------------------------------------------------------------

WAITING = """
import os, signal, sys, time
def end(number, frame):
    os.write(1, b"program got %d\\n" % number)  # print may be what was interrupted
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_program(project: Path, number: signal.Signals) -> None:
    """A signal to the wrapper is the program's to handle; the run is killed, and recorded."""
    with start(project, PYTHON, "-c", WAITING) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert out == f"program got {number.value}\n"
    assert process.returncode == 128 + number
    (record,) = records(project)
    assert record.failure is not None
    assert (record.status, record.failure.message) == ("killed", number.name)


def test_kill_9_of_the_program(project: Path) -> None:
    """A program killed from outside is recorded at once."""
    program = (
        "import os; print('ready', flush=True); print(os.getpid(), flush=True); import time; time.sleep(60)"
    )
    with start(project, PYTHON, "-c", program) as process:
        assert process.stdout is not None
        os.kill(int(process.stdout.readline()), signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert records(project)[0].status == "killed"


def test_kill_9_of_the_wrapper_leaves_the_joined_script_its_run(project: Path, tmp_path: Path) -> None:
    """While the script lives, recover leaves the run alone; when it has ended, recover commits it."""
    script(
        project,
        "import gittrack, pathlib, sys, time\n"
        "with gittrack.start_run() as run:\n"
        "    run.log_metric('before', 1)\n"
        "    print('ready', flush=True)\n"
        "    while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"
        "    run.log_metric('after', 2)\n"
        "pathlib.Path(sys.argv[1] + '.done').touch()\n",
    )
    go = tmp_path / "go"
    with start(project, PYTHON, "train.py", str(go)) as process:
        process.kill()
        process.wait()
        assert "still running" in gittrack(project, "recover").stdout
        assert records(project) == []
        go.touch()
        until((tmp_path / "go.done").exists)
    until(lambda: "committed as finished" in gittrack(project, "recover").stdout)
    (record,) = records(project)
    assert {k: m.value for k, m in record.metrics.items()} == {"before": 1, "after": 2}


@pytest.mark.parametrize("background", ["exec sleep 120", "while sleep 0.05; do echo noise; done"])
def test_background_process_does_not_hold_up_the_run(project: Path, background: str) -> None:
    """The run ends with the program, though something of it still holds the pipe, quiet or not.

    Whoever reads our output sees its end when that has gone as well, as without us.
    """
    command = f"({background}) & echo $!; echo done"
    with subprocess.Popen(
        [*GITTRACK, "run", "-q", "--", "sh", "-c", command], cwd=project, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        try:
            assert process.wait(timeout=60) == 0
        finally:
            os.kill(pid, signal.SIGKILL)
        assert "done" in process.stdout.read()
    (record,) = records(project)
    assert record.status == "finished"
    assert [loss.what for loss in record.not_recorded] == ["processes that the command had started"]


def test_very_large_output(project: Path) -> None:
    """Hundreds of megabytes pass through in bounded memory, and 64 KiB are kept."""
    program = (
        "import sys\nline = b'x' * 99 + b'\\n'\nfor _ in range(1500): sys.stdout.buffer.write(line * 1000)"
    )
    measure = (
        "import resource, subprocess, sys; p = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(p.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [PYTHON, "-c", measure, *GITTRACK, "run", "-q", "--", PYTHON, "-c", program],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak_kib = map(int, done.stdout.split())
    assert code == 0
    assert peak_kib < 150_000
    (record,) = records(project)
    assert record.console is not None
    assert record.console.truncated
    assert 65_000 < record.console.size <= 65_536


def test_on_a_terminal_the_program_sees_a_terminal(project: Path) -> None:
    """Progress bars and colours stay as they are without gittrack."""
    program = (
        "import sys, os; print(sys.stdout.isatty(), sys.stderr.isatty(), os.get_terminal_size(1).columns)"
    )
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(project)
        os.execv(PYTHON, [*GITTRACK, "run", "--", PYTHON, "-c", program])  # noqa: S606
    said = b""
    while select.select([master], [], [], 60)[0]:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert said.startswith(b"True True ")
    (record,) = records(project)
    assert file_of(project, record, "console.txt").startswith("True True ")


def test_reader_that_goes_away(project: Path) -> None:
    """`gittrack run ... | head -1`: the training goes on to its end."""
    program = "for i in range(20000): print(i)\nopen('end', 'w')"
    command = f'{PYTHON} -m gittrack run -q -- {PYTHON} -c "{program}" | head -1'
    subprocess.run(["sh", "-c", command], cwd=project, check=True, capture_output=True)
    until(lambda: bool(records(project)))
    assert (project / "end").exists()
    assert records(project)[0].status == "finished"


# --- another environment, a ledger that cannot be written -----------------------------------


def test_packages_of_the_programs_own_environment(project: Path, tmp_path: Path) -> None:
    """A program in another virtual environment than gittrack's is recorded with that one's packages."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(PYTHON)
    (venv / "pyvenv.cfg").write_text(
        "home = /usr/bin\nversion = 3.12.1\ninclude-system-site-packages = false\n"
    )
    place = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (venv / place / "rarething-9.8.7.dist-info").mkdir(parents=True)
    gittrack(project, "run", "--", str(venv / "bin/python"), "-c", "pass")
    gittrack(project, "run", "--", PYTHON, "-c", "pass")
    other, own = records(project)
    assert 'packages:\n  rarething: "9.8.7"\n' in file_of(project, other, "environment.yaml")
    assert other.environment.python == sys.version.split()[0]
    assert "rarething" not in file_of(project, own, "environment.yaml")
    assert own.environment.python == sys.version.split()[0]


def test_run_that_cannot_be_committed_is_kept(project: Path) -> None:
    """The program's status passes through, the journal stays, and recover commits it when that is mended."""
    assert gittrack(project, "run", "--", "true").returncode == 0
    program = "import subprocess; subprocess.run(['git', 'checkout', '-q', 'gittrack/runs'], check=True)"
    done = gittrack(project, "run", "--", PYTHON, "-c", program)
    assert done.returncode == 0
    assert "is checked out in" in done.stderr
    assert "run gittrack recover" in done.stderr
    run_git(project, "checkout", "-q", "main")
    assert "committed as finished" in gittrack(project, "recover").stdout
    assert len(records(project)) == 2


def test_full_disk_behind_the_output(project: Path) -> None:
    """An output that cannot be passed on does not stop the training, and its tail is kept all the same."""
    command = f"{PYTHON} -m gittrack run -q -- sh -c 'echo hello; echo x > end' > /dev/full"
    done = subprocess.run(["sh", "-c", command], cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "end").exists()
    (record,) = records(project)
    assert file_of(project, record, "console.txt") == "hello\n"


def test_nohup(project: Path) -> None:
    """A run that was told to outlive its terminal is deaf to its end."""
    program = "import os, time; print('ready', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)"
    with start(
        project, PYTHON, "-c", program, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ) as p:
        os.killpg(p.pid, signal.SIGHUP)
        (project / "go").touch()
        p.communicate(timeout=60)
    assert p.returncode == 0
    assert records(project)[0].status == "finished"
