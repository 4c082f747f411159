"""What a journal says of its run, event by event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gittrack.formats.during import Changed
from gittrack.formats.plain import from_dict
from gittrack.formats.record import DataInput, Dataset, NotRecorded, Output
from gittrack.formats.sources import Layer, layer_of
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.attempts import Past
from gittrack.recording.endings import Ending, merged


class Gathered:
    """What the events of a journal say, metric points apart."""

    def __init__(self, journal: StoredJournal) -> None:
        self.facts: dict[str, Any] = dict(journal.start["record"])
        self.layers: list[Layer] = []
        self.tags: dict[str, str] = {}
        self.seeds: dict[str, int] = {}
        self.determinism: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.inputs: dict[str, tuple[DataInput, str | None]] = {}
        self.outputs: dict[str, tuple[Output, str]] = {}
        self.datasets: dict[tuple[str, str | None, str | None], Dataset] = {}
        self.counted_from: int | None = None
        """The step of what was logged before the first `next_step`; None where there was none."""
        self.has_texts = self.has_media = False
        self.losses: dict[tuple[str, str], NotRecorded] = {}
        self.changed: dict[str, Changed] = {}
        self.declared: dict[str, Any] = journal.start["metrics"]
        self.defined: dict[str, Any] = {}
        self.end: Ending | None = None
        self.elapsed = 0.0
        self.preempted = False
        self.past: list[Past] = []
        for kind, *content in journal.events():
            self._take(kind, content)

    def _take(self, kind: str, content: list[Any]) -> None:
        match kind, content:
            case Kind.PARAMS, [params, *origin]:
                self.layers.append(layer_of(params, origin))
            case Kind.TAGS, [tags]:
                self.tags.update(tags)
            case Kind.SEEDS, [seeds]:
                self.seeds.update(seeds)
            case Kind.SUMMARY, [metrics]:
                self.summary.update(metrics)
            case Kind.DETERMINISM, [flags]:
                self.determinism.update(flags)
            case Kind.INPUT, [data, pointer]:
                data_input = from_dict(DataInput, data)
                self._input(data_input, pointer)
            case Kind.COUNTING, first:
                if self.counted_from is None:
                    self.counted_from = first[0] if first else 0
            case Kind.TEXT, _:
                self.has_texts = True
            case Kind.MEDIA, _:
                self.has_media = True
            case Kind.DATASET, [data]:
                dataset = from_dict(Dataset, data)
                self.datasets[dataset.name, dataset.digest, dataset.context] = dataset
            case Kind.OUTPUT, [data, pointer]:
                output = from_dict(Output, data)
                self.outputs[output.path] = (output, pointer)
            case Kind.CHANGED, [what, before, after]:
                self.change(what, before, after)
            case Kind.NOT_RECORDED, [what, why, *count]:
                self.losses[what, why] = NotRecorded(what=what, why=why, count=count[0] if count else None)
            case Kind.FACTS, [facts]:
                self.facts.update(facts)
            case Kind.DECLARED, [declared]:
                self.declared = declared
            case Kind.DEFINED, [defined]:
                self.defined.update(defined)
            case Kind.ATTEMPT, [taken]:
                self.past.append(Past(self.layers, self.end, self.elapsed, self.preempted, taken))
                self.layers, self.end, self.elapsed, self.preempted = [], None, 0.0, False
            case Kind.PREEMPTED, []:
                self.preempted = True
            case Kind.END, [status, failure, elapsed, *by]:
                # A journal of old does not say who ended the run.
                ending = Ending(status, failure, by[0] if by else None)
                self.end = ending if self.end is None else merged(self.end, ending)
                self.elapsed = elapsed

    def _input(self, data_input: DataInput, pointer: str | None) -> None:
        """One that is logged again, by the program itself, may be another by then, for every role it has."""
        for key, (known, _) in list(self.inputs.items()):
            if known.path != data_input.path:
                continue
            before, after = digest_of(known), digest_of(data_input)
            if before != after:
                self.change(f"input {known.path}", before, after)
                self.inputs[key] = (replace(data_input, role=known.role), pointer)
            if data_input.role is None:
                data_input = replace(data_input, role=known.role)
        self.inputs[f"{data_input.path}\0{data_input.role}"] = (data_input, pointer)

    def change(self, what: str, before: Any, after: Any) -> None:
        """What changed twice has the first value and the last."""
        first = self.changed[what].before if what in self.changed else before
        self.changed[what] = Changed(what=what, before=first, after=after)


def digest_of(data_input: DataInput) -> str | None:
    return data_input.sha256 or data_input.md5 or data_input.blob
