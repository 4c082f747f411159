"""Where trackers keep their runs: names that are told apart, and what is no code."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from gittrack.importers.harvest.places import Place, TooMany, places


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("uri", "store"),
    [
        ("file:./my%20runs", "my runs"),
        ("file:///abs/mlruns", "/abs/mlruns"),
        ("sqlite:///exp.db?x=1", "exp.db"),
        ("sqlite:////abs/exp.db", "/abs/exp.db"),
        ("plain/folder", "plain/folder"),
        ("http://localhost:5000", None),
        ("file://server/share", None),
        ("databricks", "databricks"),
        ("http://[::1", None),
        ("file:///a%00b", None),
    ],
)
def test_what_a_tracking_uri_names(tmp_path: Path, uri: str, store: str | None) -> None:
    """Paths are from the current folder; servers have none."""
    found = places(tmp_path, {"MLFLOW_TRACKING_URI": uri}, [])
    own = {place.path for place in found if place.system == "mlflow"}
    assert own - {tmp_path / "mlruns", tmp_path / "mlflow.db"} == ({tmp_path / store} if store else set())


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs by their folders, event files by their paths; no link is followed, and too many are none."""
    touch(
        tmp_path / "wandb" / "run-20240101_000000-a" / "run-a.wandb",
        tmp_path / "mlruns" / "0" / "ab" / "meta.yaml",
        tmp_path / "mlruns" / "models" / "m" / "meta.yaml",
        tmp_path / "mlruns" / "src" / "jobs" / "train.py",
        tmp_path / "databricks" / "jobs" / "lib" / "train.py",  # what is no store is code
        tmp_path / "out" / "runs" / "x" / "events.out.tfevents.1.h",
        tmp_path / "out" / "runs" / "y" / "events.out.tfevents.2.h",
        tmp_path / "logs" / "z" / "events.out.tfevents.3.h",
        tmp_path / "logs" / "z" / "train.py",
    )
    (tmp_path / "wandb" / "latest-run").symlink_to("run-20240101_000000-a")
    (tmp_path / "logs" / "link").symlink_to(tmp_path / "out")
    environ = {"MLFLOW_TRACKING_URI": "databricks"}
    found = {
        place.path.relative_to(tmp_path).as_posix(): place for place in places(tmp_path, environ, ["logs/z"])
    }
    assert {name: {*place.units()} for name, place in found.items() if place.units()} == {
        "wandb": {"run-20240101_000000-a"},
        "mlruns": {"0/ab"},
        "out/runs": {"x/events.out.tfevents.1.h", "y/events.out.tfevents.2.h"},
        "logs": {"z/events.out.tfevents.3.h"},
    }
    kept = [path for place in found.values() for path in place.kept()]
    assert {Path(path).relative_to(tmp_path).as_posix() for path in kept} == {
        "wandb", "mlruns", "out/runs", "logs/z/events.out.tfevents.3.h",
    }  # fmt: skip
    monkeypatch.setattr(import_module(Place.__module__), "MOST", 1)
    with pytest.raises(TooMany):
        Place("tensorboard", tmp_path / "out" / "runs").units()
    assert places(tmp_path, {}, [])  # a folder of many files, such as of images
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    with pytest.raises(OSError, match=r"not a database|malformed"):  # not known, which is not none
        Place("mlflow", tmp_path / "mlflow.db").units()
