"""gittrack reproduce."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gittrack.cli import options, output
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.formats.config import Config
    from gittrack.git.repository import Repository
    from gittrack.running.executor.task import Done
    from gittrack.running.reproduce import Reproduced, ReproducePlan

NOT_REPRODUCED = 1


def command(
    run: options.RunOrLatest = "latest",
    repeats: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Number of reruns; default as claimed: 3 if statistical, else 1."
        ),
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="same|new|LIST", help="The recorded seed, fresh ones, or these: 1,2,3.")
    ] = "same",
    passing: Annotated[
        str | None,
        options.passing("How another seed reaches the program: --seed 1, seed=1, or GITTRACK_SEED."),
    ] = None,
    env: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="current, lock, uv, poetry, conda, pip, docker or command: docs/environments.md.",
        ),
    ] = "current",
    env_command: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX", help="With --env command: what stands in front, such as 'srun --gpus 1'."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be run, and stop.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to the plan beforehand.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="End with 1 unless the level that gittrack.yaml claims is reached."),
    ] = False,
    jobs: Annotated[int | None, options.jobs("Reruns at a time; default 1 here.")] = None,
    timeout: Annotated[float | None, options.timeout("End a rerun that takes longer.")] = None,
    executor: Annotated[str, options.executor("Where reruns go.")] = "local",
    address: options.Address = None,
    resources: Annotated[
        list[str] | None, options.resources("On a cluster: what a rerun needs, such as GPU=1.")
    ] = None,
    sbatch: options.SbatchOptions = None,
    no_wait: options.NoWait = False,
    collect: Annotated[
        str | None, options.collect("Wait for the reruns that are in Slurm's queue, and judge them.")
    ] = None,
    propose: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Put everything on gittrack/review/NAME for a pull request."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="The plan (with -n) or the verdict as JSON.")] = False,
    md: Annotated[bool, typer.Option("--md", help="The verdict as Markdown.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a run again, and say how far it can be had again: bitwise, numerically, statistically.

    Code, data and seed are those of the record, in a work tree of their own; each rerun is a run
    on the ledger, failed ones too, and so is the verdict. Nothing is run before verify has found
    the record sound and you have agreed: --yes, or for runs that this clone recorded itself
    git config gittrack.reproduce own. Ends with 0 if the run could be had again, else with 1.

    \b
    Examples:
      gittrack reproduce -n
      gittrack reproduce 7f3a2c --yes
      gittrack reproduce latest --seeds new --repeats 5 --jobs 2 --yes
      gittrack reproduce 7f3a2c --env uv --check --yes --timeout 3600
    """
    from gittrack.cli.job_options import HARVEST
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.passing import checked_way
    from gittrack.running.reproduce import ReproduceOptions, plan, reproduce

    if json_ and md:
        raise UsageError("--json and --md: choose one")
    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    if collect is not None:
        _end(_collected(repo, config, collect, quiet), json_, md, quiet, check)
    wanted = ReproduceOptions(
        repeats=repeats,
        seeds=seeds,
        way=checked_way(passing),
        environment=env,
        environment_command=env_command,
        jobs=jobs,
        timeout_s=timeout,
        executor=executor,
        address=address,
        resources=options.amounts(resources),
        sbatch=sbatch or (),
        wait=not no_wait,
        proposal=propose,
    )
    made = plan(repo, config, run, wanted, harvest=HARVEST)
    if dry_run:
        _show_plan(made, json_)
        return
    _agree(repo, made, yes, quiet)
    if no_wait:
        _enqueue(repo, made, quiet)
        return
    _end(reproduce(repo, config, made, None if quiet else _Teller(len(made.tasks))), json_, md, quiet, check)


def _enqueue(repo: Repository, made: ReproducePlan, quiet: bool) -> None:
    from gittrack.running.reproduce.queued import queue_reruns

    queue = queue_reruns(repo, made)
    if not quiet:
        output.note(f"gittrack: {len(made.tasks)} reruns are in Slurm's queue as job {queue.jobs}")
        output.note(f"gittrack: later: gittrack reproduce --collect {queue.id}")


def _collected(repo: Repository, config: Config, name: str, quiet: bool) -> Reproduced:
    """Wait for reruns that have been queued, and judge them by the plan that they were queued with."""
    from gittrack.running.executor.slurm.queue import find_queue
    from gittrack.running.reproduce.queued import collect_reruns

    queue = find_queue(repo, name, "reproduce")
    return collect_reruns(repo, config, queue, None if quiet else _Teller(queue.count))


def _end(reproduced: Reproduced, as_json: bool, as_md: bool, quiet: bool, check: bool) -> NoReturn:
    """Show the verdict; the exit status says whether the run could be had again."""
    from gittrack.cli.pages import reproduce as pages

    statement = reproduced.statement
    if as_json:
        output.write_json(pages.as_dict(statement))
    elif as_md:
        output.write(pages.as_markdown(statement))
    elif not quiet:
        output.write(
            "".join(f"{line}\n" for line in pages.terminal(statement, output.paint(), output.columns()))
        )
    reached = statement.claim_reached if check else statement.verdict.level != "not-reproduced"
    if check and statement.claim == "none":
        raise UsageError(f"--check: gittrack.yaml of run {statement.run} claims no level of reproducibility")
    raise typer.Exit(0 if reached else NOT_REPRODUCED)


def _show_plan(made: ReproducePlan, as_json: bool) -> None:
    from gittrack.cli.pages import reproduce as pages

    if as_json:
        output.write_json(pages.plan_dict(made))
    else:
        output.write("".join(f"{line}\n" for line in pages.plan_lines(made, output.paint())))


def _agree(repo: Repository, made: ReproducePlan, yes: bool, quiet: bool) -> None:
    """Show the plan, and go on only with the user's word. UsageError without it."""
    from gittrack.cli.pages import reproduce as pages
    from gittrack.running.reproduce import has_consent

    agreed = yes or has_consent(repo, made)
    if not quiet:
        for line in pages.plan_lines(made, output.paint(sys.stderr)):
            output.note(line)
    if agreed:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if typer.confirm("A record can name any command. Run this one?", err=True):
            return
        raise UsageError("not run")
    raise UsageError("not run: a record can name any command; look at the plan, then add --yes")


class _Teller:
    """A line for each rerun as it ends."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def __call__(self, result: Done) -> None:
        from gittrack.text.text import one_line

        self._ended += 1
        message = result.error or result.complaint
        how = "ended with 0" if result.status == 0 else f"ended with {result.status}"
        more = f"; {one_line(message)}" if message else ""
        output.note(f"gittrack: rerun {self._ended} of {self._total}: run {result.run_id} {how}{more}")
