"""Weights & Biases: folders of runs as its clients left them, read without its package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gittrack.importers import folders, protobuf
from gittrack.importers.foreign import Dataset, ForeignFile, ForeignRun, Loss, Options, Skipped
from gittrack.importers.wandb import began, facts, files, finals, folder, history, points, rows
from gittrack.importers.wandb.folder import Part
from gittrack.importers.wandb.state import State, read_log, take_row

_NO_PROJECT = "uncategorized"


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs at `source`: a ``wandb`` folder, what has one, one run's folder, or a ``.wandb`` file.

    Folders of one run's id are one run, in the order in which they began.
    """
    parts = [*folder.parts(source.resolve())]
    if not parts:
        yield Skipped(what=source.name, why="no runs of W&B: no run-* folder and no .wandb file")
    yield from read_parts(parts, options)


def read_parts(found: Iterable[Part], options: Options) -> Iterator[ForeignRun | Skipped]:
    """The runs that these folders are of."""
    runs: dict[str, list[Part]] = {}
    for part in found:
        runs.setdefault(part.id, []).append(part)
    for parts in runs.values():
        try:
            yield _run(sorted(parts, key=lambda part: part.at), options)
        except (OSError, protobuf.WireError) as error:
            yield Skipped(what=parts[0].name, why=getattr(error, "strerror", None) or str(error))
        except facts.Nothing as error:
            yield Skipped(what=parts[0].name, why=str(error))


def _run(parts: list[Part], options: Options) -> ForeignRun:
    state = State()
    metadata: dict[str, Any] = {}
    for part in parts:
        _read_part(state, part)
        metadata |= facts.json_of(part, "wandb-metadata.json", state)
    if not state.run:
        began.take(state, parts[0])
    if not (state.records or state.seen or metadata or state.summary):
        _check_anything(state, parts)
    client = state.config.pop("_wandb", None)
    if state.version is None and isinstance(client, dict):
        state.version = facts.text_in(client, "cli_version")
    facts.live(state, metadata)
    found_finals, texts = finals.finals(state)
    changed = _changed(parts)
    status = facts.status(state, metadata, parts, changed)
    found_files = files.files(state, parts) + _sweep(state, parts)
    run = state.run
    return ForeignRun(
        system="wandb",
        system_version=state.version,
        id=protobuf.text(run, 1) or parts[0].id,
        experiment=protobuf.text(run, 3) or facts.text_in(metadata, "project") or _NO_PROJECT,
        name=protobuf.text(run, 8) or facts.text_in(metadata, "name"),
        status=status,
        started=facts.started(state, metadata),
        ended=None if status == "running" else state.latest,
        user=facts.user(state, metadata, options),
        note=protobuf.text(run, 9),
        tags=_tags(state, len(parts), options),
        labels=tuple(dict.fromkeys(tag for tag in protobuf.texts(run, 10) if tag)),
        group=protobuf.text(run, 6),
        job_type=protobuf.text(run, 7) or facts.text_in(metadata, "jobType"),
        params=state.config,
        finals=found_finals,
        curves=lambda: points.curves(history.history(parts), partial(points.axis_of, state)),
        texts=lambda: _texts(parts if state.texts else [], texts),
        system_curves=lambda: points.curves(history.samples(parts), lambda _: None),
        code=facts.code(state, metadata, parts, options),
        environment=facts.environment(state, metadata, parts, options),
        datasets=[
            Dataset(
                name=protobuf.text(used, 3) or protobuf.text(used, 1) or "artifact",
                digest=None,
                context=protobuf.text(used, 2),
            )
            for used in state.used
        ],
        files=found_files,
        lost=[Loss(what=what, why=why, count=count) for (what, why), count in state.losses.items()],
        changed=changed,
    )


def _check_anything(state: State, parts: list[Part]) -> None:
    """Of a run without records, names what it lacks; `facts.Nothing` where nothing else is there."""
    logs = {part.log.name for part in parts if part.log is not None}
    why = "; ".join(why for what, why in state.losses if what in logs) or "its log is not here"
    found = [name for part in parts if part.files for name, _, _ in folders.walk(part.files)]
    if not state.config and not any(name == "output.log" or name.startswith("media/") for name in found):
        raise facts.Nothing(f"nothing of the run was written: {why}")
    state.losses["project, name, notes, tags, history and summary", why] += 1


def _read_part(state: State, part: Part) -> None:
    """Its log; what the log lacks from the files that older clients wrote beside it."""
    before = state.records
    had_config, had_summary = dict(state.config), dict(state.summary)
    if part.log is not None:
        read_log(state, part.log)
    lines = history.old(part, history.HISTORY)
    if lines is not None:
        bad: list[str] = []
        for row in rows.merged(rows.lines(lines, bad)):
            take_row(state, row, None)
        for why in bad:
            state.losses[history.HISTORY, why] += 1
    if part.log is not None and state.records == before:
        state.losses[part.log.name, "no record in it"] += 1
    if state.config == had_config:
        state.config |= facts.config_of(part, state)
    if state.summary == had_summary:
        state.summary |= facts.json_of(part, "wandb-summary.json", state)


def _texts(parts: list[Part], more: list[Any]) -> Iterator[Any]:
    yield from points.texts(history.history(parts))
    yield from more


def _changed(parts: list[Part]) -> float | None:
    times = [path.stat().st_mtime for part in parts if (path := part.log or part.folder) is not None]
    return max(times, default=None)


def _tags(state: State, count: int, options: Options) -> dict[str, str]:
    run = state.run
    found = {
        "wandb.entity": protobuf.text(run, 2) if options.people else None,
        "wandb.sweep": protobuf.text(run, 12),
        "wandb.resumed": "true"
        if protobuf.integer(run, 18) or protobuf.integer(run, 24) or count > 1
        else None,
        "wandb.forked": "true" if protobuf.integer(run, 22) else None,
        "wandb.preempting": "true" if state.preempting else None,
        "wandb.exit_code": str(state.exit_code) if state.exit_code else None,
    }
    return {name: value for name, value in found.items() if value}


def _sweep(state: State, parts: list[Part]) -> list[ForeignFile]:
    """What an agent was told by its sweep."""
    sweep = protobuf.text(state.run, 12)
    for part in parts:
        if not sweep or part.around is None:
            continue
        path, _ = folders.find(part.around, f"sweep-{sweep}/config-{part.id}.yaml")
        if path is not None:
            return [ForeignFile(path="sweep/config.yaml", kind="other", content=path)]
    return []
