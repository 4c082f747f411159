"""What the command line shows of runs that still go on."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from tests.training import files_below, gittrack_command, started, training, until

Captured = pytest.CaptureFixture[str]


def test_log_lists_what_runs(inside: Path, capsys: Captured) -> None:
    """Its status, how old its last point is and its last values; in JSON and CSV too."""
    with training(inside) as run:
        run.log(0, 3)
        assert cli.execute(["log"]) == 0
        header, line = capsys.readouterr().out.splitlines()
        assert header.split("  ")[0] == "id"
        assert "last point" in header
        assert [word for word in line.split() if word in (run.id, "running", "0.02", "7")] == [
            run.id, "running", "0.02", "7",
        ]  # fmt: skip
        assert cli.execute(["log", "--json"]) == 0
        (record,) = json.loads(capsys.readouterr().out)
        assert record["status"] == "running"
        assert record["metrics"]["acc"] == {"value": 0.02, "step": 2, "rule": "last"}
        assert record["live"]["last_point"] > record["started"]
        assert "path" not in record
        assert cli.execute(["log", "--csv"]) == 0
        assert ",running," in capsys.readouterr().out.splitlines()[1]
        assert cli.execute(["log", "-F", "status != 'running'"]) == 0
        assert "no run matches" in capsys.readouterr().err


def test_log_of_a_dead_run_says_so(inside: Path, capsys: Captured) -> None:
    """It is not said to run, and nothing is done about it; recover records it."""
    with training(inside) as run:
        run.log(0, 3)
        run.kill()
        before = files_below(inside / ".git/gittrack")
        assert cli.execute(["log", "--hide-failed"]) == 0
        assert "unrecorded" in capsys.readouterr().out
        assert cli.execute(["show", run.id]) == 0
        shown = capsys.readouterr()
        assert "unrecorded" in shown.out
        assert "gittrack recover records the run" in shown.err
        assert files_below(inside / ".git/gittrack") == before
        assert cli.execute(["recover"]) == 0
        capsys.readouterr()
        assert cli.execute(["log"]) == 0
        assert "killed" in capsys.readouterr().out


def test_show_shows_a_run_so_far(inside: Path, capsys: Captured) -> None:
    """Parameters, last values, charts; as JSON and Markdown too."""
    with training(inside) as run:
        run.log(0, 30)
        assert cli.execute(["show", run.id[-6:]]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"run {run.id}  running  digits, ")
        assert "last point 0s ago" in out or "last point " in out
        for text in ("model.depth", "0.29", "step 29", "30 points"):
            assert text in out
        assert cli.execute(["show", "--json", run.id]) == 0
        assert json.loads(capsys.readouterr().out)["params"]["model"] == {"depth": 3}
        assert cli.execute(["show", "--md", run.id]) == 0
        assert f"# Run {run.id}" in capsys.readouterr().out
        assert cli.execute(["show", "--yaml", run.id]) == 2
        assert "no record yet" in capsys.readouterr().err


def test_show_without_a_name_is_the_last_record(inside: Path, capsys: Captured) -> None:
    """As for every other command."""
    with gittrack.start_run("digits") as before:
        pass
    with training(inside) as run:
        run.log(0, 1)
        assert cli.execute(["show"]) == 0
        assert before.id in capsys.readouterr().out


def lines_until(process: subprocess.Popen[str], text: str) -> str:
    """What it prints, until `text` is in it or it ends."""
    assert process.stdout is not None
    seen = ""
    while text not in seen and (line := process.stdout.readline()):
        seen += line
    assert text in seen
    return seen


def test_follow_shows_points_until_the_end(inside: Path) -> None:
    """Those that were there, those that come, and the record when there is one."""
    with training(inside) as run:
        run.log(0, 3)
        with started(inside, "show", "--follow") as process:
            seen = lines_until(process, "step 2 ")
            assert seen.startswith(f"run {run.id}  digits")
            assert "step 0 " in seen
            run.log(3, 5)
            lines_until(process, "step 4 ")
            run.log(5, 7)
            run.finish()
            out, err = process.communicate(timeout=60)
    assert "step 6 " in out
    assert f"run {run.id}  finished" in out
    assert (process.returncode, err) == (0, "")


def test_follow_gives_json_lines(inside: Path) -> None:
    """Every point once, the record last."""
    with training(inside) as run:
        run.log(0, 3)
        with started(inside, "show", "--follow", "--json", run.id) as process:
            seen = lines_until(process, '"step":2')
            run.log(3, 6)
            run.finish()
            out, _ = process.communicate(timeout=60)
    *points, record = map(json.loads, (seen + out).splitlines())
    assert [point["step"] for point in points] == [0, 1, 2, 3, 4, 5]
    assert points[1]["metrics"] == {"loss": 0.5, "acc": 0.01}
    assert (record["id"], record["status"]) == (run.id, "finished")
    assert process.returncode == 0


def test_follow_says_when_the_process_is_gone(inside: Path) -> None:
    """It records nothing by itself."""
    with training(inside) as run:
        run.log(0, 3)
        with started(inside, "show", "-f", run.id) as process:
            lines_until(process, "step 2 ")
            run.kill()
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == f"gittrack: the process of run {run.id} is gone: gittrack recover records the run\n"
    assert (inside / ".git/gittrack/journal" / run.id).is_dir()


def test_follow_is_left_with_ctrl_c(inside: Path) -> None:
    """The run goes on."""
    with training(inside) as run:
        run.log(0, 3)
        with started(inside, "show", "-f", run.id) as process:
            lines_until(process, "step 2 ")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        run.log(3, 4)


def test_follow_of_an_ended_run_shows_it(inside: Path, capsys: Captured) -> None:
    """There is nothing to wait for."""
    with gittrack.start_run("digits") as run:
        pass
    assert cli.execute(["show", "-f", run.id]) == 0
    assert f"run {run.id}  finished" in capsys.readouterr().out
    assert cli.execute(["show", "-f"]) == 2
    assert "no run is running here" in capsys.readouterr().err


def test_watch_draws_again(inside: Path) -> None:
    """On a terminal, in place of what is there, until Ctrl-C."""
    main, side = pty.openpty()
    env = {**os.environ, "COLUMNS": "120", "LINES": "40", "TERM": "xterm"}
    with training(inside) as run:
        run.log(0, 1)
        command = gittrack_command("log", "--watch", "0.2")
        with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, cwd=inside, env=env) as process:
            os.close(side)
            seen = [""]

            def shows(text: str) -> bool:
                seen[0] += os.read(main, 65536).decode()
                return text in seen[0]

            until(lambda: shows("running"))
            run.log(1, 43)
            until(lambda: shows("0.42"))
            run.finish()
            until(lambda: shows("finished"))
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
    os.close(main)
    assert seen[0].count("\x1b[H") >= 3


@pytest.mark.parametrize("more", [[], ["--json"], ["--csv"]])
def test_watch_is_for_a_terminal(inside: Path, capsys: Captured, more: list[str]) -> None:
    """Elsewhere it is refused, rather than fill a file."""
    assert cli.execute(["log", "--watch", "1", *more]) == 2
    assert "--watch draws a table on a terminal" in capsys.readouterr().err
