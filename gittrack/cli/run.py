"""gittrack run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.errors import UsageError

# Options end at the program's name, so that `gittrack run python train.py --lr 1` needs no `--`.
SETTINGS = {"allow_interspersed_args": False}


def command(
    arguments: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program to run.")],
    experiment: Annotated[
        str | None,
        typer.Option(
            "-e", "--experiment", metavar="NAME", help="The experiment; default from gittrack.yaml."
        ),
    ] = None,
    hypothesis: Annotated[
        str | None,
        typer.Option("-m", "--hypothesis", "--message", metavar="TEXT", help="What the run is to show."),
    ] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="A label for people.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed: recorded, and set as GITTRACK_SEED and PYTHONHASHSEED.")
    ] = None,
    set_param: Annotated[
        list[str] | None,
        typer.Option(
            "-S", "--set-param", metavar="KEY=VALUE", help="A parameter; dotted keys nest. Repeatable."
        ),
    ] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="PATH:ROLE", help="Data read: train, validation, test, holdout, reference."
        ),
    ] = None,
    output_: Annotated[
        list[str] | None,
        typer.Option(
            "--output", metavar="PATH:ROLE", help="A file or folder to keep, such as model.pkl:model."
        ),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--params", metavar="FILE", help="Read parameters: YAML, JSON, TOML. [params.yaml]"),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="FILE",
            help="Read metrics after the run: JSON, YAML, TOML, CSV, DVCLive. [metrics.json, dvclive]",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("-t", "--tag", metavar="KEY=VALUE", help="A tag. Repeatable.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run that this one belongs to.")
    ] = None,
    dirty: Annotated[
        str | None, typer.Option(metavar="snapshot|refuse", help="What to do with uncommitted changes.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Container image, [name@]sha256:...")
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Put the run on a branch for a pull request to add.")
    ] = False,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", metavar="NAME", help="Propose on gittrack/review/NAME; default the run's id."
        ),
    ] = None,
    no_console: Annotated[
        bool, typer.Option("--no-console", help="Do not keep the end of the output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Run a command and record it.

    Its output is passed on, and its exit status is ours. Code, data, locks and machine are
    recorded before it starts; metrics and outputs when it ends, however it ends. A script
    that calls gittrack.start_run() joins this run. The program finds GITTRACK_SEED and
    GITTRACK_PARAMS (JSON) in its environment.

    \b
    Examples:
      gittrack run -- python train.py
      gittrack run -e digits -m "a wider layer helps" -S model.width=256 --seed 1 -- python train.py
      gittrack run --input data/train.csv:train --output model.pkl:model --metrics scores.json -- ./train.sh
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.job import Job, run_job
    from gittrack.recording.request import Request

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    request = Request(
        experiment=experiment,
        name=name,
        hypothesis=hypothesis,
        seed=seed,
        tags=dict(_pair(text, "-t", "=") for text in tag or []),
        parent=_run_id(parent),
        dirty=_choice(dirty),
        image=image,
        propose=branch or ("" if propose else None),
    )
    job = Job(
        command=arguments,
        request=request,
        inputs=[_with_role(text, "train", "--input") for text in input_ or []],
        outputs=[_with_role(text, "artifact", "--output") for text in output_ or []],
        params=params or [],
        metrics=metrics or [],
        settings=set_param or [],
        console=not no_console,
    )
    outcome = run_job(repo, config, job)
    if outcome.complaint:
        output.note(f"gittrack: warning: {outcome.complaint}")
    if outcome.record is not None and not quiet:
        record = outcome.record
        where = f"proposed on {outcome.branch}" if outcome.branch else f"gittrack show {record.id[-6:]}"
        output.note(f"gittrack: run {record.id} of {record.experiment}: {record.status}; {where}")
    raise typer.Exit(outcome.status)


def _pair(text: str, option: str, separator: str) -> tuple[str, str]:
    key, mark, value = text.partition(separator)
    if not mark or not key:
        raise UsageError(f"{option} takes KEY{separator}VALUE, not {text!r}")
    return key, value


def _with_role(text: str, default: str, option: str = "") -> tuple[str, str]:
    """``PATH:ROLE``; a path may hold colons, a role may not, and may be left out."""
    path, colon, role = text.rpartition(":")
    if not colon or "/" in role or Path(text).exists():
        path, role = text, default
    if not path or not role:
        raise UsageError(f"{option} takes PATH:ROLE, not {text!r}")
    return path, role


def _choice(dirty: str | None) -> str | None:
    if dirty not in (None, "snapshot", "refuse"):
        raise UsageError(f"--dirty takes snapshot or refuse, not {dirty!r}")
    return dirty


def _run_id(parent: str | None) -> str | None:
    if parent is None:
        return None
    from gittrack.reading.entry import open_index

    with open_index() as index:
        return index.one(parent).id
