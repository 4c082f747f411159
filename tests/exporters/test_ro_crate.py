"""RO-Crate: what is in it, that it is valid, that nothing leaves it, that its bytes stay the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import DvcError, RecordError, UsageError
from gittrack.exporters.contents import Names, safe_path
from gittrack.formats.record import BaseModel, DataInput, Output
from tests.exporters.bench import HOSTILE, Bench

CONTEXT = Path(__file__).parent / "schemas" / "ro-crate-1.1-context.jsonld"

# Recommendations that a crate cannot follow, as the records do not say it.
KNOWN = (
    "affiliation", "`publisher`", "encodingFormat", "is not natively supported", "SHOULD end with `/`",
    "SHOULD be an absolute URI", "SHOULD have a result",
)  # fmt: skip


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The validator gets the context from our copy, and nothing else of the network."""
    import requests

    def send(session: Any, request: Any, **options: Any) -> requests.Response:
        response = requests.Response()
        response.url, response.request = request.url, request
        known = request.url == "https://w3id.org/ro/crate/1.1/context"
        response.status_code = 200 if known else 404
        response._content = CONTEXT.read_bytes() if known else b""
        response.headers["Content-Type"] = "application/ld+json"
        return response

    monkeypatch.setattr(requests.sessions.Session, "send", send)
    return None


def issues(crate: Path, severity: str = "REQUIRED") -> list[str]:
    """What the validator of the profile has against a crate."""
    pytest.importorskip("rocrate_validator")
    from rocrate_validator import models, services

    settings = services.ValidationSettings(
        rocrate_uri=crate.name,
        profile_identifier="process-run-crate",
        requirement_severity=getattr(models.Severity, severity),
        no_cache=True,
        skip_availability_check=True,
    )
    with contextlib.chdir(crate.parent):  # the validator does not find its way to a path with a space
        found = services.validate(settings).get_issues()
    return [f"{issue.severity.name} {issue.message}" for issue in found]


def graph_of(crate: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by id."""
    if crate.is_dir():
        text = (crate / "ro-crate-metadata.json").read_bytes()
    else:
        text = zipfile.ZipFile(crate).read("ro-crate-metadata.json")
    return {entity["@id"]: entity for entity in json.loads(text)["@graph"]}


def test_an_experiment_is_a_valid_crate(bench: Bench, tmp_path: Path, answers: None) -> None:
    """Of the profile's requirements all, of its recommendations all that records can follow."""
    bench.replicates()
    bench.fail()
    bench.export("digits", "ro-crate", target=str(tmp_path / "digits.zip"), licence="Apache-2.0")
    found = issues(tmp_path / "digits.zip", "RECOMMENDED")
    assert found and not [said for said in found if not any(known in said for known in KNOWN)]
    graph = graph_of(tmp_path / "digits.zip")
    actions = [entity for entity in graph.values() if entity["@type"] == "CreateAction"]
    assert len(actions) == 4 and len(graph["./"]["mentions"]) == 4
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/Apache-2.0"}


def test_the_validator_would_say_so(bench: Bench, tmp_path: Path, answers: None) -> None:
    """The test of the test: an action without its instrument is an issue."""
    bench.bare()
    bench.export("latest", "ro-crate", target=f"{tmp_path}/crate/")
    file = tmp_path / "crate" / "ro-crate-metadata.json"
    assert issues(tmp_path / "crate") == []
    plain = json.loads(file.read_text())
    for entity in plain["@graph"]:
        entity.pop("instrument", None)
    file.write_text(json.dumps(plain))
    assert any("instrument" in said for said in issues(tmp_path / "crate"))


def test_what_an_action_says(bench: Bench, tmp_path: Path) -> None:
    """Who, when, with which code, from what, to what: as the record has it."""
    record = bench.run(0.9, 5, hypothesis="wider is better")
    bench.export(record.id, "ro-crate", target=str(tmp_path / "run.zip"))
    graph = graph_of(tmp_path / "run.zip")
    action = graph[f"#{record.id}"]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus" and "error" not in action
    assert action["description"] == "wider is better"
    assert graph[action["agent"]["@id"]]["email"] == "ada@example.com"
    code = graph[action["instrument"]["@id"]]
    assert code["version"] == record.code.commit and code["url"] == {
        "@id": "https://example.org/lab/digits.git"
    }
    used = {graph[item["@id"]]["name"]: graph[item["@id"]] for item in action["object"]}
    assert used["data/train.csv"]["sha256"] == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert used["lr"]["value"] == 0.1 and used["seed"]["value"] == 5
    made = {graph[item["@id"]]["name"]: graph[item["@id"]] for item in action["result"]}
    assert made["accuracy"]["value"] == 0.9 and made["model.bin"]["@id"].startswith("ni:///sha-256;")
    assert made["model.bin"]["sha256"] == record.outputs[0].sha256
    archive = zipfile.ZipFile(tmp_path / "run.zip")
    for name in ("run.yaml", "environment.yaml", "metrics.csv"):
        entity = graph[f"{record.path}/{name}"]
        assert hashlib.sha256(archive.read(f"{record.path}/{name}")).hexdigest() == entity["sha256"]


def test_a_failed_run(bench: Bench, tmp_path: Path) -> None:
    """It is there with its error, letter by letter."""
    record = bench.fail()
    bench.export("latest", "ro-crate", target=str(tmp_path / "run.zip"))
    action = graph_of(tmp_path / "run.zip")[f"#{record.id}"]
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == f"ValueError: {HOSTILE}"


def test_the_same_bytes_each_time(bench: Bench, tmp_path: Path) -> None:
    """Whatever the clock says."""
    bench.replicates()
    bench.export("digits", "ro-crate", target=str(tmp_path / "a.zip"), data=True)
    bench.export("digits", "ro-crate", target=str(tmp_path / "b.zip"), data=True)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert bench.data("digits", "ro-crate") == bench.data("digits", "ro-crate")


def test_with_the_bytes(bench: Bench, tmp_path: Path, answers: None) -> None:
    """Files and folders lie in the crate as they were, and the metadata knows them."""
    record = bench.run(0.9, 2, folder=True)
    bench.export("latest", "ro-crate", target=f"{tmp_path}/crate/", data=True)
    crate, graph = tmp_path / "crate", graph_of(tmp_path / "crate")
    outputs = crate / record.path / "outputs"
    assert (outputs / "model.bin").read_bytes() == b"weights 2"
    assert (outputs / "plots" / "in" / "a.txt").read_text() == "in/a.txt 2"
    folder = graph[f"{record.path}/outputs/plots/"]
    assert folder["@type"] == "Dataset" and len(folder["hasPart"]) == 2
    assert issues(crate) == []


def test_absent_and_altered_bytes(bench: Bench, tmp_path: Path) -> None:
    """One line, and nothing is written."""
    record = bench.run(0.9, 2)
    md5 = record.outputs[0].md5
    file = bench.top / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    file.chmod(0o644)
    file.write_bytes(b"weights 3")
    with pytest.raises(DvcError, match="corrupt"):
        bench.export("latest", "ro-crate", target=str(tmp_path / "run.zip"), data=True)
    file.unlink()
    with pytest.raises(DvcError, match="gittrack pull --artifacts"):
        bench.export("latest", "ro-crate", target=str(tmp_path / "run.zip"), data=True)
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*.part"))
    bench.export("latest", "ro-crate", target=str(tmp_path / "run.zip"))


def test_hostile_paths_stay_inside(bench: Bench, tmp_path: Path) -> None:
    """Whatever a record calls its output: the crate's member lies below the run's folder."""
    record = bench.run(0.9, 2)
    paths = ["../../evil", "/etc/passwd", "a/../../b", "C:\\x\\..\\y", "..", "x\n/ y. ", "x\n/ y. "]
    outputs = tuple(replace(record.outputs[0], path=path) for path in paths)
    hostile = bench.add(replace(record, id="20990101-000000-aaaaaa", outputs=outputs))
    bench.export(hostile.id, "ro-crate", target=f"{tmp_path}/crate/", data=True)
    bench.export(hostile.id, "ro-crate", target=str(tmp_path / "c.zip"), data=True)
    inside = [p for p in (tmp_path / "crate" / hostile.path / "outputs").rglob("*") if p.is_file()]
    assert [p.read_bytes() for p in inside] == [b"weights 2"] * len(paths)
    assert {p.name for p in tmp_path.iterdir()} == {"crate", "c.zip", "project"}
    for name in zipfile.ZipFile(tmp_path / "c.zip").namelist():
        assert not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


def test_a_place_that_is_taken(bench: Bench, tmp_path: Path) -> None:
    """A file stays unless forced, a folder stays."""
    bench.bare()
    target = tmp_path / "x.zip"
    target.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        bench.export("latest", "ro-crate", target=str(target))
    assert target.read_text() == "mine"
    bench.export("latest", "ro-crate", target=str(target), force=True)
    assert zipfile.is_zipfile(target)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    with pytest.raises(UsageError, match="there already"):
        bench.export("latest", "ro-crate", target=f"{tmp_path}/full/", force=True)
    with pytest.raises(UsageError, match="no folder"):
        bench.export("latest", "ro-crate", target=str(tmp_path / "absent" / "x.zip"))


def test_a_record_beside_altered_files(bench: Bench, tmp_path: Path) -> None:
    """An environment that is not what the record says is no evidence."""
    record = replace(bench.bare(), id="20990101-000000-aaaaaa")
    bench.add(record, b"schema: gittrack/environment/1\n")
    with pytest.raises(RecordError, match=r"environment.yaml is missing or altered"):
        bench.export(record.id, "ro-crate", target=str(tmp_path / "x.zip"))


def test_names_in_an_archive() -> None:
    """No two alike, none below a file, none outside."""
    names = Names()
    assert [names.free(n) for n in ("a", "A", "a/b", "c/d", "c", "c/d")] == [
        "a",
        "A-2",
        "a-3/b",
        "c/d",
        "c-2",
        "c/d-2",
    ]
    assert safe_path("../x") == "__/x" and safe_path("/etc/./p") == "etc/p" and safe_path("") == "_"
    assert safe_path("a:b\x00|c") == "a_b__c" and safe_path("日本/é.txt") == "日本/é.txt"


def test_other_facts(bench: Bench, tmp_path: Path, answers: None) -> None:
    """An image, data without sha256, an output without one: named by what there is."""
    record = bench.bare()
    image = "ghcr.io/lab/train@sha256:" + "5" * 64
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        environment=replace(record.environment, image=image),
        data=(
            DataInput(path="old", role="test", source="dvc", md5="1" * 32 + ".dir", nfiles=3),
            DataInput(path="by git", role="train", source="git", blob="2" * 40),
        ),
        outputs=(Output(path="m", role="model", pointer="outputs/m.dvc", md5="3" * 32, size=4),),
        base_models=(BaseModel(name="bert"),),
    )
    bench.add(odd)
    bench.export(odd.id, "ro-crate", target=str(tmp_path / "x.zip"))
    graph = graph_of(tmp_path / "x.zip")
    assert graph["#image-555555555555"]["registry"] == "ghcr.io"
    assert {"#data-" + "1" * 32 + ".dir", "#data-" + "2" * 40, "#data-" + "3" * 32} <= set(graph)
    assert issues(tmp_path / "x.zip") == []


def test_unknown_is_no_error(bench: Bench, tmp_path: Path) -> None:
    """Of a run whose end nobody saw, and of a folder whose files nobody counted, no more is said."""
    record = bench.bare()
    folder = DataInput(path="old", source="dvc", md5="1" * 32 + ".dir")
    bench.add(replace(record, id="20990101-000000-aaaaaa", status="unknown", ended_by=None, data=(folder,)))
    bench.export("20990101-000000-aaaaaa", "ro-crate", target=str(tmp_path / "x.zip"))
    graph = graph_of(tmp_path / "x.zip")
    action = graph["#20990101-000000-aaaaaa"]
    assert "actionStatus" not in action and "error" not in action
    assert graph["#data-" + "1" * 32 + ".dir"]["description"] == "Data, tracked by dvc; a folder"


def test_one_content_in_two_roles(bench: Bench, tmp_path: Path) -> None:
    """What one run trained on, another was tested on, at another path: both are said."""
    record = bench.run(0.9, 1)
    data = (replace(record.data[0], path="held.csv", role="test"),)
    bench.add(replace(record, id="20990101-000000-aaaaaa", data=data))
    bench.export("digits", "ro-crate", target=str(tmp_path / "x.zip"))
    (entity,) = [e for e in graph_of(tmp_path / "x.zip").values() if e.get("name") == "data/train.csv"]
    assert entity["description"] == "train data, tracked by git\nas held.csv: test data, tracked by git"
