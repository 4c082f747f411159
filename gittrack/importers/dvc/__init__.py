"""DVC experiments: the commits below ``refs/exps`` of a git repository, of ours or another, bare or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gittrack.errors import GittrackError
from gittrack.git.repository import Repository
from gittrack.importers.dvc.commit import Reader
from gittrack.importers.dvc.refs import experiments
from gittrack.importers.foreign import ForeignRun, Options, Skipped


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """The experiments of the repository that `source` is, or lies in."""
    source = source.resolve()
    names: dict[str, str] = {}
    ids: set[str] = set()
    try:
        repo = Repository.discover(source, foreign=True)
        with repo.objects() as objects:
            reader = Reader(source, repo, objects, options)
            for experiment in experiments(repo, objects):
                name = experiment.name or experiment.tip[:7]
                if experiment.tip in names:
                    why = f"the same commit as {names[experiment.tip]}, which comes"
                    yield Skipped(what=f"experiment {name}", why=why, fault=False)
                    continue
                names[experiment.tip] = name
                try:
                    run = reader.run(experiment)
                except (GittrackError, ValueError) as error:
                    yield Skipped(what=f"experiment {name}", why=str(error))
                    continue
                if run.id in ids:  # it goes on from a checkpoint of another one
                    run.id = experiment.tip
                ids.add(run.id)
                yield run
    except GittrackError as error:
        yield Skipped(what=source.name, why=str(error))
        return
    if not names:
        yield Skipped(what=source.name, why="a git repository without experiments of DVC (refs/exps)")
