"""gittrack sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gittrack.cli import options, output
from gittrack.cli.job_options import JobOptions
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.formats.config import Config
    from gittrack.git.repository import Repository
    from gittrack.running.sweep import RunResult, SweepPlan, Swept

# Options end at the program's name, as for `gittrack run`.
SETTINGS = {"allow_interspersed_args": False}
SOME_FAILED = 1


def command(
    arguments: options.CommandOrNone = None,
    set_param: Annotated[
        list[str] | None,
        options.set_param(
            "KEY=RANGE", "A value, or a range: 0.1,0.01 range(1,10,2) int(1,64) interval(0,1) log(1e-4,1e-1)"
        ),
    ] = None,
    passing: Annotated[
        str | None,
        options.passing(
            "How they reach the program: --lr 0.5, lr=0.5, or GITTRACK_PARAMS and GITTRACK_SEED."
        ),
    ] = None,
    search: Annotated[
        str, typer.Option(metavar="grid|random|optuna", help="Every setting, or --runs of them.")
    ] = "grid",
    runs: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Settings to try, random or by Optuna.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of each run, for the program.")] = None,
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
    experiment: options.Experiment = None,
    hypothesis: Annotated[str | None, options.hypothesis("What the sweep is to show.")] = None,
    name: Annotated[str | None, options.name("A label of each run, for people.")] = None,
    input_: Annotated[list[str] | None, options.inputs("Data read, as for gittrack run.")] = None,
    output_: Annotated[list[str] | None, options.outputs("A file or folder to keep.")] = None,
    params: Annotated[list[str] | None, options.params("Read parameters. [params.yaml]")] = None,
    metrics: Annotated[list[str] | None, options.metrics("Read metrics. [metrics.json, dvclive]")] = None,
    tag: options.Tags = None,
    dirty: options.Dirty = None,
    image: options.Image = None,
    propose: Annotated[
        bool, options.propose("Put all runs on one branch for a pull request to add.")
    ] = False,
    branch: Annotated[
        str | None, options.branch("Propose on gittrack/review/NAME; default the sweep's id.")
    ] = None,
    jobs: Annotated[int | None, options.jobs("Runs at a time; default 1 here.")] = None,
    timeout: Annotated[float | None, options.timeout("End a run that takes longer.")] = None,
    executor: Annotated[str, options.executor("Where runs go.")] = "local",
    address: options.Address = None,
    resources: Annotated[
        list[str] | None, options.resources("On a cluster: what a run needs, such as GPU=1.")
    ] = None,
    sbatch: options.SbatchOptions = None,
    no_wait: options.NoWait = False,
    collect: Annotated[
        str | None, options.collect("Wait for the sweep that is in Slurm's queue, and show it.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="SWEEP", help="Go on with this sweep: run what has not finished."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the settings, and run nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The settings or the results as JSON.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a command over a grid or sample of parameters.

    Each setting is a run of its own on the ledger, recorded as by gittrack run -S, in a work tree
    of its own with the code as it is now. How the values reach the program is said as for
    gittrack run: by {KEY} in the command, or by --pass. A run that fails is recorded, and the
    others go on. Ends with 0 if every run finished, with 1 if some did not.

    \b
    Examples:
      gittrack sweep -S lr=0.1,0.01 -S 'width=range(32,129,32)' --jobs 2 --pass flags -- python train.py
      gittrack sweep -S lr=0.1,0.01 --seeds 1,2,3 -- python train.py --lr {lr} --seed {seed}
      gittrack sweep --search random --runs 20 -S 'lr=log(1e-4,1e-1)' --pass hydra -- python train.py
      gittrack sweep --search optuna --runs 50 --metric accuracy -S 'w=int(8,256)' -- ./train.sh {w}
    """
    from dataclasses import asdict

    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.running.sweep import SweepOptions, make_plan

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    if collect is not None:
        if arguments:
            raise UsageError("--collect knows the command: leave it out")
        _end(_collected(repo, config, collect, quiet), json_, quiet)
    if not arguments:
        raise UsageError("no command given: gittrack sweep [OPTIONS] -- COMMAND...")
    typed = JobOptions(
        command=arguments,
        experiment=experiment,
        hypothesis=hypothesis,
        name=name,
        set_param=set_param,
        passing=passing,
        inputs=input_,
        outputs=output_,
        params=params,
        metrics=metrics,
        tags=tag,
        dirty=dirty,
        image=image,
        propose=propose,
        branch=branch,
    )
    wanted = SweepOptions(
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
        resources=options.amounts(resources),
        sbatch=sbatch or (),
        wait=not no_wait,
        resume=resume,
        typed=asdict(typed),
    )
    plan = make_plan(repo, config, typed.job(), wanted)
    if dry_run:
        _show_plan(plan, json_)
        return
    if no_wait:
        _enqueue(repo, config, plan, quiet)
        return
    _end(_sweep(repo, config, plan, quiet), json_, quiet)


def _end(swept: Swept, as_json: bool, quiet: bool) -> NoReturn:
    _show(swept, as_json, quiet)
    raise typer.Exit(0 if swept.finished == len(swept.results) else SOME_FAILED)


def _enqueue(repo: Repository, config: Config, plan: SweepPlan, quiet: bool) -> None:
    from gittrack.cli.pages import sweep as pages
    from gittrack.running.sweep import queue_sweep

    queue = queue_sweep(repo, config, plan)
    if not quiet:
        output.note(f"gittrack: {pages.headline(plan)}")
        output.note(
            f"gittrack: in Slurm's queue as job {queue.jobs}; later: gittrack sweep --collect {queue.id}"
        )


def _collected(repo: Repository, config: Config, name: str, quiet: bool) -> Swept:
    """Wait for a sweep that has been queued, with the plan that it was queued with."""
    import os

    from gittrack.running.executor.slurm.queue import find_queue
    from gittrack.running.sweep import SweepOptions, collect_sweep, make_plan

    queue = find_queue(repo, name, "sweep")
    call = queue.call
    os.chdir(call["cwd"])
    plan = make_plan(repo, config, JobOptions(**call["typed"]).job(), SweepOptions(**call["options"]))
    return collect_sweep(repo, plan, queue, None if quiet else _Teller(plan))


def _sweep(repo: Repository, config: Config, plan: SweepPlan, quiet: bool) -> Swept:
    """Run what is planned, telling of each run as it ends; say how to go on where it is interrupted."""
    from gittrack.running.sweep import sweep

    try:
        return sweep(repo, config, plan, None if quiet else _Teller(plan))
    except KeyboardInterrupt:
        output.note(f"gittrack: interrupted; to go on, add --resume {plan.id} to the same command")
        raise


def _seeds(seed: int | None, seeds: str | None) -> list[int | None]:
    if seeds is None:
        return [seed]
    if seed is not None:
        raise UsageError("--seed and --seeds: give one of them")
    try:
        return [int(text) for text in seeds.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds takes numbers such as 1,2,3, not {seeds!r}") from error


def _show_plan(plan: SweepPlan, as_json: bool) -> None:
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

    def __init__(self, plan: SweepPlan) -> None:
        from gittrack.cli.pages import sweep as pages

        self._plan = plan
        self._total = plan.count * len(plan.options.seeds)
        self._ended = 0
        output.note(f"gittrack: {pages.headline(plan)}")

    def __call__(self, result: RunResult) -> None:
        from gittrack.cli.pages import sweep as pages

        self._ended += 1
        number = f"{self._ended} of {self._total}"
        output.note(f"gittrack: {number}, run {result.run}: {pages.progress(self._plan, result)}")
