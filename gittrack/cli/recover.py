"""gittrack recover."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only the run with this full id.")
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Also runs of other hosts, which may still be running.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="What became of each journal, as a JSON array.")
    ] = False,
) -> None:
    """Commit the runs whose process died.

    A run that ends any other way than by its own finish (kill -9, power cut, full disk) leaves
    its journal in the git directory. This commits each whose process is gone, as killed or as
    whatever it had said of itself. Running runs are left alone. Ends with 5 if one could not
    be committed; its journal stays.

    \b
    Examples:
      gittrack recover
      gittrack recover 20261122-142233-7f3a2c --force
    """
    from gittrack.errors import NotFoundError
    from gittrack.git.repository import Repository
    from gittrack.recording.recover import recover, release_left_snapshots

    repo = Repository.discover()
    recoveries = recover(repo, only=run, force=force)
    release_left_snapshots(repo)
    if run is not None and not recoveries:
        raise NotFoundError(f"no journal of a run {run!r}: it has been committed, or never began here")
    if json_:
        rows = [
            {
                "id": r.run_id,
                "committed": r.record is not None,
                "status": r.record and r.record.status,
                "why": r.why,
            }
            for r in recoveries
        ]
        output.write_json(rows)
    else:
        for r in recoveries:
            output.write(
                f"{r.run_id}  {f'committed as {r.record.status}' if r.record else f'left: {r.why}'}\n"
            )
        if not recoveries:
            output.note("nothing to recover")
    if any(r.failed for r in recoveries):
        raise typer.Exit(5)
