"""ClearML: sessions that its client wrote offline, as folders or as the zips that it makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gittrack.importers import values
from gittrack.importers.archives import DAMAGED
from gittrack.importers.clearml import events, task
from gittrack.importers.clearml.events import Log, text
from gittrack.importers.clearml.files import Files
from gittrack.importers.clearml.session import Place, Session, places
from gittrack.importers.foreign import ForeignRun, Loss, Options, Skipped
from gittrack.importers.reading import why


@dataclass(frozen=True, slots=True)
class _State:
    """One state of a session: where it is, of which task, and how long its events are."""

    place: Place
    task: str
    length: int

    def is_zip_of(self, other: _State) -> bool:
        """Whether one is the zip that the client makes of the folder, to which it adds its last words."""
        names = (str(state.place.path).removesuffix(".zip") for state in (self, other))
        return len({*names}) == 1


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Sessions at `source`: one, or all below a folder. Of several states of a task the longest is read."""
    source = source.resolve()
    states: dict[str, _State] = {}
    skipped = 0
    for item in _states(source):
        if isinstance(item, Skipped):
            skipped += 1
            yield item
            continue
        known = states.setdefault(item.task, item)
        shorter, longer = sorted((item, known), key=lambda state: state.length)
        if shorter.length == longer.length:
            continue
        states[item.task] = longer
        if not shorter.is_zip_of(longer):
            reason = f"an earlier state of the session {longer.place.name}"
            yield Skipped(what=shorter.place.name, why=reason, fault=False)
    for state in states.values():
        try:
            run = _run(state.place.session(), options)
        except DAMAGED as error:
            yield Skipped(what=state.place.name, why=why(error))
        else:
            yield run
    if not states and not skipped:
        yield Skipped(what=source.name, why="no offline session of ClearML: none has a task.json")


def _states(source: Path) -> Iterator[_State | Skipped]:
    for place in places(source):
        if isinstance(place, Skipped):
            yield place
            continue
        try:
            session = place.session()
            yield _State(place, session.task()["id"], session.length)
        except DAMAGED as error:
            yield Skipped(what=place.name, why=why(error))


def _run(session: Session, options: Options) -> ForeignRun:
    stated = session.task()
    log = Log(session, stated["id"], _models(stated))
    log.look()
    lost = [Loss(what=what, why=reason, count=count) for (what, reason), count in log.losses.items()]
    lost += [*log.doubts(), *task.unread(stated)]
    return ForeignRun(
        system="clearml",
        id=stated["id"],
        experiment=text(stated.get("project_name")) or "clearml",
        name=text(stated.get("name")) or None,
        status=task.status(stated),
        started=values.utc(text(stated.get("started"))) or log.began,
        ended=values.utc(text(stated.get("completed"))),
        user=(text(stated.get("user")) or None) if options.people else None,
        note=task.note(stated, people=options.people),
        tags=task.properties(stated),
        labels=task.labels(stated),
        job_type=text(stated.get("type")) or None,
        params=task.params(stated, lost),
        parent=text(stated.get("parent")) or None,
        finals=log.finals(),
        curves=partial(events.curves, log, False),
        system_curves=partial(events.curves, log, True),
        code=task.code(stated),
        environment=task.environment(stated),
        files=Files(session, stated, log, lost, people=options.people).listed(),
        lost=lost,
        changed=log.latest,
    )


def _models(stated: task.Task) -> dict[str, str]:
    """Names of the task's models by their ids."""
    return {
        text(model.get("id")): text(task.mapping(model.get("init")).get("name")) or "model"
        for model in map(task.mapping, task.listed(stated.get("offline_output_models")))
        if text(model.get("id"))
    }
