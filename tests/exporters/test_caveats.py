"""What a record says of its own figures goes along with them in every format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args
from zipfile import ZipFile

import pytest

from gittrack.exporters import Format
from gittrack.formats.during import Changed, Overlap
from gittrack.formats.record import NotRecorded
from tests.exporters.bench import Bench

RUN = "20990101-000000-aaaaaa"
CAVEATS = (
    "not recorded: metrics.json: loss: no number",
    "changed while it ran: param lr: 0.1 -> 0.5",
    "at the same time: run 20990101-000000-bbbbbb wrote at metrics.json too",
)


@pytest.mark.parametrize("to", ["prov", "cyclonedx", "in-toto", "model-card", "ro-crate", "mlflow"])
def test_what_is_unsettled_is_said(bench: Bench, tmp_path: Path, to: Format) -> None:
    """A figure that may be of another run, or of other parameters, does not go out as a plain one."""
    assert to in get_args(Format)
    bench.add(
        replace(
            bench.run(0.9, 1),
            id=RUN,
            not_recorded=(NotRecorded(what="metrics.json: loss", why="no number"),),
            changed=(Changed(what="param lr", before=0.1, after=0.5),),
            overlaps=(Overlap(run="20990101-000000-bbbbbb", paths=("metrics.json",)),),
        )
    )
    text = _exported(bench, tmp_path, to).replace("\\u003e", ">").replace("\\", "").replace("&gt;", ">")
    assert [caveat for caveat in CAVEATS if caveat not in text] == []


def _exported(bench: Bench, folder: Path, to: Format) -> str:
    if to == "ro-crate":
        bench.export(RUN, to, target=str(folder / "x.zip"))
        return ZipFile(folder / "x.zip").read("ro-crate-metadata.json").decode()
    if to == "mlflow":
        pytest.importorskip("mlflow")
        bench.export(RUN, to, target=str(folder / "runs"))
        (tag,) = (folder / "runs").rglob("gittrack.caveats")
        return tag.read_text()
    return bench.data(RUN, to).decode()
