"""gittrack import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gittrack.cli import output

if TYPE_CHECKING:
    from gittrack.importers.bringing import Brought


def command(
    system: Annotated[
        str,
        typer.Argument(metavar="[SYSTEM]", help="Where the runs are from; auto, or left out: by the folder."),
    ],
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="The folder or the file that has the runs.")
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", help="Put all runs into this experiment, whatever theirs are."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Say what would come and what would be lost; write nothing."),
    ] = False,
    mapping: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="A YAML file that says which column of a table is what."),
    ] = None,
    people: Annotated[
        bool,
        typer.Option("--keep-people", help="Keep users, hosts, e-mail addresses and absolute paths, too."),
    ] = False,
    python: Annotated[
        str | None,
        typer.Option(
            "--python", metavar="PROGRAM", help="The Python that has Aim, whose runs only Aim reads."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Import the runs of another tracker: its folder or file is read, never written.

    Each becomes a record that says where it is from: claimed by that tracker, not observed
    here. A second import adds what is new, and nothing else; a run that has changed gets a
    record that takes the place of the one before. What a record cannot hold is in the report,
    by name; so is what could not be read (then the exit code is 1).

    \b
    Examples:
      gittrack import mlruns
      gittrack import mlflow mlflow.db --dry-run
      gittrack import wandb wandb/ -e digits
      gittrack import table results.csv --map columns.yaml
    """
    from gittrack.errors import UsageError
    from gittrack.formats.config import load_cached
    from gittrack.formats.record import EXPERIMENT
    from gittrack.git.repository import Repository
    from gittrack.importers.bringing import Brought, bring
    from gittrack.importers.foreign import Options
    from gittrack.importers.systems import AUTO, choose, others, systems

    if path is None:
        if system in systems() and not Path(system).exists():
            raise UsageError(
                f"which runs of {system}? Name their folder or file: gittrack import {system} PATH"
            )
        system, path = AUTO, Path(system)
    if experiment is not None and not EXPERIMENT.match(experiment):
        raise UsageError(f"{experiment!r} is no name of an experiment")
    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    chosen = choose(system, path)
    brought = Brought(chosen, dry_run)
    options = Options(people=people, mapping=_mapping(mapping), python=_program(python))
    progress = output.Progress("reading runs")
    try:
        try:
            bring(repo, config, chosen, path, options, brought, experiment=experiment, progress=progress)
        finally:
            progress.close()
    except KeyboardInterrupt:
        _show(brought, as_json)
        output.note("interrupted: what is listed was imported; the same command again goes on from there")
        raise
    _show(brought, as_json)
    if system == AUTO and (left := others(chosen, path)):
        output.note(
            f"gittrack: only runs of {chosen} were read; {path} seems to have some of "
            f"{', '.join(left)}, too: gittrack import {left[0]} {path}"
        )
    if brought.faults:
        raise typer.Exit(1)


def _program(name: str | None) -> Path | None:
    from shutil import which

    from gittrack.errors import NotFoundError

    if name is None:
        return None
    place = which(name)
    if place is None:
        raise NotFoundError(f"--python {name}: there is no such program")
    return Path(place).absolute()


def _mapping(file: Path | None) -> dict[str, Any]:
    from gittrack.errors import NotFoundError, UsageError
    from gittrack.formats.codec import read_yaml

    if file is None:
        return {}
    try:
        value = read_yaml(file.read_bytes(), str(file))
    except OSError as error:
        raise NotFoundError(f"{file} cannot be read: {error.strerror}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{file}: a mapping such as 'step: epoch' is expected")
    return value


def _show(brought: Brought, as_json: bool) -> None:
    from gittrack.cli.pages.import_ import as_plain, lines

    if as_json:
        output.write_json(as_plain(brought))
        return
    for line in lines(brought, output.paint()):
        output.write(line + "\n")
