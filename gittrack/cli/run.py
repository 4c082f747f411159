"""gittrack run."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import options, output
from gittrack.cli.job_options import JobOptions

# Options end at the program's name, so that `gittrack run python train.py --lr 1` needs no `--`.
SETTINGS = {"allow_interspersed_args": False}


def command(
    arguments: options.Command,
    experiment: options.Experiment = None,
    hypothesis: Annotated[str | None, options.hypothesis("What the run is to show.")] = None,
    name: Annotated[str | None, options.name("A label for people.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="The seed, for the program, and set as PYTHONHASHSEED.")
    ] = None,
    set_param: Annotated[
        list[str] | None, options.set_param("KEY=VALUE", "A parameter, for the program; dotted keys nest.")
    ] = None,
    passing: Annotated[
        str | None,
        options.passing(
            "How they reach the program: --lr 0.5, lr=0.5, or GITTRACK_PARAMS and GITTRACK_SEED."
        ),
    ] = None,
    input_: Annotated[
        list[str] | None, options.inputs("Data read: train, validation, test, holdout, reference.")
    ] = None,
    output_: Annotated[
        list[str] | None, options.outputs("A file or folder to keep, such as model.pkl:model.")
    ] = None,
    params: Annotated[
        list[str] | None, options.params("Read parameters: YAML, JSON, TOML. [params.yaml]")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        options.metrics(
            "Read metrics after the run: JSON, YAML, TOML, CSV, DVCLive. [metrics.json, dvclive]"
        ),
    ] = None,
    tag: options.Tags = None,
    parent: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run that this one belongs to.")
    ] = None,
    dirty: options.Dirty = None,
    image: options.Image = None,
    propose: Annotated[bool, options.propose("Put the run on a branch for a pull request to add.")] = False,
    branch: Annotated[
        str | None, options.branch("Propose on gittrack/review/NAME; default the run's id.")
    ] = None,
    every_rank: Annotated[
        bool, typer.Option("--every-rank", help="Record on each rank, not on rank 0 alone.")
    ] = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="In a work tree of its own, apart from other runs and edits.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN|auto", help="Go on with a run that did not finish; auto: the newest such."),
    ] = None,
    no_harvest: Annotated[
        bool, typer.Option("--no-harvest", help="Take up nothing of what other trackers keep of the program.")
    ] = False,
    no_console: Annotated[
        bool, typer.Option("--no-console", help="Do not keep the end of the output.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a command and record it.

    Its output is passed on, and its exit status is ours. Code, data, locks and machine are
    recorded before it starts; metrics and outputs when it ends, however it ends. A script
    that calls gittrack.start_run() joins this run; what W&B, MLflow, TensorBoard or DVCLive keep of it
    becomes part of it. Started on every rank of a training (srun,
    mpirun, ...) it records rank 0 and is the bare command on the others.

    What -S and --seed say has to reach the program: {KEY} (or {seed}) in the command is replaced
    by the value, --pass flags adds --KEY VALUE, --pass hydra adds KEY=VALUE, and --pass env is for
    a program that reads GITTRACK_PARAMS (JSON) and GITTRACK_SEED. gittrack.yaml keeps the choice
    as run.pass. What stands on the command line of the program is recorded as parameters too.

    --resume auto goes on with the newest run of the same command in this work tree that did not finish,
    and begins a new one where there is none; --resume RUN goes on with that one. The program finds
    GITTRACK_RESUMED=1, and the last step in run.last_step.

    \b
    Examples:
      gittrack run -- python train.py
      gittrack run -e digits -m "a wider layer helps" -- python train.py --width 256 --seed 1
      gittrack run -S lr=0.5 --seed 1 --pass flags -- python train.py
      gittrack run -S model.width=256 -- python train.py --width {model.width}
      gittrack run --input data/train.csv:train --output model.pkl:model --metrics scores.json -- ./train.sh
    """
    from gittrack.formats.config import load, load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.job import pass_through, run_job
    from gittrack.recording.ranks import other_node, other_rank, refuse_isolated

    if isolated and not every_rank:
        refuse_isolated()
    passed = None if every_rank else other_rank() or other_node(arguments)
    repo = Repository.discover()
    config = load(repo.worktree) if passed else load_cached(repo.worktree, repo.state_dir)
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
        resume=resume,
        harvest=not no_harvest,
    )
    job = typed.job(seed=seed, parent=None if passed else _run_id(parent), console=not no_console)
    if passed is not None:
        if passed.number in (1, None) and not quiet:  # one line for all
            output.note(f"gittrack: {passed.passed}; --every-rank records each")
        pass_through(repo, config, job)
    if isolated:
        from gittrack.running.isolated import run_isolated

        outcome = run_isolated(repo, config, job)
    else:
        outcome = run_job(repo, config, job)
    if outcome.complaint:
        output.note(f"gittrack: warning: {outcome.complaint}")
    if outcome.record is not None and not quiet:
        record = outcome.record
        where = f"proposed on {outcome.branch}" if outcome.branch else f"gittrack show {record.id[-6:]}"
        for taken in record.harvested:
            output.note(f"gittrack: took up run {taken.id} of {taken.system}")
        output.note(f"gittrack: run {record.id} of {record.experiment}: {record.status}; {where}")
    raise typer.Exit(-outcome.signal or outcome.status)


def _run_id(parent: str | None) -> str | None:
    if parent is None:
        return None
    from gittrack.reading.entry import open_index

    with open_index() as index:
        return index.one(parent).id
