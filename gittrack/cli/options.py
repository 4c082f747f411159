"""Options that several verbs have, each declared once.

An alias is one whole option. Where verbs explain an option in words of their own, a function has the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from gittrack.errors import UsageError

RUN = "A run id or an end of it, latest, latest~1, a code commit."

# --- how it is shown ---
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
NoPager = Annotated[bool, typer.Option("--no-pager", help="Never through a pager.")]
Md = Annotated[bool, typer.Option("--md", help="Markdown.")]
FullJson = Annotated[bool, typer.Option("--json", help="JSON, in full precision.")]
TableFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="A table for a paper or a page: latex, html, rst, github, simple, plain or psql.",
    ),
]

# --- which runs ---
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN)]
RunOrLatest = Annotated[str, typer.Argument(metavar="[RUN]", help=RUN)]

Live = Annotated[
    bool, typer.Option("--live", help="Also runs of other clones, as far as they let others see them.")
]
LiveRemote = Annotated[
    str | None, typer.Option("--remote", metavar="NAME", help="With --live: the remote; default origin.")
]

# --- what is run, and how ---
Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program to run.")]
CommandOrNone = Annotated[
    list[str] | None, typer.Argument(metavar="-- COMMAND...", help="The program to run.")
]
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
SbatchOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--sbatch-option", metavar="NAME=VALUE", help="With slurm: for sbatch, such as partition=gpu."
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="With slurm: leave it in the queue; see --collect.")]
DvcRemote = Annotated[
    str | None, typer.Option("-r", "--dvc-remote", metavar="NAME", help="DVC remote to use.")
]


def hypothesis(text: str) -> Any:
    return typer.Option("-m", "--hypothesis", "--message", metavar="TEXT", help=text)


def name(text: str) -> Any:
    return typer.Option("-n", "--name", help=text)


def set_param(metavar: str, text: str) -> Any:
    return typer.Option("-S", "--set-param", metavar=metavar, help=text)


def passing(text: str) -> Any:
    return typer.Option("--pass", metavar="flags|hydra|env", help=text)


def inputs(text: str) -> Any:
    return typer.Option("--input", metavar="PATH:ROLE", help=text)


def outputs(text: str) -> Any:
    return typer.Option("--output", metavar="PATH:ROLE", help=text)


def params(text: str) -> Any:
    return typer.Option("--params", metavar="FILE", help=text)


def metrics(text: str) -> Any:
    return typer.Option("--metrics", metavar="FILE", help=text)


def propose(text: str) -> Any:
    return typer.Option("--propose", help=text)


def branch(text: str) -> Any:
    return typer.Option("--branch", metavar="NAME", help=text)


def jobs(text: str) -> Any:
    return typer.Option("-j", "--jobs", min=1, help=text)


def timeout(text: str) -> Any:
    return typer.Option(min=0.001, metavar="SECONDS", help=text)


def collect(text: str) -> Any:
    return typer.Option("--collect", metavar="ID", help=text)


def executor(text: str) -> Any:
    return typer.Option(metavar="local|ray|slurm", help=text)


def resources(text: str) -> Any:
    return typer.Option("--resource", metavar="NAME=N", help=text)


def amounts(resources: Iterable[str] | None) -> dict[str, float]:
    """What each ``--resource NAME=N`` asks for."""
    return dict(_amount(text) for text in resources or ())


def _amount(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise UsageError(f"--resource takes NAME=NUMBER such as GPU=1, not {text!r}") from error
