"""gittrack import: which system, what is said, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.importers.systems import choose
from tests.importers.sources import importer
from tests.ledgers import records
from tests.repositories import run_git


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    top = importer(tmp_path, monkeypatch).top
    monkeypatch.chdir(top)
    return top


def store(folder: Path) -> None:
    """A file store of MLflow with a run."""
    run = folder / "7" / ("ab" * 16)
    (run / "metrics").mkdir(parents=True)
    (folder / "7" / "meta.yaml").write_text("experiment_id: '7'\nname: digits\nlifecycle_stage: active\n")
    (run / "meta.yaml").write_text(
        f"run_id: {'ab' * 16}\nstatus: 3\nstart_time: 1700000000000\nend_time: 1700000001000\n"
        "experiment_id: '7'\nlifecycle_stage: active\nuser_id: bob\nartifact_uri: /x\nrun_name: fox\n"
    )
    (run / "metrics" / "loss").write_text("1700000000500 0.25 3\n1700000000600 0.5 2\n")


def test_the_folder_shows_the_system(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named or not, also by the folder above; a second time there is nothing to add."""
    store(clone / "mlruns")
    for source in (["mlruns"], ["."], ["auto", "mlruns"], ["mlflow", "mlruns"]):
        assert execute(["import", *source]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.endswith("imported")] == ["1 run of mlflow imported"]
    assert said[-1] == "0 runs of mlflow imported, 1 here already, nothing to add"
    (record,) = records(clone)
    assert (record.experiment, record.name, record.author) == ("digits", "fox", None)
    assert (record.metrics["loss"].value, record.metrics["loss"].step) == (0.25, 3)
    assert execute(["verify", "-q"]) == 0


def test_a_folder_of_several_systems(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One is read; which others there are is said, unless the system was named."""
    store(clone / "mlruns")
    (clone / "dvclive").mkdir()
    (clone / "dvclive" / "metrics.json").write_text('{"step": 1}')
    (clone / "data.csv").write_text("a\n1\n")
    for given in (["."], ["mlflow", "."]):
        assert execute(["import", *given]) == 0
    (note,) = (line for line in capsys.readouterr().err.splitlines() if "only" in line)
    assert note == (
        "gittrack: only runs of mlflow were read; . seems to have some of dvclive, too: "
        "gittrack import dvclive ."
    )


def test_a_dry_run_and_its_report(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, too; nothing is written."""
    (clone / "good.csv").write_text("step,loss\n0,1\n")
    (clone / "bad.csv").write_text("a,a\n1,2\n")
    assert execute(["import", ".", "-n", "--json", "-e", "tables"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["system"], report["dry_run"], report["new"], report["could_not_be_read"]) == (
        "table",
        True,
        1,
        1,
    )
    (run,) = report["runs"]
    assert (run["name"], run["experiment"], run["id"]) == ("good", "tables", None)
    assert report["skipped"] == [{"what": "bad.csv", "why": "two of its columns have one name"}]
    assert run_git(clone, "for-each-ref") == ""


def test_a_mapping(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file, of which a fault is the caller's."""
    (clone / "r.csv").write_text("trial,lr,loss\nx,0.1,1\ny,0.2,2\n")
    (clone / "map.yaml").write_text("run: trial\nparams: [lr]\n")
    assert execute(["import", "r.csv", "--map", "map.yaml"]) == 0
    assert sorted(record.params["lr"] for record in records(clone)) == [0.1, 0.2]
    (clone / "map.yaml").write_text("[]\n")
    assert execute(["import", "r.csv", "--map", "map.yaml"]) == 2
    assert execute(["import", "r.csv", "--map", "none.yaml"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mlflow"], "which runs of mlflow? Name their folder or file"),
        (["nowhere"], "nowhere does not exist"),
        (["nosuch", "."], "no system 'nosuch': runs come from"),
        (["."], "looks like the runs of no system"),
        (["table", ".", "-e", "../x"], "is no name of an experiment"),
    ],
)
def test_what_is_wrong_is_said(
    clone: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, before anything is read."""
    assert execute(["import", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_store_of_many_runs_is_known(tmp_path: Path) -> None:
    """However many names lie before the one that shows it."""
    store(tmp_path)
    for at in range(2100):
        (tmp_path / "7" / f"r{at}").mkdir()
    assert choose("auto", tmp_path) == "mlflow"
