"""gittrack sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.reproduce import _amount
from gittrack.cli.run import _choice, _pair, _with_role
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.running.sweep import Plan, Result, Swept

# Options end at the program's name, as for `gittrack run`.
SETTINGS = {"allow_interspersed_args": False}
SOME_FAILED = 1


def command(
    arguments: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program to run.")],
    set_param: Annotated[
        list[str] | None,
        typer.Option(
            "-S",
            "--set-param",
            metavar="KEY=RANGE",
            help="A value, or a range: 0.1,0.01 range(1,10,2) int(1,64) interval(0,1) log(1e-4,1e-1)",
        ),
    ] = None,
    search: Annotated[
        str, typer.Option(metavar="grid|random|optuna", help="Every setting, or --runs of them.")
    ] = "grid",
    runs: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Settings to try, random or by Optuna.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed of each run: recorded, and set as GITTRACK_SEED.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="LIST", help="Run each setting with each of these: 1,2,3.")
    ] = None,
    search_seed: Annotated[
        int | None, typer.Option(help="Of what is drawn at random; default: follows from the sweep's id.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What settings are compared by; default: the gate's.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(metavar="maximize|minimize", help="Default: as gittrack.yaml has it.")
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            "-e", "--experiment", metavar="NAME", help="The experiment; default from gittrack.yaml."
        ),
    ] = None,
    hypothesis: Annotated[
        str | None,
        typer.Option("-m", "--hypothesis", "--message", metavar="TEXT", help="What the sweep is to show."),
    ] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="A label of each run, for people.")] = None,
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="PATH:ROLE", help="Data read, as for gittrack run.")
    ] = None,
    output_: Annotated[
        list[str] | None, typer.Option("--output", metavar="PATH:ROLE", help="A file or folder to keep.")
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option("--params", metavar="FILE", help="Read parameters. [params.yaml]")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", metavar="FILE", help="Read metrics. [metrics.json, dvclive]"),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("-t", "--tag", metavar="KEY=VALUE", help="A tag. Repeatable.")
    ] = None,
    dirty: Annotated[
        str | None, typer.Option(metavar="snapshot|refuse", help="What to do with uncommitted changes.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Container image, [name@]sha256:...")
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Put all runs on one branch for a pull request to add.")
    ] = False,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", metavar="NAME", help="Propose on gittrack/review/NAME; default the sweep's id."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Runs at a time.")] = 1,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, metavar="SECONDS", help="End a run that takes longer.")
    ] = None,
    executor: Annotated[str, typer.Option(metavar="local|ray", help="Where runs go.")] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="With --executor ray: the cluster's address.")
    ] = None,
    resources: Annotated[
        list[str] | None,
        typer.Option("--resource", metavar="NAME=N", help="With ray: what a run needs, such as GPU=1."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="SWEEP", help="Go on with this sweep: run what has not finished."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the settings, and run nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The settings or the results as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Run a command over a grid or sample of parameters.

    Each setting is a run of its own on the ledger, recorded as by gittrack run -S, in a work tree
    of its own with the code as it is now. The program finds its parameters in GITTRACK_PARAMS
    (JSON), or in its arguments, where {KEY} stands for the value. A run that fails is recorded,
    and the others go on. Ends with 0 if every run finished, with 1 if some did not.

    \b
    Examples:
      gittrack sweep -S lr=0.1,0.01 -S 'width=range(32,129,32)' --jobs 2 -- python train.py
      gittrack sweep -S lr=0.1,0.01 --seeds 1,2,3 -- python train.py --lr {lr}
      gittrack sweep --search random --runs 20 -S 'lr=log(1e-4,1e-1)' -- python train.py
      gittrack sweep --search optuna --runs 50 --metric accuracy -S 'width=int(8,256)' -- ./train.sh
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.job import Job
    from gittrack.recording.request import Request
    from gittrack.running.sweep import Options, make_plan, sweep

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    job = Job(
        command=arguments,
        request=Request(
            experiment=experiment,
            name=name,
            hypothesis=hypothesis,
            tags=dict(_pair(text, "-t", "=") for text in tag or []),
            dirty=_choice(dirty),
            image=image,
            propose=branch or ("" if propose else None),
        ),
        inputs=[_with_role(text, "train", "--input") for text in input_ or []],
        outputs=[_with_role(text, "artifact", "--output") for text in output_ or []],
        params=params or [],
        metrics=metrics or [],
        settings=set_param or [],
    )
    options = Options(
        search=search,
        runs=runs,
        seeds=_seeds(seed, seeds),
        search_seed=search_seed,
        metric=metric,
        direction=direction,
        jobs=jobs,
        timeout_s=timeout,
        executor=executor,
        address=address,
        resources=dict(_amount(text) for text in resources or []),
        resume=resume,
    )
    plan = make_plan(repo, config, job, options)
    if dry_run:
        _show_plan(plan, json_)
        return
    teller = None if quiet else _Teller(plan)
    try:
        swept = sweep(repo, config, plan, teller)
    except KeyboardInterrupt:
        output.note(f"gittrack: interrupted; to go on, add --resume {plan.id} to the same command")
        raise
    _show(swept, json_, quiet)
    raise typer.Exit(0 if swept.finished == len(swept.results) else SOME_FAILED)


def _seeds(seed: int | None, seeds: str | None) -> list[int | None]:
    if seeds is None:
        return [seed]
    if seed is not None:
        raise UsageError("--seed and --seeds: give one of them")
    try:
        return [int(text) for text in seeds.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds takes numbers such as 1,2,3, not {seeds!r}") from error


def _show_plan(plan: Plan, as_json: bool) -> None:
    from gittrack.cli.pages import sweep as pages

    if as_json:
        output.write_json(pages.plan_dict(plan))
        return
    output.note(pages.headline(plan))
    output.page(pages.plan_lines(plan, output.paint(), output.columns()))


def _show(swept: Swept, as_json: bool, quiet: bool) -> None:
    from gittrack.cli.pages import sweep as pages

    if as_json:
        output.write_json(pages.as_dict(swept))
    elif not quiet:
        output.write("".join(f"{line}\n" for line in pages.terminal(swept, output.paint(), output.columns())))


class _Teller:
    """A line before the first run, and one for each run as it ends."""

    def __init__(self, plan: Plan) -> None:
        from gittrack.cli.pages import sweep as pages

        self._plan = plan
        self._total = plan.count * len(plan.options.seeds)
        self._ended = 0
        output.note(f"gittrack: {pages.headline(plan)}")

    def __call__(self, result: Result) -> None:
        from gittrack.cli.pages import sweep as pages

        self._ended += 1
        number = f"{self._ended} of {self._total}"
        output.note(f"gittrack: {number}, run {result.run}: {pages.progress(self._plan, result)}")
