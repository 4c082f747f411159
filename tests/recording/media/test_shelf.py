"""How much of the media of a run is kept, and under which names of files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import gittrack
from gittrack.recording.media import shelf
from gittrack.recording.media.shelf import Amount, path_of
from tests.recording.processes import run as run_script

PAGE = "<p>1234567</p>"


@pytest.fixture(autouse=True)
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "CALL", Amount(2, 1_000))
    monkeypatch.setattr(shelf, "NAME", Amount(8, 4_000))
    monkeypatch.setattr(shelf, "RUN", Amount(12, 10_000))


def steps(name: str) -> list[float | int | None]:
    return [artifact.medium.step for artifact in gittrack.load("latest").media(name) if artifact.medium]


def test_of_a_name_with_too_many_first_last_and_every_so_many_are_kept(
    inside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At any length of the run; it is said once, and counted in the record."""
    with gittrack.start_run("e") as run, caplog.at_level(logging.WARNING):
        for step in range(31):
            run.log_html(PAGE, "page", step)
    assert run.record is not None
    assert steps("page") == [0, 8, 16, 24, 30]
    (loss,) = run.record.not_recorded
    assert (loss.what, loss.count) == ("media page", 26) and "every 8th call" in loss.why
    assert len(caplog.records) == 1 and "the first, the last, and every 2nd" in caplog.text


def test_a_name_has_so_many_bytes(inside: Path) -> None:
    """Large files leave fewer."""
    with gittrack.start_run("e") as run:
        for step in range(10):
            run.log_html("<" + "x" * 898, "page", step)
    assert steps("page") == [0, 4, 8, 9]


def test_a_run_thins_the_name_with_most(inside: Path) -> None:
    """The first and the last of each name stay; where nothing more can go, what comes is refused."""
    with gittrack.start_run("e") as run:
        for step in range(8):
            run.log_html(PAGE, "many", step)
        for name in "abc":
            for step in range(2):
                run.log_html(PAGE, name, step)
        assert len(list(Path(".git").rglob("media/html/*/*"))) <= 12, "what was dropped is off the disk"
        for number in range(5):
            run.log_html(PAGE, f"more {number}")
    assert run.record is not None and run.record.media is not None and run.record.media.count == 12
    assert steps("many")[0] == 0 and steps("many")[-1] == 7 and steps("a") == [0, 1]
    assert (
        "the run's media are full" in {loss.what: loss.why for loss in run.record.not_recorded}["html more 4"]
    )


def test_one_step_again_and_again_costs_no_more(inside: Path) -> None:
    """The name of a file that went is free again."""
    with gittrack.start_run("e") as run:
        for _ in range(40):
            run.log_html(PAGE, "page", step=0)
    files = [artifact.medium.file for artifact in gittrack.load("latest").media() if artifact.medium]
    assert len(files) == len(set(files)) <= 8
    assert all(int(file.removesuffix(".html").rpartition("-")[2]) < 10 for file in files)


def test_a_call_that_is_too_much_is_refused(inside: Path) -> None:
    """By its bytes, and by its files."""
    pytest.importorskip("numpy")
    with gittrack.start_run("e") as run:
        run.log_html("<" + "x" * 1_000, "page")
        run.log_images([[[0]], [[1]], [[0]]], "images")
    assert run.record is not None and run.record.media is None
    assert all("one call keeps at most 2 files" in loss.why for loss in run.record.not_recorded)
    assert len(run.record.not_recorded) == 2


def test_a_run_that_goes_on_keeps_its_count(inside: Path) -> None:
    """As if it had never stopped."""
    script = f"""
from gittrack.recording.media import shelf
shelf.NAME = shelf.Amount(8, 4000)
run = gittrack.start_run("e", resume="auto")
for step in range(run.last_step + 1 if run.resumed else 0, 31):
    run.log_metric("loss", 0.5, step=step)
    run.log_html({PAGE!r}, "page", step)
    if step == 14:
        run._journal.flush()
        os.kill(os.getpid(), signal.SIGKILL)
run.finish()
"""
    for _ in range(2):
        run_script(inside, script)
    assert steps("page") == [0, 8, 16, 24, 30]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("val/sample", "val/sample"),
        ("ü/漢字", "ü/漢字"),
        ("../../etc/passwd", "_/_/etc/passwd-"),
        ("/abs", "_/abs-"),
        (".git/x\\y\0", "git/x_y_-"),
        ("日" * 200, "日" * 26 + "-"),
        ("a/step-0.png/b", "a/step-0_png/b-"),
    ],
)
def test_a_name_is_a_safe_path(name: str, path: str) -> None:
    """It leads nowhere else; what had to be changed is told apart by a digest."""
    assert path_of(name).startswith(path) and (path_of(name) == name) == (path == name)
