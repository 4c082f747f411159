"""Files of a session: artifacts, models, media, plots, configuration, and whatever else lies in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

from gittrack.formats.scrub import strip_url
from gittrack.importers import folders, values
from gittrack.importers.clearml import events, task
from gittrack.importers.clearml.events import Log, text
from gittrack.importers.clearml.session import LOG, METRICS, TASK, Session
from gittrack.importers.foreign import ForeignFile, Loss

Kind = Literal["artifact", "model", "media", "other"]
_KINDS: Mapping[str, Kind] = {"artifacts": "artifact", "metrics": "media", "models": "model"}
_SUFFIXES = {"dictionary": "conf", "hocon": "conf", "json": "json", "yaml": "yaml", "yml": "yaml"}
_HEADER = 32
"""Bytes at the start of an archive that the client leaves out of its digest."""


class Files:
    """Collects the files of one session, each once."""

    def __init__(
        self, session: Session, stated: task.Task, log: Log, lost: list[Loss], *, people: bool
    ) -> None:
        self._session = session
        self._task = stated
        self._log = log
        self._lost = lost
        self._people = people
        self._taken = {TASK, METRICS, LOG}

    def listed(self) -> list[ForeignFile]:
        return [
            *self._of_code(),
            *self._configuration(),
            *self._artifacts(),
            *self._models(),
            *self._media(),
            *self._plots(),
            *self._others(),
        ]

    def _of_code(self) -> Iterator[ForeignFile]:
        if self._log.has_console:
            folder = "" if self._people else text(self._task.get("offline_folder"))
            content = partial(events.console, self._log, folder)
            yield ForeignFile(path="console.txt", kind="console", content=content)
        for name, lines in task.requirements(self._task):
            is_pip = name == "pip"
            path = "requirements.txt" if is_pip else f"requirements-{folders.below(name)}.txt"
            yield ForeignFile(path=path, kind="requirements" if is_pip else "other", content=_bytes(lines))
        script = task.mapping(self._task.get("script"))
        diff = text(script.get("diff"))
        if task.has_diff(self._task):
            yield ForeignFile(path="diff.patch", kind="patch", content=_bytes(diff))
        elif diff:
            path = folders.below(text(script.get("entry_point")) or "script.py")
            yield ForeignFile(path=f"code/{path}", kind="other", content=_bytes(diff))

    def _configuration(self) -> Iterator[ForeignFile]:
        described = 0
        for name, item in task.mapping(self._task.get("configuration")).items():
            stated = task.mapping(item)
            described += bool(stated.get("description"))
            suffix = _SUFFIXES.get(text(stated.get("type")).lower(), "txt")
            path = f"configuration/{folders.below(name)}.{suffix}"
            yield ForeignFile(path=path, kind="other", content=_bytes(text(stated.get("value"))), name=name)
        if described:
            what = "descriptions of configuration"
            self._lost.append(Loss(what=what, why="a record has no place for them", count=described))
        if names := task.mapping(task.mapping(self._task.get("execution")).get("model_labels")):
            data = json.dumps(names, ensure_ascii=False, sort_keys=True)
            yield ForeignFile(path="model_labels.json", kind="other", content=_bytes(data))

    def _artifacts(self) -> Iterator[ForeignFile]:
        for item in task.listed(task.mapping(self._task.get("execution")).get("artifacts")):
            stated = task.mapping(item)
            name, digest = text(stated.get("key")) or "artifact", text(stated.get("hash"))
            if stated.get("display_data"):
                what = f"artifact {name}: metadata"
                self._lost.append(Loss(what=what, why="a record has no place for it"))
            fallback = f"artifacts/{folders.below(name)}"
            yield self._file(text(stated.get("uri")), fallback, "artifact", name=name, sha256=digest)

    def _models(self) -> Iterator[ForeignFile]:
        last = {
            text(weights.get("weights_filename")): at for at, (_, weights) in enumerate(self._model_list())
        }
        for at, (init, weights) in enumerate(self._model_list()):
            name = text(init.get("name")) or "model"
            for key in ("framework", "label_enumeration", "tags"):
                if init.get(key):
                    self._lost.append(Loss(what=f"model {name}: {key}", why="a record has no place for it"))
            below = folders.below(name)
            if configuration := text(init.get("config_text")):
                path = f"models/{below}.conf"
                yield ForeignFile(path=path, kind="other", content=_bytes(configuration), name=name)
            weights_at = text(weights.get("weights_filename"))
            about: dict[str, Any] = {"name": name, "step": values.number(weights.get("iteration"))}
            if weights_at and last[weights_at] != at:
                why = "the client wrote a later one over its file"
                yield ForeignFile(path=f"models/{below}", kind="model", missing=why, **about)
            else:
                address = weights_at or text(weights.get("register_uri"))
                yield self._file(address, f"models/{below}", "model", **about)

    def _model_list(self) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for item in task.listed(self._task.get("offline_output_models")):
            model = task.mapping(item)
            yield task.mapping(model.get("init")), task.mapping(model.get("weights"))

    def _media(self) -> Iterator[ForeignFile]:
        for (key, address), event in self._log.files.items():
            name = "/".join(self._log.key(event))
            at = f"data/{key}" if f"data/{key}" in self._session.members else address
            fallback = f"metrics/{folders.below(name)}"
            yield self._file(at, fallback, "media", name=name, step=event.step)

    def _plots(self) -> Iterator[ForeignFile]:
        if self._log.plot_count > events.MOST_PLOTS:
            yield ForeignFile(path="plots.jsonl", kind="media", content=partial(events.all_shown, self._log))
            return
        for plot in self._log.plots:
            name = "/".join(self._log.key(plot))
            yield ForeignFile(
                path=f"plots/{folders.below(name)}_{plot.step if plot.step is not None else 0}.json",
                kind="media",
                content=partial(events.shown, self._log, plot),
                name=name,
                step=plot.step,
            )

    def _others(self) -> Iterator[ForeignFile]:
        """What nobody names: pictures within plots, and what was put there by hand."""
        if self._session.is_cut:
            self._lost.append(Loss(what="files", why=f"more than {folders.MOST_FILES:,} lie there"))
        for name in sorted(self._session.members.keys() - self._taken):
            path = self._logical(name)
            yield self._member(name, path, _KINDS.get(path.partition("/")[0], "other"))

    def _file(self, address: str, fallback: str, kind: Kind, sha256: str = "", **about: Any) -> ForeignFile:
        """The file at an address of the machine on which the session was written."""
        plain = address.replace("\\", "/")
        at = plain if plain in self._session.members else plain.partition(f"/{self._task['id']}/")[2]
        if at in self._session.members:
            self._taken.add(at)
            return self._member(at, self._logical(at), kind, sha256, **about)
        digest = f"sha256:{sha256}" if sha256 else None
        path = self._logical(at) if folders.logical(at) == at else fallback
        scheme = plain.partition("://")[0] if "://" in plain else ""
        missing = "its bytes are not in the session"
        if scheme and scheme != "file":
            missing = f"a reference to elsewhere: {strip_url(plain)[:500]}"
        return ForeignFile(path=path, kind=kind, missing=missing, digest=digest, **about)

    def _logical(self, name: str) -> str:
        """The name without the folders that are of the project, the task and its id."""
        return name.rpartition(f".{self._task['id']}/")[2] if name.startswith("data/") else name

    def _member(self, at: str, path: str, kind: Kind, sha256: str = "", **about: Any) -> ForeignFile:
        member = self._session.members[at]
        if member.refused:
            return ForeignFile(path=path, kind=kind, missing=member.refused, **about)
        content = self._checked(at, path, sha256) if sha256 else self._content(at)
        return ForeignFile(path=path, kind=kind, content=content, **about)

    def _content(self, name: str) -> Any:
        return self._session.members[name].path or partial(self._session.parts, name)

    def _checked(self, name: str, path: str, sha256: str) -> Any:
        """The bytes of a file; a loss where they have not the digest that is stated."""

        def parts() -> Iterator[bytes]:
            whole, body, start = hashlib.sha256(), hashlib.sha256(), _HEADER
            for part in self._session.parts(name):
                whole.update(part)
                body.update(part[start:])
                start = max(0, start - len(part))
                yield part
            if sha256.lower() not in (whole.hexdigest(), body.hexdigest()):
                why = "its bytes have not the digest that the session states"
                self._lost.append(Loss(what=f"output {path}", why=why))

        return parts


def _bytes(words: str) -> bytes:
    return words.encode("utf-8", "replace")
