"""Options that `run`, `sweep` and `reproduce` share, declared once, and what their words mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.recording.job import Job

Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program to run.")]
Experiment = Annotated[
    str | None,
    typer.Option("-e", "--experiment", metavar="NAME", help="The experiment; default from gittrack.yaml."),
]
Tags = Annotated[
    list[str] | None, typer.Option("-t", "--tag", metavar="KEY=VALUE", help="A tag. Repeatable.")
]
Dirty = Annotated[
    str | None, typer.Option(metavar="snapshot|refuse", help="What to do with uncommitted changes.")
]
Image = Annotated[str | None, typer.Option(metavar="DIGEST", help="Container image, [name@]sha256:...")]
Address = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="With --executor ray: the cluster's address.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]


def hypothesis(subject: str) -> Any:
    """What the `subject` of the command is to show."""
    return typer.Option("-m", "--hypothesis", "--message", metavar="TEXT", help=f"What {subject} is to show.")


def inputs(help: str) -> Any:
    return typer.Option("--input", metavar="PATH:ROLE", help=help)


def outputs(help: str) -> Any:
    return typer.Option("--output", metavar="PATH:ROLE", help=help)


def params(help: str) -> Any:
    return typer.Option("--params", metavar="FILE", help=help)


def metrics(help: str) -> Any:
    return typer.Option("--metrics", metavar="FILE", help=help)


def branch(default: str) -> Any:
    """The proposal's name, by default that of `default`."""
    return typer.Option(
        "--branch", metavar="NAME", help=f"Propose on gittrack/review/NAME; default {default}."
    )


def jobs(noun: str) -> Any:
    """How many at a time; `noun` is what there are several of."""
    return typer.Option("-j", "--jobs", min=1, help=f"{noun} at a time.")


def timeout(noun: str) -> Any:
    return typer.Option(min=0.001, metavar="SECONDS", help=f"End a {noun} that takes longer.")


def executor(noun: str) -> Any:
    return typer.Option(metavar="local|ray", help=f"Where {noun} go.")


def resources(noun: str) -> Any:
    return typer.Option("--resource", metavar="NAME=N", help=f"With ray: what a {noun} needs, such as GPU=1.")


def job_of(
    command: Sequence[str],
    *,
    experiment: str | None,
    name: str | None,
    hypothesis: str | None,
    tags: Sequence[str] | None,
    dirty: str | None,
    image: str | None,
    propose: bool,
    branch: str | None,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    params: Sequence[str] | None,
    metrics: Sequence[str] | None,
    settings: Sequence[str] | None,
    seed: int | None = None,
    parent: str | None = None,
    console: bool = True,
) -> Job:
    """What to run and record, from the words of a command line. UsageError for what cannot be meant."""
    from gittrack.recording.job import Job
    from gittrack.recording.request import Request

    if dirty not in (None, "snapshot", "refuse"):
        raise UsageError(f"--dirty takes snapshot or refuse, not {dirty!r}")
    request = Request(
        experiment=experiment,
        name=name,
        hypothesis=hypothesis,
        seed=seed,
        tags=dict(_pair(text, "-t", "=") for text in tags or []),
        parent=parent,
        dirty=dirty,
        image=image,
        propose=branch or ("" if propose else None),
    )
    return Job(
        command=command,
        request=request,
        inputs=[_with_role(text, "train", "--input") for text in inputs or []],
        outputs=[_with_role(text, "artifact", "--output") for text in outputs or []],
        params=params or [],
        metrics=metrics or [],
        settings=settings or [],
        console=console,
    )


def amounts(texts: Sequence[str] | None) -> dict[str, float]:
    """The numbers of ``NAME=NUMBER`` by name, as ``--resource`` takes them."""
    return dict(map(_amount, texts or []))


def _amount(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise UsageError(f"--resource takes NAME=NUMBER such as GPU=1, not {text!r}") from error


def _pair(text: str, option: str, separator: str) -> tuple[str, str]:
    key, mark, value = text.partition(separator)
    if not mark or not key:
        raise UsageError(f"{option} takes KEY{separator}VALUE, not {text!r}")
    return key, value


def _with_role(text: str, default: str, option: str) -> tuple[str, str]:
    """``PATH:ROLE``; a path may hold colons, a role may not, and may be left out."""
    path, colon, role = text.rpartition(":")
    if not colon or "/" in role or Path(text).exists():
        path, role = text, default
    if not path or not role:
        raise UsageError(f"{option} takes PATH:ROLE, not {text!r}")
    return path, role
