"""PROV: what the prov package reads, the same after a round trip, and the chains between runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gittrack.formats.record import BaseModel, DataInput
from tests.exporters.bench import HOSTILE, Bench

pytest.importorskip("prov")


def document_of(data: bytes) -> Any:
    """The document as the prov package reads it, which is the one it writes."""
    from prov.model import ProvDocument

    found = ProvDocument.deserialize(content=data.decode(), format="json")
    assert ProvDocument.deserialize(content=found.serialize(format="json"), format="json") == found
    return found


def test_runs_and_what_they_read_and_made(bench: Bench) -> None:
    """An experiment: activities with times, one entity for the data that all of them used."""
    from prov.model import ProvActivity, ProvAgent, ProvEntity, ProvGeneration, ProvUsage

    records = [*bench.replicates(), bench.fail()]
    found = document_of(bench.data("digits", "prov"))
    activities = {a.identifier.localpart: a for a in found.get_records(ProvActivity)}
    assert set(activities) == {record.id for record in records}
    start = activities[records[0].id].get_startTime().isoformat()
    assert start == records[0].started.replace("Z", "+00:00")
    labels = [str(label) for e in found.get_records(ProvEntity) for label in e.get_attribute("prov:label")]
    assert labels.count("data/train.csv") == 1 and labels.count("model.bin") == 3
    assert len(list(found.get_records(ProvUsage))) == 4 + 3  # the code, and the data of three
    assert len(list(found.get_records(ProvGeneration))) == 4 + 3 + 1  # records, models, a folder
    assert len(list(found.get_records(ProvAgent))) == 2


def test_a_chain(bench: Bench) -> None:
    """The output of one run is the input of the next: one entity; parents and originals inform."""
    first = bench.run(0.9, 1)
    output = first.outputs[0]
    data = (
        DataInput(path="start.bin", role="reference", source="dvc", md5=output.md5, sha256=output.sha256),
    )
    bench.add(
        replace(
            first, id="20990101-000000-aaaaaa", data=data, outputs=(), parent=first.id, reproduces=first.id
        )
    )
    plain = bench.json("digits", "prov")
    (made,) = [r for r in plain["wasGeneratedBy"].values() if r.get("gittrack:role") == "model"]
    assert made["prov:entity"] in [
        r["prov:entity"] for r in plain["used"].values() if r["gittrack:role"] == "reference"
    ]
    (told,) = plain["wasInformedBy"].values()
    assert told == {"prov:informed": "run:20990101-000000-aaaaaa", "prov:informant": f"run:{first.id}"}
    document_of(json.dumps(plain).encode())


def test_one_content_at_two_paths(bench: Bench) -> None:
    """One entity; each use says the path that it had."""
    record = bench.run(0.9, 1)
    data = (replace(record.data[0], path="held.csv", role="test"),)
    bench.add(replace(record, id="20990101-000000-aaaaaa", data=data))
    uses = bench.json("digits", "prov")["used"].values()
    paths = {r["gittrack:role"]: r.get("gittrack:path") for r in uses}
    assert paths == {"code": None, "train": "data/train.csv", "test": "held.csv"}


def test_hostile_names(bench: Bench) -> None:
    """Names that cannot be names become digests, with what they were beside them."""
    record = bench.bare()
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        hypothesis=HOSTILE,
        params={HOSTILE: HOSTILE, "a.b:c": 1, "lr": 0.5},
        base_models=(BaseModel(name=HOSTILE),),
    )
    bench.add(odd)
    plain = bench.json(odd.id, "prov")
    document_of(json.dumps(plain).encode())
    activity = plain["activity"][f"run:{odd.id}"]
    assert activity["param:lr"] == 0.5 and "a.b:c = 1" in activity.values()
