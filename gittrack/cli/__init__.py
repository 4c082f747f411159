"""The command line: `main` finds the verb, loads its file alone, and turns errors into lines and exit codes.

Exit codes are those of ``docs/exit-codes.md``: 0, 2 and 5 as the error says, 3 for a bug in
gittrack, 130 when interrupted, 1 when the reader of a pipe went away; a verb may end with
others by raising `typer.Exit`.
"""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gittrack.cli import output
from gittrack.errors import MACHINE, GittrackError, UsageError, of_machine

VERBS = {
    "init": "Set this repository up: the ledger branch, fetch refspecs, a first gittrack.yaml.",
    "run": "Run a command and record it.",
    "log": "List runs, newest first.",
    "show": "Show one run.",
    "diff": "Say what differs between two runs.",
    "verify": "Check that what the records claim still holds.",
    "reproduce": "Run a run again, and say how far it can be had again: bitwise, numerically, statistically.",
    "sweep": "Run a command over a grid or sample of parameters.",
    "stats": "Say what replicates show: means with their intervals, by what was varied.",
    "compare": "Compare groups of replicates: is the difference real?",
    "importance": "Rank the parameters of an experiment by their association with a metric.",
    "gate": "Judge replicates by the protocol's pass rule, fixed before their results.",
    "decide": "Give a run an outcome: selected, rejected or baseline, and say why.",
    "register": "Register the model of a run as a version: a tag that GTO reads.",
    "promote": "Put a version of a model into a stage, or take it out.",
    "models": "List the registered models: versions, runs, stages.",
    "import": "Import the runs of another tracker: its folder or file is read, never written.",
    "export": "Write a run or an experiment in the format of another tool.",
    "fetch": "Bring the bytes of a model, and check them.",
    "bundle": "Write one archive for retention: ledger, code, and data if asked, readable without gittrack.",
    "report": "Write the evidence on a model: how it was selected, tested and can be had again.",
    "record": "Record past training commits: their parameters, metrics, data and outputs, as committed.",
    "hooks": "Record training commits and guard the ledger by git hooks.",
    "propose": "Put runs on a branch, so that a pull request adds them to the ledger.",
    "review": "Show the runs of a pull request: verified, beside the baseline, with what is to be decided.",
    "recover": "Commit the runs whose process died.",
    "push": "Send the ledger, and artifacts if asked, to a remote.",
    "pull": "Bring the ledger, and artifacts if asked, from a remote.",
    "doctor": "Check this set-up, and say how to mend it.",
    "schema": "Print a JSON Schema.",
}
"""Each verb and the first line of its help, so that listing them loads none of them."""

INTERRUPTED = 130
BUG = 3
NOBODY_READS = 1


class _Verbs(TyperGroup):
    """A group that imports ``gittrack.cli.<verb>`` when that verb is called, and no other."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _load(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise UsageError(f"no command {args[0]!r}{_nearest(args[0])}; gittrack --help lists them")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def module_of(verb: str) -> str:
    """The file of a verb; a word of Python's own has a line behind it."""
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _load(verb: str) -> Any:
    module = importlib.import_module(f"gittrack.cli.{module_of(verb)}")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    settings = {"help_option_names": ["-h", "--help"], **getattr(module, "SETTINGS", {})}
    app.command(name=verb, context_settings=settings)(module.command)
    return typer.main.get_command(app)


def _nearest(word: str) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(word, VERBS, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from gittrack.version import VERSION

        output.write(f"gittrack {VERSION}\n")
        raise typer.Exit


@app.callback()
def _options(
    directory: Annotated[
        list[str] | None, typer.Option("-C", metavar="DIR", help="Run as if started in DIR, as git does.")
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; so does NO_COLOR=1.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Experiment tracking that is just git: every training run a validated record on a branch."""
    output.no_color = no_color
    for where in directory or []:
        try:
            os.chdir(where)
        except OSError as error:
            raise UsageError(f"cannot go to {where}: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> None:
    """The console scripts ``gittrack`` and ``git-track`` (so that ``git track log`` works)."""
    _open_streams()
    name = "git track" if Path(sys.argv[0]).stem == "git-track" else "gittrack"
    status = execute(sys.argv[1:] if arguments is None else arguments, name)
    if status < 0:
        from gittrack.recording.relay import die_of

        die_of(-status)
        status = 128 - status
    gc.freeze()  # Python looks for garbage once more before it exits, among all that it has loaded
    sys.exit(status)


def _open_streams() -> None:
    """Streams that our caller closed go nowhere, and no file that we open takes their place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def execute(arguments: list[str], name: str = "gittrack") -> int:
    """Run the command line `arguments`; the exit code, negative for a signal that `run` is to end with.

    The one place where errors become lines.
    """
    try:
        code = typer.main.get_command(app).main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except GittrackError as error:
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return NOBODY_READS
    except Exception as error:
        if isinstance(error, OSError) and error.errno in MACHINE:
            refusal = of_machine(error, "go on")
            return _say(str(refusal), refusal.exit_code)
        if type(error).__name__ == "NoArgsIsHelpError":  # its place differs between versions of typer
            output.write(f"{error}\n")
            return UsageError.exit_code
        if hasattr(error, "format_message"):  # typer's (or click's) own: a wrong option or argument
            return _say(_usage(error), int(getattr(error, "exit_code", 2)))
        return _bug(error)


def _usage(error: Any) -> str:
    """What typer has to say of wrong options, as one line."""
    context = getattr(error, "ctx", None)
    message = str(error.format_message()).rstrip(".")
    return f"{message}; see {context.command_path} --help" if context is not None else message


def _say(message: str, code: int) -> int:
    from gittrack.text.text import one_line

    label = output.paint(sys.stderr)("red", "gittrack: error:")
    output.note(f"{label} {one_line(message)}")
    return code


def _close_output() -> None:
    """Nobody reads on: let Python's own flush at exit go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _bug(error: Exception) -> int:
    """A fault of gittrack: one line, and the traceback in a file (or, with GITTRACK_DEBUG=1, shown)."""
    import traceback

    from gittrack.formats.scrub import scrub_text
    from gittrack.text.text import one_line

    trace = scrub_text("".join(traceback.format_exception(error)), os.environ)
    if os.environ.get("GITTRACK_DEBUG"):
        sys.stderr.write(trace)
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    log = _keep(trace)
    hint = f"; the traceback is in {log}" if log else "; set GITTRACK_DEBUG=1 to see the traceback"
    summary = one_line(f"{type(error).__name__}: {error}")
    output.note(f"gittrack: bug: {summary} ({where}){hint}; please report it")
    return BUG


def _keep(trace: str) -> Path | None:
    from gittrack.git.repository import Repository

    try:
        log = Repository.discover().state_dir / "crash.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(trace, encoding="utf-8", errors="backslashreplace")
    except (GittrackError, OSError):
        return None
    return log
