"""The command line as a whole: lazy verbs, help, exit codes, one line for each error."""

from __future__ import annotations

import importlib
import inspect
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.errors import LedgerError
from tests.repositories import run_git
from tests.tables import rows


def gittrack(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gittrack.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@rows("verb", cli.VERBS)
def test_help_line_is_the_docstring(verb: str) -> None:
    """The list of commands says what each command's own help says first."""
    module = importlib.import_module(f"gittrack.cli.{cli.module_of(verb)}")
    documented = inspect.getdoc(module.command)
    assert documented is not None
    assert documented.splitlines()[0] == cli.VERBS[verb]


def test_every_verb_file_is_listed() -> None:
    """A verb that has a file has a line in the table."""
    folder = Path(inspect.getfile(cli)).parent
    files = {f.stem.removesuffix("_").replace("_", "-") for f in folder.glob("[a-z]*.py")}
    assert {name for name in files if hasattr(_module(name), "command")} == set(cli.VERBS)


def _module(name: str) -> object:
    return importlib.import_module(f"gittrack.cli.{cli.module_of(name)}")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_verbs(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help is short, complete and ends well."""
    assert cli.execute([option]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in cli.VERBS)
    assert "-C DIR" in out


@pytest.mark.parametrize("verb", ["log", "show", "diff", "schema"])
def test_help_of_a_verb_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb's help ends with commands to copy, one on each line."""
    assert cli.execute([verb, "-h"]) == 0
    assert f"Examples:\n    gittrack {verb}" in capsys.readouterr().out


def test_without_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """gittrack alone prints its help, whole."""
    assert cli.execute([]) == 2
    captured = capsys.readouterr()
    assert "Commands:\n  init" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lgo"], "no command 'lgo' (did you mean log?)"),
        (["log", "--bogus"], "No such option: --bogus"),
        (["log", "-n", "many"], "'many' is not a valid"),
        (["diff"], "Missing argument"),
        (["-C", "/does/not/exist", "log"], "cannot go to /does/not/exist: No such file or directory"),
        (["log", "--json", "--csv"], "choose one"),
        (["schema", "nope"], "there are annex-iv, config, decision, environment, live, report"),
    ],
)
def test_wrong_use(
    arguments: list[str], said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the caller got wrong is one line on standard error, and exit code 2."""
    where = [] if "-C" in arguments else ["-C", str(project)]
    assert cli.execute([*where, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gittrack: error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1


@pytest.fixture(autouse=True)
def _stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-C changes the directory of the process: back to where it was after each test."""
    monkeypatch.chdir(tmp_path)


def test_no_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside a repository the machine stands in the way: 5."""
    assert cli.execute(["-C", str(tmp_path), "log"]) == 5
    assert "not a git repository" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LedgerError("busy\nnow"), 5, "gittrack: error: busy now"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("oh\x1b[0m"), 3, "gittrack: bug: ZeroDivisionError: oh\\x1b[0m (test_main.py:"),
    ],
)
def test_funnel(
    error: BaseException,
    code: int,
    said: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Expected errors are one line and their code; a bug leaves its traceback in a file."""

    def fail(name: str) -> str:
        raise error

    monkeypatch.setattr(importlib.import_module("gittrack.cli.schema"), "schema_text", fail)
    assert cli.execute(["-C", str(project), "schema"]) == code
    err = capfd.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == (1 if said else 0)
    log = project / ".git" / "gittrack" / "crash.log"
    assert log.exists() == (code == 3)
    if code == 3:
        assert str(log) in err
        assert "ZeroDivisionError" in log.read_text()


def test_debug_shows_the_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GITTRACK_DEBUG=1 prints it whole."""

    def fail(name: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setenv("GITTRACK_DEBUG", "1")
    monkeypatch.setattr(importlib.import_module("gittrack.cli.schema"), "schema_text", fail)
    assert cli.execute(["-C", str(project), "schema"]) == 3
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_closed_pipe(project: Path) -> None:
    """A reader that goes away early gets no complaint."""
    script = "from gittrack.cli import main; main(['schema'])"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{script}" | true; echo ${{PIPESTATUS[0]}}'],
        capture_output=True,
        text=True,
        cwd=project,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_version_and_name() -> None:
    """--version prints one line."""
    done = gittrack("--version")
    assert done.stdout.startswith("gittrack 0.")
    assert done.stdout.count("\n") == 1


def test_completion_is_there() -> None:
    """Shells can complete verbs without loading them all."""
    done = subprocess.run(
        [sys.executable, "-c", "from gittrack.cli import main; main()"],
        env={
            "PATH": "/usr/bin:/bin",
            "_GITTRACK_COMPLETE": "complete_bash",
            "COMP_WORDS": "gittrack sch",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["schema"]


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """gittrack schema prints the schema of run.yaml, as JSON."""
    import json

    assert cli.execute(["schema"]) == 0
    assert "hypothesis" in json.loads(capsys.readouterr().out)["properties"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_bug(project: Path, closed: str) -> None:
    """A command whose output was closed by its caller still does its work."""
    command = f"{shlex.quote(sys.executable)} -m gittrack run -q -- true {closed}"
    assert subprocess.run(["sh", "-c", command], cwd=project, check=False).returncode == 0
    assert "run.yaml" in run_git(project, "ls-tree", "-r", "--name-only", "gittrack/runs")
