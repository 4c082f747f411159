"""gittrack recover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.live_options import live_remote
from gittrack.cli.options import LiveRemote

if TYPE_CHECKING:
    from gittrack.git.repository import Repository


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only the run with this full id.")
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Also runs of other hosts, which may still be running.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Take away what runs left on the remote that others could see.")
    ] = False,
    remote: LiveRemote = None,
    json_: Annotated[
        bool, typer.Option("--json", help="What became of each journal, as a JSON array.")
    ] = False,
) -> None:
    """Commit the runs whose process died.

    A run that ends any other way than by its own finish (kill -9, power cut, full disk) leaves
    its journal in the git directory. This commits each whose process is gone, as killed or as
    whatever it had said of itself. Running runs are left alone. Ends with 5 if one could not
    be committed; its journal stays.

    --live is about the snapshots on a remote by which others see a run: those of runs that are on the
    ledger, or that this clone has ended, are taken away. Of another run it cannot be known from here
    that it is over: name it, with --force, where you know.

    \b
    Examples:
      gittrack recover
      gittrack recover 20261122-142233-7f3a2c --force
      gittrack recover --live
    """
    from gittrack.errors import NotFoundError
    from gittrack.git.repository import Repository, explain
    from gittrack.recording.live import sweep
    from gittrack.recording.recover import recover, release_left_snapshots

    repo = Repository.discover()
    where = live_remote(live, remote)
    if where is not None:
        _sweep(repo, where, run, force=force, as_json=json_)
        return
    recoveries = recover(repo, only=run, force=force)
    release_left_snapshots(repo)
    for run_id, result in sweep(repo).items():
        if result.code != 0:
            output.note(f"gittrack: {explain(f'take the snapshot of {run_id} away', result.err)}")
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


def _sweep(repo: Repository, remote: str, run: str | None, *, force: bool, as_json: bool) -> None:
    """Take away the snapshots of runs that are over."""
    from gittrack.git.repository import explain
    from gittrack.ledger.live import listed, take_away
    from gittrack.reading.index import open_index
    from gittrack.recording.live import marks

    runs = [name for name in listed(repo, remote) if run in (None, name)]
    with open_index(repo) as index:
        over = {row.id for row in index.search(ids=runs)} | marks(repo.state_dir).keys()
    rows = []
    for name in runs:
        why = "" if name in over or (force and name == run) else "it may still run; name it, with --force"
        if not why:
            result = take_away(repo, remote, name)
            why = "" if result.code == 0 else explain("take it away", result.err)
        rows.append({"id": name, "taken": not why, "why": why})
    if as_json:
        output.write_json(rows)
        return
    for row in rows:
        became = "taken away" if row["taken"] else f"left: {row['why']}"
        output.write(f"{row['id']}  {became}\n")
    if not rows:
        output.note(f"nothing of a run that still goes on is on {remote}")
