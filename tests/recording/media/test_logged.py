"""What a run shows at steps: into its journal, and from there into its record."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.cli import execute
from gittrack.formats.media import FILE
from gittrack.formats.record import Record, parse_time
from gittrack.git.repository import Repository
from gittrack.reading.artifact import Artifact
from gittrack.verify import verify
from tests.ledgers import file_of
from tests.recording.processes import only
from tests.recording.processes import run as run_script

np = pytest.importorskip("numpy")
DOT = [[0, 255]]


def ended(run: gittrack.Run) -> Record:
    record = run.finish()
    assert record is not None
    faults = [f.code for f in verify(Repository.discover(Path.cwd())).findings if f.severity == "fail"]
    assert faults == []
    return record


def shown(artifacts: list[Artifact]) -> list[tuple[Any, ...]]:
    media = [artifact.medium for artifact in artifacts]
    return [(m.name, m.kind, m.step, m.mime, m.caption) for m in media if m is not None]


@pytest.mark.usefixtures("strict")
def test_every_kind_is_kept_at_its_step(inside: Path) -> None:
    """One output with all bytes, a manifest in git that names each, and bytes that come back."""
    run = gittrack.start_run("e")
    began = parse_time(json.loads(next(inside.rglob("start.json")).read_text())["record"]["started"])
    at = round(began.timestamp() * 1000) + 5_000
    run.log_image(DOT, "val/sample", 3, at, caption="seven")
    run.log_images([DOT, DOT], "pair", step=0.5, captions=["a", "b"])
    run.log_audio([0.0], "beep", sample_rate=8_000)
    run.log_table({"a": [1]}, artifact_file="tables/a.json")
    run.log_html("<p>hi</p>", "page")
    run.log_histogram([1, 2], "grad", bins=2)
    run.log_confusion_matrix([0, 1], [1, 1], step=4)
    run.log_image(DOT, key="dogs", step=1)
    record = ended(run)
    found = gittrack.load("latest")
    assert shown(found.media()) == [
        ("val/sample", "image", 3, "image/png", "seven"),
        ("pair", "image", 0.5, "image/png", "a"),
        ("pair", "image", 0.5, "image/png", "b"),
        ("beep", "audio", None, "audio/wav", None),
        ("tables/a.json", "table", None, "application/json", None),
        ("page", "html", None, "text/html", None),
        ("grad", "histogram", None, "application/json", None),
        ("confusion matrix", "confusion matrix", 4, "application/json", None),
        ("dogs", "image", 1, "image/png", None),
    ]
    assert found.media("val/sample")[0].medium is not None and found.media("val/sample")[0].medium.time == 5.0
    assert found.media("page")[0].read_bytes() == b"<p>hi</p>"
    assert found.artifact("image/val/sample/step-3.png").read_bytes().startswith(b"\x89PNG")
    (output,) = record.outputs
    assert (output.path, output.role, output.nfiles, output.logical) == ("_gittrack/media", "media", 9, True)
    assert record.media is not None and record.media.count == 9
    assert not list(Path(".git/gittrack/journal").iterdir())


def test_a_bad_value_ends_no_training(inside: Path) -> None:
    """What is no image, or has no name, is said once and counted; the rest is kept."""
    run = gittrack.start_run("e")
    for step in range(3):
        run.log_image([[float("nan")]], "broken", step)
        run.log_image(DOT, "good", step)
    run.log_image(DOT)
    run.log_image(DOT, "good", step="nowhere")  # type: ignore[arg-type]
    run.log_html("<p>", "page", caption="x" * 501)
    record = ended(run)
    assert record.media is not None and record.media.count == 4
    losses = {loss.what: loss for loss in record.not_recorded}
    assert losses["image broken"].count == 3 and "0 to 1, not nan" in losses["image broken"].why
    assert losses.keys() == {"image broken", "image", "step", "html page"}
    run.log_image(DOT, "late")
    assert gittrack.load("latest").media("late") == []


def test_one_name_and_step_may_have_several(inside: Path) -> None:
    """Also by letters of another case, and from threads: none takes the place of another."""
    run = gittrack.start_run("e")

    def log(name: str) -> None:
        for value in range(10):
            run.log_image([[value]], name, step=1)

    threads = [threading.Thread(target=log, args=(name,)) for name in ("a", "A", "a")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = ended(run)
    names = [json.loads(line)["file"] for line in file_of(inside, record, FILE).splitlines()]
    assert len(names) == 30 == len({name.casefold() for name in names})


def test_steps_are_those_of_the_run_and_counted_ones(inside: Path) -> None:
    """As for metrics: `next_step` gives what came before it the first step."""
    run = gittrack.start_run("e")
    run.log_image(DOT, "dot")
    run.next_step()
    run.log_image(DOT, "dot")
    ended(run)
    assert [step for _, _, step, *_ in shown(gittrack.load("latest").media())] == [0, 1]


def test_the_verbs_of_the_module(inside: Path) -> None:
    """Each is that of the active run."""
    gittrack.start_run("e")
    gittrack.log_image(DOT, "image")
    gittrack.log_images([DOT], "images")
    gittrack.log_audio([0.0], "audio", sample_rate=8_000)
    gittrack.log_table([{"a": 1}], "table")
    gittrack.log_html("<p>", "html")
    gittrack.log_histogram([1], "histogram")
    gittrack.log_confusion_matrix([0], [0], "matrix")
    record = gittrack.end_run()
    assert record is not None and record.media is not None and record.media.count == 7
    assert record.not_recorded == ()


def test_after_kill_9_what_was_logged_is_recorded(inside: Path) -> None:
    """The file lay beside the journal, and its line in it; a file that was damaged since is named."""
    script = """
run = gittrack.start_run("e")
for step in range(3):
    run.log_html(f"<p>{step}</p>", "page", step)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_script(inside, script)[0] == -9
    (live,) = gittrack.search()
    assert live.row.is_live
    assert [page.read_bytes() for page in live.media()] == [b"<p>0</p>", b"<p>1</p>", b"<p>2</p>"]
    folder = next(Path(".git/gittrack/journal").glob("*/media/html/page"))
    (folder / "step-1.html").write_text("<p>?</p>")
    (folder / "half-written.html").write_text("<")
    assert execute(["recover"]) == 0
    record = only(inside)
    assert [step for _, _, step, *_ in shown(gittrack.load("latest").media())] == [0, 2]
    (loss,) = [loss for loss in record.not_recorded if loss.what.startswith("media")]
    assert (loss.what, loss.why) == ("media page: html/page/step-1.html", "the file is not what was logged")


def test_a_rank_that_is_not_recorded_does_nothing(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even look at what it is given."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    run = gittrack.start_run("e")
    run.log_image(object(), "image")
    assert run.finish() is None
