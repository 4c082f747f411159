"""gittrack report as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.codec import validate
from tests.publishing.report.study import Study, decided, study  # noqa: F401 - fixtures

Captured = pytest.CaptureFixture[str]


def test_a_file_of_the_usual_name(decided: Study, capsys: Captured) -> None:  # noqa: F811
    """And one line that says what is in it; what is there already is not overwritten."""
    assert execute(["report"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gittrack: report-digits.html: 5 runs, verify: PASS; 41 items, ")
    page = Path("report-digits.html")
    first = page.read_bytes()
    assert first.startswith(b"<!doctype html>")
    assert execute(["report", "digits"]) == 2 and "is there already" in capsys.readouterr().err
    assert execute(["report", "digits", "-f", "-q"]) == 0 and page.read_bytes() == first
    assert capsys.readouterr() == ("", "")


def test_the_format_is_that_of_the_file(decided: Study, capsysbinary: pytest.CaptureFixture[bytes]) -> None:  # noqa: F811
    """Unless it is named; - is standard output."""
    assert execute(["report", "digits", "-o", "a.md"]) == 0 and Path("a.md").read_text().startswith("# Model")
    assert execute(["report", "digits", "-o", "a.json"]) == 0
    validate(json.loads(Path("a.json").read_text()), "report", "a.json")
    capsysbinary.readouterr()
    assert execute(["report", decided.runs[3].id, "--format", "json", "-o", "-", "--title", "A title"]) == 0
    plain = json.loads(capsysbinary.readouterr().out)
    assert plain["title"] == "A title" and plain["subject"]["why"] == "it was asked for"


def test_options(decided: Study) -> None:  # noqa: F811
    """Order, verification, a former release, a stamp."""
    run = decided.runs[0].id
    words = ["--order", "aisdp", "--no-verify", "--since", run, "--stamp", "-o", "a.html"]
    assert execute(["report", "digits", *words]) == 0
    text = Path("a.html").read_text()
    assert "Module 5: Testing and validation" in text and "--no-verify" in text and "Report made" in text
    assert f"run {run}" in text


def test_what_is_wrong(decided: Study, capsys: Captured) -> None:  # noqa: F811
    """One line, the code of a wrong word, and no file."""
    for words, said in [
        (["nosuch"], "no experiment and no run 'nosuch'"),
        (["digits", "--since", "nosuch"], "no run, model, tag, revision or date"),
        (["digits", "-o", "nosuch/a.html"], "cannot write nosuch/a.html"),
    ]:
        assert execute(["report", *words]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    assert not Path("report-digits.html").exists()


def test_no_browser(decided: Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Said in one line; nothing is written."""
    monkeypatch.setenv("GITTRACK_CHROMIUM", "/nosuch/chromium")
    assert execute(["report", "digits", "--format", "pdf"]) == 2
    assert "GITTRACK_CHROMIUM" in capsys.readouterr().err and not Path("report-digits.pdf").exists()
