"""CycloneDX: valid by the official schema, and saying what the records say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from gittrack.exporters.values import purl, pypi
from gittrack.formats import codec
from gittrack.formats.record import BaseModel, DataInput, Metric
from tests.exporters.bench import HOSTILE, Bench
from tests.repositories import run_git


def checked(bench: Bench, name: str = "latest", **options: Any) -> dict[str, Any]:
    """The bill of materials, valid by the strict schema of CycloneDX 1.7, formats included."""
    data = bench.data(name, "cyclonedx", **options)
    assert faults(data.decode()) is None
    found: dict[str, Any] = json.loads(data)
    references = [c["bom-ref"] for c in [found["metadata"]["component"], *found["components"]]]
    assert len(references) == len(set(references))
    assert {d["ref"] for d in found["dependencies"]} == set(references)
    return found


def faults(text: str) -> Any:
    pytest.importorskip("cyclonedx")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_7).validate_str(text)


def test_the_model_and_its_card(bench: Bench) -> None:
    """Hash, metrics with their interval over replicates, data, what is to be considered."""
    record = bench.replicates()[-1]
    found = checked(bench, record.id, licence="MIT")
    model = found["metadata"]["component"]
    assert model["type"] == "machine-learning-model" and model["version"] == record.id
    assert model["hashes"] == [{"alg": "SHA-256", "content": record.outputs[0].sha256}]
    assert model["licenses"] == [{"license": {"name": "MIT"}}]
    card = model["modelCard"]
    metrics = {m["type"]: m for m in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert metrics["accuracy"] == {"type": "accuracy", "value": "0.92", "slice": "test"}
    mean = metrics["accuracy, mean of 3 runs"]
    # 4.302653 is the 97.5 % point of t with two degrees of freedom: .91 ± 4.302653 * .01 / sqrt(3).
    assert float(mean["value"]) == pytest.approx(0.91)
    assert float(mean["confidenceInterval"]["lowerBound"]) == pytest.approx(0.885159, abs=1e-6)
    assert float(mean["confidenceInterval"]["upperBound"]) == pytest.approx(0.934841, abs=1e-6)
    assert card["modelParameters"]["datasets"] == [{"ref": "data-0"}]
    assert card["considerations"]["useCases"] == ["Reads | digits", "Does <b>it</b> work?"]
    assert card["considerations"]["technicalLimitations"] == ["Blind to <i>7</i>"]
    said = {p["name"]: p["value"] for p in model["properties"]}
    assert said["gittrack:gate"] == "passed"


def test_what_it_is_made_of(bench: Bench) -> None:
    """Data, code, locks and packages, with hashes or package URLs, all in the dependencies."""
    record = bench.run(0.9, 2, folder=True)
    found = checked(bench)
    parts = {c["bom-ref"]: c for c in found["components"]}
    assert parts["data-0"]["hashes"][0]["content"] == record.data[0].sha256
    assert parts["code"]["version"] == record.code.commit
    assert parts["lock-0"]["name"] == "requirements.txt"
    assert parts["package-numpy"]["purl"].startswith("pkg:pypi/numpy@")
    folder = parts["output-1"]
    assert "hashes" not in folder
    assert {"name": "gittrack:digest:dirHash", "value": record.outputs[1].sha256} in folder["properties"]
    (model,) = [d for d in found["dependencies"] if d["ref"] == "model"]
    assert {"data-0", "code", "lock-0", "package-numpy"} <= set(model["dependsOn"])


def test_a_package_that_is_not_from_an_index(bench: Bench) -> None:
    """It has no package URL, which would name another one."""
    record = bench.bare()
    path = f"gittrack/runs:{record.path}/environment.yaml"
    environment = codec.read_yaml(run_git(bench.top, "show", path).encode(), path)
    environment["packages"] = {"numpy": "1.26.0", "own": "0.1"}
    environment["origins"] = {"own": "https://example.org/own.git"}
    data = codec.write_yaml(environment)
    summary = replace(record.environment, sha256=hashlib.sha256(data).hexdigest())
    odd = bench.add(replace(record, id="20990101-000000-aaaaaa", environment=summary), data)
    parts = {c["bom-ref"]: c for c in checked(bench, odd.id)["components"]}
    assert parts["package-numpy"]["purl"] == "pkg:pypi/numpy@1.26.0"
    own = parts["package-own"]
    assert "purl" not in own and own["properties"][0]["value"] == "https://example.org/own.git"


def test_the_serial_number_is_that_of_the_content(bench: Bench) -> None:
    """Equal for equal content, another where a further replicate has changed the figures."""
    record = bench.run(0.9, 0)
    first, again = (bench.data(record.id, "cyclonedx") for _ in range(2))
    assert first == again
    bench.run(0.91, 1)
    second = json.loads(bench.data(record.id, "cyclonedx"))
    assert second["serialNumber"] != json.loads(first)["serialNumber"]


def test_hostile_and_odd_records(bench: Bench) -> None:
    """Whatever is in a record: the schema is kept, and the text is text."""
    record = bench.run(0.9, 2)
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        hypothesis=HOSTILE,
        params={HOSTILE: {"x": [1, None, HOSTILE]}, "n": 2**70},
        tags={"task": "classification", "architecture": HOSTILE, "model_inputs": "image"},
        metrics={"<b>": Metric(status="nan", split=HOSTILE.splitlines()[0])},
        data=(DataInput(path=HOSTILE, role="test", source="dvc", md5="1" * 32 + ".dir", nfiles=3),),
        base_models=(
            BaseModel(name=HOSTILE, digest="sha256:" + "5" * 64),
            BaseModel(name="x", digest="sha1:abc"),
        ),
        code=replace(record.code, remote="https://example.org/a b", command=(HOSTILE,)),
    )
    bench.add(odd)
    model = checked(bench, odd.id)["metadata"]["component"]
    assert model["description"] == HOSTILE
    assert model["modelCard"]["modelParameters"]["task"] == "classification"
    assert model["pedigree"]["ancestors"][0]["hashes"] == [{"alg": "SHA-256", "content": "5" * 64}]
    assert "hashes" not in model["pedigree"]["ancestors"][1]


def test_a_run_without_a_model(bench: Bench) -> None:
    """It says that there is no hash."""
    record = bench.bare()
    done = bench.export("latest", "cyclonedx")
    assert done.notes == [f"run {record.id} has no one output that is the model: its component has no hash"]
    assert faults((done.data or b"").decode()) is None


def test_the_validator_would_say_so(bench: Bench) -> None:
    """The test of the test."""
    bench.bare()
    found = checked(bench)
    found["components"][0]["type"] = "nonsense"
    assert faults(json.dumps(found)) is not None


def test_package_urls() -> None:
    """Names as PyPI has them, everything else escaped."""
    assert pypi("Ruamel.YAML_x", "1.0+cpu") == "pkg:pypi/ruamel-yaml-x@1.0%2Bcpu"
    assert purl("generic", "a/b c", None) == "pkg:generic/a/b%20c"
