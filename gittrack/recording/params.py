"""The parameters of a run in progress: what each source says, and what the program may still say."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.errors import UsageError
from gittrack.formats.flat import dotted, meeting
from gittrack.formats.masks import masked_params
from gittrack.formats.scrub import looks_secret
from gittrack.formats.sources import COMMAND_LINE, LOGGED, Layer, contradictions, resolve
from gittrack.formats.values import MAX_LONG, to_params, without_secrets
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.arguments import fitting, own_arguments, read_arguments
from gittrack.recording.journal import Journal
from gittrack.recording.masking import key_of
from gittrack.recording.request import Request

if TYPE_CHECKING:
    from gittrack.recording.results.losses import Losses

log = logging.getLogger("gittrack")

Key = Callable[[], str]


def own_layer() -> tuple[Layer, list[tuple[str, str]]]:
    """What the command line of this process says, and what of it a record cannot hold."""
    params, losses = fitting(read_arguments(own_arguments()))
    return Layer(COMMAND_LINE, params), losses


def event_of(layer: Layer, key: Key) -> list[Any]:
    """The journal's event of a plain layer, without its credentials."""
    safe, digests = masked_params(layer.params, key)
    return [Kind.PARAMS, safe, layer.source, {**digests, **layer.masked}, layer.program]


def write_layer(journal: Journal, layer: Layer) -> None:
    """Record a plain layer, without its credentials."""
    kind, *content = event_of(layer, key_of(journal.state_dir))
    journal.event(kind, *content)


def with_arguments(request: Request) -> Request:
    """`request` with what the command line of this process says."""
    layer, losses = own_layer()
    return replace(request, layers=[layer] if layer.params else [], losses=losses)


def masked_layer(layer: Layer, key: Key) -> Layer:
    """`layer` with the digests of what a record masks, as another clone would have another key for them."""
    return replace(layer, masked={**masked_params(layer.params, key)[1], **layer.masked})


def shortened(params: Any, keep: Callable[[str, str], str], within: str = "") -> Any:
    """`params` with what `keep(name, text)` says in place of each text that is too long for a record.

    A credential stays, and is refused.
    """
    if not isinstance(params, Mapping):
        return params
    short: dict[Any, Any] = {}
    for key, value in params.items():
        name = f"{within}{key}"
        if isinstance(value, str) and len(value) > MAX_LONG and not looks_secret(str(key), value):
            short[key] = keep(name, value)
        else:
            short[key] = shortened(value, keep, f"{name}.")
    return short


class ParamsBook:
    """What `Run.log_params` has been told, and what other sources said before it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        """All that is known, credentials among them: for the program."""
        self._own: dict[str, Any] = {}
        self._dotted: dict[str, str] = {}
        self._layers: list[Layer] = []

    def know(self, layers: Sequence[Layer]) -> None:
        """What is recorded already."""
        for layer in layers:
            self._layers.append(layer)
            if layer.rank == _PROGRAM:
                self._keep(layer.params)
        self.values = resolve(self._layers).params

    def add(self, params: Mapping[str, Any], journal: Journal | None, source: str = LOGGED) -> None:
        """Record what the program says. UsageError when it said something else before.

        Where another source did, the program's word is recorded, and that there was another.
        """
        new = to_params(params)
        self._refuse_change(new)
        layer = Layer(source, new)
        before = resolve(self._layers).conflicts
        after = resolve([*self._layers, layer])
        if journal is not None and new:
            write_layer(journal, layer)
            fresh = {name: sides for name, sides in after.conflicts.items() if name not in before}
            for line in contradictions(without_named_secrets(fresh)):
                log.warning("%s", line)
        self._keep(new)
        self._layers.append(layer)
        self.values = after.params

    def check(self, params: Mapping[str, Any]) -> None:
        """UsageError where the program cannot say that."""
        self._refuse_change(to_params(params))

    def _keep(self, params: Mapping[str, Any]) -> None:
        self._own.update(params)
        self._dotted.update((name, key) for key, value in params.items() for name in dotted(key, value))

    def take_arguments(self, journal: Journal) -> None:
        """Record what the command line of this process says."""
        layer, losses = own_layer()
        if layer.params:
            write_layer(journal, layer)
            self.know([layer])
        for what, why in losses:
            journal.not_recorded(what, why)

    def _refuse_change(self, new: Mapping[str, Any]) -> None:
        meets = meeting(new, self._dotted)
        if meets is not None:
            raise UsageError(f"param {meets!r} was logged before, nested or written with dots: rename one")
        for name in new.keys() & self._own.keys():
            old, value = without_secrets(self._own[name], name), without_secrets(new[name], name)
            if repr(self._own[name]) != repr(new[name]):  # 1, 1.0 and True are equal
                raise UsageError(f"param {name!r} was logged before as {old!r}; it cannot become {value!r}")


def log_params_file(journal: Journal, path: Path, losses: Losses) -> None:
    """Record what the program wrote of its parameters into a file."""
    from gittrack.recording.result_files import read_params

    layer = Layer(source_of_file(journal, path), read_params(path, losses), program=True)
    write_layer(journal, layer)


def source_of_file(journal: Journal, path: Path) -> str:
    """The name that a file has as a source of parameters."""
    top = Path(StoredJournal(journal.folder).start["top"]).resolve()
    full = Path(os.path.normpath(Path.cwd() / path))
    return full.relative_to(top).as_posix() if full.is_relative_to(top) else str(path)


_PROGRAM = Layer(LOGGED, {}).rank


def without_named_secrets(conflicts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Conflicts of plain layers as they may be shown."""
    return {
        name: {source: without_secrets(value, name) for source, value in sides.items()}
        for name, sides in conflicts.items()
    }
